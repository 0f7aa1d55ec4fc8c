//! Whatever a provider's API can answer comes to a client of every dialect in that dialect's words, whole and streamed, with
//! its usage; errors in a 200 are errors.
#![expect(clippy::disallowed_types, reason = "an independent reading of what was told")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use bytes::Bytes;
use serde_json::{Value, json};
use tollgate::chat::{Answer, Broken, DecodeEnd};
use tollgate::dialect::{self, Endpoint};
use tollgate::provider;
use tollgate::vocabulary::{Metered, Units, Usage};

/// A client's API.
#[derive(Clone, Copy, Debug, PartialEq)]
enum To {
    Chat,
    Messages,
    Responses,
    Gemini,
}
use To::{Chat, Gemini, Messages, Responses};

/// Where what stands in a whole answer.
type Told = (To, &'static str, &'static str);

const TEXT: &str = "/choices/0/message/content";
const FINISH: &str = "/choices/0/finish_reason";
const STOP: &str = "/stop_reason";
const REASON: &str = "/candidates/0/finishReason";
const STATUS: &str = "/incomplete_details/reason";

fn endpoint(to: To) -> Endpoint {
    match to {
        Chat => Endpoint::ChatCompletions,
        Messages => Endpoint::Messages,
        Responses => Endpoint::Responses,
        Gemini => Endpoint::GenerateContent,
    }
}

/// A provider's answer.
#[derive(Clone, Copy)]
struct From<'a> {
    provider: &'a str,
    model: &'a str,
    stream: bool,
}

const ANTHROPIC: From<'static> = From { provider: "anthropic", model: "claude-sonnet-4-5", stream: false };
const GOOGLE: From<'static> = From { provider: "gemini", model: "gemini-3-pro-preview", stream: false };
const BEDROCK: From<'static> = From { provider: "bedrock", model: "amazon.nova-pro-v1:0", stream: false };
const COHERE: From<'static> = From { provider: "cohere_chat", model: "command-a-03-2025", stream: false };
const OLLAMA: From<'static> = From { provider: "ollama_chat", model: "qwen3", stream: false };
const OPENAI: From<'static> = From { provider: "openai", model: "gpt-4o", stream: false };

impl From<'_> {
    const fn stream(self) -> Self {
        Self { stream: true, ..self }
    }

    /// The answer as a client gets it, and what was metered.
    fn told(self, body: &str, to: To, stream: bool) -> Result<(String, Metered), Broken> {
        let api = provider::find(self.provider).unwrap().chat(self.model).unwrap();
        let answer = Answer {
            id: "id-1".to_owned(),
            model: "m".to_owned(),
            created: 7,
            include_usage: true,
            array: false,
            request: Bytes::from_static(b"{}"),
        };
        let mut encoder = dialect::of(endpoint(to)).unwrap().encoder(answer, stream);
        let metered = if self.stream {
            let mut decoder = api.decoder(1 << 20);
            for piece in body.as_bytes().chunks(7) {
                decoder.push(Bytes::copy_from_slice(piece), &mut *encoder)?;
            }
            assert_eq!(decoder.finish(&mut *encoder)?, DecodeEnd::Complete, "{body}");
            decoder.metered()
        } else {
            api.read(body.as_bytes(), &mut *encoder)?
        };
        encoder.end(metered.usage());
        Ok((String::from_utf8(encoder.take().to_vec()).unwrap(), metered))
    }

    fn check(self, body: &str, told: &[Told]) -> Metered {
        let mut known = Metered::Absent;
        for to in [Chat, Messages, Responses, Gemini] {
            let (text, metered) = self.told(body, to, false).unwrap_or_else(|broken| panic!("{broken}: {body}"));
            let whole: Value = serde_json::from_str(&text).unwrap();
            for (_, place, value) in told.iter().filter(|(whose, ..)| *whose == to) {
                let value: Value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
                assert_eq!(whole.pointer(place), Some(&value), "{to:?} {place}\n{body}\n{whole}");
            }
            known = metered;
            // As events it says nothing that is no JSON.
            let (events, _) = self.told(body, to, true).unwrap();
            for data in events.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]") {
                assert!(serde_json::from_str::<Value>(data).is_ok(), "{to:?} {data}");
            }
        }
        known
    }

    /// The answer is an error with this status and text, to all.
    fn breaks(self, body: &str, status: u16, words: &str) {
        for to in [Chat, Messages, Responses, Gemini] {
            match self.told(body, to, false) {
                Err(Broken::Upstream(error)) => {
                    assert_eq!((error.status, &*error.message), (status, words), "{body}");
                }
                other => panic!("{body}: {other:?}"),
            }
        }
    }
}

