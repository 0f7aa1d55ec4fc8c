//! Chat completions and legacy completions as OpenAI writes them, whole and as a stream of events.

use std::io::Write as _;

use super::ask::Ask;
use super::knobs::{Knobs, UsageKind};
use super::text::{Text, escape};

/// What a tool is called with, escaped, in the pieces a stream splits it into.
const ARGUMENTS: [&str; 4] = [r#"{\""#, r#"query"#, r#"\":\""#, r#"mock\"}"#];
/// What Azure sends before the first event of a stream.
const AZURE_FIRST: &str = r#"data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}}]}"#;

/// Which of the two APIs is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Api {
    Chat,
    Completions,
}

/// Everything an answer is written from.
#[derive(Debug)]
pub(super) struct Completion {
    pub(super) api: Api,
    /// The number in the id.
    pub(super) serial: u64,
    /// Unix seconds.
    pub(super) created: i64,
    /// A JSON string, quotes included.
    pub(super) model: String,
    pub(super) text: Text,
    pub(super) tool: Option<String>,
    pub(super) choices: u32,
    pub(super) finish: &'static str,
    pub(super) usage: Counts,
    pub(super) azure: bool,
}

/// What the answer says about usage.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) kind: UsageKind,
    pub(super) prompt: u64,
    pub(super) completion: u64,
    pub(super) cached: u64,
    pub(super) reasoning: u64,
}

impl Counts {
    /// What the knobs say, or else what the request and the answer look like.
    pub(super) fn of(ask: &Ask, knobs: &Knobs, pieces: u64) -> Self {
        Self {
            kind: knobs.usage,
            prompt: knobs.prompt_tokens.unwrap_or_else(|| (ask.body_bytes / 4).max(1)),
            completion: knobs.completion_tokens.unwrap_or(pieces),
            cached: knobs.cached_tokens,
            reasoning: knobs.reasoning_tokens,
        }
    }

