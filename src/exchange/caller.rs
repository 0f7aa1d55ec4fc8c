//! Who is calling: a key with everybody it spends for, and what all of them allow together.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dashmap::{DashMap, Entry};
use smallvec::SmallVec;

use super::World;
use super::bearer::Bearer;
use super::enter::Head;
use super::party::{self, Accounts, Books, Made, Parties, Party, Whose};
use crate::config::{Budget, VirtualKey};
use crate::dialect::openai::Request;
use crate::identity;
use crate::ledger::{AccountId, Behalf, Ledger, Memory, Scope, Statement};
use crate::policy::{Ask, Denied, Key, Permit, Presented, Recognized, Snapshot};
use crate::roster::{self, Bounds, RouteGroup};
use crate::telemetry::KeyLabel;
use crate::vocabulary::{Fault, KeyHash, Kind, ModelName, Now, PicoUsd, ScopeKind};

/// Someone who showed a valid key.
#[derive(Clone, Debug)]
pub enum Caller {
    /// The master key: every model, no limits.
    Master,
    /// A virtual key.
    Key(Arc<Standing>),
    /// A token of an identity provider.
    Bearer(Arc<Bearer>),
}

/// A virtual key at work, of the configuration or on record.
#[derive(Debug)]
pub struct Standing {
    /// What it may do, and how often.
    pub key: Arc<Key>,
    /// Whom it spends for beside itself: a team, a member of it, a user, an organization.
    pub parties: SmallVec<[Arc<Party>; 4]>,
    /// Its own accounts, and the global one.
    pub accounts: Accounts,
    /// The same people by their ids, as receipts name them, and its tags; None where there is nobody.
    pub behalf: Option<Arc<Behalf>>,
    /// How metrics and the log call it.
    pub label: KeyLabel,
    /// As it is on record; None: it stands in the configuration.
    pub record: Option<Arc<roster::Key>>,
    /// Why nobody is let in with it, whatever else.
    broken: Option<Box<str>>,
    made: Made,
    /// Of the roster: it stands while that has not changed.
    version: AtomicU64,
    /// When it is to be made anew, Unix milliseconds: a temporary increase ends.
    stale_ms: i64,
}

impl Caller {
    /// The virtual key, if it is one.
    pub fn key(&self) -> Option<&Arc<Key>> {
        self.standing().map(|standing| &standing.key)
    }

    /// The virtual key and whom it spends for, if it is one.
    pub fn standing(&self) -> Option<&Arc<Standing>> {
        match self {
            Self::Master => None,
            Self::Key(standing) => Some(standing),
            Self::Bearer(bearer) => Some(&bearer.standing),
        }
    }

    /// Whether the credential itself makes it an administrator; a key does so only through its user.
    pub fn is_admin(&self) -> bool {
        match self {
            Self::Master => true,
            Self::Key(_) => false,
            Self::Bearer(bearer) => bearer.token.person.admin,
        }
    }

    /// The customer that the credential itself names.
    pub fn customer(&self) -> Option<&str> {
        match self {
            Self::Bearer(bearer) => bearer.token.person.customer_id.as_deref(),
            Self::Master | Self::Key(_) => None,
        }
    }

    /// Whether it may name a model: by any of these names, in the eyes of everybody.
    pub fn may_name(&self, names: &[&str]) -> bool {
        match self {
            Self::Master => true,
            Self::Key(standing) => standing.may_name(names),
            Self::Bearer(bearer) => bearer.may_name(names),
        }
    }
}

impl Standing {
    /// A key of the configuration.
    pub(super) fn configured(key: Arc<Key>, label: KeyLabel, accounts: Accounts) -> Self {
        let tags = key.tags.iter().cloned().collect();
        Self {
            key,
            parties: SmallVec::new(),
            accounts,
            behalf: Behalf { tags, ..Behalf::default() }.shared(),
            label,
            record: None,
            broken: None,
            made: (0, 0),
            version: AtomicU64::new(0),
            stale_ms: i64::MAX,
        }
    }

