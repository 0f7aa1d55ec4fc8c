//! Messages as they stand in a request.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::chat::Raw;

/// A message.
#[derive(Debug, Default, Serialize)]
pub(super) struct OutMessage<'c> {
    pub(super) role: &'static str,
    pub(super) content: Content<'c>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) reasoning_details: Vec<Thought<'c>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) thinking_blocks: Vec<Thought<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) audio: Option<SpokenId<'c>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<OutCall<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_call_id: Option<Cow<'c, str>>,
}

/// What is said.
#[derive(Debug, Default, Serialize)]
#[serde(untagged)]
pub(super) enum Content<'c> {
    #[default]
    Nothing,
    Text(Cow<'c, str>),
    Parts(Vec<OutPart<'c>>),
}

/// A part of it.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OutPart<'c> {
    Text {
        text: Cow<'c, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<OutCache<'c>>,
    },
    ImageUrl {
        image_url: Address<'c>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<OutCache<'c>>,
    },
    VideoUrl {
        video_url: Address<'c>,
    },
    InputAudio {
        input_audio: Heard<'c>,
    },
    File {
        file: OutFile<'c>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<OutCache<'c>>,
    },
    DocumentUrl {
        document_url: Url<'c>,
        #[serde(skip_serializing_if = "Option::is_none")]
        document_name: Option<&'c str>,
    },
    #[serde(untagged)]
    Native(Raw<'c>),
}

/// `cache_control`.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct OutCache<'c> {
    pub(super) r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<&'c str>,
}

#[derive(Debug, Serialize)]
pub(super) struct Address<'c> {
    pub(super) url: Url<'c>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<&'c str>,
}

/// An address, or the bytes themselves in one.
#[derive(Clone, Copy, Debug)]
pub(super) enum Url<'c> {
    At(&'c str),
    Here { mime: &'c str, data: &'c str },
}

impl fmt::Display for Url<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(url) => out.write_str(url),
            Self::Here { mime, data } => write!(out, "data:{mime};base64,{data}"),
        }
    }
}

impl Serialize for Url<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Written through: a picture is not copied once more for its prefix.
        serializer.collect_str(self)
    }
}

/// A sound: its data and their format, or for Mistral the data or an address alone.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Heard<'c> {
    Sound(Sound<'c>),
    Plain(&'c str),
}

#[derive(Debug, Serialize)]
pub(super) struct Sound<'c> {
    pub(super) data: &'c str,
    pub(super) format: &'c str,
}

#[derive(Debug, Serialize)]
pub(super) struct OutFile<'c> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) filename: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_data: Option<Url<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_id: Option<&'c str>,
}

#[derive(Debug, Serialize)]
pub(super) struct SpokenId<'c> {
    pub(super) id: &'c str,
}

/// A thought that goes back to where it came from.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Thought<'c> {
    Text {
        r#type: &'static str,
        text: &'c str,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<&'c str>,
    },
    Block {
        r#type: &'static str,
        thinking: &'c str,
        signature: &'c str,
    },
    Data {
        r#type: &'static str,
        data: &'c str,
    },
    Whole(Raw<'c>),
}

/// A call of a tool.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum OutCall<'c> {
    Function {
        id: Cow<'c, str>,
        r#type: &'static str,
        function: Called<'c>,
        #[serde(skip_serializing_if = "Option::is_none")]
        extra_content: Option<Extra<'c>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<OutCache<'c>>,
    },
    Native(Raw<'c>),
}

#[derive(Debug, Serialize)]
pub(super) struct Called<'c> {
    pub(super) name: &'c str,
    pub(super) arguments: &'c str,
}

#[derive(Debug, Serialize)]
pub(super) struct Extra<'c> {
    pub(super) google: Signed<'c>,
}

#[derive(Debug, Serialize)]
pub(super) struct Signed<'c> {
    pub(super) thought_signature: &'c str,
}
