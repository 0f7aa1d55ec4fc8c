//! How a body is carried to a provider that speaks the client's dialect: by splice, byte for byte but for a few members.

use super::quirks::{self, Quirks};

/// Where the model stands in a carried request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelPlace {
    /// In the body's `model`: replaced by the provider's name for it.
    Member,
    /// In the path: `model` is cut out of the body.
    Path,
}

/// How a carried answer is framed when it is a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// AWS event stream messages, each with one event of the dialect in base64 (Bedrock's InvokeModel).
    AwsChunks,
}

/// What is edited in a carried body, beyond what is edited for every provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carry {
    /// Where the model stands.
    pub model: ModelPlace,
    /// Members that must not arrive.
    pub cut: &'static [&'static str],
    /// Members that must be there, with their JSON, where the client did not give them.
    pub insert: &'static [(&'static str, &'static str)],
    /// How a stream comes back.
    pub framing: Framing,
    /// Parameters that the provider has under another name, or not at all.
    pub quirks: &'static Quirks,
}

impl Carry {
    /// As it is, with the provider's model.
    pub const PLAIN: Self =
        Self { model: ModelPlace::Member, cut: &[], insert: &[], framing: Framing::Sse, quirks: &quirks::NONE };
}
