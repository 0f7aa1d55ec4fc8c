//! The accounts as they should be, kept without cleverness.

use jiff::tz::TimeZone;
use tollgate::ledger::{AccountId, Ledger, Memory, Window};
use tollgate::vocabulary::{Now, PicoUsd};

/// One account.
#[derive(Clone, Debug)]
pub(crate) struct Shadow {
    pub(crate) id: AccountId,
    pub(crate) open: u64,
    pub(crate) dropped: u64,
    limit: Option<i128>,
    duration: Option<String>,
    spent: i128,
    excess: i128,
    end: Option<i64>,
    /// What was used of the limit when it was last looked at, excess left out.
    used: i128,
}

impl Shadow {
    pub(crate) fn new(id: AccountId) -> Self {
        Self { id, open: 0, dropped: 0, limit: None, duration: None, spent: 0, excess: 0, end: None, used: 0 }
    }

    /// New terms. A window of the same length goes on.
    pub(crate) fn amend(&mut self, limit: Option<PicoUsd>, duration: Option<&str>, now: Now) {
        self.roll(now);
        self.limit = limit.map(|limit| limit.0);
        if self.duration.as_deref() != duration {
            self.duration = duration.map(str::to_owned);
            self.end = self.window_end(now);
        }
    }

    /// Begins the next window where this one is over.
    pub(crate) fn roll(&mut self, now: Now) {
        if self.end.is_some_and(|end| end <= now.wall_ms) {
            (self.spent, self.excess) = (0, 0);
            let end = self.window_end(now);
            assert!(end > self.end, "L6");
            self.end = end;
        }
    }

    fn window_end(&self, now: Now) -> Option<i64> {
        Window::parse(self.duration.as_deref(), &TimeZone::UTC).unwrap().ends_after(now.wall_ms)
    }

    pub(crate) fn charge(&mut self, cost: PicoUsd, excess: PicoUsd) {
        self.spent += cost.0;
        self.excess += excess.0;
        self.open -= 1;
    }

    /// Holds the real account against this one.
    pub(crate) fn check(&mut self, ledger: &Memory, now: Now, place: &str) {
        let statement = ledger.statement(self.id, now).unwrap();
        assert_eq!(statement.limit.map(|limit| limit.0), self.limit, "terms {place}");
        assert_eq!(statement.resets_at_ms, self.end, "L6 {place}");
        assert_eq!(statement.spent.0, self.spent, "L2 {place}");
        assert_eq!(statement.excess.0, self.excess, "L2 {place}");
        assert_eq!((statement.open, statement.dropped), (self.open, self.dropped), "L3 {place}");
        assert!(statement.reserved.0 >= 0 && (self.open > 0 || statement.reserved.0 == 0), "L3 {place}");
        let used = statement.spent.0 + statement.reserved.0 - statement.excess.0;
        let fits = self.limit.is_none_or(|limit| used <= limit);
        // Where a limit was lowered below what was used already, at least nothing more is let through.
        assert!(fits || used <= self.used, "L1 {used} of {:?}, was {} {place}", self.limit, self.used);
        self.used = used;
    }
}
