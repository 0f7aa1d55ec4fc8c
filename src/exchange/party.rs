//! On whose behalf a request is made, beside its key: a team, a user, an organization, a customer, a tag. Made of a record
//! of the roster when it is first needed, and anew when the record or the configuration changed.

use std::collections::HashMap;
use std::sync::Arc;

use dashmap::{DashMap, Entry};
use jiff::tz::TimeZone;
use smallvec::SmallVec;

use super::World;
use crate::ledger::{AccountId, Ledger, Memory, Part, Scope, Statement, Terms, Window};
use crate::policy::{Access, Quota, ScopeLimits, Subject};
use crate::roster::{
    Bounds, Budget, Customer, Organization, OrganizationMember, Roster, TagRecord, Team, TeamMember, User,
};
use crate::vocabulary::{Fault, Kind, ModelName, Now, PicoUsd, ScopeKind};

/// A scope at work: what may be named, how often, and the accounts that are spent from.
#[derive(Debug)]
pub struct Party {
    /// What kind of scope.
    pub kind: ScopeKind,
    /// Its id; of a member, the group's and the user's with a colon between.
    pub id: Arc<str>,
    /// The models it may name.
    pub access: Access,
    /// How often.
    pub limits: ScopeLimits,
    /// The accounts.
    pub accounts: Accounts,
    /// `allowed_model_region`: deployments elsewhere are not asked.
    pub region: Option<Box<str>>,
    blocked: bool,
    aliases: HashMap<ModelName, ModelName>,
    sources: Sources,
    made: Made,
}

/// Which state of the world something was made of: the configuration's generation, and the roster's access groups.
pub(super) type Made = (u64, u64);

/// The accounts of one scope.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    /// All it spends, in its main window and in the others it has a budget for.
    pub always: SmallVec<[AccountId; 2]>,
    /// What it spends on single models.
    pub models: Vec<(Box<str>, AccountId)>,
    /// `soft_budget`: beyond it somebody is told.
    pub soft: Option<PicoUsd>,
}

impl Accounts {
    /// Opens what these bounds ask for: one account for all that is spent, also where nothing bounds it.
    pub(super) fn open(
        whole: AccountId,
        (kind, id): (ScopeKind, &str),
        scope: &Scope,
        bounds: &Bounds,
        to: &Books<'_>,
    ) -> Self {
        let open = |account, part, limit, duration: Option<&str>| {
            // What is not a duration was refused when it was written: here it would not end.
            let window = Window::parse(duration, to.zone).unwrap_or_else(|_| Window::forever());
            to.ledger.account(account, Terms { scope: scope.clone(), part, limit, window }, to.now);
            account
        };
        let mut accounts = Self { soft: bounds.soft_budget, ..Self::default() };
        accounts.always.push(open(whole, Part::Whole, bounds.max_budget, bounds.budget_duration.as_deref()));
        for limit in &bounds.budget_limits {
            let part = Part::Window(limit.budget_duration.clone());
            let account = AccountId::of(kind, id, &part);
            accounts.always.push(open(account, part, Some(limit.max_budget), Some(&limit.budget_duration)));
        }
        for (model, budget) in &bounds.model_max_budget {
            let part = Part::Model(model.clone());
            let account = AccountId::of(kind, id, &part);
            let account = open(account, part, Some(budget.max_budget), budget.budget_duration.as_deref());
            accounts.models.push((model.as_str().into(), account));
        }
        accounts
    }

    /// The accounts that a request for this model spends from.
    pub(super) fn of_model<'a>(&'a self, names: [&'a str; 2]) -> impl Iterator<Item = AccountId> + 'a {
        let models = self.models.iter().filter(move |(model, _)| names.contains(&&**model)).map(|(_, id)| *id);
        self.always.iter().copied().chain(models)
    }

    /// The account of all that is spent.
    pub fn whole(&self) -> Option<AccountId> {
        self.always.first().copied()
    }
}

/// Where accounts are opened.
pub(super) struct Books<'a> {
    pub(super) ledger: &'a Memory,
    pub(super) zone: &'a TimeZone,
    pub(super) now: Now,
}

