//! Recorded exchanges of the Responses API: requests are read without loss, answers are written as their providers write
//! them, streams pass unchanged, usage is what was reported.

#![expect(clippy::disallowed_types, reason = "an independent reading of the recordings")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]
#![expect(clippy::print_stdout, reason = "counts, and the note that recordings are missing")]

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use serde_json::Value;
use tollgate::chat::{Answer, Api, Chat, Delta, Finish, Part, Role, Tool};
use tollgate::dialect::responses::RESPONSES;
use tollgate::dialect::{Dialect, RelayOptions, StreamEnd};
use tollgate::vocabulary::{Metered, Units, Usage};

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/wire/dev");

struct Recording {
    name: String,
    status: u64,
    request: String,
    body: String,
}

impl Recording {
    fn is_stream(&self) -> bool {
        let body = self.body.trim_start();
        body.starts_with("event:") || body.starts_with("data:") || body.starts_with(':')
    }

    fn events(&self) -> Vec<Value> {
        let lines = self.body.lines().filter_map(|line| line.strip_prefix("data:"));
        lines.filter_map(|data| serde_json::from_str(data).ok()).collect()
    }

    /// The final response, where there is one.
    fn response(&self) -> Option<Value> {
        if self.status != 200 {
            return None;
        }
        if !self.is_stream() {
            return serde_json::from_str(&self.body).ok();
        }
        let last = self.events().into_iter().rev().find(|event| is_last(&event["type"]))?;
        Some(last["response"].clone())
    }
}

fn is_last(kind: &Value) -> bool {
    matches!(kind.as_str(), Some("response.completed" | "response.incomplete" | "response.failed"))
}

