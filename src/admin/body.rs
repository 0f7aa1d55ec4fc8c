//! From bytes to a typed body: strict JSON, and a word on every value that has the wrong type.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use schemars::JsonSchema;
use serde::de::{self, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_path_to_error::Segment;

use super::reply::Refusal;

/// The largest body that is read.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Values beyond it are not repeated in an answer.
const INPUT_BYTES_MAX: usize = 1024;

/// One value of the wrong type, as pydantic tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    /// A word for what is wrong.
    pub r#type: &'static str,
    /// Where: `body` or `query`, then names and places.
    pub loc: Vec<Step>,
    /// A sentence.
    pub msg: String,
    /// What was found.
    pub input: Input,
}

/// One step on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Step {
    /// A member's name.
    Name(String),
    /// A place in a list.
    Place(usize),
}

/// What was found, repeated as it came.
#[derive(Clone, Debug, Default)]
pub struct Input(Option<Box<RawValue>>);

impl PartialEq for Input {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_deref().map(RawValue::get) == other.0.as_deref().map(RawValue::get)
    }
}

impl Eq for Input {}

impl Serialize for Input {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl JsonSchema for Input {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Input".into()
    }

    fn json_schema(_generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::Schema::default()
    }
}

impl Input {
    /// A text.
    pub fn text(text: &str) -> Self {
        let quoted = serde_json::to_string(text).ok();
        Self(quoted.filter(|text| text.len() <= INPUT_BYTES_MAX).and_then(|text| RawValue::from_string(text).ok()))
    }

    fn raw(value: &RawValue) -> Self {
        Self((value.get().len() <= INPUT_BYTES_MAX).then(|| value.to_owned()))
    }
}

/// Reads a body.
///
/// # Errors
/// It is no JSON, names a member twice, or a value has the wrong type.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    if body.trim_ascii().is_empty() {
        return Err(Refusal::Invalid(vec![missing(vec![Step::Name("body".to_owned())], Input::default())]));
    }
    let text = std::str::from_utf8(body).map_err(|error| no_json(&error))?;
    serde_json::from_str::<Strict>(text).map_err(|error| no_json(&error))?;
    // To serde a list is a struct without names.
    if !text.trim_start().starts_with('{') {
        let found = serde_json::from_str::<&RawValue>(text).map(Input::raw).unwrap_or_default();
        let (r#type, msg) = pydantic("expected struct Body");
        return Err(Refusal::Invalid(vec![Problem {
            r#type,
            loc: vec![Step::Name("body".to_owned())],
            msg,
            input: found,
        }]));
    }
    let mut from = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut from);
    read.map_err(|error| Refusal::Invalid(vec![problem(&error, text)]))
}

fn no_json(error: &dyn fmt::Display) -> Refusal {
    Refusal::new(400, "invalid_request_error", "request_body", format!("Invalid JSON payload: {error}"))
}

/// A member that must be there and is not.
fn missing(loc: Vec<Step>, input: Input) -> Problem {
    Problem { r#type: "missing", loc, msg: "Field required".to_owned(), input }
}

/// The body lacks a member.
pub(super) fn lacks(name: &str) -> Problem {
    missing(["body", name].map(|name| Step::Name(name.to_owned())).to_vec(), Input::default())
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.loc {
            match step {
                Step::Name(name) => write!(out, "{name}: ")?,
                Step::Place(place) => write!(out, "{place}: ")?,
            }
        }
        out.write_str(&self.msg)
    }
}

