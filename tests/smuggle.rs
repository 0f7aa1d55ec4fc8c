//! A request that two parsers could read differently is refused or costs its connection, and what follows it on the
//! connection is never taken for a part of it.

#![expect(clippy::panic, reason = "a test that cannot go on stops")]

use std::sync::LazyLock;

use support::hostile::{self, Hostile, Play};
use support::raw::{self, Client};
use support::{Process, Scratch};

mod support;

const KEY: &str = "sk-smuggle-0123456789";

struct Stand {
    gateway: Process,
    upstream: Hostile,
    _scratch: Scratch,
}

static STAND: LazyLock<Stand> = LazyLock::new(|| {
    let scratch = Scratch::new("smuggle");
    let upstream = Hostile::start(|_| Play::completion());
    let deployment = hostile::deployment("m", "m", &upstream.url(), &[]);
    let config = format!(
        "model_list:\n{deployment}general_settings: {{master_key: {KEY}, header_timeout: 2, body_timeout: 2}}\n"
    );
    let config = scratch.write("config.yaml", &config);
    Stand { gateway: Process::gateway(config, &[]), upstream, _scratch: scratch }
});

/// What shall become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// An answer of 4xx or none, and the connection ends. No upstream sees any of it.
    Refused,
    /// Served as it was sent, and the connection ends.
    Served,
    /// One of the two.
    Either,
}
use Fate::{Either, Refused, Served};

