//! Whether a token is what it says, and from whom.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;

use super::claims::Claims;
use super::jwk::KeySet;
use super::jws::Compact;
use super::person::Person;
use super::source::{Lifetime, Source, Sources, Wanted};
use crate::config::{Algorithm, ClaimFields, JwtAuth};
use crate::vocabulary::{Fault, KeyHash, Kind, Now};

/// The longest token that is looked at, in bytes.
pub const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// How many verified tokens are remembered.
const REMEMBERED_MAX: usize = 10_000;
/// The most of a key's id that is repeated.
const KID_SHOWN_MAX: usize = 80;

/// Whether a text has the form of a token: three parts, and no virtual key's beginning.
pub fn is_token(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !text.starts_with("sk-")
        && text.len() <= TOKEN_BYTES_MAX
        && text.bytes().filter(|byte| *byte == b'.').count() == 2
        && text.bytes().all(plain)
        && !text.starts_with('.')
        && !text.ends_with('.')
        && !text.contains("..")
}

/// A token that holds.
#[derive(Debug)]
pub struct Verified {
    /// Whom it is about.
    pub person: Person,
    /// Who made it.
    pub issuer: Option<String>,
    /// What the issuer calls whoever it was made for.
    pub subject: Option<String>,
    /// When it ends, Unix milliseconds, with leeway.
    ends_ms: i64,
    source: Arc<Source>,
    keys: Arc<KeySet>,
}

/// Why a token does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// It cannot be read, or is no token to be shown by its bearer.
    Malformed,
    /// Signed by an algorithm that is not taken.
    Algorithm,
    /// Of an issuer that is not known.
    Issuer,
    /// The issuer has no key of this id.
    NoKey,
    /// The issuer's keys are not here and cannot be fetched.
    NoKeys,
    /// The signature is not by the issuer's key.
    Signature,
    /// Its time is over.
    Expired,
    /// It never ends, or its times are none.
    Times,
    /// Its time has not come.
    Early,
    /// It was made for others.
    Audience,
}

/// Where tokens of one issuer are held against.
struct Rules {
    /// None: whatever it says.
    issuer: Option<String>,
    /// Empty: for whomever.
    audience: Vec<String>,
    sources: Vec<Arc<Source>>,
    fields: ClaimFields,
}

/// Judges tokens by one configuration, and remembers those that hold.
pub struct Verifier {
    settings: Arc<JwtAuth>,
    issuers: Vec<Rules>,
    others: Option<Rules>,
    lifetime: Lifetime,
    remembered: DashMap<KeyHash, Arc<Verified>>,
}

impl Verifier {
    /// A verifier for these settings; keys that were fetched before are in `sources`.
    pub fn new(settings: Arc<JwtAuth>, sources: &Sources) -> Self {
        let issuers = settings.issuers.iter().map(|issuer| Rules {
            issuer: Some(issuer.issuer.clone()),
            audience: issuer.audience.clone(),
            sources: vec![sources.at(&issuer.key_url)],
            fields: issuer.fields.or(&settings.fields),
        });
        let others = (!settings.key_urls.is_empty()).then(|| Rules {
            issuer: settings.issuer.clone(),
            audience: settings.audience.iter().cloned().collect(),
            sources: settings.key_urls.iter().map(|url| sources.at(url)).collect(),
            fields: settings.fields.clone(),
        });
        Self {
            issuers: issuers.collect(),
            others,
            lifetime: Lifetime { fresh: settings.key_ttl, stale: settings.key_stale_ttl },
            remembered: DashMap::new(),
            settings,
        }
    }

    /// Keys that should be fetched before this token is judged, or beside it.
    pub fn wants(&self, token: &str, now: Now) -> Option<Wanted> {
        let wanted = |source: &Arc<Source>, kid: Option<&str>| {
            let urgent = source.wants(kid, self.lifetime, now)?;
            Some(Wanted { source: source.clone(), urgent })
        };
        if let Some(known) = self.remembered(&KeyHash::of(token), now) {
            return wanted(&known.source, None);
        }
        let token = Compact::parse(token)?;
        self.algorithm(&token).ok()?;
        let rules = self.rules(&token.claims).ok()?;
        let kid = token.header.kid.as_deref();
        let has = |source: &&Arc<Source>| {
            let keys = source.keys(self.lifetime, now);
            keys.is_some_and(|keys| kid.is_none_or(|kid| keys.has(kid)))
        };
        // Of several addresses only the one that has the key need be fresh.
        match rules.sources.iter().find(has) {
            Some(source) => wanted(source, kid),
            None => rules.sources.iter().find_map(|source| wanted(source, kid)),
        }
    }

    /// Judges a token.
    ///
    /// # Errors
    /// It does not hold, or whom it is about is not let in: LiteLLM's words.
    pub fn verify(&self, token: &str, now: Now) -> Result<Arc<Verified>, Fault> {
        let hash = KeyHash::of(token);
        if let Some(known) = self.remembered(&hash, now) {
            return Ok(known);
        }
        let verified = Arc::new(self.judge(token, now)?);
        if self.remembered.len() >= REMEMBERED_MAX {
            self.remembered.retain(|_, known| now.wall_ms < known.ends_ms);
            if self.remembered.len() >= REMEMBERED_MAX {
                self.remembered.clear();
            }
        }
        self.remembered.insert(hash, verified.clone());
        Ok(verified)
    }

    /// A token that held, as long as it has not ended and its issuer's keys are the same.
    fn remembered(&self, hash: &KeyHash, now: Now) -> Option<Arc<Verified>> {
        let known = self.remembered.get(hash).map(|known| Arc::clone(&known))?;
        let keys = known.source.keys(self.lifetime, now)?;
        (now.wall_ms < known.ends_ms && Arc::ptr_eq(&keys, &known.keys)).then_some(known)
    }

