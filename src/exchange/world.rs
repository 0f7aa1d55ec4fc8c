//! The running state that a configuration becomes. Replaced whole on a reload; an exchange keeps the one it began with.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use dashmap::DashMap;
use jiff::tz::TimeZone;
use smallvec::SmallVec;

use super::alerts::Alerts;
use super::caller::{Live, Standing};
use super::mask::Mask;
use super::party::{Accounts, recorded_group};
use super::switch::{OffUntil, Switches};
use super::{charges, units};
use crate::config::{self, CustomerBudget, Settings};
use crate::dialect::Endpoint;
use crate::dialect::openai::Request;
use crate::identity::{Sources, Verifier};
use crate::ledger::{AccountId, Memory, Part, Scope, Terms, Upstream, Window};
use crate::policy::{DeploymentLimits, KeyRing};
use crate::pricing::{Book, Price};
use crate::provider::{self, Auth, Call, ChatApi, Provider, Target};
use crate::roster::{Bounds, Roster, StoredModel};
use crate::routing::{self, Health, Pattern, RetryBudget, Table};
use crate::telemetry::{DeploymentName, Event, Handles, KeyLabel, KeyName, LabelBook, Telemetry, Trouble};
use crate::vocabulary::{Clock, KeyHash, ScopeKind};

/// Prices of wildcard models that are remembered.
const PRICES_MAX: usize = 4096;

/// What outlives configurations.
#[derive(Clone)]
pub struct Surroundings {
    /// What time it is.
    pub clock: Clock,
    /// The accounts.
    pub ledger: Arc<Memory>,
    /// Events.
    pub telemetry: Arc<Telemetry>,
    /// Keys, teams, users and the rest on record.
    pub roster: Arc<Roster>,
    /// Those of them that were asked for, at work.
    pub live: Arc<Live>,
    /// The environment: variables that models on record name, and the key that seals their secrets.
    pub env: fn(&str) -> Option<String>,
    /// Keys of identity providers.
    pub key_sources: Arc<Sources>,
    /// Alerts about budgets that are on their way.
    pub alerts: Arc<Alerts>,
}

impl Surroundings {
    /// Surroundings with nobody on record, and an empty environment.
    pub fn new(clock: Clock, ledger: Arc<Memory>, telemetry: Arc<Telemetry>) -> Self {
        Self {
            clock,
            ledger,
            telemetry,
            roster: Arc::default(),
            live: Arc::default(),
            env: |_| None,
            key_sources: Arc::default(),
            alerts: Arc::default(),
        }
    }
}

/// A configuration at work.
pub struct World {
    /// As configured.
    pub settings: Settings,
    /// Who may call.
    pub keys: KeyRing,
    /// Who may come with a token instead.
    pub(super) tokens: Option<Verifier>,
    /// Which names are served by whom.
    pub table: Table,
    /// The deployments, in the order of the settings.
    pub deployments: Vec<Deployment>,
    /// Labels and counters.
    pub handles: Handles,
    /// What outlives this configuration.
    pub around: Surroundings,
    /// How many retries may be made; outlives configurations.
    pub retry_budget: Arc<RetryBudget>,
    /// How many second attempts may be made beside a first; outlives configurations.
    pub(super) hedge_budget: Arc<RetryBudget>,
    /// Counts configurations, from 1.
    pub generation: u64,
    /// The deployments of [`Settings::pass_through_endpoints`].
    pub(super) endpoints: Vec<usize>,
    /// How many of the deployments stand in the configuration: those on record come after them.
    declared: usize,
    /// The roster's count of changes of models that it was built from.
    pub models_version: u64,
    /// What is switched off.
    pub(super) switches: Switches,
    /// Where windows of budgets begin.
    pub(super) zone: TimeZone,
    /// The keys of the configuration.
    configured: HashMap<KeyHash, Arc<Standing>>,
    pub(super) book: Book,
    prices: DashMap<(usize, Box<str>), Option<Arc<Price>>>,
}

