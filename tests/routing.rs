//! The choice of a deployment: whom it favours, and the laws of cooldowns over virtual time.

use std::sync::Arc;
use std::time::Duration;

use tollgate::config::Cooling;
use tollgate::routing::{self, Failure, Health, Member, RetryBudget, Standing, Tried};
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

/// Ten deployments that fail at random and come back, a request every millisecond for minutes.
#[test]
fn cooled_deployments_rest_while_others_are_healthy_and_come_back_within_two_trials() {
    for seed in 0..4 {
        let (members, health) = group(10);
        let (clock, cooling, budget) = (Clock::manual(0), Cooling::default(), RetryBudget::default());
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut sick = [false; 10];
        let mut trials_since_well = [0_u32; 10];
        let (mut requests, mut retries) = (0_u64, 0_u64);
        for step in 0..200_000_u64 {
            if step % 5_000 == 0 {
                let at = dice.usize(0..10);
                sick[at] = !sick[at];
                trials_since_well[at] = 0;
            }
            let mut tried = Tried::default();
            requests += 1;
            budget.request(clock.now());
            loop {
                let now = clock.now();
                let usable = |at: usize| matches!(health[at].standing(now), Standing::Open | Standing::Trial);
                let Some(at) = routing::choose(&members, tried, usable, dice.u64(..)) else { break };
                tried.note(at);
                let trial = health[at].standing(now) == Standing::Trial;
                assert!(!matches!(health[at].standing(now), Standing::Resting(_)), "seed {seed} step {step}");
                let mut flight = health[at].begin(false, now).unwrap();
                if !sick[at] {
                    trials_since_well[at] += u32::from(trial);
                    assert!(trials_since_well[at] <= 2, "seed {seed} step {step}: {at} came back late");
                    flight.answered(now);
                    assert_eq!(health[at].standing(now), Standing::Open);
                    break;
                }
                let open = |other: usize| other != at && health[other].standing(now) == Standing::Open;
                health[at].failed(Failure::Internal, None, &cooling, (0..10).any(open), now);
                let open = (0..10).filter(|other| health[*other].standing(now) == Standing::Open).count();
                assert!(open > 0, "seed {seed} step {step}: the last one was set aside");
                if !budget.take(10, 10, now) {
                    break;
                }
                retries += 1;
            }
            clock.advance(Duration::from_millis(1));
        }
        assert!(retries * 10 <= requests + 200, "{retries} retries for {requests} requests");
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
