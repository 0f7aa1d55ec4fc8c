//! From a file to settings.

use std::path::Path;

use super::finding::{Finding, Report};
use super::providers::Providers;
use super::settings::Settings;
use super::yaml::Node;
use super::{audit, build, environment, files};

/// `conf/quickstart.yaml`: what runs when no file is named. Read it with [`Purpose::QuickStart`].
pub const QUICKSTART: &str = include_str!("../../conf/quickstart.yaml");

/// What a configuration is read against.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The environment: the value of a variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The providers there are.
    pub providers: &'a dyn Providers,
    /// What for.
    pub purpose: Purpose,
}

/// What a configuration is read for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To serve: everything that looks wrong is said.
    #[default]
    Serve,
    /// To try: deployments whose `api_key` is not set are left out silently, and keys may be given in clear.
    QuickStart,
}

/// Reads a configuration file and what it includes. There are settings unless the report is fatal.
pub fn load(path: &Path, surroundings: &Surroundings<'_>) -> (Option<Settings>, Report) {
    settle(files::read(path), surroundings)
}

/// Reads a configuration that is not in a file; `name` stands for the file in messages.
pub fn load_text(name: &str, text: &str, surroundings: &Surroundings<'_>) -> (Option<Settings>, Report) {
    settle(files::read_text(name, text), surroundings)
}

fn settle(root: Result<Node, Finding>, surroundings: &Surroundings<'_>) -> (Option<Settings>, Report) {
    let mut report = Report::default();
    let mut root = match root {
        Ok(root) => root,
        Err(finding) => {
            report.findings.push(finding);
            return (None, report);
        }
    };
    let variables = environment::resolve(&mut root, surroundings, &mut report);
    audit::audit(&root, &mut report);
    let settings = build::build(&root, &variables, surroundings, &mut report);
    report.settle();
    (Some(settings).filter(|_| !report.is_fatal()), report)
}
