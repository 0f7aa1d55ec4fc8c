//! One try at one deployment: the choice, the request written for it, and whether to try again.

use std::time::Duration;

use bytes::Bytes;

use super::plan::Planned;
use super::reply::Reply;
use super::{Deployment, World};
use crate::dialect::openai::Endpoint;
use crate::json::{self, Edits, Segments};
use crate::policy::Permit;
use crate::provider::{Call, StreamUsage};
use crate::routing::{self, Tried};
use crate::telemetry::{AttemptFailed, Event, Target};
use crate::vocabulary::{Fault, Kind, Now};

/// The first wait before the same deployment is asked again; doubled each time.
const BACKOFF: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(8);
/// An upstream that asks for a longer wait is not waited for: the client is told instead.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(5);

/// A request as an upstream shall get it. Headers are those of the deployment's target.
pub struct Outbound {
    /// Which deployment, by its place in [`World::deployments`].
    pub deployment: usize,
    /// Path and query.
    pub path: http::Uri,
    /// The body, edited by splice.
    pub body: Segments,
    /// How long the first byte of the answer may take.
    pub first_byte: Duration,
    /// How long the answer may stand still once it flows.
    pub idle: Duration,
    /// How long the attempt may take as a whole.
    pub total: Duration,
}

/// Whether and when to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Not at all: answer the client.
    No,
    /// After this long (zero: at once).
    After(Duration),
}

/// The attempt that is under way.
pub(super) struct Current {
    pub(super) deployment: usize,
    pub(super) permit: Option<Permit>,
    pub(super) began: Now,
    pub(super) first_byte: Option<Now>,
    pub(super) ended: Option<Now>,
    pub(super) status: Option<u16>,
    pub(super) failed: bool,
}

impl Planned {
    /// Chooses the next deployment and writes the request for it. `random` decides among equals.
    ///
    /// # Errors
    /// No deployment of the group has room within its limits.
    pub fn attempt(&mut self, now: Now, random: u64) -> Result<Outbound, Fault> {
        let world = self.common.world.clone();
        let (position, permit) = self.choose(&world, now, random)?;
        let index = self.group.members[position].deployment;
        self.tried.note(position);
        self.attempts += 1;
        self.common.target = Target::Deployment(u32::try_from(index).unwrap_or(u32::MAX));
        self.permit.sent();
        if let Some(hold) = &mut self.hold {
            hold.dispatched();
        }
        self.first_dispatch.get_or_insert(now);
        self.reply = Reply::Waiting;
        self.current = Some(Current {
            deployment: index,
            permit: Some(permit),
            began: now,
            first_byte: None,
            ended: None,
            status: None,
            failed: false,
        });
        Ok(self.outbound(&world, index, now))
    }

    fn choose(&mut self, world: &World, now: Now, random: u64) -> Result<(usize, Permit), Fault> {
        if self.tried.covers(self.group.members.len()) {
            self.tried = Tried::default();
        }
        let mut full = Tried::default();
        let mut wait: Option<Duration> = None;
        loop {
            let open = |position: usize| !full.has(position);
            let picked = routing::choose(&self.group.members, self.tried, open, random);
            let Some(position) = picked else { return Err(self.no_room(wait)) };
            match world.deployments[self.group.members[position].deployment].limits.try_take(self.tokens, now) {
                Ok(mut permit) => {
                    permit.sent();
                    return Ok((position, permit));
                }
                Err(short) => {
                    wait = Some(wait.map_or(short.after, |wait| wait.min(short.after)));
                    full.note(position);
                }
            }
        }
    }

    fn no_room(&self, wait: Option<Duration>) -> Fault {
        let text = format!(
            "No deployments available for selected model: every deployment of {} is at its rpm, tpm or max_parallel_requests limit.",
            self.request.model
        );
        Fault::client(Kind::RateLimited, text).retry_after(wait.unwrap_or(Duration::from_secs(1)))
    }

