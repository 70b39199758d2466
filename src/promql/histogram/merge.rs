//! Adding the buckets of one sign to those of another histogram.

use super::{
    Buckets,
    cell::Cell,
    spans::{Indexed, Layout},
};

impl<C: Cell> Buckets<C> {
    /// Adds buckets of the same schema; those that were missing come into being.
    ///
    /// The first `skipped` of the others are left out: they are in the zero bucket.
    pub(super) fn merge<D>(&mut self, other: &Buckets<D>, skipped: usize, sign: f64)
    where
        D: Copy + Into<C>,
    {
        if skipped == 0 && self.spans == other.spans {
            for (own, cell) in self.counts.iter_mut().zip(&other.counts) {
                own.join((*cell).into().times(sign));
            }
            return;
        }
        let mut rest = (other.indexed())
            .skip(skipped)
            .map(|(index, cell)| (index, cell.into().times(sign)));
        if let Some(missing) = self.merge_into_existing(&mut rest) {
            self.merge_with_new(std::iter::once(missing).chain(rest));
        }
    }

    /// Adds buckets to those that exist, up to the first that is missing; returns that.
    fn merge_into_existing(
        &mut self,
        other: &mut impl Iterator<Item = (i64, C)>,
    ) -> Option<(i64, C)> {
        let mut spans = self.spans.iter();
        let (mut start, mut length, mut place) = (0, 0, 0);
        for (index, cell) in other {
            while index >= start + length {
                let Some(span) = spans.next() else {
                    return Some((index, cell));
                };
                place += length;
                start += length + i64::from(span.offset);
                length = i64::from(span.length);
            }
            let own = usize::try_from(place + (index - start))
                .ok()
                .filter(|_| index >= start)
                .and_then(|place| self.counts.get_mut(place));
            match own {
                Some(own) => own.join(cell),
                None => return Some((index, cell)),
            }
        }
        None
    }

    /// A new bucket extends the span before it, else the span behind it if they touch, else it is a span of its own.
    fn merge_with_new(&mut self, other: impl Iterator<Item = (i64, C)>) {
        let mut other = other.peekable();
        let mut merged = Layout::with_capacity(self.spans.len() + 2, self.counts.len() + 8);
        let mut own = Indexed::new(&self.spans, &self.counts);
        loop {
            let starts_span = own.starts_span();
            let Some((index, mut cell)) = own.next() else {
                break;
            };
            let mut joined = false;
            while let Some((at, new)) = other.next_if(|(at, _)| *at < index) {
                joined = merged.end() != Some(at) && at + 1 == index;
                merged.push(at, new);
            }
            while let Some((_, new)) = other.next_if(|(at, _)| *at == index) {
                cell.join(new);
            }
            if starts_span && !joined {
                merged.push_in_new_span(index, cell);
            } else {
                merged.push(index, cell);
            }
        }
        for (at, new) in other {
            merged.push(at, new);
        }
        (self.spans, self.counts) = merged.into_parts();
    }
}
