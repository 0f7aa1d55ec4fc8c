//! A provider that plays recordings: what a request is answered with stands in the name of its model.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Stands before a script's number in the name of a model.
const MARK: &str = "--wire";
/// What whoever asks for a token is given.
const TOKEN: &[u8] = br#"{"access_token":"ya29.wire-token","expires_in":3600,"token_type":"Bearer"}"#;

/// What a request is answered with.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    /// The body, in the pieces that it is sent in.
    pub(crate) pieces: Vec<Vec<u8>>,
    pub(crate) ending: Ending,
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As HTTP ends it, with its length told before.
    Length,
    /// As HTTP ends a body of chunks.
    Chunked,
    /// Not at all: the connection breaks.
    Broken,
}

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Method, path and version.
    pub(crate) line: String,
    pub(crate) body: Vec<u8>,
}

#[derive(Default)]
struct Slot {
    script: Option<Script>,
    seen: Vec<Seen>,
}

type Slots = Arc<Mutex<HashMap<usize, Slot>>>;

/// The server. Its threads end with the process.
pub(crate) struct Playback {
    address: SocketAddr,
    slots: Slots,
}

impl Playback {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let slots = Slots::default();
        let theirs = slots.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let slots = theirs.clone();
                std::thread::spawn(move || serve(stream, &slots));
            }
        });
        Self { address, slots }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The name of a model under which a script is played.
    pub(crate) fn load(&self, number: usize, model: &str, script: Script) -> String {
        self.slots.lock().unwrap().insert(number, Slot { script: Some(script), seen: Vec::new() });
        format!("{model}{MARK}{number}")
    }

    /// Takes what was asked under a number, and forgets its script.
    pub(crate) fn unload(&self, number: usize) -> Vec<Seen> {
        self.slots.lock().unwrap().remove(&number).unwrap_or_default().seen
    }
}

/// The number in the name of a model, wherever it stands.
fn number(text: &[u8]) -> Option<usize> {
    let at = text.windows(MARK.len()).position(|window| window == MARK.as_bytes())? + MARK.len();
    let digits: Vec<u8> = text[at..].iter().copied().take_while(u8::is_ascii_digit).collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

/// Answers the requests of one connection until somebody has enough.
fn serve(stream: TcpStream, slots: &Slots) {
    stream.set_nodelay(true).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(seen) = read(&mut reader) {
        let script = script(&seen, slots);
        if play(&mut writer, &script).is_none() {
            writer.shutdown(Shutdown::Both).ok();
            return;
        }
    }
}

fn script(seen: &Seen, slots: &Slots) -> Script {
    let whole = |status: u16, body: &[u8]| Script {
        status,
        content_type: Some("application/json".to_owned()),
        pieces: vec![body.to_vec()],
        ending: Ending::Length,
    };
    if seen.line.starts_with("POST /token ") {
        return whole(200, TOKEN);
    }
    let mut slots = slots.lock().unwrap();
    let slot = number(seen.line.as_bytes()).or_else(|| number(&seen.body)).and_then(|number| slots.get_mut(&number));
    let Some(slot) = slot else { return whole(599, br#"{"error":{"message":"nothing is played under this name"}}"#) };
    slot.seen.push(seen.clone());
    slot.script.clone().unwrap()
}

/// Sends an answer; None where the connection shall end with it, or has.
fn play(writer: &mut TcpStream, script: &Script) -> Option<()> {
    let kind = script.content_type.as_ref().map(|kind| format!("content-type: {kind}\r\n")).unwrap_or_default();
    let length: usize = script.pieces.iter().map(Vec::len).sum();
    let framing = match script.ending {
        Ending::Length => format!("content-length: {length}\r\n"),
        Ending::Chunked | Ending::Broken => "transfer-encoding: chunked\r\n".to_owned(),
    };
    let head = format!("HTTP/1.1 {} Recorded\r\n{kind}{framing}\r\n", script.status);
    writer.write_all(head.as_bytes()).ok()?;
    for piece in script.pieces.iter().filter(|piece| !piece.is_empty()) {
        if script.ending == Ending::Length {
            writer.write_all(piece).ok()?;
        } else {
            let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
            writer.write_all(&chunk).ok()?;
        }
    }
    match script.ending {
        Ending::Length => Some(()),
        Ending::Chunked => writer.write_all(b"0\r\n\r\n").ok(),
        Ending::Broken => None,
    }
}

/// The next request; None at the end.
fn read(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok().filter(|length| *length > 0)?;
        let header = header.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        chunked |= header.starts_with("transfer-encoding:");
    }
    let body = if chunked { chunks(reader)? } else { exactly(reader, length)? };
    Some(Seen { line: line.trim_end().to_owned(), body })
}

fn exactly(reader: &mut BufReader<TcpStream>, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    reader.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn chunks(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let size = usize::from_str_radix(line.trim(), 16).ok()?;
        let chunk = exactly(reader, size + 2)?;
        body.extend_from_slice(chunk.get(..size)?);
        if size == 0 {
            return Some(body);
        }
    }
}
