//! One account: what may be spent in its window, what was, and what is held.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

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
}

impl Account {
    pub(super) fn open(id: AccountId, terms: Terms, now: Now) -> Self {
        let statement = Statement {
            limit: terms.limit,
            spent: PicoUsd::ZERO,
            reserved: PicoUsd::ZERO,
            excess: PicoUsd::ZERO,
            resets_at_ms: terms.window.ends_after(now.wall_ms),
            open: 0,
            dropped: 0,
        };
        Self { id, terms, now: statement }
    }

    /// Puts new terms in force. What was spent stays spent, and a window of the same length goes on.
    pub(super) fn amend(&mut self, terms: Terms, now: Now) {
        self.roll(now);
        if terms.window != self.terms.window {
            self.now.resets_at_ms = terms.window.ends_after(now.wall_ms);
        }
        self.now.limit = terms.limit;
        self.terms = terms;
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
        }
    }

    /// What is left; never below zero, [`PicoUsd::MAX`] without a limit.
    pub(super) fn left(&self) -> PicoUsd {
        let Some(limit) = self.now.limit else { return PicoUsd::MAX };
        limit.minus(self.now.spent).minus(self.now.reserved).max(PicoUsd::ZERO)
    }

    /// Whether an amount could be held.
    pub(super) fn affords(&self, amount: PicoUsd) -> Result<(), Box<Overdrawn>> {
        if amount <= PicoUsd::ZERO || amount <= self.left() {
            return Ok(());
        }
        Err(Box::new(self.overdrawn(amount)))
    }

    pub(super) fn begin(&mut self, amount: PicoUsd) {
        self.now.open += 1;
        self.hold(amount);
    }

    pub(super) fn hold(&mut self, amount: PicoUsd) {
        self.now.reserved = self.now.reserved.plus(amount);
    }

    /// Ends an exchange that held `held` and cost `actual`; says how much it went beyond.
    pub(super) fn end(&mut self, held: PicoUsd, actual: PicoUsd) -> PicoUsd {
        let excess = actual.minus(held).max(PicoUsd::ZERO);
        self.now.open = self.now.open.saturating_sub(1);
        self.now.reserved = self.now.reserved.minus(held);
        self.now.spent = self.now.spent.plus(actual);
        self.now.excess = self.now.excess.plus(excess);
        debug_assert!(self.now.reserved >= PicoUsd::ZERO, "a hold ends once");
        excess
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

    fn overdrawn(&self, asked: PicoUsd) -> Overdrawn {
        Overdrawn {
            scope: self.terms.scope.clone(),
            part: self.terms.part.clone(),
            asked,
            spent: self.now.spent,
            reserved: self.now.reserved,
            limit: self.now.limit.unwrap_or(PicoUsd::MAX),
            resets_at_ms: self.now.resets_at_ms,
        }
    }
}
