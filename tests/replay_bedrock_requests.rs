//! Recorded requests to Converse, taken apart into neutral chats and written again: the same request comes out.
#![expect(clippy::disallowed_types, reason = "an independent reading of the recordings")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use serde_json::{Map, Value, json};
use tollgate::chat::{
    Api, Cache, Chat, Function, Media, MediaKind, Message, Native, Part, Raw, Role, Source, Str, Tool, ToolCall,
    ToolChoice, ToolResult,
};
use tollgate::config::Deployment;
use tollgate::provider::{self, Ask};

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/wire/dev/bedrock");

fn raw(value: &Value) -> Raw<'static> {
    serde_json::from_str(Box::leak(value.to_string().into_boxed_str())).unwrap()
}

fn text(value: &Value) -> Str<'static> {
    value.as_str().unwrap_or_default().to_owned().into()
}

fn cache(value: &Value) -> Cache<'static> {
    Cache { ttl: value["cachePoint"]["ttl"].as_str().map(|ttl| ttl.to_owned().into()) }
}

/// Marks the part before a cache point.
fn mark(part: Option<&mut Part<'static>>, point: Cache<'static>) {
    match part {
        Some(Part::Text { cache, .. }) => *cache = Some(point),
        Some(Part::Media(media)) => media.cache = Some(point),
        Some(Part::ToolCall(call)) => call.cache = Some(point),
        Some(Part::ToolResult(result)) => result.cache = Some(point),
        part => panic!("a mark after {part:?}"),
    }
}

fn media(kind: MediaKind, value: &Value, mime: &str) -> Option<Part<'static>> {
    let source = &value["source"];
    let source = match () {
        () if source["bytes"].is_string() => Source::Base64(text(&source["bytes"])),
        () if source["s3Location"].is_object() => Source::Url(text(&source["s3Location"]["uri"])),
        () if source["text"].is_string() => Source::Text(text(&source["text"])),
        () => return None,
    };
    let format = value["format"].as_str()?;
    let (mime, name) = match kind {
        MediaKind::File => (None, Some(format!("{}.{format}", value["name"].as_str()?).into())),
        _ => (Some(format!("{mime}/{format}").into()), None),
    };
    Some(Part::Media(Media { kind, source, mime, name, detail: None, cache: None }))
}

/// A part; None where the neutral form has no such thing.
fn part(block: &Value) -> Option<Part<'static>> {
    let (key, value) = block.as_object()?.iter().next()?;
    Some(match key.as_str() {
        "text" => Part::text(text(value)),
        "image" => media(MediaKind::Image, value, "image")?,
        "video" => media(MediaKind::Video, value, "video")?,
        "document" if value["citations"].is_null() && value["context"].is_null() => media(MediaKind::File, value, "")?,
        "toolUse" if value["type"].is_null() => Part::ToolCall(ToolCall {
            id: text(&value["toolUseId"]),
            name: text(&value["name"]),
            arguments: value["input"].to_string().into(),
            signature: None,
            cache: None,
        }),
        "toolResult" if value["type"].is_null() => {
            let parts = value["content"].as_array()?.iter().map(part).collect::<Option<Vec<_>>>()?;
            let error = value["status"] == "error";
            Part::ToolResult(ToolResult { id: text(&value["toolUseId"]), name: None, parts, error, cache: None })
        }
        "reasoningContent" if value["redactedContent"].is_string() => {
            Part::Redacted { data: text(&value["redactedContent"]) }
        }
        "reasoningContent" => {
            let thought = &value["reasoningText"];
            thought["signature"].as_str()?;
            Part::Thinking { text: text(&thought["text"]), signature: Some(text(&thought["signature"])) }
        }
        _ => Part::Native(Native { api: Api::Converse, json: raw(block) }),
    })
}

fn parts(blocks: &Value) -> Option<Vec<Part<'static>>> {
    let mut parts = Vec::new();
    for block in blocks.as_array()? {
        if block["text"].as_str().is_some_and(|text| text.trim().is_empty()) {
            continue;
        }
        if block["cachePoint"].is_object() {
            mark(parts.last_mut(), cache(block));
        } else {
            parts.push(part(block)?);
        }
    }
    Some(parts)
}

fn tools(config: &Value) -> Vec<Tool<'static>> {
    let mut tools: Vec<Tool<'static>> = Vec::new();
    for tool in config["tools"].as_array().into_iter().flatten() {
        let spec = &tool["toolSpec"];
        match tools.last_mut() {
            Some(Tool::Function(function)) if tool["cachePoint"].is_object() => function.cache = Some(cache(tool)),
            _ if spec.is_null() => tools.push(Tool::Native(Native { api: Api::Converse, json: raw(tool) })),
            _ => tools.push(Tool::Function(Function {
                name: text(&spec["name"]),
                description: spec["description"].as_str().map(|text| text.to_owned().into()),
                parameters: Some(raw(&spec["inputSchema"]["json"])),
                strict: spec["strict"].as_bool(),
                cache: None,
            })),
        }
    }
    tools
}

