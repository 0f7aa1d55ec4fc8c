//! Entries into rows: one transaction for many, with the sums that they are part of.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use rusqlite::{Connection, ToSql, Transaction, TransactionBehavior, params};

use super::entry::{self, Entry};
use super::{money, rows};
use crate::ledger::{AccountId, Behalf, Bookings, Counts, Receipt};
use crate::vocabulary::{KeyHash, ModelName, PicoUsd};

const DAY_MS: i64 = 86_400_000;

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
    // Ids begin with the time: in their order, neighbours are written to the same page.
    let mut last: Vec<&Entry> = last.into_values().collect();
    last.sort_unstable_by_key(|entry| &entry.receipt.exchange);
    let mut rows = rows::Writing::on(&transaction)?;
    for entry in last {
        put(&transaction, &mut rows, entry, &mut sums)?;
    }
    drop(rows);
    sums.write(&transaction)?;
    transaction.commit()?;
    Ok(sums.accounts)
}

/// Which sums an exchange is part of.
struct Place {
    day: i64,
    key: Option<KeyHash>,
    model: Arc<str>,
    deployment: Arc<str>,
    names: Names,
    behalf: Option<Arc<Behalf>>,
    booked: Bookings,
}

/// What stands beside a day's sum; it follows from what the sum is of, nearly always.
#[derive(Clone, Debug, Default)]
struct Names {
    key_alias: Arc<str>,
    group: Arc<str>,
    upstream: Arc<str>,
    provider: Arc<str>,
}

impl Place {
    fn of(receipt: &Receipt) -> Self {
        let upstream = receipt.upstream.as_deref();
        Self {
            day: rows::day_of(receipt.started_ms),
            key: receipt.key,
            model: receipt.model.as_ref().map(ModelName::as_str).unwrap_or_default().into(),
            deployment: receipt.deployment.clone().unwrap_or_default(),
            names: Names {
                key_alias: receipt.key_alias.clone().unwrap_or_default(),
                group: receipt.group.clone().unwrap_or_default(),
                upstream: upstream.map(|upstream| upstream.model.clone()).unwrap_or_default(),
                provider: upstream.map(|upstream| upstream.provider.clone()).unwrap_or_default(),
            },
            behalf: receipt.behalf.clone(),
            booked: receipt.booked.clone(),
        }
    }
}

fn put(
    transaction: &Transaction<'_>,
    rows: &mut rows::Writing<'_>,
    entry: &Entry,
    sums: &mut Sums,
) -> rusqlite::Result<()> {
    if !rows.insert(entry)? {
        let Some((stage, before)) = rows::find(transaction, &entry.receipt.exchange)? else { return Ok(()) };
        if stage > entry::stage_code(entry.stage) {
            return Ok(());
        }
        sums.add(&before, -1);
        rows.replace(entry)?;
    }
    sums.add(&entry.receipt, 1);
    Ok(())
}

/// What changes in the sums.
#[derive(Default)]
struct Sums {
    daily: HashMap<Daily, Sum>,
    of: HashMap<(u8, Arc<str>, Daily), Sum>,
    accounts: Added,
}

/// Of what a day's sum is.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Daily {
    day: i64,
    key: Option<KeyHash>,
    model: Arc<str>,
    deployment: Arc<str>,
}

#[derive(Default)]
struct Sum {
    names: Names,
    counts: Counts,
}

impl Sum {
    fn add(&mut self, place: &Place, counts: &Counts, sign: i64) {
        self.counts.add(counts, sign);
        if sign > 0 || self.names.group.is_empty() {
            self.names = place.names.clone();
        }
    }
}

impl Sums {
    fn add(&mut self, receipt: &Receipt, sign: i64) {
        let (place, counts) = (&Place::of(receipt), &Counts::of(receipt));
        let (model, deployment) = (place.model.clone(), place.deployment.clone());
        let daily = Daily { day: place.day, key: place.key, model, deployment };
        for (kind, id) in place.behalf.iter().flat_map(|behalf| behalf.members()) {
            let of = (kind.code(), id.clone(), daily.clone());
            self.of.entry(of).or_default().add(place, counts, sign);
        }
        self.daily.entry(daily).or_default().add(place, counts, sign);
        for booking in &place.booked {
            let spent = self.accounts.entry((booking.account, booking.resets_at_ms)).or_default();
            *spent = PicoUsd(spent.0.saturating_add(i128::from(sign) * counts.cost.0));
        }
    }

    fn write(&self, transaction: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut daily = transaction.prepare_cached(&TO_DAILY)?;
        for (of, sum) in &self.daily {
            add_to_day(&mut daily, None, of, sum)?;
        }
        let mut daily = transaction.prepare_cached(&TO_DAILY_OF)?;
        for ((kind, id, of), sum) in &self.of {
            add_to_day(&mut daily, Some((*kind, id)), of, sum)?;
        }
        for ((account, end), spent) in &self.accounts {
            add_to_account(transaction, *account, *end, *spent)?;
        }
        Ok(())
    }
}

