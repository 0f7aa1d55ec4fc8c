//! How the limits and budgets of a key stand just now.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::view::Spent;
use crate::exchange::World;
use crate::ledger::{AccountId, Ledger, Part};
use crate::policy::Level;
use crate::roster::{Key, Moment};
use crate::vocabulary::{Now, PicoUsd, ScopeKind};

/// Levels beside a key's row.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub(super) struct Live {
    /// Dollars that open requests hold.
    reserved: PicoUsd,
    /// Requests a minute.
    requests: Option<Left>,
    /// Tokens a minute.
    tokens: Option<Left>,
    /// Open requests, where they are limited.
    parallel_requests: Option<Open>,
    /// The same for single models.
    models: BTreeMap<String, OfModel>,
    /// `budget_limits`.
    windows: Vec<Window>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "LevelLeft")]
struct Left {
    limit: u64,
    remaining: u64,
    /// Seconds until all of it is there again.
    resets_in_s: f64,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "LevelOpen")]
struct Open {
    limit: u64,
    open: u64,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "LevelOfModel")]
struct OfModel {
    requests: Option<Left>,
    tokens: Option<Left>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "LevelWindow")]
struct Window {
    budget_duration: String,
    max_budget: PicoUsd,
    spend: PicoUsd,
    budget_reset_at: Option<Moment>,
}

impl From<Level> for Left {
    fn from(level: Level) -> Self {
        Self { limit: level.limit, remaining: level.remaining(), resets_in_s: level.reset.as_secs_f64() }
    }
}

impl Live {
    /// The levels of a key on record, or of the configuration.
    pub(super) fn of(world: &World, key: &Key, now: Now) -> Self {
        let Some(standing) = world.standing(&key.token, now) else { return Self::default() };
        let limits = &standing.key.limits;
        let [requests, tokens] = limits.snapshot("", "", now).whole;
        let left = |level: Option<Level>| level.map(Left::from);
        let of_model = |(model, [requests, tokens]): (&str, [Option<Level>; 2])| {
            (model.to_owned(), OfModel { requests: left(requests), tokens: left(tokens) })
        };
        let account = Spent::of(world, key, now).account;
        Self {
            reserved: world.around.ledger.statement(account, now).map(|account| account.reserved).unwrap_or_default(),
            requests: left(requests),
            tokens: left(tokens),
            parallel_requests: limits.open().map(|(open, limit)| Open { limit, open }),
            models: limits.model_levels(now).map(of_model).collect(),
            windows: windows(world, key, now),
        }
    }
}

fn windows(world: &World, key: &Key, now: Now) -> Vec<Window> {
    let window = |limit: &crate::roster::BudgetLimit| {
        let (spend, end) = part(world, key, &Part::Window(limit.budget_duration.clone()), now);
        Window {
            budget_duration: limit.budget_duration.clone(),
            max_budget: limit.max_budget,
            spend,
            budget_reset_at: end.map(Moment),
        }
    };
    key.bounds.budget_limits.iter().map(window).collect()
}

/// What was spent on a part of a key's budgets, and when that window ends.
pub(super) fn part(world: &World, key: &Key, part: &Part, now: Now) -> (PicoUsd, Option<i64>) {
    world.around.ledger.spent(AccountId::of(ScopeKind::Key, &key.account().to_string(), part), now)
}
