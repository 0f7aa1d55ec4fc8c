//! The store at work: a keeper for the threads that have receipts, and a thread of its own that moves them.

use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::apply::{self, Added, Delivery, Spent, Unsure};
use super::base::Base;
use super::entry::{self, Entry};
use super::follow;
use super::journal::{self, Journal};
use super::lender::{self, Closing, Lending};
use super::neighbour::{self, Adopted, Neighbour};
use super::records::{Adjusted, OnFile};
use super::session::{Failed, Session};
use super::{Durability, FILE, Options, StoreError, counted, directory, rows, sums, waiting};
use crate::ledger::{Counted, Filter, Halts, Keeper, Ledger, Memory, Receipt, Slice, Stage, Sum, Survey, Unwell};
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
/// Entries that are moved in one transaction.
const MOVED_MAX: usize = 5_000;
/// Windows that have been over for so long are forgotten.
const FORGET_MS: i64 = 2 * 86_400_000;
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
    lock: Option<File>,
    worker: Mutex<Option<JoinHandle<()>>>,
    /// Where other nodes spend from the same accounts.
    lending: Option<Lending>,
}

pub(super) struct Shared {
    options: Options,
    base: Base,
    inbox: Mutex<Inbox>,
    /// Rung for the first entry, for a full group and at the end.
    bell: Condvar,
    /// Entries that are in the database, of all that came in.
    committed: Mutex<u64>,
    /// Rung when there are more, and when there will be none for a while.
    done: Condvar,
    /// Others have written something.
    news: AtomicBool,
    ailing: AtomicBool,
    /// While it ails: whether receipts are on file nevertheless, and wait there.
    bridged: AtomicBool,
    full: AtomicBool,
    /// What is wrong, while something is.
    cause: Mutex<Arc<str>>,
    /// What was set of accounts since the neighbour was last listened to.
    adjusted: Arc<Adjusted>,
    pub(super) tell: Tell,
}

impl fmt::Debug for Shared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Shared").field("options", &self.options).finish_non_exhaustive()
    }
}

