//! Azure AI Foundry: Claude behind Anthropic's API, everything else behind an OpenAI one.
//!
//! Reference: Microsoft Foundry models, REST API (checked 2026-11).

use super::request::Flavour;
use super::vendor::{Messages, VERSION, cut_ends};
use crate::config;
use crate::dialect::Endpoint;
use crate::provider::{BadTarget, Call, Carry, ChatApi, Provider, StreamUsage, Target, path_segment};
use crate::vocabulary::Secret;

/// Used for model inference where the configuration names none.
const API_VERSION: &str = "2024-05-01-preview";
/// Where model inference wants `/models` and an `api-version`.
const SERVICES: &str = ".services.ai.azure.com";

/// Azure AI Foundry.
pub struct Foundry;

/// Azure AI Foundry.
pub static FOUNDRY: Foundry = Foundry;

static MESSAGES: Messages = Messages { flavour: Flavour::Foundry, prefix: "/anthropic" };

impl Provider for Foundry {
    fn name(&self) -> &'static str {
        "azure_ai"
    }

    fn base(&self) -> Option<&'static str> {
        None
    }

    fn key_env(&self) -> &'static [&'static str] {
        &["AZURE_AI_API_KEY"]
    }

    fn base_env(&self) -> &'static [&'static str] {
        &["AZURE_AI_API_BASE"]
    }

    fn keyless(&self) -> bool {
        false
    }

    fn stream_usage(&self) -> StreamUsage {
        StreamUsage::WhenAsked
    }

    fn target(&self, deployment: &config::Deployment) -> Result<Target, BadTarget> {
        let expected = "https://NAME.services.ai.azure.com";
        let missing = BadTarget { what: "api_base", expected, found: String::new() };
        let mut target = Target::parse(deployment.api_base.as_deref().ok_or(missing)?)?;
        if is_claude(&deployment.model) {
            cut_ends(&mut target.base_path, &["/count_tokens", "/messages", "/v1", "/anthropic"]);
            target.add("anthropic-version", &Secret::new(VERSION))?;
        } else {
            openai_place(&mut target, deployment.api_version.as_deref());
        }
        add_credential(&mut target, deployment)?;
        target.add_configured(deployment)?;
        Ok(target)
    }

    fn path(&self, target: &Target, call: &Call<'_>) -> String {
        let prefix = if is_messages(call.endpoint) { "/anthropic/v1" } else { "" };
        format!("{}{prefix}{}{}", target.base_path, call.endpoint.path(), target.query)
    }

    fn carry(&self, endpoint: Endpoint, model: &str) -> Option<Carry> {
        let taken = match is_claude(model) {
            true => is_messages(endpoint),
            false => matches!(endpoint, Endpoint::ChatCompletions | Endpoint::Embeddings),
        };
        taken.then_some(Carry::PLAIN)
    }

    fn chat(&self, model: &str) -> Option<&'static dyn ChatApi> {
        is_claude(model).then_some(&MESSAGES as &'static dyn ChatApi)
    }

    fn exception(&self) -> &'static str {
        "Azure_aiException"
    }
}

fn is_claude(model: &str) -> bool {
    model.to_ascii_lowercase().contains("claude")
}

fn is_messages(endpoint: Endpoint) -> bool {
    matches!(endpoint, Endpoint::Messages | Endpoint::CountTokens)
}

/// `/models` and a version for the model inference of a Foundry resource; endpoints of single models have neither.
fn openai_place(target: &mut Target, version: Option<&str>) {
    cut_ends(&mut target.base_path, &["/chat/completions", "/embeddings"]);
    let services = target.host.ends_with(SERVICES);
    if services && target.base_path.is_empty() {
        target.base_path.push_str("/models");
    }
    let usual = (services && target.base_path == "/models").then_some(API_VERSION);
    if let Some(version) = version.or(usual) {
        target.query = format!("?api-version={}", path_segment(version));
    }
}

fn add_credential(target: &mut Target, deployment: &config::Deployment) -> Result<(), BadTarget> {
    match (&deployment.azure_ad_token, &deployment.api_key) {
        (Some(token), _) => target.add_bearer(token),
        (None, Some(key)) if is_claude(&deployment.model) => {
            target.add("api-key", key)?;
            target.add("x-api-key", key)
        }
        (None, Some(key)) if target.host.ends_with(".azure.com") => target.add("api-key", key),
        // Endpoints of single models elsewhere take the key as a bearer.
        (None, Some(key)) => target.add_bearer(key),
        (None, None) => Ok(()),
    }
}
