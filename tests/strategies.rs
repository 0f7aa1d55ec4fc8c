//! Every routing strategy chooses whom its name promises, over real sockets; so do `order`, tags, wildcards and aliases.

#![expect(clippy::unwrap_used, reason = "in a test an unwrap is an assertion")]

use support::client::{Answer, Client};
use support::rig::{self, Rig, eventually};

mod support;

const MASTER: &str = "sk-strategies-master-01";

/// A deployment of the group `m`: its id, and more of `litellm_params`.
fn entry(group: &str, id: &str, base: &str, more: &str) -> String {
    format!(
        "  - model_name: {group}
    litellm_params: {{model: openai/up-{id}, api_base: {base}, api_key: sk-provider-of-strategies{more}}}
    model_info: {{id: {id}}}
"
    )
}

fn start(name: &str, router: &str, deployments: &[(&str, &str)]) -> Rig {
    Rig::start(name, |mock| {
        let list: String = deployments.iter().map(|(id, more)| entry("m", id, mock, more)).collect();
        format!("model_list:\n{list}router_settings:\n{router}general_settings:\n  master_key: {MASTER}\n")
    })
}

fn ask(rig: &Rig, model: &str, headers: &str, members: &str) -> Answer {
    let headers = format!("authorization: Bearer {MASTER}\r\ncontent-type: application/json\r\n{headers}");
    rig.client().send("POST /v1/chat/completions", &headers, rig::body(model, members).as_bytes()).unwrap().rest().0
}

fn id(answer: &Answer) -> String {
    answer.header("x-litellm-model-id").unwrap_or(answer.head.as_str()).to_owned()
}

fn served(rig: &Rig, members: &str) -> String {
    let answer = ask(rig, "m", "", members);
    assert_eq!(answer.status, 200, "{}", answer.text());
    id(&answer)
}

/// Who is left of two.
fn other(served: &str) -> &'static str {
    if served == "a" { "b" } else { "a" }
}

