use super::*;
use crate::pricing::{Meter, ServiceTier};

fn price(json: &str, key: &str) -> Price {
    table::find(&to_table(json).unwrap(), key).unwrap()
}

fn each(price: &Price, meter: Meter, prompt: u64) -> i128 {
    price.each(meter, prompt, ServiceTier::Standard).0
}

#[test]
fn an_entry_keeps_every_digit_of_every_price() {
    let price = price(
        r#"{"sample_spec": {"input_cost_per_token": "a lot", "max_input_tokens": "many"},
            "m": {"litellm_provider": "openai", "mode": "chat", "max_tokens": 9, "max_input_tokens": 1e3,
                  "input_cost_per_token": 1.23456e-07, "output_cost_per_token": "3e-7", "supports_vision": true,
                  "cache_read_input_token_cost": null, "output_cost_per_token_above_128k_tokens": 0.000001,
                  "search_context_cost_per_query": {"low": 1}}}"#,
        "openai/m",
    );
    assert_eq!(each(&price, Meter::Input, 0), 123_456);
    assert_eq!(each(&price, Meter::CacheRead, 0), 123_456);
    assert_eq!([each(&price, Meter::Output, 0), each(&price, Meter::Output, 128_001)], [300_000, 1_000_000]);
    assert_eq!(price.limits, Limits { max_input_tokens: Some(1000), max_output_tokens: Some(9) });
    assert_eq!(price.mode.as_deref(), Some("chat"));
}

#[test]
fn brackets_by_prompt_size_are_thresholds() {
    let price = price(
        r#"{"p/m": {"litellm_provider": "p", "tiered_pricing": [
            {"range": [0, 32000.0], "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6,
             "cache_read_input_token_cost": 5e-7},
            {"range": [32000.0, 1e6], "input_cost_per_token": 3e-6, "output_cost_per_token": 4e-6}]}}"#,
        "p/m",
    );
    assert_eq!([32_000, 32_001].map(|prompt| each(&price, Meter::Input, prompt)), [1_000_000, 3_000_000]);
    assert_eq!([32_000, 32_001].map(|prompt| each(&price, Meter::Output, prompt)), [2_000_000, 4_000_000]);
    assert_eq!([32_000, 32_001].map(|prompt| each(&price, Meter::CacheRead, prompt)), [500_000, 3_000_000]);
}

#[test]
fn the_name_with_its_provider_in_front_wins_over_the_bare_one() {
    let json = r#"{"azure/m": {"litellm_provider": "azure", "input_cost_per_token": 1e-6},
                   "m": {"litellm_provider": "azure", "input_cost_per_token": 2e-6}}"#;
    assert_eq!(each(&price(json, "azure/m"), Meter::Input, 0), 1_000_000);
}

#[test]
fn an_error_names_the_place_what_was_found_and_what_was_expected() {
    for (json, message) in [
        (
            r#"{"gpt": {"input_cost_per_token": "cheap"}}"#,
            r#"price file: $["gpt"].input_cost_per_token: expected dollars per unit like 2.5e-06, found "cheap""#,
        ),
        (
            r#"{"gpt": {"output_cost_per_token": -1e-6}}"#,
            r#"price file: $["gpt"].output_cost_per_token: expected a price of zero or more, found -1e-6"#,
        ),
        (r#"{"gpt": 5}"#, r#"price file: $["gpt"]: expected an object, found 5"#),
        (
            r#"{"gpt": {"tiered_pricing": [{"range": [0, 9], "input_cost_per_token": []}]}}"#,
            r#"price file: $["gpt"].tiered_pricing.input_cost_per_token: expected dollars per unit like 2.5e-06, found []"#,
        ),
    ] {
        assert_eq!(to_table(json).unwrap_err().to_string(), message);
    }
    for json in ["", "[]", "{", "{} x", r#"{"a\nb": {"input_cost_per_token": 1}}"#] {
        assert!(to_table(json).is_err(), "{json}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = read(Path::new("no/such/prices.json")).unwrap_err();
    assert_eq!(error.place(), "no/such/prices.json");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(json in "\\PC{0,60}|[\\{\\}\\[\\]:,\"a-z0-9_.e-]{0,80}") {
        drop(to_table(&json));
    }
}
