//! From one model group to the next: fallbacks.

use std::sync::Arc;

use smallvec::SmallVec;

use super::World;
use super::caller::{self, Caller};
use super::plan::{self, Planned};
use super::retry::leads_on;
use crate::config::Fallback;
use crate::policy::{Ask, Permit};
use crate::pricing::{Demand, prompt};
use crate::routing::{Group, Tried};
use crate::vocabulary::{Fault, Kind, Matter, ModelName, Now, PicoUsd};

/// What a provider may add to a prompt around the messages, in tokens.
const FRAME_TOKENS: u64 = 16;

/// Which groups a request has been to, and where it may go on.
#[derive(Default)]
pub(super) struct Course {
    /// Attempts in the current group.
    pub(super) attempts: u32,
    /// Those of them at deployments of a lower `order`, which were given up.
    given_up: u32,
    /// Groups that were gone on to.
    entered: u32,
    /// Groups beyond the first in which an attempt was made.
    pub(super) fallbacks: u32,
    /// Names to go on to, the next one last.
    ahead: SmallVec<[Next; 4]>,
    /// Names that were met already: nobody goes in a circle.
    seen: Vec<Arc<str>>,
    /// The name of the current group after aliases.
    target: Box<str>,
    /// The name of the first group, where it stands in for what was asked.
    instead: Option<Arc<str>>,
    /// The name of the current group, where it is not the first.
    name: Option<Arc<str>>,
    /// Why the first group was left.
    because: Option<Fault>,
    /// Of limits on the models gone on to.
    permits: SmallVec<[Permit; 1]>,
}

#[derive(Clone)]
struct Next {
    name: Arc<str>,
    /// The client named it, not the configuration.
    by_client: bool,
}

impl Course {
    /// Where a request begins.
    pub(super) fn of(target: &str, instead: Option<Arc<str>>) -> Self {
        Self { seen: vec![target.into()], target: target.into(), instead, ..Self::default() }
    }

    /// What it took of the limits on models that were gone on to.
    pub(super) fn permits(&self) -> impl Iterator<Item = &Permit> {
        self.permits.iter()
    }

    /// Ends the permits of models that were gone on to.
    pub(super) fn settle(&mut self, used: u64, now: Now) {
        std::mem::take(&mut self.permits).into_iter().for_each(|permit| permit.settle(Some(used), now));
    }
}

impl Planned {
    /// How many other model groups were tried.
    pub fn fallbacks(&self) -> u32 {
        self.course.fallbacks
    }

    /// How many attempts were made beyond the first of each group.
    pub fn retries(&self) -> u32 {
        self.attempts.saturating_sub(1 + self.course.fallbacks)
    }

    /// What the group that is asked is called: by the client, or in the list of fallbacks.
    pub fn served_by(&self) -> &str {
        let name = self.course.name.as_ref().or(self.course.instead.as_ref());
        name.map_or(self.request.model.as_str(), |name| name)
    }

    /// Attempts at the deployments that are asked now: of the current group, and of one `order` where a lower was given up.
    pub(super) fn attempts_here(&self) -> u32 {
        self.course.attempts.saturating_sub(self.course.given_up)
    }

    /// Notes an attempt in the current group.
    pub(super) fn note_attempt(&mut self) {
        self.attempts += 1;
        self.course.attempts += 1;
        if self.course.attempts == 1 && self.course.name.is_some() {
            self.course.fallbacks += 1;
        }
    }

    /// Takes back an attempt that was not sent.
    pub(super) fn forget_attempt(&mut self) {
        if self.course.attempts == 1 && self.course.name.is_some() {
            self.course.fallbacks -= 1;
        }
        self.attempts -= 1;
        self.course.attempts -= 1;
    }

    /// Whether what was asked for is switched off, and this is asked in its place.
    pub(super) fn is_rerouted(&self) -> bool {
        self.course.instead.is_some()
    }

