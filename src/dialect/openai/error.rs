//! Faults as the OpenAI API answers them, and what providers say about theirs.

use bytes::{BufMut, Bytes, BytesMut};

use crate::json::{self, Cursor, Span};
use crate::vocabulary::{Fault, Kind, Matter, Origin, ScopeKind};

use super::scrub as scrubbing;

/// The most of a provider's message that is passed on, in bytes.
const MESSAGE_BYTES_MAX: usize = 2 * 1024;
/// The most of a provider's error body that is read, in bytes.
const ERROR_BODY_BYTES_MAX: usize = 64 * 1024;

/// How providers say that a request is longer than the model's context window, in lower case.
const TOO_LONG: [&str; 9] = [
    "maximum context length",
    "prompt is too long",
    "context_length_exceeded",
    "context window",
    "context length",
    "input is too long",
    "exceeds the maximum number of tokens",
    "too many tokens",
    "reduce the length of the messages",
];
/// How providers say that their content policy refuses a request, in lower case.
const FORBIDDEN: [&str; 6] = [
    "content_policy_violation",
    "content management policy",
    "content filtering policy",
    "content policy",
    "responsibleaipolicyviolation",
    "rejected as a result of our safety system",
];

/// The status of an answer to this fault; spent budgets answer 422.
pub fn status(fault: &Fault) -> u16 {
    status_with(fault, 422)
}

/// The status of an answer to this fault, with the configured status for spent budgets.
pub fn status_with(fault: &Fault, budget_status: u16) -> u16 {
    match fault.kind {
        Kind::NoKey | Kind::MalformedKey | Kind::UnknownKey | Kind::ExpiredKey | Kind::BlockedKey => 401,
        Kind::NeedsMasterKey => 401,
        Kind::AddressNotAllowed
        | Kind::RouteNotAllowed
        | Kind::Forbidden
        | Kind::ModelNotAllowed
        | Kind::ScopeModelNotAllowed(_)
        | Kind::SwitchedOff => 403,
        Kind::UnknownModel | Kind::BadRequest | Kind::BadJson | Kind::DoubtfulFraming | Kind::PriceUnknown => 400,
        Kind::TooLarge => 413,
        Kind::UnsupportedMedia => 415,
        Kind::NotFound => 404,
        Kind::MethodNotAllowed => 405,
        Kind::ClientTimeout | Kind::UpstreamTimeout => 408,
        Kind::ClientGone => 499,
        Kind::RateLimited => 429,
        Kind::BudgetExceeded => budget_status,
        // What is no error of HTTP is none of the client's either.
        Kind::UpstreamStatus(status @ 400..=599) => status,
        Kind::UpstreamStatus(_) | Kind::UpstreamMalformed => 502,
        Kind::UpstreamConnect | Kind::UpstreamCut | Kind::Internal => 500,
        Kind::ShuttingDown | Kind::Overloaded => 503,
    }
}

/// The `type` of the error object.
fn type_of(fault: &Fault) -> &'static str {
    match fault.kind {
        Kind::NoKey
        | Kind::MalformedKey
        | Kind::BlockedKey
        | Kind::AddressNotAllowed
        | Kind::RouteNotAllowed
        | Kind::Forbidden
        | Kind::NeedsMasterKey => "auth_error",
        Kind::UnknownKey => "token_not_found_in_db",
        Kind::ExpiredKey => "expired_key",
        Kind::ModelNotAllowed => "key_model_access_denied",
        Kind::ScopeModelNotAllowed(scope) => model_access_denied(scope),
        // Not the caller's limit: every deployment of the group rests.
        Kind::RateLimited if fault.origin != Origin::Client => "all_deployments_in_cooldown",
        Kind::RateLimited | Kind::UpstreamStatus(429) => "throttling_error",
        Kind::BudgetExceeded => "budget_exceeded",
        Kind::UpstreamStatus(401) => "authentication_error",
        Kind::UpstreamStatus(403) | Kind::SwitchedOff => "permission_error",
        Kind::UpstreamStatus(400..=499) => "invalid_request_error",
        Kind::UpstreamStatus(_)
        | Kind::UpstreamConnect
        | Kind::UpstreamMalformed
        | Kind::UpstreamCut
        | Kind::ShuttingDown
        | Kind::Overloaded
        | Kind::Internal => "internal_server_error",
        Kind::UnknownModel
        | Kind::BadRequest
        | Kind::BadJson
        | Kind::TooLarge
        | Kind::UnsupportedMedia
        | Kind::NotFound
        | Kind::MethodNotAllowed
        | Kind::DoubtfulFraming
        | Kind::ClientTimeout
        | Kind::ClientGone
        | Kind::PriceUnknown
        | Kind::UpstreamTimeout => "invalid_request_error",
    }
}

