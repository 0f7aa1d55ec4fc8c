//! Who is calling.

use std::collections::HashMap;
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

/// What is known of a key that was presented.
#[derive(Clone, Debug)]
pub enum Recognized {
    /// The master key: every model, no limits.
    Master,
    /// A virtual key of the configuration: see [`Key::check`].
    Key(Arc<Key>),
    /// Not one of the configuration's, and what to answer if it is nobody else's either.
    Stranger(KeyHash, Fault),
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

    /// The virtual key with this hash.
    pub fn by_hash(&self, hash: &KeyHash) -> Option<&Arc<Key>> {
        self.keys.get(hash)
    }

    /// The virtual key that was presented. Valid, blocked or expired: see [`Key::check`].
    pub fn find(&self, presented: &str) -> Option<&Arc<Key>> {
        if presented.len() > PRESENTED_BYTES_MAX {
            return None;
        }
        self.find_hash(&KeyHash::of(presented))
    }

    /// Looks who showed this key.
    ///
    /// # Errors
    /// No key, or not a key.
    pub fn recognize(&self, presented: &Presented<'_>) -> Result<Recognized, Fault> {
        let text = match presented {
            Presented::Nothing => return Err(no_key()),
            Presented::Malformed => return Err(malformed()),
            Presented::Key(text) if text.len() > PRESENTED_BYTES_MAX => return Err(malformed()),
            Presented::Key(text) => text.as_ref(),
        };
        let hash = KeyHash::of(text);
        let found = self.find_hash(&hash);
        if self.is_master(&hash) {
            return Ok(Recognized::Master);
        }
        Ok(match found {
            Some(key) => Recognized::Key(Arc::clone(key)),
            None => Recognized::Stranger(hash, unknown(text, &hash)),
        })
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

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::vocabulary::Clock;

    const MASTER: &str = "sk-master-0123456789";
    const ADA: &str = "sk-ada-0123456789abcd";

    fn entry(key: &str) -> VirtualKey {
        VirtualKey {
            hash: KeyHash::of(key),
            account: None,
            shown: Some("sk-...abcd".to_owned()),
            alias: Some("ada".to_owned()),
            models: Vec::new(),
            aliases: Vec::new(),
            rpm_limit: None,
            tpm_limit: None,
            max_parallel_requests: None,
            model_rpm_limit: Vec::new(),
            model_tpm_limit: Vec::new(),
            budget: None,
            model_budgets: Vec::new(),
            soft_budget: None,
            expires_ms: None,
            blocked: false,
            allowed_ips: Vec::new(),
            region: None,
            may_explain: true,
            tags: Vec::new(),
            metadata: None,
            place: String::new(),
        }
    }

    fn enter(key: VirtualKey, presented: &Presented<'_>, address: Option<&str>) -> Result<Recognized, Fault> {
        let now = Clock::manual(1_763_604_533_704).now();
        let ring = KeyRing::build(Some(&Secret::new(MASTER)), &[key], &|_| None, None, now);
        match ring.recognize(presented)? {
            Recognized::Stranger(_, fault) => Err(fault),
            Recognized::Key(key) => {
                key.check(address.map(|address| address.parse().unwrap()), now)?;
                Ok(Recognized::Key(key))
            }
            Recognized::Master => Ok(Recognized::Master),
        }
    }

    fn shown(text: &str) -> Presented<'_> {
        Presented::Key(Cow::Borrowed(text))
    }

    fn refused(text: &str) -> Fault {
        enter(entry(ADA), &shown(text), None).unwrap_err()
    }

    #[test]
    fn master_and_virtual_keys_are_let_in() {
        assert!(matches!(enter(entry(ADA), &shown(MASTER), None), Ok(Recognized::Master)));
        let caller = enter(entry(ADA), &shown(ADA), None).unwrap();
        assert!(matches!(caller, Recognized::Key(key) if key.hash == KeyHash::of(ADA)));
    }

