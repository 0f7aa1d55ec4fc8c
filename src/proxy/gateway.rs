//! Pingora's hooks: convert, one transition of the exchange, apply its effect.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::http::compression::ResponseCompressionCtx;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};
use pingora_proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::answer::{self, Answer};
use super::context::{Context, Decided, Mode};
use super::cors;
use super::credentials::Credentials;
use super::framing::{self, Framing};
use super::gate::Gate;
use super::headers::Lookup;
use super::id::new_id;
use super::link::LINK;
use super::replay::{self, Shared};
use super::sending::Sending;
use super::{body, faults, peer};
use crate::admin::Side;
use crate::exchange::{
    Again, Ending, Entry, Head, Learned, LocalAnswer, Opened, Opening, Outbound, Planned, Refused, Sent, Treatment,
    UpstreamHead, World, retry_after,
};
use crate::vocabulary::{Fault, Kind, Now, Origin};

/// The filter: mount it in any Pingora proxy service.
pub struct Gateway {
    pub(super) gate: Arc<Gate>,
    side: Side,
}

/// Why a hook stops Pingora: the exchange knows the fault, Pingora need not.
pub(super) const STOP: ErrorType = ErrorType::Custom("tollgate");

/// How long to wait for an answer about what is left of a budget before it is looked at again.
const FUND: Duration = Duration::from_secs(3);

const CHUNKED: HeaderValue = HeaderValue::from_static("chunked");

impl Gateway {
    /// A filter over a gate; several filters may share one.
    pub fn new(gate: Arc<Gate>) -> Self {
        Self::on(gate, Side::Both)
    }

    /// A filter for one side alone: calls, or the management API.
    pub fn on(gate: Arc<Gate>, side: Side) -> Self {
        Self { gate, side }
    }

    /// Answers what the management API has a route for; false: it is none of its.
    async fn is_managed(&self, session: &mut Session, refused: &Refused, arrived: Now) -> Result<bool> {
        if !self.side.manages() || !refused.is_unknown_path() {
            return Ok(false);
        }
        Box::pin(self.manage(session, arrived)).await
    }

    pub(super) fn now(&self) -> Now {
        self.gate.around().clock.now()
    }

    async fn enter(&self, session: &mut Session, context: &mut Context, arrived: Now) -> Result<Step, Box<Refused>> {
        let announced =
            session.req_header().headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let world = self.gate.world();
        if let Some(token) = unsettled_token(session, &world, arrived) {
            Box::pin(Credentials::keys(token, &self.gate, &world)).await;
        }
        match self.judge_head(session, announced, arrived)? {
            Entry::Local(local) => Ok(Step::Local(local)),
            Entry::Call(opened) => self.take_body(session, context, opened, announced).await,
        }
    }

    fn judge_head(&self, session: &Session, announced: Option<u64>, arrived: Now) -> Result<Entry, Box<Refused>> {
        let request = session.req_header();
        let headers = Lookup::of(&request.headers);
        let header = |name: &str| headers.bytes(name);
        let served = self.side == Side::Both || self.side.serves(request.uri.path());
        let head = Head {
            method: request.method.as_str(),
            // What this side does not serve is nowhere: no path is empty.
            path: if served { request.uri.path() } else { "" },
            query: request.uri.query(),
            header: &header,
            client_ip: client_ip(session),
            content_length: announced,
        };
        Opened::enter(&self.gate.world(), &head, new_id(arrived), arrived)
    }

    async fn take_body(
        &self,
        session: &mut Session,
        context: &mut Context,
        opened: Box<Opened>,
        announced: Option<u64>,
    ) -> Result<Step, Box<Refused>> {
        let world = opened.world().clone();
        let before = self.now();
        if session.req_header().headers.contains_key(http::header::EXPECT) && !context.h2 {
            // Only now: a stranger's body is never asked for.
            if Box::pin(session.downstream_session.write_continue_response()).await.is_err() {
                return Err(opened.refuse(Fault::client(Kind::ClientGone, "the client left"), 0));
            }
        }
        let mut in_flight = self.gate.enter();
        let announced = announced.and_then(|length| usize::try_from(length).ok());
        let settings = &world.settings;
        let limits = body::Limits {
            bytes_max: settings.http.body_bytes_max,
            held_max: settings.http.held_bytes_max,
            deadline: settings.deadlines.body,
        };
        let taken = body::read(&mut session.downstream_session, announced, &limits, &mut in_flight).await;
        context.in_flight = Some(in_flight);
        let body = match taken {
            Ok(body) => body,
            Err(no_body) => return Err(opened.refuse(no_body.fault, no_body.read)),
        };
        let now = self.now();
        let planned = opened.plan(body, before, now)?;
        // Boxed: hardly any request waits for that.
        let planned = if planned.is_unlent() { Box::pin(self.fund(planned)).await? } else { planned };
        Ok(Step::Send(planned))
    }

