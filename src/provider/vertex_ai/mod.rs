//! Vertex AI: Gemini under a project and a location, and the models of partners beside it.
//!
//! Reference: Vertex AI API v1, `publishers.models` and `endpoints` (checked 2026-11).

mod auth;
mod credentials;
mod embeddings;
mod partner;
#[cfg(test)]
mod tests;
mod token;

use std::sync::Arc;

use crate::config;
use crate::dialect::Endpoint;

use super::gemini::{CARRY, Flavour, Generate, method};
use super::speech::{CallApi, ChatApi};
use super::target::{BadTarget, Target};
use super::{Auth, Call, Carry, Provider, StreamUsage, path_segment};
use credentials::Credentials;
use partner::Maker;

pub(super) struct VertexAi;

pub(super) static VERTEX_AI: VertexAi = VertexAi;

/// `generateContent` at Vertex AI.
static GENERATE: Generate = Generate { flavour: Flavour::Vertex };

/// Where the model is asked unless the configuration says where.
const LOCATION: &str = "us-central1";

/// A name as one segment of a path. Versions stand behind an `@`, which may.
fn segment(text: &str) -> String {
    path_segment(text).replace("%40", "@")
}

/// The path of a call of one of Google's models, or of an endpoint of one's own.
pub(super) fn google_path(target: &Target, model: &str, method: &str) -> String {
    let base = &target.base_path;
    let model = model.strip_prefix("google/").or_else(|| model.strip_prefix("models/")).unwrap_or(model);
    let id = model.strip_prefix("endpoints/").or_else(|| model.strip_prefix("gemini/")).unwrap_or(model);
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("{base}/endpoints/{id}{method}");
    }
    format!("{base}/publishers/google/models/{}{method}", segment(model))
}

/// The host of a location.
fn host(location: &str) -> String {
    match location {
        "global" => "https://aiplatform.googleapis.com".to_owned(),
        "us" | "eu" => format!("https://aiplatform.{location}.rep.googleapis.com"),
        region => format!("https://{region}-aiplatform.googleapis.com"),
    }
}

/// A project or location as configured: a name, or nothing that could change the path or the host.
fn checked(what: &'static str, name: &str) -> Result<(), BadTarget> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    if !name.is_empty() && name.bytes().all(fits) && !name.contains("..") {
        return Ok(());
    }
    Err(BadTarget { what, expected: "a name of letters, digits and -", found: name.chars().take(80).collect() })
}

fn project(deployment: &config::Deployment) -> Result<Option<String>, BadTarget> {
    let variables = ["VERTEXAI_PROJECT", "VERTEX_PROJECT", "GOOGLE_CLOUD_PROJECT"];
    if let Some(project) = deployment.vendor("vertex_project", &variables) {
        return Ok(Some(project.expose().to_owned()));
    }
    Ok(Credentials::find(deployment)?.and_then(|credentials| credentials.project))
}

impl Provider for VertexAi {
    fn name(&self) -> &'static str {
        "vertex_ai"
    }

    fn base(&self) -> Option<&'static str> {
        Some("https://us-central1-aiplatform.googleapis.com")
    }

    fn key_env(&self) -> &'static [&'static str] {
        &["VERTEXAI_API_KEY", "VERTEX_API_KEY"]
    }

    fn base_env(&self) -> &'static [&'static str] {
        &["VERTEXAI_API_BASE", "VERTEX_API_BASE"]
    }

    fn keyless(&self) -> bool {
        // What it has instead is a credential of its own: see `auth`.
        true
    }

    fn stream_usage(&self) -> StreamUsage {
        StreamUsage::WhenAsked
    }

    fn target(&self, deployment: &config::Deployment) -> Result<Target, BadTarget> {
        let location = deployment.vendor("vertex_location", &["VERTEXAI_LOCATION", "VERTEX_LOCATION"]);
        let location = location.as_ref().map_or(LOCATION, |location| location.expose());
        checked("vertex_location", location)?;
        let host = host(location);
        let mut target = Target::parse(deployment.api_base.as_deref().unwrap_or(&host))?;
        target.add_configured(deployment)?;
        if let Some(key) = &deployment.api_key {
            target.add("x-goog-api-key", key)?;
        }
        // A base that names a project is whole.
        if target.base_path.contains("/projects/") {
            return Ok(target);
        }
        if target.base_path.is_empty() {
            "/v1".clone_into(&mut target.base_path);
        }
        match project(deployment)? {
            Some(project) => {
                checked("vertex_project", &project)?;
                target.base_path.push_str(&format!("/projects/{project}/locations/{location}"));
            }
            // With a key of its own kind (express mode) there is no project in the path.
            None if deployment.api_key.is_some() => {}
            None => {
                let expected = "the project's id in vertex_project, VERTEXAI_PROJECT or the credentials";
                return Err(BadTarget { what: "vertex_project", expected, found: String::new() });
            }
        }
        Ok(target)
    }

    fn path(&self, target: &Target, call: &Call<'_>) -> String {
        match call.endpoint {
            Endpoint::GenerateContent => google_path(target, call.model, method(call.stream)),
            Endpoint::GeminiCountTokens => google_path(target, call.model, ":countTokens"),
            _ => partner::path(target, call),
        }
    }

    fn models_path(&self, _target: &Target) -> Option<String> {
        None
    }

    fn carry(&self, endpoint: Endpoint, model: &str) -> Option<Carry> {
        match (endpoint, Maker::of(model)) {
            (Endpoint::GenerateContent | Endpoint::GeminiCountTokens, Maker::Google) => Some(CARRY),
            (endpoint, maker) => partner::carry(endpoint, maker),
        }
    }

    fn chat(&self, model: &str) -> Option<&'static dyn ChatApi> {
        match Maker::of(model) {
            Maker::Google => Some(&GENERATE),
            maker => partner::chat(maker),
        }
    }

    fn call(&self, endpoint: Endpoint, model: &str) -> Option<&'static dyn CallApi> {
        (endpoint == Endpoint::Embeddings).then(|| embeddings::api(model))
    }

    fn auth(&self, deployment: &config::Deployment) -> Result<Option<Arc<dyn Auth>>, BadTarget> {
        if deployment.api_key.is_some() {
            return Ok(None);
        }
        let source = match Credentials::find(deployment)? {
            Some(credentials) => credentials.source,
            None => credentials::Source::Metadata,
        };
        Ok(Some(Arc::new(auth::Tokens::new(source))))
    }

    fn exception(&self) -> &'static str {
        "VertexAIException"
    }
}
