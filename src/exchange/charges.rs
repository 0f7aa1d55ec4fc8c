//! What the configuration takes off and puts on what providers charge.

use crate::config::{Margin, Settings};
use crate::pricing::Adjustment;
use crate::routing::Pattern;
use crate::vocabulary::PicoUsd;

/// The margin of providers that have none of their own.
const GLOBAL: &str = "global";

/// The discount and the margin on a provider's model.
pub(super) fn adjustment(settings: &Settings, provider: &str, model: &str) -> Adjustment {
    let margin = |name: &str| settings.cost_margins.iter().find(|(known, _)| known == name).map(|(_, margin)| *margin);
    let Margin { part, fixed } = margin(provider).or_else(|| margin(GLOBAL)).unwrap_or_default();
    Adjustment { discount: discount(&settings.cost_discounts, provider, model), margin: part, fixed }
}

/// The discount of `provider/model`, of the most specific pattern that the model fits, of the provider.
fn discount(all: &[(String, PicoUsd)], provider: &str, model: &str) -> PicoUsd {
    let of_model = |name: &str| {
        let named = name.strip_prefix(provider)?.strip_prefix('/')?;
        if named == model {
            return Some(usize::MAX);
        }
        let pattern = Pattern::parse(named)?;
        pattern.capture(model).map(|_| pattern.fixed())
    };
    let fitting = all.iter().filter_map(|(name, part)| Some((of_model(name)?, *part)));
    let of_provider = || all.iter().find(|(name, _)| name == provider).map(|(_, part)| *part);
    fitting.max_by_key(|(fixed, _)| *fixed).map(|(_, part)| part).or_else(of_provider).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_goes_before_a_pattern_before_its_provider() {
        let names = ["openai", "openai/gpt-5*", "openai/gpt-5-mini", "openai/*", "vertex_ai"];
        let all: Vec<_> = names.iter().zip(1..).map(|(name, part)| ((*name).to_owned(), PicoUsd(part))).collect();
        for (provider, model, part) in [
            ("openai", "gpt-5-mini", 3),
            ("openai", "gpt-5.1", 2),
            ("openai", "o3", 4),
            ("vertex_ai", "gemini-3-pro", 5),
            ("gemini", "gemini-3-pro", 0),
            ("vertex_ai_beta", "x", 0),
        ] {
            assert_eq!(discount(&all, provider, model), PicoUsd(part), "{provider} {model}");
        }
        assert_eq!(discount(&all[..1], "openai", "o3"), PicoUsd(1));
    }
}
