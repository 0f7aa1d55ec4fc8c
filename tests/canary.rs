//! Keys and prompts appear nowhere they should not: not in logs, metrics or answers, in no encoding, whatever goes wrong.
//!
//! Random secrets are planted wherever one can stand. Every sink is gathered while things succeed and fail in all the
//! ways there are, and searched for each secret as it is, in base64, in hex, escaped for URLs and JSON, and for its first
//! and last eight characters.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what surrounds the tests fails as they do")]

mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use support::client::PATIENCE;
use support::rig::{Rig, eventually};
use tollgate::vocabulary::KeyHash;

const SECRET_CHARS: usize = 40;
/// How much of either end of a secret must not be seen either.
const END_CHARS: usize = 8;
const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// The secrets of one run, by what they are.
struct Secrets {
    provider: String,
    header: String,
    master: String,
    own: String,
    blocked: String,
    wrong: String,
    query: String,
    prompt: String,
    arguments: String,
    answer: String,
}

fn random(prefix: &str, special: &str) -> String {
    let mut secret = prefix.to_owned();
    while secret.len() + special.len() < SECRET_CHARS {
        secret.push(char::from(ALPHABET[fastrand::usize(..ALPHABET.len())]));
    }
    // In the middle, so that the ends stay searchable and the encodings differ.
    secret.insert_str(SECRET_CHARS / 2, special);
    secret
}

impl Secrets {
    fn new() -> Self {
        Self {
            provider: random("sk-", ""),
            header: random("", "+/="),
            master: random("sk-", ""),
            own: random("sk-", ""),
            blocked: random("sk-", ""),
            wrong: random("sk-", "+/="),
            query: random("sk-", ""),
            prompt: random("", "é<&>"),
            arguments: random("", "%/"),
            answer: random("", "é<&>"),
        }
    }

    fn config(&self, base: &str) -> String {
        let Self { provider, header, master, own, blocked, answer, .. } = self;
        let deployment = |name: &str, more: &str| {
            format!(
                "  - model_name: {name}
    litellm_params:
      model: openai/up-{name}
      api_base: {base}
      api_key: os.environ/CANARY_PROVIDER
      extra_headers: {{x-canary: \"{header}\"}}
      timeout: 0.5
      stream_timeout: 0.5
{more}"
            )
        };
        format!(
            "environment_variables:\n  CANARY_PROVIDER: {provider}\nmodel_list:\n{}{}{}router_settings:\n  num_retries: 1
general_settings:\n  master_key: {master}\n  header_timeout: 1\n  body_timeout: 1\nvirtual_keys:
  - key_hash: {}\n    key_alias: own\n    models: [chat, canned, gone, forbidden-not]\n  - key_hash: {}\n    key_alias: shut\n    blocked: true\n",
            deployment("chat", ""),
            deployment("canned", &format!("      mock_response: \"{answer}\"\n")),
            deployment("gone", "").replace(base, "http://127.0.0.1:1/v1"),
            KeyHash::of(own),
            KeyHash::of(blocked),
        )
    }

    /// Those that may be nowhere but with the provider, or with nobody at all.
    fn credentials(&self) -> BTreeMap<&'static str, &str> {
        BTreeMap::from([
            ("provider key", &*self.provider),
            ("extra header", &self.header),
            ("master key", &self.master),
            ("virtual key", &self.own),
            ("blocked key", &self.blocked),
            ("wrong key", &self.wrong),
            ("key in the query", &self.query),
        ])
    }

    /// Those that clients may see, and nobody who runs the gateway.
    fn content(&self) -> BTreeMap<&'static str, &str> {
        BTreeMap::from([("prompt", &*self.prompt), ("tool arguments", &self.arguments), ("answer", &self.answer)])
    }

    fn body(&self, model: &str, more: &str) -> String {
        let Self { prompt, arguments, .. } = self;
        format!(
            r#"{{"model":"{model}","messages":[{{"role":"system","content":"{prompt}"}},{{"role":"user","content":[{{"type":"text","text":"{prompt}"}}]}},{{"role":"assistant","content":null,"tool_calls":[{{"id":"c","type":"function","function":{{"name":"f","arguments":"{{\"x\":\"{arguments}\"}}"}}}}]}},{{"role":"tool","tool_call_id":"c","content":"{prompt}"}}],"user":"{prompt}"{more}}}"#
        )
    }
}

