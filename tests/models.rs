//! `/model/*` and `/credentials`: deployments on record are served at once, with secrets that nobody reads off the disk.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::path::{Path, PathBuf};

use support::admin::Admin;
use support::client::{Answer, Client};
use support::rig;
use support::{Process, Scratch};
use tollgate::mock::{Options, Server};

mod support;

const MASTER: &str = "sk-models-master-00001";
const SECRET: &str = "sk-provider-sealed-0123456789";
const OTHER: &str = "sk-provider-another-0123456789";
const SALT: (&str, &str) = ("TOLLGATE_SALT_KEY", "a salt of some length");

struct Site {
    mock: Server,
    config: PathBuf,
    data: PathBuf,
    _scratch: Scratch,
}

impl Site {
    fn new(name: &str) -> Self {
        let mock = Server::start(Options { record: 100, ..Options::default() }).unwrap();
        let scratch = Scratch::new(name);
        let models = rig::deployment("chat", &format!("http://{}/v1", mock.addr()), "");
        let text = format!("model_list:\n{models}general_settings: {{master_key: {MASTER}}}\n");
        let config = scratch.write("config.yaml", &text);
        Self { mock, config, data: scratch.path().join("data"), _scratch: scratch }
    }

    fn start(&self, variables: &[(&str, &str)]) -> Process {
        let arguments =
            ["--port", "0", "--config", self.config.to_str().unwrap(), "--data-dir", self.data.to_str().unwrap()];
        Process::spawn(arguments, variables)
    }

    /// A body of `/model/new`, with more parameters.
    fn model(&self, name: &str, more: &str) -> String {
        let base = self.mock.addr();
        format!(
            r#"{{"model_name":"{name}","litellm_params":{{"model":"openai/up-{name}","api_base":"http://{base}/v1"{more}}},
                "model_info":{{"id":"{name}-1"}}}}"#
        )
    }

    /// With which credential the provider was asked last.
    fn shown(&self) -> String {
        self.mock.requests().last().unwrap().header("authorization").unwrap_or_default().to_owned()
    }
}

fn admin(gateway: &Process) -> Admin {
    Admin::new(gateway.address(), MASTER)
}

fn chat(gateway: &Process, model: &str) -> Answer {
    Client::connect(gateway.address()).unwrap().chat(MASTER, &rig::body(model, "")).unwrap()
}

/// Whether a text stands in some file of a directory.
fn stands_in(directory: &Path, text: &str) -> bool {
    let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let holds = |path: PathBuf| std::fs::read(path).unwrap().windows(text.len()).any(|part| part == text.as_bytes());
    files.filter(|path| path.is_file()).any(holds)
}

