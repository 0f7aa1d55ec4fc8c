//! From a body to a plan: one scan, access, limits, and the worst case reserved.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::attempt::Current;
use super::borrow::Unlent;
use super::caller::{self, Caller};
use super::close::Bill;
use super::course::Course;
use super::enter::{Common, Opened, Refused};
use super::hedge::Hedge;
use super::keep::OnFile;
use super::offer::Offers;
use super::party::{Party, Whose};
use super::pass::Pass;
use super::reply::Reply;
use super::trail::Leg;
use super::{Deployment, World, estimate, units};
use crate::config::UnknownPrice;
use crate::dialect::openai::Request;
use crate::json;
use crate::ledger::{AccountId, Behalf, Hold, Ledger, Refusal};
use crate::policy::{self, Ask, Denied, Permit, Snapshot};
use crate::pricing::{Demand, Media, ServiceTier};
use crate::routing::{Group, Tried};
use crate::telemetry::Target;
use crate::vocabulary::{Fault, Kind, ModelName, Now, PicoUsd};

/// What the files of a form may count for beside their length: a picture, whatever its size.
const FORM_TOKENS: u64 = 8192;
/// A second of sound is a kilobyte at the least and some ten tokens.
const FORM_BYTES_PER_TOKEN: u64 = 64;

/// An exchange that may be sent.
pub struct Planned {
    pub(super) common: Common,
    pub(super) request: Request,
    pub(super) group: Arc<Group>,
    pub(super) captured: Option<Box<str>>,
    pub(super) own_headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) tokens: u64,
    pub(super) permit: Permit,
    pub(super) hold: Option<Hold>,
    /// What must be lent before anything can be held.
    pub(super) unlent: Option<Unlent>,
    /// A bound on the answer that the budget demands and the client did not set.
    pub(super) output_cap: Option<u64>,
    pub(super) tried: Tried,
    pub(super) attempts: u32,
    /// The attempts that failed.
    pub(super) trail: Vec<Leg>,
    /// Which groups it has been to.
    pub(super) course: Course,
    /// The prompt, once it was counted.
    pub(super) prompt_tokens: std::sync::OnceLock<u64>,
    pub(super) current: Option<Current>,
    /// A second attempt beside the current one, and what came of it.
    pub(super) hedge: Hedge,
    pub(super) reply: Reply,
    /// Something of a stream was given to the client.
    pub(super) streamed: bool,
    /// Waited for the client's body: not our overhead.
    pub(super) body_wait: std::time::Duration,
    pub(super) first_dispatch: Option<Now>,
    /// What it came to, once the answer is whole.
    pub(super) settled_bill: Option<Bill>,
    pub(super) on_file: Option<OnFile>,
    /// Where it goes as it is, if it does.
    pub(super) pass: Option<Box<Pass>>,
    pub(super) closed: bool,
}

