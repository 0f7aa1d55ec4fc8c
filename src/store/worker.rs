//! The store at work: a keeper for the threads that have receipts, and a thread of its own that moves them.

use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use super::apply::{self, Added, Spent};
use super::entry::{self, Entry};
use super::journal::{self, Journal};
use super::neighbour::{self, Neighbour};
use super::records::{Adjusted, OnFile};
use super::{Durability, Options, StoreError, counted, directory, rows, schema, sums};
use crate::ledger::{Counted, Filter, Keeper, Ledger, Memory, Receipt, Slice, Stage, Sum, Survey, Unwell};
use crate::roster::Roster;
use crate::vocabulary::{Clock, PicoUsd};

/// How long entries may wait for company.
const GROUP: Duration = Duration::from_millis(50);
/// So many are company enough.
const GROUP_ENTRIES: usize = 1_000;
/// How long to wait before a commit is tried again.
const AGAIN: Duration = Duration::from_millis(250);
/// How often there is something else to do.
const ROUND: Duration = Duration::from_secs(1);
/// Rounds between two looks whether the process before this one still lives.
const ROUNDS_PER_LOOK: u32 = 10;
/// Rounds between two looks for old rows.
const ROUNDS_PER_PRUNE: u32 = 600;
/// Old rows that are taken away at once: a commit must not wait long.
const PRUNE_ROWS: u32 = 2_000;
/// Entries that wait in memory while they cannot be moved; beyond it nothing is spent at all.
const WAITING_MAX: usize = 100_000;
/// At the end: tries to move the last entries.
const LAST_TRIES: u32 = 8;

/// What the operator should hear.
#[derive(Clone, Copy, Debug)]
pub enum Word<'a> {
    /// Something is wrong: what.
    Trouble(&'a str),
    /// A fact.
    Note(&'a str),
}

pub(super) type Tell = Box<dyn Fn(Word<'_>) + Send + Sync>;

/// The store of a process: hold it as long as receipts may come, then [`Store::close`] it.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    lock: File,
    worker: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    options: Options,
    inbox: Mutex<Inbox>,
    /// Rung for the first entry, for a full group and at the end.
    bell: Condvar,
    ailing: AtomicBool,
    full: AtomicBool,
    /// What is wrong, while something is.
    cause: Mutex<Arc<str>>,
    /// What was set of accounts since the neighbour was last listened to.
    adjusted: Arc<Adjusted>,
    tell: Tell,
}

impl fmt::Debug for Shared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Shared").field("options", &self.options).finish_non_exhaustive()
    }
}

struct Inbox {
    /// Under [`Durability::Relaxed`] nothing is written to it: it only shows that this process lives.
    journal: Journal,
    frame: Vec<u8>,
    waiting: Vec<Entry>,
    serving: bool,
    closing: bool,
}

impl Store {
    /// Opens the store, moves what processes before this one left in their journals, and gives `ledger` what was spent. From
    /// here on it keeps the ledger's receipts. `inherited` is the lock of the process that this one succeeds.
    ///
    /// # Errors
    /// The directory cannot be used, is used by another process, or was written by a later version.
    pub fn open(
        options: Options,
        inherited: Option<OwnedFd>,
        clock: &Clock,
        ledger: &Arc<Memory>,
        tell: impl Fn(Word<'_>) + Send + Sync + 'static,
    ) -> Result<Self, StoreError> {
        directory::make(&options.directory)?;
        let lock = directory::lock(&options.directory, inherited)?;
        let failed = |what: &str, error: &dyn fmt::Display| {
            StoreError::new(format!("{}: {what}: {error}", options.directory.display()))
        };
        let mut connection = schema::open(&options.directory, options.durability)?;
        let adopted =
            neighbour::adopt(&options.directory, &[], &mut connection).map_err(|error| failed("a journal", &error))?;
        if adopted.moved > 0 {
            tell(Word::Note(&recovered(adopted.moved)));
        }
        let unique = format!("{}-{:08x}", std::process::id(), fastrand::u32(..));
        let journal = Journal::create(&options.directory, &unique);
        let journal = journal.map_err(|error| failed("a journal cannot be made", &error))?;
        let now = clock.now();
        let spent = apply::spent_since(&connection, now.wall_ms).map_err(|error| failed("the accounts", &error))?;
        for Spent { account, resets_at_ms, spent } in &spent {
            ledger.restore(*account, *spent, *resets_at_ms, now);
        }
        let shared = Arc::new(Shared {
            options,
            inbox: Mutex::new(Inbox {
                journal,
                frame: Vec::with_capacity(1024),
                waiting: Vec::new(),
                serving: false,
                closing: false,
            }),
            bell: Condvar::new(),
            ailing: AtomicBool::new(false),
            full: AtomicBool::new(false),
            cause: Mutex::new("".into()),
            adjusted: Arc::default(),
            tell: Box::new(tell),
        });
        ledger.keep_with(shared.clone());
        let worker = Worker {
            shared: shared.clone(),
            connection,
            backlog: Vec::new(),
            ledger: ledger.clone(),
            clock: clock.clone(),
            neighbour: (adopted.living > 0).then(|| Neighbour::new(&spent)),
            rebased: false,
            rounds: 0,
        };
        let thread = std::thread::Builder::new().name("tollgate-store".to_owned()).spawn(move || worker.run());
        let thread = thread.map_err(|error| StoreError::new(format!("a thread cannot be started: {error}")))?;
        Ok(Self { shared, lock, worker: Mutex::new(Some(thread)) })
    }

    /// Puts the records on file into a roster, and keeps its changes from here on.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn keep_records(&self, roster: &Roster) -> Result<(), StoreError> {
        let records = OnFile::open(self.shared.options.directory.clone(), self.shared.adjusted.clone())?;
        records.load(roster, &self.shared.tell)?;
        roster.keep_with(Arc::new(records));
        Ok(())
    }

