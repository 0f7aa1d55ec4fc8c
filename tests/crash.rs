//! A process may be killed at any moment, and its disk may fail at any call: what a client finished is on file, once.
//!
//! `TOLLGATE_KILLS=1000 cargo test --test crash` kills a gateway under load more often than the usual run does. The calls
//! are hit one by one with `strace`, which must be allowed to trace; without it those tests say that they were skipped.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail as they do, and a child tells by its output what it did"
)]

mod support;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::Connection;
use support::client::{Client, Reply};
use support::rig::{body, eventually};
use support::site::{KEY, Rows, Site, USAGE, call, chat, id, price};
use support::{Scratch, stand};
use tollgate::ledger::{AccountId, Booking, Filter, Ledger, Manner, Memory, Outcome, Receipt, Stage};
use tollgate::roster::{Batch, Change, Key, Roster};
use tollgate::store::{Durability, Options, Store, WAITING_MAX};
use tollgate::vocabulary::{Clock, KeyHash, Metered, PicoUsd, Usage};

/// Kills of a gateway in a usual run.
const KILLS: usize = 200;
/// Gateways beside each other, each killed in its turn.
const SITES: usize = 4;
/// Clients of each.
const CLIENTS: usize = 4;
/// Rounds between two looks at everything there is.
const ROUNDS_PER_LOOK: usize = 25;

/// What the clients of one round saw.
#[derive(Default)]
struct Seen {
    finished: Mutex<Vec<String>>,
    begun: AtomicUsize,
}

