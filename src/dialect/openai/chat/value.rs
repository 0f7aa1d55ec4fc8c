//! JSON values of a request, each with the place where it stands, so that what is wrong can be said as OpenAI says it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use crate::chat::{Cache, Raw, Str};
use crate::json;
use crate::vocabulary::{Fault, Kind};

/// An object whose members are taken as they stand; others are ignored.
macro_rules! members {
    ($(#[$doc:meta])* $name:ident { $($field:ident),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Default, serde::Deserialize)]
        #[serde(default)]
        pub(super) struct $name<'a> {
            $(#[serde(borrow)] pub(super) $field: Option<crate::chat::Raw<'a>>,)*
        }
    };
}
pub(super) use members;

/// A place in the request: `messages[2].content[0].text`.
#[derive(Clone, Copy, Debug)]
pub(super) enum At<'p> {
    Root(&'p str),
    Key(&'p Self, &'p str),
    Index(&'p Self, usize),
}

impl At<'_> {
    pub(super) const fn key<'q>(&'q self, name: &'q str) -> At<'q> {
        At::Key(self, name)
    }

    pub(super) const fn index(&self, index: usize) -> At<'_> {
        At::Index(self, index)
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(name) => out.write_str(name),
            Self::Key(parent, name) => write!(out, "{parent}.{name}"),
            Self::Index(parent, index) => write!(out, "{parent}[{index}]"),
        }
    }
}

/// What is wrong with the value at this place.
pub(super) fn bad(at: At<'_>, text: impl Into<String>) -> Fault {
    Fault::client(Kind::BadRequest, text.into()).param(at.to_string())
}

/// A value that must be there and is not.
pub(super) fn missing(at: At<'_>) -> Fault {
    bad(at, format!("Missing required parameter: '{at}'."))
}

/// A word that is none of those known here.
pub(super) fn unknown_word(at: At<'_>, found: &str, known: &[&str]) -> Fault {
    let found: String = found.chars().take(64).collect();
    let known = known.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(", ");
    bad(at, format!("Invalid value for '{at}': '{found}'. Supported values are: {known}."))
}

/// A value of the wrong type.
pub(super) fn wrong_type(at: At<'_>, expected: &str, found: Raw<'_>) -> Fault {
    let found = match json::kind(found.get().as_bytes()) {
        Some(json::Kind::Object) => "an object",
        Some(json::Kind::Array) => "an array",
        Some(json::Kind::String) => "a string",
        Some(json::Kind::Number) => "a number",
        Some(json::Kind::Bool) => "a boolean",
        Some(json::Kind::Null) | None => "null",
    };
    bad(at, format!("Invalid type for '{at}': expected {expected}, but got {found} instead."))
}

/// The first byte tells the type.
pub(super) fn is(raw: Raw<'_>, first: u8) -> bool {
    raw.get().as_bytes().first() == Some(&first)
}

pub(super) fn text<'a>(raw: Raw<'a>, at: At<'_>) -> Result<Str<'a>, Fault> {
    serde_json::from_str(raw.get()).map_err(|_| wrong_type(at, "a string", raw))
}

/// A text, if there is one: null is none.
pub(super) fn text_at<'a>(raw: Option<Raw<'a>>, at: At<'_>) -> Result<Option<Str<'a>>, Fault> {
    raw.map(|raw| text(raw, at)).transpose()
}

/// A text that must be there.
pub(super) fn needed_text<'a>(raw: Option<Raw<'a>>, at: At<'_>) -> Result<Str<'a>, Fault> {
    text(raw.ok_or_else(|| missing(at))?, at)
}

/// A text where nothing depends on it: anything else is none.
pub(super) fn text_or_none<'a>(raw: Option<Raw<'a>>) -> Option<Str<'a>> {
    serde_json::from_str(raw?.get()).ok()
}

pub(super) fn boolean(raw: Raw<'_>, at: At<'_>) -> Result<bool, Fault> {
    json::as_bool(raw.get().as_bytes()).ok_or_else(|| wrong_type(at, "a boolean", raw))
}

pub(super) fn boolean_at(raw: Option<Raw<'_>>, at: At<'_>) -> Result<Option<bool>, Fault> {
    raw.map(|raw| boolean(raw, at)).transpose()
}

pub(super) fn count(raw: Raw<'_>, at: At<'_>) -> Result<u64, Fault> {
    json::as_u64(raw.get().as_bytes()).ok_or_else(|| wrong_type(at, "a positive integer", raw))
}

pub(super) fn number<'a>(raw: Raw<'a>, at: At<'_>) -> Result<Raw<'a>, Fault> {
    match json::kind(raw.get().as_bytes()) {
        Some(json::Kind::Number) => Ok(raw),
        _ => Err(wrong_type(at, "a number", raw)),
    }
}

pub(super) fn array<'a>(raw: Raw<'a>, at: At<'_>, of: &str) -> Result<Vec<Raw<'a>>, Fault> {
    serde_json::from_str(raw.get()).map_err(|_| wrong_type(at, of, raw))
}

pub(super) fn object<'a, T: Deserialize<'a>>(raw: Raw<'a>, at: At<'_>) -> Result<T, Fault> {
    if !is(raw, b'{') {
        return Err(wrong_type(at, "an object", raw));
    }
    serde_json::from_str(raw.get()).map_err(|error| bad(at, format!("Invalid value for '{at}': {error}.")))
}

/// An object where nothing depends on it: anything else is empty.
pub(super) fn object_or_empty<'a, T: Deserialize<'a> + Default>(raw: Option<Raw<'a>>) -> T {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default()
}

members! {
    /// `cache_control`.
    CacheControl { ttl }
}

/// `cache_control`: anything but an object is none.
pub(super) fn cache(raw: Option<Raw<'_>>) -> Option<Cache<'_>> {
    let raw = raw.filter(|raw| is(raw, b'{'))?;
    let control: CacheControl<'_> = object_or_empty(Some(raw));
    Some(Cache { ttl: text_or_none(control.ttl) })
}

/// All members of an object in their order.
#[derive(Debug, Default)]
pub(super) struct Members<'a>(pub(super) Vec<(Str<'a>, Raw<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Members<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(All)
    }
}
