//! Keys of an issuer (RFC 7517), and signatures held against them (RFC 7518).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::config::Algorithm;

/// The most keys of a set that are looked at.
const KEYS_MAX: usize = 100;

/// The keys that an issuer signs with.
#[derive(Clone, Debug, PartialEq)]
pub struct KeySet(Vec<PublicKey>);

#[derive(Clone, Debug, PartialEq)]
pub(super) struct PublicKey {
    pub(super) kid: Option<String>,
    alg: Option<String>,
    material: Material,
}

#[derive(Clone, Debug, PartialEq)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// A key as it comes. What is secret in it, or for something else, is not read.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    kid: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct Document<'d> {
    #[serde(borrow)]
    keys: Vec<&'d RawValue>,
}

impl KeySet {
    /// Reads `{"keys": [..]}`, or the list alone. Keys that cannot be used are left out.
    ///
    /// # Errors
    /// It is no key set, or has no key that can be used.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(json).map_err(|_| "the key set is no text")?;
        let set = serde_json::from_str::<Document<'_>>(text).map(|set| set.keys);
        let keys: Vec<&RawValue> =
            set.or_else(|_| serde_json::from_str(text)).map_err(|_| "expected a JSON Web Key Set")?;
        // One key that we do not understand must not hide the others (RFC 7517, section 5).
        let usable = |key: &&RawValue| PublicKey::of(serde_json::from_str(key.get()).ok()?);
        let keys: Vec<_> = keys.iter().take(KEYS_MAX).filter_map(usable).collect();
        if keys.is_empty() { Err("the key set has no key that can verify".to_owned()) } else { Ok(Self(keys)) }
    }

    /// The keys that a signature by this algorithm may be from: those with the id, or where the token names none, the only
    /// one of its kind.
    pub(super) fn candidates(&self, kid: Option<&str>, algorithm: Algorithm) -> Vec<&PublicKey> {
        let fits = self.0.iter().filter(|key| key.fits(algorithm));
        match kid {
            Some(_) => fits.filter(|key| key.kid.as_deref() == kid).collect(),
            None => Some(fits.collect()).filter(|keys: &Vec<_>| keys.len() == 1).unwrap_or_default(),
        }
    }

    /// Whether a key with this id is there, for whatever algorithm.
    pub(super) fn has(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.kid.as_deref() == Some(kid))
    }
}

impl PublicKey {
    fn of(key: Jwk) -> Option<Self> {
        if key.purpose.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let bytes = |part: &Option<String>| URL_SAFE_NO_PAD.decode(part.as_deref()?.trim_end_matches('=')).ok();
        // A number without the zeros before it, as the verifier demands.
        let number = |part: &Option<String>| {
            let bytes = bytes(part)?;
            let start = bytes.iter().position(|byte| *byte != 0)?;
            Some(bytes[start..].to_vec())
        };
        let point = |size: usize| {
            let (x, y) = (bytes(&key.x)?, bytes(&key.y)?);
            let right = x.len() == size && y.len() == size;
            right.then(|| [&[4][..], &x, &y].concat())
        };
        let material = match (key.kty.as_str(), key.crv.as_deref()) {
            ("RSA", _) => Material::Rsa { n: number(&key.n)?, e: number(&key.e)? },
            ("EC", Some("P-256")) => Material::P256(point(32)?),
            ("EC", Some("P-384")) => Material::P384(point(48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes(&key.x).filter(|x| x.len() == 32)?),
            _ => return None,
        };
        Some(Self { kid: key.kid, alg: key.alg, material })
    }

    /// Whether the key is for this algorithm: by its kind, and where it says so itself, by its word.
    fn fits(&self, algorithm: Algorithm) -> bool {
        let kind = match &self.material {
            Material::Rsa { .. } => rsa(algorithm).is_some(),
            Material::P256(_) => algorithm == Algorithm::Es256,
            Material::P384(_) => algorithm == Algorithm::Es384,
            Material::Ed25519(_) => algorithm == Algorithm::EdDsa,
        };
        // The name of RFC 9864 for what RFC 8037 calls EdDSA.
        let named = |alg: &str| alg == algorithm.name() || algorithm == Algorithm::EdDsa && alg == "Ed25519";
        kind && self.alg.as_deref().is_none_or(named)
    }

    /// Whether the signature over these bytes is this key's.
    pub(super) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        let plain = |by: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(by, key).verify(signed, signature).is_ok()
        };
        match &self.material {
            Material::Rsa { n, e } => {
                let key = RsaPublicKeyComponents { n, e };
                rsa(algorithm).is_some_and(|by| key.verify(by, signed, signature).is_ok())
            }
            Material::P256(point) => plain(&signature::ECDSA_P256_SHA256_FIXED, point),
            Material::P384(point) => plain(&signature::ECDSA_P384_SHA384_FIXED, point),
            Material::Ed25519(key) => plain(&signature::ED25519, key),
        }
    }
}

