//! A translated answer: what a provider's decoder reads, a dialect's encoder writes, counted on the way.

use bytes::{Bytes, BytesMut};

use crate::chat::{Answer, Broken, DecodeEnd, Decoder, Delta, Encoder, Produced, Sink, Unwrap, Unwrapped};
use crate::dialect::{Dialect, Progress, Relay, StreamEnd};
use crate::provider::ChatApi;
use crate::provider::bedrock::Unchunk;
use crate::vocabulary::Metered;

/// A stream while it is translated.
pub(super) struct Interpreted {
    decoder: Box<dyn Decoder>,
    encoder: Box<dyn Encoder>,
    // Set where a tool of ours stands for a schema.
    unwrap: Option<Unwrapped>,
    produced: Produced,
    progress: Progress,
}

impl Interpreted {
    pub(super) fn new(
        dialect: &dyn Dialect,
        api: &dyn ChatApi,
        answer: Answer,
        schema_tool: bool,
        event_bytes_max: usize,
    ) -> Self {
        Self {
            decoder: api.decoder(event_bytes_max),
            encoder: dialect.encoder(answer, true),
            unwrap: schema_tool.then(Unwrapped::default),
            produced: Produced::default(),
            progress: Progress::default(),
        }
    }

    fn give(&mut self, out: &mut Vec<Bytes>) {
        let ready = self.encoder.take();
        if !ready.is_empty() {
            out.push(ready);
        }
    }

    /// Lets the decoder read into the encoder.
    fn read<T>(&mut self, read: impl FnOnce(&mut dyn Decoder, &mut dyn Sink) -> T) -> T {
        let mut counted =
            Counted { sink: &mut *self.encoder, produced: &mut self.produced, progress: &mut self.progress };
        match &mut self.unwrap {
            Some(state) => read(&mut *self.decoder, &mut Unwrap::new(&mut counted, state)),
            None => read(&mut *self.decoder, &mut counted),
        }
    }
}

impl Relay for Interpreted {
    fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), Broken> {
        let result = self.read(|decoder, sink| decoder.push(chunk, sink));
        self.progress.error_seen |= matches!(result, Err(Broken::Upstream(_)));
        self.give(out);
        result
    }

    fn finish(&mut self, out: &mut Vec<Bytes>) -> StreamEnd {
        let ended = self.read(|decoder, sink| decoder.finish(sink));
        let end = match ended {
            Ok(DecodeEnd::Complete) => {
                let metered = self.decoder.metered();
                self.encoder.end(metered.usage());
                StreamEnd::Complete
            }
            Ok(DecodeEnd::Truncated) | Err(_) => StreamEnd::Truncated,
        };
        self.give(out);
        end
    }

    fn metered(&self) -> Metered {
        self.decoder.metered()
    }

    fn produced(&self) -> &Produced {
        &self.produced
    }

    fn progress(&self) -> Progress {
        self.progress
    }
}

/// A stream in AWS's framing, passed on in the dialect of the events that it carries.
pub(super) struct Unframed {
    unchunk: Unchunk,
    relay: Box<dyn Relay>,
    events: BytesMut,
}

impl Unframed {
    pub(super) fn new(relay: Box<dyn Relay>, event_bytes_max: usize) -> Self {
        Self { unchunk: Unchunk::new(event_bytes_max), relay, events: BytesMut::new() }
    }
}

impl Relay for Unframed {
    fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), Broken> {
        let read = self.unchunk.push(chunk, &mut self.events);
        if !self.events.is_empty() {
            self.relay.push(self.events.split().freeze(), out)?;
        }
        read
    }

    fn finish(&mut self, out: &mut Vec<Bytes>) -> StreamEnd {
        match self.unchunk.finish() {
            DecodeEnd::Complete => self.relay.finish(out),
            DecodeEnd::Truncated => StreamEnd::Truncated,
        }
    }

    fn metered(&self) -> Metered {
        self.relay.metered()
    }

    fn produced(&self) -> &Produced {
        self.relay.produced()
    }

    fn progress(&self) -> Progress {
        self.relay.progress()
    }
}

/// A whole answer, translated: the body for the client, what was metered, what was written.
pub(super) fn whole(
    dialect: &dyn Dialect,
    api: &dyn ChatApi,
    answer: Answer,
    schema_tool: bool,
    body: &[u8],
) -> Result<(Bytes, Metered, Produced), Broken> {
    let mut encoder = dialect.encoder(answer, false);
    let (mut produced, mut progress) = (Produced::default(), Progress::default());
    let mut counted = Counted { sink: &mut *encoder, produced: &mut produced, progress: &mut progress };
    let metered = if schema_tool {
        let mut state = Unwrapped::default();
        api.read(body, &mut Unwrap::new(&mut counted, &mut state))?
    } else {
        api.read(body, &mut counted)?
    };
    encoder.end(metered.usage());
    Ok((encoder.take(), metered, produced))
}

/// What a provider wrote in a whole answer, where it passes untranslated and reports no usage.
pub(super) fn produced(api: &dyn ChatApi, body: &[u8]) -> Produced {
    let (mut produced, mut progress) = (Produced::default(), Progress::default());
    let mut counted = Counted { sink: &mut Nowhere, produced: &mut produced, progress: &mut progress };
    // As far as it can be read.
    let _broken = api.read(body, &mut counted);
    produced
}

/// What a whole answer that passes untranslated says of its usage, and what the provider wrote in it.
pub(super) fn metered(api: &dyn ChatApi, body: &[u8]) -> (Metered, Produced) {
    let (mut produced, mut progress) = (Produced::default(), Progress::default());
    let mut counted = Counted { sink: &mut Nowhere, produced: &mut produced, progress: &mut progress };
    let metered = api.read(body, &mut counted).unwrap_or(Metered::Absent);
    (metered, produced)
}

/// Notes what passes.
struct Counted<'s> {
    sink: &'s mut dyn Sink,
    produced: &'s mut Produced,
    progress: &'s mut Progress,
}

impl Sink for Counted<'_> {
    fn delta(&mut self, choice: u32, delta: Delta<'_>) {
        self.progress.events += 1;
        self.progress.content_seen |= delta.is_content();
        self.progress.finish_seen |= matches!(delta, Delta::Finish(_));
        self.produced.note(&delta);
        self.sink.delta(choice, delta);
    }
}

struct Nowhere;

impl Sink for Nowhere {
    fn delta(&mut self, _choice: u32, _delta: Delta<'_>) {}
}
