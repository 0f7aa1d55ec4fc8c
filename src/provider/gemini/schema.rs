//! JSON Schema in Google's words: whole for models that take it, else the subset of OpenAPI that the API knows.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::chat::{Raw, Str};
use crate::dialect::gemini::{Object, as_value};
use crate::vocabulary::{Fault, Kind};

/// How deep schemas may nest. A schema that refers to itself meets it, too.
const DEPTH_MAX: u32 = 32;
/// The most that a schema may become by putting definitions in the place of references.
const BYTES_MAX: usize = 1024 * 1024;

/// Members of JSON Schema that say nothing about what is allowed, or that Google has no word for and an answer can do without.
const MEANINGLESS: [&str; 24] = [
    "$schema",
    "$id",
    "$anchor",
    "$comment",
    "$defs",
    "definitions",
    "title",
    "examples",
    "example",
    "default",
    "readOnly",
    "writeOnly",
    "deprecated",
    "strict",
    "uniqueItems",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "contentEncoding",
    "contentMediaType",
    "additionalItems",
    "unevaluatedProperties",
    "propertyNames",
    "name",
];

/// Members that are written as they are.
const KEPT: [&str; 12] = [
    "description",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
    "pattern",
    "nullable",
    "propertyOrdering",
];

/// The formats that the API knows.
const FORMATS: [&str; 8] = ["enum", "date-time", "float", "double", "int32", "int64", "date", "time"];

/// A schema in the subset.
///
/// # Errors
/// It says what the subset has no words for: a 400 that names it. `place` is where it stands in the request.
pub(super) fn subset(schema: Raw<'_>, place: &str) -> Result<Box<RawValue>, Fault> {
    let root = Object::read(schema).ok_or_else(|| bad(place, "the schema is not an object"))?;
    let mut writer = Writer { root: &root, place, bytes: 0 };
    let text = writer.schema(&root, false, 0)?;
    RawValue::from_string(text).map_err(|error| bad(place, &error.to_string()))
}

fn bad(place: &str, what: &str) -> Fault {
    Fault::client(Kind::BadRequest, format!("{place}: {what}")).param(place.to_owned())
}

struct Writer<'s, 'a> {
    root: &'s Object<'a>,
    place: &'s str,
    bytes: usize,
}

