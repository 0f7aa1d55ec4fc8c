//! The database into lines.

use std::io::Write;
use std::path::Path;

use serde_json::value::RawValue;

use super::line::{Cells, End, Head, RecordLine, RowLine};
use super::table::{RECEIPTS, SUMS, Table};
use super::{FORM, LINES_PER_WORD, Progress, Report};
use crate::roster::Moment;
use crate::store::session::{Failed, Session};
use crate::store::{Durability, Place, StoreError, directory, neighbour, schema};

/// Writes a database. Beside gateways that run on it, it is what was on file at one instant; what these have taken in the last
/// instant before may be missing. Where none runs on a directory, receipts that one left in its journal are moved first, as at
/// a start.
///
/// # Errors
/// There is no database there that this version can read, or nothing can be written.
pub fn export(
    place: &Place,
    receipts: bool,
    at: Moment,
    out: &mut dyn Write,
    progress: Progress<'_>,
) -> Result<Report, StoreError> {
    let mut session = place.session()?;
    if let Place::Directory(directory) = place {
        gather(directory)?;
    }
    let failed = |error: Failed| StoreError::new(format!("{}: {error}", place.shown()));
    let mut writing = Writing { out, progress, lines: 0, report: Report::new() };
    let head = Head { tollgate_export: FORM, tollgate: env!("CARGO_PKG_VERSION").to_owned(), at, receipts };
    session.at_one_instant(|session| writing.whole(session, &head)).map_err(failed)?;
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
    fn whole(&mut self, session: &mut Session, head: &Head) -> Result<(), Failed> {
        self.write(head)?;
        self.records(session)?;
        for table in SUMS {
            self.table(session, table)?;
        }
        if head.receipts {
            self.table(session, &RECEIPTS)?;
        }
        self.write(&End { kind: "end", lines: self.lines })?;
        self.out.flush().map_err(unwritten)
    }

    fn records(&mut self, session: &mut Session) -> Result<(), Failed> {
        session.each("SELECT kind, changed_ms, body FROM record ORDER BY kind, id", &[], |row| {
            let (kind, changed_ms) = (row.text(0)?, row.int(1)?);
            let body = RawValue::from_string(row.text(2)?).map_err(unwritten)?;
            self.write(&RecordLine { kind: &kind, changed_at: Moment(changed_ms), body: &body })?;
            self.count(&kind);
            Ok(())
        })
    }

    fn table(&mut self, session: &mut Session, table: &Table) -> Result<(), Failed> {
        let columns: Vec<_> = table.on_file().iter().map(|name| format!("\"{name}\"")).collect();
        let query = format!("SELECT {} FROM {} ORDER BY {}", columns.join(", "), table.name, table.key.join(", "));
        session.each(&query, &[], |row| {
            self.write(&RowLine { kind: table.kind, row: Cells { table, row } })?;
            self.count(table.kind);
            Ok(())
        })
    }

    fn write(&mut self, line: &impl serde::Serialize) -> Result<(), Failed> {
        serde_json::to_writer(&mut self.out, line).map_err(unwritten)?;
        self.out.write_all(b"\n").map_err(unwritten)
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

fn unwritten(error: impl std::fmt::Display) -> Failed {
    Failed::new(format!("cannot be written out: {error}"))
}
