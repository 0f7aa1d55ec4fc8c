//! Recorded exchanges of Gemini and Vertex AI: read, written again, passed on.
#![expect(clippy::disallowed_types, reason = "an independent reading of the recordings")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tollgate::chat::{Answer, Api, Broken, DecodeEnd, Delta, Sink};
use tollgate::config::Deployment;
use tollgate::dialect::gemini::{GEMINI, GEMINI_ARRAY};
use tollgate::dialect::{Dialect, Endpoint, RelayOptions, StreamEnd};
use tollgate::provider::{self, Ask};
use tollgate::vocabulary::{Metered, Units, Usage};

struct Exchange {
    id: String,
    provider: String,
    api: String,
    model: String,
    status: u64,
    request: String,
    response: String,
}

impl Exchange {
    fn is_stream(&self) -> bool {
        self.api.ends_with("streamGenerateContent")
    }
}

fn recordings() -> Vec<Exchange> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/wire/dev"));
    let mut all = Vec::new();
    for provider in ["gemini", "vertex"] {
        let Ok(folder) = std::fs::read_dir(root.join(provider)) else {
            println!("SKIPPED: no recordings at {}", root.display());
            return Vec::new();
        };
        for entry in folder {
            let value: Value = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
            let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            all.push(Exchange {
                id: text("/id"),
                provider: provider.to_owned(),
                api: text("/api"),
                model: text("/model").trim_start_matches("models/").to_owned(),
                status: value.pointer("/response/status").and_then(Value::as_u64).unwrap(),
                request: text("/request/body"),
                response: text("/response/body"),
            });
        }
    }
    all.sort_by(|one, other| one.id.cmp(&other.id));
    all
}

fn chats() -> Vec<Exchange> {
    let is_chat =
        |api: &str| ["generateContent", "streamGenerateContent"].iter().any(|name| api.split('.').nth(1) == Some(name));
    recordings().into_iter().filter(|exchange| is_chat(&exchange.api)).collect()
}

fn deployment(model: &str) -> Deployment {
    Deployment::of(model, "gemini", model)
}

fn camel(name: &str) -> String {
    let mut out = String::new();
    let mut upper = false;
    for letter in name.chars() {
        match letter {
            '_' => upper = true,
            letter if std::mem::take(&mut upper) => out.extend(letter.to_uppercase()),
            letter => out.push(letter),
        }
    }
    out
}

/// A schema with its types in small letters and without the words that say nothing.
fn schema(value: &Value) -> Value {
    let Value::Object(object) = value else { return value.clone() };
    let mut out = Map::new();
    let nullable = object.get("nullable") == Some(&json!(true));
    for (name, value) in object {
        match name.as_str() {
            "type" if nullable => drop(out.insert("type".into(), json!([lower(value), "null"]))),
            "type" => drop(out.insert("type".into(), lower(value))),
            "properties" | "$defs" => {
                let all = value.as_object().unwrap().iter().map(|(name, value)| (name.clone(), schema(value)));
                let all: Map<String, Value> = all.collect();
                if !all.is_empty() {
                    out.insert(name.clone(), Value::Object(all));
                }
            }
            "items" => drop(out.insert(name.clone(), schema(value))),
            "anyOf" => {
                let all = value.as_array().unwrap().iter().map(schema).collect();
                out.insert(name.clone(), Value::Array(all));
            }
            "title" | "nullable" | "$schema" | "default" | "additionalProperties" | "strict" | "name" => {}
            "required" if value == &json!([]) => {}
            _ if value.is_null() => {}
            _ => drop(out.insert(name.clone(), value.clone())),
        }
    }
    Value::Object(out)
}

fn lower(value: &Value) -> Value {
    let names = ["", "string", "number", "integer", "boolean", "array", "object"];
    match value {
        Value::String(text) => json!(text.to_lowercase()),
        Value::Number(number) => json!(names[number.as_u64().unwrap() as usize]),
        other => other.clone(),
    }
}

