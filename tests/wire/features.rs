//! Requests with one feature each, in every dialect. Words like `wire-system` must arrive wherever a request is sent.

use serde_json::{Value, json};

use super::asked::MODEL;
use super::recording::Dialect;

/// `wire-image` in base64, as short a picture as there is none.
const IMAGE: &str = "d2lyZS1pbWFnZQ==";

/// A request and its feature.
pub(crate) struct Feature {
    pub(crate) name: &'static str,
    pub(crate) dialect: Dialect,
    pub(crate) body: Value,
}

/// All of them.
pub(crate) fn all() -> Vec<Feature> {
    let lists = [(Dialect::Chat, chat()), (Dialect::Messages, messages()), (Dialect::Responses, responses())];
    let lists = lists.into_iter().chain([(Dialect::Gemini, gemini())]);
    lists
        .flat_map(|(dialect, list)| list.into_iter().map(move |(name, body)| Feature { name, dialect, body }))
        .collect()
}

/// The words of a request that must arrive.
pub(crate) fn words(body: &str) -> Vec<String> {
    let words = body.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '/' | '=')));
    let mut words: Vec<_> =
        words.filter(|word| word.starts_with("wire-") || *word == IMAGE).map(str::to_owned).collect();
    words.sort();
    words.dedup();
    words
}

fn schema() -> Value {
    json!({
        "type": "object",
        "properties": {"wire-city": {"type": "string", "description": "wire-description"}},
        "required": ["wire-city"],
        "additionalProperties": false
    })
}

fn arguments() -> &'static str {
    r#"{"wire-city":"wire-oslo"}"#
}

