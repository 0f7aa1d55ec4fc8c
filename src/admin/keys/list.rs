//! `/key/list` and `/key/aliases`: the keys that a caller may see, filtered, sorted, in pages.

use std::cmp::Ordering;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::info::{hash_of, may_see};
use super::view::{Spent, WholeKeyRow, status};
use crate::admin::ask::Ask;
use crate::admin::page::Page;
use crate::admin::query::Param;
use crate::admin::reply::{Refusal, Reply};
use crate::roster::Key;
use crate::vocabulary::KeyHash;

const SORTS: &[&str] = &["created_at", "updated_at", "spend", "max_budget", "key_alias", "token", "expires"];
const STATES: &[&str] = &["active", "blocked", "expired", "deleted"];

/// The query of `/key/list`.
pub(super) const LIST: &[Param] = &[
    Param::count("page", 1, 1_000_000, 1, "Which page, from 1."),
    Param::count("size", 1, 100, 10, "Keys on a page."),
    Param::text("user_id", "Only keys of this user."),
    Param::text("team_id", "Only keys of this team."),
    Param::text("organization_id", "Only keys of this organization."),
    Param::text("key_hash", "Only this key, by its hash or by itself."),
    Param::text("key_alias", "Only the key with this alias."),
    Param::text("project_id", "Only keys of this project."),
    Param::text("search", "Only keys with this in their alias, hash, user or team."),
    Param::choice("status", STATES, "Only keys in this state; deleted ones are not kept."),
    Param::truth("return_full_object", "Whole rows instead of hashes."),
    Param::truth(
        "include_team_keys",
        "Also keys of teams that the caller leads, or with user_id: of teams the user is in.",
    ),
    Param::truth("include_created_by_keys", "Also keys that the caller, or with user_id that user, made."),
    Param::choice("sort_by", SORTS, "By what to sort; by created_at without it."),
    Param::choice("sort_order", &["asc", "desc"], "desc without it."),
];

/// The query of `/key/aliases`.
pub(super) const ALIASES: &[Param] = &[
    Param::count("page", 1, 1_000_000, 1, "Which page, from 1."),
    Param::count("size", 1, 100, 50, "Aliases on a page."),
    Param::text("search", "Only aliases with this in them."),
];

/// What `/key/list` gives.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Listed {
    keys: Vec<Entry>,
    total_count: u64,
    current_page: u64,
    total_pages: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "ListedKey")]
enum Entry {
    Hash(KeyHash),
    Whole(Box<WholeKeyRow>),
}

pub(super) fn list(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let page = Page::of(ask.query.count("page"), ask.query.count("size"));
    let wanted = Wanted::of(ask);
    let found = ask.roster().keys.filter(|key| wanted.visible(key) && wanted.matches(key));
    let total = found.len() as u64;
    let whole = ask.query.truth("return_full_object") == Some(true);
    let entry = |key: Arc<Key>| match whole {
        true => Entry::Whole(Box::new(WholeKeyRow::of(ask.world, &key, ask.now))),
        false => Entry::Hash(key.token),
    };
    Reply::json(&Listed {
        keys: page.cut_sorted(found, order(ask)).into_iter().map(entry).collect(),
        total_count: total,
        current_page: page.number,
        total_pages: page.pages(total),
    })
}

/// What the query asks for.
struct Wanted<'a> {
    ask: &'a Ask<'a>,
    /// A key that is named; inside none where the name is none of a key.
    named: Option<Option<KeyHash>>,
    search: Option<String>,
    of_teams: bool,
    made_too: bool,
}

impl<'a> Wanted<'a> {
    fn of(ask: &'a Ask<'a>) -> Self {
        Self {
            ask,
            named: ask.query.text("key_hash").map(hash_of),
            search: ask.query.text("search").map(str::to_lowercase),
            of_teams: ask.query.truth("include_team_keys") == Some(true),
            made_too: ask.query.truth("include_created_by_keys") == Some(true),
        }
    }

