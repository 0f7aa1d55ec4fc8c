use bytes::Bytes;
use proptest::prelude::*;

use super::{GEMINI, GEMINI_ARRAY};
use crate::chat::{
    Answer, Api, Broken, Delta, Finish, Format, MediaKind, Message, Part, Role, Source, Tool, ToolChoice,
};
use crate::dialect::{Dialect as _, RelayOptions, StreamEnd};
use crate::vocabulary::{Fault, Kind, Metered, Secret, Usage};

#[test]
fn a_request_is_read_in_both_spellings() {
    let body = br#"{"system_instruction":{"parts":{"text":"be brief"}},
        "contents":[{"role":"user","parts":[{"text":"hi"},{"inline_data":{"mime_type":"image/png","data":"AA"}}]},
          {"role":"model","parts":[{"text":"hm","thought":true,"thought_signature":"c2ln"},
            {"functionCall":{"name":"f","args":{"a":1}}},{"functionCall":{"name":"f","args":{"a":1}}}]},
          {"role":"function","parts":[{"functionResponse":{"name":"f","response":{"error":"no"}}},
            {"functionResponse":{"name":"f","response":{"result":2}}},{"text":"and"}]}],
        "tools":[{"function_declarations":[{"name":"f","parameters_json_schema":{"type":"object"}}]},{"googleSearch":{}}],
        "toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},
        "generationConfig":{"max_output_tokens":5,"topK":3,"responseMimeType":"application/json",
          "responseSchema":{"type":"object"},"thinkingConfig":{"thinkingBudget":-1},"mediaResolution":"LOW"},
        "safetySettings":[],"cachedContent":"c"}"#;
    let chat = GEMINI.read(body, true).unwrap();
    let roles: Vec<Role> = chat.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::Tool, Role::User]);
    let Part::Media(media) = &chat.messages[1].parts[1] else { panic!("no media") };
    assert!(media.kind == MediaKind::Image && matches!(&media.source, Source::Base64(data) if *data == "AA"));
    let ids = |message: &Message<'_>| -> Vec<(String, bool)> {
        let id = |part: &Part<'_>| match part {
            Part::ToolCall(call) => Some((call.id.to_string(), false)),
            Part::ToolResult(result) => Some((result.id.to_string(), result.error)),
            _ => None,
        };
        message.parts.iter().filter_map(id).collect()
    };
    assert_eq!(ids(&chat.messages[2]), [("call_1".to_owned(), false), ("call_2".to_owned(), false)]);
    assert_eq!(ids(&chat.messages[3]), [("call_1".to_owned(), true), ("call_2".to_owned(), false)]);
    assert!(matches!(&chat.messages[2].parts[0], Part::Thinking { signature: Some(s), .. } if *s == "c2ln"));
    assert!(matches!(&chat.tools[..], [Tool::Function(_), Tool::Native(_)]));
    assert_eq!(chat.tool_choice, Some(ToolChoice::Function("f".into())));
    assert!(matches!(chat.format, Some(Format::Schema { .. })) && chat.max_tokens == Some(5) && chat.stream);
    assert!(chat.reasoning.unwrap().adaptive);
    let native: Vec<&str> = chat.native.iter().map(|(_, name, _)| &**name).collect();
    assert_eq!(native, ["generationConfig.mediaResolution", "safetySettings", "cachedContent"]);
}

