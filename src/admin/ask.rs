//! One request as a handler sees it: who asks for what, of which world, and when.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::actor::{Actor, MASTER_USER};
use super::body;
use super::query::Query;
use super::reply::Refusal;
use super::told;
use crate::exchange::World;
use crate::ledger::Adjustment;
use crate::roster::{AuditEntry, Batch, Change, Kind, Moment, Record, Roster, Stamp, Writer};
use crate::vocabulary::Now;

/// Why no changes are taken while another process takes over: it would not know of them.
const CLOSED: &str = "this process is being replaced; try again in a moment";

/// What the process around does for handlers.
pub trait Shell: Sync {
    /// Whether no changes are taken: another process takes over, or this one stops.
    fn takes_no_changes(&self) -> bool;

    /// Reads the configuration anew and serves it; its number. Waits.
    ///
    /// # Errors
    /// It cannot be served: why. The one before it stays.
    fn reload(&self) -> Result<u64, String>;

    /// Serves the same configuration with the models that are on record by now.
    ///
    /// # Errors
    /// It cannot be served: why. The one before it stays.
    fn rebuild(&self) -> Result<(), String>;
}

/// A request that was let in.
pub struct Ask<'a> {
    /// The configuration that is served.
    pub world: &'a Arc<World>,
    /// Who asks.
    pub actor: &'a Actor,
    /// What the names in the route's path stand for, in order.
    pub path: &'a [String],
    /// The query.
    pub query: &'a Query,
    /// The body as it came.
    pub body: &'a [u8],
    /// `litellm-changed-by`: whom the caller acts for.
    pub changed_by: Option<&'a str>,
    /// The path of the route, as the table has it.
    pub route: &'static str,
    /// The process around.
    pub shell: &'a dyn Shell,
    /// Now.
    pub now: Now,
}

/// What is done to a record, in the audit log's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Made, changed or taken away: the records say which.
    Plain,
    /// Switched off.
    Blocked,
    /// Switched on again.
    Unblocked,
    /// A key was replaced.
    Rotated,
}

impl<'a> Ask<'a> {
    /// The body, typed.
    ///
    /// # Errors
    /// It is no JSON (400), or not of that type (422).
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        body::read(self.body)
    }

    /// The records.
    pub fn roster(&self) -> &'a Roster {
        &self.world.around.roster
    }

    /// What the path's name at this place stands for.
    pub fn in_path(&self, place: usize) -> &'a str {
        self.path.get(place).map_or("", String::as_str)
    }

    /// The moment, as records have it.
    pub fn moment(&self) -> Moment {
        Moment(self.now.wall_ms)
    }

    /// Who is said to have made a change.
    pub fn author(&self) -> String {
        self.changed_by.or_else(|| self.actor.user_id()).unwrap_or(MASTER_USER).to_owned()
    }

    /// The stamp of a record that is made now.
    pub fn stamp(&self) -> Stamp {
        let author = Some(self.author());
        Stamp { created_at: self.moment(), created_by: author.clone(), updated_at: self.moment(), updated_by: author }
    }

    /// Marks a record as changed now.
    pub fn touch(&self, stamp: &mut Stamp) {
        stamp.updated_at = self.moment();
        stamp.updated_by = Some(self.author());
    }

    /// The right to change records, once nobody else has it. Take it before anything is checked that must still hold
    /// when the change is written, and give it to [`Self::commit`].
    ///
    /// # Errors
    /// No changes are taken just now.
    pub fn write(&self) -> Result<Writer<'a>, Refusal> {
        let writer = self.roster().write();
        // Only now: whoever closes waits for the writer before a successor reads.
        if self.shell.takes_no_changes() { Err(Refusal::unkept(CLOSED)) } else { Ok(writer) }
    }

    /// Writes changes, with an entry of the audit log for each, and puts them in force.
    ///
    /// # Errors
    /// They cannot be kept: nothing has changed.
    pub fn commit(&self, writer: &Writer<'_>, action: Action, changes: Vec<Change>) -> Result<(), Refusal> {
        self.commit_with(writer, action, changes, Vec::new())
    }

    /// The same, and sets what was spent on accounts.
    ///
    /// # Errors
    /// They cannot be kept: nothing has changed.
    pub fn commit_with(
        &self,
        writer: &Writer<'_>,
        action: Action,
        changes: Vec<Change>,
        adjustments: Vec<Adjustment>,
    ) -> Result<(), Refusal> {
        let audit = changes.iter().map(|change| self.tell(action, change)).collect();
        let batch = Batch { changes, audit, adjustments: adjustments.clone() };
        writer.commit(batch, self.now.wall_ms).map_err(|cause| Refusal::unkept(&cause))?;
        for Adjustment { account, resets_at_ms, by } in adjustments {
            self.world.around.ledger.restore(account, by, resets_at_ms, self.now);
        }
        Ok(())
    }

    fn tell(&self, action: Action, change: &Change) -> AuditEntry {
        let (kind, id) = match change {
            Change::Put(record) => (record.kind(), record.id()),
            Change::Remove(kind, id) => (*kind, id.clone()),
        };
        let before = self.roster().find(kind, &id);
        let after = match change {
            Change::Put(record) => Some(record),
            Change::Remove(..) => None,
        };
        let word = match (action, &before, after) {
            (Action::Blocked, ..) => "blocked",
            (Action::Unblocked, ..) => "unblocked",
            (Action::Rotated, ..) => "rotated",
            (Action::Plain, None, _) => "created",
            (Action::Plain, _, None) => "deleted",
            (Action::Plain, ..) => "updated",
        };
        AuditEntry {
            id: new_id(),
            at: self.moment(),
            by: self.author(),
            by_key: self.actor.hash(),
            action: word.to_owned(),
            table: table_name(kind).to_owned(),
            object_id: id.replace('\u{1f}', "/"),
            before: before.as_ref().map(told::shown).unwrap_or_default(),
            after: after.map(told::shown).unwrap_or_default(),
        }
    }
}

/// Puts a record on its way into a commit.
pub fn put(record: impl Into<Record>) -> Change {
    Change::Put(record.into())
}

/// A new id, in the form of a UUID (version 4). Random; it names, it does not guard.
pub fn new_id() -> String {
    let (high, low) = (fastrand::u64(..), fastrand::u64(..));
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        0x8000 | (low >> 48) & 0x3fff,
        low & 0xffff_ffff_ffff
    )
}

/// The name of LiteLLM's table for a kind of record.
pub const fn table_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Key => "LiteLLM_VerificationToken",
        Kind::Team => "LiteLLM_TeamTable",
        Kind::TeamMember => "LiteLLM_TeamMembership",
        Kind::User => "LiteLLM_UserTable",
        Kind::Customer => "LiteLLM_EndUserTable",
        Kind::Organization => "LiteLLM_OrganizationTable",
        Kind::OrganizationMember => "LiteLLM_OrganizationMembership",
        Kind::Budget => "LiteLLM_BudgetTable",
        Kind::Tag => "LiteLLM_TagTable",
        Kind::AccessGroup => "LiteLLM_AccessGroupTable",
        Kind::Credential => "LiteLLM_CredentialsTable",
        Kind::Model => "LiteLLM_ProxyModelTable",
        Kind::Block => "Tollgate_Block",
    }
}
