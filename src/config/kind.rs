//! The types a key may have: what is accepted, and how that is said.

use std::time::Duration;

use super::routing::{EXCEPTIONS, Hedge};
use super::value;
use super::yaml::{Node, Value};
use crate::vocabulary::PicoUsd;

/// The largest budget or price that is not a typing error.
const DOLLARS_MAX: PicoUsd = PicoUsd::dollars(1_000_000_000_000);
/// The largest weight.
const WEIGHT_MILLI_MAX: u64 = 1_000_000_000;

/// The type of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A map with keys of its own in the table.
    Section,
    /// A list of such maps.
    Sections,
    /// One line of text.
    Text,
    /// A credential: text, `os.environ/NAME` or `file:PATH`. Never shown.
    Secret,
    /// True or false.
    Bool,
    /// A whole number in a range.
    Count {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A whole number of either sign, to a million.
    Integer,
    /// A number from zero, to three places.
    Weight,
    /// A length of time above zero, up to so many seconds.
    Seconds {
        /// Whether zero is a value too.
        zero: bool,
        /// The most.
        max: u64,
    },
    /// Dollars of at least zero.
    Dollars,
    /// When a budget starts anew.
    Window,
    /// RFC 3339.
    Instant,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// A list of texts.
    Names,
    /// One text, or a list of them.
    NameOrNames,
    /// Logging integrations: a name or a list of names.
    Callbacks,
    /// A routing strategy.
    Strategy,
    /// A list of `optional_pre_call_checks`.
    Checks,
    /// A map of model groups to such lists.
    ChecksOf,
    /// A model or group name, possibly with `*`.
    Model,
    /// `http://` or `https://`.
    Url,
    /// The name of a header.
    HeaderName,
    /// A map of header names to values.
    Headers,
    /// A list of addresses and networks.
    Networks,
    /// A map of model names to whole numbers.
    Counts,
    /// A map of names to parts of a whole, from 0 to 1.
    Parts,
    /// A map of names to parts, or to `{percentage, fixed_amount}`.
    Margins,
    /// A map of names to budgets, each in LiteLLM's words or in ours.
    Budgets,
    /// A map of names to models, or to `{model, hidden}`.
    Aliases,
    /// A map of names to models.
    Renames,
    /// A list of maps of a model group to the groups to go on to.
    Fallbacks,
    /// A map of LiteLLM's exceptions, each with this suffix, to whole numbers.
    Exceptions(&'static str),
    /// A map of model groups to such maps.
    ExceptionsOf(&'static str),
    /// When a second deployment is asked.
    Hedge,
    /// True, false, or the path of a CA bundle.
    TlsVerify,
    /// The path of a file.
    File,
    /// The name of a time zone.
    Timezone,
    /// 64 hexadecimal digits.
    Hash,
    /// A map of anything, carried as JSON.
    Object,
    /// Anything, carried as JSON.
    Any,
}

impl Kind {
    /// Whether a value that is not null is acceptable.
    pub(super) fn accepts(self, node: &Node) -> bool {
        match self {
            Self::Section | Self::Object => is_map(node),
            Self::Sections => is_list(node),
            Self::Text => node.text().is_some_and(value::is_line),
            Self::Secret => node.text().is_some_and(value::is_line),
            Self::Bool => node.bool().is_some(),
            Self::Count { min, max } => value::count(node).is_some_and(|count| (min..=max).contains(&count)),
            Self::Integer => value::integer(node).is_some_and(|number| number.abs() <= 1_000_000),
            Self::Weight => value::milli(node).is_some_and(|milli| milli <= WEIGHT_MILLI_MAX),
            Self::Seconds { zero, max } => value::duration(node)
                .is_some_and(|time| (zero || time > Duration::ZERO) && time <= Duration::from_secs(max)),
            Self::Dollars => value::dollars(node).is_some_and(|amount| amount <= DOLLARS_MAX),
            Self::Window => value::window(node).is_some(),
            Self::Instant => value::instant_ms(node).is_some(),
            Self::Choice(words) => node.text().is_some_and(|text| words.contains(&text)),
            Self::Names => value::names(node).is_some(),
            Self::NameOrNames => value::name_or_names(node).is_some(),
            Self::Callbacks => node.text().is_some() || value::names(node).is_some(),
            Self::Strategy => node.text().is_some(),
            Self::Checks => value::names(node).is_some(),
            Self::ChecksOf => is_map(node) && node.entries().iter().all(|entry| value::names(&entry.value).is_some()),
            Self::Model => value::model_name(node).is_some(),
            Self::Url => value::url(node).is_some(),
            Self::HeaderName => node.text().and_then(value::header_name).is_some(),
            Self::Headers => is_map(node) && node.entries().iter().all(|entry| header(&entry.key, &entry.value)),
            Self::Networks => is_list(node) && node.items().iter().all(|item| value::network(item).is_some()),
            Self::Counts => is_map(node) && node.entries().iter().all(|entry| value::count(&entry.value).is_some()),
            Self::Parts => is_map(node) && node.entries().iter().all(|entry| value::part(&entry.value).is_some()),
            Self::Margins => is_map(node) && node.entries().iter().all(|entry| value::margin(&entry.value).is_some()),
            Self::Budgets => is_map(node) && node.entries().iter().all(|entry| value::budget(&entry.value).is_some()),
            Self::Aliases => is_map(node) && node.entries().iter().all(|entry| alias(&entry.value)),
            Self::Renames => is_map(node) && node.entries().iter().all(|entry| entry.value.text().is_some()),
            Self::Fallbacks => is_fallbacks(node),
            Self::Exceptions(suffix) => exceptions(node, suffix),
            Self::ExceptionsOf(suffix) => {
                is_map(node) && node.entries().iter().all(|entry| exceptions(&entry.value, suffix))
            }
            Self::Hedge => is_map(node) && node.entries().iter().all(|entry| hedge(&entry.key, &entry.value)),
            Self::TlsVerify => node.text().is_some_and(|text| !text.is_empty() && value::is_line(text)),
            Self::File => node.text().is_some_and(|text| !text.is_empty() && value::is_line(text)),
            Self::Timezone => node.text().is_some_and(|text| jiff::tz::TimeZone::get(text).is_ok()),
            Self::Hash => node.text().is_some_and(|text| crate::vocabulary::KeyHash::parse(text).is_some()),
            Self::Any => true,
        }
    }

    /// What is accepted, to stand after "expected".
    pub fn expected(self) -> String {
        match self {
            Self::Count { min, max } => format!("a whole number from {min} to {max}"),
            Self::Seconds { zero: false, max } => format!("seconds like 30 or 0.5, or 5m, above 0 and up to {max} s"),
            Self::Seconds { zero: true, max } => format!("seconds like 30 or 0.5, or 5m, from 0 to {max} s"),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Exceptions(suffix) => {
                format!(
                    "a map like {{RateLimitError{suffix}: 3}} of LiteLLM's exceptions to whole numbers up to 100000"
                )
            }
            Self::ExceptionsOf(suffix) => {
                format!("a map of model groups to maps like {{RateLimitError{suffix}: 3}}")
            }
            _ => String::from(self.expected_text()),
        }
    }

    const fn expected_text(self) -> &'static str {
        match self {
            Self::Section | Self::Object => "a map of keys and values",
            Self::Sections => "a list of maps",
            Self::Text => "one line of text",
            Self::Secret => "a credential: one line of text, os.environ/NAME or file:PATH",
            Self::Bool => "true or false",
            Self::Integer => "a whole number from -1000000 to 1000000",
            Self::Weight => "a number from 0 to 1000000",
            Self::Dollars => "dollars like 25.00",
            Self::Window => "a window like 30s, 5m, 2h, 1d, 1w, 1mo, or hourly, daily, weekly, monthly",
            Self::Instant => "an instant in RFC 3339 like 2030-01-31T00:00:00Z",
            Self::Names => "a list of texts like [a, b]",
            Self::NameOrNames => "a text, or a list of texts like [a, b]",
            Self::Callbacks => "a name or a list of names",
            Self::Strategy => "the name of a routing strategy",
            Self::Checks => "a list like [session_affinity, prompt_caching, deployment_affinity]",
            Self::ChecksOf => "a map of model groups to lists like [prompt_caching]",
            Self::Model => "a model name: 1 to 256 printable bytes without empty or dot segments",
            Self::Url => "a URL like https://host/v1",
            Self::HeaderName => "the name of a header that does not frame the message",
            Self::Headers => "a map of header names to one-line values",
            Self::Networks => "a list of addresses and networks like [192.0.2.7, 10.0.0.0/8]",
            Self::Counts => "a map of model names to whole numbers",
            Self::Parts => "a map of names to parts from 0 to 1, like {openai: 0.05}",
            Self::Margins => {
                "a map of names to parts like 0.1, up to 1000, or to {percentage: 0.1, fixed_amount: 0.0005}"
            }
            Self::Budgets => "a map of names to budgets like {budget_limit: 500.00, time_period: 1d}",
            Self::Aliases => "a map of names to model names or to {model: NAME, hidden: true}",
            Self::Renames => "a map of names to model names",
            Self::Fallbacks => {
                "a list like [{example-chat: [example-other]}] of model groups and the groups to go on to"
            }
            Self::Hedge => {
                "a map like {percentile: 0.95, min_ms: 100, max_percent: 5}, the percentile above 0 and below 1, min_ms up to \
                 3600000, max_percent up to 100"
            }
            Self::TlsVerify => "true, false or the path of a CA bundle",
            Self::File => "the path of a file",
            Self::Timezone => "the name of a time zone the system knows, like Europe/Berlin",
            Self::Hash => "the SHA-256 of the key in 64 hexadecimal digits",
            Self::Exceptions(_) | Self::ExceptionsOf(_) => "a map",
            Self::Any | Self::Count { .. } | Self::Seconds { .. } | Self::Choice(_) => "any value",
        }
    }

    /// Whether values must never be repeated in a message.
    pub(super) const fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::Hash | Self::Headers | Self::Object | Self::Any)
    }

    /// A word for the reference.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Section => "map",
            Self::Sections => "list of maps",
            Self::Text | Self::Choice(_) | Self::Strategy | Self::Timezone => "text",
            Self::Secret => "credential",
            Self::Bool => "bool",
            Self::Count { .. } | Self::Integer => "whole number",
            Self::Weight => "number",
            Self::Seconds { .. } => "seconds",
            Self::Dollars => "dollars",
            Self::Window => "window",
            Self::Instant => "instant",
            Self::Names | Self::NameOrNames | Self::Callbacks | Self::Checks | Self::Networks | Self::Fallbacks => {
                "list"
            }
            Self::Exceptions(_) | Self::ExceptionsOf(_) => "map",
            Self::Model => "model name",
            Self::Url => "URL",
            Self::HeaderName => "header name",
            Self::Headers | Self::Counts | Self::Budgets | Self::Aliases | Self::Renames => "map",
            Self::Parts | Self::Margins => "map",
            Self::Object | Self::ChecksOf | Self::Hedge => "map",
            Self::TlsVerify => "bool or path",
            Self::File => "path",
            Self::Hash => "SHA-256",
            Self::Any => "any",
        }
    }
}

