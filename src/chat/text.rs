//! Text and JSON that borrow the client's bytes where they can.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// JSON that is carried as it stands.
pub type Raw<'a> = &'a RawValue;

/// Text: borrowed where the JSON had no escape in it. Unlike `Cow`, it borrows wherever it stands in a structure.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Str<'a>(pub Cow<'a, str>);

impl<'a> Str<'a> {
    /// The text with the life of what it was read from, or its own.
    pub fn into_cow(self) -> Cow<'a, str> {
        self.0
    }
}

impl Deref for Str<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Str<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Str<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Str<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self(text)
    }
}

impl fmt::Display for Str<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl PartialEq<str> for Str<'_> {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl PartialEq<&str> for Str<'_> {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == **other
    }
}

impl Serialize for Str<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Str<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Str<'de>, E> {
                Ok(Str(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Str<'de>, E> {
                Ok(Str(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Str<'de>, E> {
                Ok(Str(Cow::Owned(text)))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Whether a text is one JSON object, as the arguments of a tool call must be for most providers.
pub fn is_json_object(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<Raw<'_>>(text).is_ok()
}

/// A tool call's arguments as a JSON object: an empty text and `null` are an empty object. None if they are anything else.
pub fn object_or_empty(arguments: &str) -> Option<Raw<'_>> {
    let text = match arguments.trim() {
        "" | "null" => "{}",
        text => text,
    };
    serde_json::from_str::<Raw<'_>>(text).ok().filter(|raw| raw.get().starts_with('{'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_borrows_wherever_it_stands() {
        #[derive(serde::Deserialize)]
        struct Holder<'a> {
            #[serde(borrow)]
            text: Option<Str<'a>>,
            #[serde(borrow)]
            list: Vec<Str<'a>>,
        }
        let holder: Holder<'_> = serde_json::from_str(r#"{"text":"plain","list":["a","b\n"]}"#).unwrap();
        assert!(matches!(holder.text, Some(Str(Cow::Borrowed("plain")))));
        assert!(matches!(holder.list[0].0, Cow::Borrowed("a")));
        assert_eq!(holder.list[1], "b\n");
    }

    #[test]
    fn arguments_are_an_object_or_nothing() {
        assert_eq!(object_or_empty("").unwrap().get(), "{}");
        assert_eq!(object_or_empty(" null ").unwrap().get(), "{}");
        assert_eq!(object_or_empty(r#" {"a": 1} "#).unwrap().get(), r#"{"a": 1}"#);
        assert!(
            object_or_empty("[1]").is_none() && object_or_empty("{").is_none() && object_or_empty("{} {}").is_none()
        );
        assert!(is_json_object("{}") && !is_json_object("\"a\""));
    }
}
