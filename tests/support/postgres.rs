//! A PostgreSQL of one test's own, on a socket in a directory that goes with it.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use super::process::watchdog;
use super::redis::free_port;
use super::tls::Pair;

const START_DEADLINE: Duration = Duration::from_secs(60);
/// What the server runs as where this is root, as whom it refuses to.
const USER: &str = "postgres";

/// A server. Ends with its test.
pub(crate) struct Postgres {
    directory: PathBuf,
    programs: PathBuf,
    port: u16,
    /// Settings beside the usual ones.
    settings: Vec<String>,
    running: Option<(Child, Child)>,
}

impl Postgres {
    /// Makes an empty database and starts a server on it; None, with a word, where there is none to start.
    pub(crate) fn start() -> Option<Self> {
        let mut server = Self::made()?;
        server.run();
        Some(server)
    }

    /// The same, which takes connections over TLS alone, but for its owner's.
    pub(crate) fn start_with_tls(pair: &Pair) -> Option<Self> {
        let mut server = Self::made()?;
        for (name, text) in [("server.crt", &pair.certificate_pem), ("server.key", &pair.key_pem)] {
            server.put(name, text);
        }
        server.put("data/pg_hba.conf", "local all all trust\nhostssl all all all trust\n");
        server.port = free_port();
        let at = |name: &str| server.directory.join(name).display().to_string();
        let settings = [
            "listen_addresses=localhost".to_owned(),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", at("server.crt")),
            format!("ssl_key_file={}", at("server.key")),
        ];
        server.settings = settings.to_vec();
        server.run();
        Some(server)
    }

    /// Writes a file that only the server may read.
    fn put(&self, name: &str, text: &str) {
        let path = self.directory.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        if let Some((user, group)) = ids().filter(|_| is_root()) {
            chown(&path, Some(user), Some(group)).unwrap();
        }
    }

    fn made() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let Some(programs) = programs() else {
            println!("skipped: no PostgreSQL is installed (scripts/install-tools.sh test installs it)");
            return None;
        };
        // Short: a socket's path has a hundred letters.
        let unique = format!("tollgate-pg-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(unique);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).unwrap();
        if is_root() {
            let Some((user, group)) = ids() else {
                println!("skipped: there is no user {USER} to run PostgreSQL as");
                return None;
            };
            chown(&directory, Some(user), Some(group)).unwrap();
        }
        let settings = vec!["listen_addresses=".to_owned()];
        let server = Self { directory, programs, port: 5432, settings, running: None };
        let made = server
            .command("initdb")
            .args(["-D", "data", "-U", "gate", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some(server)
    }

    /// Starts it, or starts it again. It is killed in tests, the machine is not: nothing waits for a disk.
    pub(crate) fn run(&mut self) {
        let mut child = self
            .command("postgres")
            .args(["-D", "data", "-p", &self.port.to_string(), "-c", "max_connections=50", "-c", "fsync=off", "-c"])
            .arg(format!("unix_socket_directories={}", self.directory.display()))
            .args(self.settings.iter().flat_map(|setting| ["-c", setting]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let watchdog = watchdog(child.id());
        let (ready, waits) = mpsc::channel();
        let output = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if line.contains("ready to accept connections") {
                    ready.send(()).ok();
                }
            }
        });
        self.running = Some((child, watchdog));
        waits.recv_timeout(START_DEADLINE).unwrap();
    }

    /// Ends it at once: connections break off, and it recovers when it is started again.
    pub(crate) fn kill(&mut self) {
        let Some((mut child, mut watchdog)) = self.running.take() else { return };
        let told = Command::new("kill").args(["-QUIT", &child.id().to_string()]).status().unwrap();
        assert!(told.success());
        child.wait().unwrap();
        watchdog.kill().ok();
        watchdog.wait().ok();
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        let host = self.directory.display().to_string().replace('/', "%2F");
        format!("postgres://gate@{host}:{}/postgres", self.port)
    }

    /// Its address over TLS, with what is asked of its certificate.
    pub(crate) fn url_over_tls(&self, mode: &str, root: &Path) -> String {
        format!("postgres://gate@localhost:{}/postgres?sslmode={mode}&sslrootcert={}", self.port, root.display())
    }

    /// Runs statements as its owner; the columns of each row with a bar between them.
    pub(crate) fn sql(&self, text: &str) -> Vec<String> {
        let output = self
            .command("psql")
            .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-U", "gate", "-d", "postgres", "-c", text, "-h"])
            .arg(&self.directory)
            .args(["-p", &self.port.to_string()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// The number that a statement gives.
    #[track_caller]
    pub(crate) fn number(&self, text: &str) -> i64 {
        self.sql(text)[0].parse().unwrap()
    }

    fn command(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", USER, "--regid", USER, "--clear-groups", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(&self.directory).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
        std::fs::remove_dir_all(&self.directory).ok();
    }
}

/// Where its programs are: Debian keeps them out of the way.
fn programs() -> Option<PathBuf> {
    let has = |directory: &Path| ["initdb", "postgres", "psql"].iter().all(|name| directory.join(name).exists());
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut debians: Vec<_> = versions.filter_map(|version| Some(version.ok()?.path().join("bin"))).collect();
    debians.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    debians.into_iter().rev().chain(std::env::split_paths(&path)).find(|directory| has(directory))
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn ids() -> Option<(u32, u32)> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let fields: Vec<_> = users.lines().find(|line| line.starts_with(&format!("{USER}:")))?.split(':').collect();
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}
