//! How a deployment fares: set aside or not, how busy, how quick. Lives as long as the deployment's id is configured.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::Failure;
use super::spread::Spread;
use crate::config::Cooling;
use crate::vocabulary::Now;

/// How long a credential that was refused is not tried: somebody must see to it.
const CREDENTIAL_REST: Duration = Duration::from_secs(300);
/// The longest rest that a provider may ask for.
const REST_MAX: Duration = Duration::from_secs(3600);
/// A trial that was not heard of again for this long is given to another request.
const TRIAL_MAX: Duration = Duration::from_secs(60);
/// How many outcomes the error rate looks back on, and within which time.
const RECENT_MAX: u32 = 20;
const RECENT_TIME: Duration = Duration::from_secs(60);
/// Fewer outcomes than this are no rate.
const RECENT_MIN: u32 = 5;
/// Latencies older than this tell nothing.
const LATENCY_TIME: Duration = Duration::from_secs(600);

const NO_TRIAL: u64 = 0;
const TRIAL_DUE: u64 = 1;

/// Whether a deployment may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It may.
    Open,
    /// It has rested: one request may find out whether it is back.
    Trial,
    /// Not for this long.
    Resting(Duration),
    /// Its provider said that nothing is left for this long.
    Full(Duration),
}

/// What a provider counts of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stock {
    /// Requests.
    Requests,
    /// Tokens.
    Tokens,
}

/// That a deployment was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    /// For how long.
    pub time: Duration,
    /// Why.
    pub failure: Failure,
}

/// The state of one deployment. Everything is an atomic: a choice among many takes no lock.
#[derive(Debug, Default)]
pub struct Health {
    rest_until: AtomicU64,
    full_until: AtomicU64,
    /// [`NO_TRIAL`], [`TRIAL_DUE`], or when the trial that is under way began.
    trial: AtomicU64,
    recent: AtomicU64,
    /// Failures of each kind in the current minute, see [`Minute`].
    fails: [Minute; 10],
    open: AtomicU32,
    /// Of streams to their first content, of other answers to their end.
    latency: [Latency; 2],
    /// The same times as a spread, where somebody reads it.
    spread: [OnceLock<Box<Spread>>; 2],
    tokens: Minute,
    requests: Minute,
    /// What its provider says is left, by [`Stock`].
    stocks: [Left; 2],
    checked: ArcSwapOption<Checked>,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// When.
    pub at: Now,
    /// What was wrong; None: it is there.
    pub trouble: Option<String>,
}

impl Health {
    /// How it stands.
    pub fn standing(&self, now: Now) -> Standing {
        let left = |until: &AtomicU64| until.load(Relaxed).saturating_sub(now.mono_ns);
        let rest = left(&self.rest_until);
        if rest > 0 {
            return Standing::Resting(Duration::from_nanos(rest));
        }
        let full = left(&self.full_until);
        if full > 0 {
            return Standing::Full(Duration::from_nanos(full));
        }
        match self.trial.load(Relaxed) {
            NO_TRIAL => Standing::Open,
            TRIAL_DUE => Standing::Trial,
            began if now.mono_ns.saturating_sub(began) > nanos(TRIAL_MAX) => Standing::Trial,
            _ => Standing::Resting(Duration::from_secs(1)),
        }
    }

    /// Takes a request on. None: the trial was another's. `alone` asks it whatever its state.
    pub fn begin(self: &Arc<Self>, alone: bool, now: Now) -> Option<Flight> {
        let trial = match self.standing(now) {
            Standing::Open => false,
            _ if alone => self.trial.load(Relaxed) != NO_TRIAL,
            Standing::Trial => {
                let was = self.trial.load(Relaxed);
                self.trial.compare_exchange(was, now.mono_ns.max(2), Relaxed, Relaxed).ok()?;
                true
            }
            Standing::Resting(_) | Standing::Full(_) => return None,
        };
        self.open.fetch_add(1, Relaxed);
        self.requests.add(1, now);
        Some(Flight { health: Arc::clone(self), trial })
    }

    /// Notes that the provider says when it takes requests again.
    pub fn full_for(&self, time: Duration, now: Now) {
        let until = now.mono_ns.saturating_add(nanos(time.min(REST_MAX)));
        self.full_until.fetch_max(until, Relaxed);
    }

