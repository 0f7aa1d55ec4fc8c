//! `/spend/logs`: receipts as rows, or their sums by day.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::log::{Log, key_name};
use super::period::{Period, date};
use super::sight;
use crate::admin::actor::MASTER_USER;
use crate::admin::ask::Ask;
use crate::admin::page;
use crate::admin::query::Param;
use crate::admin::reply::{Refusal, Reply};
use crate::ledger::{By, Filter, Order, Receipt, Slice, Survey};
use crate::vocabulary::{PicoUsd, ScopeKind};

/// As LiteLLM gives at most.
const ROWS_MAX: u64 = 10_000;
/// How many days without anything are listed behind the last.
const EMPTY_DAYS_MAX: usize = 366;

pub(super) const ALL: &[Param] = &[
    Param::text("api_key", "Of this key, or hash."),
    Param::text("user_id", "Of this user."),
    Param::text("request_id", "This one."),
    super::FROM,
    super::TO,
    Param::truth("summarize", "Sums by day, where both dates are given: so it is unless this is false."),
];

const SORTS: &[&str] = &["startTime", "endTime", "spend", "total_tokens", "request_duration_ms", "model"];

pub(super) const PAGE: &[Param] = &[
    Param::text("api_key", "Of this key, or hash."),
    Param::text("key_alias", "Of keys with this alias."),
    Param::text("user_id", "Of this user."),
    Param::text("team_id", "Of this team."),
    Param::text("organization_id", "Of this organization."),
    Param::text("end_user", "Of this end user."),
    Param::text("tag", "With this tag."),
    Param::text("request_id", "This one."),
    Param::text("session_id", "Of this conversation."),
    Param::text("model", "Of this model, as clients or the provider call it."),
    Param::text("model_id", "Of this deployment."),
    Param::text("custom_llm_provider", "Of this provider."),
    Param::choice("status_filter", &["success", "failure"], "How they ended."),
    Param::text("min_spend", "Dollars at least."),
    Param::text("max_spend", "Dollars at most."),
    super::FROM,
    super::TO,
    Param::count("page", 1, 1_000_000, 1, "Which page."),
    Param::count("page_size", 1, 1_000, 50, "Rows on a page."),
    Param::choice("sort_by", SORTS, "What they are ordered by; `startTime` where it is absent."),
    Param::choice("sort_order", &["asc", "desc"], "In which direction; `desc` where it is absent."),
];

/// A page of receipts.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Page {
    data: Vec<Log>,
    total: u64,
    page: u64,
    page_size: u64,
    total_pages: u64,
}

/// `/spend/logs`.
pub(super) fn all(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let period = Period::of(ask);
    let mut filter = Filter {
        exchange: ask.query.text("request_id").map(str::to_owned),
        key: sight::key(ask, "api_key")?,
        from_ms: period.from_ms,
        until_ms: period.until_ms,
        ..Filter::default()
    };
    named(ask, "user_id", ScopeKind::User, &mut filter);
    sight::own(ask, &mut filter)?;
    let one = filter.exchange.is_some();
    if !one && period.from_ms.is_some() && period.until_ms.is_some() && ask.query.truth("summarize") != Some(false) {
        return Reply::json(&by_day(ask, &filter, period)?);
    }
    Reply::json(&rows(ask, &filter, &Slice::newest(ROWS_MAX))?)
}

/// `/spend/logs/v2` and `/spend/logs/ui`.
pub(super) fn page(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let (period, query) = (Period::of(ask), ask.query);
    let text = |name| query.text(name).map(str::to_owned);
    let mut filter = Filter {
        exchange: text("request_id"),
        session: text("session_id"),
        key: sight::key(ask, "api_key")?,
        key_alias: text("key_alias"),
        of: Vec::new(),
        model: text("model"),
        deployment: text("model_id"),
        provider: text("custom_llm_provider"),
        failed: query.text("status_filter").map(|status| status == "failure"),
        from_ms: period.from_ms,
        until_ms: period.until_ms,
        cost_min: dollars(ask, "min_spend")?,
        cost_max: dollars(ask, "max_spend")?,
    };
    for (name, kind) in [
        ("team_id", ScopeKind::Team),
        ("user_id", ScopeKind::User),
        ("organization_id", ScopeKind::Organization),
        ("end_user", ScopeKind::Customer),
        ("tag", ScopeKind::Tag),
    ] {
        named(ask, name, kind, &mut filter);
    }
    sight::own(ask, &mut filter)?;
    let page = page::Page::of(query.count("page"), query.count("page_size"));
    let order = match query.text("sort_by") {
        Some("endTime") => Order::End,
        Some("spend") => Order::Cost,
        Some("total_tokens") => Order::Tokens,
        Some("request_duration_ms") => Order::Duration,
        Some("model") => Order::Model,
        _ => Order::Start,
    };
    let ascending = query.text("sort_order") == Some("asc");
    let slice = Slice { order, ascending, offset: page.offset(), limit: page.size };
    let data = rows(ask, &filter, &slice)?;
    let total = sight::keeper(ask)?.number(&filter).map_err(|cause| Refusal::unread(&cause))?;
    Reply::json(&Page { data, total, page: page.number, page_size: page.size, total_pages: page.pages(total) })
}

