//! The durable ledger: a journal of this node, and a database: SQLite in the same directory, or PostgreSQL for several nodes.
//!
//! A receipt is put down in the **journal** by one `write(2)` from the thread that has it, before the client gets the end
//! of its answer. What was written survives the process, however it ends, because it lies in the page cache. A thread of
//! the store's own moves receipts into the **database** in group commits and empties the journal after each. At a start the
//! journals of processes that ended without doing so are moved, too: an exchange has one row, which a later entry replaces,
//! so that moving an entry twice changes nothing.
//!
//! What a change is, sums and conditions are written once, for a [`session::Session`]; `postgres` is all that knows of a server.
//!
//! [`Store`] is a [`crate::ledger::Keeper`]: `exchange` hands receipts to the ledger, and the ledger to it.

mod apply;
mod base;
mod conditions;
mod counted;
mod directory;
mod entry;
mod follow;
mod journal;
mod lender;
mod litellm;
mod money;
mod neighbour;
mod postgres;
mod records;
mod rows;
mod schema;
mod session;
mod sums;
pub mod transfer;
mod value;
mod waiting;
mod worker;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use litellm::{Fate, Import, Imported, Row, import_litellm};
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

/// How to keep. There is a directory, a database, or both.
#[derive(Clone, Debug)]
pub struct Options {
    /// The directory of the journal and, without another database, of SQLite's file; made if it is not there.
    pub directory: Option<PathBuf>,
    /// PostgreSQL, for several nodes.
    pub database: Option<Database>,
    /// What is promised.
    pub durability: Durability,
    /// How long receipts are kept; None: for ever. Sums by day stay.
    pub retention: Option<Duration>,
    /// How many receipts may wait while the database is away.
    pub waiting_max: usize,
}

/// Receipts that may wait in memory, and in the journal, before nothing is spent any more.
pub const WAITING_MAX: usize = 100_000;

/// Where what is on file is read from.
#[derive(Clone, Debug)]
pub enum Place {
    /// A directory with SQLite's file in it.
    Directory(PathBuf),
    /// PostgreSQL.
    Database(Box<Database>),
}

impl Place {
    /// A session for reading, where there is something that this version can read.
    fn session(&self) -> Result<session::Session, StoreError> {
        match self {
            Self::Directory(directory) => schema::session_to_read(directory),
            Self::Database(database) => postgres::session_to_read(&database.0),
        }
    }

    /// Where it is, for messages.
    fn shown(&self) -> String {
        match self {
            Self::Directory(directory) => directory.display().to_string(),
            Self::Database(database) => database.0.shown(),
        }
    }
}

/// Where PostgreSQL is.
#[derive(Clone, Debug)]
pub struct Database(postgres::Address);

impl Database {
    /// Reads `postgres://...`.
    ///
    /// # Errors
    /// It is no such address. No password is told.
    pub fn parse(url: &str) -> Result<Self, StoreError> {
        postgres::Address::parse(url).map(Self)
    }
}

/// Ids come from callers: nothing of them moves the cursor.
fn shown(id: &str) -> String {
    id.chars().take(80).map(|letter| if letter.is_control() { '?' } else { letter }).collect()
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
