//! The JSON of an answer in Gemini's form.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::vocabulary::Usage;

use super::object::Object;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Chunk<'w> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) candidates: Vec<Candidate<'w>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) prompt_feedback: Option<&'w RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) usage_metadata: Option<Counts>,
    pub(super) model_version: &'w str,
    pub(super) response_id: &'w str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'w> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<Content<'w>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) finish_reason: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) finish_message: Option<&'w RawValue>,
    pub(super) index: u32,
    #[serde(flatten)]
    pub(super) metadata: Object<'w>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "groundingMetadata")]
    pub(super) cited: Option<Grounding<'w>>,
}

#[derive(Serialize)]
pub(super) struct Content<'w> {
    pub(super) parts: Vec<Part<'w>>,
    pub(super) role: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Part<'w> {
    Text(TextPart<'w>),
    Json(&'w RawValue),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TextPart<'w> {
    pub(super) text: &'w str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) thought: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thought_signature: Option<&'w str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallPart<'w> {
    pub(super) function_call: FunctionCall<'w>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thought_signature: Option<&'w str>,
}

/// Arguments that are no object.
#[derive(Serialize)]
pub(super) struct Unread<'w> {
    pub(super) arguments: &'w str,
}

#[derive(Serialize)]
pub(super) struct FunctionCall<'w> {
    pub(super) id: &'w str,
    pub(super) name: &'w str,
    pub(super) args: &'w RawValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BlobPart<'w> {
    pub(super) inline_data: Blob<'w>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob<'w> {
    pub(super) mime_type: &'w str,
    pub(super) data: &'w str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Grounding<'w> {
    pub(super) grounding_chunks: Vec<Source<'w>>,
    pub(super) grounding_supports: Vec<Support<'w>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Source<'w> {
    Web(Web<'w>),
    RetrievedContext(Retrieved<'w>),
}

#[derive(Serialize)]
pub(super) struct Retrieved<'w> {
    pub(super) title: &'w str,
}

#[derive(Serialize)]
pub(super) struct Web<'w> {
    pub(super) uri: &'w str,
    pub(super) title: &'w str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Support<'w> {
    pub(super) segment: Segment<'w>,
    pub(super) grounding_chunk_indices: [usize; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Segment<'w> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) start_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end_index: Option<u64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) text: &'w str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Counts {
    pub(super) prompt_token_count: u64,
    pub(super) candidates_token_count: u64,
    pub(super) total_token_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) cached_content_token_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pub(super) thoughts_token_count: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) prompt_tokens_details: Vec<Modality>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) candidates_tokens_details: Vec<Modality>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Modality {
    pub(super) modality: &'static str,
    pub(super) token_count: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Counts {
    pub(super) fn of(usage: &Usage) -> Self {
        Self {
            prompt_token_count: usage.prompt,
            candidates_token_count: usage.completion.saturating_sub(usage.reasoning),
            total_token_count: usage.total(),
            cached_content_token_count: usage.cache_read,
            thoughts_token_count: usage.reasoning,
            prompt_tokens_details: modalities(usage.prompt, usage.audio_in, usage.image_in),
            candidates_tokens_details: modalities(
                usage.completion.saturating_sub(usage.reasoning),
                usage.audio_out,
                usage.image_out,
            ),
        }
    }
}

fn modalities(all: u64, audio: u64, image: u64) -> Vec<Modality> {
    if audio == 0 && image == 0 {
        return Vec::new();
    }
    let text = all.saturating_sub(audio).saturating_sub(image);
    let counts = [("TEXT", text), ("AUDIO", audio), ("IMAGE", image)];
    let some = counts.into_iter().filter(|(_, token_count)| *token_count > 0);
    some.map(|(modality, token_count)| Modality { modality, token_count }).collect()
}
