//! Which deployment of a group is asked next.

use std::sync::Arc;
use std::time::Duration;

use super::caller::Caller;
use super::plan::Planned;
use super::{Deployment, World};
use crate::config::{HEALTH_CHECK_TAG, Strategy};
use crate::ledger::Hold;
use crate::policy::Permit;
use crate::pricing::{ServiceTier, prompt};
use crate::routing::{self, Bond, Flight, Group, Standing, Tried};
use crate::vocabulary::{Fault, Kind, Matter, Now, Usage};

/// Deployments that a refusal names at most.
const NAMED_MAX: usize = 10;
/// A price that is not known counts as this many dollars per token, as in LiteLLM.
const PRICE_UNKNOWN: u64 = 5_000_000_000_000;

/// A deployment that takes the request on.
pub(super) struct Chosen {
    pub(super) position: usize,
    pub(super) permit: Permit,
    /// On the budgets of the deployment and its provider.
    pub(super) fund: Option<Hold>,
    pub(super) flight: Flight,
    /// Whether it is the one that the request's bond leads to; None where it has none.
    pub(super) at_home: Option<bool>,
}

/// Which deployments of a group tags leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tagged {
    /// Every one.
    All,
    /// Those with the request's tags.
    Matching,
    /// Those with the tag `default`.
    Default,
}

/// Why a deployment is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aside {
    /// It is switched off.
    SwitchedOff,
    /// It failed, and rests for this long.
    Cooling(Duration),
    /// Its provider said that nothing is left for this long.
    Full(Duration),
    /// It has not the tags of the request.
    Tags,
    /// Nothing is left of its budget, or of its provider's.
    Budget,
    /// It does not stand in the region that is allowed.
    Region,
    /// The request is longer than its context window.
    ContextWindow,
}

impl Planned {
    /// Takes the next deployment: untried ones first.
    pub(super) fn choose(&mut self, world: &World, now: Now, random: u64) -> Result<Chosen, Fault> {
        let group = self.group.clone();
        let tagged = self.tagged(world, &group);
        if !self.elsewhere(world, now) {
            self.tried = Tried::default();
        }
        let bond = self.bond(world);
        let mut full = Tried::default();
        let mut wait: Option<Duration> = None;
        let mut poor = None;
        // Each round sets one aside, or ends.
        for _ in 0..=group.members.len() {
            let usable =
                |position: usize| !full.has(position) && self.aside(world, &group, position, tagged, now).is_none();
            let (picked, at_home) = match bond {
                Some(bond) => self.keep_at(world, &group, usable, bond),
                None => (self.pick(world, &group, usable, now, random), None),
            };
            let Some(position) = picked else { break };
            let deployment = &world.deployments[group.members[position].deployment];
            match deployment.limits.try_take(self.tokens, now) {
                Ok(permit) => match self.fund(world, group.members[position].deployment, now) {
                    Ok(fund) => {
                        if let Some(flight) = deployment.health.begin(group.members.len() == 1, now) {
                            deployment.health.spend(self.tokens, now);
                            return Ok(Chosen { position, permit, fund, flight, at_home });
                        }
                    }
                    Err(fault) => poor = Some(fault),
                },
                Err(short) => wait = Some(wait.map_or(short.after, |wait| wait.min(short.after))),
            }
            full.note(position);
        }
        match (poor, wait) {
            (Some(fault), None) => Err(fault),
            (_, wait) => Err(self.nobody(world, &group, tagged, wait, now)),
        }
    }

    /// The deployment that a bond leads to, and whether it does when all are well.
    fn keep_at(
        &self,
        world: &World,
        group: &Group,
        usable: impl Fn(usize) -> bool,
        bond: Bond,
    ) -> (Option<usize>, Option<bool>) {
        let of = |position: usize| &world.deployments[group.members[position].deployment];
        let open = |position: usize| of(position).health.open();
        routing::bound(&group.members, self.tried, usable, open, |position| of(position).seed, bond).unzip()
    }

    fn pick(
        &self,
        world: &World,
        group: &Group,
        usable: impl Fn(usize) -> bool,
        now: Now,
        random: u64,
    ) -> Option<usize> {
        let members = &group.members;
        let of = |position: usize| &world.deployments[members[position].deployment];
        let stream = self.request.stream;
        let least =
            |score: &dyn Fn(usize) -> u64, slack| routing::least(members, self.tried, &usable, score, slack, random);
        let routing = &world.settings.routing;
        match routing.strategy {
            Strategy::Shuffle => routing::choose(members, self.tried, usable, random),
            Strategy::LeastBusy => least(&|position| u64::from(of(position).health.open()), 0),
            Strategy::Usage => least(&|position| of(position).health.used(now).0, 0),
            Strategy::Latency => {
                least(&|position| of(position).health.latency(stream, now).0, routing.latency_buffer_milli)
            }
            Strategy::Cost => least(&|position| self.price_per_token(world, members[position].deployment), 0),
            Strategy::PowerOfTwo => {
                let score = |position: usize| {
                    let health = &of(position).health;
                    let busy = u64::from(health.open()) + 1;
                    busy.saturating_mul(health.latency(stream, now).1.max(1))
                };
                routing::better_of_two(members, self.tried, usable, score, random)
            }
        }
    }

