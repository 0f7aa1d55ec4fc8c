//! The operations that are counted.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tollgate::cli::Served;
use tollgate::config::{self, Purpose};
use tollgate::dialect::Relay;
use tollgate::dialect::openai::{Endpoint, Request, StreamOptions, StreamReply};
use tollgate::exchange::{Ending, Entry, Head, Opened, Planned, Sent, Surroundings, Treatment, UpstreamHead, World};
use tollgate::json;
use tollgate::ledger::Memory;
use tollgate::routing::{self, Health, Member, Standing, Tried};
use tollgate::telemetry::{self, Event, ExchangeClosed, KeyLabel, LogTo, Options, Outcome, Target, Telemetry};
use tollgate::vocabulary::{Clock, Metered, PicoUsd, Usage};

use crate::vendors::Vendor;
use crate::{Failure, bodies};

/// One operation, to be done again and again.
pub(crate) type Operation = Box<dyn FnMut() -> Result<(), Failure>>;

/// An operation that is counted.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Sets the scene.
    pub(crate) make: fn() -> Result<Operation, Failure>,
    /// How many parts it has; what is shown is the cost of one.
    pub(crate) parts: u64,
    weight: Weight,
}

enum Weight {
    Light,
    Heavy,
}

impl Case {
    /// How often it is done.
    pub(crate) fn times(&self, quick: bool) -> u64 {
        match (&self.weight, quick) {
            (Weight::Light, false) => 500,
            (Weight::Heavy, false) => 20,
            (Weight::Light, true) => 20,
            (Weight::Heavy, true) => 2,
        }
    }
}

const KIB: usize = 1024;
const EVENTS: usize = 100;
const KEY: &str = "sk-bench-0123456789abcdef";

const fn light(name: &'static str, make: fn() -> Result<Operation, Failure>) -> Case {
    Case { name, make, parts: 1, weight: Weight::Light }
}

/// Every case, in the order of the table.
pub(crate) const ALL: &[Case] = &[
    light("scan, 1 KiB", || scan(KIB)),
    light("scan, 16 KiB", || scan(16 * KIB)),
    Case { weight: Weight::Heavy, ..light("scan, 1 MiB", || scan(KIB * KIB)) },
    light("splice, 1 KiB: model and stream_options", splice),
    light("Request::read, 1 KiB", || read(KIB)),
    light("Request::read, 16 KiB", || read(16 * KIB)),
    light("whole exchange, 1 KiB, key with limits", || exchange(KIB, Some(KEY), Vendor::OpenAi)),
    light("whole exchange, 1 KiB, no keys", || exchange(KIB, None, Vendor::OpenAi)),
    light("whole exchange, 16 KiB, key with limits", || exchange(16 * KIB, Some(KEY), Vendor::OpenAi)),
    light("translated to Anthropic, 1 KiB", || exchange(KIB, Some(KEY), Vendor::Anthropic)),
    light("translated to Gemini, 1 KiB", || exchange(KIB, Some(KEY), Vendor::Gemini)),
    light("translated to Bedrock, 1 KiB", || exchange(KIB, Some(KEY), Vendor::Bedrock)),
    light("head to plan, 1 KiB, key with limits", plan_only),
    light("limits as headers", limits),
    Case { weight: Weight::Heavy, ..light("whole exchange, stream of 100 events", || whole_stream(Vendor::OpenAi)) },
    Case {
        weight: Weight::Heavy,
        ..light("translated from Anthropic, 100 events", || whole_stream(Vendor::Anthropic))
    },
    Case { weight: Weight::Heavy, ..light("translated from Gemini, 100 events", || whole_stream(Vendor::Gemini)) },
    Case { weight: Weight::Heavy, ..light("translated from Bedrock, 100 events", || whole_stream(Vendor::Bedrock)) },
    Case { parts: EVENTS as u64, weight: Weight::Heavy, ..light("SSE metering, one event of 100", meter) },
    light("choice among 2 deployments", || choice(2)),
    light("choice among 10 deployments", || choice(10)),
    light("choice among 100 deployments", || choice(100)),
    light("choice among 1,000 deployments", || choice(1000)),
    light("metrics of an exchange", || emit(|| LogTo::Nowhere)),
    light("metrics and log line of an exchange", || emit(|| LogTo::Json(Box::new(std::io::sink())))),
];

const BUDGET: &str = "litellm_settings: {max_budget: 1000000, budget_duration: 30d}";
const KEYS: &str = "
virtual_keys:
  - {key: sk-bench-0123456789abcdef, key_alias: bench, models: [gpt-4o], rpm_limit: 1000000000, tpm_limit: 1000000000000,
     max_parallel_requests: 1000, max_budget: 1000000, budget_duration: 30d}
";

