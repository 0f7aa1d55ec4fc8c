//! Whoever is refused while sending still gets to read why, to the last byte of the answer.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use std::io::{Read, Write};
use std::net::TcpStream;

use support::raw::PATIENCE;
use support::rig::{self, Rig};

mod support;

const MASTER: &str = "sk-sending-master-000001";
const MIB: usize = 1 << 20;

/// Sends a head and so many MiB behind it, each of them framed so; then reads until the connection ends.
fn send_all(rig: &Rig, head: &str, mib: usize, chunked: bool) -> String {
    let mut stream = TcpStream::connect(rig.gateway.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    let framing =
        if chunked { "transfer-encoding: chunked".to_owned() } else { format!("content-length: {}", mib * MIB) };
    let head = format!("{head}\r\nhost: gateway\r\ncontent-type: application/json\r\n{framing}\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let part = vec![b' '; MIB];
    for _ in 0..mib {
        if chunked {
            stream.write_all(b"100000\r\n").unwrap();
        }
        stream.write_all(&part).unwrap();
        if chunked {
            stream.write_all(b"\r\n").unwrap();
        }
    }
    if chunked {
        stream.write_all(b"0\r\n\r\n").unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_refusal_arrives_however_much_is_still_on_its_way() {
    let rig = Rig::start("still-sending", |base| {
        format!("model_list:\n{}general_settings: {{master_key: {MASTER}}}\n", rig::deployment("chat", base, ""))
    });
    let chat = "POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer";
    let generate = "POST /key/generate HTTP/1.1\r\nauthorization: Bearer";
    let (master, stranger) = (MASTER, "sk-sending-stranger-0001");
    for (head, mib, status) in [
        (format!("{chat} {stranger}"), 12, 401),
        (format!("{chat} {master}"), 33, 413),
        (format!("{generate} {stranger}"), 12, 401),
        (format!("{generate} {master}"), 12, 413),
    ] {
        for chunked in [false, true] {
            let answer = send_all(&rig, &head, mib, chunked);
            let expected = format!("HTTP/1.1 {status} ");
            assert!(answer.starts_with(&expected), "{head}, chunked {chunked}: {answer}");
            assert!(answer.contains("\"error\"") && answer.ends_with('}'), "{head}, chunked {chunked}: {answer}");
            assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
        }
    }
    let refused = rig.exchanges_after(4);
    assert_eq!(refused.iter().map(|one| one.status).collect::<Vec<_>>(), [401, 401, 413, 413]);
    assert_eq!(rig.mock.requests().len(), 0);
}
