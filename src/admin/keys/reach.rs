//! Whose keys a caller may change, and how far a key that is changed may reach.

use std::sync::Arc;

use super::info::{find, hash_of, unknown};
use crate::admin::ask::Ask;
use crate::admin::reply::Refusal;
use crate::roster::{Key, KeyType};
use crate::vocabulary::KeyHash;

/// The key on record that a caller names and may change.
///
/// # Errors
/// 404: there is none, or none that the caller may see. 400: it stands in the configuration. 403: it is somebody else's.
pub(super) fn meant(ask: &Ask<'_>, named: &str) -> Result<Arc<Key>, Refusal> {
    let hash = hash_of(named).ok_or_else(unknown)?;
    let Some(key) = find(ask, &hash) else {
        return Err(if ask.actor.is_admin() && is_declared(ask, &hash) { declared() } else { unknown() });
    };
    if may_change(ask, &key) {
        return Ok(key);
    }
    Err(if super::info::may_see(ask, &key) { not_yours() } else { unknown() })
}

fn is_declared(ask: &Ask<'_>, hash: &KeyHash) -> bool {
    ask.world.settings.virtual_keys.iter().any(|key| key.hash == *hash)
}

fn declared() -> Refusal {
    Refusal::bad("this key stands in virtual_keys of the configuration: change it there")
}

fn not_yours() -> Refusal {
    Refusal::forbidden("You are not authorized to change this key: it is another user\u{2019}s")
}

/// Whether a key may be changed: by whoever administers it, and by its user, who needs the team's permission for one of a
/// team (`team_member_permissions`).
pub(super) fn may_change(ask: &Ask<'_>, key: &Key) -> bool {
    let own = ask.actor.is_user(key.user_id.as_deref());
    administers(ask, key) || own && key.team_id.as_deref().is_none_or(|team| super::generate::allows(ask, team))
}

/// Whether a key is under the caller: of a team or an organization that the caller leads, or any for an administrator.
pub(super) fn administers(ask: &Ask<'_>, key: &Key) -> bool {
    let Ask { actor, .. } = ask;
    let leads = key.team_id.as_deref().is_some_and(|team| actor.leads(ask.roster(), team));
    let manages = key.organization_id.as_deref().is_some_and(|of| actor.manages(ask.roster(), of));
    actor.is_admin() || leads || manages
}

/// Whoever gets to know a key can do what its user may. So nobody but an administrator gets one of another user that does
/// more than call models.
///
/// # Errors
/// 403: it would.
pub(super) fn within_reach(ask: &Ask<'_>, key: &Key) -> Result<(), Refusal> {
    let calls_alone = key.key_type == KeyType::LlmApi;
    let own = key.user_id.is_none() || ask.actor.is_user(key.user_id.as_deref());
    if ask.actor.is_admin() || own || calls_alone {
        return Ok(());
    }
    Err(Refusal::forbidden("a key of another user is made with key_type llm_api, unless by an administrator"))
}
