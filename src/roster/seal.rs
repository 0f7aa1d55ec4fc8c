//! Providers' secrets at rest: sealed where records are written, opened where a configuration is put to work.
//!
//! AES-256-GCM under the SHA-256 of the salt key; `v2:gcm:` and URL-safe Base64 of the nonce, the text and its tag, as
//! LiteLLM writes it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::plain::Json;
use crate::vocabulary::Secret;

/// What sealed texts begin with.
const PREFIX: &str = "v2:gcm:";
/// The shortest salt key: what is shorter can be tried out.
const SALT_BYTES_MIN: usize = 16;
/// A value in deeper nesting is refused.
const DEPTH_MAX: usize = 64;
/// Where values are secrets, wherever they stand: members of these names, or with these words in their names.
const SECRET_NAMES: [&str; 4] = ["credential_values", "authorization", "headers", "extra_headers"];
const SECRET_WORDS: [&str; 8] =
    ["secret", "password", "api_key", "apikey", "private_key", "access_key", "credentials", "passphrase"];

/// Whether the values of a member with this name are secrets.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // Not a price: input_cost_per_token.
    let token = name.ends_with("_token") && !name.ends_with("per_token");
    token || SECRET_NAMES.contains(&name.as_str()) || SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Seals and opens with one salt key.
pub struct Seal(LessSafeKey);

impl fmt::Debug for Seal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Seal(..)")
    }
}

impl Seal {
    /// The seal of a salt key; None where that is shorter than 16 bytes.
    pub fn of(salt: &Secret) -> Option<Self> {
        let salt = salt.expose();
        let key = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(salt)));
        let key = UnboundKey::new(&AES_256_GCM, &*key).ok()?;
        (salt.len() >= SALT_BYTES_MIN).then(|| Self(LessSafeKey::new(key)))
    }

    /// Seals a text. None: the machine gives no random bytes.
    pub fn seal(&self, text: &str) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut bytes = Zeroizing::new(text.as_bytes().to_vec());
        let unique = Nonce::assume_unique_for_key(nonce);
        self.0.seal_in_place_append_tag(unique, Aad::empty(), &mut *bytes).ok()?;
        Some(format!("{PREFIX}{}", URL_SAFE.encode([&nonce, bytes.as_slice()].concat())))
    }

    /// Opens what [`Self::seal`] made. None: it was sealed with another key, or changed since.
    pub fn open(&self, sealed: &str) -> Option<Zeroizing<String>> {
        let bytes = URL_SAFE.decode(sealed.strip_prefix(PREFIX)?).ok()?;
        let (nonce, text) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let mut text = Zeroizing::new(text.to_vec());
        let open = self.0.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut text).ok()?;
        str::from_utf8(open).ok().map(|text| Zeroizing::new(text.to_owned()))
    }
}

/// Whether a text is sealed.
pub fn is_sealed(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// A JSON text in which `change` was asked for every text that is a secret by its name or that of what it stands in; names
/// are in order then.
///
/// # Errors
/// What `change` says, or the nesting is too deep.
pub fn rewrite(
    json: &Json,
    change: &dyn Fn(&str) -> Result<Zeroizing<String>, String>,
) -> Result<Zeroizing<String>, String> {
    let value: &RawValue = serde_json::from_str(json.as_str()).map_err(|error| error.to_string())?;
    let mut out = Zeroizing::new(String::with_capacity(json.as_str().len()));
    write(value, false, DEPTH_MAX, change, &mut out)?;
    Ok(out)
}

fn write(
    value: &RawValue,
    secret: bool,
    depth: usize,
    change: &dyn Fn(&str) -> Result<Zeroizing<String>, String>,
    out: &mut String,
) -> Result<(), String> {
    let below = depth.checked_sub(1).ok_or("the nesting is too deep")?;
    if let Ok(members) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(value.get()) {
        out.push('{');
        for (place, (name, member)) in members.into_iter().enumerate() {
            out.push_str(if place == 0 { "" } else { "," });
            quote(&name, out)?;
            out.push(':');
            write(member, secret || is_secret(&name), below, change, out)?;
        }
        out.push('}');
    } else if let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(value.get()) {
        out.push('[');
        for (place, element) in elements.into_iter().enumerate() {
            out.push_str(if place == 0 { "" } else { "," });
            write(element, secret, below, change, out)?;
        }
        out.push(']');
    } else if let (true, Ok(text)) = (secret, serde_json::from_str::<String>(value.get())) {
        quote(&change(&Zeroizing::new(text))?, out)?;
    } else {
        out.push_str(value.get());
    }
    Ok(())
}

fn quote(text: &str, out: &mut String) -> Result<(), String> {
    let quoted = Zeroizing::new(serde_json::to_string(text).map_err(|error| error.to_string())?);
    out.push_str(&quoted);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(salt: &str) -> Seal {
        Seal::of(&Secret::new(salt)).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_alone_and_unchanged() {
        let (own, other) = (seal("sk-salt-0123456789abcdef"), seal("sk-salt-0123456789abcdeg"));
        let sealed = own.seal("sk-provider").unwrap();
        assert!(is_sealed(&sealed) && !sealed.contains("provider"));
        assert_ne!(sealed, own.seal("sk-provider").unwrap(), "no nonce is used twice");
        assert_eq!(own.open(&sealed).unwrap().as_str(), "sk-provider");
        assert!(other.open(&sealed).is_none());
        let mut changed = sealed.into_bytes();
        let place = PREFIX.len() + 20;
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        assert!(own.open(std::str::from_utf8(&changed).unwrap()).is_none());
        for text in ["", "v2:gcm:", "v2:gcm:AAAA", "v2:gcm:!", "sk-plain"] {
            assert!(own.open(text).is_none(), "{text}");
        }
        assert!(Seal::of(&Secret::new("short")).is_none());
    }

    #[test]
    fn secrets_are_found_by_their_names_at_any_depth() {
        let text = r#"{"model":"openai/x","api_key":"k","extra_headers":{"x-own":["h"]},"input_cost_per_token":"1e-6","azure_ad_token":"t","vertex_credentials":{"type":"sa"},"max_tokens":5,"litellm_credential_name":"c"}"#;
        let star = |_: &str| Ok(Zeroizing::new("*".to_owned()));
        let written = rewrite(&Json::parse(text).unwrap(), &star).unwrap();
        assert_eq!(
            written.as_str(),
            r#"{"api_key":"*","azure_ad_token":"*","extra_headers":{"x-own":["*"]},"input_cost_per_token":"1e-6","litellm_credential_name":"c","max_tokens":5,"model":"openai/x","vertex_credentials":{"type":"*"}}"#
        );
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        assert!(rewrite(&Json::parse(&deep).unwrap(), &star).is_err());
    }
}
