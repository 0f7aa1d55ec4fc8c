//! What Cohere reports of an answer's tokens.

use serde::Deserialize;

use crate::chat::Raw;
use crate::vocabulary::{Metered, Usage};

/// `usage` of a chat.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Report<'a> {
    /// What the model read and wrote, template and all.
    #[serde(borrow)]
    tokens: Option<Counts<'a>>,
    /// What is paid for: less than that. Counted where there is nothing else.
    #[serde(borrow)]
    billed_units: Option<Counts<'a>>,
    #[serde(borrow)]
    cached_tokens: Option<Raw<'a>>,
}

#[derive(Debug, Default, Deserialize)]
struct Counts<'a> {
    #[serde(borrow)]
    input_tokens: Option<Raw<'a>>,
    #[serde(borrow)]
    output_tokens: Option<Raw<'a>>,
    #[serde(borrow)]
    reasoning_tokens: Option<Raw<'a>>,
    #[serde(borrow)]
    image_tokens: Option<Raw<'a>>,
}

impl Report<'_> {
    /// The counts in our terms.
    pub(super) fn metered(&self) -> Metered {
        let given = |counts: &Counts<'_>| counts.input_tokens.is_some() || counts.output_tokens.is_some();
        let tokens = self.tokens.as_ref().filter(|counts| given(counts));
        let Some(counts) = tokens.or(self.billed_units.as_ref()) else { return Metered::Absent };
        let (input, output) = (counts.input_tokens.and_then(count), counts.output_tokens.and_then(count));
        // Images are not among the input tokens, but beside them; billed units hold them.
        let images = tokens.and_then(|counts| counts.image_tokens.and_then(count)).unwrap_or(0);
        let prompt = input.unwrap_or(0).saturating_add(images);
        let completion = output.unwrap_or(0);
        let usage = Usage {
            prompt,
            completion,
            cache_read: self.cached_tokens.and_then(count).unwrap_or(0).min(prompt),
            image_in: images,
            reasoning: counts.reasoning_tokens.and_then(count).unwrap_or(0).min(completion),
            ..Usage::default()
        };
        match (input, output) {
            (Some(_), Some(_)) => Metered::Reported(usage),
            (None, None) => Metered::Absent,
            _ => Metered::Partial(usage),
        }
    }
}

/// A count, which the reference calls a number: `46` or `46.0`.
pub(super) fn count(raw: Raw<'_>) -> Option<u64> {
    let text = raw.get();
    let whole = text.split_once('.').map_or(
        text,
        |(whole, rest)| {
            if rest.bytes().all(|digit| digit == b'0') { whole } else { "" }
        },
    );
    whole.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metered(json: &str) -> Metered {
        serde_json::from_str::<Report<'_>>(json).unwrap().metered()
    }

    #[test]
    fn tokens_win_over_billed_units() {
        let text = r#"{"billed_units":{"input_tokens":4,"output_tokens":5},"tokens":{"input_tokens":60,"output_tokens":8.0,
            "reasoning_tokens":3},"cached_tokens":48}"#;
        let usage = Usage { prompt: 60, completion: 8, cache_read: 48, reasoning: 3, ..Usage::default() };
        assert_eq!(metered(text), Metered::Reported(usage));
    }

    #[test]
    fn billed_units_stand_in() {
        let usage = Usage { prompt: 4, completion: 5, ..Usage::default() };
        let text = r#"{"billed_units":{"input_tokens":4,"output_tokens":5},"tokens":null}"#;
        assert_eq!(metered(text), Metered::Reported(usage));
    }

    #[test]
    fn images_are_part_of_the_prompt() {
        let usage = Usage { prompt: 293, completion: 70, image_in: 259, ..Usage::default() };
        let text = r#"{"tokens":{"input_tokens":34,"output_tokens":70,"image_tokens":259},"cached_tokens":0}"#;
        assert_eq!(metered(text), Metered::Reported(usage));
    }

    #[test]
    fn absent_zero_and_partial_differ() {
        assert_eq!(metered("{}"), Metered::Absent);
        assert_eq!(metered(r#"{"tokens":{}}"#), Metered::Absent);
        assert_eq!(metered(r#"{"tokens":{"input_tokens":0,"output_tokens":0}}"#), Metered::Reported(Usage::default()));
        let usage = Usage { prompt: 2, ..Usage::default() };
        assert_eq!(metered(r#"{"tokens":{"input_tokens":2,"output_tokens":null}}"#), Metered::Partial(usage));
        assert_eq!(metered(r#"{"tokens":{"input_tokens":"x"}}"#), Metered::Absent);
    }
}
