//! A reply that is a stream: forwarded event by event with another `model`, metered in the same pass.

use bytes::Bytes;

use crate::chat::Broken;
use crate::dialect::{Progress, Relay};
use crate::json::{self, Cursor};
use crate::vocabulary::{Metered, Secret};
use crate::wire::sse;

use super::chunk::Chunk;
use super::mould::{Filled, Mould};
use super::outlet::Outlet;
use super::usage::Counts;
use super::{Endpoint, Produced, StreamEnd, error};

/// How to forward a stream.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// Which call it answers.
    pub endpoint: Endpoint,
    /// A quoted string for every top-level `model`; None leaves them.
    pub model_json: Option<Bytes>,
    /// The client did not ask for usage: hide the chunk that carries usage and no choice.
    pub hide_usage: bool,
    /// Also cut `"usage":null` out of the other chunks. For providers that write it only because usage was asked for.
    pub cut_null_usage: bool,
    /// The longest event, in bytes.
    pub event_bytes_max: usize,
    /// Credentials that must not pass in an error event.
    pub secrets: Vec<Secret>,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            endpoint: Endpoint::ChatCompletions,
            model_json: None,
            hide_usage: false,
            cut_null_usage: false,
            event_bytes_max: sse::EVENT_BYTES_MAX,
            secrets: Vec::new(),
        }
    }
}

/// A stream while it passes. Events leave in the order they came, each as soon as it is whole.
#[derive(Debug)]
pub struct StreamReply {
    options: StreamOptions,
    decoder: sse::Decoder,
    counts: Counts,
    mould: Mould,
    // What became of the last event: a line feed that belongs to it goes the same way.
    hidden_last: bool,
    produced: Produced,
    progress: Progress,
    done_seen: bool,
}

/// What to do with an event.
enum Fate {
    Keep,
    Hide,
    Rewrite(Bytes),
    Edit(Chunk),
    /// As the chunk before was edited; the data begins at this offset.
    Mould(Filled, usize),
}

impl StreamReply {
    /// Starts a stream.
    pub fn new(options: StreamOptions) -> Self {
        Self {
            decoder: sse::Decoder::new(options.event_bytes_max),
            options,
            counts: Counts::default(),
            mould: Mould::default(),
            hidden_last: false,
            produced: Produced::default(),
            progress: Progress::default(),
            done_seen: false,
        }
    }

    fn drain(&mut self, outlet: &mut Outlet) -> Result<(), sse::TooLong> {
        while let Some(event) = self.decoder.next_event()? {
            self.pass(&event, outlet);
        }
        Ok(())
    }

    fn end(&self) -> StreamEnd {
        if self.done_seen { StreamEnd::Complete } else { StreamEnd::NoDone }
    }

    fn pass(&mut self, event: &sse::Event, outlet: &mut Outlet) {
        let fate = match event.continues {
            true if self.hidden_last => Fate::Hide,
            true => Fate::Keep,
            false => self.fate(event),
        };
        self.hidden_last = matches!(fate, Fate::Hide);
        match fate {
            Fate::Hide => {}
            Fate::Keep => outlet.keep(event),
            Fate::Rewrite(raw) => outlet.put(&raw),
            Fate::Edit(chunk) => chunk.edit(event, self.options.model_json.as_deref(), outlet),
            Fate::Mould(filled, offset) => self.mould.write(&filled, event, offset, outlet),
        }
    }

    fn fate(&mut self, event: &sse::Event) -> Fate {
        let Some(data) = event.data.as_deref() else { return Fate::Keep };
        if data.trim_ascii() == b"[DONE]" {
            self.done_seen = true;
            return Fate::Keep;
        }
        self.progress.events += 1;
        if let (Some(offset), None) = (event.data_at, &event.name)
            && let Some(fate) = self.fate_of_usual(data, offset)
        {
            return fate;
        }
        let said = self.produced.bytes;
        let Some(mut chunk) = self.read(data) else { return self.unread(event) };
        self.progress.content_seen |= self.produced.bytes > said;
        self.progress.finish_seen |= chunk.finished;
        self.meter(&chunk, data);
        if chunk.error || event.name.as_deref() == Some(b"error") {
            // An error may come in a chunk like any other: without a credential in it, it is edited like any other.
            if let rewritten @ Fate::Rewrite(_) = self.failed(event) {
                return rewritten;
            }
        } else if self.options.hide_usage && chunk.is_only_usage(data) {
            return Fate::Hide;
        }
        chunk.forget_null_usage_unless(self.options.cut_null_usage, data);
        if chunk.needs_edit(data, self.options.model_json.as_deref()) { Fate::Edit(chunk) } else { Fate::Keep }
    }