/// All ways in which a secret can be written.
fn spellings(secret: &str) -> Vec<(&'static str, String)> {
    let bytes = secret.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let url: String = bytes
        .iter()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) {
                char::from(*byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect();
    let json = serde_json::to_string(secret).unwrap();
    let ascii: String =
        secret.chars().map(|c| if c.is_ascii() { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) }).collect();
    let mut spellings = vec![
        ("as it is", secret.to_owned()),
        ("hex", hex.clone()),
        ("upper-case hex", hex.to_uppercase()),
        ("URL-encoded", url.clone()),
        ("URL-encoded, lower case", url.to_lowercase()),
        ("JSON", json.trim_matches('"').to_owned()),
        ("JSON in ASCII", ascii),
        ("its beginning", secret.chars().take(END_CHARS).collect()),
        ("its end", secret.chars().skip(secret.chars().count() - END_CHARS).collect()),
    ];
    // Base64 looks different by where in a group of three the secret begins; what depends on its neighbours is cut off.
    for shift in 0..3 {
        let shifted = [&b"\0\0\0"[..shift], bytes].concat();
        let whole = shifted.len() / 3 * 4;
        let from = (shift * 4).div_ceil(3);
        spellings.push(("base64", STANDARD_NO_PAD.encode(&shifted)[from..whole].to_owned()));
        spellings.push(("base64 for URLs", URL_SAFE_NO_PAD.encode(&shifted)[from..whole].to_owned()));
    }
    spellings
}

/// Everything that was seen, by where.
#[derive(Default)]
struct Sinks(BTreeMap<String, Vec<u8>>);

impl Sinks {
    fn add(&mut self, sink: &str, bytes: &[u8]) {
        self.0.entry(sink.to_owned()).or_default().extend_from_slice(bytes);
    }

    /// Every place where one of the secrets stands.
    fn hits(&self, secrets: &BTreeMap<&'static str, &str>) -> Vec<String> {
        let mut hits = Vec::new();
        for (sink, bytes) in &self.0 {
            for (what, secret) in secrets {
                for (how, spelling) in spellings(secret) {
                    if let Some(at) = memchr::memmem::find(bytes, spelling.as_bytes()) {
                        let from = at.saturating_sub(160);
                        let around = String::from_utf8_lossy(&bytes[from..(at + 60).min(bytes.len())]).into_owned();
                        hits.push(format!("{what} ({how}) in {sink}: ...{around}..."));
                    }
                }
            }
        }
        hits
    }
}

/// Sends bytes as they are and takes all that comes back.
fn raw(rig: &Rig, request: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(rig.gateway.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // What is refused early is reset perhaps before it was sent whole, and so may be its answer.
    let _refused = stream.write_all(request);
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer);
    answer
}

fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: canary\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

fn bearer(key: &str) -> String {
    format!("authorization: Bearer {key}\r\n")
}

const CHAT: &str = "/v1/chat/completions";

