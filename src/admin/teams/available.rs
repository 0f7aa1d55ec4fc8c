//! Teams that users may join by themselves (`default_internal_user_params.available_teams`).

use std::sync::Arc;

use super::change::row;
use super::fields::{MemberFields, MemberRole};
use crate::admin::ask::Ask;
use crate::admin::reply::{Refusal, Reply};
use crate::roster::Team;

/// Those that whoever asks is not in yet.
pub(super) fn available(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let user = ask.actor.user_id();
    let is_in = |team: &Team| user.is_some_and(|user| ask.roster().team_member(&team.team_id, user).is_some());
    let open = open(ask).iter().filter_map(|id| ask.roster().teams.find(id.as_str()));
    let rows: Vec<_> = open.filter(|team| !is_in(team)).map(|team| row(ask, &team)).collect();
    Reply::json(&rows)
}

/// The team, if whoever asks wants to join it as a plain member and may.
pub(super) fn joined(ask: &Ask<'_>, team_id: &str, named: &[MemberFields]) -> Option<Arc<Team>> {
    let [MemberFields { role: MemberRole::User, user_id: Some(user), .. }] = named else { return None };
    let own = ask.actor.key().is_some() && ask.actor.is_user(Some(user)) && ask.roster().users.has(user.as_str());
    let is_open = open(ask).iter().any(|open| open == team_id);
    if own && is_open { ask.roster().teams.find(team_id) } else { None }
}

fn open<'a>(ask: &Ask<'a>) -> &'a [String] {
    &ask.world.settings.making.user.available_teams
}
