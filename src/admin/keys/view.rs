//! A key as answers show it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::check::Limit;
use crate::admin::live;
use crate::exchange::World;
use crate::ledger::{AccountId, Part, Window};
use crate::roster::{Bounds, Json, Key, KeyType, ModelBudget, Moment};
use crate::vocabulary::{KeyHash, Now, PicoUsd, ScopeKind};

/// A key's row, without its hash.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct KeyRow {
    key_name: String,
    key_alias: Option<String>,
    spend: PicoUsd,
    expires: Option<Moment>,
    models: Vec<String>,
    aliases: BTreeMap<String, String>,
    config: Json,
    router_settings: Json,
    user_id: Option<String>,
    team_id: Option<String>,
    agent_id: Option<Json>,
    project_id: Option<Json>,
    organization_id: Option<String>,
    permissions: Json,
    max_parallel_requests: Option<u64>,
    metadata: Json,
    blocked: Option<bool>,
    tpm_limit: Option<u64>,
    rpm_limit: Option<u64>,
    max_budget: Option<PicoUsd>,
    soft_budget: Option<PicoUsd>,
    budget_duration: Option<String>,
    budget_reset_at: Option<Moment>,
    budget_limits: Vec<Limit>,
    budget_id: Option<String>,
    allowed_cache_controls: Json,
    allowed_routes: Vec<String>,
    key_type: &'static str,
    allowed_ips: Vec<String>,
    enforced_params: Vec<String>,
    tags: Vec<String>,
    model_spend: BTreeMap<String, PicoUsd>,
    model_max_budget: BTreeMap<String, OneModelRow>,
    model_rpm_limit: BTreeMap<String, u64>,
    model_tpm_limit: BTreeMap<String, u64>,
    guardrails: Json,
    policies: Json,
    prompts: Json,
    object_permission: Option<Json>,
    access_group_ids: Json,
    temp_budget_increase: Option<PicoUsd>,
    temp_budget_expiry: Option<Moment>,
    auto_rotate: bool,
    rotation_interval: Option<String>,
    rotation_count: u64,
    last_active: Option<Moment>,
    status: &'static str,
    created_at: Moment,
    created_by: Option<String>,
    updated_at: Moment,
    updated_by: Option<String>,
    litellm_budget_table: Option<BudgetRow>,
}

/// A budget for one model.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct OneModelRow {
    max_budget: PicoUsd,
    budget_limit: PicoUsd,
    budget_duration: Option<String>,
    time_period: Option<String>,
}

impl From<&ModelBudget> for OneModelRow {
    fn from(budget: &ModelBudget) -> Self {
        Self {
            max_budget: budget.max_budget,
            budget_limit: budget.max_budget,
            budget_duration: budget.budget_duration.clone(),
            time_period: budget.budget_duration.clone(),
        }
    }
}

/// A shared budget, where a record names one.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BudgetRow {
    budget_id: String,
    max_budget: Option<PicoUsd>,
    soft_budget: Option<PicoUsd>,
    max_parallel_requests: Option<u64>,
    tpm_limit: Option<u64>,
    rpm_limit: Option<u64>,
    budget_duration: Option<String>,
}

impl BudgetRow {
    /// The shared budget with this id.
    pub fn find(world: &World, id: Option<&str>) -> Option<Self> {
        let budget = world.around.roster.budgets.find(id?)?;
        let bounds = &budget.bounds;
        Some(Self {
            budget_id: budget.budget_id.clone(),
            max_budget: bounds.max_budget,
            soft_budget: bounds.soft_budget,
            max_parallel_requests: bounds.max_parallel_requests,
            tpm_limit: bounds.tpm_limit,
            rpm_limit: bounds.rpm_limit,
            budget_duration: bounds.budget_duration.clone(),
        })
    }
}

/// A key's row with its hash.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct WholeKeyRow {
    token: KeyHash,
    #[serde(flatten)]
    row: KeyRow,
}

impl WholeKeyRow {
    /// The row of a key.
    pub fn of(world: &World, key: &Key, now: Now) -> Self {
        Self { token: key.token, row: KeyRow::of(world, key, now) }
    }
}

