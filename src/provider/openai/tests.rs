use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::chat::{Api, Tool, ToolCall, ToolChoice, ToolResult};
use crate::chat::{DecodeEnd, Delta, Function, Media, MediaKind, Message, Native, Part, Raw, Reasoning, Role, Source};
use crate::config::{self, Deployment, Providers, Purpose, Surroundings};
use crate::dialect::Dialect as _;
use crate::dialect::openai;
use crate::vocabulary::Usage;

struct Every;

impl Providers for Every {
    fn known(&self, name: &str) -> bool {
        crate::provider::find(name).is_some()
    }

    fn env_vars(&self, _name: &str) -> &'static [&'static str] {
        &[]
    }

    fn guess(&self, _model: &str) -> Option<&'static str> {
        None
    }

    fn needs_base(&self, _name: &str) -> bool {
        false
    }
}

fn deployment(provider: &str) -> Deployment {
    let text =
        format!("model_list:\n- model_name: m\n  litellm_params:\n    model: {provider}/m\n    api_base: http://h\n");
    let env = |_: &str| None;
    let surroundings = Surroundings { env: &env, providers: &Every, purpose: Purpose::Serve };
    config::load_text("t.yaml", &text, &surroundings).0.unwrap().deployments.remove(0)
}

fn written(chat: &Chat<'_>, provider: &str, model: &str) -> Result<(String, Vec<String>), Fault> {
    let deployment = deployment(provider);
    let ask = Ask { model, stream: chat.stream, output_max: None, deployment: &deployment };
    let written = CHAT.write(chat, &ask)?;
    Ok((String::from_utf8(written.body.to_vec()).unwrap(), written.dropped))
}

fn call(id: &'static str) -> Part<'static> {
    let (id, name, arguments) = (id.into(), "f".into(), "".into());
    Part::ToolCall(ToolCall { id, name, arguments, signature: None, cache: None })
}

fn result(id: &'static str, parts: Vec<Part<'static>>) -> Message<'static> {
    let result = ToolResult { id: id.into(), name: None, parts, error: false, cache: None };
    Message::new(Role::Tool, vec![Part::ToolResult(result)])
}

fn picture() -> Part<'static> {
    Part::Media(Media {
        kind: MediaKind::Image,
        source: Source::Base64("QQ==".into()),
        mime: Some("image/png".into()),
        name: None,
        detail: None,
        cache: None,
    })
}

