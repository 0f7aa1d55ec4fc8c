//! The one object that takes events.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Encoder, TextEncoder};

use crate::vocabulary::{Clock, Kind, Now};

use super::event::{AttemptFailed, Event, ExchangeClosed, Outcome};
use super::expose::{Snapshot, family};
use super::globals::{Beside, Globals};
use super::handles::Handles;
use super::inventory;
use super::kinds;
use super::labels::{LabelBook, Target};
use super::levels;
use super::log::{Libraries, Log, LogTo};
use super::metrics::METRICS;
use super::process::Process;
use super::sample::Sample;
use super::store::{Attempt, Course, Store};

/// The most series that are ever shown, unless told otherwise.
pub const SERIES_MAX: usize = 50_000;

/// Logs and counts. Lives as long as the process; configurations come and go as [`Handles`].
pub struct Telemetry {
    log: Log,
    globals: Globals,
    store: Arc<Store>,
    keepers: RwLock<Vec<Arc<dyn Sample>>>,
    descs: Vec<Desc>,
    series_max: usize,
    started_ms: i64,
}

/// What [`Telemetry::new`] is told.
#[derive(Debug)]
pub struct Options {
    /// Where log lines go.
    pub log: LogTo,
    /// The most series that are ever shown. Those that do not depend on the configuration are shown in any case.
    pub series_max: usize,
    /// When the process started, Unix milliseconds.
    pub started_ms: i64,
}

impl Telemetry {
    /// Starts the log's writer thread.
    pub fn new(options: Options) -> Arc<Self> {
        Arc::new(Self {
            log: Log::new(options.log),
            globals: Globals::default(),
            store: Arc::new(Store::new(options.series_max.saturating_sub(inventory::fixed()))),
            keepers: RwLock::default(),
            descs: descs(),
            series_max: options.series_max.max(inventory::fixed()),
            started_ms: options.started_ms,
        })
    }

    /// Counters for a configuration. Those of an earlier configuration with the same names go on counting; those whose
    /// names are gone are shown until the last exchange of the earlier configuration ends.
    pub fn handles(&self, book: LabelBook) -> Handles {
        let handles = Handles::new(book, Arc::clone(&self.store));
        self.globals.series_max.store(self.series_bound(&handles) as u64, Ordering::Relaxed);
        handles
    }

    /// The most series that can be shown with this configuration.
    pub fn series_bound(&self, handles: &Handles) -> usize {
        self.series_wanted(handles).min(self.series_max)
    }

    fn series_wanted(&self, handles: &Handles) -> usize {
        inventory::fixed().saturating_add(handles.series_wanted())
    }

    /// Adds a keeper of levels that every scrape asks.
    pub fn add_sample(&self, keeper: Arc<dyn Sample>) {
        self.keepers.write().unwrap_or_else(PoisonError::into_inner).push(keeper);
    }

