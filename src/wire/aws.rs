//! AWS event stream messages (`application/vnd.amazon.eventstream`), decoded as the bytes come.
//!
//! A message is a prelude (its length, the length of its headers, a CRC of these two), headers, a payload, and a CRC of
//! everything before it.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

/// The kind of a header that is text.
const TEXT: u8 = 7;
/// Two lengths and their CRC.
const PRELUDE_BYTES: usize = 12;
/// A message without headers and payload.
const MESSAGE_BYTES_MIN: usize = PRELUDE_BYTES + 4;

/// One message whose CRCs and headers were checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    headers: Bytes,
    /// What it carries.
    pub payload: Bytes,
}

/// The value of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// True or false.
    Bool(bool),
    /// One byte.
    Byte(i8),
    /// Two bytes.
    Short(i16),
    /// Four bytes.
    Integer(i32),
    /// Eight bytes.
    Long(i64),
    /// Any bytes.
    Bytes(&'a [u8]),
    /// Text.
    Text(&'a str),
    /// Milliseconds since the Unix epoch.
    Timestamp(i64),
    /// A UUID.
    Uuid([u8; 16]),
}

/// What is wrong with a message. The stream cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadMessage {
    /// It is longer than the limit.
    TooLong {
        /// The limit.
        bytes_max: usize,
    },
    /// Its lengths contradict each other.
    Lengths,
    /// The CRC of its lengths is wrong.
    PreludeChecksum,
    /// Its CRC is wrong.
    Checksum,
    /// A header is cut off, has no name, or is of no known type.
    Header,
}

impl fmt::Display for BadMessage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes_max } => write!(out, "a message of more than {bytes_max} bytes"),
            Self::Lengths => out.write_str("a message whose lengths contradict each other"),
            Self::PreludeChecksum => out.write_str("a message with a wrong checksum of its prelude"),
            Self::Checksum => out.write_str("a message with a wrong checksum"),
            Self::Header => out.write_str("a message with a broken header"),
        }
    }
}

impl std::error::Error for BadMessage {}

impl Message {
    /// The headers in their order.
    pub fn headers(&self) -> Headers<'_> {
        Headers { rest: &self.headers }
    }

    /// The text of a header; None if it is not there or is not text.
    pub fn text(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers();
        // Only what is asked for is looked at as text.
        while let Some((known, kind, value)) = headers.next_raw() {
            if kind == TEXT && known == name.as_bytes() {
                return std::str::from_utf8(value).ok();
            }
        }
        None
    }
}

/// Finds messages in chunks of any size. Nothing is copied but messages that lie across chunks.
#[derive(Debug)]
pub struct Decoder {
    bytes_max: usize,
    chunk: Bytes,
    // The beginning of a message whose end has not come yet.
    held: BytesMut,
    failed: Option<BadMessage>,
}

impl Decoder {
    /// With a limit on the bytes of one message.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, chunk: Bytes::new(), held: BytesMut::new(), failed: None }
    }

    /// Takes the next chunk. Call [`Self::next_message`] until it answers None before the next.
    pub fn push(&mut self, chunk: Bytes) {
        self.chunk = chunk;
    }

    /// The next whole message, if the bytes so far have one.
    ///
    /// # Errors
    /// The message is broken or too long; from then on always.
    pub fn next_message(&mut self) -> Result<Option<Message>, BadMessage> {
        if let Some(bad) = self.failed {
            return Err(bad);
        }
        let message = self.next_raw().and_then(|raw| raw.map(|raw| read(&raw)).transpose());
        self.failed = message.as_ref().err().copied();
        message
    }

    /// Whether the bytes so far end with the end of a message.
    pub fn is_between(&self) -> bool {
        self.held.is_empty() && self.chunk.is_empty() && self.failed.is_none()
    }

    fn next_raw(&mut self) -> Result<Option<Bytes>, BadMessage> {
        if self.held.is_empty() && self.chunk.len() >= PRELUDE_BYTES {
            let length = message_length(&self.chunk, self.bytes_max)?;
            if self.chunk.len() >= length {
                return Ok(Some(self.chunk.split_to(length)));
            }
        }
        self.gather(PRELUDE_BYTES);
        if self.held.len() < PRELUDE_BYTES {
            return Ok(None);
        }
        let length = message_length(&self.held, self.bytes_max)?;
        self.gather(length);
        Ok((self.held.len() == length).then(|| self.held.split().freeze()))
    }

    /// Moves bytes of the chunk to what is held, until that many are.
    fn gather(&mut self, wanted: usize) {
        let missing = wanted.saturating_sub(self.held.len()).min(self.chunk.len());
        self.held.extend_from_slice(&self.chunk.split_to(missing));
    }
}

