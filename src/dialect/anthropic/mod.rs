//! Anthropic's messages API, as clients speak it.
//!
//! Reference: <https://docs.anthropic.com/en/api/messages> (checked 2026-11).

mod blocks;
mod calls;
mod encoder;
pub mod error;
mod read;
mod relay;
mod tools;
mod usage;
mod whole;
mod writer;

pub use read::Members as ObjectMembers;
pub use usage::{Counts, metered};

use bytes::Bytes;

use super::{Dialect, Members, Relay, RelayOptions};
use crate::chat::{Answer, Chat, Encoder};
use crate::vocabulary::{Fault, Metered};

/// The messages API.
pub static MESSAGES: Messages = Messages;

/// The messages API.
#[derive(Clone, Copy, Debug)]
pub struct Messages;

impl Dialect for Messages {
    fn read<'a>(&self, body: &'a [u8], stream: bool) -> Result<Chat<'a>, Fault> {
        read::read(body, stream)
    }

    fn encoder(&self, answer: Answer, stream: bool) -> Box<dyn Encoder> {
        encoder::encoder(answer, stream)
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

    fn error(&self, fault: &Fault, status: u16, request_id: &str) -> Bytes {
        error::body(fault, status, request_id)
    }

    fn error_event(&self, fault: &Fault) -> Bytes {
        error::event(fault)
    }
}

#[cfg(test)]
mod tests;
