//! Several nodes share limits and cooldowns through Redis: a limit is one limit, exactly where it is `strict`, and a node
//! without Redis goes on.
//!
//! Redis is a real one, of Debian's package `redis-server`; without it these tests say that they were skipped.

#![expect(clippy::unwrap_used, reason = "what surrounds the tests fails as they do")]

mod support;

use std::sync::Arc;
use std::thread;

use support::client::Client;
use support::redis::Redis;
use support::rig::{self, body, eventually, sum};
use support::{Process, Scratch};
use tollgate::mock::{Options, Server};

const SHARED: &str = "sk-nodes-shared-0123456789";
const ALONE: &str = "sk-nodes-alone-01234567890";
const FREE: &str = "sk-nodes-free-012345678901";
const LIMIT: usize = 30;

/// Two gateways with one Redis, in front of one provider.
struct Pair {
    nodes: [Process; 2],
    mock: Arc<Server>,
    redis: Redis,
    _scratch: Scratch,
}

impl Pair {
    fn start(name: &str, router: &str, general: &str) -> Option<Self> {
        let redis = Redis::start(&format!("{name}-redis"), &[])?;
        let mock = Arc::new(Server::start(Options::default()).unwrap());
        let base = format!("http://{}/v1", mock.addr());
        let keys: String = [
            rig::key(SHARED, "shared", &format!("    rpm_limit: {LIMIT}\n")),
            rig::key(ALONE, "alone", "    max_parallel_requests: 1\n"),
            rig::key(FREE, "free", ""),
        ]
        .concat();
        let models: String = [
            rig::deployment("chat", &base, "      rpm: 100000\n"),
            rig::deployment("slow", &base, "      extra_headers: {x-mock-stall-after: \"2\"}\n"),
            rig::deployment("pair", &base, "      extra_headers: {x-mock-status: \"401\"}\n      order: 1\n"),
            rig::deployment("pair", &base, "      order: 2\n").replace("id: pair-1", "id: pair-2"),
        ]
        .concat();
        let port = redis.port;
        let config = format!(
            "model_list:\n{models}router_settings:\n  redis_url: redis://127.0.0.1:{port}\n{router}virtual_keys:\n{keys}\
             general_settings:\n  master_key: sk-nodes-master-0123456789\n{general}"
        );
        let scratch = Scratch::new(name);
        let file = scratch.write("config.yaml", &config);
        let nodes = [(); 2].map(|()| Process::gateway(&file, &[]));
        let pair = Self { nodes, mock, redis, _scratch: scratch };
        pair.until_redis(1.0);
        Some(pair)
    }

    fn ask(&self, node: usize, key: &str, model: &str) -> u16 {
        Client::connect(self.nodes[node].address()).unwrap().chat(key, &body(model, "")).unwrap().status
    }

    fn metric(&self, node: usize, name: &str, labels: &[&str]) -> f64 {
        let text = Client::connect(self.nodes[node].address()).unwrap().get("/metrics").unwrap().text();
        sum(&text, name, labels)
    }

    fn left(&self, node: usize) -> f64 {
        self.metric(node, "tollgate_limit_remaining", &["key=\"shared\"", "limit=\"requests\""])
    }

    fn until_redis(&self, up: f64) {
        for node in [0, 1] {
            eventually("both know how Redis is", || self.metric(node, "tollgate_redis_up", &[]) == up);
        }
    }
}

#[test]
fn nothing_passes_beyond_a_strict_limit_however_many_nodes_are_asked_at_once() {
    let Some(pair) = Pair::start("nodes-strict", "  shared_limits: strict\n", "") else { return };
    let began = rig::clock();
    let passed: usize = thread::scope(|scope| {
        let asking: Vec<_> = (0..8)
            .map(|at| {
                scope.spawn({
                    let pair = &pair;
                    move || (0..15).filter(|_| pair.ask(at % 2, SHARED, "chat") == 200).count()
                })
            })
            .collect();
        asking.into_iter().map(|asking| asking.join().unwrap()).sum()
    });
    // What flows in meanwhile may pass too.
    let meanwhile = (began.elapsed().as_secs_f64() * LIMIT as f64 / 60.0).ceil() as usize;
    assert!((LIMIT..=LIMIT + meanwhile).contains(&passed), "{passed} of {LIMIT}, {meanwhile} more flowed in");
    assert_eq!(pair.mock.stats().requests, passed as u64, "what is refused is never sent");
}