struct Inbox {
    /// Under [`Durability::Relaxed`] nothing is written to it: it only shows that this process lives. None: without a
    /// directory.
    journal: Option<Journal>,
    frame: Vec<u8>,
    waiting: Vec<Entry>,
    /// All entries that ever came in.
    taken: u64,
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
        let locked = |directory| {
            directory::make(directory, options.database.is_none())?;
            directory::lock(directory, inherited)
        };
        let lock = options.directory.as_deref().map(locked).transpose()?;
        let base = match (&options.database, &options.directory) {
            (Some(database), directory) => {
                let node = directory.as_deref().map(directory::node).transpose()?;
                Base::server(&database.0, options.durability, node)?
            }
            (None, Some(directory)) => Base::file(directory, options.durability),
            (None, None) => return Err(StoreError::new("expected a data directory, a database, or both")),
        };
        let failed =
            |what: &str, error: &dyn fmt::Display| StoreError::new(format!("{}: {what}: {error}", base.shown()));
        let mut session = base.session()?;
        let (mut adopted, mut journal) = (Adopted::default(), None);
        let unique = format!("{}-{:08x}", std::process::id(), fastrand::u32(..));
        if let Some(directory) = &options.directory {
            adopted = neighbour::adopt(directory, &[], &mut session).map_err(|error| failed("a journal", &error))?;
            let made = Journal::create(directory, &unique);
            journal = Some(made.map_err(|error| {
                failed("a journal cannot be made", &format_args!("{error}; {}", directory::advice(&error)))
            })?);
            if base.is_shared() && directory.join(FILE).exists() {
                tell(Word::Note("the data directory has a database of its own, which is not used beside database_url"));
            }
        }
        if adopted.moved > 0 {
            tell(Word::Note(&recovered(adopted.moved)));
        }
        let now = clock.now();
        if base.is_shared() {
            apply::introduce(&mut session, &unique, now.wall_ms).map_err(|error| failed("the node", &error))?;
        }
        let spent = apply::spent_since(&mut session, now.wall_ms).map_err(|error| failed("the accounts", &error))?;
        for Spent { account, resets_at_ms, spent } in &spent {
            ledger.restore(*account, *spent, *resets_at_ms, now);
        }
        let neighbour = (adopted.living > 0 || base.is_shared()).then(|| Neighbour::new(&spent));
        let shared = Arc::new(Shared::new(options, base, journal, Box::new(tell)));
        ledger.keep_with(shared.clone());
        let lending = match &shared.base {
            Base::Server { records, .. } => Some(lender::start(records, unique.clone(), ledger, clock)?),
            Base::File { .. } => None,
        };
        let worker = Worker {
            shared: shared.clone(),
            session,
            node: unique,
            sequence: 0,
            unsure: None,
            backlog: Vec::new(),
            ledger: ledger.clone(),
            clock: clock.clone(),
            neighbour,
            has_predecessor: adopted.living > 0,
            rebased: false,
            rounds: 0,
        };
        let thread = std::thread::Builder::new().name("tollgate-store".to_owned()).spawn(move || worker.run());
        let thread = thread.map_err(|error| StoreError::new(format!("a thread cannot be started: {error}")))?;
        Ok(Self { shared, lock, worker: Mutex::new(Some(thread)), lending })
    }

    /// Puts the records on file into a roster, and keeps its changes from here on. Where other nodes change them, too, a
    /// thread puts those changes into the roster.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn keep_records(&self, roster: &Arc<Roster>) -> Result<(), StoreError> {
        let (base, adjusted) = (self.shared.base.clone(), self.shared.adjusted.clone());
        let others = base.is_shared().then(|| roster.clone());
        let records = OnFile::open(base.clone(), adjusted, others)?;
        records.load(roster, &self.shared.tell)?;
        roster.keep_with(Arc::new(records));
        if let Base::Server { records, .. } = base {
            follow::start(records, roster.clone(), self.shared.clone())?;
        }
        Ok(())
    }

    /// Says that the accounts of the configuration are open: what was spent moves to the windows that they are in now.
    pub fn serving(&self) {
        self.shared.inbox.lock().serving = true;
        self.shared.bell.notify_one();
    }

    /// The lock of the directory, if there is one, to be handed on to a successor.
    pub fn lock(&self) -> Option<BorrowedFd<'_>> {
        self.lock.as_ref().map(File::as_fd)
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
        if let Some(lending) = &self.lending {
            let settled = !self.shared.ailing.load(Ordering::SeqCst);
            lending.close(if settled { Closing::Settled } else { Closing::Unsettled });
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
        let Inbox { journal, frame, waiting, taken, .. } = &mut *inbox;
        // One write into the page cache, under the lock that orders entries: a handful of microseconds.
        let written = match (self.options.durability, journal) {
            (Durability::Strict, Some(journal)) => {
                frame.clear();
                entry::write(stage, receipt, frame);
                journal.append(frame)
            }
            (Durability::Strict, None) | (Durability::Relaxed, _) => Ok(()),
        };
        waiting.push(entry);
        *taken += 1;
        let (number, count) = (*taken, waiting.len());
        drop(inbox);
        if matches!(count, 1 | GROUP_ENTRIES) {
            self.bell.notify_one();
        }
        if let Err(error) = written {
            self.fails(&format!("the journal of spend cannot be written: {error}"), Bridge::Broken);
        }
        // The client is about to get the end of its answer.
        if stage == Stage::Ended && self.is_waited_for() {
            self.wait_for(number);
        }
    }

    fn unwell(&self) -> Option<Unwell> {
        if !self.ailing.load(Ordering::Relaxed) {
            return None;
        }
        let halts = match (self.full.load(Ordering::Relaxed), self.bridged.load(Ordering::Relaxed)) {
            (true, _) => Halts::Everything,
            (false, true) => Halts::Nothing,
            (false, false) => Halts::Budgets,
        };
        Some(Unwell { cause: self.cause.lock().clone(), halts })
    }

    fn receipts(&self, filter: &Filter, slice: &Slice, each: &mut dyn FnMut(Receipt)) -> Result<(), String> {
        self.base.read(|session| rows::read(session, filter, slice, each))
    }

    fn number(&self, filter: &Filter) -> Result<u64, String> {
        self.base.read(|session| rows::number(session, filter))
    }

    fn sums(&self, survey: &Survey) -> Result<Vec<Sum>, String> {
        self.base.read(|session| sums::read(session, survey))
    }

    fn number_of_sums(&self, survey: &Survey) -> Result<u64, String> {
        self.base.read(|session| sums::number(session, survey))
    }

    fn counted(&self) -> Result<Vec<Counted>, String> {
        self.base.read(|session| counted::read(session, self.base.node()))
    }
}

