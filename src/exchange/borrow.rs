//! Where several nodes spend from the same budgets: money that this one was not lent yet is asked for, and then it is tried again.

use std::time::Duration;

use super::World;
use super::enter::Refused;
use super::plan::{self, Planned};
use crate::ledger::{AccountId, Hold, Lender, Needs, Refusal};
use crate::vocabulary::{Now, PicoUsd};

/// No request waits longer until it is known what is left of its budgets.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a request asks for the same amount: others may take what was lent.
const ROUNDS_MAX: u32 = 4;

/// What a request waits for before it may be sent.
#[derive(Debug)]
pub(super) struct Unlent {
    needs: Box<Needs>,
    amount: PicoUsd,
    since: Now,
    /// How often it asked for this amount.
    rounds: u32,
    /// So much, or more, it does not ask for any more.
    vain: PicoUsd,
}

impl Unlent {
    /// Whether it asks for this amount no more.
    pub(super) fn gave_up(&self, amount: PicoUsd) -> bool {
        amount >= self.vain
    }

    /// That it cannot be sent yet.
    pub(super) fn refusal(&self) -> Refusal {
        Refusal::Unlent(self.needs.clone())
    }
}

impl Planned {
    /// Puts off what was not lent yet. Who goes on to ask for less does not ask for more again.
    pub(super) fn put_off(&mut self, needs: Box<Needs>, now: Now) {
        let amount = needs.iter().map(|(_, amount)| *amount).max().unwrap_or_default();
        let mut unlent = Unlent { needs, amount, since: now, rounds: 1, vain: PicoUsd::MAX };
        if let Some(before) = self.unlent.take() {
            (unlent.since, unlent.vain) = (before.since, before.vain);
            if amount < before.amount {
                unlent.vain = before.amount;
            } else {
                unlent.rounds = before.rounds.saturating_add(1);
            }
            if unlent.rounds >= ROUNDS_MAX {
                unlent.vain = amount;
            }
        }
        self.unlent = Some(unlent);
    }

    /// Whether it needs money that this process was not lent yet.
    pub fn is_unlent(&self) -> bool {
        self.unlent.is_some()
    }

    /// Asks for money that it needs and this process was not lent, if there is any: `done` is called once it is worth trying
    /// again with [`Planned::reserve_again`]. False: it may be sent.
    pub fn borrow(&self, done: Box<dyn FnOnce() + Send>) -> bool {
        let Some(unlent) = &self.unlent else { return false };
        match self.common.world.around.ledger.lender() {
            Some(lender) => lender.ask(Needs::clone(&unlent.needs), done),
            None => done(),
        }
        true
    }

    /// Reserves what was put off.
    ///
    /// # Errors
    /// Too little is left of a budget, or was lent in time.
    pub fn reserve_again(mut self: Box<Self>, now: Now) -> Result<Box<Self>, Box<Refused>> {
        if let Some(unlent) = self.unlent.as_mut().filter(|unlent| now.since(unlent.since) > PATIENCE) {
            unlent.vain = PicoUsd::ZERO;
        }
        match self.reserve(now) {
            Ok(()) => Ok(self),
            Err(fault) => Err(self.refuse(fault)),
        }
    }

    /// Holds more, and waits for it to be lent where it must be; whether it is held.
    pub(super) fn grow(&mut self, more: PicoUsd, now: Now) -> bool {
        let Some(hold) = &mut self.hold else { return more <= PicoUsd::ZERO };
        let lender = self.common.world.around.ledger.lender();
        try_again(lender, || hold.grow(more, now)).is_ok()
    }
}

/// Holds an amount, and waits for it to be lent where it must be.
pub(super) fn hold(world: &World, accounts: &[AccountId], amount: PicoUsd, now: Now) -> Result<Hold, Refusal> {
    try_again(world.around.ledger.lender(), || plan::hold(world, accounts, amount, now))
}

fn try_again<T>(
    lender: Option<&std::sync::Arc<dyn Lender>>,
    mut held: impl FnMut() -> Result<T, Refusal>,
) -> Result<T, Refusal> {
    for _ in 0..ROUNDS_MAX {
        match (held(), lender) {
            (Err(Refusal::Unlent(needs)), Some(lender)) => lender.ask_and_wait(*needs),
            (done, _) => return done,
        }
    }
    held()
}
