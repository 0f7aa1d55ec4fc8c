//! Writes a chat for `/api/chat`.

use serde::Serialize;

use super::options::{self, Options};
use super::{Ask, Written};
use crate::chat::{
    Api, Chat, Effort, Format, Media, MediaKind, Message, Part, Raw, Reasoning, Role, Source, Tool, ToolCall,
    ToolChoice, ToolResult, object_or_empty,
};
use crate::provider::members::{Members, beside};
use crate::provider::refuse::{Dropped, Place, native_type};
use crate::provider::speech;
use crate::vocabulary::{Fault, Kind};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Turn<'a>>,
    // Always said: Ollama streams unless told otherwise.
    stream: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Offer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Wanted<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    think: Option<Think>,
    #[serde(skip_serializing_if = "Options::is_empty")]
    options: Options<'a>,
    #[serde(flatten)]
    extra: Members<'a>,
}

#[derive(Serialize)]
struct Turn<'a> {
    role: &'static str,
    content: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    thinking: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Called<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Called<'a> {
    // Older servers know no ids and leave it unread.
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    r#type: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: Raw<'a>,
}

#[derive(Serialize)]
struct Offer<'a> {
    r#type: &'static str,
    function: OfferedFunction<'a>,
}

#[derive(Serialize)]
struct OfferedFunction<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    parameters: Parameters<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Parameters<'a> {
    Given(Raw<'a>),
    None { r#type: &'static str, properties: NoProperties },
}

#[derive(Serialize)]
struct NoProperties {}

#[derive(Serialize)]
#[serde(untagged)]
enum Wanted<'a> {
    Word(&'static str),
    Schema(Raw<'a>),
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Think {
    Whether(bool),
    How(&'static str),
}

/// Writes the request.
///
/// # Errors
/// Something in the chat cannot be said to Ollama: a 400 that names it.
pub(super) fn write(chat: &Chat<'_>, ask: &Ask<'_>) -> Result<Written, Fault> {
    let mut dropped = Dropped::default();
    let mut messages = Vec::with_capacity(chat.messages.len());
    for index in 0..chat.messages.len() {
        turns(&chat.messages, index, &mut messages, &mut dropped)?;
    }
    if chat.user.is_some() {
        dropped.add("user");
    }
    let format = chat.format.as_ref().and_then(format);
    let think = chat.reasoning.as_ref().and_then(|reasoning| think(reasoning, ask.model));
    let is_written = |name: &str| match name {
        "model" | "messages" | "stream" => true,
        "tools" => !chat.tools.is_empty(),
        "format" => format.is_some(),
        "think" => think.is_some(),
        _ => false,
    };
    let mut extra = beside(chat, Api::Ollama, is_written);
    let own = options::take(&mut extra)?;
    let tools = tools(chat, &mut dropped)?;
    let options = Options::of(chat, own);
    let extra = Members(extra);
    let body = Body { model: ask.model, messages, stream: ask.stream, tools, format, think, options, extra };
    let body = speech::written(&body)?;
    Ok(Written { body, dropped: dropped.0, ..Written::default() })
}

fn turns<'a>(
    messages: &'a [Message<'_>],
    index: usize,
    out: &mut Vec<Turn<'a>>,
    dropped: &mut Dropped,
) -> Result<(), Fault> {
    let Some(message) = messages.get(index) else { return Ok(()) };
    let place = Place::message(index);
    if message.name.is_some() {
        dropped.add("messages[].name");
    }
    if message.role == Role::Tool {
        for (at, part) in message.parts.iter().enumerate() {
            let Part::ToolResult(result) = part else {
                return Err(place.part(at).refuse("is not the result of a tool"));
            };
            let before = messages.get(..index).unwrap_or_default();
            out.push(result_of(result, before, place.part(at), dropped)?);
        }
        return Ok(());
    }
    // A model's text may stand in pieces; others' pieces are texts of their own.
    let (role, between) = match message.role {
        Role::System => ("system", "\n"),
        Role::User | Role::Tool => ("user", "\n"),
        Role::Assistant => ("assistant", ""),
    };
    let mut turn = Turn::of(role);
    for (at, part) in message.parts.iter().enumerate() {
        turn.add(part, between, message.role, place.part(at), dropped)?;
    }
    out.push(turn);
    Ok(())
}

impl<'a> Turn<'a> {
    fn of(role: &'static str) -> Self {
        Self {
            role,
            content: String::new(),
            thinking: String::new(),
            images: Vec::new(),
            tool_calls: Vec::new(),
            tool_name: None,
            tool_call_id: None,
        }
    }

    fn add(
        &mut self,
        part: &'a Part<'_>,
        between: &str,
        role: Role,
        place: Place,
        dropped: &mut Dropped,
    ) -> Result<(), Fault> {
        match part {
            Part::Text { text, cache } => {
                dropped.cache(cache.is_some());
                self.say(text, between);
            }
            Part::Refusal(text) => self.say(text, between),
            Part::Media(media) => self.media(media, between, place, dropped)?,
            Part::ToolCall(call) if role == Role::Assistant => self.tool_calls.push(called(call, place, dropped)?),
            Part::Thinking { text, .. } if role == Role::Assistant => self.thinking.push_str(text),
            Part::Redacted { .. } if role == Role::Assistant => dropped.add("messages[].redacted_thinking"),
            // What the provider's own tools did is told by the text around it.
            Part::Native(native) if matches!(role, Role::Assistant | Role::Tool) => {
                dropped.add(&format!("messages[].{}", native_type(native.json)));
            }
            Part::Native(native) => {
                let kind = native_type(native.json);
                return Err(
                    place.refuse(&format!("is a part of type {kind:?}, which Ollama does not take: leave it out"))
                );
            }
            Part::ToolCall(_) | Part::ToolResult(_) | Part::Thinking { .. } | Part::Redacted { .. } => {
                return Err(place.refuse("is a part that does not belong into a message of this role"));
            }
        }
        Ok(())
    }

    fn say(&mut self, text: &str, between: &str) {
        if !self.content.is_empty() && !text.is_empty() {
            self.content.push_str(between);
        }
        self.content.push_str(text);
    }

    fn media(&mut self, media: &'a Media<'_>, between: &str, place: Place, dropped: &mut Dropped) -> Result<(), Fault> {
        dropped.cache(media.cache.is_some());
        match (media.kind, &media.source) {
            (MediaKind::File, Source::Text(text)) => self.say(text, between),
            (MediaKind::Image, Source::Base64(data)) => self.images.push(data),
            (MediaKind::Image, Source::Url(_) | Source::Id(_)) => {
                return Err(place.refuse(
                    "is an image by URL or file id, which Ollama does not fetch: send its data as data:image/png;base64,...",
                ));
            }
            (kind, _) => return Err(place.refuse_media(kind, "Ollama", "images and plain text")),
        }
        if media.detail.is_some() {
            dropped.add("image_url.detail");
        }
        Ok(())
    }
}

fn called<'a>(call: &'a ToolCall<'_>, place: Place, dropped: &mut Dropped) -> Result<Called<'a>, Fault> {
    dropped.cache(call.cache.is_some());
    let arguments = object_or_empty(&call.arguments)
        .ok_or_else(|| place.refuse("is a call whose arguments are not a JSON object, as Ollama wants them"))?;
    Ok(Called { id: &call.id, r#type: "function", function: CalledFunction { name: &call.name, arguments } })
}

/// A result goes by the name of its tool: the client's, or that of the call which it answers.
fn result_of<'a>(
    result: &'a ToolResult<'_>,
    before: &'a [Message<'_>],
    place: Place,
    dropped: &mut Dropped,
) -> Result<Turn<'a>, Fault> {
    dropped.cache(result.cache.is_some());
    if result.error {
        dropped.add("is_error");
    }
    let mut turn = Turn::of("tool");
    for (at, part) in result.parts.iter().enumerate() {
        turn.add(part, "\n", Role::Tool, place.part(at), dropped)?;
    }
    let call = |part: &'a Part<'_>| match part {
        Part::ToolCall(call) if *call.id == *result.id => Some(&*call.name),
        _ => None,
    };
    let calls = before.iter().rev().flat_map(|message| message.parts.iter().rev());
    turn.tool_name = result.name.as_deref().or_else(|| calls.into_iter().find_map(call));
    turn.tool_call_id = Some(&*result.id).filter(|id| !id.is_empty());
    Ok(turn)
}

/// Ollama cannot be told to call: nothing may be offered, or one function alone, and the rest is named as left out.
fn tools<'a>(chat: &'a Chat<'_>, dropped: &mut Dropped) -> Result<Vec<Offer<'a>>, Fault> {
    let mut offers = Vec::with_capacity(chat.tools.len());
    for (index, tool) in chat.tools.iter().enumerate() {
        let Tool::Function(function) = tool else {
            let Tool::Native(native) = tool else { continue };
            return Err(Place::tool(index).refuse_tool(native.json, "Ollama"));
        };
        dropped.cache(function.cache.is_some());
        if function.strict == Some(true) {
            dropped.add("tools[].function.strict");
        }
        let none = Parameters::None { r#type: "object", properties: NoProperties {} };
        let parameters = function.parameters.map_or(none, Parameters::Given);
        let description = function.description.as_deref();
        offers.push(Offer {
            r#type: "function",
            function: OfferedFunction { name: &function.name, description, parameters },
        });
    }
    if chat.parallel_tool_calls == Some(false) {
        dropped.add("parallel_tool_calls");
    }
    match &chat.tool_choice {
        None | Some(ToolChoice::Auto) => {}
        Some(ToolChoice::None) => offers.clear(),
        Some(ToolChoice::Required) => dropped.add("tool_choice"),
        Some(ToolChoice::Function(name)) => {
            offers.retain(|offer| *name == *offer.function.name);
            if offers.is_empty() {
                let text = format!("tool_choice names the function {:?}, which is not among the tools", &**name);
                return Err(Fault::client(Kind::BadRequest, text).param("tool_choice"));
            }
            dropped.add("tool_choice");
        }
    }
    Ok(offers)
}

fn format<'a>(format: &'a Format<'_>) -> Option<Wanted<'a>> {
    match format {
        Format::Text => None,
        Format::Json => Some(Wanted::Word("json")),
        Format::Schema { schema, .. } => Some(Wanted::Schema(schema)),
    }
}

/// Whether to think; how hard for the models that can be told.
fn think(reasoning: &Reasoning<'_>, model: &str) -> Option<Think> {
    let effort = reasoning.effort.or_else(|| reasoning.budget_tokens.map(Effort::of_budget));
    let on = match (reasoning.enabled, effort) {
        (Some(false), _) | (None, Some(Effort::None)) => return Some(Think::Whether(false)),
        (Some(true), _) | (None, Some(_)) => true,
        (None, None) => reasoning.adaptive,
    };
    if !on {
        return None;
    }
    if !model.contains("gpt-oss") {
        return Some(Think::Whether(true));
    }
    Some(Think::How(match effort {
        Some(Effort::None | Effort::Minimal | Effort::Low) => "low",
        Some(Effort::Medium) | None => "medium",
        Some(Effort::High | Effort::ExtraHigh | Effort::Max) => "high",
    }))
}
