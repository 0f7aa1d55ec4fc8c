//! The processes that are measured, and the provider behind them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use tollgate::vocabulary::{Clock, KeyHash};

use crate::Failure;
use crate::machine::Pinning;

/// The key of every request.
pub(crate) const KEY: &str = "sk-bench-0123456789abcdef0123456789abcdef";
/// The variable the gateway reads its master key from.
const KEY_VARIABLE: &str = "TOLLGATE_BENCH_MASTER_KEY";
/// Tries to reach a process that has just been started, and the wait between them.
const TRIES: u32 = 20_000;
const TRY_AGAIN: Duration = Duration::from_micros(500);
/// Tokens in the answers: with the role, the finish and the end a stream has about a hundred events.
const CHUNKS: &str = "97";
/// The core of the proxies, and the core of everything else.
const PROXY_CORE: usize = 0;
const LOAD_CORE: usize = 1;

/// Something that requests can be sent to. The process ends with it.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) addr: SocketAddr,
    /// From the start of the process to the first connection it took.
    pub(crate) listening: Duration,
    child: Option<Child>,
}

impl Subject {
    /// The same provider without anything in front.
    pub(crate) fn direct(mock: &Self) -> Self {
        Self { name: "direct", addr: mock.addr, listening: Duration::ZERO, child: None }
    }

    /// The process behind it, if it has one of its own.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    fn start(name: &'static str, port: u16, mut command: Command) -> Result<Self, Failure> {
        let clock = Clock::machine();
        let began = clock.now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let mut subject = Self { name, addr: local(port), listening: Duration::ZERO, child: Some(child) };
        subject.reach()?;
        subject.listening = clock.now().since(began);
        Ok(subject)
    }

    fn reach(&mut self) -> Result<(), Failure> {
        for _ in 0..TRIES {
            if TcpStream::connect(self.addr).is_ok() {
                return Ok(());
            }
            let ended = self.child.as_mut().map(Child::try_wait).transpose()?.flatten();
            if let Some(status) = ended {
                return Err(format!("{} ended at once: {status}", self.name).into());
            }
            sleep(TRY_AGAIN);
        }
        Err(format!("{} does not listen on {}", self.name, self.addr).into())
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _gone_already = child.kill().is_err();
            let _never_started = child.wait().is_err();
        }
    }
}

/// Where processes are started from: programs, ports, and a directory that is removed in the end.
#[derive(Debug)]
pub(crate) struct Ground {
    pinning: Pinning,
    own: String,
    gateway: String,
    directory: PathBuf,
}

