//! Providers that answer what `tests/sdk/answers` holds, each in its own API, and tell what they were asked.
//!
//! A request's path says whose API it is; what the request holds says which answer it gets, so that a test program has
//! nothing to arrange. `GET /received` gives what came since the last such question, as JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;

use serde::Serialize;
use serde_json::value::RawValue;

use super::hostile::{Hostile, Play, Received};

/// The only tool that is ever called: a client's own tools are left alone.
const TOOL: &str = "get_weather";
/// The result of a tool, as the APIs spell it.
const RESULTS: [&str; 5] =
    [r#""tool_result""#, r#""functionResponse""#, r#""toolResult""#, r#""function_call_output""#, r#""tool_call_id""#];
/// A schema that the answer must follow, as the APIs spell it.
const SCHEMAS: [&str; 3] = [r#""responseJsonSchema""#, r#""responseSchema""#, r#""json_schema""#];

/// One for all vendors, on a free port. It stops when it is dropped.
pub(crate) struct Playback(Hostile);

impl Playback {
    /// Listens.
    pub(crate) fn start() -> Self {
        let journal = Mutex::new(Vec::new());
        Self(Hostile::start(move |request| match path(request) {
            "/received" => tell(&mut journal.lock().unwrap()),
            _ => {
                journal.lock().unwrap().push(request.clone());
                play(request)
            }
        }))
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        self.0.url()
    }
}

/// Whose API a path belongs to, and what it asks for.
struct Asked {
    folder: &'static str,
    /// The one answer there is.
    only: Option<&'static str>,
    streams: bool,
}

impl Asked {
    fn chat(folder: &'static str, streams: bool) -> Option<Self> {
        Some(Self { folder, only: None, streams })
    }

    fn only(folder: &'static str, answer: &'static str) -> Option<Self> {
        Some(Self { folder, only: Some(answer), streams: false })
    }

    fn read(request: &Received) -> Option<Self> {
        let path = path(request).split('?').next().unwrap_or_default();
        let streams = request.body.contains(r#""stream":true"#) || request.body.contains(r#""stream": true"#);
        let last = path.rsplit(['/', ':']).next().unwrap_or_default();
        match last {
            "messages" => Self::chat("anthropic", streams),
            "count_tokens" => Self::only("anthropic", "count"),
            "generateContent" => Self::chat("gemini", false),
            "streamGenerateContent" => Self::chat("gemini", true),
            "countTokens" => Self::only("gemini", "count"),
            "batchEmbedContents" => Self::only("gemini", "embed"),
            "converse" => Self::chat("bedrock", false),
            "converse-stream" => Self::chat("bedrock", true),
            "responses" => Self::chat("responses", streams),
            "completions" => Self::chat("chat", streams),
            "moderations" => Self::only("openai", "moderation"),
            "embed" => Self::only("cohere", "embed"),
            _ => None,
        }
    }
}

fn play(request: &Received) -> Play {
    let Some(asked) = Asked::read(request) else {
        return Play::json(404, r#"{"error":{"message":"no such path of any provider"}}"#);
    };
    if request.head.contains("busy") || request.body.contains("upstream-busy") {
        let status = if asked.folder == "anthropic" { 529 } else { 503 };
        return Play::answer(status, "Content-Type: application/json\r\n", load(&asked, "busy", "json"));
    }
    let name = asked.only.unwrap_or_else(|| answer(request));
    if !asked.streams {
        return Play::json(200, &load(&asked, name, "json"));
    }
    let events = load(&asked, name, "sse");
    match asked.folder {
        "bedrock" => Play::answer(200, "Content-Type: application/vnd.amazon.eventstream\r\n", frames(&events)),
        _ => Play::events(&events).ended(),
    }
}

/// Which answer a chat gets.
fn answer(request: &Received) -> &'static str {
    let holds = |text: &str| request.body.contains(text);
    if holds("upstream-broken") {
        "broken"
    } else if RESULTS.iter().any(|word| holds(word)) {
        "final"
    } else if holds(TOOL) {
        "tool"
    } else if SCHEMAS.iter().any(|word| holds(word)) {
        "json"
    } else if holds(r#""budget_tokens""#) {
        "thinking"
    } else {
        "text"
    }
}

fn load(asked: &Asked, name: &str, ending: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/sdk/answers").join(asked.folder);
    std::fs::read_to_string(folder.join(format!("{name}.{ending}"))).unwrap()
}

fn path(request: &Received) -> &str {
    request.head.split(' ').nth(1).unwrap_or_default()
}

/// Events as AWS frames them: lengths, checksums, and the event's name as a header.
fn frames(events: &str) -> Vec<u8> {
    let named = events.split("\n\n").filter_map(|event| event.strip_prefix("event: ")?.split_once("\ndata: "));
    named.flat_map(|(name, data)| frame(name, data)).collect()
}

fn frame(name: &str, data: &str) -> Vec<u8> {
    let mut headers = Vec::new();
    for (key, value) in [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")] {
        headers.push(u8::try_from(key.len()).unwrap());
        headers.extend_from_slice(key.as_bytes());
        // Seven: a text.
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    // Two lengths and their checksum before, one checksum after.
    let total = 12 + headers.len() + data.len() + 4;
    let mut frame = u32::try_from(total).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(&u32::try_from(headers.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(data.as_bytes());
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame
}

/// A request as test programs see it.
#[derive(Serialize)]
struct Told<'a> {
    path: &'a str,
    headers: BTreeMap<String, &'a str>,
    body: Option<&'a RawValue>,
}

/// Tells what was received, and forgets it.
fn tell(journal: &mut Vec<Received>) -> Play {
    let requests = std::mem::take(journal);
    let told: Vec<Told<'_>> = requests.iter().map(told).collect();
    Play::json(200, &serde_json::to_string(&told).unwrap())
}

fn told(request: &Received) -> Told<'_> {
    let lines = request.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
    Told {
        path: path(request),
        headers: lines.map(|(name, value)| (name.to_ascii_lowercase(), value.trim())).collect(),
        body: serde_json::from_str(&request.body).ok(),
    }
}
