//! Why a request was not admitted, in LiteLLM's words.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::vocabulary::{Fault, KeyHash, Kind, Now, ScopeKind};

/// What is limited. Prints as LiteLLM spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitType {
    /// `rpm_limit`.
    Requests,
    /// `tpm_limit`.
    Tokens,
    /// `max_parallel_requests`.
    Parallel,
}

impl LimitType {
    /// The value of the `rate_limit_type` header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Parallel => "max_parallel_requests",
        }
    }
}

impl fmt::Display for LimitType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Whose limit it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// What kind of scope.
    pub kind: ScopeKind,
    /// Which: a key's hash, a team's id.
    pub id: Arc<str>,
}

impl Subject {
    /// A virtual key.
    pub fn key(hash: KeyHash) -> Self {
        Self { kind: ScopeKind::Key, id: hash.to_string().into() }
    }
}

/// A limit of a scope, or of a scope and a model, that has no room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    /// Whose limit.
    pub subject: Subject,
    /// The model, where the limit is for that model alone.
    pub model: Option<Box<str>>,
    /// What is limited.
    pub limit_type: LimitType,
    /// The limit.
    pub limit: u64,
    /// What is left of it.
    pub remaining: u64,
    /// When trying again can succeed.
    pub after: Duration,
    /// The same as a wall time, Unix milliseconds.
    pub resets_at_ms: i64,
}

impl Denied {
    pub(super) fn new(subject: &Subject, limit_type: LimitType, room: Room, now: Now) -> Self {
        let after_ms = i64::try_from(room.after.as_millis()).unwrap_or(i64::MAX);
        Self {
            subject: subject.clone(),
            model: None,
            limit_type,
            limit: room.limit,
            remaining: u64::try_from(room.left).unwrap_or(0),
            after: room.after,
            resets_at_ms: now.wall_ms.saturating_add(after_ms),
        }
    }

    pub(super) fn for_model(mut self, model: &str) -> Self {
        self.model = Some(model.into());
        self
    }

    /// The value of the `reset_at` header, rounded up to the second: `2026-11-21 01:49:33 UTC`.
    pub fn reset_at(&self) -> String {
        match Timestamp::from_second(self.resets_at_ms.saturating_add(999).div_euclid(1_000)) {
            Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
            Err(_) => "never".to_owned(),
        }
    }

    /// The answer for the caller.
    pub fn fault(&self) -> Fault {
        let Subject { kind, id } = &self.subject;
        let subject = match &self.model {
            None => format!("{kind}: {id}"),
            Some(model) => format!("{}: {id}:{model}", kind.of_model()),
        };
        let text = format!(
            "Rate limit exceeded for {subject}. Limit type: {}. Current limit: {}, Remaining: {}. Limit resets at: {}",
            self.limit_type,
            self.limit,
            self.remaining,
            self.reset_at()
        );
        Fault::client(Kind::RateLimited, text).retry_after(self.after)
    }
}

impl From<Denied> for Fault {
    fn from(denied: Denied) -> Self {
        denied.fault()
    }
}

/// How a limit stood when it denied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) limit: u64,
    pub(super) left: i64,
    pub(super) after: Duration,
}
