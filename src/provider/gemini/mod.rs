//! Google's Gemini API: AI Studio's, and the parts that Vertex AI shares with it.
//!
//! Reference: Gemini API v1beta, `generateContent`, `batchEmbedContents` (checked 2026-11).

mod config;
mod contents;
mod embeddings;
mod family;
mod logprobs;
mod partial;
mod plain;
mod reply;
mod request;
mod schema;
mod stream;
#[cfg(test)]
pub(super) mod tests;
mod tools;

pub(super) use embeddings::{
    Content as TextContent, Texts, Values, Vectors, answer as embeddings_answer, texts as embeddings_texts,
};

use crate::chat::{Api, Broken, Chat, Decoder, Sink};
use crate::config as configuration;
use crate::dialect::Endpoint;
use crate::vocabulary::{Fault, Metered};

use super::speech::{Ask, CallApi, ChatApi, Written};
use super::target::{BadTarget, Target};
use super::{Call, Carry, ModelPlace, Provider, StreamUsage, path_segment};

/// Where the API is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flavour {
    /// generativelanguage.googleapis.com.
    Studio,
    /// aiplatform.googleapis.com.
    Vertex,
}

/// A body that is carried: the model stands in the path.
pub(super) const CARRY: Carry = Carry { model: ModelPlace::Path, ..Carry::PLAIN };

/// The API's version, where the base URL does not name one.
const VERSION: &str = "/v1beta";

pub(super) struct Gemini;

pub(super) static GEMINI: Gemini = Gemini;

/// `generateContent` at AI Studio.
pub(super) static GENERATE: Generate = Generate { flavour: Flavour::Studio };

/// `generateContent`.
pub(super) struct Generate {
    pub(super) flavour: Flavour,
}

/// The base URL's path with a version.
fn base_path(target: &Target) -> String {
    format!("{}{}", target.base_path, if target.ends_in_version() { "" } else { VERSION })
}

/// `{collection}/{name}` of a model: `models/` unless it names another (`tunedModels/x`).
fn model_path(model: &str) -> String {
    match model.split_once('/') {
        Some((collection @ ("models" | "tunedModels"), name)) => format!("{collection}/{}", path_segment(name)),
        _ => format!("models/{}", path_segment(model)),
    }
}

/// The method of a call, with its query.
pub(super) const fn method(stream: bool) -> &'static str {
    if stream { ":streamGenerateContent?alt=sse" } else { ":generateContent" }
}

impl Provider for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn base(&self) -> Option<&'static str> {
        Some("https://generativelanguage.googleapis.com")
    }

    fn key_env(&self) -> &'static [&'static str] {
        &["GEMINI_API_KEY", "GOOGLE_API_KEY"]
    }

    fn base_env(&self) -> &'static [&'static str] {
        &["GEMINI_API_BASE"]
    }

    fn keyless(&self) -> bool {
        false
    }

    fn stream_usage(&self) -> StreamUsage {
        StreamUsage::Always
    }

    fn target(&self, deployment: &configuration::Deployment) -> Result<Target, BadTarget> {
        let base = deployment.api_base.as_deref().or_else(|| self.base()).unwrap_or_default();
        let mut target = Target::parse(base)?;
        target.add_configured(deployment)?;
        if let Some(key) = &deployment.api_key {
            target.add("x-goog-api-key", key)?;
        }
        Ok(target)
    }

    fn path(&self, target: &Target, call: &Call<'_>) -> String {
        let method = match call.endpoint {
            Endpoint::GeminiCountTokens => ":countTokens",
            _ => method(call.stream),
        };
        format!("{}/{}{method}", base_path(target), model_path(call.model))
    }

    fn models_path(&self, target: &Target) -> Option<String> {
        Some(format!("{}/models", base_path(target)))
    }

    fn carry(&self, endpoint: Endpoint, _model: &str) -> Option<Carry> {
        matches!(endpoint, Endpoint::GenerateContent | Endpoint::GeminiCountTokens).then_some(CARRY)
    }

    fn chat(&self, _model: &str) -> Option<&'static dyn ChatApi> {
        Some(&GENERATE)
    }

    fn call(&self, endpoint: Endpoint, _model: &str) -> Option<&'static dyn CallApi> {
        (endpoint == Endpoint::Embeddings).then_some(&embeddings::BATCH as &dyn CallApi)
    }

    fn exception(&self) -> &'static str {
        "GeminiException"
    }
}

/// OpenAI's parameters that Gemini takes; the first only where the model thinks.
static SUPPORTED: [&str; 22] = [
    "reasoning_effort",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "stop",
    "n",
    "response_format",
    "user",
    "service_tier",
    "logprobs",
    "top_logprobs",
    "modalities",
    "audio",
    "web_search_options",
    "max_tokens",
    "max_completion_tokens",
];

impl ChatApi for Generate {
    fn words(&self) -> Api {
        Api::Gemini
    }

    fn supported(&self, model: &str) -> &'static [&'static str] {
        let thinks = family::Family::of(model).thinks();
        SUPPORTED.get(usize::from(!thinks)..).unwrap_or_default()
    }

    fn write(&self, chat: &Chat<'_>, ask: &Ask<'_>) -> Result<Written, Fault> {
        request::write(chat, ask, self.flavour)
    }

    fn path(&self, target: &Target, model: &str, stream: bool) -> String {
        match self.flavour {
            Flavour::Studio => format!("{}/{}{}", base_path(target), model_path(model), method(stream)),
            Flavour::Vertex => super::vertex_ai::google_path(target, model, method(stream)),
        }
    }

    fn decoder(&self, event_bytes_max: usize) -> Box<dyn Decoder> {
        Box::new(stream::StreamDecoder::new(event_bytes_max))
    }

    fn read(&self, body: &[u8], sink: &mut dyn Sink) -> Result<Metered, Broken> {
        reply::read(body, sink)
    }
}
