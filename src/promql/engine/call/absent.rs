//! `absent` and `absent_over_time`.

use std::collections::BTreeMap;

use super::super::{
    EvalError, Steps,
    evaluate::{Evaluated, Evaluator},
    matching::NAME,
    plan::{CallNode, Node, NodeKind},
    table::{Row, Table},
};
use crate::{
    labels::{LabelSet, MatchOp, Matcher},
    promql::STALE,
};

impl Evaluator<'_> {
    pub(super) fn absent(&mut self, call: &CallNode, steps: Steps) -> Result<Evaluated, EvalError> {
        let table = self.arg(call, 0, steps)?.vector()?;
        let Some(arg) = call.args.first() else {
            return Ok(Evaluated::Vector(table));
        };
        let mut table = turned(&table, arg, steps);
        for row in &mut table.rows {
            row.drop_name = false;
        }
        Ok(Evaluated::Vector(table))
    }
}

/// 1 at the steps at which no row has a value.
pub(super) fn turned(table: &Table, arg: &Node, steps: Steps) -> Table {
    let absent = |step: usize| !(0..table.len()).any(|row| table.present(row, step));
    let values: Vec<f64> = (0..steps.count())
        .map(|step| if absent(step) { 1.0 } else { STALE })
        .collect();
    let mut result = Table::with_capacity(steps.count(), 1);
    let row = Row {
        labels: labels_of(arg),
        drop_name: true,
    };
    result.push_floats(row, values);
    result.drop_empty_rows();
    result
}

/// What a selector says of the labels of a series that is not there: those that are to be equal to one value.
fn labels_of(arg: &Node) -> LabelSet {
    let matchers: &[Matcher] = match &arg.kind {
        NodeKind::Instant(instant) => &instant.matchers,
        NodeKind::Range(range) => &range.matchers,
        NodeKind::Invariant(inner) => return labels_of(inner),
        _ => &[],
    };
    absent_labels(matchers)
}

/// The labels that `absent` of a selector yields.
pub(crate) fn absent_labels(matchers: &[Matcher]) -> LabelSet {
    let mut labels: BTreeMap<&str, &str> = BTreeMap::new();
    let mut seen: Vec<&str> = Vec::new();
    for matcher in matchers.iter().filter(|matcher| matcher.name() != NAME) {
        if matcher.op() == MatchOp::Equal && !seen.contains(&matcher.name()) {
            labels.insert(matcher.name(), matcher.value());
            seen.push(matcher.name());
        } else {
            labels.remove(matcher.name());
        }
    }
    LabelSet::from_pairs(labels.into_iter().filter(|(_, value)| !value.is_empty()))
}
