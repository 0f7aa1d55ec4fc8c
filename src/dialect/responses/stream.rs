//! Writes an answer as a response: its events as the pieces come, or the object at the end.
//!
//! Items lie in the output in the order in which they began. A message or a thought ends when something else begins;
//! calls stay open side by side until the answer ends, because their arguments may come in turns.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::chat::{Answer, Api, Delta, Encoder, Finish, Sink};
use crate::vocabulary::Usage;

use super::echo::Echo;
use super::entry::{End, Entry, Open, Outbox};
use super::freeform::Freeform;
use super::object::{Annotation, Event, Item, OfItem, OfResponse, Part, Response, ToolUsage, Within};
use super::{output, thought};

/// The state of an answer.
pub(super) struct Writer {
    out: Outbox,
    // The exchange's id without its dashes: ids here are letters, digits and underscores.
    id: String,
    response_id: String,
    model: String,
    created: i64,
    echo: Echo,
    begun: bool,
    items: Vec<Entry>,
    // The open message or thought.
    current: Option<usize>,
    // The open calls: the decoder's index, and the item.
    calls: Vec<(u32, usize)>,
    end: Option<End>,
    refused: bool,
    // Characters of text so far, in all messages.
    chars: u64,
}

impl Writer {
    /// Begins an answer.
    pub(super) fn new(answer: &Answer, stream: bool) -> Self {
        let id: String = answer.id.chars().filter(char::is_ascii_alphanumeric).collect();
        Self {
            out: Outbox { stream, bytes: Vec::new(), sequence: 0 },
            response_id: format!("resp_{id}"),
            id,
            model: answer.model.clone(),
            created: answer.created,
            echo: Echo::read(&answer.request),
            begun: false,
            items: Vec::new(),
            current: None,
            calls: Vec::new(),
            end: None,
            refused: false,
            chars: 0,
        }
    }

