//! What sound and pictures are reported to have used.

use serde::Deserialize;

use crate::dialect::Endpoint;
use crate::vocabulary::{Metered, Usage};

#[derive(Deserialize)]
struct Reported {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    input_tokens_details: Option<Details>,
    output_tokens_details: Option<Details>,
}

#[derive(Default, Deserialize)]
struct Details {
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
}

/// Reads the `usage` of an answer. One that counts seconds has no tokens.
pub(super) fn metered(endpoint: Endpoint, usage: &[u8]) -> Metered {
    let Ok(reported) = serde_json::from_slice::<Reported>(usage) else { return Metered::Absent };
    let (Some(prompt), completion) = (reported.input_tokens, reported.output_tokens.unwrap_or(0)) else {
        return Metered::Absent;
    };
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
        ..Usage::default()
    })
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
        assert_eq!(metered(Endpoint::Transcriptions, br#"{"type":"duration","seconds":9}"#), Metered::Absent);
        assert_eq!(metered(Endpoint::Transcriptions, b"[]"), Metered::Absent);
    }
}
