//! An identity provider: keys made on the spot, tokens signed with them, and a server that gives the keys out, or does not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

/// A signing key on P-256.
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pair: EcdsaKeyPair,
}

impl SigningKey {
    /// A new one.
    pub(crate) fn new(kid: &str) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        Self { kid: kid.to_owned(), pair }
    }

    /// The public part, an uncompressed point.
    pub(crate) fn public(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The public part as a JSON Web Key.
    pub(crate) fn jwk(&self) -> String {
        let (x, y) = self.public()[1..].split_at(32);
        format!(
            r#"{{"kty":"EC","crv":"P-256","use":"sig","alg":"ES256","kid":"{}","x":"{}","y":"{}"}}"#,
            self.kid,
            encoded(x),
            encoded(y)
        )
    }

    /// A token with these claims.
    pub(crate) fn sign(&self, claims: &str) -> String {
        self.sign_with(&format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{}"}}"#, self.kid), claims)
    }

    /// A token with this header.
    pub(crate) fn sign_with(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encoded(header.as_bytes()), encoded(claims.as_bytes()));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", encoded(signature.as_ref()))
    }
}

/// Base64url without padding.
pub(crate) fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key set of these keys.
pub(crate) fn key_set(keys: &[&SigningKey]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| key.jwk()).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

/// A server on loopback with a discovery document and a key set.
pub(crate) struct Issuer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    keys: Mutex<String>,
    down: AtomicBool,
    fetched: AtomicUsize,
}

impl Issuer {
    /// Starts it.
    pub(crate) fn start(keys: &[&SigningKey]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let issuer = Self { address, shared: shared.clone() };
        issuer.publish(keys);
        // Ends with the test's process: nobody connects any more.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                answer(stream, address, &shared);
            }
        });
        issuer
    }

    /// What `iss` is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the key set is.
    pub(crate) fn keys_url(&self) -> String {
        format!("{}/keys", self.url())
    }

    /// Gives out these keys from now on.
    pub(crate) fn publish(&self, keys: &[&SigningKey]) {
        *self.shared.keys.lock().unwrap() = key_set(keys);
    }

    /// Whether it fails.
    pub(crate) fn set_down(&self, down: bool) {
        self.shared.down.store(down, Ordering::SeqCst);
    }

    /// How often the key set was asked for.
    pub(crate) fn fetched(&self) -> usize {
        self.shared.fetched.load(Ordering::SeqCst)
    }
}

fn answer(mut stream: std::net::TcpStream, address: SocketAddr, shared: &Shared) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let discovery = head.starts_with(b"GET /.well-known/openid-configuration ");
    if !discovery {
        shared.fetched.fetch_add(1, Ordering::SeqCst);
    }
    let (status, body) = match (shared.down.load(Ordering::SeqCst), discovery) {
        (true, _) => ("503 Service Unavailable", "down".to_owned()),
        (false, true) => ("200 OK", format!(r#"{{"issuer":"http://{address}","jwks_uri":"http://{address}/keys"}}"#)),
        (false, false) => ("200 OK", shared.keys.lock().unwrap().clone()),
    };
    let length = body.len();
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}").ok();
}
