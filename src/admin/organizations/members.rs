//! Who belongs to an organization.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::find;
use super::view::{MemberRow, MembershipRow};
use crate::admin::ask::{Action, Ask, new_id, put};
use crate::admin::check::{self, Cut};
use crate::admin::patch::Patch;
use crate::admin::reply::{Refusal, Reply};
use crate::roster::{Change, OrganizationMember, Record, Role, User};
use crate::vocabulary::PicoUsd;

/// What a user is in an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OrganizationRole")]
pub(super) enum MemberRole {
    /// Manages it.
    OrgAdmin,
    /// Belongs to it.
    InternalUser,
    /// Sees it.
    InternalUserViewer,
}

impl From<MemberRole> for Role {
    fn from(role: MemberRole) -> Self {
        match role {
            MemberRole::OrgAdmin => Self::OrgAdmin,
            MemberRole::InternalUser => Self::InternalUser,
            MemberRole::InternalUserViewer => Self::InternalUserViewer,
        }
    }
}

/// A user who is to belong to it: by id or by e-mail.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(rename = "OrganizationMember")]
pub(super) struct Member {
    /// What the user is there.
    role: MemberRole,
    /// The user's id.
    #[serde(default)]
    user_id: Patch<String>,
    /// The user's e-mail.
    #[serde(default)]
    user_email: Patch<String>,
}

/// One, or several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "OrganizationMembers")]
pub(super) enum Members {
    /// One.
    One(Member),
    /// Several.
    Several(Vec<Member>),
}

/// The body of `/organization/member_add`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "OrganizationMemberAdding")]
pub(super) struct Adding {
    /// The organization.
    organization_id: String,
    /// Who.
    member: Members,
    /// What each of them may spend there.
    #[serde(default)]
    max_budget_in_organization: Patch<PicoUsd>,
}

/// The body of `/organization/member_update`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "OrganizationMemberUpdating")]
pub(super) struct Updating {
    /// The organization.
    organization_id: String,
    /// The member's id.
    #[serde(default)]
    user_id: Patch<String>,
    /// Or e-mail.
    #[serde(default)]
    user_email: Patch<String>,
    /// What the member is from now on.
    #[serde(default)]
    role: Patch<MemberRole>,
    /// What the member may spend there.
    #[serde(default)]
    max_budget_in_organization: Patch<PicoUsd>,
}

/// The body of `/organization/member_delete`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "OrganizationMemberLeaving")]
pub(super) struct Leaving {
    /// The organization.
    organization_id: String,
    /// The member's id.
    #[serde(default)]
    user_id: Patch<String>,
    /// Or e-mail.
    #[serde(default)]
    user_email: Patch<String>,
}

/// What `/organization/member_add` gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OrganizationMembersAdded")]
pub(super) struct Added {
    organization_id: String,
    updated_users: Vec<MemberRow>,
    updated_organization_memberships: Vec<MembershipRow>,
}

/// Whether whoever asks manages the organization.
fn must_manage(ask: &Ask<'_>, organization_id: &str) -> Result<(), Refusal> {
    find(ask, organization_id)?;
    if ask.actor.manages(ask.roster(), organization_id) {
        return Ok(());
    }
    let user = ask.actor.user_id().unwrap_or("None");
    Err(Refusal::forbidden(format!(
        "User is not an admin of this organization. user_id={user}, organization_id={}",
        Cut(organization_id)
    )))
}

