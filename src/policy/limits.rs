//! How often: the limits of a key, of a key for one model, and of a deployment.

use std::sync::Arc;
use std::time::Duration;

use super::admission::{Denied, LimitType, Room, Subject};
use super::bucket::{Bucket, Wait};
use super::counted::{Counted, Whose};
use super::parallel::Parallel;
use super::permit::Permit;
use super::snapshot::{Level, Snapshot};
use crate::config::VirtualKey;
use crate::vocabulary::{Now, ScopeKind};

/// Nobody knows when a running request will end: what a caller is told to wait for a place among them.
const PARALLEL_WAIT: Duration = Duration::from_secs(1);

/// What one request asks of the limits it falls under.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The model as the client named it.
    pub requested: &'a str,
    /// The group it stands for: a limit on a model also binds those who call it by an alias.
    pub group: &'a str,
    /// An estimate of the tokens it will use, reserved until the real figure is known.
    pub tokens: u64,
}

/// What limits are made of. The default has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// `rpm_limit`.
    pub requests: Option<u64>,
    /// `tpm_limit`.
    pub tokens: Option<u64>,
    /// `max_parallel_requests`.
    pub parallel: Option<u64>,
    /// `model_rpm_limit`: model and requests.
    pub model_requests: Vec<(String, u64)>,
    /// `model_tpm_limit`: model and tokens.
    pub model_tokens: Vec<(String, u64)>,
}

/// The limits of one scope: a virtual key, a team, a user.
#[derive(Debug)]
pub struct ScopeLimits {
    subject: Subject,
    rates: Rates,
    parallel: Option<Parallel>,
    models: Vec<(Box<str>, Rates)>,
}

impl ScopeLimits {
    /// The limits of a key as configured.
    pub fn of_key(key: &VirtualKey, previous: Option<&Self>, now: Now) -> Self {
        let quota = Quota {
            requests: key.rpm_limit,
            tokens: key.tpm_limit,
            parallel: key.max_parallel_requests,
            model_requests: key.model_rpm_limit.clone(),
            model_tokens: key.model_tpm_limit.clone(),
        };
        Self::of(Subject::key(key.hash), &quota, previous, now)
    }

    /// The limits of a scope. Levels and open requests are carried over from `previous`, the same scope's limits before a
    /// change: unchanged limits share their bucket; a changed one starts where the old one stands, in proportion.
    pub fn of(subject: Subject, quota: &Quota, previous: Option<&Self>, now: Now) -> Self {
        let whose = Whose { subject: &subject, model: None };
        Self {
            rates: Rates::of(whose, (quota.requests, quota.tokens), previous.map(|limits| &limits.rates), now),
            parallel: parallel(whose, quota.parallel, previous.and_then(|limits| limits.parallel.as_ref())),
            models: models(whose, quota, previous, now),
            subject,
        }
    }

    /// Whether nothing is limited.
    pub fn is_open(&self) -> bool {
        self.rates.requests.is_none()
            && self.rates.tokens.is_none()
            && self.parallel.is_none()
            && self.models.is_empty()
    }

    /// `tpm_limit`.
    pub fn tokens_limit(&self) -> Option<u64> {
        self.rates.tokens.as_ref().map(|bucket| bucket.limit())
    }

    /// Takes what the request needs of every limit, in a fixed order: a place, then requests and tokens of the key, then
    /// those of the model. All or nothing.
    ///
    /// # Errors
    /// The first limit without room; whatever was taken before it is given back.
    pub fn admit(&self, ask: &Ask<'_>, now: Now) -> Result<Permit, Denied> {
        let mut permit = Permit::for_tokens(ask.tokens);
        self.admit_into(&mut permit, ask, now)?;
        Ok(permit)
    }

