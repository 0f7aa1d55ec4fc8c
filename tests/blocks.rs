//! The kill switch: what is switched off by the configuration or on record is refused at once, or sent elsewhere.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use support::admin::Admin;
use support::rig::{self, Rig};
use tollgate::cli::Served;
use tollgate::config::{self, Purpose};
use tollgate::exchange::{Ending, Entry, Head, Opened, Refused, Sent, Surroundings, World};
use tollgate::ledger::Memory;
use tollgate::roster::{Block, Change, Key, Kind as Of, Moment, Team};
use tollgate::telemetry::{LogTo, Options, Telemetry};
use tollgate::vocabulary::{BlockKind, Clock, Fault, KeyHash, Kind};

mod support;

const KEY: &str = "sk-blocks-0123456789abcdef";
const YAML: &str = r#"
model_list:
  - {model_name: chat, litellm_params: {model: openai/up, api_key: sk-up}, model_info: {id: chat-1}}
  - {model_name: chat, litellm_params: {model: openai/up, api_key: sk-up}, model_info: {id: chat-2}}
  - {model_name: other, litellm_params: {model: openai/up, api_key: sk-up}, model_info: {id: other-1}}
  - {model_name: last, litellm_params: {model: openai/up, api_key: sk-up}, model_info: {id: last-1}}
router_settings:
  model_group_alias: {nick: chat}
general_settings: {master_key: sk-master-0123456789abcdef}
"#;

struct Scene {
    world: Arc<World>,
    clock: Clock,
}

impl Scene {
    /// A key of a team, which may use `chat` alone.
    fn new(more: &str) -> Self {
        let nothing = |_: &str| None;
        let from = config::Surroundings { env: &nothing, providers: &Served, purpose: Purpose::Serve };
        let (settings, report) = config::load_text("blocks.yaml", &format!("{YAML}{more}"), &from);
        assert!(settings.is_some(), "{:?}", report.findings);
        let started_ms = 1_795_226_400_000;
        let telemetry = Telemetry::new(Options { log: LogTo::Nowhere, series_max: 1_000, started_ms });
        let clock = Clock::manual(started_ms);
        let around = Surroundings::new(clock.clone(), Arc::new(Memory::new()), telemetry);
        let world = Arc::new(World::build(settings.unwrap(), around, None).unwrap());
        let key = Key {
            key_alias: Some("ada".to_owned()),
            team_id: Some("blue".to_owned()),
            models: vec!["chat".to_owned(), "nick".to_owned()],
            ..Key::new(KeyHash::of(KEY), "sk-...cdef")
        };
        let team = Team { team_id: "blue".to_owned(), ..Team::default() };
        world.around.roster.apply([Change::Put(team.into()), Change::Put(key.into())]);
        Self { world, clock }
    }

    fn block(&self, block: Block) {
        self.world.around.roster.apply([Change::Put(block.into())]);
    }

    fn unblock(&self, id: &str) {
        self.world.around.roster.apply([Change::Remove(Of::Block, id.to_owned())]);
    }

    /// The deployment that is asked.
    fn ask(&self, path: &str, model: &str, more: &str) -> Result<String, Fault> {
        let now = self.clock.now();
        let bearer = format!("Bearer {KEY}");
        let header = |name: &str| (name == "authorization").then_some(bearer.as_bytes());
        let head = Head { method: "POST", path, header: &header, client_ip: None, query: None, content_length: None };
        let refused = |refused: Box<Refused>| {
            let fault = refused.fault.clone();
            refused.close(400, 0, Ending::Refused, now);
            fault
        };
        let Entry::Call(opened) = Opened::enter(&self.world, &head, "x1".to_owned(), now).map_err(refused)? else {
            unreachable!()
        };
        let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"Hi"}}]{more}}}"#);
        let mut planned = opened.plan(body.into(), now, now).map_err(refused)?;
        let attempted = planned.attempt(now, 0);
        let served = planned.served_by().to_owned();
        let id = attempted.map(|outbound| {
            assert_eq!(planned.fallbacks(), u32::from(served == "last"), "only `last` is a fallback here");
            self.world.deployments[outbound.deployment].settings.id.to_string()
        });
        planned.close(Ending::Refused, None, &Sent::default(), now);
        id
    }

    fn chat(&self, model: &str) -> Result<String, Fault> {
        self.ask("/v1/chat/completions", model, r#","tools":[],"metadata":{"tags":["nightly"]}"#)
    }
}

