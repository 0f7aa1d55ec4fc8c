//! `tools` and `tool_choice`.

use std::collections::HashSet;

use serde::Deserialize;

use crate::chat::{Api, Cache, Function, Native, Raw, Str, Tool, ToolChoice};
use crate::vocabulary::Fault;

use super::content::{self, refuse};

/// The one argument of the function that stands for a tool with free text (`custom`).
pub(super) const FREEFORM: &str = "input";
const FREEFORM_SCHEMA: &str = r#"{"type":"object","properties":{"input":{"type":"string","description":"The whole input of the tool, as plain text."}},"required":["input"],"additionalProperties":false}"#;

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Wire<'a> {
    #[serde(rename = "type", borrow)]
    pub(super) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    #[serde(borrow)]
    description: Option<Str<'a>>,
    #[serde(borrow)]
    parameters: Option<Raw<'a>>,
    strict: Option<bool>,
    #[serde(borrow)]
    format: Option<Raw<'a>>,
    #[serde(borrow)]
    pub(super) tools: Option<Raw<'a>>,
    #[serde(borrow)]
    cache_control: Option<Raw<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Grammar<'a> {
    #[serde(borrow)]
    syntax: Option<Str<'a>>,
    #[serde(borrow)]
    definition: Option<Str<'a>>,
}

/// Adds a list of tools.
pub(super) fn read<'a>(list: Raw<'a>, place: &str, tools: &mut Vec<Tool<'a>>) -> Result<(), Fault> {
    add(list, place, None, tools)
}

fn add<'a>(list: Raw<'a>, place: &str, namespace: Option<&str>, tools: &mut Vec<Tool<'a>>) -> Result<(), Fault> {
    let list: Vec<Raw<'a>> = content::read(list, place)?;
    for (index, raw) in list.into_iter().enumerate() {
        let place = format!("{place}[{index}]");
        let tool: Wire<'a> = content::read(raw, &place)?;
        let kind = tool.kind.clone().ok_or_else(|| refuse(format_args!("{place}.type"), "a tool needs a 'type'"))?;
        match &*kind {
            "function" => tools.push(Tool::Function(function(tool, &place, namespace)?)),
            "custom" => tools.push(Tool::Function(freeform(tool, &place, namespace)?)),
            "namespace" if namespace.is_none() => {
                let name = named(tool.name, &place)?;
                let within = tool.tools.ok_or_else(|| refuse(&place, "a namespace needs a list in 'tools'"))?;
                add(within, &format!("{place}.tools"), Some(&name), tools)?;
            }
            _ => tools.push(Tool::Native(Native { api: Api::Responses, json: raw })),
        }
    }
    Ok(())
}

fn named<'a>(name: Option<Str<'a>>, place: &str) -> Result<Str<'a>, Fault> {
    name.ok_or_else(|| refuse(format_args!("{place}.name"), "a tool needs a 'name' beside its 'type'"))
}

fn function<'a>(tool: Wire<'a>, place: &str, namespace: Option<&str>) -> Result<Function<'a>, Fault> {
    let name = named(tool.name, place)?;
    let name = match namespace {
        Some(namespace) => joined_name(namespace, &name).into(),
        None => name,
    };
    let cache = tool.cache_control.map(|_| Cache::default());
    let Wire { description, parameters, strict, .. } = tool;
    Ok(Function { name, description, parameters, strict, cache })
}

/// A tool that takes free text, as a function with one string.
fn freeform<'a>(mut tool: Wire<'a>, place: &str, namespace: Option<&str>) -> Result<Function<'a>, Fault> {
    let grammar: Grammar<'a> = match tool.format {
        Some(format) => content::read(format, format_args!("{place}.format"))?,
        None => Grammar::default(),
    };
    if let Some(definition) = grammar.definition {
        let syntax = grammar.syntax.as_deref().unwrap_or("given");
        let said = tool.description.as_deref().unwrap_or_default();
        let text = format!("{said}\n\nThe input must follow this {syntax} grammar:\n{definition}");
        tool.description = Some(text.trim_start().to_owned().into());
    }
    tool.parameters = serde_json::from_str(FREEFORM_SCHEMA).ok();
    tool.strict = None;
    function(tool, place, namespace)
}

/// What a tool of a namespace is called where there are no namespaces.
pub(super) fn joined_name(namespace: &str, name: &str) -> String {
    let between = if namespace.ends_with("__") { "" } else { "__" };
    format!("{namespace}{between}{name}")
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Choice<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<Str<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    namespace: Option<Str<'a>>,
    #[serde(borrow)]
    mode: Option<Str<'a>>,
    #[serde(borrow)]
    tools: Option<Raw<'a>>,
}

/// Reads `tool_choice`. A choice among some of the tools leaves only those.
pub(super) fn choice<'a>(raw: Raw<'a>, tools: &mut Vec<Tool<'a>>) -> Result<ToolChoice<'a>, Fault> {
    const PARAM: &str = "tool_choice";
    if raw.get().starts_with('"') {
        return mode(&content::read::<Str<'a>>(raw, PARAM)?);
    }
    let choice: Choice<'a> = content::read(raw, PARAM)?;
    match choice.kind.as_deref() {
        Some("function" | "custom") => {
            let name = choice.wanted().ok_or_else(|| refuse(PARAM, "expected a string in 'name'"))?;
            Ok(ToolChoice::Function(name))
        }
        Some("allowed_tools") => {
            let list = choice.tools.ok_or_else(|| refuse("tool_choice.tools", "expected a list of tools"))?;
            let allowed: Vec<Choice<'a>> = content::read(list, "tool_choice.tools")?;
            let names: HashSet<Str<'a>> = allowed.iter().filter_map(Choice::wanted).collect();
            let kinds: HashSet<Str<'a>> = allowed.into_iter().filter_map(|allowed| allowed.kind).collect();
            tools.retain(|tool| match tool {
                Tool::Function(function) => names.contains(&function.name),
                Tool::Native(native) => {
                    let tool: Wire<'_> = serde_json::from_str(native.json.get()).unwrap_or_default();
                    tool.kind.is_some_and(|kind| kinds.contains(&kind))
                }
            });
            mode(choice.mode.as_deref().unwrap_or("auto"))
        }
        Some(kind) => Err(refuse(
            PARAM,
            format_args!("a tool of type '{kind}' runs at OpenAI and cannot be forced here; use 'auto' or 'required'"),
        )),
        None => Err(refuse(PARAM, "expected a 'type'")),
    }
}

fn mode<'a>(word: &str) -> Result<ToolChoice<'a>, Fault> {
    match word {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "required" | "any" => Ok(ToolChoice::Required),
        _ => Err(refuse("tool_choice", format_args!("expected 'none', 'auto' or 'required', found '{word}'"))),
    }
}

impl<'a> Choice<'a> {
    fn wanted(&self) -> Option<Str<'a>> {
        let name = self.name.clone()?;
        Some(match &self.namespace {
            Some(namespace) => joined_name(namespace, &name).into(),
            None => name,
        })
    }
}
