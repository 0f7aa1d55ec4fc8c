//! The door: route, key and address, before any byte of the body is read.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::caller::Caller;
use super::local::{self, LocalAnswer};
use super::party::Party;
use super::pass::{self, Pass};
use super::plan::Meant;
use super::way::BETA;
use super::wishes::Wishes;
use super::{Ending, World};
use crate::dialect::{self, Endpoint, PathStream, Route};
use crate::ledger::Behalf;
use crate::policy::{Presented, present};
use crate::telemetry::{self, KeyLabel, Target};
use crate::vocabulary::{Fault, Kind, Now};

/// What the core may know of a request before its body.
pub struct Head<'a> {
    /// The method, upper case.
    pub method: &'a str,
    /// The path, without its query.
    pub path: &'a str,
    /// The query, without its `?`.
    pub query: Option<&'a str>,
    /// A header's value by its lower-case name.
    pub header: &'a dyn Fn(&str) -> Option<&'a [u8]>,
    /// Where the request came from.
    pub client_ip: Option<IpAddr>,
    /// What the head says about the body's length.
    pub content_length: Option<u64>,
}

/// What became of a head.
pub enum Entry {
    /// Answered here, without a body or an upstream.
    Local(LocalAnswer),
    /// A call to a model: read its body.
    Call(Box<Opened>),
}

/// What all phases of an exchange share.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) world: Arc<World>,
    pub(super) id: String,
    pub(super) request_id: Option<String>,
    pub(super) began: Now,
    pub(super) endpoint: telemetry::Endpoint,
    /// The call, once the path is known to be one: errors are told in its dialect.
    pub(super) call: Option<Endpoint>,
    pub(super) caller: Option<Caller>,
    /// Whom the body named beside: a customer, tags.
    pub(super) others: SmallVec<[Arc<Party>; 2]>,
    /// Everybody it is for, as its receipt names them.
    pub(super) behalf: Option<Arc<Behalf>>,
    pub(super) key: KeyLabel,
    pub(super) target: Target,
    pub(super) client_ip: Option<IpAddr>,
    pub(super) bytes_in: u64,
    /// What the head asks of the gateway itself.
    pub(super) wishes: Wishes,
    /// Its record is written, or is another's to write.
    pub(super) closed: bool,
}

impl Common {
    pub(super) fn new(world: &Arc<World>, id: String, client_ip: Option<IpAddr>, now: Now) -> Self {
        Self {
            world: world.clone(),
            id,
            request_id: None,
            began: now,
            endpoint: telemetry::Endpoint::Other,
            call: None,
            caller: None,
            others: SmallVec::new(),
            behalf: None,
            key: KeyLabel::Unknown,
            target: Target::None,
            client_ip,
            bytes_in: 0,
            wishes: Wishes::default(),
            closed: false,
        }
    }

    /// The same exchange, for whoever closes it from here on.
    pub(super) fn hand_over(&mut self) -> Self {
        let heir = self.clone();
        self.closed = true;
        heir
    }

    /// Ends an exchange that needs no record: it was answered here.
    fn local(mut self, answer: LocalAnswer) -> Entry {
        self.closed = true;
        Entry::Local(answer)
    }

    pub(super) fn request_id(&self) -> &str {
        self.request_id.as_deref().unwrap_or(&self.id)
    }
}

/// An exchange whose head was let in.
pub struct Opened {
    pub(super) common: Common,
    pub(super) endpoint: Endpoint,
    pub(super) path_model: Option<String>,
    pub(super) path_stream: PathStream,
    pub(super) own_headers: Vec<(HeaderName, HeaderValue)>,
    /// Where it goes as it is, if it does.
    pub(super) pass: Option<Box<Pass>>,
    /// Where it goes whatever its model is called.
    pub(super) meant: Option<Meant>,
}

/// An exchange that was not let through: the fault to answer with, and what to close it by.
pub struct Refused {
    /// Why.
    pub fault: Fault,
    /// Extra headers for the answer: `rate_limit_type` and `reset_at`.
    pub headers: Vec<(&'static str, String)>,
    pub(super) common: Common,
}

impl fmt::Debug for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Refused").field("fault", &self.fault).finish_non_exhaustive()
    }
}

impl Refused {
    pub(super) fn new(common: Common, fault: Fault) -> Box<Self> {
        Box::new(Self { fault, headers: Vec::new(), common })
    }

