use super::*;
use crate::chat::{
    Api, Cache, Effort, Function, Media, MediaKind, Message, Native, Part, Raw, Reasoning, Role, Source, Str, Tool,
    ToolCall, ToolChoice, ToolResult,
};
use crate::provider::bedrock::fixture::{ask, deployment};

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const CLAUDE_46: &str = "us.anthropic.claude-sonnet-4-6";
const NOVA_2: &str = "us.amazon.nova-2-lite-v1:0";
const LLAMA: &str = "us.meta.llama4-maverick-17b-instruct-v1:0";

fn raw(json: &'static str) -> Raw<'static> {
    serde_json::from_str(json).unwrap()
}

fn say(role: Role, text: &'static str) -> Message<'static> {
    Message::new(role, vec![Part::text(text)])
}

fn marked(text: &'static str, ttl: Option<&'static str>) -> Part<'static> {
    Part::Text { text: text.into(), cache: Some(Cache { ttl: ttl.map(Str::from) }) }
}

fn call(id: &'static str, arguments: &'static str) -> Part<'static> {
    Part::ToolCall(ToolCall {
        id: id.into(),
        name: "add".into(),
        arguments: arguments.into(),
        signature: None,
        cache: None,
    })
}

fn result(id: &'static str, parts: Vec<Part<'static>>, error: bool) -> Part<'static> {
    Part::ToolResult(ToolResult { id: id.into(), name: None, parts, error, cache: None })
}

fn function(name: &'static str) -> Function<'static> {
    Function { name: name.into(), description: None, parameters: None, strict: None, cache: None }
}

fn hello() -> Chat<'static> {
    Chat { messages: vec![say(Role::User, "Hi")], ..Chat::default() }
}

fn with_tools() -> Chat<'static> {
    Chat { tools: vec![Tool::Function(function("add"))], ..hello() }
}

/// The body without its first member, and what was dropped.
fn written(chat: &Chat<'_>, model: &str) -> (String, Vec<String>) {
    let deployment = deployment(model);
    let written = CONVERSE.write(chat, &ask(&deployment, model)).unwrap();
    (String::from_utf8(written.body.to_vec()).unwrap(), written.dropped)
}

fn body(chat: &Chat<'_>, model: &str) -> String {
    let (body, dropped) = written(chat, model);
    assert!(dropped.is_empty(), "{dropped:?}");
    body
}

