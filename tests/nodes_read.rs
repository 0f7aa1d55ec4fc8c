//! What several nodes kept is read from a command line, moves into a directory, and goes on in the counters of metrics.

#![expect(clippy::unwrap_used, reason = "what surrounds the tests fails as it does")]

mod support;

use support::Process;
use support::client::Client;
use support::nodes::{PRICE, Site, admin, chat};
use support::rig::{eventually, sum};

const CALLS: i64 = 3;

fn counted(node: &Process) -> [f64; 3] {
    let text = Client::connect(node.address()).unwrap().get("/metrics").unwrap().text();
    ["tollgate_requests_total", "tollgate_tokens_total", "tollgate_spend_usd_total"]
        .map(|name| sum(&text, name, &["deployment=\"chat-1\""]))
}

/// A node with some calls on file.
fn spent(site: &Site, data: Option<&str>) -> (Process, String) {
    let node = site.node(data);
    let key = admin(&node).key(r#"{"key_alias":"moves","max_budget":5}"#);
    (0..CALLS).for_each(|_| assert_eq!(chat(&node, &key).status, 200));
    eventually("all is on file", || site.rows() == CALLS);
    (node, key)
}

#[test]
fn sums_are_told_and_all_moves_into_a_directory() {
    let Some(site) = Site::new("nodes-read", "") else { return };
    let nothing = site.fails(&["spend", "--database-url", &site.database.url()]);
    assert!(nothing.contains("expected a database that a gateway was started on"), "{nothing}");
    let (_node, _) = spent(&site, None);
    let dollars = format!("0.{:012}", CALLS * PRICE);
    let dollars = dollars.trim_end_matches('0');
    let config = site.config();
    let places = [["--config", config.to_str().unwrap()], ["--database-url", &site.database.url()]];
    for place in places {
        let told = site.done(&[&["spend", "--json"][..], &place].concat());
        assert!(told.contains("\"name\": \"moves\"") && told.contains(dollars), "{told}");
    }
    let nowhere = site.fails(&["spend"]);
    assert!(nowhere.contains("--data-dir") && nowhere.contains("--database-url"), "{nowhere}");
    let file = config.with_file_name("out.jsonl");
    let file = file.to_str().unwrap();
    site.done(&[&["export", "--receipts", "--output", file][..], &places[0]].concat());
    let directory = config.with_file_name("moved");
    let directory = directory.to_str().unwrap();
    let report = site.done(&["import", file, "--data-dir", directory, "--json"]);
    assert!(report.contains(&format!("\"kind\": \"receipt\",\n    \"new\": {CALLS},")), "{report}");
    assert!(report.contains("\"kind\": \"key\",\n    \"new\": 1,"), "{report}");
    let told = site.done(&["spend", "--json", "--data-dir", directory]);
    assert!(told.contains("\"name\": \"moves\"") && told.contains(dollars), "{told}");
}

#[test]
fn counters_go_on_where_the_node_of_a_directory_ended() {
    let Some(site) = Site::new("nodes-counted", "") else { return };
    let (mut node, key) = spent(&site, Some("one"));
    let before = counted(&node);
    assert_eq!(before[0], CALLS as f64);
    let other = site.node(Some("two"));
    assert_eq!(counted(&other), [0.0; 3], "each counts what it does itself");
    node.signal("KILL");
    node.wait();
    let node = site.node(Some("one"));
    assert_eq!(counted(&node), before);
    assert_eq!(chat(&node, &key).status, 200);
    eventually("it counts on", || counted(&node)[0] == before[0] + 1.0);
}
