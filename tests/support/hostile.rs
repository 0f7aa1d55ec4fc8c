//! Upstreams that do what no provider should, byte by byte.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::raw::PATIENCE;

/// A request as it came, byte for byte.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Request line and headers, without the blank line.
    pub(crate) head: String,
    /// As long as its `Content-Length` says.
    pub(crate) body: String,
}

impl Received {
    /// The header of this name; fails if there are two.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        let mut named = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let found = named.next().map(|(_, value)| value.trim());
        assert!(named.next().is_none(), "two {name} in {:?}", self.head);
        found
    }

    /// The names of all headers, in lower case and sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let lines = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        let mut names: Vec<String> = lines.map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort();
        names
    }
}

/// What to do with a request.
#[derive(Clone, Debug)]
pub(crate) struct Play {
    bytes: Vec<u8>,
    then: Then,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Listen,
    HangUp,
    Reset,
    Stall,
}

impl Play {
    /// Answers with these bytes and listens on.
    pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into(), then: Then::Listen }
    }

    /// An answer with its length. `headers` are whole lines.
    pub(crate) fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut bytes =
            format!("HTTP/1.1 {status} Status\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        Self::raw(bytes)
    }

    /// An answer in JSON.
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::answer(status, "Content-Type: application/json\r\n", body)
    }

    /// A small answer to a chat.
    pub(crate) fn completion() -> Self {
        Self::json(200, COMPLETION)
    }

    /// These events and no end.
    pub(crate) fn events(events: &str) -> Self {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        Self::raw(format!("{head}{:x}\r\n{events}\r\n", events.len()))
    }

    /// Both answers, one right behind the other.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.bytes.extend_from_slice(&other.bytes);
        self
    }

    /// Ends a chunked body.
    pub(crate) fn ended(mut self) -> Self {
        self.bytes.extend_from_slice(b"0\r\n\r\n");
        self
    }

    /// Hangs up after that.
    pub(crate) fn hang_up(mut self) -> Self {
        self.then = Then::HangUp;
        self
    }

    /// Resets the connection after that: the other side finds it broken, not ended.
    pub(crate) fn reset(mut self) -> Self {
        self.then = Then::Reset;
        self
    }

    /// Says nothing more after that, and notes when the other side hangs up.
    pub(crate) fn stall(mut self) -> Self {
        self.then = Then::Stall;
        self
    }
}

/// The body of [`Play::completion`].
pub(crate) const COMPLETION: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"upstream","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;

type Plays = dyn Fn(&Received) -> Play + Send + Sync;

/// An upstream on a free port. It stops when it is dropped.
pub(crate) struct Hostile {
    address: SocketAddr,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    play: Box<Plays>,
    received: Mutex<Vec<Received>>,
    changed: Condvar,
    connections: AtomicUsize,
    abandoned: Mutex<usize>,
    stopped: AtomicBool,
}

impl Hostile {
    /// Listens, and does with each request what `play` says.
    pub(crate) fn start(play: impl Fn(&Received) -> Play + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            play: Box::new(play),
            received: Mutex::default(),
            changed: Condvar::new(),
            connections: AtomicUsize::new(0),
            abandoned: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let serving = state.clone();
        let thread = std::thread::spawn(move || serve(&listener, &serving));
        Self { address, state, thread: Some(thread) }
    }

    /// Listens for whoever should never come.
    pub(crate) fn decoy() -> Self {
        Self::start(|_| Play::completion())
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// How many connections came.
    pub(crate) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// The requests so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.received.lock().unwrap().clone()
    }

    /// Waits until so many stalled answers were given up by the other side.
    pub(crate) fn wait_for_abandoned(&self, count: usize) {
        let guard = self.state.abandoned.lock().unwrap();
        let (guard, late) = self.state.changed.wait_timeout_while(guard, PATIENCE, |seen| *seen < count).unwrap();
        assert!(!late.timed_out(), "{} of {count} answers were given up", *guard);
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        let _woken = TcpStream::connect(self.address).is_ok();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join().is_err();
        }
    }
}

fn serve(listener: &TcpListener, state: &Arc<State>) {
    for stream in listener.incoming() {
        if state.stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        state.connections.fetch_add(1, Ordering::SeqCst);
        let state = state.clone();
        std::thread::spawn(move || converse(stream, &state));
    }
}

fn converse(mut stream: TcpStream, state: &State) {
    let mut input = Vec::new();
    while let Some(request) = receive(&mut stream, &mut input) {
        let play = (state.play)(&request);
        state.received.lock().unwrap().push(request);
        if stream.write_all(&play.bytes).is_err() {
            return;
        }
        match play.then {
            Then::Listen => {}
            Then::HangUp => return,
            // Closed without lingering, a connection is reset.
            Then::Reset => return rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap(),
            Then::Stall => return wait_for_end(&mut stream, state),
        }
    }
}

fn wait_for_end(stream: &mut TcpStream, state: &State) {
    let mut buffer = [0; 1024];
    while matches!(stream.read(&mut buffer), Ok(1..)) {}
    *state.abandoned.lock().unwrap() += 1;
    state.changed.notify_all();
}

/// One request, framed by `Content-Length` and nothing else.
fn receive(stream: &mut TcpStream, input: &mut Vec<u8>) -> Option<Received> {
    let end = loop {
        if let Some(end) = input.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        more(stream, input)?;
    };
    let head = String::from_utf8_lossy(&input[..end]).into_owned();
    input.drain(..end + 4);
    let mut received = Received { head, body: String::new() };
    let length: usize = received.header("content-length").map_or(0, |length| length.parse().unwrap());
    while input.len() < length {
        more(stream, input)?;
    }
    received.body = String::from_utf8_lossy(&input[..length]).into_owned();
    input.drain(..length);
    Some(received)
}

fn more(stream: &mut TcpStream, input: &mut Vec<u8>) -> Option<()> {
    let mut buffer = [0; 64 * 1024];
    let length = stream.read(&mut buffer).ok().filter(|length| *length > 0)?;
    input.extend_from_slice(&buffer[..length]);
    Some(())
}

/// One entry of `model_list` at an upstream: its group, the provider's name for the model, and further lines of
/// `litellm_params`.
pub(crate) fn deployment(group: &str, model: &str, base: &str, more: &[&str]) -> String {
    let more: String = more.iter().map(|line| format!("      {line}\n")).collect();
    format!(
        "  - model_name: {group}
    litellm_params:
      model: openai/{model}
      api_base: {base}/v1
      api_key: {PROVIDER_KEY}
      input_cost_per_token: 0.000001
      output_cost_per_token: 0.000002
{more}"
    )
}

/// What the gateway shows to upstreams, and nobody else may see.
pub(crate) const PROVIDER_KEY: &str = "sk-provider-0123456789abcdef";
