//! Spend outlives the process: whatever a client has the end of is on file, once, also after `kill -9`.
//!
//! `TOLLGATE_KILLS=200 cargo test --test durable` kills more often than the usual run does.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as they do")]

mod support;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use support::client::{Answer, Client};
use support::rig::{self, body, eventually, of_event};
use support::{Process, Scratch};
use tollgate::mock::{Options, Server};
use tollgate::vocabulary::{KeyHash, PicoUsd};

const MASTER: &str = "sk-durable-master-0123456789ab";
const KEY: &str = "sk-durable-0123456789abcdef";
const POOR: &str = "sk-durable-poor-0123456789ab";
const FREE: &str = "sk-durable-free-0123456789ab";
/// What the provider reports, and what that costs.
const USAGE: &str = r#""chunks":3,"prompt_tokens":11,"completion_tokens":3"#;
const PRICE: &str = "0.000017";
/// Kills in a usual run.
const KILLS: u32 = 12;
const CLIENTS: usize = 8;

/// A provider, a configuration and a data directory that outlive the gateways started on them.
struct Site {
    mock: Server,
    config: PathBuf,
    data: PathBuf,
    scratch: Scratch,
}

impl Site {
    fn new(name: &str, general: &str) -> Self {
        let mock = Server::start(Options::default()).unwrap();
        let scratch = Scratch::new(name);
        let prices = "      input_cost_per_token: 0.000001\n      output_cost_per_token: 0.000002\n";
        let config = format!(
            "model_list:\n{}{}router_settings:\n  num_retries: 0\ngeneral_settings:\n  master_key: {MASTER}\n{general}\
             virtual_keys:\n{}{}{}",
            rig::deployment("chat", &format!("http://{}/v1", mock.addr()), prices),
            rig::deployment(
                "gift",
                &format!("http://{}/v1", mock.addr()),
                "      input_cost_per_token: 0\n      output_cost_per_token: 0\n"
            ),
            rig::key(KEY, "rich", "    max_budget: 50\n    budget_duration: 30d\n"),
            rig::key(POOR, "poor", "    max_budget: 0.0001\n"),
            rig::key(FREE, "free", ""),
        );
        let config = scratch.write("config.yaml", &config);
        Self { mock, config, data: scratch.path().join("data"), scratch }
    }

    fn start(&self) -> Process {
        Process::gateway(&self.config, &["--data-dir", self.data.to_str().unwrap()])
    }

    /// Starts a gateway that must refuse to, and says with which words.
    fn refused(&self) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.args(["--port", "0", "--config"]).arg(&self.config).arg("--data-dir").arg(&self.data);
        let output = command.env_clear().stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn rows(&self) -> Rows {
        Rows::read(&self.data)
    }
}

/// What is on file.
struct Rows {
    costs: HashMap<String, PicoUsd>,
    daily: PicoUsd,
    global: PicoUsd,
    stages: HashMap<String, i64>,
}

impl Rows {
    fn read(data: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(data.join("tollgate.db"), flags).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        let money = |micro: i64, pico: i64| PicoUsd(i128::from(micro) * 1_000_000 + i128::from(pico));
        let (mut costs, mut stages) = (HashMap::new(), HashMap::new());
        let mut statement = connection.prepare("SELECT exchange, cost_micro, cost_pico, stage FROM spend").unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let exchange: String = row.get(0).unwrap();
            stages.insert(exchange.clone(), row.get(3).unwrap());
            let cost = money(row.get(1).unwrap(), row.get(2).unwrap());
            assert!(costs.insert(exchange, cost).is_none(), "one row per exchange");
        }
        let sum = |text: &str| connection.query_row(text, [], |row| Ok(money(row.get(0)?, row.get(1)?))).unwrap();
        let daily = sum("SELECT coalesce(sum(cost_micro), 0), coalesce(sum(cost_pico), 0) FROM daily");
        let global = sum(
            "SELECT coalesce(sum(spent_micro), 0), coalesce(sum(spent_pico), 0) FROM account WHERE account = x'00'",
        );
        Self { costs, daily, global, stages }
    }

    fn total(&self) -> PicoUsd {
        self.costs.values().copied().sum()
    }

    /// Rows, days and accounts are the same money.
    #[track_caller]
    fn assert_even(&self) {
        assert_eq!((self.daily, self.global), (self.total(), self.total()));
    }
}

fn price() -> PicoUsd {
    PicoUsd::parse(PRICE).unwrap()
}

