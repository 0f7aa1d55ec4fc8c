//! A request, read into the neutral form.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::chat::{Api, Chat, Effort, Format, Message, Part, Raw, Reasoning, Role, Str};
use crate::dialect::openai::fields::{self, Field};
use crate::vocabulary::{Fault, Kind};

use super::content::{self, refuse};
use super::items::Reader;
use super::tools;

/// The members of an object, in their order.
struct Members<'a>(Vec<(Str<'a>, Raw<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Reads a body.
pub(super) fn read(body: &[u8], stream: bool) -> Result<Chat<'_>, Fault> {
    let members: Members<'_> = serde_json::from_slice(body).map_err(|error| {
        Fault::client(Kind::BadJson, format!("Invalid JSON payload: {error}")).param("request_body")
    })?;
    let mut request = Request { chat: Chat { stream, ..Chat::default() }, ..Request::default() };
    for (name, value) in members.0 {
        if value.get() != "null" && fields::of(&name) != Field::GatewayOnly {
            request.member(name, value)?;
        }
    }
    request.chat()
}

/// A request as far as it was read. Members come in any order; these must wait for others.
#[derive(Default)]
struct Request<'a> {
    chat: Chat<'a>,
    instructions: Option<Str<'a>>,
    input: Option<Raw<'a>>,
    tool_choice: Option<Raw<'a>>,
    top_logprobs: bool,
    logprobs: bool,
}

impl<'a> Request<'a> {
    fn member(&mut self, name: Str<'a>, value: Raw<'a>) -> Result<(), Fault> {
        match &*name {
            "model" => {}
            "input" => self.input = Some(value),
            "instructions" => self.instructions = Some(content::read(value, name)?),
            "stream" => self.chat.stream = content::read(value, name)?,
            "tools" => tools::read(value, "tools", &mut self.chat.tools)?,
            "tool_choice" => self.tool_choice = Some(value),
            // What goes without saying is not said: providers without the parameter do the same.
            "parallel_tool_calls" if value.get() == "true" => {}
            "service_tier" if value.get() == "\"auto\"" => {}
            "parallel_tool_calls" => self.chat.parallel_tool_calls = Some(content::read(value, name)?),
            "max_output_tokens" => self.chat.max_tokens = Some(content::read(value, name)?),
            "temperature" => self.chat.temperature = Some(value),
            "top_p" => self.chat.top_p = Some(value),
            // Not in OpenAI's own list, but what they mean is the same everywhere.
            "top_k" => self.chat.top_k = Some(value),
            "frequency_penalty" => self.chat.frequency_penalty = Some(value),
            "presence_penalty" => self.chat.presence_penalty = Some(value),
            "seed" => self.chat.seed = Some(value),
            "reasoning" => self.chat.reasoning = reasoning(value)?,
            "text" => self.text(value)?,
            "user" => self.chat.user = Some(content::read(value, name)?),
            "service_tier" => self.chat.service_tier = Some(content::read(value, name)?),
            _ => return self.other(name, value),
        }
        Ok(())
    }

    fn other(&mut self, name: Str<'a>, value: Raw<'a>) -> Result<(), Fault> {
        match &*name {
            "previous_response_id" | "conversation" => {
                let text =
                    "no conversation is kept for this model: leave it out and send the whole conversation in 'input'";
                Err(refuse(name, text))
            }
            "prompt" => {
                Err(refuse(name, "prompt templates are kept at OpenAI; send 'instructions' and 'input' instead"))
            }
            "background" if value.get() == "true" => Err(refuse(
                name,
                "answers are not kept for this model, so it cannot run in the background; use 'stream'",
            )),
            "background" => Ok(()),
            "top_logprobs" => {
                self.top_logprobs = value.get() != "0";
                if self.top_logprobs {
                    self.chat.others.push((name, value));
                }
                Ok(())
            }
            "include" => {
                let list: Vec<Str<'a>> = content::read(value, &name)?;
                self.logprobs = list.iter().any(|word| *word == "message.output_text.logprobs");
                self.chat.native.push((Api::Responses, name, value));
                Ok(())
            }
            // Words of chat completions with the same meaning.
            "metadata" | "store" | "prompt_cache_key" | "prompt_cache_retention" | "safety_identifier" => {
                self.chat.others.push((name, value));
                Ok(())
            }
            // What steers OpenAI's own machinery, or an answer that is the same without it.
            "truncation"
            | "max_tool_calls"
            | "stream_options"
            | "prompt_cache_options"
            | "context_management"
            | "moderation"
            | "client_metadata" => {
                self.chat.native.push((Api::Responses, name, value));
                Ok(())
            }
            _ => self.foreign(name, value),
        }
    }

