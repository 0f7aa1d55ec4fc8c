//! Requests as they are written.

use serde_json::value::RawValue;

use super::deployment;
use crate::chat::{
    Api, Chat, Effort, Format, Media, MediaKind, Message, Native, Part, Raw, Reasoning, Role, Source, Tool, ToolCall,
    ToolChoice, ToolResult,
};
use crate::dialect::Dialect;
use crate::dialect::anthropic::MESSAGES;
use crate::provider::anthropic::{Flavour, write_body};
use crate::provider::{Ask, Written};
use crate::vocabulary::{Fault, Kind};

fn raw(text: &str) -> Raw<'_> {
    serde_json::from_str::<&RawValue>(text).unwrap()
}

/// A chat of one question.
fn chat() -> Chat<'static> {
    Chat { messages: vec![Message::new(Role::User, vec![Part::text("hi")])], ..Chat::default() }
}

fn try_write(chat: &Chat<'_>, model: &str, flavour: Flavour) -> Result<Written, Fault> {
    let deployment = deployment(model, None, None);
    write_body(chat, &Ask { model, stream: chat.stream, output_max: None, deployment: &deployment }, flavour)
}

fn write(chat: &Chat<'_>, model: &str) -> (String, Vec<String>) {
    let written = try_write(chat, model, Flavour::Anthropic).unwrap();
    (String::from_utf8(written.body.to_vec()).unwrap(), written.dropped)
}

/// The body without what every one of these has.
fn rest(chat: &Chat<'_>, model: &str) -> String {
    let head = format!("{{\"model\":\"{model}\",");
    write(chat, model).0.strip_prefix(&head).unwrap().replace(USER, "")
}

const USER: &str = r#""messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]"#;
const TOOL: &str = r#"{"max_tokens":9,"messages":[{"role":"user","content":"hi"}],
    "tools":[{"name":"f","input_schema":{"type":"object"}}]}"#;

fn with_tool() -> Chat<'static> {
    MESSAGES.read(TOOL.as_bytes(), false).unwrap()
}

