//! The database into lines.

use std::io::{self, Write};
use std::path::Path;

use rusqlite::Connection;
use serde_json::value::RawValue;

use super::line::{Cells, End, Head, RecordLine, RowLine};
use super::table::{RECEIPTS, SUMS, Table};
use super::{FORM, LINES_PER_WORD, Progress, Report};
use crate::roster::Moment;
use crate::store::{Durability, StoreError, directory, neighbour, schema};

/// Writes the database of a directory. Beside a gateway that runs on it, it is what was on file at one instant; what that
/// has taken in the last instant before may be missing. Where none runs, receipts that one left in its journal are moved
/// first, as at a start.
///
/// # Errors
/// The directory has no database that this version can read, or nothing can be written.
pub fn export(
    directory: &Path,
    receipts: bool,
    at: Moment,
    out: &mut dyn Write,
    progress: Progress<'_>,
) -> Result<Report, StoreError> {
    let connection = schema::open_to_read(directory)?;
    gather(directory)?;
    let failed = |error: Failure| StoreError::new(format!("{}: {error}", directory.display()));
    // One transaction sees one instant, whatever is committed meanwhile.
    connection.execute_batch("BEGIN").map_err(|error| failed(error.into()))?;
    let mut writing = Writing { out, progress, lines: 0, report: Report::new() };
    let head = Head { tollgate_export: FORM, tollgate: env!("CARGO_PKG_VERSION").to_owned(), at, receipts };
    let written = writing.whole(&connection, &head);
    written.map_err(failed)?;
    Ok(writing.report)
}

/// Moves what a process that is gone left in its journal, if nobody runs on the directory.
fn gather(path: &Path) -> Result<(), StoreError> {
    let Ok(_lock) = directory::lock(path, None) else { return Ok(()) };
    let mut session = schema::session(path, Durability::Strict)?;
    let moved = neighbour::adopt(path, &[], &mut session);
    moved.map(drop).map_err(|error| StoreError::new(format!("{}: a journal: {error}", path.display())))
}

struct Writing<'a> {
    out: &'a mut dyn Write,
    progress: Progress<'a>,
    lines: u64,
    report: Report,
}

impl Writing<'_> {
    fn whole(&mut self, connection: &Connection, head: &Head) -> Result<(), Failure> {
        self.write(head)?;
        self.records(connection)?;
        for table in SUMS {
            self.table(connection, table)?;
        }
        if head.receipts {
            self.table(connection, &RECEIPTS)?;
        }
        self.write(&End { kind: "end", lines: self.lines })?;
        Ok(self.out.flush()?)
    }

    fn records(&mut self, connection: &Connection) -> Result<(), Failure> {
        let mut statement = connection.prepare("SELECT kind, changed_ms, body FROM record ORDER BY kind, id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (kind, changed_ms, body): (String, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let body = RawValue::from_string(body)?;
            self.write(&RecordLine { kind: &kind, changed_at: Moment(changed_ms), body: &body })?;
            self.count(&kind);
        }
        Ok(())
    }

    fn table(&mut self, connection: &Connection, table: &Table) -> Result<(), Failure> {
        let columns: Vec<_> = table.on_file().iter().map(|name| format!("\"{name}\"")).collect();
        let query = format!("SELECT {} FROM {} ORDER BY {}", columns.join(", "), table.name, table.key.join(", "));
        let mut statement = connection.prepare(&query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            self.write(&RowLine { kind: table.kind, row: Cells { table, row } })?;
            self.count(table.kind);
        }
        Ok(())
    }

    fn write(&mut self, line: &impl serde::Serialize) -> Result<(), Failure> {
        serde_json::to_writer(&mut self.out, line)?;
        Ok(self.out.write_all(b"\n")?)
    }

    fn count(&mut self, kind: &str) {
        self.lines += 1;
        match self.report.get_mut(kind) {
            Some(tally) => tally.written += 1,
            None => self.report.entry(kind.to_owned()).or_default().written = 1,
        }
        if self.lines.is_multiple_of(LINES_PER_WORD) {
            (self.progress)(self.lines);
        }
    }
}

/// What can go wrong on the way.
enum Failure {
    Database(rusqlite::Error),
    Written(io::Error),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Database(error) => write!(out, "cannot be read: {error}"),
            Self::Written(error) => write!(out, "cannot be written out: {error}"),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Written(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Written(error.into())
    }
}
