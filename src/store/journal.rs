//! Two files that take turns: entries are added to one while those of the other are moved into the database.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};

use super::directory::{OWNER_ONLY_FILE, advice};
use super::entry::{self, Entry};

/// What a file of a journal begins with, before the number of its turn.
const MAGIC: [u8; 8] = *b"tollgjl1";
/// Magic and turn.
const HEAD_BYTES: u64 = 16;
const NAME: &str = "journal-";
/// Room there must be before a journal that could not be written is trusted again.
const PROBE_BYTES: usize = 256 * 1024;

/// The journal of this process.
#[derive(Debug)]
pub(super) struct Journal {
    files: [Arc<File>; 2],
    paths: [PathBuf; 2],
    active: usize,
    /// Where the next entry goes. Behind it may stand what a failed write left.
    length: u64,
    turn: u64,
    /// Whether the other file is empty.
    spare_is_clean: bool,
}

impl Journal {
    /// Makes both files, locked for as long as this process lives. `unique` tells journals apart.
    pub(super) fn create(directory: &Path, unique: &str) -> io::Result<Self> {
        let path = |number: u8| directory.join(format!("{NAME}{unique}-{number}"));
        let paths = [path(0), path(1)];
        let make = |path: &PathBuf| {
            let file = OpenOptions::new().read(true).write(true).create_new(true).mode(OWNER_ONLY_FILE).open(path)?;
            flock(&file, FlockOperation::NonBlockingLockExclusive)?;
            Ok::<_, io::Error>(Arc::new(file))
        };
        let files = [make(&paths[0])?, make(&paths[1])?];
        let mut journal = Self { files, paths, active: 0, length: 0, turn: 0, spare_is_clean: true };
        journal.begin()?;
        Ok(journal)
    }

    /// Adds a frame, with one write.
    ///
    /// # Errors
    /// It is not there; what part of it is will be overwritten.
    pub(super) fn append(&mut self, frame: &[u8]) -> io::Result<()> {
        self.files[self.active].write_all_at(frame, self.length)?;
        self.length += frame.len() as u64;
        Ok(())
    }

    /// Goes on in the other file, if it is empty: from here on the first one holds only what is known to the caller.
    pub(super) fn take_turns(&mut self) -> io::Result<()> {
        if !self.spare_is_clean {
            return Ok(());
        }
        self.active = 1 - self.active;
        let begun = self.begin();
        match begun {
            Ok(()) => self.spare_is_clean = false,
            Err(_) => self.active = 1 - self.active,
        }
        begun
    }

    fn begin(&mut self) -> io::Result<()> {
        let mut head = [0; HEAD_BYTES as usize];
        let (magic, turn) = head.split_at_mut(MAGIC.len());
        magic.copy_from_slice(&MAGIC);
        turn.copy_from_slice(&(self.turn + 1).to_le_bytes());
        self.files[self.active].write_all_at(&head, 0)?;
        self.turn += 1;
        self.length = HEAD_BYTES;
        Ok(())
    }

    /// The file whose entries are in the database once those known at the last turn are, if it has any.
    pub(super) fn spare(&self) -> Option<Arc<File>> {
        (!self.spare_is_clean).then(|| self.files[1 - self.active].clone())
    }

    /// The other file was emptied.
    pub(super) fn spare_was_emptied(&mut self) {
        self.spare_is_clean = true;
    }

    /// Whether there is room again after a failure; cuts off what a failed write left.
    pub(super) fn probe(&mut self) -> io::Result<()> {
        let file = &self.files[self.active];
        let tried = file.write_all_at(&vec![0; PROBE_BYTES], self.length);
        file.set_len(self.length)?;
        tried
    }

    /// Where its files are.
    pub(super) fn paths(&self) -> [PathBuf; 2] {
        self.paths.clone()
    }

    /// Takes both files away, after everything in them was moved.
    pub(super) fn remove(&self) {
        for path in &self.paths {
            // An empty journal that stays is taken away at the next start.
            let _gone = std::fs::remove_file(path);
        }
    }
}

/// A journal that nobody writes any more.
#[derive(Debug)]
pub(super) struct Orphan {
    files: Vec<(File, PathBuf)>,
}

/// The journals of other processes in a directory.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// Those of processes that are gone, locked.
    pub(super) orphans: Vec<Orphan>,
    /// How many belong to a living process.
    pub(super) living: usize,
}

