//! What processes before this one counted.

use std::sync::atomic::Ordering;

use super::event::{Endpoint, Outcome};
use super::handles::Handles;
use super::labels::{KeyLabel, Target};
use super::store::request_code;
use crate::vocabulary::PicoUsd;

/// Exchanges of one key at one deployment over one endpoint that ended alike, before this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// The status that clients saw; zero: not known.
    pub status: u16,
    /// How they ended.
    pub outcome: Outcome,
    /// How many.
    pub requests: u64,
    /// Input tokens, output tokens, and of them: read from and written to the provider's cache, and reasoning.
    pub tokens: [u64; 5],
    /// What was charged.
    pub cost: PicoUsd,
}

impl Handles {
    /// Adds what was counted before this process. Durations, attempts and what was wasted begin anew.
    pub fn count_earlier(&self, key: KeyLabel, target: Target, endpoint: Endpoint, earlier: &Earlier) {
        let block = self.block(key, target, endpoint);
        block.requests.add_many(request_code(earlier.status, earlier.outcome), earlier.requests);
        for (total, count) in block.tokens.iter().zip(earlier.tokens) {
            total.fetch_add(count, Ordering::Relaxed);
        }
        if let Ok(pico) = u64::try_from(earlier.cost.0) {
            block.spend_pico.fetch_add(pico, Ordering::Relaxed);
        }
    }
}
