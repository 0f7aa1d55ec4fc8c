//! What the gateway costs: CPU, latency and memory per request, beside a bare Pingora pass-through and nginx, with the
//! same clients and the same fake provider. `benches/README.md` says how to run it and how to read it.

mod bare;
mod load;
mod machine;
mod plan;
mod process;
mod report;
mod subject;

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// As in the gateway's own binary, so that the pass-through does not differ by its allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What ends a benchmark.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

#[derive(Parser)]
#[command(about = "Measures the gateway beside a bare Pingora and nginx")]
struct Line {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    plan: plan::Args,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

/// The benchmark starts itself in these roles.
#[derive(Subcommand)]
enum Role {
    /// The fake provider
    #[command(hide = true)]
    Mock(Box<tollgate::mock::Args>),
    /// The bare Pingora pass-through
    #[command(hide = true)]
    Bare(bare::Args),
}

fn main() -> ExitCode {
    let line = Line::parse();
    let done = match line.role {
        Some(Role::Mock(args)) => tollgate::mock::run(*args).map_err(Failure::from),
        Some(Role::Bare(args)) => bare::run(&args),
        None => plan::run(&line.plan),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let told = writeln!(io::stderr(), "gateway bench: {failure}");
            ExitCode::from(if told.is_ok() { 1 } else { 2 })
        }
    }
}

/// Prints a line.
///
/// # Errors
/// Nobody reads.
pub(crate) fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
