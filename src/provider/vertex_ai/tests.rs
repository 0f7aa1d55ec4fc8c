use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method};

use super::super::{Ask, Auth, Call, Fetch, Fetched, ModelPlace, Provider as _, Unsigned};
use super::*;
use crate::config::Deployment;
use crate::provider::gemini::tests::deployment;
use crate::vocabulary::{Clock, Metered, Now, Secret};

/// Made for this test; opens nothing.
const KEY: &str = "-----BEGIN PRIVATE KEY-----\n\
    MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDoNJ+fdZtsYBJc\n\
    IrdPXox3nTkBIoPSBPrm6x4qkFRl6CVzpDkJ0fdl9XOOmezcBFD0HsYiyWM3PB/G\n\
    ngv+vGEarqKU79zPum54pIBdPBksyT8otzqGta7EImYLpvcyhcpfYrdc7tex1FTe\n\
    75jIqG4z3dboQzlAW8doB3dV/XsunkcRg7KHcHnwdfbE3uhqtd/4kFlX8IT1lbOs\n\
    AtE6em1YMTS4aMbaoxFeqhiwtoPhVY5ZkvP+OxWgt4NiMtICnf0UlhLusZ0H8fRG\n\
    1HUPU86vaeOxYnQh3Fgs7Oj4Jr9BYpI1bLOQmk1Nqn3RjZo9UOyoeF9ZDj9LfWJj\n\
    K6WZQMuFAgMBAAECggEAWuRGWw+Y/+n3JdN893dl+mgzaQtOmAXVBFCiJT0LnDwr\n\
    dMGihgKHGYTjb702psSVv4jQO8uip3tEYOV6goLQa7ZR84SUZUdveI/DozskC5DW\n\
    xSQ7p4E0YJeqZAM+HaubFI06gwkGqxgXBJC6uEidonXCanXt0hBa1JCfmKw47HzP\n\
    JRILBTLKRwlokaktl/IXyaI+Ga12rt29n50YT4NUMMNwV1/X0SmgyJZSFXzyyQDH\n\
    grt/Ubk+mi1mQoXVpink5/g2k49C3unepaAypubFUw3M5uYGWNvMmGndc++Qy4YD\n\
    viGFIs1xgrYDCNhyHE3X7kCiIyt7Ru86LWBr5UDrXQKBgQD3uRm8y/uGWY6EU2+v\n\
    9rHTMiWn4f3gpXRWg16F8ZV/6IqZWzw8B8yD623H158bBe9cDCn3PtemNiF+VsYj\n\
    P47zLB1gt6pXtCW/gCpSVLx+XtWF4+mwYQSEzmTUUaDqqK+sKsveYhXAFL+kZQHT\n\
    Avy9xrk6jMjZc9oMmMF2Qp0MUwKBgQDv9stMJqMIB2TzfseD4sJ6c2NrwX7q9qQw\n\
    Kxl45OzBFkeQB3/gucaJRtEH/aKttHlhsvrQm1ZhBZ1zL/fK/lcwSjzk/fpnNJhJ\n\
    vNiyTPa74kG3zJ/NJ62/jFUHFy3qR9ur6RCrJUBMwRcZqZW31QyKAx82ARh01k5F\n\
    Jis4+MQNxwKBgQC0F9iTPgSdFqyanQH8fi+nZ7SiiZSFZiPe5WCppglW1Rs2BHMU\n\
    /WJ8oYLNH3/nKHhshddYjVI/3uiYrcMcSw/Ez9SHxN7NJgWvZCDgfAQRJya6UQhK\n\
    ly2u01HQXYvMLViRpQdTpCFF5I+yl1AtNOXDnh55Z3J5TFVAhSlYrXL5SwKBgF6t\n\
    33TCYd0PHdO9F/d/hwBNetLPW8ZVXl7rAnfiy087/Sxk6R2/7wfG+z7N4lvrM2FK\n\
    /w9D2wcY8hC6wmhDhh81i2VGmIAUDmo5qr5fA5MKKKfegsatey5yrjHIAYPIqnHf\n\
    2YXNgttF7FlhwgLweqwRo0Tplb6zt9osvy0RajmNAoGBALRJ3JepRkDBMvQG3vOA\n\
    Uca7+HcjLjJDp+Yd1kBavzOFsnJAE0be/IXFEVuboOGRP7orDCAjSVql/zZoDCd2\n\
    D9/GobAhhbGiJTiRX3UoHquNHUgJ8S5xgmxDCEDsoP/bg0lmkjSZi5+/WECMcbnW\n\
    BturMUIgoJ8Ib+TfCbxGj64F\n\
    -----END PRIVATE KEY-----\n";

