//! Leaving out empty buckets.

use super::{
    Buckets, Histogram,
    cell::Cell,
    spans::{Indexed, Layout},
};

/// No schema's buckets for finite numbers are further apart than this.
const WIDEST_GAP: i64 = 1 << 20;

impl<C: Cell> Histogram<C> {
    /// Leaves out empty buckets, but for runs of up to `max_empty` of them between others, which are kept or filled in.
    pub(super) fn compact_cells(&mut self, max_empty: usize) {
        self.positive.compact(max_empty);
        self.negative.compact(max_empty);
    }
}

impl super::FloatHistogram {
    /// Leaves out empty buckets, but for runs of up to `max_empty` of them between others, which are kept or filled in.
    pub fn compact(&mut self, max_empty: usize) -> &mut Self {
        self.compact_cells(max_empty);
        self
    }
}

impl<C: Cell> Buckets<C> {
    fn compact(&mut self, max_empty: usize) {
        let most = i64::try_from(max_empty)
            .unwrap_or(WIDEST_GAP)
            .min(WIDEST_GAP);
        if self.is_compact(most) {
            return;
        }
        let mut kept = Layout::with_capacity(self.spans.len(), self.counts.len());
        for (index, cell) in Indexed::new(&self.spans, &self.counts) {
            if cell.is_empty() {
                continue;
            }
            if let Some(end) = kept.end()
                && (1..=most).contains(&(index - end))
            {
                for gap in end..index {
                    kept.push(gap, C::default());
                }
            }
            kept.push(index, cell);
        }
        (self.spans, self.counts) = kept.into_parts();
    }

    /// Whether there is nothing to do, which is common and cheap to see.
    fn is_compact(&self, most: i64) -> bool {
        let lengths: usize = self.spans.iter().map(|span| span.length as usize).sum();
        lengths == self.counts.len()
            && !self.counts.iter().any(Cell::is_empty)
            && self.spans.iter().all(|span| span.length > 0)
            && (self.spans.iter().skip(1)).all(|span| i64::from(span.offset) > most)
    }
}