fn block(kind: &str, name: &str) -> Block {
    Block { block_id: format!("{kind}:{name}"), kind: kind.to_owned(), name: name.to_owned(), ..Block::default() }
}

fn told(answer: Result<String, Fault>) -> (Kind, String) {
    let fault = answer.unwrap_err();
    (fault.kind, fault.public.into_owned())
}

#[test]
fn each_kind_is_refused_with_its_message_sent_elsewhere_and_switched_on_again() {
    let hash = KeyHash::of(KEY).to_string();
    let off = [
        ("model", "chat"),
        ("model", "nick"),
        ("key", "ada"),
        ("key", hash.as_str()),
        ("team", "blue"),
        ("tag", "nightly"),
        ("feature", "chat_completions"),
    ];
    for (kind, name) in off {
        let scene = Scene::new("");
        assert!(scene.chat("nick").is_ok());
        let switch = block(kind, name);
        scene.block(Block { message: Some("Back on Monday.".to_owned()), ..switch.clone() });
        assert_eq!(told(scene.chat("nick")), (Kind::SwitchedOff, "Back on Monday.".to_owned()), "{kind} {name}");
        scene.block(Block { reroute_to: Some("other".to_owned()), ..switch.clone() });
        assert_eq!(scene.chat("nick").unwrap(), "other-1", "{kind} {name}: elsewhere, though the key may not name it");
        scene.block(switch.clone());
        let (_, text) = told(scene.chat("nick"));
        assert!(text.ends_with("is switched off.") && !text.contains(&hash), "{text}");
        scene.unblock(&switch.block_id);
        assert!(scene.chat("nick").is_ok(), "{kind} {name}");
    }
    assert_eq!(BlockKind::NAMES, BlockKind::ALL.map(BlockKind::as_str));
}

