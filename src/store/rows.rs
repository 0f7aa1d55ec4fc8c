//! A receipt as a row, there and back.

use std::sync::{Arc, LazyLock};

use super::conditions::Conditions;
use super::entry::{self, Entry};
use super::money;
use super::session::{Failed, Flavour, Row, Session};
use super::value::Value;
use crate::ledger::{Behalf, CallType, Filter, Manner, Order, Outcome, Receipt, Slice, Tags, Upstream, count};
use crate::vocabulary::{KeyHash, ModelName, PicoUsd, ScopeKind, Usage};

const DAY_MS: i64 = 86_400_000;

/// The day of a moment, counted from 1970, UTC.
pub(super) fn day_of(wall_ms: i64) -> i64 {
    wall_ms.div_euclid(DAY_MS)
}

/// In the order in which [`values`] binds them and [`receipt`] reads them. The first is what a row is found by; the word that
/// is PostgreSQL's own stands in quotes.
const COLUMNS: [&str; 35] = [
    "exchange",
    "stage",
    "outcome",
    "day",
    "started_ms",
    "ended_ms",
    "key",
    "key_alias",
    "model",
    "model_group",
    "deployment",
    "metered",
    "prompt",
    "completion",
    "cache_read",
    "cache_write",
    "reasoning",
    "cost_micro",
    "cost_pico",
    "booked",
    "team",
    "\"user\"",
    "organization",
    "customer",
    "tags",
    "provider",
    "upstream",
    "api_base",
    "call",
    "session",
    "client_ip",
    "first_ms",
    "status",
    "error",
    "input_pico",
];

static INSERT: LazyLock<String> = LazyLock::new(|| statement("NOTHING"));
static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let set: Vec<_> = COLUMNS.iter().skip(1).map(|column| format!("{column} = excluded.{column}")).collect();
    statement(&format!("UPDATE SET {}", set.join(", ")))
});
static SELECT: LazyLock<String> = LazyLock::new(|| format!("SELECT {} FROM spend", COLUMNS.join(", ")));

fn statement(on_conflict: &str) -> String {
    let columns = COLUMNS.join(", ");
    let places = vec!["?"; COLUMNS.len()].join(", ");
    format!("INSERT INTO spend ({columns}) VALUES ({places}) ON CONFLICT (exchange) DO {on_conflict}")
}

/// Writes the row of each entry where there is none of its exchange; whether there was none.
pub(super) fn insert(session: &mut Session, entries: &[&Entry]) -> Result<Vec<bool>, Failed> {
    let lists: Vec<_> = entries.iter().map(|entry| values(entry)).collect();
    Ok(session.execute_each(&INSERT, &lists)?.into_iter().map(|written| written > 0).collect())
}

/// Writes rows in the place of those there are.
pub(super) fn replace(session: &mut Session, entries: &[&Entry]) -> Result<(), Failed> {
    let lists: Vec<_> = entries.iter().map(|entry| values(entry)).collect();
    session.execute_each(&UPDATE, &lists).map(drop)
}

fn values(entry: &Entry) -> Vec<Value<'_>> {
    let Entry { stage, receipt } = entry;
    let usage = receipt.usage.usage().copied().unwrap_or_default();
    let Usage { cache_write, cache_write_1h, .. } = usage;
    let (micro, pico) = money::split(receipt.cost);
    let mut booked = Vec::with_capacity(64);
    entry::bookings(&receipt.booked, &mut booked);
    let (behalf, upstream) = (receipt.behalf.as_deref(), receipt.upstream.as_deref());
    let Manner { call, session, client_ip, first_ms, status, error, input_cost } = &receipt.manner;
    vec![
        (&*receipt.exchange).into(),
        entry::stage_code(*stage).into(),
        entry::outcome_code(receipt.outcome).into(),
        day_of(receipt.started_ms).into(),
        receipt.started_ms.into(),
        receipt.ended_ms.into(),
        receipt.key.as_ref().map(|key| key.as_bytes().as_slice()).into(),
        receipt.key_alias.as_deref().into(),
        receipt.model.as_ref().map(ModelName::as_str).into(),
        receipt.group.as_deref().into(),
        receipt.deployment.as_deref().into(),
        entry::metered_code(&receipt.usage).into(),
        count(usage.prompt).into(),
        count(usage.completion).into(),
        count(usage.cache_read).into(),
        count(cache_write.saturating_add(cache_write_1h)).into(),
        count(usage.reasoning).into(),
        micro.into(),
        pico.into(),
        booked.into(),
        behalf.and_then(|behalf| behalf.team.as_deref()).into(),
        behalf.and_then(|behalf| behalf.user.as_deref()).into(),
        behalf.and_then(|behalf| behalf.organization.as_deref()).into(),
        behalf.and_then(|behalf| behalf.customer.as_deref()).into(),
        behalf.and_then(tags).into(),
        upstream.map(|upstream| &*upstream.provider).into(),
        upstream.map(|upstream| &*upstream.model).into(),
        upstream.map(|upstream| &*upstream.api_base).into(),
        call.code().into(),
        session.as_deref().into(),
        client_ip.map(|ip| ip.to_string()).into(),
        (*first_ms).into(),
        u32::from(*status).into(),
        error.as_deref().into(),
        i64::try_from(input_cost.0).unwrap_or(i64::MAX).into(),
    ]
}

