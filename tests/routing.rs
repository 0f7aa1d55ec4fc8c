//! The choice of a deployment: whom it favours, and the laws of cooldowns over virtual time.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use tollgate::config::Cooling;
use tollgate::routing::{self, Bond, Failure, Flight, Health, Member, RetryBudget, Standing, Tried};
use tollgate::vocabulary::Clock;

fn group(size: usize) -> (Vec<Member>, Vec<Arc<Health>>) {
    let member = |deployment| Member { deployment, order: 1, share: 1 + deployment as u64 % 4 };
    ((0..size).map(member).collect(), (0..size).map(|_| Arc::default()).collect())
}

#[test]
fn shares_match_weights_within_a_hundredth() {
    let (members, _) = group(10);
    let mut dice = fastrand::Rng::with_seed(7);
    let mut seen = [0_u32; 10];
    const ROUNDS: u32 = 1_000_000;
    for _ in 0..ROUNDS {
        seen[routing::choose(&members, Tried::default(), |_| true, dice.u64(..)).unwrap()] += 1;
    }
    let total: u64 = members.iter().map(|member| member.share).sum();
    for (member, seen) in members.iter().zip(seen) {
        let (expected, found) = (member.share as f64 / total as f64, f64::from(seen) / f64::from(ROUNDS));
        assert!((expected - found).abs() < 0.01 * expected.max(0.1), "{expected} {found}");
    }
}

/// A million requests of one minute, each at a deployment for a while, on ten deployments that fail at random.
struct Minute {
    members: Vec<Member>,
    health: Vec<Arc<Health>>,
    seeds: [u64; 10],
    sick: [Option<Failure>; 10],
    /// Trials that began since a deployment is well again.
    trials: [u32; 10],
    clock: Clock,
    cooling: Cooling,
    budget: RetryBudget,
    dice: fastrand::Rng,
    open: BinaryHeap<Reverse<(u64, usize)>>,
    asked: Vec<Option<Asked>>,
    free: Vec<usize>,
    retries: u64,
    failed: u64,
}

/// A request that is at a deployment.
struct Asked {
    at: usize,
    tried: Tried,
    session: Option<Bond>,
    failure: Option<Failure>,
    flight: Flight,
}

impl Minute {
    const REQUESTS: u64 = 1_000_000;
    /// The most retries for each hundred requests, and in ten seconds however few requests there are.
    const BUDGET: (u32, u32) = (10, 100);

    fn new(seed: u64) -> Self {
        let (members, health) = group(10);
        Self {
            members,
            health,
            seeds: std::array::from_fn(|at| routing::seed(&at.to_string())),
            sick: [None; 10],
            trials: [0; 10],
            clock: Clock::manual(0),
            cooling: Cooling { time: Duration::from_secs(1), ..Cooling::default() },
            budget: RetryBudget::default(),
            dice: fastrand::Rng::with_seed(seed),
            open: BinaryHeap::new(),
            asked: Vec::new(),
            free: Vec::new(),
            retries: 0,
            failed: 0,
        }
    }

    fn run(&mut self) {
        for step in 0..Self::REQUESTS {
            self.finish_until(self.clock.now().mono_ns);
            if step % 40_000 == 0 {
                self.change();
            }
            self.budget.request(self.clock.now());
            let session = self.dice.bool().then(|| Bond::of(0, [self.dice.u8(..100).to_le_bytes().as_slice()]));
            self.attempt(Tried::default(), session);
            self.clock.advance(Duration::from_micros(60));
        }
        self.finish_until(u64::MAX);
    }

    /// One deployment falls sick, or gets well.
    fn change(&mut self) {
        let at = self.dice.usize(0..10);
        let causes = [Failure::Internal, Failure::Timeout, Failure::Unavailable, Failure::NotFound];
        self.sick[at] = match self.sick[at] {
            Some(_) => None,
            None => Some(causes[self.dice.usize(0..causes.len())]),
        };
        self.trials[at] = 0;
    }

    fn standing(&self, at: usize) -> Standing {
        self.health[at].standing(self.clock.now())
    }

