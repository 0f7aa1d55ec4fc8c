//! Recorded exchanges with Anthropic, through reader and writer, decoder and encoder, and relay.
#![expect(clippy::disallowed_types, reason = "an independent reading of the recordings")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(clippy::print_stdout, reason = "says what was replayed")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tollgate::chat::{Answer, Broken, DecodeEnd, Delta, Finish, Sink};
use tollgate::config::Deployment;
use tollgate::dialect::{Dialect, RelayOptions, StreamEnd, anthropic};
use tollgate::provider::anthropic as provider;
use tollgate::provider::{Ask, ChatApi};
use tollgate::vocabulary::{Metered, Units, Usage};

const DEV: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/wire/dev/anthropic");

struct Exchange {
    id: String,
    request: String,
    status: u64,
    stream: bool,
    body: String,
}

fn recordings() -> Vec<Exchange> {
    if !Path::new(DEV).is_dir() {
        println!("SKIPPED: no recordings at {DEV}");
        return Vec::new();
    }
    let mut files: Vec<_> = std::fs::read_dir(DEV).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = files.iter().map(|file| serde_json::from_slice::<Value>(&std::fs::read(file).unwrap()).unwrap());
    let own = read.filter(|exchange| exchange["api"] == "anthropic.messages");
    own.map(|exchange| Exchange {
        id: exchange["id"].as_str().unwrap().to_owned(),
        request: exchange["request"]["body"].as_str().unwrap_or_default().to_owned(),
        status: exchange["response"]["status"].as_u64().unwrap(),
        stream: exchange["stream"] == true,
        body: first_message(exchange["response"]["body"].as_str().unwrap()).to_owned(),
    })
    .collect()
}

/// Some recordings are several streams in a row.
fn first_message(body: &str) -> &str {
    let stop = body.find("event: message_stop").unwrap_or(0);
    body[stop..].find("event: message_start").map_or(body, |at| &body[..stop + at])
}

fn deployment() -> Deployment {
    Deployment::of("m", "anthropic", "m")
}

// ---- requests ------------------------------------------------------------------------------------------------------

/// What the neutral form has no place for, or says otherwise: the reasons that a request comes out different.
fn normal_request(mut body: Value, reasons: &mut Vec<&'static str>) -> Value {
    let model = body["model"].as_str().unwrap_or_default().to_owned();
    let top = body.as_object_mut().unwrap();
    top.retain(|_, value| !value.is_null());
    if top.get("stream") == Some(&json!(false)) {
        top.remove("stream");
    }
    if let Some(mut format) = top.remove("output_format") {
        reasons.push("output_format is output_config.format now");
        format.as_object_mut().unwrap().retain(|key, _| matches!(key.as_str(), "type" | "schema"));
        top.entry("output_config").or_insert(json!({}))["format"] = format;
    }
    if top.get("output_config").is_some_and(|config| config["effort"].is_string()) && !top.contains_key("thinking") {
        reasons.push("an effort alone means thinking, as for OpenAI");
        let newest = model.contains("4-7") || model.contains("4-8") || model.contains("-5");
        let thinking =
            if newest { json!({"type": "adaptive", "display": "summarized"}) } else { json!({"type": "adaptive"}) };
        top.insert("thinking".to_owned(), thinking);
    }
    if let Some(system) = top.get_mut("system") {
        *system = blocks(system.take(), reasons);
        if system.as_array().unwrap().is_empty() {
            top.remove("system");
        }
    }
    if top.get("tools").is_some_and(|tools| tools.as_array().unwrap().is_empty()) {
        top.remove("tools");
        top.remove("tool_choice");
    }
    if let Some(choice) = top.get_mut("tool_choice").and_then(Value::as_object_mut)
        && choice.get("disable_parallel_tool_use") == Some(&json!(false))
    {
        choice.remove("disable_parallel_tool_use");
    }
    for tool in top.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        let tool = tool.as_object_mut().unwrap();
        if tool.get("type").is_none_or(|kind| kind == "custom") {
            if tool["input_schema"].get("type").is_none() {
                reasons.push("schemas of arguments are of objects");
                tool["input_schema"]["type"] = json!("object");
            }
            for hint in ["defer_loading", "allowed_callers", "input_examples", "eager_input_streaming", "type"] {
                if tool.remove(hint).is_some() {
                    reasons.push("hints of tools have no place");
                }
            }
        }
    }
    let mut turns: Vec<Value> = Vec::new();
    for message in top["messages"].as_array().unwrap() {
        let content = blocks(message["content"].clone(), reasons);
        if content.as_array().unwrap().is_empty() {
            continue;
        }
        match turns.last_mut().filter(|last| last["role"] == message["role"]) {
            Some(last) => last["content"].as_array_mut().unwrap().extend(content.as_array().unwrap().clone()),
            None => turns.push(json!({"role": message["role"], "content": content})),
        }
    }
    for turn in &mut turns {
        turn["content"].as_array_mut().unwrap().sort_by_key(|block| block["type"] != "tool_result");
    }
    if let Some(last) = turns.last_mut().filter(|last| last["role"] == "assistant")
        && let Some(text) = last["content"].as_array_mut().unwrap().last_mut().unwrap().get_mut("text")
    {
        *text = json!(text.as_str().unwrap().trim_end());
    }
    top.insert("messages".to_owned(), Value::Array(turns));
    body
}

