//! A message or a piece of one, in the spellings of all vendors.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::chat::{Api, Broken, Delta, Raw, Sink, Str};
use crate::dialect::openai::CITATION;
use crate::json;

use super::reply::{Shape, list, object, text};

/// More calls than any answer has.
const CALLS_MAX: usize = 1024;
/// The most arguments that are held for a call whose name has not come, in bytes.
const HELD_BYTES_MAX: usize = 256 * 1024;

/// A message.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    content: Option<Raw<'a>>,
    #[serde(borrow)]
    refusal: Option<Raw<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<Raw<'a>>,
    #[serde(borrow)]
    reasoning: Option<Raw<'a>>,
    #[serde(borrow)]
    reasoning_details: Option<Raw<'a>>,
    #[serde(borrow)]
    thinking_blocks: Option<Raw<'a>>,
    #[serde(borrow)]
    tool_calls: Option<Raw<'a>>,
    #[serde(borrow)]
    function_call: Option<Raw<'a>>,
    #[serde(borrow)]
    annotations: Option<Raw<'a>>,
    #[serde(borrow)]
    images: Option<Raw<'a>>,
    #[serde(borrow)]
    audio: Option<Raw<'a>>,
    #[serde(borrow)]
    extra_content: Option<Raw<'a>>,
    #[serde(borrow)]
    executed_tools: Option<Raw<'a>>,
}

impl Message<'_> {
    /// Whether it cites a page of the web.
    pub(super) fn cites(&self) -> bool {
        self.annotations.is_some_and(|raw| CITATION.find(raw.get().as_bytes()).is_some())
    }
}

/// What is remembered of a choice between chunks.
#[derive(Default)]
pub(super) struct State {
    calls: Vec<Call>,
}

/// A call of a tool.
struct Call {
    // What the vendor counts it by.
    wire: Option<u64>,
    id: String,
    // Told to the sink: its name is known.
    begun: bool,
    held: String,
    signature: Option<String>,
}

/// Whether JSON is more than null or empty, or an object of nulls, as Snowflake writes what is not there.
pub(super) fn says_something(raw: &Raw<'_>) -> bool {
    let text = raw.get();
    let is_object_of_nulls = || text.starts_with('{') && text.matches(':').count() == text.matches(":null").count();
    !matches!(text, "null" | "\"\"" | "[]") && !is_object_of_nulls()
}

/// Gives out what only this API understands.
pub(super) fn native(index: u32, key: &str, raw: Raw<'_>, sink: &mut dyn Sink) {
    sink.delta(index, Delta::Native { api: Api::OpenAiChat, key, json: raw.get() });
}

impl State {
    /// Reads a message in the order in which a model makes it: thought, text, calls.
    pub(super) fn read(
        &mut self,
        message: &Message<'_>,
        index: u32,
        data: &[u8],
        shape: Shape,
        sink: &mut dyn Sink,
    ) -> Result<(), Broken> {
        thoughts(message, index, sink);
        content(message.content, index, sink);
        if let Some(refusal) = text(message.refusal) {
            sink.delta(index, Delta::Refusal(&refusal));
        }
        let mut signature = google(message.extra_content);
        for (place, raw) in list(message.tool_calls).into_iter().enumerate() {
            let wire: WireCall<'_> = object(raw);
            let count = match shape {
                Shape::Whole => Some(place as u64),
                Shape::Chunk => wire.index.and_then(|raw| json::as_u64(raw.get().as_bytes())),
            };
            self.call(&wire, count, signature.take(), index, data, sink)?;
        }
        if let Some(function) = message.function_call.filter(says_something) {
            let wire = WireCall { function: Some(function), ..WireCall::default() };
            self.call(&wire, None, signature.take(), index, data, sink)?;
        }
        if let Some(signature) = signature {
            sink.delta(index, Delta::Signature(&signature));
        }
        list(message.annotations).into_iter().for_each(|raw| annotation(raw, index, sink));
        list(message.images).into_iter().for_each(|raw| picture(raw, index, sink));
        if let Some(raw) = message.audio {
            sound(raw, index, shape, sink);
        }
        if let Some(raw) = message.executed_tools.filter(says_something) {
            native(index, "executed_tools", raw, sink);
        }
        Ok(())
    }

