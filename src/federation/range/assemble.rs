//! Parts of a query as one result.

use std::sync::Arc;

use super::{
    block::{Block, by_labels, place_of},
    query::{Gap, RangeQuery},
};
use crate::{
    labels::LabelSet,
    promql::{Annotations, FastMap, Series, Value, engine::Output},
};

/// A part of a result, in the order of time.
#[derive(Clone, Debug)]
pub enum Part {
    /// The steps of a block.
    Kept(Arc<Block>, Gap),
    /// What was asked just now.
    Asked(Output),
}

/// The result of a query whose parts these are.
#[must_use]
pub fn assemble(query: &RangeQuery, parts: Vec<Part>) -> Output {
    let parts = match <[Part; 1]>::try_from(parts) {
        Ok([Part::Asked(output)]) => return output,
        Ok(part) => Vec::from(part),
        Err(parts) => parts,
    };
    let mut all = All::default();
    let mut annotations = Annotations::default();
    for part in parts {
        match part {
            Part::Kept(block, gap) => {
                all.add_block(query, &block, gap);
                annotations.merge(block.notes.clone());
            }
            Part::Asked(output) => {
                if let Value::Matrix(series) = output.value {
                    all.add_series(series);
                }
                annotations.merge(output.annotations);
            }
        }
    }
    let mut series = all.series;
    if !series.is_sorted_by(|a, b| by_labels(&a.labels, &b.labels).is_lt()) {
        series.sort_by(|a, b| by_labels(&a.labels, &b.labels));
    }
    Output {
        value: Value::Matrix(series),
        annotations,
    }
}

/// The series so far.
#[derive(Default)]
struct All {
    series: Vec<Series>,
    places: FastMap<LabelSet, usize>,
}

impl All {
    fn add_block(&mut self, query: &RangeQuery, block: &Block, gap: Gap) {
        let start = gap.first - i64::from(place_of(gap.first));
        let places = (place_of(gap.first), place_of(gap.last));
        let time = |place: u8| query.time(start + i64::from(place));
        let rows = block.rows.iter().filter(|row| row.has(places));
        for (at, row) in rows.enumerate() {
            let place = self.place_of(&row.labels, at);
            let Some(series) = self.series.get_mut(place) else {
                continue;
            };
            row.floats.append_to(&mut series.floats, places, time);
            row.histograms
                .append_to(&mut series.histograms, places, time);
        }
    }

    fn add_series(&mut self, more: Vec<Series>) {
        for (at, one) in more.into_iter().enumerate() {
            let place = self.place_of(&one.labels, at);
            let Some(series) = self.series.get_mut(place) else {
                continue;
            };
            series.floats.times.extend(one.floats.times);
            series.floats.values.extend(one.floats.values);
            series.histograms.times.extend(one.histograms.times);
            series.histograms.values.extend(one.histograms.values);
        }
    }

    /// The series of these labels, which is probably where it was in the part before.
    fn place_of(&mut self, labels: &LabelSet, near: usize) -> usize {
        let is_there = self
            .series
            .get(near)
            .is_some_and(|one| one.labels == *labels);
        if is_there {
            return near;
        }
        let next = self.series.len();
        let place = *self.places.entry(labels.clone()).or_insert(next);
        if place == next {
            self.series.push(Series {
                labels: labels.clone(),
                ..Series::default()
            });
        }
        place
    }
}
