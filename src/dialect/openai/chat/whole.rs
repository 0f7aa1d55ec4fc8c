//! Writes an answer as one `chat.completion`.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use super::encode::{self, Cited, Object, put};
use crate::chat::{Answer, Api, Delta, Encoder, Finish, Sink};
use crate::json;
use crate::vocabulary::Usage;

/// A whole answer while it is gathered.
pub(super) struct Whole {
    answer: Answer,
    head: Bytes,
    choices: Vec<Choice>,
    out: BytesMut,
}

/// A choice while it is gathered. Texts are escaped already.
#[derive(Default)]
struct Choice {
    index: u32,
    content: BytesMut,
    reasoning: BytesMut,
    refusal: BytesMut,
    // The thought whose signature has not come.
    thought: BytesMut,
    blocks: BytesMut,
    calls: Vec<Call>,
    annotations: BytesMut,
    images: BytesMut,
    audio: BytesMut,
    logprobs: Bytes,
    // What stands under each key, and how often it came.
    natives: BTreeMap<String, (BytesMut, u32)>,
    finish: Option<&'static str>,
}

/// A call: its members before the arguments, the arguments, what comes after.
struct Call {
    index: u32,
    head: BytesMut,
    arguments: BytesMut,
    tail: BytesMut,
}

impl Whole {
    pub(super) fn new(answer: Answer) -> Self {
        Self { answer, head: Bytes::new(), choices: Vec::new(), out: BytesMut::new() }
    }

    fn choice(&mut self, index: u32) -> Option<&mut Choice> {
        let place = self.choices.iter().position(|choice| choice.index == index).unwrap_or(self.choices.len());
        if place == self.choices.len() {
            self.choices.push(Choice { index, ..Choice::default() });
        }
        self.choices.get_mut(place)
    }

    fn media(&mut self, index: u32, mime: &str, data: &str) {
        let id = self.answer.id.clone();
        let Some(choice) = self.choice(index) else { return };
        if !mime.starts_with("audio/") {
            let out = next(&mut choice.images);
            put(out, "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:");
            json::put_escaped(out, mime);
            put(out, ";base64,");
            json::put_escaped(out, data);
            put(out, "\"}}");
        } else if choice.audio.is_empty() {
            put(&mut choice.audio, "{\"id\":\"audio_");
            json::put_escaped(&mut choice.audio, &id);
            put(&mut choice.audio, "\",\"data\":");
            json::put_quoted(&mut choice.audio, data);
            put(&mut choice.audio, ",\"expires_at\":0,\"transcript\":\"\"}");
        }
    }
}

/// Where the next element of a list goes.
fn next(list: &mut BytesMut) -> &mut BytesMut {
    if !list.is_empty() {
        put(list, ",");
    }
    list
}

impl Choice {
    fn take(&mut self, delta: Delta<'_>) {
        match delta {
            Delta::Start { .. } | Delta::Media { .. } => {}
            Delta::Text(text) => json::put_escaped(&mut self.content, text),
            Delta::Refusal(text) => json::put_escaped(&mut self.refusal, text),
            Delta::Thinking(text) => {
                let from = self.thought.len();
                json::put_escaped(&mut self.thought, text);
                self.reasoning.extend_from_slice(self.thought.get(from..).unwrap_or_default());
            }
            Delta::Signature(signature) => self.block(Some(signature)),
            Delta::Redacted(data) => {
                self.end_thought();
                let out = next(&mut self.blocks);
                put(out, "{\"type\":\"redacted_thinking\",\"data\":");
                json::put_quoted(out, data);
                put(out, "}");
            }
            Delta::ToolCall { index, id, name, signature } => {
                let mut call = Call { index, head: BytesMut::new(), arguments: BytesMut::new(), tail: BytesMut::new() };
                encode::put_call(&mut call.head, id, name);
                if let Some(signature) = signature {
                    encode::put_signature(&mut call.tail, signature);
                }
                self.calls.push(call);
            }
            Delta::Arguments { index, json } => {
                if let Some(call) = self.calls.iter_mut().rev().find(|call| call.index == index) {
                    json::put_escaped(&mut call.arguments, json);
                }
            }
            Delta::Citation { url, title, text, start, end } => {
                let cited = Cited { url, title, text, start, end };
                if url.is_some() {
                    cited.put_annotation(next(&mut self.annotations));
                } else {
                    cited.put(self.native("citations"));
                    self.always_a_list("citations");
                }
            }
            Delta::Native { api: Api::OpenAiChat, key: "logprobs", json } => {
                self.logprobs = Bytes::copy_from_slice(json.as_bytes());
            }
            Delta::Native { key, json, .. } => put(self.native(key), json),
            Delta::Finish(finish) => self.end(&finish),
        }
    }

    /// Where the next JSON under a key goes.
    fn native(&mut self, key: &str) -> &mut BytesMut {
        let (list, count) = self.natives.entry(key.to_owned()).or_default();
        *count += 1;
        next(list)
    }

    fn always_a_list(&mut self, key: &str) {
        if let Some((_, count)) = self.natives.get_mut(key) {
            *count = (*count).max(2);
        }
    }

