//! stub
use super::super::{Ask, Written};
use crate::chat::Chat;
use crate::vocabulary::Fault;

/// Whose form of the messages API a body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavour {
    /// Anthropic itself.
    Anthropic,
    /// Azure AI Foundry: as Anthropic's.
    Foundry,
    /// Bedrock's InvokeModel: `anthropic_version` and `anthropic_beta` in the body, no model, no `stream`.
    Bedrock,
    /// Vertex's rawPredict: `anthropic_version` in the body, no model.
    Vertex,
}

/// OpenAI's parameters that models which think take.
pub static SUPPORTED: [&str; 1] = ["tools"];

/// Writes a chat as the body of a messages call.
///
/// # Errors
/// Something in it cannot be said.
pub fn write_body(chat: &Chat<'_>, ask: &Ask<'_>, flavour: Flavour) -> Result<Written, Fault> {
    let _ = (chat, ask, flavour);
    Ok(Written::default())
}

pub(super) fn supported(_model: &str) -> &'static [&'static str] {
    &SUPPORTED
}
