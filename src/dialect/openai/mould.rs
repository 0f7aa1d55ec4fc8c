//! The last chunk as a mould for the next: most chunks of a stream differ in one text, and what is the same as before need
//! not be read again.

use smallvec::SmallVec;

use crate::json::{self, Cursor, Span};

use super::chunk::Chunk;

/// The longest chunk that is kept.
const BYTES_MAX: usize = 4 * 1024;
/// After so many chunks in a row that the one before did not fit, none is kept any more.
const MISSES_MAX: u8 = 8;

/// A chunk that was read, with holes where its texts stood.
#[derive(Debug, Default)]
pub(super) struct Mould {
    data: Vec<u8>,
    /// The insides of strings, in order.
    holes: SmallVec<[Span; 2]>,
    chunk: Chunk,
    misses: u8,
}

impl Mould {
    /// Reads a chunk that is the kept one but for its texts, and says where the text of the answer lies in it. What is equal
    /// byte for byte up to the opening quote of a string, and again from its closing quote on, has the same members.
    pub(super) fn read(&mut self, data: &[u8]) -> Option<(Chunk, Span)> {
        let filled = self.fill(data)?;
        self.misses = 0;
        let pairs = || self.holes.iter().zip(&filled);
        // What stands behind a hole moves by what that grew or shrank.
        let moved = |at: u32| {
            let before = pairs().filter(|(hole, _)| hole.start < at);
            before.fold(at, |at, (hole, new)| (at + (new.end - new.start)) - (hole.end - hole.start))
        };
        let now = |was: Option<Span>| pairs().find(|(hole, _)| Some(**hole) == was).map(|(_, new)| *new);
        let (text, noise) = (now(self.chunk.text), now(self.chunk.noise));
        Some((self.chunk.moved(moved, text, noise), text?))
    }

    fn fill(&self, data: &[u8]) -> Option<SmallVec<[Span; 2]>> {
        let (mut at, mut done) = (0, 0);
        let mut filled = SmallVec::new();
        for hole in &self.holes {
            let same = self.data.get(done..hole.start as usize)?;
            let rest = data.get(at..)?.strip_prefix(same)?;
            let quote = data.len() - rest.len() - 1;
            let end = Span { start: u32::try_from(quote).ok()?, end: u32::try_from(data.len()).ok()? };
            let string = Cursor::within(data, end).skip()?;
            let inside = Span { start: string.start + 1, end: string.end - 1 };
            filled.push(inside);
            (at, done) = (inside.end as usize, hole.end as usize);
        }
        (data.get(at..)? == self.data.get(done..)? && !filled.is_empty()).then_some(filled)
    }

    /// Keeps a chunk that had to be read, if nothing is in it but one text and what is the same in every chunk.
    pub(super) fn keep(&mut self, data: &[u8], chunk: &Chunk) {
        self.holes.clear();
        if self.misses == MISSES_MAX || data.len() > BYTES_MAX || !chunk.is_usual(data) {
            return;
        }
        self.misses += 1;
        self.holes.extend(chunk.text.into_iter().chain(chunk.noise));
        self.holes.sort_unstable_by_key(|hole| hole.start);
        self.data.clear();
        self.data.extend_from_slice(data);
        self.chunk = *chunk;
    }
}

