//! Incremental decoders without I/O: bytes in, events out, whatever the chunk boundaries.

pub mod aws;
pub mod ndjson;
pub mod sse;
