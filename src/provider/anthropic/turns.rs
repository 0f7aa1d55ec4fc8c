//! The conversation as the API takes it: user and assistant in turns.

use serde::Serialize;

use super::blocks::{Block, Mark, Ours, id};
use super::media;
use super::model::Claude;
use super::request::Flavour;
use crate::chat::{Api, Media, Message, Native, Part, Role, Source, ToolResult};
use crate::provider::refuse::Place;
use crate::vocabulary::Fault;

/// One of `messages`.
#[derive(Debug, Serialize)]
pub(super) struct Turn<'c> {
    role: &'static str,
    content: Vec<Block<'c>>,
}

/// Instructions and turns, as they are collected.
#[derive(Debug)]
pub(super) struct Talk<'c> {
    pub(super) system: Vec<Block<'c>>,
    pub(super) turns: Vec<Turn<'c>>,
    pub(super) dropped: Vec<String>,
    /// A file of the provider's is named.
    pub(super) files: bool,
    flavour: Flavour,
    system_turns: bool,
}

impl<'c> Talk<'c> {
    /// Brings messages into turns.
    pub(super) fn of(messages: &'c [Message<'_>], claude: Claude, flavour: Flavour) -> Result<Self, Fault> {
        let own = matches!(flavour, Flavour::Anthropic | Flavour::Foundry);
        let system_turns = own && claude.takes_system_turns();
        let (system, turns, dropped) = (Vec::new(), Vec::with_capacity(messages.len()), Vec::new());
        let mut talk = Self { system, turns, dropped, files: false, flavour, system_turns };
        for (index, message) in messages.iter().enumerate() {
            let next = messages.get(index + 1).map(|next| next.role);
            talk.add(message, index, next)?;
        }
        talk.finish()?;
        Ok(talk)
    }

    fn add(&mut self, message: &'c Message<'_>, index: usize, next: Option<Role>) -> Result<(), Fault> {
        if message.name.is_some() {
            self.dropped.push(format!("messages[{index}].name"));
        }
        let mut blocks = Vec::with_capacity(message.parts.len());
        for (part, at) in message.parts.iter().zip(0_usize..) {
            blocks.extend(self.block(part, message.role, Place::message(index).part(at))?);
        }
        let role = match message.role {
            Role::System if self.turns.is_empty() => {
                self.system.append(&mut blocks);
                return Ok(());
            }
            // Only between a user's turn and an answer; everywhere else they are words of the user's.
            Role::System if self.system_turns && self.last_role() == "user" && follows(next) => "system",
            Role::System | Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        self.put(role, blocks);
        Ok(())
    }

    fn last_role(&self) -> &'static str {
        self.turns.last().map_or("", |turn| turn.role)
    }

    fn put(&mut self, role: &'static str, mut blocks: Vec<Block<'c>>) {
        if blocks.is_empty() {
            return;
        }
        match self.turns.last_mut().filter(|last| last.role == role) {
            Some(last) => last.content.append(&mut blocks),
            None => self.turns.push(Turn { role, content: blocks }),
        }
    }

    fn finish(&mut self) -> Result<(), Fault> {
        if self.turns.is_empty() {
            // Instructions alone: they are what is asked.
            let system = std::mem::take(&mut self.system);
            self.put("user", system);
        }
        for turn in &mut self.turns {
            // The API wants results first. Stable: everything else stays in its order.
            turn.content.sort_by_key(|block| !block.is_result());
        }
        if self.turns.is_empty() {
            return Err(media::refused("messages", "at least one message with content is required"));
        }
        self.trim_last();
        Ok(())
    }

    /// An answer that is to be gone on with may not end with white space.
    fn trim_last(&mut self) {
        let Some(last) = self.turns.last_mut().filter(|turn| turn.role == "assistant") else { return };
        if let Some(Block::Ours(Ours::Text { text, .. })) = last.content.last_mut() {
            let end = text.trim_end().len();
            if end < text.len() {
                text.to_mut().truncate(end);
            }
        }
    }

    fn block(&mut self, part: &'c Part<'_>, role: Role, at: Place) -> Result<Option<Block<'c>>, Fault> {
        Ok(match part {
            Part::Text { text, cache } => Block::text(text, cache),
            Part::Refusal(text) => Block::text(text, &None),
            Part::Media(_) if role == Role::Assistant => self.leave_out(at),
            Part::Media(media) => Some(self.media(media, at)?),
            Part::ToolCall(call) => Some(Block::call(call)),
            Part::ToolResult(result) => Some(self.result(result, at)?),
            Part::Thinking { text, signature: Some(signature) } if !signature.is_empty() => {
                Some(Block::Ours(Ours::Thinking { thinking: text, signature }))
            }
            // Without a signature the API does not believe that it was its own.
            Part::Thinking { .. } => None,
            Part::Redacted { data } => Some(Block::Ours(Ours::RedactedThinking { data })),
            Part::Native(Native { api: Api::Anthropic, json }) => Some(Block::Native(json)),
            Part::Native(_) if role == Role::Assistant => self.leave_out(at),
            Part::Native(native) => {
                let what = format!("this part is in the words of another API ({:?}): give text or media", native.api);
                return Err(media::refused(at, &what));
            }
        })
    }

    /// The conversation goes on without it.
    fn leave_out(&mut self, at: Place) -> Option<Block<'c>> {
        self.dropped.push(at.to_string());
        None
    }

    fn media(&mut self, media: &'c Media<'_>, at: Place) -> Result<Block<'c>, Fault> {
        self.files |= matches!(media.source, Source::Id(_));
        media::block(media, self.flavour, at)
    }

    fn result(&mut self, result: &'c ToolResult<'_>, at: Place) -> Result<Block<'c>, Fault> {
        let mut content = Vec::with_capacity(result.parts.len());
        for (part, index) in result.parts.iter().zip(0_usize..) {
            content.extend(self.block(part, Role::Tool, at.part(index))?);
        }
        let cache_control = Mark::of(&result.cache);
        Ok(Block::Ours(Ours::ToolResult {
            tool_use_id: id(&result.id),
            content,
            is_error: result.error,
            cache_control,
        }))
    }
}

/// Whether instructions may stand in front of this.
fn follows(next: Option<Role>) -> bool {
    matches!(next, None | Some(Role::Assistant))
}
