//! Promise: whatever clients send, the number of series stays under a bound that is known at start, memory stays flat,
//! and the log has one line per event.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may fail as tests do")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::value::RawValue;
use tollgate::telemetry::{
    AttemptFailed, ConfigRemark, ConnectionRefused, DeploymentName, Endpoint, Event, ExchangeClosed, Gauge, Handles,
    Health, KeyLabel, KeyName, LabelBook, Limited, LogTo, Options, Outcome, Refusal, Reloaded, SERIES_MAX, Sample,
    Started, Target, Telemetry, Trouble, reference_markdown,
};
use tollgate::vocabulary::{Clock, KeyHash, Kind, Metered, Now, PicoUsd, Usage};

const NOW: Now = Now { mono_ns: 5, wall_ms: 1_760_000_000_123 };

fn telemetry(log: LogTo, series_max: usize) -> Arc<Telemetry> {
    Telemetry::new(Options { log, series_max, started_ms: NOW.wall_ms })
}

fn book(keys: u32, deployments: u32) -> LabelBook {
    let key =
        |n| KeyName { alias: format!("key-{n}").into(), hash: KeyHash::of(&format!("sk-{n}")).to_string().into() };
    let deployment = |n| DeploymentName {
        id: format!("id-{n}").into(),
        group: format!("group-{}", n % 3).into(),
        provider: "openai".into(),
        model: format!("gpt-{n}").into(),
        api_base: "https://api.example.com".into(),
    };
    LabelBook {
        keys: (0..keys).map(key).collect(),
        groups: (0..3).map(|n| format!("group-{n}").into()).collect(),
        deployments: (0..deployments).map(deployment).collect(),
    }
}

fn closed<'a>(handles: &'a Handles, model: &'a str) -> ExchangeClosed<'a> {
    let usage = Usage { prompt: 100, completion: 21, cache_read: 40, cache_write: 5, reasoning: 7, ..Usage::default() };
    ExchangeClosed {
        handles,
        exchange_id: "0192f0c1",
        request_id: Some(model),
        started_ms: NOW.wall_ms,
        key: KeyLabel::Virtual(0),
        model_requested: Some(model),
        target: Target::Deployment(0),
        endpoint: Endpoint::ChatCompletions,
        stream: true,
        status: 200,
        outcome: Outcome::Complete,
        attempts: 1,
        fault: None,
        usage: Metered::Reported(usage),
        cost: PicoUsd::dollars(1),
        lost: PicoUsd::ZERO,
        price_known: true,
        at_home: None,
        t_total: Duration::from_millis(1200),
        t_upstream: Some(Duration::from_millis(1100)),
        t_first_byte: Some(Duration::from_millis(200)),
        t_overhead: Duration::from_micros(80),
        bytes_in: 500,
        bytes_out: 2000,
        client_ip: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    }
}

/// Text as a stranger might send it: any characters, sometimes long, sometimes made to break a line or a label.
fn hostile(random: &mut fastrand::Rng) -> String {
    const NASTY: [&str; 8] =
        ["\n", "\"", "\\", "\u{202e}", "\x1b[2J", "{}", "sk-0123456789abcdef0123", "\r\n{\"a\":1}"];
    let mut text: String = (0..random.usize(..40)).map(|_| random.char(..)).collect();
    text.push_str(random.choice(NASTY).unwrap_or_default());
    if random.u8(..) == 0 { text.repeat(500) } else { text }
}

fn random_exchange<'a>(handles: &'a Handles, text: &'a str, random: &mut fastrand::Rng) -> ExchangeClosed<'a> {
    let index = random.u32(..30);
    ExchangeClosed {
        key: random.choice([KeyLabel::Unknown, KeyLabel::Master, KeyLabel::Virtual(index)]).unwrap(),
        target: random.choice([Target::None, Target::Group(index), Target::Deployment(index)]).unwrap(),
        endpoint: random.choice(Endpoint::ALL.iter().copied()).unwrap(),
        status: random.u16(..),
        outcome: random.choice(Outcome::ALL.iter().copied()).unwrap(),
        attempts: random.u32(..3),
        fault: Some(Kind::UpstreamStatus(random.u16(..))),
        stream: random.bool(),
        ..closed(handles, text)
    }
}

fn scrape(telemetry: &Telemetry) -> String {
    let mut out = Vec::new();
    telemetry.encode(&mut out);
    String::from_utf8(out).unwrap()
}

