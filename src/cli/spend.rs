//! `tollgate spend`: what was spent, by key, model or day.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::store::{self, By, Line};
use crate::vocabulary::{Clock, PicoUsd};

const DAY_MS: i64 = 86_400_000;

/// What to sum, and how to print it.
#[derive(Args, Debug)]
pub struct SpendArguments {
    /// The directory that the gateway keeps its spend in. It may be running.
    #[arg(long = "data-dir", visible_alias = "data_dir", value_name = "DIR", env = "TOLLGATE_DATA_DIR")]
    data_dir: std::path::PathBuf,
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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Sort {
    Key,
    Model,
    Day,
}

impl Sort {
    fn by(self) -> By {
        match self {
            Self::Key => By::Key,
            Self::Model => By::Model,
            Self::Day => By::Day,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Model => "model",
            Self::Day => "day",
        }
    }
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
/// The directory cannot be read, or nothing can be printed.
pub fn run(arguments: &SpendArguments, out: &mut dyn Write) -> io::Result<()> {
    let today = Clock::machine().now().wall_ms.div_euclid(DAY_MS);
    let from = arguments.since.map_or(i64::MIN, |days| today - days + 1);
    let lines = store::report(&arguments.data_dir, arguments.by.by(), from).map_err(io::Error::other)?;
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
    prompt_tokens: i64,
    completion_tokens: i64,
    /// Text, because it is exact.
    spend_usd: String,
}

fn json(lines: &[Line], by: Sort, out: &mut dyn Write) -> io::Result<()> {
    let shown = lines.iter().map(|line| Shown {
        by: by.as_str(),
        name: &line.name,
        requests: line.requests,
        prompt_tokens: line.prompt,
        completion_tokens: line.completion,
        spend_usd: line.spend.to_string(),
    });
    let all: Vec<_> = shown.collect();
    serde_json::to_writer_pretty(&mut *out, &all).map_err(io::Error::from)?;
    writeln!(out)
}

fn csv(lines: &[Line], by: Sort, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{},requests,prompt_tokens,completion_tokens,spend_usd", by.as_str())?;
    for line in lines {
        let Line { name, requests, prompt, completion, spend } = line;
        writeln!(out, "{},{requests},{prompt},{completion},{spend}", cell(name))?;
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
    for line in lines {
        let Line { requests, prompt, completion, spend, .. } = line;
        let name = shown(&line.name);
        writeln!(out, "{name:width$}  {requests:>12}  {prompt:>16}  {completion:>16}  {:>18}", spend.to_string())?;
    }
    let total: PicoUsd = lines.iter().map(|line| line.spend).sum();
    writeln!(out, "{:width$}  {:>12}  {:>16}  {:>16}  {:>18}", "total", "", "", "", total.to_string())
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
