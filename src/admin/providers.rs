//! `/provider/budgets`: what may be spent at providers (`provider_budget_config`), and what of it is.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::actor::Needs;
use super::ask::Ask;
use super::reply::{Refusal, Reply};
use super::route::Route;
use crate::ledger::{AccountId, Part};
use crate::roster::Moment;
use crate::vocabulary::{PicoUsd, ScopeKind};

/// The rows.
pub(super) static ROUTES: &[Route] =
    &[Route::get("/provider/budgets", Needs::Viewer, "Show the budgets of providers", budgets).gives::<Budgets>()];

/// Budgets by provider.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ProviderBudgets")]
pub(super) struct Budgets {
    providers: BTreeMap<String, Row>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ProviderBudget")]
struct Row {
    budget_limit: PicoUsd,
    time_period: Option<String>,
    spend: PicoUsd,
    budget_reset_at: Option<Moment>,
}

fn budgets(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let row = |(provider, budget): &(String, crate::config::Budget)| {
        let account = AccountId::of(ScopeKind::Provider, provider, &Part::Whole);
        let (spend, resets_at_ms) = ask.world.around.ledger.spent(account, ask.now);
        let budget_reset_at = resets_at_ms.map(Moment);
        let row = Row { budget_limit: budget.max, time_period: budget.duration.clone(), spend, budget_reset_at };
        (provider.clone(), row)
    };
    let providers = ask.world.settings.routing.provider_budgets.iter().map(row).collect();
    Reply::json(&Budgets { providers })
}