/// What goes well, and what a provider does wrong, leaking its credential while it can.
fn calls(secrets: &Secrets) -> Vec<Vec<u8>> {
    let own = bearer(&secrets.own);
    let mut requests = vec![
        post(CHAT, &own, &secrets.body("canned", "")),
        post(CHAT, &own, &secrets.body("canned", r#","stream":true"#)),
        post(CHAT, &own, &secrets.body("gone", "")),
        post(CHAT, &own, &secrets.body("nobody", "")),
        post(CHAT, &own, &secrets.body("chat", r#","tools":[{"type":"function","function":{"name":"f"}}]"#)),
        post("/v1/completions", &own, &format!(r#"{{"model":"chat","prompt":"{}"}}"#, secrets.prompt)),
        post("/v1/embeddings", &own, &format!(r#"{{"model":"chat","input":["{}"]}}"#, secrets.prompt)),
    ];
    for fault in [
        "",
        r#""status":302,"#,
        r#""status":400,"#,
        r#""status":401,"#,
        r#""status":403,"#,
        r#""status":404,"#,
        r#""status":422,"#,
        r#""status":429,"retry_after":"9","#,
        r#""status":500,"#,
        r#""status":503,"#,
        r#""malformed":"html","#,
        r#""malformed":"json","#,
        r#""malformed":"sse","#,
        r#""malformed":"truncated","#,
        r#""malformed":"empty","#,
        r#""cut_after":0,"#,
        r#""cut_after":2,"#,
        r#""stall_after":2,"#,
        r#""error_after":2,"#,
        r#""latency_ms":60000,"#,
    ] {
        for stream in ["", r#""stream":true,"#] {
            // A model that says the credential says it as its answer: that one case is not an error and not a header.
            let leak = !fault.is_empty() && !fault.contains("_after");
            let more = format!(r#",{stream}"mock":{{{fault}"leak":{leak}}}"#);
            requests.push(post(CHAT, &own, &secrets.body("chat", &more)));
        }
    }
    requests
}

/// What a client does wrong.
fn mistakes(secrets: &Secrets) -> Vec<Vec<u8>> {
    let Secrets { own, master, blocked, wrong, query, prompt, .. } = secrets;
    let good = secrets.body("chat", "");
    let mut requests = vec![
        post(CHAT, "", &good),
        post(CHAT, &bearer(""), &good),
        post(CHAT, &bearer(blocked), &good),
        post(CHAT, &bearer(&wrong.repeat(60)), &good),
        post(CHAT, &format!("authorization: Basic {}\r\n", STANDARD_NO_PAD.encode(wrong)), &good),
        post(CHAT, &format!("authorization: {wrong}\r\n"), &good),
        post(&format!("{CHAT}?key={query}"), "", &good),
        post(&format!("{CHAT}?key={query}"), &bearer(own), &secrets.body("gone", "")),
        post(
            &format!("{CHAT}?api_key={query}&x={wrong}"),
            &bearer(own),
            &secrets.body("chat", r#","mock":{"cut_after":0}"#),
        ),
        post(&format!("/no/such/{query}"), &bearer(own), &good),
        post(&format!("/v1/{query}"), &bearer(wrong), &good),
        post(CHAT, &bearer(own), &format!(r#"{{"model":"chat","messages":"{prompt}"#)),
        post(CHAT, &bearer(own), &format!(r#"{{"model":"chat","messages":"{prompt}"}}"#)),
        post(CHAT, &bearer(own), &format!(r#"{{"model":"chat","model":"{prompt}"}}"#)),
        post(CHAT, &bearer(own), &format!(r#"{{"model":"chat","messages":[{{"role":"{prompt}"}}]}}"#)),
        post(CHAT, &bearer(own), &format!("{prompt} is no JSON")),
        post(CHAT, &bearer(own), &format!(r#"{{"model":"chat","stream":"{prompt}","max_tokens":"{prompt}"}}"#)),
        post(CHAT, &bearer(own), &good.replace("user", "us\u{0}er")),
        post("/v1/models", &bearer(master), ""),
        format!("GET /v1/models?key={query} HTTP/1.1\r\nhost: x\r\n{}connection: close\r\n\r\n", bearer(master))
            .into_bytes(),
        format!("GET /v1/models/{query} HTTP/1.1\r\nhost: x\r\n{}connection: close\r\n\r\n", bearer(wrong))
            .into_bytes(),
        // Below HTTP: what a parser complains about must not be quoted.
        format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {own}\r\n{wrong}\r\n\r\n{prompt}")
            .into_bytes(),
        format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {own}\0{wrong}\r\n\r\n").into_bytes(),
        format!("POST {CHAT}?key={query} HTTP/9.9\r\nauthorization: Bearer {own}\r\n\r\n").into_bytes(),
        format!("{wrong} {CHAT} HTTP/1.1\r\nhost: x\r\n\r\n{prompt}").into_bytes(),
        format!("POST http://other/{query} HTTP/1.1\r\nhost: x\r\n{}content-length: 2\r\n\r\n{{}}", bearer(own))
            .into_bytes(),
        format!("CONNECT {wrong}:443 HTTP/1.1\r\nhost: {wrong}\r\n{}\r\n", bearer(own)).into_bytes(),
        format!(
            "POST {CHAT} HTTP/1.1\r\nhost: x\r\n{}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            bearer(own)
        )
        .into_bytes(),
        format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\n{}transfer-encoding: chunked\r\n\r\nzz{prompt}\r\n", bearer(own))
            .into_bytes(),
        format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\n{}content-length: 900\r\n\r\n{prompt}", bearer(own)).into_bytes(),
        format!("POST {CHAT} HTTP/1.0\r\n{}content-length: 2\r\n\r\n{{}}", bearer(own)).into_bytes(),
        format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{wrong}{prompt}").into_bytes(),
    ];
    for carrier in ["x-litellm-api-key", "api-key", "x-api-key", "x-goog-api-key", "authorization"] {
        requests.push(post(CHAT, &format!("{carrier}: Bearer {wrong}\r\n"), &good));
    }
    requests
}

/// Configurations in which a secret stands where it is complained about.
fn broken_configurations(secrets: &Secrets, good: &str) -> Vec<String> {
    let Secrets { provider, header, master, own, .. } = secrets;
    vec![
        good.replace("api_key: os.environ/CANARY_PROVIDER", &format!("api_key: [{provider}]")),
        good.replace("api_key: os.environ/CANARY_PROVIDER", &format!("api_key: \"{provider}")),
        good.replace("os.environ/CANARY_PROVIDER", &format!("os.environ/{provider}")),
        good.replace(&format!("master_key: {master}"), &format!("master_key: {{{master}: {master}}}")),
        good.replace(&format!("master_key: {master}"), &format!("master_key: {master}\n  master_key: {master}")),
        good.replace(&format!("master_key: {master}"), &format!("master_key: file:/no/such/{master}")),
        good.replace(&format!("{{x-canary: \"{header}\"}}"), &format!("\"{header}\"")),
        good.replace(&format!("{{x-canary: \"{header}\"}}"), &format!("[{header}]")),
        good.replace("virtual_keys:", &format!("virtual_keys:\n  - key: {own}\n    rpm_limit: soon")),
        good.replace("virtual_keys:", &format!("virtual_keys:\n  - key_hash: {own}")),
        good.replace("num_retries: 1", &format!("num_retries: {provider}\n\t{own}: {master}")),
    ]
}

fn check(path: &Path, flags: &[&str], sinks: &mut Sinks) {
    let checked = Command::new(env!("CARGO_BIN_EXE_tollgate")).arg("check").arg(path).args(flags).output().unwrap();
    sinks.add("tollgate check", &checked.stdout);
    sinks.add("tollgate check", &checked.stderr);
}

#[test]
fn no_secret_is_seen_in_any_sink_whatever_goes_wrong() {
    let secrets = Secrets::new();
    let rig = Rig::start_with("canary", &["--detailed_debug"], |base| secrets.config(base));
    let good = std::fs::read_to_string(rig.config()).unwrap();
    let mut sinks = Sinks::default();
    let requests = [calls(&secrets), mistakes(&secrets)].concat();
    for request in &requests {
        let answer = raw(&rig, request);
        sinks.add("answers", &answer);
    }
    rig.quiesce();
    assert!(
        memchr::memmem::find(&sinks.0["answers"], secrets.answer.as_bytes()).is_some(),
        "nothing was answered at all"
    );
    let asked = rig.mock.requests();
    assert!(asked.iter().any(|seen| seen.header("authorization") == Some(&format!("Bearer {}", secrets.provider))));
    assert!(asked.iter().any(|seen| seen.header("x-canary") == Some(&secrets.header)));

    let broken = broken_configurations(&secrets, &good);
    for (index, text) in broken.iter().enumerate() {
        rig.configure(text);
        check(rig.config(), &[], &mut sinks);
        check(rig.config(), &["--json"], &mut sinks);
        rig.gateway.signal("HUP");
        eventually("the configuration was read", || {
            rig.gateway.output().matches(r#""event":"reload""#).count() > index
        });
    }
    rig.configure(&good);
    check(rig.config(), &["--json"], &mut sinks);
    sinks.add("metrics", rig.metrics().as_bytes());
    sinks.add("logs", rig.gateway.output().as_bytes());

    assert_eq!(sinks.hits(&secrets.credentials()), [""; 0]);
    sinks.0.remove("answers");
    assert_eq!(sinks.hits(&secrets.content()), [""; 0]);

    // What the provider got is what it must get, and nobody else's credential.
    let mut upstream = Sinks::default();
    for seen in asked {
        upstream.add("upstream", format!("{} {:?} {}", seen.path, seen.headers, seen.text()).as_bytes());
    }
    let mut foreign = secrets.credentials();
    foreign.retain(|what, _| !matches!(*what, "provider key" | "extra header"));
    assert_eq!(upstream.hits(&foreign), [""; 0]);
    println!("{} requests, {} broken configurations: 0 hits", requests.len(), broken.len());
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let secret = random("sk-", "+/=");
    for (how, spelling) in spellings(&secret) {
        let mut sinks = Sinks::default();
        sinks.add("a log", format!("before {spelling} behind").as_bytes());
        assert!(!sinks.hits(&BTreeMap::from([("it", &*secret)])).is_empty(), "{how}");
    }
    for neighbour in ["", "x", "xy"] {
        let mut sinks = Sinks::default();
        sinks.add("a log", STANDARD_NO_PAD.encode(format!("{neighbour}{secret}:{neighbour}")).as_bytes());
        assert!(!sinks.hits(&BTreeMap::from([("it", &*secret)])).is_empty(), "{neighbour}");
    }
}