impl Orphan {
    /// All there are beside one's own; none is one's own at the start.
    pub(super) fn find_all(directory: &Path, own: &[PathBuf]) -> io::Result<Others> {
        let mut names: Vec<PathBuf> = Vec::new();
        for found in std::fs::read_dir(directory)? {
            let path = found?.path();
            // Empty: just made and not locked yet, or without an entry. A start has the directory for itself.
            if !own.is_empty() && path.metadata().is_ok_and(|file| file.len() == 0) {
                continue;
            }
            let is_journal = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(NAME));
            if is_journal && !own.contains(&path) {
                names.push(path);
            }
        }
        names.sort_unstable();
        let mut others = Others::default();
        for twins in names.chunk_by(|one, other| unique(one) == unique(other)) {
            match Self::lock(twins).map_err(|error| told(twins, &error))? {
                Some(orphan) => others.orphans.push(orphan),
                None => others.living += 1,
            }
        }
        Ok(others)
    }

    fn lock(paths: &[PathBuf]) -> io::Result<Option<Self>> {
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let file = match OpenOptions::new().read(true).write(true).open(path) {
                // A process that ended in order took it away just now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => files.push((file, path.clone())),
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(Self { files }))
    }

    /// Its entries in the order in which they were written. A torn end is left out.
    pub(super) fn entries(&mut self) -> io::Result<Vec<Entry>> {
        let mut turns = Vec::new();
        for (file, path) in &mut self.files {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(|error| told(std::slice::from_ref(path), &error))?;
            let Some((head, rest)) = bytes.split_at_checked(HEAD_BYTES as usize) else { continue };
            let (magic, turn) = head.split_at(MAGIC.len());
            if magic == MAGIC
                && let Ok(turn) = turn.try_into().map(u64::from_le_bytes)
            {
                turns.push((turn, entry::read_all(rest).0));
            }
        }
        turns.sort_by_key(|(turn, _)| *turn);
        Ok(turns.into_iter().flat_map(|(_, entries)| entries).collect())
    }

    /// What its process was called.
    pub(super) fn node(&self) -> Option<&str> {
        let (_, path) = self.files.first()?;
        path.file_name()?.to_str()?.strip_prefix(NAME)?.rsplit_once('-').map(|(node, _)| node)
    }

    /// Takes it away, after its entries were moved.
    pub(super) fn remove(self) -> io::Result<()> {
        let remove =
            |path: &PathBuf| std::fs::remove_file(path).map_err(|error| told(std::slice::from_ref(path), &error));
        self.files.iter().try_for_each(|(_, path)| remove(path))
    }
}

/// An error with the files that it is about, and the next move.
fn told(paths: &[PathBuf], error: &io::Error) -> io::Error {
    let names: Vec<_> = paths.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    io::Error::new(error.kind(), format!("{}: {error}; {}", names.join(", "), advice(error)))
}

/// A journal's name without the number of the file.
fn unique(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.rsplit_once('-').map(|(unique, _)| unique)
}

/// Makes sure that what a file held is forgotten.
pub(super) fn empty(file: &File) -> io::Result<()> {
    file.set_len(0)?;
    // Nothing is buffered in between: this tells a file system that delays its errors to tell them now.
    (&*file).flush()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Stage;
    use crate::store::entry::tests::receipt;

    struct Place(PathBuf);

    impl Drop for Place {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    fn place(name: &str) -> Place {
        let path = std::env::temp_dir().join(format!("tollgate-journal-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&path).ok();
        std::fs::create_dir_all(&path).unwrap();
        Place(path)
    }

    fn frame(exchange: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        entry::write(Stage::Ended, &receipt(exchange, 7), &mut bytes);
        bytes
    }

    fn found(directory: &Path) -> Vec<String> {
        let mut others = Orphan::find_all(directory, &[]).unwrap();
        assert_eq!((others.orphans.len(), others.living), (1, 0));
        let entries = others.orphans[0].entries().unwrap();
        entries.iter().map(|entry| entry.receipt.exchange.to_string()).collect()
    }

    /// Two entries in the file of the first turn and two in that of the second, of which every end is torn off in its turn.
    #[test]
    fn a_file_that_is_torn_at_any_byte_gives_what_is_whole_and_takes_nothing_from_the_other() {
        let place = place("torn");
        let frames = ["a", "b", "c", "d"].map(frame);
        let mut journal = Journal::create(&place.0, "1-1").unwrap();
        frames[..2].iter().for_each(|frame| journal.append(frame).unwrap());
        journal.take_turns().unwrap();
        frames[2..].iter().for_each(|frame| journal.append(frame).unwrap());
        let paths = journal.paths();
        drop(journal);
        assert_eq!(found(&place.0), ["a", "b", "c", "d"]);
        for (torn, names) in [(0, ["a", "b"]), (1, ["c", "d"])] {
            let whole = std::fs::read(&paths[torn]).unwrap();
            let ends = [HEAD_BYTES as usize + frames[2 * torn].len(), whole.len()];
            for length in 0..whole.len() {
                std::fs::write(&paths[torn], &whole[..length]).unwrap();
                let left = ends.iter().filter(|end| **end <= length).count();
                let other = if torn == 0 { ["c", "d"] } else { ["a", "b"] };
                let expected =
                    if torn == 0 { [&names[..left], &other].concat() } else { [&other, &names[..left]].concat() };
                assert_eq!(found(&place.0), expected, "file {torn} cut at {length}");
            }
            std::fs::write(&paths[torn], &whole).unwrap();
        }
    }

    #[test]
    fn an_entry_that_could_not_be_written_whole_is_written_over_by_the_next() {
        let place = place("over");
        let mut journal = Journal::create(&place.0, "1-1").unwrap();
        journal.append(&frame("first")).unwrap();
        // What a write leaves that a full disk broke off: any part of a longer entry.
        let (path, end) = (journal.paths()[0].clone(), journal.length);
        let lost = frame(&"lost".repeat(40));
        for part in 0..lost.len() {
            let file = OpenOptions::new().write(true).open(&path).unwrap();
            file.set_len(end).unwrap();
            file.write_all_at(&lost[..part], end).unwrap();
            journal.length = end;
            journal.append(&frame("second")).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            let entries = entry::read_all(&bytes[HEAD_BYTES as usize..]).0;
            assert_eq!(entries.len(), 2, "{part} bytes of it");
            assert_eq!(&*entries[1].receipt.exchange, "second");
        }
    }
}