    fn response(&self, status: &'static str, end: Option<End>, usage: Option<&Usage>) -> Response<'_> {
        Response {
            id: &self.response_id,
            object: "response",
            created_at: self.created,
            status,
            error: None,
            incomplete_details: end.and_then(End::details),
            model: &self.model,
            output: self.items.iter().filter_map(Entry::done).collect(),
            usage: usage.map(Into::into),
            tool_usage: usage.and_then(ToolUsage::of),
            echo: &self.echo,
        }
    }

    fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) || !self.out.stream {
            return;
        }
        for kind in ["response.created", "response.in_progress"] {
            let event = Event {
                kind,
                sequence_number: self.out.sequence,
                body: OfResponse { response: self.response("in_progress", None, None) },
            };
            let mut bytes = Vec::new();
            output::event(&mut bytes, kind, &event);
            self.out.bytes.append(&mut bytes);
            self.out.sequence += 1;
        }
    }

    fn next_id(&self, prefix: &str) -> String {
        format!("{prefix}_{}_{}", self.id, self.items.len())
    }

    fn open(&mut self, id: String, open: Open) -> usize {
        let output_index = self.items.len();
        self.items.push(Entry { id, open });
        output_index
    }

    /// Tells of the item that comes next, as it looks before it says anything.
    fn added(&mut self, item: Item<'_>) {
        let output_index = self.items.len();
        self.out.emit("response.output_item.added", OfItem { output_index, item });
    }

    fn text(&mut self, text: &str, refusal: bool) {
        if text.is_empty() {
            return;
        }
        self.refused |= refusal;
        let index = self.message(refusal);
        let Some(Entry { id, open: Open::Message { parts, part: Some(part) } }) = self.items.get_mut(index) else {
            return;
        };
        let chars = text.chars().count() as u64;
        part.text.push_str(text);
        part.chars += chars;
        self.chars += chars;
        let spot = Within { item_id: id, output_index: index, content_index: Some(parts.len()), ..Within::default() };
        if refusal {
            self.out.emit("response.refusal.delta", Within { delta: Some(text), ..spot });
        } else {
            self.out.emit("response.output_text.delta", Within { delta: Some(text), logprobs: Some(&[]), ..spot });
        }
    }

    /// The open message, with an open part of this kind.
    fn message(&mut self, refusal: bool) -> usize {
        let open = self.current.filter(|index| self.items.get(*index).is_some_and(Entry::is_message));
        let index = match open {
            Some(index) => index,
            None => {
                self.close_current(End::Completed);
                let id = self.next_id("msg");
                self.added(Item::Message { id: &id, status: "in_progress", role: "assistant", content: &[] });
                self.open(id, Open::Message { parts: Vec::new(), part: None })
            }
        };
        self.current = Some(index);
        let Some(entry) = self.items.get_mut(index) else { return index };
        if entry.part_is(!refusal) {
            entry.close_part(index, &mut self.out);
        }
        entry.open_part(index, refusal, &mut self.out);
        index
    }

    fn thinking(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let index = self.thought();
        let Some(Entry { id, open: Open::Thought { text: all, .. } }) = self.items.get_mut(index) else { return };
        let spot = || Within { item_id: id, output_index: index, summary_index: Some(0), ..Within::default() };
        if all.is_empty() {
            let part = Some(Part::SummaryText { text: "" });
            self.out.emit("response.reasoning_summary_part.added", Within { part, ..spot() });
        }
        all.push_str(text);
        self.out.emit("response.reasoning_summary_text.delta", Within { delta: Some(text), ..spot() });
    }

    /// The open thought.
    fn thought(&mut self) -> usize {
        if let Some(index) = self.current.filter(|index| self.items.get(*index).is_some_and(Entry::is_thought)) {
            return index;
        }
        self.close_current(End::Completed);
        let id = self.next_id("rs");
        self.added(Item::Reasoning { id: &id, summary: &[], encrypted_content: None });
        let index = self.open(id, Open::Thought { text: String::new(), sealed: None });
        self.current = Some(index);
        index
    }

    /// Ends the open thought with what its provider wants back.
    fn seal(&mut self, content: String) {
        let index = self.thought();
        if let Some(Entry { open: Open::Thought { sealed, .. }, .. }) = self.items.get_mut(index) {
            *sealed = Some(content);
        }
        self.close_current(End::Completed);
    }

    fn call(&mut self, index: u32, call_id: &str, called: &str, signature: Option<&str>) {
        self.close_current(End::Completed);
        if let Some(signature) = signature {
            self.seal(thought::seal_call(call_id, signature));
        }
        let target = self.echo.target(called);
        let id = self.next_id(if target.custom { "ctc" } else { "fc" });
        let (status, name, namespace) = ("in_progress", &*target.name, target.namespace.as_deref());
        self.added(match target.custom {
            true => Item::CustomToolCall { id: &id, status, call_id, input: "", name, namespace },
            false => Item::FunctionCall { id: &id, status, arguments: "", call_id, name, namespace },
        });
        let (arguments, input) = (String::new(), Freeform::default());
        let item = self.open(id, Open::Call { id: call_id.to_owned(), target, arguments, input });
        self.calls.push((index, item));
    }

    fn arguments(&mut self, index: u32, json: &str) {
        let Some((_, output_index)) = self.calls.iter().rev().find(|(call, _)| *call == index).copied() else { return };
        let Some(Entry { id, open: Open::Call { target, arguments, input, .. } }) = self.items.get_mut(output_index)
        else {
            return;
        };
        let spot = Within { item_id: id, output_index, ..Within::default() };
        let (kind, delta) = if target.custom {
            ("response.custom_tool_call_input.delta", input.push(json))
        } else {
            arguments.push_str(json);
            ("response.function_call_arguments.delta", json)
        };
        if !delta.is_empty() {
            self.out.emit(kind, Within { delta: Some(delta), ..spot });
        }
    }

    fn citation(&mut self, annotation: &Cited<'_>) {
        let open = self.current.filter(|index| self.items.get(*index).is_some_and(Entry::is_message));
        if open.is_none() && self.end.is_some() {
            return;
        }
        let index = self.message(false);
        let Some(Entry { id, open: Open::Message { parts, part: Some(part) } }) = self.items.get_mut(index) else {
            return;
        };
        let written = annotation.write(self.chars - part.chars, part.chars);
        let Ok(json) = to_raw_value(&written) else { return };
        let spot = Within {
            item_id: id,
            output_index: index,
            content_index: Some(parts.len()),
            annotation_index: Some(part.annotations.len()),
            annotation: Some(&json),
            ..Within::default()
        };
        self.out.emit("response.output_text.annotation.added", spot);
        part.annotations.push(json);
    }

    /// The log probabilities of tokens, which chat completions tell in the same form.
    fn logprobs(&mut self, json: &str) {
        #[derive(Deserialize)]
        struct Told {
            content: Option<Vec<Box<RawValue>>>,
        }
        let told = serde_json::from_str::<Told>(json).ok().and_then(|told| told.content).unwrap_or_default();
        if told.is_empty() {
            return;
        }
        let index = self.message(false);
        if let Some(Entry { open: Open::Message { part: Some(part), .. }, .. }) = self.items.get_mut(index) {
            part.logprobs.extend(told);
        }
    }

    fn picture(&mut self, data: &str) {
        self.close_current(End::Completed);
        let id = self.next_id("ig");
        self.added(Item::ImageGenerationCall { id: &id, status: "in_progress", result: None });
        let index = self.open(id, Open::Lost);
        let Some(entry) = self.items.get_mut(index) else { return };
        let spot = Within { item_id: &entry.id, output_index: index, ..Within::default() };
        self.out.emit("response.image_generation_call.completed", spot);
        let item = to_raw_value(&Item::ImageGenerationCall { id: &entry.id, status: "completed", result: Some(data) });
        entry.done_with(index, item, &mut self.out);
    }

    /// An item in the words of this API.
    fn native(&mut self, json: &str) {
        let Ok(item) = serde_json::from_str::<Box<RawValue>>(json) else { return };
        self.close_current(End::Completed);
        let output_index = self.items.len();
        self.out.emit("response.output_item.added", OfItem { output_index, item: &item });
        let mut entry = Entry { id: String::new(), open: Open::Lost };
        entry.done_with(output_index, Ok(item), &mut self.out);
        self.items.push(entry);
    }

    fn finish(&mut self, finish: Finish<'_>) {
        let end = match finish {
            Finish::Length => End::Length,
            Finish::ContentFilter => End::Filtered,
            // Where the model said so itself, that is its answer.
            Finish::Refusal if !self.refused => End::Filtered,
            _ => End::Completed,
        };
        self.end = Some(end);
        self.close_all(end);
    }

    fn close_current(&mut self, end: End) {
        if let Some(index) = self.current.take()
            && let Some(entry) = self.items.get_mut(index)
        {
            entry.close(index, end, &mut self.out);
        }
    }

    fn close_all(&mut self, end: End) {
        self.current = None;
        self.calls.clear();
        for (index, entry) in self.items.iter_mut().enumerate() {
            entry.close(index, end, &mut self.out);
        }
    }
}

