//! Writes an answer as `chat.completion.chunk` events, each piece as it comes.

use bytes::{Bytes, BytesMut};

use super::encode::{self, Cited, Object, put, put_number};
use crate::chat::{Answer, Api, Delta, Encoder, Finish, Sink};
use crate::json;
use crate::vocabulary::Usage;

/// A stream of chunks while it is written.
pub(super) struct Streamed {
    answer: Answer,
    // `data: {"id":...,"model":...,`; empty until something is said.
    head: Bytes,
    out: BytesMut,
    choices: Vec<Choice>,
}

/// What was said of a choice.
struct Choice {
    index: u32,
    // For each call whether a piece of its arguments was sent.
    calls: Vec<(u32, bool)>,
    finished: bool,
}

impl Streamed {
    pub(super) fn new(answer: Answer) -> Self {
        Self { answer, head: Bytes::new(), out: BytesMut::new(), choices: Vec::new() }
    }

    fn start(&mut self, id: Option<&str>, created: Option<i64>) {
        if self.head.is_empty() {
            let members = encode::head(&self.answer, id, created, "chat.completion.chunk");
            let mut head = BytesMut::from(b"data: {".as_slice());
            head.extend_from_slice(&members);
            self.head = head.freeze();
        }
    }

    /// The place of a choice in the list; its first chunk names the role.
    fn begin(&mut self, index: u32) -> usize {
        if let Some(place) = self.choices.iter().position(|choice| choice.index == index) {
            return place;
        }
        self.start(None, None);
        self.choices.push(Choice { index, calls: Vec::new(), finished: false });
        self.open(index);
        put(&mut self.out, "\"role\":\"assistant\",\"content\":\"\"");
        self.close();
        self.choices.len() - 1
    }

    /// Writes a chunk up to the inside of its `delta`.
    fn open(&mut self, index: u32) {
        self.open_choice(index);
        put(&mut self.out, ",\"delta\":{");
    }

    fn open_choice(&mut self, index: u32) {
        self.out.extend_from_slice(&self.head);
        put(&mut self.out, "\"choices\":[{\"index\":");
        put_number(&mut self.out, u64::from(index));
    }

    fn close(&mut self) {
        put(&mut self.out, "},\"finish_reason\":null}]}\n\n");
    }

    /// A chunk with one text.
    fn text(&mut self, index: u32, name: &str, text: &str) {
        self.open(index);
        put(&mut self.out, name);
        json::put_quoted(&mut self.out, text);
        self.close();
    }

    /// A thought goes out under both names: one for people, one that can be sent back with its signature.
    fn thought(&mut self, index: u32, text: &str, signature: &str) {
        self.open(index);
        if signature.is_empty() {
            put(&mut self.out, "\"reasoning_content\":");
            json::put_quoted(&mut self.out, text);
            put(&mut self.out, ",");
        }
        put(&mut self.out, "\"thinking_blocks\":[{\"type\":\"thinking\",\"thinking\":");
        json::put_quoted(&mut self.out, text);
        put(&mut self.out, ",\"signature\":");
        json::put_quoted(&mut self.out, signature);
        put(&mut self.out, "}]");
        self.close();
    }

    fn call(&mut self, index: u32, call: u32, id: &str, name: &str, signature: Option<&str>) {
        self.open_call(index, call);
        put(&mut self.out, ",");
        encode::put_call(&mut self.out, id, name);
        put(&mut self.out, "\"}");
        if let Some(signature) = signature {
            encode::put_signature(&mut self.out, signature);
        }
        put(&mut self.out, "}]");
        self.close();
    }

    fn arguments(&mut self, index: u32, call: u32, json: &str) {
        self.open_call(index, call);
        put(&mut self.out, ",\"function\":{\"arguments\":");
        json::put_quoted(&mut self.out, json);
        put(&mut self.out, "}}]");
        self.close();
    }

    fn open_call(&mut self, index: u32, call: u32) {
        self.open(index);
        put(&mut self.out, "\"tool_calls\":[{\"index\":");
        put_number(&mut self.out, u64::from(call));
    }

    fn media(&mut self, index: u32, mime: &str, data: &str) {
        self.open(index);
        let out = &mut self.out;
        if mime.starts_with("audio/") {
            put(out, "\"audio\":{\"id\":\"audio_");
            json::put_escaped(out, &self.answer.id);
            put(out, "\",\"data\":");
            json::put_quoted(out, data);
            put(out, "}");
        } else {
            put(out, "\"images\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:");
            json::put_escaped(out, mime);
            put(out, ";base64,");
            json::put_escaped(out, data);
            put(out, "\"}}]");
        }
        self.close();
    }

