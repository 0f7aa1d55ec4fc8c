//! Whether limits are shared with other nodes, and through which Redis.

use super::{Build, small, text, truth};
use crate::config::redis::{Layout, Redis, Sharing};

const PORT: u16 = 6379;

impl Build<'_> {
    /// `router_settings.redis_url`, or `redis_host` and what belongs to it; None: this node counts alone.
    pub(super) fn sharing(&mut self) -> Option<Sharing> {
        let router = self.router;
        let fail_closed = truth(self.general, "fail_closed_rate_limit_enforcement").unwrap_or(false);
        let strict = text(router, "shared_limits").is_some_and(|mode| mode == "strict");
        let redis = match router.entry("redis_url").filter(|entry| !entry.value.is_null()) {
            Some(entry) => {
                let path = "router_settings.redis_url";
                match Redis::parse(self.secret(&entry.value, path)?.expose()) {
                    Ok(redis) => redis,
                    Err(reason) => {
                        self.report.error(&entry.place, path, reason);
                        return None;
                    }
                }
            }
            None => {
                let host = text(router, "redis_host")?;
                let port = small(router, "redis_port").and_then(|port| u16::try_from(port).ok()).unwrap_or(PORT);
                let password = router.entry("redis_password").filter(|entry| !entry.value.is_null());
                Redis {
                    layout: Layout::Single,
                    tls: truth(router, "redis_ssl").unwrap_or(false),
                    hosts: vec![(host, port)],
                    user: None,
                    password: password.and_then(|entry| self.secret(&entry.value, "router_settings.redis_password")),
                    database: small(router, "redis_db").unwrap_or(0),
                }
            }
        };
        Some(Sharing { redis, strict, fail_closed })
    }
}
