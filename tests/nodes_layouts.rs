//! Redis as a cluster, and behind a sentinel that puts another in the place of one that is gone: real processes.

#![expect(clippy::unwrap_used, reason = "what surrounds the tests fails as it does")]

mod support;

use std::process::{Child, Command, Stdio};

use support::client::Client;
use support::redis::{Redis, free_port};
use support::rig::{self, body, eventually, sum};
use support::{Process, Scratch};
use tollgate::mock::{Options, Server};

const KEY: &str = "sk-nodes-layouts-0123456789";

/// Two gateways that share a strict limit of three a minute through a Redis.
struct Pair {
    nodes: [Process; 2],
    _mock: Server,
    _scratch: Scratch,
}

impl Pair {
    fn start(name: &str, url: &str) -> Self {
        let mock = Server::start(Options::default()).unwrap();
        let models = rig::deployment("chat", &format!("http://{}/v1", mock.addr()), "");
        let keys = rig::key(KEY, "limited", "    rpm_limit: 3\n");
        let router = format!("router_settings: {{redis_url: \"{url}\", shared_limits: strict}}\n");
        let scratch = Scratch::new(name);
        let config = scratch.write("config.yaml", &format!("model_list:\n{models}{router}virtual_keys:\n{keys}"));
        let pair = Self { nodes: [(); 2].map(|()| Process::gateway(&config, &[])), _mock: mock, _scratch: scratch };
        pair.until_up(1.0);
        pair
    }

    fn until_up(&self, up: f64) {
        for node in &self.nodes {
            eventually("it knows how Redis is", || {
                let text = Client::connect(node.address()).unwrap().get("/metrics").unwrap().text();
                sum(&text, "tollgate_redis_up", &[]) == up
            });
        }
    }

    fn ask(&self, node: usize) -> u16 {
        Client::connect(self.nodes[node].address()).unwrap().chat(KEY, &body("chat", "")).unwrap().status
    }
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

/// Whether a part of a cluster answers for its slots, and knows who has all others.
fn is_whole(port: u16) -> bool {
    let asked = Command::new("redis-cli").args(["-p", &port.to_string(), "cluster", "info"]).output().unwrap();
    let told = String::from_utf8_lossy(&asked.stdout);
    ["cluster_state:ok", "cluster_slots_ok:16384", "cluster_known_nodes:3"].iter().all(|word| told.contains(word))
}

#[test]
fn a_cluster_holds_one_limit_for_all_nodes() {
    let mut all = Vec::new();
    for part in ["one", "two", "three"] {
        let mut flags = words(["--cluster-enabled", "yes", "--cluster-port"]);
        flags.push(free_port().to_string());
        let Some(redis) = Redis::start(&format!("nodes-cluster-{part}"), &flags) else { return };
        all.push(redis);
    }
    let hosts: Vec<_> = all.iter().map(|redis| format!("127.0.0.1:{}", redis.port)).collect();
    let made = Command::new("redis-cli").args(["--cluster", "create"]).args(&hosts).arg("--cluster-yes").output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    // It is made a moment before all of its parts agree that it is whole.
    eventually("every part finds the cluster whole", || all.iter().all(|redis| is_whole(redis.port)));
    let pair = Pair::start("nodes-cluster", &format!("redis+cluster://{}", hosts.join(",")));
    assert_eq!([pair.ask(0), pair.ask(1), pair.ask(0), pair.ask(1)], [200, 200, 200, 429]);
}

/// Ends with its test.
struct Sentinel(Child);

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ended = self.0.kill().and_then(|()| self.0.wait());
    }
}

#[test]
fn a_sentinel_says_which_redis_holds_the_limits_also_when_that_is_another() {
    let Some(mut first) = Redis::start("nodes-sentinel-first", &[]) else { return };
    let mut flags = words(["--repl-diskless-sync-delay", "0", "--replicaof", "127.0.0.1"]);
    flags.push(first.port.to_string());
    let Some(second) = Redis::start("nodes-sentinel-second", &flags) else { return };
    let (home, port) = (Scratch::new("nodes-sentinel"), free_port());
    let config = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor limits 127.0.0.1 {} 1\n\
         sentinel down-after-milliseconds limits 500\nsentinel failover-timeout limits 3000\n",
        home.path().display(),
        first.port
    );
    let config = home.write("sentinel.conf", &config);
    let mut command = Command::new("redis-server");
    command.arg(config).arg("--sentinel").stdout(Stdio::null()).stderr(Stdio::null());
    let _sentinel = Sentinel(command.spawn().unwrap());
    let said = |port: u16, words: &[&str]| {
        let output = Command::new("redis-cli").args(["-p", &port.to_string()]).args(words).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let knows = || {
        said(port, &["sentinel", "replicas", "limits"]).contains(&second.port.to_string())
            && said(second.port, &["info", "replication"]).contains("master_link_status:up")
    };
    eventually("the sentinel knows both", knows);
    let pair = Pair::start("nodes-sentinel-pair", &format!("redis+sentinel://127.0.0.1:{port}/limits"));
    assert_eq!([pair.ask(0), pair.ask(1)], [200, 200]);
    first.stop();
    pair.until_up(0.0);
    pair.until_up(1.0);
    assert_eq!([pair.ask(1), pair.ask(0)], [200, 429], "the other one knows what was taken");
}
