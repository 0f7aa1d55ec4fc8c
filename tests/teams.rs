//! `/team/*` does what LiteLLM's clients expect of it, and what a team is told binds its keys.

use support::admin::Admin;
use support::client::Answer;
use support::rig::{self, Rig, body};
use support::{Process, Scratch};

mod support;

const MASTER: &str = "sk-teams-master-0000001";
const PRICES: &str = "      input_cost_per_token: 0.001\n      output_cost_per_token: 0.001\n";

fn rig(name: &str) -> Rig {
    rig_with(name, &[])
}

fn rig_with(name: &str, flags: &[&str]) -> Rig {
    Rig::start_with(name, flags, |base| {
        let models = rig::deployment("chat", base, PRICES);
        format!("model_list:\n{models}general_settings: {{master_key: {MASTER}}}\n")
    })
}

fn admin(rig: &Rig) -> Admin {
    Admin::new(rig.gateway.address(), MASTER)
}

fn call(rig: &Rig, key: &str) -> Answer {
    rig.chat(key, &body("chat", r#","max_tokens":5"#))
}

fn chat(rig: &Rig, key: &str) -> u16 {
    call(rig, key).status
}

/// A user with this role, and a key of the user's own.
fn user(admin: &Admin, id: &str, role: &str) -> String {
    admin.done("/user/new", &format!(r#"{{"user_id":"{id}","user_role":"{role}"}}"#)).at("key")
}

fn ways(answer: &Answer, ways: &[&str]) -> Vec<String> {
    ways.iter().map(|way| answer.at(way)).collect()
}

#[test]
fn a_team_is_made_and_shown_with_its_members_and_keys() {
    let rig = rig("teams-made");
    let admin = admin(&rig);
    let made = admin.done(
        "/team/new",
        r#"{"team_alias":"Blue","models":["chat"],"max_budget":2.5,"budget_duration":"1mo","tpm_limit":9000,"rpm_limit":7,
            "metadata":{"a":1},"tags":["t"],"team_member_budget":1,"team_member_rpm_limit":3,
            "team_member_key_duration":"30d","guardrails":["g"],"model_aliases":{"short":"chat"},
            "members_with_roles":[{"role":"admin","user_id":"ada"},{"role":"user","user_email":"Bob@example.com"}]}"#,
    );
    let id = made.at("team_id");
    assert_eq!(id.len(), 36, "{}", made.text());
    assert_eq!(
        ways(&made, &["team_alias", "models.0", "max_budget", "spend", "rpm_limit", "metadata.a", "tags.0", "blocked"]),
        ["Blue", "chat", "2.5", "0.0", "7", "1", "t", "false"]
    );
    assert_eq!(
        ways(&made, &["team_member_budget", "team_member_budget_table.rpm_limit", "guardrails.0", "admins.0"]),
        ["1.0", "3", "g", "ada"]
    );
    assert_eq!(made.at("litellm_model_table.model_aliases.short"), "chat");
    assert_eq!(made.at("warnings"), r#"["guardrails: kept and shown, without effect here"]"#);
    assert!(made.at("budget_reset_at").ends_with("-01T00:00:00.000Z"), "{}", made.text());
    let key = admin.key(&format!(r#"{{"team_id":"{id}","user_id":"ada","key_alias":"of blue"}}"#));
    assert_eq!(chat(&rig, &key), 200);
    let info = admin.get(&format!("/team/info?team_id={id}"));
    assert_eq!(
        ways(
            &info,
            &["team_id", "team_info.team_alias", "keys.0.key_alias", "keys.1", "team_info.live.requests.limit"]
        ),
        [id.as_str(), "Blue", "of blue", "", "7"],
        "{}",
        info.text()
    );
    assert_eq!(info.at("team_info.live.requests.remaining"), "6");
    assert_ne!(info.at("team_info.spend"), "0.0");
    assert!(!info.at("keys.0.expires").is_empty(), "as long as the team says: {}", info.text());
    let members = [info.at("team_memberships.0.user_id"), info.at("team_memberships.1.user_id")];
    let ada = members.iter().position(|member| member == "ada").unwrap();
    let way = |name: &str| info.at(&format!("team_memberships.{ada}.{name}"));
    assert_eq!([way("role"), way("litellm_budget_table.max_budget")], ["admin", "1.0"]);
    assert_eq!(way("spend"), info.at("team_info.spend"));
    let bob = info.at("team_info.members.0");
    assert_eq!(admin.get(&format!("/user/info?user_id={bob}")).at("user_info.user_email"), "Bob@example.com");
}

#[test]
fn what_makes_no_sense_is_refused_in_litellms_words() {
    let rig = rig("teams-refused");
    let admin = admin(&rig);
    admin.done("/team/new", r#"{"team_id":"taken","members_with_roles":[{"user_id":"ada"}]}"#);
    let taken = "{'error': 'Team id = taken already exists. Please use a different team id.'}";
    let negative = "{'error': 'max_budget must be a non-negative finite number. Received: -1.0'}";
    let unknown = "{'message': 'Team not found, passed team id: zz.'}";
    let twice = "User already in team. Member: user_id=ada, user_email=None";
    let ada = r#"{"team_id":"taken","member":{"role":"user","user_id":"ada"}}"#;
    for (path, body, status, way, expected) in [
        ("/team/new", r#"{"team_id":"taken"}"#, 400, "error.message", taken),
        ("/team/new", r#"{"max_budget":-1}"#, 400, "error.message", negative),
        ("/team/new", r#"{"budget_duration":"often"}"#, 400, "error.code", "400"),
        ("/team/new", r#"{"team_member_key_duration":"soon"}"#, 400, "error.code", "400"),
        ("/team/new", r#"{"team_member_permissions":["/team/new"]}"#, 400, "error.code", "400"),
        ("/team/new", r#"{"team_alias":" "}"#, 400, "error.code", "400"),
        ("/team/new", r#"{"organization_id":"nowhere"}"#, 400, "error.code", "400"),
        ("/team/new", r#"{"members_with_roles":[{"role":"user"}]}"#, 400, "error.code", "400"),
        (
            "/team/new",
            r#"{"members_with_roles":[{"role":"boss","user_id":"b"}]}"#,
            422,
            "detail.0.type",
            "literal_error",
        ),
        ("/team/new", r#"{"rpm_limit":"many"}"#, 422, "detail.0.loc.1", "rpm_limit"),
        ("/team/update", r#"{"team_id":"zz"}"#, 404, "error.message", unknown),
        ("/team/update", "{}", 422, "detail.0.loc.1", "team_id"),
        ("/team/block", r#"{"team_id":"zz"}"#, 404, "error.type", "auth_error"),
        ("/team/delete", r#"{"team_ids":["taken","zz"]}"#, 404, "error.code", "404"),
        ("/team/delete", r#"{"team_ids":[]}"#, 400, "error.code", "400"),
        ("/team/member_add", ada, 400, "error.message", twice),
        ("/team/member_add", ada, 400, "error.type", "team_member_already_in_team"),
        ("/team/member_add", r#"{"team_id":"zz","member":{"role":"user","user_id":"a"}}"#, 404, "error.code", "404"),
        ("/team/member_add", r#"{"team_id":"taken","member":"ada"}"#, 422, "detail.0.loc.1", "member"),
        ("/team/member_add", r#"{"team_id":"taken","member":[{"user_id":7}]}"#, 422, "detail.0.loc.2", "0"),
        ("/team/member_add", r#"{"team_id":"taken","member":[]}"#, 400, "error.code", "400"),
        ("/team/member_update", r#"{"team_id":"taken","user_id":"nobody"}"#, 400, "error.code", "400"),
        ("/team/member_delete", r#"{"team_id":"taken"}"#, 400, "error.code", "400"),
        ("/team/bulk_member_add", r#"{"team_id":"taken"}"#, 400, "error.code", "400"),
        ("/team/model/delete", r#"{"team_id":"taken","models":["chat"]}"#, 400, "error.code", "400"),
        ("/team/taken/callback", "{}", 501, "error.code", "501"),
        ("/team/taken/disable_logging", "", 501, "error.code", "501"),
    ] {
        let answer = admin.post(path, body);
        assert_eq!((answer.status, answer.at(way).as_str()), (status, expected), "{path} {body}: {}", answer.text());
    }
    assert_eq!(admin.get("/team/info?team_id=taken").status, 200, "nothing of a refused deletion is done");
    assert_eq!(admin.get("/team/info?team_id=zz").at("error.message"), unknown);
    assert_eq!(admin.get("/team/info").status, 400);
    assert_eq!(admin.get("/team/permissions_list").status, 422);
}

#[test]
fn what_binds_a_team_binds_each_of_its_keys() {
    let rig = rig("teams-bound");
    let admin = admin(&rig);
    for (number, (fields, first, second)) in [
        (r#""rpm_limit":1"#, 200, 429),
        (r#""model_rpm_limit":{"chat":1}"#, 200, 429),
        (r#""tpm_limit":1"#, 200, 429),
        (r#""max_parallel_requests":0"#, 429, 429),
        (r#""max_budget":0"#, 422, 422),
        (r#""budget_limits":[{"budget_duration":"1d","max_budget":0}]"#, 422, 422),
        (r#""model_max_budget":{"chat":{"budget_limit":0,"time_period":"1d"}}"#, 422, 422),
        (r#""models":["other"]"#, 403, 403),
        (r#""model_aliases":{"chat":"nothing-of-the-kind"}"#, 400, 400),
        (r#""blocked":true"#, 401, 401),
        (r#""team_member_budget":0"#, 422, 422),
        (r#""team_member_rpm_limit":1"#, 200, 200),
        ("", 200, 200),
    ]
    .into_iter()
    .enumerate()
    {
        let comma = if fields.is_empty() { "" } else { "," };
        admin.done("/team/new", &format!(r#"{{"team_id":"t{number}"{comma}{fields}}}"#));
        let one = admin.key(&format!(r#"{{"team_id":"t{number}","user_id":"ada"}}"#));
        let other = admin.key(&format!(r#"{{"team_id":"t{number}","user_id":"bob"}}"#));
        assert_eq!([chat(&rig, &one), chat(&rig, &other)], [first, second], "{fields}");
        if fields.starts_with(r#""team_member_rpm_limit"#) {
            assert_eq!(chat(&rig, &one), 429, "each member by oneself");
        }
    }
    let spent = call(&rig, &admin.key(r#"{"team_id":"t4"}"#));
    assert_eq!(spent.at("error.type"), "budget_exceeded");
    assert!(spent.at("error.message").contains("Team=t4"), "{}", spent.text());
    let blocked = call(&rig, &admin.key(r#"{"team_id":"t9"}"#)).at("error.message");
    assert!(blocked.contains("Team=t9 is blocked. Update via `/team/unblock`"), "{blocked}");
    assert_eq!(call(&rig, &admin.key(r#"{"team_id":"t7"}"#)).at("error.type"), "team_model_access_denied");
}

#[test]
fn a_change_holds_from_the_next_request_and_leaves_the_rest() {
    let rig = rig("teams-changed");
    let admin = admin(&rig);
    admin.done("/team/new", r#"{"team_id":"blue","models":["other"],"metadata":{"x":1},"max_budget":5}"#);
    let key = admin.key(r#"{"team_id":"blue"}"#);
    assert_eq!(chat(&rig, &key), 403);
    let changed = admin.done("/team/update", r#"{"team_id":"blue","models":["chat"],"team_alias":"B"}"#);
    assert_eq!(
        ways(&changed, &["team_id", "data.models.0", "data.metadata.x", "data.max_budget", "data.team_alias"]),
        ["blue", "chat", "1", "5.0", "B"]
    );
    assert_eq!(chat(&rig, &key), 200);
    assert_eq!(admin.done("/team/block", r#"{"team_id":"blue"}"#).at("blocked"), "true");
    assert_eq!(chat(&rig, &key), 401);
    assert_eq!(admin.done("/team/unblock", r#"{"team_id":"blue"}"#).at("blocked"), "false");
    assert_eq!(chat(&rig, &key), 200);
    admin.done("/team/update", r#"{"team_id":"blue","max_budget":0}"#);
    assert_eq!(chat(&rig, &key), 422);
    assert_eq!(admin.done("/team/update", r#"{"team_id":"blue","max_budget":null}"#).at("data.max_budget"), "null");
    assert_eq!(chat(&rig, &key), 200);
    let models = |path: &str, models: &str| {
        admin.done(path, &format!(r#"{{"team_id":"blue","models":[{models}]}}"#)).at("models")
    };
    assert_eq!(models("/team/model/delete", r#""chat""#), r#"["no-default-models"]"#);
    assert_eq!(chat(&rig, &key), 403, "none is not all");
    assert_eq!(models("/team/model/add", r#""chat","more""#), r#"["chat","more"]"#);
    assert_eq!(chat(&rig, &key), 200);
    admin.done("/team/update", r#"{"team_id":"blue","models":[]}"#);
    assert_eq!(models("/team/model/add", r#""more""#), r#"["all-proxy-models","more"]"#);
    assert_eq!(chat(&rig, &key), 200, "adding takes nothing away");
    let told = admin.get("/audit?object_id=blue&sort_order=asc&page_size=50");
    let actions: Vec<_> = (0..4).map(|place| told.at(&format!("audit_logs.{place}.action"))).collect();
    assert_eq!(actions, ["created", "updated", "blocked", "unblocked"]);
    assert_eq!(told.at("audit_logs.0.table_name"), "LiteLLM_TeamTable");
}

#[test]
fn members_come_with_what_they_may_spend_and_go_with_their_keys() {
    let rig = rig("teams-members");
    let admin = admin(&rig);
    admin.done("/team/new", r#"{"team_id":"blue"}"#);
    let added = admin.done(
        "/team/member_add",
        r#"{"team_id":"blue","member":[{"role":"user","user_id":"ada","user_email":"ada@example.com"},
            {"role":"admin","user_id":"bob"}],"max_budget_in_team":0}"#,
    );
    assert_eq!(
        ways(&added, &["team_id", "members.0", "admins.0", "updated_users.0.user_email", "updated_users.1.teams.0"]),
        ["blue", "ada", "bob", "ada@example.com", "blue"],
        "{}",
        added.text()
    );
    assert_eq!(added.at("updated_team_memberships.0.litellm_budget_table.max_budget"), "0.0");
    let ada = admin.key(r#"{"team_id":"blue","user_id":"ada"}"#);
    let bob = admin.key(r#"{"team_id":"blue","user_id":"bob"}"#);
    let nobody = admin.key(r#"{"team_id":"blue"}"#);
    assert_eq!([chat(&rig, &ada), chat(&rig, &bob), chat(&rig, &nobody)], [422, 422, 200]);
    let changed = admin.done(
        "/team/member_update",
        r#"{"team_id":"blue","user_email":"ADA@example.com","max_budget_in_team":9,"rpm_limit":1,"role":"admin"}"#,
    );
    assert_eq!(ways(&changed, &["user_id", "max_budget_in_team", "rpm_limit", "role"]), ["ada", "9.0", "1", "admin"]);
    assert_eq!([chat(&rig, &ada), chat(&rig, &ada), chat(&rig, &bob)], [200, 429, 422]);
    admin.done(
        "/team/member_update",
        r#"{"team_id":"blue","user_id":"bob","max_budget_in_team":null,"allowed_models":["x"]}"#,
    );
    assert_eq!(chat(&rig, &bob), 403);
    let gone = admin.done("/team/member_delete", r#"{"team_id":"blue","user_email":"ada@example.com"}"#);
    assert_eq!(gone.at("members_with_roles.0.user_id") + &gone.at("members_with_roles.1"), "bob");
    assert_eq!([chat(&rig, &ada), chat(&rig, &nobody)], [401, 200]);
    assert_eq!(admin.get("/user/info?user_id=ada").at("teams"), "[]");
    user(&admin, "cid", "internal_user");
    let bulk = admin.done(
        "/team/bulk_member_add",
        r#"{"team_id":"blue","members":[{"role":"user","user_id":"bob"},{"role":"user","user_email":"new@example.com"}]}"#,
    );
    assert_eq!(
        ways(
            &bulk,
            &["total_requested", "successful_additions", "failed_additions", "results.0.success", "results.1.success"]
        ),
        ["2", "1", "1", "false", "true"]
    );
    assert!(bulk.at("results.0.error").starts_with("User already in team"), "{}", bulk.text());
    let all = admin.done("/team/bulk_member_add", r#"{"team_id":"blue","all_users":true}"#);
    assert_eq!(
        (all.at("total_requested"), all.at("failed_additions")),
        ("2".to_owned(), "0".to_owned()),
        "ada and cid"
    );
}

#[test]
fn a_team_is_for_its_members_to_see_its_admins_to_lead_and_administrators_to_bind() {
    let rig = rig("teams-roles");
    let admin = admin(&rig);
    let (lea, mia) = (user(&admin, "lea", "internal_user"), user(&admin, "mia", "internal_user"));
    let (eve, eye) = (user(&admin, "eve", "internal_user"), user(&admin, "eye", "proxy_admin_viewer"));
    let boss = user(&admin, "boss", "proxy_admin");
    let members = r#"[{"role":"admin","user_id":"lea"},{"role":"user","user_id":"mia"}]"#;
    let blue = format!(r#"{{"team_id":"blue","members_with_roles":{members}}}"#);
    assert_eq!(admin.with(&mia).post("/team/new", &blue).status, 401);
    let made = admin.with(&boss).done("/team/new", &blue);
    assert_eq!(made.at("admins"), r#"["boss","lea"]"#, "who makes a team is its first admin");
    let service = admin.key(r#"{"team_id":"blue"}"#);
    let everybody = [&lea, &mia, &eve, &eye, &service];
    let statuses = |method: &str, path: &str, body: &str| -> Vec<u16> {
        everybody.iter().map(|key| admin.with(key).send(method, path, body).status).collect()
    };
    assert_eq!(statuses("GET", "/team/info?team_id=blue", ""), [200, 200, 403, 200, 200]);
    assert_eq!(statuses("GET", "/team/permissions_list?team_id=blue", ""), [200, 200, 403, 200, 200]);
    for (path, body) in [
        ("/team/update", r#"{"team_id":"blue","team_alias":"B"}"#),
        ("/team/update", r#"{"team_id":"blue","team_member_budget":5}"#),
        ("/team/member_add", r#"{"team_id":"blue","member":{"role":"user","user_id":"new"}}"#),
        ("/team/member_update", r#"{"team_id":"blue","user_id":"mia","rpm_limit":9}"#),
        ("/team/member_delete", r#"{"team_id":"blue","user_id":"new"}"#),
        ("/team/permissions_update", r#"{"team_id":"blue","team_member_permissions":["/key/generate"]}"#),
    ] {
        assert_eq!(statuses("POST", path, body), [200, 403, 403, 403, 401], "{path} {body}");
    }
    for (path, body) in [
        ("/team/update", r#"{"team_id":"blue","max_budget":500}"#),
        ("/team/update", r#"{"team_id":"blue","models":[]}"#),
        ("/team/update", r#"{"team_id":"blue","blocked":false}"#),
        ("/team/update", r#"{"team_id":"blue","rpm_limit":null}"#),
        ("/team/update", r#"{"team_id":"blue","organization_id":null}"#),
    ] {
        assert_eq!(statuses("POST", path, body), [403, 403, 403, 403, 401], "{path} {body}");
    }
    for (path, body) in [
        ("/team/block", r#"{"team_id":"blue"}"#),
        ("/team/delete", r#"{"team_ids":["blue"]}"#),
        ("/team/model/add", r#"{"team_id":"blue","models":["chat"]}"#),
    ] {
        assert_eq!(statuses("POST", path, body), [401, 401, 401, 403, 401], "{path} {body}");
    }
    assert_eq!(admin.with(&lea).post("/team/bulk_member_add", r#"{"team_id":"blue","all_users":true}"#).status, 403);
    let listed: Vec<_> = everybody.iter().map(|key| admin.with(key).get("/v2/team/list").at("total")).collect();
    assert_eq!(listed, ["1", "1", "0", "1", "1"]);
}

#[test]
fn members_make_keys_of_their_team_where_it_lets_them() {
    let rig = rig("teams-permissions");
    let admin = admin(&rig);
    let mia = user(&admin, "mia", "internal_user");
    admin.done("/team/new", r#"{"team_id":"blue","members_with_roles":[{"role":"user","user_id":"mia"}]}"#);
    let make = || admin.with(&mia).post("/key/generate", r#"{"team_id":"blue"}"#);
    assert_eq!(make().status, 403);
    let listed = admin.get("/team/permissions_list?team_id=blue");
    assert_eq!(listed.at("team_member_permissions"), "[]");
    assert!(listed.at("all_available_permissions").contains("/key/generate"), "{}", listed.text());
    admin.done("/team/permissions_update", r#"{"team_id":"blue","team_member_permissions":["/key/generate"]}"#);
    let made = make();
    assert_eq!((made.status, made.at("user_id")), (200, "mia".to_owned()), "{}", made.text());
    assert_eq!(chat(&rig, &made.at("key")), 200);
    let seen = admin.with(&mia).get("/team/info?team_id=blue");
    admin.key(r#"{"team_id":"blue","user_id":"other"}"#);
    assert_eq!(
        admin.with(&mia).get("/team/info?team_id=blue").at("keys"),
        seen.at("keys"),
        "a member sees own keys alone"
    );
    assert_ne!(admin.get("/team/info?team_id=blue").at("keys.1.user_id"), "");
}

#[test]
fn a_team_goes_with_its_keys_and_one_of_its_name_begins_anew() {
    let rig = rig("teams-gone");
    let admin = admin(&rig);
    admin.done("/team/new", r#"{"team_id":"blue","max_budget":5,"members_with_roles":[{"user_id":"ada"}]}"#);
    admin.done("/team/new", r#"{"team_id":"red"}"#);
    let (blue, red) = (admin.key(r#"{"team_id":"blue"}"#), admin.key(r#"{"team_id":"red"}"#));
    assert_eq!([chat(&rig, &blue), chat(&rig, &red)], [200, 200]);
    assert_eq!(admin.done("/team/delete", r#"{"team_ids":["blue"]}"#).at("deleted_teams"), r#"["blue"]"#);
    assert_eq!([chat(&rig, &blue), chat(&rig, &red)], [401, 200]);
    assert_eq!(admin.get("/team/info?team_id=blue").status, 404);
    assert_eq!(admin.get(&format!("/key/info?key={blue}")).status, 404);
    assert_eq!(admin.get("/user/info?user_id=ada").at("teams"), "[]");
    let again = admin.done("/team/new", r#"{"team_id":"blue"}"#);
    assert_eq!((again.at("spend"), again.at("members_with_roles")), ("0.0".to_owned(), "[]".to_owned()));
    let key = admin.key(r#"{"team_id":"blue"}"#);
    assert_eq!(chat(&rig, &key), 200);
    let info = |team: &str| admin.get(&format!("/team/info?team_id={team}")).at("team_info.spend");
    assert_eq!(info("blue").len(), info("red").len());
    assert_ne!(info("blue"), "0.0");
}

#[test]
fn teams_are_listed_whole_and_in_pages() {
    let rig = rig("teams-listed");
    let admin = admin(&rig);
    for number in 0..5 {
        admin.done(
            "/team/new",
            &format!(
                r#"{{"team_id":"t{number}","team_alias":"List {number}","max_budget":{number},
                    "members_with_roles":[{{"user_id":"u{}"}}]}}"#,
                number % 2
            ),
        );
    }
    admin.key(r#"{"team_id":"t1","key_alias":"one"}"#);
    let all = admin.get("/team/list");
    assert_eq!(
        ways(&all, &["0.team_id", "1.keys.0.key_alias", "1.team_memberships.0.user_id", "4.team_id", "5"]),
        ["t0", "one", "u1", "t4", ""]
    );
    assert_eq!(admin.get("/team/list?user_id=u1").at("1.team_id"), "t3");
    let page = admin.get("/v2/team/list?page=2&page_size=2&sort_by=max_budget&sort_order=desc");
    assert_eq!(
        ways(&page, &["total", "total_pages", "page", "page_size", "teams.0.team_id", "teams.1.team_id", "teams.2"]),
        ["5", "3", "2", "2", "t2", "t1", ""]
    );
    for (query, count) in [
        ("user_id=u0", "3"),
        ("team_id=t3", "1"),
        ("team_alias=LIST", "5"),
        ("search=t4", "1"),
        ("search=nothing", "0"),
        ("organization_id=x", "0"),
    ] {
        assert_eq!(admin.get(&format!("/v2/team/list?{query}")).at("total"), count, "{query}");
    }
    assert_eq!(admin.get("/v2/team/list?page_size=101").status, 422);
}

#[test]
fn teams_and_members_outlive_the_process() {
    let directory = Scratch::new("teams-kept-data");
    let path = directory.path().display().to_string();
    let mut rig = rig_with("teams-kept", &["--data-dir", &path]);
    let (key, before) = {
        let admin = admin(&rig);
        admin.done("/team/new", r#"{"team_id":"blue","team_alias":"B","max_budget":5,"members_with_roles":[{"role":"admin","user_id":"ada"}]}"#);
        admin.done("/team/new", r#"{"team_id":"red"}"#);
        admin.done("/team/delete", r#"{"team_ids":["red"]}"#);
        let key = admin.key(r#"{"team_id":"blue","user_id":"ada"}"#);
        assert_eq!(chat(&rig, &key), 200);
        (key, admin.get("/team/info?team_id=blue"))
    };
    assert_ne!(before.at("team_info.spend"), "0.0");
    rig.gateway.signal("KILL");
    rig.gateway.wait();
    let config = rig.config().to_owned();
    rig.gateway = Process::gateway(config, &["--data-dir", &path]);
    let admin = admin(&rig);
    let after = admin.get("/team/info?team_id=blue");
    for way in ["team_info.team_alias", "team_info.spend", "team_memberships", "team_info.created_at"] {
        assert_eq!(after.at(way), before.at(way), "{way}");
    }
    assert_eq!(admin.get("/team/info?team_id=red").status, 404);
    assert_eq!(chat(&rig, &key), 200);
    admin.done("/team/block", r#"{"team_id":"blue"}"#);
    assert_eq!(chat(&rig, &key), 401);
}
