//! What is told of changes: who made which, and what stood there before and after.

use super::plain::{Json, Moment};
use crate::vocabulary::KeyHash;

/// One change of one record.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// Its id.
    pub id: String,
    /// When.
    pub at: Moment,
    /// The user who made it; the master key has a name of its own.
    pub by: String,
    /// The key it was made with; None: the master key.
    pub by_key: Option<KeyHash>,
    /// `created`, `updated`, `deleted`, `blocked`, `unblocked`, `rotated`.
    pub action: String,
    /// What kind of record, by the name of LiteLLM's table.
    pub table: String,
    /// The record's id.
    pub object_id: String,
    /// The record before, without secrets; null where there was none.
    pub before: Json,
    /// The record after, without secrets; null where there is none.
    pub after: Json,
}

/// Which entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditQuery {
    /// The one with this id.
    pub id: Option<String>,
    /// Made by this user.
    pub by: Option<String>,
    /// Made with this key.
    pub by_key: Option<KeyHash>,
    /// Of this action.
    pub action: Option<String>,
    /// Of this table.
    pub table: Option<String>,
    /// Of this record.
    pub object_id: Option<String>,
    /// Not before.
    pub from: Option<Moment>,
    /// Not after.
    pub to: Option<Moment>,
    /// The last one first.
    pub newest_first: bool,
    /// Entries to leave out.
    pub offset: u64,
    /// Entries at most.
    pub limit: u64,
}

/// Entries that were asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuditPage {
    /// How many there are altogether.
    pub total: u64,
    /// Those of the page.
    pub entries: Vec<AuditEntry>,
}

impl AuditQuery {
    /// Whether an entry is one of those, wherever it stands.
    pub fn matches(&self, entry: &AuditEntry) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        is(&self.id, &entry.id)
            && is(&self.by, &entry.by)
            && self.by_key.is_none_or(|key| entry.by_key == Some(key))
            && is(&self.action, &entry.action)
            && is(&self.table, &entry.table)
            && is(&self.object_id, &entry.object_id)
            && self.from.is_none_or(|from| entry.at >= from)
            && self.to.is_none_or(|to| entry.at <= to)
    }
}
