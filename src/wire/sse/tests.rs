use proptest::prelude::*;

use super::*;

fn decode(chunks: &[&[u8]]) -> Vec<Event> {
    let mut decoder = Decoder::new(EVENT_BYTES_MAX);
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        while let Some(event) = decoder.next_event().unwrap() {
            events.push(event);
        }
    }
    events.extend(decoder.finish());
    events
}

type Fields = (Option<Bytes>, Option<Bytes>, Option<Bytes>, Option<u64>);

/// What does not depend on the cut: fields of every block, and all bytes.
fn essence(events: &[Event]) -> (Vec<Fields>, Vec<u8>) {
    let blocks = events.iter().filter(|event| !event.continues);
    (
        blocks.map(|e| (e.name.clone(), e.data.clone(), e.id.clone(), e.retry_ms)).collect(),
        events.iter().flat_map(|event| event.raw.to_vec()).collect(),
    )
}

fn data(text: &str) -> Vec<Option<String>> {
    let text_of = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    decode(&[text.as_bytes()]).iter().map(|event| event.data.as_ref().map(text_of)).collect()
}

const STREAMS: &[&str] = &[
    "data: a\n\ndata: b\n\n",
    "data: a\r\n\r\ndata: b\r\n\r\n",
    "data: a\r\rdata: b\r\r",
    "\u{feff}data: a\n\n",
    ": comment\n\ndata:x\ndata: y\n\nevent: error\ndata: {}\nid: 7\nretry: 30\n\n",
    "\n\n\r\n\r\r\ndata\n\ndata:\n\nid: a\0b\nretry: x1\ndata:  two\n\n",
    "data: a\r\n\ndata: b\n\r\ndata: c\r\r\ndata: d\n\n",
    "data: unfinished",
    "data: unfinished\n",
    "",
];

#[test]
fn fields_are_read_as_the_specification_says() {
    let events = decode(&[STREAMS[4].as_bytes()]);
    assert_eq!(events.len(), 3);
    assert_eq!(events[0].data, None);
    assert_eq!(events[1].data.as_deref(), Some(b"x\ny".as_slice()));
    assert_eq!(events[2].name.as_deref(), Some(b"error".as_slice()));
    assert_eq!((events[2].id.as_deref(), events[2].retry_ms), (Some(b"7".as_slice()), Some(30)));
    assert_eq!(data("data:  x\n\n"), [Some(" x".to_owned())]);
    assert_eq!(data("data\n\n"), [Some(String::new())]);
    assert_eq!(data("\u{feff}data: a\n\n"), [Some("a".to_owned())]);
    assert_eq!(data("\u{feff}\u{feff}data: a\n\n"), [None]);
    let odd = decode(&[b"id: a\0b\nretry: x1\ndata: z\n\n"]);
    assert_eq!((odd[0].id.clone(), odd[0].retry_ms), (None, None));
}

#[test]
fn the_cut_does_not_matter() {
    for stream in STREAMS {
        let bytes = stream.as_bytes();
        let whole = essence(&decode(&[bytes]));
        assert_eq!(whole.1, bytes);
        for first in 0..=bytes.len() {
            for second in first..=bytes.len() {
                let cut = decode(&[&bytes[..first], &bytes[first..second], &bytes[second..]]);
                assert_eq!(essence(&cut), whole, "{stream:?} at {first} and {second}");
            }
        }
        let single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(essence(&decode(&single)), whole, "{stream:?} byte by byte");
    }
}

#[test]
fn an_event_comes_as_soon_as_its_blank_line_has_begun() {
    let mut decoder = Decoder::new(EVENT_BYTES_MAX);
    decoder.push(Bytes::from_static(b"data: a\r\n\r"));
    assert_eq!(decoder.next_event().unwrap().unwrap().data.unwrap(), "a");
    assert_eq!(decoder.next_event().unwrap(), None);
    decoder.push(Bytes::from_static(b"\ndata: b\n\n"));
    assert!(decoder.next_event().unwrap().unwrap().continues);
    assert_eq!(decoder.next_event().unwrap().unwrap().data.unwrap(), "b");
}

#[test]
fn events_within_a_chunk_are_not_copied() {
    let chunk = Bytes::from_static(b"data: a\n\ndata: b\n\nda");
    let mut decoder = Decoder::new(EVENT_BYTES_MAX);
    decoder.push(chunk.clone());
    for start in [0, 9] {
        let event = decoder.next_event().unwrap().unwrap();
        assert_eq!(event.place, Some(start..start + 9));
        assert_eq!(event.raw.as_ptr(), chunk[start..].as_ptr());
        assert_eq!(event.data_at, Some(6));
    }
}

#[test]
fn a_giant_event_is_refused_and_the_stream_with_it() {
    for chunk in [1, 7, 64, 4096] {
        let mut decoder = Decoder::new(1000);
        let refused = [b'x'; 2000].chunks(chunk).any(|part| {
            decoder.push(Bytes::copy_from_slice(part));
            assert!(decoder.held.len() <= 1000 + chunk);
            decoder.next_event().is_err()
        });
        assert!(refused);
        decoder.push(Bytes::from_static(b"\n\ndata: a\n\n"));
        assert!(decoder.next_event().is_err());
    }
}

proptest! {
    #[test]
    fn any_stream_can_be_cut_anywhere(
        stream in "(data|event|id|:|\u{feff}| |x|\r|\n|\r\n){0,40}", cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..5)
    ) {
        let bytes = stream.as_bytes();
        let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
        places.sort_unstable();
        let parts: Vec<_> = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(essence(&decode(&parts)), essence(&decode(&[bytes])));
    }
}
