//! Where Anthropic is, and with what credential it is asked.

use super::reply;
use super::request::{self, Flavour};
use super::stream::Stream;
use crate::chat::{Api, Broken, Chat, Decoder, Sink};
use crate::config;
use crate::dialect::Endpoint;
use crate::provider::{Ask, BadTarget, Call, Carry, ChatApi, Provider, StreamUsage, Target, Written};
use crate::vocabulary::{Fault, Metered, Secret};

/// The version of the API, a header of every request.
pub(super) const VERSION: &str = "2023-06-01";
/// Subscription tokens begin so: they go in `authorization`.
const SUBSCRIPTION_TOKEN: &str = "sk-ant-oat";
/// The beta that subscription tokens need.
pub(super) const SUBSCRIPTION_BETA: &str = "oauth-2025-04-20";

/// Anthropic.
pub struct Anthropic;

/// Anthropic.
pub static ANTHROPIC: Anthropic = Anthropic;

/// The messages API where Anthropic itself serves it.
pub static MESSAGES: Messages = Messages { flavour: Flavour::Anthropic, prefix: "" };

/// The messages API below a prefix of the target's base path. Bedrock and Vertex have paths and framings of their own and
/// use [`super::write_body`], [`super::read`] and [`Stream`] by themselves.
#[derive(Clone, Copy, Debug)]
pub struct Messages {
    /// Whose form.
    pub flavour: Flavour,
    /// What stands in front of `/v1/messages`.
    pub prefix: &'static str,
}

impl ChatApi for Messages {
    fn words(&self) -> Api {
        Api::Anthropic
    }

    fn supported(&self, model: &str) -> &'static [&'static str] {
        request::supported(model)
    }

    fn write(&self, chat: &Chat<'_>, ask: &Ask<'_>) -> Result<Written, Fault> {
        request::write_body(chat, ask, self.flavour)
    }

    fn path(&self, target: &Target, _model: &str, _stream: bool) -> String {
        format!("{}{}/v1/messages", target.base_path, self.prefix)
    }

    fn decoder(&self, event_bytes_max: usize) -> Box<dyn Decoder> {
        Box::new(Stream::new(event_bytes_max))
    }

    fn read(&self, body: &[u8], sink: &mut dyn Sink) -> Result<Metered, Broken> {
        reply::read(body, sink)
    }
}

impl Provider for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn base(&self) -> Option<&'static str> {
        Some("https://api.anthropic.com")
    }

    fn key_env(&self) -> &'static [&'static str] {
        &["ANTHROPIC_API_KEY"]
    }

    fn base_env(&self) -> &'static [&'static str] {
        &["ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"]
    }

    fn keyless(&self) -> bool {
        false
    }

    fn stream_usage(&self) -> StreamUsage {
        StreamUsage::Always
    }

    fn target(&self, deployment: &config::Deployment) -> Result<Target, BadTarget> {
        let mut target = Target::parse(deployment.api_base.as_deref().unwrap_or("https://api.anthropic.com"))?;
        cut_ends(&mut target.base_path, &["/count_tokens", "/messages", "/v1"]);
        target.add("anthropic-version", &Secret::new(VERSION))?;
        if let Some(key) = &deployment.api_key {
            if is_subscription(deployment) {
                target.add_bearer(key)?;
                target.add("anthropic-beta", &Secret::new(SUBSCRIPTION_BETA))?;
            } else {
                target.add("x-api-key", key)?;
            }
        }
        target.add_configured(deployment)?;
        Ok(target)
    }

    fn path(&self, target: &Target, call: &Call<'_>) -> String {
        format!("{}/v1{}", target.base_path, call.endpoint.path())
    }

    fn models_path(&self, target: &Target) -> Option<String> {
        Some(format!("{}/v1/models", target.base_path))
    }

    fn carry(&self, endpoint: Endpoint, _model: &str) -> Option<Carry> {
        matches!(endpoint, Endpoint::Messages | Endpoint::CountTokens).then_some(Carry::PLAIN)
    }

    fn chat(&self, _model: &str) -> Option<&'static dyn ChatApi> {
        Some(&MESSAGES)
    }

    fn exception(&self) -> &'static str {
        "AnthropicException"
    }
}

/// Whether a deployment is asked with the token of a subscription.
pub(super) fn is_subscription(deployment: &config::Deployment) -> bool {
    deployment.api_key.as_ref().is_some_and(|key| key.expose().starts_with(SUBSCRIPTION_TOKEN))
}

/// Takes these ends off a path, each once, in this order.
pub(super) fn cut_ends(path: &mut String, ends: &[&str]) {
    for end in ends {
        if path.ends_with(end) {
            path.truncate(path.len() - end.len());
        }
    }
}
