//! What an attempt says about its deployment.

use std::time::Duration;

use super::World;
use super::attempt::Again;
use super::plan::Planned;
use crate::config::Cooling;
use crate::routing::{Failure, Group, Rest, Standing};
use crate::telemetry::{CooledDown, Event, Target};
use crate::vocabulary::{Fault, Now};

impl Planned {
    /// Notes a failure of the current attempt with its deployment, and says so if that sets it aside.
    pub(super) fn judge(&mut self, world: &World, fault: &Fault, now: Now) {
        let Some(current) = &mut self.current else { return };
        let (index, began) = (current.deployment, current.began);
        let Some(mut flight) = current.flight.take() else { return };
        let failure = Failure::of(fault);
        if failure.is_the_requests() {
            return flight.alive();
        }
        let health = flight.health();
        if failure == Failure::Timeout && self.wished_timeouts() != (None, None) {
            // A client that asks for less time than others need says nothing about the deployment.
            return;
        }
        if failure == Failure::Timeout {
            health.took(now.since(began), self.request.stream, now);
        }
        let usual = &world.settings.routing.cooling;
        let time = world.deployments[index].settings.cooldown_time.unwrap_or(usual.time);
        let cooling = Cooling { time, ..*usual };
        let spare = world.has_spare(&self.group, index, now);
        let rest = health.failed(failure, fault.retry_after, &cooling, spare, now);
        match rest {
            Some(rest) => world.say_cooled(self.common.target, rest, now),
            // Not set aside, but the provider's word is kept.
            None if matches!(failure, Failure::RateLimit | Failure::Unavailable)
                && !cooling.disabled
                && self.has_others() =>
            {
                fault.retry_after.into_iter().for_each(|wait| health.full_for(wait, now));
            }
            None => {}
        }
    }

    /// Whether a deployment that says that it is full leaves others: the only one of a group is asked all the same.
    fn has_others(&self) -> bool {
        self.group.members.len() > 1
    }

    /// The deployment answers: its stream has said something, or its answer is whole.
    pub(super) fn answers(&mut self, now: Now) {
        let Some(current) = &mut self.current else { return };
        let took = now.since(current.began);
        if let Some(flight) = &mut current.flight {
            flight.answered(now);
            flight.health().took(took, self.request.stream, now);
        }
    }

    /// Gives back the tokens of an attempt that is followed by another. One that broke off in its midst and is not has
    /// used them: it is settled at the end.
    pub(super) fn let_go(&mut self, again: Again, now: Now) {
        let kept = again == Again::No && self.reply.streamed();
        if let Some(current) = &mut self.current
            && !kept
            && let Some(permit) = current.permit.take()
        {
            permit.settle(Some(0), now);
        }
    }
}

impl World {
    /// Deployments that rest, and for how long yet.
    pub fn rests(&self, now: Now) -> impl Iterator<Item = (&str, Duration)> {
        let all =
            self.deployments.iter().map(move |deployment| (&*deployment.settings.id, deployment.health.rests(now)));
        all.filter(|(_, time)| !time.is_zero())
    }

    /// Sets a deployment aside because another node of the gateway did, unless it is the last of a group.
    pub fn rest_as_told(&self, id: &str, time: Duration, now: Now) {
        let Some(index) = self.deployments.iter().position(|deployment| *deployment.settings.id == *id) else { return };
        let mut groups = self.table.groups().iter().filter(|group| group.members.iter().any(|m| m.deployment == index));
        if !self.settings.routing.cooling.disabled && groups.all(|group| self.has_spare(group, index, now)) {
            self.deployments[index].health.rest_as_told(time, now);
        }
    }

    /// Says that a deployment was set aside.
    pub(super) fn say_cooled(&self, target: Target, rest: Rest, now: Now) {
        let cooled = CooledDown {
            handles: &self.handles,
            target,
            exception: rest.failure.exception(),
            status: rest.failure.status(),
            time: rest.time,
            lasting: rest.failure == Failure::Credential,
        };
        self.around.telemetry.emit(&Event::CooledDown(cooled), now);
    }

    /// Whether another deployment of the group is in good standing.
    pub(super) fn has_spare(&self, group: &Group, deployment: usize, now: Now) -> bool {
        group.members.iter().filter(|member| member.deployment != deployment).any(|member| {
            let other = &self.deployments[member.deployment];
            other.health.standing(now) == Standing::Open
                && other.health.lacks(1, now).is_none()
                && !other.off.is_off(now)
        })
    }
}