    /// Says that the accounts of the configuration are open: what was spent moves to the windows that they are in now.
    pub fn serving(&self) {
        self.shared.inbox.lock().serving = true;
        self.shared.bell.notify_one();
    }

    /// The lock of the directory, to be handed on to a successor.
    pub fn lock(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }

    /// Moves what is left and ends. What cannot be moved stays in the journal for the next start.
    pub fn close(&self) {
        self.shared.inbox.lock().closing = true;
        self.shared.bell.notify_one();
        if let Some(worker) = self.worker.lock().take()
            && worker.join().is_err()
        {
            (self.shared.tell)(Word::Trouble("the store's thread had panicked; the next start moves what it left"));
        }
    }
}

fn recovered(count: usize) -> String {
    format!("{count} entries in the journal of a process that ended early were recovered")
}

impl Keeper for Shared {
    fn keep(&self, receipt: &Receipt, stage: Stage) {
        let entry = Entry { stage, receipt: receipt.clone() };
        let mut inbox = self.inbox.lock();
        let Inbox { journal, frame, waiting, .. } = &mut *inbox;
        // One write into the page cache, under the lock that orders entries: a handful of microseconds.
        let written = match self.options.durability {
            Durability::Strict => {
                frame.clear();
                entry::write(stage, receipt, frame);
                journal.append(frame)
            }
            Durability::Relaxed => Ok(()),
        };
        waiting.push(entry);
        let count = waiting.len();
        drop(inbox);
        if matches!(count, 1 | GROUP_ENTRIES) {
            self.bell.notify_one();
        }
        if let Err(error) = written {
            self.fails(&format!("the journal of spend cannot be written: {error}"));
        }
    }

    fn unwell(&self) -> Option<Unwell> {
        if !self.ailing.load(Ordering::Relaxed) {
            return None;
        }
        Some(Unwell { cause: self.cause.lock().clone(), full: self.full.load(Ordering::Relaxed) })
    }

    fn receipts(&self, filter: &Filter, slice: &Slice, each: &mut dyn FnMut(Receipt)) -> Result<(), String> {
        self.read(|connection| rows::read(connection, filter, slice, each))
    }

    fn number(&self, filter: &Filter) -> Result<u64, String> {
        self.read(|connection| rows::number(connection, filter))
    }

    fn sums(&self, survey: &Survey) -> Result<Vec<Sum>, String> {
        self.read(|connection| sums::read(connection, survey))
    }

    fn number_of_sums(&self, survey: &Survey) -> Result<u64, String> {
        self.read(|connection| sums::number(connection, survey))
    }

    fn counted(&self) -> Result<Vec<Counted>, String> {
        self.read(counted::read)
    }
}