impl Opened {
    /// Plans an exchange from its body: reads it, resolves the model, checks access and reserves.
    ///
    /// # Errors
    /// The body is not a request, the model is not known or not allowed, or a limit or budget has no room.
    pub fn plan(self, body: Bytes, arrived: Now, now: Now) -> Result<Box<Planned>, Box<Refused>> {
        let Self { mut common, endpoint, path_model, path_stream, own_headers, pass, meant } = self;
        common.bytes_in = body.len() as u64;
        let limits = json::Limits::default();
        let read = match &pass {
            Some(pass) => pass.read(body, &common),
            None if endpoint.is_form() => {
                let kind = own_headers.iter().find(|(name, _)| name == http::header::CONTENT_TYPE);
                let kind = kind.map_or(&[] as &[u8], |(_, value)| value.as_bytes());
                Request::in_form(endpoint, body, kind, path_model.as_deref())
            }
            None => Request::read_within(&limits, endpoint, body, path_model.as_deref(), path_stream),
        };
        let request = match read {
            Ok(request) => request,
            Err(fault) => return Err(Refused::new(common, fault)),
        };
        let world = common.world.clone();
        if pass.is_none()
            && let Err(fault) = common.choose_team(&request.model)
        {
            return Err(Refused::new(common, fault));
        }
        let resolved = match (&pass, meant) {
            (Some(pass), _) => {
                Ok(Meant { group: pass.group(), captured: pass.captured(&request), target: Box::from("") })
            }
            (None, Some(meant)) => Ok(meant),
            (None, None) => resolve(&world, &common, &request.model),
        };
        let resolved = match resolved {
            Ok(resolved) => resolved,
            Err(fault) => return Err(Refused::new(common, fault)),
        };
        if let Err(fault) = check_fallbacks(&world, &common, &request) {
            return Err(Refused::new(common, fault));
        }
        let open = world.unless_off(&common, &request, resolved, pass.is_some(), now);
        let (resolved, instead) = match open {
            Ok(open) => open,
            Err(fault) => return Err(Refused::new(common, fault)),
        };
        common.target = Target::Group(u32::try_from(resolved.group.index).unwrap_or(u32::MAX));
        if let Err(fault) = common.meet(&request, &resolved, now) {
            return Err(Refused::new(common, fault));
        }
        let tpm = common.caller.as_ref().and_then(Caller::key).and_then(|key| key.limits.tokens_limit());
        let tokens = estimate::for_limits(&request, tpm);
        let permit = match take_limits(&common, &request, &resolved.group, tokens, now) {
            Ok(permit) => permit,
            Err(denied) => return Err(rate_limited(common, &denied)),
        };
        let mut planned = Planned {
            common,
            request,
            group: resolved.group,
            captured: resolved.captured,
            own_headers,
            tokens,
            permit,
            hold: None,
            unlent: None,
            output_cap: None,
            tried: Tried::default(),
            attempts: 0,
            trail: Vec::new(),
            course: Course::of(&resolved.target, instead),
            prompt_tokens: std::sync::OnceLock::new(),
            current: None,
            hedge: Hedge::default(),
            reply: Reply::Waiting,
            streamed: false,
            body_wait: now.since(arrived),
            first_dispatch: None,
            settled_bill: None,
            on_file: None,
            pass,
            closed: false,
        };
        match planned.reserve(now) {
            Ok(()) => Ok(Box::new(planned)),
            Err(fault) => Err(planned.refuse(fault)),
        }
    }
}

/// What a name stands for.
pub(super) struct Meant {
    pub(super) group: Arc<Group>,
    pub(super) captured: Option<Box<str>>,
    /// The name after aliases.
    pub(super) target: Box<str>,
}

/// The client's own fallbacks: models it may use.
fn check_fallbacks(world: &World, common: &Common, request: &Request) -> Result<(), Fault> {
    for name in request.wishes.fallbacks.iter().flatten() {
        resolve(world, common, name).map_err(|fault| fault.param("fallbacks"))?;
    }
    Ok(())
}

/// What a name in the configuration means. The operator wrote it: nobody's access is checked.
pub(super) fn resolve_configured(world: &World, name: &ModelName) -> Option<Meant> {
    let target = world.table.alias(name.as_str()).map_or(name.as_str(), |alias| alias.target.as_str());
    let resolved = world.table.resolve(target)?;
    let captured = resolved.captured.map(Box::from);
    Some(Meant { group: resolved.group.clone(), captured, target: target.into() })
}

/// The group a name means for this caller. Access is held against what was asked for and what it resolves to; an alias
/// opens only what it is itself allowed to open.
pub(super) fn resolve(world: &World, common: &Common, asked: &ModelName) -> Result<Meant, Fault> {
    let standing = common.caller.as_ref().and_then(Caller::standing);
    let own = standing.and_then(|standing| standing.alias_for(asked));
    let meant = own.map_or(asked.as_str(), ModelName::as_str);
    let target = world.table.alias(meant).map_or(meant, |alias| alias.target.as_str());
    let resolved = world.table.resolve(target);
    if let Some(standing) = standing {
        let group = resolved.map_or(target, |resolved| &resolved.group.name);
        let key = &standing.key;
        // What the key's or the team's alias means was allowed by whoever wrote it.
        if own.is_none() && !(key.access.allows(asked.as_str()) || key.access.allows(target)) {
            key.access.check(asked.as_str(), group)?;
        }
        let of_team = |party: &Party| own.is_some() && party.alias_for(asked) == own;
        for party in standing.parties.iter().filter(|party| !of_team(party)) {
            party_allows(party, asked, target, group)?;
        }
    }
    let resolved = resolved.ok_or_else(|| unknown_model(asked))?;
    let captured = resolved.captured.map(Box::from);
    Ok(Meant { group: resolved.group.clone(), captured, target: target.into() })
}

fn party_allows(party: &Party, asked: &ModelName, target: &str, group: &str) -> Result<(), Fault> {
    let allowed = [asked.as_str(), target, group].iter().any(|name| party.access.allows(name));
    if allowed { Ok(()) } else { Err(party.not_allowed(asked.as_str())) }
}

