//! `/key/update` and `/key/bulk_update`: keys changed in place.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fields::KeyFields;
use super::generate::{fits, may_belong, set_spend};
use super::reach::{administers, meant, within_reach};
use super::view::WholeKeyRow;
use crate::admin::ask::{Action, Ask, put};
use crate::admin::patch::Named;
use crate::admin::reply::{Refusal, Reply};
use crate::ledger::Adjustment;
use crate::roster::{Key, Writer};

/// Keys that one request may change.
const BULK_MAX: usize = 500;

/// What `/key/update` gives.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Updated {
    key: String,
    /// What was given and has no effect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    warnings: Vec<String>,
    #[serde(flatten)]
    row: WholeKeyRow,
}

pub(super) fn update(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: KeyFields = ask.read()?;
    let writer = ask.write()?;
    Reply::json(&change(ask, &writer, body)?)
}

fn change(ask: &Ask<'_>, writer: &Writer<'_>, body: KeyFields) -> Result<Updated, Refusal> {
    let named = body.key.value().cloned().ok_or_else(|| Refusal::missing("key"))?;
    let warnings = body.warnings();
    let (key, adjustments) = changed(ask, &named, body)?;
    ask.commit_with(writer, Action::Plain, vec![put(key.clone())], adjustments)?;
    Ok(Updated { key: named, warnings, row: WholeKeyRow::of(ask.world, &key, ask.now) })
}

fn changed(ask: &Ask<'_>, named: &str, mut body: KeyFields) -> Result<(Key, Vec<Adjustment>), Refusal> {
    body.check()?;
    body.changed(&ask.world.settings.making)?;
    let before = meant(ask, named)?;
    if (body.blocked.is_given() || body.spend.is_given()) && !administers(ask, &before) {
        return Err(Refusal::forbidden(
            "blocked and spend of a key are set by an administrator, or by an admin of its team",
        ));
    }
    let grows = body.user_id.is_given() || body.key_type.is_given() || body.allowed_routes.is_given();
    let moves = body.user_id.is_given() || body.team_id.is_given() || body.organization_id.is_given();
    let spend = body.spend.value().copied();
    let mut key = Key::clone(&before);
    body.lay_upon(&mut key, ask.moment())?;
    if moves {
        may_belong(ask, &key)?;
    }
    if grows {
        within_reach(ask, &key)?;
    }
    fits(ask, &key, &before.token)?;
    ask.touch(&mut key.stamp);
    let adjustments = set_spend(ask, &key, spend);
    Ok((key, adjustments))
}

/// What `/key/bulk_update` takes.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Bulk {
    /// At most 500 keys, each with what is to be changed.
    keys: Vec<Named<KeyFields>>,
}

/// What it gives.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct BulkDone {
    total_requested: usize,
    successful_updates: Vec<BulkUpdated>,
    failed_updates: Vec<BulkFailed>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct BulkUpdated {
    key: String,
    key_info: WholeKeyRow,
}

#[derive(Debug, Serialize, JsonSchema)]
struct BulkFailed {
    key: Option<String>,
    failed_reason: String,
}

/// Each key by itself: what fails is told of, and the others are changed.
pub(super) fn bulk(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let Bulk { keys } = ask.read()?;
    if keys.is_empty() || keys.len() > BULK_MAX {
        return Err(Refusal::bad(format_args!("keys: expected 1 to {BULK_MAX} keys, found {}", keys.len())));
    }
    let writer = ask.write()?;
    let mut done = BulkDone { total_requested: keys.len(), successful_updates: Vec::new(), failed_updates: Vec::new() };
    for Named(body) in keys {
        let key = body.key.value().cloned();
        match change(ask, &writer, body) {
            Ok(Updated { key, row, .. }) => done.successful_updates.push(BulkUpdated { key, key_info: row }),
            Err(refusal) => done.failed_updates.push(BulkFailed { key, failed_reason: refusal.to_string() }),
        }
    }
    Reply::json(&done)
}
