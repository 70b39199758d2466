//! `count_values`: how many elements of a group have each value.

use std::collections::hash_map::Entry;

use super::text;
use crate::{
    labels::LabelSet,
    promql::{
        Point,
        engine::{
            EvalError, Steps,
            evaluate::{Evaluated, Evaluator},
            matching::{NAME, is_label_name, with_label},
            plan::AggregateNode,
            table::{Row, Table},
        },
        functions::go_float,
        hash::FastMap,
        text::quote,
    },
};

impl Evaluator<'_> {
    pub(super) fn count_values(
        &mut self,
        aggregate: &AggregateNode,
        steps: Steps,
    ) -> Result<Evaluated, EvalError> {
        let label = text(aggregate.param.as_ref()).unwrap_or_default();
        if !is_label_name(label) {
            let label = quote(label);
            return Err(EvalError::failed(format!("invalid label name {label}")));
        }
        let table = self.eval(&aggregate.expr, steps)?.vector()?;
        let names = |name: &str| aggregate.grouping.iter().any(|other| other == name);
        // A label that is taken away tells no values apart.
        let told = !aggregate.without || !names(label) && label != NAME;
        let mut bases: FastMap<LabelSet, usize> = FastMap::default();
        let mut places: FastMap<(usize, Counted), usize> = FastMap::default();
        let mut counts: Vec<(LabelSet, Vec<f64>)> = Vec::new();
        let room = self.room();
        for (row, head) in table.rows.iter().enumerate() {
            self.go_on()?;
            let base = super::group_labels(&head.labels, &aggregate.grouping, aggregate.without);
            let base = base.filter_pairs(|name, _| name != label);
            let known = bases.len();
            let group = *bases.entry(base.clone()).or_insert(known);
            for step in 0..table.steps() {
                let Some(point) = table.point(row, step) else {
                    continue;
                };
                let value = match told {
                    true => Counted::of(&point),
                    false => Counted::Any,
                };
                let place = match places.entry((group, value)) {
                    Entry::Occupied(entry) => *entry.get(),
                    Entry::Vacant(entry) => {
                        room.check(counts.len() + 1, table.steps())?;
                        let value = text_of(point);
                        self.take_text(value.len())?;
                        let labels = match told {
                            true => with_label(&base, label, &value),
                            false => base.clone(),
                        };
                        counts.push((labels, vec![0.0; table.steps()]));
                        *entry.insert(counts.len() - 1)
                    }
                };
                let counts = counts.get_mut(place);
                if let Some(count) = counts.and_then(|(_, counts)| counts.get_mut(step)) {
                    *count += 1.0;
                }
            }
        }
        if table.steps() == 1 {
            counts.sort_by(|(a, _), (b, _)| a.iter().cmp(b.iter()));
        }
        let mut result = Table::with_capacity(table.steps(), counts.len());
        for (labels, counts) in counts {
            let row = Row {
                labels,
                drop_name: false,
            };
            let present = |count: f64| {
                if count > 0.0 {
                    count
                } else {
                    crate::promql::STALE
                }
            };
            result.push_floats(row, counts.into_iter().map(present));
        }
        Ok(Evaluated::Vector(result))
    }
}

/// What is counted.
#[derive(PartialEq, Eq, Hash)]
enum Counted {
    /// The bits of a number, of which no other has the same text.
    Float(u64),
    /// The text of a histogram.
    Histogram(String),
    /// Whatever it is.
    Any,
}

impl Counted {
    fn of(point: &Point) -> Self {
        match point {
            Point::Float(float) if float.is_nan() => Self::Float(f64::NAN.to_bits()),
            Point::Float(float) => Self::Float(float.to_bits()),
            Point::Histogram(histogram) => Self::Histogram(histogram.to_string()),
        }
    }
}

fn text_of(point: Point) -> String {
    match point {
        Point::Float(float) => go_float(float),
        Point::Histogram(histogram) => histogram.to_string(),
    }
}
