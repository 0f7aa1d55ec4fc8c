//! A stream of ConverseStream.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::exception;
use super::reply::{self, Beside, Citation, MediumSource, SERVER_TOOL};
use super::usage::Counts;
use crate::chat::{Api, Broken, DecodeEnd, Decoder, Delta, Raw, Sink, Str};
use crate::json::{self, Cursor};
use crate::vocabulary::Metered;
use crate::wire::aws;

/// The most that is held of what is told whole (signatures, pictures, a server tool's call), in bytes.
const HELD_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The most parts of an answer that are open at once.
const OPEN_MAX: usize = 256;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start<'a> {
    #[serde(default)]
    content_block_index: u64,
    #[serde(borrow)]
    start: Raw<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Begun<'a> {
    #[serde(borrow)]
    tool_use: Option<ToolUse<'a>>,
    #[serde(borrow)]
    tool_result: Option<Raw<'a>>,
    #[serde(borrow)]
    image: Option<Image<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolUse<'a> {
    #[serde(borrow, default)]
    tool_use_id: Str<'a>,
    #[serde(borrow, default)]
    name: Str<'a>,
    #[serde(borrow)]
    r#type: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct Image<'a> {
    #[serde(borrow)]
    format: Option<Str<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Said<'a> {
    #[serde(default)]
    content_block_index: u64,
    #[serde(borrow)]
    delta: Piece<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Piece<'a> {
    #[serde(borrow)]
    text: Option<Str<'a>>,
    #[serde(borrow)]
    tool_use: Option<Input<'a>>,
    #[serde(borrow)]
    tool_result: Option<Vec<Raw<'a>>>,
    #[serde(borrow)]
    reasoning_content: Option<Thought<'a>>,
    #[serde(borrow)]
    citation: Option<Citation<'a>>,
    #[serde(borrow)]
    image: Option<ImagePiece<'a>>,
}

#[derive(Deserialize)]
struct Input<'a> {
    #[serde(borrow, default)]
    input: Str<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Thought<'a> {
    #[serde(borrow)]
    text: Option<Str<'a>>,
    #[serde(borrow)]
    signature: Option<Str<'a>>,
    #[serde(borrow)]
    redacted_content: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct ImagePiece<'a> {
    #[serde(borrow)]
    source: Option<MediumSource<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stop {
    #[serde(default)]
    content_block_index: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageStop<'a> {
    #[serde(borrow, default)]
    stop_reason: Str<'a>,
    #[serde(borrow)]
    additional_model_response_fields: Option<Raw<'a>>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    usage: Option<Counts<'a>>,
}

/// A part of the answer that has begun.
struct Open {
    number: u64,
    // Where its text begins in the answer's, in characters.
    begin: u64,
    kind: Part,
}

enum Part {
    Text,
    Call {
        index: u32,
    },
    Thought {
        signature: String,
        redacted: Vec<String>,
    },
    Image {
        format: String,
        data: Vec<String>,
    },
    /// A call that the provider runs itself, or its result.
    Server {
        key: &'static str,
        begun: String,
        input: String,
    },
}

/// How it ended, and with which stop sequence.
struct End {
    reason: String,
    sequence: Option<String>,
}

/// Reads a stream of ConverseStream.
pub(super) struct ConverseStream {
    wire: aws::Decoder,
    open: Vec<Open>,
    calls: u32,
    chars: u64,
    held_bytes: usize,
    started: bool,
    // Told when the counts have come, or the stream ends.
    end: Option<End>,
    finished: bool,
    metered: Metered,
    failed: Option<Broken>,
}

impl Decoder for ConverseStream {
    fn push(&mut self, chunk: Bytes, sink: &mut dyn Sink) -> Result<(), Broken> {
        if let Some(broken) = &self.failed {
            return Err(broken.clone());
        }
        self.wire.push(chunk);
        let read = self.read(sink);
        self.failed = read.as_ref().err().cloned();
        read
    }

    fn finish(&mut self, sink: &mut dyn Sink) -> Result<DecodeEnd, Broken> {
        if let Some(broken) = &self.failed {
            return Err(broken.clone());
        }
        let ended = self.end.is_some() || self.finished;
        if ended {
            self.close_all(sink);
        }
        self.tell_end(sink);
        Ok(if ended && self.wire.is_between() { DecodeEnd::Complete } else { DecodeEnd::Truncated })
    }