    fn attempt(&mut self, tried: Tried, session: Option<Bond>) {
        let now = self.clock.now();
        let usable = |at: usize| matches!(self.health[at].standing(now), Standing::Open | Standing::Trial);
        let picked = match session {
            Some(bond) => self.keep(tried, usable, bond),
            None => routing::choose(&self.members, tried, usable, self.dice.clone().u64(..)),
        };
        let _next = self.dice.u64(..);
        // Where all that is left was tried or rests, the request fails.
        let Some(at) = picked else { return self.failed += 1 };
        let standing = self.standing(at);
        assert!(matches!(standing, Standing::Open | Standing::Trial), "{at} rests, and was asked");
        let Some(flight) = self.health[at].begin(false, now) else { return self.failed += 1 };
        if self.sick[at].is_none() && standing == Standing::Trial {
            self.trials[at] += 1;
            assert!(self.trials[at] <= 2, "{at} came back late");
        }
        let mut tried = tried;
        tried.note(at);
        let asked = Asked { at, tried, session, failure: self.sick[at], flight };
        let place = self.free.pop().unwrap_or_else(|| {
            self.asked.push(None);
            self.asked.len() - 1
        });
        self.asked[place] = Some(asked);
        self.open.push(Reverse((now.mono_ns + self.dice.u64(1_000_000..20_000_000), place)));
    }

    /// Where a session goes: home, unless home is not usable or has more than its share of what is open.
    fn keep(&self, tried: Tried, usable: impl Fn(usize) -> bool, bond: Bond) -> Option<usize> {
        let seed = |at: usize| self.seeds[at];
        let open = |at: usize| self.health[at].open();
        let (home, _) = routing::bound(&self.members, Tried::default(), |_| true, |_| 0, seed, bond).unwrap();
        let (at, at_home) = routing::bound(&self.members, tried, &usable, open, seed, bond)?;
        let of_usable = |value: &dyn Fn(usize) -> u64| (0..10).filter(|at| usable(*at)).map(value).sum::<u64>();
        let (all, shares) = (of_usable(&|at| u64::from(open(at))), of_usable(&|at| self.members[at].share));
        if usable(home) && !tried.has(home) && u64::from(open(home)) * shares <= all * self.members[home].share {
            assert_eq!((at, at_home), (home, true), "a session left its home");
        }
        Some(at)
    }

    fn finish_until(&mut self, until: u64) {
        while self.open.peek().is_some_and(|Reverse((end, _))| *end <= until) {
            let Reverse((_, place)) = self.open.pop().unwrap();
            let Asked { at, tried, session, failure, mut flight } = self.asked[place].take().unwrap();
            self.free.push(place);
            let now = self.clock.now();
            let Some(failure) = failure else {
                flight.answered(now);
                continue;
            };
            let spare = (0..10).any(|other| other != at && self.standing(other) == Standing::Open);
            self.health[at].failed(failure, None, &self.cooling, spare, now);
            drop(flight);
            let open = (0..10).any(|other| self.standing(other) == Standing::Open);
            assert!(open || !spare, "the last one was set aside");
            let (percent, floor) = Self::BUDGET;
            if self.budget.take(percent, floor, now) {
                self.retries += 1;
                self.attempt(tried, session);
            } else {
                self.failed += 1;
            }
        }
    }
}

#[test]
fn a_million_requests_a_minute_keep_the_laws_of_routing() {
    for seed in 0..2 {
        let mut minute = Minute::new(seed);
        minute.run();
        let Minute { retries, failed, ref health, .. } = minute;
        assert!(retries * 10 <= Minute::REQUESTS + 1_000, "seed {seed}: {retries} retries");
        assert!(retries > 100, "seed {seed}: nothing failed: {retries} retries");
        assert!(failed * 200 < Minute::REQUESTS, "seed {seed}: {failed} requests failed");
        assert!(health.iter().all(|health| health.open() == 0), "seed {seed}: something is open still");
    }
}

#[test]
fn in_steady_failure_retries_are_a_tenth() {
    let (budget, clock) = (RetryBudget::default(), Clock::manual(0));
    let mut attempts = 0_u32;
    for _ in 0..100_000 {
        budget.request(clock.now());
        attempts += 1;
        attempts += (0..5).take_while(|_| budget.take(10, 10, clock.now())).count() as u32;
        clock.advance(Duration::from_micros(500));
    }
    assert!(attempts <= 110_100, "{attempts}");
}
