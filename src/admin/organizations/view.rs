//! An organization and its members as answers show them.

use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::ask::Ask;
use crate::admin::bounds;
use crate::admin::scope::{self, BudgetTable};
use crate::roster::{Json, Moment, Organization, OrganizationMember, Role, Team, User};
use crate::vocabulary::{PicoUsd, ScopeKind};

/// An organization with its members and teams.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Organization")]
pub(super) struct OrganizationRow {
    organization_id: String,
    organization_alias: String,
    budget_id: Option<String>,
    spend: PicoUsd,
    models: Vec<String>,
    metadata: Json,
    blocked: bool,
    model_rpm_limit: std::collections::BTreeMap<String, u64>,
    model_tpm_limit: std::collections::BTreeMap<String, u64>,
    object_permission: Option<Json>,
    created_at: Moment,
    created_by: Option<String>,
    updated_at: Moment,
    updated_by: Option<String>,
    litellm_budget_table: BudgetTable,
    members: Vec<MembershipRow>,
    teams: Vec<TeamOf>,
}

impl OrganizationRow {
    pub(super) fn of(ask: &Ask<'_>, organization: &Organization) -> Self {
        let (id, budget_id) = (organization.organization_id.as_str(), organization.budget_id.as_deref());
        let bounds = scope::in_force(ask.world, &organization.bounds, budget_id);
        let spent = bounds::spent(ask.world, (ScopeKind::Organization, id), &bounds, ask.now);
        let mut members = ask.roster().organization_members.filter(|member| member.organization_id == id);
        members.sort_unstable_by(|a, b| a.user_id.cmp(&b.user_id));
        let mut teams = ask.roster().teams.filter(|team| team.organization_id.as_deref() == Some(id));
        teams.sort_unstable_by(|a, b| a.team_id.cmp(&b.team_id));
        let stamp = organization.stamp.clone();
        Self {
            organization_id: id.to_owned(),
            organization_alias: organization.organization_alias.clone(),
            budget_id: organization.budget_id.clone(),
            spend: spent.spent,
            models: organization.models.clone(),
            metadata: organization.metadata.clone(),
            blocked: organization.blocked,
            model_rpm_limit: bounds.model_rpm_limit.clone(),
            model_tpm_limit: bounds.model_tpm_limit.clone(),
            object_permission: organization.carried.get("object_permission").cloned(),
            created_at: stamp.created_at,
            created_by: stamp.created_by,
            updated_at: stamp.updated_at,
            updated_by: stamp.updated_by,
            litellm_budget_table: BudgetTable::of(&bounds, budget_id, spent.resets_at),
            members: members.iter().map(|member| MembershipRow::of(ask, member)).collect(),
            teams: teams.iter().map(|team| TeamOf::of(ask, team)).collect(),
        }
    }
}

/// A team, in a few words.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TeamOfOrganization")]
struct TeamOf {
    team_id: String,
    team_alias: Option<String>,
    organization_id: Option<String>,
    models: Vec<String>,
    blocked: bool,
    max_budget: Option<PicoUsd>,
    spend: PicoUsd,
}

impl TeamOf {
    fn of(ask: &Ask<'_>, team: &Team) -> Self {
        let spent = bounds::spent(ask.world, (ScopeKind::Team, &team.team_id), &team.bounds, ask.now);
        Self {
            team_id: team.team_id.clone(),
            team_alias: team.team_alias.clone(),
            organization_id: team.organization_id.clone(),
            models: team.models.clone(),
            blocked: team.blocked,
            max_budget: team.bounds.max_budget,
            spend: spent.spent,
        }
    }
}

/// A user in an organization.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OrganizationMembership")]
pub(super) struct MembershipRow {
    user_id: String,
    organization_id: String,
    user_role: &'static str,
    spend: PicoUsd,
    budget_id: Option<String>,
    created_at: Moment,
    updated_at: Moment,
    user: Option<MemberRow>,
    litellm_budget_table: Option<BudgetTable>,
}

impl MembershipRow {
    pub(super) fn of(ask: &Ask<'_>, member: &OrganizationMember) -> Self {
        let budget_id = member.budget_id.as_deref();
        let bounds = scope::in_force(ask.world, &member.bounds, budget_id);
        let id = format!("{}:{}", member.organization_id, member.user_id);
        let spent = bounds::spent(ask.world, (ScopeKind::OrganizationMember, &id), &bounds, ask.now);
        let bounded = budget_id.is_some() || !bounds.is_open();
        let user = ask.roster().users.find(member.user_id.as_str());
        Self {
            user_id: member.user_id.clone(),
            organization_id: member.organization_id.clone(),
            user_role: role(member.user_role),
            spend: spent.spent,
            budget_id: member.budget_id.clone(),
            created_at: member.stamp.created_at,
            updated_at: member.stamp.updated_at,
            user: user.map(|user| MemberRow::of(ask, &user)),
            litellm_budget_table: bounded.then(|| BudgetTable::of(&bounds, budget_id, spent.resets_at)),
        }
    }
}

/// A user, in a few words.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UserOfOrganization")]
pub(super) struct MemberRow {
    user_id: String,
    user_email: Option<String>,
    user_alias: Option<String>,
    user_role: &'static str,
    models: Vec<String>,
    max_budget: Option<PicoUsd>,
    spend: PicoUsd,
}

impl MemberRow {
    pub(super) fn of(ask: &Ask<'_>, user: &User) -> Self {
        let bounds = scope::in_force(ask.world, &user.bounds, user.budget_id.as_deref());
        let spent = bounds::spent(ask.world, (ScopeKind::User, &user.user_id), &bounds, ask.now);
        Self {
            user_id: user.user_id.clone(),
            user_email: user.user_email.clone(),
            user_alias: user.user_alias.clone(),
            user_role: role(user.user_role),
            models: user.models.clone(),
            max_budget: bounds.max_budget,
            spend: spent.spent,
        }
    }
}

fn role(role: Role) -> &'static str {
    crate::admin::actor::name(role)
}
