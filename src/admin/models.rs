//! Which models there are: what they cost, what they take, and who serves them. Nothing secret.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::actor::Needs;
use super::ask::Ask;
use super::page::Page;
use super::query::Param;
use super::reply::{Refusal, Reply};
use super::route::Route;
use crate::exchange::{Listing, Prices};
use crate::vocabulary::PicoUsd;

const ONE: Param = Param::text("litellm_model_id", "Only the deployment with this id.");

const PAGED: &[Param] = &[
    Param::text("modelId", "Only the deployment with this id."),
    Param::text("model", "Only of the group with this name."),
    Param::text("search", "Only of groups with this in their name."),
    Param::count("page", 1, 1_000_000, 1, "Which page."),
    Param::count("size", 1, 1_000, 50, "Entries on a page."),
];

/// The rows.
pub(super) static ROUTES: &[Route] = &[
    Route::get("/model/info", Needs::AnyKey, "List deployments", info).query(&[ONE]).gives::<Deployments>(),
    Route::get("/v1/model/info", Needs::AnyKey, "List deployments", info).query(&[ONE]).gives::<Deployments>(),
    Route::get("/v2/model/info", Needs::AnyKey, "List deployments by page", paged).query(PAGED).gives::<Paged>(),
    Route::get("/model_group/info", Needs::AnyKey, "List groups of deployments", groups)
        .query(&[Param::text("model_group", "Only this one.")])
        .gives::<Groups>(),
    Route::get("/utils/supported_openai_params", Needs::AnyKey, "List the parameters that a model takes", supported)
        .query(&[Param::text("model", "The model.").required()])
        .gives::<Supported>(),
];

/// Deployments.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Deployments {
    data: Vec<Deployment>,
}