fn message(content: &Value, stop: &str, more: &Value) -> String {
    let mut message = json!({"id": "msg_1", "type": "message", "role": "assistant", "model": "c", "content": content,
        "stop_reason": stop, "stop_sequence": null, "usage": {"input_tokens": 10, "output_tokens": 5}});
    message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    message.to_string()
}

#[test]
fn anthropic() {
    let text = json!([{"type": "text", "text": "no"}]);
    let refused = json!({"stop_details": {"type": "refusal", "category": "cyber"}});
    ANTHROPIC.check(
        &message(&text, "refusal", &refused),
        &[
            (Chat, FINISH, "content_filter"),
            (Chat, "/choices/0/message/provider_specific_fields/stop_details/category", "cyber"),
            (Messages, "/stop_details/category", "cyber"),
            (Responses, STATUS, "content_filter"),
            (Gemini, REASON, "SAFETY"),
        ],
    );
    for (stop, chat, messages, gemini) in [
        ("max_tokens", "length", "max_tokens", "MAX_TOKENS"),
        ("model_context_window_exceeded", "length", "max_tokens", "MAX_TOKENS"),
        ("pause_turn", "stop", "pause_turn", "OTHER"),
        ("compaction", "stop", "compaction", "OTHER"),
        ("tool_use", "tool_calls", "end_turn", "STOP"),
        ("a_new_reason", "stop", "end_turn", "OTHER"),
    ] {
        let told = [(Chat, FINISH, chat), (Messages, STOP, messages), (Gemini, REASON, gemini)];
        ANTHROPIC.check(&message(&text, stop, &json!({})), &told);
    }
    let searched = json!([
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        {"type": "text", "text": "said", "citations": [{"type": "web_search_result_location", "url": "https://e.org",
            "title": "E", "cited_text": "c", "encrypted_index": "i"}]},
        {"type": "a_new_block", "x": 1}
    ]);
    let usage =
        json!({"usage": {"input_tokens": 10, "output_tokens": 5, "server_tool_use": {"web_search_requests": 2}}});
    let metered = ANTHROPIC.check(
        &message(&searched, "end_turn", &usage),
        &[
            (Chat, "/choices/0/message/annotations/0/url_citation/url", "https://e.org"),
            (Chat, "/choices/0/message/provider_specific_fields/server_tool_use/input/query", "q"),
            (Chat, "/choices/0/message/provider_specific_fields/a_new_block/x", "1"),
            (Chat, "/usage/server_tool_use/web_search_requests", "2"),
            (Messages, "/content/0/name", "web_search"),
            (Messages, "/content/3/x", "1"),
            (Messages, "/usage/server_tool_use/web_search_requests", "2"),
            (Responses, "/output/0/content/0/annotations/0/url", "https://e.org"),
            (Responses, "/tool_usage/web_search/num_requests", "2"),
            (Gemini, "/candidates/0/groundingMetadata/groundingChunks/0/web/uri", "https://e.org"),
        ],
    );
    assert_eq!(metered.usage().map(|usage| usage.units), Some(Units { searches: 2, ..Units::NONE }));
    let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
    ANTHROPIC.breaks(overloaded, 529, "Overloaded");
    ANTHROPIC.stream().breaks(&format!("event: error\ndata: {overloaded}\n\n"), 529, "Overloaded");
}

