//! Answers as Gemini writes them: the types, what their words mean, what their usage counts.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use crate::chat::{Finish, Raw, Str, UpstreamError};
use crate::vocabulary::{Metered, Usage};

use super::object::as_value;

/// A whole answer, or one piece of a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Response<'a> {
    #[serde(borrow)]
    pub(crate) candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow)]
    pub(crate) prompt_feedback: Option<Raw<'a>>,
    #[serde(borrow)]
    pub(crate) usage_metadata: Option<Raw<'a>>,
    #[serde(borrow)]
    pub(crate) response_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) create_time: Option<Raw<'a>>,
    #[serde(borrow)]
    pub(crate) error: Option<Raw<'a>>,
}

/// One of the answers.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Candidate<'a> {
    pub(crate) index: Option<u32>,
    #[serde(borrow)]
    pub(crate) content: Option<Content<'a>>,
    #[serde(borrow)]
    pub(crate) finish_reason: Option<Raw<'a>>,
    #[serde(borrow)]
    pub(crate) finish_message: Option<Raw<'a>>,
    #[serde(borrow)]
    pub(crate) grounding_metadata: Option<Raw<'a>>,
    #[serde(borrow)]
    pub(crate) citation_metadata: Option<Raw<'a>>,
    #[serde(borrow)]
    pub(crate) url_context_metadata: Option<Raw<'a>>,
    #[serde(borrow)]
    pub(crate) logprobs_result: Option<Raw<'a>>,
}

/// What a candidate says. Each part as it stands: see [`ReplyPart`].
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Content<'a> {
    #[serde(borrow)]
    pub(crate) parts: Option<Vec<Raw<'a>>>,
}

/// A part of an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReplyPart<'a> {
    #[serde(borrow)]
    pub(crate) text: Option<Str<'a>>,
    pub(crate) thought: Option<bool>,
    #[serde(borrow)]
    pub(crate) thought_signature: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) function_call: Option<FunctionCall<'a>>,
    #[serde(borrow)]
    pub(crate) inline_data: Option<Blob<'a>>,
    #[serde(borrow)]
    pub(crate) executable_code: Option<Raw<'a>>,
    #[serde(borrow)]
    pub(crate) code_execution_result: Option<Raw<'a>>,
    #[serde(borrow)]
    pub(crate) file_data: Option<Raw<'a>>,
    #[serde(borrow)]
    pub(crate) tool_call: Option<Raw<'a>>,
    #[serde(borrow)]
    pub(crate) tool_response: Option<Raw<'a>>,
}

/// A call, or a piece of one (`partialArgs`).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FunctionCall<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) args: Option<Raw<'a>>,
    #[serde(borrow)]
    pub(crate) partial_args: Option<Vec<PartialArg<'a>>>,
    pub(crate) will_continue: Option<bool>,
}

/// A piece of an argument.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PartialArg<'a> {
    #[serde(borrow)]
    pub(crate) json_path: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) string_value: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) number_value: Option<Raw<'a>>,
    pub(crate) bool_value: Option<bool>,
}

/// Bytes.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Blob<'a> {
    #[serde(borrow)]
    pub(crate) mime_type: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) data: Option<Str<'a>>,
}

/// Sources, and what rests on them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Grounding<'a> {
    #[serde(borrow)]
    pub(crate) grounding_chunks: Option<Vec<Chunk<'a>>>,
    #[serde(borrow)]
    pub(crate) grounding_supports: Option<Vec<Support<'a>>>,
    #[serde(borrow)]
    pub(crate) web_search_queries: Option<Vec<Str<'a>>>,
    #[serde(borrow)]
    pub(crate) google_maps_widget_context_token: Option<Raw<'a>>,
}

/// A source: on the web, in a store, on a map.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Chunk<'a> {
    #[serde(borrow)]
    pub(crate) web: Option<Place<'a>>,
    #[serde(borrow)]
    pub(crate) retrieved_context: Option<Place<'a>>,
    #[serde(borrow)]
    pub(crate) maps: Option<Place<'a>>,
}

impl<'a> Chunk<'a> {
    pub(crate) fn place(&self) -> Option<&Place<'a>> {
        self.web.as_ref().or(self.retrieved_context.as_ref()).or(self.maps.as_ref())
    }
}

/// Where a source is.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Place<'a> {
    #[serde(borrow)]
    pub(crate) uri: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) title: Option<Str<'a>>,
}

/// What rests on sources.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Support<'a> {
    #[serde(borrow)]
    pub(crate) segment: Option<Segment<'a>>,
    pub(crate) grounding_chunk_indices: Option<Vec<u32>>,
}

/// A part of the answer, in bytes of its text.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Segment<'a> {
    pub(crate) start_index: Option<u64>,
    pub(crate) end_index: Option<u64>,
    #[serde(borrow)]
    pub(crate) text: Option<Str<'a>>,
}

/// Texts that the answer recites.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Citations<'a> {
    #[serde(borrow, alias = "citations")]
    #[serde(rename = "citationSources")]
    pub(crate) sources: Option<Vec<Recited<'a>>>,
}

/// One of them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Recited<'a> {
    pub(crate) start_index: Option<u64>,
    pub(crate) end_index: Option<u64>,
    #[serde(borrow)]
    pub(crate) uri: Option<Str<'a>>,
    #[serde(borrow)]
    pub(crate) title: Option<Str<'a>>,
}

/// Why the prompt was not answered.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PromptFeedback<'a> {
    #[serde(borrow)]
    pub(crate) block_reason: Option<Raw<'a>>,
}

/// An error object.
#[derive(Debug, Default, Deserialize)]
struct ErrorObject<'a> {
    code: Option<u16>,
    #[serde(borrow)]
    message: Option<Str<'a>>,
    #[serde(borrow)]
    status: Option<Str<'a>>,
}

