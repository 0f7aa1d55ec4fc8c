//! What the model may call.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::blocks::Mark;
use super::features::Betas;
use super::model::Claude;
use super::schema;
use crate::chat::{Api, Chat, Format, Function, Native, Raw, SCHEMA_TOOL, Str, Tool, ToolChoice};
use crate::provider::refuse::native_type;
use crate::vocabulary::{Fault, Kind};

/// What the types of Anthropic's own tools begin with; a date follows.
const NATIVE: [&str; 12] = [
    "web_search_20",
    "web_fetch_20",
    "computer_20",
    "computer_toolset_20",
    "browser_toolset_20",
    "bash_20",
    "text_editor_20",
    "code_execution_20",
    "memory_20",
    "tool_search_tool_",
    "advisor_20",
    "mcp_toolset",
];
/// The version of the web search that every model with one has.
const WEB_SEARCH: &str = "web_search_20250305";
/// The tools that stand for those of others which run code, and which read pages.
const CODE: (&str, &str) = ("code_execution_20250825", r#"{"type":"code_execution_20250825","name":"code_execution"}"#);
const PAGES: (&str, &str) = ("web_fetch_20250910", r#"{"type":"web_fetch_20250910","name":"web_fetch"}"#);

/// One of `tools`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Callable<'c> {
    Native(Cow<'c, RawValue>),
    Custom(Custom<'c>),
    WebSearch(WebSearch<'c>),
}

#[derive(Debug, Serialize)]
pub(super) struct Custom<'c> {
    name: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'c str>,
    input_schema: Cow<'c, RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<Mark<'c>>,
}

/// Anthropic's web search in the place of another vendor's.
#[derive(Debug, Serialize)]
pub(super) struct WebSearch<'c> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_uses: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_domains: Option<Raw<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_location: Option<Location<'c>>,
}

/// Where the user is.
#[derive(Debug, Serialize)]
struct Location<'c> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(flatten)]
    place: Place<'c>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct Place<'c> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    city: Option<Str<'c>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    country: Option<Str<'c>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    region: Option<Str<'c>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    timezone: Option<Str<'c>>,
}

/// OpenAI's web search, as a tool or as `web_search_options`.
#[derive(Default, Deserialize)]
struct Search<'c> {
    #[serde(borrow)]
    search_context_size: Option<Str<'c>>,
    #[serde(borrow)]
    user_location: Option<Around<'c>>,
    #[serde(borrow)]
    filters: Option<Filters<'c>>,
}

#[derive(Deserialize)]
struct Around<'c> {
    #[serde(borrow)]
    approximate: Option<Place<'c>>,
    #[serde(borrow)]
    city: Option<Str<'c>>,
    #[serde(borrow)]
    country: Option<Str<'c>>,
    #[serde(borrow)]
    region: Option<Str<'c>>,
    #[serde(borrow)]
    timezone: Option<Str<'c>>,
}

#[derive(Deserialize)]
struct Filters<'c> {
    #[serde(borrow)]
    allowed_domains: Option<Raw<'c>>,
}

/// `tool_choice`.
#[derive(Debug, Serialize)]
pub(super) struct Choice<'c> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_parallel_tool_use: Option<bool>,
}

/// The tools of a chat.
pub(super) fn tools<'c>(
    chat: &'c Chat<'_>,
    claude: Claude,
    betas: &mut Betas,
    dropped: &mut Vec<String>,
) -> Result<Vec<Callable<'c>>, Fault> {
    let mut tools = Vec::with_capacity(chat.tools.len() + 1);
    for (index, tool) in chat.tools.iter().enumerate() {
        tools.push(match tool {
            Tool::Function(function) => custom(function, claude, index, dropped),
            Tool::Native(native) => own(native, index, betas)?,
        });
    }
    let options = chat.others.iter().find(|(name, _)| &**name == "web_search_options");
    tools.extend(options.map(|(_, options)| web_search(options)));
    Ok(tools)
}

fn custom<'c>(function: &'c Function<'_>, claude: Claude, index: usize, dropped: &mut Vec<String>) -> Callable<'c> {
    let wanted = function.strict == Some(true);
    let object = schema::of_object(function.parameters);
    let closed = (wanted && claude.follows_schemas()).then(|| schema::closed(&object)).flatten().map(Cow::into_owned);
    let held = closed.is_some();
    if wanted && !held {
        dropped.push(format!("tools[{index}].strict"));
    }
    Callable::Custom(Custom {
        name: &function.name,
        description: function.description.as_deref(),
        input_schema: closed.map_or(object, Cow::Owned),
        strict: function.strict.filter(|strict| !strict || held),
        cache_control: function.cache.as_ref().map(Mark::new),
    })
}

#[derive(Default, Deserialize)]
struct Kinded<'c> {
    #[serde(borrow, rename = "type")]
    kind: Option<Str<'c>>,
    #[serde(rename = "googleSearch", alias = "google_search", default)]
    google_search: Option<serde::de::IgnoredAny>,
    #[serde(rename = "codeExecution", alias = "code_execution", default)]
    code_execution: Option<serde::de::IgnoredAny>,
    #[serde(rename = "urlContext", alias = "url_context", default)]
    url_context: Option<serde::de::IgnoredAny>,
}

