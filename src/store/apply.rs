//! Entries into rows: one transaction for many, with the sums that they are part of.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use super::entry::{self, Entry};
use super::session::{Failed, Flavour, Session};
use super::value::Value;
use super::{lender, money, rows};
use crate::ledger::{AccountId, Behalf, Bookings, Counts, Receipt};
use crate::vocabulary::{KeyHash, ModelName, PicoUsd};

const DAY_MS: i64 = 86_400_000;

/// What was added to accounts, each in a window.
pub(super) type Added = HashMap<(AccountId, Option<i64>), PicoUsd>;

/// A group of entries that one process sends, so that it can find out later whether it arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Delivery<'d> {
    pub(super) node: &'d str,
    pub(super) sequence: i64,
    pub(super) wall_ms: i64,
}

/// Entries that are not known to be on file: a connection may be lost before its server can say so.
#[derive(Debug)]
pub(super) struct Unsure {
    pub(super) why: Failed,
    /// What they added to accounts, if they are.
    pub(super) added: Added,
}

/// Puts entries on file. The last one of each exchange stands; one that is there already changes nothing.
pub(super) fn apply(session: &mut Session, entries: &[Entry], delivery: Option<Delivery<'_>>) -> Result<Added, Unsure> {
    // In order: two nodes that write the same rows wait for each other, and never in a ring.
    let mut last: BTreeMap<&str, &Entry> = BTreeMap::new();
    for entry in entries {
        let stands = last.entry(&entry.receipt.exchange).or_insert(entry);
        if entry.stage >= stands.stage {
            *stands = entry;
        }
    }
    let last: Vec<_> = last.into_values().collect();
    let mut sums = Sums::default();
    let done = session.transaction(|session| {
        if let Some(delivery) = delivery {
            deliver(session, delivery)?;
        }
        put(session, &last, &mut sums)?;
        sums.write(session)?;
        delivery.map_or(Ok(()), |delivery| lender::repay(session, delivery.node, sums.of_accounts()))
    });
    match done {
        Ok(()) => Ok(sums.accounts.into_iter().collect()),
        Err(why) => Err(Unsure { why, added: sums.accounts.into_iter().collect() }),
    }
}

fn deliver(session: &mut Session, delivery: Delivery<'_>) -> Result<(), Failed> {
    let values = [delivery.node.into(), delivery.sequence.into(), delivery.wall_ms.into()];
    session.execute(
        "INSERT INTO delivery (node, sequence, at_ms) VALUES (?1, ?2, ?3) \
         ON CONFLICT (node) DO UPDATE SET sequence = excluded.sequence, at_ms = excluded.at_ms",
        &values,
    )?;
    Ok(())
}

/// The last delivery of a process that arrived. Waits for one that is still under way.
pub(super) fn delivered(session: &mut Session, node: &str) -> Result<i64, Failed> {
    let found =
        session.all("SELECT sequence FROM delivery WHERE node = ? FOR UPDATE", &[node.into()], |row| row.int(0))?;
    Ok(found.first().copied().unwrap_or(0))
}

