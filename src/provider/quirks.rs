//! Where a vendor with OpenAI's API takes other parameters than OpenAI.
//!
//! References: the vendors' own (checked 2026-11).

use crate::dialect::Endpoint;

/// What is edited in a carried request because the vendor, or this model of it, takes other parameters.
#[derive(Debug, PartialEq, Eq)]
pub struct Quirks {
    /// Parameters with another name there: OpenAI's name, the vendor's.
    pub renamed: &'static [(&'static str, &'static str)],
    /// What is left out without a word: it changes nothing of the answer.
    pub silent: &'static [&'static str],
    /// What the vendor refuses for certain, and is refused here with LiteLLM's words; left out where the configuration says.
    pub refused: &'static [&'static str],
    /// What the vendor refuses by itself, and says so; left out where the configuration says.
    pub unwanted: &'static [&'static str],
    /// Words with another name there: the parameter, OpenAI's word, the vendor's.
    pub words: &'static [(&'static str, &'static str, &'static str)],
    /// `developer` is called `system`.
    pub system_only: bool,
}

/// Nothing.
pub(super) static NONE: Quirks =
    Quirks { renamed: &[], silent: &[], refused: &[], unwanted: &[], words: &[], system_only: false };

/// Whose API names every parameter that it takes, and takes no others.
static MISTRAL: Quirks = Quirks {
    renamed: &[("max_completion_tokens", "max_tokens"), ("seed", "random_seed")],
    silent: &["user", "store", "stream_options", "safety_identifier", "prompt_cache_retention", "service_tier"],
    refused: &[
        "logprobs",
        "top_logprobs",
        "logit_bias",
        "modalities",
        "audio",
        "verbosity",
        "web_search_options",
        "functions",
        "function_call",
    ],
    unwanted: &[],
    words: &[
        ("reasoning_effort", "minimal", "high"),
        ("reasoning_effort", "low", "high"),
        ("reasoning_effort", "medium", "high"),
        ("reasoning_effort", "xhigh", "high"),
    ],
    system_only: true,
};

/// "Will result in a 400".
static GROQ: Quirks = Quirks { unwanted: &["logprobs", "top_logprobs", "logit_bias"], ..NONE };

static CEREBRAS: Quirks = Quirks { unwanted: &["frequency_penalty", "presence_penalty", "logit_bias"], ..NONE };

/// OpenAI's models that think and always do.
static THINKERS: Quirks = Quirks {
    renamed: &[("max_tokens", "max_completion_tokens")],
    unwanted: &[
        "temperature",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "logprobs",
        "top_logprobs",
        "logit_bias",
    ],
    ..NONE
};

/// Those that may leave it: without thinking they take everything but the older bound.
static MAY_THINK: Quirks = Quirks { renamed: THINKERS.renamed, ..NONE };

/// The quirks of a carried call.
pub(super) fn of(vendor: &str, endpoint: Endpoint, model: &str) -> &'static Quirks {
    if endpoint != Endpoint::ChatCompletions {
        return &NONE;
    }
    match vendor {
        "mistral" | "codestral" => &MISTRAL,
        "groq" => &GROQ,
        "cerebras" => &CEREBRAS,
        "openai" | "azure" => of_openai(model),
        _ => &NONE,
    }
}

fn of_openai(model: &str) -> &'static Quirks {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.strip_prefix("ft:").unwrap_or(name);
    let numbered = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    match name.strip_prefix("gpt-5") {
        Some(rest) if rest.starts_with('.') || rest.contains("-chat") => &MAY_THINK,
        Some(_) => &THINKERS,
        None if name.strip_prefix('o').is_some_and(numbered) => &THINKERS,
        None => &NONE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openais_models_are_told_apart_by_name() {
        let of = |model| of("openai", Endpoint::ChatCompletions, model);
        for model in ["o1", "o3-mini", "openai/o4-mini", "gpt-5", "gpt-5-mini", "ft:o4-mini-2025-04-16:acme"] {
            assert_eq!(of(model), &THINKERS, "{model}");
        }
        for model in ["gpt-5.1", "gpt-5.2-mini", "gpt-5-chat-latest"] {
            assert_eq!(of(model), &MAY_THINK, "{model}");
        }
        for model in ["gpt-4o", "omni-moderation-latest", "up-chat", "o", "gpt-oss-120b"] {
            assert_eq!(of(model), &NONE, "{model}");
        }
        assert_eq!(super::of("openai", Endpoint::Responses, "o3"), &NONE);
        assert_eq!(super::of("deepinfra", Endpoint::ChatCompletions, "o3"), &NONE);
    }
}
