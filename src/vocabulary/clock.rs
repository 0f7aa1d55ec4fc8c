//! The only place that asks the machine what time it is. Everything else is handed a [`Now`].

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One moment, read twice: monotonic for durations and token buckets, wall for windows and expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Nanoseconds since the clock was made. Never goes back.
    pub mono_ns: u64,
    /// Milliseconds since the Unix epoch. May jump either way.
    pub wall_ms: i64,
}

impl Now {
    /// Time that passed since an earlier moment; zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.mono_ns.saturating_sub(earlier.mono_ns))
    }
}

/// Where [`Now`] comes from: the machine, or a test that moves it by hand.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    Machine(Instant),
    Manual(Arc<Hands>),
}

#[derive(Debug)]
struct Hands {
    mono_ns: AtomicU64,
    wall_ms: AtomicI64,
}

impl Clock {
    /// The machine's clock.
    #[expect(clippy::disallowed_methods, reason = "this is where time comes from")]
    pub fn machine() -> Self {
        Self(Source::Machine(Instant::now()))
    }

    /// A clock that stands still until it is moved. Starts at the given wall time (Unix ms).
    pub fn manual(wall_ms: i64) -> Self {
        Self(Source::Manual(Arc::new(Hands { mono_ns: AtomicU64::new(0), wall_ms: AtomicI64::new(wall_ms) })))
    }

    /// Reads both hands.
    pub fn now(&self) -> Now {
        match &self.0 {
            Source::Machine(start) => {
                Now { mono_ns: u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX), wall_ms: wall_ms() }
            }
            Source::Manual(hands) => {
                Now { mono_ns: hands.mono_ns.load(Ordering::SeqCst), wall_ms: hands.wall_ms.load(Ordering::SeqCst) }
            }
        }
    }

    /// Moves a manual clock forward; does nothing to the machine's.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(hands) = &self.0 {
            hands.mono_ns.fetch_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX), Ordering::SeqCst);
            hands.wall_ms.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }

    /// Steps a manual clock's wall hand alone, as NTP or an operator would.
    pub fn step_wall(&self, by_ms: i64) {
        if let Source::Manual(hands) = &self.0 {
            hands.wall_ms.fetch_add(by_ms, Ordering::SeqCst);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where time comes from")]
fn wall_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