fn blocks(content: Value, reasons: &mut Vec<&'static str>) -> Value {
    let Value::Array(list) = content else {
        let text = content.as_str().unwrap().to_owned();
        return if text.trim().is_empty() { json!([]) } else { json!([{"type": "text", "text": text}]) };
    };
    let mut out = Vec::new();
    for mut block in list {
        let object: &mut Map<String, Value> = block.as_object_mut().unwrap();
        object.retain(|_, value| !value.is_null());
        match object["type"].as_str().unwrap().to_owned().as_str() {
            "text" => {
                if object["text"].as_str().unwrap().trim().is_empty() {
                    reasons.push("texts without words are left out");
                    continue;
                }
                if object.remove("citations").is_some() {
                    reasons.push("citations of earlier answers have no place");
                }
            }
            "tool_use" if object.remove("caller").is_some() => reasons.push("who called a tool has no place"),
            "thinking" if object["signature"] == "" => continue,
            "document" => {
                if object.remove("citations").is_some() {
                    reasons.push("whether to cite a document has no place");
                }
                if object["source"]["type"] == "content" {
                    reasons.push("documents of blocks are their blocks");
                    out.extend(object.get("title").map(|title| json!({"type": "text", "text": title})));
                    out.extend(blocks(object["source"]["content"].clone(), reasons).as_array().unwrap().clone());
                    continue;
                }
            }
            "search_result" => {
                reasons.push("search results are texts");
                let said: String =
                    object["content"].as_array().unwrap().iter().map(|block| block["text"].as_str().unwrap()).collect();
                let text =
                    format!("{}\n{}\n{said}", object["title"].as_str().unwrap(), object["source"].as_str().unwrap());
                out.push(json!({"type": "text", "text": text}));
                continue;
            }
            "tool_result" => {
                if let Some(content) = object.get_mut("content") {
                    *content = blocks(content.take(), reasons);
                    if content.as_array().unwrap().is_empty() {
                        object.remove("content");
                    }
                }
                if object.get("is_error") == Some(&json!(false)) {
                    object.remove("is_error");
                }
            }
            _ => {}
        }
        out.push(block);
    }
    Value::Array(out)
}

/// Where two values differ.
fn compare(found: &Value, expected: &Value, at: &str, differences: &mut Vec<String>) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            let names: BTreeSet<_> = found.keys().chain(expected.keys()).collect();
            for name in names {
                let (found, expected) = (found.get(name), expected.get(name));
                compare(
                    found.unwrap_or(&Value::Null),
                    expected.unwrap_or(&Value::Null),
                    &format!("{at}.{name}"),
                    differences,
                );
            }
        }
        (Value::Array(found), Value::Array(expected)) if found.len() == expected.len() => {
            for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
                compare(found, expected, &format!("{at}[{index}]"), differences);
            }
        }
        _ if found != expected => differences.push(format!("{at}: found {found}, expected {expected}")),
        _ => {}
    }
}

