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
}

impl Usage {
    /// All tokens, in and out.
    pub fn total(&self) -> u64 {
        self.prompt.saturating_add(self.completion)
    }
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
    /// Counted here with a tokenizer.
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
}
