//! The body of `/user/new` and `/user/update`, and how it is laid upon a record.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::find::is_email;
use crate::admin::bounds::BoundsFields;
use crate::admin::check::{self, Limit};
use crate::admin::keys::{OneModel, carry};
use crate::admin::patch::{Count, Object, Patch};
use crate::admin::reply::Refusal;
use crate::config::NewUser;
use crate::roster::{Role, TeamRole, User};
use crate::vocabulary::PicoUsd;

/// What may be said of a user. Absent leaves it as it is, null clears it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct UserFields {
    /// `/user/new`: the id, made here without it. `/user/update`: the user who is meant.
    pub(super) user_id: Patch<String>,
    /// The e-mail; no two users have the same. `/user/update` without `user_id`: the user who is meant.
    pub(super) user_email: Patch<String>,
    /// What people call the user.
    pub(super) user_alias: Patch<String>,
    /// What the user may do.
    pub(super) user_role: Patch<UserRole>,
    /// The user's id at the identity provider.
    pub(super) sso_user_id: Patch<String>,
    /// `/user/new`: teams that the user is put into.
    pub(super) teams: Patch<Vec<InTeam>>,
    /// `/user/new`: the team of the key that is made along.
    pub(super) team_id: Patch<String>,
    /// `/user/new`: organizations that the user is put into.
    pub(super) organizations: Patch<Vec<String>>,
    /// `/user/new`: one more of those.
    pub(super) organization_id: Patch<String>,
    /// Models that the user's own keys may name.
    pub(super) models: Patch<Vec<String>>,
    /// Whether all the user's keys are refused.
    pub(super) blocked: Patch<bool>,
    /// A shared budget.
    pub(super) budget_id: Patch<String>,
    /// Words of its owner's.
    pub(super) metadata: Patch<Object>,
    /// Dollars that may be spent in a window.
    pub(super) max_budget: Patch<PicoUsd>,
    /// Dollars beyond which somebody is told.
    pub(super) soft_budget: Patch<PicoUsd>,
    /// What was spent in this window.
    pub(super) spend: Patch<PicoUsd>,
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
    /// `/user/new`: whether a key is made along; an administrator's users have one without it.
    pub(super) auto_create_key: Patch<bool>,
    /// `/user/new`: what that key is called.
    pub(super) key_alias: Patch<String>,
    /// `/user/new`: how long that key lasts.
    pub(super) duration: Patch<String>,
    /// `/user/new`: that key's own names for models.
    pub(super) aliases: Patch<BTreeMap<String, String>>,
    /// Carried.
    object_permission: Patch<Object>,
    /// Carried.
    policies: Patch<Vec<String>>,
    /// Carried.
    guardrails: Patch<Vec<String>>,
    /// Carried.
    permissions: Patch<Object>,
    /// Carried.
    config: Patch<Object>,
    /// Carried.
    allowed_cache_controls: Patch<Vec<String>>,
    /// Taken; no invitations are sent.
    send_invite_email: Patch<bool>,
}

/// `user_role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum UserRole {
    /// Everything.
    ProxyAdmin,
    /// Sees everything.
    ProxyAdminViewer,
    /// Manages organizations.
    OrgAdmin,
    /// Has keys.
    InternalUser,
    /// Sees what the user's keys spent.
    InternalUserViewer,
    /// Uses teams' keys.
    Team,
    /// A customer.
    Customer,
}

impl UserRole {
    /// The role of that name, of those that a configuration gives.
    fn parse(name: &str) -> Option<Self> {
        match name {
            "proxy_admin" => Some(Self::ProxyAdmin),
            "proxy_admin_viewer" => Some(Self::ProxyAdminViewer),
            "internal_user" => Some(Self::InternalUser),
            "internal_user_viewer" => Some(Self::InternalUserViewer),
            _ => None,
        }
    }
}

impl From<UserRole> for Role {
    fn from(role: UserRole) -> Self {
        match role {
            UserRole::ProxyAdmin => Self::ProxyAdmin,
            UserRole::ProxyAdminViewer => Self::ProxyAdminViewer,
            UserRole::OrgAdmin => Self::OrgAdmin,
            UserRole::InternalUser => Self::InternalUser,
            UserRole::InternalUserViewer => Self::InternalUserViewer,
            UserRole::Team => Self::Team,
            UserRole::Customer => Self::Customer,
        }
    }
}

/// A team that a new user is put into: its id, or that and more.
#[derive(Clone, Debug)]
pub(super) struct InTeam {
    pub(super) team_id: String,
    pub(super) role: TeamRole,
    pub(super) max_budget_in_team: Option<PicoUsd>,
}

/// The longer form of it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "NewUserTeam")]
struct Longer {
    /// The team.
    team_id: String,
    /// What the user is there: `admin` or `user`.
    #[serde(default, alias = "role")]
    user_role: InTeamRole,
    /// Dollars that the user may spend through keys of the team.
    #[serde(default)]
    max_budget_in_team: Option<PicoUsd>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "NewUserTeamRole")]
