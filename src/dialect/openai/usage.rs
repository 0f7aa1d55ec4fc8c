//! Reading usage as OpenAI and the vendors of its format report it.

use crate::json::{self, Cursor};
use crate::vocabulary::{Metered, PicoUsd, Units, Usage};

use super::Endpoint;

/// The counts of one reply. In a stream several usages are merged: of each count the largest stays, for vendors that
/// report as they go; a count that was never there stays absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    prompt: Option<u64>,
    completion: Option<u64>,
    total: Option<u64>,
    cache_read: u64,
    cache_write: u64,
    cache_write_1h: u64,
    audio_in: u64,
    image_in: u64,
    reasoning: u64,
    audio_out: u64,
    image_out: u64,
    cost: Option<PicoUsd>,
    searches: u64,
}

/// Reads the value of a `usage` member.
pub fn metered(endpoint: Endpoint, usage: &[u8]) -> Metered {
    let mut counts = Counts::default();
    counts.read(usage);
    counts.metered(endpoint)
}

impl Counts {
    /// Merges a usage object; anything else says nothing.
    pub fn read(&mut self, usage: &[u8]) {
        // As far as it can be read: a broken end does not take back what stood before it.
        let _broken = self.walk(&mut Cursor::new(usage));
    }

    /// Notes that the answer cites pages of the web: then it searched, once as far as anybody can tell.
    pub fn cites(&mut self) {
        self.searches = self.searches.max(1);
    }

    /// Merges the usage within Groq's `x_groq`.
    pub fn read_wrapped(&mut self, wrapper: &[u8]) {
        let mut cursor = Cursor::new(wrapper);
        let mut walk = || {
            cursor.open_object()?;
            while let Some(key) = cursor.key()? {
                let value = cursor.skip()?;
                if key.of(wrapper) == b"\"usage\"" {
                    self.read(value.of(wrapper));
                }
            }
            Some(())
        };
        let _broken = walk();
    }

    fn walk(&mut self, cursor: &mut Cursor<'_>) -> Option<()> {
        cursor.open_object()?;
        while let Some(key) = cursor.key()? {
            let value = cursor.skip()?.of(cursor.text());
            self.member(key.of(cursor.text()), value);
        }
        Some(())
    }

    fn member(&mut self, key: &[u8], value: &[u8]) {
        match key {
            b"\"prompt_tokens\"" => known(&mut self.prompt, value),
            b"\"completion_tokens\"" => known(&mut self.completion, value),
            b"\"total_tokens\"" => known(&mut self.total, value),
            b"\"prompt_tokens_details\"" | b"\"prompt_token_details\"" => self.details(value, Self::prompt_detail),
            b"\"completion_tokens_details\"" => self.details(value, Self::completion_detail),
            b"\"cache_creation\"" => self.details(value, Self::cache_creation),
            b"\"cached_tokens\""
            | b"\"num_cached_tokens\""
            | b"\"prompt_cache_hit_tokens\""
            | b"\"cache_read_input_tokens\"" => most(&mut self.cache_read, value),
            b"\"cache_creation_input_tokens\"" => most(&mut self.cache_write, value),
            b"\"audio_prompt_tokens\"" => most(&mut self.audio_in, value),
            b"\"reasoning_tokens\"" => most(&mut self.reasoning, value),
            b"\"server_tool_use\"" => self.details(value, Self::served),
            b"\"cost\"" => self.cost(value),
            b"\"cost_in_usd_ticks\"" => self.cost = self.cost.max(json::as_u64(value).map(PicoUsd::ticks)),
            _ => {}
        }
    }

    fn details(&mut self, object: &[u8], detail: fn(&mut Self, &[u8], &[u8])) {
        let mut cursor = Cursor::new(object);
        let mut walk = || {
            cursor.open_object()?;
            while let Some(key) = cursor.key()? {
                let value = cursor.skip()?;
                detail(self, key.of(object), value.of(object));
            }
            Some(())
        };
        let _broken = walk();
    }

    fn prompt_detail(&mut self, key: &[u8], value: &[u8]) {
        match key {
            b"\"cached_tokens\"" => most(&mut self.cache_read, value),
            b"\"cache_write_tokens\"" => most(&mut self.cache_write, value),
            b"\"audio_tokens\"" => most(&mut self.audio_in, value),
            b"\"image_tokens\"" => most(&mut self.image_in, value),
            _ => {}
        }
    }