fn problem(error: &serde_path_to_error::Error<serde_json::Error>, text: &str) -> Problem {
    let mut loc = vec![Step::Name("body".to_owned())];
    loc.extend(error.path().iter().filter_map(|segment| match segment {
        Segment::Seq { index } => Some(Step::Place(*index)),
        Segment::Map { key } => Some(Step::Name(key.clone())),
        Segment::Enum { .. } | Segment::Unknown => None,
    }));
    let whole = serde_json::from_str::<&RawValue>(text).ok();
    let input = whole.and_then(|whole| follow(whole, loc.get(1..).unwrap_or_default()));
    let input = input.map(|found| Input::raw(&found)).unwrap_or_default();
    let said = error.inner().to_string();
    if let Some(name) = said.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        loc.push(Step::Name(name.to_owned()));
        return missing(loc, input);
    }
    let (r#type, msg) = pydantic(&said);
    Problem { r#type, loc, msg, input }
}

/// Pydantic's word and sentence for what serde says.
fn pydantic(said: &str) -> (&'static str, String) {
    let said = said.rsplit_once(" at line ").map_or(said, |(said, _)| said);
    let expected = said.rsplit_once("expected ").map_or("", |(_, expected)| expected);
    let is_text = said.starts_with("invalid type: string") || said.starts_with("invalid value: string");
    let known = match expected {
        "a string" => ("string_type", "Input should be a valid string"),
        "a boolean" if is_text => ("bool_parsing", "Input should be a valid boolean, unable to interpret input"),
        "a boolean" => ("bool_type", "Input should be a valid boolean"),
        "a whole number from 0" if said.starts_with("invalid value: integer") => {
            ("greater_than_equal", "Input should be greater than or equal to 0")
        }
        "a whole number from 0" if is_text => {
            ("int_parsing", "Input should be a valid integer, unable to parse string as an integer")
        }
        "a whole number from 0" if said.starts_with("invalid value: floating") => {
            ("int_from_float", "Input should be a valid integer, got a number with a fractional part")
        }
        "a whole number from 0" => ("int_type", "Input should be a valid integer"),
        "a number of dollars" => ("float_type", "Input should be a valid number"),
        "a sequence" => ("list_type", "Input should be a valid list"),
        "a map" => ("dict_type", "Input should be a valid dictionary"),
        _ if said.starts_with("expected dollars") => {
            ("float_parsing", "Input should be a valid number, unable to parse string as a number")
        }
        _ if said.starts_with("expected a time") => ("datetime_parsing", "Input should be a valid datetime"),
        _ if expected.starts_with("struct ") => ("model_attributes_type", "Input should be a valid dictionary"),
        _ if said.starts_with("unknown variant") => return ("literal_error", format!("Input should be {expected}")),
        _ => return ("value_error", said.to_owned()),
    };
    (known.0, known.1.to_owned())
}

/// The value at the end of a way.
fn follow(value: &RawValue, way: &[Step]) -> Option<Box<RawValue>> {
    let Some((step, rest)) = way.split_first() else { return Some(value.to_owned()) };
    match step {
        Step::Name(name) => {
            let members: BTreeMap<std::borrow::Cow<'_, str>, &RawValue> = serde_json::from_str(value.get()).ok()?;
            follow(members.get(name.as_str())?, rest)
        }
        Step::Place(place) => {
            let elements: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
            follow(elements.get(*place)?, rest)
        }
    }
}

/// Any JSON in which no object names a member twice: what is checked is what everybody else reads, too.
struct Strict;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Strict;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_str<E>(self, _: &str) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_unit<E>(self) -> Result<Strict, E> {
        Ok(Strict)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Strict, A::Error> {
        while elements.next_element::<Strict>()?.is_some() {}
        Ok(Strict)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Strict, A::Error> {
        let mut seen = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            members.next_value::<Strict>()?;
            if let Some(twice) = seen.replace(name) {
                let shown: String = twice.chars().take(60).collect();
                return Err(de::Error::custom(format_args!("the member {shown:?} is there twice")));
            }
        }
        Ok(Strict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::patch::{Count, Object, Patch};
    use crate::vocabulary::PicoUsd;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "it is read, and that is what is looked at")]
    struct Body {
        key: String,
        #[serde(default)]
        max_budget: Patch<PicoUsd>,
        #[serde(default)]
        rpm_limit: Patch<Count>,
        #[serde(default)]
        models: Patch<Vec<String>>,
        #[serde(default)]
        blocked: Patch<bool>,
        #[serde(default)]
        metadata: Patch<Object>,
    }

    fn problem_of(text: &str) -> String {
        match read::<Body>(text.as_bytes()) {
            Err(Refusal::Invalid(problems)) => serde_json::to_string(&problems[0]).unwrap(),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn a_wrong_type_is_told_as_pydantic_tells_it() {
        for (member, expected) in [
            (
                r#""max_budget":"much""#,
                r#"{"type":"float_parsing","loc":["body","max_budget"],"msg":"Input should be a valid number, unable to parse string as a number","input":"much"}"#,
            ),
            (
                r#""max_budget":[1]"#,
                r#"{"type":"float_type","loc":["body","max_budget"],"msg":"Input should be a valid number","input":[1]}"#,
            ),
            (
                r#""rpm_limit":1.5"#,
                r#"{"type":"int_from_float","loc":["body","rpm_limit"],"msg":"Input should be a valid integer, got a number with a fractional part","input":1.5}"#,
            ),
            (
                r#""rpm_limit":-1"#,
                r#"{"type":"greater_than_equal","loc":["body","rpm_limit"],"msg":"Input should be greater than or equal to 0","input":-1}"#,
            ),
            (
                r#""models":"a""#,
                r#"{"type":"list_type","loc":["body","models"],"msg":"Input should be a valid list","input":"a"}"#,
            ),
            (
                r#""models":["a",2]"#,
                r#"{"type":"string_type","loc":["body","models",1],"msg":"Input should be a valid string","input":2}"#,
            ),
            (
                r#""blocked":"so""#,
                r#"{"type":"bool_parsing","loc":["body","blocked"],"msg":"Input should be a valid boolean, unable to interpret input","input":"so"}"#,
            ),
            (
                r#""metadata":[]"#,
                r#"{"type":"dict_type","loc":["body","metadata"],"msg":"Input should be a valid dictionary","input":[]}"#,
            ),
        ] {
            assert_eq!(problem_of(&format!("{{\"key\":\"k\",{member}}}")), expected);
        }
        assert_eq!(problem_of("{}"), r#"{"type":"missing","loc":["body","key"],"msg":"Field required","input":{}}"#);
        assert!(problem_of("").contains(r#""type":"missing","loc":["body"]"#));
        assert!(problem_of("[]").contains(r#""loc":["body"],"msg":"Input should be a valid dictionary""#));
    }

    #[test]
    fn doubtful_json_is_refused() {
        for text in [
            "{",
            "nope",
            r#"{"key":"a","key":"b"}"#,
            r#"{"key":"a","metadata":{"x":1,"x":2}}"#,
            r#"{"key":"a","metadata":{"deep":[{"x":1,"\u0078":2}]}}"#,
            r#"{"key":"a","max_budget":NaN}"#,
            r#"{"key":"a"} {"key":"b"}"#,
            r#"{"key":"a","max_budget":1e999}"#,
        ] {
            let refusal = read::<Body>(text.as_bytes()).unwrap_err();
            assert_eq!(refusal.status(), 400, "{text}: {refusal:?}");
        }
        let deep = format!(r#"{{"key":"a","metadata":{}{}}}"#, "[".repeat(500), "]".repeat(500));
        assert_eq!(read::<Body>(deep.as_bytes()).unwrap_err().status(), 400);
        assert_eq!(read::<Body>(b"{\"key\":\"\xff\"}").unwrap_err().status(), 400);
    }
}
