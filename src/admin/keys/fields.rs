//! The body of `/key/generate`, `/key/update` and `/key/regenerate`, and how it is laid upon a record.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::admin::check::{self, Limit};
use crate::admin::patch::{Count, Object, Patch};
use crate::admin::reply::Refusal;
use crate::roster::{Bounds, Json, Key, KeyType, ModelBudget, Moment, Permissions};
use crate::vocabulary::PicoUsd;

/// What may be said of a key. Absent leaves it as it is, null clears it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct KeyFields {
    /// `/key/generate`: the key to be made, at least 16 characters that begin with `sk-`. Elsewhere: the key that is meant,
    /// or its hash.
    pub key: Patch<String>,
    /// `/key/regenerate`: the new key; made here without it.
    pub new_key: Patch<String>,
    /// `/key/regenerate`: how long the old key is let in beside the new one.
    pub grace_period: Patch<String>,
    /// What people call it; no two keys have the same.
    pub key_alias: Patch<String>,
    /// How long it lasts (`30d`); `-1` or null: for ever.
    pub duration: Patch<String>,
    /// Models it may name.
    pub models: Patch<Vec<String>>,
    /// Dollars that may be spent in a window.
    pub max_budget: Patch<PicoUsd>,
    /// The window.
    pub budget_duration: Patch<String>,
    /// More windows.
    pub budget_limits: Patch<Vec<Limit>>,
    /// Dollars beyond which somebody is told.
    pub soft_budget: Patch<PicoUsd>,
    /// What was spent in this window.
    pub spend: Patch<PicoUsd>,
    /// The user it belongs to.
    pub user_id: Patch<String>,
    /// The team it belongs to.
    pub team_id: Patch<String>,
    /// The organization it belongs to.
    pub organization_id: Patch<String>,
    /// A shared budget.
    pub budget_id: Patch<String>,
    /// Open requests.
    pub max_parallel_requests: Patch<Count>,
    /// Tokens a minute.
    pub tpm_limit: Patch<Count>,
    /// Requests a minute.
    pub rpm_limit: Patch<Count>,
    /// Budgets for single models.
    pub model_max_budget: Patch<BTreeMap<String, OneModel>>,
    /// Requests a minute for single models.
    pub model_rpm_limit: Patch<BTreeMap<String, Count>>,
    /// Tokens a minute for single models.
    pub model_tpm_limit: Patch<BTreeMap<String, Count>>,
    /// Words of its owner's.
    pub metadata: Patch<Object>,
    /// Words that its spend is also counted under.
    pub tags: Patch<Vec<String>>,
    /// Its own names for models.
    pub aliases: Patch<BTreeMap<String, String>>,
    /// Paths, or groups of paths, it may call.
    pub allowed_routes: Patch<Vec<String>>,
    /// What it is for.
    pub key_type: Patch<KeyKind>,
    /// Addresses and networks it may be used from.
    pub allowed_ips: Patch<Vec<String>>,
    /// Whether it is refused.
    pub blocked: Patch<bool>,
    /// Parameters that its requests must have.
    pub enforced_params: Patch<Vec<String>>,
    /// A temporary increase of `max_budget`.
    pub temp_budget_increase: Patch<PicoUsd>,
    /// Until when.
    pub temp_budget_expiry: Patch<Moment>,
    /// Whether it is to be replaced now and then.
    pub auto_rotate: Patch<bool>,
    /// How often.
    pub rotation_interval: Patch<String>,
    /// Carried.
    pub agent_id: Patch<String>,
    /// Carried.
    pub project_id: Patch<String>,
    /// Carried.
    pub tpd_limit: Patch<Count>,
    /// Carried.
    pub rpm_limit_type: Patch<String>,
    /// Carried.
    pub tpm_limit_type: Patch<String>,
    /// Carried.
    pub mcp_rpm_limit: Patch<Object>,
    /// Carried.
    pub tag_rpm_limit: Patch<Object>,
    /// Carried.
    pub config: Patch<Object>,
    /// `explain`: whether the header `x-tollgate-explain` is answered. Others are carried.
    pub permissions: Patch<Object>,
    /// Carried.
    pub object_permission: Patch<Object>,
    /// Carried.
    pub router_settings: Patch<Object>,
    /// Carried.
    pub allowed_cache_controls: Patch<Vec<String>>,
    /// Carried.
    pub guardrails: Patch<Vec<String>>,
    /// Carried.
    pub policies: Patch<Vec<String>>,
    /// Carried.
    pub prompts: Patch<Vec<String>>,
    /// Carried.
    pub access_group_ids: Patch<Vec<String>>,
    /// Carried.
    pub allowed_passthrough_routes: Patch<Vec<String>>,
    /// Taken; no invitations are sent.
    pub send_invite_email: Patch<bool>,
}

