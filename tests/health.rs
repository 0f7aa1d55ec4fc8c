//! How deployments fare: `/health` finds out without paying for an answer, and a check in the background sets aside what
//! fails before a request has to.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::Deserialize;
use support::client::{Answer, Client};
use support::hostile::{Hostile, Play};
use support::rig::{self, sum};
use support::{Process, Scratch};
use tollgate::cli::Served;
use tollgate::config::{self, Purpose};
use tollgate::exchange::{HealthQuery, Surroundings, World};
use tollgate::ledger::Memory;
use tollgate::routing::Standing;
use tollgate::telemetry::{LogTo, Options, Telemetry};
use tollgate::vocabulary::{Clock, Fault, Kind};

mod support;

const MASTER: &str = "sk-health-master-000001";

#[derive(Deserialize)]
struct Report {
    healthy_endpoints: Vec<Endpoint>,
    unhealthy_endpoints: Vec<Endpoint>,
    healthy_count: usize,
    unhealthy_count: usize,
}

#[derive(Deserialize)]
struct Endpoint {
    model: String,
    model_id: String,
    state: String,
    error: Option<String>,
}

fn entry(group: &str, id: &str, base: &str, more: &str) -> String {
    format!(
        "  - model_name: {group}
    litellm_params: {{model: openai/up, api_base: {base}/v1, api_key: sk-provider-of-the-health{more}}}
    model_info: {{id: {id}, health_check_timeout: 0.5}}
"
    )
}

fn start(name: &str, list: &str, more: &str) -> (Scratch, Process) {
    let scratch = Scratch::new(name);
    let config = format!("model_list:\n{list}general_settings:\n  master_key: {MASTER}\n{more}");
    let gateway = Process::gateway(scratch.write("config.yaml", &config), &[]);
    (scratch, gateway)
}

fn ask(gateway: &Process, query: &str, key: &str) -> Answer {
    let headers = format!("authorization: Bearer {key}\r\n");
    let mut client = Client::connect(gateway.address()).unwrap();
    client.send(&format!("GET /health{query}"), &headers, b"").unwrap().whole().unwrap()
}

fn report(gateway: &Process, query: &str) -> Report {
    let answer = ask(gateway, query, MASTER);
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_str(&answer.text()).unwrap()
}