    /// Mirrors what its provider says is left of a limit, and for how long that holds.
    pub fn learn(&self, stock: Stock, left: u64, time: Duration, now: Now) {
        self.stocks[stock as usize].set(left, time.min(REST_MAX), now);
    }

    /// What is left of what its provider said, as long as that holds.
    pub fn left(&self, stock: Stock, now: Now) -> Option<u64> {
        self.stocks[stock as usize].read(now).map(|(left, _)| left)
    }

    /// How long until its provider takes a request of so many tokens, where it said that it does not now.
    pub fn lacks(&self, tokens: u64, now: Now) -> Option<Duration> {
        let short =
            |(stock, needed): (&Left, u64)| stock.read(now).filter(|(left, _)| *left < needed).map(|(_, time)| time);
        self.stocks.iter().zip([1, tokens]).filter_map(short).max()
    }

    /// Takes a request of so many tokens off what its provider said is left, until it says so anew.
    pub fn spend(&self, tokens: u64, now: Now) {
        self.stocks.iter().zip([1, tokens]).for_each(|(stock, spent)| stock.take(spent, now));
    }

    /// Notes a failure, and sets the deployment aside if that is called for. `wait` is what the provider asks for; `spare`
    /// says whether another deployment of the group may be asked meanwhile.
    pub fn failed(
        &self,
        failure: Failure,
        wait: Option<Duration>,
        cooling: &Cooling,
        spare: bool,
        now: Now,
    ) -> Option<Rest> {
        if cooling.disabled || failure.is_the_requests() {
            return None;
        }
        let fails = self.fails.get(failure as usize).map_or(0, |fails| fails.add(1, now));
        let bad = self.note(true, now);
        let on_trial = self.trial.load(Relaxed) > TRIAL_DUE;
        let allowed = failure.in_policy(&cooling.policy).or(cooling.allowed_fails);
        let due = match (allowed, failure) {
            (Some(allowed), _) => fails > u64::from(allowed),
            (None, Failure::Credential | Failure::NotFound | Failure::RateLimit) => true,
            (None, _) => bad,
        };
        if !(due || on_trial) || !spare {
            return None;
        }
        let time = match failure {
            Failure::Credential if allowed.is_none() => CREDENTIAL_REST.max(cooling.time),
            _ => wait.unwrap_or(cooling.time),
        };
        Some(self.rest(failure, time.min(REST_MAX), now))
    }

    /// How long it rests yet.
    pub fn rests(&self, now: Now) -> Duration {
        Duration::from_nanos(self.rest_until.load(Relaxed).saturating_sub(now.mono_ns))
    }

    /// Sets it aside because another node of the gateway did; afterwards one request finds out.
    pub fn rest_as_told(&self, time: Duration, now: Now) {
        self.rest_until.fetch_max(now.mono_ns.saturating_add(nanos(time.min(REST_MAX))), Relaxed);
        self.trial.store(TRIAL_DUE, Relaxed);
    }

    fn rest(&self, failure: Failure, time: Duration, now: Now) -> Rest {
        self.rest_until.store(now.mono_ns.saturating_add(nanos(time)), Relaxed);
        // Who says when to come back is believed; of others one request finds out.
        let trial = if failure == Failure::RateLimit { NO_TRIAL } else { TRIAL_DUE };
        self.trial.store(trial, Relaxed);
        self.recent.store(0, Relaxed);
        Rest { time, failure }
    }

    /// Notes an outcome; whether too many of the last ones were failures.
    fn note(&self, failure: bool, now: Now) -> bool {
        let mut rate = (0, 0);
        // The closure never gives up.
        let _always = self.recent.fetch_update(Relaxed, Relaxed, |packed| {
            let mut recent = Recent::unpack(packed);
            recent.note(failure, now);
            rate = (recent.history.count_ones(), recent.count);
            Some(recent.pack())
        });
        let (failures, count) = rate;
        count >= RECENT_MIN && failures * 2 > count
    }

    /// Keeps what a check found.
    pub fn check(&self, checked: Checked) {
        self.checked.store(Some(Arc::new(checked)));
    }

    /// What the last check found, if there was one.
    pub fn checked(&self) -> Option<Arc<Checked>> {
        self.checked.load_full()
    }

