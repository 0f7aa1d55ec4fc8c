//! What streams and whole answers have in common: blocks, citations, the reasons of an end, errors.

use serde::Deserialize;

use crate::chat::{Broken, Delta, Finish, Raw, Sink, Str, UpstreamError};
use crate::dialect::anthropic::error;

/// A content block, as far as it is understood.
#[derive(Deserialize)]
pub(super) struct Block<'a> {
    #[serde(borrow, rename = "type", default)]
    pub(super) kind: Str<'a>,
    #[serde(borrow)]
    pub(super) text: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) citations: Option<Vec<Raw<'a>>>,
    #[serde(borrow)]
    pub(super) thinking: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) signature: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) data: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) input: Option<Raw<'a>>,
}

/// The types of blocks that are understood; the others are Anthropic's alone.
pub(super) fn is_known(kind: &str) -> bool {
    matches!(kind, "text" | "thinking" | "redacted_thinking" | "tool_use")
}

/// The type of a block of any kind.
pub(super) fn kind_of(block: Raw<'_>) -> Option<Str<'_>> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow, rename = "type")]
        kind: Str<'a>,
    }
    serde_json::from_str::<Kind<'_>>(block.get()).ok().map(|block| block.kind)
}

/// A block that is understood.
pub(super) fn block(block: Raw<'_>) -> Result<Block<'_>, Broken> {
    serde_json::from_str(block.get()).map_err(|error| Broken::Malformed(format!("a content block: {error}")))
}

/// The beginning of a call, whose id is made up where there is none.
pub(super) fn begin_call(block: &Block<'_>, index: u32, sink: &mut dyn Sink) {
    let name = block.name.as_deref().unwrap_or_default();
    match block.id.as_deref().filter(|id| !id.is_empty()) {
        Some(id) => sink.delta(0, Delta::ToolCall { index, id, name, signature: None }),
        None => sink.delta(0, Delta::ToolCall { index, id: &format!("toolu_{index}"), name, signature: None }),
    }
}

/// A citation of the text from `start` to `end`, in characters.
pub(super) fn cite(citation: &str, start: u64, end: u64, sink: &mut dyn Sink) {
    #[derive(Deserialize)]
    struct Citation<'a> {
        #[serde(borrow)]
        url: Option<Str<'a>>,
        #[serde(borrow)]
        source: Option<Str<'a>>,
        #[serde(borrow)]
        title: Option<Str<'a>>,
        #[serde(borrow)]
        document_title: Option<Str<'a>>,
        #[serde(borrow)]
        cited_text: Option<Str<'a>>,
    }
    let Ok(citation) = serde_json::from_str::<Citation<'_>>(citation) else { return };
    sink.delta(
        0,
        Delta::Citation {
            url: citation.url.as_deref().or(citation.source.as_deref()),
            title: citation.title.as_deref().or(citation.document_title.as_deref()),
            text: citation.cited_text.as_deref(),
            start: Some(start),
            end: Some(end),
        },
    );
}

/// Why an answer ended, and what stands beside the reason.
#[derive(Default, Deserialize)]
pub(super) struct Ending<'a> {
    #[serde(borrow)]
    pub(super) stop_reason: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) stop_sequence: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) stop_details: Option<Raw<'a>>,
    #[serde(borrow)]
    pub(super) container: Option<Raw<'a>>,
}

impl Ending<'_> {
    /// Whether there is a reason.
    pub(super) fn is_given(&self) -> bool {
        self.stop_reason.is_some()
    }

    /// Tells what there is.
    pub(super) fn tell(&self, sink: &mut dyn Sink) {
        member("stop_details", self.stop_details, sink);
        member("container", self.container, sink);
        let Some(reason) = self.stop_reason.as_deref() else { return };
        sink.delta(
            0,
            Delta::Finish(match reason {
                "end_turn" => Finish::Stop,
                "stop_sequence" => Finish::StopSequence(self.stop_sequence.as_deref()),
                "max_tokens" | "model_context_window_exceeded" => Finish::Length,
                "tool_use" => Finish::ToolCalls,
                "refusal" => Finish::Refusal,
                "pause_turn" => Finish::Pause,
                other => Finish::Other(other),
            }),
        );
    }
}

/// A member of the message that only this API has.
pub(super) fn member(key: &str, value: Option<Raw<'_>>, sink: &mut dyn Sink) {
    if let Some(value) = value {
        native(key, value.get(), sink);
    }
}

/// What only this API has.
pub(super) fn native(key: &str, json: &str, sink: &mut dyn Sink) {
    sink.delta(0, Delta::Native { api: crate::chat::Api::Anthropic, key, json });
}

/// An error that was told in a 200.
pub(super) fn upstream(error: Option<Raw<'_>>) -> Broken {
    #[derive(Default, Deserialize)]
    struct Told<'a> {
        #[serde(borrow, rename = "type")]
        kind: Option<Str<'a>>,
        #[serde(borrow)]
        message: Option<Str<'a>>,
    }
    let json = error.map_or("null", |error| error.get());
    let told = serde_json::from_str::<Told<'_>>(json).unwrap_or_default();
    let kind = told.kind.as_deref().unwrap_or_default();
    let message = told.message.map(|message| message.into_cow().into_owned());
    // Some proxies give a text alone.
    let message = message.or_else(|| serde_json::from_str::<String>(json).ok());
    Broken::Upstream(UpstreamError {
        status: error::status_of(kind),
        message: message.unwrap_or_else(|| if kind.is_empty() { "unknown error".to_owned() } else { kind.to_owned() }),
    })
}
