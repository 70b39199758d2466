//! Aggregations of tables in which there are native histograms.

use super::{Groups, floats};
use crate::promql::{
    Annotations, FloatHistogram, Point, Span,
    ast::AggregateOp,
    engine::{evaluate::Evaluator, matching::NAME, plan::AggregateNode, table::Table},
    functions::{HistogramOperation, bounds_reconciled, reset_collision},
    histogram::{HistogramMean, HistogramSum, IncompatibleSchemas, Outcome},
};

/// A sum or mean of histograms.
enum Total {
    Sum(HistogramSum),
    Mean(HistogramMean),
}

impl Total {
    fn new(op: AggregateOp, first: &FloatHistogram) -> Self {
        if op == AggregateOp::Avg {
            Self::Mean(HistogramMean::new(first))
        } else {
            Self::Sum(HistogramSum::new(first))
        }
    }

    fn add(&mut self, other: &FloatHistogram) -> Result<(), IncompatibleSchemas> {
        match self {
            Self::Sum(sum) => sum.add(other),
            Self::Mean(mean) => mean.add(other),
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Sum(sum) => sum.outcome(),
            Self::Mean(mean) => mean.outcome(),
        }
    }

    fn finish(self) -> FloatHistogram {
        match self {
            Self::Sum(sum) => sum.finish(),
            Self::Mean(mean) => mean.finish(),
        }
    }
}

impl Evaluator<'_> {
    /// Aggregates floats and histograms.
    pub(super) fn aggregate_points(
        &mut self,
        aggregate: &AggregateNode,
        table: &Table,
        groups: Groups,
    ) -> Table {
        use AggregateOp::{Avg, Count, Group, Sum};
        match aggregate.op {
            Count | Group => floats::aggregate_present(aggregate.op, table, groups),
            Sum | Avg => self.totals(aggregate, table, groups),
            op => {
                if table.holds_histogram() {
                    self.note_ignored(op.as_str(), aggregate.expr.span);
                }
                floats::aggregate(op, table, groups)
            }
        }
    }

    fn totals(&mut self, aggregate: &AggregateNode, table: &Table, groups: Groups) -> Table {
        let members = groups.members();
        let mut result = floats::aggregate_all(aggregate.op, table, groups);
        let mut work = Work {
            op: aggregate.op,
            table,
            span: aggregate.expr.span,
            notes: &mut self.notes,
        };
        for (group, rows) in members.iter().enumerate() {
            for step in 0..table.steps() {
                let histograms = rows
                    .iter()
                    .any(|row| matches!(table.histograms(*row).get(step), Some(Some(_))));
                if histograms {
                    let point = work.total(rows, step);
                    result.set(group, step, point);
                }
            }
        }
        result.drop_empty_rows();
        result
    }
}

/// Adds up the points of a group at a step.
struct Work<'a> {
    op: AggregateOp,
    table: &'a Table,
    span: Span,
    notes: &'a mut Annotations,
}

impl Work<'_> {
    /// Once a group holds a number first, or histograms that do not fit, no more of them are added.
    fn total(&mut self, rows: &[usize], step: usize) -> Option<Point> {
        let mut total: Option<Total> = None;
        let (mut floats, mut histograms, mut fits) = (false, false, true);
        for row in rows {
            match self.table.point(*row, step) {
                Some(Point::Float(_)) => floats = true,
                Some(Point::Histogram(histogram)) => {
                    let first = !floats && !histograms;
                    histograms = true;
                    match &mut total {
                        None if first => total = Some(Total::new(self.op, &histogram)),
                        None => {}
                        Some(total) => fits = total.add(&histogram).is_ok(),
                    }
                }
                None => {}
            }
            if !fits {
                self.warn_of_schemas(*row);
                break;
            }
        }
        let outcome = total.as_ref().map(Total::outcome).unwrap_or_default();
        if outcome.nhcb_bounds_reconciled {
            bounds_reconciled(self.notes, self.span, HistogramOperation::Aggregation);
        }
        if floats && histograms {
            let text = "encountered a mix of histograms and floats for aggregation";
            self.notes.warn(self.span, text);
            return None;
        }
        let total = total.filter(|_| fits)?;
        if outcome.counter_reset_collision {
            reset_collision(self.notes, self.span, HistogramOperation::Aggregation);
        }
        let mut histogram = total.finish();
        histogram.compact(0);
        Some(Point::Histogram(histogram.into()))
    }

    fn warn_of_schemas(&mut self, row: usize) {
        let row = self.table.rows.get(row);
        let name = row.map(|row| row.labels.value(NAME)).unwrap_or_default();
        let name = crate::labels::go_quote(name);
        let text = "vector contains a mix of histograms with exponential and custom buckets schemas for metric name";
        self.notes.warn(self.span, format!("{text} {name}"));
    }
}