impl Shared {
    fn read<T>(&self, read: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, String> {
        let connection = schema::open_to_read(&self.options.directory).map_err(|error| error.to_string())?;
        read(&connection).map_err(|error| error.to_string())
    }

    fn fails(&self, cause: &str) {
        *self.cause.lock() = cause.into();
        if !self.ailing.swap(true, Ordering::SeqCst) {
            (self.tell)(Word::Trouble(&format!("{cause}; no request under a budget is served until it can")));
        }
    }

    fn recovers(&self) {
        self.full.store(false, Ordering::SeqCst);
        if self.ailing.swap(false, Ordering::SeqCst) {
            (self.tell)(Word::Note("spend is recorded again"));
        }
    }
}

/// What the thread has.
struct Worker {
    shared: Arc<Shared>,
    connection: Connection,
    /// Taken from the inbox and not committed yet.
    backlog: Vec<Entry>,
    ledger: Arc<Memory>,
    clock: Clock,
    /// The process that handed over to this one, while it lives.
    neighbour: Option<Neighbour>,
    rebased: bool,
    rounds: u32,
}

/// Without the thread nothing reaches the database: what is in the journal waits for the next start, and no more is spent.
impl Drop for Worker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.full.store(true, Ordering::SeqCst);
            self.shared.fails("the thread that records spend has panicked; restart the gateway");
        }
    }
}

impl Worker {
    fn run(mut self) {
        while !self.gather() {
            self.commit();
            self.look_around();
        }
        for _ in 0..LAST_TRIES {
            if self.commit() {
                break;
            }
            self.gather();
        }
        if self.backlog.is_empty() && !self.shared.ailing.load(Ordering::SeqCst) {
            self.shared.inbox.lock().journal.remove();
        }
    }

    /// Waits for entries and takes them; true at the end.
    fn gather(&mut self) -> bool {
        let shared = self.shared.clone();
        let mut inbox = shared.inbox.lock();
        let ailing = shared.ailing.load(Ordering::SeqCst);
        if !inbox.closing && inbox.waiting.is_empty() {
            shared.bell.wait_for(&mut inbox, if ailing { AGAIN } else { ROUND });
        }
        if !inbox.closing && !inbox.waiting.is_empty() && inbox.waiting.len() < GROUP_ENTRIES {
            shared.bell.wait_for(&mut inbox, if ailing { AGAIN } else { GROUP });
        }
        self.backlog.append(&mut inbox.waiting);
        let turned = if self.backlog.is_empty() { Ok(()) } else { inbox.journal.take_turns() };
        let closing = inbox.closing;
        drop(inbox);
        if let Err(error) = turned {
            shared.fails(&format!("the journal of spend cannot be written: {error}"));
        }
        closing
    }

    /// Moves the backlog into the database and empties the journal of it; whether that worked.
    fn commit(&mut self) -> bool {
        if !self.backlog.is_empty() {
            match apply::apply(&mut self.connection, &self.backlog) {
                Ok(added) => self.neighbour.iter_mut().for_each(|neighbour| neighbour.note(&added)),
                Err(error) => {
                    self.shared.full.store(self.backlog.len() > WAITING_MAX, Ordering::SeqCst);
                    self.shared.fails(&format!("the database of spend cannot be written: {error}"));
                    return false;
                }
            }
            self.backlog.clear();
            self.backlog.shrink_to(GROUP_ENTRIES);
        }
        if let Err(error) = self.empty_journal() {
            self.shared.fails(&format!("the journal of spend cannot be emptied: {error}"));
            return false;
        }
        true
    }

    fn empty_journal(&self) -> std::io::Result<()> {
        let spare = self.shared.inbox.lock().journal.spare();
        if let Some(spare) = spare {
            journal::empty(&spare)?;
            self.shared.inbox.lock().journal.spare_was_emptied();
        }
        if !self.shared.ailing.load(Ordering::SeqCst) || !self.backlog.is_empty() {
            return Ok(());
        }
        if self.shared.inbox.lock().journal.probe().is_ok() {
            self.shared.recovers();
        }
        // Not yet: the cause of the failure stands.
        Ok(())
    }

    /// What is done now and then.
    fn look_around(&mut self) {
        if !self.rebased && self.shared.inbox.lock().serving {
            self.rebased = self.rebase().is_ok();
        }
        if let Err(error) = self.look_at_neighbour() {
            (self.shared.tell)(Word::Trouble(&format!(
                "what the process before this one spends is not known: {error}"
            )));
        }
        if self.rounds.is_multiple_of(ROUNDS_PER_PRUNE) && !self.shared.ailing.load(Ordering::SeqCst) {
            self.prune();
        }
        self.rounds = self.rounds.wrapping_add(1);
    }

