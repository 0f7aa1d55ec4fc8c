//! Requests as Gemini's clients write them: both spellings of every name, lists or single values.

use serde::Deserialize;

use crate::chat::{Raw, Str};

/// A content: who speaks, and the parts.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Content<'a> {
    #[serde(borrow)]
    pub(super) role: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) parts: Option<Raw<'a>>,
}

/// The members of a part that have a meaning in every API.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part<'a> {
    #[serde(borrow)]
    pub(super) text: Option<Str<'a>>,
    pub(super) thought: Option<bool>,
    #[serde(borrow, alias = "thought_signature")]
    pub(super) thought_signature: Option<Str<'a>>,
    #[serde(borrow, alias = "inline_data")]
    pub(super) inline_data: Option<Blob<'a>>,
    #[serde(borrow, alias = "file_data")]
    pub(super) file_data: Option<File<'a>>,
    #[serde(borrow, alias = "function_call")]
    pub(super) function_call: Option<Call<'a>>,
    #[serde(borrow, alias = "function_response")]
    pub(super) function_response: Option<Answered<'a>>,
}

/// The names of [`Part`]'s members: a part with others is carried as it stands.
pub(super) const PART_MEMBERS: [&str; 12] = [
    "text",
    "thought",
    "thoughtSignature",
    "thought_signature",
    "inlineData",
    "inline_data",
    "fileData",
    "file_data",
    "functionCall",
    "function_call",
    "functionResponse",
    "function_response",
];

/// Bytes in base64.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob<'a> {
    #[serde(borrow, alias = "mime_type")]
    pub(super) mime_type: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) data: Str<'a>,
    #[serde(borrow, alias = "display_name")]
    pub(super) display_name: Option<Str<'a>>,
}

/// A file at an address.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File<'a> {
    #[serde(borrow, alias = "mime_type")]
    pub(super) mime_type: Option<Str<'a>>,
    #[serde(borrow, default, alias = "file_uri")]
    pub(super) file_uri: Str<'a>,
    #[serde(borrow, alias = "display_name")]
    pub(super) display_name: Option<Str<'a>>,
}

/// A call of a function.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Call<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) name: Str<'a>,
    #[serde(borrow)]
    pub(super) args: Option<Raw<'a>>,
}

/// What a function answered.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Answered<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) name: Str<'a>,
    #[serde(borrow)]
    pub(super) response: Option<Raw<'a>>,
    #[serde(borrow)]
    pub(super) parts: Option<Vec<Part<'a>>>,
}

/// A tool: only its functions; what else it has is carried as it stands.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tool<'a> {
    #[serde(borrow, alias = "function_declarations")]
    pub(super) function_declarations: Option<Vec<Declaration<'a>>>,
}

/// A function.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Declaration<'a> {
    #[serde(borrow, default)]
    pub(super) name: Str<'a>,
    #[serde(borrow)]
    pub(super) description: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) parameters: Option<Raw<'a>>,
    #[serde(borrow, alias = "parameters_json_schema")]
    pub(super) parameters_json_schema: Option<Raw<'a>>,
    #[serde(borrow)]
    pub(super) behavior: Option<Raw<'a>>,
    #[serde(borrow, alias = "responseJsonSchema", alias = "response_json_schema")]
    pub(super) response: Option<Raw<'a>>,
}

/// How functions are called.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Calling<'a> {
    #[serde(borrow)]
    pub(super) mode: Option<Raw<'a>>,
    #[serde(borrow, alias = "allowed_function_names")]
    pub(super) allowed_function_names: Option<Vec<Str<'a>>>,
}

/// How much to think.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Thinking<'a> {
    #[serde(alias = "include_thoughts")]
    pub(super) include_thoughts: Option<bool>,
    #[serde(alias = "thinking_budget")]
    pub(super) thinking_budget: Option<i64>,
    #[serde(borrow, alias = "thinking_level")]
    pub(super) thinking_level: Option<Str<'a>>,
}
