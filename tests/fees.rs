//! What comes on top of tokens is charged: searches of the web, questions to a map, what a provider says it charged, and what
//! the configuration takes off and puts on.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use support::client::Client;
use support::hostile::{Hostile, Play, Received};
use support::rig::{eventually, exchanges};
use support::{Process, Scratch};

mod support;

const MASTER: &str = "sk-fees-master-000001";

const CHAT: &str = r#"{"model":"m","messages":[{"role":"user","content":"Hi"}]"#;
const RESPONSE: &str = r#"{"model":"m","input":"Hi""#;
const CONTENTS: &str = r#"{"contents":[{"parts":[{"text":"Hi"}]}]"#;
/// Two searches, and what was done with their results.
const SEARCHED: &str = r#"{"id":"resp_1","object":"response","status":"completed","model":"up","output":[
    {"type":"web_search_call","id":"a","status":"completed","action":{"type":"search","query":"x"}},
    {"type":"web_search_call","id":"b","status":"completed","action":{"type":"open_page","url":"https://x"}},
    {"type":"web_search_call","id":"c","status":"completed","action":{"type":"search","query":"y"}},
    {"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[]}]}],
    "usage":{"input_tokens":0,"output_tokens":0,"total_tokens":0}}"#;
const GROUNDED: &str = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Hi"}]},"finishReason":"STOP",
    "groundingMetadata":{"webSearchQueries":["x","y","x"],"groundingChunks":[{"web":{"uri":"https://x","title":"X"}}]}}],
    "usageMetadata":{"promptTokenCount":0,"candidatesTokenCount":0,"totalTokenCount":0}}"#;
const MAPPED: &str = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Hi"}]},"finishReason":"STOP",
    "groundingMetadata":{"groundingChunks":[{"maps":{"uri":"https://x","title":"X"}}]}}],
    "usageMetadata":{"promptTokenCount":0,"candidatesTokenCount":0,"totalTokenCount":0}}"#;

/// Starts a gateway with one deployment, asks it once, and tells what the log says that it cost.
struct Stand {
    upstream: Hostile,
    settings: &'static str,
}

impl Stand {
    fn answering(play: impl Fn(&Received) -> Play + Send + Sync + 'static) -> Self {
        Self { upstream: Hostile::start(play), settings: "" }
    }

    fn with(answer: &'static str) -> Self {
        Self::answering(move |_| Play::json(200, answer))
    }

    fn streaming(events: &'static str) -> Self {
        Self::answering(move |_| Play::events(events).ended())
    }

    fn cost(&self, name: &str, model: &str, path: &str, body: &str) -> String {
        let scratch = Scratch::new(&format!("fees-{name}"));
        let base = self.upstream.url();
        let config = format!(
            "model_list:
  - model_name: m
    litellm_params:
      model: {model}
      api_base: {base}
      api_key: sk-provider-of-the-fees
litellm_settings:
  num_retries: 0
{}general_settings:
  master_key: {MASTER}
",
            self.settings
        );
        let gateway = Process::gateway(scratch.write("config.yaml", &config), &[]);
        let mut client = Client::connect(gateway.address()).unwrap();
        let headers = format!("authorization: Bearer {MASTER}\r\n");
        let reply = client.send(&format!("POST {path}"), &headers, body.as_bytes()).unwrap();
        let answer = reply.whole().unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        eventually("the log tells of it", || !exchanges(&gateway.output()).is_empty());
        exchanges(&gateway.output()).first().unwrap().cost().to_string()
    }
}

#[test]
fn searches_that_openai_makes_are_charged_for() {
    let whole = Stand::with(SEARCHED);
    let body = format!(r#"{RESPONSE},"tools":[{{"type":"web_search"}}]}}"#);
    assert_eq!(whole.cost("responses", "openai/gpt-5", "/v1/responses", &body), "0.02");

    let streamed = Stand::streaming(concat!(
        "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n",
        "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"output\":[",
        "{\"type\":\"web_search_call\"}],\"tool_usage\":{\"web_search\":{\"num_requests\":3}},",
        "\"usage\":{\"input_tokens\":0,\"output_tokens\":0,\"total_tokens\":0}}}\n\n",
    ));
    let body = format!("{RESPONSE},\"stream\":true}}");
    assert_eq!(streamed.cost("responses-stream", "openai/gpt-5", "/v1/responses", &body), "0.03");
}

#[test]
fn an_answer_that_cites_pages_searched_once() {
    let whole = Stand::with(
        r#"{"id":"c","object":"chat.completion","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant",
            "content":"Hi","annotations":[{"type":"url_citation","url_citation":{"url":"https://x"}},
            {"type":"url_citation","url_citation":{"url":"https://y"}}]}}],
            "usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}"#,
    );
    let model = "openai/gpt-4o-search-preview";
    assert_eq!(whole.cost("cites", model, "/v1/chat/completions", &format!("{CHAT}}}")), "0.025");
    let messages = format!("{},\"max_tokens\":9}}", CHAT);
    assert_eq!(whole.cost("cites-messages", model, "/v1/messages", &messages), "0.025");

    let streamed = Stand::streaming(concat!(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"annotations\":[{\"type\":\"url_citation\"}]},",
        "\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0}}\n\n",
        "data: [DONE]\n\n",
    ));
    let body = format!("{CHAT},\"stream\":true}}");
    assert_eq!(streamed.cost("cites-stream", model, "/v1/chat/completions", &body), "0.025");
}

