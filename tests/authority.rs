//! Who may ask for what: every route of the table, asked by everybody there is.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::collections::BTreeMap;
use std::sync::Arc;

use tollgate::admin::{Knock, Needs, Refusal, knock, table};
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

fn world() -> World {
    let nothing = |_: &str| None;
    let from = config::Surroundings { env: &nothing, providers: &Served, purpose: Purpose::Serve };
    let settings = config::load_text("authority.yaml", YAML, &from).0.unwrap();
    let started_ms = 1_795_226_400_000;
    let telemetry = Telemetry::new(Options { log: LogTo::Nowhere, series_max: 1_000, started_ms });
    let around = Surroundings::new(Clock::manual(started_ms), Arc::new(Memory::new()), telemetry);
    let world = World::build(settings, around, None).unwrap();
    let changes = records().into_iter().map(Change::Put);
    world.around.roster.apply(changes);
    world
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