#[test]
fn what_is_no_request_is_refused_by_its_place() {
    for (body, named) in [
        ("[]", "The body is not"),
        ("{}", "contents: at least one"),
        (r#"{"contents":[{"role":"bot","parts":[]}]}"#, "contents[0]: the role"),
        (r#"{"contents":[{"parts":[{}]}]}"#, "contents[0].parts[0]: the part is empty"),
        (r#"{"contents":[{"parts":[{"text":1}]}]}"#, "contents[0].parts[0]: "),
        (
            r#"{"contents":[{"parts":[{"functionResponse":{"name":"f","response":{}}}]}]}"#,
            "contents[0].parts[0]: no call of \"f\"",
        ),
        (r#"{"contents":"hi"}"#, "contents: "),
        (
            r#"{"contents":[{"parts":[{"text":"a"}]}],"generationConfig":{"maxOutputTokens":"x"}}"#,
            "generationConfig.maxOutputTokens: ",
        ),
    ] {
        let fault = GEMINI.read(body.as_bytes(), false).unwrap_err();
        assert!(fault.public.starts_with(named), "{body}: {fault}");
        assert_eq!(fault.kind, Kind::BadRequest);
    }
}

#[test]
fn schemas_in_googles_form_become_json_schema() {
    let body = br#"{"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"type":
        {"type":"STRING","nullable":true,"maxLength":"3"}}}}]}],"contents":[{"parts":[{"text":"OBJECT"}]}]}"#;
    let prepared = GEMINI.prepare(body).unwrap();
    let text = std::str::from_utf8(&prepared).unwrap();
    let expected = r#""parameters":{"type":"object","properties":{"type":{"type":["string","null"],"maxLength":3}}}"#;
    assert!(text.contains(expected) && text.ends_with(r#"[{"text":"OBJECT"}]}]}"#), "{text}");
    assert!(GEMINI.prepare(&prepared).is_none() && GEMINI.prepare(b"{").is_none());
}

fn answer() -> Answer {
    Answer {
        id: "x-1".into(),
        model: "group".into(),
        created: 0,
        include_usage: true,
        array: false,
        request: Bytes::new(),
    }
}

fn usage() -> Usage {
    Usage { prompt: 5, completion: 9, reasoning: 2, cache_read: 3, audio_out: 1, ..Usage::default() }
}

const DELTAS: [Delta<'_>; 10] = [
    Delta::Start { id: None, created: None },
    Delta::Thinking("hm"),
    Delta::Signature("c2ln"),
    Delta::Text("\u{e9}t"),
    Delta::Text("\u{e9}"),
    Delta::Citation { url: Some("https://x"), title: Some("X"), text: Some("t"), start: Some(1), end: Some(2) },
    Delta::ToolCall { index: 0, id: "a", name: "f", signature: None },
    Delta::Arguments { index: 0, json: "{\"a\"" },
    Delta::Arguments { index: 0, json: ":\n1}" },
    Delta::Finish(Finish::ToolCalls),
];

#[test]
fn a_whole_answer_is_one_object() {
    let mut encoder = GEMINI.encoder(answer(), false);
    for delta in DELTAS {
        encoder.delta(0, delta);
        assert!(encoder.take().is_empty());
    }
    encoder.end(Some(&usage()));
    assert_eq!(
        encoder.take(),
        concat!(
            r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true,"thoughtSignature":"c2ln"},"#,
            "{\"text\":\"été\"},{\"functionCall\":{\"id\":\"a\",\"name\":\"f\",\"args\":{\"a\":\n1}}}],",
            r#""role":"model"},"finishReason":"STOP","index":0,"groundingMetadata":{"groundingChunks":[{"web":"#,
            r#"{"uri":"https://x","title":"X"}}],"groundingSupports":[{"segment":{"startIndex":2,"endIndex":3,"text":"t"},"#,
            r#""groundingChunkIndices":[0]}]}}],"usageMetadata":{"promptTokenCount":5,"candidatesTokenCount":7,"#,
            r#""totalTokenCount":14,"cachedContentTokenCount":3,"thoughtsTokenCount":2,"candidatesTokensDetails":["#,
            r#"{"modality":"TEXT","tokenCount":6},{"modality":"AUDIO","tokenCount":1}]},"modelVersion":"group","#,
            r#""responseId":"x-1"}"#
        )
    );
}

