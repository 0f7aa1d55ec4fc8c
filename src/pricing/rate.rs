//! One line of a price: what is metered, from which prompt size on, at which service tier, and what one unit costs.

use crate::vocabulary::PicoUsd;

/// What is counted. Those up to [`Meter::ImageOut`] count tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meter {
    /// Prompt tokens that no other meter counts.
    Input,
    /// Completion tokens that no other meter counts.
    Output,
    /// Prompt tokens read from the provider's cache.
    CacheRead,
    /// Prompt tokens written to the provider's cache for its default time.
    CacheWrite,
    /// Prompt tokens written to the provider's cache for an hour.
    CacheWrite1h,
    /// Completion tokens spent on reasoning.
    Reasoning,
    /// Prompt tokens that are audio.
    AudioIn,
    /// Completion tokens that are audio.
    AudioOut,
    /// Prompt tokens that are images.
    ImageIn,
    /// Completion tokens that are images.
    ImageOut,
    /// The request itself, whatever its size (rerankers by their own count, some searching models).
    Request,
    /// A second of sound that is heard, or of the provider's work.
    SecondIn,
    /// A second of sound, where it is priced by what comes out.
    SecondOut,
    /// A character that is spoken.
    Character,
    /// A picture that is drawn.
    Picture,
    /// A pixel that is drawn.
    Pixel,
    /// A search of the web.
    Search,
    /// All searches of the web for one answer, where they are charged for once.
    Grounding,
    /// A question put to a map; charged for once where searches are.
    Maps,
}

/// Every meter with its name in the price table.
pub(super) const METERS: [(Meter, &str); 19] = [
    (Meter::Input, "in"),
    (Meter::Output, "out"),
    (Meter::CacheRead, "cached"),
    (Meter::CacheWrite, "written"),
    (Meter::CacheWrite1h, "written_1h"),
    (Meter::Reasoning, "reasoning"),
    (Meter::AudioIn, "audio_in"),
    (Meter::AudioOut, "audio_out"),
    (Meter::ImageIn, "image_in"),
    (Meter::ImageOut, "image_out"),
    (Meter::Request, "request"),
    (Meter::SecondIn, "second_in"),
    (Meter::SecondOut, "second_out"),
    (Meter::Character, "character"),
    (Meter::Picture, "picture"),
    (Meter::Pixel, "pixel"),
    (Meter::Search, "search"),
    (Meter::Grounding, "grounding"),
    (Meter::Maps, "maps"),
];

impl Meter {
    /// Whether the prompt's tokens are what this meter counts. A request's own fee belongs to the prompt.
    pub(super) fn is_prompt_side(self) -> bool {
        use Meter::{AudioIn, CacheRead, CacheWrite, CacheWrite1h, ImageIn, Input, Request};
        matches!(self, Input | CacheRead | CacheWrite | CacheWrite1h | AudioIn | ImageIn | Request)
    }

    /// Whether it counts what is charged in the place of an answer's tokens.
    pub(super) fn is_unit(self) -> bool {
        matches!(self, Self::SecondIn | Self::SecondOut | Self::Character | Self::Picture | Self::Pixel)
    }

    /// Whether the answer's tokens are what this meter counts.
    pub(super) fn is_answer_side(self) -> bool {
        matches!(self, Self::Output | Self::Reasoning | Self::AudioOut | Self::ImageOut)
    }
}

/// How urgently the provider served the request, which some price differently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceTier {
    /// The usual price.
    #[default]
    Standard,
    /// Slower and cheaper.
    Flex,
    /// Faster and dearer; Anthropic and others say `fast`.
    Priority,
    /// Between flex and priority.
    Balanced,
    /// Above priority.
    Ultrafast,
}

/// Every tier with a price of its own, as written in price fields and in the price table.
pub(super) const TIERS: [(ServiceTier, &str); 4] = [
    (ServiceTier::Flex, "flex"),
    (ServiceTier::Priority, "priority"),
    (ServiceTier::Balanced, "balanced"),
    (ServiceTier::Ultrafast, "ultrafast"),
];

impl ServiceTier {
    /// Reads the `service_tier` of a request or a reply. `auto`, `default`, `scale` and whatever else has no price of
    /// its own is standard.
    pub fn parse(text: &str) -> Self {
        if text.eq_ignore_ascii_case("fast") {
            return Self::Priority;
        }
        let named = TIERS.iter().find(|(_, name)| name.eq_ignore_ascii_case(text));
        named.map_or(Self::Standard, |(tier, _)| *tier)
    }
}

/// What one unit costs under which circumstances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What is counted.
    pub meter: Meter,
    /// Holds for requests with more prompt tokens than this; zero holds for all.
    pub above: u64,
    /// Holds at this tier; standard holds at every tier that has no rate of its own.
    pub tier: ServiceTier,
    /// The price of one unit.
    pub each: PicoUsd,
}

impl Rate {
    /// Whether two rates answer the same question.
    pub(super) fn is_rival(&self, other: &Self) -> bool {
        (self.meter, self.above, self.tier) == (other.meter, other.above, other.tier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_tier_without_a_price_of_its_own_is_standard() {
        for (text, tier) in [
            ("flex", ServiceTier::Flex),
            ("PRIORITY", ServiceTier::Priority),
            ("fast", ServiceTier::Priority),
            ("auto", ServiceTier::Standard),
            ("default", ServiceTier::Standard),
            ("", ServiceTier::Standard),
        ] {
            assert_eq!(ServiceTier::parse(text), tier, "{text}");
        }
    }
}
