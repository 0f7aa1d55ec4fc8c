//! The most usual event: a piece of a block. It is read in one walk.

use crate::chat::Str;
use crate::json::{self, Cursor};

/// Such a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plain<'a> {
    /// Of the answer's text.
    Text(Str<'a>),
    /// Of a thought.
    Thinking(Str<'a>),
    /// Of the input of the block with this index.
    Input(u64, Str<'a>),
}

impl<'a> Plain<'a> {
    /// None for every other event, and for what is none: they are read by the book.
    pub(super) fn read(event: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(event);
        let (mut index, mut piece, mut said) = (0, false, None);
        cursor.open_object()?;
        while let Some(key) = cursor.key()? {
            match key.of(event) {
                b"\"type\"" if cursor.skip()?.of(event) == b"\"content_block_delta\"" => piece = true,
                b"\"index\"" => index = json::as_u64(cursor.skip()?.of(event))?,
                b"\"delta\"" if said.is_none() => said = Some(Delta::read(&mut cursor)?),
                _ => return None,
            }
        }
        if !piece || !cursor.is_at_end() {
            return None;
        }
        let Delta { kind, text } = said?;
        let text = serde_json::from_slice(text?).ok()?;
        match kind {
            b"\"text_delta\"" => Some(Self::Text(text)),
            b"\"thinking_delta\"" => Some(Self::Thinking(text)),
            b"\"input_json_delta\"" => Some(Self::Input(index, text)),
            _ => None,
        }
    }
}

/// What is added to a block.
#[derive(Default)]
struct Delta<'a> {
    kind: &'a [u8],
    text: Option<&'a [u8]>,
}

impl<'a> Delta<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let (event, mut delta) = (cursor.text(), Self::default());
        cursor.open_object()?;
        while let Some(key) = cursor.key()? {
            let value = cursor.skip()?.of(event);
            match key.of(event) {
                b"\"type\"" => delta.kind = value,
                b"\"text\"" | b"\"thinking\"" | b"\"partial_json\"" if delta.text.is_none() => delta.text = Some(value),
                // What tells how much was thought while nothing of it is shown.
                b"\"estimated_tokens\"" => {}
                _ => return None,
            }
        }
        Some(delta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(delta: &str) -> String {
        format!(r#"{{"type":"content_block_delta","index":2,"delta":{delta}}}"#)
    }

    #[test]
    fn a_piece_is_read_in_one_walk() {
        for (json, piece) in [
            (r#"{"type":"text_delta","text":"a\n"}"#, Plain::Text("a\n".into())),
            (r#"{"type":"thinking_delta","thinking":"t"}"#, Plain::Thinking("t".into())),
            (r#"{"partial_json":"{","type":"input_json_delta"}"#, Plain::Input(2, "{".into())),
        ] {
            assert_eq!(Plain::read(delta(json).as_bytes()), Some(piece));
        }
    }

    #[test]
    fn whatever_else_there_is_is_read_by_the_book() {
        for event in [
            delta(r#"{"type":"signature_delta","signature":"s"}"#),
            delta(r#"{"type":"text_delta","text":1}"#),
            delta(r#"{"type":"text_delta"}"#),
            delta(r#"{"type":"citations_delta","citation":{}}"#),
            delta(r#"{"type":"text_delta","text":"a"}"#) + "{",
            r#"{"type":"content_block_stop","index":0}"#.to_owned(),
            r#"{"delta":{"type":"text_delta","text":"a"}}"#.to_owned(),
            "{".to_owned(),
        ] {
            assert_eq!(Plain::read(event.as_bytes()), None, "{event}");
        }
    }
}
