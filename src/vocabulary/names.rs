//! Names that were checked once, at the door.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The longest model name that is taken from a client, in bytes.
pub(super) const MODEL_NAME_BYTES_MAX: usize = 256;

/// What a client calls a model: a group, an alias, or a name that a wildcard covers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelName(Arc<str>);

impl ModelName {
    /// 1 to 256 bytes of printable text without `\`, `?`, `#`, control characters, or an empty, `.` or `..` path segment.
    ///
    /// # Errors
    /// Anything else is not a model name.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let printable = text.chars().all(|c| !c.is_control() && !matches!(c, '\\' | '?' | '#') && !is_bidi(c));
        let segments = text.split('/').all(|segment| !matches!(segment, "" | "." | ".."));
        if text.is_empty() || text.len() > MODEL_NAME_BYTES_MAX || !printable || !segments {
            return Err(BadName);
        }
        Ok(Self(text.into()))
    }

    /// The name as the client wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for ModelName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A text that cannot be a model name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadName;

impl fmt::Display for BadName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "not a model name: expected 1 to {MODEL_NAME_BYTES_MAX} printable bytes without empty or dot segments"
        )
    }
}

impl std::error::Error for BadName {}

/// The SHA-256 of a whole virtual key, `sk-` included: all that is kept of it (the LiteLLM contract).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyHash([u8; 32]);

/// Eight bytes of a hash tell keys apart in a table as well as all of them do.
impl Hash for KeyHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        if let Some(first) = self.0.first_chunk() {
            state.write_u64(u64::from_ne_bytes(*first));
        }
    }
}

impl KeyHash {
    /// Hashes a key.
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    /// Reads 64 hexadecimal digits.
    pub fn parse(hex: &str) -> Option<Self> {
        let bytes = hex.as_bytes();
        if bytes.len() != 64 {
            return None;
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(bytes.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Self(hash))
    }

    /// Takes the 32 bytes of a hash.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        let (words, others) = (self.0.as_chunks::<8>().0, other.0.as_chunks::<8>().0);
        let same = |(one, other): (&[u8; 8], &[u8; 8])| u64::from_ne_bytes(*one).ct_eq(&u64::from_ne_bytes(*other));
        words.iter().zip(others).map(same).fold(Choice::from(1), |all, same| all & same).into()
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

impl fmt::Display for KeyHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

/// Written as 64 hexadecimal digits.
impl serde::Serialize for KeyHash {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for KeyHash {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("expected 64 hexadecimal digits"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "KeyHash({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_name_cannot_climb_or_smuggle() {
        for name in ["gpt-4o", "openai/gpt-4o", "meta-llama/Llama-3.3-70B-Instruct", "us.anthropic.claude-v1:0", "a b"]
        {
            assert!(ModelName::parse(name).is_ok(), "{name}");
        }
        for name in ["", "/", "a/", "../x", "a/../b", "a//b", "a\nb", "a\0", "a?b", "a#b", "a\\b", "x\u{202e}y"] {
            assert!(ModelName::parse(name).is_err(), "{name:?}");
        }
        assert!(ModelName::parse(&"x".repeat(257)).is_err());
    }

    #[test]
    fn a_hash_prints_as_it_is_read() {
        let hash = KeyHash::of("sk-1234567890abcdef");
        assert_eq!(KeyHash::parse(&hash.to_string()), Some(hash));
        assert_eq!(KeyHash::parse(&hash.to_string().to_uppercase()), Some(hash));
        assert_eq!(KeyHash::parse("12"), None);
        assert_eq!(KeyHash::parse(&"g".repeat(64)), None);
    }
}