/// Says that a process is there, before its first delivery.
pub(super) fn introduce(session: &mut Session, node: &str, wall_ms: i64) -> Result<(), Failed> {
    session.transaction(|session| deliver(session, Delivery { node, sequence: 0, wall_ms }))
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

fn put(session: &mut Session, entries: &[&Entry], sums: &mut Sums) -> Result<(), Failed> {
    let new = rows::insert(session, entries)?;
    let (new, known): (Vec<_>, Vec<_>) = entries.iter().zip(new).partition(|(_, new)| *new);
    new.iter().for_each(|(entry, _)| sums.add(&entry.receipt, 1));
    let exchanges: Vec<_> = known.iter().map(|(entry, _)| &*entry.receipt.exchange).collect();
    let mut later = Vec::with_capacity(known.len());
    for ((entry, _), found) in known.iter().zip(rows::find(session, &exchanges)?) {
        // Without one it was old, and was taken away this instant.
        let Some((stage, before)) = found else { continue };
        if stage <= i64::from(entry::stage_code(entry.stage)) {
            sums.add(&before, -1);
            sums.add(&entry.receipt, 1);
            later.push(**entry);
        }
    }
    rows::replace(session, &later)
}

/// What changes in the sums.
#[derive(Default)]
struct Sums {
    daily: BTreeMap<Daily, Sum>,
    of: BTreeMap<(u8, Arc<str>, Daily), Sum>,
    accounts: BTreeMap<(AccountId, Option<i64>), PicoUsd>,
}

/// Of what a day's sum is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
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

    /// What is added to each account, whatever the window.
    fn of_accounts(&self) -> BTreeMap<AccountId, PicoUsd> {
        let mut all: BTreeMap<_, PicoUsd> = BTreeMap::new();
        for ((account, _), amount) in &self.accounts {
            let sum = all.entry(*account).or_default();
            *sum = sum.plus(*amount);
        }
        all
    }

    fn write(&self, session: &mut Session) -> Result<(), Failed> {
        let lists: Vec<_> = self.daily.iter().map(|(of, sum)| of_a_day(None, of, sum)).collect();
        session.execute_each(&TO_DAILY, &lists)?;
        let of_each = self.of.iter().map(|((kind, id, of), sum)| of_a_day(Some((*kind, id)), of, sum));
        session.execute_each(&TO_DAILY_OF, &of_each.collect::<Vec<_>>())?;
        add_to_accounts(session, self.accounts.iter().map(|((account, end), spent)| (*account, *end, *spent)))
    }
}

static TO_DAILY: LazyLock<String> = LazyLock::new(|| to_days("daily", ""));
static TO_DAILY_OF: LazyLock<String> = LazyLock::new(|| to_days("daily_of", "kind, id, "));

/// The statement that adds to a day's sum; the parameters before the rest are of the table's own columns.
fn to_days(table: &str, own: &str) -> String {
    let places = "?, ".repeat(own.matches(',').count());
    let counts = [
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
    let counts = counts.map(|count| format!("{count} = {table}.{count} + excluded.{count}")).join(", ");
    format!(
        "INSERT INTO {table} ({own}day, key, model, deployment, key_alias, model_group, upstream, provider, requests, \
         failed, prompt, completion, cache_read, cache_write, reasoning, cost_micro, cost_pico) \
         VALUES ({places}?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT ({own}day, key, model, deployment) DO UPDATE SET key_alias = excluded.key_alias, \
         model_group = excluded.model_group, upstream = excluded.upstream, provider = excluded.provider, \
         {counts}"
    )
}

fn of_a_day<'v>(whose: Option<(u8, &'v str)>, of: &'v Daily, sum: &'v Sum) -> Vec<Value<'v>> {
    let Sum { names, counts } = sum;
    let (micro, pico) = money::split(counts.cost);
    let key = of.key.as_ref().map_or(&[] as &[u8], |key| key.as_bytes());
    let rest = [
        of.day.into(),
        key.into(),
        (&*of.model).into(),
        (&*of.deployment).into(),
        (&*names.key_alias).into(),
        (&*names.group).into(),
        (&*names.upstream).into(),
        (&*names.provider).into(),
        counts.requests.into(),
        counts.failed.into(),
        counts.prompt.into(),
        counts.completion.into(),
        counts.cache_read.into(),
        counts.cache_write.into(),
        counts.reasoning.into(),
        micro.into(),
        pico.into(),
    ];
    whose.into_iter().flat_map(|(kind, id)| [kind.into(), id.into()]).chain(rest).collect()
}

