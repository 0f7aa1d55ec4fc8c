//! Cheap guesses made before a request is sent: the real figures come with the answer.

use crate::dialect::openai::{Endpoint, Request};
use crate::json::{self, Kind};

/// Bodies up to this size are walked for their text; of larger ones the length alone is taken.
const WALK_BYTES_MAX: usize = 64 * 1024;
/// What LiteLLM takes for an answer whose length nobody bounded.
const COMPLETION_DEFAULT: u64 = 1024;

/// Tokens to reserve against limits: four bytes of prompt text to a token, and the answer's bound.
pub(super) fn for_limits(request: &Request, tpm_limit: Option<u64>) -> u64 {
    let prompt = prompt_tokens(request);
    let completion = match (request.endpoint, request.max_tokens()) {
        (endpoint, _) if !endpoint.writes() => 0,
        (_, Some(most)) => most.saturating_mul(request.choices),
        (_, None) => prompt.max(COMPLETION_DEFAULT.min(tpm_limit.map_or(COMPLETION_DEFAULT, |limit| limit / 4))),
    };
    prompt.saturating_add(completion)
}

/// Four bytes of prompt text to a token, at least one.
pub(super) fn prompt_tokens(request: &Request) -> u64 {
    (prompt_bytes(request) / 4).max(1)
}

/// The bytes of prompt text in a request.
fn prompt_bytes(request: &Request) -> u64 {
    let body = &request.body[..];
    if body.len() > WALK_BYTES_MAX {
        return body.len() as u64;
    }
    let texts = |name| {
        request.document.find(body, name).map_or(0, |member| text_bytes(body, request.document.members[member].value))
    };
    match request.endpoint {
        Endpoint::ChatCompletions => message_bytes(request),
        Endpoint::Completions => texts("prompt"),
        Endpoint::Embeddings => texts("input"),
        // Parts within parts: their JSON counts too, which is little beside the text.
        _ => ["messages", "system", "input", "instructions", "contents", "systemInstruction", "query", "documents"]
            .into_iter()
            .map(|name| {
                let member = request.document.find(body, name);
                member.map_or(0, |member| request.document.members[member].value.of(body).len() as u64)
            })
            .sum(),
    }
}

fn message_bytes(request: &Request) -> u64 {
    let body = &request.body[..];
    let Some(member) = request.document.find(body, "messages") else { return 0 };
    let messages = json::elements(body, request.document.members[member].value);
    let contents = messages.filter_map(|message| json::find(body, message, "content").ok().flatten());
    contents.map(|content| text_bytes(body, content)).sum()
}

/// Bytes of a string, of the strings of a list, or of the `text` of a list's parts. A number in a list is a token.
fn text_bytes(body: &[u8], value: json::Span) -> u64 {
    match json::kind(value.of(body)) {
        Some(Kind::String) => (value.of(body).len() as u64).saturating_sub(2),
        Some(Kind::Array) => json::elements(body, value).map(|element| part_bytes(body, element)).sum(),
        _ => 0,
    }
}

fn part_bytes(body: &[u8], part: json::Span) -> u64 {
    match json::kind(part.of(body)) {
        Some(Kind::Object) => json::find(body, part, "text")
            .ok()
            .flatten()
            .map_or(0, |text| (text.of(body).len() as u64).saturating_sub(2)),
        Some(Kind::Number) => 4,
        _ => text_bytes_flat(body, part),
    }
}

fn text_bytes_flat(body: &[u8], value: json::Span) -> u64 {
    match json::kind(value.of(body)) {
        Some(Kind::String) => (value.of(body).len() as u64).saturating_sub(2),
        Some(Kind::Array) => (json::elements(body, value).count() as u64).saturating_mul(4),
        _ => 0,
    }
}