    fn look_at_neighbour(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let Some(neighbour) = &mut self.neighbour else {
            self.shared.adjusted.lock().clear();
            return Ok(());
        };
        // What this process set of accounts is on file and in the ledger: its own, while nothing more is being set.
        let mut adjusted = self.shared.adjusted.lock();
        neighbour.note(&std::mem::take(&mut *adjusted));
        neighbour.listen(&self.connection, &self.ledger, &self.clock)?;
        drop(adjusted);
        if !self.rounds.is_multiple_of(ROUNDS_PER_LOOK) {
            return Ok(());
        }
        let inbox = self.shared.inbox.lock();
        let own = inbox.journal.paths();
        drop(inbox);
        let adopted = neighbour::adopt(&self.shared.options.directory, &own, &mut self.connection)?;
        if adopted.moved > 0 {
            (self.shared.tell)(Word::Note(&recovered(adopted.moved)));
            neighbour.look_anew();
        }
        if adopted.living == 0 {
            neighbour.look_anew();
            neighbour.listen(&self.connection, &self.ledger, &self.clock)?;
            self.neighbour = None;
        }
        Ok(())
    }

    /// A budget whose duration was changed goes on with what was spent, in the window that it has now.
    fn rebase(&mut self) -> rusqlite::Result<()> {
        let now = self.clock.now();
        let spent = apply::spent_since(&self.connection, now.wall_ms)?;
        let moved = |spent: Spent| {
            let end = self.ledger.statement(spent.account, now)?.resets_at_ms;
            (end != spent.resets_at_ms).then_some((spent, end))
        };
        let moves: Vec<_> = spent.into_iter().filter_map(moved).collect();
        if moves.is_empty() {
            return Ok(());
        }
        apply::rebase(&mut self.connection, &moves)?;
        if let Some(neighbour) = &mut self.neighbour {
            for (Spent { account, resets_at_ms, spent }, to) in moves {
                neighbour.note(&Added::from([
                    ((account, resets_at_ms), PicoUsd::ZERO.minus(spent)),
                    ((account, to), spent),
                ]));
            }
        }
        Ok(())
    }

    fn prune(&mut self) {
        let now = self.clock.now();
        let days =
            self.shared.options.retention.map(|kept| i64::try_from(kept.as_secs().div_ceil(86_400)).unwrap_or(0));
        let before = days.map(|days| rows::day_of(now.wall_ms) - days);
        match apply::prune(&self.connection, before, now.wall_ms, PRUNE_ROWS) {
            // There may be more: not at once, so that nobody waits.
            Ok(taken) if taken == PRUNE_ROWS as usize => self.rounds = self.rounds.wrapping_sub(1),
            Ok(_) => {}
            Err(error) => (self.shared.tell)(Word::Trouble(&format!("old receipts cannot be taken away: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::store::entry::tests::receipt;

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("tollgate-store-{name}-{}", std::process::id()));
            std::fs::remove_dir_all(&path).ok();
            Self(path)
        }

        fn open(&self) -> Result<(Store, Arc<Memory>), StoreError> {
            let options = Options { directory: self.0.clone(), durability: Durability::Strict, retention: None };
            let ledger = Arc::new(Memory::new());
            let store = Store::open(options, None, &Clock::manual(1_795_226_400_000), &ledger, |_| {})?;
            Ok((store, ledger))
        }

        fn rows(&self) -> i64 {
            let connection = schema::open_to_read(&self.0).unwrap();
            connection.query_row("SELECT count(*) FROM spend", [], |row| row.get(0)).unwrap()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    fn journals(directory: &Path) -> Vec<PathBuf> {
        let names = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        names.filter(|path| path.to_string_lossy().contains("journal-")).collect()
    }

    #[test]
    fn what_is_kept_is_there_after_a_close_and_the_journal_is_gone() {
        let place = Place::new("close");
        let (store, ledger) = place.open().unwrap();
        for number in 0..2_500 {
            ledger.note(&receipt(&format!("x{number}"), 7), Stage::Ended);
        }
        store.close();
        assert_eq!((place.rows(), journals(&place.0).len()), (2_500, 0));
    }

    #[test]
    fn one_process_at_a_time() {
        let place = Place::new("twice");
        let (_store, _ledger) = place.open().unwrap();
        let error = place.open().unwrap_err().to_string();
        assert!(error.contains("another tollgate") && error.contains(&std::process::id().to_string()), "{error}");
    }

    #[test]
    fn a_newer_schema_is_refused_and_left_alone() {
        let place = Place::new("newer");
        place.open().unwrap().0.close();
        let connection = Connection::open(place.0.join(super::super::FILE)).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let error = place.open().unwrap_err().to_string();
        assert!(error.contains("schema 99 is newer"), "{error}");
    }
}
