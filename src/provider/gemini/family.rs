//! What can be told of a model from its name.

use crate::chat::{Effort, Reasoning};

/// A model's generation and size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Family {
    /// `gemini-2.5-...` is (2, 5). None: an alias or a tuned model, taken for a new one.
    version: Option<(u32, u32)>,
    size: Size,
    gemma: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Pro,
    Flash,
    Lite,
    Other,
}

/// How a model is told how much to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thought {
    /// By a number of tokens; -1 leaves it to the model.
    Budget(i64),
    /// By a word.
    Level(&'static str),
    /// Not at all.
    Unsaid,
}

impl Family {
    pub(super) fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        let version = name.strip_prefix("gemini-").and_then(|rest| {
            let number = rest.split('-').next()?;
            let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
            Some((major.parse().ok()?, minor.parse().ok()?))
        });
        let size = match () {
            () if name.contains("-lite") => Size::Lite,
            () if name.contains("-flash") => Size::Flash,
            () if name.contains("-pro") => Size::Pro,
            () => Size::Other,
        };
        Self { version, size, gemma: name.starts_with("gemma") }
    }

    /// Gemini 3 and later: levels of thinking, files in results of functions, signatures that must come back.
    pub(super) fn is_third(self) -> bool {
        self.version.is_some_and(|version| version >= (3, 0))
    }

    /// Whether it can think.
    pub(super) fn thinks(self) -> bool {
        !self.gemma && self.version.is_none_or(|version| version >= (2, 5))
    }

    /// Whether it takes JSON Schema as it is, and not only Google's subset.
    pub(super) fn takes_json_schema(self) -> bool {
        self.thinks()
    }

    /// Whether instructions have a place of their own.
    pub(super) fn takes_instructions(self) -> bool {
        !self.gemma
    }

    /// How much to think, in this model's words.
    pub(super) fn thought(self, reasoning: &Reasoning<'_>) -> Thought {
        let off = reasoning.enabled == Some(false) && reasoning.budget_tokens.is_none();
        let effort = if off { Some(Effort::None) } else { reasoning.effort };
        match (reasoning.budget_tokens, effort) {
            (Some(budget), _) if self.is_third() => Thought::Budget(i64::try_from(budget).unwrap_or(i64::MAX)),
            (Some(budget), _) => Thought::Budget(self.budget(budget)),
            (None, Some(effort)) if self.is_third() => Thought::Level(self.level(effort)),
            (None, Some(effort)) => Thought::Budget(self.budget(effort.budget_tokens())),
            (None, None) if self.is_third() => Thought::Unsaid,
            (None, None) if reasoning.adaptive || reasoning.enabled == Some(true) => Thought::Budget(-1),
            (None, None) => Thought::Unsaid,
        }
    }

    /// The nearest number that the model takes: Pro cannot be kept from thinking, Flash Lite thinks little or not at all.
    fn budget(self, tokens: u64) -> i64 {
        let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
        match (self.size, tokens) {
            (Size::Pro, _) => tokens.clamp(128, 32_768),
            (Size::Lite, 1..) => tokens.clamp(512, 24_576),
            (Size::Flash, _) => tokens.min(24_576),
            _ => tokens,
        }
    }

    fn level(self, effort: Effort) -> &'static str {
        let is_pro = self.size == Size::Pro;
        match effort {
            Effort::None | Effort::Minimal if !is_pro => "minimal",
            Effort::None | Effort::Minimal | Effort::Low => "low",
            // The first Pro of this generation knows low and high alone.
            Effort::Medium if is_pro && self.version == Some((3, 0)) => "high",
            Effort::Medium => "medium",
            Effort::High | Effort::ExtraHigh | Effort::Max => "high",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thought(model: &str, reasoning: &Reasoning<'_>) -> Thought {
        Family::of(model).thought(reasoning)
    }

    #[test]
    fn thinking_is_said_in_the_models_words() {
        let effort = |effort| Reasoning { effort: Some(effort), ..Reasoning::default() };
        for (model, asked, said) in [
            ("gemini-2.5-flash", effort(Effort::Low), Thought::Budget(1024)),
            ("gemini-2.5-flash", effort(Effort::None), Thought::Budget(0)),
            ("gemini-2.5-pro", effort(Effort::None), Thought::Budget(128)),
            ("models/gemini-2.5-flash-lite", effort(Effort::Minimal), Thought::Budget(512)),
            ("gemini-3-pro-preview", effort(Effort::None), Thought::Level("low")),
            ("gemini-3-pro-preview", effort(Effort::Medium), Thought::Level("high")),
            ("gemini-3.1-pro-preview", effort(Effort::Medium), Thought::Level("medium")),
            ("gemini-3-flash-preview", effort(Effort::None), Thought::Level("minimal")),
            ("gemini-flash-latest", effort(Effort::High), Thought::Budget(4096)),
        ] {
            assert_eq!(thought(model, &asked), said, "{model}");
        }
        let adaptive = Reasoning { adaptive: true, enabled: Some(true), ..Reasoning::default() };
        assert_eq!(thought("gemini-2.5-pro", &adaptive), Thought::Budget(-1));
        assert_eq!(thought("gemini-3-flash", &adaptive), Thought::Unsaid);
    }

    #[test]
    fn names_tell_the_generation() {
        assert!(Family::of("gemini-2.0-flash").version == Some((2, 0)) && !Family::of("gemini-2.0-flash").thinks());
        assert!(Family::of("gemini-pro-latest").thinks() && !Family::of("gemma-3-27b-it").thinks());
        assert!(Family::of("gemini-3-pro").is_third() && !Family::of("gemini-2.5-pro").is_third());
    }
}
