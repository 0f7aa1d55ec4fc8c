//! Messages and their content blocks.

use std::borrow::Cow;

use serde::Deserialize;

use super::read::{given, list, parse, wrong};
use crate::chat::{Api, Cache, Media, MediaKind, Message, Native, Part, Raw, Role, Source, Str, ToolCall, ToolResult};
use crate::vocabulary::Fault;

/// What stands in a call's id before a signature (Gemini's) that this API has no place for: clients give ids back as they
/// are. LiteLLM's mark.
pub(super) const SIGNED: &str = "__thought__";
/// How deep blocks lie within each other at most: a tool's result with a document of blocks.
const DEPTH_MAX: usize = 3;

#[derive(Deserialize)]
struct Turn<'a> {
    #[serde(borrow)]
    role: Str<'a>,
    #[serde(borrow)]
    content: Option<Raw<'a>>,
}

/// `cache_control`.
#[derive(Deserialize)]
pub(super) struct Mark<'a> {
    #[serde(borrow)]
    ttl: Option<Str<'a>>,
}

impl<'a> Mark<'a> {
    pub(super) fn cache(self) -> Cache<'a> {
        Cache { ttl: self.ttl }
    }
}

/// The members of all blocks that are understood.
#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow)]
    text: Option<Str<'a>>,
    #[serde(borrow)]
    source: Option<Raw<'a>>,
    #[serde(borrow)]
    title: Option<Str<'a>>,
    #[serde(borrow)]
    context: Option<Str<'a>>,
    #[serde(borrow)]
    id: Option<Str<'a>>,
    #[serde(borrow)]
    name: Option<Str<'a>>,
    #[serde(borrow)]
    input: Option<Raw<'a>>,
    #[serde(borrow)]
    tool_use_id: Option<Str<'a>>,
    #[serde(borrow)]
    content: Option<Raw<'a>>,
    #[serde(borrow)]
    is_error: Option<Raw<'a>>,
    #[serde(borrow)]
    thinking: Option<Str<'a>>,
    #[serde(borrow)]
    signature: Option<Str<'a>>,
    #[serde(borrow)]
    data: Option<Str<'a>>,
    #[serde(borrow)]
    cache_control: Option<Mark<'a>>,
}

/// Where an image or a document is.
#[derive(Deserialize)]
struct Place<'a> {
    #[serde(borrow, rename = "type")]
    kind: Str<'a>,
    #[serde(borrow)]
    media_type: Option<Str<'a>>,
    #[serde(borrow)]
    data: Option<Str<'a>>,
    #[serde(borrow)]
    url: Option<Str<'a>>,
    #[serde(borrow)]
    file_id: Option<Str<'a>>,
    #[serde(borrow)]
    content: Option<Raw<'a>>,
}

/// Reads instructions: a text or text blocks.
pub(super) fn system<'a>(value: Raw<'a>, at: &str) -> Result<Vec<Part<'a>>, Fault> {
    content(value, at, 1)
}

/// Reads a message. One of a user's that holds tool results becomes several: results stand by themselves.
pub(super) fn message<'a>(value: Raw<'a>, at: &str, messages: &mut Vec<Message<'a>>) -> Result<(), Fault> {
    let turn: Turn<'a> = parse(value, at)?;
    let role = match &*turn.role {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" | "developer" => Role::System,
        _ => return Err(wrong(&format!("{at}.role"), "user, assistant or system is expected")),
    };
    let parts = match turn.content.and_then(given) {
        Some(value) => content(value, &format!("{at}.content"), 0)?,
        None if role == Role::System => Vec::new(),
        None => return Err(wrong(&format!("{at}.content"), "a text or a list of blocks is required")),
    };
    let before = messages.len();
    for part in parts {
        let role = if matches!(part, Part::ToolResult(_)) { Role::Tool } else { role };
        match messages.get_mut(before..).and_then(<[_]>::last_mut) {
            Some(last) if last.role == role => last.parts.push(part),
            _ => messages.push(Message::new(role, vec![part])),
        }
    }
    if messages.len() == before {
        messages.push(Message::new(role, Vec::new()));
    }
    Ok(())
}

/// Reads a text or a list of blocks.
fn content<'a>(value: Raw<'a>, at: &str, depth: usize) -> Result<Vec<Part<'a>>, Fault> {
    if value.get().starts_with('"') {
        return Ok(vec![Part::Text { text: parse(value, at)?, cache: None }]);
    }
    if depth >= DEPTH_MAX {
        return Err(wrong(at, "blocks lie too deep within each other"));
    }
    let blocks = list(value, at)?;
    let mut parts = Vec::with_capacity(blocks.len());
    for (index, value) in blocks.into_iter().enumerate() {
        block(value, &format!("{at}[{index}]"), depth, &mut parts)?;
    }
    Ok(parts)
}

