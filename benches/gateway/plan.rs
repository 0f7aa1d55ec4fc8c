//! What is measured, in which order.

use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tollgate::vocabulary::Clock;

use crate::load::{self, Job, Outcome};
use crate::machine::{self, Pinning};
use crate::process;
use crate::report::{Memory, Pace, Report};
use crate::subject::{Ground, Subject};
use crate::{Failure, say};

/// How a request's text reads: plain words, with the escapes that prompts have.
const SENTENCE: &str = "The toll of the northern bridge is \\\"two coins\\\" for a cart,\\nand one for a rider. ";

/// The request whose memory is measured.
const LARGE_BYTES: usize = 20 << 20;

/// How much is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A few seconds in all: shows that it works, and little about the cost
    #[arg(long)]
    quick: bool,
    /// Rounds; every subject has its turn in each [default: 5, or 1 if quick]
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Milliseconds of one turn [default: 3000, or 250 if quick]
    #[arg(long, value_name = "MS")]
    turn_ms: Option<u64>,
    /// Clients that send one request after the other
    #[arg(long, value_name = "N", default_value_t = 32)]
    clients: usize,
    /// Requests per second where latency is measured
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Streams held open where memory is measured [default: 2000, or 50 if quick]
    #[arg(long, value_name = "N")]
    streams: Option<usize>,
    /// The gateway's binary [default: the one cargo has just built]
    #[arg(long, value_name = "FILE")]
    gateway: Option<PathBuf>,
    /// Goes on without what cannot be started
    #[arg(long)]
    allow_missing: bool,
}

/// One kind of request.
struct Scene {
    name: &'static str,
    body: String,
    /// How many of the clients send it: large bodies need fewer to fill the core.
    clients: usize,
}

/// Measures, and prints the report.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let pinning = Pinning::take();
    let gateway = args.gateway.clone().unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_tollgate")));
    let ground = Ground::new(pinning, &gateway)?;
    let mock = ground.mock()?;
    let subjects = args.subjects(&ground, &mock)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let bench = Bench { args, runtime, clock: Clock::machine(), mock: &mock };
    let mut report = Report::default();
    say(&format!("{}; {pinning:?}; {} rounds of {:?}", machine::processor(), args.rounds(), args.turn()))?;
    bench.memory(&subjects, &mut report)?;
    for round in 1..=args.rounds() {
        say(&format!("round {round}"))?;
        bench.round(&subjects, &mut report)?;
    }
    report.print()
}

