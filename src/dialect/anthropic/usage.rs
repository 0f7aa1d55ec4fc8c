//! Reading usage as the messages API reports it.

use crate::json::{self, Cursor};
use crate::vocabulary::{Metered, PicoUsd, Units, Usage};

/// The counts of one answer. A stream reports twice, the second time all of it: of each count the largest stays, and a
/// count that was never there stays absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    cache_read: u64,
    cache_write: u64,
    cache_write_1h: u64,
    thinking: u64,
    searches: u64,
    cost: Option<PicoUsd>,
}

/// What the value of a whole answer's `usage` reports.
pub fn metered(usage: &[u8]) -> Metered {
    let mut counts = Counts::default();
    counts.read(usage);
    counts.metered()
}

impl Counts {
    /// Merges the usage of `message_start`, which knows nothing of the output yet.
    pub fn read_start(&mut self, usage: &[u8]) {
        let mut start = Self::default();
        start.read(usage);
        if self.output.is_none() && start.input.is_some() {
            *self = Self { output: None, ..start };
        }
    }

    /// Merges the usage of `message_delta`, or of a whole answer.
    pub fn read(&mut self, usage: &[u8]) {
        // As far as it can be read: a broken end does not take back what stood before it.
        let _broken = walk(usage, |key, value| self.member(key, value));
    }

    fn member(&mut self, key: &[u8], value: &[u8]) {
        match key {
            b"\"input_tokens\"" => known(&mut self.input, value),
            b"\"output_tokens\"" => known(&mut self.output, value),
            b"\"cache_read_input_tokens\"" => most(&mut self.cache_read, value),
            b"\"cache_creation_input_tokens\"" => most(&mut self.cache_write, value),
            b"\"cache_creation\"" => {
                let mut five_minutes = 0;
                let _broken = walk(value, |key, value| match key {
                    b"\"ephemeral_1h_input_tokens\"" => most(&mut self.cache_write_1h, value),
                    b"\"ephemeral_5m_input_tokens\"" => most(&mut five_minutes, value),
                    _ => {}
                });
                self.cache_write = self.cache_write.max(five_minutes.saturating_add(self.cache_write_1h));
            }
            b"\"output_tokens_details\"" => {
                let _broken = walk(value, |key, value| {
                    if key == b"\"thinking_tokens\"" {
                        most(&mut self.thinking, value);
                    }
                });
            }
            b"\"server_tool_use\"" => {
                let _broken = walk(value, |key, value| {
                    if key == b"\"web_search_requests\"" {
                        most(&mut self.searches, value);
                    }
                });
            }
            // OpenRouter speaks this API, too.
            b"\"cost\"" if json::kind(value) == Some(json::Kind::Number) => {
                let dollars = std::str::from_utf8(value).ok().and_then(|text| PicoUsd::parse(text).ok());
                self.cost = self.cost.max(dollars.filter(|dollars| *dollars >= PicoUsd::ZERO));
            }
            _ => {}
        }
    }

    /// What is known by now.
    pub fn metered(&self) -> Metered {
        match (self.input, self.output) {
            (None, None) => Metered::Absent,
            (Some(_), Some(_)) => Metered::Reported(self.usage()),
            _ => Metered::Partial(self.usage()),
        }
    }

    /// Parts never exceed the whole that they are parts of.
    fn usage(&self) -> Usage {
        let completion = self.output.unwrap_or(0);
        let cache_write_1h = self.cache_write_1h.min(self.cache_write);
        let cached = self.cache_read.saturating_add(self.cache_write);
        Usage {
            prompt: self.input.unwrap_or(0).saturating_add(cached),
            completion,
            cache_read: self.cache_read,
            cache_write: self.cache_write - cache_write_1h,
            cache_write_1h,
            reasoning: self.thinking.min(completion),
            cost: self.cost,
            units: Units { searches: self.searches, ..Units::NONE },
            ..Usage::default()
        }
    }
}

fn walk(object: &[u8], mut member: impl FnMut(&[u8], &[u8])) -> Option<()> {
    let mut cursor = Cursor::new(object);
    cursor.open_object()?;
    while let Some(key) = cursor.key()? {
        let value = cursor.skip()?;
        member(key.of(object), value.of(object));
    }
    Some(())
}

fn known(count: &mut Option<u64>, value: &[u8]) {
    *count = (*count).max(json::as_u64(value));
}

fn most(count: &mut u64, value: &[u8]) {
    *count = (*count).max(json::as_u64(value).unwrap_or(0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_zero_and_partial_are_different() {
        for nothing in ["null", "{}", "[]", "", r#"{"input_tokens":null}"#, r#"{"output_tokens":-1}"#] {
            assert_eq!(metered(nothing.as_bytes()), Metered::Absent, "{nothing}");
        }
        assert_eq!(metered(br#"{"input_tokens":0,"output_tokens":0}"#), Metered::Reported(Usage::default()));
        let prompt = Usage { prompt: 3, ..Usage::default() };
        assert_eq!(metered(br#"{"input_tokens":3}"#), Metered::Partial(prompt));
    }

    #[test]
    fn cached_tokens_are_part_of_the_prompt() {
        let usage = metered(
            br#"{"input_tokens":5,"cache_read_input_tokens":20,"cache_creation_input_tokens":10,"output_tokens":9,
                "cache_creation":{"ephemeral_5m_input_tokens":7,"ephemeral_1h_input_tokens":3},
                "output_tokens_details":{"thinking_tokens":4},"cache_control":{}}"#,
        );
        let expected = Usage {
            prompt: 35,
            completion: 9,
            cache_read: 20,
            cache_write: 7,
            cache_write_1h: 3,
            reasoning: 4,
            ..Usage::default()
        };
        assert_eq!(usage, Metered::Reported(expected));
    }

    #[test]
    fn the_end_of_a_stream_has_the_last_word() {
        let mut counts = Counts::default();
        counts.read_start(br#"{"input_tokens":10,"cache_read_input_tokens":4,"output_tokens":1}"#);
        assert_eq!(counts.metered(), Metered::Partial(Usage { prompt: 14, cache_read: 4, ..Usage::default() }));
        counts.read(br#"{"output_tokens":30}"#);
        let usage = Usage { prompt: 14, cache_read: 4, completion: 30, ..Usage::default() };
        assert_eq!(counts.metered(), Metered::Reported(usage));
        counts.read_start(br#"{"input_tokens":999,"output_tokens":1}"#);
        assert_eq!(counts.metered(), Metered::Reported(usage));
    }
}
