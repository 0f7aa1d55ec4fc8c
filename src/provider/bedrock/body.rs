//! The shape of a Converse request.

use serde::Serialize;
use serde::ser::SerializeMap;
use serde_json::value::RawValue;

use crate::chat::{self, Raw, Str};

/// A request of Converse and ConverseStream.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    pub(super) messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) system: Vec<Block<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) inference_config: Option<Inference<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Members::is_empty")]
    pub(super) additional_model_request_fields: Members<'a>,
    /// Members that are carried as the client wrote them (`guardrailConfig`).
    #[serde(flatten)]
    pub(super) carried: Members<'a>,
}

/// A message: of the user or of the assistant.
#[derive(Debug, Serialize)]
pub(super) struct Turn<'a> {
    pub(super) role: &'static str,
    pub(super) content: Vec<Block<'a>>,
}

/// A part of a message, of the system prompt, or of a tool's result.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Block<'a> {
    Text(Str<'a>),
    Image(Medium<'a>),
    Audio(Medium<'a>),
    Video(Medium<'a>),
    Document(Document<'a>),
    ToolUse(ToolUse<'a>),
    ToolResult(ToolResult<'a>),
    ReasoningContent(Thought<'a>),
    CachePoint(CachePoint<'a>),
    GuardContent(Guard<'a>),
    Json(Json<'a>),
    /// In Converse's words already.
    #[serde(untagged)]
    Native(Raw<'a>),
}

#[derive(Debug, Serialize)]
pub(super) struct Medium<'a> {
    pub(super) format: &'static str,
    pub(super) source: Source<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    pub(super) format: &'static str,
    pub(super) name: String,
    pub(super) source: Source<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Source<'a> {
    /// In base64.
    Bytes(Str<'a>),
    Text(Str<'a>),
    S3Location(S3<'a>),
}

#[derive(Debug, Serialize)]
pub(super) struct S3<'a> {
    pub(super) uri: Str<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolUse<'a> {
    pub(super) tool_use_id: Str<'a>,
    pub(super) name: Str<'a>,
    pub(super) input: Json<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolResult<'a> {
    pub(super) tool_use_id: Str<'a>,
    pub(super) content: Vec<Block<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Thought<'a> {
    ReasoningText(ReasoningText<'a>),
    RedactedContent(Str<'a>),
}

#[derive(Debug, Serialize)]
pub(super) struct ReasoningText<'a> {
    pub(super) text: Str<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) signature: Option<Str<'a>>,
}

#[derive(Debug, Serialize)]
pub(super) struct CachePoint<'a> {
    pub(super) r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<Str<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Guard<'a> {
    Text(GuardText<'a>),
}

#[derive(Debug, Serialize)]
pub(super) struct GuardText<'a> {
    pub(super) text: Str<'a>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Inference<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) temperature: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_p: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stop_sequences: Vec<Str<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig<'a> {
    pub(super) tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_choice: Option<Choice<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::enum_variant_names, reason = "the API's own words")]
pub(super) enum Tool<'a> {
    ToolSpec(ToolSpec<'a>),
    SystemTool(Named<'a>),
    CachePoint(CachePoint<'a>),
    /// In Converse's words already.
    #[serde(untagged)]
    Native(Raw<'a>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolSpec<'a> {
    pub(super) name: Str<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<Str<'a>>,
    pub(super) input_schema: InputSchema<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) strict: Option<bool>,
}

#[derive(Debug, Serialize)]
pub(super) struct InputSchema<'a> {
    pub(super) json: Json<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct Named<'a> {
    pub(super) name: Str<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Choice<'a> {
    Any {},
    Tool(Named<'a>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutputConfig<'a> {
    pub(super) text_format: TextFormat<'a>,
}

#[derive(Debug, Serialize)]
pub(super) struct TextFormat<'a> {
    pub(super) r#type: &'static str,
    pub(super) structure: Structure<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Structure<'a> {
    JsonSchema(JsonSchema<'a>),
}

#[derive(Debug, Serialize)]
pub(super) struct JsonSchema<'a> {
    pub(super) name: Str<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<Str<'a>>,
    /// JSON Schema as a text.
    pub(super) schema: &'a str,
}

/// An object of members that are carried or made here; the first of a name stays.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(Vec<(Str<'a>, Json<'a>)>);

/// JSON that is carried as it stands, or made here.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Json<'a> {
    Carried(Raw<'a>),
    Made(Box<RawValue>),
}

impl Inference<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.max_tokens.is_none()
            && self.temperature.is_none()
            && self.top_p.is_none()
            && self.stop_sequences.is_empty()
    }
}

impl<'a> Json<'a> {
    /// `{}`.
    pub(super) fn empty() -> Self {
        Self::constant("{}")
    }

    /// JSON of our own.
    pub(super) fn constant(json: &'static str) -> Self {
        chat::object_or_empty(json).map_or_else(|| Self::Made(RawValue::NULL.to_owned()), Self::Carried)
    }
}

impl<'a> Members<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Adds JSON as it stands.
    pub(super) fn carry(&mut self, name: impl Into<Str<'a>>, value: Raw<'a>) {
        let name = name.into();
        if !self.has(&name) {
            self.0.push((name, Json::Carried(value)));
        }
    }

    /// Adds JSON that is made of a value.
    pub(super) fn make(&mut self, name: &'static str, value: &impl Serialize) {
        if self.has(name) {
            return;
        }
        if let Ok(value) = serde_json::value::to_raw_value(value) {
            self.0.push((name.into(), Json::Made(value)));
        }
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
