//! What clients speak. A dialect reads requests, edits replies and writes errors; it decides nothing.

pub mod anthropic;
mod endpoint;
pub mod gemini;
mod multipart;
pub mod openai;
mod pass;
mod relay;
pub mod responses;
mod route;

pub use endpoint::Endpoint;
pub use multipart::Form;
pub use pass::{PassCall, PassForm, PassTo, Passed, is_safe};
pub use relay::{Progress, Relay, RelayOptions, StreamEnd};
pub use route::{PASS_METHODS, PathStream, Route, decode as decoded_name, route};

use bytes::Bytes;

use crate::chat::{Answer, Chat, Encoder};
use crate::json::Segments;
use crate::vocabulary::{Fault, Lookups, Metered};

/// A dialect in which chats are held.
pub trait Dialect: Sync {
    /// The body in the form that [`Self::read`] takes, where it must be written anew for that; None where it is as it must be.
    fn prepare(&self, _body: &[u8]) -> Option<Bytes> {
        None
    }

    /// Reads a chat out of a body that was scanned. `stream` where the path says so and not the body.
    ///
    /// # Errors
    /// It is not a request of this dialect: a 400 that says where and what.
    fn read<'a>(&self, body: &'a [u8], stream: bool) -> Result<Chat<'a>, Fault>;

    /// Writes a translated answer.
    fn encoder(&self, answer: Answer, stream: bool) -> Box<dyn Encoder>;

    /// Passes on a stream that comes in this dialect already: edits its `model`, meters it.
    fn relay(&self, options: RelayOptions) -> Box<dyn Relay>;

    /// The members of a whole answer that carry its model and its usage: `model`, `usage`.
    fn members(&self) -> Members;

    /// What a whole answer's usage member reports.
    fn metered(&self, usage: &[u8]) -> Metered;

    /// What a whole answer tells of lookups, which its usage member does not.
    fn lookups(&self, _answer: &Segments) -> Lookups {
        Lookups::default()
    }

    /// An error answer.
    fn error(&self, fault: &Fault, status: u16, request_id: &str) -> Bytes;

    /// The fault as the last event of a stream that has begun.
    fn error_event(&self, fault: &Fault) -> Bytes;
}

/// The dialect of a chat; None: the call is none.
pub fn of(endpoint: Endpoint) -> Option<&'static dyn Dialect> {
    match endpoint {
        Endpoint::ChatCompletions => Some(&openai::CHAT),
        Endpoint::Responses => Some(&responses::RESPONSES),
        Endpoint::Messages | Endpoint::CountTokens => Some(&anthropic::MESSAGES),
        Endpoint::GenerateContent | Endpoint::GeminiCountTokens => Some(&gemini::GEMINI),
        _ => None,
    }
}

/// An error answer in the dialect of a call; in OpenAI's words where it has none, or is not known.
pub fn error(call: Option<Endpoint>, fault: &Fault, status: u16, request_id: &str) -> Bytes {
    match call.and_then(of) {
        Some(dialect) => dialect.error(fault, status, request_id),
        None => openai::error::body(fault, status),
    }
}

/// Where the error stands that ends a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorPlace {
    /// Among events.
    Event,
    /// In an array, after other elements.
    Element,
    /// In an array of which nothing was sent yet.
    OnlyElement,
}

/// A fault as the last that is sent of a stream that has begun.
pub fn error_event(call: Endpoint, place: ErrorPlace, fault: &Fault) -> Bytes {
    match (of(call), place) {
        (Some(dialect), ErrorPlace::Event) => dialect.error_event(fault),
        (Some(_), ErrorPlace::Element) => gemini::GEMINI_ARRAY.error_event(fault),
        (Some(_), ErrorPlace::OnlyElement) => gemini::array_of_error(fault),
        (None, _) => openai::error::event(fault),
    }
}

/// What a whole answer calls its model and its usage.
#[derive(Clone, Copy, Debug)]
pub struct Members {
    /// The model that answered.
    pub model: &'static str,
    /// The usage.
    pub usage: &'static str,
}
