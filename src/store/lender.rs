//! Money of accounts that several nodes share, as the database lends it: a thread asks for what is needed here, gives back what
//! is not, and says once a second that this node is at work. Many who wait are one question.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use super::entry;
use super::postgres::Server;
use super::session::{Failed, Session};
use super::value::Value;
use super::{StoreError, waiting};
use crate::ledger::{AccountId, Lender, Loan, Memory, Needs};
use crate::vocabulary::{Clock, Now, PicoUsd};

/// How often this node says that it is at work, and looks through what it was lent.
const BEAT: Duration = Duration::from_secs(1);
/// How often somebody who waits for money that others may give back asks again.
const RETRY: Duration = Duration::from_millis(20);
/// How long to wait for others that may keep more than they need.
const LOOSE: Duration = Duration::from_secs(1);
/// How long to wait for what others hold and may be about to give back.
const HELD: Duration = Duration::from_millis(200);
/// How long to wait before a lost connection is opened again.
const AGAIN: Duration = Duration::from_millis(250);
/// What was lent may be spent for so long after this node was last heard of: two thirds of the time after which others take it back
/// are left for the exchanges that are open then.
const LAPSE: Duration = Duration::from_secs(5 * 60);
/// Nobody waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(3);

const LEND: &str = "SELECT CAST(given AS text), CAST(rest AS text), CAST(CAST(others AS integer) AS bigint), \
     CAST(CAST(loose AS integer) AS bigint) FROM lend(?, ?, ?, CAST(CAST(? AS text) AS numeric), \
     CAST(CAST(? AS text) AS numeric), CAST(CAST(? AS text) AS numeric), CAST(CAST(? AS text) AS numeric), \
     CAST(CAST(? AS text) AS numeric), ?, CAST(? AS bigint) = 1)";

/// The lender as the ledger knows it, and the end of its thread.
#[derive(Debug)]
pub(super) struct Lending {
    counter: Arc<Counter>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What askers and the thread share.
struct Counter {
    desk: Mutex<Desk>,
    bell: Sender<()>,
    clock: Clock,
    away: Mutex<Option<Arc<str>>>,
    /// When what was lent may not be spent any more, on the monotonic clock.
    lapses_ns: AtomicU64,
}

#[derive(Default)]
struct Desk {
    asks: Vec<Ask>,
    looks: HashSet<AccountId>,
    closing: Option<Closing>,
}

/// How the store ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// All receipts are in the database: what is lent can be lent to others.
    Settled,
    /// Some wait in a journal for the next start.
    Unsettled,
}

struct Ask {
    needs: Needs,
    done: Box<dyn FnOnce() + Send>,
    since: Now,
}

impl fmt::Debug for Counter {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Counter").field("away", &self.away).finish_non_exhaustive()
    }
}

/// Starts the thread, with this node made known, and has the ledger borrow from it.
pub(super) fn start(
    server: &Arc<Server>,
    node: String,
    ledger: &Arc<Memory>,
    clock: &Clock,
) -> Result<Lending, StoreError> {
    let (bell, rung) = channel();
    let counter = Arc::new(Counter {
        desk: Mutex::default(),
        bell,
        clock: clock.clone(),
        away: Mutex::default(),
        lapses_ns: AtomicU64::new(0),
    });
    let mut teller = Teller {
        counter: counter.clone(),
        session: server.session(),
        node,
        ledger: ledger.clone(),
        rung,
        listening: false,
        open: Vec::new(),
        unsure: Vec::new(),
        leased: HashSet::new(),
        beat: None,
    };
    teller.round(HashSet::new()).map_err(|error| StoreError::new(format!("{}: budgets: {error}", server.shown())))?;
    ledger.borrow_from(counter.clone());
    let thread = std::thread::Builder::new().name("tollgate-lend".to_owned()).spawn(move || teller.run());
    let thread = thread.map_err(|error| StoreError::new(format!("a thread cannot be started: {error}")))?;
    Ok(Lending { counter, thread: Mutex::new(Some(thread)) })
}

