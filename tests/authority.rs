//! Who may ask for what: every route of the table, asked by everybody there is.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::collections::BTreeMap;
use std::sync::Arc;

use tollgate::admin::{Knock, Needs, Refusal, Reply, Shell, knock, table};
use tollgate::cli::Served;
use tollgate::config::{self, Purpose};
use tollgate::exchange::{Head, Surroundings, World};
use tollgate::ledger::Memory;
use tollgate::roster::{
    Change, Key, KeyType, Organization, OrganizationMember, Record, Role, Team, TeamMember, TeamRole, User,
};
use tollgate::telemetry::{LogTo, Options, Telemetry};
use tollgate::vocabulary::{Clock, KeyHash};

const YAML: &str = r#"
model_list:
  - model_name: chat
    litellm_params: {model: openai/up, api_key: sk-up}
general_settings: {master_key: sk-authority-master-00000000}
virtual_keys:
  - {key: sk-authority-declared-000000, key_alias: declared}
"#;

/// Everybody there is: a name, and the key that is shown.
const EVERYBODY: [(&str, &str); 13] = [
    ("nobody", ""),
    ("a stranger", "sk-authority-stranger-000000"),
    ("the master", "sk-authority-master-00000000"),
    ("a declared key", "sk-authority-declared-000000"),
    ("a key without a user", "sk-authority-alone-000000000"),
    ("an administrator", "sk-authority-admin-000000000"),
    ("a viewer", "sk-authority-viewer-00000000"),
    ("an organization's admin", "sk-authority-manager-0000000"),
    ("a team's admin", "sk-authority-leader-00000000"),
    ("a user", "sk-authority-user-0000000000"),
    ("a user who only sees", "sk-authority-watcher-0000000"),
    ("an administrator's key for calls", "sk-authority-calls-000000000"),
    ("an administrator's key for reading", "sk-authority-reads-000000000"),
];

/// Who may ask at all, by what a route needs; the last two are for what is read alone.
fn may(who: &str, needs: Needs, reads: bool) -> bool {
    let known = !matches!(who, "nobody" | "a stranger");
    let runs = matches!(who, "the master" | "an administrator");
    match (who, needs) {
        (_, Needs::Nothing) => true,
        ("an administrator's key for calls", _) => false,
        ("an administrator's key for reading", _) => reads,
        (_, Needs::AnyKey) => known,
        (_, Needs::Admin) => runs,
        (_, Needs::Viewer) => runs || who == "a viewer",
        (_, Needs::OrgAdmin) => runs || who == "an organization's admin",
        (_, Needs::Member) => runs || matches!(who, "an organization's admin" | "a team's admin" | "a user"),
    }
}

fn world() -> Arc<World> {
    let nothing = |_: &str| None;
    let from = config::Surroundings { env: &nothing, providers: &Served, purpose: Purpose::Serve };
    let settings = config::load_text("authority.yaml", YAML, &from).0.unwrap();
    let started_ms = 1_795_226_400_000;
    let telemetry = Telemetry::new(Options { log: LogTo::Nowhere, series_max: 1_000, started_ms });
    let around = Surroundings::new(Clock::manual(started_ms), Arc::new(Memory::new()), telemetry);
    let world = World::build(settings, around, None).unwrap();
    let changes = records().into_iter().map(Change::Put);
    world.around.roster.apply(changes);
    Arc::new(world)
}

