//! Hedging: two providers asked at once, and who answers first is played to Pingora.
//!
//! Pingora asks one upstream per request. A request that may be hedged is sent here instead, over connections of our own,
//! up to the first byte of an answer's body. From there on Pingora reads the answer as any other, so that all behind it
//! (holding back, metering, deadlines, retries) is the same. Whoever is not waited for is cut off: its connection closes.

use std::future::{Future, pending};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use pingora::connectors::http::v1::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::ALPN;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;
use smallvec::SmallVec;
use tokio::time::Instant;

use super::context::Context;
use super::gate::Gate;
use super::gateway::{Gateway, STOP};
use super::headers::Lookup;
use super::played::{self, Begun, Source};
use super::sending::Sending;
use super::{faults, peer};
use crate::exchange::{Again, Leg, Outbound, World, retry_after};
use crate::vocabulary::Fault;

/// An attempt that runs: how it was sent, and its answer once that begins.
type Running = Pin<Box<dyn Future<Output = (Box<Sending>, Result<Box<Begun>, Fault>)> + Send>>;

enum Happened {
    /// An attempt answers, or failed.
    Found(Leg, Box<Sending>, Result<Box<Begun>, Fault>),
    /// The first has taken as long as it usually does.
    Late,
    /// The client left.
    Gone(Box<Error>),
}

impl Gateway {
    /// Sends an attempt, and another beside it after a while; the peer that plays the answer of the quicker one. None:
    /// whoever was asked failed, and another attempt is due.
    pub(super) async fn race(
        &self,
        session: &mut Session,
        context: &mut Context,
        connector: &Arc<Connector>,
        (outbound, address): (Outbound, SocketAddr),
        after: Duration,
    ) -> Result<Option<Box<HttpPeer>>> {
        let (Some(exchange), Some(shared)) = (&mut context.exchange, &context.shared) else {
            return Error::e_explain(STOP, "no exchange");
        };
        // Each attempt watches its own time.
        shared.wait();
        let world = exchange.world().clone();
        let start = |outbound, address| self.start(connector, &world, outbound, address);
        let (mut first, mut second) = (Some(start(outbound, Some(address))), None);
        let late = tokio::time::sleep(after);
        tokio::pin!(late);
        let mut waiting = true;
        loop {
            let happened = tokio::select! {
                biased;
                (sending, found) = begun(&mut first) => Happened::Found(Leg::First, sending, found),
                (sending, found) = begun(&mut second) => Happened::Found(Leg::Second, sending, found),
                () = &mut late, if waiting => Happened::Late,
                event = session.downstream_session.read_body_or_idle(true) => match event {
                    Err(error) => Happened::Gone(error),
                    Ok(_) => Happened::Gone(Error::explain(ErrorType::ReadError, "more than the request")),
                },
            };
            let (leg, sending, found) = match happened {
                Happened::Found(leg, sending, found) => (leg, sending, found),
                Happened::Late => {
                    waiting = false;
                    let beside = exchange.begin_hedge(self.now(), fastrand::u64(..));
                    second = beside.map(|outbound| start(outbound, None));
                    continue;
                }
                Happened::Gone(error) => return Err(error.into_down()),
            };
            waiting = false;
            match leg {
                Leg::First => first = None,
                Leg::Second => second = None,
            }
            let other = first.is_some() || second.is_some();
            let now = self.now();
            let fault = match found {
                Ok(begun) if other && exchange.is_worth_waiting(begun.head.status.as_u16()) => {
                    let headers = Lookup::of(&begun.head.headers);
                    let wait = retry_after(&|name: &str| headers.text(name), now);
                    exchange.fault_of_status(begun.head.status.as_u16(), wait)
                }
                Ok(begun) => {
                    exchange.leg_answers(leg, now);
                    let idle = sending.idle;
                    shared.load([], sending.until.min(Instant::now() + idle));
                    context.sending = Some(Sending { sent: true, length: 0, ..*sending });
                    return Ok(Some(played::peer(*begun)));
                }
                Err(fault) => fault,
            };
            if other {
                exchange.leg_failed(leg, &fault, now);
                continue;
            }
            return match exchange.failed(&fault, now, fastrand::u64(..)) {
                Again::After(wait) => {
                    context.backoff = wait;
                    Ok(None)
                }
                Again::No => {
                    context.fault = Some(fault);
                    Error::e_explain(STOP, "the attempt failed")
                }
            };
        }
    }

    fn start(
        &self,
        connector: &Arc<Connector>,
        world: &Arc<World>,
        outbound: Outbound,
        address: Option<SocketAddr>,
    ) -> Running {
        let (gate, world, connector) = (self.gate.clone(), world.clone(), connector.clone());
        Box::pin(async move {
            let (sending, body) = Sending::of(outbound, &world);
            let asked = ask(&gate, &world, &connector, &sending, body, address);
            let found = tokio::time::timeout(sending.first_byte, asked).await;
            let found = found.unwrap_or_else(|_| Err(faults::timeout(Some(sending.waited()))));
            (Box::new(sending), found.map(Box::new))
        })
    }
}

/// The answer of an attempt that runs; never where none does.
async fn begun(running: &mut Option<Running>) -> (Box<Sending>, Result<Box<Begun>, Fault>) {
    match running {
        Some(running) => running.await,
        None => pending().await,
    }
}

/// Sends a request and reads its answer up to the first byte of the body.
pub(super) async fn ask(
    gate: &Gate,
    world: &World,
    connector: &Arc<Connector>,
    sending: &Sending,
    body: SmallVec<[Bytes; 8]>,
    address: Option<SocketAddr>,
) -> Result<Begun, Fault> {
    let deployment = &world.deployments[sending.deployment];
    let address = match address {
        Some(address) => address,
        None => gate.reach(deployment, world).await?,
    };
    let head = sending.head(world, || gate.around().clock.now())?;
    let mut peer = peer::peer(deployment, &world.settings, address, sending.idle);
    peer.options.alpn = ALPN::H1;
    let connected = connector.get_http_session(&*peer).await;
    let (mut session, reused) = connected.map_err(|error| match error.etype() {
        ErrorType::ConnectTimedout => faults::timeout(Some(sending.waited())),
        etype => faults::connect().cause(etype.as_str()),
    })?;
    // On a kept connection that the provider had closed meanwhile nothing was read of this request.
    let unread = |error: Box<Error>| {
        let fault = if reused { faults::connect() } else { faults::cut() };
        fault.cause(error.etype().as_str())
    };
    session.write_request_header(Box::new(RequestHeader::from(head))).await.map_err(unread)?;
    for part in body {
        session.write_body(&part).await.map_err(unread)?;
    }
    session.finish_body().await.map_err(unread)?;
    let head = loop {
        session.read_response().await.map_err(unread)?;
        match session.resp_header() {
            Some(head) if head.status.is_informational() => {}
            Some(head) => break head.clone(),
            None => return Err(faults::cut()),
        }
    };
    let first = session.read_body_bytes().await.map_err(|error| faults::cut().cause(error.etype().as_str()))?;
    let idle = Some(world.settings.upstream.pool_idle);
    Ok(Begun { head, first, source: Source { session, peer, connector: connector.clone(), idle } })
}
