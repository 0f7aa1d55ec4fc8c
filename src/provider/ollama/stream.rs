//! Reads a stream of `/api/chat`: a JSON text on each line.

use bytes::Bytes;

use super::reply::Said;
use crate::chat::{Broken, DecodeEnd, Decoder, Raw, Sink};
use crate::vocabulary::Metered;
use crate::wire::ndjson;

/// A stream while it comes.
pub(super) struct Stream {
    lines: ndjson::Decoder,
    said: Said,
    broken: bool,
}

impl Stream {
    /// With a limit on the bytes of a line.
    pub(super) fn new(line_bytes_max: usize) -> Self {
        Self { lines: ndjson::Decoder::new(line_bytes_max), said: Said::default(), broken: false }
    }

    fn read(&mut self, sink: &mut dyn Sink) -> Result<(), Broken> {
        while let Some(line) = self.lines.next_line().map_err(|_| Broken::TooLong)? {
            self.said.line(&line, sink)?;
        }
        Ok(())
    }
}

impl Decoder for Stream {
    fn push(&mut self, chunk: Bytes, sink: &mut dyn Sink) -> Result<(), Broken> {
        if self.broken {
            return Ok(());
        }
        self.lines.push(chunk);
        let read = self.read(sink);
        self.broken = read.is_err();
        read
    }

    fn finish(&mut self, sink: &mut dyn Sink) -> Result<DecodeEnd, Broken> {
        // The last line may lack its end, but then it is whole JSON or it is none.
        let last = self.lines.finish().filter(|_| !self.broken);
        if let Some(line) = last.filter(|line| serde_json::from_slice::<Raw<'_>>(line).is_ok()) {
            self.said.line(&line, sink)?;
        }
        Ok(if self.said.done { DecodeEnd::Complete } else { DecodeEnd::Truncated })
    }

    fn metered(&self) -> Metered {
        self.said.metered
    }
}
