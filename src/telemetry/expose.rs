//! From atomics to families: what a scrape builds, once per name.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

use super::atoms;
use super::globals::{Beside, Globals};
use super::inventory::{self, BlockRead, CourseRead, Shape, Source, Timed, Unit};
use super::kinds;
use super::labels::{DeploymentName, KeyName, OTHER};
use super::levels::Level;
use super::store::{Attempt, Block, Course, TOKEN_KINDS, WASTES, request_of};

/// Everything one scrape reads.
pub(super) struct Snapshot<'a> {
    pub(super) blocks: Vec<Arc<Block>>,
    pub(super) courses: Vec<Arc<Course>>,
    pub(super) levels: Vec<Level>,
    pub(super) globals: &'a Globals,
    pub(super) beside: Beside<'a>,
}

/// Labels that only some families have, with their values.
type Extra<'a> = &'a [(&'a str, &'a str)];

/// The names a series takes its labels from.
#[derive(Default)]
struct Names<'a> {
    key: Option<&'a KeyName>,
    deployment: Option<&'a DeploymentName>,
    endpoint: &'a str,
}

impl Names<'_> {
    /// The value of a label; empty where there is none, which is the same as no label.
    fn value<'b>(&'b self, label: &str, extra: Extra<'b>) -> &'b str {
        if let Some((_, value)) = extra.iter().find(|(name, _)| *name == label) {
            return value;
        }
        match label {
            "key" => self.key.map_or("", KeyName::shown),
            "api_key_alias" => self.key.map_or("", |key| &key.alias),
            "key_hash" | "hashed_api_key" => self.key.map_or("", |key| &key.hash),
            "model_group" | "requested_model" | "fallback_model" => self.deployment.map_or("", |name| &name.group),
            "model" | "litellm_model_name" => self.deployment.map_or("", |name| &name.model),
            "deployment" | "model_id" => self.deployment.map_or("", |name| &name.id),
            "provider" | "api_provider" => self.deployment.map_or("", |name| &name.provider),
            "api_base" => self.deployment.map_or("", |name| &name.api_base),
            "endpoint" | "route" => self.endpoint,
            _ => "",
        }
    }

    fn pairs(&self, labels: &[&str], extra: Extra<'_>) -> Vec<LabelPair> {
        labels
            .iter()
            .map(|label| {
                let mut pair = LabelPair::default();
                pair.set_name((*label).to_owned());
                pair.set_value(self.value(label, extra).to_owned());
                pair
            })
            .collect()
    }
}

/// Builds one family; None if it has no series now.
pub(super) fn family(metric: &inventory::Metric, from: &Snapshot<'_>) -> Option<MetricFamily> {
    let mut rows = Rows { metric, out: Vec::new() };
    match metric.source {
        Source::Block(read) => from.blocks.iter().for_each(|block| rows.block(block, read)),
        Source::Course(read) => from.courses.iter().for_each(|course| rows.course(course, read)),
        Source::Level(read) => from.levels.iter().for_each(|level| rows.level(level, level.value(read))),
        Source::Global(read) => {
            from.globals.read(read, &from.beside).into_iter().for_each(|(word, value)| rows.global(word, value));
        }
    }
    rows.finish()
}

/// The series of one family.
struct Rows<'a> {
    metric: &'a inventory::Metric,
    out: Vec<Metric>,
}

