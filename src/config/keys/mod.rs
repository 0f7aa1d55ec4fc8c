//! The rows of the key table, one file per section, and the names that are known without being supported.

mod block;
mod credential;
mod deployment;
mod foreign;
mod general;
mod identity;
mod litellm;
mod making;
mod parameters;
mod refused;
mod router;
mod top;
mod virtual_key;

pub(super) use deployment::VENDOR;
pub(super) use foreign::{is_foreign, note};
pub(super) use parameters::{PRICE_FIELDS, REQUEST_PARAMETERS};
pub(super) use refused::instead;

use super::table::Key;

/// The row that stands for every price field.
pub(super) const PRICES: &str = "<price>";
/// The row that stands for every request parameter.
pub(super) const PARAMETERS: &str = "<request parameter>";

/// The table, section by section.
pub(super) const ALL: &[&[Key]] = &[
    top::KEYS,
    deployment::KEYS,
    deployment::PARAMS,
    deployment::INFO,
    credential::KEYS,
    litellm::KEYS,
    making::KEYS,
    router::KEYS,
    general::KEYS,
    general::PASS_THROUGH,
    identity::KEYS,
    virtual_key::KEYS,
    block::KEYS,
];

/// The row that stands for a name which has none of its own.
pub(super) fn group(name: &str) -> Option<&'static str> {
    if PRICE_FIELDS.contains(&name) {
        return Some(PRICES);
    }
    REQUEST_PARAMETERS.contains(&name).then_some(PARAMETERS)
}