/// The records that a party is made of.
#[derive(Clone, Debug)]
enum Sources {
    Team(Arc<Team>),
    TeamMember(Arc<Team>, Option<Arc<TeamMember>>, Option<Arc<Budget>>),
    User(Arc<User>, Option<Arc<Budget>>),
    Organization(Arc<Organization>, Option<Arc<Budget>>),
    OrganizationMember(Arc<OrganizationMember>, Option<Arc<Budget>>),
    Customer(Arc<Customer>, Option<Arc<Budget>>),
    Tag(Arc<TagRecord>, Option<Arc<Budget>>),
    /// Of the configuration alone.
    Settings(Box<Bounds>),
}

/// Which party.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// A team.
    Team(&'a str),
    /// A user in a team.
    TeamMember(&'a str, &'a str),
    /// A user.
    User(&'a str),
    /// An organization.
    Organization(&'a str),
    /// A user in an organization.
    OrganizationMember(&'a str, &'a str),
    /// A customer.
    Customer(&'a str),
    /// A tag.
    Tag(&'a str),
}

impl Whose<'_> {
    fn kind(&self) -> ScopeKind {
        match self {
            Self::Team(_) => ScopeKind::Team,
            Self::TeamMember(..) => ScopeKind::TeamMember,
            Self::User(_) => ScopeKind::User,
            Self::Organization(_) => ScopeKind::Organization,
            Self::OrganizationMember(..) => ScopeKind::OrganizationMember,
            Self::Customer(_) => ScopeKind::Customer,
            Self::Tag(_) => ScopeKind::Tag,
        }
    }

    fn id(&self) -> Arc<str> {
        match self {
            Self::TeamMember(of, user) | Self::OrganizationMember(of, user) => format!("{of}:{user}").into(),
            Self::Team(id) | Self::User(id) | Self::Organization(id) | Self::Customer(id) | Self::Tag(id) => {
                Arc::from(*id)
            }
        }
    }
}

fn same<T>(a: &Arc<T>, b: &Arc<T>) -> bool {
    Arc::ptr_eq(a, b)
}

fn both<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => same(a, b),
        (None, None) => true,
        _ => false,
    }
}

/// What a party is compiled from.
#[derive(Default)]
struct Draft<'a> {
    bounds: Bounds,
    models: &'a [String],
    blocked: bool,
    region: Option<&'a str>,
    aliases: Option<&'a std::collections::BTreeMap<String, String>>,
}

impl Sources {
    fn find(world: &World, whose: Whose<'_>) -> Option<Self> {
        let roster = &*world.around.roster;
        let budget = |id: Option<&String>| id.and_then(|id| roster.budgets.find(id.as_str()));
        Some(match whose {
            Whose::Team(id) => Self::Team(roster.teams.find(id)?),
            Whose::TeamMember(team, user) => {
                let (team, member) = (roster.teams.find(team)?, roster.team_member(team, user));
                if member.is_none() && team.team_member_bounds.is_open() {
                    return None;
                }
                let budget = budget(member.as_ref().and_then(|member| member.budget_id.as_ref()));
                Self::TeamMember(team, member, budget)
            }
            Whose::User(id) => {
                let user = roster.users.find(id)?;
                let budget = budget(user.budget_id.as_ref());
                Self::User(user, budget)
            }
            Whose::Organization(id) => {
                let organization = roster.organizations.find(id)?;
                let budget = budget(organization.budget_id.as_ref());
                Self::Organization(organization, budget)
            }
            Whose::OrganizationMember(organization, user) => {
                let member = roster.organization_member(organization, user)?;
                let budget = budget(member.budget_id.as_ref());
                Self::OrganizationMember(member, budget)
            }
            Whose::Customer(id) => match roster.customers.find(id) {
                Some(customer) => {
                    let budget = budget(customer.budget_id.as_ref());
                    Self::Customer(customer, budget)
                }
                None => Self::Settings(Box::new(world.customer_bounds()?)),
            },
            Whose::Tag(name) => match roster.tags.find(name) {
                Some(tag) => {
                    let budget = budget(tag.budget_id.as_ref());
                    Self::Tag(tag, budget)
                }
                None => Self::Settings(Box::new(world.tag_bounds(name)?)),
            },
        })
    }

