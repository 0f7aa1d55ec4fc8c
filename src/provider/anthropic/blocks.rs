//! Content blocks as they are written.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::schema;
use crate::chat::{self, Cache, Raw, ToolCall};

/// `cache_control`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Mark<'c> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'c str>,
}

impl<'c> Mark<'c> {
    pub(super) fn new(cache: &'c Cache<'_>) -> Self {
        Self { kind: "ephemeral", ttl: cache.ttl.as_deref() }
    }

    pub(super) fn of(cache: &'c Option<Cache<'_>>) -> Option<Self> {
        cache.as_ref().map(Self::new)
    }
}

/// A content block.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Block<'c> {
    Ours(Ours<'c>),
    Native(Raw<'c>),
}

/// A content block that is written here.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Ours<'c> {
    Text {
        text: Cow<'c, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Mark<'c>>,
    },
    Image {
        source: Place<'c>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Mark<'c>>,
    },
    Document {
        source: Place<'c>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<&'c str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Mark<'c>>,
    },
    ToolUse {
        id: Cow<'c, str>,
        name: &'c str,
        input: Cow<'c, RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Mark<'c>>,
    },
    ToolResult {
        tool_use_id: Cow<'c, str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Block<'c>>,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Mark<'c>>,
    },
    Thinking {
        thinking: &'c str,
        signature: &'c str,
    },
    RedactedThinking {
        data: &'c str,
    },
}

/// Where an image or a document is.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Place<'c> {
    Base64 { media_type: Cow<'c, str>, data: &'c str },
    Url { url: &'c str },
    Text { media_type: &'static str, data: Cow<'c, str> },
    File { file_id: &'c str },
}

impl<'c> Block<'c> {
    /// A text; None where there is nothing to read in it, which the API refuses.
    pub(super) fn text(text: &'c str, cache: &'c Option<Cache<'_>>) -> Option<Self> {
        let cache_control = Mark::of(cache);
        (!text.trim().is_empty()).then(|| Self::Ours(Ours::Text { text: text.into(), cache_control }))
    }

    /// A call. Arguments that are no object stand in one.
    pub(super) fn call(call: &'c ToolCall<'_>) -> Self {
        let input = chat::object_or_empty(&call.arguments).map_or_else(
            || {
                let quoted = serde_json::to_string(&call.arguments).unwrap_or_default();
                schema::owned(format!("{{\"arguments\":{quoted}}}"))
            },
            Cow::Borrowed,
        );
        let cache_control = Mark::of(&call.cache);
        Self::Ours(Ours::ToolUse { id: id(&call.id), name: &call.name, input, cache_control })
    }

    pub(super) fn is_result(&self) -> bool {
        matches!(self, Self::Ours(Ours::ToolResult { .. }))
    }
}

/// A call's id in the letters that the API takes: other providers' ids have more.
pub(super) fn id(id: &str) -> Cow<'_, str> {
    let taken = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    match id {
        "" => Cow::Borrowed("call"),
        _ if id.chars().all(taken) => Cow::Borrowed(id),
        _ => Cow::Owned(id.chars().map(|letter| if taken(letter) { letter } else { '_' }).collect()),
    }
}