/// A request in one spelling, without what says nothing.
fn normal(value: &Value, key: &str) -> Value {
    match value {
        Value::Object(object) => {
            let mut out = Map::new();
            for (name, value) in object {
                let name = camel(name);
                let opaque = matches!(name.as_str(), "args" | "response" | "labels");
                let value = match name.as_str() {
                    _ if value.is_null() => continue,
                    "parameters" | "parametersJsonSchema" | "responseSchema" | "responseJsonSchema" => {
                        let written = schema(value);
                        if key == "functionDeclarations" && written == json!({"type": "object"}) {
                            continue;
                        }
                        out.insert("schema".into(), written);
                        continue;
                    }
                    "thought" | "includeThoughts" if value == &json!(false) => continue,
                    "mode" if value.is_string() => json!(value.as_str().unwrap().to_uppercase()),
                    "id" if matches!(key, "functionCall" | "functionResponse") => continue,
                    "role" if key == "systemInstruction" => continue,
                    "thinkingLevel" => lower(value),
                    _ if opaque => value.clone(),
                    _ => normal(value, &name),
                };
                out.insert(name, value);
            }
            Value::Object(out)
        }
        Value::Array(list) => Value::Array(list.iter().map(|value| normal(value, key)).collect()),
        Value::Number(number) => json!(number.as_f64()),
        other => other.clone(),
    }
}