    /// Whether everybody allows one of these names.
    pub fn may_name(&self, names: &[&str]) -> bool {
        let allows = |access: &crate::policy::Access| names.iter().any(|name| access.allows(name));
        allows(&self.key.access) && self.parties.iter().all(|party| allows(&party.access))
    }

    /// What the key, or its team, means by a model name.
    pub fn alias_for(&self, requested: &ModelName) -> Option<&ModelName> {
        let of_parties = || self.parties.iter().find_map(|party| party.alias_for(requested));
        self.key.alias_for(requested).or_else(of_parties)
    }

    /// The key's own names for models, and its team's.
    pub fn aliases(&self) -> impl Iterator<Item = &ModelName> {
        let of_parties = self.parties.iter().flat_map(|party| party.aliases());
        self.key.aliases().chain(of_parties).map(|(alias, _)| alias)
    }

    /// Whether it may be used at all, from this address, now.
    ///
    /// # Errors
    /// The key, or somebody it belongs to, is blocked; or see [`Key::check`].
    pub fn check(&self, address: Option<IpAddr>, now: Now) -> Result<(), Fault> {
        self.key.check(address, now)?;
        if let Some(broken) = &self.broken {
            return Err(Fault::client(Kind::BlockedKey, broken.to_string()).param("None"));
        }
        self.parties.iter().try_for_each(|party| party.check())
    }

    /// Whether the key is for calls like this, by its type and its `allowed_routes`.
    ///
    /// # Errors
    /// It is for other routes.
    pub(super) fn may_call(&self, head: &Head<'_>) -> Result<(), Fault> {
        let Some(record) = &self.record else { return Ok(()) };
        let reads = head.method == "GET" && record.may_call(RouteGroup::Info, head.path);
        if reads || record.may_call(RouteGroup::Llm, head.path) {
            return Ok(());
        }
        Err(Fault::client(Kind::RouteNotAllowed, record.refusal(head.path)).param("None"))
    }

    /// Whether a request has what the key says that its requests must have (`enforced_params`): members of the body, and
    /// `metadata.name` for those of its metadata. A form, or what is passed on as it is, is not held to it.
    ///
    /// # Errors
    /// It lacks one.
    pub(super) fn enforce(&self, request: &Request) -> Result<(), Fault> {
        let enforced = self.record.as_ref().map_or(&[][..], |record| &record.enforced_params);
        let read = request.form.is_none() && !request.document.members.is_empty();
        match enforced.iter().find(|name| read && !request.has(name)) {
            None => Ok(()),
            Some(name) => {
                let text = format!("BadRequest please pass param={name} in request body. This is a required param");
                Err(Fault::client(Kind::BadRequest, text).param(name.clone()))
            }
        }
    }

    /// How its main account stands.
    pub fn statement(&self, ledger: &Memory, now: Now) -> Option<Statement> {
        ledger.statement(AccountId::Key(self.key.account), now)
    }
}

/// Takes what a request needs of the limits of everybody: in the order key, then parties. All or nothing.
///
/// # Errors
/// The first limit without room.
pub(super) fn admit(
    standing: Option<&Standing>,
    others: &[Arc<Party>],
    ask: &Ask<'_>,
    now: Now,
) -> Result<Permit, Denied> {
    let mut permit = Permit::for_tokens(ask.tokens);
    if let Some(standing) = standing {
        standing.key.limits.admit_into(&mut permit, ask, now)?;
        standing.parties.iter().try_for_each(|party| party.limits.admit_into(&mut permit, ask, now))?;
    }
    others.iter().try_for_each(|party| party.limits.admit_into(&mut permit, ask, now))?;
    Ok(permit)
}

/// Takes what a request that goes on to another model needs of the limits on that model; None where nobody has one.
///
/// # Errors
/// The first limit without room.
pub(super) fn admit_model(
    standing: Option<&Standing>,
    others: &[Arc<Party>],
    ask: &Ask<'_>,
    now: Now,
) -> Result<Permit, Denied> {
    let mut permit = Permit::for_tokens(ask.tokens);
    if let Some(standing) = standing {
        standing.key.limits.admit_model_into(&mut permit, ask, now)?;
        standing.parties.iter().try_for_each(|party| party.limits.admit_model_into(&mut permit, ask, now))?;
    }
    others.iter().try_for_each(|party| party.limits.admit_model_into(&mut permit, ask, now))?;
    Ok(permit)
}

