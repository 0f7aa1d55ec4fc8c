//! What an admin of an organization may do: everything to its teams and users, within what binds the organization, and
//! nothing to others.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::sync::Arc;

use tollgate::admin::{Knock, Shell, knock};
use tollgate::cli::Served;
use tollgate::config::{self, Purpose};
use tollgate::exchange::{Head, Surroundings, World};
use tollgate::ledger::Memory;
use tollgate::roster::{Bounds, Change, Key, Organization, OrganizationMember, Record, Role, Team, User};
use tollgate::telemetry::{LogTo, Options, Telemetry};
use tollgate::vocabulary::{Clock, KeyHash, PicoUsd};

const YAML: &str = r#"
model_list:
  - model_name: chat
    litellm_params: {model: openai/up, api_key: sk-up}
general_settings: {master_key: sk-organizations-master-000000}
"#;
/// The key of the one who asks.
const MANAGER: &str = "sk-organizations-manager-00000";

/// Two organizations, a team of neither, and users: one manages the first.
fn world() -> Arc<World> {
    let nothing = |_: &str| None;
    let from = config::Surroundings { env: &nothing, providers: &Served, purpose: Purpose::Serve };
    let settings = config::load_text("org_admins.yaml", YAML, &from).0.unwrap();
    let started_ms = 1_795_226_400_000;
    let telemetry = Telemetry::new(Options { log: LogTo::Nowhere, series_max: 1_000, started_ms });
    let around = Surroundings::new(Clock::manual(started_ms), Arc::new(Memory::new()), telemetry);
    let world = World::build(settings, around, None).unwrap();
    let organization = |id: &str| -> Record {
        let bounds = Bounds { max_budget: Some(PicoUsd::dollars(10)), ..Bounds::default() };
        Organization { organization_id: id.to_owned(), bounds, ..Organization::default() }.into()
    };
    let user = |id: &str| -> Record { User { user_id: id.to_owned(), ..User::default() }.into() };
    let manages = OrganizationMember {
        organization_id: "org".to_owned(),
        user_id: "manager".to_owned(),
        user_role: Role::OrgAdmin,
        ..OrganizationMember::default()
    };
    let key = Key { user_id: Some("manager".to_owned()), ..Key::new(KeyHash::of(MANAGER), "sk-...0000") };
    let records = [
        organization("org"),
        organization("other"),
        user("manager"),
        user("ada"),
        user("watcher"),
        manages.into(),
        Team { team_id: "blue".to_owned(), ..Team::default() }.into(),
        key.into(),
    ];
    world.around.roster.apply(records.map(Change::Put));
    Arc::new(world)
}

/// A process that stays as it is.
struct Still;

impl Shell for Still {
    fn takes_no_changes(&self) -> bool {
        false
    }

    fn reload(&self) -> Result<u64, String> {
        Err("there is no file".to_owned())
    }

    fn rebuild(&self) -> Result<(), String> {
        Err("no models are served".to_owned())
    }
}

/// What the manager is answered: the status, and the text.
fn told(world: &Arc<World>, path: &str, body: &str) -> (u16, String) {
    let bearer = format!("Bearer {MANAGER}");
    let header = |name: &str| (name == "authorization").then_some(bearer.as_bytes());
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let method = if body.is_empty() { "GET" } else { "POST" };
    let head = Head { method, path, query, header: &header, client_ip: None, content_length: None };
    let now = world.around.clock.now();
    match knock(world, &head, now).unwrap() {
        Knock::Enter(request) => {
            let reply = request.answer(world, body.as_bytes(), &Still, now);
            (reply.status, String::from_utf8(reply.body).unwrap())
        }
        Knock::Refused(refusal) => (refusal.status(), refusal.to_string()),
        Knock::Unknown(_) => (401, String::new()),
    }
}

#[test]
fn an_organizations_admin_manages_its_teams_and_users_and_no_others() {
    let world = world();
    for (path, body, status) in [
        ("/team/new", r#"{"team_id":"red"}"#, 403),
        ("/team/new", r#"{"team_id":"red","organization_id":"other"}"#, 403),
        ("/team/new", r#"{"team_id":"red","organization_id":"org","max_budget":11}"#, 400),
        ("/team/new", r#"{"team_id":"red","organization_id":"org","max_budget":9}"#, 200),
        ("/team/update", r#"{"team_id":"red","max_budget":10}"#, 200),
        ("/team/update", r#"{"team_id":"red","max_budget":11}"#, 400),
        ("/team/update", r#"{"team_id":"red","organization_id":"other"}"#, 403),
        ("/team/update", r#"{"team_id":"red","organization_id":null}"#, 403),
        ("/team/member_add", r#"{"team_id":"red","member":{"role":"user","user_id":"ada"}}"#, 200),
        ("/team/block", r#"{"team_id":"red"}"#, 200),
        ("/team/unblock", r#"{"team_id":"red"}"#, 200),
        ("/team/model/add", r#"{"team_id":"red","models":["chat"]}"#, 200),
        ("/team/block", r#"{"team_id":"blue"}"#, 403),
        ("/team/update", r#"{"team_id":"blue","team_alias":"B"}"#, 403),
        ("/team/delete", r#"{"team_ids":["red","blue"]}"#, 403),
        ("/user/new", r#"{"user_id":"new"}"#, 403),
        ("/user/new", r#"{"user_id":"new","organizations":["org","other"]}"#, 403),
        ("/user/new", r#"{"user_id":"new","organization_id":"org","user_role":"proxy_admin"}"#, 403),
        ("/user/new", r#"{"user_id":"new","organization_id":"org","auto_create_key":true}"#, 403),
        ("/user/new", r#"{"user_id":"new","organization_id":"org","teams":["blue"]}"#, 403),
        ("/user/new", r#"{"user_id":"new","organization_id":"org","teams":["red"]}"#, 200),
        ("/user/update", r#"{"user_id":"new","max_budget":5}"#, 403),
        ("/user/update", r#"{"user_id":"ada","user_alias":"A"}"#, 403),
    ] {
        let (found, text) = told(&world, path, body);
        assert_eq!(found, status, "{path} {body}: {text}");
    }
    for (path, status) in [
        ("/team/info?team_id=red", 200),
        ("/team/info?team_id=blue", 403),
        ("/user/info?user_id=new", 200),
        ("/user/info?user_id=watcher", 403),
    ] {
        assert_eq!(told(&world, path, "").0, status, "{path}");
    }
    let (_, users) = told(&world, "/user/list", "");
    assert!(users.contains("\"new\"") && !users.contains("\"watcher\""), "{users}");
    let (_, teams) = told(&world, "/team/list", "");
    assert!(teams.contains("\"red\"") && !teams.contains("\"blue\""), "{teams}");
    assert_eq!(told(&world, "/team/delete", r#"{"team_ids":["red"]}"#).0, 200);
}