    fn call(
        &mut self,
        wire: &WireCall<'_>,
        count: Option<u64>,
        signature: Option<Str<'_>>,
        index: u32,
        data: &[u8],
        sink: &mut dyn Sink,
    ) -> Result<(), Broken> {
        let function: Called<'_> = wire.function.or(wire.custom).map(object).unwrap_or_default();
        let (id, name) = (text(wire.id), text(function.name));
        let place = match self.known(count, id.as_deref(), name.as_deref()) {
            Some(place) => place,
            None if self.calls.len() == CALLS_MAX => {
                return Err(Broken::Malformed(format!("more than {CALLS_MAX} calls")));
            }
            None => {
                let made = || made_id(data, index, self.calls.len());
                let id = id.as_deref().map_or_else(made, str::to_owned);
                self.calls.push(Call { wire: count, id, begun: false, held: String::new(), signature: None });
                self.calls.len() - 1
            }
        };
        let Some(call) = self.calls.get_mut(place) else { return Ok(()) };
        let own = google(wire.extra_content).or_else(|| specific(wire.provider_specific_fields));
        if let Some(signature) = own.or(signature).filter(|_| call.signature.is_none()) {
            call.signature = Some(signature.to_string());
        }
        if let Some(name) = name {
            call.begin(place, &name, index, sink);
        }
        let arguments = function.arguments.or(function.input).filter(|raw| raw.get() != "null");
        match arguments {
            // Some give the object itself.
            Some(raw) if raw.get().starts_with(['{', '[']) => call.say(place, raw.get(), index, sink),
            raw => text(raw).map_or(Ok(()), |arguments| call.say(place, &arguments, index, sink)),
        }
    }

    /// The call that a piece belongs to. Several vendors count all parallel calls 0, or count none: a new id with a name is
    /// a new call.
    fn known(&self, count: Option<u64>, id: Option<&str>, name: Option<&str>) -> Option<usize> {
        let place = match (count, id) {
            (Some(count), _) => self.calls.iter().rposition(|call| call.wire == Some(count))?,
            (None, Some(id)) => return self.calls.iter().rposition(|call| call.id == id),
            (None, None) => self.calls.len().checked_sub(1)?,
        };
        let call = self.calls.get(place)?;
        let is_new = match id {
            Some(id) => call.begun && call.id != id && name.is_some(),
            None => count.is_none() && call.begun && name.is_some(),
        };
        (!is_new).then_some(place)
    }

    pub(super) const fn has_calls(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Gives out calls whose name never came; without arguments they were none.
    pub(super) fn end(&mut self, index: u32, sink: &mut dyn Sink) {
        for (place, call) in self.calls.iter_mut().enumerate() {
            if !call.begun && !call.held.is_empty() {
                call.begin(place, "", index, sink);
            }
        }
        self.calls.retain(|call| call.begun);
    }
}

impl Call {
    fn begin(&mut self, place: usize, name: &str, index: u32, sink: &mut dyn Sink) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let call = u32::try_from(place).unwrap_or(u32::MAX);
        let signature = self.signature.as_deref();
        sink.delta(index, Delta::ToolCall { index: call, id: &self.id, name, signature });
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            sink.delta(index, Delta::Arguments { index: call, json: &held });
        }
    }

    fn say(&mut self, place: usize, json: &str, index: u32, sink: &mut dyn Sink) -> Result<(), Broken> {
        if self.begun {
            let call = u32::try_from(place).unwrap_or(u32::MAX);
            sink.delta(index, Delta::Arguments { index: call, json });
        } else if self.held.len() + json.len() > HELD_BYTES_MAX {
            return Err(Broken::TooLong);
        } else {
            self.held.push_str(json);
        }
        Ok(())
    }
}

