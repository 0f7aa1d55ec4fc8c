//! Budgets that come near their end are told of: once in a window, beside the requests, and again where the receiver fails.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use support::rig::{Rig, body, deployment, eventually, key};

const KEY: &str = "sk-alerts-0123456789abcdef";
const MASTER: &str = "sk-master-0123456789abcdef";

/// Takes alerts on loopback.
struct Receiver {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    /// Starts it; the first so many deliveries are answered with 503.
    fn start(failures: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let taken = bodies.clone();
        std::thread::spawn(move || {
            for (index, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                let status = if index < failures { "503 Service Unavailable" } else { "200 OK" };
                if let Some(body) = take(stream, status).filter(|_| index >= failures) {
                    taken.lock().unwrap().push(body);
                }
            }
        });
        Self { address, bodies }
    }

    fn bodies(&self) -> Vec<String> {
        self.bodies.lock().unwrap().clone()
    }
}

fn take(mut stream: TcpStream, status: &str) -> Option<String> {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        text.push(byte[0]);
    }
    let head = String::from_utf8(text).ok()?.to_ascii_lowercase();
    assert!(head.starts_with("post /alerts ") && head.contains("content-type: application/json"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok()?;
    String::from_utf8(body).ok()
}

#[derive(Deserialize)]
struct Told {
    event: String,
    event_group: String,
    event_message: String,
    spend: f64,
    max_budget: Option<f64>,
    soft_budget: Option<f64>,
    token: Option<String>,
    key_alias: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    text: String,
}

fn rig(name: &str, to: &str, address: SocketAddr) -> Rig {
    Rig::start(name, |provider| {
        let prices = "      input_cost_per_token: 0\n      output_cost_per_token: 0.001\n";
        format!(
            "environment_variables: {{WEBHOOK_URL: 'http://{address}/alerts', SLACK_WEBHOOK_URL: 'http://{address}/alerts'}}
model_list:
{}
general_settings:
  master_key: {MASTER}
  alerting: [{to}]
virtual_keys:
{}",
            deployment("chat", provider, prices),
            key(KEY, "ada", "    max_budget: 0.10\n    soft_budget: 0.05\n")
        )
    })
}

/// A chat of ten tokens, a tenth of a cent each.
fn chat(rig: &Rig, key: &str) -> u16 {
    rig.client().chat(key, &body("chat", r#","max_tokens":10"#)).unwrap().status
}

#[test]
fn each_step_of_a_budget_is_told_once_and_a_receiver_that_fails_is_asked_again() {
    let receiver = Receiver::start(1);
    let rig = rig("alerts-steps", "webhook", receiver.address);
    for _ in 0..10 {
        assert_eq!(chat(&rig, KEY), 200);
    }
    assert_eq!(chat(&rig, KEY), 422, "the budget is spent");
    eventually("three alerts are delivered", || rig.metric("tollgate_alerts_total", &["outcome=\"delivered\""]) == 3.0);
    let told: Vec<Told> = receiver.bodies().iter().map(|body| serde_json::from_str(body).unwrap()).collect();
    let events: Vec<_> = told.iter().map(|told| told.event.as_str()).collect();
    assert_eq!(events, ["soft_budget_crossed", "threshold_crossed", "budget_crossed"]);
    let messages: Vec<_> = told.iter().map(|told| told.event_message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "Soft Budget Crossed: Total Soft Budget:`0.05`",
            "Key Budget: 15% or less of budget remaining",
            "Key Budget: Budget Crossed\n Total Budget:`0.1`"
        ]
    );
    for told in &told {
        assert_eq!((told.event_group.as_str(), told.key_alias.as_deref()), ("key", Some("ada")));
        assert_eq!((told.max_budget, told.soft_budget), (Some(0.1), Some(0.05)));
        assert_eq!(told.token.as_deref(), Some(&*tollgate::vocabulary::KeyHash::of(KEY).to_string()));
    }
    assert_eq!((told[0].spend, told[1].spend, told[2].spend), (0.05, 0.09, 0.1));
    assert!(!rig.gateway.output().contains("/alerts"), "where alerts go is nobody's to read");
}

#[test]
fn slack_is_told_of_a_key_that_was_made_at_run_time() {
    let receiver = Receiver::start(0);
    let rig = rig("alerts-slack", "slack", receiver.address);
    let headers = format!("authorization: Bearer {MASTER}\r\ncontent-type: application/json\r\n");
    let made = br#"{"key":"sk-made-0123456789abcdef","key_alias":"made`up","soft_budget":0.01}"#;
    assert_eq!(rig.client().send("POST /key/generate", &headers, made).unwrap().whole().unwrap().status, 200);
    for _ in 0..3 {
        assert_eq!(chat(&rig, "sk-made-0123456789abcdef"), 200, "a soft budget stops nobody");
    }
    eventually("the alert is delivered", || rig.metric("tollgate_alerts_total", &["outcome=\"delivered\""]) == 1.0);
    let message: Message = serde_json::from_str(&receiver.bodies()[0]).unwrap();
    assert!(message.text.contains("Soft Budget Crossed: Total Soft Budget:`0.01`"), "{}", message.text);
    assert!(message.text.contains("*key_alias:* `made'up`"), "{}", message.text);
}

#[test]
fn a_receiver_that_never_answers_holds_no_request() {
    // Connections are taken by the system, and nobody reads them.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let rig = rig("alerts-silent", "webhook", silent.local_addr().unwrap());
    for _ in 0..10 {
        assert_eq!(chat(&rig, KEY), 200);
    }
    assert_eq!(rig.metric("tollgate_alerts_total", &["outcome=\"delivered\""]), 0.0);
}
