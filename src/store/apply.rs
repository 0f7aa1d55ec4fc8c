//! Entries into rows: one transaction for many, with the sums that they are part of.

use std::collections::HashMap;
use std::hash::Hash;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::entry::{self, Entry};
use super::money;
use crate::ledger::{AccountId, Bookings, Outcome, Receipt};
use crate::vocabulary::{ModelName, PicoUsd, Usage};

const DAY_MS: i64 = 86_400_000;

/// The day of a moment, counted from 1970, UTC.
pub(super) fn day_of(wall_ms: i64) -> i64 {
    wall_ms.div_euclid(DAY_MS)
}

/// What was added to accounts, each in a window.
pub(super) type Added = HashMap<(AccountId, Option<i64>), PicoUsd>;

/// Puts entries on file. The last one of each exchange stands; one that is there already changes nothing.
pub(super) fn apply(connection: &mut Connection, entries: &[Entry]) -> rusqlite::Result<Added> {
    let mut last: HashMap<&str, &Entry> = HashMap::with_capacity(entries.len());
    for entry in entries {
        let stands = last.entry(&entry.receipt.exchange).or_insert(entry);
        if entry.stage >= stands.stage {
            *stands = entry;
        }
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut sums = Sums::default();
    for entry in last.into_values() {
        put(&transaction, entry, &mut sums)?;
    }
    sums.write(&transaction)?;
    transaction.commit()?;
    Ok(sums.accounts)
}

/// What a row says that sums are made of.
struct Row {
    stage: u8,
    counts: Counts,
    booked: Bookings,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    requests: i64,
    failed: i64,
    prompt: i64,
    completion: i64,
    cache_read: i64,
    cost: PicoUsd,
}

impl Counts {
    fn of(receipt: &Receipt) -> Self {
        let usage = receipt.usage.usage().copied().unwrap_or_default();
        Self {
            requests: 1,
            failed: i64::from(receipt.outcome == Outcome::Failed),
            prompt: count(usage.prompt),
            completion: count(usage.completion),
            cache_read: count(usage.cache_read),
            cost: receipt.cost,
        }
    }

    fn add(&mut self, other: &Self, sign: i64) {
        self.requests += sign * other.requests;
        self.failed += sign * other.failed;
        self.prompt = self.prompt.saturating_add(sign * other.prompt);
        self.completion = self.completion.saturating_add(sign * other.completion);
        self.cache_read = self.cache_read.saturating_add(sign * other.cache_read);
        self.cost = PicoUsd(self.cost.0.saturating_add(i128::from(sign) * other.cost.0));
    }
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn put<'e>(transaction: &Transaction<'_>, entry: &'e Entry, sums: &mut Sums<'e>) -> rusqlite::Result<()> {
    let receipt = &entry.receipt;
    if !write(transaction, INSERT, entry)? {
        let Some(before) = find(transaction, &receipt.exchange)? else { return Ok(()) };
        if before.stage > entry::stage_code(entry.stage) {
            return Ok(());
        }
        sums.add(receipt, &before.counts, &before.booked, -1);
        write(transaction, UPDATE, entry)?;
    }
    sums.add(receipt, &Counts::of(receipt), &receipt.booked, 1);
    Ok(())
}

const INSERT: &str = "INSERT INTO spend (exchange, stage, outcome, day, started_ms, ended_ms, key, key_alias, model, \
     model_group, deployment, metered, prompt, completion, cache_read, cache_write, reasoning, cost_micro, cost_pico, booked) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20) \
     ON CONFLICT (exchange) DO NOTHING";
const UPDATE: &str = "UPDATE spend SET stage = ?2, outcome = ?3, day = ?4, started_ms = ?5, ended_ms = ?6, key = ?7, \
     key_alias = ?8, model = ?9, model_group = ?10, deployment = ?11, metered = ?12, prompt = ?13, completion = ?14, \
     cache_read = ?15, cache_write = ?16, reasoning = ?17, cost_micro = ?18, cost_pico = ?19, booked = ?20 \
     WHERE exchange = ?1";

/// Whether a row was written.
fn write(transaction: &Transaction<'_>, statement: &str, entry: &Entry) -> rusqlite::Result<bool> {
    let Entry { stage, receipt } = entry;
    let usage = receipt.usage.usage().copied().unwrap_or_default();
    let Usage { cache_write, cache_write_1h, .. } = usage;
    let (micro, pico) = money::split(receipt.cost);
    let mut booked = Vec::with_capacity(64);
    entry::bookings(&receipt.booked, &mut booked);
    let written = transaction.prepare_cached(statement)?.execute(params![
        &*receipt.exchange,
        entry::stage_code(*stage),
        entry::outcome_code(receipt.outcome),
        day_of(receipt.started_ms),
        receipt.started_ms,
        receipt.ended_ms,
        receipt.key.as_ref().map(|key| key.as_bytes().as_slice()),
        receipt.key_alias.as_deref(),
        receipt.model.as_ref().map(ModelName::as_str),
        receipt.group.as_deref(),
        receipt.deployment.as_deref(),
        entry::metered_code(&receipt.usage),
        count(usage.prompt),
        count(usage.completion),
        count(usage.cache_read),
        count(cache_write.saturating_add(cache_write_1h)),
        count(usage.reasoning),
        micro,
        pico,
        booked,
    ])?;
    Ok(written > 0)
}

fn find(transaction: &Transaction<'_>, exchange: &str) -> rusqlite::Result<Option<Row>> {
    let mut statement = transaction.prepare_cached(
        "SELECT stage, outcome, prompt, completion, cache_read, cost_micro, cost_pico, booked FROM spend WHERE exchange = ?1",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        let outcome = entry::outcome_of(row.get(1)?).unwrap_or(Outcome::Cut);
        let counts = Counts {
            requests: 1,
            failed: i64::from(outcome == Outcome::Failed),
            prompt: row.get(2)?,
            completion: row.get(3)?,
            cache_read: row.get(4)?,
            cost: money::join(row.get(5)?, row.get(6)?),
        };
        let booked: Vec<u8> = row.get(7)?;
        let booked = entry::bookings_of(&booked).unwrap_or_default();
        Ok(Row { stage: row.get(0)?, counts, booked })
    };
    statement.query_row([exchange], read).optional()
}

/// What changes in the sums.
#[derive(Default)]
struct Sums<'e> {
    daily: HashMap<Daily<'e>, Counts>,
    accounts: Added,
}

