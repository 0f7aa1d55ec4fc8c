//! What the tests that start real processes share: processes that end with their test, and directories that go with it.

#![allow(dead_code, reason = "each test file is a crate of its own and uses its part of this")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says so and stops"
)]

pub(crate) mod admin;
pub(crate) mod client;
pub(crate) mod hostile;
pub(crate) mod issuer;
pub(crate) mod nodes;
pub(crate) mod playback;
pub(crate) mod postgres;
mod process;
pub(crate) mod raw;
pub(crate) mod redis;
pub(crate) mod rig;
mod scratch;
pub(crate) mod site;
pub(crate) mod stand;
pub(crate) mod tls;

pub(crate) use process::Process;
pub(crate) use scratch::Scratch;
