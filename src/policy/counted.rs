//! What several nodes count together: which limit of whom.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::admission::{Denied, LimitType, Room, Subject};
use crate::vocabulary::Now;

/// A limit that other nodes know as well.
///
/// Prints as a name that no two limits share, whatever their ids hold: `key:requests:64:<hash>`, and the model behind it
/// where the limit is for one alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Whose limit.
    pub subject: Subject,
    /// The model, where the limit is for that model alone.
    pub model: Option<Box<str>>,
    /// What is limited.
    pub limit_type: LimitType,
}

impl Counted {
    /// That there is no room, counted over all nodes.
    pub fn denied(&self, limit: u64, after: Duration, now: Now) -> Denied {
        let denied = Denied::new(&self.subject, self.limit_type, Room { limit, left: 0, after }, now);
        match &self.model {
            Some(model) => denied.for_model(model),
            None => denied,
        }
    }
}

impl fmt::Display for Counted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Subject { kind, id } = &self.subject;
        write!(out, "{kind}:{}:{}:{id}", self.limit_type, id.len())?;
        match &self.model {
            Some(model) => write!(out, ":{model}"),
            None => Ok(()),
        }
    }
}

/// Whose limits are being made.
#[derive(Clone, Copy)]
pub(super) struct Whose<'a> {
    pub(super) subject: &'a Subject,
    pub(super) model: Option<&'a str>,
}

impl Whose<'_> {
    pub(super) fn counted(self, limit_type: LimitType) -> Arc<Counted> {
        Arc::new(Counted { subject: self.subject.clone(), model: self.model.map(Box::from), limit_type })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::ScopeKind;

    #[test]
    fn no_two_limits_share_a_name() {
        let name = |id: &str, model: Option<&str>| {
            let subject = Subject { kind: ScopeKind::Team, id: id.into() };
            Whose { subject: &subject, model }.counted(LimitType::Tokens).to_string()
        };
        assert_eq!(name("a", None), "team:tokens:1:a");
        assert_ne!(name("a:b", Some("c")), name("a", Some("b:c")));
        assert_ne!(name("a:b", None), name("a", Some("b")));
    }
}
