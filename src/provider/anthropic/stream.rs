//! A stream.

use bytes::Bytes;
use serde::Deserialize;
use smallvec::SmallVec;

use super::plain::Plain;
use super::said::{self, Ending};
use crate::chat::{Broken, DecodeEnd, Decoder, Delta, Raw, Sink, Str};
use crate::dialect::anthropic::Counts;
use crate::json::{self, Span};
use crate::vocabulary::Metered;
use crate::wire::sse;

/// The most blocks that are open at a time: the API has one.
const OPEN_BLOCKS_MAX: usize = 64;
/// The most that is held of blocks until they end, in bytes: signatures, citations, inputs of a server's tools.
const HELD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Reads the events of an answer, however they were framed (Bedrock wraps each in a message of its own).
#[derive(Debug, Default)]
pub struct Events {
    counts: Counts,
    open: SmallVec<[(u64, Open); 2]>,
    held: usize,
    // Calls so far.
    calls: u32,
    // Characters of text so far.
    text: u64,
    started: bool,
    finished: bool,
    stopped: bool,
    failed: bool,
}

/// A block that has not ended.
#[derive(Debug)]
enum Open {
    Text { start: u64, citations: Vec<String> },
    Thinking { signature: String },
    Call { index: u32 },
    Native(Native),
    Done,
}

/// A block in Anthropic's own words.
#[derive(Debug)]
struct Native {
    // As it began.
    json: String,
    // What came of its input.
    input: String,
    // Members that came later, each with its JSON.
    members: Vec<(&'static str, String)>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Str<'a>>,
    #[serde(default)]
    index: u64,
    #[serde(borrow)]
    message: Option<Raw<'a>>,
    #[serde(borrow)]
    content_block: Option<Raw<'a>>,
    #[serde(borrow)]
    delta: Option<Raw<'a>>,
    #[serde(borrow)]
    usage: Option<Raw<'a>>,
    #[serde(borrow)]
    error: Option<Raw<'a>>,
    #[serde(borrow)]
    context_management: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Start<'a> {
    #[serde(borrow)]
    id: Option<Str<'a>>,
    #[serde(borrow)]
    usage: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Piece<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow)]
    text: Option<Str<'a>>,
    #[serde(borrow)]
    thinking: Option<Str<'a>>,
    #[serde(borrow)]
    signature: Option<Str<'a>>,
    #[serde(borrow)]
    partial_json: Option<Str<'a>>,
    #[serde(borrow)]
    citation: Option<Raw<'a>>,
    #[serde(borrow)]
    content: Option<Raw<'a>>,
    #[serde(borrow)]
    encrypted_content: Option<Raw<'a>>,
}

impl Events {
    /// Reads the JSON of an event.
    ///
    /// # Errors
    /// The provider told an error, or it is no event.
    pub fn event(&mut self, json: &[u8], sink: &mut dyn Sink) -> Result<(), Broken> {
        self.named("", json, sink)
    }

    /// Whether the answer's last event came.
    pub fn is_complete(&self) -> bool {
        self.stopped
    }

    /// What was reported so far.
    pub fn metered(&self) -> Metered {
        self.counts.metered()
    }

    /// `name` counts where the event itself has no type.
    fn named(&mut self, name: &str, json: &[u8], sink: &mut dyn Sink) -> Result<(), Broken> {
        // What is no object is no event (`[DONE]` of proxies).
        if self.stopped || self.failed || !json.trim_ascii_start().starts_with(b"{") {
            return Ok(());
        }
        let result = self.read(name, json, sink);
        self.failed = result.is_err();
        result
    }

