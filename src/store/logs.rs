//! Receipts as LiteLLM's `/spend/logs` shows them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, Row, ToSql};
use serde::Serialize;

use super::rows::day_of;
use super::{entry, money};
use crate::ledger::{Outcome, SpendQuery};
use crate::vocabulary::{KeyHash, PicoUsd};

/// As LiteLLM gives at most.
const ROWS_MAX: u32 = 10_000;
const DAY_MS: i64 = 86_400_000;

/// The receipts, or their sums by day, in JSON.
pub(super) fn read(connection: &Connection, query: &SpendQuery) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    match (query.summarize, query.from_day, query.to_day) {
        (true, Some(from), Some(to)) => Ok(serde_json::to_vec(&by_day(connection, query, from, to)?)?),
        _ => Ok(serde_json::to_vec(&rows(connection, query)?)?),
    }
}

/// One row; what is not known here is there all the same, because clients read it.
#[derive(Debug, Serialize)]
struct Log {
    request_id: String,
    call_type: &'static str,
    api_key: String,
    spend: f64,
    total_tokens: i64,
    prompt_tokens: i64,
    completion_tokens: i64,
    #[serde(rename = "startTime")]
    start_time: String,
    #[serde(rename = "endTime")]
    end_time: String,
    request_duration_ms: i64,
    model: String,
    model_id: String,
    model_group: String,
    status: &'static str,
    cache_hit: &'static str,
    user: &'static str,
    end_user: &'static str,
    team_id: Option<&'static str>,
    request_tags: [&'static str; 0],
    metadata: Metadata,
}

#[derive(Debug, Serialize)]
struct Metadata {
    user_api_key: String,
    user_api_key_alias: Option<String>,
    status: &'static str,
    outcome: &'static str,
    usage: &'static str,
    /// Exactly, where `spend` is a float.
    spend_usd: String,
    cache_read_input_tokens: i64,
    cache_creation_input_tokens: i64,
    reasoning_tokens: i64,
}

fn rows(connection: &Connection, query: &SpendQuery) -> rusqlite::Result<Vec<Log>> {
    let (clause, values) = clause(query);
    let text = format!(
        "SELECT exchange, key, key_alias, model, model_group, deployment, started_ms, ended_ms, outcome, metered, prompt, \
         completion, cache_read, cache_write, reasoning, cost_micro, cost_pico FROM spend {clause} \
         ORDER BY started_ms DESC LIMIT {ROWS_MAX}"
    );
    let mut statement = connection.prepare(&text)?;
    let values: Vec<&dyn ToSql> = values.iter().map(AsRef::as_ref).collect();
    statement.query_map(values.as_slice(), log)?.collect()
}

/// The conditions, of constant texts, and the values that are bound to them.
fn clause(query: &SpendQuery) -> (String, Vec<Box<dyn ToSql>>) {
    let (mut conditions, mut values): (Vec<&str>, Vec<Box<dyn ToSql>>) = (Vec::new(), Vec::new());
    let mut with = |condition, value: Box<dyn ToSql>| {
        conditions.push(condition);
        values.push(value);
    };
    if let Some(exchange) = &query.exchange {
        with("exchange = ?", Box::new(exchange.clone()));
    }
    if let Some(key) = &query.key {
        with("key = ?", Box::new(key.as_bytes().to_vec()));
    }
    if let Some(from) = query.from_day {
        with("day >= ?", Box::new(from));
    }
    if let Some(to) = query.to_day {
        with("day <= ?", Box::new(to));
    }
    let clause = if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
    (clause, values)
}

fn log(row: &Row<'_>) -> rusqlite::Result<Log> {
    let key: Option<Vec<u8>> = row.get(1)?;
    let api_key = key.map(|key| hash(&key)).unwrap_or_default();
    let text = |index| row.get::<_, Option<String>>(index).map(Option::unwrap_or_default);
    let (started_ms, ended_ms): (i64, i64) = (row.get(6)?, row.get(7)?);
    let outcome = entry::outcome_of(row.get(8)?).unwrap_or(Outcome::Cut);
    let status = if outcome == Outcome::Failed { "failure" } else { "success" };
    let (prompt, completion): (i64, i64) = (row.get(10)?, row.get(11)?);
    let cost = money::join(row.get(15)?, row.get(16)?);
    Ok(Log {
        request_id: row.get(0)?,
        call_type: "",
        spend: cost.to_dollars(),
        total_tokens: prompt.saturating_add(completion),
        prompt_tokens: prompt,
        completion_tokens: completion,
        start_time: instant(started_ms),
        end_time: instant(ended_ms),
        request_duration_ms: ended_ms.saturating_sub(started_ms).max(0),
        model: text(3)?,
        model_id: text(5)?,
        model_group: text(4)?,
        status,
        cache_hit: "False",
        user: "",
        end_user: "",
        team_id: None,
        request_tags: [],
        metadata: Metadata {
            user_api_key: api_key.clone(),
            user_api_key_alias: row.get(2)?,
            status,
            outcome: outcome_word(outcome),
            usage: usage_word(row.get(9)?),
            spend_usd: cost.to_string(),
            cache_read_input_tokens: row.get(12)?,
            cache_creation_input_tokens: row.get(13)?,
            reasoning_tokens: row.get(14)?,
        },
        api_key,
    })
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Complete => "complete",
        Outcome::ClientGone => "client_gone",
        Outcome::Cut => "cut",
        Outcome::Failed => "failed",
        Outcome::Denied => "denied",
    }
}

