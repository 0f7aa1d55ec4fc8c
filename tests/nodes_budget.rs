//! Budgets that several nodes on one PostgreSQL spend from: together they never exceed one, and they spend all of it; what a node
//! that is gone was lent comes back; without the database a node spends what it was lent and no more.

#![expect(clippy::unwrap_used, reason = "what surrounds the tests fails as it does")]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use support::Process;
use support::client::{Answer, Client};
use support::nodes::{Site, admin};
use support::rig::{body, eventually};

/// What a call is bounded to, and uses.
const CALL: &str = r#","max_tokens":3,"mock":{"chunks":3,"prompt_tokens":11,"completion_tokens":3}"#;
const ASKING: usize = 24;
const EACH: usize = 20;

fn ask(node: &Process, key: &str) -> Answer {
    Client::connect(node.address()).unwrap().chat(key, &body("chat", CALL)).unwrap()
}

/// One call: whole, streamed, or a stream that its client leaves.
fn call(node: &Process, key: &str, number: usize) -> u16 {
    let mut client = Client::connect(node.address()).unwrap();
    if number.is_multiple_of(3) {
        return client.chat(key, &body("chat", CALL)).unwrap().status;
    }
    let mut reply = client.stream(key, &body("chat", &format!(",\"stream\":true{CALL}"))).unwrap();
    if reply.answer.status == 200 && number % 3 == 1 {
        reply.piece().unwrap();
        return 200;
    }
    reply.rest().0.status
}

/// Pico-dollars on file under a condition.
fn spent(site: &Site, condition: &str) -> i64 {
    let sum = "SELECT coalesce(sum(cost_micro * 1000000 + cost_pico), 0) FROM tollgate.spend WHERE";
    site.database.number(&format!("{sum} {condition}"))
}

