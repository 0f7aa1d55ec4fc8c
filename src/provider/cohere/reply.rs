//! Reads a whole answer of `/v2/chat`.

use serde::Deserialize;

use super::meter::Report;
use super::said::{self, Citation, Said, end};
use crate::chat::{Api, Broken, Delta, Raw, Sink, Str, UpstreamError};
use crate::vocabulary::Metered;

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    id: Option<Str<'a>>,
    // An object, or the text of an error.
    #[serde(borrow)]
    message: Option<Raw<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Str<'a>>,
    #[serde(borrow)]
    usage: Option<Report<'a>>,
    #[serde(borrow)]
    logprobs: Option<Raw<'a>>,
}

#[derive(Default, Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    tool_plan: Option<Str<'a>>,
    #[serde(borrow)]
    content: Option<Vec<Raw<'a>>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
    #[serde(borrow)]
    citations: Option<Vec<Citation<'a>>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: Option<Str<'a>>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    arguments: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    r#type: Option<Str<'a>>,
    #[serde(borrow)]
    text: Option<Str<'a>>,
    #[serde(borrow)]
    thinking: Option<Str<'a>>,
}

/// Reads the answer.
///
/// # Errors
/// It is none, or tells an error.
pub(super) fn read(body: &[u8], sink: &mut dyn Sink) -> Result<Metered, Broken> {
    let reply: Reply<'_> = parse(body)?;
    let raw = reply.message.ok_or_else(|| Broken::Malformed("an answer of Cohere without a message".to_owned()))?;
    if raw.get().starts_with('"') {
        let message: Str<'_> = parse(raw.get().as_bytes())?;
        return Err(Broken::Upstream(UpstreamError { status: 500, message: message.to_string() }));
    }
    let message: Message<'_> = parse(raw.get().as_bytes())?;
    sink.delta(0, Delta::Start { id: reply.id.as_deref(), created: None });
    let mut so_far = Said::default();
    if let Some(plan) = message.tool_plan {
        so_far.thinking(&plan, sink);
    }
    for (index, item) in (0..).zip(message.content.unwrap_or_default()) {
        content(index, item, &mut so_far, sink)?;
    }
    for citation in message.citations.iter().flatten() {
        so_far.citation(citation, sink);
    }
    for (index, call) in (0..).zip(message.tool_calls.unwrap_or_default()) {
        let function = call.function.unwrap_or(Function { name: None, arguments: None });
        so_far.call(index, call.id.as_deref(), function.name.as_deref(), sink);
        so_far.arguments(index, function.arguments.as_deref().unwrap_or_default(), sink);
        so_far.call_end(index, sink);
    }
    if let Some(logprobs) = reply.logprobs {
        said::logprobs(logprobs, sink);
    }
    end(reply.finish_reason.as_deref(), None, &so_far, sink)?;
    Ok(reply.usage.map_or(Metered::Absent, |report| report.metered()))
}

fn content(index: u64, raw: Raw<'_>, said: &mut Said, sink: &mut dyn Sink) -> Result<(), Broken> {
    let item: Item<'_> = parse(raw.get().as_bytes())?;
    said.content(index);
    match (item.r#type.as_deref(), &item.text, &item.thinking) {
        (Some("text") | None, Some(text), _) => said.text(text, sink),
        (Some("thinking") | None, _, Some(thinking)) => said.thinking(thinking, sink),
        (Some("text" | "thinking") | None, ..) => {}
        (Some(other), ..) => sink.delta(0, Delta::Native { api: Api::Cohere, key: other, json: raw.get() }),
    }
    Ok(())
}

/// Reads JSON of Cohere's.
pub(super) fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Broken> {
    serde_json::from_slice(json).map_err(|error| Broken::Malformed(format!("not an answer of Cohere: {error}")))
}