fn usage_word(metered: u8) -> &'static str {
    match metered {
        1 => "partial",
        2 => "reported",
        3 => "estimated",
        _ => "absent",
    }
}

fn hash(bytes: &[u8]) -> String {
    bytes.try_into().map(|bytes| KeyHash::from_bytes(bytes).to_string()).unwrap_or_default()
}

fn instant(wall_ms: i64) -> String {
    Timestamp::from_millisecond(wall_ms).map(|at| at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()).unwrap_or_default()
}

/// The day as `2026-11-21`.
pub(super) fn date(day: i64) -> String {
    let start = Timestamp::from_millisecond(day.saturating_mul(DAY_MS));
    start.map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

/// A day's sums; the spend of each key stands beside them under the key's hash, as LiteLLM has it.
#[derive(Debug, Default, Serialize)]
struct Day {
    #[serde(rename = "startTime")]
    start_time: String,
    spend: f64,
    users: BTreeMap<String, f64>,
    models: BTreeMap<String, f64>,
    #[serde(flatten)]
    keys: BTreeMap<String, f64>,
}

#[derive(Default)]
struct Amounts {
    all: PicoUsd,
    models: BTreeMap<String, PicoUsd>,
    keys: BTreeMap<String, PicoUsd>,
}

/// One entry per day up to the last, the empty ones before the first left out, as LiteLLM does. The most days are bounded.
fn by_day(connection: &Connection, query: &SpendQuery, from: i64, to: i64) -> rusqlite::Result<Vec<Day>> {
    let mut days: BTreeMap<i64, Amounts> = BTreeMap::new();
    let mut statement = connection.prepare(
        "SELECT day, key, model, sum(cost_micro), sum(cost_pico) FROM daily \
         WHERE day >= ?1 AND day <= ?2 AND (?3 IS NULL OR key = ?3) GROUP BY day, key, model ORDER BY day",
    )?;
    let key = query.key.map(|key| key.as_bytes().to_vec());
    let mut found = statement.query(rusqlite::params![from, to, key])?;
    while let Some(row) = found.next()? {
        let (key, model): (Vec<u8>, String) = (row.get(1)?, row.get(2)?);
        let cost = money::join(row.get(3)?, row.get(4)?);
        let day = days.entry(row.get(0)?).or_default();
        day.all = day.all.plus(cost);
        for (sums, name) in [(&mut day.models, model), (&mut day.keys, hash(&key))] {
            let sum = sums.entry(name).or_default();
            *sum = sum.plus(cost);
        }
    }
    let Some(last) = days.keys().next_back().copied() else { return Ok(Vec::new()) };
    let today = day_of(to.saturating_mul(DAY_MS));
    let empty = (last + 1..=today).take(ROWS_MAX as usize);
    let dollars =
        |sums: BTreeMap<String, PicoUsd>| sums.into_iter().map(|(name, sum)| (name, sum.to_dollars())).collect();
    let full = days.into_iter().map(|(day, amounts)| Day {
        start_time: date(day),
        spend: amounts.all.to_dollars(),
        users: BTreeMap::from([(String::new(), amounts.all.to_dollars())]),
        models: dollars(amounts.models),
        keys: dollars(amounts.keys),
    });
    Ok(full.chain(empty.map(|day| Day { start_time: date(day), ..Day::default() })).collect())
}
