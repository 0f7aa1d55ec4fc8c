//! Vendors that embed and rank and do not chat: Voyage and Jina.
//!
//! References: docs.voyageai.com/reference, jina.ai/embeddings (checked 2026-11).

mod embed;

use super::target::{BadTarget, Target};
use super::{Call, CallApi, Carry, Provider, StreamUsage, rerank};
use crate::config;
use crate::dialect::Endpoint;

/// One of the vendors.
pub(super) struct Embedder {
    name: &'static str,
    base: &'static str,
    key_env: &'static [&'static str],
    base_env: &'static [&'static str],
    exception: &'static str,
    embed: &'static dyn CallApi,
    rerank: &'static dyn CallApi,
}

pub(super) static VOYAGE: Embedder = Embedder {
    name: "voyage",
    base: "https://api.voyageai.com/v1",
    key_env: &["VOYAGE_API_KEY", "VOYAGE_AI_API_KEY", "VOYAGE_AI_TOKEN"],
    base_env: &["VOYAGE_API_BASE"],
    exception: "VoyageException",
    embed: &embed::VOYAGE,
    rerank: &rerank::VOYAGE,
};

pub(super) static JINA_AI: Embedder = Embedder {
    name: "jina_ai",
    base: "https://api.jina.ai/v1",
    key_env: &["JINA_AI_API_KEY", "JINA_AI_TOKEN", "JINA_API_KEY"],
    base_env: &["JINA_AI_API_BASE"],
    exception: "Jina_aiException",
    embed: &embed::JINA,
    rerank: &rerank::JINA,
};

impl Provider for Embedder {
    fn name(&self) -> &'static str {
        self.name
    }

    fn base(&self) -> Option<&'static str> {
        Some(self.base)
    }

    fn key_env(&self) -> &'static [&'static str] {
        self.key_env
    }

    fn base_env(&self) -> &'static [&'static str] {
        self.base_env
    }

    fn keyless(&self) -> bool {
        false
    }

    fn stream_usage(&self) -> StreamUsage {
        StreamUsage::Always
    }

    fn target(&self, deployment: &config::Deployment) -> Result<Target, BadTarget> {
        let mut target = Target::parse(deployment.api_base.as_deref().unwrap_or(self.base))?;
        for path in ["/embeddings", "/rerank"] {
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
        format!("{}{}{}", target.base_path, call.endpoint.path(), target.query)
    }

    fn carry(&self, _endpoint: Endpoint, _model: &str) -> Option<Carry> {
        None
    }

    fn call(&self, endpoint: Endpoint, _model: &str) -> Option<&'static dyn CallApi> {
        match endpoint {
            Endpoint::Embeddings => Some(self.embed),
            Endpoint::Rerank => Some(self.rerank),
            _ => None,
        }
    }

    fn exception(&self) -> &'static str {
        self.exception
    }
}
