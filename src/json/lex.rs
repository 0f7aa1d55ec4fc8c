//! The lexical grammar of RFC 8259: strings, numbers and literals, each skipped in one pass.

use super::scan::Flaw;

/// What stands at which byte.
pub(super) type Lexed = Result<usize, (Flaw, usize)>;

/// Skips spaces, tabs and line ends.
#[inline]
pub(super) fn space(body: &[u8], mut at: usize) -> usize {
    while matches!(body.get(at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
        at += 1;
    }
    at
}

/// Skips a string whose opening quote stands before `at`; answers the place after the closing quote.
#[inline]
pub(super) fn string(body: &[u8], mut at: usize) -> Lexed {
    loop {
        at = text_end::<true>(body, at);
        at = match body.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => escape(body, at)?,
            Some(0x80..) => beyond_ascii(body, at)?,
            Some(_) => return Err((Flaw::Control, at)),
            None => return Err((Flaw::Ends, at)),
        };
    }
}

/// The first byte from `at` on that is a quote, a backslash or a control byte (or, with `ASCII`, above 0x7f); or the end.
///
/// Most text of a request is read here and nowhere else: blocks of 16 for keys, words and text with escapes, then blocks
/// of 64, both in a form that compilers turn into vector instructions.
#[inline]
pub(super) fn text_end<const ASCII: bool>(body: &[u8], mut at: usize) -> usize {
    for _ in 0..4 {
        let Some(block) = block::<16>(body, at) else { return short_text_end::<ASCII>(body, at) };
        if let Some(place) = first(block, is_stop::<ASCII>) {
            return at + place;
        }
        at += 16;
    }
    long_text_end::<ASCII>(body, at)
}

fn long_text_end<const ASCII: bool>(body: &[u8], mut at: usize) -> usize {
    while let Some(block) = block::<64>(body, at) {
        if has(block, is_stop::<ASCII>) {
            break;
        }
        at += 64;
    }
    while let Some(block) = block::<16>(body, at) {
        if let Some(place) = first(block, is_stop::<ASCII>) {
            return at + place;
        }
        at += 16;
    }
    short_text_end::<ASCII>(body, at)
}

fn short_text_end<const ASCII: bool>(body: &[u8], at: usize) -> usize {
    let rest = body.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| is_stop::<ASCII>(*byte) != 0).unwrap_or(rest.len())
}

// Without a branch, or the loops over it are not vectorised.
#[inline]
fn is_stop<const ASCII: bool>(byte: u8) -> u8 {
    u8::from(byte == b'"') | u8::from(byte == b'\\') | u8::from(byte < 0x20) | if ASCII { byte >> 7 } else { 0 }
}

/// So many bytes from `at` on, if they are there.
#[inline]
pub(super) fn block<const N: usize>(body: &[u8], at: usize) -> Option<&[u8; N]> {
    body.get(at..).and_then(|rest| rest.first_chunk::<N>())
}

/// Whether `is` answers 1, not 0, for a byte of the block.
#[inline]
pub(super) fn has<const N: usize>(block: &[u8; N], is: impl Fn(u8) -> u8) -> bool {
    block.iter().fold(0, |any, byte| any | is(*byte)) != 0
}

/// The place of the first byte for which `is` answers 1, not 0: all are asked at once.
#[inline]
pub(super) fn first(block: &[u8; 16], is: impl Fn(u8) -> u8) -> Option<usize> {
    let mut hits = [0; 16];
    for (hit, byte) in hits.iter_mut().zip(block) {
        *hit = is(*byte);
    }
    let hits = u128::from_le_bytes(hits);
    (hits != 0).then(|| (hits.trailing_zeros() / 8) as usize)
}

/// Checks the text from a byte above 0x7f to the next quote, escape or control byte.
fn beyond_ascii(body: &[u8], at: usize) -> Lexed {
    let end = text_end::<false>(body, at);
    match std::str::from_utf8(body.get(at..end).unwrap_or_default()) {
        Ok(_) => Ok(end),
        Err(bad) => Err((Flaw::NotUtf8, at + bad.valid_up_to())),
    }
}

