//! A stream of Gemini's own that passes: its model named anew, metered, counted.

use bytes::{Bytes, BytesMut};
use serde::Deserialize;

use crate::chat::{Broken, Produced, Raw};
use crate::dialect::openai::error;
use crate::dialect::{Progress, Relay, RelayOptions, StreamEnd};
use crate::vocabulary::{Metered, Secret};

use super::framing::{BadFrame, Framer, Item};
use super::lookups::LookedUp;
use super::object::as_value;
use super::reply::{self, PromptFeedback, ReplyPart, Response};

pub(super) struct Passing {
    options: RelayOptions,
    framer: Framer,
    metered: Metered,
    produced: Produced,
    progress: Progress,
    looked_up: LookedUp,
}

/// The member that names the model.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named<'a> {
    #[serde(borrow)]
    model_version: Option<Raw<'a>>,
}

impl Passing {
    pub(super) fn new(options: RelayOptions) -> Self {
        Self {
            framer: Framer::new(options.event_bytes_max),
            options,
            metered: Metered::Absent,
            produced: Produced::default(),
            progress: Progress::default(),
            looked_up: LookedUp::default(),
        }
    }

    fn item(&mut self, item: Item, out: &mut Vec<Bytes>) {
        let Some(json) = &item.json else { return out.push(item.raw) };
        self.progress.events += 1;
        let Ok(response) = serde_json::from_slice::<Response<'_>>(json) else { return out.push(item.raw) };
        if response.error.is_some() {
            self.progress.error_seen = true;
            let secrets: Vec<&str> = self.options.secrets.iter().map(Secret::expose).collect();
            return out.push(error::without_secrets(&item.raw, &secrets).unwrap_or(item.raw));
        }
        self.note(&response);
        match &self.options.model_json {
            Some(model) => renamed(&item, json, model, out),
            None => out.push(item.raw),
        }
    }

    fn note(&mut self, response: &Response<'_>) {
        if let Some(usage) = response.usage_metadata {
            let metered = reply::metered(usage.get().as_bytes());
            if metered != Metered::Absent {
                self.metered = metered;
            }
        }
        let feedback = response.prompt_feedback.and_then(as_value::<PromptFeedback<'_>>);
        self.progress.finish_seen |= feedback.is_some_and(|feedback| feedback.block_reason.is_some());
        for candidate in response.candidates.iter().flatten() {
            self.progress.finish_seen |= candidate.finish_reason.is_some();
            if let Some(grounding) = candidate.grounding_metadata.and_then(as_value) {
                self.looked_up.note(&grounding);
            }
            for part in candidate.content.iter().filter_map(|content| content.parts.as_ref()).flatten() {
                self.progress.content_seen = true;
                let part: ReplyPart<'_> = as_value(part).unwrap_or_default();
                self.produced.add(part.text.as_deref().unwrap_or_default());
                if let Some(call) = part.function_call {
                    self.produced.add(call.name.as_deref().unwrap_or_default());
                    self.produced.add(call.args.map_or("", |args| args.get()));
                }
            }
        }
    }

    fn end(&self, closed: bool) -> StreamEnd {
        if self.progress.finish_seen && closed { StreamEnd::Complete } else { StreamEnd::NoDone }
    }
}

/// Gives out an item with another model.
fn renamed(item: &Item, json: &Bytes, model: &Bytes, out: &mut Vec<Bytes>) {
    let value = serde_json::from_slice::<Named<'_>>(json).ok().and_then(|named| named.model_version);
    let Some(value) = value else { return out.push(item.raw.clone()) };
    let Some(start) = (value.get().as_ptr() as usize).checked_sub(json.as_ptr() as usize) else {
        return out.push(item.raw.clone());
    };
    let end = start + value.get().len();
    if let Some(at) = item.json_at {
        out.extend([item.raw.slice(..at + start), model.clone(), item.raw.slice(at + end..)]);
        return;
    }
    // An event of several lines: written anew, a line each.
    let edited = [json.slice(..start), model.clone(), json.slice(end..)].concat();
    let mut event = BytesMut::with_capacity(edited.len() + 64);
    for line in edited.split(|byte| *byte == b'\n') {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line);
        event.extend_from_slice(b"\n");
    }
    event.extend_from_slice(b"\n");
    out.push(event.freeze());
}

impl Relay for Passing {
    fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), Broken> {
        self.framer.push(chunk);
        loop {
            match self.framer.next_item() {
                Ok(Some(item)) => self.item(item, out),
                Ok(None) => return Ok(()),
                Err(BadFrame::TooLong) => return Err(Broken::TooLong),
                Err(bad @ BadFrame::Garbage) => return Err(Broken::Malformed(bad.to_string())),
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<Bytes>) -> StreamEnd {
        let closed = !self.framer.is_array() || self.framer.is_closed();
        let Some(tail) = self.framer.finish() else { return self.end(closed) };
        if tail.raw.trim_ascii().is_empty() {
            out.push(tail.raw);
            return self.end(closed);
        }
        let whole = tail.json.as_ref().is_some_and(|json| serde_json::from_slice::<Response<'_>>(json).is_ok());
        if !whole {
            return StreamEnd::Truncated;
        }
        let ending: &'static [u8] = if tail.raw.ends_with(b"\n") { b"\n" } else { b"\n\n" };
        self.item(tail, out);
        out.push(Bytes::from_static(ending));
        self.end(closed)
    }

    fn metered(&self) -> Metered {
        let metered = if self.progress.finish_seen { self.metered } else { reply::partial(self.metered) };
        metered.with(self.looked_up.counted())
    }

    fn produced(&self) -> &Produced {
        &self.produced
    }

    fn progress(&self) -> Progress {
        self.progress
    }
}