impl Lending {
    /// Ends the thread. Where all is settled, what was lent is given back.
    pub(super) fn close(&self, how: Closing) {
        self.counter.desk.lock().closing = Some(how);
        // The thread is gone already if nobody hears it.
        let _rung = self.counter.bell.send(());
        if let Some(thread) = self.thread.lock().take() {
            let _panicked = thread.join();
        }
    }
}

impl Lender for Counter {
    fn look(&self, account: AccountId) {
        self.desk.lock().looks.insert(account);
        let _rung = self.bell.send(());
    }

    fn ask(&self, needs: Needs, done: Box<dyn FnOnce() + Send>) {
        let ask = Ask { needs, done, since: self.clock.now() };
        let mut desk = self.desk.lock();
        if desk.closing.is_some() {
            drop(desk);
            return (ask.done)();
        }
        desk.asks.push(ask);
        drop(desk);
        let _rung = self.bell.send(());
    }

    fn ask_and_wait(&self, needs: Needs) {
        let (tell, told) = sync_channel::<()>(1);
        self.ask(needs, Box::new(move || drop(tell)));
        waiting::blocking(|| {
            // Whether it was told or is late, it is tried again.
            let _late = told.recv_timeout(PATIENCE);
        });
    }

    fn away(&self) -> Option<Arc<str>> {
        self.away.lock().clone()
    }

    fn lapsed(&self, now: Now) -> Option<Arc<str>> {
        (now.mono_ns >= self.lapses_ns.load(Ordering::Relaxed))
            .then(|| self.away().unwrap_or_else(|| "what other nodes spend is not known".into()))
    }
}

/// What the thread has.
struct Teller {
    counter: Arc<Counter>,
    session: Session,
    /// What this process is called in the database.
    node: String,
    ledger: Arc<Memory>,
    rung: Receiver<()>,
    listening: bool,
    /// Who waits.
    open: Vec<Ask>,
    /// Orders that were sent and may have been heard.
    unsure: Vec<Loan>,
    /// Accounts on which something may be lent.
    leased: HashSet<AccountId>,
    /// When this node was last heard of.
    beat: Option<Now>,
}

/// What came of an order.
#[derive(Clone, Copy, Debug)]
struct Answer {
    /// Less was lent than anybody could use.
    short: bool,
    rest: PicoUsd,
    /// Others hold something.
    others: bool,
    /// Others may hold more than they need.
    loose: bool,
}

impl Answer {
    /// How long to wait for what others may give back.
    fn patience(&self) -> Duration {
        match (self.loose, self.others) {
            (true, _) => LOOSE,
            (false, true) => HELD,
            (false, false) => Duration::ZERO,
        }
    }
}

/// Without the thread nothing is lent.
impl Drop for Teller {
    fn drop(&mut self) {
        *self.counter.away.lock() = Some("the thread that asks for budgets has ended".into());
        let mut desk = self.counter.desk.lock();
        desk.closing.get_or_insert(Closing::Unsettled);
        let asks = std::mem::take(&mut desk.asks);
        drop(desk);
        asks.into_iter().chain(std::mem::take(&mut self.open)).for_each(|ask| (ask.done)());
    }
}

impl Teller {
    fn run(mut self) {
        loop {
            let looks = match self.gather() {
                Ok(looks) => looks,
                Err(how) => return self.end(how),
            };
            match self.round(looks) {
                Ok(()) => *self.counter.away.lock() = None,
                Err(error) => self.lose(&error),
            }
        }
    }

