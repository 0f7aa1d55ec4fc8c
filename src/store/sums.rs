//! Sums by day, read from the file.

use std::sync::LazyLock;

use super::conditions::{Conditions, Is};
use super::session::{Failed, Row, Session};
use super::value::Value;
use super::{Place, StoreError, money};
use crate::ledger::{By, Counts, Sum, Survey};
use crate::vocabulary::KeyHash;

/// The sums on file, days the newest first, the largest sums first. Reads beside gateways that run on the same; what these have
/// taken in the last instant may be missing.
///
/// # Errors
/// There is no database there that this version can read.
pub fn report(place: &Place, survey: &Survey) -> Result<Vec<Sum>, StoreError> {
    let mut session = place.session()?;
    read(&mut session, survey).map_err(|error| StoreError::new(format!("{}: {error}", place.shown())))
}

/// The sums.
pub(super) fn read(session: &mut Session, survey: &Survey) -> Result<Vec<Sum>, Failed> {
    let conditions = conditions(survey);
    let group = group(survey);
    let no_bytes = format!("CAST('' AS {})", session.flavour().bytes());
    let of = |by: By, otherwise| match column(by, survey) {
        Some(column) if survey.by.contains(&by) => column,
        _ => otherwise,
    };
    let text = format!(
        "SELECT {day}, {id}, {key}, {alias}, {model}, {model_group}, {upstream}, {provider}, {deployment}, \
         {counts} \
         FROM {table} {conditions} {group} ORDER BY 1 DESC, 17 DESC, 18 DESC, 10 DESC, 2, 3, 5, 9 LIMIT ? OFFSET ?",
        day = of(By::Day, "CAST(0 AS BIGINT)"),
        id = of(By::Id, "''"),
        key = of(By::Key, &no_bytes),
        alias = if survey.by.contains(&By::Key) { "max(key_alias)" } else { "''" },
        model = of(By::Model, "''"),
        model_group = of(By::Group, "''"),
        upstream = of(By::Upstream, "''"),
        provider = of(By::Provider, "''"),
        deployment = of(By::Deployment, "''"),
        counts = *COUNTS,
        table = table(survey),
    );
    let page = [survey.limit, survey.offset].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    session.all(&text, &conditions.values(page), sum)
}

/// The counts, each as wide as a column: PostgreSQL's sums are wider.
static COUNTS: LazyLock<String> = LazyLock::new(|| {
    let columns = [
        "requests",
        "failed",
        "prompt",
        "completion",
        "cache_read",
        "cache_write",
        "reasoning",
        "cost_micro",
        "cost_pico",
    ];
    columns.map(|column| format!("CAST(coalesce(sum({column}), 0) AS BIGINT)")).join(", ")
});

/// How many sums there are.
pub(super) fn number(session: &mut Session, survey: &Survey) -> Result<u64, Failed> {
    let (conditions, group, table) = (conditions(survey), group(survey), table(survey));
    let text = format!("SELECT count(*) FROM (SELECT 1 FROM {table} {conditions} {group}) AS found");
    Ok(session.number(&text, &conditions.values([]))?.unsigned_abs())
}

fn table(survey: &Survey) -> &'static str {
    if survey.of.is_some() { "daily_of" } else { "daily" }
}

/// What was corrected leaves days without anything.
fn group(survey: &Survey) -> String {
    let columns: Vec<_> = survey.by.iter().filter_map(|by| column(*by, survey)).collect();
    if columns.is_empty() { String::new() } else { format!("GROUP BY {} HAVING sum(requests) > 0", columns.join(", ")) }
}

/// The column that a sum is by. What is for nobody in particular has no ids.
fn column(by: By, survey: &Survey) -> Option<&'static str> {
    match by {
        By::Day => Some("day"),
        By::Id => survey.of.map(|_| "id"),
        By::Key => Some("key"),
        By::Model => Some("model"),
        By::Group => Some("model_group"),
        By::Upstream => Some("upstream"),
        By::Provider => Some("provider"),
        By::Deployment => Some("deployment"),
    }
}

fn conditions(survey: &Survey) -> Conditions<'_> {
    let mut conditions = Conditions::default();
    if let Some(kind) = survey.of {
        conditions.with("kind = ?", Some([Value::from(i64::from(kind.code()))]));
        conditions.among("id", Is::OneOf, survey.ids.iter().map(|id| Value::from(id.as_str())));
        conditions.among("id", Is::NoneOf, survey.without.iter().map(|id| Value::from(id.as_str())));
    }
    conditions.with("day BETWEEN ? AND ?", Some([Value::from(survey.from_day), Value::from(survey.to_day)]));
    conditions.among("key", Is::OneOf, survey.keys.iter().map(|key| Value::from(key.as_bytes().as_slice())));
    let named = survey.model.as_ref().map(|model| [model, model, model].map(|model| Value::from(model.as_str())));
    conditions.with("(model = ? OR model_group = ? OR upstream = ?)", named);
    conditions
}

fn sum(row: &Row<'_>) -> Result<Sum, Failed> {
    Ok(Sum {
        day: row.int(0)?,
        id: row.text(1)?,
        key: row.bytes(2)?.try_into().ok().map(KeyHash::from_bytes),
        key_alias: row.text(3)?,
        model: row.text(4)?,
        group: row.text(5)?,
        upstream: row.text(6)?,
        provider: row.text(7)?,
        deployment: row.text(8)?,
        counts: Counts {
            requests: row.int(9)?,
            failed: row.int(10)?,
            prompt: row.int(11)?,
            completion: row.int(12)?,
            cache_read: row.int(13)?,
            cache_write: row.int(14)?,
            reasoning: row.int(15)?,
            cost: money::join(row.int(16)?, row.int(17)?),
        },
    })
}