    /// Writes the line and moves the counters. Never waits for the log.
    pub fn emit(&self, event: &Event<'_>, now: Now) {
        self.globals.count(event, now);
        match event {
            Event::ExchangeClosed(closed) => count_closed(closed),
            Event::AttemptFailed(failed) => count_attempt(failed),
            Event::AttemptLost(lost) => lost.handles.course(lost.target).attempts.add(Attempt::Lost.code()),
            Event::CooledDown(cooled) => {
                cooled
                    .handles
                    .course(cooled.target)
                    .cooled
                    .add(Attempt::Failed(0, kinds::common_status(cooled.status)).code());
            }
            Event::FellBack(fell) => {
                let course = fell.handles.course(fell.target);
                let count = if fell.answered { &course.fallbacks_answered } else { &course.fallbacks_failed };
                count.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        self.log.event(event, now);
        if let Event::Started(started) = event {
            self.say_series(started.handles, now);
        }
    }

    fn say_series(&self, handles: &Handles, now: Now) {
        self.log.series(self.series_bound(handles), self.series_wanted(handles), self.series_max, now);
    }

    /// Appends everything in Prometheus' text format 0.0.4, one family at a time.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let encoder = TextEncoder::new();
        self.scrape(|family| {
            // Fails for a family without series, which there is none of, or if `out` failed, which a Vec does not.
            _ = encoder.encode(&[family], out);
        });
    }

    fn scrape(&self, mut each: impl FnMut(MetricFamily)) {
        let process = Process::read();
        let snapshot = self.snapshot(&process);
        METRICS.iter().filter_map(|metric| family(metric, &snapshot)).for_each(&mut each);
        drop(snapshot);
        // After they were shown a last time.
        self.store.retire();
    }

    fn snapshot<'a>(&'a self, process: &'a Process) -> Snapshot<'a> {
        let keepers = self.keepers.read().unwrap_or_else(PoisonError::into_inner).clone();
        let beside = Beside {
            lines_dropped: self.log.lines_dropped(),
            series_collapsed: self.store.collapsed(),
            process,
            started_ms: self.started_ms,
        };
        Snapshot {
            blocks: self.store.blocks(),
            courses: self.store.courses(),
            levels: levels::sample(&keepers),
            globals: &self.globals,
            beside,
        }
    }

    /// Waits until the log lines so far are written, at most this long. False: some are not.
    pub fn flush(&self, at_most: Duration) -> bool {
        self.log.flush(at_most)
    }

    /// Takes over the `log` crate for the libraries beneath us: what may hold a client's bytes is counted, not printed.
    /// False: somebody else took it before.
    pub fn capture_libraries(self: &Arc<Self>, clock: Clock) -> bool {
        Libraries::new(Arc::clone(self), clock).install()
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    pub(super) fn count_library_record(&self, level: log::Level) {
        self.globals.count_library_record(level);
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Telemetry").field("series_max", &self.series_max).finish_non_exhaustive()
    }
}

/// For whoever mounts the gateway in a server of their own and has a registry there.
impl Collector for Telemetry {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = Vec::new();
        self.scrape(|family| families.push(family));
        families
    }
}

fn descs() -> Vec<Desc> {
    let desc = |metric: &inventory::Metric| {
        let labels = metric.labels.iter().map(|label| (*label).to_owned()).collect();
        Desc::new(metric.name.to_owned(), metric.help.to_owned(), labels, Default::default()).ok()
    };
    METRICS.iter().filter_map(desc).collect()
}

fn count_closed(closed: &ExchangeClosed<'_>) {
    let block = closed.handles.block(closed.key, closed.target, closed.endpoint);
    block.count(closed.status, closed.outcome, closed.usage.usage(), closed.cost, closed.lost);
    let course = closed.handles.course(closed.target);
    count_times(closed, &course);
    if let (Target::Deployment(_), Some(attempt)) = (closed.target, last_attempt(closed)) {
        course.attempts.add(attempt.code());
    }
    if let Some(at_home) = closed.at_home {
        let [home, away] = &course.at_home;
        if at_home { home } else { away }.fetch_add(1, Ordering::Relaxed);
    }
    if let Some(usage) = closed.usage.usage() {
        course.prompt.fetch_add(usage.prompt, Ordering::Relaxed);
        course.cached.fetch_add(usage.cache_read.min(usage.prompt), Ordering::Relaxed);
    }
    if closed.attempts > 1 {
        course.retries.fetch_add(u64::from(closed.attempts - 1), Ordering::Relaxed);
    }
}

fn count_times(closed: &ExchangeClosed<'_>, course: &Course) {
    course.total.observe(closed.t_total);
    course.overhead.observe(closed.t_overhead);
    if let Some(upstream) = closed.t_upstream {
        course.upstream.observe(upstream);
    }
    if let (true, Some(first)) = (closed.stream, closed.t_first_byte) {
        course.first_token.observe(first);
    }
    if let Some(per_token) = time_per_token(closed) {
        course.per_token.observe(per_token);
    }
}

/// Of a stream: what came after the first byte, over the tokens after the first. Otherwise the upstream call over all.
fn time_per_token(closed: &ExchangeClosed<'_>) -> Option<Duration> {
    let tokens = u32::try_from(closed.usage.usage()?.completion).ok()?;
    match (closed.stream, closed.t_first_byte) {
        (true, Some(first)) => closed.t_total.saturating_sub(first).checked_div(tokens.checked_sub(1)?),
        _ => closed.t_upstream?.checked_div(tokens),
    }
}

/// How the last attempt ended; None if [`Event::AttemptFailed`] said so already, or there was none.
fn last_attempt(closed: &ExchangeClosed<'_>) -> Option<Attempt> {
    if closed.attempts == 0 {
        return None;
    }
    match closed.outcome {
        Outcome::Complete => Some(Attempt::Success),
        Outcome::ClientGone if closed.t_first_byte.is_some() => Some(Attempt::Success),
        Outcome::ClientGone | Outcome::ShuttingDown => Some(Attempt::Abandoned),
        Outcome::UpstreamCut => Some(failed(Kind::UpstreamCut)),
        Outcome::Stalled => Some(Attempt::Failed(kinds::STALLED, 504)),
        Outcome::Refused | Outcome::UpstreamFailed | Outcome::Internal => None,
    }
}

fn failed(kind: Kind) -> Attempt {
    Attempt::Failed(kinds::number(kind), kinds::status_of(kind))
}

fn count_attempt(event: &AttemptFailed<'_>) {
    event.handles.course(event.target).attempts.add(failed(event.kind).code());
}