/// The smallest budget under which a call is served: what is less than that is left over. Pico-dollars.
fn least(node: &Process) -> i64 {
    let served = |micro: i64| {
        let key = admin(node).key(&format!(r#"{{"max_budget":{}}}"#, micro as f64 / 1e6));
        ask(node, &key).status == 200
    };
    let (mut refused, mut enough) = (1, 512);
    assert!(served(enough));
    while enough - refused > 1 {
        let middle = i64::midpoint(refused, enough);
        if served(middle) { enough = middle } else { refused = middle }
    }
    enough * 1_000_000
}

/// Asks all nodes until none serves this key any more.
fn use_up(nodes: &[Process], key: &str) {
    let mut refused = 0;
    for node in nodes.iter().cycle() {
        let answer = ask(node, key);
        assert!(matches!(answer.status, 200 | 422), "{}", answer.text());
        refused = if answer.status == 200 { 0 } else { refused + 1 };
        if refused == 2 * nodes.len() {
            return;
        }
    }
}

fn until_served(node: &Process, key: &str) {
    eventually("it is served", || ask(node, key).status == 200);
}

fn until_on_file(site: &Site) {
    let asked = || i64::try_from(site.mock.requests().len()).unwrap();
    eventually("every receipt is on file", || site.rows() == asked());
}

#[test]
fn nodes_never_exceed_a_budget_together_and_spend_all_of_it() {
    let Some(site) = Site::new("nodes-budget", "") else { return };
    let nodes = [site.node(None), site.node(Some("two")), site.node(None)];
    let least = least(&nodes[0]);
    let (team_budget, key_budgets) = (5_000_000_000, [3_500_000_000, 2_000_000_000]);
    let team = admin(&nodes[0]).done("/team/new", r#"{"max_budget":0.005}"#).at("team_id");
    let keys = key_budgets.map(|budget| {
        let body = format!(r#"{{"key_alias":"k{budget}","team_id":"{team}","max_budget":{}}}"#, budget as f64 / 1e12);
        admin(&nodes[0]).key(&body)
    });
    nodes.iter().for_each(|node| keys.iter().for_each(|key| until_served(node, key)));
    let served = AtomicUsize::new(0);
    thread::scope(|scope| {
        for asking in 0..ASKING {
            let (nodes, keys, served) = (&nodes, &keys, &served);
            scope.spawn(move || {
                for number in 0..EACH {
                    let status = call(&nodes[asking % 3], &keys[(asking / 3 + number) % 2], asking + number);
                    assert!(matches!(status, 200 | 422), "{status}");
                    served.fetch_add(usize::from(status == 200), Ordering::Relaxed);
                }
            });
        }
    });
    assert!(served.into_inner() > 100);
    keys.iter().for_each(|key| use_up(&nodes, key));
    until_on_file(&site);
    let of_team = spent(&site, &format!("team = '{team}'"));
    assert!(of_team <= team_budget, "the team spent {of_team}");
    for budget in key_budgets {
        let of_key = spent(&site, &format!("key_alias = 'k{budget}'"));
        assert!(of_key <= budget, "the key of {budget} spent {of_key}");
        let left = (budget - of_key).min(team_budget - of_team);
        assert!(left < least, "{left} is left, and {least} would be enough");
    }
}

/// Opens a stream that holds nearly two thousandths of a dollar and says little; it is open as long as its client.
fn hold(node: &Process, key: &str) -> Client {
    let more = r#","stream":true,"max_tokens":850,"mock":{"stall_after":2,"prompt_tokens":11}"#;
    let mut client = Client::connect(node.address()).unwrap();
    let mut reply = client.stream(key, &body("chat", more)).unwrap();
    assert_eq!(reply.answer.status, 200);
    reply.events(1).unwrap();
    client
}

fn wide(node: &Process, key: &str) -> u16 {
    let more = r#","max_tokens":300,"mock":{"chunks":3,"prompt_tokens":11,"completion_tokens":3}"#;
    Client::connect(node.address()).unwrap().chat(key, &body("chat", more)).unwrap().status
}

#[test]
fn what_a_node_that_is_gone_was_lent_comes_back() {
    let Some(site) = Site::new("nodes-gone", "") else { return };
    let one = site.node(Some("one"));
    for directory in [Some("two"), None] {
        let key = admin(&one).key(r#"{"max_budget":0.002}"#);
        let mut two = site.node(directory);
        until_served(&two, &key);
        let client = hold(&two, &key);
        assert_eq!(wide(&one, &key), 422, "what another node holds is not there");
        two.signal("KILL");
        two.wait();
        drop(client);
        assert_eq!(wide(&one, &key), 422, "nobody knows yet what it came to");
        let again = directory.map(|directory| site.node(Some(directory)));
        if again.is_none() {
            // An hour passes for the database.
            let most = "(SELECT node FROM tollgate.lease ORDER BY amount DESC LIMIT 1)";
            let hour = "interval '1 hour'";
            site.database.sql(&format!("UPDATE tollgate.node SET since = since - {hour}"));
            site.database.sql(&format!("UPDATE tollgate.node SET seen = seen - {hour} WHERE node = {most}"));
        }
        eventually("what it was lent is there", || wide(&one, &key) == 200);
        let all = again.into_iter().chain([site.node(None)]).collect::<Vec<_>>();
        use_up(&all, &key);
    }
    let most =
        "SELECT max(sum) FROM (SELECT sum(cost_micro * 1000000 + cost_pico) FROM tollgate.spend GROUP BY key) AS keys";
    assert!(site.database.number(most) <= 2_000_000_000);
}

#[test]
fn without_the_database_a_node_spends_what_it_was_lent_and_no_more() {
    let Some(mut site) = Site::new("nodes-budget-lost", "") else { return };
    let nodes = [site.node(Some("one")), site.node(Some("two"))];
    let least = least(&nodes[0]);
    let key = admin(&nodes[0]).key(r#"{"key_alias":"k","max_budget":0.01}"#);
    let free = admin(&nodes[0]).key("{}");
    nodes.iter().for_each(|node| until_served(node, &key));
    until_served(&nodes[1], &free);
    site.database.kill();
    for node in &nodes {
        let mut served = 0;
        let refused = loop {
            let answer = ask(node, &key);
            if answer.status != 200 {
                break answer;
            }
            served += 1;
        };
        assert!(served > 0, "{}", refused.text());
        assert_eq!(refused.status, 503, "{}", refused.text());
        assert!(refused.text().contains("PostgreSQL"), "{}", refused.text());
        assert_eq!(ask(node, &free).status, 200, "nothing bounds what is spent there");
    }
    site.database.run();
    // More than is left of what they were lent.
    nodes.iter().for_each(|node| eventually("more is lent", || wide(node, &key) == 200));
    use_up(&nodes, &key);
    until_on_file(&site);
    let of_key = spent(&site, "key_alias = 'k'");
    assert!((10_000_000_000 - least..=10_000_000_000).contains(&of_key), "{of_key}");
}

#[test]
fn a_budget_that_is_changed_is_the_budget_of_all_nodes() {
    let Some(site) = Site::new("nodes-budget-changed", "") else { return };
    let nodes = [site.node(None), site.node(None)];
    let least = least(&nodes[0]);
    let key = admin(&nodes[0]).key(r#"{"key_alias":"k","max_budget":0.0005}"#);
    nodes.iter().for_each(|node| until_served(node, &key));
    use_up(&nodes, &key);
    admin(&nodes[1]).done("/key/update", &format!(r#"{{"key":"{key}","max_budget":0.001}}"#));
    nodes.iter().for_each(|node| until_served(node, &key));
    use_up(&nodes, &key);
    until_on_file(&site);
    let of_key = spent(&site, "key_alias = 'k'");
    assert!((1_000_000_000 - least..=1_000_000_000).contains(&of_key), "{of_key}");
    admin(&nodes[0]).done("/key/update", &format!(r#"{{"key":"{key}","max_budget":0.5}}"#));
    nodes.iter().for_each(|node| until_served(node, &key));
    // What is lent ahead under the old budget is not spent under the new one.
    admin(&nodes[0]).done("/key/update", &format!(r#"{{"key":"{key}","max_budget":0.0011}}"#));
    eventually("it is in force", || {
        admin(&nodes[1]).get(&format!("/key/info?key={key}")).at("info.max_budget") == "0.0011"
    });
    use_up(&nodes, &key);
    until_on_file(&site);
    let of_key = spent(&site, "key_alias = 'k'");
    assert!(of_key <= 1_100_000_000, "{of_key}");
}