/// Of whom, and of what, a day's sum is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Daily<'e> {
    day: i64,
    key: &'e [u8],
    key_alias: &'e str,
    model: &'e str,
    deployment: &'e str,
}

impl<'e> Sums<'e> {
    fn add(&mut self, receipt: &'e Receipt, counts: &Counts, booked: &Bookings, sign: i64) {
        let daily = Daily {
            day: day_of(receipt.started_ms),
            key: receipt.key.as_ref().map_or(&[], |key| key.as_bytes()),
            key_alias: receipt.key_alias.as_deref().unwrap_or_default(),
            model: receipt.model.as_ref().map(ModelName::as_str).unwrap_or_default(),
            deployment: receipt.deployment.as_deref().unwrap_or_default(),
        };
        self.daily.entry(daily).or_default().add(counts, sign);
        for booking in booked {
            let spent = self.accounts.entry((booking.account, booking.resets_at_ms)).or_default();
            *spent = PicoUsd(spent.0.saturating_add(i128::from(sign) * counts.cost.0));
        }
    }

    fn write(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut statement = transaction.prepare_cached(
            "INSERT INTO daily (day, key, model, deployment, key_alias, requests, failed, prompt, completion, cache_read, \
             cost_micro, cost_pico) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) \
             ON CONFLICT (day, key, model, deployment) DO UPDATE SET key_alias = ?5, requests = requests + ?6, \
             failed = failed + ?7, prompt = prompt + ?8, completion = completion + ?9, cache_read = cache_read + ?10, \
             cost_micro = cost_micro + ?11, cost_pico = cost_pico + ?12",
        )?;
        for (of, sum) in &self.daily {
            let (micro, pico) = money::split(sum.cost);
            statement.execute(params![
                of.day,
                of.key,
                of.model,
                of.deployment,
                of.key_alias,
                sum.requests,
                sum.failed,
                sum.prompt,
                sum.completion,
                sum.cache_read,
                micro,
                pico
            ])?;
        }
        for ((account, end), spent) in &self.accounts {
            add_to_account(transaction, *account, *end, *spent)?;
        }
        Ok(())
    }
}

