//! The last chunk as a mould for the next: most chunks of a stream differ in one text. What is the same as before need not be
//! read again, nor edited again.

use smallvec::SmallVec;

use crate::json::{self, Cursor, Span};
use crate::wire::sse;

use super::chunk::Chunk;
use super::outlet::Outlet;

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
    /// Which of them holds the text of the answer.
    text: usize,
    /// What is sent around the texts, where that is not what came.
    around: Option<SmallVec<[Vec<u8>; 3]>>,
    misses: u8,
}

/// The insides of strings that stand in a chunk where the mould has its holes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filled {
    /// The text of the answer.
    pub(super) text: Span,
    all: SmallVec<[Span; 2]>,
}

impl Mould {
    /// Reads a chunk that is the kept one but for its texts. What is equal byte for byte up to the opening quote of a string,
    /// and again from its closing quote on, has the same members.
    pub(super) fn read(&mut self, data: &[u8]) -> Option<Filled> {
        let all = self.fill(data)?;
        self.misses = 0;
        Some(Filled { text: *all.get(self.text)?, all })
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

    /// Whether a chunk that fits goes on as it came.
    pub(super) fn is_unedited(&self) -> bool {
        self.around.is_none()
    }

    /// Writes an event whose data, at this offset, fits, edited as the kept chunk was.
    pub(super) fn write(&self, filled: &Filled, event: &sse::Event, offset: usize, outlet: &mut Outlet) {
        let data = event.data.as_deref().unwrap_or_default();
        let texts = filled.all.iter().map(|text| text.of(data)).chain([&b""[..]]);
        let around = self.around.iter().flatten().map(Vec::as_slice);
        let (head, tail) = (event.raw.get(..offset), event.raw.get(offset + data.len()..));
        outlet.put_all(head.into_iter().chain(around.zip(texts).flat_map(<[_; 2]>::from)).chain(tail));
    }

    /// Keeps a chunk that had to be read, with what was edited in it, if nothing is in it but one text and what is the same in
    /// every chunk.
    pub(super) fn keep<'a>(&mut self, data: &[u8], chunk: &Chunk, edits: impl Iterator<Item = (Span, &'a [u8])>) {
        self.holes.clear();
        if self.misses == MISSES_MAX || data.len() > BYTES_MAX || !chunk.is_usual(data) {
            return;
        }
        self.misses += 1;
        self.holes.extend(chunk.text.into_iter().chain(chunk.noise));
        self.holes.sort_unstable_by_key(|hole| hole.start);
        self.text = self.holes.iter().position(|hole| Some(*hole) == chunk.text).unwrap_or(0);
        self.data.clear();
        self.data.extend_from_slice(data);
        self.around = around(data, &self.holes, edits.collect());
    }
}

/// What stands around the holes once it is edited; None where nothing is. Holes lie within strings, edits cover whole values.
fn around(data: &[u8], holes: &[Span], edits: SmallVec<[(Span, &[u8]); 2]>) -> Option<SmallVec<[Vec<u8>; 3]>> {
    if edits.is_empty() {
        return None;
    }
    let (mut parts, mut part, mut done) = (SmallVec::new(), Vec::new(), 0);
    let mut edits = edits.into_iter().peekable();
    for end in holes.iter().map(|hole| hole.start).chain([u32::MAX]) {
        while let Some((span, with)) = edits.next_if(|(span, _)| span.start < end) {
            part.extend_from_slice(data.get(done..span.start as usize)?);
            part.extend_from_slice(with);
            done = span.end as usize;
        }
        let rest = data.get(done..)?;
        part.extend_from_slice(rest.get(..(end as usize).saturating_sub(done)).unwrap_or(rest));
        parts.push(std::mem::take(&mut part));
        done = holes.iter().find(|hole| hole.start == end).map_or(data.len(), |hole| hole.end as usize);
    }
    Some(parts)
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
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::dialect::openai::Produced;

    fn read(data: &str) -> Option<(Chunk, Produced)> {
        let mut produced = Produced::default();
        Chunk::read(data.as_bytes(), &mut produced).map(|chunk| (chunk, produced))
    }

    const MODEL: Option<&[u8]> = Some(b"\"mine\"");

    /// What is sent for a chunk, and the text that was seen of it.
    type Seen = Option<(Option<Bytes>, String)>;

    /// The chunk as it is edited: without `"usage":null`.
    fn cut(chunk: &Chunk, data: &str) -> Chunk {
        let mut chunk = *chunk;
        chunk.forget_null_usage_unless(true, data.as_bytes());
        chunk
    }

    /// What a mould of the first chunk makes of the second, beside what reading it makes of it.
    fn both(first: &str, second: &str) -> (Seen, Seen) {
        let mut mould = Mould::default();
        if let Some((chunk, _)) = read(first) {
            mould.keep(first.as_bytes(), &chunk, cut(&chunk, first).edits(first.as_bytes(), MODEL));
        }
        let mut decoder = sse::Decoder::new(sse::EVENT_BYTES_MAX);
        decoder.push(format!("data: {second}\n\n").into());
        let event = decoder.next_event().unwrap().unwrap();
        let sent = |write: &dyn Fn(&mut Outlet)| {
            let mut outlet = Outlet::new(event.raw.clone());
            write(&mut outlet);
            outlet.end()
        };
        let moulded = mould.read(second.as_bytes()).map(|filled| {
            let mut produced = Produced::default();
            produced.add_inside(filled.text.of(second.as_bytes()));
            let write = |outlet: &mut Outlet| match mould.is_unedited() {
                true => outlet.keep(&event),
                false => mould.write(&filled, &event, event.data_at.unwrap(), outlet),
            };
            (sent(&write), produced.sample)
        });
        let read = read(second).map(|(chunk, produced)| {
            let chunk = cut(&chunk, second);
            let write = |outlet: &mut Outlet| match chunk.needs_edit(second.as_bytes(), MODEL) {
                true => chunk.edit(&event, MODEL, outlet),
                false => outlet.keep(&event),
            };
            (sent(&write), produced.sample)
        });
        (moulded, read)
    }

    fn chunk(text: &str, noise: &str) -> String {
        format!(
            "{{\"id\":\"c\",\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}],\
             \"model\":\"up\",\"usage\":null,\"obfuscation\":\"{noise}\"}}"
        )
    }

    fn named(text: &str, noise: &str) -> String {
        chunk(text, noise).replace("\"up\"", "\"mine\"")
    }

    /// Nothing is cut from it.
    fn named_and_whole(text: &str, noise: &str) -> String {
        named(text, noise).replace(",\"usage\":null", "")
    }

    #[test]
    fn the_usual_chunk_fits_whatever_its_texts() {
        let forms: [fn(&str, &str) -> String; 3] = [chunk, named, named_and_whole];
        for (form, first) in forms.iter().flat_map(|form| [(form, form("Hello", "xyz")), (form, form("", ""))]) {
            for (text, noise) in [("", ""), (" a longer text", "x"), ("\\\"\\u00e9\\\\", "\\n"), ("\u{1f600}", "zz")] {
                let (moulded, read) = both(&first, &form(text, noise));
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
            mould.keep(data.as_bytes(), &read(&data).unwrap().0, std::iter::empty());
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
