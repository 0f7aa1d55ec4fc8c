//! The only place that names Pingora: connections, hooks, peers, answers, and the life of the process.
//!
//! [`Gateway`] is a `ProxyHttp` filter that anyone can mount in a Pingora server of their own; [`serve`] is our own way of
//! running it, with a front door that bounds connections, reload, drain and socket hand-over.

mod alerts;
mod answer;
mod body;
mod client;
mod context;
mod cors;
mod credentials;
mod door;
mod faults;
mod framing;
mod gate;
mod gateway;
mod guard;
mod handover;
mod headers;
mod health;
mod id;
mod link;
mod manage;
mod nodes;
mod peer;
mod plain;
mod played;
mod probe;
mod race;
mod replay;
mod resolve;
mod roots;
mod sending;
mod serve;
mod signals;
mod tls;

pub use client::ask;
pub use context::Context;
pub use gate::Gate;
pub use gateway::Gateway;
pub use handover::{Inheritance, Succession};
pub use serve::{Addresses, Listen, ServeError, Source, serve};
pub use tls::CertificateFiles;
