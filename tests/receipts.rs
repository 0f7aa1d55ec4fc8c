//! Every started exchange leaves exactly one record, gives back what it held, and is charged for what was used.
//!
//! Streams are broken after every event in turn: by a client that leaves, by a provider that cuts, falls silent or
//! reports an error. After each, the key's only parallel slot must be free for the next request.

#![expect(clippy::unwrap_used, reason = "what surrounds the tests fails as they do")]

mod support;

use std::cell::Cell;

use support::client::Client;
use support::rig::{self, Exchange, Rig, body, eventually};
use tollgate::vocabulary::PicoUsd;

const KEY: &str = "sk-receipts-0123456789ab";
/// The role, three pieces, the reason it ended, the usage, `[DONE]`.
const EVENTS: usize = 7;
/// From this event on the usage has arrived.
const USAGE_AT: usize = 6;
/// What the provider reports.
const USAGE: &str = r#""chunks":3,"prompt_tokens":11,"completion_tokens":3"#;

fn config(base: &str) -> String {
    let more =
        |more: &str| format!("      input_cost_per_token: 0.000001\n      output_cost_per_token: 0.000002\n{more}");
    format!(
        "model_list:\n{}{}router_settings:\n  num_retries: 0\nvirtual_keys:\n{}",
        rig::deployment("patient", base, &more("")),
        rig::deployment("hasty", base, &more("      timeout: 1.5\n      stream_timeout: 1.5\n")),
        rig::key(KEY, "alone", "    max_parallel_requests: 1\n    max_budget: 5\n"),
    )
}

/// A rig that counts the records it has seen.
struct Desk {
    rig: Rig,
    seen: Cell<usize>,
}

impl Desk {
    fn open(name: &str) -> Self {
        Self { rig: Rig::start(name, config), seen: Cell::new(0) }
    }

    /// The one record of what was just done. Then another request shows that the slot is free.
    #[track_caller]
    fn receipt(&self, what: &str) -> Exchange {
        self.rig.quiesce();
        self.seen.set(self.seen.get() + 1);
        let receipt = self.rig.exchanges_after(self.seen.get()).pop().unwrap();
        assert_eq!(receipt.key, "alone", "{what}");
        let next = self.rig.client().chat(KEY, &body("patient", "")).unwrap();
        assert_eq!(next.status, 200, "the slot is not free after: {what}\n{}", next.text());
        self.rig.quiesce();
        self.seen.set(self.seen.get() + 1);
        self.rig.exchanges_after(self.seen.get());
        receipt
    }
}

/// Charged as reported once the usage has arrived, and by count before.
#[track_caller]
fn assert_charged(receipt: &Exchange, events: usize, what: &str) {
    if events >= USAGE_AT {
        let reported = (receipt.usage.as_deref(), receipt.tokens_in, receipt.tokens_out);
        assert_eq!(reported, (Some("reported"), 11, 3), "{what}: {receipt:?}");
        assert_eq!(receipt.cost(), PicoUsd::parse("0.000017").unwrap(), "{what}");
        return;
    }
    assert_eq!(receipt.usage.as_deref(), Some("estimated"), "{what}: {receipt:?}");
    assert!(receipt.tokens_in > 0 && receipt.cost() > PicoUsd::ZERO, "{what}: {receipt:?}");
    assert!(events < 2 || receipt.tokens_out > 0, "{what}: {receipt:?}");
}

