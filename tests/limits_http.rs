//! Limits as a client meets them: which answer, which headers, and that the time it is told to wait is the real one.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what surrounds the tests fails as they do")]

mod support;

use support::client::Answer;
use support::rig::{self, Rig, body, eventually};

const ONCE: &str = "sk-limits-once-0123456789";
const TOKENS: &str = "sk-limits-tokens-01234567";
const MODEL: &str = "sk-limits-model-012345678";
const ALONE: &str = "sk-limits-alone-012345678";
const ROOMY: &str = "sk-limits-roomy-012345678";
const POOR: &str = "sk-limits-poor-0123456789";

fn config(base: &str) -> String {
    let price = "      input_cost_per_token: 0.000001\n      output_cost_per_token: 0.000002\n";
    let models: String = [
        rig::deployment("chat", base, price),
        rig::deployment("other", base, price),
        rig::deployment("rare", base, &format!("{price}      rpm: 1\n")),
        rig::deployment("thrifty", base, &format!("{price}      tpm: 1000\n")),
    ]
    .concat();
    let keys: String = [
        rig::key(ONCE, "once", "    rpm_limit: 1\n"),
        rig::key(TOKENS, "tokens", "    tpm_limit: 1000\n"),
        rig::key(MODEL, "model", "    model_rpm_limit: {chat: 1}\n"),
        rig::key(ALONE, "alone", "    max_parallel_requests: 1\n"),
        rig::key(ROOMY, "roomy", "    rpm_limit: 600\n    tpm_limit: 100000\n"),
        rig::key(POOR, "poor", "    max_budget: 0.000001\n    budget_duration: 1d\n"),
    ]
    .concat();
    format!(
        "model_list:\n{models}router_settings:\n  num_retries: 0\n  model_group_alias: {{nickname: chat}}\nvirtual_keys:\n{keys}"
    )
}

fn chat(rig: &Rig, key: &str, model: &str, more: &str) -> Answer {
    rig.client().chat(key, &body(model, more)).unwrap()
}

fn number(answer: &Answer, header: &str) -> i64 {
    let value = answer.header(header).unwrap_or_else(|| panic!("{header} is missing in\n{}", answer.head));
    value.parse().unwrap_or_else(|_| panic!("{header}: {value}"))
}

#[track_caller]
fn assert_limited(answer: &Answer, limit_type: &str) {
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert_eq!(answer.header("rate_limit_type"), Some(limit_type), "{}", answer.head);
    assert!((1..=60).contains(&number(answer, "retry-after")), "{}", answer.head);
    let reset = answer.header("reset_at").unwrap();
    assert!(reset.starts_with("20") && reset.ends_with(" UTC") && reset.len() == 23, "{reset}");
    let text = answer.text();
    assert!(text.contains(&format!("Limit type: {limit_type}")) && text.contains("\"code\":\"429\""), "{text}");
}

#[test]
fn the_second_request_of_a_minute_is_told_how_long_to_wait() {
    let rig = Rig::start("limits-rpm", config);
    assert_eq!(chat(&rig, ONCE, "chat", "").status, 200);
    let denied = chat(&rig, ONCE, "chat", "");
    assert_limited(&denied, "requests");
    // The bucket fills evenly: one a minute comes back after a minute.
    assert!(number(&denied, "retry-after") >= 30, "{}", denied.head);
    assert_eq!(rig.mock.stats().requests, 1, "what is denied is never sent");
}

