//! Model groups, aliases, wildcards and the choice of a deployment.

mod pattern;
mod shuffle;
mod table;

pub use pattern::Pattern;
pub use shuffle::{Member, Tried, choose};
pub use table::{Group, Resolved, Table};
