//! The `tollgate` binary as a child process.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a process may take until it listens. Generous: a busy machine is no failure.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// How much of what a process prints is kept.
const OUTPUT_BYTES_MAX: usize = 32 << 20;
/// What the line ends with that says where a process listens; `http` or `https`.
const LISTENING: &str = "listening on http";

/// A running `tollgate` that listens. Killed when it is dropped, and when the test ends without dropping it (a static).
pub(crate) struct Process {
    child: Child,
    watchdog: Child,
    address: SocketAddr,
    output: Output,
}

impl Process {
    /// Starts a fake provider on a free port.
    pub(crate) fn mock(flags: &[&str]) -> Self {
        Self::spawn([&["mock", "--port", "0"], flags].concat(), &[])
    }

    /// Starts a gateway on a free port.
    pub(crate) fn gateway<A: AsRef<OsStr>>(config: A, flags: &[&str]) -> Self {
        let mut arguments: Vec<&OsStr> = ["--port", "0", "--config"].map(OsStr::new).to_vec();
        arguments.push(config.as_ref());
        arguments.extend(flags.iter().map(OsStr::new));
        Self::spawn(arguments, &[])
    }

    /// Starts the binary with these arguments and only these variables (and `PATH`), and waits until it listens.
    pub(crate) fn spawn<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tollgate"))
            .args(arguments)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let watchdog = watchdog(child.id());
        let output = Output::default();
        let (found, address) = mpsc::channel();
        output.follow(child.stdout.take().unwrap(), Some(found));
        output.follow(child.stderr.take().unwrap(), None);
        match address.recv_timeout(START_DEADLINE) {
            Ok(address) => Self { child, watchdog, address, output },
            Err(why) => {
                child.kill().ok();
                let status = child.wait();
                panic!("it never said where it listens ({why}, {status:?}):\n{}", output.text())
            }
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has printed so far, both streams.
    pub(crate) fn output(&self) -> String {
        self.output.text()
    }

    /// How much it has printed so far, to hand to `output_from`.
    pub(crate) fn printed(&self) -> usize {
        self.output.0.lock().unwrap().len()
    }

    /// What it has printed since.
    pub(crate) fn output_from(&self, printed: usize) -> String {
        self.output.0.lock().unwrap()[printed..].to_owned()
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal by name, e.g. `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(status.success(), "kill -{name} {}", self.pid());
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The watchdog first: the process' number may belong to another one soon.
        for child in [&mut self.watchdog, &mut self.child] {
            child.kill().ok();
            child.wait().ok();
        }
        if std::thread::panicking() {
            println!("--- what the process on {} printed:\n{}", self.address, self.output.text());
        }
    }
}

/// Ends a process when this one is gone: its standard input ends then, however this one ended.
pub(super) fn watchdog(pid: u32) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", "read -r _; kill -9 \"$0\""]).arg(pid.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// What a process prints, gathered by a thread per stream so that it never waits for its reader.
#[derive(Clone, Default)]
struct Output(Arc<Mutex<String>>);

impl Output {
    fn follow(&self, stream: impl Read + Send + 'static, mut found: Option<Sender<SocketAddr>>) {
        let output = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                if let Some(address) = listening(&line)
                    && let Some(found) = found.take()
                {
                    found.send(address).ok();
                }
                output.keep(&line);
            }
        });
    }

    fn keep(&self, line: &str) {
        let mut text = self.0.lock().unwrap();
        if text.len() + line.len() < OUTPUT_BYTES_MAX {
            text.push_str(line);
            text.push('\n');
        }
    }

    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }
}

/// The address in a line like `tollgate: listening on http://127.0.0.1:4000`.
fn listening(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(LISTENING)?;
    let rest = rest.strip_prefix('s').unwrap_or(rest).strip_prefix("://")?;
    rest.split_whitespace().next()?.trim_end_matches('/').parse().ok()
}