/// One entry of `model_list` at work.
pub struct Deployment {
    /// As configured.
    pub settings: config::Deployment,
    /// Who is asked.
    pub provider: &'static dyn Provider,
    /// Where.
    pub target: Target,
    /// Its credential, where that is more than a header.
    pub auth: Option<Arc<dyn Auth>>,
    /// How often.
    pub limits: DeploymentLimits,
    /// How it fares.
    pub health: Arc<Health>,
    /// Whether it is switched off.
    pub off: OffUntil,
    /// Its number where requests are kept at one deployment.
    pub seed: u64,
    /// `model_info.id`, for the headers of answers.
    pub shown_id: http::HeaderValue,
    /// `provider/model`, for the headers of answers.
    pub shown_name: http::HeaderValue,
    /// Scheme and host of the base URL, for the headers of answers.
    pub shown_base: http::HeaderValue,
    /// Provider, model and address, for receipts.
    pub(super) upstream: Arc<Upstream>,
    /// The budgets of the deployment and of its provider, where they have some.
    pub accounts: SmallVec<[AccountId; 2]>,
    /// Keeps its connections apart from those of deployments with other credentials or protocol settings.
    pub pool: u64,
    /// Only for what is passed on below its provider's prefix: no name leads to it.
    pub hidden: bool,
    pub(super) pattern: Option<Pattern>,
    price: Option<Arc<Price>>,
    /// Its credentials, to be overwritten in answers.
    pub mask: Mask,
    /// All headers of a request but its length.
    pub headers: http::HeaderMap,
    /// Of carried calls, by [`path_index`]; None where a call is not carried.
    paths: Vec<Option<http::Uri>>,
    /// Of translated chats, answered whole and streamed.
    chat_paths: [Option<http::Uri>; 2],
}

impl Deployment {
    /// What the provider calls the model; `captured` is what the star of a wildcard group stands for.
    pub fn upstream_model(&self, captured: Option<&str>) -> std::borrow::Cow<'_, str> {
        match (&self.pattern, captured) {
            (Some(pattern), Some(captured)) => pattern.fill(captured).into(),
            _ => (&*self.settings.model).into(),
        }
    }

    /// Path and query of a carried call; None: the provider has no such path for this model.
    pub fn path(&self, call: &Call<'_>) -> Option<http::Uri> {
        if self.pattern.is_none() {
            return self.paths.get(path_index(call.endpoint, call.stream)).cloned().flatten();
        }
        self.provider.carry(call.endpoint, call.model)?;
        self.provider.path(&self.target, call).parse().ok()
    }

    /// Path and query of a translated chat; None: the model's name makes none.
    pub(super) fn chat_path(&self, api: &dyn ChatApi, model: &str, stream: bool) -> Option<http::Uri> {
        match &self.pattern {
            None => self.chat_paths[usize::from(stream)].clone(),
            Some(_) => api.path(&self.target, model, stream).parse().ok(),
        }
    }
}

fn path_index(endpoint: Endpoint, stream: bool) -> usize {
    endpoint as usize * 2 + usize::from(stream)
}

