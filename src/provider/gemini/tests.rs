use bytes::Bytes;
use proptest::prelude::*;

use crate::chat::{
    Broken, Chat, DecodeEnd, Decoder as _, Delta, Format, Function, Media, MediaKind, Message, Part, Raw, Reasoning,
    Role, Sink, Source, Tool, ToolCall, ToolChoice, ToolResult,
};
use crate::config::Deployment;
use crate::dialect::Endpoint;
use crate::vocabulary::{Fault, Metered};

use super::*;

pub(in crate::provider) fn deployment() -> Deployment {
    Deployment::of("m", "gemini", "m")
}

fn raw(text: &str) -> Raw<'_> {
    serde_json::from_str(text).unwrap()
}

fn written(chat: &Chat<'_>, model: &str, flavour: Flavour) -> Result<Written, Fault> {
    let deployment = deployment();
    let ask = Ask { model, stream: false, output_max: None, deployment: &deployment };
    request::write(chat, &ask, flavour)
}

fn body(chat: &Chat<'_>, model: &str) -> String {
    let written = written(chat, model, Flavour::Studio).unwrap();
    String::from_utf8(written.body.to_vec()).unwrap()
}

fn user(text: &str) -> Message<'_> {
    Message::new(Role::User, vec![Part::text(text)])
}

fn call<'a>(id: &'a str, signature: Option<&'a str>) -> Part<'a> {
    Part::ToolCall(ToolCall {
        id: id.into(),
        name: "f".into(),
        arguments: "{}".into(),
        signature: signature.map(Into::into),
        cache: None,
    })
}

fn result<'a>(id: &'a str, text: &'a str, error: bool) -> Part<'a> {
    Part::ToolResult(ToolResult { id: id.into(), name: None, parts: vec![Part::text(text)], error, cache: None })
}

