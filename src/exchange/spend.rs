//! What is said about receipts on file: whether they can be written, and which are asked for.

use bytes::Bytes;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::World;
use super::local::LocalAnswer;
use crate::json;
use crate::ledger::SpendQuery;
use crate::vocabulary::{Fault, KeyHash, Kind};

const DAY_MS: i64 = 86_400_000;

/// Whether the gateway can do its work, in LiteLLM's words.
pub(super) fn readiness(world: &World) -> LocalAnswer {
    let body = |text: &'static [u8]| Bytes::from_static(text);
    let Some(keeper) = world.around.ledger.keeper() else {
        return LocalAnswer::Readiness { ready: true, body: body(br#"{"status":"healthy","db":"Not connected"}"#) };
    };
    match keeper.unwell() {
        None => LocalAnswer::Readiness { ready: true, body: body(br#"{"status":"healthy","db":"connected"}"#) },
        Some(unwell) => {
            let mut text = br#"{"status":"unhealthy","db":"Not connected","cause":"#.to_vec();
            text.extend_from_slice(&json::quote(&unwell.cause));
            text.push(b'}');
            LocalAnswer::Readiness { ready: false, body: text.into() }
        }
    }
}

/// Reads the query of `/spend/logs`.
pub(super) fn query(world: &World, text: &str) -> Result<SpendQuery, Fault> {
    if world.around.ledger.keeper().is_none() {
        let text = "No connected db. Spend is kept in memory only: start the gateway with --data-dir to keep receipts";
        return Err(Fault::client(Kind::BadRequest, text).param("None"));
    }
    let mut query = SpendQuery { summarize: true, ..SpendQuery::default() };
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value).ok_or_else(|| bad(name, "text in percent-encoding"))?;
        match name {
            _ if value.is_empty() => {}
            "request_id" => query.exchange = Some(value),
            "api_key" => query.key = Some(key(&value).ok_or_else(|| bad("api_key", "sk-... or its SHA-256"))?),
            "start_date" => query.from_day = Some(day(&value).ok_or_else(|| bad("start_date", "YYYY-MM-DD"))?),
            "end_date" => query.to_day = Some(day(&value).ok_or_else(|| bad("end_date", "YYYY-MM-DD"))?),
            "summarize" => query.summarize = truth(&value).ok_or_else(|| bad("summarize", "true or false"))?,
            "user_id" => return Err(bad("user_id", "nothing: receipts do not name users yet")),
            _ => {}
        }
    }
    Ok(query)
}

/// The receipts that a query asks for. Reads a file.
///
/// # Errors
/// They cannot be read.
pub fn spend_logs(world: &World, query: &SpendQuery) -> Result<Bytes, Fault> {
    let unread = |cause: String| Fault::ours(Kind::Internal, "the receipts on file cannot be read").cause(cause);
    match world.around.ledger.keeper() {
        Some(keeper) => keeper.spend_logs(query).map(Bytes::from).map_err(unread),
        None => Err(unread("there are none".to_owned())),
    }
}

fn bad(name: &str, expected: &str) -> Fault {
    let name: String = name.chars().take(40).collect();
    Fault::client(Kind::BadRequest, format!("query parameter {name}: expected {expected}")).param(name)
}

fn key(text: &str) -> Option<KeyHash> {
    if text.starts_with("sk-") { Some(KeyHash::of(text)) } else { KeyHash::parse(text) }
}

/// Days from 1970.
fn day(text: &str) -> Option<i64> {
    let start = text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(start.timestamp().as_millisecond().div_euclid(DAY_MS))
}

fn truth(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            b'+' => b' ',
            plain => plain,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_keys_are_read() {
        assert_eq!((day("1970-01-02"), day("2026-11-21"), day("21.11.2026")), (Some(1), Some(20_778), None));
        assert_eq!(key("sk-x"), Some(KeyHash::of("sk-x")));
        assert_eq!(key(&KeyHash::of("sk-x").to_string()), Some(KeyHash::of("sk-x")));
        assert_eq!(key("x"), None);
        assert_eq!(decode("a%2Fb+c").as_deref(), Some("a/b c"));
        assert_eq!((decode("%"), decode("%zz"), decode("%ff")), (None, None, None));
    }
}
