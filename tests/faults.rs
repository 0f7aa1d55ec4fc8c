//! What becomes of a request when its provider fails, over real sockets: one row per fault.
//!
//! Every fault is tried as a stream and not, in three places:
//! - **alone**: one deployment, nothing to go on to. The status that the client gets.
//! - **pair**: the failing deployment first, a good one behind it. Whether the good one answers, and whether the failing
//!   one is set aside at once.
//! - **on**: the failing deployment alone in its group, with a fallback to a good group. Whether the fallback answers.
//!
//! Only an answer that came, or began to stream, is charged. What fails after the client has seen content stands in a second table: nobody else is
//! asked, the stream ends in an error of the client's dialect, and what was sent is charged.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on stops")]

use std::time::Duration;

use support::client::Answer;
use support::hostile::{Hostile, Play};
use support::rig::{self, Rig, sum};
use tollgate::mock::{Options, Server, Tls};
use tollgate::vocabulary::PicoUsd;

mod support;

const MASTER: &str = "sk-faults-master-000001";

/// What a provider does, and what shall come of it.
struct Row {
    name: &'static str,
    /// Headers that make the mock misbehave.
    knobs: &'static [(&'static str, &'static str)],
    ways: Ways,
    alone: u16,
    /// Whether another deployment of the group is asked.
    pair: Then,
    /// Whether the fallback is asked.
    on: Then,
    cooled: Cooled,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ways {
    Both,
    Whole,
    Stream,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Answered,
    Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cooled {
    AtOnce,
    No,
}

use Cooled::{AtOnce, No};
use Then::{Answered, Told};
use Ways::{Both, Stream, Whole};

const fn row(
    name: &'static str,
    knobs: &'static [(&'static str, &'static str)],
    ways: Ways,
    alone: u16,
    pair: Then,
    on: Then,
    cooled: Cooled,
) -> Row {
    Row { name, knobs, ways, alone, pair, on, cooled }
}

/// The table.
#[rustfmt::skip]
const FAULTS: &[Row] = &[
    //   fault           the mock's knobs                                      ways    alone pair      on        cooled
    row("refused",       &[],                                                  Both,   500, Answered, Answered, No),
    row("no-tls",        &[],                                                  Both,   500, Answered, Answered, No),
    row("stranger",      &[],                                                  Both,   500, Answered, Answered, No),
    row("hung-up",       &[],                                                  Both,   500, Answered, Answered, No),
    row("reset-first",   &[],                                                  Both,   500, Answered, Answered, No),
    row("reset-head",    &[],                                                  Both,   500, Answered, Answered, No),
    row("reset-body",    &[],                                                  Whole,  500, Answered, Answered, No),
    row("reset-role",    &[],                                                  Stream, 500, Answered, Answered, No),
    row("400",           &[("status", "400")],                                 Both,   400, Told,     Told,     No),
    row("401",           &[("status", "401")],                                 Both,   401, Answered, Answered, AtOnce),
    row("403",           &[("status", "403")],                                 Both,   403, Answered, Answered, AtOnce),
    row("404",           &[("status", "404")],                                 Both,   404, Answered, Answered, AtOnce),
    row("408",           &[("status", "408")],                                 Both,   408, Answered, Answered, No),
    row("409",           &[("status", "409")],                                 Both,   409, Answered, Answered, No),
    row("413",           &[("status", "413")],                                 Both,   413, Told,     Told,     No),
    row("422",           &[("status", "422")],                                 Both,   422, Told,     Told,     No),
    row("429",           &[("status", "429")],                                 Both,   429, Answered, Answered, AtOnce),
    row("429-after",     &[("status", "429"), ("retry-after", "60")],          Both,   429, Answered, Answered, AtOnce),
    row("500",           &[("status", "500")],                                 Both,   500, Answered, Answered, No),
    row("502",           &[("status", "502")],                                 Both,   502, Answered, Answered, No),
    row("503",           &[("status", "503")],                                 Both,   503, Answered, Answered, No),
    row("504",           &[("status", "504")],                                 Both,   504, Answered, Answered, No),
    row("529",           &[("status", "529")],                                 Both,   529, Answered, Answered, No),
    row("web-page",      &[("malformed", "html")],                             Both,   502, Answered, Answered, No),
    row("empty",         &[("malformed", "empty")],                            Whole,  500, Answered, Answered, No),
    row("empty-stream",  &[("malformed", "empty")],                            Stream, 500, Answered, Answered, No),
    row("half",          &[("malformed", "truncated")],                        Whole,  502, Answered, Answered, No),
    row("cut",           &[("cut-after", "0")],                                Both,   500, Answered, Answered, No),
    row("slow-head",     &[("latency-ms", "30000")],                           Both,   408, Answered, Answered, No),
    row("stalled",       &[("stall-after", "0")],                              Both,   408, Answered, Answered, No),
    row("error-first",   &[("error-after", "0")],                              Stream, 500, Answered, Answered, No),
    row("error-role",    &[("error-after", "1")],                              Stream, 500, Answered, Answered, No),
];

/// A token of either side costs a millionth.
const PRICE: &str = "      input_cost_per_token: 0.000001\n      output_cost_per_token: 0.000001\n";

/// Where the providers are.
struct Bases<'a> {
    mock: &'a str,
    /// Breaks its connections.
    breaks: &'a str,
    /// Shows a certificate that nobody vouches for.
    stranger: &'a str,
}

impl Row {
    fn ways(&self) -> impl Iterator<Item = bool> {
        let ways: &[bool] = match self.ways {
            Both => &[false, true],
            Whole => &[false],
            Stream => &[true],
        };
        ways.iter().copied()
    }

