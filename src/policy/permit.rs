//! What one exchange holds of the limits it falls under.

use std::mem;
use std::sync::Arc;

use smallvec::SmallVec;

use super::bucket::Bucket;
use super::parallel::Slot;
use crate::vocabulary::Now;

/// A place among the open requests, counted requests and reserved tokens. The default permit holds nothing.
///
/// However it ends, the place is given back. What else happens depends on how far the exchange came:
///
/// | ended by | requests | tokens |
/// |---|---|---|
/// | drop before [`Permit::sent`] | given back | given back |
/// | drop after [`Permit::sent`], or [`Permit::settle`] with no figure | kept | the estimate stays: leaving early is no way around a limit |
/// | [`Permit::settle`] with a figure | kept | trued up; the level may go below zero |
#[derive(Debug, Default)]
pub struct Permit {
    slots: SmallVec<[Slot; 1]>,
    requests: SmallVec<[Arc<Bucket>; 2]>,
    tokens: SmallVec<[Arc<Bucket>; 2]>,
    estimate: u64,
    reach: Reach,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reach {
    #[default]
    Held,
    Sent,
}

impl Permit {
    /// Says that the request is about to go upstream: from here on it counts.
    pub fn sent(&mut self) {
        self.reach = Reach::Sent;
    }

    /// Ends the exchange with the tokens it used. Pass `Some(0)` for an attempt that failed without using any, and None
    /// where nothing is known.
    pub fn settle(mut self, actual: Option<u64>, now: Now) {
        let Some(actual) = actual else { return };
        self.reach = Reach::Sent;
        for bucket in mem::take(&mut self.tokens) {
            bucket.true_up(self.estimate, actual, now);
        }
    }

    /// The tokens that were reserved.
    pub fn estimate(&self) -> u64 {
        self.estimate
    }

    /// Nothing yet, for a request that is estimated at so many tokens: see [`super::ScopeLimits::admit_into`].
    pub fn for_tokens(estimate: u64) -> Self {
        let mut permit = Self::default();
        permit.estimate = estimate;
        permit
    }

    /// The buckets it took from, each with what it took.
    pub fn buckets(&self) -> impl Iterator<Item = (&Arc<Bucket>, u64)> {
        let requests = self.requests.iter().map(|bucket| (bucket, 1));
        requests.chain(self.tokens.iter().map(|bucket| (bucket, self.estimate)))
    }

    /// The places it holds.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub(super) fn hold_slot(&mut self, slot: Slot) {
        self.slots.push(slot);
    }

    pub(super) fn hold_request(&mut self, bucket: &Arc<Bucket>) {
        self.requests.push(Arc::clone(bucket));
    }

    pub(super) fn hold_tokens(&mut self, bucket: &Arc<Bucket>) {
        self.tokens.push(Arc::clone(bucket));
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.reach == Reach::Sent {
            return;
        }
        self.requests.iter().for_each(|bucket| bucket.refund(1));
        self.tokens.iter().for_each(|bucket| bucket.refund(self.estimate));
    }
}