fn listed(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

/// What a request asks for, however it is written.
fn asked(body: &Value) -> Value {
    let mut body = normal(body, "");
    let object = body.as_object_mut().unwrap();
    object.remove("model");
    let mut contents: Vec<Value> = Vec::new();
    for content in listed(object.remove("contents").unwrap_or_default()) {
        let role = if content["role"] == json!("model") { "model" } else { "user" };
        let mut parts = listed(content["parts"].clone());
        if parts.len() > 1 {
            parts.retain(|part| part != &json!({"text": ""}));
        }
        match contents.last_mut() {
            Some(last) if last["role"] == json!(role) => last["parts"].as_array_mut().unwrap().extend(parts),
            _ => contents.push(json!({"role": role, "parts": parts})),
        }
    }
    object.insert("contents".into(), Value::Array(contents));
    if let Some(system) = object.remove("systemInstruction") {
        let parts = listed(system["parts"].clone());
        object.insert("systemInstruction".into(), json!({"parts": parts}));
    }
    let mut tools = Map::new();
    for tool in listed(object.remove("tools").unwrap_or_default()) {
        for (name, value) in tool.as_object().unwrap() {
            match (tools.get_mut(name), value) {
                (Some(Value::Array(known)), Value::Array(more)) => known.extend(more.clone()),
                _ => drop(tools.insert(name.clone(), value.clone())),
            }
        }
    }
    if !tools.is_empty() {
        object.insert("tools".into(), Value::Object(tools));
    }
    narrowed(object);
    object.retain(|name, value| !(name == "generationConfig" && value == &json!({})));
    body
}

/// Whoever may call several functions alone is offered these alone.
fn narrowed(request: &mut Map<String, Value>) {
    let config = request.get_mut("toolConfig").map(|config| &mut config["functionCallingConfig"]);
    let Some(config) = config.filter(|config| config["mode"] == "ANY") else { return };
    let allowed = listed(config["allowedFunctionNames"].clone());
    if allowed.len() > 1 {
        config.as_object_mut().unwrap().remove("allowedFunctionNames");
        let functions = request["tools"]["functionDeclarations"].as_array_mut().unwrap();
        functions.retain(|function| allowed.contains(&function["name"]));
    }
}

#[test]
fn requests_are_read_and_written_again() {
    let mut differences = Vec::new();
    let mut same = 0;
    for exchange in chats() {
        let Ok(recorded) = serde_json::from_str::<Value>(&exchange.request) else { continue };
        let name = if exchange.provider == "vertex" { "vertex_ai" } else { "gemini" };
        let api = provider::find(name).unwrap().chat(&exchange.model).unwrap();
        let prepared = GEMINI.prepare(exchange.request.as_bytes());
        let body = prepared.as_deref().unwrap_or(exchange.request.as_bytes());
        let chat = match GEMINI.read(body, exchange.is_stream()) {
            Ok(chat) => chat,
            Err(fault) if exchange.status >= 400 => {
                println!("{}: refused as the provider did: {fault}", exchange.id);
                continue;
            }
            Err(fault) => panic!("{}: {fault}", exchange.id),
        };
        let deployment = deployment(&exchange.model);
        let ask =
            Ask { model: &exchange.model, stream: exchange.is_stream(), output_max: None, deployment: &deployment };
        let written = api.write(&chat, &ask).unwrap_or_else(|fault| panic!("{}: {fault}", exchange.id));
        let again: Value = serde_json::from_slice(&written.body).unwrap();
        let (before, after) = (asked(&recorded), asked(&again));
        if before == after {
            same += 1;
        } else {
            differences.push(format!("{}\n  {before}\n  {after}", exchange.id));
        }
    }
    println!("{same} the same, {} differ", differences.len());
    for difference in &differences {
        println!("{difference}");
    }
    assert!(differences.is_empty(), "{} requests differ", differences.len());
}

/// What an answer said.
#[derive(Clone, Debug, Default, PartialEq)]
struct Said {
    text: String,
    thought: String,
    calls: Vec<(String, Value)>,
    signatures: Vec<String>,
    media: usize,
    native: Vec<String>,
    finish: Vec<String>,
}

#[derive(Default)]
struct Heard {
    said: Said,
    arguments: Vec<String>,
    log: Vec<String>,
}

impl Sink for Heard {
    fn delta(&mut self, choice: u32, delta: Delta<'_>) {
        self.log.push(format!("{choice} {delta:?}"));
        match delta {
            Delta::Text(text) => self.said.text.push_str(text),
            Delta::Thinking(text) => self.said.thought.push_str(text),
            Delta::Signature(text) => self.said.signatures.push(text.to_owned()),
            Delta::ToolCall { name, signature, .. } => {
                self.said.calls.push((name.to_owned(), json!({})));
                self.arguments.push(String::new());
                self.said.signatures.extend(signature.map(str::to_owned));
            }
            Delta::Arguments { index, json } => self.arguments[index as usize].push_str(json),
            Delta::Media { .. } => self.said.media += 1,
            Delta::Native { api: Api::Gemini, key, json } => {
                let object: Value = serde_json::from_str(json).unwrap();
                self.said.signatures.extend(object["thoughtSignature"].as_str().map(str::to_owned));
                self.said.native.push(key.to_owned());
            }
            Delta::Finish(finish) => self.said.finish.push(format!("{finish:?}")),
            _ => {}
        }
    }
}

impl Heard {
    fn said(mut self) -> Said {
        for (call, arguments) in self.said.calls.iter_mut().zip(&self.arguments) {
            if !arguments.is_empty() {
                call.1 = serde_json::from_str(arguments).unwrap();
            }
        }
        self.said.native.retain(|key| !key.ends_with("Metadata") && key != "finishMessage" && key != "logprobsResult");
        self.said.native.retain(|key| key != "promptFeedback");
        self.said
    }
}

fn pieces(text: &str) -> Vec<Value> {
    if let Ok(Value::Array(list)) = serde_json::from_str(text) {
        return list;
    }
    if let Ok(value) = serde_json::from_str(text) {
        return vec![value];
    }
    text.lines()
        .filter_map(|line| line.strip_prefix("data:"))
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect()
}

/// An independent reading of an answer.
fn expected(pieces: &[Value]) -> Said {
    let mut said = Said::default();
    for candidate in pieces.iter().flat_map(|piece| piece["candidates"].as_array().into_iter().flatten()) {
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            let signature = part["thoughtSignature"].as_str().map(str::to_owned);
            if let Some(text) = part["text"].as_str() {
                if part["thought"] == json!(true) { said.thought += text } else { said.text += text }
            }
            if let Some(call) = part["functionCall"].as_object() {
                if let Some(name) = call.get("name").and_then(Value::as_str) {
                    let args = call.get("args").cloned().unwrap_or_else(|| json!({}));
                    said.calls.push((name.to_owned(), args));
                }
                for piece in call.get("partialArgs").and_then(Value::as_array).into_iter().flatten() {
                    let path = piece["jsonPath"].as_str().unwrap().trim_start_matches("$.").replace(['[', '.'], "/");
                    let mut value = &mut said.calls.last_mut().unwrap().1;
                    for step in path.replace(']', "").split('/') {
                        value = match step.parse::<usize>() {
                            Ok(at) => {
                                let list = value.as_array_mut().unwrap();
                                list.resize_with(list.len().max(at + 1), || json!({}));
                                &mut list[at]
                            }
                            Err(_) => &mut value[step],
                        };
                        let is_list = path.contains(&format!("{step}/0")) || path.contains(&format!("{step}/1"));
                        if value.is_null() && is_list && path.starts_with(step) {
                            *value = json!([]);
                        }
                    }
                    match piece.get("stringValue").and_then(Value::as_str) {
                        Some(text) => *value = json!(value.as_str().unwrap_or_default().to_owned() + text),
                        None => *value = piece["numberValue"].clone(),
                    }
                }
            }
            for key in ["executableCode", "codeExecutionResult", "toolCall", "toolResponse", "fileData"] {
                said.native.extend(part.get(key).map(|_| key.to_owned()));
            }
            said.media += usize::from(part.get("inlineData").is_some());
            said.signatures.extend(signature.filter(|text| !text.is_empty()));
        }
        let reason = match &candidate["finishReason"] {
            Value::Number(number) => ["", "STOP", "MAX_TOKENS", "SAFETY"][number.as_u64().unwrap() as usize],
            other => other.as_str().unwrap_or_default(),
        };
        let finish = match reason {
            "" => continue,
            "STOP" if !said.calls.is_empty() => "ToolCalls".to_owned(),
            "STOP" => "Stop".to_owned(),
            "MAX_TOKENS" => "Length".to_owned(),
            "SAFETY" | "MODEL_ARMOR" => "ContentFilter".to_owned(),
            other => format!("Other({other:?})"),
        };
        said.finish.push(finish);
    }
    if pieces.iter().any(|piece| piece["promptFeedback"]["blockReason"].is_string()) {
        said.finish.push("ContentFilter".to_owned());
    }
    said
}

