//! Who asks, and what that lets them ask.

use std::sync::Arc;

use super::reply::Refusal;
use super::route::Route;
use crate::exchange::{Visitor, World};
use crate::roster::{Key, Role, Roster, RouteGroup, TeamRole};
use crate::vocabulary::KeyHash;

/// The user that the master key acts as.
pub const MASTER_USER: &str = "default_user_id";

/// What a route asks of whoever calls it. Each is allowed what those before it are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// Nothing: everybody may.
    Nothing,
    /// A key. The handler shows what is the caller's own.
    AnyKey,
    /// A user who may have keys of the user's own, or leads a team: not a viewer. The handler checks whose they are.
    Member,
    /// A user who manages an organization. The handler checks which.
    OrgAdmin,
    /// To see everything: an administrator, also one who changes nothing.
    Viewer,
    /// To change everything.
    Admin,
}

/// Whoever asks.
#[derive(Clone, Debug)]
pub enum Actor {
    /// Nobody in particular, of a route that needs nothing.
    Anybody,
    /// The master key.
    Master,
    /// A virtual key of the configuration file: it belongs to no user.
    File(KeyHash),
    /// A virtual key on record, with its user's role, if it has a user.
    Key(Arc<Key>, Option<Role>),
}

impl Actor {
    /// The actor that a visitor is.
    pub fn of(visitor: Visitor, roster: &Roster) -> Self {
        match visitor {
            Visitor::Master => Self::Master,
            Visitor::File(hash) => Self::File(hash),
            Visitor::Bearer(key, true) => Self::Key(key, Some(Role::ProxyAdmin)),
            Visitor::Record(key) | Visitor::Bearer(key, false) => {
                let role = key.user_id.as_deref().and_then(|user| roster.users.find(user)).map(|user| user.user_role);
                Self::Key(key, role)
            }
        }
    }

