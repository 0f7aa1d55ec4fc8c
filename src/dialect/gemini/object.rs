//! JSON objects whose members keep their order and their text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::chat::{Raw, Str};

/// An object's members, each value as it stands. Of a key that comes twice, both are here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object<'a>(pub(crate) Vec<(Str<'a>, Raw<'a>)>);

impl<'a> Object<'a> {
    /// Reads an object; None for anything else.
    pub(crate) fn read(raw: Raw<'a>) -> Option<Self> {
        Self::read_str(raw.get())
    }

    /// The same of a text.
    pub(crate) fn read_str(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The value of the first of these keys that is there and not null.
    pub(crate) fn get(&self, names: &[&str]) -> Option<Raw<'a>> {
        let member = self.0.iter().find(|(key, value)| names.contains(&&**key) && !is_null(value));
        member.map(|(_, value)| *value)
    }
}

/// Whether a value is `null`.
pub(crate) fn is_null(value: Raw<'_>) -> bool {
    value.get() == "null"
}

/// Reads a value; None where it is of another kind.
pub(crate) fn as_value<'a, T: Deserialize<'a>>(raw: Raw<'a>) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

/// Reads a list, or one value that stands alone where a list belongs. None where neither fits; `null` is the empty list.
pub(crate) fn one_or_many<'a, T: Deserialize<'a>>(raw: Raw<'a>) -> Result<Vec<T>, serde_json::Error> {
    match raw.get().as_bytes().first() {
        Some(b'[') => serde_json::from_str(raw.get()),
        Some(b'n') => Ok(Vec::new()),
        _ => serde_json::from_str(raw.get()).map(|one| vec![one]),
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}
