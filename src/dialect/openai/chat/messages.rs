//! Messages of a request, in all the roles and spellings that clients use.

use std::borrow::Cow;

use super::parts;
use super::value::{self, At};
use crate::chat::{Api, Cache, Media, Message, Native, Part, Raw, Role, Str, ToolCall, ToolResult};
use crate::vocabulary::Fault;

/// What LiteLLM puts between a call's id and its thought signature.
const THOUGHT_SUFFIX: &str = "__thought__";

value::members! {
    /// A message.
    WireMessage {
        role, content, name, tool_call_id, tool_calls, function_call, refusal, reasoning_content, reasoning,
        reasoning_details, thinking_blocks, cache_control, provider_specific_fields, extra_content, images, audio,
    }
}

/// Reads `messages`.
pub(super) fn read<'a>(raw: Raw<'a>) -> Result<Vec<Message<'a>>, Fault> {
    let at = At::Root("messages");
    let raws = value::array(raw, at, "an array of objects")?;
    if raws.is_empty() {
        let text = "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array.";
        return Err(value::bad(at, text));
    }
    let mut legacy = None;
    let mut messages = Vec::with_capacity(raws.len());
    for (index, raw) in raws.into_iter().enumerate() {
        let at = at.index(index);
        messages.push(message(&value::object(raw, at)?, at, index, &mut legacy)?);
    }
    Ok(messages)
}

/// `legacy` is the id made up for the last `function_call`, which had none.
fn message<'a>(
    wire: &WireMessage<'a>,
    at: At<'_>,
    index: usize,
    legacy: &mut Option<Str<'a>>,
) -> Result<Message<'a>, Fault> {
    let role = value::needed_text(wire.role, at.key("role"))?;
    let name = value::text_at(wire.name, at.key("name"))?;
    let (role, mut parts) = match &*role {
        "system" | "developer" => (Role::System, needed_content(wire, at)?),
        "user" => (Role::User, needed_content(wire, at)?),
        "assistant" => (Role::Assistant, assistant(wire, at, index, legacy)?),
        "tool" => {
            let id = value::needed_text(wire.tool_call_id, at.key("tool_call_id"))?;
            return result(wire, split_id(id).0, name, at);
        }
        "function" => {
            let id = legacy.take().or_else(|| name.clone()).ok_or_else(|| value::missing(at.key("name")))?;
            return result(wire, id, name, at);
        }
        word => {
            let known = ["system", "developer", "user", "assistant", "tool", "function"];
            return Err(value::unknown_word(at.key("role"), word, &known));
        }
    };
    if let Some(cache) = value::cache(wire.cache_control) {
        mark(&mut parts, cache);
    }
    Ok(Message { role, name, parts })
}

/// Only the model may say nothing.
fn needed_content<'a>(wire: &WireMessage<'a>, at: At<'_>) -> Result<Vec<Part<'a>>, Fault> {
    let at = at.key("content");
    let text = || value::bad(at, format!("Invalid value for '{at}': expected a string or an array, got null."));
    parts::content(Some(wire.content.ok_or_else(text)?), at)
}

/// A mark on the whole message stands for one on its last part that can have one.
fn mark<'a>(parts: &mut [Part<'a>], mark: Cache<'a>) {
    let place = parts.iter_mut().rev().find_map(|part| match part {
        Part::Text { cache, .. }
        | Part::Media(Media { cache, .. })
        | Part::ToolCall(ToolCall { cache, .. })
        | Part::ToolResult(ToolResult { cache, .. }) => Some(cache),
        Part::Thinking { .. } | Part::Redacted { .. } | Part::Refusal(_) | Part::Native(_) => None,
    });
    if let Some(place) = place {
        place.get_or_insert(mark);
    }
}

fn result<'a>(wire: &WireMessage<'a>, id: Str<'a>, name: Option<Str<'a>>, at: At<'_>) -> Result<Message<'a>, Fault> {
    let parts = parts::content(wire.content, at.key("content"))?;
    let cache = value::cache(wire.cache_control);
    let result = ToolResult { id, name, parts, error: false, cache };
    Ok(Message::new(Role::Tool, vec![Part::ToolResult(result)]))
}