fn unknown_model(asked: &ModelName) -> Fault {
    let text = format!(
        "litellm.BadRequestError: You passed in model={asked}. There are no healthy deployments for this model. \
         Call `/v1/models` to view available models for your key."
    );
    Fault::client(Kind::UnknownModel, text).param("model")
}

fn take_limits(
    common: &Common,
    request: &Request,
    group: &Group,
    tokens: u64,
    now: Now,
) -> Result<Permit, Box<Denied>> {
    let standing = common.caller.as_ref().and_then(Caller::standing);
    if standing.is_none() && common.others.is_empty() {
        return Ok(Permit::default());
    }
    let ask = Ask { requested: request.model.as_str(), group: &group.name, tokens };
    caller::admit(standing.map(|standing| &**standing), &common.others, &ask, now).map_err(Box::new)
}

fn rate_limited(common: Common, denied: &Denied) -> Box<Refused> {
    let mut refused = Refused::new(common, denied.fault());
    refused.headers.push(("rate_limit_type", denied.limit_type.as_str().to_owned()));
    refused.headers.push(("reset_at", denied.reset_at()));
    refused
}

impl Planned {
    /// What it took of the limits of everybody.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// All that it took of limits until now: of everybody's, of models that it went on to, of the deployment that is asked.
    pub fn permits(&self) -> impl Iterator<Item = &Permit> {
        let of_deployment = self.current.as_ref().and_then(|current| current.permit.as_ref());
        std::iter::once(&self.permit).chain(self.course.permits()).chain(of_deployment)
    }
}

impl Common {
    /// The accounts that a request for this model spends from: everything that passes counts in the global one.
    fn accounts(&self, requested: &str, group: &str) -> SmallVec<[AccountId; 4]> {
        let names = [requested, group];
        let mut accounts: SmallVec<[AccountId; 4]> = match self.caller.as_ref().and_then(Caller::standing) {
            Some(standing) => {
                let of_parties = standing.parties.iter().flat_map(|party| party.accounts.of_model(names));
                standing.accounts.of_model(names).chain(of_parties).collect()
            }
            None => SmallVec::from_slice(&[AccountId::Global]),
        };
        accounts.extend(self.others.iter().flat_map(|party| party.accounts.of_model(names)));
        accounts
    }

    /// Whom the key spends for, and whom the request names: a customer, tags.
    fn on_behalf_of(&self, request: &Request) -> Option<Arc<Behalf>> {
        let of_key = self.caller.as_ref().and_then(Caller::standing).and_then(|standing| standing.behalf.as_ref());
        let of_token = self.caller.as_ref().and_then(Caller::customer);
        let named = of_token.or(self.wishes.customer.as_deref()).or(request.user.as_deref());
        let customer = named.filter(|id| !id.is_empty());
        let mut tags = request.tags.iter().chain(&self.wishes.tags).peekable();
        if customer.is_none() && tags.peek().is_none() {
            return of_key.cloned();
        }
        let mut behalf = of_key.map(|behalf| Behalf::clone(behalf)).unwrap_or_default();
        behalf.customer = customer.map(Arc::from);
        tags.for_each(|tag| behalf.tag(tag));
        Some(behalf.into())
    }

    /// Looks whom the request names beside its key: a customer, tags. Where nobody is on record there is nobody to meet.
    fn meet(&mut self, request: &Request, meant: &Meant, now: Now) -> Result<(), Fault> {
        self.caller.as_ref().and_then(Caller::standing).map_or(Ok(()), |standing| standing.enforce(request))?;
        self.behalf = self.on_behalf_of(request);
        let Some(behalf) = &self.behalf else { return Ok(()) };
        let (world, live) = (&self.world, &self.world.around.live.parties);
        let roster = &world.around.roster;
        if let Some(id) = behalf.customer.as_deref()
            && (!roster.customers.is_empty() || world.settings.customer_budget.is_some())
            && let Some(customer) = live.find(world, Whose::Customer(id), now)?
        {
            customer.check()?;
            party_allows(&customer, &request.model, &meant.target, &meant.group.name)?;
            self.others.push(customer);
        }
        if !roster.tags.is_empty() || !world.settings.tag_budgets.is_empty() {
            for tag in &behalf.tags {
                self.others.extend(live.find(world, Whose::Tag(tag), now)?);
            }
        }
        Ok(())
    }

