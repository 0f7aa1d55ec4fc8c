//! Tools, and which of them must be called.

use serde::{Deserialize, Serialize};

use super::body::{Choice, InputSchema, Json, Members, Named, Tool, ToolConfig, ToolSpec};
use super::converse::Dropped;
use super::family::Family;
use super::turns::cache_point;
use crate::chat::{self, Api, Chat, Function, Native, Raw, SCHEMA_TOOL, Str, ToolChoice};
use crate::provider::refuse::native_type;
use crate::vocabulary::{Fault, Kind};

/// What Nova calls its search of the web.
const GROUNDING: &str = "nova_grounding";
const NAME_BYTES_MAX: usize = 64;
const ANY_OBJECT: &str = r#"{"type":"object","properties":{}}"#;

/// Anthropic's tools that a client of Bedrock runs itself, and the beta that some need.
const ANTHROPIC: [(&str, Option<&str>); 9] = [
    ("computer_20241022", Some("computer-use-2024-10-22")),
    ("text_editor_20241022", Some("computer-use-2024-10-22")),
    ("bash_20241022", Some("computer-use-2024-10-22")),
    ("computer_20250124", Some("computer-use-2025-01-24")),
    ("computer_20251124", Some("computer-use-2025-11-24")),
    ("text_editor_", None),
    ("bash_", None),
    ("memory_", Some("context-management-2025-06-27")),
    ("tool_search_tool_", Some("tool-search-tool-2025-10-19")),
];

/// What decides about tools besides the chat.
pub(super) struct Setting<'a, 's> {
    pub(super) family: Family,
    /// The model follows the schema of a strict tool by itself.
    pub(super) strict: bool,
    /// The model thinks first, and cannot be forced to call.
    pub(super) thinks: bool,
    /// The tools that were called before.
    pub(super) called: &'s [Str<'a>],
    /// The answer's schema, where a tool must stand for it.
    pub(super) schema: Option<(Option<Str<'a>>, Raw<'a>)>,
}

/// Which tools may be called.
enum Wanted<'a> {
    Free,
    Any,
    Named(Str<'a>),
    None,
}

/// Anthropic's `tool_choice`, for what Converse has no word for.
#[derive(Serialize)]
struct AnthropicChoice<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_parallel_tool_use: Option<bool>,
}

/// Writes the tools. What Converse has no words for goes to `fields`.
pub(super) fn write<'a>(
    chat: &Chat<'a>,
    setting: Setting<'a, '_>,
    fields: &mut Members<'a>,
    dropped: &mut Dropped,
) -> Result<Option<ToolConfig<'a>>, Fault> {
    let mut wanted = match &chat.tool_choice {
        None | Some(ToolChoice::Auto) => Wanted::Free,
        Some(ToolChoice::None) => Wanted::None,
        Some(ToolChoice::Required) => Wanted::Any,
        Some(ToolChoice::Function(name)) => Wanted::Named(name.clone()),
    };
    let mut tools = Vec::with_capacity(chat.tools.len() + 1);
    // Nothing may be called and nothing was: no tools say the same.
    if !(matches!(wanted, Wanted::None) && setting.called.is_empty()) {
        tools = listed(chat, &setting, fields, dropped)?;
    }
    if tools.is_empty() && !fields.has("tools") && !setting.called.is_empty() {
        // A history with calls is refused without their tools.
        tools.extend(setting.called.iter().map(|name| Tool::ToolSpec(stub(name))));
        wanted = Wanted::None;
    }
    if let Some((description, schema)) = &setting.schema {
        wanted = match wanted {
            Wanted::Free if !tools.is_empty() => Wanted::Any,
            Wanted::Free | Wanted::None => Wanted::Named(SCHEMA_TOOL.into()),
            wanted => wanted,
        };
        let input_schema = InputSchema { json: Json::Carried(schema) };
        let description = description.clone();
        tools.push(Tool::ToolSpec(ToolSpec { name: SCHEMA_TOOL.into(), description, input_schema, strict: None }));
    }
    if tools.is_empty() {
        return Ok(None);
    }
    let tool_choice = choice(chat, &setting, wanted, fields, dropped);
    Ok(Some(ToolConfig { tools, tool_choice }))
}

fn listed<'a>(
    chat: &Chat<'a>,
    setting: &Setting<'a, '_>,
    fields: &mut Members<'a>,
    dropped: &mut Dropped,
) -> Result<Vec<Tool<'a>>, Fault> {
    let (mut tools, mut theirs, mut betas) = (Vec::with_capacity(chat.tools.len() + 1), Vec::new(), Vec::new());
    for (index, tool) in chat.tools.iter().enumerate() {
        match tool {
            chat::Tool::Function(function) => {
                tools.push(Tool::ToolSpec(spec(function, setting.strict, index, dropped)?));
                let mark = function
                    .cache
                    .as_ref()
                    .and_then(|cache| cache_point(cache, setting.family.caches_tools(), dropped));
                tools.extend(mark.map(Tool::CachePoint));
            }
            chat::Tool::Native(native) => match own(native).or_else(|| grounding(native, setting.family)) {
                Some(tool) => tools.push(tool),
                None => {
                    let beta = anthropic(native, setting.family).ok_or_else(|| refused(native, index))?;
                    betas.extend(beta.filter(|beta| !betas.contains(beta)));
                    theirs.push(native.json);
                }
            },
        }
    }
    if chat.others.iter().any(|(name, _)| name == "web_search_options") {
        tools.push(Tool::SystemTool(Named { name: GROUNDING.into() }));
    }
    if !theirs.is_empty() {
        fields.make("tools", &theirs);
    }
    if !betas.is_empty() {
        fields.make("anthropic_beta", &betas);
    }
    Ok(tools)
}

