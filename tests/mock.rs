//! The mock provider answers like OpenAI, and misbehaves exactly as it is told to.

#![expect(clippy::unwrap_used, reason = "what surrounds the tests fails as they do")]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use tollgate::mock::{Knobs, Options, Server, Tls, UsageKind};

/// Long enough that only a hang can reach it.
const PATIENCE: Duration = Duration::from_secs(20);

fn start(knobs: Knobs) -> Server {
    Server::start(Options { knobs, ..Options::default() }).unwrap()
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn request(path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: mock\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// One answer, read until the mock hangs up.
struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn status(&self) -> u16 {
        self.head[9..12].parse().unwrap()
    }

    /// The data of every event, chunks undone.
    fn events(&self) -> Vec<String> {
        let body = String::from_utf8(dechunk(self.body.as_bytes()).0).unwrap();
        body.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap().to_owned()).collect()
    }

    fn chunks(&self) -> Vec<Chunk> {
        let events = self.events();
        let (done, chunks) = events.split_last().unwrap();
        assert_eq!(done, "[DONE]");
        chunks.iter().map(|event| serde_json::from_str(event).unwrap()).collect()
    }
}

/// The data in a chunked body, and whether it had its end.
fn dechunk(mut wire: &[u8]) -> (Vec<u8>, bool) {
    let mut data = Vec::new();
    while let Some(line_end) = wire.windows(2).position(|pair| pair == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&wire[..line_end]).unwrap(), 16).unwrap();
        if size == 0 {
            return (data, true);
        }
        let rest = &wire[line_end + 2..];
        data.extend_from_slice(&rest[..size]);
        wire = &rest[size + 2..];
    }
    (data, false)
}

fn read(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    Answer { head: head.to_owned(), body: body.to_owned() }
}

fn send(server: &Server, path: &str, headers: &str, body: &str) -> Answer {
    let mut stream = connect(server);
    stream.write_all(request(path, headers, body).as_bytes()).unwrap();
    read(stream)
}

fn chat(server: &Server, headers: &str, body: &str) -> Answer {
    send(server, "/v1/chat/completions", headers, body)
}

#[derive(Debug, Deserialize)]
struct Completion {
    id: String,
    object: String,
    model: String,
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    index: u32,
    message: Option<Message>,
    text: Option<String>,
    finish_reason: String,
}

#[derive(Debug, Default, Deserialize)]
struct Message {
    content: Option<String>,
    #[serde(default)]
    tool_calls: Vec<Call>,
}

#[derive(Debug, Deserialize)]
struct Call {
    index: Option<u32>,
    id: Option<String>,
    function: Function,
}

