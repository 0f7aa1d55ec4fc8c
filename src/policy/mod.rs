//! Who may call what, and how often: keys, access and limits. State, a question and the time in; a permit or a
//! denial with its reason out. Nothing here does I/O, waits or reads a clock.
//!
//! [`KeyRing`] tells who is calling, [`Access`] which models they may name, [`ScopeLimits`] and [`DeploymentLimits`]
//! how often. Money is the ledger's business.

mod access;
mod admission;
mod bucket;
mod carriers;
mod counted;
mod key;
mod limits;
mod parallel;
mod permit;
mod ring;
mod snapshot;

pub use access::Access;
pub use admission::{Denied, LimitType, Subject};
pub use bucket::{Bucket, Wait};
pub use carriers::{Presented, present};
pub use counted::Counted;
pub use key::Key;
pub use limits::{Ask, DeploymentLimits, Quota, ScopeLimits};
pub use parallel::{Parallel, Places, Slot};
pub use permit::Permit;
pub use ring::{KeyRing, Recognized};
pub use snapshot::{Level, Snapshot, headers};