    fn judge(&self, token: &str, now: Now) -> Result<Verified, Fault> {
        let compact = Compact::parse(token).ok_or_else(|| told(Rejected::Malformed, None))?;
        let kid = compact.header.kid.as_deref();
        let refuse = |rejected| told(rejected, kid);
        let algorithm = self.algorithm(&compact).map_err(refuse)?;
        let rules = self.rules(&compact.claims).map_err(refuse)?;
        let (source, keys) = self.signer(&compact, algorithm, rules, now).map_err(refuse)?;
        let ends_ms = self.times(&compact.claims, now).map_err(refuse)?;
        if !rules.audience.is_empty() {
            let named = compact.claims.texts("aud");
            if !named.iter().any(|name| rules.audience.contains(name)) {
                return Err(refuse(Rejected::Audience));
            }
        }
        Ok(Verified {
            person: Person::of(&compact.claims, &rules.fields, &self.settings)?,
            issuer: compact.claims.text("iss"),
            subject: compact.claims.text("sub"),
            ends_ms,
            source,
            keys,
        })
    }

    fn algorithm(&self, token: &Compact<'_>) -> Result<Algorithm, Rejected> {
        if !token.header.is_of_bearer() {
            return Err(Rejected::Malformed);
        }
        let found = Algorithm::parse(&token.header.alg);
        found.filter(|found| self.settings.algorithms.contains(found)).ok_or(Rejected::Algorithm)
    }

    /// The rules for what a token says is its issuer: they say which keys it must be signed with.
    fn rules(&self, claims: &Claims) -> Result<&Rules, Rejected> {
        let issuer = claims.text("iss");
        let own = self.issuers.iter().find(|rules| rules.issuer == issuer);
        let others = self.others.as_ref().filter(|rules| rules.issuer.is_none() || rules.issuer == issuer);
        own.or(others).ok_or(Rejected::Issuer)
    }

    /// Whose key the signature is by.
    fn signer(
        &self,
        token: &Compact<'_>,
        algorithm: Algorithm,
        rules: &Rules,
        now: Now,
    ) -> Result<(Arc<Source>, Arc<KeySet>), Rejected> {
        let mut rejected = Rejected::NoKeys;
        for source in &rules.sources {
            let Some(keys) = source.keys(self.lifetime, now) else { continue };
            let candidates = keys.candidates(token.header.kid.as_deref(), algorithm);
            if candidates.is_empty() && rejected == Rejected::NoKeys {
                rejected = Rejected::NoKey;
            }
            if !candidates.is_empty() {
                rejected = Rejected::Signature;
            }
            if candidates.iter().any(|key| key.verifies(algorithm, token.signed.as_bytes(), &token.signature)) {
                return Ok((source.clone(), keys));
            }
        }
        Err(rejected)
    }

    /// When a token ends, Unix milliseconds: one that never does is not taken.
    fn times(&self, claims: &Claims, now: Now) -> Result<i64, Rejected> {
        let millis = |name: &str| {
            let seconds = claims.seconds(name).map_err(|()| Rejected::Times)?;
            Ok(seconds.map(|seconds| seconds.saturating_mul(1000)))
        };
        let leeway = i64::try_from(self.settings.leeway.as_millis()).unwrap_or(i64::MAX);
        let ends_ms = millis("exp")?.ok_or(Rejected::Times)?.saturating_add(leeway);
        if ends_ms <= now.wall_ms {
            return Err(Rejected::Expired);
        }
        for begins in [millis("nbf")?, millis("iat")?].into_iter().flatten() {
            if begins.saturating_sub(leeway) > now.wall_ms {
                return Err(Rejected::Early);
            }
        }
        Ok(ends_ms)
    }
}

/// LiteLLM's words for a token that does not hold.
fn told(rejected: Rejected, kid: Option<&str>) -> Fault {
    let fault = |text: &'static str| Fault::client(Kind::MalformedKey, text).param("None");
    match rejected {
        Rejected::Expired => Fault::client(Kind::ExpiredKey, "Token Expired"),
        Rejected::NoKeys => {
            let text = "The keys that verify tokens cannot be fetched just now: try again shortly";
            Fault::ours(Kind::Overloaded, text).retry_after(Duration::from_secs(5))
        }
        Rejected::NoKey => {
            let kid: String =
                kid.unwrap_or("None").chars().filter(char::is_ascii_graphic).take(KID_SHOWN_MAX).collect();
            let text = format!("Authentication Error, No matching public key found. kid={kid}");
            Fault::client(Kind::MalformedKey, text).param("None")
        }
        Rejected::Malformed => fault("Authentication Error, Invalid JWT Submitted"),
        Rejected::Algorithm => fault(
            "Authentication Error, Validation fails: The specified alg value is not allowed; expected an asymmetric \
             signature like RS256 or ES256",
        ),
        Rejected::Issuer => fault("Authentication Error, Validation fails: Invalid issuer"),
        Rejected::Signature => fault("Authentication Error, Validation fails: Signature verification failed"),
        Rejected::Times => fault(
            "Authentication Error, Validation fails: Token is missing the \"exp\" claim, or exp, nbf or iat is no number",
        ),
        Rejected::Early => fault("Authentication Error, Validation fails: The token is not yet valid (nbf)"),
        Rejected::Audience => fault("Authentication Error, Validation fails: Audience doesn't match"),
    }
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Verifier({} issuers, {} remembered)", self.issuers.len(), self.remembered.len())
    }
}
