//! What is peculiar about the vendors of OpenAI's form, as far as it shows in a translated request.

use crate::chat::{Effort, Reasoning};
use crate::provider::{Ask, StreamUsage, find};

/// How a vendor is told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thinking {
    /// `reasoning_effort`, for models of OpenAI's that think.
    OpenAi,
    /// `reasoning_effort` in three steps.
    Effort,
    /// `reasoning_effort` in any word, or `thinking` as Anthropic has it: a gateway translates on.
    Any,
    /// `reasoning_effort`, all or nothing.
    AllOrNothing,
    /// `reasoning`, an object.
    Object,
    /// `thinking`, an object with a type.
    Switch,
    /// `enable_thinking` and `thinking_budget`.
    Flag,
}

/// What becomes of earlier thoughts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum History {
    /// Left out: the vendor has no place for them.
    Forget,
    /// `reasoning_content`, without which a turn with tools is refused.
    Content,
    /// `reasoning_details`, signatures included.
    Details,
    /// `thinking_blocks`, signatures included.
    Blocks,
}

/// How documents are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Documents {
    /// As a `file` with its bytes in it.
    File,
    /// The same, and addresses too.
    FileOrUrl,
    /// As a `document_url`.
    DocumentUrl,
}

/// A vendor's peculiarities.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vendor {
    pub(super) thinking: Thinking,
    pub(super) history: History,
    pub(super) documents: Documents,
    /// `cache_control` is understood.
    pub(super) cache_marks: bool,
    /// Texts of systems, tools and assistants may be lists; else they are joined.
    pub(super) lists: bool,
    /// An assistant's `refusal` has a place of its own.
    pub(super) refusals: bool,
    /// Results of tools may hold pictures.
    pub(super) tool_pictures: bool,
    /// Films are understood.
    pub(super) films: bool,
    /// `top_k` is understood.
    pub(super) top_k: bool,
    /// `service_tier` is understood.
    pub(super) service_tier: bool,
    /// `user` is understood.
    pub(super) user: bool,
    /// `response_format` may be a schema.
    pub(super) schemas: bool,
    /// A call's thought signature is understood.
    pub(super) signatures: bool,
    /// Mistral: `random_seed`, call ids of nine letters and digits, no user right after a tool.
    pub(super) is_mistral: bool,
    /// The parameter that bounds the answer.
    pub(super) output_cap: &'static str,
    /// Whether the usage of a stream must be asked for.
    pub(super) asks_for_usage: bool,
}

/// Somebody of whom nothing peculiar is known.
const USUAL: Vendor = Vendor {
    thinking: Thinking::Effort,
    history: History::Forget,
    documents: Documents::File,
    cache_marks: false,
    lists: false,
    refusals: false,
    tool_pictures: false,
    films: true,
    top_k: true,
    service_tier: false,
    user: true,
    schemas: true,
    signatures: false,
    is_mistral: false,
    output_cap: "max_tokens",
    asks_for_usage: true,
};

impl Vendor {
    /// The vendor of a deployment.
    pub(super) fn of(ask: &Ask<'_>) -> Self {
        let name = &*ask.deployment.provider;
        let mut vendor = Self::named(name);
        if let Some(provider) = find(name) {
            vendor.output_cap = provider.output_cap();
            vendor.asks_for_usage = provider.stream_usage() == StreamUsage::WhenAsked;
        }
        // Gemini behind OpenAI's form wants its signatures back.
        vendor.signatures |= ask.deployment.api_base.as_deref().is_some_and(|base| base.contains("googleapis.com"));
        vendor
    }

    fn named(name: &str) -> Self {
        match name {
            "openai" | "azure" | "text-completion-openai" => Self {
                thinking: Thinking::OpenAi,
                lists: true,
                refusals: true,
                films: false,
                top_k: false,
                service_tier: true,
                ..USUAL
            },
            "openrouter" | "vercel_ai_gateway" => Self {
                thinking: Thinking::Object,
                history: History::Details,
                documents: Documents::FileOrUrl,
                cache_marks: true,
                lists: true,
                tool_pictures: true,
                service_tier: true,
                ..USUAL
            },
            "litellm_proxy" => Self {
                thinking: Thinking::Any,
                history: History::Blocks,
                documents: Documents::FileOrUrl,
                cache_marks: true,
                lists: true,
                tool_pictures: true,
                service_tier: true,
                signatures: true,
                ..USUAL
            },
            "custom_openai" | "openai_like" => Self { signatures: true, ..USUAL },
            "mistral" | "codestral" => Self {
                thinking: Thinking::AllOrNothing,
                documents: Documents::DocumentUrl,
                top_k: false,
                user: false,
                is_mistral: true,
                ..USUAL
            },
            "deepseek" => {
                Self { thinking: Thinking::Switch, history: History::Content, top_k: false, schemas: false, ..USUAL }
            }
            "moonshot" | "zai" | "volcengine" | "minimax" => {
                Self { thinking: Thinking::Switch, history: History::Content, top_k: false, ..USUAL }
            }
            "dashscope" => Self { thinking: Thinking::Flag, history: History::Content, cache_marks: true, ..USUAL },
            "groq" | "cerebras" => Self { top_k: false, service_tier: true, ..USUAL },
            "xai" | "perplexity" | "github" | "sambanova" => Self { top_k: false, ..USUAL },
            "hosted_vllm" => Self { lists: true, ..USUAL },
            _ => USUAL,
        }
    }
}