    /// Words of chat completions that this API does not have, and words that nobody here knows.
    fn foreign(&mut self, name: Str<'a>, value: Raw<'a>) -> Result<(), Fault> {
        let moved = match &*name {
            "messages" => "input",
            "max_tokens" | "max_completion_tokens" => "max_output_tokens",
            "response_format" => "text.format",
            "reasoning_effort" => "reasoning.effort",
            "verbosity" => "text.verbosity",
            "functions" => "tools",
            "function_call" => "tool_choice",
            "stop" | "n" => {
                let text = format!("Unsupported parameter: '{name}' is not part of the Responses API.");
                return Err(Fault::client(Kind::BadRequest, text).param(name.to_string()));
            }
            _ => {
                self.chat.extra.push((name, value));
                return Ok(());
            }
        };
        let text = format!("Unsupported parameter: '{name}'. In the Responses API it is '{moved}'.");
        Err(Fault::client(Kind::BadRequest, text).param(name.to_string()))
    }

    fn text(&mut self, value: Raw<'a>) -> Result<(), Fault> {
        #[derive(Default, serde::Deserialize)]
        #[serde(default)]
        struct Text<'a> {
            #[serde(borrow)]
            format: Option<Raw<'a>>,
            #[serde(borrow)]
            verbosity: Option<Raw<'a>>,
        }
        let text: Text<'a> = content::read(value, "text")?;
        self.chat.format = text.format.map(format).transpose()?.flatten();
        if let Some(verbosity) = text.verbosity.filter(|word| word.get() != "\"medium\"") {
            self.chat.others.push(("verbosity".into(), verbosity));
        }
        Ok(())
    }

    fn chat(mut self) -> Result<Chat<'a>, Fault> {
        let Some(input) = self.input else {
            let text = "Missing required parameter: 'input'.";
            return Err(Fault::client(Kind::BadRequest, text).param("input"));
        };
        let mut reader = Reader::new(std::mem::take(&mut self.chat.tools));
        if let Some(text) = self.instructions {
            reader.messages.push(Message::new(Role::System, vec![Part::text(text)]));
        }
        reader.input(input)?;
        if reader.messages.is_empty() {
            return Err(refuse("input", "expected at least one item"));
        }
        self.chat.messages = reader.messages;
        self.chat.tools = reader.tools;
        if let Some(choice) = self.tool_choice {
            self.chat.tool_choice = Some(tools::choice(choice, &mut self.chat.tools)?);
        }
        if self.logprobs || self.top_logprobs {
            self.chat.others.extend(serde_json::from_str("true").ok().map(|asked| ("logprobs".into(), asked)));
        }
        Ok(self.chat)
    }
}

fn reasoning(value: Raw<'_>) -> Result<Option<Reasoning<'_>>, Fault> {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Wire<'a> {
        #[serde(borrow)]
        effort: Option<Str<'a>>,
        #[serde(borrow)]
        summary: Option<Str<'a>>,
        // The older name of `summary`.
        #[serde(borrow)]
        generate_summary: Option<Str<'a>>,
    }
    let wire: Wire<'_> = content::read(value, "reasoning")?;
    let effort = match wire.effort.as_deref() {
        Some(word) => Some(Effort::parse(word).ok_or_else(|| {
            let text = "expected 'none', 'minimal', 'low', 'medium', 'high', 'xhigh' or 'max', found";
            refuse("reasoning.effort", format_args!("{text} '{word}'"))
        })?),
        None => None,
    };
    let summary = wire.summary.or(wire.generate_summary);
    if effort.is_none() && summary.is_none() {
        return Ok(None);
    }
    let show = summary.as_ref().map(|word| *word != "none");
    Ok(Some(Reasoning { effort, summary, show, ..Reasoning::default() }))
}

/// The form of the answer; None is text.
fn format(value: Raw<'_>) -> Result<Option<Format<'_>>, Fault> {
    #[derive(Default, serde::Deserialize)]
    #[serde(default)]
    struct Wire<'a> {
        #[serde(rename = "type", borrow)]
        kind: Option<Str<'a>>,
        #[serde(borrow)]
        name: Option<Str<'a>>,
        #[serde(borrow)]
        description: Option<Str<'a>>,
        #[serde(borrow)]
        schema: Option<Raw<'a>>,
        strict: Option<bool>,
    }
    let wire: Wire<'_> = content::read(value, "text.format")?;
    match wire.kind.as_deref() {
        Some("text") => Ok(None),
        Some("json_object") => Ok(Some(Format::Json)),
        Some("json_schema") => {
            let schema = wire.schema.ok_or_else(|| refuse("text.format.schema", "expected a JSON Schema"))?;
            let name = wire.name.ok_or_else(|| refuse("text.format.name", "expected a string"))?;
            let Wire { description, strict, .. } = wire;
            Ok(Some(Format::Schema { name, description, schema, strict }))
        }
        kind => {
            let text = "expected 'text', 'json_object' or 'json_schema', found";
            Err(refuse("text.format.type", format_args!("{text} '{}'", kind.unwrap_or("none"))))
        }
    }
}
