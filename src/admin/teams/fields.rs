//! The body of `/team/new` and `/team/update`, and how it is laid upon a record.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::admin::bounds::BoundsFields;
use crate::admin::check::{self, Limit};
use crate::admin::keys::{OneModel, carry};
use crate::admin::patch::{Count, Object, Patch};
use crate::admin::reply::Refusal;
use crate::config::NewTeam;
use crate::roster::{Team, TeamRole};
use crate::vocabulary::PicoUsd;

/// What may be said of a team. Absent leaves it as it is, null clears it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct TeamFields {
    /// `/team/new`: its id, made here without it. `/team/update`: the team that is meant.
    pub(super) team_id: Patch<String>,
    /// What people call it.
    pub(super) team_alias: Patch<String>,
    /// The organization it belongs to.
    pub(super) organization_id: Patch<String>,
    /// `/team/new`: users in it.
    pub(super) members_with_roles: Patch<Vec<MemberFields>>,
    /// `/team/new`: ids of users who are its admins.
    pub(super) admins: Patch<Vec<String>>,
    /// `/team/new`: ids of users in it.
    pub(super) members: Patch<Vec<String>>,
    /// What members may do with keys of the team, by path.
    pub(super) team_member_permissions: Patch<Vec<String>>,
    /// Words of its owner's.
    pub(super) metadata: Patch<Object>,
    /// Words that its spend is also counted under.
    pub(super) tags: Patch<Vec<String>>,
    /// Models its keys may name.
    pub(super) models: Patch<Vec<String>>,
    /// Its own names for models.
    pub(super) model_aliases: Patch<BTreeMap<String, String>>,
    /// Whether all its keys are refused.
    pub(super) blocked: Patch<bool>,
    /// Dollars that may be spent in a window.
    pub(super) max_budget: Patch<PicoUsd>,
    /// Dollars beyond which somebody is told.
    pub(super) soft_budget: Patch<PicoUsd>,
    /// The window.
    pub(super) budget_duration: Patch<String>,
    /// More windows.
    pub(super) budget_limits: Patch<Vec<Limit>>,
    /// Budgets for single models.
    pub(super) model_max_budget: Patch<BTreeMap<String, OneModel>>,
    /// Requests a minute.
    pub(super) rpm_limit: Patch<Count>,
    /// Tokens a minute.
    pub(super) tpm_limit: Patch<Count>,
    /// Open requests.
    pub(super) max_parallel_requests: Patch<Count>,
    /// Requests a minute for single models.
    pub(super) model_rpm_limit: Patch<BTreeMap<String, Count>>,
    /// Tokens a minute for single models.
    pub(super) model_tpm_limit: Patch<BTreeMap<String, Count>>,
    /// Dollars that each member may spend, where nothing else is said of the member.
    pub(super) team_member_budget: Patch<PicoUsd>,
    /// The window of that.
    pub(super) team_member_budget_duration: Patch<String>,
    /// Requests a minute of each member.
    pub(super) team_member_rpm_limit: Patch<Count>,
    /// Tokens a minute of each member.
    pub(super) team_member_tpm_limit: Patch<Count>,
    /// How long new keys of members last (`30d`).
    pub(super) team_member_key_duration: Patch<String>,
    /// Carried.
    guardrails: Patch<Vec<String>>,
    /// Carried.
    policies: Patch<Vec<String>>,
    /// Carried.
    prompts: Patch<Vec<String>>,
    /// Carried.
    object_permission: Patch<Object>,
    /// Carried.
    router_settings: Patch<Object>,
    /// Carried.
    access_group_ids: Patch<Vec<String>>,
    /// Carried.
    allowed_passthrough_routes: Patch<Vec<String>>,
    /// Carried.
    allowed_vector_store_indexes: Patch<Vec<Object>>,
    /// Carried.
    secret_manager_settings: Patch<Object>,
    /// Carried.
    rpm_limit_type: Patch<String>,
    /// Carried.
    tpm_limit_type: Patch<String>,
    /// Carried.
    mcp_rpm_limit: Patch<Object>,
}

/// A user in a team, as a body names one: by id, by e-mail, or both.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "Member")]
pub(super) struct MemberFields {
    /// What the member is there.
    #[serde(default)]
    pub(super) role: MemberRole,
    /// The user's id.
    #[serde(default)]
    pub(super) user_id: Option<String>,
    /// The user's e-mail.
    #[serde(default)]
    pub(super) user_email: Option<String>,
}

/// `role` of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum MemberRole {
    /// Manages the team, its members and their keys.
    Admin,
    /// Belongs to it.
    #[default]
    User,
}

impl From<MemberRole> for TeamRole {
    fn from(role: MemberRole) -> Self {
        match role {
            MemberRole::Admin => Self::Admin,
            MemberRole::User => Self::User,
        }
    }
}

/// What members may be allowed to do with keys of their team.
pub(super) const PERMISSIONS: [&str; 12] = [
    "/key/info",
    "/key/health",
    "/key/list",
    "/key/generate",
    "/key/service-account/generate",
    "/key/update",
    "/key/bulk_update",
    "/key/delete",
    "/key/regenerate",
    "/key/block",
    "/key/unblock",
    "/key/reset_spend",
];

impl TeamFields {
    fn bounds(&self) -> BoundsFields {
        BoundsFields {
            max_budget: self.max_budget.clone(),
            soft_budget: self.soft_budget.clone(),
            budget_duration: self.budget_duration.clone(),
            budget_limits: self.budget_limits.clone(),
            model_max_budget: self.model_max_budget.clone(),
            rpm_limit: self.rpm_limit.clone(),
            tpm_limit: self.tpm_limit.clone(),
            max_parallel_requests: self.max_parallel_requests.clone(),
            model_rpm_limit: self.model_rpm_limit.clone(),
            model_tpm_limit: self.model_tpm_limit.clone(),
        }
    }

