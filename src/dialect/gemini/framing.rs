//! How Gemini frames a stream: as server-sent events with `alt=sse`, else as a JSON array that is written bit by bit.

use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::wire::sse;

/// The most blank bytes before the first that tells the framing.
const BLANK_BYTES_MAX: usize = 1024;

/// A piece of a stream.
#[derive(Debug)]
pub(crate) struct Item {
    /// Its bytes on the wire: together all items are the stream.
    pub(crate) raw: Bytes,
    /// The object in it, if it has one.
    pub(crate) json: Option<Bytes>,
    /// Where the object begins in `raw`, if it stands there in one piece.
    pub(crate) json_at: Option<usize>,
}

/// Why a stream cannot be framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadFrame {
    TooLong,
    /// Something else than objects between the brackets.
    Garbage,
}

impl fmt::Display for BadFrame {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::TooLong => "an event is too long",
            Self::Garbage => "the stream is neither events nor a list of objects",
        })
    }
}

/// Finds the objects of a stream in chunks of any size.
#[derive(Debug)]
pub(crate) struct Framer {
    bytes_max: usize,
    mode: Mode,
}

#[derive(Debug)]
enum Mode {
    Unknown(BytesMut),
    Sse(Box<sse::Decoder>),
    Array(Box<Array>),
}

impl Framer {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, mode: Mode::Unknown(BytesMut::new()) }
    }

    /// Whether the stream is a JSON array, as far as it is known.
    pub(crate) fn is_array(&self) -> bool {
        matches!(self.mode, Mode::Array(_))
    }

    /// Whether the bracket that ends the array came.
    pub(crate) fn is_closed(&self) -> bool {
        matches!(&self.mode, Mode::Array(array) if array.closed)
    }

    /// Takes the next chunk. Call [`Self::next_item`] until it answers None before the next.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        match &mut self.mode {
            Mode::Unknown(held) => {
                let first = chunk.iter().find(|byte| !byte.is_ascii_whitespace()).copied();
                if first.is_none() && held.len() + chunk.len() <= BLANK_BYTES_MAX {
                    held.extend_from_slice(&chunk);
                    return;
                }
                let chunk = match held.is_empty() {
                    true => chunk,
                    false => {
                        held.extend_from_slice(&chunk);
                        held.split().freeze()
                    }
                };
                self.mode = match first {
                    Some(b'[' | b'{') => Mode::Array(Box::new(Array::new(self.bytes_max))),
                    _ => Mode::Sse(Box::new(sse::Decoder::new(self.bytes_max))),
                };
                self.push(chunk);
            }
            Mode::Sse(decoder) => decoder.push(chunk),
            Mode::Array(array) => array.push(chunk),
        }
    }

    /// The next whole piece, if the bytes so far have one.
    pub(crate) fn next_item(&mut self) -> Result<Option<Item>, BadFrame> {
        match &mut self.mode {
            Mode::Unknown(_) => Ok(None),
            Mode::Sse(decoder) => {
                let event = decoder.next_event().map_err(|_| BadFrame::TooLong)?;
                Ok(event.map(Item::of_event))
            }
            Mode::Array(array) => array.next_item(),
        }
    }

    /// What is left without an end.
    pub(crate) fn finish(&mut self) -> Option<Item> {
        let bare = |raw: Bytes| (!raw.is_empty()).then_some(Item { raw, json: None, json_at: None });
        match &mut self.mode {
            Mode::Unknown(held) => bare(held.split().freeze()),
            Mode::Sse(decoder) => decoder.finish().map(Item::of_event),
            Mode::Array(array) => bare(array.held.split().freeze()),
        }
    }
}

impl Item {
    fn of_event(event: sse::Event) -> Self {
        let json = event.data.filter(|data| !matches!(data.trim_ascii(), b"" | b"[DONE]"));
        Self { raw: event.raw, json, json_at: event.data_at }
    }
}

/// Finds objects between brackets.
#[derive(Debug)]
struct Array {
    bytes_max: usize,
    // What is not given out yet of the chunks before, and of this one.
    held: BytesMut,
    // Up to where `held` was read.
    read: usize,
    // Where the open object begins.
    start: usize,
    depth: u32,
    text: bool,
    escaped: bool,
    closed: bool,
    failed: Option<BadFrame>,
}

impl Array {
    fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            held: BytesMut::new(),
            read: 0,
            start: 0,
            depth: 0,
            text: false,
            escaped: false,
            closed: false,
            failed: None,
        }
    }

    fn push(&mut self, chunk: Bytes) {
        self.held.extend_from_slice(&chunk);
    }

    fn next_item(&mut self) -> Result<Option<Item>, BadFrame> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        while let Some(byte) = self.held.get(self.read).copied() {
            if self.text && !self.escaped {
                let rest = self.held.get(self.read..).unwrap_or_default();
                match memchr::memchr2(b'"', b'\\', rest) {
                    Some(0) => {}
                    Some(ahead) => {
                        self.read += ahead;
                        continue;
                    }
                    None => {
                        self.read = self.held.len();
                        break;
                    }
                }
            }
            self.read += 1;
            match self.step(byte) {
                Step::On => {}
                Step::Whole => return self.item(true).map(Some),
                Step::Closed => return self.item(false).map(Some),
                Step::Garbage => return self.fail(BadFrame::Garbage),
            }
        }
        if self.held.len() > self.bytes_max {
            return self.fail(BadFrame::TooLong);
        }
        Ok(None)
    }

    fn fail<T>(&mut self, why: BadFrame) -> Result<T, BadFrame> {
        self.failed = Some(why);
        Err(why)
    }

    fn item(&mut self, has_object: bool) -> Result<Item, BadFrame> {
        if self.read > self.bytes_max {
            return self.fail(BadFrame::TooLong);
        }
        let raw = self.held.split_to(self.read).freeze();
        let start = std::mem::take(&mut self.start);
        self.read = 0;
        let json = (has_object && start <= raw.len()).then(|| raw.slice(start..));
        Ok(Item { json_at: json.is_some().then_some(start), json, raw })
    }

    fn step(&mut self, byte: u8) -> Step {
        if std::mem::take(&mut self.escaped) {
            return Step::On;
        }
        match (byte, self.text) {
            (b'\\', true) => self.escaped = true,
            (b'"', true) => self.text = false,
            (_, true) => {}
            (b'{', false) if self.depth == 0 => {
                self.start = self.read - 1;
                self.depth = 1;
            }
            (b']', false) if self.depth == 0 => {
                self.closed = true;
                return Step::Closed;
            }
            (b'[' | b',', false) if self.depth == 0 => {}
            (_, false) if self.depth == 0 && byte.is_ascii_whitespace() => {}
            (_, false) if self.depth == 0 => return Step::Garbage,
            (b'"', false) => self.text = true,
            (b'{' | b'[', false) => self.depth = self.depth.saturating_add(1),
            (b'}' | b']', false) => {
                self.depth -= 1;
                if self.depth == 0 {
                    return Step::Whole;
                }
            }
            (_, false) => {}
        }
        Step::On
    }
}

enum Step {
    On,
    Whole,
    Closed,
    Garbage,
}
