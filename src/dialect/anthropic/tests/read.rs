//! Requests as clients send them.

use proptest::prelude::*;

use crate::chat::{Api, Chat, Effort, Format, MediaKind, Part, Role, Source, Tool, ToolChoice};
use crate::dialect::Dialect;
use crate::dialect::anthropic::MESSAGES;
use crate::vocabulary::{Fault, Kind};

fn read(text: &str) -> Result<Chat<'_>, Fault> {
    MESSAGES.read(text.as_bytes(), false)
}

#[test]
fn a_coding_agents_request_is_understood() {
    let chat = read(
        r#"{"model":"m","max_tokens":32000,"stream":true,"temperature":1,
        "system":[{"type":"text","text":"You are","cache_control":{"type":"ephemeral"}},{"type":"text","text":"an agent","cache_control":{"type":"ephemeral","ttl":"1h"}}],
        "metadata":{"user_id":"user_abc_account__session_1"},
        "thinking":{"type":"adaptive"},"output_config":{"effort":"high","task_budget":{"type":"tokens","total":9}},
        "context_management":{"edits":[]},"betas":null,
        "tools":[{"name":"Bash","description":"runs","input_schema":{"type":"object","properties":{}},"eager_input_streaming":true},
                 {"type":"web_search_20250305","name":"web_search","max_uses":8}],
        "tool_choice":{"type":"auto","disable_parallel_tool_use":true},
        "stop_sequences":["","X"],
        "messages":[
          {"role":"user","content":"list"},
          {"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"d"},
             {"type":"text","text":"ok"},{"type":"tool_use","id":"toolu_1","name":"Bash","input":{"command":"ls"}},
             {"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}]},
          {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","is_error":true,"content":[{"type":"text","text":"a"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA"}}]},
             {"type":"text","text":"go on","cache_control":{"type":"ephemeral"}}]},
          {"role":"system","content":"be quick"}]}"#,
    )
    .unwrap();
    let roles: Vec<_> = chat.messages.iter().map(|message| (message.role, message.parts.len())).collect();
    let expected =
        [(Role::System, 2), (Role::User, 1), (Role::Assistant, 5), (Role::Tool, 1), (Role::User, 1), (Role::System, 1)];
    assert_eq!(roles, expected);
    assert!(chat.stream);
    assert_eq!((chat.max_tokens, chat.parallel_tool_calls), (Some(32000), Some(false)));
    assert_eq!((chat.tool_choice, chat.stop.len()), (Some(ToolChoice::Auto), 1));
    assert_eq!(chat.user.unwrap(), "user_abc_account__session_1");
    let reasoning = chat.reasoning.unwrap();
    assert_eq!((reasoning.effort, reasoning.enabled, reasoning.adaptive), (Some(Effort::High), Some(true), true));
    let native: Vec<_> = chat.native.iter().map(|(api, name, _)| (*api, &**name)).collect();
    assert_eq!(native, [(Api::Anthropic, "output_config"), (Api::Anthropic, "context_management")]);
    assert!(matches!(&chat.tools[..], [Tool::Function(bash), Tool::Native(_)] if bash.name == "Bash"));
    let Part::ToolCall(call) = &chat.messages[2].parts[3] else { panic!() };
    assert_eq!((&*call.id, &*call.arguments), ("toolu_1", r#"{"command":"ls"}"#));
    let Part::ToolResult(result) = &chat.messages[3].parts[0] else { panic!() };
    assert!(result.error && result.parts.len() == 2);
    let Part::Text { cache: Some(cache), .. } = &chat.messages[0].parts[1] else { panic!() };
    assert_eq!(cache.ttl.as_deref(), Some("1h"));
}

#[test]
fn documents_are_media_or_their_texts() {
    let chat = read(
        r#"{"messages":[{"role":"user","content":[
          {"type":"document","title":"T","source":{"type":"text","media_type":"text/plain","data":"words"}},
          {"type":"document","source":{"type":"url","url":"https://e.org/a.pdf"}},
          {"type":"document","source":{"type":"file","file_id":"file_1"}},
          {"type":"document","title":"T","source":{"type":"content","content":[{"type":"text","text":"one"},{"type":"text","text":"two"}]}},
          {"type":"search_result","title":"S","source":"https://e.org","content":[{"type":"text","text":"found"}]},
          {"type":"container_upload","file_id":"file_2"}]}]}"#,
    )
    .unwrap();
    let parts = &chat.messages[0].parts;
    let said: Vec<_> = parts
        .iter()
        .map(|part| match part {
            Part::Media(media) if media.kind == MediaKind::File => match &media.source {
                Source::Text(text) => format!("text {text} {:?}", media.name.as_deref()),
                Source::Url(url) => format!("url {url}"),
                Source::Id(id) => format!("id {id}"),
                Source::Base64(_) => "base64".to_owned(),
            },
            Part::Text { text, .. } => text.to_string(),
            Part::Native(native) => format!("{:?}", native.api),
            other => format!("{other:?}"),
        })
        .collect();
    let expected = [
        "text words Some(\"T\")",
        "url https://e.org/a.pdf",
        "id file_1",
        "T",
        "one",
        "two",
        "S\nhttps://e.org\nfound",
        "Anthropic",
    ];
    assert_eq!(said, expected);
}

