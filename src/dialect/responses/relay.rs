//! A stream that is passed on: another `model` in the responses that its events repeat, metered in the same pass.

use bytes::Bytes;

use crate::chat::{Broken, Produced};
use crate::dialect::openai::{error, outlet::Outlet};
use crate::dialect::{Progress, Relay, RelayOptions, StreamEnd};
use crate::json::{self, Cursor, Span};
use crate::vocabulary::{Lookups, Metered, Secret};
use crate::wire::sse;

use super::{lookups, usage};

/// A stream while it passes.
pub(super) struct Passing {
    options: RelayOptions,
    decoder: sse::Decoder,
    metered: Metered,
    produced: Produced,
    progress: Progress,
}

impl Passing {
    pub(super) fn new(options: RelayOptions) -> Self {
        Self {
            decoder: sse::Decoder::new(options.event_bytes_max),
            options,
            metered: Metered::Absent,
            produced: Produced::default(),
            progress: Progress::default(),
        }
    }

    fn pass(&mut self, event: &sse::Event, outlet: &mut Outlet) {
        let Some(data) = event.data.as_deref().filter(|_| !event.continues) else { return outlet.keep(event) };
        if data.trim_ascii() == b"[DONE]" {
            return outlet.keep(event);
        }
        self.progress.events += 1;
        let seen = Seen::read(data);
        self.note(&seen, data);
        if seen.error || event.name.as_deref() == Some(b"error") {
            self.progress.error_seen = true;
            let secrets: Vec<_> = self.options.secrets.iter().map(Secret::expose).collect();
            if let Some(scrubbed) = error::without_secrets(&event.raw, &secrets) {
                return outlet.put(&scrubbed);
            }
        }
        match (seen.model, &self.options.model_json) {
            (Some(span), Some(model)) if span.of(data) != &**model => {
                let edit = std::iter::once((span, &**model));
                match event.data_at {
                    Some(offset) => outlet.splice(event, offset, edit),
                    None => outlet.rewrite(event, data, edit),
                }
            }
            _ => outlet.keep(event),
        }
    }

    fn note(&mut self, seen: &Seen, data: &[u8]) {
        if let Some(text) = seen.delta.and_then(|delta| json::as_str(delta.of(data))) {
            self.produced.add(&text);
            self.progress.content_seen = true;
        }
        if let Some(name) = seen.call.and_then(|name| json::as_str(name.of(data))) {
            self.produced.add(&name);
            self.progress.content_seen = true;
        }
        self.progress.finish_seen |= seen.finished;
        if let Some(usage) = seen.usage {
            match usage::metered(usage.of(data)) {
                Metered::Absent => {}
                metered => self.metered = metered,
            }
        }
        if let Some(response) = seen.response.filter(|_| seen.finished) {
            let searches = lookups::searches(response.of(data));
            self.metered = self.metered.with(Lookups { searches, maps: 0 });
        }
    }

    const fn end(&self) -> StreamEnd {
        if self.progress.finish_seen { StreamEnd::Complete } else { StreamEnd::NoDone }
    }
}

impl Relay for Passing {
    fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), Broken> {
        let mut outlet = Outlet::new(chunk.clone());
        self.decoder.push(chunk);
        let result = loop {
            match self.decoder.next_event() {
                Ok(Some(event)) => self.pass(&event, &mut outlet),
                Ok(None) => break Ok(()),
                Err(_) => break Err(Broken::TooLong),
            }
        };
        out.extend(outlet.end());
        result
    }

    fn finish(&mut self, out: &mut Vec<Bytes>) -> StreamEnd {
        let Some(event) = self.decoder.finish() else { return self.end() };
        if !is_whole(&event) {
            let idle = event.raw.iter().all(u8::is_ascii_whitespace) || event.raw.starts_with(b":");
            return if idle { self.end() } else { StreamEnd::Truncated };
        }
        let mut outlet = Outlet::new(Bytes::new());
        self.pass(&event, &mut outlet);
        let ended_line = event.raw.ends_with(b"\n") || event.raw.ends_with(b"\r");
        outlet.put(if ended_line { b"\n" } else { b"\n\n" });
        out.extend(outlet.end());
        self.end()
    }

    fn metered(&self) -> Metered {
        self.metered
    }

    fn produced(&self) -> &Produced {
        &self.produced
    }

    fn progress(&self) -> Progress {
        self.progress
    }
}

