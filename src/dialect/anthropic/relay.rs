//! A stream of the messages API, passed on as it comes: metered, and with another model in its first event.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Deserialize;

use super::usage::Counts;
use crate::chat::{Broken, Produced, Raw, Str};
use crate::dialect::openai::error;
use crate::dialect::{Progress, Relay, RelayOptions, StreamEnd};
use crate::json::{self, Cursor, Span};
use crate::vocabulary::{Metered, Secret};
use crate::wire::sse;

/// A stream while it passes.
#[derive(Debug)]
pub(super) struct Passing {
    options: RelayOptions,
    decoder: sse::Decoder,
    counts: Counts,
    produced: Produced,
    progress: Progress,
    stopped: bool,
}

/// The members of all events that are understood.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Str<'a>>,
    #[serde(borrow)]
    message: Option<Raw<'a>>,
    #[serde(borrow)]
    content_block: Option<Said<'a>>,
    #[serde(borrow)]
    delta: Option<Said<'a>>,
    #[serde(borrow)]
    usage: Option<Raw<'a>>,
}

/// What a block or a delta says.
#[derive(Deserialize)]
struct Said<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Str<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    text: Option<Str<'a>>,
    #[serde(borrow)]
    thinking: Option<Str<'a>>,
    #[serde(borrow)]
    partial_json: Option<Str<'a>>,
    #[serde(borrow)]
    stop_reason: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct Start<'a> {
    #[serde(borrow)]
    usage: Option<Raw<'a>>,
}

impl Passing {
    pub(super) fn new(options: RelayOptions) -> Self {
        Self {
            decoder: sse::Decoder::new(options.event_bytes_max),
            options,
            counts: Counts::default(),
            produced: Produced::default(),
            progress: Progress::default(),
            stopped: false,
        }
    }