static TO_DAILY: LazyLock<String> = LazyLock::new(|| to_days("daily", ""));
static TO_DAILY_OF: LazyLock<String> = LazyLock::new(|| to_days("daily_of", "kind, id, "));

/// The statement that adds to a day's sum; the parameters before the rest are of the table's own columns.
fn to_days(table: &str, own: &str) -> String {
    let places = "?, ".repeat(own.matches(',').count());
    format!(
        "INSERT INTO {table} ({own}day, key, model, deployment, key_alias, model_group, upstream, provider, requests, \
         failed, prompt, completion, cache_read, cache_write, reasoning, cost_micro, cost_pico) \
         VALUES ({places}?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT ({own}day, key, model, deployment) DO UPDATE SET key_alias = excluded.key_alias, \
         model_group = excluded.model_group, upstream = excluded.upstream, provider = excluded.provider, \
         requests = requests + excluded.requests, failed = failed + excluded.failed, prompt = prompt + excluded.prompt, \
         completion = completion + excluded.completion, cache_read = cache_read + excluded.cache_read, \
         cache_write = cache_write + excluded.cache_write, reasoning = reasoning + excluded.reasoning, \
         cost_micro = cost_micro + excluded.cost_micro, cost_pico = cost_pico + excluded.cost_pico"
    )
}

fn add_to_day(
    statement: &mut rusqlite::CachedStatement<'_>,
    whose: Option<(u8, &str)>,
    of: &Daily,
    sum: &Sum,
) -> rusqlite::Result<()> {
    let Sum { names, counts } = sum;
    let (micro, pico) = money::split(counts.cost);
    let key = of.key.as_ref().map_or(&[] as &[u8], |key| key.as_bytes());
    let rest: [&dyn ToSql; 17] = [
        &of.day,
        &key,
        &of.model,
        &of.deployment,
        &names.key_alias,
        &names.group,
        &names.upstream,
        &names.provider,
        &counts.requests,
        &counts.failed,
        &counts.prompt,
        &counts.completion,
        &counts.cache_read,
        &counts.cache_write,
        &counts.reasoning,
        &micro,
        &pico,
    ];
    match &whose {
        None => statement.execute(rest.as_slice())?,
        Some((kind, id)) => statement.execute([&[kind as &dyn ToSql, id], rest.as_slice()].concat().as_slice())?,
    };
    Ok(())
}

/// Adds to what was spent on an account in a window.
pub(super) fn add_to_account(
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
        "DELETE FROM spend WHERE rowid IN (SELECT rowid FROM spend WHERE started_ms < ?1 LIMIT ?2)",
        params![day.saturating_mul(DAY_MS), most],
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

    /// What the rows come to, what the days do, and each account. Everybody's days come to the same.
    fn sums(connection: &Connection) -> (i128, i128, Vec<i128>) {
        let sum = |table: &str| {
            let text = format!("SELECT coalesce(sum(cost_micro), 0), coalesce(sum(cost_pico), 0) FROM {table}");
            connection.query_row(&text, [], |row| Ok(money::join(row.get(0)?, row.get(1)?).0)).unwrap()
        };
        for behalf in ["2", "3", "4", "6", "7 AND id = 'one'", "7 AND id = 'three'"] {
            assert_eq!(sum(&format!("daily_of WHERE kind = {behalf}")), sum("daily"), "{behalf}");
        }
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
    fn what_another_deployment_or_team_came_to_answer_for_is_taken_from_the_first() {
        let (_place, mut connection) = open("elsewhere");
        apply(&mut connection, &[entry("a", Stage::Flowing, 30)]).unwrap();
        let mut elsewhere = entry("a", Stage::Closed, 50);
        elsewhere.receipt.deployment = Some("other".into());
        elsewhere.receipt.behalf = Some(Behalf { team: Some("others".into()), ..Behalf::default() }.into());
        apply(&mut connection, &[elsewhere]).unwrap();
        let all = |text: &str| {
            let mut statement = connection.prepare(text).unwrap();
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
            rows.collect::<rusqlite::Result<Vec<(String, i64, i64)>>>().unwrap()
        };
        let expected = [("deployment".to_owned(), 0, 0), ("other".to_owned(), 1, 50)];
        assert_eq!(
            all("SELECT deployment, requests, cost_micro * 1000000 + cost_pico FROM daily ORDER BY 1"),
            expected
        );
        let expected = [("others".to_owned(), 1, 50), ("team".to_owned(), 0, 0)];
        assert_eq!(
            all("SELECT id, requests, cost_micro * 1000000 + cost_pico FROM daily_of WHERE kind = 2 ORDER BY 1"),
            expected
        );
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
        let day = rows::day_of(receipt("a", 0).started_ms);
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
