//! The most usual piece of a stream: one answer says a text, and no more. It is read in one walk.

use crate::chat::Str;
use crate::json::{self, Cursor};

/// Such a piece.
#[derive(Debug, Default)]
pub(super) struct Plain<'a> {
    /// Which of the answers.
    pub(super) index: u32,
    /// What it says.
    pub(super) text: Str<'a>,
    /// Whether it is a thought.
    pub(super) thought: bool,
    /// The value of `usageMetadata`.
    pub(super) usage: Option<&'a [u8]>,
}

impl<'a> Plain<'a> {
    /// None for every other piece, and for what is none: they are read by the book.
    pub(super) fn read(piece: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(piece);
        let (mut plain, mut said) = (Self::default(), false);
        cursor.open_object()?;
        while let Some(key) = cursor.key()? {
            match key.of(piece) {
                b"\"candidates\"" if !said => {
                    plain.candidates(&mut cursor)?;
                    said = true;
                }
                b"\"usageMetadata\"" => plain.usage = Some(cursor.skip()?.of(piece)),
                b"\"modelVersion\"" | b"\"responseId\"" | b"\"createTime\"" => drop(cursor.skip()?),
                _ => return None,
            }
        }
        (said && cursor.is_at_end()).then_some(plain)
    }

    /// One candidate that has not ended.
    fn candidates(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        let (piece, mut said) = (cursor.text(), false);
        open_only(cursor)?;
        while let Some(key) = cursor.key()? {
            match key.of(piece) {
                b"\"content\"" if !said => {
                    self.content(cursor)?;
                    said = true;
                }
                b"\"index\"" => self.index = u32::try_from(json::as_u64(cursor.skip()?.of(piece))?).ok()?,
                b"\"safetyRatings\"" => drop(cursor.skip()?),
                _ => return None,
            }
        }
        (said && !cursor.element()?).then_some(())
    }

    /// One part that is a text without a signature.
    fn content(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        let (piece, mut said) = (cursor.text(), false);
        cursor.open_object()?;
        while let Some(key) = cursor.key()? {
            match key.of(piece) {
                b"\"parts\"" if !said => {
                    self.part(cursor)?;
                    said = true;
                }
                b"\"role\"" => drop(cursor.skip()?),
                _ => return None,
            }
        }
        said.then_some(())
    }

    fn part(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        let (piece, mut said) = (cursor.text(), false);
        open_only(cursor)?;
        while let Some(key) = cursor.key()? {
            let value = cursor.skip()?.of(piece);
            match key.of(piece) {
                b"\"text\"" => {
                    self.text = serde_json::from_slice(value).ok()?;
                    said = true;
                }
                b"\"thought\"" => self.thought = json::as_bool(value)?,
                _ => return None,
            }
        }
        (said && !cursor.element()?).then_some(())
    }
}

/// Steps into the first object of a list.
fn open_only(cursor: &mut Cursor<'_>) -> Option<()> {
    cursor.open_array()?;
    cursor.element()?.then_some(())?;
    cursor.open_object()
}

/// Whether a `usageMetadata` says at once how long the prompt was, as Google's do.
pub(super) fn counts_the_prompt(usage: &[u8]) -> bool {
    let mut cursor = Cursor::new(usage);
    let mut first = || {
        cursor.open_object()?;
        let key = cursor.key()??;
        let value = cursor.skip()?.of(usage);
        (key.of(usage) == b"\"promptTokenCount\"").then(|| json::as_u64(value)).flatten()
    };
    first().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_in_one_walk() {
        let piece = br#" {"candidates": [{"content": {"parts": [{"thought": true, "text": "a\"b\u00e9"}], "role": "model"},
            "index": 1, "safetyRatings": []}], "usageMetadata": {"promptTokenCount": 3}, "modelVersion": "m", "responseId": "r"} "#;
        let plain = Plain::read(piece).unwrap();
        assert_eq!((plain.index, &*plain.text, plain.thought), (1, "a\"b\u{e9}", true));
        assert_eq!(plain.usage, Some(&br#"{"promptTokenCount": 3}"#[..]));
    }

    #[test]
    fn whatever_says_more_is_read_by_the_book() {
        let part = |part: &str| format!(r#"{{"candidates":[{{"content":{{"parts":[{part}]}}}}]}}"#);
        assert!(Plain::read(part(r#"{"text":"a"}"#).as_bytes()).is_some());
        for piece in [
            part(r#"{"text":"a","thoughtSignature":"c2ln"}"#),
            part(r#"{"text":"a"},{"text":"b"}"#),
            part(r#"{"functionCall":{"name":"f"}}"#),
            part(r#"{"text":1}"#),
            part(""),
            r#"{"candidates":[]}"#.to_owned(),
            r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#.to_owned(),
            r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}},{"index":1}]}"#.to_owned(),
            r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"promptFeedback":{}}"#.to_owned(),
            r#"{"usageMetadata":{}}"#.to_owned(),
            part(r#"{"text":"a"}"#) + "x",
            part(r#"{"text":"a"}"#).trim_end_matches('}').to_owned(),
        ] {
            assert!(Plain::read(piece.as_bytes()).is_none(), "{piece}");
        }
    }

    #[test]
    fn a_usage_that_counts_the_prompt_says_so_first() {
        assert!(counts_the_prompt(br#" {"promptTokenCount": 7, "x": 1}"#));
        for usage in [&b"{}"[..], b"null", br#"{"totalTokenCount":1}"#, br#"{"promptTokenCount":"7"}"#] {
            assert!(!counts_the_prompt(usage));
        }
    }
}
