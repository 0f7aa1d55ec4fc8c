//! What a provider's own chat API must be able to do, so that any dialect can be spoken to it.

use bytes::Bytes;

use crate::chat::{Api, Broken, Chat, Decoder, Sink};
use crate::config;
use crate::vocabulary::{Fault, Kind, Metered};

use super::Target;

/// One request to one deployment.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// What the provider calls the model.
    pub model: &'a str,
    /// Whether the answer shall be a stream.
    pub stream: bool,
    /// The most that the model can answer, in tokens, where the price table or the configuration knows it: the bound for
    /// APIs that demand one.
    pub output_max: Option<u64>,
    /// The deployment as configured.
    pub deployment: &'a config::Deployment,
}

/// A request in a provider's form.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The body: JSON.
    pub body: Bytes,
    /// A schema was given as the tool [`crate::chat::SCHEMA_TOOL`]: its arguments are the answer's text.
    pub schema_tool: bool,
    /// What could not be said to this provider and was left out, by name: told to the client in a header.
    pub dropped: Vec<String>,
    /// Headers of this request alone (`anthropic-beta`).
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
}

/// How long most requests are, in bytes: memory for them is taken at once.
const BODY_BYTES_USUAL: usize = 2048;

/// Writes a body.
///
/// # Errors
/// It holds what is no JSON, which nothing here does.
pub(super) fn written(body: &impl serde::Serialize) -> Result<Bytes, Fault> {
    let mut out = Vec::with_capacity(BODY_BYTES_USUAL);
    serde_json::to_writer(&mut out, body)
        .map_err(|error| Fault::ours(Kind::Internal, "The request could not be written.").cause(error))?;
    Ok(out.into())
}

/// A chat API of a provider. Pure: the same chat gives the same bytes.
pub trait ChatApi: Sync {
    /// Whose words it speaks: members of a chat in those of others are not written.
    fn words(&self) -> Api;

    /// OpenAI's parameters that this model takes in some form, by OpenAI's name (`top_k` besides). What every API takes
    /// (`messages`, `model`, `stream`, the bound on the answer) is not listed. See [`crate::chat::settle`].
    fn supported(&self, model: &str) -> &'static [&'static str];

    /// Writes a chat for this API. `chat` holds supported parameters only.
    ///
    /// # Errors
    /// Something in it cannot be said to this provider and must not be left out: a 400 that names it.
    fn write(&self, chat: &Chat<'_>, ask: &Ask<'_>) -> Result<Written, Fault>;

    /// Path and query of a call, below the target's host.
    fn path(&self, target: &Target, model: &str, stream: bool) -> String;

    /// Reads a stream whose events are at most this long, in bytes.
    fn decoder(&self, event_bytes_max: usize) -> Box<dyn Decoder>;

    /// Reads a whole answer.
    ///
    /// # Errors
    /// It is not one, or tells an error.
    fn read(&self, body: &[u8], sink: &mut dyn Sink) -> Result<Metered, Broken>;
}

/// A call other than a chat, translated from OpenAI's form (embeddings) or Cohere's (rerank) and back.
pub trait CallApi: Sync {
    /// Writes the client's body for this API. `body` was scanned: one JSON object without doubtful keys.
    ///
    /// # Errors
    /// Something in it cannot be said to this provider: a 400 that names it.
    fn write(&self, body: &[u8], ask: &Ask<'_>) -> Result<Written, Fault>;

    /// Path and query of a call, below the target's host.
    fn path(&self, target: &Target, model: &str) -> String;

    /// Writes a provider's answer in the client's form, `model` being the name the client asked for, and reads its usage.
    /// `request` is the client's body.
    ///
    /// # Errors
    /// It is not an answer of this API, or tells an error.
    fn read(&self, body: &[u8], model: &str, request: &[u8]) -> Result<(Bytes, Metered), Broken>;
}
