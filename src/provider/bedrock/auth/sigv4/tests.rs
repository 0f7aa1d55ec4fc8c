use super::*;

const NOON_MS: i64 = 1_440_938_160_000;

fn keys(token: Option<&str>) -> Keys {
    let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
    Keys { id: "AKIDEXAMPLE".to_owned(), secret, token: token.map(Secret::new), ends_ms: None }
}

fn signature(headers: &HeaderMap) -> String {
    let value = headers[http::header::AUTHORIZATION].to_str().unwrap();
    value.rsplit_once("Signature=").unwrap().1.to_owned()
}

#[test]
fn a_plain_request_is_signed_as_published() {
    let request = Request { method: &Method::GET, authority: "example.amazonaws.com", path: "/", body: &[] };
    let mut headers = HeaderMap::new();
    let scope = Scope { region: "us-east-1", service: "service" };
    sign(&request, &mut headers, &keys(None), scope, NOON_MS).unwrap();
    assert_eq!(headers["x-amz-date"], "20150830T123600Z");
    assert_eq!(signature(&headers), "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
}

#[test]
fn a_path_is_encoded_twice() {
    assert_eq!(canonical_path("/model/a.b-v1%3A0/converse"), "/model/a.b-v1%253A0/converse");
    assert_eq!(canonical_path(""), "/");
    assert_eq!(canonical_query("b=2&a=%20&a"), "a=&a=%20&b=2");
}

#[test]
fn credentials_are_not_printed() {
    let request = Request { method: &Method::GET, authority: "h", path: "/", body: &[] };
    let mut headers = HeaderMap::new();
    let keys = keys(Some("TOKENTOKEN"));
    sign(&request, &mut headers, &keys, Scope { region: "r", service: "s" }, NOON_MS).unwrap();
    let shown = format!("{headers:?} {keys:?}");
    assert!(!shown.contains("TOKENTOKEN") && !shown.contains("wJalr") && !shown.contains("Signature="), "{shown}");
    assert_eq!(headers["x-amz-security-token"], "TOKENTOKEN");
}

/// A request of the published suite: its parts.
struct Vector {
    request: String,
    context: String,
    signature: String,
}

fn vectors() -> Vec<(String, Vector)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/wire/specs/aws-sigv4/tests/aws-signing-test-suite/v4");
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let read = |path: &std::path::Path, name: &str| std::fs::read_to_string(path.join(name)).unwrap();
    let entries = entries.map(|entry| entry.unwrap().path());
    let vector = |path: &std::path::Path| Vector {
        request: read(path, "request.txt"),
        context: read(path, "context.json"),
        signature: read(path, "header-signature.txt").trim().to_owned(),
    };
    entries.map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), vector(&path))).collect()
}

/// Signs a vector; None where it asks for what no request of ours does (a path that is not normalized).
fn sign_vector(vector: &Vector) -> Option<String> {
    let token = vector.context.split_once("\"token\": \"").map(|(_, rest)| rest.split('"').next().unwrap());
    let token = token.filter(|_| !vector.context.contains("\"omit_session_token\": true"));
    let (head, body) = vector.request.split_once("\n\n").unwrap_or((&vector.request, ""));
    let (line, fields) = head.split_once('\n').unwrap();
    let (method, rest) = line.split_once(' ').unwrap();
    let path = rest.strip_suffix(" HTTP/1.1").unwrap();
    if vector.context.contains("\"normalize\": false")
        && path.split('/').skip(1).any(|part| matches!(part, "" | "." | ".."))
    {
        return None;
    }
    let mut headers = HeaderMap::new();
    for field in fields.replace("\n ", " ").lines().filter(|line| !line.is_empty()) {
        let (name, value) = field.split_once(':').unwrap();
        if !name.eq_ignore_ascii_case("host") {
            headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
    }
    if vector.context.contains("\"sign_body\": true") {
        let hash = HeaderValue::from_str(&hex(&Sha256::digest(body))).unwrap();
        headers.insert(HeaderName::from_static("x-amz-content-sha256"), hash);
    }
    let body = [Bytes::copy_from_slice(body.as_bytes())];
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let request = Request { method: &method, authority: "example.amazonaws.com", path, body: &body };
    let scope = Scope { region: "us-east-1", service: "service" };
    sign_these(&request, &mut headers, &keys(token), scope, NOON_MS, |_| true).unwrap();
    Some(signature(&headers))
}

#[test]
fn published_vectors() {
    let vectors = vectors();
    if vectors.is_empty() {
        eprintln!("SKIPPED: no vectors");
        return;
    }
    let mut signed = 0;
    for (name, vector) in &vectors {
        if let Some(signature) = sign_vector(vector) {
            assert_eq!(signature, vector.signature, "{name}");
            signed += 1;
        }
    }
    assert!(signed >= 30, "{signed} of {}", vectors.len());
}