/// Skips one escape; a surrogate must be a whole pair.
fn escape(body: &[u8], at: usize) -> Lexed {
    match body.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') => unicode_escape(body, at),
        Some(_) => Err((Flaw::Escape, at)),
        None => Err((Flaw::Ends, at + 1)),
    }
}

fn unicode_escape(body: &[u8], at: usize) -> Lexed {
    match hex4(body, at + 2).ok_or((Flaw::Escape, at))? {
        0xD800..=0xDBFF => {
            let low = (body.get(at + 6..at + 8) == Some(b"\\u".as_slice())).then(|| hex4(body, at + 8)).flatten();
            match low {
                Some(0xDC00..=0xDFFF) => Ok(at + 12),
                _ => Err((Flaw::LoneSurrogate, at)),
            }
        }
        0xDC00..=0xDFFF => Err((Flaw::LoneSurrogate, at)),
        _ => Ok(at + 6),
    }
}

/// Reads four hexadecimal digits.
pub(super) fn hex4(body: &[u8], at: usize) -> Option<u16> {
    let digits = body.get(at..at + 4)?;
    digits.iter().try_fold(0_u16, |value, digit| {
        let nibble = char::from(*digit).to_digit(16)?;
        Some(value << 4 | u16::try_from(nibble).ok()?)
    })
}

/// Skips a number: no leading zeros, no lone point, no plus sign.
pub(super) fn number(body: &[u8], start: usize) -> Lexed {
    let at = start + usize::from(body.get(start) == Some(&b'-'));
    let mut at = match body.get(at) {
        Some(b'0') => at + 1,
        Some(b'1'..=b'9') => digits(body, at),
        _ => return Err((Flaw::Number, start)),
    };
    if body.get(at) == Some(&b'.') {
        at = some_digits(body, at + 1).ok_or((Flaw::Number, start))?;
    }
    if let Some(b'e' | b'E') = body.get(at) {
        let sign = usize::from(matches!(body.get(at + 1), Some(b'+' | b'-')));
        at = some_digits(body, at + 1 + sign).ok_or((Flaw::Number, start))?;
    }
    match body.get(at) {
        Some(b'0'..=b'9' | b'.' | b'+' | b'-' | b'a'..=b'z' | b'A'..=b'Z') => Err((Flaw::Number, start)),
        _ => Ok(at),
    }
}

fn digits(body: &[u8], mut at: usize) -> usize {
    while matches!(body.get(at), Some(b'0'..=b'9')) {
        at += 1;
    }
    at
}

fn some_digits(body: &[u8], at: usize) -> Option<usize> {
    let end = digits(body, at);
    (end > at).then_some(end)
}

/// Skips `true`, `false` or `null`.
pub(super) fn literal(body: &[u8], at: usize) -> Lexed {
    let rest = body.get(at..).unwrap_or_default();
    [b"true".as_slice(), b"false", b"null"]
        .into_iter()
        .find(|word| rest.starts_with(word))
        .map(|word| at + word.len())
        .ok_or((Flaw::Expected("a value"), at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_wide_search_finds_what_the_narrow_one_finds(
            prefix in 0_usize..200, stop in any::<u8>(), rest in proptest::collection::vec(any::<u8>(), 0..100)
        ) {
            let mut body = vec![b'a'; prefix];
            body.push(stop);
            body.extend(rest);
            for at in 0..body.len() {
                prop_assert_eq!(text_end::<true>(&body, at), short_text_end::<true>(&body, at));
                prop_assert_eq!(text_end::<false>(&body, at), short_text_end::<false>(&body, at));
            }
        }

        #[test]
        fn any_bytes_are_searched_alike(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(text_end::<true>(&body, 0), short_text_end::<true>(&body, 0));
            prop_assert_eq!(text_end::<false>(&body, 0), short_text_end::<false>(&body, 0));
        }
    }
}
