//! Recorded exchanges with Amazon Bedrock: what is read of answers is what they hold, whatever the chunk boundaries.
#![expect(clippy::disallowed_types, reason = "an independent reading of the recordings")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use serde_json::{Map, Value};
use tollgate::chat::{Broken, DecodeEnd, Delta, Finish, Sink};
use tollgate::dialect::Endpoint;
use tollgate::provider::{self, bedrock::Unchunk};
use tollgate::vocabulary::Metered;

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/wire/dev/bedrock");
const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const EVENT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What an answer says, put together.
#[derive(Debug, Default, PartialEq)]
struct Said {
    text: String,
    thinking: String,
    signatures: Vec<String>,
    redacted: Vec<String>,
    calls: Vec<(String, String, Value)>,
    citations: Vec<(String, String)>,
    natives: Vec<String>,
    finish: Option<String>,
}

#[derive(Default)]
struct Gather {
    said: Said,
    arguments: Vec<String>,
    starts: usize,
}

impl Sink for Gather {
    fn delta(&mut self, choice: u32, delta: Delta<'_>) {
        assert_eq!(choice, 0);
        assert!(self.said.finish.is_none(), "nothing comes after the end: {delta:?}");
        let said = &mut self.said;
        match delta {
            Delta::Start { .. } => self.starts += 1,
            Delta::Text(text) => said.text.push_str(text),
            Delta::Thinking(text) => said.thinking.push_str(text),
            Delta::Signature(signature) => said.signatures.push(signature.to_owned()),
            Delta::Redacted(data) => said.redacted.push(data.to_owned()),
            Delta::ToolCall { index, id, name, .. } => {
                assert_eq!(index as usize, said.calls.len());
                said.calls.push((id.to_owned(), name.to_owned(), Value::Null));
                self.arguments.push(String::new());
            }
            Delta::Arguments { index, json } => self.arguments[index as usize].push_str(json),
            Delta::Citation { title, text, start, end, .. } => {
                assert!(start.unwrap() <= end.unwrap() && end.unwrap() as usize <= said.text.chars().count());
                said.citations.push((title.unwrap_or_default().to_owned(), text.unwrap_or_default().to_owned()));
            }
            Delta::Native { key, json, .. } => {
                assert!(serde_json::from_str::<Map<String, Value>>(json).is_ok(), "{json}");
                if !matches!(key, "metrics" | "serviceTier" | "performanceConfig") {
                    said.natives.push(key.to_owned());
                }
            }
            Delta::Finish(finish) => said.finish = Some(format!("{finish:?}")),
            Delta::Refusal(_) | Delta::Media { .. } => panic!("not recorded: {delta:?}"),
        }
    }
}

impl Gather {
    fn said(mut self) -> Said {
        assert_eq!(self.starts, 1);
        for (call, arguments) in self.said.calls.iter_mut().zip(&self.arguments) {
            call.2 =
                if arguments.is_empty() { Value::Object(Map::new()) } else { serde_json::from_str(arguments).unwrap() };
        }
        self.said
    }
}

struct Recording {
    id: String,
    exchange: Value,
}

impl Recording {
    fn body(&self) -> Vec<u8> {
        let response = &self.exchange["response"];
        let body = response["body"].as_str().unwrap_or_default();
        match response["body_encoding"].as_str() {
            Some("base64") => STANDARD.decode(body).unwrap(),
            _ => body.as_bytes().to_vec(),
        }
    }
}

/// The good answers of one API.
fn recordings(api: &str) -> Vec<Recording> {
    let Ok(entries) = std::fs::read_dir(RECORDINGS) else {
        eprintln!("SKIPPED: no recordings at {RECORDINGS}");
        return Vec::new();
    };
    let read = |path: std::path::PathBuf| {
        let exchange: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        Recording { id: exchange["id"].as_str().unwrap().to_owned(), exchange }
    };
    let all = entries.map(|entry| read(entry.unwrap().path()));
    all.filter(|one| one.exchange["api"] == api && one.exchange["response"]["status"] == 200).collect()
}

