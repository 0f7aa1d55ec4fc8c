//! A page in a browser may call where the operator lets it, and nowhere else (CORS, as the Fetch standard has it).

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use support::client::Answer;
use support::rig::{self, Rig, body};

mod support;

const MASTER: &str = "sk-cors-master-0000000001";
const PAGE: &str = "https://app.example.com";

fn rig(name: &str, general: &str) -> Rig {
    Rig::start(name, |base| {
        format!("model_list:\n{}general_settings: {{{general}}}\n", rig::deployment("chat", base, ""))
    })
}

fn ask(rig: &Rig, line: &str, headers: &str, body: &str) -> Answer {
    let headers = format!("content-type: application/json\r\n{headers}");
    rig.client().send(line, &headers, body.as_bytes()).unwrap().rest().0
}

/// What a browser is told of whether a page from here may read the answer.
fn origin(answer: &Answer) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

fn preflight(rig: &Rig, path: &str, page: &str) -> Answer {
    let asks =
        "access-control-request-method: POST\r\naccess-control-request-headers: authorization,x-stainless-os\r\n";
    ask(rig, &format!("OPTIONS {path}"), &format!("origin: {page}\r\n{asks}"), "")
}

#[test]
fn with_keys_every_page_may_call_and_read_every_answer() {
    let rig = rig("cors-keys", &format!("master_key: {MASTER}"));
    for path in ["/v1/chat/completions", "/key/generate", "/v1/messages"] {
        let before = preflight(&rig, path, PAGE);
        assert_eq!((before.status, origin(&before)), (200, Some("*")), "{}", before.head);
        assert_eq!(before.header("access-control-allow-headers"), Some("authorization,x-stainless-os"));
        assert!(before.header("access-control-allow-methods").unwrap().contains("POST"));
        assert_eq!(before.header("access-control-max-age"), Some("600"));
    }
    let key = format!("authorization: Bearer {MASTER}\r\n");
    let from = format!("{key}origin: {PAGE}\r\n");
    let chat = "POST /v1/chat/completions";
    for (what, answer, status) in [
        ("an answer", ask(&rig, chat, &from, &body("chat", "")), 200),
        ("a stream", ask(&rig, chat, &from, &body("chat", r#","stream":true"#)), 200),
        ("a refusal", ask(&rig, chat, &format!("origin: {PAGE}\r\n"), &body("chat", "")), 401),
        (
            "an answer of another dialect",
            ask(&rig, "POST /v1/messages", &from, &body("chat", r#","max_tokens":9"#)),
            200,
        ),
        ("a list", ask(&rig, "GET /v1/models", &from, ""), 200),
        ("a record", ask(&rig, "POST /key/generate", &from, "{}"), 200),
        ("health", ask(&rig, "GET /health/liveliness", &format!("origin: {PAGE}\r\n"), ""), 200),
    ] {
        assert_eq!((answer.status, origin(&answer)), (status, Some("*")), "{what}: {}", answer.head);
        assert_eq!(answer.header("access-control-expose-headers"), Some("*"), "{what}");
        assert_eq!(answer.header("access-control-allow-credentials"), None, "{what}");
    }
    let no_browser = ask(&rig, chat, &key, &body("chat", ""));
    assert_eq!((no_browser.status, origin(&no_browser)), (200, None), "{}", no_browser.head);
    let no_question = ask(&rig, "OPTIONS /v1/chat/completions", &format!("origin: {PAGE}\r\n"), "");
    assert_ne!(no_question.status, 200, "OPTIONS that asks nothing is no call: {}", no_question.head);
    let sent = rig.mock.requests();
    assert_eq!((sent.len(), sent.iter().any(|seen| seen.header("origin").is_some())), (4, false));
}

#[test]
fn pages_that_are_named_may_call_and_no_others() {
    let named = format!("master_key: {MASTER}, cors_allow_origins: [\"{PAGE}\", \"https://other.example.com\"]");
    let rig = rig("cors-named", &named);
    let chat = |page: &str| {
        let headers = format!("authorization: Bearer {MASTER}\r\norigin: {page}\r\n");
        ask(&rig, "POST /v1/chat/completions", &headers, &body("chat", ""))
    };
    let path = "/v1/chat/completions";
    for (page, status, told) in [
        (PAGE, 200, Some(PAGE)),
        ("https://other.example.com", 200, Some("https://other.example.com")),
        ("https://app.example.com.evil.example", 400, None),
        ("http://app.example.com", 400, None),
        ("null", 400, None),
    ] {
        let before = preflight(&rig, path, page);
        assert_eq!((before.status, origin(&before)), (status, told), "{page}: {}", before.head);
        let answer = chat(page);
        assert_eq!((answer.status, origin(&answer)), (200, told), "{page}: {}", answer.head);
        assert_eq!(answer.header("vary"), Some("origin"), "a cache must not mix pages up");
    }
}

#[test]
fn without_keys_no_page_may_call_unless_that_is_said() {
    let open = rig("cors-open", "");
    let answer = ask(&open, "POST /v1/chat/completions", &format!("origin: {PAGE}\r\n"), &body("chat", ""));
    assert_eq!((answer.status, origin(&answer)), (200, None), "{}", answer.head);
    assert_eq!(preflight(&open, "/v1/chat/completions", PAGE).status, 400);
    let said = rig("cors-open-said", "cors_allow_origins: \"*\"");
    assert_eq!(origin(&preflight(&said, "/v1/chat/completions", PAGE)), Some("*"));
    let none = rig("cors-none", &format!("master_key: {MASTER}, cors_allow_origins: []"));
    assert_eq!(preflight(&none, "/v1/chat/completions", PAGE).status, 400);
}
