//! Usage as the Responses API tells it.

use crate::chat::Raw;
use crate::vocabulary::{Metered, PicoUsd, Usage};

/// The member `usage`. Counts are carried raw: one of a strange kind must not hide the others.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Wire<'a> {
    #[serde(borrow, alias = "prompt_tokens")]
    input_tokens: Option<Raw<'a>>,
    #[serde(borrow)]
    input_tokens_details: Option<Raw<'a>>,
    #[serde(borrow, alias = "completion_tokens")]
    output_tokens: Option<Raw<'a>>,
    #[serde(borrow)]
    output_tokens_details: Option<Raw<'a>>,
    #[serde(borrow)]
    total_tokens: Option<Raw<'a>>,
    // OpenRouter: dollars.
    #[serde(borrow)]
    cost: Option<Raw<'a>>,
    // xAI.
    #[serde(borrow)]
    cost_in_usd_ticks: Option<Raw<'a>>,
}

#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Details<'a> {
    #[serde(borrow)]
    cached_tokens: Option<Raw<'a>>,
    #[serde(borrow)]
    cache_write_tokens: Option<Raw<'a>>,
    #[serde(borrow)]
    reasoning_tokens: Option<Raw<'a>>,
    #[serde(borrow)]
    audio_tokens: Option<Raw<'a>>,
    #[serde(borrow)]
    image_tokens: Option<Raw<'a>>,
}

/// Reads the value of a `usage` member.
pub(super) fn metered(usage: &[u8]) -> Metered {
    let wire: Wire<'_> = serde_json::from_slice(usage).unwrap_or_default();
    let (prompt, total) = (count(wire.input_tokens), count(wire.total_tokens));
    let (input, output) = (details(wire.input_tokens_details), details(wire.output_tokens_details));
    let reasoning = count(output.reasoning_tokens).unwrap_or(0);
    let completion = completion(prompt, count(wire.output_tokens), total, reasoning);
    let cost = wire.cost.and_then(|cost| PicoUsd::parse(cost.get()).ok()).filter(|cost| *cost >= PicoUsd::ZERO);
    let cost = cost.or_else(|| count(wire.cost_in_usd_ticks).map(PicoUsd::ticks));
    let read = |prompt: u64, completion: u64| {
        let part = |count: Option<u64>, whole: u64| count.unwrap_or(0).min(whole);
        let cache_read = part(count(input.cached_tokens), prompt);
        Usage {
            prompt,
            completion,
            cache_read,
            cache_write: part(count(input.cache_write_tokens), prompt - cache_read),
            audio_in: part(count(input.audio_tokens), prompt),
            image_in: part(count(input.image_tokens), prompt),
            reasoning: reasoning.min(completion),
            audio_out: part(count(output.audio_tokens), completion),
            image_out: part(count(output.image_tokens), completion),
            cost,
            ..Usage::default()
        }
    };
    match (prompt, completion) {
        (Some(prompt), Some(completion)) => Metered::Reported(read(prompt, completion)),
        (Some(prompt), None) => Metered::Partial(read(prompt, 0)),
        (None, Some(completion)) => Metered::Partial(read(total.unwrap_or(0).saturating_sub(completion), completion)),
        (None, None) if total.is_some() || cost.is_some() => Metered::Partial(read(total.unwrap_or(0), 0)),
        (None, None) => Metered::Absent,
    }
}

/// xAI leaves reasoning out of the output and in the total; an output that is missing is the rest of the total.
fn completion(prompt: Option<u64>, output: Option<u64>, total: Option<u64>, reasoning: u64) -> Option<u64> {
    let (Some(prompt), Some(total)) = (prompt, total) else { return output };
    let outside = total.saturating_sub(prompt);
    match output {
        Some(output) if reasoning > 0 && output.saturating_add(reasoning) == outside => Some(outside),
        Some(output) => Some(output),
        None => Some(outside),
    }
}

fn count(raw: Option<Raw<'_>>) -> Option<u64> {
    crate::json::as_u64(raw?.get().as_bytes())
}

fn details<'a>(raw: Option<Raw<'a>>) -> Details<'a> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_partial_and_reported_are_different() {
        for nothing in ["null", "{}", "[]", "", "5", r#"{"input_tokens":null}"#, r#"{"input_tokens":-1}"#] {
            assert_eq!(metered(nothing.as_bytes()), Metered::Absent, "{nothing}");
        }
        assert_eq!(metered(br#"{"input_tokens":7}"#), Metered::Partial(Usage { prompt: 7, ..Usage::default() }));
        assert_eq!(
            metered(br#"{"input_tokens":0,"output_tokens":0,"total_tokens":0}"#),
            Metered::Reported(Usage::default())
        );
    }

    #[test]
    fn parts_are_read_and_stay_within_the_whole() {
        let text = r#"{"input_tokens":100,"input_tokens_details":{"cached_tokens":60,"cache_write_tokens":30},
            "output_tokens":50,"output_tokens_details":{"reasoning_tokens":900},"total_tokens":150,
            "cost_in_usd_ticks":5,"num_sources_used":0}"#;
        let usage =
            Usage { prompt: 100, completion: 50, cache_read: 60, cache_write: 30, reasoning: 50, ..Usage::default() };
        let usage = Usage { cost: Some(PicoUsd(500)), ..usage };
        assert_eq!(metered(text.as_bytes()), Metered::Reported(usage));
    }

    #[test]
    fn reasoning_outside_of_the_output_is_added() {
        let text = r#"{"input_tokens":10,"output_tokens":5,"output_tokens_details":{"reasoning_tokens":20},"total_tokens":35}"#;
        assert_eq!(metered(text.as_bytes()).usage().map(|usage| usage.completion), Some(25));
    }

    #[test]
    fn a_cost_is_kept() {
        let text = r#"{"input_tokens":1,"output_tokens":1,"cost":0.00014995}"#;
        assert_eq!(metered(text.as_bytes()).usage().and_then(|usage| usage.cost), Some(PicoUsd(149_950_000)));
    }
}
