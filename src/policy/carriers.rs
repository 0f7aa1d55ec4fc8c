//! Where a request carries its key.

use std::borrow::Cow;
use std::{fmt, str};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The longest key, in bytes: beyond it nothing is hashed or decoded.
pub(super) const PRESENTED_BYTES_MAX: usize = 1024;
/// The longest credential of any kind: tokens of an identity provider are longer than keys.
const CARRIED_BYTES_MAX: usize = 16 * 1024;

/// What a request showed at the door.
#[derive(Clone, PartialEq, Eq)]
pub enum Presented<'h> {
    /// No carrier, or only empty ones.
    Nothing,
    /// A carrier whose content is no key: `Authorization` without a scheme we take, not text, or too long.
    Malformed,
    /// A key, right or wrong.
    Key(Cow<'h, str>),
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Malformed => "Malformed",
            Self::Key(_) => "Key(..)",
        })
    }
}

/// Carriers of a bare key, or of `Bearer` and a key, after `Authorization`.
const AFTER_AUTHORIZATION: [&str; 4] = ["api-key", "x-api-key", "x-goog-api-key", "ocp-apim-subscription-key"];

/// Finds the key among the headers. `header` gives the value of a header by its lower-case name; `custom` is
/// `litellm_key_header_name`.
///
/// The first carrier that is there decides, right or wrong: the custom header, `x-litellm-api-key`, `Authorization`, then
/// what the SDKs of Azure, Anthropic, Google and Azure API Management send.
pub fn present<'h>(header: &dyn Fn(&str) -> Option<&'h [u8]>, custom: Option<&str>) -> Presented<'h> {
    let filled = |name: &str| header(name).map(<[u8]>::trim_ascii).filter(|value| !value.is_empty());
    let first = custom.into_iter().chain(["x-litellm-api-key"]);
    if let Some(value) = first.into_iter().find_map(filled) {
        return bare(value);
    }
    if let Some(value) = filled("authorization") {
        return authorization(value);
    }
    AFTER_AUTHORIZATION.into_iter().find_map(filled).map_or(Presented::Nothing, bare)
}

fn bare(value: &[u8]) -> Presented<'_> {
    key(scheme(value, "bearer").unwrap_or(value))
}

fn authorization(value: &[u8]) -> Presented<'_> {
    if let Some(token) = scheme(value, "bearer") {
        return key(token);
    }
    match scheme(value, "basic") {
        Some(encoded) => basic(encoded).map_or(Presented::Malformed, |key| Presented::Key(Cow::Owned(key))),
        None if value.eq_ignore_ascii_case(b"bearer") => Presented::Nothing,
        None => Presented::Malformed,
    }
}

/// The rest of `value` after a scheme, in any case, and blanks.
fn scheme<'v>(value: &'v [u8], name: &str) -> Option<&'v [u8]> {
    let (found, rest) = value.split_at_checked(name.len())?;
    let named = found.eq_ignore_ascii_case(name.as_bytes()) && rest.first().is_some_and(u8::is_ascii_whitespace);
    named.then(|| rest.trim_ascii_start())
}

fn key(value: &[u8]) -> Presented<'_> {
    match str::from_utf8(value) {
        Ok(text) if text.len() <= CARRIED_BYTES_MAX => Presented::Key(Cow::Borrowed(text)),
        _ => Presented::Malformed,
    }
}

/// The password, or else the user name, if it is a key.
fn basic(encoded: &[u8]) -> Option<String> {
    if encoded.len() > PRESENTED_BYTES_MAX {
        return None;
    }
    let pair = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = pair.split_once(':')?;
    [password, user].into_iter().find(|part| part.starts_with("sk-")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(headers: &[(&str, &str)]) -> Presented<'static> {
        let owned: Vec<(String, Vec<u8>)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        let found = present(
            &|name| owned.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_slice()),
            Some("x-gate-key"),
        );
        match found {
            Presented::Key(text) => Presented::Key(Cow::Owned(text.into_owned())),
            Presented::Nothing => Presented::Nothing,
            Presented::Malformed => Presented::Malformed,
        }
    }

    fn a_key(text: &str) -> Presented<'static> {
        Presented::Key(Cow::Owned(text.to_owned()))
    }

    #[test]
    fn the_first_carrier_in_order_decides() {
        let all = [
            ("x-gate-key", "sk-1"),
            ("x-litellm-api-key", "Bearer sk-2"),
            ("authorization", "Bearer sk-3"),
            ("api-key", "sk-4"),
            ("x-api-key", "sk-5"),
            ("x-goog-api-key", "sk-6"),
            ("ocp-apim-subscription-key", "sk-7"),
        ];
        for from in 0..all.len() {
            assert_eq!(shown(&all[from..]), a_key(&format!("sk-{}", from + 1)));
        }
        assert_eq!(shown(&[]), Presented::Nothing);
    }

    #[test]
    fn the_scheme_is_taken_in_any_case() {
        for value in ["Bearer sk-x", "bearer sk-x", "BEARER   sk-x ", "Bearer\tsk-x"] {
            assert_eq!(shown(&[("authorization", value)]), a_key("sk-x"), "{value}");
        }
        assert_eq!(shown(&[("x-litellm-api-key", "sk-x")]), a_key("sk-x"));
    }

    #[test]
    fn authorization_without_a_scheme_is_malformed_and_hides_no_later_carrier() {
        for value in ["sk-x", "Bearersk-x", "Digest sk-x", "Basic !!", "Basic c2s"] {
            assert_eq!(shown(&[("authorization", value), ("api-key", "sk-y")]), Presented::Malformed, "{value}");
        }
    }

    #[test]
    fn an_empty_carrier_is_none() {
        assert_eq!(shown(&[("authorization", "Bearer ")]), Presented::Nothing);
        assert_eq!(shown(&[("authorization", ""), ("x-api-key", "sk-y")]), a_key("sk-y"));
    }

    #[test]
    fn basic_carries_the_key_as_password_or_user() {
        for pair in ["sk-x:", "anyone:sk-x", "sk-other:sk-x"] {
            let value = format!("Basic {}", STANDARD.encode(pair));
            assert_eq!(shown(&[("authorization", &value)]), a_key("sk-x"), "{pair}");
        }
        let value = format!("Basic {}", STANDARD.encode("user:secret"));
        assert_eq!(shown(&[("authorization", &value)]), Presented::Malformed);
    }

    #[test]
    fn what_is_too_long_or_no_text_is_malformed() {
        let long = format!("sk-{}", "x".repeat(CARRIED_BYTES_MAX));
        assert_eq!(shown(&[("x-api-key", &long)]), Presented::Malformed);
        assert_eq!(present(&|name| (name == "api-key").then_some(&b"sk-\xff"[..]), None), Presented::Malformed);
        assert_eq!(format!("{:?}", a_key("sk-secret")), "Key(..)");
    }
}
