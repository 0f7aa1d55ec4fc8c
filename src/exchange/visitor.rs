//! Who asks for what is not a call: the management API.

use std::net::IpAddr;
use std::sync::Arc;

use super::World;
use super::enter::{Head, address};
use crate::policy::{Caller, Presented, present};
use crate::roster::Key;
use crate::vocabulary::{Fault, KeyHash, Now};

/// Somebody who showed a valid key.
#[derive(Clone, Debug)]
pub enum Visitor {
    /// The master key; also whoever calls a gateway without any keys, which only this machine can.
    Master,
    /// A virtual key of the configuration file.
    File(KeyHash),
    /// A virtual key on record.
    Record(Arc<Key>),
}

impl Visitor {
    /// Lets somebody in by the headers alone.
    ///
    /// # Errors
    /// No key, not a key, an unknown one, or one that is blocked, expired or bound to other addresses.
    pub fn enter(world: &World, head: &Head<'_>, now: Now) -> Result<Self, Fault> {
        if world.keys.is_empty() {
            return Ok(Self::Master);
        }
        let presented = present(head.header, world.settings.key_header.as_deref());
        let from = address(world, head);
        if let Presented::Key(text) = &presented
            && let Some(key) = world.around.roster.key(&KeyHash::of(text), now)
        {
            return check(&key, from, now).map(|()| Self::Record(key));
        }
        Ok(match world.keys.authenticate(&presented, from, now)? {
            Caller::Master => Self::Master,
            Caller::Key(key) => Self::File(key.hash),
        })
    }
}
