//! What all connections share: the configuration that is served, and what is in flight.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::connectors::http::v1::Connector;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::credentials::Credentials;
use super::resolve::Resolver;
use super::{faults, roots};
use crate::admin::Shell;
use crate::config::Settings;
use crate::exchange::{BuildError, Deployment, Surroundings, World};
use crate::fleet::Fleet;
use crate::telemetry::{Event, Gauge, Handles, Sample, Trouble};
use crate::vocabulary::Fault;

/// A wish for the configuration to be read anew, to be answered with what came of it.
pub(super) type ReloadWish = oneshot::Sender<Result<u64, String>>;
/// Wishes that wait at most.
const RELOADS_MAX: usize = 8;
/// How often it is looked whether another node has changed a model.
const FOLLOW: Duration = Duration::from_millis(200);

/// The configuration that is served, and what outlives it.
pub struct Gate {
    world: ArcSwap<World>,
    replacing: parking_lot::Mutex<()>,
    around: Surroundings,
    pub(super) resolver: Resolver,
    pub(super) credentials: Credentials,
    /// The other nodes; None: this one counts alone.
    pub(super) fleet: Option<Arc<Fleet>>,
    /// Held by whoever checks the deployments because somebody asks.
    pub(super) checking: Mutex<()>,
    /// For requests that may be hedged; None: it could not be made.
    racing: OnceLock<Option<Arc<Connector>>>,
    draining: AtomicBool,
    handing_over: AtomicBool,
    reloads: OnceLock<mpsc::Sender<ReloadWish>>,
    in_flight: AtomicU64,
    held_bytes: AtomicUsize,
}

impl Gate {
    /// Puts a configuration to work.
    ///
    /// # Errors
    /// See [`World::build`].
    pub fn new(settings: Settings, around: Surroundings) -> Result<Arc<Self>, BuildError> {
        let resolver = Resolver::new(settings.upstream.force_ipv4);
        let sharing = settings.sharing.clone();
        let fleet = sharing.map(|sharing| Arc::new(Fleet::new(sharing, super::id::new_id(around.clock.now()))));
        let world = World::build(settings, around.clone(), None)?;
        let gate = Arc::new(Self {
            world: ArcSwap::from_pointee(world),
            replacing: parking_lot::Mutex::default(),
            around: around.clone(),
            resolver,
            credentials: Credentials::default(),
            fleet,
            checking: Mutex::default(),
            racing: OnceLock::new(),
            draining: AtomicBool::new(false),
            handing_over: AtomicBool::new(false),
            reloads: OnceLock::new(),
            in_flight: AtomicU64::new(0),
            held_bytes: AtomicUsize::new(0),
        });
        around.telemetry.add_sample(Arc::new(Levels(Arc::downgrade(&gate))));
        Ok(gate)
    }

    /// The configuration that is served now.
    pub fn world(&self) -> Arc<World> {
        self.world.load_full()
    }

    /// What outlives configurations.
    pub fn around(&self) -> &Surroundings {
        &self.around
    }

    /// Serves another configuration from the next request on; exchanges that are open keep theirs.
    ///
    /// # Errors
    /// The new one cannot be put to work: the old one stays whole.
    pub fn replace(&self, settings: Settings) -> Result<u64, BuildError> {
        self.replace_with(|_| settings)
    }

    fn replace_with(&self, settings: impl FnOnce(&World) -> Settings) -> Result<u64, BuildError> {
        // One at a time: the second would be made of what the first replaces.
        let _alone = self.replacing.lock();
        let old = self.world.load_full();
        let settings = settings(&old);
        let new = World::build(settings, self.around.clone(), Some(&old))?;
        let generation = new.generation;
        self.world.store(Arc::new(new));
        Ok(generation)
    }

