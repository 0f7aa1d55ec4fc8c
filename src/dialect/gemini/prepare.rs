//! Gemini's own schemas as JSON Schema: `"type": "OBJECT"` becomes `"type": "object"`, `nullable` a list of types.

use bytes::Bytes;
use serde::Deserialize;

use crate::chat::{Raw, Str};

use super::object::{Object, as_value, is_null};

/// Where schemas in Gemini's form stand.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Schemas<'a> {
    #[serde(borrow)]
    tools: Option<Vec<Tool<'a>>>,
    #[serde(borrow, alias = "generation_config")]
    generation_config: Option<Config<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tool<'a> {
    #[serde(borrow, alias = "function_declarations")]
    function_declarations: Option<Vec<Declaration<'a>>>,
}

#[derive(Default, Deserialize)]
struct Declaration<'a> {
    #[serde(borrow)]
    parameters: Option<Raw<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    #[serde(borrow, alias = "response_schema")]
    response_schema: Option<Raw<'a>>,
}

/// How deep schemas may nest.
const DEPTH_MAX: u32 = 64;

/// The body with its schemas as JSON Schema; None where that changes nothing.
pub(super) fn json_schemas(body: &[u8]) -> Option<Bytes> {
    let schemas: Schemas<'_> = serde_json::from_slice(body).ok()?;
    let declarations = schemas.tools.into_iter().flatten().filter_map(|tool| tool.function_declarations).flatten();
    let parameters = declarations.filter_map(|declaration| declaration.parameters);
    let all = parameters.chain(schemas.generation_config.and_then(|config| config.response_schema));
    let mut edits: Vec<(usize, usize, String)> = all
        .filter_map(|raw| {
            let start = (raw.get().as_ptr() as usize).checked_sub(body.as_ptr() as usize)?;
            let mut changed = false;
            let text = schema(raw, &mut changed, 0)?;
            changed.then_some((start, start + raw.get().len(), text))
        })
        .collect();
    if edits.is_empty() {
        return None;
    }
    edits.sort_by_key(|(start, ..)| *start);
    let mut out = Vec::with_capacity(body.len());
    let mut at = 0;
    for (start, end, text) in edits {
        out.extend_from_slice(body.get(at..start)?);
        out.extend_from_slice(text.as_bytes());
        at = end;
    }
    out.extend_from_slice(body.get(at..)?);
    Some(out.into())
}

const TYPES: [&str; 9] = ["TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL", ""];

/// Writes one schema. None where it cannot be read: it is then left as it is.
fn schema(raw: Raw<'_>, changed: &mut bool, depth: u32) -> Option<String> {
    let object = Object::read(raw).filter(|_| depth < DEPTH_MAX)?;
    let nullable = object.get(&["nullable"]).is_some_and(|raw| raw.get() == "true");
    let mut members: Vec<String> = Vec::with_capacity(object.0.len());
    for (name, value) in &object.0 {
        let written = match &**name {
            "type" => type_of(value, nullable, changed),
            "nullable" => {
                *changed = true;
                continue;
            }
            "propertyOrdering" | "property_ordering" if is_null(value) => continue,
            "items" => schema(value, changed, depth + 1)?,
            "anyOf" | "any_of" => {
                let all: Vec<Raw<'_>> = as_value(value)?;
                let all: Option<Vec<_>> = all.into_iter().map(|raw| schema(raw, changed, depth + 1)).collect();
                format!("[{}]", all?.join(","))
            }
            "properties" => {
                let mut properties = Vec::new();
                for (name, value) in &Object::read(value)?.0 {
                    properties.push(member(name, &schema(value, changed, depth + 1)?)?);
                }
                format!("{{{}}}", properties.join(","))
            }
            "maxItems" | "minItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties" => {
                number(value, changed)
            }
            _ => value.get().to_owned(),
        };
        let name = if **name == *"any_of" { "anyOf" } else { name };
        members.push(member(name, &written)?);
    }
    Some(format!("{{{}}}", members.join(",")))
}

fn member(name: &str, value: &str) -> Option<String> {
    Some(format!("{}:{value}", serde_json::to_string(name).ok()?))
}

fn type_of(raw: Raw<'_>, nullable: bool, changed: &mut bool) -> String {
    let word = match as_value::<usize>(raw) {
        Some(number) => Str::from(TYPES.get(number).copied().unwrap_or_default()),
        None => as_value::<Str<'_>>(raw).unwrap_or_default(),
    };
    let lower = word.to_ascii_lowercase();
    if word.is_empty() || !TYPES.contains(&&*word.to_ascii_uppercase()) || lower == *word && !nullable {
        return raw.get().to_owned();
    }
    *changed = true;
    let word = lower;
    if nullable { format!("[\"{word}\",\"null\"]") } else { format!("\"{word}\"") }
}

/// Counts are strings in Google's JSON of 64-bit numbers.
fn number(raw: Raw<'_>, changed: &mut bool) -> String {
    match as_value::<Str<'_>>(raw).and_then(|text| text.parse::<u64>().ok()) {
        Some(number) => {
            *changed = true;
            number.to_string()
        }
        None => raw.get().to_owned(),
    }
}
