//! How limits and budgets stand just now, beside the row of whoever has them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::exchange::{Whose, World};
use crate::ledger::{AccountId, Ledger, Part};
use crate::policy::{Level, ScopeLimits};
use crate::roster::{Bounds, Key, Moment};
use crate::vocabulary::{Now, PicoUsd, ScopeKind};

/// Levels beside a row.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Live {
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
    pub fn of_key(world: &World, key: &Key, now: Now) -> Self {
        let Some(standing) = world.standing(&key.token, now) else { return Self::default() };
        let (whole, id) = (AccountId::Key(key.account()), key.account().to_string());
        Self::of_limits(world, &standing.key.limits, whole, (ScopeKind::Key, &id), &key.bounds, now)
    }

    /// The levels of a team, a user and so on, whose budgets these are.
    pub fn of(world: &World, whose: Whose<'_>, bounds: &Bounds, now: Now) -> Self {
        let Some(party) = world.party(whose, now) else { return Self::default() };
        let whole = AccountId::of(party.kind, &party.id, &Part::Whole);
        Self::of_limits(world, &party.limits, whole, (party.kind, &party.id), bounds, now)
    }

    fn of_limits(
        world: &World,
        limits: &ScopeLimits,
        whole: AccountId,
        scope: (ScopeKind, &str),
        bounds: &Bounds,
        now: Now,
    ) -> Self {
        let [requests, tokens] = limits.snapshot("", "", now).whole;
        let left = |level: Option<Level>| level.map(Left::from);
        let of_model = |(model, [requests, tokens]): (&str, [Option<Level>; 2])| {
            (model.to_owned(), OfModel { requests: left(requests), tokens: left(tokens) })
        };
        Self {
            reserved: world.around.ledger.statement(whole, now).map(|account| account.reserved).unwrap_or_default(),
            requests: left(requests),
            tokens: left(tokens),
            parallel_requests: limits.open().map(|(open, limit)| Open { limit, open }),
            models: limits.model_levels(now).map(of_model).collect(),
            windows: windows(world, scope, bounds, now),
        }
    }
}

fn windows(world: &World, scope: (ScopeKind, &str), bounds: &Bounds, now: Now) -> Vec<Window> {
    let window = |limit: &crate::roster::BudgetLimit| {
        let (spend, end) = part(world, scope, &Part::Window(limit.budget_duration.clone()), now);
        Window {
            budget_duration: limit.budget_duration.clone(),
            max_budget: limit.max_budget,
            spend,
            budget_reset_at: end.map(Moment),
        }
    };
    bounds.budget_limits.iter().map(window).collect()
}

/// What was spent on a part of a scope's budgets, and when that window ends.
pub fn part(world: &World, (kind, id): (ScopeKind, &str), part: &Part, now: Now) -> (PicoUsd, Option<i64>) {
    world.around.ledger.spent(AccountId::of(kind, id, part), now)
}