/// A page of them.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Paged {
    data: Vec<Deployment>,
    total_count: u64,
    current_page: u64,
    total_pages: u64,
    size: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Deployment {
    model_name: String,
    litellm_params: Params,
    model_info: Facts,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Params {
    model: String,
    custom_llm_provider: String,
    api_base: String,
    rpm: Option<u64>,
    tpm: Option<u64>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Facts {
    id: String,
    db_model: bool,
    key: String,
    litellm_provider: String,
    mode: Option<String>,
    max_tokens: Option<u64>,
    max_input_tokens: Option<u64>,
    max_output_tokens: Option<u64>,
    input_cost_per_token: Option<PicoUsd>,
    output_cost_per_token: Option<PicoUsd>,
    cache_read_input_token_cost: Option<PicoUsd>,
    cache_creation_input_token_cost: Option<PicoUsd>,
    access_groups: Vec<String>,
    supported_openai_params: Vec<&'static str>,
    #[serde(flatten)]
    abilities: Abilities,
}

/// What a model is known to do: what it takes.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
struct Abilities {
    supports_function_calling: bool,
    supports_parallel_function_calling: bool,
    supports_response_schema: bool,
    supports_reasoning: bool,
}

impl Abilities {
    fn of(params: &[&str]) -> Self {
        let takes = |name| params.contains(&name);
        Self {
            supports_function_calling: takes("tools"),
            supports_parallel_function_calling: takes("parallel_tool_calls"),
            supports_response_schema: takes("response_format"),
            supports_reasoning: takes("reasoning_effort"),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            supports_function_calling: self.supports_function_calling || other.supports_function_calling,
            supports_parallel_function_calling: self.supports_parallel_function_calling
                || other.supports_parallel_function_calling,
            supports_response_schema: self.supports_response_schema || other.supports_response_schema,
            supports_reasoning: self.supports_reasoning || other.supports_reasoning,
        }
    }
}

/// Groups.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Groups {
    data: Vec<Group>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Group {
    model_group: String,
    providers: BTreeSet<String>,
    mode: Option<String>,
    max_input_tokens: Option<u64>,
    max_output_tokens: Option<u64>,
    input_cost_per_token: Option<PicoUsd>,
    output_cost_per_token: Option<PicoUsd>,
    rpm: Option<u64>,
    tpm: Option<u64>,
    supported_openai_params: BTreeSet<&'static str>,
    #[serde(flatten)]
    abilities: Abilities,
}

/// What a model takes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Supported {
    supported_openai_params: Vec<&'static str>,
}

/// The deployments that whoever asks may name.
fn visible(ask: &Ask<'_>) -> Vec<Listing> {
    let mut all = ask.world.listings();
    if !ask.actor.sees_all() {
        let standing = ask.actor.hash().and_then(|hash| ask.world.standing(&hash, ask.now));
        all.retain(|listing| standing.as_ref().is_some_and(|standing| standing.may_name(&[&listing.group])));
    }
    all
}

fn params(ask: &Ask<'_>, listing: &Listing) -> Vec<&'static str> {
    ask.world.supported_params(&format!("{}/{}", listing.provider, listing.model)).unwrap_or_default()
}

fn shown(ask: &Ask<'_>, listing: Listing) -> Deployment {
    let params = params(ask, &listing);
    let each = |of: fn(&Prices) -> PicoUsd| listing.prices.as_ref().map(of);
    Deployment {
        model_info: Facts {
            id: listing.id.to_string(),
            db_model: ask.roster().models.has(&*listing.id),
            key: listing.model.to_string(),
            litellm_provider: listing.provider.to_string(),
            mode: listing.mode.clone(),
            max_tokens: listing.max_output_tokens,
            max_input_tokens: listing.max_input_tokens,
            max_output_tokens: listing.max_output_tokens,
            input_cost_per_token: each(|prices| prices.input),
            output_cost_per_token: each(|prices| prices.output),
            cache_read_input_token_cost: each(|prices| prices.cache_read),
            cache_creation_input_token_cost: each(|prices| prices.cache_write),
            access_groups: listing.access_groups.clone(),
            abilities: Abilities::of(&params),
            supported_openai_params: params,
        },
        model_name: listing.group.to_string(),
        litellm_params: Params {
            model: format!("{}/{}", listing.provider, listing.model),
            custom_llm_provider: listing.provider.to_string(),
            api_base: listing.api_base.to_string(),
            rpm: listing.rpm,
            tpm: listing.tpm,
        },
    }
}

fn info(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let only = ask.query.text("litellm_model_id");
    let found = visible(ask).into_iter().filter(|listing| only.is_none_or(|only| *only == *listing.id));
    let data: Vec<_> = found.map(|listing| shown(ask, listing)).collect();
    match only {
        Some(only) if data.is_empty() => {
            Err(Refusal::bad(format_args!("Model id = {only} not found on litellm proxy")))
        }
        _ => Reply::json(&Deployments { data }),
    }
}

fn paged(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let mut all = visible(ask);
    if let Some(id) = ask.query.text("modelId") {
        all.retain(|listing| *listing.id == *id);
    }
    if let Some(model) = ask.query.text("model") {
        all.retain(|listing| *listing.group == *model);
    }
    if let Some(part) = ask.query.text("search") {
        all.retain(|listing| listing.group.contains(part));
    }
    let page = Page::of(ask.query.count("page"), ask.query.count("size"));
    let total = all.len() as u64;
    let data = page.cut(all).into_iter().map(|listing| shown(ask, listing)).collect();
    let (current_page, total_pages, size) = (page.number, page.pages(total), page.size);
    Reply::json(&Paged { data, total_count: total, current_page, total_pages, size })
}

fn groups(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let only = ask.query.text("model_group");
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for listing in visible(ask).into_iter().filter(|listing| only.is_none_or(|only| *only == *listing.group)) {
        let params = params(ask, &listing);
        let group = groups.entry(listing.group.to_string()).or_insert_with(|| Group {
            model_group: listing.group.to_string(),
            providers: BTreeSet::new(),
            mode: None,
            max_input_tokens: None,
            max_output_tokens: None,
            input_cost_per_token: None,
            output_cost_per_token: None,
            rpm: None,
            tpm: None,
            supported_openai_params: BTreeSet::new(),
            abilities: Abilities::default(),
        });
        group.add(&listing, &params);
    }
    match only {
        Some(only) if groups.is_empty() => Err(Refusal::bad(format_args!("model group {only} not found"))),
        _ => Reply::json(&Groups { data: groups.into_values().collect() }),
    }
}

impl Group {
    /// The most that one of its deployments takes or costs; limits of all of them together.
    fn add(&mut self, listing: &Listing, params: &[&'static str]) {
        let sum = |one: Option<u64>, more: Option<u64>| match (one, more) {
            (Some(one), Some(more)) => Some(one.saturating_add(more)),
            (one, more) => one.or(more),
        };
        self.providers.insert(listing.provider.to_string());
        self.mode = self.mode.take().or_else(|| listing.mode.clone());
        self.max_input_tokens = self.max_input_tokens.max(listing.max_input_tokens);
        self.max_output_tokens = self.max_output_tokens.max(listing.max_output_tokens);
        self.input_cost_per_token = self.input_cost_per_token.max(listing.prices.map(|prices| prices.input));
        self.output_cost_per_token = self.output_cost_per_token.max(listing.prices.map(|prices| prices.output));
        self.rpm = sum(self.rpm, listing.rpm);
        self.tpm = sum(self.tpm, listing.tpm);
        self.supported_openai_params.extend(params);
        self.abilities = self.abilities.or(Abilities::of(params));
    }
}

fn supported(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let model = ask.query.text("model").unwrap_or_default();
    let unknown = || Refusal::bad(format_args!("Could not map model={model}"));
    let supported_openai_params = ask.world.supported_params(model).ok_or_else(unknown)?;
    Reply::json(&Supported { supported_openai_params })
}
