//! Clients that write every byte themselves.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::value::RawValue;
use tollgate::vocabulary::Clock;

use super::Process;

type Members<T> = HashMap<String, T>;

/// How long a test waits for something that must happen. Generous: a busy machine is no failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at something that cannot be waited on.
const LOOK: Duration = Duration::from_millis(20);

/// An answer as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Interim answers (1xx) before it.
    pub(crate) interim: Vec<u16>,
}

impl Answer {
    /// The first header of this name, given in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Everything in it, as text: to look for what must not be there.
    pub(crate) fn whole(&self) -> String {
        let headers = self.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
        format!("{}{}", headers.collect::<String>(), self.text())
    }

    /// Whether it says that the connection ends.
    pub(crate) fn closes(&self) -> bool {
        self.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }

    /// A member of the body's `error` object.
    pub(crate) fn error(&self, member: &str) -> Option<String> {
        let body: Members<Members<Box<RawValue>>> = serde_json::from_slice(&self.body).ok()?;
        let value = body.get("error")?.get(member)?.get();
        Some(serde_json::from_str(value).unwrap_or_else(|_| value.to_owned()))
    }
}

/// An HTTP/1 connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

/// What the other side did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It sent something.
    Bytes,
    /// It said nothing for as long as was waited.
    Silence,
    /// It closed or reset the connection.
    End,
}

impl Client {
    /// Connects.
    pub(crate) fn to(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, input: Vec::new() }
    }

    /// Connects, writes a request and reads its answer.
    pub(crate) fn ask(address: SocketAddr, request: &[u8]) -> Answer {
        let mut client = Self::to(address);
        client.send(request);
        client.answer()
    }

    /// Writes; what the other side no longer wants is let go.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes);
    }

    /// Writes, and says whether all of it could be written.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Says that nothing more will be sent.
    pub(crate) fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Waits for more, at most this long.
    pub(crate) fn hear(&mut self, limit: Duration) -> Heard {
        self.stream.set_read_timeout(Some(limit)).unwrap();
        let mut buffer = [0; 64 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => Heard::End,
            Ok(length) => {
                self.input.extend_from_slice(&buffer[..length]);
                Heard::Bytes
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Heard::Silence,
            Err(_) => Heard::End,
        }
    }

    /// Writes these bytes one at a time, without haste, until all are written or the other side says something. True if
    /// it ended the connection or answered before the last of them.
    pub(crate) fn drip(&mut self, bytes: &[u8], pause: Duration) -> bool {
        for byte in bytes {
            if !self.try_send(&[*byte]) || self.hear(pause) != Heard::Silence {
                return true;
            }
        }
        false
    }

    /// Everything until the connection ends.
    pub(crate) fn until_end(&mut self) -> Vec<u8> {
        let clock = Clock::machine();
        let begun = clock.now();
        loop {
            match self.hear(PATIENCE) {
                Heard::End => return std::mem::take(&mut self.input),
                Heard::Bytes if clock.now().since(begun) < PATIENCE => {}
                _ => panic!("the connection did not end: {:?}", String::from_utf8_lossy(&self.input)),
            }
        }
    }

    /// Reads on until these bytes were seen, and leaves all of it to be read again.
    pub(crate) fn until(&mut self, text: &str) {
        while !String::from_utf8_lossy(&self.input).contains(text) {
            let heard = self.hear(PATIENCE);
            assert_eq!(heard, Heard::Bytes, "no {text:?} in {:?}", String::from_utf8_lossy(&self.input));
        }
    }

    /// Reads one answer; interim ones are counted and left behind.
    pub(crate) fn answer(&mut self) -> Answer {
        self.try_answer().unwrap_or_else(|| panic!("no answer in {:?}", String::from_utf8_lossy(&self.input)))
    }

    /// Reads one answer, or nothing if the connection ends before one began.
    pub(crate) fn try_answer(&mut self) -> Option<Answer> {
        let mut interim = Vec::new();
        loop {
            let mut answer = self.head()?;
            if answer.status < 200 {
                interim.push(answer.status);
                continue;
            }
            answer.interim = interim;
            answer.body = self.body(&answer);
            return Some(answer);
        }
    }

    fn head(&mut self) -> Option<Answer> {
        let end = loop {
            if let Some(end) = find(&self.input, b"\r\n\r\n") {
                break end + 4;
            }
            match self.hear(PATIENCE) {
                Heard::Bytes => {}
                Heard::End if self.input.is_empty() => return None,
                heard => panic!("{heard:?} in the middle of a head: {:?}", String::from_utf8_lossy(&self.input)),
            }
        };
        let head: Vec<u8> = self.input.drain(..end).collect();
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut lines = text.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header =
            |line: &str| line.split_once(':').map(|(key, value)| (key.to_ascii_lowercase(), value.trim().to_owned()));
        Some(Answer { status, headers: lines.filter_map(header).collect(), ..Answer::default() })
    }

    fn body(&mut self, head: &Answer) -> Vec<u8> {
        if head.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            return self.chunks();
        }
        match head.header("content-length") {
            Some(length) => self.take(length.parse().unwrap()),
            None if head.status == 204 || head.status == 304 => Vec::new(),
            None => self.until_end(),
        }
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(end) = find(&self.input, b"\r\n") {
                    break self.take(end + 2);
                }
                assert_eq!(self.hear(PATIENCE), Heard::Bytes, "a chunked body broke off");
            };
            let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
            let mut chunk = self.take(size + 2);
            chunk.truncate(size);
            body.append(&mut chunk);
            if size == 0 {
                return body;
            }
        }
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        while self.input.len() < length {
            assert_eq!(
                self.hear(PATIENCE),
                Heard::Bytes,
                "a body broke off after {} of {length} bytes",
                self.input.len()
            );
        }
        self.input.drain(..length).collect()
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// A POST with its length, with these headers besides.
pub(crate) fn post(path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut request =
        format!("POST {path} HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n").into_bytes();
    for (name, value) in headers {
        request.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    request.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    request.extend_from_slice(body);
    request
}

/// A GET with these headers.
pub(crate) fn get(path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET {path} HTTP/1.1\r\nHost: gateway\r\n{headers}\r\n").into_bytes()
}

/// A chat request for a model, with further members (`,"stream":true`).
pub(crate) fn chat(model: &str, members: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hello"}}]{members}}}"#)
}

/// Looks again and again until something is there.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let clock = Clock::machine();
    let begun = clock.now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(clock.now().since(begun) < PATIENCE, "it never happened: {what}");
        std::thread::park_timeout(LOOK);
    }
}

