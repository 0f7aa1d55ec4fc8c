//! OpenAI chat completions on the client's side: requests into the neutral form, answers out of it.

mod encode;
mod messages;
mod parts;
mod read;
mod streamed;
mod tools;
mod value;
mod whole;

use bytes::Bytes;

use super::stream::{StreamOptions, StreamReply};
use super::{error, usage};
use crate::chat::{Answer, Chat, Encoder};
use crate::dialect::{Dialect, Endpoint, Members, Relay, RelayOptions};
use crate::vocabulary::{Fault, Metered};

/// OpenAI chat completions, as clients speak it.
#[derive(Clone, Copy, Debug)]
pub struct OpenAiChat;

/// The dialect of OpenAI chat completions.
pub static CHAT: OpenAiChat = OpenAiChat;

impl Dialect for OpenAiChat {
    fn read<'a>(&self, body: &'a [u8], stream: bool) -> Result<Chat<'a>, Fault> {
        read::chat(body, stream)
    }

    fn encoder(&self, answer: Answer, stream: bool) -> Box<dyn Encoder> {
        encode::encoder(answer, stream)
    }

    fn relay(&self, options: RelayOptions) -> Box<dyn Relay> {
        Box::new(StreamReply::new(StreamOptions {
            model_json: options.model_json,
            event_bytes_max: options.event_bytes_max,
            secrets: options.secrets,
            ..StreamOptions::default()
        }))
    }

    fn members(&self) -> Members {
        Members { model: "model", usage: "usage" }
    }

    fn metered(&self, usage: &[u8]) -> Metered {
        usage::metered(Endpoint::ChatCompletions, usage)
    }

    fn error(&self, fault: &Fault, status: u16, _request_id: &str) -> Bytes {
        error::body(fault, status)
    }

    fn error_event(&self, fault: &Fault) -> Bytes {
        error::event(fault)
    }
}

#[cfg(test)]
mod tests;
