//! Recorded answers of Cohere, Ollama, Voyage and of rerank calls, read and held against an independent reading.
#![expect(clippy::disallowed_types, reason = "the other reading must not be ours")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::print_stdout, reason = "says what was read")]
#![expect(clippy::panic, reason = "what was not expected fails the test")]

use std::path::Path;

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tollgate::chat::{
    Api, Chat, DecodeEnd, Delta, Finish, Function, Media, MediaKind, Message, Native, Part, Role, Sink, Source, Tool,
    ToolCall, ToolChoice, ToolResult,
};
use tollgate::config::{self, Deployment, Providers, Purpose, Surroundings};
use tollgate::dialect::Endpoint;
use tollgate::provider::{self, Ask, ChatApi};
use tollgate::vocabulary::{Metered, Usage};

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/wire/dev");

#[derive(Clone, Debug, Default, PartialEq)]
struct Heard {
    id: Option<String>,
    starts: usize,
    text: String,
    thinking: String,
    calls: Vec<(String, String, String)>,
    citations: usize,
    finish: Vec<String>,
}

impl Sink for Heard {
    fn delta(&mut self, choice: u32, delta: Delta<'_>) {
        assert_eq!(choice, 0);
        match delta {
            Delta::Start { id, .. } => {
                self.starts += 1;
                self.id = id.map(str::to_owned);
            }
            Delta::Text(text) => self.text.push_str(text),
            Delta::Thinking(text) => self.thinking.push_str(text),
            Delta::ToolCall { index, id, name, .. } => {
                assert_eq!(index as usize, self.calls.len());
                self.calls.push((id.to_owned(), name.to_owned(), String::new()));
            }
            Delta::Arguments { index, json } => self.calls[index as usize].2.push_str(json),
            Delta::Citation { .. } => self.citations += 1,
            Delta::Finish(finish) => self.finish.push(format!("{finish:?}")),
            Delta::Native { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

struct Recording {
    name: String,
    json: Value,
}

impl Recording {
    fn body(&self) -> &str {
        self.json["response"]["body"].as_str().unwrap()
    }

    fn request(&self) -> &str {
        self.json["request"]["body"].as_str().unwrap_or_default()
    }

    fn is_stream(&self) -> bool {
        self.json["stream"] == true
    }
}

fn recordings(vendor: &str, api: &str) -> Vec<Recording> {
    let folder = Path::new(RECORDINGS).join(vendor);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("SKIPPED: no recordings at {}", folder.display());
        return Vec::new();
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: std::path::PathBuf| {
        let json: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        Recording { name: path.file_name().unwrap().to_string_lossy().into_owned(), json }
    };
    let fits = |recording: &Recording| recording.json["api"] == api && recording.json["response"]["status"] == 200;
    paths.into_iter().map(read).filter(fits).collect()
}

fn chat_api(vendor: &str) -> &'static dyn ChatApi {
    provider::find(vendor).unwrap().chat("some-model").unwrap()
}

fn whole(api: &dyn ChatApi, body: &str) -> (Heard, Metered) {
    let mut heard = Heard::default();
    let metered = api.read(body.as_bytes(), &mut heard).unwrap();
    (heard, metered)
}

fn streamed(api: &dyn ChatApi, body: &[u8], size: usize) -> (Heard, DecodeEnd, Metered) {
    let (mut heard, mut decoder) = (Heard::default(), api.decoder(1 << 20));
    for chunk in body.chunks(size) {
        decoder.push(Bytes::copy_from_slice(chunk), &mut heard).unwrap();
    }
    let end = decoder.finish(&mut heard).unwrap();
    (heard, end, decoder.metered())
}

fn read(api: &dyn ChatApi, recording: &Recording) -> (Heard, Metered) {
    if !recording.is_stream() {
        return whole(api, recording.body());
    }
    let body = recording.body().as_bytes();
    let (heard, end, metered) = streamed(api, body, body.len());
    assert_eq!(end, DecodeEnd::Complete, "{}", recording.name);
    for size in [1, 7, 64, 1000] {
        assert_eq!(streamed(api, body, size), (heard.clone(), end, metered), "{} by {size}", recording.name);
    }
    (heard, metered)
}

/// Every JSON text of a stream, and the answer of a whole one.
fn events(recording: &Recording) -> Vec<Value> {
    if !recording.is_stream() {
        return vec![serde_json::from_str(recording.body()).unwrap()];
    }
    let lines = recording.body().lines().map(|line| line.strip_prefix("data:").unwrap_or(line).trim());
    lines.filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// Cohere's, read again: the events of a stream and the members of a message differ in their outer form only.
fn expect_cohere(recording: &Recording) -> (Heard, Metered) {
    let mut heard = Heard { starts: 1, ..Heard::default() };
    let (mut reason, mut usage) = (Value::Null, Value::Null);
    for event in events(recording) {
        if let Some(id) = event["id"].as_str().filter(|_| event["type"] == "message-start" || !recording.is_stream()) {
            heard.id = Some(id.to_owned());
        }
        let outer = if recording.is_stream() { &event["delta"] } else { &event };
        let message = &outer["message"];
        heard.thinking.push_str(text(&message["tool_plan"]));
        let list = |value: &Value| match value {
            Value::Array(items) => items.clone(),
            Value::Null => Vec::new(),
            one => vec![one.clone()],
        };
        for item in list(&message["content"]) {
            heard.text.push_str(text(&item["text"]));
            heard.thinking.push_str(text(&item["thinking"]));
        }
        for call in list(&message["tool_calls"]) {
            if let Some(name) = call["function"]["name"].as_str() {
                heard.calls.push((text(&call["id"]).to_owned(), name.to_owned(), String::new()));
            }
            heard.calls.last_mut().unwrap().2.push_str(text(&call["function"]["arguments"]));
        }
        for citation in list(&message["citations"]) {
            heard.citations += list(&citation["sources"]).len().max(1);
        }
        if outer["finish_reason"].is_string() {
            reason = outer["finish_reason"].clone();
            usage = outer["usage"].clone();
        }
    }
    for call in &mut heard.calls {
        if call.2 == "null" {
            call.2.clear();
        }
    }
    heard.finish = vec![format!(
        "{:?}",
        match text(&reason) {
            "COMPLETE" => Finish::Stop,
            "MAX_TOKENS" => Finish::Length,
            "TOOL_CALL" => Finish::ToolCalls,
            "STOP_SEQUENCE" => Finish::StopSequence(None),
            other => panic!("{other}"),
        }
    )];
    let tokens = &usage["tokens"];
    let images = number(&tokens["image_tokens"]);
    let usage = Usage {
        prompt: number(&tokens["input_tokens"]) + images,
        completion: number(&tokens["output_tokens"]),
        cache_read: number(&usage["cached_tokens"]),
        image_in: images,
        reasoning: number(&tokens["reasoning_tokens"]),
        ..Usage::default()
    };
    (heard, Metered::Reported(usage))
}

#[test]
fn cohere_chats_are_read_whole_and_streamed() {
    let (mut count, mut streams) = (0, 0);
    for recording in recordings("cohere", "cohere.v2.chat") {
        let got = read(chat_api("cohere"), &recording);
        assert_eq!(got, expect_cohere(&recording), "{}", recording.name);
        count += 1;
        streams += usize::from(recording.is_stream());
    }
    println!("{count} chats of Cohere, {streams} of them streams");
}

fn expect_ollama(recording: &Recording) -> (Heard, Metered) {
    let mut heard = Heard { starts: 1, ..Heard::default() };
    let mut metered = Metered::Absent;
    for line in events(recording) {
        let message = &line["message"];
        heard.text.push_str(text(&message["content"]));
        heard.thinking.push_str(text(&message["thinking"]));
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let arguments = call["function"]["arguments"].to_string();
            heard.calls.push((text(&call["id"]).to_owned(), text(&call["function"]["name"]).to_owned(), arguments));
        }
        if line["done"] == true {
            let finish = match (text(&line["done_reason"]), heard.calls.is_empty()) {
                ("length", _) => Finish::Length,
                (_, true) => Finish::Stop,
                (_, false) => Finish::ToolCalls,
            };
            heard.finish.push(format!("{finish:?}"));
            let (prompt, completion) = (number(&line["prompt_eval_count"]), number(&line["eval_count"]));
            let usage = Usage { prompt, completion, ..Usage::default() };
            metered = match (line.get("prompt_eval_count"), line.get("eval_count")) {
                (Some(_), Some(_)) => Metered::Reported(usage),
                (None, None) => Metered::Absent,
                _ => Metered::Partial(usage),
            };
        }
    }
    (heard, metered)
}

#[test]
fn ollama_chats_are_read_whole_and_streamed() {
    let (mut count, mut streams) = (0, 0);
    for recording in recordings("ollama", "ollama.chat") {
        let (mut heard, metered) = read(chat_api("ollama_chat"), &recording);
        let (want, want_metered) = expect_ollama(&recording);
        for (got, want) in heard.calls.iter_mut().zip(&want.calls) {
            // Ids are made up where there are none, and spaces in JSON are nobody's concern.
            assert!(!got.0.is_empty());
            if want.0.is_empty() {
                got.0.clear();
            }
            got.2 = serde_json::from_str::<Value>(&got.2).unwrap().to_string();
        }
        assert_eq!((heard, metered), (want, want_metered), "{}", recording.name);
        count += 1;
        streams += usize::from(recording.is_stream());
    }
    println!("{count} chats of Ollama, {streams} of them streams");
}

#[test]
fn a_stream_that_is_cut_is_never_complete() {
    for (vendor, api, kind) in [("cohere", "cohere", "cohere.v2.chat"), ("ollama", "ollama_chat", "ollama.chat")] {
        for recording in recordings(vendor, kind).iter().filter(|recording| recording.is_stream()) {
            let body = recording.body();
            let last = body.find("\"message-end\"").or_else(|| body.find("\"done\":true")).unwrap();
            for at in (0..last).step_by(499).filter(|at| body.is_char_boundary(*at)) {
                let (heard, end, metered) = streamed(chat_api(api), &body.as_bytes()[..at], 50);
                assert_eq!((end, metered, heard.finish.len()), (DecodeEnd::Truncated, Metered::Absent, 0), "{at}");
            }
        }
    }
}

/// A recorded request as a chat: what both APIs say in nearly the same words.
fn chat_of<'a>(request: &'a Value, extra: &'a [(String, Box<RawValue>)], raws: &'a Raws) -> Chat<'a> {
    let mut chat = Chat { stream: request["stream"] == true, ..Chat::default() };
    for message in request["messages"].as_array().unwrap() {
        let role = match text(&message["role"]) {
            "system" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            _ => Role::Tool,
        };
        let mut parts = Vec::new();
        if let Some(thinking) = message["thinking"].as_str().filter(|thinking| !thinking.is_empty()) {
            parts.push(Part::Thinking { text: thinking.into(), signature: None });
        }
        match &message["content"] {
            Value::String(text) => parts.extend((!text.is_empty()).then(|| Part::text(text.as_str()))),
            Value::Array(items) => parts.extend(items.iter().map(part)),
            _ => {}
        }
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            parts.push(Part::ToolCall(ToolCall {
                id: text(&call["id"]).into(),
                name: text(&call["function"]["name"]).into(),
                arguments: match &call["function"]["arguments"] {
                    Value::String(text) => text.as_str().into(),
                    other => other.to_string().into(),
                },
                signature: None,
                cache: None,
            }));
        }
        if role == Role::Tool {
            let id = text(&message["tool_call_id"]).into();
            let name = message["tool_name"].as_str().map(Into::into);
            parts = vec![Part::ToolResult(ToolResult { id, name, parts, error: false, cache: None })];
        }
        chat.messages.push(Message::new(role, parts));
    }
    for (tool, parameters) in request["tools"].as_array().into_iter().flatten().zip(&raws.tools) {
        let function = &tool["function"];
        chat.tools.push(Tool::Function(Function {
            name: text(&function["name"]).into(),
            description: function["description"].as_str().map(Into::into),
            parameters: Some(parameters),
            strict: None,
            cache: None,
        }));
    }
    chat.tool_choice = match text(&request["tool_choice"]) {
        "REQUIRED" => Some(ToolChoice::Required),
        "NONE" => Some(ToolChoice::None),
        _ => None,
    };
    chat.extra = extra.iter().map(|(name, value)| (name.as_str().into(), &**value)).collect();
    chat
}

