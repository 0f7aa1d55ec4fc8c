//! How many requests may be open at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::counted::Counted;

/// A limit on open requests. The count is shared with the limits that replace it on a reload, so that what is open stays
/// counted.
#[derive(Debug)]
pub struct Parallel {
    limit: u64,
    places: Arc<Places>,
}

/// Requests that are open.
#[derive(Debug, Default)]
pub struct Places {
    here: AtomicU64,
    /// At other nodes, as they last said.
    elsewhere: AtomicU64,
    /// Whether somebody looks after telling other nodes.
    told: AtomicBool,
    /// What other nodes know them by.
    counted: Option<Arc<Counted>>,
}

impl Places {
    /// Those that are open here.
    pub fn here(&self) -> u64 {
        self.here.load(Ordering::Acquire)
    }

    /// Notes how many are open at other nodes.
    pub fn note_elsewhere(&self, open: u64) {
        self.elsewhere.store(open, Ordering::Release);
    }

    /// What other nodes know them by.
    pub fn counted(&self) -> Option<&Arc<Counted>> {
        self.counted.as_ref()
    }

    /// Whether nobody looked after telling other nodes until now; from here on somebody does.
    pub fn join(&self) -> bool {
        !self.told.load(Ordering::Acquire) && !self.told.swap(true, Ordering::AcqRel)
    }

    /// Nobody looks after telling other nodes any more.
    pub fn leave(&self) {
        self.told.store(false, Ordering::Release);
    }

    fn open(&self) -> u64 {
        self.here() + self.elsewhere.load(Ordering::Acquire)
    }
}

impl Parallel {
    /// Room for `limit` requests at once.
    pub fn new(limit: u64) -> Self {
        Self { limit, places: Arc::default() }
    }

    /// The same, by a name that other nodes know it by.
    pub fn named(limit: u64, counted: &Arc<Counted>) -> Self {
        let places = Places { counted: Some(Arc::clone(counted)), ..Places::default() };
        Self { limit, places: Arc::new(places) }
    }

    /// Another limit over the same open requests.
    #[must_use]
    pub fn resized(&self, limit: u64) -> Self {
        Self { limit, places: Arc::clone(&self.places) }
    }

    /// Takes a place, until the slot is dropped. None if all are taken.
    pub fn try_take(&self) -> Option<Slot> {
        let elsewhere = self.places.elsewhere.load(Ordering::Acquire);
        let room = |here: u64| (here.saturating_add(elsewhere) < self.limit).then_some(here + 1);
        self.places.here.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).ok()?;
        Some(Slot { limit: self.limit, places: Arc::clone(&self.places) })
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
        self.places.open()
    }
}

/// One open request. Dropping it gives the place back, however the exchange ended.
#[derive(Debug)]
pub struct Slot {
    limit: u64,
    places: Arc<Places>,
}

impl Slot {
    /// The places it is one of.
    pub fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// How many of them there may be.
    pub fn limit(&self) -> u64 {
        self.limit
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.places.here.fetch_sub(1, Ordering::AcqRel);
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
