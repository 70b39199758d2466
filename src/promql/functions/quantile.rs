//! Quantiles of numbers (`promql/quantile.go`, `quantile`).

use std::cmp::Ordering;

/// The quantile `q` of numbers, interpolated between the two next to its rank; NaN counts as the smallest number.
/// Below 0 it is -Inf, above 1 it is +Inf; of nothing, or if `q` is NaN, it is NaN. The numbers are reordered.
#[must_use]
pub fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let last = (values.len() - 1) as f64;
    let rank = q * last;
    let lower = rank.floor().max(0.0);
    let weight = rank - rank.floor();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "between 0 and the last place"
    )]
    let at = lower as usize;
    let (_, low, above) = values.select_nth_unstable_by(at, ascending);
    let low = *low;
    let high = above.iter().copied().min_by(ascending).unwrap_or(low);
    low * (1.0 - weight) + high * weight
}

/// The order of numbers in which NaN comes first.
fn ascending(left: &f64, right: &f64) -> Ordering {
    let nan_first = right.is_nan().cmp(&left.is_nan());
    left.partial_cmp(right).unwrap_or(nan_first)
}

/// Calls `use_copy` with a copy of the values that it may reorder; few values are copied to the stack.
pub(super) fn with_copy<T>(values: &[f64], use_copy: impl FnOnce(&mut [f64]) -> T) -> T {
    let mut few = [0.0; 128];
    if let Some(room) = few.get_mut(..values.len()) {
        room.copy_from_slice(values);
        use_copy(room)
    } else {
        use_copy(&mut values.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(q: f64, values: &[f64]) -> f64 {
        with_copy(values, |values| quantile(q, values))
    }

    #[test]
    fn quantiles_interpolate_between_neighbours() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let cases: &[(f64, &[f64], f64)] = &[
            (0.0, &[3.0, 1.0, 2.0], 1.0),
            (0.5, &[3.0, 1.0, 2.0], 2.0),
            (0.75, &[0.0, 1.0, 2.0, 3.0], 2.25),
            (1.0, &[3.0, 1.0, 2.0], 3.0),
            (0.8, &[10.0, 0.0], 8.0),
            (0.5, &[7.0], 7.0),
            (-0.1, &[1.0], -inf),
            (1.1, &[1.0], inf),
            (nan, &[1.0], nan),
            (0.5, &[], nan),
            (1.0, &[nan, 1.0], 1.0),
            (0.5, &[1.0, nan, 3.0], 1.0),
            (0.0, &[1.0, nan], nan),
            // The other neighbour counts with weight 0, and 0 * Inf is NaN.
            (0.0, &[1.0, inf], nan),
            (1.0, &[1.0, inf], nan),
            (0.5, &[1.0, inf], inf),
        ];
        for (q, values, expected) in cases {
            let got = of(*q, values);
            assert!(
                got == *expected || got.is_nan() && expected.is_nan(),
                "{q} of {values:?}: {got}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn selecting_is_sorting(values in proptest::collection::vec(-9i32..9, 1..300), q in 0.0..=1.0f64) {
            let mut sorted: Vec<f64> = values.iter().copied().map(f64::from).collect();
            let got = of(q, &sorted);
            sorted.sort_by(ascending);
            let rank = q * (sorted.len() - 1) as f64;
            let low = (0..sorted.len()).rfind(|at| *at as f64 <= rank).unwrap_or(0);
            let high = (low + 1).min(sorted.len() - 1);
            let weight = rank - rank.floor();
            proptest::prop_assert_eq!(got, sorted[low] * (1.0 - weight) + sorted[high] * weight);
        }
    }
}