/// The log's lines of events of one kind that hold all of these texts.
pub(crate) fn lines(gateway: &Process, texts: &[&str]) -> Vec<String> {
    let output = gateway.output();
    output.lines().filter(|line| texts.iter().all(|text| line.contains(text))).map(str::to_owned).collect()
}

/// The one line about a request that was sent with this `x-request-id`, once it is there.
pub(crate) fn exchange(gateway: &Process, request_id: &str) -> String {
    let texts = [&*format!(r#""request_id":"{request_id}""#), r#""event":"exchange""#];
    let line = eventually(request_id, || lines(gateway, &texts).pop());
    assert_eq!(lines(gateway, &texts).len(), 1, "an exchange is closed once: {:?}", lines(gateway, &texts));
    line
}

/// A POST over HTTP/2 in clear, on a connection of its own.
pub(crate) fn post_h2c(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    h2c(async {
        let mut stream = Stream::open(address, path, headers, body.len()).await;
        stream.send(bytes::Bytes::copy_from_slice(body), true).await;
        stream.answer().await
    })
}

/// Runs a client of HTTP/2 to its end.
pub(crate) fn h2c<T>(client: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(2 * PATIENCE, client).await.unwrap() })
}

/// A request over HTTP/2 in clear, on a connection of its own. When it is dropped the stream is reset.
pub(crate) struct Stream {
    _sender: h2::client::SendRequest<bytes::Bytes>,
    body: h2::SendStream<bytes::Bytes>,
    response: h2::client::ResponseFuture,
}

impl Stream {
    /// Connects and sends the head of a POST.
    pub(crate) async fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)], length: usize) -> Self {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (mut sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let mut request =
            http::Request::post(format!("http://gateway{path}")).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.header("content-length", length).body(()).unwrap();
        let (response, body) = sender.send_request(request, false).unwrap();
        Self { _sender: sender, body, response }
    }

    /// Sends a part of the body; what the other side no longer wants is let go.
    pub(crate) async fn send(&mut self, mut part: bytes::Bytes, last: bool) {
        while !part.is_empty() {
            self.body.reserve_capacity(part.len());
            let Some(Ok(room)) = std::future::poll_fn(|task| self.body.poll_capacity(task)).await else { return };
            let piece = part.split_to(room.min(part.len()));
            if self.body.send_data(piece, last && part.is_empty()).is_err() {
                return;
            }
        }
    }

    /// Waits for the whole answer.
    pub(crate) async fn answer(self) -> Answer {
        let (head, mut incoming) = self.response.await.unwrap().into_parts();
        let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let mut answer = Answer {
            status: head.status.as_u16(),
            headers: head.headers.iter().map(header).collect(),
            ..Answer::default()
        };
        while let Some(data) = incoming.data().await {
            let data = data.unwrap();
            incoming.flow_control().release_capacity(data.len()).unwrap();
            answer.body.extend_from_slice(&data);
        }
        answer
    }

    /// Waits until the answer has begun to flow, and gives it up.
    pub(crate) async fn leave_midway(self) {
        let mut incoming = self.response.await.unwrap().into_body();
        incoming.data().await.unwrap().unwrap();
    }
}