/// A stream that has begun and does not end before its client is dropped; and who serves it.
fn hold(client: &mut Client) -> String {
    let body = rig::body("m", r#","stream":true,"mock":{"stall_after":3}"#);
    let reply = client.stream(MASTER, &body).unwrap();
    assert_eq!(reply.answer.status, 200);
    id(&reply.answer)
}

#[test]
fn least_busy_and_power_of_two_avoid_who_has_open_requests() {
    for strategy in ["least-busy", "power-of-two"] {
        let rig = start(strategy, &format!("  routing_strategy: {strategy}\n"), &[("a", ""), ("b", "")]);
        // The second stream goes where the first is not, and so on: what is open stays level.
        let mut clients = [rig.client(), rig.client()];
        let holders = clients.each_mut().map(hold);
        assert_eq!(holders[1], other(&holders[0]), "{strategy}");
        if strategy == "least-busy" {
            let mut third = rig.client();
            let busy = hold(&mut third);
            for _ in 0..5 {
                eventually("three are open", || rig.metric("tollgate_in_flight_requests", &[]) == 3.0);
                assert_eq!(served(&rig, ""), other(&busy), "{strategy}");
            }
        }
    }
}

#[test]
fn usage_based_routing_asks_who_used_the_fewest_tokens_this_minute() {
    for strategy in ["usage-based-routing", "usage-based-routing-v2"] {
        let rig = start(strategy, &format!("  routing_strategy: {strategy}\n"), &[("a", ""), ("b", "")]);
        let heavy = served(&rig, r#","mock":{"completion_tokens":100000}"#);
        for count in 1..=6 {
            // What was used is known once the exchange is over.
            rig.exchanges_after(count);
            assert_eq!(served(&rig, r#","mock":{"completion_tokens":10}"#), other(&heavy), "{strategy}");
        }
    }
}

#[test]
fn usage_based_routing_keeps_within_the_limits_of_deployments() {
    let rig =
        start("usage-limits", "  routing_strategy: usage-based-routing-v2\n", &[("a", ", rpm: 2"), ("b", ", rpm: 3")]);
    let mut seen: Vec<_> = (0..5).map(|_| served(&rig, "")).collect();
    seen.sort_unstable();
    assert_eq!(seen, ["a", "a", "b", "b", "b"]);
    let refused = ask(&rig, "m", "", "");
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!(refused.text().contains("No deployments available for selected model"), "{}", refused.text());
    assert_eq!(rig.mock.requests().len(), 5, "no provider had to refuse");
}

#[test]
fn latency_based_routing_asks_the_quickest_and_counts_streams_to_their_first_content() {
    let router = "  routing_strategy: latency-based-routing\n";
    let late = ", extra_headers: {x-mock-latency-ms: \"400\"}";
    let rig = start("latency", router, &[("a", late), ("b", "")]);
    // Who is not known yet is asked first.
    let mut first = [served(&rig, ""), served(&rig, "")];
    first.sort_unstable();
    assert_eq!(first, ["a", "b"]);
    (0..5).for_each(|_| assert_eq!(served(&rig, ""), "b"));

    // `a` says its first word at once and takes long to end; `b` thinks for a while and then says all.
    let slow_talker = ", extra_headers: {x-mock-pause-after: \"3\", x-mock-pause-ms: \"900\"}";
    let rig = start("latency-streams", router, &[("a", slow_talker), ("b", late)]);
    let stream = r#","stream":true"#;
    let mut first = [served(&rig, stream), served(&rig, stream)];
    first.sort_unstable();
    assert_eq!(first, ["a", "b"]);
    (0..3).for_each(|_| assert_eq!(served(&rig, stream), "a"));
    // Of answers that are no streams nothing is known by that: both are found out about anew.
    let mut first = [served(&rig, ""), served(&rig, "")];
    first.sort_unstable();
    assert_eq!(first, ["a", "b"]);
}

#[test]
fn a_buffer_makes_deployments_alike_that_are_nearly_as_quick() {
    let latency = |ms: u32| format!(", extra_headers: {{x-mock-latency-ms: \"{ms}\"}}");
    let (quick, near, far) = (latency(200), latency(220), latency(3000));
    let router = "  routing_strategy: latency-based-routing\n  routing_strategy_args: {lowest_latency_buffer: 2}\n";
    let rig = start("latency-buffer", router, &[("quick", &quick), ("near", &near), ("far", &far)]);
    (0..3).for_each(|_| drop(served(&rig, "")));
    let mut seen: Vec<_> = (0..16).map(|_| served(&rig, "")).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, ["near", "quick"]);
}

#[test]
fn cost_based_routing_asks_the_cheapest_and_takes_an_unknown_price_for_a_high_one() {
    let price = |micro: u32| format!(", input_cost_per_token: 0.00000{micro}, output_cost_per_token: 0.00000{micro}");
    let (dear, cheap) = (price(9), price(1));
    let router = "  routing_strategy: cost-based-routing\n";
    let rig = start("cost", router, &[("dear", &dear), ("cheap", &cheap), ("unknown", "")]);
    (0..6).for_each(|_| assert_eq!(served(&rig, ""), "cheap"));
    // Where the cheapest is full the next one is asked, and the one without a price last.
    let (full, next) = (format!("{cheap}, rpm: 1"), format!("{dear}, rpm: 1"));
    let rig = start("cost-full", router, &[("unknown", ""), ("dear", &next), ("cheap", &full)]);
    let seen: Vec<_> = (0..3).map(|_| served(&rig, "")).collect();
    assert_eq!(seen, ["cheap", "dear", "unknown"]);
}

#[test]
fn the_lowest_order_is_asked_whatever_the_strategy() {
    for strategy in ["simple-shuffle", "least-busy", "latency-based-routing", "cost-based-routing", "power-of-two"] {
        let router = format!("  routing_strategy: {strategy}\n");
        let dear = ", order: 1, input_cost_per_token: 0.001, weight: 1";
        let rig =
            start(&format!("order-{strategy}"), &router, &[("second", ", order: 2, weight: 99"), ("first", dear)]);
        (0..4).for_each(|_| assert_eq!(served(&rig, ""), "first", "{strategy}"));
    }
}

#[test]
fn tags_choose_among_deployments_and_default_takes_the_rest() {
    let list = [("free", ", tags: [free]"), ("paid", ", tags: [paid, eu]"), ("rest", ", tags: [default]")];
    let by = |rig: &Rig, header: &str, members: &str| {
        let header = if header.is_empty() { String::new() } else { format!("x-litellm-tags: {header}\r\n") };
        let answer = ask(rig, "m", &header, members);
        if answer.status == 200 { id(&answer) } else { answer.status.to_string() }
    };
    let rig = start("tags-any", "  enable_tag_filtering: true\n", &list);
    for _ in 0..3 {
        assert_eq!(by(&rig, "paid", ""), "paid");
        assert_eq!(by(&rig, "eu,unheard-of", ""), "paid", "one in common is enough");
        assert_eq!(by(&rig, "", r#","metadata":{"tags":["free"]}"#), "free");
        assert_eq!(by(&rig, "", r#","tags":["free"]"#), "free");
        assert_eq!(by(&rig, "", ""), "rest");
        assert_eq!(by(&rig, "unheard-of", ""), "rest");
    }
    let rig = start("tags-all", "  enable_tag_filtering: true\n  tag_filtering_match_any: false\n", &list);
    assert_eq!(by(&rig, "paid,eu", ""), "paid");
    assert_eq!(by(&rig, "paid,free", ""), "rest", "nobody has both");
    let rig = start("tags-none", "  enable_tag_filtering: true\n", &list[..2]);
    assert_eq!(by(&rig, "unheard-of", ""), "400", "there is no default");
}

#[test]
fn exact_names_come_before_wildcards_and_aliases_lead_where_they_say() {
    let rig = Rig::start("names", |mock| {
        let star =
            |group: &str, id: &str, model: &str| entry(group, id, mock, "").replace(&format!("openai/up-{id}"), model);
        let list = [
            star("any/*", "wide", "openai/*"),
            star("any/gpt-*", "narrow", "openai/gpt-*"),
            star("any/gpt-4o", "exact", "openai/gpt-4o-2024-08-06"),
        ];
        format!(
            "model_list:\n{}router_settings:\n  model_group_alias: {{nickname: any/gpt-4o, secret: {{model: any/gpt-4o, hidden: true}}}}\n\
             general_settings:\n  master_key: {MASTER}\n",
            list.concat()
        )
    });
    for (asked, who, model) in [
        ("any/gpt-4o", "exact", "gpt-4o-2024-08-06"),
        ("any/gpt-5", "narrow", "gpt-5"),
        ("any/o3", "wide", "o3"),
        ("nickname", "exact", "gpt-4o-2024-08-06"),
        ("secret", "exact", "gpt-4o-2024-08-06"),
    ] {
        let answer = ask(&rig, asked, "", "");
        assert_eq!((answer.status, id(&answer).as_str()), (200, who), "{asked}: {}", answer.text());
        assert!(answer.text().contains(&format!(r#""model":"{asked}""#)), "{asked}: {}", answer.text());
        let sent = rig.mock.requests().last().unwrap().text();
        assert!(sent.contains(&format!(r#""model":"{model}""#)), "{asked}: {sent}");
    }
    let headers = format!("authorization: Bearer {MASTER}\r\n");
    let listed = rig.client().send("GET /v1/models", &headers, b"").unwrap().whole().unwrap().text();
    assert!(listed.contains("\"nickname\"") && !listed.contains("secret"), "{listed}");
}
