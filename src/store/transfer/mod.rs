//! The whole database as lines of JSON, to back it up, to move it, and to read it with other programs.
//!
//! The first line says what it is and of which version, the last one how many lines there were: a file that was cut is
//! told from a whole one. Between them stands one row a line: records as the management API wrote them, what was spent of
//! each account and by day, the audit log, and receipts where they are asked for. Keys are there by their hashes, and
//! providers' secrets as they were sealed: with the salt key they can be opened again, without it they cannot.

mod export;
mod import;
mod line;
mod table;

use std::collections::BTreeMap;

pub use export::export;
pub use import::{Differing, import};

/// The version of the form. A later one is refused.
const FORM: u64 = 1;
/// Lines between two words about how far it is.
const LINES_PER_WORD: u64 = 100_000;

/// Hears how many lines were written or read so far.
pub type Progress<'a> = &'a mut dyn FnMut(u64);

/// What became of the rows, by their kind.
pub type Report = BTreeMap<String, Tally>;

/// What became of the rows of a kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Written: to the file, or new to the directory.
    pub written: u64,
    /// There already, and the same.
    pub same: u64,
    /// There already and different: what was there stays.
    pub kept: u64,
    /// There already and different: the file's stands now.
    pub replaced: u64,
}
