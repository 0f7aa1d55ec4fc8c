//! The life of the process: listen, serve, reload, hand over, drain, end.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use pingora::apps::HttpServerOptions;
use pingora::listeners::tls::Acceptor;
use pingora::server::configuration::ServerConf;
use pingora_proxy::HttpProxy;
use tokio::net::TcpSocket;
use tokio::sync::watch;

use super::door::{Bounds, Door, Doors};
use super::gate::Gate;
use super::gateway::Gateway;
use super::handover::{self, Succession};
use super::roots::Bundle;
use super::signals::{Signals, Wish};
use super::tls::CertificateFiles;
use crate::admin::Side;
use crate::config::Settings;
use crate::exchange::Surroundings;
use crate::telemetry::{Event, Reloaded, Started, Trouble};

const BACKLOG: u32 = 4096;
/// How often files are looked at for changes.
const WATCH: Duration = Duration::from_secs(1);
/// How long kept-alive connections may bring one more request after the drain began, to be told to close.
const LINGER: Duration = Duration::from_secs(3);
/// How long the exchanges that the end of the process cuts may take to settle: counting tokens for the first time loads
/// a vocabulary.
const SETTLE: Duration = Duration::from_secs(10);
/// Attempts that Pingora allows a request: more than any configuration asks for, ours end by themselves.
const ATTEMPTS_MAX: usize = 64;

/// Where the configuration comes from, again and again.
pub trait Source: Send + Sync {
    /// Reads it anew; the error says why the old one must stay.
    ///
    /// # Errors
    /// It cannot be read or is wrong.
    fn load(&self) -> Result<Settings, String>;

    /// The files it is made of.
    fn files(&self) -> Vec<PathBuf>;
}

/// How to listen.
#[derive(Clone, Debug)]
pub struct Listen {
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// Serve over TLS.
    pub tls: Option<CertificateFiles>,
    /// Worker threads.
    pub workers: usize,
}

/// Where it is listened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// For calls.
    pub calls: SocketAddr,
    /// For the management API, where it has a place of its own.
    pub admin: Option<SocketAddr>,
}

/// Why the gateway does not serve.
#[derive(Debug)]
pub struct ServeError(String);

impl fmt::Display for ServeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for ServeError {}

/// Serves until told to end. `ready` is called once connections are accepted, with the address.
///
/// # Errors
/// The configuration cannot be put to work, a public address has no keys, or the address cannot be listened on.
pub fn serve(
    settings: Settings,
    source: Arc<dyn Source>,
    listen: &Listen,
    around: Surroundings,
    succession: Succession,
    ready: impl FnOnce(&Addresses, &Gate) -> io::Result<()>,
) -> Result<(), ServeError> {
    let gate = Gate::new(settings, around).map_err(|error| ServeError(error.to_string()))?;
    refuse_open_doors(&gate, listen)?;
    go_on_counting(&gate);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(listen.workers.max(1))
        .thread_name("tollgate")
        .enable_all()
        .build()
        .map_err(|error| ServeError(format!("cannot start {} worker threads: {error}", listen.workers)))?;
    let served = runtime.block_on(run(gate.clone(), source, listen, succession, ready));
    let cut = gate.in_flight();
    // What is still running is dropped here; every exchange among it settles in its drop.
    runtime.shutdown_timeout(SETTLE);
    served?;
    let around = gate.around();
    around.telemetry.emit(&Event::Stopped(cut), around.clock.now());
    around.telemetry.flush(Duration::from_secs(2));
    Ok(())
}

/// Gives the counters what was counted before. Without it requests are served all the same.
fn go_on_counting(gate: &Gate) {
    if let Err(cause) = gate.world().count_earlier() {
        let cause = format!("counters of metrics begin at zero: {cause}");
        let around = gate.around();
        around.telemetry.emit(&Event::Trouble(Trouble { subject: "store", cause: &cause }), around.clock.now());
    }
}

