//! JSON Schemas as the API takes them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::chat::Raw;
use crate::json::{self, Span};

/// A schema of a tool's arguments: always of an object.
pub(super) fn of_object<'c>(schema: Option<Raw<'c>>) -> Cow<'c, RawValue> {
    let text = schema.map_or("", RawValue::get);
    let bytes = text.as_bytes();
    let whole = Span { start: 0, end: u32::try_from(bytes.len()).unwrap_or(0) };
    let kind = json::members(bytes, whole).find(|member| member.key.of(bytes) == b"\"type\"");
    match (schema, kind) {
        (Some(schema), Some(_)) => Cow::Borrowed(schema),
        _ => owned(with_type(text)),
    }
}

/// A schema without a type, with one.
fn with_type(text: &str) -> String {
    let inside = text.trim().strip_prefix('{').map(str::trim_start).unwrap_or("}");
    let (comma, properties) = match inside {
        "}" => ("", ",\"properties\":{}"),
        _ => (",", ""),
    };
    format!("{{\"type\":\"object\"{properties}{comma}{inside}")
}

/// JSON that was made here.
pub(super) fn owned<'c>(text: String) -> Cow<'c, RawValue> {
    RawValue::from_string(text).map_or(Cow::Borrowed(RawValue::NULL), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_objects() {
        let of = |text: &'static str| of_object(serde_json::from_str(text).ok()).get().to_owned();
        assert_eq!(of(r#"{"type":"object"}"#), r#"{"type":"object"}"#);
        assert_eq!(of(r#"{ "properties":{} }"#), r#"{"type":"object","properties":{} }"#);
        assert_eq!(of("{}"), r#"{"type":"object","properties":{}}"#);
        assert_eq!(of("true"), r#"{"type":"object","properties":{}}"#);
        assert_eq!(of_object(None).get(), r#"{"type":"object","properties":{}}"#);
    }
}
