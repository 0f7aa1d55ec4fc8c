//! Answers written here: heads from an allow-list, bodies from the dialect.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, TRANSFER_ENCODING,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::protocols::http::{HttpTask, ServerSession};

use super::headers::Lookup;
use crate::dialect::{self, openai::error};
use crate::exchange::{Planned, Refused};
use crate::vocabulary::{Fault, Kind, Now, digits};

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(super) const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");
pub(super) const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

static CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");
static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
static VERSION: HeaderName = HeaderName::from_static("x-litellm-version");
static MODEL_ID: HeaderName = HeaderName::from_static("x-litellm-model-id");
static MODEL_GROUP: HeaderName = HeaderName::from_static("x-litellm-model-group");
static MODEL_NAME: HeaderName = HeaderName::from_static("x-litellm-model-name");
static API_BASE: HeaderName = HeaderName::from_static("x-litellm-model-api-base");
static RETRIES: HeaderName = HeaderName::from_static("x-litellm-attempted-retries");
static FALLBACKS: HeaderName = HeaderName::from_static("x-litellm-attempted-fallbacks");
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");
static ROUTE: HeaderName = HeaderName::from_static("x-tollgate-route");
static DROPPED: HeaderName = HeaderName::from_static("x-tollgate-dropped-params");
static COST: HeaderName = HeaderName::from_static("x-litellm-response-cost");
static SPEND: HeaderName = HeaderName::from_static("x-litellm-key-spend");
static DURATION: HeaderName = HeaderName::from_static("x-litellm-response-duration-ms");
static OVERHEAD: HeaderName = HeaderName::from_static("x-litellm-overhead-duration-ms");

const RELEASE: HeaderValue = HeaderValue::from_static(concat!("tollgate/", env!("CARGO_PKG_VERSION")));

/// Headers of an upstream's answer that a client may see, under LiteLLM's prefix.
static PASSED_ON: [(HeaderName, HeaderName); 11] = [
    (HeaderName::from_static("x-request-id"), HeaderName::from_static("llm_provider-x-request-id")),
    (RETRY_AFTER, HeaderName::from_static("llm_provider-retry-after")),
    (HeaderName::from_static("openai-processing-ms"), HeaderName::from_static("llm_provider-openai-processing-ms")),
    (HeaderName::from_static("openai-version"), HeaderName::from_static("llm_provider-openai-version")),
    (HeaderName::from_static("openai-model"), HeaderName::from_static("llm_provider-openai-model")),
    (
        HeaderName::from_static("x-ratelimit-limit-requests"),
        HeaderName::from_static("llm_provider-x-ratelimit-limit-requests"),
    ),
    (
        HeaderName::from_static("x-ratelimit-remaining-requests"),
        HeaderName::from_static("llm_provider-x-ratelimit-remaining-requests"),
    ),
    (
        HeaderName::from_static("x-ratelimit-reset-requests"),
        HeaderName::from_static("llm_provider-x-ratelimit-reset-requests"),
    ),
    (
        HeaderName::from_static("x-ratelimit-limit-tokens"),
        HeaderName::from_static("llm_provider-x-ratelimit-limit-tokens"),
    ),
    (
        HeaderName::from_static("x-ratelimit-remaining-tokens"),
        HeaderName::from_static("llm_provider-x-ratelimit-remaining-tokens"),
    ),
    (
        HeaderName::from_static("x-ratelimit-reset-tokens"),
        HeaderName::from_static("llm_provider-x-ratelimit-reset-tokens"),
    ),
];

/// Takes a header: name and value.
pub(super) type Put<'a> = dyn FnMut(&'static HeaderName, &str) + 'a;

/// Headers as the lines that they are on the wire.
pub(super) struct Lines(Vec<u8>);

impl Default for Lines {
    /// With room for those that a usual answer has.
    fn default() -> Self {
        Self(Vec::with_capacity(1280))
    }
}

impl Lines {
    /// Adds a header, unless its value cannot stand in one (a model's name beyond Latin, say).
    pub(super) fn put(&mut self, name: &HeaderName, value: &str) {
        // Without a way out in its middle the loop runs over sixteen bytes at once.
        if value.bytes().fold(true, |shown, byte| shown & (matches!(byte, 0x20..0x7f | b'\t'))) {
            self.add(name, value.as_bytes());
        }
    }

    /// Adds a header whose value is ours: digits and points.
    pub(super) fn add_known(&mut self, name: &HeaderName, value: &str) {
        self.add(name, value.as_bytes());
    }

