//! The one strict pass over a request body: what it accepts, every other JSON parser accepts and reads alike.

use std::fmt;

use smallvec::SmallVec;

use super::{keys, lex};

/// The deepest nesting that [`Limits::depth_max`] can allow.
const DEPTH_CEILING: u32 = 128;

/// What a document may be, and which of its fields are policy.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Objects and arrays within each other, the outermost counted. At most 128 whatever is asked for.
    pub depth_max: u32,
    /// Members of any one object.
    pub members_max: u32,
    /// The fields that decisions are made on: given a key after [`super::fold`], the name that it must have exactly.
    pub guarded: fn(&str) -> Option<&'static str>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth_max: 64, members_max: 10_000, guarded: |_| None }
    }
}

/// A range of bytes in a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// The bytes it covers; empty if it does not lie in `body`.
    #[inline]
    pub fn of(self, body: &[u8]) -> &[u8] {
        body.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Offsets in a body that [`scan`] took are below 2^32; others are cut to that.
    #[inline]
    pub(super) fn new(start: usize, end: usize) -> Self {
        let cut = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self { start: cut(start), end: cut(end) }
    }
}

/// One member of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// The key, with its quotes.
    pub key: Span,
    /// The value, without the space around it.
    pub value: Span,
}

/// A body that was scanned: where its object and the members of that lie.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The object, with its braces.
    pub object: Span,
    /// Its members, in order.
    pub members: SmallVec<[Member; 16]>,
}

impl Document {
    /// The index of the member with this key, however that is escaped.
    pub fn find(&self, body: &[u8], name: &str) -> Option<usize> {
        self.members.iter().position(|member| keys::is(member.key.of(body), name))
    }
}

/// Why a body was refused, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanError {
    /// What is wrong.
    pub flaw: Flaw,
    /// The offset of the first byte that is wrong.
    pub at: usize,
}

/// What can be wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// There is nothing.
    Empty,
    /// It starts with a byte order mark.
    Bom,
    /// The outermost value is not an object.
    NotAnObject,
    /// It stops in the middle.
    Ends,
    /// Something else was expected here.
    Expected(&'static str),
    /// A second document, or rubbish, follows.
    Trailing,
    /// A string has bytes that are not UTF-8.
    NotUtf8,
    /// A string has a control character that is not escaped.
    Control,
    /// An escape that JSON does not have.
    Escape,
    /// Half of a surrogate pair.
    LoneSurrogate,
    /// Not a JSON number.
    Number,
    /// Nested deeper than this.
    TooDeep(u32),
    /// More members in one object than this.
    TooMany(u32),
    /// More bytes than offsets can count.
    TooLong,
    /// A key of the outermost object appears twice, escapes undone.
    Duplicate,
    /// A key that a careless parser takes for this one.
    Twin(&'static str),
}

impl fmt::Display for Flaw {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => out.write_str("the body is empty, expected an object"),
            Self::Bom => out.write_str("a byte order mark, expected '{'"),
            Self::NotAnObject => out.write_str("expected an object"),
            Self::Ends => out.write_str("the body ends in the middle"),
            Self::Expected(what) => write!(out, "expected {what}"),
            Self::Trailing => out.write_str("expected nothing after the object"),
            Self::NotUtf8 => out.write_str("not UTF-8"),
            Self::Control => out.write_str("a control character in a string must be escaped"),
            Self::Escape => out.write_str("not an escape that JSON has"),
            Self::LoneSurrogate => out.write_str("half of a surrogate pair"),
            Self::Number => out.write_str("not a number as JSON writes them"),
            Self::TooDeep(most) => write!(out, "nested deeper than {most}"),
            Self::TooMany(most) => write!(out, "more than {most} members in one object"),
            Self::TooLong => out.write_str("longer than 4 GiB"),
            Self::Duplicate => out.write_str("this key appears more than once"),
            Self::Twin(name) => write!(out, "this key can be mistaken for '{name}'"),
        }
    }
}

impl fmt::Display for ScanError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} (at byte {})", self.flaw, self.at)
    }
}

impl std::error::Error for ScanError {}

/// Checks a whole body against RFC 8259 and records the members of its outermost object.
///
/// # Errors
/// Anything that two parsers could read in two ways: see [`Flaw`].
pub fn scan(body: &[u8], limits: &Limits) -> Result<Document, ScanError> {
    let document = Scanner::new(body, limits).run().map_err(|(flaw, at)| ScanError { flaw, at })?;
    keys::check(body, &document.members, limits.guarded)?;
    Ok(document)
}

