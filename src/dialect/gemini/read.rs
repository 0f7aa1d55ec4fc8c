//! A `generateContent` request as a chat.

use std::collections::VecDeque;

use serde::Deserialize;

use crate::chat::{
    Api, Chat, Effort, Format, Function, Media, MediaKind, Message, Native, Part, Raw, Reasoning, Role, Source, Str,
    Tool, ToolCall, ToolChoice, ToolResult,
};
use crate::vocabulary::{Fault, Kind};

use super::object::{Object, as_value, is_null, one_or_many};
use super::reply::word;
use super::request::{Answered, Blob, Calling, Content, File, PART_MEMBERS, Thinking};
use super::{NATIVE_CONFIG, request};

/// Reads a body.
pub(super) fn chat(body: &[u8], stream: bool) -> Result<Chat<'_>, Fault> {
    let object: Object<'_> = serde_json::from_slice(body).map_err(|error| {
        Fault::client(Kind::BadRequest, format!("The body is not a generateContent request: {error}"))
    })?;
    let mut reader =
        Reader { chat: Chat { stream, ..Chat::default() }, open: VecDeque::new(), made: 0, allowed: Vec::new() };
    // Instructions come first, wherever the member stands.
    if let Some(system) = object.get(&["systemInstruction", "system_instruction"]) {
        reader.system(system)?;
    }
    for (name, value) in object.0.into_iter().filter(|(_, value)| !is_null(value)) {
        reader.member(name, value)?;
    }
    reader.narrow();
    if reader.chat.messages.iter().all(|message| message.role == Role::System) {
        return Err(bad("contents", "at least one content is needed"));
    }
    Ok(reader.chat)
}

/// A call that has no answer yet: its name and id.
struct Open<'a> {
    name: Str<'a>,
    id: Str<'a>,
}

struct Reader<'a> {
    chat: Chat<'a>,
    open: VecDeque<Open<'a>>,
    made: u32,
    // The functions that alone may be called, where there are several.
    allowed: Vec<Str<'a>>,
}

pub(super) fn bad(place: &str, what: &str) -> Fault {
    Fault::client(Kind::BadRequest, format!("{place}: {what}")).param(place.to_owned())
}

fn parse<'a, T: Deserialize<'a>>(raw: Raw<'a>, place: &str) -> Result<T, Fault> {
    serde_json::from_str(raw.get()).map_err(|error| bad(place, &error.to_string()))
}

fn list<'a, T: Deserialize<'a>>(raw: Raw<'a>, place: &str) -> Result<Vec<T>, Fault> {
    one_or_many(raw).map_err(|error| bad(place, &error.to_string()))
}

