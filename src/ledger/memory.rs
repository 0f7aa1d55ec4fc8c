//! Accounts in memory.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use dashmap::DashMap;
use smallvec::SmallVec;

use super::Ledger;
use super::account::{Account, AccountId, Statement, Terms};
use super::hold::{self, Beyond, Hold, Shared};
use super::keeper::{Halts, Keeper, Stage};
use super::lease::{Lease, Lender, Loan};
use super::receipt::Receipt;
use super::refusal::Refusal;
use crate::vocabulary::{Now, PicoUsd};

/// The ledger of one process. Accounts live as long as it does: there is one per configured key, so that their
/// number is the configuration's.
#[derive(Debug, Default)]
pub struct Memory {
    accounts: DashMap<AccountId, Shared>,
    /// What earlier processes spent on accounts that are not open (yet).
    earlier: DashMap<AccountId, Vec<Earlier>>,
    tally: Mutex<Tally>,
    keeper: OnceLock<Arc<dyn Keeper>>,
    lender: OnceLock<Arc<dyn Lender>>,
}

/// What was spent in the window that ends then.
type Earlier = (PicoUsd, Option<i64>);

/// All receipts in sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub receipts: u64,
    /// Their cost.
    pub cost: PicoUsd,
    /// The part of it that was not reserved.
    pub excess: PicoUsd,
}

impl Memory {
    /// No accounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens an account, or puts new terms in force on one that is there: what was spent and is held stays.
    pub fn account(&self, id: AccountId, terms: Terms, now: Now) {
        match self.accounts.entry(id) {
            dashmap::Entry::Occupied(found) => hold::lock(found.get()).amend(terms, now),
            dashmap::Entry::Vacant(free) => {
                let mut account = Account::open(id, terms, self.lender.get(), now);
                let earlier = self.earlier.remove(&id).map(|(_, earlier)| earlier).unwrap_or_default();
                earlier.into_iter().for_each(|(spent, end)| account.restore(spent, end, now));
                drop(free.insert(Arc::new(Mutex::new(account))));
            }
        }
    }

    /// Adds what another process spent on an account, in the window that ends at `resets_at_ms`; nothing if that window is
    /// over. Where there is no such account it is remembered until there is one; false then.
    pub fn restore(&self, id: AccountId, spent: PicoUsd, resets_at_ms: Option<i64>, now: Now) -> bool {
        if let Some(account) = self.find(id) {
            hold::lock(&account).restore(spent, resets_at_ms, now);
            return true;
        }
        self.earlier.entry(id).or_default().push((spent, resets_at_ms));
        false
    }

    /// Says what was spent on an account in this window, whatever was booked: the window's end, and by how much it changed.
    /// None: there is no such account.
    pub fn set_spent(&self, id: AccountId, spent: PicoUsd, now: Now) -> Option<(Option<i64>, PicoUsd)> {
        let account = self.find(id)?;
        let mut account = hold::lock(&account);
        account.roll(now);
        let change = spent.max(PicoUsd::ZERO).minus(account.statement().spent);
        Some((account.restate(change), change))
    }

    /// What was spent on an account in its window, whether it is open (yet) or not, and when that window ends.
    pub fn spent(&self, id: AccountId, now: Now) -> (PicoUsd, Option<i64>) {
        if let Some(statement) = self.statement(id, now) {
            return (statement.spent, statement.resets_at_ms);
        }
        let Some(earlier) = self.earlier.get(&id) else { return (PicoUsd::ZERO, None) };
        let open = earlier.iter().filter(|(_, end)| end.is_none_or(|end| end > now.wall_ms));
        let spent = open.clone().map(|(spent, _)| *spent).sum();
        (spent, open.filter_map(|(_, end)| *end).max())
    }

    /// Hands every receipt from now on to a keeper. The first one stays.
    pub fn keep_with(&self, keeper: Arc<dyn Keeper>) {
        // A second keeper would be a second file.
        let _first_stays = self.keeper.set(keeper);
    }

    /// Who keeps receipts beyond the process.
    pub fn keeper(&self) -> Option<&Arc<dyn Keeper>> {
        self.keeper.get()
    }

    /// Spends from here on only what was lent, on every account with a limit that is opened from here on. The first lender
    /// stays.
    pub fn borrow_from(&self, lender: Arc<dyn Lender>) {
        let _first_stays = self.lender.set(lender);
    }

    /// Who lends what other processes spend as well.
    pub fn lender(&self) -> Option<&Arc<dyn Lender>> {
        self.lender.get()
    }

