//! Requests, answers and streams of `/api/chat`, and embeddings.

use proptest::prelude::*;

use super::super::for_tests::{Seen, at_every_split, call, called, function, image, raw, result, stream, written};
use super::*;
use crate::chat::{
    Api, DecodeEnd, Effort, Format, Media, MediaKind, Message, Native, Part, Reasoning, Role, Source, Tool, ToolChoice,
    UpstreamError,
};
use crate::vocabulary::Usage;

fn request(chat: &Chat<'_>) -> String {
    written(&NativeChat, chat, "qwen3").unwrap().0
}

fn refusal(chat: &Chat<'_>) -> String {
    written(&NativeChat, chat, "qwen3").unwrap_err().public.into_owned()
}

fn user(parts: Vec<Part<'_>>) -> Chat<'_> {
    Chat { messages: vec![Message::new(Role::User, parts)], ..Chat::default() }
}

#[test]
fn the_base_may_end_as_any_of_its_apis() {
    for base in ["http://o:11434", "http://o:11434/v1", "http://o:11434/api", "http://o:11434/api/chat"] {
        let deployment = crate::provider::for_tests::deployment("ollama_chat", "qwen3", Some(base));
        let target = OLLAMA_CHAT.target(&deployment).unwrap();
        assert_eq!(NativeChat.path(&target, "qwen3", false), "/api/chat", "{base}");
        let call = Call { endpoint: Endpoint::Completions, model: "qwen3", stream: false };
        assert_eq!(OLLAMA_CHAT.path(&target, &call), "/v1/completions", "{base}");
    }
}

#[test]
fn a_conversation_with_tools_is_written() {
    let thought = Part::Thinking { text: "Look.".into(), signature: None };
    let chat = Chat {
        messages: vec![
            Message::new(Role::System, vec![Part::text("Be"), Part::text("brief.")]),
            Message::new(Role::User, vec![Part::text("Weather?"), image(Source::Base64("iVBOR".into()))]),
            Message::new(
                Role::Assistant,
                vec![
                    thought,
                    Part::text("I "),
                    Part::text("look."),
                    call("c1", "look", ""),
                    call("c2", "see", r#"{"a": 1}"#),
                ],
            ),
            Message::new(
                Role::Tool,
                vec![result("c1", vec![Part::text("sun")]), result("c2", vec![Part::text("moon")])],
            ),
        ],
        tools: vec![function("look", None), function("see", Some(raw(r#"{"type":"object"}"#)))],
        stream: true,
        ..Chat::default()
    };
    let want = concat!(
        r#"{"model":"qwen3","messages":[{"role":"system","content":"Be\nbrief."},"#,
        r#"{"role":"user","content":"Weather?","images":["iVBOR"]},"#,
        r#"{"role":"assistant","content":"I look.","thinking":"Look.","tool_calls":["#,
        r#"{"id":"c1","type":"function","function":{"name":"look","arguments":{}}},"#,
        r#"{"id":"c2","type":"function","function":{"name":"see","arguments":{"a": 1}}}]},"#,
        r#"{"role":"tool","content":"sun","tool_name":"look","tool_call_id":"c1"},"#,
        r#"{"role":"tool","content":"moon","tool_name":"see","tool_call_id":"c2"}],"stream":true,"#,
        r#""tools":[{"type":"function","function":{"name":"look","parameters":{"type":"object","properties":{}}}},"#,
        r#"{"type":"function","function":{"name":"see","parameters":{"type":"object"}}}]}"#,
    );
    assert_eq!(request(&chat), want);
}

#[test]
fn parameters_go_into_options() {
    let chat = Chat {
        max_tokens: Some(9),
        temperature: Some(raw("0.50")),
        top_p: Some(raw("0.9")),
        top_k: Some(raw("3")),
        seed: Some(raw("7")),
        frequency_penalty: Some(raw("0.1")),
        presence_penalty: Some(raw("0.2")),
        stop: vec!["x".into()],
        format: Some(Format::Schema { name: "n".into(), description: None, schema: raw("{}"), strict: None }),
        others: vec![("logprobs".into(), raw("true")), ("top_logprobs".into(), raw("2"))],
        extra: vec![
            ("num_ctx".into(), raw("4096")),
            ("keep_alive".into(), raw(r#""5m""#)),
            ("options".into(), raw(r#"{"mirostat":1,"seed":8,"num_ctx":1}"#)),
            ("messages".into(), raw("[]")),
        ],
        ..user(vec![])
    };
    let want = concat!(
        r#"{"model":"qwen3","messages":[{"role":"user","content":""}],"stream":false,"format":{},"#,
        r#""options":{"num_predict":9,"temperature":0.50,"top_p":0.9,"top_k":3,"seed":7,"frequency_penalty":0.1,"#,
        r#""presence_penalty":0.2,"stop":["x"],"num_ctx":4096,"mirostat":1},"#,
        r#""logprobs":true,"top_logprobs":2,"keep_alive":"5m"}"#,
    );
    assert_eq!(request(&chat), want);
    let json = Chat { format: Some(Format::Json), ..user(vec![]) };
    assert!(request(&json).ends_with(r#""stream":false,"format":"json"}"#));
    let wrong = Chat { extra: vec![("options".into(), raw("3"))], ..user(vec![]) };
    assert!(refusal(&wrong).contains("'options' must be an object"));
}

#[test]
fn thinking_is_asked_for_in_the_models_way() {
    let ask = |reasoning: Reasoning<'static>, model| {
        let chat = Chat { reasoning: Some(reasoning), ..user(vec![]) };
        let body = written(&NativeChat, &chat, model).unwrap().0;
        body.split_once("\"think\":").map(|(_, rest)| rest.trim_end_matches('}').to_owned())
    };
    let none = Reasoning::default();
    let effort = |effort| Reasoning { effort: Some(effort), ..Reasoning::default() };
    assert_eq!(ask(none.clone(), "qwen3"), None);
    assert_eq!(ask(effort(Effort::None), "qwen3").unwrap(), "false");
    assert_eq!(ask(effort(Effort::High), "qwen3").unwrap(), "true");
    assert_eq!(ask(effort(Effort::Minimal), "gpt-oss:20b").unwrap(), "\"low\"");
    assert_eq!(ask(effort(Effort::Max), "gpt-oss:20b").unwrap(), "\"high\"");
    assert_eq!(ask(Reasoning { enabled: Some(true), ..none.clone() }, "gpt-oss").unwrap(), "\"medium\"");
    assert_eq!(ask(Reasoning { budget_tokens: Some(1000), ..none.clone() }, "gpt-oss").unwrap(), "\"low\"");
    assert_eq!(ask(Reasoning { enabled: Some(false), ..none }, "qwen3").unwrap(), "false");
}

#[test]
fn the_choice_of_a_tool_is_kept_as_far_as_it_can_be() {
    let ask = |choice| {
        let tools = vec![function("f", None), function("g", None)];
        let chat = Chat { tools, tool_choice: Some(choice), ..user(vec![]) };
        let (body, dropped) = written(&NativeChat, &chat, "qwen3").unwrap();
        (body.matches("\"function\":{").count(), dropped)
    };
    assert_eq!(ask(ToolChoice::Auto), (2, vec![]));
    assert_eq!(ask(ToolChoice::None), (0, vec![]));
    assert_eq!(ask(ToolChoice::Required), (2, vec!["tool_choice".to_owned()]));
    assert_eq!(ask(ToolChoice::Function("g".into())), (1, vec!["tool_choice".to_owned()]));
}

#[test]
fn what_ollama_does_not_take_is_refused_by_place() {
    let refused = refusal(&user(vec![Part::text("a"), image(Source::Url("https://x.example/a.png".into()))]));
    assert!(refused.starts_with("messages[0].content[1] is an image by URL"), "{refused}");
    let source = Source::Base64("AA".into());
    let sound = Media { kind: MediaKind::Audio, source, mime: None, name: None, detail: None, cache: None };
    let refused = refusal(&user(vec![Part::Media(sound)]));
    assert!(refused.starts_with("messages[0].content[0] is audio"), "{refused}");
    let assistant = Message::new(Role::Assistant, vec![call("c", "f", "[1]")]);
    let refused = refusal(&Chat { messages: vec![assistant], ..Chat::default() });
    assert!(refused.starts_with("messages[0].content[0] is a call whose arguments"), "{refused}");
    let search = Native { api: Api::Anthropic, json: raw(r#"{"type":"web_search_20250305"}"#) };
    let refused = refusal(&Chat { tools: vec![Tool::Native(search)], ..user(vec![]) });
    assert!(refused.starts_with("tools[0] is of type \"web_search_20250305\""), "{refused}");
}

const ANSWER: &str = r#"{"model":"qwen3","created_at":"2026-08-05T08:11:02.806664Z","message":{"role":"assistant","content":"","thinking":"Hm \u00e9"},"done":false}
{"model":"qwen3","created_at":"2026-08-05T08:11:03Z","message":{"role":"assistant","content":"Grüß"},"done":false}

{"created_at":"2026-08-05T08:11:03Z","message":{"content":" Gott"},"logprobs":[{"token":" Gott","logprob":-0.5}],"done":false}
{"created_at":"2026-08-05T08:11:04Z","message":{"content":"","tool_calls":[{"id":"call_a","function":{"index":0,"name":"f","arguments":{"a": 1}}}]},"done":false}
{"created_at":"2026-08-05T08:11:04Z","message":{"content":"","tool_calls":[{"function":{"index":0,"name":"g","arguments":{}}},{"function":{"name":"h","arguments":"{\"b\":2}"}}]},"done":false}
{"created_at":"2026-08-05T08:11:05Z","message":{"role":"assistant","content":""},"done_reason":"stop","done":true,"prompt_eval_count":16,"eval_count":22,"novel":1}
"#;

#[test]
fn a_stream_is_the_same_at_every_split() {
    let (seen, end, metered) = at_every_split(&NativeChat, ANSWER);
    let want = [
        "start: -",
        "thinking: Hm é",
        "text: Grüß Gott",
        r#"Native { api: OpenAiChat, key: "logprobs", json: "{\"content\":[{\"token\":\" Gott\",\"logprob\":-0.5}]}" }"#,
        "call 0: call_a f",
        r#"arguments 0: {"a": 1}"#,
        "call 1: call_f47533a3dc06ba5a_1 g",
        "arguments 1: {}",
        "call 2: call_f47533a3dc06ba5a_2 h",
        r#"arguments 2: {"b":2}"#,
        "finish: ToolCalls",
    ];
    assert_eq!(seen, want);
    let usage = Usage { prompt: 16, completion: 22, ..Usage::default() };
    assert_eq!((end, metered), (Ok(DecodeEnd::Complete), Metered::Reported(usage)));
}

#[test]
fn a_stream_without_its_last_line_is_truncated() {
    let last = ANSWER.trim_end().rfind('\n').unwrap();
    for (at, _) in ANSWER.match_indices('\n').filter(|(at, _)| *at <= last) {
        let (seen, end, metered) = stream(&NativeChat, &[&ANSWER.as_bytes()[..=at]]);
        assert_eq!((end, metered), (Ok(DecodeEnd::Truncated), Metered::Absent));
        assert!(!seen.0.iter().any(|piece| piece.starts_with("finish")));
    }
    // The last line may lack its end, but nothing of itself.
    assert_eq!(stream(&NativeChat, &[ANSWER.trim_end().as_bytes()]).1, Ok(DecodeEnd::Complete));
    assert_eq!(stream(&NativeChat, &[&ANSWER.as_bytes()[..ANSWER.len() - 3]]).1, Ok(DecodeEnd::Truncated));
}

#[test]
fn errors_in_a_stream_are_told() {
    let told = |body: &str| match stream(&NativeChat, &[body.as_bytes()]).1 {
        Err(Broken::Upstream(UpstreamError { status: 500, message })) => message,
        other => panic!("{other:?}"),
    };
    assert_eq!(told("{\"error\":\"out of memory\"}\n"), "out of memory");
    assert_eq!(told("{\"message\":{\"content\":\"a\"},\"done\":false}\n{\"error\":{\"message\":\"m\"}}"), "m");
    assert!(matches!(stream(&NativeChat, &[b"<html>\n"]).1, Err(Broken::Malformed(_))));
    assert_eq!(stream(&NativeChat, &["x".repeat(70_000).as_bytes()]).1, Err(Broken::TooLong));
}

#[test]
fn ends_and_counts_differ() {
    let read = |body: &str| {
        let mut seen = Seen::default();
        let metered = NativeChat.read(body.as_bytes(), &mut seen);
        (seen.0.last().cloned().unwrap_or_default(), metered)
    };
    let (finish, metered) = read(r#"{"message":{"content":"a"},"done":true,"done_reason":"length","eval_count":3}"#);
    assert_eq!(finish, "finish: Length");
    assert_eq!(metered, Ok(Metered::Partial(Usage { completion: 3, ..Usage::default() })));
    let (finish, metered) = read(r#"{"message":{"content":""},"done":true,"done_reason":"load"}"#);
    assert_eq!((finish.as_str(), metered), ("finish: Other(\"load\")", Ok(Metered::Absent)));
    assert!(read(r#"{"message":{"content":"a"},"done":false}"#).1.is_err());
}

#[test]
fn embeddings_are_asked_for_and_answered() {
    let request = r#"{"model":"x","input":["a","b"],"dimensions":2,"num_ctx":512,"truncate":true}"#;
    let want = r#"{"model":"m","input":["a","b"],"dimensions":2,"options":{"num_ctx":512},"truncate":true}"#;
    assert_eq!(called(&embed::Embed, request).unwrap().0, want);
    let (body, metered) =
        embed::Embed.read(br#"{"embeddings":[[0.10],[2]],"prompt_eval_count":4}"#, "m", request.as_bytes()).unwrap();
    let body = std::str::from_utf8(&body).unwrap();
    assert!(body.contains(r#""embedding":[0.10]"#) && body.contains(r#""prompt_tokens":4"#), "{body}");
    assert_eq!(metered, Metered::Reported(Usage { prompt: 4, ..Usage::default() }));
    let error = embed::Embed.read(br#"{"error":"no"}"#, "m", b"{}").unwrap_err();
    assert_eq!(error.to_string(), "500: no");
}

proptest! {
    #[test]
    fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..200) {
        let (left, right) = bytes.split_at(at.min(bytes.len()));
        let _ended = stream(&NativeChat, &[left, right]);
        let _read = NativeChat.read(&bytes, &mut Seen::default());
        let _embedded = embed::Embed.read(&bytes, "m", &bytes);
    }

    #[test]
    fn a_damaged_stream_can_be_read(at in 0usize..1000, byte in any::<u8>()) {
        let mut body = ANSWER.as_bytes().to_vec();
        if let Some(place) = body.get_mut(at) {
            *place = byte;
        }
        let _ended = stream(&NativeChat, &[&body]);
    }
}
