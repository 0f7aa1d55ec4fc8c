//! New keys: random ones, and those that callers bring.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};

use crate::admin::reply::Refusal;

/// Random bytes in a key.
const RANDOM_BYTES: usize = 16;
/// The shortest and the longest key that a caller may bring.
const OWN_BYTES: std::ops::RangeInclusive<usize> = 16..=256;

/// A new key: `sk-` and 22 characters.
///
/// # Errors
/// The machine has no randomness.
pub(super) fn random() -> Result<String, Refusal> {
    let mut bytes = [0; RANDOM_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Refusal::ours("the machine gives no random bytes"))?;
    Ok(format!("sk-{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// A key that a caller brings.
///
/// # Errors
/// 400: it is too short or too long, does not begin with `sk-`, or cannot stand in a header.
pub(super) fn own(key: &str) -> Result<String, Refusal> {
    if !key.starts_with("sk-") {
        return Err(Refusal::bad(
            "Invalid key format. LiteLLM Virtual Key must start with sk-. Received a key without it",
        ));
    }
    if !OWN_BYTES.contains(&key.len()) {
        let (least, most) = (OWN_BYTES.start(), OWN_BYTES.end());
        return Err(Refusal::bad(format_args!("Invalid key format. Expected {least} to {most} characters")));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Refusal::bad("Invalid key format. Expected printable ASCII without blanks"));
    }
    Ok(key.to_owned())
}

/// What may be shown of a key.
pub(super) fn shown(key: &str) -> String {
    let last = key.len().saturating_sub(4);
    format!("sk-...{}", key.get(last..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_random_and_fits_a_header() {
        let (one, other) = (random().unwrap(), random().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 25);
        assert_eq!(own(&one).unwrap(), one);
        assert_eq!(shown("sk-0123456789abcdef"), "sk-...cdef");
    }

    #[test]
    fn a_key_that_is_brought_is_long_enough_and_begins_as_keys_do() {
        for key in ["sk-short", "key-0123456789abcdef", "sk-0123456789 abcde", "sk-0123456789abcdé", ""] {
            assert_eq!(own(key).unwrap_err().status(), 400, "{key}");
        }
        assert!(own(&format!("sk-{}", "x".repeat(300))).is_err());
    }
}
