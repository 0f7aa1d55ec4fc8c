//! The neutral form between two dialects: what a chat asks for, and what an answer says, piece by piece.
//!
//! A request is read into a [`Chat`] that borrows the client's bytes, and a provider writes its own request from it. An
//! answer, whole or streamed, comes out of a provider's [`Decoder`] as [`Delta`]s, and a dialect's [`Encoder`] writes them
//! in the client's form. What only one API knows rides along as [`Native`], with the API that it belongs to.

mod delta;
mod params;
mod request;
mod schema_tool;
mod text;

pub use delta::{
    Answer, Broken, DecodeEnd, Decoder, Delta, Encoder, Finish, PRODUCED_SAMPLE_BYTES_MAX, Produced, Sink,
    UpstreamError,
};
pub use params::{Unsupported, given, settle, unspoken, unsupported_params};
pub use request::{
    Api, Cache, Chat, Effort, Format, Function, Media, MediaKind, Message, Native, Part, Reasoning, Role, Source, Tool,
    ToolCall, ToolChoice, ToolResult,
};
pub use schema_tool::{SCHEMA_TOOL, Unwrap, Unwrapped};
pub use text::{Raw, Str, is_json_object, object_or_empty};