    /// How the limits of everybody stand.
    pub(super) fn snapshots<'a>(
        &'a self,
        requested: &'a str,
        group: &'a str,
        now: Now,
    ) -> impl Iterator<Item = Snapshot> + 'a {
        let standing = self.caller.as_ref().and_then(Caller::standing).map(|standing| &**standing);
        caller::snapshots(standing, &self.others, (requested, group), now)
    }
}

impl Planned {
    /// The exchange's id.
    pub fn id(&self) -> &str {
        &self.common.id
    }

    /// The configuration it runs under.
    pub fn world(&self) -> &Arc<World> {
        &self.common.world
    }

    /// Whether the client asked for a stream.
    pub fn wants_stream(&self) -> bool {
        self.request.stream
    }

    /// Whether the stream is one JSON array, not events.
    pub fn streams_array(&self) -> bool {
        self.request.stream && self.request.array
    }

    /// What of the request could not be said to the provider, by name.
    pub fn dropped(&self) -> &[String] {
        self.current.as_ref().map_or(&[], |current| current.dropped.as_slice())
    }

    /// The client's id for it, or ours.
    pub fn request_id(&self) -> &str {
        self.common.request_id()
    }

    /// The model as the client named it.
    pub fn model(&self) -> &str {
        self.request.model.as_str()
    }

    /// How many attempts were made.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The deployment of the current attempt.
    pub fn deployment(&self) -> Option<&Deployment> {
        self.current.as_ref().map(|current| &self.common.world.deployments[current.deployment])
    }

