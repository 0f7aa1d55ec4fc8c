//! `/.../daily/activity`: sums by day, with what they are made of.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::log::key_name;
use super::period::{Period, date};
use super::sight;
use crate::admin::ask::Ask;
use crate::admin::page::Page;
use crate::admin::query::Param;
use crate::admin::reply::{Refusal, Reply};
use crate::ledger::{By, Counts, SUMS_MAX, Sum, Survey};
use crate::vocabulary::{KeyHash, PicoUsd, ScopeKind};

const KEY: Param = Param::text("api_key", "Only of this key, or hash.");
const MODEL: Param = Param::text("model", "Only of this model, as clients or the provider call it.");
const PAGE: Param = Param::count("page", 1, 1_000_000, 1, "Which page.");
const SIZE: Param = Param::count("page_size", 1, 1_000, 1_000, "Sums on a page; a day may go on on the next.");

pub(super) const USER: &[Param] = &[
    super::FROM.required(),
    super::TO.required(),
    Param::text("user_id", "Only of this user; of all for administrators, else the caller's own."),
    KEY,
    MODEL,
    PAGE,
    SIZE,
];

/// The parameters of sums of one kind.
macro_rules! query {
    ($only:literal, $without:literal) => {
        &[
            super::FROM.required(),
            super::TO.required(),
            Param::text($only, "Only of these, with commas between."),
            Param::text($without, "Not of these, with commas between."),
            KEY,
            MODEL,
            PAGE,
            SIZE,
        ]
    };
}

pub(super) const TEAMS: &[Param] = query!("team_ids", "exclude_team_ids");
pub(super) const ORGANIZATIONS: &[Param] = query!("organization_ids", "exclude_organization_ids");
pub(super) const CUSTOMERS: &[Param] = query!("end_user_ids", "exclude_end_user_ids");
pub(super) const TAGS: &[Param] = query!("tags", "exclude_tags");

/// Days and their totals.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Paged {
    results: Vec<Day>,
    metadata: Totals,
}

/// One day.
#[derive(Debug, Serialize, JsonSchema)]
struct Day {
    date: String,
    metrics: Metrics,
    breakdown: Breakdown,
}

/// What a day is made of.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Breakdown {
    models: BTreeMap<String, OfKeys>,
    model_groups: BTreeMap<String, OfKeys>,
    providers: BTreeMap<String, OfKeys>,
    entities: BTreeMap<String, OfKeys>,
    api_keys: BTreeMap<String, OfKey>,
    mcp_servers: BTreeMap<String, OfKeys>,
    endpoints: BTreeMap<String, OfKeys>,
}

/// A part of a day, and which keys it is made of.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct OfKeys {
    metrics: Metrics,
    metadata: Entity,
    api_key_breakdown: BTreeMap<String, OfKey>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
struct Entity {
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team_alias: Option<String>,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
struct OfKey {
    metrics: Metrics,
    metadata: KeyOf,
}

#[derive(Debug, Default, Serialize, JsonSchema)]
struct KeyOf {
    key_alias: Option<String>,
    team_id: Option<String>,
}

/// What some exchanges come to.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Metrics {
    spend: PicoUsd,
    prompt_tokens: i64,
    completion_tokens: i64,
    cache_read_input_tokens: i64,
    cache_creation_input_tokens: i64,
    total_tokens: i64,
    successful_requests: i64,
    failed_requests: i64,
    api_requests: i64,
    #[serde(skip)]
    counts: Counts,
}

impl Metrics {
    fn add(&mut self, more: &Counts) {
        let mut counts = self.counts;
        counts.add(more, 1);
        *self = Self {
            spend: counts.cost,
            prompt_tokens: counts.prompt,
            completion_tokens: counts.completion,
            cache_read_input_tokens: counts.cache_read,
            cache_creation_input_tokens: counts.cache_write,
            total_tokens: counts.tokens(),
            successful_requests: counts.requests - counts.failed,
            failed_requests: counts.failed,
            api_requests: counts.requests,
            counts,
        };
    }
}

