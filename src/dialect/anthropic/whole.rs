//! The blocks of an answer as one message.

use bytes::{BufMut, Bytes, BytesMut};

use super::calls;
use super::writer::{
    Form, Opening, Piece, Stop, put_call, put_citation, put_head, put_media, put_members, put_stop, put_text, put_usage,
};
use crate::chat;
use crate::vocabulary::Usage;

/// Collects blocks, and writes the message when it ends.
#[derive(Debug, Default)]
pub(super) struct Whole {
    head: BytesMut,
    content: BytesMut,
    // The open block.
    kind: Kind,
    text: String,
    signature: String,
    citations: BytesMut,
    out: Bytes,
}

/// What the open block is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Text,
    Thinking,
    Call,
    // Written in whole when it began.
    Done,
}

impl Whole {
    /// Begins an object in the list of blocks.
    fn next(&mut self) {
        if !self.content.is_empty() {
            self.content.put_slice(b",");
        }
        self.content.put_slice(b"{");
    }

    fn write_text(&mut self) {
        self.content.put_slice(b"\"type\":\"text\",\"text\":");
        put_text(&mut self.content, &self.text);
        if !self.citations.is_empty() {
            self.content.put_slice(b",\"citations\":[");
            self.content.put_slice(&self.citations);
            self.content.put_slice(b"]");
        }
    }

    fn write_thinking(&mut self) {
        self.content.put_slice(b"\"type\":\"thinking\",\"thinking\":");
        put_text(&mut self.content, &self.text);
        self.content.put_slice(b",\"signature\":");
        put_text(&mut self.content, &self.signature);
    }

    /// Always an object, whatever the model wrote.
    fn write_input(&mut self) {
        match chat::object_or_empty(&self.text) {
            Some(object) => self.content.put_slice(object.get().as_bytes()),
            None => self.content.put_slice(calls::wrapped(&self.text).as_bytes()),
        }
    }
}

impl Form for Whole {
    fn begin(&mut self, id: &str, model: &str) {
        put_head(&mut self.head, id, model);
    }

    fn open(&mut self, opening: &Opening<'_>) {
        self.next();
        self.text.clear();
        self.signature.clear();
        self.citations.clear();
        self.kind = match opening {
            Opening::Text => Kind::Text,
            Opening::Thinking => Kind::Thinking,
            Opening::Call { id, name } => {
                put_call(&mut self.content, id, name);
                Kind::Call
            }
            Opening::Redacted(data) => {
                self.content.put_slice(b"\"type\":\"redacted_thinking\",\"data\":");
                put_text(&mut self.content, data);
                Kind::Done
            }
            Opening::Media { mime, data } => {
                put_media(&mut self.content, mime, data);
                Kind::Done
            }
        };
    }

    fn piece(&mut self, piece: &Piece<'_>) {
        match piece {
            Piece::Text(text) | Piece::Thinking(text) | Piece::Arguments(text) => self.text.push_str(text),
            Piece::Signature(text) => self.signature.push_str(text),
            Piece::Citation { url, title, text } => {
                if !self.citations.is_empty() {
                    self.citations.put_slice(b",");
                }
                put_citation(&mut self.citations, *url, *title, *text);
            }
        }
    }

    fn close(&mut self) {
        match self.kind {
            Kind::Text => self.write_text(),
            Kind::Thinking => self.write_thinking(),
            Kind::Call => self.write_input(),
            Kind::Done => {}
        }
        self.content.put_slice(b"}");
    }

    fn whole(&mut self, json: &str) {
        if !self.content.is_empty() {
            self.content.put_slice(b",");
        }
        self.content.put_slice(json.as_bytes());
    }

    fn end(&mut self, stop: &Stop, usage: Option<&Usage>, members: &[(String, String)]) {
        let mut out = BytesMut::with_capacity(self.head.len() + self.content.len() + 256);
        out.put_slice(b"{");
        out.put_slice(&self.head);
        out.put_slice(b",\"content\":[");
        out.put_slice(&self.content);
        out.put_slice(b"],");
        put_stop(&mut out, stop);
        put_members(&mut out, members.iter());
        out.put_slice(b",\"usage\":");
        put_usage(&mut out, &usage.copied().unwrap_or_default());
        out.put_slice(b"}");
        self.out = out.freeze();
    }

    fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.out)
    }
}