    /// Whether a name of the configuration's means the current group.
    pub(super) fn is_called(&self, name: &str) -> bool {
        [self.served_by(), &self.group.name, &self.course.target].contains(&name)
    }

    /// Whether there is anywhere to go on to after this failure.
    pub(super) fn may_go_on(&self, world: &World, fault: &Fault) -> bool {
        leads_on(fault) && (!self.course.ahead.is_empty() || !self.onward(world, fault).is_empty())
    }

    /// Goes on to the next group that may be asked and paid for; false: there is none, and the first failure is told.
    pub(super) fn go_on(&mut self, fault: &Fault, now: Now) -> bool {
        let world = self.common.world.clone();
        if leads_on(fault) {
            let found = self.onward(&world, fault);
            self.course.ahead.extend(found.into_iter().rev());
        } else if self.course.name.is_none() {
            return false;
        }
        while let Some(next) = self.course.ahead.pop() {
            if self.course.entered >= world.settings.routing.max_fallbacks {
                return false;
            }
            if self.course.seen.contains(&next.name) {
                continue;
            }
            self.course.seen.push(next.name.clone());
            if self.enter_group(&world, &next, now).is_some() {
                self.course.because.get_or_insert_with(|| fault.clone());
                return true;
            }
        }
        false
    }

    /// Goes on to the deployments of the group with a higher `order`, which are a fallback before all others; false: none
    /// of them may be asked.
    pub(super) fn next_order(&mut self, world: &World, fault: &Fault, now: Now) -> bool {
        let barred = self.request.wishes.no_fallbacks || self.course.entered >= world.settings.routing.max_fallbacks;
        if barred || !leads_on(fault) || self.special(world, fault).is_some() {
            return false;
        }
        let Some(current) = self.current.as_ref().map(|current| current.deployment) else { return false };
        let members = &self.group.members;
        let Some(order) = members.iter().find(|member| member.deployment == current).map(|member| member.order) else {
            return false;
        };
        let mut tried = self.tried;
        members.iter().enumerate().filter(|(_, member)| member.order <= order).for_each(|(at, _)| tried.note(at));
        let before = std::mem::replace(&mut self.tried, tried);
        if !self.elsewhere(world, now) {
            self.tried = before;
            return false;
        }
        (self.course.entered, self.course.given_up) = (self.course.entered + 1, self.course.attempts);
        true
    }

    /// What the client is told when nothing was left: why the first group failed, unless the last attempt says it.
    pub(super) fn first_failure(&mut self, last: Fault) -> Fault {
        self.course.because.take().unwrap_or(last)
    }

    /// Where the configuration, or the client, lets this failure of the current group go on to.
    fn onward(&self, world: &World, fault: &Fault) -> Vec<Next> {
        // What passes as it is goes to the provider that its path names.
        if self.pass.is_some() {
            return Vec::new();
        }
        if fault.kind == Kind::SwitchedOff
            && let Some(name) = self.in_place_of_members(world)
        {
            return vec![Next { name, by_client: false }];
        }
        if self.request.wishes.no_fallbacks {
            return Vec::new();
        }
        let configured = |list: &Fallback| {
            list.to.iter().map(|name| Next { name: name.clone(), by_client: false }).collect::<Vec<_>>()
        };
        match (self.special(world, fault), &self.request.wishes.fallbacks) {
            (Some(list), _) => configured(list),
            (None, Some(_)) if self.course.name.is_some() => Vec::new(),
            (None, Some(names)) => {
                names.iter().map(|name| Next { name: name.as_str().into(), by_client: true }).collect()
            }
            (None, None) => self.list(&world.settings.routing.fallbacks).map(configured).unwrap_or_default(),
        }
    }

