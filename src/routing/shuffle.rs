//! `simple-shuffle`: the lowest `order` first, weighted at random within it.

/// A deployment as a member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Index in the list of all deployments.
    pub deployment: usize,
    /// `order`: lower first.
    pub order: i64,
    /// Share of the traffic: `weight`, else `rpm`, else `tpm`, else 1, the same kind for the whole group.
    pub share: u64,
}

/// The members of a group that were tried already, by their position in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried(u128);

impl Tried {
    /// Notes a position. Positions beyond 127 are not remembered and may be tried again.
    pub fn note(&mut self, position: usize) {
        if position < 128 {
            self.0 |= 1 << position;
        }
    }

    /// Whether a position was noted.
    pub fn has(self, position: usize) -> bool {
        position < 128 && self.0 >> position & 1 == 1
    }

    /// Whether every position of a group of this size was noted, as far as that is remembered.
    pub fn covers(self, members: usize) -> bool {
        self.0.count_ones() as usize >= members.min(128)
    }
}

/// Picks a position among the members that are usable (asked by position) and untried; `random` decides within the
/// lowest order. `None` when nothing is left.
pub fn choose(members: &[Member], tried: Tried, usable: impl Fn(usize) -> bool, random: u64) -> Option<usize> {
    let open = |position: usize, _: &Member| !tried.has(position) && usable(position);
    let mut order = i64::MAX;
    let mut total: u128 = 0;
    for (position, member) in members.iter().enumerate() {
        if member.order > order || !open(position, member) {
            continue;
        }
        if member.order < order {
            (order, total) = (member.order, 0);
        }
        total += u128::from(member.share);
    }
    let mut candidates = members.iter().enumerate().filter(|(p, m)| m.order == order && open(*p, m));
    if total == 0 {
        return candidates.next().map(|(position, _)| position);
    }
    let mut ticket = (u128::from(random) * total) >> 64;
    candidates
        .find(|(_, member)| match ticket.checked_sub(u128::from(member.share)) {
            Some(rest) => {
                ticket = rest;
                false
            }
            None => true,
        })
        .map(|(position, _)| position)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(shares: &[(i64, u64)]) -> Vec<Member> {
        shares.iter().enumerate().map(|(deployment, &(order, share))| Member { deployment, order, share }).collect()
    }

    #[test]
    fn shares_follow_weights() {
        let members = group(&[(0, 3), (0, 1)]);
        let first =
            (0..1000_u64).filter(|i| choose(&members, Tried::default(), |_| true, i * (u64::MAX / 1000)) == Some(0));
        assert!((740..=760).contains(&first.count()));
    }

    #[test]
    fn a_higher_order_waits_until_the_lower_is_used_up() {
        let members = group(&[(2, 1), (1, 1)]);
        let mut tried = Tried::default();
        assert_eq!(choose(&members, tried, |_| true, 7), Some(1));
        tried.note(1);
        assert_eq!(choose(&members, tried, |_| true, 7), Some(0));
        tried.note(0);
        assert_eq!(choose(&members, tried, |_| true, 7), None);
    }

    #[test]
    fn nothing_usable_is_nothing() {
        assert_eq!(choose(&group(&[(0, 1)]), Tried::default(), |_| false, 0), None);
        assert_eq!(choose(&[], Tried::default(), |_| true, 0), None);
    }

    #[test]
    fn a_zero_share_is_taken_only_when_nothing_else_is_left() {
        let members = group(&[(0, 0), (0, 5)]);
        assert!((0..100_u64).all(|i| choose(&members, Tried::default(), |_| true, i << 57) == Some(1)));
        let mut tried = Tried::default();
        tried.note(1);
        assert_eq!(choose(&members, tried, |_| true, 1), Some(0));
    }
}
