//! A database, a provider and a configuration that several nodes are started on.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tollgate::mock::{Options, Server};

use super::admin::Admin;
use super::client::{Answer, Client};
use super::postgres::Postgres;
use super::rig::{self, body, eventually};
use super::{Process, Scratch};

/// The master key.
pub(crate) const MASTER: &str = "sk-postgres-master-0123456789";
/// What the provider reports.
const USAGE: &str = r#","mock":{"chunks":3,"prompt_tokens":11,"completion_tokens":3}"#;
/// What that costs, pico-dollars.
pub(crate) const PRICE: i64 = 17_000_000;

/// A database, a provider, and a configuration for nodes.
pub(crate) struct Site {
    pub(crate) database: Postgres,
    /// How nodes reach it.
    pub(crate) url: String,
    pub(crate) mock: Server,
    scratch: Scratch,
    config: PathBuf,
}

impl Site {
    /// Without nodes; `more` stands in the configuration below `general_settings`. None, with a word, where there is no server.
    pub(crate) fn new(name: &str, more: &str) -> Option<Self> {
        Some(Self::on(Postgres::start()?, name, more))
    }

    /// The same, on a server that runs.
    pub(crate) fn on(database: Postgres, name: &str, more: &str) -> Self {
        let mock = Server::start(Options::default()).unwrap();
        let scratch = Scratch::new(name);
        let prices = "      input_cost_per_token: 0.000001\n      output_cost_per_token: 0.000002\n";
        let config = format!(
            "model_list:\n{}general_settings:\n  master_key: {MASTER}\n  database_url: os.environ/DATABASE_URL\n{more}",
            rig::deployment("chat", &format!("http://{}/v1", mock.addr()), prices),
        );
        let config = scratch.write("config.yaml", &config);
        let url = database.url();
        Self { database, url, mock, scratch, config }
    }

    fn command(&self, data: Option<&str>) -> Vec<String> {
        let mut arguments = ["--port", "0", "--config"].map(str::to_owned).to_vec();
        arguments.push(self.config.to_str().unwrap().to_owned());
        if let Some(data) = data {
            let directory = self.scratch.path().join(data);
            arguments.extend(["--data-dir".to_owned(), directory.to_str().unwrap().to_owned()]);
        }
        arguments
    }

    /// Starts a node, with a journal in a directory of this name.
    pub(crate) fn node(&self, data: Option<&str>) -> Process {
        let variables = [("DATABASE_URL", self.url.clone()), ("LITELLM_SALT_KEY", "salt-0123456789-0123".to_owned())];
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Process::spawn(self.command(data), &variables)
    }

    /// Starts a node that must refuse to, and says with which words.
    pub(crate) fn refused(&self, url: &str) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.args(self.command(None)).env_clear().env("DATABASE_URL", url).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// The configuration of the nodes, in a directory of the test's own.
    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    /// Runs a command that must work, and gives what it says.
    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must fail, and gives what it says.
    #[track_caller]
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.args(arguments).env_clear().env("DATABASE_URL", self.database.url()).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// How many receipts there are.
    pub(crate) fn rows(&self) -> i64 {
        self.database.number("SELECT count(*) FROM tollgate.spend")
    }

    /// What the rows come to, what the days do, and what the account of everybody does: pico-dollars.
    pub(crate) fn sums(&self) -> [i64; 2] {
        ["spend", "daily"].map(|table| {
            let text = format!("SELECT coalesce(sum(cost_micro * 1000000 + cost_pico), 0) FROM tollgate.{table}");
            self.database.number(&text)
        })
    }
}

/// The management API of a node.
pub(crate) fn admin(node: &Process) -> Admin {
    Admin::new(node.address(), MASTER)
}

/// A call that costs [`PRICE`].
#[track_caller]
pub(crate) fn chat(node: &Process, key: &str) -> Answer {
    Client::connect(node.address()).unwrap().chat(key, &body("chat", USAGE)).unwrap()
}

/// Waits until a node answers a key with this status, and says how long that took.
#[track_caller]
pub(crate) fn until(node: &Process, key: &str, status: u16) -> Duration {
    let begun = rig::clock();
    eventually(&format!("status {status}"), || chat(node, key).status == status);
    begun.elapsed()
}
