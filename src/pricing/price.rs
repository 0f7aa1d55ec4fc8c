//! The price of one deployment's model.

use super::adjustment::Adjustment;
use super::fields;
use super::rate::{Meter, Rate, ServiceTier};
use crate::vocabulary::PicoUsd;

/// What a model costs and what it takes, as far as anybody published it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Price {
    rates: Vec<Rate>,
    adjustment: Adjustment,
    /// How large its prompt and answer may be.
    pub limits: Limits,
    /// `chat`, `embedding`, `completion`, `responses`, `rerank` ... where known.
    pub mode: Option<Box<str>>,
}

/// The token limits a vendor publishes for a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Most prompt tokens.
    pub max_input_tokens: Option<u64>,
    /// Most completion tokens.
    pub max_output_tokens: Option<u64>,
}

/// The circumstances under which a rate is looked up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bracket {
    /// All prompt tokens of the request.
    pub(super) prompt: u64,
    /// The tier that served it.
    pub(super) tier: ServiceTier,
}

impl Price {
    /// A price of these rates. Of two rates for the same thing the later stays; a negative one counts as zero.
    pub fn new(rates: impl IntoIterator<Item = Rate>, limits: Limits, mode: Option<Box<str>>) -> Self {
        let mut price = Self { rates: Vec::new(), adjustment: Adjustment::default(), limits, mode };
        rates.into_iter().for_each(|rate| price.set(rate));
        price
    }

    /// The price a deployment's own fields give it, LiteLLM's names and dollars per unit, over the published one.
    ///
    /// A field replaces what is published for the same meter; `input_cost_per_token` replaces everything published for
    /// the prompt (thresholds, tiers, cache and media prices) and `output_cost_per_token` everything for the
    /// completion, because those were multiples of a price that no longer holds. Fields that
    /// [`is_price_field`](super::is_price_field) does not know are passed over.
    pub fn from_fields(fields: &[(String, PicoUsd)], base: Option<&Self>) -> Self {
        let own = rates_of(fields.iter().map(|(name, each)| (name.as_str(), *each)));
        let Some(base) = base else { return Self::new(own, Limits::default(), None) };
        let kept = base.rates.iter().copied().filter(|published| !own.iter().any(|own| replaces(own, published)));
        Self::new(kept.chain(own.iter().copied()), base.limits, base.mode.clone())
    }

    /// The same with a discount and a margin on all that it comes to.
    #[must_use]
    pub fn adjusted(self, adjustment: Adjustment) -> Self {
        Self { adjustment, ..self }
    }

    pub(super) fn adjustment(&self) -> &Adjustment {
        &self.adjustment
    }

    /// Whether there is anything to charge by. A price without rates costs nothing, which is not the same as free.
    pub fn is_known(&self) -> bool {
        !self.rates.is_empty()
    }

    /// Every rate, smallest threshold first.
    pub fn rates(&self) -> &[Rate] {
        &self.rates
    }

    /// What one unit costs, with the usual stand-ins: cached and media tokens without a price of their own cost what
    /// other prompt tokens do, a cache write for an hour what any cache write does, reasoning what other completion
    /// tokens do. What nothing stands in for is free.
    pub fn each(&self, meter: Meter, prompt: u64, tier: ServiceTier) -> PicoUsd {
        self.at(meter, Bracket { prompt, tier })
    }

    pub(super) fn at(&self, meter: Meter, bracket: Bracket) -> PicoUsd {
        let listed = self.listed(meter, bracket);
        match meter {
            Meter::Input
            | Meter::Request
            | Meter::SecondIn
            | Meter::SecondOut
            | Meter::Character
            | Meter::Picture
            | Meter::Pixel
            | Meter::Search
            | Meter::Grounding
            | Meter::Maps => listed.unwrap_or_default(),
            Meter::CacheRead | Meter::CacheWrite | Meter::AudioIn | Meter::ImageIn => {
                listed.unwrap_or_else(|| self.at(Meter::Input, bracket))
            }
            Meter::CacheWrite1h => listed.unwrap_or_else(|| self.at(Meter::CacheWrite, bracket)),
            Meter::Output => self.output_at(listed, bracket),
            Meter::Reasoning => self.reasoning_at(listed, bracket),
            Meter::AudioOut | Meter::ImageOut => listed.unwrap_or_else(|| self.at(Meter::Output, bracket)),
        }
    }

    /// A model that only makes images may price nothing but image tokens; then all it puts out is images.
    fn output_at(&self, listed: Option<PicoUsd>, bracket: Bracket) -> PicoUsd {
        let listed = listed.filter(|each| *each != PicoUsd::ZERO);
        listed.or_else(|| self.listed(Meter::ImageOut, bracket)).unwrap_or_default()
    }

    /// A tier's price of output covers its reasoning, unless the tier prices that too.
    fn reasoning_at(&self, listed: Option<PicoUsd>, bracket: Bracket) -> PicoUsd {
        let has_own = |meter| self.rates.iter().any(|rate| rate.meter == meter && rate.tier == bracket.tier);
        let covered = !has_own(Meter::Reasoning) && has_own(Meter::Output);
        listed
            .filter(|_| !covered || bracket.tier == ServiceTier::Standard)
            .unwrap_or_else(|| self.at(Meter::Output, bracket))
    }

    /// The rate of the highest threshold that is exceeded; there, the tier's own before the standard one.
    pub(super) fn listed(&self, meter: Meter, bracket: Bracket) -> Option<PicoUsd> {
        let holds = |rate: &&Rate| {
            rate.meter == meter
                && (rate.above == 0 || rate.above < bracket.prompt)
                && (rate.tier == bracket.tier || rate.tier == ServiceTier::Standard)
        };
        let closest = self.rates.iter().filter(holds).max_by_key(|rate| (rate.above, rate.tier == bracket.tier));
        closest.map(|rate| rate.each)
    }

