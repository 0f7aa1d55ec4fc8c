//! What a connection's stream and the hooks of its requests tell each other.
//!
//! Pingora has no place for a stream of our own in its sessions: the front door runs a connection under a task-local that
//! holds this. It is absent where the filter is mounted in a server without our front door, and for HTTP/2, whose requests run
//! in tasks of their own.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Sleep;

tokio::task_local! {
    /// The connection that the running request came in on.
    pub(super) static LINK: Arc<Link>;
}

/// A timer that watches a deadline of its own; it may be armed for an earlier moment, and is moved when it fires.
pub(super) type Timer = Pin<Box<Sleep>>;

/// One connection.
#[derive(Default)]
pub(super) struct Link {
    head: AtomicU8,
    /// Whether it waits or reads since less time than anybody has looked.
    turned: AtomicBool,
    idle_ms: AtomicU64,
    lines: Mutex<Option<Vec<u8>>>,
    timer: Mutex<Option<Timer>>,
}

const WAITING: u8 = 0;
const READING: u8 = 1;
const READ: u8 = 2;

impl Link {
    /// A byte came: the first one of a head begins it.
    pub(super) fn head_begins(&self) {
        if self.head.compare_exchange(WAITING, READING, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.turned.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a head has begun and is not whole.
    pub(super) fn reads_head(&self) -> bool {
        self.head.load(Ordering::Relaxed) == READING
    }

    /// How long the next head may be waited for, while it is; `head` for one that has begun; None: nobody waits for one.
    pub(super) fn patience(&self, head: Duration) -> Option<Duration> {
        match self.head.load(Ordering::Relaxed) {
            READING => Some(head),
            WAITING => Some(Duration::from_millis(self.idle_ms.load(Ordering::Relaxed))).filter(|idle| !idle.is_zero()),
            _ => None,
        }
    }

    /// Whether that has begun since this was asked last.
    pub(super) fn has_turned(&self) -> bool {
        self.turned.swap(false, Ordering::Relaxed)
    }

    /// How long it may idle after this request.
    pub(super) fn keep_idle(&self, at_most: Duration) {
        self.idle_ms.store(u64::try_from(at_most.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The head is complete: what follows has deadlines of its own.
    pub(super) fn head_is_read(&self) {
        self.head.store(READ, Ordering::Relaxed);
    }

    /// The answer is out: the next byte begins another head.
    pub(super) fn wait_for_next(&self) {
        self.head.store(WAITING, Ordering::Relaxed);
        self.turned.store(true, Ordering::Relaxed);
    }

    /// Lines that the next head of an answer carries beside its own, each with its line end.
    pub(super) fn add_to_head(&self, lines: Vec<u8>) {
        *self.lines.lock() = Some(lines);
    }

    /// Takes those lines.
    pub(super) fn lines(&self) -> Option<Vec<u8>> {
        self.lines.lock().take()
    }

    /// The timer of an earlier request, armed as that left it: arming one costs more than letting it run.
    pub(super) fn timer(&self) -> Option<Timer> {
        self.timer.lock().take()
    }

    /// Keeps a timer for the next request.
    pub(super) fn keep_timer(&self, timer: Timer) {
        *self.timer.lock() = Some(timer);
    }
}
