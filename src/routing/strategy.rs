//! The choice by a score, the lower the better. Like [`super::choose`] it looks at the lowest `order` alone, and
//! allocates nothing.

use super::{Member, Tried};

/// The usable member with the lowest score. Scores within `slack` thousandths of it are alike: `random` decides.
pub fn least(
    members: &[Member],
    tried: Tried,
    usable: impl Fn(usize) -> bool,
    score: impl Fn(usize) -> u64,
    slack: u64,
    random: u64,
) -> Option<usize> {
    let open = |position: usize| !tried.has(position) && usable(position);
    let (mut order, mut best) = (i64::MAX, u64::MAX);
    for (position, member) in members.iter().enumerate() {
        if member.order > order || !open(position) {
            continue;
        }
        if member.order < order {
            (order, best) = (member.order, u64::MAX);
        }
        best = best.min(score(position));
    }
    let most = best.saturating_add(u64::try_from(u128::from(best) * u128::from(slack) / 1000).unwrap_or(u64::MAX));
    let alike = |position: usize| open(position) && score(position) <= most;
    pick(members, order, alike, random)
}

/// The better of two usable members at random.
pub fn better_of_two(
    members: &[Member],
    tried: Tried,
    usable: impl Fn(usize) -> bool,
    score: impl Fn(usize) -> u64,
    random: u64,
) -> Option<usize> {
    let open = |position: usize| !tried.has(position) && usable(position);
    let places = members.iter().enumerate();
    let order = places.filter(|(position, _)| open(*position)).map(|(_, member)| member.order).min()?;
    let one = pick(members, order, open, random)?;
    let other = pick(members, order, |position| position != one && open(position), random.rotate_left(32));
    match other {
        Some(other) if score(other) < score(one) => Some(other),
        _ => Some(one),
    }
}

/// One of those of an order that are wanted, each as likely as another.
fn pick(members: &[Member], order: i64, wanted: impl Fn(usize) -> bool, random: u64) -> Option<usize> {
    let candidates = || members.iter().enumerate().filter(|(p, member)| member.order == order && wanted(*p));
    let count = candidates().count() as u128;
    let ticket = usize::try_from((u128::from(random) * count) >> 64).ok()?;
    // What is wanted may change between the two looks.
    candidates().nth(ticket).or_else(|| candidates().next()).map(|(position, _)| position)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(orders: &[i64]) -> Vec<Member> {
        orders.iter().enumerate().map(|(deployment, &order)| Member { deployment, order, share: 1 }).collect()
    }

    #[test]
    fn the_lowest_score_of_the_lowest_order_wins() {
        let members = group(&[2, 1, 1, 1]);
        let scores = [0, 9, 5, 5];
        let chosen = |random| least(&members, Tried::default(), |_| true, |p| scores[p], 0, random);
        assert_eq!((chosen(0), chosen(u64::MAX)), (Some(2), Some(3)));
        let mut tried = Tried::default();
        (1..4).for_each(|position| tried.note(position));
        assert_eq!(least(&members, tried, |_| true, |p| scores[p], 0, 1), Some(0));
        assert_eq!(least(&members, tried, |_| false, |p| scores[p], 0, 1), None);
    }

    #[test]
    fn scores_within_the_slack_are_alike() {
        let members = group(&[1, 1, 1]);
        let scores = [100, 110, 111];
        let seen: Vec<_> = (0..64_u64)
            .filter_map(|step| least(&members, Tried::default(), |_| true, |p| scores[p], 100, step << 58))
            .collect();
        assert!(seen.contains(&0) && seen.contains(&1) && !seen.contains(&2));
    }

    #[test]
    fn the_worst_is_never_the_better_of_two() {
        let members = group(&[1, 1, 1]);
        let scores = [1, 2, 3];
        let mut dice = fastrand::Rng::with_seed(1);
        let mut seen = [0; 3];
        for _ in 0..3000 {
            let random = dice.u64(..);
            let chosen = better_of_two(&members, Tried::default(), |_| true, |p| scores[p], random).unwrap();
            seen[chosen] += 1;
        }
        assert_eq!(seen[2], 0, "{seen:?}");
        assert!(seen[0] > 1800 && seen[1] > 800, "{seen:?}");
        assert_eq!(better_of_two(&group(&[1]), Tried::default(), |_| true, |_| 1, 7), Some(0));
    }
}
