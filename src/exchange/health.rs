//! Checks of deployments that no request makes: what is asked, what an answer says, and how all of them fare.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

use super::{Deployment, World, pass};
use crate::config::Cooling;
use crate::routing::{Checked, Failure, Standing};
use crate::telemetry::Target;
use crate::vocabulary::{Fault, Kind, Now};

/// How long a check may take, where nothing says so.
const CHECK: Duration = Duration::from_secs(10);
/// A check that somebody asks for is not made again within this time.
const FRESH: Duration = Duration::from_secs(10);

/// What is asked to find out whether a deployment is there.
#[derive(Clone, Debug)]
pub struct Check {
    /// Which, by its place in [`World::deployments`].
    pub deployment: usize,
    /// Path and query of the list of models, which costs nothing; None: there is none, and a connection must do.
    pub path: Option<http::Uri>,
    /// How long it may take.
    pub timeout: Duration,
    /// Whether an answer may be paid for instead (`general_settings.health_check_budget`).
    pub pays: bool,
}

/// Which deployments `/health` is about: `model` and `model_id` of its query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthQuery {
    group: Option<String>,
    id: Option<String>,
}

impl HealthQuery {
    pub(super) fn read(query: &str) -> Result<Self, Fault> {
        let mut read = Self::default();
        for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            let bad = |_| Fault::client(Kind::BadRequest, "the query is not text");
            let value = || String::from_utf8(pass::decoded(value)).map_err(bad);
            match name {
                "model" => read.group = Some(value()?),
                "model_id" => read.id = Some(value()?),
                _ => {}
            }
        }
        Ok(read)
    }

    fn is_about(&self, deployment: &Deployment) -> bool {
        let settings = &deployment.settings;
        !deployment.hidden
            && self.group.as_deref().is_none_or(|group| group == &*settings.model_name)
            && self.id.as_deref().is_none_or(|id| id == &*settings.id)
    }
}

impl Deployment {
    /// Whether the last check, if there was one, found it.
    pub(super) fn passed_check(&self) -> bool {
        self.health.checked().is_none_or(|checked| checked.trouble.is_none())
    }

    fn check(&self, deployment: usize) -> Check {
        let path = self.provider.models_path(&self.target).and_then(|path| path.parse().ok());
        Check { deployment, path, timeout: self.settings.health_check_timeout.unwrap_or(CHECK), pays: false }
    }
}

/// What a deployment's answer to a check says of it: its status, or None for a connection.
///
/// # Errors
/// It refuses the credential, or fails. That it has no list of models is none of the two.
fn judge(status: Option<u16>) -> Result<(), Fault> {
    match status {
        Some(status @ (401 | 403 | 429 | 500..)) => {
            Err(Fault::upstream(Kind::UpstreamStatus(status), format!("the list of models came with status {status}")))
        }
        _ => Ok(()),
    }
}

impl World {
    /// The checks that are due in the background.
    pub fn checks(&self) -> Vec<Check> {
        let all = self.deployments.iter().enumerate();
        let due = all.filter(|(_, known)| !known.hidden && known.settings.health_check && !known.is_canned());
        let pays = self.settings.pays_for_checks;
        due.map(|(index, known)| Check { pays: pays && known.is_probed(), ..known.check(index) }).collect()
    }

    /// The checks that are due because somebody asks.
    pub fn checks_asked(&self, query: &HealthQuery, now: Now) -> Vec<Check> {
        if self.settings.health_check_interval.is_some() {
            return Vec::new();
        }
        let is_fresh = |known: &Deployment| known.health.checked().is_some_and(|checked| now.since(checked.at) < FRESH);
        let all = self.deployments.iter().enumerate();
        let due = all.filter(|(_, known)| query.is_about(known) && !known.is_canned() && !is_fresh(known));
        due.map(|(index, known)| known.check(index)).collect()
    }

    /// Keeps what a check found: the status of the answer, none where only a connection was made, or why there is none. In
    /// the background (`judged`) a failure counts like a request's and may set the deployment aside. Nothing brings one back
    /// but a request: a list of models does not say that the model answers.
    pub fn checked(&self, check: &Check, found: Result<Option<u16>, Fault>, judged: bool, now: Now) {
        let Some(deployment) = self.deployments.get(check.deployment) else { return };
        let fault = found.and_then(judge).err();
        let trouble = fault.as_ref().map(|fault| fault.public.to_string());
        deployment.health.check(Checked { at: now, trouble });
        let group = self
            .table
            .groups()
            .iter()
            .find(|group| group.members.iter().any(|member| member.deployment == check.deployment));
        let (true, Some(fault), Some(group)) = (judged, fault, group) else { return };
        let usual = &self.settings.routing.cooling;
        let cooling = Cooling { time: deployment.settings.cooldown_time.unwrap_or(usual.time), ..*usual };
        let spare = self.has_spare(group, check.deployment, now);
        if let Some(rest) = deployment.health.failed(Failure::of(&fault), fault.retry_after, &cooling, spare, now) {
            self.say_cooled(Target::Deployment(u32::try_from(check.deployment).unwrap_or(u32::MAX)), rest, now);
        }
    }

    /// How deployments fare, as LiteLLM's `/health` tells it.
    pub fn health(&self, query: &HealthQuery, now: Now) -> Bytes {
        let about = self.deployments.iter().filter(|known| query.is_about(known));
        let (healthy, unhealthy): (Vec<_>, Vec<_>) =
            about.map(|known| known.endpoint(now)).partition(|endpoint| endpoint.error.is_none());
        let report = Report {
            healthy_count: healthy.len(),
            unhealthy_count: unhealthy.len(),
            healthy_endpoints: healthy,
            unhealthy_endpoints: unhealthy,
        };
        // Texts and numbers: nothing of it can fail to be JSON.
        serde_json::to_vec(&report).unwrap_or_default().into()
    }
}

#[derive(Serialize)]
struct Report<'a> {
    healthy_endpoints: Vec<Endpoint<'a>>,
    unhealthy_endpoints: Vec<Endpoint<'a>>,
    healthy_count: usize,
    unhealthy_count: usize,
}

#[derive(Serialize)]
struct Endpoint<'a> {
    model: &'a str,
    model_id: &'a str,
    model_group: &'a str,
    api_base: &'a str,
    /// `healthy`, `full`, `cooling_down`, `failing` or `switched_off`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Cow<'static, str>>,
    /// When it was checked, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    checked_at_ms: Option<i64>,
}

impl Deployment {
    fn is_canned(&self) -> bool {
        self.settings.mock_response.is_some()
    }

    fn endpoint(&self, now: Now) -> Endpoint<'_> {
        let checked = self.health.checked();
        let trouble = checked.as_ref().and_then(|checked| checked.trouble.clone());
        let (state, error) = match self.health.standing(now) {
            _ if self.off.is_off(now) => ("switched_off", Some(Cow::from("an operator switched it off"))),
            Standing::Resting(wait) => {
                ("cooling_down", Some(format!("it failed and is set aside for {} s", wait.as_secs() + 1).into()))
            }
            Standing::Trial => ("failing", Some("it failed; the next request finds out whether it is back".into())),
            _ if trouble.is_some() => ("failing", trouble.map(Cow::from)),
            Standing::Full(_) => ("full", None),
            Standing::Open => ("healthy", None),
        };
        Endpoint {
            model: self.shown_name.to_str().unwrap_or_default(),
            model_id: &self.settings.id,
            model_group: &self.settings.model_name,
            api_base: self.shown_base.to_str().unwrap_or_default(),
            state,
            error,
            checked_at_ms: checked.map(|checked| checked.at.wall_ms),
        }
    }
}