    fn completion_detail(&mut self, key: &[u8], value: &[u8]) {
        match key {
            b"\"reasoning_tokens\"" => most(&mut self.reasoning, value),
            b"\"audio_tokens\"" => most(&mut self.audio_out, value),
            b"\"image_tokens\"" => most(&mut self.image_out, value),
            _ => {}
        }
    }

    fn cache_creation(&mut self, key: &[u8], value: &[u8]) {
        if key == b"\"ephemeral_1h_input_tokens\"" {
            most(&mut self.cache_write_1h, value);
        }
    }

    /// What OpenRouter and LiteLLM say of the tools that ran at the provider.
    fn served(&mut self, key: &[u8], value: &[u8]) {
        if key == b"\"web_search_requests\"" {
            most(&mut self.searches, value);
        }
    }

    /// A number of dollars (OpenRouter), or an object with their sum (Perplexity).
    fn cost(&mut self, value: &[u8]) {
        match json::kind(value) {
            Some(json::Kind::Number) => {
                let dollars = std::str::from_utf8(value).ok().and_then(|text| PicoUsd::parse(text).ok());
                self.cost = self.cost.max(dollars.filter(|dollars| *dollars >= PicoUsd::ZERO));
            }
            Some(json::Kind::Object) => self.details(value, |counts, key, value| {
                if key == b"\"total_cost\"" && json::kind(value) == Some(json::Kind::Number) {
                    counts.cost(value);
                }
            }),
            _ => {}
        }
    }

    /// What is known by now.
    pub fn metered(&self, endpoint: Endpoint) -> Metered {
        let (prompt, completion) = match endpoint {
            endpoint if !endpoint.writes() => (self.prompt.or(self.total), self.completion.or(Some(0))),
            _ => (self.prompt, self.completion_side()),
        };
        match (prompt, completion) {
            (Some(prompt), Some(completion)) => Metered::Reported(self.usage(prompt, completion)),
            (None, Some(completion)) if endpoint.writes() => {
                Metered::Partial(self.usage(self.total.unwrap_or(0).saturating_sub(completion), completion))
            }
            (Some(prompt), None) => Metered::Partial(self.usage(prompt, 0)),
            _ if self.cost.is_some() || self.total.is_some() => {
                Metered::Partial(self.usage(self.total.unwrap_or(0), 0))
            }
            _ => Metered::Absent,
        }
    }

    /// xAI leaves reasoning out of the completion and in the total; others may leave an empty completion out.
    fn completion_side(&self) -> Option<u64> {
        let (Some(prompt), Some(total)) = (self.prompt, self.total) else { return self.completion };
        let outside = total.saturating_sub(prompt);
        match self.completion {
            Some(completion) if self.reasoning > 0 && completion.saturating_add(self.reasoning) == outside => {
                Some(outside)
            }
            Some(completion) => Some(completion),
            None => Some(outside),
        }
    }

    /// Parts never exceed the whole that they are parts of.
    fn usage(&self, prompt: u64, completion: u64) -> Usage {
        let cache_read = self.cache_read.min(prompt);
        let written = self.cache_write.max(self.cache_write_1h).min(prompt - cache_read);
        let cache_write_1h = self.cache_write_1h.min(written);
        Usage {
            prompt,
            completion,
            cache_read,
            cache_write: written - cache_write_1h,
            cache_write_1h,
            audio_in: self.audio_in.min(prompt),
            image_in: self.image_in.min(prompt),
            reasoning: self.reasoning.min(completion),
            audio_out: self.audio_out.min(completion),
            image_out: self.image_out.min(completion),
            cost: self.cost,
            units: Units { searches: self.searches, ..Units::NONE },
        }
    }
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

    fn chat(usage: &str) -> Metered {
        metered(Endpoint::ChatCompletions, usage.as_bytes())
    }