fn chat() -> Vec<(&'static str, Value)> {
    let with = |messages: Value, more: Value| {
        let mut body = json!({"model": MODEL, "messages": messages, "max_tokens": 3000});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let ask = || json!([{"role": "user", "content": "wire-question"}]);
    let call =
        |id: &str| json!({"id": id, "type": "function", "function": {"name": "wire-tool", "arguments": arguments()}});
    let function = || json!({"name": "wire-tool", "description": "wire-purpose", "parameters": schema()});
    let tools = || json!([{"type": "function", "function": function()}]);
    vec![
        ("plain", with(ask(), json!({}))),
        (
            "system and many turns",
            with(
                json!([
                    {"role": "system", "content": "wire-system"},
                    {"role": "user", "content": "wire-first"},
                    {"role": "assistant", "content": "wire-answer"},
                    {"role": "user", "content": [{"type": "text", "text": "wire-second"}]}
                ]),
                json!({}),
            ),
        ),
        ("developer", with(json!([{"role": "developer", "content": "wire-rules"}, ask()[0]]), json!({}))),
        ("tools", with(ask(), json!({"tools": tools(), "tool_choice": "auto"}))),
        ("a tool that must be called", with(ask(), json!({"tools": tools(), "tool_choice": "required"}))),
        (
            "a tool by name",
            with(
                ask(),
                json!({"tools": tools(), "tool_choice": {"type": "function", "function": {"name": "wire-tool"}}}),
            ),
        ),
        (
            "results of parallel calls",
            with(
                json!([
                    ask()[0],
                    {"role": "assistant", "content": null, "tool_calls": [call("wire-call-1"), call("wire-call-2")]},
                    {"role": "tool", "tool_call_id": "wire-call-1", "content": "wire-result-1"},
                    {"role": "tool", "tool_call_id": "wire-call-2", "content": "wire-result-2"},
                    {"role": "user", "content": "wire-more"}
                ]),
                json!({"tools": tools()}),
            ),
        ),
        (
            "image",
            with(
                json!([{"role": "user", "content": [
                    {"type": "text", "text": "wire-question"},
                    {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{IMAGE}")}}
                ]}]),
                json!({}),
            ),
        ),
        (
            "json schema",
            with(
                ask(),
                json!({"response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "wire", "strict": true, "schema": schema()}
                }}),
            ),
        ),
        ("json object", with(ask(), json!({"response_format": {"type": "json_object"}}))),
        ("reasoning", with(ask(), json!({"reasoning_effort": "low"}))),
        (
            "thoughts of a turn before",
            with(
                json!([
                    ask()[0],
                    {"role": "assistant", "reasoning_content": "wire-thought", "content": "wire-answer"},
                    {"role": "user", "content": "wire-more"}
                ]),
                json!({}),
            ),
        ),
        ("stop and sampling", with(ask(), json!({"stop": ["wire-stop"], "temperature": 0.5, "top_p": 0.9}))),
        ("stream", with(ask(), json!({"stream": true, "stream_options": {"include_usage": true}}))),
    ]
}

fn messages() -> Vec<(&'static str, Value)> {
    let with = |messages: Value, more: Value| {
        let mut body = json!({"model": MODEL, "messages": messages, "max_tokens": 3000});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let ask = || json!([{"role": "user", "content": "wire-question"}]);
    let tools = || json!([{"name": "wire-tool", "description": "wire-purpose", "input_schema": schema()}]);
    let call =
        |id: &str| json!({"type": "tool_use", "id": id, "name": "wire-tool", "input": {"wire-city": "wire-oslo"}});
    let result = |id: &str, text: &str| json!({"type": "tool_result", "tool_use_id": id, "content": text});
    vec![
        ("plain", with(ask(), json!({}))),
        (
            "system and many turns",
            with(
                json!([
                    {"role": "user", "content": "wire-first"},
                    {"role": "assistant", "content": [{"type": "text", "text": "wire-answer"}]},
                    {"role": "user", "content": [{"type": "text", "text": "wire-second"}]}
                ]),
                json!({"system": [{"type": "text", "text": "wire-system", "cache_control": {"type": "ephemeral"}}]}),
            ),
        ),
        ("tools", with(ask(), json!({"tools": tools(), "tool_choice": {"type": "auto"}}))),
        ("a tool that must be called", with(ask(), json!({"tools": tools(), "tool_choice": {"type": "any"}}))),
        (
            "results of parallel calls",
            with(
                json!([
                    ask()[0],
                    {"role": "assistant", "content": [call("wire-call-1"), call("wire-call-2")]},
                    {"role": "user", "content": [
                        result("wire-call-1", "wire-result-1"),
                        result("wire-call-2", "wire-result-2"),
                        {"type": "text", "text": "wire-more"}
                    ]}
                ]),
                json!({"tools": tools()}),
            ),
        ),
        (
            "image",
            with(
                json!([{"role": "user", "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": IMAGE}},
                    {"type": "text", "text": "wire-question"}
                ]}]),
                json!({}),
            ),
        ),
        ("reasoning", with(ask(), json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}))),
        (
            "thoughts of a turn before",
            with(
                json!([
                    ask()[0],
                    {"role": "assistant", "content": [
                        {"type": "thinking", "thinking": "wire-thought", "signature": "d2lyZQ=="},
                        {"type": "text", "text": "wire-answer"}
                    ]},
                    {"role": "user", "content": "wire-more"}
                ]),
                json!({}),
            ),
        ),
        ("stop and sampling", with(ask(), json!({"stop_sequences": ["wire-stop"], "temperature": 0.5}))),
        ("stream", with(ask(), json!({"stream": true}))),
    ]
}

