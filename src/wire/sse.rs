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
    /// Where `data` begins in `raw`, if it is one line.
    pub data_at: Option<usize>,
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
    // The beginning of an event whose end has not come yet.
    held: BytesMut,
    lines: Lines,
    begun: bool,
    failed: bool,
}

impl Decoder {
    /// With a limit on the bytes of one event.
    pub fn new(bytes_max: usize) -> Self {
        let (chunk, held) = (Bytes::new(), BytesMut::new());
        Self { bytes_max, chunk, at: 0, held, lines: Lines::default(), begun: false, failed: false }
    }

    /// Takes the next chunk. Call [`Self::next_event`] until it answers None before the next.
    pub fn push(&mut self, chunk: Bytes) {
        self.chunk = chunk;
        self.at = 0;
    }

    /// The next whole event, if the bytes so far have one.
    ///
    /// # Errors
    /// The event is longer than the limit; from then on always.
    pub fn next_event(&mut self) -> Result<Option<Event>, TooLong> {
        if self.at >= self.chunk.len() && !self.failed {
            return Ok(None);
        }
        if let Some(event) = self.stray_line_feed() {
            return Ok(Some(event));
        }
        if let Some(event) = self.usual_event() {
            return Ok(Some(event));
        }
        let start = self.at;
        let end = self.lines.event_end(&self.chunk, start);
        self.at = end.unwrap_or(self.chunk.len());
        self.failed |= self.held.len() + (self.at - start) > self.bytes_max;
        if self.failed {
            return Err(TooLong { bytes_max: self.bytes_max });
        }
        if end.is_some() && self.held.is_empty() {
            let raw = self.chunk.slice(start..self.at);
            return Ok(Some(self.read(raw, Some(start..self.at))));
        }
        self.held.extend_from_slice(self.chunk.get(start..self.at).unwrap_or_default());
        Ok(end.map(|_| self.read_held()))
    }

    /// An event as nearly all are: one line of data and the blank one, whole in this chunk. None: it is looked at more closely.
    fn usual_event(&mut self) -> Option<Event> {
        const FIELD: &[u8] = b"data: ";
        if self.failed || !self.held.is_empty() || !self.lines.is_at_start() {
            return None;
        }
        let line = self.chunk.get(self.at..)?.strip_prefix(FIELD)?;
        let length = memchr::memchr2(b'\n', b'\r', line)?;
        let (data, end) = (self.at + FIELD.len(), self.at + FIELD.len() + length + 2);
        if !line.get(length..)?.starts_with(b"\n\n") || end - self.at > self.bytes_max {
            return None;
        }
        let place = std::mem::replace(&mut self.at, end)..end;
        self.begun = true;
        let data = Some(self.chunk.slice(data..data + length));
        Some(Event { data, data_at: Some(FIELD.len()), ..Event::blank(self.chunk.slice(place.clone()), Some(place)) })
    }

    /// Ends the stream: what was not ended by a blank line, as an event whose `raw` may stop anywhere.
    pub fn finish(&mut self) -> Option<Event> {
        (!self.held.is_empty()).then(|| self.read_held())
    }

    fn stray_line_feed(&mut self) -> Option<Event> {
        if !std::mem::take(&mut self.lines.stray) || self.chunk.get(self.at) != Some(&b'\n') {
            return None;
        }
        let place = self.at..self.at + 1;
        self.at += 1;
        Some(Event { continues: true, ..Event::blank(self.chunk.slice(place.clone()), Some(place)) })
    }

    fn read_held(&mut self) -> Event {
        let raw = self.held.split().freeze();
        self.read(raw, None)
    }

    fn read(&mut self, raw: Bytes, place: Option<Range<usize>>) -> Event {
        let mark = !std::mem::replace(&mut self.begun, true) && raw.starts_with(b"\xEF\xBB\xBF");
        let mut event = Event::blank(raw, place);
        let mut at = if mark { 3 } else { 0 };
        while at < event.raw.len() {
            at = event.read_line(at);
        }
        event
    }
}

/// Where lines and events end, remembered across chunks.
#[derive(Debug)]
struct Lines {
    // The line has no byte yet.
    blank: bool,
    // A line feed would belong to the line before.
    after_return: bool,
    // The same, where the line before ended an event.
    stray: bool,
}

impl Default for Lines {
    fn default() -> Self {
        Self { blank: true, after_return: false, stray: false }
    }
}

impl Lines {
    fn is_at_start(&self) -> bool {
        self.blank && !self.after_return
    }

    /// The place after the blank line that ends the event, if it is there.
    fn event_end(&mut self, bytes: &[u8], mut at: usize) -> Option<usize> {
        loop {
            if std::mem::take(&mut self.after_return) && bytes.get(at) == Some(&b'\n') {
                at += 1;
            }
            let first = *bytes.get(at)?;
            if self.blank && matches!(first, b'\n' | b'\r') {
                return Some(self.blank_line(bytes, at, first));
            }
            self.blank = false;
            at += memchr::memchr2(b'\n', b'\r', bytes.get(at..)?)?;
            self.after_return = bytes.get(at) == Some(&b'\r');
            self.blank = true;
            at += 1;
            if self.after_return && at == bytes.len() {
                return None;
            }
        }
    }

    fn blank_line(&mut self, bytes: &[u8], at: usize, first: u8) -> usize {
        if first == b'\n' {
            return at + 1;
        }
        self.stray = at + 1 == bytes.len();
        at + 1 + usize::from(bytes.get(at + 1) == Some(&b'\n'))
    }
}

impl Event {
    fn blank(raw: Bytes, place: Option<Range<usize>>) -> Self {
        let (name, data, data_at, id) = (None, None, None, None);
        Self { raw, place, name, data, data_at, id, retry_ms: None, continues: false }
    }

    /// Reads the line at `at` and answers where the next begins.
    fn read_line(&mut self, at: usize) -> usize {
        let rest = self.raw.get(at..).unwrap_or_default();
        let length = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = rest.get(..length).unwrap_or_default();
        let pair = usize::from(rest.get(length..length + 2) == Some(b"\r\n".as_slice()));
        if !line.is_empty() {
            let colon = memchr::memchr(b':', line).unwrap_or(length);
            let space = usize::from(line.get(colon + 1) == Some(&b' '));
            let value = at + (colon + 1 + space).min(length)..at + length;
            self.field(at..at + colon, value);
        }
        at + length + 1 + pair
    }

    fn field(&mut self, name: Range<usize>, value: Range<usize>) {
        let name = self.raw.get(name).unwrap_or_default();
        match name {
            b"data" => self.add_data(value),
            b"event" => self.name = Some(self.raw.slice(value)),
            b"id" => self.id = Some(self.raw.slice(value)).filter(|id| !id.contains(&0)).or_else(|| self.id.take()),
            b"retry" => {
                let digits = std::str::from_utf8(self.raw.get(value).unwrap_or_default()).unwrap_or_default();
                let number = digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
                self.retry_ms = number.or(self.retry_ms);
            }
            _ => {}
        }
    }

    fn add_data(&mut self, value: Range<usize>) {
        let Some(before) = &self.data else {
            self.data_at = Some(value.start);
            self.data = Some(self.raw.slice(value));
            return;
        };
        let mut joined = BytesMut::with_capacity(self.raw.len());
        joined.extend_from_slice(before);
        joined.extend_from_slice(b"\n");
        joined.extend_from_slice(self.raw.get(value).unwrap_or_default());
        self.data = Some(joined.freeze());
        self.data_at = None;
    }
}

#[cfg(test)]
mod tests;
