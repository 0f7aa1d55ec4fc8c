//! What a model wrote, kept for counting tokens where the provider reports none.

use crate::chat::{PRODUCED_SAMPLE_BYTES_MAX, Produced};
use crate::json::{self, Cursor, Span};

use super::reply::CITATION;

/// How deep parts of a message lie within each other at most.
const PARTS_DEPTH_MAX: u32 = 6;

/// What the choices of one chunk, or of a whole reply, say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Choices {
    /// How many there are.
    pub(super) count: u64,
    /// One of them gave its finish reason.
    pub(super) finished: bool,
    /// One of them cites a page of the web.
    pub(super) cites: bool,
    /// How many texts they say.
    texts: u64,
    /// Where the inside of the last one lies.
    last_text: Span,
}

impl Choices {
    /// Where the inside of their text lies, if there is one choice with one text.
    pub(super) fn only_text(&self) -> Option<Span> {
        (self.count == 1 && self.texts == 1).then_some(self.last_text)
    }
}

impl Produced {
    /// Adds the inside of a JSON string.
    pub(super) fn add_inside(&mut self, inside: &[u8]) {
        // Full, or cut before: only its length counts.
        if self.sample.len() == PRODUCED_SAMPLE_BYTES_MAX || self.bytes > self.sample.len() as u64 {
            self.bytes = self.bytes.saturating_add(inside.len() as u64);
            return;
        }
        self.add(&json::unescape(inside));
    }

    /// Reads an array of choices: `delta`, `message` or `text` in each.
    pub(super) fn read_choices(&mut self, cursor: &mut Cursor<'_>) -> Option<Choices> {
        let mut choices = Choices::default();
        if cursor.peek()? != b'[' {
            cursor.skip()?;
            return Some(choices);
        }
        cursor.open_array()?;
        while cursor.element()? {
            choices.count += 1;
            self.read_choice(cursor, &mut choices)?;
        }
        Some(choices)
    }

    fn read_choice(&mut self, cursor: &mut Cursor<'_>, choices: &mut Choices) -> Option<()> {
        if cursor.peek()? != b'{' {
            return cursor.skip().map(|_| ());
        }
        cursor.open_object()?;
        while let Some(key) = cursor.key()? {
            match key.of(cursor.text()) {
                b"\"delta\"" | b"\"message\"" => self.read_message(cursor, choices)?,
                b"\"text\"" => self.read_parts(cursor, 0, choices)?,
                b"\"finish_reason\"" => choices.finished |= !json::is_null(cursor.skip()?.of(cursor.text())),
                _ => cursor.skip().map(|_| ())?,
            }
        }
        Some(())
    }

    fn read_message(&mut self, cursor: &mut Cursor<'_>, choices: &mut Choices) -> Option<()> {
        if cursor.peek()? != b'{' {
            return cursor.skip().map(|_| ());
        }
        cursor.open_object()?;
        let mut reasoned = false;
        while let Some(key) = cursor.key()? {
            match key.of(cursor.text()) {
                b"\"content\"" | b"\"refusal\"" | b"\"tool_calls\"" | b"\"function_call\"" => {
                    self.read_parts(cursor, 0, choices)?;
                }
                // Some vendors say it under both names.
                b"\"reasoning\"" | b"\"reasoning_content\"" if !reasoned => {
                    reasoned = matches!(cursor.peek()?, b'"' | b'[');
                    self.read_parts(cursor, 0, choices)?;
                }
                b"\"annotations\"" => {
                    let annotations = cursor.skip()?.of(cursor.text());
                    choices.cites |= CITATION.find(annotations).is_some();
                }
                _ => cursor.skip().map(|_| ())?,
            }
        }
        Some(())
    }

    /// A text, or parts of one: the strings under the keys that carry text.
    fn read_parts(&mut self, cursor: &mut Cursor<'_>, depth: u32, choices: &mut Choices) -> Option<()> {
        match cursor.peek()? {
            b'"' => {
                let string = cursor.skip()?;
                choices.texts += 1;
                choices.last_text = Span { start: string.start + 1, end: string.end - 1 };
                self.add_inside(choices.last_text.of(cursor.text()));
            }
            b'[' if depth < PARTS_DEPTH_MAX => {
                cursor.open_array()?;
                while cursor.element()? {
                    self.read_parts(cursor, depth + 1, choices)?;
                }
            }
            b'{' if depth < PARTS_DEPTH_MAX => {
                cursor.open_object()?;
                while let Some(key) = cursor.key()? {
                    match key.of(cursor.text()) {
                        b"\"text\"" | b"\"thinking\"" | b"\"function\"" | b"\"name\"" | b"\"arguments\"" => {
                            self.read_parts(cursor, depth + 1, choices)?;
                        }
                        _ => cursor.skip().map(|_| ())?,
                    }
                }
            }
            _ => cursor.skip().map(|_| ())?,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(choices: &str) -> (Produced, Option<Choices>) {
        let mut produced = Produced::default();
        let choices = produced.read_choices(&mut Cursor::new(choices.as_bytes()));
        (produced, choices)
    }

    #[test]
    fn text_is_collected_wherever_vendors_put_it() {
        for (choices, text) in [
            (r#"[{"delta":{"content":"a\nb"}}]"#, "a\nb"),
            (r#"[{"delta":{"content":"","reasoning_content":"hm","reasoning":"hm"}}]"#, "hm"),
            (r#"[{"delta":{"reasoning_content":null,"reasoning":"hm"}}]"#, "hm"),
            (r#"[{"text":"plain","logprobs":null}]"#, "plain"),
            (r#"[{"message":{"content":null,"refusal":"no"}}]"#, "no"),
            (r#"[{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]}]}}]"#, "t"),
            (r#"[{"delta":{"tool_calls":[{"id":"x","function":{"name":"f","arguments":"{}"}}]}}]"#, "f{}"),
            (r#"[{"delta":{"role":"assistant"}},{"delta":{"content":"2"}}]"#, "2"),
            (r#"[]"#, ""),
        ] {
            let (produced, read) = read(choices);
            assert_eq!((produced.sample.as_str(), produced.bytes), (text, text.len() as u64), "{choices}");
            assert!(read.is_some(), "{choices}");
        }
    }

    #[test]
    fn the_sample_is_bounded_and_ends_at_a_character() {
        let text = "\u{e9}".repeat(PRODUCED_SAMPLE_BYTES_MAX);
        let mut produced = Produced::default();
        produced.add("x");
        produced.add(&text);
        produced.add("yy");
        assert_eq!(produced.sample.len(), PRODUCED_SAMPLE_BYTES_MAX - 1);
        assert_eq!(produced.bytes, 1 + 2 * PRODUCED_SAMPLE_BYTES_MAX as u64 + 2);
    }

    #[test]
    fn a_finish_reason_is_noticed() {
        let finished = |choices| read(choices).1.unwrap().finished;
        assert!(finished(r#"[{"finish_reason":null},{"finish_reason":"stop"}]"#));
        assert!(!finished(r#"[{"finish_reason":null}]"#));
    }
}