fn is_map(node: &Node) -> bool {
    matches!(node.value, Value::Map(_))
}

fn is_list(node: &Node) -> bool {
    matches!(node.value, Value::List(_))
}

fn header(name: &str, node: &Node) -> bool {
    value::header_name(name).is_some() && (node.is_null() || node.text().is_some_and(value::is_line))
}

fn is_fallbacks(node: &Node) -> bool {
    let lists = |map: &Node| is_map(map) && map.entries().iter().all(|entry| value::names(&entry.value).is_some());
    match &node.value {
        Value::List(items) => items.iter().all(lists),
        _ => lists(node),
    }
}

/// Null stands for a number that is not given.
fn exceptions(node: &Node, suffix: &str) -> bool {
    let known = |name: &str| match name.strip_suffix(suffix) {
        Some("Default") => suffix == "Retries",
        exception => exception.is_some_and(|exception| EXCEPTIONS.contains(&exception)),
    };
    let counts = |node: &Node| node.is_null() || value::count(node).is_some_and(|count| count <= 100_000);
    is_map(node) && node.entries().iter().all(|entry| known(&entry.key) && counts(&entry.value))
}

fn hedge(name: &str, node: &Node) -> bool {
    match name {
        "percentile" => value::milli(node).is_some_and(|share| (1..1000).contains(&share)),
        "min_ms" => value::count(node).is_some_and(|count| count <= Hedge::MIN_MS_MAX),
        "max_percent" => value::count(node).is_some_and(|count| count <= Hedge::PERCENT_MAX),
        _ => false,
    }
}

fn alias(node: &Node) -> bool {
    let hidden = node.at("hidden").is_none_or(|hidden| hidden.bool().is_some());
    value::model_name(node).is_some() || hidden && node.at("model").and_then(value::model_name).is_some()
}
