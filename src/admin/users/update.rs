//! `/user/update`, `/user/bulk_update`, `/user/delete`: users changed and taken away.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fields::UserFields;
use super::find::{by_email, is_free, seen, unknown};
use super::view::{UserRow, row};
use crate::admin::ask::{Action, Ask, put};
use crate::admin::bounds::spent;
use crate::admin::check;
use crate::admin::patch::Patch;
use crate::admin::reply::{Refusal, Reply};
use crate::ledger::Adjustment;
use crate::roster::{Change, Record, Role, User, Writer};
use crate::vocabulary::{PicoUsd, ScopeKind};

/// Users that one request may change.
const BULK_MAX: usize = 500;
/// Users that one request may take away.
const DELETED_MAX: usize = 500;

/// What `/user/update` gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UserUpdated")]
pub(super) struct Updated {
    user_id: String,
    data: UserRow,
    /// What of the body has no effect.
    warnings: Vec<String>,
}

pub(super) fn update(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: UserFields = ask.read()?;
    let (writer, warnings) = (ask.write()?, body.warnings());
    let user = change(ask, &writer, body)?;
    Reply::json(&Updated { user_id: user.user_id.clone(), data: row(ask, &user), warnings })
}

fn change(ask: &Ask<'_>, writer: &Writer<'_>, body: UserFields) -> Result<User, Refusal> {
    body.check()?;
    let before = meant(ask, &body)?;
    if body.is_for_admins() && !ask.actor.is_admin() {
        return Err(Refusal::forbidden(
            "a user may change user_alias and metadata of oneself; the rest is changed by an administrator",
        ));
    }
    let spend = body.spend.value().copied();
    let mut user = User::clone(&before);
    body.lay_upon(&mut user);
    if let Some(email) = &user.user_email {
        is_free(ask.roster(), email, Some(&user.user_id))?;
    }
    may_be(ask, Some(&before), &user)?;
    fits(ask, &user)?;
    ask.touch(&mut user.stamp);
    let adjustments = set_spend(ask, &user, spend);
    ask.commit_with(writer, Action::Plain, vec![put(user.clone())], adjustments)?;
    Ok(user)
}

/// The user whom the body means: one who may be seen, and oneself unless for an administrator.
fn meant(ask: &Ask<'_>, body: &UserFields) -> Result<Arc<User>, Refusal> {
    let user = match (body.user_id.value(), body.user_email.value()) {
        (Some(id), _) => seen(ask, id)?,
        (None, Some(email)) => {
            let user = by_email(ask.roster(), email).ok_or_else(|| unknown(email))?;
            seen(ask, &user.user_id)?
        }
        (None, None) => return Err(Refusal::bad("Either user_id or user_email must be provided")),
    };
    if ask.actor.is_admin() || ask.actor.is_user(Some(&user.user_id)) {
        return Ok(user);
    }
    Err(Refusal::forbidden("a user is changed by an administrator, or by oneself"))
}

/// Whether the caller may give a user this role.
///
/// # Errors
/// 403: it is for administrators to give.
pub(super) fn may_be(ask: &Ask<'_>, before: Option<&User>, user: &User) -> Result<(), Refusal> {
    let plain = matches!(user.user_role, Role::InternalUser | Role::InternalUserViewer);
    if ask.actor.is_admin()
        || plain && before.is_none()
        || before.is_some_and(|before| before.user_role == user.user_role)
    {
        return Ok(());
    }
    Err(Refusal::forbidden("this user_role is given by an administrator"))
}

/// Whether what a user names is there.
///
/// # Errors
/// 400: there is no such budget.
pub(super) fn fits(ask: &Ask<'_>, user: &User) -> Result<(), Refusal> {
    match user.budget_id.as_deref().filter(|id| !ask.roster().budgets.has(*id)) {
        Some(id) => {
            Err(Refusal::bad(format_args!("Unable to find budget in database. Budget ID: {}", check::Quoted(id))))
        }
        None => Ok(()),
    }
}

fn set_spend(ask: &Ask<'_>, user: &User, amount: Option<PicoUsd>) -> Vec<Adjustment> {
    let Some(amount) = amount else { return Vec::new() };
    let shared = user.budget_id.as_deref().and_then(|id| ask.roster().budgets.find(id));
    let bounds = shared.map_or_else(|| user.bounds.clone(), |budget| user.bounds.or(&budget.bounds));
    let stands = spent(ask.world, (ScopeKind::User, &user.user_id), &bounds, ask.now);
    let by = amount.minus(stands.spent);
    let set = Adjustment { account: stands.account, resets_at_ms: stands.resets_at.map(|at| at.0), by };
    if by == PicoUsd::ZERO { Vec::new() } else { vec![set] }
}

