//! Accounts in memory.

use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use smallvec::SmallVec;

use super::Ledger;
use super::account::{Account, AccountId, Statement, Terms};
use super::hold::{self, Hold, Shared};
use super::receipt::Receipt;
use super::refusal::Refusal;
use crate::vocabulary::{Now, PicoUsd};

/// The ledger of one process. Accounts live as long as it does; an account is 200 bytes, and there is one per key.
#[derive(Debug, Default)]
pub struct Memory {
    accounts: DashMap<AccountId, Shared>,
    tally: Mutex<Tally>,
}

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
            dashmap::Entry::Vacant(free) => drop(free.insert(Arc::new(Mutex::new(Account::open(terms, now))))),
        }
    }

    /// Adds what an earlier process spent on an open account, in the window that ends at `resets_at_ms`; nothing if that
    /// window is over. False if there is no such account.
    pub fn restore(&self, id: AccountId, spent: PicoUsd, resets_at_ms: Option<i64>, now: Now) -> bool {
        let account = self.find(id);
        account.inspect(|account| hold::lock(account).restore(spent, resets_at_ms, now)).is_some()
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
        let mut found = SmallVec::new();
        for (id, amount) in in_lock_order(asks) {
            found.push((self.find(id).ok_or(Refusal::Unknown(id))?, amount));
        }
        Hold::take(found, now)
    }

    fn affordable(&self, accounts: &[AccountId], now: Now) -> PicoUsd {
        let left = |id: &AccountId| {
            self.find(*id).map_or(PicoUsd::ZERO, |account| {
                let mut account = hold::lock(&account);
                account.roll(now);
                account.left()
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

    fn record(&self, receipt: Receipt) {
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.receipts = tally.receipts.saturating_add(1);
        tally.cost = tally.cost.plus(receipt.cost);
        tally.excess = tally.excess.plus(receipt.excess);
    }
}

/// Everybody locks in the order of the ids, each once.
fn in_lock_order(asks: &[(AccountId, PicoUsd)]) -> SmallVec<[(AccountId, PicoUsd); 2]> {
    let mut ordered: SmallVec<[(AccountId, PicoUsd); 2]> = SmallVec::from_slice(asks);
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