    /// What to ask of the lender for an account, or to give back; None: nothing. `wanted` are the smallest amount that somebody
    /// waits to hold, and all such amounts together.
    pub fn order(&self, id: AccountId, wanted: Option<(PicoUsd, PicoUsd)>, now: Now) -> Option<Loan> {
        let account = self.find(id)?;
        hold::lock(&account).order(wanted, now)
    }

    /// So much was lent on an order.
    pub fn lend(&self, order: &Loan, given: PicoUsd, now: Now) {
        self.with_lease(order.account, |lease| lease.lend(order, given, now));
    }

    /// The lender could not lend enough on an account: it had so much left.
    pub fn run_dry(&self, id: AccountId, left: PicoUsd, now: Now) {
        self.with_lease(id, |lease| lease.run_dry(left, now));
    }

    /// Other processes are short of money on an account: for a while nothing is kept that is not needed.
    pub fn tighten(&self, id: AccountId, now: Now) {
        self.with_lease(id, |lease| lease.tighten(now));
    }

    /// The lender took this process to be gone: nothing is lent any more.
    pub fn lose_leases(&self) {
        for account in &self.accounts {
            if let Some(lease) = hold::lock(account.value()).lease() {
                lease.lose();
            }
        }
    }

    /// Whether nobody need be asked before an amount is held on an account.
    pub fn is_lent(&self, id: AccountId, amount: PicoUsd) -> bool {
        self.find(id).is_none_or(|account| hold::lock(&account).is_lent(amount))
    }

    /// Holds as [`Ledger::reserve`] does, and refuses what was not lent, whether it could be or not.
    ///
    /// # Errors
    /// As there.
    pub fn reserve_lent(&self, asks: &[(AccountId, PicoUsd)], now: Now) -> Result<Hold, Refusal> {
        self.take(asks, Beyond::Refuse, now)
    }

    fn take(&self, asks: &[(AccountId, PicoUsd)], beyond: Beyond, now: Now) -> Result<Hold, Refusal> {
        let mut found: SmallVec<[_; 4]> = SmallVec::new();
        for (id, amount) in in_lock_order(asks) {
            found.push((self.find(id).ok_or(Refusal::Unknown(id))?, amount));
        }
        self.may_spend(&found, now)?;
        Hold::take(found, beyond, now)
    }

    fn with_lease(&self, id: AccountId, change: impl FnOnce(&mut Lease)) {
        if let Some(account) = self.find(id)
            && let Some(lease) = hold::lock(&account).lease()
        {
            change(lease);
        }
    }

    /// While receipts cannot be kept, nothing is spent under a limit; nor anywhere, once too many wait.
    fn may_spend(&self, asks: &[(Shared, PicoUsd)], now: Now) -> Result<(), Refusal> {
        let limited = |account: &Shared| hold::lock(account).statement().limit.is_some();
        if let Some(lapsed) = self.lender.get().and_then(|lender| lender.lapsed(now))
            && asks.iter().any(|(account, amount)| *amount > PicoUsd::ZERO && limited(account))
        {
            return Err(Refusal::Unkept(lapsed));
        }
        let Some(unwell) = self.keeper.get().and_then(|keeper| keeper.unwell()) else { return Ok(()) };
        let halted = |account: &Shared| match unwell.halts {
            Halts::Nothing => false,
            Halts::Budgets => limited(account),
            Halts::Everything => true,
        };
        let refused = asks.iter().any(|(account, amount)| *amount > PicoUsd::ZERO && halted(account));
        if refused { Err(Refusal::Unkept(unwell.cause)) } else { Ok(()) }
    }

    /// All receipts in sum.
    pub fn tally(&self) -> Tally {
        *self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, id: AccountId) -> Option<Shared> {
        self.accounts.get(&id).map(|account| Arc::clone(&account))
    }
}

impl Ledger for Memory {
    fn reserve(&self, asks: &[(AccountId, PicoUsd)], now: Now) -> Result<Hold, Refusal> {
        let taken = self.take(asks, Beyond::Ask, now);
        if let Err(Refusal::Unlent(_)) = &taken
            && let Some(cause) = self.lender.get().and_then(|lender| lender.away())
        {
            return Err(Refusal::Unkept(cause));
        }
        taken
    }

    fn affordable(&self, accounts: &[AccountId], now: Now) -> PicoUsd {
        let left = |id: &AccountId| {
            self.find(*id).map_or(PicoUsd::ZERO, |account| {
                let mut account = hold::lock(&account);
                account.roll(now);
                account.left(now)
            })
        };
        accounts.iter().map(left).min().unwrap_or(PicoUsd::MAX)
    }