/// The series of an exposition, by name and labels. Panics where it is not in the text format 0.0.4.
fn parse(exposition: &str) -> BTreeMap<String, f64> {
    let mut series = BTreeMap::new();
    let mut types: BTreeMap<&str, &str> = BTreeMap::new();
    let mut family = "";
    for line in exposition.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, shape) = rest.split_once(' ').unwrap();
            assert!(types.insert(name, shape).is_none(), "the family {name} is told twice");
            family = name;
        } else if !line.starts_with("# HELP ") {
            let (name_and_labels, value) = split_sample(line);
            let name = name_and_labels.split('{').next().unwrap();
            let suffix = name.strip_prefix(family).unwrap_or_else(|| panic!("{name} stands under {family}"));
            let suffixes: &[&str] = if types[family] == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(suffixes.contains(&suffix), "{line}");
            assert!(series.insert(name_and_labels.to_owned(), value).is_none(), "told twice: {line}");
        }
    }
    series
}

/// Splits a sample where its labels end, checking quotes and escapes.
fn split_sample(line: &str) -> (&str, f64) {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in line.char_indices() {
        match c {
            _ if escaped => {
                assert!(matches!(c, '\\' | 'n' | '"'), "{line}");
                escaped = false;
            }
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ' ' if !quoted => return (&line[..at], line[at + 1..].parse().unwrap()),
            _ => {}
        }
    }
    panic!("no value: {line}");
}

fn value(series: &BTreeMap<String, f64>, name: &str, having: &[&str]) -> f64 {
    let matching = |key: &str| key.split('{').next() == Some(name) && having.iter().all(|label| key.contains(label));
    series.iter().filter(|(key, _)| matching(key)).map(|(_, value)| value).sum()
}

#[test]
fn a_hundred_thousand_hostile_names_make_no_series_and_no_memory() {
    let telemetry = telemetry(LogTo::Json(Box::new(std::io::sink())), SERIES_MAX);
    let handles = telemetry.handles(book(20, 6));
    let mut random = fastrand::Rng::with_seed(36);
    let mut run = |exchanges: u32| {
        for _ in 0..exchanges {
            let text = hostile(&mut random);
            telemetry.emit(&Event::ExchangeClosed(random_exchange(&handles, &text, &mut random)), NOW);
        }
        telemetry.flush(Duration::from_secs(60));
        (parse(&scrape(&telemetry)).len(), resident_kib())
    };
    let (series_before, resident_before) = run(50_000);
    let (series, resident) = run(100_000);
    assert!(series <= telemetry.series_bound(&handles), "{series} series");
    assert!(telemetry.series_bound(&handles) <= SERIES_MAX);
    assert!(series <= series_before + series_before / 10, "{series_before} grew to {series}");
    let grown = resident.saturating_sub(resident_before);
    assert!(grown < 8 * 1024, "{grown} KiB more after 100 000 exchanges");
}

/// Resident memory; zero where there is no /proc.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().map_or(0, |kib| kib.parse().unwrap())
}

#[test]
fn the_bound_holds_when_there_are_more_keys_than_room() {
    let telemetry = telemetry(LogTo::Nowhere, 14_000);
    let handles = telemetry.handles(book(2_000, 6));
    for key in 0..2_000 {
        for deployment in 0..6 {
            let target = Target::Deployment(deployment);
            telemetry.emit(
                &Event::ExchangeClosed(ExchangeClosed { key: KeyLabel::Virtual(key), target, ..closed(&handles, "m") }),
                NOW,
            );
        }
    }
    let series = parse(&scrape(&telemetry));
    assert!(series.len() <= 14_000 && telemetry.series_bound(&handles) <= 14_000, "{}", series.len());
    assert_eq!(value(&series, "tollgate_requests_total", &[]), 12_000.0, "nothing is lost");
    assert_eq!(value(&series, "tollgate_spend_usd_total", &[]), 12_000.0);
    let collapsed = value(&series, "tollgate_series_collapsed_total", &[]);
    assert_eq!(value(&series, "tollgate_requests_total", &["key=\"other\""]), collapsed);
    assert!(collapsed > 0.0 && value(&series, "tollgate_requests_total", &["key=\"key-0\""]) == 6.0);
}

