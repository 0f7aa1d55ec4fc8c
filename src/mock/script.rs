//! An answer as a script: what is said in which order, where it breaks, and how it is played on a connection.

use std::future::Future;
use std::io;
use std::time::Duration;

use super::chat::Events;
use super::journal::Journal;
use super::knobs::{Knobs, Malformed};

/// How much of a stream without gaps is gathered before it is written.
const WRITE_BYTES: usize = 64 << 10;
const ERROR_EVENT: &str = "data: {\"error\":{\"message\":\"The server had an error while processing your request.\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n";
const BROKEN_JSON: &str = "data: {\"id\":\"chatcmpl-broken\",\"choices\":[{\"index\":0,\"delta\":{\"content\":}]\n\n";
/// A field nobody knows, bytes that are not UTF-8, and a data line that no blank line ends.
const BROKEN_SSE: &[u8] = b"dat {\"not\": \"a field\"}\n\xff\xfe\xc3\x28\ndata: {\"id\":\"chatcmpl-broken\"\n";

/// The first part of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    /// The number in the request id.
    pub(super) serial: u64,
    /// Stands in place of the usual reason (HTTP/1 only).
    pub(super) reason: Option<String>,
    pub(super) media: &'static str,
    pub(super) extra: Vec<(&'static str, String)>,
    /// `None` for a stream.
    pub(super) length: Option<usize>,
}

/// A whole answer, not yet sent.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) head: Head,
    pub(super) latency: Duration,
    pub(super) gap: Duration,
    /// Whether the connection ends with it, without a word.
    pub(super) hang_up: bool,
    pub(super) script: Script,
}

/// What comes behind the head.
#[derive(Debug)]
pub(super) enum Script {
    Whole(Whole),
    Stream(Box<Stream>),
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A piece was written; there may be more.
    Piece,
    /// The answer is over.
    End,
    /// Break the connection.
    Cut,
    /// Say nothing more and do not hang up.
    Stall,
}

/// A body sent in one piece, or half of it and then a fault.
#[derive(Debug)]
pub(super) struct Whole {
    body: Vec<u8>,
    fault: Option<Step>,
    sent: bool,
}

/// A stream of events with the faults it was asked to have.
#[derive(Debug)]
pub(super) struct Stream {
    events: Events,
    sent: u32,
    over: bool,
    cut_after: Option<u32>,
    stall_after: Option<u32>,
    pause_after: Option<u32>,
    pause: Duration,
    error_after: Option<u32>,
    malformed: Option<Malformed>,
}

/// A connection an answer is played on. Everything but `open` and `push` may wait.
pub(super) trait Wire {
    /// Begins the answer.
    fn open(&mut self, head: &Head) -> io::Result<()>;
    /// Adds a piece to what the next flush sends.
    fn push(&mut self, piece: &[u8]);
    /// Sends what was pushed.
    fn flush(&mut self) -> impl Future<Output = io::Result<()>> + Send;
    /// Waits; fails early if the client goes away.
    fn pause(&mut self, time: Duration) -> impl Future<Output = io::Result<()>> + Send;
    /// Ends the answer as its framing says.
    fn finish(&mut self) -> impl Future<Output = io::Result<()>> + Send;
    /// Breaks off.
    fn cut(&mut self) -> impl Future<Output = ()> + Send;
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Played {
    /// Whole.
    Whole,
    /// Whole, and the connection is to be closed.
    HungUp,
    /// Broken off by the script.
    Cut,
}

/// Plays an answer to its end.
///
/// # Errors
/// The client went away before that.
pub(super) async fn play<W: Wire + Send>(wire: &mut W, reply: Reply, journal: &Journal) -> io::Result<Played> {
    let Reply { head, latency, gap, hang_up, mut script } = reply;
    wire.pause(latency).await?;
    wire.open(&head)?;
    let mut piece = Vec::with_capacity(512);
    let mut gathered = 0;
    loop {
        piece.clear();
        match script.step(&mut piece, journal) {
            Step::Piece => wire.push(&piece),
            Step::End => break,
            Step::Cut => {
                wire.flush().await?;
                wire.cut().await;
                return Ok(Played::Cut);
            }
            Step::Stall => {
                wire.flush().await?;
                wire.pause(Duration::MAX).await?;
            }
        }
        gathered += piece.len();
        if !gap.is_zero() || gathered >= WRITE_BYTES {
            wire.flush().await?;
            gathered = 0;
        }
        if let Script::Stream(stream) = &script {
            wire.pause(gap).await?;
            if let Some(pause) = stream.pause_due() {
                wire.flush().await?;
                gathered = 0;
                wire.pause(pause).await?;
            }
        }
    }
    wire.finish().await?;
    Ok(if hang_up { Played::HungUp } else { Played::Whole })
}

impl Script {
    fn step(&mut self, out: &mut Vec<u8>, journal: &Journal) -> Step {
        match self {
            Self::Whole(whole) => whole.step(out),
            Self::Stream(stream) => {
                let step = stream.step(out);
                if step == Step::Piece {
                    journal.event();
                }
                step
            }
        }
    }
}

impl Whole {
    /// A body with the faults it was asked to have.
    pub(super) fn new(body: Vec<u8>, knobs: &Knobs) -> Self {
        let cut = knobs.cut_after.map(|_| Step::Cut);
        let stall = knobs.stall_after.map(|_| Step::Stall);
        Self { body, fault: cut.or(stall), sent: false }
    }

    /// What the framing announces, whether or not all of it is sent.
    pub(super) fn len(&self) -> usize {
        self.body.len()
    }

    fn step(&mut self, out: &mut Vec<u8>) -> Step {
        if self.sent {
            return self.fault.unwrap_or(Step::End);
        }
        self.sent = true;
        match self.fault {
            None => std::mem::swap(out, &mut self.body),
            Some(_) => out.extend_from_slice(&self.body[..self.body.len() / 2]),
        }
        Step::Piece
    }
}

impl Stream {
    /// Events with the faults they were asked to have.
    pub(super) fn new(events: Events, knobs: &Knobs) -> Self {
        Self {
            events,
            sent: 0,
            over: knobs.malformed == Some(Malformed::Empty),
            cut_after: knobs.cut_after,
            stall_after: knobs.stall_after,
            pause_after: knobs.pause_after,
            pause: Duration::from_millis(knobs.pause_ms),
            error_after: knobs.error_after,
            malformed: knobs.malformed,
        }
    }

    fn step(&mut self, out: &mut Vec<u8>) -> Step {
        let now = Some(self.sent);
        if self.cut_after == now {
            return Step::Cut;
        }
        if self.stall_after == now {
            return Step::Stall;
        }
        if self.over {
            return Step::End;
        }
        self.over = self.error_after == now;
        if self.over {
            out.extend_from_slice(ERROR_EVENT.as_bytes());
        } else if !self.events.write_next(out) {
            return Step::End;
        }
        self.spoil(out);
        self.sent += 1;
        Step::Piece
    }

    /// The pause that comes next, if it does.
    fn pause_due(&self) -> Option<Duration> {
        (self.pause_after == Some(self.sent)).then_some(self.pause)
    }

    /// Damages the second event.
    fn spoil(&mut self, out: &mut Vec<u8>) {
        if self.sent != 1 {
            return;
        }
        match self.malformed {
            Some(Malformed::Json) => BROKEN_JSON.as_bytes().clone_into(out),
            Some(Malformed::Sse) => BROKEN_SSE.clone_into(out),
            Some(Malformed::Truncated) => {
                out.truncate(out.len() / 2);
                self.over = true;
            }
            Some(Malformed::Html | Malformed::Empty) | None => {}
        }
    }
}
