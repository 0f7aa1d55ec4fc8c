//! The database: opened, and brought to the form that this version knows.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::directory::{self, OWNER_ONLY_FILE};
use super::session::Session;
use super::{Durability, FILE, StoreError};

/// Every step from an empty file, in order; one more file per change, and none is ever edited. During a hand-over the
/// process before this one goes on writing with the form it knows: a step adds, and takes nothing away.
const STEPS: [&str; 4] = [
    include_str!("schema/0001_spend.sql"),
    include_str!("schema/0002_behalf.sql"),
    include_str!("schema/0003_records.sql"),
    include_str!("schema/0004_counted.sql"),
];
/// How long another process' commit is waited for.
const BUSY: Duration = Duration::from_secs(5);
/// A database while it is made, before it has its name.
const NEW: &str = "tollgate.db-new";
/// Says in the file's head whose it is: "Toll".
const APPLICATION: i32 = 0x546f_6c6c;

/// Opens the database for writing and brings it up to date.
pub(super) fn open(directory: &Path, durability: Durability) -> Result<Connection, StoreError> {
    let path = directory.join(FILE);
    let failed = |error: rusqlite::Error| StoreError::new(format!("{}: {}", path.display(), told(&error)));
    if is_blank(&path) {
        create(&directory.join(NEW), &path)?;
    }
    let mut connection = Connection::open(&path).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
    let synchronous = if durability == Durability::Strict { "FULL" } else { "NORMAL" };
    connection.pragma_update(None, "synchronous", synchronous).map_err(failed)?;
    match migrate(&mut connection) {
        Ok(None) => Ok(connection),
        Ok(Some(newer)) => Err(StoreError::new(newer_than_known(&path, newer))),
        Err(error) => Err(failed(error)),
    }
}

/// Whether there is nothing in the file, nor in one beside it that belongs to it.
fn is_blank(path: &Path) -> bool {
    let blank = fs::metadata(path).is_ok_and(|file| file.len() == 0);
    blank && ["-wal", "-journal"].iter().all(|of| !beside(path, of).exists())
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Makes a database under another name and gives it its own once it is whole and on disk: forced there once, where SQLite
/// would force each of its steps. The new name is forced there with the first commit.
fn create(new: &Path, path: &Path) -> Result<(), StoreError> {
    let unmade = |error: io::Error| {
        StoreError::new(format!("{}: cannot be made: {error}; {}", new.display(), directory::advice(&error)))
    };
    // What a process left that was ended in the middle of this.
    for left in ["", "-wal", "-shm"].map(|of| beside(new, of)) {
        match fs::remove_file(&left) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unmade(error)),
            _ => {}
        }
    }
    OpenOptions::new().write(true).create_new(true).mode(OWNER_ONLY_FILE).open(new).map_err(unmade)?;
    fill(new).map_err(|error| StoreError::new(format!("{}: {}", new.display(), told(&error))))?;
    File::open(new).and_then(|file| file.sync_all()).map_err(unmade)?;
    fs::rename(new, path).map_err(unmade)
}

fn fill(new: &Path) -> rusqlite::Result<()> {
    let mut connection = Connection::open(new)?;
    for (name, value) in [("locking_mode", "EXCLUSIVE"), ("synchronous", "OFF"), ("journal_mode", "MEMORY")] {
        connection.pragma_update(None, name, value)?;
    }
    migrate(&mut connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.close().map_err(|(_, error)| error)
}

/// A session on it.
pub(super) fn session(directory: &Path, durability: Durability) -> Result<Session, StoreError> {
    open(directory, durability).map(Session::File)
}

/// A session on it for reading alone.
pub(super) fn session_to_read(directory: &Path) -> Result<Session, StoreError> {
    open_to_read(directory).map(Session::File)
}

/// What is wrong with the database, and the next move.
fn told(error: &rusqlite::Error) -> String {
    let next = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "locked by another process: end that one, a shell or a backup perhaps, and start again"
        }
        Some(ErrorCode::DiskFull) => "make room on its disk",
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "give it and its directory to the user this process runs as"
        }
        _ => "it must be an SQLite file that this process can write",
    };
    format!("{error}; {next}")
}

/// Opens it for reading alone.
pub(super) fn open_to_read(directory: &Path) -> Result<Connection, StoreError> {
    let path = directory.join(FILE);
    let failed = |error: rusqlite::Error| {
        StoreError::new(format!(
            "{}: {error}; expected the directory that a gateway was started on with --data-dir",
            path.display()
        ))
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    let version = version(&connection).map_err(failed)?;
    if version > STEPS.len() as i64 {
        return Err(StoreError::new(newer_than_known(&path, version)));
    }
    if version == 0 {
        return Err(StoreError::new(format!("{}: nothing was ever written to it", path.display())));
    }
    Ok(connection)
}

fn newer_than_known(path: &Path, newer: i64) -> String {
    format!(
        "{}: its schema {newer} is newer than {}, which this version knows: start the version that wrote it, or a later \
         one, or put back a copy from before the upgrade",
        path.display(),
        STEPS.len()
    )
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Runs what is missing, all or nothing, while nobody else writes or reads. A newer version is given back.
fn migrate(connection: &mut Connection) -> rusqlite::Result<Option<i64>> {
    if version(connection)? == STEPS.len() as i64 {
        return Ok(None);
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    let known = usize::try_from(version(&transaction)?).unwrap_or(usize::MAX);
    let Some(missing) = STEPS.get(known..) else { return Ok(Some(version(&transaction)?)) };
    for step in missing {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", STEPS.len() as i64)?;
    transaction.commit()?;
    Ok(None)
}
