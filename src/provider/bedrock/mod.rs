//! Amazon Bedrock: chats by Converse, Claude in Anthropic's own words by InvokeModel, embeddings and rerank by InvokeModel.
//!
//! Reference: Amazon Bedrock Runtime API, 2023-09-30 (checked 2026-11).

mod auth;
mod body;
mod converse;
mod embed;
mod exception;
mod family;
mod fields;
mod media;
mod place;
mod reasoning;
mod reply;
mod rerank;
mod stream;
mod tools;
mod turns;
mod unchunk;
mod usage;

#[cfg(test)]
mod fixture;

pub use unchunk::Unchunk;

use std::sync::Arc;

use super::target::{BadTarget, Target};
use super::{Auth, Call, CallApi, Carry, ChatApi, Framing, ModelPlace, Provider, StreamUsage};
use crate::config;
use crate::dialect::Endpoint;
use family::Family;
use place::{Place, Route};

/// Bedrock under one of its prefixes.
pub(super) struct Bedrock {
    name: &'static str,
    // Claude is spoken to in Anthropic's own words where the client does.
    carries: bool,
}

/// `bedrock/...`.
pub(super) static BEDROCK: Bedrock = Bedrock { name: "bedrock", carries: true };
/// `bedrock_converse/...`: Converse and nothing else.
pub(super) static BEDROCK_CONVERSE: Bedrock = Bedrock { name: "bedrock_converse", carries: false };

/// Anthropic's messages as InvokeModel takes them.
const MESSAGES: Carry = Carry {
    model: ModelPlace::Path,
    cut: &["model", "stream"],
    insert: &[("anthropic_version", "\"bedrock-2023-05-31\"")],
    framing: Framing::AwsChunks,
    ..Carry::PLAIN
};

impl Provider for Bedrock {
    fn name(&self) -> &'static str {
        self.name
    }

    // In the default region; `target` knows better.
    fn base(&self) -> Option<&'static str> {
        Some("https://bedrock-runtime.us-east-1.amazonaws.com")
    }

    fn key_env(&self) -> &'static [&'static str] {
        &["AWS_BEARER_TOKEN_BEDROCK"]
    }

    fn base_env(&self) -> &'static [&'static str] {
        &["AWS_BEDROCK_RUNTIME_ENDPOINT", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"]
    }

    // Most have no key but a role.
    fn keyless(&self) -> bool {
        true
    }

    fn stream_usage(&self) -> StreamUsage {
        StreamUsage::Always
    }

    fn target(&self, deployment: &config::Deployment) -> Result<Target, BadTarget> {
        let endpoint = deployment.vendor("aws_bedrock_runtime_endpoint", &[]);
        let given = endpoint.as_ref().map(|endpoint| endpoint.expose()).or(deployment.api_base.as_deref());
        let base = match given {
            Some(base) => base.to_owned(),
            None => place::endpoint("bedrock-runtime", &place::region(deployment)),
        };
        let mut target = Target::parse(&base)?;
        target.model_id = deployment.vendor("model_id", &[]).map(|id| Place::read(id.expose()).model.to_owned());
        target.add_configured(deployment)?;
        if let Some(token) = auth::bearer(deployment) {
            target.add_bearer(&token)?;
        }
        Ok(target)
    }

    fn path(&self, target: &Target, call: &Call<'_>) -> String {
        place::path(target, call.model, if call.stream { "invoke-with-response-stream" } else { "invoke" })
    }

    fn models_path(&self, _target: &Target) -> Option<String> {
        None
    }

    fn carry(&self, endpoint: Endpoint, model: &str) -> Option<Carry> {
        let is_messages =
            endpoint == Endpoint::Messages && matches!(Family::of(model), Family::Claude(version) if version >= (3, 0));
        (self.carries && is_messages && Place::read(model).route != Route::Converse).then_some(MESSAGES)
    }

    fn chat(&self, _model: &str) -> Option<&'static dyn ChatApi> {
        Some(&converse::CONVERSE)
    }

    fn call(&self, endpoint: Endpoint, model: &str) -> Option<&'static dyn CallApi> {
        match endpoint {
            Endpoint::Embeddings => embed::find(model),
            Endpoint::Rerank => rerank::find(model),
            _ => None,
        }
    }

    fn auth(&self, deployment: &config::Deployment) -> Result<Option<Arc<dyn Auth>>, BadTarget> {
        auth::prepare(deployment)
    }

    fn exception(&self) -> &'static str {
        "BedrockException"
    }
}

#[cfg(test)]
mod tests;
