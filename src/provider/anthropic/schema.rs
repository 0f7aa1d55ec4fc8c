//! JSON Schemas as the API takes them.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::chat::Raw;
use crate::dialect::anthropic::ObjectMembers;
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

/// Bounds that a model is not held to: they are said in the description.
const BOUNDS: [&str; 10] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "minProperties",
    "maxProperties",
];
/// Forms of texts that a model is held to.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// A schema that a model can be held to: its objects are closed, and bounds stand in descriptions. None where an object
/// takes members of any name, which cannot be closed.
pub(super) fn closed<'c>(schema: Raw<'c>) -> Option<Cow<'c, RawValue>> {
    let mut changed = false;
    let text = one(schema.get(), &mut changed)?;
    Some(if changed { owned(text) } else { Cow::Borrowed(schema) })
}

/// One schema, and those within it. What is no object stays as it is.
fn one(text: &str, changed: &mut bool) -> Option<String> {
    let Ok(ObjectMembers(members)) = serde_json::from_str::<ObjectMembers<'_>>(text) else {
        return Some(text.to_owned());
    };
    let (mut out, mut object, mut is_closed, mut refers) = (Object::default(), false, false, false);
    let (mut said, mut bounds) = (None, Vec::new());
    for (name, value) in members {
        let value = value.get();
        match &*name {
            "properties" | "$defs" | "definitions" => {
                object |= &*name == "properties";
                out.add(&name, &each(value, changed)?);
            }
            "items" | "anyOf" | "allOf" => out.add(&name, &within(value, changed)?),
            "oneOf" => {
                *changed = true;
                out.add("anyOf", &within(value, changed)?);
            }
            "additionalProperties" if value == "false" => is_closed = true,
            "additionalProperties" => return None,
            "description" => said = serde_json::from_str::<String>(value).ok(),
            "minItems" if matches!(value, "0" | "1") => out.add(&name, value),
            "format" if FORMATS.iter().any(|known| value.trim_matches('"') == *known) => out.add(&name, value),
            "minItems" | "uniqueItems" | "format" => bounds.push(format!("{}: {value}", &*name)),
            _ if BOUNDS.contains(&&*name) => bounds.push(format!("{}: {value}", &*name)),
            _ => {
                refers |= &*name == "$ref";
                object |= &*name == "type" && value.contains("\"object\"");
                out.add(&name, value);
            }
        }
    }
    // Closed where it is defined.
    object &= !refers;
    *changed |= !bounds.is_empty() || object && !is_closed;
    let bounds = bounds.join(", ");
    let said = match said {
        Some(said) if bounds.is_empty() => Some(said),
        Some(said) => Some(format!("{said} ({bounds})")),
        None => (!bounds.is_empty()).then_some(bounds),
    };
    if let Some(said) = said {
        out.add("description", &serde_json::to_string(&said).ok()?);
    }
    if object || is_closed {
        out.add("additionalProperties", "false");
    }
    Some(out.end())
}

/// A schema, or a list of them.
fn within(text: &str, changed: &mut bool) -> Option<String> {
    let Ok(list) = serde_json::from_str::<Vec<Raw<'_>>>(text) else { return one(text, changed) };
    let list: Option<Vec<_>> = list.into_iter().map(|schema| one(schema.get(), changed)).collect();
    Some(format!("[{}]", list?.join(",")))
}

/// Schemas by name.
fn each(text: &str, changed: &mut bool) -> Option<String> {
    let Ok(ObjectMembers(members)) = serde_json::from_str::<ObjectMembers<'_>>(text) else {
        return Some(text.to_owned());
    };
    let mut out = Object::default();
    for (name, schema) in members {
        out.add(&name, &one(schema.get(), changed)?);
    }
    Some(out.end())
}

/// An object while it is written.
#[derive(Default)]
struct Object(String);

impl Object {
    fn add(&mut self, name: &str, json: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push_str(&serde_json::to_string(name).unwrap_or_default());
        self.0.push(':');
        self.0.push_str(json);
    }

    fn end(self) -> String {
        if self.0.is_empty() { "{}".to_owned() } else { self.0 + "}" }
    }
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

    #[test]
    fn objects_are_closed_and_bounds_are_said() {
        let of = |text: &'static str| closed(serde_json::from_str(text).unwrap()).map(|schema| schema.get().to_owned());
        let good = r#"{"type":"object", "properties":{"a":{"type":"string"}},"additionalProperties":false}"#;
        assert_eq!(of(good).unwrap(), good);
        let open = r##"{"type":"object","properties":{"minimum":{"type":"integer","minimum":1,"description":"n"},"l":{"type":"array","items":{"$ref":"#/$defs/x"},"maxItems":3}},"$defs":{"x":{"oneOf":[{"type":"object","properties":{}},{"type":"null"}]}},"required":["l"]}"##;
        let expected = r##"{"type":"object","properties":{"minimum":{"type":"integer","description":"n (minimum: 1)"},"l":{"type":"array","items":{"$ref":"#/$defs/x"},"description":"maxItems: 3"}},"$defs":{"x":{"anyOf":[{"type":"object","properties":{},"additionalProperties":false},{"type":"null"}]}},"required":["l"],"additionalProperties":false}"##;
        assert_eq!(of(open).unwrap(), expected);
        assert_eq!(of(r#"{"type":"object","additionalProperties":{"type":"string"}}"#), None);
        assert_eq!(of("true").unwrap(), "true");
    }
}
