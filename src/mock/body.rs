//! The framing of an HTTP/1 request's body, taken off without copying.

/// Longest line between chunks.
const LINE_BYTES_MAX: usize = 8 << 10;

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes are missing.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked(Chunk),
}

/// What comes next in a chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunk {
    Size,
    Data(u64),
    DataEnd,
    Trailers,
}

/// What was found at the front of the input. Nothing used and not over: more input is needed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken<'a> {
    pub(super) used: usize,
    pub(super) data: &'a [u8],
    pub(super) over: bool,
}

/// The framing is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadFraming;

impl Taken<'_> {
    const NEED_MORE: Taken<'static> = Taken { used: 0, data: &[], over: false };

    fn skip(used: usize) -> Self {
        Self { used, data: &[], over: false }
    }
}

impl Framing {
    /// Whether anything is to come.
    pub(super) fn is_empty(self) -> bool {
        self == Self::Length(0)
    }

    /// Takes one part of the body off the front of the input.
    pub(super) fn take<'a>(&mut self, input: &'a [u8]) -> Result<Taken<'a>, BadFraming> {
        match self {
            Self::Length(left) => {
                let data = part(input, *left);
                *left -= data.len() as u64;
                Ok(Taken { used: data.len(), data, over: *left == 0 })
            }
            Self::Chunked(chunk) => chunk.take(input),
        }
    }
}

impl Chunk {
    fn take<'a>(&mut self, input: &'a [u8]) -> Result<Taken<'a>, BadFraming> {
        match *self {
            Self::Size => self.size(input),
            Self::Data(left) => Ok(self.data(input, left)),
            Self::DataEnd => self.data_end(input),
            Self::Trailers => trailer(input),
        }
    }

    fn size<'a>(&mut self, input: &'a [u8]) -> Result<Taken<'a>, BadFraming> {
        match httparse::parse_chunk_size(input) {
            Ok(httparse::Status::Complete((used, size))) => {
                *self = if size == 0 { Self::Trailers } else { Self::Data(size) };
                Ok(Taken::skip(used))
            }
            Ok(httparse::Status::Partial) if input.len() < LINE_BYTES_MAX => Ok(Taken::NEED_MORE),
            _ => Err(BadFraming),
        }
    }

    fn data<'a>(&mut self, input: &'a [u8], left: u64) -> Taken<'a> {
        let data = part(input, left);
        let left = left - data.len() as u64;
        *self = if left == 0 { Self::DataEnd } else { Self::Data(left) };
        Taken { used: data.len(), data, over: false }
    }

    fn data_end<'a>(&mut self, input: &'a [u8]) -> Result<Taken<'a>, BadFraming> {
        match input {
            [b'\r', b'\n', ..] => {
                *self = Self::Size;
                Ok(Taken::skip(2))
            }
            [] | [b'\r'] => Ok(Taken::NEED_MORE),
            _ => Err(BadFraming),
        }
    }
}

fn part(input: &[u8], left: u64) -> &[u8] {
    let len = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
    &input[..len]
}

fn trailer(input: &[u8]) -> Result<Taken<'_>, BadFraming> {
    match memchr::memchr(b'\n', input) {
        Some(end) => Ok(Taken { used: end + 1, data: &[], over: matches!(&input[..end], b"" | b"\r") }),
        None if input.len() < LINE_BYTES_MAX => Ok(Taken::NEED_MORE),
        None => Err(BadFraming),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a body that arrives in pieces of `step` bytes; what is left over behind it is returned too.
    fn read(mut framing: Framing, wire: &[u8], step: usize) -> Result<(Vec<u8>, usize), BadFraming> {
        let (mut body, mut at, mut seen) = (Vec::new(), 0, 0);
        loop {
            let taken = framing.take(&wire[at..seen])?;
            body.extend_from_slice(taken.data);
            at += taken.used;
            if taken.over {
                return Ok((body, wire.len() - at));
            }
            if taken.used == 0 {
                assert!(seen < wire.len(), "the body has no end");
                seen = (seen + step).min(wire.len());
            }
        }
    }

    #[test]
    fn trailers_and_extensions_are_dropped() {
        let wire = b"3;name=value\r\nabc\r\n2\r\nde\r\n0\r\nExpires: never\r\n\r\nGET";
        assert_eq!(read(Framing::Chunked(Chunk::Size), wire, 100), Ok((b"abcde".to_vec(), 3)));
    }

    #[test]
    fn broken_chunks_are_refused() {
        for wire in [&b"zz\r\n"[..], b"1\r\nab\r\n", b"1\r\naXX"] {
            assert_eq!(read(Framing::Chunked(Chunk::Size), wire, 100), Err(BadFraming));
        }
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same_body(chunks in proptest::collection::vec("[a-z]{1,20}", 0..5), step in 1usize..30) {
            let mut wire: Vec<u8> = chunks.iter().flat_map(|it| format!("{:x}\r\n{it}\r\n", it.len()).into_bytes()).collect();
            wire.extend_from_slice(b"0\r\n\r\nNEXT");
            let read = read(Framing::Chunked(Chunk::Size), &wire, step);
            prop_assert_eq!(read, Ok((chunks.concat().into_bytes(), 4)));
        }
    }
}
