//! The `tollgate` command: arguments to settings to serving. The only place that ends the process.

use std::process::ExitCode;

use clap::Parser;

/// Fewer instructions for each of a request's small allocations than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ExitCode::from(tollgate::cli::run(tollgate::cli::Arguments::parse()))
}
