//! What is passed on to a provider as it is: bytes in, bytes out, our key exchanged for the provider's. Known calls are
//! metered on a copy of the bytes; the rest has a receipt without a price.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Uri};

use super::caller::Caller;
use super::enter::{Common, Head};
use super::interpret::{self, Interpreted, Unframed};
use super::party::Party;
use super::plan::Planned;
use super::reply::{EVENT_BYTES_MAX, Finished, Reply, Treatment, UpstreamHead, too_long};
use super::way::{Spoken, Way};
use super::{Bill, Deployment, World};
use crate::chat::Produced;
use crate::config::{PassThrough, UnknownPrice};
use crate::dialect::openai::{JsonReply, Request, StreamOptions, StreamReply};
use crate::dialect::{self, Endpoint, PassCall, PassForm, PassTo, Passed, Relay, RelayOptions, StreamEnd};
use crate::json::Segments;
use crate::policy::Access;
use crate::provider::{Call, Carry};
use crate::routing::Group;
use crate::vocabulary::{Fault, Kind, Metered, ModelName, Now, PicoUsd};

/// Headers of a client's that a provider gets. None of them carries a credential, names who pays, or frames the body.
const HEADERS: [&str; 24] = [
    "accept",
    "anthropic-beta",
    "anthropic-version",
    "content-type",
    "idempotency-key",
    "openai-beta",
    "x-amzn-bedrock-accept",
    "x-amzn-bedrock-guardrailidentifier",
    "x-amzn-bedrock-guardrailversion",
    "x-amzn-bedrock-performanceconfig-latency",
    "x-amzn-bedrock-trace",
    "x-goog-api-client",
    "x-goog-fieldmask",
    "x-goog-field-mask",
    "x-goog-request-params",
    "x-goog-upload-chunk-size",
    "x-goog-upload-command",
    "x-goog-upload-content-length",
    "x-goog-upload-content-type",
    "x-goog-upload-file-name",
    "x-goog-upload-header-content-length",
    "x-goog-upload-header-content-type",
    "x-goog-upload-offset",
    "x-goog-upload-protocol",
];

/// What is held for a request without a price: a budget that is spent has not even that.
const LEAST: PicoUsd = PicoUsd(1);

/// Where a request goes as it is, and how it is metered.
pub(super) struct Pass {
    to: Option<PassTo>,
    group: Arc<Group>,
    method: Method,
    path: Uri,
    /// The call it is, where its usage can be read.
    call: Option<PassCall>,
    /// What it costs, where the configuration says.
    cost: Option<PicoUsd>,
    /// Whether any key may use it that may use the deployment.
    open: bool,
}

impl Pass {
    /// A request below a provider's prefix.
    ///
    /// # Errors
    /// The provider is not configured.
    pub(super) fn below_prefix(world: &World, head: &Head<'_>, passed: Passed) -> Result<Self, Fault> {
        let index =
            world.deployments.iter().position(|known| known.hidden && *known.settings.provider == *passed.to.name());
        let Some((index, deployment)) = index.and_then(|index| Some((index, world.deployments.get(index)?))) else {
            return Err(no_deployment(passed.to));
        };
        let joined = deployment.target.join(&passed.path);
        let path = with_query(joined, head.query, &deployment.target.query)?;
        let name: Arc<str> = deployment.settings.model_name.clone();
        let group = Group::of_one(name, world.table.groups().len(), index);
        Ok(Self {
            to: Some(passed.to),
            group: Arc::new(group),
            method: method(head)?,
            path,
            call: passed.call,
            cost: None,
            open: false,
        })
    }

