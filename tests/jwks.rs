//! Keys of an identity provider: found by discovery, fetched once for many, rotated, and done without for a while.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

mod support;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use support::issuer::{Issuer, SigningKey};
use support::rig::{Rig, body, deployment, eventually};

fn rig(name: &str, issuer: &Issuer) -> Rig {
    let url = issuer.url();
    Rig::start(name, |provider| {
        format!(
            "model_list:
{}
general_settings:
  master_key: sk-master-0123456789abcdef
  enable_jwt_auth: true
  litellm_jwtauth:
    issuers: [{{issuer: '{url}', audience: tollgate}}]
",
            deployment("chat", provider, "")
        )
    })
}

/// A token for an hour from now.
#[expect(clippy::disallowed_methods, reason = "the gateway's process goes by the machine's clock")]
fn token_with(issuer: &Issuer, key: &SigningKey, more: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    key.sign(&format!(r#"{{"iss":"{}","aud":"tollgate","sub":"ada","exp":{}{more}}}"#, issuer.url(), now + 3600))
}

fn token(issuer: &Issuer, key: &SigningKey) -> String {
    token_with(issuer, key, "")
}

fn status(rig: &Rig, token: &str) -> u16 {
    rig.client().chat(token, &body("chat", "")).unwrap().status
}

#[test]
fn keys_are_found_by_discovery_fetched_once_and_rotated() {
    let (old, new) = (SigningKey::new("old"), SigningKey::new("new"));
    let issuer = Issuer::start(&[&old]);
    let rig = Arc::new(rig("jwks-rotated", &issuer));
    let good = token(&issuer, &old);
    let together: Vec<_> = (0..20)
        .map(|_| {
            let (rig, good) = (rig.clone(), good.clone());
            std::thread::spawn(move || status(&rig, &good))
        })
        .collect();
    assert!(together.into_iter().all(|answer| answer.join().unwrap() == 200));
    assert_eq!(issuer.fetched(), 1, "one fetch for twenty requests");
    issuer.publish(&[&old, &new]);
    let fresh = token(&issuer, &new);
    eventually("the new key is fetched", || status(&rig, &fresh) == 200);
    assert_eq!((status(&rig, &good), issuer.fetched()), (200, 2));
    let refused = rig.client().chat(&token(&issuer, &SigningKey::new("old")), &body("chat", "")).unwrap();
    assert_eq!(
        (refused.status, refused.text().as_str()),
        (
            401,
            r#"{"error":{"message":"Authentication Error, Validation fails: Signature verification failed","type":"auth_error","param":"None","code":"401"}}"#
        )
    );
}

#[test]
fn a_flood_of_unknown_keys_is_no_flood_of_fetches() {
    let key = SigningKey::new("k1");
    let issuer = Issuer::start(&[&key]);
    let rig = rig("jwks-flood", &issuer);
    assert_eq!(status(&rig, &token(&issuer, &key)), 200);
    let began = issuer.fetched();
    for stranger in 0..200 {
        let token = token(&issuer, &SigningKey::new(&format!("stranger-{stranger}")));
        assert_eq!(status(&rig, &token), 401);
    }
    // One every ten seconds, however slow this machine is.
    assert!(issuer.fetched() - began <= 6, "{} fetches", issuer.fetched() - began);
}

#[test]
fn without_the_provider_tokens_wait_and_what_is_known_goes_on() {
    let key = SigningKey::new("k1");
    let issuer = Issuer::start(&[&key]);
    issuer.set_down(true);
    let rig = rig("jwks-down", &issuer);
    let good = token(&issuer, &key);
    let answer = rig.client().chat(&good, &body("chat", "")).unwrap();
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("retry-after").is_some());
    assert_eq!(status(&rig, "sk-master-0123456789abcdef"), 200, "keys of our own need nobody");
    issuer.set_down(false);
    eventually("the keys are fetched", || status(&rig, &good) == 200);
    issuer.set_down(true);
    assert_eq!(status(&rig, &good), 200);
    assert_eq!(status(&rig, &token(&issuer, &SigningKey::new("k2"))), 401);
}

#[test]
fn an_admin_by_token_manages_and_nobody_else_does() {
    let key = SigningKey::new("k1");
    let issuer = Issuer::start(&[&key]);
    let rig = rig("jwks-admin", &issuer);
    let generate = |token: &str| {
        let headers = format!("authorization: Bearer {token}\r\ncontent-type: application/json\r\n");
        rig.client().send("POST /key/generate", &headers, b"{}").unwrap().whole().unwrap()
    };
    let made = generate(&token_with(&issuer, &key, r#","scope":"openid litellm_proxy_admin""#));
    assert_eq!(made.status, 200, "{}", made.text());
    let made = made.text().split('"').find(|word| word.starts_with("sk-") && word.len() > 12).unwrap().to_owned();
    assert_eq!(status(&rig, &made), 200);
    let refused = generate(&token(&issuer, &key));
    assert_eq!(refused.status, 401, "{}", refused.text());
    assert!(refused.text().contains("Only proxy admin"), "{}", refused.text());
    let stranger = generate(&token_with(&issuer, &SigningKey::new("k1"), r#","scope":"litellm_proxy_admin""#));
    assert!(stranger.text().contains("Signature verification failed"), "{}", stranger.text());
}
