//! Whatever a provider does, the client gets one clear answer, and never the provider's key.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use std::io::Write;
use std::sync::LazyLock;

use support::hostile::{self, COMPLETION, Hostile, PROVIDER_KEY, Play, Received};
use support::raw::{self, Answer, Client};
use support::{Process, Scratch};

mod support;

const KEY: &str = "sk-upstreams-01234567";
const EVENT: &str = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"u","choices":[{"index":0,"delta":{"content":"x"}}]}"#;
const BOMB_BYTES: usize = 512 << 20;
/// More than the gateway may need for all of this at once.
const MEMORY_KIB_MAX: u64 = 300 << 10;
/// What the provider does, by the model it is asked for.
const BEHAVIOURS: [&str; 28] = [
    "status-400",
    "status-401",
    "status-403",
    "status-404",
    "status-408",
    "status-413",
    "status-422",
    "status-429",
    "status-500",
    "status-502",
    "status-503",
    "status-529",
    "html-200",
    "html-502",
    "empty-500",
    "empty-200",
    "redirect",
    "truncated",
    "broken-off",
    "error-in-200",
    "gzip",
    "huge-header",
    "hangs-up",
    "nonsense",
    "early-hints",
    "poison",
    "bomb",
    "lies-about-length",
];
const STREAMS: [&str; 5] = ["cut-after-3", "error-after-3", "ends-after-3", "echo-in-stream", "endless-event"];

struct Stand {
    gateway: Process,
    upstream: Hostile,
    decoy: Hostile,
    _scratch: Scratch,
}

static STAND: LazyLock<Stand> = LazyLock::new(Stand::start);

impl Stand {
    fn start() -> Self {
        let scratch = Scratch::new("upstreams");
        let decoy = Hostile::decoy();
        let elsewhere = decoy.url();
        let upstream = Hostile::start(move |request| play(request, &elsewhere));
        let url = upstream.url();
        let single = BEHAVIOURS.iter().chain(&STREAMS).chain(&["echo-in-error", "wait-429", "good"]);
        let mut groups: String =
            single.map(|name| hostile::deployment(name, name, &url, &["num_retries: 0"])).collect();
        // Nothing listens on the first port of a machine.
        groups += &hostile::deployment("refusing", "good", "http://127.0.0.1:1", &["num_retries: 0"]);
        for first in [
            "status-401",
            "status-403",
            "status-408",
            "status-429",
            "status-500",
            "status-503",
            "html-200",
            "redirect",
            "truncated",
            "error-in-200",
            "huge-header",
            "hangs-up",
            "status-400",
            "status-404",
            "cut-after-3",
        ] {
            let group = format!("over-{first}");
            groups += &hostile::deployment(&group, first, &url, &["order: 1"]);
            groups += &hostile::deployment(&group, "good", &url, &["order: 2"]);
        }
        groups += &hostile::deployment("over-refusing", "good", "http://127.0.0.1:1", &["order: 1"]);
        groups += &hostile::deployment("over-refusing", "good", &url, &["order: 2"]);
        let config = format!(
            "model_list:\n{groups}router_settings: {{disable_cooldowns: true, retry_budget_floor: 1000}}\ngeneral_settings: {{master_key: {KEY}, max_reply_size_mb: 4}}\n"
        );
        let config = scratch.write("config.yaml", &config);
        Self { gateway: Process::gateway(config, &[]), upstream, decoy, _scratch: scratch }
    }

    fn ask(&self, model: &str, members: &str) -> Answer {
        self.ask_as("any", model, members)
    }

    /// Asks under an id by which the log's line is found.
    fn ask_as(&self, id: &str, model: &str, members: &str) -> Answer {
        let headers = [("Authorization", &*format!("Bearer {KEY}")), ("X-Request-Id", id)];
        Client::ask(
            self.gateway.address(),
            &raw::post("/v1/chat/completions", &headers, raw::chat(model, members).as_bytes()),
        )
    }
}

