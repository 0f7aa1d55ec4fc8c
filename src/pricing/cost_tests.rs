use proptest::prelude::*;

use super::*;
use crate::pricing::{Book, Limits, Rate};

const STANDARD: ServiceTier = ServiceTier::Standard;

fn cost_of(provider: &str, model: &str, tier: ServiceTier, usage: Usage) -> String {
    let price = Book::builtin().find(provider, model).unwrap();
    price.cost(&usage, tier).total.to_string()
}

#[test]
fn costs_are_those_one_computes_by_hand() {
    let plain = |prompt, completion| Usage { prompt, completion, ..Usage::default() };
    let cached = |cache_read, usage| Usage { cache_read, ..usage };
    let written = |cache_write, cache_write_1h, usage| Usage { cache_write, cache_write_1h, ..usage };
    let reasoning = |reasoning, usage| Usage { reasoning, ..usage };
    for (provider, model, tier, usage, dollars) in [
        // 1000 * 2.5 + 500 * 10 = 7500 millionths.
        ("openai", "gpt-4o", STANDARD, plain(1000, 500), "0.0075"),
        // 1 * 0.15 + 1 * 0.6
        ("openai", "gpt-4o-mini", STANDARD, plain(1, 1), "0.00000075"),
        // (1000 - 400) * 2.5 + 400 * 1.25 + 500 * 10
        ("openai", "gpt-4o", STANDARD, cached(400, plain(1000, 500)), "0.007"),
        // 600 * 4.25 + 400 * 2.125 + 500 * 17
        ("openai", "gpt-4o", ServiceTier::Priority, cached(400, plain(1000, 500)), "0.0119"),
        // 2000 * 2.5, azure's own row
        ("azure", "gpt-4o", STANDARD, plain(2000, 0), "0.005"),
        // 100 * 3 + 200 * 0.3 + 300 * 3.75 + 400 * 6 + 50 * 15
        ("anthropic", "claude-sonnet-4-5", STANDARD, cached(200, written(300, 400, plain(1000, 50))), "0.004635"),
        // 200 000 * 1.25 + 10 * 10: at the threshold, not above it
        ("gemini", "gemini-2.5-pro", STANDARD, plain(200_000, 10), "0.2501"),
        // 200 001 * 2.5 + 10 * 15
        ("gemini", "gemini-2.5-pro", STANDARD, plain(200_001, 10), "0.5001525"),
        // 150 001 * 2.5 + 50 000 * 0.25 + 10 * 15
        ("gemini", "gemini-2.5-pro", STANDARD, cached(50_000, plain(200_001, 10)), "0.3876525"),
        // 272 001 * 5 + 100 * 22.5
        ("openai", "gpt-5.4", STANDARD, plain(272_001, 100), "1.362255"),
        // 272 001 * 2.5 + 100 * 11.25, at half the price
        ("openai", "gpt-5.4", ServiceTier::Flex, plain(272_001, 100), "0.6811275"),
        // xAI charges the higher price from the threshold on: 200 000 * 4 + 10 * 12
        ("xai", "grok-4.5", STANDARD, plain(200_000, 10), "0.80012"),
        ("xai", "grok-4.5", STANDARD, plain(199_999, 10), "0.400058"),
        // 33 000 * 0.5 + 100 * 2.5: the second of four brackets
        ("dashscope", "qwen3-coder-flash", STANDARD, plain(33_000, 100), "0.01675"),
        // 129 000 * 0.8 + 100 * 4
        ("dashscope", "qwen3-coder-flash", STANDARD, plain(129_000, 100), "0.1036"),
        // No price for cached tokens: they are input. 1000 * 0.59 + 100 * 0.79
        ("groq", "llama-3.3-70b-versatile", STANDARD, cached(500, plain(1000, 100)), "0.000669"),
        // 1000 * 0.28 - 600 * (0.28 - 0.028) + 100 * 0.42
        ("deepseek", "deepseek-chat", STANDARD, cached(600, plain(1000, 100)), "0.0001708"),
        // Reasoning without a price of its own is output: 10 * 2.5 + 1000 * 15
        ("openai", "gpt-5.4", STANDARD, reasoning(900, plain(10, 1000)), "0.015025"),
        // 1000 * 0.02
        ("openai", "text-embedding-3-small", STANDARD, plain(1000, 0), "0.00002"),
        // A reranker's fee is for the request.
        ("cohere", "rerank-v3.5", STANDARD, plain(1000, 0), "0.002"),
    ] {
        assert_eq!(cost_of(provider, model, tier, usage), dollars, "{provider}/{model} {usage:?}");
    }
}

