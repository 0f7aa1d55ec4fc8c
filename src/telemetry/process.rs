//! What the kernel knows about this process, read from `/proc` at the scrape. Elsewhere than on Linux there is nothing.

use std::fs;

/// One figure.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stat {
    CpuSeconds,
    ResidentBytes,
    VirtualBytes,
    OpenFds,
    MaxFds,
    Threads,
    StartSeconds,
}

/// All figures of one scrape.
#[derive(Debug, Default)]
pub(super) struct Process {
    status: String,
    stat: String,
    limits: String,
    open_fds: Option<usize>,
}

/// Ticks per second in `/proc/<pid>/stat`: fixed on Linux, whatever the kernel's own timer.
const TICKS_PER_SECOND: f64 = 100.0;

impl Process {
    /// Reads the kernel's files.
    pub(super) fn read() -> Self {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        Self {
            status: text("/proc/self/status"),
            stat: text("/proc/self/stat"),
            limits: text("/proc/self/limits"),
            // The directory handle that lists them is one of them.
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count().saturating_sub(1)),
        }
    }

    /// One figure, if it is known here.
    pub(super) fn figure(&self, stat: Stat, started_ms: i64) -> Option<f64> {
        match stat {
            Stat::CpuSeconds => self.cpu_seconds(),
            Stat::ResidentBytes => self.status_number("VmRSS:").map(|kib| kib * 1024.0),
            Stat::VirtualBytes => self.status_number("VmSize:").map(|kib| kib * 1024.0),
            Stat::OpenFds => self.open_fds.map(|count| count as f64),
            Stat::MaxFds => self.max_fds(),
            Stat::Threads => self.status_number("Threads:"),
            Stat::StartSeconds => Some(started_ms as f64 / 1e3),
        }
    }

    fn status_number(&self, field: &str) -> Option<f64> {
        let line = self.status.lines().find_map(|line| line.strip_prefix(field))?;
        line.split_whitespace().next()?.parse().ok()
    }

    fn cpu_seconds(&self) -> Option<f64> {
        // The second field is the command in parentheses and may hold anything; user and system time are the 14th and 15th.
        let (_, after_command) = self.stat.rsplit_once(')')?;
        let mut fields = after_command.split_whitespace().skip(11);
        let ticks = |field: Option<&str>| field?.parse::<f64>().ok();
        Some((ticks(fields.next())? + ticks(fields.next())?) / TICKS_PER_SECOND)
    }

    fn max_fds(&self) -> Option<f64> {
        let line = self.limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        line.split_whitespace().next()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_whatever_the_command_is_called() {
        let process = Process {
            status: "Name:\tx\nVmSize:\t  2000 kB\nVmRSS:\t  1000 kB\nThreads:\t7\n".into(),
            stat: "1 (a) b) c) S 1 1 1 0 -1 4194560 1 2 3 4 150 50 0 0 20 0 7 0 100".into(),
            limits: "Limit  Soft  Hard  Units\nMax open files            1024   4096   files\n".into(),
            open_fds: Some(5),
        };
        let figures = [Stat::CpuSeconds, Stat::ResidentBytes, Stat::Threads, Stat::MaxFds, Stat::StartSeconds]
            .map(|stat| process.figure(stat, 1500));
        assert_eq!(figures, [Some(2.0), Some(1_024_000.0), Some(7.0), Some(1024.0), Some(1.5)]);
    }

    #[test]
    fn without_the_files_there_are_no_figures() {
        assert_eq!(Process::default().figure(Stat::CpuSeconds, 0), None);
        assert_eq!(Process::default().figure(Stat::OpenFds, 0), None);
    }
}
