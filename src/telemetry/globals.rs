//! Counters of the process as a whole: their labels are enums.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use crate::vocabulary::{Metered, Now};

use super::event::{AlertOutcome, Event, ExchangeClosed, Outcome, Refusal, Reloaded};
use super::inventory::GlobalRead;
use super::kinds;
use super::process::Process;

/// How usage is known, as labels.
const USAGE_SOURCES: [&str; 4] = ["absent", "partial", "reported", "estimated"];
/// Results of reloads, as labels.
const RELOAD_RESULTS: [&str; 2] = ["success", "failure"];
/// Levels of library records, as labels.
const LEVELS: [&str; 3] = ["error", "warn", "info"];

/// One counter a word; there are too many for `Default` to be derived.
#[derive(Debug)]
struct Faults([AtomicU64; kinds::WORDS.len()]);

impl Default for Faults {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

#[derive(Debug, Default)]
pub(super) struct Globals {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    stream_outcomes: [AtomicU64; Outcome::ALL.len()],
    faults: Faults,
    refusals: [AtomicU64; Refusal::ALL.len()],
    alerts: [AtomicU64; AlertOutcome::ALL.len()],
    reloads: [AtomicU64; 2],
    reload_failed: AtomicBool,
    reload_ms: AtomicI64,
    generation: AtomicU64,
    usage: [AtomicU64; 4],
    price_unknown: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    panics: AtomicU64,
    troubles: AtomicU64,
    library_records: [AtomicU64; 3],
    draining: AtomicBool,
    /// Set when a configuration is made ready.
    pub(super) series_max: AtomicU64,
}

/// What others know and a scrape shows among the globals.
pub(super) struct Beside<'a> {
    pub(super) lines_dropped: u64,
    pub(super) series_collapsed: u64,
    pub(super) process: &'a Process,
    pub(super) started_ms: i64,
}

impl Globals {
    /// Moves the counters of an event.
    pub(super) fn count(&self, event: &Event<'_>, now: Now) {
        match event {
            Event::Started(_) => self.take(1, now),
            Event::ExchangeClosed(closed) => self.close(closed),
            Event::ConnectionRefused(refused) => bump(&self.refusals, refused.reason.index()),
            Event::Reloaded(reloaded) => self.reload(reloaded, now),
            Event::Alerted(outcome) => bump(&self.alerts, outcome.index()),
            Event::Panicked(_) => add(&self.panics, 1),
            Event::Trouble(_) => add(&self.troubles, 1),
            Event::Draining(_) => self.draining.store(true, Ordering::Relaxed),
            Event::AttemptFailed(_)
            | Event::AttemptLost(_)
            | Event::FellBack(_)
            | Event::CooledDown(_)
            | Event::ConfigRemark(_)
            | Event::Kept(_)
            | Event::Stopped(_) => {}
        }
    }

    /// Counts a library's record that is not printed.
    pub(super) fn count_library_record(&self, level: log::Level) {
        let index = match level {
            log::Level::Error => 0,
            log::Level::Warn => 1,
            log::Level::Info | log::Level::Debug | log::Level::Trace => 2,
        };
        bump(&self.library_records, index);
    }

    fn close(&self, closed: &ExchangeClosed<'_>) {
        bump(&self.outcomes, closed.outcome.index());
        if closed.stream {
            bump(&self.stream_outcomes, closed.outcome.index());
        }
        if let Some(kind) = closed.fault {
            bump(&self.faults.0, kinds::number(kind));
        }
        if closed.attempts > 0 {
            bump(&self.usage, source_index(closed.usage));
        }
        if !closed.price_known && closed.usage.usage().is_some() {
            add(&self.price_unknown, 1);
        }
        add(&self.bytes_in, closed.bytes_in);
        add(&self.bytes_out, closed.bytes_out);
    }