/// What follows the messages of [`hello`].
fn rest(chat: &Chat<'_>, model: &str) -> String {
    let body = body(chat, model);
    body.strip_prefix(r#"{"messages":[{"role":"user","content":[{"text":"Hi"}]}]"#).unwrap().to_owned()
}

fn refused(chat: &Chat<'_>, model: &str) -> String {
    let deployment = deployment(model);
    CONVERSE.write(chat, &ask(&deployment, model)).unwrap_err().public.into_owned()
}

#[test]
fn messages_are_merged_and_results_come_first() {
    let chat = Chat {
        messages: vec![
            say(Role::System, "Be brief"),
            Message::new(Role::User, vec![marked("long", None), Part::text("  ")]),
            say(Role::User, "Add"),
            Message::new(
                Role::Assistant,
                vec![
                    Part::Thinking { text: "hm".into(), signature: Some("sig".into()) },
                    Part::Redacted { data: "QQ==".into() },
                    Part::text(""),
                    call("t1", r#"{"a":1}"#),
                    call("t2", ""),
                ],
            ),
            say(Role::User, "Now"),
            Message::new(Role::Tool, vec![result("t1", vec![Part::text("2")], false), result("t2", vec![], true)]),
            Message::new(Role::System, vec![marked("Be kind", Some("1h"))]),
            Message::new(Role::Assistant, vec![Part::text("Well: \n")]),
        ],
        tools: vec![Tool::Function(Function {
            description: Some("Adds".into()),
            parameters: Some(raw(r#"{"type":"object"}"#)),
            cache: Some(Cache::default()),
            ..function("add")
        })],
        ..Chat::default()
    };
    let expected = concat!(
        r#"{"messages":[{"role":"user","content":[{"text":"long"},{"cachePoint":{"type":"default"}},{"text":"Add"}]},"#,
        r#"{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"hm","signature":"sig"}}},"#,
        r#"{"reasoningContent":{"redactedContent":"QQ=="}},{"toolUse":{"toolUseId":"t1","name":"add","input":{"a":1}}},"#,
        r#"{"toolUse":{"toolUseId":"t2","name":"add","input":{}}}]},"#,
        r#"{"role":"user","content":[{"toolResult":{"toolUseId":"t1","content":[{"text":"2"}]}},"#,
        r#"{"toolResult":{"toolUseId":"t2","content":[{"json":{}}],"status":"error"}},{"text":"Now"}]},"#,
        r#"{"role":"assistant","content":[{"text":"Well:"}]}],"#,
        r#""system":[{"text":"Be brief"},{"text":"Be kind"},{"cachePoint":{"type":"default","ttl":"1h"}}],"#,
        r#""toolConfig":{"tools":[{"toolSpec":{"name":"add","description":"Adds","inputSchema":{"json":{"type":"object"}}}},"#,
        r#"{"cachePoint":{"type":"default"}}]}}"#,
    );
    assert_eq!(body(&chat, CLAUDE), expected);
    let (_, dropped) = written(&chat, LLAMA);
    assert_eq!(dropped, ["cache_control"]);
}

#[test]
fn a_mark_does_not_follow_a_document() {
    let media = Media {
        kind: MediaKind::File,
        source: Source::Text("x".into()),
        mime: None,
        name: None,
        detail: None,
        cache: Some(Cache::default()),
    };
    let chat = Chat { messages: vec![Message::new(Role::User, vec![Part::Media(media)])], ..Chat::default() };
    let expected =
        r#"{"document":{"format":"txt","name":"document","source":{"text":"x"}}},{"text":"\n"},{"cachePoint""#;
    assert!(body(&chat, CLAUDE).contains(expected));
}

#[test]
fn sampling_and_bounds_have_their_place() {
    let chat = Chat {
        max_tokens: Some(10),
        temperature: Some(raw("0.50")),
        top_p: Some(raw("0.9")),
        top_k: Some(raw("5")),
        stop: vec!["|".into()],
        user: Some("u-1".into()),
        service_tier: Some("flex".into()),
        ..hello()
    };
    let inference = r#","inferenceConfig":{"maxTokens":10,"temperature":0.50,"topP":0.9,"stopSequences":["|"]},"#;
    let carried = r#","serviceTier":{"type":"flex"},"requestMetadata":{"user":"u-1"}"#;
    assert_eq!(
        rest(&chat, CLAUDE),
        format!(
            r#"{inference}"additionalModelRequestFields":{{"top_k":5}}{carried},"additionalModelResponseFieldPaths":["/stop_sequence"]}}"#
        )
    );
    let nova = format!(r#"{inference}"additionalModelRequestFields":{{"inferenceConfig":{{"topK":5}}}}{carried}}}"#);
    assert_eq!(rest(&chat, "amazon.nova-lite-v1:0"), nova);
    let auto = Chat { service_tier: Some("auto".into()), user: Some("ü".into()), ..hello() };
    assert_eq!(written(&auto, CLAUDE).1, ["user"]);
}

#[test]
fn a_choice_of_tools_has_a_word_or_is_anthropics() {
    let tools = r#""toolConfig":{"tools":[{"toolSpec":{"name":"add","inputSchema":{"json":{"type":"object","properties":{}}}}}]"#;
    let with = |choice| Chat { tool_choice: Some(choice), ..with_tools() };
    assert_eq!(rest(&with(ToolChoice::Auto), CLAUDE), format!(",{tools}}}}}"));
    assert_eq!(rest(&with(ToolChoice::Required), CLAUDE), format!(r#",{tools},"toolChoice":{{"any":{{}}}}}}}}"#));
    assert_eq!(
        rest(&with(ToolChoice::Function("add".into())), NOVA_2),
        format!(r#",{tools},"toolChoice":{{"tool":{{"name":"add"}}}}}}}}"#)
    );
    assert_eq!(rest(&with(ToolChoice::None), NOVA_2), "}");
    let single = Chat { parallel_tool_calls: Some(false), ..with(ToolChoice::Required) };
    let expected = format!(
        r#",{tools}}},"additionalModelRequestFields":{{"tool_choice":{{"type":"any","disable_parallel_tool_use":true}}}}}}"#
    );
    assert_eq!(rest(&single, CLAUDE), expected);
    let (_, dropped) = written(&with(ToolChoice::Required), LLAMA);
    assert_eq!(dropped, ["tool_choice"]);
}

#[test]
fn a_history_with_calls_has_their_tools() {
    let history = vec![
        say(Role::User, "Hi"),
        Message::new(Role::Assistant, vec![call("t1", "{}")]),
        Message::new(Role::Tool, vec![result("t1", vec![Part::text("2")], false)]),
    ];
    let bare = Chat { messages: history.clone(), ..Chat::default() };
    let stub = r#""toolConfig":{"tools":[{"toolSpec":{"name":"add","inputSchema":{"json":{"type":"object","properties":{}}}}}]}"#;
    assert!(body(&bare, NOVA_2).ends_with(&format!("{stub}}}")));
    assert!(
        body(&bare, CLAUDE)
            .ends_with(&format!(r#"{stub},"additionalModelRequestFields":{{"tool_choice":{{"type":"none"}}}}}}"#))
    );
    let none = Chat { messages: history, tool_choice: Some(ToolChoice::None), ..with_tools() };
    let (body, dropped) = written(&none, NOVA_2);
    assert!(body.contains(stub) && dropped == ["tool_choice"], "{body}");
}

#[test]
fn a_schema_is_native_or_a_tool() {
    let schema = raw(r#"{"type":"object","additionalProperties":false}"#);
    let format = Format::Schema { name: "city".into(), description: None, schema, strict: Some(true) };
    let chat = Chat { format: Some(format), ..hello() };
    let native = r#","outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"name":"city","schema":"{\"type\":\"object\",\"additionalProperties\":false}"}}}}}"#;
    assert_eq!(rest(&chat, CLAUDE), native);
    let tool = r#"{"toolSpec":{"name":"json_tool_call","inputSchema":{"json":{"type":"object","additionalProperties":false}}}}]"#;
    assert_eq!(
        rest(&chat, "amazon.nova-lite-v1:0"),
        format!(r#","toolConfig":{{"tools":[{tool},"toolChoice":{{"tool":{{"name":"json_tool_call"}}}}}}}}"#)
    );
    let deployment = deployment(NOVA_2);
    assert!(CONVERSE.write(&chat, &ask(&deployment, NOVA_2)).unwrap().schema_tool);
    let both = Chat { tools: with_tools().tools, ..chat.clone() };
    assert!(rest(&both, NOVA_2).ends_with(&format!(r#",{tool},"toolChoice":{{"any":{{}}}}}}}}"#)));
    let json = Chat { format: Some(Format::Json), ..hello() };
    assert_eq!(written(&json, CLAUDE).1, ["response_format"]);
}

#[test]
fn every_family_is_told_to_think_in_its_own_words() {
    let effort =
        |effort| Chat { reasoning: Some(Reasoning { effort: Some(effort), ..Reasoning::default() }), ..hello() };
    let fields = |json: &str| format!(r#","additionalModelRequestFields":{json}}}"#);
    let cases = [
        (CLAUDE, Effort::Low, r#"{"thinking":{"type":"enabled","budget_tokens":1024}}"#),
        (CLAUDE, Effort::High, r#"{"thinking":{"type":"enabled","budget_tokens":4096}}"#),
        (CLAUDE, Effort::None, r#"{"thinking":{"type":"disabled"}}"#),
        (CLAUDE_46, Effort::High, r#"{"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}}"#),
        (
            "us.anthropic.claude-sonnet-5",
            Effort::ExtraHigh,
            r#"{"thinking":{"type":"adaptive"},"output_config":{"effort":"xhigh"}}"#,
        ),
        (NOVA_2, Effort::Minimal, r#"{"reasoningConfig":{"type":"enabled","maxReasoningEffort":"low"}}"#),
        ("openai.gpt-oss-120b-1:0", Effort::Medium, r#"{"reasoning_effort":"medium"}"#),
        ("qwen.qwen3-32b-v1:0", Effort::High, r#"{"reasoning_config":"high"}"#),
    ];
    for (model, word, expected) in cases {
        assert_eq!(rest(&effort(word), model), fields(expected), "{model}");
    }
    let budget = Reasoning { budget_tokens: Some(4000), enabled: Some(true), ..Reasoning::default() };
    let chat = Chat { reasoning: Some(budget), ..hello() };
    assert_eq!(rest(&chat, CLAUDE), fields(r#"{"thinking":{"type":"enabled","budget_tokens":4000}}"#));
    let adaptive = Reasoning { enabled: Some(true), adaptive: true, show: Some(true), ..Reasoning::default() };
    let chat = Chat { reasoning: Some(adaptive), ..hello() };
    assert_eq!(rest(&chat, CLAUDE_46), fields(r#"{"thinking":{"type":"adaptive","display":"summarized"}}"#));
    assert_eq!(written(&effort(Effort::Low), LLAMA).1, ["reasoning_effort"]);
}

#[test]
fn while_it_thinks_claude_takes_neither_sampling_nor_a_forced_call() {
    let chat = Chat {
        reasoning: Some(Reasoning { effort: Some(Effort::Max), ..Reasoning::default() }),
        temperature: Some(raw("0.2")),
        top_k: Some(raw("4")),
        tool_choice: Some(ToolChoice::Required),
        max_tokens: Some(2000),
        ..with_tools()
    };
    let (body, dropped) = written(&chat, CLAUDE);
    assert_eq!(dropped, ["temperature", "tool_choice", "top_k"]);
    assert!(body.contains(r#""budget_tokens":1999"#) && !body.contains("toolChoice"), "{body}");
    let small = Chat { max_tokens: Some(100), temperature: None, top_k: None, ..chat };
    let (body, dropped) = written(&small, CLAUDE);
    assert!(dropped == ["reasoning_effort"] && body.contains(r#""toolChoice":{"any":{}}"#), "{body} {dropped:?}");
}

#[test]
fn members_of_converse_are_carried_and_others_go_to_the_model() {
    let extra = vec![
        ("guardrail_config".into(), raw(r#"{"guardrailIdentifier":"g"}"#)),
        ("performanceConfig".into(), raw(r#"{"latency":"optimized"}"#)),
        ("additionalModelRequestFields".into(), raw(r#"{"top_k":9,"a":1}"#)),
        ("anthropic_beta".into(), raw(r#"["b"]"#)),
    ];
    let chat = Chat { extra, top_k: Some(raw("5")), ..hello() };
    let expected = concat!(
        r#","additionalModelRequestFields":{"a":1,"top_k":9,"anthropic_beta":["b"]},"#,
        r#""guardrailConfig":{"guardrailIdentifier":"g"},"performanceConfig":{"latency":"optimized"}}"#,
    );
    assert_eq!(rest(&chat, CLAUDE), expected);
    let native = vec![
        (Api::Converse, "requestMetadata".into(), raw(r#"{"k":"v"}"#)),
        (Api::Anthropic, "container".into(), raw(r#""c""#)),
    ];
    let (body, dropped) = written(&Chat { native, ..hello() }, CLAUDE);
    assert!(body.ends_with(r#","requestMetadata":{"k":"v"}}"#) && !body.contains("container"), "{body}");
    assert!(dropped.is_empty(), "who asked is told of members of other APIs for all providers alike: {dropped:?}");
}

#[test]
fn words_of_converse_stand_as_they_are() {
    let native = |api, json| Part::Native(Native { api, json: raw(json) });
    let chat = Chat {
        messages: vec![Message::new(
            Role::User,
            vec![
                native(Api::OpenAiChat, r#"{"type":"guarded_text","text":"a\nb"}"#),
                native(Api::OpenAiChat, r#"{"guardContent":{"text":{"text":"x","qualifiers":["query"]}}}"#),
                native(Api::Converse, r#"{"searchResult":{}}"#),
            ],
        )],
        tools: vec![
            Tool::Native(Native {
                api: Api::OpenAiChat,
                json: raw(r#"{"type":"system_tool","name":"nova_grounding"}"#),
            }),
            Tool::Native(Native {
                api: Api::Converse,
                json: raw(r#"{"systemTool":{"name":"nova_code_interpreter"}}"#),
            }),
        ],
        ..Chat::default()
    };
    let expected = concat!(
        r#"{"messages":[{"role":"user","content":[{"guardContent":{"text":{"text":"a\nb"}}},"#,
        r#"{"guardContent":{"text":{"text":"x","qualifiers":["query"]}}},{"searchResult":{}}]}],"#,
        r#""toolConfig":{"tools":[{"systemTool":{"name":"nova_grounding"}},{"systemTool":{"name":"nova_code_interpreter"}}]}}"#,
    );
    assert_eq!(body(&chat, NOVA_2), expected);
}

#[test]
fn anthropics_own_tools_go_to_claude_with_their_betas() {
    let tool = Native { api: Api::Anthropic, json: raw(r#"{"type":"computer_20250124","name":"computer"}"#) };
    let chat = Chat { tools: vec![Tool::Native(tool)], ..hello() };
    let expected = r#","additionalModelRequestFields":{"tools":[{"type":"computer_20250124","name":"computer"}],"anthropic_beta":["computer-use-2025-01-24"]}}"#;
    assert_eq!(rest(&chat, CLAUDE), expected);
    assert!(refused(&chat, NOVA_2).starts_with("tools[0].type: Bedrock does not run"));
}

#[test]
fn what_cannot_be_said_is_refused_by_name() {
    let user = |part| Chat { messages: vec![Message::new(Role::User, vec![part])], ..Chat::default() };
    let url = Media {
        kind: MediaKind::Image,
        source: Source::Url("https://example.com/a.png".into()),
        mime: None,
        name: None,
        detail: None,
        cache: None,
    };
    assert!(refused(&user(Part::Media(url)), CLAUDE).starts_with("messages[0].content[0]: Bedrock does not fetch"));
    let native = Native { api: Api::Anthropic, json: raw(r#"{"type":"container_upload"}"#) };
    assert!(refused(&user(Part::Native(native)), CLAUDE).contains("container_upload"));
    assert!(refused(&user(Part::text(" ")), CLAUDE).starts_with("messages: "));
    let chat = Chat { messages: vec![Message::new(Role::Assistant, vec![call("t", "[1]")])], ..Chat::default() };
    assert!(refused(&chat, CLAUDE).contains("not a JSON object"));
    let chat = Chat { tools: vec![Tool::Function(function("a.b"))], ..hello() };
    assert!(refused(&chat, CLAUDE).starts_with("tools[0].function.name: "));
    let search = Native { api: Api::OpenAiChat, json: raw(r#"{"type":"web_search"}"#) };
    assert!(refused(&Chat { tools: vec![Tool::Native(search)], ..hello() }, CLAUDE).contains("\"web_search\""));
}

#[test]
fn what_the_conversation_goes_on_without_is_named() {
    let messages = vec![
        Message { name: Some("Ann".into()), ..say(Role::User, "Hi") },
        Message::new(
            Role::Assistant,
            vec![
                Part::Thinking { text: "hm".into(), signature: None },
                Part::Native(Native { api: Api::Anthropic, json: raw(r#"{"type":"server_tool_use"}"#) }),
                Part::text("Yes"),
            ],
        ),
    ];
    let (body, dropped) = written(&Chat { messages, ..Chat::default() }, CLAUDE);
    assert_eq!(dropped, ["messages[].name", "messages[].reasoning", "server_tool_use"]);
    assert_eq!(
        body,
        r#"{"messages":[{"role":"user","content":[{"text":"Hi"}]},{"role":"assistant","content":[{"text":"Yes"}]}]}"#
    );
}

#[test]
fn ids_of_calls_are_those_that_aws_takes() {
    let long = "call_1|fc_".repeat(20);
    let chat = |id: &str| Chat {
        messages: vec![
            say(Role::User, "Hi"),
            Message::new(
                Role::Tool,
                vec![Part::ToolResult(ToolResult {
                    id: id.to_owned().into(),
                    name: None,
                    parts: vec![],
                    error: false,
                    cache: None,
                })],
            ),
        ],
        ..Chat::default()
    };
    let id = |id: &str| {
        written(&chat(id), CLAUDE).0.split("toolUseId\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    assert_eq!(id("toolu_01-a.b:c"), "toolu_01-a.b:c");
    assert!(id(&long).len() <= 64 && id(&long).starts_with("call_1fc_") && id(&long) == id(&long));
    assert_ne!(id("a|b"), id("a/b"));
}

#[test]
fn every_model_lists_what_it_takes() {
    assert!(CONVERSE.supported(CLAUDE).contains(&"parallel_tool_calls"));
    assert!(!CONVERSE.supported("anthropic.claude-3-haiku-20240307-v1:0").contains(&"reasoning_effort"));
    assert!(!CONVERSE.supported("amazon.titan-text-lite-v1").contains(&"tools"));
    assert!(!CONVERSE.supported(LLAMA).contains(&"tool_choice"));
}

#[test]
fn a_path_has_the_model_and_the_way_of_the_answer() {
    let target = Target::parse("https://h").unwrap();
    assert_eq!(CONVERSE.path(&target, NOVA_2, false), "/model/us.amazon.nova-2-lite-v1%3A0/converse");
    assert_eq!(CONVERSE.path(&target, "converse/a.b", true), "/model/a.b/converse-stream");
}
