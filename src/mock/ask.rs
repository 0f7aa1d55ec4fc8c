//! What a request asks for, read from the values the sieve kept.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::knobs::{BadKnob, Knobs};
use super::sieve::{Field, Sieve};

/// Most choices an answer has.
const CHOICES_MAX: u32 = 128;
/// Most vectors an answer has.
const ITEMS_MAX: u32 = 2048;
/// Longest vector.
const DIMENSIONS_MAX: u32 = 8192;
/// Length of a vector where the request does not say.
const DIMENSIONS: u32 = 8;
/// The tool that is called where its name cannot be read.
const TOOL: &str = "mock_tool";

/// A chat, completion or embedding request, as far as the mock cares.
#[derive(Debug)]
pub(super) struct Ask {
    /// The model as a JSON string, quotes included.
    pub(super) model: Option<String>,
    pub(super) stream: bool,
    pub(super) include_usage: bool,
    pub(super) choices: u32,
    pub(super) tokens_max: Option<u64>,
    /// The tool to call, if the model would call one.
    pub(super) tool: Option<String>,
    pub(super) json: bool,
    pub(super) items: u32,
    pub(super) dimensions: u32,
    pub(super) base64: bool,
    pub(super) body_bytes: u64,
}

impl Ask {
    /// Reads a request of so many bytes.
    pub(super) fn read(sieve: &Sieve, body_bytes: u64) -> Self {
        Self {
            model: sieve.value(Field::Model).and_then(json_string),
            stream: sieve.value(Field::Stream) == Some(b"true"),
            include_usage: parse::<StreamOptions>(sieve, Field::StreamOptions).is_some_and(|it| it.include_usage),
            choices: parse(sieve, Field::N).unwrap_or(1).clamp(1, CHOICES_MAX),
            tokens_max: parse(sieve, Field::MaxCompletionTokens).or_else(|| parse(sieve, Field::MaxTokens)),
            tool: tool(sieve),
            json: parse::<Kind<'_>>(sieve, Field::ResponseFormat).is_some_and(|format| format.kind.starts_with("json")),
            items: sieve.items().min(ITEMS_MAX),
            dimensions: parse(sieve, Field::Dimensions).unwrap_or(DIMENSIONS).clamp(1, DIMENSIONS_MAX),
            base64: sieve.value(Field::EncodingFormat) == Some(br#""base64""#),
            body_bytes,
        }
    }
}

/// Turns the knobs that the body's `mock` object names.
pub(super) fn turn(knobs: &mut Knobs, sieve: &Sieve) -> Result<(), BadKnob> {
    let Some(members) = parse::<BTreeMap<Cow<'_, str>, &RawValue>>(sieve, Field::Mock) else { return Ok(()) };
    for (name, value) in members {
        let text: Cow<'_, str> = match serde_json::from_str(value.get()) {
            Ok(Text(text)) => text,
            Err(_) => Cow::Borrowed(value.get()),
        };
        knobs.set(&name, &text)?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Tool<'a> {
    #[serde(borrow)]
    function: Function<'a>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

fn parse<'a, T: Deserialize<'a>>(sieve: &'a Sieve, field: Field) -> Option<T> {
    serde_json::from_slice(sieve.value(field)?).ok()
}

/// The model goes into the answer as it came, so it has to be a JSON string.
fn json_string(raw: &[u8]) -> Option<String> {
    serde_json::from_slice::<Text<'_>>(raw).ok()?;
    String::from_utf8(raw.to_vec()).ok()
}

/// A model that was given tools calls one, unless it was told not to or has just been given a tool's result.
fn tool(sieve: &Sieve) -> Option<String> {
    let tools = sieve.value(Field::Tools)?;
    let choice = sieve.value(Field::ToolChoice);
    let refused = choice == Some(br#""none""#) || sieve.value(Field::LastRole) == Some(br#""tool""#);
    if refused || tools == b"[]" || tools == b"null" {
        return None;
    }
    let chosen = choice.and_then(|choice| serde_json::from_slice::<Tool<'_>>(choice).ok());
    let first = || serde_json::from_slice::<Vec<Tool<'_>>>(tools).ok()?.into_iter().next();
    Some(chosen.or_else(first).map_or_else(|| TOOL.to_owned(), |tool| tool.function.name.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sift(body: &str) -> Sieve {
        let mut sieve = Sieve::new();
        sieve.push(body.as_bytes());
        sieve
    }

    fn ask(body: &str) -> Ask {
        Ask::read(&sift(body), body.len() as u64)
    }

    #[test]
    fn a_model_given_tools_calls_one() {
        let tools = r#""tools":[{"type":"function","function":{"name":"a","parameters":{}}},{"type":"function","function":{"name":"b"}}]"#;
        assert_eq!(ask(&format!("{{{tools}}}")).tool.as_deref(), Some("a"));
        let forced = format!(r#"{{{tools},"tool_choice":{{"type":"function","function":{{"name":"b"}}}}}}"#);
        assert_eq!(ask(&forced).tool.as_deref(), Some("b"));
        assert_eq!(ask(&format!(r#"{{{tools},"tool_choice":"none"}}"#)).tool, None);
        let answered = format!(r#"{{"messages":[{{"role":"user"}},{{"role":"tool"}}],{tools}}}"#);
        assert_eq!(ask(&answered).tool, None);
    }

    #[test]
    fn a_body_turns_knobs() {
        let mut knobs = Knobs::default();
        turn(&mut knobs, &sift(r#"{"mock":{"status":503,"retry_after":"2","id":"x\u0020y","echo":true}}"#)).unwrap();
        assert_eq!((knobs.status, knobs.retry_after.as_deref()), (503, Some("2")));
        assert_eq!((knobs.id.as_str(), knobs.echo), ("x y", true));
        assert!(turn(&mut knobs, &sift(r#"{"mock":{"statsu":503}}"#)).is_err());
    }

    #[test]
    fn values_of_the_wrong_type_count_as_absent() {
        let ask = ask(r#"{"model":5,"stream":"yes","n":"many","max_tokens":-1,"stream_options":[],"dimensions":0}"#);
        assert_eq!((ask.model, ask.stream, ask.choices, ask.tokens_max), (None, false, 1, None));
        assert_eq!(ask.dimensions, 1);
    }
}