impl Ground {
    /// Prepares a directory for configuration files.
    pub(crate) fn new(pinning: Pinning, gateway: &Path) -> Result<Self, Failure> {
        let directory = std::env::temp_dir().join(format!("tollgate-bench-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let own = std::env::current_exe()?.to_string_lossy().into_owned();
        Ok(Self { pinning, own, gateway: gateway.to_string_lossy().into_owned(), directory })
    }

    /// The fake provider.
    pub(crate) fn mock(&self) -> Result<Subject, Failure> {
        let mut command = self.pinning.command(LOAD_CORE, &self.own);
        command.args(["mock", "--port", "0", "--record", "0", "--chunks", CHUNKS]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line)?;
        }
        let mut subject = Subject { name: "mock", addr: local(0), listening: Duration::ZERO, child: Some(child) };
        let addr = line.split("//").nth(1).and_then(|rest| rest.split('/').next());
        subject.addr = addr.ok_or("the mock did not say where it listens")?.trim().parse()?;
        Ok(subject)
    }

    /// Pingora alone.
    pub(crate) fn bare(&self, mock: &Subject) -> Result<Subject, Failure> {
        let port = free_port()?;
        let mut command = self.pinning.command(PROXY_CORE, &self.own);
        command.args(["bare", "--port", &port.to_string(), "--upstream", &mock.addr.to_string()]);
        Subject::start("bare pingora", port, command)
    }

    /// nginx, if it is installed.
    pub(crate) fn nginx(&self, mock: &Subject) -> Result<Subject, Failure> {
        let port = free_port()?;
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx"].into_iter().find(|path| Path::new(path).exists());
        let program = program.ok_or("nginx is not installed")?;
        let conf = self.write("nginx.conf", &self.nginx_conf(port, mock.addr))?;
        let mut command = self.pinning.command(PROXY_CORE, program);
        command.args(["-e", "/dev/null", "-c", &conf]);
        Subject::start("nginx", port, command)
    }

    /// The gateway with a key that is under every limit there is.
    pub(crate) fn governed(&self, mock: &Subject) -> Result<Subject, Failure> {
        self.gateway("tollgate, key with limits", "governed.yaml", &limited_key(), &[], mock)
    }

    /// The same, with every receipt on file before its answer is out.
    pub(crate) fn durable(&self, mock: &Subject) -> Result<Subject, Failure> {
        let data = self.directory.join("data").to_string_lossy().into_owned();
        self.gateway("tollgate, receipts on file", "durable.yaml", &limited_key(), &["--data-dir", &data], mock)
    }

    /// The gateway with the master key, which has no limits.
    pub(crate) fn ungoverned(&self, mock: &Subject) -> Result<Subject, Failure> {
        let keys = format!("general_settings:\n  master_key: os.environ/{KEY_VARIABLE}\n");
        self.gateway("tollgate, no limits", "ungoverned.yaml", &keys, &[], mock)
    }

    fn gateway(
        &self,
        name: &'static str,
        file: &str,
        keys: &str,
        flags: &[&str],
        mock: &Subject,
    ) -> Result<Subject, Failure> {
        let port = free_port()?;
        let conf = self.write(file, &format!("{}{keys}", model_list(mock.addr)))?;
        let mut command = self.pinning.command(PROXY_CORE, &self.gateway);
        command.env(KEY_VARIABLE, KEY).args(["--config", &conf, "--port", &port.to_string()]).args(flags);
        Subject::start(name, port, command)
    }

    fn nginx_conf(&self, port: u16, upstream: SocketAddr) -> String {
        let directory = self.directory.display();
        format!(
            "daemon off;\nmaster_process off;\nworker_processes 1;\npid {directory}/nginx.pid;\n\
             events {{ worker_connections 8192; }}\n\
             http {{\n  access_log off;\n  client_max_body_size 64m;\n  client_body_buffer_size 2m;\n\
             client_body_temp_path {directory}/body;\n  proxy_temp_path {directory}/proxy;\n\
             fastcgi_temp_path {directory}/fastcgi;\n  uwsgi_temp_path {directory}/uwsgi;\n  scgi_temp_path {directory}/scgi;\n\
             keepalive_requests 1000000000;\n\
             upstream provider {{ server {upstream}; keepalive 1024; keepalive_requests 1000000000; }}\n\
             server {{\n    listen 127.0.0.1:{port} backlog=4096;\n    location / {{\n      proxy_pass http://provider;\n\
             proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      proxy_buffering off;\n    }}\n  }}\n}}\n"
        )
    }

    fn write(&self, file: &str, text: &str) -> Result<String, Failure> {
        let path = self.directory.join(file);
        fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _left_behind = fs::remove_dir_all(&self.directory).is_err();
    }
}

fn model_list(mock: SocketAddr) -> String {
    format!(
        "model_list:\n  - model_name: bench\n    litellm_params:\n      model: openai/bench\n      api_base: http://{mock}/v1\n\
         \x20     api_key: sk-upstream\n      input_cost_per_token: 0.000001\n      output_cost_per_token: 0.000002\n"
    )
}

fn limited_key() -> String {
    let hash = KeyHash::of(KEY);
    format!(
        "virtual_keys:\n  - key_hash: \"{hash}\"\n    rpm_limit: 1000000000\n    tpm_limit: 1000000000000\n    max_budget: 1000000\n"
    )
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn free_port() -> Result<u16, Failure> {
    Ok(TcpListener::bind(local(0))?.local_addr()?.port())
}