    /// Whether these are the same records.
    fn are(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Team(a), Self::Team(b)) => same(a, b),
            (Self::TeamMember(a, a2, a3), Self::TeamMember(b, b2, b3)) => {
                same(a, b) && both(a2.as_ref(), b2.as_ref()) && both(a3.as_ref(), b3.as_ref())
            }
            (Self::User(a, a2), Self::User(b, b2)) => same(a, b) && both(a2.as_ref(), b2.as_ref()),
            (Self::Organization(a, a2), Self::Organization(b, b2)) => same(a, b) && both(a2.as_ref(), b2.as_ref()),
            (Self::OrganizationMember(a, a2), Self::OrganizationMember(b, b2)) => {
                same(a, b) && both(a2.as_ref(), b2.as_ref())
            }
            (Self::Customer(a, a2), Self::Customer(b, b2)) => same(a, b) && both(a2.as_ref(), b2.as_ref()),
            (Self::Tag(a, a2), Self::Tag(b, b2)) => same(a, b) && both(a2.as_ref(), b2.as_ref()),
            (Self::Settings(a), Self::Settings(b)) => a == b,
            _ => false,
        }
    }

    fn draft(&self, world: &World) -> Draft<'_> {
        let shared = |bounds: &Bounds, budget: &Option<Arc<Budget>>| match budget {
            Some(budget) => bounds.or(&budget.bounds),
            None => bounds.clone(),
        };
        match self {
            Self::Team(team) => Draft {
                bounds: team.bounds.clone(),
                models: &team.models,
                blocked: team.blocked,
                aliases: Some(&team.model_aliases),
                region: None,
            },
            Self::TeamMember(team, member, budget) => {
                let none = Bounds::default();
                let own = shared(member.as_ref().map_or(&none, |member| &member.bounds), budget);
                let models = member.as_ref().map_or(&[] as &[String], |member| &member.allowed_models);
                Draft { bounds: own.or(&team.team_member_bounds), models, ..Draft::default() }
            }
            Self::User(user, budget) => Draft {
                bounds: shared(&user.bounds, budget),
                models: &user.models,
                blocked: user.blocked,
                ..Draft::default()
            },
            Self::Organization(organization, budget) => Draft {
                bounds: shared(&organization.bounds, budget),
                models: &organization.models,
                blocked: organization.blocked,
                ..Draft::default()
            },
            Self::OrganizationMember(member, budget) => {
                Draft { bounds: shared(&member.bounds, budget), ..Draft::default() }
            }
            Self::Customer(customer, budget) => {
                let own = shared(&customer.bounds, budget);
                let bounds = world.customer_bounds().map_or_else(|| own.clone(), |usual| own.or(&usual));
                let region = customer.allowed_model_region.as_deref();
                Draft { bounds, models: &customer.models, blocked: customer.blocked, region, aliases: None }
            }
            Self::Tag(tag, budget) => Draft { bounds: shared(&tag.bounds, budget), ..Draft::default() },
            Self::Settings(bounds) => Draft { bounds: (**bounds).clone(), ..Draft::default() },
        }
    }
}

impl Party {
    fn make(world: &World, whose: Whose<'_>, sources: Sources, made: Made, previous: Option<&Self>, now: Now) -> Self {
        let (kind, id) = (whose.kind(), whose.id());
        let draft = sources.draft(world);
        let groups = |name: &str| world.access_group(name);
        let (scope, whole) = (Scope::Of(kind, id.clone()), AccountId::of(kind, &id, &Part::Whole));
        let books = Books { ledger: &world.around.ledger, zone: &world.zone, now };
        let names = |(alias, model): (&String, &String)| ModelName::parse(alias).ok().zip(ModelName::parse(model).ok());
        Self {
            kind,
            access: Access::compile(draft.models, &groups),
            limits: ScopeLimits::of(
                Subject { kind, id: id.clone() },
                &quota(&draft.bounds),
                previous.map(|party| &party.limits),
                now,
            ),
            accounts: Accounts::open(whole, (kind, &id), &scope, &draft.bounds, &books),
            blocked: draft.blocked,
            region: draft.region.map(Box::from),
            aliases: draft.aliases.into_iter().flatten().filter_map(names).collect(),
            id,
            made,
            sources,
        }
    }

