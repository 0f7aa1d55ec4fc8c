//! Sums by day, read from the file.

use std::path::Path;

use rusqlite::{Connection, Row, params_from_iter, types::Value};

use super::conditions::{Conditions, Is};
use super::{StoreError, money, schema};
use crate::ledger::{By, Counts, Sum, Survey};
use crate::vocabulary::KeyHash;

/// The sums of a directory, days the newest first, the largest sums first. Reads beside a gateway that runs on the
/// directory; what that has taken in the last instant may be missing.
///
/// # Errors
/// The directory has no database that this version can read.
pub fn report(directory: &Path, survey: &Survey) -> Result<Vec<Sum>, StoreError> {
    let connection = schema::open_to_read(directory)?;
    read(&connection, survey).map_err(|error| StoreError::new(format!("{}: {error}", directory.display())))
}

/// The sums.
pub(super) fn read(connection: &Connection, survey: &Survey) -> rusqlite::Result<Vec<Sum>> {
    let conditions = conditions(survey);
    let group = group(survey);
    let of = |by: By, otherwise: &'static str| match column(by, survey) {
        Some(column) if survey.by.contains(&by) => column,
        _ => otherwise,
    };
    let text = format!(
        "SELECT {day}, {id}, {key}, {alias}, {model}, {model_group}, {upstream}, {provider}, {deployment}, \
         coalesce(sum(requests), 0), coalesce(sum(failed), 0), coalesce(sum(prompt), 0), coalesce(sum(completion), 0), \
         coalesce(sum(cache_read), 0), coalesce(sum(cache_write), 0), coalesce(sum(reasoning), 0), \
         coalesce(sum(cost_micro), 0), coalesce(sum(cost_pico), 0) \
         FROM {table} {conditions} {group} ORDER BY 1 DESC, 17 DESC, 18 DESC, 10 DESC, 2, 3, 5, 9 LIMIT ? OFFSET ?",
        day = of(By::Day, "0"),
        id = of(By::Id, "''"),
        key = of(By::Key, "x''"),
        alias = if survey.by.contains(&By::Key) { "max(key_alias)" } else { "''" },
        model = of(By::Model, "''"),
        model_group = of(By::Group, "''"),
        upstream = of(By::Upstream, "''"),
        provider = of(By::Provider, "''"),
        deployment = of(By::Deployment, "''"),
        table = table(survey),
    );
    let page = [survey.limit, survey.offset].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    let mut statement = connection.prepare(&text)?;
    statement.query_map(params_from_iter(conditions.values(page)), sum)?.collect()
}

/// How many sums there are.
pub(super) fn number(connection: &Connection, survey: &Survey) -> rusqlite::Result<u64> {
    let (conditions, group, table) = (conditions(survey), group(survey), table(survey));
    let text = format!("SELECT count(*) FROM (SELECT 1 FROM {table} {conditions} {group})");
    let read = |row: &Row<'_>| row.get::<_, i64>(0);
    Ok(connection.prepare(&text)?.query_row(params_from_iter(conditions.values([])), read)?.unsigned_abs())
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

fn conditions(survey: &Survey) -> Conditions {
    let mut conditions = Conditions::default();
    if let Some(kind) = survey.of {
        conditions.with("kind = ?", Some([Value::from(i64::from(kind.code()))]));
        conditions.among("id", Is::OneOf, survey.ids.iter().cloned().map(Value::from));
        conditions.among("id", Is::NoneOf, survey.without.iter().cloned().map(Value::from));
    }
    conditions.with("day BETWEEN ? AND ?", Some([Value::from(survey.from_day), Value::from(survey.to_day)]));
    conditions.among("key", Is::OneOf, survey.keys.iter().map(|key| Value::from(key.as_bytes().to_vec())));
    let named = survey.model.as_ref().map(|model| [model, model, model].map(|model| Value::from(model.clone())));
    conditions.with("(model = ? OR model_group = ? OR upstream = ?)", named);
    conditions
}

fn sum(row: &Row<'_>) -> rusqlite::Result<Sum> {
    let key: Vec<u8> = row.get(2)?;
    Ok(Sum {
        day: row.get(0)?,
        id: row.get(1)?,
        key: key.try_into().ok().map(KeyHash::from_bytes),
        key_alias: row.get(3)?,
        model: row.get(4)?,
        group: row.get(5)?,
        upstream: row.get(6)?,
        provider: row.get(7)?,
        deployment: row.get(8)?,
        counts: Counts {
            requests: row.get(9)?,
            failed: row.get(10)?,
            prompt: row.get(11)?,
            completion: row.get(12)?,
            cache_read: row.get(13)?,
            cache_write: row.get(14)?,
            reasoning: row.get(15)?,
            cost: money::join(row.get(16)?, row.get(17)?),
        },
    })
}
