//! Writes answers in the form of chat completions: what a stream and a whole answer have in common.

use bytes::{Bytes, BytesMut};

use super::streamed::Streamed;
use super::whole::Whole;
use crate::chat::{Answer, Encoder, Finish};
use crate::json;
use crate::vocabulary::Usage;

/// What an answer is written with.
pub(super) fn encoder(answer: Answer, stream: bool) -> Box<dyn Encoder> {
    if stream { Box::new(Streamed::new(answer)) } else { Box::new(Whole::new(answer)) }
}

/// The members at the head of an answer and of each of its chunks: `"id":...,"object":...,"created":...,"model":...,`.
pub(super) fn head(answer: &Answer, id: Option<&str>, created: Option<i64>, object: &str) -> Bytes {
    let mut head = BytesMut::with_capacity(128);
    put(&mut head, "\"id\":");
    match id.filter(|id| !id.is_empty()) {
        Some(id) => json::put_quoted(&mut head, id),
        None => {
            put(&mut head, "\"chatcmpl-");
            json::put_escaped(&mut head, &answer.id);
            put(&mut head, "\"");
        }
    }
    put(&mut head, ",\"object\":\"");
    put(&mut head, object);
    put(&mut head, "\",\"created\":");
    put(&mut head, &created.filter(|created| *created > 0).unwrap_or(answer.created).to_string());
    put(&mut head, ",\"model\":");
    json::put_quoted(&mut head, &answer.model);
    put(&mut head, ",");
    head.freeze()
}

pub(super) fn put(out: &mut BytesMut, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// Adds a number without a text of its own.
pub(super) fn put_number(out: &mut BytesMut, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut length = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        length += 1;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(digits.len() - length..).unwrap_or_default());
}

/// Adds a provider's JSON on one line: in an event, a line feed would end it.
pub(super) fn put_json(out: &mut BytesMut, json: &str) {
    let mut lines = json.split(['\n', '\r']);
    put(out, lines.next().unwrap_or_default());
    for line in lines {
        put(out, " ");
        put(out, line);
    }
}

/// The word for the end of an answer, and what the provider said where that word does not tell it.
pub(super) fn finish_word<'f>(finish: &Finish<'f>, called: bool) -> (&'static str, Option<(&'static str, &'f str)>) {
    let stop = if called { "tool_calls" } else { "stop" };
    match finish {
        Finish::Stop | Finish::StopSequence(None) => (stop, None),
        Finish::StopSequence(Some(sequence)) => (stop, Some(("stop_sequence", sequence))),
        Finish::Length => ("length", None),
        Finish::ToolCalls => ("tool_calls", None),
        Finish::ContentFilter => ("content_filter", None),
        Finish::Refusal => ("content_filter", Some(("stop_reason", "refusal"))),
        Finish::Pause => (stop, Some(("stop_reason", "pause_turn"))),
        Finish::Other(word) => (stop, Some(("stop_reason", word))),
    }
}

/// Adds the members of a call's beginning, its arguments not yet closed: `"id":...,"type":"function","function":{"name":...,"arguments":"`.
pub(super) fn put_call(out: &mut BytesMut, id: &str, name: &str) {
    put(out, "\"id\":");
    json::put_quoted(out, id);
    put(out, ",\"type\":\"function\",\"function\":{\"name\":");
    json::put_quoted(out, name);
    put(out, ",\"arguments\":\"");
}

/// Adds a call's thought signature under both names that clients know.
pub(super) fn put_signature(out: &mut BytesMut, signature: &str) {
    put(out, ",\"provider_specific_fields\":{\"thought_signature\":");
    json::put_quoted(out, signature);
    put(out, "},\"extra_content\":{\"google\":{\"thought_signature\":");
    json::put_quoted(out, signature);
    put(out, "}}");
}

/// A citation, borrowed from its delta.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cited<'a> {
    pub(super) url: Option<&'a str>,
    pub(super) title: Option<&'a str>,
    pub(super) text: Option<&'a str>,
    pub(super) start: Option<u64>,
    pub(super) end: Option<u64>,
}

