//! A whole answer of Converse.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::exception;
use super::usage::Counts;
use crate::chat::{Api, Broken, Delta, Finish, Raw, Sink, Str};
use crate::vocabulary::Metered;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply<'a> {
    #[serde(borrow)]
    output: Option<Output<'a>>,
    #[serde(borrow)]
    stop_reason: Option<Str<'a>>,
    #[serde(borrow)]
    usage: Option<Counts<'a>>,
    #[serde(borrow)]
    message: Option<Raw<'a>>,
    #[serde(borrow)]
    metrics: Option<Raw<'a>>,
    #[serde(borrow)]
    trace: Option<Raw<'a>>,
    #[serde(borrow)]
    additional_model_response_fields: Option<Raw<'a>>,
    #[serde(borrow)]
    performance_config: Option<Raw<'a>>,
    #[serde(borrow)]
    service_tier: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Output<'a> {
    #[serde(borrow)]
    message: Option<Message<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<Vec<Raw<'a>>>,
}

/// What tells of an answer besides what it says.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Beside<'a> {
    #[serde(borrow)]
    metrics: Option<Raw<'a>>,
    #[serde(borrow)]
    trace: Option<Raw<'a>>,
    #[serde(borrow)]
    additional_model_response_fields: Option<Raw<'a>>,
    #[serde(borrow)]
    performance_config: Option<Raw<'a>>,
    #[serde(borrow)]
    service_tier: Option<Raw<'a>>,
}

/// A part of an answer: one of these, or something for [`Delta::Native`].
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Block<'a> {
    #[serde(borrow)]
    text: Option<Str<'a>>,
    #[serde(borrow)]
    tool_use: Option<ToolUse<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<ReasoningContent<'a>>,
    #[serde(borrow)]
    citations_content: Option<CitationsContent<'a>>,
    #[serde(borrow)]
    image: Option<Medium<'a>>,
    #[serde(borrow)]
    audio: Option<Medium<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUse<'a> {
    #[serde(borrow, default)]
    tool_use_id: Str<'a>,
    #[serde(borrow, default)]
    name: Str<'a>,
    #[serde(borrow)]
    input: Option<Raw<'a>>,
    #[serde(borrow)]
    r#type: Option<Str<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReasoningContent<'a> {
    #[serde(borrow)]
    reasoning_text: Option<ReasoningText<'a>>,
    #[serde(borrow)]
    redacted_content: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct ReasoningText<'a> {
    #[serde(borrow, default)]
    text: Str<'a>,
    #[serde(borrow)]
    signature: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct CitationsContent<'a> {
    #[serde(borrow, default)]
    content: Vec<Text<'a>>,
    #[serde(borrow, default)]
    citations: Vec<Citation<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Text<'a> {
    #[serde(borrow)]
    text: Option<Str<'a>>,
}

/// A source of what was said.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Citation<'a> {
    #[serde(borrow)]
    title: Option<Str<'a>>,
    #[serde(borrow)]
    source: Option<Str<'a>>,
    #[serde(borrow)]
    source_content: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    location: Option<Location<'a>>,
}

#[derive(Debug, Deserialize)]
struct Location<'a> {
    #[serde(borrow)]
    web: Option<Web<'a>>,
}

#[derive(Debug, Deserialize)]
struct Web<'a> {
    #[serde(borrow)]
    url: Option<Str<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Medium<'a> {
    #[serde(borrow)]
    pub(super) format: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) source: Option<MediumSource<'a>>,
}

#[derive(Deserialize)]
pub(super) struct MediumSource<'a> {
    #[serde(borrow)]
    pub(super) bytes: Option<Str<'a>>,
}

/// The one known word of `type` that says that a call is the provider's own.
pub(super) const SERVER_TOOL: &str = "server_tool_use";

