//! What all connections of one mock share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::vocabulary::Clock;

use super::answer;
use super::journal::{Journal, Note};
use super::knobs::Knobs;
use super::request::Request;
use super::script::Reply;
use super::sieve::Sieve;

/// Most ids whose failures are counted; beyond it all counts start anew.
const IDS_MAX: usize = 4096;
/// How much of a body is always at hand, for a request that asks for an echo in its body.
const ECHO_BYTES: usize = 64 << 10;
/// Longest body.
pub(super) const BODY_BYTES_MAX: u64 = 64 << 20;

/// The mock without its sockets.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) knobs: Knobs,
    pub(super) journal: Journal,
    /// Whether HTTP/2 is spoken.
    pub(super) h2: bool,
    clock: Clock,
    serial: AtomicU64,
    failures: Mutex<HashMap<String, u32>>,
}

/// A body that has been read to its end.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) sieve: Sieve,
    /// Its beginning, or all of it.
    pub(super) kept: Vec<u8>,
    kept_max: usize,
    pub(super) bytes: u64,
}

impl Site {
    /// A mock that answers like this.
    pub(super) fn new(knobs: Knobs, journal: Journal, h2: bool) -> Self {
        let failures = Mutex::new(HashMap::new());
        Self { knobs, journal, h2, clock: Clock::machine(), serial: AtomicU64::new(1), failures }
    }

    /// An empty body for this request to fill.
    pub(super) fn listen(&self, request: &Request) -> Heard {
        let whole = usize::try_from(BODY_BYTES_MAX).unwrap_or(usize::MAX);
        let echo = if request.knobs.echo { whole } else { ECHO_BYTES };
        let kept_max = self.journal.body_bytes_kept().max(echo).min(whole);
        Heard { sieve: Sieve::new(), kept: Vec::new(), kept_max, bytes: 0 }
    }

    /// Puts a request into the journal, unless it only asks about the mock itself.
    pub(super) fn note(&self, request: &Request, note: impl FnOnce() -> Note) {
        if !request.route.is_about_mock() {
            self.journal.note(note);
        }
    }

    /// What this request is answered with.
    pub(super) fn answer(&self, request: Request, heard: &Heard) -> Reply {
        self.desk().answer(request, heard)
    }

    /// What a request is told that could not be read.
    pub(super) fn refuse(&self, status: u16, message: &str) -> Reply {
        self.desk().refuse(status, message)
    }

    fn desk(&self) -> answer::Desk<'_> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        answer::Desk { site: self, serial, created: self.clock.now().wall_ms / 1000 }
    }

    /// Whether a request of this id is still among the first so many.
    pub(super) fn fails(&self, id: &str, times: u32) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= IDS_MAX && !failures.contains_key(id) {
            failures.clear();
        }
        let failed = failures.entry(id.to_owned()).or_insert(0);
        let fails = *failed < times;
        *failed += u32::from(fails);
        fails
    }
}

impl Heard {
    /// Takes the next bytes; false once the body is longer than any may be.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        self.sieve.push(bytes);
        let room = self.kept_max.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(&bytes[..room]);
        self.bytes += bytes.len() as u64;
        self.bytes <= BODY_BYTES_MAX
    }

    /// The part of the body that the journal keeps.
    pub(super) fn excerpt(&self, bytes_max: usize) -> Vec<u8> {
        self.kept[..self.kept.len().min(bytes_max)].to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_requests_of_an_id_fail_and_no_others() {
        let site = Site::new(Knobs::default(), Journal::new(0, 0), false);
        let failed: Vec<bool> = (0..4).map(|_| site.fails("a", 2)).collect();
        assert_eq!(failed, [true, true, false, false]);
        assert!(site.fails("b", 1));
    }

    #[test]
    fn ids_without_end_do_not_fill_the_memory() {
        let site = Site::new(Knobs::default(), Journal::new(0, 0), false);
        for id in 0..=IDS_MAX {
            assert!(site.fails(&id.to_string(), 1));
        }
        assert!(site.failures.lock().unwrap().len() <= IDS_MAX);
    }
}
