//! Nothing waits for ever: every phase of an exchange has a deadline, on both sides, and whatever ends it gives back what
//! it held.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::LazyLock;
use std::time::Duration;

use tollgate::mock::{Options, Server};
use tollgate::vocabulary::{Clock, KeyHash};

use support::hostile;
use support::raw::{self, Client, Heard, PATIENCE, Stream};
use support::{Process, Scratch};

mod support;

const KEY: &str = "sk-slow-0123456789ab";
/// One request at a time, and money for one at a time.
const NARROW: &str = "sk-narrow-0123456789";
const PATH: &str = "/v1/chat/completions";
/// Every deadline but the total is at most this.
const DEADLINE: Duration = Duration::from_millis(500);
/// Between two bytes of a drip: far less than any deadline.
const PAUSE: Duration = Duration::from_millis(20);

struct Stand {
    gateway: Process,
    mock: Server,
    _hole: BlackHole,
    _scratch: Scratch,
}

static STAND: LazyLock<Stand> = LazyLock::new(Stand::start);

impl Stand {
    fn start() -> Self {
        let scratch = Scratch::new("slow");
        let mock = Server::start(Options::default()).unwrap();
        let hole = BlackHole::dig();
        let base = format!("http://{}", mock.addr());
        let groups = [
            hostile::deployment("hasty", "m", &base, &["timeout: 0.5"]),
            hostile::deployment("hasty-stream", "m", &base, &["timeout: 60", "stream_timeout: 0.5"]),
            hostile::deployment("patient", "m", &base, &[]),
            hostile::deployment("hole", "m", &format!("http://{}", hole.address), &[]),
        ]
        .concat();
        let config = format!(
            "model_list:\n{groups}
router_settings: {{num_retries: 0, timeout: 2, stream_timeout: 30}}
general_settings:
  master_key: {KEY}
  header_timeout: 0.5
  body_timeout: 0.5
  write_timeout: 0.5
  connect_timeout: 0.5
  keepalive_timeout: 1
  max_stream_time: 2
virtual_keys:
  - {{key_hash: {}, max_parallel_requests: 1, max_budget: 0.01}}
",
            KeyHash::of(NARROW)
        );
        let config = scratch.write("config.yaml", &config);
        Self { gateway: Process::gateway(config, &[]), mock, _hole: hole, _scratch: scratch }
    }

    /// A connection on which a chat was asked for, with the mock's knobs in the body.
    fn ask(&self, id: &str, model: &str, members: &str) -> Client {
        self.ask_as(KEY, id, model, members)
    }

    fn ask_as(&self, key: &str, id: &str, model: &str, members: &str) -> Client {
        let headers = [("Authorization", &*format!("Bearer {key}")), ("X-Request-Id", id)];
        let mut client = Client::to(self.gateway.address());
        client.send(&raw::post(PATH, &headers, raw::chat(model, members).as_bytes()));
        client
    }

    /// The one line about an exchange, with these things in it.
    fn closed(&self, id: &str, facts: &[&str]) -> String {
        let line = raw::exchange(&self.gateway, id);
        facts.iter().for_each(|fact| assert!(line.contains(fact), "no {fact} in {line}"));
        line
    }
}

/// An address that takes connections into a queue that is full: who connects hears nothing.
struct BlackHole {
    address: SocketAddr,
    _listener: tokio::net::TcpListener,
    _runtime: tokio::runtime::Runtime,
    _queue: Vec<TcpStream>,
}

impl BlackHole {
    fn dig() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let listener = {
            let _entered = runtime.enter();
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
            socket.listen(0).unwrap()
        };
        let address = listener.local_addr().unwrap();
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        let queue: Vec<_> = std::iter::from_fn(connect).take(64).collect();
        assert!(queue.len() < 64, "the queue never fills");
        Self { address, _listener: listener, _runtime: runtime, _queue: queue }
    }
}

/// How long something took.
fn timed<T>(act: impl FnOnce() -> T) -> (T, Duration) {
    let clock = Clock::machine();
    let begun = clock.now();
    let done = act();
    (done, clock.now().since(begun))
}

fn within_reason(took: Duration) {
    assert!(took >= DEADLINE / 2 && took < PATIENCE / 2, "{took:?}");
}

#[test]
fn a_head_that_drips_is_cut() {
    let mut client = Client::to(STAND.gateway.address());
    client.send(format!("POST {PATH} HTTP/1.1\r\nHost: gateway\r\nX-Slow: ").as_bytes());
    let (cut, took) = timed(|| client.drip(&[b'a'; 1000], PAUSE));
    assert!(cut, "twenty seconds of header were taken");
    within_reason(took);
}

#[test]
fn a_second_head_on_a_connection_may_drip_no_longer_than_the_first() {
    let mut client = STAND.ask("drip-second", "patient", "");
    assert_eq!(client.answer().status, 200);
    client.send(b"POST / HTTP/1.1\r\nX-Slow: ");
    let (cut, took) = timed(|| client.drip(&[b'a'; 1000], PAUSE));
    assert!(cut);
    within_reason(took);
}

