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
use smallvec::SmallVec;

use super::headers::Lookup;
use crate::dialect::{self, openai::error};
use crate::exchange::{Planned, Refused};
use crate::vocabulary::{Fault, Kind, Now, digits};

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(super) const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");
pub(super) const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

const CALL_ID: HeaderName = HeaderName::from_static("x-litellm-call-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const VERSION: HeaderName = HeaderName::from_static("x-litellm-version");
const MODEL_ID: HeaderName = HeaderName::from_static("x-litellm-model-id");
const MODEL_GROUP: HeaderName = HeaderName::from_static("x-litellm-model-group");
const MODEL_NAME: HeaderName = HeaderName::from_static("x-litellm-model-name");
const API_BASE: HeaderName = HeaderName::from_static("x-litellm-model-api-base");
const RETRIES: HeaderName = HeaderName::from_static("x-litellm-attempted-retries");
const FALLBACKS: HeaderName = HeaderName::from_static("x-litellm-attempted-fallbacks");
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");
const ROUTE: HeaderName = HeaderName::from_static("x-tollgate-route");
const DROPPED: HeaderName = HeaderName::from_static("x-tollgate-dropped-params");
const COST: HeaderName = HeaderName::from_static("x-litellm-response-cost");
const SPEND: HeaderName = HeaderName::from_static("x-litellm-key-spend");
const DURATION: HeaderName = HeaderName::from_static("x-litellm-response-duration-ms");
const OVERHEAD: HeaderName = HeaderName::from_static("x-litellm-overhead-duration-ms");

const RELEASE: HeaderValue = HeaderValue::from_static(concat!("tollgate/", env!("CARGO_PKG_VERSION")));
const NONE: HeaderValue = HeaderValue::from_static("0");

/// Headers of an upstream's answer that a client may see, under LiteLLM's prefix.
static PASSED_ON: [(HeaderName, HeaderName); 11] = [
    (REQUEST_ID, HeaderName::from_static("llm_provider-x-request-id")),
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

/// Headers that are known only when the answer is whole.
pub(super) type Late = SmallVec<[(HeaderName, HeaderValue); 4]>;

/// The head of an answer while it is written. Names are constants: nothing is parsed and their case is not kept.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
}

impl Answer {
    /// A head with its content type.
    pub(super) fn new(status: u16, content_type: HeaderValue) -> Self {
        let mut headers = HeaderMap::with_capacity(28);
        headers.insert(CONTENT_TYPE, content_type);
        Self { status, headers }
    }

    /// The head of a stream.
    pub(super) fn stream(status: u16) -> Self {
        let mut answer = Self::new(status, EVENT_STREAM);
        answer.headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        answer.headers.insert(UNBUFFERED, HeaderValue::from_static("no"));
        answer
    }

    /// The refusal of a request: head and body.
    pub(super) fn refusal(refused: &Refused, budget_status: u16) -> (Self, Bytes) {
        let status = error::status_with(&refused.fault, budget_status);
        let mut answer = Self::new(status, JSON);
        answer.text(CALL_ID, refused.id());
        answer.text(REQUEST_ID, refused.request_id());
        answer.fault(&refused.fault);
        for (name, value) in &refused.headers {
            answer.text(HeaderName::from_static(name), value);
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
        answer.headers.insert(COST, NONE);
        (answer, exchange.error(fault, status))
    }

    /// The head of an answer that is passed on: its status and what says how its body is to be read.
    pub(super) fn passed(exchange: &Planned, from: &ResponseHeader, stream: bool, h2: bool, now: Now) -> Self {
        let mut answer = Self { status: from.status.as_u16(), headers: HeaderMap::with_capacity(28) };
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
        self.text(CALL_ID, exchange.id());
        self.text(REQUEST_ID, exchange.request_id());
        self.headers.insert(VERSION, RELEASE);
        if let Some(deployment) = exchange.deployment() {
            self.headers.insert(MODEL_ID, deployment.shown_id.clone());
            self.headers.insert(MODEL_NAME, deployment.shown_name.clone());
            self.headers.insert(API_BASE, deployment.shown_base.clone());
        }
        self.text(MODEL_GROUP, exchange.served_by());
        self.headers.insert(RETRIES, HeaderValue::from(exchange.retries()));
        self.headers.insert(FALLBACKS, HeaderValue::from(exchange.fallbacks()));
        if let Some(route) = exchange.route_receipt(now) {
            self.text(ROUTE, &route);
        }
        if !exchange.dropped().is_empty() {
            self.text(DROPPED, &exchange.dropped().join(","));
        }
        exchange.limits(now, &mut |name, value| self.text(name.clone(), value));
    }

    /// What is known only when the answer is whole: cost, spend, durations.
    pub(super) fn final_headers(exchange: &Planned, now: Now) -> Late {
        let (mut late, mut line) = (Late::new(), String::with_capacity(24));
        let mut put = |name, write: &dyn Fn(&mut String)| {
            line.clear();
            write(&mut line);
            // Digits and points are always a header value.
            late.extend(HeaderValue::from_str(&line).ok().map(|value| (name, value)));
        };
        put(COST, &|line| exchange.bill().cost.push_to(line));
        if let Some(spend) = exchange.key_spend(now) {
            put(SPEND, &|line| spend.push_to(line));
        }
        put(DURATION, &|line| digits::push_millis(line, exchange.elapsed(now)));
        put(OVERHEAD, &|line| digits::push_millis(line, exchange.overhead(now)));
        late
    }

    /// Copies what a client may see of an upstream's head.
    pub(super) fn pass_on(&mut self, from: &HeaderMap, may_show: impl Fn(&[u8]) -> bool) {
        let from = Lookup::of(from);
        for (name, shown) in &PASSED_ON {
            if let Some(value) = from.get(name.as_str()).filter(|value| may_show(value.as_bytes())) {
                self.headers.insert(shown, value.clone());
            }
        }
    }

    /// As Pingora has it.
    pub(super) fn into_head(self) -> ResponseHeader {
        let (mut parts, ()) = http::Response::new(()).into_parts();
        parts.status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        parts.headers = self.headers;
        ResponseHeader::from(parts)
    }

    /// Writes the whole answer in one go.
    pub(super) async fn write(mut self, session: &mut ServerSession, body: Bytes) -> Result<()> {
        self.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let tasks = vec![HttpTask::Header(Box::new(self.into_head()), false), HttpTask::Body(Some(body), true)];
        session.response_duplex_vec(tasks).await?;
        Ok(())
    }

    /// Adds a header, unless its value cannot stand in one (a model's name beyond Latin, say).
    fn text(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
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
