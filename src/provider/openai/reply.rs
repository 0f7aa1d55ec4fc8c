//! Reads what a vendor answers: a whole answer or one chunk of a stream, which differ in little.

use crate::chat::{Broken, Delta, Finish, Raw, Sink, Str, UpstreamError};
use crate::dialect::Endpoint;
use crate::dialect::openai::Counts;
use crate::json;
use crate::vocabulary::Metered;

use super::errors;
use super::message::{self, Message};

/// More answers than any client asks for.
const CHOICES_MAX: usize = 128;
/// The longest word for an end that is kept, in characters.
const WORD_CHARS_MAX: usize = 128;

/// An answer or a chunk.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Reply<'a> {
    #[serde(borrow)]
    id: Option<Raw<'a>>,
    #[serde(borrow)]
    created: Option<Raw<'a>>,
    #[serde(borrow)]
    object: Option<Raw<'a>>,
    #[serde(borrow)]
    choices: Option<Raw<'a>>,
    #[serde(borrow)]
    usage: Option<Raw<'a>>,
    #[serde(borrow)]
    x_groq: Option<Raw<'a>>,
    #[serde(borrow)]
    error: Option<Raw<'a>>,
    #[serde(borrow)]
    message: Option<Raw<'a>>,
    #[serde(borrow)]
    detail: Option<Raw<'a>>,
    #[serde(borrow)]
    citations: Option<Raw<'a>>,
    #[serde(borrow)]
    search_results: Option<Raw<'a>>,
}

/// One of its choices.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Choice<'a> {
    #[serde(borrow)]
    index: Option<Raw<'a>>,
    #[serde(borrow)]
    delta: Option<Raw<'a>>,
    #[serde(borrow)]
    message: Option<Raw<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Raw<'a>>,
    #[serde(borrow)]
    stop_reason: Option<Raw<'a>>,
    #[serde(borrow)]
    logprobs: Option<Raw<'a>>,
    #[serde(borrow)]
    usage: Option<Raw<'a>>,
    #[serde(borrow)]
    error: Option<Raw<'a>>,
}

/// A text that says something.
pub(super) fn text<'a>(raw: Option<Raw<'a>>) -> Option<Str<'a>> {
    let raw = raw.filter(|raw| raw.get().starts_with('"'))?;
    serde_json::from_str::<Str<'_>>(raw.get()).ok().filter(|text| !text.is_empty())
}

/// The elements of a list; anything else has none.
pub(super) fn list<'a>(raw: Option<Raw<'a>>) -> Vec<Raw<'a>> {
    let raw = raw.filter(|raw| raw.get().starts_with('['));
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

/// An object; anything else is empty.
pub(super) fn object<'a, T: serde::Deserialize<'a> + Default>(raw: Raw<'a>) -> T {
    serde_json::from_str(raw.get()).unwrap_or_default()
}

/// Whether pieces come one by one or all at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// A whole answer.
    Whole,
    /// A chunk of a stream.
    Chunk,
}

/// What is remembered of an answer while it is read.
#[derive(Default)]
pub(super) struct Reader {
    counts: Counts,
    started: bool,
    choices: Vec<(u32, message::State, Option<End>)>,
}

/// Why a choice ended, in the vendor's words.
struct End {
    word: String,
    // The stop sequence that was met, where the vendor tells it.
    sequence: Option<String>,
}