#[test]
fn success_tells_what_is_left_under_both_names() {
    let rig = Rig::start("limits-headers", config);
    let answer = chat(&rig, ROOMY, "chat", "");
    assert_eq!(answer.status, 200);
    for prefix in ["x-ratelimit-api_key-", "x-ratelimit-"] {
        assert_eq!(number(&answer, &format!("{prefix}limit-requests")), 600);
        assert_eq!(number(&answer, &format!("{prefix}limit-tokens")), 100_000);
        assert!((590..600).contains(&number(&answer, &format!("{prefix}remaining-requests"))), "{}", answer.head);
        assert!((90_000..100_000).contains(&number(&answer, &format!("{prefix}remaining-tokens"))), "{}", answer.head);
    }
    for reset in ["x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"] {
        assert!(answer.header(reset).is_some_and(|value| value.ends_with('s')), "{}", answer.head);
    }
    let streamed = chat(&rig, ROOMY, "chat", r#","stream":true"#);
    assert_eq!(number(&streamed, "x-ratelimit-limit-requests"), 600);
}

#[test]
fn tokens_beyond_the_estimate_become_a_debt() {
    let rig = Rig::start("limits-tpm", config);
    let first = chat(&rig, TOKENS, "chat", r#","max_tokens":10,"mock":{"prompt_tokens":40,"completion_tokens":4960}"#);
    assert_eq!(first.status, 200, "{}", first.text());
    rig.quiesce();
    let left = rig.metric("tollgate_limit_remaining", &["key=\"tokens\"", "limit=\"tokens\""]);
    assert!((-4_000.0..=-3_800.0).contains(&left), "{left}");
    let denied = chat(&rig, TOKENS, "chat", r#","max_tokens":10"#);
    assert_eq!(denied.status, 429, "{}", denied.text());
    assert_eq!(denied.header("rate_limit_type"), Some("tokens"));
    // Four thousand tokens at a thousand a minute.
    assert!((200..=300).contains(&number(&denied, "retry-after")), "{}", denied.head);
}

#[test]
fn an_alias_does_not_evade_the_limit_of_a_model() {
    let rig = Rig::start("limits-model", config);
    assert_eq!(chat(&rig, MODEL, "chat", "").status, 200);
    assert_limited(&chat(&rig, MODEL, "nickname", ""), "requests");
    assert_limited(&chat(&rig, MODEL, "chat", ""), "requests");
    assert_eq!(chat(&rig, MODEL, "other", "").status, 200);
}

#[test]
fn a_second_request_at_the_same_time_is_denied_until_the_first_has_ended() {
    let rig = Rig::start("limits-parallel", config);
    let mut first = rig.client();
    let mut stream = first.stream(ALONE, &body("chat", r#","stream":true,"mock":{"gap_ms":100,"chunks":600}"#)).unwrap();
    assert!(!stream.events(1).unwrap().is_empty());
    assert_limited(&chat(&rig, ALONE, "chat", ""), "max_parallel_requests");
    drop(first);
    eventually("the place is free again", || chat(&rig, ALONE, "chat", "").status == 200);
}

#[test]
fn a_deployment_at_its_limit_takes_no_more() {
    let rig = Rig::start("limits-deployment", config);
    for (model, first, second) in [
        ("rare", "", ""),
        ("thrifty", r#","max_tokens":900,"mock":{"completion_tokens":800}"#, r#","max_tokens":900"#),
    ] {
        assert_eq!(chat(&rig, ROOMY, model, first).status, 200, "{model}");
        rig.quiesce();
        let denied = chat(&rig, ROOMY, model, second);
        assert_eq!(denied.status, 429, "{model}: {}", denied.text());
        assert!((1..=60).contains(&number(&denied, "retry-after")), "{}", denied.head);
        assert!(denied.text().contains("No deployments available"), "{}", denied.text());
    }
}

#[test]
fn a_spent_budget_says_whose_it_is_and_when_it_resets() {
    let rig = Rig::start("limits-budget", config);
    let denied = chat(&rig, POOR, "chat", r#","max_tokens":100"#);
    let text = denied.text();
    assert_eq!(denied.status, 422, "{text}");
    for part in ["Budget has been exceeded!", "poor", "Current cost: 0", "Max budget: 0.000001", "resets at 20", "T00:00:00Z"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert_eq!(rig.mock.stats().requests, 0);
}