/// One entry of `model_max_budget`, by either of its names.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct OneModel {
    /// Dollars.
    #[serde(alias = "budget_limit")]
    pub max_budget: PicoUsd,
    /// The window.
    #[serde(default, alias = "time_period")]
    pub budget_duration: Option<String>,
}

/// `key_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// Calls, and what its user may do.
    Default,
    /// Calls alone.
    LlmApi,
    /// The management API alone.
    Management,
    /// What changes nothing.
    ReadOnly,
}

impl From<KeyKind> for KeyType {
    fn from(kind: KeyKind) -> Self {
        match kind {
            KeyKind::Default => Self::Default,
            KeyKind::LlmApi => Self::LlmApi,
            KeyKind::Management => Self::Management,
            KeyKind::ReadOnly => Self::ReadOnly,
        }
    }
}

impl KeyFields {
    /// Checks what can be checked of the body alone.
    ///
    /// # Errors
    /// 400: an amount, a duration or a name is none.
    pub fn check(&self) -> Result<(), Refusal> {
        check::budget("max_budget", &self.max_budget)?;
        check::budget("soft_budget", &self.soft_budget)?;
        check::budget("spend", &self.spend)?;
        check::budget("temp_budget_increase", &self.temp_budget_increase)?;
        check::window("budget_duration", &self.budget_duration)?;
        check::windows(&self.budget_limits)?;
        check::window("rotation_interval", &self.rotation_interval)?;
        check_models(&self.model_max_budget)?;
        if self.permissions().is_none() {
            return Err(Refusal::bad(format_args!("permissions.explain: expected true or false")));
        }
        if let Some(alias) = self.key_alias.value() {
            check::name("key_alias", alias)?;
        }
        for network in self.allowed_ips.value().into_iter().flatten() {
            let known = network.parse::<ipnet::IpNet>().is_ok() || network.parse::<std::net::IpAddr>().is_ok();
            if !known {
                let found = check::Quoted(network);
                return Err(Refusal::bad(format_args!(
                    "allowed_ips: expected addresses and networks like 10.0.0.0/8, found {found}"
                )));
            }
        }
        Ok(())
    }

    /// What `permissions` say; None where a value is not of its type.
    fn permissions(&self) -> Option<Permissions> {
        self.permissions.value().map_or_else(|| Some(Permissions::default()), |given| Permissions::read(&given.0).ok())
    }

    /// What is given, kept and shown, and has no effect: a word for each.
    pub fn warnings(&self) -> Vec<String> {
        check::inert([
            ("guardrails", self.guardrails.says()),
            ("policies", self.policies.says()),
            ("prompts", self.prompts.says()),
            ("allowed_cache_controls", self.allowed_cache_controls.says()),
            ("access_group_ids", self.access_group_ids.says()),
            ("allowed_passthrough_routes", self.allowed_passthrough_routes.says()),
            ("config", self.config.says()),
            ("permissions", self.permissions().is_none_or(|known| !known.others.is_empty())),
            ("object_permission", self.object_permission.says()),
            ("router_settings", self.router_settings.says()),
            ("tag_rpm_limit", self.tag_rpm_limit.says()),
            ("mcp_rpm_limit", self.mcp_rpm_limit.says()),
            ("tpd_limit", self.tpd_limit.value().is_some()),
            ("auto_rotate", self.auto_rotate.says()),
            ("send_invite_email", self.send_invite_email.says()),
        ])
    }

    /// Lays the body upon a record. What was spent is no part of it.
    ///
    /// # Errors
    /// 400: `duration` is none.
    pub fn lay_upon(self, key: &mut Key, now: Moment) -> Result<(), Refusal> {
        match &self.duration {
            Patch::Absent => {}
            Patch::Null => key.expires = None,
            Patch::Set(duration) => key.expires = check::end_of("duration", duration, now)?,
        }
        self.carried(&mut key.carried);
        self.key_alias.put(&mut key.key_alias);
        self.models.fill(&mut key.models);
        self.user_id.put(&mut key.user_id);
        self.team_id.put(&mut key.team_id);
        self.organization_id.put(&mut key.organization_id);
        self.budget_id.put(&mut key.budget_id);
        self.metadata.fill(&mut key.metadata);
        self.tags.fill(&mut key.tags);
        self.aliases.fill(&mut key.aliases);
        self.allowed_routes.fill(&mut key.allowed_routes);
        self.allowed_ips.fill(&mut key.allowed_ips);
        self.key_type.fill(&mut key.key_type);
        self.blocked.fill(&mut key.blocked);
        self.enforced_params.fill(&mut key.enforced_params);
        self.temp_budget_increase.put(&mut key.temp_budget_increase);
        self.temp_budget_expiry.put(&mut key.temp_budget_expiry);
        self.auto_rotate.fill(&mut key.auto_rotate);
        self.rotation_interval.put(&mut key.rotation_interval);
        let bounds = &mut key.bounds;
        self.max_budget.put(&mut bounds.max_budget);
        self.soft_budget.put(&mut bounds.soft_budget);
        self.budget_duration.put(&mut bounds.budget_duration);
        self.max_parallel_requests.put(&mut bounds.max_parallel_requests);
        self.tpm_limit.put(&mut bounds.tpm_limit);
        self.rpm_limit.put(&mut bounds.rpm_limit);
        windows(self.budget_limits, bounds);
        models(self.model_max_budget, bounds);
        counts(self.model_rpm_limit, &mut bounds.model_rpm_limit);
        counts(self.model_tpm_limit, &mut bounds.model_tpm_limit);
        Ok(())
    }

