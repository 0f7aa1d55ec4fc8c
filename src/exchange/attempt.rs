//! One try at one deployment: the choice, the request written for it, and whether to try again.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::World;
use super::plan::Planned;
use super::reply::Reply;
use super::way::Way;
use crate::json::Segments;
use crate::policy::Permit;
use crate::routing::{self, Tried};
use crate::telemetry::{AttemptFailed, Event, Target};
use crate::vocabulary::{Fault, Kind, Now};

/// The first wait before the same deployment is asked again; doubled each time.
const BACKOFF: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(8);
/// An upstream that asks for a longer wait is not waited for: the client is told instead.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);

/// A request as an upstream shall get it. Headers are those of the deployment's target.
pub struct Outbound {
    /// Which deployment, by its place in [`World::deployments`].
    pub deployment: usize,
    /// The method.
    pub method: http::Method,
    /// Path and query.
    pub path: http::Uri,
    /// The body: the client's own edited by splice, or translated.
    pub body: Segments,
    /// Headers of this request alone, beside those of the deployment.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How long the first byte of the answer may take.
    pub first_byte: Duration,
    /// How long the answer may stand still once it flows.
    pub idle: Duration,
    /// How long the attempt may take as a whole.
    pub total: Duration,
}

/// Whether and when to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Not at all: answer the client.
    No,
    /// After this long (zero: at once).
    After(Duration),
}

/// The attempt that is under way.
pub(super) struct Current {
    pub(super) deployment: usize,
    pub(super) permit: Option<Permit>,
    pub(super) began: Now,
    pub(super) first_byte: Option<Now>,
    pub(super) ended: Option<Now>,
    pub(super) status: Option<u16>,
    pub(super) failed: bool,
    pub(super) way: Way,
    pub(super) schema_tool: bool,
    pub(super) dropped: Vec<String>,
}

impl Planned {
    /// Chooses the next deployment and writes the request for it. `random` decides among equals.
    ///
    /// # Errors
    /// No deployment of the group has room within its limits.
    pub fn attempt(&mut self, now: Now, random: u64) -> Result<Outbound, Fault> {
        let world = self.common.world.clone();
        let (position, mut permit) = self.choose(&world, now, random)?;
        let index = self.group.members[position].deployment;
        let deployment = &world.deployments[index];
        self.tried.note(position);
        self.attempts += 1;
        self.common.target = Target::Deployment(u32::try_from(index).unwrap_or(u32::MAX));
        let model = deployment.upstream_model(self.captured.as_deref());
        let spoken = match self.speak(deployment, &model, world.price(index, &model).as_ref()) {
            Ok(spoken) => spoken,
            Err(fault) => {
                // Nothing was sent: the permit gives back what it took.
                self.attempts -= 1;
                return Err(fault);
            }
        };
        permit.sent();
        self.permit.sent();
        if let Some(hold) = &mut self.hold {
            hold.dispatched();
        }
        self.first_dispatch.get_or_insert(now);
        self.reply = Reply::Waiting;
        let outbound = self.outbound(&world, index, now, spoken.path, spoken.body, spoken.headers);
        self.current = Some(Current {
            deployment: index,
            permit: Some(permit),
            began: now,
            first_byte: None,
            ended: None,
            status: None,
            failed: false,
            way: spoken.way,
            schema_tool: spoken.schema_tool,
            dropped: spoken.dropped,
        });
        Ok(outbound)
    }

    fn choose(&mut self, world: &World, now: Now, random: u64) -> Result<(usize, Permit), Fault> {
        if self.tried.covers(self.group.members.len()) {
            self.tried = Tried::default();
        }
        let mut full = Tried::default();
        let mut wait: Option<Duration> = None;
        loop {
            let open = |position: usize| !full.has(position);
            let picked = routing::choose(&self.group.members, self.tried, open, random);
            let Some(position) = picked else { return Err(self.no_room(wait)) };
            match world.deployments[self.group.members[position].deployment].limits.try_take(self.tokens, now) {
                Ok(permit) => return Ok((position, permit)),
                Err(short) => {
                    wait = Some(wait.map_or(short.after, |wait| wait.min(short.after)));
                    full.note(position);
                }
            }
        }
    }