pub(super) fn add(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Adding { organization_id, member, max_budget_in_organization } = ask.read()?;
    check::budget("max_budget_in_organization", &max_budget_in_organization)?;
    let members = match member {
        Members::One(member) => vec![member],
        Members::Several(members) => members,
    };
    let writer = ask.write()?;
    must_manage(ask, &organization_id)?;
    let (mut users, mut memberships, mut changes) = (Vec::new(), Vec::new(), Vec::new());
    for Member { role, user_id, user_email } in members {
        let user = match known(ask, &user_id, &user_email)? {
            Some(user) => user,
            None => {
                let user = Arc::new(stranger(ask, user_id, user_email)?);
                changes.push(Change::Put(Record::User(user.clone())));
                user
            }
        };
        let mut membership = match ask.roster().organization_member(&organization_id, &user.user_id) {
            Some(member) => OrganizationMember::clone(&member),
            None => OrganizationMember {
                organization_id: organization_id.clone(),
                user_id: user.user_id.clone(),
                stamp: ask.stamp(),
                ..OrganizationMember::default()
            },
        };
        membership.user_role = role.into();
        max_budget_in_organization.clone().put(&mut membership.bounds.max_budget);
        ask.touch(&mut membership.stamp);
        changes.push(put(membership.clone()));
        users.push(user);
        memberships.push(membership);
    }
    ask.commit(&writer, Action::Plain, changes)?;
    Reply::json(&Added {
        organization_id,
        updated_users: users.iter().map(|user| MemberRow::of(ask, user)).collect(),
        updated_organization_memberships: memberships.iter().map(|member| MembershipRow::of(ask, member)).collect(),
    })
}

/// A user on record.
fn known(ask: &Ask<'_>, id: &Patch<String>, email: &Patch<String>) -> Result<Option<Arc<User>>, Refusal> {
    match (id.value(), email.value()) {
        (Some(id), _) => Ok(ask.roster().users.find(id.as_str())),
        (None, Some(email)) => {
            let with = |user: &User| user.user_email.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(email));
            Ok(ask.roster().users.filter(with).into_iter().next())
        }
        (None, None) => Err(Refusal::bad("Either user_id or user_email must be provided")),
    }
}

/// A user who is put on record because an organization names one that is not there.
fn stranger(ask: &Ask<'_>, id: Patch<String>, email: Patch<String>) -> Result<User, Refusal> {
    let mut user = User { user_id: new_id(), stamp: ask.stamp(), ..User::default() };
    if let Patch::Set(id) = id {
        user.user_id = id;
    }
    email.put(&mut user.user_email);
    check::name("user_id", &user.user_id)?;
    user.user_email.as_deref().map_or(Ok(()), |email| check::name("user_email", email))?;
    Ok(user)
}

fn member(
    ask: &Ask<'_>,
    organization_id: &str,
    id: &Patch<String>,
    email: &Patch<String>,
) -> Result<Arc<OrganizationMember>, Refusal> {
    let user_id = known(ask, id, email)?.map(|user| user.user_id.clone()).or_else(|| id.value().cloned());
    let found = user_id.as_deref().and_then(|user| ask.roster().organization_member(organization_id, user));
    let unknown = || {
        let user = user_id.as_deref().or_else(|| email.value().map(String::as_str)).unwrap_or_default();
        Refusal::told(
            404,
            format_args!(
                "Member not found in organization, user_id={}, organization_id={}",
                Cut(user),
                Cut(organization_id)
            ),
        )
    };
    found.ok_or_else(unknown)
}

pub(super) fn update(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: Updating = ask.read()?;
    check::budget("max_budget_in_organization", &body.max_budget_in_organization)?;
    let writer = ask.write()?;
    must_manage(ask, &body.organization_id)?;
    let found = member(ask, &body.organization_id, &body.user_id, &body.user_email)?;
    let mut membership = OrganizationMember::clone(&found);
    body.role.fill(&mut membership.user_role);
    body.max_budget_in_organization.put(&mut membership.bounds.max_budget);
    ask.touch(&mut membership.stamp);
    ask.commit(&writer, Action::Plain, vec![put(membership.clone())])?;
    Reply::json(&MembershipRow::of(ask, &membership))
}

pub(super) fn delete(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Leaving { organization_id, user_id, user_email } = ask.read()?;
    let writer = ask.write()?;
    must_manage(ask, &organization_id)?;
    let found = member(ask, &organization_id, &user_id, &user_email)?;
    let row = MembershipRow::of(ask, &found);
    ask.commit(&writer, Action::Plain, vec![super::remove(Record::OrganizationMember(found))])?;
    Reply::json(&row)
}
