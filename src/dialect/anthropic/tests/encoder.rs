//! Answers as they are written.

use bytes::Bytes;
use proptest::prelude::*;

use crate::chat::{Answer, Api, Delta, Encoder, Finish, Part};
use crate::dialect::Dialect;
use crate::dialect::anthropic::MESSAGES;
use crate::vocabulary::{Units, Usage};

fn encoder(stream: bool) -> Box<dyn Encoder> {
    let (id, model) = ("req-1".to_owned(), "mine".to_owned());
    MESSAGES
        .encoder(Answer { id, model, created: 0, include_usage: false, array: false, request: Bytes::new() }, stream)
}

fn whole(deltas: &[Delta<'_>], usage: Option<&Usage>) -> String {
    let mut encoder = encoder(false);
    deltas.iter().for_each(|delta| encoder.delta(0, *delta));
    assert!(encoder.take().is_empty());
    encoder.end(usage);
    String::from_utf8(encoder.take().to_vec()).unwrap()
}

/// The events' data.
fn events(deltas: &[Delta<'_>], usage: Option<&Usage>) -> Vec<String> {
    let mut encoder = encoder(true);
    deltas.iter().for_each(|delta| encoder.delta(0, *delta));
    encoder.end(usage);
    let text = String::from_utf8(encoder.take().to_vec()).unwrap();
    let mut out = Vec::new();
    for event in text.split_terminator("\n\n") {
        let (name, data) = event.split_once('\n').unwrap();
        let data = data.strip_prefix("data: ").unwrap();
        let kind = format!("{{\"type\":\"{}\"", name.strip_prefix("event: ").unwrap());
        assert!(data.starts_with(&kind), "{event}");
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(data).is_ok(), "{data}");
        out.push(data.to_owned());
    }
    out
}

const DELTAS: [Delta<'static>; 14] = [
    Delta::Start { id: Some("chatcmpl-1"), created: Some(7) },
    Delta::Thinking("hm"),
    Delta::Thinking("m"),
    Delta::Signature("S"),
    Delta::Redacted("R"),
    Delta::Text("Hi \"you\""),
    Delta::Citation { url: Some("https://e.org"), title: None, text: Some("c"), start: None, end: None },
    Delta::Text("more"),
    Delta::Native {
        api: Api::Anthropic,
        key: "server_tool_use",
        json: "{\"type\":\"server_tool_use\",\n\"id\":\"s\",\"input\":{\"q\":1},\"name\":\"web_search\"}",
    },
    Delta::Native { api: Api::Gemini, key: "groundingMetadata", json: "{}" },
    Delta::ToolCall { index: 0, id: "a", name: "f", signature: None },
    Delta::Arguments { index: 0, json: "{\"x\":" },
    Delta::Arguments { index: 0, json: "1}" },
    Delta::Finish(Finish::Stop),
];

const USAGE: Usage = Usage {
    prompt: 30,
    completion: 9,
    cache_read: 10,
    cache_write: 4,
    cache_write_1h: 1,
    audio_in: 0,
    image_in: 0,
    reasoning: 2,
    audio_out: 0,
    image_out: 0,
    cost: None,
    units: Units::NONE,
};

const USAGE_JSON: &str = r#"{"input_tokens":15,"cache_creation_input_tokens":5,"cache_read_input_tokens":10,"cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":1},"output_tokens":9,"output_tokens_details":{"thinking_tokens":2}}"#;

#[test]
fn a_whole_answer_has_every_block() {
    let expected = r#"{"id":"msg_req-1","type":"message","role":"assistant","model":"mine","content":[{"type":"thinking","thinking":"hmm","signature":"S"},{"type":"redacted_thinking","data":"R"},{"type":"text","text":"Hi \"you\"","citations":[{"type":"web_search_result_location","url":"https://e.org","title":null,"cited_text":"c","encrypted_index":""}]},{"type":"text","text":"more"},{"type":"server_tool_use",
"id":"s","input":{"q":1},"name":"web_search"},{"type":"tool_use","id":"a","name":"f","input":{"x":1}}],"stop_reason":"tool_use","stop_sequence":null,"usage":USAGE}"#;
    assert_eq!(whole(&DELTAS, Some(&USAGE)), expected.replace("USAGE", USAGE_JSON));
}

