//! Histograms with different custom bounds, brought to the bounds that both have.

use std::sync::Arc;

use super::{
    Buckets,
    cell::Cell,
    spans::{Indexed, Layout},
};
use crate::promql::Kahan;

/// The bounds that are in both; both are sorted.
pub(super) fn common_bounds(a: &[f64], b: &[f64]) -> Arc<[f64]> {
    let (mut a, mut b) = (a.iter().copied().peekable(), b.iter().copied().peekable());
    let mut common = Vec::new();
    while let (Some(x), Some(y)) = (a.peek().copied(), b.peek().copied()) {
        if x == y {
            common.push(x);
            a.next();
            b.next();
        } else if x < y {
            a.next();
        } else {
            b.next();
        }
    }
    common.into()
}

/// The buckets of some bounds, all of them, empty at first.
struct Gathered<'a> {
    bounds: &'a [f64],
    sums: Vec<Kahan>,
}

impl Gathered<'_> {
    fn gather<C: Cell>(&mut self, from: &Buckets<C>, from_bounds: &[f64], sign: f64) {
        let mut target = 0;
        for (index, cell) in Indexed::new(&from.spans, &from.counts) {
            let bound = usize::try_from(index)
                .ok()
                .and_then(|index| from_bounds.get(index));
            let place = match bound {
                Some(bound) => {
                    target += (self.bounds.iter().skip(target))
                        .take_while(|upper| *upper < bound)
                        .count();
                    target
                }
                None => self.bounds.len(),
            };
            if let Some(sum) = self.sums.get_mut(place) {
                sum.join(cell.times(sign).to_sum());
            }
        }
    }
}

impl<C: Cell> Buckets<C> {
    /// The sum, or difference, of custom buckets in those of common bounds; empty ones are left out.
    pub(super) fn merge_custom(
        &self,
        own_bounds: &[f64],
        other: &Buckets,
        other_bounds: &[f64],
        sign: f64,
        common: &[f64],
    ) -> Self {
        let mut gathered = Gathered {
            bounds: common,
            sums: vec![Kahan::default(); common.len() + 1],
        };
        gathered.gather(self, own_bounds, 1.0);
        gathered.gather(other, other_bounds, sign);
        let mut layout = Layout::with_capacity(1, gathered.sums.len());
        for (index, sum) in (0..).zip(gathered.sums) {
            if !Cell::is_empty(&sum) {
                layout.push(index, C::from_sum(sum));
            }
        }
        let (spans, counts) = layout.into_parts();
        Self { spans, counts }
    }
}