    #[test]
    fn absent_null_zero_and_partial_are_different() {
        for nothing in ["null", "{}", "[]", "", "\"5\"", r#"{"prompt_tokens":null}"#, r#"{"prompt_tokens":-1}"#] {
            assert_eq!(chat(nothing), Metered::Absent, "{nothing}");
        }
        let zero = chat(r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#);
        assert_eq!(zero, Metered::Reported(Usage::default()));
        assert_eq!(chat(r#"{"prompt_tokens":7}"#), Metered::Partial(Usage { prompt: 7, ..Usage::default() }));
        assert_eq!(chat(r#"{"completion_tokens":7}"#), Metered::Partial(Usage { completion: 7, ..Usage::default() }));
    }

    #[test]
    fn details_are_parts_of_the_totals() {
        let usage = chat(
            r#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
                "prompt_tokens_details":{"cached_tokens":40,"audio_tokens":3,"cache_write_tokens":10,"image_tokens":null},
                "completion_tokens_details":{"reasoning_tokens":20,"audio_tokens":900}}"#,
        );
        let expected = Usage {
            prompt: 100,
            completion: 50,
            cache_read: 40,
            cache_write: 10,
            audio_in: 3,
            reasoning: 20,
            audio_out: 50,
            ..Usage::default()
        };
        assert_eq!(usage, Metered::Reported(expected));
    }

    #[test]
    fn vendors_ways_of_saying_cached_are_known() {
        for cached in [
            r#""prompt_cache_hit_tokens":5,"prompt_cache_miss_tokens":5"#,
            r#""cached_tokens":5"#,
            r#""num_cached_tokens":5"#,
            r#""cache_read_input_tokens":5"#,
            r#""prompt_token_details":{"cached_tokens":5}"#,
        ] {
            let text = format!(r#"{{"prompt_tokens":10,"completion_tokens":1,{cached}}}"#);
            assert_eq!(chat(&text).usage().unwrap().cache_read, 5, "{cached}");
        }
        let written = chat(
            r#"{"prompt_tokens":10,"completion_tokens":1,"cache_creation_input_tokens":8,
                "cache_creation":{"ephemeral_1h_input_tokens":3,"ephemeral_5m_input_tokens":5}}"#,
        );
        let written = written.usage().copied().unwrap();
        assert_eq!((written.cache_write, written.cache_write_1h), (5, 3));
    }

    #[test]
    fn searches_are_counted_once_where_pages_are_cited_too() {
        let mut counts = Counts::default();
        counts.cites();
        let usage = br#"{"prompt_tokens":1,"completion_tokens":1,"server_tool_use":{"web_search_requests":3,"x":9}}"#;
        counts.read(usage);
        assert_eq!(counts.metered(Endpoint::ChatCompletions).usage().map(|usage| usage.units.searches), Some(3));
        let usage = br#"{"prompt_tokens":1,"completion_tokens":1,"server_tool_use":null}"#;
        assert_eq!(metered(Endpoint::ChatCompletions, usage).usage().map(|usage| usage.units), Some(Units::NONE));
    }

    #[test]
    fn reasoning_outside_of_the_completion_is_added() {
        let text = r#"{"prompt_tokens":12,"completion_tokens":1,"total_tokens":241,
            "completion_tokens_details":{"reasoning_tokens":228}}"#;
        assert_eq!(chat(text).usage().unwrap().completion, 229);
    }

    #[test]
    fn embeddings_have_one_side() {
        let usage = Usage { prompt: 8, ..Usage::default() };
        for text in [r#"{"prompt_tokens":8,"total_tokens":8}"#, r#"{"total_tokens":8}"#] {
            assert_eq!(metered(Endpoint::Embeddings, text.as_bytes()), Metered::Reported(usage), "{text}");
        }
        assert_eq!(metered(Endpoint::Embeddings, b"{}"), Metered::Absent);
    }

    #[test]
    fn a_reported_cost_is_read_exactly() {
        let cost = |text| chat(text).usage().and_then(|usage| usage.cost);
        let text = r#"{"prompt_tokens":1,"completion_tokens":1,"cost":0.00014995}"#;
        assert_eq!(cost(text), Some(PicoUsd(149_950_000)));
        let text = r#"{"prompt_tokens":1,"completion_tokens":1,"cost":{"request_cost":0.005,"total_cost":5.02e-3}}"#;
        assert_eq!(cost(text), Some(PicoUsd(5_020_000_000)));
        let text = r#"{"prompt_tokens":1,"completion_tokens":1,"cost":-5}"#;
        assert_eq!(cost(text), None);
    }

    #[test]
    fn several_usages_merge_to_the_largest() {
        let mut counts = Counts::default();
        for text in [r#"{"prompt_tokens":9}"#, r#"{"prompt_tokens":9,"completion_tokens":3}"#, "null"] {
            counts.read(text.as_bytes());
        }
        counts.read_wrapped(br#"{"id":"x","usage":{"completion_tokens":4}}"#);
        let expected = Usage { prompt: 9, completion: 4, ..Usage::default() };
        assert_eq!(counts.metered(Endpoint::ChatCompletions), Metered::Reported(expected));
    }
}
