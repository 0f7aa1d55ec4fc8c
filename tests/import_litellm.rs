//! A LiteLLM database is read as it is: its keys work here, its budgets hold, and what was not taken is told of.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as they do")]

mod support;

use std::process::{Command, Output, Stdio};

use support::admin::{Admin, at};
use support::client::Client;
use support::postgres::Postgres;
use support::rig::{body, eventually};
use support::{Process, Scratch};
use tollgate::mock::{Options, Server};
use tollgate::vocabulary::KeyHash;

const MASTER: &str = "sk-import-master-01234567890";
const KEY: &str = "sk-theirs-0123456789abcdef";
const POOR: &str = "sk-theirs-poor-0123456789ab";
/// LiteLLM's salt key.
const SALT: &str = "sk-their-salt-0123456789";

/// The tables, with columns of ours alone.
const TABLES: &str = r#"
CREATE TABLE "LiteLLM_BudgetTable" (budget_id text PRIMARY KEY, max_budget float, soft_budget float,
  max_parallel_requests int, tpm_limit bigint, rpm_limit bigint, model_max_budget jsonb, budget_duration text,
  budget_reset_at timestamp(3), created_at timestamp(3) DEFAULT now(), created_by text);
CREATE TABLE "LiteLLM_OrganizationTable" (organization_id text PRIMARY KEY, organization_alias text, budget_id text,
  metadata jsonb DEFAULT '{}', models text[], spend float DEFAULT 0);
CREATE TABLE "LiteLLM_ModelTable" (id serial PRIMARY KEY, aliases jsonb);
CREATE TABLE "LiteLLM_TeamTable" (team_id text PRIMARY KEY, team_alias text, organization_id text, members_with_roles jsonb,
  metadata jsonb DEFAULT '{}', max_budget float, spend float DEFAULT 0, models text[], rpm_limit bigint,
  budget_duration text, budget_reset_at timestamp(3), blocked bool DEFAULT false, model_id int);
CREATE TABLE "LiteLLM_TeamMembership" (user_id text, team_id text, spend float DEFAULT 0, budget_id text);
CREATE TABLE "LiteLLM_UserTable" (user_id text PRIMARY KEY, user_alias text, user_role text, max_budget float,
  spend float DEFAULT 0, user_email text, models text[], password text, teams text[], metadata jsonb DEFAULT '{}');
CREATE TABLE "LiteLLM_OrganizationMembership" (user_id text, organization_id text, user_role text, spend float DEFAULT 0,
  budget_id text);
CREATE TABLE "LiteLLM_EndUserTable" (user_id text PRIMARY KEY, alias text, spend float DEFAULT 0, budget_id text,
  blocked bool DEFAULT false);
CREATE TABLE "LiteLLM_CredentialsTable" (credential_id text PRIMARY KEY, credential_name text, credential_values jsonb,
  credential_info jsonb);
CREATE TABLE "LiteLLM_ProxyModelTable" (model_id text PRIMARY KEY, model_name text, litellm_params jsonb, model_info jsonb);
CREATE TABLE "LiteLLM_VerificationToken" (token text PRIMARY KEY, key_name text, key_alias text, spend float DEFAULT 0,
  expires timestamp(3), models text[], aliases jsonb DEFAULT '{}', config jsonb DEFAULT '{}', user_id text, team_id text,
  permissions jsonb DEFAULT '{}', metadata jsonb DEFAULT '{}', blocked bool, tpm_limit bigint, rpm_limit bigint,
  max_budget float, budget_duration text, budget_reset_at timestamp(3), agent_id text,
  allowed_routes text[] DEFAULT '{}');
CREATE TABLE "LiteLLM_SpendLogs" (request_id text PRIMARY KEY, call_type text, api_key text, spend float,
  prompt_tokens int, completion_tokens int, "startTime" timestamp(3), "endTime" timestamp(3), model text, model_group text,
  metadata jsonb, request_tags jsonb, team_id text, end_user text, "user" text, api_base text);
"#;

