//! Metrics of requests at deployments, tokens and money go on over a restart: money does not vanish from a dashboard.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::collections::BTreeMap;

use support::admin::Admin;
use support::rig::{self, Rig, body};
use support::{Process, Scratch};

mod support;

const MASTER: &str = "sk-counters-master-000001";
/// Stands in the configuration.
const DECLARED: &str = "sk-counters-declared-0002";
const PRICES: &str = "      input_cost_per_token: 0.001\n      output_cost_per_token: 0.001\n";
/// What goes on.
const FAMILIES: [&str; 8] = [
    "tollgate_requests_total",
    "tollgate_tokens_total",
    "tollgate_spend_usd_total",
    "litellm_requests_metric_total",
    "litellm_spend_metric_total",
    "litellm_total_tokens_metric_total",
    "litellm_input_tokens_metric_total",
    "litellm_output_tokens_metric_total",
];

/// Every series of what goes on that is about a deployment, with its value.
fn counters(scrape: &str) -> BTreeMap<String, f64> {
    let of_family = |line: &&str| {
        let deployment = line.contains("deployment=\"chat-1\"") || line.contains("model_id=\"chat-1\"");
        deployment && FAMILIES.iter().any(|name| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')))
    };
    let value = |line: &str| {
        let (series, value) = line.rsplit_once(' ').unwrap();
        (series.to_owned(), value.parse().unwrap())
    };
    scrape.lines().filter(of_family).map(value).collect()
}

#[test]
fn what_was_counted_before_a_kill_is_counted_after_it() {
    let data = Scratch::new("counters-data");
    let flags = ["--data-dir", data.path().to_str().unwrap()];
    let mut rig = Rig::start_with("counters", &flags, |base| {
        format!(
            "model_list:\n{}general_settings: {{master_key: {MASTER}}}\nvirtual_keys:\n{}",
            rig::deployment("chat", base, PRICES),
            rig::key(DECLARED, "declared", "")
        )
    });
    let admin = Admin::new(rig.gateway.address(), MASTER);
    let (made, gone) = (admin.key(r#"{"key_alias":"made"}"#), admin.key(r#"{"key_alias":"gone"}"#));
    for key in [MASTER, DECLARED, DECLARED, &made, &gone] {
        assert_eq!(rig.client().chat(key, &body("chat", r#","max_tokens":5"#)).unwrap().status, 200);
    }
    assert_eq!(rig.client().chat(&made, &body("chat", r#","max_tokens":5,"stream":true"#)).unwrap().status, 200);
    let path = "/v1/messages";
    let message = format!("{{\"max_tokens\":5,{}", &body("chat", "")[1..]);
    assert_eq!(admin.with(&made).post(path, &message).status, 200, "over another endpoint");
    rig.quiesce();
    let before = counters(&rig.metrics());
    assert!(
        before.len() > 20 && before.keys().any(|series| series.contains("endpoint=\"/v1/messages\"")),
        "{before:?}"
    );
    rig.gateway.signal("KILL");
    rig.gateway.wait();

    let again = Process::gateway(rig.config(), &flags);
    let scrape = || support::client::Client::connect(again.address()).unwrap().get("/metrics").unwrap().text();
    assert_eq!(counters(&scrape()), before);
    let admin = Admin::new(again.address(), MASTER);
    admin.done("/key/delete", &format!(r#"{{"keys":["{gone}"]}}"#));
    assert_eq!(admin.with(&made).post("/v1/chat/completions", &body("chat", r#","max_tokens":5"#)).status, 200);
    rig::eventually("the next request is counted on top", || {
        let sum = |name: &str| rig::sum(&scrape(), name, &["api_key_alias=\"made\""]);
        sum("litellm_requests_metric_total") == 4.0
    });
    drop(again);

    let third = Process::gateway(rig.config(), &flags);
    let scrape = support::client::Client::connect(third.address()).unwrap().get("/metrics").unwrap().text();
    assert_eq!(rig::sum(&scrape, "litellm_requests_metric_total", &["api_key_alias=\"made\""]), 4.0);
    assert_eq!(rig::sum(&scrape, "litellm_requests_metric_total", &["api_key_alias=\"gone\""]), 0.0);
    assert_eq!(rig::sum(&scrape, "litellm_requests_metric_total", &["hashed_api_key=\"master\""]), 1.0);
}