enum InTeamRole {
    Admin,
    #[default]
    User,
}

impl<'de> Deserialize<'de> for InTeam {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = InTeam;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a string")
            }

            fn visit_str<E>(self, id: &str) -> Result<InTeam, E> {
                Ok(InTeam { team_id: id.to_owned(), role: TeamRole::User, max_budget_in_team: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<InTeam, A::Error> {
                let Longer { team_id, user_role, max_budget_in_team } =
                    Longer::deserialize(MapAccessDeserializer::new(map))?;
                let role = match user_role {
                    InTeamRole::Admin => TeamRole::Admin,
                    InTeamRole::User => TeamRole::User,
                };
                Ok(InTeam { team_id, role, max_budget_in_team })
            }
        }
        from.deserialize_any(Either)
    }
}

impl JsonSchema for InTeam {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "InTeam".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (id, longer) = (generator.subschema_for::<String>(), generator.subschema_for::<Longer>());
        json_schema!({ "anyOf": [id, longer] })
    }
}

impl UserFields {
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
    /// 400: an amount, a duration, a name or an e-mail is none.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        self.bounds().check()?;
        check::budget("spend", &self.spend)?;
        for (name, text) in
            [("user_id", &self.user_id), ("user_alias", &self.user_alias), ("sso_user_id", &self.sso_user_id)]
        {
            text.value().map_or(Ok(()), |text| check::name(name, text))?;
        }
        for team in self.teams.value().into_iter().flatten() {
            check::budget("max_budget_in_team", &team.max_budget_in_team.map_or(Patch::Absent, Patch::Set))?;
        }
        self.user_email.value().map_or(Ok(()), |email| is_email(email))
    }

    /// Fills what the body of a new user leaves open.
    pub(super) fn made(&mut self, new: &NewUser) {
        let NewUser { user_role, allowance, models, max_budget, budget_duration, .. } = new;
        self.user_role.otherwise(user_role.as_deref().and_then(UserRole::parse));
        if self.budget_id.value().is_none() {
            self.max_budget.otherwise(allowance.max_budget);
            self.budget_duration.otherwise(allowance.budget_duration.clone());
        }
        self.rpm_limit.otherwise(allowance.rpm_limit.map(Count));
        self.tpm_limit.otherwise(allowance.tpm_limit.map(Count));
        self.models.unless_said(models.clone());
        let plain =
            matches!(self.user_role.value(), None | Some(UserRole::InternalUser | UserRole::InternalUserViewer));
        if plain && self.max_budget.value().is_none() && self.budget_id.value().is_none() {
            self.max_budget.otherwise(*max_budget);
            self.budget_duration.otherwise(budget_duration.clone());
        }
    }

    /// Whether the body says more than what a user may say of oneself: a name, and words.
    pub(super) fn is_for_admins(&self) -> bool {
        let Self { user_email, user_role, sso_user_id, models, blocked, budget_id, spend, user_id, .. } = self;
        self.bounds().is_given()
            || user_email.is_given() && user_id.is_given()
            || user_role.is_given()
            || sso_user_id.is_given()
            || models.is_given()
            || blocked.is_given()
            || budget_id.is_given()
            || spend.is_given()
            || self.object_permission.is_given()
            || self.policies.is_given()
            || self.guardrails.is_given()
            || self.permissions.is_given()
            || self.config.is_given()
    }

    /// What is given, kept and shown, and has no effect: a word for each.
    pub(super) fn warnings(&self) -> Vec<String> {
        check::inert([
            ("object_permission", self.object_permission.says()),
            ("policies", self.policies.says()),
            ("guardrails", self.guardrails.says()),
            ("permissions", self.permissions.says()),
            ("config", self.config.says()),
            ("allowed_cache_controls", self.allowed_cache_controls.says()),
            ("send_invite_email", self.send_invite_email.says()),
        ])
    }

    /// Lays the body upon a record: what is the user's own. What was spent is no part of it.
    pub(super) fn lay_upon(self, user: &mut User) {
        self.bounds().lay_upon(&mut user.bounds);
        let into = &mut user.carried;
        carry("object_permission", &self.object_permission, into);
        carry("policies", &self.policies, into);
        carry("guardrails", &self.guardrails, into);
        carry("permissions", &self.permissions, into);
        carry("config", &self.config, into);
        carry("allowed_cache_controls", &self.allowed_cache_controls, into);
        self.user_email.put(&mut user.user_email);
        self.user_alias.put(&mut user.user_alias);
        self.user_role.fill(&mut user.user_role);
        self.sso_user_id.put(&mut user.sso_user_id);
        self.models.fill(&mut user.models);
        self.blocked.fill(&mut user.blocked);
        self.budget_id.put(&mut user.budget_id);
        self.metadata.fill(&mut user.metadata);
    }
}
