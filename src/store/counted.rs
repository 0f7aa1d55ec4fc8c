//! What was counted by the labels of metrics, read from the file. Triggers of the schema keep it.

use rusqlite::{Connection, Row};

use super::{entry, money};
use crate::ledger::{CallType, Counted, Outcome};
use crate::vocabulary::KeyHash;

/// All counts.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Vec<Counted>> {
    let mut statement = connection.prepare(
        "SELECT key, deployment, call, status, outcome, requests, prompt, completion, cache_read, cache_write, reasoning, \
         cost_micro, cost_pico FROM counted WHERE requests > 0",
    )?;
    statement.query_map([], counted)?.collect()
}

fn counted(row: &Row<'_>) -> rusqlite::Result<Counted> {
    let key: Vec<u8> = row.get(0)?;
    let count = |place: usize| row.get::<_, i64>(place).map(|count| u64::try_from(count).unwrap_or(0));
    Ok(Counted {
        key: key.try_into().ok().map(KeyHash::from_bytes),
        deployment: row.get(1)?,
        call: CallType::of(row.get(2)?),
        status: row.get(3)?,
        outcome: entry::outcome_of(row.get(4)?).unwrap_or(Outcome::Failed),
        requests: count(5)?,
        prompt: count(6)?,
        completion: count(7)?,
        cache_read: count(8)?,
        cache_write: count(9)?,
        reasoning: count(10)?,
        cost: money::join(row.get(11)?, row.get(12)?),
    })
}