/// Whether receipts are on file while the database cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bridge {
    /// They are in the journal, and it is another disk's or another machine's trouble.
    Holds,
    /// They are in memory.
    Broken,
}

impl Shared {
    fn new(options: Options, base: Base, journal: Option<Journal>, tell: Tell) -> Self {
        let frame = Vec::with_capacity(1024);
        let inbox = Inbox { journal, frame, waiting: Vec::new(), taken: 0, serving: false, closing: false };
        Self {
            options,
            base,
            inbox: Mutex::new(inbox),
            bell: Condvar::new(),
            committed: Mutex::new(0),
            done: Condvar::new(),
            news: AtomicBool::new(false),
            ailing: AtomicBool::new(false),
            bridged: AtomicBool::new(true),
            full: AtomicBool::new(false),
            cause: Mutex::new("".into()),
            adjusted: Arc::default(),
            tell,
        }
    }

    /// Whether an answer's end waits for the group commit: nothing else would have its receipt outlive the process.
    fn is_waited_for(&self) -> bool {
        self.options.durability == Durability::Strict && self.options.directory.is_none()
    }

    /// Waits until an entry is in the database, or will not be there soon.
    fn wait_for(&self, number: u64) {
        let wait = || {
            let mut committed = self.committed.lock();
            while *committed < number && !self.ailing.load(Ordering::SeqCst) {
                self.done.wait(&mut committed);
            }
        };
        waiting::blocking(wait);
    }

    /// Others have written to the database: it is looked at now.
    pub(super) fn hear(&self) {
        self.news.store(true, Ordering::SeqCst);
        drop(self.inbox.lock());
        self.bell.notify_one();
    }

    /// Whether the store is being closed.
    pub(super) fn is_closing(&self) -> bool {
        self.inbox.lock().closing
    }

    fn fails(&self, cause: &str, bridge: Bridge) {
        *self.cause.lock() = cause.into();
        let bridged = bridge == Bridge::Holds && self.options.durability == Durability::Strict && self.base.is_shared();
        // A journal that could not be written is trusted again when all is well.
        let bridged = self.bridged.fetch_and(bridged && self.options.directory.is_some(), Ordering::SeqCst) && bridged;
        if !self.ailing.swap(true, Ordering::SeqCst) {
            let then = if bridged && self.options.directory.is_some() {
                format!("receipts wait in the journal, {} at most", self.options.waiting_max)
            } else {
                "no request under a budget is served until it can".to_owned()
            };
            (self.tell)(Word::Trouble(&format!("{cause}; {then}")));
        }
        drop(self.committed.lock());
        self.done.notify_all();
    }

    fn recovers(&self) {
        self.full.store(false, Ordering::SeqCst);
        if self.ailing.swap(false, Ordering::SeqCst) {
            self.bridged.store(true, Ordering::SeqCst);
            (self.tell)(Word::Note("spend is recorded again"));
        }
    }
}

/// What the thread has.
struct Worker {
    shared: Arc<Shared>,
    session: Session,
    /// What this process is called in the database.
    node: String,
    /// Groups of entries that were sent to a server.
    sequence: i64,
    /// The last group, if it may have arrived although nobody said so.
    unsure: Option<Group>,
    /// Taken from the inbox and not committed yet.
    backlog: Vec<Entry>,
    ledger: Arc<Memory>,
    clock: Clock,
    /// Others who write to the database: the process that handed over to this one while it lives, and all nodes of a server.
    neighbour: Option<Neighbour>,
    has_predecessor: bool,
    rebased: bool,
    rounds: u32,
}

/// Entries at the head of the backlog that were sent.
struct Group {
    sequence: i64,
    count: usize,
    added: Added,
}

