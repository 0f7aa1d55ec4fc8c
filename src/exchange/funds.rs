//! What one attempt may cost its provider and its deployment, where these have budgets: held while it runs.

use std::time::Duration;

use super::World;
use super::borrow::hold;
use super::plan::Planned;
use crate::ledger::{Hold, Ledger, Refusal};
use crate::routing::Group;
use crate::vocabulary::{Fault, Kind, Now, PicoUsd};

/// When to ask again where what is held may come back.
const SOON: Duration = Duration::from_secs(1);

impl Planned {
    /// Holds the most that an attempt at a deployment can cost; None: nothing bounds what is spent there.
    ///
    /// # Errors
    /// Its budget, or its provider's, has too little left.
    pub(super) fn fund(&self, world: &World, deployment: usize, now: Now) -> Result<Option<Hold>, Fault> {
        let accounts = &world.deployments[deployment].accounts[..];
        if accounts.is_empty() {
            return Ok(None);
        }
        if let Some(most) = self.opaque_worst_case()? {
            return hold(world, accounts, most, now).map(Some).map_err(|refusal| spent_up(refusal, now));
        }
        let offers = self.offers_of(world, [deployment], self.captured.as_deref())?;
        let demand = self.demand(self.prompt_by_length());
        let worst = |demand| match self.output_cap {
            Some(bound) => offers.worst_case_bounded(demand, bound),
            None => offers.worst_case(demand),
        };
        match hold(world, accounts, worst(&demand), now) {
            Ok(hold) => Ok(Some(hold)),
            Err(Refusal::Overdrawn(_)) if self.request.form.is_none() => {
                hold(world, accounts, worst(&self.counted_demand(&demand)), now)
                    .map(Some)
                    .map_err(|refusal| spent_up(refusal, now))
            }
            Err(refusal) => Err(spent_up(refusal, now)),
        }
    }

    /// What is told when every deployment of a group is left out, some for their budgets.
    pub(super) fn all_spent_up(&self, world: &World, group: &Group, now: Now) -> Option<Fault> {
        group.members.iter().find_map(|member| self.fund(world, member.deployment, now).err())
    }

    /// Whether nothing is left of a deployment's budgets.
    pub(super) fn is_spent_up(world: &World, deployment: usize, now: Now) -> bool {
        let accounts = &world.deployments[deployment].accounts[..];
        !accounts.is_empty() && world.around.ledger.affordable(accounts, now) <= PicoUsd::ZERO
    }
}

/// LiteLLM's words. Another group may be asked, so it is a lack of room, not the caller's budget.
fn spent_up(refusal: Refusal, now: Now) -> Fault {
    let Refusal::Overdrawn(over) = refusal else { return refusal.into() };
    let text = format!("No deployments available - crossed budget: {}", over.fault().public);
    let resets = over.resets_at_ms.filter(|_| over.spent >= over.limit);
    let wait = resets.and_then(|at| u64::try_from(at.saturating_sub(now.wall_ms)).ok()).map(Duration::from_millis);
    Fault::client(Kind::RateLimited, text).retry_after(wait.unwrap_or(SOON))
}
