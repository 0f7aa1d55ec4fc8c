//! Walking JSON in one direction, without trusting it: what is malformed ends the walk, nothing more.

use std::borrow::Cow;
use std::fmt;

use super::scan::{Flaw, Member, ScanError, Span};
use super::{keys, lex, text};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        })
    }
}

/// What the value is that starts with these bytes. None for what no value starts with.
pub fn kind(value: &[u8]) -> Option<Kind> {
    Some(match value.first()? {
        b'n' => Kind::Null,
        b't' | b'f' => Kind::Bool,
        b'-' | b'0'..=b'9' => Kind::Number,
        b'"' => Kind::String,
        b'[' => Kind::Array,
        b'{' => Kind::Object,
        _ => return None,
    })
}

/// Whether the value is `null`.
pub fn is_null(value: &[u8]) -> bool {
    value == b"null"
}

/// Reads a boolean.
pub fn as_bool(value: &[u8]) -> Option<bool> {
    match value {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

/// Reads an integer that is written as digits alone and fits.
pub fn as_u64(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 1 && value.first() == Some(&b'0') {
        return None;
    }
    value.iter().try_fold(0_u64, |number, byte| match byte {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(byte - b'0')),
        _ => None,
    })
}

/// Reads a string, escapes undone.
pub fn as_str(value: &[u8]) -> Option<Cow<'_, str>> {
    let quoted = value.len() >= 2 && value.first() == Some(&b'"') && value.last() == Some(&b'"');
    quoted.then(|| text::unescape(text::inside(value)))
}

/// The members of the object at `object`.
pub fn members(body: &[u8], object: Span) -> Members<'_> {
    let mut cursor = Cursor::within(body, object);
    let open = cursor.open_object().is_some();
    Members { cursor, open, whole: false }
}

/// The values in the array at `array`.
pub fn elements(body: &[u8], array: Span) -> Elements<'_> {
    let mut cursor = Cursor::within(body, array);
    let open = cursor.open_array().is_some();
    Elements { cursor, open, whole: false }
}

/// Finds a member that a decision is made on, in an object that [`super::scan`] has passed.
///
/// # Errors
/// The key is there twice, or beside or instead of it stands one that a careless parser takes for it.
pub fn find(body: &[u8], object: Span, name: &'static str) -> Result<Option<Span>, ScanError> {
    let wanted = keys::fold(name);
    let mut found = None;
    for member in members(body, object) {
        let key = text::unescape(text::inside(member.key.of(body)));
        let flaw = match (key == name, found) {
            (true, None) => {
                found = Some(member.value);
                continue;
            }
            (true, Some(_)) => Flaw::Duplicate,
            (false, _) if keys::fold(&key) == wanted => Flaw::Twin(name),
            (false, _) => continue,
        };
        return Err(ScanError { flaw, at: member.key.start as usize });
    }
    Ok(found)
}

/// Iterates over the members of an object; see [`members`].
#[derive(Clone, Debug)]
pub struct Members<'a> {
    cursor: Cursor<'a>,
    open: bool,
    whole: bool,
}

impl Members<'_> {
    /// Whether the object was read to its closing brace.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    fn step(&mut self) -> Option<Option<Member>> {
        let Some(key) = self.cursor.key()? else { return Some(None) };
        let value = self.cursor.skip()?;
        Some(Some(Member { key, value }))
    }
}

impl Iterator for Members<'_> {
    type Item = Member;

    fn next(&mut self) -> Option<Member> {
        if !self.open {
            return None;
        }
        let step = self.step();
        self.open = matches!(step, Some(Some(_)));
        self.whole = matches!(step, Some(None));
        step.flatten()
    }
}

/// Iterates over the values in an array; see [`elements`].
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    cursor: Cursor<'a>,
    open: bool,
    whole: bool,
}

impl Elements<'_> {
    /// Whether the array was read to its closing bracket.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    fn step(&mut self) -> Option<Option<Span>> {
        if !self.cursor.element()? {
            return Some(None);
        }
        Some(Some(self.cursor.skip()?))
    }
}

impl Iterator for Elements<'_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        if !self.open {
            return None;
        }
        let step = self.step();
        self.open = matches!(step, Some(Some(_)));
        self.whole = matches!(step, Some(None));
        step.flatten()
    }
}

/// A place in a JSON text. Every step answers None where the text is not what the step is for; then stop.
///
/// It finds the ends of values by their brackets and quotes and checks no more than it needs: on text that
/// [`super::scan`] has passed it is exact, on other text it is bounded and never panics.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
    // Just behind an opening bracket, where no comma stands.
    fresh: bool,
}

