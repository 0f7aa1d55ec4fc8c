//! The client's body with the edits that a deployment needs; everything else byte for byte.

use bytes::Bytes;

use super::Deployment;
use super::params::Fitted;
use super::plan::Planned;
use super::way::BETA;
use crate::dialect::Endpoint;
use crate::json::{self, Edits, Segments};
use crate::provider::{Carry, Framing, ModelPlace, StreamUsage};

/// What no client may leave out of its own call: there would be none.
const WHOLE: [&str; 6] = ["messages", "input", "prompt", "contents", "stream", "query"];

type Members = smallvec::SmallVec<[usize; 8]>;

/// The body for a provider that speaks the client's dialect.
pub(super) fn carried(
    planned: &Planned,
    deployment: &Deployment,
    model: &str,
    carry: &Carry,
    fitted: &Fitted,
) -> Segments {
    let request = &planned.request;
    if let Some(form) = &request.form {
        return form.with_model(&request.body, model, carry.model == ModelPlace::Member);
    }
    let mut edits = Edits::new();
    let mut dropped = dropped(planned, deployment);
    match carry.model {
        ModelPlace::Member => model_member(planned, model, &mut edits),
        ModelPlace::Path => dropped.extend(request.model_member),
    }
    dropped.extend(carry.cut.iter().filter_map(|name| request.document.find(&request.body, name)));
    dropped.extend(fitted.cut.iter().copied());
    rename(planned, fitted, &mut dropped, &mut edits);
    dropped.sort_unstable();
    dropped.dedup();
    dropped.iter().for_each(|member| edits.cut(*member));
    for (name, value) in carry.insert {
        if request.document.find(&request.body, name).is_none() {
            edits.insert(name, value.as_bytes());
        }
    }
    betas(planned, carry, &mut edits);
    stream_usage(planned, deployment, &dropped, &mut edits);
    words(planned, carry, &dropped, &mut edits);
    if carry.quirks.system_only {
        roles(planned, &mut edits);
    }
    defaults(planned, deployment, &dropped, carry.quirks.renamed, &mut edits);
    extra_body(planned, deployment, &dropped, &mut edits);
    output_cap(planned, deployment, &dropped, &mut edits);
    json::splice(&request.body, &request.document, &edits).join()
}

/// The body as the client might have written it for this deployment: without what is not for a provider, with the defaults
/// and the bound that the budget demands. What is translated is read from it.
pub(super) fn in_clients_form(planned: &Planned, deployment: &Deployment) -> Bytes {
    let request = &planned.request;
    let mut edits = Edits::new();
    let dropped = dropped(planned, deployment);
    dropped.iter().for_each(|member| edits.cut(*member));
    defaults(planned, deployment, &dropped, &[], &mut edits);
    output_cap(planned, deployment, &dropped, &mut edits);
    if edits.is_empty() {
        return request.body.clone();
    }
    json::splice(&request.body, &request.document, &edits).to_bytes()
}

/// Gives parameters the name that the provider has for them, unless they are left out.
fn rename(planned: &Planned, fitted: &Fitted, dropped: &mut Members, edits: &mut Edits) {
    let request = &planned.request;
    for (member, theirs) in &fitted.renamed {
        if !dropped.contains(member) {
            edits.insert(theirs, request.document.members[*member].value.of(&request.body));
            dropped.push(*member);
        }
    }
}

/// Says in the provider's words what it has other words for.
fn words(planned: &Planned, carry: &Carry, dropped: &[usize], edits: &mut Edits) {
    for (name, ours, theirs) in carry.quirks.words {
        let Some(member) = present(planned, dropped, name) else { continue };
        let value = planned.request.document.members[member].value;
        if json::as_str(value.of(&planned.request.body)).as_deref() == Some(*ours) {
            edits.replace(value, json::quote(theirs));
        }
    }
}

/// Calls a developer a system.
fn roles(planned: &Planned, edits: &mut Edits) {
    let request = &planned.request;
    let Some(messages) = request.document.find(&request.body, "messages") else { return };
    for message in json::elements(&request.body, request.document.members[messages].value) {
        if let Ok(Some(role)) = json::find(&request.body, message, "role")
            && role.of(&request.body) == b"\"developer\""
        {
            edits.replace(role, Bytes::from_static(b"\"system\""));
        }
    }
}

/// Anthropic's betas stand in the body where Bedrock has the model.
fn betas(planned: &Planned, carry: &Carry, edits: &mut Edits) {
    let betas = planned.own_headers.iter().find(|(name, _)| name == BETA).and_then(|(_, value)| value.to_str().ok());
    let request = &planned.request;
    if let Some(betas) = betas.filter(|_| carry.framing == Framing::AwsChunks)
        && request.document.find(&request.body, "anthropic_beta").is_none()
    {
        let list: Vec<_> = betas.split(',').map(str::trim).filter(|beta| !beta.is_empty()).map(json::quote).collect();
        edits.insert("anthropic_beta", &[b"[".as_slice(), &list.join(&b","[..]), b"]"].concat());
    }
}

fn model_member(planned: &Planned, model: &str, edits: &mut Edits) {
    let request = &planned.request;
    match request.model_member {
        Some(_) if request.model.as_str() == model => {}
        Some(member) => edits.replace(request.document.members[member].value, json::quote(model)),
        None => edits.insert("model", &json::quote(model)),
    }
}

/// Members that must not reach this provider.
fn dropped(planned: &Planned, deployment: &Deployment) -> Members {
    let request = &planned.request;
    let configured = deployment.settings.additional_drop_params.iter();
    let configured =
        configured.chain(request.wishes.dropped_params.iter().filter(|name| !WHOLE.contains(&name.as_str())));
    let named = configured.filter_map(|name| request.document.find(&request.body, name));
    let mut dropped: Members = request.gateway_only.iter().copied().chain(named).collect();
    dropped.sort_unstable();
    dropped.dedup();
    dropped.retain(|member| Some(*member) != request.model_member);
    dropped
}

