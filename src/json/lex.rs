//! The lexical grammar of RFC 8259: strings, numbers and literals, each skipped in one pass.

use std::ops::ControlFlow;

use super::block;
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
    // Keys and words end in their first block. Prompts go on, and are full of escaped quotes and line ends: those are stepped
    // over without looking at their bytes again.
    if let Some(first) = bytes_at(body, at) {
        match part::<{ block::BYTES }>(body, at, first)? {
            ControlFlow::Break(end) => return Ok(end),
            ControlFlow::Continue(next) => at = next,
        }
    }
    while let Some(stride) = bytes_at(body, at) {
        match part::<{ block::STRIDE }>(body, at, stride)? {
            ControlFlow::Break(end) => return Ok(end),
            ControlFlow::Continue(next) => at = next,
        }
    }
    loop {
        at = text_end::<true>(body, at);
        match body.get(at) {
            Some(b'"') => return Ok(at + 1),
            _ => at = stop(body, at)?,
        }
    }
}

#[inline]
fn bytes_at<const N: usize>(body: &[u8], at: usize) -> Option<&[u8; N]> {
    body.get(at..).and_then(<[u8]>::first_chunk)
}

/// Reads a part of a string at `at`: breaks with the place after its closing quote, or says where it goes on.
#[inline]
fn part<const N: usize>(body: &[u8], at: usize, part: &[u8; N]) -> Result<ControlFlow<usize, usize>, (Flaw, usize)> {
    Ok(match block::after_escapes(part) {
        None => ControlFlow::Continue(at + N),
        Some(place) if part.get(place) == Some(&b'"') => ControlFlow::Break(at + place + 1),
        Some(place) => ControlFlow::Continue(stop(body, at + place)?),
    })
}

/// Steps over what is neither plain text nor the end of a string, if it may stand in one.
fn stop(body: &[u8], at: usize) -> Lexed {
    match body.get(at) {
        Some(b'\\') => escape(body, at),
        Some(0x80..) => beyond_ascii(body, at),
        Some(_) => Err((Flaw::Control, at)),
        None => Err((Flaw::Ends, at)),
    }
}

/// The first byte from `at` on that is a quote, a backslash or a control byte (or, with `ASCII`, above 0x7f); or the end.
///
/// Most text of a request is read here and nowhere else.
#[inline]
pub(super) fn text_end<const ASCII: bool>(body: &[u8], at: usize) -> usize {
    block::find(body, at, block::Stop::<ASCII>)
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
        Some(letter) if block::is_escaped(*letter) => Ok(at + 2),
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
