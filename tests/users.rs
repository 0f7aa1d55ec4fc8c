//! `/user/*` does what LiteLLM's clients expect of it, and what a user is told binds the user's keys.

use support::admin::Admin;
use support::client::Answer;
use support::rig::{self, Rig, body};

mod support;

const MASTER: &str = "sk-users-master-0000001";
const PRICES: &str = "      input_cost_per_token: 0.001\n      output_cost_per_token: 0.001\n";

fn rig(name: &str) -> Rig {
    Rig::start(name, |base| {
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

/// A user of one's own, with more members of the body, and the key that is made along.
fn user(admin: &Admin, id: &str, more: &str) -> String {
    admin.done("/user/new", &format!(r#"{{"user_id":"{id}"{more}}}"#)).at("key")
}

fn ways(answer: &Answer, ways: &[&str]) -> Vec<String> {
    ways.iter().map(|way| answer.at(way)).collect()
}

#[test]
fn a_user_is_made_with_a_first_key_and_shown_with_keys_and_teams() {
    let rig = rig("users-made");
    let admin = admin(&rig);
    admin.done("/team/new", r#"{"team_id":"blue"}"#);
    admin.done("/team/new", r#"{"team_id":"red"}"#);
    let made = admin.done(
        "/user/new",
        r#"{"user_email":"Ada@example.com","user_alias":"Ada","user_role":"internal_user","max_budget":3,"budget_duration":"7d",
            "rpm_limit":50,"models":["chat"],"metadata":{"a":1},"sso_user_id":"s1","key_alias":"ada's","duration":"1h",
            "teams":["blue",{"team_id":"red","user_role":"admin","max_budget_in_team":2}]}"#,
    );
    let (id, key) = (made.at("user_id"), made.at("key"));
    assert!(id.len() == 36 && key.starts_with("sk-"), "{}", made.text());
    assert_eq!(
        ways(
            &made,
            &["user_email", "user_alias", "user_role", "max_budget", "key_alias", "teams.0", "teams.1", "spend"]
        ),
        ["Ada@example.com", "Ada", "internal_user", "3.0", "ada's", "blue", "red", "0.0"]
    );
    assert!(!made.at("expires").is_empty() && made.at("token").len() == 64);
    assert_eq!(chat(&rig, &key), 200);
    let info = admin.get(&format!("/user/info?user_id={id}"));
    assert_eq!(
        ways(&info, &["user_id", "user_info.sso_user_id", "keys.0.key_alias", "keys.1", "teams.1.team_id"]),
        [id.as_str(), "s1", "ada's", "", "red"],
        "{}",
        info.text()
    );
    assert_eq!(ways(&info, &["user_info.live.requests.limit", "user_info.live.requests.remaining"]), ["50", "49"]);
    assert_ne!(info.at("user_info.spend"), "0.0");
    assert_eq!(info.at("user_info.spend"), info.at("keys.0.spend"));
    assert_eq!(info.at("teams.1.admins.0"), id);
    let own = admin.with(&key).get("/user/info");
    assert_eq!((own.status, own.at("user_id")), (200, id.clone()));
    let alone = admin.get(&format!("/v2/user/info?user_id={id}"));
    assert_eq!(ways(&alone, &["user_id", "metadata.a", "teams.0", "keys"]), [id.as_str(), "1", "blue", ""]);
    let without = admin.done("/user/new", r#"{"user_id":"bob","auto_create_key":false}"#);
    assert_eq!(ways(&without, &["key", "token", "user_role", "warnings"]), ["null", "null", "internal_user", "[]"]);
    let master = admin.get("/user/info");
    assert_eq!(ways(&master, &["user_id", "user_info"]), ["default_user_id", "null"]);
}

#[test]
fn what_makes_no_sense_is_refused_in_litellms_words() {
    let rig = rig("users-refused");
    let admin = admin(&rig);
    user(&admin, "ada", r#","user_email":"ada@example.com","key_alias":"taken""#);
    let negative = "{'error': 'max_budget must be a non-negative finite number. Received: -1.0'}";
    for (path, body, status, way, expected) in [
        ("/user/new", r#"{"user_id":"ada"}"#, 409, "error.code", "409"),
        ("/user/new", r#"{"user_email":"ADA@example.com"}"#, 409, "error.code", "409"),
        ("/user/new", r#"{"user_id":"x","max_budget":-1}"#, 400, "error.message", negative),
        ("/user/new", r#"{"user_id":"x","user_email":"no address"}"#, 400, "error.code", "400"),
        ("/user/new", r#"{"user_id":"x","user_role":"king"}"#, 422, "detail.0.loc.1", "user_role"),
        ("/user/new", r#"{"user_id":"x","teams":["nowhere"]}"#, 404, "error.code", "404"),
        ("/user/new", r#"{"user_id":"x","teams":[7]}"#, 422, "detail.0.loc.2", "0"),
        ("/user/new", r#"{"user_id":"x","organizations":["nowhere"]}"#, 400, "error.code", "400"),
        ("/user/new", r#"{"user_id":"x","budget_id":"nowhere"}"#, 400, "error.code", "400"),
        ("/user/new", r#"{"user_id":"x","key_alias":"taken"}"#, 400, "error.param", "key_alias"),
        ("/user/update", r#"{"user_id":"zz","max_budget":1}"#, 404, "error.message", "User zz not found"),
        ("/user/update", r#"{"max_budget":1}"#, 400, "error.code", "400"),
        ("/user/delete", r#"{"user_ids":["ada","zz"]}"#, 404, "error.code", "404"),
        ("/user/bulk_update", "{}", 400, "error.code", "400"),
    ] {
        let answer = admin.post(path, body);
        assert_eq!((answer.status, answer.at(way).as_str()), (status, expected), "{path} {body}: {}", answer.text());
    }
    assert_eq!(admin.get("/user/info?user_id=x").status, 404, "nothing of a refused request is done");
    let unknown = admin.get("/user/info?user_id=zz");
    assert_eq!(
        unknown.text(),
        r#"{"error":{"message":"User zz not found","type":"internal_server_error","param":"None","code":"404"}}"#
    );
    assert_eq!(admin.get("/user/info?user_id=ada").status, 200);
}

#[test]
fn what_binds_a_user_binds_the_users_own_keys() {
    let rig = rig("users-bound");
    let admin = admin(&rig);
    admin.done("/team/new", r#"{"team_id":"blue"}"#);
    for (number, (fields, first, second)) in [
        (r#","rpm_limit":1"#, 200, 429),
        (r#","tpm_limit":1"#, 200, 429),
        (r#","max_parallel_requests":0"#, 429, 429),
        (r#","max_budget":0"#, 422, 422),
        (r#","max_budget":5,"spend":5"#, 422, 422),
        (r#","model_max_budget":{"chat":{"max_budget":0}}"#, 422, 422),
        (r#","models":["other"]"#, 403, 403),
        (r#","blocked":true"#, 401, 401),
        ("", 200, 200),
    ]
    .into_iter()
    .enumerate()
    {
        let one = user(&admin, &format!("u{number}"), fields);
        let other = admin.key(&format!(r#"{{"user_id":"u{number}"}}"#));
        assert_eq!([chat(&rig, &one), chat(&rig, &other)], [first, second], "{fields}");
    }
    let spent = call(&rig, &admin.key(r#"{"user_id":"u3"}"#));
    assert_eq!(spent.at("error.type"), "budget_exceeded");
    assert!(spent.at("error.message").contains("User=u3"), "{}", spent.text());
    let of_team = admin.key(r#"{"user_id":"u3","team_id":"blue"}"#);
    assert_eq!(chat(&rig, &of_team), 200, "a user's budget is for the user's own keys");
}

#[test]
fn a_change_holds_from_the_next_request_and_leaves_the_rest() {
    let rig = rig("users-changed");
    let admin = admin(&rig);
    let key = user(&admin, "ada", r#","user_email":"ada@example.com","max_budget":0,"metadata":{"x":1}"#);
    user(&admin, "bob", r#","user_email":"bob@example.com""#);
    assert_eq!(chat(&rig, &key), 422);
    let changed = admin.done("/user/update", r#"{"user_email":"ada@example.com","max_budget":5}"#);
    assert_eq!(ways(&changed, &["user_id", "data.max_budget", "data.metadata.x"]), ["ada", "5.0", "1"]);
    assert_eq!(chat(&rig, &key), 200);
    assert_eq!(admin.done("/user/update", r#"{"user_id":"ada","spend":0}"#).at("data.spend"), "0.0");
    let taken = admin.post("/user/update", r#"{"user_id":"ada","user_email":"bob@example.com"}"#);
    assert_eq!(taken.status, 409);
    let bulk = admin
        .done("/user/bulk_update", r#"{"users":[{"user_id":"ada","max_budget":0},{"user_id":"zz","max_budget":0}]}"#);
    assert_eq!(
        ways(&bulk, &["total_requested", "successful_updates", "failed_updates", "results.1.error"]),
        ["2", "1", "1", "User zz not found"]
    );
    assert_eq!(chat(&rig, &key), 422);
    let all = admin.done("/user/bulk_update", r#"{"all_users":true,"user_updates":{"max_budget":null}}"#);
    assert_eq!(all.at("successful_updates"), "2");
    assert_eq!(chat(&rig, &key), 200);
    let told = admin.get("/audit?object_id=ada&sort_order=asc");
    assert_eq!(ways(&told, &["audit_logs.0.action", "audit_logs.1.action"]), ["created", "updated"]);
}

#[test]
fn a_user_goes_with_keys_and_places_in_teams() {
    let rig = rig("users-gone");
    let admin = admin(&rig);
    admin.done("/team/new", r#"{"team_id":"blue"}"#);
    let own = user(&admin, "ada", r#","teams":["blue"],"max_budget":5"#);
    let of_team = admin.key(r#"{"user_id":"ada","team_id":"blue"}"#);
    let service = admin.key(r#"{"team_id":"blue"}"#);
    assert_eq!([chat(&rig, &own), chat(&rig, &of_team)], [200, 200]);
    assert_eq!(admin.done("/user/delete", r#"{"user_ids":["ada"]}"#).text(), "1");
    assert_eq!([chat(&rig, &own), chat(&rig, &of_team), chat(&rig, &service)], [401, 401, 200]);
    assert_eq!(admin.get("/team/info?team_id=blue").at("team_memberships"), "[]");
    let again = admin.done("/user/new", r#"{"user_id":"ada"}"#);
    assert_eq!(again.at("spend"), "0.0", "one of the same name begins anew");
}

#[test]
fn users_see_and_name_themselves_and_administrators_do_the_rest() {
    let rig = rig("users-roles");
    let admin = admin(&rig);
    let (ada, eve) = (user(&admin, "ada", ""), user(&admin, "eve", ""));
    let eye = user(&admin, "eye", r#","user_role":"proxy_admin_viewer""#);
    let watcher = user(&admin, "watcher", r#","user_role":"internal_user_viewer""#);
    let everybody = [&ada, &eve, &eye, &watcher];
    let statuses = |method: &str, path: &str, body: &str| -> Vec<u16> {
        everybody.iter().map(|key| admin.with(key).send(method, path, body).status).collect()
    };
    assert_eq!(statuses("GET", "/user/info?user_id=ada", ""), [200, 403, 200, 403]);
    assert_eq!(statuses("GET", "/v2/user/info?user_id=zz", ""), [403, 403, 404, 403]);
    assert_eq!(
        statuses("POST", "/user/update", r#"{"user_id":"ada","user_alias":"A","metadata":{}}"#),
        [200, 403, 403, 403]
    );
    for body in [
        r#"{"user_id":"ada","max_budget":900}"#,
        r#"{"user_id":"ada","user_role":"proxy_admin"}"#,
        r#"{"user_id":"ada","user_email":"ada@example.com"}"#,
        r#"{"user_id":"ada","models":[]}"#,
        r#"{"user_id":"ada","blocked":false}"#,
        r#"{"user_id":"ada","spend":0}"#,
    ] {
        assert_eq!(statuses("POST", "/user/update", body), [403; 4], "{body}");
    }
    assert_eq!(statuses("POST", "/user/new", r#"{"user_id":"x"}"#), [401, 401, 403, 403]);
    assert_eq!(statuses("POST", "/user/delete", r#"{"user_ids":["ada"]}"#), [401, 401, 403, 403]);
    assert_eq!(statuses("POST", "/user/bulk_update", "{}"), [401, 401, 403, 403]);
    let seen: Vec<_> = everybody.iter().map(|key| admin.with(key).get("/user/list").at("total")).collect();
    assert_eq!(seen, ["1", "1", "4", "1"]);
    assert_eq!(admin.with(&ada).get("/user/filter/ui").at("0.user_id"), "ada");
    let boss = user(&admin, "boss", r#","user_role":"proxy_admin""#);
    assert_eq!(
        admin.with(&boss).done("/user/update", r#"{"user_id":"ada","user_role":"proxy_admin"}"#).at("data.user_role"),
        "proxy_admin"
    );
    assert_eq!(admin.with(&ada).get("/user/info?user_id=eve").status, 200, "from the next request on");
}

#[test]
fn users_are_listed_in_pages_and_by_what_they_are() {
    let rig = rig("users-listed");
    let admin = admin(&rig);
    admin.done("/team/new", r#"{"team_id":"blue"}"#);
    for number in 0..5 {
        let team = if number < 2 { r#","teams":["blue"]"# } else { "" };
        let more =
            format!(r#","user_email":"u{number}@example.com","sso_user_id":"s{number}","max_budget":{number}{team}"#);
        user(&admin, &format!("u{number}"), &more);
    }
    user(&admin, "eye", r#","user_role":"proxy_admin_viewer","auto_create_key":false"#);
    let page = admin.get("/user/list?page=2&page_size=2&sort_by=user_id&sort_order=desc");
    assert_eq!(
        ways(&page, &["total", "total_pages", "page", "page_size", "users.0.user_id", "users.0.key_count", "users.2"]),
        ["6", "3", "2", "2", "u2", "1", ""],
        "{}",
        page.text()
    );
    for (query, count) in [
        ("role=internal_user", "5"),
        ("role=proxy_admin_viewer", "1"),
        ("user_ids=u1,u2,zz", "2"),
        ("sso_user_ids=s3", "1"),
        ("user_email=U4@", "1"),
        ("team=blue", "2"),
        ("organization_ids=x", "0"),
    ] {
        assert_eq!(admin.get(&format!("/user/list?{query}")).at("total"), count, "{query}");
        assert_eq!(admin.get(&format!("/user/get_users?{query}")).at("total"), count, "{query}");
    }
    assert_eq!(admin.get("/user/list?role=king").status, 422);
    let found = admin.get("/user/filter/ui?user_email=u3");
    assert_eq!(ways(&found, &["0.user_id", "0.user_email", "1"]), ["u3", "u3@example.com", ""]);
    let roles = admin.get("/user/available_roles");
    assert_eq!(roles.at("proxy_admin.ui_label"), "Admin (all permissions)");
}