/// Schemas need a place to be borrowed from.
struct Raws {
    tools: Vec<Box<RawValue>>,
}

fn raw(value: &Value) -> Box<RawValue> {
    RawValue::from_string(value.to_string()).unwrap()
}

fn part(item: &Value) -> Part<'_> {
    let media = |kind, source, mime, name| Part::Media(Media { kind, source, mime, name, detail: None, cache: None });
    match text(&item["type"]) {
        "thinking" => Part::Thinking { text: text(&item["thinking"]).into(), signature: None },
        "image_url" => {
            let url = text(&item["image_url"]["url"]);
            let (mime, data) = url.strip_prefix("data:").unwrap().split_once(";base64,").unwrap();
            media(MediaKind::Image, Source::Base64(data.into()), Some(mime.into()), None)
        }
        "document" => Part::Native(Native { api: Api::Cohere, json: Box::leak(raw(item)) }),
        _ => Part::text(text(&item["text"])),
    }
}

/// Both ways to say the same: a text and a list of it, an empty member and none.
fn plain(mut request: Value) -> Value {
    for message in request["messages"].as_array_mut().unwrap() {
        let object = message.as_object_mut().unwrap();
        if let Some(Value::Array(items)) = object.get_mut("content") {
            items.retain(|item| item["text"] != "");
            if let [one] = items.as_slice()
                && one["type"] == "text"
            {
                let text = one["text"].clone();
                object.insert("content".to_owned(), text);
            }
        }
        for call in object.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten() {
            let call = call.as_object_mut().unwrap();
            call["function"].as_object_mut().unwrap().remove("index");
            call.remove("type");
            call.retain(|_, value| *value != "");
        }
        object.retain(|name, value| !(value.is_null() || *value == json!([]) || *value == "" || name == "citations"));
    }
    let object = request.as_object_mut().unwrap();
    object.entry("stream").or_insert(json!(false));
    object.retain(|_, value| !(value.is_null() || *value == json!([]) || *value == json!({}) || *value == ""));
    request
}

