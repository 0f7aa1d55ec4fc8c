//! `/team/new`, `/team/update`, `/team/block`, `/team/unblock`, `/team/delete`: teams made, changed, switched off and taken
//! away.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fields::{MemberFields, MemberRole, TeamFields};
use super::join::Joining;
use super::reach::{May, fits, meant};
use super::view::{Members, TeamRow};
use crate::admin::actor::Actor;
use crate::admin::ask::{Action, Ask, new_id, put};
use crate::admin::bounds::begin_anew;
use crate::admin::check;
use crate::admin::reply::{Refusal, Reply};
use crate::roster::{Change, Record, Team};
use crate::vocabulary::ScopeKind;

/// Teams that one request may take away.
const DELETED_MAX: usize = 100;

/// What `/team/new` gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TeamMade")]
pub(super) struct Made {
    #[serde(flatten)]
    team: TeamRow,
    /// What of the body has no effect.
    warnings: Vec<String>,
}

pub(super) fn new(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let mut body: TeamFields = ask.read()?;
    body.made(&ask.world.settings.making.team);
    body.check()?;
    let writer = ask.write()?;
    let team_id = body.team_id.value().cloned().unwrap_or_else(new_id);
    if ask.roster().teams.has(team_id.as_str()) {
        return Err(Refusal::bad(format_args!("Team id = {team_id} already exists. Please use a different team id.")));
    }
    let mut team = Team { team_id, stamp: ask.stamp(), ..Team::default() };
    let (named, warnings) = (with_creator(ask, body.members()), body.warnings());
    body.lay_upon(&mut team);
    fits(ask, &team)?;
    let mut joining = Joining::new(ask, &team);
    named.iter().try_for_each(|member| joining.add(member).map(drop))?;
    let adjustments = begin_anew(ask.world, (ScopeKind::Team, &team.team_id), &team.bounds, ask.now);
    let mut changes = vec![put(team.clone())];
    changes.extend(joining.into_changes());
    ask.commit_with(&writer, Action::Plain, changes, adjustments)?;
    Reply::json(&Made { team: row(ask, &team), warnings })
}

/// A user who makes a team is its first admin.
fn with_creator(ask: &Ask<'_>, mut named: Vec<MemberFields>) -> Vec<MemberFields> {
    if let (Actor::Key(..), Some(user)) = (ask.actor, ask.actor.user_id())
        && !named.iter().any(|member| member.user_id.as_deref() == Some(user))
    {
        named.push(MemberFields { role: MemberRole::Admin, user_id: Some(user.to_owned()), user_email: None });
    }
    named
}

/// What `/team/update` gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TeamUpdated")]
pub(super) struct Updated {
    team_id: String,
    data: TeamRow,
    /// What of the body has no effect.
    warnings: Vec<String>,
}

pub(super) fn update(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: TeamFields = ask.read()?;
    body.check()?;
    let writer = ask.write()?;
    let named = body.team_id.value().cloned().ok_or_else(|| Refusal::missing("team_id"))?;
    let (binds, warnings) = (body.binds(), body.warnings());
    let before = meant(ask, &named, if binds { May::Bind } else { May::Lead })?;
    let mut team = Team::clone(&before);
    body.lay_upon(&mut team);
    if binds {
        fits(ask, &team)?;
    }
    ask.touch(&mut team.stamp);
    ask.commit(&writer, Action::Plain, vec![put(team.clone())])?;
    Reply::json(&Updated { team_id: named, data: row(ask, &team), warnings })
}

/// Names a team.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "TeamNamed")]
pub(super) struct Named {
    /// The team.
    team_id: String,
}

pub(super) fn block(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    switch(ask, Action::Blocked)
}

pub(super) fn unblock(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    switch(ask, Action::Unblocked)
}

fn switch(ask: &Ask<'_>, action: Action) -> Result<Reply, Refusal> {
    let Named { team_id } = ask.read()?;
    change(ask, &team_id, May::Bind, action, |team| {
        team.blocked = action == Action::Blocked;
        Ok(())
    })
}

/// Changes one team in place, and shows its row.
pub(super) fn change(
    ask: &Ask<'_>,
    team_id: &str,
    to: May,
    action: Action,
    how: impl FnOnce(&mut Team) -> Result<(), Refusal>,
) -> Result<Reply, Refusal> {
    let writer = ask.write()?;
    let mut team = Team::clone(&*meant(ask, team_id, to)?);
    how(&mut team)?;
    ask.touch(&mut team.stamp);
    ask.commit(&writer, action, vec![put(team.clone())])?;
    Reply::json(&row(ask, &team))
}

/// Names teams.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "TeamsNamed")]
pub(super) struct Deleting {
    /// The teams.
    team_ids: Vec<String>,
}

/// What `/team/delete` gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TeamsDeleted")]
pub(super) struct Deleted {
    deleted_teams: Vec<String>,
}

/// All of them with their members and their keys, or none. What was spent stays on file.
pub(super) fn delete(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Deleting { mut team_ids } = ask.read()?;
    team_ids.sort_unstable();
    team_ids.dedup();
    if team_ids.is_empty() || team_ids.len() > DELETED_MAX {
        return Err(Refusal::bad(format_args!(
            "team_ids: expected 1 to {DELETED_MAX} teams, found {}",
            team_ids.len()
        )));
    }
    let writer = ask.write()?;
    let mut gone = Vec::new();
    for id in &team_ids {
        if !ask.roster().teams.has(id.as_str()) {
            let found = check::Quoted(id);
            return Err(Refusal::told(404, format_args!("Team not found, passed team_id={found}")));
        }
        gone.push(Record::Team(meant(ask, id, May::Bind)?));
    }
    let of = |team: &str| team_ids.iter().any(|id| id == team);
    let members = ask.roster().team_members.filter(|member| of(&member.team_id));
    let keys = ask.roster().keys.filter(|key| key.team_id.as_deref().is_some_and(of));
    gone.extend(members.into_iter().map(Record::TeamMember));
    gone.extend(keys.into_iter().map(Record::Key));
    ask.commit(&writer, Action::Plain, gone.iter().map(taken).collect())?;
    Reply::json(&Deleted { deleted_teams: team_ids })
}

/// Takes a record away.
pub(super) fn taken(record: &Record) -> Change {
    Change::Remove(record.kind(), record.id())
}

/// The row of a team that stands.
pub(super) fn row(ask: &Ask<'_>, team: &Team) -> TeamRow {
    TeamRow::of(ask.world, team, &Members::of(ask.roster(), &team.team_id), ask.now)
}
