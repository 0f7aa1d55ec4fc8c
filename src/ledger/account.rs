//! One account: what may be spent in its window, what was, and what is held.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::lease::{Lease, Lender, Loan};
use super::receipt::Booking;
use super::refusal::Overdrawn;
use super::window::Window;
use crate::vocabulary::{KeyHash, Now, PicoUsd, ScopeKind};

/// Which account. Several are locked in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountId {
    /// Everything that passes the gateway (`litellm_settings.max_budget`).
    Global,
    /// One virtual key.
    Key(KeyHash),
    /// Any other scope, or a part of one: see [`AccountId::of`].
    Of(ScopeKind, [u8; 16]),
}

/// What of a scope an account is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    #[default]
    Whole,
    /// One more window (`budget_limits`), by its duration.
    Window(String),
    /// One model (`model_max_budget`).
    Model(String),
}

impl AccountId {
    /// The account of a scope, or of a part of it. The whole of a key is [`AccountId::Key`].
    pub fn of(kind: ScopeKind, id: &str, part: &Part) -> Self {
        let (mark, name) = match part {
            Part::Whole => (0_u8, ""),
            Part::Window(duration) => (1, duration.as_str()),
            Part::Model(model) => (2, model.as_str()),
        };
        let mut hasher = Sha256::new();
        hasher.update((id.len() as u64).to_le_bytes());
        hasher.update(id.as_bytes());
        hasher.update([mark]);
        hasher.update(name.as_bytes());
        let mut digest = [0; 16];
        digest.iter_mut().zip(hasher.finalize()).for_each(|(to, from)| *to = from);
        Self::Of(kind, digest)
    }
}

/// Whose account it is, in the words of a denial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The whole gateway.
    Global,
    /// A virtual key.
    Key {
        /// `key_alias`.
        alias: Option<String>,
        /// `sk-...abcd`.
        shown: Option<String>,
    },
    /// Any other scope.
    Of(ScopeKind, Arc<str>),
}

/// As LiteLLM names them: `Key=alias (sk-...abcd)`.
impl fmt::Display for Scope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Global => out.write_str("Proxy=global"),
            Self::Key { alias: Some(alias), shown: Some(shown) } => write!(out, "Key={alias} ({shown})"),
            Self::Key { alias, shown } => {
                write!(out, "Key={}", alias.as_deref().or(shown.as_deref()).unwrap_or("key"))
            }
            Self::Of(kind, id) => write!(out, "{}={id}", kind.title()),
        }
    }
}

/// What an account is opened with.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Whose it is.
    pub scope: Scope,
    /// What of it.
    pub part: Part,
    /// What may be spent in each window; None: as much as is asked for, and it is counted.
    pub limit: Option<PicoUsd>,
    /// When spending starts again from zero.
    pub window: Window,
}

/// How an account stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// `max_budget`.
    pub limit: Option<PicoUsd>,
    /// Spent in this window.
    pub spent: PicoUsd,
    /// Held by open exchanges.
    pub reserved: PicoUsd,
    /// Part of `spent` that went beyond reservations, because an upstream went beyond its own cap.
    pub excess: PicoUsd,
    /// When this window ends, Unix milliseconds; None: never.
    pub resets_at_ms: Option<i64>,
    /// Exchanges under way.
    pub open: u64,
    /// Exchanges that ended by being dropped after they were sent (a panic, a shutdown).
    pub dropped: u64,
}

/// What somebody set of what was spent on an account: so much more (or less) in the window that ends then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adjustment {
    /// Which account.
    pub account: AccountId,
    /// The window, Unix milliseconds; None: it never ends.
    pub resets_at_ms: Option<i64>,
    /// How much.
    pub by: PicoUsd,
}

#[derive(Debug)]
pub(super) struct Account {
    id: AccountId,
    terms: Terms,
    now: Statement,
    /// Where several processes spend from it: what this one was lent. Boxed: most gateways are one process.
    lease: Option<Box<Lease>>,
}

/// Whether an amount can be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    Enough,
    /// There may be, once the lender was asked.
    Unlent,
}

impl Account {
    pub(super) fn open(id: AccountId, terms: Terms, lender: Option<&Arc<dyn Lender>>, now: Now) -> Self {
        let statement = Statement {
            limit: terms.limit,
            spent: PicoUsd::ZERO,
            reserved: PicoUsd::ZERO,
            excess: PicoUsd::ZERO,
            resets_at_ms: terms.window.ends_after(now.wall_ms),
            open: 0,
            dropped: 0,
        };
        Self { id, terms, now: statement, lease: lender.map(|lender| Box::new(Lease::new(lender.clone()))) }
    }

    /// Puts new terms in force. What was spent stays spent, and a window of the same length goes on.
    pub(super) fn amend(&mut self, terms: Terms, now: Now) {
        self.roll(now);
        if terms.window != self.terms.window {
            self.now.resets_at_ms = terms.window.ends_after(now.wall_ms);
        }
        let before = std::mem::replace(&mut self.now.limit, terms.limit);
        self.terms = terms;
        if let Some(lease) = &mut self.lease {
            lease.forget_dry();
            if self.now.limit != before && self.now.limit < before.or(self.now.limit) {
                lease.lowered(self.id, now);
            }
        }
    }

    /// Takes over what was spent before the process started, in the window that ends at `resets_at_ms`; nothing if that is
    /// over. The recorded end wins over the one computed at the start: a clock set back in between reopens no window.
    pub(super) fn restore(&mut self, spent: PicoUsd, resets_at_ms: Option<i64>, now: Now) {
        self.roll(now);
        if resets_at_ms.is_some_and(|end| end <= now.wall_ms) {
            return;
        }
        self.now.spent = self.now.spent.plus(spent);
        self.now.resets_at_ms = self.now.resets_at_ms.and(resets_at_ms).or(self.now.resets_at_ms);
    }

