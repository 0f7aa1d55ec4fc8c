//! Models of others at Vertex AI: Anthropic's, Mistral's, and those behind the endpoint in OpenAI's form.

use crate::chat::{Api, Broken, Chat, Decoder, Sink};
use crate::dialect::Endpoint;
use crate::provider::speech::ChatApi;
use crate::provider::target::Target;
use crate::provider::{Ask, Call, Carry, Framing, ModelPlace, Written, anthropic, openai};
use crate::vocabulary::{Fault, Metered};

use super::segment;

/// Who made a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Maker {
    Google,
    Anthropic,
    Mistral,
    /// Meta and the others whose models are asked in OpenAI's form: the model is `meta/llama-...`.
    Open,
}

impl Maker {
    pub(super) fn of(model: &str) -> Self {
        let (maker, name) = model.split_once('/').unwrap_or(("", model));
        match maker {
            "anthropic" => Self::Anthropic,
            "mistralai" => Self::Mistral,
            "" if name.starts_with("claude") => Self::Anthropic,
            "" if ["mistral", "codestral", "ministral"].iter().any(|start| name.starts_with(start)) => Self::Mistral,
            "" | "google" | "gemini" | "models" | "endpoints" => Self::Google,
            _ => Self::Open,
        }
    }
}

/// The path of a carried call.
pub(super) fn path(target: &Target, call: &Call<'_>) -> String {
    let base = &target.base_path;
    let name = call.model.rsplit('/').next().unwrap_or(call.model);
    let method = if call.stream { "streamRawPredict" } else { "rawPredict" };
    match (Maker::of(call.model), call.endpoint) {
        (Maker::Anthropic, Endpoint::CountTokens) => {
            format!("{base}/publishers/anthropic/models/count-tokens:rawPredict")
        }
        (Maker::Anthropic, _) => format!("{base}/publishers/anthropic/models/{}:{method}", segment(name)),
        (Maker::Mistral, _) => format!("{base}/publishers/mistralai/models/{}:{method}", segment(name)),
        (Maker::Google | Maker::Open, endpoint) => format!("{base}/endpoints/openapi{}", endpoint.path()),
    }
}

/// Anthropic's messages, its version in the body and its model in the path.
const MESSAGES: Carry = Carry {
    model: ModelPlace::Path,
    cut: &[],
    insert: &[("anthropic_version", "\"vertex-2023-10-16\"")],
    framing: Framing::Sse,
    ..Carry::PLAIN
};

/// Counting has one path for all models.
const COUNT: Carry = Carry { model: ModelPlace::Member, ..MESSAGES };

/// Mistral's chat: it tells its usage unasked, and refuses the question.
const MISTRAL: Carry = Carry { cut: &["stream_options"], ..Carry::PLAIN };

/// How a call is carried.
pub(super) fn carry(endpoint: Endpoint, maker: Maker) -> Option<Carry> {
    match (maker, endpoint) {
        (Maker::Anthropic, Endpoint::Messages) => Some(MESSAGES),
        (Maker::Anthropic, Endpoint::CountTokens) => Some(COUNT),
        (Maker::Mistral, Endpoint::ChatCompletions) => Some(MISTRAL),
        (Maker::Open, Endpoint::ChatCompletions) => Some(Carry::PLAIN),
        _ => None,
    }
}

/// The API that chats are translated to.
pub(super) fn chat(maker: Maker) -> Option<&'static dyn ChatApi> {
    match maker {
        Maker::Google => None,
        Maker::Anthropic => Some(&CLAUDE),
        Maker::Mistral | Maker::Open => Some(&IN_OPENAIS_FORM),
    }
}

/// Claude, through Anthropic's messages.
struct Claude;

static CLAUDE: Claude = Claude;

impl ChatApi for Claude {
    fn words(&self) -> Api {
        Api::Anthropic
    }

    fn supported(&self, model: &str) -> &'static [&'static str] {
        anthropic::MESSAGES.supported(model)
    }

    fn write(&self, chat: &Chat<'_>, ask: &Ask<'_>) -> Result<Written, Fault> {
        anthropic::write_body(chat, ask, anthropic::Flavour::Vertex)
    }

    fn path(&self, target: &Target, model: &str, stream: bool) -> String {
        path(target, &Call { endpoint: Endpoint::Messages, model, stream })
    }

    fn decoder(&self, event_bytes_max: usize) -> Box<dyn Decoder> {
        anthropic::MESSAGES.decoder(event_bytes_max)
    }

    fn read(&self, body: &[u8], sink: &mut dyn Sink) -> Result<Metered, Broken> {
        anthropic::read(body, sink)
    }
}

/// Models in OpenAI's form, at the paths that they have here.
struct InOpenAisForm;

static IN_OPENAIS_FORM: InOpenAisForm = InOpenAisForm;

impl ChatApi for InOpenAisForm {
    fn words(&self) -> Api {
        Api::OpenAiChat
    }

    fn supported(&self, model: &str) -> &'static [&'static str] {
        openai::CHAT.supported(model)
    }

    fn write(&self, chat: &Chat<'_>, ask: &Ask<'_>) -> Result<Written, Fault> {
        openai::CHAT.write(chat, ask)
    }

    fn path(&self, target: &Target, model: &str, stream: bool) -> String {
        path(target, &Call { endpoint: Endpoint::ChatCompletions, model, stream })
    }

    fn decoder(&self, event_bytes_max: usize) -> Box<dyn Decoder> {
        openai::CHAT.decoder(event_bytes_max)
    }

    fn read(&self, body: &[u8], sink: &mut dyn Sink) -> Result<Metered, Broken> {
        openai::CHAT.read(body, sink)
    }
}
