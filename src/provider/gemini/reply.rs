//! Answers of Gemini as neutral pieces.

use std::borrow::Cow;

use crate::chat::{Api, Broken, Delta, Finish, Sink};
use crate::dialect::gemini::{
    Candidate, Citations, FINISH_REASONS, FunctionCall, Grounding, LookedUp, Object, PromptFeedback, ReplyPart,
    Response, as_value, finish, is_null, metered, upstream_error, word,
};
use crate::vocabulary::Metered;

use super::logprobs;
use super::partial::Arguments;
use super::plain::{self, Plain};

/// The most of an answer's text that is kept to find where citations stand in it.
const TEXT_BYTES_MAX: usize = 256 * 1024;
/// The most answers to one request.
const CHOICES_MAX: usize = 128;

/// What is remembered between the pieces of an answer.
#[derive(Debug)]
pub(super) struct Reader {
    begun: bool,
    // A number made of the answer's id: calls without ids are named after it.
    seed: u64,
    choices: Vec<Choice>,
    blocked: bool,
    // Whether it tells of the prompt.
    judged: bool,
    // Whether anything of it belongs to Gemini's answers alone.
    recognized: bool,
    arguments_bytes_max: usize,
    metered: Metered,
    // The last usage that was told, unread: each repeats the one before.
    usage: Vec<u8>,
    looked_up: LookedUp,
}

#[derive(Debug, Default)]
struct Choice {
    index: u32,
    calls: u32,
    // A call whose arguments come in pieces.
    open: Option<Arguments>,
    finished: bool,
    text: String,
    text_cut: bool,
    grounding_seen: usize,
}

impl Reader {
    pub(super) fn new(arguments_bytes_max: usize) -> Self {
        Self {
            begun: false,
            seed: 0,
            choices: Vec::new(),
            blocked: false,
            judged: false,
            recognized: false,
            arguments_bytes_max,
            metered: Metered::Absent,
            usage: Vec::new(),
            looked_up: LookedUp::default(),
        }
    }

    /// Ends an answer that has nothing but a judgement of its prompt, whatever the judgement: nobody was let answer it.
    pub(super) fn ends_without_candidates(&mut self, sink: &mut dyn Sink) -> bool {
        let ends = self.judged && self.choices.is_empty() && !self.blocked;
        if ends {
            self.blocked = true;
            sink.delta(0, Delta::Finish(Finish::ContentFilter));
        }
        ends
    }

    /// What was reported so far.
    pub(super) fn metered(&self) -> Metered {
        let last = if self.usage.is_empty() { Metered::Absent } else { metered(&self.usage) };
        let known = if last == Metered::Absent { self.metered } else { last };
        known.with(self.looked_up.counted())
    }

    /// Whether each answer that began has ended.
    pub(super) fn is_complete(&self) -> bool {
        self.blocked || !self.choices.is_empty() && self.choices.iter().all(|choice| choice.finished)
    }

    /// Reads a piece.
    pub(super) fn response(&mut self, json: &[u8], sink: &mut dyn Sink) -> Result<(), Broken> {
        if self.begun && Plain::read(json).is_some_and(|plain| self.plain(&plain, sink)) {
            return Ok(());
        }
        let response: Response<'_> = serde_json::from_slice(json)
            .map_err(|error| Broken::Malformed(format!("not an answer of Gemini's: {error}")))?;
        if let Some(error) = response.error {
            return Err(Broken::Upstream(upstream_error(error)));
        }
        self.recognized |= response.candidates.is_some() || response.usage_metadata.is_some();
        self.start(&response, sink);
        if let Some(usage) = response.usage_metadata {
            self.count(usage.get().as_bytes());
        }
        for candidate in response.candidates.into_iter().flatten() {
            self.candidate(&candidate, sink)?;
        }
        let Some(raw) = response.prompt_feedback.filter(|raw| !is_null(raw)) else { return Ok(()) };
        let feedback: PromptFeedback<'_> = as_value(raw).unwrap_or_default();
        self.judged = true;
        if feedback.block_reason.is_some() && !self.blocked {
            self.blocked = true;
            native(0, "promptFeedback", raw.get(), sink);
            if self.choices.iter().all(|choice| !choice.finished) {
                sink.delta(0, Delta::Finish(Finish::ContentFilter));
            }
        }
        Ok(())
    }

