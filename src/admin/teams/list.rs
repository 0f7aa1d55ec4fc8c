//! `/team/info`, `/team/list`, `/v2/team/list`: the teams that a caller may see.

use std::collections::HashMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::reach::{May, may, meant};
use super::view::{Members, Membership, TeamRow};
use crate::admin::ask::Ask;
use crate::admin::bounds::spent;
use crate::admin::keys::{self, WholeKeyRow};
use crate::admin::live::Live;
use crate::admin::page::Page;
use crate::admin::query::Param;
use crate::admin::reply::{Refusal, Reply};
use crate::exchange::Whose;
use crate::roster::{Key, Team};
use crate::vocabulary::ScopeKind;

const SORTS: &[&str] = &["created_at", "updated_at", "team_alias", "team_id", "spend", "max_budget"];
/// Keys that a list shows of one team.
const KEYS_SHOWN_MAX: usize = 100;

/// The query of `/team/list`.
pub(super) const LIST: &[Param] = &[
    Param::text("user_id", "Only teams that this user is in."),
    Param::text("organization_id", "Only teams of this organization."),
];

/// The query of `/v2/team/list`.
pub(super) const PAGES: &[Param] = &[
    Param::count("page", 1, 1_000_000, 1, "Which page, from 1."),
    Param::count("page_size", 1, 100, 10, "Teams on a page."),
    Param::text("user_id", "Only teams that this user is in."),
    Param::text("organization_id", "Only teams of this organization."),
    Param::text("team_id", "Only this team."),
    Param::text("team_alias", "Only teams with this in their alias."),
    Param::text("search", "Only teams with this in their alias or id."),
    Param::choice("sort_by", SORTS, "By what to sort; by created_at without it."),
    Param::choice("sort_order", &["asc", "desc"], "asc without it."),
];

