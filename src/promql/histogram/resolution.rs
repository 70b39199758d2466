//! Fewer and wider buckets.

use thiserror::Error;

use super::{
    Buckets, CUSTOM_BUCKETS_SCHEMA, FloatHistogram,
    bounds::reduced,
    cell::Cell,
    spans::{Indexed, Layout},
};

/// Why the resolution of a histogram cannot be reduced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CannotReduce {
    /// Custom buckets have no resolution.
    #[error("cannot reduce resolution when there are custom buckets")]
    Custom,
    /// Exponential buckets do not fall into custom ones.
    #[error("cannot reduce resolution to custom buckets schema")]
    ToCustom,
    /// It would be a higher resolution, or the same.
    #[error("cannot reduce resolution from schema {from} to {to}")]
    NotLower {
        /// The schema it has.
        from: i32,
        /// The schema it should have.
        to: i32,
    },
}

impl FloatHistogram {
    /// Joins buckets until they are those of a lower schema.
    ///
    /// # Errors
    ///
    /// If the schema is not lower, or one of both is custom.
    pub fn reduce_resolution(&mut self, schema: i32) -> Result<(), CannotReduce> {
        if self.is_custom() {
            return Err(CannotReduce::Custom);
        }
        if schema == CUSTOM_BUCKETS_SCHEMA {
            return Err(CannotReduce::ToCustom);
        }
        if schema >= self.schema {
            return Err(CannotReduce::NotLower {
                from: self.schema,
                to: schema,
            });
        }
        self.positive = self.positive.reduced(self.schema, schema);
        self.negative = self.negative.reduced(self.schema, schema);
        self.schema = schema;
        Ok(())
    }
}

impl<C: Cell> Buckets<C> {
    /// The same observations in the buckets of a lower schema.
    pub(super) fn reduced<D: Cell + From<C>>(&self, from: i32, to: i32) -> Buckets<D> {
        let mut layout = Layout::with_capacity(self.spans.len(), self.counts.len() / 2 + 1);
        for (index, cell) in Indexed::new(&self.spans, &self.counts) {
            let target = reduced(index, from, to);
            match layout.last_mut_at(target) {
                Some(last) => D::join(last, cell.into()),
                None => layout.push(target, cell.into()),
            }
        }
        let (spans, counts) = layout.into_parts();
        Buckets { spans, counts }
    }
}

/// The buckets of a lower schema one by one, their contents added up.
pub(super) fn folded(
    mut cells: Indexed<'_, f64>,
    from: i32,
    to: i32,
) -> impl Iterator<Item = (i64, f64)> {
    let mut next = cells.next();
    std::iter::from_fn(move || {
        let (index, mut sum) = next?;
        let target = reduced(index, from, to);
        loop {
            next = cells.next();
            match next {
                Some((index, count)) if reduced(index, from, to) == target => sum += count,
                _ => return Some((target, sum)),
            }
        }
    })
}