fn named(ask: &Ask<'_>, name: &str, kind: ScopeKind, filter: &mut Filter) {
    filter.of.extend(ask.query.text(name).map(|id| (kind, id.to_owned())));
}

fn dollars(ask: &Ask<'_>, name: &str) -> Result<Option<PicoUsd>, Refusal> {
    let Some(text) = ask.query.text(name) else { return Ok(None) };
    let bad = || Refusal::bad(format_args!("{name}: expected dollars like 0.25"));
    PicoUsd::parse(text).map(Some).map_err(|_| bad())
}

fn rows(ask: &Ask<'_>, filter: &Filter, slice: &Slice) -> Result<Vec<Log>, Refusal> {
    let mut rows = Vec::new();
    let mut each = |receipt: Receipt| rows.push(Log::from(receipt));
    sight::keeper(ask)?.receipts(filter, slice, &mut each).map_err(|cause| Refusal::unread(&cause))?;
    Ok(rows)
}

/// A day's sums; the spend of each key stands beside them under the key's hash, as LiteLLM has it.
#[derive(Debug, Default, Serialize)]
struct Day {
    #[serde(rename = "startTime")]
    start_time: String,
    spend: PicoUsd,
    users: BTreeMap<String, PicoUsd>,
    models: BTreeMap<String, PicoUsd>,
    #[serde(flatten)]
    keys: BTreeMap<String, PicoUsd>,
}

/// One entry per day up to the last, the empty ones before the first left out, as LiteLLM does.
fn by_day(ask: &Ask<'_>, filter: &Filter, period: Period) -> Result<Vec<Day>, Refusal> {
    let (from, to) = period.days(ask.now.wall_ms);
    let users: Vec<String> = filter.of.iter().map(|(_, id)| id.clone()).collect();
    let keys: Vec<_> = filter.key.into_iter().collect();
    let of = |kind: Option<ScopeKind>, by: &[By]| Survey {
        of: kind,
        ids: users.clone(),
        keys: keys.clone(),
        ..Survey::new(from, to, by)
    };
    let user = Some(ScopeKind::User);
    let all = if users.is_empty() { None } else { user };
    let mut days: BTreeMap<i64, Day> = BTreeMap::new();
    for sum in sight::sums(ask, &of(all, &[By::Day, By::Key, By::Model]))? {
        let day = days.entry(sum.day).or_default();
        day.spend = day.spend.plus(sum.counts.cost);
        for (sums, name) in [(&mut day.models, sum.model), (&mut day.keys, key_name(sum.key))] {
            let one = sums.entry(name).or_default();
            *one = one.plus(sum.counts.cost);
        }
    }
    for sum in sight::sums(ask, &of(user, &[By::Day, By::Id]))? {
        if let Some(day) = days.get_mut(&sum.day) {
            day.users.insert(sum.id, sum.counts.cost);
        }
    }
    for (day, sums) in &mut days {
        sums.start_time = date(*day);
        let of_nobody = sums.users.values().fold(sums.spend, |left, of_user| left.minus(*of_user));
        if of_nobody > PicoUsd::ZERO || sums.users.is_empty() {
            sums.users.insert(MASTER_USER.to_owned(), of_nobody);
        }
    }
    let Some(last) = days.keys().next_back().copied() else { return Ok(Vec::new()) };
    let empty = (last + 1..=to).take(EMPTY_DAYS_MAX).map(|day| Day { start_time: date(day), ..Day::default() });
    Ok(days.into_values().chain(empty).collect())
}
