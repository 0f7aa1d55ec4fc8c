//! Log probabilities in OpenAI's words.

use serde::{Deserialize, Serialize};

use crate::chat::{Raw, Str};
use crate::dialect::gemini::as_value;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Given<'a> {
    #[serde(borrow)]
    chosen_candidates: Option<Vec<Token<'a>>>,
    #[serde(borrow)]
    top_candidates: Option<Vec<Top<'a>>>,
}

#[derive(Deserialize)]
struct Top<'a> {
    #[serde(borrow)]
    candidates: Option<Vec<Token<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token<'a> {
    #[serde(borrow, default)]
    token: Str<'a>,
    #[serde(borrow)]
    log_probability: Option<Raw<'a>>,
}

#[derive(Serialize)]
struct Logprobs<'a> {
    content: Vec<Said<'a>>,
}

#[derive(Serialize)]
struct Said<'a> {
    token: &'a str,
    logprob: Raw<'a>,
    bytes: &'a [u8],
    top_logprobs: Vec<Other<'a>>,
}

#[derive(Serialize)]
struct Other<'a> {
    token: &'a str,
    logprob: Raw<'a>,
    bytes: &'a [u8],
}

/// A `logprobsResult` as the `logprobs` of a choice.
pub(super) fn openai(raw: Raw<'_>) -> Option<String> {
    let given: Given<'_> = as_value(raw)?;
    let tops = given.top_candidates.unwrap_or_default();
    let chosen = given.chosen_candidates?;
    let content = chosen.iter().enumerate().filter_map(|(at, token)| {
        let others = tops.get(at).and_then(|top| top.candidates.as_deref()).unwrap_or_default();
        Some(Said {
            token: &token.token,
            logprob: token.log_probability?,
            bytes: token.token.as_bytes(),
            top_logprobs: others.iter().filter_map(other).collect(),
        })
    });
    serde_json::to_string(&Logprobs { content: content.collect() }).ok()
}

fn other<'t>(token: &'t Token<'_>) -> Option<Other<'t>> {
    Some(Other { token: &token.token, logprob: token.log_probability?, bytes: token.token.as_bytes() })
}