    /// Requests that are open.
    pub fn open(&self) -> u32 {
        self.open.load(Relaxed)
    }

    /// Whether it failed lately, though it is asked.
    pub fn is_failing(&self, now: Now) -> bool {
        let recent = Recent::unpack(self.recent.load(Relaxed));
        recent.history & 1 == 1 && recent.is_current(now)
    }

    /// The usual latency in microseconds, and what it rose to lately; zero where nothing is known.
    pub fn latency(&self, stream: bool, now: Now) -> (u64, u64) {
        self.latency[usize::from(stream)].read(now)
    }

    /// Notes how long an answer took, or how long was waited for none.
    pub fn took(&self, time: Duration, stream: bool, now: Now) {
        self.latency[usize::from(stream)].note(time, now);
        if let Some(spread) = self.spread[usize::from(stream)].get() {
            spread.note(time);
        }
    }

    /// The time within which so many thousandths of its answers began; None while too few are known. They are counted from
    /// the first time that somebody asks.
    pub fn percentile(&self, milli: u64, stream: bool) -> Option<Duration> {
        self.spread[usize::from(stream)].get_or_init(Box::default).percentile(milli)
    }

    /// Tokens and requests of the current minute.
    pub fn used(&self, now: Now) -> (u64, u64) {
        (self.tokens.get(now), self.requests.get(now))
    }

    /// Notes tokens that were used.
    pub fn use_tokens(&self, tokens: u64, now: Now) {
        self.tokens.add(tokens, now);
    }
}

/// One request at a deployment. Dropped when it is over; a trial that ended without a verdict is due again.
#[derive(Debug)]
pub struct Flight {
    health: Arc<Health>,
    trial: bool,
}

impl Flight {
    /// Says that the deployment answers.
    pub fn answered(&mut self, now: Now) {
        self.health.note(false, now);
        self.alive();
    }

    /// Says that it is there, though it refused the request.
    pub fn alive(&mut self) {
        if std::mem::take(&mut self.trial) {
            self.health.trial.store(NO_TRIAL, Relaxed);
        }
    }

    /// The deployment.
    pub fn health(&self) -> &Health {
        &self.health
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.health.open.fetch_sub(1, Relaxed);
        if self.trial && self.health.trial.load(Relaxed) > TRIAL_DUE {
            self.health.trial.store(TRIAL_DUE, Relaxed);
        }
    }
}

/// What is left, and until when that holds.
#[derive(Debug, Default)]
struct Left {
    count: AtomicU64,
    until: AtomicU64,
}

impl Left {
    fn set(&self, count: u64, time: Duration, now: Now) {
        self.count.store(count, Relaxed);
        self.until.store(now.mono_ns.saturating_add(nanos(time)), Relaxed);
    }

    fn read(&self, now: Now) -> Option<(u64, Duration)> {
        let time = self.until.load(Relaxed).checked_sub(now.mono_ns).filter(|left| *left > 0)?;
        Some((self.count.load(Relaxed), Duration::from_nanos(time)))
    }

    fn take(&self, spent: u64, now: Now) {
        if self.until.load(Relaxed) > now.mono_ns {
            // The closure never gives up.
            let _always = self.count.fetch_update(Relaxed, Relaxed, |left| Some(left.saturating_sub(spent)));
        }
    }
}

/// The last outcomes: a bit each, the last one lowest. Packed: history in 20 bits, their number in 12, since when in 32.
#[derive(Clone, Copy)]
struct Recent {
    history: u32,
    count: u32,
    since: u32,
}

impl Recent {
    fn unpack(packed: u64) -> Self {
        let part = |shift: u32, bits: u32| u32::try_from((packed >> shift) & ((1 << bits) - 1)).unwrap_or(0);
        Self { history: part(0, 20), count: part(20, 12), since: part(32, 32) }
    }

    fn pack(self) -> u64 {
        u64::from(self.history) | u64::from(self.count) << 20 | u64::from(self.since) << 32
    }

    fn is_current(self, now: Now) -> bool {
        u64::from(seconds(now)).saturating_sub(u64::from(self.since)) < RECENT_TIME.as_secs()
    }

    fn note(&mut self, failure: bool, now: Now) {
        if self.count == 0 || !self.is_current(now) {
            *self = Self { history: 0, count: 0, since: seconds(now) };
        }
        self.history = (self.history << 1 | u32::from(failure)) & ((1 << RECENT_MAX) - 1);
        self.count = (self.count + 1).min(RECENT_MAX);
    }
}

