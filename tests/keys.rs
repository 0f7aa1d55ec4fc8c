//! `/key/*` does what LiteLLM's clients expect of it.

use tollgate::vocabulary::KeyHash;

use support::admin::Admin;
use support::rig::{self, Rig};

mod support;

const MASTER: &str = "sk-keys-master-00000001";
/// Stands in the configuration.
const DECLARED: &str = "sk-keys-declared-000002";

fn rig(name: &str) -> Rig {
    rig_with(name, &[], "")
}

fn rig_with(name: &str, flags: &[&str], settings: &str) -> Rig {
    Rig::start_with(name, flags, |base| {
        format!(
            "model_list:\n{}general_settings: {{master_key: {MASTER}}}\n{settings}virtual_keys:\n{}",
            rig::deployment("chat", base, ""),
            rig::key(DECLARED, "declared", "")
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
