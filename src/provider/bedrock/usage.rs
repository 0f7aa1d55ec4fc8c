//! Converse's counts.

use serde::Deserialize;

use crate::vocabulary::{Metered, Usage};

/// `usage`. `inputTokens` holds neither what was read from the cache nor what was written to it.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Counts<'a> {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_write_input_tokens: Option<u64>,
    #[serde(borrow)]
    cache_details: Option<crate::chat::Raw<'a>>,
}

/// One of `cacheDetails`: what was written for how long.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Written<'a> {
    #[serde(borrow)]
    ttl: Option<crate::chat::Str<'a>>,
    input_tokens: Option<u64>,
}

impl Counts<'_> {
    /// As we count.
    pub(super) fn metered(&self) -> Metered {
        let read = self.cache_read_input_tokens.unwrap_or(0);
        let written = self.cache_write_input_tokens.unwrap_or(0);
        let hour = self.hour().min(written);
        let usage = Usage {
            prompt: self.input_tokens.unwrap_or(0).saturating_add(read).saturating_add(written),
            completion: self.output_tokens.unwrap_or(0),
            cache_read: read,
            cache_write: written - hour,
            cache_write_1h: hour,
            ..Usage::default()
        };
        match (self.input_tokens, self.output_tokens) {
            (Some(_), Some(_)) => Metered::Reported(usage),
            (None, None) if usage == Usage::default() => Metered::Absent,
            _ => Metered::Partial(usage),
        }
    }

    /// What was written for an hour.
    fn hour(&self) -> u64 {
        let details = self.cache_details.and_then(|raw| serde_json::from_str::<Vec<Written<'_>>>(raw.get()).ok());
        let hours = details.iter().flatten().filter(|detail| detail.ttl.as_ref().is_some_and(|ttl| *ttl == "1h"));
        hours.fold(0, |sum, detail| sum.saturating_add(detail.input_tokens.unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metered(json: &str) -> Metered {
        serde_json::from_str::<Counts<'_>>(json).unwrap().metered()
    }

    #[test]
    fn the_prompt_is_what_was_new_read_and_written() {
        let json = r#"{"inputTokens":4,"outputTokens":10,"totalTokens":164,"cacheReadInputTokens":100,
            "cacheWriteInputTokens":50,"cacheDetails":[{"ttl":"1h","inputTokens":30},{"ttl":"5m","inputTokens":20}]}"#;
        let usage = Usage {
            prompt: 154,
            completion: 10,
            cache_read: 100,
            cache_write: 20,
            cache_write_1h: 30,
            ..Usage::default()
        };
        assert_eq!(metered(json), Metered::Reported(usage));
        assert_eq!(usage.total(), 164);
    }

    #[test]
    fn nothing_zero_and_half_are_different() {
        assert_eq!(metered("{}"), Metered::Absent);
        assert_eq!(metered(r#"{"inputTokens":0,"outputTokens":0}"#), Metered::Reported(Usage::default()));
        let half = Usage { prompt: 3, ..Usage::default() };
        assert_eq!(metered(r#"{"inputTokens":3,"outputTokens":null}"#), Metered::Partial(half));
    }
}