    /// Takes a text of an answer that has begun; false where it has not.
    fn plain(&mut self, plain: &Plain<'_>, sink: &mut dyn Sink) -> bool {
        let Some(choice) = self.choices.iter_mut().find(|choice| choice.index == plain.index) else { return false };
        choice.say(&plain.text, plain.thought, sink);
        if let Some(usage) = plain.usage {
            self.count(usage);
        }
        true
    }

    /// Notes what a piece reports.
    fn count(&mut self, usage: &[u8]) {
        if plain::counts_the_prompt(usage) {
            self.usage.clear();
            self.usage.extend_from_slice(usage);
            return;
        }
        let metered = metered(usage);
        if metered != Metered::Absent {
            self.usage.clear();
            self.metered = metered;
        }
    }

    fn start(&mut self, response: &Response<'_>, sink: &mut dyn Sink) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let id = response.response_id.as_deref();
        self.seed = hash(0, id.unwrap_or_default());
        let time = response.create_time.and_then(as_value::<String>);
        let created = time.and_then(|time| time.parse::<jiff::Timestamp>().ok()).map(jiff::Timestamp::as_second);
        sink.delta(0, Delta::Start { id, created });
    }

    fn candidate(&mut self, candidate: &Candidate<'_>, sink: &mut dyn Sink) -> Result<(), Broken> {
        let index = candidate.index.unwrap_or(0);
        let known = self.choices.iter().position(|choice| choice.index == index);
        let at = known.unwrap_or(self.choices.len());
        if known.is_none() {
            if at == CHOICES_MAX {
                return Err(Broken::Malformed("more answers than were asked for".to_owned()));
            }
            self.choices.push(Choice { index, ..Choice::default() });
        }
        let (seed, bytes_max) = (self.seed, self.arguments_bytes_max);
        let Some(choice) = self.choices.get_mut(at) else { return Ok(()) };
        let parts = candidate.content.iter().filter_map(|content| content.parts.as_ref()).flatten();
        for raw in parts {
            let part: ReplyPart<'_> = serde_json::from_str(raw.get())
                .map_err(|error| Broken::Malformed(format!("not a part of Gemini's: {error}")))?;
            choice.part(part, raw.get(), Calls { seed, bytes_max }, sink)?;
        }
        choice.metadata(candidate, &mut self.looked_up, sink);
        choice.finish(candidate, sink);
        Ok(())
    }
}

/// What calls are made with.
#[derive(Clone, Copy)]
struct Calls {
    seed: u64,
    bytes_max: usize,
}

impl Choice {
    fn part(&mut self, part: ReplyPart<'_>, raw: &str, calls: Calls, sink: &mut dyn Sink) -> Result<(), Broken> {
        let index = self.index;
        let signature = part.thought_signature.as_deref().filter(|text| !text.is_empty());
        if let Some(call) = &part.function_call {
            return self.call(call, signature, calls, sink);
        }
        let natives = [
            ("executableCode", part.executable_code),
            ("codeExecutionResult", part.code_execution_result),
            ("fileData", part.file_data),
            ("toolCall", part.tool_call),
            ("toolResponse", part.tool_response),
        ];
        if let Some((key, _)) = natives.into_iter().find(|(_, value)| value.is_some()) {
            native(index, key, raw, sink);
            return Ok(());
        }
        self.say(part.text.as_deref().unwrap_or_default(), part.thought == Some(true), sink);
        if let Some(blob) = &part.inline_data {
            let (mime, data) = (blob.mime_type.as_deref().unwrap_or_default(), blob.data.as_deref());
            sink.delta(index, Delta::Media { mime, data: data.unwrap_or_default() });
        }
        if let Some(signature) = signature {
            sink.delta(index, Delta::Signature(signature));
        }
        Ok(())
    }

    fn say(&mut self, text: &str, thought: bool, sink: &mut dyn Sink) {
        match (text, thought) {
            ("", _) => {}
            (text, true) => sink.delta(self.index, Delta::Thinking(text)),
            (text, false) => {
                self.keep(text);
                sink.delta(self.index, Delta::Text(text));
            }
        }
    }

    fn keep(&mut self, text: &str) {
        self.text_cut |= self.text.len() + text.len() > TEXT_BYTES_MAX;
        if !self.text_cut {
            self.text.push_str(text);
        }
    }

