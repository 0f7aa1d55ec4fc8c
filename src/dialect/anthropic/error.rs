//! Faults as the messages API answers them.

use bytes::{BufMut, Bytes, BytesMut};

use crate::dialect::openai;
use crate::json;
use crate::vocabulary::{Fault, Kind};

/// Anthropic's word for an error, after the status it is answered with where the kind says nothing better.
fn type_of(fault: &Fault, status: u16) -> &'static str {
    match fault.kind {
        Kind::UnknownModel => return "not_found_error",
        Kind::BudgetExceeded => return "billing_error",
        Kind::UpstreamTimeout | Kind::ClientTimeout => return "timeout_error",
        Kind::Overloaded | Kind::ShuttingDown => return "overloaded_error",
        _ => {}
    }
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        408 | 504 => "timeout_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        503 | 529 => "overloaded_error",
        400..=499 => "invalid_request_error",
        _ => "api_error",
    }
}

/// The body of an answer to this fault.
pub(super) fn body(fault: &Fault, status: u16, request_id: &str) -> Bytes {
    let mut body = object(fault, status);
    if !request_id.is_empty() {
        body.put_slice(b",\"request_id\":");
        body.put_slice(&json::quote(request_id));
    }
    body.put_slice(b"}");
    body.freeze()
}

/// The fault as the last event of a stream that has begun.
pub(super) fn event(fault: &Fault) -> Bytes {
    let mut event = BytesMut::from(b"event: error\ndata: ".as_slice());
    event.put_slice(&object(fault, openai::error::status(fault)));
    event.put_slice(b"}\n\n");
    event.freeze()
}

/// The error without its closing brace.
fn object(fault: &Fault, status: u16) -> BytesMut {
    let mut object = BytesMut::with_capacity(96 + fault.public.len());
    object.put_slice(b"{\"type\":\"error\",\"error\":{\"type\":\"");
    object.put_slice(type_of(fault, status).as_bytes());
    object.put_slice(b"\",\"message\":");
    object.put_slice(&json::quote(&fault.public));
    object.put_slice(b"}");
    object
}

/// The status that Anthropic's word for an error means; 500 for words that are not known.
pub fn status_of(kind: &str) -> u16 {
    match kind {
        "invalid_request_error" => 400,
        "authentication_error" => 401,
        "billing_error" => 402,
        "permission_error" => 403,
        "not_found_error" => 404,
        "request_too_large" => 413,
        "rate_limit_error" => 429,
        "timeout_error" => 504,
        "overloaded_error" => 529,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_anthropics_form() {
        let fault = Fault::client(Kind::BadRequest, "max_tokens: \"x\" is no number");
        assert_eq!(
            body(&fault, 400, "req-1"),
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: \"x\" is no number"},"request_id":"req-1"}"#
        );
        let fault = Fault::upstream(Kind::UpstreamStatus(529), "busy");
        assert_eq!(
            event(&fault),
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n"
        );
    }

    #[test]
    fn words_follow_kind_and_status() {
        for (fault, status, word) in [
            (Fault::client(Kind::NoKey, ""), 401, "authentication_error"),
            (Fault::client(Kind::ModelNotAllowed, ""), 403, "permission_error"),
            (Fault::client(Kind::UnknownModel, ""), 400, "not_found_error"),
            (Fault::client(Kind::BudgetExceeded, ""), 422, "billing_error"),
            (Fault::client(Kind::RateLimited, ""), 429, "rate_limit_error"),
            (Fault::client(Kind::TooLarge, ""), 413, "request_too_large"),
            (Fault::ours(Kind::Internal, ""), 500, "api_error"),
            (Fault::upstream(Kind::UpstreamTimeout, ""), 408, "timeout_error"),
        ] {
            assert_eq!(type_of(&fault, status), word, "{fault}");
        }
        assert_eq!((status_of("overloaded_error"), status_of("new_error")), (529, 500));
    }
}