/// How the limits of everybody stand.
pub(super) fn snapshots<'a>(
    standing: Option<&'a Standing>,
    others: &'a [Arc<Party>],
    (requested, group): (&'a str, &'a str),
    now: Now,
) -> impl Iterator<Item = Snapshot> + 'a {
    let key = standing.map(|standing| standing.key.limits.snapshot(requested, group, now));
    let parties = standing.into_iter().flat_map(|standing| &standing.parties).chain(others);
    key.into_iter().chain(parties.map(move |party| party.limits.snapshot(requested, group, now)))
}

/// Keys that are remembered: beyond it those of tokens are made anew for each request.
const STANDINGS_MAX: usize = 100_000;

/// Keys on record and parties that were asked for. Outlives configurations, so that levels of limits go on.
#[derive(Debug, Default)]
pub struct Live {
    standings: DashMap<KeyHash, Arc<Standing>>,
    pub(super) parties: Parties,
}

impl Live {
    /// Keys on record that were used.
    pub(super) fn standings(&self) -> impl Iterator<Item = Arc<Standing>> {
        self.standings.iter().map(|standing| Arc::clone(&standing))
    }

    /// The key on record with this hash, as it is now.
    pub(super) fn find(&self, world: &World, hash: &KeyHash, now: Now) -> Option<Arc<Standing>> {
        let state = state(world);
        if let Some(standing) = self.standings.get(hash).filter(|standing| standing.stands(state, now)) {
            return Some(Arc::clone(&standing));
        }
        let Some(record) = world.around.roster.key(hash, now) else {
            self.standings.remove(hash);
            return None;
        };
        Some(self.stand(world, record, now))
    }

    /// A key that is on no record, as a token of an identity provider makes it. Of too many none is kept.
    pub(super) fn unrecorded(&self, world: &World, record: roster::Key, now: Now) -> Arc<Standing> {
        let full = self.standings.len() >= STANDINGS_MAX && !self.standings.contains_key(&record.token);
        match full {
            true => Standing::of_record(world, Arc::new(record), state(world), None, now),
            false => self.stand(world, Arc::new(record), now),
        }
    }

    /// The standing of a record: the one that is there, while it stands.
    fn stand(&self, world: &World, record: Arc<roster::Key>, now: Now) -> Arc<Standing> {
        let (version, made) = state(world);
        // Looked up before the place of the new one is held: both may lie in one shard.
        let replaced =
            record.previous.as_ref().and_then(|(old, _)| self.standings.get(old).map(|old| Arc::clone(&old)));
        let stands = |standing: &Standing| standing.stands((version, made), now);
        match self.standings.entry(record.token) {
            Entry::Occupied(found) if stands(found.get()) => Arc::clone(found.get()),
            Entry::Occupied(mut found) => {
                let standing = Standing::of_record(world, record, (version, made), Some(found.get()), now);
                found.insert(Arc::clone(&standing));
                standing
            }
            Entry::Vacant(free) => {
                let standing = Standing::of_record(world, record, (version, made), replaced.as_deref(), now);
                free.insert(Arc::clone(&standing));
                standing
            }
        }
    }
}

/// The state of the roster, and of the world, that a standing is made of.
fn state(world: &World) -> (u64, Made) {
    let roster = &*world.around.roster;
    (roster.version(), (world.generation, roster.groups_version()))
}

impl Standing {
    /// Whether it is made of this state still.
    fn stands(&self, (version, made): (u64, Made), now: Now) -> bool {
        self.version.load(Ordering::Acquire) == version && self.made == made && now.wall_ms < self.stale_ms
    }