    fn read(&mut self, name: &str, json: &[u8], sink: &mut dyn Sink) -> Result<(), Broken> {
        match Plain::read(json) {
            Some(Plain::Text(text)) => {
                self.text(&text, sink);
                return Ok(());
            }
            Some(Plain::Thinking(text)) => {
                think(&text, sink);
                return Ok(());
            }
            Some(Plain::Input(index, json)) => return self.input(index, &json, sink),
            None => {}
        }
        let event: Event<'_> = serde_json::from_slice(json).map_err(|error| malformed("an event", &error))?;
        match event.kind.as_deref().unwrap_or(name) {
            "message_start" => self.start(event.message, sink),
            "content_block_start" => match event.content_block {
                Some(block) => self.begin(event.index, block, sink),
                None => Ok(()),
            },
            "content_block_delta" => match event.delta {
                Some(delta) => self.piece(event.index, delta, sink),
                None => Ok(()),
            },
            "content_block_stop" => {
                self.end(event.index, sink);
                Ok(())
            }
            "message_delta" => self.ending(&event, sink),
            "message_stop" => {
                self.give_out(sink);
                self.stopped = true;
                Ok(())
            }
            "error" => Err(said::upstream(event.error)),
            _ if event.kind.is_none() && event.error.is_some() => Err(said::upstream(event.error)),
            _ => Ok(()),
        }
    }

    fn start(&mut self, message: Option<Raw<'_>>, sink: &mut dyn Sink) -> Result<(), Broken> {
        let Some(message) = message else { return Ok(()) };
        let start: Start<'_> =
            serde_json::from_str(message.get()).map_err(|error| malformed("message_start", &error))?;
        if let Some(usage) = start.usage {
            self.counts.read_start(usage.get().as_bytes());
        }
        if !std::mem::replace(&mut self.started, true) {
            sink.delta(0, Delta::Start { id: start.id.as_deref(), created: None });
        }
        Ok(())
    }

    fn begin(&mut self, index: u64, json: Raw<'_>, sink: &mut dyn Sink) -> Result<(), Broken> {
        // A block that was never ended, or too many of them.
        self.end(index, sink);
        if self.open.len() >= OPEN_BLOCKS_MAX {
            return Err(Broken::Malformed("too many content blocks at a time".to_owned()));
        }
        let kind = said::kind_of(json).unwrap_or_default();
        if !said::is_known(&kind) {
            self.hold(json.get().len())?;
            let native = Native { json: json.get().to_owned(), input: String::new(), members: Vec::new() };
            self.open.push((index, Open::Native(native)));
            return Ok(());
        }
        let block = said::block(json)?;
        let open = match &*block.kind {
            "text" => Open::Text { start: self.text, citations: Vec::new() },
            "thinking" => Open::Thinking { signature: block.signature.as_deref().unwrap_or_default().to_owned() },
            "tool_use" => {
                let index = self.calls;
                self.calls += 1;
                said::begin_call(&block, index, sink);
                // The API gives an empty object here and the input in pieces; some proxies give it here.
                if let Some(input) = block.input.map(|input| input.get()).filter(|input| !is_blank(input)) {
                    sink.delta(0, Delta::Arguments { index, json: input });
                }
                Open::Call { index }
            }
            _ => {
                sink.delta(0, Delta::Redacted(block.data.as_deref().unwrap_or_default()));
                Open::Done
            }
        };
        self.open.push((index, open));
        self.text(block.text.as_deref().unwrap_or_default(), sink);
        think(block.thinking.as_deref().unwrap_or_default(), sink);
        for citation in block.citations.unwrap_or_default() {
            self.cite(index, citation)?;
        }
        Ok(())
    }