/// Tags as a JSON array.
fn tags(behalf: &Behalf) -> Option<String> {
    let tags: Vec<&str> = behalf.tags.iter().map(|tag| &**tag).collect();
    if tags.is_empty() { None } else { serde_json::to_string(&tags).ok() }
}

fn tags_of(json: Option<&str>) -> Tags {
    let tags: Option<Vec<&str>> = json.and_then(|json| serde_json::from_str(json).ok());
    tags.unwrap_or_default().into_iter().map(Arc::from).collect()
}

/// The row of each exchange that has one, with how far it was.
pub(super) fn find(session: &mut Session, exchanges: &[&str]) -> Result<Vec<Option<(i64, Receipt)>>, Failed> {
    static FIND: LazyLock<String> = LazyLock::new(|| format!("{} WHERE exchange = ?", &*SELECT));
    let lists: Vec<_> = exchanges.iter().map(|exchange| vec![Value::from(*exchange)]).collect();
    session.find_each(&FIND, &lists, |row| Ok((row.int(1)?, receipt(row)?)))
}

/// Reads one slice of the receipts that pass a filter, one by one.
pub(super) fn read(
    session: &mut Session,
    filter: &Filter,
    slice: &Slice,
    each: &mut dyn FnMut(Receipt),
) -> Result<(), Failed> {
    let conditions = conditions(filter, session.flavour());
    let direction = if slice.ascending { "ASC" } else { "DESC" };
    // The last column makes the order a whole one: a list is read slice by slice.
    let columns = order(slice.order).iter().chain(&["exchange"]);
    let order: Vec<_> = columns.map(|column| format!("{column} {direction}")).collect();
    let text = format!("{} {conditions} ORDER BY {} LIMIT ? OFFSET ?", &*SELECT, order.join(", "));
    let slice = [slice.limit, slice.offset].map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    session.each(&text, &conditions.values(slice), |row| {
        each(receipt(row)?);
        Ok(())
    })
}

/// How many receipts pass a filter.
pub(super) fn number(session: &mut Session, filter: &Filter) -> Result<u64, Failed> {
    let conditions = conditions(filter, session.flavour());
    let text = format!("SELECT count(*) FROM spend {conditions}");
    Ok(session.number(&text, &conditions.values([]))?.unsigned_abs())
}

fn order(order: Order) -> &'static [&'static str] {
    match order {
        Order::Start => &["started_ms"],
        Order::End => &["ended_ms"],
        Order::Cost => &["cost_micro", "cost_pico"],
        Order::Tokens => &["prompt + completion"],
        Order::Duration => &["ended_ms - started_ms"],
        Order::Model => &["model", "started_ms"],
    }
}

fn conditions(filter: &Filter, flavour: Flavour) -> Conditions<'_> {
    let mut conditions = Conditions::default();
    conditions.with_text("exchange = ?", filter.exchange.as_deref());
    conditions.with_text("session = ?", filter.session.as_deref());
    conditions.with("key = ?", filter.key.as_ref().map(|key| [Value::from(key.as_bytes().as_slice())]));
    conditions.with_text("key_alias = ?", filter.key_alias.as_deref());
    for (kind, id) in &filter.of {
        conditions.with_text(column(*kind, flavour), Some(id));
    }
    let named = filter.model.as_ref().map(|model| [model, model, model].map(|model| Value::from(model.as_str())));
    conditions.with("(model = ? OR model_group = ? OR upstream = ?)", named);
    conditions.with_text("deployment = ?", filter.deployment.as_deref());
    conditions.with_text("provider = ?", filter.provider.as_deref());
    let failed = || [Value::from(entry::outcome_code(Outcome::Failed))];
    conditions.with("outcome = ?", filter.failed.filter(|failed| *failed).map(|_| failed()));
    conditions.with("outcome <> ?", filter.failed.filter(|failed| !*failed).map(|_| failed()));
    conditions.with("started_ms >= ?", filter.from_ms.map(|from| [Value::from(from)]));
    conditions.with("started_ms < ?", filter.until_ms.map(|until| [Value::from(until)]));
    conditions.with("(cost_micro, cost_pico) >= (?, ?)", filter.cost_min.map(columns_of));
    conditions.with("(cost_micro, cost_pico) <= (?, ?)", filter.cost_max.map(columns_of));
    conditions
}