    /// Takes what the request needs of every limit into a permit that holds what other scopes gave. The permit must be for as
    /// many tokens as the request asks for.
    ///
    /// # Errors
    /// The first limit without room. What was taken before it is in the permit, and given back when that is dropped.
    pub fn admit_into(&self, permit: &mut Permit, ask: &Ask<'_>, now: Now) -> Result<(), Denied> {
        let denied = |(what, room)| Denied::new(&self.subject, what, room, now);
        take_place(self.parallel.as_ref(), permit).map_err(denied)?;
        self.rates.take(permit, now).map_err(denied)?;
        for (model, rates) in self.models_of(ask.requested, ask.group) {
            rates.take(permit, now).map_err(|short| denied(short).for_model(model))?;
        }
        Ok(())
    }

    /// Takes what the request needs of the limits on one model alone: for a model that it goes on to.
    ///
    /// # Errors
    /// The first limit without room.
    pub fn admit_model_into(&self, permit: &mut Permit, ask: &Ask<'_>, now: Now) -> Result<(), Denied> {
        for (model, rates) in self.models_of(ask.requested, ask.group) {
            let denied = |(what, room)| Denied::new(&self.subject, what, room, now).for_model(model);
            rates.take(permit, now).map_err(denied)?;
        }
        Ok(())
    }

    /// How the limits stand, for the headers of an answer.
    pub fn snapshot(&self, requested: &str, group: &str, now: Now) -> Snapshot {
        let mut snapshot = Snapshot { kind: self.subject.kind, whole: self.rates.levels(now), model: [None; 2] };
        for (_, rates) in self.models_of(requested, group) {
            let [requests, tokens] = rates.levels(now);
            let [had_requests, had_tokens] = snapshot.model;
            snapshot.model = [Level::tighter(had_requests, requests), Level::tighter(had_tokens, tokens)];
        }
        snapshot
    }

    /// How the limits on single models stand: model, requests and tokens.
    pub fn model_levels(&self, now: Now) -> impl Iterator<Item = (&str, [Option<Level>; 2])> {
        self.models.iter().map(move |(model, rates)| (model.as_ref(), rates.levels(now)))
    }

    /// Open requests and how many there may be, where they are limited.
    pub fn open(&self) -> Option<(u64, u64)> {
        self.parallel.as_ref().map(|parallel| (parallel.in_use(), parallel.limit()))
    }

    fn models_of<'a>(&'a self, requested: &'a str, group: &'a str) -> impl Iterator<Item = (&'a str, &'a Rates)> {
        let named = self.models.iter().map(|(model, rates)| (model.as_ref(), rates));
        named.filter(move |(model, _)| *model == requested || *model == group)
    }
}

/// The limits of one deployment (`rpm`, `tpm`, `max_parallel_requests`). The default has none.
#[derive(Debug, Default)]
pub struct DeploymentLimits {
    rates: Rates,
    parallel: Option<Parallel>,
}

impl DeploymentLimits {
    /// The limits of the deployment with this id as configured, carried over a reload as [`ScopeLimits::of`] does: `rates`
    /// are its `rpm` and its `tpm`.
    pub fn of(
        id: &str,
        rates: (Option<u64>, Option<u64>),
        max_parallel_requests: Option<u64>,
        previous: Option<&Self>,
        now: Now,
    ) -> Self {
        let subject = Subject { kind: ScopeKind::Deployment, id: id.into() };
        let whose = Whose { subject: &subject, model: None };
        Self {
            rates: Rates::of(whose, rates, previous.map(|limits| &limits.rates), now),
            parallel: parallel(whose, max_parallel_requests, previous.and_then(|limits| limits.parallel.as_ref())),
        }
    }

    /// Takes what one attempt needs, all or nothing.
    ///
    /// # Errors
    /// No room, and when there may be.
    pub fn try_take(&self, tokens: u64, now: Now) -> Result<Permit, Wait> {
        let mut permit = Permit::for_tokens(tokens);
        let wait = |(_, room): Short| Wait { after: room.after };
        take_place(self.parallel.as_ref(), &mut permit).map_err(wait)?;
        self.rates.take(&mut permit, now).map_err(wait)?;
        Ok(permit)
    }

    /// Whether [`DeploymentLimits::try_take`] would succeed now; takes nothing.
    pub fn has_room(&self, tokens: u64, now: Now) -> bool {
        self.parallel.as_ref().is_none_or(Parallel::has_room) && self.rates.have_room(tokens, now)
    }
}

