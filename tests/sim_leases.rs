//! Budgets that several nodes spend from, in a seeded simulation: ledgers that borrow from one counter over a line that loses
//! words and repeats them, nodes that die and come back, windows that end, limits that are raised.
//!
//! After every step, for each account: what is spent in its window and held on all nodes is within the limit, and so is what
//! the counter has lent. In the end all that is left can be spent to the last tick, by whichever node asks.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::tz::TimeZone;
use tollgate::ledger::{
    AccountId, Bookings, Hold, Ledger, Lender, Loan, Memory, Needs, Part, Refusal, Scope, Terms, Window,
};
use tollgate::vocabulary::{Clock, KeyHash, Now, PicoUsd};

const SEEDS: u64 = 200;
const STEPS: usize = 1_500;
const NODES: usize = 3;

/// What a node is told to look at; nobody waits here.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<AccountId>>);

impl Lender for Told {
    fn look(&self, account: AccountId) {
        self.0.lock().unwrap().push(account);
    }

    fn ask(&self, _: Needs, done: Box<dyn FnOnce() + Send>) {
        done();
    }

    fn ask_and_wait(&self, _: Needs) {}

    fn away(&self) -> Option<Arc<str>> {
        None
    }

    fn lapsed(&self, _: Now) -> Option<Arc<str>> {
        None
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    amount: i128,
    number: i64,
    granted: i128,
    tight: bool,
    wanted: bool,
}

/// One account as the database keeps it.
#[derive(Debug, Default)]
struct Counter {
    spent: BTreeMap<Option<i64>, i128>,
    rows: BTreeMap<u64, Row>,
}

impl Counter {
    fn spent(&self, wall_ms: i64) -> i128 {
        self.spent.iter().filter(|(end, _)| end.is_none_or(|end| end > wall_ms)).map(|(_, spent)| spent).sum()
    }

    fn lent(&self) -> i128 {
        self.rows.values().map(|row| row.amount.max(0)).sum()
    }

    /// The same rule as in the database; what was lent, and whether that is less than anybody could use.
    fn lend(&mut self, node: u64, loan: &Loan, wall_ms: i64) -> (i128, i128) {
        let (spent, lent) = (self.spent(wall_ms), self.lent());
        let row = self.rows.entry(node).or_default();
        if loan.number <= row.number {
            return (row.granted, 0);
        }
        row.number = loan.number;
        (row.tight, row.wanted) = (loan.tight, false);
        if loan.back > PicoUsd::ZERO {
            row.amount -= loan.back.0;
            row.granted = 0;
            return (0, 0);
        }
        let rest = loan.limit.0 - spent - lent;
        row.granted = 0;
        if rest > 0 && rest >= loan.least.0 {
            let ahead = (loan.wished.0 - loan.needed.0).min((rest - loan.needed.0) / 8).max(0);
            row.granted = rest.min(loan.needed.0) + ahead;
        }
        row.amount += row.granted;
        let granted = row.granted;
        if granted < loan.needed.0 {
            let others = self.rows.iter_mut().filter(|(of, row)| **of != node && row.amount > 0 && !row.tight);
            others.for_each(|(_, row)| row.wanted = true);
        }
        (granted, rest - granted)
    }
}

struct Open {
    hold: Hold,
    held: i128,
    accounts: Vec<usize>,
}

/// What an exchange cost, in the journal of its node.
struct Entry {
    cost: i128,
    booked: Bookings,
}

struct Node {
    name: u64,
    ledger: Arc<Memory>,
    told: Arc<Told>,
    open: Vec<Open>,
    journal: Vec<Entry>,
    unsure: Vec<Loan>,
}

struct Sim {
    seed: u64,
    step: usize,
    dice: fastrand::Rng,
    clock: Clock,
    ids: [AccountId; 3],
    limits: [i128; 3],
    counters: [Counter; 3],
    nodes: Vec<Node>,
    /// Nodes that are gone and whose journals wait.
    gone: Vec<(u64, Vec<Entry>)>,
    born: u64,
}

impl Sim {
    fn new(seed: u64) -> Self {
        let key = |text| AccountId::Key(KeyHash::of(text));
        let mut dice = fastrand::Rng::with_seed(seed);
        let limits = [(); 3].map(|()| dice.i128(200..3_000));
        let mut sim = Self {
            seed,
            step: 0,
            dice,
            clock: Clock::manual(1_795_226_400_000),
            ids: [AccountId::Global, key("a"), key("b")],
            limits,
            counters: Default::default(),
            nodes: Vec::new(),
            gone: Vec::new(),
            born: 0,
        };
        (0..NODES).for_each(|_| sim.bear());
        sim
    }

    fn terms(&self, account: usize) -> Terms {
        let window = Window::parse([None, Some("1h"), None][account], &TimeZone::UTC).unwrap();
        Terms { scope: Scope::Global, part: Part::Whole, limit: Some(PicoUsd(self.limits[account])), window }
    }