#[test]
fn a_stream_says_each_thing_when_it_is_whole_and_its_end_last() {
    let mut encoder = GEMINI.encoder(answer(), true);
    let mut events = Vec::new();
    for delta in DELTAS {
        encoder.delta(0, delta);
        events.push(String::from_utf8(encoder.take().to_vec()).unwrap());
    }
    let texts: Vec<bool> = events.iter().map(String::is_empty).collect();
    assert_eq!(texts, [true, false, false, false, false, true, true, true, true, false]);
    assert!(events.iter().all(|event| !event.contains("finishReason") && event.trim_end().lines().count() <= 1));
    encoder.end(Some(&usage()));
    let last = encoder.take();
    let last = std::str::from_utf8(&last).unwrap();
    assert!(
        last.starts_with(
            r#"data: {"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP""#
        ) && last.contains("usageMetadata")
    );
}

#[test]
fn an_array_has_its_brackets() {
    let mut encoder = GEMINI_ARRAY.encoder(answer(), true);
    let mut out = Vec::new();
    for delta in DELTAS {
        encoder.delta(0, delta);
        out.extend_from_slice(&encoder.take());
    }
    encoder.end(None);
    out.extend_from_slice(&encoder.take());
    let list: Vec<crate::chat::Raw<'_>> = serde_json::from_slice(&out).unwrap();
    assert_eq!(list.len(), 6);
}

