//! The core against everything that can happen to it: exchange, policy, routing and ledger, seeded, on one thread, with a
//! clock that is moved by hand.
//!
//! After every step: nothing was let through beyond a limit (L1); receipts add up to what was spent, one per exchange
//! (L2); no reservation and no place outlives its exchange (L3); nothing goes upstream before it is reserved (L5);
//! windows never move back (L6); a client gets of a stream exactly what its whole events translate to (L7); and one seed
//! always takes one course (L8).
//!
//! A failure prints `SIM_SEED=.. SIM_STEP=..`; `SIM_SEED` in the environment runs that seed alone, `SIM_SEEDS` as many.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test an unwrap is an assertion")]
#![expect(clippy::print_stdout, reason = "a failure names its seed, and a run what it came to")]

mod sim;

use sim::money;
use sim::run::Sim;

/// Seeds of a normal run, and the steps of each.
const SEEDS: u64 = 256;
const STEPS: usize = 400;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn the_core_keeps_its_laws_on_every_seed() {
    let seeds = match number("SIM_SEED") {
        Some(only) => only..only + 1,
        None => 0..number("SIM_SEEDS").unwrap_or(SEEDS),
    };
    let mut told = std::collections::BTreeMap::new();
    for seed in seeds {
        let course = Sim::new(seed).run(STEPS);
        course.told.into_iter().for_each(|(what, times)| *told.entry(what).or_insert(0) += times);
    }
    println!("{told:?}");
    if number("SIM_SEED").is_none() {
        for what in sim::run::MUST_HAPPEN {
            assert!(told.contains_key(what), "no seed came to: {what}");
        }
    }
}

#[test]
fn one_seed_takes_one_course() {
    for seed in [3, 77] {
        let (first, again) = (Sim::new(seed).run(STEPS).trace, Sim::new(seed).run(STEPS).trace);
        assert_eq!(first, again, "SIM_SEED={seed}");
    }
    assert_ne!(Sim::new(3).run(STEPS).trace, Sim::new(77).run(STEPS).trace);
}

#[test]
fn a_budget_for_one_request_lets_through_that_one_and_a_pico_dollar_less_does_not() {
    money::exactly_affordable(r#""max_tokens":64"#);
}

#[test]
fn an_answer_without_a_bound_is_bounded_to_what_can_be_paid() {
    money::capped_to_what_can_be_paid();
}

#[test]
fn a_retry_on_a_dearer_deployment_stays_within_what_was_reserved() {
    money::retried_on_the_dearer();
}

#[test]
fn a_bound_that_is_null_is_no_bound_and_is_not_sent_twice() {
    money::a_null_bound();
}

#[test]
fn a_configuration_that_cannot_be_built_changes_no_account() {
    money::a_bad_reload();
}