fn service_account() -> String {
    let key = serde_json::to_string(KEY).unwrap();
    format!(
        r#"{{"type":"service_account","project_id":"from-file","private_key_id":"k1","private_key":{key},
            "client_email":"a@b.iam","token_uri":"https://oauth2.googleapis.com/token"}}"#
    )
}

fn with(vendor: &[(&'static str, &str)]) -> Deployment {
    let vendor = vendor.iter().map(|(name, value)| (*name, Secret::new(*value))).collect();
    Deployment { vendor, ..deployment() }
}

fn at(clock: &Clock, seconds: u64) -> Now {
    Now { mono_ns: seconds * 1_000_000_000, ..clock.now() }
}

fn tokens(credentials: &str) -> auth::Tokens {
    auth::Tokens::new(credentials::Credentials::parse(credentials).unwrap().source)
}

fn form(fetch: &Fetch) -> (String, String) {
    match fetch {
        Fetch::Http { url, body, .. } => (url.clone(), String::from_utf8(body.to_vec()).unwrap()),
        Fetch::File(path) => (path.display().to_string(), String::new()),
    }
}

fn signed(tokens: &auth::Tokens, now: Now) -> Option<String> {
    let mut headers = HeaderMap::new();
    let request = Unsigned { method: &Method::POST, authority: "h", path: "/", body: &[] };
    tokens.sign(&request, &mut headers, now).ok()?;
    headers.get("authorization")?.to_str().ok().map(str::to_owned)
}

#[test]
fn a_service_account_claims_a_token_and_renews_it_ahead_of_its_end() {
    let clock = Clock::manual(1_700_000_000_000);
    let tokens = tokens(&service_account());
    let want = tokens.want(at(&clock, 0)).unwrap();
    assert!(want.urgent && signed(&tokens, at(&clock, 0)).is_none());
    let (url, body) = form(&want.fetch);
    assert_eq!(url, "https://oauth2.googleapis.com/token");
    let claim =
        body.strip_prefix("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=").unwrap();
    let parts: Vec<&str> = claim.split('.').collect();
    let text = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    assert_eq!(text(parts[0]), r#"{"alg":"RS256","typ":"JWT","kid":"k1"}"#);
    assert_eq!(
        text(parts[1]),
        concat!(
            r#"{"iss":"a@b.iam","scope":"https://www.googleapis.com/auth/cloud-platform","#,
            r#""aud":"https://oauth2.googleapis.com/token","iat":1700000000,"exp":1700003600}"#
        )
    );
    assert_eq!(URL_SAFE_NO_PAD.decode(parts[2]).unwrap().len(), 256);

    let answer = br#"{"access_token":"t-1","expires_in":3600,"token_type":"Bearer"}"#;
    tokens.take(&Fetched { status: 200, body: answer }, at(&clock, 0)).unwrap();
    assert_eq!(signed(&tokens, at(&clock, 10)).as_deref(), Some("Bearer t-1"));
    assert!(tokens.want(at(&clock, 3299)).is_none());
    assert!(!tokens.want(at(&clock, 3301)).unwrap().urgent);
    // A renewal that fails leaves what there is.
    let refusal = br#"{"error":"invalid_grant","error_description":"clock"}"#;
    let fault = tokens.take(&Fetched { status: 400, body: refusal }, at(&clock, 3301)).unwrap_err();
    assert_eq!(&*fault.cause.unwrap(), "the token was not given: status 400, invalid_grant: clock");
    assert!(signed(&tokens, at(&clock, 3400)).is_some());
    assert!(tokens.want(at(&clock, 3595)).unwrap().urgent);
    assert!(signed(&tokens, at(&clock, 3601)).is_none());
    assert!(!format!("{:?}", tokens.want(at(&clock, 3601))).contains("assertion"));
}

#[test]
fn a_user_refreshes_and_names_the_project_that_pays() {
    let clock = Clock::manual(0);
    let tokens = tokens(
        r#"{"type":"authorized_user","client_id":"i","client_secret":"s/","refresh_token":"r","quota_project_id":"q"}"#,
    );
    let (url, body) = form(&tokens.want(at(&clock, 0)).unwrap().fetch);
    assert_eq!(url, "https://oauth2.googleapis.com/token");
    assert_eq!(body, "grant_type=refresh_token&client_id=i&client_secret=s%2F&refresh_token=r");
    tokens.take(&Fetched { status: 200, body: br#"{"access_token":"t"}"# }, at(&clock, 0)).unwrap();
    let mut headers = HeaderMap::new();
    let request = Unsigned { method: &Method::POST, authority: "h", path: "/", body: &[] };
    tokens.sign(&request, &mut headers, at(&clock, 1)).unwrap();
    assert_eq!(headers["x-goog-user-project"], "q");
    assert!(headers["authorization"].is_sensitive());
}

#[test]
fn another_clouds_token_is_exchanged_step_by_step() {
    let clock = Clock::manual(1_700_000_000_000);
    let now = at(&clock, 0);
    let tokens = tokens(
        r#"{"type":"external_account","audience":"//iam/x","subject_token_type":"urn:ietf:params:oauth:token-type:jwt",
            "token_url":"https://sts.googleapis.com/v1/token",
            "service_account_impersonation_url":"https://iamcredentials.googleapis.com/v1/x:generateAccessToken",
            "credential_source":{"file":"/var/run/token","format":{"type":"json","subject_token_field_name":"t"}}}"#,
    );
    let step = |body: &str| tokens.take(&Fetched { status: 200, body: body.as_bytes() }, now);
    assert_eq!(form(&tokens.want(now).unwrap().fetch).0, "/var/run/token");
    step(r#"{"t":"subject"}"#).unwrap();
    let (url, body) = form(&tokens.want(now).unwrap().fetch);
    assert!(url.starts_with("https://sts") && body.ends_with("subject_token=subject"), "{body}");
    step(r#"{"access_token":"federated","expires_in":60}"#).unwrap();
    let (url, body) = form(&tokens.want(now).unwrap().fetch);
    assert!(url.ends_with(":generateAccessToken") && body.contains("cloud-platform"));
    step(r#"{"accessToken":"final","expireTime":"2023-11-14T23:13:20Z"}"#).unwrap();
    assert_eq!(signed(&tokens, now).as_deref(), Some("Bearer final"));
    assert!(tokens.want(at(&clock, 3299)).is_none() && tokens.want(at(&clock, 3301)).is_some());
}

#[test]
fn the_machines_own_token_comes_from_its_metadata() {
    let clock = Clock::manual(0);
    let tokens = auth::Tokens::new(credentials::Source::Metadata);
    let Fetch::Http { method, url, headers, .. } = tokens.want(at(&clock, 0)).unwrap().fetch else { panic!("a file") };
    assert_eq!(method, Method::GET);
    assert!(url.ends_with("/service-accounts/default/token") && headers[0].1 == "Google");
    assert!(tokens.take(&Fetched { status: 200, body: b"<html>" }, at(&clock, 0)).is_err());
    assert!(tokens.take(&Fetched { status: 0, body: b"" }, at(&clock, 0)).is_err());
}

#[test]
fn credentials_that_cannot_be_used_are_refused_without_being_shown() {
    for text in [
        "{",
        r#"{"type":"x"}"#,
        r#"{"type":"service_account","client_email":"e","private_key":"secret-key"}"#,
        r#"{"type":"authorized_user","client_id":"i","client_secret":"secret-key"}"#,
        r#"{"type":"authorized_user","token_uri":"http://evil/","client_id":"i"}"#,
    ] {
        let Err(bad) = credentials::Credentials::parse(text) else { panic!("{text}") };
        assert!(!bad.to_string().contains("secret-key"), "{bad}");
    }
}

fn target(vendor: &[(&'static str, &str)]) -> Target {
    VERTEX_AI.target(&with(vendor)).unwrap()
}

#[test]
fn locations_have_hosts_and_models_have_paths() {
    for (location, host) in [
        ("us-central1", "us-central1-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ] {
        assert_eq!(target(&[("vertex_project", "p"), ("vertex_location", location)]).host, host);
    }
    let global = target(&[("vertex_project", "p"), ("vertex_location", "global")]);
    let path = |endpoint, model, stream| VERTEX_AI.path(&global, &Call { endpoint, model, stream });
    let base = "/v1/projects/p/locations/global";
    for (endpoint, model, stream, expected) in [
        (
            Endpoint::GenerateContent,
            "gemini-2.5-pro",
            false,
            "/publishers/google/models/gemini-2.5-pro:generateContent",
        ),
        (Endpoint::GenerateContent, "123", true, "/endpoints/123:streamGenerateContent?alt=sse"),
        (Endpoint::GeminiCountTokens, "google/g", false, "/publishers/google/models/g:countTokens"),
        (Endpoint::Messages, "claude-a@1", true, "/publishers/anthropic/models/claude-a@1:streamRawPredict"),
        (Endpoint::CountTokens, "claude-a@1", false, "/publishers/anthropic/models/count-tokens:rawPredict"),
        (
            Endpoint::ChatCompletions,
            "mistral-large@2",
            false,
            "/publishers/mistralai/models/mistral-large@2:rawPredict",
        ),
        (Endpoint::ChatCompletions, "meta/llama-4", true, "/endpoints/openapi/chat/completions"),
        (Endpoint::GenerateContent, "../a", false, "/publishers/google/models/..%2Fa:generateContent"),
    ] {
        assert_eq!(path(endpoint, model, stream), format!("{base}{expected}"));
    }
}

#[test]
fn the_project_comes_from_the_credentials_and_the_key_needs_none() {
    let account = service_account();
    let from_file = with(&[("vertex_credentials", account.as_str())]);
    assert_eq!(VERTEX_AI.target(&from_file).unwrap().base_path, "/v1/projects/from-file/locations/us-central1");
    assert!(VERTEX_AI.auth(&from_file).unwrap().is_some());
    let wrong = [("vertex_project", "p/../q"), ("vertex_location", "global")];
    assert!(VERTEX_AI.target(&with(&wrong)).is_err());
    assert!(VERTEX_AI.target(&with(&[("vertex_project", "p"), ("vertex_location", "evil.com/x")])).is_err());
    let own = Deployment {
        api_base: Some("https://proxy/v1/projects/a/locations/b".to_owned()),
        api_key: Some(Secret::new("k")),
        ..deployment()
    };
    let target = VERTEX_AI.target(&own).unwrap();
    assert_eq!(
        google_path(&target, "g", ":generateContent"),
        "/v1/projects/a/locations/b/publishers/google/models/g:generateContent"
    );
    assert_eq!(target.headers[0].0, "x-goog-api-key");
    assert!(VERTEX_AI.auth(&own).unwrap().is_none());
}

#[test]
fn each_makers_models_are_asked_in_their_own_words() {
    let carry = |endpoint, model| VERTEX_AI.carry(endpoint, model);
    let messages = carry(Endpoint::Messages, "claude-sonnet-4").unwrap();
    assert_eq!(messages.insert, [("anthropic_version", "\"vertex-2023-10-16\"")]);
    assert_eq!(messages.model, ModelPlace::Path);
    assert_eq!(carry(Endpoint::GenerateContent, "gemini-2.5-pro").unwrap().model, ModelPlace::Path);
    assert_eq!(carry(Endpoint::ChatCompletions, "meta/llama-4").unwrap().model, ModelPlace::Member);
    assert!(carry(Endpoint::ChatCompletions, "gemini-2.5-pro").is_none());
    assert!(carry(Endpoint::GenerateContent, "claude-sonnet-4").is_none());
    assert!(["gemini-2.5-pro", "meta/llama-4", "claude-sonnet-4"].iter().all(|model| VERTEX_AI.chat(model).is_some()));
}

#[test]
fn embeddings_are_predicted_or_embedded() {
    let deployment = deployment();
    let ask = Ask { model: "m", stream: false, output_max: None, deployment: &deployment };
    let written = |model, body: &[u8]| embeddings::api(model).write(body, &ask);
    let request = br#"{"input":["a","b"],"dimensions":2,"task_type":"RETRIEVAL_QUERY"}"#;
    assert_eq!(
        written("text-embedding-005", request).unwrap().body,
        concat!(
            r#"{"instances":[{"content":"a","task_type":"RETRIEVAL_QUERY"},{"content":"b","task_type":"RETRIEVAL_QUERY"}],"#,
            r#""parameters":{"outputDimensionality":2}}"#
        )
    );
    assert!(written("gemini-embedding-2", request).unwrap_err().public.contains("one text per request"));
    assert_eq!(
        written("gemini-embedding-2", br#"{"input":"a"}"#).unwrap().body,
        r#"{"content":{"parts":[{"text":"a"}]}}"#
    );
    let answer = br#"{"predictions":[{"embeddings":{"values":[1],"statistics":{"token_count":3.0}}}]}"#;
    let (body, metered) = embeddings::api("text-embedding-005").read(answer, "g", b"{}").unwrap();
    assert!(matches!(metered, Metered::Reported(usage) if usage.prompt == 3));
    assert!(body.ends_with(br#""usage":{"prompt_tokens":3,"total_tokens":3}}"#));
}
