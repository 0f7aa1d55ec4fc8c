//! The small types that records are made of.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Whether a value is its type's default: such a member is not written.
pub fn default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A JSON value that is carried and not understood: `metadata`, `permissions`. The default is `null`.
#[derive(Clone)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Takes a JSON text.
    ///
    /// # Errors
    /// It is not JSON.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        RawValue::from_string(text.to_owned()).map(Self)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Whether there is nothing: `null`.
    pub fn is_null(&self) -> bool {
        self.as_str() == "null"
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        self.as_str().starts_with('{')
    }
}

impl Default for Json {
    fn default() -> Self {
        Self(RawValue::NULL.to_owned())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Json(..)")
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(from).map(Self)
    }
}

/// An instant, Unix milliseconds; written as RFC 3339.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl fmt::Display for Moment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(at) => write!(out, "{}", at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")),
            Err(_) => out.write_str("9999-12-31T23:59:59.999Z"),
        }
    }
}

impl Moment {
    /// Reads RFC 3339; a date, or a time without a zone, is taken as UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let utc = || {
            let civil: jiff::civil::DateTime = text.trim_end_matches(" UTC").parse().ok()?;
            civil.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|at| at.timestamp())
        };
        text.parse::<Timestamp>().ok().or_else(utc).map(|at| Self(at.as_millisecond()))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let expected =
            || serde::de::Error::custom(format!("expected a time like 2026-11-21T09:00:00Z, found {text:?}"));
        Self::parse(&text).ok_or_else(expected)
    }
}

/// Who made a record and who changed it last, and when.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stamp {
    /// When it was made.
    #[serde(default, skip_serializing_if = "default")]
    pub created_at: Moment,
    /// By whom: a user's id.
    #[serde(default, skip_serializing_if = "default")]
    pub created_by: Option<String>,
    /// When it was changed last.
    #[serde(default, skip_serializing_if = "default")]
    pub updated_at: Moment,
    /// By whom.
    #[serde(default, skip_serializing_if = "default")]
    pub updated_by: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_read_as_it_is_written() {
        let at = Moment::parse("2026-11-21T09:00:00.25Z").unwrap();
        assert_eq!(at.to_string(), "2026-11-21T09:00:00.250Z");
        assert_eq!(Moment::parse("2026-11-21T10:00:00.250+01:00"), Some(at));
        assert_eq!(Moment::parse("2026-11-21T09:00:00.25"), Some(at), "without a zone: UTC");
        assert_eq!(Moment::parse("2026-11-21 09:00:00.25"), Some(at));
        assert_eq!(Moment::parse("2026-11-21").map(|at| at.to_string()).as_deref(), Some("2026-11-21T00:00:00.000Z"));
        assert_eq!(Moment::parse("soon"), None);
    }

    #[test]
    fn what_is_carried_stays_as_it_is() {
        let json: Json = serde_json::from_str(r#"{"b":1.10,"a":[null]}"#).unwrap();
        assert_eq!((json.as_str(), json.is_object()), (r#"{"b":1.10,"a":[null]}"#, true));
        assert_eq!(serde_json::to_string(&json).unwrap(), json.as_str());
        assert!(Json::default().is_null());
    }
}
