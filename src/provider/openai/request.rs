//! Writes a chat as a chat completions request.

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::conversation;
use super::form::{OutCache, OutMessage};
use super::vendor::{self, Thinking, Vendor};
use crate::chat::{Api, Chat, Effort, Format, Function, Native, Raw, Reasoning, Str, Tool, ToolChoice};
use crate::dialect::Endpoint;
use crate::provider::refuse::native_type;
use crate::provider::{Ask, Quirks, Written, quirks, speech};
use crate::vocabulary::Fault;

/// Writes a chat for a deployment.
pub(super) fn write(chat: &Chat<'_>, ask: &Ask<'_>) -> Result<Written, Fault> {
    let vendor = Vendor::of(ask);
    let mut dropped = Vec::new();
    let messages = conversation::write(chat, &vendor, &mut dropped)?;
    let mut members = Members::default();
    tools(chat, ask, &vendor, &mut members, &mut dropped);
    thinking(chat, ask, &vendor, &mut members, &mut dropped);
    plain(chat, &vendor, &mut members, &mut dropped);
    format(chat, &vendor, &mut members, &mut dropped);
    let quirks = quirks::of(&ask.deployment.provider, Endpoint::ChatCompletions, ask.model);
    let others = others(chat, &vendor, quirks, &mut dropped);
    let (model, stream, members) = (ask.model, ask.stream, &members.0);
    let body = Body { model, stream, messages: &messages, members, others, chat, vendor };
    let body = speech::written(&body)?;
    dropped.sort_unstable();
    dropped.dedup();
    Ok(Written { body, dropped, ..Written::default() })
}

/// Members of the request after the messages.
#[derive(Default)]
struct Members<'c>(Vec<(&'static str, Value<'c>)>);

impl<'c> Members<'c> {
    fn add(&mut self, name: &'static str, value: Value<'c>) {
        self.0.push((name, value));
    }

    fn raw(&mut self, name: &'static str, value: Option<Raw<'c>>) {
        self.0.extend(value.map(|raw| (name, Value::Raw(raw))));
    }
}