    #[test]
    fn without_a_master_key_nothing_is_the_master_key() {
        let now = Clock::manual(0).now();
        let ring = KeyRing::build(None, &[], &|_| None, None, now);
        assert!(ring.is_empty());
        for text in ["", "sk-", MASTER] {
            assert!(matches!(ring.recognize(&shown(text)), Ok(Recognized::Stranger(..))), "{text:?}");
        }
    }

    #[test]
    fn no_key_and_a_malformed_one_are_told_apart() {
        let fault = enter(entry(ADA), &Presented::Nothing, None).unwrap_err();
        assert_eq!((fault.kind, &*fault.public), (Kind::NoKey, "Authentication Error, No api key passed in."));
        let fault = enter(entry(ADA), &Presented::Malformed, None).unwrap_err();
        assert_eq!(fault.kind, Kind::MalformedKey);
        assert!(fault.public.ends_with("Ensure Key has `Bearer ` prefix."));
        assert_eq!(refused(&format!("sk-{}", "x".repeat(PRESENTED_BYTES_MAX))).kind, Kind::MalformedKey);
    }

    #[test]
    fn an_unknown_key_is_named_by_its_hash_and_at_most_four_characters() {
        let fault = refused("sk-unknown-key-0000");
        assert_eq!((fault.kind, fault.param.as_deref()), (Kind::UnknownKey, Some("key")));
        assert_eq!(
            fault.public,
            format!(
                "Authentication Error, Invalid proxy server token passed. Received API Key = sk-...0000, Key Hash \
                 (Token) ={}. Unable to find token in cache or `LiteLLM_VerificationTokenTable`",
                KeyHash::of("sk-unknown-key-0000")
            )
        );
        assert!(refused("sk-short").public.contains("Received API Key = sk-..., Key Hash"));
        assert!(refused("sk-long-enough-but-\u{202e}abc").public.contains("Received API Key = sk-..., Key Hash"));
        let fault = refused("not-a-virtual-key-y123");
        assert_eq!(fault.public, "LiteLLM Virtual Key expected. Received=****y123, expected to start with 'sk-'.");
    }

    #[test]
    fn a_key_differs_in_every_byte_and_its_case() {
        for text in ["sk-ada-0123456789abcD", "sk-ada-0123456789abc", "sk-ada-0123456789abcd ", "SK-ada-0123456789abcd"]
        {
            refused(text);
        }
    }

    #[test]
    fn a_hash_is_no_key() {
        refused(&KeyHash::of(ADA).to_string());
    }

    #[test]
    fn blocked_and_expired_keys_stay_outside() {
        let fault = enter(VirtualKey { blocked: true, ..entry(ADA) }, &shown(ADA), None).unwrap_err();
        assert_eq!(fault.kind, Kind::BlockedKey);
        let key = VirtualKey { expires_ms: Some(1_763_604_533_704), ..entry(ADA) };
        let fault = enter(key, &shown(ADA), None).unwrap_err();
        assert_eq!((fault.kind, fault.param.as_deref()), (Kind::ExpiredKey, Some("sk-...abcd")));
        assert_eq!(
            fault.public,
            "Authentication Error - Expired Key. Key Expiry time 2025-11-20 02:08:53.704+00:00 and current time \
             2025-11-20 02:08:53.704+00:00"
        );
        assert!(enter(VirtualKey { expires_ms: Some(1_763_604_533_705), ..entry(ADA) }, &shown(ADA), None).is_ok());
    }

    #[test]
    fn a_key_bound_to_addresses_needs_one_of_them() {
        let bound = || VirtualKey { allowed_ips: vec!["10.1.0.0/16".parse().unwrap()], ..entry(ADA) };
        for inside in ["10.1.2.3", "::ffff:10.1.2.3"] {
            assert!(enter(bound(), &shown(ADA), Some(inside)).is_ok(), "{inside}");
        }
        for outside in [Some("10.2.0.1"), Some("::1"), None] {
            assert_eq!(enter(bound(), &shown(ADA), outside).unwrap_err().kind, Kind::AddressNotAllowed);
        }
    }
}
