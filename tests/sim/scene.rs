//! The configuration that is simulated, and what its callers send.

use std::sync::Arc;

use tollgate::cli::Served;
use tollgate::config::{self, Budget, Purpose, Settings};
use tollgate::exchange::{Entry, Head, Opened, Refused, Surroundings, World};
use tollgate::ledger::Memory;
use tollgate::telemetry::{LogTo, Options, Telemetry};
use tollgate::vocabulary::{Clock, Now, PicoUsd};

/// When the simulated world begins: some second of November 2026.
pub(crate) const MORNING: i64 = 1_795_226_400_000;

pub(crate) const MASTER: &str = "sk-sim-master-0123456789";
/// The virtual keys, in the order of the configuration; the last two never get in.
pub(crate) const KEYS: [&str; 6] = [
    "sk-sim-rich-0123456789",
    "sk-sim-poor-0123456789",
    "sk-sim-tight-0123456789",
    "sk-sim-narrow-0123456789",
    "sk-sim-blocked-0123456789",
    "sk-sim-expired-0123456789",
];

/// What callers ask for: every group, an alias, a key's own alias, wildcards, and what nobody serves.
pub(crate) const MODELS: [&str; 14] = [
    "small",
    "small",
    "small",
    "nick",
    "mine",
    "bounded",
    "dropper",
    "insister",
    "limited",
    "wild/one",
    "wild/two/b",
    "free",
    "mystery",
    "nobody",
];

/// The most an honest provider's model answers when nothing in the request bounds it.
pub(crate) fn model_max(upstream_model: &str) -> u64 {
    match upstream_model {
        "small-a" => 200,
        "small-b" => 300,
        "drop-a" => 400,
        "insist-a" => 250,
        "limited-a" => 150,
        _ if upstream_model.starts_with("w-") => 100,
        _ => 4096,
    }
}

const YAML: &str = r#"
model_list:
  - model_name: small
    litellm_params: {model: openai/small-a, api_key: sk-up-a, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
    model_info: {id: cheap, max_output_tokens: 200}
  - model_name: small
    litellm_params: {model: openai/small-b, api_key: sk-up-b, input_cost_per_token: 0.000005, output_cost_per_token: 0.00001}
    model_info: {id: dear, max_output_tokens: 300}
  - model_name: bounded
    litellm_params: {model: openai/bound-a, api_key: sk-up-c, max_tokens: 9000, n: 2, input_cost_per_token: 0.0000001, output_cost_per_token: 0.0000002}
    model_info: {id: bounded}
  - model_name: dropper
    litellm_params: {model: openai/drop-a, api_key: sk-up-d, additional_drop_params: [max_tokens, user], input_cost_per_token: 0.0000001, output_cost_per_token: 0.0000004}
    model_info: {id: dropper, max_output_tokens: 400}
  - model_name: insister
    litellm_params: {model: openai/insist-a, api_key: sk-up-e, extra_body: {max_tokens: 700, store: false}, input_cost_per_token: 0.0000003, output_cost_per_token: 0.0000005}
    model_info: {id: insister, max_output_tokens: 250}
  - model_name: limited
    litellm_params: {model: openai/limited-a, api_key: sk-up-f, rpm: 4, max_parallel_requests: 1, num_retries: 0, input_cost_per_token: 0.000001, output_cost_per_token: 0.000001}
    model_info: {id: limited, max_output_tokens: 150}
  - model_name: wild/*
    litellm_params: {model: openai/w-*, api_key: sk-up-g, input_cost_per_token: 0.000002, output_cost_per_token: 0.000003}
    model_info: {id: wild, max_output_tokens: 100}
  - model_name: free
    litellm_params: {model: openai/free-a, api_key: sk-up-h, input_cost_per_token: 0, output_cost_per_token: 0}
    model_info: {id: free}
  - model_name: mystery
    litellm_params: {model: openai/nobody-priced-this, api_key: sk-up-i}
    model_info: {id: mystery}
router_settings:
  num_retries: 2
  model_group_alias: {nick: small}
litellm_settings: {max_budget: 0.05, budget_duration: 1h}
general_settings: {master_key: sk-sim-master-0123456789}
virtual_keys:
  - {key: sk-sim-rich-0123456789, key_alias: rich}
  - {key: sk-sim-poor-0123456789, key_alias: poor, max_budget: 0.004, budget_duration: 90s}
  - {key: sk-sim-tight-0123456789, key_alias: tight, rpm_limit: 12, tpm_limit: 9000, max_parallel_requests: 2, max_budget: 0.02, budget_duration: 1h}
  - {key: sk-sim-narrow-0123456789, key_alias: narrow, models: [small, wild/*], aliases: {mine: bounded}, model_rpm_limit: {small: 5}, max_budget: 0.01}
  - {key: sk-sim-blocked-0123456789, key_alias: blocked, blocked: true}
  - {key: sk-sim-expired-0123456789, key_alias: expired, expires: "2020-01-01T00:00:00Z"}
"#;

/// The configuration as it is first.
pub(crate) fn settings() -> Settings {
    let nothing = |_: &str| None;
    let from = config::Surroundings { env: &nothing, providers: &Served, purpose: Purpose::QuickStart };
    let (settings, report) = config::load_text("sim.yaml", YAML, &from);
    settings.unwrap_or_else(|| panic!("{:?}", report.findings))
}

/// A world's surroundings, with nothing in its log.
pub(crate) fn around() -> Surroundings {
    let telemetry = Telemetry::new(Options { log: LogTo::Nowhere, series_max: 10_000, started_ms: MORNING });
    Surroundings::new(Clock::manual(MORNING), Arc::new(Memory::new()), telemetry)
}

/// Another limit for a key.
pub(crate) fn with_budget(settings: &mut Settings, key: usize, max: Option<PicoUsd>, duration: Option<&str>) {
    settings.virtual_keys[key].budget = max.map(|max| Budget { max, duration: duration.map(str::to_owned) });
}

/// What a caller sends.
pub(crate) struct Sending<'a> {
    pub(crate) path: &'a str,
    pub(crate) key: Option<&'a str>,
}

/// Comes to the door.
pub(crate) fn enter(
    world: &Arc<World>,
    id: String,
    sending: &Sending<'_>,
    now: Now,
) -> Result<Box<Opened>, Box<Refused>> {
    let bearer = sending.key.map(|key| format!("Bearer {key}"));
    let header = |name: &str| (name == "authorization").then_some(bearer.as_deref()?.as_bytes());
    let client_ip = Some(std::net::Ipv4Addr::LOCALHOST.into());
    let head =
        Head { method: "POST", path: sending.path, header: &header, client_ip, query: None, content_length: None };
    match Opened::enter(world, &head, id, now)? {
        Entry::Call(opened) => Ok(opened),
        Entry::Local(_) => panic!("a call was answered locally"),
    }
}
