//! A loop of tool calls keeps what the model thought: what a client of OpenAI's was given, whole or piece by piece, and sends
//! back with the results, arrives at the provider as the provider said it, with every signature, turn after turn.

#![expect(clippy::disallowed_types, reason = "a client reads answers as trees")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tollgate::chat::{Answer, DecodeEnd};
use tollgate::cli::Served;
use tollgate::config::{self, Deployment, Purpose};
use tollgate::dialect::{self, Endpoint};
use tollgate::provider::{self, Ask, ChatApi};
use tollgate::wire::sse;

/// What a model said before it waits for its tools.
#[derive(Clone, Debug)]
struct Turn {
    thought: String,
    signature: String,
    text: Option<String>,
    calls: Vec<(String, String, Value)>,
}

prop_compose! {
    fn turn()(
        thought in "[a-z \"\\\\\n\u{e9}\u{1f600}]{1,12}x",
        signature in "[A-Za-z0-9+/]{16}",
        text in prop::option::of("[a-z \"\\\\\n\u{e9}\u{1f600}]{1,12}x"),
        calls in prop::collection::vec(("[a-z0-9]{6}", "[a-z]{3,8}", "[a-z \"\\\\\n\u{e9}]{0,8}", -1000_i32..1000), 1..4),
    ) -> Turn {
        // Ids differ.
        let calls = calls.into_iter().enumerate();
        let calls = calls.map(|(at, (id, name, text, number))| (format!("call_{id}{at}"), name, json!({"a": text, "b": [number]})));
        Turn { thought, signature, text, calls: calls.collect() }
    }
}

/// A provider whose models think.
#[derive(Clone, Copy, Debug)]
enum Vendor {
    Anthropic,
    Gemini,
    Bedrock,
}

impl Vendor {
    const fn model(self) -> (&'static str, &'static str) {
        match self {
            Self::Anthropic => ("anthropic", "claude-sonnet-4-5"),
            Self::Gemini => ("gemini", "gemini-3-pro-preview"),
            Self::Bedrock => ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
        }
    }

