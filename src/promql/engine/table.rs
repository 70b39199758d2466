//! The values of an instant vector at all steps, one row per series.

use std::{collections::hash_map::Entry, sync::Arc};

use super::EvalError;
use crate::{
    labels::LabelSet,
    promql::{FloatHistogram, Point, STALE, hash::FastMap, is_stale},
};

/// What a row belongs to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) labels: LabelSet,
    /// The name will be dropped at the end; until then it can be used.
    pub(super) drop_name: bool,
}

/// A native histogram of a step, if there is one.
pub(super) type Cell = Option<Arc<FloatHistogram>>;

/// Rows of equally many steps in one piece of memory. A step without a value is [`STALE`].
#[derive(Clone, Debug)]
pub(super) struct Table {
    steps: usize,
    pub(super) rows: Vec<Row>,
    floats: Vec<f64>,
    /// Empty while there are no histograms; then as long as `floats`, which is stale where there is one.
    histograms: Vec<Cell>,
}

impl Table {
    pub(super) fn new(steps: usize) -> Self {
        Self::with_capacity(steps, 0)
    }

    pub(super) fn with_capacity(steps: usize, rows: usize) -> Self {
        Self {
            steps,
            rows: Vec::with_capacity(rows),
            floats: Vec::with_capacity(rows.saturating_mul(steps)),
            histograms: Vec::new(),
        }
    }

    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn has_histograms(&self) -> bool {
        !self.histograms.is_empty()
    }

    /// Whether any histogram is left.
    pub(super) fn holds_histogram(&self) -> bool {
        self.histograms.iter().any(Option::is_some)
    }

    /// The floats of a row.
    pub(super) fn floats(&self, row: usize) -> &[f64] {
        let start = row * self.steps;
        self.floats
            .get(start..start + self.steps)
            .unwrap_or_default()
    }

    pub(super) fn floats_mut(&mut self, row: usize) -> &mut [f64] {
        let start = row * self.steps;
        self.floats
            .get_mut(start..start + self.steps)
            .unwrap_or_default()
    }

    /// The histograms of a row; empty if the table has none.
    pub(super) fn histograms(&self, row: usize) -> &[Cell] {
        let start = row * self.steps;
        self.histograms
            .get(start..start + self.steps)
            .unwrap_or_default()
    }

    pub(super) fn histograms_mut(&mut self, row: usize) -> &mut [Cell] {
        let start = row * self.steps;
        self.histograms
            .get_mut(start..start + self.steps)
            .unwrap_or_default()
    }

    /// All floats of all rows.
    pub(super) fn all_floats_mut(&mut self) -> &mut [f64] {
        &mut self.floats
    }

    /// The value of a row at a step.
    pub(super) fn point(&self, row: usize, step: usize) -> Option<Point> {
        let float = *self.floats(row).get(step)?;
        if !is_stale(float) {
            return Some(Point::Float(float));
        }
        let histogram = self.histograms(row).get(step)?.as_ref()?;
        Some(Point::Histogram(Arc::clone(histogram)))
    }

    /// Whether a row has a value at a step.
    pub(super) fn present(&self, row: usize, step: usize) -> bool {
        self.floats(row)
            .get(step)
            .is_some_and(|float| !is_stale(*float))
            || matches!(self.histograms(row).get(step), Some(Some(_)))
    }

    /// Adds a row without values.
    pub(super) fn push(&mut self, row: Row) -> usize {
        self.rows.push(row);
        self.floats.resize(self.rows.len() * self.steps, STALE);
        if !self.histograms.is_empty() {
            self.histograms.resize(self.floats.len(), None);
        }
        self.rows.len() - 1
    }

    /// Adds a row of floats, of which there are as many as steps.
    pub(super) fn push_floats(&mut self, row: Row, floats: impl IntoIterator<Item = f64>) {
        self.rows.push(row);
        self.floats.extend(floats);
        self.floats.resize(self.rows.len() * self.steps, STALE);
        if !self.histograms.is_empty() {
            self.histograms.resize(self.floats.len(), None);
        }
    }

    /// Sets or removes the value of a row at a step.
    pub(super) fn set(&mut self, row: usize, step: usize, point: Option<Point>) {
        match point {
            Some(Point::Histogram(histogram)) => {
                if self.histograms.is_empty() {
                    self.histograms = vec![None; self.floats.len()];
                }
                self.put(row, step, STALE);
                if let Some(cell) = self.histograms_mut(row).get_mut(step) {
                    *cell = Some(histogram);
                }
            }
            Some(Point::Float(float)) => self.set_float(row, step, float),
            None => self.set_float(row, step, STALE),
        }
    }

    fn set_float(&mut self, row: usize, step: usize, float: f64) {
        self.put(row, step, float);
        if let Some(cell) = self.histograms_mut(row).get_mut(step) {
            *cell = None;
        }
    }

    fn put(&mut self, row: usize, step: usize, float: f64) {
        if let Some(place) = self.floats_mut(row).get_mut(step) {
            *place = float;
        }
    }

