//! A second deployment is asked beside one that does not begin to answer: the quicker one answers, the other is cut off,
//! both are paid for, and there is one record.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::io::Write;
use std::net::TcpStream;

use serde::Deserialize;
use support::client::{Answer, Client};
use support::hostile::{Hostile, Play};
use support::rig::{self, Rig, eventually};
use tollgate::vocabulary::PicoUsd;

mod support;

const MASTER: &str = "sk-hedging-master-0001";
/// Answers that are known of a deployment before anybody else is asked beside it.
const SAMPLES: usize = 20;
/// Prices per token: that of the second deployment tells whose answer is charged.
const FIRST: &str = "      input_cost_per_token: 0.000001\n      output_cost_per_token: 0.000001\n";
const SECOND: &str = "      input_cost_per_token: 0.001\n      output_cost_per_token: 0.001\n";
/// A second deployment that does what `mock` says, whatever the client tells the first to do.
fn second(mock: &str) -> String {
    format!("{SECOND}      order: 2\n      extra_body: {{mock: {{{mock}}}}}\n")
}

fn deployment(id: &str, base: &str, more: &str) -> String {
    format!(
        "  - model_name: m
    litellm_params:
      model: openai/up
      api_base: {base}
      api_key: sk-provider-of-the-hedges
{more}    model_info:
      id: {id}
      max_output_tokens: 100
"
    )
}

/// Two deployments of one group; what `hedge` is; more of the file.
fn scene(name: &str, hedge: &str, of_first: &str, of_second: &str, more: &str) -> Rig {
    Rig::start(name, |mock| {
        let first = deployment("first", mock, &format!("{FIRST}      order: 1\n{of_first}"));
        format!(
            "model_list:\n{first}{}router_settings:\n  num_retries: 1\n  hedge: {hedge}\n{more}general_settings:\n  master_key: {MASTER}\n",
            deployment("second", mock, of_second)
        )
    })
}

