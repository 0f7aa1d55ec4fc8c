//! `/organization/*`: organizations, who belongs to them, and what binds those who do.

use support::admin::Admin;
use support::client::Answer;
use support::rig::{self, Rig};

mod support;

const MASTER: &str = "sk-organizations-master-1";
/// Ten tokens of an answer cost a cent.
const PRICE: &str = "      input_cost_per_token: 0\n      output_cost_per_token: 0.001\n";

fn rig(name: &str) -> Rig {
    Rig::start(name, |base| {
        let models: String = ["chat", "other"].map(|name| rig::deployment(name, base, PRICE)).concat();
        format!("model_list:\n{models}general_settings: {{master_key: {MASTER}}}\n")
    })
}

fn admin(rig: &Rig) -> Admin {
    Admin::new(rig.gateway.address(), MASTER)
}

/// A call whose answer costs a cent.
fn chat(rig: &Rig, key: &str, model: &str) -> Answer {
    let more = r#","max_tokens":10,"mock":{"completion_tokens":10,"prompt_tokens":1}"#;
    rig.chat(key, &rig::body(model, more))
}

#[test]
fn an_organization_is_made_shown_changed_and_taken_away_with_its_keys() {
    let rig = rig("organizations-life");
    let admin = admin(&rig);
    let made = admin.done(
        "/organization/new",
        r#"{"organization_id":"acme","organization_alias":"Acme","models":["chat"],"max_budget":100,
            "budget_duration":"30d","tpm_limit":1000,"metadata":{"a":1}}"#,
    );
    for (way, expected) in [
        ("organization_id", "acme"),
        ("organization_alias", "Acme"),
        ("models", "[\"chat\"]"),
        ("spend", "0.0"),
        ("metadata.a", "1"),
        ("litellm_budget_table.max_budget", "100.0"),
        ("litellm_budget_table.tpm_limit", "1000"),
        ("members", "[]"),
        ("teams", "[]"),
        ("created_by", "default_user_id"),
    ] {
        assert_eq!(made.at(way), expected, "{way}: {}", made.text());
    }
    let changed =
        admin.send("PATCH", "/organization/update", r#"{"organization_id":"acme","organization_alias":"Acme Ltd"}"#);
    assert_eq!((changed.status, changed.at("organization_alias")), (200, "Acme Ltd".into()), "{}", changed.text());
    assert_eq!(changed.at("litellm_budget_table.max_budget"), "100.0", "what is not named stays");
    assert_eq!(admin.get("/organization/info?organization_id=acme").at("organization_alias"), "Acme Ltd");
    assert_eq!(admin.get("/organization/list?org_alias=LTD").at("0.organization_id"), "acme");
    assert_eq!(admin.get("/organization/list?org_id=other").text(), "[]");
    assert_eq!(admin.done("/organization/info", r#"{"organizations":["acme"]}"#).at("0.organization_id"), "acme");
    let key = admin.key(r#"{"organization_id":"acme"}"#);
    assert_eq!((chat(&rig, &key, "chat").status, chat(&rig, &key, "other").status), (200, 403));
    let gone = admin.send("DELETE", "/organization/delete", r#"{"organization_ids":["acme"]}"#);
    assert_eq!((gone.status, gone.at("0.organization_id")), (200, "acme".into()), "{}", gone.text());
    assert_eq!(chat(&rig, &key, "chat").status, 401, "its keys are gone with it");
    assert_eq!(admin.get("/organization/info?organization_id=acme").status, 404);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let rig = rig("organizations-refused");
    let admin = admin(&rig);
    admin.done("/organization/new", r#"{"organization_id":"acme","organization_alias":"Acme"}"#);
    for (method, path, body, status, way, expected) in [
        ("POST", "/organization/new", r#"{}"#, 422, "detail.0.loc.1", "organization_alias"),
        (
            "POST",
            "/organization/new",
            r#"{"organization_alias":"x","organization_id":"acme"}"#,
            400,
            "error.code",
            "400",
        ),
        ("POST", "/organization/new", r#"{"organization_alias":"x","budget_id":"none"}"#, 400, "error.code", "400"),
        ("POST", "/organization/new", r#"{"organization_alias":"x","max_budget":-1}"#, 400, "error.code", "400"),
        ("PATCH", "/organization/update", r#"{"organization_alias":"x"}"#, 422, "detail.0.type", "missing"),
        ("PATCH", "/organization/update", r#"{"organization_id":"x"}"#, 404, "error.code", "404"),
        ("DELETE", "/organization/delete", r#"{"organization_ids":["x"]}"#, 404, "error.code", "404"),
        (
            "POST",
            "/organization/member_add",
            r#"{"organization_id":"x","member":{"role":"internal_user","user_id":"u"}}"#,
            404,
            "error.code",
            "404",
        ),
        (
            "POST",
            "/organization/member_add",
            r#"{"organization_id":"acme","member":{"role":"proxy_admin","user_id":"u"}}"#,
            422,
            "detail.0.loc.1",
            "member",
        ),
        (
            "POST",
            "/organization/member_add",
            r#"{"organization_id":"acme","member":{"role":"internal_user"}}"#,
            400,
            "error.message",
            "{'error': 'Either user_id or user_email must be provided'}",
        ),
        (
            "DELETE",
            "/organization/member_delete",
            r#"{"organization_id":"acme","user_id":"u"}"#,
            404,
            "error.code",
            "404",
        ),
    ] {
        let answer = admin.send(method, path, body);
        assert_eq!((answer.status, answer.at(way).as_str()), (status, expected), "{path} {body}: {}", answer.text());
    }
}

#[test]
fn an_organization_and_its_members_spend_up_to_their_budgets() {
    let rig = rig("organizations-budget");
    let admin = admin(&rig);
    admin.done("/organization/new", r#"{"organization_id":"acme","organization_alias":"Acme","max_budget":0.025}"#);
    admin.done(
        "/organization/member_add",
        r#"{"organization_id":"acme","member":{"role":"internal_user","user_id":"ann"},"max_budget_in_organization":0.015}"#,
    );
    let key = admin.key(r#"{"organization_id":"acme","user_id":"ann"}"#);
    let other = admin.key(r#"{"organization_id":"acme"}"#);
    assert_eq!(chat(&rig, &key, "chat").status, 200);
    let refused = chat(&rig, &key, "chat");
    assert_eq!((refused.status, refused.at("error.type")), (422, "budget_exceeded".into()), "{}", refused.text());
    assert_eq!(chat(&rig, &other, "chat").status, 200);
    let refused = chat(&rig, &other, "chat");
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("Organization=acme"), "{}", refused.text());
    let shown = admin.get("/organization/info?organization_id=acme");
    assert_eq!((shown.at("spend"), shown.at("members.0.spend")), ("0.02".into(), "0.01".into()), "{}", shown.text());
    admin.send("PATCH", "/organization/update", r#"{"organization_id":"acme","max_budget":1}"#);
    assert_eq!((chat(&rig, &other, "chat").status, chat(&rig, &key, "chat").status), (200, 422));
    admin.send(
        "PATCH",
        "/organization/member_update",
        r#"{"organization_id":"acme","user_id":"ann","max_budget_in_organization":1}"#,
    );
    assert_eq!(chat(&rig, &key, "chat").status, 200);
    admin.send("PATCH", "/organization/update", r#"{"organization_id":"acme","blocked":true}"#);
    assert_eq!((chat(&rig, &other, "chat").status, chat(&rig, &key, "chat").status), (401, 401));
}

#[test]
fn an_admin_of_an_organization_manages_its_members_alone() {
    let rig = rig("organizations-members");
    let admin = admin(&rig);
    for id in ["acme", "other"] {
        admin.done("/organization/new", &format!(r#"{{"organization_id":"{id}","organization_alias":"{id}"}}"#));
    }
    let added = admin.done(
        "/organization/member_add",
        r#"{"organization_id":"acme","member":[{"role":"org_admin","user_id":"ada"},
            {"role":"internal_user","user_email":"bob@example.com"}]}"#,
    );
    assert_eq!(added.at("updated_organization_memberships.0.user_role"), "org_admin");
    assert_eq!(added.at("updated_users.1.user_email"), "bob@example.com");
    let bob = added.at("updated_users.1.user_id");
    let ada = admin.with(&admin.key(r#"{"user_id":"ada"}"#));
    let bobs = admin.with(&admin.key(&format!(r#"{{"user_id":"{bob}"}}"#)));
    let stranger = admin.with(&admin.key("{}"));
    let adding =
        |id: &str| format!(r#"{{"organization_id":"{id}","member":{{"role":"internal_user","user_id":"eve"}}}}"#);
    assert_eq!(ada.post("/organization/member_add", &adding("acme")).status, 200);
    assert_eq!(ada.post("/organization/member_add", &adding("other")).status, 403);
    assert_eq!(bobs.post("/organization/member_add", &adding("acme")).status, 401);
    assert_eq!(stranger.post("/organization/member_add", &adding("acme")).status, 401);
    assert_eq!(ada.post("/organization/new", r#"{"organization_alias":"mine"}"#).status, 401);
    let raise = r#"{"organization_id":"acme","max_budget":1000000}"#;
    assert_eq!(ada.send("PATCH", "/organization/update", raise).status, 401, "nobody raises a budget of their own");
    assert_eq!(bobs.get("/organization/info?organization_id=acme").status, 200);
    assert_eq!(bobs.get("/organization/info?organization_id=other").status, 404);
    assert_eq!(stranger.get("/organization/list").text(), "[]");
    assert_eq!(bobs.get("/organization/list").at("0.organization_id"), "acme");
    let by_mail = r#"{"organization_id":"acme","user_email":"BOB@example.com","role":"internal_user_viewer"}"#;
    let changed = ada.send("PATCH", "/organization/member_update", by_mail);
    assert_eq!((changed.status, changed.at("user_role")), (200, "internal_user_viewer".into()), "{}", changed.text());
    let gone = ada.send(
        "DELETE",
        "/organization/member_delete",
        &format!(r#"{{"organization_id":"acme","user_id":"{bob}"}}"#),
    );
    assert_eq!((gone.status, gone.at("user_id")), (200, bob), "{}", gone.text());
    assert_eq!(bobs.get("/organization/info?organization_id=acme").status, 404);
    let log = admin.get("/audit?table_name=LiteLLM_OrganizationMembership&changed_by=ada");
    assert_eq!((log.at("audit_logs.0.action"), log.at("audit_logs.0.object_id")), ("deleted".into(), gone_id(&gone)));
}

fn gone_id(gone: &Answer) -> String {
    format!("{}/{}", gone.at("organization_id"), gone.at("user_id"))
}
