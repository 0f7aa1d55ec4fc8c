//! A fault as the last events of a stream that has begun.

use bytes::Bytes;
use serde::Serialize;

use crate::vocabulary::{Fault, Kind};

use super::echo::Echo;
use super::object::{Cause, Event, OfResponse, Response};
use super::{openai, output};

/// What OpenAI sends: first `error`, on which its SDKs raise (they look for a member `error` in any event), then
/// `response.failed`, which is what others wait for (Codex).
#[derive(Serialize)]
struct ErrorEvent<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    // The writer of the stream is gone by now, and its count with it.
    sequence_number: u64,
    code: &'a str,
    message: &'a str,
    param: Option<&'a str>,
    error: Told<'a>,
}

#[derive(Serialize)]
struct Told<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    code: &'a str,
    message: &'a str,
    param: Option<&'a str>,
}

/// The fault as events.
pub(super) fn event(fault: &Fault) -> Bytes {
    let code = code_of(fault);
    let (message, param) = (&*fault.public, fault.param.as_deref());
    let told = Told { kind: code, code, message, param };
    let first = ErrorEvent { kind: "error", sequence_number: 0, code, message, param, error: told };
    let response = Response {
        id: "resp_failed",
        object: "response",
        created_at: 0,
        status: "failed",
        error: Some(Cause { code, message }),
        incomplete_details: None,
        model: "",
        output: Vec::new(),
        usage: None,
        tool_usage: None,
        echo: &Echo::read(b"{}"),
    };
    let (kind, sequence_number) = ("response.failed", 1);
    let second = Event { kind, sequence_number, body: OfResponse { response } };
    let mut out = Vec::with_capacity(512 + 4 * message.len());
    output::event(&mut out, "error", &first);
    output::event(&mut out, kind, &second);
    out.into()
}

/// OpenAI's words where it has one (`ResponseErrorCode` and the usual error codes).
fn code_of(fault: &Fault) -> &'static str {
    match (fault.kind, openai::error::status(fault)) {
        (_, 400..=499) if fault.public.contains("ContextWindowExceeded") => "context_length_exceeded",
        (_, 429) => "rate_limit_exceeded",
        (Kind::BudgetExceeded, _) => "insufficient_quota",
        (_, 400..=499) => "invalid_request_error",
        _ => "server_error",
    }
}
