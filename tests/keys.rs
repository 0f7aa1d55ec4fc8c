//! `/key/*` does what LiteLLM's clients expect of it.

use tollgate::vocabulary::KeyHash;

use support::admin::Admin;
use support::rig::{self, Rig, body, eventually};

mod support;

/// What the model costs: a cent for a thousand tokens, about.
const PRICES: &str = "      input_cost_per_token: 0.00001\n      output_cost_per_token: 0.00001\n";
const MASTER: &str = "sk-keys-master-00000001";
/// Stands in the configuration.
const DECLARED: &str = "sk-keys-declared-000002";
/// Stands there, too, and may not ask for the way of its requests.
const SILENT: &str = "sk-keys-silent-00000003";

fn rig(name: &str) -> Rig {
    rig_with(name, &[], "")
}

fn rig_with(name: &str, flags: &[&str], settings: &str) -> Rig {
    Rig::start_with(name, flags, |base| {
        format!(
            "model_list:\n{}general_settings: {{master_key: {MASTER}}}\n{settings}virtual_keys:\n{}{}",
            rig::deployment("chat", base, PRICES),
            rig::key(DECLARED, "declared", ""),
            rig::key(SILENT, "silent", "    permissions: {explain: false}\n")
        )
    })
}

fn admin(rig: &Rig) -> Admin {
    Admin::new(rig.gateway.address(), MASTER)
}

#[test]
fn a_key_is_made_shown_once_and_found_by_itself_and_by_its_hash() {
    let rig = rig("keys-made");
    let admin = admin(&rig);
    let made = admin.done(
        "/key/generate",
        r#"{"key_alias":"one","models":["chat"],"max_budget":2.5,"budget_duration":"1d","duration":"1h",
            "metadata":{"a":1},"rpm_limit":7,"tags":["t"],"model_max_budget":{"chat":{"budget_limit":1,"time_period":"1d"}}}"#,
    );
    let key = made.at("key");
    assert!(key.starts_with("sk-") && key.len() == 25, "{key}");
    let hash = KeyHash::of(&key).to_string();
    assert_eq!((made.at("token"), made.at("token_id")), (hash.clone(), hash.clone()));
    assert_eq!(made.at("key_name"), format!("sk-...{}", &key[21..]));
    assert_eq!(
        (made.at("max_budget"), made.at("models"), made.at("metadata.a")),
        ("2.5".into(), "[\"chat\"]".into(), "1".into())
    );
    for named in [&key, &hash] {
        let info = admin.get(&format!("/key/info?key={named}"));
        assert_eq!((info.status, info.at("key")), (200, named.clone()), "{}", info.text());
        assert_eq!(
            (info.at("info.key_alias"), info.at("info.spend"), info.at("info.rpm_limit")),
            ("one".into(), "0.0".into(), "7".into())
        );
        assert!(info.at("info.budget_reset_at").ends_with("T00:00:00.000Z"), "{}", info.text());
        assert_eq!(info.at("info.model_max_budget.chat.max_budget"), "1.0");
        assert!(!info.text().contains(&format!("\"token\":\"{hash}")), "the row is without its hash");
    }
    let own = admin.with(&key).get("/key/info");
    assert_eq!((own.status, own.at("key")), (200, hash), "{}", own.text());
}

