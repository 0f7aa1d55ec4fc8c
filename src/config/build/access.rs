//! The master key, and paths that settings name.

use std::path::PathBuf;

use super::{Build, secret};
use crate::config::settings::VirtualKey;
use crate::config::yaml::Place;
use crate::vocabulary::Secret;

const MASTER_KEY: &str = "general_settings.master_key";
/// A shorter master key is guessed in no time.
const MASTER_KEY_BYTES_MIN: usize = 8;
/// Master keys from tutorials.
const SAMPLES: [&str; 6] = ["sk-1234", "sk-12345", "sk-123456", "sk-12345678", "sk-1234567890", "sk-your-master-key"];

impl Build<'_> {
    /// `general_settings.master_key`, or the environment's.
    pub(super) fn master_key(&mut self) -> Option<Secret> {
        let Some(entry) = self.general.entry("master_key").filter(|entry| !entry.value.is_null()) else {
            let start = self.general.place.clone();
            let found = self.variables.find("LITELLM_MASTER_KEY").map(Secret::new)?;
            self.judge_master_key(&found, &start);
            return Some(found);
        };
        let key = self.secret(&entry.value, MASTER_KEY)?;
        if key.expose().trim().is_empty() {
            let reason = "expected a key, found an empty text; set one like sk- and 32 random characters";
            self.report.error(&entry.place, MASTER_KEY, reason);
            return None;
        }
        self.judge_master_key(&key, &entry.place);
        Some(key)
    }

    fn judge_master_key(&mut self, key: &Secret, place: &Place) {
        if SAMPLES.contains(&key.expose()) {
            self.report.warn(place, MASTER_KEY, "a key from a tutorial, which everybody knows; choose another");
        } else if key.expose().len() < MASTER_KEY_BYTES_MIN {
            let reason = format!("shorter than {MASTER_KEY_BYTES_MIN} characters, which is soon guessed; use 32");
            self.report.warn(place, MASTER_KEY, reason);
        }
    }

    /// Says so if nobody could be let in.
    pub(super) fn check_access(&mut self, master_key: Option<&Secret>, keys: &[VirtualKey]) {
        if master_key.is_none() && keys.is_empty() && !self.report.is_fatal() {
            let reason = "neither general_settings.master_key nor virtual_keys is set, so no caller has a key; set one";
            self.report.warn(&self.root.place, "", reason);
        }
    }

    /// `litellm_settings.model_cost_map_url`, if it is a path.
    pub(super) fn price_file(&mut self) -> Option<PathBuf> {
        let entry = self.litellm.entry("model_cost_map_url")?;
        let path = entry.value.text()?;
        if path.contains("://") {
            let reason = "nothing is downloaded, the built-in price table is used; save the file and give its path";
            self.report.warn(&entry.place, "litellm_settings.model_cost_map_url", reason);
            return None;
        }
        let path = secret::relative(&entry.place.file, path);
        if !path.is_file() {
            let reason = format!("no such file: {}; check the path", path.display());
            self.report.error(&entry.place, "litellm_settings.model_cost_map_url", reason);
        }
        Some(path)
    }
}
