//! Whom an exchange was for: its receipt names them all, and the days are summed for each of them.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod support;

use std::sync::Arc;

use rusqlite::Connection;
use support::Scratch;
use tollgate::cli::Served;
use tollgate::config::{self, Purpose};
use tollgate::exchange::{Ending, Entry, Head, Opened, Sent, Surroundings, Treatment, UpstreamHead, World};
use tollgate::ledger::Memory;
use tollgate::roster::{Change, Key, Organization, Record, TagRecord, Team, User};
use tollgate::store::{Durability, FILE, Options, Store, WAITING_MAX};
use tollgate::telemetry::{self, LogTo, Telemetry};
use tollgate::vocabulary::{Clock, KeyHash};

const KEY: &str = "sk-behalf-0123456789abcdef";
const YAML: &str = r#"
model_list:
  - model_name: chat
    litellm_params: {model: openai/up, api_key: sk-up, input_cost_per_token: 0.001, output_cost_per_token: 0.001}
general_settings:
  master_key: sk-master-0123456789abcdef
virtual_keys:
  - {key: sk-of-the-file-0123456789, tags: [filed]}
"#;

struct Scene {
    place: Scratch,
    world: Arc<World>,
    store: Store,
}

impl Scene {
    fn new(name: &str) -> Self {
        let nothing = |_: &str| None;
        let from = config::Surroundings { env: &nothing, providers: &Served, purpose: Purpose::Serve };
        let settings = config::load_text("behalf.yaml", YAML, &from).0.unwrap();
        let started_ms = 1_795_226_400_000;
        let options = telemetry::Options { log: LogTo::Nowhere, series_max: 1_000, started_ms };
        let (clock, ledger) = (Clock::manual(started_ms), Arc::new(Memory::new()));
        let place = Scratch::new(name);
        let directory = place.path().to_path_buf();
        let durability = Durability::Strict;
        let (directory, waiting_max) = (Some(directory), WAITING_MAX);
        let options_of_store = Options { directory, database: None, durability, retention: None, waiting_max };
        let store = Store::open(options_of_store, None, &clock, &ledger, |_| ()).unwrap();
        let around = Surroundings::new(clock, ledger, Telemetry::new(options));
        Self { place, world: Arc::new(World::build(settings, around, None).unwrap()), store }
    }

    fn put<R: Into<Record>>(&self, record: R) {
        self.world.around.roster.apply([Change::Put(record.into())]);
    }

    /// One exchange that costs a tenth of a cent for each of its three tokens.
    fn chat(&self, id: &str, key: &str, headers: &[(&str, &str)], more: &str) {
        let now = self.world.around.clock.now();
        let bearer = format!("Bearer {key}");
        let header = |name: &str| match name {
            "authorization" => Some(bearer.as_bytes()),
            _ => headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_bytes()),
        };
        let (method, path) = ("POST", "/v1/chat/completions");
        let head = Head { method, path, header: &header, client_ip: None, query: None, content_length: None };
        let Entry::Call(opened) = Opened::enter(&self.world, &head, id.to_owned(), now).unwrap() else {
            unreachable!()
        };
        let body = format!(r#"{{"model":"chat","messages":[{{"role":"user","content":"Hi"}}]{more}}}"#);
        let mut planned = opened.plan(body.into(), now, now).unwrap();
        planned.attempt(now, 0).unwrap();
        let upstream = UpstreamHead { status: 200, content_type: Some("application/json"), retry_after: None };
        assert!(matches!(planned.reply(&upstream, now, 0), Treatment::Hold));
        let usage = r#"{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}"#;
        let choice = r#"[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]"#;
        let answer =
            format!(r#"{{"id":"c","object":"chat.completion","model":"up","choices":{choice},"usage":{usage}}}"#);
        planned.push(answer.into(), &mut Vec::new()).unwrap();
        planned.finish_held(now, 0).unwrap();
        planned.close(Ending::Complete, None, &Sent { status: 200, ..Sent::default() }, now);
    }

    /// Everything is on file: its database.
    fn filed(self) -> (Scratch, Connection) {
        self.store.close();
        let database = Connection::open(self.place.path().join(FILE)).unwrap();
        (self.place, database)
    }
}

fn texts(database: &Connection, statement: &str) -> Vec<String> {
    let mut statement = database.prepare(statement).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<rusqlite::Result<_>>().unwrap()
}

#[test]
fn a_receipt_names_everybody_and_each_has_sums_by_day() {
    let scene = Scene::new("behalf");
    scene.put(Organization { organization_id: "acme".into(), ..Organization::default() });
    let team = Team { team_id: "blue".into(), organization_id: Some("acme".into()), ..Team::default() };
    scene.put(Team { tags: vec!["of-team".into()], ..team });
    scene.put(User { user_id: "ann".into(), ..User::default() });
    // One of the tags has a record, the others are words alone: sums are kept of all.
    scene.put(TagRecord { name: "asked".into(), ..TagRecord::default() });
    scene.put(Key {
        user_id: Some("ann".into()),
        team_id: Some("blue".into()),
        tags: vec!["of-key".into()],
        ..Key::new(KeyHash::of(KEY), "sk-...cdef")
    });
    let more = r#","user":"customer-1","metadata":{"tags":["asked","of-key"]}"#;
    scene.chat("x1", KEY, &[("x-litellm-tags", "headed"), ("x-litellm-session-id", "s1")], more);
    scene.chat("x2", KEY, &[("x-litellm-customer-id", "customer-2")], more);
    scene.chat("x3", KEY, &[], "");
    let (_place, database) = scene.filed();
    let rows = texts(
        &database,
        "SELECT concat_ws(' ', exchange, team, user, organization, customer, tags, session, provider, upstream, call, status) \
         FROM spend ORDER BY exchange",
    );
    assert_eq!(
        rows,
        [
            r#"x1 blue ann acme customer-1 ["of-key","of-team","asked","headed"] s1 openai up 1 200"#,
            r#"x2 blue ann acme customer-2 ["of-key","of-team","asked"] openai up 1 200"#,
            r#"x3 blue ann acme ["of-key","of-team"] openai up 1 200"#,
        ]
    );
    let sums = texts(
        &database,
        "SELECT concat_ws(' ', kind, id, requests, prompt, completion, cost_micro) FROM daily_of ORDER BY kind, id",
    );
    assert_eq!(
        sums,
        [
            "2 blue 3 3 6 9000",
            "3 ann 3 3 6 9000",
            "4 acme 3 3 6 9000",
            "6 customer-1 1 1 2 3000",
            "6 customer-2 1 1 2 3000",
            "7 asked 2 2 4 6000",
            "7 headed 1 1 2 3000",
            "7 of-key 3 3 6 9000",
            "7 of-team 3 3 6 9000",
        ]
    );
}

#[test]
fn a_key_of_the_file_has_its_tags_and_the_master_key_whom_the_request_names() {
    let scene = Scene::new("behalf-file");
    scene.chat("x1", "sk-of-the-file-0123456789", &[], "");
    scene.chat("x2", "sk-master-0123456789abcdef", &[], r#","user":"somebody""#);
    scene.chat("x3", "sk-master-0123456789abcdef", &[], "");
    let (_place, database) = scene.filed();
    let sums = texts(&database, "SELECT concat_ws(' ', kind, id, requests) FROM daily_of ORDER BY kind");
    assert_eq!(sums, ["6 somebody 1", "7 filed 1"]);
    assert_eq!(texts(&database, "SELECT CAST(sum(requests) AS TEXT) FROM daily"), ["3"]);
}
