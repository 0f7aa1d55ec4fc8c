//! Whether and when a failed attempt is followed by another.

use std::time::Duration;

use super::World;
use super::attempt::Again;
use super::plan::Planned;
use crate::routing::Failure;
use crate::vocabulary::{Fault, Kind, Matter, Now, Origin};

/// The first wait before the same deployment is asked again; doubled each time.
const BACKOFF: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(8);
/// An upstream that asks for a longer wait is not waited for: the client is told instead.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);

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

/// Whether a failure is one that another group may mend: all but the client's own.
pub(super) fn leads_on(fault: &Fault) -> bool {
    match (fault.matter, fault.kind) {
        (Matter::ContextWindow | Matter::ContentPolicy, _) | (_, Kind::RateLimited | Kind::SwitchedOff) => true,
        (_, Kind::UpstreamStatus(409)) => true,
        _ if fault.origin == Origin::Client => false,
        (_, Kind::ShuttingDown | Kind::Overloaded | Kind::PriceUnknown) => false,
        _ => Failure::of(fault) != Failure::Request,
    }
}

impl Planned {
    /// Whether to try again in the group. `elsewhere`: another deployment of it may be asked.
    pub(super) fn again(&self, world: &World, fault: &Fault, elsewhere: bool, now: Now, jitter: u64) -> Again {
        let failure = Failure::of(fault);
        let configured = self.retry_policy(world, failure);
        let most = configured.unwrap_or_else(|| self.usual_retries(world));
        if self.attempts_here() > most {
            return Again::No;
        }
        let retry = match retryable(fault.kind) {
            Retry::Never if configured.is_some() => Retry::Anywhere,
            usual => usual,
        };
        let again = match retry {
            Retry::Never => Again::No,
            _ if elsewhere => Again::After(Duration::ZERO),
            Retry::Elsewhere => Again::No,
            // Where to go on there is no point in waiting for a provider that has had enough.
            Retry::Anywhere if failure == Failure::RateLimit && self.may_go_on(world, fault) => Again::No,
            Retry::Anywhere => self.same_again(world, fault, jitter),
        };
        let routing = &world.settings.routing;
        let affordable = || world.retry_budget.take(routing.retry_budget_percent, routing.retry_budget_floor, now);
        if again != Again::No && !affordable() { Again::No } else { again }
    }

    fn retry_policy(&self, world: &World, failure: Failure) -> Option<u32> {
        let routing = &world.settings.routing;
        let own = routing.group_retry_policies.iter().find(|(group, _)| self.is_called(group));
        let policy = own.map_or(&routing.retry_policy, |(_, policy)| policy);
        failure.in_policy(&policy.retries).or(policy.default)
    }

    /// What the request says, its deployment, the configuration.
    fn usual_retries(&self, world: &World) -> u32 {
        let of_deployment =
            || self.current.as_ref().and_then(|current| world.deployments[current.deployment].settings.num_retries);
        let wished = self.common.wishes.retries.or(self.request.wishes.retries);
        wished.or_else(of_deployment).unwrap_or(world.settings.num_retries)
    }

    fn same_again(&self, world: &World, fault: &Fault, jitter: u64) -> Again {
        if fault.retry_after.is_some_and(|wait| wait > RETRY_AFTER_MAX) {
            return Again::No;
        }
        let doubled = self.attempts_here().saturating_sub(1).min(8);
        let base = BACKOFF.saturating_mul(1 << doubled).min(BACKOFF_MAX);
        let share = u32::try_from(jitter >> 40).unwrap_or(0);
        let spread = base.saturating_mul(share) / (1 << 24);
        Again::After(spread.max(world.settings.retry_after).max(fault.retry_after.unwrap_or_default()))
    }
}