fn assistant<'a>(
    wire: &WireMessage<'a>,
    at: At<'_>,
    index: usize,
    legacy: &mut Option<Str<'a>>,
) -> Result<Vec<Part<'a>>, Fault> {
    let content = parts::content(wire.content, at.key("content"))?;
    let is_thought = |part: &Part<'_>| matches!(part, Part::Thinking { .. } | Part::Redacted { .. });
    let mut calls = match wire.tool_calls {
        Some(raw) => calls(raw, at.key("tool_calls"))?,
        None => Vec::new(),
    };
    if let Some(raw) = wire.function_call {
        let id = Str::from(format!("call_{index}"));
        *legacy = Some(id.clone());
        calls.push(Part::ToolCall(legacy_call(raw, id, at.key("function_call"))?));
    }
    let mut parts = Vec::with_capacity(content.len() + calls.len() + 1);
    if !content.iter().any(is_thought) {
        parts = thoughts(wire, at)?;
    }
    if !parts.iter().any(is_thought) {
        parts.extend(sign(&mut calls, message_signatures(wire)));
    }
    parts.extend(content);
    if let Some(refusal) = value::text_at(wire.refusal, at.key("refusal"))?.filter(|text| !text.is_empty()) {
        parts.push(Part::Refusal(refusal));
    }
    if let Some(raw) = wire.images.filter(|raw| value::is(raw, b'[')) {
        parts.extend(parts::content(Some(raw), at.key("images"))?);
    }
    parts.extend(parts::spoken(wire.audio));
    parts.extend(calls);
    // An empty text beside something else says nothing, and some providers refuse it.
    if parts.len() > 1 {
        parts.retain(|part| !matches!(part, Part::Text { text, cache: None } if text.is_empty()));
    }
    Ok(parts)
}

/// Signatures of the message as a whole go to its first call, which is what their provider looks at, or stand alone.
fn sign<'a>(calls: &mut [Part<'a>], signatures: Vec<Str<'a>>) -> Vec<Part<'a>> {
    let is_signed = calls.iter().any(|part| matches!(part, Part::ToolCall(ToolCall { signature: Some(_), .. })));
    let first = calls.iter_mut().find_map(|part| match part {
        Part::ToolCall(call) => Some(call),
        _ => None,
    });
    match first {
        Some(call) => {
            if !is_signed {
                call.signature = signatures.into_iter().next();
            }
            Vec::new()
        }
        None => {
            let alone = |signature| Part::Thinking { text: Str::default(), signature: Some(signature) };
            signatures.into_iter().map(alone).collect()
        }
    }
}

value::members! {
    /// One of `thinking_blocks` or `reasoning_details`.
    Block { r#type, thinking, text, summary, signature, data }
}

/// What was thought, from the most exact of the spellings that are there: signatures must come back as they went out.
fn thoughts<'a>(wire: &WireMessage<'a>, at: At<'_>) -> Result<Vec<Part<'a>>, Fault> {
    let plain = || -> Result<Option<Str<'a>>, Fault> {
        let plain = match value::text_at(wire.reasoning_content, at.key("reasoning_content"))? {
            Some(text) => Some(text),
            None => value::text_or_none(wire.reasoning),
        };
        Ok(plain.filter(|text| !text.is_empty()))
    };
    if let Some(raw) = wire.thinking_blocks {
        let at = at.key("thinking_blocks");
        let mut thoughts = blocks(raw, at)?;
        // A stream put together by a client that kept the signature alone: the text stands beside it.
        if let [Part::Thinking { text, .. }] = thoughts.as_mut_slice()
            && text.is_empty()
        {
            *text = plain()?.unwrap_or_default();
        }
        if !thoughts.is_empty() {
            return Ok(thoughts);
        }
    }
    if let Some(raw) = wire.reasoning_details {
        let thoughts = blocks(raw, at.key("reasoning_details"))?;
        if !thoughts.is_empty() {
            return Ok(thoughts);
        }
    }
    Ok(plain()?.map(|text| Part::Thinking { text, signature: None }).into_iter().collect())
}

fn blocks<'a>(raw: Raw<'a>, at: At<'_>) -> Result<Vec<Part<'a>>, Fault> {
    let mut thoughts = Vec::new();
    for (index, raw) in value::array(raw, at, "an array of objects")?.into_iter().enumerate() {
        let at = at.index(index);
        let block: Block<'_> = value::object(raw, at)?;
        let kind = value::text_at(block.r#type, at.key("type"))?;
        if matches!(kind.as_deref(), Some("redacted_thinking" | "reasoning.encrypted")) {
            thoughts.push(Part::Redacted { data: value::needed_text(block.data, at.key("data"))? });
            continue;
        }
        let text = value::text_at(block.thinking.or(block.text).or(block.summary), at)?.unwrap_or_default();
        let signature = value::text_at(block.signature, at.key("signature"))?.filter(|text| !text.is_empty());
        join(&mut thoughts, text, signature);
    }
    Ok(thoughts)
}

/// Pieces of one thought, as a stream gave them, are one again: a signature ends it.
fn join<'a>(thoughts: &mut Vec<Part<'a>>, text: Str<'a>, signature: Option<Str<'a>>) {
    if let Some(Part::Thinking { text: before, signature: open @ None }) = thoughts.last_mut() {
        before.0.to_mut().push_str(&text);
        *open = signature;
    } else if !text.is_empty() || signature.is_some() {
        thoughts.push(Part::Thinking { text, signature });
    }
}

