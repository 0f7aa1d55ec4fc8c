//! What an answer has said so far, and how it is told: the same for whole answers and streams.

use serde::{Deserialize, Serialize};

use crate::chat::{Api, Broken, Delta, Finish, Raw, Sink, Str, UpstreamError};

/// Where an answer stands.
#[derive(Debug, Default)]
pub(super) struct Said {
    // Characters of text so far.
    characters: u64,
    // Where the text of a part of the content begins, for those that do not begin at 0.
    begins: Vec<(u64, u64)>,
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    // What Cohere calls it.
    index: u64,
    // How much of `null`, which stands for no arguments, came and is held back; None once anything was told.
    null: Option<usize>,
}

/// What stands for no arguments.
const NULL: &str = "null";

/// `citations` of a message.
#[derive(Debug, Deserialize)]
pub(super) struct Citation<'a> {
    start: Option<u64>,
    end: Option<u64>,
    #[serde(borrow)]
    text: Option<Str<'a>>,
    #[serde(borrow)]
    sources: Option<Vec<Source<'a>>>,
    content_index: Option<u64>,
    #[serde(borrow)]
    r#type: Option<Str<'a>>,
}

#[derive(Debug, Deserialize)]
struct Source<'a> {
    #[serde(borrow)]
    id: Option<Str<'a>>,
    #[serde(borrow)]
    document: Option<Raw<'a>>,
    #[serde(borrow)]
    tool_output: Option<Raw<'a>>,
}

/// What is looked for in a document, which may hold anything.
#[derive(Default, Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    title: Option<Raw<'a>>,
    #[serde(borrow)]
    url: Option<Raw<'a>>,
}

impl Said {
    /// A part of the content begins.
    pub(super) fn content(&mut self, index: u64) {
        if self.characters > 0 {
            self.begins.push((index, self.characters));
        }
    }

    pub(super) fn text(&mut self, text: &str, sink: &mut dyn Sink) {
        if !text.is_empty() {
            self.characters = self.characters.saturating_add(text.chars().count() as u64);
            sink.delta(0, Delta::Text(text));
        }
    }

    pub(super) fn thinking(&self, text: &str, sink: &mut dyn Sink) {
        if !text.is_empty() {
            sink.delta(0, Delta::Thinking(text));
        }
    }

    /// A call begins. Its number here counts from 0, whatever Cohere's does.
    pub(super) fn call(&mut self, index: u64, id: Option<&str>, name: Option<&str>, sink: &mut dyn Sink) {
        let place = self.calls.len();
        self.calls.push(Call { index, null: Some(0) });
        let made;
        let id = match id.filter(|id| !id.is_empty()) {
            Some(id) => id,
            None => {
                made = format!("call_{place}");
                &made
            }
        };
        let delta = Delta::ToolCall { index: number(place), id, name: name.unwrap_or_default(), signature: None };
        sink.delta(0, delta);
    }

    /// A piece of a call's arguments. Pieces of a call that did not begin are skipped.
    pub(super) fn arguments(&mut self, index: u64, piece: &str, sink: &mut dyn Sink) {
        let found = self.calls.iter_mut().enumerate().rev().find(|(_, call)| call.index == index);
        let Some((place, call)) = found.filter(|_| !piece.is_empty()) else { return };
        let index = number(place);
        if let Some(held) = call.null {
            if NULL.get(held..).is_some_and(|rest| rest.starts_with(piece)) {
                call.null = Some(held + piece.len());
                return;
            }
            call.null = None;
            tell(index, NULL.get(..held), sink);
        }
        sink.delta(0, Delta::Arguments { index, json: piece });
    }

    /// A call ends.
    pub(super) fn call_end(&mut self, index: u64, sink: &mut dyn Sink) {
        let found = self.calls.iter_mut().enumerate().rev().find(|(_, call)| call.index == index);
        let Some((place, call)) = found else { return };
        if let Some(held) = call.null.take().filter(|held| *held < NULL.len()) {
            tell(number(place), NULL.get(..held), sink);
        }
    }

