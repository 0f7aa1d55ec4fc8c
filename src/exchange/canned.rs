//! `mock_response`: an answer from the configuration, without an upstream.

use std::fmt::Write;

use bytes::Bytes;

use super::estimate;
use super::plan::Planned;
use super::reply::Reply;
use super::way::Way;
use crate::chat::{Delta, Encoder, Finish, Produced};
use crate::dialect::{self, Endpoint};
use crate::json;
use crate::pricing::prompt;
use crate::vocabulary::{Metered, Now, Usage};

/// Numbers in a canned embedding.
const DIMENSIONS: usize = 8;

impl Planned {
    /// Whether the current attempt's deployment is answered for here.
    pub fn is_answered_here(&self) -> bool {
        matches!(self.way(), Some(Way::Local))
    }

    /// The whole answer of the current attempt's deployment, where it is given here: JSON, or the events of a stream.
    pub fn canned(&mut self, now: Now) -> Option<Bytes> {
        if !matches!(self.way(), Some(Way::Local)) {
            return None;
        }
        let deployment = self.deployment()?;
        let (answer, usage) = match deployment.settings.mock_response.clone() {
            _ if self.request.endpoint.is_count() => (self.counted(), Usage::default()),
            Some(text) => self.mocked(&text, now),
            None => return None,
        };
        self.answers(now);
        self.reply = Reply::Over { metered: Metered::Reported(usage), produced: Produced::default(), answered: true };
        if let Some(current) = &mut self.current {
            (current.first_byte, current.ended) = (Some(now), Some(now));
        }
        self.settle_bill();
        Some(answer)
    }

    fn mocked(&self, text: &str, now: Now) -> (Bytes, Usage) {
        let endpoint = self.request.endpoint;
        // Four bytes to a token: no vocabulary is loaded for an answer that costs nothing.
        let completion = if endpoint.writes() { text.len().div_ceil(4) as u64 } else { 0 };
        let usage = Usage { prompt: estimate::prompt_tokens(&self.request), completion, ..Usage::default() };
        let answer = match (endpoint, self.request.stream) {
            (Endpoint::Embeddings, _) => self.embedding(&usage).into(),
            (Endpoint::ChatCompletions | Endpoint::Completions, true) => self.events(text, &usage, now).into(),
            (endpoint, stream) => match dialect::of(endpoint).filter(|_| !endpoint.is_openai()) {
                Some(dialect) => spoken(&mut *dialect.encoder(self.answer(now), stream), text, &usage),
                None => self.object(text, &usage, now).into(),
            },
        };
        (answer, usage)
    }

    /// The tokens of the request, counted here for a provider that does not count.
    fn counted(&self) -> Bytes {
        let tokens = prompt::estimate_prompt(self.request.model.as_str(), &self.request.body);
        match self.request.endpoint {
            Endpoint::GeminiCountTokens => format!(r#"{{"totalTokens":{tokens}}}"#),
            _ => format!(r#"{{"input_tokens":{tokens}}}"#),
        }
        .into()
    }

    fn object(&self, text: &str, usage: &Usage, now: Now) -> String {
        let text = quoted(text);
        let (kind, choice) = match self.request.endpoint {
            Endpoint::Completions => ("text_completion", format!(r#""text":{text},"logprobs":null"#)),
            _ => ("chat.completion", format!(r#""message":{{"role":"assistant","content":{text},"refusal":null}}"#)),
        };
        format!(
            r#"{{{},"choices":[{{"index":0,{choice},"finish_reason":"stop"}}],{}}}"#,
            self.opening(kind, now),
            usage_member(usage)
        )
    }

    fn events(&self, text: &str, usage: &Usage, now: Now) -> String {
        let chat = self.request.endpoint == Endpoint::ChatCompletions;
        let opening = self.opening(if chat { "chat.completion.chunk" } else { "text_completion" }, now);
        let mut out = String::with_capacity(text.len() * 8 + 512);
        let mut event = |choices: &str, more: &str| {
            // Writing to a string cannot fail.
            let _infallible = write!(out, "data: {{{opening},\"choices\":[{choices}]{more}}}\n\n");
        };
        let choice = |delta: &str, finish: &str| {
            if chat {
                format!(r#"{{"index":0,"delta":{{{delta}}},"finish_reason":{finish}}}"#)
            } else {
                format!(
                    r#"{{"index":0,"text":{},"logprobs":null,"finish_reason":{finish}}}"#,
                    if delta.is_empty() { "\"\"" } else { delta }
                )
            }
        };
        if chat {
            event(&choice(r#""role":"assistant","content":"""#, "null"), "");
        }
        for word in text.split_inclusive(' ') {
            let word = quoted(word);
            event(&choice(&if chat { format!(r#""content":{word}"#) } else { word }, "null"), "");
        }
        event(&choice("", "\"stop\""), "");
        if self.request.include_usage == Some(true) {
            event("", &format!(",{}", usage_member(usage)));
        }
        out.push_str("data: [DONE]\n\n");
        out
    }

    fn embedding(&self, usage: &Usage) -> String {
        let numbers = (0..DIMENSIONS).map(|place| format!("0.{}", place + 1)).collect::<Vec<_>>().join(",");
        format!(
            r#"{{"object":"list","data":[{{"object":"embedding","index":0,"embedding":[{numbers}]}}],"model":{},"usage":{{"prompt_tokens":{},"total_tokens":{}}}}}"#,
            quoted(self.request.model.as_str()),
            usage.prompt,
            usage.prompt
        )
    }

    fn opening(&self, kind: &str, now: Now) -> String {
        let id: String = self.common.id.chars().filter(char::is_ascii_hexdigit).collect();
        let created = now.wall_ms.div_euclid(1000);
        format!(
            r#""id":"chatcmpl-{id}","object":"{kind}","created":{created},"model":{}"#,
            quoted(self.request.model.as_str())
        )
    }
}

/// A text as an answer in any dialect.
fn spoken(encoder: &mut dyn Encoder, text: &str, usage: &Usage) -> Bytes {
    encoder.delta(0, Delta::Start { id: None, created: None });
    text.split_inclusive(' ').for_each(|word| encoder.delta(0, Delta::Text(word)));
    encoder.delta(0, Delta::Finish(Finish::Stop));
    encoder.end(Some(usage));
    encoder.take()
}

fn usage_member(usage: &Usage) -> String {
    format!(
        r#""usage":{{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{}}}"#,
        usage.prompt,
        usage.completion,
        usage.total()
    )
}

fn quoted(text: &str) -> String {
    String::from_utf8(json::quote(text).to_vec()).unwrap_or_else(|_| "\"\"".to_owned())
}