fn records() -> Vec<Record> {
    let user = |user_id: &str, user_role| User { user_id: user_id.to_owned(), user_role, ..User::default() };
    let key = |name: &str, user: Option<&str>, key_type| {
        let (_, shown) = EVERYBODY.iter().find(|(known, _)| *known == name).unwrap();
        Key { user_id: user.map(str::to_owned), key_type, ..Key::new(KeyHash::of(shown), "sk-...0000") }
    };
    let owned = |text: &str| text.to_owned();
    vec![
        user("boss", Role::ProxyAdmin).into(),
        user("eye", Role::ProxyAdminViewer).into(),
        user("manager", Role::InternalUser).into(),
        user("leader", Role::InternalUserViewer).into(),
        user("ada", Role::InternalUser).into(),
        user("watcher", Role::InternalUserViewer).into(),
        Organization { organization_id: owned("org"), ..Organization::default() }.into(),
        OrganizationMember {
            organization_id: owned("org"),
            user_id: owned("manager"),
            user_role: Role::OrgAdmin,
            ..OrganizationMember::default()
        }
        .into(),
        Team { team_id: owned("blue"), ..Team::default() }.into(),
        TeamMember { team_id: owned("blue"), user_id: owned("leader"), role: TeamRole::Admin, ..TeamMember::default() }
            .into(),
        TeamMember { team_id: owned("blue"), user_id: owned("ada"), ..TeamMember::default() }.into(),
        key("a key without a user", None, KeyType::Default).into(),
        key("an administrator", Some("boss"), KeyType::Default).into(),
        key("a viewer", Some("eye"), KeyType::Default).into(),
        key("an organization's admin", Some("manager"), KeyType::Default).into(),
        key("a team's admin", Some("leader"), KeyType::Default).into(),
        key("a user", Some("ada"), KeyType::Default).into(),
        key("a user who only sees", Some("watcher"), KeyType::Default).into(),
        key("an administrator's key for calls", Some("boss"), KeyType::LlmApi).into(),
        key("an administrator's key for reading", Some("boss"), KeyType::ReadOnly).into(),
    ]
}

/// Whether somebody is let in; otherwise the status.
fn ask(world: &World, key: &str, method: &str, path: &str) -> Option<Result<(), u16>> {
    let bearer = format!("Bearer {key}");
    let header = |name: &str| (name == "authorization" && !key.is_empty()).then_some(bearer.as_bytes());
    // Not from this machine: that is no credential.
    let client_ip = Some([192, 0, 2, 7].into());
    let head = Head { method, path, query: None, header: &header, client_ip, content_length: None };
    Some(match knock(world, &head, world.around.clock.now())? {
        Knock::Enter(_) => Ok(()),
        // The query is looked at behind the door.
        Knock::Refused(Refusal::Invalid(_)) => Ok(()),
        Knock::Refused(refusal) => Err(refusal.status()),
        Knock::Unknown(_) => Err(401),
    })
}

#[test]
fn every_route_lets_in_whom_its_row_names_and_nobody_else() {
    let world = world();
    let mut asked = BTreeMap::new();
    for route in table::all() {
        let path = route.path.replace(['{', '}'], "");
        for (who, key) in EVERYBODY {
            // What is answered on the way of calls has tests of its own.
            let Some(found) = ask(&world, key, route.method.as_str(), &path) else { continue };
            let reads = route.method.as_str() == "GET";
            let expected = may(who, route.needs, reads);
            let told = format!("{who}: {} {} needs {:?}: {found:?}", route.method.as_str(), route.path, route.needs);
            assert_eq!(found.is_ok(), expected, "{told}");
            assert!(found.is_ok() || matches!(found, Err(401 | 403)), "{told}");
            *asked.entry(format!("{:?}", route.needs)).or_insert(0) += 1;
        }
    }
    for needs in [Needs::Nothing, Needs::AnyKey, Needs::Member, Needs::Viewer, Needs::Admin] {
        assert!(asked.get(&format!("{needs:?}")).is_some_and(|count| *count >= EVERYBODY.len()), "{needs:?}");
    }
}

#[test]
fn what_is_in_no_row_is_nowhere() {
    let world = world();
    for path in ["/key", "/key/", "/key/generate/x", "/KEY/generate", "//key/generate", "/key/generate?x", "/keys/list"]
    {
        assert!(ask(&world, "sk-authority-master-00000000", "POST", path).is_none(), "{path}");
    }
    match ask(&world, "", "PUT", "/key/generate") {
        Some(Err(405)) => {}
        other => panic!("{other:?}"),
    }
}