/// Adds to what was spent on an account in a window.
fn add_to_account(
    transaction: &Transaction<'_>,
    account: AccountId,
    resets_at_ms: Option<i64>,
    spent: PicoUsd,
) -> rusqlite::Result<()> {
    let mut bytes = Vec::with_capacity(33);
    entry::account(account, &mut bytes);
    let (micro, pico) = money::split(spent);
    let mut statement = transaction.prepare_cached(
        "INSERT INTO account (account, window_end, spent_micro, spent_pico) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (account, window_end) DO UPDATE SET spent_micro = spent_micro + ?3, spent_pico = spent_pico + ?4",
    )?;
    statement.execute(params![bytes, entry::window(resets_at_ms), micro, pico])?;
    Ok(())
}

/// What was spent on an account in a window that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) account: AccountId,
    pub(super) resets_at_ms: Option<i64>,
    pub(super) spent: PicoUsd,
}

/// Everything that was spent in windows that are not over.
pub(super) fn spent_since(connection: &Connection, wall_ms: i64) -> rusqlite::Result<Vec<Spent>> {
    let mut statement = connection
        .prepare_cached("SELECT account, window_end, spent_micro, spent_pico FROM account WHERE window_end > ?1")?;
    let mut rows = statement.query([wall_ms])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let account: Vec<u8> = row.get(0)?;
        let Some(account) = entry::account_of(&account) else { continue };
        let resets_at_ms = entry::window_of(row.get(1)?);
        all.push(Spent { account, resets_at_ms, spent: money::join(row.get(2)?, row.get(3)?) });
    }
    Ok(all)
}

