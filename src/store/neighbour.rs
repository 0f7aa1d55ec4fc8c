//! What others spend, on the same accounts: a process that hands over goes on for a while, and other nodes write to the same
//! server. It is learnt from the database.

use std::path::{Path, PathBuf};

use super::apply::{self, Added, Seen, Spent};
use super::journal::Orphan;
use super::session::{Failed, Flavour, Session};
use super::{FILE, lender};
use crate::ledger::Memory;
use crate::vocabulary::{Clock, PicoUsd};

/// What a process knows of what is on file, to see what others add.
#[derive(Debug, Default)]
pub(super) struct Neighbour {
    known: Added,
    seen: Seen,
}

impl Neighbour {
    /// Begins with what is on file, and was given to the ledger.
    pub(super) fn new(spent: &[Spent]) -> Self {
        let known = spent.iter().map(|spent| ((spent.account, spent.resets_at_ms), spent.spent)).collect();
        Self { known, seen: Seen::default() }
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
        self.seen = Seen::default();
    }

    /// Gives the ledger what others have spent since.
    pub(super) fn listen(&mut self, session: &mut Session, ledger: &Memory, clock: &Clock) -> Result<(), Failed> {
        let now = clock.now();
        let (lately, seen) = apply::spent_lately(session, self.seen, now.wall_ms)?;
        self.seen = seen;
        for Spent { account, resets_at_ms, spent } in lately {
            let known = self.known.insert((account, resets_at_ms), spent).unwrap_or(PicoUsd::ZERO);
            if spent != known {
                ledger.restore(account, spent.minus(known), resets_at_ms, now);
            }
        }
        Ok(())
    }

    /// Forgets windows that have long been over.
    pub(super) fn forget(&mut self, before_ms: i64) {
        self.known.retain(|(_, resets_at_ms), _| resets_at_ms.is_none_or(|end| end >= before_ms));
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

fn cannot_take(flavour: Flavour, why: &str) -> String {
    match flavour {
        Flavour::Sqlite => {
            format!("{FILE}: {why}; end whoever holds the database, and give it to the user this process runs as")
        }
        Flavour::Postgres => format!("the database: {why}; what the journal holds stays there: start again"),
    }
}

/// Moves the journals that nobody writes any more. Where it fails it says which file, and what to do.
pub(super) fn adopt(
    directory: &Path,
    own: &[PathBuf],
    session: &mut Session,
) -> Result<Adopted, Box<dyn std::error::Error>> {
    let others = Orphan::find_all(directory, own)?;
    let mut adopted = Adopted { moved: 0, living: others.living };
    for mut orphan in others.orphans {
        let entries = orphan.entries()?;
        if !entries.is_empty() {
            let whole = apply::apply(session, &entries, None);
            whole.map_err(|unsure| cannot_take(session.flavour(), &unsure.why.to_string()))?;
            adopted.moved += entries.len();
        }
        if session.flavour() == Flavour::Postgres
            && let Some(node) = orphan.node()
        {
            lender::forget(session, node).map_err(|error| cannot_take(session.flavour(), &error.to_string()))?;
        }
        orphan.remove()?;
    }
    Ok(adopted)
}