    /// A request that `pass_through_endpoints` covers, and whether it needs a key. None: it covers none such.
    ///
    /// # Errors
    /// The method is not allowed there, or the path is not safe.
    pub(super) fn configured(world: &World, head: &Head<'_>) -> Option<Result<(Self, bool), Fault>> {
        let entries = world.settings.pass_through_endpoints.iter().zip(&world.endpoints);
        let covering = entries.filter_map(|(entry, index)| {
            let below = head.path.strip_prefix(entry.path.as_str())?;
            let covered = below.is_empty() || (entry.include_subpath && below.starts_with('/'));
            covered.then_some((entry, *index, below))
        });
        let (entry, index, below) = covering.max_by_key(|(entry, ..)| entry.path.len())?;
        Some(Self::covered(world, head, entry, index, below).map(|pass| (pass, entry.auth)))
    }

    fn covered(world: &World, head: &Head<'_>, entry: &PassThrough, index: usize, below: &str) -> Result<Self, Fault> {
        let usual = matches!(head.method, "GET" | "POST" | "PUT" | "PATCH" | "DELETE");
        if !usual || !(entry.methods.is_empty() || entry.methods.iter().any(|method| method == head.method)) {
            let methods =
                if entry.methods.is_empty() { dialect::PASS_METHODS.to_owned() } else { entry.methods.join(", ") };
            return Err(Fault::client(Kind::MethodNotAllowed, "Method Not Allowed on this path").allow(methods));
        }
        if !matches!(below, "" | "/") && !dialect::is_safe(below, false) {
            return Err(Fault::client(Kind::BadRequest, "the path could be read in two ways").param("path"));
        }
        let Some(deployment) = world.deployments.get(index) else {
            return Err(Fault::ours(Kind::Internal, "an endpoint without a deployment"));
        };
        let path = match format!("{}{below}", deployment.target.base_path) {
            path if path.is_empty() => "/".to_owned(),
            path => path,
        };
        let name = deployment.settings.model_name.clone();
        Ok(Self {
            to: None,
            group: Arc::new(Group::of_one(name, world.table.groups().len(), index)),
            method: method(head)?,
            path: with_query(path, head.query, &deployment.target.query)?,
            call: None,
            cost: entry.cost,
            open: !entry.auth,
        })
    }

    /// A request about a stored response, for the first deployment that the caller may use and whose provider stores them.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn stored(world: &World, head: &Head<'_>, common: &Common, rest: &str) -> Result<Self, Fault> {
        let asked = head.query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("model=")));
        let asked = asked.and_then(dialect::decoded_name);
        let caller = common.caller.as_ref();
        let stores = |deployment: &Deployment| {
            deployment.settings.mock_response.is_none()
                && deployment.provider.carry(Endpoint::Responses, &deployment.settings.model).is_some()
        };
        let found = world.deployments.iter().enumerate().find(|(_, deployment)| {
            let name = &*deployment.settings.model_name;
            !deployment.hidden
                && stores(deployment)
                && asked.as_ref().is_none_or(|asked| asked == name)
                && caller.is_none_or(|caller| caller.may_name(&[name]))
        });
        let Some((index, deployment)) = found else {
            let text = "no deployment that this key may use stores responses (OpenAI, Azure and others with /v1/responses): \
                        name one with ?model=";
            return Err(Fault::client(Kind::NotFound, text).param("model"));
        };
        let call = Call { endpoint: Endpoint::Responses, model: &deployment.settings.model, stream: false };
        let whole = deployment.provider.path(&deployment.target, &call);
        let (base, own) = whole.split_once('?').map_or((whole.as_str(), String::new()), |(b, q)| (b, format!("?{q}")));
        let query = head
            .query
            .map(|query| query.split('&').filter(|pair| !pair.starts_with("model=")).collect::<Vec<_>>().join("&"));
        let path = with_query(format!("{base}{rest}"), query.as_deref(), &own)?;
        let group = Group::of_one(deployment.settings.model_name.clone(), world.table.groups().len(), index);
        Ok(Self { to: None, group: Arc::new(group), method: method(head)?, path, call: None, cost: None, open: true })
    }

    /// The call in whose dialect errors are told.
    pub(super) fn errors(&self) -> Endpoint {
        match (&self.call, self.to) {
            (Some(call), _) if call.form == PassForm::Own => call.endpoint,
            (_, Some(to)) => to.errors(),
            (_, None) => Endpoint::PassThrough,
        }
    }

    /// Whether the request may change something, or cost something.
    fn acts(&self) -> bool {
        !matches!(self.method, Method::GET | Method::DELETE)
    }
}

