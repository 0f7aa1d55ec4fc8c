//! What is taken off what a provider charges, and put on it.

use super::cost::Cost;
use crate::vocabulary::PicoUsd;

/// The whole, in the units of a part: parts are as exact as money is.
const WHOLE: i128 = PicoUsd::dollars(1).0;

/// A discount, then a margin. Parts are of 10^12, so that none is a float.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adjustment {
    /// The part that is taken off, up to all of it.
    pub discount: PicoUsd,
    /// The part of the rest that is put on.
    pub margin: PicoUsd,
    /// What is put on each request beside.
    pub fixed: PicoUsd,
}

impl Adjustment {
    /// Whether it changes nothing.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// An amount with discount and margin, rounded up to whole pico-dollars.
    fn scaled(&self, amount: PicoUsd) -> PicoUsd {
        let kept = part(amount, WHOLE.saturating_sub(self.discount.0).max(0));
        part(kept, WHOLE.saturating_add(self.margin.0))
    }

    /// A cost as it is charged: its parts scaled, the fixed amount with the prompt.
    pub fn of(&self, cost: Cost) -> Cost {
        if self.is_none() {
            return cost;
        }
        let (input, output) = (self.scaled(cost.input).plus(self.fixed), self.scaled(cost.output));
        Cost {
            total: input.plus(output),
            input,
            output,
            cache_read: self.scaled(cost.cache_read),
            cache_write: self.scaled(cost.cache_write),
            reasoning: self.scaled(cost.reasoning),
        }
    }

    /// The most that a cost of at most this is charged as. Both sides of a cost are rounded by themselves, twice each, and the
    /// margin is put on what the first rounding added, too.
    pub fn most(&self, worst: PicoUsd) -> PicoUsd {
        if self.is_none() {
            return worst;
        }
        let rounding = PicoUsd(self.margin.0.div_euclid(WHOLE).saturating_add(3)).times(2);
        self.scaled(worst).plus(self.fixed).plus(rounding)
    }
}

/// So many of 10^12 parts of an amount, rounded up. Taken apart first: the product may not fit.
fn part(amount: PicoUsd, parts: i128) -> PicoUsd {
    let (whole, rest) = (amount.0.div_euclid(WHOLE), amount.0.rem_euclid(WHOLE));
    let rest = rest.saturating_mul(parts).saturating_add(WHOLE - 1).div_euclid(WHOLE);
    PicoUsd(whole.saturating_mul(parts).saturating_add(rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn dollars(text: &str) -> PicoUsd {
        PicoUsd::parse(text).unwrap()
    }

    fn cost(input: &str, output: &str) -> Cost {
        let (input, output) = (dollars(input), dollars(output));
        Cost { total: input.plus(output), input, output, ..Cost::default() }
    }

    #[test]
    fn a_discount_comes_before_the_margin() {
        let adjustment = Adjustment { discount: dollars("0.08"), margin: dollars("0.1"), fixed: dollars("0.0005") };
        let charged = adjustment.of(cost("0.01", "0.02"));
        assert_eq!(charged.total, dollars("0.03086"));
        assert_eq!((charged.input, charged.output), (dollars("0.01062"), dollars("0.02024")));
        assert_eq!(Adjustment::default().of(cost("1", "2")), cost("1", "2"));
        assert_eq!(
            Adjustment { discount: dollars("1"), ..Adjustment::default() }.of(cost("1", "2")).total,
            PicoUsd::ZERO
        );
    }

    #[test]
    fn what_does_not_come_out_even_is_rounded_up() {
        let adjustment = Adjustment { margin: dollars("0.05"), ..Adjustment::default() };
        assert_eq!(adjustment.scaled(PicoUsd(1)), PicoUsd(2));
        assert_eq!(adjustment.scaled(PicoUsd(20)), PicoUsd(21));
    }

    proptest! {
        #[test]
        fn no_cost_is_charged_above_the_most(
            input in 0_i128..i128::MAX / 4, output in 0_i128..i128::MAX / 4, spare in 0_i128..1_000_000,
            discount in 0_i128..=WHOLE, margin in 0_i128..10 * WHOLE, fixed in 0_i128..WHOLE,
        ) {
            let adjustment =
                Adjustment { discount: PicoUsd(discount), margin: PicoUsd(margin), fixed: PicoUsd(fixed) };
            let total = PicoUsd(input + output);
            let (input, output) = (PicoUsd(input), PicoUsd(output));
            let charged = adjustment.of(Cost { total, input, output, ..Cost::default() });
            prop_assert_eq!(charged.total, charged.input.plus(charged.output));
            prop_assert!(charged.total <= adjustment.most(total.plus(PicoUsd(spare))));
        }
    }
}