/// Adds to what was spent on accounts, each in a window.
pub(super) fn add_to_accounts(
    session: &mut Session,
    sums: impl IntoIterator<Item = (AccountId, Option<i64>, PicoUsd)>,
) -> Result<(), Failed> {
    let list = |(account, resets_at_ms, spent): (AccountId, Option<i64>, PicoUsd)| {
        let mut bytes = Vec::with_capacity(33);
        entry::account(account, &mut bytes);
        let (micro, pico) = money::split(spent);
        vec![bytes.into(), entry::window(resets_at_ms).into(), micro.into(), pico.into()]
    };
    let mut sums: Vec<_> = sums.into_iter().collect();
    // Whoever writes several locks them in this order.
    sums.sort_unstable();
    let lists: Vec<_> = sums.into_iter().map(list).collect();
    session.execute_each(
        "INSERT INTO account (account, window_end, spent_micro, spent_pico) VALUES (?, ?, ?, ?) \
         ON CONFLICT (account, window_end) DO UPDATE SET spent_micro = account.spent_micro + excluded.spent_micro, \
         spent_pico = account.spent_pico + excluded.spent_pico",
        &lists,
    )?;
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
pub(super) fn spent_since(session: &mut Session, wall_ms: i64) -> Result<Vec<Spent>, Failed> {
    spent(session, "window_end > ?", &[wall_ms.into()])
}

fn spent(session: &mut Session, condition: &'static str, values: &[Value<'_>]) -> Result<Vec<Spent>, Failed> {
    let text = format!("SELECT account, window_end, spent_micro, spent_pico FROM account WHERE {condition}");
    let rows = session.all(&text, values, |row| {
        let (resets_at_ms, spent) = (entry::window_of(row.int(1)?), money::join(row.int(2)?, row.int(3)?));
        let known = entry::account_of(&row.bytes(0)?);
        Ok(known.map(|account| Spent { account, resets_at_ms, spent }))
    })?;
    Ok(rows.into_iter().flatten().collect())
}

/// How far what others have written is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen(Option<i64>);

/// What may have been spent by others since a look before this one, in windows that are not over, as sums; and how far it
/// is known now.
pub(super) fn spent_lately(session: &mut Session, seen: Seen, wall_ms: i64) -> Result<(Vec<Spent>, Seen), Failed> {
    let now = horizon(session)?;
    let lately = match (session.flavour(), seen.0) {
        (Flavour::Sqlite, Some(before)) if before == now => Vec::new(),
        (Flavour::Postgres, Some(before)) => {
            spent(session, "window_end > ? AND stamp >= ?", &[wall_ms.into(), before.into()])?
        }
        _ => spent_since(session, wall_ms)?,
    };
    Ok((lately, Seen(Some(now))))
}

/// Of SQLite, a number that changes when another process has committed; of PostgreSQL, the first transaction that may still
/// be under way: what those before it wrote is there to be read.
pub(super) fn horizon(session: &mut Session) -> Result<i64, Failed> {
    session.number(
        match session.flavour() {
            Flavour::Sqlite => "PRAGMA data_version",
            Flavour::Postgres => "SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)",
        },
        &[],
    )
}

/// Within a transaction, moves what was spent to the windows in which it counts now, where a budget's duration was changed.
pub(super) fn rebase(session: &mut Session, moves: &[(Spent, Option<i64>)]) -> Result<(), Failed> {
    let steps = moves.iter().flat_map(|(from, to)| {
        [(from.account, from.resets_at_ms, PicoUsd::ZERO.minus(from.spent)), (from.account, *to, from.spent)]
    });
    add_to_accounts(session, steps)
}

/// The same as [`spent_since`] within a transaction, while no other node does what it is asked for.
pub(super) fn spent_alone(session: &mut Session, wall_ms: i64) -> Result<Vec<Spent>, Failed> {
    if session.flavour() == Flavour::Postgres {
        session.execute("LOCK TABLE account IN SHARE ROW EXCLUSIVE MODE", &[])?;
    }
    spent_since(session, wall_ms)
}

