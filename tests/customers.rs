//! `/customer/*` and `/end_user/*`: customers on record, and what binds their requests.

use support::admin::Admin;
use support::client::Answer;
use support::rig::{self, Rig};

mod support;

const MASTER: &str = "sk-customers-master-0001";
/// Ten tokens of an answer cost a cent.
const PRICE: &str = "      input_cost_per_token: 0\n      output_cost_per_token: 0.001\n";

fn rig(name: &str) -> Rig {
    Rig::start(name, |base| {
        let models = [rig::deployment("chat", base, PRICE), rig::deployment("other", base, PRICE)].concat();
        format!("model_list:\n{models}general_settings: {{master_key: {MASTER}}}\n")
    })
}

fn admin(rig: &Rig) -> Admin {
    Admin::new(rig.gateway.address(), MASTER)
}

/// A call for somebody, whose answer costs a cent.
fn chat(rig: &Rig, key: &str, model: &str, customer: &str) -> Answer {
    let more = format!(r#","max_tokens":10,"user":"{customer}","mock":{{"completion_tokens":10,"prompt_tokens":1}}"#);
    rig.chat(key, &rig::body(model, &more))
}

#[test]
fn a_customer_is_put_on_record_shown_changed_and_taken_off() {
    let rig = rig("customers-life");
    let admin = admin(&rig);
    let made = admin.done(
        "/customer/new",
        r#"{"user_id":"ann","alias":"Ann","max_budget":2.5,"budget_duration":"1d","rpm_limit":7,"models":["chat"],
            "allowed_model_region":"eu","default_model":"chat"}"#,
    );
    for (way, expected) in [
        ("user_id", "ann"),
        ("alias", "Ann"),
        ("blocked", "false"),
        ("spend", "0.0"),
        ("allowed_model_region", "eu"),
        ("default_model", "chat"),
        ("models", "[\"chat\"]"),
        ("litellm_budget_table.max_budget", "2.5"),
        ("litellm_budget_table.budget_duration", "1d"),
        ("litellm_budget_table.rpm_limit", "7"),
    ] {
        assert_eq!(made.at(way), expected, "{way}: {}", made.text());
    }
    assert!(made.at("litellm_budget_table.budget_reset_at").ends_with("T00:00:00.000Z"), "{}", made.text());
    let again = admin.post("/end_user/new", r#"{"user_id":"ann"}"#);
    assert_eq!(
        again.text(),
        r#"{"error":{"message":"Customer already exists, passed user_id=ann. Please pass a new user_id.","type":"bad_request","param":"user_id","code":"400"}}"#
    );
    let changed = admin.done("/end_user/update", r#"{"user_id":"ann","alias":null,"max_budget":3}"#);
    assert_eq!((changed.at("alias"), changed.at("litellm_budget_table.max_budget")), ("null".into(), "3.0".into()));
    assert_eq!(changed.at("litellm_budget_table.rpm_limit"), "7", "what is not named stays");
    admin.done("/customer/new", r#"{"user_id":"bob"}"#);
    let list = admin.get("/customer/list");
    assert_eq!((list.at("0.user_id"), list.at("1.user_id"), list.at("2")), ("ann".into(), "bob".into(), String::new()));
    assert_eq!(list.at("1.litellm_budget_table"), "null");
    let gone = admin.done("/customer/delete", r#"{"user_ids":["ann"]}"#);
    assert_eq!(gone.text(), r#"{"deleted_customers":1,"message":"Successfully deleted customers with ids: ['ann']"}"#);
    let unknown = admin.get("/end_user/info?end_user_id=ann");
    assert_eq!(unknown.status, 404);
    assert_eq!(
        unknown.text(),
        r#"{"error":{"message":"End User Id=ann does not exist in db","type":"not_found","param":"end_user_id","code":"404"}}"#
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let rig = rig("customers-refused");
    let admin = admin(&rig);
    admin.done("/budget/new", r#"{"budget_id":"small","max_budget":1}"#);
    for (path, body, status, way, expected) in [
        ("/customer/new", r#"{}"#, 422, "detail.0.loc.1", "user_id"),
        ("/customer/new", r#"{"user_id":7}"#, 422, "detail.0.type", "string_type"),
        (
            "/customer/new",
            r#"{"user_id":"a","max_budget":1,"budget_id":"small"}"#,
            422,
            "detail.0.msg",
            "Value error, Set either 'max_budget' or 'budget_id', not both.",
        ),
        ("/customer/new", r#"{"user_id":"a","budget_id":"none"}"#, 400, "error.code", "400"),
        ("/customer/new", r#"{"user_id":"a","max_budget":-1}"#, 400, "error.code", "400"),
        ("/customer/new", r#"{"user_id":" "}"#, 400, "error.code", "400"),
        ("/customer/update", r#"{"user_id":"a"}"#, 404, "error.param", "user_id"),
        ("/customer/delete", r#"{"user_ids":["a"]}"#, 404, "error.param", "user_ids"),
        ("/customer/unblock", r#"{"user_ids":["a"]}"#, 404, "error.type", "not_found"),
    ] {
        let answer = admin.post(path, body);
        assert_eq!((answer.status, answer.at(way).as_str()), (status, expected), "{path} {body}: {}", answer.text());
    }
    let key = admin.key("{}");
    assert_eq!(admin.with(&key).post("/customer/new", r#"{"user_id":"a"}"#).status, 401);
    assert_eq!(admin.with(&key).get("/customer/list").status, 401);
    assert_eq!(admin.with("").get("/customer/list").status, 401);
    assert_eq!(admin.get("/customer/list").text(), "[]");
}

#[test]
fn a_blocked_customer_is_refused_at_once_and_let_in_again() {
    let rig = rig("customers-blocked");
    let admin = admin(&rig);
    let key = admin.key("{}");
    assert_eq!(chat(&rig, &key, "chat", "ann").status, 200);
    let blocked = admin.done("/customer/block", r#"{"user_ids":["ann"]}"#);
    assert_eq!(
        (blocked.at("blocked_users.0.user_id"), blocked.at("blocked_users.0.blocked")),
        ("ann".into(), "true".into())
    );
    let refused = chat(&rig, &key, "chat", "ann");
    assert_eq!(refused.status, 401, "{}", refused.text());
    assert!(refused.text().contains("ann is blocked"), "{}", refused.text());
    assert_eq!(chat(&rig, &key, "chat", "bob").status, 200);
    let unblocked = admin.done("/end_user/unblock", r#"{"user_ids":["ann"]}"#);
    assert_eq!(unblocked.text(), r#"{"blocked_users":[]}"#);
    assert_eq!(chat(&rig, &key, "chat", "ann").status, 200);
    let log = admin.get("/audit?table_name=LiteLLM_EndUserTable&sort_order=asc");
    assert_eq!((log.at("audit_logs.0.action"), log.at("audit_logs.1.action")), ("blocked".into(), "unblocked".into()));
}

#[test]
fn a_customer_spends_up_to_a_budget_of_its_own_or_a_shared_one() {
    let rig = rig("customers-budget");
    let admin = admin(&rig);
    let key = admin.key("{}");
    admin.done("/customer/new", r#"{"user_id":"own","max_budget":0.015}"#);
    admin.done("/budget/new", r#"{"budget_id":"small","max_budget":0.015}"#);
    admin.done("/customer/new", r#"{"user_id":"sharing","budget_id":"small"}"#);
    for customer in ["own", "sharing"] {
        assert_eq!(chat(&rig, &key, "chat", customer).status, 200);
        let refused = chat(&rig, &key, "chat", customer);
        assert_eq!(refused.status, 422, "{}", refused.text());
        assert_eq!(refused.at("error.type"), "budget_exceeded", "{}", refused.text());
        assert!(refused.text().contains(&format!("End User={customer} over budget")), "{}", refused.text());
        assert_eq!(admin.get(&format!("/customer/info?end_user_id={customer}")).at("spend"), "0.01");
    }
    admin.done("/budget/update", r#"{"budget_id":"small","max_budget":1}"#);
    assert_eq!(chat(&rig, &key, "chat", "sharing").status, 200, "the shared budget grew");
    assert_eq!(chat(&rig, &key, "chat", "own").status, 422);
    admin.done("/customer/update", r#"{"user_id":"own","budget_id":"small"}"#);
    assert_eq!(chat(&rig, &key, "chat", "own").status, 200, "a shared budget takes the place of the customer's own");
    let kept = admin.post("/budget/delete", r#"{"id":"small"}"#);
    assert_eq!(kept.status, 400, "those who share it would be bound by nothing: {}", kept.text());
}

#[test]
fn a_customer_names_its_models_alone_and_as_often_as_it_may() {
    let rig = rig("customers-limits");
    let admin = admin(&rig);
    let key = admin.key("{}");
    admin.done("/customer/new", r#"{"user_id":"ann","models":["chat"],"rpm_limit":1}"#);
    assert_eq!(chat(&rig, &key, "other", "ann").status, 403);
    assert_eq!(chat(&rig, &key, "chat", "ann").status, 200);
    let limited = chat(&rig, &key, "chat", "ann");
    assert_eq!(limited.status, 429, "{}", limited.text());
    assert!(limited.text().contains("Rate limit exceeded for end_user: ann"), "{}", limited.text());
    admin.done("/customer/update", r#"{"user_id":"ann","rpm_limit":null,"models":[]}"#);
    assert_eq!((chat(&rig, &key, "chat", "ann").status, chat(&rig, &key, "other", "ann").status), (200, 200));
}
