//! Faults as the Gemini API answers them.

use bytes::Bytes;
use serde::Serialize;

use crate::dialect::openai::error::status;
use crate::vocabulary::{Fault, Kind};

#[derive(Serialize)]
struct Body<'a> {
    error: Error<'a>,
}

#[derive(Serialize)]
struct Error<'a> {
    code: u16,
    message: &'a str,
    status: &'static str,
}

/// Google's word for a fault that is answered with this status.
fn word(fault: &Fault, status: u16) -> &'static str {
    match (fault.kind, status) {
        (Kind::ClientGone, _) => "CANCELLED",
        (_, 400 | 413 | 415 | 422) => "INVALID_ARGUMENT",
        (_, 401) => "UNAUTHENTICATED",
        (_, 403) => "PERMISSION_DENIED",
        (_, 404) => "NOT_FOUND",
        (_, 405 | 501) => "UNIMPLEMENTED",
        (_, 408 | 504) => "DEADLINE_EXCEEDED",
        (_, 409) => "ABORTED",
        (_, 429) => "RESOURCE_EXHAUSTED",
        (_, 503) => "UNAVAILABLE",
        (_, 400..=499) => "FAILED_PRECONDITION",
        _ => "INTERNAL",
    }
}

/// The body of an answer to this fault.
pub(super) fn body(fault: &Fault, status: u16) -> Bytes {
    let error = Error { code: status, message: &fault.public, status: word(fault, status) };
    serde_json::to_vec(&Body { error }).unwrap_or_default().into()
}

/// The fault as the one element of an array.
pub(super) fn array(fault: &Fault) -> Bytes {
    [b"[", &body(fault, status(fault))[..], b"]"].concat().into()
}

/// The fault within a stream that has begun. In an array it is one more element, and its end.
pub(super) fn event(fault: &Fault, array: bool) -> Bytes {
    let body = body(fault, status(fault));
    let text = String::from_utf8_lossy(&body);
    match array {
        true => format!(",\n{text}]").into(),
        false => format!("data: {text}\n\n").into(),
    }
}
