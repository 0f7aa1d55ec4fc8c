//! What a provider says of its own limits is kept to before it has to refuse, and so are the limits that are configured.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::sync::atomic::{AtomicUsize, Ordering};

use support::client::{Answer, Client};
use support::hostile::{COMPLETION, Hostile, Play};
use support::rig::{self, sum};
use support::{Process, Scratch};

mod support;

const MASTER: &str = "sk-learned-master-00001";

fn entry(group: &str, id: &str, upstream: &Hostile, more: &str) -> String {
    format!(
        "  - model_name: {group}
    litellm_params:
      model: openai/up
      api_base: {}/v1
      api_key: sk-provider-of-the-learned
{more}    model_info:
      id: {id}
",
        upstream.url()
    )
}

fn start(name: &str, list: &str) -> (Scratch, Process, Client) {
    let scratch = Scratch::new(name);
    let config = format!("model_list:\n{list}general_settings:\n  master_key: {MASTER}\n");
    let gateway = Process::gateway(scratch.write("config.yaml", &config), &[]);
    let client = Client::connect(gateway.address()).unwrap();
    (scratch, gateway, client)
}

fn ask(client: &mut Client, model: &str, more: &str) -> Answer {
    client.chat(MASTER, &rig::body(model, more)).unwrap()
}

fn by(client: &mut Client, more: &str) -> String {
    let answer = ask(client, "m", more);
    assert_eq!((answer.status, answer.header("x-litellm-attempted-retries")), (200, Some("0")), "{}", answer.text());
    answer.header("x-litellm-model-id").unwrap().to_owned()
}

/// A provider that says once what is left, with its first answer.
fn says_once(headers: &'static str) -> Hostile {
    let asked = AtomicUsize::new(0);
    Hostile::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Play::answer(200, &format!("Content-Type: application/json\r\n{headers}"), COMPLETION),
        _ => Play::completion(),
    })
}

#[test]
fn requests_go_elsewhere_before_the_provider_refuses_and_come_back() {
    let first = says_once("x-ratelimit-remaining-requests: 3\r\nx-ratelimit-reset-requests: 1.5s\r\n");
    let second = Hostile::decoy();
    let list = entry("m", "first", &first, "      order: 1\n") + &entry("m", "second", &second, "      order: 2\n");
    let (_scratch, gateway, mut client) = start("learned-requests", &list);
    let served: Vec<_> = (0..6).map(|_| by(&mut client, "")).collect();
    assert_eq!(served, ["first", "first", "first", "first", "second", "second"]);
    let scrape = Client::connect(gateway.address()).unwrap().get("/metrics").unwrap().text();
    let left = sum(&scrape, "tollgate_upstream_limit_remaining", &["deployment=\"first\"", "limit=\"requests\""]);
    let theirs = sum(&scrape, "litellm_remaining_requests_metric", &["model_id=\"first\""]);
    assert!(scrape.contains("tollgate_upstream_limit_remaining{") && left == 0.0 && theirs == 0.0, "{left} {theirs}");
    assert_eq!(sum(&scrape, "tollgate_deployment_state", &["deployment=\"first\""]), 2.0);
    rig::eventually("its minute is over", || by(&mut client, "") == "first");
}

#[test]
fn a_large_request_goes_where_its_tokens_fit() {
    let first = says_once(
        "anthropic-ratelimit-tokens-remaining: 500\r\nanthropic-ratelimit-tokens-reset: 2199-01-01T00:00:00Z\r\n",
    );
    let second = Hostile::decoy();
    let list = entry("m", "first", &first, "      order: 1\n") + &entry("m", "second", &second, "      order: 2\n");
    let (_scratch, _gateway, mut client) = start("learned-tokens", &list);
    let small = r#","max_tokens":20"#;
    assert_eq!(by(&mut client, small), "first");
    assert_eq!(by(&mut client, r#","max_tokens":900"#), "second");
    assert_eq!(by(&mut client, small), "first");
}

#[test]
fn where_all_are_used_up_the_client_is_told_when_and_the_only_one_is_asked_all_the_same() {
    let used_up = || {
        Hostile::start(|_| {
            let left = "x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 40s\r\n";
            Play::answer(200, &format!("Content-Type: application/json\r\n{left}"), COMPLETION)
        })
    };
    let (one, other, alone) = (used_up(), used_up(), used_up());
    let list = entry("m", "one", &one, "") + &entry("m", "other", &other, "") + &entry("alone", "alone", &alone, "");
    let (_scratch, _gateway, mut client) = start("learned-all", &list);
    assert_eq!((ask(&mut client, "m", "").status, ask(&mut client, "m", "").status), (200, 200));
    let refused = ask(&mut client, "m", "");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(refused.status == 429 && (35..=40).contains(&wait), "{}", refused.head);
    assert_eq!(one.received().len() + other.received().len(), 2, "nobody was asked to be refused");
    assert!((0..3).all(|_| ask(&mut client, "alone", "").status == 200));
}

#[test]
fn configured_limits_of_deployments_hold_before_the_provider_is_asked() {
    let (first, second) = (Hostile::decoy(), Hostile::decoy());
    let list = entry("m", "first", &first, "      order: 1\n      rpm: 2\n")
        + &entry("m", "second", &second, "      order: 2\n      tpm: 60\n");
    let (_scratch, _gateway, mut client) = start("learned-configured", &list);
    let small = r#","max_tokens":20"#;
    assert_eq!([by(&mut client, small), by(&mut client, small), by(&mut client, small)], ["first", "first", "second"]);
    let refused = ask(&mut client, "m", r#","max_tokens":60"#);
    assert!(refused.status == 429 && refused.header("retry-after").is_some(), "{}", refused.text());
    assert_eq!((first.received().len(), second.received().len()), (2, 1));
}