impl KeyRow {
    /// The row of a key, with what it has spent by now.
    pub fn of(world: &World, key: &Key, now: Now) -> Self {
        let spent = Spent::of(world, key, now);
        let Bounds { max_budget, soft_budget, budget_duration, budget_limits, model_max_budget, .. } = &key.bounds;
        let account = key.account().to_string();
        let of_model =
            |model: &String| live::part(world, (ScopeKind::Key, &account), &Part::Model(model.clone()), now).0;
        let carried = |name: &str, otherwise: &str| carried(key, name).unwrap_or_else(|| literal(otherwise));
        Self {
            key_name: key.key_name.clone(),
            key_alias: key.key_alias.clone(),
            spend: spent.spent,
            expires: key.expires,
            models: key.models.clone(),
            aliases: key.aliases.clone(),
            config: carried("config", "{}"),
            router_settings: carried("router_settings", "{}"),
            user_id: key.user_id.clone(),
            team_id: key.team_id.clone(),
            agent_id: self::carried(key, "agent_id"),
            project_id: self::carried(key, "project_id"),
            organization_id: key.organization_id.clone(),
            permissions: carried("permissions", "{}"),
            max_parallel_requests: key.bounds.max_parallel_requests,
            metadata: if key.metadata.is_null() { literal("{}") } else { key.metadata.clone() },
            blocked: Some(key.blocked),
            tpm_limit: key.bounds.tpm_limit,
            rpm_limit: key.bounds.rpm_limit,
            max_budget: *max_budget,
            soft_budget: *soft_budget,
            budget_duration: budget_duration.clone(),
            budget_reset_at: spent.resets_at,
            budget_limits: budget_limits.iter().map(Limit::from).collect(),
            budget_id: key.budget_id.clone(),
            allowed_cache_controls: carried("allowed_cache_controls", "[]"),
            allowed_routes: key.shown_routes(),
            key_type: kind(key.key_type),
            allowed_ips: key.allowed_ips.clone(),
            enforced_params: key.enforced_params.clone(),
            tags: key.tags.clone(),
            model_spend: model_max_budget.keys().map(|model| (model.clone(), of_model(model))).collect(),
            model_max_budget: model_max_budget.iter().map(|(model, one)| (model.clone(), one.into())).collect(),
            model_rpm_limit: key.bounds.model_rpm_limit.clone(),
            model_tpm_limit: key.bounds.model_tpm_limit.clone(),
            guardrails: carried("guardrails", "[]"),
            policies: carried("policies", "[]"),
            prompts: carried("prompts", "[]"),
            object_permission: self::carried(key, "object_permission"),
            access_group_ids: carried("access_group_ids", "[]"),
            temp_budget_increase: key.temp_budget_increase,
            temp_budget_expiry: key.temp_budget_expiry,
            auto_rotate: key.auto_rotate,
            rotation_interval: key.rotation_interval.clone(),
            rotation_count: key.rotation_count,
            last_active: None,
            status: status(key, now),
            created_at: key.stamp.created_at,
            created_by: key.stamp.created_by.clone(),
            updated_at: key.stamp.updated_at,
            updated_by: key.stamp.updated_by.clone(),
            litellm_budget_table: BudgetRow::find(world, key.budget_id.as_deref()),
        }
    }
}

/// What somebody has spent in a window, and when that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// The account.
    pub account: AccountId,
    /// How much.
    pub spent: PicoUsd,
    /// When it begins again from zero; None: never.
    pub resets_at: Option<Moment>,
}

impl Spent {
    /// How a key's account stands.
    pub fn of(world: &World, key: &Key, now: Now) -> Self {
        let shared = key.budget_id.as_deref().and_then(|id| world.around.roster.budgets.find(id));
        let bounds = shared.map_or_else(|| key.bounds.clone(), |budget| key.bounds.or(&budget.bounds));
        Self::on(world, AccountId::Key(key.account()), &bounds, now)
    }

    /// How an account stands that has these budgets.
    pub fn on(world: &World, account: AccountId, bounds: &Bounds, now: Now) -> Self {
        let (spent, end) = world.around.ledger.spent(account, now);
        let resets_at = end.map(Moment).or_else(|| ends(world, bounds, now));
        Self { account, spent, resets_at }
    }
}

/// When the window of an account ends that nothing was spent from yet.
fn ends(world: &World, bounds: &Bounds, now: Now) -> Option<Moment> {
    let zone = jiff::tz::TimeZone::get(&world.settings.timezone).ok()?;
    let window = Window::parse(Some(bounds.budget_duration.as_deref()?), &zone).ok()?;
    window.ends_after(now.wall_ms).map(Moment)
}

fn carried(key: &Key, name: &str) -> Option<Json> {
    key.carried.get(name).cloned()
}

fn literal(text: &str) -> Json {
    Json::parse(text).unwrap_or_default()
}

/// The name of a type of key.
pub(super) const fn kind(kind: KeyType) -> &'static str {
    match kind {
        KeyType::Default => "default",
        KeyType::LlmApi => "llm_api",
        KeyType::Management => "management",
        KeyType::ReadOnly => "read_only",
    }
}

/// Whether a key is let in, in a word.
pub(super) fn status(key: &Key, now: Now) -> &'static str {
    match key.expires {
        _ if key.blocked => "blocked",
        Some(expires) if expires.0 <= now.wall_ms => "expired",
        _ => "active",
    }
}
