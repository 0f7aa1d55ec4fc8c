//! Parameters that a provider does not take: refused by name, left out and told, forced through, or said in its own words.
#![expect(clippy::disallowed_types, reason = "an independent reading of what arrived")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use serde_json::{Value, json};
use support::client::{Answer, Client};
use support::hostile::{Hostile, Play};
use support::{Process, Scratch};

const KEY: &str = "sk-params-master-000001";
const ANTHROPIC: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"up","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}"#;

struct Bench {
    gateway: Process,
    provider: Hostile,
    _scratch: Scratch,
}

impl Bench {
    /// `settings` are lines of `litellm_settings`.
    fn start(name: &str, settings: &str, model: &str, more: &str) -> Self {
        let provider = Hostile::start(|request| match request.head.contains("/v1/messages") {
            true => Play::json(200, ANTHROPIC),
            false => Play::completion(),
        });
        let scratch = Scratch::new(name);
        let base = provider.url();
        let config = format!(
            "model_list:\n  - {{model_name: m, litellm_params: {{model: {model}, api_base: {base}, api_key: sk-up{more}}}}}\nlitellm_settings:\n  num_retries: 0\n{settings}general_settings:\n  master_key: {KEY}\n"
        );
        let gateway = Process::gateway(scratch.write("config.yaml", &config), &[]);
        Self { gateway, provider, _scratch: scratch }
    }

    fn ask(&self, more: &Value) -> Answer {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Client::connect(self.gateway.address()).unwrap().chat(KEY, &body.to_string()).unwrap()
    }

    /// What the provider was asked last.
    fn arrived(&self) -> Value {
        serde_json::from_str(&self.provider.received().last().unwrap().body).unwrap()
    }
}

#[test]
fn a_parameter_that_a_provider_does_not_take_is_refused_by_name() {
    for (name, model, param) in [
        ("params-anthropic", "anthropic/claude-sonnet-4-5", "logit_bias"),
        ("params-mistral", "mistral/mistral-small-latest", "logit_bias"),
    ] {
        let bench = Bench::start(name, "", model, "");
        let answer = bench.ask(&json!({param: {"50": 1}}));
        assert_eq!(answer.status, 400, "{model}");
        let error: Value = serde_json::from_slice(&answer.body).unwrap();
        let message = error["error"]["message"].as_str().unwrap();
        assert!(message.contains(&format!("does not support parameters: ['{param}']")), "{message}");
        assert_eq!(error["error"]["param"], param);
        assert!(bench.provider.received().is_empty());
    }
}

#[test]
fn with_drop_params_it_is_left_out_and_told() {
    for (name, model) in [
        ("params-drop-anthropic", "anthropic/claude-sonnet-4-5"),
        ("params-drop-mistral", "mistral/mistral-small-latest"),
        ("params-drop-openai", "openai/o3-mini"),
    ] {
        let bench = Bench::start(name, "  drop_params: true\n", model, "");
        let answer = bench.ask(&json!({"logit_bias": {"50": 1}, "max_tokens": 9}));
        assert_eq!(answer.status, 200, "{model}");
        assert_eq!(answer.header("x-tollgate-dropped-params"), Some("logit_bias"), "{model}");
        let arrived = bench.arrived();
        assert!(arrived["logit_bias"].is_null(), "{arrived}");
        let bound = if model.contains("o3") { "max_completion_tokens" } else { "max_tokens" };
        assert_eq!(arrived[bound], 9, "{arrived}");
    }
}

#[test]
fn a_request_says_for_itself_what_is_dropped_and_what_is_forced() {
    let bench = Bench::start("params-own", "", "anthropic/claude-sonnet-4-5", "");
    let answer = bench.ask(&json!({"logit_bias": {"50": 1}, "drop_params": true}));
    assert_eq!((answer.status, answer.header("x-tollgate-dropped-params")), (200, Some("logit_bias")));
    let answer = bench.ask(&json!({"logit_bias": {"50": 1}, "allowed_openai_params": ["logit_bias"]}));
    assert_eq!(answer.status, 200);
    assert_eq!(bench.arrived()["logit_bias"]["50"], 1);
    let answer = bench.ask(&json!({"temperature": 0.5, "additional_drop_params": ["temperature", "messages"]}));
    assert_eq!(answer.status, 200);
    let arrived = bench.arrived();
    assert!(arrived["temperature"].is_null() && arrived["messages"].is_array(), "{arrived}");
    assert!(
        ["drop_params", "allowed_openai_params", "additional_drop_params"].iter().all(|name| arrived[name].is_null())
    );
}

#[test]
fn mistral_is_asked_in_its_own_words() {
    let bench = Bench::start("params-words", "", "mistral/mistral-small-latest", ", seed: 3");
    let answer = bench.ask(&json!({
        "messages": [{"role": "developer", "content": "brief"}, {"role": "user", "content": "hi"}],
        "max_completion_tokens": 9, "user": "u", "reasoning_effort": "low", "top_p": 0.5
    }));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-tollgate-dropped-params"), None);
    let messages = json!([{"role": "system", "content": "brief"}, {"role": "user", "content": "hi"}]);
    let wanted = json!({
        "model": "mistral-small-latest", "messages": messages,
        "max_tokens": 9, "random_seed": 3, "reasoning_effort": "high", "top_p": 0.5
    });
    assert_eq!(bench.arrived(), wanted);
    bench.ask(&json!({"seed": 7, "max_tokens": null}));
    assert_eq!(bench.arrived()["random_seed"], 7);
}

#[test]
fn openai_itself_says_what_its_models_do_not_take() {
    let bench = Bench::start("params-thinkers", "", "openai/gpt-5-mini", "");
    assert_eq!(bench.ask(&json!({"temperature": 0.5, "max_tokens": 9})).status, 200);
    let arrived = bench.arrived();
    assert_eq!((&arrived["temperature"], &arrived["max_completion_tokens"]), (&json!(0.5), &json!(9)));
    let answer = bench.ask(&json!({"temperature": 0.5, "drop_params": true}));
    assert_eq!(answer.header("x-tollgate-dropped-params"), Some("temperature"));
    assert!(bench.arrived()["temperature"].is_null());
    bench.ask(&json!({"temperature": 1, "drop_params": true}));
    assert_eq!(bench.arrived()["temperature"], 1);
}
