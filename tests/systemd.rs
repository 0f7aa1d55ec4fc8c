//! The unit file: systemd takes it, and its sandbox is as tight as the README says.

#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// systemd's own measure, in tenths: 0 is sealed, 100 is an ordinary root service.
const EXPOSURE_TENTHS_MAX: u32 = 15;

fn unit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/tollgate.service")
}

fn analyze(arguments: &[&str], unit: &Path) -> Option<Output> {
    let output = Command::new("systemd-analyze").args(arguments).arg("--no-pager").arg(unit).output();
    if output.is_err() {
        println!("SKIPPED: systemd-analyze is not installed");
    }
    output.ok()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The figure of the last line: `Overall exposure level for tollgate.service: 1.0 OK`.
fn exposure_tenths(report: &str) -> Option<u32> {
    let (_, rest) = report.split_once("Overall exposure level for tollgate.service: ")?;
    let (whole, tenth) = rest.split_whitespace().next()?.split_once('.')?;
    Some(whole.parse::<u32>().ok()? * 10 + tenth.parse::<u32>().ok()?)
}

#[test]
fn the_sandbox_is_as_tight_as_promised() {
    let Some(output) = analyze(&["security", "--offline=true"], &unit()) else { return };
    let report = text(&output);
    if !output.status.success() && report.contains("unrecognized option") {
        println!("SKIPPED: this systemd-analyze is too old to judge a unit that is not loaded");
        return;
    }
    let exposure = exposure_tenths(&report).unwrap_or_else(|| panic!("no exposure figure in:\n{report}"));
    assert!(exposure <= EXPOSURE_TENTHS_MAX, "exposure {exposure} tenths:\n{report}");
}

#[test]
fn systemd_knows_every_line_of_the_unit() {
    // The installed binary is not there yet: the one that was just built stands in for it.
    let unit_text = std::fs::read_to_string(unit()).unwrap();
    let stand_in = unit_text.replace("/usr/local/bin/tollgate", env!("CARGO_BIN_EXE_tollgate"));
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("systemd");
    std::fs::create_dir_all(&directory).unwrap();
    let copy = directory.join("tollgate.service");
    std::fs::write(&copy, stand_in).unwrap();

    let Some(output) = analyze(&["verify", "--man=no"], &copy) else { return };
    let ours: Vec<_> =
        text(&output).lines().filter(|line| line.contains("tollgate.service")).map(str::to_owned).collect();
    assert!(ours.is_empty(), "{}", ours.join("\n"));
}

#[test]
fn the_unit_waits_longer_than_the_drain() {
    let text = std::fs::read_to_string(unit()).unwrap();
    let seconds = text.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).unwrap();
    assert!(seconds.parse::<u64>().unwrap() > 30, "general_settings.drain_timeout is 30 s unless told otherwise");
}