#[test]
fn what_only_gemini_says_comes_back_as_it_was() {
    let mut encoder = GEMINI.encoder(answer(), false);
    let native = |key, json| Delta::Native { api: Api::Gemini, key, json };
    encoder.delta(0, native("executableCode", r#"{"executableCode":{"code":"1"}}"#));
    encoder.delta(0, native("finishMessage", r#"{"finishReason":"RECITATION","finishMessage":"m"}"#));
    encoder.delta(0, Delta::Finish(Finish::ContentFilter));
    encoder.delta(0, Delta::Native { api: Api::Anthropic, key: "x", json: "{}" });
    encoder.end(None);
    let text = encoder.take();
    let text = std::str::from_utf8(&text).unwrap();
    assert!(text.contains(r#"[{"executableCode":{"code":"1"}}]"#), "{text}");
    assert!(text.contains(r#""finishReason":"RECITATION","finishMessage":"m""#), "{text}");
}

const STREAM: &str = concat!(
    "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}],\"modelVersion\":\"m-1\",",
    "\"usageMetadata\":{\"promptTokenCount\":2}}\r\n\r\n",
    "data: {\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":2,",
    "\"candidatesTokenCount\":1},\"modelVersion\": \"m-1\"}\n\n",
);

fn relayed(stream: &str, options: RelayOptions, cut: usize) -> (String, StreamEnd, Metered) {
    let mut relay = GEMINI.relay(RelayOptions { event_bytes_max: 4096, ..options });
    let mut out = Vec::new();
    let (first, second) = stream.as_bytes().split_at(cut);
    relay.push(Bytes::copy_from_slice(first), &mut out).unwrap();
    relay.push(Bytes::copy_from_slice(second), &mut out).unwrap();
    let end = relay.finish(&mut out);
    assert!(relay.produced().sample.is_empty() || relay.produced().sample == "a");
    (String::from_utf8(out.concat()).unwrap(), end, relay.metered())
}

#[test]
fn a_stream_passes_as_it_came_but_for_the_model() {
    for cut in 0..STREAM.len() {
        let (passed, end, metered) = relayed(STREAM, RelayOptions::default(), cut);
        assert_eq!((passed.as_str(), end), (STREAM, StreamEnd::Complete));
        assert!(matches!(metered, Metered::Reported(Usage { prompt: 2, completion: 1, .. })));
        let options = RelayOptions { model_json: Some(Bytes::from_static(b"\"g\"")), ..RelayOptions::default() };
        assert_eq!(relayed(STREAM, options, cut).0, STREAM.replace("m-1", "g"));
    }
}

#[test]
fn a_stream_that_is_cut_is_told() {
    let middle = STREAM.find("\r\n\r\n").unwrap() + 4;
    for end in 0..STREAM.len() - 2 {
        let (passed, ended, metered) = relayed(&STREAM[..end], RelayOptions::default(), 0);
        let expected = match end {
            0 => StreamEnd::NoDone,
            end if end + 4 >= middle && end <= middle => StreamEnd::NoDone,
            _ => StreamEnd::Truncated,
        };
        assert_eq!(ended, expected, "cut at {end}: {passed}");
        assert!(!matches!(metered, Metered::Reported(_)));
    }
    assert_eq!(relayed(STREAM.trim_end(), RelayOptions::default(), 0).1, StreamEnd::Complete);
}

#[test]
fn an_array_passes_and_must_be_closed() {
    let array =
        "[{\"candidates\":[{\"finishReason\":\"STOP\"}]}\n,\r\n{\"usageMetadata\":{\"promptTokenCount\":1}}\n]\n";
    for cut in 0..array.len() {
        let (passed, end, _) = relayed(array, RelayOptions { array: true, ..RelayOptions::default() }, cut);
        assert_eq!((passed.as_str(), end), (array, StreamEnd::Complete));
    }
    assert_eq!(relayed(&array[..array.len() - 2], RelayOptions::default(), 3).1, StreamEnd::NoDone);
    assert_eq!(relayed(&array[..array.len() - 5], RelayOptions::default(), 3).1, StreamEnd::Truncated);
}

#[test]
fn errors_pass_without_credentials() {
    let stream = "data: {\"error\":{\"code\":400,\"message\":\"key AIza-secret-0123456789 is bad\"}}\n\n";
    let options = RelayOptions { secrets: vec![Secret::new("AIza-secret-0123456789")], ..RelayOptions::default() };
    let (passed, end, _) = relayed(stream, options, 0);
    assert!(!passed.contains("secret") && passed.contains("is bad") && end == StreamEnd::NoDone, "{passed}");
}

#[test]
fn an_event_that_never_ends_is_refused() {
    let mut relay = GEMINI.relay(RelayOptions { event_bytes_max: 16, ..RelayOptions::default() });
    let long = Bytes::from(format!("[{{\"a\":\"{}", "x".repeat(64)));
    assert_eq!(relay.push(long, &mut Vec::new()), Err(Broken::TooLong));
}

#[test]
fn errors_are_googles() {
    let fault = Fault::client(Kind::RateLimited, "slow \"down\"");
    assert_eq!(
        GEMINI.error(&fault, 429, "r"),
        r#"{"error":{"code":429,"message":"slow \"down\"","status":"RESOURCE_EXHAUSTED"}}"#
    );
    assert!(GEMINI.error_event(&fault).starts_with(b"data: {\"error\""));
    assert!(GEMINI_ARRAY.error_event(&fault).ends_with(b"}]"));
    assert!(super::array_of_error(&fault).starts_with(b"[{\"error\""));
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _chat = GEMINI.read(&bytes, false).is_ok();
        let _prepared = GEMINI.prepare(&bytes);
        let _metered = GEMINI.metered(&bytes);
        let mut relay = GEMINI.relay(RelayOptions { event_bytes_max: 128, ..RelayOptions::default() });
        let mut out = Vec::new();
        let _pushed = relay.push(bytes.into(), &mut out);
        let _ended = relay.finish(&mut out);
    }

    #[test]
    fn damaged_streams_pass_or_end(at in 0_usize..400, byte in any::<u8>(), model in any::<bool>()) {
        let mut bytes = STREAM.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        let model_json = model.then(|| Bytes::from_static(b"\"g\""));
        let mut relay = GEMINI.relay(RelayOptions { event_bytes_max: 4096, model_json, ..RelayOptions::default() });
        let mut out = Vec::new();
        let _pushed = relay.push(bytes.into(), &mut out);
        let _ended = relay.finish(&mut out);
    }
}