    /// Input and output of one token each, in pico-dollars.
    fn price_per_token(&self, world: &World, deployment: usize) -> u64 {
        let model = world.deployments[deployment].upstream_model(self.captured.as_deref());
        let Some(price) = world.price(deployment, &model).filter(|price| price.is_known()) else {
            return PRICE_UNKNOWN;
        };
        let one = Usage { prompt: 1, completion: 1, ..Usage::default() };
        u64::try_from(price.cost(&one, ServiceTier::Standard).total.0).unwrap_or(PRICE_UNKNOWN)
    }

    /// Why a member is not asked now; None: it may be. Limits are looked at when it is taken.
    pub(super) fn aside(
        &self,
        world: &World,
        group: &Group,
        position: usize,
        tagged: Tagged,
        now: Now,
    ) -> Option<Aside> {
        let index = group.members[position].deployment;
        let deployment = &world.deployments[index];
        if deployment.off.is_off(now) {
            return Some(Aside::SwitchedOff);
        }
        if group.members.len() > 1 {
            match deployment.health.standing(now) {
                Standing::Open | Standing::Trial => {}
                Standing::Resting(wait) => return Some(Aside::Cooling(wait)),
                Standing::Full(wait) => return Some(Aside::Full(wait)),
            }
            if let Some(wait) = deployment.health.lacks(self.tokens, now) {
                return Some(Aside::Full(wait));
            }
        }
        if !self.has_tags(deployment, tagged, world.settings.routing.tags_match_any) {
            return Some(Aside::Tags);
        }
        if !self.is_in_region(deployment) {
            return Some(Aside::Region);
        }
        if Self::is_spent_up(world, index, now) {
            return Some(Aside::Budget);
        }
        (world.settings.routing.pre_call_checks && !self.is_short_enough(world, index)).then_some(Aside::ContextWindow)
    }

    /// Whether another deployment of the group, not tried yet, may be asked.
    pub(super) fn elsewhere(&self, world: &World, now: Now) -> bool {
        let tagged = self.tagged(world, &self.group);
        (0..self.group.members.len()).any(|position| {
            !self.tried.has(position) && self.aside(world, &self.group, position, tagged, now).is_none()
        })
    }

    // ---- tags ----

    fn tags(&self) -> impl Iterator<Item = &str> {
        let key = self.common.caller.as_ref().and_then(|caller| caller.key());
        let of_key = key.into_iter().flat_map(|key| key.tags.iter().map(|tag| &**tag));
        let own = self.request.tags.iter().chain(&self.common.wishes.tags).map(String::as_str);
        // That of checks says whom it is for, not where it goes.
        own.chain(of_key).filter(|tag| *tag != HEALTH_CHECK_TAG)
    }

    fn has_tags(&self, deployment: &Deployment, tagged: Tagged, any: bool) -> bool {
        let tags = &deployment.settings.tags;
        let has = |tag: &str| tags.iter().any(|known| known == tag);
        match tagged {
            Tagged::All => true,
            Tagged::Default => has("default"),
            Tagged::Matching if any => self.tags().any(has),
            Tagged::Matching => self.tags().all(has),
        }
    }

    pub(super) fn tagged(&self, world: &World, group: &Group) -> Tagged {
        let routing = &world.settings.routing;
        if !routing.tag_filtering {
            return Tagged::All;
        }
        let some = |tagged: Tagged| {
            let mut members = group.members.iter().map(|member| &world.deployments[member.deployment]);
            members.any(|deployment| self.has_tags(deployment, tagged, routing.tags_match_any))
        };
        let asked = self.tags().next().is_some();
        match asked {
            true if some(Tagged::Matching) => Tagged::Matching,
            true => Tagged::Default,
            false if some(Tagged::Default) => Tagged::Default,
            false => Tagged::All,
        }
    }

    // ---- region ----

    /// The regions that the key, the customer and the request allow: all of them must.
    fn regions(&self) -> impl Iterator<Item = &str> {
        let of_key = self.common.caller.as_ref().and_then(Caller::key).and_then(|key| key.region.as_deref());
        let of_others = self.common.others.iter().filter_map(|party| party.region.as_deref());
        of_key.into_iter().chain(of_others).chain(self.request.wishes.region.as_deref())
    }

    /// Holds without `enable_pre_call_checks`: who says where data may go means it.
    fn is_in_region(&self, deployment: &Deployment) -> bool {
        let region = deployment.settings.region.as_deref();
        self.regions().all(|allowed| region.is_some_and(|region| routing::lies_in(region, allowed)))
    }