fn ask(rig: &Rig, key: &str, path: &str, stream: bool, mock: &str) -> Answer {
    let members = if stream { r#","stream":true,"stream_options":{"include_usage":true}"# } else { "" };
    let body = rig::body("m", &format!(r#"{members},"max_tokens":20,"mock":{{{mock}}}"#));
    let headers = format!(
        "authorization: Bearer {key}\r\ncontent-type: application/json\r\nx-tollgate-explain: 1\r\nx-litellm-timeout: 20\r\n"
    );
    rig.client().send(&format!("POST {path}"), &headers, body.as_bytes()).unwrap().rest().0
}

/// So many answers of the first deployment that its usual time is known.
fn warm(rig: &Rig, key: &str, stream: bool) {
    for _ in 0..SAMPLES {
        let answer = ask(rig, key, "/v1/chat/completions", stream, "");
        assert_eq!((answer.status, answer.header("x-litellm-model-id")), (200, Some("first")), "{}", answer.text());
    }
}

/// Each attempt of a route receipt, without its time.
fn route(answer: &Answer) -> String {
    let legs = answer.header("x-tollgate-route").unwrap_or_else(|| panic!("no route in {}", answer.head));
    legs.split(", ").map(|leg| leg.split(';').next().unwrap()).collect::<Vec<_>>().join(" ")
}

#[derive(Deserialize)]
struct Closed {
    outcome: String,
    attempts: u32,
    deployment: String,
    cost_usd: Box<serde_json::value::RawValue>,
    #[serde(default)]
    lost_usd: Option<Box<serde_json::value::RawValue>>,
    #[serde(default)]
    tokens_in: u64,
    #[serde(default)]
    tokens_out: u64,
}

impl Closed {
    fn last(rig: &Rig, count: usize) -> Self {
        rig.exchanges_after(count);
        serde_json::from_str(rig::of_event(&rig.gateway.output(), "exchange").last().unwrap()).unwrap()
    }

    fn cost(&self) -> PicoUsd {
        PicoUsd::parse(self.cost_usd.get()).unwrap()
    }

    fn lost(&self) -> PicoUsd {
        self.lost_usd.as_ref().map_or(PicoUsd::ZERO, |lost| PicoUsd::parse(lost.get()).unwrap())
    }
}

fn pico(amount: PicoUsd) -> f64 {
    amount.0 as f64 / 1e12
}

#[test]
fn the_quicker_one_answers_and_the_other_is_cut_off_and_paid_for() {
    for stream in [false, true] {
        let rig = scene("hedge-won", "{min_ms: 50, max_percent: 100}", "", &second(""), "");
        warm(&rig, MASTER, stream);
        let answer = ask(&rig, MASTER, "/v1/chat/completions", stream, r#""latency_ms":60000"#);
        assert_eq!((answer.status, route(&answer).as_str()), (200, "first=lost second=ok"), "{}", answer.text());
        assert_eq!(answer.header("x-litellm-model-id"), Some("second"));
        assert_eq!(answer.header("x-litellm-attempted-retries"), Some("0"));
        let text = answer.text();
        assert!(text.contains(r#""model":"m""#), "{text}");
        assert_eq!(text.contains("[DONE]"), stream, "{text}");
        eventually("the first provider is cut off", || rig.mock.stats().abandoned == 1);
        assert_eq!(rig.mock.requests().len(), SAMPLES + 2);

        let closed = Closed::last(&rig, SAMPLES + 1);
        assert_eq!((closed.outcome.as_str(), closed.attempts, closed.deployment.as_str()), ("complete", 1, "second"));
        let answered = i128::from(closed.tokens_in + closed.tokens_out) * 1_000_000_000;
        assert_eq!(closed.cost().minus(closed.lost()), PicoUsd(answered), "the answer at the second one's price");
        // A prompt of some ten tokens, at a millionth each.
        let lost = closed.lost();
        assert!(lost > PicoUsd(1_000_000) && lost < PicoUsd(100_000_000), "{lost:?}");
        let wasted = rig.metric("tollgate_wasted_spend_usd_total", &[r#"reason="hedge""#]);
        assert!((wasted - pico(lost)).abs() < 1e-9, "{wasted}");
        assert_eq!(rig.metric("tollgate_wasted_spend_usd_total", &[]), wasted);
        let attempts = |id: &str, outcome: &str| {
            rig.metric("tollgate_attempts_total", &[&format!("deployment=\"{id}\""), &format!("outcome=\"{outcome}\"")])
        };
        assert_eq!((attempts("first", "success"), attempts("first", "lost")), (SAMPLES as f64, 1.0));
        assert_eq!(attempts("second", "success"), 1.0);
        let left = rig.metric("tollgate_retry_budget_remaining", &[]);
        assert_eq!(left, 99.0, "a second attempt is one retry");
    }
}

#[test]
fn the_first_goes_on_when_the_second_fails_and_the_second_when_the_first_does() {
    let rig = scene("hedge-second-fails", "{min_ms: 50, max_percent: 100}", "", &second("status: 503"), "");
    warm(&rig, MASTER, true);
    let answer = ask(&rig, MASTER, "/v1/chat/completions", true, r#""latency_ms":700"#);
    assert_eq!((answer.status, route(&answer).as_str()), (200, "second=503 first=ok"), "{}", answer.text());
    let closed = Closed::last(&rig, SAMPLES + 1);
    assert_eq!((closed.deployment.as_str(), closed.lost()), ("first", PicoUsd::ZERO), "who failed is paid nothing");

    let second = second("latency_ms: 900");
    let rig = scene("hedge-first-fails", "{min_ms: 50, max_percent: 100}", "      timeout: 0.4\n", &second, "");
    warm(&rig, MASTER, false);
    let answer = ask(&rig, MASTER, "/v1/chat/completions", false, r#""latency_ms":60000"#);
    assert_eq!((answer.status, route(&answer).as_str()), (200, "first=timeout second=ok"), "{}", answer.text());
    assert_eq!(rig.mock.requests().len(), SAMPLES + 2, "nobody was asked a third time");
    let closed = Closed::last(&rig, SAMPLES + 1);
    assert_eq!((closed.deployment.as_str(), closed.lost()), ("second", PicoUsd::ZERO));
}

#[test]
fn when_both_fail_the_request_is_tried_again_as_ever() {
    let second = second("status: 503");
    let rig = scene("hedge-both-fail", "{min_ms: 50, max_percent: 100}", "      timeout: 0.4\n", &second, "");
    warm(&rig, MASTER, false);
    let answer = ask(&rig, MASTER, "/v1/chat/completions", false, r#""latency_ms":60000"#);
    assert_eq!(route(&answer), "second=503 first=timeout", "{}", answer.text());
    assert_eq!(answer.status, 408, "both were asked, and a timeout is tried elsewhere alone");
    let closed = Closed::last(&rig, SAMPLES + 1);
    assert_eq!((closed.outcome.as_str(), closed.cost()), ("upstream_failed", PicoUsd::ZERO));
    // What was learned of the first holds: the next request finds both in good standing.
    let answer = ask(&rig, MASTER, "/v1/chat/completions", false, "");
    assert_eq!((answer.status, route(&answer).as_str()), (200, "first=ok"));
}

#[test]
fn nobody_else_is_asked_where_both_cannot_be_paid_for() {
    let key = "sk-hedging-poor-000001";
    // An answer of twenty tokens at the second deployment is 0.02, and a prompt of less than a hundred and fifty bytes less
    // than 0.15: two of both are more than what is left of 0.2 after the first twenty answers.
    let keys = format!("virtual_keys:\n{}", rig::key(key, "poor", "    max_budget: 0.25\n"));
    let rig = scene("hedge-poor", "{min_ms: 50, max_percent: 100}", "", &second(""), &keys);
    warm(&rig, key, false);
    let answer = ask(&rig, key, "/v1/chat/completions", false, r#""latency_ms":600"#);
    assert_eq!((answer.status, route(&answer).as_str()), (200, "first=ok"), "{}", answer.text());
    assert_eq!(rig.mock.requests().len(), SAMPLES + 1);
    // Who can pay for both is served by the second.
    let answer = ask(&rig, MASTER, "/v1/chat/completions", false, r#""latency_ms":60000"#);
    assert_eq!(route(&answer), "first=lost second=ok");
}

#[test]
fn second_attempts_are_a_share_of_the_requests() {
    let rig = scene("hedge-share", "{min_ms: 50, max_percent: 1}", "", &second(""), "");
    warm(&rig, MASTER, false);
    let slow = || route(&ask(&rig, MASTER, "/v1/chat/completions", false, r#""latency_ms":700"#));
    assert_eq!(slow(), "first=lost second=ok", "one in ten seconds");
    assert_eq!(slow(), "first=ok", "and no more of so few");
}

#[test]
fn what_may_not_be_asked_twice_is_asked_once() {
    // Answers chats at once, and of everything else what comes to the first deployment never.
    let provider = Hostile::start(|request| match request.head.contains("/chat/completions ") {
        true => Play::completion(),
        false if request.header("x-which") == Some("first") => Play::raw("").stall(),
        false => Play::json(
            200,
            r#"{"id":"resp_1","object":"response","created":1,"status":"completed","output":[],"data":[]}"#,
        ),
    });
    let of = |id: &str, order: u32| {
        deployment(
            id,
            &format!("{}/v1", provider.url()),
            &format!("{FIRST}      order: {order}\n      timeout: 0.5\n      extra_headers: {{x-which: {id}}}\n"),
        )
    };
    let scratch = support::Scratch::new("hedge-once");
    let text = format!(
        "model_list:\n{}{}router_settings:\n  hedge: {{min_ms: 50, max_percent: 100}}\ngeneral_settings:\n  master_key: {MASTER}\n",
        of("first", 1),
        of("second", 2)
    );
    let gateway = support::Process::gateway(scratch.write("config.yaml", &text), &[]);
    let send = |path: &str, body: &str| {
        let headers =
            format!("authorization: Bearer {MASTER}\r\ncontent-type: application/json\r\nx-tollgate-explain: 1\r\n");
        let mut client = Client::connect(gateway.address()).unwrap();
        client.send(&format!("POST {path}"), &headers, body.as_bytes()).unwrap().rest().0
    };
    for _ in 0..SAMPLES {
        assert_eq!(route(&send("/v1/chat/completions", &rig::body("m", ""))), "first=ok");
    }
    for (path, body) in [
        ("/v1/images/generations", r#"{"model":"m","prompt":"a hedge"}"#),
        ("/v1/responses", r#"{"model":"m","input":"Count to ten."}"#),
        ("/v1/moderations", r#"{"model":"m","input":"Count to ten."}"#),
    ] {
        let answer = send(path, body);
        assert_eq!(route(&answer), "first=timeout second=ok", "{path}: {} {}", answer.status, answer.text());
    }
    // Without `hedge` nothing is asked twice either.
    let off = Rig::start("hedge-off", |mock| {
        let first = deployment("first", mock, &format!("{FIRST}      order: 1\n"));
        format!(
            "model_list:\n{first}{}general_settings:\n  master_key: {MASTER}\n",
            deployment("second", mock, &second(""))
        )
    });
    warm(&off, MASTER, false);
    let answer = ask(&off, MASTER, "/v1/chat/completions", false, r#""latency_ms":400"#);
    assert_eq!((route(&answer).as_str(), off.mock.requests().len()), ("first=ok", SAMPLES + 1));
}

#[test]
fn a_client_that_leaves_cuts_both_off_and_pays_for_both() {
    let rig = scene("hedge-left", "{min_ms: 50, max_percent: 100}", "", &second("latency_ms: 60000"), "");
    warm(&rig, MASTER, true);
    let body = rig::body("m", r#","stream":true,"mock":{"latency_ms":60000}"#);
    let mut client = TcpStream::connect(rig.gateway.address()).unwrap();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {MASTER}\r\ncontent-type: \
         application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    client.write_all(request.as_bytes()).unwrap();
    eventually("both are asked", || rig.mock.requests().len() == SAMPLES + 2);
    drop(client);
    eventually("both are cut off", || rig.mock.stats().abandoned == 2);
    let closed = Closed::last(&rig, SAMPLES + 1);
    assert_eq!(closed.outcome, "client_gone");
    assert!(closed.lost() > PicoUsd::ZERO && closed.cost() > closed.lost(), "{:?}", (closed.cost(), closed.lost()));
    let wasted = |reason: &str| rig.metric("tollgate_wasted_spend_usd_total", &[&format!("reason=\"{reason}\"")]);
    assert!((wasted("hedge") - pico(closed.lost())).abs() < 1e-9);
    assert!((wasted("aborted") - pico(closed.cost().minus(closed.lost()))).abs() < 1e-9);
    rig.quiesce();
}

#[test]
fn an_answer_that_is_played_passes_as_any_other() {
    let rig = scene("hedge-played", "{min_ms: 50, max_percent: 100}", "", &second("bytes: 300000, chunks: 64"), "");
    warm(&rig, MASTER, false);
    for stream in [false, true] {
        if stream {
            warm(&rig, MASTER, true);
        }
        let answer = ask(&rig, MASTER, "/v1/chat/completions", stream, r#""latency_ms":60000"#);
        assert_eq!((answer.status, route(&answer).as_str()), (200, "first=lost second=ok"));
        assert!(answer.body.len() > 300_000, "{}", answer.body.len());
        // The connection can be used again.
        assert_ne!(answer.header("connection"), Some("close"), "{}", answer.head);
    }
}

#[test]
fn an_answer_that_is_played_is_translated_as_any_other() {
    let provider = Hostile::start(|request| match request.body.contains("take your time") {
        true => Play::raw("").stall(),
        false => Play::completion(),
    });
    let rig = Rig::start("hedge-translated", |mock| {
        let first = deployment("first", &format!("{}/v1", provider.url()), "      order: 1\n");
        format!(
            "model_list:\n{first}{}router_settings:\n  hedge: {{min_ms: 50}}\ngeneral_settings:\n  master_key: {MASTER}\n",
            deployment("second", mock, &second(""))
        )
    });
    let headers = format!("authorization: Bearer {MASTER}\r\ncontent-type: application/json\r\n");
    let ask = |text: &str| {
        let body = format!(r#"{{"model":"m","max_tokens":20,"messages":[{{"role":"user","content":"{text}"}}]}}"#);
        rig.client().send("POST /v1/messages", &headers, body.as_bytes()).unwrap().rest().0
    };
    (0..SAMPLES).for_each(|_| assert_eq!(ask("Hi").header("x-litellm-model-id"), Some("first")));
    let answer = ask("Hi, take your time");
    assert_eq!((answer.status, answer.header("x-litellm-model-id")), (200, Some("second")), "{}", answer.text());
    assert!(answer.text().contains(r#""stop_reason":"end_turn""#), "{}", answer.text());
}

#[test]
fn a_played_answer_that_breaks_off_is_tried_elsewhere_or_told() {
    let rig = scene("hedge-cut", "{min_ms: 50, max_percent: 100}", "", &second("cut_after: 0"), "");
    warm(&rig, MASTER, true);
    // The second begins (a head and nothing) and breaks off: the first, which runs no more, is asked again.
    let answer = ask(&rig, MASTER, "/v1/chat/completions", true, r#""latency_ms":700"#);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("[DONE]"), "{}", answer.text());
    rig.exchanges_after(SAMPLES + 1);

    let rig = scene("hedge-cut-late", "{min_ms: 50, max_percent: 100}", "", &second("cut_after: 4"), "");
    warm(&rig, MASTER, true);
    let answer = ask(&rig, MASTER, "/v1/chat/completions", true, r#""latency_ms":60000"#);
    let text = answer.text();
    assert_eq!((answer.status, text.matches(r#"{"error":"#).count()), (200, 1), "{text}");
    let closed = Closed::last(&rig, SAMPLES + 1);
    assert_eq!(closed.outcome, "upstream_cut");
    let broken = rig.metric("tollgate_wasted_spend_usd_total", &[r#"reason="broken""#]);
    assert!((broken - pico(closed.cost().minus(closed.lost()))).abs() < 1e-9, "{broken}");
}

#[test]
fn a_wrong_hedge_is_refused_with_what_is_expected() {
    for (hedge, found) in [("{percentile: 1.5}", "1.5"), ("{percentil: 0.9}", "percentil"), ("yes", "true")] {
        let scratch = support::Scratch::new("hedge-wrong");
        let text = format!(
            "model_list:\n{}router_settings:\n  hedge: {hedge}\n",
            deployment("first", "http://127.0.0.1:1/v1", "")
        );
        let file = scratch.write("config.yaml", &text);
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_tollgate")).arg("check").arg(&file).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(!out.status.success(), "{hedge}: {said}");
        assert!(
            said.contains("router_settings.hedge") && said.contains("percentile: 0.95"),
            "{hedge}, {found}: {said}"
        );
    }
}
