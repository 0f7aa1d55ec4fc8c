//! What the core costs: instructions and allocations of each operation, without a socket.
//!
//! Counts, not times: they hardly differ between two runs, so that a change of a percent is a change. Instructions are
//! counted by callgrind, where valgrind is installed: the benchmark starts itself under it with a number of operations
//! and with twice that, and the difference is theirs alone. `README.md` beside this file says how to read the table.

mod bodies;
mod cases;
mod count;
mod vendors;

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use cases::Case;

/// Counts what every operation asks of the heap.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// What ends the benchmark.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

#[derive(Parser)]
#[command(about = "Counts the instructions and allocations of the core")]
struct Line {
    /// A few operations of each: shows that it runs
    #[arg(long)]
    quick: bool,
    /// Only cases whose name has this in it
    only: Option<String>,
    /// Runs a case, under valgrind
    #[arg(long, hide = true, requires = "times")]
    child: Option<String>,
    #[arg(long, hide = true)]
    times: Option<u64>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let line = Line::parse();
    let done = match &line.child {
        Some(name) => child(name, line.times.unwrap_or(1)),
        None => table(&line),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let told = writeln!(io::stderr(), "core bench: {failure}");
            ExitCode::from(if told.is_ok() { 1 } else { 2 })
        }
    }
}

fn child(name: &str, times: u64) -> Result<(), Failure> {
    let case = cases::ALL.iter().find(|case| case.name == name).ok_or("no such case")?;
    let mut operation = (case.make)()?;
    (0..times).try_for_each(|_| operation())
}

fn table(line: &Line) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let valgrind = count::valgrind();
    if !valgrind {
        writeln!(out, "instructions: skipped: valgrind is not installed")?;
    }
    writeln!(out, "{:<44} {:>14} {:>12} {:>12}", "", "instructions", "allocations", "bytes")?;
    let wanted = |case: &&Case| line.only.as_deref().is_none_or(|only| case.name.contains(only));
    for case in cases::ALL.iter().filter(wanted) {
        let heap = count::heap(case, line.quick)?;
        let instructions = match valgrind {
            true => count::instructions(case, line.quick)?.to_string(),
            false => "-".to_owned(),
        };
        writeln!(out, "{:<44} {instructions:>14} {:>12} {:>12}", case.name, tenths(heap.calls), tenths(heap.bytes))?;
        out.flush()?;
    }
    Ok(())
}

/// A number of tenths, as a decimal.
fn tenths(number: u64) -> String {
    if number.is_multiple_of(10) { (number / 10).to_string() } else { format!("{}.{}", number / 10, number % 10) }
}