fn columns_of(cost: PicoUsd) -> [Value<'static>; 2] {
    let (micro, pico) = money::split(cost);
    [Value::from(micro), Value::from(pico)]
}

fn column(kind: ScopeKind, flavour: Flavour) -> &'static str {
    match kind {
        ScopeKind::Team => "team = ?",
        ScopeKind::User => "\"user\" = ?",
        ScopeKind::Organization => "organization = ?",
        ScopeKind::Customer => "customer = ?",
        ScopeKind::Tag => flavour.has_tag(),
        ScopeKind::Provider => "provider = ?",
        ScopeKind::Deployment => "deployment = ?",
        // Of these a row knows nothing: there is none.
        ScopeKind::Key | ScopeKind::TeamMember | ScopeKind::OrganizationMember => "CAST(? AS TEXT) IS NULL",
    }
}

fn receipt(row: &Row<'_>) -> Result<Receipt, Failed> {
    let text = |index| row.maybe_text(index).map(|text| text.map(Arc::<str>::from));
    let tokens = |index| row.int(index).map(|tokens| u64::try_from(tokens).unwrap_or_default());
    // A number of a later version, beyond what this one knows.
    let code = |index| row.int(index).map(|code| u8::try_from(code).unwrap_or(u8::MAX));
    let usage = Usage {
        prompt: tokens(12)?,
        completion: tokens(13)?,
        cache_read: tokens(14)?,
        cache_write: tokens(15)?,
        reasoning: tokens(16)?,
        ..Usage::default()
    };
    let behalf = Behalf {
        team: text(20)?,
        user: text(21)?,
        organization: text(22)?,
        customer: text(23)?,
        tags: tags_of(row.maybe_text(24)?.as_deref()),
    };
    let upstream = Upstream {
        provider: text(25)?.unwrap_or_default(),
        model: text(26)?.unwrap_or_default(),
        api_base: text(27)?.unwrap_or_default(),
    };
    Ok(Receipt {
        exchange: row.text(0)?.into(),
        key: row.maybe_bytes(6)?.and_then(|key| key.try_into().ok()).map(KeyHash::from_bytes),
        key_alias: text(7)?,
        model: row.maybe_text(8)?.and_then(|model| ModelName::parse(&model).ok()),
        group: text(9)?,
        deployment: text(10)?,
        behalf: behalf.shared(),
        upstream: (upstream != Upstream::default()).then(|| Arc::new(upstream)),
        manner: Manner {
            call: CallType::of(code(28)?),
            session: text(29)?,
            client_ip: row.maybe_text(30)?.and_then(|ip| ip.parse().ok()),
            first_ms: row.maybe_int(31)?,
            status: u16::try_from(row.int(32)?).unwrap_or_default(),
            error: text(33)?,
            input_cost: PicoUsd(row.int(34)?.into()),
        },
        usage: entry::metered_of(code(11)?, usage),
        cost: money::join(row.int(17)?, row.int(18)?),
        excess: PicoUsd::ZERO,
        // A word of a later version: nothing worse is known.
        outcome: entry::outcome_of(code(2)?).unwrap_or(Outcome::Cut),
        started_ms: row.int(4)?,
        ended_ms: row.int(5)?,
        booked: entry::bookings_of(&row.bytes(19)?).unwrap_or_default(),
        on_file: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{By, Counts, Stage, Survey};
    use crate::store::entry::tests::receipt;
    use crate::store::{Durability, apply, schema, sums};

    struct Place(std::path::PathBuf);

    impl Drop for Place {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }

    const START_MS: i64 = 1_795_226_400_000;

    /// Three days with four exchanges each: of two teams, two models, some with tags, some that failed.
    fn filed() -> (Place, Session, Vec<Receipt>) {
        let directory =
            std::env::temp_dir().join(format!("tollgate-rows-{}-{}", std::process::id(), fastrand::u64(..)));
        std::fs::create_dir_all(&directory).unwrap();
        let mut session = schema::session(&directory, Durability::Relaxed).unwrap();
        let one = |number: i64| {
            let mut receipt = receipt(&format!("x{number:02}"), i128::from(number) * 400_000);
            (receipt.started_ms, receipt.ended_ms) = (START_MS + number / 4 * DAY_MS + number, START_MS + 3 * DAY_MS);
            receipt.key = Some(KeyHash::of(if number % 3 == 0 { "sk-a" } else { "sk-b" }));
            receipt.key_alias = Some(if number % 3 == 0 { "a".into() } else { "b".into() });
            receipt.model = ModelName::parse(if number % 2 == 0 { "even" } else { "odd" }).ok();
            receipt.outcome = if number == 7 { Outcome::Failed } else { Outcome::Complete };
            let tags: &[&str] = if number % 4 == 0 { &["x'", "y"] } else { &[] };
            receipt.behalf = Behalf {
                team: Some(if number < 6 { "low".into() } else { "high".into() }),
                customer: (number == 2).then(|| "only".into()),
                tags: tags.iter().map(|tag| Arc::from(*tag)).collect(),
                ..Behalf::default()
            }
            .shared();
            (receipt.excess, receipt.on_file) = (PicoUsd::ZERO, true);
            receipt.booked.clear();
            let usage = receipt.usage.usage().copied().unwrap();
            // A row has the counts that sums are made of.
            let Usage { prompt, completion, cache_read, cache_write, cache_write_1h, reasoning, .. } = usage;
            let cache_write = cache_write + cache_write_1h;
            let kept = Usage { prompt, completion, cache_read, cache_write, reasoning, ..Usage::default() };
            receipt.usage = entry::metered_of(entry::metered_code(&receipt.usage), kept);
            receipt
        };
        let receipts: Vec<_> = (0..12).map(one).collect();
        let entries: Vec<_> =
            receipts.iter().map(|receipt| Entry { stage: Stage::Closed, receipt: receipt.clone() }).collect();
        apply::apply(&mut session, &entries, None).unwrap();
        (Place(directory), session, receipts)
    }

    fn listed(session: &mut Session, filter: &Filter, slice: &Slice) -> Vec<Receipt> {
        let mut all = Vec::new();
        read(session, filter, slice, &mut |receipt| all.push(receipt)).unwrap();
        all
    }

    #[test]
    fn a_receipt_comes_back_as_it_was() {
        let (_place, mut session, receipts) = filed();
        for receipt in receipts {
            let (stage, found) = find(&mut session, &[&receipt.exchange]).unwrap().pop().flatten().unwrap();
            assert_eq!((stage, format!("{found:?}")), (2, format!("{receipt:?}")));
        }
        assert!(find(&mut session, &["x99"]).unwrap()[0].is_none());
    }

    #[test]
    fn a_filter_lets_through_what_it_says() {
        let (_place, mut session, receipts) = filed();
        let none = Filter::default;
        let of = |kind, id: &str| Filter { of: vec![(kind, id.to_owned())], ..none() };
        let text = |text: &str| Some(text.to_owned());
        type Passes = fn(i64) -> bool;
        let cases: Vec<(Filter, Passes)> = vec![
            (none(), |_| true),
            (Filter { exchange: text("x03"), ..none() }, |number| number == 3),
            (Filter { exchange: text("' OR 1=1 --"), ..none() }, |_| false),
            (Filter { session: text("session"), ..none() }, |_| true),
            (Filter { key: Some(KeyHash::of("sk-a")), ..none() }, |number| number % 3 == 0),
            (Filter { key_alias: text("b"), ..none() }, |number| number % 3 != 0),
            (of(ScopeKind::Team, "low"), |number| number < 6),
            (of(ScopeKind::Customer, "only"), |number| number == 2),
            (of(ScopeKind::Tag, "x'"), |number| number % 4 == 0),
            (of(ScopeKind::Tag, "z"), |_| false),
            (of(ScopeKind::Organization, "low"), |_| false),
            (of(ScopeKind::TeamMember, "low"), |_| false),
            (Filter { model: text("odd"), ..none() }, |number| number % 2 == 1),
            (Filter { model: text("group"), ..none() }, |_| true),
            (Filter { deployment: text("deployment"), ..none() }, |_| true),
            (Filter { provider: text("another"), ..none() }, |_| false),
            (Filter { failed: Some(true), ..none() }, |number| number == 7),
            (Filter { failed: Some(false), ..none() }, |number| number != 7),
            (Filter { from_ms: Some(START_MS + DAY_MS), until_ms: Some(START_MS + 2 * DAY_MS), ..none() }, |number| {
                (4..8).contains(&number)
            }),
            (Filter { cost_min: Some(PicoUsd(1_200_000)), cost_max: Some(PicoUsd(2_000_000)), ..none() }, |number| {
                (3..=5).contains(&number)
            }),
            (Filter { model: text("odd"), ..of(ScopeKind::Team, "low") }, |number| number < 6 && number % 2 == 1),
        ];
        for (filter, passes) in cases {
            let expected: Vec<_> = (0..12).rev().filter(|number| passes(*number)).collect();
            let expected: Vec<_> =
                expected.into_iter().map(|number| receipts[number as usize].exchange.clone()).collect();
            let found: Vec<_> =
                listed(&mut session, &filter, &Slice::newest(100)).into_iter().map(|found| found.exchange).collect();
            assert_eq!(found, expected, "{filter:?}");
            assert_eq!(number(&mut session, &filter).unwrap(), expected.len() as u64, "{filter:?}");
        }
    }

    #[test]
    fn slices_cover_a_list_once_in_its_order() {
        let (_place, mut session, receipts) = filed();
        for order in [Order::Start, Order::End, Order::Cost, Order::Tokens, Order::Duration, Order::Model] {
            for ascending in [true, false] {
                let slice = |offset, limit| Slice { order, ascending, offset, limit };
                let mut names = |slice| {
                    listed(&mut session, &Filter::default(), &slice).into_iter().map(|found| found.exchange).collect()
                };
                let whole: Vec<Arc<str>> = names(slice(0, 100));
                let parts: Vec<Arc<str>> = (0..4).flat_map(|part| -> Vec<_> { names(slice(part * 3, 3)) }).collect();
                assert_eq!((whole.len(), &parts), (receipts.len(), &whole), "{order:?}");
            }
        }
        let dearest = Slice { order: Order::Cost, ..Slice::newest(1) };
        assert_eq!(&*listed(&mut session, &Filter::default(), &dearest)[0].exchange, "x11");
    }

    #[test]
    fn sums_are_those_of_the_receipts_whatever_they_are_by() {
        let (_place, mut session, receipts) = filed();
        let total = |passes: &dyn Fn(&Receipt) -> bool| {
            let mut counts = Counts::default();
            receipts.iter().filter(|receipt| passes(receipt)).for_each(|one| counts.add(&Counts::of(one), 1));
            counts
        };
        let mut read = |survey: &Survey| sums::read(&mut session, survey).unwrap();
        let day = day_of(START_MS);
        let all = [By::Day, By::Key, By::Model, By::Group, By::Upstream, By::Provider, By::Deployment];
        for chosen in 0..1_usize << all.len() {
            let by: Vec<_> = (0..all.len()).filter(|at| chosen >> at & 1 == 1).map(|at| all[at]).collect();
            let mut counts = Counts::default();
            let found = read(&Survey::new(day, day + 2, by.clone()));
            found.iter().for_each(|sum| counts.add(&sum.counts, 1));
            assert_eq!(counts, total(&|_| true), "{by:?}");
            let groups = by.iter().map(|by| if matches!(by, By::Day) { 3 } else { 2 }).product::<usize>();
            assert!(found.len() <= groups, "{by:?}: {found:?}");
        }
        let second = read(&Survey::new(day + 1, day + 1, [By::Day]));
        let of_second = |receipt: &Receipt| day_of(receipt.started_ms) == day + 1;
        assert_eq!((second.len(), second[0].day, second[0].counts), (1, day + 1, total(&of_second)));
        let teams = read(&Survey::of_each(ScopeKind::Team, day, day + 2));
        let names: Vec<_> = teams.iter().map(|team| (&*team.id, team.counts.requests)).collect();
        assert_eq!(names, [("high", 6), ("low", 6)]);
        let of_team = Survey::of_each(ScopeKind::Team, day, day + 2);
        assert_eq!(read(&Survey { ids: vec!["low".into()], ..of_team.clone() }).len(), 1);
        assert_eq!(read(&Survey { without: vec!["low".into()], ..of_team.clone() })[0].id, "high");
        let narrow = Survey { keys: vec![KeyHash::of("sk-a")], model: Some("odd".into()), ..of_team };
        let three_and_nine = total(&|receipt| matches!(&*receipt.exchange, "x03" | "x09"));
        let mut counts = Counts::default();
        read(&narrow).iter().for_each(|sum| counts.add(&sum.counts, 1));
        assert_eq!(counts, three_and_nine);
        let page = |offset| Survey { limit: 1, offset, ..Survey::of_each(ScopeKind::Tag, day, day + 2) };
        let pages: Vec<_> = (0..3).map(|offset| read(&page(offset)).pop().map(|sum| sum.id)).collect();
        assert_eq!(pages, [Some("x'".to_owned()), Some("y".to_owned()), None]);
    }
}
