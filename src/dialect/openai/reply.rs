//! A reply that is one JSON object: forwarded with another `model`, metered in the same pass.

use std::fmt;
use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem::Finder;

use crate::dialect;
use crate::json::{self, Cursor, Found, Segments, Tail};
use crate::vocabulary::Metered;

use super::media;
use super::usage::Counts;
use super::{Endpoint, Produced};

/// The longest reply that is held, in bytes.
pub const REPLY_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The longest reply that is read once more for its text when it reports no usage, in bytes.
const PRODUCED_FROM_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Finds the `type` of an annotation that names a page of the web.
pub(crate) static CITATION: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"url_citation\""));

/// The reply is longer than [`REPLY_BYTES_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyTooLong;

impl fmt::Display for ReplyTooLong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a reply of more than {REPLY_BYTES_MAX} bytes")
    }
}

impl std::error::Error for ReplyTooLong {}

/// A JSON reply while it arrives. Chunks are held, not copied.
#[derive(Debug)]
pub struct JsonReply {
    endpoint: Endpoint,
    model_json: Option<Bytes>,
    tail: Tail,
    held: Segments,
}

/// A JSON reply that has arrived.
#[derive(Clone, Debug)]
pub struct JsonDone {
    /// What to send to the client.
    pub segments: Segments,
    /// What the provider reported.
    pub metered: Metered,
    /// Whether it was one whole object.
    pub complete: bool,
    /// Whether it has an `error` that is not null.
    pub error: bool,
    /// The text of the answer; only read when the usage was not fully reported.
    pub produced: Produced,
}

