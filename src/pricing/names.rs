//! Which keys of the price table a deployment's provider and model may stand under, best first.

/// Spellings of a provider that mean one vendor with one price list; the table uses the right-hand one.
const ALIASES: [(&str, &str); 39] = [
    ("alibaba", "dashscope"),
    ("amazon-bedrock", "bedrock"),
    ("amazon-nova", "amazon_nova"),
    ("azure-openai", "azure"),
    ("azure_openai", "azure"),
    ("azure_text", "azure"),
    ("bedrock_converse", "bedrock"),
    ("cloudflare-workers-ai", "cloudflare"),
    ("cohere_chat", "cohere"),
    ("deep_infra", "deepinfra"),
    ("fireworks", "fireworks_ai"),
    ("fireworks-ai", "fireworks_ai"),
    ("friendli", "friendliai"),
    ("github-copilot", "github_copilot"),
    ("google", "gemini"),
    ("google-vertex", "vertex_ai"),
    ("google_ai_studio", "gemini"),
    ("grok", "xai"),
    ("lambda", "lambda_ai"),
    ("llama", "meta_llama"),
    ("mistralai", "mistral"),
    ("moonshotai", "moonshot"),
    ("novita-ai", "novita"),
    ("nvidia", "nvidia_nim"),
    ("snowflake-cortex", "snowflake"),
    ("text-completion-codestral", "codestral"),
    ("text-completion-inception", "inception"),
    ("text-completion-openai", "openai"),
    ("together", "together_ai"),
    ("together-ai", "together_ai"),
    ("togetherai", "together_ai"),
    ("vercel", "vercel_ai_gateway"),
    ("vertex", "vertex_ai"),
    ("vertex_ai_beta", "vertex_ai"),
    ("x-ai", "xai"),
    ("xai_oauth", "xai"),
    ("z-ai", "zai"),
    ("z.ai", "zai"),
    ("zhipuai", "zai"),
];

/// Vendors whose models are known by their bare names, in the order in which a bare name is tried.
const HOMES: [&str; 10] =
    ["openai", "anthropic", "vertex_ai", "gemini", "bedrock", "cohere", "deepseek", "ai21", "volcengine", "jina_ai"];

/// The keys to try: provider and model, then the model as a name that brings its own provider, then the bare name.
/// A fine-tuned model (`ft:base:organisation:...`) is tried as its base's fine-tune last.
pub(super) fn candidates(provider: &str, model: &str) -> Vec<String> {
    let mut keys = candidates_of(provider, model);
    if let Some(base) = fine_tuned_base(model) {
        keys.extend(candidates_of(provider, &format!("ft:{base}")));
    }
    keys
}

fn candidates_of(provider: &str, model: &str) -> Vec<String> {
    let own = (!provider.is_empty()).then(|| key(provider, model));
    let brought = model.split_once('/').map(|(provider, model)| key(provider, model));
    let bare = [model.to_ascii_lowercase()];
    let homes = HOMES.iter().map(|home| key(home, model));
    own.into_iter().chain(brought).chain(bare).chain(homes).collect()
}

fn fine_tuned_base(model: &str) -> Option<&str> {
    model.strip_prefix("ft:")?.split_once(':').map(|(base, _)| base)
}

/// The table's key: lower case, the vendor's usual spelling, without what the vendor puts before its own models.
pub(super) fn key(provider: &str, model: &str) -> String {
    let (provider, model) = (canonical(provider), model.to_ascii_lowercase());
    let model = model.strip_prefix(provider.as_str()).and_then(|rest| rest.strip_prefix('/')).unwrap_or(&model);
    let model = model.strip_prefix("accounts/fireworks/models/").unwrap_or(model);
    format!("{provider}/{model}")
}

fn canonical(provider: &str) -> String {
    let provider = provider.to_ascii_lowercase();
    if provider.starts_with("vertex_ai-") {
        return "vertex_ai".to_owned();
    }
    let provider = provider.strip_suffix("-embedding-models").unwrap_or(&provider);
    let alias = ALIASES.iter().find(|(alias, _)| *alias == provider);
    alias.map_or(provider, |(_, canonical)| canonical).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_vendor_share_a_key() {
        for (provider, model, expected) in [
            ("openai", "gpt-4o", "openai/gpt-4o"),
            ("OpenAI", "openai/GPT-4o", "openai/gpt-4o"),
            ("fireworks_ai", "accounts/fireworks/models/deepseek-v3", "fireworks_ai/deepseek-v3"),
            ("together", "Qwen/QwQ-32B", "together_ai/qwen/qwq-32b"),
            ("vertex_ai-anthropic_models", "vertex_ai/claude", "vertex_ai/claude"),
            ("bedrock_converse", "us.amazon.nova", "bedrock/us.amazon.nova"),
            ("amazon_nova", "amazon_nova/lite", "amazon_nova/lite"),
        ] {
            assert_eq!(key(provider, model), expected);
        }
    }

    #[test]
    fn the_deployments_own_provider_is_asked_first() {
        let keys = candidates("openrouter", "openai/gpt-4o");
        assert_eq!(keys[..3], ["openrouter/openai/gpt-4o", "openai/gpt-4o", "openai/gpt-4o"].map(str::to_owned));
        assert_eq!(candidates("", "azure/gpt-4o")[0], "azure/gpt-4o");
        let tuned = candidates("openai", "ft:gpt-4o-mini:acme::1");
        assert!(tuned.contains(&"openai/ft:gpt-4o-mini".to_owned()));
    }
}
