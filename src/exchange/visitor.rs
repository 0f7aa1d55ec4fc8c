//! Who asks for what is not a call: the management API.

use std::sync::Arc;

use super::World;
use super::caller::Caller;
use super::enter::{Head, address};
use crate::policy::{Presented, present};
use crate::roster::Key;
use crate::vocabulary::{Fault, KeyHash, Now};

/// What a browser, or a proxy on this machine, adds to a request that somebody else had it send.
const SENT_ON: [&str; 3] = ["origin", "x-forwarded-for", "forwarded"];

/// Somebody who showed a valid key.
#[derive(Clone, Debug)]
pub enum Visitor {
    /// The master key, or anybody where nobody set up keys.
    Master,
    /// A virtual key of the configuration.
    File(KeyHash),
    /// A virtual key on record.
    Record(Arc<Key>),
    /// A token of an identity provider: a key that is on no record, and whether the token makes an admin.
    Bearer(Arc<Key>, bool),
}

impl Visitor {
    /// Lets somebody in by the headers alone. Where the configuration has no keys, not even a master key, whoever is on this
    /// machine and shows none is taken for its master, unless a browser or a proxy sends it on for somebody else.
    ///
    /// # Errors
    /// No key, not a key, an unknown one, or one that is blocked, expired or bound to other addresses.
    pub fn enter(world: &World, head: &Head<'_>, now: Now) -> Result<Self, Fault> {
        let presented = present(head.header, world.settings.key_header.as_deref());
        let here = head.client_ip.is_none_or(|ip| ip.to_canonical().is_loopback())
            && SENT_ON.iter().all(|name| (head.header)(name).is_none());
        if world.keys.is_empty()
            && world.tokens.is_none()
            && here
            && (presented == Presented::Nothing || world.is_open())
        {
            return Ok(Self::Master);
        }
        let caller = world.authenticate(&presented, address(world, head), now)?;
        Ok(match caller {
            Caller::Master => Self::Master,
            Caller::Bearer(bearer) => match &bearer.standing.record {
                Some(record) => Self::Bearer(record.clone(), bearer.token.person.admin),
                None => Self::File(bearer.standing.key.hash),
            },
            Caller::Key(standing) => match &standing.record {
                Some(record) => Self::Record(record.clone()),
                None => Self::File(standing.key.hash),
            },
        })
    }
}
