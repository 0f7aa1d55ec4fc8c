//! PostgreSQL: where it is, how it is reached, and what others write to it.

mod address;
mod client;
mod schema;
mod server;
mod tls;

pub(super) use address::Address;
pub(super) use client::Client;
pub(super) use schema::{migrate, session_to_read};
pub(super) use server::Server;
