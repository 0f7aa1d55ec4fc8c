//! Events that log and count in one step.
//!
//! A noteworthy fact is a struct in [`event`]; [`Telemetry::emit`] writes its line and moves its counters. Label values
//! come from configuration ([`LabelBook`]) and from enums, never from a request, so the number of series is bounded and
//! known at start. Counters live in memory and start at zero with the process.

pub mod event;
mod handles;
mod hub;
mod labels;
pub mod log;
mod sample;

pub use event::{
    AttemptFailed, ConfigRemark, ConnectionRefused, Endpoint, Event, ExchangeClosed, Outcome, Refusal, Reloaded,
    Started, Trouble,
};
pub use handles::Handles;
pub use hub::{Options, SERIES_MAX, Telemetry};
pub use labels::{DeploymentName, KeyLabel, KeyName, LabelBook, Target};
pub use log::LogTo;
pub use sample::{Gauge, Health, Limited, Sample};
