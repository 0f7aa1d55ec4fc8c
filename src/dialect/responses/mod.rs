//! The OpenAI Responses API, as a client speaks it: items instead of messages, and a stream of typed events.
//!
//! Nothing is stored here. What leans on a state of the provider's (`previous_response_id`, `conversation`, background
//! runs) is refused by name where a request must be translated; what a later request needs of an answer (signatures of
//! thoughts and calls) rides in the `encrypted_content` of reasoning items: see `thought`.

mod content;
mod echo;
mod entry;
mod error;
mod freeform;
mod items;
mod lookups;
mod object;
mod output;
mod read;
mod relay;
mod stream;
mod thought;
mod tools;
mod usage;

use bytes::Bytes;

use crate::chat::{Answer, Chat, Encoder};
use crate::json::Segments;
use crate::vocabulary::{Fault, Lookups, Metered};

use super::{Dialect, Members, Relay, RelayOptions, openai};

/// The Responses API.
#[derive(Clone, Copy, Debug)]
pub struct Responses;

/// The Responses API.
pub static RESPONSES: Responses = Responses;

impl Dialect for Responses {
    fn read<'a>(&self, body: &'a [u8], stream: bool) -> Result<Chat<'a>, Fault> {
        read::read(body, stream)
    }

    fn encoder(&self, answer: Answer, stream: bool) -> Box<dyn Encoder> {
        Box::new(stream::Writer::new(&answer, stream))
    }

    fn relay(&self, options: RelayOptions) -> Box<dyn Relay> {
        Box::new(relay::Passing::new(options))
    }

    fn members(&self) -> Members {
        Members { model: "model", usage: "usage" }
    }

    fn metered(&self, usage: &[u8]) -> Metered {
        usage::metered(usage)
    }

    fn lookups(&self, answer: &Segments) -> Lookups {
        match answer.contains(&lookups::CALLS) {
            true => Lookups { searches: lookups::searches(&answer.to_bytes()), maps: 0 },
            false => Lookups::default(),
        }
    }

    fn error(&self, fault: &Fault, status: u16, _request_id: &str) -> Bytes {
        openai::error::body(fault, status)
    }

    fn error_event(&self, fault: &Fault) -> Bytes {
        error::event(fault)
    }
}

#[cfg(test)]
mod tests;
