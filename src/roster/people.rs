//! Teams, users, members, customers, organizations, and budgets that several share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::bounds::Bounds;
use super::plain::{Json, Moment, Stamp, default};

/// A team.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Team {
    /// Its id.
    pub team_id: String,
    /// What people call it.
    #[serde(default, skip_serializing_if = "default")]
    pub team_alias: Option<String>,
    /// The organization it belongs to.
    #[serde(default, skip_serializing_if = "default")]
    pub organization_id: Option<String>,
    /// Models its keys may name. Empty allows all.
    #[serde(default, skip_serializing_if = "default")]
    pub models: Vec<String>,
    /// Its own names for models.
    #[serde(default, skip_serializing_if = "default")]
    pub model_aliases: BTreeMap<String, String>,
    /// Budgets and limits.
    #[serde(flatten)]
    pub bounds: Bounds,
    /// What each member may spend at most, where nothing else is said of the member.
    #[serde(default, skip_serializing_if = "default")]
    pub team_member_bounds: Bounds,
    /// How long new keys of members are valid (`30d`).
    #[serde(default, skip_serializing_if = "default")]
    pub team_member_key_duration: Option<String>,
    /// What members may do with keys of the team, by path (`/key/generate`).
    #[serde(default, skip_serializing_if = "default")]
    pub team_member_permissions: Vec<String>,
    /// Whether all its keys are refused.
    #[serde(default, skip_serializing_if = "default")]
    pub blocked: bool,
    /// Words that its spend is also counted under.
    #[serde(default, skip_serializing_if = "default")]
    pub tags: Vec<String>,
    /// Words of its owner's.
    #[serde(default, skip_serializing_if = "default")]
    pub metadata: Json,
    /// Carried for clients that set it, each under its name.
    #[serde(default, skip_serializing_if = "default")]
    pub carried: BTreeMap<String, Json>,
    /// Who made it, and when.
    #[serde(flatten)]
    pub stamp: Stamp,
}

/// What a member is in a team, or in an organization.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TeamRole {
    /// May manage the team, its keys and its members.
    Admin,
    /// Belongs to it.
    #[default]
    User,
}

/// A user in a team, or in an organization: the group's id, then the user's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId {
    /// The team, or the organization.
    pub of: String,
    /// The user.
    pub user_id: String,
}

/// A user in a team.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TeamMember {
    /// The team.
    pub team_id: String,
    /// The user.
    pub user_id: String,
    /// As the member was named, where by e-mail.
    #[serde(default, skip_serializing_if = "default")]
    pub user_email: Option<String>,
    /// What the member is there.
    #[serde(default, skip_serializing_if = "default")]
    pub role: TeamRole,
    /// What the member may spend through keys of the team.
    #[serde(flatten)]
    pub bounds: Bounds,
    /// A shared budget.
    #[serde(default, skip_serializing_if = "default")]
    pub budget_id: Option<String>,
    /// Models the member may name through keys of the team. Empty: those of the team.
    #[serde(default, skip_serializing_if = "default")]
    pub allowed_models: Vec<String>,
    /// Who made it, and when.
    #[serde(flatten)]
    pub stamp: Stamp,
}

/// What a user may do (`user_role`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything.
    ProxyAdmin,
    /// See everything.
    ProxyAdminViewer,
    /// Manage the organizations in which the user is an admin.
    OrgAdmin,
    /// Have keys, and see what they spent.
    #[default]
    InternalUser,
    /// See what the user's keys spent.
    InternalUserViewer,
    /// Use teams' keys.
    Team,
    /// A customer.
    Customer,
}

