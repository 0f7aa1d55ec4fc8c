//! Claims of a service account, signed with RS256 (RFC 7515, RFC 7523).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde::Serialize;
use zeroize::Zeroizing;

/// How long a claim holds.
const CLAIM_SECONDS: i64 = 3600;

/// What may be done with a token.
pub(super) const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// A service account's key, and who it is.
pub(super) struct Signer {
    key: RsaKeyPair,
    key_id: Option<String>,
    email: String,
    pub(super) token_uri: String,
}

#[derive(Serialize)]
struct Header<'s> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'s str>,
}

#[derive(Serialize)]
struct Claim<'s> {
    iss: &'s str,
    scope: &'static str,
    aud: &'s str,
    iat: i64,
    exp: i64,
}

impl Signer {
    /// Reads a key in PEM; None where it is none.
    pub(super) fn new(pem: &str, key_id: Option<String>, email: String, token_uri: String) -> Option<Self> {
        Some(Self { key: key(pem)?, key_id, email, token_uri })
    }

    /// The claim that is exchanged for a token; None where it cannot be signed.
    pub(super) fn claim(&self, now_seconds: i64) -> Option<String> {
        let header = Header { alg: "RS256", typ: "JWT", kid: self.key_id.as_deref() };
        let claim = Claim {
            iss: &self.email,
            scope: SCOPE,
            aud: &self.token_uri,
            iat: now_seconds,
            exp: now_seconds.saturating_add(CLAIM_SECONDS),
        };
        let encoded = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
        let header = encoded(serde_json::to_vec(&header).ok()?);
        let claim = encoded(serde_json::to_vec(&claim).ok()?);
        compact(&self.key, &format!("{header}.{claim}"))
    }
}

/// A signing input with its signature behind it.
fn compact(key: &RsaKeyPair, input: &str) -> Option<String> {
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).ok()?;
    Some(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Reads PKCS#8 (`PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`).
fn key(pem: &str) -> Option<RsaKeyPair> {
    // Keys that went through an environment variable often have their line feeds written out.
    let pem = Zeroizing::new(pem.replace("\\n", "\n"));
    let (_, after) = pem.split_once("-----BEGIN ")?;
    let (label, after) = after.split_once("-----")?;
    let (body, _) = after.split_once("-----END ")?;
    let letters: Zeroizing<String> = Zeroizing::new(body.split_whitespace().collect());
    let der = Zeroizing::new(STANDARD.decode(letters.as_bytes()).ok()?);
    match label {
        "PRIVATE KEY" => RsaKeyPair::from_pkcs8(&der).ok(),
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use ring::rsa::KeyPairComponents;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        input: Input,
        signing: Signing,
        output: Output,
    }

    #[derive(Deserialize)]
    struct Input {
        key: Jwk,
    }

    #[derive(Deserialize)]
    struct Jwk {
        n: String,
        e: String,
        d: String,
        p: String,
        q: String,
        dp: String,
        dq: String,
        qi: String,
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
    fn the_vector_of_rfc_7520_is_signed_to_the_letter() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/wire/specs/jose/jws/4_1.rsa_v15_signature.json");
        let Ok(text) = std::fs::read_to_string(path) else {
            println!("SKIPPED: no vectors at {path}");
            return;
        };
        let vector: Vector = serde_json::from_str(&text).unwrap();
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let jwk = &vector.input.key;
        let key = RsaKeyPair::from_components(&KeyPairComponents {
            public_key: ring::rsa::PublicKeyComponents { n: bytes(&jwk.n), e: bytes(&jwk.e) },
            d: bytes(&jwk.d),
            p: bytes(&jwk.p),
            q: bytes(&jwk.q),
            dP: bytes(&jwk.dp),
            dQ: bytes(&jwk.dq),
            qInv: bytes(&jwk.qi),
        })
        .unwrap();
        assert_eq!(compact(&key, &vector.signing.input).unwrap(), vector.output.compact);
    }
}