fn user(text: &'static str) -> Message<'static> {
    Message::new(Role::User, vec![Part::text(text)])
}

#[test]
fn a_tool_loop_is_in_openais_order() {
    let thought = Part::Thinking { text: "hm".into(), signature: Some("S".into()) };
    let chat = Chat {
        messages: vec![
            user("q"),
            Message::new(Role::Assistant, vec![thought, Part::text("before"), call("a"), call("b")]),
            user("by the way"),
            result("a", vec![picture()]),
            result("b", vec![Part::text("two")]),
            user("and?"),
        ],
        stream: true,
        max_tokens: Some(5),
        ..Chat::default()
    };
    let (body, dropped) = written(&chat, "openai", "gpt-4o").unwrap();
    let expected = concat!(
        r#"{"model":"gpt-4o","messages":[{"role":"user","content":"q"},"#,
        r#"{"role":"assistant","content":"before","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},"#,
        r#"{"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]},"#,
        r#"{"role":"tool","content":"See the next message.","tool_call_id":"a"},{"role":"tool","content":"two","tool_call_id":"b"},"#,
        r#"{"role":"user","content":[{"type":"text","text":"The tool call a returned:"},"#,
        r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}}]},"#,
        r#"{"role":"user","content":"by the way"},{"role":"user","content":"and?"}],"max_completion_tokens":5,"#,
        r#""stream":true,"stream_options":{"include_usage":true}}"#,
    );
    assert_eq!((body.as_str(), dropped), (expected, vec![]));
    let (body, _) = written(&chat, "deepseek", "m").unwrap();
    assert!(body.contains(r#""content":"before","reasoning_content":"hm","tool_calls""#), "{body}");
    let (body, _) = written(&chat, "openrouter", "m").unwrap();
    assert!(body.contains(r#"[{"type":"reasoning.text","text":"hm","signature":"S"}]"#), "{body}");
    assert!(body.contains(r#"{"role":"tool","content":[{"type":"image_url""#), "{body}");
    let (body, _) = written(&chat, "mistral", "m").unwrap();
    let ids: Vec<_> = body.split("\"tool_call_id\":\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert!(ids.iter().all(|id| id.len() == 9 && body.matches(id).count() >= 2), "{body}");
    assert!(body.contains(r#"{"role":"assistant","content":"OK"},{"role":"user""#), "{body}");
    assert!(!body.contains("stream_options") && body.contains(r#""max_tokens":5"#), "{body}");
}

#[test]
fn how_hard_to_think_is_said_in_each_vendors_words() {
    let reasoning = Reasoning { budget_tokens: Some(2000), enabled: Some(true), ..Reasoning::default() };
    let chat = Chat { messages: vec![user("q")], reasoning: Some(reasoning), ..Chat::default() };
    for (provider, model, part, dropped) in [
        ("openai", "gpt-4o", "", "reasoning_effort"),
        ("openai", "o3-mini", r#""reasoning_effort":"medium""#, ""),
        ("openrouter", "m", r#""reasoning":{"max_tokens":2000,"enabled":true}"#, ""),
        ("deepseek", "m", r#""thinking":{"type":"enabled"}"#, ""),
        ("dashscope", "m", r#""enable_thinking":true,"thinking_budget":2000"#, ""),
        ("mistral", "m", r#""reasoning_effort":"high""#, ""),
        ("litellm_proxy", "m", r#""thinking":{"type":"enabled","budget_tokens":2000}"#, ""),
        ("groq", "m", r#""reasoning_effort":"medium""#, ""),
    ] {
        let (body, left) = written(&chat, provider, model).unwrap();
        assert!(body.contains(part) && left.join(",") == dropped, "{provider}: {body} {left:?}");
    }
}

#[test]
fn what_cannot_be_said_is_refused_or_named() {
    let raw = |text| serde_json::from_str::<Raw<'static>>(text).unwrap();
    let function = Function {
        name: "f".into(),
        description: None,
        parameters: None,
        strict: None,
        cache: Some(crate::chat::Cache::default()),
    };
    let search = Native { api: Api::Anthropic, json: raw(r#"{"type":"web_search_20250305","name":"web_search"}"#) };
    let chat = Chat {
        messages: vec![user("q")],
        tools: vec![Tool::Function(function), Tool::Native(search)],
        tool_choice: Some(ToolChoice::None),
        top_k: Some(raw("5")),
        service_tier: Some("standard_only".into()),
        extra: vec![("model".into(), raw("\"evil\"")), ("x".into(), raw("1")), ("x".into(), raw("2"))],
        ..Chat::default()
    };
    let (body, dropped) = written(&chat, "openai", "gpt-4o").unwrap();
    let expected = concat!(
        r#"{"model":"gpt-4o","messages":[{"role":"user","content":"q"}],"tools":[{"type":"function","function":{"name":"f"}}],"#,
        r#""tool_choice":"none","service_tier":"default","x":1}"#,
    );
    assert_eq!((body.as_str(), dropped.join(" ")), (expected, "tools.web_search_20250305 top_k".to_owned()));
    assert!(written(&chat, "openai", "gpt-4o-search-preview").unwrap().0.contains(r#""web_search_options":{}"#));
    assert!(written(&chat, "openrouter", "m").unwrap().0.contains(r#""cache_control":{"type":"ephemeral"}"#));
    let strange = Native { api: Api::Anthropic, json: raw(r#"{"type":"search_result"}"#) };
    let chat = Chat { messages: vec![Message::new(Role::User, vec![Part::Native(strange)])], ..Chat::default() };
    let fault = written(&chat, "openai", "gpt-4o").unwrap_err();
    assert_eq!(fault.param.as_deref(), Some("messages[0].content[0]"));
    assert!(fault.public.contains("search_result"), "{fault}");
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Seen(Vec<String>);

impl Sink for Seen {
    fn delta(&mut self, choice: u32, delta: Delta<'_>) {
        let text = format!("{delta:?}");
        self.0.push(if choice == 0 { text } else { format!("{choice}: {text}") });
    }
}

fn decode(body: &str, cut: usize) -> (Seen, Result<DecodeEnd, Broken>, Metered) {
    let mut decoder = CHAT.decoder(64 * 1024);
    let mut seen = Seen::default();
    let (first, second) = body.as_bytes().split_at(cut.min(body.len()));
    for chunk in [first, second] {
        if let Err(broken) = decoder.push(Bytes::copy_from_slice(chunk), &mut seen) {
            return (seen, Err(broken), decoder.metered());
        }
    }
    let end = decoder.finish(&mut seen);
    (seen, end, decoder.metered())
}

const STREAM: &str = concat!(
    ": OPENROUTER PROCESSING\n\n",
    "data: {\"id\":\"\",\"choices\":[],\"prompt_filter_results\":[]}\n\n",
    "data: {\"id\":\"c1\",\"created\":5,\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"reasoning\":\"hm\",",
    "\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"hm\",\"index\":0}]},\"finish_reason\":null}]}\n\n",
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"reasoning_details\":[{\"type\":\"reasoning.text\",\"signature\":\"S\"}]}}]}\r\n\r\n",
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"\u{e9}\"}]}}],\"usage\":null}\n\n",
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\n",
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"b\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}}]}\n\n",
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]}}]}\n\n",
    "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"x_groq\":{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}}\n\n",
    "data: [DONE]\n\n",
);

#[test]
fn a_stream_is_the_same_whatever_its_boundaries() {
    let (seen, end, metered) = decode(STREAM, 0);
    assert_eq!(
        seen.0,
        [
            r#"Start { id: Some("c1"), created: Some(5) }"#,
            r#"Thinking("hm")"#,
            r#"Signature("S")"#,
            "Text(\"\u{e9}\")",
            r#"ToolCall { index: 0, id: "a", name: "f", signature: None }"#,
            r#"Arguments { index: 0, json: "{}" }"#,
            r#"ToolCall { index: 1, id: "b", name: "f", signature: None }"#,
            r#"Arguments { index: 1, json: "{}" }"#,
            "Finish(ToolCalls)",
        ]
    );
    let usage = Usage { prompt: 3, completion: 4, ..Usage::default() };
    assert_eq!((&end, metered), (&Ok(DecodeEnd::Complete), Metered::Reported(usage)));
    for cut in 0..STREAM.len() {
        assert_eq!(decode(STREAM, cut), (seen.clone(), end.clone(), metered), "{cut}");
    }
}

#[test]
fn a_stream_that_stops_is_cut_unless_it_told_why() {
    let finished = STREAM.find("\"finish_reason\":\"stop\"").unwrap();
    let told = finished + STREAM[finished..].find("\n\n").unwrap();
    for cut in 0..STREAM.len() {
        let Some(body) = STREAM.get(..cut) else { continue };
        let end = decode(body, cut).1;
        match end {
            Ok(DecodeEnd::Complete) => assert!(cut >= told, "{cut}"),
            Ok(DecodeEnd::Truncated) => assert!(cut < told || STREAM[told..cut].contains('d'), "{cut}"),
            Err(broken) => panic!("{cut}: {broken}"),
        }
    }
}

#[test]
fn an_error_within_a_stream_is_an_error() {
    let start = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
    for (event, status, message) in [
        (
            "event: error\ndata: {\"error\":{\"message\":\"no\",\"type\":\"invalid_request_error\",\"status_code\":400}}\n\n",
            400,
            "no",
        ),
        ("data: {\"error\":{\"message\":\"slow\",\"code\":\"rate_limit_exceeded\"}}\n\n", 429, "slow"),
        ("data: {\"error\":{\"message\":\"busy\",\"type\":\"overloaded_error\"}}\n\n", 529, "busy"),
        (
            "data: {\"id\":\"c\",\"error\":{\"code\":502,\"message\":\"gone\"},\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n",
            502,
            "gone",
        ),
        ("data: {\"error\":\"plain\"}\n\n", 500, "plain"),
        ("data: {\"object\":\"error\",\"message\":\"vllm\",\"code\":400}\n\n", 400, "vllm"),
        ("event: error\ndata: words\n\n", 500, "words"),
        ("data: {\"message\":\"bare\"}\n\n", 500, "bare"),
    ] {
        let (seen, end, _) = decode(&format!("{start}{event}{start}data: [DONE]\n\n"), 9);
        let Err(Broken::Upstream(error)) = end else { panic!("{event}: {end:?}") };
        assert_eq!((error.status, error.message.as_str()), (status, message));
        assert_eq!(seen.0.len(), 2, "{seen:?}");
    }
    let ended = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"error\"}]}\n\n";
    assert!(matches!(decode(ended, 0).1, Err(Broken::Upstream(_))));
    assert!(matches!(decode("data: {\"choices\n\n", 0).1, Err(Broken::Malformed(_))));
    let long = format!("data: {}\n\n", "x".repeat(70_000));
    assert_eq!(decode(&long, 0).1, Err(Broken::TooLong));
    let mut sink = Seen::default();
    assert!(matches!(
        CHAT.read(b"{\"error\":{\"message\":\"no\",\"code\":\"x\"}}", &mut sink),
        Err(Broken::Upstream(_))
    ));
    assert!(matches!(CHAT.read(b"{\"choices\":[]}", &mut sink), Err(Broken::Malformed(_))));
}

#[test]
fn calls_without_an_id_get_one_and_pictures_sounds_and_sources_are_found() {
    let body = r#"{"id":"x","citations":["https://s"],"choices":[{"index":0,"finish_reason":"stop","stop_reason":"END",
        "message":{"content":"a","extra_content":{"google":{"thought_signature":"S"}},
        "tool_calls":[{"id":"","function":{"name":"f","arguments":"{}"}},{"function":{"name":"g","arguments":{"a":1}}}],
        "function_call":{"name":"","arguments":""},"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}}],
        "audio":{"data":"UklGRg==","transcript":"spoken"},
        "annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"t","start_index":1,"end_index":2}}]}}]}"#;
    let mut seen = Seen::default();
    assert_eq!(CHAT.read(body.as_bytes(), &mut seen), Ok(Metered::Absent));
    let texts = seen.0.join("\n");
    for part in [
        r#"name: "f", signature: Some("S")"#,
        r#"name: "g", signature: None"#,
        r#"json: "{\"a\":1}""#,
        r#"Media { mime: "image/png", data: "QQ==" }"#,
        r#"Media { mime: "audio/wav""#,
        r#"Text("spoken")"#,
        r#"Citation { url: Some("u"), title: Some("t"), text: None, start: Some(1), end: Some(2) }"#,
        r#"Citation { url: Some("https://s")"#,
        r#"Finish(StopSequence(Some("END")))"#,
    ] {
        assert!(texts.contains(part), "{part} in {texts}");
    }
    let ids: std::collections::BTreeSet<_> = texts.split("id: \"call_").skip(1).map(|rest| &rest[..18]).collect();
    assert_eq!(ids.len(), 2, "{texts}");
}

/// A chat out of pieces, as a client of this dialect might send it.
fn message() -> impl Strategy<Value = String> {
    let text = "[a-z ]{1,8}";
    prop_oneof![
        text.prop_map(|text| format!(r#"{{"role":"user","content":"{text}"}}"#)),
        text.prop_map(|text| format!(r#"{{"role":"system","content":[{{"type":"text","text":"{text}"}},{{"type":"text","text":"b"}}]}}"#)),
        text.prop_map(|text| format!(
            r#"{{"role":"assistant","content":"{text}","tool_calls":[{{"id":"c","type":"function","function":{{"name":"f","arguments":"{{\"a\":1}}"}}}}]}},{{"role":"tool","tool_call_id":"c","content":"{text}"}}"#
        )),
        text.prop_map(|text| format!(
            r#"{{"role":"assistant","content":"{text}","thinking_blocks":[{{"type":"thinking","thinking":"{text}","signature":"S"}}]}}"#
        )),
        Just(r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ==","detail":"low"}},{"type":"file","file":{"file_data":"data:application/pdf;base64,QQ==","filename":"a.pdf"}}]}"#.to_owned()),
        Just(r#"{"role":"assistant","content":null,"refusal":"no"}"#.to_owned()),
    ]
}

fn parameter() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        r#""temperature":0.5"#,
        r#""top_p":1"#,
        r#""max_tokens":7"#,
        r#""stop":["a","b"]"#,
        r#""n":2"#,
        r#""seed":5"#,
        r#""tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}}],"tool_choice":"required","parallel_tool_calls":false"#,
        r#""response_format":{"type":"json_schema","json_schema":{"name":"s","schema":{"a":1},"strict":true}}"#,
        r#""user":"u""#,
        r#""service_tier":"flex""#,
        r#""reasoning_effort":"low""#,
        r#""logit_bias":{"5":1}"#,
        r#""vendor_field":[1]"#,
        r#""frequency_penalty":1,"presence_penalty":-1"#,
    ])
}

proptest! {
    #[test]
    fn a_request_is_the_same_after_it_was_written(
        messages in prop::collection::vec(message(), 1..6),
        parameters in prop::collection::btree_set(parameter(), 0..8),
    ) {
        let members: Vec<_> = parameters.into_iter().map(|parameter| format!(",{parameter}")).collect();
        let body = format!(r#"{{"messages":[{}]{}}}"#, messages.join(","), members.concat());
        let chat = openai::CHAT.read(body.as_bytes(), false).unwrap();
        let (again, dropped) = written(&chat, "litellm_proxy", "m").unwrap();
        let again = openai::CHAT.read(again.as_bytes(), false).unwrap();
        let is_refusal = |part: &Part<'_>| matches!(part, Part::Refusal(_));
        if !chat.messages.iter().flat_map(|message| &message.parts).any(is_refusal) {
            prop_assert_eq!(format!("{again:?}"), format!("{chat:?}"));
        }
        prop_assert!(dropped.is_empty());
        for provider in ["openai", "azure", "mistral", "deepseek", "openrouter", "groq", "moonshot"] {
            let (body, _) = written(&chat, provider, "gpt-5").unwrap();
            prop_assert!(openai::CHAT.read(body.as_bytes(), false).is_ok(), "{}", body);
        }
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0_usize..300) {
        let mut seen = Seen::default();
        let _read = CHAT.read(&bytes, &mut seen);
        let mut decoder = CHAT.decoder(256);
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        let _first = decoder.push(Bytes::copy_from_slice(first), &mut seen);
        let _second = decoder.push(Bytes::copy_from_slice(second), &mut seen);
        let _end = decoder.finish(&mut seen);
    }

    #[test]
    fn hostile_events_never_panic(
        events in prop::collection::vec(
            (
                "(index|delta|message|finish_reason|logprobs|error|usage)",
                r#"(null|-1|99999999999|"x"|\[\]|\{\}|\{"content":5\}|\{"content":"x"\}|\{"tool_calls":\[\{"index":9\}\]\}|\{"tool_calls":\[5,\{\},\{"id":"a","function":\{"name":"f"\}\}\]\}|\{"function_call":"x"\}|\{"images":\[1\]\}|\{"reasoning_details":\[\{"data":"x"\}\]\})"#,
            ),
            0..6,
        ),
    ) {
        let event = |(name, value): &(String, String)| format!("data: {{\"choices\":[{{\"{name}\":{value}}}]}}\n\n");
        let body: String = events.iter().map(event).collect();
        let _decoded = decode(&body, body.len() / 2);
    }
}