    /// Removes the last row.
    pub(super) fn pop(&mut self) {
        self.rows.pop();
        self.floats.truncate(self.rows.len() * self.steps);
        if !self.histograms.is_empty() {
            self.histograms.truncate(self.floats.len());
        }
    }

    /// Whether a row has no value at any step.
    pub(super) fn row_is_empty(&self, row: usize) -> bool {
        self.floats(row).iter().all(|float| is_stale(*float))
            && self.histograms(row).iter().all(Option::is_none)
    }

    /// Removes rows without any value.
    pub(super) fn drop_empty_rows(&mut self) {
        let keep: Vec<bool> = (0..self.len()).map(|row| !self.row_is_empty(row)).collect();
        self.keep_rows(&keep);
    }

    /// Keeps the rows for which `keep` holds true.
    pub(super) fn keep_rows(&mut self, keep: &[bool]) {
        if keep.iter().all(|keep| *keep) {
            return;
        }
        let mut to = 0;
        let steps = self.steps;
        for (from, _) in keep.iter().enumerate().filter(|(_, keep)| **keep) {
            if from != to {
                let range = from * steps..(from + 1) * steps;
                self.floats.copy_within(range, to * steps);
                self.rows.swap(from, to);
                if !self.histograms.is_empty() {
                    for step in 0..steps {
                        self.histograms.swap(from * steps + step, to * steps + step);
                    }
                }
            }
            to += 1;
        }
        self.rows.truncate(to);
        self.floats.truncate(to * steps);
        if !self.histograms.is_empty() {
            self.histograms.truncate(to * steps);
        }
    }

    /// Copies a row of another table of as many steps.
    pub(super) fn push_from(&mut self, other: &Self, row: usize) -> usize {
        let Some(head) = other.rows.get(row) else {
            return self.len();
        };
        let at = self.push(head.clone());
        self.copy_row(at, other, row);
        at
    }

    /// Overwrites the values of a row with those of a row of another table.
    pub(super) fn copy_row(&mut self, at: usize, other: &Self, row: usize) {
        self.floats_mut(at).copy_from_slice(other.floats(row));
        if other.has_histograms() {
            if self.histograms.is_empty() {
                self.histograms = vec![None; self.floats.len()];
            }
            self.histograms_mut(at)
                .clone_from_slice(other.histograms(row));
        }
    }

    /// The rows in another order: row `i` becomes that of `order[i]`.
    pub(super) fn reordered(&self, order: &[usize]) -> Self {
        let mut table = Self::with_capacity(self.steps, order.len());
        for row in order {
            table.push_from(self, *row);
        }
        table
    }

    /// The first step of each row for all of so many steps.
    pub(super) fn repeated(&self, steps: usize) -> Self {
        let mut table = Self::with_capacity(steps, self.len());
        for (at, row) in self.rows.iter().enumerate() {
            match self.point(at, 0) {
                Some(Point::Float(float)) => {
                    table.push_floats(row.clone(), std::iter::repeat_n(float, steps));
                }
                Some(Point::Histogram(histogram)) => {
                    let place = table.push(row.clone());
                    for step in 0..steps {
                        let point = Point::Histogram(Arc::clone(&histogram));
                        table.set(place, step, Some(point));
                    }
                }
                None => {}
            }
        }
        table
    }

    /// Samples that it holds; a histogram counts for its size.
    pub(super) fn samples(&self) -> usize {
        let floats = self.floats.iter().filter(|float| !is_stale(**float));
        let histograms = self.histograms.iter().flatten();
        floats.count() + histograms.map(|histogram| histogram.size()).sum::<usize>()
    }

    /// Makes one row of all rows with equal labels.
    ///
    /// # Errors
    /// When two of them have a value at the same step.
    pub(super) fn merge_equal_rows(&mut self) -> Result<(), EvalError> {
        if self.len() < 2 {
            return Ok(());
        }
        let mut first: FastMap<LabelSet, usize> = FastMap::default();
        let mut keep = vec![true; self.len()];
        let labels: Vec<LabelSet> = self.rows.iter().map(|row| row.labels.clone()).collect();
        for (row, labels) in labels.into_iter().enumerate() {
            match first.entry(labels) {
                Entry::Vacant(entry) => {
                    entry.insert(row);
                }
                Entry::Occupied(entry) => {
                    self.merge_row(*entry.get(), row)?;
                    if let Some(keep) = keep.get_mut(row) {
                        *keep = false;
                    }
                }
            }
        }
        self.keep_rows(&keep);
        Ok(())
    }

    fn merge_row(&mut self, into: usize, from: usize) -> Result<(), EvalError> {
        for step in 0..self.steps {
            let Some(point) = self.point(from, step) else {
                continue;
            };
            if self.present(into, step) {
                return Err(EvalError::failed(
                    "vector cannot contain metrics with the same labelset",
                ));
            }
            self.set(into, step, Some(point));
        }
        Ok(())
    }
}
