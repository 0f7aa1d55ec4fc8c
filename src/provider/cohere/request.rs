//! Writes a chat for `/v2/chat`.

use std::borrow::Cow;

use serde::Serialize;

use super::{Ask, Written};
use crate::chat::{
    Api, Chat, Effort, Format, Function, Media, MediaKind, Message, Native, Part, Raw, Reasoning, Role, Source, Tool,
    ToolCall, ToolChoice, ToolResult,
};
use crate::provider::members::{Members, beside};
use crate::provider::refuse::{Dropped, Place, mime_of, native_type};
use crate::provider::speech;
use crate::vocabulary::{Fault, Kind};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Turn<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Offer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<Raw<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<Thinking>,
    #[serde(flatten)]
    extra: Members<'a>,
}

#[derive(Serialize)]
struct Turn<'a> {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_plan: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Called<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Plain(&'a str),
    Items(Vec<Item<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item<'a> {
    Text {
        text: &'a str,
    },
    Thinking {
        thinking: &'a str,
    },
    ImageUrl {
        image_url: ImageUrl<'a>,
    },
    Document {
        document: Document<'a>,
    },
    #[serde(untagged)]
    AsItStands(Raw<'a>),
}

#[derive(Serialize)]
struct ImageUrl<'a> {
    url: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

#[derive(Serialize)]
struct Document<'a> {
    data: DocumentData<'a>,
}

#[derive(Serialize)]
struct DocumentData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    text: &'a str,
}

#[derive(Serialize)]
struct Called<'a> {
    id: &'a str,
    r#type: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: &'a str,
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
struct ResponseFormat<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<Raw<'a>>,
}

#[derive(Serialize)]
struct Thinking {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_budget: Option<u64>,
}

/// Writes the request.
///
/// # Errors
/// Something in the chat cannot be said to Cohere: a 400 that names it.
pub(super) fn write(chat: &Chat<'_>, ask: &Ask<'_>) -> Result<Written, Fault> {
    let mut dropped = Dropped::default();
    let mut messages = Vec::with_capacity(chat.messages.len());
    let mut shown = Vec::new();
    for (index, message) in chat.messages.iter().enumerate() {
        if message.role != Role::Tool {
            show(&mut shown, &mut messages);
        }
        turns(message, Place::message(index), &mut messages, &mut shown, &mut dropped)?;
    }
    show(&mut shown, &mut messages);
    let (tools, tool_choice) = tools(chat, &mut dropped)?;
    if chat.user.is_some() {
        dropped.add("user");
    }
    let body = Body {
        model: ask.model,
        messages,
        stream: ask.stream,
        tools,
        tool_choice,
        max_tokens: chat.max_tokens,
        temperature: chat.temperature,
        p: chat.top_p,
        k: chat.top_k,
        frequency_penalty: chat.frequency_penalty,
        presence_penalty: chat.presence_penalty,
        seed: chat.seed,
        stop_sequences: chat.stop.iter().map(|stop| &**stop).collect(),
        response_format: chat.format.as_ref().and_then(format),
        thinking: chat.reasoning.as_ref().and_then(thinking),
        extra: Members::default(),
    };
    let extra = beside(chat, Api::Cohere, |name| is_written(&body, name));
    let body = Body { extra: Members(extra), ..body };
    let body = speech::written(&body)?;
    Ok(Written { body, dropped: dropped.0, ..Written::default() })
}

/// Whether a member of this name stands in the body already: what the client says in OpenAI's words wins.
fn is_written(body: &Body<'_>, name: &str) -> bool {
    match name {
        "model" | "messages" | "stream" => true,
        "tools" => !body.tools.is_empty(),
        "tool_choice" => body.tool_choice.is_some(),
        "max_tokens" => body.max_tokens.is_some(),
        "temperature" => body.temperature.is_some(),
        "p" => body.p.is_some(),
        "k" => body.k.is_some(),
        "frequency_penalty" => body.frequency_penalty.is_some(),
        "presence_penalty" => body.presence_penalty.is_some(),
        "seed" => body.seed.is_some(),
        "stop_sequences" => !body.stop_sequences.is_empty(),
        "response_format" => body.response_format.is_some(),
        "thinking" => body.thinking.is_some(),
        _ => false,
    }
}

fn turns<'a>(
    message: &'a Message<'_>,
    place: Place,
    out: &mut Vec<Turn<'a>>,
    shown: &mut Vec<Item<'a>>,
    dropped: &mut Dropped,
) -> Result<(), Fault> {
    if message.name.is_some() {
        dropped.add("messages[].name");
    }
    match message.role {
        Role::System => out.push(spoken("system", &message.parts, place, dropped)?),
        Role::User => out.push(spoken("user", &message.parts, place, dropped)?),
        Role::Assistant => out.push(answered(&message.parts, place, dropped)?),
        Role::Tool => {
            for (index, part) in message.parts.iter().enumerate() {
                let Part::ToolResult(result) = part else {
                    return Err(place.part(index).refuse("is not the result of a tool"));
                };
                out.push(result_of(result, place.part(index), shown, dropped)?);
            }
        }
    }
    Ok(())
}

