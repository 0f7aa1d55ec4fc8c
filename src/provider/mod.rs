//! What upstreams speak. A vendor with OpenAI's API is a row in [`compatible`]; Azure has a file of its own.
//!
//! Nobody outside this folder matches on a vendor's name: a [`Provider`] is looked up once, when the configuration is
//! built, and prepares a [`Target`] from which every request is written from scratch.

pub mod anthropic;
mod auth;
mod azure;
pub mod bedrock;
mod carry;
mod cohere;
mod compatible;
mod embedding;
mod gemini;
mod members;
mod ollama;
mod openai;
mod quirks;
mod refuse;
mod rerank;
mod speech;
mod target;
mod vertex_ai;
mod voyage;

pub use auth::{Auth, Fetch, Fetched, Unsigned, Want};
pub use carry::{Carry, Framing, ModelPlace};
pub use quirks::Quirks;
pub use speech::{Ask, CallApi, ChatApi, Written};
pub use target::{BadTarget, Target};

use std::sync::Arc;

use crate::config;
use crate::dialect::Endpoint;

/// How a vendor reports the usage of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamUsage {
    /// When asked with `stream_options.include_usage`.
    WhenAsked,
    /// Always; the question is refused or has no effect.
    Always,
}

/// A vendor: where it is, how it is asked, what is peculiar about it.
pub trait Provider: Send + Sync {
    /// The prefix in `litellm_params.model`.
    fn name(&self) -> &'static str;

    /// The usual base URL; `None` where only the configuration can know it.
    fn base(&self) -> Option<&'static str>;

    /// Environment variables that usually hold the key, first match wins.
    fn key_env(&self) -> &'static [&'static str];

    /// Environment variables that usually hold the base URL, first match wins.
    fn base_env(&self) -> &'static [&'static str];

    /// Whether the vendor answers without a key (servers on one's own machines).
    fn keyless(&self) -> bool;

    /// How the usage of a stream is had.
    fn stream_usage(&self) -> StreamUsage;

    /// The parameter that bounds a chat answer.
    fn output_cap(&self) -> &'static str {
        "max_tokens"
    }

    /// Where and with what credential a deployment is reached.
    ///
    /// # Errors
    /// A base URL is missing or is not an `http(s)://host[:port][/path]`, or a credential is not a header value.
    fn target(&self, deployment: &config::Deployment) -> Result<Target, BadTarget>;

    /// The path of a carried call for a model, with its query, below the target's host.
    fn path(&self, target: &Target, call: &Call<'_>) -> String;

    /// The path of the list of models, with its query, which costs nothing to ask for; None: the provider has none there.
    fn models_path(&self, target: &Target) -> Option<String> {
        Some(format!("{}/models{}", target.base_path, target.query))
    }

    /// How a call is carried as the client wrote it; None: the provider has no such API for this model, and the call must be
    /// translated.
    fn carry(&self, endpoint: Endpoint, _model: &str) -> Option<Carry> {
        matches!(endpoint, Endpoint::ChatCompletions | Endpoint::Completions | Endpoint::Embeddings)
            .then_some(Carry::PLAIN)
    }

    /// The API that chats are translated to; None: it has none for this model.
    fn chat(&self, _model: &str) -> Option<&'static dyn ChatApi> {
        None
    }

    /// The API that another call is translated to (embeddings, rerank); None: it has none.
    fn call(&self, _endpoint: Endpoint, _model: &str) -> Option<&'static dyn CallApi> {
        None
    }

    /// The credential, where it is more than a header of [`Self::target`].
    ///
    /// # Errors
    /// It cannot be used as configured.
    fn auth(&self, _deployment: &config::Deployment) -> Result<Option<Arc<dyn Auth>>, BadTarget> {
        Ok(None)
    }

    /// What LiteLLM calls this provider's errors: `OpenAIException`.
    fn exception(&self) -> &'static str {
        "OpenAIException"
    }
}

/// A carried call.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Which.
    pub endpoint: Endpoint,
    /// What the provider calls the model.
    pub model: &'a str,
    /// Whether the answer shall be a stream.
    pub stream: bool,
}

/// Vendors with a folder or a file of their own.
static NATIVE: &[&dyn Provider] = &[
    &azure::AZURE,
    &anthropic::ANTHROPIC,
    &anthropic::FOUNDRY,
    &gemini::GEMINI,
    &vertex_ai::VERTEX_AI,
    &bedrock::BEDROCK,
    &bedrock::BEDROCK_CONVERSE,
    &cohere::COHERE,
    &cohere::COHERE_CHAT,
    &ollama::OLLAMA,
    &ollama::OLLAMA_CHAT,
    &voyage::VOYAGE,
    &voyage::JINA_AI,
];

/// The vendor with this prefix.
pub fn find(name: &str) -> Option<&'static dyn Provider> {
    match compatible::find(name) {
        Some(row) => Some(row),
        None => NATIVE.iter().find(|provider| provider.name() == name).copied(),
    }
}

/// The names of all vendors, for messages.
pub fn names() -> impl Iterator<Item = &'static str> {
    compatible::ROWS.iter().map(Provider::name).chain(NATIVE.iter().map(|provider| provider.name()))
}

/// The vendor that a bare model name usually means (`gpt-4o` is OpenAI's).
pub fn guess(model: &str) -> Option<&'static str> {
    if model.starts_with("claude-") {
        return Some("anthropic");
    }
    const OPENAI: [&str; 9] =
        ["gpt-", "o1", "o3", "o4", "chatgpt-", "text-embedding-", "ft:gpt-", "davinci-", "babbage-"];
    OPENAI.iter().any(|prefix| model.starts_with(prefix)).then_some("openai")
}

/// Writes `text` as one path segment: everything but unreserved characters is percent-encoded (RFC 3986, 3.3).
pub(crate) fn path_segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod for_tests;
