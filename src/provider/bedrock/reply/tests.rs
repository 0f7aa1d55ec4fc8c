use super::*;
use crate::chat::UpstreamError;
use crate::provider::bedrock::fixture::Seen;
use crate::vocabulary::Usage;

fn seen(body: &str) -> (Vec<String>, Result<Metered, Broken>) {
    let mut seen = Seen::default();
    let metered = read(body.as_bytes(), &mut seen);
    (seen.0, metered)
}

#[test]
fn every_kind_of_part_comes_out() {
    let body = r#"{"metrics":{"latencyMs":1},"output":{"message":{"role":"assistant","content":[
        {"reasoningContent":{"reasoningText":{"text":"Hm","signature":"sig"}}},
        {"reasoningContent":{"redactedContent":"QQ=="}},
        {"text":"Aha "},
        {"text":""},
        {"citationsContent":{"content":[{"text":"20 days"}],"citations":[{"title":"T","source":"https://s","sourceContent":[{"text":"x"}],
            "location":{"web":{"url":"https://u","domain":"u"}}}]}},
        {"toolUse":{"toolUseId":"t1","name":"add","input":{"a":1},"type":"tool_use"}},
        {"toolUse":{"toolUseId":"t2","name":"now"}},
        {"toolUse":{"toolUseId":"t3","name":"code","input":{},"type":"server_tool_use"}},
        {"toolResult":{"toolUseId":"t3","content":[{"json":{}}]}},
        {"image":{"format":"png","source":{"bytes":"QQ=="}}},
        {"image":{"format":"png","source":{"s3Location":{"uri":"s3://b/k"}}}},
        {"future":{"x":1}}]}},
        "stopReason":"tool_use","usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3},"trace":{"guardrail":{"x":1}}}"#;
    let (seen, metered) = seen(body);
    let expected = [
        "Start { id: None, created: None }",
        "Thinking(\"Hm\")",
        "Signature(\"sig\")",
        "Redacted(\"QQ==\")",
        "Text(\"Aha \")",
        "Text(\"20 days\")",
        "Citation { url: Some(\"https://u\"), title: Some(\"T\"), text: Some(\"x\"), start: Some(4), end: Some(11) }",
        "ToolCall { index: 0, id: \"t1\", name: \"add\", signature: None }",
        "Arguments { index: 0, json: \"{\\\"a\\\":1}\" }",
        "ToolCall { index: 1, id: \"t2\", name: \"now\", signature: None }",
        "Arguments { index: 1, json: \"{}\" }",
        "NATIVE toolUse",
        "NATIVE toolResult",
        "Media { mime: \"image/png\", data: \"QQ==\" }",
        "NATIVE image",
        "NATIVE future",
        "NATIVE metrics",
        "NATIVE trace",
        "Finish(ToolCalls)",
    ];
    assert_eq!(seen.len(), expected.len(), "{seen:#?}");
    for (seen, expected) in seen.iter().zip(expected) {
        match expected.strip_prefix("NATIVE ") {
            Some(key) => assert!(seen.starts_with("Native") && seen.contains(&format!("key: {key:?}")), "{seen}"),
            None => assert_eq!(seen, expected),
        }
    }
    assert_eq!(metered, Ok(Metered::Reported(Usage { prompt: 1, completion: 2, ..Usage::default() })));
}

#[test]
fn every_reason_has_its_word() {
    let words = [
        ("end_turn", Finish::Stop),
        ("tool_use", Finish::ToolCalls),
        ("max_tokens", Finish::Length),
        ("model_context_window_exceeded", Finish::Length),
        ("stop_sequence", Finish::StopSequence(Some("|"))),
        ("guardrail_intervened", Finish::ContentFilter),
        ("content_filtered", Finish::ContentFilter),
        ("malformed_model_output", Finish::Other("malformed_model_output")),
        ("malformed_tool_use", Finish::Other("malformed_tool_use")),
    ];
    for (word, expected) in words {
        assert_eq!(finish(word, Some("|")), expected);
    }
}

#[test]
fn what_is_no_answer_is_an_error() {
    let (_, end) = seen(r#"{"message":"no such model"}"#);
    assert_eq!(end, Err(Broken::Upstream(UpstreamError { status: 500, message: "no such model".to_owned() })));
    for body in ["", "{}", "[]", "null", r#"{"output":{}}"#, r#"{"output":{"message":{"content":[1]}}}"#] {
        assert!(matches!(seen(body).1, Err(Broken::Malformed(_))), "{body}");
    }
}

#[test]
fn the_stop_sequence_that_was_asked_for_is_told_once() {
    let body = |fields: &str| {
        format!(
            r#"{{"output":{{"message":{{"content":[]}}}},"stopReason":"stop_sequence","additionalModelResponseFields":{fields}}}"#
        )
    };
    let (pieces, metered) = seen(&body(r#"{"stop_sequence":"|"}"#));
    assert_eq!(pieces[1..], ["Finish(StopSequence(Some(\"|\")))"]);
    assert_eq!(metered, Ok(Metered::Absent));
    let (pieces, _) = seen(&body(r#"{"stop_sequence":"|","x":1}"#));
    assert!(pieces[1].starts_with("Native") && pieces.len() == 3);
}
