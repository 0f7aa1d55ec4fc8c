//! The clients: HTTP/1.1 by hand on connections that stay open.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tollgate::vocabulary::{Clock, Now};

use crate::subject::KEY;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer.
const ANSWER_BYTES_MAX: usize = 4 << 20;
const READ_BYTES: usize = 32 << 10;
const CHUNKS_END: &[u8] = b"\r\n0\r\n\r\n";

/// What is sent, to whom.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) addr: SocketAddr,
    pub(crate) request: Arc<[u8]>,
}

impl Job {
    /// A chat request with this body.
    pub(crate) fn new(addr: SocketAddr, body: &str) -> Self {
        let length = body.len();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {addr}\r\nauthorization: Bearer {KEY}\r\n\
             content-type: application/json\r\nuser-agent: bench\r\naccept: */*\r\ncontent-length: {length}\r\n\r\n"
        );
        Self { addr, request: [head.as_bytes(), body.as_bytes()].concat().into() }
    }
}

/// How the requests of one measurement went.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) took: Duration,
    pub(crate) latencies: Vec<Duration>,
    pub(crate) failed: u64,
    pub(crate) last_failure: Option<String>,
}

impl Outcome {
    fn note(&mut self, asked: io::Result<Duration>) {
        match asked {
            Ok(latency) => self.latencies.push(latency),
            Err(error) => {
                self.failed += 1;
                self.last_failure = Some(error.to_string());
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.latencies.extend(other.latencies);
        self.failed += other.failed;
        self.last_failure = other.last_failure.or_else(|| self.last_failure.take());
    }
}

/// Every client sends its next request when its last one is answered.
pub(crate) async fn closed(job: &Job, clients: usize, time: Duration, clock: &Clock) -> Outcome {
    let start = clock.now();
    let mut running = JoinSet::new();
    for _ in 0..clients {
        running.spawn(one_client(job.clone(), start, time, clock.clone()));
    }
    let mut outcome = Outcome::default();
    while let Some(Ok(part)) = running.join_next().await {
        outcome.add(part);
    }
    outcome.took = clock.now().since(start);
    outcome
}

async fn one_client(job: Job, start: Now, time: Duration, clock: Clock) -> Outcome {
    let mut outcome = Outcome::default();
    let mut client = None;
    while clock.now().since(start) < time {
        let asked = ask(&mut client, &job, &clock).await;
        if asked.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        outcome.note(asked);
    }
    outcome
}

/// A request leaves every `1 / rate` seconds, whether or not earlier ones are answered. Latency counts from when it
/// leaves, not from when the timer should have fired.
pub(crate) async fn open(job: &Job, rate: u32, time: Duration, clock: &Clock) -> Outcome {
    let start = clock.now();
    let idle: Arc<Mutex<Vec<Client>>> = Arc::default();
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut running, mut outcome) = (JoinSet::new(), Outcome::default());
    while clock.now().since(start) < time {
        ticks.tick().await;
        running.spawn(one_request(job.clone(), Arc::clone(&idle), clock.clone()));
        while let Some(Ok(asked)) = running.try_join_next() {
            outcome.note(asked);
        }
    }
    while let Some(Ok(asked)) = running.join_next().await {
        outcome.note(asked);
    }
    outcome.took = clock.now().since(start);
    outcome
}

async fn one_request(job: Job, idle: Arc<Mutex<Vec<Client>>>, clock: Clock) -> io::Result<Duration> {
    let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut client = match taken {
        Some(client) => Some(client),
        None => Some(Client::connect(job.addr).await?),
    };
    let latency = ask(&mut client, &job, &clock).await?;
    idle.lock().unwrap_or_else(PoisonError::into_inner).extend(client);
    Ok(latency)
}

/// So many streams that have begun and stay open.
pub(crate) async fn hold(job: &Job, streams: usize) -> io::Result<Vec<Client>> {
    let mut held = Vec::with_capacity(streams);
    for _ in 0..streams {
        let mut client = Client::connect(job.addr).await?;
        timeout(PATIENCE, client.begin(&job.request)).await??;
        held.push(client);
    }
    Ok(held)
}

/// Sends one request, on a new connection if there is none; the connection is kept if the answer was good.
async fn ask(client: &mut Option<Client>, job: &Job, clock: &Clock) -> io::Result<Duration> {
    let mut with = match client.take() {
        Some(client) => client,
        None => Client::connect(job.addr).await?,
    };
    let start = clock.now();
    timeout(PATIENCE, with.ask(&job.request)).await??;
    let latency = clock.now().since(start);
    *client = Some(with);
    Ok(latency)
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    answer: Vec<u8>,
}

/// How the end of an answer is known.
enum End {
    /// At this many bytes, head included.
    At(usize),
    Chunked,
}

impl Client {
    async fn connect(addr: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(READ_BYTES) })
    }

    async fn ask(&mut self, request: &[u8]) -> io::Result<()> {
        let end = self.head(request).await?;
        while !self.is_whole(&end) {
            self.read().await?;
        }
        Ok(())
    }

    /// Sends a request and reads until the first event is there.
    async fn begin(&mut self, request: &[u8]) -> io::Result<()> {
        self.head(request).await?;
        while !self.answer.windows(6).any(|bytes| bytes == b"data: ") {
            self.read().await?;
        }
        Ok(())
    }

    async fn head(&mut self, request: &[u8]) -> io::Result<End> {
        self.answer.clear();
        self.stream.write_all(request).await?;
        loop {
            self.read().await?;
            if let Some(end) = end(&self.answer)? {
                return Ok(end);
            }
        }
    }

    fn is_whole(&self, end: &End) -> bool {
        match end {
            End::At(length) => self.answer.len() >= *length,
            End::Chunked => self.answer.ends_with(CHUNKS_END),
        }
    }

    async fn read(&mut self) -> io::Result<()> {
        self.answer.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.answer).await? {
            0 => Err(io::Error::other("the connection ended before the answer")),
            _ if self.answer.len() > ANSWER_BYTES_MAX => Err(io::Error::other("the answer has no end")),
            _ => Ok(()),
        }
    }
}

/// Reads the head of an answer, if all of it is there.
fn end(answer: &[u8]) -> io::Result<Option<End>> {
    let mut lines = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut lines);
    let used = match head.parse(answer).map_err(io::Error::other)? {
        httparse::Status::Complete(used) => used,
        httparse::Status::Partial => return Ok(None),
    };
    if head.code != Some(200) {
        let start = String::from_utf8_lossy(&answer[..answer.len().min(600)]);
        return Err(io::Error::other(format!("answered {}", start.replace("\r\n", " | "))));
    }
    let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let Some(length) = length else { return Ok(Some(End::Chunked)) };
    let length: Option<usize> = std::str::from_utf8(length.value).ok().and_then(|text| text.parse().ok());
    length.map(|length| Some(End::At(used + length))).ok_or_else(|| io::Error::other("a length that is no number"))
}