fn recordings() -> Vec<Recording> {
    let root = Path::new(RECORDINGS);
    let Ok(providers) = std::fs::read_dir(root) else {
        println!("SKIPPED: no recordings at {RECORDINGS}");
        return Vec::new();
    };
    let mut files: Vec<_> = providers
        .flat_map(|provider| std::fs::read_dir(provider.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    files.into_iter().filter_map(|file| read(&file)).collect()
}

fn read(file: &Path) -> Option<Recording> {
    let text = std::fs::read_to_string(file).unwrap();
    let value: Value = text.contains("openai.responses").then(|| serde_json::from_str(&text).unwrap())?;
    (value["api"] == "openai.responses").then(|| Recording {
        name: file.display().to_string(),
        status: value["response"]["status"].as_u64().unwrap(),
        request: value["request"]["body"].as_str().unwrap_or_default().to_owned(),
        body: value["response"]["body"].as_str().unwrap_or_default().to_owned(),
    })
}

#[test]
fn requests_are_read_without_loss() {
    let (mut read, mut refused) = (0, BTreeMap::new());
    for recording in recordings() {
        let Ok(request) = serde_json::from_str::<Value>(&recording.request) else { continue };
        match RESPONSES.read(recording.request.as_bytes(), false) {
            Ok(chat) => {
                read += 1;
                assert_eq!(said(&chat), expected(&request), "{}", recording.name);
                check_parameters(&chat, &request, &recording.name);
            }
            Err(fault) => {
                let param = fault.param.expect("a name").into_owned();
                let lacks = |name: &str| request[name].is_null() || request[name] == false;
                assert!(!lacks(param.split('[').next().unwrap()) || param == "input", "{}: {param}", recording.name);
                *refused.entry(format!("{param}: {}", fault.public)).or_insert(0) += 1;
            }
        }
    }
    println!("requests: {read} read; refused: {refused:#?}");
}

/// What is said, as flat lines, out of the neutral form.
fn said(chat: &Chat<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    for message in &chat.messages {
        for part in &message.parts {
            lines.extend(line(message.role, part));
        }
    }
    lines
}

fn line(role: Role, part: &Part<'_>) -> Vec<String> {
    let one = match part {
        Part::Text { text, .. } => format!("{role:?} {text}"),
        Part::Refusal(text) => format!("{role:?} refusal {text}"),
        Part::Thinking { text, .. } => format!("thought {text}"),
        Part::ToolCall(call) => format!("call {} {} {}", call.id, call.name, call.arguments),
        Part::ToolResult(result) => {
            let inner = result.parts.iter().flat_map(|part| line(role, part)).collect::<Vec<_>>().join("|");
            format!("result {} {inner}", result.id)
        }
        Part::Media(media) => format!("{role:?} {:?}", media.kind),
        Part::Native(native) => {
            let value: Value = serde_json::from_str(native.json.get()).unwrap();
            format!("native {}", value["type"].as_str().unwrap())
        }
        Part::Redacted { data } => format!("redacted {data}"),
    };
    vec![one]
}

/// The same out of the request.
fn expected(request: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(text) = request["instructions"].as_str() {
        lines.push(format!("System {text}"));
    }
    if let Some(text) = request["input"].as_str() {
        lines.push(format!("User {text}"));
    }
    for item in request["input"].as_array().into_iter().flatten() {
        let text = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
        match item["type"].as_str().unwrap_or("message") {
            "message" => {
                let role = match item["role"].as_str().unwrap() {
                    "user" => "User",
                    "assistant" => "Assistant",
                    _ => "System",
                };
                lines.extend(content(&item["content"]).into_iter().map(|line| format!("{role} {line}")));
            }
            "reasoning" => {
                let texts = |key: &str| -> Vec<String> {
                    let list = item[key].as_array().into_iter().flatten();
                    list.map(|part| part["text"].as_str().unwrap().to_owned()).collect()
                };
                let summary = texts("summary").join("\n\n");
                let text = if summary.is_empty() { texts("content").join("\n\n") } else { summary };
                let proof = item["encrypted_content"].as_str().unwrap_or_default();
                if !text.is_empty() || !(proof.is_empty() || proof.starts_with("gAAAA")) {
                    lines.push(format!("thought {text}"));
                }
            }
            "function_call" => {
                // OpenAI names a tool that was loaded late as its own namespace.
                let space = item["namespace"].as_str().filter(|space| *space != text("name"));
                let name = space.map_or_else(|| text("name"), |space| format!("{space}__{}", text("name")));
                lines.push(format!("call {} {name} {}", text("call_id"), text("arguments")));
            }
            "function_call_output" => {
                let inner = content(&item["output"]).iter().map(|line| format!("Tool {line}")).collect::<Vec<_>>();
                lines.push(format!("result {} {}", text("call_id"), inner.join("|")));
            }
            "additional_tools" => {}
            other => lines.push(format!("native {other}")),
        }
    }
    lines
}

fn content(content: &Value) -> Vec<String> {
    if let Some(text) = content.as_str() {
        return vec![text.to_owned()];
    }
    let part = |part: &Value| match part["type"].as_str().unwrap() {
        "input_image" => "Image".to_owned(),
        "input_file" => "File".to_owned(),
        "refusal" => format!("refusal {}", part["refusal"].as_str().unwrap()),
        _ => part["text"].as_str().unwrap().to_owned(),
    };
    content.as_array().unwrap().iter().map(part).collect()
}

fn check_parameters(chat: &Chat<'_>, request: &Value, name: &str) {
    assert_eq!(chat.stream, request["stream"].as_bool().unwrap_or(false), "{name}");
    assert_eq!(chat.max_tokens, request["max_output_tokens"].as_u64(), "{name}");
    let number = |raw: Option<&serde_json::value::RawValue>| raw.map(|raw| raw.get().parse::<f64>().unwrap());
    assert_eq!(number(chat.temperature), request["temperature"].as_f64(), "{name}");
    assert_eq!(number(chat.top_p), request["top_p"].as_f64(), "{name}");
    let parallel = request["parallel_tool_calls"].as_bool();
    assert_eq!(chat.parallel_tool_calls.unwrap_or(true), parallel.unwrap_or(true), "{name}");
    let effort = chat.reasoning.as_ref().and_then(|reasoning| reasoning.effort).map(|effort| effort.as_str());
    assert_eq!(effort, request["reasoning"]["effort"].as_str(), "{name}");
    if request["tool_choice"]["type"] != "allowed_tools" {
        let given = request["tools"].as_array().into_iter().flatten();
        let items = request["input"].as_array().into_iter().flatten();
        let late = items.filter(|item| item["type"] == "additional_tools");
        let late = late.flat_map(|item| item["tools"].as_array().unwrap());
        let names: Vec<_> = given.chain(late).map(|tool| tool["name"].as_str().unwrap_or("-")).collect();
        let read: Vec<_> = chat
            .tools
            .iter()
            .map(|tool| match tool {
                Tool::Function(function) => function.name.to_string(),
                Tool::Native(native) => {
                    let tool: Value = serde_json::from_str(native.json.get()).unwrap();
                    tool["name"].as_str().unwrap_or("-").to_owned()
                }
            })
            .collect();
        assert_eq!(read, names, "{name}");
    }
    const FIELDS: [&str; 15] = [
        "model",
        "input",
        "instructions",
        "stream",
        "max_output_tokens",
        "temperature",
        "top_p",
        "parallel_tool_calls",
        "reasoning",
        "tools",
        "tool_choice",
        "text",
        "user",
        "service_tier",
        "background",
    ];
    let carried = |key: &str| {
        let listed =
            |list: &[(tollgate::chat::Str<'_>, tollgate::chat::Raw<'_>)]| list.iter().any(|(name, _)| *name == *key);
        listed(&chat.others) || listed(&chat.extra) || chat.native.iter().any(|(_, name, _)| *name == *key)
    };
    for (key, value) in request.as_object().unwrap() {
        assert!(value.is_null() || FIELDS.contains(&key.as_str()) || carried(key), "{name}: {key} is lost");
    }
}

fn answer(request: &str) -> Answer {
    Answer {
        id: "replay".to_owned(),
        model: "model".to_owned(),
        created: 1,
        include_usage: false,
        array: false,
        request: Bytes::copy_from_slice(request.as_bytes()),
    }
}

/// Pieces of an answer that own their text.
enum Piece {
    Text(String),
    Refusal(String),
    Thinking(String),
    Signature(String),
    Call(u32, String, String),
    Arguments(u32, String),
    Citation(Value),
    Native(String),
    Finish(Finish<'static>),
}

impl Piece {
    fn delta(&self) -> Delta<'_> {
        match self {
            Self::Text(text) => Delta::Text(text),
            Self::Refusal(text) => Delta::Refusal(text),
            Self::Thinking(text) => Delta::Thinking(text),
            Self::Signature(text) => Delta::Signature(text),
            Self::Call(index, id, name) => Delta::ToolCall { index: *index, id, name, signature: None },
            Self::Arguments(index, json) => Delta::Arguments { index: *index, json },
            Self::Citation(value) => Delta::Citation {
                url: value["url"].as_str(),
                title: value["title"].as_str(),
                text: None,
                start: value["start_index"].as_u64(),
                end: value["end_index"].as_u64(),
            },
            Self::Native(json) => Delta::Native { api: Api::Responses, key: "item", json },
            Self::Finish(finish) => Delta::Finish(*finish),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn finish_of(response: &Value) -> Finish<'static> {
    match response["incomplete_details"]["reason"].as_str() {
        Some("max_output_tokens") => Finish::Length,
        Some("content_filter") => Finish::ContentFilter,
        _ => Finish::Stop,
    }
}

/// What a finished response says, as a provider's decoder would tell it.
fn pieces(response: &Value) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (at, item) in (0_u32..).zip(response["output"].as_array().unwrap()) {
        match item["type"].as_str().unwrap() {
            "message" => item["content"].as_array().unwrap().iter().for_each(|part| match part["type"].as_str() {
                Some("refusal") => pieces.push(Piece::Refusal(text(&part["refusal"]))),
                _ => {
                    pieces.push(Piece::Text(text(&part["text"])));
                    let cited = part["annotations"].as_array().into_iter().flatten();
                    let cited = cited.filter(|cited| cited["type"] == "url_citation");
                    pieces.extend(cited.map(|cited| Piece::Citation(cited.clone())));
                }
            }),
            "reasoning" => pieces.extend(thought(item)),
            "function_call" => {
                pieces.push(Piece::Call(at, text(&item["call_id"]), text(&item["name"])));
                pieces.push(Piece::Arguments(at, text(&item["arguments"])));
            }
            "custom_tool_call" => {
                pieces.push(Piece::Call(at, text(&item["call_id"]), text(&item["name"])));
                pieces.push(Piece::Arguments(at, serde_json::json!({ "input": item["input"] }).to_string()));
            }
            _ => pieces.push(Piece::Native(item.to_string())),
        }
    }
    pieces.push(Piece::Finish(finish_of(response)));
    pieces
}

fn thought(item: &Value) -> Vec<Piece> {
    let list = item["summary"].as_array().into_iter().flatten();
    let summary = list.map(|part| text(&part["text"])).collect::<Vec<_>>().join("\n\n");
    let mut pieces = vec![Piece::Thinking(summary)];
    pieces.extend(item["encrypted_content"].as_str().map(|proof| Piece::Signature(proof.to_owned())));
    pieces
}

/// The items of an output by what they say; messages and thoughts in a row as one.
fn essence(response: &Value) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    let mut open_message = false;
    for item in response["output"].as_array().unwrap() {
        let kind = item["type"].as_str().unwrap();
        let joins = kind == "message" && open_message;
        let line = match kind {
            "message" => {
                let parts = item["content"].as_array().unwrap().iter();
                parts.map(|part| format!("[{}{}]", text(&part["text"]), text(&part["refusal"]))).collect::<String>()
            }
            "reasoning" => {
                let list = item["summary"].as_array().into_iter().flatten();
                let summary = list.map(|part| text(&part["text"])).collect::<Vec<_>>().join("\n\n");
                let proof = item["encrypted_content"].as_str();
                if summary.is_empty() && proof.is_none() {
                    continue;
                }
                format!("{summary} / {}", proof.unwrap_or_default())
            }
            "function_call" => {
                format!("{} {} {}", text(&item["call_id"]), text(&item["name"]), text(&item["arguments"]))
            }
            "custom_tool_call" => {
                format!("{} {} {}", text(&item["call_id"]), text(&item["name"]), text(&item["input"]))
            }
            _ => item.to_string(),
        };
        open_message = kind == "message";
        match items.last_mut() {
            Some(last) if joins => *last = format!("{last}{line}").replace("][", ""),
            _ => items.push(format!("{kind} {line}")),
        }
    }
    items.into_iter().map(|item| item.replace("][", "")).filter(|item| item != "message []").collect()
}

/// Searches of the web: as the response counts them, else its calls that searched.
fn searches(response: &Value) -> u64 {
    let searched = |item: &&Value| {
        item["type"] == "web_search_call" && (item["action"].is_null() || item["action"]["type"] == "search")
    };
    let calls = response["output"].as_array().into_iter().flatten().filter(searched).count();
    response["tool_usage"]["web_search"]["num_requests"].as_u64().unwrap_or(calls as u64)
}

fn usage_of(usage: &Value) -> Option<Usage> {
    let count = |value: &Value| value.as_u64().unwrap_or(0);
    usage["input_tokens"].as_u64().map(|prompt| {
        let cache_read = count(&usage["input_tokens_details"]["cached_tokens"]);
        Usage {
            prompt,
            completion: count(&usage["output_tokens"]),
            cache_read,
            cache_write: count(&usage["input_tokens_details"]["cache_write_tokens"]),
            reasoning: count(&usage["output_tokens_details"]["reasoning_tokens"]),
            audio_in: count(&usage["input_tokens_details"]["audio_tokens"]),
            ..Usage::default()
        }
    })
}

/// The request; of a recording without one what its answer repeats.
fn request_of(recording: &Recording, response: &Value) -> String {
    match serde_json::from_str::<Value>(&recording.request) {
        Ok(request) => request.to_string(),
        Err(_) => response.to_string(),
    }
}

#[test]
fn whole_answers_are_written_as_they_were_recorded() {
    let mut written = 0;
    for recording in recordings() {
        let Some(response) = recording.response().filter(|response| response["output"].is_array()) else { continue };
        let usage = usage_of(&response["usage"]);
        let request = request_of(&recording, &response);
        let mut encoder = RESPONSES.encoder(answer(&request), false);
        pieces(&response).iter().for_each(|piece| encoder.delta(0, piece.delta()));
        encoder.end(usage.as_ref());
        let ours: Value = serde_json::from_slice(&encoder.take()).unwrap();
        assert_eq!(essence(&ours), essence(&response), "{}", recording.name);
        if matches!(response["status"].as_str(), Some("completed" | "incomplete")) {
            assert_eq!(ours["status"], response["status"], "{}", recording.name);
            assert_eq!(ours["incomplete_details"], response["incomplete_details"], "{}", recording.name);
        }
        if let Some(usage) = usage {
            assert_eq!(ours["usage"]["input_tokens"], response["usage"]["input_tokens"]);
            assert_eq!(ours["usage"]["output_tokens"], response["usage"]["output_tokens"]);
            assert_eq!(ours["usage"]["output_tokens_details"]["reasoning_tokens"], usage.reasoning);
        }
        check_echo(&ours, &request);
        written += 1;
    }
    println!("whole answers: {written}");
}

fn check_echo(ours: &Value, request: &str) {
    let request: Value = serde_json::from_str(request).unwrap_or_default();
    for key in
        ["instructions", "tools", "tool_choice", "temperature", "top_p", "text", "reasoning", "metadata", "store"]
    {
        let given = &request[key];
        assert!(ours.as_object().unwrap().contains_key(key), "{key}");
        assert!(given.is_null() || *given == ours[key], "{key}");
    }
}

/// What a stream says, as a provider's decoder would tell it.
fn streamed_pieces(events: &[Value]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for event in events {
        let item = &event["item"];
        let at = u32::try_from(event["output_index"].as_u64().unwrap_or(0)).unwrap();
        match (event["type"].as_str().unwrap_or_default(), item["type"].as_str().unwrap_or_default()) {
            ("response.output_text.delta", _) => pieces.push(Piece::Text(text(&event["delta"]))),
            ("response.refusal.delta", _) => pieces.push(Piece::Refusal(text(&event["delta"]))),
            ("response.reasoning_summary_text.delta", _) => pieces.push(Piece::Thinking(text(&event["delta"]))),
            ("response.output_item.added", "function_call") => {
                pieces.push(Piece::Call(at, text(&item["call_id"]), text(&item["name"])));
            }
            ("response.function_call_arguments.delta", _) => {
                pieces.push(Piece::Arguments(at, text(&event["delta"])));
            }
            ("response.output_item.done", "reasoning") => {
                let proof = item["encrypted_content"].as_str();
                pieces.extend(proof.map(|proof| Piece::Signature(proof.to_owned())));
            }
            (kind, _) if is_last(&Value::from(kind)) => pieces.push(Piece::Finish(finish_of(&event["response"]))),
            _ => {}
        }
    }
    pieces
}

/// The events of each item that both sides have, by the item's type and place among its kind; runs of deltas as one.
fn by_item(events: &[Value]) -> BTreeMap<(String, usize), Vec<String>> {
    let mut kinds: BTreeMap<u64, String> = BTreeMap::new();
    let mut items: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for event in events {
        let Some(at) = event["output_index"].as_u64() else { continue };
        let kind = event["type"].as_str().unwrap().to_owned();
        if kind == "response.output_item.added" {
            kinds.insert(at, text(&event["item"]["type"]));
        }
        if kind.contains("annotation") {
            continue;
        }
        let list = items.entry(at).or_default();
        if list.last() != Some(&kind) {
            list.push(kind);
        }
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut all = BTreeMap::new();
    for (at, list) in items {
        let kind = kinds.get(&at).cloned().unwrap_or_default();
        let known = matches!(kind.as_str(), "message" | "function_call" | "reasoning");
        let empty = !list.iter().any(|event| event.contains("delta"));
        if known && !empty {
            let count = counts.entry(kind.clone()).or_default();
            all.insert((kind, *count), list);
            *count += 1;
        }
    }
    all
}

const REQUIRED: [(&str, &[&str]); 18] = [
    ("response.created", &["response"]),
    ("response.in_progress", &["response"]),
    ("response.completed", &["response"]),
    ("response.incomplete", &["response"]),
    ("response.output_item.added", &["output_index", "item"]),
    ("response.output_item.done", &["output_index", "item"]),
    ("response.content_part.added", &["item_id", "output_index", "content_index", "part"]),
    ("response.content_part.done", &["item_id", "output_index", "content_index", "part"]),
    ("response.output_text.delta", &["item_id", "output_index", "content_index", "delta", "logprobs"]),
    ("response.output_text.done", &["item_id", "output_index", "content_index", "text", "logprobs"]),
    ("response.refusal.delta", &["item_id", "output_index", "content_index", "delta"]),
    ("response.refusal.done", &["item_id", "output_index", "content_index", "refusal"]),
    ("response.function_call_arguments.delta", &["item_id", "output_index", "delta"]),
    ("response.function_call_arguments.done", &["item_id", "output_index", "name", "arguments"]),
    ("response.reasoning_summary_part.added", &["item_id", "output_index", "summary_index", "part"]),
    ("response.reasoning_summary_part.done", &["item_id", "output_index", "summary_index", "part"]),
    ("response.reasoning_summary_text.delta", &["item_id", "output_index", "summary_index", "delta"]),
    ("response.reasoning_summary_text.done", &["item_id", "output_index", "summary_index", "text"]),
];

fn check_required(at: usize, event: &Value) {
    assert_eq!(event["sequence_number"], at);
    let kind = event["type"].as_str().unwrap();
    let (_, members) = REQUIRED.iter().find(|(name, _)| *name == kind).unwrap_or_else(|| panic!("{kind}"));
    for member in *members {
        assert!(event.as_object().unwrap().contains_key(*member), "{kind} without {member}");
    }
}

#[test]
fn streams_are_written_as_they_were_recorded() {
    let (mut written, mut items) = (0, 0);
    for recording in recordings().into_iter().filter(|recording| recording.status == 200 && recording.is_stream()) {
        let theirs = recording.events();
        // Some recordings are several answers in a row.
        if theirs.iter().filter(|event| event["type"] == "response.created").count() != 1 {
            continue;
        }
        let mut encoder = RESPONSES.encoder(answer(&recording.request), true);
        streamed_pieces(&theirs).iter().for_each(|piece| encoder.delta(0, piece.delta()));
        encoder.end(None);
        let ours = String::from_utf8(encoder.take().to_vec()).unwrap();
        let ours: Vec<Value> = ours
            .split_terminator("\n\n")
            .map(|event| serde_json::from_str(event.split_once("\ndata: ").unwrap().1).unwrap())
            .collect();
        ours.iter().enumerate().for_each(|(at, event)| check_required(at, event));
        let (mine, recorded) = (by_item(&ours), by_item(&theirs));
        for (key, list) in &recorded {
            let Some(own) = mine.get(key) else { continue };
            items += 1;
            if key.0 == "reasoning" {
                // Several parts of a summary are one here.
                assert!(own.iter().all(|event| list.contains(event)), "{}: {key:?}", recording.name);
            } else if list.len() >= own.len() {
                assert_eq!(own, list, "{}: {key:?}", recording.name);
            }
        }
        written += 1;
    }
    println!("streams: {written}, items compared: {items}");
}

fn pass(body: &[u8], model: Option<&str>, chunk: usize) -> (Vec<u8>, StreamEnd, Metered, bool) {
    let model_json = model.map(|model| Bytes::from(format!("\"{model}\"")));
    let mut relay = RESPONSES.relay(RelayOptions { model_json, event_bytes_max: 1 << 24, ..RelayOptions::default() });
    let mut out = Vec::new();
    for piece in body.chunks(chunk.max(1)) {
        relay.push(Bytes::copy_from_slice(piece), &mut out).unwrap();
    }
    let end = relay.finish(&mut out);
    (out.concat(), end, relay.metered(), relay.progress().content_seen)
}

#[test]
fn streams_pass_unchanged_but_for_the_model() {
    let mut passed = 0;
    for recording in recordings().into_iter().filter(|recording| recording.status == 200 && recording.is_stream()) {
        let body = recording.body.as_bytes();
        let response = recording.response();
        for chunk in [body.len(), 1000, 7] {
            let (out, end, metered, _) = pass(body, None, chunk);
            let rest =
                std::str::from_utf8(out.strip_prefix(body).unwrap_or_else(|| panic!("{}", recording.name))).unwrap();
            assert!(rest.trim().is_empty(), "{}: {rest}", recording.name);
            assert_eq!(end == StreamEnd::Complete, response.is_some(), "{}", recording.name);
            let usage = response.as_ref().and_then(|response| {
                let units = Units { searches: searches(response), ..Units::NONE };
                Some(Usage { units, ..usage_of(&response["usage"])? })
            });
            let reported = metered.usage().map(|usage| Usage { cost: None, ..*usage });
            assert_eq!(reported, usage, "{}", recording.name);
        }
        let (out, ..) = pass(body, Some("mine"), 100);
        let mut theirs = recording.events();
        let named = |event: &&mut Value| event["response"]["model"].is_string();
        theirs.iter_mut().filter(named).for_each(|event| event["response"]["model"] = "mine".into());
        let edited = Recording { body: String::from_utf8(out).unwrap(), ..recording };
        assert_eq!(edited.events(), theirs, "{}", edited.name);
        passed += 1;
    }
    println!("streams passed: {passed}");
}

#[test]
fn usage_is_what_was_reported() {
    let mut metered = 0;
    for recording in recordings().into_iter().filter(|recording| recording.status == 200 && !recording.is_stream()) {
        let Some(response) = recording.response() else { continue };
        let Some(usage) = usage_of(&response["usage"]) else { continue };
        match RESPONSES.metered(response["usage"].to_string().as_bytes()) {
            Metered::Reported(read) => assert_eq!(Usage { cost: None, ..read }, usage, "{}", recording.name),
            other => panic!("{}: {other:?}", recording.name),
        }
        metered += 1;
    }
    println!("usages: {metered}");
}