/// How an RSA signature is verified: keys of 2048 bits at least.
fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => return None,
    })
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{Ed25519KeyPair, KeyPair};

    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        input: Input,
        signing: Signing,
        output: Output,
    }

    #[derive(Deserialize)]
    struct Input {
        key: Box<RawValue>,
        alg: String,
    }

    #[derive(Deserialize)]
    struct Signing {
        #[serde(rename = "sig-input")]
        input: String,
    }

    #[derive(Deserialize)]
    struct Output {
        compact: String,
    }

    #[test]
    fn the_rsa_vectors_of_rfc_7520_verify_and_nothing_else_does() {
        for name in ["4_1.rsa_v15_signature", "4_2.rsa-pss_signature"] {
            let path = format!("{}/../shared/wire/specs/jose/jws/{name}.json", env!("CARGO_MANIFEST_DIR"));
            let Ok(text) = std::fs::read_to_string(&path) else {
                println!("SKIPPED: no vectors at {path}");
                continue;
            };
            let vector: Vector = serde_json::from_str(&text).unwrap();
            let keys = KeySet::parse(format!("[{}]", vector.input.key.get()).as_bytes()).unwrap();
            let algorithm = Algorithm::parse(&vector.input.alg).unwrap();
            let key = keys.candidates(None, algorithm)[0];
            let signature = vector.output.compact.rsplit('.').next().unwrap();
            let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
            let signed = vector.signing.input.as_bytes();
            assert!(key.verifies(algorithm, signed, &signature), "{name}");
            assert!(!key.verifies(algorithm, &signed[1..], &signature), "{name}");
            for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
                assert!(!key.verifies(other, signed, &signature), "{name} as {}", other.name());
            }
            signature[0] ^= 1;
            assert!(!key.verifies(algorithm, signed, &signature), "{name}");
        }
    }

    #[test]
    fn keys_that_cannot_be_used_hide_no_others() {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let good = format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"{x}"}}"#);
        let odd =
            r#"7,{"kty":"oct","kid":"ed","k":"c2VjcmV0"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"RSA"}"#;
        let encrypts = good.replace("\"kid\"", "\"use\":\"enc\",\"kid\"");
        let keys = KeySet::parse(format!(r#"{{"keys":[{odd},{encrypts},{good}]}}"#).as_bytes()).unwrap();
        assert_eq!(keys.candidates(Some("ed"), Algorithm::EdDsa).len(), 1);
        assert!(keys.candidates(Some("ed"), Algorithm::Es256).is_empty());
        assert!(keys.candidates(Some("ed "), Algorithm::EdDsa).is_empty());
        let signature = pair.sign(b"signed");
        assert!(keys.candidates(None, Algorithm::EdDsa)[0].verifies(Algorithm::EdDsa, b"signed", signature.as_ref()));
        assert!(KeySet::parse(b"[]").is_err() && KeySet::parse(b"{\"keys\":7}").is_err());
    }
}