/// Reads the value of `error`.
pub(crate) fn error(raw: Raw<'_>) -> UpstreamError {
    let error: ErrorObject<'_> = as_value(raw).unwrap_or_default();
    let named = error.status.as_deref().and_then(status_code);
    let message = error.message.map_or_else(|| raw.get().to_owned(), |text| text.to_string());
    let status = error.code.filter(|code| (400..=599).contains(code)).or(named).unwrap_or(500);
    UpstreamError { status, message }
}

/// The HTTP status of Google's word for it.
pub(crate) fn status_code(word: &str) -> Option<u16> {
    Some(match word {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => 400,
        "UNAUTHENTICATED" => 401,
        "PERMISSION_DENIED" => 403,
        "NOT_FOUND" => 404,
        "ABORTED" | "ALREADY_EXISTS" => 409,
        "RESOURCE_EXHAUSTED" => 429,
        "CANCELLED" => 499,
        "INTERNAL" | "DATA_LOSS" | "UNKNOWN" => 500,
        "UNIMPLEMENTED" => 501,
        "UNAVAILABLE" => 503,
        "DEADLINE_EXCEEDED" => 504,
        _ => return None,
    })
}

/// A word, or the number that stands for it where a client asked for numbers (`enum-encoding=int`).
pub(crate) fn word<'a>(raw: Raw<'a>, numbers: &[&'static str]) -> Str<'a> {
    // An error of the parser's costs more than the look.
    match raw.get().starts_with('"') {
        true => as_value(raw).unwrap_or_default(),
        false => {
            let number: Option<usize> = as_value(raw);
            number.map(|number| numbers.get(number).copied().unwrap_or("OTHER").into()).unwrap_or_default()
        }
    }
}

/// The words of `finishReason` in the order of their numbers.
pub(crate) const FINISH_REASONS: [&str; 18] = [
    "FINISH_REASON_UNSPECIFIED",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_OTHER",
    "NO_IMAGE",
    "IMAGE_RECITATION",
];

/// What a finish reason means; `calls` whether the answer has some.
pub(crate) fn finish(word: &str, calls: bool) -> Finish<'_> {
    match word {
        "STOP" if calls => Finish::ToolCalls,
        "STOP" => Finish::Stop,
        "MAX_TOKENS" => Finish::Length,
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Finish::ContentFilter,
        other => Finish::Other(other),
    }
}

/// `usageMetadata`. Numbers that are zero are often left out.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    prompt_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    total_token_count: Option<u64>,
    prompt_tokens_details: Option<Modalities>,
    candidates_tokens_details: Option<Modalities>,
    tool_use_prompt_tokens_details: Option<Modalities>,
}

/// The tokens of the modalities that have a price of their own.
#[derive(Clone, Copy, Debug, Default)]
struct Modalities {
    audio: u64,
    image: u64,
}

impl Modalities {
    fn add(&mut self, detail: &Detail<'_>) {
        let Some(raw) = detail.modality else { return };
        let count = match &*word(raw, &MODALITIES) {
            "AUDIO" => &mut self.audio,
            "IMAGE" => &mut self.image,
            _ => return,
        };
        *count = count.saturating_add(detail.token_count.unwrap_or(0));
    }
}

impl<'de> Deserialize<'de> for Modalities {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Modalities;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list of counts by modality")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Modalities, A::Error> {
                let mut counts = Modalities::default();
                while let Some(detail) = list.next_element::<Detail<'de>>()? {
                    counts.add(&detail);
                }
                Ok(counts)
            }
        }
        deserializer.deserialize_seq(Each)
    }
}

/// The tokens of one modality.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(borrow)]
    modality: Option<Raw<'a>>,
    token_count: Option<u64>,
}

const MODALITIES: [&str; 6] = ["MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT"];

/// What a `usageMetadata` reports; absent where it counts nothing. A piece of a stream before its last gives partial counts.
pub(crate) fn metered(usage: &[u8]) -> Metered {
    let Ok(counts) = serde_json::from_slice::<Counts>(usage) else { return Metered::Absent };
    let said = [counts.prompt_token_count, counts.candidates_token_count, counts.total_token_count];
    if said.iter().all(Option::is_none) {
        return Metered::Absent;
    }
    let tool_use = counts.tool_use_prompt_token_count.unwrap_or(0);
    let reasoning = counts.thoughts_token_count.unwrap_or(0);
    let prompt = counts.prompt_tokens_details.unwrap_or_default();
    let tools = counts.tool_use_prompt_tokens_details.unwrap_or_default();
    let answer = counts.candidates_tokens_details.unwrap_or_default();
    let candidates = counts.candidates_token_count.unwrap_or(0);
    // Some count thoughts among the candidates' tokens: then these and the prompt's are all there are.
    let read = counts.prompt_token_count.unwrap_or(0);
    let among = counts.total_token_count == Some(read.saturating_add(candidates)) && reasoning <= candidates;
    let usage = Usage {
        prompt: read.saturating_add(tool_use),
        completion: if among { candidates } else { candidates.saturating_add(reasoning) },
        cache_read: counts.cached_content_token_count.unwrap_or(0),
        reasoning,
        audio_in: prompt.audio.saturating_add(tools.audio),
        image_in: prompt.image.saturating_add(tools.image),
        audio_out: answer.audio,
        image_out: answer.image,
        ..Usage::default()
    };
    match counts.prompt_token_count {
        Some(_) => Metered::Reported(usage),
        None => Metered::Partial(usage),
    }
}

/// The same counts, known to be those of an answer that did not end.
pub(crate) fn partial(metered: Metered) -> Metered {
    match metered {
        Metered::Reported(usage) => Metered::Partial(usage),
        other => other,
    }
}
