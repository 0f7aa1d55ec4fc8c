//! Money in columns: SQLite's integers have 64 bits, a sum of pico-dollars needs more.

use crate::vocabulary::PicoUsd;

const PICO_PER_MICRO: i128 = 1_000_000;

/// Whole millionths of a dollar, and the pico-dollars beyond: each column can be summed over more rows than a disk holds,
/// and the two sums together are exact.
pub(super) fn split(amount: PicoUsd) -> (i64, i64) {
    let micro = amount.0.div_euclid(PICO_PER_MICRO);
    let pico = amount.0.rem_euclid(PICO_PER_MICRO);
    // Beyond 9 x 10^12 dollars it stops.
    let end = if micro < 0 { i64::MIN } else { i64::MAX };
    (i64::try_from(micro).unwrap_or(end), i64::try_from(pico).unwrap_or(0))
}

/// The amount of two columns, or of their sums.
pub(super) fn join(micro: i64, pico: i64) -> PicoUsd {
    PicoUsd(i128::from(micro) * PICO_PER_MICRO + i128::from(pico))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sums_of_columns_are_exact(amounts in prop::collection::vec(any::<i64>(), 0..50)) {
            let columns: Vec<_> = amounts.iter().map(|amount| split(PicoUsd(i128::from(*amount)))).collect();
            let micro = columns.iter().map(|column| column.0).sum();
            let pico = columns.iter().map(|column| column.1).sum();
            prop_assert_eq!(join(micro, pico).0, amounts.iter().map(|amount| i128::from(*amount)).sum::<i128>());
        }
    }
}
