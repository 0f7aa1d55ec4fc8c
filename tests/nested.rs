//! Nested budgets over real sockets: a key in a team in an organization, of a member, for a customer, under a tag, with a
//! budget for the model, at deployments and a provider with budgets, below a global one. A thousand streams fall on all of
//! them at once; clients hang up, providers fail and cut, calls are tried again and elsewhere; no scope is overspent.
//!
//! `TOLLGATE_ROUNDS=100 cargo test --test nested` runs more rounds, each with budgets of its own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail as they do, and rounds tell how they went"
)]

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::{Connection, OpenFlags};
use support::Scratch;
use support::admin::Admin;
use support::client::Client;
use support::rig::{Rig, body};
use tollgate::vocabulary::{KeyHash, PicoUsd};

const MASTER: &str = "sk-nested-master-0001";
const ROUNDS: usize = 3;
const STREAMS: usize = 1_000;
/// So many are open at once.
const CLIENTS: usize = 200;
/// A thousandth of a dollar for each token that is answered.
const MILLI: PicoUsd = PicoUsd(1_000_000_000);

/// Thousandths of dollars that each scope may spend.
struct Budgets {
    key: u64,
    model: u64,
    team: u64,
    member: u64,
    organization: u64,
    customer: u64,
    tag: u64,
    deployment: u64,
    provider: u64,
    user: u64,
    global: u64,
}

/// The key that is in the team, and one of the user's own, in the organization alone.
struct Keys {
    team: String,
    own: String,
}

impl Budgets {
    /// All of them near each other, so that another one is the tightest each time.
    fn roll() -> Self {
        let amount = || fastrand::u64(120..400);
        let team = amount();
        Self {
            key: amount(),
            model: amount(),
            team,
            member: amount(),
            // Not below its team's; two keys spend from it.
            organization: team + fastrand::u64(0..100),
            customer: amount(),
            tag: amount(),
            deployment: amount(),
            provider: amount(),
            user: amount(),
            global: amount() + 200,
        }
    }

    fn config(&self, base: &str) -> String {
        let dollars = |milli: u64| format!("0.{milli:03}");
        let deployment = |group: &str, id: &str, vendor: &str, more: &str| {
            format!(
                "  - model_name: {group}\n    litellm_params: {{model: {vendor}/up-{id}, api_base: \"{base}\", api_key: sk-up, \
                 output_cost_per_token: 0.001{more}}}\n    model_info: {{id: {id}}}\n"
            )
        };
        format!(
            "model_list:\n{}{}{}router_settings:\n  num_retries: 1\n  disable_cooldowns: true\n  fallbacks: [{{chat: [spare]}}]\n  \
             provider_budget_config: {{openai: {{budget_limit: {}, time_period: 30d}}}}\nlitellm_settings: {{max_budget: {}, \
             budget_duration: 30d}}\ngeneral_settings: {{master_key: {MASTER}}}\n",
            deployment("chat", "a", "openai", &format!(", max_budget: {}", dollars(self.deployment))),
            deployment("chat", "b", "openai", ""),
            deployment("spare", "c", "groq", ""),
            dollars(self.provider),
            dollars(self.global),
        )
    }

