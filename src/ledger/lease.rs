//! What a process may spend of an account that several share: money that was lent to it beforehand.
//!
//! Where there is a [`Lender`], each account with a limit has a lease. What was lent is not there for any other process, so that
//! what all of them have spent and hold together never exceeds the limit. A request that fits the lease asks nobody. The lease
//! grows with demand and is given back when nobody wants it, at once where others are short of money.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use super::account::AccountId;
use crate::vocabulary::{Now, PicoUsd};

/// Two loans within this time are a sign of more demand.
const BUSY_NS: u64 = 1_000_000_000;
/// What nobody wanted for so long is given back.
const IDLE_NS: u64 = 10_000_000_000;
/// How long others are taken to be short of money after one of them was.
const TIGHT_NS: u64 = 10_000_000_000;
/// How long it is believed that nothing is left.
const DRY_NS: u64 = 100_000_000;
/// A loan beyond what is needed: so many times that, at first.
const AHEAD: u64 = 4;
/// It never grows beyond this part of the limit.
const CHUNK_PART: i128 = 16;

/// Amounts that one request wants to hold, each on an account.
pub type Needs = SmallVec<[(AccountId, PicoUsd); 4]>;

/// Who lends money of accounts that several processes share.
pub trait Lender: fmt::Debug + Send + Sync {
    /// An account may want more than it was lent, or less. Nobody waits.
    fn look(&self, account: AccountId);

    /// Money is needed. `done` is called once it was lent, or will not be for now.
    fn ask(&self, needs: Needs, done: Box<dyn FnOnce() + Send>);

    /// The same, and waits.
    fn ask_and_wait(&self, needs: Needs);

    /// Why nothing is lent just now.
    fn away(&self) -> Option<Arc<str>>;

    /// Why what was lent may not be spent any more: others may take it to be theirs.
    fn lapsed(&self, now: Now) -> Option<Arc<str>>;
}

/// What a lender is asked for one account, or is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loan {
    /// The account.
    pub account: AccountId,
    /// Which of this process for this account: an order that was heard is not heard again.
    pub number: i64,
    /// What is given back. Then nothing is needed.
    pub back: PicoUsd,
    /// Less than this helps nobody.
    pub least: PicoUsd,
    /// What everybody who waits needs.
    pub needed: PicoUsd,
    /// What would be lent if there were plenty.
    pub wished: PicoUsd,
    /// What may be spent on the account in all.
    pub limit: PicoUsd,
    /// Nothing is kept here that is not needed.
    pub tight: bool,
}

/// How an account stands with its lender.
#[derive(Debug)]
pub(super) struct Lease {
    lender: Arc<dyn Lender>,
    /// Lent in all, less what was given back.
    lent: PicoUsd,
    /// Spent in all, since something was lent.
    charged: PicoUsd,
    /// Whether something was ever lent.
    opened: bool,
    number: i64,
    /// What is lent ahead of need.
    chunk: PicoUsd,
    lent_at_ns: u64,
    used_at_ns: u64,
    tight_until_ns: u64,
    /// What the lender had left when it could not lend enough, and until when that is believed.
    dry: Option<(PicoUsd, u64)>,
    /// The lender was told to look, and has not yet.
    told: bool,
}

impl Lease {
    pub(super) fn new(lender: Arc<dyn Lender>) -> Self {
        Self {
            lender,
            lent: PicoUsd::ZERO,
            charged: PicoUsd::ZERO,
            opened: false,
            number: 0,
            chunk: PicoUsd::ZERO,
            lent_at_ns: 0,
            used_at_ns: 0,
            tight_until_ns: 0,
            dry: None,
            told: false,
        }
    }

    /// What is lent and neither spent nor held; below zero where more is held than was lent.
    pub(super) fn free(&self, reserved: PicoUsd) -> PicoUsd {
        self.lent.minus(self.charged).minus(reserved)
    }

    /// What could be held at most, as far as is known; None: nobody knows.
    pub(super) fn most(&self, reserved: PicoUsd, now: Now) -> Option<PicoUsd> {
        let (left, until_ns) = self.dry?;
        (now.mono_ns < until_ns).then(|| self.free(reserved).plus(left).max(PicoUsd::ZERO))
    }

    /// Something is held.
    pub(super) fn held(&mut self, account: AccountId, reserved: PicoUsd, now: Now) {
        self.used_at_ns = now.mono_ns;
        if self.is_low(self.free(reserved)) && !self.is_tight(now) {
            self.tell(account);
        }
    }

    /// An exchange ended.
    pub(super) fn charge(&mut self, account: AccountId, actual: PicoUsd, reserved: PicoUsd) {
        if !self.opened {
            return;
        }
        self.charged = self.charged.plus(actual);
        // Time is not known here: the lender looks whether others are still short.
        if self.tight_until_ns > 0 && self.free(reserved) > PicoUsd::ZERO {
            self.tell(account);
        }
    }