impl JsonReply {
    /// Puts `model_json` (a quoted string) in the place of the reply's top-level `model`, if given.
    pub fn new(endpoint: Endpoint, model_json: Option<Bytes>) -> Self {
        let tail = Tail::new(match endpoint.is_gemini() {
            true => &["modelVersion", "usageMetadata", "error"],
            false if endpoint.is_media() => &["model", "usage", "error", "duration"],
            false => &["model", "usage", "error", "x_groq"],
        });
        Self { endpoint, model_json, tail, held: Segments::default() }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// The reply is too long.
    pub fn push(&mut self, chunk: Bytes) -> Result<(), ReplyTooLong> {
        if self.held.len + chunk.len() > REPLY_BYTES_MAX {
            return Err(ReplyTooLong);
        }
        self.tail.push(&chunk);
        self.held.push(chunk);
        Ok(())
    }

    /// Bytes held so far.
    pub fn len(&self) -> usize {
        self.held.len
    }

    /// Whether nothing came yet.
    pub fn is_empty(&self) -> bool {
        self.held.len == 0
    }

    /// Ends the reply, wherever it stands.
    pub fn finish(self) -> JsonDone {
        let metered = self.metered();
        let produced = match metered {
            Metered::Reported(_) => Produced::default(),
            _ => self.produced(),
        };
        JsonDone {
            metered,
            produced,
            complete: self.tail.is_complete(),
            error: self.tail.value("error").is_some_and(|error| !json::is_null(&error.value)),
            segments: self.segments(),
        }
    }

    fn metered(&self) -> Metered {
        let dialect = dialect::of(self.endpoint).filter(|_| !self.endpoint.is_openai());
        if let Some(dialect) = dialect {
            let usage = self.tail.value(dialect.members().usage);
            let metered = usage.map_or(Metered::Absent, |usage| dialect.metered(&usage.value));
            return metered.with(dialect.lookups(&self.held));
        }
        if self.endpoint.is_media()
            && let Some(usage) = self.tail.value("usage")
            && let reported @ Metered::Reported(_) = media::metered(self.endpoint, &usage.value)
        {
            return reported;
        }
        if self.endpoint.is_media()
            && let Some(duration) = self.tail.value("duration")
            && let reported @ Metered::Reported(_) = media::of_duration(&duration.value)
        {
            return reported;
        }
        let mut counts = Counts::default();
        for found in self.tail.found() {
            match found.name {
                "usage" => counts.read(&found.value),
                "x_groq" => counts.read_wrapped(&found.value),
                _ => {}
            }
        }
        if self.endpoint == Endpoint::ChatCompletions && self.held.contains(&CITATION) {
            counts.cites();
        }
        counts.metered(self.endpoint)
    }

    fn produced(&self) -> Produced {
        let mut produced = Produced::default();
        if !self.endpoint.writes() || self.held.len > PRODUCED_FROM_BYTES_MAX {
            return produced;
        }
        let text = self.held.to_bytes();
        // As far as it goes: a reply that was cut off produced what stands in it.
        let _broken = read_choices(&mut produced, &mut Cursor::new(&text));
        produced
    }

    fn segments(self) -> Segments {
        let Some(model) = self.model_json else { return self.held };
        let differs = |found: &&Found| found.name == "model" && (!found.whole || found.value != model);
        let places: Vec<_> = self.tail.found().iter().filter(differs).map(|found| found.at.clone()).collect();
        if places.is_empty() {
            return self.held;
        }
        let mut segments = Segments::default();
        let (mut start, mut places) = (0_u64, places.into_iter().peekable());
        for chunk in self.held.parts {
            let end = start + chunk.len() as u64;
            let mut done = start;
            while let Some(place) = places.peek().filter(|place| place.start < end) {
                let within = |at: u64| (at.clamp(start, end) - start) as usize;
                segments.push(chunk.slice(within(done)..within(place.start.max(done))));
                if place.start >= start {
                    segments.push(model.clone());
                }
                done = place.end.min(end);
                if place.end > end {
                    break;
                }
                places.next();
            }
            segments.push(chunk.slice((done - start) as usize..));
            start = end;
        }
        segments
    }
}

fn read_choices(produced: &mut Produced, cursor: &mut Cursor<'_>) -> Option<()> {
    cursor.open_object()?;
    while let Some(key) = cursor.key()? {
        match key.of(cursor.text()) {
            b"\"choices\"" => drop(produced.read_choices(cursor)?),
            _ => drop(cursor.skip()?),
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::Usage;

    const REPLY: &str = r#"{"id":"x", "model" : "gpt-4o-2024" ,"choices":[{"message":{"content":"model: \"model\"","model":"no"}}],
        "usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}"#;

    fn reply(chunks: &[&str], model: Option<&'static str>) -> JsonDone {
        let mut reply = JsonReply::new(Endpoint::ChatCompletions, model.map(|m| Bytes::from_static(m.as_bytes())));
        chunks.iter().for_each(|chunk| reply.push(Bytes::copy_from_slice(chunk.as_bytes())).unwrap());
        reply.finish()
    }

    #[test]
    fn only_the_model_changes_whatever_the_cut() {
        let expected = REPLY.replace("gpt-4o-2024", "mine");
        for first in 0..REPLY.len() {
            for second in [first, first + 3, first + 20, REPLY.len()].map(|at| at.min(REPLY.len())) {
                let done = reply(&[&REPLY[..first], &REPLY[first..second], &REPLY[second..]], Some("\"mine\""));
                assert_eq!(done.segments.to_bytes(), expected.as_bytes(), "{first} {second}");
                assert_eq!(done.segments.len, expected.len());
                assert!(done.complete && !done.error);
                let usage = Usage { prompt: 9, completion: 4, ..Usage::default() };
                assert_eq!(done.metered, Metered::Reported(usage));
            }
        }
    }

    #[test]
    fn an_equal_model_and_no_model_leave_the_bytes_alone() {
        for model in [None, Some("\"gpt-4o-2024\"")] {
            let done = reply(&[REPLY], model);
            assert_eq!(done.segments.parts.len(), 1);
            assert_eq!(done.segments.to_bytes(), REPLY);
        }
    }

    #[test]
    fn text_is_kept_where_usage_is_missing() {
        let done = reply(&[r#"{"choices":[{"message":{"content":"hello"}}],"usage":null}"#], None);
        assert_eq!((done.metered, done.produced.sample.as_str()), (Metered::Absent, "hello"));
        assert_eq!(reply(&[REPLY], None).produced, Produced::default());
    }

    #[test]
    fn a_cut_reply_is_not_complete_and_an_error_is_seen() {
        assert!(!reply(&[&REPLY[..REPLY.len() - 1]], None).complete);
        assert!(reply(&[r#"{"error":{"message":"no"}}"#], None).error);
        assert!(!reply(&[r#"{"error":null}"#], None).error);
    }
}
