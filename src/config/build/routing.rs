//! How a deployment is chosen and what follows a failure, out of `router_settings` and `litellm_settings`.

use std::sync::Arc;
use std::time::Duration;

use super::{Build, budgets, entries, names, small, text, truth};
use crate::config::routing::{
    Affinity, Cooling, EXCEPTIONS, Fallback, Hedge, PerException, RetryPolicy, Routing, Strategy,
};
use crate::config::value;
use crate::config::yaml::{Entry, Node, Value};

/// LiteLLM's default.
const FALLBACKS_MAX: u32 = 5;
/// Retries for each hundred requests.
const RETRY_BUDGET_PERCENT: u32 = 10;
/// Retries in ten seconds that little traffic does not forbid.
const RETRY_BUDGET_FLOOR: u32 = 100;

impl Build<'_> {
    /// Everything about routing but the deployments. What `router_settings` says wins.
    pub(super) fn routing(&self) -> Routing {
        let strategy = text(self.router, "routing_strategy").and_then(|name| Strategy::parse(&name));
        let buffer = self.router.at("routing_strategy_args").and_then(|args| args.at("lowest_latency_buffer"));
        Routing {
            strategy: strategy.unwrap_or_default(),
            latency_buffer_milli: buffer.and_then(value::milli).unwrap_or(0),
            fallbacks: self.usual_fallbacks(),
            context_window_fallbacks: self.fallbacks("context_window_fallbacks"),
            content_policy_fallbacks: self.fallbacks("content_policy_fallbacks"),
            max_fallbacks: self.either("max_fallbacks", small).unwrap_or(FALLBACKS_MAX),
            retry_policy: self.router.at("retry_policy").map(retry_policy).unwrap_or_default(),
            group_retry_policies: entries(self.router, "model_group_retry_policy")
                .iter()
                .map(|entry| (entry.key.clone(), retry_policy(&entry.value)))
                .collect(),
            retry_budget_percent: small(self.router, "retry_budget_percent").unwrap_or(RETRY_BUDGET_PERCENT),
            retry_budget_floor: small(self.router, "retry_budget_floor").unwrap_or(RETRY_BUDGET_FLOOR),
            hedge: self.router.at("hedge").map(hedge),
            pre_call_checks: truth(self.router, "enable_pre_call_checks").unwrap_or(false),
            tag_filtering: truth(self.router, "enable_tag_filtering").unwrap_or(false),
            tags_match_any: truth(self.router, "tag_filtering_match_any").unwrap_or(true),
            affinity: Affinity::of(&names(self.router, "optional_pre_call_checks")),
            group_affinity: entries(self.router, "model_group_affinity_config")
                .iter()
                .map(|entry| (entry.key.clone(), Affinity::of(&value::names(&entry.value).unwrap_or_default())))
                .collect(),
            provider_budgets: budgets(self.router, "provider_budget_config"),
            cooling: self.cooling(),
        }
    }

    fn cooling(&self) -> Cooling {
        let usual = Cooling::default();
        let time = |section: &Node, name: &str| section.at(name).and_then(value::duration);
        Cooling {
            disabled: truth(self.router, "disable_cooldowns").unwrap_or(false),
            time: self.either("cooldown_time", time).unwrap_or(usual.time),
            allowed_fails: self.either("allowed_fails", small),
            policy: self
                .router
                .at("allowed_fails_policy")
                .map(|policy| per_exception(policy, "AllowedFails"))
                .unwrap_or_default(),
        }
    }

    fn either<T>(&self, name: &str, read: impl Fn(&Node, &str) -> Option<T>) -> Option<T> {
        read(self.router, name).or_else(|| read(self.litellm, name))
    }

    /// Those under a name before those for all.
    fn usual_fallbacks(&self) -> Vec<Fallback> {
        let mut lists = self.fallbacks("fallbacks");
        let default = self.either("default_fallbacks", |section, name| section.at(name).and_then(value::names));
        if let Some(names) = default.filter(|names| !names.is_empty()) {
            let to = names.into_iter().map(Arc::from).collect();
            lists.push(Fallback { group: String::from("*"), to });
        }
        lists
    }

    fn fallbacks(&self, name: &str) -> Vec<Fallback> {
        let list = self.either(name, |section, name| section.at(name).map(fallbacks));
        list.unwrap_or_default()
    }
}

fn hedge(node: &Node) -> Hedge {
    let usual = Hedge::default();
    Hedge {
        percentile_milli: node.at("percentile").and_then(value::milli).unwrap_or(usual.percentile_milli),
        min: node.at("min_ms").and_then(value::count).map_or(usual.min, Duration::from_millis),
        max_percent: small(node, "max_percent").unwrap_or(usual.max_percent),
    }
}

/// A list of maps, as LiteLLM has it, or one map.
fn fallbacks(node: &Node) -> Vec<Fallback> {
    let maps = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    maps.iter().flat_map(Node::entries).map(fallback).collect()
}

fn fallback(entry: &Entry) -> Fallback {
    let to = value::names(&entry.value).unwrap_or_default().into_iter().map(Arc::from).collect();
    Fallback { group: entry.key.clone(), to }
}

fn retry_policy(node: &Node) -> RetryPolicy {
    RetryPolicy { retries: per_exception(node, "Retries"), default: small(node, "DefaultRetries") }
}

fn per_exception(node: &Node, suffix: &str) -> PerException {
    EXCEPTIONS.map(|exception| small(node, &format!("{exception}{suffix}")))
}
