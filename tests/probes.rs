//! Checks that pay for an answer do so within a budget of their own, and are recorded as what they are.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use support::Scratch;
use support::rig::{self, Rig, eventually};
use tollgate::vocabulary::PicoUsd;

mod support;

const MASTER: &str = "sk-probes-master-000001";
const TAG: &str = "litellm-internal-health-check";
/// A token of either side is a thousandth.
const PRICE: &str = "input_cost_per_token: 0.001, output_cost_per_token: 0.001";

fn entry(group: &str, id: &str, base: &str, params: &str, info: &str) -> String {
    format!(
        "  - model_name: {group}
    litellm_params: {{model: openai/up, api_base: {base}, api_key: sk-provider-of-the-probes{params}}}
    model_info: {{id: {id}, health_check_timeout: 5{info}}}
"
    )
}

fn start(name: &str, general: &str, list: impl FnOnce(&str) -> String) -> Rig {
    start_with(name, &[], general, list)
}

fn start_with(name: &str, flags: &[&str], general: &str, list: impl FnOnce(&str) -> String) -> Rig {
    Rig::start_with(name, flags, |mock| {
        format!(
            "model_list:\n{}general_settings:\n  master_key: {MASTER}\n  background_health_checks: true\n  \
             health_check_interval: 0.2\n{general}",
            list(mock)
        )
    })
}

/// Paths and bodies of everything that was asked but lists of models.
fn paid(rig: &Rig) -> Vec<(String, String)> {
    let all = rig.mock.requests();
    let paid = all.iter().filter(|seen| seen.method == "POST");
    paid.map(|seen| (seen.path.clone(), String::from_utf8(seen.body.clone()).unwrap())).collect()
}

fn lists(rig: &Rig) -> usize {
    rig.mock.requests().iter().filter(|seen| seen.method == "GET").count()
}

#[test]
fn a_check_asks_what_the_model_is_for_and_pays_within_its_budget() {
    let data = Scratch::new("probes-data");
    let flags = ["--data-dir", data.path().to_str().unwrap()];
    // An answer to "Hi" costs a prompt of some twenty tokens and ten more: 0.04 or less; held are at most 0.2.
    let rig = start_with("probes-budget", &flags, "  health_check_budget: 0.3\n", |mock| {
        let paid = format!(", {PRICE}");
        [
            entry("chat", "chat", mock, &paid, ", mode: chat"),
            entry("embedding", "embedding", mock, &paid, ", mode: embedding"),
            entry("no-mode", "no-mode", mock, &paid, ""),
            entry("no-price", "no-price", mock, "", ", mode: chat"),
            entry("left-out", "left-out", mock, &paid, ", mode: chat, disable_background_health_check: true"),
        ]
        .concat()
    });
    // Lists are asked for by two deployments at first, and by all four when nothing is left.
    eventually("the budget is used up", || {
        let before = (lists(&rig), paid(&rig).len());
        eventually("four more lists", || lists(&rig) >= before.0 + 8);
        before.1 > 0 && paid(&rig).len() == before.1
    });
    let asked = paid(&rig);
    let chats: Vec<_> = asked.iter().filter(|(path, _)| path.ends_with("/chat/completions")).collect();
    let embeddings: Vec<_> = asked.iter().filter(|(path, _)| path.ends_with("/embeddings")).collect();
    assert!(!chats.is_empty() && !embeddings.is_empty() && chats.len() + embeddings.len() == asked.len(), "{asked:?}");
    for (_, body) in &chats {
        assert!(body.contains(r#""model":"up""#) && body.contains(r#""max_completion_tokens":16"#), "{body}");
        assert!(!body.contains("disable_fallbacks"), "{body}");
    }
    let exchanges = rig.exchanges_after(asked.len());
    let spent: i128 = exchanges.iter().map(|exchange| exchange.cost().0).sum();
    assert!(spent > 0 && PicoUsd(spent) <= PicoUsd::parse("0.3").unwrap(), "{spent}");
    assert!(exchanges.iter().all(|exchange| exchange.status == 200 && exchange.outcome == "complete"));
    // What was spent stands under the tag.
    let headers = format!("authorization: Bearer {MASTER}\r\n");
    let logs = rig.client().send("GET /spend/logs", &headers, b"").unwrap().whole().unwrap();
    let told = logs.text();
    assert!(told.matches(TAG).count() >= asked.len(), "{told}");
    let left = rig.metric("tollgate_budget_remaining_usd", &[]);
    assert!(left < 0.3, "{left}");
}

#[test]
fn without_a_budget_no_check_pays() {
    let rig = start("probes-free", "", |mock| entry("chat", "chat", mock, &format!(", {PRICE}"), ", mode: chat"));
    eventually("some rounds are over", || lists(&rig) >= 4);
    assert_eq!(paid(&rig), []);
}

#[test]
fn what_fails_a_check_that_pays_is_set_aside_before_a_request_has_to() {
    let rig = start("probes-fail", "  health_check_budget: 5\n", |mock| {
        let bad = format!(", {PRICE}, order: 1, extra_headers: {{x-mock-status: \"401\"}}");
        let good = format!(", {PRICE}, order: 2");
        [entry("pair", "bad", mock, &bad, ", mode: chat"), entry("pair", "good", mock, &good, ", mode: chat")].concat()
    });
    let state = |id: &str| rig.metric("tollgate_deployment_state", &[&format!("deployment=\"{id}\"")]);
    eventually("the failing one is set aside", || state("bad") == 2.0);
    assert_eq!(state("good"), 0.0);
    let answer = rig.client().chat(MASTER, &rig::body("pair", "")).unwrap();
    let told = ["x-litellm-model-id", "x-litellm-attempted-retries"].map(|name| answer.header(name));
    assert_eq!((answer.status, told), (200, [Some("good"), Some("0")]));
}

#[test]
fn a_star_is_asked_for_the_model_that_is_named() {
    let rig = start("probes-star", "  health_check_budget: 5\n", |mock| {
        let star = |id: &str, info: &str| {
            entry("any/*", id, mock, &format!(", {PRICE}"), info).replace("openai/up", "openai/*")
        };
        [star("named", ", health_check_model: openai/small"), star("unnamed", ", mode: chat")].concat()
    });
    eventually("some answers are paid for", || paid(&rig).len() >= 2);
    assert!(paid(&rig).iter().all(|(_, body)| body.contains(r#""model":"small""#)), "{:?}", paid(&rig));
}