    /// Waits until it is known whether a budget that other nodes spend, too, has enough left.
    async fn fund(&self, mut planned: Box<Planned>) -> Result<Box<Planned>, Box<Refused>> {
        loop {
            let (tell, told) = oneshot::channel::<()>();
            if !planned.borrow(Box::new(move || drop(tell))) {
                return Ok(planned);
            }
            // Whether it was told or is late, it is tried again.
            let _late = tokio::time::timeout(FUND, told).await;
            planned = planned.reserve_again(self.now())?;
        }
    }

    /// Asks the other nodes whether there is room for all of them, where that is wanted.
    async fn confirm(&self, planned: &Planned) -> Result<(), Fault> {
        match &self.gate.fleet {
            Some(fleet) => Box::pin(fleet.confirm(planned.permit(), || self.now())).await,
            None => Ok(()),
        }
    }

    /// The other nodes are told of what an attempt took of limits.
    fn join(&self, planned: &Planned) {
        if let Some(fleet) = &self.gate.fleet {
            planned.permits().for_each(|permit| fleet.join(permit));
        }
    }

    /// Writes the first attempt before anything is set up: a group of canned answers, or one without room, needs no upstream.
    fn first_attempt(&self, context: &mut Context, mut planned: Box<Planned>) -> Result<(), (Box<Planned>, Fault)> {
        match planned.attempt(self.now(), fastrand::u64(..)) {
            Ok(outbound) => {
                self.join(&planned);
                context.outbound = Some(outbound);
                context.exchange = Some(planned);
                Ok(())
            }
            Err(fault) => Err((planned, fault)),
        }
    }

    /// Writes an answer of our own, in one go.
    pub(super) async fn write(&self, session: &mut Session, mut head: Answer, body: Bytes) -> Result<()> {
        cors::grant(&self.gate.world(), session.req_header(), &mut head.headers);
        head.write(&mut session.downstream_session, body).await
    }

    async fn answer_local(&self, session: &mut Session, local: LocalAnswer) -> Result<()> {
        let (head, body) = match local {
            LocalAnswer::Json(body) => (Answer::new(200, answer::JSON), body),
            LocalAnswer::Readiness { .. } if self.gate.is_draining() => {
                (Answer::new(503, answer::JSON), Bytes::from_static(b"{\"status\":\"shutting_down\"}"))
            }
            LocalAnswer::Readiness { ready, body } => (Answer::new(if ready { 200 } else { 503 }, answer::JSON), body),
            LocalAnswer::Health(query) => {
                let world = self.gate.world();
                self.gate.check_asked(&world, &query).await;
                (Answer::new(200, answer::JSON), world.health(&query, self.now()))
            }
            LocalAnswer::Metrics => {
                let mut text = Vec::with_capacity(64 * 1024);
                self.gate.around().telemetry.encode(&mut text);
                (Answer::new(200, answer::METRICS), Bytes::from(text))
            }
        };
        self.write(session, head, body).await
    }

    async fn answer_refused(&self, session: &mut Session, refused: Box<Refused>) -> Result<()> {
        let status_of_budget = self.gate.world().settings.budget_exceeded_status;
        let (head, body) = Answer::refusal(&refused, status_of_budget);
        let gone = refused.fault.kind == Kind::ClientGone;
        let slow = refused.fault.kind == Kind::ClientTimeout;
        let unread = !session.downstream_session.is_body_done();
        let (status, length) = (head.status, body.len() as u64);
        if unread {
            session.set_keepalive(None);
        }
        let written = if gone { Ok(()) } else { self.write(session, head, body).await };
        let ending = if gone { Ending::ClientGone } else { Ending::Refused };
        refused.close(if gone { 499 } else { status }, if gone { 0 } else { length }, ending, self.now());
        if unread && !gone && !slow {
            body::discard(&mut session.downstream_session).await;
        }
        written
    }

