//! What outlives the process.

use super::{Build, secret, text};
use crate::config::settings::{Keeping, SpendDurability};
use crate::config::value;

impl Build<'_> {
    /// The data directory and what is promised of it.
    pub(super) fn keeping(&self) -> Keeping {
        let directory = self.general.entry("data_dir");
        let path = |entry: &crate::config::yaml::Entry| {
            entry.value.text().map(|path| secret::relative(&entry.place.file, path))
        };
        let relaxed = text(self.general, "spend_durability").is_some_and(|word| word == "relaxed");
        Keeping {
            data_dir: directory.and_then(path),
            durability: if relaxed { SpendDurability::Relaxed } else { SpendDurability::Strict },
            retention: self.general.at("maximum_spend_logs_retention_period").and_then(value::duration),
        }
    }
}
