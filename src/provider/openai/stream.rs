//! Reads a stream of chunks.

use bytes::Bytes;

use super::errors;
use super::reply::{self, Reader, Shape};
use crate::chat::{Broken, DecodeEnd, Decoder, Sink};
use crate::json::{self, Cursor};
use crate::vocabulary::Metered;
use crate::wire::sse::{self, Event};

/// A stream while it is read.
pub(super) struct Events {
    events: sse::Decoder,
    reader: Reader,
    // The last chunk that named sources of the answer.
    sources: Bytes,
    done: bool,
    failed: Option<Broken>,
}

impl Events {
    pub(super) fn new(event_bytes_max: usize) -> Self {
        Self {
            events: sse::Decoder::new(event_bytes_max),
            reader: Reader::default(),
            sources: Bytes::new(),
            done: false,
            failed: None,
        }
    }

    fn drain(&mut self, sink: &mut dyn Sink) -> Result<(), Broken> {
        while let Some(event) = self.events.next_event().map_err(|_| Broken::TooLong)? {
            self.event(&event, sink)?;
        }
        Ok(())
    }

    fn event(&mut self, event: &Event, sink: &mut dyn Sink) -> Result<(), Broken> {
        let Some(data) = event.data.as_ref().filter(|data| !self.done && !data.trim_ascii().is_empty()) else {
            return Ok(());
        };
        if data.trim_ascii() == b"[DONE]" {
            self.done = true;
            self.end(sink);
            return Ok(());
        }
        let named = event.name.as_deref().map(<[u8]>::trim_ascii);
        if json::kind(data.trim_ascii()) != Some(json::Kind::Object) {
            return match named {
                Some(b"error") => Err(errors::plain(data)),
                Some(_) => Ok(()),
                None => Err(Broken::Malformed("an event that is not an object".to_owned())),
            };
        }
        if self.reader.read(data, Shape::Chunk, sink)? {
            self.sources = data.clone();
        }
        if named == Some(b"error") { Err(errors::plain(data)) } else { Ok(()) }
    }

    fn end(&mut self, sink: &mut dyn Sink) {
        if !self.sources.is_empty() {
            reply::sources(&std::mem::take(&mut self.sources), sink);
        }
        self.reader.end(sink);
    }

    /// Whether what came last can be read although its blank line is missing.
    fn is_whole(event: &Event) -> bool {
        let Some(data) = event.data.as_deref() else { return false };
        let mut cursor = Cursor::new(data);
        data.trim_ascii() == b"[DONE]" || (cursor.skip().is_some() && cursor.is_at_end())
    }
}

impl Decoder for Events {
    fn push(&mut self, chunk: Bytes, sink: &mut dyn Sink) -> Result<(), Broken> {
        if let Some(broken) = &self.failed {
            return Err(broken.clone());
        }
        self.events.push(chunk);
        self.drain(sink).inspect_err(|broken| self.failed = Some(broken.clone()))
    }

    fn finish(&mut self, sink: &mut dyn Sink) -> Result<DecodeEnd, Broken> {
        if let Some(broken) = &self.failed {
            return Err(broken.clone());
        }
        let mut whole = true;
        if let Some(event) = self.events.finish() {
            let idle =
                event.data.is_none() && event.raw.iter().all(u8::is_ascii_whitespace) || event.raw.starts_with(b":");
            if Self::is_whole(&event) {
                self.event(&event, sink).inspect_err(|broken| self.failed = Some(broken.clone()))?;
            } else {
                whole = idle;
            }
        }
        if self.done {
            return Ok(DecodeEnd::Complete);
        }
        // Some vendors never say `[DONE]`: an answer is whole once each choice told why it ended.
        if whole && self.reader.is_finished() {
            self.end(sink);
            return Ok(DecodeEnd::Complete);
        }
        Ok(DecodeEnd::Truncated)
    }

    fn metered(&self) -> Metered {
        self.reader.metered()
    }
}
