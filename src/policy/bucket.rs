//! How much may pass per minute: a token bucket in one atomic word, without a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::counted::Counted;
use crate::vocabulary::Now;

/// A bucket of `limit` tokens that refills evenly over a minute and starts full.
///
/// The level may go below zero: what was used beyond the estimate is a debt, and nothing passes until it is paid back.
/// Over any stretch of time no more is used than `limit` and what flowed in meanwhile.
///
/// The one word is the *head*: everything ever taken, on the scale of everything ever supplied. Both count in fractions
/// of a token so fine that a minute is about 2^40 of them, and supply is computed from absolute time, so that nothing is
/// lost to rounding however small the takes are.
#[derive(Debug)]
pub struct Bucket {
    limit: u64,
    /// Fractions in one token.
    fractions: u64,
    head: AtomicU64,
    /// What is taken here, less what was given back, since it was last told to other nodes.
    untold: AtomicI64,
    /// Whether all nodes are asked for each take.
    asked: AtomicBool,
    /// Of what was taken here, what all nodes were not asked for yet, or did not give: nobody tells it, nor that it was given back.
    unasked: AtomicI64,
    /// Whether somebody looks after telling it.
    told: AtomicBool,
    /// What other nodes know it by.
    counted: Option<Arc<Counted>>,
}

/// What was asked for is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// When asking again can succeed, if nobody else asks in between.
    pub after: Duration,
}

const MINUTE_NS: u128 = 60_000_000_000;
const MINUTE_FRACTIONS_MAX: u64 = 1 << 40;
/// A debt stops growing at what a day pays back: one absurd answer shall not lock a key for ever.
const DEBT_MINUTES_MAX: u64 = 24 * 60;
/// What a limit of zero answers: there is no time at which it would fit.
const NEVER: Wait = Wait { after: Duration::from_secs(DEBT_MINUTES_MAX * 60) };

impl Bucket {
    /// A full bucket. Zero lets nothing through; more than 2^40 a minute is taken as 2^40.
    pub const fn per_minute(limit: u64) -> Self {
        let limit = if limit > MINUTE_FRACTIONS_MAX { MINUTE_FRACTIONS_MAX } else { limit };
        let fractions = MINUTE_FRACTIONS_MAX / if limit == 0 { 1 } else { limit };
        let (head, untold, unasked) = (AtomicU64::new(0), AtomicI64::new(0), AtomicI64::new(0));
        let (asked, told) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { limit, fractions, head, untold, asked, unasked, told, counted: None }
    }

    /// The same, by a name that other nodes know it by.
    #[must_use]
    pub fn named(mut self, counted: &Arc<Counted>) -> Self {
        self.counted = Some(Arc::clone(counted));
        self
    }

    /// What other nodes know it by.
    pub fn counted(&self) -> Option<&Arc<Counted>> {
        self.counted.as_ref()
    }

    /// A bucket with another limit that stands where this one stands: half used stays half used, and a debt of three
    /// minutes stays one of three minutes.
    #[must_use]
    pub fn resized(&self, limit: u64, now: Now) -> Self {
        let mut resized = Self::per_minute(limit);
        let used = u128::from(self.used(now)) * u128::from(resized.capacity());
        let used = used.checked_div(u128::from(self.capacity())).unwrap_or(0);
        resized.head = AtomicU64::new(resized.supply(now).saturating_add(clamp(used)));
        resized.counted = self.counted.clone();
        resized
    }