    /// Makes everybody, and gives the keys.
    fn put(&self, admin: &Admin) -> Keys {
        let dollars = |milli: u64| format!("0.{milli:03}");
        let user = format!(r#"{{"user_id":"ada","auto_create_key":false,"max_budget":{}}}"#, dollars(self.user));
        admin.done("/user/new", &user);
        let organization = admin.done(
            "/organization/new",
            &format!(
                r#"{{"organization_alias":"acme","models":["chat","spare"],"max_budget":{}}}"#,
                dollars(self.organization)
            ),
        );
        let organization = organization.at("organization_id");
        let team = format!(
            r#"{{"team_id":"blue","organization_id":"{organization}","models":["chat","spare"],"max_budget":{}}}"#,
            dollars(self.team)
        );
        admin.done("/team/new", &team);
        let member = format!(
            r#"{{"team_id":"blue","member":{{"role":"user","user_id":"ada"}},"max_budget_in_team":{}}}"#,
            dollars(self.member)
        );
        admin.done("/team/member_add", &member);
        admin.done("/customer/new", &format!(r#"{{"user_id":"eve","max_budget":{}}}"#, dollars(self.customer)));
        admin.done("/tag/new", &format!(r#"{{"name":"nightly","max_budget":{}}}"#, dollars(self.tag)));
        let of_team = format!(
            r#"{{"team_id":"blue","user_id":"ada","max_budget":{},"model_max_budget":{{"chat":{{"budget_limit":{},"time_period":"30d"}}}}}}"#,
            dollars(self.key),
            dollars(self.model)
        );
        let own = format!(r#"{{"user_id":"ada","organization_id":"{organization}"}}"#);
        Keys { team: admin.key(&of_team), own: admin.key(&own) }
    }
}

/// What became of the streams.
#[derive(Default)]
struct Ends {
    whole: AtomicUsize,
    left: AtomicUsize,
    cut: AtomicUsize,
    denied: AtomicUsize,
}

fn stream(rig: &Rig, key: &str, number: usize, ends: &Ends) {
    let mock = match number % 7 {
        0 => r#""chunks":5,"cut_after":2"#.to_owned(),
        1 => format!(r#""chunks":3,"fail_times":1,"id":"{number}""#),
        2 => r#""chunks":5,"gap_ms":3"#.to_owned(),
        3 => format!(r#""chunks":4,"fail_times":2,"status":503,"id":"{number}""#),
        _ => format!(r#""chunks":{}"#, 1 + number % 5),
    };
    let more =
        format!(r#","stream":true,"max_tokens":5,"user":"eve","metadata":{{"tags":["nightly"]}},"mock":{{{mock}}}"#);
    let mut client = Client::connect(rig.gateway.address()).unwrap();
    let mut reply = client.stream(key, &body("chat", &more)).unwrap();
    if number % 7 == 2 && reply.answer.status == 200 {
        reply.events(1).ok();
        ends.left.fetch_add(1, Ordering::Relaxed);
        return;
    }
    let (answer, _) = reply.rest();
    let text = answer.text();
    let count = match answer.status {
        200 if text.ends_with("data: [DONE]\n\n") => &ends.whole,
        200 => &ends.cut,
        422 | 429 => {
            assert!(text.contains("udget"), "{text}");
            &ends.denied
        }
        // The provider's failure, after the last try.
        500 | 502 | 503 => &ends.cut,
        status => panic!("{status}: {text}"),
    };
    count.fetch_add(1, Ordering::Relaxed);
}

/// What rows with this condition come to, in pico-dollars.
fn spent(connection: &Connection, condition: &str) -> PicoUsd {
    let text = format!(
        "SELECT coalesce(sum(cost_micro), 0) * 1000000 + coalesce(sum(cost_pico), 0) FROM spend WHERE {condition}"
    );
    PicoUsd(connection.query_row(&text, [], |row| row.get::<_, i64>(0)).unwrap().into())
}

fn round(round: usize) {
    let (budgets, data) = (Budgets::roll(), Scratch::new("nested-data"));
    let directory = data.path().to_str().unwrap().to_owned();
    let mut rig = Rig::start_with(&format!("nested-{round}"), &["--data-dir", &directory], |base| budgets.config(base));
    let admin = Admin::new(rig.gateway.address(), MASTER);
    let keys = budgets.put(&admin);
    let key = &keys.team;
    let (next, ends) = (AtomicUsize::new(0), Ends::default());
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= STREAMS {
                        return;
                    }
                    stream(&rig, if number % 4 == 0 { &keys.own } else { key }, number, &ends);
                }
            });
        }
    });
    rig.quiesce();
    // One after the other, until nothing more can be paid for: nobody else holds anything now.
    for keys in [&keys.team, &keys.own] {
        let denied = || ends.denied.load(Ordering::Relaxed);
        let (before, mut number) = (denied(), STREAMS);
        while denied() == before {
            number += 7;
            stream(&rig, keys, number - number % 7 + 4, &ends);
        }
    }
    rig.quiesce();
    let told = |path: &str, way: &str| PicoUsd::parse(&admin.get(path).at(way)).unwrap();
    let mut accounts = BTreeMap::from([
        ("key", told(&format!("/key/info?key={key}"), "info.spend")),
        ("team", told("/team/info?team_id=blue", "team_info.spend")),
        ("customer", told("/customer/info?end_user_id=eve", "spend")),
    ]);
    let organization = admin.get("/team/info?team_id=blue").at("team_info.organization_id");
    accounts.insert("organization", told(&format!("/organization/info?organization_id={organization}"), "spend"));
    rig.gateway.signal("TERM");
    assert!(rig.gateway.wait().success());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = Connection::open_with_flags(data.path().join("tollgate.db"), flags).unwrap();
    let hash = KeyHash::of(key);
    let mut tight = String::new();
    for (scope, budget, condition) in [
        ("key", budgets.key, format!("hex(key) = upper('{hash}')")),
        ("model of the key", budgets.model, format!("hex(key) = upper('{hash}') AND model = 'chat'")),
        ("team", budgets.team, "team = 'blue'".to_owned()),
        ("user", budgets.user, "team IS NULL AND user = 'ada'".to_owned()),
        ("member", budgets.member, "team = 'blue' AND user = 'ada'".to_owned()),
        ("organization", budgets.organization, format!("organization = '{organization}'")),
        ("customer", budgets.customer, "customer = 'eve'".to_owned()),
        ("tag", budgets.tag, "EXISTS (SELECT 1 FROM json_each(tags) WHERE value = 'nightly')".to_owned()),
        ("deployment", budgets.deployment, "deployment = 'a'".to_owned()),
        ("provider", budgets.provider, "provider = 'openai'".to_owned()),
        ("global", budgets.global, "1".to_owned()),
    ] {
        let (spent, budget) = (spent(&connection, &condition), MILLI.times(budget));
        assert!(spent <= budget, "round {round}: {scope} spent {spent} of {budget}");
        if let Some(account) = accounts.get(scope) {
            assert_eq!(*account, spent, "round {round}: the account of the {scope} and its rows");
        }
        if budget.minus(spent) < MILLI.times(5) {
            tight.push_str(&format!(" {scope}"));
        }
    }
    let total = spent(&connection, "1");
    assert!(total > PicoUsd::ZERO && !tight.is_empty(), "round {round}: {total} spent, and no budget is used up");
    let ends = [&ends.whole, &ends.left, &ends.cut, &ends.denied].map(|count| count.load(Ordering::Relaxed));
    assert!(ends.iter().all(|count| *count > 0), "round {round}: whole, left, cut, denied: {ends:?}");
    println!("round {round}: whole, left, cut, denied {ends:?}; {total} spent; used up:{tight}");
}

#[test]
fn no_scope_is_overspent_by_a_thousand_streams_at_once() {
    let rounds = std::env::var("TOLLGATE_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    (0..rounds).for_each(round);
}
