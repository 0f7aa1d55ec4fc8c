//! The providers there are, as the configuration asks for them.

use crate::config::Providers;
use crate::provider;

/// All of `crate::provider`.
#[derive(Clone, Copy, Debug)]
pub struct Served;

impl Providers for Served {
    fn known(&self, name: &str) -> bool {
        provider::find(name).is_some()
    }

    fn env_vars(&self, name: &str) -> &'static [&'static str] {
        provider::find(name).map_or(&[], |provider| provider.key_env())
    }

    fn guess(&self, model: &str) -> Option<&'static str> {
        provider::guess(model)
    }

    fn needs_base(&self, name: &str) -> bool {
        provider::find(name).is_some_and(|provider| provider.base().is_none())
    }
}