    async fn answer_failed(&self, session: &mut Session, planned: Box<Planned>, fault: Fault) -> Result<()> {
        let (head, body) = Answer::failure(&planned, &fault, self.now());
        let sent = Sent { status: head.status, bytes: body.len() as u64, first_byte: None };
        let ending = if fault.origin == Origin::Client { Ending::Refused } else { Ending::UpstreamFailed };
        let written = self.write(session, head, body).await;
        planned.close(ending, Some(&fault), &sent, self.now());
        written
    }

    /// A canned answer (`mock_response`), where the first deployment has one.
    async fn answer_canned(&self, session: &mut Session, context: &mut Context) -> Result<bool> {
        let Some(exchange) = context.exchange.as_mut().filter(|exchange| exchange.is_answered_here()) else {
            return Ok(false);
        };
        let now = self.now();
        let Some(body) = exchange.canned(now) else { return Ok(false) };
        let mut head = if exchange.wants_stream() { Answer::stream(None, 200) } else { Answer::new(200, answer::JSON) };
        head.exchange(exchange, now);
        Answer::late(exchange, now, &mut |name, value| head.text(name, value));
        context.first_byte = Some(now);
        Box::pin(self.write(session, head, body)).await?;
        Ok(true)
    }

    /// The next attempt's request and the address it goes to.
    async fn next_attempt(&self, context: &mut Context) -> Result<(Outbound, std::net::SocketAddr)> {
        loop {
            if !context.backoff.is_zero() {
                tokio::time::sleep(std::mem::take(&mut context.backoff)).await;
            }
            let Some(exchange) = &mut context.exchange else { return Error::e_explain(STOP, "no exchange") };
            let outbound = match context.outbound.take() {
                Some(outbound) => outbound,
                None => match exchange.attempt(self.now(), fastrand::u64(..)) {
                    Ok(outbound) => {
                        self.join(exchange);
                        outbound
                    }
                    Err(fault) => {
                        context.fault.get_or_insert(fault);
                        return Error::e_explain(STOP, "no deployment");
                    }
                },
            };
            if exchange.is_answered_here() {
                context.local = true;
                return Error::e_explain(STOP, "answered here");
            }
            let deployment = &exchange.world().deployments[outbound.deployment];
            let fault = match self.gate.reach(deployment, exchange.world()).await {
                Ok(address) => return Ok((outbound, address)),
                Err(fault) => fault,
            };
            match exchange.failed(&fault, self.now(), fastrand::u64(..)) {
                Again::After(wait) => context.backoff = wait,
                Again::No => {
                    context.fault = Some(fault);
                    return Error::e_explain(STOP, "the name does not resolve");
                }
            }
        }
    }

    /// Decides about an attempt that failed below HTTP.
    fn attempt_failed(&self, context: &mut Context, fault: Fault) -> bool {
        let Some(exchange) = &mut context.exchange else { return false };
        match exchange.failed(&fault, self.now(), fastrand::u64(..)) {
            Again::After(wait) => {
                context.backoff = wait;
                true
            }
            Again::No => {
                context.fault = Some(fault);
                false
            }
        }
    }

    fn stop(&self, context: &mut Context, again: Again, fault: Fault) -> Box<Error> {
        let mut error = Error::explain(STOP, "the attempt failed");
        error.as_up();
        match again {
            Again::After(wait) => {
                context.backoff = wait;
                context.decided = Some(Decided::Retry);
                error.set_retry(true);
            }
            Again::No => {
                context.fault = Some(fault);
                context.decided = Some(Decided::Final);
                error.set_retry(false);
            }
        }
        error
    }

    fn finish_held(&self, context: &mut Context) -> Result<()> {
        let now = self.now();
        let (Some(exchange), Some(shared)) = (&mut context.exchange, &context.shared) else { return Ok(()) };
        match exchange.finish_held(now, fastrand::u64(..)) {
            Ok(finished) => {
                shared.finish(finished.parts, |put| Answer::late(exchange, now, put));
                context.fault = finished.fault;
                context.first_byte.get_or_insert(now);
                Ok(())
            }
            Err((again, fault)) => Err(self.stop(context, again, fault)),
        }
    }

