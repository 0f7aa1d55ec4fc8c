//! `tollgate check FILE`: what becomes of every key, without serving anything.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::config::{self, Finding, Report, Status, Surroundings};

/// How the findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One aligned line per key and a summary.
    Text,
    /// One JSON object.
    Json,
}

/// What the check came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The configuration can be served, perhaps with warnings.
    Usable,
    /// It cannot.
    Unusable,
}

impl Verdict {
    /// The exit status: 0 or 1.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Usable => 0,
            Self::Unusable => 1,
        }
    }
}

/// Reads the file at `path` and prints what was found.
///
/// # Errors
/// `out` cannot be written.
pub fn run(path: &Path, format: Format, out: &mut dyn Write, surroundings: &Surroundings<'_>) -> io::Result<Verdict> {
    let (settings, report) = config::load(path, surroundings);
    let verdict = if settings.is_some() { Verdict::Usable } else { Verdict::Unusable };
    match format {
        Format::Text => text(path, &report, verdict, out)?,
        Format::Json => json(&report, verdict, out)?,
    }
    Ok(verdict)
}

fn text(path: &Path, report: &Report, verdict: Verdict, out: &mut dyn Write) -> io::Result<()> {
    let places: Vec<String> = report.findings.iter().map(place).collect();
    let place_width = places.iter().map(|place| place.chars().count()).max().unwrap_or(0);
    let key_width = report.findings.iter().map(|finding| finding.key.chars().count().min(60)).max().unwrap_or(0);
    for (finding, place) in report.findings.iter().zip(&places) {
        let Finding { key, status, reason, .. } = finding;
        writeln!(out, "{:9}  {place:place_width$}  {key:key_width$}  {reason}", status.as_str())?;
    }
    let conclusion = match verdict {
        Verdict::Usable => "can be used",
        Verdict::Unusable => "cannot be used",
    };
    writeln!(out, "{}: {}; {conclusion}", path.display(), summary(report))
}

fn place(finding: &Finding) -> String {
    format!("{}:{}", finding.file, finding.line)
}

fn summary(report: &Report) -> String {
    let all = [Status::Supported, Status::Ignored, Status::Refused, Status::Warning, Status::Error];
    all.map(|status| format!("{} {}", report.count(status), status.as_str())).join(", ")
}

#[derive(Serialize)]
struct Answer<'a> {
    ok: bool,
    supported: usize,
    ignored: usize,
    refused: usize,
    warnings: usize,
    errors: usize,
    findings: &'a [Finding],
}

fn json(report: &Report, verdict: Verdict, out: &mut dyn Write) -> io::Result<()> {
    let answer = Answer {
        ok: verdict == Verdict::Usable,
        supported: report.count(Status::Supported),
        ignored: report.count(Status::Ignored),
        refused: report.count(Status::Refused),
        warnings: report.count(Status::Warning),
        errors: report.count(Status::Error),
        findings: &report.findings,
    };
    serde_json::to_writer_pretty(&mut *out, &answer).map_err(io::Error::from)?;
    writeln!(out)
}
