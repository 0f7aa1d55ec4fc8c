//! LiteLLM's YAML, checked, with the place of every key.
//!
//! [`load`] reads a file and what it includes, replaces `os.environ/NAME`, holds every key against one table, and builds
//! the [`Settings`]. The [`Report`] it returns beside them says of every key whether it is supported, ignored or refused,
//! and of every mistake where it stands. The table also prints `conf/full.yaml` and the reference.

mod audit;
mod build;
mod credentials;
mod environment;
mod files;
mod finding;
mod identity;
mod keys;
mod kind;
mod load;
mod making;
mod print;
mod providers;
mod redis;
mod routing;
mod scalar;
mod settings;
mod table;
mod value;
mod watched;
mod yaml;

pub use finding::{Finding, Report, Status};
pub use identity::{Algorithm, ClaimFields, Issuer, JwtAuth, JwtRole};
pub use kind::Kind;
pub use load::{Purpose, QUICKSTART, Surroundings, load, load_deployment, load_text};
pub use making::{Allowance, Making, NewKey, NewTeam, NewUser};
pub use print::{full_yaml, reference_markdown};
pub use providers::Providers;
pub use redis::{Layout, Redis, Sharing};
pub use routing::*;
pub use settings::*;
pub use table::{Key, Shown, find, table};
pub use watched::files_of;
