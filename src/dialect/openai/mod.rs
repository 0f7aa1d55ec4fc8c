//! The OpenAI API: chat completions, completions and embeddings, as JSON and as a stream.
//!
//! Client and provider speak the same dialect, so bodies are carried and spliced, never parsed into a tree and printed again.

mod chunk;
pub mod error;
mod fields;
mod models;
mod outlet;
mod produced;
mod reply;
pub mod request;
mod scrub;
mod stream;
mod usage;

pub use crate::chat::Produced;
pub use crate::dialect::Endpoint;
pub use crate::dialect::StreamEnd;
pub use models::{model, models};
pub use reply::{JsonDone, JsonReply, REPLY_BYTES_MAX, ReplyTooLong};
pub use request::{OutputCap, Request};
pub use stream::{StreamOptions, StreamReply};
pub use usage::metered;