    fn set(&mut self, rate: Rate) {
        let rate = Rate { each: rate.each.max(PicoUsd::ZERO), ..rate };
        match self.rates.iter_mut().find(|known| known.is_rival(&rate)) {
            Some(known) => *known = rate,
            None => {
                let place = self.rates.partition_point(|known| known.above <= rate.above);
                self.rates.insert(place, rate);
            }
        }
    }
}

/// The rates that named prices amount to. The older name of the cache read price yields to the newer one.
pub(super) fn rates_of<'a>(prices: impl Iterator<Item = (&'a str, PicoUsd)> + Clone) -> Vec<Rate> {
    let rate = |(name, each): (&str, PicoUsd)| {
        let (meter, above, tier) = fields::parse(name)?;
        // Some lists price one side of a picture or a second and put nothing for the other.
        if each == PicoUsd::ZERO && meter.is_unit() {
            return None;
        }
        Some(Rate { meter, above, tier, each })
    };
    let (older, newer): (Vec<_>, Vec<_>) = prices.partition(|(name, _)| *name == fields::CACHE_HIT);
    older.into_iter().chain(newer).filter_map(rate).collect()
}

fn replaces(own: &Rate, published: &Rate) -> bool {
    let is_general = own.above == 0 && own.tier == ServiceTier::Standard;
    let covers = match own.meter {
        Meter::Input => published.meter.is_prompt_side(),
        Meter::Output => published.meter.is_answer_side(),
        meter if meter.is_unit() => published.meter.is_unit(),
        _ => own.meter == published.meter,
    };
    own.is_rival(published) || (is_general && covers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(prices: &[(&str, &str)]) -> Vec<(String, PicoUsd)> {
        prices.iter().map(|(name, usd)| ((*name).to_owned(), PicoUsd::parse(usd).unwrap())).collect()
    }

    fn published() -> Price {
        let prices = fields(&[
            ("input_cost_per_token", "2e-06"),
            ("input_cost_per_token_above_200k_tokens", "4e-06"),
            ("cache_read_input_token_cost", "2e-07"),
            ("output_cost_per_token", "8e-06"),
            ("output_cost_per_token_priority", "16e-06"),
            ("output_cost_per_reasoning_token", "9e-06"),
        ]);
        let mut price = Price::from_fields(&prices, None);
        price.limits.max_output_tokens = Some(64);
        price
    }

    const STANDARD: ServiceTier = ServiceTier::Standard;

    #[test]
    fn a_deployment_that_prices_its_input_inherits_no_prompt_price() {
        let price = Price::from_fields(&fields(&[("input_cost_per_token", "1e-06")]), Some(&published()));
        for meter in [Meter::Input, Meter::CacheRead, Meter::CacheWrite1h, Meter::AudioIn] {
            assert_eq!(price.each(meter, 300_000, STANDARD), PicoUsd(1_000_000), "{meter:?}");
        }
        assert_eq!(price.each(Meter::Output, 0, STANDARD), PicoUsd(8_000_000));
        assert_eq!(price.limits.max_output_tokens, Some(64));
    }

    #[test]
    fn a_deployment_that_prices_one_meter_keeps_the_others() {
        let price = Price::from_fields(&fields(&[("cache_read_input_token_cost", "1e-07")]), Some(&published()));
        assert_eq!(price.each(Meter::CacheRead, 300_000, STANDARD), PicoUsd(100_000));
        assert_eq!(price.each(Meter::Input, 300_000, STANDARD), PicoUsd(4_000_000));
    }

    #[test]
    fn a_threshold_is_exceeded_only_by_more_than_it() {
        assert_eq!(published().each(Meter::Input, 200_000, STANDARD), PicoUsd(2_000_000));
        assert_eq!(published().each(Meter::Input, 200_001, STANDARD), PicoUsd(4_000_000));
    }

    #[test]
    fn a_tier_without_a_price_costs_the_standard_one() {
        assert_eq!(published().each(Meter::Output, 0, ServiceTier::Flex), PicoUsd(8_000_000));
        assert_eq!(published().each(Meter::Reasoning, 0, ServiceTier::Flex), PicoUsd(9_000_000));
    }

    #[test]
    fn a_tiers_output_price_covers_its_reasoning() {
        assert_eq!(published().each(Meter::Reasoning, 0, ServiceTier::Priority), PicoUsd(16_000_000));
    }

    #[test]
    fn the_older_name_of_the_cache_price_yields() {
        for order in [
            ["input_cost_per_token_cache_hit", "cache_read_input_token_cost"],
            ["cache_read_input_token_cost", "input_cost_per_token_cache_hit"],
        ] {
            let prices = order.map(|name| (name, if name.starts_with("cache") { "1e-06" } else { "5e-06" }));
            let price = Price::from_fields(&fields(&prices), None);
            assert_eq!(price.each(Meter::CacheRead, 0, STANDARD), PicoUsd(1_000_000));
        }
    }

    #[test]
    fn a_negative_price_counts_as_zero_and_an_unknown_field_as_nothing() {
        let price = Price::from_fields(&fields(&[("input_cost_per_token", "-1")]), None);
        assert_eq!(price.each(Meter::Input, 0, STANDARD), PicoUsd::ZERO);
        assert!(price.is_known());
        assert!(!Price::from_fields(&fields(&[("ocr_cost_per_page", "1")]), None).is_known());
    }
}
