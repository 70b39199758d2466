//! Functions of single values: numbers, dates, and what a histogram says by itself.

use super::super::{
    EvalError, Steps,
    evaluate::{Evaluated, Evaluator},
    matching::NAME,
    plan::CallNode,
    table::{Row, Table},
};
use crate::{
    labels::LabelSet,
    promql::{
        FunctionId, Point, STALE,
        functions::{DateFunction, clamp, date_function, math_function, round},
        is_stale,
    },
};

impl Evaluator<'_> {
    pub(super) fn map(&mut self, call: &CallNode, steps: Steps) -> Result<Evaluated, EvalError> {
        use FunctionId::{Clamp, ClampMax, ClampMin, Round};
        let id = call.function.id;
        if let Some(part) = date_function(id) {
            return self.date(call, part, steps);
        }
        let mut table = self.arg(call, 0, steps)?.vector()?;
        let mut params = Vec::new();
        for at in 1..call.args.len() {
            params.push(self.arg(call, at, steps)?.scalar()?);
        }
        let param = |at: usize, step: usize| {
            let values = params.get(at);
            values.and_then(|values| values.get(step)).copied()
        };
        match id {
            Clamp => each(&mut table, |value, step| {
                let (least, most) = (param(0, step)?, param(1, step)?);
                clamp(value, least, most)
            }),
            ClampMin => each(&mut table, |value, step| {
                clamp(value, param(0, step)?, f64::INFINITY)
            }),
            ClampMax => each(&mut table, |value, step| {
                clamp(value, f64::NEG_INFINITY, param(0, step)?)
            }),
            Round => each(&mut table, |value, step| {
                Some(round(value, param(0, step).unwrap_or(1.0)))
            }),
            _ => match (math_function(id), statistic(id)) {
                (Some(function), _) => each(&mut table, |value, _| Some(function(value))),
                (None, Some(statistic)) => {
                    of_histograms(&mut table, statistic);
                    table.drop_empty_rows();
                    self.drop_names_but(&mut table, |name| name != NAME)?;
                    return Ok(Evaluated::Vector(table));
                }
                (None, None) => {
                    let name = call.function.name;
                    return Err(EvalError::failed(format!("unknown function {name}")));
                }
            },
        }
        table.drop_empty_rows();
        self.drop_names(&mut table)?;
        Ok(Evaluated::Vector(table))
    }

    /// A part of a date: of the values of a vector, or of the time of the step.
    fn date(
        &mut self,
        call: &CallNode,
        part: DateFunction,
        steps: Steps,
    ) -> Result<Evaluated, EvalError> {
        if call.args.is_empty() {
            let mut table = Table::with_capacity(steps.count(), 1);
            let row = Row {
                labels: LabelSet::empty(),
                drop_name: false,
            };
            table.push_floats(row, steps.iter().map(|time| part((time / 1000) as f64)));
            return Ok(Evaluated::Vector(table));
        }
        let mut table = self.arg(call, 0, steps)?.vector()?;
        each(&mut table, |value, _| Some(part(value)));
        table.drop_empty_rows();
        self.drop_names(&mut table)?;
        Ok(Evaluated::Vector(table))
    }
}

/// Maps the numbers of all rows and removes histograms.
fn each(table: &mut Table, function: impl Fn(f64, usize) -> Option<f64>) {
    for row in 0..table.len() {
        for (step, value) in table.floats_mut(row).iter_mut().enumerate() {
            if !is_stale(*value) {
                *value = function(*value, step).unwrap_or(STALE);
            }
        }
        for cell in table.histograms_mut(row) {
            *cell = None;
        }
    }
}

type Statistic = fn(&crate::promql::FloatHistogram) -> f64;

fn statistic(id: FunctionId) -> Option<Statistic> {
    use FunctionId as Id;
    Some(match id {
        Id::HistogramCount => |histogram| histogram.count,
        Id::HistogramSum => |histogram| histogram.sum,
        Id::HistogramAvg => |histogram| histogram.avg(),
        Id::HistogramStdvar => |histogram| histogram.stdvar(),
        Id::HistogramStddev => |histogram| histogram.stddev(),
        _ => return None,
    })
}

/// Maps histograms and removes numbers.
fn of_histograms(table: &mut Table, statistic: Statistic) {
    for row in 0..table.len() {
        for step in 0..table.steps() {
            let value = match table.point(row, step) {
                Some(Point::Histogram(histogram)) => Some(Point::Float(statistic(&histogram))),
                _ => None,
            };
            table.set(row, step, value);
        }
    }
}