/// Reads a whole answer.
pub(super) fn read(body: &[u8], sink: &mut dyn Sink) -> Result<Metered, Broken> {
    let malformed = |error: serde_json::Error| Broken::Malformed(format!("not an answer of Converse: {error}"));
    let reply: Reply<'_> = serde_json::from_slice(body).map_err(malformed)?;
    let Some(message) = reply.output.and_then(|output| output.message) else {
        return Err(match reply.message {
            Some(_) => exception::told("internalServerException", body),
            None => Broken::Malformed("an answer of Converse without output.message".to_owned()),
        });
    };
    sink.delta(0, Delta::Start { id: None, created: None });
    let mut reader = Reader { sink, calls: 0, chars: 0 };
    for raw in message.content.into_iter().flatten() {
        reader.block(raw).map_err(malformed)?;
    }
    let beside = Beside {
        metrics: reply.metrics,
        trace: reply.trace,
        additional_model_response_fields: reply.additional_model_response_fields,
        performance_config: reply.performance_config,
        service_tier: reply.service_tier,
    };
    beside.tell(reader.sink);
    if let Some(word) = &reply.stop_reason {
        let sequence = beside.stop_sequence();
        reader.sink.delta(0, Delta::Finish(finish(word, sequence.as_deref())));
    }
    Ok(reply.usage.map_or(Metered::Absent, |usage| usage.metered()))
}

struct Reader<'s> {
    sink: &'s mut dyn Sink,
    // Tool calls so far.
    calls: u32,
    // Characters of text so far.
    chars: u64,
}

impl Reader<'_> {
    fn block(&mut self, raw: Raw<'_>) -> Result<(), serde_json::Error> {
        let block: Block<'_> = serde_json::from_str(raw.get())?;
        match block {
            Block { text: Some(text), .. } => self.text(&text),
            Block { tool_use: Some(call), .. } if call.r#type.as_deref() != Some(SERVER_TOOL) => self.call(&call),
            Block { reasoning_content: Some(thought), .. } => self.thought(&thought),
            Block { citations_content: Some(cited), .. } => self.cited(&cited),
            Block { image: Some(medium), .. } if medium.bytes().is_some() => self.medium("image", &medium),
            Block { audio: Some(medium), .. } if medium.bytes().is_some() => self.medium("audio", &medium),
            _ => self.sink.delta(
                0,
                Delta::Native { api: Api::Converse, key: key(raw).as_deref().unwrap_or_default(), json: raw.get() },
            ),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.chars += chars(text);
            self.sink.delta(0, Delta::Text(text));
        }
    }

    fn call(&mut self, call: &ToolUse<'_>) {
        let index = self.calls;
        self.calls += 1;
        self.sink.delta(0, Delta::ToolCall { index, id: &call.tool_use_id, name: &call.name, signature: None });
        let json = call.input.map_or("{}", |input| input.get());
        self.sink.delta(0, Delta::Arguments { index, json });
    }

    fn thought(&mut self, thought: &ReasoningContent<'_>) {
        if let Some(said) = &thought.reasoning_text {
            if !said.text.is_empty() {
                self.sink.delta(0, Delta::Thinking(&said.text));
            }
            if let Some(signature) = said.signature.as_ref().filter(|signature| !signature.is_empty()) {
                self.sink.delta(0, Delta::Signature(signature));
            }
        }
        if let Some(data) = &thought.redacted_content {
            self.sink.delta(0, Delta::Redacted(data));
        }
    }

    fn cited(&mut self, cited: &CitationsContent<'_>) {
        let start = self.chars;
        for text in cited.content.iter().filter_map(|text| text.text.as_deref()) {
            self.text(text);
        }
        for citation in &cited.citations {
            citation.tell(start, self.chars, self.sink);
        }
    }

    fn medium(&mut self, kind: &str, medium: &Medium<'_>) {
        let mime = format!("{kind}/{}", medium.format.as_deref().unwrap_or("*"));
        self.sink.delta(0, Delta::Media { mime: &mime, data: medium.bytes().unwrap_or_default() });
    }
}

impl Medium<'_> {
    fn bytes(&self) -> Option<&str> {
        self.source.as_ref()?.bytes.as_deref()
    }
}

