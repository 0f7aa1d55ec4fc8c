//! What an answer came to is on file before its client gets the end of it: the core in front of a keeper that listens.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tollgate::cli::Served;
use tollgate::config::{self, Purpose};
use tollgate::exchange::{
    Ending, Entry, Head, Opened, Planned, Refused, Sent, Surroundings, Treatment, UpstreamHead, World,
};
use tollgate::ledger::{Filter, Halts, Keeper, Memory, Outcome, Receipt, Slice, Stage, Sum, Survey, Unwell};
use tollgate::telemetry::{LogTo, Options, Telemetry};
use tollgate::vocabulary::{Clock, Kind, Metered, PicoUsd};

const KEY: &str = "sk-noted-0123456789abcdef";
const YAML: &str = r#"
model_list:
  - model_name: chat
    litellm_params: {model: openai/up, api_key: sk-up, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
  - model_name: gift
    litellm_params: {model: openai/up, api_key: sk-up, input_cost_per_token: 0, output_cost_per_token: 0}
virtual_keys:
  - {key: sk-noted-0123456789abcdef, max_budget: 1}
  - {key: sk-noted-free-0123456789ab}
"#;

/// Puts down what it is handed.
#[derive(Debug, Default)]
struct Listener {
    heard: Mutex<Vec<(Stage, Receipt)>>,
    unwell: Mutex<Option<Unwell>>,
}

impl Keeper for Listener {
    fn keep(&self, receipt: &Receipt, stage: Stage) {
        self.heard.lock().unwrap().push((stage, receipt.clone()));
    }

    fn unwell(&self) -> Option<Unwell> {
        self.unwell.lock().unwrap().clone()
    }

    fn receipts(&self, _: &Filter, _: &Slice, _: &mut dyn FnMut(Receipt)) -> Result<(), String> {
        Ok(())
    }

    fn number(&self, _: &Filter) -> Result<u64, String> {
        Ok(0)
    }

    fn sums(&self, _: &Survey) -> Result<Vec<Sum>, String> {
        Ok(Vec::new())
    }

    fn number_of_sums(&self, _: &Survey) -> Result<u64, String> {
        Ok(0)
    }
}

struct Scene {
    world: Arc<World>,
    listener: Arc<Listener>,
}

impl Scene {
    fn new() -> Self {
        let nothing = |_: &str| None;
        let from = config::Surroundings { env: &nothing, providers: &Served, purpose: Purpose::Serve };
        let settings = config::load_text("noted.yaml", YAML, &from).0.unwrap();
        let started_ms = 1_795_226_400_000;
        let telemetry = Telemetry::new(Options { log: LogTo::Nowhere, series_max: 1_000, started_ms });
        let (clock, ledger) = (Clock::manual(started_ms), Arc::new(Memory::new()));
        let listener = Arc::new(Listener::default());
        ledger.keep_with(listener.clone());
        let world = World::build(settings, Surroundings::new(clock, ledger, telemetry), None).unwrap();
        Self { world: Arc::new(world), listener }
    }

    fn plan(&self, key: &str, model: &str, more: &str) -> Result<Box<Planned>, Box<Refused>> {
        let now = self.world.around.clock.now();
        let bearer = format!("Bearer {key}");
        let header = |name: &str| (name == "authorization").then_some(bearer.as_bytes());
        let (method, path) = ("POST", "/v1/chat/completions");
        let head = Head { method, path, header: &header, client_ip: None, query: None, content_length: None };
        let Entry::Call(opened) = Opened::enter(&self.world, &head, "x1".to_owned(), now)? else { unreachable!() };
        let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"Hello"}}]{more}}}"#);
        opened.plan(body.into(), now, now)
    }

    /// An exchange whose provider answers with this content type.
    fn answered(&self, more: &str, content_type: &str) -> (Box<Planned>, Treatment) {
        let now = self.world.around.clock.now();
        let mut planned = self.plan(KEY, "chat", more).unwrap();
        planned.attempt(now, 0).unwrap();
        let head = UpstreamHead { status: 200, content_type: Some(content_type), retry_after: None };
        let treatment = planned.reply(&head, now, 0);
        (planned, treatment)
    }

    fn close(&self, planned: Box<Planned>, ending: Ending) {
        planned.close(ending, None, &Sent { status: 200, ..Sent::default() }, self.world.around.clock.now());
    }

    /// What was put down since the last time.
    fn heard(&self) -> Vec<(Stage, Outcome, PicoUsd)> {
        let heard = std::mem::take(&mut *self.listener.heard.lock().unwrap());
        heard.into_iter().map(|(stage, receipt)| (stage, receipt.outcome, receipt.cost)).collect()
    }
}

