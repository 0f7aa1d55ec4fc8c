//! Whatever a client's API lets it say arrives at every provider in its own words, or is refused by name, or is named in
//! `x-tollgate-dropped-params`. Nothing is lost without a word.
#![expect(clippy::disallowed_types, reason = "an independent reading of what arrived")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod support;

use serde_json::{Value, json};
use support::client::{Answer, Client};
use support::hostile::{Hostile, Play};
use support::{Process, Scratch};

const KEY: &str = "sk-every-member-master-01";

/// What a client speaks, and the smallest request in it.
#[derive(Clone, Copy, Debug)]
enum Speaker {
    Chat,
    Messages,
    Responses,
    Gemini,
}
use Speaker::{Chat, Gemini, Messages, Responses};

/// What must become of what was said.
#[derive(Clone, Copy, Debug)]
enum Must {
    /// This stands at this place of the provider's request.
    Arrive(&'static str, &'static str),
    /// It is refused with a text that holds this.
    BeRefused(&'static str),
    /// It is left out, and told by this name.
    BeTold(&'static str),
}
use Must::{Arrive, BeRefused, BeTold};

/// A client, what it says beside its smallest request, and what must become of it.
type Row = (Speaker, &'static str, Must);

impl Speaker {
    fn path(self) -> &'static str {
        match self {
            Chat => "/v1/chat/completions",
            Messages => "/v1/messages",
            Responses => "/v1/responses",
            Gemini => "/v1beta/models/m:generateContent",
        }
    }

    fn smallest(self) -> Value {
        match self {
            Chat => json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]}),
            Messages => json!({"model": "m", "max_tokens": 3000, "messages": [{"role": "user", "content": "hello"}]}),
            Responses => json!({"model": "m", "input": "hello"}),
            Gemini => json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}),
        }
    }
}

struct Bench {
    gateway: Process,
    provider: Hostile,
    _scratch: Scratch,
}

impl Bench {
    fn start(name: &str, model: &str) -> Self {
        let provider = Hostile::start(|request| match &*request.head {
            head if head.contains("/v1/messages") => Play::json(
                200,
                r#"{"id":"msg_1","type":"message","role":"assistant","model":"up","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}"#,
            ),
            head if head.contains("generateContent") => Play::json(
                200,
                r#"{"candidates":[{"content":{"parts":[{"text":"hi"}],"role":"model"},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1,"totalTokenCount":2}}"#,
            ),
            head if head.contains("/converse") => Play::json(
                200,
                r#"{"output":{"message":{"role":"assistant","content":[{"text":"hi"}]}},"stopReason":"end_turn","usage":{"inputTokens":1,"outputTokens":1,"totalTokens":2}}"#,
            ),
            head if head.contains("/v2/chat") => Play::json(
                200,
                r#"{"id":"c","finish_reason":"COMPLETE","message":{"role":"assistant","content":[{"type":"text","text":"hi"}]},"usage":{"tokens":{"input_tokens":1,"output_tokens":1}}}"#,
            ),
            head if head.contains("/api/chat") => Play::json(
                200,
                r#"{"model":"up","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"hi"},"done":true,"done_reason":"stop","prompt_eval_count":1,"eval_count":1}"#,
            ),
            _ => Play::completion(),
        });
        let scratch = Scratch::new(name);
        let config = format!(
            "model_list:\n  - {{model_name: m, litellm_params: {{model: {model}, api_base: {}, api_key: sk-up}}}}\nlitellm_settings: {{num_retries: 0, drop_params: true}}\ngeneral_settings: {{master_key: {KEY}}}\n",
            provider.url()
        );
        let gateway = Process::gateway(scratch.write("config.yaml", &config), &[]);
        Self { gateway, provider, _scratch: scratch }
    }

    fn ask(&self, client: Speaker, more: &Value) -> Answer {
        let mut body = client.smallest();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut to = Client::connect(self.gateway.address()).unwrap();
        let headers = format!("authorization: Bearer {KEY}\r\ncontent-type: application/json\r\n");
        let line = format!("POST {}", client.path());
        to.send(&line, &headers, body.to_string().as_bytes()).unwrap().whole().unwrap()
    }
}

/// Holds a model of a provider against its table.
fn check(name: &str, model: &str, rows: &[Row]) {
    let bench = Bench::start(name, model);
    let mut wrong = Vec::new();
    for (client, said, must) in rows {
        let more: Value = serde_json::from_str(said).unwrap_or_else(|error| panic!("{said}: {error}"));
        let before = bench.provider.received().len();
        let answer = bench.ask(*client, &more);
        let seen = bench.provider.received().into_iter().nth(before);
        let arrived: Value = seen.map_or(Value::Null, |seen| serde_json::from_str(&seen.body).unwrap());
        let told = answer.header("x-tollgate-dropped-params").unwrap_or_default().to_owned();
        let kept = match must {
            Arrive(place, value) => {
                let value: Value = serde_json::from_str(value).unwrap_or_else(|error| panic!("{value}: {error}"));
                answer.status == 200 && arrived.pointer(place) == Some(&value)
            }
            BeRefused(text) => answer.status == 400 && arrived.is_null() && answer.text().contains(text),
            BeTold(name) => answer.status == 200 && told.split(',').any(|told| told.trim() == *name),
        };
        if !kept {
            let text = if answer.status == 200 { String::new() } else { answer.text() };
            wrong.push(format!(
                "{client:?} {said}\n  {must:?}\n  {} {text} told {told:?} arrived {arrived}",
                answer.status
            ));
        }
    }
    assert!(wrong.is_empty(), "{model}:\n{}", wrong.join("\n"));
}