#[test]
fn each_host_has_its_own_form() {
    let mut chat = chat();
    chat.stream = true;
    chat.native.push((Api::Anthropic, "anthropic_beta".into(), raw(r#"["a-1","b-2"]"#)));
    let body = |flavour| {
        let written = try_write(&chat, "claude-sonnet-4-5", flavour).unwrap();
        let header = written.headers.first().map(|(_, value)| value.to_str().unwrap().to_owned());
        (String::from_utf8(written.body.to_vec()).unwrap().replace(USER, "M"), header)
    };
    let betas = Some("a-1,b-2".to_owned());
    let own = r#"{"model":"claude-sonnet-4-5","max_tokens":4096,M,"stream":true}"#.to_owned();
    assert_eq!(body(Flavour::Anthropic), (own.clone(), betas.clone()));
    assert_eq!(body(Flavour::Foundry), (own, betas.clone()));
    let vertex = r#"{"anthropic_version":"vertex-2023-10-16","max_tokens":4096,M,"stream":true}"#.to_owned();
    assert_eq!(body(Flavour::Vertex), (vertex, betas));
    let bedrock =
        r#"{"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["a-1","b-2"],"max_tokens":4096,M}"#.to_owned();
    assert_eq!(body(Flavour::Bedrock), (bedrock, None));
}

#[test]
fn an_effort_is_a_budget_or_a_word() {
    let think = |effort, max_tokens, model| {
        let reasoning = Some(Reasoning { effort: Some(effort), ..Reasoning::default() });
        rest(&Chat { reasoning, max_tokens, ..chat() }, model)
    };
    let enabled = |tokens: u64, budget: u64| {
        format!("\"max_tokens\":{tokens},,\"thinking\":{{\"type\":\"enabled\",\"budget_tokens\":{budget}}}}}")
    };
    assert_eq!(think(Effort::Minimal, Some(8000), "claude-sonnet-4-5"), enabled(8000, 1024));
    // The bound is the client's, and what its budget holds: thoughts make do with a part of it, or are left out.
    assert_eq!(think(Effort::High, Some(100), "claude-sonnet-4-5"), "\"max_tokens\":100,}");
    assert_eq!(think(Effort::High, Some(2000), "claude-sonnet-4-5"), enabled(2000, 1500));
    assert_eq!(think(Effort::High, None, "claude-sonnet-4-5"), enabled(4096, 3072));
    assert_eq!(think(Effort::None, Some(5), "claude-sonnet-4-5"), "\"max_tokens\":5,}");
    assert_eq!(
        think(Effort::Medium, Some(8000), "claude-opus-4-5"),
        r#""max_tokens":8000,,"thinking":{"type":"enabled","budget_tokens":2048},"output_config":{"effort":"medium"}}"#
    );
    assert_eq!(
        think(Effort::ExtraHigh, Some(5), "claude-opus-4-6"),
        r#""max_tokens":5,,"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}}"#
    );
    assert_eq!(
        think(Effort::ExtraHigh, Some(5), "claude-opus-4-7"),
        r#""max_tokens":5,,"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"xhigh"}}"#
    );
    assert_eq!(think(Effort::None, Some(5), "claude-sonnet-5"), r#""max_tokens":5,,"thinking":{"type":"disabled"}}"#);
    assert_eq!(think(Effort::High, Some(5), "claude-3-haiku-20240307"), "\"max_tokens\":5,}");
}

#[test]
fn what_an_older_model_cannot_think_it_is_told_otherwise() {
    let reasoning = Some(Reasoning { enabled: Some(true), adaptive: true, ..Reasoning::default() });
    let chat = Chat { reasoning, max_tokens: Some(9000), ..chat() };
    assert_eq!(
        rest(&chat, "claude-sonnet-4-5"),
        r#""max_tokens":9000,,"thinking":{"type":"enabled","budget_tokens":4096}}"#
    );
    let reasoning = Some(Reasoning { budget_tokens: Some(2000), enabled: Some(true), ..Reasoning::default() });
    let chat = Chat { reasoning, ..chat };
    assert_eq!(
        rest(&chat, "claude-opus-4-7"),
        r#""max_tokens":9000,,"thinking":{"type":"adaptive"},"output_config":{"effort":"medium"}}"#
    );
}

#[test]
fn no_dice_while_it_thinks() {
    let reasoning = Some(Reasoning { effort: Some(Effort::Low), ..Reasoning::default() });
    let mut chat = Chat {
        reasoning,
        max_tokens: Some(9000),
        temperature: Some(raw("0.3")),
        top_p: Some(raw("0.9")),
        top_k: Some(raw("5")),
        ..chat()
    };
    let (body, dropped) = write(&chat, "claude-sonnet-4-5");
    assert!(!body.contains("temperature") && !body.contains("top_"), "{body}");
    assert_eq!(dropped, ["temperature", "top_p", "top_k"]);
    chat.temperature = Some(raw("1"));
    assert!(write(&chat, "claude-sonnet-4-5").0.contains("\"temperature\":1"));
    chat.reasoning = None;
    chat.temperature = Some(raw("1.7"));
    let (body, dropped) = write(&chat, "claude-sonnet-4-0");
    assert!(body.contains(r#""temperature":1,"top_p":0.9,"top_k":5"#), "{body}");
    assert!(dropped.is_empty());
    assert_eq!(write(&chat, "claude-sonnet-4-5").1, ["top_p"]);
    assert_eq!(write(&chat, "claude-opus-4-7").1, ["temperature", "top_p", "top_k"]);
}

#[test]
fn a_forced_tool_comes_before_a_counted_thought() {
    let mut chat = with_tool();
    chat.tool_choice = Some(ToolChoice::Required);
    chat.reasoning = Some(Reasoning { effort: Some(Effort::Low), ..Reasoning::default() });
    let (body, dropped) = write(&chat, "claude-sonnet-4-5");
    assert!(body.contains(r#""tool_choice":{"type":"any"}"#) && !body.contains("thinking"), "{body}");
    assert_eq!(dropped, ["reasoning_effort"]);
    let (body, dropped) = write(&chat, "claude-opus-4-6");
    assert!(body.contains("adaptive") && dropped.is_empty(), "{body}");
}

#[test]
fn calls_without_their_thoughts_cannot_be_thought_on() {
    let text = r#"{"max_tokens":2009,"tools":[{"name":"f"}],"thinking":{"type":"enabled","budget_tokens":2000},"messages":[
        {"role":"user","content":"q"},
        {"role":"assistant","content":[THOUGHT{"type":"tool_use","id":"a","name":"f","input":{}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"r"}]}]}"#;
    let without = text.replace("THOUGHT", "");
    let (body, dropped) = write(&MESSAGES.read(without.as_bytes(), false).unwrap(), "claude-sonnet-4-5");
    assert!(!body.contains("thinking"), "{body}");
    assert_eq!(dropped, ["thinking"]);
    let with = text.replace("THOUGHT", r#"{"type":"thinking","thinking":"t","signature":"s"},"#);
    let (body, dropped) = write(&MESSAGES.read(with.as_bytes(), false).unwrap(), "claude-sonnet-4-5");
    assert!(body.contains(r#""max_tokens":2009"#) && dropped.is_empty(), "{body}");
}

#[test]
fn a_schema_is_native_or_a_tool() {
    let format = || Format::Schema {
        name: "s".into(),
        description: Some("d".into()),
        schema: raw(r#"{"type":"object","additionalProperties":false}"#),
        strict: Some(true),
    };
    let mut chat = Chat { format: Some(format()), max_tokens: Some(5), ..chat() };
    assert_eq!(
        rest(&chat, "claude-sonnet-4-5"),
        r#""max_tokens":5,,"output_config":{"format":{"type":"json_schema","schema":{"type":"object","additionalProperties":false}}}}"#
    );
    let tool = r#""tools":[{"name":"json_tool_call","description":"d","input_schema":{"type":"object","additionalProperties":false}}]"#;
    let forced = format!(r#""max_tokens":5,,{tool},"tool_choice":{{"type":"tool","name":"json_tool_call"}}}}"#);
    assert_eq!(rest(&chat, "claude-sonnet-4-0"), forced);
    assert!(try_write(&chat, "claude-sonnet-4-0", Flavour::Anthropic).unwrap().schema_tool);
    assert!(try_write(&chat, "claude-sonnet-4-5", Flavour::Vertex).unwrap().schema_tool);
    assert!(!try_write(&chat, "claude-sonnet-4-5", Flavour::Bedrock).unwrap().schema_tool);
    chat.reasoning = Some(Reasoning { effort: Some(Effort::Low), ..Reasoning::default() });
    chat.max_tokens = Some(5000);
    assert!(write(&chat, "claude-sonnet-4-0").0.contains(r#""tool_choice":{"type":"auto"}"#));
    let json = Chat { format: Some(Format::Json), ..with_tool() };
    let (body, _) = write(&json, "claude-sonnet-4-5");
    assert!(body.contains(r#""tool_choice":{"type":"any"}"#) && body.contains("additionalProperties\":true"), "{body}");
    assert_eq!(
        rest(&Chat { format: Some(Format::Text), ..self::chat() }, "claude-sonnet-4-5"),
        "\"max_tokens\":4096,}"
    );
}

#[test]
fn turns_are_merged_and_results_come_first() {
    let call = |id: &str| ToolCall {
        id: id.to_owned().into(),
        name: "f".into(),
        arguments: "null".into(),
        signature: None,
        cache: None,
    };
    let result = |id: &str| ToolResult {
        id: id.to_owned().into(),
        name: None,
        parts: vec![Part::text("r"), Part::text("")],
        error: id == "b",
        cache: None,
    };
    let chat = Chat {
        messages: vec![
            Message::new(Role::System, vec![Part::text("s1")]),
            Message::new(Role::System, vec![Part::text("s2")]),
            Message::new(Role::User, vec![Part::text("q"), Part::text(" ")]),
            Message::new(Role::Assistant, vec![Part::text("say "), Part::ToolCall(call("a|1"))]),
            Message::new(Role::Assistant, vec![Part::ToolCall(call("b"))]),
            Message::new(Role::User, vec![Part::text("wait")]),
            Message::new(Role::Tool, vec![Part::ToolResult(result("a|1"))]),
            Message::new(Role::Tool, vec![Part::ToolResult(result("b"))]),
            Message::new(Role::System, vec![Part::text("mid")]),
            Message::new(
                Role::Assistant,
                vec![Part::Thinking { text: "t".into(), signature: None }, Part::text("so \n")],
            ),
        ],
        max_tokens: Some(5),
        ..Chat::default()
    };
    let (body, dropped) = write(&chat, "claude-sonnet-4-5");
    let expected = r#"{"model":"claude-sonnet-4-5","max_tokens":5,"system":[{"type":"text","text":"s1"},{"type":"text","text":"s2"}],"messages":[
{"role":"user","content":[{"type":"text","text":"q"}]},
{"role":"assistant","content":[{"type":"text","text":"say "},{"type":"tool_use","id":"a_1","name":"f","input":{}},{"type":"tool_use","id":"b","name":"f","input":{}}]},
{"role":"user","content":[{"type":"tool_result","tool_use_id":"a_1","content":[{"type":"text","text":"r"}]},{"type":"tool_result","tool_use_id":"b","content":[{"type":"text","text":"r"}],"is_error":true},{"type":"text","text":"wait"},{"type":"text","text":"mid"}]},
{"role":"assistant","content":[{"type":"text","text":"so"}]}]}"#;
    assert_eq!(body, expected.replace('\n', ""));
    assert!(dropped.is_empty());
    // Newer models take instructions between a question and its answer.
    let (body, _) = write(&chat, "claude-opus-4-8");
    assert!(body.contains(r#"{"role":"system","content":[{"type":"text","text":"mid"}]}"#), "{body}");
}

#[test]
fn instructions_alone_are_the_question() {
    let system = Message::new(Role::System, vec![Part::text("say hi")]);
    let chat = Chat { messages: vec![system], max_tokens: Some(5), ..Chat::default() };
    let body = write(&chat, "claude-sonnet-4-5").0;
    assert!(body.contains(r#""messages":[{"role":"user","content":[{"type":"text","text":"say hi"}]}]"#), "{body}");
    let fault = try_write(&Chat::default(), "claude-sonnet-4-5", Flavour::Anthropic).unwrap_err();
    assert_eq!((fault.kind, fault.param.as_deref()), (Kind::BadRequest, Some("messages")));
}

fn media(kind: MediaKind, source: Source<'static>, mime: Option<&'static str>) -> Chat<'static> {
    let media = Media { kind, source, mime: mime.map(Into::into), name: None, detail: None, cache: None };
    Chat { messages: vec![Message::new(Role::User, vec![Part::Media(media)])], ..Chat::default() }
}

#[test]
fn media_are_images_and_documents() {
    for (kind, source, mime, block) in [
        (
            MediaKind::Image,
            Source::Base64("iVBORw0".into()),
            None,
            r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0"}}"#,
        ),
        (
            MediaKind::Image,
            Source::Url("data:image/jpg;base64,AAAA".into()),
            None,
            r#"{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"AAAA"}}"#,
        ),
        (
            MediaKind::Image,
            Source::Url("https://e.org/i.png".into()),
            None,
            r#"{"type":"image","source":{"type":"url","url":"https://e.org/i.png"}}"#,
        ),
        (
            MediaKind::File,
            Source::Base64("JVBERi0x".into()),
            Some("application/pdf"),
            r#"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0x"}}"#,
        ),
        (
            MediaKind::File,
            Source::Base64("aGk=".into()),
            Some("text/markdown"),
            r#"{"type":"document","source":{"type":"text","media_type":"text/plain","data":"hi"}}"#,
        ),
        (
            MediaKind::File,
            Source::Id("file_1".into()),
            None,
            r#"{"type":"document","source":{"type":"file","file_id":"file_1"}}"#,
        ),
    ] {
        let written = try_write(&media(kind, source, mime), "claude-sonnet-4-5", Flavour::Anthropic).unwrap();
        let body = std::str::from_utf8(&written.body).unwrap();
        assert!(body.contains(block), "{body}");
        assert_eq!(written.headers.is_empty(), !body.contains("file_1"));
    }
}

#[test]
fn what_cannot_be_said_is_refused_by_name() {
    let place = "messages[0].content[0]";
    for (chat, flavour, param) in [
        (media(MediaKind::Audio, Source::Base64("AA".into()), Some("audio/wav")), Flavour::Anthropic, place),
        (media(MediaKind::Video, Source::Url("https://e.org/v".into()), None), Flavour::Anthropic, place),
        (media(MediaKind::File, Source::Base64("AA".into()), Some("application/zip")), Flavour::Anthropic, place),
        (media(MediaKind::Image, Source::Url("gs://b/i".into()), None), Flavour::Anthropic, place),
        (media(MediaKind::Image, Source::Url("https://e.org/i".into()), None), Flavour::Bedrock, place),
    ] {
        let fault = try_write(&chat, "claude-sonnet-4-5", flavour).unwrap_err();
        assert_eq!((fault.kind, fault.param.as_deref()), (Kind::BadRequest, Some(param)), "{fault}");
        assert!(fault.public.starts_with(param), "{fault}");
    }
    let tool = Tool::Native(Native { api: Api::Responses, json: raw(r#"{"type":"file_search"}"#) });
    let fault = try_write(&Chat { tools: vec![tool], ..chat() }, "claude-sonnet-4-5", Flavour::Anthropic).unwrap_err();
    assert_eq!(fault.param.as_deref(), Some("tools[0].type"));
    let part = Part::Native(Native { api: Api::Gemini, json: raw("{}") });
    let asked = Chat { messages: vec![Message::new(Role::User, vec![part.clone()])], ..Chat::default() };
    assert!(try_write(&asked, "claude-sonnet-4-5", Flavour::Anthropic).is_err());
    // What another model said is left out, and said so.
    let mut said = chat();
    said.messages.insert(0, Message::new(Role::Assistant, vec![Part::text("x"), part]));
    assert_eq!(write(&said, "claude-sonnet-4-5").1, ["messages[0].content[1]"]);
}

#[test]
fn tools_of_vendors_find_their_own() {
    let native = |api, text| Tool::Native(Native { api, json: raw(text) });
    let mut chat = chat();
    chat.tools = vec![
        native(Api::OpenAiChat, r#"{"type":"computer_20250124","name":"computer"}"#),
        native(
            Api::Responses,
            r#"{"type":"web_search_preview","search_context_size":"low","user_location":{"type":"approximate","city":"Bonn"}}"#,
        ),
        native(Api::Gemini, r#"{"googleSearch":{}}"#),
    ];
    chat.parallel_tool_calls = Some(false);
    let written = try_write(&chat, "claude-sonnet-4-5", Flavour::Anthropic).unwrap();
    let body = std::str::from_utf8(&written.body).unwrap();
    let tools = r#""tools":[{"type":"computer_20250124","name":"computer"},{"type":"web_search_20250305","name":"web_search","max_uses":1,"user_location":{"type":"approximate","city":"Bonn"}},{"type":"web_search_20250305","name":"web_search"}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}"#;
    assert!(body.contains(tools), "{body}");
    assert_eq!(written.headers[0].1, "computer-use-2025-01-24");
}

#[test]
fn small_things_are_kept_or_named() {
    let mut chat = chat();
    chat.user = Some("a@example.org".into());
    chat.stop = vec!["\n".into(), "END".into()];
    chat.service_tier = Some("flex".into());
    chat.native.push((Api::Gemini, "safetySettings".into(), raw("[]")));
    chat.native.push((Api::Anthropic, "container".into(), raw("\"c\"")));
    chat.extra.push(("cache_control".into(), raw(r#"{"type":"ephemeral"}"#)));
    chat.extra.push(("messages".into(), raw("[]")));
    let (body, dropped) = write(&chat, "claude-sonnet-4-5");
    let end = r#""stop_sequences":["END"],"container":"c","cache_control":{"type":"ephemeral"}}"#;
    assert!(body.ends_with(end), "{body}");
    assert_eq!(dropped, ["messages", "stop", "user", "service_tier"]);
    chat.user = Some("+49 228 123456".into());
    assert!(write(&chat, "claude-sonnet-4-5").1.contains(&"user".to_owned()));
    chat.user = Some("user_1".into());
    assert!(write(&chat, "claude-sonnet-4-5").0.contains(r#""metadata":{"user_id":"user_1"}"#));
}

#[test]
fn newer_words_go_on() {
    let text = r#"{"max_tokens":5,"output_config":{"effort":"huge","format":null,"task_budget":{"total":9}},"messages":[{"role":"user","content":"hi"}]}"#;
    let chat = MESSAGES.read(text.as_bytes(), false).unwrap();
    let written = try_write(&chat, "claude-opus-4-6", Flavour::Anthropic).unwrap();
    let body = std::str::from_utf8(&written.body).unwrap();
    assert!(body.ends_with(r#""output_config":{"effort":"huge","task_budget":{"total":9}}}"#), "{body}");
    assert_eq!(written.headers[0].1, "task-budgets-2026-03-13");
}

#[test]
fn a_subscription_keeps_its_beta_beside_others() {
    let mut chat = chat();
    chat.native.push((Api::Anthropic, "anthropic_beta".into(), raw("\"a-1, b-2\"")));
    let deployment = deployment("claude-sonnet-4-5", Some("sk-ant-oat01-x"), None);
    let ask = Ask { model: "claude-sonnet-4-5", stream: false, output_max: Some(64_000), deployment: &deployment };
    let written = write_body(&chat, &ask, Flavour::Anthropic).unwrap();
    assert_eq!(written.headers[0].1, "oauth-2025-04-20,a-1,b-2");
    assert!(std::str::from_utf8(&written.body).unwrap().contains("\"max_tokens\":64000"));
}
