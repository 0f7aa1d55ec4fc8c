//! Requests of clients, written for every provider.

use std::sync::LazyLock;

use tollgate::chat::{self, Unsupported};
use tollgate::cli::Served;
use tollgate::config::{self, Deployment, Purpose, Surroundings};
use tollgate::dialect::Endpoint;
use tollgate::json::{self, Limits};
use tollgate::provider::{self, Ask};

use super::answers::{api, of};
use super::parts::is_json;

/// Providers with a chat API of their own, and a model of each.
const CHATS: [(&str, &str); 9] = [
    ("openai", "gpt-5.1"),
    ("mistral", "mistral-medium-latest"),
    ("anthropic", "claude-sonnet-4-5"),
    ("gemini", "gemini-2.5-flash"),
    ("vertex_ai", "gemini-2.5-flash"),
    ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("bedrock", "us.amazon.nova-2-lite-v1:0"),
    ("cohere_chat", "command-a-03-2025"),
    ("ollama_chat", "qwen3"),
];

const EMBEDDINGS: [(&str, &str); 6] = [
    ("cohere", "embed-v4.0"),
    ("gemini", "gemini-embedding-001"),
    ("bedrock", "amazon.titan-embed-text-v2:0"),
    ("bedrock", "cohere.embed-english-v3"),
    ("ollama", "nomic-embed-text"),
    ("voyage", "voyage-3.5"),
];

const RERANKERS: [(&str, &str); 4] = [
    ("cohere", "rerank-v3.5"),
    ("voyage", "rerank-2"),
    ("jina_ai", "jina-reranker-v2-base-multilingual"),
    ("bedrock", "cohere.rerank-v3-5:0"),
];

static DEPLOYMENT: LazyLock<Deployment> = LazyLock::new(|| {
    let text = "model_list: [{model_name: m, litellm_params: {model: openai/m, api_key: sk-0123456789abcdef}}]";
    let from = Surroundings { env: &|_| None, providers: &Served, purpose: Purpose::QuickStart };
    let (settings, report) = config::load_text("fuzz.yaml", text, &from);
    let mut settings = settings.unwrap_or_else(|| panic!("{:?}", report.findings));
    settings.deployments.remove(0)
});

fn ask(model: &str) -> Ask<'_> {
    Ask { model, stream: false, output_max: Some(4096), deployment: &DEPLOYMENT }
}

pub(crate) fn chat(data: &[u8]) {
    request(data, Endpoint::ChatCompletions);
}

pub(crate) fn responses(data: &[u8]) {
    request(data, Endpoint::Responses);
}

pub(crate) fn messages(data: &[u8]) {
    request(data, Endpoint::Messages);
}

pub(crate) fn gemini(data: &[u8]) {
    request(data, Endpoint::GenerateContent);
}

/// What is written is JSON, the same each time, whatever was asked.
fn request(data: &[u8], endpoint: Endpoint) {
    if json::scan(data, &Limits::default()).is_err() {
        return;
    }
    let dialect = of(endpoint);
    let prepared = dialect.prepare(data);
    let body = prepared.as_deref().unwrap_or(data);
    for (provider, model) in CHATS {
        let Ok(mut chat) = dialect.read(body, false) else { return };
        let api = api(provider, model);
        let settled = chat::settle(&mut chat, api.supported(model), &[], Unsupported::Drop, provider, model);
        settled.expect("what is dropped is not refused");
        let Ok(written) = api.write(&chat, &ask(model)) else { continue };
        assert!(is_json(&written.body), "{provider}/{model}: {}", written.body.escape_ascii());
        let again = api.write(&chat, &ask(model)).expect("what was written once is written again");
        assert_eq!((written.body, written.dropped), (again.body, again.dropped), "{provider}/{model}");
    }
}

pub(crate) fn embedding(data: &[u8]) {
    call(data, Endpoint::Embeddings, &EMBEDDINGS);
}

pub(crate) fn rerank(data: &[u8]) {
    call(data, Endpoint::Rerank, &RERANKERS);
}

/// The bytes as a request, then as an answer to a plain one.
fn call(data: &[u8], endpoint: Endpoint, providers: &[(&str, &str)]) {
    let is_body = json::scan(data, &Limits::default()).is_ok();
    let plain: &[u8] = match endpoint {
        Endpoint::Rerank => br#"{"model":"m","query":"q","documents":["a","b"]}"#,
        _ => br#"{"model":"m","input":["a","b"]}"#,
    };
    for (provider, model) in providers {
        let found = provider::find(provider).and_then(|provider| provider.call(endpoint, model));
        let api = found.unwrap_or_else(|| panic!("{provider} has no such call"));
        if is_body && let Ok(written) = api.write(data, &ask(model)) {
            assert!(is_json(&written.body), "{provider}/{model}: {}", written.body.escape_ascii());
        }
        let asked = if is_body { [data, plain] } else { [plain, plain] };
        for request in asked {
            if let Ok((body, _)) = api.read(data, "m", request) {
                assert!(is_json(&body), "{provider}/{model}: {}", body.escape_ascii());
            }
        }
    }
}