/// Queries of the web, each once however often pieces repeat it.
fn searches(pieces: &[Value]) -> u64 {
    let candidates = pieces.iter().filter_map(|piece| piece["candidates"].as_array()).flatten();
    let queries = candidates.filter_map(|candidate| candidate["groundingMetadata"]["webSearchQueries"].as_array());
    let told: BTreeSet<_> = queries.flatten().filter_map(Value::as_str).filter(|query| !query.is_empty()).collect();
    told.len() as u64
}

fn counted(pieces: &[Value]) -> Option<Usage> {
    let last =
        pieces.iter().rev().map(|piece| &piece["usageMetadata"]).find(|usage| usage["promptTokenCount"].is_u64())?;
    let count = |name: &str| last[name].as_u64().unwrap_or(0);
    let of = |name: &str, modality: &str, number: u64| -> u64 {
        let details = last[name].as_array().into_iter().flatten();
        let is = |detail: &&Value| detail["modality"] == json!(modality) || detail["modality"] == json!(number);
        details.filter(is).map(|detail| detail["tokenCount"].as_u64().unwrap_or(0)).sum()
    };
    let (tools, prompt) = ("toolUsePromptTokensDetails", "promptTokensDetails");
    Some(Usage {
        prompt: count("promptTokenCount") + count("toolUsePromptTokenCount"),
        completion: count("candidatesTokenCount") + count("thoughtsTokenCount"),
        cache_read: count("cachedContentTokenCount"),
        reasoning: count("thoughtsTokenCount"),
        audio_in: of(prompt, "AUDIO", 4) + of(tools, "AUDIO", 4),
        image_in: of(prompt, "IMAGE", 2) + of(tools, "IMAGE", 2),
        audio_out: of("candidatesTokensDetails", "AUDIO", 4),
        image_out: of("candidatesTokensDetails", "IMAGE", 2),
        units: Units { searches: searches(pieces), ..Units::NONE },
        ..Usage::default()
    })
}

