//! Counters of one configuration, found by number: no label is hashed while an exchange closes.

use std::sync::Arc;

use super::labels::LabelBook;

/// The labels and counters of one configuration. Cheap to clone; keep it beside the configuration it was made for.
#[derive(Clone, Debug)]
pub struct Handles(pub(super) Arc<LabelBook>);

impl Handles {
    /// The names the numbers stand for.
    pub fn labels(&self) -> &LabelBook {
        &self.0
    }
}
