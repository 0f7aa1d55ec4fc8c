//! Levels for a scrape: what is left of limits and budgets.

use super::{Deployment, World};
use crate::ledger::{AccountId, Ledger, Part};
use crate::policy::Level;
use crate::routing::{Standing, Stock};
use crate::telemetry::{Gauge, Handles, Health, Limited, Target};
use crate::vocabulary::{Now, ScopeKind};

impl World {
    /// Reports what is left of every key's limits and budget, and of the global one.
    pub fn sample(&self, now: Now, out: &mut dyn FnMut(&Handles, Gauge)) {
        let on_record: Vec<_> = self.around.live.standings().collect();
        for standing in self.all_configured().chain(&on_record) {
            let (key, label) = (&standing.key, standing.label);
            let snapshot = key.limits.snapshot("", "", now);
            for (level, of) in snapshot.whole.into_iter().zip([Limited::Requests, Limited::Tokens]) {
                if let Some(Level { limit, left, .. }) = level {
                    out(&self.handles, Gauge::Limit { key: label, target: Target::None, of, left, max: limit });
                }
            }
            if let Some(left) = self.left(AccountId::Key(key.account), now) {
                out(&self.handles, Gauge::KeyBudget { key: label, left: left.0, max: left.1 });
            }
        }
        let routing = &self.settings.routing;
        let left = self.retry_budget.left(routing.retry_budget_percent, routing.retry_budget_floor, now);
        out(&self.handles, Gauge::RetryBudget(left));
        for (index, deployment) in self.deployments.iter().enumerate() {
            let target = Target::Deployment(u32::try_from(index).unwrap_or(u32::MAX));
            let state = match deployment.health.standing(now) {
                Standing::Resting(_) | Standing::Full(_) => Health::CoolingDown,
                Standing::Trial => Health::Failing,
                Standing::Open if deployment.health.lacks(1, now).is_some() => Health::CoolingDown,
                Standing::Open if deployment.health.is_failing(now) || !deployment.passed_check() => Health::Failing,
                Standing::Open => Health::Healthy,
            };
            out(&self.handles, Gauge::Deployment { target, state });
            for (stock, of) in [(Stock::Requests, Limited::Requests), (Stock::Tokens, Limited::Tokens)] {
                if let Some(left) = deployment.health.left(stock, now) {
                    out(&self.handles, Gauge::Upstream { target, of, left });
                }
            }
        }
        for (provider, _) in &routing.provider_budgets {
            let account = AccountId::of(ScopeKind::Provider, provider, &Part::Whole);
            let of = |deployment: &Deployment| *deployment.settings.provider == **provider;
            let index = self.deployments.iter().position(of).and_then(|index| u32::try_from(index).ok());
            if let Some(((left, _), index)) = self.left(account, now).zip(index) {
                out(&self.handles, Gauge::ProviderBudget { target: Target::Deployment(index), left });
            }
        }
        if let Some((left, max)) = self.left(AccountId::Global, now) {
            out(&self.handles, Gauge::GlobalBudget { left, max });
        }
    }

    fn left(&self, account: AccountId, now: Now) -> Option<(crate::vocabulary::PicoUsd, crate::vocabulary::PicoUsd)> {
        let statement = self.around.ledger.statement(account, now)?;
        let max = statement.limit?;
        Some((max.minus(statement.spent).minus(statement.reserved), max))
    }
}
