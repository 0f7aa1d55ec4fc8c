//! What an answer says, piece by piece, whole answers and streams alike.

use std::fmt;

use bytes::Bytes;

use super::Api;
use crate::vocabulary::{Metered, Usage};

/// A piece of an answer. Texts are pieces of a text unless said otherwise; a whole answer is one big piece each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Delta<'a> {
    /// The provider answers. Comes first, at most once; parts may be absent.
    Start {
        /// The provider's id of the answer.
        id: Option<&'a str>,
        /// Unix seconds.
        created: Option<i64>,
    },
    /// Text of the answer.
    Text(&'a str),
    /// Text of a refusal.
    Refusal(&'a str),
    /// Text of a thought, or of its summary.
    Thinking(&'a str),
    /// The signature of the thought so far, whole: ends the thought. Without a thought before it, it is one without text.
    Signature(&'a str),
    /// A thought that only its provider can read, whole.
    Redacted(&'a str),
    /// A tool call begins. `index` counts the calls of this choice from 0; arguments follow under it.
    ToolCall {
        /// Which of the calls.
        index: u32,
        /// Its id, made up by the decoder where the provider gives none.
        id: &'a str,
        /// The tool's name.
        name: &'a str,
        /// Gemini's `thoughtSignature`.
        signature: Option<&'a str>,
    },
    /// A piece of a call's arguments: JSON text. An empty object may come as no piece at all.
    Arguments {
        /// Which of the calls.
        index: u32,
        /// The piece.
        json: &'a str,
    },
    /// A picture or sound that the model made, whole, in base64.
    Media {
        /// Its media type.
        mime: &'a str,
        /// The bytes in base64.
        data: &'a str,
    },
    /// A source that the text before it rests on, whole.
    Citation {
        /// The address, if it has one.
        url: Option<&'a str>,
        /// Its title.
        title: Option<&'a str>,
        /// The cited words.
        text: Option<&'a str>,
        /// Where the text of the answer begins that rests on it, in characters.
        start: Option<u64>,
        /// Where it ends.
        end: Option<u64>,
    },
    /// What only one API understands, whole (a server tool's call or result, grounding, log probabilities): an object.
    /// `key` says what it is where the object does not.
    Native {
        /// Whose words.
        api: Api,
        /// The member that held it (`groundingMetadata`, `logprobs`), or its `type`.
        key: &'a str,
        /// The JSON.
        json: &'a str,
    },
    /// This choice has ended.
    Finish(Finish<'a>),
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish<'a> {
    /// It was said.
    Stop,
    /// A stop sequence of the client's was met: which, if the provider tells.
    StopSequence(Option<&'a str>),
    /// The bound on the answer was met, or the context was full.
    Length,
    /// The model wants its tools called.
    ToolCalls,
    /// The provider held the answer back.
    ContentFilter,
    /// The model refused.
    Refusal,
    /// A long turn pauses: send it again to go on (Anthropic's `pause_turn`).
    Pause,
    /// The provider's own word, which means none of the above.
    Other(&'a str),
}

/// What takes the pieces. `choice` counts the answers from 0 where several were asked for.
pub trait Sink {
    /// Takes a piece.
    fn delta(&mut self, choice: u32, delta: Delta<'_>);
}

/// An error that a provider told within an answer, in a 200 or in an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamError {
    /// The status that it names or means (`overloaded_error` is 529, `throttlingException` 429); 500 where nothing tells.
    pub status: u16,
    /// The provider's message, not scrubbed yet.
    pub message: String,
}

/// Why an answer cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The provider told an error.
    Upstream(UpstreamError),
    /// An event is longer than the limit.
    TooLong,
    /// It is not what the provider's API sends: what is wrong with it.
    Malformed(String),
}

impl fmt::Display for Broken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upstream(error) => write!(out, "{}: {}", error.status, error.message),
            Self::TooLong => out.write_str("an event is too long"),
            Self::Malformed(what) => out.write_str(what),
        }
    }
}

impl std::error::Error for Broken {}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeEnd {
    /// As the API ends a stream: its last event came.
    Complete,
    /// Before that.
    Truncated,
}

/// Reads a provider's stream. The same pieces come out whatever the chunk boundaries, each as soon as it is whole; events
/// that are not known are skipped; after an error nothing more comes.
pub trait Decoder: Send + Sync {
    /// Reads a chunk.
    ///
    /// # Errors
    /// The provider told an error, or the stream cannot be read on.
    fn push(&mut self, chunk: Bytes, sink: &mut dyn Sink) -> Result<(), Broken>;

    /// Ends the stream, wherever it stands. What was held is given out.
    ///
    /// # Errors
    /// As for [`Self::push`], where the last event lacked only its end.
    fn finish(&mut self, sink: &mut dyn Sink) -> Result<DecodeEnd, Broken>;

    /// What the provider reported so far.
    fn metered(&self) -> Metered;
}

/// Writes an answer in the client's form. One is made for each answer: a stream's writes events as the pieces come, a whole
/// answer's writes everything in [`Self::end`].
pub trait Encoder: Sink + Send + Sync {
    /// What is ready to be sent. Called after each chunk that was read.
    fn take(&mut self) -> Bytes;

    /// Writes the end of an answer that came whole. `usage` as far as it is known.
    fn end(&mut self, usage: Option<&Usage>);
}

/// What an [`Encoder`] needs to know of an exchange.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The exchange's id, letters and digits and `-`: ids of answers are made from it where the API wants one of its own kind.
    pub id: String,
    /// The model as the client named it.
    pub model: String,
    /// Unix seconds.
    pub created: i64,
    /// Whether the client asked for the usage of its stream (`stream_options.include_usage`).
    pub include_usage: bool,
    /// The stream shall be one JSON array, not events (Gemini without `alt=sse`).
    pub array: bool,
    /// The client's request body: for APIs whose answers repeat parts of it.
    pub request: Bytes,
}

/// The most text of an answer that is kept for counting, in bytes.
pub const PRODUCED_SAMPLE_BYTES_MAX: usize = 64 * 1024;

/// What a model wrote, kept for counting tokens where the provider reports none: content, reasoning, refusals, tool calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Produced {
    /// The beginning of it, up to [`PRODUCED_SAMPLE_BYTES_MAX`].
    pub sample: String,
    /// The bytes of all of it.
    pub bytes: u64,
}

impl Produced {
    /// Adds text.
    pub fn add(&mut self, text: &str) {
        let room = PRODUCED_SAMPLE_BYTES_MAX - self.sample.len();
        // Full, or cut before: a sample without its middle would be none.
        let open = room > 0 && self.bytes == self.sample.len() as u64;
        self.bytes = self.bytes.saturating_add(text.len() as u64);
        if open {
            let end = (0..=room.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            self.sample.push_str(text.get(..end).unwrap_or_default());
        }
    }

    /// Adds what a piece says.
    pub fn note(&mut self, delta: &Delta<'_>) {
        match delta {
            Delta::Text(text) | Delta::Refusal(text) | Delta::Thinking(text) => self.add(text),
            Delta::ToolCall { name, .. } => self.add(name),
            Delta::Arguments { json, .. } => self.add(json),
            Delta::Start { .. }
            | Delta::Signature(_)
            | Delta::Redacted(_)
            | Delta::Media { .. }
            | Delta::Citation { .. }
            | Delta::Native { .. }
            | Delta::Finish(_) => {}
        }
    }
}

impl Delta<'_> {
    /// Whether a client has seen something of the answer once it has this.
    pub const fn is_content(&self) -> bool {
        !matches!(self, Self::Start { .. } | Self::Finish(_))
    }
}