    fn push_stream(&self, context: &mut Context, chunk: Option<Bytes>, end: bool) -> Result<Option<Bytes>> {
        let Some(exchange) = &mut context.exchange else { return Ok(None) };
        let opened = context.opened;
        if let Some(chunk) = chunk.filter(|chunk| !chunk.is_empty())
            && let Err(fault) = exchange.push(chunk, &mut context.out)
        {
            let again = if opened { Again::No } else { exchange.failed(&fault, self.now(), fastrand::u64(..)) };
            return Err(self.stop(context, again, fault));
        }
        if end && let Some(fault) = exchange.finish_stream(&mut context.out, self.now()) {
            if !opened && let Some(again) = exchange.cut_unseen(&fault, self.now(), fastrand::u64(..)) {
                return Err(self.stop(context, again, fault));
            }
            context.fault = Some(fault);
        }
        if !opened && !self.open(context, end)? {
            return Ok(None);
        }
        if !context.out.is_empty() {
            context.first_byte.get_or_insert_with(|| self.gate.around().clock.now());
        }
        Ok(join(&mut context.out))
    }

    /// Whether a stream that was held back goes out now.
    fn open(&self, context: &mut Context, end: bool) -> Result<bool> {
        let Some(exchange) = &mut context.exchange else { return Ok(false) };
        match exchange.judge_opening(&context.out, end, self.now(), fastrand::u64(..)) {
            Opening::Wait => Ok(false),
            Opening::Failed(again, fault) => Err(self.stop(context, again, fault)),
            Opening::Go => {
                context.opened = true;
                if let Some(shared) = &context.shared {
                    shared.hold(false);
                }
                Ok(true)
            }
        }
    }

    fn ending(&self, context: &Context, error: Option<&Error>, expired: bool) -> Ending {
        let seen = context.first_byte.is_some();
        if let Some(fault) = &context.fault {
            return match fault.kind {
                Kind::UpstreamCut if seen => Ending::UpstreamCut,
                Kind::UpstreamTimeout if seen && context.stalled => Ending::Stalled,
                _ if fault.origin == Origin::Client => Ending::Refused,
                _ if fault.origin == Origin::Ours => Ending::Internal,
                _ => Ending::UpstreamFailed,
            };
        }
        match error {
            Some(_) if context.local && seen => Ending::Complete,
            None => Ending::Complete,
            Some(error) if *error.esource() == ErrorSource::Downstream && !expired => Ending::ClientGone,
            Some(error) if *error.esource() == ErrorSource::Upstream => Ending::UpstreamCut,
            Some(_) => Ending::Internal,
        }
    }
}

enum Step {
    Local(LocalAnswer),
    Send(Box<Planned>),
}

#[async_trait]
impl ProxyHttp for Gateway {
    // Boxed: Pingora moves the future that holds it for every request.
    type CTX = Box<Context>;

    fn new_ctx(&self) -> Box<Context> {
        Box::default()
    }

