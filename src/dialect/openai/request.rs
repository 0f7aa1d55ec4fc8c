//! Reading a request: one scan, the fields that decisions are made on, and what must not reach a provider.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::json::Document;
use crate::vocabulary::{Fault, Kind, ModelName};

use super::Endpoint;

/// A bound on the output that the client set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputCap {
    /// `max_completion_tokens` or `max_tokens`.
    pub name: &'static str,
    /// How many tokens.
    pub tokens: u64,
    /// The member's index in the document.
    pub member: usize,
}

/// A request that was read. The body is the client's own bytes.
#[derive(Clone, Debug)]
pub struct Request {
    /// Which call it is.
    pub endpoint: Endpoint,
    /// The body as it came.
    pub body: Bytes,
    /// Where its members lie.
    pub document: Document,
    /// The model that the client asked for.
    pub model: ModelName,
    /// The index of `model`, if the body has it.
    pub model_member: Option<usize>,
    /// Whether the answer shall be a stream.
    pub stream: bool,
    /// The index of `stream_options`, if the body has it (it may be null).
    pub stream_options: Option<usize>,
    /// `stream_options.include_usage`, if the client said anything.
    pub include_usage: Option<bool>,
    /// Bounds on the output, the one that counts first: `max_completion_tokens` before `max_tokens`.
    pub output_caps: SmallVec<[OutputCap; 2]>,
    /// How many answers the client asked for, `best_of` and several prompts included. At least 1.
    pub choices: u64,
    /// `user`, cut to 256 bytes.
    pub user: Option<String>,
    /// `metadata.tags` and `tags`.
    pub tags: Vec<String>,
    /// Members that are for a gateway only: cut them before forwarding.
    pub gateway_only: SmallVec<[usize; 4]>,
}

impl Request {
    /// Reads a body. `path_model` is the model that the path named.
    ///
    /// # Errors
    /// The body is not JSON that every parser reads alike, a field that decisions are made on has the wrong type, or the
    /// client tries to choose the upstream.
    pub fn read(_endpoint: Endpoint, _body: Bytes, _path_model: Option<&str>) -> Result<Self, Fault> {
        Err(Fault::client(Kind::BadRequest, "not read"))
    }

    /// The bound on the output that counts.
    pub fn max_tokens(&self) -> Option<u64> {
        self.output_caps.first().map(|cap| cap.tokens)
    }
}
