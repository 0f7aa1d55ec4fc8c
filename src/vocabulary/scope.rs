//! On whose behalf a request is made: the kinds of what has budgets and limits.

use std::fmt;

/// A kind of what has budgets and limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ScopeKind {
    /// A virtual key.
    Key,
    /// A user within a team.
    TeamMember,
    /// A team.
    Team,
    /// The user a key belongs to.
    User,
    /// An organization.
    Organization,
    /// A user within an organization.
    OrganizationMember,
    /// Whom a request names in `user`.
    Customer,
    /// A word that spend is counted under.
    Tag,
    /// A provider.
    Provider,
    /// A deployment.
    Deployment,
}

impl ScopeKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Key,
        Self::TeamMember,
        Self::Team,
        Self::User,
        Self::Organization,
        Self::OrganizationMember,
        Self::Customer,
        Self::Tag,
        Self::Provider,
        Self::Deployment,
    ];

    /// The word for it in messages about limits, as LiteLLM has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "api_key",
            Self::TeamMember => "team_member",
            Self::Team => "team",
            Self::User => "user",
            Self::Organization => "organization",
            Self::OrganizationMember => "organization_member",
            Self::Customer => "end_user",
            Self::Tag => "tag",
            Self::Provider => "provider",
            Self::Deployment => "deployment",
        }
    }

    /// The word for a limit of it on one model.
    pub const fn of_model(self) -> &'static str {
        match self {
            Self::Key => "model_per_key",
            Self::TeamMember => "model_per_team_member",
            Self::Team => "model_per_team",
            Self::User => "model_per_user",
            Self::Organization => "model_per_organization",
            Self::OrganizationMember => "model_per_organization_member",
            Self::Customer => "model_per_end_user",
            Self::Tag => "model_per_tag",
            Self::Provider => "model_per_provider",
            Self::Deployment => "model_per_deployment",
        }
    }

    /// Its name in messages about budgets.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Key => "Key",
            Self::TeamMember => "TeamMember",
            Self::Team => "Team",
            Self::User => "User",
            Self::Organization => "Organization",
            Self::OrganizationMember => "OrganizationMember",
            Self::Customer => "End User",
            Self::Tag => "Tag",
            Self::Provider => "Provider",
            Self::Deployment => "Deployment",
        }
    }

    /// A number that stays, for files.
    pub const fn code(self) -> u8 {
        match self {
            Self::Key => 0,
            Self::TeamMember => 1,
            Self::Team => 2,
            Self::User => 3,
            Self::Organization => 4,
            Self::OrganizationMember => 5,
            Self::Customer => 6,
            Self::Tag => 7,
            Self::Provider => 8,
            Self::Deployment => 9,
        }
    }

    /// The kind with this number.
    pub fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

impl fmt::Display for ScopeKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}
