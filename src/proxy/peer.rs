//! A deployment as Pingora's peer.

use std::net::SocketAddr;
use std::time::Duration;

use pingora::protocols::ALPN;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};

use crate::config::Settings;
use crate::exchange::Deployment;

/// How often an HTTP/2 connection is asked whether it still lives.
const PING: Duration = Duration::from_secs(30);

/// The peer for an attempt. `stall` bounds each write.
pub(super) fn peer(
    deployment: &Deployment,
    settings: &Settings,
    address: SocketAddr,
    stall: Duration,
) -> Box<HttpPeer> {
    let target = &deployment.target;
    let mut peer = Box::new(HttpPeer::new(address, target.tls, target.host.clone()));
    let upstream = &settings.upstream;
    let options = &mut peer.options;
    options.connection_timeout = Some(settings.deadlines.connect);
    options.total_connection_timeout = Some(settings.deadlines.connect);
    options.write_timeout = Some(stall);
    options.idle_timeout = Some(upstream.pool_idle);
    options.max_h2_streams = upstream.h2_streams_max;
    options.h2_ping_interval = Some(PING);
    // The request is written from scratch: there is nothing to strip.
    options.http_upstream_request_policy = HttpUpstreamRequestPolicy::preserve();
    options.alpn = match (deployment.settings.http2, target.tls) {
        (Some(true), _) => ALPN::H2,
        (None, true) => ALPN::H2H1,
        (Some(false), _) | (None, false) => ALPN::H1,
    };
    if !deployment.settings.ssl_verify.unwrap_or(upstream.tls_verify) {
        options.verify_cert = false;
        options.verify_hostname = false;
    }
    peer.group_key = deployment.pool;
    peer
}