impl Reader {
    /// Reads a chunk or a whole answer. Answers whether it names sources of the answer: see [`sources`].
    pub(super) fn read(&mut self, data: &[u8], shape: Shape, sink: &mut dyn Sink) -> Result<bool, Broken> {
        let reply: Reply<'_> = serde_json::from_slice(data)
            .map_err(|error| Broken::Malformed(format!("not an object of this API: {error}")))?;
        told_error(&reply, data)?;
        if let Some(usage) = reply.usage {
            self.counts.read(usage.get().as_bytes());
        }
        if let Some(wrapper) = reply.x_groq {
            self.counts.read_wrapped(wrapper.get().as_bytes());
        }
        let choices = list(reply.choices);
        self.start(&reply, !choices.is_empty(), sink);
        for raw in choices {
            let choice = serde_json::from_str(raw.get())
                .map_err(|error| Broken::Malformed(format!("not a choice of this API: {error}")))?;
            self.choice(&choice, data, shape, sink)?;
        }
        if shape == Shape::Whole && self.choices.is_empty() {
            return Err(Broken::Malformed("an answer without a choice".to_owned()));
        }
        Ok(reply.citations.is_some() || reply.search_results.is_some())
    }

    /// Azure begins with a chunk that has neither id nor choice.
    fn start(&mut self, reply: &Reply<'_>, has_choices: bool, sink: &mut dyn Sink) {
        let id = text(reply.id);
        if !self.started && (id.is_some() || has_choices) {
            self.started = true;
            let created = reply.created.and_then(|raw| json::as_u64(raw.get().as_bytes()));
            let created = created.and_then(|created| i64::try_from(created).ok()).filter(|created| *created > 0);
            sink.delta(0, Delta::Start { id: id.as_deref(), created });
        }
    }

    fn choice(&mut self, choice: &Choice<'_>, data: &[u8], shape: Shape, sink: &mut dyn Sink) -> Result<(), Broken> {
        if let Some(error) = choice.error.filter(|error| error.get() != "null") {
            return Err(errors::upstream(data, error));
        }
        if let Some(usage) = choice.usage {
            self.counts.read(usage.get().as_bytes());
        }
        let index = choice.index.and_then(|raw| json::as_u64(raw.get().as_bytes())).unwrap_or(0);
        let index = u32::try_from(index).map_err(|_| Broken::Malformed("a choice's index is too large".to_owned()))?;
        let mut cites = false;
        let (_, state, end) = self.place(index)?;
        // Perplexity sends both: the whole message with each delta, an empty delta with the whole message.
        let said = match shape {
            Shape::Whole => choice.message.or(choice.delta),
            Shape::Chunk => choice.delta.or(choice.message),
        };
        if let Some(raw) = said.filter(|raw| raw.get().starts_with('{')) {
            let message: Message<'_> = serde_json::from_str(raw.get())
                .map_err(|error| Broken::Malformed(format!("not a message of this API: {error}")))?;
            state.read(&message, index, data, shape, sink)?;
            cites = message.cites();
        }
        if let Some(logprobs) = choice.logprobs.filter(message::says_something) {
            message::native(index, "logprobs", logprobs, sink);
        }
        if let Some(word) = text(choice.finish_reason) {
            // Not an end that a client may take for one.
            if word == "error" {
                let message = "the provider ended the answer with an error".to_owned();
                return Err(Broken::Upstream(UpstreamError { status: 500, message }));
            }
            let sequence = text(choice.stop_reason).map(|text| text.chars().take(WORD_CHARS_MAX).collect());
            *end = Some(End { word: word.chars().take(WORD_CHARS_MAX).collect(), sequence });
        }
        if cites {
            self.counts.cites();
        }
        Ok(())
    }

    fn place(&mut self, index: u32) -> Result<&mut (u32, message::State, Option<End>), Broken> {
        let place = self.choices.iter().position(|(known, ..)| *known == index).unwrap_or(self.choices.len());
        if place == self.choices.len() {
            if place == CHOICES_MAX {
                return Err(Broken::Malformed(format!("more than {CHOICES_MAX} choices")));
            }
            self.choices.push((index, message::State::default(), None));
        }
        self.choices.get_mut(place).ok_or_else(|| Broken::Malformed("a choice is lost".to_owned()))
    }