fn stream(model: &str, fault: &str) -> String {
    body(model, &format!(r#","stream":true,"mock":{{{USAGE}{fault}}}"#))
}

#[test]
fn a_whole_stream_has_as_many_events_as_these_tests_break() {
    let desk = Desk::open("receipts-whole");
    let answer = desk.rig.client().chat(KEY, &stream("patient", "")).unwrap();
    assert_eq!((answer.status, desk.rig.mock.stats().events), (200, EVENTS as u64));
    assert!(answer.text().ends_with("data: [DONE]\n\n") && !answer.text().contains("\"usage\""), "{}", answer.text());
    let receipt = desk.receipt("a whole stream");
    assert_eq!((receipt.outcome.as_str(), receipt.status), ("complete", 200));
    assert_charged(&receipt, EVENTS, "a whole stream");
}

#[test]
fn a_client_that_leaves_after_any_event_is_charged_for_what_was_sent() {
    let desk = Desk::open("receipts-gone");
    for events in 0..EVENTS {
        let what = format!("the client left after {events} events");
        let asked = desk.rig.mock.stats().requests;
        let call = stream("patient", &format!(r#","stall_after":{events}"#));
        std::thread::scope(|scope| {
            let mut client = desk.rig.client();
            let handle = client.handle();
            let reader = scope.spawn(move || {
                // The usage that the client did not ask for is not shown to it.
                let shown = events - usize::from(events >= USAGE_AT);
                client.stream(KEY, &call).and_then(|mut reply| reply.events(shown)).ok();
                client
            });
            if events == 0 {
                eventually("the provider was asked", || desk.rig.mock.stats().requests > asked);
                handle.shutdown(std::net::Shutdown::Both).unwrap();
            }
            drop(reader.join().unwrap());
            drop(handle);
        });
        let receipt = desk.receipt(&what);
        assert_eq!(receipt.outcome, "client_gone", "{what}");
        assert_charged(&receipt, events, &what);
    }
}

/// Breaks a stream after each event and reads what the client is told.
fn break_streams(name: &str, model: &str, knob: &str, outcomes: &[&str]) {
    let desk = Desk::open(name);
    for events in 0..EVENTS {
        let what = format!("{knob} {events}");
        let reply = desk.rig.client().chat_to_the_end(KEY, &stream(model, &format!(r#","{knob}":{events}"#)));
        let text = reply.text();
        assert!(text.contains("\"error\""), "{what}: nothing told the client:\n{text}");
        assert!(!text.contains("[DONE]"), "{what}: a broken stream must not look whole:\n{text}");
        let receipt = desk.receipt(&what);
        assert!(outcomes.contains(&receipt.outcome.as_str()), "{what}: {receipt:?}");
        if events == 0 {
            assert_eq!((receipt.tokens_out, receipt.cost()), (0, PicoUsd::ZERO), "{what}: nothing was answered");
        } else {
            assert_charged(&receipt, events, &what);
        }
    }
}

#[test]
fn a_stream_that_the_provider_cuts_after_any_event_is_charged_for_what_came() {
    break_streams("receipts-cut", "patient", "cut_after", &["upstream_cut", "upstream_failed"]);
}

#[test]
fn a_stream_that_falls_silent_after_any_event_is_charged_for_what_came() {
    break_streams("receipts-stall", "hasty", "stall_after", &["stalled", "upstream_failed"]);
}

#[test]
fn a_stream_that_reports_an_error_after_any_event_is_charged_for_what_came() {
    break_streams("receipts-error", "patient", "error_after", &["upstream_cut", "upstream_failed"]);
}

#[test]
fn a_client_that_does_not_wait_for_an_answer_is_charged_for_its_prompt() {
    let desk = Desk::open("receipts-impatient");
    let call = body("patient", r#","mock":{"latency_ms":60000}"#);
    let mut client = desk.rig.client();
    let handle = client.handle();
    std::thread::scope(|scope| {
        scope.spawn(|| client.chat(KEY, &call).is_ok());
        eventually("the provider was asked", || desk.rig.mock.stats().requests == 1);
        handle.shutdown(std::net::Shutdown::Both).unwrap();
    });
    let receipt = desk.receipt("the client did not wait");
    assert_eq!(receipt.outcome, "client_gone");
    assert_charged(&receipt, 0, "the client did not wait");
}

#[test]
fn an_answer_that_fails_leaves_one_record_and_costs_nothing() {
    let desk = Desk::open("receipts-failed");
    for fault in [
        r#""status":500"#,
        r#""status":429,"retry_after":"1""#,
        r#""status":400"#,
        r#""cut_after":0"#,
        r#""stall_after":0"#,
        r#""latency_ms":60000"#,
        r#""malformed":"html""#,
        r#""malformed":"empty""#,
        r#""malformed":"truncated""#,
    ] {
        let answer = desk.rig.client().chat(KEY, &body("hasty", &format!(r#","mock":{{{fault}}}"#))).unwrap();
        assert!(answer.status >= 400 && answer.text().contains("\"error\""), "{fault}: {}", answer.text());
        let receipt = desk.receipt(fault);
        assert_eq!((receipt.outcome.as_str(), receipt.status), ("upstream_failed", answer.status), "{fault}");
        assert_eq!(receipt.cost(), PicoUsd::ZERO, "{fault}: {receipt:?}");
    }
}

/// An answer is read for its usage and carried, not validated: what is wrong within it is the client's to find.
#[test]
fn an_answer_that_is_broken_within_leaves_one_record_that_is_estimated() {
    let desk = Desk::open("receipts-broken-within");
    let answer = desk.rig.client().chat(KEY, &body("patient", r#","mock":{"malformed":"json"}"#)).unwrap();
    let receipt = desk.receipt("broken within");
    assert_eq!((answer.status, receipt.status, receipt.usage.as_deref()), (200, 200, Some("estimated")), "{receipt:?}");
}

#[test]
fn usage_that_is_absent_zero_partial_or_whole_is_four_different_things() {
    let desk = Desk::open("receipts-usage");
    for streamed in ["", r#""stream":true,"#] {
        for (kind, source, prompt, completion) in [
            ("full", "reported", Some(11), Some(3)),
            ("always", "reported", Some(11), Some(3)),
            ("zero", "reported", Some(0), Some(0)),
            ("partial", "estimated", Some(11), None),
            ("null", "estimated", None, None),
            ("none", "estimated", None, None),
        ] {
            let what = format!("{streamed}{kind}");
            let call = body("patient", &format!(r#",{streamed}"mock":{{{USAGE},"usage":"{kind}"}}"#));
            assert_eq!(desk.rig.client().chat(KEY, &call).unwrap().status, 200, "{what}");
            let receipt = desk.receipt(&what);
            assert_eq!(receipt.usage.as_deref(), Some(source), "{what}");
            assert!(prompt.map_or(receipt.tokens_in > 0, |tokens| receipt.tokens_in == tokens), "{what}: {receipt:?}");
            let counted = completion.map_or(receipt.tokens_out > 0, |tokens| receipt.tokens_out == tokens);
            assert!(counted, "{what}: {receipt:?}");
        }
    }
}

#[test]
fn every_record_has_an_id_of_its_own() {
    let rig = Rig::start("receipts-ids", config);
    let mut client = Client::connect(rig.gateway.address()).unwrap();
    for body in [&body("patient", ""), &body("nobody", ""), "{", ""] {
        client.chat(KEY, body).unwrap();
        client = rig.client();
    }
    let ids: std::collections::HashSet<_> =
        rig.exchanges_after(4).into_iter().map(|exchange| exchange.exchange_id).collect();
    assert_eq!(ids.len(), 4);
}
