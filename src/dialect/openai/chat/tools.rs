//! Tools, what must be called, and the form of the answer.

use super::value::{self, At};
use crate::chat::{Api, Format, Function, Native, Raw, Tool, ToolChoice};
use crate::vocabulary::Fault;

value::members! {
    /// One of `tools`. Functions may stand flat in it, as in the responses API, or be in Anthropic's form.
    WireTool { r#type, function, cache_control, name, description, parameters, input_schema, strict }
}

value::members! {
    /// A function's definition.
    WireFunction { name, description, parameters, strict, cache_control }
}

/// Reads `tools`.
pub(super) fn tools<'a>(raw: Raw<'a>) -> Result<Vec<Tool<'a>>, Fault> {
    let at = At::Root("tools");
    let raws = value::array(raw, at, "an array of objects")?;
    raws.into_iter().enumerate().map(|(index, raw)| tool(raw, at.index(index))).collect()
}

fn tool<'a>(raw: Raw<'a>, at: At<'_>) -> Result<Tool<'a>, Fault> {
    let tool: WireTool<'_> = value::object(raw, at)?;
    let kind = value::text_at(tool.r#type, at.key("type"))?;
    if kind.as_deref().is_some_and(|kind| kind != "function") {
        return Ok(Tool::Native(Native { api: Api::OpenAiChat, json: raw }));
    }
    let cache = value::cache(tool.cache_control);
    let function = match tool.function {
        Some(function) => value::object(function, at.key("function"))?,
        None => WireFunction {
            name: Some(tool.name.ok_or_else(|| value::missing(at.key("function")))?),
            description: tool.description,
            parameters: tool.parameters.or(tool.input_schema),
            strict: tool.strict,
            cache_control: None,
        },
    };
    let mut function = definition(function, at.key("function"))?;
    function.cache = cache.or(function.cache);
    Ok(Tool::Function(function))
}

fn definition<'a>(function: WireFunction<'a>, at: At<'_>) -> Result<Function<'a>, Fault> {
    if let Some(raw) = function.parameters.filter(|raw| !value::is(raw, b'{')) {
        return Err(value::wrong_type(at.key("parameters"), "an object", raw));
    }
    Ok(Function {
        name: value::needed_text(function.name, at.key("name"))?,
        description: value::text_at(function.description, at.key("description"))?,
        parameters: function.parameters,
        strict: value::boolean_at(function.strict, at.key("strict"))?,
        cache: value::cache(function.cache_control),
    })
}

/// Reads `functions`, which is what `tools` were once.
pub(super) fn functions<'a>(raw: Raw<'a>) -> Result<Vec<Tool<'a>>, Fault> {
    let at = At::Root("functions");
    let raws = value::array(raw, at, "an array of objects")?;
    let read = |(index, raw)| definition(value::object(raw, at.index(index))?, at.index(index)).map(Tool::Function);
    raws.into_iter().enumerate().map(read).collect()
}

value::members! {
    /// `tool_choice` as an object.
    WireChoice { r#type, function, name, custom, allowed_tools }
}

value::members! {
    /// Something with a name.
    Named { name }
}

value::members! {
    /// `tool_choice.allowed_tools`.
    Allowed { mode, tools }
}

/// Reads `tool_choice` or `function_call`. Tools that are not among those allowed are taken out.
pub(super) fn choice<'a>(raw: Raw<'a>, at: At<'_>, tools: &mut Vec<Tool<'a>>) -> Result<ToolChoice<'a>, Fault> {
    if value::is(raw, b'"') {
        return word(&value::text(raw, at)?, at);
    }
    let choice: WireChoice<'_> = value::object(raw, at)?;
    let kind = value::text_at(choice.r#type, at.key("type"))?;
    match kind.as_deref() {
        None | Some("function" | "tool" | "custom") => {
            let name = match choice.function.or(choice.custom) {
                Some(function) => value::object::<Named<'_>>(function, at.key("function"))?.name,
                None => choice.name,
            };
            value::needed_text(name, at.key("function").key("name")).map(ToolChoice::Function)
        }
        Some("allowed_tools") => {
            let at = at.key("allowed_tools");
            let allowed: Allowed<'_> = value::object(choice.allowed_tools.ok_or_else(|| value::missing(at))?, at)?;
            keep_allowed(&allowed, at, tools)?;
            match value::text_at(allowed.mode, at.key("mode"))? {
                Some(mode) => word(&mode, at.key("mode")),
                None => Ok(ToolChoice::Auto),
            }
        }
        Some(kind) => word(kind, at.key("type")),
    }
}

fn word(word: &str, at: At<'_>) -> Result<ToolChoice<'static>, Fault> {
    match word {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "required" | "any" => Ok(ToolChoice::Required),
        word => Err(value::unknown_word(at, word, &["none", "auto", "required"])),
    }
}

fn keep_allowed<'a>(allowed: &Allowed<'a>, at: At<'_>, tools: &mut Vec<Tool<'a>>) -> Result<(), Fault> {
    let Some(list) = allowed.tools else { return Ok(()) };
    let list_at = at.key("tools");
    let mut names = Vec::new();
    for (index, raw) in value::array(list, list_at, "an array of objects")?.into_iter().enumerate() {
        let at = list_at.index(index);
        let tool: WireChoice<'_> = value::object(raw, at)?;
        let name = match tool.function {
            Some(function) => value::object::<Named<'_>>(function, at.key("function"))?.name,
            None => tool.name,
        };
        names.push(value::needed_text(name, at.key("function").key("name"))?);
    }
    tools.retain(|tool| match tool {
        Tool::Function(function) => names.contains(&function.name),
        Tool::Native(_) => false,
    });
    Ok(())
}

value::members! {
    /// `response_format`. Some vendors put the schema beside `json_object`.
    WireFormat { r#type, json_schema, schema, response_schema }
}

value::members! {
    /// `response_format.json_schema`.
    WireSchema { name, description, schema, strict }
}

/// Reads `response_format`.
pub(super) fn format<'a>(raw: Raw<'a>, at: At<'_>) -> Result<Option<Format<'a>>, Fault> {
    let format: WireFormat<'_> = value::object(raw, at)?;
    let kind = value::needed_text(format.r#type, at.key("type"))?;
    Ok(Some(match &*kind {
        "text" => Format::Text,
        "json_object" => match format.schema.or(format.response_schema).filter(|raw| value::is(raw, b'{')) {
            Some(schema) => Format::Schema { name: "response".into(), description: None, schema, strict: None },
            None => Format::Json,
        },
        "json_schema" => {
            let at = at.key("json_schema");
            let schema: WireSchema<'_> = match format.json_schema {
                Some(raw) => value::object(raw, at)?,
                None => WireSchema { schema: format.schema, ..WireSchema::default() },
            };
            Format::Schema {
                name: value::text_at(schema.name, at.key("name"))?.unwrap_or_else(|| "response".into()),
                description: value::text_at(schema.description, at.key("description"))?,
                schema: schema.schema.ok_or_else(|| value::missing(at.key("schema")))?,
                strict: value::boolean_at(schema.strict, at.key("strict"))?,
            }
        }
        word => return Err(value::unknown_word(at.key("type"), word, &["text", "json_object", "json_schema"])),
    }))
}
