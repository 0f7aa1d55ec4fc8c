//! An answer in the client's form: which block comes when.

use bytes::Bytes;

use super::blocks::SIGNED;
use super::calls::{Calls, Row};
use super::whole::Whole;
use super::writer::{Events, Form, Opening, Piece, Stop};
use crate::chat::{Answer, Api, Delta, Encoder, Finish, Sink};
use crate::vocabulary::Usage;

/// What another API calls natively but is a member of the message here, not a block.
const MEMBERS: [&str; 3] = ["container", "stop_details", "context_management"];

/// An encoder for one answer.
pub(super) fn encoder(answer: Answer, stream: bool) -> Box<dyn Encoder> {
    if stream {
        Box::new(Writing::new(answer, Events::default()))
    } else {
        Box::new(Writing::new(answer, Whole::default()))
    }
}

/// The kind of the block that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Nothing,
    Text { cited: bool },
    Thinking,
}

struct Writing<F> {
    answer: Answer,
    form: F,
    begun: bool,
    open: Open,
    calls: Calls,
    called: bool,
    stop: Stop,
    members: Vec<(String, String)>,
}

impl<F: Form> Writing<F> {
    fn new(answer: Answer, form: F) -> Self {
        let (calls, stop, members) = (Calls::default(), Stop::default(), Vec::new());
        Self { answer, form, begun: false, open: Open::Nothing, calls, called: false, stop, members }
    }

    fn begin(&mut self, id: Option<&str>) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        match id {
            Some(id) if id.starts_with("msg_") => self.form.begin(id, &self.answer.model),
            _ => self.form.begin(&format!("msg_{}", self.answer.id), &self.answer.model),
        }
    }

    /// Ends what is open.
    fn close(&mut self) {
        self.begin(None);
        self.calls.end(&mut Blocks(&mut self.form));
        if std::mem::replace(&mut self.open, Open::Nothing) != Open::Nothing {
            self.form.close();
        }
    }

    fn switch(&mut self, open: Open, opening: &Opening<'_>) {
        self.close();
        self.form.open(opening);
        self.open = open;
    }

    fn text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.open != (Open::Text { cited: false }) {
            self.switch(Open::Text { cited: false }, &Opening::Text);
        }
        self.form.piece(&Piece::Text(text));
    }

    fn thinking(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.open != Open::Thinking {
            self.switch(Open::Thinking, &Opening::Thinking);
        }
        self.form.piece(&Piece::Thinking(text));
    }

    fn signature(&mut self, signature: &str) {
        if self.open != Open::Thinking {
            self.switch(Open::Thinking, &Opening::Thinking);
        }
        self.form.piece(&Piece::Signature(signature));
        self.close();
    }

    fn cite(&mut self, piece: &Piece<'_>) {
        if !matches!(self.open, Open::Text { .. }) {
            self.switch(Open::Text { cited: true }, &Opening::Text);
        }
        self.open = Open::Text { cited: true };
        self.form.piece(piece);
    }

    fn block(&mut self, json: &str) {
        self.close();
        self.form.whole(json);
    }

    fn call(&mut self, index: u32, id: &str, name: &str) {
        self.begin(None);
        if std::mem::replace(&mut self.open, Open::Nothing) != Open::Nothing {
            self.form.close();
        }
        self.called = true;
        self.calls.begin(index, id, name, &mut Blocks(&mut self.form));
    }

    fn finish(&mut self, finish: Finish<'_>) {
        let said = if self.called { "tool_use" } else { "end_turn" };
        let (reason, sequence) = match finish {
            Finish::Stop | Finish::ToolCalls => (said, None),
            Finish::StopSequence(sequence) => ("stop_sequence", sequence),
            Finish::Length => ("max_tokens", None),
            Finish::ContentFilter | Finish::Refusal => ("refusal", None),
            Finish::Pause => ("pause_turn", None),
            Finish::Other(word @ ("compaction" | "model_context_window_exceeded")) => (word, None),
            Finish::Other(_) => (said, None),
        };
        self.stop = Stop { reason: reason.to_owned(), sequence: sequence.map(str::to_owned) };
    }
}

impl<F: Form> Sink for Writing<F> {
    fn delta(&mut self, choice: u32, delta: Delta<'_>) {
        // This API has one answer.
        if choice != 0 {
            return;
        }
        match delta {
            Delta::Start { id, .. } => self.begin(id),
            Delta::Text(text) | Delta::Refusal(text) => self.text(text),
            Delta::Thinking(text) => self.thinking(text),
            Delta::Signature(signature) => self.signature(signature),
            Delta::Redacted(data) => {
                self.close();
                self.form.open(&Opening::Redacted(data));
                self.form.close();
            }
            Delta::ToolCall { index, id, name, signature: None } => self.call(index, id, name),
            Delta::ToolCall { index, id, name, signature: Some(signature) } => {
                self.call(index, &format!("{id}{SIGNED}{signature}"), name);
            }
            Delta::Arguments { index, json } => self.calls.add(index, json, &mut Blocks(&mut self.form)),
            Delta::Media { mime, data } => {
                self.close();
                self.form.open(&Opening::Media { mime, data });
                self.form.close();
            }
            Delta::Citation { url, title, text, .. } => self.cite(&Piece::Citation { url, title, text }),
            Delta::Native { api: Api::Anthropic, key, json } => match MEMBERS.contains(&key) {
                true => self.members.push((key.to_owned(), json.to_owned())),
                false => self.block(json),
            },
            Delta::Native { .. } => {}
            Delta::Finish(finish) => {
                self.close();
                self.finish(finish);
            }
        }
    }
}

impl<F: Form> Encoder for Writing<F> {
    fn take(&mut self) -> Bytes {
        self.form.take()
    }

    fn end(&mut self, usage: Option<&Usage>) {
        self.close();
        if self.stop.reason.is_empty() {
            self.finish(Finish::Stop);
        }
        self.form.end(&self.stop, usage, &self.members);
    }
}

/// Calls become blocks.
struct Blocks<'f, F>(&'f mut F);

impl<F: Form> Row for Blocks<'_, F> {
    fn open(&mut self, id: &str, name: &str) {
        self.0.open(&Opening::Call { id, name });
    }

    fn arguments(&mut self, json: &str) {
        self.0.piece(&Piece::Arguments(json));
    }

    fn close(&mut self) {
        self.0.close();
    }
}