/// The same thought may stand there under several names: the most exact one counts.
fn thoughts(message: &Message<'_>, index: u32, sink: &mut dyn Sink) {
    let blocks = list(message.thinking_blocks);
    let details = if blocks.is_empty() { list(message.reasoning_details) } else { blocks };
    let mut worded = false;
    let mut signatures = Vec::new();
    for raw in details {
        let detail: Detail<'_> = object(raw);
        if let Some(thought) = text(detail.text).or_else(|| text(detail.summary)).or_else(|| text(detail.thinking)) {
            worded = true;
            sink.delta(index, Delta::Thinking(&thought));
        }
        match text(detail.signature) {
            Some(signature) if worded => sink.delta(index, Delta::Signature(&signature)),
            Some(signature) => signatures.push(signature),
            None => {}
        }
        let kind = text(detail.r#type);
        match (kind.as_deref(), text(detail.data)) {
            (Some("redacted_thinking"), Some(data)) => sink.delta(index, Delta::Redacted(&data)),
            // OpenRouter wants its id and format back with it.
            (_, Some(_)) => sink.delta(index, Delta::Redacted(raw.get())),
            (_, None) => {}
        }
    }
    if !worded && let Some(thought) = text(message.reasoning_content).or_else(|| text(message.reasoning)) {
        sink.delta(index, Delta::Thinking(&thought));
    }
    for signature in signatures {
        sink.delta(index, Delta::Signature(&signature));
    }
}

/// An id for a call that has none: the same for the same answer, another in the next.
fn made_id(data: &[u8], index: u32, place: usize) -> String {
    let mut id = "call_".to_owned();
    for byte in Sha256::digest(data).iter().take(8) {
        let _infallible = write!(id, "{byte:02x}");
    }
    let _infallible = write!(id, "{index}{place}");
    id
}

/// One of `reasoning_details` or `thinking_blocks`.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Detail<'a> {
    #[serde(borrow)]
    r#type: Option<Raw<'a>>,
    #[serde(borrow)]
    text: Option<Raw<'a>>,
    #[serde(borrow)]
    summary: Option<Raw<'a>>,
    #[serde(borrow)]
    thinking: Option<Raw<'a>>,
    #[serde(borrow)]
    signature: Option<Raw<'a>>,
    #[serde(borrow)]
    data: Option<Raw<'a>>,
}

/// One of `tool_calls`.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct WireCall<'a> {
    #[serde(borrow)]
    index: Option<Raw<'a>>,
    #[serde(borrow)]
    id: Option<Raw<'a>>,
    #[serde(borrow)]
    function: Option<Raw<'a>>,
    #[serde(borrow)]
    custom: Option<Raw<'a>>,
    #[serde(borrow)]
    extra_content: Option<Raw<'a>>,
    #[serde(borrow)]
    provider_specific_fields: Option<Raw<'a>>,
}

/// What is called.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Called<'a> {
    #[serde(borrow)]
    name: Option<Raw<'a>>,
    #[serde(borrow)]
    arguments: Option<Raw<'a>>,
    #[serde(borrow)]
    input: Option<Raw<'a>>,
}

/// Where a thought signature is.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Signed<'a> {
    #[serde(borrow)]
    google: Option<Raw<'a>>,
    #[serde(borrow)]
    thought_signature: Option<Raw<'a>>,
}

