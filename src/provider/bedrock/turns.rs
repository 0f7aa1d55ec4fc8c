//! The conversation: turns of the user and the assistant by turns, the system prompt beside them.

use serde::Deserialize;

use super::body::{Block, CachePoint, Guard, GuardText, Json, ReasoningText, Thought, ToolResult, ToolUse, Turn};
use super::converse::Dropped;
use super::family::Family;
use super::media::{self, Names};
use crate::chat::{self, Api, Cache, Chat, Message, Native, Part, Raw, Role, Str};
use crate::provider::refuse::{Place, native_type};
use crate::vocabulary::{Fault, Kind};

const TOOL_ID_BYTES_MAX: usize = 64;

/// What a chat's messages are to Converse.
#[derive(Debug, Default)]
pub(super) struct Conversation<'a> {
    /// System messages, wherever they stood.
    pub(super) system: Vec<Block<'a>>,
    /// Never two of the same role in a row.
    pub(super) turns: Vec<Turn<'a>>,
    /// The names of the tools that were called, each once.
    pub(super) called: Vec<Str<'a>>,
}

/// Writes the messages.
pub(super) fn write<'a>(chat: &Chat<'a>, family: Family, dropped: &mut Dropped) -> Result<Conversation<'a>, Fault> {
    let mut writer = Writer { family, dropped, names: Names::default(), done: Conversation::default(), open: None };
    for (index, message) in chat.messages.iter().enumerate() {
        if message.name.is_some() {
            writer.dropped.note("messages[].name");
        }
        for (part_index, part) in message.parts.iter().enumerate() {
            writer.part(message, part, Place::message(index).part(part_index))?;
        }
    }
    writer.close();
    let mut done = writer.done;
    if done.turns.is_empty() {
        let text = "messages: Bedrock needs a message of the user or the assistant that is not blank";
        return Err(Fault::client(Kind::BadRequest, text).param("messages"));
    }
    trim_end(&mut done.turns);
    Ok(done)
}

/// An answer to go on with must not end in blanks.
fn trim_end(turns: &mut [Turn<'_>]) {
    let Some(Turn { role: "assistant", content }) = turns.last_mut() else { return };
    if let Some(Block::Text(text)) = content.last_mut() {
        *text = text.trim_end().to_owned().into();
    }
}

struct Writer<'a, 'd> {
    family: Family,
    dropped: &'d mut Dropped,
    names: Names,
    done: Conversation<'a>,
    open: Option<Open<'a>>,
}

/// The turn that is being written. Results of tools come first in it.
struct Open<'a> {
    role: &'static str,
    results: Vec<Block<'a>>,
    others: Vec<Block<'a>>,
}

