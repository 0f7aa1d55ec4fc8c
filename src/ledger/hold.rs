//! What one exchange holds on its accounts, until it ends.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;

use super::account::{Account, Room};
use super::lease::Needs;
use super::receipt::Bookings;
use super::refusal::Refusal;
use crate::vocabulary::{Now, PicoUsd};

pub(super) type Shared = Arc<Mutex<Account>>;

/// A reservation on one or more accounts. It ends exactly once:
///
/// | ended by | charged |
/// |---|---|
/// | [`Hold::settle`] | what it cost |
/// | [`Hold::void`], or drop before [`Hold::dispatched`] | nothing |
/// | drop after [`Hold::dispatched`] | the last amount given to [`Hold::note`], or all that is held if there was none |
///
/// A drop after dispatch is a panic or a shutdown; accounts count them ([`super::Statement::dropped`]).
#[derive(Debug)]
#[must_use = "dropping a hold voids it"]
pub struct Hold {
    entries: SmallVec<[Entry; 4]>,
    stage: Stage,
    noted: Option<PicoUsd>,
}

#[derive(Debug)]
struct Entry {
    account: Shared,
    held: PicoUsd,
}

/// What is done where an amount may be there and was not lent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beyond {
    /// Whoever lends is to be asked.
    Ask,
    /// It is refused.
    Refuse,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Reserved,
    Dispatched,
}

/// How an exchange was booked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Booked on every account.
    pub charged: PicoUsd,
    /// The most by which it went beyond what was held on an account.
    pub excess: PicoUsd,
    /// In which window of which account.
    pub booked: Bookings,
}

impl Hold {
    /// Checks every account under all their locks, and then holds. `asks` is in the order of locking, without twins.
    pub(super) fn take(asks: SmallVec<[(Shared, PicoUsd); 4]>, beyond: Beyond, now: Now) -> Result<Self, Refusal> {
        let entries: SmallVec<[Entry; 4]> =
            asks.into_iter().map(|(account, held)| Entry { account, held: held.max(PicoUsd::ZERO) }).collect();
        let mut accounts = lock_affording(&entries, |entry| entry.held, beyond, now)?;
        for (account, entry) in accounts.iter_mut().zip(&entries) {
            account.begin(entry.held, now);
        }
        drop(accounts);
        Ok(Self { entries, stage: Stage::Reserved, noted: None })
    }

    /// Holds more on every account, all or nothing: a fallback to a dearer model.
    ///
    /// # Errors
    /// An account has too little left; what was held stays held.
    pub fn grow(&mut self, extra: PicoUsd, now: Now) -> Result<(), Refusal> {
        let extra = extra.max(PicoUsd::ZERO);
        let mut accounts = lock_affording(&self.entries, |_| extra, Beyond::Ask, now)?;
        accounts.iter_mut().for_each(|account| account.hold(extra, now));
        drop(accounts);
        for entry in &mut self.entries {
            entry.held = entry.held.plus(extra);
        }
        Ok(())
    }

    /// Says that the request is about to go upstream: from here on a drop is charged.
    pub fn dispatched(&mut self) {
        self.stage = Stage::Dispatched;
    }

    /// Remembers what the exchange is known to cost so far, for the case that it is dropped. Never goes down.
    pub fn note(&mut self, seen: PicoUsd) {
        self.noted = Some(self.noted.map_or(seen, |noted| noted.max(seen)));
    }

    /// What is held on the account that holds most.
    pub fn held(&self) -> PicoUsd {
        self.entries.iter().map(|entry| entry.held).max().unwrap_or(PicoUsd::ZERO)
    }

    /// The windows in which it would be booked if it ended now.
    pub fn bookings(&self, now: Now) -> Bookings {
        let booking = |entry: &Entry| {
            let mut account = lock(&entry.account);
            account.roll(now);
            account.booking()
        };
        self.entries.iter().map(booking).collect()
    }

    /// Books what the exchange cost, in the window of `now`, and gives the rest back.
    pub fn settle(mut self, actual: PicoUsd, now: Now) -> Settled {
        self.end(actual, |account| account.roll(now))
    }

    /// Gives everything back.
    pub fn void(mut self) {
        let _nothing = self.end(PicoUsd::ZERO, |_| ());
    }

    fn end(&mut self, actual: PicoUsd, first: impl Fn(&mut Account)) -> Settled {
        let actual = actual.max(PicoUsd::ZERO);
        let (mut excess, mut booked) = (PicoUsd::ZERO, Bookings::new());
        for entry in mem::take(&mut self.entries) {
            let mut account = lock(&entry.account);
            first(&mut account);
            excess = excess.max(account.end(entry.held, actual));
            booked.push(account.booking());
        }
        Settled { charged: actual, excess, booked }
    }
}

/// No time is known here: the charge falls into the window the account was last seen in.
impl Drop for Hold {
    fn drop(&mut self) {
        match self.stage {
            Stage::Reserved => {
                let _nothing = self.end(PicoUsd::ZERO, |_| ());
            }
            Stage::Dispatched => {
                let known = self.noted.unwrap_or_else(|| self.held());
                let _charged = self.end(known, Account::count_dropped);
            }
        }
    }
}

fn lock_affording<'e>(
    entries: &'e [Entry],
    amount: impl Fn(&Entry) -> PicoUsd,
    beyond: Beyond,
    now: Now,
) -> Result<SmallVec<[MutexGuard<'e, Account>; 4]>, Refusal> {
    let mut accounts: SmallVec<[MutexGuard<'e, Account>; 4]> =
        entries.iter().map(|entry| lock(&entry.account)).collect();
    let mut unlent = false;
    for (account, entry) in accounts.iter_mut().zip(entries) {
        account.roll(now);
        let amount = amount(entry);
        match (account.affords(amount, now)?, beyond) {
            (Room::Enough, _) => {}
            (Room::Unlent, Beyond::Ask) => unlent = true,
            (Room::Unlent, Beyond::Refuse) => return Err(account.not_lent(amount).into()),
        }
    }
    if !unlent {
        return Ok(accounts);
    }
    // Also what is lent already: it must stay so until the rest is.
    let needs = accounts.iter().zip(entries).filter(|(account, _)| account.is_limited());
    Err(Refusal::Unlent(Box::new(needs.map(|(account, entry)| (account.id(), amount(entry))).collect::<Needs>())))
}

/// A panic elsewhere leaves an account whole: every change to it is one assignment after the checks.
pub(super) fn lock(account: &Mutex<Account>) -> MutexGuard<'_, Account> {
    account.lock().unwrap_or_else(PoisonError::into_inner)
}