    /// None: Pingora's own would be made for every request, to look at its answer and do nothing.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    // What is seldom waited for is boxed, here and in `upstream_peer`: the future of a hook is moved for every request.
    async fn request_filter(&self, session: &mut Session, context: &mut Box<Context>) -> Result<bool> {
        let arrived = self.now();
        // Absent where the filter is mounted in a server without our front door, and for HTTP/2.
        let _front_door = LINK.try_with(|link| link.head_is_read());
        context.h2 = session.downstream_session.is_http2();
        let world = self.gate.world();
        let deadlines = &world.settings.deadlines;
        session.downstream_session.set_write_timeout(Some(deadlines.write));
        match framing::judge(session.req_header()) {
            Ok(Framing::Plain) if !self.gate.is_draining() => {
                // The connection's stream watches how long it idles, if it is ours.
                let watched = LINK.try_with(|link| link.keep_idle(deadlines.keepalive)).is_ok();
                session.set_keepalive(Some(if watched { 0 } else { deadlines.keepalive.as_secs() }));
            }
            Ok(_) => session.set_keepalive(None),
            Err(fault) => {
                session.set_keepalive(None);
                let refused = Opened::doubtful(&world, new_id(arrived), client_ip(session), fault, arrived);
                Box::pin(self.answer_refused(session, refused)).await?;
                return Ok(true);
            }
        }
        if let Some((head, body)) = cors::preflight(&world, session.req_header()) {
            drop(world);
            Box::pin(self.write(session, head, Bytes::from_static(body.as_bytes()))).await?;
            return Ok(true);
        }
        drop(world);
        match self.enter(session, context, arrived).await {
            Ok(Step::Local(local)) => {
                if !session.downstream_session.is_body_done() {
                    session.set_keepalive(None);
                }
                Box::pin(self.answer_local(session, local)).await?;
                Ok(true)
            }
            Ok(Step::Send(planned)) => {
                if let Err(fault) = self.confirm(&planned).await {
                    Box::pin(self.answer_failed(session, planned, fault)).await?;
                    return Ok(true);
                }
                if let Err((planned, fault)) = self.first_attempt(context, planned) {
                    Box::pin(self.answer_failed(session, planned, fault)).await?;
                    return Ok(true);
                }
                if self.answer_canned(session, context).await? {
                    return Ok(true);
                }
                let shared = Arc::new(Shared::new());
                replay::wrap(session, &shared);
                context.shared = Some(shared);
                Ok(false)
            }
            Err(refused) if self.is_managed(session, &refused, arrived).await? => {
                refused.forget();
                Ok(true)
            }
            Err(refused) => {
                Box::pin(self.answer_refused(session, refused)).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(&self, session: &mut Session, context: &mut Box<Context>) -> Result<Box<HttpPeer>> {
        loop {
            let (outbound, address) = self.next_attempt(context).await?;
            let (Some(exchange), Some(shared)) = (&context.exchange, &context.shared) else {
                return Error::e_explain(STOP, "no exchange");
            };
            (context.mode, context.opened) = (Mode::Waiting, false);
            context.decided = None;
            context.out.clear();
            // Decompresses what comes compressed although nobody asked for it; set anew because it remembers the last answer.
            // Where there is a body it is switched on with that, so that it does not read what our own head accepts.
            let at_once = outbound.body.len == 0;
            session.upstream_compression = ResponseCompressionCtx::new(0, at_once, false);
            let world = exchange.world().clone();
            if world.settings.routing.hedge.is_some()
                && let Some(after) = exchange.hedge_after(self.now())
                && let Some(connector) = self.gate.racing(&world)
            {
                session.upstream_compression.adjust_decompression(true);
                match Box::pin(self.race(session, context, &connector, (outbound, address), after)).await? {
                    Some(peer) => return Ok(peer),
                    None => continue,
                }
            }
            let (sending, body) = Sending::of(outbound, &world);
            shared.load(body, sending.until.min(sending.began + sending.first_byte));
            let peer = peer::peer(&world.deployments[sending.deployment], &world.settings, address, sending.idle);
            context.sending = Some(sending);
            return Ok(peer);
        }
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        context: &mut Box<Context>,
    ) -> Result<()> {
        let (Some(exchange), Some(sending)) = (&context.exchange, &context.sending) else {
            return Error::e_explain(STOP, "nothing to send");
        };
        let mut parts = match sending.head(exchange.world(), || self.now()) {
            Ok(parts) => parts,
            Err(fault) => return Err(self.stop(context, Again::No, fault)),
        };
        parts.version = request.version;
        *request = RequestHeader::from(parts);
        Ok(())
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        _body: &mut Option<Bytes>,
        _end: bool,
        context: &mut Box<Context>,
    ) -> Result<()> {
        if context.mode == Mode::Waiting && session.upstream_compression.is_header_phase() {
            session.upstream_compression.adjust_decompression(true);
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Box<Context>,
    ) -> Result<()> {
        if response.status.is_informational() {
            return Ok(());
        }
        let headers = Lookup::of(&response.headers);
        let text = |name: &str| headers.text(name);
        let now = self.now();
        let head = UpstreamHead {
            status: response.status.as_u16(),
            content_type: text("content-type"),
            retry_after: retry_after(&text, now),
        };
        let Some(exchange) = &mut context.exchange else { return Ok(()) };
        exchange.learn(&Learned::read(&text, now), now);
        match exchange.reply(&head, now, fastrand::u64(..)) {
            Treatment::Failed(again, fault) => Err(self.stop(context, again, fault)),
            Treatment::Hold => self.treat(context, Mode::Hold),
            Treatment::Stream => self.treat(context, Mode::Stream),
        }
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Box<Context>,
    ) -> Result<()> {
        let (Some(exchange), Some(shared)) = (&context.exchange, &context.shared) else { return Ok(()) };
        let (status, lines) = (response.status.as_u16(), shared.lines());
        if exchange.answer_passes() {
            let framing = answer::Framing { stream: context.mode == Mode::Stream, h2: context.h2 };
            let mut passed = Answer::passed(lines, exchange, response, framing, self.now());
            cors::grant(exchange.world(), session.req_header(), &mut passed.headers);
            context.fault = exchange.told().cloned();
            context.first_byte.get_or_insert_with(|| self.gate.around().clock.now());
            let lines;
            (*response, lines) = passed.into_head();
            shared.tell(lines);
            return Ok(());
        }
        let mut fresh = match context.mode {
            Mode::Stream if exchange.streams_array() => Answer::beside(lines, status, answer::JSON),
            Mode::Stream => Answer::stream(lines, status),
            Mode::Hold | Mode::Waiting => Answer::beside(lines, status, answer::JSON),
        };
        cors::grant(exchange.world(), session.req_header(), &mut fresh.headers);
        fresh.exchange(exchange, self.now());
        fresh.pass_on(&response.headers, |value| exchange.may_show(value));
        if let Some(fault) = exchange.told() {
            fresh.fault(fault);
        }
        if context.mode == Mode::Stream && !context.h2 {
            fresh.headers.insert(TRANSFER_ENCODING, CHUNKED);
        }
        let lines;
        (*response, lines) = fresh.into_head();
        shared.tell(lines);
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        context: &mut Box<Context>,
    ) -> Result<Option<Duration>> {
        if let (Some(sending), Some(shared)) = (&context.sending, &context.shared) {
            shared.set_deadline(sending.until.min(Instant::now() + sending.idle));
        }
        let chunk = body.take();
        match context.mode {
            Mode::Stream => *body = self.push_stream(context, chunk, end)?,
            Mode::Hold => {
                if let (Some(chunk), Some(exchange)) = (chunk, &mut context.exchange)
                    && let Err(fault) = exchange.push(chunk, &mut context.out)
                {
                    return Err(self.stop(context, Again::No, fault));
                }
                if end {
                    self.finish_held(context)?;
                }
            }
            Mode::Waiting => {}
        }
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        context: &mut Box<Context>,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let fault = match error.etype() {
            ErrorType::ConnectTimedout => faults::timeout(context.sending.as_ref().map(Sending::waited)),
            _ => faults::connect(),
        };
        let retry = self.attempt_failed(context, fault.cause(error.etype().as_str()));
        error.set_retry(retry);
        error
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        context: &mut Box<Context>,
        reused: bool,
    ) -> Box<Error> {
        if let Some(decided) = context.decided.take() {
            error.set_retry(decided == Decided::Retry);
            return error;
        }
        let expired = context.shared.as_ref().is_some_and(|shared| shared.expired());
        if expired {
            error.as_up();
        }
        let begun = session.response_written().is_some_and(|head| !head.status.is_informational());
        if let Some(told) = context.exchange.as_ref().and_then(|exchange| exchange.told()) {
            // The upstream's error had no body, or its body broke off: its status is told all the same.
            context.fault = Some(told.clone());
            error.set_retry(false);
            return error;
        }
        if *error.esource() == ErrorSource::Downstream {
            error.set_retry(false);
            return error;
        }
        let fault = if expired {
            context.stalled = context.mode != Mode::Waiting;
            faults::timeout(context.sending.as_ref().map(Sending::waited))
        } else if context.mode == Mode::Waiting && reused {
            // A kept connection that the provider had closed meanwhile: nothing was read of this request.
            faults::connect()
        } else {
            faults::cut()
        };
        let fault = fault.cause(error.etype().as_str());
        if begun {
            if let Some(exchange) = &mut context.exchange {
                exchange.failed_in_the_midst(&fault, self.now());
            }
            context.fault = Some(fault);
            error.set_retry(false);
        } else {
            let retry = self.attempt_failed(context, fault);
            error.set_retry(retry);
        }
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, context: &mut Box<Context>) -> FailToProxy {
        let expired = context.shared.as_ref().is_some_and(|shared| shared.expired());
        if let Some(shared) = &context.shared {
            replay::unwrap(session, shared);
        }
        // Pingora closes the connection after a failure; say so before the head is written.
        session.set_keepalive(None);
        if context.local {
            if self.answer_canned(session, context).await.is_err() {
                log::debug!("a canned answer was not written");
            }
            return FailToProxy { error_code: 200, can_reuse_downstream: false };
        }
        let gone = *error.esource() == ErrorSource::Downstream && !expired && context.fault.is_none();
        if gone {
            return FailToProxy { error_code: 0, can_reuse_downstream: false };
        }
        let fault = context.fault.get_or_insert_with(|| {
            Fault::ours(Kind::Internal, "the gateway failed; its log says why").cause(error.etype().as_str())
        });
        let begun = session.response_written().is_some_and(|head| !head.status.is_informational());
        let status = match (&context.exchange, begun) {
            (Some(exchange), true) => {
                let event = exchange.error_event(fault);
                // The client may be gone by now: there is nobody else to tell.
                if context.mode == Mode::Stream
                    && !exchange.answer_passes()
                    && session.downstream_session.write_response_body(event, true).await.is_err()
                {
                    log::debug!("a stream's last event was not written");
                }
                200
            }
            (Some(exchange), false) => {
                let (head, body) = Answer::failure(exchange, fault, self.now());
                let status = head.status;
                if self.write(session, head, body).await.is_err() {
                    log::debug!("an error answer was not written");
                }
                status
            }
            (None, _) => 0,
        };
        FailToProxy { error_code: status, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut Box<Context>) {
        // What comes next on this connection is another head; see `request_filter`.
        let _front_door = LINK.try_with(|link| link.wait_for_next());
        let expired = context.shared.as_ref().is_some_and(|shared| shared.expired());
        if let Some(shared) = context.shared.take() {
            replay::unwrap(session, &shared);
        }
        let Some(exchange) = context.exchange.take() else { return };
        let ending = self.ending(context, error, expired);
        let sent = Sent {
            status: session
                .response_written()
                .filter(|head| !head.status.is_informational())
                .map_or(499, |head| head.status.as_u16()),
            bytes: session.downstream_session.body_bytes_sent() as u64,
            first_byte: context.first_byte,
        };
        exchange.close(ending, context.fault.as_ref(), &sent, self.now());
    }

    fn request_summary(&self, session: &Session, context: &Box<Context>) -> String {
        // Never the query: it may carry a key.
        let id = context.exchange.as_ref().map_or("", |exchange| exchange.id());
        format!("{} {id}", session.req_header().method)
    }

    fn suppress_error_log(&self, _session: &Session, _context: &Box<Context>, _error: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _context: &Box<Context>,
        _error: &Error,
        _what: ProxyWarnLogContext,
    ) -> bool {
        true
    }
}

impl Gateway {
    fn treat(&self, context: &mut Context, mode: Mode) -> Result<()> {
        context.mode = mode;
        // What passes as it is has no first word to wait for; it may have no body at all.
        context.opened =
            mode == Mode::Stream && context.exchange.as_ref().is_some_and(|exchange| exchange.opens_at_once());
        if let (Some(sending), Some(shared)) = (&context.sending, &context.shared) {
            shared.hold(!context.opened);
            shared.set_deadline(sending.until.min(Instant::now() + sending.idle));
        }
        Ok(())
    }
}

fn unsettled_token(session: &Session, world: &World, now: Now) -> Option<String> {
    let headers = &session.req_header().headers;
    world.unsettled_token(&|name| headers.get(name).map(HeaderValue::as_bytes), now)
}

pub(super) fn client_ip(session: &Session) -> Option<IpAddr> {
    session.client_addr().and_then(|address| address.as_inet()).map(|address| address.ip().to_canonical())
}

/// One piece of several; the usual single one is not copied.
fn join(parts: &mut Vec<Bytes>) -> Option<Bytes> {
    match parts.len() {
        0 => None,
        1 => parts.pop(),
        _ => {
            let mut whole = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
            parts.drain(..).for_each(|part| whole.extend_from_slice(&part));
            Some(whole.freeze())
        }
    }
}
