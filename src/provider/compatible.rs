//! Vendors with OpenAI's API: a table row each.

use super::target::{BadTarget, Target};
use super::{Call, CallApi, Carry, ChatApi, Provider, StreamUsage, openai, quirks, rerank};
use crate::config;
use crate::dialect::Endpoint;

/// One vendor. Base URLs and variable names are facts from the vendors' references, checked 2026-11.
pub(super) struct Row {
    name: &'static str,
    base: Option<&'static str>,
    key_env: &'static [&'static str],
    base_env: &'static [&'static str],
    keyless: bool,
    stream_usage: StreamUsage,
    output_cap: &'static str,
    // What it has besides chats, completions and embeddings, carried as the client wrote it.
    also: &'static [Endpoint],
    // Where a base URL without a version means the first.
    versioned: bool,
}

const fn row(name: &'static str, base: &'static str, key_env: &'static [&'static str]) -> Row {
    Row {
        name,
        base: Some(base),
        key_env,
        base_env: &[],
        keyless: false,
        stream_usage: StreamUsage::WhenAsked,
        output_cap: "max_tokens",
        also: &[],
        versioned: false,
    }
}

/// A server one runs oneself: no fixed place, mostly no key.
const fn own(
    name: &'static str,
    base: Option<&'static str>,
    key_env: &'static [&'static str],
    base_env: &'static [&'static str],
) -> Row {
    Row {
        name,
        base,
        key_env,
        base_env,
        keyless: true,
        stream_usage: StreamUsage::WhenAsked,
        output_cap: "max_tokens",
        also: &[],
        versioned: false,
    }
}

impl Row {
    const fn base_from(mut self, base_env: &'static [&'static str]) -> Self {
        self.base_env = base_env;
        self
    }

    const fn caps_by(mut self, output_cap: &'static str) -> Self {
        self.output_cap = output_cap;
        self
    }

    const fn also(mut self, also: &'static [Endpoint]) -> Self {
        self.also = also;
        self
    }

    const fn versioned(mut self) -> Self {
        self.versioned = true;
        self
    }

    const fn always_reports(mut self) -> Self {
        self.stream_usage = StreamUsage::Always;
        self
    }
}

const RESPONSES: Endpoint = Endpoint::Responses;
const MODERATIONS: Endpoint = Endpoint::Moderations;
const IMAGES: Endpoint = Endpoint::ImageGenerations;
const SPEECH: Endpoint = Endpoint::Speech;
const RERANK: Endpoint = Endpoint::Rerank;
const TRANSCRIPTIONS: Endpoint = Endpoint::Transcriptions;
const TRANSLATIONS: Endpoint = Endpoint::Translations;
const EDITS: Endpoint = Endpoint::ImageEdits;