    /// The exchange's id.
    pub fn id(&self) -> &str {
        &self.common.id
    }

    /// The client's id for it, or ours.
    pub fn request_id(&self) -> &str {
        self.common.request_id()
    }

    /// The error's body, in the client's dialect.
    pub fn told(&self, status: u16) -> Bytes {
        dialect::error(self.common.call, &self.fault, status, self.common.request_id())
    }

    /// Whether it is refused because there is no such path among those of calls, before anybody was asked for a key.
    pub fn is_unknown_path(&self) -> bool {
        self.fault.kind == Kind::NotFound && self.fault.param.is_none() && self.common.caller.is_none()
    }

    /// Lets it go without a record: it is answered elsewhere.
    pub fn forget(mut self) {
        self.common.closed = true;
    }

    /// Closes the exchange once its answer is written: the one record of it.
    pub fn close(mut self, status: u16, bytes_out: u64, ending: Ending, now: Now) {
        super::close::refused(&mut self.common, &self.fault, status, bytes_out, ending, now);
    }
}

impl Opened {
    /// Lets a head in, answers what is answered here, or refuses.
    ///
    /// # Errors
    /// No such route, no valid key, an address that is not allowed, or a body that is announced too large or encoded.
    pub fn enter(world: &Arc<World>, head: &Head<'_>, id: String, now: Now) -> Result<Entry, Box<Refused>> {
        let route = dialect::route(head.method, head.path, head.query);
        let mut common = Common::new(world, id, head.client_ip, now);
        common.request_id = text(head, "x-request-id");
        common.endpoint = label(&route);
        match &route {
            Route::Call { endpoint, .. } => common.call = Some(*endpoint),
            Route::Pass(passed) => common.call = Some(passed.to.errors()),
            _ => {}
        }
        if let Some(answer) = local::open_to_all(world, &route) {
            return Ok(common.local(answer));
        }
        if matches!(route, Route::Metrics) && local::metrics_are_open(world, head.client_ip) {
            return Ok(common.local(LocalAnswer::Metrics));
        }
        if matches!(route, Route::NotFound | Route::Pass(_))
            && let Some(covered) = Pass::configured(world, head)
        {
            return Self::covered(world, head, common, covered, now);
        }
        if let Err(fault) = no_such_route(&route) {
            return Err(Refused::new(common, fault));
        }
        let passes = matches!(route, Route::Pass(_) | Route::Stored(_));
        let admitted = admit(world, head, &mut common, now);
        let open = |common: &Common| match &route {
            Route::Call { .. } | Route::Pass(_) | Route::Stored(_) => world.check_door(common, passes, now),
            _ => Ok(()),
        };
        match admitted.and_then(|()| open(&common)) {
            Ok(()) => {}
            Err(fault) => return Err(Refused::new(common, fault)),
        }
        match route {
            Route::Call { endpoint, model, stream } => match announced(world, head)
                .and_then(|()| Wishes::read(head, world.settings.customer_header.as_deref()))
            {
                Ok(wishes) => {
                    common.wishes = wishes;
                    let own_headers = own_headers(endpoint, head);
                    let opened = Self {
                        common,
                        endpoint,
                        path_model: model,
                        path_stream: stream,
                        own_headers,
                        pass: None,
                        meant: None,
                    };
                    Ok(Entry::Call(Box::new(opened)))
                }
                Err(fault) => Err(Refused::new(common, fault)),
            },
            Route::Pass(passed) => {
                let pass = Pass::below_prefix(world, head, *passed);
                Self::passed(common, head, pass)
            }
            Route::Stored(rest) => {
                let pass = Pass::stored(world, head, &common, &rest);
                Self::passed(common, head, pass)
            }
            other => match local::for_callers(world, &other, common.caller.as_ref()) {
                Ok(answer) => Ok(common.local(answer)),
                Err(fault) => Err(Refused::new(common, fault)),
            },
        }
    }

    /// Lets in what `pass_through_endpoints` covers.
    fn covered(
        world: &Arc<World>,
        head: &Head<'_>,
        mut common: Common,
        covered: Result<(Pass, bool), Fault>,
        now: Now,
    ) -> Result<Entry, Box<Refused>> {
        common.endpoint = telemetry::Endpoint::PassThrough;
        common.call = Some(Endpoint::PassThrough);
        // Whoever may not call at all is not told what is there.
        let admitted = match covered.as_ref().is_ok_and(|(_, auth)| !auth) {
            true => Ok(()),
            false => admit(world, head, &mut common, now),
        };
        match admitted.and_then(|()| world.check_door(&common, true, now)) {
            Ok(()) => Self::passed(common, head, covered.map(|(pass, _)| pass)),
            Err(fault) => Err(Refused::new(common, fault)),
        }
    }