    fn no_room(&self, wait: Option<Duration>) -> Fault {
        let text = format!(
            "No deployments available for selected model: every deployment of {} is at its rpm, tpm or max_parallel_requests limit.",
            self.request.model
        );
        Fault::client(Kind::RateLimited, text).retry_after(wait.unwrap_or(Duration::from_secs(1)))
    }

    fn outbound(
        &self,
        world: &World,
        index: usize,
        now: Now,
        path: http::Uri,
        body: Segments,
        headers: Vec<(HeaderName, HeaderValue)>,
    ) -> Outbound {
        let deployment = &world.deployments[index];
        let deadlines = &world.settings.deadlines;
        let settings = &deployment.settings;
        let whole = if self.request.stream { deadlines.stream } else { deadlines.total };
        let left = whole.saturating_sub(now.since(self.common.began));
        let (first_byte, idle, total) = if self.request.stream {
            let gap = settings.stream_timeout.or(settings.timeout);
            (gap.unwrap_or(deadlines.first_byte), gap.unwrap_or(deadlines.idle), left)
        } else {
            let whole = settings.timeout.unwrap_or(deadlines.first_byte);
            (whole, deadlines.idle.min(whole), left.min(settings.timeout.unwrap_or(left)))
        };
        let method = self.method();
        Outbound { deployment: index, method, path, body, headers, first_byte: first_byte.min(left), idle, total }
    }

    /// Takes note that the attempt failed and says whether to try again. `jitter` is a random number.
    pub fn failed(&mut self, fault: &Fault, now: Now, jitter: u64) -> Again {
        let world = self.common.world.clone();
        let Some(current) = &mut self.current else { return Again::No };
        if current.failed {
            return Again::No;
        }
        (current.failed, current.ended) = (true, Some(now));
        // What broke off in its midst has used tokens: it is settled at the end.
        if !self.reply.streamed()
            && let Some(permit) = current.permit.take()
        {
            permit.settle(Some(0), now);
        }
        let event = AttemptFailed {
            handles: &world.handles,
            exchange_id: &self.common.id,
            target: self.common.target,
            attempt: self.attempts,
            kind: fault.kind,
            reason: None,
            elapsed: now.since(current.began),
        };
        world.around.telemetry.emit(&Event::AttemptFailed(event), now);
        let retries = world.deployments[current.deployment].settings.num_retries.unwrap_or(world.settings.num_retries);
        if self.attempts > retries {
            return Again::No;
        }
        let elsewhere = !self.tried.covers(self.group.members.len());
        match retryable(fault.kind) {
            Retry::Anywhere if elsewhere => Again::After(Duration::ZERO),
            Retry::Anywhere => self.same_again(&world, fault, jitter),
            Retry::Elsewhere if elsewhere => Again::After(Duration::ZERO),
            Retry::Elsewhere | Retry::Never => Again::No,
        }
    }

    fn same_again(&self, world: &World, fault: &Fault, jitter: u64) -> Again {
        if fault.retry_after.is_some_and(|wait| wait > RETRY_AFTER_MAX) {
            return Again::No;
        }
        let base = BACKOFF.saturating_mul(1 << (self.attempts - 1).min(8)).min(BACKOFF_MAX);
        let share = u32::try_from(jitter >> 40).unwrap_or(0);
        let spread = base.saturating_mul(share) / (1 << 24);
        Again::After((base / 2 + spread / 2).max(world.settings.retry_after).max(fault.retry_after.unwrap_or_default()))
    }
}

enum Retry {
    /// On another deployment, or on the same one after a while.
    Anywhere,
    /// On another deployment only: the same one would fail again, or be paid twice.
    Elsewhere,
    Never,
}

fn retryable(kind: Kind) -> Retry {
    match kind {
        Kind::UpstreamConnect | Kind::UpstreamMalformed => Retry::Anywhere,
        Kind::UpstreamStatus(408 | 409 | 429 | 500..) => Retry::Anywhere,
        Kind::UpstreamTimeout | Kind::UpstreamCut | Kind::UpstreamStatus(401 | 403) => Retry::Elsewhere,
        _ => Retry::Never,
    }
}
