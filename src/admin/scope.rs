//! What customers, organizations, members, tags and shared budgets have in common: bodies with budgets and limits, shared
//! ones, and the table that shows them.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;

use super::check::{self, Limit};
use super::keys::{OneModelRow, Spent};
use super::patch::Patch;
use super::reply::Refusal;
use crate::exchange::World;
use crate::ledger::{Adjustment, Window};
use crate::roster::{Bounds, Budget, Moment};
use crate::vocabulary::{Now, PicoUsd};

/// Makes the struct of a body that has budgets and limits beside members of its own: those that it `needs`, and those that
/// it `takes`. (`serde(flatten)` would lose the place of a wrong value.)
macro_rules! bounded {
    (
        $(#[$about:meta])*
        $vis:vis struct $name:ident {
            needs { $($(#[$need_doc:meta])* $need:ident: $need_type:ty,)* }
            takes { $($(#[$take_doc:meta])* $take:ident: $take_type:ty,)* }
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, serde::Deserialize, schemars::JsonSchema)]
        $vis struct $name {
            $($(#[$need_doc])* $need: $need_type,)*
            $($(#[$take_doc])* #[serde(default)] $take: $take_type,)*
            /// Dollars that may be spent in a window.
            #[serde(default)]
            max_budget: $crate::admin::patch::Patch<$crate::vocabulary::PicoUsd>,
            /// Dollars beyond which somebody is told.
            #[serde(default)]
            soft_budget: $crate::admin::patch::Patch<$crate::vocabulary::PicoUsd>,
            /// The window (`30d`, `1mo`).
            #[serde(default)]
            budget_duration: $crate::admin::patch::Patch<String>,
            /// More windows.
            #[serde(default)]
            budget_limits: $crate::admin::patch::Patch<Vec<$crate::admin::check::Limit>>,
            /// Open requests.
            #[serde(default)]
            max_parallel_requests: $crate::admin::patch::Patch<$crate::admin::patch::Count>,
            /// Tokens a minute.
            #[serde(default)]
            tpm_limit: $crate::admin::patch::Patch<$crate::admin::patch::Count>,
            /// Requests a minute.
            #[serde(default)]
            rpm_limit: $crate::admin::patch::Patch<$crate::admin::patch::Count>,
            /// Budgets for single models.
            #[serde(default)]
            model_max_budget:
                $crate::admin::patch::Patch<std::collections::BTreeMap<String, $crate::admin::keys::OneModel>>,
            /// Requests a minute for single models.
            #[serde(default)]
            model_rpm_limit:
                $crate::admin::patch::Patch<std::collections::BTreeMap<String, $crate::admin::patch::Count>>,
            /// Tokens a minute for single models.
            #[serde(default)]
            model_tpm_limit:
                $crate::admin::patch::Patch<std::collections::BTreeMap<String, $crate::admin::patch::Count>>,
        }

        impl $name {
            /// What it says of budgets and limits.
            fn bounds(&self) -> $crate::admin::bounds::BoundsFields {
                $crate::admin::bounds::BoundsFields {
                    max_budget: self.max_budget.clone(),
                    soft_budget: self.soft_budget.clone(),
                    budget_duration: self.budget_duration.clone(),
                    budget_limits: self.budget_limits.clone(),
                    max_parallel_requests: self.max_parallel_requests.clone(),
                    tpm_limit: self.tpm_limit.clone(),
                    rpm_limit: self.rpm_limit.clone(),
                    model_max_budget: self.model_max_budget.clone(),
                    model_rpm_limit: self.model_rpm_limit.clone(),
                    model_tpm_limit: self.model_tpm_limit.clone(),
                }
            }
        }
    };
}
pub(super) use bounded;

/// Names a shared budget, or no more: what a record says for itself would go before it, so it goes with it.
///
/// # Errors
/// 400: there is no such budget.
pub fn share(world: &World, id: &Patch<String>, into: &mut Option<String>, bounds: &mut Bounds) -> Result<(), Refusal> {
    if let Some(id) = id.value() {
        if !world.around.roster.budgets.has(id.as_str()) {
            let found = check::Cut(id);
            return Err(Refusal::bad(format_args!("Unable to find budget in database. Budget ID: {found}")));
        }
        *bounds = Bounds::default();
    }
    id.clone().put(into);
    Ok(())
}

/// Budgets and limits in force of a record that may share a budget.
pub fn in_force(world: &World, own: &Bounds, budget_id: Option<&str>) -> Bounds {
    let shared = budget_id.and_then(|id| world.around.roster.budgets.find(id));
    shared.map_or_else(|| own.clone(), |budget| own.or(&budget.bounds))
}

/// Budgets and limits in force, as `litellm_budget_table` shows them.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BudgetTable {
    budget_id: Option<String>,
    max_budget: Option<PicoUsd>,
    soft_budget: Option<PicoUsd>,
    max_parallel_requests: Option<u64>,
    tpm_limit: Option<u64>,
    rpm_limit: Option<u64>,
    model_max_budget: BTreeMap<String, OneModelRow>,
    budget_duration: Option<String>,
    budget_reset_at: Option<Moment>,
    budget_limits: Vec<Limit>,
}

impl BudgetTable {
    /// The row of these, which end as `resets_at` says.
    pub fn of(bounds: &Bounds, budget_id: Option<&str>, resets_at: Option<Moment>) -> Self {
        Self {
            budget_id: budget_id.map(str::to_owned),
            max_budget: bounds.max_budget,
            soft_budget: bounds.soft_budget,
            max_parallel_requests: bounds.max_parallel_requests,
            tpm_limit: bounds.tpm_limit,
            rpm_limit: bounds.rpm_limit,
            model_max_budget: bounds.model_max_budget.iter().map(|(model, one)| (model.clone(), one.into())).collect(),
            budget_duration: bounds.budget_duration.clone(),
            budget_reset_at: resets_at,
            budget_limits: bounds.budget_limits.iter().map(Limit::from).collect(),
        }
    }

    /// The row of a shared budget.
    pub fn shared(world: &World, budget: &Budget, now: Now) -> Self {
        Self::of(&budget.bounds, Some(&budget.budget_id), ends(world, &budget.bounds, now))
    }
}

/// What sets the spend of a scope to an amount.
pub fn set_spend(spent: Spent, amount: &Patch<PicoUsd>) -> Vec<Adjustment> {
    let by = amount.value().map_or(PicoUsd::ZERO, |amount| amount.minus(spent.spent));
    let changes = by != PicoUsd::ZERO;
    let adjustment = Adjustment { account: spent.account, resets_at_ms: spent.resets_at.map(|at| at.0), by };
    changes.then_some(adjustment).into_iter().collect()
}

/// When a window that holds now ends; None: never.
pub fn ends(world: &World, bounds: &Bounds, now: Now) -> Option<Moment> {
    let zone = TimeZone::get(&world.settings.timezone).ok()?;
    let window = Window::parse(Some(bounds.budget_duration.as_deref()?), &zone).ok()?;
    window.ends_after(now.wall_ms).map(Moment)
}
