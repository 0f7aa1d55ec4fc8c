//! Picks the few values an answer depends on out of a JSON body while its bytes go by, in pieces of any size.
//!
//! It is not a validator: it knows strings, escapes and nesting, and that is enough to find the members of the
//! outermost object. Long strings are skipped at the speed of `memchr`, so a body of a megabyte costs little more than
//! reading it from the socket.

/// A member of the request that the mock looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Model,
    Stream,
    StreamOptions,
    N,
    MaxTokens,
    MaxCompletionTokens,
    Tools,
    ToolChoice,
    ResponseFormat,
    Dimensions,
    EncodingFormat,
    Mock,
    /// The role of the last message.
    LastRole,
    /// `messages`: only the roles in it are kept.
    Messages,
    /// `input` or `prompt`: only counted.
    Items,
}

const FIELDS: usize = Field::Items as usize + 1;
/// Longest value that is kept; what is longer counts as absent.
const VALUE_BYTES_MAX: usize = 16 << 10;
/// Longest key that is told from others.
const KEY_BYTES_MAX: usize = 24;
/// Deepest nesting; a body beyond it is not complete.
const DEPTH_MAX: u32 = 10_000;

impl Field {
    fn of(key: &[u8]) -> Option<Self> {
        Some(match key {
            b"model" => Self::Model,
            b"stream" => Self::Stream,
            b"stream_options" => Self::StreamOptions,
            b"n" => Self::N,
            b"max_tokens" => Self::MaxTokens,
            b"max_completion_tokens" => Self::MaxCompletionTokens,
            b"tools" => Self::Tools,
            b"tool_choice" => Self::ToolChoice,
            b"response_format" => Self::ResponseFormat,
            b"dimensions" => Self::Dimensions,
            b"encoding_format" => Self::EncodingFormat,
            b"mock" => Self::Mock,
            b"messages" => Self::Messages,
            b"input" | b"prompt" => Self::Items,
            _ => return None,
        })
    }

    fn is_kept(self) -> bool {
        !matches!(self, Self::Messages | Self::Items)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lex {
    Plain,
    Text,
    Escape,
}

/// Where the bytes that go by are copied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Take {
    Nothing,
    Key,
    Value(Field),
}

#[derive(Clone, Copy, Debug, Default)]
struct Span {
    start: usize,
    end: usize,
}

/// The scan's state, and what it has found.
#[derive(Debug)]
pub(super) struct Sieve {
    lex: Lex,
    take: Take,
    depth: u32,
    /// Behind the colon of a top-level member, and which.
    member: Option<Option<Field>>,
    /// Behind the colon of a message's member.
    in_message_value: bool,
    key: [u8; KEY_BYTES_MAX],
    key_len: usize,
    kept: Vec<u8>,
    spans: [Option<Span>; FIELDS],
    items: u32,
    items_are_numbers: bool,
    opened: bool,
    spoiled: bool,
}

impl Sieve {
    /// A scan before its first byte.
    pub(super) fn new() -> Self {
        Self {
            lex: Lex::Plain,
            take: Take::Nothing,
            depth: 0,
            member: None,
            in_message_value: false,
            key: [0; KEY_BYTES_MAX],
            key_len: 0,
            kept: Vec::new(),
            spans: [None; FIELDS],
            items: 0,
            items_are_numbers: false,
            opened: false,
            spoiled: false,
        }
    }