/// The members of a schema that are being written.
#[derive(Default)]
struct Out(Vec<(&'static str, String)>);

impl Out {
    fn set(&mut self, name: &'static str, value: String) {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value));
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| *known == name)
    }

    fn text(self) -> String {
        let members: Vec<String> = self.0.into_iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

impl Writer<'_, '_> {
    fn no<T>(&self, what: &str) -> Result<T, Fault> {
        Err(bad(
            self.place,
            &format!("{what}, which this model's schemas cannot say: leave it out or use a newer model"),
        ))
    }

    fn schema(&mut self, object: &Object<'_>, nullable: bool, depth: u32) -> Result<String, Fault> {
        if depth > DEPTH_MAX {
            return self.no("the schema nests too deep or refers to itself");
        }
        if let Some(reference) = object.get(&["$ref"]) {
            return self.reference(reference, object, nullable, depth);
        }
        let mut out = Out::default();
        if nullable {
            out.set("nullable", "true".to_owned());
        }
        for (name, value) in object.0.iter().filter(|(_, value)| value.get() != "null") {
            self.member(name, value, &mut out, depth)?;
        }
        if !out.has("type") && out.has("properties") {
            out.set("type", quoted("OBJECT"));
        }
        let text = out.text();
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > BYTES_MAX { self.no("the schema is too long without references") } else { Ok(text) }
    }

    fn reference(&mut self, raw: Raw<'_>, object: &Object<'_>, nullable: bool, depth: u32) -> Result<String, Fault> {
        let reference: Str<'_> = as_value(raw).unwrap_or_default();
        let Some(path) = reference.strip_prefix("#/") else {
            return self.no(&format!("$ref {reference:?} leads elsewhere"));
        };
        let mut found: Option<Object<'_>> = Some(self.root.clone());
        for step in path.split('/') {
            let step = step.replace("~1", "/").replace("~0", "~");
            found = found.and_then(|object| object.get(&[&step])).and_then(Object::read);
        }
        let Some(mut found) = found else { return self.no(&format!("$ref {reference:?} leads nowhere")) };
        // Words beside the reference win over the definition's.
        if let Some(description) = object.get(&["description"]) {
            found.0.retain(|(name, _)| *name != *"description");
            found.0.push(("description".into(), description));
        }
        self.schema(&found, nullable, depth + 1)
    }

    fn member(&mut self, name: &str, value: Raw<'_>, out: &mut Out, depth: u32) -> Result<(), Fault> {
        match name {
            "type" => self.types(value, out)?,
            "enum" => self.choices(&as_value::<Vec<Raw<'_>>>(value).unwrap_or_default(), out),
            "const" => self.choices(&[value], out),
            "format" => {
                let format: Str<'_> = as_value(value).unwrap_or_default();
                if FORMATS.contains(&&*format) {
                    out.set("format", quoted(&format));
                }
            }
            "items" if value.get().starts_with('{') => {
                let items = Object::read(value).unwrap_or_default();
                let text = self.schema(&items, false, depth + 1)?;
                out.set("items", text);
            }
            "items" if matches!(value.get(), "true" | "false") => {}
            "properties" => {
                let mut members = Vec::new();
                for (name, value) in &Object::read(value).unwrap_or_default().0 {
                    let object = Object::read(value).unwrap_or_default();
                    members.push(format!("{}:{}", quoted(name), self.schema(&object, false, depth + 1)?));
                }
                // An object without properties is one of any kind: an empty list is refused.
                if !members.is_empty() {
                    out.set("properties", format!("{{{}}}", members.join(",")));
                }
            }
            "required" if value.get() != "[]" => out.set("required", value.get().to_owned()),
            "required" => {}
            "anyOf" | "oneOf" => self.any_of(value, out, depth)?,
            "allOf" => self.all_of(value, out, depth)?,
            "additionalProperties" | "patternProperties" => {}
            "prefixItems" | "items" => return self.no("a list with a schema for each place"),
            "not" | "if" | "then" | "else" | "dependentSchemas" | "dependentRequired" | "contains" => {
                return self.no(&format!("the schema uses {name:?}"));
            }
            _ if MEANINGLESS.contains(&name) || name.starts_with("x-") => {}
            _ => {
                if let Some(kept) = KEPT.into_iter().find(|kept| *kept == name) {
                    out.set(kept, value.get().to_owned());
                }
            }
        }
        Ok(())
    }

    fn types(&self, value: Raw<'_>, out: &mut Out) -> Result<(), Fault> {
        let types: Vec<Str<'_>> = match as_value::<Str<'_>>(value) {
            Some(one) => vec![one],
            None => as_value(value).unwrap_or_default(),
        };
        let some: Vec<&Str<'_>> = types.iter().filter(|kind| !kind.eq_ignore_ascii_case("null")).collect();
        if some.len() < types.len() && !some.is_empty() {
            out.set("nullable", "true".to_owned());
        }
        match some.as_slice() {
            [] => out.set("type", quoted("NULL")),
            [one] => out.set("type", quoted(&one.to_ascii_uppercase())),
            many => {
                let each = many.iter().map(|kind| format!("{{\"type\":{}}}", quoted(&kind.to_ascii_uppercase())));
                out.set("anyOf", format!("[{}]", each.collect::<Vec<_>>().join(",")));
            }
        }
        Ok(())
    }

    /// Only texts can be listed. Numbers are said in the description instead.
    fn choices(&self, values: &[Raw<'_>], out: &mut Out) {
        let some: Vec<Raw<'_>> = values.iter().copied().filter(|value| value.get() != "null").collect();
        if some.len() < values.len() {
            out.set("nullable", "true".to_owned());
        }
        if some.iter().all(|value| value.get().starts_with('"')) {
            if !out.has("type") {
                out.set("type", quoted("STRING"));
            }
            let list: Vec<&str> = some.iter().map(|value| value.get()).collect();
            out.set("enum", format!("[{}]", list.join(",")));
            return;
        }
        if !out.has("type") {
            let number = some.iter().all(|value| value.get().starts_with(|c: char| c.is_ascii_digit() || c == '-'));
            out.set("type", quoted(if number { "NUMBER" } else { "BOOLEAN" }));
        }
        let list: Vec<&str> = some.iter().map(|value| value.get()).collect();
        if !out.has("description") {
            out.set("description", quoted(&format!("One of {}", list.join(", "))));
        }
    }

    fn any_of(&mut self, value: Raw<'_>, out: &mut Out, depth: u32) -> Result<(), Fault> {
        let all: Vec<Object<'_>> = as_value(value).unwrap_or_default();
        let is_null = |object: &&Object<'_>| object.get(&["type"]).is_some_and(|kind| kind.get() == "\"null\"");
        let some: Vec<&Object<'_>> = all.iter().filter(|object| !is_null(object)).collect();
        let nullable = some.len() < all.len();
        if let [one] = some.as_slice() {
            return self.merge(one, nullable, out, depth);
        }
        if nullable {
            out.set("nullable", "true".to_owned());
        }
        let mut list = Vec::with_capacity(some.len());
        for object in some {
            list.push(self.schema(object, false, depth + 1)?);
        }
        out.set("anyOf", format!("[{}]", list.join(",")));
        Ok(())
    }

    fn all_of(&mut self, value: Raw<'_>, out: &mut Out, depth: u32) -> Result<(), Fault> {
        let all: Vec<Object<'_>> = as_value(value).unwrap_or_default();
        match all.as_slice() {
            [one] => self.merge(one, false, out, depth),
            _ => self.no("the schema uses \"allOf\" of several"),
        }
    }

    /// Puts the only alternative in the place of the list.
    fn merge(&mut self, one: &Object<'_>, nullable: bool, out: &mut Out, depth: u32) -> Result<(), Fault> {
        let text = self.schema(one, nullable, depth + 1)?;
        let inner: Object<'_> = serde_json::from_str(&text).unwrap_or_default();
        const NAMES: [&str; 9] =
            ["type", "format", "items", "properties", "required", "anyOf", "enum", "nullable", "description"];
        for (name, value) in &inner.0 {
            let name = NAMES.into_iter().chain(KEPT).find(|known| *known == &**name);
            if let Some(name) = name.filter(|name| !(*name == "description" && out.has(name))) {
                out.set(name, value.get().to_owned());
            }
        }
        Ok(())
    }
}

/// A schema as it is, for models that take JSON Schema: only what the API stumbles over is taken out.
pub(super) fn whole(schema: Raw<'_>) -> Cow<'_, RawValue> {
    let Some(object) = Object::read(schema) else { return Cow::Borrowed(schema) };
    let odd = |name: &str| matches!(name, "$schema" | "strict");
    if !object.0.iter().any(|(name, _)| odd(name)) {
        return Cow::Borrowed(schema);
    }
    let kept = Object(object.0.into_iter().filter(|(name, _)| !odd(name)).collect());
    serde_json::value::to_raw_value(&kept).map_or(Cow::Borrowed(schema), Cow::Owned)
}

/// Whether a schema describes an object without members: a function without parameters.
pub(super) fn is_empty(schema: Raw<'_>) -> bool {
    let Some(object) = Object::read(schema) else { return true };
    let is_object = object.get(&["type"]).is_none_or(|kind| kind.get().eq_ignore_ascii_case("\"object\""));
    let none = object.get(&["properties"]).and_then(Object::read).is_none_or(|members| members.0.is_empty());
    let others = ["anyOf", "oneOf", "allOf", "$ref", "additionalProperties"];
    is_object && none && object.get(&others).is_none_or(|raw| raw.get() == "false")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Raw<'_> {
        serde_json::from_str(text).unwrap()
    }

    fn written(text: &str) -> String {
        subset(raw(text), "schema").unwrap().get().to_owned()
    }

    #[test]
    fn the_subset_is_written_in_googles_words() {
        for (schema, expected) in [
            (r#"{"type":"object","properties":{}}"#, r#"{"type":"OBJECT"}"#),
            (r#"{"type":["string","null"],"title":"T"}"#, r#"{"nullable":true,"type":"STRING"}"#),
            (r#"{"anyOf":[{"type":"integer"},{"type":"null"}]}"#, r#"{"nullable":true,"type":"INTEGER"}"#),
            (r#"{"const":"a"}"#, r#"{"type":"STRING","enum":["a"]}"#),
            (r#"{"type":"integer","enum":[1,2]}"#, r#"{"type":"INTEGER","description":"One of 1, 2"}"#),
            (
                r##"{"$defs":{"P":{"type":"object","properties":{"x":{"type":"number"}},"additionalProperties":false}},
                    "type":"array","items":{"$ref":"#/$defs/P","description":"d"}}"##,
                r#"{"type":"ARRAY","items":{"type":"OBJECT","properties":{"x":{"type":"NUMBER"}},"description":"d"}}"#,
            ),
        ] {
            assert_eq!(written(schema), expected);
        }
    }

    #[test]
    fn what_it_cannot_say_is_refused_by_name() {
        for (schema, named) in [
            (r#"{"not":{}}"#, "\"not\""),
            (r##"{"$defs":{"A":{"items":{"$ref":"#/$defs/A"}}},"$ref":"#/$defs/A"}"##, "refers to itself"),
            (r##"{"$ref":"#/$defs/B"}"##, "leads nowhere"),
            (r#"{"prefixItems":[]}"#, "for each place"),
        ] {
            let fault = subset(raw(schema), "tools[0].function.parameters").unwrap_err();
            assert!(fault.public.contains(named) && fault.public.starts_with("tools[0]"), "{fault}");
        }
    }

    #[test]
    fn a_bomb_of_references_is_refused() {
        let mut text = String::from(r#"{"$defs":{"d0":{"type":"string"}"#);
        for level in 1..15 {
            let below = level - 1;
            text.push_str(&format!(
                r##","d{level}":{{"type":"object","properties":{{"a":{{"$ref":"#/$defs/d{below}"}},"b":{{"$ref":"#/$defs/d{below}"}}}}}}"##
            ));
        }
        text.push_str(r##"},"$ref":"#/$defs/d14"}"##);
        assert!(subset(raw(&text), "schema").unwrap_err().public.contains("too long"));
    }
}
