use proptest::prelude::*;

use super::*;

fn message(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = (MESSAGE_BYTES_MIN + headers.len() + payload.len()) as u32;
    let mut out = [length.to_be_bytes(), (headers.len() as u32).to_be_bytes()].concat();
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out.extend(headers);
    out.extend(payload);
    out.extend(crc32fast::hash(&out).to_be_bytes());
    out
}

fn header(name: &str, kind: u8, value: &[u8]) -> Vec<u8> {
    [&[name.len() as u8], name.as_bytes(), &[kind], value].concat()
}

fn text(name: &str, value: &str) -> Vec<u8> {
    header(name, 7, &[&(value.len() as u16).to_be_bytes(), value.as_bytes()].concat())
}

/// All messages of the chunks, and whether the stream ended between two.
fn decode(chunks: &[&[u8]], bytes_max: usize) -> (Vec<Message>, Result<bool, BadMessage>) {
    let (mut decoder, mut messages) = (Decoder::new(bytes_max), Vec::new());
    for chunk in chunks {
        decoder.push(Bytes::copy_from_slice(chunk));
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(bad) => {
                    assert_eq!(decoder.next_message(), Err(bad), "from then on always");
                    return (messages, Err(bad));
                }
            }
        }
    }
    (messages, Ok(decoder.is_between()))
}

fn two() -> Vec<u8> {
    let first = message(&[text(":event-type", "chunk"), header("a", 0, &[])].concat(), b"{\"a\":1}");
    [first, message(&[], b"")].concat()
}

#[test]
fn every_type_of_header_is_read() {
    let headers = [
        header("t", 0, &[]),
        header("f", 1, &[]),
        header("byte", 2, &[0xff]),
        header("short", 3, &(-2_i16).to_be_bytes()),
        header("integer", 4, &7_i32.to_be_bytes()),
        header("long", 5, &(-9_i64).to_be_bytes()),
        header("bytes", 6, &[0, 2, 1, 2]),
        text("text", "ü"),
        header("time", 8, &12_i64.to_be_bytes()),
        header("uuid", 9, &[3; 16]),
    ];
    let (messages, end) = decode(&[&message(&headers.concat(), b"x")], 1024);
    assert_eq!(end, Ok(true));
    let values: Vec<_> = messages[0].headers().map(|header| header.unwrap().1).collect();
    let expected = [
        Value::Bool(true),
        Value::Bool(false),
        Value::Byte(-1),
        Value::Short(-2),
        Value::Integer(7),
        Value::Long(-9),
        Value::Bytes(&[1, 2]),
        Value::Text("ü"),
        Value::Timestamp(12),
        Value::Uuid([3; 16]),
    ];
    assert_eq!(values, expected);
    assert_eq!((messages[0].text("text"), messages[0].text("long")), (Some("ü"), None));
    assert_eq!(&messages[0].payload[..], b"x");
}

#[test]
fn the_same_messages_come_whatever_the_chunks() {
    let wire = two();
    let (whole, _) = decode(&[&wire], 1024);
    assert_eq!(whole.len(), 2);
    for cut in 0..=wire.len() {
        let (messages, end) = decode(&[&wire[..cut], &wire[cut..]], 1024);
        assert_eq!((messages, end), (whole.clone(), Ok(true)), "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = wire.chunks(1).collect();
    assert_eq!(decode(&bytes, 1024).0, whole);
}

#[test]
fn a_stream_that_stops_within_a_message_is_not_between_two() {
    let wire = two();
    let first = wire.len() - MESSAGE_BYTES_MIN;
    for cut in 0..=wire.len() {
        let between = [0, first, wire.len()].contains(&cut);
        assert_eq!(decode(&[&wire[..cut]], 1024).1, Ok(between), "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let wire = message(&text("name", "value"), b"payload");
    for at in 0..wire.len() {
        let mut broken = wire.clone();
        broken[at] ^= 0x10;
        assert!(decode(&[&broken], 1024).1.is_err(), "byte {at}");
    }
}

#[test]
fn a_long_message_is_refused_by_its_prelude() {
    let wire = message(&[], &[0; 100]);
    assert_eq!(decode(&[&wire[..12]], 100).1, Err(BadMessage::TooLong { bytes_max: 100 }));
    assert_eq!(decode(&[&wire], 116).1, Ok(true));
}

#[test]
fn published_vectors() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/wire/specs/aws-eventstream/smithy_test_data");
    let Ok(entries) = std::fs::read_dir(folder) else {
        eprintln!("SKIPPED: no vectors at {folder}");
        return;
    };
    let mut seen = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        let valid = path.file_name().unwrap().to_str().unwrap().starts_with("valid");
        let wire = std::fs::read(&path).unwrap();
        let (messages, end) = decode(&[&wire], 1024);
        assert_eq!((messages.len() == 1 && end == Ok(true)), valid, "{path:?}: {end:?}");
        seen += 1;
    }
    assert_eq!(seen, 11);
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
        let cut = cut.min(bytes.len());
        let whole = decode(&[&bytes], 4096);
        prop_assert_eq!(decode(&[&bytes[..cut], &bytes[cut..]], 4096), whole);
    }

    #[test]
    fn hostile_headers_never_panic(headers in prop::collection::vec(any::<u8>(), 0..80)) {
        prop_assert!(decode(&[&message(&headers, b"x")], 4096).0.len() < 2);
    }
}

#[test]
fn a_header_that_cannot_be_read_is_found_wherever_it_stands() {
    let sound = text(":event-type", "chunk");
    for broken in [
        header("", 0, &[]),
        header("a", 10, &[]),
        header("a", 7, &[0, 9, 1]),
        header("a", 7, &[0, 1, 0xff]),
        vec![3, 97],
    ] {
        for headers in [broken.clone(), [sound.clone(), broken].concat()] {
            assert_eq!(decode(&[&message(&headers, b"")], 1024).1, Err(BadMessage::Header), "{headers:?}");
        }
    }
}
