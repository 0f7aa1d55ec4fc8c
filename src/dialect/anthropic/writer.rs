//! The blocks of an answer as a stream of events.

use bytes::{BufMut, Bytes, BytesMut};

use crate::json::{self, Span};
use crate::vocabulary::Usage;

/// How an answer is written, one block after the other.
pub(super) trait Form: Send + Sync {
    /// The answer begins.
    fn begin(&mut self, id: &str, model: &str);
    /// A block begins.
    fn open(&mut self, opening: &Opening<'_>);
    /// A piece of the open block.
    fn piece(&mut self, piece: &Piece<'_>);
    /// The block ends.
    fn close(&mut self);
    /// A block in Anthropic's own words.
    fn whole(&mut self, json: &str);
    /// The answer ends.
    fn end(&mut self, stop: &Stop, usage: Option<&Usage>, members: &[(String, String)]);
    /// What is ready to be sent.
    fn take(&mut self) -> Bytes;
}

/// How a block begins.
pub(super) enum Opening<'a> {
    Text,
    Thinking,
    Redacted(&'a str),
    Call { id: &'a str, name: &'a str },
    Media { mime: &'a str, data: &'a str },
}

/// What is added to it.
pub(super) enum Piece<'a> {
    Text(&'a str),
    Thinking(&'a str),
    Signature(&'a str),
    Arguments(&'a str),
    Citation { url: Option<&'a str>, title: Option<&'a str>, text: Option<&'a str> },
}

/// Why the answer ended.
#[derive(Debug, Default)]
pub(super) struct Stop {
    pub(super) reason: String,
    pub(super) sequence: Option<String>,
}

/// Writes events.
#[derive(Debug, Default)]
pub(super) struct Events {
    out: BytesMut,
    index: u64,
}

impl Events {
    fn event(&mut self, name: &str, data: impl FnOnce(&mut BytesMut)) {
        put(&mut self.out, &["event: ", name, "\ndata: {\"type\":\"", name, "\""]);
        data(&mut self.out);
        self.out.put_slice(b"}\n\n");
    }

    fn start(&mut self, block: impl FnOnce(&mut BytesMut)) {
        let index = self.index;
        self.event("content_block_start", |out| {
            put_index(out, index);
            out.put_slice(b",\"content_block\":{");
            block(out);
            out.put_slice(b"}");
        });
    }

    fn delta(&mut self, kind: &str, member: &str, text: &str) {
        let index = self.index;
        self.event("content_block_delta", |out| {
            put_index(out, index);
            put(out, &[",\"delta\":{\"type\":\"", kind, "\",\"", member, "\":"]);
            put_text(out, text);
            out.put_slice(b"}");
        });
    }
}

impl Form for Events {
    fn begin(&mut self, id: &str, model: &str) {
        self.event("message_start", |out| {
            out.put_slice(b",\"message\":{");
            put_head(out, id, model);
            out.put_slice(b",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
            // Nothing is known yet: the end says all of it.
            put_usage(out, &Usage::default());
            out.put_slice(b"}");
        });
    }

    fn open(&mut self, opening: &Opening<'_>) {
        self.start(|out| put_opening(out, opening));
    }

    fn piece(&mut self, piece: &Piece<'_>) {
        match piece {
            Piece::Text(text) => self.delta("text_delta", "text", text),
            Piece::Thinking(text) => self.delta("thinking_delta", "thinking", text),
            Piece::Signature(text) => self.delta("signature_delta", "signature", text),
            Piece::Arguments(json) => self.delta("input_json_delta", "partial_json", json),
            Piece::Citation { url, title, text } => {
                let index = self.index;
                self.event("content_block_delta", |out| {
                    put_index(out, index);
                    out.put_slice(b",\"delta\":{\"type\":\"citations_delta\",\"citation\":");
                    put_citation(out, *url, *title, *text);
                    out.put_slice(b"}");
                });
            }
        }
    }

    fn close(&mut self) {
        let index = self.index;
        self.event("content_block_stop", |out| put_index(out, index));
        self.index += 1;
    }

    /// What has an input is written as the API streams it: empty first.
    fn whole(&mut self, json: &str) {
        let Some(input) = input_of(json) else {
            self.start(|out| put_flat(out, inside(json)));
            self.close();
            return;
        };
        let (start, end) = (input.start as usize, input.end as usize);
        let inside_end = json.trim_end().len().saturating_sub(1);
        self.start(|out| {
            put_flat(out, json.get(1..start).unwrap_or_default());
            out.put_slice(b"{}");
            put_flat(out, json.get(end..inside_end).unwrap_or_default());
        });
        self.delta("input_json_delta", "partial_json", json.get(start..end).unwrap_or_default());
        self.close();
    }

    fn end(&mut self, stop: &Stop, usage: Option<&Usage>, members: &[(String, String)]) {
        self.event("message_delta", |out| {
            out.put_slice(b",\"delta\":{");
            put_stop(out, stop);
            let beside = |name: &str| name == "context_management";
            put_members(out, members.iter().filter(|(name, _)| !beside(name)));
            out.put_slice(b"}");
            put_members(out, members.iter().filter(|(name, _)| beside(name)));
            out.put_slice(b",\"usage\":");
            put_usage(out, &usage.copied().unwrap_or_default());
        });
        self.event("message_stop", |_| {});
    }

    fn take(&mut self) -> Bytes {
        self.out.split().freeze()
    }
}

/// Where the input of a call lies, in the JSON of a block that is one.
fn input_of(json: &str) -> Option<Span> {
    let bytes = json.as_bytes();
    let whole = Span { start: 0, end: u32::try_from(bytes.len()).ok()? };
    let (mut call, mut input) = (false, None);
    for member in json::members(bytes, whole) {
        match member.key.of(bytes) {
            b"\"type\"" => call = member.value.of(bytes).ends_with(b"tool_use\""),
            b"\"input\"" => input = Some(member.value),
            _ => {}
        }
    }
    input.filter(|_| call && json.starts_with('{'))
}

/// The members of an object without its braces.
fn inside(json: &str) -> &str {
    let json = json.trim();
    json.strip_prefix('{').and_then(|json| json.strip_suffix('}')).unwrap_or_default()
}

fn put(out: &mut BytesMut, texts: &[&str]) {
    texts.iter().for_each(|text| out.put_slice(text.as_bytes()));
}

/// A JSON string.
pub(super) fn put_text(out: &mut BytesMut, text: &str) {
    // Writing to memory does not fail.
    serde_json::to_writer(out.writer(), text).ok();
}

fn put_number(out: &mut BytesMut, number: u64) {
    serde_json::to_writer(out.writer(), &number).ok();
}

fn put_index(out: &mut BytesMut, index: u64) {
    out.put_slice(b",\"index\":");
    put_number(out, index);
}

/// The members that every message begins with.
pub(super) fn put_head(out: &mut BytesMut, id: &str, model: &str) {
    out.put_slice(b"\"id\":");
    put_text(out, id);
    out.put_slice(b",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    put_text(out, model);
}

/// The members that a block begins with.
fn put_opening(out: &mut BytesMut, opening: &Opening<'_>) {
    match opening {
        Opening::Text => out.put_slice(b"\"type\":\"text\",\"text\":\"\""),
        Opening::Thinking => out.put_slice(b"\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\""),
        Opening::Redacted(data) => {
            out.put_slice(b"\"type\":\"redacted_thinking\",\"data\":");
            put_text(out, data);
        }
        Opening::Call { id, name } => {
            put_call(out, id, name);
            out.put_slice(b"{}");
        }
        Opening::Media { mime, data } => put_media(out, mime, data),
    }
}

/// A call up to its input.
pub(super) fn put_call(out: &mut BytesMut, id: &str, name: &str) {
    out.put_slice(b"\"type\":\"tool_use\",\"id\":");
    put_text(out, id);
    out.put_slice(b",\"name\":");
    put_text(out, name);
    out.put_slice(b",\"input\":");
}

/// No model of Anthropic's makes media: they are written as they would be sent.
pub(super) fn put_media(out: &mut BytesMut, mime: &str, data: &str) {
    let kind = if mime.starts_with("image/") { "image" } else { "document" };
    put(out, &["\"type\":\"", kind, "\",\"source\":{\"type\":\"base64\",\"media_type\":"]);
    put_text(out, mime);
    out.put_slice(b",\"data\":");
    put_text(out, data);
    out.put_slice(b"}");
}

/// A page of the web, or a place in a document that has no number here.
pub(super) fn put_citation(out: &mut BytesMut, url: Option<&str>, title: Option<&str>, text: Option<&str>) {
    let member = |out: &mut BytesMut, name: &str, text: Option<&str>| {
        put(out, &[",\"", name, "\":"]);
        match text {
            Some(text) => put_text(out, text),
            None => out.put_slice(b"null"),
        }
    };
    match url {
        Some(url) => {
            out.put_slice(b"{\"type\":\"web_search_result_location\"");
            member(out, "url", Some(url));
            member(out, "title", title);
            member(out, "cited_text", Some(text.unwrap_or_default()));
            out.put_slice(b",\"encrypted_index\":\"\"}");
        }
        None => {
            out.put_slice(b"{\"type\":\"char_location\"");
            member(out, "cited_text", Some(text.unwrap_or_default()));
            member(out, "document_title", title);
            out.put_slice(b",\"document_index\":0,\"start_char_index\":0,\"end_char_index\":0}");
        }
    }
}

pub(super) fn put_stop(out: &mut BytesMut, stop: &Stop) {
    out.put_slice(b"\"stop_reason\":");
    put_text(out, &stop.reason);
    out.put_slice(b",\"stop_sequence\":");
    match &stop.sequence {
        Some(sequence) => put_text(out, sequence),
        None => out.put_slice(b"null"),
    }
}

pub(super) fn put_members<'m>(out: &mut BytesMut, members: impl Iterator<Item = &'m (String, String)>) {
    for (name, json) in members {
        put(out, &[",\"", name, "\":"]);
        put_flat(out, json);
    }
}

/// JSON on one line, as an event must have it. Line ends are space between its tokens.
fn put_flat(out: &mut BytesMut, json: &str) {
    json.split(['\n', '\r']).for_each(|line| out.put_slice(line.as_bytes()));
}

/// `input_tokens` is what was neither read from a cache nor written to one.
pub(super) fn put_usage(out: &mut BytesMut, usage: &Usage) {
    let written = usage.cache_write.saturating_add(usage.cache_write_1h);
    let input = usage.prompt.saturating_sub(usage.cache_read).saturating_sub(written);
    out.put_slice(b"{\"input_tokens\":");
    put_number(out, input);
    out.put_slice(b",\"cache_creation_input_tokens\":");
    put_number(out, written);
    out.put_slice(b",\"cache_read_input_tokens\":");
    put_number(out, usage.cache_read);
    if written > 0 {
        out.put_slice(b",\"cache_creation\":{\"ephemeral_5m_input_tokens\":");
        put_number(out, usage.cache_write);
        out.put_slice(b",\"ephemeral_1h_input_tokens\":");
        put_number(out, usage.cache_write_1h);
        out.put_slice(b"}");
    }
    out.put_slice(b",\"output_tokens\":");
    put_number(out, usage.completion);
    if usage.reasoning > 0 {
        out.put_slice(b",\"output_tokens_details\":{\"thinking_tokens\":");
        put_number(out, usage.reasoning);
        out.put_slice(b"}");
    }
    if usage.units.searches > 0 {
        out.put_slice(b",\"server_tool_use\":{\"web_search_requests\":");
        put_number(out, usage.units.searches);
        out.put_slice(b"}");
    }
    out.put_slice(b"}");
}
