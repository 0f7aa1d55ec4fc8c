//! What a usage cost, and the most a request can cost.

use super::price::{Bracket, Price};
use super::rate::{Meter, ServiceTier};
use crate::vocabulary::{PicoUsd, Units, Usage};

/// What an exchange cost, exactly. `input` and `output` add up to `total`; the others are parts of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// What is charged.
    pub total: PicoUsd,
    /// The prompt, cached tokens and the request's own fee included.
    pub input: PicoUsd,
    /// The completion, reasoning included. All of it, where the provider reported the cost.
    pub output: PicoUsd,
    /// Part of `input` for tokens read from the cache.
    pub cache_read: PicoUsd,
    /// Part of `input` for tokens written to the cache.
    pub cache_write: PicoUsd,
    /// Part of `output` for reasoning.
    pub reasoning: PicoUsd,
}

/// What a request may come to: the most tokens it can use and how they may be priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Most prompt tokens.
    pub prompt: u64,
    /// Most completion tokens, over all choices.
    pub completion: u64,
    /// The tier that was asked for.
    pub tier: ServiceTier,
    /// What the prompt is made of.
    pub media: Media,
    /// The most that is counted besides tokens.
    pub units: Units,
}

/// What a prompt is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// Only text.
    Text,
    /// Audio or images too, which may cost more per token.
    Mixed,
}

impl Demand {
    /// A text prompt at the standard tier.
    pub const fn text(prompt: u64, completion: u64) -> Self {
        Self { prompt, completion, tier: ServiceTier::Standard, media: Media::Text, units: Units::NONE }
    }
}

impl Cost {
    /// What the provider says it charged: nobody knows for what.
    pub fn reported(total: PicoUsd) -> Self {
        Self { total, output: total, ..Self::default() }
    }
}

impl Price {
    /// What a usage costs at the tier that served it.
    ///
    /// A cost the provider reported wins when above zero. Otherwise each token is charged once: parts of a total are
    /// cut to what is left of it, cache first, then audio, images, reasoning. A prompt above a threshold is charged,
    /// with its completion, wholly at the prices above it. Who charges for the tokens of an answer does not charge for its
    /// seconds, characters and pictures too; searches of the web come on top.
    pub fn cost(&self, usage: &Usage, tier: ServiceTier) -> Cost {
        let cost = match usage.cost {
            Some(reported) if reported > PicoUsd::ZERO => Cost::reported(reported),
            Some(_) | None => self.cost_of_all(usage, Bracket { prompt: usage.prompt, tier }),
        };
        self.adjustment().of(cost)
    }

    fn cost_of_all(&self, usage: &Usage, bracket: Bracket) -> Cost {
        let mut cost = self.cost_of_tokens(usage, bracket);
        if usage.units != Units::NONE && cost.output == PicoUsd::ZERO {
            cost.output = self.cost_of_units(&usage.units, bracket);
        }
        let fees = self.fees(&usage.units, bracket);
        cost.input = cost.input.plus(fees);
        cost.total = cost.input.plus(cost.output);
        cost
    }

    /// Seconds, characters and pictures.
    fn cost_of_units(&self, units: &Units, bracket: Bracket) -> PicoUsd {
        let either = |first, second| match self.at(first, bracket) {
            PicoUsd::ZERO => (self.at(second, bracket), true),
            each => (each, false),
        };
        let (second, _) = either(Meter::SecondOut, Meter::SecondIn);
        let seconds = PicoUsd(second.times(units.millis).0.saturating_add(999).div_euclid(1000));
        let spoken = self.at(Meter::Character, bracket).times(units.characters);
        let (each, by_pixel) = either(Meter::Picture, Meter::Pixel);
        let drawn = each.times(if by_pixel { units.pixels } else { units.pictures });
        [seconds, spoken, drawn].into_iter().sum()
    }

    /// What comes on top: the request's own fee, or one for each search among documents, and searches of the web.
    fn fees(&self, units: &Units, bracket: Bracket) -> PicoUsd {
        let request = self.at(Meter::Request, bracket).times(units.queries.max(1));
        if units.searches == 0 && units.maps == 0 {
            return request;
        }
        let once = self.at(Meter::Grounding, bracket);
        let searches = self.at(Meter::Search, bracket).times(units.searches).plus(once.times(units.searches.min(1)));
        let asked = if once > PicoUsd::ZERO { units.maps.min(1) } else { units.maps };
        request.plus(searches).plus(self.at(Meter::Maps, bracket).times(asked))
    }

