//! What a full data directory costs: memory of a key, the look-up of one, the start, and reports over many receipts.
//! `benches/README.md` says how to run it and how to read it.

mod client;
mod lines;
#[path = "../gateway/process.rs"]
mod process;
mod stand;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tollgate::vocabulary::Clock;

use lines::Amount;
use stand::Stand;

/// What ends a benchmark.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Requests whose median is told.
const REQUESTS: usize = 501;

#[derive(Parser)]
#[command(about = "Measures the gateway on a data directory with many keys and receipts")]
struct Line {
    /// Keys on record, in the order in which they are tried
    #[arg(long, value_delimiter = ',', default_value = "0,10000,100000")]
    keys: Vec<u64>,
    /// Receipts of the last thirty days
    #[arg(long, default_value_t = 100_000)]
    receipts: u64,
    /// Where the directories are made; each is removed after its turn
    #[arg(long)]
    directory: Option<PathBuf>,
    /// The gateway's binary
    #[arg(long, default_value = env!("CARGO_BIN_EXE_tollgate"))]
    gateway: PathBuf,
    /// A few keys and receipts: shows that it runs
    #[arg(long)]
    quick: bool,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let mut line = Line::parse();
    if line.quick {
        (line.keys, line.receipts) = (vec![0, 100], 1000);
    }
    match run(&line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let told = writeln!(io::stderr(), "scale bench: {failure}");
            ExitCode::from(if told.is_ok() { 1 } else { 2 })
        }
    }
}

fn run(line: &Line) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let mut empty = None;
    for keys in &line.keys {
        let amount = Amount { keys: *keys, receipts: line.receipts };
        writeln!(out, "{} keys, {} receipts", amount.keys, amount.receipts)?;
        let clock = Clock::machine();
        let began = clock.now();
        let stand = Stand::fill(&line.gateway, line.directory.as_deref(), amount)?;
        row(&mut out, "import, s", seconds(clock.now().since(began)))?;
        row(&mut out, "file, MiB", stand.file_bytes()? as f64 / f64::from(1 << 20))?;
        measure(&mut out, &stand, amount, &mut empty)?;
    }
    Ok(())
}

/// `empty`: the resident memory of the first directory that was tried, in KiB, and its keys.
fn measure(
    out: &mut dyn io::Write,
    stand: &Stand,
    amount: Amount,
    empty: &mut Option<(u64, u64)>,
) -> Result<(), Failure> {
    let mut gateway = stand.start()?;
    row(out, "listens after, ms", milliseconds(gateway.listening))?;
    row(out, "CPU until then, ms", milliseconds(gateway.cpu()?))?;
    let resident = gateway.resident_kib()?;
    row(out, "resident memory, MiB", resident as f64 / 1024.0)?;
    row(out, "at its peak, MiB", gateway.peak_kib()? as f64 / 1024.0)?;
    let (before, of) = *empty.get_or_insert((resident, amount.keys));
    if amount.keys > of {
        let bytes = resident.saturating_sub(before) * 1024;
        row(out, "memory of a key, bytes", bytes as f64 / (amount.keys - of) as f64)?;
    }
    if amount.keys > 0 {
        let same = gateway.chats(std::iter::repeat_n(0, REQUESTS))?;
        row(out, "a call with one key, us", microseconds(same))?;
        // Far from each other, so that none is warm by its neighbour; none was met before.
        let step = (amount.keys / REQUESTS as u64).max(1);
        let others = (0..amount.keys).rev().step_by(usize::try_from(step)?).take(REQUESTS);
        row(out, "a call with a key not met yet, us", microseconds(gateway.chats(others)?))?;
    }
    for (what, path) in [
        ("a page of keys, ms", "/key/list?page=1&size=50".to_owned()),
        ("spend by key, ms", format!("/global/spend/report?{}&group_by=api_key", lines::PERIOD)),
        ("spend by day, ms", format!("/spend/logs?{}&summarize=true", lines::PERIOD)),
        ("a page of receipts, ms", format!("/spend/logs/v2?{}&page=1&page_size=50", lines::PERIOD)),
    ] {
        row(out, what, milliseconds(gateway.get(&path)?))?;
    }
    row(out, "a key is made, ms", milliseconds(gateway.generate()?))?;
    Ok(())
}

fn row(out: &mut dyn io::Write, what: &str, figure: f64) -> io::Result<()> {
    writeln!(out, "  {what:<36} {figure:>12.1}")
}

fn seconds(time: Duration) -> f64 {
    time.as_secs_f64()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