    fn reload(&self, reloaded: &Reloaded<'_>, now: Now) {
        let refused = reloaded.refused.is_some();
        bump(&self.reloads, usize::from(refused));
        self.reload_failed.store(refused, Ordering::Relaxed);
        if !refused {
            self.take(reloaded.generation, now);
        }
    }

    fn take(&self, generation: u64, now: Now) {
        self.generation.store(generation, Ordering::Relaxed);
        self.reload_ms.store(now.wall_ms, Ordering::Relaxed);
    }

    /// The values of one family, each with the value of its label (empty where it has none).
    pub(super) fn read(&self, which: GlobalRead, beside: &Beside<'_>) -> Vec<(&'static str, f64)> {
        match which {
            GlobalRead::Outcomes => labelled(&self.outcomes, Outcome::ALL.iter().map(|one| one.as_str())),
            GlobalRead::StreamOutcomes => labelled(&self.stream_outcomes, Outcome::ALL.iter().map(|one| one.as_str())),
            GlobalRead::Faults => {
                let mut faults = labelled(&self.faults.0, kinds::WORDS);
                faults.retain(|(_, count)| *count > 0.0);
                faults
            }
            GlobalRead::Refusals => labelled(&self.refusals, Refusal::ALL.iter().map(|one| one.as_str())),
            GlobalRead::Alerts => labelled(&self.alerts, AlertOutcome::ALL.iter().map(|one| one.as_str())),
            GlobalRead::Reloads => labelled(&self.reloads, RELOAD_RESULTS),
            GlobalRead::UsageSources => labelled(&self.usage, USAGE_SOURCES),
            GlobalRead::LibraryRecords => labelled(&self.library_records, LEVELS),
            GlobalRead::BuildInfo => vec![(env!("CARGO_PKG_VERSION"), 1.0)],
            single => self.single(single, beside).map(|value| ("", value)).into_iter().collect(),
        }
    }

    fn single(&self, which: GlobalRead, beside: &Beside<'_>) -> Option<f64> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        let flag = |flag: &AtomicBool| f64::from(u8::from(flag.load(Ordering::Relaxed)));
        Some(match which {
            GlobalRead::ReloadOk => 1.0 - flag(&self.reload_failed),
            GlobalRead::ReloadTime => self.reload_ms.load(Ordering::Relaxed) as f64 / 1e3,
            GlobalRead::Generation => count(&self.generation),
            GlobalRead::PriceUnknown => count(&self.price_unknown),
            GlobalRead::BytesIn => count(&self.bytes_in),
            GlobalRead::BytesOut => count(&self.bytes_out),
            GlobalRead::Panics => count(&self.panics),
            GlobalRead::Troubles => count(&self.troubles),
            GlobalRead::LinesDropped => beside.lines_dropped as f64,
            GlobalRead::SeriesMax => count(&self.series_max),
            GlobalRead::SeriesCollapsed => beside.series_collapsed as f64,
            GlobalRead::Draining => flag(&self.draining),
            GlobalRead::Process(stat) => return beside.process.figure(stat, beside.started_ms),
            _ => return None,
        })
    }
}

fn source_index(usage: Metered) -> usize {
    match usage {
        Metered::Absent => 0,
        Metered::Partial(_) => 1,
        Metered::Reported(_) => 2,
        Metered::Estimated(_) => 3,
    }
}

/// The word for how usage is known.
pub(super) fn usage_source(usage: Metered) -> &'static str {
    USAGE_SOURCES.get(source_index(usage)).copied().unwrap_or("absent")
}

fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

fn bump(counters: &[AtomicU64], index: usize) {
    if let Some(counter) = counters.get(index) {
        add(counter, 1);
    }
}

fn labelled(counters: &[AtomicU64], words: impl IntoIterator<Item = &'static str>) -> Vec<(&'static str, f64)> {
    words.into_iter().zip(counters).map(|(word, counter)| (word, counter.load(Ordering::Relaxed) as f64)).collect()
}
