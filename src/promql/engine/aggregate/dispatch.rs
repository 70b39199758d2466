//! Which rows are aggregated together, and by what.

use super::{
    super::{
        EvalError, Steps,
        evaluate::{Evaluated, Evaluator},
        matching::{NAME, Signatures},
        plan::{AggregateNode, Node, NodeKind},
        table::{Row, Table},
    },
    floats,
};
use crate::{
    labels::LabelSet,
    promql::{
        ast::AggregateOp,
        functions::{check_quantile, quantile},
        is_stale,
    },
};

/// Which rows are aggregated together.
pub(super) struct Groups {
    /// The group of each row.
    pub(super) of: Vec<usize>,
    /// The head of each group's result.
    pub(super) heads: Vec<Row>,
}

impl Groups {
    fn new(table: &Table, grouping: &[String], without: bool) -> Self {
        let mut signatures = Signatures::new(grouping, !without);
        let mut groups = Self {
            of: Vec::with_capacity(table.len()),
            heads: Vec::new(),
        };
        for row in &table.rows {
            let (group, new) = signatures.number(&row.labels);
            if new {
                groups.heads.push(Row {
                    labels: group_labels(&row.labels, grouping, without),
                    drop_name: false,
                });
            }
            if let Some(head) = groups.heads.get_mut(group) {
                head.drop_name |= row.drop_name;
            }
            groups.of.push(group);
        }
        groups
    }

    pub(super) fn len(&self) -> usize {
        self.heads.len()
    }

    /// The rows of each group.
    pub(super) fn members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.len()];
        for (row, group) in self.of.iter().enumerate() {
            if let Some(rows) = members.get_mut(*group) {
                rows.push(row);
            }
        }
        members
    }
}

pub(super) fn group_labels(labels: &LabelSet, grouping: &[String], without: bool) -> LabelSet {
    labels.filter_pairs(|name, _| {
        let listed = grouping.iter().any(|label| label == name);
        if without {
            !listed && name != NAME
        } else {
            listed
        }
    })
}

impl Evaluator<'_> {
    pub(in super::super) fn aggregate(
        &mut self,
        node: &Node,
        aggregate: &AggregateNode,
        steps: Steps,
    ) -> Result<Evaluated, EvalError> {
        use AggregateOp::{Bottomk, CountValues, LimitRatio, Limitk, Quantile, Topk};
        if aggregate.op == CountValues {
            return self.count_values(aggregate, steps);
        }
        let params = match &aggregate.param {
            Some(param) => self.eval(param, steps)?.scalar()?,
            None => Vec::new(),
        };
        let table = self.eval(&aggregate.expr, steps)?.vector()?;
        let groups = Groups::new(&table, &aggregate.grouping, aggregate.without);
        let table = match aggregate.op {
            Topk | Bottomk | Limitk | LimitRatio => {
                self.largest(node, aggregate, &table, &groups, &params, steps)?
            }
            Quantile => self.quantile(aggregate, &table, groups, &params),
            _ if table.has_histograms() => self.aggregate_points(aggregate, &table, groups),
            op => floats::aggregate(op, &table, groups),
        };
        Ok(Evaluated::Vector(table))
    }

    fn quantile(
        &mut self,
        aggregate: &AggregateNode,
        table: &Table,
        groups: Groups,
        params: &[f64],
    ) -> Table {
        let span = aggregate.param.as_ref().map(|param| param.span);
        self.warn_of_quantiles(span.unwrap_or_default(), params);
        if table.holds_histogram() {
            self.note_ignored("quantile", aggregate.expr.span);
        }
        let members = groups.members();
        let mut result = Table::with_capacity(table.steps(), groups.len());
        let mut values = Vec::new();
        for (head, rows) in groups.heads.into_iter().zip(&members) {
            let at = result.push(head);
            for (step, param) in params.iter().enumerate() {
                values.clear();
                let floats = rows.iter().filter_map(|row| table.floats(*row).get(step));
                values.extend(floats.copied().filter(|float| !is_stale(*float)));
                if values.is_empty() {
                    continue;
                }
                if let Some(place) = result.floats_mut(at).get_mut(step) {
                    *place = quantile(*param, &mut values);
                }
            }
        }
        result.drop_empty_rows();
        result
    }

    /// Warns of the smallest and the largest parameter that is no quantile.
    pub(super) fn warn_of_quantiles(&mut self, span: crate::promql::Span, params: &[f64]) {
        let mut warn = |value: f64| check_quantile(&mut self.notes, value, span);
        if params.iter().any(|param| param.is_nan()) {
            // For Prometheus, the largest and the smallest are no numbers then either.
            return warn(f64::NAN);
        }
        let most = params.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let least = params.iter().copied().fold(f64::INFINITY, f64::min);
        if most > 1.0 {
            warn(most);
        }
        if least < 0.0 {
            warn(least);
        }
    }

    /// Says that histograms are left out.
    pub(super) fn note_ignored(&mut self, op: &str, span: crate::promql::Span) {
        self.notes
            .info(span, format!("ignored histogram in {op} aggregation"));
    }
}

/// A text parameter, which is written in the query itself.
pub(super) fn text(node: Option<&Node>) -> Option<&str> {
    match &node?.kind {
        NodeKind::Text(text) => Some(text),
        _ => None,
    }
}
