//! Counting: the heap's calls in this process, instructions in another one under callgrind.

use std::process::{Command, Stdio};

use stats_alloc::Region;

use crate::cases::Case;
use crate::{ALLOCATOR, Failure};

/// What an operation asks of the heap, in tenths.
pub(crate) struct Heap {
    /// Allocations and reallocations.
    pub(crate) calls: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
}

/// Runs a case and counts. What only the first operations need is not counted.
pub(crate) fn heap(case: &Case, quick: bool) -> Result<Heap, Failure> {
    let times = case.times(quick);
    let mut operation = (case.make)()?;
    (0..times.min(50)).try_for_each(|_| operation())?;
    let region = Region::new(ALLOCATOR);
    (0..times).try_for_each(|_| operation())?;
    let change = region.change();
    let parts = times * case.parts;
    let tenths = |count: usize| (count as u64).saturating_mul(10) / parts;
    Ok(Heap { calls: tenths(change.allocations + change.reallocations), bytes: tenths(change.bytes_allocated) })
}

/// Whether instructions can be counted here.
pub(crate) fn valgrind() -> bool {
    Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The instructions of one operation: those of twice as many less those of as many.
pub(crate) fn instructions(case: &Case, quick: bool) -> Result<u64, Failure> {
    let times = case.times(quick);
    let (once, twice) = (collected(case, times)?, collected(case, 2 * times)?);
    Ok(twice.saturating_sub(once) / (times * case.parts))
}

fn collected(case: &Case, times: u64) -> Result<u64, Failure> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe()?)
        .args(["--child", case.name, "--times", &times.to_string()])
        .output()?;
    let told = String::from_utf8(output.stderr)?;
    let count =
        told.lines().find_map(|line| line.split_once("Collected :")).and_then(|(_, count)| count.trim().parse().ok());
    count.ok_or_else(|| format!("callgrind counted nothing for {}: {told}", case.name).into())
}
