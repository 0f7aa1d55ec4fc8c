//! Why nothing could be reserved, in LiteLLM's words.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::account::{AccountId, Part, Scope};
use super::lease::Needs;
use crate::vocabulary::{Fault, Kind, PicoUsd, ScopeKind};

/// When to ask again while nothing can be put on file.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Why a reservation was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// An account has too little left.
    Overdrawn(Box<Overdrawn>),
    /// No such account: its budget cannot be known, so nothing may be spent.
    Unknown(AccountId),
    /// What is spent cannot be put on file just now, for this reason, so nothing may be spent.
    Unkept(Arc<str>),
    /// This process was not lent enough for these: whoever lends it must be asked first.
    Unlent(Box<Needs>),
}

/// An account that has less left than was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdrawn {
    /// Whose account.
    pub scope: Scope,
    /// What of it.
    pub part: Part,
    /// What was asked for.
    pub asked: PicoUsd,
    /// Spent in this window.
    pub spent: PicoUsd,
    /// Held by open exchanges.
    pub reserved: PicoUsd,
    /// What may be spent in a window.
    pub limit: PicoUsd,
    /// When the window ends, Unix milliseconds; None: never.
    pub resets_at_ms: Option<i64>,
}

impl From<Box<Overdrawn>> for Refusal {
    fn from(overdrawn: Box<Overdrawn>) -> Self {
        Self::Overdrawn(overdrawn)
    }
}

impl Overdrawn {
    /// The answer for the caller: which scope, spent, limit, held, and when it resets.
    pub fn fault(&self) -> Fault {
        let Self { scope, part, asked, spent, reserved, limit, .. } = self;
        let resets = match self.resets_at_ms.map(Timestamp::from_millisecond) {
            Some(Ok(at)) => format!("resets at {}", at.strftime("%Y-%m-%dT%H:%M:%SZ")),
            _ => "does not reset".to_owned(),
        };
        let more = format_args!("(reserved {reserved}; {resets})");
        let text = match (part, scope) {
            (Part::Window(duration), _) => {
                format!("ExceededBudget: {scope} over {duration} budget. Spend=${spent}, Limit=${limit} {more}")
            }
            (Part::Model(model), _) => {
                format!("ExceededBudget: {scope} over budget for model={model}. Spend={spent}, Budget={limit} {more}")
            }
            (Part::Whole, Scope::Of(ScopeKind::User | ScopeKind::Customer, _)) => {
                format!("ExceededBudget: {scope} over budget. Spend={spent}, Budget={limit} {more}")
            }
            (Part::Whole, _) => {
                format!("Budget has been exceeded! {scope} Current cost: {spent}, Max budget: {limit} {more}")
            }
        };
        Fault::client(Kind::BudgetExceeded, text).cause(format_args!("asked for {asked}"))
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Overdrawn(overdrawn) => overdrawn.fault(),
            Refusal::Unkept(cause) => Self::ours(
                Kind::Overloaded,
                format!("spend cannot be recorded just now ({cause}), so no request under a budget is served"),
            )
            .retry_after(RETRY_AFTER),
            Refusal::Unlent(_) => Self::ours(
                Kind::Overloaded,
                "what is left of the budget could not be found out in time, so no request under it is served",
            )
            .retry_after(RETRY_AFTER),
            Refusal::Unknown(account) => {
                Self::ours(Kind::Internal, "the budget of this key is not known").cause(format_args!("{account:?}"))
            }
        }
    }
}
