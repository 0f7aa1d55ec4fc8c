//! The management API: keys, teams, users and the rest, over HTTP, as LiteLLM's clients know it.
//!
//! # How a family of endpoints is added
//!
//! One folder, or file, with its rows (`keys/mod.rs` is the example), one word in [`table`], one file of tests; `tests/authority.rs`
//! asks its routes as everybody there is, without being told of them.
//!
//! **A route** is one row in a list of its subject (`keys::ROUTES`), and the lists stand in [`table`]. What is in no row is
//! not served. The row says who may ask at all ([`Needs`]), which parameters the query has, the type of the body and of
//! the answer; `/routes`, `/openapi.json` and the test of roles are made from it:
//!
//! ```text
//! Route::post("/key/generate", Needs::Member, "Make a key", generate).takes::<KeyFields>().gives::<Generated>()
//! ```
//!
//! **A handler** is a plain function `fn(&Ask) -> Result<Reply, Refusal>` on a thread that may wait for a disk. It reads
//! `ask.read::<Body>()?`, `ask.query.text("team_id")` (declared in the row), `ask.in_path(0)`, checks, and answers
//! `Reply::json(&value)`. A handler that changes something takes the right to write first, so that what it checked still
//! holds, and commits all changes at once; the audit log is written along:
//!
//! ```text
//! let body: TeamFields = ask.read()?;
//! let writer = ask.write()?;                            // one at a time; 503 while the process is replaced
//! if ask.roster().teams.has(&id) { return Err(Refusal::bad("..")) }
//! ask.commit(&writer, Action::Plain, vec![put(team)])?; // on file, then in force; 503 if it cannot be kept
//! Reply::json(&team)
//! ```
//!
//! **A body** is a struct with `Deserialize` and `JsonSchema` whose members are `#[serde(default)] name: Patch<T>`: absent
//! leaves a record's member, null clears it, a value is put (`body.team_alias.put(&mut team.team_alias)`). Numbers are
//! [`patch::Count`] and `PicoUsd`, objects that are carried [`patch::Object`]. A wrong type is a 422 with its place; doubtful
//! JSON is a 400. Do not flatten: the place of a wrong value is lost then.
//!
//! **A check** beyond the row's is the handler's: `ask.actor.is_admin()`, `.sees_all()`, `.is_user(id)`,
//! `.leads(roster, team)`, `.is_in(roster, team)`, `.manages(roster, organization)`. [`Refusal`] has LiteLLM's words for
//! what goes wrong: `bad` (400 in its Python dress), `not_found`, `forbidden`. Checks that several subjects share (budgets,
//! durations, models) are in [`check`].

pub mod about;
mod access_groups;
pub mod actor;
pub mod ask;
pub mod audit;
pub mod block;
pub mod body;
pub mod bounds;
mod budgets;
pub mod check;
mod credentials;
mod customers;
mod door;
pub mod keys;
pub mod live;
pub mod models;
mod openapi;
mod operate;
mod organizations;
pub mod page;
pub mod patch;
mod providers;
pub mod query;
pub mod reply;
pub mod route;
pub mod scope;
mod sealed;
pub mod spend;
mod stored_models;
pub mod table;
mod tags;
pub mod teams;
pub mod told;
mod unified_groups;
pub mod users;

pub use actor::{Actor, Needs};
pub use ask::{Action, Ask, Shell};
pub use body::BODY_BYTES_MAX;
pub use door::{Knock, Request, Side, knock};
pub use reply::{Refusal, Reply};
pub use route::{Found, Route};