/// What `/team/info` gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TeamShown")]
pub(super) struct Shown {
    team_id: String,
    team_info: Info,
    keys: Vec<WholeKeyRow>,
    team_memberships: Vec<Membership>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TeamInfo")]
struct Info {
    #[serde(flatten)]
    row: TeamRow,
    live: Live,
}

pub(super) fn info(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let named = ask.query.text("team_id").or_else(|| ask.actor.team_id());
    let named = named.ok_or_else(|| Refusal::bad("No team id passed in: name a team with ?team_id="))?;
    let team = meant(ask, named, May::See)?;
    let members = Members::of(ask.roster(), named);
    let mut keys = ask.roster().keys.filter(|key| key.team_id.as_deref() == Some(named) && keys::may_see(ask, key));
    keys.sort_by(|a, b| (a.stamp.created_at, a.token.as_bytes()).cmp(&(b.stamp.created_at, b.token.as_bytes())));
    Reply::json(&Shown {
        team_id: named.to_owned(),
        team_info: Info {
            row: TeamRow::of(ask.world, &team, &members, ask.now),
            live: Live::of(ask.world, Whose::Team(named), &team.bounds, ask.now),
        },
        keys: keys.iter().map(|key| WholeKeyRow::of(ask.world, key, ask.now)).collect(),
        team_memberships: memberships(ask, &team, &members),
    })
}

fn memberships(ask: &Ask<'_>, team: &Team, members: &Members) -> Vec<Membership> {
    let members = members.in_team(&team.team_id);
    members.iter().map(|member| Membership::of(ask.world, team, member, ask.now)).collect()
}

/// One team of `/team/list`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TeamListed")]
pub(super) struct Entry {
    #[serde(flatten)]
    row: TeamRow,
    team_memberships: Vec<Membership>,
    keys: Vec<WholeKeyRow>,
}

pub(super) fn list(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let mut teams = wanted(ask);
    teams.sort_by(|a, b| (a.stamp.created_at, &a.team_id).cmp(&(b.stamp.created_at, &b.team_id)));
    let members = Members::all(ask.roster());
    let mut keys = keys_by_team(ask);
    let entry = |team: Arc<Team>| Entry {
        row: TeamRow::of(ask.world, &team, &members, ask.now),
        team_memberships: memberships(ask, &team, &members),
        keys: keys.remove(&team.team_id).unwrap_or_default(),
    };
    Reply::json(&teams.into_iter().map(entry).collect::<Vec<_>>())
}

/// The first keys of each team.
fn keys_by_team(ask: &Ask<'_>) -> HashMap<String, Vec<WholeKeyRow>> {
    let mut teams: HashMap<String, Vec<WholeKeyRow>> = HashMap::new();
    let mut add = |team: &str, key: &Key| {
        let keys = teams.entry(team.to_owned()).or_default();
        if keys.len() < KEYS_SHOWN_MAX {
            keys.push(WholeKeyRow::of(ask.world, key, ask.now));
        }
    };
    for key in ask.roster().keys.filter(|key| key.team_id.is_some() && keys::may_see(ask, key)) {
        if let Some(team) = &key.team_id {
            add(team, &key);
        }
    }
    teams
}

/// The teams that the query asks for and the caller may see.
fn wanted(ask: &Ask<'_>) -> Vec<Arc<Team>> {
    let (user, organization) = (ask.query.text("user_id"), ask.query.text("organization_id"));
    ask.roster().teams.filter(|team| {
        organization.is_none_or(|of| team.organization_id.as_deref() == Some(of))
            && user.is_none_or(|user| ask.roster().team_member(&team.team_id, user).is_some())
            && may(ask, team, May::See)
    })
}

/// What `/v2/team/list` gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TeamPage")]
pub(super) struct Paged {
    teams: Vec<TeamRow>,
    total: u64,
    page: u64,
    page_size: u64,
    total_pages: u64,
}

pub(super) fn pages(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let page = Page::of(ask.query.count("page"), ask.query.count("page_size"));
    let within = |text: Option<&str>, part: &str| text.is_some_and(|text| text.to_lowercase().contains(part));
    let lower = |name: &str| ask.query.text(name).map(str::to_lowercase);
    let (alias, search, id) = (lower("team_alias"), lower("search"), ask.query.text("team_id"));
    let mut teams = wanted(ask);
    teams.retain(|team| {
        let of = team.team_alias.as_deref();
        id.is_none_or(|id| team.team_id == id)
            && alias.as_deref().is_none_or(|part| within(of, part))
            && search.as_deref().is_none_or(|part| within(of, part) || within(Some(&team.team_id), part))
    });
    sort(ask, &mut teams);
    let total = teams.len() as u64;
    let members = Members::all(ask.roster());
    Reply::json(&Paged {
        teams: page.cut(teams).iter().map(|team| TeamRow::of(ask.world, team, &members, ask.now)).collect(),
        total,
        page: page.number,
        page_size: page.size,
        total_pages: page.pages(total),
    })
}

/// Equal ones in the order of their ids, so that pages do not overlap.
fn sort(ask: &Ask<'_>, teams: &mut [Arc<Team>]) {
    let spend = |team: &Team| spent(ask.world, (ScopeKind::Team, &team.team_id), &team.bounds, ask.now).spent;
    let by = ask.query.text("sort_by").unwrap_or("created_at");
    let down = ask.query.text("sort_order") == Some("desc");
    teams.sort_by(|a, b| {
        let order = match by {
            "updated_at" => a.stamp.updated_at.cmp(&b.stamp.updated_at),
            "team_alias" => a.team_alias.cmp(&b.team_alias),
            "team_id" => std::cmp::Ordering::Equal,
            "spend" => spend(a).cmp(&spend(b)),
            "max_budget" => a.bounds.max_budget.cmp(&b.bounds.max_budget),
            _ => a.stamp.created_at.cmp(&b.stamp.created_at),
        };
        let order = order.then_with(|| a.team_id.cmp(&b.team_id));
        if down { order.reverse() } else { order }
    });
}