    fn add(&mut self, name: &HeaderName, value: &[u8]) {
        let name = name.as_str().as_bytes();
        self.0.reserve(name.len() + value.len() + 4);
        [name, b": ", value, b"\r\n"].iter().for_each(|part| self.0.extend_from_slice(part));
    }

    /// All of them, each with its line end.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// How a body that is passed on is framed.
#[derive(Clone, Copy)]
pub(super) struct Framing {
    pub(super) stream: bool,
    pub(super) h2: bool,
}

/// The head of an answer while it is written. Names are constants: nothing is parsed and their case is not kept.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// What tells of the exchange, where the connection takes it as lines; it stands among the headers otherwise.
    lines: Option<Lines>,
}

impl Answer {
    /// A head with its content type.
    pub(super) fn new(status: u16, content_type: HeaderValue) -> Self {
        Self::beside(None, status, content_type)
    }

    /// The same beside lines, where there are some.
    pub(super) fn beside(lines: Option<Lines>, status: u16, content_type: HeaderValue) -> Self {
        let mut answer = Self::empty(lines, status);
        answer.headers.insert(CONTENT_TYPE, content_type);
        answer
    }

    fn empty(lines: Option<Lines>, status: u16) -> Self {
        let room = if lines.is_some() { 8 } else { 28 };
        Self { status, headers: HeaderMap::with_capacity(room), lines }
    }

    /// The head of a stream.
    pub(super) fn stream(lines: Option<Lines>, status: u16) -> Self {
        let mut answer = Self::beside(lines, status, EVENT_STREAM);
        answer.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        answer.headers.insert(UNBUFFERED, HeaderValue::from_static("no"));
        answer
    }

    /// The refusal of a request: head and body.
    pub(super) fn refusal(refused: &Refused, budget_status: u16) -> (Self, Bytes) {
        let status = error::status_with(&refused.fault, budget_status);
        let mut answer = Self::new(status, JSON);
        answer.text(&CALL_ID, refused.id());
        answer.text(&REQUEST_ID, refused.request_id());
        answer.fault(&refused.fault);
        for (name, value) in &refused.headers {
            answer
                .headers
                .extend(HeaderValue::from_str(value).ok().map(|value| (HeaderName::from_static(name), value)));
        }
        (answer, refused_body(refused, status))
    }

    /// An error of what is answered here: head and body.
    pub(super) fn fault_alone(fault: &Fault) -> (Self, Bytes) {
        let status = error::status(fault);
        (Self::new(status, JSON), dialect::error(None, fault, status, ""))
    }

    /// An error of an exchange that was planned: head and body.
    pub(super) fn failure(exchange: &Planned, fault: &Fault, now: Now) -> (Self, Bytes) {
        let status = error::status_with(fault, exchange.world().settings.budget_exceeded_status);
        let mut answer = Self::new(status, JSON);
        answer.exchange(exchange, now);
        answer.fault(fault);
        answer.text(&COST, "0");
        (answer, exchange.error(fault, status))
    }

