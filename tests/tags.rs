//! `/tag/*` and `/access_group/*`.

use support::admin::Admin;
use support::client::Answer;
use support::rig::{self, Rig};

mod support;

const MASTER: &str = "sk-tags-master-0000001";
/// Ten tokens of an answer cost a cent.
const PRICE: &str = "      input_cost_per_token: 0\n      output_cost_per_token: 0.001\n";

fn rig(name: &str) -> Rig {
    Rig::start(name, |base| {
        let models: String = ["chat", "other"].map(|name| rig::deployment(name, base, PRICE)).concat();
        let grouped = rig::deployment("third", base, PRICE)
            .replace("id: third-1", "id: third-1\n      access_groups: [declared]");
        format!("model_list:\n{models}{grouped}general_settings: {{master_key: {MASTER}}}\n")
    })
}

fn admin(rig: &Rig) -> Admin {
    Admin::new(rig.gateway.address(), MASTER)
}

/// A call whose answer costs a cent.
fn chat(rig: &Rig, key: &str, model: &str, tag: &str) -> Answer {
    let more = format!(
        r#","max_tokens":10,"metadata":{{"tags":["{tag}"]}},"mock":{{"completion_tokens":10,"prompt_tokens":1}}"#
    );
    rig.chat(key, &rig::body(model, &more))
}

