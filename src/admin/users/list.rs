//! `/user/info`, `/user/list` and their relatives: the users that a caller may see.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::find::{may_see, seen};
use super::view::{Belongings, UserRow, row};
use crate::admin::actor::{Actor, MASTER_USER, name};
use crate::admin::ask::Ask;
use crate::admin::bounds::spent;
use crate::admin::keys::{self, WholeKeyRow};
use crate::admin::live::Live;
use crate::admin::page::Page;
use crate::admin::query::Param;
use crate::admin::reply::{Refusal, Reply};
use crate::admin::teams::{Members, TeamRow};
use crate::exchange::Whose;
use crate::roster::{Role, User};
use crate::vocabulary::ScopeKind;

const SORTS: &[&str] =
    &["created_at", "updated_at", "user_id", "user_email", "user_alias", "user_role", "spend", "max_budget"];
const ROLES: &[&str] =
    &["proxy_admin", "proxy_admin_viewer", "org_admin", "internal_user", "internal_user_viewer", "team", "customer"];

/// The query of `/user/list` and `/user/get_users`.
pub(super) const LIST: &[Param] = &[
    Param::count("page", 1, 1_000_000, 1, "Which page, from 1."),
    Param::count("page_size", 1, 100, 25, "Users on a page."),
    Param::choice("role", ROLES, "Only users with this role."),
    Param::text("user_ids", "Only these users; commas between them."),
    Param::text("sso_user_ids", "Only users with these ids at the identity provider; commas between them."),
    Param::text("user_email", "Only users with this in their e-mail."),
    Param::text("team", "Only users in this team."),
    Param::text("organization_ids", "Only users in these organizations; commas between them."),
    Param::choice("sort_by", SORTS, "By what to sort; by created_at without it."),
    Param::choice("sort_order", &["asc", "desc"], "asc without it."),
];

/// The query of `/user/filter/ui`.
pub(super) const FILTER: &[Param] = &[
    Param::text("user_id", "Only users with this in their id."),
    Param::text("user_email", "Only users with this in their e-mail."),
    Param::count("page", 1, 1_000_000, 1, "Which page, from 1."),
    Param::count("page_size", 1, 100, 50, "Users on a page."),
];

/// What `/user/info` gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UserShown")]
pub(super) struct Shown {
    user_id: String,
    user_info: Option<Info>,
    keys: Vec<WholeKeyRow>,
    teams: Vec<TeamRow>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UserInfo")]
struct Info {
    #[serde(flatten)]
    row: UserRow,
    live: Live,
}

pub(super) fn info(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let named = named(ask)?;
    let user = match seen(ask, named) {
        // The master key acts as a user who need not be on record.
        Err(_) if matches!(ask.actor, Actor::Master) && named == MASTER_USER => None,
        found => Some(found?),
    };
    let keys = ask.roster().keys.filter(|key| key.user_id.as_deref() == Some(named) && keys::may_see(ask, key));
    let mut keys: Vec<_> = keys.into_iter().collect();
    keys.sort_by(|a, b| (a.stamp.created_at, a.token.as_bytes()).cmp(&(b.stamp.created_at, b.token.as_bytes())));
    let info = |user: Arc<User>| Info {
        row: row(ask, &user),
        live: Live::of(ask.world, Whose::User(named), &user.bounds, ask.now),
    };
    Reply::json(&Shown {
        user_id: named.to_owned(),
        user_info: user.map(info),
        keys: keys.iter().map(|key| WholeKeyRow::of(ask.world, key, ask.now)).collect(),
        teams: teams(ask, named),
    })
}

/// The same without keys and teams.
pub(super) fn info_alone(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let user = seen(ask, named(ask)?)?;
    Reply::json(&row(ask, &user))
}

fn named<'a>(ask: &'a Ask<'_>) -> Result<&'a str, Refusal> {
    let named = ask.query.text("user_id").or_else(|| ask.actor.user_id());
    named.ok_or_else(|| Refusal::bad("this key belongs to no user: name one with ?user_id="))
}

fn teams(ask: &Ask<'_>, user_id: &str) -> Vec<TeamRow> {
    let belongings = Belongings::of(ask.roster(), user_id);
    let found = belongings.teams(user_id).iter().filter_map(|member| ask.roster().teams.find(member.team_id.as_str()));
    found.map(|team| TeamRow::of(ask.world, &team, &Members::of(ask.roster(), &team.team_id), ask.now)).collect()
}

/// What `/user/list` gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UserPage")]
pub(super) struct Listed {
    users: Vec<Entry>,
    total: u64,
    page: u64,
    page_size: u64,
    total_pages: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UserListed")]
struct Entry {
    #[serde(flatten)]
    row: UserRow,
    key_count: u64,
}

pub(super) fn list(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let page = Page::of(ask.query.count("page"), ask.query.count("page_size"));
    let belongings = Belongings::all(ask.roster());
    let wanted = Wanted::of(ask);
    let mut users =
        ask.roster().users.filter(|user| wanted.matches(user, &belongings) && may_see(ask, &user.user_id, &belongings));
    sort(ask, &mut users);
    let total = users.len() as u64;
    let counts = key_counts(ask);
    let entry = |user: &Arc<User>| Entry {
        row: UserRow::of(ask.world, user, &belongings, ask.now),
        key_count: counts.get(&user.user_id).copied().unwrap_or(0),
    };
    Reply::json(&Listed {
        users: page.cut(users).iter().map(entry).collect(),
        total,
        page: page.number,
        page_size: page.size,
        total_pages: page.pages(total),
    })
}

fn key_counts(ask: &Ask<'_>) -> HashMap<String, u64> {
    let mut counts = HashMap::new();
    for key in ask.roster().keys.filter(|key| key.user_id.is_some()) {
        if let Some(user) = &key.user_id {
            *counts.entry(user.clone()).or_insert(0) += 1;
        }
    }
    counts
}

/// What the query asks for.
struct Wanted<'a> {
    role: Option<&'a str>,
    ids: Option<Vec<&'a str>>,
    sso_ids: Option<Vec<&'a str>>,
    email: Option<String>,
    team: Option<&'a str>,
    organizations: Option<Vec<&'a str>>,
}

impl<'a> Wanted<'a> {
    fn of(ask: &'a Ask<'_>) -> Self {
        let words = |name: &str| ask.query.text(name).map(|text| text.split(',').map(str::trim).collect());
        Self {
            role: ask.query.text("role"),
            ids: words("user_ids"),
            sso_ids: words("sso_user_ids"),
            email: ask.query.text("user_email").map(str::to_lowercase),
            team: ask.query.text("team"),
            organizations: words("organization_ids"),
        }
    }

