//! Answers written here: heads from an allow-list, bodies from the dialect.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::protocols::http::{HttpTask, ServerSession};

use crate::dialect::openai::error;
use crate::exchange::{Planned, Refused};
use crate::vocabulary::{Fault, Kind, Now};

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
const COST: HeaderName = HeaderName::from_static("x-litellm-response-cost");
const SPEND: HeaderName = HeaderName::from_static("x-litellm-key-spend");
const DURATION: HeaderName = HeaderName::from_static("x-litellm-response-duration-ms");
const OVERHEAD: HeaderName = HeaderName::from_static("x-litellm-overhead-duration-ms");

const RELEASE: HeaderValue = HeaderValue::from_static(concat!("tollgate/", env!("CARGO_PKG_VERSION")));
const NONE: HeaderValue = HeaderValue::from_static("0");

/// Headers of an upstream's answer that a client may see, under LiteLLM's prefix.
pub(super) const PASSED_ON: [(&str, &str); 11] = [
    ("x-request-id", "llm_provider-x-request-id"),
    ("retry-after", "llm_provider-retry-after"),
    ("openai-processing-ms", "llm_provider-openai-processing-ms"),
    ("openai-version", "llm_provider-openai-version"),
    ("openai-model", "llm_provider-openai-model"),
    ("x-ratelimit-limit-requests", "llm_provider-x-ratelimit-limit-requests"),
    ("x-ratelimit-remaining-requests", "llm_provider-x-ratelimit-remaining-requests"),
    ("x-ratelimit-reset-requests", "llm_provider-x-ratelimit-reset-requests"),
    ("x-ratelimit-limit-tokens", "llm_provider-x-ratelimit-limit-tokens"),
    ("x-ratelimit-remaining-tokens", "llm_provider-x-ratelimit-remaining-tokens"),
    ("x-ratelimit-reset-tokens", "llm_provider-x-ratelimit-reset-tokens"),
];

/// Writes a whole answer in one go.
pub(super) async fn write(session: &mut ServerSession, mut head: ResponseHeader, body: Bytes) -> Result<()> {
    head.insert_header(CONTENT_LENGTH, body.len())?;
    let tasks = vec![HttpTask::Header(Box::new(head), false), HttpTask::Body(Some(body), true)];
    session.response_duplex_vec(tasks).await?;
    Ok(())
}

/// The head of an answer in JSON or the like.
pub(super) fn head(status: u16, content_type: HeaderValue) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build(status, Some(16))?;
    head.insert_header(CONTENT_TYPE, content_type)?;
    Ok(head)
}

/// A refusal: head and body.
pub(super) fn refusal(refused: &Refused, budget_status: u16) -> Result<(ResponseHeader, Bytes)> {
    let status = error::status_with(&refused.fault, budget_status);
    let mut answer = head(status, JSON)?;
    answer.insert_header(CALL_ID, refused.id())?;
    answer.insert_header(REQUEST_ID, refused.request_id())?;
    fault_headers(&mut answer, &refused.fault)?;
    for (name, value) in &refused.headers {
        answer.insert_header(*name, value.as_str())?;
    }
    Ok((answer, body(&refused.fault, status)))
}

/// LiteLLM's body for unknown paths, OpenAI's for everything else.
fn body(fault: &Fault, status: u16) -> Bytes {
    match fault.kind {
        Kind::NotFound if fault.param.is_none() => Bytes::from_static(b"{\"detail\":\"Not Found\"}"),
        _ => error::body(fault, status),
    }
}

/// An error of an exchange that was planned.
pub(super) fn failure(exchange: &Planned, fault: &Fault, now: Now) -> Result<(ResponseHeader, Bytes)> {
    let status = error::status_with(fault, exchange.world().settings.budget_exceeded_status);
    let mut answer = head(status, JSON)?;
    exchange_headers(&mut answer, exchange, now)?;
    fault_headers(&mut answer, fault)?;
    answer.insert_header(COST, NONE)?;
    Ok((answer, error::body(fault, status)))
}

/// `retry-after`, in whole seconds, rounded up.
pub(super) fn fault_headers(answer: &mut ResponseHeader, fault: &Fault) -> Result<()> {
    if let Some(wait) = fault.retry_after {
        answer.insert_header(RETRY_AFTER, seconds(wait))?;
    }
    if matches!(fault.kind, Kind::NoKey | Kind::MalformedKey | Kind::UnknownKey) {
        answer.insert_header(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))?;
    }
    Ok(())
}

fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// The headers that tell of an exchange: ids, model, deployment, attempts, limits.
pub(super) fn exchange_headers(answer: &mut ResponseHeader, exchange: &Planned, now: Now) -> Result<()> {
    answer.insert_header(CALL_ID, exchange.id())?;
    answer.insert_header(REQUEST_ID, exchange.request_id())?;
    answer.insert_header(VERSION, RELEASE)?;
    if let Some(deployment) = exchange.deployment() {
        answer.insert_header(MODEL_ID, &*deployment.settings.id)?;
        answer.insert_header(MODEL_NAME, deployment.shown_name.clone())?;
        answer.insert_header(API_BASE, deployment.shown_base.clone())?;
    }
    answer.insert_header(MODEL_GROUP, exchange.model())?;
    answer.insert_header(RETRIES, exchange.attempts().saturating_sub(1))?;
    answer.insert_header(FALLBACKS, NONE)?;
    let mut failed = Ok(());
    exchange.limits(now, &mut |name, value| {
        if failed.is_ok() {
            failed = answer.insert_header(name, value);
        }
    });
    failed
}

/// Headers known only when the answer is whole: cost, spend, durations.
pub(super) fn final_headers(answer: &mut ResponseHeader, exchange: &Planned, now: Now) -> Result<()> {
    answer.insert_header(COST, exchange.bill().cost.to_string())?;
    if let Some(spend) = exchange.key_spend(now) {
        answer.insert_header(SPEND, spend.to_string())?;
    }
    answer.insert_header(DURATION, millis(exchange.elapsed(now)))?;
    answer.insert_header(OVERHEAD, millis(exchange.overhead(now)))?;
    Ok(())
}

fn millis(duration: Duration) -> String {
    let us = duration.as_micros();
    format!("{}.{:03}", us / 1000, us % 1000)
}

/// The head of a stream.
pub(super) fn stream_head(status: u16) -> Result<ResponseHeader> {
    let mut answer = head(status, EVENT_STREAM)?;
    answer.insert_header(CACHE_CONTROL, HeaderValue::from_static("no-cache"))?;
    answer.insert_header(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"))?;
    Ok(answer)
}

/// Copies what a client may see of an upstream's head.
pub(super) fn pass_on(from: &ResponseHeader, to: &mut ResponseHeader) -> Result<()> {
    for (name, shown) in PASSED_ON {
        if let Some(value) = from.headers.get(name) {
            to.insert_header(shown, value.clone())?;
        }
    }
    Ok(())
}