impl World {
    /// Builds the running state. Limits go on where those of `previous` stand, spend stays in the ledger.
    ///
    /// # Errors
    /// A deployment cannot be reached as configured, the time zone or a budget's duration is not known, or the price
    /// file cannot be read.
    pub fn build(mut settings: Settings, around: Surroundings, previous: Option<&Self>) -> Result<Self, BuildError> {
        let now = around.clock.now();
        let zone = TimeZone::get(&settings.timezone).map_err(|error| {
            BuildError(format!("litellm_settings.timezone: expected an IANA name like Europe/Berlin: {error}"))
        })?;
        let book = match &settings.price_file {
            Some(path) => Book::with_file(path).map_err(|error| BuildError(error.to_string()))?,
            None => Book::builtin(),
        };
        let deployments = settings
            .deployments
            .iter()
            .map(|deployment| build_deployment(deployment, &settings, &book, previous, now))
            .collect::<Result<Vec<_>, _>>()?;
        let declared = settings.deployments.len();
        // Before they are read: a change meanwhile is one more reason to build anew.
        let models_version = around.roster.models_version();
        let mut deployments = deployments;
        for model in around.stored_models() {
            let taken = settings.deployments.iter().any(|known| *known.id == *model.id);
            let read = if taken { Err(String::from("its id is taken")) } else { around.read_model(&model) };
            let built = read.and_then(|deployment| {
                let built = build_deployment(&deployment, &settings, &book, previous, now);
                built.map(|built| (deployment, built)).map_err(|error| error.to_string())
            });
            match built {
                Ok((deployment, built)) => {
                    settings.deployments.push(deployment);
                    deployments.push(built);
                }
                Err(reason) => {
                    let cause = format!("the model {} on record is not served: {reason}", model.id);
                    around.telemetry.emit(&Event::Trouble(Trouble { subject: "model", cause: &cause }), now);
                }
            }
        }
        let hidden = |deployment| build_hidden(deployment, &settings, &book, previous, now);
        let passing: Vec<_> = settings.pass_through.iter().filter_map(hidden).collect();
        let mut deployments: Vec<_> = deployments.into_iter().chain(passing).collect();
        let mut endpoints = Vec::with_capacity(settings.pass_through_endpoints.len());
        for endpoint in &settings.pass_through_endpoints {
            endpoints.push(deployments.len());
            let built = build_deployment(&endpoint.deployment, &settings, &book, previous, now)?;
            deployments.push(Deployment { hidden: true, ..built });
        }
        let table = Table::build(&settings.deployments, &settings.aliases);
        let groups = |name: &str| access_group(&settings, name).or_else(|| recorded_group(&around.roster, name));
        let keys = KeyRing::build(
            settings.master_key.as_ref(),
            &settings.virtual_keys,
            &groups,
            previous.map(|world| &world.keys),
            now,
        );
        let configured = open_accounts(&settings, &keys, &around.ledger, &zone, now)?;
        let handles = around.telemetry.handles(label_book(&settings, &table, &deployments));
        let switches = Switches::build(&settings, &around.roster, &deployments);
        let tokens = settings.jwt_auth.clone().map(|rules| Verifier::new(rules, &around.key_sources));
        let generation = previous.map_or(0, |world| world.generation) + 1;
        Ok(Self {
            settings,
            keys,
            tokens,
            table,
            deployments,
            handles,
            around,
            retry_budget: previous.map(|world| world.retry_budget.clone()).unwrap_or_default(),
            hedge_budget: previous.map(|world| world.hedge_budget.clone()).unwrap_or_default(),
            generation,
            declared,
            models_version,
            endpoints,
            switches,
            zone,
            configured,
            book,
            prices: DashMap::new(),
        })
    }

    /// The configuration without the models on record.
    pub fn declared(&self) -> Settings {
        let mut settings = self.settings.clone();
        settings.deployments.truncate(self.declared);
        settings
    }

    /// Whether a deployment stands in the configuration.
    pub fn declares(&self, id: &str) -> bool {
        self.settings.deployments.iter().take(self.declared).any(|deployment| *deployment.id == *id)
    }

    /// Whether a model could be served if it were on record.
    ///
    /// # Errors
    /// It could not: why.
    pub fn try_model(&self, model: &StoredModel) -> Result<(), String> {
        let deployment = self.around.read_model(model)?;
        let built = build_deployment(&deployment, &self.settings, &self.book, Some(self), self.around.clock.now());
        built.map(drop).map_err(|error| error.to_string())
    }

    /// A key of the configuration.
    pub(super) fn configured(&self, hash: &KeyHash) -> Option<Arc<Standing>> {
        self.configured.get(hash).cloned()
    }

    /// The keys of the configuration, in no order.
    pub(super) fn all_configured(&self) -> impl Iterator<Item = &Arc<Standing>> {
        self.configured.values()
    }

    /// The models of an access group, of the configuration or on record.
    pub(super) fn access_group(&self, name: &str) -> Option<Vec<String>> {
        access_group(&self.settings, name).or_else(|| recorded_group(&self.around.roster, name))
    }

    /// What every customer may spend without a budget of its own.
    pub(super) fn customer_bounds(&self) -> Option<Bounds> {
        match self.settings.customer_budget.as_ref()? {
            CustomerBudget::Dollars(max) => Some(Bounds { max_budget: Some(*max), ..Bounds::default() }),
            CustomerBudget::Shared(id) => {
                self.around.roster.budgets.find(id.as_str()).map(|budget| budget.bounds.clone())
            }
        }
    }

