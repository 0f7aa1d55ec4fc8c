//! Settings from a tree whose values were checked against the table. What remains to check is how keys fit together.

mod access;
mod alerting;
mod block;
mod coverage;
mod deployment;
mod identity;
mod keeping;
mod limits;
mod making;
mod pass;
mod routing;
mod secret;
mod sharing;
mod virtual_key;

use std::time::Duration;

use super::environment::Variables;
use super::finding::Report;
use super::load::Surroundings;
use super::settings::{Alias, Budget, CustomerBudget, HEALTH_CHECK_TAG, Settings, UnknownPrice};
use super::value;
use super::yaml::{Entry, Node};
use crate::vocabulary::PicoUsd;

/// How often a failed request is tried again, where nothing says so.
const RETRIES: u32 = 2;
/// LiteLLM's default.
const HEALTH_CHECK_INTERVAL: Duration = Duration::from_secs(300);
/// LiteLLM's status for a budget that is used up.
const BUDGET_EXCEEDED: u16 = 422;

/// Makes the settings. Complete only if the report is not fatal.
pub(super) fn build(
    root: &Node,
    variables: &Variables<'_>,
    surroundings: &Surroundings<'_>,
    report: &mut Report,
) -> Settings {
    let null = Node::null(root.place.clone());
    let section = |name: &str| root.at(name).unwrap_or(&null);
    Build {
        root,
        litellm: section("litellm_settings"),
        router: section("router_settings"),
        general: section("general_settings"),
        variables,
        surroundings,
        report,
    }
    .settings()
}

/// What all parts of the building read from and report to.
struct Build<'a> {
    root: &'a Node,
    litellm: &'a Node,
    router: &'a Node,
    general: &'a Node,
    variables: &'a Variables<'a>,
    surroundings: &'a Surroundings<'a>,
    report: &'a mut Report,
}

