//! Interleaved rounds: whatever slows the machine down meanwhile slows every variant, and the ratio of one round is of
//! samples that were taken within seconds of each other.

use super::Result;

/// Samples `variants` times in each round, each time in another order, and gives for each round the samples by variant.
///
/// # Errors
/// A sample could not be taken.
pub(super) fn interleave<T>(
    rounds: usize,
    variants: usize,
    mut sample: impl FnMut(usize) -> Result<T>,
) -> Result<Vec<Vec<T>>> {
    (0..rounds)
        .map(|round| {
            let mut taken = Vec::with_capacity(variants);
            for variant in order(round, variants) {
                taken.push((variant, sample(variant)?));
            }
            taken.sort_by_key(|(variant, _)| *variant);
            Ok(taken.into_iter().map(|(_, sample)| sample).collect())
        })
        .collect()
}

/// The variants of a round: turned by one each round, and backwards in every other turn, so that none is always first or
/// always behind the same other. For three variants, six rounds are all six orders.
fn order(round: usize, variants: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..variants).collect();
    if variants == 0 {
        return order;
    }
    order.rotate_left(round % variants);
    if (round / variants) % 2 == 1 {
        order.reverse();
    }
    order
}

/// The middle of what was measured, and how far it is spread.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) lower_quartile: f64,
    pub(super) upper_quartile: f64,
    pub(super) max: f64,
    pub(super) runs: usize,
}

impl Spread {
    /// Of at least one value.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Some(Self {
            median: at(&values, 0.5)?,
            min: *values.first()?,
            lower_quartile: at(&values, 0.25)?,
            upper_quartile: at(&values, 0.75)?,
            max: *values.last()?,
            runs: values.len(),
        })
    }

    /// The value itself, where measuring again gives the same.
    pub(super) const fn exact(value: f64) -> Self {
        Self {
            median: value,
            min: value,
            lower_quartile: value,
            upper_quartile: value,
            max: value,
            runs: 1,
        }
    }
}

/// The value at a part of the sorted values, between two of them where it falls there.
fn at(sorted: &[f64], part: f64) -> Option<f64> {
    let position = part * (sorted.len().checked_sub(1)? as f64);
    let (below, above) = (
        sorted[position.floor() as usize],
        sorted[position.ceil() as usize],
    );
    Some(below + (above - below) * position.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_rounds_of_three_variants_are_all_six_orders() {
        let mut orders: Vec<Vec<usize>> = (0..6).map(|round| order(round, 3)).collect();
        orders.sort();
        orders.dedup();
        assert_eq!(orders.len(), 6);
    }

    #[test]
    fn samples_come_back_by_variant() {
        let rounds = interleave(4, 3, Ok).unwrap();
        assert!(rounds.iter().all(|round| *round == [0, 1, 2]), "{rounds:?}");
    }

    #[test]
    fn a_spread_tells_the_middle_and_the_ends() {
        let spread = Spread::of([4.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!(
            (spread.min, spread.median, spread.max, spread.runs),
            (1.0, 2.5, 4.0, 4)
        );
        assert_eq!((spread.lower_quartile, spread.upper_quartile), (1.75, 3.25));
        assert_eq!(Spread::of([]), None);
    }
}
