//! How limits stand, as headers: LiteLLM's names for each scope, and OpenAI's own names for the tighter one.

use std::time::Duration;

use http::HeaderName;

use super::bucket::Bucket;
use crate::vocabulary::{Now, ScopeKind, digits};

/// How one bucket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// The limit per minute.
    pub limit: u64,
    /// What is left; below zero, the debt.
    pub left: i64,
    /// When all of it will be there again.
    pub reset: Duration,
}

impl Level {
    pub(super) fn of(bucket: &Bucket, now: Now) -> Self {
        Self { limit: bucket.limit(), left: bucket.left(now), reset: bucket.full_at(now) }
    }

    /// What is left, a debt shown as zero.
    pub fn remaining(&self) -> u64 {
        u64::try_from(self.left).unwrap_or(0)
    }

    pub(super) fn tighter(a: Option<Self>, b: Option<Self>) -> Option<Self> {
        match (a, b) {
            (Some(a), Some(b)) => Some(if b.left < a.left { b } else { a }),
            (one, other) => one.or(other),
        }
    }
}

/// The limits of one scope that an exchange falls under: requests and tokens, in all and for the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Whose limits.
    pub kind: ScopeKind,
    /// Requests and tokens.
    pub whole: [Option<Level>; 2],
    /// Requests and tokens for this model.
    pub model: [Option<Level>; 2],
}

/// Header names of one scope and type: remaining, limit.
type Names = [HeaderName; 2];

macro_rules! names {
    ($of:literal, $dash:literal, $what:literal) => {
        [
            HeaderName::from_static(concat!("x-ratelimit-", $of, $dash, "remaining-", $what)),
            HeaderName::from_static(concat!("x-ratelimit-", $of, $dash, "limit-", $what)),
        ]
    };
}

/// Of a scope, and of a scope for one model: requests and tokens.
macro_rules! scope_names {
    ($whole:literal, $model:literal) => {{
        static NAMES: [[Names; 2]; 2] = [
            [names!($whole, "-", "requests"), names!($whole, "-", "tokens")],
            [names!($model, "-", "requests"), names!($model, "-", "tokens")],
        ];
        &NAMES
    }};
}

fn names_of(kind: ScopeKind) -> &'static [[Names; 2]; 2] {
    match kind {
        ScopeKind::Key => scope_names!("api_key", "model_per_key"),
        ScopeKind::TeamMember => scope_names!("team_member", "model_per_team_member"),
        ScopeKind::Team => scope_names!("team", "model_per_team"),
        ScopeKind::User => scope_names!("user", "model_per_user"),
        ScopeKind::Organization => scope_names!("organization", "model_per_organization"),
        ScopeKind::OrganizationMember => scope_names!("organization_member", "model_per_organization_member"),
        ScopeKind::Customer => scope_names!("end_user", "model_per_end_user"),
        ScopeKind::Tag => scope_names!("tag", "model_per_tag"),
        ScopeKind::Provider => scope_names!("provider", "model_per_provider"),
        ScopeKind::Deployment => scope_names!("deployment", "model_per_deployment"),
    }
}

static OPENAI: [Names; 2] = [names!("", "", "requests"), names!("", "", "tokens")];
static RESET: [HeaderName; 2] =
    [HeaderName::from_static("x-ratelimit-reset-requests"), HeaderName::from_static("x-ratelimit-reset-tokens")];

