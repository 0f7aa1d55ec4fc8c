//! `/global/*`: what all together spent, by day, key, team, model, provider, tag and end user.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::log::key_name;
use super::period::{Period, date};
use super::sight;
use crate::admin::ask::Ask;
use crate::admin::reply::{Refusal, Reply};
use crate::ledger::{AccountId, By, Ledger, Sum, Survey};
use crate::roster::Moment;
use crate::vocabulary::{KeyHash, PicoUsd, ScopeKind};

/// What was spent by all.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Spend {
    spend: PicoUsd,
    max_budget: Option<PicoUsd>,
}

/// `/global/spend`: in the window of the global budget.
pub(super) fn spend(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let statement = ask.world.around.ledger.statement(AccountId::Global, ask.now);
    let spend = statement.as_ref().map_or(PicoUsd::ZERO, |statement| statement.spent);
    Reply::json(&Spend { spend, max_budget: statement.and_then(|statement| statement.limit) })
}

/// One day.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct OfDay {
    date: String,
    spend: PicoUsd,
}

/// `/global/spend/logs`.
pub(super) fn days(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let keys = sight::key(ask, "api_key")?.into_iter().collect();
    let mut sums = sight::sums(ask, &Survey { keys, ..survey(ask, [By::Day]) })?;
    sums.reverse();
    let day = |sum: Sum| OfDay { date: date(sum.day), spend: sum.counts.cost };
    Reply::json(&sums.into_iter().map(day).collect::<Vec<_>>())
}

/// Sums of everything within the period.
fn survey<const N: usize>(ask: &Ask<'_>, by: [By; N]) -> Survey {
    let (from, to) = Period::of(ask).days(ask.now.wall_ms);
    Survey::new(from, to, by)
}

/// The largest of them.
fn largest<const N: usize>(ask: &Ask<'_>, by: [By; N]) -> Result<Vec<Sum>, Refusal> {
    sight::sums(ask, &Survey { limit: ask.query.count("limit"), ..survey(ask, by) })
}

/// One key.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct OfKey {
    api_key: String,
    key_alias: Option<String>,
    key_name: Option<String>,
    total_spend: PicoUsd,
}

/// `/global/spend/keys`.
pub(super) fn keys(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let name = |hash: KeyHash| ask.roster().keys.find(&hash).map(|key| key.key_name.clone());
    let key = |sum: Sum| OfKey {
        api_key: key_name(sum.key),
        key_name: sum.key.and_then(name),
        key_alias: Some(sum.key_alias).filter(|alias| !alias.is_empty()),
        total_spend: sum.counts.cost,
    };
    Reply::json(&largest(ask, [By::Key])?.into_iter().map(key).collect::<Vec<_>>())
}

/// Teams by day.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Teams {
    daily_spend: Vec<DayOfTeams>,
    teams: Vec<String>,
    total_spend_per_team: Vec<OfTeam>,
}

/// A day; each team's spend stands under its name.
#[derive(Debug, Serialize, JsonSchema)]
struct DayOfTeams {
    date: String,
    #[serde(flatten)]
    teams: BTreeMap<String, PicoUsd>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct OfTeam {
    team_id: String,
    total_spend: PicoUsd,
}

/// `/global/spend/teams`.
pub(super) fn teams(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let of = Some(ScopeKind::Team);
    let mut sums = sight::sums(ask, &Survey { of, ..survey(ask, [By::Day, By::Id]) })?;
    sums.reverse();
    let name = |id: &str| {
        let alias = ask.roster().teams.find(id).and_then(|team| team.team_alias.clone());
        alias.unwrap_or_else(|| id.to_owned())
    };
    let mut daily_spend: Vec<DayOfTeams> = Vec::new();
    let mut totals: BTreeMap<String, PicoUsd> = BTreeMap::new();
    for sum in sums {
        let (date, team) = (date(sum.day), name(&sum.id));
        if daily_spend.last().is_none_or(|day| day.date != date) {
            daily_spend.push(DayOfTeams { date, teams: BTreeMap::new() });
        }
        let total = totals.entry(team.clone()).or_default();
        *total = total.plus(sum.counts.cost);
        if let Some(day) = daily_spend.last_mut() {
            let of_day = day.teams.entry(team).or_default();
            *of_day = of_day.plus(sum.counts.cost);
        }
    }
    let teams = totals.keys().cloned().collect();
    let mut total_spend_per_team: Vec<_> =
        totals.into_iter().map(|(team_id, total_spend)| OfTeam { team_id, total_spend }).collect();
    total_spend_per_team.sort_by_key(|team| std::cmp::Reverse(team.total_spend));
    Reply::json(&Teams { daily_spend, teams, total_spend_per_team })
}

/// One model, as clients call it.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct OfModel {
    model: String,
    total_spend: PicoUsd,
}

