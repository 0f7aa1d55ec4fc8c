//! `/user/new`: a user, where the user belongs, and a first key.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::fields::{InTeam, UserFields};
use super::find::{is_free, stranger};
use super::update::{fits, may_be};
use super::view::{UserRow, row};
use crate::admin::ask::{Action, Ask, put};
use crate::admin::bounds::{begin_anew, spent};
use crate::admin::check;
use crate::admin::keys::{self, KeyFields, WholeKeyRow};
use crate::admin::patch::Patch;
use crate::admin::reply::{Refusal, Reply};
use crate::ledger::Adjustment;
use crate::roster::{Bounds, Moment, OrganizationMember, Role, TeamMember, TeamRole, User};
use crate::vocabulary::{KeyHash, PicoUsd, ScopeKind};

/// What `/user/new` gives: the user's row, and the key, once, if one was made.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UserMade")]
pub(super) struct Made {
    key: Option<String>,
    token: Option<KeyHash>,
    token_id: Option<KeyHash>,
    key_name: Option<String>,
    key_alias: Option<String>,
    expires: Option<Moment>,
    #[serde(flatten)]
    user: UserRow,
    key_info: Option<WholeKeyRow>,
    /// What of the body has no effect.
    warnings: Vec<String>,
}

pub(super) fn new(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let mut body: UserFields = ask.read()?;
    body.check()?;
    body.made(&ask.world.settings.making.user);
    let writer = ask.write()?;
    let (id, email) = (body.user_id.value(), body.user_email.value());
    if let Some(id) = id.filter(|id| ask.roster().users.has(id.as_str())) {
        return Err(Refusal::told(409, format_args!("User with id {} already exists in DB.", check::Quoted(id))));
    }
    let mut user = stranger(ask, id.map(String::as_str), email.map(String::as_str))?;
    let organizations = organizations(ask, &body)?;
    let mut teams = teams(ask, &body, &user)?;
    teams.extend(default_teams(ask, &body, &user));
    let key = wants_key(ask, &body).then(|| key_fields(&body, &user));
    let (spend, warnings) = (body.spend.value().copied(), body.warnings());
    body.lay_upon(&mut user);
    email_free(ask, &user)?;
    may_be(ask, None, &user)?;
    fits(ask, &user)?;
    let mut changes = vec![put(user.clone())];
    changes.extend(teams.into_iter().map(put));
    changes.extend(organizations.into_iter().map(|of| put(in_organization(ask, of, &user))));
    let adjustments = beginning(ask, &user, spend);
    let made = match key {
        Some(fields) => Some(keys::generate_for(ask, &writer, fields, changes, adjustments)?),
        None => {
            ask.commit_with(&writer, Action::Plain, changes, adjustments)?;
            None
        }
    };
    let record = made.as_ref().and_then(|made| ask.roster().keys.find(&KeyHash::of(&made.key)));
    let token = record.as_ref().map(|key| key.token);
    Reply::json(&Made {
        key: made.map(|made| made.key),
        token,
        token_id: token,
        key_name: record.as_ref().map(|key| key.key_name.clone()),
        key_alias: record.as_ref().and_then(|key| key.key_alias.clone()),
        expires: record.as_ref().and_then(|key| key.expires),
        user: row(ask, &user),
        warnings,
        key_info: record.map(|key| WholeKeyRow::of(ask.world, &key, ask.now)),
    })
}

/// Null and a trimmed e-mail are laid upon the record, too: what stands there must be free.
fn email_free(ask: &Ask<'_>, user: &User) -> Result<(), Refusal> {
    let email = user.user_email.as_deref();
    email.map_or(Ok(()), |email| is_free(ask.roster(), email, Some(&user.user_id)))
}

/// Whoever is no administrator does not get to know keys of others.
fn wants_key(ask: &Ask<'_>, body: &UserFields) -> bool {
    body.auto_create_key.value().copied().unwrap_or_else(|| ask.actor.is_admin())
}

fn key_fields(body: &UserFields, user: &User) -> KeyFields {
    KeyFields {
        user_id: Patch::Set(user.user_id.clone()),
        team_id: body.team_id.clone(),
        models: body.models.clone(),
        key_alias: body.key_alias.clone(),
        duration: body.duration.clone(),
        aliases: body.aliases.clone(),
        ..KeyFields::default()
    }
}

