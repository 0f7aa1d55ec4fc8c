//! What a model of Anthropic's can do, told from its name.

/// A model by family and version. Names of other hosts are understood, too (`us.anthropic.claude-...-v1:0`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claude {
    version: (u32, u32),
    opus: bool,
    // Families that always think.
    restless: bool,
}

/// What a name without a version is taken for: what most hosts serve and every later model understands.
const VERSION_UNKNOWN: (u32, u32) = (4, 0);
/// Numbers with more digits are dates.
const VERSION_DIGITS_MAX: usize = 2;

impl Claude {
    pub(super) fn parse(model: &str) -> Self {
        let model = model.to_ascii_lowercase();
        let name = model.split_once("claude").map_or("", |(_, name)| name);
        let mut numbers = name
            .split(|letter: char| !letter.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()))
            .map_while(|word| (word.len() <= VERSION_DIGITS_MAX).then(|| word.parse().ok()).flatten());
        let preview = name.contains("mythos").then_some((5, 0));
        let version = numbers.next().map(|major| (major, numbers.next().unwrap_or(0)));
        Self {
            version: version.or(preview).unwrap_or(VERSION_UNKNOWN),
            opus: name.contains("opus"),
            restless: name.contains("mythos") || name.contains("fable"),
        }
    }

    fn since(self, version: (u32, u32)) -> bool {
        self.version >= version
    }

    /// It can think before it answers.
    pub(super) fn thinks(self) -> bool {
        self.since((3, 7))
    }

    /// It can decide by itself how much to think.
    pub(super) fn adapts(self) -> bool {
        self.since((4, 6))
    }

    /// It takes no number of thinking tokens any more, and no `temperature`, `top_p` and `top_k`.
    pub(super) fn decides_itself(self) -> bool {
        self.since((4, 7))
    }

    /// It thinks unless told not to, and can be told so.
    pub(super) fn must_be_told_not_to_think(self) -> bool {
        self.since((5, 0)) && !self.restless
    }

    /// It takes `output_config.effort`.
    pub(super) fn takes_effort(self) -> bool {
        self.since((4, 6)) || self.opus && self.since((4, 5))
    }

    /// It knows the effort `max`.
    pub(super) fn knows_max(self) -> bool {
        self.since((4, 6))
    }

    /// It knows the effort `xhigh`.
    pub(super) fn knows_extra_high(self) -> bool {
        self.since((4, 7))
    }

    /// It can be held to a JSON schema.
    pub(super) fn follows_schemas(self) -> bool {
        self.since((4, 5)) || self.opus && self.since((4, 1))
    }

    /// It refuses `temperature` and `top_p` together.
    pub(super) fn takes_one_sampler(self) -> bool {
        self.follows_schemas()
    }

    /// It takes instructions in the middle of a conversation.
    pub(super) fn takes_system_turns(self) -> bool {
        self.since((4, 8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_all_ways_of_naming() {
        for (model, version) in [
            ("claude-3-5-sonnet-20240620", (3, 5)),
            ("claude-3-opus-20240229", (3, 0)),
            ("claude-2.1", (2, 1)),
            ("claude-sonnet-4-20250514", (4, 0)),
            ("claude-opus-4-1-20250805", (4, 1)),
            ("anthropic/claude-haiku-4.5", (4, 5)),
            ("us.anthropic.claude-opus-4-6-v1:0", (4, 6)),
            ("claude-sonnet-4-5@20250929", (4, 5)),
            ("claude-fable-5-2", (5, 2)),
            ("claude-mythos-preview", (5, 0)),
            ("Claude-Sonnet-5", (5, 0)),
            ("my-deployment", VERSION_UNKNOWN),
        ] {
            assert_eq!(Claude::parse(model).version, version, "{model}");
        }
    }

    #[test]
    fn old_models_do_less() {
        let old = Claude::parse("claude-3-5-haiku-latest");
        assert!(!old.thinks() && !old.follows_schemas() && !old.takes_effort());
        let opus = Claude::parse("claude-opus-4-5");
        assert!(opus.takes_effort() && !opus.adapts() && opus.follows_schemas() && !opus.knows_max());
        assert!(!Claude::parse("claude-sonnet-4-5").takes_effort());
        assert!(!Claude::parse("claude-fable-5").must_be_told_not_to_think());
    }
}
