//! What a gateway has on file is written out, and read in elsewhere, whole or not at all.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::path::Path;
use std::process::{Command, Output};

use support::Scratch;
use support::admin::Admin;
use support::rig::{self, Rig, body};

mod support;

const MASTER: &str = "sk-transfer-master-000001";
const PRICES: &str = "      input_cost_per_token: 0.001\n      output_cost_per_token: 0.001\n";

fn rig(name: &str, data: &Path) -> Rig {
    Rig::start_with(name, &["--data-dir", data.to_str().unwrap()], |base| {
        let models = rig::deployment("chat", base, PRICES) + &rig::deployment("other", base, "");
        format!("model_list:\n{models}general_settings: {{master_key: {MASTER}}}\n")
    })
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tollgate")).args(arguments).env_clear().output().unwrap()
}

#[track_caller]
fn done(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What it says when it fails.
#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

/// A gateway with one of everything that spent something, then stopped; its export beside a running one.
fn exported(scratch: &Scratch, name: &str) -> (Rig, String, String) {
    let data = scratch.path().join("first");
    let rig = rig(name, &data);
    let admin = Admin::new(rig.gateway.address(), MASTER);
    admin.done("/team/new", r#"{"team_id":"blue","team_alias":"Blue","max_budget":100}"#);
    admin.done("/user/new", r#"{"user_id":"ada","auto_create_key":false,"teams":["blue"]}"#);
    admin.done("/customer/new", r#"{"user_id":"buyer","max_budget":50}"#);
    admin.done("/budget/new", r#"{"budget_id":"shared","max_budget":7}"#);
    admin.done("/organization/new", r#"{"organization_id":"org","organization_alias":"Org","models":["chat"]}"#);
    admin.done("/tag/new", r#"{"name":"night"}"#);
    admin.done("/block/new", r#"{"kind":"model","name":"other","message":"Not today."}"#);
    let key = admin.key(r#"{"key_alias":"moves","team_id":"blue","user_id":"ada","max_budget":90,"tags":["night"]}"#);
    for _ in 0..3 {
        assert_eq!(rig.client().chat(&key, &body("chat", r#","max_tokens":5,"user":"buyer""#)).unwrap().status, 200);
    }
    let spent = || admin.get(&format!("/key/info?key={key}")).at("info.spend");
    let text = || done(&["export", "--data-dir", data.to_str().unwrap(), "--receipts"]);
    rig::eventually("all receipts are in the database", || text().matches("\"kind\":\"receipt\"").count() == 3);
    (rig, key.clone(), spent())
}

#[test]
fn a_database_moves_whole_and_its_keys_and_budgets_go_on_elsewhere() {
    let scratch = Scratch::new("transfer-moves");
    let (first, key, spent) = exported(&scratch, "transfer-first");
    let data = scratch.path().join("first");
    let (file, second) = (scratch.path().join("out.jsonl"), scratch.path().join("second"));
    let (file, to) = (file.to_str().unwrap(), second.to_str().unwrap());
    done(&["export", "--data-dir", data.to_str().unwrap(), "--receipts", "--output", file]);
    let text = std::fs::read_to_string(file).unwrap();
    assert!(!text.contains(&key) && text.contains("\"kind\":\"key\""), "keys are there by their hashes");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(refused(&["export", "--data-dir", data.to_str().unwrap(), "--output", file]).contains("not there yet"));
    let told = refused(&["import", file, "--data-dir", data.to_str().unwrap()]);
    assert!(told.contains("another tollgate"), "a running gateway's directory: {told}");
    drop(first);

    let dry = done(&["import", file, "--data-dir", to, "--dry-run"]);
    assert!(dry.contains("nothing was kept"), "{dry}");
    let report = done(&["import", file, "--data-dir", to, "--json"]);
    for kind in ["key", "team", "team_member", "user", "customer", "budget", "organization", "tag", "block"] {
        assert!(report.contains(&format!("\"kind\": \"{kind}\",\n    \"new\": 1,")), "{kind}: {report}");
    }
    assert!(report.contains("\"kind\": \"receipt\",\n    \"new\": 3,"), "{report}");
    let again = done(&["import", file, "--data-dir", to, "--json"]);
    assert!(!again.contains("\"new\": 1") && again.contains("\"same\": 3"), "twice is once: {again}");
    let spend = |data: &str| done(&["spend", "--data-dir", data, "--by", "team", "--csv"]);
    assert_eq!(spend(to), spend(data.to_str().unwrap()));

    let moved = rig("transfer-second", &second);
    let admin = Admin::new(moved.gateway.address(), MASTER);
    let info = admin.get(&format!("/key/info?key={key}"));
    assert_eq!((info.at("info.key_alias"), info.at("info.spend")), ("moves".to_owned(), spent));
    assert_eq!(moved.client().chat(&key, &body("chat", "")).unwrap().status, 200);
    let blocked = moved.client().chat(&key, &body("other", "")).unwrap();
    assert!(blocked.text().contains("Not today."), "{}", blocked.text());
    assert_eq!(admin.get("/team/info?team_id=blue").at("team_memberships.0.user_id"), "ada");
    drop(moved);

    let told = refused(&["import", file, "--data-dir", to]);
    assert!(told.contains("differs") && told.contains("--on-conflict") && told.contains("nothing was taken"), "{told}");
    assert!(done(&["import", file, "--data-dir", to, "--on-conflict", "keep", "--json"]).contains("\"kept\": 1"));
    let replaced = done(&["import", file, "--data-dir", to, "--on-conflict", "replace", "--json"]);
    assert!(replaced.contains("\"replaced\": 1"), "{replaced}");
}

#[test]
fn what_cannot_be_taken_is_named_by_its_line_and_nothing_is() {
    let scratch = Scratch::new("transfer-refused");
    let head = r#"{"tollgate_export":1,"tollgate":"0.1.0","at":"2026-11-21T09:00:00Z","receipts":false}"#;
    let tag = |name: &str| format!(r#"{{"kind":"tag","body":{{"name":"{name}"}}}}"#);
    let end = |lines: u64| format!(r#"{{"kind":"end","lines":{lines}}}"#);
    let key = |digit: &str| {
        format!(r#"{{"kind":"key","body":{{"token":"{}","key_name":"k","key_alias":"twice"}}}}"#, digit.repeat(64))
    };
    let data = scratch.path().join("data");
    let data = data.to_str().unwrap();
    let cases: &[(Vec<String>, &str)] = &[
        (vec![], ":1: it is empty"),
        (vec!["{}".into()], ":1: expected the first line"),
        (vec![head.replace("export\":1", "export\":9")], ":1: form 9 of tollgate \"0.1.0\" is not 1"),
        (vec![head.into(), tag("a")], ":3: the file ends before its last line"),
        (vec![head.into(), tag("a"), end(2)], ":3: expected 1 lines before it"),
        (vec![head.into(), tag("a"), end(1), tag("b")], ":4: a line after the last one"),
        (vec![head.into(), tag("a"), "{".into()], ":3: EOF"),
        (vec![head.into(), r#"{"kind":"tag","body":{}}"#.into()], ":2: not a record of a tag"),
        (vec![head.into(), r#"{"kind":"tag"}"#.into()], ":2: a line of the kind tag has a body"),
        (vec![head.into(), r#"{"kind":"dream","body":{}}"#.into()], ":2: this version knows no rows of the kind"),
        (vec![head.into(), r#"{"kind":"account","row":{"account":"00"}}"#.into()], ":2: window_end is missing"),
        (
            vec![head.into(), r#"{"kind":"account","row":{"account":"ff","window_end":1,"spent":"1"}}"#.into()],
            ":2: account: expected an account",
        ),
        (
            vec![head.into(), tag("a"), tag("a").replace("}}", r#","description":"b"}}"#)],
            ":3: the tag a is there already",
        ),
        (vec![head.into(), key("a"), key("b"), end(2)], "two keys would have the alias \"twice\""),
    ];
    for (lines, expected) in cases {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let file = scratch.write("in.jsonl", &text);
        let told = refused(&["import", file.to_str().unwrap(), "--data-dir", data]);
        assert!(told.contains(expected) && told.contains("nothing was taken"), "{expected}: {told}");
    }
    let cut = scratch.write("in.jsonl", &format!("{head}\n{}", tag("a")));
    let told = refused(&["import", cut.to_str().unwrap(), "--data-dir", data]);
    assert!(told.contains(":2: the line has no end"), "{told}");
    let whole = scratch.write("in.jsonl", &format!("{head}\n{}\n{}\n", tag("a"), end(1)));
    let report = done(&["import", whole.to_str().unwrap(), "--data-dir", data]);
    assert!(report.contains("tag                            1"), "nothing of the others had stayed: {report}");
    let rest = done(&["export", "--data-dir", data]);
    assert_eq!(rest.lines().count(), 3, "{rest}");
}

#[test]
fn what_a_killed_gateway_left_in_its_journal_is_written_out_too() {
    let scratch = Scratch::new("transfer-killed");
    let data = scratch.path().join("data");
    let mut rig = rig("transfer-killed-rig", &data);
    let key = Admin::new(rig.gateway.address(), MASTER).key("{}");
    for _ in 0..20 {
        assert_eq!(rig.client().chat(&key, &body("chat", r#","max_tokens":5"#)).unwrap().status, 200);
    }
    rig.gateway.signal("KILL");
    rig.gateway.wait();
    let text = done(&["export", "--data-dir", data.to_str().unwrap(), "--receipts"]);
    assert_eq!(text.matches("\"kind\":\"receipt\"").count(), 20);
}
