//! Names to addresses, off the request path, with the last good answer kept.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use dashmap::DashMap;

/// Most names remembered at once: far above the number of hosts in a configuration.
const HOSTS_MAX: usize = 4096;

/// Most addresses of one name.
const ADDRESSES_MAX: usize = 32;

/// Addresses by host name.
#[derive(Default)]
pub(super) struct Resolver {
    hosts: DashMap<Box<str>, Arc<Host>>,
    force_ipv4: bool,
}

struct Host {
    addresses: ArcSwap<Vec<IpAddr>>,
    next: AtomicUsize,
}

impl Resolver {
    pub(super) fn new(force_ipv4: bool) -> Self {
        Self { hosts: DashMap::new(), force_ipv4 }
    }

    /// An address of the host: another one each time. Asks the system only for a name it has not seen.
    ///
    /// # Errors
    /// The name does not resolve.
    pub(super) async fn address(&self, host: &str, port: u16) -> std::io::Result<SocketAddr> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(SocketAddr::new(ip, port));
        }
        let known = self.hosts.get(host).and_then(|entry| entry.value().pick());
        if let Some(ip) = known {
            return Ok(SocketAddr::new(ip, port));
        }
        let addresses = Box::pin(self.look_up(host)).await?;
        let first = addresses.first().copied();
        if self.hosts.len() < HOSTS_MAX {
            let fresh = Arc::new(Host { addresses: ArcSwap::from_pointee(addresses), next: AtomicUsize::new(1) });
            self.hosts.insert(host.into(), fresh);
        }
        first
            .map(|ip| SocketAddr::new(ip, port))
            .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address"))
    }

    /// Asks again for every name; what does not resolve keeps its last addresses.
    pub(super) async fn refresh(&self) {
        let names: Vec<_> = self.hosts.iter().map(|entry| (entry.key().clone(), entry.value().clone())).collect();
        for (name, host) in names {
            match self.look_up(&name).await {
                Ok(addresses) if !addresses.is_empty() => host.addresses.store(Arc::new(addresses)),
                Ok(_) | Err(_) => log::warn!("{name} does not resolve just now; its last addresses are kept"),
            }
        }
    }

    async fn look_up(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip());
        Ok(found.filter(|ip| !self.force_ipv4 || ip.is_ipv4()).take(ADDRESSES_MAX).collect())
    }
}

impl Host {
    fn pick(&self) -> Option<IpAddr> {
        let addresses = self.addresses.load();
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        addresses.get(turn.checked_rem(addresses.len())?).copied()
    }
}