    /// What may be spent under a tag of the configuration.
    pub(super) fn tag_bounds(&self, tag: &str) -> Option<Bounds> {
        let (_, budget) = self.settings.tag_budgets.iter().find(|(name, _)| name == tag)?;
        let duration = budget.duration.clone();
        Some(Bounds { max_budget: Some(budget.max), budget_duration: duration, ..Bounds::default() })
    }

    /// What a deployment charges for pictures of the quality and size that are asked for; None: there is no such price.
    pub(super) fn drawn_price(&self, deployment: usize, model: &str, request: &Request) -> Option<Arc<Price>> {
        let names = units::drawn_as(request);
        let entry = self.deployments.get(deployment).filter(|_| !names.is_empty())?;
        if !entry.settings.prices.is_empty() {
            return None;
        }
        let model = entry.settings.base_model.as_deref().unwrap_or(model);
        let find = |name: String| self.book.find(&entry.settings.provider, &format!("{name}/{model}"));
        let price = names.into_iter().find_map(find)?;
        Some(Arc::new(price.adjusted(charges::adjustment(&self.settings, &entry.settings.provider, model))))
    }

    /// What a deployment charges for a model; None: nobody knows.
    pub fn price(&self, deployment: usize, model: &str) -> Option<Arc<Price>> {
        let entry = self.deployments.get(deployment)?;
        if entry.pattern.is_none() || entry.price.is_some() {
            return entry.price.clone();
        }
        if let Some(known) = self.prices.get(&(deployment, Box::from(model))) {
            return known.clone();
        }
        let own = self.deployments.iter().find(|known| {
            entry.hidden
                && !known.hidden
                && known.provider.name() == entry.provider.name()
                && *known.settings.model == *model
        });
        let found = match own {
            Some(own) => own.price.clone(),
            None => find_price(&entry.settings, model, &self.book, &self.settings).map(Arc::new),
        };
        if self.prices.len() < PRICES_MAX {
            self.prices.insert((deployment, model.into()), found.clone());
        }
        found
    }
}

fn build_deployment(
    deployment: &config::Deployment,
    settings: &Settings,
    book: &Book,
    previous: Option<&World>,
    now: crate::vocabulary::Now,
) -> Result<Deployment, BuildError> {
    let at = |what: &dyn fmt::Display| BuildError(format!("{}: {what}", deployment.place));
    let provider = provider::find(&deployment.provider)
        .ok_or_else(|| at(&format_args!("provider {:?} is not known", deployment.provider)))?;
    let target = match &deployment.mock_response {
        Some(_) => Target::parse("http://localhost").map_err(|error| at(&error))?,
        None => provider.target(deployment).map_err(|error| at(&error))?,
    };
    let before = previous.and_then(|world| world.deployments.iter().find(|known| known.settings.id == deployment.id));
    let pattern = deployment.model.contains('*').then(|| Pattern::parse(&deployment.model)).flatten();
    let path = |endpoint, stream| {
        if provider.carry(endpoint, &deployment.model).is_none() {
            return Ok(None);
        }
        let path = provider.path(&target, &Call { endpoint, model: &deployment.model, stream });
        let uri = path.parse::<http::Uri>();
        uri.map(Some).map_err(|error| at(&format_args!("the path {path:?} is not one: {error}")))
    };
    let model = &*deployment.model;
    let calls = Endpoint::ALL.into_iter().flat_map(|endpoint| [(endpoint, false), (endpoint, true)]);
    let paths = calls.map(|(endpoint, stream)| path(endpoint, stream)).collect::<Result<Vec<_>, _>>()?;
    let chat_path = |stream| provider.chat(model)?.path(&target, model, stream).parse().ok();
    let chat_paths = [chat_path(false), chat_path(true)];
    let limits = DeploymentLimits::of(
        &deployment.id,
        (deployment.rpm, deployment.tpm),
        deployment.max_parallel_requests,
        before.map(|known| &known.limits),
        now,
    );
    let price = match (&pattern, deployment.prices.is_empty()) {
        (Some(_), true) => None,
        _ => find_price(deployment, &deployment.model, book, settings).map(Arc::new),
    };
    let shown = |text: &str| http::HeaderValue::from_str(text).unwrap_or(http::HeaderValue::from_static("-"));
    let auth = match &deployment.mock_response {
        Some(_) => None,
        None => provider.auth(deployment).map_err(|error| at(&error))?,
    };
    Ok(Deployment {
        settings: deployment.clone(),
        provider,
        auth,
        limits,
        health: before.map(|known| known.health.clone()).unwrap_or_default(),
        off: OffUntil::default(),
        seed: routing::seed(&deployment.id),
        shown_id: shown(&deployment.id),
        shown_name: shown(&format!("{}/{}", deployment.provider, deployment.model)),
        shown_base: shown(&origin(deployment)),
        upstream: Arc::new(Upstream {
            provider: deployment.provider.clone(),
            model: deployment.model.clone(),
            api_base: origin(deployment).into(),
        }),
        accounts: own_accounts(deployment, settings),
        pool: pool_key(deployment, settings),
        hidden: false,
        pattern,
        price,
        mask: Mask::of(deployment),
        headers: target.request_headers(),
        target,
        paths,
        chat_paths,
    })
}