/// Takes away rows from before a day, at most so many, and windows that have long been over; says how many rows.
pub(super) fn prune(session: &mut Session, before_day: Option<i64>, wall_ms: i64, most: u32) -> Result<u64, Failed> {
    // An exchange may be corrected after its window is over, as long as it runs.
    let before = wall_ms - 2 * DAY_MS;
    session.execute("DELETE FROM account WHERE window_end < ?", &[before.into()])?;
    if session.flavour() == Flavour::Postgres {
        session.execute("DELETE FROM removed WHERE at_ms < ?", &[before.into()])?;
        session.execute("DELETE FROM delivery WHERE at_ms < ?", &[before.into()])?;
    }
    let Some(day) = before_day else { return Ok(0) };
    session.execute(
        "DELETE FROM spend WHERE exchange IN (SELECT exchange FROM spend WHERE started_ms < ? LIMIT ?)",
        &[day.saturating_mul(DAY_MS).into(), most.into()],
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

    fn open(name: &str) -> (Place, Session) {
        let path = std::env::temp_dir().join(format!("tollgate-apply-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let session = schema::session(&path, Durability::Relaxed).unwrap();
        (Place(path), session)
    }

    fn entry(exchange: &str, stage: Stage, cost: i128) -> Entry {
        Entry { stage, receipt: receipt(exchange, cost) }
    }

    /// What the rows come to, what the days do, and each account. Everybody's days come to the same.
    fn sums(session: &mut Session) -> (i128, i128, Vec<i128>) {
        let mut sum = |table: &str| {
            let text = format!("SELECT coalesce(sum(cost_micro), 0), coalesce(sum(cost_pico), 0) FROM {table}");
            let all = session.all(&text, &[], |row| Ok(money::join(row.int(0)?, row.int(1)?).0));
            all.unwrap()[0]
        };
        for behalf in ["2", "3", "4", "6", "7 AND id = 'one'", "7 AND id = 'three'"] {
            assert_eq!(sum(&format!("daily_of WHERE kind = {behalf}")), sum("daily"), "{behalf}");
        }
        let (spend, daily) = (sum("spend"), sum("daily"));
        (spend, daily, spent_since(session, 0).unwrap().into_iter().map(|spent| spent.spent.0).collect())
    }

    #[test]
    fn a_later_entry_replaces_an_earlier_one_and_never_the_other_way() {
        let (_place, mut session) = open("replace");
        apply(&mut session, &[entry("a", Stage::Flowing, 3), entry("b", Stage::Closed, 50)], None).unwrap();
        assert_eq!(sums(&mut session), (53, 53, vec![53; 3]));
        apply(&mut session, &[entry("a", Stage::Ended, 9_000_007)], None).unwrap();
        assert_eq!(sums(&mut session), (9_000_057, 9_000_057, vec![9_000_057; 3]));
        apply(&mut session, &[entry("a", Stage::Flowing, 4), entry("b", Stage::Ended, 1)], None).unwrap();
        assert_eq!(sums(&mut session), (9_000_057, 9_000_057, vec![9_000_057; 3]));
    }

    #[test]
    fn what_another_deployment_or_team_came_to_answer_for_is_taken_from_the_first() {
        let (_place, mut session) = open("elsewhere");
        apply(&mut session, &[entry("a", Stage::Flowing, 30)], None).unwrap();
        let mut elsewhere = entry("a", Stage::Closed, 50);
        elsewhere.receipt.deployment = Some("other".into());
        elsewhere.receipt.behalf = Some(Behalf { team: Some("others".into()), ..Behalf::default() }.into());
        apply(&mut session, &[elsewhere], None).unwrap();
        let mut all = |text: &str| session.all(text, &[], |row| Ok((row.text(0)?, row.int(1)?, row.int(2)?))).unwrap();
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
        let (_place, mut session) = open("rebase");
        apply(&mut session, &[entry("a", Stage::Closed, 40)], None).unwrap();
        let globals = |session: &mut Session| {
            let all = spent_since(session, 0).unwrap();
            all.into_iter().filter(|spent| spent.account == AccountId::Global).collect::<Vec<_>>()
        };
        let before = globals(&mut session)[0];
        assert_eq!((before.resets_at_ms, before.spent), (None, PicoUsd(40)));
        rebase(&mut session, &[(before, Some(1_000))]).unwrap();
        let moved = Spent { resets_at_ms: Some(1_000), ..before };
        assert_eq!(globals(&mut session), [moved, Spent { spent: PicoUsd::ZERO, ..before }]);
    }

    #[test]
    fn old_rows_go_and_their_sums_stay() {
        let (_place, mut session) = open("prune");
        apply(&mut session, &[entry("a", Stage::Closed, 40)], None).unwrap();
        let day = rows::day_of(receipt("a", 0).started_ms);
        assert_eq!(prune(&mut session, Some(day), 0, 10).unwrap(), 0);
        assert_eq!(prune(&mut session, Some(day + 1), 0, 10).unwrap(), 1);
        let (rows, days, _) = sums(&mut session);
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
            apply(&mut straight, &entries, None).unwrap();
            let expected = sums(&mut straight);
            drop(straight);
            drop(_one);
            let (_two, mut crashed) = open("crashed");
            apply(&mut crashed, &entries[..committed], None).unwrap();
            apply(&mut crashed, &entries[from..], None).unwrap();
            prop_assert_eq!(sums(&mut crashed), expected);
        }
    }
}
