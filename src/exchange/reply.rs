//! The answer: how to treat it, and what of it the client gets.

use std::time::Duration;

use bytes::Bytes;

use super::attempt::Again;
use super::interpret::{self, Interpreted, Unframed};
use super::pass::Passing;
use super::plan::Planned;
use super::way::Way;
use crate::chat::{Answer, Api, Broken, Produced};
use crate::dialect::openai::{JsonReply, StreamOptions, StreamReply, error};
use crate::dialect::{self, ErrorPlace, Relay, RelayOptions, StreamEnd};
use crate::json::{self, Segments};
use crate::ledger::Outcome;
use crate::provider::{Carry, ChatApi, Framing, StreamUsage};
use crate::vocabulary::{Fault, Kind, Matter, Metered, Now, Secret};

/// The most of an upstream's error body that is read.
const ERROR_BYTES_MAX: usize = 64 * 1024;
/// The longest event of a stream.
pub(super) const EVENT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What the head of an upstream's answer says.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamHead<'a> {
    /// The status.
    pub status: u16,
    /// `content-type`.
    pub content_type: Option<&'a str>,
    /// `retry-after`.
    pub retry_after: Option<Duration>,
}

/// How the shell shall treat an answer.
#[derive(Clone, Debug)]
pub enum Treatment {
    /// Drop it and try again, or answer with the fault.
    Failed(Again, Fault),
    /// Hold it until its end, then send what [`Planned::finish`] gives.
    Hold,
    /// Pass on what [`Planned::push`] gives.
    Stream,
}

/// The state of the answer.
#[expect(clippy::large_enum_variant, reason = "one per exchange, which is in a box already")]
pub(super) enum Reply {
    /// No head yet.
    Waiting,
    /// A JSON object in the client's dialect, held.
    Json(JsonReply),
    /// An answer to be translated, held.
    Foreign(Segments),
    /// A stream.
    Stream(Box<dyn Relay>),
    /// Passed on as it is.
    Passed(Box<Passing>),
    /// An error of the upstream's, held to be told in our words.
    Error { fault: Fault, content_type: Option<String>, body: Vec<u8> },
    /// It is over: what was metered.
    Over { metered: Metered, produced: Produced, answered: bool },
}

impl Reply {
    /// Whether the provider streamed something other than an error.
    pub(super) fn streamed(&self) -> bool {
        let stream = match self {
            Self::Stream(stream) => stream,
            Self::Passed(passing) => return passing.streamed(),
            _ => return false,
        };
        let progress = stream.progress();
        progress.events > u64::from(progress.error_seen)
    }
}

/// What the client gets at the end of a held answer.
pub struct Finished {
    /// The body.
    pub parts: smallvec::SmallVec<[Bytes; 8]>,
    /// The fault it tells of, if it is an error.
    pub fault: Option<Fault>,
}

impl Planned {
    /// Takes the head of an answer.
    pub fn reply(&mut self, head: &UpstreamHead<'_>, now: Now, jitter: u64) -> Treatment {
        if let Some(current) = &mut self.current {
            current.first_byte = Some(now);
            current.status = Some(head.status);
        }
        match head.status {
            _ if self.passes() => self.accept_passed(head, now),
            200..=299 => self.accept(head, now, jitter),
            300..=399 => {
                let fault = redirected();
                Treatment::Failed(self.failed(&fault, now, jitter), fault)
            }
            status => self.reject(status, head, now, jitter),
        }
    }

    fn accept(&mut self, head: &UpstreamHead<'_>, now: Now, jitter: u64) -> Treatment {
        let kind = head.content_type.map(|kind| kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase());
        let kind = kind.as_deref().unwrap_or_default();
        if matches!(kind, "text/html" | "application/xhtml+xml") {
            let text = "the provider answered with a web page instead of JSON";
            let fault = Fault::upstream(Kind::UpstreamMalformed, text);
            return Treatment::Failed(self.failed(&fault, now, jitter), fault);
        }
        let (reply, treatment) = self.receive(kind, now);
        self.reply = reply;
        treatment
    }