    /// From now on every answer closes its connection.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
    }

    /// Whether the process is stopping.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Takes no changes of records while a successor starts, which reads them once; and takes them again if it did not.
    pub(super) fn hand_over(&self, begun: bool) {
        self.handing_over.store(begun, Ordering::SeqCst);
        // A change that is under way is on file before the successor reads.
        drop(self.around.roster.write());
    }

    /// Wishes to reload, from here on. The first who listens stays.
    pub(super) fn reloads(&self) -> mpsc::Receiver<ReloadWish> {
        let (wish, wishes) = mpsc::channel(RELOADS_MAX);
        let _first_stays = self.reloads.set(wish);
        wishes
    }

    /// Exchanges that are open.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::SeqCst)
    }

    /// Looks the providers' names up again as often as configured; never returns. [`super::serve`] does so by itself, a
    /// server of somebody else's runs it in the background.
    pub async fn refresh_names(&self) {
        loop {
            tokio::time::sleep(self.world().settings.upstream.dns_refresh).await;
            self.resolver.refresh().await;
        }
    }

    /// The deployment's address, once its credential is at hand.
    pub(super) async fn reach(&self, deployment: &Deployment, world: &World) -> Result<SocketAddr, Fault> {
        if let Some(auth) = &deployment.auth {
            Box::pin(self.credentials.ready(auth, &deployment.settings.id, self, world)).await?;
        }
        let target = &deployment.target;
        let address = self.resolver.address(&target.host, target.port).await;
        address.map_err(|cause| faults::connect().cause(format_args!("{}: {cause}", target.host)))
    }

    /// The connections of requests that may be hedged, made when the first such request comes.
    pub(super) fn racing(&self, world: &World) -> Option<Arc<Connector>> {
        let make = || match roots::connector(world, |options| Connector::new(Some(options))) {
            Ok(connector) => Some(Arc::new(connector)),
            Err(error) => {
                log::warn!("nothing is hedged: {error}");
                None
            }
        };
        self.racing.get_or_init(make).clone()
    }

    /// Builds the world anew when another node has changed a model on record; never returns.
    pub(super) async fn follow_models(self: Arc<Self>) {
        let mut tried = 0;
        loop {
            tokio::time::sleep(FOLLOW).await;
            let version = self.around.roster.models_version();
            if version == self.world().models_version || version == std::mem::replace(&mut tried, version) {
                continue;
            }
            let gate = self.clone();
            let rebuilt = tokio::task::spawn_blocking(move || gate.rebuild()).await;
            if let Ok(Err(reason)) = rebuilt {
                let cause = format!("models that another node changed are not served: {reason}");
                self.around
                    .telemetry
                    .emit(&Event::Trouble(Trouble { subject: "model", cause: &cause }), self.around.clock.now());
            }
        }
    }

    pub(super) fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        InFlight { gate: self.clone(), held: 0 }
    }
}

impl Shell for Gate {
    fn takes_no_changes(&self) -> bool {
        self.is_draining() || self.handing_over.load(Ordering::SeqCst)
    }

    fn reload(&self) -> Result<u64, String> {
        let wishes = self.reloads.get().ok_or("whoever runs this server reads its configuration")?;
        let (tell, told) = oneshot::channel();
        let gone = "the process is stopping";
        wishes.blocking_send(tell).map_err(|_| gone)?;
        told.blocking_recv().unwrap_or_else(|_| Err(gone.to_owned()))
    }

    fn rebuild(&self) -> Result<(), String> {
        self.replace_with(World::declared).map(drop).map_err(|error| error.to_string())
    }
}

/// One request's share of what is in flight; given back when it is dropped.
pub(super) struct InFlight {
    gate: Arc<Gate>,
    held: usize,
}

impl InFlight {
    /// Counts more bytes of a body; false when all bodies together are too many.
    pub(super) fn hold(&mut self, bytes: usize, most: usize) -> bool {
        let held = self.gate.held_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.held += bytes;
        held <= most
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gate.held_bytes.fetch_sub(self.held, Ordering::Relaxed);
        self.gate.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Levels(std::sync::Weak<Gate>);

impl Sample for Levels {
    fn sample(&self, out: &mut dyn FnMut(&Handles, Gauge)) {
        let Some(gate) = self.0.upgrade() else { return };
        let world = gate.world();
        out(&world.handles, Gauge::InFlight(gate.in_flight()));
        out(&world.handles, Gauge::HeldBytes(gate.held_bytes.load(Ordering::Relaxed) as u64));
        if let Some(fleet) = &gate.fleet {
            out(&world.handles, Gauge::RedisUp(fleet.is_up()));
        }
        world.sample(gate.around.clock.now(), out);
    }
}
