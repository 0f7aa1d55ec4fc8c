//! Streams of Gemini's as neutral pieces.

use bytes::Bytes;

use crate::chat::{Broken, DecodeEnd, Decoder, Sink};
use crate::dialect::gemini::{BadFrame, Framer, partial};
use crate::vocabulary::Metered;

use super::reply::Reader;

/// Reads a stream, as events or as a JSON array.
pub(super) struct StreamDecoder {
    framer: Framer,
    reader: Reader,
    failed: bool,
}

impl StreamDecoder {
    pub(super) fn new(event_bytes_max: usize) -> Self {
        Self { framer: Framer::new(event_bytes_max), reader: Reader::new(event_bytes_max), failed: false }
    }

    fn read(&mut self, sink: &mut dyn Sink) -> Result<(), Broken> {
        loop {
            let item = self.framer.next_item().map_err(|bad| match bad {
                BadFrame::TooLong => Broken::TooLong,
                BadFrame::Garbage => Broken::Malformed(bad.to_string()),
            })?;
            let Some(item) = item else { return Ok(()) };
            if let Some(json) = item.json {
                self.reader.response(&json, sink)?;
            }
        }
    }
}

impl Decoder for StreamDecoder {
    fn push(&mut self, chunk: Bytes, sink: &mut dyn Sink) -> Result<(), Broken> {
        if self.failed {
            return Ok(());
        }
        self.framer.push(chunk);
        let read = self.read(sink);
        self.failed = read.is_err();
        read
    }

    fn finish(&mut self, sink: &mut dyn Sink) -> Result<DecodeEnd, Broken> {
        if self.failed {
            return Ok(DecodeEnd::Truncated);
        }
        if let Some(json) = self.framer.finish().and_then(|tail| tail.json) {
            match self.reader.response(&json, sink) {
                Ok(()) => {}
                Err(Broken::Malformed(_)) => return Ok(DecodeEnd::Truncated),
                Err(broken) => return Err(broken),
            }
        }
        self.reader.ends_without_candidates(sink);
        Ok(if self.reader.is_complete() { DecodeEnd::Complete } else { DecodeEnd::Truncated })
    }

    fn metered(&self) -> Metered {
        let metered = self.reader.metered();
        if self.reader.is_complete() { metered } else { partial(metered) }
    }
}