    /// Whoever does not see everything sees the user's own keys, and those of teams and organizations only when asked for.
    fn visible(&self, key: &Key) -> bool {
        let Ask { actor, query, .. } = self.ask;
        let own = actor.is_user(key.user_id.as_deref()) || actor.hash() == Some(key.token);
        let wide = self.of_teams
            || ["team_id", "organization_id", "user_id", "key_hash"].iter().any(|name| query.text(name).is_some());
        let made = self.made_too && actor.user_id().is_some() && actor.user_id() == key.stamp.created_by.as_deref();
        actor.sees_all() || own || made || wide && may_see(self.ask, key)
    }

    fn matches(&self, key: &Key) -> bool {
        let query = self.ask.query;
        let is = |name: &str, value: Option<&str>| query.text(name).is_none_or(|wanted| value == Some(wanted));
        let project =
            || key.carried.get("project_id").and_then(|json| serde_json::from_str::<String>(json.as_str()).ok());
        self.of_user(key)
            && is("team_id", key.team_id.as_deref())
            && is("organization_id", key.organization_id.as_deref())
            && is("key_alias", key.key_alias.as_deref())
            && is("status", Some(status(key, self.ask.now)))
            && (query.text("project_id").is_none() || is("project_id", project().as_deref()))
            && self.named.is_none_or(|named| named == Some(key.token))
            && self.search.as_deref().is_none_or(|part| has(key, part))
    }

    fn of_user(&self, key: &Key) -> bool {
        let Some(user) = self.ask.query.text("user_id") else { return true };
        let in_team = |team: &str| self.ask.roster().team_member(team, user).is_some();
        key.user_id.as_deref() == Some(user)
            || self.of_teams && key.team_id.as_deref().is_some_and(in_team)
            || self.made_too && key.stamp.created_by.as_deref() == Some(user)
    }
}

fn has(key: &Key, part: &str) -> bool {
    let within = |text: Option<&str>| text.is_some_and(|text| text.to_lowercase().contains(part));
    within(key.key_alias.as_deref())
        || within(key.user_id.as_deref())
        || within(key.team_id.as_deref())
        || key.token.to_string().contains(part)
}

/// The order that is asked for; equal ones in that of their hashes, so that pages do not overlap.
fn order(ask: &Ask<'_>) -> impl Fn(&Arc<Key>, &Arc<Key>) -> Ordering {
    let spent = move |key: &Key| Spent::of(ask.world, key, ask.now).spent;
    let by = ask.query.text("sort_by").unwrap_or("created_at");
    let up = ask.query.text("sort_order") == Some("asc");
    move |a, b| {
        let order = match by {
            "updated_at" => a.stamp.updated_at.cmp(&b.stamp.updated_at),
            "spend" => spent(a).cmp(&spent(b)),
            "max_budget" => a.bounds.max_budget.cmp(&b.bounds.max_budget),
            "key_alias" => a.key_alias.cmp(&b.key_alias),
            "expires" => a.expires.cmp(&b.expires),
            "token" => Ordering::Equal,
            _ => a.stamp.created_at.cmp(&b.stamp.created_at),
        };
        let order = order.then_with(|| a.token.as_bytes().cmp(b.token.as_bytes()));
        if up { order } else { order.reverse() }
    }
}

/// What `/key/aliases` gives.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Aliases {
    aliases: Vec<String>,
    total_count: u64,
    current_page: u64,
    total_pages: u64,
    size: u64,
}

pub(super) fn aliases(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let page = Page::of(ask.query.count("page"), ask.query.count("size"));
    let search = ask.query.text("search").map(str::to_lowercase);
    let wanted = |alias: &String| search.as_deref().is_none_or(|part| alias.to_lowercase().contains(part));
    let keys = ask.roster().keys.filter(|key| key.key_alias.is_some() && may_see(ask, key));
    let mut found: Vec<_> = keys.iter().filter_map(|key| key.key_alias.clone()).filter(wanted).collect();
    found.sort_unstable();
    let total = found.len() as u64;
    Reply::json(&Aliases {
        aliases: page.cut(found),
        total_count: total,
        current_page: page.number,
        total_pages: page.pages(total),
        size: page.size,
    })
}
