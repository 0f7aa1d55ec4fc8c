//! LiteLLM's names of prices, as they stand in price files and in `litellm_params` and `model_info` of a deployment.

use super::rate::{Meter, ServiceTier, TIERS};

const METERS: [(&str, Meter); 19] = [
    ("input_cost_per_token", Meter::Input),
    ("output_cost_per_token", Meter::Output),
    ("cache_read_input_token_cost", Meter::CacheRead),
    ("cache_creation_input_token_cost", Meter::CacheWrite),
    ("cache_creation_input_token_cost_above_1hr", Meter::CacheWrite1h),
    ("output_cost_per_reasoning_token", Meter::Reasoning),
    ("input_cost_per_audio_token", Meter::AudioIn),
    ("output_cost_per_audio_token", Meter::AudioOut),
    ("input_cost_per_image_token", Meter::ImageIn),
    ("output_cost_per_image_token", Meter::ImageOut),
    ("input_cost_per_request", Meter::Request),
    ("input_cost_per_query", Meter::Request),
    ("input_cost_per_second", Meter::SecondIn),
    ("output_cost_per_second", Meter::SecondOut),
    ("input_cost_per_character", Meter::Character),
    ("input_cost_per_image", Meter::Picture),
    ("output_cost_per_image", Meter::Picture),
    ("input_cost_per_pixel", Meter::Pixel),
    ("output_cost_per_pixel", Meter::Pixel),
];

/// The object that holds the prices of a search of the web by how much context it brings, and its usual one.
pub(super) const SEARCHES: &str = "search_context_cost_per_query";
pub(super) const USUAL_SEARCH: &str = "search_context_size_medium";

/// The price of a question that Gemini puts to Google Maps.
pub(super) const MAPS: &str = "google_maps_grounding_cost_per_query";

/// Whether Gemini's searches are charged for one by one (`per_query`), or once for an answer.
pub(super) const SEARCHES_BY: &str = "web_search_billing_unit";

/// An older name of the cache read price; yields to the newer one.
pub(super) const CACHE_HIT: &str = "input_cost_per_token_cache_hit";

/// Whether a field of this name is a price that is charged here. Prices of batches, pages and films are known to LiteLLM but
/// are not: nothing that is served here uses them.
pub fn is_price_field(name: &str) -> bool {
    parse(name).is_some()
}

/// What a price field prices: `<meter>[_above_<n>[k]_tokens][_<service tier>]`.
pub(super) fn parse(name: &str) -> Option<(Meter, u64, ServiceTier)> {
    if name == CACHE_HIT {
        return Some((Meter::CacheRead, 0, ServiceTier::Standard));
    }
    let (base, tier) = split_tier(name);
    let (base, above) = split_threshold(base)?;
    let (_, meter) = METERS.iter().find(|(field, _)| *field == base)?;
    Some((*meter, above, tier))
}

fn split_tier(name: &str) -> (&str, ServiceTier) {
    let suffixed = |(tier, suffix): &(ServiceTier, &str)| Some((name.strip_suffix(suffix)?.strip_suffix('_')?, *tier));
    TIERS.iter().find_map(suffixed).unwrap_or((name, ServiceTier::Standard))
}

fn split_threshold(name: &str) -> Option<(&str, u64)> {
    let Some((base, count)) = name.strip_suffix("_tokens").and_then(|name| name.rsplit_once("_above_")) else {
        return Some((name, 0));
    };
    Some((base, parse_count(count)?))
}

/// Reads `200000` or `200k`.
pub(super) fn parse_count(text: &str) -> Option<u64> {
    match text.strip_suffix('k') {
        Some(thousands) => thousands.parse::<u64>().ok()?.checked_mul(1000),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_says_meter_threshold_and_tier() {
        use Meter::{CacheRead, CacheWrite, CacheWrite1h, Input, Output, Reasoning};
        use ServiceTier::{Flex, Priority, Standard};
        for (name, parsed) in [
            ("input_cost_per_token", (Input, 0, Standard)),
            ("output_cost_per_token_priority", (Output, 0, Priority)),
            ("output_cost_per_token_above_128k_tokens", (Output, 128_000, Standard)),
            ("cache_read_input_token_cost_above_272k_tokens_flex", (CacheRead, 272_000, Flex)),
            ("cache_creation_input_token_cost", (CacheWrite, 0, Standard)),
            ("cache_creation_input_token_cost_above_1hr", (CacheWrite1h, 0, Standard)),
            ("cache_creation_input_token_cost_above_1hr_above_200k_tokens", (CacheWrite1h, 200_000, Standard)),
            ("output_cost_per_reasoning_token_flex", (Reasoning, 0, Flex)),
            ("input_cost_per_token_cache_hit", (CacheRead, 0, Standard)),
            ("output_cost_per_image", (Meter::Picture, 0, Standard)),
            ("output_cost_per_second", (Meter::SecondOut, 0, Standard)),
        ] {
            assert_eq!(parse(name), Some(parsed), "{name}");
        }
    }

    #[test]
    fn prices_of_what_no_usage_counts_are_not_charged() {
        for name in [
            "input_cost_per_token_batches",
            "input_cost_per_token_above_200k_tokens_batches",
            "output_cost_per_second_1080p",
            "ocr_cost_per_page",
            "cache_creation_input_token_cost_above_12hr",
            "input_cost_per_token_above_k_tokens",
            "input_cost_per_token_above_99999999999999999999_tokens",
            "",
            "flex",
            "_flex",
        ] {
            assert!(!is_price_field(name), "{name}");
        }
    }
}