fn play(request: &Received, elsewhere: &str) -> Play {
    let model = request.body.split('"').nth(3).unwrap_or_default();
    let credential = request.header("authorization").unwrap_or_default().to_owned();
    let error = |message: &str| format!(r#"{{"error":{{"message":"{message}","type":"t","param":null,"code":"c"}}}}"#);
    let three = format!("{EVENT}\n\n{EVENT}\n\n{EVENT}\n\n");
    match model {
        "good" => Play::completion(),
        "html-200" => Play::answer(200, "Content-Type: text/html\r\n", "<html>sign in</html>"),
        "html-502" => Play::answer(502, "Content-Type: text/html\r\n", "<html>bad gateway</html>"),
        "empty-500" => Play::json(500, ""),
        "empty-200" => Play::json(200, ""),
        "redirect" => {
            Play::answer(302, &format!("Location: {elsewhere}/v1/chat/completions?key={PROVIDER_KEY}\r\n"), "moved")
        }
        "truncated" => Play::json(200, &COMPLETION[..COMPLETION.len() / 2]),
        "broken-off" => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n";
            Play::raw(format!("{head}{COMPLETION}")).hang_up()
        }
        "error-in-200" => Play::json(200, &error("the model is on holiday")),
        "gzip" => Play::answer(200, "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", gzip(COMPLETION)),
        "huge-header" => Play::answer(200, &format!("X-Huge: {}\r\n", "h".repeat(2 << 20)), COMPLETION),
        "hangs-up" => Play::raw("").hang_up(),
        // An answer, and one more that nobody asked for.
        "poison" => Play::completion().and(Play::json(200, &COMPLETION.replace("hi", "poison"))),
        "lies-about-length" => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n";
            Play::raw(format!("{head}{:x}\r\n{COMPLETION}\r\n0\r\n\r\n", COMPLETION.len()))
        }
        "bomb" => Play::answer(200, "Content-Type: application/json\r\nContent-Encoding: gzip\r\n", &*BOMB),
        "endless-event" => Play::events(&format!("{EVENT}\n\ndata: {}", "x".repeat(8 << 20))).stall(),
        "nonsense" => Play::raw("SSH-2.0-OpenSSH_9.9\r\n\r\n").hang_up(),
        "early-hints" => {
            let early = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
            Play::raw(format!("{early}{head}{}\r\n\r\n{COMPLETION}", COMPLETION.len()))
        }
        "cut-after-3" => Play::events(&three).hang_up(),
        "error-after-3" => Play::events(&format!("{three}data: {}\n\n", error("out of memory"))).ended(),
        "ends-after-3" => Play::events(&three).ended(),
        "echo-in-stream" => {
            Play::events(&format!("{three}data: {}\n\n", error(&format!("you sent {credential}")))).ended()
        }
        "echo-in-error" => {
            let echo =
                format!("X-Request-Id: {credential}\r\nX-Echo: {credential}\r\nContent-Type: application/json\r\n");
            Play::answer(401, &echo, error(&format!("Incorrect API key provided: {credential}.")))
        }
        "wait-429" => Play::answer(429, "Content-Type: application/json\r\nRetry-After: 7\r\n", error("slow down")),
        status => match status.strip_prefix("status-") {
            Some(status) => Play::json(status.parse().unwrap(), &error(&format!("reason {status}"))),
            None => Play::json(500, &error("no such behaviour")),
        },
    }
}