/// Reads the prelude.
fn message_length(bytes: &[u8], bytes_max: usize) -> Result<usize, BadMessage> {
    let mut prelude = bytes.get(..PRELUDE_BYTES).ok_or(BadMessage::Lengths)?;
    let checksum = crc32fast::hash(prelude.get(..8).unwrap_or_default());
    let (length, headers) = (prelude.get_u32() as usize, prelude.get_u32() as usize);
    if prelude.get_u32() != checksum {
        return Err(BadMessage::PreludeChecksum);
    }
    if length < MESSAGE_BYTES_MIN || headers > length - MESSAGE_BYTES_MIN {
        return Err(BadMessage::Lengths);
    }
    if length > bytes_max {
        return Err(BadMessage::TooLong { bytes_max });
    }
    Ok(length)
}

/// Reads a whole message whose prelude was checked.
fn read(raw: &Bytes) -> Result<Message, BadMessage> {
    let end = raw.len().checked_sub(4).ok_or(BadMessage::Lengths)?;
    let (body, mut checksum) = raw.split_at_checked(end).ok_or(BadMessage::Lengths)?;
    if checksum.get_u32() != crc32fast::hash(body) {
        return Err(BadMessage::Checksum);
    }
    let headers_end = PRELUDE_BYTES + body.get(4..).ok_or(BadMessage::Lengths)?.get_u32() as usize;
    if headers_end > end {
        return Err(BadMessage::Lengths);
    }
    let message = Message { headers: raw.slice(PRELUDE_BYTES..headers_end), payload: raw.slice(headers_end..end) };
    match message.headers().are_sound() {
        true => Ok(message),
        false => Err(BadMessage::Header),
    }
}

/// The headers of a message: name and value.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Headers<'a> {
    type Item = Result<(&'a str, Value<'a>), BadMessage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let header = self.header();
        if header.is_none() {
            self.rest = &[];
        }
        Some(header.ok_or(BadMessage::Header))
    }
}

impl<'a> Headers<'a> {
    /// Whether all of them can be read. Where all bytes are letters and signs of ASCII, so are the texts.
    fn are_sound(mut self) -> bool {
        if !self.rest.is_ascii() {
            return self.all(|header| header.is_ok());
        }
        while self.next_raw().is_some() {}
        self.rest.is_empty()
    }

    /// The next header: its name, the kind of its value, and the bytes of it. None after the last, and where one is broken.
    fn next_raw(&mut self) -> Option<(&'a [u8], u8, &'a [u8])> {
        let mut ahead = Headers { rest: self.rest };
        let [length] = ahead.array()?;
        let name = ahead.slice(usize::from(length))?;
        let [kind] = ahead.array()?;
        let value = match kind {
            0 | 1 => ahead.slice(0)?,
            2 => ahead.slice(1)?,
            3 => ahead.slice(2)?,
            4 => ahead.slice(4)?,
            5 | 8 => ahead.slice(8)?,
            6 | TEXT => ahead.counted()?,
            9 => ahead.slice(16)?,
            _ => return None,
        };
        if name.is_empty() {
            return None;
        }
        self.rest = ahead.rest;
        Some((name, kind, value))
    }

    fn header(&mut self) -> Option<(&'a str, Value<'a>)> {
        let [length] = self.array()?;
        let name = std::str::from_utf8(self.slice(usize::from(length))?).ok()?;
        let [kind] = self.array()?;
        let value = self.value(kind)?;
        (!name.is_empty()).then_some((name, value))
    }

    fn value(&mut self, kind: u8) -> Option<Value<'a>> {
        Some(match kind {
            0 => Value::Bool(true),
            1 => Value::Bool(false),
            2 => Value::Byte(i8::from_be_bytes(self.array()?)),
            3 => Value::Short(i16::from_be_bytes(self.array()?)),
            4 => Value::Integer(i32::from_be_bytes(self.array()?)),
            5 => Value::Long(i64::from_be_bytes(self.array()?)),
            6 => Value::Bytes(self.counted()?),
            TEXT => Value::Text(std::str::from_utf8(self.counted()?).ok()?),
            8 => Value::Timestamp(i64::from_be_bytes(self.array()?)),
            9 => Value::Uuid(self.array()?),
            _ => return None,
        })
    }

    fn counted(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_be_bytes(self.array()?);
        self.slice(usize::from(length))
    }

    fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (value, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(value)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.slice(N)?.try_into().ok()
    }
}

#[cfg(test)]
mod tests;
