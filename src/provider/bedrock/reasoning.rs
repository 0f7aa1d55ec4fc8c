//! How a model is told to think first: every family in its own words.

use serde::Serialize;

use super::body::{Inference, Members};
use super::converse::Dropped;
use super::family::Family;
use crate::chat::{Chat, Effort, Reasoning};

/// The least that Claude takes.
const BUDGET_TOKENS_MIN: u64 = 1024;

/// Anthropic's `thinking`.
#[derive(Default, Serialize)]
struct Thinking {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    budget_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display: Option<&'static str>,
}

/// Anthropic's `output_config`.
#[derive(Serialize)]
struct OutputConfig {
    effort: &'static str,
}

/// Nova's `reasoningConfig`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NovaReasoning {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_reasoning_effort: Option<&'static str>,
}

/// Writes how to think; answers whether Claude does, which then takes no forced call.
pub(super) fn write<'a>(
    chat: &Chat<'a>,
    family: Family,
    inference: &mut Inference<'a>,
    fields: &mut Members<'a>,
    dropped: &mut Dropped,
) -> bool {
    let Some(asked) = chat.reasoning.as_ref().filter(|asked| is_asked(asked)) else { return fields.has("thinking") };
    match family {
        Family::Claude(version) if version >= (3, 7) => {
            let thinks = claude(asked, version, chat.max_tokens, fields, dropped);
            if thinks {
                plain_sampling(inference, dropped);
            }
            return thinks;
        }
        Family::Nova2 => nova(asked, inference, fields, dropped),
        Family::GptOss => fields.make("reasoning_effort", &three(effort(asked))),
        Family::Qwen => {
            let word = if effort(asked) <= Effort::Low { "low" } else { "high" };
            fields.make("reasoning_config", &word);
        }
        _ => dropped.note("reasoning_effort"),
    }
    false
}

fn is_asked(asked: &Reasoning<'_>) -> bool {
    asked.effort.is_some() || asked.budget_tokens.is_some() || asked.enabled.is_some() || asked.adaptive
}

fn is_off(asked: &Reasoning<'_>) -> bool {
    asked.enabled == Some(false) || asked.effort == Some(Effort::None) || asked.budget_tokens == Some(0)
}

fn effort(asked: &Reasoning<'_>) -> Effort {
    match (asked.effort, asked.budget_tokens) {
        (Some(effort), _) => effort,
        (None, Some(tokens)) => Effort::of_budget(tokens),
        (None, None) if is_off(asked) => Effort::None,
        (None, None) => Effort::Medium,
    }
}

/// The nearest of three words.
const fn three(effort: Effort) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::ExtraHigh | Effort::Max => "high",
    }
}

fn claude(
    asked: &Reasoning<'_>,
    version: (u8, u8),
    max_tokens: Option<u64>,
    fields: &mut Members<'_>,
    dropped: &mut Dropped,
) -> bool {
    if is_off(asked) {
        fields.make("thinking", &Thinking { r#type: "disabled", ..Thinking::default() });
        return false;
    }
    // From 4.6 on the model decides how much, and budgets go away.
    let adaptive = version >= (4, 7) || (version == (4, 6) && asked.budget_tokens.is_none());
    if adaptive {
        let display = asked.show.map(|show| if show { "summarized" } else { "omitted" });
        fields.make("thinking", &Thinking { r#type: "adaptive", budget_tokens: None, display });
        if asked.effort.is_some() || asked.budget_tokens.is_some() {
            fields.make("output_config", &OutputConfig { effort: claude_effort(effort(asked), version) });
        }
        return true;
    }
    let Some(budget) = budget(asked, max_tokens) else {
        dropped.note("reasoning_effort");
        return false;
    };
    fields.make("thinking", &Thinking { r#type: "enabled", budget_tokens: Some(budget), display: None });
    true
}

const fn claude_effort(effort: Effort, version: (u8, u8)) -> &'static str {
    match effort {
        Effort::Max => "max",
        Effort::ExtraHigh if version.0 > 4 || version.1 > 6 => "xhigh",
        effort => three(effort),
    }
}

/// A budget as given; or of an effort, such that an answer fits beside it. None if it does not.
fn budget(asked: &Reasoning<'_>, max_tokens: Option<u64>) -> Option<u64> {
    if let Some(tokens) = asked.budget_tokens {
        return Some(tokens);
    }
    let wanted = effort(asked).budget_tokens().max(BUDGET_TOKENS_MIN);
    let room = max_tokens.map_or(u64::MAX, |max| max.saturating_sub(1));
    (room >= BUDGET_TOKENS_MIN).then(|| wanted.min(room))
}

/// While it thinks, Claude takes no other sampling than its own.
fn plain_sampling(inference: &mut Inference<'_>, dropped: &mut Dropped) {
    let is_one =
        |raw: &crate::chat::Raw<'_>| raw.get().parse::<f64>().is_ok_and(|value| (value - 1.0).abs() < f64::EPSILON);
    if inference.temperature.take_if(|value| !is_one(value)).is_some() {
        dropped.note("temperature");
    }
    if inference.top_p.take_if(|value| !value.get().parse::<f64>().is_ok_and(|value| value >= 0.95)).is_some() {
        dropped.note("top_p");
    }
}

fn nova(asked: &Reasoning<'_>, inference: &mut Inference<'_>, fields: &mut Members<'_>, dropped: &mut Dropped) {
    if is_off(asked) {
        fields.make("reasoningConfig", &NovaReasoning { r#type: "disabled", max_reasoning_effort: None });
        return;
    }
    let mut word = three(effort(asked));
    if word == "high" {
        // At its highest it takes neither a bound nor sampling. The bound is worth more than the effort.
        if inference.max_tokens.is_some() {
            dropped.note("reasoning_effort=high");
            word = "medium";
        } else {
            note_all(inference, dropped);
        }
    }
    fields.make("reasoningConfig", &NovaReasoning { r#type: "enabled", max_reasoning_effort: Some(word) });
}

fn note_all(inference: &mut Inference<'_>, dropped: &mut Dropped) {
    if inference.temperature.take().is_some() {
        dropped.note("temperature");
    }
    if inference.top_p.take().is_some() {
        dropped.note("top_p");
    }
}