    /// The list that is only for failures of this kind.
    fn special<'w>(&self, world: &'w World, fault: &Fault) -> Option<&'w Fallback> {
        let routing = &world.settings.routing;
        match fault.matter {
            Matter::ContextWindow => self.list(&routing.context_window_fallbacks),
            Matter::ContentPolicy => self.list(&routing.content_policy_fallbacks),
            Matter::Other => None,
        }
    }

    /// The names of [`Self::onward`].
    pub(super) fn onward_names(&self, world: &World, fault: &Fault) -> Vec<String> {
        self.onward(world, fault).iter().map(|next| next.name.to_string()).collect()
    }

    /// The list for the current group: under its name, its name without the provider, or `*`.
    fn list<'f>(&self, lists: &'f [Fallback]) -> Option<&'f Fallback> {
        let named = |wanted: &dyn Fn(&str) -> bool| lists.iter().find(|list| wanted(&list.group));
        let bare = |name: &str| {
            let own = self.served_by().split_once('/').map(|(_, bare)| bare);
            own == Some(name) || name.split_once('/').is_some_and(|(_, bare)| bare == self.served_by())
        };
        named(&|name| self.is_called(name)).or_else(|| named(&bare)).or_else(|| named(&|name| name == "*"))
    }

    fn enter_group(&mut self, world: &World, next: &Next, now: Now) -> Option<()> {
        let name = ModelName::parse(&next.name).ok()?;
        let meant = match next.by_client {
            true => plan::resolve(world, &self.common, &name).ok()?,
            false => plan::resolve_configured(world, &name)?,
        };
        let (meant, instead) = world.on_or_instead(&next.name, meant, now)?;
        let permit = self.model_permit(&name, &meant.group, now)?;
        self.afford(world, &meant.group, meant.captured.as_deref(), now)?;
        self.course.permits.extend(permit.map(|mut permit| {
            permit.sent();
            permit
        }));
        self.course.entered += 1;
        (self.course.attempts, self.course.given_up) = (0, 0);
        self.course.name = Some(instead.unwrap_or_else(|| next.name.clone()));
        self.course.target = meant.target;
        (self.group, self.captured, self.tried) = (meant.group, meant.captured, Tried::default());
        Some(())
    }

    /// Everybody's limits on this very model hold for whoever comes to it by a fallback, too.
    fn model_permit(&self, name: &ModelName, group: &Group, now: Now) -> Option<Option<Permit>> {
        let standing = self.common.caller.as_ref().and_then(Caller::standing);
        if standing.is_none() && self.common.others.is_empty() {
            return Some(None);
        }
        let ask = Ask { requested: name.as_str(), group: &group.name, tokens: self.tokens };
        caller::admit_model(standing.map(|standing| &**standing), &self.common.others, &ask, now).ok().map(Some)
    }

    /// Holds more where the group may cost more than what is held; None if that cannot be paid, or nobody knows the price.
    fn afford(&mut self, world: &World, group: &Group, captured: Option<&str>, now: Now) -> Option<()> {
        let offers = self.offers(world, group, captured).ok()?;
        let bound = self.output_cap;
        let worst = |demand: &Demand| match bound {
            Some(bound) => offers.worst_case_bounded(demand, bound),
            None => offers.worst_case(demand),
        };
        let demand = self.demand(self.request.body.len() as u64);
        if self.hold_at_least(worst(&demand), now) {
            return Some(());
        }
        let counted = self.counted_demand(&demand);
        self.hold_at_least(worst(&counted), now).then_some(())
    }

    fn hold_at_least(&mut self, amount: PicoUsd, now: Now) -> bool {
        let Some(hold) = &self.hold else { return amount <= PicoUsd::ZERO };
        let more = amount.minus(hold.held());
        more <= PicoUsd::ZERO || self.grow(more, now)
    }

    /// The demand with the prompt counted, not bounded by its length.
    pub(super) fn counted_demand(&self, demand: &Demand) -> Demand {
        let counted = prompt::estimate_prompt(self.request.model.as_str(), &self.request.body);
        let prompt = (counted + counted / 10 + FRAME_TOKENS).min(demand.prompt.max(FRAME_TOKENS));
        Demand { prompt, media: plan::media(&self.request.body), ..*demand }
    }
}
