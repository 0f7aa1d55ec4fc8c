//! Ollama in its own form: `/api/chat` and `/api/embed`.
//!
//! Reference: docs.ollama.com/api (checked 2026-11).

mod embed;
mod options;
mod reply;
mod request;
mod stream;

use super::target::{BadTarget, Target};
use super::{Ask, Call, CallApi, Carry, ChatApi, Provider, StreamUsage, Written};
use crate::chat::{Api, Broken, Chat, Decoder, Sink};
use crate::config;
use crate::dialect::Endpoint;
use crate::vocabulary::{Fault, Metered};

/// Under one of its names, with what its errors are called.
pub(super) struct Ollama {
    name: &'static str,
    exception: &'static str,
}

pub(super) static OLLAMA: Ollama = Ollama { name: "ollama", exception: "OllamaException" };

pub(super) static OLLAMA_CHAT: Ollama = Ollama { name: "ollama_chat", exception: "Ollama_chatException" };

const BASE: &str = "http://127.0.0.1:11434";

impl Provider for Ollama {
    fn name(&self) -> &'static str {
        self.name
    }

    fn base(&self) -> Option<&'static str> {
        Some(BASE)
    }

    fn key_env(&self) -> &'static [&'static str] {
        &["OLLAMA_API_KEY"]
    }

    fn base_env(&self) -> &'static [&'static str] {
        &["OLLAMA_API_BASE"]
    }

    fn keyless(&self) -> bool {
        true
    }

    fn stream_usage(&self) -> StreamUsage {
        StreamUsage::Always
    }

    fn target(&self, deployment: &config::Deployment) -> Result<Target, BadTarget> {
        let mut target = Target::parse(deployment.api_base.as_deref().unwrap_or(BASE))?;
        for path in ["/chat", "/generate", "/embed", "/api", "/v1"] {
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
        format!("{}/v1{}{}", target.base_path, call.endpoint.path(), target.query)
    }

    fn models_path(&self, target: &Target) -> Option<String> {
        Some(format!("{}/api/tags", target.base_path))
    }

    /// What it has in OpenAI's form only.
    fn carry(&self, endpoint: Endpoint, _model: &str) -> Option<Carry> {
        (endpoint == Endpoint::Completions).then_some(Carry::PLAIN)
    }

    fn chat(&self, _model: &str) -> Option<&'static dyn ChatApi> {
        Some(&NativeChat)
    }

    fn call(&self, endpoint: Endpoint, _model: &str) -> Option<&'static dyn CallApi> {
        match endpoint {
            Endpoint::Embeddings => Some(&embed::Embed),
            _ => None,
        }
    }

    fn exception(&self) -> &'static str {
        self.exception
    }
}

/// `POST /api/chat`.
struct NativeChat;

impl ChatApi for NativeChat {
    fn words(&self) -> Api {
        Api::Ollama
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
            "top_logprobs",
        ]
    }

    fn write(&self, chat: &Chat<'_>, ask: &Ask<'_>) -> Result<Written, Fault> {
        request::write(chat, ask)
    }

    fn path(&self, target: &Target, _model: &str, _stream: bool) -> String {
        format!("{}/api/chat{}", target.base_path, target.query)
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