impl Rows<'_> {
    fn push(&mut self, names: &Names<'_>, extra: Extra<'_>, value: f64) {
        let mut row = Metric::from_label(names.pairs(self.metric.labels, extra));
        if self.metric.shape == Shape::Gauge {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            row.set_gauge(gauge);
        } else {
            let mut counter = Counter::default();
            counter.set_value(value);
            row.set_counter(counter);
        }
        self.out.push(row);
    }

    fn global(&mut self, word: &str, value: f64) {
        let extra: Vec<_> = self.metric.labels.iter().map(|label| (*label, word)).collect();
        self.push(&Names::default(), &extra, value);
    }

    fn level(&mut self, level: &Level, value: Option<f64>) {
        let Some(value) = value else { return };
        let extra = [("scope", level.word()), ("limit", level.word())];
        let names = Names { key: Some(&level.key), deployment: Some(&level.target), endpoint: "" };
        self.push(&names, &extra, value);
    }

    fn block(&mut self, block: &Block, read: BlockRead) {
        let shown = block.shown.load();
        let endpoint = block.place.endpoint.as_str();
        let names = Names { key: Some(&block.place.key), deployment: Some(&shown), endpoint };
        let tokens = |kind: usize| block.tokens.get(kind).map_or(0, |count| count.load(Ordering::Relaxed));
        match read {
            BlockRead::Requests => {
                for (code, count) in block.requests.read() {
                    let known = request_of(code);
                    let status = known.map_or(OTHER, |(status, _)| kinds::status(status).0);
                    let outcome = known.map_or(OTHER, |(_, outcome)| outcome.as_str());
                    self.push(&names, &[("status", status), ("outcome", outcome)], count as f64);
                }
            }
            BlockRead::RequestsByStatus => {
                for (status, count) in by_status(requests(block)) {
                    self.push(&names, &[("status_code", kinds::status(status).0)], count as f64);
                }
            }
            BlockRead::Failures => {
                for (status, count) in by_status(requests(block).filter(|(status, _)| *status == 0 || *status >= 400)) {
                    let (status, class) = kinds::status(status);
                    self.push(&names, &[("exception_status", status), ("exception_class", class)], count as f64);
                }
            }
            BlockRead::Dispatched if shown.id.is_empty() => {}
            BlockRead::Dispatched => self.push_nonzero(&names, &[], block.requests.total() as f64),
            BlockRead::Spend => {
                self.push_nonzero(&names, &[], block.spend_pico.load(Ordering::Relaxed) as f64 / 1e12);
            }
            BlockRead::Wasted => {
                for (reason, pico) in WASTES.iter().zip(&block.wasted_pico) {
                    self.push_nonzero(&names, &[("reason", reason)], pico.load(Ordering::Relaxed) as f64 / 1e12);
                }
            }
            BlockRead::TokensByKind => {
                for (index, kind) in TOKEN_KINDS.iter().enumerate() {
                    self.push_nonzero(&names, &[("kind", kind)], tokens(index) as f64);
                }
            }
            BlockRead::TokensTotal => self.push_nonzero(&names, &[], tokens(0).saturating_add(tokens(1)) as f64),
            BlockRead::Tokens(kind) => self.push_nonzero(&names, &[], tokens(kind) as f64),
        }
    }

    fn push_nonzero(&mut self, names: &Names<'_>, extra: Extra<'_>, value: f64) {
        if value > 0.0 {
            self.push(names, extra, value);
        }
    }

    fn course(&mut self, course: &Course, read: CourseRead) {
        let shown = course.shown.load();
        let names = Names { deployment: Some(&shown), ..Names::default() };
        match read {
            CourseRead::Timed(timed, unit) => self.push_histogram(&names, histogram(course, timed), unit),
            CourseRead::Attempts => {
                for (word, count) in attempt_words(course) {
                    self.push(&names, &[("outcome", word)], count as f64);
                }
            }
            CourseRead::AttemptsTotal => self.push_nonzero(&names, &[], course.attempts.total() as f64),
            CourseRead::AttemptsAnswered => {
                let answered = attempts(course).filter(|(attempt, _)| *attempt == Attempt::Success);
                self.push_nonzero(&names, &[], answered.map(|(_, count)| count).sum::<u64>() as f64);
            }
            CourseRead::AttemptsFailed => {
                for (status, count) in by_status(attempts(course).filter_map(failed_status)) {
                    let (status, class) = kinds::status(status);
                    self.push(&names, &[("exception_status", status), ("exception_class", class)], count as f64);
                }
            }
            CourseRead::Cooled => {
                let cooled = course.cooled.read().map(|(code, count)| (Attempt::of(code), count));
                for (status, count) in by_status(cooled.filter_map(failed_status)) {
                    self.push(&names, &[("exception_status", kinds::status(status).0)], count as f64);
                }
            }
            CourseRead::FallbacksAnswered => {
                self.push_nonzero(&names, &[], course.fallbacks_answered.load(Ordering::Relaxed) as f64);
            }
            CourseRead::FallbacksFailed => {
                self.push_nonzero(&names, &[], course.fallbacks_failed.load(Ordering::Relaxed) as f64);
            }
            CourseRead::Kept => {
                for (word, count) in ["home", "away"].into_iter().zip(&course.at_home) {
                    self.push_nonzero(&names, &[("at", word)], count.load(Ordering::Relaxed) as f64);
                }
            }
            CourseRead::CachedShare => {
                let prompt = course.prompt.load(Ordering::Relaxed);
                if prompt > 0 {
                    self.push(&names, &[], course.cached.load(Ordering::Relaxed) as f64 / prompt as f64);
                }
            }
            CourseRead::Retries => self.push_nonzero(&names, &[], course.retries.load(Ordering::Relaxed) as f64),
        }
    }

    fn push_histogram(&mut self, names: &Names<'_>, from: &atoms::Histogram, unit: Unit) {
        let read = from.read();
        if read.count == 0 {
            return;
        }
        let buckets = read.cumulative.iter().map(|&(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(unit.of_ns(bound));
            bucket.set_cumulative_count(count);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(read.count);
        histogram.set_sample_sum(unit.of_ns(read.sum_ns));
        let mut row = Metric::from_label(names.pairs(self.metric.labels, &[]));
        row.set_histogram(histogram);
        self.out.push(row);
    }

    fn finish(self) -> Option<MetricFamily> {
        if self.out.is_empty() {
            return None;
        }
        let mut family = MetricFamily::default();
        family.set_name(self.metric.name.to_owned());
        family.set_help(self.metric.help.to_owned());
        family.set_field_type(match self.metric.shape {
            Shape::Counter => MetricType::COUNTER,
            Shape::Gauge => MetricType::GAUGE,
            Shape::Histogram => MetricType::HISTOGRAM,
        });
        family.set_metric(self.out);
        Some(family)
    }
}

impl Unit {
    fn of_ns(self, ns: u64) -> f64 {
        match self {
            Self::Seconds => ns as f64 / 1e9,
            Self::Microseconds => ns as f64 / 1e3,
        }
    }
}

fn histogram(course: &Course, timed: Timed) -> &atoms::Histogram {
    match timed {
        Timed::Total => &course.total,
        Timed::Upstream => &course.upstream,
        Timed::FirstToken => &course.first_token,
        Timed::PerToken => &course.per_token,
        Timed::Overhead => &course.overhead,
    }
}

/// Requests of a block with their status; zero stands for other.
fn requests(block: &Block) -> impl Iterator<Item = (u16, u64)> {
    block.requests.read().map(|(code, count)| (request_of(code).map_or(0, |(status, _)| status), count))
}

fn attempts(course: &Course) -> impl Iterator<Item = (Attempt, u64)> {
    course.attempts.read().map(|(code, count)| (Attempt::of(code), count))
}

fn failed_status((attempt, count): (Attempt, u64)) -> Option<(u16, u64)> {
    match attempt {
        Attempt::Failed(_, status) => Some((status, count)),
        Attempt::Success | Attempt::Abandoned | Attempt::Lost => None,
    }
}

/// Attempts by word: codes that differ in status only are one series.
fn attempt_words(course: &Course) -> Vec<(&'static str, u64)> {
    sums(attempts(course).map(|(attempt, count)| (attempt.word(), count)))
}

fn by_status(counts: impl Iterator<Item = (u16, u64)>) -> Vec<(u16, u64)> {
    sums(counts)
}

/// Adds up what has the same name. A handful of names: a scan is enough.
fn sums<T: PartialEq>(counts: impl Iterator<Item = (T, u64)>) -> Vec<(T, u64)> {
    let mut sums: Vec<(T, u64)> = Vec::new();
    for (name, count) in counts {
        match sums.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += count,
            None => sums.push((name, count)),
        }
    }
    sums
}