#[test]
fn requests_come_out_as_they_went_in() {
    let deployment = deployment();
    let (mut same, mut counted, mut refused) = (0, BTreeMap::<&str, usize>::new(), 0);
    for exchange in recordings().iter().filter(|exchange| exchange.request.trim_start().starts_with('{')) {
        let body: Value = serde_json::from_str(&exchange.request).unwrap();
        let chat = match anthropic::MESSAGES.read(exchange.request.as_bytes(), false) {
            Ok(chat) => chat,
            Err(fault) => {
                assert_eq!(exchange.status, 400, "{}: {fault}", exchange.id);
                refused += 1;
                continue;
            }
        };
        let model = body["model"].as_str().unwrap();
        let ask = Ask { model, stream: chat.stream, output_max: None, deployment: &deployment };
        let written = provider::MESSAGES.write(&chat, &ask).unwrap();
        assert_eq!(written.body, provider::MESSAGES.write(&chat, &ask).unwrap().body);
        assert!(!written.schema_tool, "{}", exchange.id);
        let mut reasons = Vec::new();
        let expected = normal_request(body.clone(), &mut reasons);
        let found: Value = serde_json::from_slice(&written.body).unwrap();
        let mut differences = Vec::new();
        compare(&found, &expected, "", &mut differences);
        assert!(differences.is_empty(), "{}: {differences:#?}\n{:?}", exchange.id, written.dropped);
        same += usize::from(reasons.is_empty());
        reasons.dedup();
        reasons.iter().for_each(|reason| *counted.entry(reason).or_default() += 1);
    }
    println!("requests: {same} the same, {refused} refused as the API did, differences {counted:#?}");
}

// ---- answers -------------------------------------------------------------------------------------------------------

#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    blocks: Vec<Value>,
    citations: Vec<Value>,
    finish: Option<String>,
    starts: usize,
}

impl Seen {
    fn add(&mut self, kind: &str, member: &str, text: &str) {
        match self.blocks.last_mut().filter(|last| last["type"] == kind && last.get("signature").is_none()) {
            Some(last) => last[member] = json!(format!("{}{text}", last[member].as_str().unwrap())),
            None => self.blocks.push(json!({"type": kind, member: text})),
        }
    }
}