    fn block(&mut self, signature: Option<&str>) {
        let thought = std::mem::take(&mut self.thought);
        let out = next(&mut self.blocks);
        put(out, "{\"type\":\"thinking\",\"thinking\":\"");
        out.extend_from_slice(&thought);
        put(out, "\"");
        if let Some(signature) = signature {
            put(out, ",\"signature\":");
            json::put_quoted(out, signature);
        }
        put(out, "}");
    }

    fn end_thought(&mut self) {
        if !self.thought.is_empty() {
            self.block(None);
        }
    }

    fn end(&mut self, finish: &Finish<'_>) {
        let (word, own) = encode::finish_word(finish, !self.calls.is_empty());
        if let Some((name, own)) = own {
            json::put_quoted(self.native(name), own);
        }
        self.finish = Some(word);
    }

    fn write(mut self, out: &mut BytesMut) {
        if self.finish.is_none() {
            self.end(&Finish::Stop);
        }
        let mut choice = Object::open(out);
        choice.number("index", u64::from(self.index));
        let mut message = Object::open(choice.key("message"));
        message.text("role", "assistant");
        self.write_content(&mut message);
        self.write_thoughts(&mut message);
        if !self.calls.is_empty() {
            let out = message.key("tool_calls");
            put(out, "[");
            for (place, call) in self.calls.iter().enumerate() {
                call.write(place, out);
            }
            put(out, "]");
        }
        for (name, list) in [("annotations", &self.annotations), ("images", &self.images)] {
            if !list.is_empty() {
                write_list(&mut message, name, list);
            }
        }
        if !self.audio.is_empty() {
            message.json("audio", &self.audio);
        }
        self.write_natives(&mut message);
        message.close();
        if !self.logprobs.is_empty() {
            choice.json("logprobs", &self.logprobs);
        }
        choice.text("finish_reason", self.finish.unwrap_or("stop"));
        choice.close();
    }

    fn write_content(&self, message: &mut Object<'_>) {
        let is_silent = self.content.is_empty() && !(self.calls.is_empty() && self.refusal.is_empty());
        if is_silent {
            put(message.key("content"), "null");
        } else {
            write_escaped(message, "content", &self.content);
        }
        if !self.refusal.is_empty() {
            write_escaped(message, "refusal", &self.refusal);
        }
    }

    /// Blocks only where one of them must come back as it is.
    fn write_thoughts(&mut self, message: &mut Object<'_>) {
        if !self.reasoning.is_empty() {
            write_escaped(message, "reasoning_content", &self.reasoning);
        }
        if !self.blocks.is_empty() {
            self.end_thought();
            write_list(message, "thinking_blocks", &self.blocks);
        }
    }

    fn write_natives(&self, message: &mut Object<'_>) {
        if self.natives.is_empty() {
            return;
        }
        let mut fields = Object::open(message.key("provider_specific_fields"));
        for (name, (list, count)) in &self.natives {
            match count {
                1 => fields.json(name, list),
                _ => write_list(&mut fields, name, list),
            }
        }
        fields.close();
    }
}

impl Call {
    fn write(&self, place: usize, out: &mut BytesMut) {
        put(out, if place == 0 { "{" } else { ",{" });
        out.extend_from_slice(&self.head);
        match self.arguments.is_empty() {
            // Clients parse what they are given: no arguments are an empty object.
            true => put(out, "{}"),
            false => out.extend_from_slice(&self.arguments),
        }
        put(out, "\"}");
        out.extend_from_slice(&self.tail);
        put(out, "}");
    }
}

fn write_escaped(object: &mut Object<'_>, name: &str, escaped: &[u8]) {
    let out = object.key(name);
    put(out, "\"");
    out.extend_from_slice(escaped);
    put(out, "\"");
}

fn write_list(object: &mut Object<'_>, name: &str, list: &[u8]) {
    let out = object.key(name);
    put(out, "[");
    out.extend_from_slice(list);
    put(out, "]");
}

impl Sink for Whole {
    fn delta(&mut self, index: u32, delta: Delta<'_>) {
        match delta {
            Delta::Start { id, created } => {
                self.head = encode::head(&self.answer, id, created, "chat.completion");
            }
            Delta::Media { mime, data } => self.media(index, mime, data),
            delta => {
                if let Some(choice) = self.choice(index) {
                    choice.take(delta);
                }
            }
        }
    }
}

impl Encoder for Whole {
    fn take(&mut self) -> Bytes {
        self.out.split().freeze()
    }

    fn end(&mut self, usage: Option<&Usage>) {
        if self.head.is_empty() {
            self.head = encode::head(&self.answer, None, None, "chat.completion");
        }
        let _first = self.choice(0).is_some();
        let mut choices = std::mem::take(&mut self.choices);
        choices.sort_by_key(|choice| choice.index);
        put(&mut self.out, "{");
        self.out.extend_from_slice(&self.head);
        put(&mut self.out, "\"choices\":[");
        for (place, choice) in choices.into_iter().enumerate() {
            put(&mut self.out, if place == 0 { "" } else { "," });
            choice.write(&mut self.out);
        }
        put(&mut self.out, "]");
        if let Some(usage) = usage {
            put(&mut self.out, ",\"usage\":");
            encode::put_usage(&mut self.out, usage);
        }
        put(&mut self.out, "}");
    }
}