/// A gateway anyone can reach must know who is calling.
fn refuse_open_doors(gate: &Gate, listen: &Listen) -> Result<(), ServeError> {
    if listen.address.ip().is_loopback() || !gate.world().keys.is_empty() {
        return Ok(());
    }
    Err(ServeError(format!(
        "refusing to listen on {} without keys: everyone who reaches it could spend your money. \
         Set general_settings.master_key (or LITELLM_MASTER_KEY), declare virtual_keys, or listen on 127.0.0.1",
        listen.address
    )))
}

async fn run(
    gate: Arc<Gate>,
    source: Arc<dyn Source>,
    listen: &Listen,
    succession: Succession,
    ready: impl FnOnce(&Addresses, &Gate) -> io::Result<()>,
) -> Result<(), ServeError> {
    let failed = |what: &str, error: &dyn fmt::Display| ServeError(format!("{what}: {error}"));
    let Succession { inherited, lock } = succession;
    let mut signals = Signals::listen().map_err(|error| failed("cannot listen for signals", &error))?;
    let listener = match &inherited {
        Some(inheritance) => inheritance.listener.try_clone(),
        None => bind(listen.address),
    };
    let listener = listener.map_err(|error| ServeError(cannot_listen(listen.address, &error)))?;
    let address = listener.local_addr().map_err(|error| failed("the listening socket has no address", &error))?;
    let certificate = match &listen.tls {
        Some(files) => Some(Arc::new(files.acceptor().map_err(|error| failed("TLS", &error))?)),
        None => None,
    };
    let tls = Arc::new(ArcSwapOption::from(certificate));
    let (stop_idle, stopping) = watch::channel(false);
    let (close, closing) = watch::channel(false);
    let admin = match gate.world().settings.admin {
        Some(address) => Some(bind_beside(address).map_err(|error| ServeError(cannot_manage(address, &error)))?),
        None => None,
    };
    let at = |listener: &TcpListener| {
        listener.local_addr().map_err(|error| failed("the listening socket has no address", &error))
    };
    let addresses = Addresses { calls: address, admin: admin.as_ref().map(at).transpose()? };
    let sides = match admin {
        None => vec![(Side::Both, listener.try_clone())],
        Some(admin) => vec![(Side::Calls, listener.try_clone()), (Side::Management, Ok(admin))],
    };
    let mut doors = Doors::default();
    for (side, listener) in sides {
        let proxy = proxy(&gate, side, listen).map_err(|error| ServeError(error.to_string()))?;
        let door = Arc::new(Door::new(proxy, tls.clone(), bounds(&gate), stopping.clone()));
        let accepting = listener.and_then(|listener| tokio_listener(&listener));
        let accepting = accepting.map_err(|error| failed("the listening socket", &error))?;
        doors.open(door, accepting, closing.clone());
    }
    let names = gate.clone();
    tokio::spawn(async move { names.refresh_names().await });
    tokio::spawn(gate.clone().check_health());
    tokio::spawn(gate.clone().deliver_alerts());
    tokio::spawn(gate.clone().follow_models());
    tokio::spawn(gate.clone().share_limits());
    if let Some(inheritance) = inherited {
        inheritance.ready().map_err(|error| failed("the process before this one is gone", &error))?;
    }
    announce(&gate, &addresses);
    ready(&addresses, &gate).map_err(|error| failed("cannot print", &error))?;

    let mut wishes = gate.reloads();
    let mut reload = Reload { gate: gate.clone(), source, tls, listen: listen.clone(), seen: Vec::new() };
    reload.watch();
    let wish = loop {
        let wish = tokio::select! {
            wish = signals.next() => wish,
            Some(tell) = wishes.recv() => {
                // Whoever asked may have gone.
                let _unheard = tell.send(reload.run());
                continue;
            }
            () = tokio::time::sleep(WATCH) => if reload.look() { Wish::Reload } else { continue },
        };
        match wish {
            Wish::Reload => drop(reload.run()),
            Wish::HandOver => {
                if hand_over(&gate, &listener, lock.as_ref()).await {
                    break Wish::Drain;
                }
            }
            Wish::Drain | Wish::Stop => {
                notify(&[sd_notify::NotifyState::Stopping]);
                break wish;
            }
        }
    };
    drop(listener);
    if wish == Wish::Drain {
        drain(&gate, doors, &close, &stop_idle, &mut signals).await;
    }
    Ok(())
}

