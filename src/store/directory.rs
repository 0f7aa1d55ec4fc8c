//! The directory: made for its owner alone, and for one process at a time.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use super::{FILE, StoreError};

const OWNER_ONLY: u32 = 0o700;
pub(super) const OWNER_ONLY_FILE: u32 = 0o600;
const LOCK: &str = "tollgate.lock";
/// What this node is called.
const NODE: &str = "tollgate.node";

/// Makes the directory where there is none, and an empty database if one belongs there.
pub(super) fn make(directory: &Path, with_database: bool) -> Result<(), StoreError> {
    let failed = |what: &str, error: io::Error| {
        StoreError::new(format!("--data-dir {}: {what}: {error}; {}", directory.display(), advice(&error)))
    };
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(OWNER_ONLY).create(directory).map_err(|error| failed("cannot be made", error))?;
    if !with_database {
        return Ok(());
    }
    // SQLite would leave the mode of its files to the umask.
    let file = OpenOptions::new().append(true).create(true).mode(OWNER_ONLY_FILE).open(directory.join(FILE));
    file.map(drop).map_err(|error| failed(&format!("{FILE} cannot be written"), error))
}

/// The next move after an error.
pub(super) fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "give it to the user this process runs as, or name another directory",
        io::ErrorKind::ReadOnlyFilesystem => "mount it for writing, or name another directory",
        io::ErrorKind::StorageFull => "make room on its disk, or name another directory",
        _ => "name a directory that this process can write to",
    }
}

/// The lock of the directory, held while its descriptor is open in any process. A process that hands over to a successor
/// hands on the descriptor, so that the directory is never free in between.
pub(super) fn lock(directory: &Path, inherited: Option<OwnedFd>) -> Result<File, StoreError> {
    let path = directory.join(LOCK);
    let failed = |error: io::Error| {
        StoreError::new(format!("{}: cannot be locked: {error}; {}", path.display(), advice(&error)))
    };
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(OWNER_ONLY_FILE).open(&path);
    let mut file = open.map_err(failed)?;
    if let Some(inherited) = inherited.map(File::from)
        && is_same(&inherited, &file).map_err(failed)?
    {
        sign(&mut file);
        return Ok(inherited);
    }
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {
            sign(&mut file);
            Ok(file)
        }
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StoreError::new(format!(
            "--data-dir {}: another tollgate{} uses it: stop that one, or give this one a directory of its own \
             (a new binary takes over from a running one with SIGQUIT)",
            directory.display(),
            holder(&mut file)
        ))),
        Err(error) => Err(failed(error.into())),
    }
}

/// What the node of a directory is called where others write to the same database: made once, and the same for every process.
pub(super) fn node(directory: &Path) -> Result<String, StoreError> {
    let path = directory.join(NODE);
    let failed = |error: io::Error| {
        StoreError::new(format!("--data-dir {}: {NODE}: {error}; {}", directory.display(), advice(&error)))
    };
    match std::fs::read_to_string(&path) {
        Ok(name) if !name.trim().is_empty() => return Ok(name.trim().to_owned()),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(_) | Err(_) => {}
    }
    let name = format!("{:016x}", fastrand::u64(..));
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(OWNER_ONLY_FILE).open(&path).map_err(failed)?;
    writeln!(file, "{name}").map_err(failed)?;
    Ok(name)
}

/// For a reader who asks whose it is; the lock itself is the descriptor's.
fn sign(file: &mut File) {
    let _unsaid = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
}

fn is_same(one: &File, other: &File) -> io::Result<bool> {
    let (one, other) = (one.metadata()?, other.metadata()?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(20).read_to_string(&mut text));
    match read.ok().and_then(|_| text.trim().parse::<u32>().ok()) {
        Some(process) => format!(" (process {process})"),
        None => String::new(),
    }
}