impl Args {
    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(if self.quick { 1 } else { 5 }).max(1)
    }

    fn turn(&self) -> Duration {
        Duration::from_millis(self.turn_ms.unwrap_or(if self.quick { 250 } else { 3000 }))
    }

    fn streams(&self) -> usize {
        self.streams.unwrap_or(if self.quick { 50 } else { 2000 })
    }

    fn subjects(&self, ground: &Ground, mock: &Subject) -> Result<Vec<Subject>, Failure> {
        let mut subjects = vec![Subject::direct(mock), ground.bare(mock)?];
        match ground.nginx(mock) {
            Ok(nginx) => subjects.push(nginx),
            Err(missing) => say(&format!("without nginx: {missing}"))?,
        }
        for gateway in [ground.ungoverned(mock), ground.governed(mock), ground.durable(mock)] {
            match gateway {
                Ok(gateway) => subjects.push(gateway),
                Err(missing) if self.allow_missing => say(&format!("without it: {missing}"))?,
                Err(missing) => return Err(missing),
            }
        }
        Ok(subjects)
    }

    fn scenes(&self) -> Vec<Scene> {
        let scene = |name, body, share: usize| Scene { name, body, clients: (self.clients / share).max(1) };
        vec![
            scene("1 KiB", body(1 << 10, ""), 1),
            scene("16 KiB", body(16 << 10, ""), 1),
            scene("1 MiB", body(1 << 20, ""), 8),
            scene("stream, 100 events", body(1 << 10, r#""stream":true,"#), 1),
        ]
    }
}

/// A chat request of so many bytes.
fn body(bytes: usize, extra: &str) -> String {
    let open = format!(r#"{{"model":"bench",{extra}"messages":[{{"role":"user","content":""#);
    let close = r#""}]}"#;
    let room = bytes.saturating_sub(open.len() + close.len());
    let sentences = SENTENCE.repeat(room / SENTENCE.len());
    let rest = "x".repeat(room - sentences.len());
    format!("{open}{sentences}{rest}{close}")
}

struct Bench<'a> {
    args: &'a Args,
    runtime: Runtime,
    clock: Clock,
    mock: &'a Subject,
}

impl Bench<'_> {
    /// Every scene with every subject, subjects one right after the other so that a slow minute hits them all.
    fn round(&self, subjects: &[Subject], report: &mut Report) -> Result<(), Failure> {
        for scene in self.args.scenes() {
            for subject in subjects {
                let pace = self.throughput(subject, &scene)?;
                report.pace(scene.name, subject.name, pace);
            }
        }
        for subject in subjects {
            let job = Job::new(subject.addr, &body(1 << 10, ""));
            let outcome = self.runtime.block_on(load::open(&job, self.args.rate, self.args.turn(), &self.clock));
            complain(subject, "open loop", &outcome)?;
            report.latency(subject.name, outcome.latencies);
        }
        Ok(())
    }

    fn throughput(&self, subject: &Subject, scene: &Scene) -> Result<Pace, Failure> {
        let job = Job::new(subject.addr, &scene.body);
        let turn = self.args.turn();
        let warm = self.runtime.block_on(load::closed(&job, scene.clients, turn / 10, &self.clock));
        complain(subject, scene.name, &warm)?;
        let before = (subject.pid().and_then(process::cpu), self.mock.pid().and_then(process::cpu));
        let outcome = self.runtime.block_on(load::closed(&job, scene.clients, turn, &self.clock));
        let after = (subject.pid().and_then(process::cpu), self.mock.pid().and_then(process::cpu));
        complain(subject, scene.name, &outcome)?;
        let used = |before: Option<Duration>, after: Option<Duration>| Some(after?.saturating_sub(before?));
        Ok(Pace::of(outcome, used(before.0, after.0), used(before.1, after.1)))
    }

    /// Before anything else, while the processes are fresh.
    fn memory(&self, subjects: &[Subject], report: &mut Report) -> Result<(), Failure> {
        for subject in subjects {
            let Some(pid) = subject.pid() else { continue };
            let fresh_kib = process::rss_kib(pid).unwrap_or_default();
            let large = Job::new(subject.addr, &body(LARGE_BYTES, ""));
            let outcome = self.runtime.block_on(load::closed(&large, 1, Duration::from_millis(5), &self.clock));
            complain(subject, "one large request", &outcome)?;
            let peak_kib = process::peak_kib(pid).unwrap_or_default();
            let idle_kib = process::rss_kib(pid).unwrap_or_default();
            let stalled = body(1 << 10, r#""stream":true,"mock":{"stall_after":3},"#);
            let job = Job::new(subject.addr, &stalled);
            let held = self.runtime.block_on(load::hold(&job, self.args.streams()));
            let held = held.map_err(|error| format!("{}: holding streams: {error}", subject.name))?;
            let (listening, large_kib) = (subject.listening, (LARGE_BYTES >> 10) as u64);
            let busy_kib = process::rss_kib(pid).unwrap_or_default();
            let streams = held.len();
            report.memory(
                subject.name,
                Memory { listening, fresh_kib, peak_kib, large_kib, idle_kib, busy_kib, streams },
            );
        }
        Ok(())
    }
}

/// A measurement with failed requests is none.
fn complain(subject: &Subject, scene: &str, outcome: &Outcome) -> Result<(), Failure> {
    let failure = outcome.last_failure.as_deref().unwrap_or("no request was answered");
    if outcome.failed > 0 || outcome.latencies.is_empty() {
        return Err(format!("{}, {scene}: {} requests failed: {failure}", subject.name, outcome.failed).into());
    }
    Ok(())
}
