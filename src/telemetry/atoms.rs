//! Counters made of atomics: adding is a few relaxed operations, reading is for scrapes.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Counts by code: the first `N - 1` codes that occur get a cell each, all later ones share the last.
#[derive(Debug)]
pub(super) struct Slots<const N: usize> {
    codes: [AtomicU32; N],
    counts: [AtomicU64; N],
}

/// The code that stands for all codes without a cell of their own.
pub(super) const CODE_OTHER: u32 = 0;

impl<const N: usize> Default for Slots<N> {
    fn default() -> Self {
        Self { codes: [const { AtomicU32::new(0) }; N], counts: [const { AtomicU64::new(0) }; N] }
    }
}

impl<const N: usize> Slots<N> {
    /// Counts one.
    pub(super) fn add(&self, code: u32) {
        self.add_many(code, 1);
    }

    /// Counts several.
    pub(super) fn add_many(&self, code: u32, many: u64) {
        if let Some(count) = self.counts.get(self.cell(code)) {
            count.fetch_add(many, Ordering::Relaxed);
        }
    }

    fn cell(&self, code: u32) -> usize {
        let last = N.saturating_sub(1);
        if code == CODE_OTHER {
            return last;
        }
        self.codes.iter().take(last).position(|cell| claim(cell, code)).unwrap_or(last)
    }

    /// All codes that occurred, with their counts.
    pub(super) fn read(&self) -> impl Iterator<Item = (u32, u64)> {
        let pairs = self.codes.iter().zip(&self.counts);
        pairs.map(|(code, count)| (code.load(Ordering::Relaxed), count.load(Ordering::Relaxed))).filter(|&(_, n)| n > 0)
    }

    /// The sum of all counts.
    pub(super) fn total(&self) -> u64 {
        self.read().map(|(_, count)| count).sum()
    }
}

/// True if the cell is the code's, or was free and now is.
fn claim(cell: &AtomicU32, code: u32) -> bool {
    let found = cell.load(Ordering::Relaxed);
    if found != 0 {
        return found == code;
    }
    match cell.compare_exchange(0, code, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => true,
        Err(taken) => taken == code,
    }
}

/// The upper bounds of a histogram, in nanoseconds, ascending.
pub(super) type Bounds = &'static [u64];

const MS: u64 = 1_000_000;
const US: u64 = 1_000;

/// Whole requests, upstream calls and first tokens.
pub(super) const LATENCY: Bounds = &[
    10 * MS,
    25 * MS,
    50 * MS,
    100 * MS,
    250 * MS,
    500 * MS,
    1_000 * MS,
    2_500 * MS,
    5_000 * MS,
    10_000 * MS,
    20_000 * MS,
    30_000 * MS,
    60_000 * MS,
    120_000 * MS,
    300_000 * MS,
    600_000 * MS,
];

/// One output token.
pub(super) const PER_TOKEN: Bounds =
    &[MS, 2 * MS, 5 * MS, 10 * MS, 20 * MS, 30 * MS, 50 * MS, 75 * MS, 100 * MS, 250 * MS, 500 * MS, 1_000 * MS];

/// Our own part.
pub(super) const OVERHEAD: Bounds = &[
    10 * US,
    25 * US,
    50 * US,
    100 * US,
    250 * US,
    500 * US,
    MS,
    2_500 * US,
    5 * MS,
    10 * MS,
    25 * MS,
    50 * MS,
    100 * MS,
    1_000 * MS,
];

/// Durations by size.
#[derive(Debug)]
pub(super) struct Histogram {
    bounds: Bounds,
    /// One more than bounds: the last is for what is above all of them.
    counts: Box<[AtomicU64]>,
    sum_ns: AtomicU64,
}

/// What a histogram held at one moment.
pub(super) struct HistogramRead {
    /// Upper bound in nanoseconds, and how many lie at or below it.
    pub(super) cumulative: Vec<(u64, u64)>,
    /// How many there are.
    pub(super) count: u64,
    /// Their sum, in nanoseconds.
    pub(super) sum_ns: u64,
}

impl Histogram {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(), sum_ns: AtomicU64::new(0) }
    }

    /// Counts one duration.
    pub(super) fn observe(&self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = self.bounds.iter().position(|&bound| ns <= bound).unwrap_or(self.bounds.len());
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
    }

    /// Reads it; the count is that of the buckets read, so the two always agree.
    pub(super) fn read(&self) -> HistogramRead {
        let mut count = 0;
        let mut running = self.counts.iter().map(|bucket| {
            count += bucket.load(Ordering::Relaxed);
            count
        });
        let cumulative = self.bounds.iter().copied().zip(running.by_ref()).collect();
        running.for_each(drop);
        HistogramRead { cumulative, count, sum_ns: self.sum_ns.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_beyond_the_cells_share_the_last_one() {
        let slots = Slots::<4>::default();
        for code in 1..=100 {
            slots.add(code);
        }
        slots.add(2);
        let mut read: Vec<_> = slots.read().collect();
        read.sort_unstable();
        assert_eq!(read, [(CODE_OTHER, 97), (1, 1), (2, 2), (3, 1)]);
        assert_eq!(slots.total(), 101);
    }

    #[test]
    fn racing_codes_are_all_counted() {
        let slots = Slots::<8>::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000_u32).for_each(|n| slots.add(n % 12 + 1)));
            }
        });
        assert_eq!(slots.total(), 40_000);
        let mut codes: Vec<_> = slots.read().map(|(code, _)| code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), 8, "no code has two cells");
    }

    #[test]
    fn a_histogram_is_cumulative_and_its_bounds_are_inclusive() {
        let histogram = Histogram::new(LATENCY);
        for ms in [1, 10, 11, 25, 700_000] {
            histogram.observe(Duration::from_millis(ms));
        }
        let read = histogram.read();
        assert_eq!(read.cumulative[..3], [(10 * MS, 2), (25 * MS, 4), (50 * MS, 4)]);
        assert_eq!((read.count, read.sum_ns), (5, 700_047 * MS));
    }
}
