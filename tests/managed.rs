//! The management API from a port of its own, and from a command line.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::net::SocketAddr;
use std::process::{Command, Output};

use support::admin::{Admin, at};
use support::rig::{self, Rig, body, eventually};

mod support;

const MASTER: &str = "sk-managed-master-0000001";

fn rig(name: &str, general: &str) -> Rig {
    Rig::start(name, |base| {
        let models = rig::deployment("chat", base, "");
        format!("model_list:\n{models}general_settings: {{master_key: {MASTER}{general}}}\n")
    })
}

/// Runs the binary against a gateway.
fn tollgate(rig: &Rig, key: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tollgate"))
        .args(arguments)
        .env_clear()
        .env("TOLLGATE_URL", rig.gateway.url())
        .env("LITELLM_MASTER_KEY", key)
        .output()
        .unwrap()
}

/// The same as the master, and what it printed.
#[track_caller]
fn printed(rig: &Rig, arguments: &[&str]) -> String {
    let output = tollgate(rig, MASTER, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_port_of_its_own_has_the_management_api_and_no_other_has_it() {
    let rig = rig("managed-port", ", admin_port: 0");
    eventually("it says where it is managed", || rig.gateway.output().contains("managed on http://"));
    let output = rig.gateway.output();
    let (_, rest) = output.split_once("managed on http://").unwrap();
    let address: SocketAddr = rest.split_whitespace().next().unwrap().parse().unwrap();
    let (calls, admin) = (Admin::new(rig.gateway.address(), MASTER), Admin::new(address, MASTER));
    let key = admin.key("{}");
    assert_eq!(rig.client().chat(&key, &body("chat", "")).unwrap().status, 200);
    for (method, path) in [("POST", "/key/generate"), ("GET", "/key/list"), ("GET", "/audit"), ("GET", "/spend/logs")] {
        assert_eq!(calls.send(method, path, "{}").status, 404, "{path}");
    }
    for path in ["/key/list", "/routes", "/openapi.json", "/health/readiness", "/metrics"] {
        assert_eq!(admin.get(path).status, 200, "{path}");
    }
    assert_eq!(admin.post("/v1/chat/completions", &body("chat", "")).status, 404);
    assert_eq!(admin.with("sk-managed-nobody-000001").get("/key/list").status, 401);
}

#[test]
fn teams_are_managed_from_a_command_line() {
    let rig = rig("managed-teams", "");
    let made = printed(&rig, &["team", "create", "--id", "blue", "--alias", "Blue", "--rpm", "9", "--json"]);
    assert_eq!((at(&made, "team_id").unwrap(), at(&made, "rpm_limit").unwrap()), ("blue".to_owned(), "9".to_owned()));
    let key = Admin::new(rig.gateway.address(), MASTER).key(r#"{"team_id":"blue"}"#);
    let chat = || rig.client().chat(&key, &body("chat", "")).unwrap().status;
    assert_eq!(chat(), 200);
    assert!(printed(&rig, &["team", "info", "blue"]).contains("Blue"));
    assert!(printed(&rig, &["team", "block", "blue"]).contains("true"));
    assert_eq!(chat(), 401);
    printed(&rig, &["team", "unblock", "blue"]);
    assert_eq!(chat(), 200);
    assert!(printed(&rig, &["team", "list", "--csv"]).contains("\"blue\""));
    printed(&rig, &["team", "delete", "blue"]);
    assert_eq!(chat(), 401);
}

#[test]
fn keys_are_managed_from_a_command_line() {
    let rig = rig("managed-line", "");
    let made = printed(&rig, &["key", "create", "--alias", "line", "--models", "chat", "--rpm", "9", "--json"]);
    let key = at(&made, "key").unwrap();
    assert_eq!((at(&made, "rpm_limit").unwrap(), at(&made, "models.0").unwrap()), ("9".to_owned(), "chat".to_owned()));
    let chat = |key: &str| rig.client().chat(key, &body("chat", "")).unwrap().status;
    assert_eq!(chat(&key), 200);
    let list = printed(&rig, &["key", "list"]);
    assert!(list.starts_with("key_name") && list.contains("line") && list.contains("active"), "{list}");
    let csv = printed(&rig, &["key", "list", "--search", "line", "--csv"]);
    assert!(csv.lines().nth(1).is_some_and(|row| row.contains("\"line\"")), "{csv}");
    printed(&rig, &["key", "block", &key]);
    assert_eq!(chat(&key), 401);
    assert!(printed(&rig, &["key", "info", &key]).contains("blocked"));
    printed(&rig, &["key", "unblock", &key]);
    let next = at(&printed(&rig, &["key", "rotate", &key, "--grace", "1h", "--json"]), "key").unwrap();
    assert_eq!([chat(&key), chat(&next)], [200, 200]);
    printed(&rig, &["key", "delete", &next]);
    assert_eq!([chat(&key), chat(&next)], [401, 401]);
}

#[test]
fn what_the_gateway_refuses_is_said_and_is_a_failure() {
    let rig = rig("managed-refused", "");
    for (key, arguments, expected) in [
        (MASTER, &["key", "create", "--max-budget=-1"][..], "max_budget must be a non-negative finite number"),
        (MASTER, &["key", "info", "sk-managed-nobody-000001"], "Key not found in database"),
        ("sk-managed-nobody-000001", &["key", "list"], "Invalid proxy server token passed"),
        (MASTER, &["key", "list", "--url", "http://127.0.0.1:1"], "http://127.0.0.1:1/key/list"),
    ] {
        let output = tollgate(&rig, key, arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(told.contains(expected) && told.starts_with("tollgate: "), "{arguments:?}: {told}");
        assert!(!told.contains(MASTER), "{told}");
    }
}
