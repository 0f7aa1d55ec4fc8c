//! Reads answers of `/api/chat`: a whole one is a single line of what a stream has many of.

use serde::Deserialize;

use crate::chat::{Api, Broken, Delta, Finish, Raw, Sink, Str, UpstreamError};
use crate::vocabulary::{Metered, Usage};

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    created_at: Option<Str<'a>>,
    #[serde(borrow)]
    message: Option<Message<'a>>,
    done: Option<bool>,
    #[serde(borrow)]
    done_reason: Option<Str<'a>>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    #[serde(borrow)]
    logprobs: Option<Raw<'a>>,
    #[serde(borrow)]
    error: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<Str<'a>>,
    #[serde(borrow)]
    thinking: Option<Str<'a>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Call<'a>>>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    id: Option<Str<'a>>,
    #[serde(borrow)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    arguments: Option<Raw<'a>>,
}

/// What an answer has said so far.
#[derive(Debug, Default)]
pub(super) struct Said {
    started: bool,
    calls: u32,
    // Whether the last line came.
    pub(super) done: bool,
    pub(super) metered: Metered,
}

/// Reads a whole answer.
///
/// # Errors
/// It is none, or tells an error.
pub(super) fn read(body: &[u8], sink: &mut dyn Sink) -> Result<Metered, Broken> {
    let mut said = Said::default();
    said.line(body, sink)?;
    if said.done { Ok(said.metered) } else { Err(Broken::Malformed("an answer of Ollama that is not done".to_owned())) }
}

impl Said {
    /// Reads a line.
    ///
    /// # Errors
    /// It is none of an answer, or tells an error.
    pub(super) fn line(&mut self, json: &[u8], sink: &mut dyn Sink) -> Result<(), Broken> {
        if self.done {
            return Ok(());
        }
        let line: Line<'_> = serde_json::from_slice(json)
            .map_err(|error| Broken::Malformed(format!("not an answer of Ollama: {error}")))?;
        if let Some(error) = line.error.filter(|error| error.get() != "null") {
            return Err(Broken::Upstream(UpstreamError { status: 500, message: message(error) }));
        }
        self.start(line.created_at.as_deref(), sink);
        if let Some(said) = line.message {
            self.message(said, line.created_at.as_deref().unwrap_or_default(), sink);
        }
        if let Some(logprobs) = line.logprobs.filter(|logprobs| logprobs.get().starts_with('[')) {
            // OpenAI's entries, but for the object around them.
            let json = format!("{{\"content\":{}}}", logprobs.get());
            sink.delta(0, Delta::Native { api: Api::OpenAiChat, key: "logprobs", json: &json });
        }
        if line.done == Some(true) {
            self.done = true;
            self.metered = metered(line.prompt_eval_count, line.eval_count);
            sink.delta(0, Delta::Finish(self.finish(line.done_reason.as_deref())));
        }
        Ok(())
    }

    fn start(&mut self, created_at: Option<&str>, sink: &mut dyn Sink) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        let created = created_at.and_then(|text| text.parse::<jiff::Timestamp>().ok()).map(|time| time.as_second());
        sink.delta(0, Delta::Start { id: None, created: created.filter(|created| *created > 0) });
    }

    fn message(&mut self, message: Message<'_>, created_at: &str, sink: &mut dyn Sink) {
        let said = |text: Option<Str<'_>>, delta: &mut dyn FnMut(&str)| {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                delta(&text);
            }
        };
        said(message.thinking, &mut |text| sink.delta(0, Delta::Thinking(text)));
        said(message.content, &mut |text| sink.delta(0, Delta::Text(text)));
        for call in message.tool_calls.unwrap_or_default() {
            self.call(call, created_at, sink);
        }
    }

    /// A call comes whole. Older servers give no id: it is made from the time and the number of the call.
    fn call(&mut self, call: Call<'_>, created_at: &str, sink: &mut dyn Sink) {
        let index = self.calls;
        self.calls = self.calls.saturating_add(1);
        let made = || Str::from(format!("call_{:016x}_{index}", hash(created_at)));
        let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(made);
        let Function { name, arguments } = call.function.unwrap_or(Function { name: None, arguments: None });
        let name = name.as_deref().unwrap_or_default();
        sink.delta(0, Delta::ToolCall { index, id: &id, name, signature: None });
        let Some(arguments) = arguments.filter(|arguments| arguments.get() != "null") else { return };
        // An object; a text that holds one comes from servers that follow OpenAI here.
        match serde_json::from_str::<Str<'_>>(arguments.get()) {
            Ok(json) if json.is_empty() => {}
            Ok(json) => sink.delta(0, Delta::Arguments { index, json: &json }),
            Err(_) => sink.delta(0, Delta::Arguments { index, json: arguments.get() }),
        }
    }

    fn finish<'r>(&self, reason: Option<&'r str>) -> Finish<'r> {
        match reason.unwrap_or("stop") {
            "stop" | "" if self.calls > 0 => Finish::ToolCalls,
            "stop" | "" => Finish::Stop,
            "length" => Finish::Length,
            other => Finish::Other(other),
        }
    }
}

fn metered(prompt: Option<u64>, completion: Option<u64>) -> Metered {
    let usage = Usage { prompt: prompt.unwrap_or(0), completion: completion.unwrap_or(0), ..Usage::default() };
    match (prompt, completion) {
        (Some(_), Some(_)) => Metered::Reported(usage),
        (None, None) => Metered::Absent,
        // A prompt that was cached whole is not counted by older servers.
        _ => Metered::Partial(usage),
    }
}

/// FNV-1a.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The text of an error: a string, or an object with one.
pub(super) fn message(error: Raw<'_>) -> String {
    #[derive(Deserialize)]
    struct Object<'a> {
        #[serde(borrow)]
        message: Str<'a>,
    }
    let object = || serde_json::from_str::<Object<'_>>(error.get()).map(|object| object.message);
    let text = serde_json::from_str::<Str<'_>>(error.get()).or_else(|_| object());
    text.map_or_else(|_| error.get().to_owned(), |text| text.to_string())
}