    /// Whether its requests are let in at all.
    ///
    /// # Errors
    /// It is blocked.
    pub fn check(&self) -> Result<(), Fault> {
        if !self.blocked {
            return Ok(());
        }
        let Self { kind, id, .. } = self;
        let text = match kind {
            ScopeKind::Team | ScopeKind::Organization => format!(
                "Authentication Error, {}={id} is blocked. Update via `/{kind}/unblock` if you're an admin.",
                kind.title()
            ),
            _ => format!("Authentication Error, {}={id} is blocked. Ask an admin to unblock it.", kind.title()),
        };
        Err(Fault::client(Kind::BlockedKey, text).param("None"))
    }

    /// What it means by a model name, where it has a name of its own for it.
    pub fn alias_for(&self, requested: &ModelName) -> Option<&ModelName> {
        self.aliases.get(requested)
    }

    /// Its own names for models.
    pub fn aliases(&self) -> impl Iterator<Item = (&ModelName, &ModelName)> {
        self.aliases.iter()
    }

    /// The refusal of a model that is not on its list.
    pub(super) fn not_allowed(&self, requested: &str) -> Fault {
        let text = format!(
            "The requested model '{requested}' is not available for this {}, or the model name is invalid. Check the \
             models available to you and try again.",
            self.kind
        );
        Fault::client(Kind::ScopeModelNotAllowed(self.kind), text).param("model")
    }

    /// How its main account stands.
    pub fn statement(&self, ledger: &Memory, now: Now) -> Option<Statement> {
        ledger.statement(self.accounts.whole()?, now)
    }
}

/// The limits among bounds.
pub(super) fn quota(bounds: &Bounds) -> Quota {
    let pairs = |limits: &std::collections::BTreeMap<String, u64>| {
        limits.iter().map(|(model, limit)| (model.clone(), *limit)).collect()
    };
    Quota {
        requests: bounds.rpm_limit,
        tokens: bounds.tpm_limit,
        parallel: bounds.max_parallel_requests,
        model_requests: pairs(&bounds.model_rpm_limit),
        model_tokens: pairs(&bounds.model_tpm_limit),
    }
}

/// All parties that were asked for, by kind and id. Outlives configurations, so that levels of limits go on.
#[derive(Debug, Default)]
pub(super) struct Parties([DashMap<Arc<str>, Arc<Party>>; ScopeKind::ALL.len()]);

/// Parties that the configuration alone makes of clients' words: no more of them are counted one by one.
const STRANGERS_MAX: usize = 100_000;

impl Parties {
    /// The party as it is now; None where there is no such record.
    ///
    /// # Errors
    /// There are too many customers that nobody put on record.
    pub(super) fn find(&self, world: &World, whose: Whose<'_>, now: Now) -> Result<Option<Arc<Party>>, Fault> {
        let Some(sources) = Sources::find(world, whose) else { return Ok(None) };
        let made = (world.generation, world.around.roster.groups_version());
        let Some(of_kind) = self.0.get(usize::from(whose.kind().code())) else { return Ok(None) };
        let id = whose.id();
        let stands = |party: &Party| party.made == made && party.sources.are(&sources);
        if let Some(party) = of_kind.get(&*id).filter(|party| stands(party)) {
            return Ok(Some(Arc::clone(&party)));
        }
        if matches!(sources, Sources::Settings(_)) && of_kind.len() >= STRANGERS_MAX && !of_kind.contains_key(&*id) {
            let text = "too many customers without a record: add those that shall be served with /customer/new";
            return Err(Fault::ours(Kind::Overloaded, text));
        }
        // Made under the lock of its place: two threads that come at once get one party, with one set of limits.
        Ok(Some(match of_kind.entry(id) {
            Entry::Occupied(found) if stands(found.get()) => Arc::clone(found.get()),
            Entry::Occupied(mut found) => {
                let party = Arc::new(Party::make(world, whose, sources, made, Some(found.get()), now));
                found.insert(Arc::clone(&party));
                party
            }
            Entry::Vacant(free) => {
                let party = Arc::new(Party::make(world, whose, sources, made, None, now));
                free.insert(Arc::clone(&party));
                party
            }
        }))
    }
}

/// The models of an access group on record.
pub(super) fn recorded_group(roster: &Roster, name: &str) -> Option<Vec<String>> {
    roster.access_groups.find(name).map(|group| group.model_names.clone())
}
