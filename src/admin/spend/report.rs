//! `/global/spend/report`: by day and team, by day and end user, or by key.

use std::collections::BTreeMap;

use serde::Serialize;

use super::log::key_name;
use super::period::{Period, date};
use super::sight;
use crate::admin::ask::Ask;
use crate::admin::query::Param;
use crate::admin::reply::{Refusal, Reply};
use crate::ledger::{By, Counts, Sum, Survey};
use crate::vocabulary::{PicoUsd, ScopeKind};

pub(super) const QUERY: &[Param] = &[
    super::FROM,
    super::TO,
    Param::choice("group_by", &["team", "customer", "api_key"], "What the report is by; `team` where it is absent."),
    Param::text("api_key", "Only of this key, or hash; the report is by key then."),
    Param::text("internal_user_id", "Only of this user; the report is by key then."),
    Param::text("team_id", "Only of this team; the report is by key then."),
    Param::text("customer_id", "Only of this end user; the report is by key then."),
];

/// One model of a key, within a day's part.
#[derive(Debug, Serialize)]
struct OfModel {
    model: String,
    spend: PicoUsd,
    total_tokens: i64,
    api_key: String,
}

#[derive(Debug, Serialize)]
struct Team {
    team_name: String,
    team_id: String,
    total_spend: PicoUsd,
    metadata: Vec<OfModel>,
}

#[derive(Debug, Serialize)]
struct Customer {
    customer: String,
    total_spend: PicoUsd,
    metadata: Vec<OfModel>,
}

#[derive(Debug, Serialize)]
struct DayOfTeams {
    group_by_day: String,
    teams: Vec<Team>,
}

#[derive(Debug, Serialize)]
struct DayOfCustomers {
    group_by_day: String,
    customers: Vec<Customer>,
}

/// One key, or what it was narrowed to.
#[derive(Debug, Serialize)]
struct Key {
    api_key: String,
    key_alias: Option<String>,
    total_cost: PicoUsd,
    total_input_tokens: i64,
    total_output_tokens: i64,
    model_details: Vec<ModelOfKey>,
}

#[derive(Debug, Serialize)]
struct ModelOfKey {
    model: String,
    total_cost: PicoUsd,
    total_input_tokens: i64,
    total_output_tokens: i64,
}

/// `/global/spend/report`.
pub(super) fn report(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    if ask.query.text("start_date").is_none() || ask.query.text("end_date").is_none() {
        return Err(Refusal::bad("Please provide start_date and end_date"));
    }
    let key = sight::key(ask, "api_key")?;
    let narrowed =
        [("internal_user_id", ScopeKind::User), ("team_id", ScopeKind::Team), ("customer_id", ScopeKind::Customer)]
            .into_iter()
            .find_map(|(name, kind)| Some((kind, ask.query.text(name)?.to_owned())));
    match ask.query.text("group_by") {
        _ if key.is_some() || narrowed.is_some() => {
            let (of, ids) = narrowed.map_or((None, Vec::new()), |(kind, id)| (Some(kind), vec![id]));
            by_key(ask, Survey { of, ids, keys: key.into_iter().collect(), ..survey(ask, [By::Key, By::Model]) })
        }
        Some("api_key") => by_key(ask, survey(ask, [By::Key, By::Model])),
        Some("customer") => Reply::json(&customers(&parts(ask, ScopeKind::Customer)?)),
        _ => Reply::json(&teams(ask, &parts(ask, ScopeKind::Team)?)),
    }
}

fn survey<const N: usize>(ask: &Ask<'_>, by: [By; N]) -> Survey {
    let (from, to) = Period::of(ask).days(ask.now.wall_ms);
    Survey::new(from, to, by)
}

/// The parts of each day, the newest first.
type Parts = Vec<(i64, BTreeMap<String, Vec<Sum>>)>;

fn parts(ask: &Ask<'_>, kind: ScopeKind) -> Result<Parts, Refusal> {
    let survey = Survey { of: Some(kind), ..survey(ask, [By::Day, By::Id, By::Key, By::Model]) };
    let mut days: Parts = Vec::new();
    for sum in sight::sums(ask, &survey)? {
        if days.last().is_none_or(|(day, _)| *day != sum.day) {
            days.push((sum.day, BTreeMap::new()));
        }
        if let Some((_, parts)) = days.last_mut() {
            parts.entry(sum.id.clone()).or_default().push(sum);
        }
    }
    Ok(days)
}

fn total(sums: &[Sum]) -> Counts {
    let mut total = Counts::default();
    sums.iter().for_each(|sum| total.add(&sum.counts, 1));
    total
}

fn models(sums: &[Sum]) -> Vec<OfModel> {
    let model = |sum: &Sum| OfModel {
        model: sum.model.clone(),
        spend: sum.counts.cost,
        total_tokens: sum.counts.tokens(),
        api_key: key_name(sum.key),
    };
    sums.iter().map(model).collect()
}

fn teams(ask: &Ask<'_>, days: &Parts) -> Vec<DayOfTeams> {
    let team = |(id, sums): (&String, &Vec<Sum>)| {
        let alias = ask.roster().teams.find(id.as_str()).and_then(|team| team.team_alias.clone());
        let (team_name, total_spend) = (alias.unwrap_or_else(|| id.clone()), total(sums).cost);
        Team { team_name, team_id: id.clone(), total_spend, metadata: models(sums) }
    };
    let day = |(day, parts): &(i64, BTreeMap<String, Vec<Sum>>)| DayOfTeams {
        group_by_day: date(*day),
        teams: parts.iter().map(team).collect(),
    };
    days.iter().map(day).collect()
}

fn customers(days: &Parts) -> Vec<DayOfCustomers> {
    let customer = |(id, sums): (&String, &Vec<Sum>)| Customer {
        customer: id.clone(),
        total_spend: total(sums).cost,
        metadata: models(sums),
    };
    let day = |(day, parts): &(i64, BTreeMap<String, Vec<Sum>>)| DayOfCustomers {
        group_by_day: date(*day),
        customers: parts.iter().map(customer).collect(),
    };
    days.iter().map(day).collect()
}

fn by_key(ask: &Ask<'_>, survey: Survey) -> Result<Reply, Refusal> {
    let mut keys: BTreeMap<String, Vec<Sum>> = BTreeMap::new();
    for sum in sight::sums(ask, &survey)? {
        keys.entry(key_name(sum.key)).or_default().push(sum);
    }
    let model = |sum: &Sum| ModelOfKey {
        model: sum.model.clone(),
        total_cost: sum.counts.cost,
        total_input_tokens: sum.counts.prompt,
        total_output_tokens: sum.counts.completion,
    };
    let key = |(api_key, sums): (String, Vec<Sum>)| {
        let Counts { cost, prompt, completion, .. } = total(&sums);
        let alias = sums.iter().map(|sum| &sum.key_alias).find(|alias| !alias.is_empty()).cloned();
        Key {
            api_key,
            key_alias: alias,
            total_cost: cost,
            total_input_tokens: prompt,
            total_output_tokens: completion,
            model_details: sums.iter().map(model).collect(),
        }
    };
    let mut rows: Vec<_> = keys.into_iter().map(key).collect();
    rows.sort_by_key(|key| std::cmp::Reverse(key.total_cost));
    Reply::json(&rows)
}