fn model_access_denied(scope: ScopeKind) -> &'static str {
    match scope {
        ScopeKind::Team | ScopeKind::TeamMember => "team_model_access_denied",
        ScopeKind::User => "user_model_access_denied",
        ScopeKind::Organization | ScopeKind::OrganizationMember => "org_model_access_denied",
        ScopeKind::Customer => "end_user_model_access_denied",
        ScopeKind::Tag => "tag_model_access_denied",
        ScopeKind::Key | ScopeKind::Provider | ScopeKind::Deployment => "key_model_access_denied",
    }
}

fn param_of(fault: &Fault) -> Option<&str> {
    let known = match fault.kind {
        // A string, not null: LiteLLM's clients know it so.
        _ if type_of(fault) == "auth_error" => Some("None"),
        Kind::UnknownKey => Some("key"),
        Kind::ModelNotAllowed | Kind::ScopeModelNotAllowed(_) => Some("model"),
        Kind::BadJson => Some("request_body"),
        _ => None,
    };
    fault.param.as_deref().or(known)
}

/// The body of an answer to this fault; `status` is what the answer has.
pub fn body(fault: &Fault, status: u16) -> Bytes {
    let mut body = BytesMut::with_capacity(128 + fault.public.len());
    body.put_slice(b"{\"error\":{\"message\":");
    body.put_slice(&json::quote(&fault.public));
    body.put_slice(b",\"type\":\"");
    body.put_slice(type_of(fault).as_bytes());
    body.put_slice(b"\",\"param\":");
    match param_of(fault) {
        Some(param) => body.put_slice(&json::quote(param)),
        None => body.put_slice(b"null"),
    }
    body.put_slice(format!(",\"code\":\"{status}\"}}").as_bytes());
    match fault.kind {
        // LiteLLM answers these two with `detail` alone; here both kinds of clients find their word.
        Kind::NotFound => body.put_slice(b",\"detail\":\"Not Found\"}"),
        Kind::MethodNotAllowed => body.put_slice(b",\"detail\":\"Method Not Allowed\"}"),
        _ => body.put_slice(b"}"),
    }
    body.freeze()
}

/// The fault as the last event of a stream that has begun.
pub fn event(fault: &Fault) -> Bytes {
    let mut event = BytesMut::from(b"data: ".as_slice());
    event.put_slice(&body(fault, status(fault)));
    event.put_slice(b"\n\n");
    event.freeze()
}

