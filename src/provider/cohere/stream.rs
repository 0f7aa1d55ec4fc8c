//! Reads a stream of `/v2/chat`.

use bytes::Bytes;
use serde::Deserialize;

use super::meter::Report;
use super::reply::parse;
use super::said::{self, Citation, Said, end};
use crate::chat::{Broken, DecodeEnd, Decoder, Delta, Raw, Sink, Str, UpstreamError};
use crate::vocabulary::Metered;
use crate::wire::sse;

/// A stream while it comes.
pub(super) struct Stream {
    events: sse::Decoder,
    said: Said,
    started: bool,
    ended: bool,
    broken: bool,
    metered: Metered,
}

/// An event, as far as all have it.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    r#type: Option<Str<'a>>,
    index: Option<u64>,
    #[serde(borrow)]
    id: Option<Str<'a>>,
    #[serde(borrow)]
    delta: Option<Raw<'a>>,
    // The text of an error.
    #[serde(borrow)]
    message: Option<Raw<'a>>,
    #[serde(borrow)]
    logprobs: Option<Raw<'a>>,
}

#[derive(Default, Deserialize)]
struct Change<'a> {
    #[serde(borrow)]
    message: Option<Raw<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Str<'a>>,
    #[serde(borrow)]
    error: Option<Str<'a>>,
    #[serde(borrow)]
    usage: Option<Report<'a>>,
}

#[derive(Deserialize)]
struct Spoken<'a> {
    #[serde(borrow)]
    content: Option<Content<'a>>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    text: Option<Str<'a>>,
    #[serde(borrow)]
    thinking: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct Planned<'a> {
    #[serde(borrow)]
    tool_plan: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct Called<'a> {
    #[serde(borrow)]
    tool_calls: Option<Call<'a>>,
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
    arguments: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct Cited<'a> {
    #[serde(borrow)]
    citations: Option<Citation<'a>>,
}

impl Stream {
    /// With a limit on the bytes of an event.
    pub(super) fn new(event_bytes_max: usize) -> Self {
        Self {
            events: sse::Decoder::new(event_bytes_max),
            said: Said::default(),
            started: false,
            ended: false,
            broken: false,
            metered: Metered::Absent,
        }
    }

    fn event(&mut self, data: &[u8], sink: &mut dyn Sink) -> Result<(), Broken> {
        // After the last event a [DONE] may come, and nothing that would change the answer.
        if self.ended || data.trim_ascii().is_empty() || data.trim_ascii() == b"[DONE]" {
            return Ok(());
        }
        let event: Event<'_> = parse(data)?;
        match event.r#type.as_deref() {
            Some("message-start") => self.start(event.id.as_deref(), sink),
            Some("content-start") => {
                self.said.content(event.index.unwrap_or(0));
                self.content(&event, sink)?;
            }
            Some("content-delta") => self.content(&event, sink)?,
            Some("tool-plan-delta") => {
                if let Some(plan) = within::<Planned<'_>>(&event)?.and_then(|planned| planned.tool_plan) {
                    self.said.thinking(&plan, sink);
                }
            }
            Some("tool-call-start" | "tool-call-delta") => self.call(&event, sink)?,
            Some("tool-call-end") => self.said.call_end(event.index.unwrap_or(0), sink),
            Some("citation-start") => {
                if let Some(citation) = within::<Cited<'_>>(&event)?.and_then(|cited| cited.citations) {
                    self.said.citation(&citation, sink);
                }
            }
            Some("message-end") => self.end(&event, sink)?,
            Some("error" | "stream-error") => return Err(told(&event)),
            None if event.message.is_some() => return Err(told(&event)),
            // `content-end`, `citation-end`, `debug`, and what is to come.
            Some(_) | None => {}
        }
        Ok(())
    }

    fn start(&mut self, id: Option<&str>, sink: &mut dyn Sink) {
        if !std::mem::replace(&mut self.started, true) {
            sink.delta(0, Delta::Start { id, created: None });
        }
    }

    fn content(&mut self, event: &Event<'_>, sink: &mut dyn Sink) -> Result<(), Broken> {
        if let Some(content) = within::<Spoken<'_>>(event)?.and_then(|spoken| spoken.content) {
            self.said.thinking(content.thinking.as_deref().unwrap_or_default(), sink);
            self.said.text(content.text.as_deref().unwrap_or_default(), sink);
        }
        if let Some(logprobs) = event.logprobs {
            said::logprobs(logprobs, sink);
        }
        Ok(())
    }

    fn call(&mut self, event: &Event<'_>, sink: &mut dyn Sink) -> Result<(), Broken> {
        let Some(call) = within::<Called<'_>>(event)?.and_then(|called| called.tool_calls) else { return Ok(()) };
        let function = call.function.unwrap_or(Function { name: None, arguments: None });
        let index = event.index.unwrap_or(0);
        if event.r#type.as_deref() == Some("tool-call-start") {
            self.said.call(index, call.id.as_deref(), function.name.as_deref(), sink);
        }
        self.said.arguments(index, function.arguments.as_deref().unwrap_or_default(), sink);
        Ok(())
    }

    fn end(&mut self, event: &Event<'_>, sink: &mut dyn Sink) -> Result<(), Broken> {
        let change: Change<'_> = match event.delta {
            Some(delta) => parse(delta.get().as_bytes())?,
            None => Change::default(),
        };
        self.metered = change.usage.map_or(Metered::Absent, |report| report.metered());
        end(change.finish_reason.as_deref(), change.error.as_deref(), &self.said, sink)?;
        self.ended = true;
        Ok(())
    }

    fn read(&mut self, sink: &mut dyn Sink) -> Result<(), Broken> {
        while let Some(event) = self.events.next_event().map_err(|_| Broken::TooLong)? {
            if let Some(data) = event.data {
                self.event(&data, sink)?;
            }
        }
        Ok(())
    }
}

impl Decoder for Stream {
    fn push(&mut self, chunk: Bytes, sink: &mut dyn Sink) -> Result<(), Broken> {
        if self.broken {
            return Ok(());
        }
        self.events.push(chunk);
        let read = self.read(sink);
        self.broken = read.is_err();
        read
    }

    fn finish(&mut self, sink: &mut dyn Sink) -> Result<DecodeEnd, Broken> {
        // The last event may lack its blank line, but then it is whole or it is none.
        let last = self.events.finish().and_then(|event| event.data).filter(|_| !self.broken);
        if let Some(data) = last.filter(|data| serde_json::from_slice::<Raw<'_>>(data).is_ok()) {
            self.event(&data, sink)?;
        }
        Ok(if self.ended { DecodeEnd::Complete } else { DecodeEnd::Truncated })
    }

    fn metered(&self) -> Metered {
        self.metered
    }
}

/// What an event says under `delta.message`.
fn within<'a, T: Deserialize<'a>>(event: &Event<'a>) -> Result<Option<T>, Broken> {
    let Some(delta) = event.delta else { return Ok(None) };
    let change: Change<'a> = parse(delta.get().as_bytes())?;
    change.message.map(|message| parse(message.get().as_bytes())).transpose()
}

fn told(event: &Event<'_>) -> Broken {
    let text = event.message.and_then(|raw| serde_json::from_str::<Str<'_>>(raw.get()).ok());
    let message = text.map_or_else(|| "an error without a message".to_owned(), |text| text.to_string());
    Broken::Upstream(UpstreamError { status: 500, message })
}
