//! Who is calling.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::carriers::{PRESENTED_BYTES_MAX, Presented};
use super::key::Key;
use crate::config::VirtualKey;
use crate::vocabulary::{Fault, KeyHash, Kind, Now, Secret};

/// The shortest key whose last four characters may be shown: of a shorter one they would be too much.
const SHOWN_KEY_BYTES_MIN: usize = 16;

/// All keys, by their hash. Replaced whole on a reload.
#[derive(Debug)]
pub struct KeyRing {
    master: Option<KeyHash>,
    keys: HashMap<KeyHash, Arc<Key>>,
    /// What an unknown key is compared with, so that it takes the same path.
    nobody: KeyHash,
}

/// Someone who showed a valid key.
#[derive(Clone, Debug)]
pub enum Caller {
    /// The master key: every model, no limits.
    Master,
    /// A virtual key.
    Key(Arc<Key>),
}

impl Caller {
    /// The virtual key, if it is one.
    pub fn key(&self) -> Option<&Arc<Key>> {
        match self {
            Self::Master => None,
            Self::Key(key) => Some(key),
        }
    }
}

impl KeyRing {
    /// The keys as configured. `previous` is the ring before a reload: limits of keys that are still there go on where
    /// they stand. `access_groups` gives the models of a group. Of two entries with one hash the first counts.
    pub fn build(
        master: Option<&Secret>,
        keys: &[VirtualKey],
        access_groups: &dyn Fn(&str) -> Option<Vec<String>>,
        previous: Option<&Self>,
        now: Now,
    ) -> Self {
        let before = |hash| previous?.keys.get(hash).map(Arc::as_ref);
        let mut ring = HashMap::with_capacity(keys.len());
        for key in keys {
            ring.entry(key.hash).or_insert_with(|| Arc::new(Key::of(key, access_groups, before(&key.hash), now)));
        }
        Self { master: master.map(|master| KeyHash::of(master.expose())), keys: ring, nobody: KeyHash::of("") }
    }

    /// Whether nobody could ever be let in: neither a master key nor virtual keys.
    pub fn is_empty(&self) -> bool {
        self.master.is_none() && self.keys.is_empty()
    }

    /// Whether there is a master key.
    pub fn has_master(&self) -> bool {
        self.master.is_some()
    }

    /// All virtual keys, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<Key>> {
        self.keys.values()
    }

    /// The virtual key that was presented. Valid, blocked or expired: see [`Key::check`].
    pub fn find(&self, presented: &str) -> Option<&Arc<Key>> {
        if presented.len() > PRESENTED_BYTES_MAX {
            return None;
        }
        self.find_hash(&KeyHash::of(presented))
    }

    /// Lets a caller in.
    ///
    /// # Errors
    /// No key, not a key, an unknown one, or one that is blocked, expired or bound to other addresses.
    pub fn authenticate(&self, presented: &Presented<'_>, address: Option<IpAddr>, now: Now) -> Result<Caller, Fault> {
        let text = match presented {
            Presented::Nothing => return Err(no_key()),
            Presented::Malformed => return Err(malformed()),
            Presented::Key(text) if text.len() > PRESENTED_BYTES_MAX => return Err(malformed()),
            Presented::Key(text) => text.as_ref(),
        };
        let hash = KeyHash::of(text);
        let found = self.find_hash(&hash);
        if self.is_master(&hash) {
            return Ok(Caller::Master);
        }
        let Some(key) = found else { return Err(unknown(text, &hash)) };
        key.check(address, now)?;
        Ok(Caller::Key(Arc::clone(key)))
    }

    fn is_master(&self, hash: &KeyHash) -> bool {
        let same = self.master.as_ref().unwrap_or(&self.nobody).matches(hash);
        self.master.is_some() && same
    }

    /// A probe by hash, then a comparison in constant time, whether the probe found one or not.
    fn find_hash(&self, hash: &KeyHash) -> Option<&Arc<Key>> {
        let found = self.keys.get(hash);
        let same = found.map_or(&self.nobody, |key| &key.hash).matches(hash);
        found.filter(|_| same)
    }
}

fn no_key() -> Fault {
    Fault::client(Kind::NoKey, "Authentication Error, No api key passed in.").param("None")
}

fn malformed() -> Fault {
    let text = "Authentication Error, Malformed API Key passed in. Ensure Key has `Bearer ` prefix.";
    Fault::client(Kind::MalformedKey, text).param("None")
}

fn unknown(presented: &str, hash: &KeyHash) -> Fault {
    let last = last_four(presented);
    if !presented.starts_with("sk-") {
        let text = format!("LiteLLM Virtual Key expected. Received=****{last}, expected to start with 'sk-'.");
        return Fault::client(Kind::MalformedKey, text).param("None");
    }
    let text = format!(
        "Authentication Error, Invalid proxy server token passed. Received API Key = sk-...{last}, \
         Key Hash (Token) ={hash}. Unable to find token in cache or `LiteLLM_VerificationTokenTable`"
    );
    Fault::client(Kind::UnknownKey, text).param("key")
}

/// The last four characters of a long key; nothing of a short one, or where they could not be printed.
fn last_four(presented: &str) -> &str {
    let last = presented.len().checked_sub(4).and_then(|at| presented.get(at..)).unwrap_or("");
    let showable = presented.len() >= SHOWN_KEY_BYTES_MIN && last.bytes().all(|byte| byte.is_ascii_graphic());
    if showable { last } else { "" }
}