#[test]
fn forms_of_answers_are_read_under_both_names() {
    for member in [
        r#""output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}"#,
        r#""output_format":{"type":"json_schema","schema":{"type":"object"}}"#,
    ] {
        let text = format!("{{\"messages\":[],{member}}}");
        let chat = read(&text).unwrap();
        assert!(matches!(&chat.format, Some(Format::Schema { schema, .. }) if schema.get() == r#"{"type":"object"}"#));
        assert!(chat.native.is_empty());
    }
}

#[test]
fn ways_to_think() {
    let thinking = |value: &str| {
        let text = format!("{{\"messages\":[],\"thinking\":{value}}}");
        let chat = read(&text).unwrap();
        let native = chat.native.len();
        chat.reasoning.map(|r| (r.enabled, r.adaptive, r.budget_tokens, r.show)).ok_or(native)
    };
    let budget = thinking(r#"{"type":"enabled","budget_tokens":2000,"display":"omitted"}"#);
    assert_eq!(budget, Ok((Some(true), false, Some(2000), Some(false))));
    assert_eq!(thinking(r#"{"type":"adaptive"}"#), Ok((Some(true), true, None, None)));
    assert_eq!(thinking(r#"{"type":"disabled"}"#), Ok((Some(false), false, None, None)));
    assert_eq!(thinking(r#"{"type":"between_tools"}"#), Err(1));
    assert_eq!(thinking("null"), Err(0));
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (body, at) in [
        ("{}", "messages"),
        (r#"{"messages":{}}"#, "messages"),
        (r#"{"messages":["x"]}"#, "messages[0]"),
        (r#"{"messages":[{"role":"bot","content":"x"}]}"#, "messages[0].role"),
        (r#"{"messages":[{"role":"user"}]}"#, "messages[0].content"),
        (r#"{"messages":[{"role":"user","content":[{"text":"x"}]}]}"#, "messages[0].content[0]"),
        (r#"{"messages":[{"role":"user","content":[{"type":"text"}]}]}"#, "messages[0].content[0].text"),
        (
            r#"{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url"}}]}]}"#,
            "messages[0].content[0].source.url",
        ),
        (r#"{"messages":[],"max_tokens":"many"}"#, "max_tokens"),
        (r#"{"messages":[],"temperature":"hot"}"#, "temperature"),
        (r#"{"messages":[],"tool_choice":{"type":"tool"}}"#, "tool_choice.name"),
        (r#"{"messages":[],"tools":[{"description":"x"}]}"#, "tools[0].name"),
        (r#"{"messages":[],"output_config":{"effort":5}}"#, "output_config.effort"),
        (r#"{"messages":[],"system":[{"type":"text","text":5}]}"#, "system[0]"),
    ] {
        let fault = read(body).unwrap_err();
        assert_eq!((fault.kind, fault.param.as_deref()), (Kind::BadRequest, Some(at)), "{fault}");
        assert!(fault.public.starts_with(at), "{fault}");
    }
}

#[test]
fn newer_words_are_kept_for_those_who_know_them() {
    let text = r#"{"output_config":{"effort":"huge"},"messages":[{"role":"user","content":[
        {"type":"image","source":{"type":"cloud","at":"x"}},{"type":"new","x":1}]}]}"#;
    let chat = read(text).unwrap();
    assert!(chat.messages[0].parts.iter().all(|part| matches!(part, Part::Native(_))));
    assert_eq!((&*chat.native[0].1, chat.native[0].2.get()), ("output_config", r#"{"effort":"huge"}"#));
}

#[test]
fn blocks_do_not_lie_too_deep() {
    let mut block = r#"{"type":"text","text":"x"}"#.to_owned();
    for _ in 0..40 {
        block = format!("{{\"type\":\"tool_result\",\"tool_use_id\":\"a\",\"content\":[{block}]}}");
    }
    let fault = read(&format!("{{\"messages\":[{{\"role\":\"user\",\"content\":[{block}]}}]}}")).unwrap_err();
    assert!(fault.public.ends_with("blocks lie too deep within each other"), "{fault}");
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(body in "[\\[\\]{}\":,a-z_0-9 ]{0,120}") {
        let _read = read(&body);
        let within = format!("{{\"messages\":[{{\"role\":\"user\",\"content\":[{{\"type\":\"document\",\"source\":{body}}}]}}]}}");
        let _read = read(&within);
    }
}
