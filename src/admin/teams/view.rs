//! A team and its members as answers show them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::bounds::{BoundsRow, spent};
use crate::exchange::World;
use crate::roster::{Bounds, Json, Moment, Roster, Team, TeamMember, TeamRole};
use crate::vocabulary::{Now, PicoUsd, ScopeKind};

/// A team's row.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TeamRow {
    team_id: String,
    team_alias: Option<String>,
    organization_id: Option<String>,
    admins: Vec<String>,
    members: Vec<String>,
    members_with_roles: Vec<MemberRow>,
    team_member_permissions: Vec<String>,
    metadata: Json,
    tags: Vec<String>,
    models: Vec<String>,
    model_aliases: BTreeMap<String, String>,
    litellm_model_table: Option<ModelTable>,
    blocked: bool,
    #[serde(flatten)]
    bounds: BoundsRow,
    team_member_budget: Option<PicoUsd>,
    team_member_budget_duration: Option<String>,
    team_member_rpm_limit: Option<u64>,
    team_member_tpm_limit: Option<u64>,
    team_member_key_duration: Option<String>,
    team_member_budget_table: Option<MemberBudget>,
    guardrails: Json,
    policies: Json,
    prompts: Json,
    object_permission: Option<Json>,
    router_settings: Option<Json>,
    access_group_ids: Json,
    allowed_passthrough_routes: Json,
    created_at: Moment,
    created_by: Option<String>,
    updated_at: Moment,
    updated_by: Option<String>,
}

/// A team's own names for models, where LiteLLM's clients look for them.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct ModelTable {
    model_aliases: BTreeMap<String, String>,
}

/// A member in the row of a team.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct MemberRow {
    user_id: String,
    user_email: Option<String>,
    role: &'static str,
}

/// The name of a role in a team.
pub(super) const fn role(role: TeamRole) -> &'static str {
    match role {
        TeamRole::Admin => "admin",
        TeamRole::User => "user",
    }
}

/// A member with what was spent through keys of the team.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Membership {
    user_id: String,
    team_id: String,
    user_email: Option<String>,
    role: &'static str,
    spend: PicoUsd,
    budget_id: Option<String>,
    budget_reset_at: Option<Moment>,
    allowed_models: Vec<String>,
    litellm_budget_table: Option<MemberBudget>,
    created_at: Moment,
    updated_at: Moment,
}

/// What a member may spend, and how often.
#[derive(Clone, Debug, Serialize, JsonSchema)]
struct MemberBudget {
    budget_id: Option<String>,
    max_budget: Option<PicoUsd>,
    soft_budget: Option<PicoUsd>,
    budget_duration: Option<String>,
    max_parallel_requests: Option<u64>,
    tpm_limit: Option<u64>,
    rpm_limit: Option<u64>,
}

impl MemberBudget {
    fn of(bounds: &Bounds, budget_id: Option<&String>) -> Option<Self> {
        if bounds.is_open() && budget_id.is_none() {
            return None;
        }
        Some(Self {
            budget_id: budget_id.cloned(),
            max_budget: bounds.max_budget,
            soft_budget: bounds.soft_budget,
            budget_duration: bounds.budget_duration.clone(),
            max_parallel_requests: bounds.max_parallel_requests,
            tpm_limit: bounds.tpm_limit,
            rpm_limit: bounds.rpm_limit,
        })
    }
}

impl Membership {
    /// The row of a member of a team.
    pub(super) fn of(world: &World, team: &Team, member: &TeamMember, now: Now) -> Self {
        let shared = member.budget_id.as_deref().and_then(|id| world.around.roster.budgets.find(id));
        let own = shared.map_or_else(|| member.bounds.clone(), |budget| member.bounds.or(&budget.bounds));
        let bounds = own.or(&team.team_member_bounds);
        let id = format!("{}:{}", member.team_id, member.user_id);
        let spent = spent(world, (ScopeKind::TeamMember, &id), &bounds, now);
        Self {
            user_id: member.user_id.clone(),
            team_id: member.team_id.clone(),
            user_email: member.user_email.clone(),
            role: role(member.role),
            spend: spent.spent,
            budget_id: member.budget_id.clone(),
            budget_reset_at: spent.resets_at,
            allowed_models: member.allowed_models.clone(),
            litellm_budget_table: MemberBudget::of(&bounds, member.budget_id.as_ref()),
            created_at: member.stamp.created_at,
            updated_at: member.stamp.updated_at,
        }
    }
}