/// One call after the other until the gateway is gone; those whose end was read are put down. Some clients leave early,
/// some providers break off.
fn load(address: SocketAddr, number: usize, seen: &Seen) {
    let Ok(mut client) = Client::connect(address) else { return };
    for turn in number.. {
        let more = match turn % 6 {
            0 => {
                seen.begun.fetch_add(1, Ordering::Relaxed);
                leave_early(&mut client, address);
                String::new()
            }
            1 => format!(r#","stream":true,"mock":{{{USAGE},"gap_ms":{}}}"#, turn % 5),
            2 => r#","stream":true,"mock":{"chunks":9,"cut_after":3}"#.to_owned(),
            _ => String::new(),
        };
        let asked = if more.is_empty() { call("") } else { body("chat", &more) };
        seen.begun.fetch_add(1, Ordering::Relaxed);
        let Ok((answer, end)) = client.stream(KEY, &asked).map(Reply::rest) else { return };
        assert_eq!(answer.status, 200, "{}", answer.text());
        let text = answer.text();
        if end.is_ok() && (text.ends_with("data: [DONE]\n\n") || text.ends_with('}')) {
            seen.finished.lock().unwrap().push(id(&answer));
        } else {
            // Cut, by the provider or by the kill.
            let Ok(again) = Client::connect(address) else { return };
            client = again;
        }
    }
}

/// A client that is gone after the first event of a long stream, and comes back on another connection.
fn leave_early(client: &mut Client, address: SocketAddr) {
    let long = body("chat", r#","stream":true,"mock":{"chunks":400,"gap_ms":1}"#);
    if let Ok(mut reply) = client.stream(KEY, &long) {
        reply.events(1).ok();
    }
    if let Ok(again) = Client::connect(address) {
        *client = again;
    }
}

#[test]
fn nothing_that_a_client_finished_is_lost_or_counted_twice_by_kill_9() {
    let kills: usize = std::env::var("TOLLGATE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    std::thread::scope(|scope| {
        for _ in 0..SITES {
            scope.spawn(|| kill_again_and_again(kills.div_ceil(SITES)));
        }
    });
}

fn kill_again_and_again(rounds: usize) {
    let site = Site::new("crash-kill", "");
    let (mut finished, mut begun) = (Vec::new(), 0);
    let mut gateway = site.start();
    for round in 0..rounds {
        let seen = Seen::default();
        std::thread::scope(|scope| {
            for number in 0..CLIENTS {
                let (seen, address) = (&seen, gateway.address());
                scope.spawn(move || load(address, number, seen));
            }
            eventually("the load has begun", || seen.finished.lock().unwrap().len() > 2);
            std::thread::sleep(Duration::from_millis(u64::from(fastrand::u8(..100))));
            gateway.signal("KILL");
            gateway.wait();
        });
        if round % 4 == 0 {
            kill_while_it_starts(&site);
        }
        // The next one moves what this one left.
        gateway = site.start();
        let new = seen.finished.into_inner().unwrap();
        begun += seen.begun.into_inner();
        assert_on_file(&site, &new, round);
        finished.extend(new);
        if round % ROUNDS_PER_LOOK == 0 || round + 1 == rounds {
            let rows = site.rows();
            rows.assert_even();
            assert!(finished.iter().all(|id| rows.costs.get(id) == Some(&price())), "round {round}");
            assert!(rows.costs.len() <= begun, "round {round}: {} rows of {begun} calls", rows.costs.len());
        }
    }
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let before = site.rows();
    before.assert_even();
    let last = site.start();
    let answer = chat(&last, KEY, &call(""));
    let spend = PicoUsd::parse(answer.header("x-litellm-key-spend").unwrap()).unwrap();
    assert_eq!(spend, before.total().plus(price()), "the account goes on where it was");
    println!("{} finished answers of {begun} calls over {rounds} kills: each on file once", finished.len());
}

/// A start that is killed half way: the one after it finds the same.
fn kill_while_it_starts(site: &Site) {
    let mut child = site.command(&[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(u64::from(fastrand::u8(..60))));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[track_caller]
fn assert_on_file(site: &Site, finished: &[String], round: usize) {
    let connection = Connection::open(site.data.join("tollgate.db")).unwrap();
    let mut find =
        connection.prepare("SELECT cost_micro * 1000000 + cost_pico FROM spend WHERE exchange = ?1").unwrap();
    for id in finished {
        let cost = find.query_row([id], |row| row.get::<_, i64>(0));
        let cost = cost.map(|cost| PicoUsd(cost.into()));
        assert_eq!(cost, Ok(price()), "round {round}: {id}, one of {}", finished.len());
    }
}

/// Where the child finds its directory, and that it is one.
const CHILD: &str = "TOLLGATE_CRASH_CHILD";
/// Says to the child that it is to keep receipts as `spend_durability: relaxed` does.
const RELAXED: &str = "TOLLGATE_CRASH_RELAXED";
const BURSTS: usize = 3;
const RECEIPTS: usize = 4;
/// No thread of a child makes so many calls of one name.
const CALLS_MAX: usize = 400;
/// So many calls in a row fail.
const FAILURES: usize = 3;
/// Calls that change what is on a disk, or who may.
const CALLS: [&str; 6] = ["pwrite64", "ftruncate", "fsync", "unlink", "flock", "mkdir"];

/// Not a promise of its own: what the tests below start as a process and disturb. It says what it was told is on file.
#[test]
fn a_child_with_a_store() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let (ledger, roster, clock) = (Arc::new(Memory::new()), Arc::<Roster>::default(), Clock::machine());
    let durability = if std::env::var_os(RELAXED).is_some() { Durability::Relaxed } else { Durability::Strict };
    let options = options(Path::new(&directory), durability);
    let opened = Store::open(options, None, &clock, &ledger, |_| {});
    let Ok(store) = opened.and_then(|store| store.keep_records(&roster).map(|()| store)) else {
        return println!("\nrefused");
    };
    store.serving();
    let keeper = ledger.keeper().unwrap().clone();
    let number = || keeper.number(&Filter::default()).unwrap_or(0);
    let mut expected = number();
    for burst in 0..BURSTS {
        for receipt in 0..RECEIPTS {
            // On a thread of its own: calls are counted by thread, and these shall not be those that are hit alone.
            let (ledger, id) = (ledger.clone(), format!("{}-{burst}-{receipt}", std::process::id()));
            std::thread::spawn(move || keep(&ledger, &id)).join().unwrap();
        }
        let key = KeyHash::of(&format!("sk-{}-{burst}", std::process::id()));
        let changes = vec![Change::Put(Key::new(key, "sk-...").into())];
        if roster.write().commit(Batch { changes, ..Batch::default() }, clock.now().wall_ms).is_ok() {
            println!("\nrecord {key}");
        }
        expected += RECEIPTS as u64;
        eventually("they are moved", || number() >= expected);
    }
    store.close();
    println!("\nended");
}

fn options(directory: &Path, durability: Durability) -> Options {
    let directory = Some(directory.to_owned());
    Options { directory, database: None, durability, retention: None, waiting_max: WAITING_MAX }
}

fn keep(ledger: &Memory, id: &str) {
    println!("\nbegan {id}");
    ledger.note(&receipt(id, PicoUsd(1)), Stage::Flowing);
    ledger.note(&receipt(id, price()), Stage::Ended);
    println!("\nkept {id}");
}

fn receipt(id: &str, cost: PicoUsd) -> Receipt {
    let accounts = [AccountId::Global, AccountId::Key(KeyHash::of(KEY))];
    Receipt {
        exchange: id.into(),
        key: Some(KeyHash::of(KEY)),
        key_alias: Some("rich".into()),
        model: None,
        group: Some("chat".into()),
        deployment: Some("chat-1".into()),
        behalf: None,
        upstream: None,
        manner: Manner::default(),
        usage: Metered::Reported(Usage { prompt: 11, completion: 3, ..Usage::default() }),
        cost,
        excess: PicoUsd::ZERO,
        outcome: Outcome::Complete,
        started_ms: 1_795_226_400_000,
        ended_ms: 1_795_226_400_015,
        booked: accounts.map(|account| Booking { account, resets_at_ms: None }).into_iter().collect(),
        on_file: false,
    }
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// In order, and nothing had disturbed it.
    Undisturbed,
    /// In order, though a call had failed.
    InOrder,
    /// It did not open the store.
    Refused,
    /// It was killed.
    Killed,
    /// It waited in vain, or panicked.
    Broken,
}

/// What children said so far.
#[derive(Default)]
struct Told {
    began: HashSet<String>,
    kept: HashSet<String>,
    records: HashSet<String>,
}

impl Told {
    /// Runs a child and disturbs a call of it.
    fn run(&mut self, directory: &Path, call: &str, disturbance: &str) -> End {
        let trace = directory.with_extension("trace");
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", "signal=none", "-o"]).arg(&trace);
        command.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:{disturbance}")]);
        command.arg(std::env::current_exe().unwrap()).args(["--exact", "a_child_with_a_store", "--nocapture"]);
        let output = command.env(CHILD, directory).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut end = End::Broken;
        for line in text.lines() {
            match line.split_once(' ') {
                Some(("began", id)) => drop(self.began.insert(id.to_owned())),
                Some(("kept", id)) => drop(self.kept.insert(id.to_owned())),
                Some(("record", id)) => drop(self.records.insert(id.to_owned())),
                _ if line == "refused" => end = End::Refused,
                _ if line == "ended" => end = End::InOrder,
                _ => {}
            }
        }
        let traced = std::fs::read_to_string(trace).unwrap();
        match end {
            End::InOrder if !traced.contains("(INJECTED)") => End::Undisturbed,
            End::Broken if traced.contains("= ?") => End::Killed,
            End::Broken => panic!("{call}:{disturbance}: {text}{}", String::from_utf8_lossy(&output.stderr)),
            end => end,
        }
    }

    /// Opens the directory as the next start does, and compares what is on file with what was told.
    #[track_caller]
    fn assert_on_file(&self, directory: &Path, inject: &str) {
        let options = options(directory, Durability::Strict);
        let (ledger, clock, roster) = (Arc::new(Memory::new()), Clock::machine(), Arc::<Roster>::default());
        let store = Store::open(options, None, &clock, &ledger, |_| {}).unwrap();
        store.keep_records(&roster).unwrap();
        store.close();
        let rows = Rows::read(directory);
        rows.assert_even();
        for id in &self.kept {
            assert_eq!(rows.costs.get(id), Some(&price()), "{inject}: {id}");
        }
        assert!(rows.costs.keys().all(|id| self.began.contains(id)), "{inject}");
        assert_eq!(ledger.spent(AccountId::Global, clock.now()).0, rows.total(), "{inject}");
        for id in &self.records {
            assert!(roster.keys.has(&KeyHash::parse(id).unwrap()), "{inject}: record {id}");
        }
    }
}

/// Disturbs the first, second, ... call of this name in each thread until there are no more; how many there were.
fn at_every(call: &str, disturbance: impl Fn(usize) -> String, start: Start) -> usize {
    let scratch = Scratch::new(&format!("crash-{call}"));
    let mut told = Told::default();
    for number in 1..CALLS_MAX {
        let directory = match start {
            Start::Used => scratch.path().join("kept"),
            Start::Fresh => {
                told = Told::default();
                scratch.path().join(number.to_string())
            }
        };
        let disturbance = disturbance(number);
        let end = told.run(&directory, call, &disturbance);
        told.assert_on_file(&directory, &format!("{start:?} {call}:{disturbance}"));
        if end == End::Undisturbed {
            return number - 1;
        }
    }
    panic!("{call} is called {CALLS_MAX} times and more");
}

/// On what a child starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// On nothing.
    Fresh,
    /// On what the others before it left.
    Used,
}

fn can_trace() -> bool {
    let mut command = Command::new("strace");
    let traced = command.args(["-qq", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let can = traced.is_ok_and(|status| status.success());
    if !can {
        stand::skipped("strace is not installed, or may not trace here");
    }
    can
}

#[test]
fn a_kill_before_any_call_that_writes_loses_and_doubles_nothing() {
    if !can_trace() {
        return;
    }
    let mut all = 0;
    for (start, call) in [Start::Fresh, Start::Used].into_iter().flat_map(|start| CALLS.map(|call| (start, call))) {
        let count = at_every(call, |number| format!("signal=SIGKILL:when={number}"), start);
        println!("{start:?} {call}: killed before each of {count}");
        all += count;
    }
    assert!(all > 40, "only {all}");
}

#[test]
fn any_call_that_writes_may_fail_for_a_while() {
    if !can_trace() {
        return;
    }
    let mut all = 0;
    for (call, error) in [("pwrite64", "ENOSPC"), ("ftruncate", "EIO"), ("fsync", "EIO"), ("unlink", "EIO")] {
        let count =
            at_every(call, |number| format!("error={error}:when={number}..{}", number + FAILURES - 1), Start::Used);
        println!("{call}: {error} from each of {count} on");
        all += count;
    }
    assert!(all > 20, "only {all}");
}

#[test]
fn a_commit_of_receipts_is_synced_unless_it_is_relaxed() {
    if !can_trace() {
        return;
    }
    let scratch = Scratch::new("crash-synced");
    let syncs = |name: &str, more: &[(&str, &str)]| {
        let trace = scratch.path().join(format!("{name}.trace"));
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", "signal=none", "-e", "trace=fsync,fdatasync", "-o"]).arg(&trace);
        command.arg(std::env::current_exe().unwrap()).args(["--exact", "a_child_with_a_store", "--nocapture"]);
        let output = command.env(CHILD, scratch.path().join(name)).envs(more.iter().copied()).output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains("\nended\n"), "{output:?}");
        std::fs::read_to_string(trace).unwrap().matches("sync(").count()
    };
    let (strict, relaxed) = (syncs("strict", &[]), syncs("relaxed", &[(RELAXED, "1")]));
    // Records are synced either way: one in each burst.
    assert!(relaxed >= BURSTS && strict >= relaxed + BURSTS, "strict {strict}, relaxed {relaxed}");
}
