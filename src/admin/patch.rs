//! The types that bodies are made of: a member that may be absent, and numbers as clients write them.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use crate::roster::{Json, Moment};
use crate::vocabulary::{KeyHash, PicoUsd};

/// A member of a body: absent leaves a record's as it is, null clears it. Fields of this type are `#[serde(default)]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Patch<T> {
    /// Not there.
    #[default]
    Absent,
    /// Null.
    Null,
    /// A value.
    Set(T),
}

impl<T> Patch<T> {
    /// The value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }

    /// Whether the body has it, as null or with a value.
    pub fn is_given(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    /// Whether the body has a value that is not its type's default.
    pub fn says(&self) -> bool
    where
        T: Default + PartialEq,
    {
        self.value().is_some_and(|value| *value != T::default())
    }

    /// Sets what the body leaves open: what is absent, or null.
    pub fn otherwise(&mut self, value: Option<T>) {
        if let (None, Some(value)) = (self.value(), value) {
            *self = Self::Set(value);
        }
    }

    /// The same, also where the body has its type's default: an empty list says nothing.
    pub fn unless_said(&mut self, value: Option<T>)
    where
        T: Default + PartialEq,
    {
        if let (false, Some(value)) = (self.says(), value) {
            *self = Self::Set(value);
        }
    }

    /// Puts an optional member of a record where the body has it.
    pub fn put<U>(self, into: &mut Option<U>)
    where
        U: From<T>,
    {
        match self {
            Self::Absent => {}
            Self::Null => *into = None,
            Self::Set(value) => *into = Some(value.into()),
        }
    }

    /// Puts a member of a record where the body has it; null stands for its default.
    pub fn fill<U>(self, into: &mut U)
    where
        U: From<T> + Default,
    {
        match self {
            Self::Absent => {}
            Self::Null => *into = U::default(),
            Self::Set(value) => *into = value.into(),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(from)?.map_or(Self::Null, Self::Set))
    }
}

impl<T: JsonSchema> JsonSchema for Patch<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }
}

/// A whole number from zero, also where it is written as `5.0` or `"5"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Count(pub u64);

impl From<Count> for u64 {
    fn from(count: Count) -> Self {
        count.0
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Whole;
        impl Visitor<'_> for Whole {
            type Value = Count;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a whole number from 0")
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Count, E> {
                Ok(Count(count))
            }

            fn visit_i64<E: de::Error>(self, count: i64) -> Result<Count, E> {
                u64::try_from(count).map(Count).map_err(|_| E::invalid_value(de::Unexpected::Signed(count), &self))
            }

            fn visit_f64<E: de::Error>(self, count: f64) -> Result<Count, E> {
                // Beyond 2^53 a float does not say which whole number it is.
                let whole = count.fract() == 0.0 && (0.0..=9_007_199_254_740_992.0).contains(&count);
                if whole { Ok(Count(count as u64)) } else { Err(E::invalid_value(de::Unexpected::Float(count), &self)) }
            }

            fn visit_str<E: de::Error>(self, count: &str) -> Result<Count, E> {
                count.parse().map(Count).map_err(|_| E::invalid_value(de::Unexpected::Str(count), &self))
            }
        }
        from.deserialize_any(Whole)
    }
}

impl JsonSchema for Count {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Count".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0 })
    }
}

/// A JSON object that is carried and not understood.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Object(pub Json);

impl Default for Object {
    /// An empty one: it says nothing.
    fn default() -> Self {
        Self(Json::parse("{}").unwrap_or_default())
    }
}

impl From<Object> for Json {
    fn from(object: Object) -> Self {
        object.0
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(from)?;
        if json.is_object() { Ok(Self(json)) } else { Err(de::Error::custom("invalid type: expected a map")) }
    }
}

impl JsonSchema for Object {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Object".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": true })
    }
}

/// A struct that stands in a body as an object: to serde a list would be one, too.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = Named<T>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a map")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, members: A) -> Result<Named<T>, A::Error> {
                T::deserialize(de::value::MapAccessDeserializer::new(members)).map(Named)
            }
        }
        from.deserialize_map(Members(std::marker::PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

macro_rules! schemas {
    ($($of:ty, $name:literal: $schema:tt;)*) => {
        $(impl JsonSchema for $of {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        })*
    };
}

schemas! {
    PicoUsd, "Dollars": { "type": "number" };
    Moment, "Moment": { "type": "string", "format": "date-time" };
    KeyHash, "KeyHash": { "type": "string", "pattern": "^[0-9a-f]{64}$" };
    Json, "Json": {};
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Body {
        name: Patch<String>,
        count: Patch<Count>,
        more: Patch<Object>,
    }

    fn read(text: &str) -> Result<Body, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn absent_null_and_a_value_are_three_things() {
        let body = read(r#"{"name":null,"count":5}"#).unwrap();
        assert_eq!((&body.name, &body.count, &body.more), (&Patch::Null, &Patch::Set(Count(5)), &Patch::Absent));
        let (mut name, mut count) = (Some("before".to_owned()), 1_u64);
        body.name.put(&mut name);
        body.count.fill(&mut count);
        assert_eq!((name, count), (None, 5));
    }

    #[test]
    fn a_count_is_read_however_a_client_writes_it() {
        for text in ["5", "5.0", "\"5\"", "5e0"] {
            assert_eq!(read(&format!("{{\"count\":{text}}}")).unwrap().count, Patch::Set(Count(5)), "{text}");
        }
        for text in ["-1", "1.5", "\"x\"", "true", "[]", "1e300"] {
            let error = read(&format!("{{\"count\":{text}}}")).unwrap_err();
            assert!(error.contains("expected a whole number"), "{text}: {error}");
        }
        assert!(read(r#"{"more":[1]}"#).unwrap_err().contains("expected a map"));
        assert_eq!(serde_json::from_str::<Named<Body>>("{}").unwrap(), Named(Body::default()));
        assert!(serde_json::from_str::<Named<Body>>("[]").unwrap_err().to_string().contains("expected a map"));
    }
}