    fn api(self) -> &'static dyn ChatApi {
        let (provider, model) = self.model();
        provider::find(provider).unwrap().chat(model).unwrap()
    }

    /// The parts of a turn as the provider writes them, and as it wants them back.
    fn parts(self, turn: &Turn) -> Vec<Value> {
        let Turn { thought, signature, text, calls } = turn;
        let mut parts = Vec::new();
        match self {
            Self::Anthropic => {
                parts.push(json!({"type": "thinking", "thinking": thought, "signature": signature}));
                parts.extend(text.as_ref().map(|text| json!({"type": "text", "text": text})));
                let call = |(id, name, input): &(String, String, Value)| json!({"type": "tool_use", "id": id, "name": name, "input": input});
                parts.extend(calls.iter().map(call));
            }
            Self::Gemini => {
                parts.push(json!({"text": thought, "thought": true}));
                parts.extend(text.as_ref().map(|text| json!({"text": text})));
                for (at, (id, name, args)) in calls.iter().enumerate() {
                    let mut part = json!({"functionCall": {"id": id, "name": name, "args": args}});
                    if at == 0 {
                        part["thoughtSignature"] = signature.as_str().into();
                    }
                    parts.push(part);
                }
            }
            Self::Bedrock => {
                parts.push(json!({"reasoningContent": {"reasoningText": {"text": thought, "signature": signature}}}));
                parts.extend(text.as_ref().map(|text| json!({"text": text})));
                let call = |(id, name, input): &(String, String, Value)| json!({"toolUse": {"toolUseId": id, "name": name, "input": input}});
                parts.extend(calls.iter().map(call));
            }
        }
        parts
    }

    fn whole(self, turn: &Turn) -> Value {
        let parts = self.parts(turn);
        match self {
            Self::Anthropic => {
                json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": parts,
                "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1}})
            }
            Self::Gemini => {
                json!({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1}})
            }
            Self::Bedrock => {
                json!({"output": {"message": {"role": "assistant", "content": parts}}, "stopReason": "tool_use",
                "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}})
            }
        }
    }

    /// Where the turns of the model stand in a request.
    fn turns(self, request: &Value) -> Vec<Value> {
        let (list, role, parts) = match self {
            Self::Gemini => ("contents", "model", "parts"),
            Self::Anthropic | Self::Bedrock => ("messages", "assistant", "content"),
        };
        let turns = request[list].as_array().unwrap().iter();
        turns.filter(|turn| turn["role"] == role).map(|turn| turn[parts].clone()).collect()
    }

    /// The events of a stream that says the same, texts in pieces.
    fn stream(self, turn: &Turn) -> Option<String> {
        let halves = |text: &str| {
            let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
            [text[..middle].to_owned(), text[middle..].to_owned()]
        };
        match self {
            Self::Anthropic => {
                let mut events = vec![json!({"type": "message_start", "message": {"id": "msg_1", "type": "message",
                    "role": "assistant", "model": "m", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}})];
                for (index, part) in self.parts(turn).into_iter().enumerate() {
                    let (start, deltas): (Value, Vec<Value>) = match part["type"].as_str().unwrap() {
                        "thinking" => {
                            let pieces =
                                halves(&turn.thought).map(|text| json!({"type": "thinking_delta", "thinking": text}));
                            let signed = json!({"type": "signature_delta", "signature": turn.signature});
                            (
                                json!({"type": "thinking", "thinking": "", "signature": ""}),
                                pieces.into_iter().chain([signed]).collect(),
                            )
                        }
                        "text" => {
                            let pieces = halves(part["text"].as_str().unwrap())
                                .map(|text| json!({"type": "text_delta", "text": text}));
                            (json!({"type": "text", "text": ""}), pieces.into())
                        }
                        _ => {
                            let pieces = halves(&part["input"].to_string())
                                .map(|json| json!({"type": "input_json_delta", "partial_json": json}));
                            (
                                json!({"type": "tool_use", "id": part["id"], "name": part["name"], "input": {}}),
                                pieces.into(),
                            )
                        }
                    };
                    events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
                    events.extend(
                        deltas
                            .into_iter()
                            .map(|delta| json!({"type": "content_block_delta", "index": index, "delta": delta})),
                    );
                    events.push(json!({"type": "content_block_stop", "index": index}));
                }
                events.push(json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}}));
                events.push(json!({"type": "message_stop"}));
                let event = |event: &Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
                Some(events.iter().map(event).collect())
            }
            Self::Gemini => {
                let parts = self.parts(turn);
                let last = parts.len() - 1;
                let event = |(at, part): (usize, Value)| {
                    let mut candidate = json!({"content": {"role": "model", "parts": [part]}});
                    if at == last {
                        candidate["finishReason"] = "STOP".into();
                    }
                    format!(
                        "data: {}\r\n\r\n",
                        json!({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 1}})
                    )
                };
                Some(parts.into_iter().enumerate().map(event).collect())
            }
            // Binary: its decoder has tests of its own.
            Self::Bedrock => None,
        }
    }
}

fn deployment(vendor: Vendor) -> Deployment {
    let (provider, model) = vendor.model();
    let text = format!(
        "model_list: [{{model_name: m, litellm_params: {{model: {provider}/{model}, api_key: sk-of-the-loop}}}}]"
    );
    let nothing = |_: &str| None;
    let from = config::Surroundings { env: &nothing, providers: &Served, purpose: Purpose::QuickStart };
    config::load_text("loop.yaml", &text, &from).0.unwrap().deployments.swap_remove(0)
}

fn answer() -> Answer {
    Answer {
        id: "0191f2b0-6a3c-7def-8000-0123456789ab".to_owned(),
        model: "m".to_owned(),
        created: 1_795_226_400,
        include_usage: false,
        array: false,
        request: Bytes::new(),
    }
}

/// The message that a client is given at once.
fn told(api: &dyn ChatApi, body: &Value) -> Value {
    let mut encoder = dialect::of(Endpoint::ChatCompletions).unwrap().encoder(answer(), false);
    let metered = api.read(body.to_string().as_bytes(), &mut *encoder).unwrap();
    encoder.end(metered.usage());
    let answer: Value = serde_json::from_slice(&encoder.take()).unwrap();
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls", "{answer}");
    answer["choices"][0]["message"].clone()
}

