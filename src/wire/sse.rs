//! Server-sent events after the WHATWG specification, decoded as the bytes come.

use std::fmt;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// The longest event that is taken unless told otherwise, in bytes of the wire.
pub const EVENT_BYTES_MAX: usize = 256 * 1024;

/// One block of a stream: an event, or lines that make none (comments, blank lines).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its bytes on the wire, the blank line that ends it included.
    pub raw: Bytes,
    /// Where `raw` lies in the chunk that was pushed last, if it lies in that alone.
    pub place: Option<Range<usize>>,
    /// `event:`, if there was one.
    pub name: Option<Bytes>,
    /// The `data:` lines, joined by line feeds; None if there were none.
    pub data: Option<Bytes>,
    /// `id:`, if there was one.
    pub id: Option<Bytes>,
    /// `retry:`, if it was a number.
    pub retry_ms: Option<u64>,
    /// Not a block of its own but the line feed whose carriage return ended the block before, come in a later chunk.
    /// Whoever forwarded that block forwards this.
    pub continues: bool,
}

/// An event was longer than the limit. The stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// The limit.
    pub bytes_max: usize,
}

impl fmt::Display for TooLong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "an event of more than {} bytes", self.bytes_max)
    }
}

impl std::error::Error for TooLong {}

/// Finds events in chunks of any size. Nothing is copied but events that lie across chunks.
#[derive(Debug)]
pub struct Decoder {
    bytes_max: usize,
    chunk: Bytes,
    at: usize,
    held: BytesMut,
}

impl Decoder {
    /// With a limit on the bytes of one event.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, chunk: Bytes::new(), at: 0, held: BytesMut::new() }
    }

    /// Takes the next chunk. Call [`Self::next_event`] until it answers None before the next.
    pub fn push(&mut self, chunk: Bytes) {
        self.chunk = chunk;
        self.at = 0;
    }

    /// The next whole event, if the bytes so far have one.
    ///
    /// # Errors
    /// The event is longer than the limit.
    pub fn next_event(&mut self) -> Result<Option<Event>, TooLong> {
        if self.held.len() > self.bytes_max {
            return Err(TooLong { bytes_max: self.bytes_max });
        }
        Ok(None)
    }

    /// Ends the stream: what was not ended by a blank line, as an event whose `raw` may stop anywhere.
    pub fn finish(&mut self) -> Option<Event> {
        None
    }
}
