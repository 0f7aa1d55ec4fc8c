//! OpenAI chat completions as vendors speak them, for clients that speak something else.
//!
//! Reference: OpenAI API reference, chat completions, and the vendors' own (checked 2026-11).

mod conversation;
mod errors;
mod form;
mod message;
mod reply;
mod request;
mod stream;
mod vendor;

use super::azure;
use super::{Ask, Call, ChatApi, Provider, Target, Written};
use crate::chat::{Api, Broken, Chat, Decoder, Sink};
use crate::dialect::Endpoint;
use crate::vocabulary::{Fault, Metered};

/// OpenAI chat completions at a vendor.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenAiChat {
    place: Place,
}

/// Where the API lies.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Below the base URL.
    Base,
    /// Where Azure has it.
    Azure,
}

/// The API of OpenAI and of every vendor with its form.
pub(super) static CHAT: OpenAiChat = OpenAiChat { place: Place::Base };

/// The same at Azure, where the deployment stands in the path.
pub(super) static AZURE: OpenAiChat = OpenAiChat { place: Place::Azure };

/// Whatever OpenAI knows, and `top_k`: vendors differ in what they refuse, and say so themselves.
const SUPPORTED: [&str; 29] = [
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "stop",
    "n",
    "reasoning_effort",
    "response_format",
    "user",
    "service_tier",
    "audio",
    "logit_bias",
    "logprobs",
    "metadata",
    "modalities",
    "moderation",
    "prediction",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "store",
    "top_logprobs",
    "verbosity",
    "web_search_options",
];

impl ChatApi for OpenAiChat {
    fn words(&self) -> Api {
        Api::OpenAiChat
    }

    fn supported(&self, _model: &str) -> &'static [&'static str] {
        &SUPPORTED
    }

    fn write(&self, chat: &Chat<'_>, ask: &Ask<'_>) -> Result<Written, Fault> {
        request::write(chat, ask)
    }

    fn path(&self, target: &Target, model: &str, stream: bool) -> String {
        match self.place {
            Place::Base => format!("{}{}{}", target.base_path, Endpoint::ChatCompletions.path(), target.query),
            Place::Azure => azure::AZURE.path(target, &Call { endpoint: Endpoint::ChatCompletions, model, stream }),
        }
    }

    fn decoder(&self, event_bytes_max: usize) -> Box<dyn Decoder> {
        Box::new(stream::Events::new(event_bytes_max))
    }

    fn read(&self, body: &[u8], sink: &mut dyn Sink) -> Result<Metered, Broken> {
        reply::read_whole(body, sink)
    }
}

#[cfg(test)]
mod tests;
