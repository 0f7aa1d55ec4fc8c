//! A request of the messages API, read into a chat.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::{blocks, tools};
use crate::chat::{Api, Chat, Effort, Format, Message, Raw, Reasoning, Role, Str};
use crate::vocabulary::{Fault, Kind};

/// Reads a body.
pub(super) fn read(body: &[u8], stream: bool) -> Result<Chat<'_>, Fault> {
    let members: Members<'_> = serde_json::from_slice(body).map_err(|error| bad("", &error))?;
    let mut chat = Chat { stream, ..Chat::default() };
    let (mut system, mut messages) = (None, None);
    for (name, value) in members.0 {
        match &*name {
            "messages" => messages = Some(value),
            "system" => system = given(value),
            _ => member(&mut chat, name, value)?,
        }
    }
    if let Some(system) = system {
        chat.messages.push(Message::new(Role::System, blocks::system(system, "system")?));
    }
    let messages = messages.ok_or_else(|| wrong("messages", "a list of messages is required"))?;
    for (index, message) in list(messages, "messages")?.into_iter().enumerate() {
        blocks::message(message, &format!("messages[{index}]"), &mut chat.messages)?;
    }
    Ok(chat)
}

fn member<'a>(chat: &mut Chat<'a>, name: Str<'a>, value: Raw<'a>) -> Result<(), Fault> {
    let Some(value) = given(value) else { return Ok(()) };
    match &*name {
        // Known to the exchange already, and replaced by the provider's.
        "model" => {}
        "stream" => chat.stream |= parse::<bool>(value, "stream")?,
        "max_tokens" => chat.max_tokens = Some(parse(value, "max_tokens")?),
        "temperature" => chat.temperature = Some(number(value, "temperature")?),
        "top_p" => chat.top_p = Some(number(value, "top_p")?),
        "top_k" => chat.top_k = Some(number(value, "top_k")?),
        "stop_sequences" => {
            let stop: Vec<Str<'_>> = parse(value, "stop_sequences")?;
            chat.stop = stop.into_iter().filter(|text| !text.is_empty()).collect();
        }
        "metadata" => chat.user = parse::<Metadata<'_>>(value, "metadata")?.user_id,
        "service_tier" => chat.service_tier = Some(parse(value, "service_tier")?),
        "tools" => tools::tools(value, chat)?,
        "tool_choice" => tools::choice(value, chat)?,
        "thinking" => thinking(value, chat)?,
        "output_config" => output_config(value, chat)?,
        "output_format" => chat.format = format(value, "output_format")?,
        _ => chat.native.push((Api::Anthropic, name, value)),
    }
    Ok(())
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    user_id: Option<Str<'a>>,
}

#[derive(Deserialize)]
struct Thinking<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    budget_tokens: Option<u64>,
    #[serde(borrow)]
    display: Option<Str<'a>>,
}

fn thinking<'a>(value: Raw<'a>, chat: &mut Chat<'a>) -> Result<(), Fault> {
    let thinking: Thinking<'_> = parse(value, "thinking")?;
    let adaptive = &*thinking.kind == "adaptive";
    let enabled = match &*thinking.kind {
        "enabled" | "adaptive" => true,
        "disabled" => false,
        // A way of thinking that only this API knows.
        _ => {
            chat.native.push((Api::Anthropic, "thinking".into(), value));
            return Ok(());
        }
    };
    let reasoning = chat.reasoning.get_or_insert_with(Reasoning::default);
    reasoning.enabled = Some(enabled);
    reasoning.adaptive = adaptive;
    reasoning.budget_tokens = thinking.budget_tokens;
    reasoning.show = thinking.display.map(|display| &*display != "omitted");
    Ok(())
}

/// `effort` and `format` have fields of their own; what is beside them stays together.
fn output_config<'a>(value: Raw<'a>, chat: &mut Chat<'a>) -> Result<(), Fault> {
    let members: Members<'a> = parse(value, "output_config")?;
    let mut others = false;
    for (name, value) in members.0 {
        let Some(value) = given(value) else { continue };
        match &*name {
            "effort" => match Effort::parse(&parse::<Str<'_>>(value, "output_config.effort")?) {
                Some(effort) => chat.reasoning.get_or_insert_with(Reasoning::default).effort = Some(effort),
                // A word that is newer than this.
                None => others = true,
            },
            "format" => chat.format = format(value, "output_config.format")?,
            _ => others = true,
        }
    }
    if others {
        chat.native.push((Api::Anthropic, "output_config".into(), value));
    }
    Ok(())
}

#[derive(Deserialize)]
struct OutputFormat<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow)]
    schema: Option<Raw<'a>>,
}

fn format<'a>(value: Raw<'a>, at: &str) -> Result<Option<Format<'a>>, Fault> {
    let format: OutputFormat<'_> = parse(value, at)?;
    match (&*format.kind, format.schema) {
        ("json_schema", Some(schema)) => {
            Ok(Some(Format::Schema { name: "output".into(), description: None, schema, strict: Some(true) }))
        }
        ("text", _) => Ok(None),
        _ => Err(wrong(at, "{\"type\":\"json_schema\",\"schema\":{...}} is expected")),
    }
}

/// The members of an object, in their order.
#[derive(Clone, Debug, Default)]
pub struct Members<'a>(pub Vec<(Str<'a>, Raw<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(8);
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The value, unless it is `null`.
pub(super) fn given(value: Raw<'_>) -> Option<Raw<'_>> {
    (value.get() != "null").then_some(value)
}

/// Reads a value as what it must be.
pub(super) fn parse<'a, T: Deserialize<'a>>(value: Raw<'a>, at: &str) -> Result<T, Fault> {
    serde_json::from_str(value.get()).map_err(|error| bad(at, &error))
}

/// The values of a list.
pub(super) fn list<'a>(value: Raw<'a>, at: &str) -> Result<Vec<Raw<'a>>, Fault> {
    parse(value, at)
}

fn number<'a>(value: Raw<'a>, at: &'static str) -> Result<Raw<'a>, Fault> {
    match value.get().as_bytes().first() {
        Some(b'-' | b'0'..=b'9') => Ok(value),
        _ => Err(wrong(at, "a number is expected")),
    }
}

fn bad(at: &str, error: &serde_json::Error) -> Fault {
    let text = error.to_string();
    // Line and column are those of the value and would mislead.
    wrong(at, text.split(" at line ").next().unwrap_or_default())
}

/// A 400 that says where and what.
pub(super) fn wrong(at: &str, what: &str) -> Fault {
    let text = if at.is_empty() { what.to_owned() } else { format!("{at}: {what}") };
    Fault::client(Kind::BadRequest, text).param(at.to_owned())
}
