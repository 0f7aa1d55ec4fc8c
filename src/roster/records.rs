//! Who keeps records beyond the process, and the one writer who changes them.

use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::audit::{AuditEntry, AuditPage, AuditQuery};
use super::change::Change;
use super::shelf::Roster;
use crate::ledger::Adjustment;

/// Changes in memory alone are told of by the last so many entries.
const AUDIT_IN_MEMORY_MAX: usize = 10_000;

/// What is put on file at once: all of it, or nothing.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Records that are put or removed.
    pub changes: Vec<Change>,
    /// What is told of it.
    pub audit: Vec<AuditEntry>,
    /// What is set of what was spent.
    pub adjustments: Vec<Adjustment>,
}

/// Keeps records: a file, a database. Handed to [`Roster::keep_with`].
pub trait Records: fmt::Debug + Send + Sync {
    /// Puts a batch on file. It is there when this returns, also after a power cut. May wait for a disk.
    ///
    /// # Errors
    /// It cannot be written: why. Nothing of it is on file then.
    fn commit(&self, batch: &Batch, wall_ms: i64) -> Result<(), String>;

    /// Entries of the audit log.
    ///
    /// # Errors
    /// They cannot be read: why.
    fn audit(&self, query: &AuditQuery) -> Result<AuditPage, String>;
}

/// Keeps nothing beyond the process, and the last entries of the audit log.
#[derive(Debug, Default)]
pub struct InMemory(Mutex<Vec<AuditEntry>>);

impl Records for InMemory {
    fn commit(&self, batch: &Batch, _wall_ms: i64) -> Result<(), String> {
        let mut entries = self.0.lock();
        entries.extend(batch.audit.iter().cloned());
        let beyond = entries.len().saturating_sub(AUDIT_IN_MEMORY_MAX);
        entries.drain(..beyond);
        Ok(())
    }

    fn audit(&self, query: &AuditQuery) -> Result<AuditPage, String> {
        let entries = self.0.lock();
        let mut found: Vec<_> = entries.iter().filter(|entry| query.matches(entry)).cloned().collect();
        if query.newest_first {
            found.reverse();
        }
        let total = found.len() as u64;
        let start = usize::try_from(query.offset).unwrap_or(usize::MAX);
        let most = usize::try_from(query.limit).unwrap_or(usize::MAX);
        Ok(AuditPage { total, entries: found.into_iter().skip(start).take(most).collect() })
    }
}

/// The right to change records: one at a time has it, from what is checked to what is written.
pub struct Writer<'r> {
    roster: &'r Roster,
    _alone: MutexGuard<'r, ()>,
}

impl fmt::Debug for Writer<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Writer(..)")
    }
}

impl<'r> Writer<'r> {
    pub(super) fn new(roster: &'r Roster, alone: MutexGuard<'r, ()>) -> Self {
        Self { roster, _alone: alone }
    }

    /// Puts changes on file, and then in force: whoever asks afterwards sees them. Waits for a disk.
    ///
    /// # Errors
    /// They cannot be kept: why. Nothing has changed then.
    pub fn commit(&self, batch: Batch, wall_ms: i64) -> Result<(), String> {
        let keeper: Arc<dyn Records> = self.roster.keeper();
        keeper.commit(&batch, wall_ms)?;
        self.roster.apply(batch.changes);
        Ok(())
    }
}
