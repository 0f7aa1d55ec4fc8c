//! The ids of exchanges.

use crate::vocabulary::Now;

const DIGITS: &[u8; 16] = b"0123456789abcdef";
/// Where the digits of each byte stand between the dashes.
const PLACES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// A UUID (version 7) for an exchange; it names, it does not guard. It begins with the time, so that rows of one hour lie
/// beside each other on file, where a random id would touch a page of its own for each.
pub(super) fn new_id(at: Now) -> String {
    let time = u128::from(at.wall_ms.unsigned_abs()) << 80;
    let mut bytes = (time | fastrand::u128(..) >> 48).to_be_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x70;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut id = [b'-'; 36];
    for (byte, place) in bytes.into_iter().zip(PLACES) {
        id[place] = DIGITS[usize::from(byte >> 4)];
        id[place + 1] = DIGITS[usize::from(byte & 15)];
    }
    str::from_utf8(&id).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use super::*;
    use crate::vocabulary::Clock;

    #[test]
    fn ids_are_in_the_order_of_time_and_none_is_made_twice() {
        let clock = Clock::manual(1_795_226_400_000);
        let mut ids = HashSet::new();
        let mut last = String::new();
        for _ in 0..200 {
            let (one, other) = (new_id(clock.now()), new_id(clock.now()));
            assert!(last < one && last < other, "{last} {one} {other}");
            last = one.clone().max(other.clone());
            assert!(ids.insert(one) && ids.insert(other));
            clock.advance(Duration::from_millis(1));
        }
        assert!(last.starts_with("01a1fbd4-"), "{last}");
        assert!(ids.iter().all(|id| id.as_bytes()[14] == b'7' && b"89ab".contains(&id.as_bytes()[19])), "{last}");
    }
}