/// Members of teams, by the team, each list in the order of their ids.
pub struct Members(HashMap<String, Vec<Arc<TeamMember>>>);

impl Members {
    /// Those of one team.
    pub fn of(roster: &Roster, team_id: &str) -> Self {
        Self::grouped(roster.team_members.filter(|member| member.team_id == team_id))
    }

    /// Those of all teams: one pass, where many teams are shown.
    pub fn all(roster: &Roster) -> Self {
        Self::grouped(roster.team_members.all())
    }

    fn grouped(members: Vec<Arc<TeamMember>>) -> Self {
        let mut teams: HashMap<String, Vec<Arc<TeamMember>>> = HashMap::new();
        members.into_iter().for_each(|member| teams.entry(member.team_id.clone()).or_default().push(member));
        teams.values_mut().for_each(|members| members.sort_by(|a, b| a.user_id.cmp(&b.user_id)));
        Self(teams)
    }

    /// The members of a team.
    pub fn in_team(&self, team_id: &str) -> &[Arc<TeamMember>] {
        self.0.get(team_id).map_or(&[], Vec::as_slice)
    }
}

impl TeamRow {
    /// The row of a team, with what it has spent by now.
    pub fn of(world: &World, team: &Team, members: &Members, now: Now) -> Self {
        let members = members.in_team(&team.team_id);
        let each = &team.team_member_bounds;
        let carried = |name: &str| team.carried.get(name).cloned();
        let list = |name: &str| carried(name).unwrap_or_else(|| literal("[]"));
        let table = ModelTable { model_aliases: team.model_aliases.clone() };
        Self {
            team_id: team.team_id.clone(),
            team_alias: team.team_alias.clone(),
            organization_id: team.organization_id.clone(),
            admins: ids(members, TeamRole::Admin),
            members: ids(members, TeamRole::User),
            members_with_roles: members.iter().map(|member| MemberRow::from(&**member)).collect(),
            team_member_permissions: team.team_member_permissions.clone(),
            metadata: if team.metadata.is_null() { literal("{}") } else { team.metadata.clone() },
            tags: team.tags.clone(),
            models: team.models.clone(),
            model_aliases: team.model_aliases.clone(),
            litellm_model_table: (!team.model_aliases.is_empty()).then_some(table),
            blocked: team.blocked,
            bounds: BoundsRow::of(world, (ScopeKind::Team, &team.team_id), &team.bounds, None, now),
            team_member_budget: each.max_budget,
            team_member_budget_duration: each.budget_duration.clone(),
            team_member_rpm_limit: each.rpm_limit,
            team_member_tpm_limit: each.tpm_limit,
            team_member_key_duration: team.team_member_key_duration.clone(),
            team_member_budget_table: MemberBudget::of(each, None),
            guardrails: list("guardrails"),
            policies: list("policies"),
            prompts: list("prompts"),
            object_permission: carried("object_permission"),
            router_settings: carried("router_settings"),
            access_group_ids: list("access_group_ids"),
            allowed_passthrough_routes: list("allowed_passthrough_routes"),
            created_at: team.stamp.created_at,
            created_by: team.stamp.created_by.clone(),
            updated_at: team.stamp.updated_at,
            updated_by: team.stamp.updated_by.clone(),
        }
    }
}

impl From<&TeamMember> for MemberRow {
    fn from(member: &TeamMember) -> Self {
        Self { user_id: member.user_id.clone(), user_email: member.user_email.clone(), role: role(member.role) }
    }
}

fn ids(members: &[Arc<TeamMember>], role: TeamRole) -> Vec<String> {
    members.iter().filter(|member| member.role == role).map(|member| member.user_id.clone()).collect()
}

fn literal(text: &str) -> Json {
    Json::parse(text).unwrap_or_default()
}