#[test]
fn streams_of_anthropics() {
    let events = |usage: &str, blocks: &[&str], end: &str| {
        let start =
            format!(r#"{{"type":"message_start","message":{{"id":"msg_1","role":"assistant","usage":{usage}}}}}"#);
        let end = format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"tool_use"}},"usage":{end}}}"#);
        let all = [&[&*start][..], blocks, &[&*end, r#"{"type":"message_stop"}"#]].concat();
        all.iter().map(|data| format!("data: {data}\n\n")).collect::<String>()
    };
    // Calls that come in turns, an unknown event, an unknown block and an unknown piece of it.
    let body = events(
        "null",
        &[
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t0","name":"f","input":{}}}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t1","name":"g","input":{}}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"b\":"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":""}}"#,
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"2}"}}"#,
            r#"{"type":"content_block_stop","index":1}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"a_new_event","index":0}"#,
            r#"{"type":"content_block_start","index":2,"content_block":{"type":"a_new_block","x":1}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"a_new_delta","y":1}}"#,
            r#"{"type":"content_block_stop","index":2}"#,
        ],
        r#"{"input_tokens":4,"output_tokens":2,"cache_creation_input_tokens":null,"server_tool_use":null}"#,
    );
    let metered = ANTHROPIC.stream().check(
        &body,
        &[
            (Chat, "/choices/0/message/tool_calls/0/function/arguments", "\"{}\""),
            (Chat, "/choices/0/message/tool_calls/1/function/arguments", r#""{\"b\":2}""#),
            (Messages, "/content/1/input", r#"{"b":2}"#),
            (Messages, "/content/2/x", "1"),
            (Responses, "/output/1/arguments", r#""{\"b\":2}""#),
            (Gemini, "/candidates/0/content/parts/0/functionCall/args", "{}"),
        ],
    );
    assert_eq!(metered, Metered::Reported(Usage { prompt: 4, completion: 2, ..Usage::default() }));
}

fn candidate(parts: &Value, more: &Value) -> String {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0, "finishReason": "STOP"});
    candidate.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let usage = json!({"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15});
    json!({"candidates": [candidate], "usageMetadata": usage, "responseId": "r"}).to_string()
}

#[test]
fn gemini() {
    let ran = json!([{"text": "a"}, {"executableCode": {"language": "PYTHON", "code": "1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}, {"text": "b"}]);
    GOOGLE.check(
        &candidate(&ran, &json!({})),
        &[
            (Chat, TEXT, "\"ab\""),
            (Chat, "/choices/0/message/provider_specific_fields/executableCode/executableCode/code", "\"1\""),
            (Messages, "/content/0/text", "\"ab\""),
            (Gemini, "/candidates/0/content/parts/2/codeExecutionResult/output", "\"1\""),
        ],
    );
    let calls = json!([{"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}, {"functionCall": {"name": "f"}}]);
    GOOGLE.check(
        &candidate(&calls, &json!({})),
        &[
            (Chat, FINISH, "tool_calls"),
            (Chat, "/choices/0/message/tool_calls/0/extra_content/google/thought_signature", "c2ln"),
            (Chat, "/choices/0/message/tool_calls/1/function/arguments", "\"{}\""),
            (Messages, STOP, "tool_use"),
            (Messages, "/content/1/input", "{}"),
            (Responses, "/output/2/name", "f"),
            (Gemini, "/candidates/0/content/parts/0/thoughtSignature", "c2ln"),
        ],
    );
    for (reason, chat, messages, gemini) in [
        ("SAFETY", "content_filter", "refusal", "SAFETY"),
        ("RECITATION", "content_filter", "refusal", "RECITATION"),
        ("PROHIBITED_CONTENT", "content_filter", "refusal", "PROHIBITED_CONTENT"),
        ("IMAGE_SAFETY", "content_filter", "refusal", "IMAGE_SAFETY"),
        ("MALFORMED_FUNCTION_CALL", "stop", "end_turn", "MALFORMED_FUNCTION_CALL"),
        ("TOO_MANY_TOOL_CALLS", "stop", "end_turn", "TOO_MANY_TOOL_CALLS"),
        ("A_NEW_REASON", "stop", "end_turn", "A_NEW_REASON"),
    ] {
        let body = format!(
            r#"{{"candidates":[{{"finishReason":"{reason}","finishMessage":"why","index":0}}],"usageMetadata":{{"promptTokenCount":3,"totalTokenCount":3}}}}"#
        );
        let why = "/choices/0/message/provider_specific_fields/finishMessage/finishMessage";
        let told = [(Chat, FINISH, chat), (Chat, why, "why"), (Messages, STOP, messages), (Gemini, REASON, gemini)];
        let metered = GOOGLE.check(&body, &told);
        assert_eq!(metered, Metered::Reported(Usage { prompt: 3, ..Usage::default() }));
    }
    let blocked = r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3}}"#;
    GOOGLE.check(
        blocked,
        &[
            (Chat, FINISH, "content_filter"),
            (Messages, STOP, "refusal"),
            (Responses, STATUS, "content_filter"),
            (Gemini, "/promptFeedback/blockReason", "PROHIBITED_CONTENT"),
        ],
    );
    let several = r#"{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"},
        {"content":{"parts":[{"text":"b"}]},"finishReason":"MAX_TOKENS","index":1}],"usageMetadata":{"promptTokenCount":1}}"#;
    GOOGLE.check(
        several,
        &[(Chat, "/choices/1/finish_reason", "length"), (Gemini, "/candidates/1/content/parts/0/text", "b")],
    );
    let quota = r#"{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED"}}"#;
    GOOGLE.breaks(quota, 429, "quota");
    GOOGLE.stream().breaks(&format!("data: {quota}\r\n\r\n"), 429, "quota");
}

#[test]
fn thoughts_are_counted_once_wherever_gemini_counts_them() {
    for (total, completion) in [(45, 35), (30, 20)] {
        let body = format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"a"}}]}},"finishReason":"STOP"}}],"usageMetadata":{{"promptTokenCount":10,"candidatesTokenCount":20,"thoughtsTokenCount":15,"totalTokenCount":{total}}}}}"#
        );
        let usage = Usage { prompt: 10, completion, reasoning: 15, ..Usage::default() };
        assert_eq!(GOOGLE.check(&body, &[]), Metered::Reported(usage), "{body}");
    }
}

