//! Functions and Google's own tools.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::chat::{Api, Chat, Function, Native, Raw, Tool, ToolChoice};
use crate::dialect::gemini::{Object, is_null};
use crate::provider::refuse::native_type;
use crate::vocabulary::{Fault, Kind};

use super::family::Family;
use super::schema;

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum OneTool<'c> {
    #[serde(rename_all = "camelCase")]
    Functions {
        function_declarations: Vec<Declaration<'c>>,
    },
    Own(Object<'c>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Declaration<'c> {
    name: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<Cow<'c, RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig<'c> {
    function_calling_config: Calling<'c>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Calling<'c> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_function_names: Option<[&'c str; 1]>,
}

/// The names of Google's tools in requests of other APIs.
const OWN: [&str; 20] = [
    "googleSearch",
    "google_search",
    "googleSearchRetrieval",
    "google_search_retrieval",
    "codeExecution",
    "code_execution",
    "urlContext",
    "url_context",
    "googleMaps",
    "google_maps",
    "computerUse",
    "computer_use",
    "fileSearch",
    "file_search",
    "enterpriseWebSearch",
    "enterprise_web_search",
    "retrieval",
    "vertexAiSearch",
    "exaAiSearch",
    "parallelAiSearch",
];

pub(super) fn tools<'c>(chat: &'c Chat<'c>, family: Family) -> Result<Vec<OneTool<'c>>, Fault> {
    let mut declarations = Vec::new();
    let mut own = Vec::new();
    for (index, tool) in chat.tools.iter().enumerate() {
        match tool {
            Tool::Function(function) => declarations.push(declaration(function, index, family)?),
            Tool::Native(native) => own.extend(native_tool(native, index)?),
        }
    }
    if chat.others.iter().any(|(name, _)| *name == "web_search_options") {
        own.push(named("googleSearch"));
    }
    let functions = (!declarations.is_empty()).then_some(OneTool::Functions { function_declarations: declarations });
    Ok(functions.into_iter().chain(own.into_iter().map(OneTool::Own)).collect())
}

fn declaration<'c>(function: &'c Function<'c>, index: usize, family: Family) -> Result<Declaration<'c>, Fault> {
    let given = function.parameters.filter(|raw| !is_null(raw));
    let (mut parameters, mut whole) = (None, None);
    if let Some(raw) = given {
        if family.takes_json_schema() {
            whole = Some(schema::whole(raw));
        } else if !schema::is_empty(raw) {
            parameters = Some(schema::subset(raw, &format!("tools[{index}].function.parameters"))?);
        }
    }
    Ok(Declaration {
        name: &function.name,
        description: function.description.as_deref(),
        parameters,
        parameters_json_schema: whole,
    })
}

fn empty<'c>() -> Raw<'c> {
    serde_json::from_str("{}").unwrap_or(RawValue::NULL)
}

fn named<'c>(name: &'static str) -> Object<'c> {
    Object(vec![(name.into(), empty())])
}

fn native_tool<'c>(native: &Native<'c>, index: usize) -> Result<Option<Object<'c>>, Fault> {
    let object = Object::read(native.json).unwrap_or_default();
    if native.api == Api::Gemini {
        let functions = |name: &str| matches!(name, "functionDeclarations" | "function_declarations");
        let own = object.0.into_iter().filter(|(name, value)| !functions(name) && !is_null(value));
        let own: Vec<_> = own.collect();
        return Ok((!own.is_empty()).then_some(Object(own)));
    }
    let kind = object.get(&["type"]).and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    match kind.as_deref() {
        None if object.0.iter().any(|(name, _)| OWN.contains(&&**name)) => Ok(Some(object)),
        Some(kind) if kind.contains("web_search") => Ok(Some(named("googleSearch"))),
        Some(kind) if kind.starts_with("code_interpreter") || kind.starts_with("code_execution") => {
            Ok(Some(named("codeExecution")))
        }
        Some(kind) if kind.contains("web_fetch") => Ok(Some(named("urlContext"))),
        kind => {
            let text = format!(
                "tools[{index}]: a tool of type {:?} has no counterpart in Gemini; functions, web search, code execution \
                 and Google's own tools ({{\"googleSearch\": {{}}}}) have",
                kind.map_or_else(|| native_type(native.json), str::to_owned)
            );
            Err(Fault::client(Kind::BadRequest, text).param(format!("tools[{index}]")))
        }
    }
}

pub(super) fn tool_config<'c>(chat: &'c Chat<'c>) -> Option<ToolConfig<'c>> {
    let (mode, allowed) = match chat.tool_choice.as_ref()? {
        ToolChoice::Auto => ("AUTO", None),
        ToolChoice::None => ("NONE", None),
        ToolChoice::Required => ("ANY", None),
        ToolChoice::Function(name) => ("ANY", Some([&**name])),
    };
    Some(ToolConfig { function_calling_config: Calling { mode, allowed_function_names: allowed } })
}
