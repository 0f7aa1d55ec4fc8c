//! What may be spent and how often: the part that keys, teams, users and all others share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::plain::default;
use crate::vocabulary::PicoUsd;

/// Budgets and limits of one scope. The default has none. In another record its members stand among that record's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Bounds {
    /// `max_budget`: dollars that may be spent in a window.
    #[serde(default, skip_serializing_if = "default")]
    pub max_budget: Option<PicoUsd>,
    /// `soft_budget`: dollars beyond which somebody is told.
    #[serde(default, skip_serializing_if = "default")]
    pub soft_budget: Option<PicoUsd>,
    /// `budget_duration`: the window, as typed (`30d`, `1mo`, `daily`); None: it never ends.
    #[serde(default, skip_serializing_if = "default")]
    pub budget_duration: Option<String>,
    /// `budget_limits`: more windows, all of them at once.
    #[serde(default, skip_serializing_if = "default")]
    pub budget_limits: Vec<BudgetLimit>,
    /// `model_max_budget`: budgets for single models.
    #[serde(default, skip_serializing_if = "default")]
    pub model_max_budget: BTreeMap<String, ModelBudget>,
    /// `rpm_limit`: requests a minute.
    #[serde(default, skip_serializing_if = "default")]
    pub rpm_limit: Option<u64>,
    /// `tpm_limit`: tokens a minute.
    #[serde(default, skip_serializing_if = "default")]
    pub tpm_limit: Option<u64>,
    /// `max_parallel_requests`: open requests.
    #[serde(default, skip_serializing_if = "default")]
    pub max_parallel_requests: Option<u64>,
    /// `model_rpm_limit`: requests a minute for single models.
    #[serde(default, skip_serializing_if = "default")]
    pub model_rpm_limit: BTreeMap<String, u64>,
    /// `model_tpm_limit`: tokens a minute for single models.
    #[serde(default, skip_serializing_if = "default")]
    pub model_tpm_limit: BTreeMap<String, u64>,
}

/// One window of `budget_limits`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetLimit {
    /// The window.
    pub budget_duration: String,
    /// Dollars that may be spent in it.
    pub max_budget: PicoUsd,
}

/// A budget for one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelBudget {
    /// Dollars that may be spent on it.
    #[serde(alias = "budget_limit")]
    pub max_budget: PicoUsd,
    /// The window; None: it never ends.
    #[serde(default, alias = "time_period", skip_serializing_if = "default")]
    pub budget_duration: Option<String>,
}

impl Bounds {
    /// These bounds, and where one is not set, that of `otherwise` (a shared budget).
    #[must_use]
    pub fn or(&self, otherwise: &Self) -> Self {
        let mut all = self.clone();
        if all.max_budget.is_none() {
            (all.max_budget, all.budget_duration) = (otherwise.max_budget, otherwise.budget_duration.clone());
        }
        all.soft_budget = all.soft_budget.or(otherwise.soft_budget);
        all.rpm_limit = all.rpm_limit.or(otherwise.rpm_limit);
        all.tpm_limit = all.tpm_limit.or(otherwise.tpm_limit);
        all.max_parallel_requests = all.max_parallel_requests.or(otherwise.max_parallel_requests);
        if all.budget_limits.is_empty() {
            all.budget_limits.clone_from(&otherwise.budget_limits);
        }
        for (own, shared) in [
            (&mut all.model_rpm_limit, &otherwise.model_rpm_limit),
            (&mut all.model_tpm_limit, &otherwise.model_tpm_limit),
        ] {
            shared.iter().for_each(|(model, limit)| {
                own.entry(model.clone()).or_insert(*limit);
            });
        }
        for (model, budget) in &otherwise.model_max_budget {
            all.model_max_budget.entry(model.clone()).or_insert_with(|| budget.clone());
        }
        all
    }

    /// Whether nothing is bounded.
    pub fn is_open(&self) -> bool {
        default(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_budget_fills_what_is_not_set_and_a_budget_keeps_its_window() {
        let own: Bounds = serde_json::from_str(r#"{"max_budget":5,"model_rpm_limit":{"a":1}}"#).unwrap();
        let shared: Bounds = serde_json::from_str(
            r#"{"max_budget":9,"budget_duration":"1d","rpm_limit":7,"model_rpm_limit":{"a":2,"b":3}}"#,
        )
        .unwrap();
        let both = own.or(&shared);
        assert_eq!((both.max_budget, both.budget_duration.as_deref()), (Some(PicoUsd::dollars(5)), None));
        assert_eq!((both.rpm_limit, both.model_rpm_limit["a"], both.model_rpm_limit["b"]), (Some(7), 1, 3));
        assert_eq!(Bounds::default().or(&shared), shared);
    }

    #[test]
    fn a_models_budget_is_read_by_both_names() {
        let text = r#"{"model_max_budget":{"a":{"budget_limit":"0.5","time_period":"1d"},"b":{"max_budget":2}}}"#;
        let bounds: Bounds = serde_json::from_str(text).unwrap();
        assert_eq!(bounds.model_max_budget["a"].max_budget, PicoUsd::parse("0.5").unwrap());
        assert_eq!(bounds.model_max_budget["a"].budget_duration.as_deref(), Some("1d"));
        assert_eq!(
            serde_json::to_string(&bounds).unwrap(),
            r#"{"model_max_budget":{"a":{"max_budget":0.5,"budget_duration":"1d"},"b":{"max_budget":2.0}}}"#
        );
    }
}
