//! Errors that come within a stream.

use serde::Deserialize;

use crate::chat::{Broken, Raw, Str, UpstreamError};
use crate::wire::aws::{BadMessage, Message};

/// What the exceptions mean in HTTP.
const STATUSES: [(&str, u16); 12] = [
    ("accessDeniedException", 403),
    ("conflictException", 400),
    ("internalServerException", 500),
    ("modelErrorException", 424),
    ("modelNotReadyException", 429),
    ("modelStreamErrorException", 424),
    ("modelTimeoutException", 408),
    ("resourceNotFoundException", 404),
    ("serviceQuotaExceededException", 400),
    ("serviceUnavailableException", 503),
    ("throttlingException", 429),
    ("validationException", 400),
];

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Payload<'a> {
    #[serde(borrow)]
    message: Option<Str<'a>>,
    #[serde(borrow, rename = "Message")]
    also: Option<Str<'a>>,
    #[serde(borrow)]
    original_message: Option<Str<'a>>,
    #[serde(borrow)]
    original_status_code: Option<Raw<'a>>,
}

/// The name of an event, if a message is one.
///
/// # Errors
/// It is an exception or an error.
pub(super) fn event(message: &Message) -> Result<Option<&str>, Broken> {
    match message.text(":message-type") {
        Some("exception") => Err(exception(message)),
        Some("error") => Err(error(message)),
        _ => Ok(message.text(":event-type")),
    }
}

fn exception(message: &Message) -> Broken {
    let name = message.text(":exception-type").unwrap_or("exception");
    told(name, &message.payload)
}

/// An exception by its name and what it carries.
pub(super) fn told(name: &str, payload: &[u8]) -> Broken {
    let payload: Payload<'_> = serde_json::from_slice(payload).unwrap_or_default();
    let original = payload.original_status_code.and_then(|raw| raw.get().trim_matches('"').parse::<u16>().ok());
    let known = STATUSES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, status)| *status);
    // A model's own trouble: what the model's server said of it is nearer than 424.
    let status = match (known, original) {
        (Some(424), Some(original @ 400..=599)) => original,
        (known, _) => known.unwrap_or(500),
    };
    let text = payload.message.or(payload.also).filter(|text| !text.is_empty()).or(payload.original_message);
    let message = text.map_or_else(|| name.to_owned(), |text| text.to_string());
    Broken::Upstream(UpstreamError { status, message })
}

/// An error of the framing's own: its words stand in the headers.
fn error(message: &Message) -> Broken {
    let code = message.text(":error-code").unwrap_or("error");
    let known = STATUSES.iter().find(|(known, _)| known.eq_ignore_ascii_case(code));
    let text = message.text(":error-message").unwrap_or(code);
    Broken::Upstream(UpstreamError { status: known.map_or(500, |(_, status)| *status), message: text.to_owned() })
}

/// A message that cannot be read.
pub(super) fn broken(bad: BadMessage) -> Broken {
    match bad {
        BadMessage::TooLong { .. } => Broken::TooLong,
        bad => Broken::Malformed(bad.to_string()),
    }
}