impl<'a> Reader<'a> {
    fn member(&mut self, name: Str<'a>, value: Raw<'a>) -> Result<(), Fault> {
        match &*name {
            "contents" => {
                let contents: Vec<Content<'a>> = list(value, "contents")?;
                for (index, content) in contents.into_iter().enumerate() {
                    self.content(content, index)?;
                }
            }
            "tools" => {
                for (index, tool) in list::<Raw<'a>>(value, "tools")?.into_iter().enumerate() {
                    self.tool(tool, index)?;
                }
            }
            "toolConfig" | "tool_config" => self.tool_config(value)?,
            "generationConfig" | "generation_config" => {
                let config: Object<'a> = parse(value, "generationConfig")?;
                self.generation(config)?;
            }
            "serviceTier" | "service_tier" => self.chat.service_tier = as_value(value),
            // The path says which.
            "model" | "systemInstruction" | "system_instruction" => {}
            _ => self.chat.native.push((Api::Gemini, name, value)),
        }
        Ok(())
    }

    fn system(&mut self, value: Raw<'a>) -> Result<(), Fault> {
        let place = "systemInstruction";
        let texts: Vec<Raw<'a>> = match as_value::<Content<'a>>(value).filter(|_| value.get().starts_with('{')) {
            Some(content) => content.parts.map_or(Ok(Vec::new()), |parts| list(parts, place))?,
            None => {
                let text: Str<'a> = parse(value, place)?;
                self.chat.messages.push(Message::new(Role::System, vec![Part::text(text)]));
                return Ok(());
            }
        };
        let mut parts = Vec::with_capacity(texts.len());
        for (index, raw) in texts.into_iter().enumerate() {
            self.part(raw, &mut parts, true, &format!("{place}.parts[{index}]"))?;
        }
        if !parts.is_empty() {
            self.chat.messages.push(Message::new(Role::System, parts));
        }
        Ok(())
    }

    fn content(&mut self, content: Content<'a>, index: usize) -> Result<(), Fault> {
        let place = format!("contents[{index}]");
        let is_model = match content.role.as_deref() {
            Some("model") => true,
            None | Some("user" | "function" | "tool" | "") => false,
            Some(role) => return Err(bad(&place, &format!("the role is user or model, not {role:?}"))),
        };
        let raws: Vec<Raw<'a>> = content.parts.map_or(Ok(Vec::new()), |parts| list(parts, &place))?;
        let mut parts = Vec::with_capacity(raws.len());
        for (at, raw) in raws.into_iter().enumerate() {
            self.part(raw, &mut parts, !is_model, &format!("{place}.parts[{at}]"))?;
        }
        let (results, others): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| matches!(part, Part::ToolResult(_)));
        if !results.is_empty() {
            self.chat.messages.push(Message::new(Role::Tool, results));
        }
        if !others.is_empty() {
            let role = if is_model { Role::Assistant } else { Role::User };
            self.chat.messages.push(Message::new(role, others));
        }
        Ok(())
    }

    fn part(&mut self, raw: Raw<'a>, parts: &mut Vec<Part<'a>>, of_user: bool, place: &str) -> Result<(), Fault> {
        let object: Object<'a> = parse(raw, place)?;
        let known = |(name, value): &(Str<'a>, Raw<'a>)| PART_MEMBERS.contains(&&**name) || is_null(value);
        if !object.0.iter().all(known) {
            parts.push(Part::Native(Native { api: Api::Gemini, json: raw }));
            return Ok(());
        }
        let part: request::Part<'a> = parse(raw, place)?;
        let signature = part.thought_signature;
        match (part.text, part.function_call, part.function_response, part.inline_data, part.file_data) {
            (Some(text), None, None, None, None) if part.thought == Some(true) && !of_user => {
                parts.push(Part::Thinking { text, signature });
            }
            (Some(text), None, None, None, None) => {
                parts.push(Part::text(text));
                if signature.is_some() {
                    parts.push(Part::Thinking { text: Str::default(), signature });
                }
            }
            (None, Some(call), None, None, None) => {
                let call = self.call(call, signature);
                parts.push(Part::ToolCall(call));
            }
            (None, None, Some(answer), None, None) => {
                let result = self.result(answer, place)?;
                parts.push(Part::ToolResult(result));
            }
            (None, None, None, Some(blob), None) => parts.push(Part::Media(inline(blob))),
            (None, None, None, None, Some(file)) => parts.push(Part::Media(filed(file))),
            (None, None, None, None, None) if signature.is_some() => {
                parts.push(Part::Thinking { text: Str::default(), signature });
            }
            (None, None, None, None, None) => return Err(bad(place, "the part is empty")),
            _ => return Err(bad(place, "the part holds more than one of text, data and calls")),
        }
        Ok(())
    }

    fn call(&mut self, call: request::Call<'a>, signature: Option<Str<'a>>) -> ToolCall<'a> {
        let id = call.id.filter(|id| !id.is_empty()).unwrap_or_else(|| {
            self.made += 1;
            Str::from(format!("call_{}", self.made))
        });
        self.open.push_back(Open { name: call.name.clone(), id: id.clone() });
        let arguments = call.args.filter(|args| !is_null(args)).map_or("{}", |args| args.get());
        ToolCall { id, name: call.name, arguments: arguments.into(), signature, cache: None }
    }

    /// Without an id, a result belongs to the first open call of its name.
    fn result(&mut self, answer: Answered<'a>, place: &str) -> Result<ToolResult<'a>, Fault> {
        let given = answer.id.filter(|id| !id.is_empty());
        let at = match &given {
            Some(id) => self.open.iter().position(|open| open.id == *id),
            None => self.open.iter().position(|open| open.name == answer.name),
        };
        let open = at.and_then(|at| self.open.remove(at));
        let id = match (given, open) {
            (Some(id), _) => id,
            (None, Some(open)) => open.id,
            (None, None) => {
                let what = format!("no call of {:?} before it is without an answer", &*answer.name);
                return Err(bad(place, &what));
            }
        };
        let text = answer.response.filter(|raw| !is_null(raw)).map_or("{}", |raw| raw.get());
        let error =
            Object::read_str(text).is_some_and(|object| object.get(&["error"]).is_some() && object.0.len() == 1);
        let mut parts = vec![Part::text(text)];
        for part in answer.parts.into_iter().flatten() {
            parts.extend(part.inline_data.map(|blob| Part::Media(inline(blob))));
            parts.extend(part.file_data.map(|file| Part::Media(filed(file))));
        }
        Ok(ToolResult { id, name: Some(answer.name), parts, error, cache: None })
    }

    fn tool(&mut self, raw: Raw<'a>, index: usize) -> Result<(), Fault> {
        let place = format!("tools[{index}]");
        let object: Object<'a> = parse(raw, &place)?;
        let tool: request::Tool<'a> = parse(raw, &place)?;
        for declaration in tool.function_declarations.into_iter().flatten() {
            for (name, value) in [("behavior", declaration.behavior), ("response", declaration.response)] {
                if value.is_some_and(|value| !is_null(value)) {
                    self.chat.lose(format!("functionDeclarations[].{name}"));
                }
            }
            self.chat.tools.push(Tool::Function(Function {
                name: declaration.name,
                description: declaration.description,
                parameters: declaration.parameters_json_schema.or(declaration.parameters),
                strict: None,
                cache: None,
            }));
        }
        let is_native = |(name, value): &(Str<'a>, Raw<'a>)| {
            !matches!(&**name, "functionDeclarations" | "function_declarations") && !is_null(value)
        };
        if object.0.iter().any(is_native) {
            self.chat.tools.push(Tool::Native(Native { api: Api::Gemini, json: raw }));
        }
        Ok(())
    }

    fn tool_config(&mut self, value: Raw<'a>) -> Result<(), Fault> {
        let object: Object<'a> = parse(value, "toolConfig")?;
        let calling = object.get(&["functionCallingConfig", "function_calling_config"]);
        let calling: Option<Calling<'a>> =
            calling.map(|raw| parse(raw, "toolConfig.functionCallingConfig")).transpose()?;
        let others = object.0.iter().filter(|(_, value)| !is_null(value)).count() > usize::from(calling.is_some());
        let calling = calling.unwrap_or_default();
        let mode = calling.mode.map(|raw| word(raw, &["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"]));
        let mut allowed = calling.allowed_function_names.unwrap_or_default();
        let whole = match (mode.as_deref(), allowed.len()) {
            (None | Some("AUTO" | "auto" | "MODE_UNSPECIFIED"), 0) => {
                self.chat.tool_choice = mode.is_some().then_some(ToolChoice::Auto);
                false
            }
            (Some("NONE" | "none"), 0) => {
                self.chat.tool_choice = Some(ToolChoice::None);
                false
            }
            (Some("ANY" | "any"), 1) => {
                self.chat.tool_choice = allowed.pop().map(ToolChoice::Function);
                false
            }
            (Some("ANY" | "any"), _) => {
                self.chat.tool_choice = Some(ToolChoice::Required);
                self.allowed = allowed;
                false
            }
            _ => true,
        };
        if whole || others {
            self.chat.native.push((Api::Gemini, "toolConfig".into(), value));
        }
        Ok(())
    }

    /// Leaves the functions that may be called: who cannot be told of one cannot call it.
    fn narrow(&mut self) {
        if !self.allowed.is_empty() {
            let may = |tool: &Tool<'_>| match tool {
                Tool::Function(function) => self.allowed.contains(&function.name),
                Tool::Native(_) => true,
            };
            self.chat.tools.retain(may);
        }
    }

    fn generation(&mut self, config: Object<'a>) -> Result<(), Fault> {
        let (mut mime, mut schema) = (None::<Str<'a>>, None);
        for (name, value) in config.0.into_iter().filter(|(_, value)| !is_null(value)) {
            let place = format!("generationConfig.{name}");
            let chat = &mut self.chat;
            match &*name {
                "temperature" => chat.temperature = Some(value),
                "topP" | "top_p" => chat.top_p = Some(value),
                "topK" | "top_k" => chat.top_k = Some(value),
                "maxOutputTokens" | "max_output_tokens" => chat.max_tokens = Some(parse(value, &place)?),
                "stopSequences" | "stop_sequences" => {
                    let stop: Vec<Str<'a>> = list(value, &place)?;
                    chat.stop = stop.into_iter().filter(|stop| !stop.is_empty()).collect();
                }
                "candidateCount" | "candidate_count" => chat.choices = Some(parse(value, &place)?),
                "seed" => chat.seed = Some(value),
                "presencePenalty" | "presence_penalty" => chat.presence_penalty = Some(value),
                "frequencyPenalty" | "frequency_penalty" => chat.frequency_penalty = Some(value),
                "responseLogprobs" | "response_logprobs" => chat.others.push(("logprobs".into(), value)),
                "logprobs" => chat.others.push(("top_logprobs".into(), value)),
                "responseMimeType" | "response_mime_type" => {
                    let given: Str<'a> = parse(value, &place)?;
                    if !matches!(&*given, "application/json" | "text/plain") {
                        chat.native.push((Api::Gemini, format!("{NATIVE_CONFIG}responseMimeType").into(), value));
                    }
                    mime = Some(given);
                }
                "responseSchema" | "response_schema" => schema = schema.or(Some(value)),
                "responseJsonSchema" | "response_json_schema" => schema = Some(value),
                "thinkingConfig" | "thinking_config" => chat.reasoning = Some(reasoning(parse(value, &place)?)),
                _ => chat.native.push((Api::Gemini, format!("{NATIVE_CONFIG}{name}").into(), value)),
            }
        }
        self.format(mime, schema);
        Ok(())
    }

    fn format(&mut self, mime: Option<Str<'a>>, schema: Option<Raw<'a>>) {
        let json = |schema: Option<Raw<'a>>| match schema {
            Some(schema) => Format::Schema { name: "response".into(), description: None, schema, strict: Some(true) },
            None => Format::Json,
        };
        match mime.as_deref() {
            Some("application/json") => self.chat.format = Some(json(schema)),
            None if schema.is_some() => self.chat.format = Some(json(schema)),
            Some("text/plain") => self.chat.format = Some(Format::Text),
            None => {}
            // `text/x.enum`: only Gemini knows it.
            Some(_) => self.chat.format = schema.map(|schema| json(Some(schema))),
        }
    }
}

