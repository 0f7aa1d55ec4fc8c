//! What keeps alike requests at one deployment: rendezvous hashing, so that nothing must be remembered, every process
//! agrees, and a deployment that comes or goes moves only what was, or shall be, its own.

use super::{Member, Tried};

/// Open requests that never count as too many.
const OPEN_ALWAYS: u64 = 8;
/// Beyond so many thousandths of its share of the open requests a deployment passes requests on to the next.
const SHARE_MILLI_MAX: u64 = 1500;

/// What alike requests have in common, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bond(u64);

impl Bond {
    /// The bond of all requests with these bytes, whatever pieces they come in. `kind` keeps bonds of different reasons apart.
    pub fn of<'b>(kind: u8, pieces: impl IntoIterator<Item = &'b [u8]>) -> Self {
        let mut hash = fold(0x9e37_79b9_7f4a_7c15, u64::from(kind));
        let mut word = [0_u8; 8];
        let mut length = 0_u64;
        for byte in pieces.into_iter().flatten() {
            let place = usize::try_from(length % 8).unwrap_or(0);
            if let Some(cell) = word.get_mut(place) {
                *cell = *byte;
            }
            length += 1;
            if place == 7 {
                hash = fold(hash, u64::from_le_bytes(std::mem::take(&mut word)));
            }
        }
        Self(mix(fold(fold(hash, u64::from_le_bytes(word)), length)))
    }
}

/// A deployment's number in the choice, made from its id: the same in every process.
pub fn seed(id: &str) -> u64 {
    Bond::of(u8::MAX, [id.as_bytes()]).0
}

/// The member that a bond leads to, and whether it is the one that it leads to when all are well. Like [`super::choose`] it
/// looks at the lowest `order` alone, and allocates nothing.
///
/// A member with more than one and a half times its share of the open requests passes on to the next.
pub fn bound(
    members: &[Member],
    tried: Tried,
    usable: impl Fn(usize) -> bool,
    open: impl Fn(usize) -> u32,
    seed: impl Fn(usize) -> u64,
    bond: Bond,
) -> Option<(usize, bool)> {
    let free = |position: usize| !tried.has(position) && usable(position);
    let (mut order, mut crowd) = (i64::MAX, Crowd::default());
    for (position, member) in members.iter().enumerate() {
        if member.order > order || !free(position) {
            continue;
        }
        if member.order < order {
            (order, crowd) = (member.order, Crowd::default());
        }
        crowd.add(member.share, open(position));
    }
    let equal = members.windows(2).all(|pair| matches!(pair, [one, other] if one.share == other.share));
    let rank = |position: usize, member: &Member| Rank::of(mix(seed(position) ^ bond.0), member.share, equal);
    let best = |wanted: &dyn Fn(usize, &Member) -> bool| {
        let ranked = members.iter().enumerate().filter(|(position, member)| wanted(*position, member));
        let ranked = ranked.map(|(position, member)| (rank(position, member), position));
        ranked.reduce(|best, next| if next.0.before(best.0) { next } else { best }).map(|(_, position)| position)
    };
    let here = |position: usize, member: &Member| member.order == order && free(position);
    let chosen = best(&|position, member| here(position, member) && crowd.has_room(member.share, open(position)))
        // What is free may change between the looks.
        .or_else(|| best(&here))?;
    let lowest = members.iter().map(|member| member.order).min();
    let home = best(&|_, member| Some(member.order) == lowest);
    Some((chosen, home == Some(chosen)))
}

/// The open requests of those who share the traffic.
#[derive(Clone, Copy, Default)]
struct Crowd {
    shares: u64,
    open: u64,
}

impl Crowd {
    fn add(&mut self, share: u64, open: u32) {
        (self.shares, self.open) = (self.shares.saturating_add(share), self.open + u64::from(open));
    }

    fn has_room(self, share: u64, open: u32) -> bool {
        let open = u64::from(open);
        open < OPEN_ALWAYS
            || u128::from(open) * u128::from(self.shares) * 1000
                <= u128::from(SHARE_MILLI_MAX) * u128::from(share) * u128::from(self.open + 1)
    }
}

/// Where a member stands among all for a bond: the lower the better.
#[derive(Clone, Copy)]
enum Rank {
    /// Where all have the same share the hash alone decides.
    Equal(u64),
    /// Of unequal shares: time until the first event, where events come as often as the share is large.
    Weighted(f64),
}

