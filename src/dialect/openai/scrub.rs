//! Taking credentials out of what a provider says, however it wrote them.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::json;

/// What stands where a credential stood.
const MARK: &str = "[redacted]";
/// Shorter texts are no credentials, and taking them out would take words apart.
const SECRET_BYTES_MIN: usize = 6;
/// From this length on the beginning and the end of a credential are taken out by themselves, too.
const PARTS_FROM_BYTES: usize = 20;
const HEAD_BYTES: usize = 12;
const TAIL_BYTES: usize = 8;

/// Removes the credentials in any common encoding, whatever looks like an API key, and control characters.
pub(super) fn scrub(text: &str, secrets: &[&str]) -> String {
    let text: String = text.chars().map(|c| if c.is_control() || is_bidi(c) { ' ' } else { c }).collect();
    let text = remove(Cow::Owned(text), secrets);
    mask_keys(&text)
}

/// Removes the credentials alone. None if there are none, or if the bytes are not text.
pub(super) fn without_secrets(bytes: &[u8], secrets: &[&str]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    match remove(Cow::Borrowed(text), secrets) {
        Cow::Borrowed(_) => None,
        Cow::Owned(scrubbed) => Some(scrubbed),
    }
}

fn remove<'a>(mut text: Cow<'a, str>, secrets: &[&str]) -> Cow<'a, str> {
    for secret in secrets.iter().filter(|secret| secret.len() >= SECRET_BYTES_MIN) {
        for form in forms(secret) {
            if text.contains(&form) {
                text = Cow::Owned(text.replace(&form, MARK));
            }
        }
    }
    text
}

/// The ways a credential may be written, longest first.
fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let mut forms = vec![secret.to_owned(), secret.chars().rev().collect(), percent(bytes), json_inside(secret)];
    forms.push(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
    forms.push(bytes.iter().map(|byte| format!("{byte:02X}")).collect());
    for offset in 0..3 {
        forms.extend(base64_within(bytes, offset));
    }
    if secret.len() >= PARTS_FROM_BYTES {
        forms.extend(secret.get(..HEAD_BYTES).map(str::to_owned));
        forms.extend(secret.get(secret.len() - TAIL_BYTES..).map(str::to_owned));
    }
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms.dedup();
    forms
}

/// The letters that stand for these bytes in base64 of a longer text in which they start at `offset` modulo 3.
fn base64_within(bytes: &[u8], offset: usize) -> [String; 2] {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(bytes);
    // Letters that mix bits of a neighbour are not part of it.
    let first = (offset * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)]
        .map(|letters| letters.get(first..last).unwrap_or_default().to_owned())
}

fn percent(bytes: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    bytes.iter().map(|byte| if plain(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn json_inside(secret: &str) -> String {
    let quoted = json::quote(secret);
    let inside = quoted.get(1..quoted.len() - 1).unwrap_or_default();
    std::str::from_utf8(inside).unwrap_or_default().to_owned()
}

/// Masks words like `sk-...` and `AIza...`: keys of somebody else, or ours with other letters around.
fn mask_keys(text: &str) -> String {
    let is_key_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_key_letter) {
        let (before, word) = rest.split_at(start);
        let (word, after) = word.split_at(word.find(|c| !is_key_letter(c)).unwrap_or(word.len()));
        masked.push_str(before);
        let key = ["sk-", "sk_", "gsk_", "xai-", "AIza", "pplx-"].iter().any(|prefix| word.starts_with(prefix));
        masked.push_str(if key && word.len() >= PARTS_FROM_BYTES { MARK } else { word });
        rest = after;
    }
    masked.push_str(rest);
    masked
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const KEY: &str = "sq-Ab12/Cd34+Ef56\"Gh78=Ij90";

    #[test]
    fn a_credential_is_taken_out_in_every_form() {
        let hex: String = KEY.bytes().map(|byte| format!("{byte:02x}")).collect();
        let mut written = vec![
            KEY.to_owned(),
            format!("Bearer {KEY}"),
            hex.to_uppercase(),
            hex,
            KEY.replace('/', "%2F").replace('+', "%2B").replace('"', "%22").replace('=', "%3D"),
            KEY.replace('"', "\\\""),
            KEY.chars().rev().collect(),
            format!("{}...", &KEY[..12]),
            format!("...{}", &KEY[KEY.len() - 8..]),
        ];
        written.extend(["", "u", "us", "user:"].map(|before| STANDARD.encode(format!("{before}{KEY}!"))));
        for text in written {
            let scrubbed = scrub(&format!("wrong key {text} given"), &[KEY]);
            assert!(scrubbed.contains(MARK), "{text}: {scrubbed}");
            let left = scrubbed.replace(MARK, "").len();
            assert!(left <= "wrong key  given".len() + 12, "{text}: {scrubbed}");
        }
    }

    #[test]
    fn ordinary_words_stay() {
        let text = "Incorrect API key provided: sk-ab. See https://example.com/account/api-keys, model gpt-4o.";
        assert_eq!(scrub(text, &[KEY, "", "gpt-4"]), text);
        assert_eq!(without_secrets(text.as_bytes(), &[KEY]), None);
    }

    #[test]
    fn what_looks_like_a_key_is_masked() {
        assert_eq!(scrub("key sk-proj-0123456789abcdefgh!", &[]), "key [redacted]!");
    }

    #[test]
    fn control_characters_become_spaces() {
        assert_eq!(scrub("a\r\nb\x1b[1m\u{202e}c\0", &[]), "a  b [1m c ");
    }
}