fn proxy(gate: &Arc<Gate>, side: Side, listen: &Listen) -> io::Result<Arc<HttpProxy<Gateway>>> {
    let world = gate.world();
    let upstream = &world.settings.upstream;
    let roots = upstream.ca_file.as_deref().map(Bundle::with).transpose()?;
    let conf = ServerConf {
        threads: listen.workers,
        upstream_keepalive_pool_size: upstream.pool_size,
        ca_file: roots.as_ref().map(Bundle::path),
        max_retries: ATTEMPTS_MAX,
        ..ServerConf::default()
    };
    let mut proxy = HttpProxy::new(Gateway::on(gate.clone(), side), Arc::new(conf));
    proxy.handle_init_modules();
    let mut options = HttpServerOptions::default();
    options.keepalive_request_limit = Some(world.settings.http.requests_per_connection_max);
    options.h2_idle_timeout = Some(world.settings.deadlines.keepalive);
    proxy.server_options = Some(options);
    Ok(Arc::new(proxy))
}

fn bounds(gate: &Gate) -> Bounds {
    let world = gate.world();
    Bounds {
        connections: world.settings.http.connections_max,
        per_ip: world.settings.http.connections_per_ip_max,
        header: world.settings.deadlines.header,
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// A successor listens there before this process leaves: the port is shared meanwhile.
fn bind_beside(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

fn cannot_manage(address: SocketAddr, error: &io::Error) -> String {
    format!(
        "cannot listen on {address} for the management API: {error}; set general_settings.admin_host and admin_port"
    )
}

fn tokio_listener(listener: &TcpListener) -> io::Result<tokio::net::TcpListener> {
    let listener = listener.try_clone()?;
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> String {
    let next = match error.kind() {
        io::ErrorKind::AddrInUse => "another process listens there: stop it, or choose another port with --port",
        io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE: choose another with --port",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address: choose another with --host",
        _ => "choose another address with --host and --port",
    };
    format!("cannot listen on {address}: {error}; {next}")
}

fn announce(gate: &Gate, addresses: &Addresses) {
    let around = gate.around();
    let listen: Vec<_> = [Some(addresses.calls), addresses.admin].iter().flatten().map(ToString::to_string).collect();
    around
        .telemetry
        .emit(&Event::Started(Started { listen: &listen, handles: &gate.world().handles }), around.clock.now());
    notify(&[sd_notify::NotifyState::Ready, sd_notify::NotifyState::MainPid(std::process::id())]);
}

/// Tells systemd, where it is there.
fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::warn!("systemd was not told: {error}");
    }
}

async fn hand_over(gate: &Gate, listener: &TcpListener, lock: Option<&OwnedFd>) -> bool {
    gate.hand_over(true);
    let handed = start_successor(gate, listener, lock).await;
    gate.hand_over(handed);
    handed
}

async fn start_successor(gate: &Gate, listener: &TcpListener, lock: Option<&OwnedFd>) -> bool {
    let around = gate.around();
    let lock = lock.map(OwnedFd::try_clone).transpose();
    let handed = match (own_binary(), listener.try_clone(), lock) {
        (Ok(binary), Ok(socket), Ok(lock)) => {
            let hand_over = move || handover::hand_over(&binary, socket.as_fd(), lock.as_ref().map(OwnedFd::as_fd));
            tokio::task::spawn_blocking(hand_over).await.unwrap_or_else(|error| Err(io::Error::other(error)))
        }
        (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => Err(error),
    };
    match handed {
        Ok(successor) => {
            // systemd hears the main process only, which is this one until it names the other. No word of stopping:
            // the service goes on.
            notify(&[sd_notify::NotifyState::MainPid(successor)]);
            true
        }
        Err(error) => {
            let cause = format!("the new binary did not take over, this one goes on: {error}");
            around.telemetry.emit(&Event::Trouble(Trouble { subject: "handover", cause: &cause }), around.clock.now());
            false
        }
    }
}

/// The file this process was started from; after a replacement the new one lies at the same path.
fn own_binary() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    let text = path.to_string_lossy();
    Ok(text.strip_suffix(" (deleted)").map(PathBuf::from).unwrap_or_else(|| path.clone()))
}

async fn drain(
    gate: &Gate,
    mut doors: Doors,
    close: &watch::Sender<bool>,
    stop_idle: &watch::Sender<bool>,
    signals: &mut Signals,
) {
    let around = gate.around();
    around.telemetry.emit(&Event::Draining(gate.in_flight()), around.clock.now());
    gate.drain();
    close.send_replace(true);
    doors.closed().await;
    let deadline = tokio::time::Instant::now() + gate.world().settings.deadlines.drain;
    let linger = deadline.min(tokio::time::Instant::now() + LINGER);
    let finished = async {
        until(linger, || doors.connections() == 0).await;
        stop_idle.send_replace(true);
        doors.cleanup().await;
        until(deadline, || doors.connections() == 0).await;
    };
    tokio::select! {
        () = finished => {}
        // A second wish to end is granted at once.
        () = async { while !matches!(signals.next().await, Wish::Drain | Wish::Stop) {} } => {}
    }
}

async fn until(deadline: tokio::time::Instant, done: impl Fn() -> bool) {
    while !done() && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Reads the configuration again, on demand or when a file of it changed.
struct Reload {
    gate: Arc<Gate>,
    source: Arc<dyn Source>,
    tls: Arc<ArcSwapOption<Acceptor>>,
    listen: Listen,
    seen: Vec<(PathBuf, Option<(SystemTime, u64)>)>,
}

impl Reload {
    /// Notes which files there are, and how they stand.
    fn watch(&mut self) {
        let certificate = self.listen.tls.iter().flat_map(|files| [files.certificate.clone(), files.key.clone()]);
        self.seen = self.source.files().into_iter().chain(certificate).map(|path| (path, None)).collect();
        self.look();
    }

    /// Whether one of them changed since the last look.
    fn look(&mut self) -> bool {
        let mut changed = false;
        for (path, stamp) in &mut self.seen {
            let now = std::fs::metadata(&*path).ok().and_then(|file| Some((file.modified().ok()?, file.len())));
            changed |= *stamp != now;
            *stamp = now;
        }
        changed
    }

    fn run(&mut self) -> Result<u64, String> {
        let around = self.gate.around().clone();
        notify(&[sd_notify::NotifyState::Reloading]);
        let outcome = self.replace();
        let (generation, refused) = match &outcome {
            Ok(generation) => (*generation, None),
            Err(reason) => (self.gate.world().generation, Some(reason.as_str())),
        };
        around.telemetry.emit(&Event::Reloaded(Reloaded { generation, refused }), around.clock.now());
        notify(&[sd_notify::NotifyState::Ready]);
        self.watch();
        outcome
    }

    /// All or nothing: the certificate is read before the configuration is swapped.
    fn replace(&self) -> Result<u64, String> {
        let settings = self.source.load()?;
        let certificate = match &self.listen.tls {
            Some(files) => Some(Arc::new(files.acceptor().map_err(|error| error.to_string())?)),
            None => None,
        };
        let exposed = !self.listen.address.ip().is_loopback();
        if exposed && settings.master_key.is_none() && settings.virtual_keys.is_empty() {
            return Err("the new configuration has no keys, and the address is public".to_owned());
        }
        let generation = self.gate.replace(settings).map_err(|error| error.to_string())?;
        self.tls.store(certificate);
        Ok(generation)
    }
}