const SEARCHES: &str = r#"{"tools":[{"type":"openrouter:web_search"}]}"#;
const GOOGLES: &str = r#"{"tools":[{"googleSearch":{}}]}"#;
const RUNS: &str = r#"{"tools":[{"codeExecution":{}}]}"#;
const READS: &str = r#"{"tools":[{"urlContext":{}}]}"#;
const INTERPRETS: &str = r#"{"tools":[{"type":"code_interpreter","container":{"type":"auto"}}]}"#;
const LATE: &str = r#"{"tools":[{"name":"f","input_schema":{"type":"object"},"defer_loading":true}]}"#;
const SEEN: &str = r#"{"messages":[{"role":"user","content":"go"},
    {"role":"assistant","content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{}},{"type":"text","text":"done"}]},
    {"role":"user","content":"on"}]}"#;
const SHOWN: &str = r#"{"messages":[{"role":"user","content":"go"},
    {"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]},
    {"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"tool_reference","tool_name":"g"},
        {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]},{"type":"text","text":"and?"}]}]}"#;
const TWO_OF_THREE: &str = r#"{"tools":[{"functionDeclarations":[{"name":"a"},{"name":"b"},{"name":"c"}]}],
    "toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["a","c"]}}}"#;
const HEARD: &str = r#"{"messages":[{"role":"user","content":[{"type":"input_audio","input_audio":"//uQZAAA"}]}]}"#;