#[test]
fn one_exchange_shows_under_our_names_and_litellms() {
    let telemetry = telemetry(LogTo::Nowhere, SERIES_MAX);
    let handles = telemetry.handles(book(1, 1));
    telemetry.emit(&Event::ExchangeClosed(closed(&handles, "x")), NOW);
    let refused = ExchangeClosed {
        target: Target::Group(1),
        status: 429,
        outcome: Outcome::Refused,
        attempts: 0,
        fault: Some(Kind::RateLimited),
        usage: Metered::Absent,
        cost: PicoUsd::ZERO,
        t_upstream: None,
        t_first_byte: None,
        ..closed(&handles, "x")
    };
    telemetry.emit(&Event::ExchangeClosed(refused), NOW);
    telemetry.emit(&Event::AttemptFailed(attempt(&handles)), NOW);
    let series = parse(&scrape(&telemetry));
    for (name, having, expected) in [
        ("tollgate_requests_total", &["status=\"200\"", "outcome=\"complete\"", "key=\"key-0\""][..], 1.0),
        ("tollgate_requests_total", &["status=\"429\"", "outcome=\"refused\"", "model_group=\"group-1\""], 1.0),
        ("tollgate_tokens_total", &["kind=\"cache_read\""], 40.0),
        ("tollgate_time_to_first_token_seconds_bucket", &["le=\"0.25\""], 1.0),
        ("tollgate_time_per_output_token_seconds_sum", &[], 0.05),
        ("tollgate_overhead_microseconds_sum", &["deployment=\"id-0\""], 80.0),
        ("tollgate_attempts_total", &["outcome=\"success\""], 1.0),
        ("tollgate_attempts_total", &["outcome=\"upstream_timeout\""], 1.0),
        ("tollgate_stream_outcomes_total", &["outcome=\"complete\""], 1.0),
        ("tollgate_faults_total", &["kind=\"rate_limited\""], 1.0),
        ("litellm_proxy_total_requests_metric_total", &[], 2.0),
        ("litellm_proxy_failed_requests_metric_total", &["exception_class=\"RateLimitError\""], 1.0),
        ("litellm_requests_metric_total", &["model_id=\"id-0\"", "requested_model=\"group-0\""], 1.0),
        ("litellm_spend_metric_total", &["model=\"gpt-0\"", "api_key_alias=\"key-0\"", "team=\"\""], 1.0),
        ("litellm_total_tokens_metric_total", &[], 121.0),
        ("litellm_output_reasoning_tokens_metric_total", &[], 7.0),
        ("litellm_llm_api_latency_metric_count", &["model=\"gpt-0\""], 1.0),
        ("litellm_overhead_latency_metric_sum", &["model_id=\"id-0\""], 0.000_08),
        ("litellm_deployment_total_requests_total", &[], 2.0),
        ("litellm_deployment_success_responses_total", &[], 1.0),
        ("litellm_deployment_failure_responses_total", &["exception_status=\"504\""], 1.0),
    ] {
        let found = value(&series, name, having);
        assert!((found - expected).abs() < 1e-9, "{name} {having:?}: expected {expected}, found {found}");
    }
}

struct Levels(Handles);

impl Sample for Levels {
    fn sample(&self, out: &mut dyn FnMut(&Handles, Gauge)) {
        let key = KeyLabel::Virtual(0);
        let limit = |target, of, left| Gauge::Limit { key, target, of, left, max: 60 };
        out(&self.0, Gauge::InFlight(3));
        out(&self.0, limit(Target::None, Limited::Requests, 59));
        out(&self.0, limit(Target::Group(2), Limited::Tokens, -5));
        out(&self.0, Gauge::KeyBudget { key, left: PicoUsd::dollars(7), max: PicoUsd::dollars(10) });
        out(&self.0, Gauge::GlobalBudget { left: PicoUsd::dollars(70), max: PicoUsd::dollars(100) });
        out(&self.0, Gauge::Deployment { target: Target::Deployment(0), state: Health::CoolingDown });
        (0..100_000).for_each(|_| out(&self.0, Gauge::InFlight(4)));
    }
}

#[test]
fn levels_are_asked_for_at_the_scrape_and_told_once() {
    let telemetry = telemetry(LogTo::Nowhere, SERIES_MAX);
    let handles = telemetry.handles(book(1, 1));
    telemetry.add_sample(Arc::new(Levels(handles)));
    let series = parse(&scrape(&telemetry));
    for (name, having, expected) in [
        ("litellm_in_flight_requests", &[][..], 3.0),
        ("tollgate_limit_remaining", &["limit=\"requests\"", "model_group=\"\""], 59.0),
        ("tollgate_limit_remaining", &["limit=\"tokens\"", "model_group=\"group-2\""], -5.0),
        ("litellm_remaining_api_key_tokens_for_model", &["model=\"group-2\""], -5.0),
        ("tollgate_budget_remaining_usd", &["scope=\"key\"", "key=\"key-0\""], 7.0),
        ("tollgate_budget_max_usd", &["scope=\"global\""], 100.0),
        ("litellm_remaining_api_key_budget_metric", &["api_key_alias=\"key-0\""], 7.0),
        ("litellm_deployment_state", &["model_id=\"id-0\""], 2.0),
    ] {
        assert_eq!(value(&series, name, having), expected, "{name} {having:?}");
    }
}