    /// The head of an answer that is passed on: its status and what says how its body is to be read.
    pub(super) fn passed(
        lines: Option<Lines>,
        exchange: &Planned,
        from: &ResponseHeader,
        framing: Framing,
        now: Now,
    ) -> Self {
        let Framing { stream, h2 } = framing;
        let mut answer = Self::empty(lines, from.status.as_u16());
        let readable = |name: &HeaderName| from.headers.get(name).filter(|value| exchange.may_show(value.as_bytes()));
        for name in [CONTENT_TYPE, CONTENT_DISPOSITION, CACHE_CONTROL, RETRY_AFTER] {
            if let Some(value) = readable(&name) {
                answer.headers.insert(name, value.clone());
            }
        }
        answer.exchange(exchange, now);
        answer.pass_on(&from.headers, |value| exchange.may_show(value));
        if let Some(fault) = exchange.told() {
            answer.fault(fault);
        }
        let bodyless = matches!(answer.status, 204 | 304);
        match readable(&CONTENT_LENGTH) {
            Some(length) if stream && !bodyless => {
                answer.headers.insert(CONTENT_LENGTH, length.clone());
            }
            None if stream && !bodyless && !h2 => {
                answer.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
            _ => {}
        }
        answer
    }

    /// `retry-after`, in whole seconds, rounded up; which methods are taken; how to show a key.
    pub(super) fn fault(&mut self, fault: &Fault) {
        if let Some(wait) = fault.retry_after {
            self.headers.insert(RETRY_AFTER, HeaderValue::from(seconds(wait)));
        }
        if let Some(methods) = fault.allow.as_deref().and_then(|methods| HeaderValue::from_str(methods).ok()) {
            self.headers.insert(ALLOW, methods);
        }
        if matches!(fault.kind, Kind::NoKey | Kind::MalformedKey | Kind::UnknownKey) {
            self.headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
    }

    /// What tells of an exchange: ids, model, deployment, attempts, limits.
    pub(super) fn exchange(&mut self, exchange: &Planned, now: Now) {
        self.text(&CALL_ID, exchange.id());
        self.text(&REQUEST_ID, exchange.request_id());
        self.value(&VERSION, &RELEASE);
        if let Some(deployment) = exchange.deployment() {
            self.value(&MODEL_ID, &deployment.shown_id);
            self.value(&MODEL_NAME, &deployment.shown_name);
            self.value(&API_BASE, &deployment.shown_base);
        }
        self.text(&MODEL_GROUP, exchange.served_by());
        self.known(&RETRIES, itoa::Buffer::new().format(exchange.retries()));
        self.known(&FALLBACKS, itoa::Buffer::new().format(exchange.fallbacks()));
        if let Some(route) = exchange.route_receipt(now) {
            self.text(&ROUTE, &route);
        }
        if !exchange.dropped().is_empty() {
            self.text(&DROPPED, &exchange.dropped().join(","));
        }
        exchange.limits(now, &mut |name, value| self.known(name, value));
    }

    /// What is known only when the answer is whole: cost, spend, durations.
    pub(super) fn late(exchange: &Planned, now: Now, put: &mut Put<'_>) {
        let mut line = String::with_capacity(24);
        let mut put = |name: &'static HeaderName, write: &dyn Fn(&mut String)| {
            line.clear();
            write(&mut line);
            put(name, &line);
        };
        put(&COST, &|line| exchange.bill().cost.push_to(line));
        if let Some(spend) = exchange.key_spend(now) {
            put(&SPEND, &|line| spend.push_to(line));
        }
        put(&DURATION, &|line| digits::push_millis(line, exchange.elapsed(now)));
        put(&OVERHEAD, &|line| digits::push_millis(line, exchange.overhead(now)));
    }

    /// Copies what a client may see of an upstream's head.
    pub(super) fn pass_on(&mut self, from: &HeaderMap, may_show: impl Fn(&[u8]) -> bool) {
        let from = Lookup::of(from);
        for (name, shown) in &PASSED_ON {
            if let Some(value) = from.get(name.as_str()).filter(|value| may_show(value.as_bytes())) {
                self.value(shown, value);
            }
        }
    }

    /// As Pingora has it, and the lines beside.
    pub(super) fn into_head(self) -> (ResponseHeader, Option<Lines>) {
        let (mut parts, ()) = http::Response::new(()).into_parts();
        parts.status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        parts.headers = self.headers;
        (ResponseHeader::from(parts), self.lines)
    }

    /// Writes the whole answer in one go.
    pub(super) async fn write(mut self, session: &mut ServerSession, body: Bytes) -> Result<()> {
        self.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let (head, _no_lines) = self.into_head();
        let tasks = vec![HttpTask::Header(Box::new(head), false), HttpTask::Body(Some(body), true)];
        session.response_duplex_vec(tasks).await?;
        Ok(())
    }

    /// Adds a header that tells of the exchange, as [`Lines::put`] does.
    pub(super) fn text(&mut self, name: &'static HeaderName, value: &str) {
        match &mut self.lines {
            Some(lines) => lines.put(name, value),
            None => self.headers.extend(HeaderValue::from_str(value).ok().map(|value| (name.clone(), value))),
        }
    }

    /// The same for what is ours and need not be looked at.
    fn known(&mut self, name: &'static HeaderName, value: &str) {
        match &mut self.lines {
            Some(lines) => lines.add_known(name, value),
            None => self.text(name, value),
        }
    }

    fn value(&mut self, name: &'static HeaderName, value: &HeaderValue) {
        match &mut self.lines {
            Some(lines) => lines.add(name, value.as_bytes()),
            None => _ = self.headers.insert(name, value.clone()),
        }
    }
}

/// LiteLLM's body for unknown paths, the dialect's for everything else.
fn refused_body(refused: &Refused, status: u16) -> Bytes {
    match refused.fault.kind {
        Kind::NotFound if refused.fault.param.is_none() => Bytes::from_static(b"{\"detail\":\"Not Found\"}"),
        _ => refused.told(status),
    }
}

fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}
