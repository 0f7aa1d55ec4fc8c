//! Which requests are kept at one deployment, and by what.

use super::World;
use super::plan::Planned;
use crate::config::Affinity;
use crate::json;
use crate::routing::Bond;

/// Prompts that are shorter are cached by nobody: 1,024 tokens.
const PROMPT_BYTES_MIN: usize = 4 * 1024;
/// So much of a long prompt decides. Prompts that begin alike and part later share what the provider cached of the beginning.
const PREFIX_BYTES: usize = 2 * 1024;
/// What a model reads, in the order in which providers cache it.
const PROMPT: [&str; 9] = [
    "tools",
    "system",
    "instructions",
    "systemInstruction",
    "system_instruction",
    "messages",
    "input",
    "contents",
    "prompt",
];

const SESSION: u8 = 1;
const PREFIX: u8 = 2;
const KEY: u8 = 3;

impl Planned {
    /// What keeps the request with others in its group: its session before its prompt before its key. None: nothing, or
    /// there is but one deployment.
    pub(super) fn bond(&self, world: &World) -> Option<Bond> {
        let affinity = self.affinity(world);
        if affinity.is_none() || self.group.members.len() < 2 {
            return None;
        }
        let session = || self.session().filter(|_| affinity.session).map(|id| Bond::of(SESSION, [id]));
        let prompt = || affinity.prompt.then(|| self.prompt_bond()).flatten();
        let key = || {
            let key = self.common.caller.as_ref()?.key().filter(|_| affinity.key)?;
            Some(Bond::of(KEY, [key.hash.as_bytes().as_slice()]))
        };
        session().or_else(prompt).or_else(key)
    }

    fn affinity(&self, world: &World) -> Affinity {
        let routing = &world.settings.routing;
        let own = routing.group_affinity.iter().find(|(group, _)| self.is_called(group));
        own.map_or(routing.affinity, |(_, affinity)| *affinity)
    }

    fn session(&self) -> Option<&[u8]> {
        let in_head = self.common.wishes.session.as_deref().map(str::as_bytes);
        in_head.or_else(|| self.request.wishes.session.as_deref().map(str::as_bytes))
    }

    fn prompt_bond(&self) -> Option<Bond> {
        let member = |name: &&str| {
            let at = self.request.document.find(&self.request.body, name)?;
            Some(self.request.document.members[at].value.of(&self.request.body))
        };
        let named = member(&"prompt_cache_key").and_then(json::as_str);
        let parts = || PROMPT.iter().filter_map(&member);
        if named.is_none() && parts().map(<[u8]>::len).sum::<usize>() < PROMPT_BYTES_MIN {
            return None;
        }
        let mut left = PREFIX_BYTES;
        let beginning = parts().map(|part| {
            let taken = part.get(..left).unwrap_or(part);
            left -= taken.len();
            taken
        });
        let named = named.as_deref().unwrap_or_default().as_bytes();
        Some(Bond::of(PREFIX, std::iter::once(named).chain(beginning)))
    }
}
