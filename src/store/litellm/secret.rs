//! What LiteLLM encrypted: NaCl's secret box under the SHA-256 of its salt key, or the form that is ours, too.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::roster::{Seal, is_sealed};
use crate::vocabulary::Secret;

/// The nonce stands before the box.
const NONCE_BYTES: usize = 24;
/// An empty text is no shorter.
const BOX_BYTES_MIN: usize = NONCE_BYTES + 16;

/// Opens texts with one salt key.
pub(super) struct Opener {
    secret_box: XSalsa20Poly1305,
    seal: Option<Seal>,
}

/// A text that is encrypted, and not with this key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Closed;

impl Opener {
    pub(super) fn of(salt: &Secret) -> Self {
        let digest = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(salt.expose())));
        Self { secret_box: XSalsa20Poly1305::new(Key::from_slice(&*digest)), seal: Seal::of(salt) }
    }

    /// The text within; a text that is not encrypted is itself.
    pub(super) fn open(&self, text: &str) -> Result<Zeroizing<String>, Closed> {
        if is_sealed(text) {
            return self.seal.as_ref().and_then(|seal| seal.open(text)).ok_or(Closed);
        }
        let Some(bytes) = boxed(text) else { return Ok(Zeroizing::new(text.to_owned())) };
        let (nonce, within) = bytes.split_at(NONCE_BYTES);
        let opened = self.secret_box.decrypt(Nonce::from_slice(nonce), within).map_err(|_| Closed)?;
        String::from_utf8(opened).map(Zeroizing::new).map_err(|_| Closed)
    }
}

/// The bytes of a text that looks like a secret box.
pub(super) fn boxed(text: &str) -> Option<Vec<u8>> {
    URL_SAFE.decode(text).ok().filter(|bytes| bytes.len() >= BOX_BYTES_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_of_nacl_is_opened() {
        // The first test of NaCl's secretbox, whose key is no hash: only the box is tried.
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len() / 2).map(|at| u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).unwrap()).collect()
        };
        let key = hex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389");
        let nonce = hex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37");
        let within = hex(
            "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dc\
             e87b4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb373\
             2bc0e9da99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5",
        );
        let secret_box = XSalsa20Poly1305::new(Key::from_slice(&key));
        let opened = secret_box.decrypt(Nonce::from_slice(&nonce), within.as_slice()).unwrap();
        assert_eq!((opened.len(), opened[..4].to_vec()), (131, hex("be075fc5")));
    }

    #[test]
    fn what_was_encrypted_with_the_salt_key_is_opened_and_nothing_else() {
        let opener = Opener::of(&Secret::new("sk-salt"));
        let sealed = |nonce: [u8; NONCE_BYTES], text: &str| {
            let within = opener.secret_box.encrypt(Nonce::from_slice(&nonce), text.as_bytes()).unwrap();
            URL_SAFE.encode([nonce.as_slice(), &within].concat())
        };
        let text = sealed([7; NONCE_BYTES], "sk-provider");
        assert_eq!(opener.open(&text).unwrap().as_str(), "sk-provider");
        assert_eq!(Opener::of(&Secret::new("sk-other")).open(&text), Err(Closed));
        assert_eq!(opener.open("os.environ/KEY").unwrap().as_str(), "os.environ/KEY");
        assert_eq!(opener.open("v2:gcm:AAAA"), Err(Closed));
    }
}