    /// Waits until there is something to do, and takes it.
    fn gather(&mut self) -> Result<HashSet<AccountId>, Closing> {
        let beat = self.beat.map_or(Duration::ZERO, |beat| BEAT.saturating_sub(self.counter.clock.now().since(beat)));
        let wait = match (self.open.is_empty(), self.counter.away.lock().is_some()) {
            (false, _) => RETRY,
            (true, true) => AGAIN,
            (true, false) => beat,
        };
        match self.rung.recv_timeout(wait) {
            Ok(()) => self.rung.try_iter().for_each(drop),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        let mut desk = self.counter.desk.lock();
        self.open.append(&mut desk.asks);
        let looks = std::mem::take(&mut desk.looks);
        match desk.closing {
            Some(how) => Err(how),
            None => Ok(looks),
        }
    }

    fn round(&mut self, looks: HashSet<AccountId>) -> Result<(), Failed> {
        // What could not be looked at is looked at with the next beat.
        self.leased.extend(&looks);
        self.listen()?;
        let mut looks = looks;
        if self.beat()? {
            looks.extend(&self.leased);
        }
        let again = self.send()?;
        let orders = self.orders(looks);
        self.unsure = orders;
        let mut answers = self.send()?;
        for (account, answer) in again {
            answers.entry(account).or_insert(answer);
        }
        self.answer(&answers);
        self.heed()
    }

    fn listen(&mut self) -> Result<(), Failed> {
        let Session::Server(client) = &mut self.session else { return Ok(()) };
        if !self.listening || !client.is_open() {
            client.listen("tollgate_wanted", self.counter.bell.clone())?;
            self.listening = true;
        }
        Ok(())
    }

    /// Says that this node is at work, if it is time to; whether it was.
    fn beat(&mut self) -> Result<bool, Failed> {
        let now = self.counter.clock.now();
        if self.beat.is_some_and(|beat| now.since(beat) < BEAT) {
            return Ok(false);
        }
        let known =
            self.session.number("SELECT CAST(CAST(beat(?) AS integer) AS bigint)", &[self.node.as_str().into()])? == 1;
        if !known && self.beat.is_some() {
            // Others took it to be gone, and what it was lent with it.
            self.unsure.clear();
            self.ledger.lose_leases();
        }
        self.beat = Some(now);
        self.counter.lapses_ns.store(now.mono_ns.saturating_add(nanos(LAPSE)), Ordering::Relaxed);
        Ok(true)
    }

    /// What everybody who waits needs, and what is to be done about accounts that are looked at.
    fn orders(&self, looks: HashSet<AccountId>) -> Vec<Loan> {
        let mut wanted: HashMap<AccountId, (PicoUsd, PicoUsd)> = HashMap::new();
        for ask in &self.open {
            // One account after the other, everywhere in the same order: nobody keeps what others wait for who keep what this
            // one waits for.
            for (account, amount) in &ask.needs {
                let (least, all) = wanted.entry(*account).or_insert((*amount, PicoUsd::ZERO));
                (*least, *all) = ((*least).min(*amount), all.plus(*amount));
                if !self.ledger.is_lent(*account, *amount) {
                    break;
                }
            }
        }
        let now = self.counter.clock.now();
        let looked = looks.into_iter().filter(|account| !wanted.contains_key(account)).map(|account| (account, None));
        let asked = wanted.iter().map(|(account, wanted)| (*account, Some(*wanted)));
        looked.chain(asked).filter_map(|(account, wanted)| self.ledger.order(account, wanted, now)).collect()
    }

    /// Sends the orders that nobody is known to have heard.
    fn send(&mut self) -> Result<HashMap<AccountId, Answer>, Failed> {
        let wall_ms = self.counter.clock.now().wall_ms;
        let lists: Vec<_> = self.unsure.iter().map(|order| values(&self.node, order, wall_ms)).collect();
        let rows = self.session.find_each(LEND, &lists, |row| {
            Ok((money(&row.text(0)?)?, money(&row.text(1)?)?, row.int(2)? == 1, row.int(3)? == 1))
        })?;
        drop(lists);
        let (now, mut answers) = (self.counter.clock.now(), HashMap::with_capacity(rows.len()));
        for (order, row) in std::mem::take(&mut self.unsure).into_iter().zip(rows) {
            let Some((given, rest, others, loose)) = row else { continue };
            self.ledger.lend(&order, given, now);
            if given > PicoUsd::ZERO {
                self.leased.insert(order.account);
            }
            let short = given < order.least;
            answers.insert(order.account, Answer { short, rest, others, loose });
        }
        Ok(answers)
    }

    /// Lets those go on who got what they need, or will not get it for now.
    fn answer(&mut self, answers: &HashMap<AccountId, Answer>) {
        let now = self.counter.clock.now();
        for ask in std::mem::take(&mut self.open) {
            let missing = ask.needs.iter().find(|(account, amount)| !self.ledger.is_lent(*account, *amount));
            let Some((account, _)) = missing else {
                (ask.done)();
                continue;
            };
            let waited = now.since(ask.since);
            match answers.get(account).filter(|answer| answer.short) {
                Some(answer) if waited >= answer.patience() => {
                    self.ledger.run_dry(*account, answer.rest, now);
                    // What was kept for it may be what others are short of.
                    ask.needs.iter().for_each(|(account, _)| self.counter.look(*account));
                    (ask.done)();
                }
                Some(_) => self.open.push(ask),
                // Its turn comes next, or others were quicker.
                None if waited < PATIENCE => {
                    let _rung = self.counter.bell.send(());
                    self.open.push(ask);
                }
                None => (ask.done)(),
            }
        }
    }

    /// Gives back what others want.
    fn heed(&mut self) -> Result<(), Failed> {
        let node = [self.node.as_str().into()];
        let wanted = self.session.all("SELECT account FROM lease WHERE node = ? AND wanted", &node, |row| {
            Ok(entry::account_of(&row.bytes(0)?))
        })?;
        let wanted: HashSet<_> = wanted.into_iter().flatten().collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let now = self.counter.clock.now();
        wanted.iter().for_each(|account| self.ledger.tighten(*account, now));
        self.unsure = self.orders(wanted.clone());
        self.send()?;
        let heeded: Vec<_> = wanted.iter().map(|account| vec![bytes(*account), self.node.as_str().into()]).collect();
        self.session
            .execute_each("UPDATE lease SET tight = true, wanted = false WHERE account = ? AND node = ?", &heeded)?;
        Ok(())
    }

    /// The database cannot be asked. Nobody waits for it.
    fn lose(&mut self, error: &Failed) {
        self.listening = false;
        *self.counter.away.lock() = Some(error.to_string().into());
        std::mem::take(&mut self.open).into_iter().for_each(|ask| (ask.done)());
    }

    fn end(mut self, how: Closing) {
        if how == Closing::Settled {
            // Where it cannot be said, others take it back in time.
            let _unsaid = forget(&mut self.session, &self.node);
        }
    }
}

/// A node is gone, and all that it spent is on file: what it was lent is there for others.
pub(super) fn forget(session: &mut Session, node: &str) -> Result<(), Failed> {
    session.execute("DELETE FROM node WHERE node = ?", &[node.into()]).map(drop)
}

/// Within the transaction that puts receipts on file, counts what they cost as spent, no longer as lent.
pub(super) fn repay(
    session: &mut Session,
    node: &str,
    spent: impl IntoIterator<Item = (AccountId, PicoUsd)>,
) -> Result<(), Failed> {
    // In the order of the accounts: whoever holds several waits for nobody who waits for it.
    let values =
        |(account, amount): (AccountId, PicoUsd)| vec![Value::from(amount.0.to_string()), bytes(account), node.into()];
    let lists: Vec<_> = spent.into_iter().filter(|(_, amount)| *amount != PicoUsd::ZERO).map(values).collect();
    session.execute_each(
        "UPDATE lease SET amount = amount - CAST(CAST(? AS text) AS numeric) WHERE account = ? AND node = ?",
        &lists,
    )?;
    Ok(())
}

fn values<'v>(node: &'v str, order: &Loan, wall_ms: i64) -> Vec<Value<'v>> {
    let amount = |amount: PicoUsd| Value::from(amount.0.to_string());
    vec![
        bytes(order.account),
        node.into(),
        order.number.into(),
        amount(order.back),
        amount(order.least),
        amount(order.needed),
        amount(order.wished),
        amount(order.limit),
        wall_ms.into(),
        i64::from(order.tight).into(),
    ]
}

fn bytes(account: AccountId) -> Value<'static> {
    let mut bytes = Vec::with_capacity(33);
    entry::account(account, &mut bytes);
    bytes.into()
}

fn money(text: &str) -> Result<PicoUsd, Failed> {
    text.parse().map(PicoUsd).map_err(|_| Failed::new(format!("{text} is no amount")))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
