//! What an exchange consumed, as the provider reported it or as we counted it.

use super::PicoUsd;

/// Token counts of one exchange. `prompt` and `completion` are totals; the others are parts of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All input tokens, cached ones included.
    pub prompt: u64,
    /// All output tokens, reasoning included.
    pub completion: u64,
    /// Part of `prompt` read from the provider's prompt cache.
    pub cache_read: u64,
    /// Part of `prompt` written to the provider's prompt cache for five minutes (or its default time).
    pub cache_write: u64,
    /// Part of `prompt` written to the provider's prompt cache for an hour.
    pub cache_write_1h: u64,
    /// Part of `prompt` that is audio.
    pub audio_in: u64,
    /// Part of `prompt` that is images.
    pub image_in: u64,
    /// Part of `completion` that is reasoning.
    pub reasoning: u64,
    /// Part of `completion` that is audio.
    pub audio_out: u64,
    /// Part of `completion` that is images.
    pub image_out: u64,
    /// What the provider says it charged (OpenRouter, Perplexity); wins over our price when above zero.
    pub cost: Option<PicoUsd>,
    /// What is counted besides tokens.
    pub units: Units,
}

/// What providers charge by where they do not charge by tokens, or beside them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Units {
    /// Milliseconds of sound, or of the provider's work where that is what it charges.
    pub millis: u64,
    /// Characters that are spoken.
    pub characters: u64,
    /// Pictures that are drawn.
    pub pictures: u64,
    /// All their pixels.
    pub pixels: u64,
    /// Searches among documents, as rerankers count them.
    pub queries: u64,
    /// Searches of the web.
    pub searches: u64,
    /// Questions put to a map.
    pub maps: u64,
}

impl Units {
    /// Nothing.
    pub const NONE: Self = Self { millis: 0, characters: 0, pictures: 0, pixels: 0, queries: 0, searches: 0, maps: 0 };
}

impl Usage {
    /// All tokens, in and out.
    pub fn total(&self) -> u64 {
        self.prompt.saturating_add(self.completion)
    }
}

/// What a provider looked up on the way to an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lookups {
    /// Searches of the web.
    pub searches: u64,
    /// Questions put to a map.
    pub maps: u64,
}

/// How a usage is known. Absent, zero and partial are three different things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metered {
    /// The provider said nothing.
    #[default]
    Absent,
    /// The provider gave some of the counts (say, only the input side) or was cut off before the last of them.
    Partial(Usage),
    /// The provider gave both sides.
    Reported(Usage),
    /// Counted here: tokens with a tokenizer, sound and pictures by what was asked for.
    Estimated(Usage),
}

impl Metered {
    /// The counts there are.
    pub fn usage(&self) -> Option<&Usage> {
        match self {
            Self::Absent => None,
            Self::Partial(usage) | Self::Reported(usage) | Self::Estimated(usage) => Some(usage),
        }
    }

    /// The same with other counts, known as these are. Absent stays absent.
    #[must_use]
    pub fn map(self, change: impl FnOnce(Usage) -> Usage) -> Self {
        match self {
            Self::Absent => Self::Absent,
            Self::Partial(usage) => Self::Partial(change(usage)),
            Self::Reported(usage) => Self::Reported(change(usage)),
            Self::Estimated(usage) => Self::Estimated(change(usage)),
        }
    }

    /// The same with what was looked up on the way to the answer: of each count the larger.
    #[must_use]
    pub fn with(self, lookups: Lookups) -> Self {
        let Lookups { searches, maps } = lookups;
        self.map(|usage| {
            let units = usage.units;
            let units = Units { searches: units.searches.max(searches), maps: units.maps.max(maps), ..units };
            Usage { units, ..usage }
        })
    }
}
