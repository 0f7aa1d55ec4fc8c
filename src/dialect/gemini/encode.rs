//! An answer in Gemini's form: one object, or the pieces of a stream.

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::chat::{Answer, Api, Delta, Encoder, Finish, Sink, object_or_empty};
use crate::vocabulary::Usage;

use super::chunk::{
    Blob, BlobPart, CallPart, Candidate, Chunk, Content, Counts, FunctionCall, Grounding, Part, Retrieved, Segment,
    Source, Support, TextPart, Unread, Web,
};
use super::likely::Likely;
use super::object::Object;
use super::reply::FINISH_REASONS;

/// The most of an answer's text that is kept to count its bytes for citations.
const TEXT_BYTES_MAX: usize = 256 * 1024;
/// The most answers to one request.
const CHOICES_MAX: usize = 128;

/// How the answer leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Whole,
    Sse,
    Array,
}

pub(super) struct Writer {
    answer: Answer,
    framing: Framing,
    out: BytesMut,
    id: Option<String>,
    feedback: Option<Box<RawValue>>,
    choices: Vec<Choice>,
    // A chunk was written.
    begun: bool,
}

#[derive(Default)]
struct Choice {
    index: u32,
    parts: Vec<Piece>,
    calls: Vec<Call>,
    // The last text was a thought.
    thought: bool,
    metadata: Vec<(&'static str, Box<RawValue>)>,
    cited: Cited,
    likely: Likely,
    text: String,
    finish: Option<String>,
    message: Option<Box<RawValue>>,
}

/// A part that is not sent yet.
enum Piece {
    Text { text: String, thought: bool, signature: Option<String> },
    Json(Box<RawValue>),
}

/// A call whose arguments may not be whole yet.
struct Call {
    index: u32,
    id: String,
    name: String,
    arguments: String,
    signature: Option<String>,
}

#[derive(Default)]
struct Cited {
    chunks: Vec<(String, String)>,
    supports: Vec<(Option<u64>, Option<u64>, String, usize)>,
}

impl Writer {
    pub(super) fn new(answer: Answer, framing: Framing) -> Self {
        let out = BytesMut::new();
        Self { answer, framing, out, id: None, feedback: None, choices: Vec::new(), begun: false }
    }

    fn choice(&mut self, index: u32) -> Option<&mut Choice> {
        if let Some(at) = self.choices.iter().position(|choice| choice.index == index) {
            return self.choices.get_mut(at);
        }
        if self.choices.len() == CHOICES_MAX {
            return None;
        }
        self.choices.push(Choice { index, ..Choice::default() });
        self.choices.last_mut()
    }

    fn write(&mut self, chunk: &[u8]) {
        match (self.framing, self.begun) {
            (Framing::Whole, _) => self.out.extend_from_slice(chunk),
            (Framing::Sse, _) => {
                self.out.extend_from_slice(b"data: ");
                // Carried JSON may stand on several lines, an event must not. Within texts there are none.
                self.out.extend(chunk.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
                self.out.extend_from_slice(b"\r\n\r\n");
            }
            (Framing::Array, begun) => {
                self.out.extend_from_slice(if begun { b",\r\n" } else { b"[" });
                self.out.extend_from_slice(chunk);
            }
        }
        self.begun = true;
    }

    fn chunk(&self, candidates: Vec<Candidate<'_>>, counts: Option<Counts>, feedback: bool) -> Vec<u8> {
        let chunk = Chunk {
            candidates,
            prompt_feedback: self.feedback.as_deref().filter(|_| feedback),
            usage_metadata: counts,
            model_version: &self.answer.model,
            response_id: self.id.as_deref().unwrap_or(&self.answer.id),
        };
        serde_json::to_vec(&chunk).unwrap_or_default()
    }

    /// Sends what is whole of every choice.
    fn flush(&mut self) {
        for at in 0..self.choices.len() {
            let Some(choice) = self.choices.get(at).filter(|choice| !choice.parts.is_empty()) else { continue };
            let candidate = choice.candidate(false);
            let bytes = self.chunk(vec![candidate], None, false);
            self.write(&bytes);
            if let Some(choice) = self.choices.get_mut(at) {
                choice.parts.clear();
            }
        }
    }

    /// Sends the end of each choice, the usage with the last.
    fn last_chunks(&mut self, usage: Option<&Usage>) {
        let count = self.choices.len();
        for at in 0..count.max(1) {
            let candidate = self.choices.get(at).map(|choice| choice.last_candidate());
            let counts = usage.filter(|_| at + 1 >= count).map(Counts::of);
            let bytes = self.chunk(candidate.into_iter().collect(), counts, at == 0);
            self.write(&bytes);
            if let Some(choice) = self.choices.get_mut(at) {
                choice.parts.clear();
            }
        }
        if self.framing == Framing::Array {
            self.out.extend_from_slice(b"]");
        }
    }
}

impl Sink for Writer {
    fn delta(&mut self, index: u32, delta: Delta<'_>) {
        match delta {
            Delta::Start { id, .. } => {
                self.id = id.map(str::to_owned);
                return;
            }
            Delta::Native { api: Api::Gemini, key: "promptFeedback", json } => {
                self.feedback = raw(json);
                return;
            }
            _ => {}
        }
        if let Some(choice) = self.choice(index) {
            choice.add(delta);
        }
    }
}

impl Encoder for Writer {
    fn take(&mut self) -> Bytes {
        if self.framing != Framing::Whole {
            self.flush();
        }
        self.out.split().freeze()
    }

