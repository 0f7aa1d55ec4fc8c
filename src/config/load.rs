//! From a file to settings.

use std::path::Path;

use super::finding::{Finding, Report, Status};
use super::providers::Providers;
use super::settings::{Deployment, Settings};
use super::yaml::Node;
use super::{audit, build, credentials, environment, files};

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

/// Reads a deployment that stands in no file: `text` is a configuration with one entry of `model_list`, and `name` stands
/// for the file in messages.
///
/// # Errors
/// It cannot be served: why.
pub fn load_deployment(name: &str, text: &str, surroundings: &Surroundings<'_>) -> Result<Deployment, String> {
    let (settings, report) = load_text(name, text, surroundings);
    let found = settings.and_then(|mut settings| settings.deployments.pop());
    found.ok_or_else(|| {
        let wrong =
            report.findings.iter().filter(|finding| !matches!(finding.status, Status::Supported | Status::Ignored));
        let of_model = wrong.filter(|finding| finding.key.starts_with("model_list") || finding.key.is_empty());
        let told = of_model.map(|Finding { key, reason, .. }| {
            let key = key.strip_prefix("model_list[0].").unwrap_or(key);
            format!("{key}: {reason}")
        });
        told.collect::<Vec<_>>().join("; ")
    })
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
    credentials::merge(&mut root, &mut report);
    let variables = environment::resolve(&mut root, surroundings, &mut report);
    audit::audit(&root, &mut report);
    let settings = build::build(&root, &variables, surroundings, &mut report);
    report.settle();
    (Some(settings).filter(|_| !report.is_fatal()), report)
}