fn streamed(text: &str, step: usize) -> Result<(Heard, Metered, DecodeEnd), Broken> {
    let api = provider::find("gemini").unwrap().chat("gemini-2.5-flash").unwrap();
    let mut decoder = api.decoder(1 << 24);
    let mut heard = Heard::default();
    for chunk in text.as_bytes().chunks(step) {
        decoder.push(Bytes::copy_from_slice(chunk), &mut heard)?;
    }
    let end = decoder.finish(&mut heard)?;
    Ok((heard, decoder.metered(), end))
}

fn answer() -> Answer {
    Answer {
        id: "exchange-1".to_owned(),
        model: "group".to_owned(),
        created: 0,
        include_usage: true,
        array: false,
        request: Bytes::new(),
    }
}

#[test]
fn answers_say_what_was_recorded() {
    let (mut whole, mut streams, mut errors) = (0, 0, 0);
    for exchange in chats() {
        let recorded = pieces(&exchange.response);
        let id = &exchange.id;
        let result = match exchange.is_stream() && !exchange.response.is_empty() {
            true => streamed(&exchange.response, usize::MAX).map(|(heard, metered, end)| {
                assert_eq!(end, DecodeEnd::Complete, "{id}");
                (heard, metered)
            }),
            false => {
                let api = provider::find("vertex_ai").unwrap().chat("gemini-2.5-flash").unwrap();
                let mut heard = Heard::default();
                api.read(exchange.response.as_bytes(), &mut heard).map(|metered| (heard, metered))
            }
        };
        let (heard, metered) = match result {
            Ok(read) => read,
            Err(Broken::Upstream(error)) => {
                let recorded = recorded.iter().find_map(|piece| piece.get("error")).unwrap();
                assert_eq!(json!(error.status), recorded["code"], "{id}");
                assert_eq!(json!(error.message), recorded["message"], "{id}");
                errors += 1;
                continue;
            }
            Err(broken) => panic!("{id}: {broken}"),
        };
        let log = heard.log.clone();
        let said = heard.said();
        assert_eq!(said, expected(&recorded), "{id}");
        assert_eq!(metered.usage().copied(), counted(&recorded), "{id}");
        assert!(!matches!(metered, Metered::Partial(_)), "{id}");
        if exchange.is_stream() {
            for step in [1, 7, 100] {
                let (again, metered_again, _) = streamed(&exchange.response, step).unwrap();
                assert_eq!(again.log, log, "{id} in chunks of {step}");
                assert_eq!(metered_again, metered);
            }
            streams += 1;
        } else {
            whole += 1;
        }
    }
    println!("{whole} whole answers, {streams} streams, {errors} errors");
}

/// Reads an answer with the provider's decoder and writes it with the dialect's encoder.
fn translated(exchange: &Exchange, dialect: &dyn Dialect) -> Option<String> {
    let api = provider::find("gemini").unwrap().chat("gemini-2.5-flash").unwrap();
    let mut encoder = dialect.encoder(answer(), exchange.is_stream());
    let mut out = Vec::new();
    let metered = if exchange.is_stream() {
        let mut decoder = api.decoder(1 << 24);
        for chunk in exchange.response.as_bytes().chunks(333) {
            decoder.push(Bytes::copy_from_slice(chunk), encoder.as_mut()).ok()?;
            out.extend_from_slice(&encoder.take());
        }
        decoder.finish(encoder.as_mut()).ok()?;
        decoder.metered()
    } else {
        api.read(exchange.response.as_bytes(), encoder.as_mut()).ok()?
    };
    encoder.end(metered.usage());
    out.extend_from_slice(&encoder.take());
    Some(String::from_utf8(out).unwrap())
}