impl<'a> Cursor<'a> {
    /// Starts at the beginning.
    pub fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0, fresh: true }
    }

    /// Starts at a span and never leaves it; spans that it answers are places in the whole body.
    pub fn within(body: &'a [u8], span: Span) -> Self {
        Self { text: body.get(..span.end as usize).unwrap_or(body), at: span.start as usize, fresh: true }
    }

    /// The whole text (up to the end of the span).
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Where the next step starts.
    pub fn offset(&self) -> u32 {
        Span::new(self.at, self.at).end
    }

    /// Whether nothing but space is left.
    pub fn is_at_end(&self) -> bool {
        lex::space(self.text, self.at) >= self.text.len()
    }

    /// The first byte of the next value.
    #[inline]
    pub fn peek(&mut self) -> Option<u8> {
        self.at = lex::space(self.text, self.at);
        self.text.get(self.at).copied()
    }

    /// Steps into an object.
    #[inline]
    pub fn open_object(&mut self) -> Option<()> {
        self.open(b'{')
    }

    /// Steps into an array.
    #[inline]
    pub fn open_array(&mut self) -> Option<()> {
        self.open(b'[')
    }

    #[inline]
    fn open(&mut self, bracket: u8) -> Option<()> {
        if self.peek()? != bracket {
            return None;
        }
        self.at += 1;
        self.fresh = true;
        Some(())
    }

    /// The next key of the object, quotes included, or `Some(None)` after stepping out of it.
    #[inline]
    pub fn key(&mut self) -> Option<Option<Span>> {
        if !self.another(b'}')? {
            return Some(None);
        }
        let start = self.at;
        if self.text.get(start) != Some(&b'"') {
            return None;
        }
        let end = string_end(self.text, start + 1)?;
        self.at = end;
        if self.peek()? != b':' {
            return None;
        }
        self.at += 1;
        Some(Some(Span::new(start, end)))
    }

    /// Whether the array has another value; `Some(false)` after stepping out of it.
    #[inline]
    pub fn element(&mut self) -> Option<bool> {
        self.another(b']')
    }

    #[inline]
    fn another(&mut self, bracket: u8) -> Option<bool> {
        let byte = self.peek()?;
        let fresh = std::mem::replace(&mut self.fresh, false);
        if byte == bracket {
            self.at += 1;
            return Some(false);
        }
        if !fresh {
            if byte != b',' {
                return None;
            }
            self.at += 1;
            self.peek()?;
        }
        Some(true)
    }

    /// Steps over one value and answers where it lies.
    #[inline]
    pub fn skip(&mut self) -> Option<Span> {
        let byte = self.peek()?;
        let start = self.at;
        self.at = match byte {
            b'"' => string_end(self.text, start + 1)?,
            b'{' | b'[' => container_end(self.text, start)?,
            _ => scalar_end(self.text, start)?,
        };
        self.fresh = false;
        Some(Span::new(start, self.at))
    }
}

#[inline]
fn string_end(text: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at = lex::text_end::<false>(text, at);
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn container_end(text: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_u32;
    loop {
        match text.get(at)? {
            b'"' => {
                at = string_end(text, at + 1)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return Some(at + 1),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
}

fn scalar_end(text: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    while let Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') = text.get(at) {
        at += 1;
    }
    (at > start).then_some(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(text: &str) -> Span {
        Span::new(0, text.len())
    }

    #[test]
    fn nested_values_are_found_in_place() {
        let text = r#"{"a":[1, "x]" ,{"b":[]}],"stream_options" : {"include_usage": true }}"#;
        let top: Vec<_> = members(text.as_bytes(), whole(text)).collect();
        let items: Vec<_> = elements(text.as_bytes(), top[0].value).map(|span| span.of(text.as_bytes())).collect();
        assert_eq!(items, [b"1".as_slice(), b"\"x]\"", b"{\"b\":[]}"]);
        let found = find(text.as_bytes(), top[1].value, "include_usage").unwrap().unwrap();
        assert_eq!(as_bool(found.of(text.as_bytes())), Some(true));
    }

    #[test]
    fn a_doubtful_nested_field_is_refused() {
        for text in [
            r#"{"include_usage":true,"include_usage":false}"#,
            r#"{"include_usage":true,"include\u005fusage":false}"#,
            r#"{"Include_Usage":true}"#,
            r#"{"includeUsage":true}"#,
        ] {
            assert!(find(text.as_bytes(), whole(text), "include_usage").is_err(), "{text}");
        }
    }

    #[test]
    fn integers_are_read_exactly_or_not_at_all() {
        for (text, number) in [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("-1", None),
            ("1.0", None),
            ("1e3", None),
            ("01", None),
            ("", None),
        ] {
            assert_eq!(as_u64(text.as_bytes()), number, "{text}");
        }
    }

    #[test]
    fn a_broken_object_is_read_as_far_as_it_goes() {
        let text = r#"{"a":1,"b":[2"#;
        let mut walk = members(text.as_bytes(), whole(text));
        assert_eq!(walk.by_ref().count(), 1);
        assert!(!walk.is_whole());
        let text = r#"{"a":1 }"#;
        let mut walk = members(text.as_bytes(), whole(text));
        assert_eq!(walk.by_ref().count(), 1);
        assert!(walk.is_whole());
    }

    proptest! {
        #[test]
        fn any_bytes_end_the_walk(bytes in "[\\[\\]{}\",:0-9a\\\\ ]{0,80}") {
            let span = Span::new(0, bytes.len());
            prop_assert!(members(bytes.as_bytes(), span).count() <= bytes.len());
            prop_assert!(elements(bytes.as_bytes(), span).count() <= bytes.len());
        }
    }
}