value::members! {
    /// A call of a tool.
    WireCall { id, r#type, function, name, arguments, cache_control, provider_specific_fields, extra_content }
}

value::members! {
    /// What is called.
    Called { name, arguments, provider_specific_fields }
}

fn calls<'a>(raw: Raw<'a>, at: At<'_>) -> Result<Vec<Part<'a>>, Fault> {
    let raws = value::array(raw, at, "an array of objects")?;
    raws.into_iter().enumerate().map(|(index, raw)| call(raw, at.index(index))).collect()
}

fn call<'a>(raw: Raw<'a>, at: At<'_>) -> Result<Part<'a>, Fault> {
    let wire: WireCall<'_> = value::object(raw, at)?;
    if value::text_at(wire.r#type, at.key("type"))?.is_some_and(|kind| kind == "custom") {
        return Ok(Part::Native(Native { api: Api::OpenAiChat, json: raw }));
    }
    let function: Called<'_> = match wire.function {
        Some(function) => value::object(function, at.key("function"))?,
        None => Called { name: wire.name, arguments: wire.arguments, provider_specific_fields: None },
    };
    let (id, suffix) = split_id(value::needed_text(wire.id, at.key("id"))?);
    let signature = signatures(wire.provider_specific_fields)
        .or_else(|| signatures(function.provider_specific_fields))
        .and_then(|signatures| signatures.into_iter().next())
        .or_else(|| google(wire.extra_content));
    Ok(Part::ToolCall(ToolCall {
        id,
        name: value::needed_text(function.name, at.key("function").key("name"))?,
        arguments: arguments(function.arguments, at.key("function").key("arguments"))?,
        signature: signature.or(suffix),
        cache: value::cache(wire.cache_control),
    }))
}

fn legacy_call<'a>(raw: Raw<'a>, id: Str<'a>, at: At<'_>) -> Result<ToolCall<'a>, Fault> {
    let function: Called<'_> = value::object(raw, at)?;
    let name = value::needed_text(function.name, at.key("name"))?;
    let arguments = arguments(function.arguments, at.key("arguments"))?;
    Ok(ToolCall { id, name, arguments, signature: None, cache: None })
}

/// Arguments are JSON in a text; some clients send the object itself.
fn arguments<'a>(raw: Option<Raw<'a>>, at: At<'_>) -> Result<Str<'a>, Fault> {
    match raw {
        Some(raw) if value::is(raw, b'{') => Ok(raw.get().into()),
        Some(raw) => value::text(raw, at),
        None => Ok(Str::default()),
    }
}

/// An id and the signature that LiteLLM hid in it.
fn split_id<'a>(id: Str<'a>) -> (Str<'a>, Option<Str<'a>>) {
    let Some(at) = id.find(THOUGHT_SUFFIX) else { return (id, None) };
    match id.0 {
        Cow::Borrowed(id) => {
            let (before, after) = id.split_at(at);
            (before.into(), Some(after.trim_start_matches(THOUGHT_SUFFIX).into()))
        }
        Cow::Owned(id) => {
            let (before, after) = id.split_at(at);
            let after = after.trim_start_matches(THOUGHT_SUFFIX);
            (before.to_owned().into(), Some(after.to_owned().into()))
        }
    }
}

value::members! {
    /// `provider_specific_fields`.
    Specific { thought_signature, thought_signatures }
}

fn signatures(raw: Option<Raw<'_>>) -> Option<Vec<Str<'_>>> {
    let specific: Specific<'_> = value::object_or_empty(raw);
    let one = value::text_or_none(specific.thought_signature).map(|signature| vec![signature]);
    let several = || specific.thought_signatures.and_then(|raw| serde_json::from_str(raw.get()).ok());
    one.or_else(several).filter(|signatures| !signatures.is_empty())
}

value::members! {
    /// `extra_content`.
    Extra { google }
}

/// `extra_content.google.thought_signature`.
fn google(raw: Option<Raw<'_>>) -> Option<Str<'_>> {
    let extra: Extra<'_> = value::object_or_empty(raw);
    value::text_or_none(value::object_or_empty::<Specific<'_>>(extra.google).thought_signature)
}

fn message_signatures<'a>(wire: &WireMessage<'a>) -> Vec<Str<'a>> {
    let specific = signatures(wire.provider_specific_fields);
    specific.or_else(|| google(wire.extra_content).map(|signature| vec![signature])).unwrap_or_default()
}