    fn bear(&mut self) {
        self.born += 1;
        let (ledger, told) = (Arc::new(Memory::new()), Arc::new(Told::default()));
        ledger.borrow_from(told.clone());
        let now = self.clock.now();
        for (account, id) in self.ids.iter().enumerate() {
            ledger.account(*id, self.terms(account), now);
            for (end, spent) in &self.counters[account].spent {
                ledger.restore(*id, PicoUsd(*spent), *end, now);
            }
        }
        let (open, journal, unsure) = (Vec::new(), Vec::new(), Vec::new());
        self.nodes.push(Node { name: self.born, ledger, told, open, journal, unsure });
    }

    /// Sends what was not answered yet. Words and answers may be lost.
    fn send(&mut self, node: usize, sure: bool) {
        let now = self.clock.now();
        for loan in std::mem::take(&mut self.nodes[node].unsure) {
            let account = self.ids.iter().position(|id| *id == loan.account).unwrap();
            if !sure && self.dice.u8(..) < 20 {
                self.nodes[node].unsure.push(loan);
                continue;
            }
            let (given, rest) = self.counters[account].lend(self.nodes[node].name, &loan, now.wall_ms);
            if !sure && self.dice.u8(..) < 20 {
                self.nodes[node].unsure.push(loan);
                continue;
            }
            let ledger = &self.nodes[node].ledger;
            ledger.lend(&loan, PicoUsd(given), now);
            if given < loan.least.0 {
                ledger.run_dry(loan.account, PicoUsd(rest), now);
            }
        }
    }

    fn order(&mut self, node: usize, account: AccountId, wanted: Option<PicoUsd>, sure: bool) {
        let now = self.clock.now();
        self.send(node, sure);
        // Nobody asks for an account while an answer about it is awaited.
        if self.nodes[node].unsure.iter().any(|loan| loan.account == account) {
            return;
        }
        let loan = self.nodes[node].ledger.order(account, wanted.map(|amount| (amount, amount)), now);
        self.nodes[node].unsure.extend(loan);
        self.send(node, sure);
    }

    /// Reserves as a request does: what is not lent is asked for, and then it is tried again.
    fn reserve(&mut self, node: usize, accounts: &[usize], amount: i128, sure: bool) -> bool {
        let now = self.clock.now();
        let asks: Vec<_> = accounts.iter().map(|account| (self.ids[*account], PicoUsd(amount))).collect();
        for _ in 0..3 {
            match self.nodes[node].ledger.reserve(&asks, now) {
                Ok(hold) => {
                    self.nodes[node].open.push(Open { hold, held: amount, accounts: accounts.to_vec() });
                    return true;
                }
                Err(Refusal::Unlent(needs)) => {
                    for (account, amount) in *needs {
                        self.order(node, account, Some(amount), sure);
                    }
                }
                Err(Refusal::Overdrawn(_)) => return false,
                Err(other) => panic!("{other:?}"),
            }
        }
        false
    }

    fn settle(&mut self, node: usize) {
        let Some(at) = (!self.nodes[node].open.is_empty()).then(|| self.dice.usize(..self.nodes[node].open.len()))
        else {
            return;
        };
        let open = self.nodes[node].open.swap_remove(at);
        let cost = self.dice.i128(0..=open.held);
        let settled = open.hold.settle(PicoUsd(cost), self.clock.now());
        self.nodes[node].journal.push(Entry { cost, booked: settled.booked });
    }

    fn book(&mut self, node: Option<u64>, entry: &Entry) {
        for booking in &entry.booked {
            let account = self.ids.iter().position(|id| *id == booking.account).unwrap();
            let counter = &mut self.counters[account];
            *counter.spent.entry(booking.resets_at_ms).or_default() += entry.cost;
            if let Some(row) = node.and_then(|node| counter.rows.get_mut(&node)) {
                row.amount -= entry.cost;
            }
        }
    }

    /// Puts receipts on file; other nodes hear of it, sooner or later.
    fn commit(&mut self, node: usize, most: usize) {
        let count = self.nodes[node].journal.len().min(most);
        let entries: Vec<_> = self.nodes[node].journal.drain(..count).collect();
        let name = self.nodes[node].name;
        let now = self.clock.now();
        for entry in entries {
            self.book(Some(name), &entry);
            for booking in &entry.booked {
                for other in self.nodes.iter().filter(|other| other.name != name) {
                    other.ledger.restore(booking.account, PicoUsd(entry.cost), booking.resets_at_ms, now);
                }
            }
        }
    }

    fn look(&mut self, node: usize) {
        let told = std::mem::take(&mut *self.nodes[node].told.0.lock().unwrap());
        let at_random = self.ids[self.dice.usize(..3)];
        for account in told.into_iter().chain([at_random]) {
            self.order(node, account, None, false);
        }
    }