#[test]
fn recorded_requests_are_written_as_their_authors_wrote_them() {
    let mut count = 0;
    for (vendor, api, kind) in [("cohere", "cohere", "cohere.v2.chat"), ("ollama", "ollama_chat", "ollama.chat")] {
        for recording in recordings(vendor, kind).iter().filter(|recording| !recording.request().is_empty()) {
            let request: Value = serde_json::from_str(recording.request()).unwrap();
            let tools = request["tools"].as_array().into_iter().flatten();
            let raws = Raws { tools: tools.map(|tool| raw(&tool["function"]["parameters"])).collect() };
            let known = ["model", "messages", "stream", "tools", "tool_choice"];
            let others = request.as_object().unwrap().iter().filter(|(name, _)| !known.contains(&name.as_str()));
            let extra: Vec<_> = others.map(|(name, value)| (name.clone(), raw(value))).collect();
            let chat = chat_of(&request, &extra, &raws);
            let deployment = deployment(api);
            let ask =
                Ask { model: text(&request["model"]), stream: chat.stream, output_max: None, deployment: &deployment };
            let written = chat_api(api).write(&chat, &ask).unwrap();
            let mut got: Value = serde_json::from_slice(&written.body).unwrap();
            for (got, want) in
                got["messages"].as_array_mut().unwrap().iter_mut().zip(request["messages"].as_array().unwrap())
            {
                // Told where the author did not.
                if want.get("tool_name").is_none() {
                    got.as_object_mut().unwrap().remove("tool_name");
                }
            }
            assert_eq!(plain(got), plain(request.clone()), "{}", recording.name);
            assert!(written.dropped.is_empty(), "{:?}", written.dropped);
            assert_eq!(chat_api(api).write(&chat, &ask).unwrap().body, written.body);
            count += 1;
        }
    }
    println!("{count} requests");
}

