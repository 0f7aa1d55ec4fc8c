//! What the kernel knows about a process, and which core it runs on.

use std::fs;
use std::process::{Command, Stdio};
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

/// Which cores the two sides of the benchmark run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pinning {
    /// The proxy on core 0, the clients and the provider on core 1.
    TwoCores,
    /// There is one core only, or no `taskset`.
    None,
}

impl Pinning {
    /// Finds out what is possible, and moves this process to its core. It also gets as many files as the system allows.
    pub(crate) fn take() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let pid = std::process::id().to_string();
        let mut files = Command::new("sh");
        files.args(["-c", &format!("prlimit --pid {pid} --nofile=$(ulimit -Hn)")]);
        // Where it cannot be had, many streams fail and say so.
        let _more = files.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        let mut taskset = Command::new("taskset");
        taskset.args(["-a", "-c", "-p", "1", &pid]).stdout(Stdio::null()).stderr(Stdio::null());
        let moved = cores > 1 && taskset.status().is_ok_and(|status| status.success());
        if moved { Self::TwoCores } else { Self::None }
    }

    /// A command that starts the program on this core, with as many files as the system allows.
    pub(crate) fn command(self, core: usize, program: &str) -> Command {
        let taskset = if self == Self::TwoCores { format!("taskset -c {core} ") } else { String::new() };
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n $(ulimit -Hn); exec {taskset}\"$0\" \"$@\""), program]);
        command
    }
}

/// The processor's name, for the head of the report.
pub(crate) fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    let name = info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    format!("{} x {cores}", name.unwrap_or("unknown processor"))
}