    fn tell(&mut self, account: AccountId) {
        if !std::mem::replace(&mut self.told, true) {
            self.lender.look(account);
        }
    }

    fn is_tight(&self, now: Now) -> bool {
        now.mono_ns < self.tight_until_ns
    }

    /// What was believed about what is left belongs to another window or limit.
    pub(super) fn forget_dry(&mut self) {
        self.dry = None;
    }

    /// The limit is lower now: others may not have heard of it, so that nothing is kept.
    pub(super) fn lowered(&mut self, account: AccountId, now: Now) {
        self.tight_until_ns = now.mono_ns.saturating_add(BUSY_NS);
        self.tell(account);
    }

    /// Others are short of money.
    pub(super) fn tighten(&mut self, now: Now) {
        self.tight_until_ns = now.mono_ns.saturating_add(TIGHT_NS);
    }

    /// What to ask of the lender, or to give back. `wanted` are the smallest amount that somebody waits to hold, and all of
    /// them together; None: nobody waits. Without a limit nothing is needed.
    pub(super) fn order(
        &mut self,
        (account, limit): (AccountId, Option<PicoUsd>),
        reserved: PicoUsd,
        wanted: Option<(PicoUsd, PicoUsd)>,
        now: Now,
    ) -> Option<Loan> {
        self.told = false;
        let (free, tight) = (self.free(reserved), self.is_tight(now));
        if !tight {
            self.tight_until_ns = 0;
        }
        let short = |amount: PicoUsd| amount.minus(free).max(PicoUsd::ZERO);
        let (least, all) = wanted.unwrap_or_default();
        let idle = now.mono_ns.saturating_sub(self.used_at_ns) > IDLE_NS;
        let mut order = Loan {
            account,
            number: self.number.saturating_add(1),
            back: PicoUsd::ZERO,
            least: PicoUsd::ZERO,
            needed: PicoUsd::ZERO,
            wished: PicoUsd::ZERO,
            limit: limit.unwrap_or(PicoUsd::ZERO),
            tight,
        };
        let low = self.is_low(free) && !tight && !idle;
        if limit.is_some() && (all > free || low) {
            (order.least, order.needed) = (short(least), short(all));
            let ahead = if tight { PicoUsd::ZERO } else { self.ahead(order.needed, order.limit, now) };
            order.wished = order.needed.plus(ahead);
        } else {
            let at_once = tight || idle || limit.is_none();
            let kept = if at_once { PicoUsd::ZERO } else { self.chunk };
            order.back = free.minus(kept).minus(all);
            // Twice what is lent ahead is worth a word.
            if order.back <= PicoUsd::ZERO || (order.back < self.chunk && !at_once) {
                return None;
            }
            self.lent = self.lent.minus(order.back);
        }
        self.number = order.number;
        Some(order)
    }

    fn is_low(&self, free: PicoUsd) -> bool {
        self.opened && PicoUsd(free.0.saturating_mul(4)) < self.chunk
    }

    /// What to ask for beyond what is needed: more, the sooner after the last time.
    fn ahead(&mut self, needed: PicoUsd, limit: PicoUsd, now: Now) -> PicoUsd {
        let grown = match now.mono_ns.saturating_sub(self.lent_at_ns) {
            _ if !self.opened => PicoUsd::ZERO,
            0..BUSY_NS => self.chunk.times(2),
            BUSY_NS..IDLE_NS => self.chunk,
            _ => PicoUsd(self.chunk.0 / 2),
        };
        let most = PicoUsd(limit.0 / CHUNK_PART).max(PicoUsd::ZERO);
        self.chunk = grown.max(needed.times(AHEAD)).min(most);
        self.chunk
    }

    /// So much was lent on an order.
    pub(super) fn lend(&mut self, order: &Loan, given: PicoUsd, now: Now) {
        if order.back > PicoUsd::ZERO {
            return;
        }
        // Where there is little left, little is lent ahead.
        self.chunk = self.chunk.min(given.minus(order.needed).max(PicoUsd::ZERO));
        if given <= PicoUsd::ZERO {
            return;
        }
        self.lent = self.lent.plus(given);
        self.opened = true;
        self.lent_at_ns = now.mono_ns;
        self.dry = None;
    }

    /// The lender could not lend enough: it had so much left.
    pub(super) fn run_dry(&mut self, left: PicoUsd, now: Now) {
        self.dry = Some((left.max(PicoUsd::ZERO), now.mono_ns.saturating_add(DRY_NS)));
    }

    /// The lender took this process to be gone, and all it had lent with it.
    pub(super) fn lose(&mut self) {
        (self.lent, self.charged, self.opened, self.number) = (PicoUsd::ZERO, PicoUsd::ZERO, false, 0);
    }
}