    /// What to do with a chunk that is like the last but for its texts: it has nothing to meter and is no end.
    fn fate_of_usual(&mut self, data: &[u8], offset: usize) -> Option<Fate> {
        let filled = self.mould.read(data)?;
        self.produced.add_inside(filled.text.of(data));
        self.progress.content_seen |= filled.text.end > filled.text.start;
        Some(if self.mould.is_unedited() { Fate::Keep } else { Fate::Mould(filled, offset) })
    }

    fn read(&mut self, data: &[u8]) -> Option<Chunk> {
        let chunk = Chunk::read(data, &mut self.produced)?;
        let mut edited = chunk;
        edited.forget_null_usage_unless(self.options.cut_null_usage, data);
        self.mould.keep(data, &chunk, edited.edits(data, self.options.model_json.as_deref()));
        Some(chunk)
    }

    fn meter(&mut self, chunk: &Chunk, data: &[u8]) {
        if let Some(usage) = chunk.usage {
            self.counts.read(usage.value.of(data));
        }
        if chunk.cites {
            self.counts.cites();
        }
        if let Some(wrapper) = chunk.x_groq {
            self.counts.read_wrapped(wrapper.of(data));
        }
    }

    fn unread(&mut self, event: &sse::Event) -> Fate {
        if event.name.as_deref() == Some(b"error") { self.failed(event) } else { Fate::Keep }
    }

    /// An error passes, but for our credentials.
    fn failed(&mut self, event: &sse::Event) -> Fate {
        self.progress.error_seen = true;
        let secrets: Vec<_> = self.options.secrets.iter().map(Secret::expose).collect();
        match error::without_secrets(&event.raw, &secrets) {
            Some(scrubbed) => Fate::Rewrite(scrubbed),
            None => Fate::Keep,
        }
    }
}

impl Relay for StreamReply {
    /// Adds at most one piece to `out`, and the chunk itself if nothing was edited.
    fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), Broken> {
        let mut outlet = Outlet::new(chunk.clone());
        self.decoder.push(chunk);
        let result = self.drain(&mut outlet);
        out.extend(outlet.end());
        result.map_err(|_| Broken::TooLong)
    }

    fn finish(&mut self, out: &mut Vec<Bytes>) -> StreamEnd {
        let Some(event) = self.decoder.finish() else { return self.end() };
        if !is_whole(&event) {
            let idle = event.raw.iter().all(u8::is_ascii_whitespace) || event.raw.starts_with(b":");
            return if idle { self.end() } else { StreamEnd::Truncated };
        }
        let mut outlet = Outlet::new(Bytes::new());
        self.pass(&event, &mut outlet);
        if !self.hidden_last {
            let ended_line = event.raw.ends_with(b"\n") || event.raw.ends_with(b"\r");
            outlet.put(if ended_line { b"\n" } else { b"\n\n" });
        }
        out.extend(outlet.end());
        self.end()
    }

    fn metered(&self) -> Metered {
        self.counts.metered(self.options.endpoint)
    }

    fn produced(&self) -> &Produced {
        &self.produced
    }

    fn progress(&self) -> Progress {
        self.progress
    }
}

/// Whether an event whose blank line never came can be read all the same.
fn is_whole(event: &sse::Event) -> bool {
    let Some(data) = event.data.as_deref() else { return false };
    if data.trim_ascii() == b"[DONE]" {
        return true;
    }
    let mut cursor = Cursor::new(data);
    json::kind(data) == Some(json::Kind::Object) && cursor.skip().is_some() && cursor.is_at_end()
}

#[cfg(test)]
mod tests;