    fn outbound(&self, world: &World, index: usize, now: Now) -> Outbound {
        let deployment = &world.deployments[index];
        let model = deployment.upstream_model(self.captured.as_deref());
        let deadlines = &world.settings.deadlines;
        let settings = &deployment.settings;
        let whole = if self.request.stream { deadlines.stream } else { deadlines.total };
        let left = whole.saturating_sub(now.since(self.common.began));
        let (first_byte, idle, total) = if self.request.stream {
            let gap = settings.stream_timeout.or(settings.timeout);
            (gap.unwrap_or(deadlines.first_byte), gap.unwrap_or(deadlines.idle), left)
        } else {
            let whole = settings.timeout.unwrap_or(deadlines.first_byte);
            (whole, deadlines.idle.min(whole), left.min(settings.timeout.unwrap_or(left)))
        };
        Outbound {
            deployment: index,
            path: deployment
                .path(&Call { endpoint: self.request.endpoint, model: &model, stream: self.request.stream })
                .unwrap_or_default(),
            body: self.write_body(deployment, &model),
            first_byte: first_byte.min(left),
            idle,
            total,
        }
    }

    /// The client's body with the edits this deployment needs; everything else byte for byte.
    fn write_body(&self, deployment: &Deployment, model: &str) -> Segments {
        let mut edits = Edits::new();
        self.edit_model(model, &mut edits);
        let dropped = self.dropped(deployment);
        dropped.iter().for_each(|member| edits.cut(*member));
        self.edit_stream_usage(deployment, &dropped, &mut edits);
        self.edit_parameters(deployment, &dropped, &mut edits);
        json::splice(&self.request.body, &self.request.document, &edits).join()
    }

    fn edit_model(&self, model: &str, edits: &mut Edits) {
        match self.request.model_member {
            Some(_) if self.request.model.as_str() == model => {}
            Some(member) => edits.replace(self.request.document.members[member].value, json::quote(model)),
            None => edits.insert("model", &json::quote(model)),
        }
    }

    /// Members that must not reach this provider.
    fn dropped(&self, deployment: &Deployment) -> smallvec::SmallVec<[usize; 8]> {
        let request = &self.request;
        let configured = deployment.settings.additional_drop_params.iter();
        let named = configured.filter_map(|name| request.document.find(&request.body, name));
        let mut dropped: smallvec::SmallVec<[usize; 8]> = request.gateway_only.iter().copied().chain(named).collect();
        dropped.sort_unstable();
        dropped.dedup();
        dropped.retain(|member| Some(*member) != request.model_member);
        dropped
    }