fn world(text: &str) -> Result<Arc<World>, Failure> {
    let nothing = |_: &str| None;
    let from = config::Surroundings { env: &nothing, providers: &Served, purpose: Purpose::QuickStart };
    let (settings, report) = config::load_text("bench.yaml", text, &from);
    let settings = settings.ok_or_else(|| format!("{:?}", report.findings))?;
    let clock = Clock::manual(1_795_226_400_000);
    let options = Options { log: LogTo::Nowhere, series_max: 10_000, started_ms: clock.now().wall_ms };
    let around = Surroundings::new(clock, Arc::new(Memory::new()), Telemetry::new(options));
    Ok(Arc::new(World::build(settings, around, None)?))
}

fn world_for(key: Option<&str>) -> Result<Arc<World>, Failure> {
    world_with(key, Vendor::OpenAi)
}

fn world_with(key: Option<&str>, vendor: Vendor) -> Result<Arc<World>, Failure> {
    let keys = if key.is_some() { KEYS } else { "" };
    let model = format!("model_list: [{{model_name: gpt-4o, litellm_params: {}}}]", vendor.params());
    world(&[&model, "\n", BUDGET, "\n", keys].concat())
}

fn scan(bytes: usize) -> Result<Operation, Failure> {
    let body = bodies::chat(bytes, false);
    Ok(Box::new(move || {
        black_box(json::scan(black_box(&body), &json::Limits::default())?);
        Ok(())
    }))
}

/// `simple-shuffle` over the deployments that are not set aside.
fn choice(size: usize) -> Result<Operation, Failure> {
    let members: Vec<_> = (0..size).map(|deployment| Member { deployment, order: 1, share: 1 }).collect();
    let health: Vec<Arc<Health>> = (0..size).map(|_| Arc::default()).collect();
    let now = Clock::manual(1_795_226_400_000).now();
    let mut dice = fastrand::Rng::with_seed(7);
    Ok(Box::new(move || {
        let usable = |at: usize| health.get(at).is_some_and(|health| health.standing(now) == Standing::Open);
        let chosen = routing::choose(black_box(&members), Tried::default(), usable, dice.u64(..));
        black_box(chosen).map(drop).ok_or_else(|| "nobody was chosen".into())
    }))
}

