//! Days, and the times between two of them.

use jiff::Timestamp;

use crate::admin::ask::Ask;

const DAY_MS: i64 = 86_400_000;
/// How far back sums go where no day is named.
const DAYS_USUAL: i64 = 30;

/// From when to when, as `start_date` and `end_date` say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period {
    /// Not before, Unix milliseconds.
    pub(super) from_ms: Option<i64>,
    /// Before, Unix milliseconds. A day without a time is included.
    pub(super) until_ms: Option<i64>,
}

impl Period {
    /// As the query says.
    pub(super) fn of(ask: &Ask<'_>) -> Self {
        let end = ask.query.moment("end_date").map(|end| end.0);
        let is_day = ask.query.text("end_date").is_some_and(|text| text.len() <= "2026-11-21".len());
        let until_ms = end.map(|end| if is_day { end.saturating_add(DAY_MS) } else { end.saturating_add(1) });
        Self { from_ms: ask.query.moment("start_date").map(|start| start.0), until_ms }
    }

    /// The first and the last day; the last thirty where none is named.
    pub(super) fn days(self, now_ms: i64) -> (i64, i64) {
        let last = self.until_ms.map_or_else(|| day_of(now_ms), |until| day_of(until.saturating_sub(1)));
        (self.from_ms.map_or_else(|| last.saturating_sub(DAYS_USUAL), day_of), last)
    }
}

/// The day of a moment, counted from 1970, UTC.
pub(super) fn day_of(wall_ms: i64) -> i64 {
    wall_ms.div_euclid(DAY_MS)
}

/// A day as `2026-11-21`.
pub(super) fn date(day: i64) -> String {
    let start = Timestamp::from_millisecond(day.saturating_mul(DAY_MS));
    start.map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_whole() {
        let period = Period { from_ms: Some(DAY_MS), until_ms: Some(3 * DAY_MS) };
        assert_eq!((period.days(0), date(20_778).as_str()), ((1, 2), "2026-11-21"));
        let open = Period { from_ms: None, until_ms: None };
        assert_eq!(open.days(40 * DAY_MS + 1), (10, 40));
    }
}