fn rows(provider: &str) -> String {
    let (key, poor) = (KeyHash::of(KEY), KeyHash::of(POOR));
    format!(
        r#"
INSERT INTO "LiteLLM_BudgetTable" (budget_id, max_budget, rpm_limit) VALUES ('b', 12.5, 90);
INSERT INTO "LiteLLM_OrganizationTable" VALUES ('o', 'Org', 'b', '{{}}', '{{}}', 1.5);
INSERT INTO "LiteLLM_ModelTable" (aliases) VALUES ('{{"quick":"chat"}}');
INSERT INTO "LiteLLM_TeamTable" (team_id, team_alias, organization_id, members_with_roles, max_budget, spend, model_id)
  VALUES ('t', 'Team', 'o', '[{{"role":"admin","user_id":"u"}},{{"role":"user","user_id":"v"}}]', 100, 3.25, 1);
INSERT INTO "LiteLLM_TeamMembership" VALUES ('u', 't', 0.5, 'b');
INSERT INTO "LiteLLM_UserTable" (user_id, user_role, user_email, password) VALUES
  ('u', 'internal_user', 'u@example.com', 'hashed'), ('v', 'proxy_admin', NULL, NULL);
INSERT INTO "LiteLLM_OrganizationMembership" VALUES ('u', 'o', 'org_admin', 0, NULL);
INSERT INTO "LiteLLM_EndUserTable" VALUES ('c', 'Customer', 0.1, 'b', true);
INSERT INTO "LiteLLM_CredentialsTable" VALUES ('1', 'cred', '{{"api_key":"SEALED"}}', '{{}}');
INSERT INTO "LiteLLM_ProxyModelTable" VALUES
  ('m', 'theirs', '{{"model":"openai/up","api_base":"http://{provider}/v1","api_key":"SEALED","rpm":60}}', '{{"mode":"chat"}}'),
  ('n', 'lost', '{{"model":"openai/up","api_key":"BROKEN"}}', '{{}}');
INSERT INTO "LiteLLM_VerificationToken" (token, key_name, key_alias, spend, models, team_id, metadata, agent_id, rpm_limit)
  VALUES ('{key}', 'sk-...cdef', 'theirs', 0.25, '{{}}', 't', '{{"tags":["a"],"model_rpm_limit":{{"chat":7}}}}', 'agent', 500);
INSERT INTO "LiteLLM_VerificationToken" (token, key_name, key_alias, spend, max_budget, models)
  VALUES ('{poor}', 'sk-...89ab', 'poor', 5.0000000001, 5, '{{chat}}');
INSERT INTO "LiteLLM_VerificationToken" (token, key_name) VALUES ('plain', 'sk-...lain');
INSERT INTO "LiteLLM_SpendLogs" VALUES
  ('r1', 'acompletion', '{key}', 0.25, 100, 20, '2026-03-01 10:00:00', '2026-03-01 10:00:02', 'openai/up', 'chat',
   '{{"user_api_key_alias":"theirs"}}', '["a"]', 't', 'c', 'u', 'http://p'),
  ('r2', 'acompletion', '', 0.5, 1, 1, '2026-03-02 10:00:00', '2026-03-02 10:00:02', 'openai/up', 'chat', '{{}}', '[]', NULL,
   NULL, '', '');
"#
    )
    .replace("SEALED", SEALED)
    .replace("BROKEN", BROKEN)
}

/// `sk-provider-of-theirs`, encrypted with [`SALT`].
const SEALED: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH9aQMqJXT4DWwQlrfrCZ2IEU9fSDzNk22X_oXIG_rX3UrG2WLgA==";
/// The same with another salt key.
const BROKEN: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHZJB8CcqRCtktZFLRcoUQ2XOavmO3sipMolW6ZerBi7kC8Ev8Cg==";

fn import(database: &Postgres, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
    command.args(["import", "litellm", "--database-url", &database.url()]).args(arguments);
    command.env_clear().env("LITELLM_SALT_KEY", SALT).stdin(Stdio::null()).output().unwrap()
}

