//! `tollgate spend`: what was spent, by key, team, user, model and more.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::place::PlaceArguments;
use crate::ledger::{By, Counts, Sum, Survey};
use crate::store;
use crate::vocabulary::{Clock, ScopeKind};

const DAY_MS: i64 = 86_400_000;

/// What to sum, and how to print it.
#[derive(Args, Debug)]
pub struct SpendArguments {
    #[command(flatten)]
    place: PlaceArguments,
    /// What to sum by.
    #[arg(long, value_enum, default_value = "key")]
    by: Sort,
    /// From how long ago, in whole days (UTC): 7d, 4w, 48h. All by default.
    #[arg(long, value_parser = days)]
    since: Option<i64>,
    /// Print JSON.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV.
    #[arg(long)]
    csv: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sort {
    Key,
    Team,
    User,
    Organization,
    Customer,
    Tag,
    Model,
    Provider,
    Deployment,
    Day,
}

impl Sort {
    fn survey(self, from_day: i64) -> Survey {
        let by = |by| Survey { limit: u64::MAX, ..Survey::new(from_day, i64::MAX, [by]) };
        let of = |kind| Survey { of: Some(kind), ..by(By::Id) };
        match self {
            Self::Key => by(By::Key),
            Self::Team => of(ScopeKind::Team),
            Self::User => of(ScopeKind::User),
            Self::Organization => of(ScopeKind::Organization),
            Self::Customer => of(ScopeKind::Customer),
            Self::Tag => of(ScopeKind::Tag),
            Self::Model => by(By::Model),
            Self::Provider => by(By::Provider),
            Self::Deployment => by(By::Deployment),
            Self::Day => by(By::Day),
        }
    }

    fn name(self, sum: Sum) -> String {
        match (self, sum.key) {
            (Self::Key, _) if !sum.key_alias.is_empty() => sum.key_alias,
            (Self::Key, Some(hash)) => hash.to_string(),
            (Self::Key, None) => "(master key)".to_owned(),
            (Self::Team | Self::User | Self::Organization | Self::Customer | Self::Tag, _) => sum.id,
            (Self::Model, _) => sum.model,
            (Self::Provider, _) => sum.provider,
            (Self::Deployment, _) => sum.deployment,
            (Self::Day, _) => date(sum.day),
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Team => "team",
            Self::User => "user",
            Self::Organization => "organization",
            Self::Customer => "customer",
            Self::Tag => "tag",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Deployment => "deployment",
            Self::Day => "day",
        }
    }
}

/// A day as `2026-11-21`.
fn date(day: i64) -> String {
    let start = jiff::Timestamp::from_millisecond(day.saturating_mul(DAY_MS));
    start.map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

/// One line.
struct Line {
    name: String,
    counts: Counts,
}

/// A length of time in days, rounded up.
fn days(text: &str) -> Result<i64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let count = digits.parse::<u32>().map(i64::from).ok();
    let days = count.and_then(|count| match &text[digits.len()..] {
        "d" => Some(count),
        "w" => Some(count * 7),
        "h" => Some((count + 23) / 24),
        _ => None,
    });
    days.ok_or_else(|| format!("expected a length of time like 7d, 4w or 48h, found {text:?}"))
}

/// Prints the sums.
///
/// # Errors
/// The database cannot be read, or nothing can be printed.
pub fn run(arguments: &SpendArguments, out: &mut dyn Write) -> io::Result<()> {
    let today = Clock::machine().now().wall_ms.div_euclid(DAY_MS);
    let from = arguments.since.map_or(i64::MIN, |days| today - days + 1);
    let sums = store::report(&arguments.place.find().map_err(io::Error::other)?, &arguments.by.survey(from))
        .map_err(io::Error::other)?;
    let line = |sum: Sum| Line { counts: sum.counts, name: arguments.by.name(sum) };
    let mut lines: Vec<_> = sums.into_iter().map(line).collect();
    if arguments.by == Sort::Day {
        lines.reverse();
    }
    match (arguments.json, arguments.csv) {
        (true, _) => json(&lines, arguments.by, out),
        (_, true) => csv(&lines, arguments.by, out),
        _ => table(&lines, arguments.by, out),
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    by: &'static str,
    name: &'a str,
    requests: i64,
    failed: i64,
    prompt_tokens: i64,
    completion_tokens: i64,
    /// Text, because it is exact.
    spend_usd: String,
}

fn json(lines: &[Line], by: Sort, out: &mut dyn Write) -> io::Result<()> {
    let shown = lines.iter().map(|line| Shown {
        by: by.as_str(),
        name: &line.name,
        requests: line.counts.requests,
        failed: line.counts.failed,
        prompt_tokens: line.counts.prompt,
        completion_tokens: line.counts.completion,
        spend_usd: line.counts.cost.to_string(),
    });
    let all: Vec<_> = shown.collect();
    serde_json::to_writer_pretty(&mut *out, &all).map_err(io::Error::from)?;
    writeln!(out)
}

fn csv(lines: &[Line], by: Sort, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{},requests,prompt_tokens,completion_tokens,spend_usd", by.as_str())?;
    for line in lines {
        let Counts { requests, prompt, completion, cost, .. } = line.counts;
        writeln!(out, "{},{requests},{prompt},{completion},{cost}", cell(&line.name))?;
    }
    Ok(())
}

/// A name as a cell: quoted, and no formula for a program that calculates.
pub(super) fn cell(name: &str) -> String {
    let guard = if name.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    format!("\"{guard}{}\"", name.replace('"', "\"\""))
}

fn table(lines: &[Line], by: Sort, out: &mut dyn Write) -> io::Result<()> {
    let width = lines.iter().map(|line| shown(&line.name).chars().count()).max().unwrap_or(0).max(12);
    writeln!(out, "{:width$}  {:>12}  {:>16}  {:>16}  {:>18}", by.as_str(), "requests", "prompt", "completion", "USD")?;
    let mut total = Counts::default();
    for Line { name, counts } in lines {
        let Counts { requests, prompt, completion, cost, .. } = counts;
        let name = shown(name);
        writeln!(out, "{name:width$}  {requests:>12}  {prompt:>16}  {completion:>16}  {:>18}", cost.to_string())?;
        total.add(counts, 1);
    }
    if by == Sort::Tag {
        // An exchange may have several.
        return Ok(());
    }
    let Counts { requests, prompt, completion, cost, .. } = total;
    writeln!(out, "{:width$}  {requests:>12}  {prompt:>16}  {completion:>16}  {:>18}", "total", cost.to_string())
}

/// Models' names come from clients: nothing of them moves the cursor.
fn shown(name: &str) -> String {
    name.chars().take(64).map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_whole_days() {
        assert_eq!((days("7d"), days("2w"), days("25h")), (Ok(7), Ok(14), Ok(2)));
        for text in ["", "d", "7", "-1d", "1.5d", "7y"] {
            assert!(days(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_in_a_cell_is_text() {
        assert_eq!(cell("a\"b,c"), "\"a\"\"b,c\"");
        assert_eq!(cell("=cmd()"), "\"'=cmd()\"");
    }
}
