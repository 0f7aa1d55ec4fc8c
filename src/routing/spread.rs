//! How long a deployment's answers take to begin, as a spread: what a percentile is read from.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// Buckets to each doubling of the time.
const FINE: u32 = 8;
/// Doublings from a millisecond on: the last is beyond two minutes.
const DOUBLINGS: u32 = 18;
const BUCKETS: usize = (FINE * DOUBLINGS) as usize;
/// Fewer samples than this tell nothing.
const SAMPLES_MIN: u64 = 20;
/// When there are so many, all counts are halved: the last thousand or so tell.
const SAMPLES_MAX: u64 = 1024;
/// Every so many samples is looked whether there are too many.
const LOOK: u32 = 64;

/// Counts by time, each bucket about a tenth longer than the one before. A sample takes no lock; one that is lost while
/// counts are halved changes nothing that matters.
#[derive(Debug)]
pub(super) struct Spread {
    counts: [AtomicU32; BUCKETS],
    noted: AtomicU32,
}

impl Default for Spread {
    fn default() -> Self {
        Self { counts: [const { AtomicU32::new(0) }; BUCKETS], noted: AtomicU32::new(0) }
    }
}

impl Spread {
    /// Notes how long one took.
    pub(super) fn note(&self, time: Duration) {
        if let Some(count) = self.counts.get(bucket(time)) {
            count.fetch_add(1, Relaxed);
        }
        if self.noted.fetch_add(1, Relaxed) % LOOK == LOOK - 1 && self.total() >= SAMPLES_MAX {
            self.counts.iter().for_each(|count| count.store(count.load(Relaxed) / 2, Relaxed));
        }
    }

    /// The time that so many thousandths of the samples did not exceed, rounded up by less than an eighth; None while
    /// there are too few.
    pub(super) fn percentile(&self, milli: u64) -> Option<Duration> {
        let total = self.total();
        if total < SAMPLES_MIN {
            return None;
        }
        let wanted = (total * milli).div_ceil(1000).max(1);
        let mut seen = 0;
        let reached = self.counts.iter().position(|count| {
            seen += u64::from(count.load(Relaxed));
            seen >= wanted
        });
        Some(end_of(reached.unwrap_or(BUCKETS - 1)))
    }

    fn total(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(count.load(Relaxed))).sum()
    }
}

/// Where a time is counted: by its leading binary digit, and the three after it.
fn bucket(time: Duration) -> usize {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1024);
    let doubling = micros.ilog2();
    let fine = (micros >> (doubling - 3)) & u64::from(FINE - 1);
    let place = u64::from((doubling - 10) * FINE) + fine;
    usize::try_from(place).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// The first time that is beyond a bucket.
fn end_of(bucket: usize) -> Duration {
    let (doubling, fine) = (bucket as u64 / u64::from(FINE), bucket as u64 % u64::from(FINE));
    Duration::from_micros((u64::from(FINE) + fine + 1) << (doubling + 7))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_near_the_sample_that_it_means_and_never_below() {
        let spread = Spread::default();
        (1..=100).for_each(|tenth| spread.note(Duration::from_millis(tenth * 10)));
        for (milli, exact) in [(10, 10), (500, 500), (950, 950), (990, 990)] {
            let read = spread.percentile(milli).unwrap();
            let exact = Duration::from_millis(exact);
            assert!(read >= exact && read <= exact.mul_f64(1.13), "{milli}: {read:?}");
        }
    }

    #[test]
    fn few_samples_tell_nothing_and_extremes_have_a_place() {
        let spread = Spread::default();
        (0..19).for_each(|_| spread.note(Duration::ZERO));
        assert_eq!(spread.percentile(950), None);
        spread.note(Duration::from_secs(100_000));
        assert!(spread.percentile(950).unwrap() <= Duration::from_millis(2));
        assert!(spread.percentile(999).unwrap() > Duration::from_secs(120));
    }

    #[test]
    fn what_is_long_past_is_forgotten() {
        let spread = Spread::default();
        (0..1000).for_each(|_| spread.note(Duration::from_secs(10)));
        (0..6000).for_each(|_| spread.note(Duration::from_millis(100)));
        assert!(spread.percentile(950).unwrap() < Duration::from_millis(120));
        assert!(spread.total() < 2 * SAMPLES_MAX);
    }
}