    fn cost_of_tokens(&self, usage: &Usage, bracket: Bracket) -> Cost {
        let price = |meter, count| match count {
            // Most parts of most usages: nothing needs looking up.
            0 => PicoUsd::ZERO,
            _ => self.at(meter, bracket).times(count),
        };
        let mut prompt = Remainder(usage.prompt);
        let cache_read = price(Meter::CacheRead, prompt.take(usage.cache_read));
        let cache_write = price(Meter::CacheWrite, prompt.take(usage.cache_write))
            .plus(price(Meter::CacheWrite1h, prompt.take(usage.cache_write_1h)));
        let media_in =
            price(Meter::AudioIn, prompt.take(usage.audio_in)).plus(price(Meter::ImageIn, prompt.take(usage.image_in)));
        let plain_in = price(Meter::Input, prompt.0);

        let mut completion = Remainder(usage.completion);
        let media_out = price(Meter::AudioOut, completion.take(usage.audio_out))
            .plus(price(Meter::ImageOut, completion.take(usage.image_out)));
        let reasoning = price(Meter::Reasoning, completion.take(usage.reasoning));
        let plain_out = price(Meter::Output, completion.0);

        let input = [plain_in, cache_read, cache_write, media_in].into_iter().sum::<PicoUsd>();
        let output = [plain_out, reasoning, media_out].into_iter().sum::<PicoUsd>();
        Cost { total: input.plus(output), input, output, cache_read, cache_write, reasoning }
    }

    /// The most a request can cost, however the provider counts its tokens: an upper bound of [`cost`](Self::cost) for
    /// every usage with at most these totals, at the tier that was asked for or the standard one.
    ///
    /// Every prompt token is taken to be of the dearest kind it can be: read from or written to the cache (an hour's
    /// write too, where it is priced) or plain, and audio or image only where the prompt has any. Every completion
    /// token is the dearest of plain, reasoning and, where priced, audio and image. Thresholds count that the prompt
    /// can exceed. Not bounded: a cost the provider reports itself.
    pub fn worst_case(&self, demand: &Demand) -> PicoUsd {
        let mut last = 0;
        let thresholds = self.rates().iter().map(|rate| rate.above).filter(|above| (1..demand.prompt).contains(above));
        let distinct = thresholds.filter(|above| std::mem::replace(&mut last, *above) != *above);
        let worst_at = |prompt| {
            let standard = self.worst_in(Bracket { prompt, tier: ServiceTier::Standard }, demand);
            match demand.tier {
                ServiceTier::Standard => standard,
                tier => standard.max(self.worst_in(Bracket { prompt, tier }, demand)),
            }
        };
        let worst = distinct.chain([demand.prompt]).map(worst_at).max().unwrap_or_default();
        self.adjustment().most(worst)
    }

    fn worst_in(&self, bracket: Bracket, demand: &Demand) -> PicoUsd {
        // What is not listed costs what stands in for it, which is never more than the first of its side.
        let dearest = |first: PicoUsd, others: &[Meter]| {
            others.iter().filter_map(|meter| self.listed(*meter, bracket)).fold(first, PicoUsd::max)
        };
        let plain = self.at(Meter::Input, bracket);
        let text = dearest(plain, &[Meter::CacheRead, Meter::CacheWrite, Meter::CacheWrite1h]);
        let input = match demand.media {
            Media::Text => text,
            Media::Mixed => dearest(text, &[Meter::AudioIn, Meter::ImageIn]),
        };
        let written = self.at(Meter::Output, bracket).max(self.at(Meter::Reasoning, bracket));
        let tokens = dearest(written, &[Meter::AudioOut, Meter::ImageOut]).times(demand.completion);
        let answer = match demand.units {
            Units::NONE => tokens,
            units => tokens.max(self.cost_of_units(&units, bracket)),
        };
        input.times(demand.prompt).plus(answer).plus(self.fees(&demand.units, bracket))
    }
}

/// What is left of a total once its parts are taken out.
struct Remainder(u64);

impl Remainder {
    fn take(&mut self, wanted: u64) -> u64 {
        let taken = wanted.min(self.0);
        self.0 -= taken;
        taken
    }
}

#[cfg(test)]
#[path = "cost_tests.rs"]
mod tests;
