//! A response, its items, and the events that tell of them, as they are written.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::chat::Raw;
use crate::vocabulary::Usage;

use super::echo::Echo;

/// A response.
#[derive(Serialize)]
pub(super) struct Response<'a> {
    pub(super) id: &'a str,
    pub(super) object: &'static str,
    pub(super) created_at: i64,
    pub(super) status: &'static str,
    pub(super) error: Option<Cause<'a>>,
    pub(super) incomplete_details: Option<Incomplete>,
    pub(super) model: &'a str,
    pub(super) output: Vec<Raw<'a>>,
    pub(super) usage: Option<Counts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_usage: Option<ToolUsage>,
    #[serde(flatten)]
    pub(super) echo: &'a Echo,
}

/// Why a response failed.
#[derive(Serialize)]
pub(super) struct Cause<'a> {
    pub(super) code: &'a str,
    pub(super) message: &'a str,
}

/// Why a response is incomplete.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Incomplete {
    pub(super) reason: &'static str,
}

/// What it used.
#[derive(Serialize)]
pub(super) struct Counts {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

/// What the tools did that ran at the provider.
#[derive(Serialize)]
pub(super) struct ToolUsage {
    web_search: Requests,
}

#[derive(Serialize)]
struct Requests {
    num_requests: u64,
}

impl ToolUsage {
    /// None where the web was not searched.
    pub(super) fn of(usage: &Usage) -> Option<Self> {
        let num_requests = usage.units.searches;
        (num_requests > 0).then_some(Self { web_search: Requests { num_requests } })
    }
}

#[derive(Serialize)]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

impl From<&Usage> for Counts {
    fn from(usage: &Usage) -> Self {
        let cache_write_tokens = usage.cache_write.saturating_add(usage.cache_write_1h);
        Self {
            input_tokens: usage.prompt,
            input_tokens_details: InputDetails { cached_tokens: usage.cache_read, cache_write_tokens },
            output_tokens: usage.completion,
            output_tokens_details: OutputDetails { reasoning_tokens: usage.reasoning },
            total_tokens: usage.total(),
        }
    }
}

/// An item of the output.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Item<'a> {
    Message {
        id: &'a str,
        status: &'static str,
        role: &'static str,
        content: &'a [Box<RawValue>],
    },
    Reasoning {
        id: &'a str,
        summary: &'a [Part<'a>],
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<&'a str>,
    },
    FunctionCall {
        id: &'a str,
        status: &'static str,
        arguments: &'a str,
        call_id: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
    },
    CustomToolCall {
        id: &'a str,
        status: &'static str,
        call_id: &'a str,
        input: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
    },
    ImageGenerationCall {
        id: &'a str,
        status: &'static str,
        result: Option<&'a str>,
    },
}

/// A part of a message, or of a summary.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part<'a> {
    OutputText { annotations: &'a [Box<RawValue>], logprobs: &'a [Box<RawValue>], text: &'a str },
    Refusal { refusal: &'a str },
    SummaryText { text: &'a str },
}

/// A source of a text.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Annotation<'a> {
    UrlCitation { url: &'a str, title: &'a str, start_index: u64, end_index: u64 },
    FileCitation { file_id: &'a str, filename: &'a str, index: u64 },
}

/// An event: its type, its number, and what it tells.
#[derive(Serialize)]
pub(super) struct Event<B> {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) sequence_number: u64,
    #[serde(flatten)]
    pub(super) body: B,
}

/// An event about the whole response.
#[derive(Serialize)]
pub(super) struct OfResponse<'a> {
    pub(super) response: Response<'a>,
}

/// An event about an item.
#[derive(Serialize)]
pub(super) struct OfItem<I> {
    pub(super) output_index: usize,
    pub(super) item: I,
}

/// An event about something within an item.
#[derive(Default, Serialize)]
pub(super) struct Within<'a> {
    pub(super) item_id: &'a str,
    pub(super) output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotation_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotation: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<Part<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<&'a [Box<RawValue>]>,
}