    // ---- length ----

    /// A prompt has no more tokens than bytes: it is counted only where that does not tell.
    fn is_short_enough(&self, world: &World, deployment: usize) -> bool {
        let entry = &world.deployments[deployment];
        let price = || world.price(deployment, &entry.upstream_model(self.captured.as_deref()));
        let window = entry.settings.max_input_tokens.or_else(|| price()?.limits.max_input_tokens);
        let Some(window) = window else { return true };
        let counted = || {
            let count = || prompt::estimate_prompt(self.request.model.as_str(), &self.request.body);
            *self.prompt_tokens.get_or_init(count)
        };
        self.request.body.len() as u64 <= window || counted() <= window
    }

    // ---- nobody ----

    fn nobody(&self, world: &World, group: &Group, tagged: Tagged, wait: Option<Duration>, now: Now) -> Fault {
        let asides = || (0..group.members.len()).filter_map(|at| self.aside(world, group, at, tagged, now));
        if asides().count() == group.members.len() {
            if asides().any(|aside| aside == Aside::ContextWindow) {
                return self.too_long_for_all();
            }
            if asides().all(|aside| aside == Aside::SwitchedOff)
                && let Some((fault, _)) = self.members_off(world).next()
            {
                return fault;
            }
            if asides().all(|aside| aside == Aside::Tags) {
                return self.no_tags();
            }
            if asides().any(|aside| aside == Aside::Budget)
                && let Some(fault) = self.all_spent_up(world, group, now)
            {
                return fault;
            }
            if asides().all(|aside| matches!(aside, Aside::Tags | Aside::Region)) {
                return self.no_region();
            }
        }
        let resting = asides().filter_map(|aside| match aside {
            Aside::Cooling(wait) | Aside::Full(wait) => Some(wait),
            _ => None,
        });
        match (resting.min(), wait) {
            (Some(rest), None) => self.all_cool(world, group, rest, now),
            (_, wait) => self.no_room(wait),
        }
    }

    /// What is said of the members that are switched off, and asked in their place.
    fn members_off<'w>(&self, world: &'w World) -> impl Iterator<Item = (Fault, Option<Arc<str>>)> + 'w {
        let group = self.group.clone();
        let now = world.around.clock.now();
        (0..group.members.len())
            .filter_map(move |at| world.deployment_off(&world.deployments[group.members[at].deployment], now))
    }

    /// The group that is asked where all members of this one are switched off.
    pub(super) fn in_place_of_members(&self, world: &World) -> Option<Arc<str>> {
        self.members_off(world).find_map(|(_, instead)| instead)
    }

    /// LiteLLM's words.
    fn all_cool(&self, world: &World, group: &Group, wait: Duration, now: Now) -> Fault {
        let resting = group.members.iter().map(|member| &world.deployments[member.deployment]);
        let resting = resting.filter(|deployment| {
            deployment.health.standing(now) != Standing::Open || deployment.health.lacks(self.tokens, now).is_some()
        });
        let ids: Vec<_> = resting.map(|deployment| format!("'{}'", deployment.settings.id)).take(NAMED_MAX).collect();
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let checks = if world.settings.routing.pre_call_checks { "True" } else { "False" };
        let text = format!(
            "No deployments available for selected model, Try again in {seconds} seconds. All deployments for selected \
             model are in cooldown. Passed model={}. pre-call-checks={checks}, cooldown_list=[{}]",
            self.request.model,
            ids.join(", ")
        );
        Fault::ours(Kind::RateLimited, text).retry_after(wait)
    }

    fn no_room(&self, wait: Option<Duration>) -> Fault {
        let text = format!(
            "No deployments available for selected model: every deployment of {} is at its rpm, tpm or max_parallel_requests limit.",
            self.request.model
        );
        Fault::client(Kind::RateLimited, text).retry_after(wait.unwrap_or(Duration::from_secs(1)))
    }

    fn no_tags(&self) -> Fault {
        let text = format!(
            "No deployments available with tag routing for model={}: none has the tags of the request, and none has the tag default.",
            self.request.model
        );
        Fault::client(Kind::BadRequest, text).param("tags")
    }

    fn no_region(&self) -> Fault {
        let allowed: Vec<_> = self.regions().collect();
        let text = format!(
            "No deployments available for selected model. Allowed model regions = {}: no deployment of {} is known to run there.",
            allowed.join(" and "),
            self.request.model
        );
        Fault::client(Kind::BadRequest, text).param("allowed_model_region")
    }

    fn too_long_for_all(&self) -> Fault {
        let text = format!(
            "litellm.ContextWindowExceededError: litellm.BadRequestError: ContextWindowExceededError: the request is longer \
             than the context window of every deployment of {}",
            self.request.model
        );
        Fault::client(Kind::BadRequest, text).about(Matter::ContextWindow).param("messages")
    }
}
