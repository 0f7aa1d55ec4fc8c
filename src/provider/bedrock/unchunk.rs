//! Anthropic's events out of InvokeModel's stream: each comes as a message with its JSON in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;

use super::exception;
use crate::chat::{Broken, DecodeEnd, Str};
use crate::wire::aws;

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    bytes: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct Peek<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Str<'a>>,
}

/// Turns the messages of InvokeModelWithResponseStream into server-sent events, as the model's own API sends them.
#[derive(Debug)]
pub struct Unchunk {
    wire: aws::Decoder,
    failed: Option<Broken>,
}

impl Unchunk {
    /// With a limit on the bytes of one message.
    pub fn new(event_bytes_max: usize) -> Self {
        Self { wire: aws::Decoder::new(event_bytes_max), failed: None }
    }

    /// Reads a chunk and answers the events that it completes.
    ///
    /// # Errors
    /// The provider told an exception, or the stream cannot be read on; from then on always. The events before it stand in
    /// `out`.
    pub fn push(&mut self, chunk: Bytes, out: &mut BytesMut) -> Result<(), Broken> {
        if let Some(broken) = &self.failed {
            return Err(broken.clone());
        }
        self.wire.push(chunk);
        let read = self.read(out);
        self.failed = read.as_ref().err().cloned();
        read
    }

    /// Whether the stream may end here: no message has begun.
    pub fn finish(&self) -> DecodeEnd {
        if self.failed.is_none() && self.wire.is_between() { DecodeEnd::Complete } else { DecodeEnd::Truncated }
    }

    fn read(&mut self, out: &mut BytesMut) -> Result<(), Broken> {
        while let Some(message) = self.wire.next_message().map_err(exception::broken)? {
            if exception::event(&message)? == Some("chunk") {
                write(&message.payload, out)?;
            }
        }
        Ok(())
    }
}

/// Writes one event.
fn write(payload: &[u8], out: &mut BytesMut) -> Result<(), Broken> {
    let malformed = |what: &str| Broken::Malformed(format!("a chunk of InvokeModel {what}"));
    let chunk: Chunk<'_> = serde_json::from_slice(payload).map_err(|_| malformed("that is not JSON"))?;
    let Some(bytes) = chunk.bytes else { return Ok(()) };
    let mut json = STANDARD.decode(&*bytes).map_err(|_| malformed("that is not base64"))?;
    // Between tokens only, as text has them escaped; an event's data is one line.
    for byte in json.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    let peek: Peek<'_> = serde_json::from_slice(&json).map_err(|_| malformed("without JSON in it"))?;
    if let Some(kind) = peek.kind.filter(|kind| kind.bytes().all(|byte| byte.is_ascii_graphic())) {
        out.put_slice(b"event: ");
        out.put_slice(kind.as_bytes());
        out.put_slice(b"\n");
    }
    out.put_slice(b"data: ");
    out.put_slice(&json);
    out.put_slice(b"\n\n");
    Ok(())
}

#[cfg(test)]
mod tests;