/// Nothing around that could stop or reload.
struct Alone;

impl Shell for Alone {
    fn takes_no_changes(&self) -> bool {
        false
    }

    fn reload(&self) -> Result<u64, String> {
        Err("nobody reads a configuration here".to_owned())
    }

    fn rebuild(&self) -> Result<(), String> {
        Err("nobody serves models here".to_owned())
    }
}

/// What somebody is answered.
fn answer(world: &Arc<World>, who: &str, method: &str, path: &str, body: &str) -> Reply {
    let (_, key) = EVERYBODY.iter().find(|(known, _)| *known == who).unwrap();
    let bearer = format!("Bearer {key}");
    let header = |name: &str| (name == "authorization").then_some(bearer.as_bytes());
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let head = Head { method, path, query, header: &header, client_ip: None, content_length: None };
    let now = world.around.clock.now();
    match knock(world, &head, now).unwrap() {
        Knock::Enter(request) => request.answer(world, body.as_bytes(), &Alone, now),
        Knock::Refused(refusal) => refusal.reply(),
        Knock::Unknown(fault) => Refusal::unauthorized(fault.public.to_string()).reply(),
    }
}

/// Statuses of POST requests, each by somebody.
fn statuses(world: &Arc<World>, asked: &[(&str, &str, &str, u16)]) {
    for (who, path, body, status) in asked {
        let reply = answer(world, who, "POST", path, body);
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert_eq!(reply.status, *status, "{who}: {path} {body}: {text}");
    }
}