impl Chunk {
    /// Whether the next chunk may well be like it: one text, no end, nothing to meter.
    fn is_usual(&self, data: &[u8]) -> bool {
        let counts = self.usage.is_some_and(|usage| !json::is_null(usage.value.of(data)));
        self.text.is_some() && !(counts || self.finished || self.cites || self.error || self.x_groq.is_some())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dialect::openai::Produced;

    fn read(data: &str) -> Option<(Chunk, Produced)> {
        let mut produced = Produced::default();
        Chunk::read(data.as_bytes(), &mut produced).map(|chunk| (chunk, produced))
    }

    /// A chunk, and the text that was seen of it.
    type Seen = Option<(Chunk, String)>;

    /// What a mould of the first chunk makes of the second, beside what reading it makes of it.
    fn both(first: &str, second: &str) -> (Seen, Seen) {
        let mut mould = Mould::default();
        if let Some((chunk, _)) = read(first) {
            mould.keep(first.as_bytes(), &chunk);
        }
        let moulded = mould.read(second.as_bytes()).map(|(chunk, text)| {
            let mut produced = Produced::default();
            produced.add_inside(text.of(second.as_bytes()));
            (chunk, produced.sample)
        });
        (moulded, read(second).map(|(chunk, produced)| (chunk, produced.sample)))
    }

    fn chunk(text: &str, noise: &str) -> String {
        format!(
            "{{\"id\":\"c\",\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}],\
             \"model\":\"up\",\"usage\":null,\"obfuscation\":\"{noise}\"}}"
        )
    }

    #[test]
    fn the_usual_chunk_fits_whatever_its_texts() {
        for first in [chunk("Hello", "xyz"), chunk("", "")] {
            for (text, noise) in [("", ""), (" a longer text", "x"), ("\\\"\\u00e9\\\\", "\\n"), ("\u{1f600}", "zz")] {
                let (moulded, read) = both(&first, &chunk(text, noise));
                assert!(moulded.is_some(), "{text}");
                assert_eq!(moulded, read, "{text}");
            }
        }
    }

    #[test]
    fn what_differs_elsewhere_does_not_fit() {
        let first = chunk("Hello", "xyz");
        for (from, to) in [
            ("null}]", "\"stop\"}]"),
            ("\"usage\":null", "\"usage\":{\"prompt_tokens\":1}"),
            ("\"up\"", "\"other\""),
            ("\"content\"", "\"refusal\""),
            ("\"xyz\"}", "\"xyz\"} "),
            ("Hello\"", "Hello"),
            ("\"xyz\"}", "\"xyz"),
        ] {
            let second = first.replacen(from, to, 1);
            assert_ne!(first, second);
            assert_eq!(both(&first, &second).0, None, "{second}");
        }
    }

    #[test]
    fn no_mould_is_made_of_what_is_not_usual() {
        for first in [
            r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
            r#"{"choices":[{"delta":{"content":"a","reasoning":"b"}}]}"#,
            r#"{"choices":[{"delta":{"role":"assistant"}}]}"#,
            r#"{"choices":[{"delta":{"content":"a"}}],"usage":{"completion_tokens":1}}"#,
            r#"{"choices":[{"delta":{"content":"a"}}],"x_groq":{"usage":{}}}"#,
            r#"{"choices":[{"delta":{"content":"a"}}],"error":{"message":"m"}}"#,
            r#"{"choices":[{"delta":{"content":"a","annotations":[{"type":"url_citation"}]}}]}"#,
            r#"{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}"#,
            r#"{"choices":[{"delta":{"content":"a"}}],"choices":[{"delta":{"content":"b"}}]}"#,
        ] {
            assert_eq!(both(first, first).0, None, "{first}");
        }
    }

    #[test]
    fn what_never_fits_is_not_kept_for_ever() {
        let mut mould = Mould::default();
        for number in 0..20 {
            let data = format!("{{\"id\":{number},\"choices\":[{{\"delta\":{{\"content\":\"a\"}}}}]}}");
            assert_eq!(mould.read(data.as_bytes()), None);
            mould.keep(data.as_bytes(), &read(&data).unwrap().0);
            assert_eq!(mould.holes.is_empty(), number >= u32::from(MISSES_MAX));
        }
    }

    proptest! {
        #[test]
        fn a_mould_reads_what_a_reading_reads(
            parts in proptest::collection::vec("[a\"\\\\{}:,\u{e9} ]{0,6}", 2..3),
            others in proptest::collection::vec("[a\"\\\\{}:,\u{e9} ]{0,6}", 2..3),
        ) {
            let [first, second] = [&parts, &others].map(|parts| chunk(&parts[0], &parts[1]));
            let (moulded, read) = both(&first, &second);
            if moulded.is_some() {
                prop_assert_eq!(moulded, read);
            }
        }
    }
}
