//! The attempts of a request, for whoever asked to be told (`x-tollgate-explain`).

use std::fmt::Write;
use std::time::Duration;

use super::caller::Caller;
use super::plan::Planned;
use crate::vocabulary::{Fault, Kind, Matter, Now};

/// One attempt that failed, or was not waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leg {
    deployment: usize,
    /// None: another deployment answered sooner.
    kind: Option<Kind>,
    matter: Matter,
    took: Duration,
}

impl Planned {
    /// Notes that the current attempt failed.
    pub(super) fn note_leg(&mut self, fault: &Fault, now: Now) {
        self.push_leg(Some(fault.kind), fault.matter, now);
    }

    /// Notes that the current attempt is not waited for.
    pub(super) fn note_lost_leg(&mut self, now: Now) {
        self.push_leg(None, Matter::Other, now);
    }

    fn push_leg(&mut self, kind: Option<Kind>, matter: Matter, now: Now) {
        let Some(current) = &self.current else { return };
        let took = now.since(current.began);
        self.trail.push(Leg { deployment: current.deployment, kind, matter, took });
    }

    /// What became of the last attempt that was noted, once its answer was read.
    pub(super) fn note_matter(&mut self, matter: Matter) {
        if let Some(leg) = self.trail.last_mut() {
            leg.matter = matter;
        }
    }

    /// Every attempt, its outcome and its time: `gpt-eu=429;12ms, gpt-us=ok;340ms`. None where nobody asked, or the
    /// key may not (`permissions.explain`).
    pub fn route_receipt(&self, now: Now) -> Option<String> {
        let permitted = || self.common.caller.as_ref().and_then(Caller::key).is_none_or(|key| key.may_explain);
        if !self.common.wishes.explain || !permitted() {
            return None;
        }
        let mut out = String::new();
        for leg in &self.trail {
            self.write_leg(leg.deployment, &outcome(leg), leg.took, &mut out);
        }
        if let Some(current) = self.current.as_ref().filter(|current| !current.failed) {
            self.write_leg(current.deployment, "ok", now.since(current.began), &mut out);
        }
        Some(out)
    }

    fn write_leg(&self, deployment: usize, outcome: &str, took: Duration, out: &mut String) {
        let id = &self.common.world.deployments[deployment].settings.id;
        let separator = if out.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _infallible = write!(out, "{separator}{id}={outcome};{}ms", took.as_millis());
    }
}

fn outcome(leg: &Leg) -> String {
    let word = match (leg.matter, leg.kind) {
        (Matter::ContextWindow, _) => "context_window",
        (Matter::ContentPolicy, _) => "content_policy",
        (_, None) => "lost",
        (_, Some(Kind::UpstreamStatus(status))) => return status.to_string(),
        (_, Some(Kind::UpstreamConnect)) => "connect",
        (_, Some(Kind::UpstreamTimeout)) => "timeout",
        (_, Some(Kind::UpstreamCut)) => "cut",
        (_, Some(Kind::UpstreamMalformed)) => "malformed",
        _ => "failed",
    };
    word.to_owned()
}
