//! Requests, answers and streams of `/v2/chat`, and embeddings.

use proptest::prelude::*;

use super::super::for_tests::{Seen, at_every_split, call, called, function, image, raw, result, stream, written};
use super::*;
use crate::chat::{
    Api, Cache, DecodeEnd, Effort, Format, Media, MediaKind, Message, Native, Part, Reasoning, Role, Source, Tool,
    ToolChoice, UpstreamError,
};
use crate::vocabulary::Usage;

fn request(chat: &Chat<'_>) -> String {
    written(&CHAT_V2, chat, "command-a").unwrap().0
}

fn refusal(chat: &Chat<'_>) -> String {
    written(&CHAT_V2, chat, "command-a").unwrap_err().public.into_owned()
}

fn user(parts: Vec<Part<'_>>) -> Chat<'_> {
    Chat { messages: vec![Message::new(Role::User, parts)], ..Chat::default() }
}

#[test]
fn the_base_may_be_given_in_any_depth() {
    for base in
        ["https://c.example", "https://c.example/v2", "https://c.example/v2/chat", "https://c.example/compatibility/v1"]
    {
        let deployment = crate::provider::for_tests::deployment("cohere", "command-a", Some(base));
        let target = COHERE.target(&deployment).unwrap();
        assert_eq!(CHAT_V2.path(&target, "command-a", true), "/v2/chat", "{base}");
    }
    let deployment = crate::provider::for_tests::deployment("cohere", "c", Some("https://c.example/proxy/v1"));
    assert_eq!(CHAT_V2.path(&COHERE.target(&deployment).unwrap(), "c", true), "/proxy/v2/chat");
}

#[test]
fn a_conversation_with_tools_is_written() {
    let thought = Part::Thinking { text: "Look.".into(), signature: Some("sig".into()) };
    let chat = Chat {
        messages: vec![
            Message::new(Role::System, vec![Part::text("Be "), Part::text("brief.")]),
            Message::new(Role::User, vec![Part::text("Weather?")]),
            Message::new(Role::Assistant, vec![thought, call("c1", "look", "null"), call("c2", "see", r#"{"a":1}"#)]),
            Message::new(Role::Tool, vec![result("c1", vec![Part::text("sun")]), result("c2", vec![])]),
        ],
        tools: vec![function("look", None), function("see", Some(raw(r#"{"type":"object"}"#)))],
        tool_choice: Some(ToolChoice::Function("see".into())),
        stream: true,
        ..Chat::default()
    };
    let want = concat!(
        r#"{"model":"command-a","messages":[{"role":"system","content":[{"type":"text","text":"Be "},"#,
        r#"{"type":"text","text":"brief."}]},{"role":"user","content":"Weather?"},"#,
        r#"{"role":"assistant","tool_plan":"Look.","tool_calls":["#,
        r#"{"id":"c1","type":"function","function":{"name":"look","arguments":"{}"}},"#,
        r#"{"id":"c2","type":"function","function":{"name":"see","arguments":"{\"a\":1}"}}]},"#,
        r#"{"role":"tool","content":"sun","tool_call_id":"c1"},{"role":"tool","content":"","tool_call_id":"c2"}],"#,
        r#""stream":true,"tools":[{"type":"function","function":{"name":"see","parameters":{"type":"object"}}}],"#,
        r#""tool_choice":"REQUIRED"}"#,
    );
    assert_eq!(request(&chat), want);
}

#[test]
fn parameters_are_written_as_they_stood() {
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
        reasoning: Some(Reasoning { budget_tokens: Some(500), ..Reasoning::default() }),
        others: vec![("logprobs".into(), raw("true"))],
        extra: vec![("safety_mode".into(), raw(r#""OFF""#)), ("k".into(), raw("5")), ("stream".into(), raw("1"))],
        native: vec![(Api::Cohere, "documents".into(), raw("[]")), (Api::Gemini, "x".into(), raw("1"))],
        ..user(vec![])
    };
    let want = concat!(
        r#"{"model":"command-a","messages":[{"role":"user","content":""}],"stream":false,"max_tokens":9,"#,
        r#""temperature":0.50,"p":0.9,"k":3,"frequency_penalty":0.1,"presence_penalty":0.2,"seed":7,"#,
        r#""stop_sequences":["x"],"response_format":{"type":"json_object","json_schema":{}},"#,
        r#""thinking":{"type":"enabled","token_budget":500},"logprobs":true,"safety_mode":"OFF","documents":[]}"#,
    );
    assert_eq!(request(&chat), want);
}

#[test]
fn thinking_is_asked_for_in_every_way() {
    let ask = |reasoning| {
        let chat = Chat { reasoning: Some(reasoning), ..user(vec![]) };
        let body = request(&chat);
        body.split_once("\"thinking\":").map(|(_, rest)| rest.trim_end_matches('}').to_owned())
    };
    let none = Reasoning::default();
    assert_eq!(ask(none.clone()), None);
    assert_eq!(ask(Reasoning { effort: Some(Effort::None), ..none.clone() }).unwrap(), r#"{"type":"disabled""#);
    assert_eq!(ask(Reasoning { enabled: Some(false), ..none.clone() }).unwrap(), r#"{"type":"disabled""#);
    assert_eq!(ask(Reasoning { enabled: Some(true), ..none.clone() }).unwrap(), r#"{"type":"enabled""#);
    assert_eq!(ask(Reasoning { adaptive: true, ..none.clone() }).unwrap(), r#"{"type":"enabled""#);
    let high = r#"{"type":"enabled","token_budget":4096"#;
    assert_eq!(ask(Reasoning { effort: Some(Effort::High), ..none }).unwrap(), high);
}

#[test]
fn images_go_as_data_or_by_address() {
    let chat = user(vec![
        Part::text("See"),
        image(Source::Base64("iVBORw0KGgoAAAA".into())),
        image(Source::Url("https://x.example/a.png".into())),
    ]);
    let body = request(&chat);
    assert!(
        body.contains(r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgoAAAA"}}"#),
        "{body}"
    );
    assert!(body.contains(r#"{"type":"image_url","image_url":{"url":"https://x.example/a.png"}}"#), "{body}");
}

#[test]
fn what_cohere_does_not_take_is_refused_by_place() {
    let sound = |kind| {
        let source = Source::Base64("AA".into());
        Part::Media(Media { kind, source, mime: None, name: None, detail: None, cache: None })
    };
    let refused = refusal(&user(vec![Part::text("a"), sound(MediaKind::Audio)]));
    assert!(refused.starts_with("messages[0].content[1] is audio"), "{refused}");
    let refused = refusal(&user(vec![sound(MediaKind::File)]));
    assert!(refused.starts_with("messages[0].content[0] is a file"), "{refused}");
    let refused = refusal(&user(vec![image(Source::Id("file-1".into()))]));
    assert!(refused.contains("by file id"), "{refused}");
    let native = Native { api: Api::Anthropic, json: raw(r#"{"type":"server_tool_use"}"#) };
    let refused = refusal(&user(vec![Part::Native(native)]));
    assert!(refused.contains("\"server_tool_use\""), "{refused}");
    let search = Native { api: Api::OpenAiChat, json: raw(r#"{"type":"web_search"}"#) };
    let refused = refusal(&Chat { tools: vec![Tool::Native(search)], ..user(vec![]) });
    assert!(refused.starts_with("tools[0] is of type \"web_search\""), "{refused}");
    let refused = refusal(&Chat { tool_choice: Some(ToolChoice::Function("x".into())), ..user(vec![]) });
    assert!(refused.starts_with("tool_choice names"), "{refused}");
}

#[test]
fn what_is_left_out_is_named() {
    let cached = Part::Text { text: "a".into(), cache: Some(Cache::default()) };
    let mut chat = user(vec![cached.clone(), cached]);
    chat.messages[0].name = Some("n".into());
    chat.user = Some("u".into());
    chat.parallel_tool_calls = Some(false);
    chat.messages.push(Message::new(Role::Assistant, vec![Part::Redacted { data: "x".into() }, Part::text("b")]));
    let dropped = written(&CHAT_V2, &chat, "m").unwrap().1;
    let want = ["messages[].name", "cache_control", "messages[].redacted_thinking", "parallel_tool_calls", "user"];
    assert_eq!(dropped, want);
}

const REASONED: &str = r#"event: message-start
data: {"id":"m1","type":"message-start","delta":{"message":{"role":"assistant","content":[],"tool_plan":"","tool_calls":[],"citations":[]}}}

data: {"type":"content-start","index":0,"delta":{"message":{"content":{"type":"thinking","thinking":""}}}}

data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"thinking":"Hm \u00e9"}}}}

data: {"type":"content-end","index":0}

data: {"type":"content-start","index":1,"delta":{"message":{"content":{"type":"text","text":"Grüß"}}}}

data: {"type":"content-delta","index":1,"delta":{"message":{"content":{"text":" Gott"}}},"logprobs":{"token_ids":[1,2],"text":" Gott","logprobs":[-0.5,-0.25]}}

data: {"type":"citation-start","index":0,"delta":{"message":{"citations":{"start":0,"end":4,"text":"Grüß","type":"TEXT_CONTENT","content_index":1,"sources":[{"type":"document","id":"d1","document":{"id":"d1","title":"Greetings","url":"https://g.example"}},{"type":"tool","id":"t:0","tool_output":{"content":"x","title":7}}]}}}}

data: {"type":"citation-end","index":0}

data: {"type":"content-start","index":2,"delta":{"message":{"content":{"type":"text","text":"!"}}}}

data: {"type":"citation-start","index":1,"delta":{"message":{"citations":{"start":0,"end":1,"text":"!","content_index":2}}}}

data: {"type":"debug","prompt":"x"}

data: {"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"tokens":{"input_tokens":10,"output_tokens":5,"reasoning_tokens":2},"cached_tokens":4}}}

data: [DONE]

"#;

#[test]
fn a_stream_is_the_same_at_every_split() {
    let (seen, end, metered) = at_every_split(&CHAT_V2, REASONED);
    let want = [
        "start: m1",
        "thinking: Hm é",
        "text: Grüß Gott",
        r#"Native { api: OpenAiChat, key: "logprobs", json: "{\"content\":[{\"token\":\" Gott\",\"logprob\":-0.75,\"bytes\":null,\"top_logprobs\":[]}]}" }"#,
        r#"citation: Some("https://g.example") Some("Greetings") Some("Grüß") Some(0) Some(4)"#,
        r#"citation: None Some("t:0") Some("Grüß") Some(0) Some(4)"#,
        "text: !",
        r#"citation: None None Some("!") Some(9) Some(10)"#,
        "finish: Stop",
    ];
    assert_eq!(seen, want);
    let usage = Usage { prompt: 10, completion: 5, cache_read: 4, reasoning: 2, ..Usage::default() };
    assert_eq!((end, metered), (Ok(DecodeEnd::Complete), Metered::Reported(usage)));
}

#[test]
fn a_stream_that_ends_before_its_last_event_is_truncated() {
    let last = REASONED.find("data: {\"type\":\"message-end\"").unwrap();
    for (at, _) in REASONED.match_indices("\n\n").filter(|(at, _)| *at < last) {
        let (seen, end, metered) = stream(&CHAT_V2, &[&REASONED.as_bytes()[..at]]);
        assert_eq!((end, metered), (Ok(DecodeEnd::Truncated), Metered::Absent));
        assert!(!seen.0.iter().any(|piece| piece.starts_with("finish")));
    }
    // Only its blank line is missing.
    let (_, end, _) = stream(&CHAT_V2, &[REASONED.split("\n\ndata: [DONE]").next().unwrap().as_bytes()]);
    assert_eq!(end, Ok(DecodeEnd::Complete));
}

const CALLS: &str = r#"data: {"type":"message-start","id":"m2"}

data: {"type":"tool-plan-delta","delta":{"message":{"tool_plan":"I "}}}

data: {"type":"tool-plan-delta","delta":{"message":{"tool_plan":"will"}}}

data: {"type":"tool-call-start","index":4,"delta":{"message":{"tool_calls":{"id":"a","type":"function","function":{"name":"f","arguments":""}}}}}

data: {"type":"tool-call-delta","index":4,"delta":{"message":{"tool_calls":{"function":{"arguments":"nu"}}}}}

data: {"type":"tool-call-start","index":5,"delta":{"message":{"tool_calls":{"type":"function","function":{"name":"g"}}}}}

data: {"type":"tool-call-delta","index":5,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"a\":"}}}}}

data: {"type":"tool-call-delta","index":4,"delta":{"message":{"tool_calls":{"function":{"arguments":"ll"}}}}}

data: {"type":"tool-call-delta","index":9,"delta":{"message":{"tool_calls":{"function":{"arguments":"lost"}}}}}

data: {"type":"tool-call-delta","index":5,"delta":{"message":{"tool_calls":{"function":{"arguments":"1}"}}}}}

data: {"type":"tool-call-end","index":4}

data: {"type":"tool-call-end","index":5}

data: {"type":"tool-call-end","index":5}

data: {"type":"message-end","delta":{"finish_reason":"TOOL_CALL","usage":null}}

data: {"type":"message-end","delta":{"finish_reason":"COMPLETE"}}

"#;

#[test]
fn calls_are_counted_from_zero_and_null_is_no_argument() {
    let (seen, end, metered) = at_every_split(&CHAT_V2, CALLS);
    let want = [
        "start: m2",
        "thinking: I will",
        "call 0: a f",
        "call 1: call_1 g",
        "arguments 1: {\"a\":1}",
        "finish: ToolCalls",
    ];
    assert_eq!(seen, want);
    assert_eq!((end, metered), (Ok(DecodeEnd::Complete), Metered::Absent));
}

#[test]
fn errors_in_a_stream_are_told() {
    let told = |body: &str| match stream(&CHAT_V2, &[body.as_bytes()]).1 {
        Err(Broken::Upstream(UpstreamError { status, message })) => (status, message),
        other => panic!("{other:?}"),
    };
    let end = "data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\",\"error\":\"gpu\"}}\n\n";
    assert_eq!(told(end), (500, "gpu".to_owned()));
    let end = "data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"TIMEOUT\"}}\n\n";
    assert_eq!(told(end), (504, "the answer took too long".to_owned()));
    assert_eq!(told("data: {\"message\":\"internal\",\"id\":\"x\"}\n\n"), (500, "internal".to_owned()));
    assert_eq!(told("event: error\ndata: {\"type\":\"error\",\"message\":\"m\"}"), (500, "m".to_owned()));
}

#[test]
fn an_event_that_is_too_long_or_no_json_ends_the_stream() {
    let long = format!("data: {}\n\n", "x".repeat(70_000));
    assert_eq!(stream(&CHAT_V2, &[long.as_bytes()]).1, Err(Broken::TooLong));
    assert!(matches!(stream(&CHAT_V2, &[b"data: {\n\n"]).1, Err(Broken::Malformed(_))));
}

#[test]
fn a_whole_answer_says_the_same() {
    let body = r#"{"id":"m","message":{"role":"assistant","tool_plan":"Plan.","content":[{"type":"text","text":"Hi"},
        {"type":"hologram","data":1}],"tool_calls":[{"id":"c","function":{"name":"f","arguments":"null"}}],"citations":null},
        "finish_reason":"SOMETHING_NEW","usage":{"tokens":{"input_tokens":1,"output_tokens":2}}}"#;
    let mut seen = Seen::default();
    let metered = CHAT_V2.read(body.as_bytes(), &mut seen).unwrap();
    assert_eq!(seen.0[..3], ["start: m", "thinking: Plan.", "text: Hi"]);
    assert!(seen.0[3].contains("hologram"));
    assert_eq!(seen.0[4..], ["call 0: c f", "finish: Other(\"SOMETHING_NEW\")"]);
    assert_eq!(metered, Metered::Reported(Usage { prompt: 1, completion: 2, ..Usage::default() }));
}

#[test]
fn embeddings_are_asked_for_by_cohere_names() {
    let (body, dropped) =
        called(&embed::EMBED_V2, r#"{"model":"x","input":"a","dimensions":256,"user":"u","truncate":"END"}"#).unwrap();
    let want = r#"{"model":"m","texts":["a"],"input_type":"search_document","embedding_types":["float"],"output_dimension":256,"truncate":"END"}"#;
    assert_eq!((body.as_str(), dropped), (want, vec!["user".to_owned()]));
    let (body, _) = called(&embed::EMBED_V2, r#"{"input":["a","b"],"input_type":"search_query"}"#).unwrap();
    assert_eq!(body, r#"{"model":"m","texts":["a","b"],"embedding_types":["float"],"input_type":"search_query"}"#);
    assert!(called(&embed::EMBED_V2, r#"{"input":"a","embedding_types":["int8"]}"#).is_err());
}

proptest! {
    #[test]
    fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0usize..200) {
        let (left, right) = bytes.split_at(at.min(bytes.len()));
        let _ended = stream(&CHAT_V2, &[left, right]);
        let _read = CHAT_V2.read(&bytes, &mut Seen::default());
    }

    #[test]
    fn a_damaged_stream_can_be_read(at in 0usize..1500, byte in any::<u8>(), calls in any::<bool>()) {
        let mut body = if calls { CALLS } else { REASONED }.as_bytes().to_vec();
        if let Some(place) = body.get_mut(at) {
            *place = byte;
        }
        let _ended = stream(&CHAT_V2, &[&body]);
    }
}
