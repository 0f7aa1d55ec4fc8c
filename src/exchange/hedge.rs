//! Hedging: a second attempt beside one that does not begin to answer.
//!
//! Both are reserved and both are paid for. Who answers first becomes, or stays, the current attempt; the other is given
//! up, and what it may have cost by then (its prompt) is charged with the exchange and told as waste. Once a request.

use std::time::Duration;

use super::World;
use super::attempt::{Current, Outbound};
use super::choice::Chosen;
use super::plan::Planned;
use super::reply::redirected;
use super::way::{Spoken, Way};
use crate::chat::Produced;
use crate::config;
use crate::dialect::Endpoint;
use crate::ledger::Hold;
use crate::telemetry::{AttemptLost, Event, Target};
use crate::vocabulary::{Fault, Metered, Now, PicoUsd};

/// Second attempts in ten seconds that little traffic does not forbid.
const FLOOR: u32 = 1;

/// What there is of a second attempt.
#[derive(Default)]
pub(super) struct Hedge {
    /// While both run.
    pub(super) rival: Option<Current>,
    /// One was begun in this exchange.
    pub(super) begun: bool,
    /// What the attempt that was given up is charged.
    pub(super) lost: PicoUsd,
}

/// One of two attempts that run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    /// The one that was begun first.
    First,
    /// The one that was begun beside it.
    Second,
}

impl Planned {
    /// How long the current attempt may take to begin before a second is made beside it; None: none is made.
    pub fn hedge_after(&self, now: Now) -> Option<Duration> {
        let world = &self.common.world;
        let hedge = world.settings.routing.hedge?;
        let current = self.current.as_ref()?;
        let deployment = &world.deployments[current.deployment];
        // Asked of every attempt, so that its answers are counted from now on.
        let usual = deployment.health.percentile(hedge.percentile_milli, self.request.stream)?;
        let may = !self.hedge.begun
            && self.may_be_asked_twice()
            && suits(world, current.deployment, current.way)
            && self.elsewhere(world, now);
        may.then(|| usual.max(hedge.min))
    }

    /// What is kept at its provider, or made of files, is asked for once.
    fn may_be_asked_twice(&self) -> bool {
        let endpoint = self.request.endpoint;
        let chat = endpoint.chat().is_some() && endpoint != Endpoint::Responses;
        let plain = chat || matches!(endpoint, Endpoint::Completions | Endpoint::Embeddings | Endpoint::Rerank);
        plain && self.pass.is_none()
    }

    /// Begins a second attempt beside the current one, at another deployment of the group. None: there is none with room, it
    /// cannot be paid for beside the first, or there were too many of late.
    pub fn begin_hedge(&mut self, now: Now, random: u64) -> Option<Outbound> {
        let world = self.common.world.clone();
        let hedge = world.settings.routing.hedge?;
        if self.hedge.begun || self.current.is_none() || !self.elsewhere(&world, now) {
            return None;
        }
        self.hedge.begun = true;
        let (index, chosen, spoken) = self.choose_beside(&world, now, random)?;
        // The hold covers one attempt at any deployment of the group.
        let more = self.hold.as_ref().map_or(PicoUsd::ZERO, Hold::held);
        if !self.grow(more, now) {
            return None;
        }
        if !may_hedge(&world, &hedge, now) {
            return None;
        }
        let (rival, outbound) = self.begin(&world, index, chosen, spoken, now);
        self.hedge.rival = Some(rival);
        Some(outbound)
    }

    fn choose_beside(&mut self, world: &World, now: Now, random: u64) -> Option<(usize, Chosen, Spoken)> {
        let chosen = self.choose(world, now, random).ok()?;
        self.tried.note(chosen.position);
        let index = self.group.members[chosen.position].deployment;
        let deployment = &world.deployments[index];
        let model = deployment.upstream_model(self.captured.as_deref());
        let spoken = self.speak(deployment, &model, world.price(index, &model).as_ref()).ok()?;
        suits(world, index, spoken.way).then_some((index, chosen, spoken))
    }

