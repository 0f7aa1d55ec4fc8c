//! Errors that a vendor tells within a 200 or within a stream.

use crate::chat::{Broken, Raw, Str, UpstreamError};
use crate::dialect::openai::error;
use crate::json;

/// What vendors put into an error, or beside it.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
struct Told<'a> {
    #[serde(borrow)]
    code: Option<Raw<'a>>,
    #[serde(borrow)]
    status: Option<Raw<'a>>,
    #[serde(borrow)]
    status_code: Option<Raw<'a>>,
    #[serde(borrow)]
    r#type: Option<Raw<'a>>,
}

/// The error that an object tells: `error` is its member of this name, or the whole object where it is one itself.
pub(super) fn upstream(object: &[u8], error: Raw<'_>) -> Broken {
    let told: Told<'_> = serde_json::from_str(error.get()).unwrap_or_default();
    let tellers = [told.status_code, told.code, told.status, told.r#type];
    let status = tellers.iter().flatten().find_map(|raw| number(raw));
    let status = status.or_else(|| tellers.iter().flatten().find_map(|raw| word(raw))).unwrap_or(500);
    let message = error::upstream_message(object, None);
    Broken::Upstream(UpstreamError {
        status,
        message: message.unwrap_or_else(|| "the provider told an error without a reason".to_owned()),
    })
}

/// An error told in plain words.
pub(super) fn plain(text: &[u8]) -> Broken {
    let message = error::upstream_message(text, None);
    Broken::Upstream(UpstreamError {
        status: 500,
        message: message.unwrap_or_else(|| "the provider told an error without a reason".to_owned()),
    })
}

fn number(raw: Raw<'_>) -> Option<u16> {
    let status = match json::as_u64(raw.get().as_bytes()) {
        Some(number) => u16::try_from(number).ok()?,
        None => serde_json::from_str::<Str<'_>>(raw.get()).ok()?.parse().ok()?,
    };
    (400..=599).contains(&status).then_some(status)
}

fn word(raw: Raw<'_>) -> Option<u16> {
    let word = serde_json::from_str::<Str<'_>>(raw.get()).ok()?.to_ascii_lowercase();
    let has = |needles: &[&str]| needles.iter().any(|needle| word.contains(needle));
    Some(match () {
        () if has(&["overloaded"]) => 529,
        () if has(&["rate_limit", "too_many_requests", "quota", "resource_exhausted", "throttl"]) => 429,
        () if has(&["unavailable"]) => 503,
        () if has(&["authentication", "invalid_api_key", "unauthorized", "unauthenticated"]) => 401,
        () if has(&["permission", "forbidden"]) => 403,
        () if has(&["not_found"]) => 404,
        () if has(&["timeout", "deadline"]) => 408,
        () if has(&[
            "invalid",
            "bad_request",
            "tool_use_failed",
            "context_length",
            "content_filter",
            "json_validate",
        ]) =>
        {
            400
        }
        () => return None,
    })
}