    /// Gives back what others want.
    fn heed(&mut self, node: usize, sure: bool) {
        let name = self.nodes[node].name;
        for account in 0..3 {
            let wanted = self.counters[account].rows.get(&name).is_some_and(|row| row.wanted);
            if wanted || sure {
                self.nodes[node].ledger.tighten(self.ids[account], self.clock.now());
                self.order(node, self.ids[account], None, sure);
            }
        }
    }

    fn kill(&mut self, node: usize) {
        let dead = self.nodes.swap_remove(node);
        self.gone.push((dead.name, dead.journal));
        self.bear();
    }

    /// A journal is found: what it holds is spent, and what its node was lent is there again.
    fn find(&mut self) {
        let Some((name, journal)) = self.gone.pop() else { return };
        let now = self.clock.now();
        for entry in &journal {
            self.book(None, entry);
            for booking in &entry.booked {
                for node in &self.nodes {
                    node.ledger.restore(booking.account, PicoUsd(entry.cost), booking.resets_at_ms, now);
                }
            }
        }
        self.counters.iter_mut().for_each(|counter| _ = counter.rows.remove(&name));
    }

    fn raise(&mut self) {
        let account = self.dice.usize(..3);
        self.limits[account] += self.dice.i128(1..400);
        let terms = self.terms(account);
        for node in &self.nodes {
            node.ledger.account(self.ids[account], terms.clone(), self.clock.now());
        }
    }

    fn step(&mut self) {
        let node = self.dice.usize(..NODES);
        match self.dice.u8(..100) {
            0..40 => {
                let accounts = [&[0][..], &[0, 1], &[0, 2], &[0, 1, 2]][self.dice.usize(..4)].to_vec();
                let amount = self.dice.i128(1..120);
                self.reserve(node, &accounts, amount, false);
            }
            40..65 => self.settle(node),
            65..78 => self.commit(node, 3),
            78..88 => self.look(node),
            88..93 => self.heed(node, false),
            93..96 => self.clock.advance(Duration::from_secs(self.dice.u64(1..400))),
            96 => self.kill(node),
            97 => self.find(),
            98 => self.raise(),
            _ => self.clock.advance(Duration::from_millis(50)),
        }
    }

    fn check(&self) {
        let wall_ms = self.clock.now().wall_ms;
        for (account, counter) in self.counters.iter().enumerate() {
            let of = |entry: &&Entry| {
                let booked = entry.booked.iter().find(|booking| booking.account == self.ids[account]);
                booked.is_some_and(|booking| booking.resets_at_ms.is_none_or(|end| end > wall_ms))
            };
            let journals =
                self.nodes.iter().map(|node| &node.journal).chain(self.gone.iter().map(|(_, journal)| journal));
            let waiting: i128 = journals.flatten().filter(of).map(|entry| entry.cost).sum();
            let open = self.nodes.iter().flat_map(|node| &node.open).filter(|open| open.accounts.contains(&account));
            let held: i128 = open.map(|open| open.held).sum();
            let spent = counter.spent(wall_ms);
            let place = format!("seed {}, step {}, account {account}", self.seed, self.step);
            let limit = self.limits[account];
            assert!(spent + waiting + held <= limit, "{place}: {spent} + {waiting} + {held} > {limit}");
            assert!(spent + counter.lent() <= limit, "{place}: {spent} + {} lent > {limit}", counter.lent());
        }
    }

    /// Everything ends, and is on file.
    fn quiesce(&mut self) {
        for node in 0..NODES {
            self.send(node, true);
            while !self.nodes[node].open.is_empty() {
                self.settle(node);
            }
            self.commit(node, usize::MAX);
        }
        while !self.gone.is_empty() {
            self.find();
        }
        (0..NODES).for_each(|node| self.heed(node, true));
        // What was believed to be left is forgotten.
        self.clock.advance(Duration::from_secs(1));
    }

    fn run(mut self) {
        for step in 0..STEPS {
            self.step = step;
            self.step();
            self.check();
        }
        self.quiesce();
        self.check();
        for (account, counter) in self.counters.iter().enumerate() {
            assert_eq!(counter.lent(), 0, "seed {}: account {account}: {:?}", self.seed, counter.rows);
        }
        let left =
            |sim: &Self, account: usize| sim.limits[account] - sim.counters[account].spent(sim.clock.now().wall_ms);
        let all = (0..3).map(|account| left(&self, account)).min().unwrap();
        let node = self.dice.usize(..NODES);
        if all > 0 {
            assert!(self.reserve(node, &[0, 1, 2], all, true), "seed {}: {all} is left, and not lent", self.seed);
            self.check();
        }
        assert!(!self.reserve((node + 1) % NODES, &[0, 1, 2], 1, true), "seed {}", self.seed);
    }
}

#[test]
fn what_all_nodes_spend_and_hold_is_within_the_limit_whatever_happens_in_between() {
    (0..SEEDS).for_each(|seed| Sim::new(seed).run());
}
