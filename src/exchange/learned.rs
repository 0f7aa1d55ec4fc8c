//! What a provider's headers say of its own limits, so that it need not be asked to be refused.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::plan::Planned;
use crate::routing::Stock;
use crate::vocabulary::Now;

/// How long a figure holds whose end the provider does not tell.
const WINDOW_UNKNOWN: Duration = Duration::from_secs(5);
/// The longest time that is believed.
const WINDOW_MAX: Duration = Duration::from_secs(86_400);

/// Names of what is left and of when it is full again: OpenAI's, then Anthropic's.
const REQUESTS: [[&str; 2]; 2] = [
    ["x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
    ["anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"],
];
const TOKENS: [[&str; 2]; 3] = [
    ["x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"],
    ["anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"],
    ["anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"],
];

/// What an answer's head says is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    requests: Option<Left>,
    tokens: Option<Left>,
}

/// So much is left until so long from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Left {
    count: u64,
    time: Duration,
}

impl Learned {
    /// Reads the headers of OpenAI's and Anthropic's APIs; `header` finds one by its name.
    pub fn read<'h>(header: &dyn Fn(&str) -> Option<&'h str>, now: Now) -> Self {
        let left = |names: &[[&str; 2]]| names.iter().find_map(|[left, reset]| self::left(header, left, reset, now));
        Self { requests: left(&REQUESTS), tokens: left(&TOKENS) }
    }
}

fn left<'h>(header: &dyn Fn(&str) -> Option<&'h str>, left: &str, reset: &str, now: Now) -> Option<Left> {
    let count = header(left)?.trim().parse().ok()?;
    let time = header(reset).and_then(|text| span(text).or_else(|| until(text, now)));
    Some(Left { count, time: time.unwrap_or(WINDOW_UNKNOWN).min(WINDOW_MAX) })
}

/// `retry-after-ms`, or `retry-after` in seconds or as a date.
pub fn retry_after<'h>(header: &dyn Fn(&str) -> Option<&'h str>, now: Now) -> Option<Duration> {
    let seconds = |text: &str| text.trim().parse::<f64>().ok().map(|seconds| seconds.clamp(0.0, 86_400.0));
    if let Some(millis) = header("retry-after-ms").and_then(seconds) {
        return Duration::try_from_secs_f64(millis / 1000.0).ok();
    }
    let text = header("retry-after")?;
    match seconds(text) {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        None => until(text, now),
    }
}

/// How long until an instant in RFC 3339, or as HTTP writes dates. Zero if it is past.
fn until(text: &str, now: Now) -> Option<Duration> {
    static DATES: DateTimeParser = DateTimeParser::new();
    let text = text.trim();
    let instant = text.parse::<Timestamp>().ok().or_else(|| DATES.parse_timestamp(text).ok())?;
    let left = instant.as_millisecond().saturating_sub(now.wall_ms);
    Some(Duration::from_millis(u64::try_from(left).unwrap_or(0)).min(WINDOW_MAX))
}

/// `6m0s`, `1.5s`, `20ms`, or seconds without a unit.
fn span(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, more) = rest.split_at(digits);
        let letters = more.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(more.len());
        let (unit, more) = more.split_at(letters);
        let scale = match unit {
            "" | "s" => 1.0,
            "ms" => 0.001,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * scale;
        rest = more;
    }
    Duration::try_from_secs_f64(seconds.min(86_400.0)).ok()
}

impl Planned {
    /// Mirrors what the provider of the current attempt says is left of its limits.
    pub fn learn(&mut self, learned: &Learned, now: Now) {
        let Some(flight) = self.current.as_ref().and_then(|current| current.flight.as_ref()) else { return };
        for (stock, left) in [(Stock::Requests, learned.requests), (Stock::Tokens, learned.tokens)] {
            if let Some(Left { count, time }) = left {
                flight.health().learn(stock, count, time, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::Clock;

    fn now() -> Now {
        // 2023-11-14T22:13:20Z.
        Clock::manual(1_700_000_000_000).now()
    }

    fn head<'h>(headers: &'h [(&'h str, &'h str)]) -> impl Fn(&str) -> Option<&'h str> {
        |name| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    #[test]
    fn spans_are_read_as_openai_writes_them() {
        let millis = |text: &str| span(text).map(|span| span.as_millis());
        assert_eq!((millis("6m0s"), millis("1.5s"), millis("20ms")), (Some(360_000), Some(1500), Some(20)));
        assert_eq!((millis("1h2m3.5s"), millis("17"), millis("soon")), (Some(3_723_500), Some(17_000), None));
    }

    #[test]
    fn limits_are_read_in_both_families_of_names() {
        let openai = [("x-ratelimit-remaining-requests", "7"), ("x-ratelimit-reset-requests", "8.64s")];
        let learned = Learned::read(&head(&openai), now());
        assert_eq!(learned.requests, Some(Left { count: 7, time: Duration::from_millis(8640) }));
        assert_eq!(learned.tokens, None);
        let anthropic = [
            ("anthropic-ratelimit-input-tokens-remaining", "9000"),
            ("anthropic-ratelimit-input-tokens-reset", "2023-11-14T22:13:50Z"),
            ("anthropic-ratelimit-requests-remaining", "0"),
        ];
        let learned = Learned::read(&head(&anthropic), now());
        assert_eq!(learned.tokens, Some(Left { count: 9000, time: Duration::from_secs(30) }));
        assert_eq!(learned.requests, Some(Left { count: 0, time: WINDOW_UNKNOWN }));
        let hostile = [("x-ratelimit-remaining-tokens", "-1"), ("x-ratelimit-remaining-requests", "many")];
        assert_eq!(Learned::read(&head(&hostile), now()), Learned::default());
    }

    #[test]
    fn waits_are_seconds_milliseconds_or_dates() {
        let wait = |name: &'static str, value: &'static str| retry_after(&head(&[(name, value)]), now());
        assert_eq!(wait("retry-after", "1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(wait("retry-after", "-3"), Some(Duration::ZERO));
        assert_eq!(wait("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(wait("retry-after", "Tue, 14 Nov 2023 22:14:20 GMT"), Some(Duration::from_secs(60)));
        assert_eq!(wait("retry-after", "Tue, 14 Nov 2022 22:14:20 GMT"), None, "no such Tuesday");
        assert_eq!(wait("retry-after", "Mon, 14 Nov 2022 22:14:20 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("retry-after", "soon"), None);
    }
}
