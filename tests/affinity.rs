//! What belongs together stays at one deployment: a session, a long prompt, a key; in every process, and again after an
//! outage.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::collections::HashMap;

use support::Process;
use support::client::{Answer, Client};
use support::rig::{self, Rig, sum};

mod support;

const MASTER: &str = "sk-affinity-master-0001";
const DEPLOYMENTS: usize = 4;

fn list(group: &str, base: &str, knobs: &str) -> String {
    let entry = |number: usize| {
        format!(
            "  - model_name: {group}
    litellm_params:
      model: openai/up
      api_base: {base}
      api_key: sk-provider-of-the-affinity
      extra_headers: {{{knobs}}}
    model_info:
      id: {group}-{number}
"
        )
    };
    (0..DEPLOYMENTS).map(entry).collect()
}

fn config(mock: &str, router: &str) -> String {
    let keys: String =
        (0..8).map(|key| rig::key(&format!("sk-affinity-key-00000{key}"), &format!("key-{key}"), "")).collect();
    let knobs = "x-mock-prompt-tokens: \"200\", x-mock-cached-tokens: \"50\"";
    format!(
        "model_list:\n{}{}router_settings:\n{router}virtual_keys:\n{keys}general_settings:\n  master_key: {MASTER}\n",
        list("m", mock, knobs),
        list("other", mock, knobs),
    )
}

fn served(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("x-litellm-model-id").unwrap().to_owned()
}

fn ask(client: &mut Client, key: &str, headers: &str, body: &str) -> String {
    let headers = format!("authorization: Bearer {key}\r\ncontent-type: application/json\r\n{headers}");
    served(&client.send("POST /v1/chat/completions", &headers, body.as_bytes()).unwrap().rest().0)
}

fn chat(system: &str, user: &str) -> String {
    format!(
        r#"{{"model":"m","messages":[{{"role":"system","content":"{system}"}},{{"role":"user","content":"{user}"}}]}}"#
    )
}

/// How many different ones there are.
fn distinct(served: impl IntoIterator<Item = String>) -> usize {
    let mut counts = HashMap::<String, usize>::new();
    served.into_iter().for_each(|id| *counts.entry(id).or_default() += 1);
    counts.len()
}