    /// The role: an administrator for the master key.
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Master => Some(Role::ProxyAdmin),
            Self::Key(_, role) => *role,
            Self::Anybody | Self::File(_) => None,
        }
    }

    /// The key on record.
    pub fn key(&self) -> Option<&Arc<Key>> {
        match self {
            Self::Key(key, _) => Some(key),
            Self::Anybody | Self::Master | Self::File(_) => None,
        }
    }

    /// The hash of the key that was shown; None for the master key.
    pub fn hash(&self) -> Option<KeyHash> {
        match self {
            Self::File(hash) => Some(*hash),
            Self::Key(key, _) => Some(key.token),
            Self::Anybody | Self::Master => None,
        }
    }

    /// The user's id.
    pub fn user_id(&self) -> Option<&str> {
        match self {
            Self::Master => Some(MASTER_USER),
            Self::Key(key, _) => key.user_id.as_deref(),
            Self::Anybody | Self::File(_) => None,
        }
    }

    /// The team of the key that was shown.
    pub fn team_id(&self) -> Option<&str> {
        self.key()?.team_id.as_deref()
    }

    /// Whether everything may be changed.
    pub fn is_admin(&self) -> bool {
        self.role() == Some(Role::ProxyAdmin)
    }

    /// Whether everything may be seen.
    pub fn sees_all(&self) -> bool {
        matches!(self.role(), Some(Role::ProxyAdmin | Role::ProxyAdminViewer))
    }

    /// Whether a user is the one who asks.
    pub fn is_user(&self, user_id: Option<&str>) -> bool {
        user_id.is_some() && self.user_id() == user_id
    }

    /// Whether whoever asks is an admin of a team.
    pub fn leads(&self, roster: &Roster, team_id: &str) -> bool {
        let leads = |user: &str| roster.team_member(team_id, user).is_some_and(|member| member.role == TeamRole::Admin);
        self.is_admin() || self.user_id().is_some_and(leads) || self.leads_organization_of(roster, team_id)
    }

    /// Whether whoever asks belongs to a team: as a member, or by the team of the key.
    pub fn is_in(&self, roster: &Roster, team_id: &str) -> bool {
        let member = |user: &str| roster.team_member(team_id, user).is_some();
        self.team_id() == Some(team_id) || self.user_id().is_some_and(member) || self.leads(roster, team_id)
    }

    /// Whether whoever asks is an admin of an organization.
    pub fn manages(&self, roster: &Roster, organization_id: &str) -> bool {
        let manages = |user: &str| {
            let member = roster.organization_member(organization_id, user);
            member.is_some_and(|member| member.user_role == Role::OrgAdmin)
        };
        self.is_admin() || self.user_id().is_some_and(manages)
    }

    fn leads_organization_of(&self, roster: &Roster, team_id: &str) -> bool {
        let organization = roster.teams.find(team_id).and_then(|team| team.organization_id.clone());
        organization.is_some_and(|organization| self.manages(roster, &organization))
    }

    /// Whether a route may be asked for at all.
    ///
    /// # Errors
    /// 403 where the key is not for such routes or its user only sees, 401 where it takes an administrator.
    pub fn may(&self, route: &Route, world: &World) -> Result<(), Refusal> {
        if let Self::Key(key, _) = self {
            self.key_allows(key, route)?;
        }
        if self.meets(route.needs, &world.around.roster) {
            return Ok(());
        }
        match self.role() {
            Some(role @ (Role::ProxyAdminViewer | Role::InternalUserViewer)) if route.needs != Needs::Viewer => {
                Err(Refusal::forbidden(format!(
                    "user not allowed to access this route, role= {}. Trying to access: {}",
                    name(role),
                    route.path
                )))
            }
            role => Err(Refusal::unauthorized(format!(
                "Only proxy admin can be used to generate, delete, update info for new keys/users/teams. Route={}. Your \
                 role={}. Your user_id={}",
                route.path,
                role.map_or("unknown", name),
                masked(self.user_id())
            ))),
        }
    }

    fn meets(&self, needs: Needs, roster: &Roster) -> bool {
        match needs {
            Needs::Nothing => true,
            Needs::AnyKey => !matches!(self, Self::Anybody),
            Needs::Member => {
                matches!(self.role(), Some(Role::ProxyAdmin | Role::InternalUser | Role::OrgAdmin))
                    || self.user_id().is_some_and(|user| leads_any(roster, user) || manages_any(roster, user))
            }
            Needs::OrgAdmin => {
                matches!(self.role(), Some(Role::ProxyAdmin | Role::OrgAdmin))
                    || self.user_id().is_some_and(|user| manages_any(roster, user))
            }
            Needs::Viewer => self.sees_all(),
            Needs::Admin => self.is_admin(),
        }
    }

    /// What the key itself says about routes.
    fn key_allows(&self, key: &Key, route: &Route) -> Result<(), Refusal> {
        if route.needs == Needs::Nothing || key.may_call(group(route), route.path) {
            return Ok(());
        }
        Err(Refusal::forbidden(key.refusal(route.path)))
    }
}

fn group(route: &Route) -> RouteGroup {
    if route.method == super::route::Method::Get { RouteGroup::Info } else { RouteGroup::Management }
}

fn leads_any(roster: &Roster, user: &str) -> bool {
    let leads = |member: &crate::roster::TeamMember| member.user_id == user && member.role == TeamRole::Admin;
    !roster.team_members.filter(leads).is_empty()
}

fn manages_any(roster: &Roster, user: &str) -> bool {
    let manages =
        |member: &crate::roster::OrganizationMember| member.user_id == user && member.user_role == Role::OrgAdmin;
    !roster.organization_members.filter(manages).is_empty()
}

/// A role's name.
pub const fn name(role: Role) -> &'static str {
    match role {
        Role::ProxyAdmin => "proxy_admin",
        Role::ProxyAdminViewer => "proxy_admin_viewer",
        Role::OrgAdmin => "org_admin",
        Role::InternalUser => "internal_user",
        Role::InternalUserViewer => "internal_user_viewer",
        Role::Team => "team",
        Role::Customer => "customer",
    }
}

/// Names as LiteLLM prints a list of them.
pub fn python_list(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
    format!("[{}]", quoted.join(", "))
}

/// A user's id for somebody who may not see it.
fn masked(user_id: Option<&str>) -> String {
    let Some(user) = user_id else { return "None".to_owned() };
    let shown: String = user.chars().take(2).collect();
    if user.chars().count() <= 4 { "****".to_owned() } else { format!("{shown}*****") }
}