/// A sum over the current minute: its number in 24 bits, the sum in 40.
#[derive(Debug, Default)]
struct Minute(AtomicU64);

impl Minute {
    const SUM: u64 = (1 << 40) - 1;

    fn add(&self, amount: u64, now: Now) -> u64 {
        let minute = Self::minute(now);
        let grown = |packed: u64| {
            let sum = if packed >> 40 == minute { packed & Self::SUM } else { 0 };
            minute << 40 | sum.saturating_add(amount).min(Self::SUM)
        };
        // The closure never gives up.
        let before = self.0.fetch_update(Relaxed, Relaxed, |packed| Some(grown(packed))).unwrap_or_default();
        grown(before) & Self::SUM
    }

    fn get(&self, now: Now) -> u64 {
        let packed = self.0.load(Relaxed);
        if packed >> 40 == Self::minute(now) { packed & Self::SUM } else { 0 }
    }

    fn minute(now: Now) -> u64 {
        (now.mono_ns / nanos(Duration::from_secs(60))) & ((1 << 24) - 1)
    }
}

/// A moving average in microseconds, and a peak that decays to it.
#[derive(Debug, Default)]
struct Latency {
    usual: AtomicU64,
    peak: AtomicU64,
    at: AtomicU64,
}

impl Latency {
    fn note(&self, time: Duration, now: Now) {
        let sample = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
        let (usual, peak) = self.read(now);
        let toward = |old: u64| if old < sample { old + (sample - old) / 4 } else { old - (old - sample) / 4 };
        self.usual.store(if usual == 0 { sample } else { toward(usual) }, Relaxed);
        self.peak.store(if sample > peak { sample } else { toward(peak) }, Relaxed);
        self.at.store(now.mono_ns, Relaxed);
    }