#[test]
fn anthropic_has_tools_of_its_own_for_those_of_others() {
    check(
        "every-anthropic",
        "anthropic/claude-sonnet-4-5",
        &[
            (Chat, SEARCHES, Arrive("/tools/0/type", r#""web_search_20250305""#)),
            (Gemini, GOOGLES, Arrive("/tools/0/type", r#""web_search_20250305""#)),
            (Gemini, RUNS, Arrive("/tools/0/type", r#""code_execution_20250825""#)),
            (Gemini, READS, Arrive("/tools/0/type", r#""web_fetch_20250910""#)),
            (Responses, INTERPRETS, Arrive("/tools/0/name", r#""code_execution""#)),
            (Gemini, r#"{"tools":[{"fileSearch":{}}]}"#, BeRefused("fileSearch")),
            (Gemini, TWO_OF_THREE, Arrive("/tools/1/name", r#""c""#)),
            (Gemini, TWO_OF_THREE, Arrive("/tool_choice", r#"{"type":"any"}"#)),
            (Gemini, r#"{"safetySettings":[]}"#, BeTold("safetySettings")),
            (Gemini, r#"{"cachedContent":"cachedContents/1"}"#, BeTold("cachedContent")),
            (Responses, r#"{"max_tool_calls":3}"#, BeTold("max_tool_calls")),
            (Responses, r#"{"truncation":"auto"}"#, BeTold("truncation")),
            (Chat, r#"{"service_tier":"on_demand"}"#, BeTold("service_tier")),
            (Chat, r#"{"temperature":1.5}"#, Arrive("/temperature", "1")),
            (Chat, HEARD, BeRefused("sound")),
        ],
    );
}

#[test]
fn gemini_gets_files_in_what_a_tool_returned() {
    const FILED: &str = r#"{"messages":[{"role":"user","content":"go"},
        {"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[
            {"type":"image","source":{"type":"url","url":"https://example.com/a.png"}},
            {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]}]}]}"#;
    check(
        "every-gemini",
        "gemini/gemini-3-pro-preview",
        &[
            (Messages, FILED, Arrive("/contents/2/parts/0/functionResponse/parts/1/inlineData/data", r#""AAAA""#)),
            (
                Messages,
                FILED,
                Arrive(
                    "/contents/2/parts/0/functionResponse/parts/0/fileData/fileUri",
                    r#""https://example.com/a.png""#,
                ),
            ),
            (Messages, LATE, BeTold("tools[].defer_loading")),
            (Messages, r#"{"container":"c"}"#, BeTold("container")),
            (Chat, r#"{"service_tier":"flex"}"#, Arrive("/serviceTier", r#""flex""#)),
            (Chat, r#"{"service_tier":"on_demand"}"#, BeTold("service_tier")),
            (Chat, HEARD, Arrive("/contents/0/parts/0/inlineData/mimeType", r#""audio/mpeg""#)),
            (Chat, SEARCHES, Arrive("/tools/0/googleSearch", "{}")),
            (Responses, INTERPRETS, Arrive("/tools/0/codeExecution", "{}")),
            (Responses, r#"{"tools":[{"type":"file_search","vector_store_ids":["v"]}]}"#, BeRefused("file_search")),
            (Messages, SEEN, BeTold("server_tool_use")),
        ],
    );
}

#[test]
fn nova_searches_with_its_own_tool() {
    check(
        "every-nova",
        "bedrock/converse/us.amazon.nova-2-lite-v1:0",
        &[
            (Chat, SEARCHES, Arrive("/toolConfig/tools/0/systemTool/name", r#""nova_grounding""#)),
            (Gemini, GOOGLES, Arrive("/toolConfig/tools/0/systemTool/name", r#""nova_grounding""#)),
            (
                Chat,
                r#"{"web_search_options":{}}"#,
                Arrive("/toolConfig/tools/0/systemTool/name", r#""nova_grounding""#),
            ),
            (Gemini, RUNS, BeRefused("codeExecution")),
            (Chat, r#"{"temperature":1.5}"#, Arrive("/inferenceConfig/temperature", "1")),
            (Chat, r#"{"service_tier":"flex"}"#, Arrive("/serviceTier/type", r#""flex""#)),
            (Chat, r#"{"service_tier":"on_demand"}"#, BeTold("service_tier")),
            (Messages, SHOWN, BeTold("tool_reference")),
            (Messages, SHOWN, Arrive("/messages/2/content/0/toolResult/content/0/image/source/bytes", r#""AAAA""#)),
            (Gemini, r#"{"labels":{"a":"b"}}"#, BeTold("labels")),
            (Gemini, TWO_OF_THREE, Arrive("/toolConfig/tools/1/toolSpec/name", r#""c""#)),
        ],
    );
}

#[test]
fn cohere_is_shown_in_the_next_message_what_a_tool_returned() {
    check(
        "every-cohere",
        "cohere_chat/command-a-03-2025",
        &[
            (Messages, SHOWN, Arrive("/messages/2/role", r#""tool""#)),
            (Messages, SHOWN, Arrive("/messages/3/content/1/image_url/url", r#""data:image/png;base64,AAAA""#)),
            (Messages, SHOWN, Arrive("/messages/4/content", r#""and?""#)),
            (Messages, SHOWN, BeTold("messages[].tool_reference")),
            (Messages, SEEN, BeTold("messages[].server_tool_use")),
            (Messages, SEEN, Arrive("/messages/1/content", r#""done""#)),
            (Gemini, GOOGLES, BeRefused("googleSearch")),
            (Gemini, TWO_OF_THREE, Arrive("/tools/1/function/name", r#""c""#)),
            (Messages, r#"{"mcp_servers":[]}"#, BeTold("mcp_servers")),
        ],
    );
}

#[test]
fn ollama_goes_on_without_what_others_tools_did() {
    check(
        "every-ollama",
        "ollama_chat/qwen3-vl",
        &[
            (Messages, SEEN, Arrive("/messages/1/content", r#""done""#)),
            (Messages, SEEN, BeTold("messages[].server_tool_use")),
            (Messages, SHOWN, Arrive("/messages/2/images/0", r#""AAAA""#)),
            (Messages, SHOWN, BeTold("messages[].tool_reference")),
            (Gemini, RUNS, BeRefused("codeExecution")),
            (Responses, r#"{"max_tool_calls":3}"#, BeTold("max_tool_calls")),
        ],
    );
}

#[test]
fn mistral_is_asked_for_nothing_that_it_refuses() {
    check(
        "every-mistral",
        "mistral/mistral-medium-latest",
        &[
            (
                Gemini,
                r#"{"tools":[{"functionDeclarations":[{"name":"a"}]}]}"#,
                Arrive("/tools/0/function/parameters/type", r#""object""#),
            ),
            (Responses, r#"{"text":{"verbosity":"low"}}"#, BeTold("verbosity")),
            (Responses, r#"{"top_logprobs":2}"#, BeTold("top_logprobs")),
            (Gemini, r#"{"generationConfig":{"responseLogprobs":true}}"#, BeTold("logprobs")),
            (
                Gemini,
                r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"audio/wav","data":"UklGRg=="}}]}]}"#,
                Arrive("/messages/0/content/0/input_audio", r#""UklGRg==""#),
            ),
        ],
    );
}

#[test]
fn openai_is_told_what_it_knows() {
    check(
        "every-openai",
        "openai_like/gpt-4o",
        &[
            (Messages, LATE, BeTold("tools[].defer_loading")),
            (Messages, r#"{"context_management":{"edits":[]}}"#, BeTold("context_management")),
            (
                Gemini,
                r#"{"generationConfig":{"mediaResolution":"MEDIA_RESOLUTION_LOW"}}"#,
                BeTold("generationConfig.mediaResolution"),
            ),
            (
                Gemini,
                r#"{"tools":[{"functionDeclarations":[{"name":"a","behavior":"BLOCKING"}]}]}"#,
                BeTold("functionDeclarations[].behavior"),
            ),
            (Gemini, RUNS, BeTold("tools.codeExecution")),
            (Messages, SHOWN, Arrive("/messages/3/content/1/image_url/url", r#""data:image/png;base64,AAAA""#)),
        ],
    );
}
