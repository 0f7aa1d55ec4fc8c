//! `/key/block`, `/key/unblock`, `/key/delete`, `/key/{key}/reset_spend`: keys switched off and on, taken away, and what
//! they spent set back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::generate::set_spend;
use super::info::{find, hash_of, unknown};
use super::reach::{administers, may_change, meant};
use super::view::{Spent, WholeKeyRow};
use crate::admin::ask::{Action, Ask, put};
use crate::admin::check;
use crate::admin::patch::Patch;
use crate::admin::reply::{Refusal, Reply};
use crate::roster::{Change, Key, Kind, Moment};
use crate::vocabulary::{KeyHash, PicoUsd};

/// Keys that one request may take away.
const DELETED_MAX: usize = 1_000;

/// Names a key.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Named {
    /// The key, or its hash.
    key: String,
}

pub(super) fn block(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    switch(ask, Action::Blocked)
}

pub(super) fn unblock(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    switch(ask, Action::Unblocked)
}

fn switch(ask: &Ask<'_>, action: Action) -> Result<Reply, Refusal> {
    let Named { key } = ask.read()?;
    let writer = ask.write()?;
    let mut key = Key::clone(&*meant(ask, &key)?);
    if !administers(ask, &key) {
        return Err(Refusal::forbidden(
            "a key is blocked and unblocked by an administrator, or by an admin of its team",
        ));
    }
    key.blocked = action == Action::Blocked;
    ask.touch(&mut key.stamp);
    ask.commit(&writer, action, vec![put(key.clone())])?;
    Reply::json(&WholeKeyRow::of(ask.world, &key, ask.now))
}

/// What `/key/delete` takes: one of the two.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct Deleting {
    /// Keys, or their hashes.
    keys: Option<Vec<String>>,
    /// Aliases of keys.
    key_aliases: Option<Vec<String>>,
}

/// What it gives.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Deleted {
    deleted_keys: Vec<String>,
}

/// All of them that are there, or none. What was spent on them stays on file.
pub(super) fn delete(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: Deleting = ask.read()?;
    let (names, by_alias) = match (body.keys, body.key_aliases) {
        (Some(keys), None) => (keys, false),
        (None, Some(aliases)) => (aliases, true),
        _ => return Err(Refusal::bad("Either keys or key_aliases must be provided")),
    };
    if names.len() > DELETED_MAX {
        return Err(Refusal::bad(format_args!("at most {DELETED_MAX} keys at once")));
    }
    let writer = ask.write()?;
    let hash = |name: &String| match by_alias {
        true => ask.roster().key_by_alias(name).map(|key| key.token),
        false => hash_of(name),
    };
    let found = names.into_iter().filter_map(|name| Some((find(ask, &hash(&name)?)?, name)));
    let (mut changes, mut deleted_keys) = (Vec::new(), Vec::new());
    for (key, name) in found.filter(|(key, _)| super::info::may_see(ask, key)) {
        if !may_change(ask, &key) {
            return Err(Refusal::forbidden("You are not authorized to delete this key"));
        }
        changes.push(Change::Remove(Kind::Key, key.token.to_string()));
        deleted_keys.push(name);
    }
    if changes.is_empty() {
        return Err(Refusal::told(404, "No keys found"));
    }
    ask.commit(&writer, Action::Plain, changes)?;
    Reply::json(&Deleted { deleted_keys })
}

/// What `/key/{key}/reset_spend` takes.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Resetting {
    /// What was spent from here on: not more than it is.
    reset_to: PicoUsd,
}

/// What it gives.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Reset {
    key_hash: KeyHash,
    spend: PicoUsd,
    previous_spend: PicoUsd,
    max_budget: Option<PicoUsd>,
    budget_reset_at: Option<Moment>,
}

pub(super) fn reset_spend(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Resetting { reset_to } = ask.read()?;
    check::budget("reset_to", &Patch::Set(reset_to))?;
    let writer = ask.write()?;
    let key = meant(ask, ask.in_path(0))?;
    if !administers(ask, &key) {
        return Err(unknown());
    }
    let before = Spent::of(ask.world, &key, ask.now);
    if reset_to > before.spent {
        let spent = before.spent.to_dollars();
        return Err(Refusal::bad(format_args!("reset_to must be <= current spend ({spent:?})")));
    }
    let mut touched = Key::clone(&key);
    ask.touch(&mut touched.stamp);
    ask.commit_with(&writer, Action::Plain, vec![put(touched)], set_spend(ask, &key, Some(reset_to)))?;
    Reply::json(&Reset {
        key_hash: key.token,
        spend: Spent::of(ask.world, &key, ask.now).spent,
        previous_spend: before.spent,
        max_budget: key.bounds.max_budget,
        budget_reset_at: before.resets_at,
    })
}