fn finish(word: &str) -> String {
    let finish = match word {
        "end_turn" => Finish::Stop,
        "tool_use" => Finish::ToolCalls,
        "max_tokens" => Finish::Length,
        "stop_sequence" => Finish::StopSequence(None),
        "guardrail_intervened" | "content_filtered" => Finish::ContentFilter,
        other => Finish::Other(other),
    };
    format!("{finish:?}")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Reads the parts of an answer as they stand in the recording.
fn expected(blocks: &[Value]) -> Said {
    let mut said = Said::default();
    for block in blocks {
        let cited = &block["citationsContent"];
        said.text.push_str(&text(&block["text"]));
        for piece in cited["content"].as_array().into_iter().flatten() {
            said.text.push_str(&text(&piece["text"]));
        }
        for citation in cited["citations"].as_array().into_iter().flatten() {
            let sources = citation["sourceContent"].as_array().into_iter().flatten();
            said.citations.push((text(&citation["title"]), sources.map(|source| text(&source["text"])).collect()));
        }
        let call = &block["toolUse"];
        match call["type"].as_str() {
            _ if call.is_null() => {}
            Some("server_tool_use") => said.natives.push("toolUse".to_owned()),
            _ => said.calls.push((text(&call["toolUseId"]), text(&call["name"]), call["input"].clone())),
        }
        if !block["toolResult"].is_null() {
            said.natives.push("toolResult".to_owned());
        }
        let thought = &block["reasoningContent"];
        said.thinking.push_str(&text(&thought["reasoningText"]["text"]));
        said.signatures.extend(thought["reasoningText"]["signature"].as_str().map(str::to_owned));
        said.redacted.extend(thought["redactedContent"].as_str().map(str::to_owned));
    }
    said
}

fn check_usage(metered: Metered, usage: &Value, id: &str) {
    let Metered::Reported(found) = metered else { panic!("{id}: {metered:?}") };
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    assert_eq!(found.total(), count("totalTokens"), "{id}");
    assert_eq!(found.completion, count("outputTokens"), "{id}");
    assert_eq!(found.cache_read, count("cacheReadInputTokens"), "{id}");
    assert_eq!(found.cache_write + found.cache_write_1h, count("cacheWriteInputTokens"), "{id}");
}

#[test]
fn whole_answers_are_read() {
    let converse = provider::find("bedrock").unwrap().chat(CLAUDE).unwrap();
    let (mut read, mut others) = (0, 0);
    for recording in recordings("bedrock.converse") {
        let body = recording.body();
        let Ok(reply) = serde_json::from_slice::<Value>(&body) else {
            // A stream that was recorded under the other name.
            others += 1;
            continue;
        };
        let mut gather = Gather::default();
        let metered = converse.read(&body, &mut gather);
        let Some(blocks) = reply["output"]["message"]["content"].as_array() else {
            assert!(matches!(metered, Err(Broken::Malformed(_))), "{}", recording.id);
            others += 1;
            continue;
        };
        let mut expected = expected(blocks);
        expected.finish = Some(finish(reply["stopReason"].as_str().unwrap()));
        let besides = ["trace", "additionalModelResponseFields"];
        expected.natives.extend(besides.into_iter().filter(|key| reply[key].is_object()).map(str::to_owned));
        assert_eq!(gather.said(), expected, "{}", recording.id);
        check_usage(metered.unwrap(), &reply["usage"], &recording.id);
        read += 1;
    }
    eprintln!("{read} whole answers, {others} that are none");
    assert!(read >= 85 || !std::path::Path::new(RECORDINGS).exists());
}

/// The events of a stream, read without our decoder: name and payload.
fn events(wire: &[u8]) -> Vec<(String, Value)> {
    let number = |at: usize| u32::from_be_bytes(wire[at..at + 4].try_into().unwrap()) as usize;
    let (mut events, mut at) = (Vec::new(), 0);
    while at < wire.len() {
        let (length, headers) = (number(at), number(at + 4));
        let (mut name, mut place) = (String::new(), at + 12);
        while place < at + 12 + headers {
            let key = &wire[place + 1..place + 1 + usize::from(wire[place])];
            place += 2 + key.len();
            let value_length = usize::from(u16::from_be_bytes(wire[place..place + 2].try_into().unwrap()));
            if key == b":event-type" {
                name = String::from_utf8(wire[place + 2..place + 2 + value_length].to_vec()).unwrap();
            }
            place += 2 + value_length;
        }
        events.push((name, serde_json::from_slice(&wire[at + 12 + headers..at + length - 4]).unwrap()));
        at += length;
    }
    events
}

/// Recordings of events as JSON lines, in the framing that they had.
fn framed(lines: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    for line in std::str::from_utf8(lines).unwrap().lines().filter(|line| !line.is_empty()) {
        let event: Map<String, Value> = serde_json::from_str(line).unwrap();
        let (name, payload) = event.into_iter().next().unwrap();
        let payload = payload.to_string();
        let name =
            [&[11], b":event-type".as_slice(), &[7], &(name.len() as u16).to_be_bytes(), name.as_bytes()].concat();
        let mut message = [(16 + name.len() + payload.len()) as u32, name.len() as u32].map(u32::to_be_bytes).concat();
        message.extend(crc32fast::hash(&message).to_be_bytes());
        message.extend([&name, payload.as_bytes()].concat());
        message.extend(crc32fast::hash(&message).to_be_bytes());
        wire.extend(message);
    }
    wire
}

/// Puts the pieces of a stream together to the parts of a whole answer.
fn blocks(events: &[(String, Value)]) -> (Vec<Value>, Option<String>, Option<Value>) {
    let (mut blocks, mut stop, mut usage): (Vec<(u64, Value)>, _, _) = (Vec::new(), None, None);
    for (name, event) in events {
        let index = event["contentBlockIndex"].as_u64().unwrap_or(0);
        if name.starts_with("contentBlock") && !blocks.iter().any(|(known, _)| *known == index) {
            blocks.push((index, Value::Object(Map::new())));
        }
        let block = blocks.iter_mut().find(|(known, _)| *known == index).map(|(_, block)| block);
        match name.as_str() {
            "contentBlockStart" => *block.unwrap() = event["start"].clone(),
            "contentBlockDelta" => add(block.unwrap(), &event["delta"]),
            "messageStop" => stop = event["stopReason"].as_str().map(str::to_owned),
            "metadata" => usage = Some(event.clone()),
            _ => {}
        }
    }
    let blocks = blocks.into_iter().map(|(_, mut block)| {
        let input = block["toolUse"]["pieces"].as_str().map(|pieces| if pieces.is_empty() { "{}" } else { pieces });
        if let Some(input) = input.map(|input| serde_json::from_str(input).unwrap()) {
            block["toolUse"]["input"] = input;
        } else if block["toolUse"].is_object() {
            block["toolUse"]["input"] = Value::Object(Map::new());
        }
        block
    });
    (blocks.collect(), stop, usage)
}

fn push(value: &mut Value, piece: &Value) {
    if let Some(piece) = piece.as_str() {
        *value = Value::String(text(value) + piece);
    }
}

fn add(block: &mut Value, delta: &Value) {
    push_if(block, "text", &delta["text"]);
    if delta["toolUse"].is_object() {
        push(&mut block["toolUse"]["pieces"], &delta["toolUse"]["input"]);
    }
    let thought = &delta["reasoningContent"];
    if thought.is_object() {
        if thought["redactedContent"].is_string() {
            block["reasoningContent"]["redactedContent"] = thought["redactedContent"].clone();
        }
        for key in ["text", "signature"] {
            if thought[key].is_string() {
                push(&mut block["reasoningContent"]["reasoningText"][key], &thought[key]);
            }
        }
    }
    if delta["citation"].is_object() {
        let cited = &mut block["citationsContent"]["citations"];
        match cited.as_array_mut() {
            Some(list) => list.push(delta["citation"].clone()),
            None => *cited = Value::Array(vec![delta["citation"].clone()]),
        }
    }
}

fn push_if(block: &mut Value, key: &str, piece: &Value) {
    if piece.is_string() {
        push(&mut block[key], piece);
    }
}

fn decode(wire: &[u8], length: usize) -> (Said, DecodeEnd, Metered) {
    let mut decoder = provider::find("bedrock").unwrap().chat(CLAUDE).unwrap().decoder(EVENT_BYTES_MAX);
    let mut gather = Gather::default();
    for chunk in wire.chunks(length) {
        decoder.push(Bytes::copy_from_slice(chunk), &mut gather).unwrap();
    }
    let end = decoder.finish(&mut gather).unwrap();
    let metered = decoder.metered();
    (gather.said(), end, metered)
}

#[test]
fn streams_are_read_whatever_the_chunks() {
    let mut read = 0;
    for recording in recordings("bedrock.converse-stream") {
        let is_text = recording.exchange["response"]["body_encoding"] == "text";
        let wire = if is_text { framed(&recording.body()) } else { recording.body() };
        let (blocks, stop, metadata) = blocks(&events(&wire));
        let mut expected = expected(&blocks);
        expected.finish = stop.as_deref().map(finish);
        let has_trace = metadata.as_ref().is_some_and(|metadata| metadata["trace"].is_object());
        expected.natives.extend(has_trace.then(|| "trace".to_owned()));
        for length in [wire.len(), 1, 7, 1000] {
            let (said, end, metered) = decode(&wire, length);
            assert_eq!(said, expected, "{} in chunks of {length}", recording.id);
            assert_eq!(end == DecodeEnd::Complete, stop.is_some(), "{}", recording.id);
            match &metadata {
                Some(metadata) => check_usage(metered, &metadata["usage"], &recording.id),
                None => assert_eq!(metered, Metered::Absent),
            }
        }
        read += 1;
    }
    eprintln!("{read} streams");
    assert!(read >= 30 || !std::path::Path::new(RECORDINGS).exists());
}

#[test]
fn chunks_of_invoke_become_events() {
    let mut read = 0;
    for recording in recordings("bedrock.invoke-with-response-stream") {
        let wire = recording.body();
        let expected: String = events(&wire)
            .iter()
            .map(|(_, chunk)| {
                let json = String::from_utf8(STANDARD.decode(chunk["bytes"].as_str().unwrap()).unwrap()).unwrap();
                let event: Value = serde_json::from_str(&json).unwrap();
                let name = event["type"].as_str().map(|name| format!("event: {name}\n")).unwrap_or_default();
                format!("{name}data: {json}\n\n")
            })
            .collect();
        for length in [wire.len(), 1, 100] {
            let (mut unchunk, mut out) = (Unchunk::new(EVENT_BYTES_MAX), BytesMut::new());
            for chunk in wire.chunks(length) {
                unchunk.push(Bytes::copy_from_slice(chunk), &mut out).unwrap();
            }
            assert_eq!(
                (std::str::from_utf8(&out).unwrap(), unchunk.finish()),
                (expected.as_str(), DecodeEnd::Complete)
            );
        }
        read += 1;
    }
    eprintln!("{read} streams of InvokeModel");
    assert!(read >= 10 || !std::path::Path::new(RECORDINGS).exists());
}

#[test]
fn embeddings_and_rankings_of_invoke_are_read() {
    let bedrock = provider::find("bedrock").unwrap();
    for recording in recordings("bedrock.invoke") {
        let model = recording.exchange["model"].as_str().unwrap();
        let reply: Value = serde_json::from_slice(&recording.body()).unwrap();
        if let Some(api) = bedrock.call(Endpoint::Embeddings, model) {
            let (list, metered) = api.read(&recording.body(), "m", b"{}").unwrap();
            let list: Value = serde_json::from_slice(&list).unwrap();
            let vector =
                if reply["embedding"].is_array() { &reply["embedding"] } else { &reply["embeddings"]["float"][0] };
            assert_eq!(&list["data"][0]["embedding"], vector, "{}", recording.id);
            let prompt = reply["inputTextTokenCount"].as_u64();
            assert_eq!(metered.usage().map(|usage| usage.prompt), prompt);
        }
        if let Some(api) = bedrock.call(Endpoint::Rerank, model) {
            let (answer, _) = api.read(&recording.body(), "m", b"{}").unwrap();
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!(answer["results"], reply["results"], "{}", recording.id);
        }
    }
}