    fn read(&self, now: Now) -> (u64, u64) {
        if now.mono_ns.saturating_sub(self.at.load(Relaxed)) > nanos(LATENCY_TIME) {
            return (0, 0);
        }
        (self.usual.load(Relaxed), self.peak.load(Relaxed))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn seconds(now: Now) -> u32 {
    u32::try_from(now.mono_ns / 1_000_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::Clock;

    const USUAL: Cooling =
        Cooling { disabled: false, time: Duration::from_secs(5), allowed_fails: None, policy: [None; 9] };

    fn scene() -> (Arc<Health>, Clock) {
        (Arc::default(), Clock::manual(1_700_000_000_000))
    }

    #[test]
    fn a_rate_of_failures_sets_aside_and_one_trial_brings_back() {
        let (health, clock) = scene();
        for place in 0..4 {
            assert_eq!(health.failed(Failure::Internal, None, &USUAL, true, clock.now()), None, "{place}");
        }
        let rest = health.failed(Failure::Internal, None, &USUAL, true, clock.now()).unwrap();
        assert_eq!(rest.time, USUAL.time);
        assert_eq!(health.standing(clock.now()), Standing::Resting(USUAL.time));
        assert!(health.begin(false, clock.now()).is_none());
        clock.advance(USUAL.time);
        let mut trial = health.begin(false, clock.now()).unwrap();
        assert!(health.begin(false, clock.now()).is_none(), "one at a time");
        trial.answered(clock.now());
        assert_eq!(health.standing(clock.now()), Standing::Open);
    }

    #[test]
    fn a_trial_that_fails_sets_aside_again_and_a_lost_one_is_due_again() {
        let (health, clock) = scene();
        health.failed(Failure::NotFound, None, &USUAL, true, clock.now()).unwrap();
        clock.advance(USUAL.time);
        drop(health.begin(false, clock.now()).unwrap());
        let trial = health.begin(false, clock.now()).unwrap();
        assert!(health.failed(Failure::Internal, None, &USUAL, true, clock.now()).is_some());
        drop(trial);
        assert_eq!(health.standing(clock.now()), Standing::Resting(USUAL.time));
    }

    #[test]
    fn each_cause_has_its_time() {
        let at = |failure, wait: Option<u64>| {
            let (health, clock) = scene();
            let rest = health.failed(failure, wait.map(Duration::from_secs), &USUAL, true, clock.now());
            rest.map(|rest| rest.time.as_secs())
        };
        assert_eq!(at(Failure::RateLimit, Some(30)), Some(30));
        assert_eq!(at(Failure::RateLimit, None), Some(5));
        assert_eq!(at(Failure::Credential, None), Some(300));
        assert_eq!(at(Failure::NotFound, None), Some(5));
        assert_eq!(at(Failure::Internal, None), None);
        for failure in [Failure::Request, Failure::ContextWindow, Failure::ContentPolicy] {
            assert_eq!(at(failure, None), None);
        }
    }

    #[test]
    fn the_last_of_a_group_is_never_set_aside() {
        let (health, clock) = scene();
        assert_eq!(health.failed(Failure::Credential, None, &USUAL, false, clock.now()), None);
        assert_eq!(health.standing(clock.now()), Standing::Open);
    }

    #[test]
    fn allowed_fails_count_within_a_minute() {
        let (health, clock) = scene();
        let cooling = Cooling { allowed_fails: Some(2), ..USUAL };
        let fails = |times: usize| {
            (0..times).any(|_| health.failed(Failure::RateLimit, None, &cooling, true, clock.now()).is_some())
        };
        assert!(!fails(2));
        clock.advance(Duration::from_secs(60));
        assert!(!fails(2));
        assert!(fails(1));
    }

    #[test]
    fn half_of_the_outcomes_may_fail() {
        let (health, clock) = scene();
        for _ in 0..50 {
            health.begin(true, clock.now()).unwrap().answered(clock.now());
            assert_eq!(health.failed(Failure::Timeout, None, &USUAL, true, clock.now()), None);
        }
        assert_eq!(health.open(), 0);
    }

    #[test]
    fn latency_jumps_up_and_comes_down_slowly() {
        let (health, clock) = scene();
        assert_eq!(health.latency(true, clock.now()), (0, 0));
        health.took(Duration::from_micros(100), true, clock.now());
        health.took(Duration::from_micros(500), true, clock.now());
        assert_eq!(health.latency(true, clock.now()), (200, 500));
        health.took(Duration::from_micros(100), true, clock.now());
        assert_eq!(health.latency(true, clock.now()), (175, 400));
        assert_eq!(health.latency(false, clock.now()), (0, 0));
        clock.advance(Duration::from_secs(601));
        assert_eq!(health.latency(true, clock.now()), (0, 0));
    }

    #[test]
    fn what_the_provider_says_is_left_is_mirrored_until_it_says_so_anew() {
        let (health, clock) = scene();
        let ten = Duration::from_secs(10);
        assert_eq!((health.lacks(1_000_000, clock.now()), health.left(Stock::Tokens, clock.now())), (None, None));
        health.learn(Stock::Requests, 2, ten, clock.now());
        health.learn(Stock::Tokens, 1000, Duration::from_secs(4), clock.now());
        assert_eq!(health.lacks(1000, clock.now()), None);
        assert_eq!(health.lacks(1001, clock.now()), Some(Duration::from_secs(4)));
        health.spend(600, clock.now());
        assert_eq!(health.lacks(500, clock.now()), Some(Duration::from_secs(4)));
        health.spend(600, clock.now());
        assert_eq!(
            (health.left(Stock::Requests, clock.now()), health.left(Stock::Tokens, clock.now())),
            (Some(0), Some(0))
        );
        assert_eq!(health.lacks(1, clock.now()), Some(ten), "the longer wait of the two");
        health.learn(Stock::Requests, 1, ten, clock.now());
        clock.advance(Duration::from_secs(4));
        assert_eq!((health.lacks(9000, clock.now()), health.left(Stock::Tokens, clock.now())), (None, None));
        clock.advance(Duration::from_secs(6));
        health.spend(1, clock.now());
        assert_eq!(health.lacks(1, clock.now()), None);
    }

    #[test]
    fn usage_is_that_of_the_minute() {
        let (health, clock) = scene();
        health.use_tokens(40, clock.now());
        health.use_tokens(2, clock.now());
        drop(health.begin(false, clock.now()));
        assert_eq!(health.used(clock.now()), (42, 1));
        clock.advance(Duration::from_secs(60));
        assert_eq!(health.used(clock.now()), (0, 0));
    }
}
