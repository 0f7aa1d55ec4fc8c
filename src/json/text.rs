//! JSON strings: escapes undone and done.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use super::lex;

/// The text between the quotes of a string.
#[inline]
pub(super) fn inside(quoted: &[u8]) -> &[u8] {
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default()
}

/// Undoes the escapes of the inside of a string. Copies only if there are any.
///
/// Total on bytes that were never scanned: what is not UTF-8, or not a whole escape, becomes U+FFFD.
pub fn unescape(inside: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'\\', inside).is_none() {
        return lossy(inside);
    }
    let mut text = String::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        text.push_str(&lossy(rest.get(..at).unwrap_or_default()));
        let (letter, length) = one_escape(rest.get(at..).unwrap_or_default());
        text.push(letter);
        rest = rest.get(at + length..).unwrap_or_default();
    }
    text.push_str(&lossy(rest));
    Cow::Owned(text)
}

fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.utf8_chunks().flat_map(replaced).collect()),
    }
}

fn replaced(chunk: std::str::Utf8Chunk<'_>) -> impl Iterator<Item = char> + '_ {
    let mark = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
    chunk.valid().chars().chain(mark)
}

/// The character that an escape stands for, and the bytes that it takes.
fn one_escape(text: &[u8]) -> (char, usize) {
    let letter = match text.get(1) {
        Some(b'u') => return unicode(text),
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(plain @ (b'"' | b'\\' | b'/')) => char::from(*plain),
        _ => return (char::REPLACEMENT_CHARACTER, 1),
    };
    (letter, 2)
}

fn unicode(text: &[u8]) -> (char, usize) {
    let Some(high) = lex::hex4(text, 2) else { return (char::REPLACEMENT_CHARACTER, 2) };
    let low = (text.get(6..8) == Some(b"\\u".as_slice())).then(|| lex::hex4(text, 8)).flatten();
    if let (0xD800..=0xDBFF, Some(low @ 0xDC00..=0xDFFF)) = (high, low) {
        let point = 0x10000 + ((u32::from(high) - 0xD800) << 10) + (u32::from(low) - 0xDC00);
        return (char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
    }
    (char::from_u32(u32::from(high)).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
}

/// Writes a text as a JSON string, quotes included.
pub fn quote(text: &str) -> Bytes {
    let mut quoted = BytesMut::with_capacity(text.len() + 2);
    put_quoted(&mut quoted, text);
    quoted.freeze()
}

/// Adds a text as a JSON string, quotes included.
pub fn put_quoted(out: &mut BytesMut, text: &str) {
    out.extend_from_slice(b"\"");
    put_escaped(out, text);
    out.extend_from_slice(b"\"");
}

/// Adds the inside of a JSON string: stretches without anything to escape are copied whole.
pub fn put_escaped(out: &mut BytesMut, text: &str) {
    out.reserve(text.len());
    let mut rest = text.as_bytes();
    while let Some((plain, special)) = rest.split_at_checked(lex::text_end::<false>(rest, 0)) {
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else { return };
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            byte => out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]),
        }
        rest = after;
    }
}

const fn hex(digit: u8) -> u8 {
    if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_undone() {
        assert_eq!(unescape(br#"a\"\\\/\b\f\n\r\t\u0041\ud83d\ude00z"#), "a\"\\/\u{8}\u{c}\n\r\tA\u{1f600}z");
        assert!(matches!(unescape(b"plain"), Cow::Borrowed("plain")));
    }

    #[test]
    fn broken_escapes_become_replacement_characters() {
        assert_eq!(unescape(br"\ud83d x \q \u12"), "\u{fffd} x \u{fffd}q \u{fffd}12");
        assert_eq!(unescape(b"\\"), "\u{fffd}");
        assert_eq!(unescape(b"a\xFFb"), "a\u{fffd}b");
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_back(text in any::<String>()) {
            let quoted = quote(&text);
            prop_assert_eq!(unescape(inside(&quoted)), text.as_str());
            prop_assert_eq!(serde_json::from_slice::<String>(&quoted).unwrap(), text);
        }

        #[test]
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _text = unescape(&bytes);
        }
    }
}