#[test]
fn a_tag_is_put_on_record_shown_changed_and_taken_off() {
    let rig = rig("tags-life");
    let admin = admin(&rig);
    let made = admin.done(
        "/tag/new",
        r#"{"name":"batch","description":"nightly","models":["chat-1"],"max_budget":5,"budget_duration":"1d"}"#,
    );
    for (way, expected) in [
        ("message", "Tag batch created successfully"),
        ("tag.name", "batch"),
        ("tag.description", "nightly"),
        ("tag.models", "[\"chat-1\"]"),
        ("tag.model_info", "{\"chat-1\":\"chat\"}"),
        ("tag.litellm_budget_table.max_budget", "5.0"),
        ("tag.created_by", "default_user_id"),
    ] {
        assert_eq!(made.at(way), expected, "{way}: {}", made.text());
    }
    let again = admin.post("/tag/new", r#"{"name":"batch"}"#);
    assert_eq!((again.status, again.at("error.message")), (400, "{'error': 'Tag batch already exists'}".into()));
    let changed = admin.done("/tag/update", r#"{"name":"batch","description":"hourly","max_budget":null}"#);
    assert_eq!(
        (changed.at("message"), changed.at("tag.description")),
        ("Tag batch updated successfully".into(), "hourly".into())
    );
    let shown = admin.done("/tag/info", r#"{"names":["batch"]}"#);
    assert_eq!(
        (shown.at("batch.description"), shown.at("batch.litellm_budget_table.max_budget")),
        ("hourly".into(), "null".into())
    );
    assert_eq!(admin.post("/tag/info", r#"{"names":["nobody"]}"#).status, 404);
    assert_eq!(admin.get("/tag/list").at("0.name"), "batch");
    let gone = admin.done("/tag/delete", r#"{"name":"batch"}"#);
    assert_eq!(gone.text(), r#"{"message":"Tag batch deleted successfully"}"#);
    for path in ["/tag/delete", "/tag/update"] {
        assert_eq!(admin.post(path, r#"{"name":"batch"}"#).status, 404);
    }
    assert_eq!(admin.with(&admin.key("{}")).get("/tag/list").status, 401);
}

#[test]
fn what_is_asked_under_a_tag_spends_up_to_its_budget() {
    let rig = rig("tags-budget");
    let admin = admin(&rig);
    let key = admin.key("{}");
    admin.done("/tag/new", r#"{"name":"batch","max_budget":0.015}"#);
    assert_eq!(chat(&rig, &key, "chat", "batch").status, 200);
    let refused = chat(&rig, &key, "chat", "batch");
    assert_eq!((refused.status, refused.at("error.type")), (422, "budget_exceeded".into()), "{}", refused.text());
    assert!(refused.text().contains("Tag=batch"), "{}", refused.text());
    assert_eq!(chat(&rig, &key, "chat", "free").status, 200);
    assert_eq!(admin.done("/tag/info", r#"{"names":["batch"]}"#).at("batch.spend"), "0.01");
    admin.done("/tag/update", r#"{"name":"batch","max_budget":1}"#);
    assert_eq!(chat(&rig, &key, "chat", "batch").status, 200);
}

#[test]
fn an_access_group_says_which_models_a_key_may_name() {
    let rig = rig("tags-groups");
    let admin = admin(&rig);
    let made = admin.done("/access_group/new", r#"{"access_group":"small","model_names":["chat"]}"#);
    assert_eq!(made.text(), r#"{"access_group":"small","model_names":["chat"],"models_updated":1}"#);
    let key = admin.key(r#"{"models":["small"]}"#);
    assert_eq!((chat(&rig, &key, "chat", "t").status, chat(&rig, &key, "other", "t").status), (200, 403));
    let changed = admin.send("PUT", "/access_group/small/update", r#"{"model_names":["other"]}"#);
    assert_eq!((changed.status, changed.at("model_names")), (200, "[\"other\"]".into()), "{}", changed.text());
    assert_eq!((chat(&rig, &key, "chat", "t").status, chat(&rig, &key, "other", "t").status), (403, 200));
    let list = admin.get("/access_group/list");
    let row = |place: usize| list.at(&format!("access_groups.{place}.access_group"));
    assert_eq!((row(0), row(1), row(2)), ("declared".into(), "small".into(), "".into()));
    assert_eq!(admin.get("/access_group/declared/info").at("model_names"), "[\"third\"]");
    assert_eq!(admin.get("/access_group/small/info").at("deployment_count"), "1");
    let gone = admin.send("DELETE", "/access_group/small/delete", "");
    assert_eq!((gone.status, gone.at("models_updated")), (200, "1".into()), "{}", gone.text());
    assert_eq!(chat(&rig, &key, "other", "t").status, 403, "a group that is gone allows nothing");
    for (method, path, body, status) in [
        ("POST", "/access_group/new", r#"{"access_group":"declared","model_names":["chat"]}"#, 409),
        ("POST", "/access_group/new", r#"{"access_group":"x","model_names":[]}"#, 400),
        ("POST", "/access_group/new", r#"{"access_group":"x","model_names":["nothing"]}"#, 400),
        ("POST", "/access_group/new", r#"{"model_names":["chat"]}"#, 422),
        ("GET", "/access_group/small/info", "", 404),
        ("PUT", "/access_group/small/update", r#"{"model_names":["chat"]}"#, 404),
        ("PUT", "/access_group/declared/update", r#"{"model_names":["chat"]}"#, 400),
        ("DELETE", "/access_group/declared/delete", "", 400),
    ] {
        let answer = admin.send(method, path, body);
        assert_eq!(answer.status, status, "{method} {path} {body}: {}", answer.text());
    }
}

#[test]
fn access_groups_have_litellms_newer_paths_too() {
    let rig = rig("tags-unified");
    let admin = admin(&rig);
    let body = r#"{"access_group_name":"small","description":"Cheap ones","access_model_names":["chat"]}"#;
    let made = admin.post("/v1/access_group", body);
    assert_eq!((made.status, made.at("access_group_id")), (201, "small".to_owned()), "{}", made.text());
    assert_eq!(admin.post("/v1/access_group", body).status, 409);
    let key = admin.done("/key/generate", r#"{"models":["small"]}"#);
    assert_eq!(["chat", "other"].map(|model| chat(&rig, &key.at("key"), model, "t").status), [200, 403]);
    let shown = admin.get("/v1/access_group/small");
    assert_eq!(
        [shown.at("description"), shown.at("access_model_names.0"), shown.at("assigned_key_ids.0")],
        ["Cheap ones".to_owned(), "chat".to_owned(), key.at("token")]
    );
    let changed = admin.send("PUT", "/v1/access_group/small", r#"{"access_model_names":["other"]}"#);
    assert_eq!((changed.status, changed.at("description")), (200, "Cheap ones".to_owned()), "{}", changed.text());
    assert_eq!(["chat", "other"].map(|model| chat(&rig, &key.at("key"), model, "t").status), [403, 200]);
    assert_eq!(admin.get("/access_group/small/info").at("model_names.0"), "other", "the same group under both paths");
    for (body, told) in [
        (r#"{"assigned_team_ids":["t"]}"#, "name the group among the models of the team"),
        (r#"{"access_model_names":["nobody"]}"#, "Model(s) not found"),
        (r#"{"access_group_name":"large"}"#, "keeps its name"),
    ] {
        let refused = admin.send("PUT", "/v1/access_group/small", body);
        assert!(refused.status == 400 && refused.text().contains(told), "{body}: {}", refused.text());
    }
    assert_eq!(admin.get("/v1/access_group").at("0.access_group_name"), "small");
    assert_eq!(admin.send("DELETE", "/v1/access_group/small", "").status, 200);
    assert_eq!(admin.get("/v1/access_group/small").status, 404);
}