/// What may come next.
#[derive(Clone, Copy)]
enum Next {
    KeyOrEnd,
    Key,
    ValueOrEnd,
    Value,
    CommaOrEnd,
}

struct Scanner<'a> {
    body: &'a [u8],
    at: usize,
    limits: &'a Limits,
    depth_max: u32,
    depth: u32,
    // One bit for each open container: 1 is an object. The innermost is the lowest.
    objects: u128,
    counts: [u32; DEPTH_CEILING as usize + 1],
    member: Member,
    members: SmallVec<[Member; 16]>,
}

type Step<T> = Result<T, (Flaw, usize)>;

impl<'a> Scanner<'a> {
    fn new(body: &'a [u8], limits: &'a Limits) -> Self {
        let depth_max = limits.depth_max.min(DEPTH_CEILING);
        let counts = [0; DEPTH_CEILING as usize + 1];
        let (member, members) = (Member::default(), SmallVec::new());
        Self { body, at: 0, limits, depth_max, depth: 0, objects: 0, counts, member, members }
    }

    fn run(mut self) -> Step<Document> {
        let start = self.first_brace()?;
        let mut next = self.open(Next::KeyOrEnd)?;
        while self.depth > 0 {
            self.at = lex::space(self.body, self.at);
            let Some(&byte) = self.body.get(self.at) else { return Err((Flaw::Ends, self.at)) };
            next = self.step(next, byte)?;
        }
        let object = Span::new(start, self.at);
        match lex::space(self.body, self.at) {
            end if end == self.body.len() => Ok(Document { object, members: self.members }),
            trailing => Err((Flaw::Trailing, trailing)),
        }
    }

    fn first_brace(&mut self) -> Step<usize> {
        if self.body.len() >= u32::MAX as usize {
            return Err((Flaw::TooLong, u32::MAX as usize));
        }
        if self.body.starts_with(b"\xEF\xBB\xBF") {
            return Err((Flaw::Bom, 0));
        }
        self.at = lex::space(self.body, 0);
        match self.body.get(self.at) {
            Some(b'{') => Ok(self.at),
            Some(_) => Err((Flaw::NotAnObject, self.at)),
            None => Err((Flaw::Empty, 0)),
        }
    }

