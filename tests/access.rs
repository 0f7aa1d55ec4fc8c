//! Who may call what: a client never chooses its upstream, nor a model outside its list, and a stranger costs nothing.

use std::sync::LazyLock;
use std::time::Duration;

use tollgate::vocabulary::KeyHash;

use support::hostile::{self, Hostile, PROVIDER_KEY};
use support::raw::{self, Answer, Client, Heard};
use support::{Process, Scratch};

mod support;

const PATH: &str = "/v1/chat/completions";
const MASTER: &str = "sk-access-master-0123";
/// May use `allowed` and nothing else.
const NARROW: &str = "sk-access-narrow-0123";
/// The same, with names of its own.
const RENAMED: &str = "sk-access-renamed-012";
const EXPIRED: &str = "sk-access-expired-012";
const BLOCKED: &str = "sk-access-blocked-012";
/// For callers from elsewhere.
const ELSEWHERE: &str = "sk-access-elsewhere-0";
/// For callers from this machine.
const HERE: &str = "sk-access-here-012345";
const MIB: usize = 1 << 20;

struct Stand {
    gateway: Process,
    /// Serves `allowed`.
    open: Hostile,
    /// Serves what the narrow key may not use.
    vault: Hostile,
    /// Is named by clients alone.
    decoy: Hostile,
    _scratch: Scratch,
}

static STAND: LazyLock<Stand> = LazyLock::new(|| {
    let scratch = Scratch::new("access");
    let [open, vault, decoy] = [Hostile::decoy(), Hostile::decoy(), Hostile::decoy()];
    let groups = [
        hostile::deployment("allowed", "allowed-up", &open.url(), &[]),
        hostile::deployment("secret", "secret-up", &vault.url(), &[]),
        hostile::deployment("wild/*", "*", &vault.url(), &[]),
    ]
    .concat();
    let key = |key: &str, more: &str| format!("  - {{key_hash: {}{more}}}\n", KeyHash::of(key));
    let keys = [
        key(NARROW, ", models: [allowed]"),
        key(RENAMED, ", models: [allowed], aliases: {mine: allowed}"),
        key(EXPIRED, ", expires: 2020-01-01T00:00:00Z"),
        key(BLOCKED, ", blocked: true"),
        key(ELSEWHERE, ", allowed_ips: [10.0.0.0/8, 2001:db8::/32]"),
        key(HERE, ", allowed_ips: [127.0.0.0/8]"),
    ]
    .concat();
    let config = format!(
        "model_list:\n{groups}
router_settings: {{model_group_alias: {{to-secret: secret, to-allowed: allowed}}}}
general_settings: {{master_key: {MASTER}, max_request_size_mb: 1}}
virtual_keys:\n{keys}"
    );
    let config = scratch.write("config.yaml", &config);
    Stand { gateway: Process::gateway(config, &[]), open, vault, decoy, _scratch: scratch }
});

fn ask(key: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let bearer = format!("Bearer {key}");
    let headers: Vec<_> = [("Authorization", &*bearer)].into_iter().chain(headers.iter().copied()).collect();
    Client::ask(STAND.gateway.address(), &raw::post(path, &headers, body.as_bytes()))
}

fn knock(headers: &[(&str, &str)]) -> Answer {
    Client::ask(STAND.gateway.address(), &raw::post(PATH, headers, raw::chat("allowed", "").as_bytes()))
}

