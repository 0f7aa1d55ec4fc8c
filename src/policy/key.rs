//! A virtual key at work.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use jiff::Timestamp;

use super::access::Access;
use super::limits::ScopeLimits;
use crate::config::VirtualKey;
use crate::vocabulary::{Fault, KeyHash, Kind, ModelName, Now};

/// A virtual key: what it may do, and how far its limits are used. The key itself is not kept.
#[derive(Debug)]
pub struct Key {
    /// SHA-256 of the key.
    pub hash: KeyHash,
    /// The hash its account has: its own, or that of a key it replaced.
    pub account: KeyHash,
    /// `key_alias`.
    pub alias: Option<Arc<str>>,
    /// `sk-...abcd`, where the key itself was given.
    pub shown: Option<Arc<str>>,
    /// The models it may name.
    pub access: Access,
    /// Its limits.
    pub limits: ScopeLimits,
    /// `allowed_model_region`: deployments elsewhere are not asked.
    pub region: Option<Box<str>>,
    /// `permissions.explain`: whether its requests may ask which way they went.
    pub may_explain: bool,
    /// `tags`.
    pub tags: Vec<Arc<str>>,
    aliases: HashMap<ModelName, ModelName>,
    allowed_ips: Vec<IpNet>,
    expires_ms: Option<i64>,
    blocked: bool,
}

impl Key {
    /// The key as configured; `previous` is the same key before a reload, whose limits go on.
    pub fn of(
        key: &VirtualKey,
        access_groups: &dyn Fn(&str) -> Option<Vec<String>>,
        previous: Option<&Self>,
        now: Now,
    ) -> Self {
        Self {
            hash: key.hash,
            account: key.account.unwrap_or(key.hash),
            alias: key.alias.as_deref().map(Arc::from),
            shown: key.shown.as_deref().map(Arc::from),
            access: Access::compile(&key.models, access_groups),
            limits: ScopeLimits::of_key(key, previous.map(|key| &key.limits), now),
            region: key.region.as_deref().map(Box::from),
            may_explain: key.may_explain,
            tags: key.tags.iter().map(|tag| Arc::from(tag.as_str())).collect(),
            aliases: key.aliases.iter().cloned().collect(),
            allowed_ips: key.allowed_ips.clone(),
            expires_ms: key.expires_ms,
            blocked: key.blocked,
        }
    }

    /// What this key means by a model name, where it has a name of its own for it.
    pub fn alias_for(&self, requested: &ModelName) -> Option<&ModelName> {
        self.aliases.get(requested)
    }

    /// This key's own names for models.
    pub fn aliases(&self) -> impl Iterator<Item = (&ModelName, &ModelName)> {
        self.aliases.iter()
    }

    /// `expires`, Unix milliseconds.
    pub fn expires_ms(&self) -> Option<i64> {
        self.expires_ms
    }

    /// Whether the key may be used at all, from this address, now.
    ///
    /// # Errors
    /// It is blocked, expired, or bound to other addresses (also where the caller's is not known).
    pub fn check(&self, address: Option<IpAddr>, now: Now) -> Result<(), Fault> {
        if self.blocked {
            return Err(blocked());
        }
        if let Some(expiry) = self.expires_ms.filter(|expiry| *expiry <= now.wall_ms) {
            return Err(self.expired(expiry, now));
        }
        if !self.allowed_ips.is_empty() && !address.is_some_and(|address| self.admits(address)) {
            return Err(Fault::client(Kind::AddressNotAllowed, "Access forbidden: IP address not allowed."));
        }
        Ok(())
    }

    fn admits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allowed_ips.iter().any(|net| net.contains(&address))
    }

    fn expired(&self, expiry: i64, now: Now) -> Fault {
        let text = format!(
            "Authentication Error - Expired Key. Key Expiry time {} and current time {}",
            moment(expiry),
            moment(now.wall_ms)
        );
        Fault::client(Kind::ExpiredKey, text).param(self.shown.as_deref().unwrap_or("sk-...").to_owned())
    }
}

fn blocked() -> Fault {
    let text = "Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin.";
    Fault::client(Kind::BlockedKey, text).param("None")
}

fn moment(wall_ms: i64) -> String {
    match Timestamp::from_millisecond(wall_ms) {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S%.3f+00:00").to_string(),
        Err(_) => "out of range".to_owned(),
    }
}
