//! Events that log and count in one step.
//!
//! A noteworthy fact is a struct in [`event`]; [`Telemetry::emit`] writes its line and moves its counters. Label values
//! come from configuration ([`LabelBook`]) and from enums, never from a request, so the number of series is bounded and
//! known at start. Counters live in memory; those of requests, tokens and money begin with what is on file ([`Earlier`]).

mod atoms;
mod earlier;
pub mod event;
mod expose;
mod globals;
mod handles;
mod hub;
mod inventory;
mod kinds;
mod labels;
mod levels;
pub mod log;
mod metrics;
mod process;
mod sample;
mod store;
mod text;

pub use earlier::Earlier;
pub use event::{
    AlertOutcome, AttemptFailed, AttemptLost, ConfigRemark, ConnectionRefused, CooledDown, Endpoint, Event,
    ExchangeClosed, FellBack, Outcome, Refusal, Reloaded, Started, Trouble,
};
pub use handles::Handles;
pub use hub::{Options, SERIES_MAX, Telemetry};
pub use inventory::reference_markdown;
pub use kinds::word as word_of;
pub use labels::{DeploymentName, KeyLabel, KeyName, LabelBook, Target};
pub use log::LogTo;
pub use sample::{Gauge, Health, Limited, Sample};
