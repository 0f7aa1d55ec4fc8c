//! What may be asked about receipts on file: single ones, and sums of them by day.

use super::receipt::Receipt;
use crate::vocabulary::{KeyHash, PicoUsd, ScopeKind};

/// Which receipts. What is not said does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The exchange's id.
    pub exchange: Option<String>,
    /// The conversation.
    pub session: Option<String>,
    /// The key.
    pub key: Option<KeyHash>,
    /// The key's alias at that time.
    pub key_alias: Option<String>,
    /// For all of these: a team, a user, an organization, a customer, a tag.
    pub of: Vec<(ScopeKind, String)>,
    /// The model as the client named it, its group, or as the provider calls it.
    pub model: Option<String>,
    /// The deployment's id.
    pub deployment: Option<String>,
    /// The provider's name.
    pub provider: Option<String>,
    /// Whether it failed.
    pub failed: Option<bool>,
    /// Not before, Unix milliseconds.
    pub from_ms: Option<i64>,
    /// Before, Unix milliseconds.
    pub until_ms: Option<i64>,
    /// It cost at least this.
    pub cost_min: Option<PicoUsd>,
    /// It cost at most this.
    pub cost_max: Option<PicoUsd>,
}

/// In which order receipts are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By their start.
    #[default]
    Start,
    /// By their end.
    End,
    /// By what they cost.
    Cost,
    /// By tokens, in and out.
    Tokens,
    /// By how long they took.
    Duration,
    /// By the model's name.
    Model,
}

/// A part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// What it is ordered by.
    pub order: Order,
    /// The smallest first; else the largest.
    pub ascending: bool,
    /// So many are passed over.
    pub offset: u64,
    /// So many at most.
    pub limit: u64,
}

impl Slice {
    /// The newest.
    pub fn newest(limit: u64) -> Self {
        Self { order: Order::Start, ascending: false, offset: 0, limit }
    }
}

/// What sums are made by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// Days, UTC.
    Day,
    /// Teams, users and so on, of the kind that the survey is of.
    Id,
    /// Virtual keys.
    Key,
    /// Models as clients named them.
    Model,
    /// Groups that these names were resolved to.
    Group,
    /// Models as providers call them.
    Upstream,
    /// Providers.
    Provider,
    /// Deployments.
    Deployment,
}

/// Which sums. They are kept by day and outlive the receipts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Of what was for somebody of this kind; None: of everything.
    pub of: Option<ScopeKind>,
    /// Of these alone; empty: of all.
    pub ids: Vec<String>,
    /// Not of these.
    pub without: Vec<String>,
    /// Of these keys alone; empty: of all.
    pub keys: Vec<KeyHash>,
    /// Of this model alone: as clients named it, its group, or as the provider calls it.
    pub model: Option<String>,
    /// The first day, counted from 1970, UTC.
    pub from_day: i64,
    /// The last day.
    pub to_day: i64,
    /// One sum for each combination of these.
    pub by: Vec<By>,
    /// So many are passed over.
    pub offset: u64,
    /// So many at most.
    pub limit: u64,
}

impl Survey {
    /// Of everything, in these days.
    pub fn new(from_day: i64, to_day: i64, by: impl Into<Vec<By>>) -> Self {
        let (ids, without, keys) = (Vec::new(), Vec::new(), Vec::new());
        Self { of: None, ids, without, keys, model: None, from_day, to_day, by: by.into(), offset: 0, limit: SUMS_MAX }
    }

    /// Of what was for somebody of this kind: each.
    pub fn of_each(kind: ScopeKind, from_day: i64, to_day: i64) -> Self {
        Self { of: Some(kind), ..Self::new(from_day, to_day, [By::Id]) }
    }
}

/// No more sums are made at once.
pub const SUMS_MAX: u64 = 100_000;

/// One sum: names of what it is by, empty where it is not by that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// The day, counted from 1970, UTC.
    pub day: i64,
    /// The team, user and so on.
    pub id: String,
    /// The key; None: the master key.
    pub key: Option<KeyHash>,
    /// Its alias.
    pub key_alias: String,
    /// The model as clients named it.
    pub model: String,
    /// Its group.
    pub group: String,
    /// The model as the provider calls it.
    pub upstream: String,
    /// The provider.
    pub provider: String,
    /// The deployment.
    pub deployment: String,
    /// What they come to.
    pub counts: Counts,
}

/// What exchanges come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Exchanges that a provider was asked for.
    pub requests: i64,
    /// Those among them that failed.
    pub failed: i64,
    /// Input tokens.
    pub prompt: i64,
    /// Output tokens.
    pub completion: i64,
    /// Part of the input tokens, read from a cache.
    pub cache_read: i64,
    /// Part of the input tokens, written to a cache.
    pub cache_write: i64,
    /// Part of the output tokens.
    pub reasoning: i64,
    /// What they cost.
    pub cost: PicoUsd,
}

impl Counts {
    /// Of one exchange.
    pub fn of(receipt: &Receipt) -> Self {
        let usage = receipt.usage.usage().copied().unwrap_or_default();
        Self {
            requests: 1,
            failed: i64::from(receipt.outcome == super::Outcome::Failed),
            prompt: count(usage.prompt),
            completion: count(usage.completion),
            cache_read: count(usage.cache_read),
            cache_write: count(usage.cache_write.saturating_add(usage.cache_write_1h)),
            reasoning: count(usage.reasoning),
            cost: receipt.cost,
        }
    }

    /// Adds others so many times; -1 takes them away.
    pub fn add(&mut self, other: &Self, times: i64) {
        let add = |sum: &mut i64, more: i64| *sum = sum.saturating_add(more.saturating_mul(times));
        add(&mut self.requests, other.requests);
        add(&mut self.failed, other.failed);
        add(&mut self.prompt, other.prompt);
        add(&mut self.completion, other.completion);
        add(&mut self.cache_read, other.cache_read);
        add(&mut self.cache_write, other.cache_write);
        add(&mut self.reasoning, other.reasoning);
        self.cost = PicoUsd(self.cost.0.saturating_add(other.cost.0.saturating_mul(i128::from(times))));
    }

    /// Tokens, in and out.
    pub fn tokens(&self) -> i64 {
        self.prompt.saturating_add(self.completion)
    }
}

/// A count as files hold it.
pub(crate) fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