    /// Reads an event and answers what goes out in its place, if it is not itself.
    fn event(&mut self, event: &sse::Event) -> Option<Bytes> {
        let data = event.data.as_ref()?;
        self.progress.events += 1;
        let read = std::str::from_utf8(data).ok().and_then(|text| serde_json::from_str::<Event<'_>>(text).ok());
        let Some(read) = read else {
            return (event.name.as_deref() == Some(b"error")).then(|| self.failed(event)).flatten();
        };
        match read.kind.as_deref().unwrap_or_default() {
            "message_start" => {
                let start = read.message.and_then(|message| serde_json::from_str::<Start<'_>>(message.get()).ok());
                if let Some(usage) = start.and_then(|start| start.usage) {
                    self.counts.read_start(usage.get().as_bytes());
                }
                return self.with_model(event, data);
            }
            "content_block_start" => self.said(read.content_block.as_ref()),
            "content_block_delta" => self.said(read.delta.as_ref()),
            "message_delta" => {
                self.progress.finish_seen |= read.delta.is_some_and(|delta| delta.stop_reason.is_some());
                if let Some(usage) = read.usage {
                    self.counts.read(usage.get().as_bytes());
                }
            }
            "message_stop" => self.stopped = true,
            "error" => return self.failed(event),
            _ => {}
        }
        None
    }

    fn said(&mut self, said: Option<&Said<'_>>) {
        let Some(said) = said else { return };
        // A server's tools are no words of the model's; their calls are, and their results are not.
        let named = said.name.as_ref().filter(|_| said.kind.as_deref().is_some_and(|kind| kind.ends_with("tool_use")));
        for text in [&said.text, &said.thinking, &said.partial_json].into_iter().flatten().chain(named) {
            self.produced.add(text);
        }
        let block = said.kind.as_deref().is_some_and(|kind| !matches!(kind, "text" | "thinking"));
        self.progress.content_seen |= self.produced.bytes > 0 || block;
    }

    /// An error passes, but for our credentials.
    fn failed(&mut self, event: &sse::Event) -> Option<Bytes> {
        self.progress.error_seen = true;
        let secrets: Vec<_> = self.options.secrets.iter().map(Secret::expose).collect();
        error::without_secrets(&event.raw, &secrets)
    }

    fn with_model(&self, event: &sse::Event, data: &Bytes) -> Option<Bytes> {
        let model = self.options.model_json.as_ref()?;
        let spans = models(data)?;
        let mut out = BytesMut::with_capacity(event.raw.len() + spans.len() * model.len() + 32);
        let head = match event.data_at {
            Some(at) => event.raw.slice(..at),
            // On several lines: written anew on one. Line ends are space between the tokens of JSON.
            None => Bytes::from_static(b"event: message_start\ndata: "),
        };
        out.put_slice(&head);
        let mut done = 0;
        for span in spans {
            put_flat(&mut out, data.get(done..span.start as usize)?);
            out.put_slice(model);
            done = span.end as usize;
        }
        put_flat(&mut out, data.get(done..)?);
        match event.data_at {
            Some(at) => out.put_slice(event.raw.get(at + data.len()..)?),
            None => out.put_slice(b"\n\n"),
        }
        Some(out.freeze())
    }
}

fn put_flat(out: &mut BytesMut, json: &[u8]) {
    json.split(|byte| *byte == b'\n').for_each(|line| out.put_slice(line));
}

/// Where the message names its model.
fn models(data: &[u8]) -> Option<Vec<Span>> {
    let whole = Span { start: 0, end: u32::try_from(data.len()).ok()? };
    let named = |object: Span, name: &'static [u8]| {
        json::members(data, object).filter(move |member| member.key.of(data) == name).map(|member| member.value)
    };
    let models: Vec<_> = named(whole, b"\"message\"").flat_map(|message| named(message, b"\"model\"")).collect();
    (!models.is_empty()).then_some(models)
}

impl Relay for Passing {
    fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), Broken> {
        self.decoder.push(chunk.clone());
        // What of the chunk goes on as it is and was not handed out yet.
        let mut run = 0..0;
        let result = loop {
            let event = match self.decoder.next_event() {
                Ok(Some(event)) => event,
                Ok(None) => break Ok(()),
                Err(_) => break Err(Broken::TooLong),
            };
            let edited = self.event(&event);
            match (&event.place, edited) {
                (Some(place), None) if place.start == run.end => run.end = place.end,
                (Some(place), None) => {
                    out.extend((!run.is_empty()).then(|| chunk.slice(run)));
                    run = place.clone();
                }
                (_, edited) => {
                    out.extend((!run.is_empty()).then(|| chunk.slice(run)));
                    run = 0..0;
                    out.push(edited.unwrap_or(event.raw));
                }
            }
        };
        out.extend((!run.is_empty()).then(|| chunk.slice(run)));
        result
    }

    fn finish(&mut self, out: &mut Vec<Bytes>) -> StreamEnd {
        if let Some(event) = self.decoder.finish() {
            if !is_whole(&event) {
                let idle = event.raw.iter().all(u8::is_ascii_whitespace) || event.raw.starts_with(b":");
                return if idle { self.end() } else { StreamEnd::Truncated };
            }
            let ended_line = event.raw.ends_with(b"\n") || event.raw.ends_with(b"\r");
            let edited = self.event(&event);
            out.push(edited.unwrap_or(event.raw));
            out.push(Bytes::from_static(if ended_line { b"\n" } else { b"\n\n" }));
        }
        self.end()
    }

    fn metered(&self) -> Metered {
        self.counts.metered()
    }

    fn produced(&self) -> &Produced {
        &self.produced
    }

    fn progress(&self) -> Progress {
        self.progress
    }
}

impl Passing {
    fn end(&self) -> StreamEnd {
        if self.stopped { StreamEnd::Complete } else { StreamEnd::NoDone }
    }
}

/// Whether an event whose blank line never came can be read all the same.
fn is_whole(event: &sse::Event) -> bool {
    let Some(data) = event.data.as_deref() else { return false };
    let mut cursor = Cursor::new(data);
    json::kind(data.trim_ascii_start()) == Some(json::Kind::Object) && cursor.skip().is_some() && cursor.is_at_end()
}