/// What OpenAI's models make of an effort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// They do not think.
    Silent,
    /// `o1`, `o3`, `o4-mini`: low, medium, high.
    O,
    /// `gpt-5`: minimal besides.
    Five,
    /// `gpt-5.1`: none besides, but not minimal.
    FiveOne,
    /// `gpt-5.2` and later: none and xhigh besides.
    Later,
    /// A name that tells nothing (a deployment of Azure's).
    Unknown,
}

fn family(model: &str) -> Family {
    let model = model.rsplit('/').next().unwrap_or(model).trim_start_matches("ft:");
    let is = |prefix: &str| model.starts_with(prefix);
    match () {
        () if is("gpt-4") || is("gpt-3") || is("chatgpt-") || is("gpt-5-chat") || is("gpt-5-search") => Family::Silent,
        () if is("o1") || is("o3") || is("o4") || is("gpt-oss") => Family::O,
        () if is("gpt-5.1-codex-max") => Family::Later,
        () if is("gpt-5.1") => Family::FiveOne,
        () if is("gpt-5.") || is("gpt-6") => Family::Later,
        () if is("gpt-5") => Family::Five,
        () => Family::Unknown,
    }
}

/// The effort that a client asked for, in whatever words: none if it left it to the model.
pub(super) fn effort(reasoning: &Reasoning<'_>) -> Option<Effort> {
    match (reasoning.effort, reasoning.enabled, reasoning.budget_tokens) {
        (Some(effort), ..) => Some(effort),
        (None, Some(false), _) => Some(Effort::None),
        (None, _, Some(tokens)) => Some(Effort::of_budget(tokens)),
        (None, Some(true), None) => (!reasoning.adaptive).then_some(Effort::Medium),
        (None, None, None) => None,
    }
}

/// The word for an effort that this model of OpenAI's knows; `Err`: the model does not think.
pub(super) fn openai_effort(model: &str, effort: Effort) -> Result<Option<&'static str>, ()> {
    let family = family(model);
    Ok(Some(match (family, effort) {
        (Family::Silent, Effort::None) => return Ok(None),
        (Family::Silent, _) => return Err(()),
        (Family::O, Effort::None | Effort::Minimal) => "low",
        (Family::Five, Effort::None) => "minimal",
        (Family::FiveOne | Family::Later, Effort::Minimal) => "low",
        (Family::Later, Effort::ExtraHigh | Effort::Max) => "xhigh",
        (_, Effort::ExtraHigh | Effort::Max) => "high",
        (_, effort) => effort.as_str(),
    }))
}

/// One of three words, for vendors that know no more; none for no thought at all, which has no word there.
pub(super) const fn plain_effort(effort: Effort) -> Option<&'static str> {
    match effort {
        Effort::None => None,
        Effort::Minimal | Effort::Low => Some("low"),
        Effort::Medium => Some("medium"),
        Effort::High | Effort::ExtraHigh | Effort::Max => Some("high"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_effort_is_said_in_words_that_the_model_knows() {
        for (model, effort, word) in [
            ("gpt-4o", Effort::High, Err(())),
            ("gpt-4o", Effort::None, Ok(None)),
            ("o3-mini", Effort::Minimal, Ok(Some("low"))),
            ("gpt-5-nano", Effort::None, Ok(Some("minimal"))),
            ("gpt-5.1", Effort::None, Ok(Some("none"))),
            ("gpt-5.1", Effort::Max, Ok(Some("high"))),
            ("gpt-5.2", Effort::Max, Ok(Some("xhigh"))),
            ("my-deployment", Effort::Medium, Ok(Some("medium"))),
        ] {
            assert_eq!(openai_effort(model, effort), word, "{model} {effort:?}");
        }
    }

    #[test]
    fn a_budget_is_an_effort() {
        let asked = |budget_tokens, enabled| Reasoning { budget_tokens, enabled, ..Reasoning::default() };
        assert_eq!(effort(&asked(Some(1500), Some(true))), Some(Effort::Medium));
        assert_eq!(effort(&asked(Some(1500), Some(false))), Some(Effort::None));
        assert_eq!(effort(&asked(None, Some(true))), Some(Effort::Medium));
        assert_eq!(effort(&Reasoning { adaptive: true, ..asked(None, Some(true)) }), None);
    }
}
