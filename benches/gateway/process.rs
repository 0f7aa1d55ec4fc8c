//! What the kernel knows about a process.

use std::fs;
use std::time::Duration;

/// `USER_HZ`, which is 100 on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// CPU time a process has used, in user and system mode, all its threads together.
pub(crate) fn cpu(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    // Behind the name: state is field 3 of proc(5), utime 14, stime 15.
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u32>);
    Some(TICK * ticks.sum::<Result<u32, _>>().ok()?)
}

/// Resident memory of a process in KiB.
pub(crate) fn rss_kib(pid: u32) -> Option<u64> {
    of_status(pid, "VmRSS:")
}

/// The most resident memory that a process ever had, in KiB.
pub(crate) fn peak_kib(pid: u32) -> Option<u64> {
    of_status(pid, "VmHWM:")
}

fn of_status(pid: u32, name: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}