/// The client's headers that a provider gets.
pub(super) fn headers(head: &Head<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let own = |name: &'static str| {
        let value = (head.header)(name).filter(|value| value.len() <= 4096)?;
        Some((HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?))
    };
    HEADERS.into_iter().filter_map(own).collect()
}

fn method(head: &Head<'_>) -> Result<Method, Fault> {
    Method::from_bytes(head.method.as_bytes())
        .map_err(|_| Fault::client(Kind::MethodNotAllowed, "Method Not Allowed: this is no method"))
}

fn no_deployment(to: PassTo) -> Fault {
    let name = to.name();
    let variables = crate::provider::find(name).map_or(&[] as &[&str], |provider| provider.key_env());
    let text = format!(
        "/{name} is not configured: add a deployment of {name} with a credential to model_list, or set {}",
        variables.join(" or ")
    );
    Fault::client(Kind::NotFound, text).param("path")
}

/// Path and query: the client's without its key, and what the deployment adds.
fn with_query(mut path: String, query: Option<&str>, own: &str) -> Result<Uri, Fault> {
    let name = |pair: &str| decoded(pair.split('=').next().unwrap_or_default());
    let pairs: Vec<&str> = query.into_iter().flat_map(|query| query.split('&')).collect();
    let kept: Vec<&str> = pairs.into_iter().filter(|pair| !pair.is_empty() && name(pair) != b"key").collect();
    // The newer surface of Azure has no dated version.
    let own = if path.contains("/openai/v1/") { "" } else { own.trim_start_matches('?') };
    let added = own.split('&').filter(|pair| !pair.is_empty() && !kept.iter().any(|have| name(have) == name(pair)));
    for (index, pair) in kept.iter().copied().chain(added).enumerate() {
        path.push(if index == 0 { '?' } else { '&' });
        path.push_str(pair);
    }
    path.parse()
        .map_err(|_| Fault::client(Kind::BadRequest, "the path or its query is not one of HTTP's").param("path"))
}

/// Percent-decoded; what is broken stays as it is.
pub(super) fn decoded(text: &str) -> Vec<u8> {
    let hex = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        match (first, hex(after.first().copied()), hex(after.get(1).copied())) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high << 4 | low).unwrap_or(b'%'));
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(first);
                rest = after;
            }
        }
    }
    out
}

impl Pass {
    /// Reads a passed request: its model and its bounds, or nothing. Then access: the model's name or `provider/model` must
    /// be on the key's list; what has no model is for keys without a list.
    ///
    /// # Errors
    /// It cannot be read as the call that it is, or the key may not make it.
    pub(super) fn read(&self, body: Bytes, common: &Common) -> Result<Request, Fault> {
        let request = match &self.call {
            Some(call) => {
                let foreign = call.form != PassForm::Own;
                Request::passed(call.endpoint, body, call.model.as_deref(), call.stream, foreign)?
            }
            None => {
                let unnamed = |_| Fault::ours(Kind::Internal, "a group without a name");
                Request::opaque(ModelName::parse(&self.group.name).map_err(unnamed)?, body)
            }
        };
        self.check(common, &request.model)?;
        Ok(request)
    }

