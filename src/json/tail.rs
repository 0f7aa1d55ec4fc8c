//! Reading a reply while it passes: chunks in any cut, only the brackets and quotes are followed.

use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Cursor, block, lex, text};

/// The most that is kept of one value, in bytes.
pub const FOUND_BYTES_MAX: usize = 64 * 1024;
/// The longest key that can be asked for, as it may be escaped.
const KEY_BYTES_MAX: usize = 96;
/// A reply up to this length is first read as one that came whole: if it did not, it is read again.
const AT_ONCE_BYTES_MAX: usize = 64 * 1024;
/// The most members that are found; a reply has no reason to repeat its keys.
const FOUND_MAX: usize = 64;

/// A top-level member that was asked for.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its key.
    pub name: &'static str,
    /// Where its value lies, counted from the first byte of the reply.
    pub at: Range<u64>,
    /// The value, up to [`FOUND_BYTES_MAX`].
    pub value: Bytes,
    /// Whether `value` is all of it.
    pub whole: bool,
}

/// An incremental, bounded reader of one JSON object. It is exact on JSON; on other text it only never fails.
#[derive(Debug)]
pub struct Tail {
    wanted: &'static [&'static str],
    found: SmallVec<[Found; 4]>,
    read: u64,
    depth: u32,
    string: Option<Text>,
    escaped: bool,
    expects: Expects,
    key: SmallVec<[u8; KEY_BYTES_MAX]>,
    value: Option<Open>,
    state: State,
}

/// Which string the reader is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Key,
    Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    Key,
    Value,
    Nothing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Before,
    Within,
    Closed,
    Broken,
}

/// A value that has begun.
#[derive(Debug)]
struct Open {
    name: Option<&'static str>,
    start: u64,
    kept: Vec<u8>,
    whole: bool,
    // A number or literal: ends where something else begins.
    bare: bool,
}

