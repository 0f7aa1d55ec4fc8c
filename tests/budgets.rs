//! `/budget/*`: budgets that several records share.

use support::admin::Admin;
use support::rig::{self, Rig};

mod support;

const MASTER: &str = "sk-budgets-master-00001";

fn rig(name: &str, flags: &[&str]) -> Rig {
    Rig::start_with(name, flags, |base| {
        format!("model_list:\n{}general_settings: {{master_key: {MASTER}}}\n", rig::deployment("chat", base, ""))
    })
}

fn admin(rig: &Rig) -> Admin {
    Admin::new(rig.gateway.address(), MASTER)
}

#[test]
fn a_budget_is_made_shown_changed_and_taken_away() {
    let rig = rig("budgets-life", &[]);
    let admin = admin(&rig);
    let made = admin.done(
        "/budget/new",
        r#"{"budget_id":"b","max_budget":10,"soft_budget":8,"budget_duration":"30d","tpm_limit":1000,"rpm_limit":10,
            "max_parallel_requests":3,"model_max_budget":{"chat":{"budget_limit":1,"time_period":"1d"}}}"#,
    );
    for (way, expected) in [
        ("budget_id", "b"),
        ("max_budget", "10.0"),
        ("soft_budget", "8.0"),
        ("budget_duration", "30d"),
        ("tpm_limit", "1000"),
        ("rpm_limit", "10"),
        ("max_parallel_requests", "3"),
        ("model_max_budget.chat.max_budget", "1.0"),
        ("model_max_budget.chat.budget_duration", "1d"),
        ("created_by", "default_user_id"),
    ] {
        assert_eq!(made.at(way), expected, "{way}: {}", made.text());
    }
    assert!(made.at("budget_reset_at").starts_with("20"), "{}", made.text());
    let changed = admin.done("/budget/update", r#"{"budget_id":"b","max_budget":20,"soft_budget":null}"#);
    let amounts = (changed.at("max_budget"), changed.at("soft_budget"), changed.at("rpm_limit"));
    assert_eq!(amounts, ("20.0".into(), "null".into(), "10".into()));
    let unnamed = admin.done("/budget/new", r#"{"max_budget":1}"#).at("budget_id");
    assert_eq!(unnamed.len(), 36, "{unnamed}");
    let shown = admin.done("/budget/info", &format!(r#"{{"budgets":["{unnamed}","b","nowhere"]}}"#));
    assert_eq!((shown.at("0.budget_id"), shown.at("1.max_budget"), shown.at("2")), (unnamed, "20.0".into(), "".into()));
    assert_eq!(admin.get("/budget/list").at("0.budget_id"), "b");
    let settings = admin.get("/budget/settings?budget_id=b");
    let field = |place: usize, name: &str| settings.at(&format!("{place}.{name}"));
    assert_eq!((field(0, "field_name"), field(0, "field_value")), ("max_parallel_requests".into(), "3".into()));
    assert_eq!((field(4, "field_name"), field(4, "field_value")), ("max_budget".into(), "20.0".into()));
    assert_eq!((field(5, "field_value"), field(5, "stored_in_db")), ("null".into(), "null".into()));
    assert_eq!(admin.done("/budget/delete", r#"{"id":"b"}"#).at("budget_id"), "b");
    assert_eq!(admin.get("/budget/list").at("1"), "");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let rig = rig("budgets-refused", &[]);
    let admin = admin(&rig);
    admin.done("/budget/new", r#"{"budget_id":"b"}"#);
    for (path, body, status, way, expected) in [
        ("/budget/new", r#"{"budget_id":"b"}"#, 400, "error.code", "400"),
        ("/budget/new", r#"{"max_budget":-1}"#, 400, "error.type", "internal_server_error"),
        ("/budget/new", r#"{"budget_duration":"often"}"#, 400, "error.code", "400"),
        ("/budget/new", r#"{"rpm_limit":"many"}"#, 422, "detail.0.loc.1", "rpm_limit"),
        ("/budget/update", r#"{"max_budget":1}"#, 400, "error.message", "{'error': 'budget_id is required'}"),
        ("/budget/update", r#"{"budget_id":"c"}"#, 404, "error.code", "404"),
        ("/budget/info", r#"{"budgets":[]}"#, 400, "error.code", "400"),
        ("/budget/info", r#"{}"#, 422, "detail.0.loc.1", "budgets"),
        ("/budget/delete", r#"{"id":"c"}"#, 404, "error.code", "404"),
    ] {
        let answer = admin.post(path, body);
        assert_eq!((answer.status, answer.at(way).as_str()), (status, expected), "{path} {body}: {}", answer.text());
    }
    assert_eq!(admin.get("/budget/settings?budget_id=c").status, 404);
    assert_eq!(admin.get("/budget/settings").status, 422);
    assert_eq!(admin.with(&admin.key("{}")).get("/budget/list").status, 401);
}

#[test]
fn a_budget_outlives_the_process_and_binds_the_keys_that_share_it() {
    let place = support::Scratch::new("budgets-kept-data");
    let directory = place.path().to_str().unwrap().to_owned();
    let flags = ["--data-dir", directory.as_str()];
    let key = {
        let rig = rig("budgets-kept", &flags);
        let admin = admin(&rig);
        admin.done("/budget/new", r#"{"budget_id":"slow","rpm_limit":1}"#);
        let key = admin.key(r#"{"budget_id":"slow"}"#);
        assert_eq!(admin.get(&format!("/key/info?key={key}")).at("info.litellm_budget_table.rpm_limit"), "1");
        key
    };
    let rig = rig("budgets-kept-again", &flags);
    let asked = || rig.client().chat(&key, &rig::body("chat", "")).unwrap().status;
    assert_eq!((asked(), asked()), (200, 429));
    admin(&rig).done("/budget/update", r#"{"budget_id":"slow","rpm_limit":null}"#);
    assert_eq!(asked(), 200);
}
