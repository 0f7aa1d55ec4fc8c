//! Budgets and limits in bodies and in rows: the part that teams, users and members share.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::check::{self, Limit};
use super::keys::{self, OneModel, OneModelRow, Spent};
use super::live;
use super::patch::{Count, Patch};
use super::reply::Refusal;
use crate::exchange::World;
use crate::ledger::{AccountId, Adjustment, Part};
use crate::roster::{Bounds, Moment};
use crate::vocabulary::{Now, PicoUsd, ScopeKind};

/// What a body says of budgets and limits. Bodies do not flatten it: the place of a wrong value would be lost.
#[derive(Clone, Debug, Default)]
pub struct BoundsFields {
    /// `max_budget`.
    pub max_budget: Patch<PicoUsd>,
    /// `soft_budget`.
    pub soft_budget: Patch<PicoUsd>,
    /// `budget_duration`.
    pub budget_duration: Patch<String>,
    /// `budget_limits`.
    pub budget_limits: Patch<Vec<Limit>>,
    /// `model_max_budget`.
    pub model_max_budget: Patch<BTreeMap<String, OneModel>>,
    /// `rpm_limit`.
    pub rpm_limit: Patch<Count>,
    /// `tpm_limit`.
    pub tpm_limit: Patch<Count>,
    /// `max_parallel_requests`.
    pub max_parallel_requests: Patch<Count>,
    /// `model_rpm_limit`.
    pub model_rpm_limit: Patch<BTreeMap<String, Count>>,
    /// `model_tpm_limit`.
    pub model_tpm_limit: Patch<BTreeMap<String, Count>>,
}

impl BoundsFields {
    /// Checks what can be checked of the body alone.
    ///
    /// # Errors
    /// 400: an amount or a duration is none.
    pub fn check(&self) -> Result<(), Refusal> {
        check::budget("max_budget", &self.max_budget)?;
        check::budget("soft_budget", &self.soft_budget)?;
        check::window("budget_duration", &self.budget_duration)?;
        check::windows(&self.budget_limits)?;
        keys::check_models(&self.model_max_budget)
    }

    /// Whether the body says anything of them.
    pub fn is_given(&self) -> bool {
        self.max_budget.is_given()
            || self.soft_budget.is_given()
            || self.budget_duration.is_given()
            || self.budget_limits.is_given()
            || self.model_max_budget.is_given()
            || self.rpm_limit.is_given()
            || self.tpm_limit.is_given()
            || self.max_parallel_requests.is_given()
            || self.model_rpm_limit.is_given()
            || self.model_tpm_limit.is_given()
    }

    /// Lays them upon those of a record.
    pub fn lay_upon(self, bounds: &mut Bounds) {
        self.max_budget.put(&mut bounds.max_budget);
        self.soft_budget.put(&mut bounds.soft_budget);
        self.budget_duration.put(&mut bounds.budget_duration);
        self.max_parallel_requests.put(&mut bounds.max_parallel_requests);
        self.tpm_limit.put(&mut bounds.tpm_limit);
        self.rpm_limit.put(&mut bounds.rpm_limit);
        keys::windows(self.budget_limits, bounds);
        keys::models(self.model_max_budget, bounds);
        keys::counts(self.model_rpm_limit, &mut bounds.model_rpm_limit);
        keys::counts(self.model_tpm_limit, &mut bounds.model_tpm_limit);
    }
}

/// Budgets and limits among a row's members, with what was spent by now.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BoundsRow {
    spend: PicoUsd,
    max_budget: Option<PicoUsd>,
    soft_budget: Option<PicoUsd>,
    budget_duration: Option<String>,
    budget_reset_at: Option<Moment>,
    budget_limits: Vec<Limit>,
    model_spend: BTreeMap<String, PicoUsd>,
    model_max_budget: BTreeMap<String, OneModelRow>,
    max_parallel_requests: Option<u64>,
    tpm_limit: Option<u64>,
    rpm_limit: Option<u64>,
    model_tpm_limit: BTreeMap<String, u64>,
    model_rpm_limit: BTreeMap<String, u64>,
}

impl BoundsRow {
    /// Those of a scope; `shared` are those of a budget that it names, where it has none of its own.
    pub fn of(
        world: &World,
        (kind, id): (ScopeKind, &str),
        bounds: &Bounds,
        shared: Option<&Bounds>,
        now: Now,
    ) -> Self {
        let effective = shared.map_or_else(|| bounds.clone(), |shared| bounds.or(shared));
        let spent = spent(world, (kind, id), &effective, now);
        let of_model = |model: &String| live::part(world, (kind, id), &Part::Model(model.clone()), now).0;
        Self {
            spend: spent.spent,
            max_budget: bounds.max_budget,
            soft_budget: bounds.soft_budget,
            budget_duration: bounds.budget_duration.clone(),
            budget_reset_at: spent.resets_at,
            budget_limits: bounds.budget_limits.iter().map(Limit::from).collect(),
            model_spend: effective.model_max_budget.keys().map(|model| (model.clone(), of_model(model))).collect(),
            model_max_budget: bounds.model_max_budget.iter().map(|(model, one)| (model.clone(), one.into())).collect(),
            max_parallel_requests: bounds.max_parallel_requests,
            tpm_limit: bounds.tpm_limit,
            rpm_limit: bounds.rpm_limit,
            model_tpm_limit: bounds.model_tpm_limit.clone(),
            model_rpm_limit: bounds.model_rpm_limit.clone(),
        }
    }
}

/// What a scope has spent in its window.
pub fn spent(world: &World, (kind, id): (ScopeKind, &str), bounds: &Bounds, now: Now) -> Spent {
    Spent::on(world, AccountId::of(kind, id, &Part::Whole), bounds, now)
}

/// What makes a new record of this id begin with nothing spent, whoever had the id before.
pub fn begin_anew(world: &World, scope: (ScopeKind, &str), bounds: &Bounds, now: Now) -> Vec<Adjustment> {
    let Spent { account, spent, .. } = spent(world, scope, bounds, now);
    if spent == PicoUsd::ZERO {
        return Vec::new();
    }
    // In the window that it stands in, not in the one that the new record will have.
    let (_, resets_at_ms) = world.around.ledger.spent(account, now);
    vec![Adjustment { account, resets_at_ms, by: PicoUsd::ZERO.minus(spent) }]
}