/// The message that a client puts together of a stream: texts grow, and what stands in a list is told by its index.
fn streamed(api: &dyn ChatApi, events: &str) -> Value {
    let mut encoder = dialect::of(Endpoint::ChatCompletions).unwrap().encoder(answer(), true);
    let mut decoder = api.decoder(1 << 20);
    decoder.push(Bytes::copy_from_slice(events.as_bytes()), &mut *encoder).unwrap();
    assert_eq!(decoder.finish(&mut *encoder), Ok(DecodeEnd::Complete));
    encoder.end(None);
    let mut events = sse::Decoder::new(1 << 20);
    events.push(encoder.take());
    let mut message = Value::Object(Map::new());
    while let Some(event) = events.next_event().unwrap() {
        if let Some(data) = event.data.filter(|data| data != "[DONE]") {
            let chunk: Value = serde_json::from_slice(&data).unwrap();
            grow(&mut message, &chunk["choices"][0]["delta"]);
        }
    }
    message
}

fn grow(whole: &mut Value, piece: &Value) {
    match (whole, piece) {
        (Value::Object(whole), Value::Object(piece)) => {
            for (name, value) in piece {
                match whole.get_mut(name) {
                    Some(known) if !matches!(name.as_str(), "index" | "type" | "role" | "id") => grow(known, value),
                    _ => drop(whole.insert(name.clone(), fresh(value))),
                }
            }
        }
        (Value::Array(whole), Value::Array(pieces)) => {
            for piece in pieces {
                match whole.iter_mut().find(|known| known["index"] == piece["index"]) {
                    Some(known) => grow(known, piece),
                    None => whole.push(piece.clone()),
                }
            }
        }
        (Value::String(whole), Value::String(piece)) => whole.push_str(piece),
        (whole, piece) => *whole = piece.clone(),
    }
}

/// A list begins empty, so that its pieces find each other.
fn fresh(value: &Value) -> Value {
    let Value::Array(_) = value else { return value.clone() };
    let mut list = Value::Array(Vec::new());
    grow(&mut list, value);
    list
}

/// Sends what was told back with results, and gives what the provider is asked.
fn asked(vendor: Vendor, messages: &[Value]) -> Value {
    let body = json!({"model": "m", "max_tokens": 4096, "messages": messages, "reasoning_effort": "low"}).to_string();
    let chat = dialect::of(Endpoint::ChatCompletions).unwrap().read(body.as_bytes(), false).unwrap();
    let deployment = deployment(vendor);
    let ask = Ask { model: vendor.model().1, stream: false, output_max: Some(64_000), deployment: &deployment };
    serde_json::from_slice(&vendor.api().write(&chat, &ask).unwrap().body).unwrap()
}

fn results(message: &Value) -> Vec<Value> {
    let calls = message["tool_calls"].as_array().unwrap().iter();
    calls.map(|call| json!({"role": "tool", "tool_call_id": call["id"], "content": "done"})).collect()
}

fn goes_round(vendor: Vendor, turns: &[Turn], tell: impl Fn(&Turn) -> Value) {
    let mut messages = vec![json!({"role": "user", "content": "Go on."})];
    for turn in turns {
        let message = tell(turn);
        let results = results(&message);
        messages.push(message);
        messages.extend(results);
    }
    let request = asked(vendor, &messages);
    let expected: Vec<Value> = turns.iter().map(|turn| vendor.parts(turn).into()).collect();
    assert_eq!(vendor.turns(&request), expected, "{vendor:?}: {}", json!(messages));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_told_at_once_goes_back_as_it_came(turns in prop::collection::vec(turn(), 1..4)) {
        for vendor in [Vendor::Anthropic, Vendor::Gemini, Vendor::Bedrock] {
            goes_round(vendor, &turns, |turn| told(vendor.api(), &vendor.whole(turn)));
        }
    }

    #[test]
    fn what_was_told_piece_by_piece_goes_back_as_it_came(turns in prop::collection::vec(turn(), 1..4)) {
        for vendor in [Vendor::Anthropic, Vendor::Gemini] {
            goes_round(vendor, &turns, |turn| streamed(vendor.api(), &vendor.stream(turn).unwrap()));
        }
    }
}