    fn end(&mut self, usage: Option<&Usage>) {
        for choice in &mut self.choices {
            choice.close_calls();
            choice.ground();
            choice.tell_likely();
        }
        if self.framing != Framing::Whole {
            self.last_chunks(usage);
            return;
        }
        self.choices.sort_by_key(|choice| choice.index);
        let blocked = self.feedback.is_some();
        let said = |choice: &&Choice| !(blocked && choice.parts.is_empty());
        let candidates = self.choices.iter().filter(said).map(|choice| choice.candidate(true)).collect();
        let bytes = self.chunk(candidates, usage.map(Counts::of), true);
        self.write(&bytes);
    }
}

fn raw(json: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(json.to_owned()).ok()
}

fn boxed<T: Serialize>(value: &T) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(value).ok()
}

impl Choice {
    fn add(&mut self, delta: Delta<'_>) {
        match delta {
            Delta::ToolCall { index, id, name, signature } => {
                self.calls.push(Call {
                    index,
                    id: id.to_owned(),
                    name: name.to_owned(),
                    arguments: String::new(),
                    signature: signature.map(str::to_owned),
                });
                return;
            }
            Delta::Arguments { index, json } => {
                if let Some(call) = self.calls.iter_mut().find(|call| call.index == index) {
                    call.arguments.push_str(json);
                }
                return;
            }
            _ => self.close_calls(),
        }
        match delta {
            Delta::Text(text) | Delta::Refusal(text) => {
                if self.text.len() + text.len() <= TEXT_BYTES_MAX {
                    self.text.push_str(text);
                }
                self.say(text, false);
            }
            Delta::Thinking(text) => self.say(text, true),
            Delta::Signature(signature) => self.sign(signature),
            Delta::Media { mime, data } => {
                let part = BlobPart { inline_data: Blob { mime_type: mime, data } };
                self.parts.extend(boxed(&part).map(Piece::Json));
            }
            Delta::Citation { url, title, text, start, end } => {
                let source = (url.unwrap_or_default().to_owned(), title.unwrap_or_default().to_owned());
                let known = self.cited.chunks.iter().position(|chunk| *chunk == source);
                let at = known.unwrap_or(self.cited.chunks.len());
                if known.is_none() {
                    self.cited.chunks.push(source);
                }
                let (start, end) = (self.byte(start), self.byte(end));
                self.cited.supports.push((start, end, text.unwrap_or_default().to_owned(), at));
            }
            Delta::Native { api: Api::Gemini, key, json } => self.native(key, json),
            Delta::Native { api: Api::OpenAiChat, key: "logprobs", json } => self.likely.add(json),
            Delta::Finish(finish) => self.finish = self.finish.take().or_else(|| Some(word(finish).to_owned())),
            Delta::Start { .. }
            | Delta::Redacted(_)
            | Delta::ToolCall { .. }
            | Delta::Arguments { .. }
            | Delta::Native { .. } => {}
        }
    }

    fn native(&mut self, key: &str, json: &str) {
        let known = ["groundingMetadata", "citationMetadata", "urlContextMetadata", "logprobsResult"];
        if let Some(name) = known.into_iter().find(|name| *name == key) {
            self.metadata.retain(|(known, _)| *known != name);
            self.metadata.extend(raw(json).map(|json| (name, json)));
            return;
        }
        match key {
            "finishMessage" => {
                let object = Object::read_str(json).unwrap_or_default();
                let reason = object.get(&["finishReason"]).and_then(|raw| serde_json::from_str(raw.get()).ok());
                self.finish = reason.or_else(|| self.finish.take());
                self.message = object.get(&["finishMessage"]).map(ToOwned::to_owned);
            }
            "executableCode" | "codeExecutionResult" | "toolCall" | "toolResponse" | "fileData" => {
                self.parts.extend(raw(json).map(Piece::Json));
            }
            _ => {}
        }
    }