impl Tail {
    /// Looks for these keys of the outermost object.
    pub fn new(wanted: &'static [&'static str]) -> Self {
        Self {
            wanted,
            found: SmallVec::new(),
            read: 0,
            depth: 0,
            string: None,
            escaped: false,
            expects: Expects::Key,
            key: SmallVec::new(),
            value: None,
            state: State::Before,
        }
    }

    /// Reads on.
    pub fn push(&mut self, chunk: &[u8]) {
        if self.read == 0 && chunk.len() <= AT_ONCE_BYTES_MAX && self.read_at_once(chunk).is_some() {
            return;
        }
        let mut at = 0;
        // Where the part of this chunk starts that belongs to an open value and is not kept yet.
        let mut unkept = 0;
        while at < chunk.len() {
            at = match (self.string, self.depth) {
                (Some(string), _) => self.string(chunk, at, string, &mut unkept),
                (None, 2..) => self.nested(chunk, at, &mut unkept),
                (None, _) => self.shallow(chunk, at, &mut unkept),
            };
        }
        self.keep(chunk.get(unkept..).unwrap_or_default());
        self.read += chunk.len() as u64;
    }

    /// Reads a reply that came whole, in fewer steps. Where it is not whole nothing has changed.
    fn read_at_once(&mut self, chunk: &[u8]) -> Option<()> {
        let (mut found, mut cursor) = (SmallVec::<[Found; 4]>::new(), Cursor::new(chunk));
        cursor.open_object()?;
        while let Some(key) = cursor.key()? {
            let value = cursor.skip()?;
            let inside = text::inside(key.of(chunk));
            if inside.len() < KEY_BYTES_MAX
                && found.len() < FOUND_MAX
                && let Some(name) = wanted(self.wanted, inside)
            {
                let bytes = value.of(chunk);
                let kept = bytes.get(..FOUND_BYTES_MAX).unwrap_or(bytes);
                let at = u64::from(value.start)..u64::from(value.end);
                found.push(Found { name, at, value: Bytes::copy_from_slice(kept), whole: kept.len() == bytes.len() });
            }
        }
        if !cursor.is_at_end() {
            return None;
        }
        (self.found, self.read, self.state) = (found, chunk.len() as u64, State::Closed);
        Some(())
    }

    /// What was found so far, in order; a key that appears twice is there twice.
    pub fn found(&self) -> &[Found] {
        &self.found
    }

    /// The last value of a key.
    pub fn value(&self, name: &str) -> Option<&Found> {
        self.found.iter().rev().find(|found| found.name == name)
    }

    /// Whether the object was closed and only space followed.
    pub fn is_complete(&self) -> bool {
        self.state == State::Closed
    }

    /// Bytes read so far.
    pub fn len(&self) -> u64 {
        self.read
    }

    /// Whether nothing was read yet.
    pub fn is_empty(&self) -> bool {
        self.read == 0
    }

    fn string(&mut self, chunk: &[u8], start: usize, string: Text, unkept: &mut usize) -> usize {
        let next = self.text(chunk, start);
        match (string, self.string) {
            (Text::Key, _) => self.key_bytes(chunk.get(start..next).unwrap_or_default()),
            (Text::Value, None) if self.depth == 1 => self.end_value(chunk, next, unkept),
            (Text::Value, _) => {}
        }
        next
    }

    /// Reads to the next quote or escape of the string it is in, and over that.
    fn text(&mut self, chunk: &[u8], start: usize) -> usize {
        if std::mem::take(&mut self.escaped) {
            return start + 1;
        }
        let at = lex::text_end::<false>(chunk, start);
        match chunk.get(at) {
            Some(b'"') => self.string = None,
            Some(b'\\') => self.escaped = true,
            Some(_) => {}
            None => return at,
        }
        at + 1
    }

    /// Reads on within a value that nobody asks about the inside of, to its end if that is here.
    fn nested(&mut self, chunk: &[u8], mut at: usize, unkept: &mut usize) -> usize {
        loop {
            at = bracket_or_quote(chunk, at);
            match chunk.get(at) {
                Some(b'"') => match string_end(chunk, at + 1) {
                    Some(end) => {
                        at = end;
                        continue;
                    }
                    None => {
                        self.string = Some(Text::Value);
                        return at + 1;
                    }
                },
                Some(b'{' | b'[') => self.depth = self.depth.saturating_add(1),
                Some(_) => self.depth -= 1,
                None => return at,
            }
            at += 1;
            if self.depth == 1 {
                self.end_value(chunk, at, unkept);
                return at;
            }
        }
    }

    fn shallow(&mut self, chunk: &[u8], at: usize, unkept: &mut usize) -> usize {
        let byte = chunk.get(at).copied().unwrap_or(b' ');
        if self.depth == 0 {
            self.outside(byte);
            return at + 1;
        }
        match byte {
            b'"' if self.expects == Expects::Key => {
                self.key.clear();
                self.string = Some(Text::Key);
            }
            b'"' => {
                self.begin_value(at, false, unkept);
                self.string = Some(Text::Value);
            }
            b'{' | b'[' => {
                self.begin_value(at, false, unkept);
                self.depth += 1;
            }
            b':' => self.expects = Expects::Value,
            b',' => {
                self.end_bare(chunk, at, unkept);
                self.expects = Expects::Key;
            }
            b'}' => {
                self.end_bare(chunk, at, unkept);
                self.depth = 0;
                self.state = State::Closed;
            }
            b' ' | b'\t' | b'\n' | b'\r' => self.end_bare(chunk, at, unkept),
            _ => self.begin_value(at, true, unkept),
        }
        at + 1
    }

    fn outside(&mut self, byte: u8) {
        self.state = match (self.state, byte) {
            (state, b' ' | b'\t' | b'\n' | b'\r') => state,
            (State::Before, b'{') => {
                self.depth = 1;
                State::Within
            }
            _ => State::Broken,
        };
    }

    fn begin_value(&mut self, at: usize, bare: bool, unkept: &mut usize) {
        if self.expects != Expects::Value {
            return;
        }
        self.expects = Expects::Nothing;
        *unkept = at;
        let name = self.name();
        self.value = Some(Open { name, start: self.read + at as u64, kept: Vec::new(), whole: true, bare });
    }

    fn end_bare(&mut self, chunk: &[u8], at: usize, unkept: &mut usize) {
        if self.value.as_ref().is_some_and(|open| open.bare) {
            self.end_value(chunk, at, unkept);
        }
    }

    fn end_value(&mut self, chunk: &[u8], end: usize, unkept: &mut usize) {
        self.keep(chunk.get(*unkept..end).unwrap_or_default());
        *unkept = end;
        let end = self.read + end as u64;
        let Some(Open { name: Some(name), start, kept, whole, .. }) = self.value.take() else { return };
        self.found.push(Found { name, at: start..end, value: kept.into(), whole });
    }

    fn keep(&mut self, bytes: &[u8]) {
        let Some(open) = self.value.as_mut().filter(|open| open.name.is_some()) else { return };
        let room = FOUND_BYTES_MAX - open.kept.len();
        open.whole &= bytes.len() <= room;
        open.kept.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
    }

    fn key_bytes(&mut self, bytes: &[u8]) {
        // One over the limit: such a key is never one that was asked for.
        let room = (KEY_BYTES_MAX - self.key.len()).min(bytes.len());
        self.key.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }

    fn name(&self) -> Option<&'static str> {
        let inside = self.key.strip_suffix(b"\"")?;
        wanted(self.wanted, inside).filter(|_| self.found.len() < FOUND_MAX)
    }
}