    fn of_record(
        world: &World,
        record: Arc<roster::Key>,
        (version, made): (u64, Made),
        previous: Option<&Self>,
        now: Now,
    ) -> Arc<Self> {
        let shared = record.budget_id.as_ref().and_then(|id| world.around.roster.budgets.find(id.as_str()));
        let mut bounds = match &shared {
            Some(budget) => record.bounds.or(&budget.bounds),
            None => record.bounds.clone(),
        };
        let stale_ms = increase(&record, &mut bounds, now);
        let groups = |name: &str| world.access_group(name);
        let configured = as_configured(&record, &bounds);
        let key = Arc::new(Key::of(&configured, &groups, previous.map(|standing| &*standing.key), now));
        let (parties, broken) = match parties(world, &record, now) {
            Ok(parties) => (parties, None),
            Err(broken) => (SmallVec::new(), Some(broken.into())),
        };
        let scope = Scope::Key { alias: record.key_alias.clone(), shown: Some(record.key_name.clone()) };
        let books = Books { ledger: &world.around.ledger, zone: &world.zone, now };
        let id = key.account.to_string();
        let whole = AccountId::Key(key.account);
        let mut accounts = Accounts::open(whole, (ScopeKind::Key, &id), &scope, &bounds, &books);
        accounts.always.push(AccountId::Global);
        let label = match previous {
            Some(previous)
                if previous.made.0 == made.0 && (previous.key.hash, &previous.key.alias) == (key.hash, &key.alias) =>
            {
                previous.label
            }
            _ => world.handles.late_key(record.key_alias.as_deref(), &record.token),
        };
        let behalf = behalf(world, &record, &key).shared();
        Arc::new(Self {
            key,
            parties,
            accounts,
            behalf,
            label,
            record: Some(record),
            broken,
            made,
            version: AtomicU64::new(version),
            stale_ms,
        })
    }
}

/// Adds a temporary increase to the budget, and says when that ends.
fn increase(record: &roster::Key, bounds: &mut Bounds, now: Now) -> i64 {
    let Some((increase, until)) = record.temp_budget_increase.zip(record.temp_budget_expiry) else { return i64::MAX };
    if until.0 <= now.wall_ms {
        return i64::MAX;
    }
    bounds.max_budget = bounds.max_budget.map(|budget: PicoUsd| budget.plus(increase));
    until.0
}

/// Whom a key spends for, and the words that it and its team count under.
fn behalf(world: &World, record: &roster::Key, key: &Key) -> Behalf {
    let team = record.team_id.as_deref().and_then(|team| world.around.roster.teams.find(team));
    let organization = record.organization_id.clone().or_else(|| team.as_ref()?.organization_id.clone());
    let mut behalf = Behalf {
        team: record.team_id.as_deref().map(Arc::from),
        user: record.user_id.as_deref().map(Arc::from),
        organization: organization.map(Arc::from),
        customer: None,
        tags: key.tags.iter().cloned().collect(),
    };
    team.iter().flat_map(|team| &team.tags).for_each(|tag| behalf.tag(tag));
    behalf
}

/// Whom a key belongs to, in the order in which a refusal names them.
fn parties(world: &World, record: &roster::Key, now: Now) -> Result<SmallVec<[Arc<Party>; 4]>, String> {
    let live = &world.around.live.parties;
    let mut all = SmallVec::new();
    // No record here is one of the configuration's alone: nothing can be too much.
    let find = |whose| live.find(world, whose, now).ok().flatten();
    let (team, user) = (record.team_id.as_deref(), record.user_id.as_deref());
    if let Some(team) = team {
        if let Some(user) = user {
            all.extend(find(Whose::TeamMember(team, user)));
        }
        let gone = || format!("Authentication Error, Team={team} of this key does not exist any more.");
        all.push(find(Whose::Team(team)).ok_or_else(gone)?);
    }
    if let Some(user) = user.filter(|_| team.is_none() || world.settings.user_budgets_on_team_keys) {
        all.extend(find(Whose::User(user)));
    }
    let of_team = || world.around.roster.teams.find(team?)?.organization_id.clone();
    if let Some(organization) = record.organization_id.clone().or_else(of_team) {
        let gone = || format!("Authentication Error, Organization={organization} of this key does not exist any more.");
        if let Some(user) = user {
            all.extend(find(Whose::OrganizationMember(&organization, user)));
        }
        all.push(find(Whose::Organization(&organization)).ok_or_else(gone)?);
    }
    Ok(all)
}