#[test]
fn answers_written_again_say_the_same() {
    let mut count = 0;
    for exchange in chats() {
        for dialect in [&GEMINI, &GEMINI_ARRAY] {
            let Some(text) = translated(&exchange, dialect) else { continue };
            let (before, after) = (pieces(&exchange.response), pieces(&text));
            assert!(!after.is_empty(), "{}: {text}", exchange.id);
            assert_eq!(expected(&after), expected(&before), "{}", exchange.id);
            if let Some(usage) = counted(&before) {
                assert_eq!(counted(&after), Some(usage), "{}", exchange.id);
            }
            let metadata = |pieces: &[Value], name: &str| {
                let candidates = pieces.iter().flat_map(|piece| piece["candidates"].as_array().into_iter().flatten());
                candidates
                    .map(|candidate| candidate[name].clone())
                    .rfind(|value| value.as_object().is_some_and(|object| !object.is_empty()))
            };
            for name in ["groundingMetadata", "citationMetadata", "urlContextMetadata", "logprobsResult"] {
                assert_eq!(metadata(&after, name), metadata(&before, name), "{} {name}", exchange.id);
            }
            count += 1;
        }
    }
    println!("{count} answers");
}

#[test]
fn streams_pass_byte_for_byte() {
    let mut count = 0;
    for exchange in chats().into_iter().filter(Exchange::is_stream) {
        for (step, model) in [(1, None), (13, None), (usize::MAX, None), (50, Some("\"group\""))] {
            let options = RelayOptions {
                model_json: model.map(|text| Bytes::from_static(text.as_bytes())),
                event_bytes_max: 1 << 24,
                ..RelayOptions::default()
            };
            let mut relay = GEMINI.relay(options);
            let mut out = Vec::new();
            for chunk in exchange.response.as_bytes().chunks(step) {
                relay.push(Bytes::copy_from_slice(chunk), &mut out).unwrap();
            }
            let end = relay.finish(&mut out);
            let passed = String::from_utf8(out.concat()).unwrap();
            let recorded = pieces(&exchange.response);
            if model.is_some() {
                let names = |value: &Value| value["modelVersion"].as_str().map(str::to_owned);
                assert!(pieces(&passed).iter().filter_map(names).all(|name| name == "group"), "{}", exchange.id);
                let mut plain = pieces(&passed);
                for (piece, before) in plain.iter_mut().zip(&recorded) {
                    if let Some(name) = before.get("modelVersion") {
                        piece["modelVersion"] = name.clone();
                    }
                }
                assert_eq!(plain, recorded, "{}", exchange.id);
                continue;
            }
            let whole = passed == exchange.response
                || passed.trim_end() == exchange.response.trim_end() && passed.starts_with(exchange.response.as_str());
            assert!(whole, "{} in chunks of {step}", exchange.id);
            if relay.progress().error_seen || exchange.status >= 400 {
                continue;
            }
            assert_eq!(end, StreamEnd::Complete, "{}", exchange.id);
            assert_eq!(relay.metered().usage().copied(), counted(&recorded), "{}", exchange.id);
            count += 1;
        }
    }
    println!("{count} streams passed");
}

#[test]
fn embeddings_are_read_as_recorded() {
    let mut count = 0;
    for exchange in recordings() {
        let name = match exchange.api.as_str() {
            "gemini.batchEmbedContents" => "gemini",
            "vertex.predict" | "vertex.embedContent" => "vertex_ai",
            _ => continue,
        };
        let api = provider::find(name).unwrap().call(Endpoint::Embeddings, &exchange.model).unwrap();
        let recorded: Value = serde_json::from_str(&exchange.response).unwrap();
        match api.read(exchange.response.as_bytes(), "group", b"{}") {
            Ok((answer, _)) => {
                let answer: Value = serde_json::from_slice(&answer).unwrap();
                let one = [
                    &recorded["embedding"]["values"],
                    &recorded["embeddings"][0]["values"],
                    &recorded["predictions"][0]["embeddings"]["values"],
                ];
                let values = one.into_iter().find(|value| value.is_array()).unwrap();
                assert_eq!(&answer["data"][0]["embedding"], values, "{}", exchange.id);
            }
            Err(Broken::Upstream(error)) => assert_eq!(json!(error.status), recorded["error"]["code"]),
            Err(broken) => panic!("{}: {broken}", exchange.id),
        }
        count += 1;
    }
    println!("{count} embeddings");
}
