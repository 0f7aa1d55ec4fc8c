//! Requests of OpenAI clients, one feature each.

use serde_json::{Value, json};

/// A request and its feature.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// `chat`, `embedding` or `rerank`.
    pub(crate) kind: &'static str,
    pub(crate) body: Value,
}

/// A picture of one dot.
const DOT: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// All of them.
pub(crate) fn all() -> Vec<Case> {
    let chats = chats().into_iter().map(|(name, body)| Case { name, kind: "chat", body });
    let inputs = [("one text", json!({"input": "a text"})), ("two texts", json!({"input": ["first", "second"]}))];
    let inputs = inputs.into_iter().map(|(name, body)| Case { name, kind: "embedding", body });
    let ranks = [
        ("rank", json!({"query": "a question", "documents": ["one", "two", "three"]})),
        ("the best two", json!({"query": "a question", "documents": ["one", "two", "three"], "top_n": 2})),
    ];
    let ranks = ranks.into_iter().map(|(name, body)| Case { name, kind: "rerank", body });
    chats.chain(inputs).chain(ranks).collect()
}

fn chat(messages: Value, more: Value) -> Value {
    let mut body = json!({"messages": messages});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn asked(more: Value) -> Value {
    chat(json!([{"role": "user", "content": "A question."}]), more)
}

fn function() -> Value {
    json!({"type": "function", "function": {
        "name": "get_weather",
        "description": "The weather of a place.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Where."}, "unit": {"type": "string", "enum": ["c", "f"]}},
            "required": ["city"]
        }
    }})
}

fn schema() -> Value {
    json!({"type": "json_schema", "json_schema": {"name": "answer", "strict": true, "schema": {
        "type": "object",
        "properties": {"colour": {"type": "string"}},
        "required": ["colour"],
        "additionalProperties": false
    }}})
}

fn call(id: &str, city: &str) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "get_weather", "arguments": format!("{{\"city\":\"{city}\"}}")}})
}

fn chats() -> Vec<(&'static str, Value)> {
    let tools = || json!([function()]);
    let mut chats = vec![
        ("plain", asked(json!({}))),
        ("bounded", asked(json!({"max_tokens": 100}))),
        ("bounded by the newer name", asked(json!({"max_completion_tokens": 100}))),
        ("temperature", asked(json!({"temperature": 0.5}))),
        ("top_p", asked(json!({"top_p": 0.5}))),
        ("one stop", asked(json!({"stop": "END"}))),
        ("two stops", asked(json!({"stop": ["END", "STOP"]}))),
        ("seed", asked(json!({"seed": 7}))),
        ("penalties", asked(json!({"presence_penalty": 0.1, "frequency_penalty": 0.2}))),
        ("two choices", asked(json!({"n": 2}))),
        ("logprobs", asked(json!({"logprobs": true, "top_logprobs": 2}))),
        ("logit bias", asked(json!({"logit_bias": {"50": 1}}))),
        ("user", asked(json!({"user": "user-1"}))),
        ("stream", asked(json!({"stream": true}))),
        ("stream with usage", asked(json!({"stream": true, "stream_options": {"include_usage": true}}))),
        ("json", asked(json!({"response_format": {"type": "json_object"}}))),
        ("schema", asked(json!({"response_format": schema()}))),
        ("low effort", asked(json!({"reasoning_effort": "low"}))),
        ("medium effort", asked(json!({"reasoning_effort": "medium"}))),
        ("high effort", asked(json!({"reasoning_effort": "high"}))),
        ("tools", asked(json!({"tools": tools()}))),
        ("tools, auto", asked(json!({"tools": tools(), "tool_choice": "auto"}))),
        ("tools, none", asked(json!({"tools": tools(), "tool_choice": "none"}))),
        ("tools, required", asked(json!({"tools": tools(), "tool_choice": "required"}))),
        (
            "tools, by name",
            asked(json!({"tools": tools(), "tool_choice": {"type": "function", "function": {"name": "get_weather"}}})),
        ),
        ("tools, one at a time", asked(json!({"tools": tools(), "parallel_tool_calls": false}))),
    ];
    chats.extend(conversations());
    chats
}

fn conversations() -> Vec<(&'static str, Value)> {
    let tools = json!({"tools": [function()]});
    let user = json!({"role": "user", "content": "A question."});
    let result = |id: &str, text: &str| json!({"role": "tool", "tool_call_id": id, "content": text});
    let calls = |calls: Value| json!({"role": "assistant", "content": null, "tool_calls": calls});
    let picture = json!({"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{DOT}")}});
    vec![
        ("system", chat(json!([{"role": "system", "content": "Be brief."}, user]), json!({}))),
        (
            "two systems",
            chat(
                json!([{"role": "system", "content": "Be brief."}, {"role": "system", "content": "Be kind."}, user]),
                json!({}),
            ),
        ),
        ("developer", chat(json!([{"role": "developer", "content": "Be brief."}, user]), json!({}))),
        (
            "turns",
            chat(
                json!([user, {"role": "assistant", "content": "An answer."}, {"role": "user", "content": "More."}]),
                json!({}),
            ),
        ),
        ("two users", chat(json!([user, {"role": "user", "content": "And another."}]), json!({}))),
        (
            "parts",
            chat(
                json!([{"role": "user", "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]}]),
                json!({}),
            ),
        ),
        (
            "picture",
            chat(json!([{"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]}]), json!({})),
        ),
        (
            "call and result",
            chat(json!([user, calls(json!([call("call_1", "Oslo")])), result("call_1", "Snow.")]), tools.clone()),
        ),
        (
            "two calls and results",
            chat(
                json!([
                    user,
                    calls(json!([call("call_1", "Oslo"), call("call_2", "Rome")])),
                    result("call_1", "Snow."),
                    result("call_2", "Sun.")
                ]),
                tools.clone(),
            ),
        ),
        (
            "result in parts",
            chat(
                json!([
                    user,
                    calls(json!([call("call_1", "Oslo")])),
                    {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "Snow."}]}
                ]),
                tools.clone(),
            ),
        ),
        (
            "a word and a call",
            chat(
                json!([
                    user,
                    {"role": "assistant", "content": "Let me see.", "tool_calls": [call("call_1", "Oslo")]},
                    result("call_1", "Snow."),
                    {"role": "assistant", "content": "It snows."},
                    {"role": "user", "content": "Thanks."}
                ]),
                tools,
            ),
        ),
    ]
}