    /// One of two attempts failed: the other goes on as the current one.
    pub fn leg_failed(&mut self, leg: Leg, fault: &Fault, now: Now) {
        if self.hedge.rival.is_none() {
            return;
        }
        self.turn_to(leg);
        let world = self.common.world.clone();
        self.note_failure(&world, fault, now);
        if let Some(permit) = self.current.as_mut().and_then(|current| current.permit.take()) {
            permit.settle(Some(0), now);
        }
        self.take_rival();
    }

    /// One of two attempts answers: the other is given up.
    pub fn leg_answers(&mut self, leg: Leg, now: Now) {
        if self.hedge.rival.is_none() {
            return;
        }
        self.turn_to(match leg {
            Leg::First => Leg::Second,
            Leg::Second => Leg::First,
        });
        self.lose(now);
        self.take_rival();
    }

    /// Gives up a second attempt that still runs when the exchange ends.
    pub(super) fn end_hedge(&mut self, now: Now) {
        if self.hedge.rival.is_some() {
            self.leg_answers(Leg::First, now);
        }
    }

    /// Makes one of the two the current one.
    fn turn_to(&mut self, leg: Leg) {
        if leg == Leg::Second {
            std::mem::swap(&mut self.current, &mut self.hedge.rival);
            self.retarget();
        }
    }

    fn take_rival(&mut self) {
        self.current = self.hedge.rival.take();
        self.retarget();
    }

    fn retarget(&mut self) {
        if let Some(current) = &self.current {
            self.common.target = Target::Deployment(u32::try_from(current.deployment).unwrap_or(u32::MAX));
        }
    }

    /// The current attempt is not waited for. Its provider had the prompt; what it had written by then nobody knows.
    fn lose(&mut self, now: Now) {
        self.note_lost_leg(now);
        let sent = Metered::Estimated(self.count(None, &Produced::default()));
        let used = sent.usage().map_or(0, |usage| usage.total());
        let cost = self.bill_of(sent).cost;
        let Some(current) = &mut self.current else { return };
        if let Some(permit) = current.permit.take() {
            permit.settle(Some(used), now);
        }
        let elapsed = now.since(current.began);
        if let Some(flight) = current.flight.take() {
            flight.health().took(elapsed, self.request.stream, now);
            flight.health().use_tokens(used, now);
        }
        self.hedge.lost = cost;
        let lost = AttemptLost {
            handles: &self.common.world.handles,
            exchange_id: &self.common.id,
            target: self.common.target,
            cost,
            elapsed,
        };
        self.common.world.around.telemetry.emit(&Event::AttemptLost(lost), now);
    }

    /// Whether an answer's status is no answer while another attempt may bring one: what is the request's own fault is.
    pub fn is_worth_waiting(&self, status: u16) -> bool {
        !matches!(status, 200..=299 | 400 | 413 | 422)
    }

    /// The failure that a status means, for an attempt that is given up for it.
    pub fn fault_of_status(&self, status: u16, retry_after: Option<Duration>) -> Fault {
        let mut fault = match status {
            300..=399 => redirected(),
            status => self.upstream_fault(status, None),
        };
        fault.retry_after = retry_after;
        fault
    }
}

/// Whether a deployment takes part: one with a budget of its own is asked once, and one that is spoken to over HTTP/2 alone.
fn suits(world: &World, deployment: usize, way: Way) -> bool {
    let deployment = &world.deployments[deployment];
    deployment.accounts.is_empty() && deployment.settings.http2 != Some(true) && !matches!(way, Way::Local)
}

/// Takes one from both budgets.
fn may_hedge(world: &World, hedge: &config::Hedge, now: Now) -> bool {
    let routing = &world.settings.routing;
    world.hedge_budget.take(hedge.max_percent, FLOOR, now)
        && world.retry_budget.take(routing.retry_budget_percent, routing.retry_budget_floor, now)
}
