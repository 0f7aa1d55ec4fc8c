//! Reading a reply while it passes: chunks in any cut, only the brackets and quotes are followed.

use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

/// A top-level member that was asked for.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its key.
    pub name: &'static str,
    /// Where its value lies, counted from the first byte of the reply.
    pub at: Range<u64>,
    /// The value, up to the cap.
    pub value: Bytes,
    /// Whether `value` is all of it.
    pub whole: bool,
}

/// An incremental, bounded reader of one JSON object.
#[derive(Debug)]
pub struct Tail {
    found: SmallVec<[Found; 4]>,
}

impl Tail {
    /// Looks for these keys of the outermost object.
    pub fn new(wanted: &'static [&'static str]) -> Self {
        let _wanted = wanted;
        Self { found: SmallVec::new() }
    }

    /// Reads on.
    pub fn push(&mut self, _chunk: &[u8]) {}

    /// What was found so far, in order; a key that appears twice is there twice.
    pub fn found(&self) -> &[Found] {
        &self.found
    }

    /// The last value of a key.
    pub fn value(&self, name: &str) -> Option<&Found> {
        self.found.iter().rev().find(|found| found.name == name)
    }

    /// Whether the object was closed and only space followed.
    pub fn is_complete(&self) -> bool {
        false
    }

    /// Bytes read so far.
    pub fn len(&self) -> u64 {
        0
    }

    /// Whether nothing was read yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