fn google(raw: Option<Raw<'_>>) -> Option<Str<'_>> {
    let extra: Signed<'_> = object(raw?);
    text(object::<Signed<'_>>(extra.google?).thought_signature)
}

fn specific(raw: Option<Raw<'_>>) -> Option<Str<'_>> {
    text(object::<Signed<'_>>(raw?).thought_signature)
}

/// A part of a content that is a list.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Piece<'a> {
    #[serde(borrow)]
    r#type: Option<Raw<'a>>,
    #[serde(borrow)]
    text: Option<Raw<'a>>,
    #[serde(borrow)]
    thinking: Option<Raw<'a>>,
    #[serde(borrow)]
    signature: Option<Raw<'a>>,
}

fn content(raw: Option<Raw<'_>>, index: u32, sink: &mut dyn Sink) {
    if let Some(said) = text(raw) {
        return sink.delta(index, Delta::Text(&said));
    }
    for raw in list(raw) {
        let piece: Piece<'_> = object(raw);
        match text(piece.r#type).as_deref() {
            Some("text" | "output_text") | None => {
                if let Some(said) = text(piece.text).or_else(|| text(Some(raw))) {
                    sink.delta(index, Delta::Text(&said));
                }
            }
            Some("thinking") => {
                thinking(piece.thinking, index, sink);
                if let Some(signature) = text(piece.signature) {
                    sink.delta(index, Delta::Signature(&signature));
                }
            }
            Some("image_url") => picture(raw, index, sink),
            Some(kind) => native(index, kind, raw, sink),
        }
    }
}

/// Mistral's thoughts are a text or a list of texts.
fn thinking(raw: Option<Raw<'_>>, index: u32, sink: &mut dyn Sink) {
    if let Some(thought) = text(raw) {
        return sink.delta(index, Delta::Thinking(&thought));
    }
    for raw in list(raw) {
        if let Some(thought) = text(object::<Piece<'_>>(raw).text) {
            sink.delta(index, Delta::Thinking(&thought));
        }
    }
}

/// One of `annotations`.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Annotation<'a> {
    #[serde(borrow)]
    url_citation: Option<Raw<'a>>,
    #[serde(borrow)]
    url: Option<Raw<'a>>,
    #[serde(borrow)]
    title: Option<Raw<'a>>,
    #[serde(borrow)]
    content: Option<Raw<'a>>,
    #[serde(borrow)]
    start_index: Option<Raw<'a>>,
    #[serde(borrow)]
    end_index: Option<Raw<'a>>,
}

fn annotation(raw: Raw<'_>, index: u32, sink: &mut dyn Sink) {
    let outer: Annotation<'_> = object(raw);
    // xAI and others have the members in the annotation itself.
    let cited: Annotation<'_> = outer.url_citation.map(object).unwrap_or(outer);
    let Some(url) = text(cited.url) else { return native(index, "annotations", raw, sink) };
    let number = |raw: Option<Raw<'_>>| raw.and_then(|raw| json::as_u64(raw.get().as_bytes()));
    let (title, quoted) = (text(cited.title), text(cited.content));
    sink.delta(
        index,
        Delta::Citation {
            url: Some(&url),
            title: title.as_deref(),
            text: quoted.as_deref(),
            start: number(cited.start_index),
            end: number(cited.end_index),
        },
    );
}

/// One of `images`.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Picture<'a> {
    #[serde(borrow)]
    image_url: Option<Raw<'a>>,
    #[serde(borrow)]
    url: Option<Raw<'a>>,
}

fn picture(raw: Raw<'_>, index: u32, sink: &mut dyn Sink) {
    let outer = object::<Picture<'_>>(raw).image_url;
    let url = text(outer).or_else(|| text(object::<Picture<'_>>(outer?).url));
    let here = url.as_deref().and_then(|url| url.strip_prefix("data:")).and_then(|rest| rest.split_once(";base64,"));
    match here {
        Some((mime, data)) => sink.delta(index, Delta::Media { mime, data }),
        None => native(index, "images", raw, sink),
    }
}

/// What was spoken.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Sound<'a> {
    #[serde(borrow)]
    data: Option<Raw<'a>>,
    #[serde(borrow)]
    transcript: Option<Raw<'a>>,
}

/// The words are the answer's text; the sound goes with them.
fn sound(raw: Raw<'_>, index: u32, shape: Shape, sink: &mut dyn Sink) {
    let sound: Sound<'_> = object(raw);
    if let Some(words) = text(sound.transcript) {
        sink.delta(index, Delta::Text(&words));
    }
    if let Some(data) = text(sound.data) {
        // Streams have nothing but samples.
        let mime = if shape == Shape::Chunk { "audio/pcm" } else { sound_of(&data) };
        sink.delta(index, Delta::Media { mime, data: &data });
    }
}

/// What the first bytes say, as they look in base64.
fn sound_of(data: &str) -> &'static str {
    match data {
        data if data.starts_with("UklGR") => "audio/wav",
        data if data.starts_with("SUQz") || data.starts_with("//") => "audio/mpeg",
        data if data.starts_with("ZkxhQ") => "audio/flac",
        data if data.starts_with("T2dnUw") => "audio/ogg",
        _ => "audio/pcm",
    }
}
