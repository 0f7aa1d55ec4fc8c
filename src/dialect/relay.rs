//! A stream that is passed on in the dialect that it came in.

use bytes::Bytes;

use crate::chat::{Broken, Produced};
use crate::vocabulary::{Metered, Secret};

/// How to pass a stream on.
#[derive(Clone, Debug, Default)]
pub struct RelayOptions {
    /// A quoted string for the model wherever an event names it; None leaves it.
    pub model_json: Option<Bytes>,
    /// The longest event, in bytes.
    pub event_bytes_max: usize,
    /// Credentials that must not pass in an error event.
    pub secrets: Vec<Secret>,
    /// The stream is a JSON array of objects, not of events (Gemini without `alt=sse`).
    pub array: bool,
}

/// What of an answer has passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Events with data so far.
    pub events: u64,
    /// Whether the model said anything yet.
    pub content_seen: bool,
    /// Whether the answer's end was told (a finish reason, `message_stop`, `response.completed`).
    pub finish_seen: bool,
    /// Whether the provider told an error within the stream.
    pub error_seen: bool,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// As the API ends it.
    Complete,
    /// After a whole event, without the API's last word.
    NoDone,
    /// In the middle of an event; the broken part was not passed on.
    Truncated,
}

/// A stream while it passes. Events leave in the order they came, each as soon as it is whole.
pub trait Relay: Send + Sync {
    /// Reads a chunk and adds what to send now to `out`.
    ///
    /// # Errors
    /// The stream cannot be passed on any further. What came before is in `out`.
    fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), Broken>;

    /// Ends the stream, wherever it stands. An event that only lacks its end is passed on with one.
    fn finish(&mut self, out: &mut Vec<Bytes>) -> StreamEnd;

    /// What the provider reported so far.
    fn metered(&self) -> Metered;

    /// What the model wrote so far.
    fn produced(&self) -> &Produced;

    /// What has passed so far.
    fn progress(&self) -> Progress;
}
