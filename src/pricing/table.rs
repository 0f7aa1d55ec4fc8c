//! The text form of prices: one line per `provider/model`, sorted by bytes, searched in place.
//!
//! ```text
//! openai/gpt-4o <tab> chat <tab> 128000 <tab> 16384 <tab> in=2.5 out=10 cached=1.25 in/priority=4.25
//! ```
//!
//! Prices are dollars per million units: whole pico-dollars per unit have at most six decimals there. Nothing is built
//! at start: a lookup touches a dozen lines of the text.

use std::fmt::{self, Write};

use super::fields;
use super::price::{Limits, Price};
use super::rate::{METERS, Meter, Rate, ServiceTier, TIERS};
use crate::vocabulary::PicoUsd;

const MILLION: u64 = 1_000_000;

/// The price on the line that starts with this key, or nothing.
pub(super) fn find(table: &str, key: &str) -> Option<Price> {
    parse_row(find_line(table, key)?)
}

/// Halves the text, not a list of lines: `low` and `high` are always starts of lines.
fn find_line<'a>(table: &'a str, key: &str) -> Option<&'a str> {
    let (mut low, mut high) = (0, table.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = memchr::memrchr(b'\n', table.as_bytes().get(low..middle)?).map_or(low, |at| low + at + 1);
        let line = table.get(start..)?.lines().next()?;
        let (found, _) = line.split_once('\t').unwrap_or((line, ""));
        match found.as_bytes().cmp(key.as_bytes()) {
            std::cmp::Ordering::Equal => return Some(line),
            std::cmp::Ordering::Less => low = start + line.len() + 1,
            std::cmp::Ordering::Greater => high = start,
        }
    }
    None
}

/// Reads one line; nothing if any column is not what it should be.
pub(super) fn parse_row(line: &str) -> Option<Price> {
    let mut columns = line.split('\t').skip(1);
    let mode = columns.next().filter(|mode| !mode.is_empty()).map(Into::into);
    let limits =
        Limits { max_input_tokens: parse_limit(columns.next()?)?, max_output_tokens: parse_limit(columns.next()?)? };
    let rates: Option<Vec<Rate>> = columns.next()?.split_ascii_whitespace().map(parse_rate).collect();
    Some(Price::new(rates?, limits, mode))
}

/// None is a mistake; Some(None) is an empty column.
fn parse_limit(column: &str) -> Option<Option<u64>> {
    if column.is_empty() { Some(None) } else { column.parse().ok().map(Some) }
}

fn parse_rate(text: &str) -> Option<Rate> {
    let (name, usd) = text.split_once('=')?;
    let (name, tier) = match name.split_once('/') {
        Some((name, tier)) => (name, TIERS.iter().find(|(_, known)| *known == tier)?.0),
        None => (name, ServiceTier::Standard),
    };
    let (name, above) = match name.split_once('@') {
        Some((name, above)) => (name, fields::parse_count(above)?),
        None => (name, 0),
    };
    let (meter, _) = METERS.iter().find(|(_, known)| *known == name)?;
    Some(Rate { meter: *meter, above, tier, each: per_unit(PicoUsd::parse(usd).ok()?) })
}

/// A millionth, rounded up so that a price is never understated.
fn per_unit(per_million: PicoUsd) -> PicoUsd {
    let million = i128::from(MILLION);
    PicoUsd(per_million.0.div_euclid(million) + i128::from(per_million.0.rem_euclid(million) != 0))
}

/// Writes one line, with its end. The key must hold neither tabs nor line ends.
pub(super) fn print_row(out: &mut String, key: &str, price: &Price) -> fmt::Result {
    write!(out, "{key}\t{}\t", price.mode.as_deref().unwrap_or_default())?;
    print_limit(out, price.limits.max_input_tokens)?;
    print_limit(out, price.limits.max_output_tokens)?;
    for rate in price.rates() {
        write!(out, "{}", meter_name(rate.meter))?;
        if rate.above > 0 {
            write!(out, "@{}", rate.above)?;
        }
        if let Some((_, name)) = TIERS.iter().find(|(tier, _)| *tier == rate.tier) {
            write!(out, "/{name}")?;
        }
        write!(out, "={} ", rate.each.times(MILLION))?;
    }
    out.write_char('\n')
}

fn print_limit(out: &mut String, limit: Option<u64>) -> fmt::Result {
    match limit {
        Some(limit) => write!(out, "{limit}\t"),
        None => out.write_char('\t'),
    }
}

fn meter_name(meter: Meter) -> &'static str {
    METERS.iter().find(|(known, _)| *known == meter).map_or("", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "a/1\tchat\t1\t2\tin=1\nb/2\t\t\t\tin=0.000001 out@200k/flex=2.5\nb/2x\tchat\t\t\tin=3\n";

    #[test]
    fn a_line_is_found_by_its_whole_key_and_no_other() {
        for (key, input) in [("a/1", Some(1_000_000)), ("b/2", Some(1)), ("b/2x", Some(3_000_000)), ("b", None)] {
            let found = find(TABLE, key).map(|price| price.each(Meter::Input, 0, ServiceTier::Standard).0);
            assert_eq!(found, input, "{key}");
        }
        for key in ["", "\n", "a", "a/", "zz", "b/2\t", "~"] {
            assert!(find(TABLE, key).is_none(), "{key:?}");
        }
        assert!(find("", "a").is_none() && find("\n\n", "a").is_none() && find("a", "a").is_none());
    }

    #[test]
    fn what_is_printed_reads_the_same() {
        let price = find(TABLE, "b/2").unwrap();
        let mut printed = String::new();
        print_row(&mut printed, "b/2", &price).unwrap();
        assert_eq!(printed, "b/2\t\t\t\tin=0.000001 out@200000/flex=2.5 \n");
        assert_eq!(find(&printed, "b/2"), Some(price));
    }

    #[test]
    fn a_line_with_a_mistake_is_no_price() {
        for line in ["x", "x\tchat", "x\t\ta\t\t", "x\t\t\t\tin", "x\t\t\t\tin=x", "x\t\t\t\tfoo=1", "x\t\t\t\tin/x=1"]
        {
            assert!(parse_row(line).is_none(), "{line:?}");
        }
    }
}
