//! A process that hands over goes on for a while and spends: its successor learns of it from the file.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::apply::{self, Added, Spent};
use super::journal::Orphan;
use crate::ledger::Memory;
use crate::vocabulary::{Clock, PicoUsd};

/// What a successor knows of what is on file, to see what the process before it adds.
#[derive(Debug, Default)]
pub(super) struct Neighbour {
    known: Added,
    commits: i64,
}

impl Neighbour {
    /// Begins with what is on file, and was given to the ledger.
    pub(super) fn new(spent: &[Spent]) -> Self {
        let known = spent.iter().map(|spent| ((spent.account, spent.resets_at_ms), spent.spent)).collect();
        Self { known, commits: i64::MIN }
    }

    /// Takes note of what this process has added itself.
    pub(super) fn note(&mut self, added: &Added) {
        for (account, spent) in added {
            let known = self.known.entry(*account).or_default();
            *known = known.plus(*spent);
        }
    }

    /// Looks anew the next time, whoever committed.
    pub(super) fn look_anew(&mut self) {
        self.commits = i64::MIN;
    }

    /// Gives the ledger what the other process has spent since.
    pub(super) fn listen(&mut self, connection: &Connection, ledger: &Memory, clock: &Clock) -> rusqlite::Result<()> {
        let commits = apply::commits_of_others(connection)?;
        if std::mem::replace(&mut self.commits, commits) == commits {
            return Ok(());
        }
        let now = clock.now();
        for Spent { account, resets_at_ms, spent } in apply::spent_since(connection, now.wall_ms)? {
            let known = self.known.insert((account, resets_at_ms), spent).unwrap_or(PicoUsd::ZERO);
            if spent != known {
                ledger.restore(account, spent.minus(known), resets_at_ms, now);
            }
        }
        Ok(())
    }
}

/// What was found beside one's own journal.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Adopted {
    /// Entries of processes that are gone, moved now.
    pub(super) moved: usize,
    /// Journals of processes that live.
    pub(super) living: usize,
}

/// Moves the journals that nobody writes any more.
pub(super) fn adopt(
    directory: &Path,
    own: &[PathBuf],
    connection: &mut Connection,
) -> Result<Adopted, Box<dyn std::error::Error>> {
    let others = Orphan::find_all(directory, own)?;
    let mut adopted = Adopted { moved: 0, living: others.living };
    for mut orphan in others.orphans {
        let entries = orphan.entries()?;
        if !entries.is_empty() {
            apply::apply(connection, &entries)?;
            adopted.moved += entries.len();
        }
        orphan.remove()?;
    }
    Ok(adopted)
}
