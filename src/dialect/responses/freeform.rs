//! The free text of a `custom` tool out of the JSON that stands for it elsewhere: `{"input":"..."}`, as it comes.

use serde::Deserialize;

use crate::chat::Str;
use crate::json;

use super::tools::FREEFORM;

/// Takes the text out of pieces of arguments.
#[derive(Clone, Debug, Default)]
pub(super) struct Freeform {
    /// The text so far.
    pub(super) text: String,
    // What came and is not text yet.
    held: String,
    state: State,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the text.
    #[default]
    Before,
    /// In it.
    Inside,
    /// Behind it.
    After,
    /// It is no object that begins with the text: read at the end.
    Strange,
}

impl Freeform {
    /// Takes a piece and answers the text that it adds.
    pub(super) fn push(&mut self, piece: &str) -> &str {
        let known = self.text.len();
        if self.state != State::After {
            self.held.push_str(piece);
        }
        if self.state == State::Before {
            self.begin();
        }
        if self.state == State::Inside {
            self.decode();
        }
        self.text.get(known..).unwrap_or_default()
    }

    /// Ends the arguments and answers the text that this adds. What is not the expected object is the text itself.
    pub(super) fn finish(&mut self) -> &str {
        #[derive(Deserialize)]
        struct Input<'a> {
            #[serde(borrow)]
            input: Str<'a>,
        }
        let known = self.text.len();
        let held = std::mem::take(&mut self.held);
        if matches!(self.state, State::Before | State::Strange) {
            match serde_json::from_str::<Input<'_>>(&held) {
                Ok(object) => self.text.push_str(&object.input),
                Err(_) if matches!(held.trim(), "" | "{}") => {}
                Err(_) => self.text.push_str(&held),
            }
        }
        self.state = State::After;
        self.text.get(known..).unwrap_or_default()
    }

    fn begin(&mut self) {
        let mut rest = self.held.as_str();
        for token in ["{", "\"", FREEFORM, "\"", ":", "\""] {
            let trimmed = if token == FREEFORM { rest } else { rest.trim_ascii_start() };
            match trimmed.strip_prefix(token) {
                Some(after) => rest = after,
                None if token.starts_with(trimmed) => return,
                None => {
                    self.state = State::Strange;
                    return;
                }
            }
        }
        self.held = rest.to_owned();
        self.state = State::Inside;
    }

    fn decode(&mut self) {
        let (length, ended) = whole_characters(self.held.as_bytes());
        self.text.push_str(&json::unescape(self.held.as_bytes().get(..length).unwrap_or_default()));
        self.held = if ended { String::new() } else { self.held.get(length..).unwrap_or_default().to_owned() };
        if ended {
            self.state = State::After;
        }
    }
}

/// How much of the inside of a JSON string has no escape that breaks off, and whether the string ends there.
fn whole_characters(inside: &[u8]) -> (usize, bool) {
    let mut at = 0;
    loop {
        let rest = inside.get(at..).unwrap_or_default();
        at += match rest {
            [] | [b'\\'] => return (at, false),
            [b'"', ..] => return (at, true),
            [b'\\', b'u', ..] if rest.len() < 6 => return (at, false),
            [b'\\', b'u', b'd' | b'D', b'8' | b'9' | b'a' | b'b' | b'A' | b'B', ..] => match rest.get(6..) {
                Some([] | [b'\\']) => return (at, false),
                Some([b'\\', b'u', ..]) if rest.len() < 12 => return (at, false),
                Some([b'\\', b'u', ..]) => 12,
                _ => 6,
            },
            [b'\\', b'u', ..] => 6,
            [b'\\', ..] => 2,
            _ => 1,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(pieces: &[&str]) -> String {
        let mut freeform = Freeform::default();
        let mut said: String = pieces.iter().map(|piece| freeform.push(piece).to_owned()).collect();
        said.push_str(freeform.finish());
        assert_eq!(said, freeform.text);
        said
    }

    #[test]
    fn the_text_comes_out_wherever_the_pieces_end() {
        let text = " { \"input\" :\"a\\n\\\"b\\\" \\u00e9\\ud83d\\ude00 \u{e9}\\\\\" , \"more\":\"x\"}";
        for cut in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            assert_eq!(all(&[&text[..cut], &text[cut..]]), "a\n\"b\" \u{e9}\u{1f600} \u{e9}\\", "{cut}");
        }
        let single: Vec<String> = text.chars().map(String::from).collect();
        assert_eq!(all(&single.iter().map(String::as_str).collect::<Vec<_>>()), "a\n\"b\" \u{e9}\u{1f600} \u{e9}\\");
    }

    #[test]
    fn a_piece_of_text_is_given_out_at_once() {
        let mut freeform = Freeform::default();
        assert_eq!(freeform.push("{\"input\":\"*** Be"), "*** Be");
        assert_eq!(freeform.push("gin\\"), "gin");
        assert_eq!(freeform.push("nx"), "\nx");
    }

    #[test]
    fn other_forms_are_read_at_the_end() {
        assert_eq!(all(&["{\"why\":\"x\",", "\"input\":\"a\"}"]), "a");
        assert_eq!(all(&["plain ", "text"]), "plain text");
        assert_eq!(all(&["{\"command\":\"ls\"}"]), "{\"command\":\"ls\"}");
        assert_eq!(all(&[""]), "");
        assert_eq!(all(&["{", "}"]), "");
        assert_eq!(all(&["{\"input\":\"cut \\u00"]), "cut ");
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>(), cut in any::<prop::sample::Index>()) {
            let json = format!("{{\"input\":{}}}", String::from_utf8_lossy(&json::quote(&text)));
            let at = (0..=cut.index(json.len())).rev().find(|at| json.is_char_boundary(*at)).unwrap();
            prop_assert_eq!(all(&[&json[..at], &json[at..]]), text);
        }

        #[test]
        fn any_pieces_are_taken(pieces in proptest::collection::vec("[{}\"a-fu0-9\\\\: \u{e9}input]{0,9}", 0..6)) {
            all(&pieces.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
}