#[derive(Debug, Deserialize)]
struct Function {
    name: Option<String>,
    arguments: String,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Chunk {
    id: String,
    object: String,
    choices: Vec<Part>,
    usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
struct Part {
    index: u32,
    delta: Option<Message>,
    text: Option<String>,
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Embeddings {
    data: Vec<Vector>,
    model: String,
    usage: Usage,
}

#[derive(Debug, Deserialize)]
struct Vector {
    index: usize,
    embedding: Vec<f32>,
}

fn completion(answer: &Answer) -> Completion {
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn a_chat_request_is_answered_like_openai_does() {
    let server = start(Knobs::default());
    let body = r#"{"model":"gpt-\u0034o","messages":[{"role":"user","content":"hi"}],"n":2}"#;
    let answer = chat(&server, "", body);
    let said = completion(&answer);
    assert_eq!(answer.status(), 200);
    assert!(answer.head.contains("content-type: application/json"), "{}", answer.head);
    assert_eq!((said.object.as_str(), said.model.as_str()), ("chat.completion", "gpt-4o"));
    assert!(said.id.starts_with("chatcmpl-"));
    assert_eq!(said.choices.iter().map(|it| it.index).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(said.choices[0].finish_reason, "stop");
    assert!(said.choices[0].message.as_ref().unwrap().content.as_ref().unwrap().starts_with("The gate keeper"));
    let prompt = body.len() as u64 / 4;
    let usage = Usage { prompt_tokens: prompt, completion_tokens: Some(20), total_tokens: Some(prompt + 20) };
    assert_eq!(said.usage, Some(usage));
}

#[test]
fn a_stream_says_the_same_text_as_the_whole_answer() {
    let server = start(Knobs { bytes: Some(1000), chunks: 7, ..Knobs::default() });
    let whole = completion(&chat(&server, "", r#"{"model":"m"}"#));
    let answer = chat(&server, "", r#"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#);
    assert!(answer.head.contains("content-type: text/event-stream"), "{}", answer.head);
    let chunks = answer.chunks();
    assert_eq!(chunks.len(), 1 + 7 + 1 + 1);
    assert!(chunks.iter().all(|chunk| chunk.id == chunks[0].id && chunk.object == "chat.completion.chunk"));
    let deltas = chunks.iter().flat_map(|chunk| &chunk.choices).filter_map(|part| part.delta.as_ref());
    let text: String = deltas.filter_map(|delta| delta.content.clone()).collect();
    assert_eq!(Some(text), whole.choices[0].message.as_ref().unwrap().content);
    let (last, before) = chunks.split_last().unwrap();
    assert!(last.choices.is_empty() && before.iter().all(|chunk| chunk.usage.is_none()));
    assert_eq!(last.usage.as_ref().unwrap().completion_tokens, Some(7));
    assert_eq!(before.last().unwrap().choices[0].finish_reason.as_deref(), Some("stop"));
}

#[test]
fn a_stream_reports_usage_only_when_asked_or_told_to() {
    let server = start(Knobs::default());
    let unasked = chat(&server, "", r#"{"stream":true}"#);
    assert!(unasked.chunks().iter().all(|chunk| chunk.usage.is_none()));
    let always = chat(&server, "x-mock-usage: always\r\n", r#"{"stream":true}"#).chunks();
    assert!(always.last().unwrap().usage.is_some() && !always.last().unwrap().choices.is_empty());
    let asked = r#"{"stream":true,"stream_options":{"include_usage":true}}"#;
    let none = chat(&server, "x-mock-usage: none\r\n", asked);
    assert!(none.chunks().iter().all(|chunk| chunk.usage.is_none()));
    let partial = chat(&server, "x-mock-usage: partial\r\nx-mock-prompt-tokens: 5\r\n", asked).chunks();
    let usage = Usage { prompt_tokens: 5, completion_tokens: None, total_tokens: None };
    assert_eq!(partial.last().unwrap().usage, Some(usage));
}

#[test]
fn tools_are_called_whole_and_in_pieces() {
    let server = start(Knobs::default());
    let tools = r#""tools":[{"type":"function","function":{"name":"weather"}}]"#;
    let whole = completion(&chat(&server, "", &format!("{{{tools}}}")));
    let message = whole.choices[0].message.as_ref().unwrap();
    assert_eq!((whole.choices[0].finish_reason.as_str(), message.content.as_ref()), ("tool_calls", None));
    assert_eq!(message.tool_calls[0].function.name.as_deref(), Some("weather"));

    let chunks = chat(&server, "", &format!(r#"{{{tools},"stream":true}}"#)).chunks();
    let parts: Vec<&Call> = chunks.iter().flat_map(|it| &it.choices[0].delta.as_ref().unwrap().tool_calls).collect();
    assert!(parts.iter().all(|call| call.index == Some(0)));
    assert_eq!((parts[0].id.is_some(), parts[0].function.name.as_deref()), (true, Some("weather")));
    assert!(parts[1..].iter().all(|call| call.id.is_none() && call.function.name.is_none()));
    let arguments: String = parts.iter().map(|call| call.function.arguments.as_str()).collect();
    assert_eq!(arguments, message.tool_calls[0].function.arguments);
    assert_eq!(chunks.last().unwrap().choices[0].finish_reason.as_deref(), Some("tool_calls"));
}

#[test]
fn the_token_limit_and_the_json_format_are_honoured() {
    let server = start(Knobs::default());
    let short = completion(&chat(&server, "", r#"{"max_completion_tokens":3}"#));
    assert_eq!((short.choices[0].finish_reason.as_str(), short.usage.unwrap().completion_tokens), ("length", Some(3)));
    let json = completion(&chat(&server, "", r#"{"response_format":{"type":"json_object"}}"#));
    let text = json.choices[0].message.as_ref().unwrap().content.clone().unwrap();
    assert!(serde_json::from_str::<std::collections::BTreeMap<String, String>>(&text).is_ok(), "{text}");
}

#[test]
fn legacy_completions_are_answered_whole_and_in_pieces() {
    let server = start(Knobs::default());
    let whole = completion(&send(&server, "/v1/completions", "", r#"{"prompt":["a","b"],"model":"i"}"#));
    assert_eq!((whole.object.as_str(), whole.choices.len()), ("text_completion", 2));
    let chunks = send(&server, "/v1/completions", "", r#"{"prompt":"a","stream":true}"#).chunks();
    assert!(chunks.iter().all(|chunk| chunk.choices[0].index == 0));
    let text: String = chunks.iter().filter_map(|chunk| chunk.choices[0].text.clone()).collect();
    assert_eq!(Some(text), whole.choices[0].text);
}

#[test]
fn embeddings_come_as_numbers_or_base64() {
    let server = start(Knobs::default());
    let numbers: Embeddings = serde_json::from_str(
        &send(&server, "/v1/embeddings", "", r#"{"input":["a","b"],"model":"e","dimensions":3}"#).body,
    )
    .unwrap();
    assert_eq!((numbers.data.len(), numbers.data[1].index, numbers.model.as_str()), (2, 1, "e"));
    assert_eq!(numbers.data[0].embedding.len(), 3);
    assert_eq!(numbers.usage.total_tokens, Some(numbers.usage.prompt_tokens));
    let packed = send(&server, "/v1/embeddings", "", r#"{"input":"a","dimensions":3,"encoding_format":"base64"}"#).body;
    let text = packed.split_once(r#""embedding":""#).unwrap().1.split('"').next().unwrap();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap();
    let unpacked: Vec<f32> = bytes.chunks_exact(4).map(|it| f32::from_le_bytes(it.try_into().unwrap())).collect();
    assert_eq!(unpacked, numbers.data[0].embedding);
}

#[test]
fn an_azure_path_gives_azures_stream() {
    let server = start(Knobs::default());
    let path = "/openai/deployments/dep/chat/completions?api-version=2024-10-21";
    let events = send(&server, path, "api-key: k\r\n", r#"{"stream":true}"#).events();
    assert!(events[0].contains("prompt_filter_results"));
    assert!(events[1].contains(r#""model":"dep""#));
}

#[test]
fn errors_are_openais_and_say_when_to_come_back() {
    let server = start(Knobs::default());
    let limited = chat(&server, "x-mock-status: 429\r\nx-mock-retry-after: 7\r\n", "{}");
    assert_eq!(limited.status(), 429);
    assert!(limited.head.contains("retry-after: 7"), "{}", limited.head);
    assert!(limited.body.contains(r#""code":"rate_limit_exceeded""#), "{}", limited.body);
    let by_body = chat(&server, "", r#"{"mock":{"status":503}}"#);
    assert_eq!(by_body.status(), 503);
}

#[test]
fn the_first_requests_of_an_id_fail() {
    let server = start(Knobs::default());
    let headers = "x-mock-fail-times: 2\r\nx-mock-id: one\r\nx-mock-status: 502\r\n";
    let statuses: Vec<u16> = (0..3).map(|_| chat(&server, headers, "{}").status()).collect();
    assert_eq!(statuses, [502, 502, 200]);
}

#[test]
fn a_cut_leaves_the_answer_without_an_end() {
    let server = start(Knobs::default());
    let stream = chat(&server, "x-mock-cut-after: 3\r\n", r#"{"stream":true}"#);
    assert_eq!(stream.body.matches("data: ").count(), 3);
    assert!(!dechunk(stream.body.as_bytes()).1);
    let whole = chat(&server, "x-mock-cut-after: 0\r\n", "{}");
    let (_, announced) = whole.head.split_once("content-length: ").unwrap();
    assert_eq!(whole.body.len(), announced.lines().next().unwrap().parse::<usize>().unwrap() / 2);
}

#[test]
fn an_error_can_end_a_stream() {
    let server = start(Knobs::default());
    let events = chat(&server, "x-mock-error-after: 2\r\n", r#"{"stream":true}"#).events();
    assert_eq!(events.len(), 3);
    assert!(events[2].starts_with(r#"{"error":"#), "{}", events[2]);
}

#[test]
fn a_stalled_stream_stays_open_until_the_client_leaves() {
    let server = start(Knobs::default());
    let mut stream = connect(&server);
    stream
        .write_all(request("/chat/completions", "x-mock-stall-after: 2\r\n", r#"{"stream":true}"#).as_bytes())
        .unwrap();
    let mut seen = Vec::new();
    let mut room = [0; 4096];
    while seen.windows(6).filter(|bytes| bytes == b"data: ").count() < 2 {
        let len = stream.read(&mut room).unwrap();
        assert!(len > 0, "the mock hung up");
        seen.extend_from_slice(&room[..len]);
    }
    assert_eq!(server.stats().abandoned, 0);
    stream.shutdown(Shutdown::Both).unwrap();
    let stats = server.wait_until(PATIENCE, |stats| stats.abandoned == 1);
    assert_eq!((stats.abandoned, stats.answered), (1, 0));
}

#[test]
fn bodies_are_malformed_as_told() {
    let server = start(Knobs::default());
    let with = |kind: &str, body: &str| chat(&server, &format!("x-mock-malformed: {kind}\r\n"), body);
    assert!(serde_json::from_str::<Completion>(&with("json", "{}").body).is_err());
    assert!(with("sse", "{}").body.starts_with("data: "));
    assert!(with("html", r#"{"stream":true}"#).head.contains("text/html"));
    assert_eq!(with("empty", "{}").body, "");
    let truncated = with("truncated", "{}");
    assert!(truncated.head.contains(&format!("content-length: {}", truncated.body.len())), "{}", truncated.head);
    let broken = with("json", r#"{"stream":true}"#).events();
    let bad = broken.iter().filter(|event| serde_json::from_str::<Chunk>(event).is_err());
    assert_eq!(bad.count(), 2, "the broken one and [DONE]");
    let (short, ended) = dechunk(with("truncated", r#"{"stream":true}"#).body.as_bytes());
    assert!(ended && !short.ends_with(b"\n\n"));
    assert!(dechunk(with("empty", r#"{"stream":true}"#).body.as_bytes()).1);
}

#[test]
fn an_echo_says_what_the_mock_was_sent_and_a_leak_says_who_sent_it() {
    let server = start(Knobs::default());
    let body = r#"{"model":"m", "mock":{"echo":true}}"#;
    let said = completion(&chat(&server, "", body));
    assert_eq!(said.choices[0].message.as_ref().unwrap().content.as_deref(), Some(body));
    let leaked = chat(&server, "Authorization: Bearer sk-canary\r\nx-mock-leak: 1\r\nx-mock-status: 500\r\n", "{}");
    assert_eq!(leaked.head.matches("Bearer sk-canary").count(), 2, "{}", leaked.head);
    assert!(leaked.body.contains("Bearer sk-canary"), "{}", leaked.body);
}

#[test]
fn what_cannot_be_understood_is_refused() {
    let server = start(Knobs::default());
    assert_eq!(chat(&server, "", r#"{"model":"#).status(), 400);
    let unknown = chat(&server, "x-mock-colour: red\r\n", "{}");
    assert!(unknown.status() == 400 && unknown.body.contains("colour"), "{}", unknown.body);
    assert_eq!(send(&server, "/v1/nothing", "", "{}").status(), 404);
    let mut stream = connect(&server);
    stream.write_all(b"GET /v1/chat/completions HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!(read(stream).status(), 405);
    let mut stream = connect(&server);
    stream.write_all(b"\x16\x03\x01 not http\r\n\r\n").unwrap();
    assert_eq!(read(stream).status(), 400);
}

#[test]
fn requests_are_kept_as_they_came() {
    let server = start(Knobs::default());
    let mut stream = connect(&server);
    let head =
        "POST /v1/chat/completions?x=1 HTTP/1.1\r\nHost: a\r\nX-Case: Kept\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(format!("{head}3\r\n{{\"a\r\n5\r\n\":1}} \r\n0\r\n\r\n").as_bytes()).unwrap();
    let seen = server.wait_for(1, PATIENCE);
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("POST", "/v1/chat/completions?x=1"));
    assert_eq!((seen[0].text().as_str(), seen[0].body_bytes), ("{\"a\":1} ", 8));
    assert_eq!(seen[0].headers[1], ("X-Case".to_owned(), "Kept".to_owned()));
    assert_eq!(server.connections(), 1);
}

#[test]
fn the_mock_tells_what_it_has_seen_and_does_not_count_the_asking() {
    let server = start(Knobs::default());
    chat(&server, "X-Case: Kept\r\n", "{}");
    let ask = |path: &str| {
        let mut stream = connect(&server);
        stream.write_all(format!("GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        read(stream).body
    };
    let requests = ask("/mock/requests");
    assert!(requests.contains(r#"["X-Case","Kept"]"#), "{requests}");
    assert!(requests.contains(r#""body_bytes":2,"body_sha256":"44136fa3"#), "{requests}");
    assert!(ask("/mock/stats").starts_with(r#"{"requests":1,"#));
    assert_eq!(ask("/health"), r#"{"status":"ok"}"#);
    assert!(ask("/v1/models").contains(r#""object":"list""#));
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn requests_one_behind_the_other_share_a_connection() {
    let server = start(Knobs::default());
    let one = "POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
    let mut stream = connect(&server);
    stream.write_all(format!("{one}{one}{}", request("/v1/embeddings", "", r#"{"input":"a"}"#)).as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 3);
    assert_eq!((server.requests().len(), server.connections()), (3, 1));
}

#[test]
fn a_connection_can_end_after_an_answer_that_did_not_say_so() {
    let server = start(Knobs::default());
    let mut stream = connect(&server);
    stream
        .write_all(b"POST /v1/chat/completions HTTP/1.1\r\nX-Mock-Hang-Up: 1\r\nContent-Length: 2\r\n\r\n{}")
        .unwrap();
    let answer = read(stream);
    assert!(answer.status() == 200 && !answer.head.contains("connection: close"), "{}", answer.head);
    assert!(chat(&server, "", "{}").head.contains("connection: close"));
}

#[test]
fn a_client_that_expects_it_is_told_to_continue() {
    let server = start(Knobs::default());
    let mut stream = connect(&server);
    let head =
        "POST /v1/chat/completions HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{}").unwrap();
    assert_eq!(read(stream).status(), 200);
}

#[test]
fn a_long_body_is_read_to_its_end_whatever_stands_there() {
    let server = Server::start(Options { record: 0, ..Options::default() }).unwrap();
    let body = format!(r#"{{"messages":[{{"role":"user","content":"{}"}}],"stream":true}}"#, "x".repeat(3 << 20));
    let answer = chat(&server, "", &body);
    assert_eq!(answer.chunks().len(), 12);
    assert!(server.requests().is_empty());
}

#[test]
fn usage_can_be_zero_null_or_any_number() {
    let server = start(Knobs { usage: UsageKind::Zero, ..Knobs::default() });
    let zero = Usage { prompt_tokens: 0, completion_tokens: Some(0), total_tokens: Some(0) };
    assert_eq!(completion(&chat(&server, "", "{}")).usage, Some(zero));
    assert!(chat(&server, "x-mock-usage: null\r\n", "{}").body.contains(r#""usage":null"#));
    let told = r#"{"mock":{"usage":"full","prompt_tokens":1000,"completion_tokens":50,"cached_tokens":900}}"#;
    let answer = chat(&server, "", told);
    let usage = Usage { prompt_tokens: 1000, completion_tokens: Some(50), total_tokens: Some(1050) };
    assert!(answer.body.contains(r#""cached_tokens":900"#), "{}", answer.body);
    assert_eq!(completion(&answer).usage, Some(usage));
}

#[tokio::test]
async fn http2_is_spoken_in_the_clear_when_it_is_on() {
    let server = Server::start(Options { h2: true, ..Options::default() }).unwrap();
    let stream = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    let (status, body) = ask_h2(stream, r#"{"stream":true}"#).await.unwrap();
    assert_eq!((status, body.matches("data: ").count()), (200, 13));
    let seen = server.requests();
    assert_eq!(
        (seen[0].protocol, seen[0].path.as_str(), seen[0].text().as_str()),
        ("HTTP/2", "/v1/chat/completions", r#"{"stream":true}"#)
    );
    assert_eq!(chat(&server, "", "{}").status(), 200, "HTTP/1.1 goes on beside it");

    let stream = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    let cut = ask_h2(stream, r#"{"stream":true,"mock":{"cut_after":2}}"#).await;
    assert!(cut.unwrap_err().is_reset());
}

#[tokio::test]
async fn tls_is_served_and_alpn_chooses_the_protocol() {
    use tokio_rustls::rustls::pki_types::ServerName;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let tls = Tls::from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap();
    let server = Server::start(Options { h2: true, tls: Some(tls), ..Options::default() }).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let mut config =
        config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = tokio::net::TcpStream::connect(server.addr()).await.unwrap();
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let (status, body) = ask_h2(stream, "{}").await.unwrap();
    assert!(status == 200 && body.contains("chat.completion"), "{body}");
}

async fn ask_h2<IO>(io: IO, body: &'static str) -> Result<(u16, String), h2::Error>
where
    IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (client, connection) = h2::client::handshake(io).await?;
    tokio::spawn(connection);
    let request = http::Request::post("http://mock/v1/chat/completions").body(()).unwrap();
    let (response, mut send) = client.ready().await?.send_request(request, false)?;
    send.send_data(Bytes::from_static(body.as_bytes()), true)?;
    let response = response.await?;
    let status = response.status().as_u16();
    let (mut incoming, mut text) = (response.into_body(), Vec::new());
    while let Some(data) = incoming.data().await {
        let data = data?;
        incoming.flow_control().release_capacity(data.len())?;
        text.extend_from_slice(&data);
    }
    Ok((status, String::from_utf8(text).unwrap()))
}