/// Sorted by use, not by name: the order of the README's list.
pub(super) static ROWS: [Row; 44] = [
    row("openai", "https://api.openai.com/v1", &["OPENAI_API_KEY"])
        .base_from(&["OPENAI_BASE_URL", "OPENAI_API_BASE"])
        .caps_by("max_completion_tokens")
        .also(&[RESPONSES, MODERATIONS, IMAGES, EDITS, SPEECH, TRANSCRIPTIONS, TRANSLATIONS]),
    row("groq", "https://api.groq.com/openai/v1", &["GROQ_API_KEY"])
        .also(&[RESPONSES, SPEECH, TRANSCRIPTIONS, TRANSLATIONS])
        .base_from(&["GROQ_API_BASE"]),
    row("mistral", "https://api.mistral.ai/v1", &["MISTRAL_API_KEY"])
        .also(&[MODERATIONS, TRANSCRIPTIONS])
        .base_from(&["MISTRAL_API_BASE"])
        .versioned()
        .always_reports(),
    row("deepseek", "https://api.deepseek.com/v1", &["DEEPSEEK_API_KEY"])
        .also(&[RESPONSES])
        .base_from(&["DEEPSEEK_API_BASE"]),
    row("xai", "https://api.x.ai/v1", &["XAI_API_KEY"]).also(&[RESPONSES, IMAGES]).base_from(&["XAI_API_BASE"]),
    row(
        "together_ai",
        "https://api.together.xyz/v1",
        &["TOGETHERAI_API_KEY", "TOGETHER_API_KEY", "TOGETHER_AI_API_KEY"],
    )
    .also(&[IMAGES, RERANK]),
    row("fireworks_ai", "https://api.fireworks.ai/inference/v1", &["FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"]),
    row("perplexity", "https://api.perplexity.ai", &["PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"]).always_reports(),
    row("openrouter", "https://openrouter.ai/api/v1", &["OPENROUTER_API_KEY", "OR_API_KEY"])
        .also(&[RESPONSES, SPEECH, RERANK])
        .base_from(&["OPENROUTER_API_BASE"]),
    row("cerebras", "https://api.cerebras.ai/v1", &["CEREBRAS_API_KEY"]).base_from(&["CEREBRAS_API_BASE"]),
    row("deepinfra", "https://api.deepinfra.com/v1/openai", &["DEEPINFRA_API_KEY"]),
    row("nvidia_nim", "https://integrate.api.nvidia.com/v1", &["NVIDIA_NIM_API_KEY", "NVIDIA_API_KEY"])
        .base_from(&["NVIDIA_NIM_API_BASE"]),
    own("hosted_vllm", None, &["HOSTED_VLLM_API_KEY"], &["HOSTED_VLLM_API_BASE"]).also(&[
        RESPONSES,
        RERANK,
        TRANSCRIPTIONS,
        TRANSLATIONS,
    ]),
    own("lm_studio", Some("http://127.0.0.1:1234/v1"), &["LM_STUDIO_API_KEY"], &["LM_STUDIO_API_BASE"]),
    own("llamafile", Some("http://127.0.0.1:8080/v1"), &["LLAMAFILE_API_KEY"], &["LLAMAFILE_API_BASE"]),
    row("github", "https://models.inference.ai.azure.com", &["GITHUB_API_KEY", "GITHUB_TOKEN"]),
    row("moonshot", "https://api.moonshot.ai/v1", &["MOONSHOT_API_KEY"]).base_from(&["MOONSHOT_API_BASE"]),
    row("dashscope", "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", &["DASHSCOPE_API_KEY"])
        .base_from(&["DASHSCOPE_API_BASE"]),
    row("volcengine", "https://ark.cn-beijing.volces.com/api/v3", &["VOLCENGINE_API_KEY", "ARK_API_KEY"]),
    row("sambanova", "https://api.sambanova.ai/v1", &["SAMBANOVA_API_KEY"]).base_from(&["SAMBANOVA_API_BASE"]),
    row("hyperbolic", "https://api.hyperbolic.xyz/v1", &["HYPERBOLIC_API_KEY"]).base_from(&["HYPERBOLIC_API_BASE"]),
    row("nebius", "https://api.studio.nebius.ai/v1", &["NEBIUS_API_KEY"]).base_from(&["NEBIUS_API_BASE"]),
    row("novita", "https://api.novita.ai/v3/openai", &["NOVITA_API_KEY"]),
    row("featherless_ai", "https://api.featherless.ai/v1", &["FEATHERLESS_AI_API_KEY", "FEATHERLESS_API_KEY"])
        .base_from(&["FEATHERLESS_AI_API_BASE"]),
    Row {
        name: "databricks",
        base: None,
        key_env: &["DATABRICKS_API_KEY", "DATABRICKS_TOKEN"],
        base_env: &["DATABRICKS_API_BASE"],
        keyless: false,
        stream_usage: StreamUsage::WhenAsked,
        output_cap: "max_tokens",
        also: &[],
        versioned: false,
    },
    own("openai_like", None, &["OPENAI_LIKE_API_KEY"], &["OPENAI_LIKE_API_BASE"]).also(&[RERANK]),
    own("custom_openai", None, &["OPENAI_LIKE_API_KEY"], &["OPENAI_LIKE_API_BASE"]).also(&[
        RESPONSES,
        MODERATIONS,
        IMAGES,
        EDITS,
        SPEECH,
        TRANSCRIPTIONS,
        TRANSLATIONS,
        RERANK,
    ]),
    own("litellm_proxy", None, &["LITELLM_PROXY_API_KEY"], &["LITELLM_PROXY_API_BASE"]).also(&[
        RESPONSES,
        MODERATIONS,
        IMAGES,
        EDITS,
        SPEECH,
        TRANSCRIPTIONS,
        TRANSLATIONS,
        RERANK,
    ]),
    row("text-completion-openai", "https://api.openai.com/v1", &["OPENAI_API_KEY"])
        .base_from(&["OPENAI_BASE_URL", "OPENAI_API_BASE"]),
    row("anyscale", "https://api.endpoints.anyscale.com/v1", &["ANYSCALE_API_KEY"]),
    row("inception", "https://api.inceptionlabs.ai/v1", &["INCEPTION_API_KEY"]),
    row("lambda_ai", "https://api.lambda.ai/v1", &["LAMBDA_API_KEY"]),
    row("nscale", "https://inference.api.nscale.com/v1", &["NSCALE_API_KEY"]),
    row("baseten", "https://inference.baseten.co/v1", &["BASETEN_API_KEY"]),
    row("meta_llama", "https://api.llama.com/compat/v1", &["LLAMA_API_KEY"]),
    row("friendliai", "https://api.friendli.ai/serverless/v1", &["FRIENDLI_TOKEN"]),
    row("galadriel", "https://api.galadriel.com/v1", &["GALADRIEL_API_KEY"]),
    row("aiml", "https://api.aimlapi.com/v1", &["AIML_API_KEY"]),
    row("zai", "https://api.z.ai/api/paas/v4", &["ZAI_API_KEY"]),
    row("minimax", "https://api.minimax.io/v1", &["MINIMAX_API_KEY"]),
    row("vercel_ai_gateway", "https://ai-gateway.vercel.sh/v1", &["VERCEL_AI_GATEWAY_API_KEY"]),
    row("wandb", "https://api.inference.wandb.ai/v1", &["WANDB_API_KEY"]),
    row("codestral", "https://codestral.mistral.ai/v1", &["CODESTRAL_API_KEY"]).versioned().always_reports(),
    own(
        "docker_model_runner",
        Some("http://127.0.0.1:12434/engines/v1"),
        &["DOCKER_MODEL_RUNNER_API_KEY"],
        &["DOCKER_MODEL_RUNNER_API_BASE"],
    ),
];