#[test]
fn audio_and_reasoning_have_their_own_prices() {
    let usage = Usage { prompt: 100, audio_in: 40, completion: 100, audio_out: 60, ..Usage::default() };
    // 60 * 2.5 + 40 * 40 + 40 * 10 + 60 * 80
    assert_eq!(cost_of("azure", "gpt-4o-audio-preview-2024-12-17", STANDARD, usage), "0.00695");

    let price = Book::builtin().find("perplexity", "sonar-deep-research").unwrap();
    let usage = Usage { prompt: 0, completion: 1000, reasoning: 700, ..Usage::default() };
    // 300 * 8 + 700 * 3
    assert_eq!(price.cost(&usage, STANDARD).total, PicoUsd::parse("0.0045").unwrap());
}

#[test]
fn a_cost_the_provider_reports_wins_when_above_zero() {
    let price = Book::builtin().find("openai", "gpt-4o").unwrap();
    let usage = |cost| Usage { prompt: 1000, cost, ..Usage::default() };
    assert_eq!(price.cost(&usage(Some(PicoUsd(7))), STANDARD).total, PicoUsd(7));
    for cost in [None, Some(PicoUsd::ZERO), Some(PicoUsd(-7))] {
        assert_eq!(price.cost(&usage(cost), STANDARD).total, PicoUsd(2_500_000_000));
    }
}

#[test]
fn parts_larger_than_their_total_are_not_charged_twice() {
    let price = Book::builtin().find("openai", "gpt-4o").unwrap();
    let usage =
        Usage { prompt: 10, cache_read: u64::MAX, audio_in: 5, completion: 1, reasoning: 9, ..Usage::default() };
    let cost = price.cost(&usage, STANDARD);
    assert_eq!((cost.input, cost.output), (PicoUsd(12_500_000), PicoUsd(10_000_000)));
}

#[test]
fn the_largest_counts_do_not_overflow() {
    let price = Book::builtin().find("openai", "gpt-4o").unwrap();
    let usage = Usage { prompt: u64::MAX, completion: u64::MAX, ..Usage::default() };
    assert_eq!(price.cost(&usage, STANDARD).total.0, i128::from(u64::MAX) * 12_500_000);
}

#[test]
fn the_worst_case_of_plain_text_is_its_price() {
    let price = Book::builtin().find("openai", "gpt-4o-mini").unwrap();
    assert_eq!(price.worst_case(&Demand::text(1000, 100)).to_string(), "0.00021");
}

fn rates() -> impl Strategy<Value = Vec<Rate>> {
    let meter = prop::sample::select(crate::pricing::rate::METERS.map(|(meter, _)| meter).to_vec());
    let above = prop::sample::select(vec![0, 0, 128_000, 200_000, u64::MAX]);
    let tier = prop::sample::select(vec![STANDARD, STANDARD, ServiceTier::Flex, ServiceTier::Priority]);
    let rate = (meter, above, tier, 0_i128..100_000_000).prop_map(|(meter, above, tier, each)| Rate {
        meter,
        above,
        tier,
        each: PicoUsd(each),
    });
    prop::collection::vec(rate, 0..30)
}

prop_compose! {
    fn units()(some in prop::bool::ANY, of in prop::array::uniform7(0_u64..100_000)) -> Units {
        let [millis, characters, pictures, pixels, queries, searches, maps] = of;
        if some { Units { millis, characters, pictures, pixels, queries, searches, maps } } else { Units::NONE }
    }
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![0_u64..1000, 127_990_u64..128_010, 0_u64..2_000_000, Just(u64::MAX)]
}

prop_compose! {
    fn usages()(totals in [count(), count()], parts in prop::array::uniform8(count()), units in units()) -> Usage {
        let [prompt, completion] = totals;
        let [cache_read, cache_write, cache_write_1h, audio_in, image_in, reasoning, audio_out, image_out] = parts;
        Usage { prompt, completion, cache_read, cache_write, cache_write_1h, audio_in, image_in, reasoning, audio_out,
                image_out, cost: None, units }
    }
}

