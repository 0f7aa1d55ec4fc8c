//! A reply that is one JSON object: forwarded with another `model`, metered in the same pass.

use std::fmt;

use bytes::Bytes;

use crate::json::Segments;
use crate::vocabulary::Metered;

use super::{Endpoint, Produced};

/// The longest reply that is held, in bytes.
pub const REPLY_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The reply is longer than [`REPLY_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTooLong;

impl fmt::Display for ReplyTooLong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a reply of more than {REPLY_BYTES_MAX} bytes")
    }
}

impl std::error::Error for ReplyTooLong {}

/// A JSON reply while it arrives. Chunks are held, not copied.
#[derive(Debug)]
pub struct JsonReply {
    _endpoint: Endpoint,
    _model_json: Option<Bytes>,
    chunks: Vec<Bytes>,
}

/// A JSON reply that has arrived.
#[derive(Clone, Debug)]
pub struct JsonDone {
    /// What to send to the client.
    pub segments: Segments,
    /// What the provider reported.
    pub metered: Metered,
    /// Whether the object was closed.
    pub complete: bool,
    /// Whether it has an `error` that is not null.
    pub error: bool,
    /// The text of the answer; only read when the usage was not fully reported.
    pub produced: Produced,
}

impl JsonReply {
    /// Puts `model_json` (a quoted string) in the place of the reply's top-level `model`, if given.
    pub fn new(endpoint: Endpoint, model_json: Option<Bytes>) -> Self {
        Self { _endpoint: endpoint, _model_json: model_json, chunks: Vec::new() }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// The reply is too long.
    pub fn push(&mut self, chunk: Bytes) -> Result<(), ReplyTooLong> {
        self.chunks.push(chunk);
        Ok(())
    }

    /// Ends the reply, wherever it stands.
    pub fn finish(self) -> JsonDone {
        JsonDone {
            segments: Segments { parts: self.chunks.into(), len: 0 },
            metered: Metered::Absent,
            complete: false,
            error: false,
            produced: Produced::default(),
        }
    }
}
