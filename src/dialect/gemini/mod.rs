//! The Gemini API: `generateContent` and `streamGenerateContent`, as AI Studio and Vertex AI have it.

mod chunk;
mod encode;
mod error;
mod framing;
mod likely;
mod lookups;
mod object;
mod prepare;
mod read;
mod relay;
mod reply;
mod request;
#[cfg(test)]
mod tests;

pub(crate) use framing::{BadFrame, Framer};
pub(crate) use lookups::LookedUp;
pub(crate) use object::{Object, as_value, is_null};
pub(crate) use reply::{
    Candidate, Citations, FINISH_REASONS, FunctionCall, Grounding, PartialArg, PromptFeedback, ReplyPart, Response,
    error as upstream_error, finish, metered, partial, word,
};

use bytes::Bytes;

use super::{Dialect, Members, Relay, RelayOptions};
use crate::chat::{Answer, Chat, Encoder};
use crate::json::Segments;
use crate::vocabulary::{Fault, Lookups, Metered};

/// What the names of a chat's native members begin with that belong into `generationConfig`.
pub(crate) const NATIVE_CONFIG: &str = "generationConfig.";

/// The dialect, with one of its two framings of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Gemini {
    array: bool,
}

/// Streams are server-sent events: the client asked with `alt=sse`. Whole answers are the same in both.
pub static GEMINI: Gemini = Gemini { array: false };

/// Streams are a JSON array: the client did not ask for events.
pub static GEMINI_ARRAY: Gemini = Gemini { array: true };

/// The fault as all of a stream that is a JSON array.
pub(super) fn array_of_error(fault: &Fault) -> Bytes {
    error::array(fault)
}

impl Dialect for Gemini {
    fn prepare(&self, body: &[u8]) -> Option<Bytes> {
        prepare::json_schemas(body)
    }

    fn read<'a>(&self, body: &'a [u8], stream: bool) -> Result<Chat<'a>, Fault> {
        read::chat(body, stream)
    }

    fn encoder(&self, answer: Answer, stream: bool) -> Box<dyn Encoder> {
        let framing = match (stream, self.array || answer.array) {
            (false, _) => encode::Framing::Whole,
            (true, false) => encode::Framing::Sse,
            (true, true) => encode::Framing::Array,
        };
        Box::new(encode::Writer::new(answer, framing))
    }

    fn relay(&self, options: RelayOptions) -> Box<dyn Relay> {
        Box::new(relay::Passing::new(options))
    }

    fn members(&self) -> Members {
        Members { model: "modelVersion", usage: "usageMetadata" }
    }

    fn metered(&self, usage: &[u8]) -> Metered {
        reply::metered(usage)
    }

    fn lookups(&self, answer: &Segments) -> Lookups {
        match answer.contains(&lookups::MEMBER) {
            true => lookups::of_answer(&answer.to_bytes()),
            false => Lookups::default(),
        }
    }

    fn error(&self, fault: &Fault, status: u16, _request_id: &str) -> Bytes {
        error::body(fault, status)
    }

    fn error_event(&self, fault: &Fault) -> Bytes {
        error::event(fault, self.array)
    }
}
