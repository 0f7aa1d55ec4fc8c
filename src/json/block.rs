//! Finding a byte of a kind among many: sixteen at a time, which is one instruction for each question asked.

use wide::{CmpEq, CmpLt, i8x16};

/// How many bytes are looked at at once.
pub(super) const BYTES: usize = 16;
/// How many bytes of a long string are looked at before the next step is decided.
pub(super) const STRIDE: usize = 4 * BYTES;

/// A kind of byte.
pub(super) trait Kind: Copy {
    /// Whether a byte is of this kind.
    fn has(self, byte: u8) -> bool;

    /// The same of sixteen bytes: the bit of each that is of this kind, the first byte's the lowest.
    fn mask(self, block: &[u8; BYTES]) -> u32;
}

/// A quote, a backslash or a control byte; with `ASCII` also what is above 0x7f.
#[derive(Clone, Copy)]
pub(super) struct Stop<const ASCII: bool>;

/// `[`, `]`, `{`, `}` or a quote.
#[derive(Clone, Copy)]
pub(super) struct BracketOrQuote;

/// The place of the first byte of this kind from `at` on, or the end.
#[inline]
pub(super) fn find(body: &[u8], mut at: usize, kind: impl Kind) -> usize {
    let mut rest = body.get(at..).unwrap_or_default();
    while let Some((block, more)) = rest.split_first_chunk::<BYTES>() {
        let mask = kind.mask(block);
        if mask != 0 {
            return at + mask.trailing_zeros() as usize;
        }
        (rest, at) = (more, at + BYTES);
    }
    at + rest.iter().position(|byte| kind.has(*byte)).unwrap_or(rest.len())
}

/// The first stop in some blocks that is not an escape of two bytes, both of them in there.
#[inline]
pub(super) fn after_escapes<const N: usize>(bytes: &[u8; N]) -> Option<usize> {
    const { assert!(N.is_multiple_of(BYTES) && N <= STRIDE) };
    let (blocks, _none) = bytes.as_chunks::<BYTES>();
    let mut mask = blocks.iter().rev().fold(0_u64, |mask, block| mask << BYTES | u64::from(Stop::<true>.mask(block)));
    while mask != 0 {
        let place = mask.trailing_zeros() as usize;
        let escapes = bytes[place % N] == b'\\' && bytes.get(place + 1).is_some_and(|letter| is_escaped(*letter));
        if !escapes {
            return Some(place);
        }
        // The backslash, and what it escapes.
        mask &= !(0b11 << place);
    }
    None
}

/// Whether a backslash and this byte are an escape that JSON has.
#[inline]
pub(super) const fn is_escaped(letter: u8) -> bool {
    matches!(letter, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't')
}

impl<const ASCII: bool> Kind for Stop<ASCII> {
    #[inline]
    fn has(self, byte: u8) -> bool {
        byte == b'"' || byte == b'\\' || byte < 0x20 || ASCII && byte >= 0x80
    }

    #[inline]
    fn mask(self, block: &[u8; BYTES]) -> u32 {
        let block = lanes(block);
        // Signed: what is above 0x7f is below zero.
        let low = block.cmp_lt(each(b' '));
        let stops = bits(block.cmp_eq(each(b'"')) | block.cmp_eq(each(b'\\')) | low);
        if ASCII { stops } else { stops & !bits(block) }
    }
}

impl Kind for BracketOrQuote {
    #[inline]
    fn has(self, byte: u8) -> bool {
        byte == b'"' || byte | 0x20 == b'{' || byte | 0x20 == b'}'
    }

    // The two brackets and the two braces differ in one bit each.
    #[inline]
    fn mask(self, block: &[u8; BYTES]) -> u32 {
        let block = lanes(block);
        let folded = block | each(0x20);
        bits(block.cmp_eq(each(b'"')) | folded.cmp_eq(each(b'{')) | folded.cmp_eq(each(b'}')))
    }
}

#[inline]
fn lanes(block: &[u8; BYTES]) -> i8x16 {
    i8x16::new(block.map(u8::cast_signed))
}

#[inline]
fn each(byte: u8) -> i8x16 {
    i8x16::splat(byte.cast_signed())
}

/// The highest bit of each.
#[inline]
fn bits(lanes: i8x16) -> u32 {
    lanes.move_mask().cast_unsigned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one_by_one(body: &[u8], at: usize, kind: impl Kind) -> usize {
        body[at..].iter().position(|byte| kind.has(*byte)).map_or(body.len(), |place| at + place)
    }

    proptest! {
        #[test]
        fn any_bytes_are_searched_as_one_by_one(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            for at in 0..body.len() {
                prop_assert_eq!(find(&body, at, Stop::<true>), one_by_one(&body, at, Stop::<true>));
                prop_assert_eq!(find(&body, at, Stop::<false>), one_by_one(&body, at, Stop::<false>));
                prop_assert_eq!(find(&body, at, BracketOrQuote), one_by_one(&body, at, BracketOrQuote));
            }
        }
    }

    /// Every byte at every place of three blocks and a rest.
    fn found_where_it_stands(kind: impl Kind) {
        for byte in 0..=u8::MAX {
            for place in 0..53 {
                let mut body = [b'x'; 53];
                body[place] = byte;
                let expected = if kind.has(byte) { place } else { body.len() };
                assert_eq!(find(&body, 0, kind), expected, "{byte:#x} at {place}");
                assert_eq!(find(&body, place, kind), expected);
                assert_eq!(find(&body, place + 1, kind), body.len());
            }
        }
        assert_eq!(find(b"", 0, kind), 0);
    }

    #[test]
    fn escapes_within_a_stride_are_stepped_over() {
        for (part, place) in [
            (b"0123456789abcdef", None),
            (br#"\n\"\\\/89abcdef"#, None),
            (br#"\n\"\\"789abcdef"#, Some(6)),
            (br#"01234\u00e9bcdef"#, Some(5)),
            (br#"0123456789abcd\""#, None),
            (br#"\\\\\\\\\\\\\\\\"#, None),
            (br#"\x"3456789abcdef"#, Some(0)),
            (b"0123\n56789abcdef", Some(4)),
            (b"\xc3\xa923456789abcdef", Some(0)),
        ] {
            let shown = String::from_utf8_lossy(part);
            assert_eq!(after_escapes(part), place, "{shown}");
            for before in (0..STRIDE).step_by(BYTES) {
                let mut stride = [b'x'; STRIDE];
                stride[before..before + BYTES].copy_from_slice(part);
                assert_eq!(after_escapes(&stride), place.map(|place| place + before), "{shown} at {before}");
            }
        }
        // Its second byte is behind them, or in the next block.
        assert_eq!(after_escapes(br#"0123456789abcdef0123456789abcde\"#), Some(31));
        assert_eq!(after_escapes(br#"0123456789abcde\n123456789abcdef"#), None);
    }

    #[test]
    fn the_first_of_a_kind_is_found() {
        found_where_it_stands(Stop::<true>);
        found_where_it_stands(Stop::<false>);
        found_where_it_stands(BracketOrQuote);
        assert_eq!(find(b"0123456789abcde\"\\}", 0, Stop::<true>), 15);
    }
}