#[track_caller]
fn told(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn their_keys_work_here_and_each_rows_fidelity_is_told() {
    let Some(database) = Postgres::start() else { return };
    let mock = Server::start(Options::default()).unwrap();
    database.sql(&format!("{TABLES}{}", rows(&mock.addr().to_string())));
    let scratch = Scratch::new("import-litellm");
    let data = scratch.path().join("data");
    let data = data.to_str().unwrap();
    let dry = told(&import(&database, &["--data-dir", data, "--dry-run"]));
    assert!(dry.contains("would be taken") && !std::path::Path::new(data).exists(), "{dry}");
    let lines = told(&import(&database, &["--data-dir", data]));
    for line in [
        "LiteLLM_VerificationToken sk-...cdef: part: without agent_id",
        "LiteLLM_VerificationToken sk-...89ab: whole",
        "LiteLLM_VerificationToken sk-...lain: left out: its token is no SHA-256",
        "LiteLLM_UserTable u: part: without password",
        "LiteLLM_TeamTable t: whole",
        "LiteLLM_TeamMembership u: whole",
        "LiteLLM_TeamMembership t:v: whole",
        "LiteLLM_ProxyModelTable m: whole",
        "LiteLLM_ProxyModelTable n: left out: its secrets were encrypted with another salt key",
        "LiteLLM_CredentialsTable cred: whole",
        "2 rows of the log taken, 0 left out",
    ] {
        assert!(lines.contains(line), "{line}:\n{lines}");
    }
    for secret in ["sk-provider-of-theirs", "hashed", SALT] {
        assert!(!lines.contains(secret), "{secret}");
    }
    let again = told(&import(&database, &["--data-dir", data, "--json"]));
    assert_eq!(at(&again, "rows.0.fate").as_deref(), Some("there"), "{again}");

    let config = format!(
        "model_list:\n{}general_settings: {{master_key: {MASTER}}}\n",
        support::rig::deployment("chat", &format!("http://{}/v1", mock.addr()), "")
    );
    let config = scratch.write("config.yaml", &config);
    let arguments = ["--port", "0", "--config", config.to_str().unwrap(), "--data-dir", data];
    let gateway = Process::spawn(arguments, &[("LITELLM_SALT_KEY", SALT)]);
    let admin = Admin::new(gateway.address(), MASTER);
    let chat = |key: &str, model: &str| {
        Client::connect(gateway.address()).unwrap().chat(key, &body(model, "")).unwrap().status
    };
    assert_eq!((chat(KEY, "chat"), chat(KEY, "quick")), (200, 200));
    assert_eq!(chat(KEY, "theirs"), 200);
    let shown = mock.requests().last().unwrap().header("authorization").unwrap_or_default().to_owned();
    assert_eq!(shown, "Bearer sk-provider-of-theirs");
    // A model without a price is served; one with a price is not paid for.
    let poor = admin.get(&format!("/key/info?key={}", KeyHash::of(POOR)));
    assert!(poor.at("info.spend").starts_with("5.0000000001"), "{}", poor.text());
    let team = admin.get("/team/info?team_id=t");
    assert_eq!((team.at("team_info.spend"), team.at("team_info.max_budget")), ("3.25".into(), "100.0".into()));
    assert_eq!(admin.get("/user/info?user_id=v").status, 200);
    eventually("the log has theirs", || {
        let logs = admin.get("/spend/logs/v2?start_date=2026-03-01&end_date=2026-03-03&page_size=10");
        logs.at("total") == "2"
    });
}

#[test]
fn what_is_no_database_of_theirs_is_told_of() {
    let Some(database) = Postgres::start() else { return };
    let scratch = Scratch::new("import-litellm-none");
    let data = scratch.path().to_str().unwrap();
    let output = import(&database, &["--data-dir", data]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("has no table LiteLLM_VerificationToken"), "{told}");
    let nowhere = import(&database, &[]);
    let told = String::from_utf8_lossy(&nowhere.stderr).into_owned();
    assert!(!nowhere.status.success() && told.contains("no table"), "{told}");
}
