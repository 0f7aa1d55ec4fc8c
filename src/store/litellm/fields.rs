//! A row of another program's table: each column is taken once, and what nobody took is told of.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::roster::{Bounds, Json, ModelBudget, Moment, Stamp};
use crate::vocabulary::PicoUsd;

/// Without a use here, or told elsewhere: what follows from other rows, and the clock of LiteLLM's own tasks.
const IDLE: [&str; 14] = [
    "spend",
    "model_spend",
    "budget_reset_at",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "last_active",
    "last_rotation_at",
    "key_rotation_at",
    "soft_budget_cooldown",
    "teams",
    "admins",
    "members",
];

/// The columns of a row, or the members of an object in one.
#[derive(Debug, Default)]
pub(super) struct Fields {
    of: BTreeMap<String, Box<RawValue>>,
    /// Names of what could not be taken along.
    lost: Vec<String>,
}

impl Fields {
    pub(super) fn read(row: &str) -> Result<Self, String> {
        let of = serde_json::from_str(row).map_err(|error| error.to_string())?;
        Ok(Self { of, lost: Vec::new() })
    }

    /// The members of an object in a column, which stays.
    pub(super) fn within(&self, name: &str) -> Self {
        let members = self.of.get(name).and_then(|value| parsed(value.get()));
        Self { of: members.unwrap_or_default(), lost: Vec::new() }
    }

    /// A text, which stays.
    pub(super) fn peek(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.of.get(name)?.get()).ok()
    }

    /// The same columns again.
    pub(super) fn copy(&self) -> Self {
        Self { of: self.of.clone(), lost: Vec::new() }
    }

    /// A value; None where it is null, or of another type, which is a loss.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.of.remove(name).filter(|value| value.get() != "null")?;
        let read = parsed(value.get());
        if read.is_none() {
            self.lost.push(name.to_owned());
        }
        read
    }

    /// The same of what has a default.
    pub(super) fn or_default<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        self.take(name).unwrap_or_default()
    }

    /// Dollars. A floating number is taken for the amount that it is nearest to.
    pub(super) fn dollars(&mut self, name: &str) -> Option<PicoUsd> {
        let value = self.of.remove(name).filter(|value| value.get() != "null")?;
        let read = dollars(value.get());
        if read.is_none() {
            self.lost.push(name.to_owned());
        }
        read
    }

    /// A column as it stands.
    pub(super) fn json(&mut self, name: &str) -> Json {
        self.of.remove(name).and_then(|value| Json::parse(value.get()).ok()).unwrap_or_default()
    }

    /// Says that something could not be taken along.
    pub(super) fn loses(&mut self, name: impl Into<String>) {
        self.lost.push(name.into());
    }

    /// Who made the row, and when.
    pub(super) fn stamp(&mut self) -> Stamp {
        Stamp {
            created_at: self.or_default("created_at"),
            created_by: self.take("created_by"),
            updated_at: self.or_default("updated_at"),
            updated_by: self.take("updated_by"),
        }
    }

    /// Budgets and limits; those for single models are in the metadata.
    pub(super) fn bounds(&mut self) -> Bounds {
        let mut metadata = self.within("metadata");
        let mut budgets: BTreeMap<String, ModelBudget> = BTreeMap::new();
        for (model, budget) in self.or_default::<BTreeMap<String, Box<RawValue>>>("model_max_budget") {
            match serde_json::from_str(budget.get()).ok().or_else(|| plain(budget.get())) {
                Some(budget) => drop(budgets.insert(model, budget)),
                None => self.lost.push(format!("model_max_budget.{model}")),
            }
        }
        Bounds {
            max_budget: self.dollars("max_budget"),
            soft_budget: self.dollars("soft_budget"),
            budget_duration: self.take("budget_duration"),
            budget_limits: self.or_default("budget_limits"),
            model_max_budget: budgets,
            rpm_limit: self.take("rpm_limit"),
            tpm_limit: self.take("tpm_limit"),
            max_parallel_requests: self.take("max_parallel_requests"),
            model_rpm_limit: metadata.or_default("model_rpm_limit"),
            model_tpm_limit: metadata.or_default("model_tpm_limit"),
        }
    }

    /// What is kept and shown, and has no effect.
    pub(super) fn carried(&mut self, names: &[&'static str]) -> BTreeMap<String, Json> {
        let carried = names.iter().filter_map(|name| {
            let empty = self.of.get(*name).is_none_or(|value| says_nothing(value.get()));
            let value = self.json(name);
            (!empty).then(|| ((*name).to_owned(), value))
        });
        carried.collect()
    }

    /// What was not taken, and says something.
    pub(super) fn lost(mut self) -> Vec<String> {
        let left = self.of.iter().filter(|(name, value)| !IDLE.contains(&name.as_str()) && !says_nothing(value.get()));
        self.lost.extend(left.map(|(name, _)| name.clone()));
        self.lost.sort();
        self.lost.dedup();
        self.lost
    }
}

/// A value. Some columns hold JSON within a text.
fn parsed<T: DeserializeOwned>(text: &str) -> Option<T> {
    let within = || serde_json::from_str::<String>(text).ok().and_then(|within| serde_json::from_str(&within).ok());
    serde_json::from_str(text).ok().or_else(within)
}

/// `model_max_budget` of earlier versions: dollars alone.
fn plain(text: &str) -> Option<ModelBudget> {
    dollars(text).map(|max_budget| ModelBudget { max_budget, budget_duration: None })
}

pub(super) fn dollars(text: &str) -> Option<PicoUsd> {
    let places = text.split_once('.').map_or(0, |(_, places)| places.len());
    if places <= 12 && !text.contains(['e', 'E']) {
        return PicoUsd::parse(text).ok();
    }
    // A floating number may have more digits than money has places: those are its noise.
    let nearest: f64 = text.parse().ok()?;
    PicoUsd::parse(&format!("{nearest:.12}")).ok()
}

fn says_nothing(value: &str) -> bool {
    matches!(value, "null" | "{}" | "[]" | "\"\"" | "false" | "0" | "0.0")
}

/// An instant in a column without a zone: UTC.
pub(super) fn moment(fields: &mut Fields, name: &str) -> Option<Moment> {
    fields.take(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_takes_is_told_of() {
        let row = r#"{"id":"a","spend":3,"password":"x","none":null,"empty":[],"max_budget":"much","rpm_limit":7}"#;
        let mut fields = Fields::read(row).unwrap();
        assert_eq!(fields.take::<String>("id").as_deref(), Some("a"));
        let bounds = fields.bounds();
        assert_eq!((bounds.rpm_limit, bounds.max_budget), (Some(7), None));
        assert_eq!(fields.lost(), ["max_budget", "password"]);
    }

    #[test]
    fn floating_dollars_are_taken_for_what_they_are_nearest_to() {
        for (text, pico) in [
            ("0.1", 100_000_000_000),
            ("1.7e-05", 17_000_000),
            ("0.30000000000000004", 300_000_000_000),
            ("12.5", 12_500_000_000_000),
        ] {
            assert_eq!(dollars(text), Some(PicoUsd(pico)), "{text}");
        }
        assert_eq!(dollars("\"x\""), None);
    }
}