/// Asks for the usage of a stream, where the provider wants to be asked and the client did not.
fn stream_usage(planned: &Planned, deployment: &Deployment, dropped: &[usize], edits: &mut Edits) {
    let request = &planned.request;
    if !asks_for_usage(planned, deployment) {
        return;
    }
    let body = &request.body[..];
    let options = request.stream_options.filter(|member| !dropped.contains(member));
    let Some(options) = options.map(|member| request.document.members[member].value) else {
        if request.stream_options.is_none() {
            edits.insert("stream_options", br#"{"include_usage":true}"#);
        }
        return;
    };
    if json::is_null(options.of(body)) {
        edits.replace(options, Bytes::from_static(br#"{"include_usage":true}"#));
        return;
    }
    match json::find(body, options, "include_usage") {
        Ok(Some(value)) => edits.replace(value, Bytes::from_static(b"true")),
        _ => edits.insert_into(options, "include_usage", b"true"),
    }
}

/// Whether the usage of a stream is asked for on the client's behalf.
pub(super) fn asks_for_usage(planned: &Planned, deployment: &Deployment) -> bool {
    let request = &planned.request;
    request.stream
        && matches!(request.endpoint, Endpoint::ChatCompletions | Endpoint::Completions)
        && request.include_usage != Some(true)
        && deployment.provider.stream_usage() != StreamUsage::Always
}

fn present(planned: &Planned, dropped: &[usize], name: &str) -> Option<usize> {
    let request = &planned.request;
    request.document.find(&request.body, name).filter(|member| !dropped.contains(member))
}

/// Adds the deployment's defaults, by the provider's names. Gemini's requests have none of these names at the top.
fn defaults(
    planned: &Planned,
    deployment: &Deployment,
    dropped: &[usize],
    renamed: &[(&'static str, &'static str)],
    edits: &mut Edits,
) {
    let request = &planned.request;
    if request.endpoint.is_gemini() {
        return;
    }
    let extra = &deployment.settings.extra_body;
    for (name, value) in &deployment.settings.defaults {
        let bounded = is_output_cap(name) && (!request.output_caps.is_empty() || planned.output_cap.is_some());
        let theirs = renamed.iter().find(|(ours, _)| ours == name).map(|(_, theirs)| *theirs);
        let given = match theirs {
            Some(theirs) => {
                [name.as_str(), theirs].iter().any(|name| request.document.find(&request.body, name).is_some())
            }
            None => present(planned, dropped, name).is_some(),
        };
        if !given && !bounded && !extra.iter().any(|(extra, _)| extra == name) {
            edits.insert(theirs.unwrap_or(name), value.as_bytes());
        }
    }
}

/// Sets the deployment's `extra_body`.
fn extra_body(planned: &Planned, deployment: &Deployment, dropped: &[usize], edits: &mut Edits) {
    let ours = |name: &str| planned.output_cap.is_some() && is_output_cap(name);
    let extra = deployment.settings.extra_body.iter();
    for (name, value) in extra.filter(|(name, _)| name != "model" && name != "stream" && !ours(name)) {
        match present(planned, dropped, name) {
            Some(member) => {
                edits.replace(planned.request.document.members[member].value, Bytes::copy_from_slice(value.as_bytes()))
            }
            None => edits.insert(name, value.as_bytes()),
        }
    }
}

/// Sets the bound on the answer that the budget demands.
fn output_cap(planned: &Planned, deployment: &Deployment, dropped: &[usize], edits: &mut Edits) {
    let Some(most) = planned.output_cap else { return };
    let request = &planned.request;
    let most = most.to_string();
    if request.endpoint == Endpoint::GenerateContent {
        let config =
            ["generationConfig", "generation_config"].into_iter().find_map(|name| present(planned, dropped, name));
        return match config.map(|member| request.document.members[member].value) {
            Some(at) if json::kind(at.of(&request.body)) == Some(json::Kind::Object) => {
                edits.insert_into(at, "maxOutputTokens", most.as_bytes());
            }
            Some(at) => edits.replace(at, Bytes::from(format!("{{\"maxOutputTokens\":{most}}}"))),
            None => edits.insert("generationConfig", format!("{{\"maxOutputTokens\":{most}}}").as_bytes()),
        };
    }
    let name = output_cap_name(planned, deployment);
    match present(planned, dropped, name) {
        // Null: the client named it and set no bound.
        Some(member) => edits.replace(request.document.members[member].value, Bytes::from(most)),
        None => edits.insert(name, most.as_bytes()),
    }
}

/// What the provider calls the bound on an answer, or the other name where that one must not reach it.
fn output_cap_name(planned: &Planned, deployment: &Deployment) -> &'static str {
    let endpoint = planned.request.endpoint;
    let usual = match endpoint {
        Endpoint::ChatCompletions => deployment.provider.output_cap(),
        Endpoint::Responses => "max_output_tokens",
        _ => "max_tokens",
    };
    let dropped = deployment.settings.additional_drop_params.iter().any(|name| name == usual);
    match (usual, endpoint) {
        ("max_tokens", Endpoint::ChatCompletions) if dropped => "max_completion_tokens",
        ("max_completion_tokens", _) if dropped => "max_tokens",
        _ => usual,
    }
}

pub(super) fn is_output_cap(name: &str) -> bool {
    matches!(name, "max_tokens" | "max_completion_tokens" | "max_output_tokens")
}
