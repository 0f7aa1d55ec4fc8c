//! An item of the output while it grows, and how it ends.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::echo::Target;
use super::freeform::Freeform;
use super::object::{Event, Incomplete, Item, OfItem, Part, Within};
use super::output;

/// Takes the events of a stream; of an answer that is written whole there are none.
pub(super) struct Outbox {
    pub(super) stream: bool,
    pub(super) bytes: Vec<u8>,
    pub(super) sequence: u64,
}

/// An item: open, or done.
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) open: Open,
}

/// What an item holds so far.
pub(super) enum Open {
    Message { parts: Vec<Box<RawValue>>, part: Option<OpenPart> },
    Thought { text: String, sealed: Option<String> },
    Call { id: String, target: Target, arguments: String, input: Freeform },
    Done(Box<RawValue>),
    // What could not be written as JSON, which nothing here is.
    Lost,
}

/// The part of a message that grows.
#[derive(Default)]
pub(super) struct OpenPart {
    pub(super) refusal: bool,
    pub(super) text: String,
    pub(super) chars: u64,
    pub(super) annotations: Vec<Box<RawValue>>,
    pub(super) logprobs: Vec<Box<RawValue>>,
}

/// How an answer ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Completed,
    Length,
    Filtered,
}

impl End {
    pub(super) const fn status(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Length | Self::Filtered => "incomplete",
        }
    }

    pub(super) const fn details(self) -> Option<Incomplete> {
        match self {
            Self::Completed => None,
            Self::Length => Some(Incomplete { reason: "max_output_tokens" }),
            Self::Filtered => Some(Incomplete { reason: "content_filter" }),
        }
    }
}

impl Outbox {
    pub(super) fn emit(&mut self, kind: &'static str, body: impl Serialize) {
        if self.stream {
            output::event(&mut self.bytes, kind, &Event { kind, sequence_number: self.sequence, body });
            self.sequence += 1;
        }
    }
}

impl Entry {
    pub(super) fn done(&self) -> Option<&RawValue> {
        match &self.open {
            Open::Done(json) => Some(json),
            _ => None,
        }
    }

    pub(super) const fn is_message(&self) -> bool {
        matches!(self.open, Open::Message { .. })
    }

    pub(super) const fn is_thought(&self) -> bool {
        matches!(self.open, Open::Thought { .. })
    }

    pub(super) fn part_is(&self, refusal: bool) -> bool {
        matches!(&self.open, Open::Message { part: Some(part), .. } if part.refusal == refusal)
    }

    pub(super) fn open_part(&mut self, index: usize, refusal: bool, out: &mut Outbox) {
        let Open::Message { parts, part: part @ None } = &mut self.open else { return };
        let empty = if refusal {
            Part::Refusal { refusal: "" }
        } else {
            Part::OutputText { annotations: &[], logprobs: &[], text: "" }
        };
        let spot =
            Within { item_id: &self.id, output_index: index, content_index: Some(parts.len()), ..Within::default() };
        out.emit("response.content_part.added", Within { part: Some(empty), ..spot });
        *part = Some(OpenPart { refusal, ..OpenPart::default() });
    }

    pub(super) fn close_part(&mut self, index: usize, out: &mut Outbox) {
        let Open::Message { parts, part } = &mut self.open else { return };
        let Some(part) = part.take() else { return };
        let text = &*part.text;
        let spot =
            || Within { item_id: &self.id, output_index: index, content_index: Some(parts.len()), ..Within::default() };
        let whole = || {
            if part.refusal {
                Part::Refusal { refusal: text }
            } else {
                Part::OutputText { annotations: &part.annotations, logprobs: &part.logprobs, text }
            }
        };
        if part.refusal {
            out.emit("response.refusal.done", Within { refusal: Some(text), ..spot() });
        } else {
            out.emit(
                "response.output_text.done",
                Within { text: Some(text), logprobs: Some(&part.logprobs), ..spot() },
            );
        }
        out.emit("response.content_part.done", Within { part: Some(whole()), ..spot() });
        parts.extend(to_raw_value(&whole()));
    }

    /// Ends an item that is still open.
    pub(super) fn close(&mut self, index: usize, end: End, out: &mut Outbox) {
        self.close_part(index, out);
        let id = &*self.id;
        let item = match &mut self.open {
            Open::Done(_) | Open::Lost => return,
            Open::Message { parts, .. } => {
                to_raw_value(&Item::Message { id, status: end.status(), role: "assistant", content: parts })
            }
            Open::Thought { text, sealed } => close_thought(id, index, text, sealed.as_deref(), out),
            Open::Call { id: call_id, target, input, .. } if target.custom => {
                close_custom(id, index, (call_id, target), input, end, out)
            }
            Open::Call { id: call_id, target, arguments, .. } => {
                close_function(id, index, (call_id, target), arguments, end, out)
            }
        };
        self.done_with(index, item, out);
    }

    pub(super) fn done_with(&mut self, output_index: usize, item: serde_json::Result<Box<RawValue>>, out: &mut Outbox) {
        self.open = match item {
            Ok(item) => {
                out.emit("response.output_item.done", OfItem { output_index, item: &item });
                Open::Done(item)
            }
            Err(_) => Open::Lost,
        };
    }
}

type Written = serde_json::Result<Box<RawValue>>;

fn close_thought(id: &str, index: usize, text: &str, sealed: Option<&str>, out: &mut Outbox) -> Written {
    let spot = || Within { item_id: id, output_index: index, summary_index: Some(0), ..Within::default() };
    let summary: &[Part<'_>] = if text.is_empty() { &[] } else { &[Part::SummaryText { text }] };
    if !text.is_empty() {
        out.emit("response.reasoning_summary_text.done", Within { text: Some(text), ..spot() });
        let part = Some(Part::SummaryText { text });
        out.emit("response.reasoning_summary_part.done", Within { part, ..spot() });
    }
    to_raw_value(&Item::Reasoning { id, summary, encrypted_content: sealed })
}

fn close_custom(
    id: &str,
    index: usize,
    (call_id, target): (&str, &Target),
    input: &mut Freeform,
    end: End,
    out: &mut Outbox,
) -> Written {
    let spot = || Within { item_id: id, output_index: index, ..Within::default() };
    let rest = input.finish();
    if !rest.is_empty() {
        out.emit("response.custom_tool_call_input.delta", Within { delta: Some(rest), ..spot() });
    }
    out.emit("response.custom_tool_call_input.done", Within { input: Some(&input.text), ..spot() });
    let (status, name, namespace) = (end.status(), &*target.name, target.namespace.as_deref());
    to_raw_value(&Item::CustomToolCall { id, status, call_id, input: &input.text, name, namespace })
}

fn close_function(
    id: &str,
    index: usize,
    (call_id, target): (&str, &Target),
    arguments: &mut String,
    end: End,
    out: &mut Outbox,
) -> Written {
    let spot = || Within { item_id: id, output_index: index, ..Within::default() };
    if arguments.is_empty() && end == End::Completed {
        arguments.push_str("{}");
        out.emit("response.function_call_arguments.delta", Within { delta: Some("{}"), ..spot() });
    }
    let (status, name, namespace) = (end.status(), &*target.name, target.namespace.as_deref());
    let said = Within { name: Some(name), arguments: Some(arguments), ..spot() };
    out.emit("response.function_call_arguments.done", said);
    to_raw_value(&Item::FunctionCall { id, status, arguments, call_id, name, namespace })
}