struct All;

impl Providers for All {
    fn known(&self, _name: &str) -> bool {
        true
    }

    fn env_vars(&self, _name: &str) -> &'static [&'static str] {
        &[]
    }

    fn guess(&self, _model: &str) -> Option<&'static str> {
        None
    }

    fn needs_base(&self, _name: &str) -> bool {
        false
    }
}

fn deployment(vendor: &str) -> Deployment {
    let text = format!(
        "model_list: [{{model_name: m, litellm_params: {{model: {vendor}/m, api_key: sk-0123456789abcdef}}}}]\n\
         general_settings: {{master_key: sk-abcdefghijklmnop}}"
    );
    let surroundings = Surroundings { env: &|_| None, providers: &All, purpose: Purpose::Serve };
    config::load_text("test.yaml", &text, &surroundings).0.unwrap().deployments.remove(0)
}

#[test]
fn errors_within_a_200_are_told() {
    let body = r#"{"id":"x","message":"model 'command-r' was removed"}"#;
    assert!(
        chat_api("cohere").read(body.as_bytes(), &mut Heard::default()).unwrap_err().to_string().contains("removed")
    );
}

fn answered(vendor: &str, endpoint: Endpoint, recording: &Recording, request: &str) -> (Value, Metered) {
    let api = provider::find(vendor).unwrap().call(endpoint, "m").unwrap();
    let (body, metered) = api.read(recording.body().as_bytes(), "m", request.as_bytes()).unwrap();
    (serde_json::from_slice(&body).unwrap(), metered)
}