/// The organizations that a new user is put into. Whoever is no administrator names one, and manages all of them.
fn organizations(ask: &Ask<'_>, body: &UserFields) -> Result<BTreeSet<String>, Refusal> {
    let mut all: BTreeSet<_> = body.organizations.value().into_iter().flatten().cloned().collect();
    all.extend(body.organization_id.value().cloned());
    if let Some(id) = all.iter().find(|id| !ask.roster().organizations.has(id.as_str())) {
        return Err(Refusal::bad(format_args!("Organization not found for organization_id={}", check::Quoted(id))));
    }
    let foreign = all.iter().find(|id| !ask.actor.manages(ask.roster(), id));
    match foreign {
        Some(id) => Err(Refusal::forbidden(format!("User is not an admin of organization={id}."))),
        None if all.is_empty() && !ask.actor.is_admin() => {
            Err(Refusal::forbidden("a user without an organization is made by an administrator"))
        }
        None => Ok(all),
    }
}

fn in_organization(ask: &Ask<'_>, organization_id: String, user: &User) -> OrganizationMember {
    OrganizationMember {
        organization_id,
        user_id: user.user_id.clone(),
        user_role: match user.user_role {
            Role::InternalUserViewer => Role::InternalUserViewer,
            _ => Role::InternalUser,
        },
        stamp: ask.stamp(),
        ..OrganizationMember::default()
    }
}

/// The teams that a new user is put into: the caller leads all of them.
fn teams(ask: &Ask<'_>, body: &UserFields, user: &User) -> Result<Vec<TeamMember>, Refusal> {
    let mut seen = BTreeSet::new();
    let named = body.teams.value().into_iter().flatten().filter(|team| seen.insert(team.team_id.clone()));
    named.map(|team| in_team(ask, team, user)).collect()
}

/// The teams that the configuration puts every new user into, where the request names none.
fn default_teams(ask: &Ask<'_>, body: &UserFields, user: &User) -> Vec<TeamMember> {
    if body.teams.is_given() {
        return Vec::new();
    }
    let known = ask.world.settings.making.user.teams.iter().filter(|team| ask.roster().teams.has(team.as_str()));
    let plain = |team: &String| InTeam { team_id: team.clone(), role: TeamRole::User, max_budget_in_team: None };
    known.map(|team| member(ask, &plain(team), user)).collect()
}

fn in_team(ask: &Ask<'_>, named: &InTeam, user: &User) -> Result<TeamMember, Refusal> {
    let InTeam { team_id, .. } = named;
    if !ask.roster().teams.has(team_id.as_str()) {
        return Err(Refusal::told(404, format_args!("Team not found, passed team_id={}", check::Quoted(team_id))));
    }
    if !ask.actor.leads(ask.roster(), team_id) {
        return Err(Refusal::forbidden(format!("User is not an admin of team={team_id}.")));
    }
    Ok(member(ask, named, user))
}

fn member(ask: &Ask<'_>, named: &InTeam, user: &User) -> TeamMember {
    let InTeam { team_id, role, max_budget_in_team } = named;
    TeamMember {
        team_id: team_id.clone(),
        user_id: user.user_id.clone(),
        user_email: user.user_email.clone(),
        role: *role,
        bounds: Bounds { max_budget: *max_budget_in_team, ..Bounds::default() },
        stamp: ask.stamp(),
        ..TeamMember::default()
    }
}

/// A new user has spent nothing, or what the body says, whoever had the id before.
fn beginning(ask: &Ask<'_>, user: &User, spend: Option<PicoUsd>) -> Vec<Adjustment> {
    let scope = (ScopeKind::User, user.user_id.as_str());
    let mut adjustments = begin_anew(ask.world, scope, &user.bounds, ask.now);
    if let Some(by) = spend.filter(|spend| *spend != PicoUsd::ZERO) {
        let begun = spent(ask.world, scope, &user.bounds, ask.now);
        adjustments.push(Adjustment { account: begun.account, resets_at_ms: begun.resets_at.map(|at| at.0), by });
    }
    adjustments
}
