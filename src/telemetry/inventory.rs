//! What a metric is, how many series it can have, and the table for the README.

use std::fmt::Write;

use super::atoms::{Bounds, LATENCY, OVERHEAD, PER_TOKEN};
use super::event::{AlertOutcome, Outcome, Refusal};
use super::kinds;
use super::metrics::METRICS;
use super::process::Stat;
use super::sample::Limited;
use super::store::{ATTEMPT_SLOTS, COOLED_SLOTS, REQUEST_SLOTS, TOKEN_KINDS, WASTES};

/// One family of series.
#[derive(Debug)]
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) labels: &'static [&'static str],
    pub(super) source: Source,
    pub(super) help: &'static str,
}

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Counter,
    Gauge,
    Histogram,
}

/// Where the values of a family come from, and so how many series there are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    Block(BlockRead),
    Course(CourseRead),
    Level(LevelRead),
    Global(GlobalRead),
}

/// From a block: one key at one deployment over one endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) enum BlockRead {
    /// By status and outcome.
    Requests,
    /// By status.
    RequestsByStatus,
    /// By status from 400 on.
    Failures,
    /// Those that reached a deployment.
    Dispatched,
    Spend,
    /// What of it was wasted, by reason.
    Wasted,
    TokensByKind,
    TokensTotal,
    /// One of [`TOKEN_KINDS`].
    Tokens(usize),
}

/// From a course: one deployment.
#[derive(Clone, Copy, Debug)]
pub(super) enum CourseRead {
    Timed(Timed, Unit),
    /// By outcome.
    Attempts,
    AttemptsTotal,
    AttemptsAnswered,
    /// By status of the failure.
    AttemptsFailed,
    Retries,
    /// By status of the failure.
    Cooled,
    FallbacksAnswered,
    FallbacksFailed,
    /// By whether it was theirs.
    Kept,
    /// Cached input tokens over all.
    CachedShare,
}

/// Which histogram.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timed {
    Total,
    Upstream,
    FirstToken,
    PerToken,
    Overhead,
}

/// What a histogram's bounds and sum are told in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    Seconds,
    Microseconds,
}

/// From the keepers of levels, at the scrape.
#[derive(Clone, Copy, Debug)]
pub(super) enum LevelRead {
    InFlight,
    Connections,
    HeldBytes,
    RedisUp,
    RetryBudget,
    LimitLeft,
    LimitMax,
    /// What is left of one kind of limit.
    LimitLeftOf(Limited),
    /// What providers say is left of their own limits.
    UpstreamLeft,
    UpstreamLeftOf(Limited),
    BudgetLeft,
    BudgetMax,
    KeyBudgetLeft,
    KeyBudgetMax,
    ProviderBudgetLeft,
    Health,
}

/// From the process as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) enum GlobalRead {
    Outcomes,
    StreamOutcomes,
    Faults,
    Refusals,
    Alerts,
    Reloads,
    ReloadOk,
    ReloadTime,
    Generation,
    UsageSources,
    PriceUnknown,
    BytesIn,
    BytesOut,
    Panics,
    Troubles,
    LinesDropped,
    LibraryRecords,
    BuildInfo,
    SeriesMax,
    SeriesCollapsed,
    Draining,
    Process(Stat),
}

/// Levels that are shown at most; what comes after is left out and counted in none.
pub(super) const LEVELS_MAX: usize = 2_500;
/// Families that one level can have a series in.
const FAMILIES_PER_LEVEL: usize = 4;

impl Timed {
    const fn bounds(self) -> Bounds {
        match self {
            Self::Total | Self::Upstream | Self::FirstToken => LATENCY,
            Self::PerToken => PER_TOKEN,
            Self::Overhead => OVERHEAD,
        }
    }
}

impl Source {
    /// The most series one block, one course, or the process can have in a family of this source.
    const fn series(self) -> usize {
        match self {
            Self::Block(read) => match read {
                BlockRead::Requests | BlockRead::RequestsByStatus | BlockRead::Failures => REQUEST_SLOTS,
                BlockRead::TokensByKind => TOKEN_KINDS.len(),
                BlockRead::Wasted => WASTES.len(),
                BlockRead::Dispatched | BlockRead::Spend | BlockRead::TokensTotal | BlockRead::Tokens(_) => 1,
            },
            Self::Course(read) => match read {
                // The bound +Inf, the sum and the count.
                CourseRead::Timed(timed, _) => timed.bounds().len() + 3,
                CourseRead::Attempts | CourseRead::AttemptsFailed => ATTEMPT_SLOTS,
                CourseRead::Cooled => COOLED_SLOTS,
                CourseRead::Kept => 2,
                CourseRead::CachedShare
                | CourseRead::AttemptsTotal
                | CourseRead::AttemptsAnswered
                | CourseRead::Retries
                | CourseRead::FallbacksAnswered
                | CourseRead::FallbacksFailed => 1,
            },
            Self::Level(_) => 0,
            Self::Global(read) => match read {
                GlobalRead::Outcomes | GlobalRead::StreamOutcomes => Outcome::ALL.len(),
                GlobalRead::Faults => kinds::WORDS.len(),
                GlobalRead::Refusals => Refusal::ALL.len(),
                GlobalRead::Alerts => AlertOutcome::ALL.len(),
                GlobalRead::Reloads => 2,
                GlobalRead::UsageSources => 4,
                GlobalRead::LibraryRecords => 3,
                _ => 1,
            },
        }
    }
}

/// The most series one block can show.
pub(super) const fn per_block() -> usize {
    sum(0)
}

/// The most series one course can show.
pub(super) const fn per_course() -> usize {
    sum(1)
}

/// Series there are whatever the configuration: the process as a whole, the levels, and the rest.
pub(super) const fn fixed() -> usize {
    sum(2) + LEVELS_MAX * FAMILIES_PER_LEVEL + per_block() + per_course()
}

const fn sum(which: usize) -> usize {
    let (mut total, mut index) = (0, 0);
    while index < METRICS.len() {
        let source = METRICS[index].source;
        let counted = match source {
            Source::Block(_) => which == 0,
            Source::Course(_) => which == 1,
            Source::Level(_) | Source::Global(_) => which == 2,
        };
        if counted {
            total += source.series();
        }
        index += 1;
    }
    total
}

/// The metrics as a Markdown table, for the README.
pub fn reference_markdown() -> String {
    let mut out = String::from("| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for metric in METRICS {
        let labels = metric.labels.join(", ");
        let shape = metric.shape.as_str();
        // Writing to a String cannot fail.
        _ = writeln!(out, "| `{}` | {shape} | {labels} | {} |", metric.name, metric.help);
    }
    out
}

impl Shape {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        for metric in METRICS {
            let counter = metric.shape == Shape::Counter;
            assert_eq!(metric.name.ends_with("_total"), counter, "{}", metric.name);
            assert!(metric.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", metric.name);
            assert!(metric.help.ends_with('.') && !metric.help.contains('\n'), "{}", metric.name);
            let mut labels = metric.labels.to_vec();
            labels.sort_unstable();
            labels.dedup();
            assert_eq!(labels.len(), metric.labels.len(), "{}", metric.name);
        }
    }

    #[test]
    fn the_table_has_a_row_per_metric() {
        assert_eq!(reference_markdown().lines().count(), METRICS.len() + 2);
    }
}
