//! What a request costs, and how long its prompt is, without asking anybody.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::admin::ask::Ask;
use crate::admin::reply::{Refusal, Reply};
use crate::roster::Json;
use crate::vocabulary::{PicoUsd, Usage};

/// A request, or an answer to one.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(super) struct Asked {
    /// The model; that of the answer where it is absent.
    #[serde(default)]
    model: Option<String>,
    /// What is asked of it.
    #[serde(default)]
    messages: Option<Json>,
    /// What it answered.
    #[serde(default)]
    completion_response: Option<Answered>,
}

/// An answer: what it says of its usage.
#[derive(Debug, Deserialize, JsonSchema)]
struct Answered {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    usage: Option<Used>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Used {
    #[serde(alias = "input_tokens")]
    prompt_tokens: u64,
    #[serde(alias = "output_tokens")]
    completion_tokens: u64,
    #[serde(alias = "input_tokens_details")]
    prompt_tokens_details: Option<Parts>,
    #[serde(alias = "output_tokens_details")]
    completion_tokens_details: Option<Parts>,
    cache_creation_input_tokens: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
struct Parts {
    cached_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
}

impl Used {
    fn usage(&self) -> Usage {
        let input = self.prompt_tokens_details.unwrap_or_default();
        let output = self.completion_tokens_details.unwrap_or_default();
        Usage {
            prompt: self.prompt_tokens,
            completion: self.completion_tokens,
            cache_read: input.cached_tokens.unwrap_or_default(),
            cache_write: self.cache_creation_input_tokens.unwrap_or_default(),
            audio_in: input.audio_tokens.unwrap_or_default(),
            image_in: input.image_tokens.unwrap_or_default(),
            reasoning: output.reasoning_tokens.unwrap_or_default(),
            audio_out: output.audio_tokens.unwrap_or_default(),
            ..Usage::default()
        }
    }
}

/// What it costs.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Cost {
    cost: PicoUsd,
}

/// `/spend/calculate`: of an answer by its usage, of a request by its prompt alone.
pub(super) fn cost(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let asked: Asked = ask.read()?;
    let answered = asked.completion_response.as_ref();
    let Some(model) = asked.model.as_deref().or_else(|| answered?.model.as_deref()) else {
        return Err(Refusal::bad("Bad Request - Either 'model' or 'completion_response' must be provided"));
    };
    let usage = match (answered, &asked.messages) {
        (Some(answered), _) => answered.usage.as_ref().map(Used::usage).unwrap_or_default(),
        (None, Some(_)) => Usage { prompt: ask.world.count_prompt(model, ask.body), ..Usage::default() },
        (None, None) => return Err(Refusal::bad("Bad Request - 'messages' must be provided with 'model'")),
    };
    let unknown = || Refusal::bad(format_args!("no price is known for model {model}"));
    Reply::json(&Cost { cost: ask.world.quote(model, &usage).ok_or_else(unknown)? })
}

/// A prompt: one of the three.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(super) struct Prompt {
    /// The model it is for.
    model: String,
    /// OpenAI's or Anthropic's messages.
    #[serde(default)]
    messages: Option<Json>,
    /// A text.
    #[serde(default)]
    prompt: Option<Json>,
    /// Gemini's contents.
    #[serde(default)]
    contents: Option<Json>,
}

/// How long it is.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Tokens {
    total_tokens: u64,
    request_model: String,
    model_used: String,
    tokenizer_type: &'static str,
    count_source: &'static str,
    error: bool,
}

/// `/utils/token_counter`.
pub(super) fn tokens(ask: &Ask<'_>) -> Result<Reply, Refusal> {
    let asked: Prompt = ask.read()?;
    if asked.messages.is_none() && asked.prompt.is_none() && asked.contents.is_none() {
        return Err(Refusal::bad("prompt or messages or contents must be provided"));
    }
    Reply::json(&Tokens {
        total_tokens: ask.world.count_prompt(&asked.model, ask.body),
        model_used: ask.world.model_used(&asked.model),
        request_model: asked.model,
        tokenizer_type: "openai_tokenizer",
        count_source: "local",
        error: false,
    })
}
