//! A chat as a `generateContent` request.

use http::{HeaderName, HeaderValue};
use serde::Serialize;

use crate::chat::{Api, Chat, Raw, Str};
use crate::dialect::gemini::{NATIVE_CONFIG, Object};
use crate::provider::{Ask, Written, speech};
use crate::vocabulary::Fault;

use super::Flavour;
use super::config::{self, Config};
use super::contents::{Content, Writer};
use super::family::Family;
use super::tools::{self, OneTool, ToolConfig};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'c> {
    contents: Vec<Content<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'c>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<OneTool<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation_config: Option<Config<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'c str>,
    #[serde(flatten)]
    rest: Object<'c>,
}

/// Writes a chat.
pub(super) fn write(chat: &Chat<'_>, ask: &Ask<'_>, flavour: Flavour) -> Result<Written, Fault> {
    let family = Family::of(ask.model);
    let mut dropped = Vec::new();
    let mut writer = Writer { flavour, family, messages: &chat.messages, dropped: &mut dropped };
    let (system_instruction, contents) = writer.write()?;
    if chat.parallel_tool_calls == Some(false) {
        dropped.push("parallel_tool_calls".to_owned());
    }
    let rest = rest(chat);
    let own_config = rest.get(&["toolConfig", "tool_config"]).is_some();
    let tier = tier(chat);
    if tier.is_none() && chat.service_tier.as_deref().is_some_and(|asked| asked != "auto") {
        dropped.push("service_tier".to_owned());
    }
    let body = Body {
        contents,
        system_instruction,
        tools: tools::tools(chat, family)?,
        tool_config: if own_config { None } else { tools::tool_config(chat) },
        generation_config: config::config(chat, family)?,
        service_tier: tier.filter(|_| flavour == Flavour::Studio),
        rest,
    };
    let body = speech::written(&body)?;
    let headers = tier.filter(|tier| flavour == Flavour::Vertex && *tier != "standard").into_iter();
    let headers = headers.filter_map(|tier| Some((SHARED, HeaderValue::from_str(tier).ok()?)));
    Ok(Written { body, schema_tool: false, dropped, headers: headers.collect() })
}

/// Vertex AI's way to ask for a tier.
const SHARED: HeaderName = HeaderName::from_static("x-vertex-ai-llm-shared-request-type");

/// The tier in Gemini's words; none is the usual one.
fn tier<'c>(chat: &'c Chat<'c>) -> Option<&'c str> {
    match chat.service_tier.as_deref()? {
        "auto" => None,
        "default" | "standard" | "standard_only" => Some("standard"),
        known @ ("flex" | "priority") => Some(known),
        _ => None,
    }
}

/// What stands at the top besides: Gemini's own members, and what the client wants passed on.
fn rest<'c>(chat: &'c Chat<'c>) -> Object<'c> {
    let native = chat.native.iter().filter(|(api, name, _)| *api == Api::Gemini && !name.starts_with(NATIVE_CONFIG));
    let native = native.map(|(_, name, value)| (&**name, *value));
    let extra = chat.extra.iter().filter(|(name, _)| !config::is_member(name)).map(|(name, value)| (&**name, *value));
    let all = native.chain(extra).filter(|(name, _)| !WRITTEN.contains(name));
    Object(all.map(|(name, value): (&'c str, Raw<'c>)| (Str::from(name), value)).collect())
}

/// What is written from the chat: a second one would be a doubtful key.
const WRITTEN: [&str; 9] = [
    "contents",
    "systemInstruction",
    "system_instruction",
    "tools",
    "generationConfig",
    "generation_config",
    "serviceTier",
    "service_tier",
    "model",
];
