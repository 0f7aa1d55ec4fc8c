//! AWS credentials.

use std::sync::Arc;

use crate::config;
use crate::provider::{Auth, BadTarget};
use crate::vocabulary::Secret;

pub(super) fn bearer(deployment: &config::Deployment) -> Option<Secret> {
    deployment.api_key.clone()
}

pub(super) fn prepare(_deployment: &config::Deployment) -> Result<Option<Arc<dyn Auth>>, BadTarget> {
    Ok(None)
}