#[test]
fn features_are_what_a_request_makes_use_of() {
    let used = [
        ("streaming", r#","stream":true"#),
        ("tools", r#","tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]"#),
    ];
    for (feature, more) in used {
        let scene = Scene::new("");
        scene.block(block("feature", feature));
        assert!(scene.chat("chat").is_ok(), "{feature} is not used");
        assert_eq!(told(scene.ask("/v1/chat/completions", "chat", more)).0, Kind::SwitchedOff, "{feature}");
    }
    let scene = Scene::new("");
    scene.block(block("feature", "messages"));
    assert!(scene.chat("chat").is_ok());
    assert_eq!(told(scene.ask("/v1/messages", "chat", r#","max_tokens":5"#)).0, Kind::SwitchedOff);
    scene.block(block("feature", "pass_through"));
    assert_eq!(told(scene.ask("/openai/v1/chat/completions", "up", "")).0, Kind::SwitchedOff);
}

#[test]
fn a_deployment_that_is_off_leaves_the_others_and_the_last_one_its_message_or_another_group() {
    let scene = Scene::new("");
    scene.block(block("deployment", "chat-1"));
    for _ in 0..20 {
        assert_eq!(scene.chat("chat").unwrap(), "chat-2");
    }
    let last = block("deployment", "chat-2");
    scene.block(Block { message: Some("Both are off.".to_owned()), ..last.clone() });
    assert_eq!(told(scene.chat("chat")).1, "The deployment chat-1 is switched off.");
    scene.block(Block { reroute_to: Some("last".to_owned()), ..last });
    assert_eq!(scene.chat("chat").unwrap(), "last-1");
    scene.unblock("deployment:chat-1");
    assert_eq!(scene.chat("chat").unwrap(), "chat-1");
}

#[test]
fn a_circle_of_groups_that_are_off_ends_and_so_does_a_block_with_a_time() {
    let scene = Scene::new("blocks: [{kind: model, name: chat, reroute_to: other, message: Closed.}]\n");
    assert_eq!(scene.chat("chat").unwrap(), "other-1");
    scene.block(Block { reroute_to: Some("chat".to_owned()), ..block("model", "other") });
    assert_eq!(told(scene.chat("chat")).1, "Closed.");
    let until = Some(Moment(scene.clock.now().wall_ms + 60_000));
    scene.block(Block { until, ..block("model", "chat") });
    assert_eq!(scene.chat("chat").unwrap_err().retry_after, Some(Duration::from_secs(60)), "records are newer");
    scene.clock.advance(Duration::from_secs(60));
    assert!(scene.chat("chat").is_ok());
}

#[test]
fn a_file_that_names_no_feature_is_refused_and_a_name_nobody_has_is_told() {
    let nothing = |_: &str| None;
    let from = config::Surroundings { env: &nothing, providers: &Served, purpose: Purpose::Serve };
    let load = |block: &str| config::load_text("blocks.yaml", &format!("{YAML}blocks: [{block}]\n"), &from);
    for block in ["{kind: feature, name: streams}", "{kind: model}", "{kind: modal, name: chat}", "{name: chat}"] {
        assert!(load(block).0.is_none(), "{block}");
    }
    for block in ["{kind: model, name: chatt}", "{kind: deployment, name: chat}"] {
        let (settings, report) = load(block);
        assert!(settings.is_some() && report.notable().any(|finding| finding.key == "blocks[0].name"), "{block}");
    }
}

/// Over sockets: a reload switches off; what flows goes on; the answer says who served it; `explain` says why.
#[test]
fn a_reload_switches_off_at_once_and_lets_open_streams_end() {
    const MASTER: &str = "sk-blocks-master-000001";
    let config = |mock: &str, more: &str| {
        let slow = "      extra_headers: {x-mock-gap-ms: \"20\", x-mock-chunks: \"20\"}\n";
        format!(
            "model_list:\n{}{}{more}general_settings:\n  master_key: {MASTER}\n",
            rig::deployment("a", mock, slow),
            rig::deployment("b", mock, "")
        )
    };
    let rig = Rig::start("blocks", |mock| config(mock, ""));
    let mock = format!("http://{}/v1", rig.mock.addr());
    let headers = format!("authorization: Bearer {MASTER}\r\ncontent-type: application/json\r\n");
    let body = rig::body("a", r#","stream":true"#);
    let mut client = rig.client();
    let open = client.send("POST /v1/chat/completions", &headers, body.as_bytes()).unwrap();
    let reload = |generation: f64, blocks: &str| {
        rig.configure(config(&mock, blocks));
        rig.gateway.signal("HUP");
        rig::eventually("it is reloaded", || rig.metric("tollgate_config_generation", &[]) == generation);
    };
    reload(2.0, "blocks: [{kind: model, name: a, message: Under repair.}]\n");
    assert!(open.rest().0.text().ends_with("data: [DONE]\n\n"));
    let refused = rig.client().chat(MASTER, &rig::body("a", "")).unwrap();
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains(r#""message":"Under repair.","type":"permission_error""#), "{}", refused.text());
    let asked = rig.mock.requests().len();
    reload(3.0, "blocks: [{kind: model, name: a, reroute_to: b}]\n");
    let served = rig.client().chat(MASTER, &rig::body("a", "")).unwrap();
    let told = ["x-litellm-model-group", "x-litellm-model-id", "x-litellm-attempted-fallbacks"];
    assert_eq!(told.map(|name| served.header(name)), [Some("b"), Some("b-1"), Some("0")]);
    assert!(served.text().contains(r#""model":"a""#), "{}", served.text());
    assert_eq!(rig.mock.requests().len(), asked + 1);
    let explain = Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(["explain", "--model", "a", "--config"])
        .arg(rig.config())
        .output()
        .unwrap();
    let printed = String::from_utf8(explain.stdout).unwrap();
    assert!(printed.starts_with("a is served by the group b in its place, since it is switched off"), "{printed}");
}

/// By the management API and the command, on file.
#[test]
fn what_is_switched_off_over_the_api_stays_off_over_a_restart_and_the_command_says_so() {
    const MASTER: &str = "sk-blocks-master-000001";
    let config = |mock: &str| {
        let models = [rig::deployment("a", mock, ""), rig::deployment("b", mock, "")].concat();
        format!("model_list:\n{models}blocks: [{{kind: tag, name: old}}]\ngeneral_settings:\n  master_key: {MASTER}\n")
    };
    let directory = support::Scratch::new("blocks-data");
    let data = directory.path().to_str().unwrap().to_owned();
    let mut rig = Rig::start_with("blocks-api", &["--data-dir", &data], config);
    let admin = Admin::new(rig.gateway.address(), MASTER);
    let key = admin.key(r#"{"key_alias":"ada"}"#);
    let status = |rig: &Rig, model: &str| rig.client().chat(&key, &rig::body(model, "")).unwrap().status;
    assert_eq!((status(&rig, "a"), status(&rig, "b")), (200, 200));
    let made = admin.done("/block/new", r#"{"kind":"model","name":"a","message":"Under repair.","duration":"1h"}"#);
    assert_eq!((made.at("kind"), made.at("name"), made.at("configured")), ("model".into(), "a".into(), "false".into()));
    assert_eq!((status(&rig, "a"), status(&rig, "b")), (403, 200), "at once");
    for (body, expected) in [
        (r#"{"kind":"model","name":"nobody"}"#, 404),
        (r#"{"kind":"model","name":"a","reroute_to":"nobody"}"#, 404),
        (r#"{"kind":"modal","name":"a"}"#, 400),
        (r#"{"kind":"feature","name":"thinking"}"#, 404),
        (r#"{"kind":"key"}"#, 422),
    ] {
        assert_eq!(admin.post("/block/new", body).status, expected, "{body}");
    }
    assert_eq!(admin.with(&key).get("/block/list").status, 401);
    assert_eq!(admin.post("/block/delete", r#"{"kind":"tag","name":"old"}"#).status, 404);

    let command = |rig: &Rig, words: &[&str]| {
        let url = format!("http://{}", rig.gateway.address());
        let output = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .arg("block")
            .args(words)
            .args(["--url", &url])
            .arg("--json")
            .env("LITELLM_MASTER_KEY", MASTER)
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (done, told) = command(&rig, &["new", "key", &key, "--message", "Ask Ada."]);
    assert!(done && told.contains(&KeyHash::of(&key).to_string()) && !told.contains(&key), "{told}");
    assert_eq!(status(&rig, "b"), 403);
    rig.gateway.signal("TERM");
    rig.gateway.wait();
    rig.gateway = support::Process::gateway(rig.config(), &["--data-dir", &data]);
    assert_eq!(status(&rig, "b"), 403, "after a restart");
    let admin = Admin::new(rig.gateway.address(), MASTER);
    assert_eq!(admin.get("/audit").at("audit_logs.0.action"), "blocked");
    let (done, told) = command(&rig, &["delete", "key", &key]);
    assert!(done && told.contains("Ask Ada."), "{told}");
    assert_eq!((status(&rig, "a"), status(&rig, "b")), (403, 200));
    let (done, told) = command(&rig, &["list"]);
    assert!(
        done && told.contains(r#""name":"a""#) && told.contains(r#""name":"old""#) && !told.contains("Ask"),
        "{told}"
    );
    let (done, told) = command(&rig, &["delete", "model", "b"]);
    assert!(!done && told.contains("it is not switched off"), "{told}");
}