fn body(mark: &str) -> String {
    raw::chat("m", &format!(r#","user":"{mark}""#))
}

/// A complete request that must not be mistaken for a part of another.
fn follower(mark: &str) -> Vec<u8> {
    raw::post(
        "/v1/chat/completions",
        &[("Authorization", &format!("Bearer {KEY}"))],
        body(&format!("after-{mark}")).as_bytes(),
    )
}

/// Sends a request with a follower in the same segment, and holds what comes of it against what should.
fn send(mark: &str, fate: Fate, request: &[u8]) {
    let stand = &*STAND;
    let mut client = Client::to(stand.gateway.address());
    client.send(&[request, &follower(mark)].concat());
    let answer = client.try_answer();
    let rest = client.until_end();
    let received = stand.upstream.received();
    let of = |mark: &str| received.iter().filter(|seen| seen.body.contains(mark)).collect::<Vec<_>>();
    let (own, after) = (of(&format!(r#""{mark}""#)), of(&format!(r#""after-{mark}""#)));
    let status = answer.as_ref().map_or(400, |answer| answer.status);
    let told = String::from_utf8_lossy(request).into_owned();
    if fate == Served || fate == Either && status < 400 {
        let answer = answer.unwrap_or_else(|| panic!("{mark}: no answer to {told:?}"));
        assert_eq!(answer.status, 200, "{mark}: {} to {told:?}", answer.text());
        assert_eq!(own.len(), 1, "{mark}: what was served went up once: {told:?}");
        assert_eq!(own[0].body, body(mark), "{mark}: {told:?}");
    } else {
        assert!((400..500).contains(&status), "{mark}: {status} to {told:?}");
        assert!(own.is_empty(), "{mark}: refused, and sent all the same: {own:?}");
    }
    assert!(rest.is_empty(), "{mark}: more than one answer: {:?}", String::from_utf8_lossy(&rest));
    assert!(after.is_empty(), "{mark}: what followed was served on a connection that should have ended: {told:?}");
    assert!(received.iter().all(|seen| seen.head.matches("HTTP/1.1").count() == 1), "{mark}: two heads in one");
}

fn head(lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {KEY}\r\n{lines}\r\n")
}

fn chunked(body: &str) -> String {
    format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

#[test]
fn a_length_and_chunks_together_are_never_served() {
    for (index, (lines, fate)) in [
        (&["Content-Length: LEN", "Transfer-Encoding: chunked"] as &[&str], Either),
        (&["Transfer-Encoding: chunked", "Content-Length: LEN"], Either),
        (&["Transfer-Encoding: chunked", "Content-Length: 0"], Either),
        (&["Content-Length: 6", "Transfer-Encoding: chunked"], Either),
        (&["Content-Length: +6", "Transfer-Encoding: chunked"], Either),
        (&["Transfer-Encoding: identity", "Content-Length: LEN"], Refused),
        (&["Transfer-Encoding: gzip, chunked"], Refused),
        (&["Transfer-Encoding: chunked, identity"], Refused),
        (&["Transfer-Encoding: chunked, chunked"], Refused),
        (&["Transfer-Encoding: xchunked"], Refused),
        (&["Transfer-Encoding: chunked;q=1"], Refused),
        (&["Transfer-Encoding: \"chunked\""], Refused),
        (&["Transfer-Encoding: \x0bchunked"], Refused),
        (&["Transfer-Encoding: chunked\x00"], Refused),
        (&["Transfer-Encoding:"], Refused),
        (&["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], Refused),
        (&["Transfer-Encoding: identity", "Transfer-Encoding: chunked"], Refused),
        (&["Transfer-Encoding : chunked"], Refused),
        (&[" Transfer-Encoding: chunked"], Refused),
        (&["Transfer-Encoding:\r\n chunked"], Refused),
        (&["X: a\r\n b", "Transfer-Encoding: chunked"], Refused),
        (&["Transfer-Encoding: CHUNKED"], Either),
        (&["Transfer-Encoding:\tchunked\t"], Either),
        (&["Transfer-Encoding: chunked"], Served),
        (&["Transfer-Encoding: chunked", "Connection: keep-alive"], Served),
    ]
    .into_iter()
    .enumerate()
    {
        let mark = format!("coding-{index}");
        let payload = chunked(&body(&mark));
        let head = head(lines).replace("LEN", &payload.len().to_string());
        send(&mark, fate, format!("{head}{payload}").as_bytes());
    }
}

#[test]
fn a_coding_in_disguise_leaves_the_length_in_force() {
    // The names are others: the length counts, and what hides behind it is a body of nonsense.
    for (index, line) in
        ["Transfer_Encoding: chunked", "X-Transfer-Encoding: chunked", "TransferEncoding: chunked"].iter().enumerate()
    {
        let mark = format!("disguise-{index}");
        let payload = body(&mark);
        let head = head(&[line, &format!("Content-Length: {}", payload.len())]);
        send(&mark, Either, format!("{head}{payload}").as_bytes());
    }
}

#[test]
fn a_length_is_one_plain_number() {
    for (index, (value, fate)) in [
        ("+LEN", Refused),
        ("-LEN", Refused),
        ("LEN, LEN", Refused),
        ("LEN LEN", Refused),
        ("0xLEN", Refused),
        ("LEN;", Refused),
        ("LEN.0", Refused),
        ("1e2", Refused),
        ("", Refused),
        ("\u{ff11}", Refused),
        ("18446744073709551616", Refused),
        ("18446744073709551615", Refused),
        ("99999999999999999999999999999999", Refused),
        ("LEN\r\nContent-Length: LEN", Refused),
        ("LEN\r\nContent-Length: 3", Refused),
        ("3\r\nContent-Length: LEN", Refused),
        ("LEN\r\ncontent-length: 0", Refused),
        ("LEN\x0b", Refused),
        ("\r\n LEN", Refused),
        ("LEN\r\nContent_Length: 3", Either),
        ("00LEN", Either),
        ("   LEN\t", Either),
    ]
    .into_iter()
    .enumerate()
    {
        let mark = format!("length-{index}");
        let payload = body(&mark);
        let head = head(&[&format!("Content-Length: {value}")]).replace("LEN", &payload.len().to_string());
        send(&mark, fate, format!("{head}{payload}").as_bytes());
    }
}

#[test]
fn chunks_are_chunks_to_the_byte() {
    for (index, (payload, fate)) in [
        ("SIZE;a=b\r\nBODY\r\n0\r\n\r\n", Either),
        ("SIZE;a=\"b\r\nBODY\r\n0\r\n\r\n", Either),
        ("SIZE;\nBODY\r\n0\r\n\r\n", Refused),
        ("SIZE;a\nb\r\nBODY\r\n0\r\n\r\n", Either),
        ("SIZE \r\nBODY\r\n0\r\n\r\n", Either),
        ("SIZE\nBODY\r\n0\r\n\r\n", Refused),
        ("SIZE\r\nBODY0\r\n\r\n", Refused),
        ("SIZE\r\nBODYxx0\r\n\r\n", Refused),
        ("+SIZE\r\nBODY\r\n0\r\n\r\n", Refused),
        ("-SIZE\r\nBODY\r\n0\r\n\r\n", Refused),
        ("0xSIZE\r\nBODY\r\n0\r\n\r\n", Refused),
        ("10000000000000000SIZE\r\nBODY\r\n0\r\n\r\n", Refused),
        ("fffffffffffffffff\r\nBODY\r\n0\r\n\r\n", Refused),
        ("\r\nBODY\r\n0\r\n\r\n", Refused),
        ("0000SIZE\r\nBODY\r\n000\r\n\r\n", Either),
        ("SIZE\r\nBODY\r\n0\r\nContent-Length: 5\r\nX: y\r\n\r\n", Either),
        ("SIZE\r\nBODY\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", Either),
    ]
    .into_iter()
    .enumerate()
    {
        let mark = format!("chunk-{index}");
        let body = body(&mark);
        let payload = payload.replace("SIZE", &format!("{:x}", body.len())).replace("BODY", &body);
        send(&mark, fate, format!("{}{payload}", head(&["Transfer-Encoding: chunked"])).as_bytes());
    }
}

#[test]
fn a_request_line_says_one_thing() {
    for (index, (line, fate)) in [
        ("POST /v1/chat/completions HTTP/1.0", Refused),
        ("POST /v1/chat/completions HTTP/1.2", Refused),
        ("POST /v1/chat/completions HTTP/2.0", Refused),
        ("POST /v1/chat/completions HTTP/0.9", Refused),
        ("POST /v1/chat/completions", Refused),
        ("POST  /v1/chat/completions HTTP/1.1", Refused),
        ("POST /v1/chat/completions HTTP/1.1 HTTP/1.1", Refused),
        ("POST http://gateway/v1/chat/completions HTTP/1.1", Refused),
        ("POST http://127.0.0.1:1/v1/chat/completions HTTP/1.1", Refused),
        ("POST //gateway/v1/chat/completions HTTP/1.1", Refused),
        ("POST gateway:443 HTTP/1.1", Refused),
        ("POST * HTTP/1.1", Refused),
        ("CONNECT gateway:443 HTTP/1.1", Refused),
        ("CONNECT /v1/chat/completions HTTP/1.1", Refused),
        ("TRACE /v1/chat/completions HTTP/1.1", Refused),
        ("PO\x00ST /v1/chat/completions HTTP/1.1", Refused),
        ("post /v1/chat/completions HTTP/1.1", Refused),
        ("POST /v1/chat/completions\u{e9} HTTP/1.1", Refused),
        ("POST /v1/chat/completions?\u{e9} HTTP/1.1", Refused),
        // Pingora writes these as `%7F` and `%09` before anybody sees them; the query goes nowhere.
        ("POST /v1/chat/completions?\x7f HTTP/1.1", Either),
        ("POST /v1/chat/completions?\t HTTP/1.1", Either),
        ("POST /v1/chat/completions\x7f HTTP/1.1", Refused),
        ("POST /v1/chat/\x01completions HTTP/1.1", Refused),
        // The fragment is dropped before anybody sees it, and goes nowhere either.
        ("POST /v1/chat/completions#x HTTP/1.1", Either),
        ("POST /v1/./chat/completions HTTP/1.1", Refused),
        ("POST /v1\\chat\\completions HTTP/1.1", Refused),
    ]
    .into_iter()
    .enumerate()
    {
        let mark = format!("line-{index}");
        let payload = body(&mark);
        let lines = head(&[&format!("Content-Length: {}", payload.len())]);
        let (_, rest) = lines.split_once("\r\n").unwrap();
        send(&mark, fate, format!("{line}\r\n{rest}{payload}").as_bytes());
    }
}

#[test]
fn header_lines_are_lines_of_headers() {
    for (index, (lines, fate)) in [
        ("", Refused),
        ("Host: gateway\r\nHost: gateway\r\n", Refused),
        ("Host: gateway\r\nHost: other\r\n", Refused),
        ("Host: gateway\r\nX: a\r\n b\r\n", Refused),
        ("Host:\r\n gateway\r\n", Refused),
        ("Host: gateway\nX: y\r\n", Either),
        ("Host: gateway\r\nX: a\rY: b\r\n", Refused),
        ("Host: gateway\r\nX: a\x00b\r\n", Refused),
        ("Host: gateway\r\nX Y: b\r\n", Refused),
        ("Host: gateway\r\n: b\r\n", Refused),
        ("Host: gateway\r\nX\r\n", Refused),
        ("Host : gateway\r\n", Refused),
        ("Host: gateway\r\nExpect: 200-ok\r\n", Refused),
        ("Host: gateway\r\nExpect: 100-continue, x\r\n", Refused),
        ("Host: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n", Either),
        (
            "Host: gateway\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nConnection: Upgrade, HTTP2-Settings\r\n",
            Either,
        ),
        ("Host: gateway\r\nConnection: content-length\r\n", Either),
        ("Host: gateway\r\nConnection: close, authorization\r\n", Either),
        ("Host: gateway\r\nTE: trailers\r\nTrailer: Content-Length\r\n", Either),
        ("Host: gateway\r\nX_Forwarded_For: 1.2.3.4\r\nX-Api_Key: sk-other-0123456789\r\n", Either),
    ]
    .into_iter()
    .enumerate()
    {
        let mark = format!("header-{index}");
        let payload = body(&mark);
        let length = payload.len();
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\n{lines}Authorization: Bearer {KEY}\r\nContent-Length: {length}\r\n\r\n{payload}"
        );
        send(&mark, fate, request.as_bytes());
    }
}

#[test]
fn a_body_that_nobody_asked_for_is_not_the_next_request() {
    for (index, (line, status)) in [
        ("GET /v1/models HTTP/1.1", 200),
        ("GET /health/liveliness HTTP/1.1", 200),
        ("HEAD /v1/models HTTP/1.1", 200),
        ("DELETE /v1/chat/completions HTTP/1.1", 405),
        ("POST /v1/nothing HTTP/1.1", 404),
        ("GET /v1/models/none HTTP/1.1", 404),
    ]
    .into_iter()
    .enumerate()
    {
        let mark = format!("unread-{index}");
        let hidden = follower(&mark);
        let head = format!(
            "{line}\r\nHost: gateway\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {}\r\n\r\n",
            hidden.len()
        );
        let mut client = Client::to(STAND.gateway.address());
        client.send(&[head.as_bytes(), &hidden].concat());
        let answered = String::from_utf8_lossy(&client.until_end()).into_owned();
        assert!(answered.starts_with(&format!("HTTP/1.1 {status}")), "{line}: {answered}");
        assert_eq!(answered.matches("HTTP/1.1 ").count(), 1, "{line}: {answered}");
        assert!(STAND.upstream.received().iter().all(|seen| !seen.body.contains(&mark)), "{line}");
    }
}

#[test]
fn a_strangers_body_is_not_the_next_request() {
    let hidden = follower("stranger");
    let mut client = Client::to(STAND.gateway.address());
    client.send(&raw::post("/v1/chat/completions", &[("Authorization", "Bearer sk-wrong-0123456789")], &hidden));
    let answered = String::from_utf8_lossy(&client.until_end()).into_owned();
    assert!(answered.starts_with("HTTP/1.1 401"), "{answered}");
    assert_eq!(answered.matches("HTTP/1.1 ").count(), 1, "{answered}");
    assert!(STAND.upstream.received().iter().all(|seen| !seen.body.contains("after-stranger")));
}

#[test]
fn what_goes_up_was_written_by_the_gateway() {
    let headers = [
        ("Authorization", &*format!("Bearer {KEY}")),
        ("X_Litellm_Api_Key", "sk-other-0123456789"),
        ("Content_Length", "3"),
        ("X-Forwarded-Host", "evil"),
        ("X-Mock-Status", "500"),
        ("Via", "1.1 evil"),
        ("Cookie", "a=b"),
    ];
    let request = raw::post("/v1/chat/completions?a=b", &headers, body("fresh").as_bytes());
    assert_eq!(Client::ask(STAND.gateway.address(), &request).status, 200);
    let received = STAND.upstream.received();
    let seen = received.iter().find(|seen| seen.body.contains(r#""fresh""#)).unwrap();
    assert!(seen.head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{}", seen.head);
    assert_eq!(
        seen.names(),
        ["accept-encoding", "authorization", "content-length", "content-type", "host", "user-agent"]
    );
    assert_eq!(seen.header("host"), Some(&*STAND.upstream.authority()));
    assert_eq!(seen.header("authorization"), Some(&*format!("Bearer {}", hostile::PROVIDER_KEY)));
}