#[derive(Debug, Default)]
struct Rates {
    requests: Option<Arc<Bucket>>,
    tokens: Option<Arc<Bucket>>,
}

type Short = (LimitType, Room);

impl Rates {
    fn of(whose: Whose<'_>, (requests, tokens): (Option<u64>, Option<u64>), previous: Option<&Self>, now: Now) -> Self {
        let bucket = |limit, what, previous| bucket(limit, previous, || whose.counted(what), now);
        Self {
            requests: bucket(requests, LimitType::Requests, previous.and_then(|rates| rates.requests.as_ref())),
            tokens: bucket(tokens, LimitType::Tokens, previous.and_then(|rates| rates.tokens.as_ref())),
        }
    }

    fn take(&self, permit: &mut Permit, now: Now) -> Result<(), Short> {
        if let Some(bucket) = &self.requests {
            take(bucket, 1, now).map_err(|room| (LimitType::Requests, room))?;
            permit.hold_request(bucket);
        }
        if let Some(bucket) = &self.tokens {
            take(bucket, permit.estimate(), now).map_err(|room| (LimitType::Tokens, room))?;
            permit.hold_tokens(bucket);
        }
        Ok(())
    }

    fn have_room(&self, tokens: u64, now: Now) -> bool {
        let has = |bucket: &Option<Arc<Bucket>>, n| bucket.as_ref().is_none_or(|bucket| bucket.has(n, now));
        has(&self.requests, 1) && has(&self.tokens, tokens)
    }

    fn levels(&self, now: Now) -> [Option<Level>; 2] {
        [&self.requests, &self.tokens].map(|bucket| bucket.as_ref().map(|bucket| Level::of(bucket, now)))
    }
}

fn take(bucket: &Bucket, n: u64, now: Now) -> Result<(), Room> {
    bucket.try_take(n, now).map_err(|wait| Room { limit: bucket.limit(), left: bucket.left(now), after: wait.after })
}

fn take_place(parallel: Option<&Parallel>, permit: &mut Permit) -> Result<(), Short> {
    let Some(parallel) = parallel else { return Ok(()) };
    let room = Room { limit: parallel.limit(), left: 0, after: PARALLEL_WAIT };
    permit.hold_slot(parallel.try_take().ok_or((LimitType::Parallel, room))?);
    Ok(())
}

fn bucket(
    limit: Option<u64>,
    previous: Option<&Arc<Bucket>>,
    counted: impl FnOnce() -> Arc<Counted>,
    now: Now,
) -> Option<Arc<Bucket>> {
    let limit = limit?;
    Some(match previous {
        None => Arc::new(Bucket::per_minute(limit).named(&counted())),
        Some(same) if same.limit() == limit => Arc::clone(same),
        Some(other) => Arc::new(other.resized(limit, now)),
    })
}

fn parallel(whose: Whose<'_>, limit: Option<u64>, previous: Option<&Parallel>) -> Option<Parallel> {
    let limit = limit?;
    let anew = || Parallel::named(limit, &whose.counted(LimitType::Parallel));
    Some(previous.map_or_else(anew, |previous| previous.resized(limit)))
}

fn models(whose: Whose<'_>, quota: &Quota, previous: Option<&ScopeLimits>, now: Now) -> Vec<(Box<str>, Rates)> {
    let mut names: Vec<&str> =
        quota.model_requests.iter().chain(&quota.model_tokens).map(|(m, _)| m.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let before = |name: &str| previous?.models.iter().find(|(model, _)| **model == *name).map(|(_, rates)| rates);
    let rates = |name: &str| {
        let limits = (limit_of(&quota.model_requests, name), limit_of(&quota.model_tokens, name));
        Rates::of(Whose { model: Some(name), ..whose }, limits, before(name), now)
    };
    names.into_iter().map(|name| (name.into(), rates(name))).collect()
}

fn limit_of(limits: &[(String, u64)], name: &str) -> Option<u64> {
    limits.iter().find(|(model, _)| model == name).map(|(_, limit)| *limit)
}
