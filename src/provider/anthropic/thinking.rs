//! How much the model shall think.

use serde::Serialize;

use super::model::Claude;
use crate::chat::{Chat, Effort, Part, Raw, Reasoning, Role, ToolChoice};

/// The least number of thinking tokens that the API takes.
const BUDGET_TOKENS_MIN: u64 = 1024;

/// `thinking`.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Thinking<'c> {
    /// In Anthropic's own words.
    Native(Raw<'c>),
    /// In ours.
    Config(Config),
}

/// What is said of thinking.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Config {
    /// So many tokens.
    Enabled {
        budget_tokens: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
    /// As the model sees fit.
    Adaptive {
        #[serde(skip_serializing_if = "Option::is_none")]
        display: Option<&'static str>,
    },
    /// Not at all.
    Disabled,
}

/// What a chat's wish comes to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Plan {
    pub(super) config: Option<Config>,
    pub(super) effort: Option<&'static str>,
    /// The wish that could not be met, by name.
    pub(super) dropped: Option<&'static str>,
}

impl Plan {
    pub(super) fn of(chat: &Chat<'_>, claude: Claude) -> Self {
        let Some(reasoning) = chat.reasoning.as_ref().filter(|_| claude.thinks()) else { return Self::default() };
        let effort = reasoning.effort.filter(|_| claude.takes_effort()).and_then(|effort| word(effort, claude));
        if reasoning.enabled == Some(false) {
            return Self { config: Some(Config::Disabled), effort, dropped: None };
        }
        let none = reasoning.effort == Some(Effort::None) || reasoning.budget_tokens == Some(0);
        if none && reasoning.enabled.is_none() {
            let config = claude.must_be_told_not_to_think().then_some(Config::Disabled);
            return Self { config, effort: None, dropped: None };
        }
        if reasoning.enabled.is_none() && reasoning.effort.is_none() && reasoning.budget_tokens.is_none() {
            return if reasoning.adaptive { Self::thinking(reasoning, claude, effort) } else { Self::default() };
        }
        Self::thinking(reasoning, claude, effort).unless_impossible(chat, reasoning)
    }

    fn thinking(reasoning: &Reasoning<'_>, claude: Claude, effort: Option<&'static str>) -> Self {
        let shown = match reasoning.show {
            Some(true) => Some("summarized"),
            Some(false) => Some("omitted"),
            // These keep thoughts to themselves unless asked, and who asks for an effort expects to see some.
            None if claude.decides_itself() && reasoning.enabled.is_none() => Some("summarized"),
            None => None,
        };
        let counted = reasoning.budget_tokens.filter(|_| !reasoning.adaptive);
        if claude.decides_itself() || claude.adapts() && counted.is_none() {
            let effort = effort.or_else(|| counted.and_then(|tokens| word(Effort::of_budget(tokens), claude)));
            return Self { config: Some(Config::Adaptive { display: shown }), effort, dropped: None };
        }
        let usual = reasoning.effort.unwrap_or(Effort::High).budget_tokens();
        let budget_tokens = counted.unwrap_or(usual).max(BUDGET_TOKENS_MIN);
        Self { config: Some(Config::Enabled { budget_tokens, display: shown }), effort, dropped: None }
    }

    /// A counted thought goes neither with a forced tool, nor with calls before it whose thoughts are gone.
    fn unless_impossible(self, chat: &Chat<'_>, reasoning: &Reasoning<'_>) -> Self {
        let implied = reasoning.enabled.is_none();
        let forced = matches!(chat.tool_choice, Some(ToolChoice::Required | ToolChoice::Function(_)));
        let counted = matches!(self.config, Some(Config::Enabled { .. }));
        if !counted || !(implied && forced && !chat.tools.is_empty() || calls_without_thoughts(chat)) {
            return self;
        }
        let dropped = Some(if implied { "reasoning_effort" } else { "thinking" });
        Self { config: None, effort: self.effort, dropped }
    }

    /// Thoughts leave room for an answer within the bound on both; where there is no room for a thought, there is none.
    pub(super) fn within(self, max_tokens: u64, chat: &Chat<'_>) -> Self {
        let Some(Config::Enabled { budget_tokens, display }) = self.config else { return self };
        if budget_tokens < max_tokens {
            return self;
        }
        let room = (max_tokens - max_tokens / 4).max(BUDGET_TOKENS_MIN);
        if room >= max_tokens {
            let implied = chat.reasoning.as_ref().is_some_and(|reasoning| reasoning.enabled.is_none());
            let dropped = Some(if implied { "reasoning_effort" } else { "thinking" });
            return Self { config: None, effort: self.effort, dropped };
        }
        Self { config: Some(Config::Enabled { budget_tokens: room, display }), ..self }
    }

    /// Whether the model will think.
    pub(super) fn is_on(&self) -> bool {
        matches!(self.config, Some(Config::Enabled { .. } | Config::Adaptive { .. }))
    }

    /// Whether it will think so many tokens, which rules out that a tool is forced.
    pub(super) fn budget_tokens(&self) -> Option<u64> {
        match self.config {
            Some(Config::Enabled { budget_tokens, .. }) => Some(budget_tokens),
            _ => None,
        }
    }
}

/// Anthropic's word for an effort: the nearest that the model knows.
fn word(effort: Effort, claude: Claude) -> Option<&'static str> {
    Some(match effort {
        Effort::None => return None,
        Effort::Minimal | Effort::Low => "low",
        Effort::ExtraHigh if claude.knows_extra_high() => "xhigh",
        Effort::Max if claude.knows_max() => "max",
        Effort::High | Effort::ExtraHigh | Effort::Max => "high",
        Effort::Medium => "medium",
    })
}

/// Whether the conversation ends within a turn of the model's that called tools and shows no thought.
fn calls_without_thoughts(chat: &Chat<'_>) -> bool {
    if chat.messages.last().is_none_or(|last| last.role != Role::Tool) {
        return false;
    }
    let said = chat.messages.iter().rev().skip_while(|message| message.role == Role::Tool);
    let mut parts = said.take_while(|message| message.role == Role::Assistant).flat_map(|message| &message.parts);
    !parts
        .any(|part| matches!(part, Part::Redacted { .. } | Part::Thinking { signature: Some(_), .. } | Part::Native(_)))
}
