//! What the mock has seen: the most recent requests and running totals.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};

/// How often whoever waits for totals looks at them: counting must not cost the mock a wake-up.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// One request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `GET`, `POST`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in the case they were sent in, values as text, in order.
    pub headers: Vec<(String, String)>,
    /// The body without its framing, as far as it was kept.
    pub body: Vec<u8>,
    /// Length of the whole body.
    pub body_bytes: u64,
    /// `HTTP/1.1` or `HTTP/2`.
    pub protocol: &'static str,
}

impl Seen {
    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.as_str())
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Running totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Requests read to their end.
    pub requests: u64,
    /// Answers sent to their end.
    pub answered: u64,
    /// Answers the client did not wait for.
    pub abandoned: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Connections open now.
    pub connections_open: u64,
    /// Events of streams sent.
    pub events: u64,
}

/// The requests kept for whoever asks, and the totals.
#[derive(Debug)]
pub(super) struct Journal {
    notes: Mutex<VecDeque<Note>>,
    noted: Condvar,
    notes_max: usize,
    body_bytes_max: usize,
    requests: AtomicU64,
    answered: AtomicU64,
    abandoned: AtomicU64,
    connections: AtomicU64,
    closed: AtomicU64,
    events: AtomicU64,
}

/// A request before anybody asked for it: its head is read only then.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) protocol: &'static str,
    /// The request line and header lines as HTTP/1 writes them.
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
    pub(super) body_bytes: u64,
}

impl Journal {
    /// Keeps so many requests, and so much of each body.
    pub(super) fn new(notes_max: usize, body_bytes_max: usize) -> Self {
        Self {
            notes: Mutex::new(VecDeque::new()),
            noted: Condvar::new(),
            notes_max,
            body_bytes_max,
            requests: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            abandoned: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            events: AtomicU64::new(0),
        }
    }

    /// How much of a body to keep for [`Journal::note`]; zero if nothing is recorded.
    pub(super) fn body_bytes_kept(&self) -> usize {
        if self.notes_max == 0 { 0 } else { self.body_bytes_max }
    }

    /// Whether requests are kept at all.
    pub(super) fn records(&self) -> bool {
        self.notes_max > 0
    }

    /// Counts a request, and keeps it if anything is kept.
    pub(super) fn note(&self, note: impl FnOnce() -> Note) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if !self.records() {
            return;
        }
        let note = note();
        let mut notes = self.lock();
        if notes.len() >= self.notes_max {
            notes.pop_front();
        }
        notes.push_back(note);
        self.noted.notify_all();
    }

    /// Counts an answer sent to its end.
    pub(super) fn answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer the client did not wait for.
    pub(super) fn abandoned(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection.
    pub(super) fn opened(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection's end.
    pub(super) fn closed(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one event of a stream.
    pub(super) fn event(&self) {
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    /// The totals now.
    pub(super) fn stats(&self) -> Stats {
        let closed = self.closed.load(Ordering::Relaxed);
        let connections = self.connections.load(Ordering::Relaxed);
        Stats {
            requests: self.requests.load(Ordering::Relaxed),
            answered: self.answered.load(Ordering::Relaxed),
            abandoned: self.abandoned.load(Ordering::Relaxed),
            connections,
            connections_open: connections.saturating_sub(closed),
            events: self.events.load(Ordering::Relaxed),
        }
    }

    /// The requests kept, oldest first.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.lock().iter().map(Note::read).collect()
    }

    /// Waits until so many requests are kept, or until the time is over.
    pub(super) fn wait_for(&self, count: usize, limit: Duration) -> Vec<Seen> {
        let waited = self.noted.wait_timeout_while(self.lock(), limit, |notes| notes.len() < count);
        let (notes, _late) = waited.unwrap_or_else(PoisonError::into_inner);
        notes.iter().map(Note::read).collect()
    }

    /// Waits until the totals are as wanted, or until the time is over.
    pub(super) fn wait_until(&self, limit: Duration, wanted: impl Fn(&Stats) -> bool) -> Stats {
        let mut left = limit;
        loop {
            let stats = self.stats();
            if wanted(&stats) || left.is_zero() {
                return stats;
            }
            std::thread::sleep(LOOK_AGAIN);
            left = left.saturating_sub(LOOK_AGAIN);
        }
    }

    /// The requests kept as JSON, with a digest in place of each body.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let shown: Vec<Shown> = self.seen().into_iter().map(Shown::of).collect();
        serde_json::to_vec(&shown).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Note>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Note {
    fn read(&self) -> Seen {
        let head = String::from_utf8_lossy(&self.head);
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        Seen {
            method: word(),
            path: word(),
            headers: lines.filter_map(header).collect(),
            body: self.body.clone(),
            body_bytes: self.body_bytes,
            protocol: self.protocol,
        }
    }
}

fn header(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(": ").or_else(|| line.split_once(':'))?;
    Some((name.to_owned(), value.trim().to_owned()))
}

#[derive(Serialize)]
struct Shown {
    method: String,
    path: String,
    protocol: &'static str,
    headers: Vec<(String, String)>,
    body_bytes: u64,
    /// Of the whole body; absent if not all of it was kept.
    body_sha256: Option<String>,
}

impl Shown {
    fn of(seen: Seen) -> Self {
        let whole = seen.body.len() as u64 == seen.body_bytes;
        Self {
            body_sha256: whole.then(|| hex(&Sha256::digest(&seen.body))),
            method: seen.method,
            path: seen.path,
            protocol: seen.protocol,
            headers: seen.headers,
            body_bytes: seen.body_bytes,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(path: &str, body: &[u8], body_bytes: u64) -> Note {
        let head = format!("POST {path} HTTP/1.1\r\nHost: a:1\r\nX-Empty:\r\n\r\n").into_bytes();
        Note { protocol: "HTTP/1.1", head, body: body.to_vec(), body_bytes }
    }

    #[test]
    fn only_the_latest_requests_are_kept() {
        let journal = Journal::new(2, 100);
        for path in ["/1", "/2", "/3"] {
            journal.note(|| note(path, b"{}", 2));
        }
        let seen = journal.seen();
        assert_eq!(seen.iter().map(|it| it.path.as_str()).collect::<Vec<_>>(), ["/2", "/3"]);
        assert_eq!(seen[0].header("host"), Some("a:1"));
        assert_eq!(seen[0].header("x-empty"), Some(""));
        assert_eq!(journal.stats().requests, 3);
    }

    #[test]
    fn a_body_that_was_not_kept_whole_has_no_digest() {
        let journal = Journal::new(2, 2);
        journal.note(|| note("/", b"{}", 2));
        journal.note(|| note("/", b"{}", 3));
        let json = String::from_utf8(journal.to_json()).unwrap();
        let digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
        assert_eq!(json.matches(digest).count(), 1, "{json}");
        assert_eq!(json.matches(r#""body_sha256":null"#).count(), 1, "{json}");
    }
}
