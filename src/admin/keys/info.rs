//! `/key/info`: one key, and who may see it.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::view::KeyRow;
use crate::admin::actor::Actor;
use crate::admin::ask::Ask;
use crate::admin::live::Live;
use crate::admin::reply::{Refusal, Reply};
use crate::roster::{Bounds, Key, Moment};
use crate::vocabulary::KeyHash;

/// What `/key/info` gives.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Shown {
    key: String,
    info: Info,
}

/// A row, and how its limits stand.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "KeyInfo")]
struct Info {
    #[serde(flatten)]
    row: KeyRow,
    live: Live,
}

pub(super) fn info(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let (named, hash) = match ask.query.text("key") {
        Some(named) => (named.to_owned(), hash_of(named)),
        None => {
            let own = ask.actor.hash().ok_or_else(master)?;
            (own.to_string(), Some(own))
        }
    };
    let key = hash.and_then(|hash| find(ask, &hash).or_else(|| declared(ask, &hash)));
    let key = key.filter(|key| may_see(ask, key)).ok_or_else(unknown)?;
    let (row, live) = (KeyRow::of(ask.world, &key, ask.now), Live::of_key(ask.world, &key, ask.now));
    Reply::json(&Shown { key: named, info: Info { row, live } })
}

fn master() -> Refusal {
    Refusal::bad("the master key has no record: name a key with ?key=")
}

/// As LiteLLM says it, also to whoever may not see the key.
pub(super) fn unknown() -> Refusal {
    Refusal::not_found("key", "Key not found in database")
}

/// The hash of a key that is named by itself or by its hash.
pub(super) fn hash_of(named: &str) -> Option<KeyHash> {
    if named.starts_with("sk-") { Some(KeyHash::of(named)) } else { KeyHash::parse(named) }
}

/// A key of the configuration, as if it were on record.
fn declared(ask: &Ask<'_>, hash: &KeyHash) -> Option<Arc<Key>> {
    let settings = &ask.world.settings;
    let found = settings.virtual_keys.iter().find(|key| key.hash == *hash)?;
    let mut key = Key::new(*hash, found.shown.clone().unwrap_or_else(|| "sk-...".to_owned()));
    key.key_alias.clone_from(&found.alias);
    key.models.clone_from(&found.models);
    key.aliases = found.aliases.iter().map(|(alias, model)| (alias.to_string(), model.to_string())).collect();
    key.expires = found.expires_ms.map(Moment);
    key.blocked = found.blocked;
    key.tags.clone_from(&found.tags);
    key.allowed_ips = found.allowed_ips.iter().map(ToString::to_string).collect();
    key.bounds = Bounds {
        max_budget: found.budget.as_ref().map(|budget| budget.max),
        budget_duration: found.budget.as_ref().and_then(|budget| budget.duration.clone()),
        rpm_limit: found.rpm_limit,
        tpm_limit: found.tpm_limit,
        max_parallel_requests: found.max_parallel_requests,
        model_rpm_limit: found.model_rpm_limit.iter().cloned().collect(),
        model_tpm_limit: found.model_tpm_limit.iter().cloned().collect(),
        ..Bounds::default()
    };
    Some(Arc::new(key))
}

/// A key on record.
pub(super) fn find(ask: &Ask<'_>, hash: &KeyHash) -> Option<Arc<Key>> {
    ask.roster().key(hash, ask.now)
}

/// Whether a key may be seen: by whoever sees everything, shows it, has it, or leads its team or organization.
pub fn may_see(ask: &Ask<'_>, key: &Key) -> bool {
    let Ask { actor, .. } = ask;
    let leads = key.team_id.as_deref().is_some_and(|team| actor.leads(ask.roster(), team));
    let manages = key.organization_id.as_deref().is_some_and(|of| actor.manages(ask.roster(), of));
    actor.sees_all() || is_own(actor, key) || actor.is_user(key.user_id.as_deref()) || leads || manages
}

fn is_own(actor: &Actor, key: &Key) -> bool {
    actor.hash() == Some(key.token)
}
