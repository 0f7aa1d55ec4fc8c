//! `/key/regenerate`: another key in the place of one, with the same account, and for a while beside it.

use super::fields::KeyFields;
use super::generate::{Generated, fits, is_free, may_belong, set_spend};
use super::make;
use super::reach::{administers, meant, within_reach};
use crate::admin::ask::{Action, Ask, put};
use crate::admin::check;
use crate::admin::reply::{Refusal, Reply};
use crate::roster::{Change, Key, Kind, Moment};
use crate::vocabulary::KeyHash;

/// The key in the path, in the body, or the caller's own.
pub(super) fn regenerate(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let mut body: KeyFields = if ask.body.trim_ascii().is_empty() { KeyFields::default() } else { ask.read()? };
    let named = match (ask.path.first(), body.key.value()) {
        (Some(named), _) | (None, Some(named)) => named.clone(),
        (None, None) => ask.actor.key().map(|key| key.token.to_string()).ok_or_else(|| Refusal::missing("key"))?,
    };
    let writer = ask.write()?;
    body.check()?;
    body.changed(&ask.world.settings.making)?;
    let before = meant(ask, &named)?;
    if (body.blocked.is_given() || body.spend.is_given()) && !administers(ask, &before) {
        return Err(Refusal::forbidden(
            "blocked and spend of a key are set by an administrator, or by an admin of its team",
        ));
    }
    let plain = match body.new_key.value() {
        Some(key) => make::own(key)?,
        None => make::random()?,
    };
    let hash = KeyHash::of(&plain);
    is_free(ask, &hash)?;
    // Also without a grace: the levels of limits go on from those of the key before.
    let previous = Some((before.token, grace(ask, &body)?));
    let (spend, warnings) = (body.spend.value().copied(), body.warnings());
    let mut key = Key { previous, ..replaced(&before, hash, &plain) };
    body.lay_upon(&mut key, ask.moment())?;
    may_belong(ask, &key)?;
    within_reach(ask, &key)?;
    fits(ask, &key, &before.token)?;
    ask.touch(&mut key.stamp);
    let changes = vec![Change::Remove(Kind::Key, before.token.to_string()), put(key.clone())];
    ask.commit_with(&writer, Action::Rotated, changes, set_spend(ask, &key, spend))?;
    Reply::json(&Generated::of(ask, plain, &key, warnings))
}

fn replaced(before: &Key, hash: KeyHash, plain: &str) -> Key {
    Key {
        token: hash,
        account: Some(before.account()),
        key_name: make::shown(plain),
        rotation_count: before.rotation_count.saturating_add(1),
        ..before.clone()
    }
}

/// Until when the old key is let in beside the new one: until now, if nothing is said.
fn grace(ask: &Ask<'_>, body: &KeyFields) -> Result<Moment, Refusal> {
    let Some(period) = body.grace_period.value().filter(|period| !period.is_empty()) else { return Ok(ask.moment()) };
    let until = check::end_of("grace_period", period, ask.moment())?;
    until.ok_or_else(|| Refusal::bad("Invalid grace_period: two keys are not valid side by side for ever"))
}
