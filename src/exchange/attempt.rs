//! One try at one deployment: the choice, the request written for it, and whether to try again.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::World;
use super::choice::Chosen;
use super::plan::Planned;
use super::reply::Reply;
use super::way::{Spoken, Way};
use crate::json::Segments;
use crate::ledger::Hold;
use crate::policy::Permit;
use crate::routing::Flight;
use crate::telemetry::{AttemptFailed, Event, Target};
use crate::vocabulary::{Fault, Now};

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
    /// On the budgets of the deployment and its provider.
    pub(super) fund: Option<Hold>,
    pub(super) flight: Option<Flight>,
    pub(super) began: Now,
    pub(super) first_byte: Option<Now>,
    pub(super) ended: Option<Now>,
    pub(super) status: Option<u16>,
    pub(super) failed: bool,
    pub(super) way: Way,
    pub(super) schema_tool: bool,
    pub(super) dropped: Vec<String>,
    pub(super) at_home: Option<bool>,
}

impl Planned {
    /// Chooses the next deployment and writes the request for it. `random` decides among equals. Where no deployment of a
    /// group can be asked, the next group is.
    ///
    /// # Errors
    /// No deployment of any group has room within its limits, or the request cannot be said to the provider.
    pub fn attempt(&mut self, now: Now, random: u64) -> Result<Outbound, Fault> {
        if let Some(unlent) = &self.unlent {
            return Err(unlent.refusal().into());
        }
        if self.attempts == 0 {
            self.common.world.retry_budget.request(now);
            self.common.world.hedge_budget.request(now);
        }
        loop {
            let fault = match self.attempt_in_group(now, random) {
                Ok(outbound) => return Ok(outbound),
                Err(fault) => fault,
            };
            if !self.go_on(&fault, now) {
                return Err(self.first_failure(fault));
            }
        }
    }

    fn attempt_in_group(&mut self, now: Now, random: u64) -> Result<Outbound, Fault> {
        let world = self.common.world.clone();
        loop {
            let chosen = self.choose(&world, now, random)?;
            let (position, index) = (chosen.position, self.group.members[chosen.position].deployment);
            let deployment = &world.deployments[index];
            self.tried.note(position);
            self.note_attempt();
            self.common.target = Target::Deployment(u32::try_from(index).unwrap_or(u32::MAX));
            let model = deployment.upstream_model(self.captured.as_deref());
            match self.speak(deployment, &model, world.price(index, &model).as_ref()) {
                Ok(spoken) => return Ok(self.send(&world, index, chosen, spoken, now)),
                Err(fault) => {
                    // Nothing was sent: the permit gives back what it took.
                    self.forget_attempt();
                    if !self.elsewhere(&world, now) {
                        return Err(fault);
                    }
                }
            }
        }
    }

    fn send(&mut self, world: &World, index: usize, chosen: Chosen, spoken: Spoken, now: Now) -> Outbound {
        self.permit.sent();
        if let Some(hold) = &mut self.hold {
            hold.dispatched();
        }
        // What failed before cost its provider nothing.
        if let Some(before) = self.current.take().and_then(|current| current.fund) {
            before.void();
        }
        self.first_dispatch.get_or_insert(now);
        self.reply = Reply::Waiting;
        let (current, outbound) = self.begin(world, index, chosen, spoken, now);
        self.current = Some(current);
        outbound
    }

    /// An attempt at a deployment that was chosen, and the request for it.
    pub(super) fn begin(
        &self,
        world: &World,
        index: usize,
        chosen: Chosen,
        spoken: Spoken,
        now: Now,
    ) -> (Current, Outbound) {
        let Chosen { mut permit, mut fund, flight, at_home, .. } = chosen;
        permit.sent();
        fund.iter_mut().for_each(Hold::dispatched);
        let outbound = self.outbound(world, index, now, spoken.path, spoken.body, spoken.headers);
        let current = Current {
            deployment: index,
            permit: Some(permit),
            fund,
            flight: Some(flight),
            began: now,
            first_byte: None,
            ended: None,
            status: None,
            failed: false,
            way: spoken.way,
            schema_tool: spoken.schema_tool,
            dropped: spoken.dropped,
            at_home,
        };
        (current, outbound)
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
        let (timeout, stream_timeout) = self.wished_timeouts();
        let (first_byte, idle, total) = if self.request.stream {
            let gap = shorter(settings.stream_timeout.or(settings.timeout), stream_timeout.or(timeout));
            (gap.unwrap_or(deadlines.first_byte), gap.unwrap_or(deadlines.idle), left)
        } else {
            let limit = shorter(settings.timeout, timeout);
            let whole = limit.unwrap_or(deadlines.first_byte);
            (whole, deadlines.idle.min(whole), left.min(limit.unwrap_or(left)))
        };
        let method = self.method();
        Outbound { deployment: index, method, path, body, headers, first_byte: first_byte.min(left), idle, total }
    }

    /// What the client asks for, of an answer as a whole and of a stream: in a header, or in the body.
    pub(super) fn wished_timeouts(&self) -> (Option<Duration>, Option<Duration>) {
        let (head, body) = (&self.common.wishes, &self.request.wishes);
        (head.timeout.or(body.timeout), head.stream_timeout.or(body.stream_timeout))
    }

    /// Takes note that the attempt failed and says whether to try again. `jitter` is a random number.
    pub fn failed(&mut self, fault: &Fault, now: Now, jitter: u64) -> Again {
        let world = self.common.world.clone();
        if !self.note_failure(&world, fault, now) {
            return Again::No;
        }
        let elsewhere = self.elsewhere(&world, now);
        let again = self.again(&world, fault, elsewhere, now, jitter);
        self.let_go(again, now);
        match again {
            Again::No if self.next_order(&world, fault, now) || self.go_on(fault, now) => Again::After(Duration::ZERO),
            again => again,
        }
    }

    /// Takes note that the attempt failed after the client has seen some of its answer: nobody else is asked.
    pub fn failed_in_the_midst(&mut self, fault: &Fault, now: Now) {
        let world = self.common.world.clone();
        if self.note_failure(&world, fault, now) {
            self.let_go(Again::No, now);
        }
    }

    /// Notes a failure, once: with the deployment, in the log and in the metrics.
    pub(super) fn note_failure(&mut self, world: &World, fault: &Fault, now: Now) -> bool {
        let Some(current) = &mut self.current else { return false };
        if current.failed {
            return false;
        }
        (current.failed, current.ended) = (true, Some(now));
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
        self.note_leg(fault, now);
        self.judge(world, fault, now);
        true
    }
}

/// A client may ask for less time than the deployment is given, not for more.
fn shorter(configured: Option<Duration>, wished: Option<Duration>) -> Option<Duration> {
    match (configured, wished) {
        (Some(configured), Some(wished)) => Some(configured.min(wished)),
        (configured, wished) => configured.or(wished),
    }
}
