//! Where an issuer's keys are fetched, when, and how long they are good for.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use dashmap::DashMap;
use parking_lot::Mutex;
use serde::Deserialize;

use super::jwk::KeySet;
use crate::vocabulary::Now;

/// The end of a discovery document's address (OpenID Connect Discovery, section 4).
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// How long after a fetch the next one is made for the sake of a key that is not there: strangers' tokens may name any.
const UNKNOWN_KEY_AFTER: Duration = Duration::from_secs(10);
/// How long after a fetch that failed the next one is made.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// How long keys are good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    /// After this they are fetched again.
    pub(super) fresh: Duration,
    /// How much longer they are used where that fails.
    pub(super) stale: Duration,
}

/// One address of keys. Outlives configurations.
#[derive(Debug)]
pub struct Source {
    url: Arc<str>,
    held: ArcSwapOption<Held>,
    steps: Mutex<Steps>,
}

/// Keys, and when they came.
#[derive(Debug)]
struct Held {
    keys: Arc<KeySet>,
    at: Now,
}

/// How fetching goes.
#[derive(Debug, Default)]
struct Steps {
    tried: Option<Now>,
    /// The last fetch failed.
    failed: bool,
    /// Where the discovery document says that the keys are, on the way there.
    leads_to: Option<Arc<str>>,
}

/// Keys that shall be fetched.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// From where, and who takes the answer.
    pub source: Arc<Source>,
    /// The token cannot be judged without. Else what is there still holds.
    pub urgent: bool,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: Option<String>,
    jwks_uri: String,
}

impl Source {
    fn new(url: &str) -> Self {
        Self { url: url.into(), held: ArcSwapOption::empty(), steps: Mutex::default() }
    }

    /// The address that it was configured with.
    pub fn name(&self) -> Arc<str> {
        self.url.clone()
    }

    /// What to fetch next: the keys, or the document that says where they are.
    pub fn url(&self) -> Arc<str> {
        self.steps.lock().leads_to.clone().unwrap_or_else(|| self.url.clone())
    }

    /// The keys, unless they are too old.
    pub(super) fn keys(&self, lifetime: Lifetime, now: Now) -> Option<Arc<KeySet>> {
        let held = self.held.load();
        let held = held.as_ref()?;
        (now.since(held.at) < lifetime.fresh.saturating_add(lifetime.stale)).then(|| held.keys.clone())
    }

    /// Whether they shall be fetched now; `Some(true)` where a token that names this key waits for it.
    pub(super) fn wants(&self, kid: Option<&str>, lifetime: Lifetime, now: Now) -> Option<bool> {
        let keys = self.keys(lifetime, now);
        let missing = match (&keys, kid) {
            (None, _) => true,
            (Some(keys), Some(kid)) => !keys.has(kid),
            (Some(_), None) => false,
        };
        let old = || self.held.load().as_ref().is_none_or(|held| now.since(held.at) >= lifetime.fresh);
        if !missing && !old() {
            return None;
        }
        let steps = self.steps.lock();
        let pause = match &keys {
            _ if steps.failed => RETRY_AFTER,
            Some(_) if missing => UNKNOWN_KEY_AFTER,
            _ => Duration::ZERO,
        };
        let due = steps.leads_to.is_some() || steps.tried.is_none_or(|tried| now.since(tried) >= pause);
        due.then_some(missing)
    }

    /// Takes what came from [`Self::url`]; whether there is another step to take.
    ///
    /// # Errors
    /// It is not what was expected. The keys that are there stay.
    pub fn take(&self, status: u16, body: &[u8], now: Now) -> Result<bool, String> {
        let mut steps = self.steps.lock();
        let leads_to = steps.leads_to.take();
        steps.tried = Some(now);
        steps.failed = true;
        match status {
            200 => {}
            0 => return Err("nobody answered".to_owned()),
            status => return Err(format!("the answer had status {status}")),
        }
        if leads_to.is_none() && self.url.ends_with(DISCOVERY) {
            steps.leads_to = Some(self.discovered(body)?);
            return Ok(true);
        }
        let keys = KeySet::parse(body)?;
        steps.failed = false;
        drop(steps);
        let before = self.held.load();
        // The same keys stay the same: tokens that were verified by them need not be verified again.
        let same = before.as_ref().map(|held| &held.keys).filter(|held| ***held == keys).cloned();
        let keys = same.unwrap_or_else(|| Arc::new(keys));
        self.held.store(Some(Arc::new(Held { keys, at: now })));
        Ok(false)
    }

    fn discovered(&self, body: &[u8]) -> Result<Arc<str>, String> {
        let found: Discovery =
            serde_json::from_slice(body).map_err(|_| "expected an OpenID Connect discovery document with jwks_uri")?;
        let issuer = self.url.strip_suffix(DISCOVERY).unwrap_or_default();
        if found.issuer.is_some_and(|said| said.trim_end_matches('/') != issuer) {
            return Err("the discovery document is of another issuer".to_owned());
        }
        Ok(found.jwks_uri.into())
    }
}

/// All addresses of keys that were configured so far.
#[derive(Debug, Default)]
pub struct Sources(DashMap<Box<str>, Arc<Source>>);

impl Sources {
    /// The one with this address.
    pub(super) fn at(&self, url: &str) -> Arc<Source> {
        self.0.entry(url.into()).or_insert_with(|| Arc::new(Source::new(url))).clone()
    }
}
