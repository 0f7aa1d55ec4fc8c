//! The levels of one scrape, with their names.

use std::collections::HashSet;
use std::sync::Arc;

use super::handles::Handles;
use super::inventory::{LEVELS_MAX, LevelRead};
use super::labels::{DeploymentName, KeyLabel, KeyName, Target};
use super::sample::{Gauge, Health, Limited, Sample};

/// One level and what it is the level of.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) of: Of,
    pub(super) key: KeyName,
    pub(super) target: DeploymentName,
    left: f64,
    max: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Of {
    InFlight,
    Connections,
    HeldBytes,
    RedisUp,
    RetryBudget,
    Limit(Limited),
    Upstream(Limited),
    KeyBudget,
    GlobalBudget,
    ProviderBudget,
    Health,
}

/// Asks every keeper. A level that was told twice counts once; beyond the most there may be, none is taken.
pub(super) fn sample(keepers: &[Arc<dyn Sample>]) -> Vec<Level> {
    let mut seen = HashSet::new();
    let mut levels = Vec::new();
    for keeper in keepers {
        keeper.sample(&mut |handles, gauge| {
            let level = Level::of(handles, gauge);
            let identity = (level.of, level.key.clone(), level.target.clone());
            if levels.len() < LEVELS_MAX && seen.insert(identity) {
                levels.push(level);
            }
        });
    }
    levels
}

impl Level {
    fn of(handles: &Handles, gauge: Gauge) -> Self {
        let key = |key: KeyLabel| handles.key(key);
        let target = |target: Target| match target {
            Target::None => DeploymentName::default(),
            named => handles.target(named).clone(),
        };
        match gauge {
            Gauge::InFlight(count) => Self::plain(Of::InFlight, count as f64),
            Gauge::Connections(count) => Self::plain(Of::Connections, count as f64),
            Gauge::HeldBytes(count) => Self::plain(Of::HeldBytes, count as f64),
            Gauge::RedisUp(up) => Self::plain(Of::RedisUp, f64::from(u8::from(up))),
            Gauge::RetryBudget(count) => Self::plain(Of::RetryBudget, count as f64),
            Gauge::Limit { key: owner, target: on, of, left, max } => {
                Self { of: Of::Limit(of), key: key(owner), target: target(on), left: left as f64, max: max as f64 }
            }
            Gauge::KeyBudget { key: owner, left, max } => {
                Self { key: key(owner), max: max.to_dollars(), ..Self::plain(Of::KeyBudget, left.to_dollars()) }
            }
            Gauge::GlobalBudget { left, max } => {
                Self { max: max.to_dollars(), ..Self::plain(Of::GlobalBudget, left.to_dollars()) }
            }
            Gauge::ProviderBudget { target: on, left } => {
                let provider = handles.target(on).provider.clone();
                let of_provider = DeploymentName { provider, ..DeploymentName::default() };
                Self { target: of_provider, ..Self::plain(Of::ProviderBudget, left.to_dollars()) }
            }
            Gauge::Upstream { target: on, of, left } => {
                Self { target: target(on), ..Self::plain(Of::Upstream(of), left as f64) }
            }
            Gauge::Deployment { target: on, state } => {
                Self { target: target(on), ..Self::plain(Of::Health, state.number()) }
            }
        }
    }

    fn plain(of: Of, left: f64) -> Self {
        Self { of, key: KeyName::default(), target: DeploymentName::default(), left, max: 0.0 }
    }

    /// The value of this level in a family, if it belongs there.
    pub(super) fn value(&self, read: LevelRead) -> Option<f64> {
        match (read, self.of) {
            (LevelRead::InFlight, Of::InFlight)
            | (LevelRead::Connections, Of::Connections)
            | (LevelRead::HeldBytes, Of::HeldBytes)
            | (LevelRead::RedisUp, Of::RedisUp)
            | (LevelRead::RetryBudget, Of::RetryBudget)
            | (LevelRead::Health, Of::Health)
            | (LevelRead::LimitLeft, Of::Limit(_))
            | (LevelRead::UpstreamLeft, Of::Upstream(_))
            | (LevelRead::BudgetLeft, Of::KeyBudget | Of::GlobalBudget)
            | (LevelRead::ProviderBudgetLeft, Of::ProviderBudget)
            | (LevelRead::KeyBudgetLeft, Of::KeyBudget) => Some(self.left),
            (LevelRead::LimitMax, Of::Limit(_))
            | (LevelRead::BudgetMax, Of::KeyBudget | Of::GlobalBudget)
            | (LevelRead::KeyBudgetMax, Of::KeyBudget) => Some(self.max),
            (LevelRead::LimitLeftOf(wanted), Of::Limit(limited)) if wanted == limited => Some(self.left),
            (LevelRead::UpstreamLeftOf(wanted), Of::Upstream(limited)) if wanted == limited => Some(self.left),
            _ => None,
        }
    }

    /// The value of the labels `scope` and `limit`.
    pub(super) fn word(&self) -> &'static str {
        match self.of {
            Of::Limit(Limited::Requests) | Of::Upstream(Limited::Requests) => "requests",
            Of::Limit(Limited::Tokens) | Of::Upstream(Limited::Tokens) => "tokens",
            Of::Limit(Limited::Parallel) | Of::Upstream(Limited::Parallel) => "parallel",
            Of::KeyBudget => "key",
            Of::GlobalBudget => "global",
            Of::InFlight
            | Of::Connections
            | Of::HeldBytes
            | Of::RedisUp
            | Of::RetryBudget
            | Of::ProviderBudget
            | Of::Health => "",
        }
    }
}

impl Health {
    fn number(self) -> f64 {
        match self {
            Self::Healthy => 0.0,
            Self::Failing => 1.0,
            Self::CoolingDown => 2.0,
        }
    }
}