/// A number that changes when another process has committed.
pub(super) fn commits_of_others(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

/// Moves what was spent to the windows in which it counts now, where a budget's duration was changed.
pub(super) fn rebase(connection: &mut Connection, moves: &[(Spent, Option<i64>)]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (from, to) in moves {
        add_to_account(&transaction, from.account, from.resets_at_ms, PicoUsd::ZERO.minus(from.spent))?;
        add_to_account(&transaction, from.account, *to, from.spent)?;
    }
    transaction.commit()
}

/// Takes away rows from before a day, at most so many, and windows that have long been over; says how many rows.
pub(super) fn prune(
    connection: &Connection,
    before_day: Option<i64>,
    wall_ms: i64,
    most: u32,
) -> rusqlite::Result<usize> {
    // An exchange may be corrected after its window is over, as long as it runs.
    connection.execute("DELETE FROM account WHERE window_end < ?1", [wall_ms - 2 * DAY_MS])?;
    let Some(day) = before_day else { return Ok(0) };
    connection.execute(
        "DELETE FROM spend WHERE rowid IN (SELECT rowid FROM spend WHERE day < ?1 LIMIT ?2)",
        params![day, most],
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ledger::Stage;
    use crate::store::Durability;
    use crate::store::entry::tests::receipt;
    use crate::store::schema;

    struct Place(std::path::PathBuf);

    impl Drop for Place {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    fn open(name: &str) -> (Place, Connection) {
        let path = std::env::temp_dir().join(format!("tollgate-apply-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let connection = schema::open(&path, Durability::Relaxed).unwrap();
        (Place(path), connection)
    }

    fn entry(exchange: &str, stage: Stage, cost: i128) -> Entry {
        Entry { stage, receipt: receipt(exchange, cost) }
    }

    /// What the rows come to, what the days do, and each account.
    fn sums(connection: &Connection) -> (i128, i128, Vec<i128>) {
        let sum = |table: &str| {
            let text = format!("SELECT coalesce(sum(cost_micro), 0), coalesce(sum(cost_pico), 0) FROM {table}");
            connection.query_row(&text, [], |row| Ok(money::join(row.get(0)?, row.get(1)?).0)).unwrap()
        };
        let spent = spent_since(connection, 0).unwrap().into_iter().map(|spent| spent.spent.0).collect();
        (sum("spend"), sum("daily"), spent)
    }

    #[test]
    fn a_later_entry_replaces_an_earlier_one_and_never_the_other_way() {
        let (_place, mut connection) = open("replace");
        apply(&mut connection, &[entry("a", Stage::Flowing, 3), entry("b", Stage::Closed, 50)]).unwrap();
        assert_eq!(sums(&connection), (53, 53, vec![53; 3]));
        apply(&mut connection, &[entry("a", Stage::Ended, 9_000_007)]).unwrap();
        assert_eq!(sums(&connection), (9_000_057, 9_000_057, vec![9_000_057; 3]));
        apply(&mut connection, &[entry("a", Stage::Flowing, 4), entry("b", Stage::Ended, 1)]).unwrap();
        assert_eq!(sums(&connection), (9_000_057, 9_000_057, vec![9_000_057; 3]));
    }

    #[test]
    fn a_changed_window_takes_what_was_spent_along() {
        let (_place, mut connection) = open("rebase");
        apply(&mut connection, &[entry("a", Stage::Closed, 40)]).unwrap();
        let globals = |connection: &Connection| {
            let all = spent_since(connection, 0).unwrap();
            all.into_iter().filter(|spent| spent.account == AccountId::Global).collect::<Vec<_>>()
        };
        let before = globals(&connection)[0];
        assert_eq!((before.resets_at_ms, before.spent), (None, PicoUsd(40)));
        rebase(&mut connection, &[(before, Some(1_000))]).unwrap();
        let moved = Spent { resets_at_ms: Some(1_000), ..before };
        assert_eq!(globals(&connection), [moved, Spent { spent: PicoUsd::ZERO, ..before }]);
    }

    #[test]
    fn old_rows_go_and_their_sums_stay() {
        let (_place, mut connection) = open("prune");
        apply(&mut connection, &[entry("a", Stage::Closed, 40)]).unwrap();
        let day = day_of(receipt("a", 0).started_ms);
        assert_eq!(prune(&connection, Some(day), 0, 10).unwrap(), 0);
        assert_eq!(prune(&connection, Some(day + 1), 0, 10).unwrap(), 1);
        let (rows, days, _) = sums(&connection);
        assert_eq!((rows, days), (0, 40));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// A crash may repeat any end of what was moved already.
        #[test]
        fn moving_the_end_of_a_journal_again_changes_nothing(
            steps in prop::collection::vec((0u8..4, 0u8..3, 0i128..5_000_000), 1..24),
            committed in any::<prop::sample::Index>(),
            replayed in any::<prop::sample::Index>(),
        ) {
            let stages = [Stage::Flowing, Stage::Ended, Stage::Closed];
            let entries: Vec<_> = steps
                .iter()
                .map(|(exchange, stage, cost)| entry(&format!("x{exchange}"), stages[usize::from(*stage)], *cost))
                .collect();
            let committed = committed.index(entries.len() + 1);
            let from = replayed.index(committed + 1);
            let (_one, mut straight) = open("straight");
            apply(&mut straight, &entries).unwrap();
            let expected = sums(&straight);
            drop(straight);
            drop(_one);
            let (_two, mut crashed) = open("crashed");
            apply(&mut crashed, &entries[..committed]).unwrap();
            apply(&mut crashed, &entries[from..]).unwrap();
            prop_assert_eq!(sums(&crashed), expected);
        }
    }
}
