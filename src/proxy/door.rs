//! The front door: accepts connections, bounds them, and hands their streams to Pingora.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use dashmap::DashMap;
use pingora::apps::{HttpServerApp, ServerApp};
use pingora::listeners::tls::Acceptor;
use pingora::protocols::{ALPN, Ssl, Stream};
use pingora::server::ShutdownWatch;
use pingora_proxy::HttpProxy;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::gateway::Gateway;
use super::guard::Guarded;
use super::link::{LINK, Link};
use super::plain::Plain;

/// How an HTTP/2 connection in clear begins (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";
/// How long a first packet of one to three bytes is waited on.
const PREFACE_POLL: Duration = Duration::from_millis(5);

/// Bounds on client connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) connections: usize,
    pub(super) per_ip: Option<usize>,
    pub(super) header: Duration,
}

/// All doors, each with its loop.
#[derive(Default)]
pub(super) struct Doors(Vec<(Arc<Door>, JoinHandle<()>)>);

impl Doors {
    /// Opens one more.
    pub(super) fn open(&mut self, door: Arc<Door>, listener: TcpListener, close: watch::Receiver<bool>) {
        let accept = tokio::spawn(door.clone().accept(listener, close));
        self.0.push((door, accept));
    }

    /// Connections that are open now.
    pub(super) fn connections(&self) -> usize {
        self.0.iter().map(|(door, _)| door.open()).sum()
    }

    /// Waits until none accepts any more.
    pub(super) async fn closed(&mut self) {
        for (_, accept) in &mut self.0 {
            if accept.await.is_err() {
                log::warn!("the accept loop had ended before");
            }
        }
    }

    /// Lets the proxies end what is idle.
    pub(super) async fn cleanup(&self) {
        for (door, _) in &self.0 {
            door.proxy.http_cleanup().await;
        }
    }
}

/// Accepts connections for one gateway.
pub(super) struct Door {
    pub(super) proxy: Arc<HttpProxy<Gateway>>,
    pub(super) tls: Arc<ArcSwapOption<Acceptor>>,
    pub(super) bounds: Bounds,
    pub(super) stopping: ShutdownWatch,
    open: AtomicUsize,
    by_ip: DashMap<IpAddr, usize>,
}

impl Door {
    pub(super) fn new(
        proxy: Arc<HttpProxy<Gateway>>,
        tls: Arc<ArcSwapOption<Acceptor>>,
        bounds: Bounds,
        stopping: ShutdownWatch,
    ) -> Self {
        Self { proxy, tls, bounds, stopping, open: AtomicUsize::new(0), by_ip: DashMap::new() }
    }

    /// Connections that are open now.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Accepts until told to close, then takes what waits in the backlog and returns.
    pub(super) async fn accept(self: Arc<Self>, listener: TcpListener, mut close: watch::Receiver<bool>) {
        loop {
            let accepted = tokio::select! {
                biased;
                _ = close.wait_for(|close| *close) => break,
                accepted = listener.accept() => accepted,
            };
            self.admit(accepted).await;
        }
        while let Ok(accepted) = tokio::time::timeout(Duration::ZERO, listener.accept()).await {
            self.admit(accepted).await;
        }
    }

    async fn admit(self: &Arc<Self>, accepted: io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((stream, peer)) => {
                if let Some(place) = self.place(peer.ip()) {
                    let door = self.clone();
                    tokio::spawn(async move { door.serve(stream, peer, place).await });
                }
            }
            // Out of descriptors or memory: others must finish first. Anything else concerns that one connection.
            Err(error) if matches!(error.raw_os_error(), Some(12 | 23 | 24 | 105)) => {
                log::error!("cannot accept connections: {error}; raise LimitNOFILE or lower max_connections");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(error) => log::debug!("a connection was gone before it was accepted: {error}"),
        }
    }

    fn place(self: &Arc<Self>, ip: IpAddr) -> Option<Place> {
        let place = Place { door: self.clone(), ip: self.bounds.per_ip.map(|_| ip) };
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        let of_ip = place.ip.map(|ip| {
            let mut count = self.by_ip.entry(ip).or_insert(0);
            *count += 1;
            *count
        });
        let crowded = of_ip.zip(self.bounds.per_ip).is_some_and(|(count, most)| count > most);
        (open <= self.bounds.connections && !crowded).then_some(place)
    }

    async fn serve(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, _place: Place) {
        if let Err(error) = stream.set_nodelay(true) {
            log::debug!("{peer}: {error}");
            return;
        }
        let link = Arc::new(Link::default());
        let opened = match self.tls.load_full() {
            Some(acceptor) => self.open_tls(&acceptor, stream, peer, &link).await,
            None => self.open_clear(stream, peer, &link).await,
        };
        match opened {
            Ok(stream) => {
                let stopping = &self.stopping;
                LINK.scope(link, self.proxy.process_new(stream, stopping)).await;
            }
            Err(error) => log::debug!("{peer}: the connection did not come to a request: {error}"),
        }
    }

    async fn open_clear(&self, stream: TcpStream, peer: SocketAddr, link: &Arc<Link>) -> io::Result<Stream> {
        let h2 = tokio::time::timeout(self.bounds.header.max(Duration::from_secs(75)), begins_with_preface(&stream))
            .await??;
        Ok(Box::new(Guarded::new(Plain::new(stream, peer), link.clone(), self.bounds.header, h2)))
    }

    async fn open_tls(
        &self,
        acceptor: &Acceptor,
        stream: TcpStream,
        peer: SocketAddr,
        link: &Arc<Link>,
    ) -> io::Result<Stream> {
        let handshake = acceptor.tls_handshake(Plain::new(stream, peer));
        let stream = tokio::time::timeout(self.bounds.header, handshake).await?.map_err(io::Error::other)?;
        let h2 = matches!(stream.selected_alpn_proto(), Some(ALPN::H2));
        Ok(Box::new(Guarded::new(stream, link.clone(), self.bounds.header, h2)))
    }
}

/// A connection's place among those that may be open; given back when the connection ends, however it ends.
struct Place {
    door: Arc<Door>,
    ip: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.open.fetch_sub(1, Ordering::SeqCst);
        if let Some(ip) = self.ip {
            let emptied = self.door.by_ip.get_mut(&ip).is_some_and(|mut count| {
                *count -= 1;
                *count == 0
            });
            if emptied {
                self.door.by_ip.remove_if(&ip, |_, count| *count == 0);
            }
        }
    }
}

/// Looks at the first bytes without taking them.
async fn begins_with_preface(stream: &TcpStream) -> io::Result<bool> {
    let mut seen = [0; PREFACE.len()];
    loop {
        let length = stream.peek(&mut seen).await?;
        // "PRI " tells the preface from every method that is served; the handshake checks the rest.
        if length >= 4 || length == 0 || seen[..length] != PREFACE[..length] {
            return Ok(length >= 4 && seen[..4] == PREFACE[..4]);
        }
        tokio::time::sleep(PREFACE_POLL).await;
    }
}