    #[inline]
    fn step(&mut self, next: Next, byte: u8) -> Step<Next> {
        match (next, byte) {
            (Next::KeyOrEnd | Next::CommaOrEnd, b'}') if self.in_object() => self.close(),
            (Next::ValueOrEnd | Next::CommaOrEnd, b']') if !self.in_object() => self.close(),
            (Next::KeyOrEnd | Next::Key, b'"') => self.key(),
            (Next::ValueOrEnd | Next::Value, _) => self.value(byte),
            (Next::CommaOrEnd, b',') => {
                self.at += 1;
                Ok(if self.in_object() { Next::Key } else { Next::Value })
            }
            (Next::KeyOrEnd, _) => Err((Flaw::Expected("a key or '}'"), self.at)),
            (Next::Key, _) => Err((Flaw::Expected("a key"), self.at)),
            (Next::CommaOrEnd, _) if self.in_object() => Err((Flaw::Expected("',' or '}'"), self.at)),
            (Next::CommaOrEnd, _) => Err((Flaw::Expected("',' or ']'"), self.at)),
        }
    }

    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }

    #[inline]
    fn key(&mut self) -> Step<Next> {
        let start = self.at;
        let end = lex::string(self.body, start + 1)?;
        self.count_member(start)?;
        let colon = lex::space(self.body, end);
        match self.body.get(colon) {
            Some(b':') => self.at = colon + 1,
            Some(_) => return Err((Flaw::Expected("':'"), colon)),
            None => return Err((Flaw::Ends, colon)),
        }
        if self.depth == 1 {
            self.member.key = Span::new(start, end);
        }
        Ok(Next::Value)
    }

    fn count_member(&mut self, at: usize) -> Step<()> {
        let Some(count) = self.counts.get_mut(self.depth as usize) else { return Ok(()) };
        *count += 1;
        if *count > self.limits.members_max {
            return Err((Flaw::TooMany(self.limits.members_max), at));
        }
        Ok(())
    }

    #[inline]
    fn value(&mut self, byte: u8) -> Step<Next> {
        let start = self.at;
        if self.depth == 1 {
            self.member.value.start = Span::new(start, start).start;
        }
        self.at = match byte {
            b'"' => lex::string(self.body, start + 1)?,
            b'{' => return self.open(Next::KeyOrEnd),
            b'[' => return self.open(Next::ValueOrEnd),
            b'-' | b'0'..=b'9' => lex::number(self.body, start)?,
            _ => lex::literal(self.body, start)?,
        };
        self.value_ends();
        Ok(Next::CommaOrEnd)
    }

    #[inline]
    fn open(&mut self, next: Next) -> Step<Next> {
        if self.depth >= self.depth_max {
            return Err((Flaw::TooDeep(self.depth_max), self.at));
        }
        self.depth += 1;
        self.objects = self.objects << 1 | u128::from(matches!(next, Next::KeyOrEnd));
        if let Some(count) = self.counts.get_mut(self.depth as usize) {
            *count = 0;
        }
        self.at += 1;
        Ok(next)
    }

    #[inline]
    fn close(&mut self) -> Step<Next> {
        self.depth -= 1;
        self.objects >>= 1;
        self.at += 1;
        self.value_ends();
        Ok(Next::CommaOrEnd)
    }

    #[inline]
    fn value_ends(&mut self) {
        if self.depth == 1 {
            self.member.value.end = Span::new(self.at, self.at).end;
            self.members.push(self.member);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw(body: &[u8]) -> Option<Flaw> {
        scan(body, &Limits::default()).err().map(|error| error.flaw)
    }

    #[test]
    fn members_are_recorded_where_they_lie() {
        let body = br#" { "model" : "gpt" , "n":1,"x":{"y":[1,{}]} } "#;
        let document = scan(body, &Limits::default()).unwrap();
        let read: Vec<_> = document.members.iter().map(|m| (m.key.of(body), m.value.of(body))).collect();
        assert_eq!(
            read,
            [(b"\"model\"".as_slice(), b"\"gpt\"".as_slice()), (b"\"n\"", b"1"), (b"\"x\"", b"{\"y\":[1,{}]}")]
        );
        assert_eq!(document.object.of(body), &body[1..body.len() - 1]);
        assert_eq!((document.find(body, "n"), document.find(body, "y")), (Some(1), None));
    }

    #[test]
    fn depth_is_counted_from_the_outermost_object() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert_eq!(flaw(nested(64).as_bytes()), None);
        assert_eq!(flaw(nested(65).as_bytes()), Some(Flaw::TooDeep(64)));
        assert_eq!(flaw(nested(100_000).as_bytes()), Some(Flaw::TooDeep(64)));
        let deep = Limits { depth_max: u32::MAX, ..Limits::default() };
        assert!(scan(nested(128).as_bytes(), &deep).is_ok());
        assert!(scan(nested(129).as_bytes(), &deep).is_err());
    }

    #[test]
    fn members_of_every_object_are_counted() {
        let limits = Limits { members_max: 3, ..Limits::default() };
        assert!(scan(br#"{"a":{"x":1,"y":2,"z":3},"b":{"x":1,"y":2,"z":3},"c":0}"#, &limits).is_ok());
        let error = scan(br#"{"a":[{"w":1,"x":1,"y":2,"z":3}]}"#, &limits).unwrap_err();
        assert_eq!(error.flaw, Flaw::TooMany(3));
        assert!(scan(br#"{"a":1,"b":1,"c":1,"d":1}"#, &limits).is_err());
    }

    #[test]
    fn an_error_says_what_and_where() {
        for (body, text) in [
            ("", "the body is empty, expected an object (at byte 0)"),
            ("[1]", "expected an object (at byte 0)"),
            ("{\"a\":1,}", "expected a key (at byte 7)"),
            ("{\"a\" 1}", "expected ':' (at byte 5)"),
            ("{\"a\":[1 2]}", "expected ',' or ']' (at byte 8)"),
            ("{\"a\":NaN}", "expected a value (at byte 5)"),
            ("{\"a\":1", "the body ends in the middle (at byte 6)"),
            ("{} {}", "expected nothing after the object (at byte 3)"),
            ("{\"a\":1,\"\\u0061\":2}", "this key appears more than once (at byte 7)"),
        ] {
            assert_eq!(scan(body.as_bytes(), &Limits::default()).unwrap_err().to_string(), text, "{body}");
        }
    }
}
