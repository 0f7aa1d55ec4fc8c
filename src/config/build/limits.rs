//! Sizes, deadlines and how upstreams are reached.

use std::path::PathBuf;
use std::time::Duration;

use super::{Build, secret, truth};
use crate::config::settings::{Deadlines, Http, Upstream};
use crate::config::value;
use crate::config::yaml::Node;

const MIB: usize = 1 << 20;
const BODY_MIB: usize = 32;
const REPLY_MIB: usize = 64;
const HELD_MIB: usize = 1024;
const CONNECTIONS: usize = 20_000;
const REQUESTS_PER_CONNECTION: u32 = 10_000;
const POOL_SIZE: usize = 512;
const H2_STREAMS: usize = 100;

/// Limits of the HTTP side.
pub(super) fn http(general: &Node) -> Http {
    let mib = |name: &str| size(general, name).map(|count| count.saturating_mul(MIB));
    let reply = mib("max_reply_size_mb").or_else(|| mib("max_response_size_mb"));
    Http {
        body_bytes_max: mib("max_request_size_mb").unwrap_or(BODY_MIB * MIB),
        reply_bytes_max: reply.unwrap_or(REPLY_MIB * MIB),
        held_bytes_max: mib("max_held_size_mb").unwrap_or(HELD_MIB * MIB),
        connections_max: size(general, "max_connections").unwrap_or(CONNECTIONS),
        connections_per_ip_max: size(general, "max_connections_per_ip"),
        requests_per_connection_max: super::small(general, "max_requests_per_connection")
            .unwrap_or(REQUESTS_PER_CONNECTION),
        use_x_forwarded_for: truth(general, "use_x_forwarded_for").unwrap_or(false),
        cors_origins: general.at("cors_allow_origins").and_then(value::name_or_names),
    }
}

/// Deadlines of every phase.
pub(super) fn deadlines(general: &Node, router: &Node, litellm: &Node) -> Deadlines {
    let time = |name: &str, default| seconds(general, name).unwrap_or_else(|| Duration::from_secs(default));
    let answer = seconds(router, "timeout").or_else(|| seconds(litellm, "request_timeout"));
    Deadlines {
        header: time("header_timeout", 10),
        keepalive: time("keepalive_timeout", 75),
        body: time("body_timeout", 60),
        connect: time("connect_timeout", 10),
        first_byte: answer.unwrap_or(Duration::from_secs(600)),
        idle: seconds(router, "stream_timeout").unwrap_or(Duration::from_secs(300)),
        total: answer.unwrap_or(Duration::from_secs(6000)),
        write: time("write_timeout", 60),
        stream: time("max_stream_time", 6000),
        drain: time("drain_timeout", 30),
    }
}

impl Build<'_> {
    /// How upstreams are reached.
    pub(super) fn upstream(&mut self) -> Upstream {
        let general = self.general;
        let (tls_verify, ca_file) = self.tls();
        Upstream {
            tls_verify,
            ca_file,
            pool_size: size(general, "upstream_pool_size").unwrap_or(POOL_SIZE),
            pool_idle: seconds(general, "upstream_pool_idle_timeout").unwrap_or(Duration::from_secs(55)),
            dns_refresh: seconds(general, "dns_refresh_interval").unwrap_or(Duration::from_secs(30)),
            force_ipv4: truth(self.litellm, "force_ipv4").unwrap_or(false),
            h2_streams_max: size(general, "upstream_h2_streams").unwrap_or(H2_STREAMS),
        }
    }

    fn tls(&mut self) -> (bool, Option<PathBuf>) {
        let ca_file = self.variables.find("SSL_CERT_FILE").map(PathBuf::from);
        let Some(entry) = self.litellm.entry("ssl_verify").filter(|entry| !entry.value.is_null()) else {
            return (true, ca_file);
        };
        match (entry.value.bool(), entry.value.text()) {
            (Some(true), _) => (true, ca_file),
            (Some(false), _) => {
                let reason = "certificates are not checked: anyone on the way can read and change everything";
                self.report.warn(&entry.place, "litellm_settings.ssl_verify", reason);
                (false, ca_file)
            }
            (None, path) => (true, path.map(|path| secret::relative(&entry.place.file, path)).or(ca_file)),
        }
    }
}

fn seconds(section: &Node, name: &str) -> Option<Duration> {
    section.at(name).and_then(value::duration)
}

fn size(section: &Node, name: &str) -> Option<usize> {
    section.at(name).and_then(value::count).and_then(|count| count.try_into().ok())
}