    fn piece(&mut self, index: u64, json: Raw<'_>, sink: &mut dyn Sink) -> Result<(), Broken> {
        let piece: Piece<'_> =
            serde_json::from_str(json.get()).map_err(|error| malformed("content_block_delta", &error))?;
        match &*piece.kind {
            "text_delta" => self.text(piece.text.as_deref().unwrap_or_default(), sink),
            "thinking_delta" => think(piece.thinking.as_deref().unwrap_or_default(), sink),
            "signature_delta" => {
                let more = piece.signature.as_deref().unwrap_or_default();
                self.hold(more.len())?;
                if let Some(Open::Thinking { signature }) = self.find(index) {
                    signature.push_str(more);
                }
            }
            "citations_delta" => {
                if let Some(citation) = piece.citation {
                    self.cite(index, citation)?;
                }
            }
            "input_json_delta" => return self.input(index, piece.partial_json.as_deref().unwrap_or_default(), sink),
            "compaction_delta" => {
                for (name, value) in [("content", piece.content), ("encrypted_content", piece.encrypted_content)] {
                    self.later(index, name, value)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str, sink: &mut dyn Sink) {
        if !text.is_empty() {
            self.text += text.chars().count() as u64;
            sink.delta(0, Delta::Text(text));
        }
    }

    /// A citation comes before the text that it belongs to, and is told after it.
    fn cite(&mut self, index: u64, citation: Raw<'_>) -> Result<(), Broken> {
        self.hold(citation.get().len())?;
        if let Some(Open::Text { citations, .. }) = self.find(index) {
            citations.push(citation.get().to_owned());
        }
        Ok(())
    }

    fn input(&mut self, index: u64, json: &str, sink: &mut dyn Sink) -> Result<(), Broken> {
        match self.find(index) {
            Some(Open::Call { index }) if !json.is_empty() => {
                sink.delta(0, Delta::Arguments { index: *index, json });
            }
            Some(Open::Native(native)) => {
                native.input.push_str(json);
                self.hold(json.len())?;
            }
            _ => {}
        }
        Ok(())
    }

    fn later(&mut self, index: u64, name: &'static str, value: Option<Raw<'_>>) -> Result<(), Broken> {
        let Some(value) = value else { return Ok(()) };
        self.hold(value.get().len())?;
        if let Some(Open::Native(native)) = self.find(index) {
            native.members.retain(|(known, _)| *known != name);
            native.members.push((name, value.get().to_owned()));
        }
        Ok(())
    }

    fn find(&mut self, index: u64) -> Option<&mut Open> {
        self.open.iter_mut().find(|(known, _)| *known == index).map(|(_, open)| open)
    }

    fn hold(&mut self, bytes: usize) -> Result<(), Broken> {
        self.held = self.held.saturating_add(bytes);
        if self.held > HELD_BYTES_MAX { Err(Broken::TooLong) } else { Ok(()) }
    }

    fn end(&mut self, index: u64, sink: &mut dyn Sink) {
        let Some(at) = self.open.iter().position(|(known, _)| *known == index) else { return };
        match self.open.remove(at).1 {
            Open::Text { start, citations } => {
                citations.iter().for_each(|citation| said::cite(citation, start, self.text, sink));
            }
            Open::Thinking { signature } if !signature.is_empty() => sink.delta(0, Delta::Signature(&signature)),
            Open::Native(native) => native.tell(sink),
            Open::Thinking { .. } | Open::Call { .. } | Open::Done => {}
        }
        if self.open.is_empty() {
            self.held = 0;
        }
    }

    fn ending(&mut self, event: &Event<'_>, sink: &mut dyn Sink) -> Result<(), Broken> {
        if let Some(usage) = event.usage {
            self.counts.read(usage.get().as_bytes());
        }
        let json = event.delta.map_or("{}", |delta| delta.get());
        let ending: Ending<'_> = serde_json::from_str(json).map_err(|error| malformed("message_delta", &error))?;
        if self.finished {
            return Ok(());
        }
        self.finished = ending.is_given();
        if self.finished {
            self.give_out(sink);
        }
        said::member("context_management", event.context_management, sink);
        ending.tell(sink);
        Ok(())
    }

    /// What is held of texts. A signature or an input that was never ended may lack its end.
    fn give_out(&mut self, sink: &mut dyn Sink) {
        self.open.retain(|(_, open)| matches!(open, Open::Text { .. }));
        while let Some((index, _)) = self.open.first() {
            self.end(*index, sink);
        }
    }
}

impl Native {
    fn tell(&self, sink: &mut dyn Sink) {
        let mut edits: Vec<(&str, &str)> = self.members.iter().map(|(name, json)| (*name, json.as_str())).collect();
        let whole = serde_json::from_str::<Raw<'_>>(&self.input).is_ok();
        if whole {
            edits.push(("input", &self.input));
        }
        let json = with_members(&self.json, &edits);
        let kind = serde_json::from_str::<Raw<'_>>(&json).ok().and_then(said::kind_of).unwrap_or_default();
        said::native(&kind, &json, sink);
    }
}

/// An object with other values for these members, or with them added.
fn with_members(json: &str, edits: &[(&str, &str)]) -> String {
    let bytes = json.as_bytes();
    let whole = Span { start: 0, end: u32::try_from(bytes.len()).unwrap_or(0) };
    let mut out = String::with_capacity(
        json.len() + edits.iter().map(|(name, value)| name.len() + value.len() + 4).sum::<usize>(),
    );
    let mut added: Vec<&(&str, &str)> = edits.iter().collect();
    let (mut done, mut last) = (0, 1);
    for member in json::members(bytes, whole) {
        let (start, end) = (member.value.start as usize, member.value.end as usize);
        last = end;
        let name = json::as_str(member.key.of(bytes)).unwrap_or_default();
        if let Some((_, value)) = edits.iter().find(|(edit, _)| *edit == name) {
            added.retain(|(edit, _)| *edit != name);
            out.push_str(json.get(done..start).unwrap_or_default());
            out.push_str(value);
            done = end;
        }
    }
    out.push_str(json.get(done..last).unwrap_or_default());
    for (name, value) in added {
        let comma = if out.ends_with('{') { "" } else { "," };
        out.push_str(&format!("{comma}\"{name}\":{value}"));
    }
    out.push_str(json.get(last..).unwrap_or_default());
    out
}

fn think(text: &str, sink: &mut dyn Sink) {
    if !text.is_empty() {
        sink.delta(0, Delta::Thinking(text));
    }
}

fn is_blank(input: &str) -> bool {
    input.bytes().all(|byte| byte.is_ascii_whitespace() || matches!(byte, b'{' | b'}'))
}

fn malformed(what: &str, error: &serde_json::Error) -> Broken {
    Broken::Malformed(format!("{what}: {error}"))
}

/// Reads a stream of server-sent events.
#[derive(Debug)]
pub struct Stream {
    decoder: sse::Decoder,
    events: Events,
}

impl Stream {
    /// With a limit on the bytes of one event.
    pub fn new(event_bytes_max: usize) -> Self {
        Self { decoder: sse::Decoder::new(event_bytes_max), events: Events::default() }
    }

    fn read(&mut self, event: &sse::Event, sink: &mut dyn Sink) -> Result<(), Broken> {
        let Some(data) = &event.data else { return Ok(()) };
        let name = event.name.as_deref().and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default();
        self.events.named(name, data, sink)
    }
}

impl Decoder for Stream {
    fn push(&mut self, chunk: Bytes, sink: &mut dyn Sink) -> Result<(), Broken> {
        self.decoder.push(chunk);
        while let Some(event) = self.decoder.next_event().map_err(|_| Broken::TooLong)? {
            self.read(&event, sink)?;
        }
        Ok(())
    }

    fn finish(&mut self, sink: &mut dyn Sink) -> Result<DecodeEnd, Broken> {
        if let Some(event) = self.decoder.finish() {
            let cut = event.data.as_ref().is_none_or(|data| serde_json::from_slice::<Raw<'_>>(data).is_err());
            if !cut {
                self.read(&event, sink)?;
            }
        }
        if self.events.is_complete() {
            return Ok(DecodeEnd::Complete);
        }
        self.events.give_out(sink);
        Ok(DecodeEnd::Truncated)
    }

    fn metered(&self) -> Metered {
        self.events.metered()
    }
}