/// Other spellings that configurations use.
const ALSO: [(&str, &str); 5] = [
    ("vllm", "hosted_vllm"),
    ("featherless", "featherless_ai"),
    ("together", "together_ai"),
    ("fireworks", "fireworks_ai"),
    ("github_models", "github"),
];

pub(super) fn find(name: &str) -> Option<&'static Row> {
    let name = ALSO.iter().find(|(also, _)| *also == name).map_or(name, |(_, name)| name);
    ROWS.iter().find(|row| row.name == name)
}

impl Provider for Row {
    fn name(&self) -> &'static str {
        self.name
    }

    fn base(&self) -> Option<&'static str> {
        self.base
    }

    fn key_env(&self) -> &'static [&'static str] {
        self.key_env
    }

    fn base_env(&self) -> &'static [&'static str] {
        self.base_env
    }

    fn keyless(&self) -> bool {
        self.keyless
    }

    fn stream_usage(&self) -> StreamUsage {
        self.stream_usage
    }

    fn output_cap(&self) -> &'static str {
        self.output_cap
    }

    fn target(&self, deployment: &config::Deployment) -> Result<Target, BadTarget> {
        let missing =
            BadTarget { what: "api_base", expected: "the server's URL like http://host:8000/v1", found: String::new() };
        let mut target = Target::parse(deployment.api_base.as_deref().or(self.base).ok_or(missing)?)?;
        if self.versioned && !target.ends_in_version() {
            target.base_path.push_str("/v1");
        }
        target.add_configured(deployment)?;
        if let Some(key) = &deployment.api_key {
            target.add_bearer(key)?;
        }
        Ok(target)
    }

    fn path(&self, target: &Target, call: &Call<'_>) -> String {
        format!("{}{}{}", target.base_path, call.endpoint.path(), target.query)
    }

    fn call(&self, endpoint: Endpoint, _model: &str) -> Option<&'static dyn CallApi> {
        if endpoint == Endpoint::Rerank { rerank::of(self.name) } else { None }
    }

    fn carry(&self, endpoint: Endpoint, model: &str) -> Option<Carry> {
        if self.call(endpoint, model).is_some() {
            return None;
        }
        let usual = matches!(endpoint, Endpoint::ChatCompletions | Endpoint::Completions | Endpoint::Embeddings);
        (usual || self.also.contains(&endpoint))
            .then(|| Carry { quirks: quirks::of(self.name, endpoint, model), ..Carry::PLAIN })
    }

    fn chat(&self, _model: &str) -> Option<&'static dyn ChatApi> {
        Some(&openai::CHAT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_vendor_has_is_carried_and_nothing_else() {
        let carried = |name: &str, endpoint| find(name).and_then(|row| row.carry(endpoint, "m")).is_some();
        assert!(carried("openai", RESPONSES) && carried("openai", MODERATIONS) && carried("groq", SPEECH));
        // Rankings are written and read, not carried.
        let ranks = |name: &str| find(name).and_then(|row| row.call(RERANK, "m")).is_some();
        assert!(ranks("together_ai") && !carried("together_ai", RERANK) && carried("xai", IMAGES));
        assert!(!carried("groq", MODERATIONS) && !carried("databricks", RESPONSES) && !carried("openai", RERANK));
        assert!(ROWS.iter().all(|row| row.carry(Endpoint::ChatCompletions, "m").is_some() && row.chat("m").is_some()));
        assert!(ROWS.iter().all(|row| row.carry(Endpoint::Messages, "m").is_none()));
    }

    #[test]
    fn every_row_has_a_name_of_its_own_and_a_base_that_parses() {
        for (index, row) in ROWS.iter().enumerate() {
            assert!(ROWS[..index].iter().all(|other| other.name != row.name), "{}", row.name);
            if let Some(base) = row.base {
                let target = Target::parse(base).unwrap();
                assert!(target.tls || row.keyless, "{}: a vendor's key must not travel in clear", row.name);
            }
            assert!(!row.key_env.is_empty());
        }
        assert!(ALSO.iter().all(|(_, name)| find(name).is_some()));
    }
}