/// The record in the words of the configuration, which a key is made from.
fn as_configured(record: &roster::Key, bounds: &Bounds) -> VirtualKey {
    let quota = party::quota(bounds);
    let names = |(alias, model): (&String, &String)| ModelName::parse(alias).ok().zip(ModelName::parse(model).ok());
    VirtualKey {
        hash: record.token,
        account: record.account,
        shown: Some(record.key_name.clone()),
        alias: record.key_alias.clone(),
        models: record.models.clone(),
        aliases: record.aliases.iter().filter_map(names).collect(),
        rpm_limit: quota.requests,
        tpm_limit: quota.tokens,
        max_parallel_requests: quota.parallel,
        model_rpm_limit: quota.model_requests,
        model_tpm_limit: quota.model_tokens,
        budget: bounds.max_budget.map(|max| Budget { max, duration: bounds.budget_duration.clone() }),
        // The accounts of single models are opened of the bounds.
        model_budgets: Vec::new(),
        soft_budget: bounds.soft_budget,
        expires_ms: record.expires.map(|at| at.0),
        blocked: record.blocked,
        region: record.allowed_model_region.clone(),
        may_explain: record.may_explain(),
        // What cannot be read lets nobody in: an address that does not exist.
        allowed_ips: record.allowed_ips.iter().map(|text| network(text)).collect(),
        tags: record.tags.clone(),
        metadata: None,
        place: String::new(),
    }
}

fn network(text: &str) -> ipnet::IpNet {
    let nowhere = || ipnet::IpNet::from(IpAddr::from([0, 0, 0, 0]));
    text.parse().or_else(|_| text.parse::<IpAddr>().map(ipnet::IpNet::from)).unwrap_or_else(|_| nowhere())
}

impl World {
    /// Lets a caller in.
    ///
    /// # Errors
    /// No key, not a key, an unknown one, or one that is blocked, expired or bound to other addresses.
    pub fn authenticate(&self, presented: &Presented<'_>, address: Option<IpAddr>, now: Now) -> Result<Caller, Fault> {
        let recognized = match self.keys.recognize(presented) {
            Ok(recognized) => recognized,
            // Too long for a key.
            Err(fault) => return self.by_token(presented, address, now).unwrap_or(Err(fault)),
        };
        let standing = match recognized {
            Recognized::Master => return Ok(Caller::Master),
            Recognized::Key(key) => self.configured(&key.hash),
            Recognized::Stranger(hash, unknown) => match self.around.live.find(self, &hash, now) {
                Some(standing) => Some(standing),
                None => return self.by_token(presented, address, now).unwrap_or(Err(unknown)),
            },
        };
        let standing = standing.ok_or_else(|| Fault::ours(Kind::Internal, "a key without a place"))?;
        standing.check(address, now)?;
        Ok(Caller::Key(standing))
    }

    /// Lets a caller in by a token; None where it is none, or none are taken.
    fn by_token(&self, presented: &Presented<'_>, address: Option<IpAddr>, now: Now) -> Option<Result<Caller, Fault>> {
        match (&self.tokens, presented) {
            (Some(tokens), Presented::Key(text)) if identity::is_token(text) => {
                Some(self.bearer(tokens, text, address, now))
            }
            _ => None,
        }
    }

    /// Whether nobody set up keys: then everybody may do everything.
    pub fn is_open(&self) -> bool {
        self.keys.is_empty() && self.around.roster.keys.is_empty() && self.tokens.is_none()
    }

    /// A virtual key by its hash, of the configuration or on record, as it is now.
    pub fn standing(&self, hash: &KeyHash, now: Now) -> Option<Arc<Standing>> {
        self.configured(hash).or_else(|| self.around.live.find(self, hash, now))
    }

    /// A team, a user, a customer and so on by its id, as it is now.
    pub fn party(&self, whose: Whose<'_>, now: Now) -> Option<Arc<Party>> {
        self.around.live.parties.find(self, whose, now).ok().flatten()
    }
}
