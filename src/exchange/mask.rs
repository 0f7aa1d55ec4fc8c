//! A deployment's credentials, wherever an answer repeats them: overwritten with stars of the same length, so that nothing
//! else moves.

use std::fmt;

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;

use crate::config;

/// Shorter ones are samples (`none`, `sk-1234`): overwriting them would spoil ordinary text.
const CREDENTIAL_BYTES_MIN: usize = 16;
/// Parts of the names of `extra_headers` that hold credentials.
const TELLING: [&str; 6] = ["auth", "key", "token", "secret", "cookie", "password"];

/// What an answer must not repeat.
#[derive(Default)]
pub struct Mask(Vec<Finder<'static>>);

impl Mask {
    /// The credentials of a deployment.
    pub fn of(deployment: &config::Deployment) -> Self {
        let keys = deployment.api_key.iter().chain(&deployment.azure_ad_token);
        let telling = |name: &str| TELLING.iter().any(|part| name.to_ascii_lowercase().contains(part));
        let headers = deployment.extra_headers.iter().filter(|(name, _)| telling(name)).map(|(_, value)| value);
        let words = keys.chain(headers).flat_map(|secret| secret.expose().split_ascii_whitespace());
        let long = words.filter(|word| word.len() >= CREDENTIAL_BYTES_MIN);
        Self(long.map(|word| Finder::new(word).into_owned()).collect())
    }

    /// Overwrites every credential in a piece of an answer; a piece without one is not copied.
    pub fn apply(&self, piece: &mut Bytes) {
        for finder in &self.0 {
            if finder.find(piece).is_some() {
                *piece = overwritten(piece, finder);
            }
        }
    }
}

fn overwritten(piece: &Bytes, finder: &Finder<'_>) -> Bytes {
    let mut copy = BytesMut::from(&piece[..]);
    let places: Vec<usize> = finder.find_iter(piece).collect();
    for place in places {
        copy[place..place + finder.needle().len()].fill(b'*');
    }
    copy.freeze()
}

impl fmt::Debug for Mask {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Mask({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_overwritten_in_place_and_nothing_else_moves() {
        let mask = Mask(vec![Finder::new("sk-0123456789abcdef").into_owned()]);
        let mut piece = Bytes::from_static(b"{\"a\":\"sk-0123456789abcdef\",\"b\":\"sk-0123456789abcdef!\"}");
        let length = piece.len();
        mask.apply(&mut piece);
        assert_eq!(&piece[..], b"{\"a\":\"*******************\",\"b\":\"*******************!\"}");
        assert_eq!(piece.len(), length);
    }

    #[test]
    fn a_piece_without_one_is_the_same_bytes() {
        let mask = Mask(vec![Finder::new("sk-0123456789abcdef").into_owned()]);
        let mut piece = Bytes::from_static(b"hello");
        let before = piece.as_ptr();
        mask.apply(&mut piece);
        assert_eq!(piece.as_ptr(), before);
    }
}