impl Build<'_> {
    fn settings(mut self) -> Settings {
        let master_key = self.master_key();
        let deployments = self.deployments();
        let pass_through = self.pass_through(&deployments);
        let pass_through_endpoints = self.pass_through_endpoints();
        let virtual_keys = self.virtual_keys(master_key.as_ref());
        let aliases = self.aliases();
        let blocks = self.blocks();
        self.check_access(master_key.as_ref(), &virtual_keys);
        coverage::check(self.root, &deployments, &pass_through, &aliases, &virtual_keys, self.report);
        let budget = self.global_budget();
        let retry_after = self.router.at("retry_after").and_then(value::duration);
        let retries = small(self.router, "num_retries").or_else(|| small(self.litellm, "num_retries"));
        let exceeded = self.litellm.at("budget_exceeded_status_code").and_then(value::count);
        Settings {
            master_key,
            virtual_keys,
            deployments,
            pass_through,
            pass_through_endpoints,
            aliases,
            health_check_interval: self.health_check_interval(),
            blocks,
            routing: self.routing(),
            num_retries: retries.unwrap_or(RETRIES),
            retry_after: retry_after.unwrap_or(Duration::ZERO),
            drop_params: truth(self.litellm, "drop_params").unwrap_or(false),
            budget,
            user_budgets_on_team_keys: truth(self.general, "apply_user_budget_to_team_keys").unwrap_or(false),
            customer_budget: self.customer_budget(),
            cost_discounts: each(self.litellm, "cost_discount_config", value::part),
            cost_margins: each(self.litellm, "cost_margin_config", value::margin),
            tag_budgets: self.tag_budgets(),
            pays_for_checks: self.health_check_budget().is_some(),
            customer_header: text(self.general, "user_header_name").map(|name| name.to_ascii_lowercase()),
            budget_exceeded_status: exceeded.and_then(|status| status.try_into().ok()).unwrap_or(BUDGET_EXCEEDED),
            timezone: text(self.litellm, "timezone").unwrap_or_else(|| String::from("UTC")),
            unknown_price: self.unknown_price(),
            price_file: self.price_file(),
            alerting: self.alerting().map(std::sync::Arc::new),
            jwt_auth: self.jwt_auth().map(std::sync::Arc::new),
            sharing: self.sharing().map(std::sync::Arc::new),
            metrics_auth: truth(self.litellm, "require_auth_for_metrics_endpoint"),
            key_header: text(self.general, "litellm_key_header_name").map(|name| name.to_ascii_lowercase()),
            making: std::sync::Arc::new(self.making()),
            admin: self.admin(),
            keeping: self.keeping(),
            http: limits::http(self.general),
            deadlines: limits::deadlines(self.general, self.router, self.litellm),
            upstream: self.upstream(),
        }
    }

    fn customer_budget(&self) -> Option<CustomerBudget> {
        let dollars = self.litellm.at("max_end_user_budget").and_then(value::dollars).map(CustomerBudget::Dollars);
        dollars.or_else(|| text(self.litellm, "max_end_user_budget_id").map(CustomerBudget::Shared))
    }

    fn health_check_interval(&self) -> Option<Duration> {
        let every = self.general.at("health_check_interval").and_then(value::duration).unwrap_or(HEALTH_CHECK_INTERVAL);
        truth(self.general, "background_health_checks").unwrap_or(false).then_some(every)
    }

    fn health_check_budget(&self) -> Option<Budget> {
        let max = self.general.at("health_check_budget").and_then(value::dollars)?;
        (max > PicoUsd::ZERO).then(|| Budget { max, duration: Some(String::from("1d")) })
    }

    fn tag_budgets(&self) -> Vec<(String, Budget)> {
        let mut known = budgets(self.litellm, "tag_budget_config");
        if let Some(budget) = self.health_check_budget() {
            known.retain(|(tag, _)| tag != HEALTH_CHECK_TAG);
            known.push((HEALTH_CHECK_TAG.to_owned(), budget));
        }
        known
    }

    fn unknown_price(&self) -> UnknownPrice {
        let refused = text(self.general, "unknown_price").is_some_and(|word| word == "refuse");
        let blocked = truth(self.litellm, "block_requests_for_models_without_pricing") == Some(true);
        if refused || blocked { UnknownPrice::Refuse } else { UnknownPrice::Zero }
    }

    fn aliases(&self) -> Vec<Alias> {
        let groups = entries(self.router, "model_group_alias");
        let renames = entries(self.litellm, "model_alias_map");
        groups.iter().chain(renames).filter_map(alias).collect()
    }

    /// LiteLLM's default of 0 means that there is no global budget.
    fn global_budget(&mut self) -> Option<Budget> {
        let budget = self.budget(self.litellm, "litellm_settings")?;
        if budget.max > PicoUsd::ZERO {
            return Some(budget);
        }
        if let Some(entry) = self.litellm.entry("max_budget") {
            let reason = "0 is no budget, as in LiteLLM; to stop all spending set a small amount";
            self.report.warn(&entry.place, "litellm_settings.max_budget", reason);
        }
        None
    }

    fn budget(&mut self, section: &Node, path: &str) -> Option<Budget> {
        let duration = section.at("budget_duration").and_then(value::window).map(str::to_owned);
        if let (None, Some(entry)) = (section.at("max_budget"), section.entry("budget_duration")) {
            let key = format!("{path}.budget_duration");
            self.report.warn(&entry.place, &key, "has no effect without max_budget");
        }
        section.at("max_budget").and_then(value::dollars).map(|max| Budget { max, duration })
    }
}

fn alias(entry: &Entry) -> Option<Alias> {
    let target = entry.value.text().or_else(|| entry.value.at("model")?.text())?;
    let hidden = entry.value.at("hidden").and_then(Node::bool).unwrap_or(false);
    Some(Alias { alias: entry.key.clone(), target: target.to_owned(), hidden })
}

fn entries<'a>(section: &'a Node, name: &str) -> &'a [Entry] {
    section.at(name).map_or(&[], Node::entries)
}

fn budgets(section: &Node, name: &str) -> Vec<(String, Budget)> {
    each(section, name, value::budget)
}

fn each<T>(section: &Node, name: &str, read: fn(&Node) -> Option<T>) -> Vec<(String, T)> {
    let one = |entry: &Entry| Some((entry.key.clone(), read(&entry.value)?));
    entries(section, name).iter().filter_map(one).collect()
}

fn text(section: &Node, name: &str) -> Option<String> {
    section.at(name).and_then(Node::text).map(str::to_owned)
}

fn truth(section: &Node, name: &str) -> Option<bool> {
    section.at(name).and_then(Node::bool)
}

fn small(section: &Node, name: &str) -> Option<u32> {
    section.at(name).and_then(value::count).and_then(|count| count.try_into().ok())
}

fn names(section: &Node, name: &str) -> Vec<String> {
    section.at(name).and_then(value::names).unwrap_or_default()
}
