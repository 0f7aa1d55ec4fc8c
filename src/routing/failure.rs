//! What a failure is called in the policies, and what it says about the deployment.

use crate::config::{EXCEPTIONS, PerException};
use crate::vocabulary::{Fault, Kind, Matter};

/// A failure of an attempt, as routing sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The request was at fault.
    Request,
    /// The request is too long for the model.
    ContextWindow,
    /// The provider's content policy refused the request.
    ContentPolicy,
    /// The credential was refused.
    Credential,
    /// The model is not there.
    NotFound,
    /// Too many requests.
    RateLimit,
    /// No answer in time.
    Timeout,
    /// The provider says that it is overloaded or down.
    Unavailable,
    /// What stands before the provider failed.
    BadGateway,
    /// The provider failed, could not be reached, or sent what is no answer.
    Internal,
}

impl Failure {
    /// What a fault is.
    pub fn of(fault: &Fault) -> Self {
        match (fault.matter, fault.kind) {
            (Matter::ContextWindow, _) => Self::ContextWindow,
            (Matter::ContentPolicy, _) => Self::ContentPolicy,
            (Matter::Other, Kind::UpstreamStatus(401 | 403)) => Self::Credential,
            (Matter::Other, Kind::UpstreamStatus(404)) => Self::NotFound,
            (Matter::Other, Kind::UpstreamStatus(408) | Kind::UpstreamTimeout) => Self::Timeout,
            (Matter::Other, Kind::UpstreamStatus(429) | Kind::RateLimited) => Self::RateLimit,
            (Matter::Other, Kind::UpstreamStatus(502)) => Self::BadGateway,
            (Matter::Other, Kind::UpstreamStatus(503 | 529)) => Self::Unavailable,
            (Matter::Other, Kind::UpstreamStatus(500..)) => Self::Internal,
            (Matter::Other, Kind::UpstreamConnect | Kind::UpstreamMalformed | Kind::UpstreamCut) => Self::Internal,
            _ => Self::Request,
        }
    }

    /// LiteLLM's name for it, as it stands in policies.
    pub fn exception(self) -> &'static str {
        match self {
            Self::Request | Self::ContextWindow => "BadRequestError",
            Self::ContentPolicy => "ContentPolicyViolationError",
            Self::Credential => "AuthenticationError",
            Self::NotFound => "NotFoundError",
            Self::RateLimit => "RateLimitError",
            Self::Timeout => "TimeoutError",
            Self::Unavailable => "ServiceUnavailableError",
            Self::BadGateway => "BadGatewayError",
            Self::Internal => "InternalServerError",
        }
    }

    /// What a policy says of it.
    pub fn in_policy(self, policy: &PerException) -> Option<u32> {
        let name = self.exception();
        EXCEPTIONS.iter().zip(policy).find(|(known, _)| **known == name).and_then(|(_, number)| *number)
    }

    /// Whether it says nothing about the deployment: any other would have refused the request too.
    pub fn is_the_requests(self) -> bool {
        matches!(self, Self::Request | Self::ContextWindow | Self::ContentPolicy)
    }

    /// The status it stands for in metrics, LiteLLM's `exception_status`.
    pub fn status(self) -> u16 {
        match self {
            Self::Request | Self::ContextWindow | Self::ContentPolicy => 400,
            Self::Credential => 401,
            Self::NotFound => 404,
            Self::RateLimit => 429,
            Self::Timeout => 408,
            Self::Unavailable => 503,
            Self::BadGateway => 502,
            Self::Internal => 500,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_a_name_that_policies_know() {
        for (kind, name) in [
            (Kind::UpstreamStatus(400), "BadRequestError"),
            (Kind::UpstreamStatus(403), "AuthenticationError"),
            (Kind::UpstreamTimeout, "TimeoutError"),
            (Kind::UpstreamStatus(429), "RateLimitError"),
            (Kind::UpstreamConnect, "InternalServerError"),
            (Kind::UpstreamStatus(529), "ServiceUnavailableError"),
            (Kind::UpstreamStatus(502), "BadGatewayError"),
            (Kind::UpstreamStatus(404), "NotFoundError"),
        ] {
            let failure = Failure::of(&Fault::upstream(kind, ""));
            assert_eq!(failure.exception(), name);
            let mut policy = PerException::default();
            policy[EXCEPTIONS.iter().position(|known| *known == name).unwrap()] = Some(7);
            assert_eq!(failure.in_policy(&policy), Some(7));
        }
        let long = Fault::upstream(Kind::UpstreamStatus(400), "").about(Matter::ContextWindow);
        assert!(Failure::of(&long).is_the_requests());
    }
}
