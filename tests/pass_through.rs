//! What is passed on to a provider as it is: credentials stay on their side, bytes arrive untouched, usage is metered on
//! the way, and no path escapes access, budgets and the log.

#![expect(clippy::unwrap_used, reason = "what surrounds the tests fails as they do")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use support::raw::{self, Answer};
use support::rig::{Exchange, eventually, exchanges, key};
use support::{Process, Scratch};
use tollgate::vocabulary::PicoUsd;

const FREE: &str = "sk-pass-free-0123456789";
const NARROW: &str = "sk-pass-narrow-0123456789";
const POOR: &str = "sk-pass-poor-0123456789";
const SPENT: &str = "sk-pass-spent-0123456789";
/// The provider's.
const OURS: &str = "sk-pass-through-provider-0001";

/// What a provider was asked.
#[derive(Clone, Debug)]
struct Asked {
    line: String,
    headers: String,
    body: Vec<u8>,
}

/// A provider that answers by the path it is asked.
struct Upstream {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Upstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = seen.clone();
                std::thread::spawn(move || serve(&stream, &seen));
            }
        });
        Self { address, asked }
    }

    fn last(&self) -> Asked {
        self.asked.lock().unwrap().last().unwrap().clone()
    }

    fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn serve(stream: &TcpStream, seen: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut headers = String::new();
        while !headers.ends_with("\r\n\r\n") && headers != "\r\n" {
            if reader.read_line(&mut headers).unwrap_or(0) == 0 {
                return;
            }
        }
        let headers = headers.to_ascii_lowercase();
        let length = headers.lines().find_map(|header| header.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).unwrap();
        let asked = Asked { line: line.trim_end().to_owned(), headers, body };
        let answer = answer(&asked);
        seen.lock().unwrap().push(asked);
        let mut stream = stream;
        stream.write_all(&answer).unwrap();
        if line.contains("/cut") {
            // Later than what came before: else the connection may just end.
            std::thread::sleep(std::time::Duration::from_millis(300));
            return;
        }
    }
}

const CLAUDE: &str = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-20250514","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":{"input_tokens":100,"output_tokens":10}}"#;
const GPT: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"gpt-4o-2024","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110}}"#;
const FLASH: &str = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Hi"}]},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":10,"totalTokenCount":110},"modelVersion":"gemini-2.5-flash"}"#;
const COMMAND: &str = r#"{"id":"x","message":{"role":"assistant","content":[{"type":"text","text":"Hi"}]},"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":100,"output_tokens":10},"tokens":{"input_tokens":100,"output_tokens":10}}}"#;
const CLAUDE_STREAM: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-x\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":100,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\nevent: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":10}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
const GPT_STREAM: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"finish_reason\":null}],\"usage\":null}\n\ndata: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4o\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\ndata: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-4o\",\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":10,\"total_tokens\":110}}\n\ndata: [DONE]\n\n";

