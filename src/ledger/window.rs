//! Budget windows: when spending starts again from zero.

use std::fmt;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, Zoned};

/// The longest duration that is taken, in its own unit.
const COUNT_MAX: i64 = 100_000;
const DAY_S: i64 = 86_400;

/// A `budget_duration` in a time zone. Windows end at instants of the calendar, as LiteLLM's do:
///
/// | written | ends at |
/// |---|---|
/// | `1d`, `daily`, `24h` | the next midnight |
/// | `7d`, `1w`, `weekly` | the next Monday |
/// | `30d`, `1mo`, `monthly` | the first of the next month |
/// | `Nmo` | the first of the month, N months on |
/// | `Nd`, `Nw` | the midnight N (7 N) days on |
/// | `Nh`, `Nm`, `Ns` | the next hour (minute, second) of the day (hour, minute) that N divides |
/// | nothing | never |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    period: Period,
    zone: TimeZone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Period {
    Forever,
    Months(i64),
    Monday,
    Days(i64),
    Seconds(i64),
}

impl Window {
    /// A window that never ends.
    pub fn forever() -> Self {
        Self { period: Period::Forever, zone: TimeZone::UTC }
    }

    /// Reads a `budget_duration`: `30s`, `30m`, `30h`, `30d`, `2w`, `1mo`, or `hourly`, `daily`, `weekly`, `monthly`.
    ///
    /// # Errors
    /// Anything else, or a count of zero.
    pub fn parse(duration: Option<&str>, zone: &TimeZone) -> Result<Self, BadDuration> {
        let Some(text) = duration else { return Ok(Self::forever()) };
        let period =
            Period::parse(text.trim()).ok_or_else(|| BadDuration { found: text.chars().take(40).collect() })?;
        Ok(Self { period, zone: zone.clone() })
    }

    /// The end of the window that holds this wall time: always later than it. None: never, or beyond the calendar.
    pub fn ends_after(&self, wall_ms: i64) -> Option<i64> {
        let now = Timestamp::from_millisecond(wall_ms).ok()?.to_zoned(self.zone.clone());
        let end = match self.period {
            Period::Forever => return None,
            Period::Months(months) => midnight(first_of_month(now.date(), months)?, &self.zone),
            Period::Monday => midnight(days_on(now.date(), days_to_monday(now.date()))?, &self.zone),
            Period::Days(days) => midnight(days_on(now.date(), days)?, &self.zone),
            Period::Seconds(seconds) => next_step(&now, seconds),
        }?;
        Some(end.max(wall_ms.saturating_add(1)))
    }
}

impl Period {
    fn parse(text: &str) -> Option<Self> {
        let (count, unit) = match text {
            "hourly" => (1, "h"),
            "daily" => (1, "d"),
            "weekly" => (1, "w"),
            "monthly" => (1, "mo"),
            _ => count_and_unit(text)?,
        };
        Some(match (count, unit) {
            (30, "d") => Self::Months(1),
            (7, "d") | (1, "w") => Self::Monday,
            (months, "mo") => Self::Months(months),
            (days, "d") => Self::Days(days),
            (weeks, "w") => Self::Days(weeks * 7),
            (hours, "h") if hours % 24 == 0 => Self::Days(hours / 24),
            (hours, "h") => Self::Seconds(hours * 3_600),
            (minutes, "m") => Self::Seconds(minutes * 60),
            (seconds, "s") => Self::Seconds(seconds),
            _ => return None,
        })
    }
}

fn count_and_unit(text: &str) -> Option<(i64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at_checked(digits)?;
    let count = count.parse().ok().filter(|count| (1..=COUNT_MAX).contains(count))?;
    Some((count, unit))
}

fn first_of_month(today: Date, months: i64) -> Option<Date> {
    today.first_of_month().checked_add(Span::new().try_months(months).ok()?).ok()
}

fn days_on(today: Date, days: i64) -> Option<Date> {
    today.checked_add(Span::new().try_days(days).ok()?).ok()
}

fn days_to_monday(today: Date) -> i64 {
    7 - i64::from(today.weekday().to_monday_zero_offset())
}

fn midnight(date: Date, zone: &TimeZone) -> Option<i64> {
    date.to_zoned(zone.clone()).ok().map(|start| start.timestamp().as_millisecond())
}

/// The next step of a grid of `seconds` laid from the start of the enclosing minute, hour or day, whose end is a step too.
/// A grid wider than a day is laid from today's midnight.
fn next_step(now: &Zoned, seconds: i64) -> Option<i64> {
    let since_midnight = i64::from(now.hour()) * 3_600 + i64::from(now.minute()) * 60 + i64::from(now.second());
    let enclosing = [60, 3_600, DAY_S].into_iter().find(|span| *span >= seconds).unwrap_or(i64::MAX);
    let start = since_midnight - since_midnight.checked_rem(enclosing).unwrap_or(0);
    let step = start + ((since_midnight - start) / seconds + 1) * seconds;
    let step = step.min(start.saturating_add(enclosing));
    let ahead = SignedDuration::from_secs(step - since_midnight);
    let civil = second_of(now.datetime()).checked_add(ahead).ok()?.to_zoned(now.time_zone().clone()).ok()?;
    if civil.timestamp() > now.timestamp() {
        return Some(civil.timestamp().as_millisecond());
    }
    // The second pass through an hour that the clocks repeat: its civil times name instants of the first pass.
    let whole = now.timestamp().as_millisecond().div_euclid(1_000) * 1_000;
    Some(whole.saturating_add((step - since_midnight) * 1_000))
}

