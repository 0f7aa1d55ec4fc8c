//! A budget is never exceeded, whatever the concurrency.
//!
//! A thousand requests from 64 connections fall on a key whose budget pays for ten. Before a request is sent its worst
//! case is held (the bound of its answer, and its prompt by length), so that what is spent and what is held never add
//! up to more than the budget. Where the worst case is also what is charged, exactly ten succeed; where it is more,
//! what a request did not use serves the next one.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what surrounds the tests fails as they do")]

mod support;

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use support::client::{Answer, Client};
use support::rig::{self, Rig, body, eventually};
use tollgate::vocabulary::PicoUsd;

const KEY: &str = "sk-race-0123456789abcdef";
const BUDGET: &str = "0.01";
const REQUESTS: usize = 1_000;
const CONNECTIONS: usize = 64;

/// `free-prompt` charges its answer alone, 0.001 dollars for 100 tokens; `full` charges the prompt too.
fn config(base: &str) -> String {
    let price = |input: &str| format!("      input_cost_per_token: {input}\n      output_cost_per_token: 0.00001\n");
    format!(
        "model_list:\n{}{}router_settings:\n  num_retries: 0\nvirtual_keys:\n{}",
        rig::deployment("free-prompt", base, &price("0")),
        rig::deployment("full", base, &price("0.000001")),
        rig::key(KEY, "racer", &format!("    max_budget: {BUDGET}\n    budget_duration: 30d\n")),
    )
}

fn budget() -> PicoUsd {
    PicoUsd::parse(BUDGET).unwrap()
}

/// Sends this body until it was sent `REQUESTS` times or nobody listens any more; all answers that came whole.
fn storm(rig: &Rig, body: &str) -> Vec<Answer> {
    let sent = AtomicUsize::new(0);
    let connection = || {
        let mut answers = Vec::new();
        let mut client = None;
        while sent.fetch_add(1, Ordering::Relaxed) < REQUESTS {
            let Ok(answer) = call(rig, &mut client, body) else { break };
            answers.push(answer);
        }
        answers
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(connection)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

/// One call on a kept connection, or on a new one where the old was closed.
fn call(rig: &Rig, kept: &mut Option<Client>, body: &str) -> io::Result<Answer> {
    let mut client = match kept.take() {
        Some(client) => client,
        None => Client::connect(rig.gateway.address())?,
    };
    let answer = client.chat(KEY, body)?;
    if answer.header("connection") != Some("close") {
        *kept = Some(client);
    }
    Ok(answer)
}

fn successes(answers: &[Answer]) -> Vec<&Answer> {
    answers.iter().filter(|answer| answer.status == 200).collect()
}

fn assert_denied(answer: &Answer) {
    let text = answer.text();
    assert_eq!(answer.status, 422, "{text}");
    for part in ["Budget has been exceeded!", "racer", "Current cost: ", "Max budget: 0.01", "resets at 20"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

/// What the log and the metrics say was charged; the log is exact.
fn spent(rig: &Rig, requests: usize) -> PicoUsd {
    rig.quiesce();
    let spent: PicoUsd = rig.exchanges_after(requests).iter().map(rig::Exchange::cost).sum();
    let metric = rig.metric("tollgate_spend_usd_total", &[]);
    assert!((metric - spent.to_dollars()).abs() < 1e-9, "metrics say {metric}, the log {spent}");
    let left = rig.metric("tollgate_budget_remaining_usd", &["key=\"racer\""]);
    assert!((left - budget().minus(spent).to_dollars()).abs() < 1e-9, "{left} left after {spent}");
    spent
}

#[test]
fn a_budget_for_ten_lets_exactly_ten_of_a_thousand_pass() {
    let rig = Rig::start("race-ten", config);
    let answers = storm(&rig, &body("free-prompt", r#","max_tokens":100,"mock":{"chunks":100}"#));
    assert_eq!(answers.len(), REQUESTS);
    let passed = successes(&answers);
    let told: PicoUsd =
        passed.iter().map(|answer| PicoUsd::parse(answer.header("x-litellm-response-cost").unwrap()).unwrap()).sum();
    assert_eq!((passed.len(), told), (10, budget()));
    answers.iter().filter(|answer| answer.status != 200).for_each(assert_denied);
    assert_eq!(spent(&rig, REQUESTS), budget());
    assert_eq!(rig.mock.stats().requests, 10, "what is denied is never sent");
}

#[test]
fn a_budget_for_ten_lets_exactly_ten_of_a_thousand_streams_pass() {
    let rig = Rig::start("race-streams", config);
    let answers = storm(&rig, &body("free-prompt", r#","stream":true,"max_tokens":100,"mock":{"chunks":100}"#));
    let passed = successes(&answers);
    assert_eq!((answers.len(), passed.len()), (REQUESTS, 10));
    assert!(passed.iter().all(|answer| answer.text().ends_with("data: [DONE]\n\n")));
    answers.iter().filter(|answer| answer.status != 200).for_each(assert_denied);
    assert_eq!(spent(&rig, REQUESTS), budget());
}

#[test]
fn what_a_request_did_not_use_serves_the_next_and_no_more() {
    let rig = Rig::start("race-settled", config);
    // Charged 0.000620; held for it 0.001 and the prompt's bytes.
    let used = r#","max_tokens":100,"mock":{"prompt_tokens":20,"completion_tokens":60}"#;
    let cost = PicoUsd::parse("0.00062").unwrap();
    let answers = storm(&rig, &body("full", used));
    let passed = successes(&answers).len();
    let most = usize::try_from(budget().0 / cost.0).unwrap();
    assert!((8..=most).contains(&passed), "{passed} passed, at most {most} can");
    let spent = spent(&rig, REQUESTS);
    assert_eq!(spent, cost.times(passed as u64));
    assert!(spent <= budget());
}

#[test]
fn an_answer_without_a_bound_gets_one_that_the_budget_pays_for() {
    let rig = Rig::start("race-unbounded", config);
    let answers = storm(&rig, &body("full", r#","mock":{"chunks":2000,"prompt_tokens":10}"#));
    assert!(!successes(&answers).is_empty());
    let spent = spent(&rig, REQUESTS);
    assert!(spent <= budget(), "{spent}");
    let asked = rig.mock.requests();
    assert!(asked.iter().all(|request| request.text().contains("\"max_tokens\"") || request.text().contains("\"max_completion_tokens\"")));
}

#[test]
fn a_shutdown_amid_the_storm_spends_no_more_than_the_budget() {
    let mut rig = Rig::start("race-shutdown", config);
    let slow = body("free-prompt", r#","max_tokens":100,"mock":{"chunks":100,"latency_ms":400}"#);
    let answers = std::thread::scope(|scope| {
        let storm = scope.spawn(|| storm(&rig, &slow));
        eventually("requests are under way", || rig.mock.stats().connections_open >= 5);
        rig.gateway.signal("TERM");
        storm.join().unwrap()
    });
    assert!(rig.gateway.wait().success());
    let log = rig.gateway.output();
    let exchanges = rig::exchanges(&log);
    let spent: PicoUsd = exchanges.iter().map(rig::Exchange::cost).sum();
    assert!(spent <= budget(), "{spent}");
    // Whoever got an answer left a record, and what was charged was delivered.
    assert!(exchanges.len() >= answers.len(), "{} records of {} answers", exchanges.len(), answers.len());
    assert_eq!(spent, PicoUsd::parse("0.001").unwrap().times(successes(&answers).len() as u64));
}