    fn bad(&self, group: &str, bases: &Bases<'_>, more: &str) -> String {
        let base = match self.name {
            "refused" => "http://127.0.0.1:1/v1",
            "no-tls" => &bases.mock.replace("http://", "https://"),
            "stranger" => bases.stranger,
            "hung-up" | "reset-first" | "reset-head" | "reset-body" | "reset-role" => {
                &format!("{}/{}/v1", bases.breaks, self.name)
            }
            _ => bases.mock,
        };
        let headers: String = self.knobs.iter().map(|(knob, value)| format!("x-mock-{knob}: \"{value}\", ")).collect();
        deployment(
            group,
            &format!("{group}-bad"),
            base,
            &format!("{more}{PRICE}      timeout: 0.4\n      extra_headers: {{{headers}}}\n"),
        )
    }
}

fn deployment(group: &str, id: &str, base: &str, more: &str) -> String {
    format!(
        "  - model_name: {group}
    litellm_params:
      model: openai/up
      api_base: {base}
      api_key: sk-provider-of-the-faults
{more}    model_info:
      id: {id}
"
    )
}

fn group(place: &str, row: &Row, stream: bool) -> String {
    format!("{place}-{}-{}", row.name, if stream { "stream" } else { "whole" })
}

/// A provider that breaks its connections as its base URL says.
fn breaks() -> Hostile {
    const ROLE: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n";
    const WORD: &str = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"up\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"one\"},\"finish_reason\":null}]}\n\n";
    Hostile::start(|request| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n";
        let how = request.head.split('/').nth(1).unwrap_or_default();
        match how {
            "reset-first" => Play::raw("").reset(),
            "reset-head" => Play::raw(head).reset(),
            "reset-body" => Play::raw(format!("{head}{{\"id\":")).reset(),
            "reset-role" => Play::events(ROLE).reset(),
            "reset-word" => Play::events(&format!("{ROLE}{WORD}")).reset(),
            _ => Play::raw("").hang_up(),
        }
    })
}

/// A provider whose certificate is made out for its address, by itself.
fn stranger() -> Server {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let tls = Tls::from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes()).unwrap();
    Server::start(Options { tls: Some(tls), ..Options::default() }).unwrap()
}

fn config(bases: &Bases<'_>) -> String {
    let mut list = deployment("good", "good-1", bases.mock, PRICE);
    let mut fallbacks = String::new();
    for row in FAULTS {
        for stream in row.ways() {
            list += &row.bad(&group("alone", row, stream), bases, "      num_retries: 0\n");
            let pair = group("pair", row, stream);
            list += &row.bad(&pair, bases, "      order: 1\n");
            list += &deployment(&pair, &format!("{pair}-good"), bases.mock, &format!("{PRICE}      order: 2\n"));
            let on = group("on", row, stream);
            list += &row.bad(&on, bases, "      num_retries: 0\n");
            fallbacks += &format!("    - {on}: [good]\n");
        }
    }
    format!(
        "model_list:\n{list}router_settings:\n  retry_budget_floor: 1000000\n  fallbacks:\n{fallbacks}general_settings:\n  master_key: {MASTER}\n"
    )
}