    /// Lets in what is passed on as it is.
    fn passed(common: Common, head: &Head<'_>, pass: Result<Pass, Fault>) -> Result<Entry, Box<Refused>> {
        let pass = match announced(&common.world, head).and(pass) {
            Ok(pass) => pass,
            Err(fault) => return Err(Refused::new(common, fault)),
        };
        Ok(Entry::Call(Box::new(Self {
            common,
            endpoint: Endpoint::PassThrough,
            path_model: None,
            path_stream: PathStream::Body,
            own_headers: pass::headers(head),
            pass: Some(Box::new(pass)),
            meant: None,
        })))
    }

    /// The exchange's id.
    pub fn id(&self) -> &str {
        &self.common.id
    }

    /// A request that is refused for its framing, before anything else is looked at.
    pub fn doubtful(world: &Arc<World>, id: String, client_ip: Option<IpAddr>, fault: Fault, now: Now) -> Box<Refused> {
        Refused::new(Common::new(world, id, client_ip, now), fault)
    }

    /// The configuration it runs under.
    pub fn world(&self) -> &Arc<World> {
        &self.common.world
    }

    /// Ends an exchange whose body did not come as it should.
    pub fn refuse(self, fault: Fault, bytes_in: u64) -> Box<Refused> {
        let mut common = self.common;
        common.bytes_in = bytes_in;
        Refused::new(common, fault)
    }
}

fn admit(world: &World, head: &Head<'_>, common: &mut Common, now: Now) -> Result<(), Fault> {
    if world.is_open() {
        // Nobody set up keys: serve refuses to listen on a public address then.
        common.caller = Some(Caller::Master);
        common.key = KeyLabel::Unknown;
        return Ok(());
    }
    let mut presented = present(head.header, world.settings.key_header.as_deref());
    if presented == Presented::Nothing
        && common.call.is_some_and(Endpoint::is_gemini)
        && let Some(key) = head.query.and_then(in_query)
    {
        presented = key;
    }
    let caller = match world.authenticate(&presented, address(world, head), now)? {
        Caller::Bearer(bearer) => {
            bearer.may_call(head.path, groups(common.endpoint))?;
            Caller::Bearer(bearer.in_team(head, now)?)
        }
        keyed => {
            keyed.standing().map_or(Ok(()), |standing| standing.may_call(head))?;
            keyed
        }
    };
    common.key = caller.standing().map_or(KeyLabel::Master, |standing| standing.label);
    common.caller = Some(caller);
    Ok(())
}

/// The groups of paths that a path is in, as lists of allowed routes name them.
fn groups(endpoint: telemetry::Endpoint) -> &'static [&'static str] {
    match endpoint {
        telemetry::Endpoint::Admin => &["info_routes", "spend_tracking_routes", "management_routes"],
        telemetry::Endpoint::Models => &["openai_routes", "llm_api_routes", "info_routes"],
        _ => &["openai_routes", "llm_api_routes"],
    }
}

/// Google's clients may carry the key in the query, as `key`.
fn in_query(query: &str) -> Option<Presented<'_>> {
    let key = query.split('&').find_map(|pair| pair.strip_prefix("key="))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    match key {
        "" => None,
        key if key.len() <= 512 && key.bytes().all(plain) => Some(Presented::Key(key.into())),
        _ => Some(Presented::Malformed),
    }
}

/// The address that `allowed_ips` is held against.
pub(super) fn address(world: &World, head: &Head<'_>) -> Option<IpAddr> {
    if !world.settings.http.use_x_forwarded_for {
        return head.client_ip;
    }
    let forwarded = (head.header)("x-forwarded-for").and_then(|value| std::str::from_utf8(value).ok());
    forwarded.and_then(|list| list.rsplit(',').next()).and_then(|ip| ip.trim().parse().ok()).or(head.client_ip)
}