/// A member's value.
#[derive(serde::Serialize)]
#[serde(untagged)]
enum Value<'c> {
    Raw(Raw<'c>),
    Text(&'c str),
    Number(u64),
    Bool(bool),
    Texts(&'c [Str<'c>]),
    Tools(Vec<OutTool<'c>>),
    Choice(OutChoice<'c>),
    Format(OutFormat<'c>),
    Reasoning(OutReasoning),
    Typed(Typed<'c>),
    Empty(Empty),
}

/// `{}`.
#[derive(serde::Serialize)]
struct Empty {}

/// `thinking`.
#[derive(serde::Serialize)]
struct Typed<'c> {
    r#type: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_tokens: Option<u64>,
}

/// OpenRouter's `reasoning`.
#[derive(Default, serde::Serialize)]
struct OutReasoning {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exclude: Option<bool>,
}

/// One of `tools`.
#[derive(serde::Serialize)]
#[serde(untagged)]
enum OutTool<'c> {
    Function {
        r#type: &'static str,
        function: OutFunction<'c>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<OutCache<'c>>,
    },
    Native(Raw<'c>),
}

#[derive(serde::Serialize)]
struct OutFunction<'c> {
    name: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Raw<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// `tool_choice`.
#[derive(serde::Serialize)]
#[serde(untagged)]
enum OutChoice<'c> {
    Word(&'static str),
    Function { r#type: &'static str, function: Named<'c> },
}

#[derive(serde::Serialize)]
struct Named<'c> {
    name: &'c str,
}

/// `response_format`.
#[derive(serde::Serialize)]
struct OutFormat<'c> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<OutSchema<'c>>,
}

#[derive(serde::Serialize)]
struct OutSchema<'c> {
    name: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'c str>,
    schema: Raw<'c>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

fn tools<'c>(chat: &'c Chat<'_>, ask: &Ask<'_>, vendor: &Vendor, members: &mut Members<'c>, dropped: &mut Vec<String>) {
    let mut out = Vec::with_capacity(chat.tools.len());
    for tool in &chat.tools {
        match tool {
            Tool::Function(function) => out.push(function_tool(function, vendor)),
            Tool::Native(Native { api: Api::OpenAiChat, json }) => out.push(OutTool::Native(json)),
            Tool::Native(native) => {
                let name = native_type(native.json);
                if name.starts_with("web_search") && searches(ask.model) {
                    members.add("web_search_options", Value::Empty(Empty {}));
                } else {
                    dropped.push(format!("tools.{name}"));
                }
            }
        }
    }
    if out.is_empty() {
        return;
    }
    members.add("tools", Value::Tools(out));
    if let Some(choice) = &chat.tool_choice {
        members.add("tool_choice", Value::Choice(tool_choice(choice, vendor)));
    }
    if let Some(parallel) = chat.parallel_tool_calls {
        members.add("parallel_tool_calls", Value::Bool(parallel));
    }
}

/// Whether it is one of OpenAI's models that search before they answer.
fn searches(model: &str) -> bool {
    model.contains("-search-preview") || model.contains("-search-api")
}

fn function_tool<'c>(function: &'c Function<'_>, vendor: &Vendor) -> OutTool<'c> {
    OutTool::Function {
        r#type: "function",
        function: OutFunction {
            name: &function.name,
            description: function.description.as_deref(),
            parameters: function.parameters.or_else(|| vendor.is_mistral.then(no_parameters).flatten()),
            strict: function.strict,
        },
        cache_control: conversation::cache(function.cache.as_ref(), vendor),
    }
}

/// A function without arguments, for those who want a schema in any case.
fn no_parameters<'c>() -> Option<Raw<'c>> {
    serde_json::from_str(r#"{"type":"object","properties":{}}"#).ok()
}

fn tool_choice<'c>(choice: &'c ToolChoice<'_>, vendor: &Vendor) -> OutChoice<'c> {
    match choice {
        ToolChoice::Auto => OutChoice::Word("auto"),
        ToolChoice::None => OutChoice::Word("none"),
        ToolChoice::Required if vendor.is_mistral => OutChoice::Word("any"),
        ToolChoice::Required => OutChoice::Word("required"),
        ToolChoice::Function(name) => OutChoice::Function { r#type: "function", function: Named { name } },
    }
}

fn thinking<'c>(
    chat: &'c Chat<'_>,
    ask: &Ask<'_>,
    vendor: &Vendor,
    members: &mut Members<'c>,
    dropped: &mut Vec<String>,
) {
    let Some(reasoning) = &chat.reasoning else { return };
    let effort = vendor::effort(reasoning);
    if vendor.thinking == Thinking::Object {
        let out = OutReasoning {
            effort: reasoning.effort.map(Effort::as_str),
            // Refused beside an effort.
            max_tokens: reasoning.budget_tokens.filter(|_| reasoning.effort.is_none()),
            enabled: reasoning.enabled,
            exclude: reasoning.show.map(|show| !show),
        };
        return members.add("reasoning", Value::Reasoning(out));
    }
    if vendor.thinking == Thinking::Any {
        return any_thinking(reasoning, members);
    }
    let Some(effort) = effort else { return };
    let is_on = effort != Effort::None;
    match vendor.thinking {
        Thinking::OpenAi => {
            let model = ask.deployment.base_model.as_deref().unwrap_or(ask.model);
            match vendor::openai_effort(model, effort) {
                Ok(word) => members.0.extend(word.map(|word| ("reasoning_effort", Value::Text(word)))),
                Err(()) => dropped.push("reasoning_effort".to_owned()),
            }
        }
        Thinking::Effort => {
            let word = vendor::plain_effort(effort);
            members.0.extend(word.map(|word| ("reasoning_effort", Value::Text(word))));
        }
        Thinking::AllOrNothing => {
            members.add("reasoning_effort", Value::Text(if is_on { "high" } else { "none" }));
        }
        Thinking::Switch => {
            let r#type = on_or_off(is_on);
            members.add("thinking", Value::Typed(Typed { r#type, budget_tokens: None }));
        }
        Thinking::Flag => {
            members.add("enable_thinking", Value::Bool(is_on));
            if let Some(tokens) = reasoning.budget_tokens.filter(|_| is_on) {
                members.add("thinking_budget", Value::Number(tokens));
            }
        }
        Thinking::Any | Thinking::Object => {}
    }
}

/// A gateway is told what the client said, in the client's words.
fn any_thinking<'c>(reasoning: &Reasoning<'_>, members: &mut Members<'c>) {
    if let Some(effort) = reasoning.effort {
        return members.add("reasoning_effort", Value::Text(effort.as_str()));
    }
    let is_on = reasoning.enabled.unwrap_or_else(|| reasoning.budget_tokens.is_some_and(|tokens| tokens > 0));
    let r#type = if reasoning.adaptive { "adaptive" } else { on_or_off(is_on) };
    let budget_tokens = reasoning.budget_tokens.filter(|_| is_on && !reasoning.adaptive);
    members.add("thinking", Value::Typed(Typed { r#type, budget_tokens }));
}

const fn on_or_off(is_on: bool) -> &'static str {
    if is_on { "enabled" } else { "disabled" }
}

fn plain<'c>(chat: &'c Chat<'_>, vendor: &Vendor, members: &mut Members<'c>, dropped: &mut Vec<String>) {
    if let Some(tokens) = chat.max_tokens {
        members.add(vendor.output_cap, Value::Number(tokens));
    }
    members.raw("temperature", chat.temperature);
    members.raw("top_p", chat.top_p);
    match vendor.top_k {
        true => members.raw("top_k", chat.top_k),
        false => dropped.extend(chat.top_k.map(|_| "top_k".to_owned())),
    }
    members.raw("frequency_penalty", chat.frequency_penalty);
    members.raw("presence_penalty", chat.presence_penalty);
    members.raw(if vendor.is_mistral { "random_seed" } else { "seed" }, chat.seed);
    if !chat.stop.is_empty() {
        members.add("stop", Value::Texts(&chat.stop));
    }
    if let Some(choices) = chat.choices {
        members.add("n", Value::Number(choices));
    }
    if let Some(user) = &chat.user {
        match vendor.user {
            true => members.add("user", Value::Text(user)),
            false => dropped.push("user".to_owned()),
        }
    }
    match chat.service_tier.as_deref() {
        // Anthropic's word for what is the default elsewhere.
        Some("standard_only") if vendor.service_tier => members.add("service_tier", Value::Text("default")),
        Some(tier) if vendor.service_tier => members.add("service_tier", Value::Text(tier)),
        Some(_) => dropped.push("service_tier".to_owned()),
        None => {}
    }
}

fn format<'c>(chat: &'c Chat<'_>, vendor: &Vendor, members: &mut Members<'c>, dropped: &mut Vec<String>) {
    let Some(format) = &chat.format else { return };
    let out = match format {
        Format::Text => OutFormat { r#type: "text", json_schema: None },
        Format::Json => OutFormat { r#type: "json_object", json_schema: None },
        Format::Schema { .. } if !vendor.schemas => {
            dropped.push("response_format.json_schema".to_owned());
            OutFormat { r#type: "json_object", json_schema: None }
        }
        Format::Schema { name, description, schema, strict } => OutFormat {
            r#type: "json_schema",
            json_schema: Some(OutSchema { name, description: description.as_deref(), schema, strict: *strict }),
        },
    };
    members.add("response_format", Value::Format(out));
}

/// The request.
struct Body<'b, 'c> {
    model: &'b str,
    stream: bool,
    messages: &'b [OutMessage<'c>],
    members: &'b [(&'static str, Value<'c>)],
    others: Vec<(&'b str, Raw<'b>)>,
    chat: &'b Chat<'b>,
    vendor: Vendor,
}

/// Parameters that mean something to OpenAI alone and change nothing of the answer: clients of other dialects send them
/// unasked, and vendors who check their requests refuse them.
const OPENAI_ALONE: [&str; 3] = ["store", "safety_identifier", "prompt_cache_retention"];

/// Parameters without a field of their own that this vendor takes; which it refuses is told.
fn others<'c>(
    chat: &'c Chat<'_>,
    vendor: &Vendor,
    quirks: &Quirks,
    dropped: &mut Vec<String>,
) -> Vec<(&'c str, Raw<'c>)> {
    let is_silent = |name: &str| {
        quirks.silent.contains(&name) || (vendor.thinking != Thinking::OpenAi && OPENAI_ALONE.contains(&name))
    };
    let given = chat.others.iter().map(|(name, raw)| (&**name, *raw));
    let (taken, refused): (Vec<_>, Vec<_>) =
        given.filter(|(name, _)| !is_silent(name)).partition(|(name, _)| !quirks.refused.contains(name));
    dropped.extend(refused.into_iter().map(|(name, _)| name.to_owned()));
    taken
}

#[derive(serde::Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl Serialize for Body<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("model", self.model)?;
        map.serialize_entry("messages", self.messages)?;
        for (name, value) in self.members {
            map.serialize_entry(name, value)?;
        }
        let natives = self.chat.native.iter().filter(|(api, ..)| *api == Api::OpenAiChat);
        let extra = self.chat.extra.iter().map(|(name, raw)| (&**name, *raw));
        let others = self.others.iter().copied().chain(extra);
        let mut seen: Vec<&str> = Vec::new();
        for (name, raw) in others.chain(natives.map(|(_, name, raw)| (&**name, *raw))) {
            let is_taken = self.members.iter().any(|(known, _)| *known == name) || seen.contains(&name);
            if !is_taken && !matches!(name, "model" | "messages" | "stream" | "stream_options") {
                seen.push(name);
                map.serialize_entry(name, raw)?;
            }
        }
        if self.stream {
            map.serialize_entry("stream", &true)?;
            if self.vendor.asks_for_usage {
                map.serialize_entry("stream_options", &StreamOptions { include_usage: true })?;
            }
        }
        map.end()
    }
}