/// The deployment that stands behind a provider's prefix; None where it cannot be reached, which is said when it is asked.
fn build_hidden(
    deployment: &config::Deployment,
    settings: &Settings,
    book: &Book,
    previous: Option<&World>,
    now: crate::vocabulary::Now,
) -> Option<Deployment> {
    let mut built = match build_deployment(deployment, settings, book, previous, now) {
        Ok(built) => built,
        Err(error) => {
            log::warn!("paths below /{} are not served: {error}", deployment.provider);
            return None;
        }
    };
    (built.hidden, built.pattern, built.price) = (true, Pattern::parse("*"), None);
    if let Ok(name) = http::HeaderValue::from_str(&deployment.provider) {
        built.shown_name = name;
    }
    Some(built)
}

/// Deployment's own prices over those of `base_model`, of provider and model, of the model; with what the configuration takes
/// off and puts on.
fn find_price(deployment: &config::Deployment, model: &str, book: &Book, settings: &Settings) -> Option<Price> {
    let adjustment = charges::adjustment(settings, &deployment.provider, model);
    let base = deployment
        .base_model
        .as_deref()
        .and_then(|base| book.find(&deployment.provider, base))
        .or_else(|| book.find(&deployment.provider, model));
    let price = match deployment.prices.is_empty() {
        true => base?,
        false => Price::from_fields(&deployment.prices, base.as_ref()),
    };
    Some(price.adjusted(adjustment))
}

fn pool_key(deployment: &config::Deployment, settings: &Settings) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    deployment.http2.hash(&mut hasher);
    deployment.ssl_verify.hash(&mut hasher);
    settings.upstream.tls_verify.hash(&mut hasher);
    settings.upstream.ca_file.hash(&mut hasher);
    hasher.finish()
}

/// Accounts that spend at a deployment falls on, beside the caller's.
fn own_accounts(deployment: &config::Deployment, settings: &Settings) -> SmallVec<[AccountId; 2]> {
    let mut budgets = settings.routing.provider_budgets.iter();
    let of_provider = budgets.any(|(provider, _)| **provider == *deployment.provider);
    let of_provider = of_provider.then(|| AccountId::of(ScopeKind::Provider, &deployment.provider, &Part::Whole));
    let own = deployment.budget.is_some().then(|| AccountId::of(ScopeKind::Deployment, &deployment.id, &Part::Whole));
    of_provider.into_iter().chain(own).collect()
}

fn access_group(settings: &Settings, name: &str) -> Option<Vec<String>> {
    let of_group =
        settings.deployments.iter().filter(|deployment| deployment.access_groups.iter().any(|group| group == name));
    let mut names: Vec<_> = of_group.map(|deployment| deployment.model_name.to_string()).collect();
    names.sort_unstable();
    names.dedup();
    (!names.is_empty()).then_some(names)
}

