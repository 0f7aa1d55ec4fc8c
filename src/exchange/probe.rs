//! Checks that pay for an answer: a small exchange of our own at one deployment, under a budget of its own.
//!
//! A check is an exchange like any other: reserved before, metered, recorded once. It is for the tag
//! [`HEALTH_CHECK_TAG`], whose budget is `general_settings.health_check_budget`: where nothing is left of it, or nobody
//! knows what an answer costs, the check that costs nothing is made instead.

use std::sync::Arc;

use bytes::Bytes;

use super::attempt::Outbound;
use super::caller::Caller;
use super::close::{Ending, Sent};
use super::enter::{Common, Opened, call_label};
use super::plan::{Meant, Planned};
use super::{Deployment, World};
use crate::config::HEALTH_CHECK_TAG;
use crate::dialect::{Endpoint, PathStream};
use crate::json;
use crate::routing::Group;
use crate::telemetry::KeyLabel;
use crate::vocabulary::{Fault, Kind, Now};

/// A check that pays: the exchange, and the group that its deployment is in.
pub struct Probe {
    planned: Box<Planned>,
    group: Arc<Group>,
}

impl Deployment {
    /// Whether it asks for checks that pay.
    pub(super) fn is_probed(&self) -> bool {
        (self.settings.mode.is_some() || self.settings.health_check_model.is_some()) && question(self, "").is_some()
    }

    /// The model that is asked, and what of its name stands for the star; None: the star stands for nothing.
    fn probed(&self) -> Option<(String, Option<Box<str>>)> {
        let Some(pattern) = &self.pattern else { return Some((self.settings.model.to_string(), None)) };
        let named = self.settings.health_check_model.as_deref()?;
        let bare = named.strip_prefix(&format!("{}/", self.settings.provider)).unwrap_or(named);
        let captured = pattern.capture(bare)?;
        Some((pattern.fill(captured), Some(captured.into())))
    }
}

impl World {
    /// Begins a check that pays. None: none is to be made there, nothing is left of the budget, or there is no price.
    pub fn probe(self: &Arc<Self>, deployment: usize, id: String, now: Now) -> Option<Probe> {
        let known = self.deployments.get(deployment)?;
        let (model, captured) = known.probed()?;
        let (endpoint, body) = question(known, &model)?;
        self.price(deployment, &model).filter(|price| price.is_known())?;
        let group = self.table.groups().iter().find(|group| holds(group, deployment))?.clone();
        let mut common = Common::new(self, id, None, now);
        (common.endpoint, common.call) = (call_label(endpoint), Some(endpoint));
        (common.caller, common.key) = (Some(Caller::Master), KeyLabel::Master);
        common.wishes.tags = vec![HEALTH_CHECK_TAG.to_owned()];
        common.wishes.retries = Some(0);
        let alone = Group::of_one(group.name.clone(), group.index, deployment);
        let meant = Meant { group: Arc::new(alone), captured, target: Box::from(&*group.name) };
        let opened = Opened {
            common,
            endpoint,
            path_model: None,
            path_stream: PathStream::Body,
            own_headers: Vec::new(),
            pass: None,
            meant: Some(meant),
        };
        match opened.plan(body, now, now) {
            // What must be lent first is there when the next check is due.
            Ok(planned) if planned.borrow(Box::new(|| ())) => {
                planned.refuse(Fault::ours(Kind::Overloaded, "its budget is not lent yet")).forget();
                None
            }
            Ok(planned) => Some(Probe { planned, group }),
            Err(refused) => {
                // Nothing was sent, and nobody asked: there is nothing to record.
                refused.forget();
                None
            }
        }
    }
}

impl Probe {
    /// The request for its one attempt.
    ///
    /// # Errors
    /// The deployment has no room within its limits, or the question cannot be put to it.
    pub fn attempt(&mut self, now: Now) -> Result<Outbound, Fault> {
        let outbound = self.planned.attempt(now, 0)?;
        // What comes of it is judged as a member of its group: the last one is not set aside.
        self.planned.group = self.group.clone();
        Ok(outbound)
    }

    /// The exchange.
    pub fn exchange(&mut self) -> &mut Planned {
        &mut self.planned
    }

    /// Ends it: one record.
    pub fn close(mut self, fault: Option<&Fault>, status: u16, now: Now) {
        if let Some(fault) = fault {
            // Counts once, however often it is said.
            self.planned.failed(fault, now, 0);
        }
        let ending = if fault.is_some() { Ending::UpstreamFailed } else { Ending::Complete };
        self.planned.close(ending, fault, &Sent { status, ..Sent::default() }, now);
    }
}

fn holds(group: &Group, deployment: usize) -> bool {
    group.members.iter().any(|member| member.deployment == deployment)
}

/// The least that a model of this `mode` can be asked; None where that is not little.
fn question(deployment: &Deployment, model: &str) -> Option<(Endpoint, Bytes)> {
    let (endpoint, members) = match deployment.settings.mode.as_deref().unwrap_or("chat") {
        "chat" => {
            (Endpoint::ChatCompletions, r#""messages":[{"role":"user","content":"Hi"}],"max_completion_tokens":16"#)
        }
        "completion" => (Endpoint::Completions, r#""prompt":"Hi","max_tokens":16"#),
        "responses" => (Endpoint::Responses, r#""input":"Hi","max_output_tokens":16,"store":false"#),
        "embedding" => (Endpoint::Embeddings, r#""input":"Hi""#),
        "moderation" => (Endpoint::Moderations, r#""input":"Hi""#),
        "rerank" => (Endpoint::Rerank, r#""query":"Hi","documents":["Hi"]"#),
        _ => return None,
    };
    let model = String::from_utf8_lossy(&json::quote(model)).into_owned();
    Some((endpoint, Bytes::from(format!(r#"{{"model":{model},{members},"disable_fallbacks":true}}"#))))
}