#[test]
fn asked_for_it_tells_of_every_deployment_and_pays_for_none() {
    let answers = |status: u16| {
        Hostile::start(move |request| {
            assert!(request.head.starts_with("GET /v1/models HTTP/1.1\r\n") && request.body.is_empty());
            assert_eq!(request.header("authorization"), Some("Bearer sk-provider-of-the-health"));
            Play::json(status, r#"{"object":"list","data":[]}"#)
        })
    };
    let (well, without_list, locked, broken) = (answers(200), answers(404), answers(401), answers(500));
    let silent = Hostile::start(|_| Play::raw("").stall());
    let list = [
        entry("a", "well", &well.url(), ""),
        entry("a", "without-list", &without_list.url(), ""),
        entry("a", "locked", &locked.url(), ""),
        entry("b", "broken", &broken.url(), ""),
        entry("b", "silent", &silent.url(), ""),
        entry("b", "gone", "http://127.0.0.1:1", ""),
        entry("c", "canned", "http://127.0.0.1:1", ", mock_response: hi"),
    ];
    let (_scratch, gateway) = start("health-asked", &list.concat(), "");
    let told = report(&gateway, "");
    let healthy: Vec<_> = told.healthy_endpoints.iter().map(|endpoint| &*endpoint.model_id).collect();
    assert_eq!(healthy, ["well", "without-list", "canned"]);
    assert!(told.healthy_endpoints.iter().all(|endpoint| endpoint.model == "openai/up" && endpoint.error.is_none()));
    let unhealthy: Vec<_> = told
        .unhealthy_endpoints
        .iter()
        .map(|one| (&*one.model_id, &*one.state, one.error.as_deref().unwrap()))
        .collect();
    assert_eq!(
        unhealthy,
        [
            ("locked", "failing", "the list of models came with status 401"),
            ("broken", "failing", "the list of models came with status 500"),
            ("silent", "failing", "no answer in time"),
            ("gone", "failing", "the provider cannot be reached"),
        ]
    );
    assert_eq!((told.healthy_count, told.unhealthy_count), (3, 4));
    let of = |query: &str| {
        let told = report(&gateway, query);
        (told.healthy_count, told.unhealthy_count)
    };
    assert_eq!((of("?model=b"), of("?model_id=well"), of("?model=nobody")), ((0, 3), (1, 0), (0, 0)));
    assert_eq!(well.received().len(), 1, "what was found just now is not asked for again");
    assert_eq!(ask(&gateway, "", "sk-stranger-000000001").status, 401);
    // Nobody was set aside because somebody looked.
    let scrape = Client::connect(gateway.address()).unwrap().get("/metrics").unwrap().text();
    assert_eq!(sum(&scrape, "litellm_deployment_cooled_down_total", &[]), 0.0);
}

#[test]
fn in_the_background_a_failure_sets_aside_before_a_request_has_to() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counts = asked.clone();
    let locked = Hostile::start(move |request| {
        counts.fetch_add(usize::from(request.head.starts_with("GET /v1/models ")), Ordering::SeqCst);
        Play::json(401, r#"{"error":{"message":"no","type":"t"}}"#)
    });
    let well = Hostile::decoy();
    let list = [
        entry("pair", "locked", &locked.url(), ", order: 1"),
        entry("pair", "well", &well.url(), ", order: 2"),
        entry("alone", "lonely", &locked.url(), ""),
        entry("alone-too", "unchecked", &locked.url(), "")
            .replace("health_check_timeout", "disable_background_health_check: true, health_check_timeout"),
    ];
    let (_scratch, gateway) =
        start("health-background", &list.concat(), "  background_health_checks: true\n  health_check_interval: 0.2\n");
    rig::eventually("two rounds are over", || asked.load(Ordering::SeqCst) >= 4);
    let told = report(&gateway, "");
    let state = |id: &str| {
        let all = told.healthy_endpoints.iter().chain(&told.unhealthy_endpoints);
        all.into_iter().find(|endpoint| endpoint.model_id == id).unwrap().state.clone()
    };
    assert_eq!(["locked", "well", "lonely", "unchecked"].map(state), ["cooling_down", "healthy", "failing", "healthy"]);
    let answer = Client::connect(gateway.address()).unwrap().chat(MASTER, &rig::body("pair", "")).unwrap();
    let told = ["x-litellm-model-id", "x-litellm-attempted-retries"].map(|name| answer.header(name));
    assert_eq!((answer.status, told), (200, [Some("well"), Some("0")]));
    let scrape = Client::connect(gateway.address()).unwrap().get("/metrics").unwrap().text();
    let deployment_state = |id: &str| sum(&scrape, "tollgate_deployment_state", &[&format!("deployment=\"{id}\"")]);
    assert_eq!((deployment_state("locked"), deployment_state("lonely"), deployment_state("well")), (2.0, 1.0, 0.0));
}

const PROVIDERS: &str = r#"
model_list:
  - {model_name: m, litellm_params: {model: openai/up, api_key: k}, model_info: {id: a}}
  - {model_name: m, litellm_params: {model: azure/up, api_key: k, api_base: "https://x.example", api_version: "2024-10-21"}, model_info: {id: b}}
  - {model_name: m, litellm_params: {model: anthropic/up, api_key: k}, model_info: {id: c}}
  - {model_name: m, litellm_params: {model: gemini/up, api_key: k}, model_info: {id: d}}
  - {model_name: m, litellm_params: {model: cohere/up, api_key: k}, model_info: {id: e}}
  - {model_name: m, litellm_params: {model: ollama/up, api_base: "http://x.example"}, model_info: {id: f}}
  - {model_name: m, litellm_params: {model: voyage/up, api_key: k}, model_info: {id: g, disable_background_health_check: true}}
  - {model_name: alone, litellm_params: {model: groq/up, api_key: k}, model_info: {id: h}}
general_settings: {master_key: sk-master-0123456789abcdef}
"#;

#[test]
fn each_provider_is_asked_where_its_list_is_and_a_trial_is_left_to_a_request() {
    let nothing = |_: &str| None;
    let from = config::Surroundings { env: &nothing, providers: &Served, purpose: Purpose::Serve };
    let settings = config::load_text("health.yaml", PROVIDERS, &from).0.unwrap();
    let clock = Clock::manual(1_795_226_400_000);
    let telemetry = Telemetry::new(Options { log: LogTo::Nowhere, series_max: 1_000, started_ms: 0 });
    let around = Surroundings::new(clock.clone(), Arc::new(Memory::new()), telemetry);
    let world = World::build(settings, around, None).unwrap();
    let paths: Vec<_> = world.checks().iter().map(|check| check.path.as_ref().map(ToString::to_string)).collect();
    let paths: Vec<_> = paths.iter().map(Option::as_deref).collect();
    assert_eq!(
        paths,
        [
            Some("/v1/models"),
            Some("/openai/models?api-version=2024-10-21"),
            Some("/v1/models"),
            Some("/v1beta/models"),
            Some("/v1/models"),
            Some("/api/tags"),
            Some("/openai/v1/models"),
        ]
    );
    let asked = world.checks_asked(&HealthQuery::default(), clock.now());
    assert_eq!((asked.len(), asked[6].path.as_ref()), (8, None), "a connection must do where there is no list");
    let refused = || Err(Fault::upstream(Kind::UpstreamConnect, "the provider cannot be reached"));
    for check in [&asked[0], &asked[7]] {
        (0..9).for_each(|_| world.checked(check, refused(), true, clock.now()));
    }
    let standing = |index: usize| world.deployments[index].health.standing(clock.now());
    assert!(matches!(standing(0), Standing::Resting(_)));
    assert_eq!(standing(7), Standing::Open, "the only one of its group");
    clock.advance(Duration::from_secs(60));
    world.checked(&asked[0], Ok(Some(200)), true, clock.now());
    assert_eq!(standing(0), Standing::Trial, "a list of models does not say that the model answers");
}
