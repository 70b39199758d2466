//! `count_values`: how many elements of a group have each value.

use std::collections::{BTreeMap, btree_map::Entry};

use super::text;
use crate::{
    labels::LabelSet,
    promql::{
        Point,
        engine::{
            EvalError, Steps,
            evaluate::{Evaluated, Evaluator},
            matching::{is_label_name, with_label},
            plan::AggregateNode,
            table::{Row, Table},
        },
        functions::go_float,
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
        let mut grouping = aggregate.grouping.clone();
        if !aggregate.without {
            grouping.push(label.to_owned());
        }
        let mut counts: BTreeMap<LabelKey, Vec<f64>> = BTreeMap::new();
        let mut distinct = 0;
        let room = self.room();
        for (row, head) in table.rows.iter().enumerate() {
            self.go_on()?;
            for step in 0..table.steps() {
                let Some(point) = table.point(row, step) else {
                    continue;
                };
                let value = match point {
                    Point::Float(float) => go_float(float),
                    Point::Histogram(histogram) => histogram.to_string(),
                };
                let labels = with_label(&head.labels, label, &value);
                let labels = super::group_labels(&labels, &grouping, aggregate.without);
                let counts = match counts.entry(LabelKey(labels)) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => {
                        room.check(distinct + 1, table.steps())?;
                        self.take_text(value.len())?;
                        distinct += 1;
                        entry.insert(vec![0.0; table.steps()])
                    }
                };
                if let Some(count) = counts.get_mut(step) {
                    *count += 1.0;
                }
            }
        }
        let mut result = Table::with_capacity(table.steps(), counts.len());
        for (LabelKey(labels), counts) in counts {
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

/// Orders label sets pair by pair.
#[derive(PartialEq, Eq)]
struct LabelKey(LabelSet);

impl Ord for LabelKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.iter().cmp(other.0.iter())
    }
}

impl PartialOrd for LabelKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