/// Without the thread nothing reaches the database: what is in the journal waits for the next start, and no more is spent.
impl Drop for Worker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.full.store(true, Ordering::SeqCst);
            self.shared.fails("the thread that records spend has panicked; restart the gateway", Bridge::Broken);
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
        if !self.backlog.is_empty() && self.shared.inbox.lock().journal.is_none() {
            let lost = format!("{} receipts could not be written and are lost with this process", self.backlog.len());
            (self.shared.tell)(Word::Trouble(&lost));
        }
        if self.backlog.is_empty()
            && !self.shared.ailing.load(Ordering::SeqCst)
            && let Some(journal) = &self.shared.inbox.lock().journal
        {
            journal.remove();
        }
    }

    /// Waits for entries and takes them; true at the end.
    fn gather(&mut self) -> bool {
        let shared = self.shared.clone();
        let mut inbox = shared.inbox.lock();
        let ailing = shared.ailing.load(Ordering::SeqCst);
        if !inbox.closing && inbox.waiting.is_empty() && !shared.news.swap(false, Ordering::SeqCst) {
            shared.bell.wait_for(&mut inbox, if ailing { AGAIN } else { ROUND });
        }
        // Where clients wait for it, those who come during one commit are the company of the next.
        let company = if shared.is_waited_for() { None } else { Some(GROUP) };
        if !inbox.closing
            && !inbox.waiting.is_empty()
            && inbox.waiting.len() < GROUP_ENTRIES
            && let Some(wait) = if ailing { Some(AGAIN) } else { company }
        {
            shared.bell.wait_for(&mut inbox, wait);
        }
        self.backlog.append(&mut inbox.waiting);
        let turned = match &mut inbox.journal {
            Some(journal) if !self.backlog.is_empty() => journal.take_turns(),
            _ => Ok(()),
        };
        let closing = inbox.closing;
        drop(inbox);
        if let Err(error) = turned {
            shared.fails(&format!("the journal of spend cannot be written: {error}"), Bridge::Broken);
        }
        closing
    }

    /// Moves the backlog into the database and empties the journal of it; whether that worked.
    fn commit(&mut self) -> bool {
        if let Err(error) = self.move_backlog() {
            self.shared.full.store(self.backlog.len() > self.shared.options.waiting_max, Ordering::SeqCst);
            self.shared.fails(&format!("the database of spend cannot be written: {error}"), Bridge::Holds);
            return false;
        }
        self.backlog.shrink_to(GROUP_ENTRIES);
        if let Err(error) = self.empty_journal() {
            self.shared.fails(&format!("the journal of spend cannot be emptied: {error}"), Bridge::Broken);
            return false;
        }
        true
    }

    fn move_backlog(&mut self) -> Result<(), Failed> {
        if let Some(Group { sequence, .. }) = self.unsure {
            let arrived = self.session.transaction(|session| apply::delivered(session, &self.node))?;
            if let Some(group) = self.unsure.take().filter(|_| arrived == sequence) {
                self.moved(group.count, &group.added);
            }
        }
        while !self.backlog.is_empty() {
            let count = self.backlog.len().min(MOVED_MAX);
            self.sequence += 1;
            let (sequence, wall_ms) = (self.sequence, self.clock.now().wall_ms);
            let delivery = self.shared.base.is_shared().then_some(Delivery { node: &self.node, sequence, wall_ms });
            let entries = self.backlog.get(..count).unwrap_or_default();
            match apply::apply(&mut self.session, entries, delivery) {
                Ok(added) => self.moved(count, &added),
                Err(Unsure { why, added }) => {
                    self.unsure = self.shared.base.is_shared().then_some(Group { sequence, count, added });
                    return Err(why);
                }
            }
        }
        Ok(())
    }

    /// The first entries of the backlog are in the database.
    fn moved(&mut self, count: usize, added: &Added) {
        self.neighbour.iter_mut().for_each(|neighbour| neighbour.note(added));
        self.backlog.drain(..count);
        let mut committed = self.shared.committed.lock();
        *committed += count as u64;
        drop(committed);
        self.shared.done.notify_all();
    }

    fn empty_journal(&mut self) -> std::io::Result<()> {
        let spare = self.shared.inbox.lock().journal.as_ref().and_then(Journal::spare);
        if let Some(spare) = spare {
            journal::empty(&spare)?;
            self.shared.inbox.lock().journal.iter_mut().for_each(Journal::spare_was_emptied);
        }
        if !self.shared.ailing.load(Ordering::SeqCst) || !self.is_there() {
            return Ok(());
        }
        let probed = self.shared.inbox.lock().journal.as_mut().map(Journal::probe);
        if probed.is_none_or(|probed| probed.is_ok()) {
            self.shared.recovers();
        }
        // Not yet: the cause of the failure stands.
        Ok(())
    }

    /// Whether the database answers. A file does; of a server nobody knows before it has.
    fn is_there(&mut self) -> bool {
        !self.shared.base.is_shared() || apply::horizon(&mut self.session).is_ok()
    }

    /// What is done now and then.
    fn look_around(&mut self) {
        if !self.rebased && self.shared.inbox.lock().serving {
            self.rebased = self.rebase().is_ok();
        }
        let ailing = self.shared.ailing.load(Ordering::SeqCst);
        match self.look_at_neighbour() {
            Ok(()) => {}
            Err(error) if self.shared.base.is_shared() => {
                self.shared.fails(&format!("the database of spend cannot be read: {error}"), Bridge::Holds);
            }
            Err(error) => (self.shared.tell)(Word::Trouble(&format!(
                "what the process before this one spends is not known: {error}"
            ))),
        }
        if self.rounds.is_multiple_of(ROUNDS_PER_PRUNE) && !ailing {
            self.prune();
        }
        self.rounds = self.rounds.wrapping_add(1);
    }

    fn look_at_neighbour(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let Some(neighbour) = &mut self.neighbour else {
            self.shared.adjusted.lock().clear();
            return Ok(());
        };
        // A group that may have arrived would be taken for another's.
        if self.unsure.is_some() {
            return Ok(());
        }
        // What this process set of accounts is on file and in the ledger: its own, while nothing more is being set.
        let mut adjusted = self.shared.adjusted.lock();
        neighbour.note(&std::mem::take(&mut *adjusted));
        neighbour.listen(&mut self.session, &self.ledger, &self.clock)?;
        drop(adjusted);
        let Some(directory) = &self.shared.options.directory else { return Ok(()) };
        if !self.has_predecessor || !self.rounds.is_multiple_of(ROUNDS_PER_LOOK) {
            return Ok(());
        }
        let inbox = self.shared.inbox.lock();
        let own = inbox.journal.as_ref().map(Journal::paths).unwrap_or_default();
        drop(inbox);
        let adopted = neighbour::adopt(directory, &own, &mut self.session)?;
        if adopted.moved > 0 {
            (self.shared.tell)(Word::Note(&recovered(adopted.moved)));
            neighbour.look_anew();
        }
        if adopted.living == 0 {
            neighbour.look_anew();
            neighbour.listen(&mut self.session, &self.ledger, &self.clock)?;
            self.has_predecessor = false;
            if !self.shared.base.is_shared() {
                self.neighbour = None;
            }
        }
        Ok(())
    }

    /// A budget whose duration was changed goes on with what was spent, in the window that it has now.
    fn rebase(&mut self) -> Result<(), Failed> {
        let now = self.clock.now();
        let (ledger, mut moves) = (&self.ledger, Vec::new());
        let moved = |spent: Spent| {
            let end = ledger.statement(spent.account, now)?.resets_at_ms;
            (end != spent.resets_at_ms && spent.spent != PicoUsd::ZERO).then_some((spent, end))
        };
        self.session.transaction(|session| {
            moves = apply::spent_alone(session, now.wall_ms)?.into_iter().filter_map(moved).collect();
            apply::rebase(session, &moves)
        })?;
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
        self.neighbour.iter_mut().for_each(|neighbour| neighbour.forget(now.wall_ms - FORGET_MS));
        match apply::prune(&mut self.session, before, now.wall_ms, PRUNE_ROWS) {
            // There may be more: not at once, so that nobody waits.
            Ok(taken) if taken == u64::from(PRUNE_ROWS) => self.rounds = self.rounds.wrapping_sub(1),
            Ok(_) => {}
            Err(error) => (self.shared.tell)(Word::Trouble(&format!("old receipts cannot be taken away: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use rusqlite::Connection;

    use super::*;
    use crate::store::entry::tests::receipt;
    use crate::store::{WAITING_MAX, schema};

    struct Place(PathBuf);

    impl Place {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("tollgate-store-{name}-{}", std::process::id()));
            std::fs::remove_dir_all(&path).ok();
            Self(path)
        }

        fn open(&self) -> Result<(Store, Arc<Memory>), StoreError> {
            let options = Options {
                directory: Some(self.0.clone()),
                database: None,
                durability: Durability::Strict,
                retention: None,
                waiting_max: WAITING_MAX,
            };
            let ledger = Arc::new(Memory::new());
            let store = Store::open(options, None, &Clock::manual(1_795_226_400_000), &ledger, |_| {})?;
            Ok((store, ledger))
        }

        fn rows(&self) -> i64 {
            schema::session_to_read(&self.0).unwrap().number("SELECT count(*) FROM spend", &[]).unwrap()
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