    /// Takes `n` tokens. A request larger than the bucket passes when the bucket is full, and leaves a debt.
    ///
    /// # Errors
    /// They are not there; nothing was taken.
    pub fn try_take(&self, n: u64, now: Now) -> Result<(), Wait> {
        if self.limit == 0 {
            return Err(NEVER);
        }
        let supply = self.supply(now);
        let needed = self.scaled(n.min(self.limit));
        // Noted before it is taken: what is counted twice for a moment is no way past the limit.
        self.note_take(n);
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            let base = head.max(supply);
            let fits_at = base.saturating_add(needed).saturating_sub(self.capacity());
            if fits_at > supply {
                self.unnote_take(n);
                return Err(Wait { after: self.until(fits_at, now) });
            }
            let next = base.saturating_add(self.scaled(n)).min(self.deepest(supply));
            match self.head.compare_exchange_weak(head, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(()),
                Err(seen) => head = seen,
            }
        }
    }

    /// Whether [`Bucket::try_take`] would succeed; takes nothing.
    pub fn has(&self, n: u64, now: Now) -> bool {
        self.limit > 0 && self.used(now).saturating_add(self.scaled(n.min(self.limit))) <= self.capacity()
    }

    /// Takes `n` tokens whether they are there or not.
    pub fn charge(&self, n: u64, now: Now) {
        let supply = self.supply(now);
        self.note(n);
        self.update(|head| head.max(supply).saturating_add(self.scaled(n)).min(self.deepest(supply)).max(head));
    }

    /// Gives `n` taken tokens back. What no longer fits flows over.
    pub fn refund(&self, n: u64) {
        self.unnote_take(n);
        self.update(|head| head.saturating_sub(self.scaled(n)));
    }

    /// Replaces a take of `estimate` by what was really used.
    pub fn true_up(&self, estimate: u64, actual: u64, now: Now) {
        match actual.checked_sub(estimate) {
            Some(more) => self.charge(more, now),
            None => self.refund(estimate - actual),
        }
    }

    /// Whole tokens that are there; below zero, the debt.
    pub fn left(&self, now: Now) -> i64 {
        let level = i128::from(self.capacity()) - i128::from(self.used(now));
        i64::try_from(level.div_euclid(i128::from(self.fractions))).unwrap_or(i64::MIN)
    }

    /// Tokens per minute, and the most there can be.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// How long until the bucket is full if nothing is taken; zero if it is.
    pub fn full_at(&self, now: Now) -> Duration {
        if self.limit == 0 {
            return NEVER.after;
        }
        self.until(self.head.load(Ordering::Acquire), now)
    }

    /// Whether nobody looked after telling other nodes until now; from here on somebody does.
    pub fn join(&self) -> bool {
        !self.told.load(Ordering::Acquire) && !self.told.swap(true, Ordering::AcqRel)
    }

    /// Nobody looks after telling other nodes any more.
    pub fn leave(&self) {
        self.told.store(false, Ordering::Release);
    }

    /// Whether other nodes know all that is taken here.
    pub fn is_told(&self) -> bool {
        self.untold.load(Ordering::Acquire) == 0 && self.unasked.load(Ordering::Acquire) == 0
    }

    /// What is to be told to other nodes: tokens taken less those given back since the last time. It counts as told.
    pub fn tell(&self) -> i64 {
        self.untold.swap(0, Ordering::AcqRel)
    }

    /// Puts back what could not be told, or (negative) counts as told what was told by another way.
    pub fn untell(&self, tokens: i64) {
        self.untold.fetch_add(tokens, Ordering::AcqRel);
    }

    /// From here on all nodes are asked for each take: by [`Bucket::given`] they gave it, by [`Bucket::ungiven`] nobody knows.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Release);
    }

    /// All nodes gave what was taken here: they know of it.
    pub fn given(&self, n: u64) {
        self.unnote_take(n);
    }

    /// Nobody could be asked for what was taken here: it is told later.
    pub fn ungiven(&self, n: u64) {
        if self.take_unasked(n) {
            self.note(n);
        }
    }

    /// Stands where all nodes together stand: `used` is that share of the limit which is in use by what was told; what was
    /// taken here meanwhile comes on top.
    pub fn agree(&self, used: f64, now: Now) {
        let supply = self.supply(now);
        let used = scale(used, self.capacity());
        self.update(|_| {
            let untold = self.untold.load(Ordering::Acquire);
            let more = self.scaled(untold.unsigned_abs());
            let used = if untold < 0 { used.saturating_sub(more) } else { used.saturating_add(more) };
            supply.saturating_add(used).min(self.deepest(supply))
        });
    }

    /// The share of the limit that is in use; above one, a debt.
    pub fn share_used(&self, now: Now) -> f64 {
        share(self.used(now), self.capacity())
    }

    /// The share of the limit that is in use by what other nodes know.
    pub fn share_told(&self, now: Now) -> f64 {
        let here = self.untold.load(Ordering::Acquire).saturating_add(self.unasked.load(Ordering::Acquire));
        let here = self.scaled(u64::try_from(here).unwrap_or(0));
        share(self.used(now).saturating_sub(here), self.capacity())
    }

    fn note_take(&self, n: u64) {
        if self.asked.load(Ordering::Acquire) {
            self.unasked.fetch_add(signed(n), Ordering::AcqRel);
        } else {
            self.note(n);
        }
    }

    /// Takes are worth the same, whoever took them: one that was given back before it was asked for may stand for another.
    fn unnote_take(&self, n: u64) {
        if !self.take_unasked(n) {
            self.unnote(n);
        }
    }

    fn take_unasked(&self, n: u64) -> bool {
        let less = |unasked: i64| (n > 0 && unasked >= signed(n)).then(|| unasked - signed(n));
        self.asked.load(Ordering::Acquire)
            && self.unasked.fetch_update(Ordering::AcqRel, Ordering::Acquire, less).is_ok()
    }

    fn note(&self, n: u64) {
        self.untold.fetch_add(signed(n), Ordering::AcqRel);
    }

    fn unnote(&self, n: u64) {
        self.untold.fetch_sub(signed(n), Ordering::AcqRel);
    }

    fn update(&self, change: impl Fn(u64) -> u64) {
        let mut head = self.head.load(Ordering::Acquire);
        while let Err(seen) = self.head.compare_exchange_weak(head, change(head), Ordering::AcqRel, Ordering::Acquire) {
            head = seen;
        }
    }

    fn used(&self, now: Now) -> u64 {
        self.head.load(Ordering::Acquire).saturating_sub(self.supply(now))
    }

    fn capacity(&self) -> u64 {
        self.scaled(self.limit)
    }

    fn scaled(&self, tokens: u64) -> u64 {
        tokens.saturating_mul(self.fractions)
    }

    fn deepest(&self, supply: u64) -> u64 {
        supply.saturating_add(self.capacity().saturating_mul(DEBT_MINUTES_MAX))
    }

    /// Everything that flowed in since the clock was made. At 2^40 a minute, 2^64 is reached after thirty years.
    fn supply(&self, now: Now) -> u64 {
        clamp(u128::from(now.mono_ns) * u128::from(self.capacity()) / MINUTE_NS)
    }

    /// How long until supply has reached `mark`.
    fn until(&self, mark: u64, now: Now) -> Duration {
        let at_ns = (u128::from(mark) * MINUTE_NS).div_ceil(u128::from(self.capacity()));
        Duration::from_nanos(clamp(at_ns.saturating_sub(u128::from(now.mono_ns))))
    }
}