    fn check(&self, common: &Common, model: &ModelName) -> Result<(), Fault> {
        let Some(standing) = common.caller.as_ref().and_then(Caller::standing) else { return Ok(()) };
        let key = &standing.key;
        match (&self.call, self.to) {
            (Some(_), Some(to)) => {
                let whole = format!("{}/{model}", to.name());
                key.access.check(model.as_str(), &whole)?;
                let denies = |party: &&std::sync::Arc<Party>| {
                    !(party.access.allows(model.as_str()) || party.access.allows(&whole))
                };
                standing.parties.iter().find(denies).map_or(Ok(()), |party| Err(party.not_allowed(model.as_str())))
            }
            _ if self.open => Ok(()),
            _ if key.access == Access::All && standing.parties.iter().all(|party| party.access == Access::All) => {
                Ok(())
            }
            _ => {
                let text = "This key is restricted to certain models: below a provider's prefix it may use calls to these \
                            models, but no other path.";
                Err(Fault::client(Kind::ModelNotAllowed, text).param("path"))
            }
        }
    }

    /// Who is asked.
    pub(super) fn group(&self) -> Arc<Group> {
        self.group.clone()
    }

    /// What stands for the star of the hidden deployment: the model itself.
    pub(super) fn captured(&self, request: &Request) -> Option<Box<str>> {
        self.call.as_ref().map(|_| request.model.as_str().into())
    }
}

/// An answer that is passed on, and what was read of it.
pub(super) struct Passing {
    fault: Option<Fault>,
    bytes: u64,
    held: Option<Segments>,
    meter: Meter,
    read: (Metered, Produced),
}

enum Meter {
    /// Nothing to read, or it cannot be read on.
    None,
    /// A whole answer in a dialect of ours.
    Json(Box<JsonReply>),
    /// A whole answer in the provider's form, which [`Passing::held`] has.
    Foreign,
    /// A stream.
    Stream(Box<dyn Relay>),
}

impl Passing {
    /// An answer of which nothing is read.
    pub(super) fn unread() -> Self {
        Self { fault: None, bytes: 0, held: None, meter: Meter::None, read: (Metered::Absent, Produced::default()) }
    }

    /// The provider's refusal.
    pub(super) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// Whether the provider gave anything but an error.
    pub(super) fn streamed(&self) -> bool {
        self.fault.is_none() && self.bytes > 0
    }

    /// What was used; None: nothing, because the provider refused.
    pub(super) fn used(&self) -> Option<(Metered, &Produced)> {
        match &self.meter {
            _ if self.fault.is_some() => None,
            Meter::Stream(stream) => Some((stream.metered(), stream.produced())),
            _ => Some((self.read.0, &self.read.1)),
        }
    }

    fn note(&mut self, chunk: &Bytes, most: usize) -> Result<(), Fault> {
        self.bytes += chunk.len() as u64;
        if let Some(held) = &mut self.held {
            if held.len + chunk.len() > most {
                return Err(too_long());
            }
            held.push(chunk.clone());
        }
        let readable = match &mut self.meter {
            Meter::Json(reply) => reply.push(chunk.clone()).is_ok(),
            Meter::Stream(stream) => {
                let mut unseen = Vec::new();
                if let Err(broken) = stream.push(chunk.clone(), &mut unseen) {
                    // What was read before counts; the client's copy is whole all the same.
                    log::debug!("a passed stream cannot be metered on: {broken:?}");
                    self.read = (stream.metered(), stream.produced().clone());
                    false
                } else {
                    true
                }
            }
            Meter::None | Meter::Foreign => true,
        };
        if !readable {
            self.meter = Meter::None;
        }
        Ok(())
    }
}

impl Planned {
    /// The request as it is passed on.
    pub(super) fn speak_passed(&self, deployment: &Deployment, pass: &Pass) -> Spoken {
        let body = match self.request.body.is_empty() {
            true => Segments::default(),
            false => Segments::whole(self.request.body.clone()),
        };
        let headers = self.own_headers(deployment, &Carry::PLAIN);
        Spoken { headers, ..Spoken::of(Way::Passed, pass.path.clone(), body) }
    }

    /// The method of the request to the provider.
    pub fn method(&self) -> Method {
        self.pass.as_ref().map_or(Method::POST, |pass| pass.method.clone())
    }