fn reasoning(thinking: Thinking<'_>) -> Reasoning<'_> {
    let effort = thinking.thinking_level.as_deref().map(str::to_ascii_lowercase);
    Reasoning {
        effort: effort.as_deref().and_then(Effort::parse),
        budget_tokens: thinking.thinking_budget.and_then(|budget| u64::try_from(budget).ok()),
        enabled: None,
        adaptive: thinking.thinking_budget.is_some_and(|budget| budget < 0),
        // Gemini shows none unless it is asked to.
        show: Some(thinking.include_thoughts.unwrap_or(false)),
        summary: None,
    }
}

fn kind_of(mime: Option<&str>) -> MediaKind {
    match mime.and_then(|mime| mime.split('/').next()) {
        Some("image") => MediaKind::Image,
        Some("audio") => MediaKind::Audio,
        Some("video") => MediaKind::Video,
        _ => MediaKind::File,
    }
}

fn inline(blob: Blob<'_>) -> Media<'_> {
    let kind = kind_of(blob.mime_type.as_deref());
    media(kind, Source::Base64(blob.data), blob.mime_type, blob.display_name)
}

fn filed(file: File<'_>) -> Media<'_> {
    let kind = kind_of(file.mime_type.as_deref());
    media(kind, Source::Url(file.file_uri), file.mime_type, file.display_name)
}

fn media<'a>(kind: MediaKind, source: Source<'a>, mime: Option<Str<'a>>, name: Option<Str<'a>>) -> Media<'a> {
    Media { kind, source, mime, name, detail: None, cache: None }
}