#[test]
fn a_connection_without_a_request_is_closed() {
    let mut client = STAND.ask("idle-connection", "patient", "");
    assert_eq!(client.answer().status, 200);
    let (rest, took) = timed(|| client.until_end());
    assert!(rest.is_empty() && took < PATIENCE / 2, "{took:?}");
}

#[test]
fn a_body_that_drips_is_refused() {
    for framing in ["Content-Length: 100000", "Transfer-Encoding: chunked"] {
        let mut client = Client::to(STAND.gateway.address());
        let head = format!("POST {PATH} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {KEY}\r\n{framing}\r\n\r\n");
        client.send(head.as_bytes());
        let drip = if framing.starts_with("Content") { "{ \"a\": 1 ".repeat(100) } else { "1\r\n \r\n".repeat(200) };
        let (answered, took) = timed(|| client.drip(drip.as_bytes(), PAUSE));
        assert!(answered, "{framing}");
        within_reason(took);
        let answer = client.answer();
        assert_eq!((answer.status, answer.closes()), (408, true), "{framing}: {}", answer.text());
        client.until_end();
    }
}

#[test]
fn a_body_that_never_ends_is_refused_over_http_2_too() {
    let bearer = format!("Bearer {KEY}");
    let begun = raw::h2c(async {
        let mut stream = Stream::open(STAND.gateway.address(), PATH, &[("authorization", &bearer)], 1000).await;
        stream.send(bytes::Bytes::from_static(b"{"), false).await;
        stream.answer().await
    });
    assert_eq!(begun.status, 408, "{}", begun.text());
}

#[test]
fn the_wait_for_a_clients_body_is_not_counted_as_ours() {
    let pause = Duration::from_millis(200);
    let request = raw::post(PATH, &[("Authorization", &format!("Bearer {KEY}"))], raw::chat("patient", "").as_bytes());
    let (first, rest) = request.split_at(request.len() - 10);
    let mut client = Client::to(STAND.gateway.address());
    client.send(first);
    assert_eq!(client.hear(pause), Heard::Silence);
    client.send(rest);
    let answer = client.answer();
    let ms = |name: &str| answer.header(name).unwrap().parse::<f64>().unwrap();
    let (whole, ours) = (ms("x-litellm-response-duration-ms"), ms("x-litellm-overhead-duration-ms"));
    assert!(ours <= whole - pause.as_secs_f64() * 900.0, "{ours} of {whole} ms");
}

