//! Where requests go and with what credential.

use super::deployment;
use crate::dialect::Endpoint;
use crate::provider::anthropic::{ANTHROPIC, FOUNDRY};
use crate::provider::{Call, Provider, Target};

fn headers(target: &Target) -> Vec<(&str, &str)> {
    target.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect()
}

fn path(provider: &dyn Provider, target: &Target, endpoint: Endpoint) -> String {
    provider.path(target, &Call { endpoint, model: "m", stream: false })
}

#[test]
fn any_usual_base_is_understood() {
    for base in [
        None,
        Some("https://api.anthropic.com/"),
        Some("https://api.anthropic.com/v1"),
        Some("https://api.anthropic.com/v1/messages"),
    ] {
        let target = ANTHROPIC.target(&deployment("m", None, base)).unwrap();
        assert_eq!(path(&ANTHROPIC, &target, Endpoint::Messages), "/v1/messages", "{base:?}");
        assert_eq!(path(&ANTHROPIC, &target, Endpoint::CountTokens), "/v1/messages/count_tokens");
        assert_eq!(ANTHROPIC.chat("m").unwrap().path(&target, "m", true), "/v1/messages");
    }
    let target = ANTHROPIC.target(&deployment("m", None, Some("https://x/anthropic/v1"))).unwrap();
    assert_eq!(path(&ANTHROPIC, &target, Endpoint::Messages), "/anthropic/v1/messages");
}

#[test]
fn keys_and_subscriptions_go_in_their_headers() {
    let target = ANTHROPIC.target(&deployment("m", Some("sk-ant-api03-x"), None)).unwrap();
    assert_eq!(headers(&target), [("anthropic-version", "2023-06-01"), ("x-api-key", "sk-ant-api03-x")]);
    let target = ANTHROPIC.target(&deployment("m", Some("sk-ant-oat01-x"), None)).unwrap();
    let expected = [
        ("anthropic-version", "2023-06-01"),
        ("authorization", "Bearer sk-ant-oat01-x"),
        ("anthropic-beta", "oauth-2025-04-20"),
    ];
    assert_eq!(headers(&target), expected);
}

#[test]
fn only_its_own_calls_are_carried() {
    for endpoint in Endpoint::ALL {
        let own = matches!(endpoint, Endpoint::Messages | Endpoint::CountTokens);
        assert_eq!(ANTHROPIC.carry(endpoint, "claude-sonnet-4-5").is_some(), own);
    }
}

#[test]
fn foundry_has_claude_behind_one_api_and_the_others_behind_another() {
    for base in ["https://r.services.ai.azure.com", "https://r.services.ai.azure.com/anthropic/v1/messages"] {
        let target = FOUNDRY.target(&deployment("claude-opus-4-5", Some("key"), Some(base))).unwrap();
        assert_eq!(path(&FOUNDRY, &target, Endpoint::Messages), "/anthropic/v1/messages");
        assert_eq!(FOUNDRY.chat("claude-opus-4-5").unwrap().path(&target, "m", false), "/anthropic/v1/messages");
        assert!(headers(&target).contains(&("x-api-key", "key")));
    }
    assert!(FOUNDRY.carry(Endpoint::Messages, "claude-opus-4-5").is_some());
    assert!(FOUNDRY.chat("mistral-large").is_none());
    for (base, expected) in [
        ("https://r.services.ai.azure.com", "/models/chat/completions?api-version=2024-05-01-preview"),
        ("https://r.services.ai.azure.com/models", "/models/chat/completions?api-version=2024-05-01-preview"),
        ("https://r.services.ai.azure.com/openai/v1", "/openai/v1/chat/completions"),
        ("https://m.eastus2.models.ai.azure.com", "/chat/completions"),
    ] {
        let target = FOUNDRY.target(&deployment("mistral-large", Some("key"), Some(base))).unwrap();
        assert_eq!(path(&FOUNDRY, &target, Endpoint::ChatCompletions), expected);
    }
    assert!(FOUNDRY.carry(Endpoint::ChatCompletions, "mistral-large").is_some());
}