#[test]
fn google_charges_older_models_searches_by_the_answer_and_newer_ones_by_the_query() {
    let grounded = Stand::with(GROUNDED);
    let (native, chat) = (format!("{CONTENTS}}}"), format!("{CHAT}}}"));
    let generate = "/v1beta/models/m:generateContent";
    assert_eq!(grounded.cost("grounded", "gemini/gemini-2.5-flash", generate, &native), "0.035");
    assert_eq!(grounded.cost("grounded-chat", "gemini/gemini-2.5-flash", "/v1/chat/completions", &chat), "0.035");
    assert_eq!(grounded.cost("queries", "gemini/gemini-3-flash-preview", generate, &native), "0.028");
    assert_eq!(Stand::with(MAPPED).cost("maps", "gemini/gemini-2.5-flash", generate, &native), "0.025");

    // Pieces of a stream repeat what was looked up.
    let piece = "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"}]},\"groundingMetadata\":{\
                 \"webSearchQueries\":[\"x\"]}}]}\n\n";
    let last = "data: {\"candidates\":[{\"finishReason\":\"STOP\",\"groundingMetadata\":{\"webSearchQueries\":[\"x\",\
                \"y\"]}}],\"usageMetadata\":{\"promptTokenCount\":0,\"candidatesTokenCount\":0}}\n\n";
    let streamed = Stand::answering(move |_| Play::events(&format!("{piece}{last}")).ended());
    let path = "/v1beta/models/m:streamGenerateContent?alt=sse";
    assert_eq!(streamed.cost("queries-stream", "gemini/gemini-3-flash-preview", path, &native), "0.028");
}

#[test]
fn what_the_provider_says_it_charged_is_charged() {
    let ticks = Stand::with(
        r#"{"id":"c","object":"chat.completion","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant",
            "content":"Hi"}}],"usage":{"prompt_tokens":10,"completion_tokens":10,"total_tokens":20,
            "cost_in_usd_ticks":37756000}}"#,
    );
    assert_eq!(ticks.cost("ticks", "xai/grok-4", "/v1/chat/completions", &format!("{CHAT}}}")), "0.0037756");
}

#[test]
fn a_discount_is_taken_off_and_a_margin_put_on() {
    let answer = r#"{"id":"c","object":"chat.completion","choices":[{"index":0,"finish_reason":"stop","message":
        {"role":"assistant","content":"Hi"}}],"usage":{"prompt_tokens":1000,"completion_tokens":100,"total_tokens":1100}}"#;
    let path = "/v1/chat/completions";
    let body = format!("{CHAT}}}");
    // 1000 tokens at 0.15 and 100 at 0.60 dollars a million are 0.00021.
    for (name, settings, cost) in [
        ("plain", "", "0.00021"),
        ("discount", "  cost_discount_config: {openai: 0.1, azure: 0.5}\n", "0.000189"),
        ("of-model", "  cost_discount_config: {openai: 0.1, openai/gpt-4o-*: 0.5}\n", "0.000105"),
        ("margin", "  cost_margin_config: {global: 1, azure: 2}\n", "0.00042"),
        (
            "own-margin",
            "  cost_margin_config: {global: 1, openai: {percentage: 0.1, fixed_amount: 0.0005}}\n",
            "0.000731",
        ),
        ("both", "  cost_discount_config: {openai: 0.5}\n  cost_margin_config: {openai: 0.2}\n", "0.000126"),
    ] {
        let stand = Stand { settings, ..Stand::with(answer) };
        assert_eq!(stand.cost(name, "openai/gpt-4o-mini", path, &body), cost, "{name}");
    }
}