    /// One for each source.
    pub(super) fn citation(&self, citation: &Citation<'_>, sink: &mut dyn Sink) {
        // Those of a plan or a thought have their places in a text that is not the answer's.
        let in_text = citation.r#type.as_deref().is_none_or(|kind| kind == "TEXT_CONTENT");
        let begin = citation.content_index.map_or(0, |index| self.begin(index));
        let place = |at: Option<u64>| at.filter(|_| in_text).map(|at| at.saturating_add(begin));
        let (start, end) = (place(citation.start), place(citation.end));
        let text = citation.text.as_deref();
        let sources = citation.sources.as_deref().unwrap_or_default();
        if sources.is_empty() {
            sink.delta(0, Delta::Citation { url: None, title: None, text, start, end });
        }
        for source in sources {
            let named = source.document.or(source.tool_output).and_then(|raw| serde_json::from_str(raw.get()).ok());
            let Named { title, url } = named.unwrap_or_default();
            let (title, url) = (title.and_then(plain), url.and_then(plain));
            let title = title.as_deref().or(source.id.as_deref());
            sink.delta(0, Delta::Citation { url: url.as_deref(), title, text, start, end });
        }
    }

    fn begin(&self, index: u64) -> u64 {
        self.begins.iter().rev().find(|(known, _)| *known == index).map_or(0, |(_, begin)| *begin)
    }
}

/// One for each token of the answer, or for several that came together.
#[derive(Deserialize)]
struct Likely<'a> {
    #[serde(borrow)]
    text: Option<Str<'a>>,
    logprobs: Option<Vec<f64>>,
}

#[derive(Serialize)]
struct Likelihoods<'a> {
    content: Vec<Likelihood<'a>>,
}

#[derive(Serialize)]
struct Likelihood<'a> {
    token: Str<'a>,
    logprob: f64,
    bytes: Option<()>,
    top_logprobs: [(); 0],
}

/// Tells log probabilities in OpenAI's form. Tokens whose text came together are as likely as all of them.
pub(super) fn logprobs(raw: Raw<'_>, sink: &mut dyn Sink) {
    let list = serde_json::from_str::<Vec<Likely<'_>>>(raw.get());
    let Ok(list) = list.or_else(|_| serde_json::from_str(raw.get()).map(|one| vec![one])) else { return };
    let content = list.into_iter().filter_map(|likely| {
        let logprob = likely.logprobs.filter(|list| !list.is_empty())?.iter().sum();
        Some(Likelihood { token: likely.text.unwrap_or_default(), logprob, bytes: None, top_logprobs: [] })
    });
    let told = Likelihoods { content: content.collect() };
    if let Ok(json) = serde_json::to_string(&told)
        && !told.content.is_empty()
    {
        sink.delta(0, Delta::Native { api: Api::OpenAiChat, key: "logprobs", json: &json });
    }
}

fn tell(index: u32, json: Option<&str>, sink: &mut dyn Sink) {
    if let Some(json) = json.filter(|json| !json.is_empty()) {
        sink.delta(0, Delta::Arguments { index, json });
    }
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

fn plain(raw: Raw<'_>) -> Option<Str<'_>> {
    serde_json::from_str(raw.get()).ok()
}

/// Tells the end of an answer.
///
/// # Errors
/// It ended in an error.
pub(super) fn end(reason: Option<&str>, error: Option<&str>, said: &Said, sink: &mut dyn Sink) -> Result<(), Broken> {
    let upstream = |status, usual: &str| {
        let message = error.filter(|text| !text.is_empty()).unwrap_or(usual).to_owned();
        Err(Broken::Upstream(UpstreamError { status, message }))
    };
    let finish = match reason.unwrap_or_default() {
        "ERROR" => return upstream(500, "the answer ended in an error"),
        "TIMEOUT" => return upstream(504, "the answer took too long"),
        "COMPLETE" => Finish::Stop,
        "STOP_SEQUENCE" => Finish::StopSequence(None),
        "MAX_TOKENS" | "ERROR_LIMIT" => Finish::Length,
        "TOOL_CALL" => Finish::ToolCalls,
        "ERROR_TOXIC" => Finish::ContentFilter,
        "" if error.is_some_and(|text| !text.is_empty()) => return upstream(500, ""),
        "" if said.calls.is_empty() => Finish::Stop,
        "" => Finish::ToolCalls,
        other => Finish::Other(other),
    };
    sink.delta(0, Delta::Finish(finish));
    Ok(())
}
