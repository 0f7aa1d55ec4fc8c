//! New keys, users and teams begin as the configuration says, and no key goes beyond what it allows.

use support::admin::Admin;
use support::rig::{self, Rig};

mod support;

const MASTER: &str = "sk-making-master-00000001";

fn rig(name: &str, settings: &str) -> Rig {
    Rig::start(name, |base| {
        let models = rig::deployment("chat", base, "");
        format!(
            "model_list:\n{models}general_settings: {{master_key: {MASTER}}}\nlitellm_settings:\n{settings}virtual_keys: []\n"
        )
    })
}

fn admin(rig: &Rig) -> Admin {
    Admin::new(rig.gateway.address(), MASTER)
}

const KEYS: &str =
    "  default_key_generate_params: {max_budget: 3, models: [chat], rpm_limit: 7, duration: 2d, tags: [new],
    metadata: {from: file}}
  upperbound_key_generate_params: {max_budget: 10, budget_duration: 30d, duration: 30d, tpm_limit: 1000, rpm_limit: 9,
    max_parallel_requests: 4}
";

#[test]
fn a_key_that_does_not_say_gets_the_default_and_else_the_most() {
    let rig = rig("making-keys", KEYS);
    let admin = admin(&rig);
    for body in ["{}", r#"{"models":[],"max_budget":null,"metadata":{},"tags":[]}"#] {
        let made = admin.done("/key/generate", body);
        for (way, expected) in [
            ("max_budget", "3.0"),
            ("models", "[\"chat\"]"),
            ("rpm_limit", "7"),
            ("tags", "[\"new\"]"),
            ("metadata.from", "file"),
            ("budget_duration", "30d"),
            ("tpm_limit", "1000"),
            ("max_parallel_requests", "4"),
        ] {
            assert_eq!(made.at(way), expected, "{way}: {}", made.text());
        }
        assert_ne!(made.at("expires"), "null");
    }
    let own = admin.done("/key/generate", r#"{"max_budget":5,"models":["*"],"rpm_limit":9,"metadata":{"own":1}}"#);
    assert_eq!(
        [own.at("max_budget"), own.at("models"), own.at("rpm_limit"), own.at("metadata")],
        ["5.0", "[\"*\"]", "9", "{\"own\":1}"]
    );
}

#[test]
fn no_key_goes_beyond_the_most_however_it_comes_to_be() {
    let rig = rig("making-most", KEYS);
    let admin = admin(&rig);
    let key = admin.key("{}");
    for (member, found, most) in [
        ("max_budget", "10.5", "10.0"),
        ("tpm_limit", "1001", "1000"),
        ("rpm_limit", "10", "9"),
        ("max_parallel_requests", "5", "4"),
        ("budget_duration", "\"31d\"", "30d"),
        ("duration", "\"-1\"", "30d"),
        ("duration", "\"2mo\"", "30d"),
    ] {
        let told = format!(
            "{{'error': '{member} is over max limit set in config - user_value={}; max_value={most}'}}",
            found.trim_matches('"')
        );
        for (path, named) in [("/key/generate", ""), ("/key/update", &*key), ("/key/regenerate", &*key)] {
            let named = if named.is_empty() { String::new() } else { format!(r#""key":"{named}","#) };
            let refused = admin.post(path, &format!("{{{named}\"{member}\":{found}}}"));
            assert_eq!((refused.status, refused.at("error.message")), (400, told.clone()), "{path}");
        }
        let user = admin.post("/user/new", &format!("{{\"duration\":\"1d\",\"user_id\":\"u-{member}\"}}"));
        assert_eq!(user.at("key_info.tpm_limit"), "1000", "{}", user.text());
        admin.done("/user/delete", &format!("{{\"user_ids\":[\"u-{member}\"]}}"));
    }
    let cleared = admin.done("/key/update", &format!(r#"{{"key":"{key}","max_budget":null,"duration":null}}"#));
    assert_eq!(cleared.at("max_budget"), "10.0", "what is cleared is what a key may have at most");
    assert_ne!(cleared.at("expires"), "null");
    let kept = admin.done("/key/update", &format!(r#"{{"key":"{key}","key_alias":"kept"}}"#));
    assert_eq!((kept.at("max_budget"), kept.at("rpm_limit")), ("10.0".to_owned(), "7".to_owned()));
}

#[test]
fn users_and_teams_begin_as_the_configuration_says() {
    let rig = rig(
        "making-users",
        "  default_internal_user_params: {user_role: internal_user_viewer, budget_duration: 7d, models: [chat], teams: [blue, gone],
    available_teams: [blue]}
  max_internal_user_budget: 2.5
  internal_user_budget_duration: 1d
  default_team_params: {max_budget: 40, budget_duration: 1mo, rpm_limit: 5, models: [chat],
    team_member_permissions: [/key/info, /key/generate]}
",
    );
    let admin = admin(&rig);
    let team = admin.done("/team/new", r#"{"team_id":"blue"}"#);
    assert_eq!(
        [team.at("max_budget"), team.at("budget_duration"), team.at("rpm_limit"), team.at("models")],
        ["40.0", "1mo", "5", "[\"chat\"]"]
    );
    assert_eq!(team.at("team_member_permissions"), r#"["/key/info","/key/generate"]"#);
    let own = admin.done("/team/new", r#"{"team_id":"own","max_budget":1,"models":["x"]}"#);
    assert_eq!([own.at("max_budget"), own.at("models")], ["1.0", "[\"x\"]"]);
    let user = admin.done("/user/new", r#"{"user_id":"ada"}"#);
    assert_eq!(
        [user.at("user_role"), user.at("max_budget"), user.at("budget_duration"), user.at("models")],
        ["internal_user_viewer", "2.5", "7d", "[\"chat\"]"]
    );
    let blue = admin.get("/team/info?team_id=blue");
    assert!(blue.text().contains("\"ada\""), "{}", blue.text());
    let chief = admin.done("/user/new", r#"{"user_id":"chief","user_role":"proxy_admin","teams":[]}"#);
    assert_eq!((chief.at("max_budget"), chief.at("teams")), ("null".to_owned(), "[]".to_owned()));
}

#[test]
fn a_default_beyond_the_most_is_an_error_with_its_line() {
    let scratch = support::Scratch::new("making-check");
    let file = scratch.write(
        "config.yaml",
        "model_list: []\nlitellm_settings:\n  default_key_generate_params:\n    max_budget: 11\n  \
         upperbound_key_generate_params: {max_budget: 10}\n",
    );
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_tollgate")).arg("check").arg(&file).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("config.yaml:4") && told.contains("default_key_generate_params.max_budget"), "{told}");
}

#[test]
fn users_join_by_themselves_what_is_open_to_all_and_nothing_else() {
    let rig = rig("making-join", "  default_internal_user_params: {available_teams: [open, gone]}\n");
    let admin = admin(&rig);
    for team in ["open", "closed"] {
        admin.done("/team/new", &format!(r#"{{"team_id":"{team}"}}"#));
    }
    let ada = admin.with(&admin.done("/user/new", r#"{"user_id":"ada"}"#).at("key"));
    admin.done("/user/new", r#"{"user_id":"bob"}"#);
    let shown = ada.get("/team/available");
    assert_eq!((shown.at("0.team_id"), shown.at("1")), ("open".to_owned(), String::new()), "{}", shown.text());
    for body in [
        r#"{"team_id":"closed","member":{"role":"user","user_id":"ada"}}"#,
        r#"{"team_id":"open","member":{"role":"admin","user_id":"ada"}}"#,
        r#"{"team_id":"open","member":{"role":"user","user_id":"bob"}}"#,
        r#"{"team_id":"open","member":[{"role":"user","user_id":"ada"},{"role":"user","user_id":"bob"}]}"#,
        r#"{"team_id":"open","member":{"role":"user","user_id":"ada"},"max_budget_in_team":1000}"#,
        r#"{"team_id":"gone","member":{"role":"user","user_id":"ada"}}"#,
    ] {
        let refused = ada.post("/team/member_add", body);
        assert!(matches!(refused.status, 401 | 403 | 404), "{body}: {} {}", refused.status, refused.text());
    }
    let joined = ada.post("/team/member_add", r#"{"team_id":"open","member":{"role":"user","user_id":"ada"}}"#);
    assert_eq!(
        (joined.status, joined.at("members_with_roles.0.user_id")),
        (200, "ada".to_owned()),
        "{}",
        joined.text()
    );
    assert_eq!(ada.get("/team/available").text(), "[]");
}