#[test]
fn a_stream_has_every_block_in_a_row() {
    let start = r#"{"type":"message_start","message":{"id":"msg_req-1","type":"message","role":"assistant","model":"mine","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}"#;
    let end = format!(
        r#"{{"type":"message_delta","delta":{{"stop_reason":"tool_use","stop_sequence":null}},"usage":{USAGE_JSON}}}"#
    );
    let block = |index: u32, block: &str| {
        format!(r#"{{"type":"content_block_start","index":{index},"content_block":{block}}}"#)
    };
    let delta =
        |index: u32, delta: &str| format!(r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#);
    let stop = |index: u32| format!(r#"{{"type":"content_block_stop","index":{index}}}"#);
    let expected = [
        start.to_owned(),
        block(0, r#"{"type":"thinking","thinking":"","signature":""}"#),
        delta(0, r#"{"type":"thinking_delta","thinking":"hm"}"#),
        delta(0, r#"{"type":"thinking_delta","thinking":"m"}"#),
        delta(0, r#"{"type":"signature_delta","signature":"S"}"#),
        stop(0),
        block(1, r#"{"type":"redacted_thinking","data":"R"}"#),
        stop(1),
        block(2, r#"{"type":"text","text":""}"#),
        delta(2, r#"{"type":"text_delta","text":"Hi \"you\""}"#),
        delta(
            2,
            r#"{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"https://e.org","title":null,"cited_text":"c","encrypted_index":""}}"#,
        ),
        stop(2),
        block(3, r#"{"type":"text","text":""}"#),
        delta(3, r#"{"type":"text_delta","text":"more"}"#),
        stop(3),
        block(4, r#"{"type":"server_tool_use","id":"s","input":{},"name":"web_search"}"#),
        delta(4, r#"{"type":"input_json_delta","partial_json":"{\"q\":1}"}"#),
        stop(4),
        block(5, r#"{"type":"tool_use","id":"a","name":"f","input":{}}"#),
        delta(5, r#"{"type":"input_json_delta","partial_json":"{\"x\":"}"#),
        delta(5, r#"{"type":"input_json_delta","partial_json":"1}"}"#),
        stop(5),
        end,
        r#"{"type":"message_stop"}"#.to_owned(),
    ];
    assert_eq!(events(&DELTAS, Some(&USAGE)), expected);
}

#[test]
fn searches_that_were_charged_are_told() {
    let usage = Usage { units: Units { searches: 2, ..Units::NONE }, ..USAGE };
    let expected =
        USAGE_JSON.strip_suffix('}').unwrap().to_owned() + r#","server_tool_use":{"web_search_requests":2}}"#;
    assert!(whole(&DELTAS, Some(&usage)).contains(&expected));
    assert!(events(&DELTAS, Some(&usage)).iter().any(|event| event.contains(&expected)));
}

#[test]
fn an_answer_without_words_is_still_a_message() {
    let expected = r#"{"id":"msg_req-1","type":"message","role":"assistant","model":"mine","content":[],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}"#;
    assert_eq!(whole(&[], None), expected);
    assert_eq!(whole(&[Delta::Text(""), Delta::Finish(Finish::ToolCalls)], None), expected);
    assert_eq!(events(&[], None).len(), 3);
}

#[test]
fn an_id_of_anthropics_is_kept() {
    let text = whole(&[Delta::Start { id: Some("msg_7"), created: None }], None);
    assert!(text.starts_with(r#"{"id":"msg_7","#), "{text}");
}

#[test]
fn inputs_are_always_objects() {
    for (json, input) in [
        ("", "{}"),
        ("null", "{}"),
        ("{\"a\"", "{\"arguments\":\"{\\\"a\\\"\"}"),
        ("[1]", "{\"arguments\":\"[1]\"}"),
        ("plain", "{\"arguments\":\"plain\"}"),
    ] {
        let deltas =
            [Delta::ToolCall { index: 0, id: "a", name: "f", signature: None }, Delta::Arguments { index: 0, json }];
        let text = whole(&deltas, None);
        assert!(text.contains(&format!("\"input\":{input}")), "{text}");
        assert!(text.contains(r#""stop_reason":"tool_use""#));
    }
}

#[test]
fn a_calls_signature_comes_back_with_its_id() {
    let call = Delta::ToolCall { index: 0, id: "a", name: "f", signature: Some("S+/=") };
    let text = whole(&[call], None);
    // Clients write ids anew that hold more than letters, digits, `_` and `-`.
    assert!(text.contains(r#""id":"a__signed__UysvPQ","name":"f""#), "{text}");
    for id in ["a__signed__UysvPQ", r"a\u005f_signed__UysvPQ", "a__thought__S+/=", r"a__thought__S+\/="] {
        let request = format!(
            r#"{{"messages":[{{"role":"assistant","content":[{{"type":"tool_use","id":"{id}","name":"f","input":{{}}}}]}},
            {{"role":"user","content":[{{"type":"tool_result","tool_use_id":"{id}"}}]}}]}}"#
        );
        let chat = MESSAGES.read(request.as_bytes(), false).unwrap();
        let Part::ToolCall(call) = &chat.messages[0].parts[0] else { panic!() };
        assert_eq!((&*call.id, call.signature.as_deref()), ("a", Some("S+/=")), "{id}");
        let Part::ToolResult(result) = &chat.messages[1].parts[0] else { panic!() };
        assert_eq!(&*result.id, "a", "{id}");
    }
}

#[test]
fn every_end_has_its_reason() {
    for (finish, reason) in [
        (Finish::Stop, r#""stop_reason":"end_turn","stop_sequence":null"#),
        (Finish::StopSequence(Some("X")), r#""stop_reason":"stop_sequence","stop_sequence":"X""#),
        (Finish::StopSequence(None), r#""stop_reason":"stop_sequence","stop_sequence":null"#),
        (Finish::Length, r#""stop_reason":"max_tokens","stop_sequence":null"#),
        (Finish::ToolCalls, r#""stop_reason":"end_turn","stop_sequence":null"#),
        (Finish::ContentFilter, r#""stop_reason":"refusal","stop_sequence":null"#),
        (Finish::Refusal, r#""stop_reason":"refusal","stop_sequence":null"#),
        (Finish::Pause, r#""stop_reason":"pause_turn","stop_sequence":null"#),
        (Finish::Other("compaction"), r#""stop_reason":"compaction","stop_sequence":null"#),
        (Finish::Other("weird"), r#""stop_reason":"end_turn","stop_sequence":null"#),
    ] {
        assert!(whole(&[Delta::Finish(finish)], None).contains(reason), "{finish:?}");
        assert!(events(&[Delta::Finish(finish)], None)[1].contains(reason), "{finish:?}");
    }
}

#[test]
fn members_of_the_message_are_no_blocks() {
    let native = |key, json| Delta::Native { api: Api::Anthropic, key, json };
    let deltas = [native("container", "{\"id\":\"c\"}"), native("context_management", "{\n}")];
    assert!(whole(&deltas, None).contains(
        r#""content":[],"stop_reason":"end_turn","stop_sequence":null,"container":{"id":"c"},"context_management":{}"#
    ));
    let end = &events(&deltas, None)[1];
    let expected = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null,"container":{"id":"c"}},"context_management":{},"usage""#;
    assert!(end.starts_with(expected), "{end}");
}

#[test]
fn other_choices_and_other_media() {
    let mut encoder = encoder(false);
    encoder.delta(1, Delta::Text("second"));
    encoder.delta(0, Delta::Media { mime: "image/png", data: "AA" });
    encoder.end(None);
    let text = String::from_utf8(encoder.take().to_vec()).unwrap();
    assert!(!text.contains("second"));
    assert!(text.contains(r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA"}}"#));
}

fn any_delta() -> impl Strategy<Value = Delta<'static>> {
    prop_oneof![
        Just(Delta::Start { id: None, created: None }),
        Just(Delta::Text("a\u{1}\n")),
        Just(Delta::Refusal("no")),
        Just(Delta::Thinking("t")),
        Just(Delta::Signature("s")),
        Just(Delta::Redacted("r")),
        (0..3_u32).prop_map(|index| Delta::ToolCall { index, id: "i", name: "n", signature: None }),
        (0..3_u32, prop_oneof![Just("{"), Just("}"), Just("{}"), Just("\""), Just("null"), Just(" ")])
            .prop_map(|(index, json)| Delta::Arguments { index, json }),
        Just(Delta::Media { mime: "audio/wav", data: "AA" }),
        Just(Delta::Citation { url: None, title: Some("t"), text: None, start: None, end: None }),
        Just(Delta::Native { api: Api::Anthropic, key: "x", json: "{\"type\":\"x\"}" }),
        Just(Delta::Finish(Finish::Stop)),
    ]
}

proptest! {
    #[test]
    fn any_pieces_in_any_order_make_a_message(deltas in proptest::collection::vec(any_delta(), 0..24)) {
        let text = whole(&deltas, None);
        prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok(), "{}", text);
        let (mut open, mut next) = (None, 0_u64);
        for event in events(&deltas, None) {
            let index = || event.split("\"index\":").nth(1).and_then(|rest| rest.split([',', '}']).next()?.parse::<u64>().ok());
            if event.starts_with("{\"type\":\"content_block_start\"") {
                prop_assert_eq!((open, index()), (None, Some(next)));
                open = index();
                next += 1;
            } else if event.starts_with("{\"type\":\"content_block_delta\"") {
                prop_assert_eq!(open, index());
            } else if event.starts_with("{\"type\":\"content_block_stop\"") {
                prop_assert_eq!(open.take(), index());
            } else {
                prop_assert_eq!(open, None);
            }
        }
    }
}
