//! What a model costs, how long a prompt is, and which models there are: asked without a request.

use std::sync::Arc;

use super::World;
use super::plan::resolve_configured;
use crate::dialect::Endpoint;
use crate::pricing::{Meter, Price, ServiceTier, prompt};
use crate::provider;
use crate::vocabulary::{ModelName, PicoUsd, Usage};

/// What every chat API takes in some form.
const EVERYWHERE: [&str; 3] = ["max_tokens", "max_completion_tokens", "stream"];

/// What OpenAI's API takes beside.
const OPENAI_PARAMS: [&str; 24] = [
    "audio",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "metadata",
    "modalities",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_p",
    "user",
];

/// A deployment as clients may know it: nothing that is secret.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The name that leads to it.
    pub group: Arc<str>,
    /// Its id.
    pub id: Arc<str>,
    /// The provider's name.
    pub provider: Arc<str>,
    /// What the provider calls the model.
    pub model: Arc<str>,
    /// Scheme and host.
    pub api_base: Arc<str>,
    /// `chat`, `embedding` and so on, where known.
    pub mode: Option<String>,
    /// Most prompt tokens, where known.
    pub max_input_tokens: Option<u64>,
    /// Most completion tokens, where known.
    pub max_output_tokens: Option<u64>,
    /// Requests a minute, as configured.
    pub rpm: Option<u64>,
    /// Tokens a minute, as configured.
    pub tpm: Option<u64>,
    /// What a token costs, where known.
    pub prices: Option<Prices>,
    /// Names of groups of models that it is in.
    pub access_groups: Vec<String>,
}

/// What a token costs at the usual tier, in a short prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// Of the prompt.
    pub input: PicoUsd,
    /// Of the answer.
    pub output: PicoUsd,
    /// Read from the provider's cache.
    pub cache_read: PicoUsd,
    /// Written to it.
    pub cache_write: PicoUsd,
}

impl Prices {
    fn of(price: &Price) -> Self {
        let each = |meter| price.each(meter, 0, ServiceTier::Standard);
        Self {
            input: each(Meter::Input),
            output: each(Meter::Output),
            cache_read: each(Meter::CacheRead),
            cache_write: each(Meter::CacheWrite),
        }
    }
}

impl World {
    /// What a usage of a model costs: at the first deployment that the name leads to, else as published for
    /// `provider/model`. None: nobody knows.
    pub fn quote(&self, model: &str, usage: &Usage) -> Option<PicoUsd> {
        let price = match self.first_of(model) {
            Some((deployment, upstream)) => self.price(deployment, &upstream),
            None => {
                let (provider, model) = model.split_once('/').unwrap_or(("", model));
                self.book.find(provider, model).map(Arc::new)
            }
        };
        let price = price.filter(|price| price.is_known())?;
        Some(price.cost(usage, ServiceTier::Standard).total)
    }

    /// What the provider calls a model, at the first deployment that the name leads to; else the name itself.
    pub fn model_used(&self, model: &str) -> String {
        self.first_of(model).map_or_else(|| model.to_owned(), |(_, upstream)| upstream)
    }

    /// About how many tokens a request's prompt is.
    pub fn count_prompt(&self, model: &str, body: &[u8]) -> u64 {
        prompt::estimate_prompt(&self.model_used(model), body)
    }

    fn first_of(&self, model: &str) -> Option<(usize, String)> {
        let meant = resolve_configured(self, &ModelName::parse(model).ok()?)?;
        let deployment = meant.group.members.first()?.deployment;
        let upstream = self.deployments.get(deployment)?.upstream_model(meant.captured.as_deref()).into_owned();
        Some((deployment, upstream))
    }

    /// OpenAI's parameters of a chat that a model takes: at the first deployment that the name leads to, else of
    /// `provider/model`. None: there is no such provider.
    pub fn supported_params(&self, model: &str) -> Option<Vec<&'static str>> {
        let (provider, upstream) = match self.first_of(model) {
            Some((deployment, upstream)) => (self.deployments.get(deployment)?.provider, upstream),
            None => {
                let (provider, model) = model.split_once('/').or_else(|| Some((provider::guess(model)?, model)))?;
                (provider::find(provider)?, model.to_owned())
            }
        };
        let own: Vec<&'static str> =
            match (provider.carry(Endpoint::ChatCompletions, &upstream), provider.chat(&upstream)) {
                (Some(carry), _) => {
                    OPENAI_PARAMS.iter().copied().filter(|name| !carry.quirks.unwanted.contains(name)).collect()
                }
                (None, Some(chat)) => chat.supported(&upstream).to_vec(),
                (None, None) => return Some(Vec::new()),
            };
        Some(EVERYWHERE.into_iter().chain(own).collect())
    }

    /// All deployments that a name leads to, in the order of the configuration.
    pub fn listings(&self) -> Vec<Listing> {
        let listed = self.deployments.iter().enumerate().filter(|(_, deployment)| !deployment.hidden);
        listed.map(|(index, deployment)| self.listing(index, deployment)).collect()
    }

    fn listing(&self, index: usize, deployment: &super::Deployment) -> Listing {
        let settings = &deployment.settings;
        let price = self.price(index, &settings.model);
        let published = |of: fn(&Price) -> Option<u64>| price.as_deref().and_then(of);
        Listing {
            group: settings.model_name.clone(),
            id: settings.id.clone(),
            provider: settings.provider.clone(),
            model: settings.model.clone(),
            api_base: deployment.upstream.api_base.clone(),
            mode: settings.mode.clone().or_else(|| price.as_ref()?.mode.as_deref().map(str::to_owned)),
            max_input_tokens: settings.max_input_tokens.or_else(|| published(|price| price.limits.max_input_tokens)),
            max_output_tokens: settings.max_output_tokens.or_else(|| published(|price| price.limits.max_output_tokens)),
            rpm: settings.rpm,
            tpm: settings.tpm,
            prices: price.filter(|price| price.is_known()).map(|price| Prices::of(&price)),
            access_groups: settings.access_groups.clone(),
        }
    }
}
