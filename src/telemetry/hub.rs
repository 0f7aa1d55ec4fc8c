//! The one object that takes events.

use std::sync::Arc;
use std::time::Duration;

use crate::vocabulary::{Clock, Now};

use super::event::Event;
use super::handles::Handles;
use super::labels::LabelBook;
use super::log::LogTo;
use super::sample::Sample;

/// The most series that are ever shown, unless told otherwise.
pub const SERIES_MAX: usize = 50_000;

/// Logs and counts. Lives as long as the process; configurations come and go as [`Handles`].
#[derive(Debug)]
pub struct Telemetry {}

/// What [`Telemetry::new`] is told.
#[derive(Debug)]
pub struct Options {
    /// Where log lines go.
    pub log: LogTo,
    /// The most series that are ever shown.
    pub series_max: usize,
    /// When the process started, Unix milliseconds.
    pub started_ms: i64,
}

impl Telemetry {
    /// Starts the log's writer thread.
    pub fn new(options: Options) -> Arc<Self> {
        let _ = options;
        Arc::new(Self {})
    }

    /// Counters for a configuration. Those of an earlier configuration with the same names go on counting.
    pub fn handles(&self, book: LabelBook) -> Handles {
        Handles(Arc::new(book))
    }

    /// The most series this configuration can show.
    pub fn series_bound(&self, _handles: &Handles) -> usize {
        0
    }

    /// Adds a keeper of levels that every scrape asks.
    pub fn add_sample(&self, _sample: Arc<dyn Sample>) {}

    /// Writes the line and moves the counters. Never blocks on the log.
    pub fn emit(&self, _event: &Event<'_>, _now: Now) {}

    /// Appends everything in Prometheus' text format 0.0.4.
    pub fn encode(&self, _out: &mut Vec<u8>, _now: Now) {}

    /// Waits until the log lines so far are written, at most this long. False: some are not.
    pub fn flush(&self, _at_most: Duration) -> bool {
        true
    }

    /// Takes over the `log` crate for the libraries beneath us: what may hold a client's bytes is counted, not printed.
    pub fn capture_libraries(self: &Arc<Self>, _clock: Clock) {}
}