    /// Reads on.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() && !self.spoiled {
            let used = match self.lex {
                Lex::Plain => self.plain(rest),
                Lex::Text => self.text(rest),
                Lex::Escape => self.escape(rest),
            };
            rest = rest.get(used..).unwrap_or_default();
        }
    }

    /// Whether the body was one whole object.
    pub(super) fn is_complete(&self) -> bool {
        self.opened && self.depth == 0 && !self.spoiled && self.lex == Lex::Plain
    }

    /// The bytes of a member's value, as they came but for white space between its parts.
    pub(super) fn value(&self, field: Field) -> Option<&[u8]> {
        let span = self.spans[field as usize]?;
        self.kept.get(span.start..span.end)
    }

    /// How many texts `input` or `prompt` holds, at least one.
    pub(super) fn items(&self) -> u32 {
        if self.items_are_numbers { 1 } else { self.items.max(1) }
    }

    fn text(&mut self, rest: &[u8]) -> usize {
        if self.take == Take::Nothing {
            return self.skip_text(rest);
        }
        let Some(at) = memchr::memchr2(b'"', b'\\', rest) else {
            self.keep(rest);
            return rest.len();
        };
        self.keep(&rest[..at]);
        if rest[at] == b'\\' {
            self.keep(b"\\");
            self.lex = Lex::Escape;
        } else {
            self.lex = Lex::Plain;
            match self.take {
                Take::Key => self.take = Take::Nothing,
                Take::Nothing | Take::Value(_) => self.keep(b"\""),
            }
        }
        at + 1
    }

    /// Passes over a text that nobody wants, its escapes included, without a step for each of them.
    fn skip_text(&mut self, rest: &[u8]) -> usize {
        let mut after_escape = 0;
        for at in memchr::memchr2_iter(b'"', b'\\', rest) {
            if at < after_escape {
                continue;
            }
            if rest[at] == b'"' {
                self.lex = Lex::Plain;
                return at + 1;
            }
            after_escape = at + 2;
        }
        if after_escape > rest.len() {
            self.lex = Lex::Escape;
        }
        rest.len()
    }

    fn escape(&mut self, rest: &[u8]) -> usize {
        self.keep(&rest[..1]);
        self.lex = Lex::Text;
        1
    }

    /// Takes one byte outside of strings.
    fn plain(&mut self, rest: &[u8]) -> usize {
        let byte = rest[0];
        match byte {
            b'"' => self.quote(),
            b'{' | b'[' => self.open(byte),
            b'}' | b']' => self.close(byte),
            b',' => self.comma(),
            b':' => self.colon(),
            _ => self.other(byte),
        }
        1
    }

    fn quote(&mut self) {
        self.note_item(b'"');
        self.lex = Lex::Text;
        if self.at_key() {
            self.key_len = 0;
            self.take = Take::Key;
        } else {
            self.keep(b"\"");
        }
    }

    fn at_key(&self) -> bool {
        match self.depth {
            1 => self.member.is_none(),
            3 => self.in_messages() && !self.in_message_value,
            _ => false,
        }
    }

    fn in_messages(&self) -> bool {
        self.member == Some(Some(Field::Messages))
    }

    fn open(&mut self, byte: u8) {
        if self.depth == 0 {
            self.spoiled = self.opened || byte != b'{';
            self.opened = true;
        }
        self.note_item(byte);
        self.keep(&[byte]);
        self.depth += 1;
        self.spoiled |= self.depth > DEPTH_MAX;
        if self.depth == 3 {
            self.in_message_value = false;
        }
    }

    fn close(&mut self, byte: u8) {
        match self.depth {
            0 => self.spoiled = true,
            1 => self.end_member(),
            3 if self.in_messages() => self.take = Take::Nothing,
            _ => self.keep(&[byte]),
        }
        self.depth = self.depth.saturating_sub(1);
    }

    fn comma(&mut self) {
        match self.depth {
            1 => self.end_member(),
            3 if self.in_messages() => {
                self.take = Take::Nothing;
                self.in_message_value = false;
            }
            _ => self.keep(b","),
        }
    }

    fn end_member(&mut self) {
        self.member = None;
        self.take = Take::Nothing;
    }

    fn colon(&mut self) {
        let key = &self.key[..self.key_len];
        if self.depth == 1 && self.member.is_none() {
            let field = Field::of(key);
            self.member = Some(field);
            self.begin(field.filter(|field| field.is_kept()));
        } else if self.depth == 3 && self.in_messages() && !self.in_message_value {
            self.in_message_value = true;
            self.begin((key == b"role").then_some(Field::LastRole));
        } else {
            self.keep(b":");
        }
    }

    fn begin(&mut self, field: Option<Field>) {
        let Some(field) = field else { return };
        self.take = Take::Value(field);
        let span = &mut self.spans[field as usize];
        if let Some(earlier) = span.filter(|earlier| earlier.end == self.kept.len()) {
            self.kept.truncate(earlier.start);
        }
        *span = Some(Span { start: self.kept.len(), end: self.kept.len() });
    }

    fn other(&mut self, byte: u8) {
        if byte.is_ascii_whitespace() {
            return;
        }
        self.spoiled |= self.depth == 0;
        self.note_item(byte);
        self.keep(&[byte]);
    }

    /// Counts the values of `input`: a text is one, an array is as many as it holds, an array of numbers is one.
    fn note_item(&mut self, first: u8) {
        if self.member != Some(Some(Field::Items)) {
            return;
        }
        match (self.depth, first) {
            (2, b'"' | b'[') => self.items += 1,
            (2, b'0'..=b'9') => self.items_are_numbers = true,
            _ => {}
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        match self.take {
            Take::Nothing => {}
            Take::Key => self.keep_key(bytes),
            Take::Value(field) => self.keep_value(field, bytes),
        }
    }

    /// A key that is too long, or that is written with escapes, is none of ours.
    fn keep_key(&mut self, bytes: &[u8]) {
        match self.key.get_mut(self.key_len..self.key_len + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.key_len += bytes.len();
            }
            None => {
                self.key[0] = 0;
                self.key_len = KEY_BYTES_MAX;
            }
        }
    }

    fn keep_value(&mut self, field: Field, bytes: &[u8]) {
        let Some(span) = &mut self.spans[field as usize] else { return };
        if span.end - span.start + bytes.len() > VALUE_BYTES_MAX {
            self.spans[field as usize] = None;
            self.take = Take::Nothing;
            return;
        }
        self.kept.extend_from_slice(bytes);
        span.end = self.kept.len();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sift(body: &str) -> Sieve {
        let mut sieve = Sieve::new();
        sieve.push(body.as_bytes());
        sieve
    }

    const REQUEST: &str = r#" {"messages":[{"role":"user","content":"say \"model\":\"x\" {[,"},
        {"content":[{"type":"text","role":"nested","text":"a"}],"role": "tool"}],
        "metadata":{"model":"not this"}, "model" : "gpt-4o","stream":true,
        "stream_options":{"include_usage":true},"n":2,"mock":{"chunks":3,"id":"a b"}} "#;

    #[test]
    fn top_level_members_are_found_among_nested_ones() {
        let sieve = sift(REQUEST);
        assert!(sieve.is_complete());
        assert_eq!(sieve.value(Field::Model), Some(br#""gpt-4o""#.as_slice()));
        assert_eq!(sieve.value(Field::Stream), Some(b"true".as_slice()));
        assert_eq!(sieve.value(Field::StreamOptions), Some(br#"{"include_usage":true}"#.as_slice()));
        assert_eq!(sieve.value(Field::N), Some(b"2".as_slice()));
        assert_eq!(sieve.value(Field::Mock), Some(br#"{"chunks":3,"id":"a b"}"#.as_slice()));
        assert_eq!(sieve.value(Field::LastRole), Some(br#""tool""#.as_slice()));
        assert_eq!(sieve.value(Field::Tools), None);
    }

    #[test]
    fn the_texts_of_an_input_are_counted() {
        for (input, count) in [
            (r#""one""#, 1),
            (r#"["a","b,c","d"]"#, 3),
            ("[1,2,3]", 1),
            ("[[1,2],[3]]", 2),
            ("[]", 1),
            (r#"[ "a" , "b" ]"#, 2),
        ] {
            assert_eq!(sift(&format!(r#"{{"input":{input},"model":"m"}}"#)).items(), count, "{input}");
        }
    }

    #[test]
    fn what_is_not_one_whole_object_is_not_complete() {
        for body in ["", "[]", "1", "{", r#"{"a":"#, r#"{"a":"b"#, "{}{}", "{}]", "x{}"] {
            assert!(!sift(body).is_complete(), "{body}");
        }
        assert!(sift("{}").is_complete());
    }

    #[test]
    fn a_value_too_long_to_keep_counts_as_absent() {
        let long = "x".repeat(VALUE_BYTES_MAX);
        let sieve = sift(&format!(r#"{{"model":"{long}","stream":true}}"#));
        assert_eq!(sieve.value(Field::Model), None);
        assert_eq!(sieve.value(Field::Stream), Some(b"true".as_slice()));
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_what_the_whole_gives(cut in 0..REQUEST.len(), step in 1usize..40) {
            let mut sieve = Sieve::new();
            let (head, tail) = REQUEST.as_bytes().split_at(cut);
            sieve.push(head);
            tail.chunks(step).for_each(|piece| sieve.push(piece));
            let whole = sift(REQUEST);
            prop_assert!(sieve.is_complete());
            for field in [Field::Model, Field::Stream, Field::StreamOptions, Field::N, Field::Mock, Field::LastRole] {
                prop_assert_eq!(sieve.value(field), whole.value(field));
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut sieve = Sieve::new();
            sieve.push(&bytes);
            let _complete = sieve.is_complete();
        }

        #[test]
        fn json_shaped_noise_does_not_panic(text in r#"[\[\]{}":,\\a1 ]{0,60}"#) {
            let mut sieve = Sieve::new();
            sieve.push(br#"{"messages":"#);
            sieve.push(text.as_bytes());
            prop_assert!(sieve.items() >= 1);
        }
    }
}