    fn call(
        &mut self,
        call: &FunctionCall<'_>,
        signature: Option<&str>,
        calls: Calls,
        sink: &mut dyn Sink,
    ) -> Result<(), Broken> {
        if let Some(name) = call.name.as_deref().filter(|name| !name.is_empty()) {
            self.close(sink);
            let given = call.id.as_deref().filter(|id| !id.is_empty());
            let made;
            let id = match given {
                Some(id) => id,
                None => {
                    let args = call.args.map_or("", |args| args.get());
                    let number = hash(hash(calls.seed, name), args);
                    made = format!("call_{number:016x}{}{:02}", self.index, self.calls);
                    &made
                }
            };
            sink.delta(self.index, Delta::ToolCall { index: self.calls, id, name, signature });
            self.calls += 1;
            self.open = Some(Arguments::new(calls.bytes_max));
        }
        let Some(open) = &mut self.open else {
            return Err(Broken::Malformed("a piece of a call that never began".to_owned()));
        };
        if let Some(args) = call.args.filter(|args| !is_null(args)) {
            open.whole(args.get())?;
        }
        for piece in call.partial_args.iter().flatten() {
            open.piece(piece)?;
        }
        if call.will_continue != Some(true) {
            self.close(sink);
        }
        Ok(())
    }

    /// Gives out the arguments of the open call.
    fn close(&mut self, sink: &mut dyn Sink) {
        if let Some(open) = self.open.take() {
            let json = open.text();
            if !json.is_empty() {
                let json = &one_line(&json);
                sink.delta(self.index, Delta::Arguments { index: self.calls.saturating_sub(1), json });
            }
        }
    }

    fn metadata(&mut self, candidate: &Candidate<'_>, looked_up: &mut LookedUp, sink: &mut dyn Sink) {
        let index = self.index;
        if let Some(raw) = candidate.grounding_metadata.filter(|raw| has_members(raw.get())) {
            let grounding = as_value(raw).unwrap_or_default();
            looked_up.note(&grounding);
            self.grounding(&grounding, sink);
            native(index, "groundingMetadata", raw.get(), sink);
        }
        if let Some(raw) = candidate.citation_metadata.filter(|raw| has_members(raw.get())) {
            self.recited(&as_value(raw).unwrap_or_default(), sink);
            native(index, "citationMetadata", raw.get(), sink);
        }
        if let Some(raw) = candidate.url_context_metadata.filter(|raw| has_members(raw.get())) {
            native(index, "urlContextMetadata", raw.get(), sink);
        }
        if let Some(raw) = candidate.logprobs_result.filter(|raw| has_members(raw.get())) {
            native(index, "logprobsResult", raw.get(), sink);
            if let Some(json) = logprobs::openai(raw) {
                sink.delta(index, Delta::Native { api: Api::OpenAiChat, key: "logprobs", json: &json });
            }
        }
    }

    /// One citation for each text and source. Sources that no text names follow without a place.
    fn grounding(&mut self, grounding: &Grounding<'_>, sink: &mut dyn Sink) {
        let chunks = grounding.grounding_chunks.as_deref().unwrap_or_default();
        let mut named = vec![false; chunks.len()];
        let supports = grounding.grounding_supports.as_deref().unwrap_or_default();
        // A stream may repeat what it said before.
        let seen = std::mem::replace(&mut self.grounding_seen, chunks.len().saturating_add(supports.len()));
        if seen == self.grounding_seen {
            return;
        }
        for support in supports {
            let segment = support.segment.as_ref();
            let text = segment.and_then(|segment| segment.text.as_deref());
            let range = segment.and_then(|segment| segment.start_index.or(Some(0)).zip(segment.end_index));
            let (start, end) = self.characters(range, text).unzip();
            for at in support.grounding_chunk_indices.iter().flatten() {
                let Some(place) = chunks.get(*at as usize).and_then(|chunk| chunk.place()) else { continue };
                if let Some(named) = named.get_mut(*at as usize) {
                    *named = true;
                }
                let (url, title) = (place.uri.as_deref(), place.title.as_deref());
                sink.delta(self.index, Delta::Citation { url, title, text, start, end });
            }
        }
        for (chunk, _) in chunks.iter().zip(named).filter(|(_, named)| !named) {
            let Some(place) = chunk.place() else { continue };
            let (url, title) = (place.uri.as_deref(), place.title.as_deref());
            sink.delta(self.index, Delta::Citation { url, title, text: None, start: None, end: None });
        }
    }

    fn recited(&self, citations: &Citations<'_>, sink: &mut dyn Sink) {
        for source in citations.sources.iter().flatten() {
            let range = source.start_index.zip(source.end_index);
            let (start, end) = self.characters(range, None).unzip();
            let (url, title) = (source.uri.as_deref(), source.title.as_deref());
            if url.or(title).is_some() {
                sink.delta(self.index, Delta::Citation { url, title, text: None, start, end });
            }
        }
    }