/// What a provider's error body says, for people: its message, cut to 2 KiB, not scrubbed yet. None for pages of HTML,
/// for bodies without a message and for what is not text.
pub fn upstream_message(body: &[u8], content_type: Option<&str>) -> Option<String> {
    let body = body.get(..ERROR_BODY_BYTES_MAX).unwrap_or(body).trim_ascii();
    let html = content_type.is_some_and(|kind| kind.to_ascii_lowercase().contains("html"));
    if html || body.is_empty() || body.starts_with(b"<") {
        return None;
    }
    let message = match json::kind(body) {
        Some(json::Kind::Object) => message_in(body, 0)?,
        // Some send a list of one error.
        Some(json::Kind::Array) => {
            let whole = Span { start: 0, end: u32::try_from(body.len()).ok()? };
            message_in(json::elements(body, whole).next()?.of(body), 0)?
        }
        Some(json::Kind::String) => json::as_str(body)?.into_owned(),
        _ => std::str::from_utf8(body).ok()?.to_owned(),
    };
    let end = (0..=MESSAGE_BYTES_MAX.min(message.len())).rev().find(|at| message.is_char_boundary(*at))?;
    message.get(..end).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Looks for `error` (a text, or an object again), `message` and `detail`, in this order.
fn message_in(object: &[u8], depth: u32) -> Option<String> {
    let mut cursor = Cursor::new(object);
    let (mut error, mut message, mut detail) = (None, None, None);
    let mut walk = || {
        cursor.open_object()?;
        while let Some(key) = cursor.key()? {
            let value = cursor.skip()?.of(object);
            match key.of(object) {
                b"\"error\"" => error = Some(value),
                b"\"message\"" => message = Some(value),
                b"\"detail\"" => detail = Some(value),
                _ => {}
            }
        }
        Some(())
    };
    let _as_far_as_it_goes = walk();
    [error, message, detail].into_iter().flatten().find_map(|value| match json::kind(value)? {
        json::Kind::String => json::as_str(value).map(Into::into),
        json::Kind::Object if depth < 3 => message_in(value, depth + 1),
        _ => None,
    })
}

/// A fault for an OpenAI-compatible provider's error answer; see [`upstream_of`].
pub fn upstream(status: u16, message: Option<&str>) -> Fault {
    upstream_of("OpenAIException", status, message)
}

/// A fault for a provider's error answer, worded as LiteLLM words it. `message` must be scrubbed.
pub fn upstream_of(exception: &str, status: u16, message: Option<&str>) -> Fault {
    let message = message.unwrap_or("the provider gave no reason");
    let lower = message.to_ascii_lowercase();
    let any = |needles: &[&str]| needles.iter().any(|needle| lower.contains(needle));
    let matter = match status {
        400 | 413 | 422 if any(&TOO_LONG) => Matter::ContextWindow,
        400 | 403 | 422 if any(&FORBIDDEN) => Matter::ContentPolicy,
        _ => Matter::Other,
    };
    let class = match (matter, status) {
        (Matter::ContextWindow, _) => {
            "litellm.ContextWindowExceededError: litellm.BadRequestError: ContextWindowExceededError"
        }
        (Matter::ContentPolicy, _) => "litellm.BadRequestError: litellm.ContentPolicyViolationError",
        (_, 400 | 422) => "litellm.BadRequestError",
        (_, 401) => "litellm.AuthenticationError: AuthenticationError",
        (_, 404) => "litellm.NotFoundError: NotFoundError",
        (_, 408) => "litellm.Timeout",
        (_, 429) => "litellm.RateLimitError: RateLimitError",
        (_, 502) => "litellm.BadGatewayError: BadGatewayError",
        (_, 503) => "litellm.ServiceUnavailableError: ServiceUnavailableError",
        (_, 500..=599) => "litellm.InternalServerError: InternalServerError",
        _ => "litellm.APIError: APIError",
    };
    Fault::upstream(Kind::UpstreamStatus(status), format!("{class}: {exception} - {message}")).about(matter)
}

/// Removes credentials, in any common encoding, whatever looks like an API key, and control characters.
pub fn scrub(text: &str, secrets: &[&str]) -> String {
    scrubbing::scrub(text, secrets)
}

/// The bytes without credentials; None if there are none in them.
pub(in crate::dialect) fn without_secrets(bytes: &[u8], secrets: &[&str]) -> Option<Bytes> {
    scrubbing::without_secrets(bytes, secrets).map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_looks_as_clients_expect() {
        let fault = Fault::client(Kind::NoKey, "Authentication Error, No api key passed in.");
        assert_eq!(
            body(&fault, status(&fault)),
            r#"{"error":{"message":"Authentication Error, No api key passed in.","type":"auth_error","param":"None","code":"401"}}"#
        );
        let fault = Fault::client(Kind::BudgetExceeded, "spent \"all\"");
        assert_eq!(
            body(&fault, status_with(&fault, 400)),
            r#"{"error":{"message":"spent \"all\"","type":"budget_exceeded","param":null,"code":"400"}}"#
        );
        let fault = Fault::client(Kind::NotFound, "no such path");
        assert_eq!(
            body(&fault, 404),
            r#"{"error":{"message":"no such path","type":"invalid_request_error","param":null,"code":"404"},"detail":"Not Found"}"#
        );
        let fault = Fault::upstream(Kind::UpstreamCut, "broke off");
        assert_eq!(
            event(&fault),
            "data: {\"error\":{\"message\":\"broke off\",\"type\":\"internal_server_error\",\"param\":null,\"code\":\"500\"}}\n\n"
        );
    }

    #[test]
    fn kinds_have_the_status_and_type_of_the_contract() {
        for (fault, status, kind) in [
            (Fault::client(Kind::UnknownKey, ""), 401, "token_not_found_in_db"),
            (Fault::client(Kind::ModelNotAllowed, ""), 403, "key_model_access_denied"),
            (Fault::client(Kind::RateLimited, ""), 429, "throttling_error"),
            (Fault::ours(Kind::RateLimited, ""), 429, "all_deployments_in_cooldown"),
            (Fault::client(Kind::BudgetExceeded, ""), 422, "budget_exceeded"),
            (Fault::client(Kind::UnknownModel, ""), 400, "invalid_request_error"),
            (Fault::upstream(Kind::UpstreamStatus(401), ""), 401, "authentication_error"),
            (Fault::upstream(Kind::UpstreamStatus(403), ""), 403, "permission_error"),
            (Fault::upstream(Kind::UpstreamStatus(404), ""), 404, "invalid_request_error"),
            (Fault::upstream(Kind::UpstreamStatus(429), ""), 429, "throttling_error"),
            (Fault::upstream(Kind::UpstreamStatus(503), ""), 503, "internal_server_error"),
            (Fault::upstream(Kind::UpstreamStatus(302), ""), 502, "internal_server_error"),
            (Fault::upstream(Kind::UpstreamTimeout, ""), 408, "invalid_request_error"),
            (Fault::upstream(Kind::UpstreamConnect, ""), 500, "internal_server_error"),
        ] {
            assert_eq!((super::status(&fault), type_of(&fault)), (status, kind), "{fault}");
        }
    }

    #[test]
    fn a_providers_message_is_found_where_it_puts_it() {
        for (body, message) in [
            (r#"{"error":{"message":"a","type":"x"}}"#, Some("a")),
            (r#"{"error":"b"}"#, Some("b")),
            (r#"{"message":"c","code":400}"#, Some("c")),
            (r#"{"detail":"d"}"#, Some("d")),
            (r#"[{"error":{"code":400,"message":"e"}}]"#, Some("e")),
            (r#"{"error":{"error":{"message":"f"}}}"#, Some("f")),
            ("  plain words\n", Some("plain words")),
            (r#""quoted""#, Some("quoted")),
            ("<html>no</html>", None),
            ("", None),
            ("{}", None),
            (r#"{"error":{"message":""}}"#, None),
            (r#"{"error":{"message":"cut o"#, None),
        ] {
            assert_eq!(upstream_message(body.as_bytes(), None).as_deref(), message, "{body}");
        }
        assert_eq!(upstream_message(b"bad gateway", Some("text/HTML; charset=x")), None);
        let long = format!(r#"{{"error":"{}"}}"#, "\u{e9}".repeat(3000));
        assert_eq!(upstream_message(long.as_bytes(), None).unwrap().len(), MESSAGE_BYTES_MAX);
    }

    #[test]
    fn classes_are_named_as_clients_match_them() {
        for (status, message, text) in [
            (400, "bad", "litellm.BadRequestError: OpenAIException - bad"),
            (429, "slow", "litellm.RateLimitError: RateLimitError: OpenAIException - slow"),
            (
                400,
                "This model's maximum context length is 5",
                "litellm.ContextWindowExceededError: litellm.BadRequestError: ContextWindowExceededError: OpenAIException - This model's maximum context length is 5",
            ),
        ] {
            assert_eq!(upstream(status, Some(message)).public, text);
        }
    }
}