impl Citation<'_> {
    /// Tells it of the answer's text between two places.
    pub(super) fn tell(&self, start: u64, end: u64, sink: &mut dyn Sink) {
        let cited: String = self.source_content.iter().flatten().filter_map(|text| text.text.as_deref()).collect();
        let web = self.location.as_ref().and_then(|location| location.web.as_ref()?.url.as_deref());
        let source = self.source.as_deref().filter(|source| !source.is_empty());
        sink.delta(
            0,
            Delta::Citation {
                url: web.or(source),
                title: self.title.as_deref(),
                text: (!cited.is_empty()).then_some(&cited),
                start: Some(start),
                end: Some(end),
            },
        );
    }
}

impl Beside<'_> {
    /// Tells everything that is there.
    pub(super) fn tell(&self, sink: &mut dyn Sink) {
        let told = [
            ("metrics", self.metrics),
            ("trace", self.trace),
            ("additionalModelResponseFields", self.additional_model_response_fields.filter(|_| !self.is_stop_only())),
            ("performanceConfig", self.performance_config),
            ("serviceTier", self.service_tier),
        ];
        for (key, json) in told {
            if let Some(json) = json.filter(|json| json.get().starts_with('{')) {
                sink.delta(0, Delta::Native { api: Api::Converse, key, json: json.get() });
            }
        }
    }

    /// The stop sequence that was met, where it was asked for.
    pub(super) fn stop_sequence(&self) -> Option<String> {
        stop_sequence(self.additional_model_response_fields?)
    }

    // Asked for by us, and told in the reason of the end.
    fn is_stop_only(&self) -> bool {
        self.additional_model_response_fields.is_some_and(is_stop_only)
    }
}

/// The fields that are asked for by us: `stop_sequence`, within `delta` in a stream.
#[derive(Deserialize)]
struct Stopped<'a> {
    #[serde(borrow)]
    stop_sequence: Option<Str<'a>>,
    #[serde(borrow)]
    delta: Option<Raw<'a>>,
}

/// Whether these fields hold nothing but the stop sequence.
pub(super) fn is_stop_only(fields: Raw<'_>) -> bool {
    let only = |fields: Raw<'_>, also: &dyn Fn(Raw<'_>) -> bool| {
        let members = serde_json::from_str::<BTreeMap<Str<'_>, Raw<'_>>>(fields.get()).unwrap_or_default();
        !members.is_empty()
            && members.iter().all(|(name, value)| match &**name {
                "stop_sequence" => true,
                "delta" => also(value),
                _ => false,
            })
    };
    only(fields, &|delta| only(delta, &|_| false))
}

/// The stop sequence among these fields.
pub(super) fn stop_sequence(fields: Raw<'_>) -> Option<String> {
    let stopped: Stopped<'_> = serde_json::from_str(fields.get()).ok()?;
    let own = stopped.stop_sequence.map(|sequence| sequence.to_string());
    own.or_else(|| {
        serde_json::from_str::<Stopped<'_>>(stopped.delta?.get())
            .ok()?
            .stop_sequence
            .map(|sequence| sequence.to_string())
    })
}

/// `stopReason` in our words.
pub(super) fn finish<'a>(word: &'a str, sequence: Option<&'a str>) -> Finish<'a> {
    match word {
        "end_turn" => Finish::Stop,
        "stop_sequence" => Finish::StopSequence(sequence),
        "tool_use" => Finish::ToolCalls,
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "guardrail_intervened" | "content_filtered" => Finish::ContentFilter,
        "refusal" => Finish::Refusal,
        "pause_turn" => Finish::Pause,
        word => Finish::Other(word),
    }
}

pub(super) fn chars(text: &str) -> u64 {
    text.chars().count() as u64
}

/// The name of an object's first member: what a part is.
fn key(raw: Raw<'_>) -> Option<String> {
    let rest = raw.get().trim_start_matches(['{', ' ', '\n', '\t', '\r']).strip_prefix('"')?;
    rest.split_once('"').map(|(key, _)| key.to_owned())
}

#[cfg(test)]
mod tests;
