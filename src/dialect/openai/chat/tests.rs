use proptest::prelude::*;

use super::*;
use crate::chat::{
    Api, Cache, Delta, Finish, Format, Media, MediaKind, Part, Reasoning, Role, Source, Tool, ToolChoice,
};
use crate::vocabulary::Usage;

fn read(body: &str) -> Chat<'_> {
    CHAT.read(body.as_bytes(), false).unwrap()
}

fn refused(body: &str) -> (String, String) {
    let fault = CHAT.read(body.as_bytes(), false).unwrap_err();
    (fault.param.unwrap_or_default().into_owned(), fault.public.into_owned())
}

/// A request with one assistant message in its middle.
fn assistant(members: &str) -> String {
    format!(r#"{{"messages":[{{"role":"user","content":"q"}},{{"role":"assistant",{members}}}]}}"#)
}

#[test]
fn parameters_find_their_fields() {
    let chat = read(
        r#"{"model":"m","messages":[{"role":"user","content":"hi","name":"ann"}],"max_tokens":5,"max_completion_tokens":7,
            "temperature":0.50,"top_k":3,"stop":["a","","b"],"n":2,"seed":null,"reasoning_effort":"high","user":"u",
            "logit_bias":{},"store":null,"provider":{"order":[]},"num_retries":3,"stream":true,
            "stream_options":{"include_usage":true},"response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{}}}}"#,
    );
    assert_eq!((chat.max_tokens, chat.choices, chat.stream), (Some(7), Some(2), true));
    assert_eq!(chat.temperature.map(|raw| raw.get()), Some("0.50"));
    assert_eq!(chat.stop, ["a", "b"]);
    assert_eq!(chat.reasoning.unwrap().effort.unwrap().as_str(), "high");
    assert!(matches!(chat.format, Some(Format::Schema { .. })) && chat.seed.is_none());
    let names = |list: &[(crate::chat::Str<'_>, crate::chat::Raw<'_>)]| {
        list.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!((names(&chat.others), names(&chat.extra)), (vec!["logit_bias".into()], vec!["provider".into()]));
    assert_eq!(chat.messages[0].name.as_deref(), Some("ann"));
}

#[test]
fn the_ways_to_ask_for_thoughts_are_one() {
    let reasoning = |members: &str| {
        let body = format!(r#"{{"messages":[{{"role":"user","content":"q"}}],{members}}}"#);
        let chat = CHAT.read(body.as_bytes(), false).unwrap();
        let Reasoning { effort, budget_tokens, enabled, adaptive, show, .. } = chat.reasoning.unwrap();
        (effort.map(crate::chat::Effort::as_str), budget_tokens, enabled, adaptive, show)
    };
    let thinking = r#""thinking":{"type":"enabled","budget_tokens":2048}"#;
    assert_eq!(reasoning(thinking), (None, Some(2048), Some(true), false, None));
    assert_eq!(reasoning(r#""thinking":{"type":"adaptive"}"#), (None, None, Some(true), true, None));
    assert_eq!(reasoning(r#""thinking":{"type":"disabled"}"#), (None, None, Some(false), false, None));
    let object = r#""reasoning":{"max_tokens":9,"exclude":true}"#;
    assert_eq!(reasoning(object), (None, Some(9), None, false, Some(false)));
    let object = r#""reasoning_effort":{"effort":"minimal","summary":"auto"}"#;
    assert_eq!(reasoning(object), (Some("minimal"), None, None, false, None));
}

#[test]
fn thoughts_come_back_as_they_went_out() {
    let thoughts = |members: &str| {
        let body = assistant(&format!(r#""content":"a",{members}"#));
        format!("{:?}", CHAT.read(body.as_bytes(), false).unwrap().messages[1].parts)
    };
    let signed = r#"[Thinking { text: Str("hm"), signature: Some(Str("S")) }, Text { text: Str("a"), cache: None }]"#;
    for members in [
        r#""reasoning_content":"hm","thinking_blocks":[{"type":"thinking","thinking":"hm","signature":"S"}]"#,
        // Put together from a stream by a client that lost the text, and by one that joined nothing.
        r#""reasoning_content":"hm","thinking_blocks":[{"type":"thinking","thinking":"","signature":"S"}]"#,
        r#""thinking_blocks":[{"type":"thinking","thinking":"h","signature":""},{"type":"thinking","thinking":"m"},
            {"type":"thinking","thinking":"","signature":"S"}]"#,
        r#""reasoning":"hm","reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"S","index":0}]"#,
    ] {
        assert_eq!(thoughts(members), signed, "{members}");
    }
    let body = assistant(
        r#""content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}],"signature":"S"},{"type":"text","text":"a"}],
           "reasoning_content":"hm""#,
    );
    assert_eq!(format!("{:?}", read(&body).messages[1].parts), signed);
    let redacted = thoughts(r#""thinking_blocks":[{"type":"redacted_thinking","data":"D"}]"#);
    assert!(redacted.starts_with(r#"[Redacted { data: Str("D") }"#), "{redacted}");
}

#[test]
fn a_calls_signature_is_found_wherever_clients_keep_it() {
    for members in [
        r#""tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"},"provider_specific_fields":{"thought_signature":"S"}}]"#,
        r#""tool_calls":[{"id":"c","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"S"}}}]"#,
        r#""tool_calls":[{"id":"c__thought__S","function":{"name":"f","arguments":"{}"}}]"#,
        r#""tool_calls":[{"id":"c","function":{"name":"f","arguments":{}}}],"provider_specific_fields":{"thought_signatures":["S"]}"#,
    ] {
        let body = assistant(&format!(r#""content":"",{members}"#));
        let chat = read(&body);
        let [Part::ToolCall(call)] = chat.messages[1].parts.as_slice() else { panic!("{members}") };
        assert_eq!((&*call.id, &*call.arguments, call.signature.as_deref()), ("c", "{}", Some("S")), "{members}");
    }
    let body = r#"{"messages":[{"role":"tool","tool_call_id":"c__thought__S","content":"x"}]}"#;
    let chat = read(body);
    let Part::ToolResult(result) = &chat.messages[0].parts[0] else { panic!() };
    assert_eq!((chat.messages[0].role, &*result.id), (Role::Tool, "c"));
}

#[test]
fn the_old_functions_are_tools() {
    let chat = read(
        r#"{"messages":[{"role":"user","content":"q"},
            {"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},
            {"role":"function","name":"f","content":"42"}],"functions":[{"name":"f","parameters":{}}],"function_call":{"name":"f"}}"#,
    );
    let (Part::ToolCall(call), Part::ToolResult(result)) = (&chat.messages[1].parts[0], &chat.messages[2].parts[0])
    else {
        panic!()
    };
    assert_eq!(call.id, result.id);
    assert!(matches!(&chat.tools[0], Tool::Function(function) if function.name == "f"));
    assert_eq!(chat.tool_choice, Some(ToolChoice::Function("f".into())));
}

#[test]
fn tools_and_choices_are_read_in_all_forms() {
    let chat = read(
        r#"{"messages":[{"role":"user","content":"q"}],"tools":[
            {"type":"function","function":{"name":"a","strict":true},"cache_control":{"type":"ephemeral","ttl":"1h"}},
            {"type":"function","name":"b","parameters":{}},{"name":"c","input_schema":{}},{"type":"web_search"}],
            "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[
                {"type":"function","function":{"name":"a"}}]}}}"#,
    );
    let [Tool::Function(function)] = chat.tools.as_slice() else { panic!() };
    assert_eq!((function.strict, &function.cache), (Some(true), &Some(Cache { ttl: Some("1h".into()) })));
    assert_eq!(chat.tool_choice, Some(ToolChoice::Required));
    for (json, choice) in [
        (r#""none""#, ToolChoice::None),
        (r#""any""#, ToolChoice::Required),
        (r#"{"type":"function","function":{"name":"f"}}"#, ToolChoice::Function("f".into())),
        (r#"{"type":"tool","name":"f"}"#, ToolChoice::Function("f".into())),
        (r#"{"type":"auto"}"#, ToolChoice::Auto),
    ] {
        let body = format!(r#"{{"messages":[{{"role":"user","content":"q"}}],"tool_choice":{json}}}"#);
        assert_eq!(CHAT.read(body.as_bytes(), false).unwrap().tool_choice, Some(choice), "{json}");
    }
}

#[test]
fn media_are_read_in_all_forms() {
    for (part, kind, mime, source) in [
        (
            r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ==","detail":"low"}}"#,
            MediaKind::Image,
            Some("image/png"),
            r#"Base64(Str("QQ=="))"#,
        ),
        (r#"{"type":"image_url","image_url":"https://x/a"}"#, MediaKind::Image, None, r#"Url(Str("https://x/a"))"#),
        (
            r#"{"type":"input_audio","input_audio":{"data":"QQ==","format":"mp3"}}"#,
            MediaKind::Audio,
            Some("audio/mpeg"),
            r#"Base64(Str("QQ=="))"#,
        ),
        (
            r#"{"type":"file","file":{"file_data":"QQ==","filename":"a.PDF"}}"#,
            MediaKind::File,
            Some("application/pdf"),
            r#"Base64(Str("QQ=="))"#,
        ),
        (r#"{"type":"file","file":{"file_id":"file-1"}}"#, MediaKind::File, None, r#"Id(Str("file-1"))"#),
        (
            r#"{"type":"file","file":{"file_id":"gs://b/v","format":"video/mp4"}}"#,
            MediaKind::Video,
            Some("video/mp4"),
            r#"Url(Str("gs://b/v"))"#,
        ),
        (
            r#"{"type":"image_url","image_url":{"url":"data:application/pdf;base64,QQ=="}}"#,
            MediaKind::File,
            Some("application/pdf"),
            r#"Base64(Str("QQ=="))"#,
        ),
        (
            r#"{"type":"document","source":{"type":"text","media_type":"text/plain","data":"t"}}"#,
            MediaKind::File,
            Some("text/plain"),
            r#"Text(Str("t"))"#,
        ),
    ] {
        let body = format!(r#"{{"messages":[{{"role":"user","content":[{part}]}}]}}"#);
        let chat = CHAT.read(body.as_bytes(), false).unwrap();
        let Part::Media(Media { kind: found, source: at, mime: told, .. }) = &chat.messages[0].parts[0] else {
            panic!("{part}")
        };
        assert_eq!((*found, told.as_deref(), format!("{at:?}").as_str()), (kind, mime, source), "{part}");
        assert!(!matches!(at, Source::Url(url) if url.starts_with("data:")));
    }
    let chat = read(r#"{"messages":[{"role":"user","content":[{"type":"new_thing","x":1}]}]}"#);
    assert!(matches!(&chat.messages[0].parts[0], Part::Native(native) if native.api == Api::OpenAiChat));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (body, param) in [
        ("{}", "messages"),
        (r#"{"messages":[]}"#, "messages"),
        (r#"{"messages":{}}"#, "messages"),
        (r#"{"messages":[{"role":"x","content":"a"}]}"#, "messages[0].role"),
        (r#"{"messages":[{"role":"user","content":5}]}"#, "messages[0].content"),
        (r#"{"messages":[{"role":"user"}]}"#, "messages[0].content"),
        (r#"{"messages":[{"role":"user","content":[{"type":"text"}]}]}"#, "messages[0].content[0].text"),
        (r#"{"messages":[{"role":"tool","content":"a"}]}"#, "messages[0].tool_call_id"),
        (r#"{"messages":[{"role":"user","content":"a"}],"n":"2"}"#, "n"),
        (r#"{"messages":[{"role":"user","content":"a"}],"tools":[{"type":"function"}]}"#, "tools[0].function"),
        (r#"{"messages":[{"role":"user","content":"a"}],"reasoning_effort":"hard"}"#, "reasoning_effort"),
        (r#"{"messages":[{"role":"user","content":"a"}],"response_format":{"type":"xml"}}"#, "response_format.type"),
    ] {
        let (found, text) = refused(body);
        assert_eq!(found, param, "{text}");
        assert!(text.contains(param), "{text}");
    }
}

fn answer(include_usage: bool) -> Answer {
    Answer { id: "x".into(), model: "m".into(), created: 7, include_usage, array: false, request: Bytes::new() }
}

fn say(stream: bool, deltas: &[Delta<'_>], usage: Option<&Usage>) -> String {
    let mut encoder = CHAT.encoder(answer(usage.is_some()), stream);
    deltas.iter().for_each(|delta| encoder.delta(0, *delta));
    encoder.end(usage);
    String::from_utf8(encoder.take().to_vec()).unwrap()
}

#[test]
fn a_whole_answer_is_written() {
    let usage = Usage { prompt: 10, completion: 4, cache_read: 3, cache_write: 2, reasoning: 1, ..Usage::default() };
    let deltas = [
        Delta::Start { id: Some("msg_1"), created: None },
        Delta::Thinking("h\n"),
        Delta::Thinking("m"),
        Delta::Signature("S"),
        Delta::Text("a\"b"),
        Delta::ToolCall { index: 0, id: "c", name: "f", signature: Some("G") },
        Delta::Finish(Finish::Stop),
    ];
    let expected = concat!(
        r#"{"id":"msg_1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant","#,
        r#""content":"a\"b","reasoning_content":"h\nm","thinking_blocks":[{"type":"thinking","thinking":"h\nm","signature":"S"}],"#,
        r#""tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"},"#,
        r#""provider_specific_fields":{"thought_signature":"G"},"extra_content":{"google":{"thought_signature":"G"}}}]},"#,
        r#""finish_reason":"tool_calls"}],"usage":{"prompt_tokens":10,"completion_tokens":4,"total_tokens":14,"#,
        r#""prompt_tokens_details":{"cached_tokens":3,"audio_tokens":0,"cache_creation_tokens":2},"#,
        r#""completion_tokens_details":{"reasoning_tokens":1,"audio_tokens":0},"#,
        r#""cache_creation_input_tokens":2,"cache_read_input_tokens":3}}"#,
    );
    assert_eq!(say(false, &deltas, Some(&usage)), expected);
    assert_eq!(CHAT.metered(expected.split_once("\"usage\":").unwrap().1.as_bytes()).usage(), Some(&usage));
}

#[test]
fn what_has_no_place_of_its_own_is_kept_under_provider_specific_fields() {
    let deltas = [
        Delta::Refusal("no"),
        Delta::Media { mime: "image/png", data: "QQ==" },
        Delta::Citation { url: Some("u"), title: Some("t"), text: None, start: Some(1), end: Some(2) },
        Delta::Citation { url: None, title: None, text: Some("w"), start: None, end: None },
        Delta::Native { api: Api::Gemini, key: "groundingMetadata", json: "{\n}" },
        Delta::Native { api: Api::OpenAiChat, key: "logprobs", json: "{}" },
        Delta::Finish(Finish::Pause),
    ];
    let whole = say(false, &deltas, None);
    for part in [
        r#""content":null,"refusal":"no""#,
        r#""annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"t","start_index":1,"end_index":2}}]"#,
        r#""images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}}]"#,
        r#""citations":[{"title":"","content":"w"}]"#,
        r#""stop_reason":"pause_turn"}"#,
        r#""logprobs":{},"finish_reason":"stop""#,
    ] {
        assert!(whole.contains(part), "{part} in {whole}");
    }
    let stream = say(true, &deltas, None);
    assert!(stream.contains(r#""provider_specific_fields":{"groundingMetadata":{ }}"#), "{stream}");
    assert!(stream.lines().all(|line| line.is_empty() || line.starts_with("data: ")), "{stream}");
}

#[test]
fn a_stream_is_written_piece_by_piece() {
    let usage = Usage { prompt: 1, completion: 2, ..Usage::default() };
    let deltas = [
        Delta::Start { id: None, created: Some(9) },
        Delta::Thinking("h"),
        Delta::Signature("S"),
        Delta::Text("a"),
        Delta::ToolCall { index: 0, id: "c", name: "f", signature: None },
        Delta::Arguments { index: 0, json: "{\"a\"" },
        Delta::ToolCall { index: 1, id: "d", name: "g", signature: None },
        Delta::Finish(Finish::ToolCalls),
    ];
    let text = say(true, &deltas, Some(&usage));
    let head = r#"data: {"id":"chatcmpl-x","object":"chat.completion.chunk","created":9,"model":"m","choices":["#;
    let chunk =
        |delta: &str, finish: &str| format!(r#"{head}{{"index":0,"delta":{{{delta}}},"finish_reason":{finish}}}]}}"#);
    let expected = [
        chunk(r#""role":"assistant","content":"""#, "null"),
        chunk(
            r#""reasoning_content":"h","thinking_blocks":[{"type":"thinking","thinking":"h","signature":""}]"#,
            "null",
        ),
        chunk(r#""thinking_blocks":[{"type":"thinking","thinking":"","signature":"S"}]"#, "null"),
        chunk(r#""content":"a""#, "null"),
        chunk(
            r#""tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"f","arguments":""}}]"#,
            "null",
        ),
        chunk(r#""tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]"#, "null"),
        chunk(
            r#""tool_calls":[{"index":1,"id":"d","type":"function","function":{"name":"g","arguments":""}}]"#,
            "null",
        ),
        chunk(r#""tool_calls":[{"index":1,"function":{"arguments":"{}"}}]"#, "null"),
        chunk("", r#""tool_calls""#),
        format!(
            "{}{}",
            head,
            concat!(
                r#"],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":0,"#,
                r#""audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}}"#
            )
        ),
        "data: [DONE]".to_owned(),
    ];
    assert_eq!(text.split("\n\n").filter(|event| !event.is_empty()).collect::<Vec<_>>(), expected);
}

#[test]
fn an_answer_without_a_word_is_an_answer() {
    let text = say(false, &[], None);
    assert!(text.contains(r#""message":{"role":"assistant","content":""},"finish_reason":"stop""#), "{text}");
    let text = say(true, &[], None);
    assert!(text.contains(r#""finish_reason":"stop""#) && text.ends_with("data: [DONE]\n\n"), "{text}");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _read = CHAT.read(&bytes, false);
    }

    #[test]
    fn any_shape_of_a_message_is_read_or_refused(
        name in "(role|content|tool_calls|function_call|thinking_blocks|reasoning_details|images|audio|cache_control)",
        value in r#"(null|5|"x"|\[\]|\{\}|\[5\]|\[null\]|\[\{\}\]|\[\{"type":"text"\}\]|\[\{"type":"file"\}\]|\{"name":1\})"#,
        role in "(user|assistant|tool|system|function)",
    ) {
        let body = format!(r#"{{"messages":[{{"role":"{role}","{name}":{value}}}]}}"#);
        let _read = CHAT.read(body.as_bytes(), true);
    }

    #[test]
    fn any_text_is_written_as_json(text in any::<String>()) {
        let whole = say(false, &[Delta::Text(&text), Delta::Thinking(&text), Delta::Signature(&text)], None);
        prop_assert!(serde_json::from_str::<crate::chat::Raw<'_>>(&whole).is_ok());
        let stream = say(true, &[Delta::Text(&text), Delta::Redacted(&text)], None);
        for event in stream.split("\n\n").filter_map(|event| event.strip_prefix("data: {")) {
            let event = format!("{{{event}");
            prop_assert!(serde_json::from_str::<crate::chat::Raw<'_>>(&event).is_ok());
        }
    }
}
