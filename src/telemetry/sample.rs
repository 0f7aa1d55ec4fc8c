//! Levels that others keep and a scrape asks for.

use crate::vocabulary::PicoUsd;

use super::handles::Handles;
use super::labels::{KeyLabel, Target};

/// Implemented by whoever keeps levels: limits, budgets, cooldowns, connections.
pub trait Sample: Send + Sync {
    /// Reports every level there is now, with the [`Handles`] of the configuration its numbers count into.
    /// Called once per scrape, from the task that serves it.
    fn sample(&self, out: &mut dyn FnMut(&Handles, Gauge));
}

/// One level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gauge {
    /// Exchanges that are open.
    InFlight(u64),
    /// Client connections that are open.
    Connections(u64),
    /// Bytes of request bodies that are held.
    HeldBytes(u64),
    /// Whether Redis, through which limits are shared, answers.
    RedisUp(bool),
    /// What is left of a limit. May be negative: a debt.
    Limit {
        /// Whose.
        key: KeyLabel,
        /// For one model only, or [`Target::None`].
        target: Target,
        /// Of what.
        of: Limited,
        /// How much.
        left: i64,
        /// Out of how much.
        max: u64,
    },
    /// What is left of a key's budget. May be negative.
    KeyBudget {
        /// Whose.
        key: KeyLabel,
        /// How much is left.
        left: PicoUsd,
        /// Out of how much.
        max: PicoUsd,
    },
    /// What is left of the budget of the whole gateway. May be negative.
    GlobalBudget {
        /// How much is left.
        left: PicoUsd,
        /// Out of how much.
        max: PicoUsd,
    },
    /// What is left of a provider's budget. May be negative.
    ProviderBudget {
        /// A deployment of the provider.
        target: Target,
        /// How much is left.
        left: PicoUsd,
    },
    /// Retries that may be made now.
    RetryBudget(u64),
    /// What a deployment's provider says is left of its own limit.
    Upstream {
        /// Which deployment.
        target: Target,
        /// Of what.
        of: Limited,
        /// How much.
        left: u64,
    },
    /// How a deployment fares.
    Deployment {
        /// Which.
        target: Target,
        /// How.
        state: Health,
    },
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limited {
    /// Requests per minute.
    Requests,
    /// Tokens per minute.
    Tokens,
    /// Exchanges at once.
    Parallel,
}

/// How a deployment fares; LiteLLM's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Answers (0).
    Healthy,
    /// Failed of late, still tried (1).
    Failing,
    /// Set aside (2).
    CoolingDown,
}