    /// What is carried and not understood, each under its name.
    fn carried(&self, into: &mut BTreeMap<String, Json>) {
        carry("agent_id", &self.agent_id, into);
        carry("project_id", &self.project_id, into);
        carry("tpd_limit", &plain(&self.tpd_limit), into);
        carry("rpm_limit_type", &self.rpm_limit_type, into);
        carry("tpm_limit_type", &self.tpm_limit_type, into);
        carry("mcp_rpm_limit", &self.mcp_rpm_limit, into);
        carry("tag_rpm_limit", &self.tag_rpm_limit, into);
        carry("config", &self.config, into);
        carry("permissions", &self.permissions, into);
        carry("object_permission", &self.object_permission, into);
        carry("router_settings", &self.router_settings, into);
        carry("allowed_cache_controls", &self.allowed_cache_controls, into);
        carry("guardrails", &self.guardrails, into);
        carry("policies", &self.policies, into);
        carry("prompts", &self.prompts, into);
        carry("access_group_ids", &self.access_group_ids, into);
        carry("allowed_passthrough_routes", &self.allowed_passthrough_routes, into);
    }
}

fn plain(count: &Patch<Count>) -> Patch<u64> {
    match count {
        Patch::Absent => Patch::Absent,
        Patch::Null => Patch::Null,
        Patch::Set(count) => Patch::Set(count.0),
    }
}

/// Puts windows of a budget where the body has them.
pub fn windows(limits: Patch<Vec<Limit>>, bounds: &mut Bounds) {
    match limits {
        Patch::Absent => {}
        Patch::Null => bounds.budget_limits = Vec::new(),
        Patch::Set(limits) => bounds.budget_limits = limits.into_iter().map(Into::into).collect(),
    }
}

/// Checks budgets for single models.
///
/// # Errors
/// 400: an amount, a duration or a name is none.
pub fn check_models(budgets: &Patch<BTreeMap<String, OneModel>>) -> Result<(), Refusal> {
    for (model, budget) in budgets.value().into_iter().flatten() {
        check::budget("model_max_budget", &Patch::Set(budget.max_budget))?;
        check::name("model_max_budget", model)?;
        let window = budget.budget_duration.clone().map_or(Patch::Absent, Patch::Set);
        check::window("model_max_budget.budget_duration", &window)?;
    }
    Ok(())
}

/// Puts budgets for single models where the body has them.
pub fn models(budgets: Patch<BTreeMap<String, OneModel>>, bounds: &mut Bounds) {
    let budget = |one: OneModel| ModelBudget { max_budget: one.max_budget, budget_duration: one.budget_duration };
    match budgets {
        Patch::Absent => {}
        Patch::Null => bounds.model_max_budget = BTreeMap::new(),
        Patch::Set(all) => {
            bounds.model_max_budget = all.into_iter().map(|(model, one)| (model, budget(one))).collect();
        }
    }
}

/// Puts a map of counts where the body has it.
pub fn counts(counts: Patch<BTreeMap<String, Count>>, into: &mut BTreeMap<String, u64>) {
    match counts {
        Patch::Absent => {}
        Patch::Null => *into = BTreeMap::new(),
        Patch::Set(counts) => *into = counts.into_iter().map(|(model, count)| (model, count.0)).collect(),
    }
}

/// Puts a member among those that are carried, where the body has it.
pub fn carry<T: serde::Serialize>(name: &str, value: &Patch<T>, into: &mut BTreeMap<String, Json>) {
    match value {
        Patch::Absent => {}
        Patch::Null => {
            into.remove(name);
        }
        Patch::Set(value) => {
            let text = serde_json::to_string(value).ok();
            if let Some(json) = text.and_then(|text| Json::parse(&text).ok()) {
                into.insert(name.to_owned(), json);
            }
        }
    }
}