#[test]
fn nobody_makes_a_key_that_may_do_more_than_its_maker() {
    let world = world();
    statuses(
        &world,
        &[
            ("a user", "/key/generate", "{}", 200),
            ("a user", "/key/generate", r#"{"user_id":"ada"}"#, 200),
            ("a user", "/key/generate", r#"{"user_id":"boss"}"#, 403),
            ("a user", "/key/generate", r#"{"user_id":null}"#, 403),
            ("a user", "/key/generate", r#"{"team_id":"blue"}"#, 403),
            ("a user", "/key/generate", r#"{"team_id":"nowhere"}"#, 400),
            ("a user", "/key/generate", r#"{"organization_id":"org"}"#, 403),
            ("a team's admin", "/key/generate", r#"{"team_id":"blue"}"#, 200),
            ("a team's admin", "/key/generate", r#"{"team_id":"blue","user_id":null}"#, 200),
            ("a team's admin", "/key/generate", r#"{"team_id":"blue","user_id":"boss","key_type":"management"}"#, 403),
            ("a team's admin", "/key/generate", r#"{"team_id":"blue","user_id":"boss","key_type":"default"}"#, 403),
            ("a team's admin", "/key/service-account/generate", r#"{"team_id":"blue","key_alias":"robot"}"#, 200),
            ("an organization's admin", "/key/generate", r#"{"organization_id":"org"}"#, 200),
            ("an administrator", "/key/generate", r#"{"user_id":"boss"}"#, 200),
            ("a key without a user", "/key/generate", "{}", 401),
        ],
    );
    let made = answer(&world, "a team's admin", "POST", "/key/generate", r#"{"team_id":"blue","user_id":"boss"}"#);
    let text = String::from_utf8(made.body).unwrap();
    assert!(made.status == 200 && text.contains(r#""key_type":"llm_api""#), "for calls alone: {text}");
}

#[test]
fn nobody_changes_or_learns_a_key_of_somebody_else() {
    let world = world();
    let put = |key: Key| world.around.roster.apply([Change::Put(key.into())]);
    let named = |name: &str| KeyHash::of(&format!("sk-authority-{name}"));
    let of = |name: &str, user: &str, team: Option<&str>| Key {
        user_id: Some(user.to_owned()),
        team_id: team.map(str::to_owned),
        ..Key::new(named(name), "sk-...0000")
    };
    put(of("of-boss", "boss", None));
    put(of("of-ada", "ada", None));
    put(of("of-ada-in-blue", "ada", Some("blue")));
    let body = |name: &str| format!(r#"{{"key":"{}"}}"#, named(name));
    let with = |name: &str, more: &str| format!(r#"{{"key":"{}",{more}}}"#, named(name));
    statuses(
        &world,
        &[
            // What is not seen is not there.
            ("a user", "/key/update", &body("of-boss"), 404),
            ("a user", "/key/regenerate", &body("of-boss"), 404),
            ("a user", "/key/delete", &format!(r#"{{"keys":["{}"]}}"#, named("of-boss")), 404),
            ("a team's admin", "/key/update", &body("of-ada"), 404),
            // Of a team: its admin, and members only with the team's permission.
            ("a user", "/key/update", &body("of-ada-in-blue"), 403),
            ("a team's admin", "/key/update", &with("of-ada-in-blue", r#""max_budget":1"#), 200),
            ("a team's admin", "/key/block", &body("of-ada-in-blue"), 200),
            ("a team's admin", "/key/regenerate", &body("of-ada-in-blue"), 403),
            ("a team's admin", "/key/update", &with("of-ada-in-blue", r#""user_id":"boss""#), 403),
            // One's own, but for what others set.
            ("a user", "/key/update", &with("of-ada", r#""key_alias":"mine""#), 200),
            ("a user", "/key/update", &with("of-ada", r#""spend":0"#), 403),
            ("a user", "/key/update", &with("of-ada", r#""blocked":false"#), 403),
            ("a user", "/key/unblock", &body("of-ada"), 403),
            ("a user", "/key/update", &with("of-ada", r#""user_id":"boss""#), 403),
            ("a user", "/key/update", &with("of-ada", r#""team_id":"blue""#), 403),
            ("a user", "/key/regenerate", &body("of-ada"), 200),
            ("a viewer", "/key/update", &body("of-boss"), 403),
            ("an administrator", "/key/regenerate", &body("of-boss"), 200),
        ],
    );
    let seen = |who: &str, name: &str| answer(&world, who, "GET", &format!("/key/info?key={}", named(name)), "").status;
    assert_eq!(
        [
            seen("a user", "of-ada-in-blue"),
            seen("a team's admin", "of-ada-in-blue"),
            seen("a viewer", "of-ada-in-blue")
        ],
        [200, 200, 200]
    );
    assert_eq!(seen("a user who only sees", "of-ada-in-blue"), 404);
    let listed = |who: &str, query: &str| {
        let reply = answer(&world, who, "GET", &format!("/key/list?size=100{query}"), "");
        String::from_utf8(reply.body).unwrap()
    };
    let hash = named("of-ada-in-blue").to_string();
    assert!(listed("a user", "").contains(&hash) && listed("a viewer", "").contains(&hash));
    assert!(listed("a team's admin", "&team_id=blue").contains(&hash) && !listed("a team's admin", "").contains(&hash));
    assert!(!listed("a user who only sees", "&team_id=blue").contains(&hash));
}

#[test]
fn a_member_may_what_the_team_says() {
    let world = world();
    let team_id = "blue".to_owned();
    let team_member_permissions = vec!["/key/generate".to_owned(), "/key/regenerate".to_owned()];
    world.around.roster.apply([Change::Put(Team { team_id, team_member_permissions, ..Team::default() }.into())]);
    let made = answer(&world, "a user", "POST", "/key/generate", r#"{"team_id":"blue"}"#);
    let text = String::from_utf8(made.body).unwrap();
    assert_eq!(made.status, 200, "{text}");
    let (_, rest) = text.split_once(r#""token":""#).unwrap();
    let hash = &rest[..64];
    statuses(
        &world,
        &[
            ("a user", &format!("/key/{hash}/regenerate"), r#"{"grace_period":"1h"}"#, 200),
            ("a user", "/key/update", &format!(r#"{{"key":"{hash}","max_budget":9}}"#), 403),
            ("a user", "/key/generate", r#"{"team_id":"blue","user_id":null}"#, 403),
        ],
    );
}