#[test]
fn identical_parallel_calls_and_their_results_all_arrive_in_the_calls_order() {
    let chat = Chat {
        messages: vec![
            Message::new(Role::System, vec![Part::text("be brief")]),
            user("go"),
            Message::new(Role::Assistant, vec![call("a", Some("c2ln")), call("b", None)]),
            Message::new(Role::Tool, vec![result("b", "two", false)]),
            Message::new(Role::Tool, vec![result("a", r#"{"x":1}"#, true)]),
        ],
        ..Chat::default()
    };
    assert_eq!(
        body(&chat, "gemini-2.5-flash"),
        concat!(
            r#"{"contents":[{"role":"user","parts":[{"text":"go"}]},{"role":"model","parts":["#,
            r#"{"functionCall":{"id":"a","name":"f","args":{}},"thoughtSignature":"c2ln"},"#,
            r#"{"functionCall":{"id":"b","name":"f","args":{}}}]},{"role":"user","parts":["#,
            r#"{"functionResponse":{"id":"a","name":"f","response":{"error":"{\"x\":1}"}}},"#,
            r#"{"functionResponse":{"id":"b","name":"f","response":{"output":"two"}}}]}],"#,
            r#""systemInstruction":{"parts":[{"text":"be brief"}]}}"#,
        )
    );
}

#[test]
fn a_call_without_signature_is_let_through_by_the_third_generation() {
    let chat = Chat {
        messages: vec![user("go"), Message::new(Role::Assistant, vec![call("a", None), call("b", None)])],
        ..Chat::default()
    };
    assert_eq!(body(&chat, "gemini-3-flash-preview").matches("thoughtSignature").count(), 1);
    assert_eq!(body(&chat, "gemini-2.5-flash").matches("thoughtSignature").count(), 0);
}

#[test]
fn parameters_are_written_in_geminis_words() {
    let chat = Chat {
        messages: vec![user("hi")],
        tools: vec![
            Tool::Function(Function {
                name: "f".into(),
                description: Some("d".into()),
                parameters: Some(raw(r#"{"type":"object","properties":{"a":{"type":"string"}},"$schema":"x"}"#)),
                strict: Some(true),
                cache: None,
            }),
            Tool::Native(crate::chat::Native {
                api: crate::chat::Api::OpenAiChat,
                json: raw(r#"{"type":"web_search_preview"}"#),
            }),
        ],
        tool_choice: Some(ToolChoice::Function("f".into())),
        parallel_tool_calls: Some(false),
        max_tokens: Some(9),
        temperature: Some(raw("0.50")),
        stop: vec!["x".into()],
        choices: Some(2),
        reasoning: Some(Reasoning { effort: Some(crate::chat::Effort::Low), ..Reasoning::default() }),
        format: Some(Format::Schema {
            name: "s".into(),
            description: None,
            schema: raw(r#"{"type":"object"}"#),
            strict: None,
        }),
        service_tier: Some("flex".into()),
        others: vec![
            ("modalities".into(), raw(r#"["text","audio"]"#)),
            ("audio".into(), raw(r#"{"voice":"Kore","format":"wav"}"#)),
            ("logprobs".into(), raw("true")),
            ("top_logprobs".into(), raw("3")),
        ],
        extra: vec![("safetySettings".into(), raw("[]")), ("media_resolution".into(), raw("\"LOW\""))],
        ..Chat::default()
    };
    assert_eq!(
        body(&chat, "gemini-2.5-flash"),
        concat!(
            r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"tools":[{"functionDeclarations":[{"name":"f","#,
            r#""description":"d","parametersJsonSchema":{"type":"object","properties":{"a":{"type":"string"}}}}]},"#,
            r#"{"googleSearch":{}}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},"#,
            r#""generationConfig":{"temperature":0.50,"maxOutputTokens":9,"stopSequences":["x"],"candidateCount":2,"#,
            r#""responseLogprobs":true,"logprobs":3,"responseMimeType":"application/json","#,
            r#""responseJsonSchema":{"type":"object"},"responseModalities":["TEXT","AUDIO"],"#,
            r#""speechConfig":{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":"Kore"}}},"#,
            r#""thinkingConfig":{"includeThoughts":true,"thinkingBudget":1024},"media_resolution":"LOW"},"#,
            r#""serviceTier":"flex","safetySettings":[]}"#,
        )
    );
    let old = body(&chat, "gemini-2.0-flash");
    assert!(old.contains(r#""parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING"}}}"#), "{old}");
    assert!(old.contains(r#""responseSchema":{"type":"OBJECT"}"#), "{old}");
    let vertex = written(&chat, "gemini-2.5-flash", Flavour::Vertex).unwrap();
    assert_eq!(vertex.headers[0].1, "flex");
    assert_eq!(vertex.dropped, ["parallel_tool_calls"]);
}

#[test]
fn a_member_of_geminis_own_wins_and_stands_there_once() {
    let chat = Chat {
        messages: vec![user("hi")],
        reasoning: Some(Reasoning { effort: Some(crate::chat::Effort::Low), ..Reasoning::default() }),
        extra: vec![("thinkingConfig".into(), raw(r#"{"thinkingBudget":7}"#))],
        ..Chat::default()
    };
    assert!(
        body(&chat, "gemini-2.5-flash").ends_with(r#""generationConfig":{"thinkingConfig":{"thinkingBudget":7}}}"#)
    );
}

fn media(source: Source<'static>, kind: MediaKind) -> Chat<'static> {
    let media = Media { kind, source, mime: None, name: None, detail: None, cache: None };
    Chat { messages: vec![Message::new(Role::User, vec![Part::Media(media)])], ..Chat::default() }
}

#[test]
fn media_get_their_type_from_what_is_known() {
    let url = |url: &'static str| Source::Url(url.into());
    for (source, expected) in [
        (Source::Base64("iVBORw0KGgoAAA".into()), r#""inlineData":{"mimeType":"image/png","data":"iVBORw0KGgoAAA"}"#),
        (Source::Text("hi".into()), r#""inlineData":{"mimeType":"text/plain","data":"aGk="}"#),
        (
            url("https://x/a.webp?b=c.png"),
            r#""fileData":{"mimeType":"image/webp","fileUri":"https://x/a.webp?b=c.png"}"#,
        ),
        (url("https://youtu.be/abc"), r#""fileData":{"fileUri":"https://youtu.be/abc"}"#),
        (Source::Id("files/a1".into()), r#""fileUri":"https://generativelanguage.googleapis.com/v1beta/files/a1""#),
    ] {
        let body = body(&media(source, MediaKind::Image), "gemini-2.5-flash");
        assert!(body.contains(expected), "{body}");
    }
    let fault = written(&media(Source::Base64("AAAA".into()), MediaKind::File), "gemini-2.5-flash", Flavour::Studio);
    assert!(fault.unwrap_err().public.starts_with("messages[0].content[0]: the media type"));
    let fault = written(&media(Source::Id("files/a1".into()), MediaKind::File), "gemini-2.5-flash", Flavour::Vertex);
    assert!(fault.unwrap_err().public.contains("gs://"));
}

#[test]
fn what_cannot_be_said_is_refused_by_its_place() {
    let bad_call = Part::ToolCall(ToolCall {
        id: "a".into(),
        name: "f".into(),
        arguments: "[1]".into(),
        signature: None,
        cache: None,
    });
    for (chat, named) in [
        (
            Chat { messages: vec![user("a"), Message::new(Role::Assistant, vec![bad_call])], ..Chat::default() },
            "messages[1].content[0]: the arguments",
        ),
        (
            Chat { messages: vec![Message::new(Role::Tool, vec![result("x", "", false)])], ..Chat::default() },
            "messages[0].content[0]: no call before it has the id \"x\"",
        ),
        (
            Chat { messages: vec![user("a")], stop: vec!["s".into(); 6], ..Chat::default() },
            "stop: Gemini takes at most 5",
        ),
        (
            Chat {
                messages: vec![user("a")],
                tools: vec![Tool::Native(crate::chat::Native {
                    api: crate::chat::Api::Responses,
                    json: raw(r#"{"type":"mcp"}"#),
                })],
                ..Chat::default()
            },
            "tools[0]: a tool of type \"mcp\"",
        ),
    ] {
        let fault = written(&chat, "gemini-2.5-flash", Flavour::Studio).unwrap_err();
        assert!(fault.public.starts_with(named), "{fault}");
    }
}

#[test]
fn another_providers_signature_is_not_sent() {
    let thought = Part::Thinking { text: "hm".into(), signature: Some("not base64!".into()) };
    let chat = Chat { messages: vec![user("a"), Message::new(Role::Assistant, vec![thought])], ..Chat::default() };
    let written = written(&chat, "gemini-2.5-flash", Flavour::Studio).unwrap();
    assert_eq!(written.dropped, ["thinking.signature"]);
    assert!(String::from_utf8_lossy(&written.body).contains(r#"{"text":"hm","thought":true}"#));
}

#[derive(Default)]
struct Seen(Vec<String>);

impl Sink for Seen {
    fn delta(&mut self, choice: u32, delta: Delta<'_>) {
        self.0.push(format!("{choice} {delta:?}"));
    }
}

/// Whole or in pieces of a size: what came out, what was metered, how it ended.
fn streamed(stream: &str, cuts: &[usize]) -> (Vec<String>, Metered, Result<DecodeEnd, Broken>) {
    let mut decoder = stream::StreamDecoder::new(4096);
    let mut seen = Seen::default();
    let mut from = 0;
    for cut in cuts.iter().copied().chain([stream.len()]) {
        let chunk = Bytes::copy_from_slice(&stream.as_bytes()[from..cut]);
        if let Err(broken) = decoder.push(chunk, &mut seen) {
            return (seen.0, decoder.metered(), Err(broken));
        }
        from = cut;
    }
    let end = decoder.finish(&mut seen);
    (seen.0, decoder.metered(), end)
}

const STREAM: &str = concat!(
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hm\",\"thought\":true}],\"role\":\"model\"}}],",
    "\"usageMetadata\":{\"promptTokenCount\":5,\"totalTokenCount\":5},\"responseId\":\"r1\"}\r\n\r\n",
    ": a comment\n\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\u{e9}t\u{e9}\"},{\"new\":1}]},\"index\":0}]}\n\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":1}},",
    "\"thoughtSignature\":\"c2ln\"},{\"functionCall\":{\"id\":\"own\",\"name\":\"g\"}}]}}]}\n\n",
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}]},\"finishReason\":\"STOP\",",
    "\"groundingMetadata\":{\"groundingChunks\":[{\"web\":{\"uri\":\"https://x\",\"title\":\"X\"}}],",
    "\"groundingSupports\":[{\"segment\":{\"startIndex\":2,\"endIndex\":5,\"text\":\"t\u{e9}\"},",
    "\"groundingChunkIndices\":[0,9]}]}}],",
    "\"usageMetadata\":{\"promptTokenCount\":5,\"candidatesTokenCount\":7,\"thoughtsTokenCount\":2,\"totalTokenCount\":14}}\n\n",
);

#[test]
fn a_stream_is_read_piece_by_piece() {
    let (seen, metered, end) = streamed(STREAM, &[]);
    assert_eq!(end, Ok(DecodeEnd::Complete));
    assert_eq!(seen[0], r#"0 Start { id: Some("r1"), created: None }"#);
    assert_eq!(seen[1], r#"0 Thinking("hm")"#);
    assert_eq!(seen[2], r#"0 Text("été")"#);
    assert!(seen[3].starts_with("0 ToolCall { index: 0, id: \"call_"), "{}", seen[3]);
    assert!(seen[3].ends_with(r#"name: "f", signature: Some("c2ln") }"#));
    assert_eq!(seen[4], r#"0 Arguments { index: 0, json: "{\"a\":1}" }"#);
    assert_eq!(seen[5], r#"0 ToolCall { index: 1, id: "own", name: "g", signature: None }"#);
    assert_eq!(
        seen[6],
        r#"0 Citation { url: Some("https://x"), title: Some("X"), text: Some("té"), start: Some(1), end: Some(3) }"#
    );
    assert!(seen[7].starts_with("0 Native { api: Gemini, key: \"groundingMetadata\""));
    assert_eq!(seen[8], "0 Finish(ToolCalls)");
    assert_eq!(seen.len(), 9);
    let Metered::Reported(usage) = metered else { panic!("{metered:?}") };
    assert_eq!((usage.prompt, usage.completion, usage.reasoning), (5, 9, 2));
}

#[test]
fn where_the_chunks_end_changes_nothing() {
    let whole = streamed(STREAM, &[]);
    for cut in 0..STREAM.len() {
        assert_eq!(streamed(STREAM, &[cut]), whole, "cut at {cut}");
    }
    let events = STREAM.replace("\r\n", "\n");
    let objects: Vec<&str> = events.split("\n\n").filter_map(|event| event.strip_prefix("data: ")).collect();
    let array = format!("[{}\n]\n", objects.join(",\r\n"));
    for cut in (0..array.len()).filter(|cut| array.is_char_boundary(*cut)) {
        assert_eq!(streamed(&array, &[cut]), whole);
    }
}

#[test]
fn a_stream_that_stops_early_is_told() {
    let last = STREAM[..STREAM.len() - 2].rfind("data:").unwrap();
    for end in 0..last {
        let Some(stream) = STREAM.get(..end) else { continue };
        let (_, metered, ended) = streamed(stream, &[]);
        assert_eq!(ended, Ok(DecodeEnd::Truncated), "cut at {end}");
        assert!(!matches!(metered, Metered::Reported(_)));
    }
    // The last event lacks only its blank line.
    assert_eq!(streamed(STREAM.trim_end(), &[]).2, Ok(DecodeEnd::Complete));
}

#[test]
fn errors_within_a_stream_are_the_providers() {
    for stream in [
        "data: {\"error\":{\"code\":503,\"message\":\"m\",\"status\":\"UNAVAILABLE\"}}\n\n",
        "[{\"error\":{\"message\":\"m\",\"status\":\"UNAVAILABLE\"}}]",
        "{\n  \"error\": {\"code\": 503, \"message\": \"m\"}\n}\n",
    ] {
        let Err(Broken::Upstream(error)) = streamed(stream, &[]).2 else { panic!("{stream}") };
        assert_eq!((error.status, error.message.as_str()), (503, "m"));
    }
    let long = format!("data: {{\"a\":\"{}\"}}\n\n", "x".repeat(5000));
    assert_eq!(streamed(&long, &[]).2, Err(Broken::TooLong));
    assert!(matches!(streamed("data: [1]\n\n", &[]).2, Err(Broken::Malformed(_))));
    assert!(matches!(streamed("[1]", &[]).2, Err(Broken::Malformed(_))));
}

fn whole(body: &str) -> (Vec<String>, Result<Metered, Broken>) {
    let mut seen = Seen::default();
    let metered = reply::read(body.as_bytes(), &mut seen);
    (seen.0, metered)
}

#[test]
fn ends_are_told_apart() {
    for (reason, finish) in [
        ("\"STOP\"", "Stop"),
        ("1", "Stop"),
        ("\"MAX_TOKENS\"", "Length"),
        ("\"SAFETY\"", "ContentFilter"),
        ("\"MODEL_ARMOR\"", "ContentFilter"),
        ("\"MALFORMED_FUNCTION_CALL\"", "Other(\"MALFORMED_FUNCTION_CALL\")"),
        ("\"SOMETHING_NEW\"", "Other(\"SOMETHING_NEW\")"),
    ] {
        let (seen, _) = whole(&format!(r#"{{"candidates":[{{"finishReason":{reason}}}]}}"#));
        assert_eq!(seen.last().unwrap(), &format!("0 Finish({finish})"));
    }
    let (seen, _) = whole(r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#);
    assert!(seen[1].contains("promptFeedback") && seen[2] == "0 Finish(ContentFilter)", "{seen:?}");
    let (seen, _) = whole(r#"{"promptFeedback":{"safetyRatings":[]},"usageMetadata":{"promptTokenCount":3}}"#);
    assert_eq!(seen.last().unwrap(), "0 Finish(ContentFilter)", "nobody was let answer the prompt");
    for nothing in [r#"{"candidates":[]}"#, r#"{"usageMetadata":{"promptTokenCount":3},"modelVersion":"m"}"#] {
        let (seen, metered) = whole(nothing);
        assert_eq!(seen.last().unwrap(), "0 Finish(Stop)", "{nothing}: the model had nothing to say");
        assert!(metered.is_ok());
    }
    assert!(matches!(whole("{}").1, Err(Broken::Malformed(_))));
    assert!(matches!(whole(r#"[{"error":{"code":429,"message":"slow"}}]"#).1, Err(Broken::Upstream(_))));
}

#[test]
fn usage_that_is_absent_partial_or_whole_is_told_apart() {
    let usage = |usage: &str| {
        whole(&format!(r#"{{"candidates":[{{"finishReason":"STOP"}}],"usageMetadata":{usage}}}"#)).1.unwrap()
    };
    assert_eq!(usage(r#"{"trafficType":"ON_DEMAND"}"#), Metered::Absent);
    assert!(matches!(usage(r#"{"candidatesTokenCount":3}"#), Metered::Partial(_)));
    let Metered::Reported(usage) = usage(
        r#"{"promptTokenCount":10,"toolUsePromptTokenCount":4,"cachedContentTokenCount":3,"candidatesTokenCount":5,
            "promptTokensDetails":[{"modality":"AUDIO","tokenCount":2},{"modality":2,"tokenCount":6}],
            "candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1}]}"#,
    ) else {
        panic!("not reported")
    };
    assert_eq!((usage.prompt, usage.cache_read, usage.audio_in, usage.image_in, usage.image_out), (14, 3, 2, 6, 1));
}

#[test]
fn calls_without_ids_get_one_each() {
    let call = r#"{"functionCall":{"name":"f","args":{}}}"#;
    let body = format!(
        r#"{{"candidates":[{{"content":{{"parts":[{call},{call}]}},"finishReason":"STOP"}}],"responseId":"r"}}"#
    );
    let ids: Vec<String> =
        whole(&body).0.iter().filter(|seen| seen.contains("ToolCall {")).map(|seen| seen[..60].to_owned()).collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
    assert_eq!(whole(&body).0, whole(&body).0);
}

#[test]
fn embeddings_go_there_and_back() {
    let deployment = deployment();
    let ask = Ask { model: "gemini-embedding-001", stream: false, output_max: None, deployment: &deployment };
    let request = br#"{"model":"m","input":["a","b"],"dimensions":2,"encoding_format":"base64"}"#;
    let written = embeddings::BATCH.write(request, &ask).unwrap();
    assert_eq!(
        written.body,
        concat!(
            r#"{"requests":[{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"a"}]},"#,
            r#""outputDimensionality":2},{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"b"}]},"#,
            r#""outputDimensionality":2}]}"#
        )
    );
    let answer = br#"{"embeddings":[{"values":[1.0, -2]},{"values":[0.5,0]}]}"#;
    let (plain, metered) = embeddings::BATCH.read(answer, "m", b"{}").unwrap();
    assert_eq!(metered, Metered::Absent);
    assert_eq!(
        plain,
        concat!(
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.0, -2]},"#,
            r#"{"object":"embedding","index":1,"embedding":[0.5,0]}],"model":"m"}"#
        )
    );
    let (encoded, _) = embeddings::BATCH.read(answer, "m", request).unwrap();
    assert!(String::from_utf8_lossy(&encoded).contains(r#""embedding":"AACAPwAAAMA=""#));
    for input in ["[1,2]", "[[1]]", "[]", "null"] {
        let body = format!(r#"{{"input":{input}}}"#);
        assert!(embeddings::BATCH.write(body.as_bytes(), &ask).unwrap_err().public.starts_with("input: "));
    }
}

#[test]
fn paths_hold_the_model_and_nothing_else() {
    let target = |base: &str| Target::parse(base).unwrap();
    let studio = target("https://generativelanguage.googleapis.com");
    assert_eq!(
        GENERATE.path(&studio, "gemini-2.5-pro", true),
        "/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
    );
    assert_eq!(GENERATE.path(&studio, "../x?y", false), "/v1beta/models/..%2Fx%3Fy:generateContent");
    assert_eq!(GENERATE.path(&studio, "tunedModels/a", false), "/v1beta/tunedModels/a:generateContent");
    let other = target("https://proxy.example/google/v1");
    let call = Call { endpoint: Endpoint::GeminiCountTokens, model: "models/m", stream: false };
    assert_eq!(GEMINI.path(&other, &call), "/google/v1/models/m:countTokens");
    let key = crate::vocabulary::Secret::new("key-1");
    let with_key = Deployment { api_key: Some(key), ..deployment() };
    let target = GEMINI.target(&with_key).unwrap();
    assert_eq!(target.headers[0].0, "x-goog-api-key");
    assert_eq!(target.query, "");
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512), cut in 0_usize..512) {
        let mut seen = Seen::default();
        let _read = reply::read(&bytes, &mut seen);
        let mut decoder = stream::StreamDecoder::new(256);
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        let _pushed = decoder.push(Bytes::copy_from_slice(first), &mut seen);
        let _pushed = decoder.push(Bytes::copy_from_slice(second), &mut seen);
        let _ended = decoder.finish(&mut seen);
    }

    #[test]
    fn damaged_streams_never_panic(at in 0_usize..1200, byte in any::<u8>(), array in any::<bool>()) {
        let mut bytes = STREAM.as_bytes().to_vec();
        if array {
            bytes = [b"[".as_slice(), &bytes].concat();
        }
        let at = at % bytes.len();
        bytes[at] = byte;
        let mut seen = Seen::default();
        let mut decoder = stream::StreamDecoder::new(1024);
        let _pushed = decoder.push(bytes.into(), &mut seen);
        let _ended = decoder.finish(&mut seen);
    }
}