    /// How an answer of this content type is taken.
    fn receive(&self, kind: &str, now: Now) -> (Reply, Treatment) {
        let endpoint = self.request.endpoint;
        match self.way() {
            Some(Way::Chat(dialect, api)) if self.request.stream => {
                let answer = self.answer(now);
                let stream = Interpreted::new(dialect, api, answer, self.schema_tool(), EVENT_BYTES_MAX);
                (Reply::Stream(Box::new(stream)), Treatment::Stream)
            }
            Some(Way::Chat(..) | Way::Call(_)) => (Reply::Foreign(Segments::default()), Treatment::Hold),
            _ if endpoint.is_media() && kind != "application/json" => {
                (Reply::Passed(Box::new(Passing::unread())), Treatment::Stream)
            }
            way => match dialect::of(endpoint) {
                // OpenAI's chat and completions streams are edited for the usage that the client did not ask for.
                _ if kind == "text/event-stream" && endpoint.is_openai() => {
                    (Reply::Stream(Box::new(self.openai_stream())), Treatment::Stream)
                }
                Some(dialect) if self.request.stream && (kind != "application/json" || self.request.array) => {
                    let relay = dialect.relay(self.relay_options());
                    (Reply::Stream(frame(way, relay)), Treatment::Stream)
                }
                _ => {
                    let model = json::quote(self.request.model.as_str());
                    (Reply::Json(JsonReply::new(endpoint, Some(model))), Treatment::Hold)
                }
            },
        }
    }

    fn openai_stream(&self) -> StreamReply {
        let unasked = self.request.include_usage != Some(true);
        StreamReply::new(StreamOptions {
            endpoint: self.request.endpoint,
            model_json: Some(json::quote(self.request.model.as_str())),
            hide_usage: unasked,
            cut_null_usage: unasked && self.asks_for_usage(),
            event_bytes_max: EVENT_BYTES_MAX,
            secrets: self.secrets(),
        })
    }

    fn relay_options(&self) -> RelayOptions {
        RelayOptions {
            // Google's `modelVersion` tells a version, not the name that was asked for.
            model_json: (!self.request.endpoint.is_gemini()).then(|| json::quote(self.request.model.as_str())),
            event_bytes_max: EVENT_BYTES_MAX,
            secrets: self.secrets(),
            array: self.request.array,
        }
    }

    /// What an encoder needs to know.
    pub(super) fn answer(&self, now: Now) -> Answer {
        Answer {
            id: self.common.id.clone(),
            model: self.request.model.as_str().to_owned(),
            created: now.wall_ms.div_euclid(1000),
            include_usage: self.request.include_usage == Some(true),
            array: self.request.array,
            request: self.request.body.clone(),
        }
    }

    pub(super) fn way(&self) -> Option<Way> {
        self.current.as_ref().map(|current| current.way)
    }

    fn schema_tool(&self) -> bool {
        self.current.as_ref().is_some_and(|current| current.schema_tool)
    }

    /// Whether the provider reports a stream's usage only because it was asked to.
    fn asks_for_usage(&self) -> bool {
        self.deployment().is_some_and(|deployment| deployment.provider.stream_usage() == StreamUsage::WhenAsked)
    }

    fn reject(&mut self, status: u16, head: &UpstreamHead<'_>, now: Now, jitter: u64) -> Treatment {
        let mut fault = self.upstream_fault(status, None);
        fault.retry_after = head.retry_after;
        match self.failed(&fault, now, jitter) {
            Again::No => {
                let content_type = head.content_type.map(str::to_owned);
                self.reply = Reply::Error { fault, content_type, body: Vec::new() };
                Treatment::Hold
            }
            again @ Again::After(_) => Treatment::Failed(again, fault),
        }
    }