    /// Asks for the usage of a stream, where the provider wants to be asked and the client did not.
    fn edit_stream_usage(&self, deployment: &Deployment, dropped: &[usize], edits: &mut Edits) {
        let request = &self.request;
        let wanted = request.stream && request.endpoint != Endpoint::Embeddings && request.include_usage != Some(true);
        if !wanted || deployment.provider.stream_usage() == StreamUsage::Always {
            return;
        }
        let body = &request.body[..];
        let options = request.stream_options.filter(|member| !dropped.contains(member));
        let Some(options) = options.map(|member| request.document.members[member].value) else {
            if request.stream_options.is_none() {
                edits.insert("stream_options", br#"{"include_usage":true}"#);
            }
            return;
        };
        if json::is_null(options.of(body)) {
            edits.replace(options, Bytes::from_static(br#"{"include_usage":true}"#));
            return;
        }
        match json::find(body, options, "include_usage") {
            Ok(Some(value)) => edits.replace(value, Bytes::from_static(b"true")),
            _ => edits.insert_into(options, "include_usage", b"true"),
        }
    }

    /// Adds the deployment's defaults and `extra_body`, and the bound that the budget demands.
    fn edit_parameters(&self, deployment: &Deployment, dropped: &[usize], edits: &mut Edits) {
        let request = &self.request;
        let present =
            |name: &str| request.document.find(&request.body, name).filter(|member| !dropped.contains(member));
        let extra = &deployment.settings.extra_body;
        for (name, value) in &deployment.settings.defaults {
            let bounded = is_output_cap(name) && (!request.output_caps.is_empty() || self.output_cap.is_some());
            if present(name).is_none() && !bounded && !extra.iter().any(|(extra, _)| extra == name) {
                edits.insert(name, value.as_bytes());
            }
        }
        let ours = |name: &str| self.output_cap.is_some() && is_output_cap(name);
        for (name, value) in extra.iter().filter(|(name, _)| name != "model" && name != "stream" && !ours(name)) {
            match present(name) {
                Some(member) => {
                    edits.replace(request.document.members[member].value, Bytes::copy_from_slice(value.as_bytes()))
                }
                None => edits.insert(name, value.as_bytes()),
            }
        }
        if let Some(most) = self.output_cap {
            let (name, most) = (self.output_cap_name(deployment), most.to_string());
            match present(name) {
                // Null: the client named it and set no bound.
                Some(member) => edits.replace(request.document.members[member].value, Bytes::from(most)),
                None => edits.insert(name, most.as_bytes()),
            }
        }
    }

    /// What the provider calls the bound on an answer, or the other name where that one must not reach it.
    fn output_cap_name(&self, deployment: &Deployment) -> &'static str {
        let usual = match self.request.endpoint {
            Endpoint::ChatCompletions => deployment.provider.output_cap(),
            _ => "max_tokens",
        };
        let dropped = deployment.settings.additional_drop_params.iter().any(|name| name == usual);
        match (usual, self.request.endpoint) {
            ("max_tokens", Endpoint::ChatCompletions) if dropped => "max_completion_tokens",
            ("max_completion_tokens", _) if dropped => "max_tokens",
            _ => usual,
        }
    }

    /// Takes note that the attempt failed and says whether to try again. `jitter` is a random number.
    pub fn failed(&mut self, fault: &Fault, now: Now, jitter: u64) -> Again {
        let world = self.common.world.clone();
        let Some(current) = &mut self.current else { return Again::No };
        if current.failed {
            return Again::No;
        }
        (current.failed, current.ended) = (true, Some(now));
        // What broke off in its midst has used tokens: it is settled at the end.
        if !self.reply.streamed()
            && let Some(permit) = current.permit.take()
        {
            permit.settle(Some(0), now);
        }
        let event = AttemptFailed {
            handles: &world.handles,
            exchange_id: &self.common.id,
            target: self.common.target,
            attempt: self.attempts,
            kind: fault.kind,
            reason: None,
            elapsed: now.since(current.began),
        };
        world.around.telemetry.emit(&Event::AttemptFailed(event), now);
        let retries = world.deployments[current.deployment].settings.num_retries.unwrap_or(world.settings.num_retries);
        if self.attempts > retries {
            return Again::No;
        }
        let elsewhere = !self.tried.covers(self.group.members.len());
        match retryable(fault.kind) {
            Retry::Anywhere if elsewhere => Again::After(Duration::ZERO),
            Retry::Anywhere => self.same_again(&world, fault, jitter),
            Retry::Elsewhere if elsewhere => Again::After(Duration::ZERO),
            Retry::Elsewhere | Retry::Never => Again::No,
        }
    }

    fn same_again(&self, world: &World, fault: &Fault, jitter: u64) -> Again {
        if fault.retry_after.is_some_and(|wait| wait > RETRY_AFTER_MAX) {
            return Again::No;
        }
        let base = BACKOFF.saturating_mul(1 << (self.attempts - 1).min(8)).min(BACKOFF_MAX);
        let share = u32::try_from(jitter >> 40).unwrap_or(0);
        let spread = base.saturating_mul(share) / (1 << 24);
        Again::After((base / 2 + spread / 2).max(world.settings.retry_after).max(fault.retry_after.unwrap_or_default()))
    }
}

pub(super) fn is_output_cap(name: &str) -> bool {
    matches!(name, "max_tokens" | "max_completion_tokens")
}

enum Retry {
    /// On another deployment, or on the same one after a while.
    Anywhere,
    /// On another deployment only: the same one would fail again, or be paid twice.
    Elsewhere,
    Never,
}

fn retryable(kind: Kind) -> Retry {
    match kind {
        Kind::UpstreamConnect | Kind::UpstreamMalformed => Retry::Anywhere,
        Kind::UpstreamStatus(408 | 409 | 429 | 500..) => Retry::Anywhere,
        Kind::UpstreamTimeout | Kind::UpstreamCut | Kind::UpstreamStatus(401 | 403) => Retry::Elsewhere,
        _ => Retry::Never,
    }
}