/// Pictures that tools returned stand in a message of the user's behind the results, which take text alone.
fn show<'a>(shown: &mut Vec<Item<'a>>, out: &mut Vec<Turn<'a>>) {
    if !shown.is_empty() {
        let content = Some(Content::Items(std::mem::take(shown)));
        out.push(Turn { role: "user", content, tool_plan: None, tool_calls: Vec::new(), tool_call_id: None });
    }
}

fn spoken<'a>(
    role: &'static str,
    parts: &'a [Part<'_>],
    place: Place,
    dropped: &mut Dropped,
) -> Result<Turn<'a>, Fault> {
    let mut items = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        items.push(item(part, place.part(index), dropped)?);
    }
    let content = Some(content(items));
    Ok(Turn { role, content, tool_plan: None, tool_calls: Vec::new(), tool_call_id: None })
}

/// A single text needs no list.
fn content(items: Vec<Item<'_>>) -> Content<'_> {
    match items.as_slice() {
        [] => Content::Plain(""),
        [Item::Text { text }] => Content::Plain(text),
        _ => Content::Items(items),
    }
}

fn item<'a>(part: &'a Part<'_>, place: Place, dropped: &mut Dropped) -> Result<Item<'a>, Fault> {
    match part {
        Part::Text { text, cache } => {
            dropped.cache(cache.is_some());
            Ok(Item::Text { text })
        }
        Part::Refusal(text) => Ok(Item::Text { text }),
        Part::Media(media) => media_item(media, place, dropped),
        Part::Native(native) if native.api == Api::Cohere => Ok(Item::AsItStands(native.json)),
        Part::Native(native) => Err(place.refuse(&format!(
            "is a part of type {:?}, which Cohere does not take: leave it out",
            native_type(native.json)
        ))),
        Part::ToolCall(_) | Part::ToolResult(_) | Part::Thinking { .. } | Part::Redacted { .. } => {
            Err(place.refuse("is a part that does not belong into a message of this role"))
        }
    }
}

fn media_item<'a>(media: &'a Media<'_>, place: Place, dropped: &mut Dropped) -> Result<Item<'a>, Fault> {
    dropped.cache(media.cache.is_some());
    let url = match (media.kind, &media.source) {
        (MediaKind::File, Source::Text(text)) => return Ok(Item::Text { text }),
        (MediaKind::Image, Source::Url(url)) => Cow::Borrowed(&**url),
        (MediaKind::Image, Source::Base64(data)) => {
            let mime = media.mime.as_deref().or_else(|| mime_of(data)).ok_or_else(|| {
                place.refuse("is an image without a media type: give it as data:image/png;base64,...")
            })?;
            Cow::Owned(format!("data:{mime};base64,{}", &**data))
        }
        (MediaKind::Image, Source::Id(_)) => {
            return Err(place.refuse("is an image by file id, which Cohere does not take: send its data or its URL"));
        }
        (kind, _) => return Err(place.refuse_media(kind, "Cohere", "images and plain text")),
    };
    Ok(Item::ImageUrl { image_url: ImageUrl { url, detail: media.detail.as_deref() } })
}

fn answered<'a>(parts: &'a [Part<'_>], place: Place, dropped: &mut Dropped) -> Result<Turn<'a>, Fault> {
    let mut turn =
        Turn { role: "assistant", content: None, tool_plan: None, tool_calls: Vec::new(), tool_call_id: None };
    let calls = parts.iter().any(|part| matches!(part, Part::ToolCall(_)));
    let mut items = Vec::with_capacity(parts.len());
    for (index, part) in parts.iter().enumerate() {
        match part {
            Part::ToolCall(call) => turn.tool_calls.push(called(call, dropped)),
            // Beside calls, an empty text says nothing, and an empty thought never does.
            Part::Text { text, .. } if calls && text.is_empty() => {}
            Part::Thinking { text, .. } if text.is_empty() => dropped.add("messages[].thinking"),
            // What was thought before calls is their plan, which models that do not reason have, too.
            Part::Thinking { text, .. } if calls => plan(&mut turn.tool_plan, text),
            Part::Thinking { text, .. } => items.push(Item::Thinking { thinking: text }),
            Part::Redacted { .. } => dropped.add("messages[].redacted_thinking"),
            // What the provider's own tools did is told by the text around it.
            Part::Native(native) if native.api != Api::Cohere => lose(native, dropped),
            _ => items.push(item(part, place.part(index), dropped)?),
        }
    }
    if !items.is_empty() || turn.tool_calls.is_empty() {
        turn.content = Some(content(items));
    }
    Ok(turn)
}

fn lose(native: &Native<'_>, dropped: &mut Dropped) {
    dropped.add(&format!("messages[].{}", native_type(native.json)));
}

fn plan<'a>(plan: &mut Option<Cow<'a, str>>, text: &'a str) {
    match plan {
        None => *plan = Some(Cow::Borrowed(text)),
        Some(before) => before.to_mut().push_str(text),
    }
}

fn called<'a>(call: &'a ToolCall<'_>, dropped: &mut Dropped) -> Called<'a> {
    dropped.cache(call.cache.is_some());
    let arguments = match call.arguments.trim() {
        "" | "null" => "{}",
        _ => &call.arguments,
    };
    Called { id: &call.id, r#type: "function", function: CalledFunction { name: &call.name, arguments } }
}

fn result_of<'a>(
    result: &'a ToolResult<'_>,
    place: Place,
    shown: &mut Vec<Item<'a>>,
    dropped: &mut Dropped,
) -> Result<Turn<'a>, Fault> {
    dropped.cache(result.cache.is_some());
    if result.error {
        dropped.add("is_error");
    }
    let mut items = Vec::with_capacity(result.parts.len());
    for (index, part) in result.parts.iter().enumerate() {
        items.push(match part {
            Part::Media(Media { kind: MediaKind::File, source: Source::Text(text), name, .. }) => {
                Item::Document { document: Document { data: DocumentData { title: name.as_deref(), text } } }
            }
            Part::Media(media) if media.kind == MediaKind::Image => {
                if shown.is_empty() {
                    shown.push(Item::Text { text: "What the tools returned:" });
                }
                shown.push(media_item(media, place.part(index), dropped)?);
                continue;
            }
            Part::Native(native) if native.api != Api::Cohere => {
                lose(native, dropped);
                continue;
            }
            Part::Media(media) => {
                return Err(place.part(index).refuse_media(media.kind, "a tool's result for Cohere", "text"));
            }
            _ => item(part, place.part(index), dropped)?,
        });
    }
    if items.is_empty() && !shown.is_empty() {
        items.push(Item::Text { text: "See the next message." });
    }
    let content = Some(content(items));
    Ok(Turn { role: "tool", content, tool_plan: None, tool_calls: Vec::new(), tool_call_id: Some(&result.id) })
}