fn responses() -> Vec<(&'static str, Value)> {
    let with = |input: Value, more: Value| {
        let mut body = json!({"model": MODEL, "input": input, "max_output_tokens": 3000, "store": false});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let ask = || json!([{"role": "user", "content": "wire-question"}]);
    let tools = || json!([{"type": "function", "name": "wire-tool", "description": "wire-purpose", "parameters": schema(), "strict": true}]);
    let call =
        |id: &str| json!({"type": "function_call", "call_id": id, "name": "wire-tool", "arguments": arguments()});
    let result = |id: &str, text: &str| json!({"type": "function_call_output", "call_id": id, "output": text});
    vec![
        ("plain", with(json!("wire-question"), json!({}))),
        (
            "system and many turns",
            with(
                json!([
                    {"role": "user", "content": "wire-first"},
                    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "wire-answer"}]},
                    {"role": "user", "content": [{"type": "input_text", "text": "wire-second"}]}
                ]),
                json!({"instructions": "wire-system"}),
            ),
        ),
        ("tools", with(ask(), json!({"tools": tools(), "tool_choice": "required"}))),
        (
            "results of parallel calls",
            with(
                json!([
                    ask()[0],
                    call("wire-call-1"),
                    call("wire-call-2"),
                    result("wire-call-1", "wire-result-1"),
                    result("wire-call-2", "wire-result-2")
                ]),
                json!({"tools": tools()}),
            ),
        ),
        (
            "image",
            with(
                json!([{"role": "user", "content": [
                    {"type": "input_text", "text": "wire-question"},
                    {"type": "input_image", "image_url": format!("data:image/png;base64,{IMAGE}")}
                ]}]),
                json!({}),
            ),
        ),
        (
            "json schema",
            with(
                ask(),
                json!({"text": {"format": {"type": "json_schema", "name": "wire", "schema": schema(), "strict": true}}}),
            ),
        ),
        ("reasoning", with(ask(), json!({"reasoning": {"effort": "low"}}))),
        ("stream", with(ask(), json!({"stream": true}))),
    ]
}

fn gemini() -> Vec<(&'static str, Value)> {
    let with = |contents: Value, more: Value| {
        let mut body = json!({"contents": contents});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let ask = || json!([{"role": "user", "parts": [{"text": "wire-question"}]}]);
    let mut parameters = schema();
    parameters["type"] = "OBJECT".into();
    parameters["properties"]["wire-city"]["type"] = "STRING".into();
    parameters.as_object_mut().unwrap().remove("additionalProperties");
    let declaration = json!({"name": "wire-tool", "description": "wire-purpose", "parameters": parameters.clone()});
    let tools = json!([{"functionDeclarations": [declaration]}]);
    let call = || json!({"functionCall": {"name": "wire-tool", "args": {"wire-city": "wire-oslo"}}});
    let result = |text: &str| json!({"functionResponse": {"name": "wire-tool", "response": {"result": text}}});
    vec![
        ("plain", with(ask(), json!({}))),
        (
            "system and many turns",
            with(
                json!([
                    {"role": "user", "parts": [{"text": "wire-first"}]},
                    {"role": "model", "parts": [{"text": "wire-answer"}]},
                    {"role": "user", "parts": [{"text": "wire-second"}]}
                ]),
                json!({"systemInstruction": {"parts": [{"text": "wire-system"}]}}),
            ),
        ),
        ("tools", with(ask(), json!({"tools": tools, "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}}))),
        (
            "results of parallel calls",
            with(
                json!([
                    ask()[0],
                    {"role": "model", "parts": [call(), call()]},
                    {"role": "user", "parts": [result("wire-result-1"), result("wire-result-2")]}
                ]),
                json!({"tools": tools}),
            ),
        ),
        (
            "image",
            with(
                json!([{"role": "user", "parts": [
                    {"text": "wire-question"},
                    {"inlineData": {"mimeType": "image/png", "data": IMAGE}}
                ]}]),
                json!({}),
            ),
        ),
        (
            "json schema",
            with(
                ask(),
                json!({"generationConfig": {"responseMimeType": "application/json", "responseSchema": parameters}}),
            ),
        ),
        ("reasoning", with(ask(), json!({"generationConfig": {"thinkingConfig": {"thinkingBudget": 1024}}}))),
        (
            "stop and sampling",
            with(ask(), json!({"generationConfig": {"stopSequences": ["wire-stop"], "temperature": 0.5, "topK": 20}})),
        ),
    ]
}
