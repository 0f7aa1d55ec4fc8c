//! Model groups, aliases, wildcards, the choice of a deployment, and how deployments fare.

mod bond;
mod budget;
mod failure;
mod health;
mod pattern;
mod region;
mod shuffle;
mod spread;
mod strategy;
mod table;

pub use bond::{Bond, bound, seed};
pub use budget::RetryBudget;
pub use failure::Failure;
pub use health::{Checked, Flight, Health, Rest, Standing, Stock};
pub use pattern::Pattern;
pub use region::lies_in;
pub use shuffle::{Member, Tried, choose};
pub use strategy::{better_of_two, least};
pub use table::{Group, Resolved, Table};
