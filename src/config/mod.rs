//! LiteLLM's YAML, checked, with the place of every key.

mod settings;

pub use settings::*;
