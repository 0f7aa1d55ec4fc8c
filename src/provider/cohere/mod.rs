//! Cohere: chat (v2), embed (v2) and rerank (v2) in its own form.
//!
//! Reference: docs.cohere.com/v2/reference (checked 2026-11).

mod embed;
mod meter;
mod reply;
mod request;
mod said;
mod stream;

use super::target::{BadTarget, Target};
use super::{Ask, Call, CallApi, Carry, ChatApi, Provider, StreamUsage, Written, rerank};
use crate::chat::{Api, Broken, Chat, Decoder, Sink};
use crate::config;
use crate::dialect::Endpoint;
use crate::vocabulary::{Fault, Metered};

/// Under one of its names.
pub(super) struct Cohere(&'static str);

pub(super) static COHERE: Cohere = Cohere("cohere");

/// LiteLLM's other spelling.
pub(super) static COHERE_CHAT: Cohere = Cohere("cohere_chat");

static CHAT_V2: ChatV2 = ChatV2;

/// Ends of base URLs that configurations carry and that are ours to write.
const PATHS: [&str; 8] = ["/chat", "/embed", "/rerank", "/compatibility/v1", "/compatibility", "/v2", "/v1", "/"];

impl Provider for Cohere {
    fn name(&self) -> &'static str {
        self.0
    }

    fn base(&self) -> Option<&'static str> {
        Some("https://api.cohere.com")
    }

    fn key_env(&self) -> &'static [&'static str] {
        &["COHERE_API_KEY", "CO_API_KEY"]
    }

    fn base_env(&self) -> &'static [&'static str] {
        &["COHERE_API_BASE", "CO_API_URL"]
    }

    fn keyless(&self) -> bool {
        false
    }

    fn stream_usage(&self) -> StreamUsage {
        StreamUsage::Always
    }

    fn target(&self, deployment: &config::Deployment) -> Result<Target, BadTarget> {
        let mut target = Target::parse(deployment.api_base.as_deref().unwrap_or("https://api.cohere.com"))?;
        for path in PATHS {
            if let Some(base) = target.base_path.strip_suffix(path) {
                target.base_path.truncate(base.len());
            }
        }
        target.add_configured(deployment)?;
        if let Some(key) = &deployment.api_key {
            target.add_bearer(key)?;
        }
        Ok(target)
    }

    fn path(&self, target: &Target, call: &Call<'_>) -> String {
        format!("{}/v2{}{}", target.base_path, call.endpoint.path(), target.query)
    }

    fn models_path(&self, target: &Target) -> Option<String> {
        Some(format!("{}/v1/models", target.base_path))
    }

    fn carry(&self, _endpoint: Endpoint, _model: &str) -> Option<Carry> {
        None
    }

    fn chat(&self, _model: &str) -> Option<&'static dyn ChatApi> {
        Some(&CHAT_V2)
    }

    fn call(&self, endpoint: Endpoint, _model: &str) -> Option<&'static dyn CallApi> {
        match endpoint {
            Endpoint::Embeddings => Some(&embed::EMBED_V2),
            Endpoint::Rerank => Some(&rerank::COHERE),
            _ => None,
        }
    }

    fn exception(&self) -> &'static str {
        "CohereException"
    }
}

/// `POST /v2/chat`.
struct ChatV2;

impl ChatApi for ChatV2 {
    fn words(&self) -> Api {
        Api::Cohere
    }

    fn supported(&self, _model: &str) -> &'static [&'static str] {
        &[
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
            "reasoning_effort",
            "response_format",
            "user",
            "logprobs",
        ]
    }

    fn write(&self, chat: &Chat<'_>, ask: &Ask<'_>) -> Result<Written, Fault> {
        request::write(chat, ask)
    }

    fn path(&self, target: &Target, _model: &str, _stream: bool) -> String {
        format!("{}/v2/chat{}", target.base_path, target.query)
    }

    fn decoder(&self, event_bytes_max: usize) -> Box<dyn Decoder> {
        Box::new(stream::Stream::new(event_bytes_max))
    }

    fn read(&self, body: &[u8], sink: &mut dyn Sink) -> Result<Metered, Broken> {
        reply::read(body, sink)
    }
}

#[cfg(test)]
mod tests;