fn spec<'a>(function: &Function<'a>, strict: bool, index: usize, dropped: &mut Dropped) -> Result<ToolSpec<'a>, Fault> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !(1..=NAME_BYTES_MAX).contains(&function.name.len()) || !function.name.bytes().all(is_name) {
        let place = format!("tools[{index}].function.name");
        let text = format!("{place}: Bedrock takes 1 to 64 letters, digits, _ and -; found {:?}", &*function.name);
        return Err(Fault::client(Kind::BadRequest, text).param(place));
    }
    if function.strict == Some(true) && !strict {
        dropped.note("tools[].function.strict");
    }
    let given = function.parameters.filter(|schema| !matches!(schema.get().trim(), "null" | "{}"));
    Ok(ToolSpec {
        name: function.name.clone(),
        description: function.description.clone().filter(|text| !text.trim().is_empty()),
        input_schema: InputSchema { json: given.map_or_else(|| Json::constant(ANY_OBJECT), Json::Carried) },
        strict: function.strict.filter(|wanted| *wanted && strict),
    })
}

fn stub<'a>(name: &Str<'a>) -> ToolSpec<'a> {
    let input_schema = InputSchema { json: Json::constant(ANY_OBJECT) };
    ToolSpec { name: name.clone(), description: None, input_schema, strict: None }
}

fn choice<'a>(
    chat: &Chat<'a>,
    setting: &Setting<'a, '_>,
    wanted: Wanted<'a>,
    fields: &mut Members<'a>,
    dropped: &mut Dropped,
) -> Option<Choice<'a>> {
    let is_claude = matches!(setting.family, Family::Claude(_));
    let is_forced = matches!(wanted, Wanted::Any | Wanted::Named(_));
    let cannot = (is_forced && (setting.thinks || !setting.family.chooses_tools()))
        || (matches!(wanted, Wanted::None) && !is_claude);
    if cannot && !matches!(chat.tool_choice, None | Some(ToolChoice::Auto)) {
        dropped.note("tool_choice");
    }
    let wanted = if cannot { Wanted::Free } else { wanted };
    let disable_parallel_tool_use = (is_claude && chat.parallel_tool_calls == Some(false)).then_some(true);
    let (r#type, name) = match &wanted {
        Wanted::Free => ("auto", None),
        Wanted::Any => ("any", None),
        Wanted::Named(name) => ("tool", Some(&**name)),
        Wanted::None => ("none", None),
    };
    if r#type == "none" || disable_parallel_tool_use.is_some() {
        let disable_parallel_tool_use = disable_parallel_tool_use.filter(|_| r#type != "none");
        fields.make("tool_choice", &AnthropicChoice { r#type, name, disable_parallel_tool_use });
        return None;
    }
    match wanted {
        Wanted::Free | Wanted::None => None,
        Wanted::Any => Some(Choice::Any {}),
        Wanted::Named(name) => Some(Choice::Tool(Named { name })),
    }
}

/// The members of a tool that tell what it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Peek<'a> {
    #[serde(borrow, default)]
    r#type: Option<Str<'a>>,
    #[serde(borrow, default)]
    name: Option<Str<'a>>,
    #[serde(borrow, default)]
    tool_spec: Option<Raw<'a>>,
    #[serde(borrow, default)]
    system_tool: Option<Raw<'a>>,
    #[serde(borrow, default)]
    cache_point: Option<Raw<'a>>,
}

fn peek<'a>(native: &Native<'a>) -> Option<Peek<'a>> {
    serde_json::from_str(native.json.get()).ok()
}

/// A tool in Converse's words.
fn own<'a>(native: &Native<'a>) -> Option<Tool<'a>> {
    let peek = peek(native);
    let told = peek
        .as_ref()
        .is_some_and(|peek| peek.tool_spec.is_some() || peek.system_tool.is_some() || peek.cache_point.is_some());
    if native.api == Api::Converse || told {
        return Some(Tool::Native(native.json));
    }
    let peek = peek.filter(|peek| peek.r#type.as_ref().is_some_and(|kind| *kind == "system_tool"))?;
    Some(Tool::SystemTool(Named { name: peek.name? }))
}

/// Nova's search of the web in the place of another vendor's.
fn grounding<'a>(native: &Native<'_>, family: Family) -> Option<Tool<'a>> {
    let kind = native_type(native.json);
    let searches = kind.contains("web_search") || matches!(&*kind, "googleSearch" | "google_search");
    let has = matches!(family, Family::Nova | Family::Nova2);
    (searches && has).then(|| Tool::SystemTool(Named { name: GROUNDING.into() }))
}

/// One of Anthropic's tools that Claude takes as it is: with the beta that it needs.
fn anthropic(native: &Native<'_>, family: Family) -> Option<Option<&'static str>> {
    let kind = peek(native).and_then(|peek| peek.r#type).filter(|_| matches!(family, Family::Claude(_)))?;
    ANTHROPIC.iter().find(|(begin, _)| kind.starts_with(begin)).map(|(_, beta)| *beta)
}

fn refused(native: &Native<'_>, index: usize) -> Fault {
    let kind = native_type(native.json);
    let place = format!("tools[{index}].type");
    let text = format!("{place}: Bedrock does not run tools of type {kind:?}; leave it out, or give a function");
    Fault::client(Kind::BadRequest, text).param(place)
}