/// Far from where sums of them would overflow.
fn signed(n: u64) -> i64 {
    i64::try_from(n.min(MINUTE_FRACTIONS_MAX)).unwrap_or(i64::MAX)
}

/// Other nodes are told of shares, since their limit may be another one while a configuration is rolled out.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "it saturates, and the last bits of 2^53 do not matter"
)]
fn scale(share: f64, whole: u64) -> u64 {
    (share * whole as f64) as u64
}

#[expect(clippy::cast_precision_loss, reason = "the last bits of 2^53 do not matter")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn clamp(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(mono_ns: u64) -> Now {
        Now { mono_ns, wall_ms: 0 }
    }

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_limit_of_one_lets_the_second_through_after_a_minute() {
        let bucket = Bucket::per_minute(1);
        let start = at(59 * SECOND + 7);
        assert_eq!(bucket.try_take(1, start), Ok(()));
        assert_eq!(bucket.try_take(1, start), Err(Wait { after: Duration::from_secs(60) }));
        let almost = at(start.mono_ns + 60 * SECOND - 1);
        assert_eq!(bucket.try_take(1, almost), Err(Wait { after: Duration::from_nanos(1) }));
        assert_eq!(bucket.try_take(1, at(start.mono_ns + 60 * SECOND)), Ok(()));
    }

    #[test]
    fn every_limit_admits_exactly_itself_at_once() {
        for limit in [1, 2, 3, 7, 60, 61, 999, 4_096, 70_001] {
            let bucket = Bucket::per_minute(limit);
            let now = at(123_456_789);
            let admitted = (0..limit + 5).filter(|_| bucket.try_take(1, now).is_ok()).count();
            assert_eq!(admitted as u64, limit);
            assert_eq!(bucket.left(now), 0);
        }
    }

    #[test]
    fn what_is_larger_than_the_bucket_passes_when_it_is_full_and_is_paid_back() {
        let bucket = Bucket::per_minute(15);
        let now = at(SECOND);
        assert_eq!(bucket.try_take(45, now), Ok(()));
        assert_eq!(bucket.left(now), -30);
        assert_eq!(bucket.try_take(1, now), Err(Wait { after: Duration::from_secs(124) }));
        assert_eq!(bucket.full_at(now), Duration::from_secs(180));
        assert_eq!(bucket.try_take(45, at(180 * SECOND)), Err(Wait { after: Duration::from_secs(1) }));
        assert_eq!(bucket.try_take(45, at(181 * SECOND)), Ok(()));
    }

    #[test]
    fn a_true_up_may_go_below_zero_and_a_refund_never_above_full() {
        let bucket = Bucket::per_minute(15);
        let now = at(5);
        bucket.try_take(12, now).unwrap();
        assert_eq!(bucket.left(now), 3);
        bucket.true_up(12, 40, now);
        assert_eq!(bucket.left(now), -25);
        bucket.true_up(40, 2, now);
        assert_eq!(bucket.left(now), 13);
        bucket.refund(1_000);
        assert_eq!(bucket.left(now), 15);
    }

    #[test]
    fn a_debt_stops_growing_at_a_day() {
        let bucket = Bucket::per_minute(10);
        bucket.charge(u64::MAX, at(0));
        bucket.charge(u64::MAX, at(0));
        assert_eq!(bucket.full_at(at(0)), Duration::from_secs(86_400));
    }

    #[test]
    fn zero_lets_nothing_through() {
        let bucket = Bucket::per_minute(0);
        assert_eq!(bucket.try_take(1, at(0)), Err(NEVER));
        assert_eq!(bucket.try_take(0, at(u64::MAX)), Err(NEVER));
        assert_eq!((bucket.left(at(9)), bucket.full_at(at(9))), (0, NEVER.after));
    }

    #[test]
    fn absurd_limits_and_times_do_not_overflow() {
        let bucket = Bucket::per_minute(u64::MAX);
        assert_eq!(bucket.try_take(u64::MAX, at(0)), Ok(()));
        assert!(bucket.try_take(1, at(0)).is_err());
        bucket.charge(u64::MAX, at(u64::MAX));
        bucket.refund(u64::MAX);
        let years_30 = at(30 * 365 * 86_400 * SECOND);
        let bucket = Bucket::per_minute(7);
        bucket.try_take(7, years_30).unwrap();
        assert!(bucket.try_take(1, years_30).is_err());
    }

    #[test]
    fn a_resized_bucket_keeps_its_place() {
        let now = at(77 * SECOND);
        let bucket = Bucket::per_minute(100);
        bucket.try_take(50, now).unwrap();
        assert_eq!(bucket.resized(10, now).left(now), 5);
        bucket.charge(250, now);
        assert_eq!(bucket.resized(1_000, now).left(now), -2_000);
        assert_eq!(bucket.resized(0, now).left(now), 0);
        assert_eq!(Bucket::per_minute(0).resized(8, now).left(now), 8);
    }

    /// What a Redis would hold: where all nodes stand, by what they told and asked.
    #[test]
    fn what_is_asked_for_is_told_once_however_questions_and_telling_interleave() {
        let (bucket, now) = (Bucket::per_minute(10), at(SECOND));
        // Taken before anybody knew that it is asked for.
        bucket.try_take(1, now).unwrap();
        bucket.ask();
        bucket.try_take(1, now).unwrap();
        assert!(bucket.share_told(now).abs() < 1e-9, "the first question says that nothing is in use beside it");
        let mut there = 2;
        bucket.given(1);
        bucket.given(1);
        there += bucket.tell();
        assert_eq!((there, bucket.is_told()), (2, true));
        bucket.agree(0.2, now);
        assert_eq!(bucket.left(now), 8);
        // One is given and given back while another is asked for and not given; a third could not be asked for.
        bucket.try_take(1, now).unwrap();
        bucket.try_take(1, now).unwrap();
        assert_eq!(bucket.tell(), 0, "what is still to be asked for is not told");
        bucket.given(1);
        there += 1;
        bucket.refund(1);
        bucket.refund(1);
        there += bucket.tell();
        assert_eq!((there, bucket.left(now), bucket.is_told()), (2, 8, true));
        bucket.try_take(1, now).unwrap();
        bucket.ungiven(1);
        there += bucket.tell();
        assert_eq!((there, bucket.left(now), bucket.is_told()), (3, 7, true));
    }

    proptest! {
        /// The naive bucket: exact rational level in token-nanoseconds, refilled before each step.
        #[test]
        fn it_agrees_with_the_naive_bucket(
            limit in 1u64..5_000,
            steps in proptest::collection::vec((0u64..20_000_000_000, 0u64..6_000, 0u8..4), 1..60),
        ) {
            let bucket = Bucket::per_minute(limit);
            let minute = i128::from(60 * SECOND);
            let (mut now, mut level) = (0u64, i128::from(limit) * minute);
            for (gap, n, what) in steps {
                // The naive bucket's debt has no end; ours ends at a day's worth, which this stays short of.
                let n = n.min(limit * 10);
                now += gap;
                level = (level + i128::from(gap) * i128::from(limit)).min(i128::from(limit) * minute);
                let tokens = i128::from(n) * minute;
                match what {
                    0 => { bucket.charge(n, at(now)); level -= tokens; }
                    1 => { bucket.refund(n); level = (level + tokens).min(i128::from(limit) * minute); }
                    _ => {
                        let enough = level - i128::from(n.min(limit)) * minute;
                        let has = bucket.has(n, at(now));
                        let taken = bucket.try_take(n, at(now)).is_ok();
                        prop_assert_eq!(has, taken);
                        // Within a token's smallest fraction either answer is right.
                        if enough.abs() > i128::from(limit) * 2 { prop_assert_eq!(taken, enough > 0); }
                        if taken { level -= tokens; }
                    }
                }
                let shown = i128::from(bucket.left(at(now)));
                prop_assert!((shown - level.div_euclid(minute)).abs() <= 1, "{} {}", shown, level);
            }
        }

        #[test]
        fn the_wait_is_exact(limit in 1u64..1_000_000, start in 0u64..1_000_000_000_000_000, n in 1u64..1_000_000) {
            let bucket = Bucket::per_minute(limit);
            bucket.try_take(n, at(start)).unwrap();
            if let Err(wait) = bucket.try_take(n, at(start)) {
                let ready = start + u64::try_from(wait.after.as_nanos()).unwrap();
                prop_assert!(bucket.try_take(n, at(ready - 1)).is_err());
                prop_assert!(bucket.try_take(n, at(ready)).is_ok());
            }
        }
    }
}