/// Headers that belong to the dialect: a provider that speaks it gets them.
fn own_headers(endpoint: Endpoint, head: &Head<'_>) -> Vec<(HeaderName, HeaderValue)> {
    let names: &[&'static str] = match endpoint {
        Endpoint::Messages | Endpoint::CountTokens => &["anthropic-version", BETA],
        // Its boundary.
        endpoint if endpoint.is_form() => &["content-type"],
        _ => return Vec::new(),
    };
    let own = |name: &'static str| {
        let value = (head.header)(name).filter(|value| value.len() <= 1024)?;
        Some((HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?))
    };
    names.iter().copied().filter_map(own).collect()
}

fn announced(world: &World, head: &Head<'_>) -> Result<(), Fault> {
    let most = world.settings.http.body_bytes_max;
    if head.content_length.is_some_and(|length| length > most as u64) {
        return Err(too_large(most));
    }
    let encoding = (head.header)("content-encoding").map(<[u8]>::trim_ascii);
    if encoding.is_some_and(|encoding| !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity")) {
        let text = "the request body is compressed: send it without Content-Encoding";
        return Err(Fault::client(Kind::UnsupportedMedia, text).param("content-encoding"));
    }
    Ok(())
}

/// The refusal of a body beyond the limit.
pub(crate) fn too_large(most: usize) -> Fault {
    let text = format!("the request body is larger than {most} bytes (general_settings.max_request_size_mb)");
    Fault::client(Kind::TooLarge, text).param("content-length")
}

fn no_such_route(route: &Route) -> Result<(), Fault> {
    match route {
        Route::Doubtful => {
            let text = "the path could be read in two ways: no dot segments, empty segments, encoded slashes, backslashes or \
                        control characters, and nothing encoded that need not be";
            Err(Fault::client(Kind::BadRequest, text).param("path"))
        }
        Route::NotFound => Err(Fault::client(Kind::NotFound, "Not Found")),
        Route::MethodNotAllowed { allow } => {
            let text = format!("Method Not Allowed: this path takes {allow}");
            Err(Fault::client(Kind::MethodNotAllowed, text).allow(*allow))
        }
        _ => Ok(()),
    }
}

fn label(route: &Route) -> telemetry::Endpoint {
    match route {
        Route::Call { endpoint, .. } => call_label(*endpoint),
        Route::Models | Route::Model(_) => telemetry::Endpoint::Models,
        Route::Liveness | Route::Readiness | Route::Health(_) | Route::Metrics | Route::Root => {
            telemetry::Endpoint::Admin
        }
        Route::Pass(_) => telemetry::Endpoint::PassThrough,
        Route::Stored(_) => telemetry::Endpoint::Responses,
        Route::MethodNotAllowed { .. } | Route::NotFound | Route::Doubtful => telemetry::Endpoint::Other,
    }
}

pub(super) fn call_label(endpoint: Endpoint) -> telemetry::Endpoint {
    match endpoint {
        Endpoint::ChatCompletions => telemetry::Endpoint::ChatCompletions,
        Endpoint::Completions => telemetry::Endpoint::Completions,
        Endpoint::Embeddings => telemetry::Endpoint::Embeddings,
        Endpoint::Responses => telemetry::Endpoint::Responses,
        Endpoint::Messages => telemetry::Endpoint::Messages,
        Endpoint::CountTokens | Endpoint::GeminiCountTokens => telemetry::Endpoint::CountTokens,
        Endpoint::GenerateContent => telemetry::Endpoint::GenerateContent,
        Endpoint::Rerank => telemetry::Endpoint::Rerank,
        Endpoint::Moderations => telemetry::Endpoint::Moderations,
        Endpoint::ImageGenerations => telemetry::Endpoint::ImageGenerations,
        Endpoint::Speech => telemetry::Endpoint::Speech,
        Endpoint::Transcriptions | Endpoint::Translations => telemetry::Endpoint::Transcriptions,
        Endpoint::ImageEdits => telemetry::Endpoint::ImageEdits,
        Endpoint::PassThrough => telemetry::Endpoint::PassThrough,
    }
}

/// A header as text of printable ASCII, cut to 128 characters.
fn text(head: &Head<'_>, name: &str) -> Option<String> {
    let value = (head.header)(name)?;
    let shown: String =
        value.iter().filter(|byte| byte.is_ascii_graphic()).take(128).map(|byte| char::from(*byte)).collect();
    (!shown.is_empty()).then_some(shown)
}