/// What `/user/bulk_update` takes: one of the two.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "UsersFields")]
pub(super) struct Bulk {
    /// At most 500 users, each with what is to be changed.
    #[serde(default)]
    users: Option<Vec<UserFields>>,
    /// All users there are, instead.
    #[serde(default)]
    all_users: Option<bool>,
    /// With `all_users`: what is to be changed.
    #[serde(default)]
    user_updates: Option<Box<UserFields>>,
}

/// What it gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UsersUpdated")]
pub(super) struct BulkDone {
    results: Vec<BulkResult>,
    total_requested: usize,
    successful_updates: usize,
    failed_updates: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UserBulkResult")]
struct BulkResult {
    user_id: Option<String>,
    user_email: Option<String>,
    success: bool,
    error: Option<String>,
    updated_user: Option<UserRow>,
}

/// Each by itself: what fails is told of, and the others are changed.
pub(super) fn bulk(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Bulk { users, all_users, user_updates } = ask.read()?;
    let writer = ask.write()?;
    let bodies = match (users, all_users, user_updates) {
        (Some(users), None | Some(false), None) => users,
        (None, Some(true), Some(updates)) => everybody(ask, &updates)?,
        _ => {
            return Err(Refusal::bad(
                "Must specify either users for individual updates or all_users=True with user_updates",
            ));
        }
    };
    if bodies.is_empty() || bodies.len() > BULK_MAX {
        return Err(Refusal::bad(format_args!("expected 1 to {BULK_MAX} users, found {}", bodies.len())));
    }
    let results: Vec<_> = bodies.into_iter().map(|body| one(ask, &writer, body)).collect();
    let successful_updates = results.iter().filter(|result| result.success).count();
    Reply::json(&BulkDone {
        total_requested: results.len(),
        successful_updates,
        failed_updates: results.len() - successful_updates,
        results,
    })
}

fn everybody(ask: &Ask<'_>, updates: &UserFields) -> Result<Vec<UserFields>, Refusal> {
    if updates.user_id.is_given() || updates.user_email.is_given() {
        return Err(Refusal::bad("user_updates: what is for all users names none"));
    }
    let body = |user: Arc<User>| {
        let mut body = updates.clone();
        body.user_id = Patch::Set(user.user_id.clone());
        body
    };
    Ok(ask.roster().users.all().into_iter().map(body).collect())
}

fn one(ask: &Ask<'_>, writer: &Writer<'_>, body: UserFields) -> BulkResult {
    let (user_id, user_email) = (body.user_id.value().cloned(), body.user_email.value().cloned());
    match change(ask, writer, body) {
        Ok(user) => BulkResult {
            updated_user: Some(row(ask, &user)),
            user_id: Some(user.user_id),
            user_email: user.user_email,
            success: true,
            error: None,
        },
        Err(refusal) => {
            BulkResult { user_id, user_email, success: false, error: Some(refusal.to_string()), updated_user: None }
        }
    }
}

/// Names users.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "UsersNamed")]
pub(super) struct Deleting {
    /// The users.
    user_ids: Vec<String>,
}

/// All of them, with their keys and their places in teams and organizations, or none. Gives how many.
pub(super) fn delete(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Deleting { mut user_ids } = ask.read()?;
    user_ids.sort_unstable();
    user_ids.dedup();
    if user_ids.is_empty() || user_ids.len() > DELETED_MAX {
        return Err(Refusal::bad(format_args!(
            "user_ids: expected 1 to {DELETED_MAX} users, found {}",
            user_ids.len()
        )));
    }
    let writer = ask.write()?;
    let roster = ask.roster();
    let find = |id: &String| {
        let missing = || Refusal::told(404, format_args!("User not found, passed user_id={}", check::Quoted(id)));
        roster.users.find(id.as_str()).map(Record::User).ok_or_else(missing)
    };
    let mut gone = user_ids.iter().map(find).collect::<Result<Vec<_>, _>>()?;
    let of = |user: &str| user_ids.binary_search_by(|id| id.as_str().cmp(user)).is_ok();
    let members = roster.team_members.filter(|member| of(&member.user_id));
    let in_organizations = roster.organization_members.filter(|member| of(&member.user_id));
    let keys = roster.keys.filter(|key| key.user_id.as_deref().is_some_and(of));
    gone.extend(members.into_iter().map(Record::TeamMember));
    gone.extend(in_organizations.into_iter().map(Record::OrganizationMember));
    gone.extend(keys.into_iter().map(Record::Key));
    let changes = gone.iter().map(|record| Change::Remove(record.kind(), record.id())).collect();
    ask.commit(&writer, Action::Plain, changes)?;
    Reply::json(&user_ids.len())
}
