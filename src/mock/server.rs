//! The listener, its threads, and the handle tests hold.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::journal::{Journal, Seen, Stats};
use super::knobs::Knobs;
use super::site::Site;
use super::{Tls, http1, http2};

/// Connections the system holds until they are accepted.
const BACKLOG: u32 = 4096;
/// Wait after a connection could not be accepted, for instance because there are too many.
const ACCEPT_RETRY: Duration = Duration::from_millis(10);

/// Where a mock listens and what it does.
#[derive(Debug)]
pub struct Options {
    /// Address to listen on.
    pub host: IpAddr,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Threads that serve, at least one.
    pub threads: usize,
    /// Whether HTTP/2 is spoken too, in the clear and by ALPN.
    pub h2: bool,
    /// Serves TLS with this certificate.
    pub tls: Option<Tls>,
    /// How many of the latest requests are kept.
    pub record: usize,
    /// How much of each kept request's body is kept.
    pub record_bytes: usize,
    /// How requests are answered that do not say otherwise.
    pub knobs: Knobs,
}

impl Default for Options {
    /// What tests want: a free port on loopback, and every request kept with its body (the latest 1,024, 1 MiB each).
    fn default() -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            threads: 1,
            h2: false,
            tls: None,
            record: 1024,
            record_bytes: 1 << 20,
            knobs: Knobs::default(),
        }
    }
}

/// A running mock. It stops when this is dropped.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    site: Arc<Site>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens, and serves on threads of its own.
    ///
    /// # Errors
    /// The address cannot be listened on, the certificate and key do not fit, or there are no threads to be had.
    pub fn start(options: Options) -> io::Result<Self> {
        let Options { host, port, threads, h2, tls, record, record_bytes, knobs } = options;
        let tls = tls.map(|tls| tls.acceptor(h2)).transpose()?;
        let runtime = runtime(threads)?;
        let listener = listen(&runtime, SocketAddr::new(host, port))?;
        let addr = listener.local_addr()?;
        let site = Arc::new(Site::new(knobs, Journal::new(record, record_bytes), h2));
        let door = Door { listener, tls, site: Arc::clone(&site) };
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("mock".into()).spawn(move || {
            runtime.block_on(door.serve(stopped));
            runtime.shutdown_background();
        })?;
        Ok(Self { addr, site, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The latest requests, oldest first.
    pub fn requests(&self) -> Vec<Seen> {
        self.site.journal.seen()
    }

    /// The latest requests once there are so many of them, or when the time is over.
    pub fn wait_for(&self, count: usize, limit: Duration) -> Vec<Seen> {
        self.site.journal.wait_for(count, limit)
    }

    /// How many connections were accepted since the start.
    pub fn connections(&self) -> u64 {
        self.stats().connections
    }

    /// Running totals.
    pub fn stats(&self) -> Stats {
        self.site.journal.stats()
    }

    /// Running totals once they are as wanted, or when the time is over: how a test waits for an abandoned answer.
    pub fn wait_until(&self, limit: Duration, wanted: impl Fn(&Stats) -> bool) -> Stats {
        self.site.journal.wait_until(limit, wanted)
    }

    /// Serves until the process ends.
    pub(super) fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join().is_err();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join().is_err();
        }
    }
}

fn runtime(threads: usize) -> io::Result<Runtime> {
    let mut builder = if threads > 1 { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.thread_name("mock").enable_all().build()
}

fn listen(runtime: &Runtime, addr: SocketAddr) -> io::Result<TcpListener> {
    let _entered = runtime.enter();
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Where connections come in.
struct Door {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    site: Arc<Site>,
}

impl Door {
    async fn serve(self, stopped: oneshot::Receiver<()>) {
        tokio::select! {
            _ = stopped => {}
            () = self.accept() => {}
        }
    }

    async fn accept(&self) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => self.greet(stream),
                Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
            }
        }
    }

    fn greet(&self, stream: TcpStream) {
        let (site, tls) = (Arc::clone(&self.site), self.tls.clone());
        site.journal.opened();
        tokio::spawn(async move {
            // A connection that breaks is the client's business; the journal counts what it left unanswered.
            let _broken = converse(stream, tls, &site).await.is_err();
            site.journal.closed();
        });
    }
}

async fn converse(stream: TcpStream, tls: Option<TlsAcceptor>, site: &Arc<Site>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let Some(tls) = tls else { return http1::serve(stream, Arc::clone(site)).await };
    let stream = tls.accept(stream).await?;
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        return http2::serve(stream, Arc::clone(site)).await;
    }
    http1::serve(stream, Arc::clone(site)).await
}