fn answer(asked: &Asked) -> Vec<u8> {
    let path = asked.line.split(' ').nth(1).unwrap_or_default();
    let json = |body: &str| whole(200, "application/json", body.as_bytes());
    let stream = memchr_contains(&asked.body, b"\"stream\":true");
    match path.split('?').next().unwrap_or_default() {
        "/v1/messages" if stream => chunked("text/event-stream", CLAUDE_STREAM),
        "/v1/messages" => json(CLAUDE),
        "/v1/chat/completions" if stream => chunked("text/event-stream", GPT_STREAM),
        "/v1/chat/completions" => json(GPT),
        "/v1beta/models/gemini-2.5-flash:generateContent" => json(FLASH),
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent" if path.contains("alt=sse") => {
            chunked("text/event-stream", &format!("data: {FLASH}\r\n\r\n"))
        }
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent" => {
            chunked("application/json", &format!("[{FLASH}\n]\n"))
        }
        "/v2/chat" => json(COMMAND),
        "/v2/rerank" => json(
            r#"{"results":[{"index":0,"relevance_score":0.9}],"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":3}}}"#,
        ),
        "/v1/audio/speech" => chunked("audio/mpeg", "ID3 not really sound"),
        "/v1/audio/transcriptions" if memchr_contains(&asked.body, b"srt") => {
            whole(200, "text/plain", b"1\n00:00 Hi\n")
        }
        "/v1/audio/transcriptions" if memchr_contains(&asked.body, b"whisper-1") => {
            json(r#"{"text":"Hi","duration":9.0,"segments":[]}"#)
        }
        "/v1/audio/transcriptions" => {
            json(r#"{"text":"Hi","usage":{"type":"tokens","input_tokens":100,"output_tokens":10,"total_tokens":110}}"#)
        }
        "/v1/images/edits" => json(r#"{"created":1,"data":[{"b64_json":"AAAA"}]}"#),
        "/own/base/deep" | "/own/base" => json(r#"{"own":true}"#),
        "/v1/files/echo" => json(&format!(r#"{{"key":"{OURS}"}}"#)),
        "/v1/files/gone" => whole(404, "application/json; x=y", br#"{"error":{"message":"no such file","code":7}}"#),
        "/v1/files/slow" => whole(429, "text/plain", b"slow down"),
        "/v1/files/empty" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        "/v1/files/cut" => b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n\r\nhalf".to_vec(),
        "/v1/files/cut/chunks" => {
            b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n".to_vec()
        }
        "/v1/files/content" => whole(200, "application/octet-stream", &[0, 159, 146, 150, 255]),
        _ => json(r#"{"ok":true}"#),
    }
}

fn memchr_contains(body: &[u8], part: &[u8]) -> bool {
    body.windows(part.len()).any(|window| window == part)
}

fn whole(status: u16, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\nset-cookie: theirs=1\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

fn chunked(kind: &str, body: &str) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes();
    for piece in body.as_bytes().chunks(37) {
        out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// A gateway in front of it.
struct Desk {
    upstream: Upstream,
    gateway: Process,
    _scratch: Scratch,
}

impl Desk {
    fn open(name: &str) -> Self {
        let upstream = Upstream::start();
        let scratch = Scratch::new(name);
        let config = scratch.write("config.yaml", &config(upstream.address));
        Self { gateway: Process::gateway(&config, &[]), upstream, _scratch: scratch }
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, key: &str, headers: &str, body: &[u8]) -> Answer {
        let length = match (method, body.is_empty()) {
            ("GET" | "DELETE", true) => String::new(),
            _ => format!("content-length: {}\r\n", body.len()),
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {key}\r\n{headers}{length}\r\n"
        );
        raw::Client::ask(self.gateway.address(), &[head.as_bytes(), body].concat())
    }

    #[track_caller]
    fn post(&self, path: &str, key: &str, body: &str) -> Answer {
        self.ask("POST", path, key, "content-type: application/json\r\n", body.as_bytes())
    }

    /// The one record of the last request.
    fn receipt(&self, count: usize) -> Exchange {
        eventually("the log tells of it", || exchanges(&self.gateway.output()).len() >= count);
        let mut all = exchanges(&self.gateway.output());
        assert_eq!(all.len(), count, "one line per exchange");
        all.pop().unwrap()
    }
}

fn config(upstream: SocketAddr) -> String {
    let deployment = |name: &str, model: &str, base: &str| {
        format!(
            "  - model_name: {name}\n    litellm_params:\n      model: {model}\n      api_base: http://{upstream}{base}\n      api_key: {OURS}\n"
        )
    };
    format!(
        "model_list:\n{}{}{}{}{}{}{}{}{}{}general_settings:\n  pass_through_endpoints:\n\
         {}{}router_settings:\n  num_retries: 0\nvirtual_keys:\n{}{}{}{}",
        deployment("own-gpt", "openai/gpt-4o", "/v1"),
        deployment("own-claude", "anthropic/claude-sonnet-4-20250514", ""),
        deployment("own-flash", "gemini/gemini-2.5-flash", ""),
        deployment("own-command", "cohere/command-r-plus-08-2024", ""),
        deployment("own-azure", "azure/house-model", ""),
        deployment("ears", "openai/gpt-4o-transcribe", "/v1"),
        deployment("old-ears", "openai/whisper-1", "/v1"),
        deployment("voice", "openai/tts-1", "/v1"),
        deployment("brush", "openai/gpt-image-1", "/v1"),
        deployment("order", "cohere/rerank-v3.5", ""),
        format_args!(
            "    - path: /own/tool\n      target: http://{upstream}/own/base\n      include_subpath: true\n      \
             cost_per_request: 0.5\n      headers: {{authorization: bearer {OURS}}}\n"
        ),
        format_args!(
            "    - path: /own/open\n      target: http://{upstream}/own/base\n      auth: false\n      methods: [get]\n"
        ),
        key(FREE, "free", "    max_budget: 100\n"),
        key(NARROW, "narrow", "    models: [claude-sonnet-4-20250514, gemini/*]\n"),
        key(POOR, "poor", "    max_budget: 0.000001\n"),
        key(SPENT, "spent", "    max_budget: 0\n"),
    )
}

const MESSAGES: &str = r#"{ "model": "claude-sonnet-4-20250514", "max_tokens": 20, "messages": [{"role":"user","content":"Hi"}], "unknown": [1.0e3] }"#;
const CHAT: &str = r#"{"model":"gpt-4o","max_tokens":20,"messages":[{"role":"user","content":"Hi"}]}"#;

#[test]
fn known_calls_pass_untouched_and_are_charged_as_reported() {
    let desk = Desk::open("pass-known");
    let streamed = |body: &str| body.replacen('{', "{\"stream\":true,", 1);
    let flash = r#"{"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"generationConfig":{"maxOutputTokens":20}}"#;
    let command = r#"{"model":"command-r-plus-08-2024","max_tokens":20,"messages":[{"role":"user","content":"Hi"}]}"#;
    let asked_usage = CHAT.replacen('{', "{\"stream\":true,\"stream_options\":{\"include_usage\":true},", 1);
    let array = format!("[{FLASH}\n]\n");
    let events = format!("data: {FLASH}\r\n\r\n");
    let model = "/gemini/v1beta/models/gemini-2.5-flash";
    let calls: [(String, String, &str, &str); 8] = [
        ("/anthropic/v1/messages".into(), MESSAGES.into(), CLAUDE, "0.00045"),
        ("/anthropic/v1/messages?beta=true".into(), streamed(MESSAGES), CLAUDE_STREAM, "0.00045"),
        ("/openai/v1/chat/completions".into(), CHAT.into(), GPT, "0.00035"),
        ("/openai/chat/completions".into(), asked_usage, GPT_STREAM, "0.00035"),
        (format!("{model}:generateContent"), flash.into(), FLASH, "0.000055"),
        (format!("{model}:streamGenerateContent?alt=sse"), flash.into(), &events, "0.000055"),
        (format!("{model}:streamGenerateContent"), flash.into(), &array, "0.000055"),
        ("/cohere/v2/chat".into(), command.into(), COMMAND, "0.00035"),
    ];
    for (index, (path, body, expected, cost)) in calls.iter().enumerate() {
        let answer = desk.post(path, FREE, body);
        assert_eq!((answer.status, answer.text().as_str()), (200, *expected), "{path}");
        assert_eq!(desk.upstream.last().body, body.as_bytes(), "{path}");
        let receipt = desk.receipt(index + 1);
        let reported = (receipt.usage.as_deref(), receipt.tokens_in, receipt.tokens_out, receipt.outcome.as_str());
        assert_eq!(reported, (Some("reported"), 100, 10, "complete"), "{path}: {receipt:?}");
        assert_eq!(receipt.cost(), PicoUsd::parse(cost).unwrap(), "{path}: {receipt:?}");
    }
}

#[test]
fn credentials_stay_on_their_side() {
    let desk = Desk::open("pass-credentials");
    let extra = "cookie: a=b\r\nx-api-key: sk-theirs-1\r\nx-goog-api-key: sk-theirs-2\r\nopenai-organization: org\r\n\
                 openai-beta: assistants=v2\r\nx-forwarded-for: 1.2.3.4\r\naccept: application/x\r\n";
    let answer = desk.ask("GET", "/openai/v1/files/echo?limit=2&key=sk-theirs-3&k%65y=sk-theirs-4", FREE, extra, b"");
    let asked = desk.upstream.last();
    assert_eq!(asked.line, "GET /v1/files/echo?limit=2 HTTP/1.1");
    for absent in ["theirs", "cookie", "org\r\n", "1.2.3.4", "sk-pass-free", "content-length", "content-type"] {
        assert!(!asked.headers.contains(absent), "{absent} in {}", asked.headers);
    }
    for present in [&*format!("authorization: bearer {OURS}"), "openai-beta: assistants=v2", "accept: application/x"] {
        assert!(asked.headers.contains(present), "{present} in {}", asked.headers);
    }
    assert_eq!(answer.status, 200);
    assert!(!answer.whole().contains(OURS) && answer.header("set-cookie").is_none(), "{}", answer.whole());
    let asked_by_query = raw::get(&format!("/gemini/v1beta/models?key={FREE}&pageSize=1"), &[]);
    let answer = raw::Client::ask(desk.gateway.address(), &asked_by_query);
    let asked = desk.upstream.last();
    assert_eq!((answer.status, asked.line.as_str()), (200, "GET /v1beta/models?pageSize=1 HTTP/1.1"));
    assert!(asked.headers.contains(&format!("x-goog-api-key: {OURS}")) && !asked.headers.contains(FREE));
    let nobody = raw::Client::ask(desk.gateway.address(), &raw::get("/openai/v1/files", &[]));
    assert_eq!(nobody.status, 401);
}

#[test]
fn other_paths_pass_with_every_method_and_any_body() {
    let desk = Desk::open("pass-opaque");
    let form = b"--x\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n\x00\xff\r\n--x--\r\n";
    for (index, method) in ["GET", "POST", "PUT", "PATCH", "DELETE"].into_iter().enumerate() {
        let body: &[u8] = if matches!(method, "GET" | "DELETE") { b"" } else { form };
        let kind = if body.is_empty() { "" } else { "content-type: multipart/form-data; boundary=x\r\n" };
        let answer = desk.ask(method, "/openai/v1/files/a%20b:x@1", FREE, kind, body);
        assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"ok":true}"#), "{method}");
        let asked = desk.upstream.last();
        assert_eq!((asked.line, asked.body), (format!("{method} /v1/files/a%20b:x@1 HTTP/1.1"), body.to_vec()));
        assert!(body.is_empty() || asked.headers.contains("content-type: multipart/form-data; boundary=x\r\n"));
        let receipt = desk.receipt(index + 1);
        assert_eq!((receipt.outcome.as_str(), receipt.cost()), ("complete", PicoUsd::ZERO), "{receipt:?}");
    }
    let answer = desk.ask("OPTIONS", "/openai/v1/files", FREE, "", b"");
    assert_eq!(answer.status, 405);
}

#[test]
fn answers_pass_with_their_status_and_body() {
    let desk = Desk::open("pass-answers");
    let get = |path: &str| desk.ask("GET", path, FREE, "", b"");
    let gone = get("/openai/v1/files/gone");
    assert_eq!((gone.status, gone.text().as_str()), (404, r#"{"error":{"message":"no such file","code":7}}"#));
    assert_eq!(gone.header("content-type"), Some("application/json; x=y"));
    let receipt = desk.receipt(1);
    assert_eq!((receipt.status, receipt.outcome.as_str()), (404, "upstream_failed"));
    let slow = get("/openai/v1/files/slow");
    assert_eq!(
        (slow.status, slow.text().as_str(), slow.header("content-type")),
        (429, "slow down", Some("text/plain"))
    );
    assert_eq!(get("/openai/v1/files/empty").status, 204);
    let content = get("/openai/v1/files/content");
    assert_eq!((content.status, content.body.as_slice()), (200, &[0, 159, 146, 150, 255][..]));
    assert_eq!(desk.upstream.count(), 4);
}

#[test]
fn doubtful_paths_reach_nobody() {
    let desk = Desk::open("pass-paths");
    for path in [
        "/openai/v1/../admin",
        "/openai/v1/%2e%2e/admin",
        "/openai//v1/files",
        "/openai/v1/a%2fb",
        "/openai/v1/a%5cb",
        "/openai/v1/a%0d%0ab",
        "/openai/v1/a%252fb",
        "/openai/v1/%63hat/completions",
        "/openai/v1/chat/completions/",
        "/anthropic/v1/MESSAGES",
    ] {
        let answer = desk.post(path, FREE, CHAT);
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
    }
    let unset = desk.post("/mistral/v1/chat/completions", FREE, CHAT);
    assert_eq!(unset.status, 404);
    assert!(unset.text().contains("MISTRAL_API_KEY"), "{}", unset.text());
    assert_eq!(desk.upstream.count(), 0);
}

#[test]
fn lists_of_models_and_budgets_hold() {
    let desk = Desk::open("pass-access");
    assert_eq!(desk.post("/anthropic/v1/messages", NARROW, MESSAGES).status, 200);
    let flash = r#"{"contents":[{"parts":[{"text":"Hi"}]}]}"#;
    assert_eq!(desk.post("/gemini/v1beta/models/gemini-2.5-flash:generateContent", NARROW, flash).status, 200);
    let before = desk.upstream.count();
    assert_eq!(desk.post("/openai/v1/chat/completions", NARROW, CHAT).status, 403);
    // The path's model counts, whatever the body says.
    let azure = "/azure/openai/deployments/other/chat/completions";
    assert_eq!(desk.post(azure, NARROW, &CHAT.replace("gpt-4o", "claude-sonnet-4-20250514")).status, 403);
    assert_eq!(desk.ask("GET", "/anthropic/v1/models", NARROW, "", b"").status, 403);
    let dear = desk.post("/openai/v1/chat/completions", POOR, CHAT);
    assert!(matches!(dear.status, 400 | 402 | 422 | 429), "{}", dear.text());
    let spent = desk.ask("GET", "/openai/v1/files", SPENT, "", b"");
    assert_eq!(spent.status, dear.status, "{}", spent.text());
    let twice = r#"{"model":"a","model":"claude-sonnet-4-20250514","messages":[]}"#;
    assert_eq!(desk.post("/anthropic/v1/messages", NARROW, twice).status, 400);
    assert_eq!(desk.upstream.count(), before);
    let listed = desk.ask("GET", "/v1/models", FREE, "", b"").text();
    assert!(!listed.contains("pass-through"), "{listed}");
    assert_eq!(desk.post("/v1/chat/completions", FREE, &CHAT.replace("gpt-4o", "pass-through-openai")).status, 400);
}

#[test]
fn stored_responses_are_asked_for_where_they_are() {
    let desk = Desk::open("pass-stored");
    for (method, path, upstream) in [
        ("GET", "/v1/responses/resp_1", "GET /v1/responses/resp_1"),
        ("DELETE", "/responses/resp_1", "DELETE /v1/responses/resp_1"),
        ("POST", "/v1/responses/resp_1/cancel", "POST /v1/responses/resp_1/cancel"),
        ("GET", "/v1/responses/resp_1/input_items?limit=2", "GET /v1/responses/resp_1/input_items?limit=2"),
        ("GET", "/v1/responses/resp_1?model=own-azure", "GET /openai/v1/responses/resp_1"),
    ] {
        let answer = desk.ask(method, path, FREE, "", b"");
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(desk.upstream.last().line, format!("{upstream} HTTP/1.1"));
    }
    assert_eq!(desk.ask("GET", "/v1/responses/resp_1", NARROW, "", b"").status, 404);
    assert_eq!(desk.ask("PUT", "/v1/responses/resp_1", FREE, "", b"").status, 405);
    assert_eq!(desk.ask("GET", "/v1/responses/a%2fb", FREE, "", b"").status, 404);
}

/// A form with a file and these fields.
fn form(fields: &[(&str, &str)]) -> String {
    let file = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n".to_owned();
    let field = |(name, value): &(&str, &str)| {
        format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    format!("{file}{}--b--\r\n", fields.iter().map(field).collect::<String>())
}

#[test]
fn sound_and_pictures_go_in_forms_with_the_providers_model() {
    let desk = Desk::open("pass-media");
    let kind = "content-type: multipart/form-data; boundary=b\r\n";
    let sent = form(&[("model", "ears"), ("language", "en")]);
    let answer = desk.ask("POST", "/v1/audio/transcriptions", FREE, kind, sent.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().starts_with(r#"{"text":"Hi""#), "{}", answer.text());
    let asked = desk.upstream.last();
    assert_eq!(asked.body, sent.replace("ears", "gpt-4o-transcribe").as_bytes());
    assert!(asked.headers.contains("content-type: multipart/form-data; boundary=b\r\n"), "{}", asked.headers);
    let receipt = desk.receipt(1);
    assert_eq!((receipt.usage.as_deref(), receipt.tokens_in, receipt.tokens_out), (Some("reported"), 100, 10));
    assert!(receipt.cost() > PicoUsd::ZERO, "{receipt:?}");
    let srt = form(&[("model", "ears"), ("response_format", "srt")]);
    let answer = desk.ask("POST", "/audio/transcriptions", FREE, kind, srt.as_bytes());
    assert_eq!((answer.status, answer.text().as_str()), (200, "1\n00:00 Hi\n"));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    let edited = desk.ask("POST", "/v1/images/edits", FREE, kind, form(&[("model", "ears")]).as_bytes());
    assert_eq!(edited.status, 200, "{}", edited.text());
    let before = desk.upstream.count();
    let narrow = desk.ask("POST", "/v1/audio/transcriptions", NARROW, kind, sent.as_bytes());
    assert_eq!(narrow.status, 403, "{}", narrow.text());
    let twice = form(&[("model", "ears"), ("model", "own-gpt")]);
    assert_eq!(desk.ask("POST", "/v1/audio/transcriptions", FREE, kind, twice.as_bytes()).status, 400);
    assert_eq!(desk.post("/v1/audio/transcriptions", FREE, "{}").status, 415);
    assert_eq!(desk.upstream.count(), before);
    let speech = desk.post("/v1/audio/speech", FREE, r#"{"model":"own-gpt","input":"Hi","voice":"a"}"#);
    assert_eq!((speech.status, speech.text().as_str()), (200, "ID3 not really sound"));
    assert_eq!(speech.header("content-type"), Some("audio/mpeg"));
    assert_eq!(desk.upstream.last().body, br#"{"model":"gpt-4o","input":"Hi","voice":"a"}"#);
}

#[test]
fn what_is_not_counted_in_tokens_is_charged_by_its_units() {
    let desk = Desk::open("pass-units");
    let forms = "content-type: multipart/form-data; boundary=b\r\n";
    let json = "content-type: application/json\r\n";
    let heard = form(&[("model", "old-ears")]);
    let edited = form(&[("model", "brush"), ("n", "2"), ("quality", "high"), ("size", "1024x1024")]);
    let spoken = r#"{"model":"voice","input":"Good day","voice":"a"}"#;
    let ranked = r#"{"model":"order","query":"q","documents":["a","b"]}"#;
    for (index, (path, kind, body, how, dollars)) in [
        // Nine seconds at 0.0001, as the answer tells.
        ("/v1/audio/transcriptions", forms, heard.as_str(), "reported", "0.0009"),
        // Two pictures at 0.167: their price goes by quality and size, and the answer counts nothing.
        ("/v1/images/edits", forms, edited.as_str(), "estimated", "0.334"),
        // Eight characters at 15 millionths.
        ("/v1/audio/speech", json, spoken, "estimated", "0.00012"),
        // Three searches at 0.002.
        ("/v1/rerank", json, ranked, "reported", "0.006"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = desk.ask("POST", path, FREE, kind, body.as_bytes());
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let receipt = desk.receipt(index + 1);
        assert_eq!(receipt.usage.as_deref(), Some(how), "{path}: {receipt:?}");
        assert_eq!(receipt.cost(), PicoUsd::parse(dollars).unwrap(), "{path}: {receipt:?}");
    }
    let before = desk.upstream.count();
    let poor = desk.ask("POST", "/v1/images/edits", POOR, forms, edited.as_bytes());
    assert_eq!((poor.status, desk.upstream.count()), (422, before), "{}", poor.text());
}

#[test]
fn configured_endpoints_lead_where_they_say() {
    let desk = Desk::open("pass-configured");
    let deep = desk.post("/own/tool/deep?x=1", FREE, "{}");
    assert_eq!((deep.status, deep.text().as_str()), (200, r#"{"own":true}"#));
    let asked = desk.upstream.last();
    assert_eq!(asked.line, "POST /own/base/deep?x=1 HTTP/1.1");
    assert!(asked.headers.contains(&format!("authorization: bearer {OURS}")), "{}", asked.headers);
    assert_eq!(desk.receipt(1).cost(), PicoUsd::parse("0.5").unwrap());
    let before = desk.upstream.count();
    assert_eq!(desk.post("/own/tool/../x", FREE, "{}").status, 400);
    assert_eq!(desk.post("/own/toolbox", FREE, "{}").status, 404);
    assert_eq!(desk.post("/own/tool", "sk-wrong-0123456789", "{}").status, 401);
    assert_eq!(desk.post("/own/tool", NARROW, "{}").status, 403);
    assert_eq!(desk.post("/own/open", FREE, "{}").status, 405);
    assert_eq!(desk.upstream.count(), before);
    let open = raw::Client::ask(desk.gateway.address(), &raw::get("/own/open", &[]));
    assert_eq!((open.status, open.text().as_str()), (200, r#"{"own":true}"#));
    assert!(!desk.upstream.last().headers.contains("authorization"));
}

#[test]
fn an_answer_that_breaks_off_breaks_off_for_the_client_too() {
    let desk = Desk::open("pass-cut");
    let ask = |path: &str| {
        let mut client = raw::Client::to(desk.gateway.address());
        client.send(&raw::get(path, &[("authorization", &format!("Bearer {FREE}"))]));
        String::from_utf8(client.until_end()).unwrap()
    };
    // What has a length is not flushed before its end: nothing came, or half of it.
    let seen = ask("/openai/v1/files/cut");
    assert!(seen.is_empty() || seen.ends_with("\r\n\r\nhalf"), "{seen}");
    assert_eq!(desk.receipt(1).outcome, "upstream_cut");
    let seen = ask("/openai/v1/files/cut/chunks");
    assert!(seen.starts_with("HTTP/1.1 200") && seen.ends_with("half\r\n"), "{seen}");
    assert_eq!(desk.receipt(2).outcome, "upstream_cut");
}