fn dollars(text: &str) -> PicoUsd {
    PicoUsd::parse(text).unwrap()
}

fn event(choice: &str, more: &str) -> Bytes {
    let head = r#""id":"c","object":"chat.completion.chunk","created":1,"model":"up""#;
    format!("data: {{{head},\"choices\":[{choice}]{more}}}\n\n").into()
}

fn content(text: &str) -> Bytes {
    event(&format!(r#"{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":null}}"#), "")
}

fn finish() -> Bytes {
    event(r#"{"index":0,"delta":{},"finish_reason":"stop"}"#, "")
}

const USAGE: &str = r#","usage":{"prompt_tokens":11,"completion_tokens":3,"total_tokens":14}"#;

#[test]
fn a_whole_answer_is_on_file_before_it_goes_and_once() {
    let scene = Scene::new();
    let (mut planned, treatment) = scene.answered("", "application/json");
    assert!(matches!(treatment, Treatment::Hold));
    let choice = r#"[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]"#;
    let body = format!(r#"{{"id":"c","object":"chat.completion","created":1,"model":"up","choices":{choice}{USAGE}}}"#);
    planned.push(body.into(), &mut Vec::new()).unwrap();
    assert_eq!(scene.heard(), []);
    planned.finish_held(scene.world.around.clock.now(), 0).unwrap();
    assert_eq!(scene.heard(), [(Stage::Ended, Outcome::Complete, dollars("0.000017"))]);
    scene.close(planned, Ending::Complete);
    assert_eq!(scene.heard(), [], "nothing is new");
}

#[test]
fn a_whole_answer_that_its_client_did_not_wait_for_is_corrected() {
    let scene = Scene::new();
    let (mut planned, _) = scene.answered("", "application/json");
    let body = format!(r#"{{"id":"c","object":"chat.completion","model":"up","choices":[]{USAGE}}}"#);
    planned.push(body.into(), &mut Vec::new()).unwrap();
    planned.finish_held(scene.world.around.clock.now(), 0).unwrap();
    scene.heard();
    scene.close(planned, Ending::ClientGone);
    assert_eq!(scene.heard(), [(Stage::Closed, Outcome::ClientGone, dollars("0.000017"))]);
}

#[test]
fn a_stream_is_on_file_with_its_first_content_and_before_its_end_goes() {
    let scene = Scene::new();
    let (mut planned, treatment) = scene.answered(r#","stream":true"#, "text/event-stream");
    assert!(matches!(treatment, Treatment::Stream));
    let mut out = Vec::new();
    planned.push(content("Hello, "), &mut out).unwrap();
    let begun = scene.heard();
    assert!(matches!(begun[..], [(Stage::Flowing, Outcome::Cut, cost)] if cost > PicoUsd::ZERO), "{begun:?}");
    planned.push(content("world"), &mut out).unwrap();
    assert_eq!(scene.heard(), [], "not for every event");
    planned.push(content(&"x".repeat(5_000)), &mut out).unwrap();
    let flowing = scene.heard();
    assert!(matches!(flowing[..], [(Stage::Flowing, _, cost)] if cost > dollars("0.002")), "{flowing:?}");
    planned.push(finish(), &mut out).unwrap();
    assert!(matches!(scene.heard()[..], [(Stage::Ended, Outcome::Complete, _)]));
    let exact = (Stage::Ended, Outcome::Complete, dollars("0.000017"));
    planned.push(event("", USAGE), &mut out).unwrap();
    assert_eq!(scene.heard(), [exact], "what the provider reports");
    planned.push(Bytes::from_static(b"data: [DONE]\n\n"), &mut out).unwrap();
    assert!(planned.finish_stream(&mut out, scene.world.around.clock.now()).is_none());
    scene.close(planned, Ending::Complete);
    assert_eq!(scene.heard(), [], "nothing is new");
}

#[test]
fn a_stream_without_usage_is_counted_before_its_last_piece_goes() {
    let scene = Scene::new();
    let (mut planned, _) = scene.answered(r#","stream":true"#, "text/event-stream");
    let mut out = Vec::new();
    planned.push(content("one two three"), &mut out).unwrap();
    planned.push(finish(), &mut out).unwrap();
    scene.heard();
    planned.finish_stream(&mut out, scene.world.around.clock.now());
    let heard = scene.heard();
    assert!(matches!(planned.bill().usage, Metered::Estimated(_)));
    assert_eq!(heard, [(Stage::Ended, Outcome::Complete, planned.bill().cost)]);
    scene.close(planned, Ending::Complete);
    assert_eq!(scene.heard(), []);
}

#[test]
fn a_stream_that_broke_off_is_on_file_as_cut() {
    let scene = Scene::new();
    let (mut planned, _) = scene.answered(r#","stream":true"#, "text/event-stream");
    let mut out = Vec::new();
    planned.push(content("one two three"), &mut out).unwrap();
    scene.heard();
    assert!(planned.finish_stream(&mut out, scene.world.around.clock.now()).is_some());
    assert_eq!(scene.heard(), [(Stage::Ended, Outcome::Cut, planned.bill().cost)]);
    scene.close(planned, Ending::UpstreamCut);
    assert_eq!(scene.heard(), []);
}

#[test]
fn a_stream_that_broke_off_before_it_said_anything_is_not_on_file_before_its_close() {
    let scene = Scene::new();
    let (mut planned, _) = scene.answered(r#","stream":true"#, "text/event-stream");
    let mut out = Vec::new();
    let role = r#"{"index":0,"delta":{"role":"assistant"},"finish_reason":null}"#;
    planned.push(event(role, ""), &mut out).unwrap();
    assert!(planned.finish_stream(&mut out, scene.world.around.clock.now()).is_some());
    assert_eq!(scene.heard(), [], "another deployment may answer");
    scene.close(planned, Ending::UpstreamCut);
    assert!(matches!(scene.heard()[..], [(Stage::Closed, Outcome::Cut, _)]));
}

#[test]
fn what_never_went_to_a_provider_is_not_kept() {
    let scene = Scene::new();
    let refused = scene.plan(KEY, "nobody", "").err().unwrap();
    refused.close(400, 10, Ending::Refused, scene.world.around.clock.now());
    assert_eq!(scene.heard(), []);
}

#[test]
fn while_nothing_can_be_kept_nothing_is_spent_under_a_budget() {
    let scene = Scene::new();
    *scene.listener.unwell.lock().unwrap() = Some(Unwell { cause: "the disk is full".into(), halts: Halts::Budgets });
    let refused = scene.plan(KEY, "chat", "").err().unwrap();
    assert_eq!(refused.fault.kind, Kind::Overloaded);
    assert!(refused.fault.public.contains("the disk is full") && refused.fault.retry_after.is_some());
    assert!(scene.plan(KEY, "gift", "").is_ok(), "costs nothing");
    assert!(scene.plan("sk-noted-free-0123456789ab", "chat", "").is_ok(), "has no budget");
    *scene.listener.unwell.lock().unwrap() =
        Some(Unwell { cause: "the disk is full".into(), halts: Halts::Everything });
    assert!(scene.plan("sk-noted-free-0123456789ab", "chat", "").is_err(), "too many receipts wait");
    *scene.listener.unwell.lock().unwrap() = None;
    assert!(scene.plan(KEY, "chat", "").is_ok());
}