#[test]
fn streams_of_geminis() {
    let event = |parts: &str, more: &str, usage: &str| {
        format!(
            "data: {{\"candidates\": [{{\"content\": {{\"parts\": [{parts}],\"role\": \"model\"}}{more},\"index\": 0}}],\"usageMetadata\": {usage},\"modelVersion\": \"g\",\"responseId\": \"r\"}}\r\n\r\n"
        )
    };
    let counted = |out: u32| {
        format!("{{\"promptTokenCount\": 3,\"candidatesTokenCount\": {out},\"totalTokenCount\": {}}}", 3 + out)
    };
    let body = [
        event(r#"{"text": "th","thought": true}"#, "", &counted(1)),
        event(r#"{"text": "ink","thought": true}"#, "", &counted(2)),
        event(r#"{"text": "","thoughtSignature": "c2ln"}"#, "", "{}"),
        event(r#"{"text": "a\n\u00e9"}"#, "", &counted(3)),
        event(r#"{"text": "b"}"#, "", "{\"trafficType\": \"ON_DEMAND\"}"),
        event(r#"{"text": "c"},{"text": "d"}"#, "", &counted(4)),
        event(r#"{"text": ""}"#, ",\"finishReason\": \"STOP\"", &counted(9)),
    ];
    let metered = GOOGLE.stream().check(
        &body.concat(),
        &[
            (Chat, TEXT, "\"a\\n\u{e9}bcd\""),
            (Chat, "/choices/0/message/reasoning_content", "think"),
            (Chat, "/choices/0/message/thinking_blocks/0/signature", "c2ln"),
            (Messages, "/content/1/text", "\"a\\n\u{e9}bcd\""),
        ],
    );
    assert_eq!(metered, Metered::Reported(Usage { prompt: 3, completion: 9, ..Usage::default() }));
    let late =
        body.get(..5).unwrap().concat() + "data: {\"error\": {\"code\": 503, \"message\": \"overloaded\"}}\r\n\r\n";
    GOOGLE.stream().breaks(&late, 503, "overloaded");
}

#[test]
fn bedrock() {
    let body = |content: &str, stop: &str, more: &str| {
        format!(
            r#"{{"output":{{"message":{{"role":"assistant","content":[{content}]}}}},"stopReason":"{stop}","usage":{{"inputTokens":10,"outputTokens":5,"totalTokens":20,"cacheReadInputTokens":3,"cacheWriteInputTokens":2,"cacheDetails":[{{"ttl":"1h","inputTokens":2}}]}}{more}}}"#
        )
    };
    let cited = r#"{"citationsContent":{"content":[{"text":"said"}],"citations":[{"title":"W","location":{"web":{"url":"https://w"}}},
        {"title":"D","sourceContent":[{"text":"src"}],"location":{"documentPage":{"documentIndex":0,"start":1,"end":2}}}]}},{"text":"!"}"#;
    let metered = BEDROCK.check(
        &body(cited, "end_turn", ""),
        &[
            (Chat, TEXT, "said!"),
            (Chat, "/choices/0/message/annotations/0/url_citation/url", "https://w"),
            (Chat, "/choices/0/message/provider_specific_fields/citations/0/content", "src"),
            (Messages, "/content/0/citations/1/cited_text", "src"),
            (Responses, "/output/0/content/0/annotations/0/url", "https://w"),
            (Gemini, "/candidates/0/groundingMetadata/groundingChunks/0/web/uri", "https://w"),
            (Gemini, "/candidates/0/groundingMetadata/groundingChunks/1/retrievedContext/title", "D"),
        ],
    );
    let usage = Usage { prompt: 15, completion: 5, cache_read: 3, cache_write_1h: 2, ..Usage::default() };
    assert_eq!(metered, Metered::Reported(usage));
    BEDROCK.check(
        &body(r#"{"text":"Blocked."}"#, "guardrail_intervened", r#","trace":{"guardrail":{"actionReason":"why"}}"#),
        &[
            (Chat, FINISH, "content_filter"),
            (Chat, "/choices/0/message/provider_specific_fields/trace/guardrail/actionReason", "why"),
            (Messages, STOP, "refusal"),
            (Gemini, REASON, "SAFETY"),
        ],
    );
    for (stop, chat) in [
        ("content_filtered", "content_filter"),
        ("model_context_window_exceeded", "length"),
        ("malformed_model_output", "stop"),
        ("a_new_reason", "stop"),
    ] {
        BEDROCK.check(&body(r#"{"text":"x"}"#, stop, ""), &[(Chat, FINISH, chat)]);
    }
    let media = r#"{"image":{"format":"png","source":{"bytes":"AA=="}}},{"video":{"format":"mp4","source":{"bytes":"AA=="}}},{"aNewBlock":{"x":1}}"#;
    BEDROCK.check(
        &body(media, "end_turn", ""),
        &[
            (Chat, "/choices/0/message/images/0/image_url/url", "data:image/png;base64,AA=="),
            (Chat, "/choices/0/message/provider_specific_fields/video/video/format", "mp4"),
            (Chat, "/choices/0/message/provider_specific_fields/aNewBlock/aNewBlock/x", "1"),
            (Responses, "/output/0/result", "AA=="),
            (Gemini, "/candidates/0/content/parts/0/inlineData/mimeType", "image/png"),
        ],
    );
}

#[test]
fn cohere() {
    let body = |message: &str, reason: &str| {
        format!(
            r#"{{"id":"c","finish_reason":"{reason}","message":{{"role":"assistant",{message}}},"usage":{{"billed_units":{{"input_tokens":1,"output_tokens":2}},"tokens":{{"input_tokens":30,"output_tokens":4}},"cached_tokens":6}}}}"#
        )
    };
    let called = r#""tool_plan":"I will","tool_calls":[{"id":"f1","type":"function","function":{"name":"f","arguments":"null"}}],
        "citations":[{"start":0,"end":1,"text":"I","type":"PLAN","sources":[{"type":"tool","id":"x","tool_output":{"title":"T","url":"https://t"}}]}]"#;
    let metered = COHERE.check(
        &body(called, "TOOL_CALL"),
        &[
            (Chat, FINISH, "tool_calls"),
            (Chat, "/choices/0/message/reasoning_content", "I will"),
            (Chat, "/choices/0/message/tool_calls/0/function/arguments", "\"{}\""),
            (Chat, "/choices/0/message/annotations/0/url_citation/title", "T"),
            (Messages, STOP, "tool_use"),
        ],
    );
    assert_eq!(metered, Metered::Reported(Usage { prompt: 30, completion: 4, cache_read: 6, ..Usage::default() }));
    let text = r#""content":[{"type":"text","text":"x"}]"#;
    for (reason, chat) in [("STOP_SEQUENCE", "stop"), ("MAX_TOKENS", "length"), ("A_NEW_REASON", "stop")] {
        COHERE.check(&body(text, reason), &[(Chat, FINISH, chat), (Chat, TEXT, "x")]);
    }
    COHERE.breaks(&body(text, "TIMEOUT"), 504, "the answer took too long");
    let failed = "data: {\"type\":\"message-start\",\"id\":\"c\"}\n\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\",\"error\":\"internal\"}}\n\n";
    COHERE.stream().breaks(failed, 500, "internal");
}

#[test]
fn ollama() {
    let line = |message: &str, more: &str| {
        format!(
            "{{\"model\":\"q\",\"created_at\":\"2026-01-01T00:00:00Z\",\"message\":{{\"role\":\"assistant\",{message}}}{more}}}\n"
        )
    };
    let body = [
        line(r#""content":"","thinking":"hm""#, r#","done":false"#),
        line(
            r#""content":"","tool_calls":[{"function":{"index":0,"name":"f","arguments":{"a":1}}}]"#,
            r#","done":false"#,
        ),
        line(r#""content":"","tool_calls":[{"id":"c2","function":{"name":"g","arguments":{}}}]"#, r#","done":false"#),
        line(r#""content":"""#, r#","done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":4"#),
    ];
    let metered = OLLAMA.stream().check(
        &body.concat(),
        &[
            (Chat, FINISH, "tool_calls"),
            (Chat, "/choices/0/message/reasoning_content", "hm"),
            (Chat, "/choices/0/message/tool_calls/1/id", "c2"),
            (Messages, "/content/1/input", r#"{"a":1}"#),
            (Gemini, "/candidates/0/content/parts/0/thought", "true"),
        ],
    );
    assert_eq!(metered, Metered::Reported(Usage { prompt: 3, completion: 4, ..Usage::default() }));
    let stopped = line(r#""content":"x""#, r#","done":false"#) + "{\"error\":\"runner stopped\"}\n";
    OLLAMA.stream().breaks(&stopped, 500, "runner stopped");
}

#[test]
fn openai_and_the_vendors_of_its_form() {
    let body = |message: &str, finish: &str, usage: &str| {
        format!(
            r#"{{"id":"c","object":"chat.completion","created":1,"choices":[{{"index":0,"message":{{"role":"assistant",{message}}},"finish_reason":"{finish}"}}],"usage":{usage}}}"#
        )
    };
    let usage = r#"{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}"#;
    OPENAI.check(
        &body(r#""content":null,"refusal":"no""#, "stop", usage),
        &[
            (Messages, "/content/0/text", "no"),
            (Responses, "/output/0/content/0/refusal", "no"),
            (Gemini, "/candidates/0/content/parts/0/text", "no"),
        ],
    );
    OPENAI.check(
        &body(r#""content":null"#, "content_filter", usage),
        &[(Messages, STOP, "refusal"), (Responses, STATUS, "content_filter"), (Gemini, REASON, "SAFETY")],
    );
    let likely = body(r#""content":"x""#, "stop", usage).replace(
        r#""finish_reason""#,
        r#""logprobs":{"content":[{"token":"x","logprob":-0.5,"bytes":[120],"top_logprobs":[{"token":"y","logprob":-1.5,"bytes":[121]}]}]},"finish_reason""#,
    );
    OPENAI.check(
        &likely,
        &[
            (Chat, "/choices/0/logprobs/content/0/logprob", "-0.5"),
            (Responses, "/output/0/content/0/logprobs/0/token", "x"),
            (Gemini, "/candidates/0/logprobsResult/chosenCandidates/0/logProbability", "-0.5"),
            (Gemini, "/candidates/0/logprobsResult/topCandidates/0/candidates/0/token", "y"),
        ],
    );
    // Mistral's pieces, its end, and what only it has.
    OPENAI.check(
        &body(
            r#""content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"A"},{"type":"reference","reference_ids":[0]}]"#,
            "model_length",
            usage,
        ),
        &[
            (Messages, "/content/0/thinking", "hm"),
            (Messages, "/content/1/text", "A"),
            (Messages, STOP, "max_tokens"),
            (Chat, "/choices/0/message/provider_specific_fields/reference/reference_ids", "[0]"),
        ],
    );
    // OpenRouter's thoughts, cost and searches.
    let metered = OPENAI.check(
        &body(
            r#""content":"x","reasoning":"th","reasoning_details":[{"type":"reasoning.text","text":"th","signature":"sg"}]"#,
            "stop",
            r#"{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"cost":0.5,"server_tool_use":{"web_search_requests":1}}"#,
        ),
        &[
            (Messages, "/content/0/signature", "sg"),
            (Messages, "/usage/server_tool_use/web_search_requests", "1"),
            (Responses, "/output/0/encrypted_content", "sg"),
            (Chat, "/usage/cost", "0.5"),
        ],
    );
    assert_eq!(metered.usage().map(|usage| usage.units.searches), Some(1));
    let chunk = |delta: &str, finish: &str| {
        format!("data: {{\"id\":\"c\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n")
    };
    let turns = [
        chunk(
            r#"{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}},{"index":1,"id":"b","function":{"name":"g","arguments":""}}]}"#,
            "null",
        ),
        chunk(r#"{"tool_calls":[{"index":1,"function":{"arguments":"{\"y\":"}}]}"#, "null"),
        chunk(r#"{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}"#, "null"),
        chunk(r#"{"tool_calls":[{"index":1,"function":{"arguments":"2}"}}]}"#, "null"),
        chunk("{}", "\"tool_calls\""),
        "data: [DONE]\n\n".to_owned(),
    ];
    OPENAI.stream().check(
        &turns.concat(),
        &[
            (Messages, "/content/0/input", "{}"),
            (Messages, "/content/1/input", r#"{"y":2}"#),
            (Responses, "/output/1/arguments", r#""{\"y\":2}""#),
        ],
    );
    let late = chunk(r#"{"content":"a"}"#, "null")
        + "data: {\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\"}}\n\n";
    OPENAI.stream().breaks(&late, 500, "The server had an error");
}
