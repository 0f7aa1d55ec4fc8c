//! What sound and pictures are reported to have used.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::dialect::Endpoint;
use crate::vocabulary::{Metered, PicoUsd, Units, Usage};

#[derive(Deserialize)]
struct Reported<'a> {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    // Transcriptions have the one, pictures the other.
    #[serde(alias = "input_token_details")]
    input_tokens_details: Option<Details>,
    output_tokens_details: Option<Details>,
    seconds: Option<f64>,
    #[serde(borrow)]
    cost: Option<&'a RawValue>,
    // xAI's.
    cost_in_usd_ticks: Option<u64>,
}

#[derive(Default, Deserialize)]
struct Details {
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
}

/// Reads the `usage` of an answer: tokens, seconds or a cost.
pub(super) fn metered(endpoint: Endpoint, usage: &[u8]) -> Metered {
    let Ok(reported) = serde_json::from_slice::<Reported<'_>>(usage) else { return Metered::Absent };
    let cost = match reported.cost_in_usd_ticks {
        Some(ticks) => Some(PicoUsd::ticks(ticks)),
        None => reported.cost.and_then(|cost| PicoUsd::parse(cost.get()).ok()),
    };
    let units = Units { millis: reported.seconds.map_or(0, millis), ..Units::NONE };
    if reported.input_tokens.or(reported.output_tokens).is_none() && cost.is_none() && reported.seconds.is_none() {
        return Metered::Absent;
    }
    let (prompt, completion) = (reported.input_tokens.unwrap_or(0), reported.output_tokens.unwrap_or(0));
    let (input, output) =
        (reported.input_tokens_details.unwrap_or_default(), reported.output_tokens_details.unwrap_or_default());
    let draws = matches!(endpoint, Endpoint::ImageGenerations | Endpoint::ImageEdits);
    Metered::Reported(Usage {
        prompt,
        completion,
        audio_in: input.audio_tokens.unwrap_or(0).min(prompt),
        image_in: input.image_tokens.unwrap_or(0).min(prompt),
        // Whoever draws answers in pictures unless told otherwise.
        image_out: output.image_tokens.unwrap_or(if draws { completion } else { 0 }).min(completion),
        cost,
        units,
        ..Usage::default()
    })
}

/// How long sound is that has so many seconds, as `duration` in an answer's own words.
pub(super) fn of_duration(seconds: &[u8]) -> Metered {
    match std::str::from_utf8(seconds).ok().and_then(|text| text.trim_matches('"').parse().ok()) {
        Some(seconds) => {
            Metered::Reported(Usage { units: Units { millis: millis(seconds), ..Units::NONE }, ..Usage::default() })
        }
        None => Metered::Absent,
    }
}

/// A cast of a number saturates, and one that is not a number is 0.
fn millis(seconds: f64) -> u64 {
    (seconds * 1000.0).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_with_what_they_were_spent_on() {
        let usage = br#"{"type":"tokens","input_tokens":14,"input_tokens_details":{"text_tokens":4,"audio_tokens":10},"output_tokens":5}"#;
        let expected = Usage { prompt: 14, completion: 5, audio_in: 10, ..Usage::default() };
        assert_eq!(metered(Endpoint::Transcriptions, usage), Metered::Reported(expected));
        let usage =
            br#"{"input_tokens":50,"output_tokens":40,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}"#;
        let expected = Usage { prompt: 50, completion: 40, image_in: 40, image_out: 40, ..Usage::default() };
        assert_eq!(metered(Endpoint::ImageEdits, usage), Metered::Reported(expected));
        let usage =
            br#"{"type":"tokens","input_tokens":54,"input_token_details":{"audio_tokens":54},"output_tokens":16}"#;
        let expected = Usage { prompt: 54, completion: 16, audio_in: 54, ..Usage::default() };
        assert_eq!(metered(Endpoint::Transcriptions, usage), Metered::Reported(expected));
    }

    #[test]
    fn seconds_and_costs_are_read() {
        let seconds = Usage { units: Units { millis: 9000, ..Units::NONE }, ..Usage::default() };
        let usage = br#"{"type":"duration","seconds":9}"#;
        assert_eq!(metered(Endpoint::Transcriptions, usage), Metered::Reported(seconds));
        assert_eq!(of_duration(b"9.0"), Metered::Reported(seconds));
        let costly = Usage { cost: Some(PicoUsd(600_000_000)), ..seconds };
        assert_eq!(metered(Endpoint::Transcriptions, br#"{"cost":0.0006,"seconds":9}"#), Metered::Reported(costly));
        let drawn = Usage { cost: Some(PicoUsd(20_000_000_000)), ..Usage::default() };
        let usage = br#"{"cost_in_usd_ticks":200000000}"#;
        assert_eq!(metered(Endpoint::ImageGenerations, usage), Metered::Reported(drawn));
        assert_eq!(metered(Endpoint::Transcriptions, b"{}"), Metered::Absent);
        assert_eq!(metered(Endpoint::Transcriptions, b"[]"), Metered::Absent);
    }
}
