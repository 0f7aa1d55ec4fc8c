//! Failures as labels: a word for each kind, and what LiteLLM calls it.

use crate::vocabulary::Kind;

/// The words, by number; the first stands for a code that has no cell of its own.
pub(super) const WORDS: [&str; 34] = [
    "other",
    "no_key",
    "malformed_key",
    "unknown_key",
    "expired_key",
    "blocked_key",
    "address_not_allowed",
    "model_not_allowed",
    "needs_master_key",
    "unknown_model",
    "bad_request",
    "bad_json",
    "too_large",
    "unsupported_media",
    "not_found",
    "method_not_allowed",
    "doubtful_framing",
    "client_timeout",
    "client_gone",
    "rate_limited",
    "budget_exceeded",
    "price_unknown",
    "upstream_status",
    "upstream_connect",
    "upstream_timeout",
    "upstream_malformed",
    "upstream_cut",
    "shutting_down",
    "overloaded",
    "internal",
    "stalled",
    "switched_off",
    "route_not_allowed",
    "forbidden",
];

/// The number of [`WORDS`] for a stream that stopped flowing, which is an outcome and not a kind.
pub(super) const STALLED: usize = 30;

/// The place of a kind in [`WORDS`].
pub(super) fn number(kind: Kind) -> usize {
    match kind {
        Kind::NoKey => 1,
        Kind::MalformedKey => 2,
        Kind::UnknownKey => 3,
        Kind::ExpiredKey => 4,
        Kind::BlockedKey => 5,
        Kind::AddressNotAllowed => 6,
        Kind::ModelNotAllowed | Kind::ScopeModelNotAllowed(_) => 7,
        Kind::NeedsMasterKey => 8,
        Kind::UnknownModel => 9,
        Kind::BadRequest => 10,
        Kind::BadJson => 11,
        Kind::TooLarge => 12,
        Kind::UnsupportedMedia => 13,
        Kind::NotFound => 14,
        Kind::MethodNotAllowed => 15,
        Kind::DoubtfulFraming => 16,
        Kind::ClientTimeout => 17,
        Kind::ClientGone => 18,
        Kind::RateLimited => 19,
        Kind::BudgetExceeded => 20,
        Kind::PriceUnknown => 21,
        Kind::UpstreamStatus(_) => 22,
        Kind::UpstreamConnect => 23,
        Kind::UpstreamTimeout => 24,
        Kind::UpstreamMalformed => 25,
        Kind::UpstreamCut => 26,
        Kind::ShuttingDown => 27,
        Kind::Overloaded => 28,
        Kind::Internal => 29,
        Kind::SwitchedOff => 31,
        Kind::RouteNotAllowed => 32,
        Kind::Forbidden => 33,
    }
}

/// The word for a kind.
pub fn word(kind: Kind) -> &'static str {
    WORDS.get(number(kind)).copied().unwrap_or("other")
}

/// Statuses that are labels of their own.
const STATUSES: [(u16, &str, &str); 21] = [
    (200, "200", ""),
    (400, "400", "BadRequestError"),
    (401, "401", "AuthenticationError"),
    (403, "403", "PermissionDeniedError"),
    (404, "404", "NotFoundError"),
    (405, "405", "APIError"),
    (408, "408", "Timeout"),
    (409, "409", "APIError"),
    (411, "411", "APIError"),
    (413, "413", "APIError"),
    (415, "415", "APIError"),
    (422, "422", "UnprocessableEntityError"),
    (429, "429", "RateLimitError"),
    (431, "431", "APIError"),
    (499, "499", "APIError"),
    (500, "500", "InternalServerError"),
    (501, "501", "APIError"),
    (502, "502", "BadGatewayError"),
    (503, "503", "ServiceUnavailableError"),
    (504, "504", "Timeout"),
    (529, "529", "InternalServerError"),
];

/// The status as a label and LiteLLM's exception class for it; `other` if it is not a common one.
pub(super) fn status(code: u16) -> (&'static str, &'static str) {
    STATUSES.iter().find(|known| known.0 == code).map_or(("other", "APIError"), |known| (known.1, known.2))
}

/// The status itself if it is a common one, zero otherwise: what may become part of a code.
pub(super) fn common_status(code: u16) -> u16 {
    if STATUSES.iter().any(|known| known.0 == code) { code } else { 0 }
}

/// The status LiteLLM would report for a failed attempt.
pub(super) fn status_of(kind: Kind) -> u16 {
    match kind {
        Kind::UpstreamStatus(status) => common_status(status),
        Kind::UpstreamTimeout => 504,
        Kind::UpstreamConnect | Kind::Overloaded | Kind::ShuttingDown => 503,
        Kind::RateLimited => 429,
        Kind::UpstreamMalformed | Kind::UpstreamCut => 502,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_a_label_of_its_own() {
        let mut words = WORDS.to_vec();
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), WORDS.len());
        assert_eq!((word(Kind::UpstreamStatus(500)), WORDS[STALLED]), ("upstream_status", "stalled"));
        assert_eq!(word(Kind::Internal), "internal");
    }

    #[test]
    fn a_status_nobody_expected_is_other() {
        assert_eq!(status(429), ("429", "RateLimitError"));
        assert_eq!((status(418).0, common_status(418), common_status(200)), ("other", 0, 200));
    }
}
