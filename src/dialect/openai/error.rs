//! Faults as the OpenAI API answers them, and what providers say about theirs.

use bytes::Bytes;

use crate::vocabulary::Fault;

/// The status of an answer to this fault; spent budgets answer 422.
pub fn status(fault: &Fault) -> u16 {
    status_with(fault, 422)
}

/// The status of an answer to this fault, with the configured status for spent budgets.
pub fn status_with(_fault: &Fault, budget_status: u16) -> u16 {
    budget_status
}

/// The body of an answer to this fault; `status` is what the answer has.
pub fn body(_fault: &Fault, _status: u16) -> Bytes {
    Bytes::new()
}

/// The fault as the last event of a stream that has begun.
pub fn event(_fault: &Fault) -> Bytes {
    Bytes::new()
}

/// What a provider's error body says, for people: its message, cut to 2 KiB. None for pages of HTML and the like.
pub fn upstream_message(_body: &[u8], _content_type: Option<&str>) -> Option<String> {
    None
}

/// A fault for a provider's error answer, worded as LiteLLM words it.
pub fn upstream(status: u16, message: Option<&str>) -> Fault {
    Fault::upstream(crate::vocabulary::Kind::UpstreamStatus(status), message.unwrap_or_default().to_owned())
}

/// Removes credentials, in any common encoding, and control characters.
pub fn scrub(text: &str, _secrets: &[&str]) -> String {
    text.to_owned()
}
