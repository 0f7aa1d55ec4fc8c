//! The one record of what an exchange used and cost.

use std::sync::Arc;

use smallvec::SmallVec;

use super::account::AccountId;
use crate::vocabulary::{KeyHash, Metered, ModelName, PicoUsd};

/// Written once per exchange, whatever became of it: the sum of `cost` is what the accounts call spent.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The exchange's id (`x-litellm-call-id`): a store keeps one receipt for it, however often it is handed one.
    pub exchange: Arc<str>,
    /// The virtual key; None: the master key, or no limits at all.
    pub key: Option<KeyHash>,
    /// `key_alias`.
    pub key_alias: Option<Arc<str>>,
    /// The model as the client named it.
    pub model: Option<ModelName>,
    /// The group it was resolved to.
    pub group: Option<Arc<str>>,
    /// The deployment that answered, or was tried last.
    pub deployment: Option<Arc<str>>,
    /// What was used, and how it is known.
    pub usage: Metered,
    /// What was charged.
    pub cost: PicoUsd,
    /// Part of `cost` beyond what was reserved.
    pub excess: PicoUsd,
    /// How it ended.
    pub outcome: Outcome,
    /// When the request arrived, Unix milliseconds.
    pub started_ms: i64,
    /// When it ended, Unix milliseconds.
    pub ended_ms: i64,
    /// The accounts that `cost` is booked on.
    pub booked: Bookings,
    /// Whether a note of the same exchange said all of this already.
    pub on_file: bool,
}

/// In which window of which account an exchange is booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Booking {
    /// The account.
    pub account: AccountId,
    /// The end of the window, Unix milliseconds; None: it never ends.
    pub resets_at_ms: Option<i64>,
}

/// The bookings of one exchange, in the order of the accounts.
pub type Bookings = SmallVec<[Booking; 4]>;

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The whole answer was sent.
    Complete,
    /// The client left before the end.
    ClientGone,
    /// The answer broke off.
    Cut,
    /// The upstream, or we, failed before an answer began.
    Failed,
    /// It was not let through.
    Denied,
}
