//! stub
use bytes::Bytes;

use crate::chat::{Broken, DecodeEnd, Decoder, Sink};
use crate::vocabulary::Metered;

/// Reads the events of an answer, however they were framed (Bedrock wraps each in a message of its own).
#[derive(Debug, Default)]
pub struct Events {}

impl Events {
    /// Reads the JSON of an event.
    ///
    /// # Errors
    /// The provider told an error, or it is no event.
    pub fn event(&mut self, json: &[u8], sink: &mut dyn Sink) -> Result<(), Broken> {
        let _ = (json, sink);
        Ok(())
    }

    /// Whether the answer's last event came.
    pub fn is_complete(&self) -> bool {
        false
    }

    /// What was reported so far.
    pub fn metered(&self) -> Metered {
        Metered::Absent
    }
}

/// Reads a stream of server-sent events.
#[derive(Debug)]
pub struct Stream {}

impl Stream {
    /// With a limit on the bytes of one event.
    pub fn new(event_bytes_max: usize) -> Self {
        let _ = event_bytes_max;
        Self {}
    }
}

impl Decoder for Stream {
    fn push(&mut self, chunk: Bytes, sink: &mut dyn Sink) -> Result<(), Broken> {
        let _ = (chunk, sink);
        Ok(())
    }

    fn finish(&mut self, sink: &mut dyn Sink) -> Result<DecodeEnd, Broken> {
        let _ = sink;
        Ok(DecodeEnd::Complete)
    }

    fn metered(&self) -> Metered {
        Metered::Absent
    }
}