#[test]
fn a_client_that_does_not_read_is_let_go() {
    let stand = &*STAND;
    // Kernels buffer some megabytes between the three; this is more.
    let _client = stand.ask("deaf", "hasty-stream", r#","stream":true,"mock":{"chunks":5000,"bytes":60000000}"#);
    let (_, took) = timed(|| stand.closed("deaf", &[r#""outcome":"client_gone""#]));
    assert!(took < PATIENCE, "{took:?}");
}

#[test]
fn a_provider_that_does_not_accept_is_a_timeout() {
    let (answer, took) = timed(|| STAND.ask("hole", "hole", "").answer());
    within_reason(took);
    assert_eq!(answer.status, 408, "{}", answer.text());
    assert!(answer.error("message").unwrap().starts_with("litellm.Timeout: "), "{}", answer.text());
    STAND.closed("hole", &[r#""outcome":"upstream_failed""#, r#""fault":"upstream_timeout""#, r#""status":408"#]);
}

#[test]
fn a_provider_that_never_begins_is_a_timeout() {
    for (id, model, members) in [
        ("first-byte", "hasty", r#","mock":{"latency_ms":60000}"#),
        ("first-byte-stream", "hasty-stream", r#","stream":true,"mock":{"latency_ms":60000}"#),
        ("whole", "hasty", r#","mock":{"stall_after":1}"#),
    ] {
        let (answer, took) = timed(|| STAND.ask(id, model, members).answer());
        within_reason(took);
        assert_eq!(answer.status, 408, "{id}: {}", answer.text());
        assert_eq!(answer.error("code").as_deref(), Some("408"), "{id}");
        assert_eq!(answer.error("type").as_deref(), Some("invalid_request_error"), "{id}");
        assert!(answer.error("message").unwrap().starts_with("litellm.Timeout: "), "{id}: {}", answer.text());
        STAND.closed(id, &[r#""fault":"upstream_timeout""#, r#""status":408"#]);
    }
}

#[test]
fn a_stream_that_falls_silent_ends_in_an_error() {
    let (answer, took) =
        timed(|| STAND.ask("silent", "hasty-stream", r#","stream":true,"mock":{"stall_after":3}"#).answer());
    within_reason(took);
    let text = answer.text();
    assert_eq!(answer.status, 200);
    assert_eq!(text.matches("chat.completion.chunk").count(), 3, "{text}");
    assert!(text.trim_end().rsplit("data: ").next().unwrap().starts_with(r#"{"error":{"#), "{text}");
    assert!(!text.contains("[DONE]"), "{text}");
    STAND.closed("silent", &[r#""outcome":"stalled""#]);
}

#[test]
fn an_answer_may_take_its_whole_time_and_no_more() {
    // An event every tenth of a second for a minute: never silent, and cut after the two seconds of `max_stream_time`.
    let members = r#","stream":true,"mock":{"chunks":600,"gap_ms":100}"#;
    let (answer, took) = timed(|| STAND.ask("endless", "patient", members).answer());
    assert!(took >= Duration::from_secs(1) && took < PATIENCE / 2, "{took:?}");
    let text = answer.text();
    assert!(text.matches("chat.completion.chunk").count() > 3, "{text}");
    assert!(text.contains(r#""error""#) && !text.contains("[DONE]"), "{text}");
    STAND.closed("endless", &[r#""outcome":"stalled""#]);

    // Longer than the two seconds of `router_settings.timeout`, and not a stream.
    let (answer, took) = timed(|| STAND.ask("endless-whole", "patient", r#","mock":{"latency_ms":60000}"#).answer());
    assert!(took >= Duration::from_secs(1) && took < PATIENCE / 2, "{took:?}");
    assert_eq!(answer.status, 408, "{}", answer.text());
}

/// The narrow key's requests end early in every way there is; after each of them it may ask again.
#[test]
fn whoever_leaves_gives_back_what_was_held() {
    let stand = &*STAND;
    let again = |id: &str| {
        let again = stand.ask_as(NARROW, &format!("{id}-again"), "patient", r#","max_tokens":2000"#).answer();
        assert_eq!(again.status, 200, "{id}: {}", again.text());
    };
    // Costs at most 0.008 of 0.01: a second one at the same time cannot be paid.
    let slow = |knobs: &str| format!(r#","stream":true,"max_tokens":4000,"mock":{{{knobs}}}"#);

    let mut client = stand.ask_as(NARROW, "leaves-midway", "patient", &slow(r#""stall_after":2"#));
    client.until("chat.completion.chunk");
    let refused = stand.ask_as(NARROW, "second-at-once", "patient", "").answer();
    assert_eq!(refused.status, 429, "{}", refused.text());
    drop(client);
    stand.closed("leaves-midway", &[r#""outcome":"client_gone""#]);
    again("leaves-midway");

    let client = stand.ask_as(NARROW, "leaves-early", "patient", &slow(r#""latency_ms":60000"#));
    let sent = |seen: &tollgate::mock::Seen| seen.text().contains("60000");
    raw::eventually("the request is on its way", || stand.mock.requests().iter().any(sent).then_some(()));
    drop(client);
    stand.closed("leaves-early", &[r#""outcome":"client_gone""#, r#""status":499"#]);
    again("leaves-early");

    let headers = [("authorization", &*format!("Bearer {NARROW}")), ("x-request-id", "leaves-over-h2")];
    let body = raw::chat("patient", &slow(r#""stall_after":2"#));
    raw::h2c(async {
        let mut stream = Stream::open(stand.gateway.address(), PATH, &headers, body.len()).await;
        stream.send(body.into(), true).await;
        stream.leave_midway().await;
    });
    stand.closed("leaves-over-h2", &[r#""outcome":"client_gone""#]);
    again("leaves-over-h2");

    let mut client = stand.ask_as(NARROW, "cut", "patient", &slow(r#""cut_after":2"#));
    assert!(client.answer().text().contains(r#""error""#));
    stand.closed("cut", &[r#""outcome":"upstream_cut""#]);
    again("cut");

    let mut client = Client::to(stand.gateway.address());
    let head =
        format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nX-Request-Id: half-a-body\r\nAuthorization: Bearer {NARROW}\r\n");
    client.send(format!("{head}Content-Length: 100\r\n\r\n{{").as_bytes());
    drop(client);
    stand.closed("half-a-body", &[r#""outcome":"client_gone""#]);
    again("half-a-body");

    let gone = stand.mock.wait_until(PATIENCE, |stats| stats.abandoned >= 3);
    assert!(gone.abandoned >= 3, "the provider goes on for nobody: {gone:?}");
}

#[test]
fn a_client_that_closes_its_half_counts_as_gone() {
    let client = STAND.ask("half", "hasty-stream", r#","stream":true,"mock":{"stall_after":2}"#);
    client.half_close();
    STAND.closed("half", &[r#""outcome":"client_gone""#]);
}

#[test]
fn slow_clients_do_not_hold_up_others() {
    let slow: Vec<_> = (0..200)
        .map(|_| {
            let mut client = Client::to(STAND.gateway.address());
            client.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Slow: ");
            client
        })
        .collect();
    let (answer, took) = timed(|| STAND.ask("honest", "patient", "").answer());
    assert_eq!(answer.status, 200);
    assert!(took < PATIENCE / 2, "{took:?}");
    for mut client in slow {
        client.until_end();
    }
}