fn block<'a>(value: Raw<'a>, at: &str, depth: usize, parts: &mut Vec<Part<'a>>) -> Result<(), Fault> {
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow, rename = "type")]
        kind: Str<'a>,
    }
    let kind: Kind<'_> = parse(value, at)?;
    if !KNOWN.contains(&&*kind.kind) {
        parts.push(Part::Native(Native { api: Api::Anthropic, json: value }));
        return Ok(());
    }
    let block: Block<'a> = parse(value, at)?;
    if matches!(&*block.kind, "image" | "document") && block.source.is_some_and(is_foreign) {
        parts.push(Part::Native(Native { api: Api::Anthropic, json: value }));
        return Ok(());
    }
    let cache = block.cache_control.map(Mark::cache);
    let part = match &*block.kind {
        "text" => Part::Text { text: need(block.text, at, "text")?, cache },
        "image" => {
            let place = parse(need(block.source, at, "source")?, at)?;
            Part::Media(media(MediaKind::Image, place, None, cache, at)?)
        }
        "document" => {
            let place: Place<'a> = parse(need(block.source, at, "source")?, at)?;
            parts.extend(block.context.map(Part::text));
            return document(place, block.title, cache, at, depth, parts);
        }
        "search_result" => return search_result(block.content, block.title, block.source, cache, at, parts),
        "tool_use" => {
            let (id, signature) = signed(need(block.id, at, "id")?);
            Part::ToolCall(ToolCall {
                id,
                name: need(block.name, at, "name")?,
                arguments: block.input.and_then(given).map_or("{}", |input| input.get()).into(),
                signature,
                cache,
            })
        }
        "tool_result" => Part::ToolResult(ToolResult {
            id: signed(need(block.tool_use_id, at, "tool_use_id")?).0,
            name: None,
            parts: match block.content.and_then(given) {
                Some(value) => content(value, &format!("{at}.content"), depth + 1)?,
                None => Vec::new(),
            },
            error: block.is_error.is_some_and(|value| value.get() == "true"),
            cache,
        }),
        "thinking" => Part::Thinking {
            text: block.thinking.unwrap_or_default(),
            signature: block.signature.filter(|signature| !signature.is_empty()),
        },
        _ => Part::Redacted { data: need(block.data, at, "data")? },
    };
    parts.push(part);
    Ok(())
}

/// Whether a file is somewhere that only Anthropic knows.
fn is_foreign(source: Raw<'_>) -> bool {
    let place = serde_json::from_str::<Place<'_>>(source.get());
    place.is_ok_and(|place| !matches!(&*place.kind, "base64" | "text" | "url" | "file" | "content"))
}

/// Blocks that other APIs have in some form. The others are Anthropic's alone.
const KNOWN: [&str; 8] =
    ["text", "image", "document", "search_result", "tool_use", "tool_result", "thinking", "redacted_thinking"];

fn media<'a>(
    kind: MediaKind,
    place: Place<'a>,
    name: Option<Str<'a>>,
    cache: Option<Cache<'a>>,
    at: &str,
) -> Result<Media<'a>, Fault> {
    let at = format!("{at}.source");
    let source = match &*place.kind {
        "base64" => Source::Base64(need(place.data, &at, "data")?),
        "text" => Source::Text(need(place.data, &at, "data")?),
        "url" => Source::Url(need(place.url, &at, "url")?),
        "file" => Source::Id(need(place.file_id, &at, "file_id")?),
        _ => return Err(wrong(&format!("{at}.type"), "base64, text, url or file is expected")),
    };
    Ok(Media { kind, source, mime: place.media_type, name, detail: None, cache })
}

/// A document is a file, or a list of blocks that stand for themselves.
fn document<'a>(
    place: Place<'a>,
    title: Option<Str<'a>>,
    cache: Option<Cache<'a>>,
    at: &str,
    depth: usize,
    parts: &mut Vec<Part<'a>>,
) -> Result<(), Fault> {
    if &*place.kind != "content" {
        parts.push(Part::Media(media(MediaKind::File, place, title, cache, at)?));
        return Ok(());
    }
    parts.extend(title.map(Part::text));
    let inner = need(place.content, at, "source.content")?;
    parts.extend(content(inner, &format!("{at}.source.content"), depth + 1)?);
    if cache.is_some()
        && let Some(Part::Text { cache: last, .. }) = parts.last_mut()
    {
        *last = cache;
    }
    Ok(())
}

/// A search result is a text with a title and an address.
fn search_result<'a>(
    content: Option<Raw<'a>>,
    title: Option<Str<'a>>,
    source: Option<Raw<'a>>,
    cache: Option<Cache<'a>>,
    at: &str,
    parts: &mut Vec<Part<'a>>,
) -> Result<(), Fault> {
    #[derive(Deserialize)]
    struct Text<'a> {
        #[serde(borrow)]
        text: Str<'a>,
    }
    let mut text = title.map(|title| format!("{}\n", &*title)).unwrap_or_default();
    if let Some(source) = source {
        text.push_str(&parse::<Str<'_>>(source, &format!("{at}.source"))?);
        text.push('\n');
    }
    let blocks: Vec<Text<'_>> = parse(need(content, at, "content")?, &format!("{at}.content"))?;
    blocks.iter().for_each(|block| text.push_str(&block.text));
    parts.push(Part::Text { text: text.into(), cache });
    Ok(())
}

/// A call's id, and the signature of another provider's that our encoder put behind it.
fn signed(id: Str<'_>) -> (Str<'_>, Option<Str<'_>>) {
    match id.into_cow() {
        Cow::Borrowed(text) => match text.split_once(SIGNED) {
            Some((id, signature)) => (id.into(), Some(signature.into())),
            None => (text.into(), None),
        },
        Cow::Owned(text) => match text.split_once(SIGNED) {
            Some((id, signature)) => (id.to_owned().into(), Some(signature.to_owned().into())),
            None => (text.into(), None),
        },
    }
}

fn need<T>(value: Option<T>, at: &str, name: &str) -> Result<T, Fault> {
    value.ok_or_else(|| wrong(&format!("{at}.{name}"), "is required"))
}