/// The one of the names that this is, however it is escaped.
fn wanted(names: &[&'static str], inside: &[u8]) -> Option<&'static str> {
    let name = match memchr::memchr(b'\\', inside) {
        None => names.iter().find(|name| name.as_bytes() == inside),
        Some(_) => {
            let key = text::unescape(inside);
            names.iter().find(|name| **name == key)
        }
    };
    name.copied()
}

/// The place after the closing quote of the string that `at` is in, if that is here.
fn string_end(chunk: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at = lex::text_end::<false>(chunk, at);
        match chunk.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The first bracket, brace or quote from `at` on, or the end. Embeddings are millions of digits: in blocks, like text.
#[inline]
fn bracket_or_quote(chunk: &[u8], at: usize) -> usize {
    block::find(chunk, at, block::BracketOrQuote)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::{Limits, scan};

    const WANTED: &[&str] = &["model", "usage", "n", "last"];

    fn tail(chunks: &[&[u8]]) -> Tail {
        let mut tail = Tail::new(WANTED);
        chunks.iter().for_each(|chunk| tail.push(chunk));
        tail
    }

    fn found(tail: &Tail) -> Vec<(&'static str, Range<u64>, Vec<u8>)> {
        tail.found().iter().map(|found| (found.name, found.at.clone(), found.value.to_vec())).collect()
    }

    #[test]
    fn members_are_found_whatever_the_cut() {
        let text = br#" {"id":"a\"b","x":[{"model":"no"},"]\\"],"mod\u0065l" : "gp\"t" ,"n":12 ,"usage":{"a":[1,{}]},"last":null} "#;
        let whole = tail(&[text]);
        let values: Vec<_> = whole.found().iter().map(|found| (found.name, found.value.as_ref())).collect();
        assert_eq!(
            values,
            [("model", br#""gp\"t""#.as_slice()), ("n", b"12"), ("usage", br#"{"a":[1,{}]}"#), ("last", b"null")]
        );
        assert!(
            whole
                .found()
                .iter()
                .all(|found| { text[found.at.start as usize..found.at.end as usize] == found.value && found.whole })
        );
        assert!(whole.is_complete());
        for cut in 0..text.len() {
            let parts = tail(&[&text[..cut], &text[cut..]]);
            assert_eq!(found(&parts), found(&whole), "{cut}");
            assert!(parts.is_complete());
            assert!(!tail(&[&text[..cut.min(text.len() - 2)]]).is_complete(), "{cut}");
        }
        let bytes: Vec<_> = text.chunks(1).collect();
        assert_eq!(found(&tail(&bytes)), found(&whole));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let text = format!("{{\"usage\":\"{}\",\"model\":1}}", "x".repeat(FOUND_BYTES_MAX + 10));
        let tail = tail(&[text.as_bytes()]);
        let usage = tail.value("usage").unwrap();
        assert_eq!((usage.value.len(), usage.whole), (FOUND_BYTES_MAX, false));
        assert_eq!(usage.at.end - usage.at.start, FOUND_BYTES_MAX as u64 + 12);
        assert!(tail.value("model").unwrap().whole);
    }

    #[test]
    fn what_is_not_one_object_is_not_complete() {
        for text in ["", "[]", "null", "{} x", "{}{}", "{", "<html>"] {
            assert!(!tail(&[text.as_bytes()]).is_complete(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(chunks in proptest::collection::vec("[\\[\\]{}\",:0-9a\\\\ ]{0,30}", 0..6)) {
            let parts: Vec<_> = chunks.iter().map(|chunk| chunk.as_bytes()).collect();
            let whole = chunks.concat();
            prop_assert_eq!(found(&tail(&parts)), found(&tail(&[whole.as_bytes()])));
        }

        #[test]
        fn it_agrees_with_the_strict_scan(value in "[a-z\\[\\]{}\",:]{0,40}") {
            let text = format!("{{\"n\":[{0},{{\"y\":{0}}}],\"model\":{0}}}", serde_json::to_string(&value).unwrap());
            let document = scan(text.as_bytes(), &Limits::default()).unwrap();
            let tail = tail(&[text.as_bytes()]);
            let spans: Vec<_> = document.members.iter().map(|m| u64::from(m.value.start)..u64::from(m.value.end)).collect();
            prop_assert_eq!(tail.found().iter().map(|found| found.at.clone()).collect::<Vec<_>>(), spans);
        }
    }
}
