//! Finding a byte of a kind among many: sixteen at a time, which is one instruction for each question asked.

use wide::{CmpEq, CmpLt, i8x16};

/// A kind of byte.
pub(super) trait Kind: Copy {
    /// Whether a byte is of this kind.
    fn has(self, byte: u8) -> bool;

    /// The same of sixteen bytes: the bit of each that is of this kind, the first byte's the lowest.
    fn mask(self, block: &[u8; 16]) -> u32;
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
    while let Some((block, more)) = rest.split_first_chunk::<16>() {
        let mask = kind.mask(block);
        if mask != 0 {
            return at + mask.trailing_zeros() as usize;
        }
        (rest, at) = (more, at + 16);
    }
    at + rest.iter().position(|byte| kind.has(*byte)).unwrap_or(rest.len())
}

impl<const ASCII: bool> Kind for Stop<ASCII> {
    #[inline]
    fn has(self, byte: u8) -> bool {
        byte == b'"' || byte == b'\\' || byte < 0x20 || ASCII && byte >= 0x80
    }

    #[inline]
    fn mask(self, block: &[u8; 16]) -> u32 {
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
    fn mask(self, block: &[u8; 16]) -> u32 {
        let block = lanes(block);
        let folded = block | each(0x20);
        bits(block.cmp_eq(each(b'"')) | folded.cmp_eq(each(b'{')) | folded.cmp_eq(each(b'}')))
    }
}

#[inline]
fn lanes(block: &[u8; 16]) -> i8x16 {
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
    fn the_first_of_a_kind_is_found() {
        found_where_it_stands(Stop::<true>);
        found_where_it_stands(Stop::<false>);
        found_where_it_stands(BracketOrQuote);
        assert_eq!(find(b"0123456789abcde\"\\}", 0, Stop::<true>), 15);
    }
}