#[test]
fn what_makes_no_sense_is_refused_in_litellms_words() {
    let rig = rig("keys-refused");
    let admin = admin(&rig);
    admin.done("/key/generate", r#"{"key_alias":"taken","key":"sk-keys-own-000000000003"}"#);
    for (body, status, way, expected) in [
        (
            r#"{"max_budget":-1}"#,
            400,
            "error.message",
            "{'error': 'max_budget must be a non-negative finite number. Received: -1.0'}",
        ),
        (r#"{"max_budget":-1}"#, 400, "error.code", "400"),
        (r#"{"max_budget":-1}"#, 400, "error.type", "internal_server_error"),
        (r#"{"max_budget":NaN}"#, 400, "error.param", "request_body"),
        (r#"{"max_budget":"much"}"#, 422, "detail.0.loc.1", "max_budget"),
        (r#"{"models":"chat"}"#, 422, "detail.0.type", "list_type"),
        (r#"{"budget_duration":"often"}"#, 400, "error.code", "400"),
        (r#"{"duration":"soon"}"#, 400, "error.code", "400"),
        (
            r#"{"key_alias":"taken"}"#,
            400,
            "error.message",
            "Key with alias 'taken' already exists. Unique key aliases across all keys are required.",
        ),
        (r#"{"key_alias":"declared"}"#, 400, "error.param", "key_alias"),
        (r#"{"key":"sk-short"}"#, 400, "error.code", "400"),
        (r#"{"key":"no-0123456789abcdefgh"}"#, 400, "error.code", "400"),
        (r#"{"key":"sk-keys-own-000000000003"}"#, 400, "error.code", "400"),
        (r#"{"key":"sk-keys-declared-000002"}"#, 400, "error.code", "400"),
        (r#"{"team_id":"nowhere"}"#, 400, "error.code", "400"),
        (r#"{"key_alias":"a","key_alias":"b"}"#, 400, "error.param", "request_body"),
        (r#"[]"#, 422, "detail.0.loc.0", "body"),
        ("", 422, "detail.0.type", "missing"),
    ] {
        let answer = admin.post("/key/generate", body);
        assert_eq!((answer.status, answer.at(way).as_str()), (status, expected), "{body}: {}", answer.text());
    }
    let unknown = admin.get("/key/info?key=sk-nobody-000000000000");
    assert_eq!(
        unknown.text(),
        r#"{"error":{"message":"Key not found in database","type":"not_found_error","param":"key","code":"404"}}"#
    );
    assert_eq!(unknown.status, 404);
}

/// The status of one call to `chat`, without an answer's length in it.
fn chat(rig: &Rig, key: &str) -> u16 {
    rig.chat(key, &body("chat", r#","max_tokens":5"#)).status
}

#[test]
fn a_key_works_at_once_and_is_refused_at_once() {
    let rig = rig("keys-at-once");
    let admin = admin(&rig);
    let key = admin.key("{}");
    let named = format!(r#"{{"key":"{key}"}}"#);
    assert_eq!(chat(&rig, &key), 200);
    assert_eq!(admin.done("/key/block", &named).at("blocked"), "true");
    let blocked = rig.client().chat(&key, &body("chat", "")).unwrap();
    assert_eq!(blocked.status, 401);
    assert!(blocked.at("error.message").contains("Key is blocked"), "{}", blocked.text());
    admin.done("/key/unblock", &named);
    assert_eq!(chat(&rig, &key), 200);
    let gone = admin.done("/key/delete", &format!(r#"{{"keys":["{key}","sk-nobody-000000000000"]}}"#));
    assert_eq!(gone.at("deleted_keys"), format!("[\"{key}\"]"));
    assert_eq!(chat(&rig, &key), 401);
    let again = admin.post("/key/delete", &format!(r#"{{"keys":["{key}"]}}"#));
    assert_eq!((again.status, again.at("error.message")), (404, "{'error': 'No keys found'}".to_owned()));
    let brief = admin.key(r#"{"duration":"0s"}"#);
    let expired = rig.client().chat(&brief, &body("chat", "")).unwrap();
    assert_eq!((expired.status, expired.at("error.type")), (401, "expired_key".to_owned()));
}

#[test]
fn an_update_changes_what_it_names_and_holds_from_the_next_request() {
    let rig = rig("keys-update");
    let admin = admin(&rig);
    let key = admin.key(r#"{"key_alias":"a","models":["other"],"metadata":{"x":1},"max_budget":5}"#);
    admin.key(r#"{"key_alias":"b"}"#);
    assert_eq!(chat(&rig, &key), 403);
    let changed = admin.done("/key/update", &format!(r#"{{"key":"{key}","models":["chat"],"rpm_limit":1}}"#));
    assert_eq!((changed.at("key"), changed.at("models")), (key.clone(), "[\"chat\"]".to_owned()));
    assert_eq!((changed.at("metadata.x"), changed.at("max_budget")), ("1".to_owned(), "5.0".to_owned()));
    assert_eq!([chat(&rig, &key), chat(&rig, &key)], [200, 429]);
    let info = admin.get(&format!("/key/info?key={key}"));
    assert_eq!(
        (info.at("info.live.requests.limit"), info.at("info.live.requests.remaining")),
        ("1".to_owned(), "0".to_owned()),
        "{}",
        info.text()
    );
    assert_ne!(info.at("info.spend"), "0.0");
    let cleared = admin.done("/key/update", &format!(r#"{{"key":"{key}","rpm_limit":null,"max_budget":0}}"#));
    assert_eq!(cleared.at("rpm_limit"), "null");
    assert_eq!(chat(&rig, &key), 422, "nothing is left of the budget");
    for (body, status) in [
        (format!(r#"{{"key":"{key}","key_alias":"b"}}"#), 400),
        (format!(r#"{{"key":"{key}","key_alias":"a"}}"#), 200),
        (format!(r#"{{"key":"{key}","budget_duration":"often"}}"#), 400),
        (r#"{"key":"sk-nobody-000000000000"}"#.to_owned(), 404),
        (format!(r#"{{"key":"{DECLARED}","blocked":true}}"#), 400),
        (r#"{"models":[]}"#.to_owned(), 422),
    ] {
        let answer = admin.post("/key/update", &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
    let bulk = format!(r#"{{"keys":[{{"key":"{key}","max_budget":9}},{{"key":"sk-nobody-000000000000"}}]}}"#);
    let done = admin.done("/key/bulk_update", &bulk);
    assert_eq!(
        (
            done.at("total_requested"),
            done.at("successful_updates.0.key_info.max_budget"),
            done.at("failed_updates.0.failed_reason")
        ),
        ("2".to_owned(), "9.0".to_owned(), "Key not found in database".to_owned())
    );
    assert_eq!(chat(&rig, &key), 200);
}

#[test]
fn limits_of_a_key_that_is_made_hold() {
    let rig = rig("keys-limits");
    let admin = admin(&rig);
    for (fields, first, second) in [
        (r#"{"rpm_limit":1}"#, 200, 429),
        (r#"{"model_rpm_limit":{"chat":1}}"#, 200, 429),
        (r#"{"tpm_limit":1}"#, 200, 429),
        (r#"{"max_parallel_requests":0}"#, 429, 429),
        (r#"{"max_budget":0}"#, 422, 422),
        (r#"{"budget_limits":[{"budget_duration":"1d","max_budget":0}]}"#, 422, 422),
        (r#"{"model_max_budget":{"chat":{"max_budget":0}}}"#, 422, 422),
        (r#"{"max_budget":0,"temp_budget_increase":5,"temp_budget_expiry":"2999-01-01"}"#, 200, 200),
        (r#"{"max_budget":0,"temp_budget_increase":5,"temp_budget_expiry":"2020-01-01"}"#, 422, 422),
        (r#"{"allowed_ips":["192.0.2.7"]}"#, 403, 403),
        (r#"{"aliases":{"chat":"nothing-of-the-kind"}}"#, 400, 400),
        (r#"{"enforced_params":["max_tokens","messages"]}"#, 200, 200),
        (r#"{"enforced_params":["user"]}"#, 400, 400),
        (r#"{"enforced_params":["metadata.purpose"]}"#, 400, 400),
    ] {
        let key = admin.key(fields);
        assert_eq!([chat(&rig, &key), chat(&rig, &key)], [first, second], "{fields}");
    }
}

#[test]
fn a_key_is_replaced_with_its_account_and_the_old_one_is_let_in_as_long_as_was_said() {
    let rig = rig("keys-rotate");
    let admin = admin(&rig);
    let first = admin.key(r#"{"key_alias":"rotating","max_budget":5}"#);
    assert_eq!(chat(&rig, &first), 200);
    let spend = |key: &str| admin.get(&format!("/key/info?key={key}")).at("info.spend");
    eventually("it is charged", || spend(&first) != "0.0");
    let spent = spend(&first);
    let second = admin.done(&format!("/key/{first}/regenerate"), r#"{"grace_period":"1h","max_budget":6}"#);
    assert_eq!((second.at("key_alias"), second.at("max_budget")), ("rotating".to_owned(), "6.0".to_owned()));
    let second = second.at("key");
    assert_eq!(spend(&second), spent, "the account stays");
    assert_eq!([chat(&rig, &first), chat(&rig, &second)], [200, 200]);
    let own = "sk-keys-brought-0000000001";
    let third = admin.done("/key/regenerate", &format!(r#"{{"key":"{second}","new_key":"{own}"}}"#));
    assert_eq!((third.at("key"), third.at("rotation_count")), (own.to_owned(), "2".to_owned()));
    assert_eq!([chat(&rig, &first), chat(&rig, &second), chat(&rig, own)], [401, 401, 200]);
    let limited = admin.key(r#"{"rpm_limit":1}"#);
    assert_eq!(chat(&rig, &limited), 200);
    let next = admin.done(&format!("/key/{limited}/regenerate"), "").at("key");
    assert_eq!(chat(&rig, &next), 429, "a new key is no new minute");
    let itself = admin.with(own).post("/key/regenerate", "");
    assert_eq!(itself.status, 401, "a key without a user changes nothing: {}", itself.text());
    assert_eq!(admin.post(&format!("/key/{own}/regenerate"), r#"{"grace_period":"-1"}"#).status, 400);
}

#[test]
fn what_a_request_must_have_may_stand_in_its_metadata() {
    let rig = rig("keys-enforced");
    let key = admin(&rig).key(r#"{"enforced_params":["metadata.purpose"]}"#);
    let told = body("chat", r#","metadata":{"other":1,"purpose":"tests"}"#);
    assert_eq!(rig.client().chat(&key, &told).unwrap().status, 200);
    let refused = rig.client().chat(&key, &body("chat", r#","metadata":{"other":1}"#)).unwrap();
    assert_eq!((refused.status, refused.at("error.param")), (400, "metadata.purpose".to_owned()));
}

#[test]
fn a_key_may_be_told_nothing_of_the_way_its_requests_go() {
    let rig = rig("keys-explain");
    let admin = admin(&rig);
    let way = |key: &str| {
        let headers = format!("authorization: Bearer {key}\r\nx-tollgate-explain: 1\r\n");
        let mut client = rig.client();
        let answer = client.send("POST /v1/chat/completions", &headers, body("chat", "").as_bytes()).unwrap();
        answer.whole().unwrap().header("x-tollgate-route").map(str::to_owned)
    };
    let (free, bound) = (admin.key("{}"), admin.key(r#"{"permissions":{"explain":false}}"#));
    for told in [MASTER, DECLARED, &free] {
        assert!(way(told).is_some_and(|way| way.contains("=ok;")), "{told}");
    }
    assert_eq!([way(&bound), way(SILENT)], [None, None]);
    admin.done("/key/update", &format!(r#"{{"key":"{bound}","permissions":{{"explain":true}}}}"#));
    assert!(way(&bound).is_some(), "a change is in force at once");
    let wrong = admin.post("/key/generate", r#"{"permissions":{"explain":"no"}}"#);
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    assert!(wrong.text().contains("permissions.explain: expected true or false"), "{}", wrong.text());
}

#[test]
fn what_has_no_effect_is_said() {
    let rig = rig("keys-warned");
    let admin = admin(&rig);
    let made = admin.done("/key/generate", r#"{"guardrails":["pii"],"permissions":{"explain":true},"prompts":[]}"#);
    assert_eq!(made.at("warnings"), r#"["guardrails: kept and shown, without effect here"]"#);
    let unknown = admin.done("/key/generate", r#"{"permissions":{"pii":true}}"#);
    assert_eq!(unknown.at("warnings"), r#"["permissions: kept and shown, without effect here"]"#);
    assert_eq!(made.at("guardrails"), r#"["pii"]"#);
    assert_eq!(admin.done("/key/generate", "{}").at("warnings"), "");
}

#[test]
fn what_was_spent_is_set_back() {
    let rig = rig("keys-reset");
    let admin = admin(&rig);
    let key = admin.key(r#"{"max_budget":1,"spend":1}"#);
    assert_eq!(chat(&rig, &key), 422);
    let reset = admin.done(&format!("/key/{key}/reset_spend"), r#"{"reset_to":0.25}"#);
    assert_eq!((reset.at("previous_spend"), reset.at("spend")), ("1.0".to_owned(), "0.25".to_owned()));
    assert_eq!(chat(&rig, &key), 200);
    assert_eq!(admin.post(&format!("/key/{key}/reset_spend"), r#"{"reset_to":7}"#).status, 400);
}

#[test]
fn keys_are_listed_in_pages_and_by_what_they_are() {
    let rig = rig("keys-list");
    let admin = admin(&rig);
    for number in 0..5 {
        admin.key(&format!(r#"{{"key_alias":"list-{number}","max_budget":{number},"user_id":"u{}"}}"#, number % 2));
    }
    let page = admin.get("/key/list?page=2&size=2&sort_by=max_budget&sort_order=asc&return_full_object=true");
    assert_eq!(
        [page.at("total_count"), page.at("total_pages"), page.at("current_page"), page.at("keys.0.key_alias")],
        ["5", "3", "2", "list-2"].map(str::to_owned),
        "{}",
        page.text()
    );
    for (query, count) in [
        ("user_id=u1", "2"),
        ("key_alias=list-3", "1"),
        ("search=LIST-", "5"),
        ("search=nothing", "0"),
        ("status=active", "5"),
        ("status=blocked", "0"),
        ("include_created_by_keys=true&user_id=default_user_id", "5"),
    ] {
        assert_eq!(admin.get(&format!("/key/list?{query}")).at("total_count"), count, "{query}");
    }
    assert_eq!(admin.get("/key/list").at("keys.0").len(), 64, "hashes, unless rows are asked for");
    assert_eq!(admin.get("/key/list?size=101").status, 422);
    assert_eq!(admin.get("/key/aliases?search=-4").at("aliases"), "[\"list-4\"]");
    let own = admin.key(r#"{"user_id":"u0"}"#);
    assert_eq!(admin.with(&own).get("/key/list").at("total_count"), "4", "a user's own alone");
    let both = admin.done("/v2/key/info", &format!(r#"{{"keys":["{own}","sk-nobody-000000000000"]}}"#));
    assert_eq!((both.at("info.0.user_id"), both.at("info.1")), ("u0".to_owned(), String::new()));
    assert_eq!(admin.with(&own).done("/key/health", "").at("key"), "healthy");
    assert_eq!(admin.post("/key/service-account/generate", "{}").status, 400, "it needs a team");
    assert_eq!(admin.get(&format!("/key/info?key={DECLARED}")).at("info.key_alias"), "declared");
}

#[test]
fn a_key_calls_what_it_is_for() {
    let rig = rig("keys-types");
    let admin = admin(&rig);
    for (fields, calls, reads) in [
        (r#"{"key_type":"llm_api"}"#, 200, 403),
        (r#"{"key_type":"management"}"#, 403, 200),
        (r#"{"key_type":"read_only"}"#, 403, 200),
        (r#"{"allowed_routes":["/v1/chat/*"]}"#, 200, 403),
        (r#"{"allowed_routes":["/key/info"]}"#, 403, 200),
        ("{}", 200, 200),
    ] {
        let key = admin.key(fields);
        assert_eq!((chat(&rig, &key), admin.with(&key).get("/key/info").status), (calls, reads), "{fields}");
    }
    let refused = rig.client().chat(&admin.key(r#"{"key_type":"read_only"}"#), &body("chat", "")).unwrap();
    assert_eq!(
        (refused.at("error.type"), refused.at("error.message")),
        (
            "auth_error".to_owned(),
            "Virtual key is not allowed to call this route. Only allowed to call routes: ['info_routes']. Tried to call \
             route: /v1/chat/completions"
                .to_owned()
        )
    );
}

#[test]
fn every_change_is_told_of_and_no_secret() {
    let rig = rig("keys-audit");
    let admin = admin(&rig);
    let key = admin.key(r#"{"key_alias":"told","metadata":{"api_key":"hush-hush"}}"#);
    let hash = KeyHash::of(&key);
    let named = format!(r#"{{"key":"{key}"}}"#);
    admin.done("/key/update", &format!(r#"{{"key":"{key}","max_budget":3}}"#));
    admin.done("/key/block", &named);
    admin.done("/key/unblock", &named);
    admin.done("/key/delete", &format!(r#"{{"keys":["{key}"]}}"#));
    let told = admin.get(&format!("/audit?object_id={hash}&sort_order=asc"));
    let actions: Vec<_> = (0..5).map(|place| told.at(&format!("audit_logs.{place}.action"))).collect();
    assert_eq!(actions, ["created", "updated", "blocked", "unblocked", "deleted"]);
    assert_eq!(told.at("audit_logs.1.before_value.max_budget"), "");
    assert_eq!(told.at("audit_logs.1.updated_values.max_budget"), "3.0");
    assert_eq!(told.at("audit_logs.0.changed_by_api_key"), "litellm_proxy_master_key");
    for text in [told.text(), rig.gateway.output()] {
        for secret in [&key, "hush-hush", MASTER] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[test]
fn keys_outlive_the_process_however_it_ends() {
    let directory = support::Scratch::new("keys-kept-data");
    let path = directory.path().to_str().unwrap().to_owned();
    let mut rig = rig_with("keys-kept", &["--data-dir", &path], "");
    let (key, blocked, spent) = {
        let admin = admin(&rig);
        let key = admin.key(r#"{"key_alias":"kept","rpm_limit":50}"#);
        let blocked = admin.key("{}");
        admin.done("/key/block", &format!(r#"{{"key":"{blocked}"}}"#));
        assert_eq!(chat(&rig, &key), 200);
        (key.clone(), blocked, admin.get(&format!("/key/info?key={key}")).at("info.spend"))
    };
    assert_ne!(spent, "0.0");
    rig.gateway.signal("KILL");
    rig.gateway.wait();
    let config = rig.config().to_owned();
    rig.gateway = support::Process::gateway(config, &["--data-dir", &path]);
    let admin = admin(&rig);
    assert_eq!([chat(&rig, &key), chat(&rig, &blocked)], [200, 401]);
    let info = admin.get(&format!("/key/info?key={key}"));
    assert_eq!((info.at("info.key_alias"), info.at("info.rpm_limit")), ("kept".to_owned(), "50".to_owned()));
    assert_eq!(admin.get(&format!("/audit?object_id={}", KeyHash::of(&key))).at("total"), "1");
    assert!(
        !std::fs::read(directory.path().join("tollgate.db"))
            .unwrap()
            .windows(key.len())
            .any(|part| part == key.as_bytes())
    );
}

#[test]
fn the_configuration_is_read_anew_on_demand_and_a_wrong_one_is_refused_with_the_reason() {
    let rig = rig("keys-reload");
    let admin = admin(&rig);
    let before = std::fs::read_to_string(rig.config()).unwrap();
    let key = admin.key("{}");
    rig.configure("model_list: [");
    let refused = admin.post("/config/reload", "");
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert!(refused.at("error.message").contains("config.yaml"), "{}", refused.text());
    rig.configure(before);
    assert_eq!(admin.done("/config/reload", "").at("status"), "success");
    assert_eq!(chat(&rig, &key), 200, "keys on record stay");
    assert_eq!(admin.get("/health/services?service=store").at("status"), "healthy");
    assert_eq!(admin.get("/health/services?service=slack").status, 422);
    assert_eq!(admin.with(&key).post("/config/reload", "").status, 401);
}