    fn matches(&self, user: &User, belongings: &Belongings) -> bool {
        let is_one = |wanted: &Option<Vec<&str>>, found: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| found.is_some_and(|found| wanted.contains(&found)))
        };
        let teams = || belongings.teams(&user.user_id).iter().map(|member| member.team_id.as_str());
        let organizations =
            || belongings.organizations(&user.user_id).iter().map(|member| member.organization_id.as_str());
        self.role.is_none_or(|role| name(user.user_role) == role)
            && is_one(&self.ids, Some(&user.user_id))
            && is_one(&self.sso_ids, user.sso_user_id.as_deref())
            && self.email.as_deref().is_none_or(|part| has(user.user_email.as_deref(), part))
            && self.team.is_none_or(|team| teams().any(|found| found == team))
            && self.organizations.as_ref().is_none_or(|wanted| organizations().any(|found| wanted.contains(&found)))
    }
}

fn has(text: Option<&str>, part: &str) -> bool {
    text.is_some_and(|text| text.to_lowercase().contains(part))
}

/// Equal ones in the order of their ids, so that pages do not overlap.
fn sort(ask: &Ask<'_>, users: &mut [Arc<User>]) {
    let spend = |user: &User| spent(ask.world, (ScopeKind::User, &user.user_id), &user.bounds, ask.now).spent;
    let by = ask.query.text("sort_by").unwrap_or("created_at");
    let down = ask.query.text("sort_order") == Some("desc");
    users.sort_by(|a, b| {
        let order = match by {
            "updated_at" => a.stamp.updated_at.cmp(&b.stamp.updated_at),
            "user_id" => std::cmp::Ordering::Equal,
            "user_email" => a.user_email.cmp(&b.user_email),
            "user_alias" => a.user_alias.cmp(&b.user_alias),
            "user_role" => name(a.user_role).cmp(name(b.user_role)),
            "spend" => spend(a).cmp(&spend(b)),
            "max_budget" => a.bounds.max_budget.cmp(&b.bounds.max_budget),
            _ => a.stamp.created_at.cmp(&b.stamp.created_at),
        };
        let order = order.then_with(|| a.user_id.cmp(&b.user_id));
        if down { order.reverse() } else { order }
    });
}

/// A user by name alone.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "UserName")]
pub(super) struct Name {
    user_id: String,
    user_email: Option<String>,
    user_alias: Option<String>,
}

pub(super) fn filter(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let page = Page::of(ask.query.count("page"), ask.query.count("page_size"));
    let part = |name: &str| ask.query.text(name).map(str::to_lowercase);
    let (id, email) = (part("user_id"), part("user_email"));
    let belongings = Belongings::all(ask.roster());
    let mut users = ask.roster().users.filter(|user| {
        id.as_deref().is_none_or(|part| has(Some(&user.user_id), part))
            && email.as_deref().is_none_or(|part| has(user.user_email.as_deref(), part))
            && may_see(ask, &user.user_id, &belongings)
    });
    users.sort_by(|a, b| a.user_id.cmp(&b.user_id));
    let entry = |user: &Arc<User>| Name {
        user_id: user.user_id.clone(),
        user_email: user.user_email.clone(),
        user_alias: user.user_alias.clone(),
    };
    Reply::json(&page.cut(users).iter().map(entry).collect::<Vec<_>>())
}

/// What may be said of a role.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RoleDescribed")]
pub(super) struct Described {
    description: &'static str,
    ui_label: &'static str,
}

pub(super) fn roles(_: &Ask<'_>) -> Result<Reply, Refusal> {
    let described = |role: Role| {
        let (ui_label, description) = match role {
            Role::ProxyAdmin => ("Admin (all permissions)", "Makes, changes and sees everything"),
            Role::ProxyAdminViewer => ("Admin (view only)", "Sees everything and changes nothing"),
            Role::OrgAdmin => ("Organization admin", "Manages the teams and users of organizations"),
            Role::InternalUser => ("Internal user", "Makes and sees the user's own keys, and what they spent"),
            Role::InternalUserViewer => ("Internal viewer", "Sees the user's own keys, and what they spent"),
            Role::Team => ("Team", "Calls with keys of teams"),
            Role::Customer => ("Customer", "Calls through somebody else's keys"),
        };
        (name(role), Described { description, ui_label })
    };
    let given =
        [Role::ProxyAdmin, Role::ProxyAdminViewer, Role::OrgAdmin, Role::InternalUser, Role::InternalUserViewer];
    Reply::json(&given.into_iter().map(described).collect::<BTreeMap<_, _>>())
}