impl Sink for Seen {
    fn delta(&mut self, choice: u32, delta: Delta<'_>) {
        assert_eq!(choice, 0);
        match delta {
            Delta::Start { .. } => self.starts += 1,
            Delta::Text(text) => self.add("text", "text", text),
            Delta::Thinking(text) => self.add("thinking", "thinking", text),
            Delta::Signature(signature) => {
                self.add("thinking", "thinking", "");
                self.blocks.last_mut().unwrap()["signature"] = json!(signature);
            }
            Delta::Redacted(data) => self.blocks.push(json!({"type": "redacted_thinking", "data": data})),
            Delta::ToolCall { id, name, .. } => {
                self.blocks.push(json!({"type": "tool_use", "id": id, "name": name, "input": ""}));
            }
            Delta::Arguments { json: piece, .. } => {
                let last = self.blocks.last_mut().unwrap();
                last["input"] = json!(format!("{}{piece}", last["input"].as_str().unwrap()));
            }
            Delta::Citation { url, title, text, .. } => {
                self.citations.push(json!([url, title, text.unwrap_or_default()]));
            }
            Delta::Native { key, json, .. } => {
                let block: Value = serde_json::from_str(json).unwrap();
                if matches!(key, "container" | "stop_details" | "context_management") {
                    return;
                }
                assert_eq!(block["type"], key);
                self.blocks.push(block);
            }
            Delta::Finish(finish) => {
                assert!(self.finish.is_none());
                self.finish = Some(match finish {
                    Finish::Stop => "end_turn".to_owned(),
                    Finish::StopSequence(sequence) => format!("stop_sequence {}", sequence.unwrap_or_default()),
                    Finish::Length => "max_tokens".to_owned(),
                    Finish::ToolCalls => "tool_use".to_owned(),
                    Finish::Refusal => "refusal".to_owned(),
                    Finish::Pause => "pause_turn".to_owned(),
                    other => format!("{other:?}"),
                });
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A message, read without any of our code.
fn seen_in(message: &Value) -> Seen {
    let mut seen = Seen { starts: 1, ..Seen::default() };
    for block in message["content"].as_array().unwrap() {
        match block["type"].as_str().unwrap() {
            "text" => {
                let text = block["text"].as_str().unwrap();
                if !text.is_empty() {
                    seen.add("text", "text", text);
                }
                for citation in block["citations"].as_array().into_iter().flatten() {
                    let either = |one: &str, other: &str| match citation[one].is_null() {
                        true => citation[other].clone(),
                        false => citation[one].clone(),
                    };
                    seen.citations.push(json!([
                        either("url", "source"),
                        either("title", "document_title"),
                        citation["cited_text"]
                    ]));
                }
            }
            "thinking" => {
                let (thinking, signature) = (&block["thinking"], &block["signature"]);
                if thinking != "" || signature != "" {
                    seen.add("thinking", "thinking", thinking.as_str().unwrap());
                }
                if signature != "" {
                    seen.blocks.last_mut().unwrap()["signature"] = signature.clone();
                }
            }
            "tool_use" => seen.blocks.push(json!({
                "type": "tool_use", "id": block["id"], "name": block["name"], "input": block["input"],
            })),
            _ => seen.blocks.push(block.clone()),
        }
    }
    seen.finish = message["stop_reason"].as_str().map(|reason| match message["stop_sequence"].as_str() {
        Some(sequence) => format!("{reason} {sequence}"),
        None => reason.to_owned(),
    });
    seen
}

/// A stream put together, without any of our code.
fn message_of(stream: &str) -> Value {
    let mut message = Value::Null;
    let mut inputs: BTreeMap<u64, String> = BTreeMap::new();
    for line in stream.lines().filter_map(|line| line.strip_prefix("data:")) {
        let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
        let index = event["index"].as_u64().unwrap_or(0);
        match event["type"].as_str().unwrap() {
            "message_start" => message = event["message"].clone(),
            "content_block_start" => message["content"].as_array_mut().unwrap().push(event["content_block"].clone()),
            "content_block_delta" => {
                let delta = &event["delta"];
                let block = &mut message["content"][usize::try_from(index).unwrap()];
                let join = |block: &mut Value, member: &str| {
                    block[member] = json!(format!(
                        "{}{}",
                        block[member].as_str().unwrap_or_default(),
                        delta[member].as_str().unwrap()
                    ));
                };
                match delta["type"].as_str().unwrap() {
                    "text_delta" => join(block, "text"),
                    "thinking_delta" => join(block, "thinking"),
                    "signature_delta" => join(block, "signature"),
                    "input_json_delta" => {
                        inputs.entry(index).or_default().push_str(delta["partial_json"].as_str().unwrap())
                    }
                    "citations_delta" => match block["citations"].as_array_mut() {
                        Some(citations) => citations.push(delta["citation"].clone()),
                        None => block["citations"] = json!([delta["citation"]]),
                    },
                    other => panic!("{other}"),
                }
            }
            "content_block_stop" => {
                if let Some(input) = inputs.remove(&index).filter(|input| !input.is_empty()) {
                    message["content"][usize::try_from(index).unwrap()]["input"] =
                        serde_json::from_str(&input).unwrap_or(Value::String(input));
                }
            }
            "message_delta" => {
                for (name, value) in event["delta"].as_object().unwrap() {
                    message[name] = value.clone();
                }
                for (name, value) in event["usage"].as_object().unwrap() {
                    message["usage"][name] = value.clone();
                }
            }
            _ => {}
        }
    }
    message
}

fn usage_of(usage: &Value) -> Usage {
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    let hour = usage["cache_creation"]["ephemeral_1h_input_tokens"].as_u64().unwrap_or(0);
    let (read, written) = (count("cache_read_input_tokens"), count("cache_creation_input_tokens"));
    Usage {
        prompt: count("input_tokens") + read + written,
        completion: count("output_tokens"),
        cache_read: read,
        cache_write: written - hour,
        cache_write_1h: hour,
        reasoning: usage["output_tokens_details"]["thinking_tokens"].as_u64().unwrap_or(0),
        units: Units { searches: usage["server_tool_use"]["web_search_requests"].as_u64().unwrap_or(0), ..Units::NONE },
        ..Usage::default()
    }
}

/// Arguments are compared as JSON.
fn parsed(mut seen: Seen) -> Seen {
    for block in seen.blocks.iter_mut().filter(|block| block["type"] == "tool_use" && block["input"].is_string()) {
        let text = block["input"].as_str().unwrap();
        let text = if text.is_empty() { "{}" } else { text };
        if let Ok(input) = serde_json::from_str(text) {
            block["input"] = input;
        }
    }
    seen
}

fn answer() -> Answer {
    Answer {
        id: "x-1".to_owned(),
        model: "mine".to_owned(),
        created: 0,
        include_usage: true,
        array: false,
        request: Bytes::new(),
    }
}

/// Sends pieces to two sinks.
struct Both<'s>(&'s mut dyn Sink, &'s mut dyn Sink);

impl Sink for Both<'_> {
    fn delta(&mut self, choice: u32, delta: Delta<'_>) {
        self.0.delta(choice, delta);
        self.1.delta(choice, delta);
    }
}

fn without_cost(metered: Metered) -> Metered {
    match metered {
        Metered::Reported(usage) => Metered::Reported(Usage { cost: None, ..usage }),
        other => other,
    }
}

fn check_encoded(id: &str, expected: &Seen, whole: &Bytes, events: &Bytes, usage: &Usage, message: &Value) {
    let written: Value = serde_json::from_slice(whole).unwrap();
    assert_eq!(seen_in(&written), *expected, "{id}: whole");
    assert_eq!((&written["id"], &written["model"]), (&message["id"], &json!("mine")), "{id}");
    assert_eq!(usage_of(&written["usage"]), *usage, "{id}");
    assert_eq!(written["container"], message["container"], "{id}");
    assert_eq!(written["stop_details"], message["stop_details"], "{id}");
    let joined = message_of(std::str::from_utf8(events).unwrap());
    assert_eq!(seen_in(&joined), *expected, "{id}: events");
    assert_eq!(usage_of(&joined["usage"]), *usage, "{id}: events");
}

#[test]
fn whole_answers_are_read_and_written() {
    let mut count = 0;
    for exchange in recordings().iter().filter(|exchange| !exchange.stream && exchange.status == 200) {
        let message: Value = serde_json::from_str(&exchange.body).unwrap();
        let mut seen = Seen::default();
        let (mut whole, mut events) =
            (anthropic::MESSAGES.encoder(answer(), false), anthropic::MESSAGES.encoder(answer(), true));
        let mut encoders = Both(whole.as_mut(), events.as_mut());
        let metered = provider::read(exchange.body.as_bytes(), &mut Both(&mut seen, &mut encoders)).unwrap();
        let expected = seen_in(&message);
        assert_eq!(parsed(seen), expected, "{}", exchange.id);
        let usage = usage_of(&message["usage"]);
        assert_eq!(without_cost(metered), Metered::Reported(usage), "{}", exchange.id);
        whole.end(Some(&usage));
        events.end(Some(&usage));
        check_encoded(&exchange.id, &expected, &whole.take(), &events.take(), &usage, &message);
        count += 1;
    }
    println!("whole answers: {count}");
}

fn decode(body: &str, chunk: usize, sink: &mut dyn Sink) -> (Result<DecodeEnd, Broken>, Metered) {
    let mut decoder = provider::MESSAGES.decoder(1 << 20);
    for piece in body.as_bytes().chunks(chunk) {
        if let Err(broken) = decoder.push(Bytes::copy_from_slice(piece), sink) {
            return (Err(broken), decoder.metered());
        }
    }
    (decoder.finish(sink), decoder.metered())
}

#[test]
fn streams_are_read_and_written() {
    let mut count = 0;
    for exchange in recordings().iter().filter(|exchange| exchange.stream && exchange.status == 200) {
        let message = message_of(&exchange.body);
        let expected = seen_in(&message);
        let usage = usage_of(&message["usage"]);
        let (mut whole, mut events) =
            (anthropic::MESSAGES.encoder(answer(), false), anthropic::MESSAGES.encoder(answer(), true));
        for chunk in [usize::MAX, 1, 7, 501] {
            let mut seen = Seen::default();
            let (end, metered) = if chunk == usize::MAX {
                let mut encoders = Both(whole.as_mut(), events.as_mut());
                decode(&exchange.body, chunk, &mut Both(&mut seen, &mut encoders))
            } else {
                decode(&exchange.body, chunk, &mut seen)
            };
            assert_eq!(end, Ok(DecodeEnd::Complete), "{}", exchange.id);
            assert_eq!(parsed(seen), expected, "{}", exchange.id);
            assert_eq!(without_cost(metered), Metered::Reported(usage), "{}", exchange.id);
        }
        whole.end(Some(&usage));
        events.end(Some(&usage));
        check_encoded(&exchange.id, &expected, &whole.take(), &events.take(), &usage, &message);
        count += 1;
    }
    println!("streams: {count}");
}

#[test]
fn streams_pass_as_they_came_but_for_the_model() {
    let mut count = 0;
    for exchange in recordings().iter().filter(|exchange| exchange.stream && exchange.status == 200) {
        let message = message_of(&exchange.body);
        let model = format!("\"model\":{}", message["model"]);
        let spaced = format!("\"model\": {}", message["model"]);
        let starts = exchange.body.matches("event: message_start").count();
        let mine = exchange.body.replacen(&model, "\"model\":\"mine\"", starts);
        let mine = mine.replacen(&spaced, "\"model\": \"mine\"", starts);
        for (json, expected) in [(None, &exchange.body), (Some(Bytes::from_static(b"\"mine\"")), &mine)] {
            for chunk in [usize::MAX, 1, 13, 777] {
                let options =
                    RelayOptions { model_json: json.clone(), event_bytes_max: 1 << 20, ..RelayOptions::default() };
                let mut relay = anthropic::MESSAGES.relay(options);
                let mut out = Vec::new();
                for piece in exchange.body.as_bytes().chunks(chunk) {
                    relay.push(Bytes::copy_from_slice(piece), &mut out).unwrap();
                }
                assert_eq!(relay.finish(&mut out), StreamEnd::Complete, "{}", exchange.id);
                let out = String::from_utf8(out.concat()).unwrap();
                assert_eq!(out.trim_end(), expected.trim_end(), "{}", exchange.id);
                let usage = usage_of(&message["usage"]);
                assert_eq!(without_cost(relay.metered()), Metered::Reported(usage), "{}", exchange.id);
                let progress = relay.progress();
                assert!(progress.finish_seen && !progress.error_seen, "{}", exchange.id);
                let said = message["content"].as_array().unwrap().iter().any(|block| block["text"] != "");
                assert_eq!(progress.content_seen, said, "{}", exchange.id);
            }
        }
        count += 1;
    }
    println!("streams passed on: {count}");
}

#[test]
fn errors_are_told_with_their_status() {
    let mut count = 0;
    for exchange in recordings().iter().filter(|exchange| exchange.status != 200) {
        let body: Value = serde_json::from_str(&exchange.body).unwrap();
        let broken = provider::read(exchange.body.as_bytes(), &mut Seen::default()).unwrap_err();
        let Broken::Upstream(error) = broken else { panic!("{broken:?}") };
        assert_eq!(u64::from(error.status), exchange.status, "{}", exchange.id);
        assert_eq!(error.message, body["error"]["message"].as_str().unwrap(), "{}", exchange.id);
        let event = format!("event: error\ndata: {}\n\n", exchange.body.trim());
        let (end, metered) = decode(&event, 5, &mut Seen::default());
        assert_eq!((end, metered), (Err(Broken::Upstream(error)), Metered::Absent), "{}", exchange.id);
        count += 1;
    }
    println!("errors: {count}");
}