    fn cited(&mut self, index: u32, cited: &Cited<'_>) {
        self.open(index);
        if cited.url.is_some() {
            put(&mut self.out, "\"annotations\":[");
            cited.put_annotation(&mut self.out);
            put(&mut self.out, "]");
        } else {
            put(&mut self.out, "\"provider_specific_fields\":{\"citations\":[");
            cited.put(&mut self.out);
            put(&mut self.out, "]}");
        }
        self.close();
    }

    fn native(&mut self, index: u32, api: Api, key: &str, json: &str) {
        if api == Api::OpenAiChat && key == "logprobs" {
            self.open_choice(index);
            put(&mut self.out, ",\"delta\":{},\"logprobs\":");
            encode::put_json(&mut self.out, json);
            put(&mut self.out, ",\"finish_reason\":null}]}\n\n");
            return;
        }
        self.open(index);
        put(&mut self.out, "\"provider_specific_fields\":");
        let mut fields = Object::open(&mut self.out);
        encode::put_json(fields.key(key), json);
        fields.close();
        self.close();
    }

    fn finish(&mut self, place: usize, finish: &Finish<'_>) {
        let Some(choice) = self.choices.get_mut(place).filter(|choice| !choice.finished) else { return };
        choice.finished = true;
        let index = choice.index;
        let calls = std::mem::take(&mut choice.calls);
        // Clients parse what they were given: no arguments are an empty object.
        for (call, _) in calls.iter().filter(|(_, said)| !said) {
            self.arguments(index, *call, "{}");
        }
        let (word, own) = encode::finish_word(finish, !calls.is_empty());
        self.open(index);
        if let Some((name, own)) = own {
            put(&mut self.out, "\"provider_specific_fields\":");
            let mut fields = Object::open(&mut self.out);
            fields.text(name, own);
            fields.close();
        }
        put(&mut self.out, "},\"finish_reason\":\"");
        put(&mut self.out, word);
        put(&mut self.out, "\"}]}\n\n");
    }
}

impl Sink for Streamed {
    fn delta(&mut self, index: u32, delta: Delta<'_>) {
        if let Delta::Start { id, created } = delta {
            self.start(id, created);
        }
        let place = self.begin(index);
        match delta {
            Delta::Start { .. } => {}
            Delta::Text(text) => self.text(index, "\"content\":", text),
            Delta::Refusal(text) => self.text(index, "\"refusal\":", text),
            Delta::Thinking(text) => self.thought(index, text, ""),
            Delta::Signature(signature) => self.thought(index, "", signature),
            Delta::Redacted(data) => {
                self.open(index);
                put(&mut self.out, "\"thinking_blocks\":[{\"type\":\"redacted_thinking\",\"data\":");
                json::put_quoted(&mut self.out, data);
                put(&mut self.out, "}]");
                self.close();
            }
            Delta::ToolCall { index: call, id, name, signature } => {
                if let Some(choice) = self.choices.get_mut(place) {
                    choice.calls.push((call, false));
                }
                self.call(index, call, id, name, signature);
            }
            Delta::Arguments { json: "", .. } => {}
            Delta::Arguments { index: call, json } => {
                let calls = self.choices.get_mut(place).map(|choice| &mut choice.calls);
                if let Some((_, said)) = calls.and_then(|calls| calls.iter_mut().find(|(known, _)| *known == call)) {
                    *said = true;
                }
                self.arguments(index, call, json);
            }
            Delta::Media { mime, data } => self.media(index, mime, data),
            Delta::Citation { url, title, text, start, end } => {
                self.cited(index, &Cited { url, title, text, start, end });
            }
            Delta::Native { api, key, json } => self.native(index, api, key, json),
            Delta::Finish(finish) => self.finish(place, &finish),
        }
    }
}

impl Encoder for Streamed {
    fn take(&mut self) -> Bytes {
        self.out.split().freeze()
    }

    fn end(&mut self, usage: Option<&Usage>) {
        self.begin(0);
        for place in 0..self.choices.len() {
            self.finish(place, &Finish::Stop);
        }
        if let Some(usage) = usage.filter(|_| self.answer.include_usage) {
            self.out.extend_from_slice(&self.head);
            put(&mut self.out, "\"choices\":[],\"usage\":");
            encode::put_usage(&mut self.out, usage);
            put(&mut self.out, "}\n\n");
        }
        put(&mut self.out, "data: [DONE]\n\n");
    }
}