    /// Bytes of the text as characters of it. None where they do not hold the cited words.
    fn characters(&self, range: Option<(u64, u64)>, cited: Option<&str>) -> Option<(u64, u64)> {
        if self.text_cut {
            return None;
        }
        let (start, end) = range?;
        let (start, end) = (usize::try_from(start).ok()?, usize::try_from(end).ok()?);
        let within = self.text.get(start..end);
        let start = match (within, cited) {
            (Some(_), None) => start,
            (Some(within), Some(cited)) if within == cited => start,
            (_, Some(cited)) => self.text.find(cited)?,
            (None, None) => return None,
        };
        let length = cited.map_or_else(|| within.map_or(0, |text| text.chars().count()), |text| text.chars().count());
        let before = self.text.get(..start)?.chars().count();
        Some((u64::try_from(before).ok()?, u64::try_from(before + length).ok()?))
    }

    fn finish(&mut self, candidate: &Candidate<'_>, sink: &mut dyn Sink) {
        let Some(raw) = candidate.finish_reason.filter(|raw| !is_null(raw)) else { return };
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        self.close(sink);
        let reason = word(raw, &FINISH_REASONS);
        if !matches!(&*reason, "STOP" | "MAX_TOKENS") {
            let json = said(&reason, candidate.finish_message.map(|raw| raw.get()));
            sink.delta(self.index, Delta::Native { api: Api::Gemini, key: "finishMessage", json: &json });
        }
        sink.delta(self.index, Delta::Finish(finish(&reason, self.calls > 0)));
    }

    /// A whole answer without a reason for its end: that it ended is known, why is not.
    fn ended(&mut self, sink: &mut dyn Sink) {
        if !std::mem::replace(&mut self.finished, true) {
            self.close(sink);
            sink.delta(self.index, Delta::Finish(finish("FINISH_REASON_UNSPECIFIED", self.calls > 0)));
        }
    }
}

fn native(index: u32, key: &str, json: &str, sink: &mut dyn Sink) {
    sink.delta(index, Delta::Native { api: Api::Gemini, key, json: &one_line(json) });
}

/// JSON without the blanks that AI Studio sets it with: events of other APIs are lines.
fn one_line(json: &str) -> Cow<'_, str> {
    if !json.contains(['\n', '\r']) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    let (mut text, mut escaped) = (false, false);
    for letter in json.chars() {
        if text || !letter.is_ascii_whitespace() {
            out.push(letter);
        }
        match letter {
            _ if std::mem::take(&mut escaped) => {}
            '\\' => escaped = text,
            '"' => text = !text,
            _ => {}
        }
    }
    Cow::Owned(out)
}

fn has_members(json: &str) -> bool {
    Object::read_str(json).is_some_and(|object| !object.0.is_empty())
}

/// The reason and the message, as one object.
fn said(reason: &str, message: Option<&str>) -> String {
    let mut json = String::from("{\"finishReason\":");
    json.push_str(&serde_json::to_string(reason).unwrap_or_default());
    if let Some(message) = message {
        json.push_str(",\"finishMessage\":");
        json.push_str(message);
    }
    json.push('}');
    json
}

/// FNV-1a: the same bytes give the same number everywhere.
fn hash(seed: u64, text: &str) -> u64 {
    let start = if seed == 0 { 0xcbf2_9ce4_8422_2325 } else { seed };
    text.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// Reads a whole answer.
pub(super) fn read(body: &[u8], sink: &mut dyn Sink) -> Result<Metered, Broken> {
    let mut reader = Reader::new(body.len());
    match body.trim_ascii().first() {
        // An error may come as a list, and so does a stream that nobody asked to be events.
        Some(b'[') => {
            let items: Vec<&serde_json::value::RawValue> =
                serde_json::from_slice(body).map_err(|error| Broken::Malformed(format!("not JSON: {error}")))?;
            for item in items {
                reader.response(item.get().as_bytes(), sink)?;
            }
        }
        _ => reader.response(body, sink)?,
    }
    if !reader.ends_without_candidates(sink) && reader.choices.is_empty() && !reader.blocked {
        // The model had nothing to say: an answer like any other, where it is one of Gemini's at all.
        if !reader.recognized {
            return Err(Broken::Malformed("an answer without candidates".to_owned()));
        }
        sink.delta(0, Delta::Finish(Finish::Stop));
    }
    for choice in &mut reader.choices {
        choice.ended(sink);
    }
    Ok(reader.metered())
}
