//! The durable ledger: one directory with an SQLite file and a journal.
//!
//! A receipt is put down in the **journal** by one `write(2)` from the thread that has it, before the client gets the end
//! of its answer. What was written survives the process, however it ends, because it lies in the page cache. A thread of
//! the store's own moves receipts into **SQLite** in group commits and empties the journal after each. At a start the
//! journals of processes that ended without doing so are moved, too: an exchange has one row, which a later entry replaces,
//! so that moving an entry twice changes nothing.
//!
//! [`Store`] is a [`crate::ledger::Keeper`]: `exchange` hands receipts to the ledger, and the ledger to it.

mod apply;
mod conditions;
mod counted;
mod directory;
mod entry;
mod journal;
mod money;
mod neighbour;
mod records;
mod rows;
mod schema;
mod sums;
pub mod transfer;
mod worker;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use sums::report;
pub use worker::{Store, Word};

/// The database within the directory.
pub const FILE: &str = "tollgate.db";

/// What is promised of a receipt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It survives the end of the process once the client has the end of its answer, and a power cut within a second.
    #[default]
    Strict,
    /// It survives either within a second.
    Relaxed,
}

/// How to keep.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory; made if it is not there.
    pub directory: PathBuf,
    /// What is promised.
    pub durability: Durability,
    /// How long receipts are kept; None: for ever. Sums by day stay.
    pub retention: Option<Duration>,
}

/// Why there is no store: what was found, and what to do.
#[derive(Debug)]
pub struct StoreError(String);

impl StoreError {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}