fn call(more: &str) -> String {
    body("chat", &format!(r#",{more}"mock":{{{USAGE}}}"#))
}

fn chat(process: &Process, key: &str, body: &str) -> Answer {
    Client::connect(process.address()).unwrap().chat(key, body).unwrap()
}

fn id(answer: &Answer) -> String {
    answer.header("x-litellm-call-id").unwrap().to_owned()
}

/// One call after the other until the gateway is gone; those whose end was read are put down.
fn load(address: std::net::SocketAddr, number: usize, finished: &Mutex<Vec<String>>) {
    let Ok(mut client) = Client::connect(address) else { return };
    for turn in number.. {
        let streamed = turn % 2 == 0;
        let call = if streamed {
            body("chat", &format!(r#","stream":true,"mock":{{{USAGE},"gap_ms":{}}}"#, turn % 5))
        } else {
            call("")
        };
        let Ok(answer) = client.stream(KEY, &call).and_then(support::client::Reply::whole) else { return };
        assert_eq!(answer.status, 200, "{}", answer.text());
        let ended = if streamed { answer.text().ends_with("data: [DONE]\n\n") } else { answer.text().ends_with('}') };
        assert!(ended, "{}", answer.text());
        finished.lock().unwrap().push(id(&answer));
    }
}

#[test]
fn nothing_that_a_client_finished_is_lost_or_counted_twice_by_kill_9() {
    let rounds = std::env::var("TOLLGATE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let site = Site::new("durable-kill", "");
    let mut seen: Vec<String> = Vec::new();
    for round in 0..rounds {
        let mut gateway = site.start();
        let finished = Mutex::new(Vec::new());
        let address = gateway.address();
        std::thread::scope(|scope| {
            for number in 0..CLIENTS {
                let finished = &finished;
                scope.spawn(move || load(address, number, finished));
            }
            eventually("the load has begun", || finished.lock().unwrap().len() > 2);
            std::thread::sleep(Duration::from_millis(u64::from(fastrand::u8(..))));
            gateway.signal("KILL");
            gateway.wait();
        });
        seen.append(&mut finished.into_inner().unwrap());
        drop(gateway);
        // The next one moves what this one left; to end in order adds nothing.
        let mut next = site.start();
        let rows = site.rows();
        let lost: Vec<_> = seen.iter().filter(|id| !rows.costs.contains_key(*id)).collect();
        assert!(lost.is_empty(), "round {round}: of {} finished answers {} have no row", seen.len(), lost.len());
        let wrong: Vec<_> = seen.iter().filter(|id| rows.costs[*id] != price()).collect();
        assert!(
            wrong.is_empty(),
            "round {round}: {} rows have another cost, e.g. {:?}",
            wrong.len(),
            rows.costs[wrong[0]]
        );
        rows.assert_even();
        let others = rows.costs.len() - seen.len();
        assert!(others <= CLIENTS * (round as usize + 1), "{others} rows of answers that nobody finished");
        next.signal("TERM");
        assert!(next.wait().success());
        assert_eq!(site.rows().total(), rows.total());
    }
    let last = site.start();
    let before = site.rows().total();
    let answer = chat(&last, KEY, &call(""));
    let spend = PicoUsd::parse(answer.header("x-litellm-key-spend").unwrap()).unwrap();
    assert_eq!(spend, before.plus(price()), "the account goes on where it was");
    println!("{} finished answers over {rounds} kills: each on file once", seen.len());
}

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

/// A small file system of one's own.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: &Path) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=4m", "none"]).arg(path).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(path.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(&self.0).status().ok();
    }
}

/// Writes zeros until there is no room.
fn fill(path: &Path) {
    use std::io::Write;
    let mut file = std::fs::File::create(path).unwrap();
    for size in [65_536, 4_096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

#[test]
fn a_full_disk_stops_what_costs_money_and_nothing_else_until_there_is_room() {
    let site = Site::new("durable-full", "");
    let Some(_disk) = SmallDisk::mount(&site.data) else {
        println!("SKIPPED: no file system can be mounted here");
        return;
    };
    let mut gateway = site.start();
    let mut ids = vec![id(&chat(&gateway, KEY, &call("")))];
    let filler = site.data.join("filler");
    fill(&filler);
    let mut refusal = None;
    eventually("a request is refused", || {
        // Room that was given back in the meantime is taken, too.
        fill(&site.data.join("filler-2"));
        let answer = chat(&gateway, KEY, &call(""));
        match answer.status {
            200 => ids.push(id(&answer)),
            503 => refusal = Some(answer.text()),
            _ => panic!("{}", answer.text()),
        }
        refusal.is_some()
    });
    let refusal = refusal.unwrap();
    assert!(
        refusal.contains("spend cannot be recorded") && refusal.contains("full") || refusal.contains("space"),
        "{refusal}"
    );
    let ready = Client::connect(gateway.address()).unwrap().get("/health/readiness").unwrap();
    assert_eq!(ready.status, 503, "{}", ready.text());
    assert!(ready.text().contains("cause"), "{}", ready.text());
    for (key, call) in [(FREE, call("")), (KEY, body("gift", &format!(r#","mock":{{{USAGE}}}"#)))] {
        let answer = chat(&gateway, key, &call);
        assert_eq!(answer.status, 200, "without a budget, or without a price: {}", answer.text());
        if key == FREE {
            ids.push(id(&answer));
        }
    }
    std::fs::remove_file(&filler).unwrap();
    std::fs::remove_file(site.data.join("filler-2")).unwrap();
    eventually("it recovers by itself", || {
        let answer = chat(&gateway, KEY, &call(""));
        if answer.status == 200 {
            ids.push(id(&answer));
        }
        answer.status == 200
    });
    eventually("it says so", || {
        Client::connect(gateway.address()).unwrap().get("/health/readiness").unwrap().status == 200
    });
    assert_eq!(of_event(&gateway.output(), "trouble").count(), 1);
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let rows = site.rows();
    assert!(ids.iter().all(|id| rows.costs.get(id) == Some(&price())), "{} ids, {} rows", ids.len(), rows.costs.len());
    rows.assert_even();
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

fn journals(data: &Path) -> usize {
    let names = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().starts_with("journal-")).count()
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