/// An internal user.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// The user's id.
    pub user_id: String,
    /// The user's e-mail; no two users have the same.
    #[serde(default, skip_serializing_if = "default")]
    pub user_email: Option<String>,
    /// What people call the user.
    #[serde(default, skip_serializing_if = "default")]
    pub user_alias: Option<String>,
    /// What the user may do.
    #[serde(default, skip_serializing_if = "default")]
    pub user_role: Role,
    /// Models the user's own keys may name. Empty allows all.
    #[serde(default, skip_serializing_if = "default")]
    pub models: Vec<String>,
    /// Budgets and limits of the user's own keys.
    #[serde(flatten)]
    pub bounds: Bounds,
    /// A shared budget.
    #[serde(default, skip_serializing_if = "default")]
    pub budget_id: Option<String>,
    /// The user's id at the identity provider.
    #[serde(default, skip_serializing_if = "default")]
    pub sso_user_id: Option<String>,
    /// Whether all the user's keys are refused.
    #[serde(default, skip_serializing_if = "default")]
    pub blocked: bool,
    /// Words of its owner's.
    #[serde(default, skip_serializing_if = "default")]
    pub metadata: Json,
    /// Carried for clients that set it, each under its name.
    #[serde(default, skip_serializing_if = "default")]
    pub carried: BTreeMap<String, Json>,
    /// Who made it, and when.
    #[serde(flatten)]
    pub stamp: Stamp,
}

/// A customer: whom a request names in `user`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Customer {
    /// The customer's id.
    pub user_id: String,
    /// What people call the customer.
    #[serde(default, skip_serializing_if = "default")]
    pub alias: Option<String>,
    /// Whether the customer's requests are refused.
    #[serde(default, skip_serializing_if = "default")]
    pub blocked: bool,
    /// Where the customer's requests may be answered.
    #[serde(default, skip_serializing_if = "default")]
    pub allowed_model_region: Option<String>,
    /// The model of requests that name none.
    #[serde(default, skip_serializing_if = "default")]
    pub default_model: Option<String>,
    /// Models the customer's requests may name. Empty allows all.
    #[serde(default, skip_serializing_if = "default")]
    pub models: Vec<String>,
    /// Budgets and limits.
    #[serde(flatten)]
    pub bounds: Bounds,
    /// A shared budget.
    #[serde(default, skip_serializing_if = "default")]
    pub budget_id: Option<String>,
    /// Words of its owner's.
    #[serde(default, skip_serializing_if = "default")]
    pub metadata: Json,
    /// Who made it, and when.
    #[serde(flatten)]
    pub stamp: Stamp,
}

/// An organization: several teams.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Organization {
    /// Its id.
    pub organization_id: String,
    /// What people call it.
    pub organization_alias: String,
    /// Models its teams and keys may name. Empty allows all.
    #[serde(default, skip_serializing_if = "default")]
    pub models: Vec<String>,
    /// Budgets and limits.
    #[serde(flatten)]
    pub bounds: Bounds,
    /// A shared budget.
    #[serde(default, skip_serializing_if = "default")]
    pub budget_id: Option<String>,
    /// Whether everything in it is refused.
    #[serde(default, skip_serializing_if = "default")]
    pub blocked: bool,
    /// Words of its owner's.
    #[serde(default, skip_serializing_if = "default")]
    pub metadata: Json,
    /// Carried for clients that set it, each under its name.
    #[serde(default, skip_serializing_if = "default")]
    pub carried: BTreeMap<String, Json>,
    /// Who made it, and when.
    #[serde(flatten)]
    pub stamp: Stamp,
}

/// A user in an organization.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OrganizationMember {
    /// The organization.
    pub organization_id: String,
    /// The user.
    pub user_id: String,
    /// What the user is there.
    #[serde(default, skip_serializing_if = "default")]
    pub user_role: Role,
    /// What the user may spend there.
    #[serde(flatten)]
    pub bounds: Bounds,
    /// A shared budget.
    #[serde(default, skip_serializing_if = "default")]
    pub budget_id: Option<String>,
    /// Who made it, and when.
    #[serde(flatten)]
    pub stamp: Stamp,
}

/// Budgets and limits that several records name by `budget_id`: each has them for itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Its id.
    pub budget_id: String,
    /// What it allows.
    #[serde(flatten)]
    pub bounds: Bounds,
    /// When its window ended last, where somebody set it.
    #[serde(default, skip_serializing_if = "default")]
    pub budget_reset_at: Option<Moment>,
    /// Who made it, and when.
    #[serde(flatten)]
    pub stamp: Stamp,
}