    /// Whether every choice told why it ended.
    pub(super) fn is_finished(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|(.., end)| end.is_some())
    }

    /// Gives out what was held, and why each choice ended. Only now: some vendors say something after their finish reason.
    pub(super) fn end(&mut self, sink: &mut dyn Sink) {
        for (index, state, end) in &mut self.choices {
            state.end(*index, sink);
            let finish = end.as_ref().map_or(Finish::Stop, End::finish);
            let finish = if finish == Finish::Stop && state.has_calls() { Finish::ToolCalls } else { finish };
            sink.delta(*index, Delta::Finish(finish));
        }
        self.choices.clear();
    }

    pub(super) fn metered(&self) -> Metered {
        self.counts.metered(Endpoint::ChatCompletions)
    }
}

impl End {
    fn finish(&self) -> Finish<'_> {
        match self.word.as_str() {
            "stop" | "eos" | "eos_token" | "end_turn" | "complete" | "STOP" => match &self.sequence {
                Some(sequence) if !matches!(sequence.as_str(), "stop" | "end_turn" | "eos") => {
                    Finish::StopSequence(Some(sequence))
                }
                _ => Finish::Stop,
            },
            "stop_sequence" => Finish::StopSequence(self.sequence.as_deref()),
            "length" | "max_tokens" | "model_length" | "MAX_TOKENS" => Finish::Length,
            "tool_calls" | "function_call" | "tool_use" => Finish::ToolCalls,
            "content_filter" | "SAFETY" => Finish::ContentFilter,
            "refusal" => Finish::Refusal,
            "pause_turn" => Finish::Pause,
            other => Finish::Other(other),
        }
    }
}

/// Some tell an error under `error`, some in an object that is one, some with nothing but a message.
fn told_error(reply: &Reply<'_>, data: &[u8]) -> Result<(), Broken> {
    let is_null = |raw: &Raw<'_>| matches!(raw.get(), "null" | "\"\"" | "{}" | "false");
    if let Some(error) = reply.error.filter(|error| !is_null(error)) {
        return Err(errors::upstream(data, error));
    }
    let is_error = text(reply.object).is_some_and(|object| object == "error");
    let says_only_why = reply.choices.is_none()
        && reply.usage.is_none()
        && [reply.message, reply.detail].into_iter().flatten().any(|raw| !is_null(&raw));
    if is_error || says_only_why {
        let whole = serde_json::from_slice::<Raw<'_>>(data);
        return Err(whole.map_or_else(|_| errors::plain(data), |whole| errors::upstream(data, whole)));
    }
    Ok(())
}

/// Perplexity's sources, which stand beside the choices of every chunk.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Found<'a> {
    #[serde(borrow)]
    url: Option<Raw<'a>>,
    #[serde(borrow)]
    title: Option<Raw<'a>>,
    #[serde(borrow)]
    snippet: Option<Raw<'a>>,
}

/// Gives out the sources that an answer, or the last chunk of one, names.
pub(super) fn sources(data: &[u8], sink: &mut dyn Sink) {
    let reply: Reply<'_> = serde_json::from_slice(data).unwrap_or_default();
    let found = list(reply.search_results);
    for raw in &found {
        let found: Found<'_> = object(raw);
        let (url, title, snippet) = (text(found.url), text(found.title), text(found.snippet));
        let (url, title, text) = (url.as_deref(), title.as_deref(), snippet.as_deref());
        sink.delta(0, Delta::Citation { url, title, text, start: None, end: None });
    }
    for raw in list(reply.citations).into_iter().filter(|_| found.is_empty()) {
        if let Some(url) = text(Some(raw)) {
            sink.delta(0, Delta::Citation { url: Some(&url), title: None, text: None, start: None, end: None });
        }
    }
}

/// Reads a whole answer.
pub(super) fn read_whole(body: &[u8], sink: &mut dyn Sink) -> Result<Metered, Broken> {
    let mut reader = Reader::default();
    if reader.read(body, Shape::Whole, sink)? {
        sources(body, sink);
    }
    reader.end(sink);
    Ok(reader.metered())
}