/// The tools and whether they must be called. Cohere cannot be told to call a certain one: it is offered alone.
fn tools<'a>(chat: &'a Chat<'_>, dropped: &mut Dropped) -> Result<(Vec<Offer<'a>>, Option<&'static str>), Fault> {
    let mut offers = Vec::with_capacity(chat.tools.len());
    for (index, tool) in chat.tools.iter().enumerate() {
        match tool {
            Tool::Function(function) => offers.push(offer(function, dropped)),
            Tool::Native(native) => return Err(Place::tool(index).refuse_tool(native.json, "Cohere")),
        }
    }
    if chat.parallel_tool_calls == Some(false) {
        dropped.add("parallel_tool_calls");
    }
    let choice = match &chat.tool_choice {
        None | Some(ToolChoice::Auto) => None,
        Some(ToolChoice::None) => Some("NONE"),
        Some(ToolChoice::Required) => Some("REQUIRED"),
        Some(ToolChoice::Function(name)) => {
            offers.retain(|offer| *name == *offer.function.name);
            if offers.is_empty() {
                let text = format!("tool_choice names the function {:?}, which is not among the tools", &**name);
                return Err(Fault::client(Kind::BadRequest, text).param("tool_choice"));
            }
            Some("REQUIRED")
        }
    };
    Ok((offers, choice))
}

fn offer<'a>(function: &'a Function<'_>, dropped: &mut Dropped) -> Offer<'a> {
    dropped.cache(function.cache.is_some());
    // Cohere's `strict_tools` is for all tools at once and refuses those without arguments.
    if function.strict == Some(true) {
        dropped.add("tools[].function.strict");
    }
    let parameters = function
        .parameters
        .map_or(Parameters::None { r#type: "object", properties: NoProperties {} }, Parameters::Given);
    let description = function.description.as_deref();
    Offer { r#type: "function", function: OfferedFunction { name: &function.name, description, parameters } }
}

fn format<'a>(format: &'a Format<'_>) -> Option<ResponseFormat<'a>> {
    match format {
        Format::Text => None,
        Format::Json => Some(ResponseFormat { r#type: "json_object", json_schema: None }),
        Format::Schema { schema, .. } => Some(ResponseFormat { r#type: "json_object", json_schema: Some(schema) }),
    }
}

fn thinking(reasoning: &Reasoning<'_>) -> Option<Thinking> {
    let on = |token_budget| Some(Thinking { r#type: "enabled", token_budget });
    match (reasoning.enabled, reasoning.effort, reasoning.budget_tokens) {
        (Some(false), _, _) | (None, Some(Effort::None), _) | (None, None, Some(0)) => {
            Some(Thinking { r#type: "disabled", token_budget: None })
        }
        (_, _, Some(budget)) => on(Some(budget)),
        (_, Some(effort), None) if !reasoning.adaptive && effort != Effort::None => on(Some(effort.budget_tokens())),
        (Some(true), _, None) => on(None),
        _ if reasoning.adaptive => on(None),
        _ => None,
    }
}
