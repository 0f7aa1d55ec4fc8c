//! A data directory, and the gateway on it.

use std::fs;
use std::io::{BufWriter, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tollgate::vocabulary::Clock;

use crate::client::Client;
use crate::lines::{self, Amount};
use crate::{Failure, process};

const MASTER: &str = "sk-scale-master-key-00000001";
/// A model that answers by itself: what is measured is the gateway alone.
const CONFIG: &str = "\
model_list:
  - model_name: chat
    litellm_params: {model: openai/up, api_key: none, mock_response: Good morning.}
general_settings: {master_key: os.environ/TOLLGATE_BENCH_MASTER_KEY}
";
const CHAT: &str = r#"{"model":"chat","messages":[{"role":"user","content":"Good morning!"}]}"#;
/// How long a start may take, and the wait between two looks.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(1);

/// A directory, which is removed in the end.
#[derive(Debug)]
pub(crate) struct Stand {
    gateway: PathBuf,
    directory: PathBuf,
}

impl Stand {
    /// Makes a directory and imports into it.
    pub(crate) fn fill(gateway: &Path, within: Option<&Path>, amount: Amount) -> Result<Self, Failure> {
        let within = within.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let directory = within.join(format!("tollgate-scale-{}-{}", std::process::id(), amount.keys));
        fs::create_dir_all(&directory)?;
        let stand = Self { gateway: gateway.to_path_buf(), directory };
        fs::write(stand.directory.join("config.yaml"), CONFIG)?;
        let mut import = Command::new(gateway);
        import.arg("import").arg("--data-dir").arg(stand.data());
        let mut child = import.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let written = child.stdin.take().map_or(Ok(()), |input| {
            let mut input = BufWriter::with_capacity(1 << 20, input);
            lines::write(amount, &mut input).and_then(|()| input.flush())
        });
        let output = child.wait_with_output()?;
        match output.status.success() {
            true => written.map_err(Failure::from).map(|()| stand),
            false => Err(format!("import: {}", String::from_utf8_lossy(&output.stderr)).into()),
        }
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub(crate) fn file_bytes(&self) -> Result<u64, Failure> {
        Ok(fs::metadata(self.data().join("tollgate.db"))?.len())
    }

    /// Starts the gateway.
    pub(crate) fn start(&self) -> Result<Gateway, Failure> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut command = Command::new(&self.gateway);
        command.arg("--config").arg(self.directory.join("config.yaml")).arg("--data-dir").arg(self.data());
        command.args(["--num_workers", "1", "--port", &port.to_string()]);
        command.env("TOLLGATE_BENCH_MASTER_KEY", MASTER);
        let clock = Clock::machine();
        let began = clock.now();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        while TcpStream::connect(address).is_err() {
            if let Some(status) = child.try_wait()? {
                return Err(format!("the gateway ended at once: {status}").into());
            }
            if clock.now().since(began) > PATIENCE {
                child.kill()?;
                return Err(format!("the gateway does not listen within {} s", PATIENCE.as_secs()).into());
            }
            sleep(LOOK);
        }
        let listening = clock.now().since(began);
        let gateway = Gateway { child, listening, client: Client::connect(address)? };
        Ok(gateway)
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let _stays_in_the_temporary_directory = fs::remove_dir_all(&self.directory).is_err();
    }
}

/// A gateway at work; it ends with this.
#[derive(Debug)]
pub(crate) struct Gateway {
    child: Child,
    /// From the start of the process to the first connection it took.
    pub(crate) listening: Duration,
    client: Client,
}

impl Gateway {
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        process::cpu(self.child.id()).ok_or_else(|| "no /proc to read".into())
    }

    pub(crate) fn resident_kib(&self) -> Result<u64, Failure> {
        process::rss_kib(self.child.id()).ok_or_else(|| "no /proc to read".into())
    }

    pub(crate) fn peak_kib(&self) -> Result<u64, Failure> {
        process::peak_kib(self.child.id()).ok_or_else(|| "no /proc to read".into())
    }

    /// The median of calls with these keys, one after the other.
    pub(crate) fn chats(&mut self, keys: impl Iterator<Item = u64>) -> Result<Duration, Failure> {
        let mut took = Vec::new();
        for number in keys {
            took.push(self.client.ask("POST /v1/chat/completions", &lines::key(number), CHAT)?);
        }
        took.sort_unstable();
        took.get(took.len() / 2).copied().ok_or_else(|| "no keys".into())
    }

    pub(crate) fn get(&mut self, path: &str) -> Result<Duration, Failure> {
        self.client.ask(&format!("GET {path}"), MASTER, "")
    }

    /// Makes a key.
    pub(crate) fn generate(&mut self) -> Result<Duration, Failure> {
        self.client.ask("POST /key/generate", MASTER, r#"{"key_alias":"made by the benchmark"}"#)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _gone_already = self.child.kill().is_err();
        let _never_started = self.child.wait().is_err();
    }
}
