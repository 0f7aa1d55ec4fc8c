//! Providers as they are: what they read of a request, and what they answer.

use bytes::Bytes;
use serde::Deserialize;
use tollgate::json;

use super::scene;

/// What a provider reads of a request; a field that appears twice is an error.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    pub(crate) model: String,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) max_completion_tokens: Option<u64>,
    n: Option<u64>,
    #[serde(default)]
    pub(crate) stream: bool,
    stream_options: Option<StreamOptions>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

impl Asked {
    /// Strictly, and beside it with the gateway's own scan: keys are there once.
    pub(crate) fn read(body: &[u8]) -> Self {
        json::scan(body, &json::Limits::default())
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(body)));
        serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(body)))
    }

    /// The most completion tokens an honest provider bills for it.
    pub(crate) fn completion_max(&self) -> u64 {
        let asked = self.max_tokens.max(self.max_completion_tokens);
        asked.unwrap_or_else(|| scene::model_max(&self.model)) * self.n.unwrap_or(1).max(1)
    }

    /// Whether anything bounds the answer.
    pub(crate) fn is_bounded(&self) -> bool {
        self.max_tokens.or(self.max_completion_tokens).is_some()
    }

    fn includes_usage(&self) -> bool {
        self.stream_options.as_ref().and_then(|options| options.include_usage).unwrap_or(false)
    }
}

/// Tokens a provider bills.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Billed {
    pub(crate) prompt: u64,
    pub(crate) completion: u64,
}

impl Billed {
    fn json(self) -> String {
        let Self { prompt, completion } = self;
        let total = prompt + completion;
        format!(r#"{{"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{total}}}"#)
    }
}

/// How the client sees it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The model as the client named it.
    pub(crate) model: String,
    /// Whether the client asked for the usage of a stream.
    pub(crate) usage: bool,
}

/// An answer in pieces: each as the provider sends it and as the client shall get it.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pieces: Vec<(String, String)>,
}

impl Answer {
    /// One JSON object. Without `billed` it reports no usage.
    pub(crate) fn json(asked: &Asked, seen: &Seen, words: u64, billed: Option<Billed>) -> Self {
        let usage = billed.map_or(String::new(), |billed| format!(r#","usage":{}"#, billed.json()));
        let text = " a".repeat(usize::try_from(words).unwrap());
        let object = |model: &str| {
            format!(
                r#"{{"id":"c","object":"chat.completion","model":{},"choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}"}},"finish_reason":"stop"}}]{usage}}}"#,
                quoted(model)
            )
        };
        Self { pieces: vec![(object(&asked.model), object(&seen.model))] }
    }

    /// An object that tells of an error.
    pub(crate) fn error(status: u16) -> Self {
        let object = format!(r#"{{"error":{{"message":"no, says the provider","code":{status}}}}}"#);
        Self { pieces: vec![(object.clone(), object)] }
    }

    /// A stream of `words` events, a finish, the usage if it was asked for, and `[DONE]`.
    pub(crate) fn stream(asked: &Asked, seen: &Seen, words: u64, billed: Option<Billed>) -> Self {
        let mut answer = Self::default();
        let null = if asked.includes_usage() { r#","usage":null"# } else { "" };
        let null_seen = if seen.usage { null } else { "" };
        let mut event = |choice: &str| {
            let data = |model: &str, null: &str| {
                format!("data: {{\"id\":\"c\",\"model\":{},\"choices\":[{choice}]{null}}}\n\n", quoted(model))
            };
            answer.pieces.push((data(&asked.model, null), data(&seen.model, null_seen)));
        };
        event(r#"{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}"#);
        (0..words).for_each(|_| event(r#"{"index":0,"delta":{"content":" a"},"finish_reason":null}"#));
        event(r#"{"index":0,"delta":{},"finish_reason":"stop"}"#);
        answer.same(": still here\n\n");
        if let Some(billed) = billed.filter(|_| asked.includes_usage()) {
            let data = |model: &str| {
                format!(
                    "data: {{\"id\":\"c\",\"model\":{},\"choices\":[],\"usage\":{}}}\n\n",
                    quoted(model),
                    billed.json()
                )
            };
            let shown = if seen.usage { data(&seen.model) } else { String::new() };
            answer.pieces.push((data(&asked.model), shown));
        }
        answer.same("data: [DONE]\n\n");
        answer
    }

    fn same(&mut self, text: &str) {
        self.pieces.push((text.to_owned(), text.to_owned()));
    }

    /// As the provider sends it.
    pub(crate) fn sent(&self) -> Bytes {
        Bytes::from(self.pieces.iter().map(|(sent, _)| sent.as_str()).collect::<String>())
    }

    /// What the client shall have by the time this much was sent: every whole piece.
    pub(crate) fn shown_after(&self, sent: usize) -> String {
        let mut end = 0;
        let whole = |piece: &&(String, String)| {
            end += piece.0.len();
            end <= sent
        };
        self.pieces.iter().take_while(whole).map(|(_, shown)| shown.as_str()).collect()
    }

    /// All that the client shall have in the end.
    pub(crate) fn shown(&self) -> String {
        self.pieces.iter().map(|(_, shown)| shown.as_str()).collect()
    }
}

fn quoted(text: &str) -> String {
    String::from_utf8(json::quote(text).to_vec()).unwrap()
}