    /// The upstream's error that is being told to the client, if it is one.
    pub fn told(&self) -> Option<&Fault> {
        match &self.reply {
            Reply::Error { fault, .. } => Some(fault),
            Reply::Passed(passing) => passing.fault(),
            _ => None,
        }
    }

    /// Takes a piece of the answer; what the client gets now is added to `out`.
    ///
    /// # Errors
    /// The answer is too long, or an event of it is.
    pub fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), Fault> {
        let before = out.len();
        let most = self.common.world.settings.http.reply_bytes_max;
        match &mut self.reply {
            Reply::Stream(stream) => {
                let pushed = stream.push(chunk, out);
                self.streamed |= out.len() > before;
                self.mask(&mut out[before..]);
                self.note_stream();
                pushed.map_err(|broken| self.broken_stream(&broken))
            }
            Reply::Json(reply) if reply.len() + chunk.len() > most => Err(too_long()),
            Reply::Json(reply) => reply.push(chunk).map_err(|_| too_long()),
            Reply::Foreign(held) if held.len + chunk.len() > most => Err(too_long()),
            Reply::Foreign(held) => {
                held.push(chunk);
                Ok(())
            }
            Reply::Error { body, .. } => {
                let room = ERROR_BYTES_MAX.saturating_sub(body.len());
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                Ok(())
            }
            Reply::Passed(_) => {
                let pushed = self.push_passed(chunk, out);
                self.mask(&mut out[before..]);
                pushed
            }
            Reply::Waiting | Reply::Over { .. } => Ok(()),
        }
    }

    /// Ends a stream whose upstream has ended; what the client still gets is added to `out`. The fault, if it did not end
    /// as it should, is told to the client as the last event already.
    pub fn finish_stream(&mut self, out: &mut Vec<Bytes>, now: Now) -> Option<Fault> {
        self.upstream_ended(now);
        let before = out.len();
        if self.answer_passes() {
            return self.finish_passed_stream();
        }
        let Reply::Stream(stream) = &mut self.reply else { return None };
        let whole = match stream.finish(out) {
            StreamEnd::Complete => true,
            StreamEnd::NoDone => stream.progress().finish_seen && !stream.progress().error_seen,
            StreamEnd::Truncated => false,
        };
        let (told, said) = (stream.progress().error_seen, stream.progress().content_seen);
        self.streamed |= out.len() > before;
        self.mask(&mut out[before..]);
        if whole {
            self.note_end(Outcome::Complete);
            return None;
        }
        if said {
            self.note_end(Outcome::Cut);
        }
        let fault = Fault::upstream(
            Kind::UpstreamCut,
            "litellm.APIConnectionError: the provider's stream broke off before its end",
        );
        if !told {
            out.push(self.error_event(&fault));
        }
        Some(fault)
    }

    /// Ends a held answer: the whole of what the client gets.
    ///
    /// # Errors
    /// The answer is not whole, or tells of an error in a 200: it may be tried again as the first value says.
    pub fn finish_held(&mut self, now: Now, jitter: u64) -> Result<Finished, (Again, Fault)> {
        self.upstream_ended(now);
        match std::mem::replace(&mut self.reply, Reply::Waiting) {
            Reply::Json(reply) => self.finish_json(reply, now, jitter),
            Reply::Passed(passing) => Ok(self.finish_passed(passing)),
            Reply::Foreign(held) => self.finish_foreign(&held, now, jitter),
            Reply::Error { fault, content_type, body } => self.finish_error(fault, content_type.as_deref(), &body, now),
            other => {
                self.reply = other;
                let fault = Fault::ours(Kind::Internal, "the answer was lost");
                Err((Again::No, fault))
            }
        }
    }

    /// Translates a whole answer.
    fn finish_foreign(&mut self, held: &Segments, now: Now, jitter: u64) -> Result<Finished, (Again, Fault)> {
        let body = held.to_bytes();
        let translated = match self.way() {
            Some(Way::Chat(dialect, api)) => {
                interpret::whole(dialect, api, self.answer(now), self.schema_tool(), &body)
            }
            Some(Way::Call(api)) => api
                .read(&body, self.request.model.as_str(), &self.request.body)
                .map(|(body, metered)| (body, metered, Produced::default())),
            _ => Err(Broken::Malformed("the answer was lost".to_owned())),
        };
        match translated {
            Ok((body, metered, produced)) => {
                self.answers(now);
                self.reply = Reply::Over { metered, produced, answered: true };
                self.settle_bill();
                let mut parts = smallvec::smallvec![body];
                self.mask(&mut parts);
                Ok(Finished { parts, fault: None })
            }
            Err(broken) => {
                let fault = self.broken(&broken);
                Err((self.failed(&fault, now, jitter), fault))
            }
        }
    }

    /// An answer that cannot be read on, as a fault.
    fn broken(&self, broken: &Broken) -> Fault {
        match broken {
            Broken::Upstream(error) => {
                let fault = self.upstream_fault(error.status, None);
                self.in_our_words(&fault, Some(error.message.as_str()), error.status)
            }
            Broken::TooLong => too_long(),
            Broken::Malformed(what) => {
                let text = "litellm.APIConnectionError: the provider's answer is not what its API sends";
                Fault::upstream(Kind::UpstreamMalformed, text).cause(what)
            }
        }
    }

    fn broken_stream(&self, broken: &Broken) -> Fault {
        match broken {
            Broken::TooLong => {
                Fault::upstream(Kind::UpstreamMalformed, "the provider sent an event that is too long").cause(broken)
            }
            other => self.broken(other),
        }
    }

    pub(super) fn upstream_fault(&self, status: u16, message: Option<&str>) -> Fault {
        let exception = self.deployment().map_or("OpenAIException", |deployment| deployment.provider.exception());
        error::upstream_of(exception, status, message)
    }

    fn finish_json(&mut self, reply: JsonReply, now: Now, jitter: u64) -> Result<Finished, (Again, Fault)> {
        let mut done = reply.finish();
        if !done.complete {
            let text = "the provider's answer is not a whole JSON object";
            let fault = Fault::upstream(Kind::UpstreamMalformed, format!("litellm.APIConnectionError: {text}"));
            return Err((self.failed(&fault, now, jitter), fault));
        }
        if done.error {
            let body = done.segments.to_bytes();
            let status = error_status(&body).unwrap_or(502);
            let fault = self.in_our_words(
                &self.upstream_fault(status, None),
                error::upstream_message(&body, None).as_deref(),
                status,
            );
            return Err((self.failed(&fault, now, jitter), fault));
        }
        if self.request.endpoint.chat().is_some_and(|api| api != Api::OpenAiChat)
            && !matches!(done.metered, Metered::Reported(_))
            && let Some(api) = self.chat_api()
        {
            done.produced = interpret::produced(api, &done.segments.to_bytes());
        }
        self.answers(now);
        self.reply = Reply::Over { metered: done.metered, produced: done.produced, answered: true };
        self.settle_bill();
        let mut parts = done.segments.parts;
        self.mask(&mut parts);
        Ok(Finished { parts, fault: None })
    }

    /// Overwrites the deployment's credentials in what goes to the client.
    pub(super) fn mask(&self, pieces: &mut [Bytes]) {
        if let Some(deployment) = self.deployment() {
            pieces.iter_mut().for_each(|piece| deployment.mask.apply(piece));
        }
    }

    /// What the provider says may be the matter of a request that another group takes.
    fn finish_error(
        &mut self,
        fault: Fault,
        content_type: Option<&str>,
        body: &[u8],
        now: Now,
    ) -> Result<Finished, (Again, Fault)> {
        let Kind::UpstreamStatus(status) = fault.kind else {
            return Ok(Finished { parts: smallvec::smallvec![self.error(&fault, 500)], fault: Some(fault) });
        };
        let told = self.in_our_words(&fault, error::upstream_message(body, content_type).as_deref(), status);
        self.reply = Reply::Over { metered: Metered::Absent, produced: Produced::default(), answered: false };
        self.note_matter(told.matter);
        if told.matter != Matter::Other && self.go_on(&told, now) {
            return Err((Again::After(Duration::ZERO), told));
        }
        Ok(Finished { parts: smallvec::smallvec![self.error(&told, error::status(&told))], fault: Some(told) })
    }

    pub(super) fn chat_api(&self) -> Option<&'static dyn ChatApi> {
        let deployment = self.deployment()?;
        deployment.provider.chat(&deployment.upstream_model(self.captured.as_deref()))
    }

    /// An error's body, in the client's dialect.
    pub fn error(&self, fault: &Fault, status: u16) -> Bytes {
        dialect::error(Some(self.told_in()), fault, status, self.request_id())
    }

    /// An error as the last event of a stream that has begun, in the client's dialect.
    pub fn error_event(&self, fault: &Fault) -> Bytes {
        let place = match (self.request.array, self.streamed) {
            (false, _) => ErrorPlace::Event,
            (true, true) => ErrorPlace::Element,
            (true, false) => ErrorPlace::OnlyElement,
        };
        dialect::error_event(self.request.endpoint, place, fault)
    }

    /// The upstream's message without our credentials.
    pub(super) fn in_our_words(&self, fault: &Fault, message: Option<&str>, status: u16) -> Fault {
        let secrets = self.secrets();
        let secrets: Vec<&str> = secrets.iter().map(Secret::expose).collect();
        let message = message.map(|message| error::scrub(message, &secrets));
        let mut told = self.upstream_fault(status, message.as_deref());
        told.retry_after = fault.retry_after;
        told
    }

    /// Whether a header's value may go to the client: it repeats no credential that the upstream was asked with.
    pub fn may_show(&self, value: &[u8]) -> bool {
        self.credentials().all(|secret| memchr::memmem::find(value, secret.expose().as_bytes()).is_none())
    }

    /// What an upstream must not tell a client: the credentials it was asked with.
    fn secrets(&self) -> Vec<Secret> {
        self.credentials().cloned().collect()
    }

    fn credentials(&self) -> impl Iterator<Item = &Secret> {
        let settings = self.deployment().map(|deployment| &deployment.settings);
        let keys = settings.into_iter().flat_map(|settings| settings.api_key.iter().chain(&settings.azure_ad_token));
        let headers = settings.into_iter().flat_map(|settings| settings.extra_headers.iter().map(|(_, value)| value));
        keys.chain(headers).filter(|secret| secret.expose().len() >= 6)
    }

    fn upstream_ended(&mut self, now: Now) {
        if let Some(current) = &mut self.current {
            current.ended.get_or_insert(now);
        }
    }
}

/// The stream in the framing that the provider sends it in.
fn frame(way: Option<Way>, relay: Box<dyn Relay>) -> Box<dyn Relay> {
    match way {
        Some(Way::Carried(Carry { framing: Framing::AwsChunks, .. })) => {
            Box::new(Unframed::new(relay, EVENT_BYTES_MAX))
        }
        _ => relay,
    }
}

/// The status that an error body names, as OpenRouter does: `{"error":{"code":429}}`.
pub(super) fn error_status(body: &[u8]) -> Option<u16> {
    let whole = json::Span { start: 0, end: u32::try_from(body.len()).ok()? };
    let error = json::find(body, whole, "error").ok()??;
    let code = json::find(body, error, "code").ok()??;
    let status = json::as_u64(code.of(body)).and_then(|code| u16::try_from(code).ok())?;
    (400..=599).contains(&status).then_some(status)
}

pub(super) fn redirected() -> Fault {
    Fault::upstream(Kind::UpstreamMalformed, "the provider answered with a redirect, which is not followed")
}

pub(super) fn too_long() -> Fault {
    Fault::upstream(Kind::UpstreamMalformed, "the provider's answer is too long (general_settings.max_reply_size_mb)")
}
