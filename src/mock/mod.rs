//! A fake provider for trying, testing and benchmarking: OpenAI chat, completions and embeddings, as JSON and as
//! server-sent events, over HTTP/1.1, HTTP/2 and TLS.
//!
//! It answers like the real one, and it misbehaves on demand: every knob ([`Knobs`]) is a flag for all requests, a
//! header (`x-mock-latency-ms: 50`) or a member of the body (`"mock": {"latency_ms": 50}`) for one. The body is never
//! parsed into a tree: [`sieve`] picks out the few values an answer depends on while the bytes go by, so that one core
//! of the mock can feed several of a gateway.
//!
//! Tests start it in their own process with [`Server::start`]; `tollgate mock` is [`run`].

mod answer;
mod args;
mod ask;
mod body;
mod chat;
mod embeddings;
mod http1;
mod http2;
mod journal;
mod knobs;
mod request;
mod script;
mod server;
mod sieve;
mod site;
mod text;
mod tls;

pub use args::{Args, run};
pub use journal::{Seen, Stats};
pub use knobs::{BadKnob, Knobs, Malformed, UsageKind};
pub use server::{Options, Server};
pub use tls::Tls;