/// The formula once more, naively: every token in a list of its own kind.
fn oracle(price: &Price, usage: &Usage, tier: ServiceTier) -> i128 {
    let each = |meter| price.each(meter, usage.prompt, tier).0;
    let side = |total: u64, parts: &[(Meter, u64)], rest: Meter| {
        let mut left = i128::from(total);
        let mut sum = 0;
        for (meter, count) in parts {
            let count = i128::from(*count).min(left);
            left -= count;
            sum += each(*meter) * count;
        }
        sum + each(rest) * left
    };
    let input = [
        (Meter::CacheRead, usage.cache_read),
        (Meter::CacheWrite, usage.cache_write),
        (Meter::CacheWrite1h, usage.cache_write_1h),
        (Meter::AudioIn, usage.audio_in),
        (Meter::ImageIn, usage.image_in),
    ];
    let output =
        [(Meter::AudioOut, usage.audio_out), (Meter::ImageOut, usage.image_out), (Meter::Reasoning, usage.reasoning)];
    let units = &usage.units;
    let once = each(Meter::Grounding);
    let maps = if once > 0 { units.maps.min(1) } else { units.maps };
    let fees = each(Meter::Request) * i128::from(units.queries.max(1))
        + each(Meter::Search) * i128::from(units.searches)
        + once * i128::from(units.searches.min(1))
        + each(Meter::Maps) * i128::from(maps);
    let answered = side(usage.completion, &output, Meter::Output);
    let answer = if answered > 0 { answered } else { in_units(each, units) };
    side(usage.prompt, &input, Meter::Input) + answer + fees
}

fn in_units(each: impl Fn(Meter) -> i128, units: &Units) -> i128 {
    let count = i128::from;
    let second = if each(Meter::SecondOut) > 0 { each(Meter::SecondOut) } else { each(Meter::SecondIn) };
    let drawn = match each(Meter::Picture) {
        0 => each(Meter::Pixel) * count(units.pixels),
        picture => picture * count(units.pictures),
    };
    (second * count(units.millis) + 999) / 1000 + each(Meter::Character) * count(units.characters) + drawn
}

proptest! {
    #[test]
    fn a_cost_is_exact_and_its_parts_add_up(rates in rates(), usage in usages(), flex: bool) {
        let price = Price::new(rates, Limits::default(), None);
        let tier = if flex { ServiceTier::Flex } else { STANDARD };
        let cost = price.cost(&usage, tier);
        prop_assert_eq!(cost.total.0, oracle(&price, &usage, tier));
        prop_assert_eq!(cost.total, cost.input.plus(cost.output));
        prop_assert!(cost.input >= cost.cache_read.plus(cost.cache_write));
        prop_assert!(cost.output >= cost.reasoning);
    }

    #[test]
    fn no_usage_within_a_demand_costs_more_than_its_worst_case(
        rates in rates(), usage in usages(), spare in [0_u64..300_000, 0_u64..1000], asked: bool,
    ) {
        let price = Price::new(rates, Limits::default(), None);
        let demand = Demand {
            prompt: usage.prompt.saturating_add(spare[0]),
            completion: usage.completion.saturating_add(spare[1]),
            tier: ServiceTier::Priority,
            media: Media::Mixed,
            units: usage.units,
        };
        let served = if asked { ServiceTier::Priority } else { STANDARD };
        prop_assert!(price.cost(&usage, served).total <= price.worst_case(&demand));
        let text = Usage { audio_in: 0, image_in: 0, ..usage };
        let text_demand = Demand { media: Media::Text, ..demand };
        prop_assert!(price.cost(&text, served).total <= price.worst_case(&text_demand));
    }

    #[test]
    fn a_published_price_bounds_every_text_usage(usage in usages(), row in 0_usize..4000) {
        let table = include_str!("../../conf/prices/table.tsv");
        let key = table.lines().nth(row + 2).and_then(|line| line.split('\t').next()).unwrap();
        let price = Book::builtin().find("", key).unwrap();
        let text = Usage { audio_in: 0, image_in: 0, ..usage };
        let demand = Demand { units: usage.units, ..Demand::text(usage.prompt, usage.completion) };
        let worst = price.worst_case(&demand);
        prop_assert!(price.cost(&text, STANDARD).total <= worst);
    }
}