/// What a page comes to, and where it stands.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Totals {
    total_spend: PicoUsd,
    total_prompt_tokens: i64,
    total_completion_tokens: i64,
    total_cache_read_input_tokens: i64,
    total_cache_creation_input_tokens: i64,
    total_tokens: i64,
    total_successful_requests: i64,
    total_failed_requests: i64,
    total_api_requests: i64,
    page: u64,
    total_pages: u64,
    has_more: bool,
}

/// `/user/daily/activity`.
pub(super) fn of_user(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    paged(ask, user(ask)?)
}

/// `/user/daily/activity/aggregated`: all on one page.
pub(super) fn of_user_whole(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let survey = user(ask)?;
    let sums = sight::sums(ask, &Survey { limit: SUMS_MAX + 1, ..survey })?;
    if sums.len() as u64 > SUMS_MAX {
        return Err(Refusal::bad(format_args!("more than {SUMS_MAX} sums: ask for fewer days, or by page")));
    }
    Reply::json(&answer(ask, None, &sums, Page::of(1, SUMS_MAX), 1))
}

/// `/team/daily/activity`.
pub(super) fn of_teams(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let mut survey = survey_of(ask, ScopeKind::Team, "team_ids", "exclude_team_ids")?;
    let led = |id: &str| ask.actor.leads(ask.roster(), id);
    narrow(ask, &mut survey, &led, || {
        ask.roster().teams.filter(|team| led(&team.team_id)).iter().map(|team| team.team_id.clone()).collect()
    })?;
    paged(ask, survey)
}

/// `/organization/daily/activity`.
pub(super) fn of_organizations(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let mut survey = survey_of(ask, ScopeKind::Organization, "organization_ids", "exclude_organization_ids")?;
    let managed = |id: &str| ask.actor.manages(ask.roster(), id);
    narrow(ask, &mut survey, &managed, || {
        let all = ask.roster().organizations.filter(|one| managed(&one.organization_id));
        all.iter().map(|one| one.organization_id.clone()).collect()
    })?;
    paged(ask, survey)
}

/// `/customer/daily/activity`.
pub(super) fn of_customers(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    paged(ask, survey_of(ask, ScopeKind::Customer, "end_user_ids", "exclude_end_user_ids")?)
}

/// `/tag/daily/activity`. An exchange with several tags counts under each of them.
pub(super) fn of_tags(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    paged(ask, survey_of(ask, ScopeKind::Tag, "tags", "exclude_tags")?)
}

/// Of a user; of everything for those who see it all and name nobody; of a key that has no user, its own.
fn user(ask: &Ask<'_>) -> Result<Survey, Refusal> {
    let asked = ask.query.text("user_id").map(str::to_owned);
    let survey = survey(ask)?;
    let of = |user| Survey { of: Some(ScopeKind::User), ids: vec![user], ..survey.clone() };
    match (asked, ask.actor.user_id(), ask.actor.hash()) {
        (None, ..) if ask.actor.sees_all() => Ok(survey),
        (Some(user), ..) if ask.actor.sees_all() || ask.actor.is_user(Some(&user)) => Ok(of(user)),
        (None, Some(user), _) => Ok(of(user.to_owned())),
        (None, None, Some(hash)) => Ok(Survey { keys: vec![hash], ..survey }),
        _ => Err(Refusal::forbidden("only administrators see what other users spend")),
    }
}

fn survey(ask: &Ask<'_>) -> Result<Survey, Refusal> {
    let (from, to) = Period::of(ask).days(ask.now.wall_ms);
    let by = [By::Day, By::Key, By::Upstream, By::Group, By::Provider];
    let keys = sight::key(ask, "api_key")?.into_iter().collect();
    let model = ask.query.text("model").map(str::to_owned);
    Ok(Survey { keys, model, ..Survey::new(from, to, by) })
}

fn survey_of(ask: &Ask<'_>, kind: ScopeKind, only: &str, without: &str) -> Result<Survey, Refusal> {
    let list = |name| {
        let ids = ask.query.text(name).unwrap_or_default().split(',').map(str::trim);
        ids.filter(|id| !id.is_empty()).map(str::to_owned).collect()
    };
    let mut survey = Survey { of: Some(kind), ids: list(only), without: list(without), ..survey(ask)? };
    survey.by.push(By::Id);
    Ok(survey)
}

