//! Azure OpenAI: the deployment stands in the path, `api-version` in the query, the key in `api-key`.
//!
//! Reference: Azure OpenAI REST API, data plane inference (checked 2026-11).

use super::target::{BadTarget, Target};
use super::{Call, Carry, ChatApi, Provider, StreamUsage, openai, path_segment, quirks};
use crate::config;
use crate::dialect::Endpoint;

/// Used where the configuration names none: the newest generally available version.
const API_VERSION: &str = "2024-10-21";

pub(super) struct Azure;

pub(super) static AZURE: Azure = Azure;

impl Provider for Azure {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn base(&self) -> Option<&'static str> {
        None
    }

    fn key_env(&self) -> &'static [&'static str] {
        &["AZURE_API_KEY", "AZURE_OPENAI_API_KEY"]
    }

    fn base_env(&self) -> &'static [&'static str] {
        &["AZURE_API_BASE", "AZURE_OPENAI_ENDPOINT"]
    }

    fn keyless(&self) -> bool {
        false
    }

    fn stream_usage(&self) -> StreamUsage {
        StreamUsage::WhenAsked
    }

    fn output_cap(&self) -> &'static str {
        "max_completion_tokens"
    }

    fn target(&self, deployment: &config::Deployment) -> Result<Target, BadTarget> {
        let missing = BadTarget { what: "api_base", expected: "https://NAME.openai.azure.com", found: String::new() };
        let mut target = Target::parse(deployment.api_base.as_deref().ok_or(missing)?)?;
        if let Some(before) = target.base_path.find("/openai") {
            target.base_path.truncate(before);
        }
        let version = deployment.api_version.as_deref().unwrap_or(API_VERSION);
        target.query = format!("?api-version={}", path_segment(version));
        target.add_configured(deployment)?;
        match (&deployment.azure_ad_token, &deployment.api_key) {
            (Some(token), _) => target.add_bearer(token)?,
            (None, Some(key)) => target.add("api-key", key)?,
            (None, None) => {}
        }
        Ok(target)
    }

    fn path(&self, target: &Target, call: &Call<'_>) -> String {
        if call.endpoint == Endpoint::Responses {
            // The newer surface: no deployment in the path, no dated version.
            return format!("{}/openai/v1{}", target.base_path, call.endpoint.path());
        }
        format!(
            "{}/openai/deployments/{}{}{}",
            target.base_path,
            path_segment(call.model),
            call.endpoint.path(),
            target.query
        )
    }

    fn models_path(&self, target: &Target) -> Option<String> {
        Some(format!("{}/openai/models{}", target.base_path, target.query))
    }

    fn carry(&self, endpoint: Endpoint, model: &str) -> Option<Carry> {
        let plain = matches!(
            endpoint,
            Endpoint::ChatCompletions
                | Endpoint::Completions
                | Endpoint::Embeddings
                | Endpoint::Responses
                | Endpoint::ImageGenerations
                | Endpoint::ImageEdits
                | Endpoint::Speech
                | Endpoint::Transcriptions
                | Endpoint::Translations
        );
        plain.then(|| Carry { quirks: quirks::of("azure", endpoint, model), ..Carry::PLAIN })
    }

    fn chat(&self, _model: &str) -> Option<&'static dyn ChatApi> {
        Some(&openai::AZURE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deployment_stands_in_the_path_but_for_responses() {
        let mut target = Target::parse("https://x.openai.azure.com").unwrap();
        target.query = "?api-version=1".to_owned();
        let path = |endpoint| AZURE.path(&target, &Call { endpoint, model: "a b", stream: false });
        assert_eq!(path(Endpoint::Speech), "/openai/deployments/a%20b/audio/speech?api-version=1");
        assert_eq!(path(Endpoint::Responses), "/openai/v1/responses");
        let chat = AZURE.chat("m").unwrap();
        assert_eq!(chat.path(&target, "m", true), "/openai/deployments/m/chat/completions?api-version=1");
        assert!(AZURE.carry(Endpoint::Moderations, "m").is_none());
    }
}
