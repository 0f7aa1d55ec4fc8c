//! A gateway process in front of a fake provider in this process, and what can be read off them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::value::RawValue;
use tollgate::mock::{Options, Server};
use tollgate::vocabulary::{KeyHash, PicoUsd};

use super::client::{Answer, Client, PATIENCE};
use super::{Process, Scratch};

/// A provider's credential in configurations of tests.
pub(crate) const PROVIDER_KEY: &str = "sk-provider-of-the-rig-0001";

/// Both, and where the configuration lies.
pub(crate) struct Rig {
    pub(crate) gateway: Process,
    pub(crate) mock: Arc<Server>,
    config: PathBuf,
    pub(crate) scratch: Scratch,
}

/// What the log says about one exchange.
#[derive(Debug, Deserialize)]
pub(crate) struct Exchange {
    pub(crate) exchange_id: String,
    #[serde(default)]
    pub(crate) key: String,
    pub(crate) status: u16,
    pub(crate) outcome: String,
    #[serde(default)]
    pub(crate) usage: Option<String>,
    #[serde(default)]
    pub(crate) tokens_in: u64,
    #[serde(default)]
    pub(crate) tokens_out: u64,
    cost_usd: Box<RawValue>,
}

impl Exchange {
    /// What was charged, exactly.
    pub(crate) fn cost(&self) -> PicoUsd {
        PicoUsd::parse(self.cost_usd.get()).unwrap()
    }
}

#[derive(Deserialize)]
struct Line {
    event: String,
}

impl Rig {
    /// Starts both. `config` writes the configuration, given the provider's base URL.
    pub(crate) fn start(name: &str, config: impl FnOnce(&str) -> String) -> Self {
        Self::start_with(name, &[], config)
    }

    /// Starts both, the gateway with more flags.
    pub(crate) fn start_with(name: &str, flags: &[&str], config: impl FnOnce(&str) -> String) -> Self {
        let mock = Arc::new(Server::start(Options::default()).unwrap());
        let scratch = Scratch::new(name);
        let config = scratch.write("config.yaml", &config(&format!("http://{}/v1", mock.addr())));
        let gateway = Process::gateway(&config, flags);
        Self { gateway, mock, config, scratch }
    }

    /// The configuration's file.
    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    /// Puts another configuration in the place of the first, in one step.
    pub(crate) fn configure(&self, text: impl AsRef<[u8]>) {
        let beside = self.scratch.path().join("config.next");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, &self.config).unwrap();
    }

    /// A new connection.
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.gateway.address()).unwrap()
    }

    /// One call, once it is charged: a client may have the end of its answer a moment before.
    pub(crate) fn chat(&self, key: &str, body: &str) -> Answer {
        let answer = self.client().chat(key, body).unwrap();
        self.quiesce();
        answer
    }

    /// What a scrape says.
    pub(crate) fn metrics(&self) -> String {
        self.client().get("/metrics").unwrap().text()
    }

    /// The sum of all series of this name that have these labels, written `name="value"`.
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        sum(&self.metrics(), name, labels)
    }

    /// Waits until no exchange is open.
    pub(crate) fn quiesce(&self) {
        eventually("no exchange is open", || self.metric("tollgate_in_flight_requests", &[]) == 0.0);
    }

    /// The exchanges in the log so far.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        exchanges(&self.gateway.output())
    }

    /// Waits until the log tells of so many exchanges, and checks that there are no more.
    pub(crate) fn exchanges_after(&self, count: usize) -> Vec<Exchange> {
        eventually("the log tells of every exchange", || self.exchanges().len() >= count);
        let exchanges = self.exchanges();
        assert_eq!(exchanges.len(), count, "one line per exchange");
        exchanges
    }
}

/// The exchanges that a log tells of.
pub(crate) fn exchanges(log: &str) -> Vec<Exchange> {
    of_event(log, "exchange").map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The lines of a log with this event.
pub(crate) fn of_event<'a>(log: &'a str, event: &str) -> impl Iterator<Item = &'a str> {
    log.lines().filter(move |line| serde_json::from_str::<Line>(line).is_ok_and(|line| line.event == event))
}

/// The sum of all series of a scrape with this name and these labels.
pub(crate) fn sum(scrape: &str, name: &str, labels: &[&str]) -> f64 {
    let series = scrape.lines().filter_map(|line| line.strip_prefix(name)).filter(|rest| rest.starts_with([' ', '{']));
    let wanted = series.filter(|rest| labels.iter().all(|label| rest.contains(label)));
    wanted.filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// The machine's clock: gateways in processes of their own go by it.
#[expect(clippy::disallowed_methods, reason = "what other processes do takes time that no test sets")]
pub(crate) fn clock() -> Instant {
    Instant::now()
}

/// Waits for what must come, and fails where it does not.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let pause = Duration::from_millis(10);
    let mut left = PATIENCE;
    while !holds() {
        assert!(!left.is_zero(), "waited in vain: {what}");
        std::thread::sleep(pause);
        left = left.saturating_sub(pause);
    }
}

/// One entry of `model_list`. `more` are lines below `litellm_params`, indented by six.
pub(crate) fn deployment(name: &str, base: &str, more: &str) -> String {
    format!(
        "  - model_name: {name}
    litellm_params:
      model: openai/up-{name}
      api_base: {base}
      api_key: {PROVIDER_KEY}
{more}    model_info:
      id: {name}-1
"
    )
}

/// One entry of `virtual_keys`. `more` are lines, indented by four.
pub(crate) fn key(key: &str, alias: &str, more: &str) -> String {
    format!("  - key_hash: {}\n    key_alias: {alias}\n{more}", KeyHash::of(key))
}

/// The body of a chat call: a model and more members.
pub(crate) fn body(model: &str, more: &str) -> String {
    format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"Count to ten."}}]{more}}}"#)
}
