//! Fetches what credentials want: tokens of an identity provider, keys of a machine's role.
//!
//! A request waits only where there is no credential at all; one that is about to end is renewed beside the request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use dashmap::DashMap;
use http::header::HOST;
use http::{HeaderValue, Uri};
use pingora::http::RequestHeader;
use pingora::protocols::ALPN;
use pingora::upstreams::peer::HttpPeer;
use tokio::sync::Mutex;

use super::client;
use super::gate::Gate;
use crate::exchange::{Auth, Fetch, Fetched, Wanted, World};
use crate::vocabulary::{Fault, Kind};

/// How long one fetch may take.
const FETCH: Duration = Duration::from_secs(10);
/// The most of an answer, or of a file, that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Steps to a credential: a web identity token, a role, another role.
const STEPS_MAX: usize = 8;

/// One fetch at a time for each deployment: a thousand requests need one token.
#[derive(Default)]
pub(super) struct Credentials {
    turns: DashMap<Arc<str>, Arc<Mutex<()>>>,
}

impl Credentials {
    /// Returns when a request can be signed.
    ///
    /// # Errors
    /// There is no credential, and none is to be had: nothing was sent to the provider.
    pub(super) async fn ready(
        &self,
        auth: &Arc<dyn Auth>,
        deployment: &Arc<str>,
        gate: &Gate,
        world: &World,
    ) -> Result<(), Fault> {
        let now = gate.around().clock.now();
        let Some(want) = auth.want(now) else { return Ok(()) };
        let turn = self.turns.entry(deployment.clone()).or_default().clone();
        let held = match want.urgent {
            true => turn.lock().await,
            // Somebody renews it already, or the request does on its way; what is there still holds.
            false => match turn.try_lock() {
                Ok(held) => held,
                Err(_) => return Ok(()),
            },
        };
        for _ in 0..STEPS_MAX {
            let now = gate.around().clock.now();
            let Some(want) = auth.want(now) else { return Ok(()) };
            let (status, body) = match tokio::time::timeout(FETCH, fetch(&want.fetch, gate, world)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(cause)) => {
                    log::warn!("credential: {:?}: {cause}", want.fetch);
                    (0, Bytes::new())
                }
                Err(_) => (0, Bytes::new()),
            };
            let taken = auth.take(&Fetched { status, body: &body }, gate.around().clock.now());
            match taken {
                Ok(()) => {}
                Err(fault) if want.urgent => return Err(fault),
                // The old one holds for a while yet.
                Err(fault) => {
                    log::warn!("credential was not renewed: {fault}");
                    return Ok(());
                }
            }
        }
        drop(held);
        Err(Fault::ours(Kind::UpstreamConnect, "the deployment's credential takes too many steps to fetch"))
    }
}

impl Credentials {
    /// Fetches the keys that a token of an identity provider is verified with, where that is due. A token whose key is here
    /// does not wait for newer ones.
    pub(super) async fn keys(token: String, gate: &Arc<Gate>, world: &Arc<World>) {
        match world.wanted_keys(&token, gate.around().clock.now()) {
            Some(wanted) if wanted.urgent => Self::fetch_keys(&token, gate, world).await,
            Some(_) => {
                let (gate, world) = (gate.clone(), world.clone());
                tokio::spawn(async move { Self::fetch_keys(&token, &gate, &world).await });
            }
            None => {}
        }
    }

    async fn fetch_keys(token: &str, gate: &Gate, world: &World) {
        for _ in 0..STEPS_MAX {
            let Some(Wanted { source, urgent }) = world.wanted_keys(token, gate.around().clock.now()) else { return };
            let turn = gate.credentials.turns.entry(source.name()).or_default().clone();
            let _held = match urgent {
                true => turn.lock().await,
                false => match turn.try_lock() {
                    Ok(held) => held,
                    Err(_) => return,
                },
            };
            // Somebody else may have fetched them meanwhile.
            if world.wanted_keys(token, gate.around().clock.now()).is_none() {
                return;
            }
            let get = Fetch::Http {
                method: http::Method::GET,
                url: source.url().to_string(),
                headers: vec![(http::header::ACCEPT, HeaderValue::from_static("application/json"))],
                body: Bytes::new(),
            };
            let (status, body) = match tokio::time::timeout(FETCH, fetch(&get, gate, world)).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(cause)) => {
                    log::warn!("keys of an identity provider: {get:?}: {cause}");
                    (0, Bytes::new())
                }
                Err(_) => (0, Bytes::new()),
            };
            if let Err(cause) = source.take(status, &body, gate.around().clock.now()) {
                log::warn!("keys of an identity provider were not fetched: {get:?}: {cause}");
            }
        }
    }
}

/// Gets one thing.
///
/// # Errors
/// It cannot be had.
pub(super) async fn fetch(fetch: &Fetch, gate: &Gate, world: &World) -> Result<(u16, Bytes), String> {
    match fetch {
        Fetch::File(path) => {
            let path = path.clone();
            let read = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
            match read.map_err(|error| error.to_string())? {
                Ok(text) if text.len() <= ANSWER_BYTES_MAX => Ok((200, Bytes::from(text))),
                Ok(_) => Err("the file is too long".to_owned()),
                Err(error) => {
                    log::warn!("credential: {fetch:?}: {error}");
                    Ok((404, Bytes::new()))
                }
            }
        }
        Fetch::Http { method, url, headers, body } => {
            let uri: Uri = url.parse().map_err(|error| format!("not a URL: {error}"))?;
            let mut request = RequestHeader::build(
                method.clone(),
                uri.path_and_query().map_or(b"/", |p| p.as_str().as_bytes()),
                None,
            )
            .map_err(|error| error.to_string())?;
            for (name, value) in headers {
                request.insert_header(name.clone(), value.clone()).map_err(|error| error.to_string())?;
            }
            post(&uri, request, body.clone(), gate, world).await
        }
    }
}

async fn post(
    uri: &Uri,
    mut request: RequestHeader,
    body: Bytes,
    gate: &Gate,
    world: &World,
) -> Result<(u16, Bytes), String> {
    let tls = uri.scheme_str() == Some("https");
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let address = gate.resolver.address(host, port).await.map_err(|error| error.to_string())?;
    let mut peer = HttpPeer::new(address, tls, host.to_owned());
    peer.options.alpn = ALPN::H1;
    peer.options.connection_timeout = Some(world.settings.deadlines.connect);
    if !world.settings.upstream.tls_verify {
        (peer.options.verify_cert, peer.options.verify_hostname) = (false, false);
    }
    let authority = uri.authority().map_or(host, |authority| authority.as_str());
    let authority = HeaderValue::from_str(authority).map_err(|error| error.to_string())?;
    request.insert_header(HOST, authority).map_err(|error| error.to_string())?;
    client::send(&peer, request, body, ANSWER_BYTES_MAX).await
}
