//! Log probabilities in Gemini's words, gathered from those that chat completions tell.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The most tokens that are told of.
const TOKENS_MAX: usize = 128 * 1024;

/// What is known of an answer's tokens.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Likely {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    top_candidates: Vec<Top>,
    chosen_candidates: Vec<Token>,
}

#[derive(Serialize)]
struct Top {
    candidates: Vec<Token>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    token: String,
    log_probability: Box<RawValue>,
}

#[derive(Deserialize)]
struct Given {
    content: Option<Vec<Said>>,
}

#[derive(Deserialize)]
struct Said {
    token: String,
    logprob: Box<RawValue>,
    #[serde(default)]
    top_logprobs: Vec<Other>,
}

#[derive(Deserialize)]
struct Other {
    token: String,
    logprob: Box<RawValue>,
}

impl Likely {
    /// Takes the `logprobs` of a choice, or of a piece of it.
    pub(super) fn add(&mut self, logprobs: &str) {
        let given = serde_json::from_str::<Given>(logprobs).ok().and_then(|given| given.content);
        for said in given.into_iter().flatten() {
            if self.chosen_candidates.len() == TOKENS_MAX {
                return;
            }
            let others = said.top_logprobs.into_iter();
            let candidates: Vec<Token> =
                others.map(|other| Token { token: other.token, log_probability: other.logprob }).collect();
            // One for each token, where there are any.
            if !candidates.is_empty() || !self.top_candidates.is_empty() {
                let known = self.chosen_candidates.len();
                self.top_candidates.resize_with(known, || Top { candidates: Vec::new() });
                self.top_candidates.push(Top { candidates });
            }
            self.chosen_candidates.push(Token { token: said.token, log_probability: said.logprob });
        }
    }

    /// The `logprobsResult`; None where nothing is known.
    pub(super) fn result(&self) -> Option<Box<RawValue>> {
        let known = !self.chosen_candidates.is_empty();
        known.then(|| serde_json::value::to_raw_value(self).ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_one_result() {
        let mut likely = Likely::default();
        likely.add(r#"{"content":[{"token":"a","logprob":-0.50,"bytes":[97],"top_logprobs":[]}],"refusal":null}"#);
        likely.add(r#"{"content":[{"token":"b","logprob":-1,"top_logprobs":[{"token":"c","logprob":-2}]}]}"#);
        likely.add(r#"{"content":null}"#);
        likely.add("7");
        let expected = concat!(
            r#"{"topCandidates":[{"candidates":[]},{"candidates":[{"token":"c","logProbability":-2}]}],"#,
            r#""chosenCandidates":[{"token":"a","logProbability":-0.50},{"token":"b","logProbability":-1}]}"#,
        );
        assert_eq!(likely.result().map(|result| result.get().to_owned()).as_deref(), Some(expected));
        assert!(Likely::default().result().is_none());
    }
}
