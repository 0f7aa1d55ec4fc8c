//! A restart drops nothing: SIGTERM lets streams finish, SIGQUIT hands the socket to a new process.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what surrounds the tests fails as they do")]

mod support;

use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use support::client::Client;
use support::rig::{self, Rig, body, eventually, of_event};

const KEY: &str = "sk-shutdown-0123456789abcdef";
/// Streams that are open when the signal comes.
const STREAMS: usize = 50;
/// Clients that call while one process follows the other.
const CALLERS: usize = 4;

fn with_drain(base: &str, seconds: &str) -> String {
    format!(
        "model_list:\n{}router_settings:\n  num_retries: 0\ngeneral_settings:\n  drain_timeout: {seconds}\nvirtual_keys:\n{}",
        rig::deployment("chat", base, "      input_cost_per_token: 0.000001\n      output_cost_per_token: 0.000002\n"),
        rig::key(KEY, "drained", "    max_budget: 50\n"),
    )
}

fn config(base: &str) -> String {
    with_drain(base, "30")
}

/// A stream of so many events, a tenth of a second apart.
fn stream(events: usize) -> String {
    body("chat", &format!(r#","stream":true,"mock":{{"gap_ms":100,"chunks":{events}}}"#))
}

/// Opens a stream and reads its first event; the rest is read by `finish`.
fn open(rig: &Rig, call: &str) -> Client {
    let mut client = rig.client();
    let mut reply = client.stream(KEY, call).unwrap();
    assert!(reply.events(1).unwrap().starts_with("data: "));
    client
}

#[test]
fn a_stop_lets_every_stream_finish() {
    let mut rig = Rig::start("shutdown-term", config);
    let opened = AtomicUsize::new(0);
    let whole = |rig: &Rig| {
        let mut client = rig.client();
        let mut reply = client.stream(KEY, &stream(15)).unwrap();
        let begun = reply.events(1).unwrap();
        opened.fetch_add(1, Ordering::SeqCst);
        begun + &reply.whole().unwrap().text()
    };
    let streams: Vec<String> = std::thread::scope(|scope| {
        let streams: Vec<_> = (0..STREAMS).map(|_| scope.spawn(|| whole(&rig))).collect();
        eventually("all streams are open", || opened.load(Ordering::SeqCst) == STREAMS);
        rig.gateway.signal("TERM");
        streams.into_iter().map(|stream| stream.join().unwrap()).collect()
    });
    assert!(streams.iter().all(|text| text.ends_with("data: [DONE]\n\n")), "a stream was cut");
    assert!(rig.gateway.wait().success());
    let exchanges = rig.exchanges_after(STREAMS);
    assert!(exchanges.iter().all(|exchange| exchange.outcome == "complete"), "{exchanges:?}");
    let log = rig.gateway.output();
    assert!(of_event(&log, "draining").count() == 1 && of_event(&log, "stopped").any(|line| line.contains("\"cut\":0")));
}

#[test]
fn while_it_stops_a_new_connection_is_served_or_refused_and_nothing_between() {
    let mut rig = Rig::start("shutdown-new", config);
    let address = rig.gateway.address();
    let mut waiting = rig.client();
    assert_eq!(waiting.chat(KEY, &body("chat", "")).unwrap().status, 200);
    let mut slow = rig.client();
    let mut reply = slow.stream(KEY, &stream(15)).unwrap();
    assert!(!reply.events(1).unwrap().is_empty());
    rig.gateway.signal("TERM");
    eventually("the process drains", || rig.gateway.output().contains(r#""event":"draining""#));
    // A kept connection brings one more request, and is told to close.
    let last = waiting.chat(KEY, &body("chat", "")).unwrap();
    assert_eq!((last.status, last.header("connection")), (200, Some("close")));
    for _ in 0..20 {
        if let Ok(mut client) = Client::connect(address)
            && let Ok(answer) = client.chat(KEY, &body("chat", ""))
        {
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }
    assert!(reply.whole().unwrap().text().ends_with("data: [DONE]\n\n"));
    assert!(rig.gateway.wait().success());
}

#[test]
fn a_stream_beyond_the_deadline_is_cut_and_has_its_receipt() {
    let mut rig = Rig::start("shutdown-deadline", |base| with_drain(base, "0.5"));
    let mut client = rig.client();
    let mut reply = client.stream(KEY, &stream(600)).unwrap();
    assert!(!reply.events(3).unwrap().is_empty());
    rig.gateway.signal("TERM");
    let (answer, _broken) = reply.rest();
    assert!(!answer.text().contains("[DONE]"), "a stream that was cut looks whole");
    assert!(rig.gateway.wait().success());
    let receipt = rig.exchanges_after(1).pop().unwrap();
    assert_eq!((receipt.outcome.as_str(), receipt.usage.as_deref()), ("shutting_down", Some("estimated")), "{receipt:?}");
    assert!(receipt.tokens_out > 0 && receipt.cost().0 > 0, "{receipt:?}");
}

#[test]
fn an_interrupt_ends_at_once() {
    let mut rig = Rig::start("shutdown-int", config);
    let client = open(&rig, &stream(6_000));
    rig.gateway.signal("INT");
    // The stream would go on for ten minutes and the drain for half of one.
    assert!(rig.gateway.wait().success());
    drop(client);
    assert_eq!(rig.exchanges_after(1)[0].outcome, "shutting_down");
}

/// A process of ours that nobody else ends.
struct Successor(u32);

impl Successor {
    /// The process that runs with this rig's configuration and is not the first.
    fn of(rig: &Rig) -> Option<Self> {
        let config = rig.config().to_str().unwrap();
        let runs_it = |pid: &u32| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|word| word == config.as_bytes())
        };
        let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        all.filter(|pid| *pid != rig.gateway.pid()).find(runs_it).map(Self)
    }

    fn signal(&self, name: &str) {
        Command::new("kill").arg(format!("-{name}")).arg(self.0.to_string()).status().unwrap();
    }
}

impl Drop for Successor {
    fn drop(&mut self) {
        self.signal("KILL");
    }
}

fn listening(rig: &Rig) -> usize {
    rig.gateway.output().matches("tollgate: listening on http").count()
}

#[test]
fn a_hand_over_under_load_refuses_no_connection_and_cuts_no_stream() {
    let mut rig = Rig::start("shutdown-quit", config);
    let (over, answered, opened) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let address = rig.gateway.address();
    // Every call on a connection of its own: whoever is refused is seen.
    let call = || {
        let mut failures = Vec::new();
        while !over.load(Ordering::SeqCst) {
            match Client::connect(address).and_then(|mut client| client.chat(KEY, &body("chat", ""))) {
                Ok(answer) if answer.status == 200 => {}
                Ok(answer) => failures.push(answer.text()),
                Err(error) => failures.push(error.to_string()),
            }
            answered.fetch_add(1, Ordering::SeqCst);
        }
        failures
    };
    let whole = || {
        let mut client = Client::connect(address).unwrap();
        let mut reply = client.stream(KEY, &stream(25)).unwrap();
        let begun = reply.events(1).unwrap();
        opened.fetch_add(1, Ordering::SeqCst);
        begun + &reply.whole().unwrap().text()
    };
    let mut successor = None;
    let (failures, streams) = std::thread::scope(|scope| {
        let streams: Vec<_> = (0..STREAMS).map(|_| scope.spawn(whole)).collect();
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(call)).collect();
        eventually("all streams are open", || opened.load(Ordering::SeqCst) == STREAMS);
        rig.gateway.signal("QUIT");
        eventually("the successor listens", || listening(&rig) == 2);
        successor = Successor::of(&rig);
        let before = answered.load(Ordering::SeqCst);
        eventually("calls go on", || answered.load(Ordering::SeqCst) > before + 20);
        let streams: Vec<String> = streams.into_iter().map(|stream| stream.join().unwrap()).collect();
        assert!(rig.gateway.wait().success());
        let before = answered.load(Ordering::SeqCst);
        eventually("the successor serves alone", || answered.load(Ordering::SeqCst) > before + 20);
        over.store(true, Ordering::SeqCst);
        (callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect::<Vec<_>>(), streams)
    });
    assert_eq!(failures, [""; 0], "of {} calls", answered.into_inner());
    assert!(streams.iter().all(|text| text.ends_with("data: [DONE]\n\n")), "a stream was cut");
    let successor = successor.unwrap();
    assert_eq!(rig.client().chat(KEY, &body("chat", "")).unwrap().status, 200);
    // It can be stopped like any other.
    successor.signal("TERM");
    eventually("the successor has ended", || Successor::of(&rig).is_none());
}

#[test]
fn a_successor_that_does_not_start_leaves_the_old_process_serving() {
    let rig = Rig::start("shutdown-stillborn", config);
    let good = std::fs::read_to_string(rig.config()).unwrap();
    rig.configure("model_list: soon\n");
    rig.gateway.signal("QUIT");
    eventually("the log says that nobody took over", || {
        of_event(&rig.gateway.output(), "trouble").any(|line| line.contains("\"subject\":\"handover\""))
    });
    assert_eq!(rig.client().chat(KEY, &body("chat", "")).unwrap().status, 200);
    rig.configure(&good);
    rig.gateway.signal("HUP");
    eventually("it goes on as before", || rig.gateway.output().contains(r#""event":"reload","result":"success""#));
    assert_eq!(rig.client().chat(KEY, &body("chat", "")).unwrap().status, 200);
    assert!(Successor::of(&rig).is_none(), "the stillborn process is gone");
}
