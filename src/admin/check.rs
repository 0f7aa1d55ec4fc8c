//! Checks that several subjects share: budgets, durations, lists of windows.

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::patch::Patch;
use super::reply::Refusal;
use crate::ledger::Window;
use crate::roster::{BudgetLimit, Moment};
use crate::vocabulary::PicoUsd;

/// The longest text of an id or an alias.
pub const NAME_BYTES_MAX: usize = 256;
/// The largest budget that is no typing error.
const DOLLARS_MAX: PicoUsd = PicoUsd::dollars(1_000_000_000_000);
/// How far ahead a key may end: a hundred years.
const AHEAD_S_MAX: i64 = 3_155_760_000;

/// A budget: finite, and not below zero.
///
/// # Errors
/// 400, in LiteLLM's words.
pub fn budget(name: &str, amount: &Patch<PicoUsd>) -> Result<(), Refusal> {
    let Some(amount) = amount.value() else { return Ok(()) };
    if (PicoUsd::ZERO..=DOLLARS_MAX).contains(amount) {
        return Ok(());
    }
    Err(Refusal::bad(format_args!("{name} must be a non-negative finite number. Received: {:?}", amount.to_dollars())))
}

/// A window of a budget (`30d`).
///
/// # Errors
/// 400: it is none.
pub fn window(name: &str, duration: &Patch<String>) -> Result<(), Refusal> {
    duration.value().map_or(Ok(()), |duration| window_of(name, duration))
}

fn window_of(name: &str, duration: &str) -> Result<(), Refusal> {
    let parsed = Window::parse(Some(duration), &TimeZone::UTC);
    parsed.map(drop).map_err(|error| Refusal::bad(format_args!("Invalid {name}: {}", Plain(error))))
}

/// Windows of `budget_limits`.
///
/// # Errors
/// 400: an amount or a duration is none.
pub fn windows(limits: &Patch<Vec<Limit>>) -> Result<(), Refusal> {
    for limit in limits.value().into_iter().flatten() {
        window_of("budget_limits.budget_duration", &limit.budget_duration)?;
        budget("budget_limits.max_budget", &Patch::Set(limit.max_budget))?;
    }
    Ok(())
}

/// A word for each member that a body gives, that is kept and shown, and that has no effect.
pub fn inert(given: impl IntoIterator<Item = (&'static str, bool)>) -> Vec<String> {
    let given = given.into_iter().filter(|(_, given)| *given);
    given.map(|(name, _)| format!("{name}: kept and shown, without effect here")).collect()
}

/// An id or an alias: not empty, of bounded length, one line.
///
/// # Errors
/// 400: it is none.
pub fn name(name: &str, text: &str) -> Result<(), Refusal> {
    if !text.trim().is_empty() && text.len() <= NAME_BYTES_MAX && !text.contains(char::is_control) {
        return Ok(());
    }
    Err(Refusal::bad(format_args!("{name}: expected one line of 1 to {NAME_BYTES_MAX} bytes")))
}

/// When something ends that lasts from now on: `30s`, `10m`, `24h`, `30d`, `2w`, `1mo` (the same day next month). True
/// seconds, not the calendar's; None for `-1`: never.
///
/// # Errors
/// 400: it is no duration.
pub fn end_of(name: &str, duration: &str, now: Moment) -> Result<Option<Moment>, Refusal> {
    if duration.trim() == "-1" {
        return Ok(None);
    }
    let bad = || {
        Refusal::bad(format_args!(
            "Invalid {name}: expected a duration like 30s, 10m, 24h, 30d, 2w or 1mo, found {}",
            Quoted(duration)
        ))
    };
    ahead(duration.trim(), now).map(Some).ok_or_else(bad)
}

fn ahead(text: &str, now: Moment) -> Option<Moment> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at_checked(digits)?;
    let count: i64 = count.parse().ok()?;
    let now = Timestamp::from_millisecond(now.0).ok()?;
    let seconds = match unit {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        "mo" => {
            let months = Span::new().try_months(count).ok()?;
            let end = now.to_zoned(TimeZone::UTC).checked_add(months).ok()?;
            return Some(Moment(end.timestamp().as_millisecond()));
        }
        _ => return None,
    };
    let length = count.checked_mul(seconds).filter(|length| *length <= AHEAD_S_MAX)?;
    Some(Moment(now.checked_add(SignedDuration::from_secs(length)).ok()?.as_millisecond()))
}

/// The seconds of a duration, to compare two.
pub fn seconds(duration: &str) -> Option<i64> {
    Some(ahead(duration.trim(), Moment(0))?.0 / 1_000)
}

/// One entry of `budget_limits` in a body or an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "BudgetLimit")]
pub struct Limit {
    /// The window.
    pub budget_duration: String,
    /// What may be spent in it.
    pub max_budget: PicoUsd,
}

impl From<Limit> for BudgetLimit {
    fn from(limit: Limit) -> Self {
        Self { budget_duration: limit.budget_duration, max_budget: limit.max_budget }
    }
}

impl From<&BudgetLimit> for Limit {
    fn from(limit: &BudgetLimit) -> Self {
        Self { budget_duration: limit.budget_duration.clone(), max_budget: limit.max_budget }
    }
}

/// A text that stands in a message between single quotes.
struct Plain<T>(T);

impl<T: fmt::Display> fmt::Display for Plain<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.to_string().replace('\'', "\""))
    }
}

/// What a caller wrote, cut.
pub struct Quoted<'a>(pub &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.0.chars().take(60).collect();
        write!(out, "{:?}", text.replace('\'', "\u{2019}"))
    }
}

/// The same without quotes, for ids in LiteLLM's sentences.
pub struct Cut<'a>(pub &'a str);

impl fmt::Display for Cut<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |letter: char| match letter {
            '\'' => '\u{2019}',
            control if control.is_control() => ' ',
            letter => letter,
        };
        self.0.chars().take(60).map(shown).try_for_each(|letter| fmt::Write::write_char(out, letter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_true_seconds_ahead_and_a_month_the_same_day() {
        let now = Moment::parse("2026-01-31T10:00:00Z").unwrap();
        let end = |text: &str| end_of("duration", text, now).map(|end| end.map(|end| end.to_string()));
        for (text, expected) in [
            ("30s", "2026-01-31T10:00:30.000Z"),
            ("90m", "2026-01-31T11:30:00.000Z"),
            ("30d", "2026-03-02T10:00:00.000Z"),
            ("1w", "2026-02-07T10:00:00.000Z"),
            ("1mo", "2026-02-28T10:00:00.000Z"),
        ] {
            assert_eq!(end(text).unwrap().as_deref(), Some(expected), "{text}");
        }
        assert_eq!(end("-1"), Ok(None));
        for text in ["", "d", "soon", "-5d", "1y", "1.5d", "99999999999999999d", "9999999mo"] {
            assert_eq!(end(text).unwrap_err().status(), 400, "{text}");
        }
    }

    #[test]
    fn a_budget_below_zero_is_refused_in_litellms_words() {
        let refusal = budget("max_budget", &Patch::Set(PicoUsd::dollars(-1))).unwrap_err();
        assert!(
            format!("{refusal:?}")
                .contains("{'error': 'max_budget must be a non-negative finite number. Received: -1.0'}")
        );
        assert!(budget("max_budget", &Patch::Set(PicoUsd::ZERO)).is_ok());
        assert!(window("budget_duration", &Patch::Set("often".to_owned())).is_err());
        assert!(window("budget_duration", &Patch::Set("1mo".to_owned())).is_ok());
    }
}