    /// Begins the current window if the last one is over. Where the clock was set back nothing begins again: a window
    /// ends when its end is reached, once. What is held stays held, and counts in the window in which it is settled.
    pub(super) fn roll(&mut self, now: Now) {
        if self.now.resets_at_ms.is_some_and(|end| end <= now.wall_ms) {
            self.now.spent = PicoUsd::ZERO;
            self.now.excess = PicoUsd::ZERO;
            self.now.resets_at_ms = self.terms.window.ends_after(now.wall_ms);
            if let Some(lease) = &mut self.lease {
                lease.forget_dry();
            }
        }
    }

    /// What is left, as far as this process knows; never below zero, [`PicoUsd::MAX`] without a limit.
    pub(super) fn left(&self, now: Now) -> PicoUsd {
        if !self.is_limited() {
            return PicoUsd::MAX;
        }
        let left = self.left_of_limit();
        let most = self.lease.as_ref().and_then(|lease| lease.most(self.now.reserved, now));
        most.map_or(left, |most| most.min(left))
    }

    /// Whether an amount could be held.
    pub(super) fn affords(&self, amount: PicoUsd, now: Now) -> Result<Room, Box<Overdrawn>> {
        if amount <= PicoUsd::ZERO || !self.is_limited() {
            return Ok(Room::Enough);
        }
        let lent = self.is_lent(amount);
        // What is lent was there when nobody else had it: what is left beyond it does not matter.
        let left = if lent { self.left_of_limit() } else { self.left(now) };
        match amount <= left {
            true if lent => Ok(Room::Enough),
            true => Ok(Room::Unlent),
            false => Err(Box::new(self.overdrawn(amount, left))),
        }
    }

    fn left_of_limit(&self) -> PicoUsd {
        let limit = self.now.limit.unwrap_or(PicoUsd::MAX);
        limit.minus(self.now.spent).minus(self.now.reserved).max(PicoUsd::ZERO)
    }

    pub(super) fn begin(&mut self, amount: PicoUsd, now: Now) {
        self.now.open += 1;
        self.hold(amount, now);
    }

    pub(super) fn hold(&mut self, amount: PicoUsd, now: Now) {
        self.now.reserved = self.now.reserved.plus(amount);
        if let Some(lease) = &mut self.lease
            && self.now.limit.is_some()
        {
            lease.held(self.id, self.now.reserved, now);
        }
    }

    /// That an amount was not lent: the rest is reserved elsewhere, as far as is known.
    pub(super) fn not_lent(&self, amount: PicoUsd) -> Box<Overdrawn> {
        let free = self.lease.as_ref().map_or(PicoUsd::ZERO, |lease| lease.free(self.now.reserved));
        Box::new(self.overdrawn(amount, free.max(PicoUsd::ZERO).min(self.left_of_limit())))
    }

    /// Whether nobody need be asked before an amount is held.
    pub(super) fn is_lent(&self, amount: PicoUsd) -> bool {
        !self.is_limited() || self.lease.as_ref().is_none_or(|lease| amount <= lease.free(self.now.reserved))
    }

    pub(super) fn is_limited(&self) -> bool {
        self.now.limit.is_some()
    }

    /// What to ask of the lender for this account: see [`Lease::order`].
    pub(super) fn order(&mut self, wanted: Option<(PicoUsd, PicoUsd)>, now: Now) -> Option<Loan> {
        let of = (self.id, self.now.limit);
        self.lease.as_mut()?.order(of, self.now.reserved, wanted, now)
    }

    /// What was lent, if the account is shared.
    pub(super) fn lease(&mut self) -> Option<&mut Lease> {
        self.lease.as_deref_mut()
    }

    /// Ends an exchange that held `held` and cost `actual`; says how much it went beyond.
    pub(super) fn end(&mut self, held: PicoUsd, actual: PicoUsd) -> PicoUsd {
        let excess = actual.minus(held).max(PicoUsd::ZERO);
        self.now.open = self.now.open.saturating_sub(1);
        self.now.reserved = self.now.reserved.minus(held);
        self.now.spent = self.now.spent.plus(actual);
        self.now.excess = self.now.excess.plus(excess);
        if let Some(lease) = &mut self.lease {
            lease.charge(self.id, actual, self.now.reserved);
        }
        debug_assert!(self.now.reserved >= PicoUsd::ZERO, "a hold ends once");
        excess
    }

    /// Which account it is.
    pub(super) fn id(&self) -> AccountId {
        self.id
    }

    /// Where something that ends now is booked.
    pub(super) fn booking(&self) -> Booking {
        Booking { account: self.id, resets_at_ms: self.now.resets_at_ms }
    }

    /// Changes what was spent in this window; its end.
    pub(super) fn restate(&mut self, change: PicoUsd) -> Option<i64> {
        self.now.spent = self.now.spent.plus(change);
        self.now.resets_at_ms
    }

    pub(super) fn count_dropped(&mut self) {
        self.now.dropped += 1;
    }

    pub(super) fn statement(&self) -> Statement {
        self.now
    }

    fn overdrawn(&self, asked: PicoUsd, left: PicoUsd) -> Overdrawn {
        let limit = self.now.limit.unwrap_or(PicoUsd::MAX);
        // What other processes hold is reserved, too.
        let elsewhere = self.left_of_limit().minus(left);
        Overdrawn {
            scope: self.terms.scope.clone(),
            part: self.terms.part.clone(),
            asked,
            spent: self.now.spent,
            reserved: self.now.reserved.plus(elsewhere),
            limit,
            resets_at_ms: self.now.resets_at_ms,
        }
    }
}