fn second_of(at: DateTime) -> DateTime {
    at.date().at(at.hour(), at.minute(), at.second(), 0)
}

/// A text that is not a duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadDuration {
    found: String,
}

impl fmt::Display for BadDuration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "expected a duration like 30s, 5m, 12h, 1d, 1w or 1mo, found {:?}", self.found)
    }
}

impl std::error::Error for BadDuration {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn next(duration: &str, from: &str, zone: &TimeZone) -> String {
        let from: Timestamp = from.parse().unwrap();
        let window = Window::parse(Some(duration), zone).unwrap();
        Timestamp::from_millisecond(window.ends_after(from.as_millisecond()).unwrap()).unwrap().to_string()
    }

    #[test]
    fn windows_end_at_instants_of_the_calendar() {
        // A Saturday.
        let from = "2026-11-21T01:49:33.5Z";
        for (durations, end) in [
            (&["1d", "daily", "24h"][..], "2026-11-22T00:00:00Z"),
            (&["7d", "1w", "weekly"], "2026-11-23T00:00:00Z"),
            (&["30d", "1mo", "monthly"], "2026-12-01T00:00:00Z"),
            (&["3mo"], "2027-02-01T00:00:00Z"),
            (&["10d"], "2026-12-01T00:00:00Z"),
            (&["2w", "14d"], "2026-12-05T00:00:00Z"),
            (&["1h", "hourly", "2h", "60m"], "2026-11-21T02:00:00Z"),
            (&["5h"], "2026-11-21T05:00:00Z"),
            (&["48h"], "2026-11-23T00:00:00Z"),
            (&["30h"], "2026-11-22T06:00:00Z"),
            (&["20m", "5s"], ""),
            (&["90m"], "2026-11-21T03:00:00Z"),
        ] {
            for duration in durations {
                let end = match *duration {
                    "20m" => "2026-11-21T02:00:00Z",
                    "5s" => "2026-11-21T01:49:35Z",
                    _ => end,
                };
                assert_eq!(next(duration, from, &TimeZone::UTC), end, "{duration}");
            }
        }
    }

    #[test]
    fn an_end_begins_the_next_window() {
        assert_eq!(next("1d", "2026-11-22T00:00:00Z", &TimeZone::UTC), "2026-11-23T00:00:00Z");
        assert_eq!(next("1w", "2026-11-23T00:00:00Z", &TimeZone::UTC), "2026-11-30T00:00:00Z");
        assert_eq!(next("1mo", "2026-12-01T00:00:00Z", &TimeZone::UTC), "2027-01-01T00:00:00Z");
        assert_eq!(next("5h", "2026-11-21T20:00:00Z", &TimeZone::UTC), "2026-11-22T00:00:00Z");
        assert_eq!(next("7s", "2026-11-21T20:00:56Z", &TimeZone::UTC), "2026-11-21T20:01:00Z");
    }

    #[test]
    fn midnight_is_that_of_the_time_zone() {
        let zone = TimeZone::fixed(jiff::tz::offset(-5));
        assert_eq!(next("1d", "2026-11-21T01:49:33Z", &zone), "2026-11-21T05:00:00Z");
        let zone = TimeZone::fixed(jiff::tz::Offset::from_seconds(19_800).unwrap());
        assert_eq!(next("1h", "2026-11-21T01:49:33Z", &zone), "2026-11-21T02:30:00Z");
    }

    /// Central European rules, written out so that no time zone database is needed.
    fn central_europe() -> TimeZone {
        TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()
    }

    #[test]
    fn days_may_have_23_or_25_hours() {
        let zone = central_europe();
        assert_eq!(next("1d", "2026-03-28T23:00:00Z", &zone), "2026-03-29T22:00:00Z");
        assert_eq!(next("1d", "2026-10-24T22:00:00Z", &zone), "2026-10-25T23:00:00Z");
        assert_eq!(next("15m", "2026-10-25T01:20:00Z", &zone), "2026-10-25T01:30:00Z", "in the repeated hour");
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "d", "0d", "-1d", "1.5h", "1y", "30", "1 d", "1D", "999999999999d", "\u{0661}d"] {
            assert!(Window::parse(Some(text), &TimeZone::UTC).is_err(), "{text}");
        }
        assert_eq!(Window::parse(None, &TimeZone::UTC), Ok(Window::forever()));
        assert_eq!(Window::forever().ends_after(0), None);
    }

    #[test]
    fn beyond_the_calendar_a_window_does_not_end() {
        let window = Window::parse(Some("1d"), &TimeZone::UTC).unwrap();
        assert_eq!((window.ends_after(i64::MAX), window.ends_after(i64::MIN)), (None, None));
    }

    proptest! {
        #[test]
        fn a_window_ends_later_than_now_and_not_too_late(
            count in 1i64..400, unit in 0usize..6, wall_ms in 0i64..4_102_444_800_000, east in any::<bool>(),
        ) {
            let (unit, unit_ms) = [
                ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000), ("mo", 2_678_400_000),
            ][unit];
            let zone = if east { central_europe() } else { TimeZone::UTC };
            let end = Window::parse(Some(&format!("{count}{unit}")), &zone).unwrap().ends_after(wall_ms).unwrap();
            prop_assert!(end > wall_ms);
            let month_of_30_days = if (count, unit) == (30, "d") { 86_400_000 } else { 0 };
            let hour_of_summer_time = 3_600_000;
            prop_assert!(end - wall_ms <= count * unit_ms + month_of_30_days + hour_of_summer_time);
        }
    }
}
