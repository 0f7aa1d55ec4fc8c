//! Spend outlives the process: what is on file when one ends in disorder, and what the next one makes of it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as they do")]

mod support;

use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use support::client::Client;
use support::rig::{body, eventually};
use support::site::{KEY, MASTER, POOR, Site, call, chat, id, journals, price};
use tollgate::vocabulary::{KeyHash, PicoUsd};

#[test]
fn a_spent_budget_is_still_spent_after_a_kill() {
    let site = Site::new("durable-budget", "");
    let mut gateway = site.start();
    let mut served = 0;
    while chat(&gateway, POOR, &call(r#""max_tokens":3,"#)).status == 200 {
        served += 1;
    }
    assert!((1..=5).contains(&served), "{served}");
    gateway.signal("KILL");
    gateway.wait();
    let gateway = site.start();
    let answer = chat(&gateway, POOR, &call(r#""max_tokens":3,"#));
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert_eq!(chat(&gateway, KEY, &call("")).status, 200);
}

#[test]
fn a_stream_that_dies_with_the_process_is_charged_for_what_flowed() {
    let site = Site::new("durable-flowing", "");
    let mut gateway = site.start();
    let mut client = Client::connect(gateway.address()).unwrap();
    let long = body("chat", r#","stream":true,"mock":{"chunks":4000,"gap_ms":1}"#);
    let mut reply = client.stream(KEY, &long).unwrap();
    let id = reply.answer.header("x-litellm-call-id").unwrap().to_owned();
    assert!(!reply.events(1_500).unwrap().is_empty());
    gateway.signal("KILL");
    gateway.wait();
    let _gateway = site.start();
    let rows = site.rows();
    assert_eq!(rows.stages[&id], 0, "it flowed");
    // Four bytes to a token, put down every 4 KiB: at least a thousand tokens by then.
    assert!(rows.costs[&id] > PicoUsd::parse("0.0005").unwrap(), "{:?}", rows.costs[&id]);
    rows.assert_even();
}

#[test]
fn a_torn_journal_is_cut_where_it_is_torn() {
    let site = Site::new("durable-torn", "");
    let mut gateway = site.start();
    let ids: Vec<_> = (0..20).map(|_| id(&chat(&gateway, KEY, &call("")))).collect();
    gateway.signal("KILL");
    gateway.wait();
    let mut torn = 0;
    for entry in std::fs::read_dir(&site.data).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().contains("journal-") {
            let mut bytes = std::fs::read(&path).unwrap();
            bytes.extend_from_slice(&[200, 0, 0, 0, 1, 2, 3, 4, 1, 2, 0]);
            std::fs::write(&path, bytes).unwrap();
            torn += 1;
        }
    }
    assert_eq!(torn, 2);
    let _gateway = site.start();
    let rows = site.rows();
    assert!(ids.iter().all(|id| rows.costs[id] == price()));
    rows.assert_even();
}

#[test]
fn a_second_process_and_a_newer_schema_are_refused() {
    let site = Site::new("durable-refused", "");
    let mut gateway = site.start();
    assert_eq!(chat(&gateway, KEY, &call("")).status, 200);
    let words = site.refused();
    assert!(words.contains("another tollgate") && words.contains(&gateway.pid().to_string()), "{words}");
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let connection = Connection::open(site.data.join("tollgate.db")).unwrap();
    connection.pragma_update(None, "user_version", 77).unwrap();
    drop(connection);
    let words = site.refused();
    assert!(words.contains("schema 77 is newer"), "{words}");
}

#[test]
fn the_directory_is_its_owner_s_alone() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new("durable-modes", "");
    let gateway = site.start();
    assert_eq!(chat(&gateway, KEY, &call("")).status, 200);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&site.data), 0o700);
    for entry in std::fs::read_dir(&site.data).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

/// Ends a process that is nobody's child when it is dropped.
struct Successor(u32);

impl Drop for Successor {
    fn drop(&mut self) {
        Command::new("kill").arg("-KILL").arg(self.0.to_string()).status().ok();
    }
}

#[test]
fn a_successor_goes_on_with_the_directory_and_hears_what_its_predecessor_still_spends() {
    let site = Site::new("durable-quit", "");
    let mut gateway = site.start();
    let address = gateway.address();
    assert_eq!(chat(&gateway, KEY, &call("")).status, 200);
    let mut client = Client::connect(address).unwrap();
    let slow = body(
        "chat",
        r#","stream":true,"mock":{"chunks":20,"gap_ms":100,"prompt_tokens":1000000,"completion_tokens":0}"#,
    );
    let mut reply = client.stream(KEY, &slow).unwrap();
    assert!(!reply.events(1).unwrap().is_empty());
    gateway.signal("QUIT");
    eventually("the successor listens", || gateway.output().matches("listening on http").count() == 2);
    let successor =
        Successor(std::fs::read_to_string(site.data.join("tollgate.lock")).unwrap().trim().parse().unwrap());
    assert_ne!(successor.0, gateway.pid());
    assert!(site.refused().contains("another tollgate"), "the directory is never free");
    assert!(reply.whole().unwrap().text().ends_with("data: [DONE]\n\n"));
    assert!(gateway.wait().success());
    assert!(site.refused().contains("another tollgate"), "nor after the first process has ended");
    let spent = || {
        let answer = Client::connect(address).unwrap().chat(KEY, &call("")).unwrap();
        PicoUsd::parse(answer.header("x-litellm-key-spend").unwrap()).unwrap()
    };
    eventually("the successor knows what the stream cost", || spent() > PicoUsd::parse("0.9").unwrap());
    let last = spent();
    drop(successor);
    eventually("the successor is gone", || is_free(&site.data));
    let next = site.start();
    assert_eq!(site.rows().total(), last);
    site.rows().assert_even();
    drop(next);
}

/// Whether no process holds the directory.
fn is_free(data: &Path) -> bool {
    let lock = std::fs::File::open(data.join("tollgate.lock")).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
}

#[test]
fn a_predecessor_that_is_killed_while_it_drains_leaves_its_spend_to_its_successor() {
    let site = Site::new("durable-quit-kill", "");
    let mut gateway = site.start();
    let mut client = Client::connect(gateway.address()).unwrap();
    let mut reply = client.stream(KEY, &body("chat", r#","stream":true,"mock":{"chunks":600,"gap_ms":100}"#)).unwrap();
    let flowing = reply.answer.header("x-litellm-call-id").unwrap().to_owned();
    assert!(!reply.events(1).unwrap().is_empty());
    gateway.signal("QUIT");
    eventually("the successor listens", || gateway.output().matches("listening on http").count() == 2);
    let lock = std::fs::read_to_string(site.data.join("tollgate.lock")).unwrap();
    let _successor = Successor(lock.trim().parse().unwrap());
    gateway.signal("KILL");
    gateway.wait();
    assert!(reply.rest().1.is_err());
    eventually("the successor moves the journal", || {
        site.rows().costs.contains_key(&flowing) && journals(&site.data) <= 3
    });
    site.rows().assert_even();
    assert!(site.refused().contains("another tollgate"));
}

#[test]
fn receipts_can_be_read() {
    let site = Site::new("durable-read", "  maximum_spend_logs_retention_period: 90d\n");
    let mut gateway = site.start();
    let ids: Vec<_> = (0..3).map(|_| id(&chat(&gateway, KEY, &call("")))).collect();
    let get = |path: &str, key: &str| {
        let mut client = Client::connect(gateway.address()).unwrap();
        let headers = format!("authorization: Bearer {key}\r\n");
        client.send(&format!("GET {path}"), &headers, b"").unwrap().whole().unwrap()
    };
    eventually("the receipts are in the database", || site.rows().costs.len() == 3);
    let one = get(&format!("/spend/logs?request_id={}", ids[1]), MASTER);
    assert_eq!(one.status, 200, "{}", one.text());
    for part in [
        &format!("\"request_id\":\"{}\"", ids[1]),
        "\"spend\":0.000017",
        "\"prompt_tokens\":11",
        "\"model_group\":\"chat\"",
    ] {
        assert!(one.text().contains(part), "{part} in {}", one.text());
    }
    let of_key = get(&format!("/spend/logs?api_key={}", KeyHash::of(KEY)), MASTER).text();
    assert_eq!(of_key.matches("\"request_id\"").count(), 3, "{of_key}");
    assert_eq!(get(&format!("/spend/logs?api_key={}", KeyHash::of(POOR)), MASTER).text(), "[]");
    let days = get("/spend/logs?start_date=2020-01-01&end_date=2099-01-01", MASTER).text();
    assert!(days.contains("\"models\":{\"chat\":0.000051") && days.contains(&KeyHash::of(KEY).to_string()), "{days}");
    assert_eq!(get("/spend/logs", KEY).text().matches("\"request_id\"").count(), 3, "its own");
    assert_eq!(get("/spend/logs", POOR).text(), "[]");
    assert_eq!(get(&format!("/spend/logs?api_key={}", KeyHash::of(KEY)), POOR).status, 403);
    assert_eq!(get("/spend/logs?start_date=yesterday", MASTER).status, 422);
    sums_are_printed(&site);
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    sums_are_printed(&site);
}

/// Beside a gateway, and without one.
fn sums_are_printed(site: &Site) {
    for (flags, expected) in [
        (&["--by", "key"][..], "rich"),
        (&["--by", "model", "--json"], "\"spend_usd\": \"0.000051\""),
        (&["--by", "day", "--csv", "--since", "7d"], ",3,33,9,0.000051"),
        (&["--by", "provider", "--csv"], "\"openai\",3,33,9,0.000051"),
        (&["--by", "customer", "--csv"], "customer,requests,prompt_tokens,completion_tokens,spend_usd\n"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        let output = command.arg("spend").arg("--data-dir").arg(&site.data).args(flags).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains(expected), "{flags:?}: {text}{:?}", output.stderr);
    }
}

#[test]
fn relaxed_spend_is_on_file_soon_and_after_an_end_in_order() {
    let site = Site::new("durable-relaxed", "  spend_durability: relaxed\n");
    let mut gateway = site.start();
    let ids: Vec<_> = (0..20).map(|_| id(&chat(&gateway, KEY, &call("")))).collect();
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let rows = site.rows();
    assert!(ids.iter().all(|id| rows.costs[id] == price()));
    assert_eq!(journals(&site.data), 0);
    assert_eq!(site.scratch.path().join("data"), site.data);
    assert!(site.mock.stats().requests >= 20);
}

#[test]
fn receipts_older_than_is_said_are_taken_away_and_what_was_spent_stays() {
    let site = Site::new("durable-old", "  maximum_spend_logs_retention_period: 30d\n");
    let mut gateway = site.start();
    let ids: Vec<_> = (0..3).map(|_| id(&chat(&gateway, KEY, &call("")))).collect();
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let connection = Connection::open(site.data.join("tollgate.db")).unwrap();
    let age = |id: &str, days: i64| {
        let older = "UPDATE spend SET started_ms = started_ms - ?2 * 86400000, day = day - ?2 WHERE exchange = ?1";
        assert_eq!(connection.execute(older, rusqlite::params![id, days]).unwrap(), 1);
    };
    age(&ids[0], 32);
    age(&ids[1], 29);
    // More than are taken away at once.
    let more = "WITH RECURSIVE turn (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM turn WHERE n < 5000) \
                INSERT INTO spend (exchange, stage, outcome, day, started_ms, ended_ms, metered, prompt, completion, \
                cache_read, cache_write, reasoning, cost_micro, cost_pico, booked) \
                SELECT 'old-' || n, 1, 0, day, started_ms, ended_ms, 0, 0, 0, 0, 0, 0, 0, 0, x'' FROM turn, spend \
                WHERE exchange = ?1";
    assert_eq!(connection.execute(more, [&ids[0]]).unwrap(), 5_000);
    let gateway = site.start();
    eventually("old rows go", || site.rows().costs.len() <= 2);
    let rows = site.rows();
    assert_eq!(rows.costs.len(), 2, "the others stay");
    assert!(!rows.costs.contains_key(&ids[0]));
    assert_eq!((rows.daily, rows.global), (price().times(3), price().times(3)), "sums by day and accounts stay");
    let answer = chat(&gateway, KEY, &call(""));
    assert_eq!(PicoUsd::parse(answer.header("x-litellm-key-spend").unwrap()), Ok(price().times(4)));
}

#[test]
fn relaxed_spend_survives_kill_9_once_it_is_in_the_database_and_what_is_there_is_whole() {
    let site = Site::new("durable-relaxed-kill", "  spend_durability: relaxed\n");
    let mut gateway = site.start();
    let ids: Vec<_> = (0..20).map(|_| id(&chat(&gateway, KEY, &call("")))).collect();
    eventually("all are in the database", || site.rows().costs.len() == ids.len());
    let late: Vec<_> = (0..20).map(|_| id(&chat(&gateway, KEY, &call("")))).collect();
    gateway.signal("KILL");
    gateway.wait();
    let gateway = site.start();
    let rows = site.rows();
    assert!(ids.iter().all(|id| rows.costs[id] == price()));
    assert!(rows.costs.iter().all(|(id, cost)| (ids.contains(id) || late.contains(id)) && *cost == price()));
    rows.assert_even();
    let answer = chat(&gateway, KEY, &call(""));
    let spend = PicoUsd::parse(answer.header("x-litellm-key-spend").unwrap()).unwrap();
    assert_eq!(spend, rows.total().plus(price()));
}