impl<'a> Writer<'a, '_> {
    fn part(&mut self, message: &Message<'a>, part: &Part<'a>, place: Place) -> Result<(), Fault> {
        match message.role {
            Role::System => self.system(part, place),
            Role::User => self.said("user", part, place),
            Role::Assistant => self.said("assistant", part, place),
            Role::Tool => self.said("user", part, place),
        }
    }

    fn system(&mut self, part: &Part<'a>, place: Place) -> Result<(), Fault> {
        match part {
            Part::Text { text, cache } => {
                if !text.trim().is_empty() {
                    self.done.system.push(Block::Text(text.clone()));
                }
                let mark = self.mark(cache.as_ref());
                if !self.done.system.is_empty() {
                    self.done.system.extend(mark);
                }
            }
            Part::Native(native) => match own(native) {
                Some(block) => self.done.system.push(block),
                None => return Err(refused(place, &native_type(native.json))),
            },
            _ => return Err(refused(place, "a system message of other than text")),
        }
        Ok(())
    }

    fn said(&mut self, role: &'static str, part: &Part<'a>, place: Place) -> Result<(), Fault> {
        let (block, cache) = match part {
            Part::Text { text, cache } => (text_block(text), cache.as_ref()),
            Part::Refusal(text) => (text_block(text), None),
            Part::Media(media) => (Some(media::block(media, &mut self.names, place)?), media.cache.as_ref()),
            Part::ToolCall(call) => (Some(self.call(call, place)?), call.cache.as_ref()),
            Part::ToolResult(result) => (Some(self.result(result, place)?), result.cache.as_ref()),
            Part::Thinking { text, signature } => (self.thought(text, signature.as_ref()), None),
            Part::Redacted { data } => (Some(Block::ReasoningContent(Thought::RedactedContent(data.clone()))), None),
            Part::Native(native) => (self.native(role, native, place)?, None),
        };
        let mark = self.mark(cache);
        let is_result = matches!(part, Part::ToolResult(_));
        if block.is_some() || (mark.is_some() && self.open.as_ref().is_some_and(|open| open.role == role)) {
            let turn = self.turn(role);
            let blocks = if is_result { &mut turn.results } else { &mut turn.others };
            // A mark right after a document or a film is refused.
            let apart = matches!(block, Some(Block::Document(_) | Block::Video(_))) && mark.is_some();
            blocks.extend(block);
            blocks.extend(apart.then(|| Block::Text("\n".into())));
            blocks.extend(mark);
        }
        Ok(())
    }

    /// The turn of a role: the one that is open, or a new one.
    fn turn(&mut self, role: &'static str) -> &mut Open<'a> {
        if self.open.as_ref().is_some_and(|open| open.role != role) {
            self.close();
        }
        self.open.get_or_insert_with(|| Open { role, results: Vec::new(), others: Vec::new() })
    }

    fn close(&mut self) {
        if let Some(Open { role, mut results, others }) = self.open.take() {
            results.extend(others);
            self.done.turns.push(Turn { role, content: results });
        }
    }

    fn mark(&mut self, cache: Option<&Cache<'a>>) -> Option<Block<'a>> {
        cache_point(cache?, self.family.caches(), self.dropped).map(Block::CachePoint)
    }

    fn call(&mut self, call: &chat::ToolCall<'a>, place: Place) -> Result<Block<'a>, Fault> {
        let bad = || refused(place, "arguments of a tool call that are not a JSON object");
        let input = match &call.arguments.0 {
            std::borrow::Cow::Borrowed(text) => Json::Carried(chat::object_or_empty(text).ok_or_else(bad)?),
            std::borrow::Cow::Owned(text) => Json::Made(chat::object_or_empty(text).ok_or_else(bad)?.to_owned()),
        };
        if !self.done.called.contains(&call.name) {
            self.done.called.push(call.name.clone());
        }
        Ok(Block::ToolUse(ToolUse { tool_use_id: tool_id(&call.id), name: call.name.clone(), input }))
    }

    fn result(&mut self, result: &chat::ToolResult<'a>, place: Place) -> Result<Block<'a>, Fault> {
        let mut content = Vec::with_capacity(result.parts.len());
        for (index, part) in result.parts.iter().enumerate() {
            let place = place.part(index);
            match part {
                Part::Text { text, .. } => content.extend(text_block(text)),
                Part::Media(media) => content.push(media::block(media, &mut self.names, place)?),
                Part::Native(native) => match own(native) {
                    Some(block) => content.push(block),
                    // What only another API understands (a reference to a tool): the conversation goes on without it.
                    None => self.dropped.note(&native_type(native.json)),
                },
                _ => return Err(refused(place, "a tool's result of other than text and media")),
            }
        }
        if content.is_empty() {
            // A result must not be empty, nor its text blank.
            content.push(Block::Json(Json::empty()));
        }
        let status = result.error.then_some("error");
        Ok(Block::ToolResult(ToolResult { tool_use_id: tool_id(&result.id), content, status }))
    }

    /// A thought goes back to whoever signed it; others take none.
    fn thought(&mut self, text: &Str<'a>, signature: Option<&Str<'a>>) -> Option<Block<'a>> {
        let signature = signature.filter(|signature| !signature.is_empty()).cloned();
        if signature.is_none() {
            self.dropped.note("messages[].reasoning");
            return None;
        }
        Some(Block::ReasoningContent(Thought::ReasoningText(ReasoningText { text: text.clone(), signature })))
    }

    fn native(&mut self, role: &str, native: &Native<'a>, place: Place) -> Result<Option<Block<'a>>, Fault> {
        match own(native) {
            Some(block) => Ok(Some(block)),
            // What a model of another vendor did beside its answer: the conversation goes on without it.
            None if role == "assistant" => {
                self.dropped.note(&native_type(native.json));
                Ok(None)
            }
            None => Err(refused(place, &native_type(native.json))),
        }
    }
}

fn text_block<'a>(text: &Str<'a>) -> Option<Block<'a>> {
    (!text.trim().is_empty()).then(|| Block::Text(text.clone()))
}

/// The mark after a part.
pub(super) fn cache_point<'a>(cache: &Cache<'a>, takes: bool, dropped: &mut Dropped) -> Option<CachePoint<'a>> {
    if !takes {
        dropped.note("cache_control");
        return None;
    }
    Some(CachePoint { r#type: "default", ttl: cache.ttl.clone() })
}

/// The members of a part that tell what it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Peek<'a> {
    #[serde(borrow, default)]
    r#type: Option<Str<'a>>,
    #[serde(borrow, default)]
    text: Option<Raw<'a>>,
    #[serde(borrow, default)]
    guard_content: Option<Raw<'a>>,
    #[serde(borrow, default)]
    cache_point: Option<Raw<'a>>,
    #[serde(borrow, default)]
    search_result: Option<Raw<'a>>,
}

/// A part in Converse's words, or in those that LiteLLM's clients use for them (`guarded_text`).
fn own<'a>(native: &Native<'a>) -> Option<Block<'a>> {
    if native.api == Api::Converse {
        return Some(Block::Native(native.json));
    }
    let peek: Peek<'a> = serde_json::from_str(native.json.get()).ok()?;
    if peek.guard_content.is_some() || peek.cache_point.is_some() || peek.search_result.is_some() {
        return Some(Block::Native(native.json));
    }
    let text = peek.text.filter(|_| peek.r#type.is_some_and(|kind| kind == "guarded_text"))?;
    let text = serde_json::from_str(text.get()).ok()?;
    Some(Block::GuardContent(Guard::Text(GuardText { text })))
}

fn refused(place: Place, what: &str) -> Fault {
    let text = format!("{place}: Bedrock does not take {what} here; leave it out");
    Fault::client(Kind::BadRequest, text).param(place.to_string())
}

/// The id of a call in the characters that AWS takes: the same for the call and its result.
pub(super) fn tool_id<'a>(id: &Str<'a>) -> Str<'a> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'-');
    if (1..=TOOL_ID_BYTES_MAX).contains(&id.len()) && id.bytes().all(is_allowed) {
        return id.clone();
    }
    let kept = id.bytes().filter(|byte| is_allowed(*byte)).take(40).map(char::from).collect::<String>();
    // FNV-1a, so that ids stay different.
    let hash = id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{kept}-{hash:016x}").into()
}