fn ask(rig: &Rig, model: &str, stream: bool, headers: &str, more: &str) -> Answer {
    let members = format!("{}{more}", if stream { r#","stream":true"# } else { "" });
    let headers = format!("authorization: Bearer {MASTER}\r\ncontent-type: application/json\r\n{headers}");
    let body = rig::body(model, &members);
    rig.client().send("POST /v1/chat/completions", &headers, body.as_bytes()).unwrap().rest().0
}

fn number(answer: &Answer, header: &str) -> u32 {
    answer.header(header).unwrap_or_else(|| panic!("no {header} in {}", answer.head)).parse().unwrap()
}

#[test]
fn every_fault_comes_to_what_the_table_says() {
    let (breaks, stranger) = (breaks(), stranger());
    let rig = Rig::start("faults", |mock| {
        let secure = format!("https://{}/v1", stranger.addr());
        config(&Bases { mock, breaks: &breaks.url(), stranger: &secure })
    });
    let mut wrong = Vec::new();
    let mut asked = 0;
    for row in FAULTS {
        for stream in row.ways() {
            let mut check = |place: &str, then: Option<Then>| {
                let group = group(place, row, stream);
                asked += 1;
                let answer = ask(&rig, &group, stream, "x-tollgate-explain: 1\r\n", "");
                let expected = if then == Some(Answered) { 200 } else { row.alone };
                let (retries, fallbacks) =
                    (number(&answer, "x-litellm-attempted-retries"), number(&answer, "x-litellm-attempted-fallbacks"));
                let answered = u32::from(then == Some(Answered));
                let counted = match place {
                    "pair" => (retries, fallbacks) == (answered, 0),
                    "on" => (retries, fallbacks) == (0, answered),
                    _ => (retries, fallbacks) == (0, 0),
                };
                let served = if place == "on" && answered == 1 { "good" } else { &group };
                let told = answer.header("x-litellm-model-group") == Some(served);
                let legs = answer.header("x-tollgate-route").map_or(0, |route| route.split(", ").count());
                let model = answer.status != 200 || answer.text().contains(&format!(r#""model":"{group}""#));
                if answer.status != expected || !counted || !told || !model || legs as u32 != 1 + answered {
                    wrong.push(format!(
                        "{group}: {} (expected {expected}), {retries} retries, {fallbacks} fallbacks\n{}{}",
                        answer.status,
                        answer.head,
                        answer.text()
                    ));
                }
            };
            check("alone", None);
            check("pair", Some(row.pair));
            check("on", Some(row.on));
        }
    }
    let mut begun = 0;
    for exchange in rig.exchanges_after(asked) {
        match (exchange.status, exchange.cost() > PicoUsd::ZERO) {
            (200, false) => wrong.push(format!("not charged: {exchange:?}")),
            (200, true) | (_, false) => {}
            (_, true) => begun += 1,
        }
    }
    // Those of error-role and reset-role, where nobody else is asked: their streams had begun, so their prompts are charged.
    assert_eq!(begun, 2, "failures that are charged");
    assert_eq!(stranger.requests().len(), 0, "a request, and a credential, for whom nobody vouches");
    let metrics = rig.metrics();
    for row in FAULTS {
        for stream in row.ways() {
            let id = |place| format!("model_id=\"{}-bad\"", group(place, row, stream));
            let cooled = |place| sum(&metrics, "litellm_deployment_cooled_down_total", &[&id(place)]);
            let state = |place| sum(&metrics, "litellm_deployment_state", &[&id(place)]);
            let expected = f64::from(u8::from(row.cooled == AtOnce));
            if cooled("pair") != expected {
                wrong.push(format!("{}: set aside {} times, expected {expected}", id("pair"), cooled("pair")));
            }
            for place in ["alone", "on"] {
                if cooled(place) != 0.0 || state(place) == 2.0 {
                    wrong.push(format!("{}: the only deployment of a group was set aside", id(place)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n---\n"));
}

/// What fails after the client has seen content: the mock's knobs, the receipt's outcome, and for how many tokens of the
/// answer the client is charged beside its prompt. All of that is wasted.
#[rustfmt::skip]
const AFTER_CONTENT: &[(&str, &str, &str, u64)] = &[
    // the fault        the mock's knobs                                          outcome         tokens
    ("stalls",         "x-mock-stall-after: \"4\"",                               "stalled",      3),
    ("goes slow",      "x-mock-pause-after: \"3\", x-mock-pause-ms: \"60000\"",   "stalled",      2),
    ("breaks off",     "x-mock-cut-after: \"4\"",                                 "upstream_cut", 3),
    ("is reset",       "",                                                        "upstream_cut", 1),
    ("says an error",  "x-mock-error-after: \"4\"",                               "upstream_cut", 3),
];

#[test]
fn what_fails_after_content_is_told_and_charged_and_not_tried_again() {
    let name = |fault: &str| fault.replace(' ', "-");
    let breaks = breaks();
    let rig = Rig::start("faults-after", |mock| {
        let mut list = String::new();
        for (fault, knobs, ..) in AFTER_CONTENT {
            let base = if knobs.is_empty() { format!("{}/reset-word/v1", breaks.url()) } else { mock.to_owned() };
            let bad = format!("{PRICE}      order: 1\n      stream_timeout: 0.4\n      extra_headers: {{{knobs}}}\n");
            list += &deployment(&name(fault), &format!("{}-bad", name(fault)), &base, &bad);
            list += &deployment(&name(fault), &format!("{}-good", name(fault)), mock, "      order: 2\n");
        }
        list += &deployment("good", "good", mock, "");
        format!(
            "model_list:\n{list}router_settings:\n  default_fallbacks: [good]\ngeneral_settings:\n  master_key: {MASTER}\n"
        )
    });
    let mut charged = PicoUsd::ZERO;
    for (at, (fault, _, outcome, tokens)) in AFTER_CONTENT.iter().enumerate() {
        let answer = ask(&rig, &name(fault), true, "", "");
        let told =
            ["x-litellm-attempted-retries", "x-litellm-attempted-fallbacks"].map(|header| number(&answer, header));
        let text = answer.text();
        assert_eq!((answer.status, told), (200, [0, 0]), "{fault}: {text}");
        assert!(text.contains(r#""content":""#), "{fault}: {text}");
        assert_eq!(text.matches(r#"{"error":"#).count(), 1, "{fault}: {text}");
        assert!(!text.contains("[DONE]") && text.ends_with("\n\n"), "{fault}: {text}");
        let exchanges = rig.exchanges_after(at + 1);
        let last = exchanges.last().unwrap();
        assert_eq!((&*last.outcome, last.tokens_out), (*outcome, *tokens), "{fault}: {last:?}");
        // A millionth for a token of either side.
        let cost = PicoUsd(i128::from(last.tokens_in + last.tokens_out) * 1_000_000);
        assert_eq!(last.cost(), cost, "{fault}: {last:?}");
        charged = charged.plus(cost);
        assert_eq!(rig.mock.requests().len() + breaks.received().len(), at + 1, "{fault}: one attempt");
    }
    assert_eq!(rig.metric("litellm_deployment_cooled_down_total", &[]), 0.0);
    let wasted = rig.metric("tollgate_wasted_spend_usd_total", &["reason=\"broken\""]);
    let all = charged.0 as f64 / 1e12;
    assert!((wasted - all).abs() < 1e-9 && wasted == rig.metric("tollgate_spend_usd_total", &[]), "{wasted} {all}");
}

#[test]
fn a_stream_that_is_fast_and_then_slow_is_waited_for() {
    let knobs = "x-mock-pause-after: \"3\", x-mock-pause-ms: \"600\"";
    let rig =
        Rig::start("faults-slow", |mock| groups(mock, &[("slow", "slow", knobs, "      stream_timeout: 20\n")], ""));
    let answer = ask(&rig, "slow", true, "", "");
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.text().contains("[DONE]") && !answer.text().contains("\"error\""), "{}", answer.text());
    let exchanges = rig.exchanges_after(1);
    assert_eq!((exchanges[0].outcome.as_str(), exchanges[0].tokens_out), ("complete", 10));
}

/// A configuration of single groups: name, knobs, lines of `litellm_params`; then more of the file.
fn groups(mock: &str, list: &[(&str, &str, &str, &str)], more: &str) -> String {
    let list: String = list
        .iter()
        .map(|(group, id, knobs, lines)| {
            deployment(group, id, mock, &format!("      extra_headers: {{{knobs}}}\n{lines}"))
        })
        .collect();
    format!("model_list:\n{list}{more}general_settings:\n  master_key: {MASTER}\n")
}

#[test]
fn fallbacks_go_on_from_group_to_group_and_end() {
    let rig = Rig::start("faults-chain", |mock| {
        groups(
            mock,
            &[
                ("a", "a", "x-mock-status: \"503\"", ""),
                ("b", "b", "x-mock-status: \"500\"", ""),
                ("c", "c", "x-mock-status: \"429\"", ""),
                ("good", "good", "x-mock-chunks: \"3\"", ""),
                ("circle-1", "circle-1", "x-mock-status: \"503\"", ""),
                ("circle-2", "circle-2", "x-mock-status: \"503\"", ""),
                ("far", "far", "x-mock-status: \"503\"", ""),
            ],
            "router_settings:
  num_retries: 0
  max_fallbacks: 3
  fallbacks: [{a: [b]}, {b: [c, nowhere]}, {c: [good]}, {circle-1: [circle-2]}, {circle-2: [circle-1]}, {far: [a, good]}]
  default_fallbacks: [good]
",
        )
    });
    for stream in [false, true] {
        let answer = ask(&rig, "a", stream, "x-tollgate-explain: 1\r\n", "");
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(number(&answer, "x-litellm-attempted-fallbacks"), 3);
        assert_eq!(number(&answer, "x-litellm-attempted-retries"), 0);
        assert_eq!(answer.header("x-litellm-model-group"), Some("good"));
        assert_eq!(answer.header("x-litellm-model-id"), Some("good"));
        let route = answer.header("x-tollgate-route").unwrap();
        assert!(route.starts_with("a=503;") && route.contains(", c=429;") && route.contains(", good=ok;"), "{route}");
        assert!(answer.text().contains(r#""model":"a""#), "{}", answer.text());
        let circle = ask(&rig, "circle-1", stream, "", "");
        assert_eq!((circle.status, number(&circle, "x-litellm-attempted-fallbacks")), (503, 1), "{}", circle.head);
        // The fourth group is one too many.
        let far = ask(&rig, "far", stream, "", "");
        assert_eq!((far.status, number(&far, "x-litellm-attempted-fallbacks")), (429, 3), "{}", far.head);
        let off = ask(&rig, "a", stream, "", r#","disable_fallbacks":true"#);
        assert_eq!((off.status, number(&off, "x-litellm-attempted-fallbacks")), (503, 0));
        let own = ask(&rig, "a", stream, "", r#","fallbacks":["circle-1","good"]"#);
        assert_eq!((own.status, number(&own, "x-litellm-attempted-fallbacks")), (200, 2), "{}", own.text());
    }
    rig.quiesce();
    assert_eq!(rig.metric("litellm_deployment_successful_fallbacks_total", &["fallback_model=\"good\""]), 4.0);
    assert_eq!(rig.metric("litellm_deployment_failed_fallbacks_total", &["fallback_model=\"circle-2\""]), 2.0);
}

#[test]
fn a_clients_fallbacks_are_models_it_may_use_and_names_only() {
    let key = "sk-faults-narrow-0000001";
    let rig = Rig::start("faults-access", |mock| {
        let keys = format!(
            "router_settings:
  num_retries: 0
  fallbacks: [{{open: [closed]}}]
virtual_keys:
{}",
            rig::key(key, "narrow", "    models: [open, other]\n")
        );
        groups(
            mock,
            &[
                ("open", "open", "x-mock-status: \"503\"", ""),
                ("other", "other", "x-mock-chunks: \"2\"", ""),
                ("closed", "closed", "x-mock-chunks: \"2\"", ""),
            ],
            &keys,
        )
    });
    let ask = |more: &str| rig.client().chat(key, &rig::body("open", more)).unwrap();
    let configured = ask("");
    assert_eq!((configured.status, configured.header("x-litellm-model-id")), (200, Some("closed")));
    let own = ask(r#","fallbacks":["other"]"#);
    assert_eq!((own.status, own.header("x-litellm-model-id")), (200, Some("other")), "{}", own.text());
    let forbidden = ask(r#","fallbacks":["closed"]"#);
    assert_eq!(
        (forbidden.status, forbidden.header("x-litellm-attempted-retries")),
        (403, None),
        "{}",
        forbidden.text()
    );
    let object = ask(r#","fallbacks":[{"model":"other"}]"#);
    assert!(object.status == 400 && object.text().contains("fallbacks[0]"), "{}", object.text());
}

#[test]
fn a_key_that_cannot_pay_for_the_fallback_stays_where_it_is() {
    let (poor, rich) = ("sk-faults-poor-000000001", "sk-faults-rich-000000001");
    let rig = Rig::start("faults-money", |mock| {
        let keys = format!(
            "router_settings:\n  num_retries: 0\n  fallbacks: [{{cheap: [dear]}}]\nvirtual_keys:\n{}{}",
            rig::key(poor, "poor", "    max_budget: 0.01\n"),
            rig::key(rich, "rich", "    max_budget: 100\n"),
        );
        let price =
            |input: &str| format!("      input_cost_per_token: {input}\n      output_cost_per_token: {input}\n");
        groups(
            mock,
            &[
                ("cheap", "cheap", "x-mock-status: \"503\"", &price("0.0000001")),
                ("dear", "dear", "x-mock-chunks: \"2\"", &price("0.01")),
            ],
            &keys,
        )
    });
    let ask = |key: &str| rig.client().chat(key, &rig::body("cheap", r#","max_tokens":5"#)).unwrap();
    let refused = ask(poor);
    assert_eq!((refused.status, number(&refused, "x-litellm-attempted-fallbacks")), (503, 0), "{}", refused.text());
    let paid = ask(rich);
    assert_eq!((paid.status, number(&paid, "x-litellm-attempted-fallbacks")), (200, 1), "{}", paid.text());
    let exchanges = rig.exchanges_after(2);
    assert!(exchanges[1].cost().to_dollars() > 0.02, "{:?}", exchanges[1]);
}

#[test]
fn all_at_rest_is_told_with_the_time_to_wait() {
    let rig = Rig::start("faults-rest", |mock| {
        let full = "x-mock-status: \"429\", x-mock-retry-after: \"30\"";
        groups(
            mock,
            &[
                ("both", "both-1", full, ""),
                ("both", "both-2", full, ""),
                ("led", "led-1", full, ""),
                ("led", "led-2", full, ""),
                ("good", "good", "x-mock-chunks: \"2\"", ""),
            ],
            "router_settings:\n  fallbacks: [{led: [good]}]\n",
        )
    });
    let first = ask(&rig, "both", false, "", "");
    assert_eq!((first.status, number(&first, "x-litellm-attempted-retries")), (429, 1), "{}", first.text());
    let asked = rig.mock.stats().requests;
    let second = ask(&rig, "both", false, "", "");
    assert_eq!(second.status, 429);
    let text = second.text();
    assert!(text.contains("No deployments available for selected model, Try again in "), "{text}");
    assert!(text.contains("all_deployments_in_cooldown") && text.contains("Passed model=both"), "{text}");
    assert!((25..=30).contains(&number(&second, "retry-after")), "{}", second.head);
    assert_eq!(rig.mock.stats().requests, asked, "nobody was asked");
    for _ in 0..3 {
        let led = ask(&rig, "led", true, "", "");
        assert_eq!((led.status, number(&led, "x-litellm-attempted-fallbacks")), (200, 1), "{}", led.text());
    }
}

#[test]
fn retries_stay_within_their_budget() {
    let rig = Rig::start("faults-budget", |mock| {
        groups(
            mock,
            &[("down", "down-1", "x-mock-status: \"500\"", ""), ("down", "down-2", "x-mock-status: \"500\"", "")],
            "router_settings:\n  num_retries: 5\n  disable_cooldowns: true\n  retry_budget_floor: 10\n",
        )
    });
    let mut client = rig.client();
    for _ in 0..300 {
        assert_eq!(client.chat(MASTER, &rig::body("down", "")).map(|answer| answer.status).unwrap_or(500), 500);
        client = rig.client();
    }
    let attempts = rig.mock.stats().requests;
    assert!((301..=300 + 60).contains(&attempts), "{attempts} attempts for 300 requests");
}

#[test]
fn a_request_says_how_often_and_how_long() {
    let rig = Rig::start("faults-wishes", |mock| {
        groups(
            mock,
            &[
                ("down", "down-1", "x-mock-status: \"500\"", ""),
                ("down", "down-2", "x-mock-status: \"500\"", ""),
                ("slow", "slow", "x-mock-latency-ms: \"20000\"", ""),
            ],
            "router_settings:\n  num_retries: 0\n  disable_cooldowns: true\n",
        )
    });
    assert_eq!(number(&ask(&rig, "down", false, "", ""), "x-litellm-attempted-retries"), 0);
    assert_eq!(number(&ask(&rig, "down", false, "", r#","num_retries":1"#), "x-litellm-attempted-retries"), 1);
    let header = ask(&rig, "down", false, "x-litellm-num-retries: 1\r\n", r#","num_retries":0"#);
    assert_eq!(number(&header, "x-litellm-attempted-retries"), 1, "{}", header.head);
    for (stream, header) in [(false, "x-litellm-timeout: 0.2\r\n"), (true, "x-litellm-stream-timeout: 0.2\r\n")] {
        let answer = ask(&rig, "slow", stream, header, "");
        assert_eq!(answer.status, 408, "{}", answer.text());
    }
    let wrong = ask(&rig, "slow", false, "x-litellm-timeout: soon\r\n", "");
    assert!(wrong.status == 400 && wrong.text().contains("x-litellm-timeout"), "{}", wrong.text());
}

#[test]
fn a_deployment_that_comes_back_is_used_again() {
    let rig = Rig::start("faults-back", |mock| {
        groups(
            mock,
            &[
                (
                    "pair",
                    "sick",
                    "x-mock-fail-times: \"1\", x-mock-id: \"sick\", x-mock-status: \"429\"",
                    "      order: 1\n",
                ),
                ("pair", "well", "x-mock-chunks: \"2\"", "      order: 2\n"),
            ],
            "router_settings:\n  cooldown_time: 1\n",
        )
    });
    let by = |expected: &str| {
        let answer = ask(&rig, "pair", false, "", "");
        assert_eq!((answer.status, answer.header("x-litellm-model-id")), (200, Some(expected)), "{}", answer.head);
    };
    by("well");
    by("well");
    std::thread::sleep(Duration::from_millis(1200));
    by("sick");
}

#[test]
fn an_event_that_follows_content_is_not_held_back() {
    let rig = Rig::start("faults-flow", |mock| {
        groups(mock, &[("slow", "slow", "x-mock-chunks: \"4\", x-mock-gap-ms: \"300\"", "")], "")
    });
    let mut client = rig.client();
    let body = rig::body("slow", r#","stream":true"#);
    let mut reply = client.stream(MASTER, &body).unwrap();
    let mut pieces = 0;
    while let Some(piece) = reply.piece().unwrap() {
        assert!(!piece.is_empty());
        pieces += 1;
    }
    assert!(pieces >= 4, "{pieces} pieces: events were gathered");
}

#[test]
fn tags_choose_among_deployments() {
    let rig = Rig::start("faults-tags", |mock| {
        let tags = |tags: &str| format!("      tags: [{tags}]\n");
        groups(
            mock,
            &[
                ("m", "paid", "x-mock-chunks: \"2\"", &tags("paid, eu")),
                ("m", "free", "x-mock-chunks: \"2\"", &tags("free")),
                ("m", "rest", "x-mock-chunks: \"2\"", &tags("default")),
            ],
            "router_settings:\n  enable_tag_filtering: true\n",
        )
    });
    for _ in 0..4 {
        for (headers, more, id) in [
            ("x-litellm-tags: free,other\r\n", "", "free"),
            ("", r#","metadata":{"tags":["paid"]}"#, "paid"),
            ("", r#","tags":["eu"]"#, "paid"),
            ("", "", "rest"),
            ("x-litellm-tags: unheard-of\r\n", "", "rest"),
        ] {
            let answer = ask(&rig, "m", false, headers, more);
            assert_eq!(answer.header("x-litellm-model-id"), Some(id), "{headers}{more}: {}", answer.text());
        }
    }
    let explained = explain(&rig, &["--model", "m", "--tags", "free"]);
    assert!(explained.contains("1. free (openai/up)"), "{explained}");
    assert!(explained.contains("rest (openai/up) left out: it has not the tags of the request"), "{explained}");
}

fn explain(rig: &Rig, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tollgate"));
    let output = command.arg("explain").arg("--config").arg(rig.config()).args(arguments).output().unwrap();
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn what_is_too_long_or_forbidden_goes_where_the_configuration_says() {
    let rig = Rig::start("faults-matter", |mock| {
        let known = |most: u32| format!("    model_info:\n      max_input_tokens: {most}\n");
        let entry = |group: &str, most| {
            deployment(group, "x", mock, "")
                .replace("    model_info:\n", &known(most))
                .replace("id: x", &format!("id: {group}"))
        };
        format!(
            "model_list:\n{}{}{}router_settings:
  enable_pre_call_checks: true
  fallbacks: [{{small: [other]}}]
  context_window_fallbacks: [{{small: [large]}}]
general_settings:
  master_key: {MASTER}\n",
            entry("small", 20),
            entry("large", 100_000),
            entry("other", 100_000),
        )
    });
    let short = ask(&rig, "small", false, "", "");
    assert_eq!((short.status, short.header("x-litellm-model-id")), (200, Some("small")), "{}", short.text());
    let long = ask(&rig, "small", false, "", &format!(r#","user":"{}""#, "many words ".repeat(20)));
    assert_eq!((long.status, long.header("x-litellm-model-id")), (200, Some("small")), "what is no prompt counts not");
    let words = "many more words than twenty ".repeat(20);
    let body = format!(r#"{{"model":"small","messages":[{{"role":"user","content":"{words}"}}]}}"#);
    let answer = rig.client().chat(MASTER, &body).unwrap();
    assert_eq!((answer.status, answer.header("x-litellm-model-id")), (200, Some("large")), "{}", answer.text());
    let explained = explain(&rig, &["--model", "small", "--json"]);
    assert!(explained.contains("\"context_window_fallbacks\": [\n    \"large\"\n  ]"), "{explained}");
}

#[test]
fn a_providers_word_on_length_and_policy_decides_where_to_go_on() {
    let upstream = Hostile::start(|request| {
        let error = |message: &str| Play::json(400, &format!(r#"{{"error":{{"message":"{message}","type":"t"}}}}"#));
        match request.body.split('"').nth(3) {
            Some("long") => error("This model's maximum context length is 10 tokens."),
            Some("forbidden") => error("The response was filtered due to Azure OpenAI's content management policy."),
            Some("bad") => error("Invalid value for 'temperature'."),
            _ => Play::completion(),
        }
    });
    let scratch = support::Scratch::new("faults-word");
    let entry = |group: &str| {
        deployment(group, group, &format!("{}/v1", upstream.url()), "").replace("openai/up", &format!("openai/{group}"))
    };
    let list: String = ["long", "forbidden", "bad", "larger", "laxer", "usual"].map(entry).concat();
    let config = format!(
        "model_list:\n{list}router_settings:
  context_window_fallbacks: [{{long: [larger]}}]
  content_policy_fallbacks: [{{'*': [laxer]}}]
  default_fallbacks: [usual]
general_settings:\n  master_key: {MASTER}\n"
    );
    let gateway = support::Process::gateway(scratch.write("config.yaml", &config), &[]);
    let mut client = support::client::Client::connect(gateway.address()).unwrap();
    for (model, status, served) in [("long", 200, "larger"), ("forbidden", 200, "laxer"), ("bad", 400, "bad")] {
        for _ in 0..2 {
            let answer = client.chat(MASTER, &rig::body(model, "")).unwrap();
            assert_eq!(
                (answer.status, answer.header("x-litellm-model-id")),
                (status, Some(served)),
                "{}",
                answer.text()
            );
        }
    }
}

#[test]
fn a_canned_answer_may_be_the_last_resort() {
    let rig = Rig::start("faults-canned", |mock| {
        groups(
            mock,
            &[
                ("down", "down", "x-mock-status: \"503\"", ""),
                ("sorry", "sorry", "", "      mock_response: Back in an hour.\n"),
            ],
            "router_settings:\n  num_retries: 0\n  fallbacks: [{down: [sorry]}]\n",
        )
    });
    for stream in [false, true] {
        let answer = ask(&rig, "down", stream, "", "");
        assert_eq!((answer.status, answer.header("x-litellm-model-id")), (200, Some("sorry")), "{}", answer.text());
        assert_eq!(number(&answer, "x-litellm-attempted-fallbacks"), 1);
        assert!(answer.text().contains(if stream { "Back " } else { "Back in an hour." }), "{}", answer.text());
    }
    let exchanges = rig.exchanges_after(2);
    assert!(exchanges.iter().all(|exchange| exchange.outcome == "complete"), "{exchanges:?}");
}

/// What the operator is told of a refused credential.
#[test]
fn a_refused_credential_is_said_loudly_and_survives_a_reload() {
    let config = |mock: &str, more: &str| {
        groups(
            mock,
            &[
                ("pair", "locked-out", "x-mock-status: \"401\"", "      order: 1\n"),
                ("pair", "well", "x-mock-chunks: \"2\"", "      order: 2\n"),
            ],
            more,
        )
    };
    let rig = Rig::start("faults-loud", |mock| config(mock, ""));
    assert_eq!(number(&ask(&rig, "pair", false, "", ""), "x-litellm-attempted-retries"), 1);
    rig::eventually("the log tells of it", || {
        let log = rig.gateway.output();
        rig::of_event(&log, "deployment_cooled_down")
            .any(|line| line.contains("\"error\"") && line.contains("locked-out"))
    });
    rig.configure(config(&format!("http://{}/v1", rig.mock.addr()), "router_settings:\n  num_retries: 3\n"));
    rig.gateway.signal("HUP");
    rig::eventually("it is reloaded", || rig.metric("tollgate_config_generation", &[]) == 2.0);
    assert_eq!(number(&ask(&rig, "pair", false, "", ""), "x-litellm-attempted-retries"), 0);
    assert_eq!(rig.metric("litellm_deployment_state", &["model_id=\"locked-out\""]), 2.0);
}

/// Two equal providers; one dies under load and comes back.
#[test]
fn nobody_notices_an_outage() {
    let (stays, mut dies) = (support::Process::mock(&[]), Some(support::Process::mock(&[])));
    let port = dies.as_ref().unwrap().address().port().to_string();
    let scratch = support::Scratch::new("faults-outage");
    let entry = |id: &str, url: String| deployment("pair", id, &format!("{url}/v1"), "");
    let list = entry("stays", stays.url()) + &entry("dies", dies.as_ref().unwrap().url());
    let config =
        format!("model_list:\n{list}router_settings:\n  cooldown_time: 1\ngeneral_settings:\n  master_key: {MASTER}\n");
    let gateway = support::Process::gateway(scratch.write("config.yaml", &config), &[]);
    let mut client = support::client::Client::connect(gateway.address()).unwrap();
    let mut load = |requests: usize| {
        let mut by_dying = 0;
        for step in 0..requests {
            let stream = if step % 2 == 0 { r#","stream":true"# } else { "" };
            let answer = client.chat(MASTER, &rig::body("pair", stream)).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            by_dying += usize::from(answer.header("x-litellm-model-id") == Some("dies"));
        }
        by_dying
    };
    assert!(load(200) > 50);
    drop(dies.take());
    assert_eq!(load(600), 0);
    let scrape = support::client::Client::connect(gateway.address()).unwrap().get("/metrics").unwrap().text();
    let failures = sum(&scrape, "tollgate_attempts_total", &["outcome=\"upstream_connect\""]);
    assert!((1.0..=40.0).contains(&failures), "{failures} attempts at a dead provider");
    dies = Some(support::Process::spawn(["mock", "--port", &port], &[]));
    std::thread::sleep(Duration::from_millis(1100));
    assert!(load(200) > 50, "traffic returns");
    drop(dies);
}
