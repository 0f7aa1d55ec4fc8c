//! Streams and whole answers.

use bytes::Bytes;
use proptest::prelude::*;

use super::Seen;
use crate::chat::{Broken, DecodeEnd, Decoder, Delta, Sink, UpstreamError};
use crate::provider::anthropic::{Stream, read};
use crate::vocabulary::{Metered, Units, Usage};

/// Everything that an answer may hold.
const STREAM: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],"stop_reason":null,"usage":{"input_tokens":10,"cache_read_input_tokens":5,"cache_creation_input_tokens":3,"cache_creation":{"ephemeral_5m_input_tokens":1,"ephemeral_1h_input_tokens":2},"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}

event: ping
data: {"type": "ping"}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"h\u00e9m"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"Sig=="}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: content_block_start
data: {"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"R"}}

event: content_block_stop
data: {"type":"content_block_stop","index":1}

event: content_block_start
data: {"type":"content_block_start","index":2,"content_block":{"type":"text","text":"","citations":[]}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"https://e.org","title":"T","cited_text":"c","encrypted_index":"E"}}}

event: content_block_delta
data: {"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"Grün"}}

event: content_block_stop
data: {"type":"content_block_stop","index":2}

event: content_block_start
data: {"type":"content_block_start","index":3,"content_block":{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"query\":"}}

event: content_block_delta
data: {"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"\"x\"}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":3}

event: content_block_start
data: {"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}

event: content_block_delta
data: {"type":"content_block_delta","index":4,"delta":{"type":"input_json_delta","partial_json":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":4,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}

event: content_block_stop
data: {"type":"content_block_stop","index":4}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null,"container":{"id":"c"}},"usage":{"output_tokens":40,"output_tokens_details":{"thinking_tokens":9}}}

event: message_stop
data: {"type":"message_stop"}

"#;

const WHOLE: &str = r#"{"type":"message","id":"msg_1","role":"assistant","model":"claude","content":[
 {"type":"thinking","thinking":"hém","signature":"Sig=="},
 {"type":"redacted_thinking","data":"R"},
 {"type":"text","text":"Grün","citations":[{"type":"web_search_result_location","url":"https://e.org","title":"T","cited_text":"c","encrypted_index":"E"}]},
 {"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"x"}},
 {"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1}}],
 "stop_reason":"tool_use","stop_sequence":null,"container":{"id":"c"},
 "usage":{"input_tokens":10,"cache_read_input_tokens":5,"cache_creation_input_tokens":3,
 "cache_creation":{"ephemeral_5m_input_tokens":1,"ephemeral_1h_input_tokens":2},
 "output_tokens":40,"output_tokens_details":{"thinking_tokens":9}}}"#;

const USAGE: Usage = Usage {
    prompt: 18,
    completion: 40,
    cache_read: 5,
    cache_write: 1,
    cache_write_1h: 2,
    audio_in: 0,
    image_in: 0,
    reasoning: 9,
    audio_out: 0,
    image_out: 0,
    cost: None,
    units: Units::NONE,
};

fn expected() -> Seen {
    let said = [
        r#"Start { id: Some("msg_1"), created: None }"#,
        "thinking hém",
        r#"Signature("Sig==")"#,
        r#"Redacted("R")"#,
        "text Grün",
        r#"Citation { url: Some("https://e.org"), title: Some("T"), text: Some("c"), start: Some(0), end: Some(4) }"#,
        r#"Native { api: Anthropic, key: "server_tool_use", json: "{\"type\":\"server_tool_use\",\"id\":\"srvtoolu_1\",\"name\":\"web_search\",\"input\":{\"query\":\"x\"}}" }"#,
        r#"ToolCall { index: 0, id: "toolu_1", name: "f", signature: None }"#,
        r#"arguments 0 {"a":1}"#,
        r#"Native { api: Anthropic, key: "container", json: "{\"id\":\"c\"}" }"#,
        "Finish(ToolCalls)",
    ];
    Seen(said.map(str::to_owned).to_vec())
}

fn decode(pieces: &[&[u8]], max: usize) -> (Seen, Result<DecodeEnd, Broken>, Metered) {
    let (mut seen, mut decoder) = (Seen::default(), Stream::new(max));
    for piece in pieces {
        if let Err(broken) = decoder.push(Bytes::copy_from_slice(piece), &mut seen) {
            return (seen, Err(broken), decoder.metered());
        }
    }
    let end = decoder.finish(&mut seen);
    (seen, end, decoder.metered())
}

fn decode_text(text: &str) -> (Seen, Result<DecodeEnd, Broken>, Metered) {
    decode(&[text.as_bytes()], 1 << 16)
}

#[test]
fn a_stream_says_the_same_wherever_it_is_split() {
    let whole = (expected(), Ok(DecodeEnd::Complete), Metered::Reported(USAGE));
    for at in 0..=STREAM.len() {
        let (head, tail) = STREAM.as_bytes().split_at(at);
        assert_eq!(decode(&[head, tail], 1 << 16), whole, "{at}");
    }
}

#[test]
fn a_whole_answer_says_what_its_stream_says() {
    let mut seen = Seen::default();
    let metered = read(WHOLE.as_bytes(), &mut seen).unwrap();
    assert_eq!((seen, metered), (expected(), Metered::Reported(USAGE)));
}

#[test]
fn a_stream_that_breaks_off_is_never_whole() {
    let events: Vec<usize> = STREAM.match_indices("\n\n").map(|(at, _)| at + 2).collect();
    for end in &events[..events.len() - 1] {
        let (seen, ended, metered) = decode_text(&STREAM[..*end]);
        assert_eq!(ended, Ok(DecodeEnd::Truncated), "{end}");
        let told = expected().0;
        assert!(
            seen.0
                .iter()
                .zip(&told)
                .all(|(seen, told)| told.starts_with(seen.as_str()) || seen.starts_with("Citation")),
            "{seen:?}"
        );
        assert!(!matches!(metered, Metered::Absent));
    }
    let (_, _, metered) = decode_text(&STREAM[..events[0]]);
    assert!(matches!(metered, Metered::Partial(Usage { prompt: 18, completion: 0, .. })));
    // The last event lacks its blank line alone.
    let (seen, ended, _) = decode_text(STREAM.trim_end());
    assert_eq!((seen, ended), (expected(), Ok(DecodeEnd::Complete)));
}

#[test]
fn errors_within_a_stream_are_told_with_their_status() {
    for (kind, status) in [
        ("overloaded_error", 529),
        ("rate_limit_error", 429),
        ("invalid_request_error", 400),
        ("authentication_error", 401),
        ("permission_error", 403),
        ("not_found_error", 404),
        ("request_too_large", 413),
        ("timeout_error", 504),
        ("api_error", 500),
        ("something_new", 500),
    ] {
        let event = format!(
            "event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"{kind}\",\"message\":\"no\"}}}}\n\n{STREAM}"
        );
        let (seen, end, _) = decode_text(&event);
        let error = Broken::Upstream(UpstreamError { status, message: "no".to_owned() });
        assert_eq!((seen, end), (Seen::default(), Err(error)), "{kind}");
    }
}

#[test]
fn odd_events_are_skipped() {
    let odd = "data: [DONE]\n\n: comment\n\nevent: new\ndata: {\"type\":\"new_event\",\"index\":7}\n\ndata:\n\n\
        data: {\"type\":\"content_block_delta\",\"index\":90,\"delta\":{\"type\":\"new_delta\"}}\n\n\
        data: {\"type\":\"content_block_delta\",\"index\":90,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"x\"}}\n\n\
        data: {\"type\":\"content_block_stop\",\"index\":91}\n\n";
    let start = STREAM.find("event: content_block_start").unwrap();
    let (head, tail) = STREAM.split_at(start);
    let text = format!("{odd}{head}{odd}{head}{tail}{odd}{tail}");
    let (seen, end, metered) = decode_text(&text);
    assert_eq!((seen, end, metered), (expected(), Ok(DecodeEnd::Complete), Metered::Reported(USAGE)));
}

#[test]
fn every_reason_has_its_meaning() {
    for (reason, sequence, finish) in [
        ("end_turn", "null", "Finish(Stop)"),
        ("max_tokens", "null", "Finish(Length)"),
        ("model_context_window_exceeded", "null", "Finish(Length)"),
        ("stop_sequence", "\"END\"", "Finish(StopSequence(Some(\"END\")))"),
        ("tool_use", "null", "Finish(ToolCalls)"),
        ("pause_turn", "null", "Finish(Pause)"),
        ("refusal", "null", "Finish(Refusal)"),
        ("compaction", "null", "Finish(Other(\"compaction\"))"),
    ] {
        let body = format!(
            "{{\"type\":\"message\",\"content\":[],\"stop_reason\":\"{reason}\",\"stop_sequence\":{sequence}}}"
        );
        let mut seen = Seen::default();
        assert_eq!(read(body.as_bytes(), &mut seen).unwrap(), Metered::Absent);
        assert_eq!(seen.0.last().unwrap(), finish);
    }
}

#[test]
fn a_summary_of_the_conversation_is_put_together() {
    let text = r#"data: {"type":"content_block_start","index":0,"content_block":{"type":"compaction","content":null}}

data: {"type":"content_block_delta","index":0,"delta":{"type":"compaction_delta","content":"so far","encrypted_content":"E"}}

data: {"type":"content_block_stop","index":0}

"#;
    let json = r#"{\"type\":\"compaction\",\"content\":\"so far\",\"encrypted_content\":\"E\"}"#;
    let expected = format!("Native {{ api: Anthropic, key: \"compaction\", json: \"{json}\" }}");
    assert_eq!(decode_text(text).0.0, [expected]);
}

#[test]
fn what_is_no_answer_is_malformed() {
    for body in ["", "{", "[]", "{}", r#"{"content":"x"}"#, r#"{"content":[1]}"#] {
        let broken = read(body.as_bytes(), &mut Seen::default());
        assert!(matches!(broken, Err(Broken::Malformed(_))) || body.contains("[1]"), "{body}: {broken:?}");
    }
    let error = read(br#"{"error":"plain words"}"#, &mut Seen::default()).unwrap_err();
    assert_eq!(error, Broken::Upstream(UpstreamError { status: 500, message: "plain words".to_owned() }));
}

#[test]
fn events_are_bounded() {
    let (_, end, _) = decode(&[STREAM.as_bytes()], 64);
    assert_eq!(end, Err(Broken::TooLong));
    let block = "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"x\"}}\n\n";
    let piece = format!(
        "data: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"input_json_delta\",\"partial_json\":\"{}\"}}}}\n\n",
        "a".repeat(1 << 20)
    );
    let pieces: Vec<&[u8]> = std::iter::once(block.as_bytes()).chain((0..40).map(|_| piece.as_bytes())).collect();
    assert_eq!(decode(&pieces, 1 << 22).1, Err(Broken::TooLong));
}

struct Nothing;

impl Sink for Nothing {
    fn delta(&mut self, _choice: u32, _delta: Delta<'_>) {}
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut decoder = Stream::new(1 << 10);
        let pushed = decoder.push(Bytes::from(bytes.clone()), &mut Nothing);
        prop_assert!(pushed.is_err() || decoder.finish(&mut Nothing) != Ok(DecodeEnd::Complete));
        prop_assert!(read(&bytes, &mut Nothing).is_err());
    }

    #[test]
    fn no_damage_makes_it_panic(at in 0..STREAM.len(), byte in any::<u8>(), split in 0..STREAM.len()) {
        let mut bytes = STREAM.as_bytes().to_vec();
        bytes[at] = byte;
        let (head, tail) = bytes.split_at(split);
        let mut whole = Seen::default();
        let mut decoder = Stream::new(1 << 16);
        let one = decoder.push(Bytes::copy_from_slice(&bytes), &mut whole).and_then(|()| decoder.finish(&mut whole));
        let (seen, two, _) = decode(&[head, tail], 1 << 16);
        prop_assert_eq!((whole, one), (seen, two));
    }
}
