//! How many retries the whole process may make: a share of its traffic, so that an outage does not multiply the load.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::vocabulary::Now;

/// Seconds that are looked back on.
const SECONDS: usize = 10;

/// Requests and retries of the last ten seconds.
#[derive(Debug, Default)]
pub struct RetryBudget {
    requests: Seconds,
    retries: Seconds,
}

impl RetryBudget {
    /// Notes a request's first attempt.
    pub fn request(&self, now: Now) {
        self.requests.add(now);
    }

    /// Takes one retry: false if there were `percent` for each hundred requests already, and `floor` at least.
    pub fn take(&self, percent: u32, floor: u32, now: Now) -> bool {
        let room = self.left(percent, floor, now) > 0;
        if room {
            self.retries.add(now);
        }
        room
    }

    /// How many retries are left now.
    pub fn left(&self, percent: u32, floor: u32, now: Now) -> u64 {
        let share = self.requests.sum(now).saturating_mul(u64::from(percent)) / 100;
        share.max(u64::from(floor)).saturating_sub(self.retries.sum(now))
    }
}

/// A count for each of the last seconds: the second in the upper half, the count in the lower.
#[derive(Debug, Default)]
struct Seconds([AtomicU64; SECONDS]);

impl Seconds {
    fn add(&self, now: Now) {
        let second = second(now);
        let place = usize::try_from(second).unwrap_or(0) % SECONDS;
        if let Some(cell) = self.0.get(place) {
            // The closure never gives up.
            let _always = cell.fetch_update(Relaxed, Relaxed, |packed| {
                Some(if packed >> 32 == second { packed + 1 } else { second << 32 | 1 })
            });
        }
    }

    fn sum(&self, now: Now) -> u64 {
        let second = second(now);
        let current = |packed: &u64| second.saturating_sub(packed >> 32) < SECONDS as u64;
        let cells = self.0.iter().map(|cell| cell.load(Relaxed));
        cells.filter(current).map(|packed| packed & u64::from(u32::MAX)).sum()
    }
}

fn second(now: Now) -> u64 {
    (now.mono_ns / 1_000_000_000) & u64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::vocabulary::Clock;

    #[test]
    fn retries_are_a_share_of_the_traffic_and_never_less_than_the_floor() {
        let (budget, clock) = (RetryBudget::default(), Clock::manual(0));
        let taken = |times: usize| (0..times).filter(|_| budget.take(10, 3, clock.now())).count();
        assert_eq!(taken(10), 3);
        (0..200).for_each(|_| budget.request(clock.now()));
        assert_eq!(taken(100), 17);
        clock.advance(Duration::from_secs(9));
        assert_eq!(taken(100), 0);
        clock.advance(Duration::from_secs(1));
        assert_eq!((budget.left(10, 3, clock.now()), taken(100)), (3, 3));
    }
}
