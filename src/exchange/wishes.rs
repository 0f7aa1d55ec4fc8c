//! What a request's head asks of the gateway itself.

use std::sync::Arc;
use std::time::Duration;

use super::Head;
use crate::dialect::openai::request;
use crate::vocabulary::{Fault, Kind};

/// The most tags that are taken from a header, and the most bytes of one.
const TAGS_MAX: usize = 32;
const TAG_BYTES_MAX: usize = 128;
/// The longest id of a customer, in bytes.
const CUSTOMER_BYTES_MAX: usize = 256;

/// The most of a session's id that counts, in bytes.
const SESSION_BYTES_MAX: usize = 256;

/// LiteLLM's request headers that have an effect. They win over members of the body.
#[derive(Clone, Debug, Default)]
pub(super) struct Wishes {
    /// `x-litellm-num-retries`.
    pub(super) retries: Option<u32>,
    /// `x-litellm-timeout`.
    pub(super) timeout: Option<Duration>,
    /// `x-litellm-stream-timeout`.
    pub(super) stream_timeout: Option<Duration>,
    /// `x-litellm-tags`.
    pub(super) tags: Vec<String>,
    /// `x-litellm-session-id`.
    pub(super) session: Option<Arc<str>>,
    /// `x-litellm-customer-id`, `x-litellm-end-user-id`, or the configured header.
    pub(super) customer: Option<String>,
    /// `x-tollgate-explain`: the answer shall tell of every attempt.
    pub(super) explain: bool,
}

impl Wishes {
    /// Reads them.
    ///
    /// # Errors
    /// One cannot be meant.
    pub(super) fn read(head: &Head<'_>, customer_header: Option<&str>) -> Result<Self, Fault> {
        Ok(Self {
            retries: value(head, "x-litellm-num-retries", "a whole number up to 100", request::retries)?,
            timeout: value(head, "x-litellm-timeout", "seconds above 0", request::seconds)?,
            stream_timeout: value(head, "x-litellm-stream-timeout", "seconds above 0", request::seconds)?,
            tags: tags(head),
            session: session(head),
            customer: customer(head, customer_header)?,
            explain: (head.header)("x-tollgate-explain").is_some_and(|value| matches!(value, b"1" | b"true")),
        })
    }
}

fn value<T>(
    head: &Head<'_>,
    name: &'static str,
    expected: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, Fault> {
    let Some(found) = (head.header)(name) else { return Ok(None) };
    let text = std::str::from_utf8(found).unwrap_or_default();
    match read(text) {
        Some(value) => Ok(Some(value)),
        None => {
            let text = format!("Invalid header '{name}': expected {expected}.");
            Err(Fault::client(Kind::BadRequest, text).param(name))
        }
    }
}

fn session(head: &Head<'_>) -> Option<Arc<str>> {
    let id = std::str::from_utf8((head.header)("x-litellm-session-id")?).ok()?.trim();
    (!id.is_empty()).then(|| request::cut(id, SESSION_BYTES_MAX).into())
}

fn customer(head: &Head<'_>, configured: Option<&str>) -> Result<Option<String>, Fault> {
    let names = configured.into_iter().chain(["x-litellm-customer-id", "x-litellm-end-user-id"]);
    let Some((name, found)) = names.filter_map(|name| Some((name, (head.header)(name)?))).next() else {
        return Ok(None);
    };
    match std::str::from_utf8(found).map(str::trim) {
        Ok("") => Ok(None),
        Ok(text) if text.len() <= CUSTOMER_BYTES_MAX => Ok(Some(text.to_owned())),
        _ => {
            let text = format!("Invalid header '{name}': expected at most {CUSTOMER_BYTES_MAX} bytes of text.");
            Err(Fault::client(Kind::BadRequest, text).param(name.to_owned()))
        }
    }
}

fn tags(head: &Head<'_>) -> Vec<String> {
    let text = (head.header)("x-litellm-tags").and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default();
    let tags = text.split(',').map(str::trim).filter(|tag| !tag.is_empty() && tag.len() <= TAG_BYTES_MAX);
    tags.take(TAGS_MAX).map(str::to_owned).collect()
}
