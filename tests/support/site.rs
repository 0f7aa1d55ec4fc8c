//! A provider, a configuration and a data directory that gateways are started on, and what these leave on file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tollgate::mock::{Options, Server};
use tollgate::vocabulary::PicoUsd;

use super::client::{Answer, Client};
use super::rig::{self, body};
use super::{Process, Scratch};

/// The master key.
pub(crate) const MASTER: &str = "sk-durable-master-0123456789ab";
/// A key with a budget that is never reached.
pub(crate) const KEY: &str = "sk-durable-0123456789abcdef";
/// A key with a budget for a few calls.
pub(crate) const POOR: &str = "sk-durable-poor-0123456789ab";
/// A key without a budget.
pub(crate) const FREE: &str = "sk-durable-free-0123456789ab";
/// What the provider reports, and what that costs.
pub(crate) const USAGE: &str = r#""chunks":3,"prompt_tokens":11,"completion_tokens":3"#;
pub(crate) const PRICE: &str = "0.000017";

/// A provider, a configuration and a data directory that outlive the gateways started on them.
pub(crate) struct Site {
    pub(crate) mock: Server,
    pub(crate) config: PathBuf,
    pub(crate) data: PathBuf,
    pub(crate) scratch: Scratch,
}

impl Site {
    /// Makes one; `general` are more lines of `general_settings`, indented by two.
    pub(crate) fn new(name: &str, general: &str) -> Self {
        let mock = Server::start(Options::default()).unwrap();
        let scratch = Scratch::new(name);
        let prices = "      input_cost_per_token: 0.000001\n      output_cost_per_token: 0.000002\n";
        let config = format!(
            "model_list:\n{}{}router_settings:\n  num_retries: 0\ngeneral_settings:\n  master_key: {MASTER}\n{general}\
             virtual_keys:\n{}{}{}",
            rig::deployment("chat", &format!("http://{}/v1", mock.addr()), prices),
            rig::deployment(
                "gift",
                &format!("http://{}/v1", mock.addr()),
                "      input_cost_per_token: 0\n      output_cost_per_token: 0\n"
            ),
            rig::key(KEY, "rich", "    max_budget: 50\n    budget_duration: 30d\n"),
            rig::key(POOR, "poor", "    max_budget: 0.0001\n"),
            rig::key(FREE, "free", ""),
        );
        let config = scratch.write("config.yaml", &config);
        Self { mock, config, data: scratch.path().join("data"), scratch }
    }

    /// Starts a gateway on the directory.
    pub(crate) fn start(&self) -> Process {
        Process::gateway(&self.config, &["--data-dir", self.data.to_str().unwrap()])
    }

    /// Starts a gateway that must refuse to, and says with which words.
    pub(crate) fn refused(&self) -> String {
        self.refuses(&mut self.command(&[]))
    }

    /// The same, of a gateway that is started so.
    pub(crate) fn refuses(&self, command: &mut Command) -> String {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// A gateway on the directory, not yet started; `through` is a command that starts another one.
    pub(crate) fn command(&self, through: &[&str]) -> Command {
        let words: Vec<_> = through.iter().chain([&env!("CARGO_BIN_EXE_tollgate")]).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).args(["--port", "0", "--config"]).arg(&self.config).arg("--data-dir").arg(&self.data);
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path))).stdin(Stdio::null());
        command
    }

    /// What is on file now.
    pub(crate) fn rows(&self) -> Rows {
        Rows::read(&self.data)
    }
}

/// What is on file.
pub(crate) struct Rows {
    pub(crate) costs: HashMap<String, PicoUsd>,
    pub(crate) daily: PicoUsd,
    pub(crate) global: PicoUsd,
    pub(crate) stages: HashMap<String, i64>,
}

impl Rows {
    /// Reads it, beside whoever writes.
    pub(crate) fn read(data: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let connection = Connection::open_with_flags(data.join("tollgate.db"), flags).unwrap();
        connection.busy_timeout(Duration::from_secs(5)).unwrap();
        let money = |micro: i64, pico: i64| PicoUsd(i128::from(micro) * 1_000_000 + i128::from(pico));
        let (mut costs, mut stages) = (HashMap::new(), HashMap::new());
        let mut statement = connection.prepare("SELECT exchange, cost_micro, cost_pico, stage FROM spend").unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let exchange: String = row.get(0).unwrap();
            stages.insert(exchange.clone(), row.get(3).unwrap());
            let cost = money(row.get(1).unwrap(), row.get(2).unwrap());
            assert!(costs.insert(exchange, cost).is_none(), "one row per exchange");
        }
        let sum = |text: &str| connection.query_row(text, [], |row| Ok(money(row.get(0)?, row.get(1)?))).unwrap();
        let daily = sum("SELECT coalesce(sum(cost_micro), 0), coalesce(sum(cost_pico), 0) FROM daily");
        let global = sum(
            "SELECT coalesce(sum(spent_micro), 0), coalesce(sum(spent_pico), 0) FROM account WHERE account = x'00'",
        );
        Self { costs, daily, global, stages }
    }

    /// What all rows come to.
    pub(crate) fn total(&self) -> PicoUsd {
        self.costs.values().copied().sum()
    }

    /// Rows, days and accounts are the same money.
    #[track_caller]
    pub(crate) fn assert_even(&self) {
        assert_eq!((self.daily, self.global), (self.total(), self.total()));
    }
}

/// What a call costs.
pub(crate) fn price() -> PicoUsd {
    PicoUsd::parse(PRICE).unwrap()
}

/// The body of a call that costs [`PRICE`], with more members.
pub(crate) fn call(more: &str) -> String {
    body("chat", &format!(r#",{more}"mock":{{{USAGE}}}"#))
}

/// One call on a connection of its own.
pub(crate) fn chat(process: &Process, key: &str, body: &str) -> Answer {
    Client::connect(process.address()).unwrap().chat(key, body).unwrap()
}

/// The id of its receipt.
pub(crate) fn id(answer: &Answer) -> String {
    answer.header("x-litellm-call-id").unwrap().to_owned()
}

/// How many files of journals there are.
pub(crate) fn journals(data: &Path) -> usize {
    let names = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().starts_with("journal-")).count()
}
