//! `tollgate explain`: which deployments a request would be considered for, without serving anything.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::source::{Served, environment};
use crate::config::{self, Purpose, Settings};
use crate::exchange::{self, Aside, Considered, Explained, Surroundings, World};
use crate::ledger::Memory;
use crate::telemetry::{LogTo, Options, SERIES_MAX, Telemetry};
use crate::vocabulary::Clock;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The configuration.
    pub config: &'a Path,
    /// A virtual key, its alias or its hash.
    pub key: Option<&'a str>,
    /// The model, as a client names it.
    pub model: &'a str,
    /// Tags of the request.
    pub tags: &'a [String],
    /// One JSON document instead of lines.
    pub json: bool,
}

/// Prints the answer.
///
/// # Errors
/// The configuration cannot be used, the caller would be refused, or `out` cannot be written.
pub fn run(question: &Question<'_>, out: &mut dyn Write) -> Result<(), String> {
    let surroundings = config::Surroundings { env: &environment, providers: &Served, purpose: Purpose::Serve };
    let (settings, report) = config::load(question.config, &surroundings);
    let Some(settings) = settings else {
        let fatal = report.findings.iter().filter(|finding| finding.status.is_fatal());
        return Err(fatal.map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    };
    let world = world(settings)?;
    let now = world.around.clock.now();
    let explained = exchange::explain(&world, question.key, question.model, question.tags, now)
        .map_err(|fault| format!("the request would be refused: {}", fault.public))?;
    let strategy = config::Strategy::NAMES.iter().find(|(_, known)| *known == world.settings.routing.strategy);
    let strategy = strategy.map_or("", |(name, _)| *name);
    let written = match question.json {
        true => json(question, &explained, strategy, out),
        false => text(question, &explained, strategy, out),
    };
    written.map_err(|error| error.to_string())
}

fn world(settings: Settings) -> Result<Arc<World>, String> {
    let clock = Clock::machine();
    let telemetry =
        Telemetry::new(Options { log: LogTo::Nowhere, series_max: SERIES_MAX, started_ms: clock.now().wall_ms });
    let around = Surroundings::new(clock, Arc::new(Memory::new()), telemetry);
    World::build(settings, around, None).map(Arc::new).map_err(|error| error.to_string())
}

fn text(question: &Question<'_>, explained: &Explained, strategy: &str, out: &mut dyn Write) -> io::Result<()> {
    let why = if explained.rerouted { " in its place, since it is switched off" } else { "" };
    writeln!(out, "{} is served by the group {}{why}, chosen by {strategy}:", question.model, explained.group)?;
    for (index, deployment) in explained.deployments.iter().enumerate() {
        let Considered { id, model, place, .. } = deployment;
        match reason(deployment) {
            None => {
                let order = deployment.order.map_or(String::new(), |order| format!(", order {order}"));
                let share = deployment.share_milli as f64 / 10.0;
                writeln!(out, "  {}. {id} ({model}){order}, {share:.1} % of its order  {place}", index + 1)?;
            }
            Some(reason) => writeln!(out, "  -  {id} ({model}) left out: {reason}  {place}")?,
        }
    }
    let [usual, long, forbidden] = &explained.fallbacks;
    for (what, names) in [("a failure", usual), ("a context window error", long), ("a content policy error", forbidden)]
    {
        let names = if names.is_empty() { "nowhere".to_owned() } else { names.join(", then ") };
        writeln!(out, "  after {what}: {names}")?;
    }
    Ok(())
}

#[derive(Serialize)]
struct Answer<'a> {
    model: &'a str,
    group: &'a str,
    rerouted: bool,
    strategy: &'a str,
    deployments: Vec<Row<'a>>,
    fallbacks: &'a [String],
    context_window_fallbacks: &'a [String],
    content_policy_fallbacks: &'a [String],
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    model: &'a str,
    order: Option<i64>,
    share: f64,
    considered: bool,
    reason: Option<&'static str>,
    place: &'a str,
}

fn json(question: &Question<'_>, explained: &Explained, strategy: &str, out: &mut dyn Write) -> io::Result<()> {
    let row = |deployment: &'_ Considered| -> (f64, Option<&'static str>) {
        (deployment.share_milli as f64 / 1000.0, reason(deployment))
    };
    let rows = explained.deployments.iter().map(|deployment| {
        let (share, reason) = row(deployment);
        let Considered { id, model, order, place, .. } = deployment;
        Row { id, model, order: *order, share, considered: reason.is_none(), reason, place }
    });
    let [usual, long, forbidden] = &explained.fallbacks;
    let answer = Answer {
        model: question.model,
        group: &explained.group,
        rerouted: explained.rerouted,
        strategy,
        deployments: rows.collect(),
        fallbacks: usual,
        context_window_fallbacks: long,
        content_policy_fallbacks: forbidden,
    };
    serde_json::to_writer_pretty(&mut *out, &answer)?;
    writeln!(out)
}

fn reason(deployment: &Considered) -> Option<&'static str> {
    Some(match deployment.aside? {
        Aside::SwitchedOff => "it is switched off",
        Aside::Cooling(_) => "it failed and is set aside",
        Aside::Full(_) => "its provider said that nothing is left",
        Aside::Tags => "it has not the tags of the request",
        Aside::Budget => "its budget, or its provider's, is spent",
        Aside::Region => "it is not known to run in the region that is allowed",
        Aside::ContextWindow => "its context window is too small",
    })
}
