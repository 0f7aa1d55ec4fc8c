//! A user as answers show one.

use std::collections::HashMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::actor;
use crate::admin::ask::Ask;
use crate::admin::bounds::BoundsRow;
use crate::exchange::World;
use crate::roster::{Json, Moment, OrganizationMember, Roster, TeamMember, User};
use crate::vocabulary::{Now, ScopeKind};

/// A user's row.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct UserRow {
    user_id: String,
    user_email: Option<String>,
    user_alias: Option<String>,
    user_role: &'static str,
    sso_user_id: Option<String>,
    teams: Vec<String>,
    organization_memberships: Vec<OrganizationRow>,
    models: Vec<String>,
    blocked: bool,
    #[serde(flatten)]
    bounds: BoundsRow,
    budget_id: Option<String>,
    metadata: Json,
    object_permission: Option<Json>,
    policies: Json,
    created_at: Moment,
    created_by: Option<String>,
    updated_at: Moment,
    updated_by: Option<String>,
}

/// An organization that a user is in.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "UserOrganization")]
struct OrganizationRow {
    organization_id: String,
    user_id: String,
    user_role: &'static str,
}

/// Where users belong: their teams and organizations, by the user.
pub struct Belongings {
    teams: HashMap<String, Vec<Arc<TeamMember>>>,
    organizations: HashMap<String, Vec<Arc<OrganizationMember>>>,
}

impl Belongings {
    /// Those of one user.
    pub fn of(roster: &Roster, user_id: &str) -> Self {
        Self::grouped(
            roster.team_members.filter(|member| member.user_id == user_id),
            roster.organization_members.filter(|member| member.user_id == user_id),
        )
    }

    /// Those of everybody: one pass, where many users are shown.
    pub fn all(roster: &Roster) -> Self {
        Self::grouped(roster.team_members.all(), roster.organization_members.all())
    }

    fn grouped(in_teams: Vec<Arc<TeamMember>>, in_organizations: Vec<Arc<OrganizationMember>>) -> Self {
        let mut all = Self { teams: HashMap::new(), organizations: HashMap::new() };
        for member in in_teams {
            all.teams.entry(member.user_id.clone()).or_default().push(member);
        }
        for member in in_organizations {
            all.organizations.entry(member.user_id.clone()).or_default().push(member);
        }
        all.teams.values_mut().for_each(|teams| teams.sort_by(|a, b| a.team_id.cmp(&b.team_id)));
        let by_id =
            |a: &Arc<OrganizationMember>, b: &Arc<OrganizationMember>| a.organization_id.cmp(&b.organization_id);
        all.organizations.values_mut().for_each(|organizations| organizations.sort_by(by_id));
        all
    }

    /// A user's teams.
    pub fn teams(&self, user_id: &str) -> &[Arc<TeamMember>] {
        self.teams.get(user_id).map_or(&[], Vec::as_slice)
    }

    /// A user's organizations.
    pub fn organizations(&self, user_id: &str) -> &[Arc<OrganizationMember>] {
        self.organizations.get(user_id).map_or(&[], Vec::as_slice)
    }
}

impl UserRow {
    /// The row of a user, with what the user has spent by now.
    pub fn of(world: &World, user: &User, belongings: &Belongings, now: Now) -> Self {
        let carried = |name: &str| user.carried.get(name).cloned();
        let shared = user.budget_id.as_deref().and_then(|id| world.around.roster.budgets.find(id));
        let shared = shared.as_ref().map(|budget| &budget.bounds);
        let organization = |member: &Arc<OrganizationMember>| OrganizationRow {
            organization_id: member.organization_id.clone(),
            user_id: member.user_id.clone(),
            user_role: actor::name(member.user_role),
        };
        Self {
            user_id: user.user_id.clone(),
            user_email: user.user_email.clone(),
            user_alias: user.user_alias.clone(),
            user_role: actor::name(user.user_role),
            sso_user_id: user.sso_user_id.clone(),
            teams: belongings.teams(&user.user_id).iter().map(|member| member.team_id.clone()).collect(),
            organization_memberships: belongings.organizations(&user.user_id).iter().map(organization).collect(),
            models: user.models.clone(),
            blocked: user.blocked,
            bounds: BoundsRow::of(world, (ScopeKind::User, &user.user_id), &user.bounds, shared, now),
            budget_id: user.budget_id.clone(),
            metadata: if user.metadata.is_null() {
                Json::parse("{}").unwrap_or_default()
            } else {
                user.metadata.clone()
            },
            object_permission: carried("object_permission"),
            policies: carried("policies").unwrap_or_else(|| Json::parse("[]").unwrap_or_default()),
            created_at: user.stamp.created_at,
            created_by: user.stamp.created_by.clone(),
            updated_at: user.stamp.updated_at,
            updated_by: user.stamp.updated_by.clone(),
        }
    }
}

/// The row of one user who stands.
pub fn row(ask: &Ask<'_>, user: &User) -> UserRow {
    UserRow::of(ask.world, user, &Belongings::of(ask.roster(), &user.user_id), ask.now)
}