/// Nothing but what the tests' master key asked for has come to where no other key leads.
fn nobody_came_in() {
    assert_eq!(STAND.decoy.connections(), 0, "a client chose its upstream");
    let stray: Vec<_> =
        STAND.vault.received().into_iter().filter(|seen| !seen.body.contains(r#""user":"control""#)).collect();
    assert!(stray.is_empty(), "{stray:?}");
    for seen in STAND.open.received() {
        assert_eq!(seen.header("authorization"), Some(&*format!("Bearer {PROVIDER_KEY}")), "{seen:?}");
        assert_eq!(seen.body.matches(r#""allowed-up""#).count(), 1, "{seen:?}");
    }
}

#[test]
fn the_lists_models_are_served_and_no_others_under_any_name() {
    for (key, model) in [(NARROW, "allowed"), (NARROW, "to-allowed"), (RENAMED, "mine"), (MASTER, "allowed")] {
        assert_eq!(ask(key, PATH, &[], &raw::chat(model, "")).status, 200, "{model}");
    }
    for model in ["secret", "to-secret", "wild/x"] {
        assert_eq!(ask(MASTER, PATH, &[], &raw::chat(model, r#","user":"control""#)).status, 200, "{model}");
        let answer = ask(NARROW, PATH, &[], &raw::chat(model, ""));
        assert_eq!(answer.status, 403, "{model}: {}", answer.text());
        assert_eq!(answer.error("type").as_deref(), Some("key_model_access_denied"));
        assert_eq!(answer.error("param").as_deref(), Some("model"));
        assert!(
            answer
                .error("message")
                .unwrap()
                .starts_with(&format!("The requested model '{model}' is not available for this API key"))
        );
    }
    for model in [
        "SECRET",
        "Secret",
        "ALLOWED",
        "Allowed",
        "TO-SECRET",
        "openai/secret",
        "openai/secret-up",
        "secret-up",
        "allowed-up",
        "openai/allowed",
        "allowed/secret",
        "allowed,secret",
        "allowed secret",
        " secret",
        "secret ",
        " allowed",
        "\\tsecret",
        "allowed/../secret",
        "./secret",
        "secret/",
        "/secret",
        "//secret",
        "allowed\\u0000",
        "allowed\\u0000secret",
        "\\u200bsecret",
        "s\\u0065cret",
        "\u{455}ecret",
        "*",
        "wild/*",
        "wild/../secret",
        "mine",
        "allowed?model=secret",
        "allowed#secret",
        "",
    ] {
        for path in [PATH, "/chat/completions", "/v1/completions", "/v1/embeddings"] {
            let body = format!(
                r#"{{"model":"{model}","messages":[{{"role":"user","content":"x"}}],"prompt":"x","input":"x"}}"#
            );
            let answer = ask(NARROW, path, &[], &body);
            assert!(matches!(answer.status, 400 | 403), "{path} {model:?}: {} {}", answer.status, answer.text());
        }
    }
    for model in ["null", "5", "true", r#"["allowed"]"#, r#"["allowed","secret"]"#, r#"{"model":"secret"}"#] {
        let answer =
            ask(NARROW, PATH, &[], &format!(r#"{{"model":{model},"messages":[{{"role":"user","content":"x"}}]}}"#));
        assert_eq!(answer.status, 400, "{model}: {}", answer.text());
    }
    nobody_came_in();
}

#[test]
fn what_a_client_may_not_use_it_does_not_see() {
    let listed = |key: &str| {
        let bearer = format!("Bearer {key}");
        Client::ask(STAND.gateway.address(), &raw::get("/v1/models", &[("Authorization", &bearer)])).text()
    };
    assert!(listed(MASTER).contains(r#""secret""#), "{}", listed(MASTER));
    for key in [NARROW, RENAMED] {
        assert!(listed(key).contains(r#""allowed""#) && !listed(key).contains("secret"), "{}", listed(key));
        let bearer = format!("Bearer {key}");
        for path in ["/v1/models/secret", "/v1/models/to-secret", "/models/wild/x", "/v1/models/nothing"] {
            let answer = Client::ask(STAND.gateway.address(), &raw::get(path, &[("Authorization", &bearer)]));
            assert_eq!(answer.status, 404, "{path}: {}", answer.text());
        }
    }
}

#[test]
fn a_model_is_named_once() {
    let message = r#""messages":[{"role":"user","content":"x"}]"#;
    for body in [
        format!(r#"{{"model":"allowed","model":"secret",{message}}}"#),
        format!(r#"{{"model":"secret","model":"allowed",{message}}}"#),
        format!(r#"{{"model":"allowed","MODEL":"secret",{message}}}"#),
        format!(r#"{{"model":"allowed","Model":"secret",{message}}}"#),
        format!(r#"{{"model":"allowed","mod\u0065l":"secret",{message}}}"#),
        format!(r#"{{"model":"allowed","model\u0000":"secret",{message}}}"#),
        format!(r#"{{"model":"allowed",{message}}}{{"model":"secret",{message}}}"#),
        format!(r#"{{"model":"allowed",{message}}} trailing"#),
        format!("\u{feff}{{\"model\":\"allowed\",{message}}}"),
        format!(r#"{{"model":"allowed",/*"model":"secret",*/{message}}}"#),
        format!(r#"{{'model':'secret',"model":"allowed",{message}}}"#),
        format!(r#"[{{"model":"allowed",{message}}}]"#),
        format!(r#"{{"model":"allowed",{message}"#),
        "[".repeat(10_000),
        r#"{"a":"#.repeat(10_000),
        String::new(),
        "null".to_owned(),
    ] {
        let answer = ask(NARROW, PATH, &[], &body);
        let shown: String = body.chars().take(100).collect();
        assert_eq!(answer.status, 400, "{shown}: {}", answer.text());
        assert_eq!(answer.error("type").as_deref(), Some("invalid_request_error"), "{shown}");
    }
    nobody_came_in();
}

#[test]
fn path_query_and_headers_open_nothing_that_the_body_does_not() {
    let allowed = raw::chat("allowed", "");
    let silent = allowed.replacen(r#""model":"allowed","#, "", 1);
    for path in [
        "/engines/secret/chat/completions",
        "/openai/deployments/secret/chat/completions?api-version=2024-10-21",
        "/openai/deployments/wild%2Fx/chat/completions",
        "/engines/to-secret/chat/completions",
        "/engines/SECRET/chat/completions",
        "/engines/allowed/../secret/chat/completions",
        "/engines/allowed%2f..%2fsecret/chat/completions",
        "/engines/allowed%00secret/chat/completions",
        "/v1/engines/secret/chat/completions",
        "//v1/chat/completions?model=secret",
        "/v1/chat/completions/../../engines/secret/chat/completions",
    ] {
        for body in [&allowed, &silent] {
            let answer = ask(NARROW, path, &[], body);
            assert!(matches!(answer.status, 400 | 403 | 404), "{path} {body}: {}", answer.text());
        }
    }
    let conflict = ask(NARROW, "/engines/allowed/chat/completions", &[], &raw::chat("secret", ""));
    assert!(matches!(conflict.status, 400 | 403), "{}", conflict.text());
    assert_eq!(ask(NARROW, "/engines/allowed/chat/completions", &[], &silent).status, 200);
    assert_eq!(ask(NARROW, "/openai/deployments/allowed/chat/completions?api-version=1", &[], &allowed).status, 200);
    let decoy = STAND.decoy.url();
    for query in ["model=secret", "api_base=DECOY", "deployment=secret", "key=sk-access-master-0123"] {
        let answer = ask(NARROW, &format!("{PATH}?{query}").replace("DECOY", &decoy), &[], &allowed);
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    }
    for (name, value) in [
        ("x-litellm-model", "secret"),
        ("x-litellm-api-base", &*decoy),
        ("api-base", &decoy),
        ("x-forwarded-host", &STAND.decoy.authority()),
        ("x-original-url", "/engines/secret/chat/completions"),
        ("x-rewrite-url", "/engines/secret/chat/completions"),
        ("x-http-method-override", "GET"),
        ("openai-organization", "org-other"),
        ("forwarded", "for=10.0.0.1;host=decoy"),
    ] {
        let answer = ask(NARROW, PATH, &[(name, value)], &allowed);
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    }
    nobody_came_in();
}

#[test]
fn members_that_choose_an_upstream_are_refused() {
    let decoy = STAND.decoy.url();
    for (member, refused) in [
        (r#""api_base":"DECOY""#, true),
        (r#""API_BASE":"DECOY""#, true),
        (r#""api\u005fbase":"DECOY""#, true),
        (r#""base_url":"DECOY/v1""#, true),
        (r#""api_key":"sk-of-the-client-0123""#, true),
        (r#""api_version":"x""#, true),
        (r#""custom_llm_provider":"azure""#, true),
        (r#""organization":"org-other""#, true),
        (r#""extra_headers":{"Host":"DECOY","Authorization":"Bearer x"}"#, true),
        (r#""headers":{"Authorization":"Bearer x"}"#, true),
        (r#""litellm_params":{"api_base":"DECOY"}"#, true),
        (r#""model_list":[{"model_name":"allowed","litellm_params":{"model":"openai/x","api_base":"DECOY"}}]"#, true),
        (r#""litellm_credential_name":"other""#, true),
        (r#""specific_deployment":true"#, true),
        (r#""aws_bedrock_runtime_endpoint":"DECOY""#, true),
        (r#""azure_ad_token":"x""#, true),
        (r#""fallbacks":[{"model":"secret"}]"#, true),
        (r#""fallbacks":["allowed"]"#, false),
        (r#""context_window_fallbacks":[{"allowed":["secret"]}]"#, false),
        (r#""num_retries":100"#, false),
        (r#""timeout":30"#, false),
        (r#""mock_response":"DECOY""#, false),
        (r#""user_config":{"model_list":[{"litellm_params":{"api_base":"DECOY"}}]}"#, false),
        (r#""metadata":{"api_base":"DECOY","model":"secret"}"#, false),
        (r#""extra_body":{"model":"secret","api_base":"DECOY"}"#, false),
    ] {
        for stream in ["", r#","stream":true"#] {
            let answer =
                ask(NARROW, PATH, &[], &raw::chat("allowed", &format!(",{}{stream}", member.replace("DECOY", &decoy))));
            assert_eq!(answer.status, if refused { 400 } else { 200 }, "{member}: {}", answer.text());
        }
    }
    for name in ["fallbacks", "mock_response", "num_retries"] {
        assert!(STAND.open.received().iter().all(|seen| !seen.body.contains(&format!("\"{name}\""))), "{name} went up");
    }
    nobody_came_in();
}

#[test]
fn every_carrier_takes_a_key_and_the_first_one_decides() {
    let bearer = format!("Bearer {NARROW}");
    for (name, value) in [
        ("Authorization", &*bearer),
        ("authorization", &bearer.replace("Bearer", "bearer")),
        ("x-litellm-api-key", NARROW),
        ("x-litellm-api-key", &bearer),
        ("api-key", NARROW),
        ("x-api-key", NARROW),
        ("x-goog-api-key", NARROW),
    ] {
        assert_eq!(knock(&[(name, value)]).status, 200, "{name}");
        assert_eq!(knock(&[(name, &value.replace("narrow", "other"))]).status, 401, "{name}");
        assert_eq!(knock(&[(name, &value.to_ascii_uppercase())]).status, 401, "{name}");
    }
    assert_eq!(knock(&[("x-litellm-api-key", "sk-wrong-0123456789"), ("Authorization", &bearer)]).status, 401);
    assert_eq!(knock(&[("Authorization", "Bearer sk-wrong-0123456789"), ("x-api-key", NARROW)]).status, 401);
    for carrier in ["X_Api_Key", "Cookie", "Proxy-Authorization", "X-Auth-Token", "Api_Key"] {
        assert_eq!(knock(&[(carrier, NARROW)]).status, 401, "{carrier}");
    }
    let in_query =
        Client::ask(STAND.gateway.address(), &raw::post(&format!("{PATH}?key={NARROW}&api_key={NARROW}"), &[], b"{}"));
    assert_eq!(in_query.status, 401);
}

#[test]
fn who_is_not_let_in_is_told_why_in_litellms_words() {
    let long = format!("Bearer sk-{}", "k".repeat(2048));
    let bearer = |key: &str| format!("Bearer {key}");
    for (value, status, kind, param, message) in [
        ("", 401, "auth_error", Some("None"), "Authentication Error, No api key passed in."),
        ("Bearer", 401, "auth_error", Some("None"), "Authentication Error, No api key passed in."),
        ("Bearer   ", 401, "auth_error", Some("None"), "Authentication Error, No api key passed in."),
        (NARROW, 401, "auth_error", Some("None"), "Malformed API Key passed in. Ensure Key has `Bearer ` prefix."),
        (&*long, 401, "auth_error", Some("None"), "Malformed API Key passed in."),
        (
            "Bearer sk-wrong-0123456789",
            401,
            "token_not_found_in_db",
            Some("key"),
            "Authentication Error, Invalid proxy server token passed.",
        ),
        (
            &*bearer(EXPIRED),
            401,
            "expired_key",
            None,
            "Authentication Error - Expired Key. Key Expiry time 2020-01-01 00:00:00",
        ),
        (&*bearer(BLOCKED), 401, "auth_error", Some("None"), "Authentication Error, Key is blocked."),
        (&*bearer(ELSEWHERE), 403, "auth_error", Some("None"), "Access forbidden: IP address not allowed."),
    ] {
        let answer = knock(&[("Authorization", value), ("X-Forwarded-For", "10.0.0.1"), ("Forwarded", "for=10.0.0.1")]);
        let told = answer.text();
        assert_eq!((answer.status, answer.error("type").as_deref()), (status, Some(kind)), "{value:?}: {told}");
        assert!(answer.error("message").unwrap().contains(message), "{value:?}: {told}");
        assert_eq!(answer.error("code"), Some(status.to_string()), "{value:?}: {told}");
        if param.is_some() {
            assert_eq!(answer.error("param").as_deref(), param, "{value:?}: {told}");
        }
        assert!(!answer.whole().contains("sk-wrong") && !answer.whole().contains("sk-access"), "{value:?}: {told}");
    }
    assert_eq!(knock(&[]).error("message").as_deref(), Some("Authentication Error, No api key passed in."));
    assert_eq!(knock(&[("Authorization", &bearer(HERE))]).status, 200);
    let output = STAND.gateway.output();
    assert!(
        [NARROW, EXPIRED, BLOCKED, "sk-wrong-0123456789"].iter().all(|key| !output.contains(key)),
        "a key is in the log"
    );
}

#[test]
fn only_the_known_paths_exist_and_only_some_without_a_key() {
    for (path, status) in
        [("/health/liveliness", 200), ("/health/readiness", 200), ("/v1/models", 401), ("/nothing", 404)]
    {
        assert_eq!(Client::ask(STAND.gateway.address(), &raw::get(path, &[])).status, status, "{path}");
    }
    let bearer = format!("Bearer {NARROW}");
    for path in ["/key/generated", "/v1/files", "/config/update", "/v1/chat/completions/x", "/.env", "/ui", "/docs"] {
        for method in ["GET", "POST", "PUT"] {
            let request =
                format!("{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {bearer}\r\nContent-Length: 0\r\n\r\n");
            let answer = Client::ask(STAND.gateway.address(), request.as_bytes());
            assert!(matches!(answer.status, 404 | 405), "{method} {path}: {}", answer.status);
            assert_eq!(answer.header("allow").is_some(), answer.status == 405, "{method} {path}");
        }
    }
}

/// Pushes zeros until the other side no longer takes them, and says how many it took.
fn flood(client: &mut Client, most: usize) -> usize {
    let block = vec![b'0'; 64 * 1024];
    let mut taken = 0;
    while taken < most && client.try_send(&block) {
        taken += block.len();
        if client.hear(Duration::from_millis(1)) == Heard::End {
            break;
        }
    }
    taken
}

#[test]
fn a_strangers_two_gigabytes_are_not_read() {
    for framing in [
        "Content-Length: 2147483648",
        "Transfer-Encoding: chunked",
        "Content-Length: 2147483648\r\nExpect: 100-continue",
    ] {
        let mut client = Client::to(STAND.gateway.address());
        let head = format!(
            "POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-wrong-0123456789\r\n{framing}\r\n\r\n"
        );
        client.send(head.as_bytes());
        // The answer comes before any of the body.
        let answer = client.answer();
        assert_eq!((answer.status, answer.closes()), (401, true), "{framing}");
        assert!(answer.interim.is_empty(), "a stranger was told to go on");
        // What is taken from here on lies in the kernel's buffers.
        let taken = flood(&mut client, 64 * MIB);
        assert!(taken < 32 * MIB, "{framing}: {taken} bytes were taken");
    }
}

#[test]
fn a_body_over_the_limit_is_refused_as_soon_as_that_is_known() {
    let head = |framing: &str| {
        format!(
            "POST {PATH} HTTP/1.1\r\nHost: x\r\nX-Request-Id: too-large\r\nAuthorization: Bearer {MASTER}\r\n{framing}\r\n\r\n"
        )
    };
    let mut client = Client::to(STAND.gateway.address());
    client.send(head(&format!("Content-Length: {}", MIB + 1)).as_bytes());
    let answer = client.answer();
    assert_eq!((answer.status, answer.closes()), (413, true), "{}", answer.text());
    assert_eq!(answer.error("param").as_deref(), Some("content-length"));

    let mut client = Client::to(STAND.gateway.address());
    client.send(head("Transfer-Encoding: chunked").as_bytes());
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let taken = (0..1024)
        .take_while(|_| client.try_send(chunk.as_bytes()) && client.hear(Duration::from_millis(1)) == Heard::Silence);
    assert!(taken.count() < 1024, "an endless body was taken");
    assert_eq!(client.answer().status, 413);

    let body = raw::chat("allowed", &format!(r#","x":"{}""#, "x".repeat(MIB)));
    let answer = raw::post_h2c(
        STAND.gateway.address(),
        PATH,
        &[("authorization", &format!("Bearer {MASTER}"))],
        body.as_bytes(),
    );
    assert_eq!(answer.status, 413);

    let answer = ask(MASTER, PATH, &[("Content-Encoding", "gzip")], "{}");
    assert_eq!(answer.status, 415, "{}", answer.text());
}
