//! Whatever a client speaks and whatever a provider speaks, a body of any size arrives whole, also on the second attempt.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::sync::LazyLock;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tollgate::mock::{Knobs, Options, Seen, Server, Tls};

use support::raw::{self, Answer, Client};
use support::{Process, Scratch};

mod support;

const KEY: &str = "sk-matrix-0123456789";
const PATH: &str = "/v1/chat/completions";
/// What providers are sent besides their credential, sorted.
const SENT: [&str; 4] = ["accept-encoding", "content-length", "content-type", "user-agent"];
const SIZES: [usize; 5] = [1 << 10, 63 << 10, 65 << 10, 1 << 20, 20 << 20];
/// Headers of a client's that are nobody else's business.
const PRIVATE: [(&str, &str); 7] = [
    ("Authorization", "Bearer sk-matrix-0123456789"),
    ("Cookie", "session=1"),
    ("User-Agent", "the-client/1"),
    ("Accept-Encoding", "gzip"),
    ("OpenAI-Organization", "org-of-the-client"),
    ("X-Forwarded-For", "10.0.0.1"),
    ("X-Request-Id", "the-clients-own"),
];

/// How a provider is reached.
#[derive(Clone, Copy)]
struct Road {
    name: &'static str,
    tls: bool,
    h2: bool,
}

const ROADS: [Road; 4] = [
    Road { name: "h1", tls: false, h2: false },
    Road { name: "h2c", tls: false, h2: true },
    Road { name: "tls-h1", tls: true, h2: false },
    Road { name: "tls-h2", tls: true, h2: true },
];

/// A provider that is overloaded, and one that answers.
struct Pair {
    failing: Server,
    answering: Server,
}

struct Stand {
    gateway: Process,
    pairs: Vec<Pair>,
    _scratch: Scratch,
}

static STAND: LazyLock<Stand> = LazyLock::new(Stand::start);

impl Stand {
    fn start() -> Self {
        let scratch = Scratch::new("matrix");
        let authority = Authority::new();
        let pairs: Vec<Pair> = ROADS.iter().map(|road| Pair::start(road, &authority)).collect();
        scratch.write("ca.pem", &authority.pem);
        let groups: String = ROADS.iter().zip(&pairs).map(|(road, pair)| pair.group(road)).collect();
        let config = format!(
            "model_list:\n{groups}
router_settings: {{disable_cooldowns: true, retry_budget_floor: 100000}}
litellm_settings: {{ssl_verify: ca.pem, force_ipv4: true}}
general_settings: {{master_key: {KEY}}}\n"
        );
        let config = scratch.write("config.yaml", &config);
        Self { gateway: Process::gateway(config, &[]), pairs, _scratch: scratch }
    }
}

impl Pair {
    fn start(road: &Road, authority: &Authority) -> Self {
        let start = |status, record| {
            let knobs = Knobs { status, ..Knobs::default() };
            let tls = road.tls.then(|| authority.leaf());
            Server::start(Options { h2: road.h2, tls, record, record_bytes: 32 << 20, knobs, ..Options::default() })
                .unwrap()
        };
        Self { failing: start(503, 0), answering: start(200, 1) }
    }

    /// Both as a group that is named like the road.
    fn group(&self, road: &Road) -> String {
        let scheme = if road.tls { "https" } else { "http" };
        let version = if road.h2 && !road.tls { "\n      http_version: \"2\"" } else { "" };
        let deployment = |order: u8, server: &Server| {
            format!(
                "  - model_name: {}
    litellm_params:
      model: openai/the-model-of-{order}
      api_base: {scheme}://localhost:{}/v1
      api_key: sk-provider-of-{order}
      order: {order}{version}
",
                road.name,
                server.addr().port(),
            )
        };
        deployment(1, &self.failing) + &deployment(2, &self.answering)
    }
}

/// Signs certificates for `localhost`.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn leaf(&self) -> Tls {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        Tls::from_pem(leaf.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    }
}

