//! Streams that pass.

use bytes::Bytes;
use proptest::prelude::*;

use crate::chat::Broken;
use crate::dialect::anthropic::MESSAGES;
use crate::dialect::{Dialect, Progress, Relay, RelayOptions, StreamEnd};
use crate::vocabulary::{Metered, Secret, Usage};

const STREAM: &str = "event: message_start\r\ndata: {\"type\":\"message_start\",\"message\":{\"model\" : \"claude-x\",\"id\":\"msg_1\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}} }\r\n\r\n\
: comment\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n\
data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"h\u{e9}\"}}\n\n\
data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"t\"}}\n\n\
data: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"fn\",\"input\":{}}}\n\n\
data: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{}\"}}\n\n\
event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":8}}\n\n\
event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

fn relay(model: Option<&'static str>) -> Box<dyn Relay> {
    MESSAGES.relay(RelayOptions {
        model_json: model.map(|model| Bytes::from_static(model.as_bytes())),
        event_bytes_max: 1 << 16,
        secrets: vec![Secret::new("sk-ant-api03-secret-secret")],
        array: false,
    })
}

fn pass(relay: &mut dyn Relay, pieces: &[&[u8]]) -> (String, StreamEnd) {
    let mut out = Vec::new();
    for piece in pieces {
        relay.push(Bytes::copy_from_slice(piece), &mut out).unwrap();
    }
    let end = relay.finish(&mut out);
    (String::from_utf8(out.concat()).unwrap(), end)
}

#[test]
fn bytes_pass_as_they_are_but_for_the_model() {
    let mine = STREAM.replace("\"claude-x\"", "\"mine\"");
    for at in 0..=STREAM.len() {
        let (head, tail) = STREAM.as_bytes().split_at(at);
        let (text, end) = pass(relay(None).as_mut(), &[head, tail]);
        assert_eq!((text.as_str(), end), (STREAM, StreamEnd::Complete), "{at}");
        let mut relay = relay(Some("\"mine\""));
        let (text, end) = pass(relay.as_mut(), &[head, tail]);
        assert_eq!((text.as_str(), end), (mine.as_str(), StreamEnd::Complete), "{at}");
        let usage = Usage { prompt: 3, completion: 8, ..Usage::default() };
        assert_eq!(relay.metered(), Metered::Reported(usage));
        assert_eq!(relay.produced().sample, "h\u{e9}tfn{}");
        let progress = Progress { events: 9, content_seen: true, finish_seen: true, error_seen: false };
        assert_eq!(relay.progress(), progress);
    }
}

#[test]
fn an_unedited_chunk_goes_on_in_one_piece() {
    let mut relay = relay(None);
    let mut out = Vec::new();
    relay.push(Bytes::from_static(STREAM.as_bytes()), &mut out).unwrap();
    assert_eq!(out.len(), 1);
}

#[test]
fn a_stream_that_breaks_off_says_so() {
    let ends: Vec<usize> = STREAM.match_indices("\n\n").map(|(at, _)| at + 2).collect();
    for end in &ends[..ends.len() - 1] {
        let (text, ended) = pass(relay(None).as_mut(), &[&STREAM.as_bytes()[..*end]]);
        assert_eq!((text.as_str(), ended), (&STREAM[..*end], StreamEnd::NoDone));
        let (text, ended) = pass(relay(None).as_mut(), &[&STREAM.as_bytes()[..end + 25]]);
        assert_eq!((text.as_str(), ended), (&STREAM[..*end], StreamEnd::Truncated));
    }
    let (text, ended) = pass(relay(None).as_mut(), &[STREAM.trim_end().as_bytes()]);
    assert_eq!((text.as_str(), ended), (STREAM, StreamEnd::Complete));
    let mut relay = relay(None);
    pass(relay.as_mut(), &[&STREAM.as_bytes()[..ends[2]]]);
    assert!(matches!(relay.metered(), Metered::Partial(Usage { prompt: 3, completion: 0, .. })));
    assert!(!relay.progress().content_seen);
}

#[test]
fn errors_pass_without_our_key() {
    let event = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"bad key sk-ant-api03-secret-secret\"}}\n\n";
    let mut relay = relay(None);
    let (text, end) = pass(relay.as_mut(), &[event.as_bytes()]);
    assert_eq!((text, end), (event.replace("sk-ant-api03-secret-secret", "[redacted]"), StreamEnd::NoDone));
    assert!(relay.progress().error_seen);
}

#[test]
fn a_model_on_several_lines_is_found() {
    let text = "data: {\"type\":\"message_start\",\ndata: \"message\":{\"model\":\"x\"}}\n\n";
    let (text, _) = pass(relay(Some("\"mine\"")).as_mut(), &[text.as_bytes()]);
    assert_eq!(text, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"mine\"}}\n\n");
}

#[test]
fn events_are_bounded() {
    let mut relay = MESSAGES.relay(RelayOptions { event_bytes_max: 40, ..RelayOptions::default() });
    let pushed = relay.push(Bytes::from_static(STREAM.as_bytes()), &mut Vec::new());
    assert_eq!(pushed, Err(Broken::TooLong));
}

proptest! {
    #[test]
    fn whatever_comes_passes(bytes in proptest::collection::vec(any::<u8>(), 0..200), split in 0..200_usize) {
        let mut relay = relay(None);
        let (head, tail) = bytes.split_at(split.min(bytes.len()));
        let mut out = Vec::new();
        for piece in [head, tail] {
            prop_assert!(relay.push(Bytes::copy_from_slice(piece), &mut out).is_ok());
        }
        prop_assert!(bytes.starts_with(&out.concat()));
        prop_assert!(relay.finish(&mut out) != StreamEnd::Complete);
    }
}
