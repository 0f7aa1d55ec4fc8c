//! One gateway with a deployment for each kind of provider, all of them played back.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::asked::MODEL;
use super::playback::{Playback, Script, Seen};
use super::recording::Dialect;
use super::said::Counts;
use crate::support::client::Client;
use crate::support::{Process, Scratch};

const KEY: &str = "sk-wire-master-00000001";
/// Dollars per token: prompt, completion, read from and written to a cache.
const PRICES: [f64; 4] = [1e-6, 2e-6, 1e-7, 1.25e-6];

/// Prefixes, and what their deployments need beside an address and a key.
const LEADS: [(&str, &str); 23] = [
    ("cohere", ""),
    ("voyage", ""),
    ("openai", ""),
    ("azure", ""),
    ("openrouter", ""),
    ("mistral", ""),
    ("deepseek", ""),
    ("groq", ""),
    ("perplexity", ""),
    ("cerebras", ""),
    ("moonshot", ""),
    ("dashscope", ""),
    ("together_ai", ""),
    ("zai", ""),
    ("xai", ""),
    ("openai_like", ""),
    ("anthropic", ""),
    ("gemini", ""),
    ("cohere_chat", ""),
    ("ollama_chat", ""),
    (
        "vertex_ai",
        "      vertex_project: project\n      vertex_location: us-central1\n      vertex_credentials: '@USER@'\n",
    ),
    (
        "bedrock",
        "      aws_access_key_id: AKIDWIREWIREWIRE0001\n      aws_secret_access_key: wire/secret/wire/secret/0001\n      aws_region_name: us-east-1\n",
    ),
    ("azure_ai", ""),
];

/// The gateway and the provider behind it.
pub(crate) struct Stand {
    pub(crate) gateway: Process,
    playback: Playback,
    next: AtomicUsize,
    _scratch: Scratch,
}

/// A request, and what it is answered with.
#[derive(Clone)]
pub(crate) struct Ask<'a> {
    pub(crate) dialect: Dialect,
    /// The path of a call that is no chat.
    pub(crate) path: Option<&'static str>,
    pub(crate) stream: bool,
    /// Gemini's stream as one array instead of events.
    pub(crate) array: bool,
    pub(crate) lead: &'a str,
    pub(crate) model: &'a str,
    /// With [`MODEL`] where the model stands.
    pub(crate) body: String,
    pub(crate) script: Script,
}

/// What came of a request.
pub(crate) struct Told {
    pub(crate) number: usize,
    /// The model as the client named it.
    pub(crate) alias: String,
    /// The model as the provider was asked for it.
    pub(crate) upstream: String,
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    /// Whether the answer's framing was ended.
    pub(crate) whole: bool,
    /// What it cost, in dollars, where the head says so.
    pub(crate) cost: Option<f64>,
    /// What the provider was asked.
    pub(crate) seen: Vec<Seen>,
}

impl Stand {
    pub(crate) fn start() -> Self {
        let scratch = Scratch::new("wire");
        let playback = Playback::start();
        let config = scratch.write("config.yaml", &config(&playback.url()));
        let gateway = Process::gateway(config, &[]);
        Self { gateway, playback, next: AtomicUsize::new(0), _scratch: scratch }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(self.gateway.address()).unwrap()
    }

    /// Sends a request and reads its answer as far as it goes. The connection is made anew where it was closed.
    pub(crate) fn ask(&self, client: &mut Client, ask: &Ask<'_>) -> Told {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let upstream = self.playback.load(number, ask.model, ask.script.clone());
        let alias = format!("{}/{upstream}", ask.lead);
        let body = ask.body.replace(MODEL, serde_json::to_string(&alias).unwrap().trim_matches('"'));
        let line = format!("POST {}", path(ask, &alias));
        let headers =
            format!("{}x-request-id: wire-{number}\r\ncontent-type: application/json\r\n", credential(ask.dialect));
        let (answer, end) = match client.send(&line, &headers, body.as_bytes()) {
            Ok(reply) => reply.rest(),
            // A connection may be closed after any answer, most of all after one that broke off.
            Err(_) => {
                *client = self.client();
                let reply = client.send(&line, &headers, body.as_bytes());
                reply.unwrap_or_else(|error| panic!("{line}: {error}")).rest()
            }
        };
        if end.is_err() {
            *client = self.client();
        }
        Told {
            number,
            alias,
            upstream,
            status: answer.status,
            whole: end.is_ok(),
            cost: answer.header("x-litellm-response-cost").and_then(|cost| cost.parse().ok()),
            body: answer.body,
            seen: self.playback.unload(number),
        }
    }
}

/// What a provider's answer costs here.
pub(crate) fn price(usage: &Counts, charged: Option<f64>) -> f64 {
    let plain = usage.prompt - usage.cached - usage.written;
    let counts = [plain, usage.completion, usage.cached, usage.written];
    charged.unwrap_or_else(|| counts.into_iter().zip(PRICES).map(|(count, price)| count as f64 * price).sum())
}

fn credential(dialect: Dialect) -> String {
    match dialect {
        Dialect::Chat | Dialect::Responses => format!("authorization: Bearer {KEY}\r\n"),
        Dialect::Messages => format!("x-api-key: {KEY}\r\nanthropic-version: 2023-06-01\r\n"),
        Dialect::Gemini => format!("x-goog-api-key: {KEY}\r\n"),
    }
}

fn path(ask: &Ask<'_>, alias: &str) -> String {
    if let Some(path) = ask.path {
        return path.to_owned();
    }
    match ask.dialect {
        Dialect::Chat => "/v1/chat/completions".to_owned(),
        Dialect::Messages => "/v1/messages".to_owned(),
        Dialect::Responses => "/v1/responses".to_owned(),
        Dialect::Gemini => {
            let verb = match (ask.stream, ask.array) {
                (false, _) => "generateContent",
                (true, false) => "streamGenerateContent?alt=sse",
                (true, true) => "streamGenerateContent",
            };
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            let encode = |byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
            format!("/v1beta/models/{}:{verb}", alias.bytes().map(encode).collect::<String>())
        }
    }
}

fn config(base: &str) -> String {
    let user = format!(
        r#"{{"type":"authorized_user","client_id":"wire","client_secret":"wire-secret","refresh_token":"wire-refresh","token_uri":"{base}/token"}}"#
    );
    let [prompt, completion, read, written] = PRICES.map(|price| format!("{price:.12}"));
    let deployment = |(lead, more): &(&str, &str)| {
        let more = more.replace("@USER@", &user);
        format!(
            "  - model_name: \"{lead}/*\"
    litellm_params:
      model: \"{lead}/*\"
      api_base: {base}
      api_key: sk-provider-of-the-wire-0001
      input_cost_per_token: {prompt}
      output_cost_per_token: {completion}
      cache_read_input_token_cost: {read}
      cache_creation_input_token_cost: {written}
      cache_creation_input_token_cost_above_1hr: {written}
{more}    model_info:
      id: wire-{lead}
"
        )
    };
    let deployments: String = LEADS.iter().map(deployment).collect();
    format!("model_list:\n{deployments}router_settings: {{num_retries: 0}}\ngeneral_settings: {{master_key: {KEY}}}\n")
}
