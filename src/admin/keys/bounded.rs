//! What a new key gets where the request does not say (`default_key_generate_params`), and what no key goes beyond
//! (`upperbound_key_generate_params`).

use std::fmt;

use super::fields::KeyFields;
use crate::admin::check;
use crate::admin::patch::{Count, Object, Patch};
use crate::admin::reply::Refusal;
use crate::config::{Allowance, Making, NewKey};
use crate::roster::Json;

impl KeyFields {
    /// Fills what the body of a new key leaves open, and holds the whole against the bound: a key that does not say
    /// gets what it may have at most.
    ///
    /// # Errors
    /// 400: it goes beyond the bound.
    pub(super) fn made(&mut self, making: &Making) -> Result<(), Refusal> {
        self.default_to(&making.key);
        let most = &making.key_at_most;
        self.max_budget.otherwise(most.max_budget);
        self.budget_duration.otherwise(most.budget_duration.clone());
        self.duration.otherwise(most.duration.clone());
        self.rpm_limit.otherwise(most.rpm_limit.map(Count));
        self.tpm_limit.otherwise(most.tpm_limit.map(Count));
        self.max_parallel_requests.otherwise(most.max_parallel_requests.map(Count));
        self.within(most)
    }

    /// Holds what is changed of a key against the bound. What is cleared gets what a key may have at most.
    ///
    /// # Errors
    /// 400: it goes beyond the bound.
    pub(super) fn changed(&mut self, making: &Making) -> Result<(), Refusal> {
        let most = &making.key_at_most;
        cleared(&mut self.max_budget, most.max_budget);
        cleared(&mut self.budget_duration, most.budget_duration.clone());
        cleared(&mut self.duration, most.duration.clone());
        cleared(&mut self.rpm_limit, most.rpm_limit.map(Count));
        cleared(&mut self.tpm_limit, most.tpm_limit.map(Count));
        cleared(&mut self.max_parallel_requests, most.max_parallel_requests.map(Count));
        self.within(most)
    }

    fn default_to(&mut self, new: &NewKey) {
        let NewKey { allowance, models, tags, team_id, user_id, metadata } = new;
        self.max_budget.otherwise(allowance.max_budget);
        self.budget_duration.otherwise(allowance.budget_duration.clone());
        self.duration.otherwise(allowance.duration.clone());
        self.rpm_limit.otherwise(allowance.rpm_limit.map(Count));
        self.tpm_limit.otherwise(allowance.tpm_limit.map(Count));
        self.max_parallel_requests.otherwise(allowance.max_parallel_requests.map(Count));
        self.team_id.otherwise(team_id.clone());
        self.user_id.otherwise(user_id.clone());
        self.models.unless_said(models.clone());
        self.tags.unless_said(tags.clone());
        let empty = self.metadata.value().is_none_or(|metadata| metadata.0.as_str().trim() == "{}");
        if let (true, Some(text)) = (empty, metadata)
            && let Ok(json) = Json::parse(text)
        {
            self.metadata = Patch::Set(Object(json));
        }
    }

    fn within(&self, most: &Allowance) -> Result<(), Refusal> {
        no_more("max_budget", self.max_budget.value(), most.max_budget.as_ref(), |amount| {
            Dollars(amount.to_dollars())
        })?;
        counts("rpm_limit", &self.rpm_limit, most.rpm_limit)?;
        counts("tpm_limit", &self.tpm_limit, most.tpm_limit)?;
        counts("max_parallel_requests", &self.max_parallel_requests, most.max_parallel_requests)?;
        lengths("budget_duration", &self.budget_duration, most.budget_duration.as_deref())?;
        lengths("duration", &self.duration, most.duration.as_deref())
    }
}

fn cleared<T>(member: &mut Patch<T>, most: Option<T>) {
    if matches!(member, Patch::Null) {
        member.otherwise(most);
    }
}

fn counts(name: &str, found: &Patch<Count>, most: Option<u64>) -> Result<(), Refusal> {
    no_more(name, found.value().map(|count| &count.0), most.as_ref(), |count| *count)
}

fn no_more<T: PartialOrd, S: fmt::Display>(
    name: &str,
    found: Option<&T>,
    most: Option<&T>,
    shown: impl Fn(&T) -> S,
) -> Result<(), Refusal> {
    match found.zip(most) {
        Some((found, most)) if found > most => Err(beyond(name, shown(found), shown(most))),
        _ => Ok(()),
    }
}

fn lengths(name: &str, found: &Patch<String>, most: Option<&str>) -> Result<(), Refusal> {
    let Some((found, most)) = found.value().zip(most) else { return Ok(()) };
    let longer = found.trim() == "-1" || seconds(found) > seconds(most);
    if longer { Err(beyond(name, check::Cut(found), most)) } else { Ok(()) }
}

/// A length of time by its number, or by one of the words that windows have.
fn seconds(text: &str) -> Option<i64> {
    check::seconds(match text.trim() {
        "hourly" => "1h",
        "daily" => "1d",
        "weekly" => "7d",
        "monthly" => "30d",
        text => text,
    })
}

fn beyond(name: &str, found: impl fmt::Display, most: impl fmt::Display) -> Refusal {
    Refusal::bad(format_args!("{name} is over max limit set in config - user_value={found}; max_value={most}"))
}

/// Dollars as Python prints them.
struct Dollars(f64);

impl fmt::Display for Dollars {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.0)
    }
}