/// Who does not see everything sees what is the own; nothing else may be asked for.
fn narrow(
    ask: &Ask<'_>,
    survey: &mut Survey,
    is_own: &dyn Fn(&str) -> bool,
    own: impl FnOnce() -> Vec<String>,
) -> Result<(), Refusal> {
    if ask.actor.sees_all() {
        return Ok(());
    }
    if survey.ids.is_empty() {
        survey.ids = own();
    }
    if survey.ids.is_empty() || !survey.ids.iter().all(|id| is_own(id)) {
        return Err(Refusal::forbidden("only its admins and administrators see what others spend there"));
    }
    Ok(())
}

fn paged(ask: &Ask<'_>, survey: Survey) -> Result<Reply, Refusal> {
    let page = Page::of(ask.query.count("page"), ask.query.count("page_size"));
    let survey = Survey { offset: page.offset(), limit: page.size, ..survey };
    let sums = sight::sums(ask, &survey)?;
    let total = sight::keeper(ask)?.number_of_sums(&survey).map_err(|cause| Refusal::unread(&cause))?;
    Reply::json(&answer(ask, survey.of, &sums, page, page.pages(total)))
}

fn answer(ask: &Ask<'_>, of: Option<ScopeKind>, sums: &[Sum], page: Page, total_pages: u64) -> Paged {
    let (mut results, mut all): (Vec<Day>, Metrics) = (Vec::new(), Metrics::default());
    for sum in sums {
        let date = date(sum.day);
        if results.last().is_none_or(|day| day.date != date) {
            results.push(Day { date, metrics: Metrics::default(), breakdown: Breakdown::default() });
        }
        if let Some(day) = results.last_mut() {
            day.add(ask, of, sum);
        }
        all.add(&sum.counts);
    }
    let metadata = Totals {
        total_spend: all.spend,
        total_prompt_tokens: all.prompt_tokens,
        total_completion_tokens: all.completion_tokens,
        total_cache_read_input_tokens: all.cache_read_input_tokens,
        total_cache_creation_input_tokens: all.cache_creation_input_tokens,
        total_tokens: all.total_tokens,
        total_successful_requests: all.successful_requests,
        total_failed_requests: all.failed_requests,
        total_api_requests: all.api_requests,
        page: page.number,
        total_pages,
        has_more: page.number < total_pages,
    };
    Paged { results, metadata }
}

impl Day {
    fn add(&mut self, ask: &Ask<'_>, of: Option<ScopeKind>, sum: &Sum) {
        self.metrics.add(&sum.counts);
        let key = key_name(sum.key);
        let team = |hash: KeyHash| ask.roster().keys.find(&hash)?.team_id.clone();
        let add_key = |keys: &mut BTreeMap<String, OfKey>| {
            let of_key = keys.entry(key.clone()).or_insert_with(|| OfKey {
                metrics: Metrics::default(),
                metadata: KeyOf {
                    key_alias: Some(sum.key_alias.clone()).filter(|alias| !alias.is_empty()),
                    team_id: sum.key.and_then(team),
                },
            });
            of_key.metrics.add(&sum.counts);
        };
        let add = |parts: &mut BTreeMap<String, OfKeys>, name: &str| {
            let part = parts.entry(name.to_owned()).or_default();
            part.metrics.add(&sum.counts);
            add_key(&mut part.api_key_breakdown);
        };
        let Breakdown { models, model_groups, providers, entities, api_keys, .. } = &mut self.breakdown;
        add(models, &sum.upstream);
        add(model_groups, &sum.group);
        add(providers, &sum.provider);
        add_key(api_keys);
        if let Some(kind) = of.filter(|kind| *kind != ScopeKind::User) {
            add(entities, &sum.id);
            if let Some(entity) = entities.get_mut(&sum.id) {
                entity.metadata = alias(ask, kind, &sum.id);
            }
        }
    }
}

/// What people call a part.
fn alias(ask: &Ask<'_>, kind: ScopeKind, id: &str) -> Entity {
    let roster = ask.roster();
    match kind {
        ScopeKind::Team => {
            Entity { team_alias: roster.teams.find(id).and_then(|team| team.team_alias.clone()), alias: None }
        }
        ScopeKind::Customer => {
            Entity { alias: roster.customers.find(id).and_then(|customer| customer.alias.clone()), team_alias: None }
        }
        _ => Entity::default(),
    }
}
