use proptest::prelude::*;

use super::*;
use crate::chat::UpstreamError;
use crate::provider::bedrock::fixture::{event, exception};

fn chunk(json: &str) -> Vec<u8> {
    event("chunk", &format!(r#"{{"bytes":"{}","p":"abcd"}}"#, STANDARD.encode(json)))
}

fn unchunk(chunks: &[&[u8]]) -> (String, Result<DecodeEnd, Broken>) {
    let (mut unchunk, mut out) = (Unchunk::new(4096), BytesMut::new());
    for chunk in chunks {
        if let Err(broken) = unchunk.push(Bytes::copy_from_slice(chunk), &mut out) {
            assert_eq!(
                (unchunk.push(Bytes::new(), &mut out), unchunk.finish()),
                (Err(broken.clone()), DecodeEnd::Truncated)
            );
            return (String::from_utf8(out.to_vec()).unwrap(), Err(broken));
        }
    }
    (String::from_utf8(out.to_vec()).unwrap(), Ok(unchunk.finish()))
}

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1"}}"#;

#[test]
fn each_chunk_is_an_event_of_the_dialect() {
    let wire =
        [chunk(START), event("other", "{}"), chunk("{\n \"type\": \"ping\"\r\n}"), chunk(r#"{"completion":"a"}"#)]
            .concat();
    let (out, end) = unchunk(&[&wire]);
    let expected = format!(
        "event: message_start\ndata: {START}\n\nevent: ping\ndata: {{  \"type\": \"ping\"  }}\n\ndata: {{\"completion\":\"a\"}}\n\n"
    );
    assert_eq!((out.as_str(), end), (expected.as_str(), Ok(DecodeEnd::Complete)));
    for cut in 0..=wire.len() {
        assert_eq!(unchunk(&[&wire[..cut], &wire[cut..]]).0, expected, "cut at {cut}");
    }
}

#[test]
fn a_stream_that_stops_within_a_chunk_is_truncated() {
    let wire = [chunk(START), chunk(START)].concat();
    let (out, end) = unchunk(&[&wire[..wire.len() - 1]]);
    assert_eq!((out.matches("event: ").count(), end), (1, Ok(DecodeEnd::Truncated)));
}

#[test]
fn exceptions_and_broken_chunks_end_it() {
    let throttled = exception("throttlingException", r#"{"message":"slow down"}"#);
    let (out, end) = unchunk(&[&[chunk(START), throttled].concat()]);
    let expected = UpstreamError { status: 429, message: "slow down".to_owned() };
    assert_eq!((out.matches("event: ").count(), end), (1, Err(Broken::Upstream(expected))));
    for payload in ["x", r#"{"bytes":"!"}"#, r#"{"bytes":"eA=="}"#] {
        assert!(matches!(unchunk(&[&event("chunk", payload)]).1, Err(Broken::Malformed(_))), "{payload}");
    }
}

proptest! {
    #[test]
    fn hostile_chunks_never_panic(inner in prop::collection::vec(any::<u8>(), 0..80)) {
        let payload = format!(r#"{{"bytes":"{}"}}"#, STANDARD.encode(&inner));
        prop_assert!(unchunk(&[&event("chunk", &payload)]).0.len() < 1000);
    }
}
