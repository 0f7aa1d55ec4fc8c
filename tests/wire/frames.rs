//! How streams are framed: server-sent events, lines of JSON, AWS event stream messages. Read the plain way.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use flate2::Crc;
use serde_json::Value;

/// One event: its name, where it has one, and its data.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: Option<String>,
    pub(crate) data: String,
}

impl Event {
    /// The data as JSON.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.data).ok()
    }
}

/// The server-sent events of a text.
pub(crate) fn sse(text: &str) -> Vec<Event> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let field = |line: &str, name: &str| {
        let rest = line.strip_prefix(name)?.strip_prefix(':')?;
        Some(rest.strip_prefix(' ').unwrap_or(rest).to_owned())
    };
    let event = |block: &str| {
        let data: Vec<_> = block.lines().filter_map(|line| field(line, "data")).collect();
        let name = block.lines().filter_map(|line| field(line, "event")).next_back();
        (!data.is_empty()).then(|| Event { name, data: data.join("\n") })
    };
    text.split("\n\n").filter_map(event).collect()
}

/// Where each event of a stream ends, in bytes.
pub(crate) fn ends(body: &[u8]) -> Vec<usize> {
    if body.starts_with(&[0]) {
        return messages(body).map(|(end, ..)| end).collect();
    }
    let text = body;
    let separator: &[u8] = match () {
        () if find(text, b"\r\n\r\n").is_some() => b"\r\n\r\n",
        () if find(text, b"\n\n").is_some() => b"\n\n",
        () => b"\n",
    };
    let mut ends = Vec::new();
    let mut at = 0;
    while let Some(next) = text.get(at..).and_then(|rest| find(rest, separator)) {
        at += next + separator.len();
        ends.push(at);
    }
    ends
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// The messages of an AWS event stream: the type of each event and its payload.
pub(crate) fn aws(body: &[u8]) -> Vec<(String, Value)> {
    messages(body).map(|(_, name, payload)| (name, serde_json::from_slice(payload).unwrap_or(Value::Null))).collect()
}

/// What is invoked at Bedrock streams its own events in base64: those, as server-sent events.
pub(crate) fn text(body: &[u8]) -> String {
    if !body.starts_with(&[0]) {
        return String::from_utf8_lossy(body).into_owned();
    }
    let event = |(name, payload): (String, Value)| match payload["bytes"].as_str() {
        Some(bytes) => {
            let event = String::from_utf8(BASE64_STANDARD.decode(bytes).unwrap()).unwrap();
            let value: Value = serde_json::from_str(&event).unwrap();
            format!("event: {}\ndata: {event}\n\n", value["type"].as_str().unwrap_or_default())
        }
        None => format!("event: {name}\ndata: {payload}\n\n"),
    };
    aws(body).into_iter().map(event).collect()
}

/// Each message: where it ends, its `:event-type` or `:exception-type`, its payload.
fn messages(body: &[u8]) -> impl Iterator<Item = (usize, String, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = body.get(at..).filter(|rest| rest.len() >= 16)?;
        let number = |at: usize| u32::from_be_bytes(rest[at..at + 4].try_into().unwrap()) as usize;
        let (total, headers) = (number(0), number(4));
        let message = rest.get(..total)?;
        at += total;
        Some((at, event_type(&message[12..12 + headers]), &message[12 + headers..total - 4]))
    })
}

/// Headers here are all strings: a name's length, the name, 7, the value's length, the value.
fn event_type(mut headers: &[u8]) -> String {
    while let Some((&length, rest)) = headers.split_first() {
        let (name, rest) = rest.split_at(usize::from(length));
        assert_eq!(rest[0], 7, "a header that is no string");
        let (value, rest) = rest[3..].split_at(usize::from(u16::from_be_bytes([rest[1], rest[2]])));
        if name == b":event-type" || name == b":exception-type" {
            return String::from_utf8(value.to_vec()).unwrap();
        }
        headers = rest;
    }
    String::new()
}

/// Frames lines of JSON, `{"contentBlockDelta":{...}}` each, as AWS event stream messages.
pub(crate) fn encode(lines: &[u8]) -> Vec<u8> {
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let events = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap());
    events
        .flat_map(|event| event.as_object().unwrap().clone())
        .flat_map(|(name, payload)| message(&name, &payload))
        .collect()
}

fn message(name: &str, payload: &Value) -> Vec<u8> {
    let mut headers = Vec::new();
    for (key, value) in [(":event-type", name), (":content-type", "application/json"), (":message-type", "event")] {
        headers.push(u8::try_from(key.len()).unwrap());
        headers.extend_from_slice(key.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let payload = payload.to_string();
    let mut message = Vec::new();
    for length in [16 + headers.len() + payload.len(), headers.len()] {
        message.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
    }
    message.extend_from_slice(&checksum(&message));
    message.extend_from_slice(&headers);
    message.extend_from_slice(payload.as_bytes());
    let sum = checksum(&message);
    message.extend_from_slice(&sum);
    message
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_be_bytes()
}
