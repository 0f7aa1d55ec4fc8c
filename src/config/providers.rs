//! What the configuration must know about providers, without knowing any.

use super::table;

/// The providers there are. `crate::provider` is one; tests have their own.
pub trait Providers {
    /// Whether deployments of this provider can be served.
    fn known(&self, name: &str) -> bool;
    /// The environment variables in which its key is usually kept, first choice first.
    fn env_vars(&self, name: &str) -> &'static [&'static str];
    /// The provider of a model that is given without one, e.g. `gpt-4o`.
    fn guess(&self, model: &str) -> Option<&'static str>;
    /// Whether `api_base` must be given, because every customer has an address of their own.
    fn needs_base(&self, name: &str) -> bool;
}

/// A model with its provider, as far as one can be told.
pub(super) enum Found<'a> {
    /// A provider that can be served, and its name for the model.
    Known(&'a str, &'a str),
    /// A provider that LiteLLM has and we do not yet.
    Foreign(&'a str),
    /// Not a provider. The nearest that can be served, if one is near.
    Unknown(&'a str, Option<&'static str>),
    /// Nothing tells the provider.
    Silent,
}

/// The provider of `litellm_params.model`: the part before the first `/`, or the explicit one, or a guess.
pub(super) fn find<'a>(providers: &dyn Providers, model: &'a str, explicit: Option<&'a str>) -> Found<'a> {
    if let Some(name) = explicit {
        let bare = model.strip_prefix(name).and_then(|rest| rest.strip_prefix('/')).unwrap_or(model);
        return judge(providers, name, bare);
    }
    if let Some((name, bare)) = model.split_once('/')
        && (providers.known(name) || is_foreign(name))
    {
        return judge(providers, name, bare);
    }
    if let Some(name) = providers.guess(model) {
        return judge(providers, name, model);
    }
    model.split_once('/').map_or(Found::Silent, |(name, _)| Found::Unknown(name, near(providers, name)))
}

fn judge<'a>(providers: &dyn Providers, name: &'a str, model: &'a str) -> Found<'a> {
    if providers.known(name) {
        return Found::Known(name, model);
    }
    if is_foreign(name) { Found::Foreign(name) } else { Found::Unknown(name, near(providers, name)) }
}

fn near(providers: &dyn Providers, name: &str) -> Option<&'static str> {
    let known = FAMILIAR.split_ascii_whitespace().filter(|familiar| providers.known(familiar));
    if name.len() > 60 { None } else { table::nearest(name, known) }
}

fn is_foreign(name: &str) -> bool {
    FAMILIAR.split_ascii_whitespace().any(|familiar| familiar == name)
}

/// Provider prefixes that LiteLLM's users write.
const FAMILIAR: &str = "\
    ai21 ai21_chat aiml aleph_alpha amazon_nova anthropic anthropic_text anyscale assemblyai auto_router azure azure_ai \
    azure_text baseten bedrock bedrock_converse bytez cerebras chatgpt clarifai cloudflare codestral cohere cohere_chat \
    cometapi compactifai custom custom_openai dashscope databricks datarobot deepgram deepinfra deepseek \
    docker_model_runner elevenlabs empower fal_ai featherless_ai fireworks_ai friendliai galadriel gemini gigachat \
    github github_copilot gradient_ai groq helicone heroku hosted_vllm huggingface hyperbolic inception infinity \
    jina_ai lambda_ai langgraph lemonade litellm_proxy llamafile llamagate lm_studio maritalk meta_llama minimax \
    mistral moonshot morph nebius nlp_cloud nscale nvidia_nim oci ollama ollama_chat oobabooga openai openai_like \
    openrouter ovhcloud perplexity petals poe predibase publicai recraft replicate runwayml sagemaker sagemaker_chat \
    sambanova sap snowflake stability synthetic text-completion-codestral text-completion-openai together_ai topaz \
    triton v0 vercel_ai_gateway vertex_ai vertex_ai_beta vllm volcengine voyage wandb watsonx watsonx_text xai \
    xiaomi_mimo xinference zai";

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Three providers, for tests.
    pub(in crate::config) struct Three;

    impl Providers for Three {
        fn known(&self, name: &str) -> bool {
            matches!(name, "openai" | "azure" | "groq")
        }

        fn env_vars(&self, name: &str) -> &'static [&'static str] {
            match name {
                "openai" => &["OPENAI_API_KEY"],
                "azure" => &["AZURE_API_KEY"],
                _ => &["GROQ_API_KEY"],
            }
        }

        fn guess(&self, model: &str) -> Option<&'static str> {
            model.starts_with("gpt-").then_some("openai")
        }

        fn needs_base(&self, name: &str) -> bool {
            name == "azure"
        }
    }

    #[test]
    fn the_provider_is_told_by_prefix_by_parameter_or_by_guess() {
        assert!(matches!(find(&Three, "groq/meta/llama", None), Found::Known("groq", "meta/llama")));
        assert!(matches!(find(&Three, "gpt-4o", None), Found::Known("openai", "gpt-4o")));
        assert!(matches!(find(&Three, "openai/x", Some("openai")), Found::Known("openai", "x")));
        assert!(matches!(find(&Three, "meta/x", Some("openai")), Found::Known("openai", "meta/x")));
    }

    #[test]
    fn a_provider_to_come_differs_from_a_typing_error() {
        assert!(matches!(find(&Three, "anthropic/claude", None), Found::Foreign("anthropic")));
        assert!(matches!(find(&Three, "opnai/gpt-4o", None), Found::Unknown("opnai", Some("openai"))));
        assert!(matches!(find(&Three, "zzzzzz/gpt-4o", None), Found::Unknown("zzzzzz", None)));
        assert!(matches!(find(&Three, "*", None), Found::Silent));
    }
}