impl Rank {
    fn of(hash: u64, share: u64, equal: bool) -> Self {
        match equal {
            true => Self::Equal(hash),
            false => Self::Weighted(-unit(hash).ln() / share as f64),
        }
    }

    fn before(self, other: Self) -> bool {
        match (self, other) {
            (Self::Equal(one), Self::Equal(other)) => one < other,
            (Self::Weighted(one), Self::Weighted(other)) => one < other,
            _ => false,
        }
    }
}

/// A number above zero and below one.
fn unit(hash: u64) -> f64 {
    ((hash >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

fn fold(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95)
}

/// The finalizer of SplitMix64: every bit of the input decides about every bit of the output.
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(shares: &[u64]) -> Vec<Member> {
        shares.iter().enumerate().map(|(deployment, &share)| Member { deployment, order: 0, share }).collect()
    }

    fn find(members: &[Member], usable: impl Fn(usize) -> bool, number: u64) -> (usize, bool) {
        let bond = Bond::of(0, [number.to_le_bytes().as_slice()]);
        let place = |at: usize| seed(&format!("d{}", members[at].deployment));
        bound(members, Tried::default(), usable, |_| 0, place, bond).unwrap()
    }

    #[test]
    fn the_pieces_do_not_matter_and_the_kind_does() {
        let whole = Bond::of(1, [b"hello, long world".as_slice()]);
        assert_eq!(whole, Bond::of(1, [b"hello".as_slice(), b", long", b" world"]));
        assert_ne!(whole, Bond::of(2, [b"hello, long world".as_slice()]));
        assert_ne!(Bond::of(1, [b"a".as_slice()]), Bond::of(1, [b"a\0".as_slice()]));
    }

    #[test]
    fn bonds_share_the_members_by_their_shares() {
        for shares in [[1, 1, 1, 1], [1, 2, 3, 4], [0, 1, 1, 2]] {
            let members = group(&shares);
            let mut seen = [0_u32; 4];
            (0..40_000).for_each(|number| seen[find(&members, |_| true, number).0] += 1);
            let total: u64 = shares.iter().sum();
            for (share, seen) in shares.iter().zip(seen) {
                let expected = 40_000.0 * *share as f64 / total as f64;
                assert!((f64::from(seen) - expected).abs() < 600.0, "{shares:?}: {seen} for {expected}");
            }
        }
    }

    #[test]
    fn only_what_was_its_own_moves_when_a_member_goes() {
        let members = group(&[1, 2, 3, 4, 5]);
        for number in 0..2000 {
            let (before, home) = find(&members, |_| true, number);
            let (after, still) = find(&members, |at| at != 2, number);
            assert!(home);
            assert_eq!((before == after, still), (before != 2, before != 2), "{number}");
        }
    }

    #[test]
    fn who_has_more_than_its_share_passes_on_to_the_next() {
        for (size, others, most) in [(2, 5, 18), (4, 10, 18), (4, 0, 7)] {
            let members = group(&vec![1; size]);
            let bond = Bond::of(0, [b"x".as_slice()]);
            let place = |at: usize| seed(&at.to_string());
            let with =
                |open: &dyn Fn(usize) -> u32| bound(&members, Tried::default(), |_| true, open, place, bond).unwrap();
            let (home, true) = with(&|_| 0) else { panic!("nobody is busy") };
            let crowded = |busy: u32| with(&move |at| if at == home { busy } else { others });
            assert_eq!(crowded(most), (home, true), "{size}");
            let (other, at_home) = crowded(most + 1);
            assert!(other != home && !at_home, "{size}");
        }
    }

    #[test]
    fn a_higher_order_and_tried_members_wait() {
        let members: Vec<_> =
            (0..4).map(|deployment| Member { deployment, order: i64::from(deployment > 1), share: 1 }).collect();
        let mut tried = Tried::default();
        let bond = Bond::of(0, [b"x".as_slice()]);
        let mut seen = Vec::new();
        while let Some((at, home)) = bound(&members, tried, |_| true, |_| 0, |at| at as u64, bond) {
            assert_eq!(home, seen.is_empty());
            tried.note(at);
            seen.push(at);
        }
        assert!(seen.len() == 4 && seen[..2].iter().all(|at| *at < 2), "{seen:?}");
    }
}