/// A few hundred kilobytes that become [`BOMB_BYTES`].
static BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| gzip(&" ".repeat(BOMB_BYTES)));

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn an_error_of_the_providers_is_told_as_litellm_tells_it() {
    for (status, class, kind) in [
        (400, "litellm.BadRequestError", "invalid_request_error"),
        (401, "litellm.AuthenticationError", "authentication_error"),
        (403, "litellm.APIError", "permission_error"),
        (404, "litellm.NotFoundError", "invalid_request_error"),
        (408, "litellm.Timeout", "invalid_request_error"),
        (413, "litellm.APIError", "invalid_request_error"),
        (422, "litellm.BadRequestError", "invalid_request_error"),
        (429, "litellm.RateLimitError", "throttling_error"),
        (500, "litellm.InternalServerError", "internal_server_error"),
        (502, "litellm.BadGatewayError", "internal_server_error"),
        (503, "litellm.ServiceUnavailableError", "internal_server_error"),
        (529, "litellm.InternalServerError", "internal_server_error"),
    ] {
        for members in ["", r#","stream":true"#] {
            let answer = STAND.ask(&format!("status-{status}"), members);
            let told = answer.text();
            assert_eq!(answer.status, status, "{told}");
            let message = answer.error("message").unwrap();
            assert!(
                message.starts_with(class) && message.ends_with(&format!("OpenAIException - reason {status}")),
                "{told}"
            );
            assert_eq!(answer.error("type").as_deref(), Some(kind), "{told}");
            assert_eq!(answer.error("code"), Some(status.to_string()), "{told}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.header("retry-after"), None);
        }
    }
}

#[test]
fn a_provider_that_says_when_to_come_back_is_quoted() {
    let answer = STAND.ask("wait-429", "");
    assert_eq!((answer.status, answer.header("llm_provider-retry-after")), (429, Some("7")), "{}", answer.whole());
    assert_eq!(answer.header("retry-after"), Some("7"));
}

#[test]
fn a_provider_that_does_not_answer_properly_is_our_error() {
    for (model, status) in [
        ("refusing", 500),
        ("hangs-up", 500),
        ("nonsense", 500),
        ("broken-off", 500),
        ("huge-header", 500),
        ("html-200", 502),
        ("html-502", 502),
        ("empty-500", 500),
        ("empty-200", 500),
        ("redirect", 502),
        ("truncated", 502),
        ("error-in-200", 502),
    ] {
        let id = format!("improper-{model}");
        let answer = STAND.ask_as(&id, model, "");
        assert_eq!(answer.status, status, "{model}: {}", answer.text());
        assert_eq!(answer.error("type").as_deref(), Some("internal_server_error"), "{model}: {}", answer.text());
        assert_eq!(answer.error("code"), Some(status.to_string()), "{model}");
        assert!(
            !answer.text().contains("<html>") && !answer.text().contains("127.0.0.1"),
            "{model}: {}",
            answer.text()
        );
        assert!(answer.text().len() < 1000, "{model}");
        let line = raw::exchange(&STAND.gateway, &id);
        assert!(line.contains(r#""outcome":"upstream_"#), "{model}: {line}");
    }
    assert!(STAND.ask("error-in-200", "").error("message").unwrap().contains("the model is on holiday"));
    let refused = STAND.ask("refusing", "");
    assert!(refused.error("message").unwrap().ends_with("Connection error."), "{}", refused.text());
}

#[test]
fn a_redirect_is_never_followed() {
    for model in ["redirect", "over-redirect"] {
        let answer = STAND.ask(model, "");
        assert!(!answer.whole().contains("location") && !answer.whole().contains(PROVIDER_KEY), "{}", answer.whole());
    }
    assert_eq!(STAND.decoy.connections(), 0);
}

#[test]
fn an_answer_that_nobody_asked_to_compress_arrives_in_clear() {
    for model in ["gzip", "early-hints", "good"] {
        let answer = STAND.ask(model, "");
        assert_eq!((answer.status, answer.header("content-encoding")), (200, None), "{model}: {}", answer.whole());
        let expected = COMPLETION.replace(r#""model":"upstream""#, &format!(r#""model":"{model}""#));
        assert_eq!(answer.text(), expected, "{model}");
    }
}

#[test]
fn a_stream_that_breaks_ends_in_one_error_and_no_done() {
    for (model, reason, outcome) in [
        ("cut-after-3", "broke off", r#""outcome":"upstream_cut""#),
        ("ends-after-3", "broke off", r#""outcome":"upstream_cut""#),
        ("error-after-3", "out of memory", r#""outcome":"upstream_"#),
    ] {
        let id = format!("breaks-{model}");
        let answer = STAND.ask_as(&id, model, r#","stream":true"#);
        let text = answer.text();
        assert_eq!(answer.status, 200, "{model}: {text}");
        assert_eq!(text.matches(r#""content":"x""#).count(), 3, "{model}: {text}");
        assert_eq!(text.matches(r#"{"error":"#).count(), 1, "{model}: {text}");
        assert!(text.contains(reason) && !text.contains("[DONE]"), "{model}: {text}");
        assert!(text.ends_with("\n\n"), "{model}: {text:?}");
        let line = raw::exchange(&STAND.gateway, &id);
        assert!(line.contains(outcome), "{model}: {line}");
    }
}

#[test]
fn the_providers_key_goes_to_the_provider_and_nowhere_else() {
    for (model, members) in
        [("echo-in-error", ""), ("echo-in-error", r#","stream":true"#), ("echo-in-stream", r#","stream":true"#)]
    {
        let answer = STAND.ask(model, members);
        assert!(!answer.whole().contains(PROVIDER_KEY), "{model}{members}: {}", answer.whole());
        assert_eq!(answer.header("x-echo"), None);
    }
    assert!(STAND.ask("echo-in-error", "").error("message").unwrap().contains("Incorrect API key provided: "));
    let sent = STAND.upstream.received();
    assert!(sent.iter().all(|seen| seen.header("authorization") == Some(&*format!("Bearer {PROVIDER_KEY}"))));
    assert!(!STAND.gateway.output().contains(PROVIDER_KEY));
}

#[test]
fn what_comes_behind_an_answer_belongs_to_nobody() {
    for _ in 0..5 {
        for model in ["poison", "lies-about-length", "good", "good"] {
            let answer = STAND.ask(model, "");
            assert!(!answer.text().contains(r#""content":"poison""#), "{model}: {}", answer.text());
            assert!(answer.status == 200 || model == "lies-about-length", "{model}: {}", answer.text());
        }
    }
}

#[test]
fn an_answer_without_end_is_cut_before_it_fills_the_memory() {
    let answer = STAND.ask("bomb", "");
    assert_eq!(answer.status, 502, "{}", answer.text());
    let answer = STAND.ask("endless-event", r#","stream":true"#);
    let text = answer.text();
    assert!(text.contains(r#"{"error":"#) && text.len() < 10_000 && !text.contains("[DONE]"), "{} bytes", text.len());
    let status = std::fs::read_to_string(format!("/proc/{}/status", STAND.gateway.pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak_kib < MEMORY_KIB_MAX, "{peak_kib} KiB were needed");
}

#[test]
fn what_another_deployment_can_do_better_it_does() {
    for first in [
        "status-401",
        "status-403",
        "status-404",
        "status-408",
        "status-429",
        "status-500",
        "status-503",
        "html-200",
        "redirect",
        "truncated",
        "error-in-200",
        "huge-header",
        "hangs-up",
        "refusing",
    ] {
        for members in ["", r#","user":"again""#] {
            let answer = STAND.ask(&format!("over-{first}"), members);
            assert_eq!(answer.status, 200, "{first}: {}", answer.text());
            assert_eq!(answer.header("x-litellm-attempted-retries"), Some("1"), "{first}");
            assert!(answer.text().contains(&format!(r#""model":"over-{first}""#)), "{first}: {}", answer.text());
        }
    }
}

#[test]
fn what_every_deployment_would_refuse_is_asked_once() {
    let answer = STAND.ask("over-status-400", "");
    let told = (answer.status, answer.header("x-litellm-attempted-retries"));
    assert_eq!(told, (400, Some("0")), "{}", answer.text());
}

#[test]
fn a_stream_that_has_begun_is_not_begun_again() {
    let text = STAND.ask("over-cut-after-3", r#","stream":true"#).text();
    assert_eq!(text.matches(r#""content":"x""#).count(), 3, "{text}");
    assert!(text.contains(r#"{"error":"#) && !text.contains("\"hi\""), "{text}");
}