#[test]
fn a_reload_keeps_counting_where_names_stay() {
    let telemetry = telemetry(LogTo::Nowhere, SERIES_MAX);
    let before = telemetry.handles(book(2, 2));
    telemetry.emit(&Event::ExchangeClosed(closed(&before, "x")), NOW);
    telemetry.emit(&Event::ExchangeClosed(ExchangeClosed { key: KeyLabel::Virtual(1), ..closed(&before, "x") }), NOW);
    let mut renamed = book(1, 2);
    renamed.deployments[0].model = "gpt-9".into();
    let after = telemetry.handles(renamed);
    drop(before);
    telemetry.emit(&Event::ExchangeClosed(closed(&after, "x")), NOW);
    let last_time = parse(&scrape(&telemetry));
    assert_eq!(value(&last_time, "tollgate_requests_total", &["key=\"key-1\""]), 1.0);
    let series = parse(&scrape(&telemetry));
    assert_eq!(value(&series, "tollgate_requests_total", &["key=\"key-0\""]), 2.0);
    assert_eq!(
        value(&series, "tollgate_requests_total", &["key=\"key-1\""]),
        0.0,
        "a key that is gone is shown no more"
    );
    assert_eq!(value(&series, "litellm_spend_metric_total", &["model=\"gpt-9\""]), 2.0);
}

#[test]
fn a_registry_of_the_hosts_takes_the_metrics_too() {
    let telemetry = telemetry(LogTo::Nowhere, SERIES_MAX);
    let handles = telemetry.handles(book(1, 1));
    telemetry.emit(&Event::ExchangeClosed(closed(&handles, "x")), NOW);
    let families = prometheus::core::Collector::collect(&*telemetry);
    let described: BTreeSet<_> =
        prometheus::core::Collector::desc(&*telemetry).into_iter().map(|desc| desc.fq_name.clone()).collect();
    assert!(families.len() > 40 && families.iter().all(|family| described.contains(family.name())));
}

/// A log in memory.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn of(&self, telemetry: &Telemetry) -> Vec<String> {
        assert!(telemetry.flush(Duration::from_secs(60)), "the log was not written");
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap().lines().map(str::to_owned).collect()
    }
}

fn attempt(handles: &Handles) -> AttemptFailed<'_> {
    AttemptFailed {
        handles,
        exchange_id: "0192f0c1",
        target: Target::Deployment(0),
        attempt: 1,
        kind: Kind::UpstreamTimeout,
        reason: Some("no first byte"),
        elapsed: Duration::from_millis(30_000),
    }
}

fn events<'a>(handles: &'a Handles, text: &'a str, listen: &'a [String]) -> Vec<Event<'a>> {
    vec![
        Event::ExchangeClosed(ExchangeClosed { exchange_id: text, ..closed(handles, text) }),
        Event::AttemptFailed(AttemptFailed { exchange_id: text, ..attempt(handles) }),
        Event::ConnectionRefused(ConnectionRefused { reason: Refusal::SlowHead, client_ip: None }),
        Event::Reloaded(Reloaded { generation: 2, refused: Some(text) }),
        Event::Reloaded(Reloaded { generation: 3, refused: None }),
        Event::ConfigRemark(ConfigRemark { place: text, text }),
        Event::Panicked(text),
        Event::Trouble(Trouble { subject: "journal", cause: text }),
        Event::Draining(1),
        Event::Stopped(1),
        Event::Started(Started { listen, handles }),
    ]
}

#[test]
fn there_is_one_line_per_event_whatever_the_text_and_each_parses() {
    for pretty in [false, true] {
        let lines = Lines::default();
        let sink = Box::new(lines.clone());
        let telemetry = telemetry(if pretty { LogTo::Pretty(sink) } else { LogTo::Json(sink) }, SERIES_MAX);
        let handles = telemetry.handles(book(1, 1));
        let mut random = fastrand::Rng::with_seed(35);
        let mut expected = 0;
        for _ in 0..500 {
            let text = hostile(&mut random);
            let listen = [text.clone()];
            let events = events(&handles, &text, &listen);
            // The start has a second line, about the number of series.
            expected += events.len() + 1;
            events.iter().for_each(|event| telemetry.emit(event, NOW));
        }
        let lines = lines.of(&telemetry);
        assert_eq!(lines.len(), expected);
        for line in &lines {
            assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{line}");
            assert!(!line.contains("sk-0123456789abcdef"), "{line}");
            assert!(line.len() < 3 * 2048 * 6, "{} bytes", line.len());
            if !pretty {
                let members: BTreeMap<String, &RawValue> = serde_json::from_str(line).unwrap();
                assert!(members.contains_key("event") && members.contains_key("time"), "{line}");
            }
        }
    }
}

