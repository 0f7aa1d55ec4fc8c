use proptest::prelude::*;

use super::*;
use crate::chat::UpstreamError;
use crate::provider::bedrock::fixture::{Seen, chunks, event, exception, message};
use crate::vocabulary::Usage;

/// Everything that a stream may hold, event by event.
fn events() -> Vec<Vec<u8>> {
    [
        ("messageStart", r#"{"role":"assistant","p":"abc"}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"Hm"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"si"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"signature":"g"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":0}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"QUI="}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"reasoningContent":{"redactedContent":"Qw=="}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"text":"Grüß"}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"text":""}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"text":" dich"}}"#),
        ("futureEvent", r#"{"x":1}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":2}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":3,"delta":{"text":"20 days"}}"#),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":3,"delta":{"citation":{"title":"Policy","sourceContent":[{"text":"20 "},{"text":"days off"}],"location":{"documentChar":{"documentIndex":0,"start":1,"end":9}}}}}"#,
        ),
        ("contentBlockStop", r#"{"contentBlockIndex":3}"#),
        ("contentBlockStart", r#"{"contentBlockIndex":4,"start":{"toolUse":{"toolUseId":"t1","name":"add"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":4,"delta":{"toolUse":{"input":"{\"a\""}}}"#),
        ("contentBlockStart", r#"{"contentBlockIndex":5,"start":{"toolUse":{"toolUseId":"t2","name":"now","type":"tool_use"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":5,"delta":{"toolUse":{"input":""}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":4,"delta":{"toolUse":{"input":":1}"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":4}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":5}"#),
        (
            "contentBlockStart",
            r#"{"contentBlockIndex":6,"start":{"toolUse":{"toolUseId":"t3","name":"code","type":"server_tool_use"}}}"#,
        ),
        ("contentBlockDelta", r#"{"contentBlockIndex":6,"delta":{"toolUse":{"input":"{\"s\":\"1\"}"}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":6}"#),
        ("contentBlockStart", r#"{"contentBlockIndex":7,"start":{"toolResult":{"toolUseId":"t3","status":"success"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":7,"delta":{"toolResult":[{"json":{"out":"1"}}]}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":7}"#),
        ("contentBlockStart", r#"{"contentBlockIndex":8,"start":{"image":{"format":"png"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":8,"delta":{"image":{"source":{"bytes":"QUI="}}}}"#),
        ("contentBlockStop", r#"{"contentBlockIndex":8}"#),
        ("messageStop", r#"{"stopReason":"tool_use"}"#),
        (
            "metadata",
            r#"{"usage":{"inputTokens":3,"outputTokens":5,"totalTokens":18,"cacheReadInputTokens":10},"metrics":{"latencyMs":7},"trace":{"guardrail":{}}}"#,
        ),
    ]
    .map(|(name, payload)| event(name, payload))
    .to_vec()
}

const PIECES: [&str; 21] = [
    "Start { id: None, created: None }",
    "Thinking(\"Hm\")",
    "Signature(\"sig\")",
    "Redacted(\"QUJD\")",
    "Text(\"Grüß\")",
    "Text(\" dich\")",
    "Text(\"20 days\")",
    "Citation { url: None, title: Some(\"Policy\"), text: Some(\"20 days off\"), start: Some(9), end: Some(16) }",
    "ToolCall { index: 0, id: \"t1\", name: \"add\", signature: None }",
    "Arguments { index: 0, json: \"{\\\"a\\\"\" }",
    "ToolCall { index: 1, id: \"t2\", name: \"now\", signature: None }",
    "Arguments { index: 0, json: \":1}\" }",
    "NATIVE toolUse",
    "NATIVE toolResult",
    "Media { mime: \"image/png\", data: \"QUI=\" }",
    "NATIVE metrics",
    "NATIVE trace",
    "Finish(ToolCalls)",
    "",
    "",
    "",
];

/// The pieces, how the stream ended, and what was metered.
fn decode(chunks: impl Iterator<Item = Bytes>) -> (Vec<String>, Result<DecodeEnd, Broken>, Metered) {
    let (mut decoder, mut seen) = (ConverseStream::new(4096), Seen::default());
    for chunk in chunks {
        if let Err(broken) = decoder.push(chunk, &mut seen) {
            assert_eq!(decoder.finish(&mut seen), Err(broken.clone()), "after an error nothing more comes");
            return (seen.0, Err(broken), decoder.metered());
        }
    }
    let end = decoder.finish(&mut seen);
    (seen.0, end, decoder.metered())
}

fn once(wire: Vec<u8>) -> (Vec<String>, Result<DecodeEnd, Broken>, Metered) {
    decode(std::iter::once(Bytes::from(wire)))
}

#[test]
fn every_kind_of_piece_comes_out() {
    let (seen, end, metered) = once(events().concat());
    let expected: Vec<&str> = PIECES.into_iter().filter(|piece| !piece.is_empty()).collect();
    assert_eq!(seen.len(), expected.len(), "{seen:#?}");
    for (seen, expected) in seen.iter().zip(expected) {
        match expected.strip_prefix("NATIVE ") {
            Some(key) => assert!(seen.starts_with("Native") && seen.contains(&format!("key: {key:?}")), "{seen}"),
            None => assert_eq!(seen, expected),
        }
    }
    assert!(seen[12].contains(r#"\"type\":\"server_tool_use\",\"input\":{\"s\":\"1\"}}}"#), "{}", seen[12]);
    assert!(seen[13].contains(r#"\"content\":[{\"json\":{\"out\":\"1\"}}]"#), "{}", seen[13]);
    assert_eq!(end, Ok(DecodeEnd::Complete));
    let usage = Usage { prompt: 13, completion: 5, cache_read: 10, ..Usage::default() };
    assert_eq!(metered, Metered::Reported(usage));
}

#[test]
fn the_same_pieces_come_whatever_the_chunks() {
    let wire = events().concat();
    let whole = once(wire.clone());
    for cut in 0..=wire.len() {
        let halves = [Bytes::copy_from_slice(&wire[..cut]), Bytes::copy_from_slice(&wire[cut..])];
        assert_eq!(decode(halves.into_iter()), whole, "cut at {cut}");
    }
    assert_eq!(decode(chunks(&wire, 1)), whole);
}

#[test]
fn a_stream_that_stops_before_its_last_event_is_truncated() {
    let events = events();
    let stop = events.len() - 2;
    for count in 0..=events.len() {
        let (seen, end, metered) = once(events[..count].concat());
        let is_whole = count > stop;
        assert_eq!(end, Ok(if is_whole { DecodeEnd::Complete } else { DecodeEnd::Truncated }), "after {count}");
        assert_eq!(seen.iter().any(|piece| piece.starts_with("Finish")), is_whole, "after {count}");
        assert_eq!(metered == Metered::Absent, count < events.len());
    }
    let mut wire = events[..=stop].concat();
    wire.extend(&events[stop + 1][..20]);
    let (seen, end, _) = once(wire);
    assert_eq!((end, seen.last().unwrap().as_str()), (Ok(DecodeEnd::Truncated), "Finish(ToolCalls)"));
}

#[test]
fn an_exception_is_the_providers_error() {
    let cases = [
        ("throttlingException", r#"{"message":"slow down"}"#, 429, "slow down"),
        ("validationException", r#"{"message":"no"}"#, 400, "no"),
        ("serviceUnavailableException", r#"{"Message":"later"}"#, 503, "later"),
        ("internalServerException", "{}", 500, "internalServerException"),
        ("modelTimeoutException", "not json", 408, "modelTimeoutException"),
        ("modelStreamErrorException", r#"{"message":"m","originalStatusCode":500,"originalMessage":"o"}"#, 500, "m"),
        ("modelStreamErrorException", r#"{"originalMessage":"o"}"#, 424, "o"),
        ("futureException", r#"{"message":"?"}"#, 500, "?"),
    ];
    for (name, payload, status, text) in cases {
        let wire = [events()[..9].concat(), exception(name, payload), events()[10].clone()].concat();
        let (seen, end, _) = once(wire);
        assert_eq!(end, Err(Broken::Upstream(UpstreamError { status, message: text.to_owned() })));
        assert_eq!(seen.last().unwrap(), "Text(\"Grüß\")");
    }
    let headers = [(":message-type", "error"), (":error-code", "ThrottlingException"), (":error-message", "m")];
    let (_, end, _) = once(message(&headers, b""));
    assert_eq!(end, Err(Broken::Upstream(UpstreamError { status: 429, message: "m".to_owned() })));
}

#[test]
fn what_comes_twice_or_out_of_order_does_no_harm() {
    let stop = event(
        "messageStop",
        r#"{"stopReason":"stop_sequence","additionalModelResponseFields":{"delta":{"stop_sequence":"END"}}}"#,
    );
    let text = event("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"a"}}"#);
    let metadata = event("metadata", r#"{"usage":{"inputTokens":1,"outputTokens":2}}"#);
    let (seen, end, _) = once([&text[..], &stop, &text, &stop, &metadata, &metadata].concat());
    let expected = ["Start { id: None, created: None }", "Text(\"a\")", "Finish(StopSequence(Some(\"END\")))"];
    assert_eq!((seen, end), (expected.map(str::to_owned).to_vec(), Ok(DecodeEnd::Complete)));
    let (seen, end, metered) = once([&metadata[..], &text, &stop].concat());
    assert_eq!((seen, end), (expected.map(str::to_owned).to_vec(), Ok(DecodeEnd::Complete)));
    assert!(matches!(metered, Metered::Reported(_)));
    let stray = event("contentBlockDelta", r#"{"contentBlockIndex":9,"delta":{"toolUse":{"input":"{}"}}}"#);
    assert!(matches!(once(stray).1, Err(Broken::Malformed(_))));
}

#[test]
fn an_event_is_bounded() {
    let text = "x".repeat(5000);
    let long = event("contentBlockDelta", &format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"{text}"}}}}"#));
    assert_eq!(once(long).1, Err(Broken::TooLong));
    let bad = event("contentBlockDelta", "{\"delta\":3}");
    assert!(matches!(once(bad).1, Err(Broken::Malformed(_))));
}

proptest! {
    #[test]
    fn hostile_payloads_never_panic(kinds in prop::collection::vec((0_usize..7, ".{0,60}"), 0..12)) {
        let names = ["messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata", "x"];
        let wire: Vec<u8> = kinds.iter().flat_map(|(kind, payload)| event(names[*kind], payload)).collect();
        let whole = once(wire.clone());
        prop_assert_eq!(decode(chunks(&wire, 7)), whole);
    }

    #[test]
    fn shuffled_events_never_panic(order in prop::collection::vec(0_usize..33, 0..60)) {
        let events = events();
        let wire: Vec<u8> = order.iter().flat_map(|at| events[*at].clone()).collect();
        let whole = once(wire.clone());
        prop_assert_eq!(decode(chunks(&wire, 100)), whole);
    }
}
