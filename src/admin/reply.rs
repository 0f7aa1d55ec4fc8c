//! What the management API answers: JSON, or a refusal in LiteLLM's words.

use std::fmt;

use serde::Serialize;

use super::body::{self, Problem};

/// No message of a refusal is longer.
const MESSAGE_BYTES_MAX: usize = 2 * 1024;

/// An answer, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// JSON.
    pub body: Vec<u8>,
    /// More headers.
    pub headers: Vec<(&'static str, String)>,
}

impl Reply {
    /// 200 with this value.
    ///
    /// # Errors
    /// It cannot be written as JSON: a bug of ours.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, Refusal> {
        Self::with(200, value)
    }

    /// This status with this value.
    ///
    /// # Errors
    /// It cannot be written as JSON: a bug of ours.
    pub fn with<T: Serialize + ?Sized>(status: u16, value: &T) -> Result<Self, Refusal> {
        let body = serde_json::to_vec(value).map_err(|error| Refusal::ours(error.to_string()))?;
        Ok(Self { status, body, headers: Vec::new() })
    }
}

/// Why a request is refused. The constructors know which words and shape LiteLLM has for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `{"error": {"message", "type", "param", "code"}}`.
    Error {
        /// The status.
        status: u16,
        /// What the caller reads.
        message: String,
        /// `type`.
        kind: &'static str,
        /// `param`: the word None where nothing is at fault, as LiteLLM's clients know it.
        param: String,
    },
    /// `{"detail": "..."}`.
    Detail(u16, &'static str),
    /// 405, with what is allowed.
    Method(String),
    /// 422, `{"detail": [...]}`: the body or the query is not of the types it must have.
    Invalid(Vec<Problem>),
}

impl Refusal {
    /// A refusal with all its words; what a caller sent is not repeated at any length.
    pub fn new(status: u16, kind: &'static str, param: impl Into<String>, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > MESSAGE_BYTES_MAX {
            let end = (0..=MESSAGE_BYTES_MAX).rev().find(|end| message.is_char_boundary(*end));
            message.truncate(end.unwrap_or(0));
            message.push_str("...");
        }
        Self::Error { status, message, kind, param: param.into() }
    }

    /// 400: the request is well formed and makes no sense. LiteLLM's message is a Python dictionary, and so is ours.
    pub fn bad(text: impl fmt::Display) -> Self {
        Self::told(400, text)
    }

    /// The same with another status: `{'error': '...'}`.
    pub fn told(status: u16, text: impl fmt::Display) -> Self {
        Self::new(status, "internal_server_error", "None", format!("{{'error': '{text}'}}"))
    }

    /// 422: the body lacks a member.
    pub fn missing(name: &str) -> Self {
        Self::Invalid(vec![body::lacks(name)])
    }

    /// 404 with this message.
    pub fn not_found(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(404, "not_found_error", param, message)
    }

    /// 403: known, and not allowed.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(403, "auth_error", "None", message)
    }

    /// 401: what only an administrator may do.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(401, "auth_error", "None", format!("Authentication Error, {}", message.into()))
    }

    /// 503: it cannot be kept just now. Nothing has changed.
    pub fn unkept(cause: &str) -> Self {
        let text = format!("the change cannot be kept, and nothing has changed: {cause}");
        Self::new(503, "internal_server_error", "None", text)
    }

    /// 503: what is on file cannot be read just now.
    pub fn unread(cause: &str) -> Self {
        Self::new(503, "internal_server_error", "None", format!("what is on file cannot be read: {cause}"))
    }

    /// 500: a bug of ours.
    pub fn ours(cause: impl fmt::Display) -> Self {
        Self::new(500, "internal_server_error", "None", format!("the gateway failed: {cause}"))
    }

    /// The status.
    pub fn status(&self) -> u16 {
        match self {
            Self::Error { status, .. } | Self::Detail(status, _) => *status,
            Self::Method(_) => 405,
            Self::Invalid(_) => 422,
        }
    }

    /// As it is sent.
    pub fn reply(&self) -> Reply {
        let status = self.status();
        let code = status.to_string();
        let written = match self {
            Self::Error { message, kind, param, .. } => {
                Reply::with(status, &Shape { error: Words { message, r#type: kind, param, code: &code } })
            }
            Self::Detail(_, detail) => Reply::with(status, &Detail { detail }),
            Self::Method(_) => Reply::with(status, &Detail { detail: "Method Not Allowed" }),
            Self::Invalid(problems) => Reply::with(status, &Detail { detail: problems }),
        };
        let mut reply = written.unwrap_or_else(|_| Reply { status: 500, body: b"{}".to_vec(), headers: Vec::new() });
        if let Self::Method(allow) = self {
            reply.headers.push(("allow", allow.clone()));
        }
        if status == 503 {
            reply.headers.push(("retry-after", "1".to_owned()));
        }
        reply
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error { message, .. } => out.write_str(message),
            Self::Detail(_, detail) => out.write_str(detail),
            Self::Method(allow) => write!(out, "Method Not Allowed: {allow}"),
            Self::Invalid(problems) => {
                let told: Vec<_> = problems.iter().map(ToString::to_string).collect();
                out.write_str(&told.join("; "))
            }
        }
    }
}

#[derive(Serialize)]
struct Shape<'a> {
    error: Words<'a>,
}

#[derive(Serialize)]
struct Words<'a> {
    message: &'a str,
    r#type: &'a str,
    param: &'a str,
    code: &'a str,
}

#[derive(Serialize)]
struct Detail<T> {
    detail: T,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_the_shapes_that_clients_know() {
        let text = |refusal: Refusal| String::from_utf8(refusal.reply().body).unwrap();
        assert_eq!(
            text(Refusal::bad("no")),
            r#"{"error":{"message":"{'error': 'no'}","type":"internal_server_error","param":"None","code":"400"}}"#
        );
        assert_eq!(text(Refusal::Detail(404, "Not Found")), r#"{"detail":"Not Found"}"#);
        let reply = Refusal::Method("GET".to_owned()).reply();
        assert_eq!((reply.status, reply.headers[0].clone()), (405, ("allow", "GET".to_owned())));
    }
}
