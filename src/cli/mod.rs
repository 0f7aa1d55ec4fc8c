//! Arguments, `check`, the quick start, and what `main` does with them.

pub mod args;
pub mod check;
pub mod credentials;
pub mod explain;
pub mod import;
pub mod manage;
mod place;
pub mod quickstart;
mod run;
mod source;
pub mod spend;
pub mod transfer;

pub use args::{Arguments, Command, ServeArguments};
pub use run::run;
pub use source::{Configured, Served, environment};
