//! Providers that a chat is carried or translated to: what they are called, and what they answer.

use bytes::Bytes;

use crate::bodies;

/// A provider whose answers are counted.
#[derive(Clone, Copy)]
pub(crate) enum Vendor {
    /// Carried: the client's own dialect.
    OpenAi,
    Anthropic,
    Gemini,
    Bedrock,
}

impl Vendor {
    /// `litellm_params` of its deployment.
    pub(crate) const fn params(self) -> &'static str {
        match self {
            Self::OpenAi => "{model: openai/gpt-4o-2024-08-06, api_key: sk-upstream-0123456789}",
            Self::Anthropic => "{model: anthropic/claude-sonnet-4-5, api_key: sk-upstream-0123456789}",
            Self::Gemini => "{model: gemini/gemini-2.5-flash, api_key: sk-upstream-0123456789}",
            Self::Bedrock => "{model: bedrock/amazon.nova-lite-v1:0, api_key: sk-upstream-0123456789}",
        }
    }

    /// The content type of its streams.
    pub(crate) const fn stream_type(self) -> &'static str {
        match self {
            Self::Bedrock => "application/vnd.amazon.eventstream",
            Self::OpenAi | Self::Anthropic | Self::Gemini => "text/event-stream",
        }
    }

    /// An answer of about a kibibyte.
    pub(crate) fn answer(self) -> Bytes {
        let text = bodies::SENTENCE.repeat(6);
        Bytes::from(match self {
            Self::OpenAi => return bodies::answer(),
            Self::Anthropic => format!(
                r#"{{"id":"msg_01","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":219,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":97}}}}"#
            ),
            Self::Gemini => format!(
                r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}],"role":"model"}},"finishReason":"STOP","index":0}}],"usageMetadata":{{"promptTokenCount":219,"candidatesTokenCount":97,"totalTokenCount":316}},"modelVersion":"gemini-2.5-flash","responseId":"r"}}"#
            ),
            Self::Bedrock => format!(
                r#"{{"metrics":{{"latencyMs":812}},"output":{{"message":{{"content":[{{"text":"{text}"}}],"role":"assistant"}}}},"stopReason":"end_turn","usage":{{"inputTokens":219,"outputTokens":97,"totalTokens":316}}}}"#
            ),
        })
    }

    /// A stream of this many pieces of text, each a chunk of its own.
    pub(crate) fn stream(self, pieces: usize) -> Vec<Bytes> {
        match self {
            Self::OpenAi => bodies::stream(pieces),
            Self::Anthropic => anthropic(pieces),
            Self::Gemini => gemini(pieces),
            Self::Bedrock => bedrock(pieces),
        }
    }
}

fn anthropic(pieces: usize) -> Vec<Bytes> {
    let event = |name: &str, rest: &str| Bytes::from(format!("event: {name}\ndata: {{\"type\":\"{name}\"{rest}}}\n\n"));
    let mut chunks = vec![
        event(
            "message_start",
            r#","message":{"id":"msg_01","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":219,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}"#,
        ),
        event("content_block_start", r#","index":0,"content_block":{"type":"text","text":""}"#),
    ];
    let piece = |number| format!(r#","index":0,"delta":{{"type":"text_delta","text":" word{number}"}}"#);
    chunks.extend((0..pieces).map(|number| event("content_block_delta", &piece(number))));
    chunks.push(event("content_block_stop", r#","index":0"#));
    let end = r#","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":98}"#;
    chunks.push(event("message_delta", end));
    chunks.push(event("message_stop", ""));
    chunks
}

fn gemini(pieces: usize) -> Vec<Bytes> {
    let event = |text: &str, finish: &str| {
        Bytes::from(format!(
            "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\"{text}\"}}],\"role\":\"model\"}},{finish}\"index\":0}}],\"usageMetadata\":{{\"promptTokenCount\":219,\"candidatesTokenCount\":98,\"totalTokenCount\":317}},\"modelVersion\":\"gemini-2.5-flash\",\"responseId\":\"r\"}}\r\n\r\n"
        ))
    };
    let mut chunks: Vec<_> = (1..pieces).map(|number| event(&format!(" word{number}"), "")).collect();
    chunks.push(event(" end", "\"finishReason\":\"STOP\","));
    chunks
}

fn bedrock(pieces: usize) -> Vec<Bytes> {
    let piece = |number| format!(r#"{{"contentBlockIndex":0,"delta":{{"text":" word{number}"}},"p":"abcdefgh"}}"#);
    let mut chunks = vec![message("messageStart", r#"{"p":"abcdefgh","role":"assistant"}"#)];
    chunks.extend((0..pieces).map(|number| message("contentBlockDelta", &piece(number))));
    chunks.push(message("contentBlockStop", r#"{"contentBlockIndex":0,"p":"abcdefgh"}"#));
    chunks.push(message("messageStop", r#"{"p":"abcdefgh","stopReason":"end_turn"}"#));
    let usage =
        r#"{"metrics":{"latencyMs":812},"p":"ab","usage":{"inputTokens":219,"outputTokens":98,"totalTokens":317}}"#;
    chunks.push(message("metadata", usage));
    chunks
}

/// One message of an AWS event stream.
fn message(event: &str, payload: &str) -> Bytes {
    let mut headers = Vec::new();
    for (name, value) in [(":event-type", event), (":content-type", "application/json"), (":message-type", "event")] {
        headers.push(u8::try_from(name.len()).unwrap_or(0));
        headers.extend_from_slice(name.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap_or(0).to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let total = u32::try_from(16 + headers.len() + payload.len()).unwrap_or(0);
    let mut out = Vec::new();
    out.extend_from_slice(&total.to_be_bytes());
    out.extend_from_slice(&u32::try_from(headers.len()).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(&crc32(&out).to_be_bytes());
    out.extend_from_slice(&headers);
    out.extend_from_slice(payload.as_bytes());
    out.extend_from_slice(&crc32(&out).to_be_bytes());
    Bytes::from(out)
}

/// The checksum of Ethernet and zip, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 })
    })
}
