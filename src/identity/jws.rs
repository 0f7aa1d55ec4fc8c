//! A token in its compact form: three parts of base64url, the first two of them JSON (RFC 7515, section 7.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::claims::Claims;

/// A token, taken apart and not verified.
pub(super) struct Compact<'t> {
    /// What the signature is over.
    pub(super) signed: &'t str,
    pub(super) header: Header,
    pub(super) claims: Claims,
    pub(super) signature: Vec<u8>,
}

/// The members of a header that mean something here. Keys and addresses of keys in it are never looked at: whoever makes a
/// token does not say what it is verified by.
#[derive(Debug, Deserialize)]
pub(super) struct Header {
    pub(super) alg: String,
    #[serde(default)]
    pub(super) kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    crit: Option<IgnoredAny>,
}

impl Header {
    /// Whether it is meant to be shown by its bearer: not a logout, not a grant, not a proof (RFC 8725, section 3.11), and
    /// without members that must be understood.
    pub(super) fn is_of_bearer(&self) -> bool {
        let kind = self.typ.as_deref().map(str::to_ascii_lowercase);
        let kind = kind.as_deref().map(|kind| kind.strip_prefix("application/").unwrap_or(kind));
        self.crit.is_none() && matches!(kind, None | Some("jwt" | "at+jwt"))
    }
}

impl<'t> Compact<'t> {
    /// Takes a token apart; None where it is none.
    pub(super) fn parse(token: &'t str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).ok().filter(|bytes| !bytes.is_empty());
        Some(Self {
            signed,
            header: serde_json::from_slice(&decoded(header)?).ok()?,
            claims: Claims::parse(&decoded(claims)?)?,
            signature: decoded(signature)?,
        })
    }
}