    /// Writes `,"usage":...`, or nothing.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let zero = Self { prompt: 0, completion: 0, cached: 0, reasoning: 0, ..*self };
        match self.kind {
            UsageKind::None => {}
            UsageKind::Null => out.extend_from_slice(br#","usage":null"#),
            UsageKind::Partial => put(out, format_args!(r#","usage":{{"prompt_tokens":{}}}"#, self.prompt)),
            UsageKind::Zero => zero.write_all(out),
            UsageKind::Full | UsageKind::Always => self.write_all(out),
        }
    }

    fn write_all(&self, out: &mut Vec<u8>) {
        let Self { prompt, completion, cached, reasoning, .. } = self;
        let total = prompt.saturating_add(*completion);
        put(
            out,
            format_args!(
                r#","usage":{{"prompt_tokens":{prompt},"completion_tokens":{completion},"total_tokens":{total},"#
            ),
        );
        put(out, format_args!(r#""prompt_tokens_details":{{"cached_tokens":{cached},"audio_tokens":0}},"#));
        put(out, format_args!(r#""completion_tokens_details":{{"reasoning_tokens":{reasoning},"audio_tokens":0,"#));
        out.extend_from_slice(br#""accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}"#);
    }
}

impl Completion {
    /// Writes the whole answer.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let object = if self.api == Api::Chat { "chat.completion" } else { "text_completion" };
        self.write_open(object, out);
        for index in 0..self.choices {
            if index > 0 {
                out.push(b',');
            }
            match self.api {
                Api::Chat => self.write_message(index, out),
                Api::Completions => self.write_choice(index, out),
            }
        }
        out.push(b']');
        self.usage.write(out);
        out.push(b'}');
    }

    /// Writes everything up to the choices.
    fn write_open(&self, object: &str, out: &mut Vec<u8>) {
        let Self { created, model, .. } = self;
        put(out, format_args!(r#"{{"id":"{}","object":"{object}","created":{created},"model":{model},"#, self.id()));
        if self.api == Api::Chat {
            out.extend_from_slice(br#""service_tier":"default","#);
        }
        out.extend_from_slice(br#""system_fingerprint":"fp_mock","choices":["#);
    }

    fn id(&self) -> String {
        let kind = if self.api == Api::Chat { "chatcmpl" } else { "cmpl" };
        format!("{kind}-mock{:025}", self.serial)
    }

    fn write_message(&self, index: u32, out: &mut Vec<u8>) {
        put(out, format_args!(r#"{{"index":{index},"message":{{"role":"assistant","content":"#));
        match &self.tool {
            Some(name) => {
                out.extend_from_slice(br#"null,"tool_calls":["#);
                self.write_call(index, name, &ARGUMENTS.concat(), out);
                out.push(b']');
            }
            None => self.write_text(out),
        }
        out.extend_from_slice(br#","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":""#);
        put(out, format_args!(r#"{}"}}"#, self.finish));
    }

    fn write_choice(&self, index: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"text":"#);
        self.write_text(out);
        put(out, format_args!(r#","index":{index},"logprobs":null,"finish_reason":"{}"}}"#, self.finish));
    }

    fn write_text(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        self.text.write_all(out);
        out.push(b'"');
    }

    fn write_call(&self, index: u32, name: &str, arguments: &str, out: &mut Vec<u8>) {
        let id = self.serial.wrapping_mul(1000).wrapping_add(u64::from(index));
        put(
            out,
            format_args!(r#"{{"id":"call_mock{id:016}","type":"function","function":{{"name":"{}","#, escape(name)),
        );
        put(out, format_args!(r#""arguments":"{arguments}"}}}}"#));
    }
}

/// A stream's events, one after the other: for every choice the role, the pieces and the reason it ended, then the
/// usage if it was asked for, then `[DONE]`.
#[derive(Debug)]
pub(super) struct Events {
    completion: Completion,
    /// Everything of an event up to its choice.
    open: Vec<u8>,
    /// Everything behind the choice.
    close: Vec<u8>,
    usage: InStream,
    part: Part,
}

/// Where usage stands in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InStream {
    Nowhere,
    /// On an event of its own, as OpenAI does when asked.
    OwnEvent,
    /// On the last event that has a choice, as others do unasked.
    LastChoice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Azure,
    Role(u32),
    /// Which piece, of which choice.
    Piece(u32, u32),
    Finish(u32),
    Usage,
    Done,
    Over,
}

impl Events {
    /// The events of this answer, with usage if the request asks for it or the knob says so.
    pub(super) fn new(completion: Completion, include_usage: bool) -> Self {
        let usage = match completion.usage.kind {
            UsageKind::Always => InStream::LastChoice,
            UsageKind::None => InStream::Nowhere,
            _ if include_usage => InStream::OwnEvent,
            _ => InStream::Nowhere,
        };
        let object = if completion.api == Api::Chat { "chat.completion.chunk" } else { "text_completion" };
        let mut open = b"data: ".to_vec();
        completion.write_open(object, &mut open);
        let null_usage = usage == InStream::OwnEvent;
        let close = if null_usage { b"],\"usage\":null}\n\n".to_vec() } else { b"]}\n\n".to_vec() };
        let part = if completion.azure { Part::Azure } else { Self::first(&completion) };
        Self { completion, open, close, usage, part }
    }

    /// Writes the next event; false if there is none.
    pub(super) fn write_next(&mut self, out: &mut Vec<u8>) -> bool {
        match self.part {
            Part::Azure => put(out, format_args!("{AZURE_FIRST}\n\n")),
            Part::Role(index) => self.write_event(index, out, Self::write_role),
            Part::Piece(piece, index) => self.write_event(index, out, |it, out| it.write_piece(piece, out)),
            Part::Finish(index) => self.write_finish(index, out),
            Part::Usage => self.write_usage(out),
            Part::Done => out.extend_from_slice(b"data: [DONE]\n\n"),
            Part::Over => return false,
        }
        self.part = self.behind();
        true
    }

    fn first(completion: &Completion) -> Part {
        match completion.api {
            Api::Chat => Part::Role(0),
            Api::Completions if completion.text.pieces() == 0 => Part::Finish(0),
            Api::Completions => Part::Piece(0, 0),
        }
    }

    fn behind(&self) -> Part {
        let last = self.completion.choices - 1;
        match self.part {
            Part::Azure => Self::first(&self.completion),
            Part::Role(index) if index < last => Part::Role(index + 1),
            Part::Role(_) if self.pieces() == 0 => Part::Finish(0),
            Part::Role(_) => Part::Piece(0, 0),
            Part::Piece(piece, index) if index < last => Part::Piece(piece, index + 1),
            Part::Piece(piece, _) if piece + 1 < self.pieces() => Part::Piece(piece + 1, 0),
            Part::Piece(..) => Part::Finish(0),
            Part::Finish(index) if index < last => Part::Finish(index + 1),
            Part::Finish(_) if self.usage == InStream::OwnEvent => Part::Usage,
            Part::Finish(_) | Part::Usage => Part::Done,
            Part::Done | Part::Over => Part::Over,
        }
    }

    fn pieces(&self) -> u32 {
        match self.completion.tool {
            Some(_) => u32::try_from(ARGUMENTS.len()).unwrap_or(u32::MAX),
            None => self.completion.text.pieces(),
        }
    }

    /// Writes an event around one choice that goes on.
    fn write_event(&self, index: u32, out: &mut Vec<u8>, inside: impl Fn(&Self, &mut Vec<u8>)) {
        self.write_choice_open(index, out);
        inside(self, out);
        let end: &[u8] = match self.completion.api {
            Api::Chat => br#"},"logprobs":null,"finish_reason":null}"#,
            Api::Completions => br#"","logprobs":null,"finish_reason":null}"#,
        };
        out.extend_from_slice(end);
        out.extend_from_slice(&self.close);
    }

    fn write_choice_open(&self, index: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.open);
        match (self.completion.api, index) {
            (Api::Chat, 0) => out.extend_from_slice(br#"{"index":0,"delta":{"#),
            (Api::Chat, _) => put(out, format_args!(r#"{{"index":{index},"delta":{{"#)),
            (Api::Completions, _) => put(out, format_args!(r#"{{"index":{index},"text":""#)),
        }
    }

    fn write_role(&self, out: &mut Vec<u8>) {
        match &self.completion.tool {
            None => out.extend_from_slice(br#""role":"assistant","content":"","refusal":null"#),
            Some(name) => {
                out.extend_from_slice(br#""role":"assistant","content":null,"tool_calls":["#);
                let at = out.len() + 1;
                self.completion.write_call(0, name, "", out);
                out.splice(at..at, *br#""index":0,"#);
                out.extend_from_slice(br#"],"refusal":null"#);
            }
        }
    }

    fn write_piece(&self, piece: u32, out: &mut Vec<u8>) {
        match (self.completion.api, &self.completion.tool) {
            (Api::Completions, _) => self.completion.text.write(piece, out),
            (Api::Chat, None) => {
                out.extend_from_slice(br#""content":""#);
                self.completion.text.write(piece, out);
                out.push(b'"');
            }
            (Api::Chat, Some(_)) => {
                let part = ARGUMENTS.get(piece as usize).copied().unwrap_or_default();
                put(out, format_args!(r#""tool_calls":[{{"index":0,"function":{{"arguments":"{part}"}}}}]"#));
            }
        }
    }

    fn write_finish(&self, index: u32, out: &mut Vec<u8>) {
        self.write_choice_open(index, out);
        let end = if self.completion.api == Api::Chat { "}" } else { "\"" };
        put(out, format_args!(r#"{end},"logprobs":null,"finish_reason":"{}"}}"#, self.completion.finish));
        if self.usage == InStream::LastChoice && index + 1 == self.completion.choices {
            self.write_usage_end(out);
        } else {
            out.extend_from_slice(&self.close);
        }
    }

    fn write_usage(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.open);
        self.write_usage_end(out);
    }

    fn write_usage_end(&self, out: &mut Vec<u8>) {
        out.push(b']');
        self.completion.usage.write(out);
        out.extend_from_slice(b"}\n\n");
    }
}

/// Writing into memory does not fail.
pub(super) fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let written = out.write_fmt(text);
    debug_assert!(written.is_ok(), "a vector takes every byte");
}