    fn say(&mut self, said: &str, is_thought: bool) {
        self.thought = is_thought;
        if let Some(Piece::Text { text, thought, signature: None }) = self.parts.last_mut()
            && *thought == is_thought
        {
            text.push_str(said);
            return;
        }
        self.parts.push(Piece::Text { text: said.to_owned(), thought: is_thought, signature: None });
    }

    fn sign(&mut self, given: &str) {
        if let Some(Piece::Text { signature: signature @ None, .. }) = self.parts.last_mut() {
            *signature = Some(given.to_owned());
            return;
        }
        let signature = Some(given.to_owned());
        self.parts.push(Piece::Text { text: String::new(), thought: self.thought, signature });
    }

    fn close_calls(&mut self) {
        for call in self.calls.drain(..) {
            // What is no object cannot stand there: the client sees the text that the model wrote.
            let whole = boxed(&Unread { arguments: &call.arguments });
            let Some(args) = object_or_empty(&call.arguments).or(whole.as_deref()) else { continue };
            let part = CallPart {
                function_call: FunctionCall { id: &call.id, name: &call.name, args },
                thought_signature: call.signature.as_deref(),
            };
            self.parts.extend(boxed(&part).map(Piece::Json));
        }
    }

    /// Where in the text a character begins.
    fn byte(&self, characters: Option<u64>) -> Option<u64> {
        let count = usize::try_from(characters?).ok()?;
        let mut bytes = self.text.char_indices().map(|(at, _)| at).chain(Some(self.text.len()));
        bytes.nth(count).and_then(|at| u64::try_from(at).ok())
    }

    /// Citations as grounding, unless the answer has its own.
    fn ground(&mut self) {
        if self.metadata.iter().any(|(name, _)| matches!(*name, "groundingMetadata" | "citationMetadata")) {
            self.cited = Cited::default();
        }
    }

    /// Log probabilities of another API's, unless the answer has its own.
    fn tell_likely(&mut self) {
        if self.metadata.iter().all(|(name, _)| *name != "logprobsResult") {
            self.metadata.extend(self.likely.result().map(|result| ("logprobsResult", result)));
        }
    }

    /// The last of a stream. Clients take one without content for a broken answer and forget the turn.
    fn last_candidate(&self) -> Candidate<'_> {
        let mut candidate = self.candidate(true);
        if candidate.content.is_none() && matches!(candidate.finish_reason, Some("STOP" | "MAX_TOKENS")) {
            let nothing = Part::Text(TextPart { text: "", thought: false, thought_signature: None });
            candidate.content = Some(Content { parts: vec![nothing], role: "model" });
        }
        candidate
    }

    fn candidate(&self, last: bool) -> Candidate<'_> {
        let parts: Vec<Part<'_>> = self.parts.iter().map(Piece::part).collect();
        let metadata = self.metadata.iter().filter(|_| last).map(|(name, json)| ((*name).into(), &**json));
        Candidate {
            content: (!parts.is_empty()).then_some(Content { parts, role: "model" }),
            finish_reason: self.finish.as_deref().filter(|_| last),
            finish_message: self.message.as_deref().filter(|_| last),
            index: self.index,
            metadata: Object(metadata.collect()),
            cited: (last && !self.cited.supports.is_empty()).then(|| self.cited.grounding()),
        }
    }
}

impl Cited {
    fn grounding(&self) -> Grounding<'_> {
        let supports = self.supports.iter();
        Grounding {
            grounding_chunks: self.chunks.iter().map(|(uri, title)| source(uri, title)).collect(),
            grounding_supports: supports.map(|(start, end, text, at)| support(*start, *end, text, *at)).collect(),
        }
    }
}

/// A page of the web, or a document of the client's.
fn source<'w>(uri: &'w str, title: &'w str) -> Source<'w> {
    if uri.is_empty() { Source::RetrievedContext(Retrieved { title }) } else { Source::Web(Web { uri, title }) }
}

fn support(start_index: Option<u64>, end_index: Option<u64>, text: &str, at: usize) -> Support<'_> {
    Support { segment: Segment { start_index, end_index, text }, grounding_chunk_indices: [at] }
}

impl Piece {
    fn part(&self) -> Part<'_> {
        match self {
            Self::Text { text, thought, signature } => {
                Part::Text(TextPart { text, thought: *thought, thought_signature: signature.as_deref() })
            }
            Self::Json(json) => Part::Json(json),
        }
    }
}

/// Google's word for an end.
fn word<'f>(finish: Finish<'f>) -> &'f str {
    match finish {
        Finish::Stop | Finish::StopSequence(_) | Finish::ToolCalls => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::ContentFilter | Finish::Refusal => "SAFETY",
        Finish::Other(word) if FINISH_REASONS.contains(&word) => word,
        Finish::Pause | Finish::Other(_) => "OTHER",
    }
}
