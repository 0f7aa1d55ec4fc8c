//! What one push sends on: a slice of the chunk while nothing is edited, one copy from the first edit on.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::json::Span;
use crate::wire::sse;

/// Room for what edits add, so that a chunk is copied once.
const GROWTH_BYTES: usize = 256;

/// Collects the output of one chunk.
#[derive(Debug)]
pub(in crate::dialect) struct Outlet {
    chunk: Bytes,
    // Bytes of the chunk that go on as they are and were not copied yet.
    run: Range<usize>,
    copied: BytesMut,
}

impl Outlet {
    pub(in crate::dialect) fn new(chunk: Bytes) -> Self {
        Self { chunk, run: 0..0, copied: BytesMut::new() }
    }

    /// Forwards an event as it came.
    pub(in crate::dialect) fn keep(&mut self, event: &sse::Event) {
        match &event.place {
            Some(place) => self.keep_place(place.clone()),
            None => self.put(&event.raw),
        }
    }

    fn keep_place(&mut self, place: Range<usize>) {
        if self.run.is_empty() {
            self.run = place;
        } else if self.run.end == place.start {
            self.run.end = place.end;
        } else {
            self.flush();
            self.run = place;
        }
    }

    /// Forwards other bytes.
    pub(in crate::dialect) fn put(&mut self, bytes: &[u8]) {
        self.flush();
        self.reserve();
        self.copied.extend_from_slice(bytes);
    }

    /// Sends several pieces of other bytes.
    pub(in crate::dialect) fn put_all<'a>(&mut self, pieces: impl Iterator<Item = &'a [u8]>) {
        self.flush();
        self.reserve();
        pieces.for_each(|piece| self.copied.extend_from_slice(piece));
    }

    fn flush(&mut self) {
        if !self.run.is_empty() {
            self.reserve();
            self.copied.extend_from_slice(self.chunk.get(self.run.clone()).unwrap_or_default());
            self.run = 0..0;
        }
    }

    fn reserve(&mut self) {
        if self.copied.capacity() == 0 {
            self.copied.reserve(self.chunk.len() + GROWTH_BYTES);
        }
    }

    /// Forwards an event whose data is one line at `offset`, with edits at spans of the data, in order.
    pub(in crate::dialect) fn splice<'a>(
        &mut self,
        event: &sse::Event,
        offset: usize,
        edits: impl Iterator<Item = (Span, &'a [u8])>,
    ) {
        let mut done = 0;
        for (span, with) in edits {
            self.keep_part(event, done..offset + span.start as usize);
            self.put(with);
            done = offset + span.end as usize;
        }
        self.keep_part(event, done..event.raw.len());
    }

    fn keep_part(&mut self, event: &sse::Event, part: Range<usize>) {
        match &event.place {
            Some(place) => self.keep_place(place.start + part.start..place.start + part.end),
            None => self.put(event.raw.get(part).unwrap_or_default()),
        }
    }

    /// Forwards an event whose data lies on several lines, written anew.
    pub(in crate::dialect) fn rewrite<'a>(
        &mut self,
        event: &sse::Event,
        data: &[u8],
        edits: impl Iterator<Item = (Span, &'a [u8])>,
    ) {
        let mut edited = Vec::with_capacity(data.len());
        let mut done = 0;
        for (span, with) in edits {
            edited.extend_from_slice(data.get(done..span.start as usize).unwrap_or_default());
            edited.extend_from_slice(with);
            done = span.end as usize;
        }
        edited.extend_from_slice(data.get(done..).unwrap_or_default());
        self.field(b"event: ", event.name.as_deref());
        self.field(b"id: ", event.id.as_deref());
        edited.split(|byte| *byte == b'\n').for_each(|line| self.field(b"data: ", Some(line)));
        self.put(b"\n");
    }

    fn field(&mut self, name: &[u8], value: Option<&[u8]>) {
        if let Some(value) = value {
            self.put(name);
            self.put(value);
            self.put(b"\n");
        }
    }

    /// What to send, if anything.
    pub(in crate::dialect) fn end(mut self) -> Option<Bytes> {
        if self.copied.is_empty() {
            return (!self.run.is_empty()).then(|| self.chunk.slice(self.run));
        }
        self.flush();
        Some(self.copied.freeze())
    }
}