/// A request of about this size, and what of it shall arrive.
fn body(road: &Road, size: usize) -> (Vec<u8>, Vec<u8>) {
    let write = |model: &str| {
        let mut body =
            format!(r#"{{"temperature":0.50,"model":"{model}","messages":[{{"role":"user","content":""#).into_bytes();
        body.extend_from_slice(br#"\"quotes\", \u00e9 and \n. "#);
        // As an image is sent.
        let line = b"QSBsaW5lIG9mIGFuIGltYWdlIGluIGJhc2U2NA+/QSBsaW5lIG";
        body.extend(line.repeat(size.saturating_sub(200) / line.len()));
        body.extend_from_slice(br#""}] , "x_unknown":[1.0,null]}"#);
        body
    };
    (write(road.name), write("the-model-of-2"))
}

fn chunked(body: &[u8]) -> Vec<u8> {
    let mut request = format!("POST {PATH} HTTP/1.1\r\nHost: gateway\r\nTransfer-Encoding: chunked\r\n").into_bytes();
    for (name, value) in PRIVATE {
        request.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    request.extend_from_slice(b"\r\n");
    for chunk in body.chunks(50_001) {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

fn expecting(body: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let headers: Vec<_> = PRIVATE.into_iter().chain([("Expect", "100-continue")]).collect();
    let whole = raw::post(PATH, &headers, body);
    let (head, body) = whole.split_at(whole.len() - body.len());
    (head.to_vec(), body.to_vec())
}

/// Sends bodies of all sizes in every way there is.
fn travel(index: usize) {
    let stand = &*STAND;
    let (road, pair) = (&ROADS[index], &stand.pairs[index]);
    let address = stand.gateway.address();
    let mut kept = Client::to(address);
    for size in SIZES {
        let (asked, expected) = body(road, size);
        kept.send(&raw::post(PATH, &PRIVATE, &asked));
        check(road, pair, "content-length", &kept.answer(), &expected);

        let answer = Client::ask(address, &chunked(&asked));
        assert!(answer.closes(), "a chunked request costs its connection");
        check(road, pair, "chunked", &answer, &expected);

        let (head, rest) = expecting(&asked);
        let mut client = Client::to(address);
        client.send(&head);
        client.until("HTTP/1.1 100 Continue\r\n\r\n");
        client.send(&rest);
        let answer = client.answer();
        assert_eq!(answer.interim, [100]);
        check(road, pair, "expect", &answer, &expected);

        let answer = raw::post_h2c(address, PATH, &PRIVATE, &asked);
        check(road, pair, "h2c", &answer, &expected);
    }
    assert_eq!(pair.failing.stats().requests, 4 * SIZES.len() as u64);
    assert_eq!(pair.answering.stats().requests, 4 * SIZES.len() as u64);
}

fn check(road: &Road, pair: &Pair, client: &str, answer: &Answer, expected: &[u8]) {
    let case = format!("{client} to {}, {} bytes", road.name, expected.len());
    assert_eq!(answer.status, 200, "{case}: {}", answer.text());
    assert_eq!(answer.header("x-litellm-attempted-retries"), Some("1"), "{case}");
    assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()), "{case}");
    assert!(answer.text().contains(&format!(r#""model":"{}""#, road.name)), "{case}: {}", answer.text());
    let seen = pair.answering.requests().pop().unwrap();
    assert_eq!(seen.path, PATH, "{case}");
    assert_eq!(seen.protocol, if road.h2 { "HTTP/2" } else { "HTTP/1.1" }, "{case}");
    assert!(seen.body == expected, "{case}: {} other bytes arrived", seen.body_bytes);
    assert_eq!(seen.header("content-length"), Some(&*expected.len().to_string()), "{case}");
    assert_eq!(seen.header("authorization"), Some("Bearer sk-provider-of-2"), "{case}");
    assert_eq!(names(&seen), SENT, "{case}");
}

/// The names of the headers besides host and credential.
fn names(seen: &Seen) -> Vec<String> {
    let names = seen.headers.iter().map(|(name, _)| name.to_ascii_lowercase());
    let mut names: Vec<_> = names.filter(|name| !matches!(&**name, "host" | ":authority" | "authorization")).collect();
    names.sort();
    names
}

#[test]
fn every_body_reaches_a_provider_of_http_1_on_the_second_attempt() {
    travel(0);
}

#[test]
fn every_body_reaches_a_provider_of_http_2_in_clear_on_the_second_attempt() {
    travel(1);
}

#[test]
fn every_body_reaches_a_provider_of_http_1_over_tls_on_the_second_attempt() {
    travel(2);
}

#[test]
fn every_body_reaches_a_provider_of_http_2_over_tls_on_the_second_attempt() {
    travel(3);
}