    /// Whether request and answer pass as they are.
    pub(super) fn passes(&self) -> bool {
        self.pass.is_some()
    }

    /// Whether the answer passes as it is.
    pub fn answer_passes(&self) -> bool {
        matches!(self.reply, Reply::Passed(_))
    }

    /// The call in whose dialect errors are told.
    pub(super) fn told_in(&self) -> Endpoint {
        self.pass.as_ref().map_or(self.request.endpoint, |pass| pass.errors())
    }

    /// What a request without a model may cost at most, where this is one. Never nothing: a spent budget refuses it.
    ///
    /// # Errors
    /// The configuration refuses what has no price.
    pub(super) fn opaque_worst_case(&self) -> Result<Option<PicoUsd>, Fault> {
        let Some(pass) = self.pass.as_ref().filter(|pass| pass.call.is_none()) else { return Ok(None) };
        if pass.cost.is_none() && pass.acts() && self.common.world.settings.unknown_price == UnknownPrice::Refuse {
            let text = "no price is known for this path: requests that may cost something are refused \
                        (general_settings.unknown_price)";
            return Err(Fault::client(Kind::PriceUnknown, text).param("path"));
        }
        Ok(Some(pass.cost.unwrap_or(PicoUsd::ZERO).max(LEAST)))
    }

    /// The bill of a request without a model.
    pub(super) fn opaque_bill(&self) -> Option<Bill> {
        let pass = self.pass.as_ref().filter(|pass| pass.call.is_none())?;
        let answered = self.reply.streamed();
        let cost = pass.cost.filter(|_| answered).unwrap_or(PicoUsd::ZERO);
        Some(Bill { usage: Metered::Absent, cost, input_cost: cost, price_known: pass.cost.is_some() })
    }

    /// Takes the head of an answer that is passed on.
    pub(super) fn accept_passed(&mut self, head: &UpstreamHead<'_>, now: Now) -> Treatment {
        let fault = (!(200..=399).contains(&head.status)).then(|| {
            let mut fault = self.upstream_fault(head.status, None);
            fault.retry_after = head.retry_after;
            fault
        });
        let kind = head.content_type.map(|kind| kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase());
        let meter = match &fault {
            Some(_) => Meter::None,
            None => self.meter(kind.as_deref().unwrap_or_default(), now),
        };
        let held = matches!(meter, Meter::Json(_) | Meter::Foreign).then(Segments::default);
        let treatment = if held.is_some() { Treatment::Hold } else { Treatment::Stream };
        let read = (Metered::Absent, Produced::default());
        self.reply = Reply::Passed(Box::new(Passing { fault, bytes: 0, held, meter, read }));
        treatment
    }

    fn meter(&self, kind: &str, now: Now) -> Meter {
        let Some(call) = self.pass.as_ref().and_then(|pass| pass.call.as_ref()) else { return Meter::None };
        let events = matches!(kind, "text/event-stream" | "application/vnd.amazon.eventstream");
        let is_json = kind == "application/json" || kind.is_empty();
        if events || (self.request.stream && self.request.array) {
            return self.stream_meter(call, kind, now).map_or(Meter::None, Meter::Stream);
        }
        match (is_json, call.form) {
            (false, _) => Meter::None,
            (true, PassForm::Foreign) => Meter::Foreign,
            (true, _) => Meter::Json(Box::new(JsonReply::new(call.endpoint, None))),
        }
    }

    fn stream_meter(&self, call: &PassCall, kind: &str, now: Now) -> Option<Box<dyn Relay>> {
        let own = dialect::of(call.endpoint)?;
        if call.form == PassForm::Foreign {
            let api = self.chat_api()?;
            return Some(Box::new(Interpreted::new(own, api, self.answer(now), false, EVENT_BYTES_MAX)));
        }
        let relay: Box<dyn Relay> = match call.endpoint.is_openai() {
            true => Box::new(StreamReply::new(StreamOptions {
                endpoint: call.endpoint,
                model_json: None,
                hide_usage: false,
                cut_null_usage: false,
                event_bytes_max: EVENT_BYTES_MAX,
                secrets: Vec::new(),
            })),
            false => own.relay(RelayOptions {
                event_bytes_max: EVENT_BYTES_MAX,
                array: self.request.array,
                ..RelayOptions::default()
            }),
        };
        Some(match kind {
            "application/vnd.amazon.eventstream" => Box::new(Unframed::new(relay, EVENT_BYTES_MAX)),
            _ => relay,
        })
    }

