//! `/global/spend/reset`: what keys and teams have spent in their windows, set back to nothing.

use schemars::JsonSchema;
use serde::Serialize;

use crate::admin::ask::{Action, Ask, put};
use crate::admin::bounds;
use crate::admin::keys::Spent;
use crate::admin::reply::{Refusal, Reply};
use crate::ledger::Adjustment;
use crate::roster::{Key, Team};
use crate::vocabulary::{PicoUsd, ScopeKind};

/// What `/global/spend/reset` gives.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SpendReset")]
pub(super) struct Done {
    message: &'static str,
    status: &'static str,
}

/// All of them at once, each told in the audit log. Receipts and sums by day stay as they are.
pub(super) fn reset(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let writer = ask.write()?;
    let (mut changes, mut adjustments) = (Vec::new(), Vec::new());
    for key in ask.roster().keys.all() {
        if let Some(back) = back(Spent::of(ask.world, &key, ask.now)) {
            let mut key = Key::clone(&key);
            ask.touch(&mut key.stamp);
            changes.push(put(key));
            adjustments.push(back);
        }
    }
    for team in ask.roster().teams.all() {
        let spent = bounds::spent(ask.world, (ScopeKind::Team, &team.team_id), &team.bounds, ask.now);
        if let Some(back) = back(spent) {
            let mut team = Team::clone(&team);
            ask.touch(&mut team.stamp);
            changes.push(put(team));
            adjustments.push(back);
        }
    }
    ask.commit_with(&writer, Action::Plain, changes, adjustments)?;
    Reply::json(&Done { message: "Spend for all API Keys and Teams reset successfully", status: "success" })
}

fn back(Spent { account, spent, resets_at }: Spent) -> Option<Adjustment> {
    let by = PicoUsd::ZERO.minus(spent);
    (spent != PicoUsd::ZERO).then(|| Adjustment { account, resets_at_ms: resets_at.map(|at| at.0), by })
}
