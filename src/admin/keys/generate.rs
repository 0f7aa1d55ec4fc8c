//! `/key/generate`: a new key, within what the configuration and the caller's role allow.

use schemars::JsonSchema;
use serde::Serialize;

use super::fields::KeyFields;
use super::make;
use super::view::{Spent, WholeKeyRow};
use crate::admin::actor::Actor;
use crate::admin::ask::{Action, Ask, put};
use crate::admin::check;
use crate::admin::patch::Patch;
use crate::admin::reply::{Refusal, Reply};
use crate::ledger::Adjustment;
use crate::roster::{Change, Key, Writer};
use crate::vocabulary::{KeyHash, PicoUsd};

/// What `/key/generate` gives: the key itself, once, and its row.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Generated {
    key: String,
    token_id: KeyHash,
    #[serde(flatten)]
    row: WholeKeyRow,
}

impl Generated {
    pub(super) fn of(ask: &Ask<'_>, plain: String, key: &Key) -> Self {
        Self { key: plain, token_id: key.token, row: WholeKeyRow::of(ask.world, key, ask.now) }
    }
}

pub(super) fn generate(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: KeyFields = ask.read()?;
    let writer = ask.write()?;
    Reply::json(&generate_for(ask, &writer, body, Vec::new())?)
}

/// Makes a key, together with other changes: all of them, or none.
///
/// # Errors
/// 400, 403 or 404: the body makes no sense, or the caller may not make such a key. 503: it cannot be kept.
pub fn generate_for(
    ask: &Ask<'_>,
    writer: &Writer<'_>,
    body: KeyFields,
    mut along: Vec<Change>,
) -> Result<Generated, Refusal> {
    let (plain, key, spend) = prepare(ask, body)?;
    let adjustments = set_spend(ask, &key, spend);
    along.push(put(key.clone()));
    ask.commit_with(writer, Action::Plain, along, adjustments)?;
    Ok(Generated::of(ask, plain, &key))
}

fn prepare(ask: &Ask<'_>, mut body: KeyFields) -> Result<(String, Key, Option<PicoUsd>), Refusal> {
    body.check()?;
    own_by_default(ask.actor, &mut body);
    may_make(ask, &body)?;
    let plain = match body.key.value() {
        Some(key) => make::own(key)?,
        None => make::random()?,
    };
    let hash = KeyHash::of(&plain);
    is_free(ask, &hash)?;
    let spend = body.spend.value().copied();
    let mut key = Key::new(hash, make::shown(&plain));
    body.lay_upon(&mut key, ask.moment())?;
    fits(ask, &key)?;
    key.stamp = ask.stamp();
    Ok((plain, key, spend))
}

/// A key that says nothing of its user is the caller's own, unless an administrator makes it.
fn own_by_default(actor: &Actor, body: &mut KeyFields) {
    if let (false, Patch::Absent, Some(user)) = (actor.is_admin(), &body.user_id, actor.user_id()) {
        body.user_id = Patch::Set(user.to_owned());
    }
}

/// Whether a key belongs where the caller may make keys.
fn may_make(ask: &Ask<'_>, body: &KeyFields) -> Result<(), Refusal> {
    let (actor, roster) = (ask.actor, ask.roster());
    if actor.is_admin() {
        return Ok(());
    }
    if let Some(team) = body.team_id.value() {
        if roster.teams.find(team.as_str()).is_none() {
            return Err(Refusal::bad(format_args!("Unable to find team object in database. Team ID: {team}")));
        }
        if actor.leads(roster, team)
            || may_as_member(ask, team) && actor.is_user(body.user_id.value().map(String::as_str))
        {
            return Ok(());
        }
        return Err(Refusal::forbidden(format!("User is not allowed to create keys for team={team}.")));
    }
    match body.user_id.value() {
        Some(user) if !actor.is_user(Some(user)) => Err(Refusal::forbidden(format!(
            "User can only create keys for themselves. Got user_id={user}, Your ID={}",
            actor.user_id().unwrap_or("None")
        ))),
        None => Err(Refusal::forbidden("a key without a user is made by an administrator".to_owned())),
        Some(_) => Ok(()),
    }
}

/// Whether members of a team may make keys of it.
fn may_as_member(ask: &Ask<'_>, team: &str) -> bool {
    let allowed = ask
        .roster()
        .teams
        .find(team)
        .is_some_and(|team| team.team_member_permissions.iter().any(|path| path == "/key/generate"));
    allowed && ask.actor.is_in(ask.roster(), team)
}

/// Whether no key has this hash.
pub(super) fn is_free(ask: &Ask<'_>, hash: &KeyHash) -> Result<(), Refusal> {
    let taken = ask.roster().key(hash, ask.now).is_some()
        || ask.world.settings.virtual_keys.iter().any(|key| key.hash == *hash)
        || ask.world.settings.master_key.as_ref().is_some_and(|master| KeyHash::of(master.expose()) == *hash);
    if taken { Err(Refusal::bad("a key like this is there already: choose another")) } else { Ok(()) }
}

/// Whether a key's names are free and what it names is there.
pub(super) fn fits(ask: &Ask<'_>, key: &Key) -> Result<(), Refusal> {
    let roster = ask.roster();
    if let Some(alias) = &key.key_alias {
        let of_another = |found: &KeyHash| *found != key.token;
        let on_record = roster.key_by_alias(alias).map(|found| found.token);
        let in_file = ask.world.settings.virtual_keys.iter().find(|found| found.alias.as_ref() == Some(alias));
        if on_record.or_else(|| in_file.map(|found| found.hash)).as_ref().is_some_and(of_another) {
            let text =
                format!("Key with alias '{alias}' already exists. Unique key aliases across all keys are required.");
            return Err(Refusal::new(400, "bad_request_error", "key_alias", text));
        }
    }
    if let Some(team) = key.team_id.as_deref().filter(|team| !roster.teams.has(*team)) {
        return Err(Refusal::bad(format_args!("Unable to find team object in database. Team ID: {team}")));
    }
    if let Some(id) = key.organization_id.as_deref().filter(|id| !roster.organizations.has(*id)) {
        return Err(Refusal::bad(format_args!("Unable to find organization in database. Organization ID: {id}")));
    }
    if let Some(id) = key.budget_id.as_deref().filter(|id| !roster.budgets.has(*id)) {
        return Err(Refusal::bad(format_args!("Unable to find budget in database. Budget ID: {id}")));
    }
    for (name, text) in [("user_id", &key.user_id), ("team_id", &key.team_id)] {
        text.as_deref().map_or(Ok(()), |text| check::name(name, text))?;
    }
    Ok(())
}

/// What sets a key's spend to an amount.
pub(super) fn set_spend(ask: &Ask<'_>, key: &Key, amount: Option<PicoUsd>) -> Vec<Adjustment> {
    let Some(amount) = amount else { return Vec::new() };
    let Spent { account, spent, resets_at } = Spent::of(ask.world, key, ask.now);
    let by = amount.minus(spent);
    if by == PicoUsd::ZERO {
        return Vec::new();
    }
    vec![Adjustment { account, resets_at_ms: resets_at.map(|at| at.0), by }]
}
