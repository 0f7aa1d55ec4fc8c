//! The machine: its processor, and which core a process runs on.

use std::fs;
use std::process::{Command, Stdio};

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
