//! What a request lets the model call.

use serde::Deserialize;

use super::blocks::Mark;
use super::read::{given, list, parse, wrong};
use crate::chat::{Api, Chat, Function, Native, Raw, Str, Tool, ToolChoice};
use crate::vocabulary::Fault;

#[derive(Deserialize)]
struct Custom<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<Str<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    description: Option<Str<'a>>,
    #[serde(borrow)]
    input_schema: Option<Raw<'a>>,
    strict: Option<bool>,
    #[serde(borrow)]
    cache_control: Option<Mark<'a>>,
    #[serde(borrow)]
    allowed_callers: Option<Raw<'a>>,
    #[serde(borrow)]
    defer_loading: Option<Raw<'a>>,
    #[serde(borrow)]
    eager_input_streaming: Option<Raw<'a>>,
    #[serde(borrow)]
    input_examples: Option<Raw<'a>>,
}

/// Reads `tools`.
pub(super) fn tools<'a>(value: Raw<'a>, chat: &mut Chat<'a>) -> Result<(), Fault> {
    for (index, tool) in list(value, "tools")?.into_iter().enumerate() {
        let tool = one(tool, &format!("tools[{index}]"), chat)?;
        chat.tools.push(tool);
    }
    Ok(())
}

fn one<'a>(value: Raw<'a>, at: &str, chat: &mut Chat<'a>) -> Result<Tool<'a>, Fault> {
    let tool: Custom<'_> = parse(value, at)?;
    // Tools that Anthropic runs, or knows the schema of, have a type with a date.
    if tool.kind.is_some_and(|kind| &*kind != "custom") {
        return Ok(Tool::Native(Native { api: Api::Anthropic, json: value }));
    }
    let only_here = [
        ("tools[].allowed_callers", tool.allowed_callers),
        ("tools[].defer_loading", tool.defer_loading),
        ("tools[].eager_input_streaming", tool.eager_input_streaming),
        ("tools[].input_examples", tool.input_examples),
    ];
    let says = |value: Raw<'_>| !matches!(value.get(), "null" | "false" | "[]" | "[\"direct\"]");
    only_here.into_iter().filter(|(_, value)| value.is_some_and(says)).for_each(|(name, _)| chat.lose(name));
    let name = tool.name.ok_or_else(|| wrong(&format!("{at}.name"), "a name is required"))?;
    Ok(Tool::Function(Function {
        name,
        description: tool.description,
        parameters: tool.input_schema.and_then(given),
        strict: tool.strict,
        cache: tool.cache_control.map(Mark::cache),
    }))
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    disable_parallel_tool_use: Option<bool>,
}

/// Reads `tool_choice`.
pub(super) fn choice<'a>(value: Raw<'a>, chat: &mut Chat<'a>) -> Result<(), Fault> {
    let choice: Choice<'a> = parse(value, "tool_choice")?;
    chat.parallel_tool_calls = choice.disable_parallel_tool_use.map(|disabled| !disabled);
    chat.tool_choice = Some(match (&*choice.kind, choice.name) {
        ("auto", _) => ToolChoice::Auto,
        ("any", _) => ToolChoice::Required,
        ("none", _) => ToolChoice::None,
        ("tool", Some(name)) => ToolChoice::Function(name),
        ("tool", None) => return Err(wrong("tool_choice.name", "the tool's name is required")),
        _ => return Err(wrong("tool_choice.type", "auto, any, tool or none is expected")),
    });
    Ok(())
}
