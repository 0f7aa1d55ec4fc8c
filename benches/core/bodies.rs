//! What clients and providers send, of the sizes that are counted.

use std::fmt::Write as _;

use bytes::Bytes;

pub(crate) const SENTENCE: &str =
    "A toll gate lets those pass who paid, counts them, and keeps the road in order.\\nNext: ";

/// A chat request of about this many bytes.
pub(crate) fn chat(bytes: usize, stream: bool) -> Bytes {
    let mut body = String::from(r#"{"model":"gpt-4o","temperature":0.7,"max_tokens":256,"#);
    if stream {
        body.push_str(r#""stream":true,"#);
    }
    body.push_str(r#""messages":[{"role":"system","content":"You are a gatekeeper."}"#);
    while body.len() + 200 < bytes {
        let room = (bytes - body.len() - 100).min(4 * 1024);
        let text = SENTENCE.repeat((room / SENTENCE.len()).max(1));
        // Writing to a string cannot fail.
        let _infallible = write!(body, r#",{{"role":"user","content":"{text}"}}"#);
    }
    body.push_str(r#"],"user":"bench"}"#);
    Bytes::from(body)
}

/// A provider's answer of about a kibibyte.
pub(crate) fn answer() -> Bytes {
    let text = SENTENCE.repeat(6);
    Bytes::from(format!(
        r#"{{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion","created":1741569952,"model":"gpt-4o-2024-08-06","choices":[{{"index":0,"message":{{"role":"assistant","content":"{text}","refusal":null,"annotations":[]}},"logprobs":null,"finish_reason":"stop"}}],"usage":{{"prompt_tokens":219,"completion_tokens":97,"total_tokens":316,"prompt_tokens_details":{{"cached_tokens":0,"audio_tokens":0}},"completion_tokens_details":{{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}},"service_tier":"default","system_fingerprint":"fp_fc9f1d7035"}}"#
    ))
}

/// A stream of this many events besides usage and `[DONE]`, each a chunk of its own.
pub(crate) fn stream(events: usize) -> Vec<Bytes> {
    let opening = r#"data: {"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,"model":"gpt-4o-2024-08-06","service_tier":"default","system_fingerprint":"fp_fc9f1d7035","#;
    let event = |delta: &str, finish: &str| {
        let choice = format!(r#"{{"index":0,"delta":{{{delta}}},"logprobs":null,"finish_reason":{finish}}}"#);
        Bytes::from(format!("{opening}\"choices\":[{choice}],\"usage\":null}}\n\n"))
    };
    let mut chunks = vec![event(r#""role":"assistant","content":"","refusal":null"#, "null")];
    chunks.extend((2..events).map(|number| event(&format!(r#""content":" word{number}""#), "null")));
    chunks.push(event("", "\"stop\""));
    let usage = r#""usage":{"prompt_tokens":219,"completion_tokens":98,"total_tokens":317,"prompt_tokens_details":{"cached_tokens":0}}"#;
    chunks.push(Bytes::from(format!("{opening}\"choices\":[],{usage}}}\n\n")));
    chunks.push(Bytes::from_static(b"data: [DONE]\n\n"));
    chunks
}
