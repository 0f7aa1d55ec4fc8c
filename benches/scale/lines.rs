//! What stands in the directory, as lines for `tollgate import`.

use std::io::{self, Write};

use tollgate::vocabulary::KeyHash;

/// Days since 1970-01-01: the first of the thirty that receipts are of, 2026-01-01.
const FIRST_DAY: u64 = 20_454;
const DAYS: u64 = 30;
/// The same days, as a query.
pub(crate) const PERIOD: &str = "start_date=2026-01-01&end_date=2026-01-30";
const DAY_MS: u64 = 86_400_000;
/// Receipts are of so many keys; what they sum up to by day has a row for each.
const SPENDERS: u64 = 1000;

/// How much there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amount {
    pub(crate) keys: u64,
    pub(crate) receipts: u64,
}

/// The key with this number.
pub(crate) fn key(number: u64) -> String {
    format!("sk-scale-{number:012}")
}

/// Writes all lines.
pub(crate) fn write(amount: Amount, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, r#"{{"tollgate_export":1,"tollgate":"0.1.0","at":"2026-02-01T00:00:00Z","receipts":true}}"#)?;
    let mut lines = 0;
    for number in 0..amount.keys {
        let hash = KeyHash::of(&key(number));
        writeln!(
            out,
            r#"{{"kind":"key","changed_at":"2026-01-01T00:00:00Z","body":{{"token":"{hash}","key_name":"sk-...{:04}","key_alias":"key-{number}","models":["chat"],"max_budget":10.0,"budget_duration":"30d","rpm_limit":1000000,"metadata":{{"cost_center":"{}"}},"created_at":"2026-01-01T00:00:00Z","created_by":"default_user_id","updated_at":"2026-01-01T00:00:00Z","updated_by":"default_user_id"}}}}"#,
            number % 10_000,
            number % 97,
        )?;
        writeln!(
            out,
            r#"{{"kind":"account","row":{{"account":"01{hash}","window_end":1893456000000,"spent":"0.00005"}}}}"#
        )?;
        lines += 2;
    }
    let spenders = SPENDERS.min(amount.receipts);
    for day in 0..DAYS {
        for spender in 0..spenders {
            let hash = KeyHash::of(&key(spender));
            let requests = amount.receipts / (DAYS * spenders);
            writeln!(
                out,
                r#"{{"kind":"daily","row":{{"day":{},"key":"{hash}","model":"chat","deployment":"d","key_alias":"key-{spender}","model_group":"chat","upstream":"up","provider":"openai","requests":{requests},"failed":0,"prompt":{},"completion":{},"cache_read":0,"cache_write":0,"reasoning":0,"cost":"0.00005"}}}}"#,
                FIRST_DAY + day,
                requests * 8,
                requests * 3,
            )?;
            lines += 1;
        }
    }
    for number in 0..amount.receipts {
        receipt(number, spenders, amount.receipts, out)?;
        lines += 1;
    }
    writeln!(out, r#"{{"kind":"end","lines":{lines}}}"#)
}

/// One exchange; they are spread evenly over the days, one after the other.
fn receipt(number: u64, spenders: u64, all: u64, out: &mut dyn Write) -> io::Result<()> {
    let spender = number % spenders;
    let hash = KeyHash::of(&key(spender));
    let began = FIRST_DAY * DAY_MS + (u128::from(number) * u128::from(DAYS * DAY_MS) / u128::from(all)) as u64;
    // A UUID of version 7, whose first 48 bits are the time.
    let (high, low) = (began >> 16, began & 0xffff);
    writeln!(
        out,
        r#"{{"kind":"receipt","row":{{"exchange":"{high:08x}-{low:04x}-7000-8000-{number:012x}","stage":1,"outcome":0,"day":{},"started_ms":{began},"ended_ms":{},"key":"{hash}","key_alias":"key-{spender}","model":"chat","model_group":"chat","deployment":"d","metered":0,"prompt":8,"completion":3,"cache_read":0,"cache_write":0,"reasoning":0,"cost":"0.00005","booked":"00ffffffffffffff7f","team":null,"user":null,"organization":null,"customer":null,"tags":null,"provider":"openai","upstream":"up","api_base":"https://example.com","call":1,"session":null,"client_ip":"192.0.2.1","first_ms":{},"status":200,"error":null,"input_pico":20000000}}}}"#,
        began / DAY_MS,
        began + 900,
        began + 300,
    )
}