    /// Checks what can be checked of the body alone.
    ///
    /// # Errors
    /// 400: an amount, a duration, a name or a permission is none.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        self.bounds().check()?;
        check::budget("team_member_budget", &self.team_member_budget)?;
        check::window("team_member_budget_duration", &self.team_member_budget_duration)?;
        if let Some(lasts) = self.team_member_key_duration.value() {
            check::end_of("team_member_key_duration", lasts, crate::roster::Moment(0))?;
        }
        for (name, text) in
            [("team_id", &self.team_id), ("team_alias", &self.team_alias), ("organization_id", &self.organization_id)]
        {
            text.value().map_or(Ok(()), |text| check::name(name, text))?;
        }
        permissions(self.team_member_permissions.value().into_iter().flatten())
    }

    /// Fills what the body of a new team leaves open.
    pub(super) fn made(&mut self, new: &NewTeam) {
        let NewTeam { allowance, models, permissions } = new;
        self.max_budget.otherwise(allowance.max_budget);
        self.budget_duration.otherwise(allowance.budget_duration.clone());
        self.rpm_limit.otherwise(allowance.rpm_limit.map(Count));
        self.tpm_limit.otherwise(allowance.tpm_limit.map(Count));
        self.models.unless_said(models.clone());
        self.team_member_permissions.otherwise(permissions.clone());
    }

    /// Whether the body says what binds the team: that is for those above it, not for its own admins.
    pub(super) fn binds(&self) -> bool {
        self.bounds().is_given()
            || self.organization_id.is_given()
            || self.models.is_given()
            || self.model_aliases.is_given()
            || self.blocked.is_given()
            || self.tags.is_given()
    }

    /// Lays the body upon a record: all of it but the members.
    pub(super) fn lay_upon(self, team: &mut Team) {
        self.bounds().lay_upon(&mut team.bounds);
        self.carried(team);
        self.team_alias.put(&mut team.team_alias);
        self.organization_id.put(&mut team.organization_id);
        self.team_member_permissions.fill(&mut team.team_member_permissions);
        self.metadata.fill(&mut team.metadata);
        self.tags.fill(&mut team.tags);
        self.models.fill(&mut team.models);
        self.model_aliases.fill(&mut team.model_aliases);
        self.blocked.fill(&mut team.blocked);
        self.team_member_key_duration.put(&mut team.team_member_key_duration);
        let each = &mut team.team_member_bounds;
        self.team_member_budget.put(&mut each.max_budget);
        self.team_member_budget_duration.put(&mut each.budget_duration);
        self.team_member_rpm_limit.put(&mut each.rpm_limit);
        self.team_member_tpm_limit.put(&mut each.tpm_limit);
    }

    /// What is carried and not understood, each under its name.
    fn carried(&self, team: &mut Team) {
        let into = &mut team.carried;
        carry("guardrails", &self.guardrails, into);
        carry("policies", &self.policies, into);
        carry("prompts", &self.prompts, into);
        carry("object_permission", &self.object_permission, into);
        carry("router_settings", &self.router_settings, into);
        carry("access_group_ids", &self.access_group_ids, into);
        carry("allowed_passthrough_routes", &self.allowed_passthrough_routes, into);
        carry("allowed_vector_store_indexes", &self.allowed_vector_store_indexes, into);
        carry("secret_manager_settings", &self.secret_manager_settings, into);
        carry("rpm_limit_type", &self.rpm_limit_type, into);
        carry("tpm_limit_type", &self.tpm_limit_type, into);
        carry("mcp_rpm_limit", &self.mcp_rpm_limit, into);
    }

    /// What is given, kept and shown, and has no effect: a word for each.
    pub(super) fn warnings(&self) -> Vec<String> {
        check::inert([
            ("guardrails", self.guardrails.says()),
            ("policies", self.policies.says()),
            ("prompts", self.prompts.says()),
            ("object_permission", self.object_permission.says()),
            ("router_settings", self.router_settings.says()),
            ("access_group_ids", self.access_group_ids.says()),
            ("allowed_passthrough_routes", self.allowed_passthrough_routes.says()),
            ("allowed_vector_store_indexes", self.allowed_vector_store_indexes.says()),
            ("secret_manager_settings", self.secret_manager_settings.says()),
            ("mcp_rpm_limit", self.mcp_rpm_limit.says()),
        ])
    }

    /// The members that the body names, in one list.
    pub(super) fn members(&mut self) -> Vec<MemberFields> {
        let take = |ids: &mut Patch<Vec<String>>, role: MemberRole| {
            let ids = std::mem::take(ids).value().cloned().unwrap_or_default();
            ids.into_iter().map(move |id| MemberFields { role, user_id: Some(id), user_email: None })
        };
        let mut all = std::mem::take(&mut self.members_with_roles).value().cloned().unwrap_or_default();
        all.extend(take(&mut self.admins, MemberRole::Admin));
        all.extend(take(&mut self.members, MemberRole::User));
        all
    }
}

/// Checks that these are permissions.
///
/// # Errors
/// 400: one is none.
pub(super) fn permissions<'a>(paths: impl Iterator<Item = &'a String>) -> Result<(), Refusal> {
    let mut strange = paths.filter(|path| !PERMISSIONS.contains(&path.as_str()));
    strange.next().map_or(Ok(()), |path| {
        let known = PERMISSIONS.join(", ");
        let found = check::Quoted(path);
        Err(Refusal::bad(format_args!("team_member_permissions: expected some of {known}, found {found}")))
    })
}
