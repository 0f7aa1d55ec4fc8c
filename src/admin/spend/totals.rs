//! `/spend/tags`, `/spend/keys`, `/spend/users`: who spent most.

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::Serialize;

use super::period::Period;
use super::sight;
use crate::admin::actor;
use crate::admin::ask::Ask;
use crate::admin::keys::{Spent, WholeKeyRow};
use crate::admin::reply::{Refusal, Reply};
use crate::ledger::{AccountId, Part, Survey};
use crate::roster::{Moment, User};
use crate::vocabulary::{PicoUsd, ScopeKind};

/// One tag.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct OfTag {
    individual_request_tag: String,
    log_count: i64,
    total_spend: PicoUsd,
}

/// `/spend/tags`.
pub(super) fn tags(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let (from, to) = Period::of(ask).days(ask.now.wall_ms);
    let sums = sight::sums(ask, &Survey::of_each(ScopeKind::Tag, from, to))?;
    let tag = sums.into_iter().map(|sum| OfTag {
        individual_request_tag: sum.id,
        log_count: sum.counts.requests,
        total_spend: sum.counts.cost,
    });
    Reply::json(&tag.collect::<Vec<_>>())
}

/// `/spend/keys`.
pub(super) fn keys(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let mut keys = ask.roster().keys.all();
    keys.sort_by_cached_key(|key| Reverse(Spent::of(ask.world, key, ask.now).spent));
    keys.truncate(usize::try_from(ask.query.count("limit")).unwrap_or(usize::MAX));
    let rows: Vec<_> = keys.iter().map(|key| WholeKeyRow::of(ask.world, key, ask.now)).collect();
    Reply::json(&rows)
}

/// One user.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct OfUser {
    user_id: String,
    user_email: Option<String>,
    user_alias: Option<String>,
    user_role: &'static str,
    spend: PicoUsd,
    max_budget: Option<PicoUsd>,
    budget_duration: Option<String>,
    budget_reset_at: Option<Moment>,
    models: Vec<String>,
}

/// `/spend/users`.
pub(super) fn users(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let only = ask.query.text("user_id");
    let users = ask.roster().users.filter(|user: &User| only.is_none_or(|only| *only == user.user_id));
    let row = |user: std::sync::Arc<User>| {
        let account = AccountId::of(ScopeKind::User, &user.user_id, &Part::Whole);
        let (spend, end) = ask.world.around.ledger.spent(account, ask.now);
        OfUser {
            user_id: user.user_id.clone(),
            user_email: user.user_email.clone(),
            user_alias: user.user_alias.clone(),
            user_role: actor::name(user.user_role),
            spend,
            max_budget: user.bounds.max_budget,
            budget_duration: user.bounds.budget_duration.clone(),
            budget_reset_at: end.map(Moment),
            models: user.models.clone(),
        }
    };
    let mut rows: Vec<_> = users.into_iter().map(row).collect();
    rows.sort_by(|one, other| other.spend.cmp(&one.spend).then_with(|| one.user_id.cmp(&other.user_id)));
    Reply::json(&rows)
}
