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

    fn models_path(&self, _target: &Target) -> Option<String> {
        None
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::for_tests::{called, deployment};
    use crate::vocabulary::{Metered, Usage};

    #[test]
    fn each_vendor_has_its_name_for_dimensions() {
        let request =
            r#"{"model":"x","input":"a","dimensions":256,"encoding_format":"base64","input_type":"query","user":"u"}"#;
        let (body, dropped) = called(&embed::VOYAGE, request).unwrap();
        assert_eq!(body, r#"{"model":"m","input":["a"],"output_dimension":256,"input_type":"query"}"#);
        assert_eq!(dropped, ["user"]);
        let (body, _) = called(&embed::JINA, r#"{"input":["a"],"dimensions":64,"task":"text-matching"}"#).unwrap();
        assert_eq!(body, r#"{"model":"m","input":["a"],"dimensions":64,"task":"text-matching"}"#);
        let refused = called(&embed::VOYAGE, r#"{"input":"a","output_dtype":"int8"}"#).unwrap_err();
        assert_eq!(refused.param.as_deref(), Some("output_dtype"));
        assert!(called(&embed::VOYAGE, r#"{"input":[1,2]}"#).unwrap_err().public.contains("Voyage"));
    }

    #[test]
    fn vectors_come_in_the_order_of_the_texts() {
        let reply = r#"{"data":[{"embedding":[2],"index":1},{"embedding":[1],"index":0}],"usage":{"total_tokens":5}}"#;
        let (body, metered) = embed::VOYAGE.read(reply.as_bytes(), "m", br#"{"input":["a","b"]}"#).unwrap();
        let want = r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]},{"object":"embedding","index":1,"embedding":[2]}],"model":"m","usage":{"prompt_tokens":5,"total_tokens":5}}"#;
        assert_eq!((body, metered), (want.into(), Metered::Reported(Usage { prompt: 5, ..Usage::default() })));
        let error = embed::VOYAGE.read(br#"{"detail":"no such model"}"#, "m", b"{}").unwrap_err();
        assert_eq!(error.to_string(), "500: no such model");
    }

    #[test]
    fn paths_stand_below_the_base() {
        let target = VOYAGE.target(&deployment("voyage", "m", None)).unwrap();
        assert_eq!(VOYAGE.embed.path(&target, "m"), "/v1/embeddings");
        let target = JINA_AI.target(&deployment("jina_ai", "m", Some("https://j.example/v1/rerank"))).unwrap();
        assert_eq!(JINA_AI.rerank.path(&target, "m"), "/v1/rerank");
    }
}
