//! Spend by key, model or day, read from the file.

use std::path::Path;

use rusqlite::params;

use super::{StoreError, logs, money, schema};
use crate::vocabulary::{KeyHash, PicoUsd};

/// What sums are made by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Virtual keys.
    Key,
    /// Models as clients named them.
    Model,
    /// Days, UTC.
    Day,
}

/// One sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The alias of the key or else its hash, the model, or the day as `2026-11-21`.
    pub name: String,
    /// Exchanges.
    pub requests: i64,
    /// Input tokens.
    pub prompt: i64,
    /// Output tokens.
    pub completion: i64,
    /// What they cost.
    pub spend: PicoUsd,
}

/// The sums from a day on (counted from 1970, UTC), the largest first, days in their order. Reads beside a gateway that
/// runs on the directory; what it has taken in the last instant may be missing.
///
/// # Errors
/// The directory has no database that this version can read.
pub fn read(directory: &Path, by: By, from_day: i64) -> Result<Vec<Line>, StoreError> {
    let connection = schema::open_to_read(directory)?;
    let statement = match by {
        By::Key => {
            "SELECT key, max(key_alias), sum(requests), sum(prompt), sum(completion), sum(cost_micro), sum(cost_pico) \
             FROM daily WHERE day >= ?1 GROUP BY key ORDER BY 6 DESC, 7 DESC"
        }
        By::Model => {
            "SELECT x'', model, sum(requests), sum(prompt), sum(completion), sum(cost_micro), sum(cost_pico) \
             FROM daily WHERE day >= ?1 GROUP BY model ORDER BY 6 DESC, 7 DESC"
        }
        By::Day => {
            "SELECT x'', day, sum(requests), sum(prompt), sum(completion), sum(cost_micro), sum(cost_pico) \
             FROM daily WHERE day >= ?1 GROUP BY day ORDER BY day"
        }
    };
    let line = |row: &rusqlite::Row<'_>| {
        let name = match by {
            By::Key => key_name(&row.get::<_, Vec<u8>>(0)?, row.get(1)?),
            By::Model => row.get(1)?,
            By::Day => logs::date(row.get(1)?),
        };
        let spend = money::join(row.get(5)?, row.get(6)?);
        Ok(Line { name, requests: row.get(2)?, prompt: row.get(3)?, completion: row.get(4)?, spend })
    };
    let read = || connection.prepare(statement)?.query_map(params![from_day], line)?.collect::<rusqlite::Result<_>>();
    read().map_err(|error| StoreError::new(format!("{}: {error}", directory.display())))
}

fn key_name(hash: &[u8], alias: String) -> String {
    match <[u8; 32]>::try_from(hash) {
        _ if !alias.is_empty() => alias,
        Ok(hash) => KeyHash::from_bytes(hash).to_string(),
        Err(_) => "(master key)".to_owned(),
    }
}