#[test]
fn an_exchange_reads_like_this() {
    let read = |make: fn(Box<Lines>) -> LogTo| {
        let lines = Lines::default();
        let telemetry = telemetry(make(Box::new(lines.clone())), SERIES_MAX);
        let handles = telemetry.handles(book(1, 1));
        telemetry.emit(&Event::ExchangeClosed(closed(&handles, "gpt 4")), NOW);
        lines.of(&telemetry).concat()
    };
    assert_eq!(
        read(|lines| LogTo::Json(lines)),
        concat!(
            r#"{"time":"2025-10-09T08:53:20.123Z","level":"info","event":"exchange","exchange_id":"0192f0c1","#,
            r#""request_id":"gpt 4","started_ms":1760000000123,"key":"key-0","endpoint":"/v1/chat/completions","#,
            r#""model":"gpt 4","model_group":"group-0","deployment":"id-0","provider":"openai","client_ip":"127.0.0.1","#,
            r#""stream":true,"status":200,"outcome":"complete","attempts":1,"usage":"reported","tokens_in":100,"#,
            r#""tokens_out":21,"tokens_cache_read":40,"tokens_cache_write":5,"tokens_reasoning":7,"cost_usd":1,"#,
            r#""total_ms":1200.000,"upstream_ms":1100.000,"first_byte_ms":200.000,"overhead_ms":0.080,"#,
            r#""bytes_in":500,"bytes_out":2000}"#
        )
    );
    assert!(read(|lines| LogTo::Pretty(lines)).starts_with(
        "2025-10-09T08:53:20.123Z info  exchange exchange_id=\"0192f0c1\" request_id=\"gpt 4\" started_ms=1760000000123 key=key-0"
    ));
}

#[test]
fn what_a_library_says_about_a_request_is_counted_and_not_printed() {
    let lines = Lines::default();
    let telemetry = telemetry(LogTo::Json(Box::new(lines.clone())), SERIES_MAX);
    assert!(telemetry.capture_libraries(Clock::manual(NOW.wall_ms)), "this is the only test that takes the logger");
    log::error!(target: "pingora_proxy", "GET /v1?key=canary failed");
    log::debug!(target: "pingora_core::server", "canary");
    log::info!(target: "pingora_core::server", "Server starting");
    let lines = lines.of(&telemetry);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("Server starting") && !lines[0].contains("canary"));
    let series = parse(&scrape(&telemetry));
    assert_eq!(value(&series, "tollgate_library_log_records_total", &["level=\"error\""]), 1.0);
}

/// Name and type of every metric, in the order of the reference.
fn inventory() -> Vec<(String, String)> {
    let row = |line: &str| {
        let mut cells = line.split('|').skip(1).map(|cell| cell.trim().trim_matches('`').to_owned());
        (cells.next().unwrap(), cells.next().unwrap())
    };
    reference_markdown().lines().skip(2).map(row).collect()
}

#[test]
fn dashboards_find_the_names_they_ask_for() {
    let names: Vec<_> = inventory().into_iter().map(|(name, shape)| format!("{shape} {name}")).collect();
    assert_eq!(names.join("\n"), include_str!("labels_names.txt").trim_end());
}

#[test]
fn litellms_names_are_litellms() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/reference/litellm-proxy.md");
    let Ok(reference) = std::fs::read_to_string(path) else {
        eprintln!("skipped: no {path}");
        return;
    };
    let ours: Vec<_> = inventory().into_iter().filter(|(name, _)| name.starts_with("litellm_")).collect();
    assert!(ours.len() >= 20);
    // LiteLLM's documentation has this one, the reference does not.
    let beyond = "litellm_provider_remaining_budget_metric";
    for (name, shape) in ours.into_iter().filter(|(name, _)| name != beyond) {
        let base = if shape == "counter" { name.strip_suffix("_total").unwrap() } else { &name };
        assert!(reference.contains(&format!("- `{base}`:")), "{name}");
    }
}