fn splice() -> Result<Operation, Failure> {
    let body = bodies::chat(KIB, true);
    let document = json::scan(&body, &json::Limits::default())?;
    let model = document.find(&body, "model").and_then(|member| document.members.get(member)).ok_or("no model")?.value;
    Ok(Box::new(move || {
        let mut edits = json::Edits::new();
        edits.replace(model, json::quote("gpt-4o-2024-08-06"));
        edits.insert("stream_options", br#"{"include_usage":true}"#);
        black_box(json::splice(black_box(&body), &document, &edits).join());
        Ok(())
    }))
}

fn read(bytes: usize) -> Result<Operation, Failure> {
    let body = bodies::chat(bytes, false);
    Ok(Box::new(move || {
        let request = Request::read(Endpoint::ChatCompletions, black_box(body.clone()), None);
        black_box(request.map_err(|fault| fault.to_string())?);
        Ok(())
    }))
}

fn planned(world: &Arc<World>, key: Option<&[u8]>, body: Bytes) -> Result<Box<Planned>, Failure> {
    let now = world.around.clock.now();
    let header = |name: &str| match name {
        "authorization" => key,
        "content-type" => Some(&b"application/json"[..]),
        _ => None,
    };
    let head = Head {
        method: "POST",
        path: "/v1/chat/completions",
        header: &header,
        query: None,
        client_ip: Some(std::net::Ipv4Addr::LOCALHOST.into()),
        content_length: Some(body.len() as u64),
    };
    let id = String::from("0191f2b0-6a3c-7def-8000-0123456789ab");
    let opened = match Opened::enter(world, &head, id, now).map_err(|refused| refused.fault.to_string())? {
        Entry::Call(opened) => opened,
        Entry::Local(_) => return Err("answered locally".into()),
    };
    Ok(opened.plan(body, now, now).map_err(|refused| refused.fault.to_string())?)
}

fn bearer(key: Option<&str>) -> Option<Vec<u8>> {
    key.map(|key| format!("Bearer {key}").into_bytes())
}

fn exchange(bytes: usize, key: Option<&'static str>, vendor: Vendor) -> Result<Operation, Failure> {
    let (world, body) = (world_with(key, vendor)?, bodies::chat(bytes, false));
    let (answer, bearer) = (vendor.answer(), bearer(key));
    let mut out = Vec::new();
    Ok(Box::new(move || {
        let mut planned = planned(&world, bearer.as_deref(), body.clone())?;
        let now = world.around.clock.now();
        black_box(planned.attempt(now, 7).map_err(|fault| fault.to_string())?);
        let head = UpstreamHead { status: 200, content_type: Some("application/json"), retry_after: None };
        let Treatment::Hold = planned.reply(&head, now, 7) else { return Err("not held".into()) };
        planned.push(answer.clone(), &mut out).map_err(|fault| fault.to_string())?;
        black_box(planned.finish_held(now, 7).map_err(|(_, fault)| fault.to_string())?);
        let sent = Sent { status: 200, bytes: answer.len() as u64, first_byte: Some(now) };
        planned.close(Ending::Complete, None, &sent, now);
        Ok(())
    }))
}

fn plan_only() -> Result<Operation, Failure> {
    let (world, body, bearer) = (world_for(Some(KEY))?, bodies::chat(KIB, false), bearer(Some(KEY)));
    Ok(Box::new(move || {
        let planned = planned(&world, bearer.as_deref(), body.clone())?;
        // Counted with its end: a plan that is not sent must be closed.
        planned.close(Ending::ClientGone, None, &Sent::default(), world.around.clock.now());
        Ok(())
    }))
}

fn limits() -> Result<Operation, Failure> {
    let world = world_for(Some(KEY))?;
    let planned = planned(&world, bearer(Some(KEY)).as_deref(), bodies::chat(KIB, false))?;
    Ok(Box::new(move || {
        planned.limits(world.around.clock.now(), &mut |name, value| {
            black_box((name, value));
        });
        Ok(())
    }))
}

fn whole_stream(vendor: Vendor) -> Result<Operation, Failure> {
    let (world, body, chunks) = (world_with(Some(KEY), vendor)?, bodies::chat(KIB, true), vendor.stream(EVENTS));
    let bearer = bearer(Some(KEY));
    let mut out = Vec::new();
    Ok(Box::new(move || {
        let mut planned = planned(&world, bearer.as_deref(), body.clone())?;
        let now = world.around.clock.now();
        black_box(planned.attempt(now, 7).map_err(|fault| fault.to_string())?);
        let head = UpstreamHead { status: 200, content_type: Some(vendor.stream_type()), retry_after: None };
        let Treatment::Stream = planned.reply(&head, now, 7) else { return Err("not a stream".into()) };
        for chunk in &chunks {
            planned.push(chunk.clone(), &mut out).map_err(|fault| fault.to_string())?;
            black_box(&out);
            out.clear();
        }
        if let Some(fault) = planned.finish_stream(&mut out, now) {
            return Err(fault.to_string().into());
        }
        planned.close(Ending::Complete, None, &Sent { status: 200, bytes: 9, first_byte: Some(now) }, now);
        Ok(())
    }))
}

fn meter() -> Result<Operation, Failure> {
    let chunks = bodies::stream(EVENTS);
    let mut out = Vec::new();
    Ok(Box::new(move || {
        let options = StreamOptions {
            model_json: Some(json::quote("gpt-4o")),
            hide_usage: true,
            cut_null_usage: true,
            ..StreamOptions::default()
        };
        let mut stream = StreamReply::new(options);
        for chunk in &chunks {
            stream.push(chunk.clone(), &mut out)?;
            black_box(&out);
            out.clear();
        }
        black_box((stream.finish(&mut out), stream.metered()));
        Ok(())
    }))
}

fn emit(log: fn() -> LogTo) -> Result<Operation, Failure> {
    let world = world_for(Some(KEY))?;
    let telemetry = Telemetry::new(Options { log: log(), series_max: 10_000, started_ms: 0 });
    let handles = telemetry.handles(world.handles.labels().clone());
    let now = world.around.clock.now();
    Ok(Box::new(move || {
        let usage = Usage { prompt: 219, completion: 97, ..Usage::default() };
        let closed = ExchangeClosed {
            handles: &handles,
            exchange_id: "0191f2b0-6a3c-7def-8000-0123456789ab",
            request_id: None,
            started_ms: now.wall_ms,
            key: KeyLabel::Virtual(0),
            model_requested: Some("gpt-4o"),
            target: Target::Deployment(0),
            endpoint: telemetry::Endpoint::ChatCompletions,
            stream: false,
            status: 200,
            outcome: Outcome::Complete,
            attempts: 1,
            fault: None,
            usage: Metered::Reported(usage),
            cost: PicoUsd(1_517_500_000),
            lost: PicoUsd::ZERO,
            price_known: true,
            at_home: None,
            t_total: Duration::from_millis(812),
            t_upstream: Some(Duration::from_millis(811)),
            t_first_byte: Some(Duration::from_millis(812)),
            t_overhead: Duration::from_micros(41),
            bytes_in: 1024,
            bytes_out: 1100,
            client_ip: Some(std::net::Ipv4Addr::LOCALHOST.into()),
        };
        telemetry.emit(black_box(&Event::ExchangeClosed(closed)), now);
        Ok(())
    }))
}