/// Whether an event whose blank line never came can be read all the same.
fn is_whole(event: &sse::Event) -> bool {
    let Some(data) = event.data.as_deref() else { return false };
    let mut cursor = Cursor::new(data);
    data.trim_ascii() == b"[DONE]"
        || (json::kind(data) == Some(json::Kind::Object) && cursor.skip().is_some() && cursor.is_at_end())
}

/// What of an event matters here, as places in its data.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    model: Option<Span>,
    usage: Option<Span>,
    // The answer so far, or all of it.
    response: Option<Span>,
    delta: Option<Span>,
    // The name of a tool that is called.
    call: Option<Span>,
    finished: bool,
    error: bool,
}

impl Seen {
    /// Walks over an event once. What is no whole object has nothing that matters.
    fn read(data: &[u8]) -> Self {
        let mut cursor = Cursor::new(data);
        let mut parts = Parts::default();
        let mut walk = || {
            cursor.open_object()?;
            while let Some(key) = cursor.key()? {
                let value = cursor.skip()?;
                parts.member(key.of(data), value, data);
            }
            cursor.is_at_end().then_some(())
        };
        let whole = walk().is_some();
        if whole { parts.weigh(data) } else { Self::default() }
    }
}

/// The members of an event.
#[derive(Default)]
struct Parts<'a> {
    kind: &'a [u8],
    response: Option<Span>,
    delta: Option<Span>,
    item: Option<Span>,
    error: bool,
}

impl<'a> Parts<'a> {
    fn member(&mut self, key: &[u8], value: Span, data: &'a [u8]) {
        match key {
            b"\"type\"" => self.kind = value.of(data),
            b"\"response\"" => self.response = Some(value),
            b"\"delta\"" => self.delta = Some(value),
            b"\"item\"" => self.item = Some(value),
            b"\"error\"" => self.error = !json::is_null(value.of(data)),
            _ => {}
        }
    }

    fn weigh(&self, data: &[u8]) -> Seen {
        let mut seen = Seen { error: self.error, ..Seen::default() };
        match self.kind {
            b"\"response.completed\"" | b"\"response.incomplete\"" => seen.finished = true,
            b"\"response.failed\"" => (seen.finished, seen.error) = (true, true),
            b"\"error\"" => seen.error = true,
            b"\"response.output_item.added\"" => seen.call = self.item.and_then(|item| called(data, item)),
            kind if is_delta(kind) => seen.delta = self.delta,
            _ => {}
        }
        seen.response = self.response;
        if let Some(response) = self.response {
            for member in json::members(data, response) {
                match member.key.of(data) {
                    b"\"model\"" if json::kind(member.value.of(data)) == Some(json::Kind::String) => {
                        seen.model = Some(member.value);
                    }
                    b"\"usage\"" => seen.usage = Some(member.value),
                    _ => {}
                }
            }
        }
        seen
    }
}

/// Pieces of what the model wrote: not sound, pictures, nor what its tools put out.
fn is_delta(kind: &[u8]) -> bool {
    matches!(
        kind,
        b"\"response.output_text.delta\""
            | b"\"response.reasoning_summary_text.delta\""
            | b"\"response.reasoning_text.delta\""
            | b"\"response.refusal.delta\""
            | b"\"response.function_call_arguments.delta\""
            | b"\"response.custom_tool_call_input.delta\""
            | b"\"response.mcp_call_arguments.delta\""
            | b"\"response.code_interpreter_call_code.delta\""
    )
}

/// The name in an item that is a call.
fn called(data: &[u8], item: Span) -> Option<Span> {
    json::members(data, item).find(|member| member.key.of(data) == b"\"name\"").map(|member| member.value)
}
