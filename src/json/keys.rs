//! Keys that two parsers could read differently: duplicates and look-alikes of fields that decisions are made on.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};

use smallvec::SmallVec;

use super::scan::{Flaw, Member, ScanError};
use super::text;

/// Up to this many members every pair is compared; beyond, hashes are sorted.
const PAIRWISE_MAX: usize = 24;
/// The longest name that can be guarded, folded.
const FOLDED_BYTES_MAX: usize = 32;

/// Folds a key the way lenient parsers do: without case, `_` and `-`, and ending at a NUL.
///
/// Letters outside ASCII that some case mapping turns into ASCII (long s, the Kelvin sign, dotted and dotless i) count as
/// those. None for keys that no field's name can be folded to.
pub fn fold(key: &str) -> Option<Folded> {
    if key.len() <= FOLDED_BYTES_MAX && key.bytes().all(|byte| byte.is_ascii() && byte != 0) {
        let letters = key.bytes().filter(|byte| !matches!(byte, b'_' | b'-'));
        return Some(Folded(letters.map(|byte| byte.to_ascii_lowercase()).collect()));
    }
    let mut folded = Folded::default();
    for letter in key.chars().take_while(|letter| *letter != '\0') {
        let letter = match letter {
            '_' | '-' => continue,
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            '\u{130}' | '\u{131}' => 'i',
            other => other.to_ascii_lowercase(),
        };
        if !letter.is_ascii() || folded.0.len() == FOLDED_BYTES_MAX {
            return None;
        }
        folded.0.push(letter as u8);
    }
    Some(folded)
}

/// A key as [`fold`] made it: ASCII only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folded(SmallVec<[u8; FOLDED_BYTES_MAX]>);

impl Folded {
    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Whether a quoted key is this name, escapes undone.
pub fn is(key: &[u8], name: &str) -> bool {
    let inner = text::inside(key);
    // An escape is longer than what it stands for.
    inner == name.as_bytes()
        || inner.len() > name.len() && memchr::memchr(b'\\', inner).is_some() && text::unescape(inner) == name
}

/// Refuses duplicates and look-alikes among the members of an object.
pub(super) fn check(
    body: &[u8],
    members: &[Member],
    guarded: fn(&str) -> Option<&'static str>,
) -> Result<(), ScanError> {
    for member in members {
        if let Some(name) = twin(&name_of(body, member), guarded) {
            return Err(ScanError { flaw: Flaw::Twin(name), at: member.key.start as usize });
        }
    }
    match duplicate(body, members) {
        Some(member) => Err(ScanError { flaw: Flaw::Duplicate, at: member.key.start as usize }),
        None => Ok(()),
    }
}

fn twin(key: &str, guarded: fn(&str) -> Option<&'static str>) -> Option<&'static str> {
    guarded(fold(key)?.as_str()).filter(|name| *name != key)
}

fn name_of<'a>(body: &'a [u8], member: &Member) -> Cow<'a, str> {
    text::unescape(text::inside(member.key.of(body)))
}

fn duplicate<'a>(body: &[u8], members: &'a [Member]) -> Option<&'a Member> {
    if members.len() > PAIRWISE_MAX {
        return duplicate_of_many(body, members);
    }
    let plain = members.iter().all(|member| memchr::memchr(b'\\', member.key.of(body)).is_none());
    let same = |a: &Member, b: &Member| match plain {
        true => a.key.of(body) == b.key.of(body),
        false => same_key(body, a, b),
    };
    members
        .iter()
        .enumerate()
        .find(|(at, late)| members.iter().take(*at).any(|early| same(early, late)))
        .map(|(_, m)| m)
}

fn same_key(body: &[u8], a: &Member, b: &Member) -> bool {
    let (a, b) = (a.key.of(body), b.key.of(body));
    let escaped = |key| memchr::memchr(b'\\', key).is_some();
    a == b || (escaped(a) || escaped(b)) && text::unescape(text::inside(a)) == text::unescape(text::inside(b))
}

// Half a hash and half an index in one word, sorted: 8 bytes for each member, and no chain that an attacker can lengthen.
fn duplicate_of_many<'a>(body: &[u8], members: &'a [Member]) -> Option<&'a Member> {
    let hasher = RandomState::new();
    let mut order: Vec<u64> = (0_u64..)
        .zip(members)
        .map(|(index, member)| hasher.hash_one(name_of(body, member).as_ref()) << 32 | index)
        .collect();
    order.sort_unstable();
    let member = |entry: u64| members.get((entry & 0xFFFF_FFFF) as usize);
    for (at, entry) in order.iter().enumerate() {
        let alike = order.iter().skip(at + 1).take_while(|other| *other >> 32 == entry >> 32);
        for other in alike {
            let (early, late) = (member(*entry)?, member(*other)?);
            if same_key(body, early, late) {
                return Some(late);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Limits, scan};

    fn guarded(folded: &str) -> Option<&'static str> {
        match folded {
            "model" => Some("model"),
            "stream" => Some("stream"),
            "maxtokens" => Some("max_tokens"),
            "tools" => Some("tools"),
            "service" => Some("service"),
            _ => None,
        }
    }

    fn flaw(body: &str) -> Option<Flaw> {
        scan(body.as_bytes(), &Limits { guarded, ..Limits::default() }).err().map(|error| error.flaw)
    }

    #[test]
    fn look_alikes_of_policy_fields_are_refused() {
        for (key, name) in [
            ("MODEL", "model"),
            ("Model", "model"),
            ("\\u004dodel", "model"),
            ("\u{17f}tream", "stream"),
            ("tool\u{17f}", "tools"),
            ("\\u017ftream", "stream"),
            ("serv\u{131}ce", "service"),
            ("SERV\u{130}CE", "service"),
            ("maxTokens", "max_tokens"),
            ("max-tokens", "max_tokens"),
            ("_model", "model"),
            ("model\\u0000", "model"),
            ("model\\u0000x", "model"),
        ] {
            assert_eq!(flaw(&format!("{{\"{key}\":1}}")), Some(Flaw::Twin(name)), "{key}");
        }
    }

    #[test]
    fn the_fields_themselves_and_strangers_pass() {
        for key in ["model", "\\u006dodel", "max_tokens", "modell", "mod el", "m\u{f6}del", "x", "", "\u{212a}"] {
            assert_eq!(flaw(&format!("{{\"{key}\":1}}")), None, "{key}");
        }
    }

    #[test]
    fn duplicates_are_found_among_few_and_many() {
        let object = |count: usize, extra: &str| {
            let keys: Vec<_> = (0..count).map(|i| format!("\"k{i}\":{i}")).collect();
            format!("{{{}{extra}}}", keys.join(","))
        };
        for count in [1, 5, 24, 25, 400, 9_000] {
            assert_eq!(flaw(&object(count, "")), None, "{count}");
            assert_eq!(flaw(&object(count, ",\"k0\":1")), Some(Flaw::Duplicate), "{count}");
            assert_eq!(flaw(&object(count, ",\"\\u006b0\":1")), Some(Flaw::Duplicate), "{count}");
        }
    }
}