/// Hands every header to `out`, name and value; the value is only lent.
pub fn headers(snapshots: impl IntoIterator<Item = Snapshot>, out: &mut dyn FnMut(&'static HeaderName, &str)) {
    let mut line = String::with_capacity(24);
    let mut tightest = [None; 2];
    for snapshot in snapshots {
        for (levels, names) in [snapshot.whole, snapshot.model].into_iter().zip(names_of(snapshot.kind)) {
            for ((level, names), tightest) in levels.into_iter().zip(names).zip(&mut tightest) {
                write_level(level, names, &mut line, out);
                *tightest = Level::tighter(*tightest, level);
            }
        }
    }
    for ((names, reset), level) in OPENAI.iter().zip(&RESET).zip(tightest) {
        write_level(level, names, &mut line, out);
        if let Some(level) = level {
            write_duration(level.reset, &mut line);
            out(reset, &line);
        }
    }
}

fn write_level(
    level: Option<Level>,
    names: &'static Names,
    line: &mut String,
    out: &mut dyn FnMut(&'static HeaderName, &str),
) {
    let Some(level) = level else { return };
    for (name, value) in names.iter().zip([level.remaining(), level.limit]) {
        line.clear();
        digits::push(line, value);
        out(name, line);
    }
}

/// As OpenAI writes it: `0s`, `12ms`, `59.5s`, `6m0s`, `1h0m0s`; rounded up to the millisecond.
fn write_duration(duration: Duration, line: &mut String) {
    line.clear();
    let ms = u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
    let (seconds, ms) = (ms / 1_000, ms % 1_000);
    match (seconds, ms) {
        (0, 0) => line.push_str("0s"),
        (0, ms) => {
            digits::push(line, ms);
            line.push_str("ms");
        }
        _ => write_long(seconds, ms, line),
    }
}

fn write_long(seconds: u64, ms: u64, line: &mut String) {
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    if hours > 0 {
        digits::push(line, hours);
        line.push('h');
    }
    if hours > 0 || minutes > 0 {
        digits::push(line, minutes);
        line.push('m');
    }
    digits::push(line, seconds % 60);
    if ms > 0 {
        line.push('.');
        digits::push_padded(line, ms, 3);
        line.truncate(line.trim_end_matches('0').len());
    }
    line.push('s');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(limit: u64, left: i64, reset: Duration) -> Option<Level> {
        Some(Level { limit, left, reset })
    }

    fn lines(snapshots: &[Snapshot]) -> Vec<String> {
        let mut lines = Vec::new();
        headers(snapshots.iter().copied(), &mut |name, value| lines.push(format!("{name}: {value}")));
        lines
    }

    #[test]
    fn each_scope_has_its_names_and_the_tighter_one_openais() {
        let team =
            Snapshot { kind: ScopeKind::Team, whole: [level(3, 2, Duration::from_secs(20)), None], model: [None; 2] };
        let key = Snapshot {
            kind: ScopeKind::Key,
            whole: [level(100, 97, Duration::from_millis(1_800)), None],
            model: [level(5, 4, Duration::from_secs(12)), None],
        };
        assert_eq!(
            lines(&[key]),
            [
                "x-ratelimit-api_key-remaining-requests: 97",
                "x-ratelimit-api_key-limit-requests: 100",
                "x-ratelimit-model_per_key-remaining-requests: 4",
                "x-ratelimit-model_per_key-limit-requests: 5",
                "x-ratelimit-remaining-requests: 4",
                "x-ratelimit-limit-requests: 5",
                "x-ratelimit-reset-requests: 12s",
            ]
        );
        assert_eq!(lines(&[]), [""; 0]);
        let both = lines(&[key, team]);
        assert!(both.contains(&"x-ratelimit-team-remaining-requests: 2".to_owned()), "{both:?}");
        assert!(both.contains(&"x-ratelimit-remaining-requests: 2".to_owned()), "{both:?}");
    }

    #[test]
    fn durations_are_written_as_openai_writes_them() {
        for (duration, shown) in [
            (Duration::ZERO, "0s"),
            (Duration::from_nanos(1), "1ms"),
            (Duration::from_millis(59_500), "59.5s"),
            (Duration::from_secs(360), "6m0s"),
            (Duration::from_millis(3_600_007), "1h0m0.007s"),
        ] {
            let mut line = String::new();
            write_duration(duration, &mut line);
            assert_eq!(line, shown);
        }
    }
}
