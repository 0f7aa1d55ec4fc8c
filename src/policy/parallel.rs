//! How many requests may be open at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A limit on open requests. The count is shared with the limits that replace it on a reload, so that what is open stays
/// counted.
#[derive(Debug)]
pub struct Parallel {
    limit: u64,
    open: Arc<AtomicU64>,
}

impl Parallel {
    /// Room for `limit` requests at once.
    pub fn new(limit: u64) -> Self {
        Self { limit, open: Arc::default() }
    }

    /// Another limit over the same open requests.
    #[must_use]
    pub fn resized(&self, limit: u64) -> Self {
        Self { limit, open: Arc::clone(&self.open) }
    }

    /// Takes a place, until the slot is dropped. None if all are taken.
    pub fn try_take(&self) -> Option<Slot> {
        let room = |open| (open < self.limit).then_some(open + 1);
        self.open.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).ok()?;
        Some(Slot { open: Arc::clone(&self.open) })
    }

    /// Whether a place is free; takes none.
    pub fn has_room(&self) -> bool {
        self.in_use() < self.limit
    }

    /// How many places there are.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// How many are taken.
    pub fn in_use(&self) -> u64 {
        self.open.load(Ordering::Acquire)
    }
}

/// One open request. Dropping it gives the place back, however the exchange ended.
#[derive(Debug)]
pub struct Slot {
    open: Arc<AtomicU64>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_slot_is_dropped() {
        let parallel = Parallel::new(2);
        let slots = [parallel.try_take(), parallel.try_take()];
        assert!(slots.iter().all(Option::is_some));
        assert!(parallel.try_take().is_none());
        drop(slots);
        assert_eq!(parallel.in_use(), 0);
        assert!(parallel.try_take().is_some());
    }

    #[test]
    fn a_new_limit_still_counts_what_is_open() {
        let before = Parallel::new(3);
        let held = [before.try_take(), before.try_take()];
        let after = before.resized(1);
        assert!(after.try_take().is_none());
        drop(held);
        assert!(after.try_take().is_some());
    }
}