#[test]
fn what_one_node_lets_pass_is_soon_missing_at_the_other() {
    let Some(pair) = Pair::start("nodes-lease", "", "") else { return };
    assert_eq!(pair.ask(1, SHARED, "chat"), 200);
    let passed = (0..2 * LIMIT).filter(|_| pair.ask(0, SHARED, "chat") == 200).count();
    assert!((LIMIT - 1..=LIMIT + 5).contains(&passed), "{passed}");
    eventually("the other node knows", || pair.left(1) < 2.0);
    let more = (0..LIMIT).filter(|_| pair.ask(1, SHARED, "chat") == 200).count();
    assert!(more <= 4, "{more} more");
    assert_eq!(pair.ask(0, FREE, "chat"), 200);
}

#[test]
fn open_requests_are_counted_over_all_nodes() {
    let Some(pair) = Pair::start("nodes-open", "  shared_limits: strict\n", "") else { return };
    let mut client = Client::connect(pair.nodes[0].address()).unwrap();
    let stream = client.stream(ALONE, &body("slow", ",\"stream\":true")).unwrap();
    eventually("the stream is open", || pair.metric(0, "tollgate_in_flight_requests", &[]) > 0.0);
    assert_eq!(pair.ask(1, ALONE, "chat"), 429);
    drop(stream);
    drop(client);
    eventually("its place is free", || pair.ask(1, ALONE, "chat") == 200);
}

#[test]
fn a_deployment_that_one_node_sets_aside_rests_at_the_other() {
    let Some(pair) = Pair::start("nodes-rest", "", "") else { return };
    let resting = |node| pair.metric(node, "litellm_deployment_state", &["model_id=\"pair-1\""]);
    assert_eq!((pair.ask(0, FREE, "pair"), resting(1)), (200, 0.0));
    eventually("both let it rest", || resting(0) == 2.0 && resting(1) == 2.0);
    let sent = pair.mock.stats().requests;
    assert_eq!(pair.ask(1, FREE, "pair"), 200);
    assert_eq!(pair.mock.stats().requests, sent + 1, "it is not asked");
}

#[test]
fn without_redis_a_node_counts_alone_and_later_tells_what_was_missed() {
    let Some(mut pair) = Pair::start("nodes-lost", "", "") else { return };
    assert_eq!((pair.ask(0, SHARED, "chat"), pair.ask(1, SHARED, "chat")), (200, 200));
    pair.redis.stop();
    pair.until_redis(0.0);
    let passed = (0..2 * LIMIT).filter(|_| pair.ask(0, SHARED, "chat") == 200).count();
    assert!((LIMIT - 2..=LIMIT + 5).contains(&passed), "{passed}");
    pair.redis.again();
    pair.until_redis(1.0);
    eventually("the other node knows", || pair.left(1) < 5.0);
    for node in &pair.nodes {
        assert!(node.output().contains("limits are counted on this node alone"), "{}", node.output());
    }
}

#[test]
fn without_redis_nothing_limited_passes_where_that_is_wanted() {
    let Some(mut pair) = Pair::start("nodes-closed", "", "  fail_closed_rate_limit_enforcement: true\n") else {
        return;
    };
    assert_eq!(pair.ask(0, SHARED, "chat"), 200);
    pair.redis.stop();
    pair.until_redis(0.0);
    let refused = Client::connect(pair.nodes[0].address()).unwrap().chat(SHARED, &body("chat", "")).unwrap();
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("Redis"), "{}", refused.text());
    assert_eq!(pair.ask(0, FREE, "chat"), 200, "nothing is limited there");
    pair.redis.again();
    pair.until_redis(1.0);
    assert_eq!(pair.ask(0, SHARED, "chat"), 200);
}
