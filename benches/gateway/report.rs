//! Medians over the rounds, side by side.

use std::time::Duration;

use crate::load::Outcome;
use crate::{Failure, say};

/// One turn of one subject.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    cpu_us: Option<f64>,
    mock_us: Option<f64>,
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
}

/// How soon a process listened, and its resident memory: just started, at the peak of one large request, and without and
/// with streams after that.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) listening: Duration,
    pub(crate) fresh_kib: u64,
    pub(crate) peak_kib: u64,
    pub(crate) large_kib: u64,
    pub(crate) idle_kib: u64,
    pub(crate) busy_kib: u64,
    pub(crate) streams: usize,
}

/// Everything that was measured.
#[derive(Debug, Default)]
pub(crate) struct Report {
    paces: Vec<(&'static str, &'static str, Pace)>,
    latencies: Vec<(&'static str, f64, f64)>,
    memory: Vec<(&'static str, Memory)>,
}

impl Pace {
    /// From the requests of a turn, and the CPU time the subject and the provider used in it.
    pub(crate) fn of(outcome: Outcome, cpu: Option<Duration>, mock: Option<Duration>) -> Self {
        let done = outcome.latencies.len() as f64;
        let each = |time: Duration| micros(time) / done;
        let (p50_us, p99_us) = percentiles(outcome.latencies);
        Self {
            cpu_us: cpu.map(each),
            mock_us: mock.map(each),
            per_second: done / outcome.took.as_secs_f64(),
            p50_us,
            p99_us,
        }
    }
}

impl Report {
    /// Adds a turn.
    pub(crate) fn pace(&mut self, scene: &'static str, subject: &'static str, pace: Pace) {
        self.paces.push((scene, subject, pace));
    }

    /// Adds the latencies of one open-loop turn.
    pub(crate) fn latency(&mut self, subject: &'static str, latencies: Vec<Duration>) {
        let (p50, p99) = percentiles(latencies);
        self.latencies.push((subject, p50, p99));
    }

    /// Adds a subject's memory.
    pub(crate) fn memory(&mut self, subject: &'static str, memory: Memory) {
        self.memory.push((subject, memory));
    }

    /// Prints the tables.
    pub(crate) fn print(&self) -> Result<(), Failure> {
        for scene in distinct(self.paces.iter().map(|(scene, ..)| *scene)) {
            self.print_scene(scene)?;
        }
        self.print_latency()?;
        self.print_memory()
    }

    fn print_scene(&self, scene: &str) -> Result<(), Failure> {
        say(&format!("\n{scene}, closed loop (medians)"))?;
        say("| subject | CPU us/req | req/s | p50 us | p99 us | mock CPU us/req |")?;
        say("|---|---:|---:|---:|---:|---:|")?;
        for subject in distinct(self.paces.iter().map(|(_, subject, _)| *subject)) {
            let of = |part: fn(&Pace) -> Option<f64>| self.median_of(scene, subject, part);
            let cells = [
                of(|pace| pace.cpu_us),
                of(|pace| Some(pace.per_second)),
                of(|pace| Some(pace.p50_us)),
                of(|pace| Some(pace.p99_us)),
                of(|pace| pace.mock_us),
            ];
            say(&format!("| {subject} | {} |", cells.map(cell).join(" | ")))?;
        }
        Ok(())
    }

    fn median_of(&self, scene: &str, subject: &str, part: fn(&Pace) -> Option<f64>) -> Option<f64> {
        let turns = self.paces.iter().filter(|(in_scene, by, _)| *in_scene == scene && *by == subject);
        median(turns.filter_map(|(.., pace)| part(pace)).collect())
    }

    fn print_latency(&self) -> Result<(), Failure> {
        say("\n1 KiB, open loop: latency added to the provider's own (medians)")?;
        say("| subject | p50 us | p99 us | added p50 us | added p99 us |")?;
        say("|---|---:|---:|---:|---:|")?;
        let of = |subject: &str| {
            let turns = || self.latencies.iter().filter(move |(by, ..)| *by == subject);
            let (p50, p99) = (median(turns().map(|it| it.1).collect()), median(turns().map(|it| it.2).collect()));
            (p50.unwrap_or_default(), p99.unwrap_or_default())
        };
        let (direct_p50, direct_p99) = of("direct");
        for subject in distinct(self.latencies.iter().map(|(subject, ..)| *subject)) {
            let (p50, p99) = of(subject);
            let cells = [p50, p99, p50 - direct_p50, p99 - direct_p99].map(|number| cell(Some(number)));
            say(&format!("| {subject} | {} |", cells.join(" | ")))?;
        }
        Ok(())
    }

    fn print_memory(&self) -> Result<(), Failure> {
        say("\nstart and resident memory")?;
        say(
            "| subject | listens after ms | idle MiB | one large request, x its size | with streams MiB | streams | KiB/stream |",
        )?;
        say("|---|---:|---:|---:|---:|---:|---:|")?;
        for (subject, memory) in &self.memory {
            let mib = |kib: u64| kib as f64 / 1024.0;
            let each = memory.busy_kib.saturating_sub(memory.idle_kib) as f64 / memory.streams.max(1) as f64;
            let large = memory.peak_kib.saturating_sub(memory.fresh_kib) as f64 / memory.large_kib.max(1) as f64;
            let (idle, busy, listens) = (mib(memory.fresh_kib), mib(memory.busy_kib), micros(memory.listening) / 1e3);
            let streams = memory.streams;
            say(&format!("| {subject} | {listens:.0} | {idle:.1} | {large:.2} | {busy:.1} | {streams} | {each:.1} |"))?;
        }
        Ok(())
    }
}

fn distinct(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut seen = Vec::new();
    for name in names {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    seen
}

fn percentiles(mut latencies: Vec<Duration>) -> (f64, f64) {
    latencies.sort_unstable();
    let at = |percent: usize| latencies.get(latencies.len() * percent / 100).copied().unwrap_or_default();
    (micros(at(50)), micros(at(99)))
}

fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_unstable_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match numbers.len() {
        0 => None,
        odd if odd % 2 == 1 => numbers.get(middle).copied(),
        _ => Some((numbers[middle - 1] + numbers[middle]) / 2.0),
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn cell(number: Option<f64>) -> String {
    match number {
        None => "-".to_owned(),
        Some(number) if number.abs() < 100.0 => format!("{number:.1}"),
        Some(number) => format!("{number:.0}"),
    }
}