/// A source as a provider gave it.
struct Cited<'a> {
    url: Option<&'a str>,
    title: Option<&'a str>,
    start: Option<u64>,
    end: Option<u64>,
}

impl<'a> Cited<'a> {
    /// `before` and `here` are the characters before the part that it stands in, and in it.
    fn write(&self, before: u64, here: u64) -> Annotation<'a> {
        let place = |at: u64| at.saturating_sub(before).min(here);
        let end_index = self.end.map_or(here, place);
        let start_index = self.start.map_or(end_index, place);
        let title = self.title.unwrap_or_default();
        match self.url {
            Some(url) => Annotation::UrlCitation { url, title, start_index, end_index },
            None => Annotation::FileCitation { file_id: title, filename: title, index: end_index },
        }
    }
}

impl Sink for Writer {
    fn delta(&mut self, choice: u32, delta: Delta<'_>) {
        // This API has one answer; reading refuses nothing that asks for more.
        if choice != 0 {
            return;
        }
        self.begin();
        match delta {
            Delta::Start { .. } => {}
            Delta::Text(text) => self.text(text, false),
            Delta::Refusal(text) => self.text(text, true),
            Delta::Thinking(text) => self.thinking(text),
            Delta::Signature(signature) => self.seal(signature.to_owned()),
            Delta::Redacted(data) => {
                self.close_current(End::Completed);
                self.seal(thought::seal_redacted(data));
            }
            Delta::ToolCall { index, id, name, signature } => self.call(index, id, name, signature),
            Delta::Arguments { index, json } => self.arguments(index, json),
            Delta::Media { mime, data } if mime.starts_with("image/") => self.picture(data),
            Delta::Citation { url, title, start, end, .. } => self.citation(&Cited { url, title, start, end }),
            Delta::Native { api: Api::Responses, json, .. } => self.native(json),
            Delta::Native { api: Api::OpenAiChat, key: "logprobs", json } => self.logprobs(json),
            // Sound has no place in a response, nor have the words of other APIs.
            Delta::Media { .. } | Delta::Native { .. } => {}
            Delta::Finish(finish) => self.finish(finish),
        }
    }
}

impl Encoder for Writer {
    fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.out.bytes).into()
    }

    fn end(&mut self, usage: Option<&Usage>) {
        self.begin();
        let end = self.end.unwrap_or(End::Completed);
        self.close_all(end);
        let response = self.response(end.status(), Some(end), usage);
        let mut bytes = Vec::with_capacity(1024);
        if self.out.stream {
            let kind = if end == End::Completed { "response.completed" } else { "response.incomplete" };
            let event = Event { kind, sequence_number: self.out.sequence, body: OfResponse { response } };
            output::event(&mut bytes, kind, &event);
        } else {
            output::put(&mut bytes, &response);
        }
        self.out.bytes.append(&mut bytes);
    }
}
