//! The words every module shares. Nothing here does I/O but [`Clock::now`].

mod block;
mod clock;
pub mod digits;
mod fault;
mod money;
mod names;
mod scope;
mod secret;
mod usage;

pub use block::{BlockKind, FEATURES};
pub use clock::{Clock, Now};
pub use fault::{Fault, Kind, Matter, Origin};
pub use money::{BadMoney, PicoUsd};
pub use names::{BadName, KeyHash, ModelName};
pub use scope::ScopeKind;
pub use secret::Secret;
pub use usage::{Lookups, Metered, Units, Usage};