/// `/global/spend/models`.
pub(super) fn models(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let model = |sum: Sum| OfModel { model: sum.group, total_spend: sum.counts.cost };
    Reply::json(&largest(ask, [By::Group])?.into_iter().map(model).collect::<Vec<_>>())
}

/// One provider.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct OfProvider {
    provider: String,
    spend: PicoUsd,
}

/// `/global/spend/provider`.
pub(super) fn providers(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let sums = sight::sums(ask, &survey(ask, [By::Provider]))?;
    let provider = |sum: Sum| OfProvider { provider: sum.provider, spend: sum.counts.cost };
    Reply::json(&sums.into_iter().map(provider).collect::<Vec<_>>())
}

/// All tags.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Tags {
    spend_per_tag: Vec<OfTag>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct OfTag {
    name: String,
    spend: PicoUsd,
    log_count: i64,
}

/// `/global/spend/tags`.
pub(super) fn tags(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let only = ask.query.text("tags").filter(|tags| *tags != "all-tags").unwrap_or_default();
    let ids = only.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    let survey = Survey { of: Some(ScopeKind::Tag), ids, ..survey(ask, [By::Id]) };
    let tag = |sum: Sum| OfTag { name: sum.id, spend: sum.counts.cost, log_count: sum.counts.requests };
    Reply::json(&Tags { spend_per_tag: sight::sums(ask, &survey)?.into_iter().map(tag).collect() })
}

/// Which end users' spend.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(super) struct OfCustomers {
    /// Of this key, or hash.
    #[serde(default)]
    api_key: Option<String>,
    /// Not before.
    #[serde(default, rename = "startTime")]
    start_time: Option<Moment>,
    /// Not after.
    #[serde(default, rename = "endTime")]
    end_time: Option<Moment>,
}

/// One end user.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct OfCustomer {
    end_user: String,
    total_count: i64,
    total_spend: PicoUsd,
}

/// `/global/spend/end_users`.
pub(super) fn customers(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let body: OfCustomers = ask.read()?;
    let period =
        Period { from_ms: body.start_time.map(|at| at.0), until_ms: body.end_time.map(|at| at.0.saturating_add(1)) };
    let (from, to) = period.days(ask.now.wall_ms);
    let key =
        body.api_key.map(|text| if text.starts_with("sk-") { Some(KeyHash::of(&text)) } else { KeyHash::parse(&text) });
    let keys = match key {
        None => Vec::new(),
        Some(hash) => vec![hash.ok_or_else(|| Refusal::bad("api_key: expected sk-... or its SHA-256"))?],
    };
    let sums = sight::sums(ask, &Survey { keys, ..Survey::of_each(ScopeKind::Customer, from, to) })?;
    let customer =
        |sum: Sum| OfCustomer { end_user: sum.id, total_count: sum.counts.requests, total_spend: sum.counts.cost };
    Reply::json(&sums.into_iter().map(customer).collect::<Vec<_>>())
}

/// Requests and tokens.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct Activity {
    daily_data: Vec<ActivityOfDay>,
    sum_api_requests: i64,
    sum_total_tokens: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ActivityOfDay {
    date: String,
    api_requests: i64,
    total_tokens: i64,
}

impl Activity {
    /// Adds a day behind the others.
    fn add(&mut self, sum: &Sum) {
        let (api_requests, total_tokens) = (sum.counts.requests, sum.counts.tokens());
        self.daily_data.push(ActivityOfDay { date: date(sum.day), api_requests, total_tokens });
        self.sum_api_requests += api_requests;
        self.sum_total_tokens = self.sum_total_tokens.saturating_add(total_tokens);
    }
}

/// `/global/activity`.
pub(super) fn activity(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let mut activity = Activity::default();
    sight::sums(ask, &survey(ask, [By::Day]))?.iter().rev().for_each(|sum| activity.add(sum));
    Reply::json(&activity)
}

/// The same of one model.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ActivityOfModel {
    model: String,
    #[serde(flatten)]
    activity: Activity,
}

/// `/global/activity/model`.
pub(super) fn by_model(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let mut models: BTreeMap<String, Activity> = BTreeMap::new();
    for sum in sight::sums(ask, &survey(ask, [By::Day, By::Group]))?.iter().rev() {
        models.entry(sum.group.clone()).or_default().add(sum);
    }
    let mut all: Vec<_> = models.into_iter().map(|(model, activity)| ActivityOfModel { model, activity }).collect();
    all.sort_by_key(|model| std::cmp::Reverse(model.activity.sum_api_requests));
    Reply::json(&all)
}