    /// Takes a piece of an answer that is passed on.
    pub(super) fn push_passed(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), Fault> {
        let most = self.common.world.settings.http.reply_bytes_max;
        let Reply::Passed(passing) = &mut self.reply else { return Ok(()) };
        passing.note(&chunk, most)?;
        if passing.held.is_none() {
            out.push(chunk);
        }
        Ok(())
    }

    /// Ends a stream that is passed on.
    pub(super) fn finish_passed_stream(&mut self) -> Option<Fault> {
        let Reply::Passed(passing) = &mut self.reply else { return None };
        if let Some(fault) = &passing.fault {
            return Some(fault.clone());
        }
        let Meter::Stream(stream) = &mut passing.meter else { return None };
        let end = stream.finish(&mut Vec::new());
        (end == StreamEnd::Truncated)
            .then(|| Fault::upstream(Kind::UpstreamCut, "the provider's stream broke off before its end"))
    }

    /// Ends a held answer that is passed on.
    pub(super) fn finish_passed(&mut self, mut passing: Box<Passing>) -> Finished {
        let held = passing.held.take().unwrap_or_default();
        match std::mem::replace(&mut passing.meter, Meter::None) {
            Meter::Json(reply) => {
                let done = reply.finish();
                passing.read = (done.metered, done.produced);
                if !matches!(done.metered, Metered::Reported(_))
                    && let Some(api) = self.chat_api()
                    && self.request.endpoint.writes()
                {
                    passing.read.1 = interpret::produced(api, &held.to_bytes());
                }
            }
            Meter::Foreign => passing.read = self.read_foreign(&held.to_bytes()),
            Meter::None | Meter::Stream(_) => {}
        }
        self.reply = Reply::Passed(passing);
        self.settle_bill();
        let mut parts = held.parts;
        self.mask(&mut parts);
        Finished { parts, fault: None }
    }

    /// What a whole answer in the provider's form says of its usage.
    fn read_foreign(&self, body: &[u8]) -> (Metered, Produced) {
        let model = self.request.model.as_str();
        let nothing = || (Metered::Absent, Produced::default());
        let endpoint = self.request.endpoint;
        if endpoint.chat().is_some() {
            return self.chat_api().map_or_else(nothing, |api| interpret::metered(api, body));
        }
        let api = self.deployment().and_then(|deployment| deployment.provider.call(endpoint, model));
        let read = api.and_then(|api| api.read(body, model, &self.request.body).ok());
        (read.map_or(Metered::Absent, |(_, metered)| metered), Produced::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_loses_our_key_and_nothing_else() {
        let joined = |query: &str, own: &str| with_query("/a".to_owned(), Some(query), own).unwrap().to_string();
        assert_eq!(joined("alt=sse&key=sk-1&x=1", ""), "/a?alt=sse&x=1");
        assert_eq!(joined("%6bey=sk-1", ""), "/a");
        assert_eq!(joined("k%65y=sk-1&monkey=2", "?api-version=1"), "/a?monkey=2&api-version=1");
        assert_eq!(joined("api-version=2", "?api-version=1"), "/a?api-version=2");
    }

    #[test]
    fn no_credential_is_among_the_headers_that_pass() {
        for name in ["authorization", "cookie", "x-api-key", "api-key", "x-goog-api-key", "x-litellm-api-key", "host"] {
            assert!(!HEADERS.contains(&name), "{name}");
        }
    }
}
