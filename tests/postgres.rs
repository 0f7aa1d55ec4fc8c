//! Several nodes on one PostgreSQL: what one is told all know, what each spends is there once, and its loss is survived.

mod support;

use std::time::Duration;

use support::Process;
use support::client::Client;
use support::nodes::{MASTER, Site, admin, chat, until};
use support::rig::{self, eventually};

/// How long a change may take until it is in force everywhere.
const SOON: Duration = Duration::from_secs(1);

#[test]
fn what_one_node_is_told_is_in_force_on_all_within_a_second() {
    let Some(site) = Site::new("postgres-told", "") else { return };
    let (one, two) = (site.node(None), site.node(Some("two")));
    let key = admin(&one).key(r#"{"key_alias":"k"}"#);
    assert!(until(&two, &key, 200) < SOON);
    let body = format!(r#"{{"key":"{key}"}}"#);
    admin(&two).done("/key/block", &body);
    assert_ne!(chat(&two, &key).status, 200);
    let begun = rig::clock();
    eventually("a blocked key is refused", || chat(&one, &key).status != 200);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    admin(&one).done("/key/unblock", &body);
    assert!(until(&two, &key, 200) < SOON);
    admin(&two).done("/key/delete", &format!(r#"{{"keys":["{key}"]}}"#));
    assert!(until(&one, &key, 401) < SOON);
    let team = admin(&one).done("/team/new", r#"{"team_alias":"t"}"#).at("team_id");
    eventually("a team is known", || admin(&two).get(&format!("/team/info?team_id={team}")).status == 200);
    let provider = site.mock.addr();
    let model = format!(
        r#"{{"model_name":"later","litellm_params":{{"model":"openai/up","api_base":"http://{provider}/v1","api_key":"sk-p"}}}}"#
    );
    admin(&one).done("/model/new", &model);
    eventually("a model is served", || {
        let mut client = Client::connect(two.address()).unwrap();
        client.chat(MASTER, &rig::body("later", "")).unwrap().status == 200
    });
}

#[test]
fn receipts_of_all_nodes_are_there_once_and_so_are_those_of_a_node_that_was_killed() {
    let Some(site) = Site::new("postgres-receipts", "") else { return };
    let (one, mut two) = (site.node(None), site.node(Some("two")));
    let key = admin(&one).key("{}");
    until(&two, &key, 200);
    for _ in 0..20 {
        assert_eq!(chat(&one, &key).status, 200);
        assert_eq!(chat(&two, &key).status, 200);
    }
    two.signal("KILL");
    two.wait();
    drop(two);
    let rows = || site.rows();
    // Without a directory a receipt is in the database when its answer has its end.
    assert!(rows() >= 20, "{}", rows());
    let two = site.node(Some("two"));
    let asked = i64::try_from(site.mock.requests().len()).unwrap();
    eventually("every receipt is there", || rows() == asked);
    assert_eq!(site.sums(), [asked * 17_000_000; 2]);
    let spent = |node: &Process| admin(node).get(&format!("/key/info?key={key}")).at("info.spend");
    let cost = format!("{}", asked as f64 * 0.000_017);
    eventually("both know what was spent", || spent(&one).starts_with(&cost[..7]) && spent(&two) == spent(&one));
    let logged = admin(&two).get("/spend/logs/v2?start_date=2020-01-01&end_date=2100-01-01&page_size=1");
    assert_eq!(logged.at("total"), asked.to_string(), "{}", logged.text());
}

#[test]
fn what_is_spent_on_one_node_is_spent_on_all() {
    let Some(site) = Site::new("postgres-budget", "") else { return };
    let (one, two) = (site.node(None), site.node(None));
    // Enough for three.
    let key = admin(&one).key(r#"{"max_budget":0.00006}"#);
    until(&two, &key, 200);
    let mut denied = None;
    for _ in 0..10 {
        let answer = chat(&one, &key);
        if answer.status != 200 {
            denied = Some(answer.status);
            break;
        }
    }
    assert_eq!(denied, Some(422));
    let begun = rig::clock();
    eventually("the other node knows", || chat(&two, &key).status == 422);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[test]
fn a_database_that_is_lost_is_waited_for() {
    let Some(mut site) = Site::new("postgres-lost", "") else { return };
    let (with, without) = (site.node(Some("with")), site.node(None));
    let key = admin(&with).key(r#"{"max_budget":50}"#);
    until(&without, &key, 200);
    let free = admin(&with).key("{}");
    until(&without, &free, 200);
    // What it is lent it may spend.
    assert_eq!(chat(&with, &key).status, 200);
    site.database.kill();
    let readiness = |node: &Process| Client::connect(node.address()).unwrap().get("/health/readiness").unwrap();
    eventually("it is known", || readiness(&without).status == 503 && readiness(&with).at("db") == "Not connected");
    // A journal has what the database has not; without one no money is spent that nobody may remember.
    assert_eq!((readiness(&with).status, chat(&with, &key).status), (200, 200), "{}", with.output());
    let refused = chat(&without, &key);
    assert_eq!(refused.status, 503);
    assert!(refused.text().contains("PostgreSQL"), "{}", refused.text());
    assert_eq!(chat(&without, &free).status, 200);
    let unkept = admin(&with).post("/key/generate", "{}");
    assert_eq!(unkept.status, 503, "{}", unkept.text());
    site.database.run();
    eventually("both recover", || {
        readiness(&with).at("db") == "connected" && readiness(&without).at("db") == "connected"
    });
    assert_eq!(chat(&without, &key).status, 200);
    let later = admin(&with).key("{}");
    until(&without, &later, 200);
    let asked = i64::try_from(site.mock.requests().len()).unwrap();
    eventually("no receipt is lost", || site.rows() == asked);
    assert_eq!(site.sums(), [asked * 17_000_000; 2]);
}

#[test]
fn a_database_that_cannot_be_used_is_told_of() {
    let Some(site) = Site::new("postgres-refused", "") else { return };
    drop(site.node(None));
    site.database.sql("INSERT INTO tollgate.migration (version) VALUES (99)");
    let newer = site.refused(&site.database.url());
    assert!(newer.contains("its schema 99 is newer than"), "{newer}");
    let nowhere = site.refused("postgres://gate:hidden@127.0.0.1:1/gate");
    assert!(nowhere.contains("PostgreSQL at 127.0.0.1:1/gate") && !nowhere.contains("hidden"), "{nowhere}");
    let other = site.refused("mysql://gate:hidden@127.0.0.1:1/gate");
    assert!(other.contains("database_url") && other.contains("postgres://") && !other.contains("hidden"), "{other}");
}