#[test]
fn embeddings_are_answered_in_openai_form() {
    let mut count = 0;
    let kinds = [
        ("cohere", "cohere", "cohere.v2.embed"),
        ("cohere", "cohere", "cohere.v1.embed"),
        ("ollama", "ollama_chat", "ollama.embed"),
    ];
    for (folder, vendor, kind) in kinds {
        for recording in recordings(folder, kind) {
            let request = json!({"input": ["a"]}).to_string();
            let (got, metered) = answered(vendor, Endpoint::Embeddings, &recording, &request);
            let theirs: Value = serde_json::from_str(recording.body()).unwrap();
            let vectors =
                if theirs["embeddings"].is_array() { &theirs["embeddings"] } else { &theirs["embeddings"]["float"] };
            for (entry, vector) in got["data"].as_array().unwrap().iter().zip(vectors.as_array().unwrap()) {
                assert_eq!(&entry["embedding"], vector);
            }
            assert_eq!(got["data"].as_array().unwrap().len(), vectors.as_array().unwrap().len());
            let billed = &theirs["meta"]["billed_units"];
            let tokens = number(&billed["input_tokens"])
                + number(&billed["image_tokens"])
                + number(&theirs["prompt_eval_count"]);
            // Pictures are counted in pieces, not in tokens.
            assert_eq!(metered.usage().map(|usage| usage.prompt), (tokens > 0).then_some(tokens), "{}", recording.name);
            assert_eq!(got["usage"], json!({"prompt_tokens": tokens, "total_tokens": tokens}));
            count += 1;
        }
    }
    for recording in recordings("voyage", "openai.embeddings") {
        let theirs: Value = serde_json::from_str(recording.body()).unwrap();
        let request = json!({"input": ["a"], "encoding_format": "base64"}).to_string();
        let (got, metered) = answered("voyage", Endpoint::Embeddings, &recording, &request);
        assert_eq!(got["data"][0]["embedding"], theirs["data"][0]["embedding"]);
        assert_eq!(metered.usage().unwrap().prompt, number(&theirs["usage"]["total_tokens"]));
        let (got, _) = answered("voyage", Endpoint::Embeddings, &recording, &json!({"input": ["a"]}).to_string());
        assert!(got["data"][0]["embedding"].as_array().unwrap().len() > 100);
        count += 1;
    }
    println!("{count} answers with embeddings");
}

#[test]
fn rankings_are_answered_in_cohere_form() {
    let mut count = 0;
    let kinds = [
        ("cohere", "cohere", "cohere.v2.rerank"),
        ("cohere", "cohere", "cohere.v1.rerank"),
        ("voyage", "voyage", "rerank"),
        ("llamacpp", "jina_ai", "rerank"),
        ("openrouter", "jina_ai", "rerank"),
    ];
    for (folder, vendor, kind) in kinds {
        for recording in recordings(folder, kind) {
            let theirs: Value = serde_json::from_str(recording.body()).unwrap();
            let list = theirs["results"].as_array().or_else(|| theirs["data"].as_array()).unwrap();
            let mut request: Value = serde_json::from_str(recording.request()).unwrap();
            let (got, metered) = answered(vendor, Endpoint::Rerank, &recording, &request.to_string());
            assert_eq!(got["results"].as_array().unwrap().len(), list.len());
            for (got, want) in got["results"].as_array().unwrap().iter().zip(list) {
                assert_eq!((&got["index"], &got["relevance_score"]), (&want["index"], &want["relevance_score"]));
            }
            assert_eq!(metered.usage().unwrap().prompt, number(&theirs["usage"]["total_tokens"]), "{}", recording.name);
            request["return_documents"] = true.into();
            let (got, _) = answered(vendor, Endpoint::Rerank, &recording, &request.to_string());
            for result in got["results"].as_array().unwrap() {
                let own = &request["documents"][usize::try_from(number(&result["index"])).unwrap()];
                assert_eq!(&result["document"]["text"], own);
            }
            count += 1;
        }
    }
    println!("{count} rankings");
}
