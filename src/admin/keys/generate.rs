//! `/key/generate`: a new key, within what the configuration and the caller's role allow.

use schemars::JsonSchema;
use serde::Serialize;

use super::fields::{KeyFields, KeyKind};
use super::make;
use super::reach::within_reach;
use super::view::{Spent, WholeKeyRow};
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
    pub(in crate::admin) key: String,
    token_id: KeyHash,
    /// What was given and has no effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    warnings: Vec<String>,
    #[serde(flatten)]
    row: WholeKeyRow,
}

impl Generated {
    pub(super) fn of(ask: &Ask<'_>, plain: String, key: &Key, warnings: Vec<String>) -> Self {
        Self { key: plain, token_id: key.token, warnings, row: WholeKeyRow::of(ask.world, key, ask.now) }
    }
}

pub(super) fn generate(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: KeyFields = ask.read()?;
    let writer = ask.write()?;
    Reply::json(&generate_for(ask, &writer, body, Vec::new(), Vec::new())?)
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
    mut adjustments: Vec<Adjustment>,
) -> Result<Generated, Refusal> {
    let warnings = body.warnings();
    let (plain, key, spend) = prepare(ask, body)?;
    adjustments.extend(set_spend(ask, &key, spend));
    along.push(put(key.clone()));
    ask.commit_with(writer, Action::Plain, along, adjustments)?;
    Ok(Generated::of(ask, plain, &key, warnings))
}

fn prepare(ask: &Ask<'_>, mut body: KeyFields) -> Result<(String, Key, Option<PicoUsd>), Refusal> {
    body.check()?;
    own_by_default(ask, &mut body);
    body.made(&ask.world.settings.making)?;
    let plain = match body.key.value() {
        Some(key) => make::own(key)?,
        None => make::random()?,
    };
    let hash = KeyHash::of(&plain);
    is_free(ask, &hash)?;
    let spend = body.spend.value().copied();
    let mut key = Key::new(hash, make::shown(&plain));
    body.lay_upon(&mut key, ask.moment())?;
    may_belong(ask, &key)?;
    within_reach(ask, &key)?;
    fits(ask, &key, &hash)?;
    key.stamp = ask.stamp();
    Ok((plain, key, spend))
}

/// What a body leaves open. A key that says nothing of its user is the caller's own, unless an administrator makes it; one
/// that a team's admin makes for somebody else is for calls; and a team says how long the keys of its members last.
fn own_by_default(ask: &Ask<'_>, body: &mut KeyFields) {
    let actor = ask.actor;
    if let (false, Patch::Absent, Some(user)) = (actor.is_admin(), &body.user_id, actor.user_id()) {
        body.user_id = Patch::Set(user.to_owned());
    }
    let other = body.user_id.value().is_some_and(|user| !actor.is_user(Some(user)));
    if !actor.is_admin() && other && !body.key_type.is_given() {
        body.key_type = Patch::Set(KeyKind::LlmApi);
    }
    let team = body.team_id.value().and_then(|team| ask.roster().teams.find(team.as_str()));
    if let (Some(lasts), Patch::Absent, Some(_)) =
        (team.and_then(|team| team.team_member_key_duration.clone()), &body.duration, body.user_id.value())
    {
        body.duration = Patch::Set(lasts);
    }
}

/// Whether a key belongs where the caller may put keys.
pub(super) fn may_belong(ask: &Ask<'_>, key: &Key) -> Result<(), Refusal> {
    let (actor, roster) = (ask.actor, ask.roster());
    if actor.is_admin() {
        return Ok(());
    }
    let own = actor.is_user(key.user_id.as_deref());
    let of_team = key.team_id.as_deref().and_then(|team| roster.teams.find(team)?.organization_id.clone());
    let foreign = |of: &&str| of_team.as_deref() != Some(*of) && !actor.manages(roster, of);
    if let Some(of) = key.organization_id.as_deref().filter(foreign) {
        return Err(Refusal::forbidden(format!("User is not allowed to create keys for organization={of}.")));
    }
    match (key.team_id.as_deref(), key.user_id.as_deref()) {
        (Some(team), _) if !roster.teams.has(team) => Err(no_team(team)),
        (Some(team), _) if actor.leads(roster, team) || own && allows(ask, team) => Ok(()),
        (Some(team), _) => Err(Refusal::forbidden(format!("User is not allowed to create keys for team={team}."))),
        (None, Some(_)) if own => Ok(()),
        (None, Some(user)) => Err(Refusal::forbidden(format!(
            "User can only create keys for themselves. Got user_id={user}, Your ID={}",
            actor.user_id().unwrap_or("None")
        ))),
        (None, None) => Err(Refusal::forbidden("a key without a user is made by an administrator")),
    }
}

/// Whether members of a team may do what is asked with their keys of it (`team_member_permissions`).
pub(super) fn allows(ask: &Ask<'_>, team: &str) -> bool {
    let named = ask.route.replace("{key}/", "");
    let found = ask.roster().teams.find(team);
    let allowed = found.is_some_and(|team| team.team_member_permissions.contains(&named));
    allowed && ask.actor.is_in(ask.roster(), team)
}

fn no_team(team: &str) -> Refusal {
    Refusal::bad(format_args!("Unable to find team object in database. Team ID: {team}"))
}

/// Whether no key has this hash.
pub(super) fn is_free(ask: &Ask<'_>, hash: &KeyHash) -> Result<(), Refusal> {
    let taken = ask.roster().key(hash, ask.now).is_some()
        || ask.world.settings.virtual_keys.iter().any(|key| key.hash == *hash)
        || ask.world.settings.master_key.as_ref().is_some_and(|master| KeyHash::of(master.expose()) == *hash);
    if taken { Err(Refusal::bad("a key like this is there already: choose another")) } else { Ok(()) }
}

/// Whether a key's names are free, but for those of the key with the hash `own`, and what it names is there.
pub(super) fn fits(ask: &Ask<'_>, key: &Key, own: &KeyHash) -> Result<(), Refusal> {
    let roster = ask.roster();
    if let Some(alias) = &key.key_alias {
        let of_another = |found: &KeyHash| found != own;
        let on_record = roster.key_by_alias(alias).map(|found| found.token);
        let in_file = ask.world.settings.virtual_keys.iter().find(|found| found.alias.as_ref() == Some(alias));
        if on_record.or_else(|| in_file.map(|found| found.hash)).as_ref().is_some_and(of_another) {
            let text =
                format!("Key with alias '{alias}' already exists. Unique key aliases across all keys are required.");
            return Err(Refusal::new(400, "bad_request_error", "key_alias", text));
        }
    }
    if let Some(team) = key.team_id.as_deref().filter(|team| !roster.teams.has(*team)) {
        return Err(no_team(team));
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
