//! Money in whole pico-dollars: every published price per token is a whole number of them.

use std::fmt;
use std::iter::Sum;

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::digits;

/// An amount of US dollars in units of 10^-12. Arithmetic saturates at the ends of `i128`, which no sum of
/// real prices reaches (1.7 x 10^26 dollars).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PicoUsd(pub i128);

const PICO: i128 = 1_000_000_000_000;

impl PicoUsd {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// More than any account can hold.
    pub const MAX: Self = Self(i128::MAX);

    /// Whole dollars.
    pub const fn dollars(dollars: i64) -> Self {
        Self(dollars as i128 * PICO)
    }

    /// What xAI counts costs in: ten billion of them are a dollar.
    pub const fn ticks(ticks: u64) -> Self {
        Self(ticks as i128 * 100)
    }

    /// Reads a decimal number of dollars exactly, e.g. `25`, `0.0000025`, `2.5e-06`, `-1`.
    ///
    /// Digits beyond 10^-12 are rounded up in magnitude, so that a price is never understated.
    ///
    /// # Errors
    /// Not a finite decimal number, or out of range.
    pub fn parse(text: &str) -> Result<Self, BadMoney> {
        parse(text).ok_or_else(|| BadMoney { found: text.chars().take(40).collect() })
    }

    /// `self + other`, stopping at the ends of the range.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// `self - other`, stopping at the ends of the range. May be negative.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// This price, `count` times.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count as i128))
    }

    /// Appends dollars exactly, without trailing zeros: `0.0000025`, `25`, `-1.5`.
    pub fn push_to(self, out: &mut String) {
        let magnitude = self.0.unsigned_abs();
        if self.0 < 0 {
            out.push('-');
        }
        // All that is not astronomical fits into a word, whose division is one instruction.
        let fraction = match u64::try_from(magnitude) {
            Ok(magnitude) => {
                digits::push(out, magnitude / PICO as u64);
                magnitude % PICO as u64
            }
            Err(_) => {
                digits::push(out, magnitude / PICO.unsigned_abs());
                (magnitude % PICO.unsigned_abs()) as u64
            }
        };
        if fraction > 0 {
            out.push('.');
            digits::push_padded(out, fraction, 12);
            out.truncate(out.trim_end_matches('0').len());
        }
    }

    /// Dollars as a float, for metrics and headers only.
    pub fn to_dollars(self) -> f64 {
        self.0 as f64 / PICO as f64
    }
}

fn parse(text: &str) -> Option<PicoUsd> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() || mantissa.len() > 60 || !(-60..=60).contains(&exponent) {
        return None;
    }
    let mut value: i128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(i128::from(digit - b'0'))?;
    }
    let scale = 12 + exponent - i32::try_from(fraction.len()).ok()?;
    let pico = scale_by_ten(value, scale)?;
    Some(PicoUsd(if negative { -pico } else { pico }))
}

fn scale_by_ten(value: i128, scale: i32) -> Option<i128> {
    if value == 0 {
        return Some(0);
    }
    let factor = 10_i128.checked_pow(scale.unsigned_abs());
    if scale >= 0 {
        return value.checked_mul(factor?);
    }
    let Some(factor) = factor else { return Some(1) };
    Some(value / factor + i128::from(value % factor != 0))
}

impl Sum for PicoUsd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Self::plus)
    }
}

/// Prints dollars exactly, without trailing zeros: `0.0000025`, `25`, `-1.5`.
impl fmt::Display for PicoUsd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.push_to(&mut text);
        out.write_str(&text)
    }
}

/// Written as a JSON number of dollars.
impl Serialize for PicoUsd {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(self.to_dollars())
    }
}

/// Read from a JSON number of dollars, as exactly as it is written with up to 17 digits, or from a text with one.
impl<'de> Deserialize<'de> for PicoUsd {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Dollars;
        impl Visitor<'_> for Dollars {
            type Value = PicoUsd;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a number of dollars")
            }

            fn visit_u64<E: de::Error>(self, dollars: u64) -> Result<PicoUsd, E> {
                self.visit_str(&dollars.to_string())
            }

            fn visit_i64<E: de::Error>(self, dollars: i64) -> Result<PicoUsd, E> {
                self.visit_str(&dollars.to_string())
            }

            fn visit_f64<E: de::Error>(self, dollars: f64) -> Result<PicoUsd, E> {
                // The shortest text that means this float is the one that was written.
                self.visit_str(&format!("{dollars:e}"))
            }

            fn visit_str<E: de::Error>(self, dollars: &str) -> Result<PicoUsd, E> {
                PicoUsd::parse(dollars).map_err(E::custom)
            }
        }
        from.deserialize_any(Dollars)
    }
}

/// A text that is not an amount of dollars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadMoney {
    found: String,
}

impl fmt::Display for BadMoney {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "expected dollars like 25.00 or 2.5e-06, found {:?}", self.found)
    }
}

impl std::error::Error for BadMoney {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_and_printed_exactly() {
        for (text, pico, shown) in [
            ("25", 25 * PICO, "25"),
            ("2.5e-06", 2_500_000, "0.0000025"),
            ("0.000000000001", 1, "0.000000000001"),
            ("1e-13", 1, "0.000000000001"),
            ("-1.50", -3 * PICO / 2, "-1.5"),
            (".5", PICO / 2, "0.5"),
            ("0", 0, "0"),
            ("1e6", 1_000_000 * PICO, "1000000"),
        ] {
            let money = PicoUsd::parse(text).unwrap();
            assert_eq!((money.0, money.to_string().as_str()), (pico, shown), "{text}");
        }
    }

    #[test]
    fn what_is_not_an_amount_is_refused() {
        for text in ["", "25,00", "1e", "nan", "inf", "1.2.3", "$1", "1e999", "--1", "1_000", "."] {
            assert!(PicoUsd::parse(text).is_err(), "{text}");
        }
    }
}
