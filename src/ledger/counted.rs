//! What is on file, summed by the labels that metrics have.

use super::receipt::{CallType, Outcome};
use crate::vocabulary::{KeyHash, PicoUsd};

/// Exchanges of one key at one deployment that were called and ended alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The virtual key; None: the master key, or nobody known.
    pub key: Option<KeyHash>,
    /// The deployment; empty where none answered.
    pub deployment: String,
    /// Which call.
    pub call: CallType,
    /// The status that clients saw; zero: not known.
    pub status: u16,
    /// How they ended.
    pub outcome: Outcome,
    /// How many.
    pub requests: u64,
    /// Input tokens.
    pub prompt: u64,
    /// Output tokens.
    pub completion: u64,
    /// Input tokens read from the provider's cache.
    pub cache_read: u64,
    /// Input tokens written to it.
    pub cache_write: u64,
    /// Output tokens spent on reasoning.
    pub reasoning: u64,
    /// What was charged.
    pub cost: PicoUsd,
}