impl Cited<'_> {
    /// Adds an annotation of OpenAI's; a source without an address has the same members without it. In a stream it says
    /// its place in the list.
    pub(super) fn put(&self, out: &mut BytesMut, place: Option<u64>) {
        let mut members = Object::open(out);
        if let Some(place) = place {
            members.number("index", place);
        }
        if let Some(url) = self.url {
            members.text("url", url);
        }
        members.text("title", self.title.unwrap_or_default());
        if let Some(text) = self.text {
            members.text("content", text);
        }
        if let Some(start) = self.start {
            members.number("start_index", start);
        }
        if let Some(end) = self.end {
            members.number("end_index", end);
        }
        members.close();
    }

    pub(super) fn put_annotation(&self, out: &mut BytesMut, place: Option<u64>) {
        let mut members = Object::open(out);
        if let Some(place) = place {
            members.number("index", place);
        }
        members.text("type", "url_citation");
        self.put(members.key("url_citation"), None);
        members.close();
    }
}

/// An object while it is written: knows where commas go.
pub(super) struct Object<'o> {
    out: &'o mut BytesMut,
    empty: bool,
}

impl<'o> Object<'o> {
    pub(super) fn open(out: &'o mut BytesMut) -> Self {
        put(out, "{");
        Self { out, empty: true }
    }

    /// Adds a key and answers where its value goes.
    pub(super) fn key(&mut self, name: &str) -> &mut BytesMut {
        if !std::mem::take(&mut self.empty) {
            put(self.out, ",");
        }
        json::put_quoted(self.out, name);
        put(self.out, ":");
        self.out
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        json::put_quoted(self.key(name), text);
    }

    pub(super) fn number(&mut self, name: &str, number: u64) {
        put_number(self.key(name), number);
    }

    /// Adds a member whose JSON is written already.
    pub(super) fn json(&mut self, name: &str, json: &[u8]) {
        self.key(name).extend_from_slice(json);
    }

    pub(super) fn close(self) {
        put(self.out, "}");
    }
}

/// Adds a `usage`, with OpenAI's details and LiteLLM's names for what a cache did and how often the web was searched.
pub(super) fn put_usage(out: &mut BytesMut, usage: &Usage) {
    let written = usage.cache_write.saturating_add(usage.cache_write_1h);
    let mut members = Object::open(out);
    members.number("prompt_tokens", usage.prompt);
    members.number("completion_tokens", usage.completion);
    members.number("total_tokens", usage.total());
    let mut details = Object::open(members.key("prompt_tokens_details"));
    details.number("cached_tokens", usage.cache_read);
    details.number("audio_tokens", usage.audio_in);
    optional(&mut details, "image_tokens", usage.image_in);
    optional(&mut details, "cache_creation_tokens", written);
    details.close();
    let mut details = Object::open(members.key("completion_tokens_details"));
    details.number("reasoning_tokens", usage.reasoning);
    details.number("audio_tokens", usage.audio_out);
    optional(&mut details, "image_tokens", usage.image_out);
    details.close();
    if written > 0 || usage.cache_read > 0 {
        members.number("cache_creation_input_tokens", written);
        members.number("cache_read_input_tokens", usage.cache_read);
    }
    if usage.cache_write_1h > 0 {
        let mut lives = Object::open(members.key("cache_creation"));
        lives.number("ephemeral_5m_input_tokens", usage.cache_write);
        lives.number("ephemeral_1h_input_tokens", usage.cache_write_1h);
        lives.close();
    }
    if usage.units.searches > 0 {
        let mut served = Object::open(members.key("server_tool_use"));
        served.number("web_search_requests", usage.units.searches);
        served.close();
    }
    if let Some(cost) = usage.cost {
        put(members.key("cost"), &cost.to_string());
    }
    members.close();
}

fn optional(object: &mut Object<'_>, name: &str, tokens: u64) {
    if tokens > 0 {
        object.number(name, tokens);
    }
}