fn open_accounts(
    settings: &Settings,
    keys: &KeyRing,
    ledger: &Memory,
    zone: &TimeZone,
    now: crate::vocabulary::Now,
) -> Result<HashMap<KeyHash, Arc<Standing>>, BuildError> {
    let terms = |scope, budget: Option<&config::Budget>, place: &str| {
        let window = Window::parse(budget.and_then(|budget| budget.duration.as_deref()), zone)
            .map_err(|error| BuildError(format!("{place}: budget_duration: {error}")))?;
        Ok(Terms { scope, part: Part::Whole, limit: budget.map(|budget| budget.max), window })
    };
    let mut opened = Vec::with_capacity(settings.virtual_keys.len() + 1);
    opened.push((AccountId::Global, terms(Scope::Global, settings.budget.as_ref(), "litellm_settings")?));
    let mut standings = HashMap::with_capacity(settings.virtual_keys.len());
    for (index, key) in settings.virtual_keys.iter().enumerate() {
        let account = AccountId::Key(key.hash);
        let scope = Scope::Key { alias: key.alias.clone(), shown: key.shown.clone() };
        opened.push((account, terms(scope, key.budget.as_ref(), &key.place)?));
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let mut models = Vec::with_capacity(key.model_budgets.len());
        for (model, budget) in &key.model_budgets {
            let part = Part::Model(model.clone());
            let account = AccountId::of(ScopeKind::Key, &key.hash.to_string(), &part);
            let scope = Scope::Key { alias: key.alias.clone(), shown: key.shown.clone() };
            opened.push((account, Terms { part, ..terms(scope, Some(budget), &key.place)? }));
            models.push((model.as_str().into(), account));
        }
        let always = SmallVec::from_buf([account, AccountId::Global]);
        let accounts = Accounts { always, models, soft: key.soft_budget };
        if let Some(at_work) = keys.by_hash(&key.hash) {
            let standing = Standing::configured(at_work.clone(), KeyLabel::Virtual(index), accounts);
            standings.entry(key.hash).or_insert_with(|| Arc::new(standing));
        }
    }
    for (provider, budget) in &settings.routing.provider_budgets {
        let account = AccountId::of(ScopeKind::Provider, provider, &Part::Whole);
        let scope = Scope::Of(ScopeKind::Provider, provider.as_str().into());
        opened.push((account, terms(scope, Some(budget), "router_settings.provider_budget_config")?));
    }
    for deployment in settings.deployments.iter().filter(|deployment| deployment.budget.is_some()) {
        let account = AccountId::of(ScopeKind::Deployment, &deployment.id, &Part::Whole);
        let scope = Scope::Of(ScopeKind::Deployment, deployment.id.clone());
        opened.push((account, terms(scope, deployment.budget.as_ref(), &deployment.place)?));
    }
    // Only now: a configuration that cannot be built changes no account.
    opened.into_iter().for_each(|(account, terms)| ledger.account(account, terms, now));
    Ok(standings)
}

fn label_book(settings: &Settings, table: &Table, deployments: &[Deployment]) -> LabelBook {
    let key = |key: &config::VirtualKey| KeyName {
        alias: key.alias.as_deref().unwrap_or("").into(),
        hash: key.hash.to_string().into(),
    };
    let deployment = |known: &Deployment| {
        let deployment = &known.settings;
        DeploymentName {
            id: deployment.id.clone(),
            group: deployment.model_name.clone(),
            provider: deployment.provider.clone(),
            model: if known.hidden { "*".into() } else { deployment.model.clone() },
            api_base: origin(deployment).into(),
        }
    };
    LabelBook {
        keys: settings.virtual_keys.iter().map(key).collect(),
        groups: table.groups().iter().map(|group| group.name.clone()).collect(),
        deployments: deployments.iter().map(deployment).collect(),
    }
}

/// Scheme and host of a deployment's base URL, for labels and headers.
fn origin(deployment: &config::Deployment) -> String {
    let usual = || provider::find(&deployment.provider).and_then(Provider::base).unwrap_or_default().to_owned();
    let base = deployment.api_base.clone().unwrap_or_else(usual);
    let end = base.find("://").and_then(|scheme| base[scheme + 3..].find('/').map(|slash| scheme + 3 + slash));
    base[..end.unwrap_or(base.len())].to_owned()
}

/// Why a configuration cannot be put to work: where, what was found, what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError(String);

impl fmt::Display for BuildError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for BuildError {}
