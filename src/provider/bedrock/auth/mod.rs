//! AWS credentials: a bearer token, or keys that sign each request and are renewed before they end.

mod chain;
mod plan;
mod profile;
mod sigv4;
mod sts;

use std::sync::Arc;

use super::place;
use crate::config;
use crate::provider::{Auth, BadTarget};
use crate::vocabulary::Secret;
use chain::Chain;
use plan::{Plan, Setting};

/// Keys that ask for a signature, wherever a bearer token lies about.
const SIGNED: [&str; 4] = ["aws_access_key_id", "aws_profile_name", "aws_role_name", "aws_web_identity_token"];

/// The token of a deployment that is asked with one: `api_key`, or `AWS_BEARER_TOKEN_BEDROCK`.
pub(super) fn bearer(deployment: &config::Deployment) -> Option<Secret> {
    let is_signed = SIGNED.iter().any(|name| deployment.vendor(name, &[]).is_some());
    deployment.api_key.clone().filter(|_| !is_signed)
}

/// The keys of a deployment that is asked with signatures.
pub(super) fn prepare(deployment: &config::Deployment) -> Result<Option<Arc<dyn Auth>>, BadTarget> {
    if bearer(deployment).is_some() {
        return Ok(None);
    }
    let region = place::region(deployment);
    let given = |name: &str| deployment.vendor(name, &[]);
    let variable = |name: &str| deployment.vendor("", &[name]);
    let plan = Plan::new(&Setting { region: &region, given: &given, variable: &variable })?;
    Ok(Some(Arc::new(Chain::new(plan))))
}