    /// How the caller's limits stand, as headers.
    pub fn limits(&self, now: Now, out: &mut dyn FnMut(&'static HeaderName, &str)) {
        policy::headers(self.common.snapshots(self.request.model.as_str(), &self.group.name, now), out);
    }

    /// What the caller's key has spent in its window, this exchange included.
    pub fn key_spend(&self, now: Now) -> Option<PicoUsd> {
        let standing = self.common.caller.as_ref().and_then(Caller::standing)?;
        let statement = standing.statement(&self.common.world.around.ledger, now)?;
        Some(statement.spent.plus(self.bill().cost))
    }

    /// Time since the head arrived.
    pub fn elapsed(&self, now: Now) -> std::time::Duration {
        now.since(self.common.began)
    }

    /// Ends an exchange that was not sent: what was reserved is given back.
    pub(super) fn refuse(mut self, fault: Fault) -> Box<Refused> {
        self.closed = true;
        let common = self.common.hand_over();
        if let Some(hold) = self.hold.take() {
            hold.void();
        }
        Refused::new(common, fault)
    }

    /// Holds the most this request can cost on any deployment of its group. Far from the limit a bound by length will do;
    /// near it the prompt is counted, and an answer whose length the client left open is bounded to what can be paid.
    ///
    /// Where this process must be lent money first, nothing is held yet, and it is put off: see [`Planned::borrow`].
    pub(super) fn reserve(&mut self, now: Now) -> Result<(), Fault> {
        match self.try_reserve(now) {
            Ok(hold) => (self.hold, self.unlent) = (Some(hold), None),
            Err(Short::Refused(Refusal::Unlent(needs))) => self.put_off(needs, now),
            Err(Short::Refused(refusal)) => return Err(refusal.into()),
            Err(Short::Fault(fault)) => return Err(fault),
        }
        Ok(())
    }

    fn try_reserve(&mut self, now: Now) -> Result<Hold, Short> {
        let world = self.common.world.clone();
        let accounts = &*self.common.accounts(self.request.model.as_str(), &self.group.name);
        if let Some(most) = self.opaque_worst_case()? {
            return Ok(self.hold(accounts, most, now)?);
        }
        let offers = self.offers(&world, &self.group, self.captured.as_deref())?;
        let demand = self.demand(self.prompt_by_length());
        let refusal = match self.hold(accounts, offers.worst_case(&demand), now) {
            Ok(hold) => return Ok(hold),
            Err(unknown @ (Refusal::Unkept(_) | Refusal::Unlent(_))) => return Err(unknown.into()),
            Err(refusal) => refusal,
        };
        if self.request.form.is_some() {
            return Err(refusal.into());
        }
        let demand = self.counted_demand(&demand);
        match self.hold(accounts, offers.worst_case(&demand), now) {
            Ok(hold) => return Ok(hold),
            Err(unlent @ Refusal::Unlent(_)) => return Err(unlent.into()),
            Err(_) => {}
        }
        // What is passed on as it is cannot be given a bound.
        if self.request.max_tokens().is_some() || !self.request.endpoint.writes() || self.passes() {
            return Err(refusal.into());
        }
        let left = world.around.ledger.affordable(accounts, now);
        let Some(bound) = offers.affordable_bound(&demand, left) else { return Err(refusal.into()) };
        let hold = self.hold(accounts, offers.worst_case_bounded(&demand, bound), now)?;
        self.output_cap = Some(bound);
        Ok(hold)
    }

    fn hold(&self, accounts: &[AccountId], amount: PicoUsd, now: Now) -> Result<Hold, Refusal> {
        let world = &self.common.world;
        if self.unlent.as_ref().is_some_and(|unlent| unlent.gave_up(amount)) {
            return world.around.ledger.reserve_lent(&asks(accounts, amount), now);
        }
        hold(world, accounts, amount, now)
    }

    /// Tokens that the prompt has at most.
    pub(super) fn prompt_by_length(&self) -> u64 {
        let bytes = self.request.body.len() as u64;
        match &self.request.form {
            Some(_) => FORM_TOKENS + bytes / FORM_BYTES_PER_TOKEN,
            None => bytes,
        }
    }

    /// What every deployment of a group may answer, and for how much.
    pub(super) fn offers(&self, world: &World, group: &Group, captured: Option<&str>) -> Result<Offers, Fault> {
        self.offers_of(world, group.members.iter().map(|member| member.deployment), captured)
    }

    /// What these deployments may answer.
    pub(super) fn offers_of(
        &self,
        world: &World,
        deployments: impl IntoIterator<Item = usize>,
        captured: Option<&str>,
    ) -> Result<Offers, Fault> {
        let mut offers = Offers::default();
        if self.request.endpoint.is_count() {
            return Ok(offers);
        }
        for index in deployments {
            let deployment = &world.deployments[index];
            let model = deployment.upstream_model(captured);
            let drawn = world.drawn_price(index, &model, &self.request);
            let price = world.price(index, &model).filter(|price| price.is_known());
            match (price, drawn) {
                (Some(price), None) | (None, Some(price)) => offers.add(&self.request, deployment, price),
                (Some(price), Some(drawn)) => {
                    offers.add(&self.request, deployment, price);
                    offers.add(&self.request, deployment, drawn);
                }
                (None, None) if world.settings.unknown_price == UnknownPrice::Refuse => {
                    return Err(unknown_price(&self.request.model));
                }
                (None, None) => {}
            }
        }
        Ok(offers)
    }

    /// The answer's side is each deployment's own.
    pub(super) fn demand(&self, prompt: u64) -> Demand {
        Demand { prompt, completion: 0, tier: self.tier(), media: Media::Mixed, units: units::most(&self.request) }
    }

    /// The service tier that the client asked for.
    pub(super) fn tier(&self) -> ServiceTier {
        let body = &self.request.body[..];
        let member = self.request.document.find(body, "service_tier");
        let text = member.and_then(|member| json::as_str(self.request.document.members[member].value.of(body)));
        text.map_or(ServiceTier::Standard, |text| ServiceTier::parse(&text))
    }
}

/// Why nothing was reserved.
enum Short {
    Refused(Refusal),
    Fault(Fault),
}

impl From<Refusal> for Short {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Fault> for Short {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Whether a body may hold audio or images.
pub(super) fn media(body: &[u8]) -> Media {
    let has = |part: &str| memchr::memmem::find(body, part.as_bytes()).is_some();
    let media = ["input_audio", "image_url", "input_image", "inlineData", "inline_data", "fileData", "\"source\""];
    if media.into_iter().any(has) { Media::Mixed } else { Media::Text }
}

fn unknown_price(model: &ModelName) -> Fault {
    let text =
        format!("no price is known for model {model}: requests for it are refused (general_settings.unknown_price)");
    Fault::client(Kind::PriceUnknown, text).param("model")
}

pub(super) fn hold(world: &World, accounts: &[AccountId], amount: PicoUsd, now: Now) -> Result<Hold, Refusal> {
    world.around.ledger.reserve(&asks(accounts, amount), now)
}

fn asks(accounts: &[AccountId], amount: PicoUsd) -> SmallVec<[(AccountId, PicoUsd); 2]> {
    accounts.iter().map(|account| (*account, amount)).collect()
}
