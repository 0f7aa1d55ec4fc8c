//! What was counted by the labels of metrics, read from the file. Triggers of the schema keep it.

use super::session::{Failed, Flavour, Row, Session};
use super::{entry, money};
use crate::ledger::{CallType, Counted, Outcome};
use crate::vocabulary::KeyHash;

/// All counts; of a server, those of one node: each counts what it does itself, and one without a name that lasts begins anew.
pub(super) fn read(session: &mut Session, node: Option<&str>) -> Result<Vec<Counted>, Failed> {
    let text = "SELECT key, deployment, call, status, outcome, requests, prompt, completion, cache_read, cache_write, \
                reasoning, cost_micro, cost_pico FROM counted WHERE requests > 0";
    match (session.flavour(), node) {
        (Flavour::Sqlite, _) => session.all(text, &[], counted),
        (Flavour::Postgres, Some(node)) => session.all(&format!("{text} AND node = ?"), &[node.into()], counted),
        (Flavour::Postgres, None) => Ok(Vec::new()),
    }
}

fn counted(row: &Row<'_>) -> Result<Counted, Failed> {
    let count = |place: usize| row.int(place).map(|count| u64::try_from(count).unwrap_or(0));
    let code = |place: usize| row.int(place).map(|code| u8::try_from(code).unwrap_or(u8::MAX));
    Ok(Counted {
        key: row.bytes(0)?.try_into().ok().map(KeyHash::from_bytes),
        deployment: row.text(1)?,
        call: CallType::of(code(2)?),
        status: u16::try_from(row.int(3)?).unwrap_or_default(),
        outcome: entry::outcome_of(code(4)?).unwrap_or(Outcome::Failed),
        requests: count(5)?,
        prompt: count(6)?,
        completion: count(7)?,
        cache_read: count(8)?,
        cache_write: count(9)?,
        reasoning: count(10)?,
        cost: money::join(row.int(11)?, row.int(12)?),
    })
}
