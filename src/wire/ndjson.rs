//! JSON texts, one on each line, found as the bytes come.

use bytes::{Buf, Bytes, BytesMut};

use super::sse::TooLong;

/// Finds lines in chunks of any size. Nothing is copied but lines that lie across chunks.
#[derive(Debug)]
pub struct Decoder {
    bytes_max: usize,
    chunk: Bytes,
    // The beginning of a line whose end has not come yet.
    held: BytesMut,
    failed: bool,
}

impl Decoder {
    /// With a limit on the bytes of one line.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, chunk: Bytes::new(), held: BytesMut::new(), failed: false }
    }

    /// Takes the next chunk. Call [`Self::next_line`] until it answers None before the next.
    pub fn push(&mut self, chunk: Bytes) {
        self.chunk = chunk;
    }

    /// The next whole line that is not blank, without its end.
    ///
    /// # Errors
    /// The line is longer than the limit; from then on always.
    pub fn next_line(&mut self) -> Result<Option<Bytes>, TooLong> {
        while !self.chunk.is_empty() && !self.failed {
            let end = memchr::memchr(b'\n', &self.chunk);
            let piece = self.chunk.split_to(end.unwrap_or(self.chunk.len()));
            self.failed = self.held.len() + piece.len() > self.bytes_max;
            if self.failed {
                break;
            }
            if end.is_none() {
                self.held.extend_from_slice(&piece);
                return Ok(None);
            }
            self.chunk.advance(1);
            let line = self.joined(piece);
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
        if self.failed { Err(TooLong { bytes_max: self.bytes_max }) } else { Ok(None) }
    }

    /// Ends the stream: the last line, where it lacks its end.
    pub fn finish(&mut self) -> Option<Bytes> {
        let line = self.joined(Bytes::new());
        (!line.trim_ascii().is_empty() && !self.failed).then_some(line)
    }

    fn joined(&mut self, piece: Bytes) -> Bytes {
        if self.held.is_empty() {
            return piece;
        }
        self.held.extend_from_slice(&piece);
        self.held.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(chunks: &[&[u8]], bytes_max: usize) -> Result<Vec<Bytes>, TooLong> {
        let (mut decoder, mut lines) = (Decoder::new(bytes_max), Vec::new());
        for chunk in chunks {
            decoder.push(Bytes::copy_from_slice(chunk));
            while let Some(line) = decoder.next_line()? {
                lines.push(line);
            }
        }
        lines.extend(decoder.finish());
        Ok(lines)
    }

    #[test]
    fn lines_are_the_same_at_every_split() {
        let text = b"{\"a\":1}\n\n{\"b\":2}\r\n  \n{\"c\":3}";
        let whole = lines(&[text], 100).unwrap();
        assert_eq!(whole.len(), 3);
        for at in 0..=text.len() {
            assert_eq!(lines(&[&text[..at], &text[at..]], 100).unwrap(), whole, "{at}");
        }
    }

    #[test]
    fn a_line_beyond_the_limit_ends_it() {
        assert!(lines(&[b"{}\n1234567", b"89"], 8).is_err());
        assert_eq!(lines(&[b"{}\n1234567", b"8\n"], 8).unwrap().len(), 2);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..64), at in 0usize..64, max in 0usize..40) {
            let (left, right) = bytes.split_at(at.min(bytes.len()));
            let _lines = lines(&[left, right], max);
        }
    }
}
