//! What a check of the configuration found, each with its place. No credential ever stands in one.

use std::collections::HashSet;
use std::fmt;

use serde::Serialize;

use super::scalar;
use super::yaml::{Node, Place, Value};

/// The longest part of a value or key that a message repeats.
const SHOWN_CHARS_MAX: usize = 60;

/// What became of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Understood and in effect.
    Supported,
    /// Known to LiteLLM, without effect here yet.
    Ignored,
    /// In effect, or unknown, but probably not what was meant.
    Warning,
    /// Cannot be honoured here, and going on without it would be wrong.
    Refused,
    /// Wrong; the configuration is not used.
    Error,
}

impl Status {
    /// The word that `check` prints.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::Ignored => "ignored",
            Self::Warning => "warning",
            Self::Refused => "refused",
            Self::Error => "error",
        }
    }

    /// Whether a configuration with such a finding must not be used.
    pub const fn is_fatal(self) -> bool {
        matches!(self, Self::Refused | Self::Error)
    }
}

/// One thing that was found, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file as it was named.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// The whole path of the key, e.g. `model_list[2].litellm_params.rpm`. Empty where it concerns the file.
    pub key: String,
    /// What became of it.
    pub status: Status,
    /// Why, and what to do next.
    pub reason: String,
}

impl Finding {
    /// A finding at a place.
    pub(super) fn new(status: Status, place: &Place, key: &str, reason: impl Into<String>) -> Self {
        let file = place.file.to_string();
        Self { file, line: place.line, column: place.column, key: key.to_owned(), status, reason: reason.into() }
    }

    /// An error at a place.
    pub(super) fn error(place: &Place, key: &str, reason: impl Into<String>) -> Self {
        Self::new(Status::Error, place, key, reason)
    }
}

/// Prints `file:line: key: reason`.
impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: ", self.file, self.line)?;
        if !self.key.is_empty() {
            write!(out, "{}: ", self.key)?;
        }
        out.write_str(&self.reason)
    }
}

/// Everything that was found, in file order as far as it was read in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// One per key, and more where a key has several things to say.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Notes a finding.
    pub(super) fn push(&mut self, status: Status, place: &Place, key: &str, reason: impl Into<String>) {
        self.findings.push(Finding::new(status, place, key, reason));
    }

    /// Notes an error.
    pub(super) fn error(&mut self, place: &Place, key: &str, reason: impl Into<String>) {
        self.push(Status::Error, place, key, reason);
    }

    /// Notes a warning.
    pub(super) fn warn(&mut self, place: &Place, key: &str, reason: impl Into<String>) {
        self.push(Status::Warning, place, key, reason);
    }

    /// Whether the configuration must not be used.
    pub fn is_fatal(&self) -> bool {
        self.findings.iter().any(|finding| finding.status.is_fatal())
    }

    /// How many findings have a status.
    pub fn count(&self, status: Status) -> usize {
        self.findings.iter().filter(|finding| finding.status == status).count()
    }

    /// The findings an operator should read at start: all but the supported keys.
    pub fn notable(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.status != Status::Supported)
    }

    /// Drops "supported" from keys that have something else said about them.
    pub(super) fn settle(&mut self) {
        let noted: HashSet<String> = self.notable().map(|finding| finding.key.clone()).collect();
        self.findings.retain(|finding| finding.status != Status::Supported || !noted.contains(&finding.key));
    }
}

/// A map's key as a message may repeat it: short, printable, and no credential that slipped there.
pub(super) fn shown_key(key: &str) -> String {
    if looks_secret(key) {
        return String::from("(hidden)");
    }
    let simple = key.chars().all(|c| !c.is_control() && !c.is_whitespace());
    if simple && key.chars().count() <= SHOWN_CHARS_MAX { key.to_owned() } else { quoted(key) }
}

/// A value as a message may repeat it. Values that came from the environment are named, not shown.
pub(super) fn shown_value(node: &Node) -> String {
    if let Some(variable) = &node.variable {
        return format!("the value of the environment variable {}", shown_key(variable));
    }
    match &node.value {
        Value::List(_) => String::from("a list"),
        Value::Map(_) => String::from("a map"),
        Value::Scalar { .. } if node.is_null() => String::from("nothing"),
        Value::Scalar { text, .. } if looks_secret(text) => String::from("a text (hidden)"),
        Value::Scalar { text, plain: true } if scalar::number(text).is_some() => text.clone(),
        Value::Scalar { text, .. } => quoted(text),
    }
}

/// The start of a text. An unclosed quote swallows the lines after it, so nothing is shown from the next key on.
fn quoted(text: &str) -> String {
    let end = text.find(": ").into_iter().chain(text.find(char::is_control)).min().unwrap_or(text.len());
    let start: String = text[..end].chars().take(SHOWN_CHARS_MAX).collect();
    let more = if start.len() < text.len() { "..." } else { "" };
    format!("\"{}{more}\"", start.escape_debug())
}

/// Long runs of letters and digits, anything that begins like a key, and URLs that may carry one.
fn looks_secret(text: &str) -> bool {
    let run = |part: &str| part.len() >= 24 && part.bytes().any(|b| b.is_ascii_digit());
    text.contains("sk-") || text.split(|c: char| !c.is_ascii_alphanumeric()).any(run) || text.contains(['@', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { file: "conf/config.yaml".into(), line: 31, column: 3 }
    }

    #[test]
    fn a_finding_says_where_what_and_why() {
        let reason = "expected dollars like 25.00, found \"25,00\"";
        let finding = Finding::error(&place(), "general_settings.max_budget", reason);
        assert_eq!(
            finding.to_string(),
            "conf/config.yaml:31: general_settings.max_budget: expected dollars like 25.00, found \"25,00\""
        );
    }

    #[test]
    fn what_looks_like_a_credential_is_not_repeated() {
        for text in ["sk-abcdefgh", "gsk_0123456789012345678901234567", "http://user:pw@host"] {
            let node = Node { value: Value::Scalar { text: text.into(), plain: true }, place: place(), variable: None };
            assert!(!shown_value(&node).contains(text), "{text}");
            assert!(!shown_key(text).contains(text), "{text}");
        }
    }

    #[test]
    fn a_key_with_something_to_say_is_not_also_supported() {
        let mut report = Report::default();
        report.push(Status::Supported, &place(), "a", "");
        report.push(Status::Supported, &place(), "b", "");
        report.warn(&place(), "a", "hm");
        report.settle();
        assert_eq!(report.findings.len(), 2);
    }
}