#[test]
fn a_model_is_served_as_soon_as_it_is_on_record_and_after_a_restart_and_a_reload() {
    let site = Site::new("models-life");
    {
        let gateway = site.start(&[SALT]);
        let admin = admin(&gateway);
        assert_eq!(chat(&gateway, "new").status, 400);
        let made = admin.done("/model/new", &site.model("new", &format!(r#","api_key":"{SECRET}","rpm":100"#)));
        for (way, expected) in [
            ("model_id", "new-1"),
            ("model_name", "new"),
            ("litellm_params.model", "openai/up-new"),
            ("litellm_params.rpm", "100"),
            ("litellm_params.api_key", "****"),
            ("model_info.id", "new-1"),
            ("model_info.db_model", "true"),
            ("created_by", "default_user_id"),
        ] {
            assert_eq!(made.at(way), expected, "{way}: {}", made.text());
        }
        assert_eq!(chat(&gateway, "new").status, 200);
        assert_eq!(site.shown(), format!("Bearer {SECRET}"));
        assert!(admin.get("/v1/models").text().contains("\"new\""));
        assert!(!admin.get("/audit").text().contains(SECRET));
        assert!(!gateway.output().contains(SECRET));
        assert!(!stands_in(&site.data, SECRET), "nobody reads it off the disk");
    }
    let gateway = site.start(&[SALT]);
    assert_eq!(chat(&gateway, "new").status, 200);
    let reloaded = admin(&gateway).post("/config/reload", "");
    assert_eq!(reloaded.status, 200, "{}", reloaded.text());
    assert_eq!((chat(&gateway, "new").status, chat(&gateway, "chat").status), (200, 200));
    let gone = admin(&gateway).done("/model/delete", r#"{"id":"new-1"}"#);
    assert_eq!(gone.text(), r#"{"message":"Model: new-1 deleted successfully"}"#);
    assert_eq!((chat(&gateway, "new").status, chat(&gateway, "chat").status), (400, 200));
}

#[test]
fn a_model_is_changed_member_by_member_and_a_masked_secret_stays() {
    let site = Site::new("models-changed");
    let gateway = site.start(&[SALT]);
    let admin = admin(&gateway);
    admin.done("/model/new", &site.model("new", &format!(r#","api_key":"{SECRET}","rpm":1"#)));
    assert_eq!((chat(&gateway, "new").status, chat(&gateway, "new").status), (200, 429));
    let changed = admin.done(
        "/model/update",
        r#"{"model_info":{"id":"new-1","mode":"chat"},"litellm_params":{"rpm":null,"api_key":"****"}}"#,
    );
    assert_eq!((changed.at("litellm_params.rpm"), changed.at("model_info.mode")), ("".into(), "chat".into()));
    assert_eq!(chat(&gateway, "new").status, 200);
    assert_eq!(site.shown(), format!("Bearer {SECRET}"));
    let renamed = admin.send(
        "PATCH",
        "/model/new-1/update",
        &format!(r#"{{"model_name":"newer","litellm_params":{{"api_key":"{OTHER}"}}}}"#),
    );
    assert_eq!((renamed.status, renamed.at("model_name")), (200, "newer".into()), "{}", renamed.text());
    assert_eq!((chat(&gateway, "new").status, chat(&gateway, "newer").status), (400, 200));
    assert_eq!(site.shown(), format!("Bearer {OTHER}"));
}

#[test]
fn what_cannot_be_served_changes_nothing_and_is_told_why() {
    let site = Site::new("models-refused");
    let gateway = site.start(&[SALT]);
    let admin = admin(&gateway);
    admin.done("/model/new", &site.model("new", ""));
    for (path, body, status, words) in [
        ("/model/new", site.model("new", ""), 400, "already exists"),
        ("/model/new", site.model("chat", ""), 400, "already exists"),
        ("/model/new", r#"{"model_name":"x","litellm_params":{"model":"nobody/x"}}"#.to_owned(), 400, "nobody"),
        ("/model/new", r#"{"model_name":"x","litellm_params":{}}"#.to_owned(), 400, "litellm_params.model"),
        ("/model/new", r#"{"model_name":"x"}"#.to_owned(), 422, "Field required"),
        ("/model/new", site.model("y", r#","rpm":"often""#), 400, "litellm_params.rpm"),
        ("/model/new", site.model("y", r#","api_key":"file:/etc/hostname""#), 400, "file:PATH"),
        ("/model/new", site.model("y", r#","litellm_credential_name":"none""#), 400, "no credential"),
        ("/model/update", r#"{"model_info":{"id":"chat-1"}}"#.to_owned(), 400, "configuration file"),
        ("/model/update", r#"{"model_info":{"id":"x"}}"#.to_owned(), 400, "not found in db"),
        ("/model/update", r#"{"model_name":"x"}"#.to_owned(), 400, "model_info.id is required"),
        ("/model/delete", r#"{"id":"chat-1"}"#.to_owned(), 400, "configuration file"),
        ("/model/delete", r#"{"id":"x"}"#.to_owned(), 400, "Model with id=x not found in db"),
        (
            "/model/update",
            r#"{"model_info":{"id":"new-1"},"litellm_params":{"model":"nobody/x"}}"#.to_owned(),
            400,
            "nobody",
        ),
    ] {
        let answer = admin.post(path, &body);
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.text());
        assert!(answer.text().contains(words), "{path} {body}: {}", answer.text());
    }
    assert_eq!((chat(&gateway, "new").status, chat(&gateway, "chat").status), (200, 200));
    let key = admin.key("{}");
    assert_eq!(admin.with(&key).post("/model/new", &site.model("z", "")).status, 401);
}

#[test]
fn without_a_key_to_encrypt_with_no_secret_is_taken_and_none_is_lost() {
    let site = Site::new("models-salt");
    {
        let gateway = site.start(&[("UP_KEY", SECRET), ("SOME_MASTER_KEY", OTHER)]);
        let admin = admin(&gateway);
        let refused = admin.post("/model/new", &site.model("new", &format!(r#","api_key":"{SECRET}""#)));
        assert_eq!(refused.status, 400, "{}", refused.text());
        assert!(refused.text().contains("TOLLGATE_SALT_KEY") && !refused.text().contains(SECRET), "{}", refused.text());
        admin.done("/model/new", &site.model("named", r#","api_key":"os.environ/UP_KEY""#));
        assert_eq!(chat(&gateway, "named").status, 200);
        assert_eq!(site.shown(), format!("Bearer {SECRET}"));
        admin.done("/model/new", &site.model("greedy", r#","api_key":"os.environ/SOME_MASTER_KEY""#));
        assert_eq!(chat(&gateway, "greedy").status, 200);
        assert!(!site.shown().contains(OTHER), "the gateway's own keys are not for models");
    }
    {
        let gateway = site.start(&[SALT]);
        admin(&gateway).done("/model/new", &site.model("new", &format!(r#","api_key":"{SECRET}""#)));
    }
    {
        let gateway = site.start(&[("LITELLM_SALT_KEY", "another salt of some length")]);
        assert_eq!((chat(&gateway, "new").status, chat(&gateway, "chat").status), (400, 200));
        assert!(gateway.output().contains("encrypted with another"), "{}", gateway.output());
    }
    let gateway = site.start(&[("LITELLM_SALT_KEY", SALT.1)]);
    assert_eq!(chat(&gateway, "new").status, 200);
    assert_eq!(site.shown(), format!("Bearer {SECRET}"));
}

#[test]
fn a_credential_is_shared_by_the_models_that_name_it() {
    let site = Site::new("models-credentials");
    let gateway = site.start(&[SALT]);
    let admin = admin(&gateway);
    let body = format!(
        r#"{{"credential_name":"up","credential_values":{{"api_key":"{SECRET}"}},"credential_info":{{"for":"tests"}}}}"#
    );
    let made = admin.done("/credentials", &body);
    assert_eq!(made.text(), r#"{"success":true,"message":"Credential created successfully"}"#);
    assert_eq!(admin.post("/credentials", &body).status, 400);
    admin.done("/model/new", &site.model("new", r#","litellm_credential_name":"up""#));
    assert_eq!(chat(&gateway, "new").status, 200);
    assert_eq!(site.shown(), format!("Bearer {SECRET}"));
    let list = admin.get("/credentials");
    assert_eq!(
        list.text(),
        r#"{"success":true,"credentials":[{"credential_name":"up","credential_values":{"api_key":"****"},"credential_info":{"for":"tests"}}]}"#
    );
    assert_eq!(admin.get("/credentials/by_name/up").at("credential_values.api_key"), "****");
    assert_eq!(admin.get("/credentials/by_model/new-1").at("credential_name"), "up");
    let changed =
        admin.send("PATCH", "/credentials/up", &format!(r#"{{"credential_values":{{"api_key":"{OTHER}"}}}}"#));
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(chat(&gateway, "new").status, 200);
    assert_eq!(site.shown(), format!("Bearer {OTHER}"));
    let kept = admin.send("DELETE", "/credentials/up", "");
    assert_eq!(kept.status, 400, "{}", kept.text());
    admin.done("/model/delete", r#"{"id":"new-1"}"#);
    assert_eq!(admin.send("DELETE", "/credentials/up", "").status, 200);
    assert_eq!(admin.get("/credentials/by_name/up").status, 404);
    assert_eq!(admin.send("PATCH", "/credentials/up", "{}").status, 404);
    assert!(!stands_in(&site.data, SECRET) && !stands_in(&site.data, OTHER));
}

#[test]
fn a_credential_of_the_file_stands_in_where_a_deployment_names_it() {
    let mock = Server::start(Options { record: 10, ..Options::default() }).unwrap();
    let scratch = Scratch::new("models-listed");
    let config = format!(
        "credential_list:
  - credential_name: up
    credential_values: {{api_key: os.environ/UP_KEY, api_base: 'http://{}/v1'}}
model_list:
  - model_name: chat
    litellm_params: {{model: openai/up, litellm_credential_name: up}}
general_settings: {{master_key: {MASTER}}}
",
        mock.addr()
    );
    let config = scratch.write("config.yaml", &config);
    let gateway = Process::spawn(["--port", "0", "--config", config.to_str().unwrap()], &[("UP_KEY", SECRET)]);
    assert_eq!(chat(&gateway, "chat").status, 200);
    let asked = mock.requests();
    assert_eq!(asked.last().unwrap().header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
}