/// The type of a native tool.
pub(super) fn kind_of<'c>(tool: &Tool<'c>) -> Option<Str<'c>> {
    let Tool::Native(native) = tool else { return None };
    serde_json::from_str::<Kinded<'c>>(native.json.get()).ok()?.kind
}

/// A tool that a vendor runs: Anthropic's own as they are, and a search for a search.
fn own<'c>(native: &Native<'c>, index: usize, betas: &mut Betas) -> Result<Callable<'c>, Fault> {
    let read = serde_json::from_str::<Kinded<'c>>(native.json.get()).ok();
    let read = read.unwrap_or_default();
    let kind = read.kind.unwrap_or_default();
    if native.api == Api::Anthropic || NATIVE.iter().any(|known| kind.starts_with(known)) {
        betas.add_tool(&kind);
        return Ok(Callable::Native(Cow::Borrowed(native.json)));
    }
    if kind.contains("web_search") || read.google_search.is_some() {
        return Ok(web_search(native.json));
    }
    let stands = match () {
        () if kind.starts_with("code_interpreter") || read.code_execution.is_some() => Some(CODE),
        () if kind.contains("web_fetch") || read.url_context.is_some() => Some(PAGES),
        () => None,
    };
    if let Some((kind, tool)) = stands {
        betas.add_tool(kind);
        return Ok(Callable::Native(schema::owned(tool.to_owned())));
    }
    let kind = native_type(native.json);
    let text =
        format!("tools[{index}]: {kind:?} is no tool that Anthropic has: give functions, or tools like {WEB_SEARCH}");
    Err(Fault::client(Kind::BadRequest, text).param(format!("tools[{index}].type")))
}

fn web_search(options: Raw<'_>) -> Callable<'_> {
    let search: Search<'_> = serde_json::from_str(options.get()).unwrap_or_default();
    let place = search.user_location.map(|around| {
        let Around { approximate, city, country, region, timezone } = around;
        approximate.unwrap_or(Place { city, country, region, timezone })
    });
    Callable::WebSearch(WebSearch {
        kind: WEB_SEARCH,
        name: "web_search",
        // LiteLLM's figures.
        max_uses: match search.search_context_size.as_deref() {
            Some("low") => Some(1),
            Some("medium") => Some(5),
            Some("high") => Some(10),
            _ => None,
        },
        allowed_domains: search.filters.and_then(|filters| filters.allowed_domains),
        user_location: place.map(|place| Location { kind: "approximate", place }),
    })
}

/// A tool whose arguments are the answer.
pub(super) fn schema_tool<'c>(format: &'c Format<'_>) -> Option<Callable<'c>> {
    let (description, input_schema) = match format {
        Format::Text => return None,
        Format::Json => (None, schema::owned(r#"{"type":"object","additionalProperties":true}"#.to_owned())),
        Format::Schema { description, schema, .. } => (description.as_deref(), schema::of_object(Some(*schema))),
    };
    Some(Callable::Custom(Custom {
        name: SCHEMA_TOOL,
        description: description.or(Some("Answer by calling this tool: its arguments are the answer.")),
        input_schema,
        strict: None,
        cache_control: None,
    }))
}

/// What must be called. `forced`: the schema's tool must be, or may not be where the model thinks.
pub(super) fn choice<'c>(chat: &'c Chat<'_>, has_tools: bool, schema: Option<Forced>) -> Option<Choice<'c>> {
    // The API refuses a choice without tools.
    if !has_tools {
        return None;
    }
    let parallel = chat.parallel_tool_calls.filter(|parallel| !parallel).map(|_| true);
    let plain = |kind| Some(Choice { kind, name: None, disable_parallel_tool_use: parallel });
    let named = |name| Some(Choice { kind: "tool", name: Some(name), disable_parallel_tool_use: parallel });
    match (schema, &chat.tool_choice) {
        (Some(Forced::No), _) => plain("auto"),
        (Some(Forced::Yes), Some(ToolChoice::Function(name))) => named(name),
        (Some(Forced::Yes), Some(ToolChoice::None)) => named(SCHEMA_TOOL),
        (Some(Forced::Yes), _) if chat.tools.is_empty() => named(SCHEMA_TOOL),
        // The other tools may be needed first.
        (Some(Forced::Yes), _) => plain("any"),
        (None, Some(ToolChoice::Auto)) => plain("auto"),
        (None, Some(ToolChoice::Required)) => plain("any"),
        (None, Some(ToolChoice::Function(name))) => named(name),
        (None, Some(ToolChoice::None)) => Some(Choice { kind: "none", name: None, disable_parallel_tool_use: None }),
        (None, None) => parallel.and_then(|_| plain("auto")),
    }
}

/// Whether the schema's tool must be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forced {
    Yes,
    No,
}
