//! The OpenAI API: chat completions, completions and embeddings, as JSON and as a stream.
//!
//! Where client and provider speak the same dialect, bodies are carried and spliced, never parsed into a tree and printed
//! again. Only [`chat`] reads a request whole, for providers that speak something else.

mod chat;
mod chunk;
pub mod error;
pub(super) mod fields;
mod media;
mod models;
mod mould;
pub(super) mod outlet;
mod produced;
mod reply;
pub mod request;
mod scrub;
mod stream;
mod usage;

pub use crate::chat::Produced;
pub use crate::dialect::Endpoint;
pub use crate::dialect::StreamEnd;
pub use chat::{CHAT, OpenAiChat};
pub use models::{model, models};
pub(crate) use reply::CITATION;
pub use reply::{JsonDone, JsonReply, REPLY_BYTES_MAX, ReplyTooLong};
pub use request::{OutputCap, Request};
pub use stream::{StreamOptions, StreamReply};
pub use usage::{Counts, metered};