/// A recorded request as a chat; None where it says what no client's dialect has.
fn chat(body: &Value) -> Option<Chat<'static>> {
    let mut messages = vec![Message::new(Role::System, parts(&body["system"]).unwrap_or_default())];
    for message in body["messages"].as_array()? {
        let role = if message["role"] == "user" { Role::User } else { Role::Assistant };
        let (results, others) =
            parts(&message["content"])?.into_iter().partition(|part| matches!(part, Part::ToolResult(_)));
        messages.push(Message::new(Role::Tool, results));
        messages.push(Message::new(role, others));
    }
    let inference = &body["inferenceConfig"];
    let number = |name: &str| Some(raw(&inference[name])).filter(|raw| raw.get() != "null");
    let choice = &body["toolConfig"]["toolChoice"];
    let carried = [
        "guardrailConfig",
        "outputConfig",
        "serviceTier",
        "requestMetadata",
        "performanceConfig",
        "additionalModelRequestFields",
    ];
    let carried = carried.into_iter().chain(["additionalModelResponseFieldPaths", "promptVariables"]);
    Some(Chat {
        messages,
        tools: tools(&body["toolConfig"]),
        tool_choice: match () {
            () if choice["any"].is_object() => Some(ToolChoice::Required),
            () if choice["tool"].is_object() => Some(ToolChoice::Function(text(&choice["tool"]["name"]))),
            () => None,
        },
        max_tokens: inference["maxTokens"].as_u64(),
        temperature: number("temperature"),
        top_p: number("topP"),
        stop: inference["stopSequences"].as_array().into_iter().flatten().map(text).collect(),
        extra: carried.filter(|name| !body[*name].is_null()).map(|name| (name.into(), raw(&body[name]))).collect(),
        ..Chat::default()
    })
}

/// What means the same in both: what is empty, what is the default, what the model adds of itself.
fn plain(mut body: Value) -> Value {
    if let Some(inference) = body["inferenceConfig"].as_object_mut() {
        inference.retain(|_, value| value != &json!([]));
    }
    let members = body.as_object_mut().unwrap();
    members.retain(|_, value| value != &json!({}) && value != &json!([]) && !value.is_null());
    // Asked for, so that the answer tells which stop sequence was met.
    members.remove("additionalModelResponseFieldPaths");
    if let Some(config) = members.get_mut("toolConfig").and_then(Value::as_object_mut) {
        if config.get("toolChoice").is_some_and(|choice| choice["auto"].is_object()) {
            config.remove("toolChoice");
        }
        for tool in config["tools"].as_array_mut().unwrap() {
            let Some(spec) = tool["toolSpec"].as_object_mut() else { continue };
            spec.retain(|name, value| name != "strict" || value == &json!(true));
        }
    }
    for message in members["messages"].as_array_mut().unwrap() {
        let is_blank = |block: &Value| block["text"].as_str().is_some_and(|text| text.trim().is_empty());
        message["content"].as_array_mut().unwrap().retain(|block| !is_blank(block));
    }
    for block in
        members["messages"].as_array_mut().unwrap().iter_mut().flat_map(|one| one["content"].as_array_mut().unwrap())
    {
        if let Some(result) = block["toolResult"].as_object_mut() {
            result.retain(|name, value| name != "status" || value == &json!("error"));
        }
        block.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }
    body
}

fn deployment() -> Deployment {
    Deployment::of("group", "bedrock", "m")
}

/// Recorded Converse requests that were answered: id, model, path, body.
fn requests() -> Vec<(String, String, String, Value)> {
    let Ok(entries) = std::fs::read_dir(RECORDINGS) else {
        eprintln!("SKIPPED: no recordings at {RECORDINGS}");
        return Vec::new();
    };
    let mut requests = Vec::new();
    for entry in entries {
        let exchange: Map<String, Value> =
            serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let is_converse = exchange["api"].as_str().is_some_and(|api| api.starts_with("bedrock.converse"));
        let body = exchange["request"]["body"].as_str().and_then(|body| serde_json::from_str::<Value>(body).ok());
        if let Some(body) =
            body.filter(|body| is_converse && body["messages"].is_array() && exchange["response"]["status"] == 200)
        {
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            requests.push((word(&exchange["id"]), word(&exchange["model"]), word(&exchange["request"]["path"]), body));
        }
    }
    requests
}

#[test]
fn requests_are_written_as_they_were() {
    let (mut same, mut apart) = (0, Vec::new());
    let deployment = deployment();
    for (id, model, path, body) in requests() {
        let Some(chat) = chat(&body) else {
            apart.push(id);
            continue;
        };
        let api = provider::find("bedrock").unwrap().chat(&model).unwrap();
        let stream = path.ends_with("-stream");
        let ask = Ask { model: &model, stream, output_max: None, deployment: &deployment };
        let written = api.write(&chat, &ask).unwrap_or_else(|fault| panic!("{id}: {fault}"));
        let written_body: Value = serde_json::from_slice(&written.body).unwrap();
        let (written, recorded) = (plain(written_body), plain(body));
        assert_eq!(written.as_object().unwrap().len(), recorded.as_object().unwrap().len(), "{id}");
        for (name, value) in written.as_object().unwrap() {
            assert_eq!(value, &recorded[name], "{id}: {name}");
        }
        let target = provider::Target::parse("https://h").unwrap();
        if path.contains("%3A") {
            assert_eq!(api.path(&target, &model, stream), path, "{id}");
        }
        same += 1;
    }
    eprintln!("{same} requests are the same, {} are of no dialect: {apart:?}", apart.len());
    assert!(same >= 60 || !std::path::Path::new(RECORDINGS).exists());
}