#[test]
fn a_session_stays_where_it_is_however_it_is_named() {
    let rig = Rig::start("affinity-session", |mock| config(mock, "  optional_pre_call_checks: [session_affinity]\n"));
    let mut client = rig.client();
    let mut homes = Vec::new();
    for session in 0..16 {
        let id = format!("session-{session}");
        let by_header = format!("x-litellm-session-id: {id}\r\n");
        let in_body = rig::body("m", &format!(r#","litellm_session_id":"{id}""#));
        let in_metadata = rig::body("m", &format!(r#","metadata":{{"session_id":"{id}"}}"#));
        let home = ask(&mut client, MASTER, &by_header, &rig::body("m", ""));
        for _ in 0..3 {
            for (headers, body) in
                [(by_header.as_str(), rig::body("m", "")), ("", in_body.clone()), ("", in_metadata.clone())]
            {
                assert_eq!(ask(&mut client, MASTER, headers, &body), home, "{id} {headers}{body}");
            }
        }
        homes.push(home);
    }
    assert_eq!(distinct(homes.clone()), DEPLOYMENTS, "{homes:?}");
    let free = (0..40).map(|_| ask(&mut client, MASTER, "", &rig::body("m", "")));
    assert_eq!(distinct(free), DEPLOYMENTS, "what has no session is shared out");
    // Another process finds the same home without having been told.
    let twin = Process::gateway(rig.config(), &[]);
    let mut twin = Client::connect(twin.address()).unwrap();
    for (session, home) in homes.iter().enumerate() {
        let header = format!("x-litellm-session-id: session-{session}\r\n");
        assert_eq!(&ask(&mut twin, MASTER, &header, &rig::body("m", "")), home);
    }
    rig.quiesce();
    assert_eq!(rig.metric("tollgate_affinity_requests_total", &["at=\"home\""]), 16.0 * 10.0);
    assert_eq!(rig.metric("tollgate_affinity_requests_total", &["at=\"away\""]), 0.0);
    assert_eq!(rig.metric("tollgate_cached_tokens_ratio", &["deployment=\"m-0\""]), 0.25);
}

#[test]
fn a_long_beginning_in_common_leads_to_one_deployment_and_a_short_one_does_not() {
    let rig = Rig::start("affinity-prompt", |mock| config(mock, "  optional_pre_call_checks: [prompt_caching]\n"));
    let mut client = rig.client();
    let mut homes = Vec::new();
    for agent in 0..12 {
        let system = format!("You are agent {agent}. {}", "Follow the rules of the house. ".repeat(150));
        let asked = (0..6).map(|turn| ask(&mut client, MASTER, "", &chat(&system, &format!("Question {turn}"))));
        let asked: Vec<_> = asked.collect();
        assert_eq!(distinct(asked.clone()), 1, "{asked:?}");
        homes.extend(asked.into_iter().take(1));
    }
    assert!(distinct(homes.clone()) > 1, "{homes:?}");
    let short = (0..40).map(|_| ask(&mut client, MASTER, "", &chat("You are short.", "Hello")));
    assert_eq!(distinct(short), DEPLOYMENTS);
    let named = (0..10).map(|turn| {
        let body = rig::body("m", &format!(r#","prompt_cache_key":"tenant-1","seed":{turn}"#));
        ask(&mut client, MASTER, "", &body)
    });
    assert_eq!(distinct(named), 1, "a short prompt with a prompt_cache_key");
}

#[test]
fn a_key_has_its_deployment_and_a_group_may_have_rules_of_its_own() {
    let router = "  optional_pre_call_checks: [deployment_affinity]\n  model_group_affinity_config: {other: []}\n";
    let rig = Rig::start("affinity-key", |mock| config(mock, router));
    let mut client = rig.client();
    let mut homes = Vec::new();
    for key in 0..8 {
        let key = format!("sk-affinity-key-00000{key}");
        let asked: Vec<_> = (0..5).map(|_| ask(&mut client, &key, "", &rig::body("m", ""))).collect();
        assert_eq!(distinct(asked.clone()), 1, "{asked:?}");
        homes.extend(asked.into_iter().take(1));
    }
    assert!(distinct(homes.clone()) > 1, "{homes:?}");
    let other = (0..40).map(|_| ask(&mut client, "sk-affinity-key-000000", "", &rig::body("other", "")));
    assert_eq!(distinct(other), DEPLOYMENTS);
}

#[test]
fn a_session_goes_elsewhere_while_its_deployment_is_down_and_comes_back() {
    let (stays, mut dies) = (Process::mock(&[]), Some(Process::mock(&[])));
    let port = dies.as_ref().unwrap().address().port().to_string();
    let scratch = support::Scratch::new("affinity-outage");
    let entry = |id: &str, url: &str| {
        list("m", &format!("{url}/v1"), "").split("  - model_name").nth(1).unwrap().replace("m-0", id)
    };
    let config = format!(
        "model_list:\n  - model_name{}  - model_name{}router_settings:\n  cooldown_time: 1\n  optional_pre_call_checks: [session_affinity]\ngeneral_settings:\n  master_key: {MASTER}\n",
        entry("stays", &stays.url()),
        entry("dies", &dies.as_ref().unwrap().url()),
    );
    let gateway = Process::gateway(scratch.write("config.yaml", &config), &[]);
    let mut client = Client::connect(gateway.address()).unwrap();
    let mut of =
        |session: usize| ask(&mut client, MASTER, &format!("x-litellm-session-id: {session}\r\n"), &rig::body("m", ""));
    let homes: Vec<_> = (0..16).map(&mut of).collect();
    assert_eq!(distinct(homes.clone()), 2, "{homes:?}");
    drop(dies.take());
    assert!((0..16).chain(0..16).all(|session| of(session) == "stays"));
    dies = Some(Process::spawn(["mock", "--port", &port], &[]));
    rig::eventually("every session is back at home", || (0..16).map(&mut of).eq(homes.iter().cloned()));
    drop(dies);
    let scrape = Client::connect(gateway.address()).unwrap().get("/metrics").unwrap().text();
    assert!(sum(&scrape, "tollgate_affinity_requests_total", &["at=\"away\"", "deployment=\"stays\""]) > 8.0);
}