    fn statement(&self, account: AccountId, now: Now) -> Option<Statement> {
        let account = self.find(account)?;
        let mut account = hold::lock(&account);
        account.roll(now);
        Some(account.statement())
    }

    fn note(&self, receipt: &Receipt, stage: Stage) {
        if let Some(keeper) = self.keeper.get() {
            keeper.keep(receipt, stage);
        }
    }

    /// What no provider was asked for is no spend: it has a line in the log, and no place in a file that grows.
    fn record(&self, receipt: Receipt) {
        if receipt.deployment.is_some() && !receipt.on_file {
            self.note(&receipt, Stage::Closed);
        }
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.receipts = tally.receipts.saturating_add(1);
        tally.cost = tally.cost.plus(receipt.cost);
        tally.excess = tally.excess.plus(receipt.excess);
    }
}

/// Everybody locks in the order of the ids, each once.
fn in_lock_order(asks: &[(AccountId, PicoUsd)]) -> SmallVec<[(AccountId, PicoUsd); 4]> {
    let mut ordered: SmallVec<[(AccountId, PicoUsd); 4]> = SmallVec::from_slice(asks);
    ordered.sort_unstable_by_key(|(id, _)| *id);
    ordered.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 = kept.1.plus(next.1);
        }
        same
    });
    ordered
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::ledger::{Part, Scope, Settled, Window};
    use crate::vocabulary::Clock;

    const ID: AccountId = AccountId::Global;

    fn open(limit: i128, duration: Option<&str>) -> (Memory, Clock) {
        let (ledger, clock) = (Memory::new(), Clock::manual(1_795_226_400_000));
        ledger.account(ID, terms(limit, duration), clock.now());
        (ledger, clock)
    }

    fn terms(limit: i128, duration: Option<&str>) -> Terms {
        let window = Window::parse(duration, &TimeZone::UTC).unwrap();
        Terms { scope: Scope::Global, part: Part::Whole, limit: Some(PicoUsd(limit)), window }
    }

    fn hold(ledger: &Memory, clock: &Clock, amount: i128) -> Result<Hold, Refusal> {
        ledger.reserve(&[(ID, PicoUsd(amount))], clock.now())
    }

    fn spent(ledger: &Memory, clock: &Clock) -> (i128, i128) {
        let statement = ledger.statement(ID, clock.now()).unwrap();
        (statement.spent.0, statement.reserved.0)
    }

    fn booked(ledger: &Memory, clock: &Clock) -> crate::ledger::Bookings {
        let resets_at_ms = ledger.statement(ID, clock.now()).unwrap().resets_at_ms;
        [crate::ledger::Booking { account: ID, resets_at_ms }].into_iter().collect()
    }

    #[test]
    fn a_hold_that_is_dropped_before_dispatch_charges_nothing() {
        let (ledger, clock) = open(100, None);
        drop(hold(&ledger, &clock, 60).unwrap());
        assert_eq!(spent(&ledger, &clock), (0, 0));
    }

    #[test]
    fn a_hold_that_is_dropped_after_dispatch_charges_what_is_known() {
        let (ledger, clock) = open(100, None);
        let mut noted = hold(&ledger, &clock, 60).unwrap();
        noted.dispatched();
        noted.note(PicoUsd(9));
        noted.note(PicoUsd(7));
        drop(noted);
        assert_eq!(spent(&ledger, &clock), (9, 0));
        let mut silent = hold(&ledger, &clock, 50).unwrap();
        silent.dispatched();
        drop(silent);
        assert_eq!(spent(&ledger, &clock), (59, 0));
        assert_eq!(ledger.statement(ID, clock.now()).unwrap().dropped, 2);
    }

    #[test]
    fn a_panic_while_a_hold_is_open_leaks_nothing() {
        let (ledger, clock) = open(100, None);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _hold = hold(&ledger, &clock, 60).unwrap();
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        assert_eq!(spent(&ledger, &clock), (0, 0));
    }

    #[test]
    fn what_an_upstream_takes_beyond_its_cap_is_booked_as_excess() {
        let (ledger, clock) = open(100, None);
        let settled = hold(&ledger, &clock, 60).unwrap().settle(PicoUsd(130), clock.now());
        assert_eq!(settled, Settled { charged: PicoUsd(130), excess: PicoUsd(70), booked: booked(&ledger, &clock) });
        assert_eq!(spent(&ledger, &clock), (130, 0));
        assert_eq!(ledger.affordable(&[ID], clock.now()), PicoUsd::ZERO);
        assert!(hold(&ledger, &clock, 1).is_err());
    }

    #[test]
    fn a_negative_amount_is_no_credit() {
        let (ledger, clock) = open(100, None);
        hold(&ledger, &clock, -50).unwrap().settle(PicoUsd(-50), clock.now());
        assert_eq!(spent(&ledger, &clock), (0, 0));
        assert_eq!(ledger.affordable(&[ID], clock.now()), PicoUsd(100));
    }

    #[test]
    fn a_budget_of_zero_denies_at_once_what_costs_anything() {
        let (ledger, clock) = open(0, None);
        assert!(hold(&ledger, &clock, 1).is_err());
        assert!(hold(&ledger, &clock, 0).is_ok());
    }

    #[test]
    fn what_is_held_across_the_end_of_a_window_counts_where_it_is_settled() {
        let (ledger, clock) = open(100, Some("1h"));
        let long = hold(&ledger, &clock, 70).unwrap();
        hold(&ledger, &clock, 30).unwrap().settle(PicoUsd(30), clock.now());
        clock.advance(std::time::Duration::from_secs(3_600));
        assert_eq!(spent(&ledger, &clock), (0, 70));
        assert!(hold(&ledger, &clock, 31).is_err());
        long.settle(PicoUsd(65), clock.now());
        assert_eq!(spent(&ledger, &clock), (65, 0));
    }

    #[test]
    fn new_terms_keep_what_was_spent() {
        let (ledger, clock) = open(100, Some("1d"));
        hold(&ledger, &clock, 80).unwrap().settle(PicoUsd(80), clock.now());
        ledger.account(ID, terms(50, Some("1d")), clock.now());
        assert!(hold(&ledger, &clock, 1).is_err());
        ledger.account(ID, terms(200, Some("1mo")), clock.now());
        assert_eq!(ledger.affordable(&[ID], clock.now()), PicoUsd(120));
    }

    #[test]
    fn an_earlier_process_is_counted_until_its_window_ends() {
        let (ledger, clock) = open(100, Some("1d"));
        let midnight = ledger.statement(ID, clock.now()).unwrap().resets_at_ms;
        assert!(ledger.restore(ID, PicoUsd(40), midnight, clock.now()));
        assert_eq!(spent(&ledger, &clock), (40, 0));
        assert!(ledger.restore(ID, PicoUsd(40), Some(clock.now().wall_ms), clock.now()));
        assert_eq!(spent(&ledger, &clock), (40, 0));
        clock.advance(std::time::Duration::from_secs(86_400));
        assert_eq!(spent(&ledger, &clock), (0, 0));
    }

    #[test]
    fn what_was_spent_on_an_account_that_is_opened_later_is_remembered() {
        let (ledger, clock) = (Memory::new(), Clock::manual(1_795_226_400_000));
        assert!(!ledger.restore(ID, PicoUsd(60), None, clock.now()));
        assert!(!ledger.restore(ID, PicoUsd(7), Some(clock.now().wall_ms), clock.now()), "that window is over");
        ledger.account(ID, terms(100, Some("1d")), clock.now());
        assert_eq!(spent(&ledger, &clock), (60, 0));
    }

    #[test]
    fn growing_is_all_or_nothing() {
        let (ledger, clock) = open(100, None);
        let mut dear = hold(&ledger, &clock, 60).unwrap();
        assert!(dear.grow(PicoUsd(41), clock.now()).is_err());
        assert_eq!(spent(&ledger, &clock), (0, 60));
        dear.grow(PicoUsd(40), clock.now()).unwrap();
        assert_eq!((dear.held(), spent(&ledger, &clock)), (PicoUsd(100), (0, 100)));
        dear.void();
        assert_eq!(spent(&ledger, &clock), (0, 0));
    }

    #[test]
    fn one_empty_account_stops_a_reservation_on_all() {
        let (ledger, clock) = open(100, None);
        let key = AccountId::Key(crate::vocabulary::KeyHash::of("sk-x"));
        ledger.account(key, terms(5, None), clock.now());
        let asks = [(key, PicoUsd(6)), (ID, PicoUsd(6))];
        assert!(ledger.reserve(&asks, clock.now()).is_err());
        assert_eq!(spent(&ledger, &clock), (0, 0));
        assert_eq!(ledger.affordable(&[key, ID], clock.now()), PicoUsd(5));
    }
}