    fn metered(&self) -> Metered {
        self.metered
    }
}

impl ConverseStream {
    /// With a limit on the bytes of one event.
    pub(super) fn new(event_bytes_max: usize) -> Self {
        Self {
            wire: aws::Decoder::new(event_bytes_max),
            open: Vec::new(),
            calls: 0,
            chars: 0,
            held_bytes: 0,
            started: false,
            end: None,
            finished: false,
            metered: Metered::Absent,
            failed: None,
        }
    }

    fn read(&mut self, sink: &mut dyn Sink) -> Result<(), Broken> {
        while let Some(message) = self.wire.next_message().map_err(exception::broken)? {
            if let Some(name) = exception::event(&message)? {
                self.event(name, &message.payload, sink)?;
            }
        }
        Ok(())
    }

    fn event(&mut self, name: &str, payload: &[u8], sink: &mut dyn Sink) -> Result<(), Broken> {
        // After the end nothing is said any more, whatever comes.
        match name {
            "messageStart" => self.begin(sink),
            "contentBlockStart" if self.end.is_none() => self.block_start(payload, sink)?,
            "contentBlockDelta" if self.end.is_none() => self.said(payload, sink)?,
            "contentBlockStop" => {
                let stop: Stop = owned(payload)?;
                self.close(stop.content_block_index, sink);
            }
            "messageStop" if self.end.is_none() => self.message_stop(payload, sink)?,
            "metadata" => self.metadata(payload, sink)?,
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, sink: &mut dyn Sink) {
        if !std::mem::replace(&mut self.started, true) {
            sink.delta(0, Delta::Start { id: None, created: None });
        }
    }

    fn block_start(&mut self, payload: &[u8], sink: &mut dyn Sink) -> Result<(), Broken> {
        let start: Start<'_> = parse(payload)?;
        let begun: Begun<'_> = serde_json::from_str(start.start.get()).map_err(malformed)?;
        self.begin(sink);
        self.close(start.content_block_index, sink);
        let kind = match begun {
            Begun { tool_use: Some(call), .. } if call.r#type.as_deref() != Some(SERVER_TOOL) => self.call(&call, sink),
            Begun { tool_use: Some(_), .. } => server("toolUse", start.start),
            Begun { tool_result: Some(_), .. } => server("toolResult", start.start),
            Begun { image: Some(image), .. } => Part::Image {
                format: image.format.map_or_else(|| "*".to_owned(), |format| format.to_string()),
                data: Vec::new(),
            },
            _ => Part::Text,
        };
        self.open(start.content_block_index, kind)
    }

    fn call(&mut self, call: &ToolUse<'_>, sink: &mut dyn Sink) -> Part {
        let index = self.calls;
        self.calls = self.calls.saturating_add(1);
        sink.delta(0, Delta::ToolCall { index, id: &call.tool_use_id, name: &call.name, signature: None });
        Part::Call { index }
    }

    fn open(&mut self, number: u64, kind: Part) -> Result<(), Broken> {
        if self.open.len() >= OPEN_MAX {
            return Err(Broken::Malformed(format!("more than {OPEN_MAX} open content blocks")));
        }
        self.open.push(Open { number, begin: self.chars, kind });
        Ok(())
    }

    /// The part with this number; opened here where the API does not tell its start (texts, thoughts).
    fn part(&mut self, number: u64, kind: impl FnOnce() -> Part) -> Result<&mut Open, Broken> {
        let at = match self.open.iter().position(|open| open.number == number) {
            Some(at) => at,
            None => {
                self.open(number, kind())?;
                self.open.len() - 1
            }
        };
        self.open.get_mut(at).ok_or_else(|| Broken::Malformed("a content block that is not open".to_owned()))
    }

    fn said(&mut self, payload: &[u8], sink: &mut dyn Sink) -> Result<(), Broken> {
        if let Some((number, text)) = plain(payload) {
            self.begin(sink);
            return self.text(number, &text, sink);
        }
        let said: Said<'_> = parse(payload)?;
        let number = said.content_block_index;
        self.begin(sink);
        match said.delta {
            Piece { text: Some(text), .. } => self.text(number, &text, sink),
            Piece { tool_use: Some(piece), .. } => self.input(number, &piece.input, sink),
            Piece { tool_result: Some(pieces), .. } => {
                pieces.iter().try_for_each(|piece| self.input(number, piece.get(), sink))
            }
            Piece { reasoning_content: Some(thought), .. } => self.thought(number, &thought, sink),
            Piece { citation: Some(citation), .. } => {
                let begin = self.part(number, || Part::Text)?.begin;
                citation.tell(begin, self.chars, sink);
                Ok(())
            }
            Piece { image: Some(image), .. } => {
                let bytes = image.source.and_then(|source| source.bytes);
                bytes.map_or(Ok(()), |bytes| self.picture(number, &bytes))
            }
            _ => Ok(()),
        }
    }

    fn text(&mut self, number: u64, text: &str, sink: &mut dyn Sink) -> Result<(), Broken> {
        self.part(number, || Part::Text)?;
        if !text.is_empty() {
            self.chars += reply::chars(text);
            sink.delta(0, Delta::Text(text));
        }
        Ok(())
    }

    /// A piece of a call's arguments, or of what the provider's own tool was given or gave.
    fn input(&mut self, number: u64, piece: &str, sink: &mut dyn Sink) -> Result<(), Broken> {
        let open = self.open.iter_mut().find(|open| open.number == number);
        match open.map(|open| &mut open.kind) {
            Some(Part::Call { index }) => {
                if !piece.is_empty() {
                    sink.delta(0, Delta::Arguments { index: *index, json: piece });
                }
            }
            Some(Part::Server { key, input, .. }) => {
                if *key == "toolResult" && !input.is_empty() {
                    input.push(',');
                }
                input.push_str(piece);
                self.hold(piece.len())?;
            }
            _ => return Err(Broken::Malformed("a piece of a tool call that did not begin".to_owned())),
        }
        Ok(())
    }

    fn thought(&mut self, number: u64, thought: &Thought<'_>, sink: &mut dyn Sink) -> Result<(), Broken> {
        let open = self.part(number, || Part::Thought { signature: String::new(), redacted: Vec::new() })?;
        if let Some(text) = thought.text.as_ref().filter(|text| !text.is_empty()) {
            sink.delta(0, Delta::Thinking(text));
        }
        let Part::Thought { signature, redacted } = &mut open.kind else { return Ok(()) };
        let mut held = 0;
        if let Some(piece) = &thought.signature {
            signature.push_str(piece);
            held += piece.len();
        }
        if let Some(piece) = &thought.redacted_content {
            redacted.push(piece.to_string());
            held += piece.len();
        }
        self.hold(held)
    }

    fn picture(&mut self, number: u64, bytes: &str) -> Result<(), Broken> {
        let open = self.part(number, || Part::Image { format: "*".to_owned(), data: Vec::new() })?;
        if let Part::Image { data, .. } = &mut open.kind {
            data.push(bytes.to_owned());
        }
        self.hold(bytes.len())
    }

    /// Bounds what is held.
    fn hold(&mut self, bytes: usize) -> Result<(), Broken> {
        self.held_bytes = self.held_bytes.saturating_add(bytes);
        if self.held_bytes > HELD_BYTES_MAX { Err(Broken::TooLong) } else { Ok(()) }
    }

    fn close(&mut self, number: u64, sink: &mut dyn Sink) {
        if let Some(at) = self.open.iter().position(|open| open.number == number) {
            self.open.remove(at).close(sink);
        }
    }

    fn close_all(&mut self, sink: &mut dyn Sink) {
        for open in std::mem::take(&mut self.open) {
            open.close(sink);
        }
    }

    fn message_stop(&mut self, payload: &[u8], sink: &mut dyn Sink) -> Result<(), Broken> {
        let stop: MessageStop<'_> = parse(payload)?;
        self.begin(sink);
        self.close_all(sink);
        let fields = stop.additional_model_response_fields;
        let sequence = fields.and_then(reply::stop_sequence);
        if let Some(fields) = fields.filter(|fields| fields.get().starts_with('{') && !reply::is_stop_only(fields)) {
            sink.delta(
                0,
                Delta::Native { api: Api::Converse, key: "additionalModelResponseFields", json: fields.get() },
            );
        }
        self.end = Some(End { reason: stop.stop_reason.to_string(), sequence });
        Ok(())
    }

    fn metadata(&mut self, payload: &[u8], sink: &mut dyn Sink) -> Result<(), Broken> {
        let metadata: Metadata<'_> = parse(payload)?;
        if let Some(usage) = metadata.usage {
            self.metered = usage.metered();
        }
        if !self.finished {
            let beside: Beside<'_> = parse(payload)?;
            beside.tell(sink);
        }
        self.tell_end(sink);
        Ok(())
    }

    fn tell_end(&mut self, sink: &mut dyn Sink) {
        if self.finished {
            return;
        }
        if let Some(End { reason, sequence }) = &self.end {
            self.finished = true;
            sink.delta(0, Delta::Finish(reply::finish(reason, sequence.as_deref())));
        }
    }
}

impl Open {
    /// Tells what is told whole.
    fn close(self, sink: &mut dyn Sink) {
        match self.kind {
            Part::Text | Part::Call { .. } => {}
            Part::Thought { signature, redacted } => {
                if !signature.is_empty() {
                    sink.delta(0, Delta::Signature(&signature));
                }
                if let Some(data) = joined(redacted) {
                    sink.delta(0, Delta::Redacted(&data));
                }
            }
            Part::Image { format, data } => {
                if let Some(data) = joined(data) {
                    sink.delta(0, Delta::Media { mime: &format!("image/{format}"), data: &data });
                }
            }
            Part::Server { key, begun, input } => {
                let json = with_input(key, &begun, &input);
                sink.delta(0, Delta::Native { api: Api::Converse, key, json: &json });
            }
        }
    }
}

/// The most usual event, a piece of text, read in one walk: the number of its part, and the text.
fn plain(payload: &[u8]) -> Option<(u64, Str<'_>)> {
    let mut cursor = Cursor::new(payload);
    let (mut number, mut text) = (0, None);
    cursor.open_object()?;
    while let Some(key) = cursor.key()? {
        match key.of(payload) {
            b"\"contentBlockIndex\"" => number = json::as_u64(cursor.skip()?.of(payload))?,
            b"\"delta\"" if text.is_none() => {
                cursor.open_object()?;
                let (b"\"text\"", value) = (cursor.key()??.of(payload), cursor.skip()?) else { return None };
                text = Some(value.of(payload));
                if cursor.key()?.is_some() {
                    return None;
                }
            }
            // What hides the length.
            b"\"p\"" => drop(cursor.skip()?),
            _ => return None,
        }
    }
    let text = serde_json::from_slice(text?).ok()?;
    cursor.is_at_end().then_some((number, text))
}

fn server(key: &'static str, start: Raw<'_>) -> Part {
    Part::Server { key, begun: start.get().to_owned(), input: String::new() }
}

/// The part as it stands in a whole answer: `{"toolUse":{...,"input":{...}}}`.
fn with_input(key: &str, begun: &str, input: &str) -> String {
    let (member, value) = match key {
        "toolUse" => ("input", crate::chat::object_or_empty(input).map_or("{}", |input| input.get()).to_owned()),
        _ => ("content", format!("[{input}]")),
    };
    let open = begun.trim_end().strip_suffix('}').and_then(|begun| begun.trim_end().strip_suffix('}'));
    let json = open.map(|open| {
        let comma = if open.trim_end().ends_with('{') { "" } else { "," };
        format!("{open}{comma}\"{member}\":{value}}}}}")
    });
    json.filter(|json| crate::chat::is_json_object(json)).unwrap_or_else(|| begun.to_owned())
}

/// Pieces of base64 as one: each is padded by itself.
fn joined(mut pieces: Vec<String>) -> Option<String> {
    if pieces.len() <= 1 {
        return pieces.pop();
    }
    let decoded: Option<Vec<Vec<u8>>> = pieces.iter().map(|piece| STANDARD.decode(piece).ok()).collect();
    Some(decoded.map_or_else(|| pieces.concat(), |decoded| STANDARD.encode(decoded.concat())))
}

fn parse<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Broken> {
    serde_json::from_slice(payload).map_err(malformed)
}

fn owned<T: DeserializeOwned>(payload: &[u8]) -> Result<T, Broken> {
    parse(payload)
}

fn malformed(error: serde_json::Error) -> Broken {
    Broken::Malformed(format!("an event of ConverseStream that cannot be read: {error}"))
}

#[cfg(test)]
mod tests;
