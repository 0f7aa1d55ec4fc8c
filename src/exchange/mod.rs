//! The life of one request, without I/O.
//!
//! ```text
//! Opened::enter(head)  -> Opened               route, key, address: before any byte of the body is read
//! Opened::plan(body)   -> Planned              one scan; access; limits and the worst case reserved
//! Planned::attempt()   -> Outbound             the next deployment, the request written for it
//! Planned::reply(..)   -> how to treat the answer, or another attempt
//! Planned::push(..)    -> what the client gets, metered in the same pass
//! close / drop         -> settled or voided, one receipt, one event: exactly once, however it ends
//! ```

mod affinity;
mod alerts;
mod attempt;
mod bearer;
mod borrow;
mod caller;
mod canned;
mod charges;
mod choice;
mod close;
mod course;
mod earlier;
mod edit;
mod enter;
mod estimate;
mod explain;
mod funds;
mod health;
mod hedge;
mod interpret;
mod judge;
mod keep;
mod learned;
mod levels;
mod local;
mod mask;
mod offer;
mod opening;
mod params;
mod party;
mod pass;
mod plan;
mod probe;
mod quote;
mod reply;
mod retry;
mod served;
mod stored;
mod switch;
mod trail;
mod units;
mod visitor;
mod way;
mod wishes;
mod world;

pub use crate::identity::Wanted;
pub use crate::provider::{Auth, Fetch, Fetched, Unsigned};
pub use alerts::{Alert, Alerts, BudgetEvent};
pub use attempt::{Again, Outbound};
pub use bearer::Bearer;
pub use caller::{Caller, Live, Standing};
pub use choice::Aside;
pub use close::{Bill, Ending, Sent};
pub(crate) use enter::too_large;
pub use enter::{Entry, Head, Opened, Refused};
pub use explain::{Considered, Explained, explain};
pub use health::{Check, HealthQuery};
pub use hedge::Leg;
pub use learned::{Learned, retry_after};
pub use local::LocalAnswer;
pub use opening::Opening;
pub use party::{Accounts, Party, Whose};
pub use plan::Planned;
pub use probe::Probe;
pub use quote::{Listing, Prices};
pub use reply::{Finished, Treatment, UpstreamHead};
pub use served::Served;
pub use stored::SALT_KEYS;
pub use switch::OffUntil;
pub use visitor::Visitor;
pub use world::{BuildError, Deployment, Surroundings, World};
