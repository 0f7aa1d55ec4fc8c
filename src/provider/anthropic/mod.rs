//! Anthropic's messages API, and Azure AI Foundry, which has it beside an OpenAI one.
//!
//! Reference: <https://docs.anthropic.com/en/api/messages> (checked 2026-11). Bedrock and Vertex take the same bodies but
//! for a few members: see [`Flavour`].

mod blocks;
mod features;
mod foundry;
mod media;
mod model;
mod plain;
mod reply;
mod request;
mod said;
mod schema;
mod stream;
mod thinking;
mod tools;
mod turns;
mod vendor;

pub use foundry::FOUNDRY;
pub use reply::read;
pub use request::{Flavour, SUPPORTED, write_body};
pub use stream::{Events, Stream};
pub use vendor::{ANTHROPIC, MESSAGES, Messages};

#[cfg(test)]
mod tests;
