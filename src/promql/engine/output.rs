//! The result of a query in the shape in which it is given out.

use super::{
    EvalError, Steps,
    evaluate::{Evaluated, MatrixRow, to_series},
    matching::without_name,
    table::Table,
};
use crate::{
    labels::LabelSet,
    promql::{Sample, Samples, Series, Value, ast::ValueType, hash::FastMap},
};

/// Makes the result of a query. Names that are still to be dropped are dropped now.
pub(super) fn value(
    value: Evaluated,
    value_type: ValueType,
    steps: Steps,
    delayed: bool,
) -> Result<Value, EvalError> {
    let instant = steps.step == 0;
    match value {
        Evaluated::Text(value) => Ok(Value::String {
            time: steps.start,
            value,
        }),
        Evaluated::Scalar(values) if instant && value_type == ValueType::Scalar => {
            Ok(Value::Scalar {
                time: steps.start,
                value: values.first().copied().unwrap_or(f64::NAN),
            })
        }
        Evaluated::Scalar(values) => Ok(Value::Matrix(vec![Series {
            labels: LabelSet::empty(),
            floats: Samples {
                times: steps.iter().collect(),
                values,
                starts: Vec::new(),
            },
            histograms: Samples::default(),
        }])),
        Evaluated::Vector(mut table) => {
            if delayed {
                drop_delayed_names(&mut table)?;
            }
            Ok(if instant {
                vector(&table, steps.start)
            } else {
                matrix(&table, steps)
            })
        }
        Evaluated::Matrix(rows) => windows(rows, delayed),
    }
}

fn drop_delayed_names(table: &mut Table) -> Result<(), EvalError> {
    for row in table.rows.iter_mut().filter(|row| row.drop_name) {
        row.labels = without_name(&row.labels);
    }
    table.merge_equal_rows()
}

fn vector(table: &Table, time: i64) -> Value {
    let samples = table.rows.iter().enumerate().filter_map(|(at, row)| {
        Some(Sample {
            labels: row.labels.clone(),
            time,
            point: table.point(at, 0)?,
        })
    });
    Value::Vector(samples.collect())
}

fn matrix(table: &Table, steps: Steps) -> Value {
    let times: Vec<i64> = steps.iter().collect();
    let rows = table.rows.iter().enumerate();
    let rows = rows.map(|(at, row)| to_series(table, at, &row.labels, &times));
    let present =
        |series: &Series| !series.floats.times.is_empty() || !series.histograms.times.is_empty();
    Value::Matrix(sorted(rows.filter(present).collect()))
}

fn windows(rows: Vec<MatrixRow>, delayed: bool) -> Result<Value, EvalError> {
    let mut seen: FastMap<LabelSet, ()> = FastMap::default();
    let mut all = Vec::with_capacity(rows.len());
    for mut row in rows {
        if delayed && row.drop_name {
            row.series.labels = without_name(&row.series.labels);
        }
        if seen.insert(row.series.labels.clone(), ()).is_some() {
            return Err(EvalError::failed(
                "vector cannot contain metrics with the same labelset",
            ));
        }
        all.push(row.series);
    }
    Ok(Value::Matrix(sorted(all)))
}

/// In the order of Prometheus's `labels.Compare`: pair by pair, the shorter first.
fn sorted(mut rows: Vec<Series>) -> Vec<Series> {
    rows.sort_by(|a, b| a.labels.iter().cmp(b.labels.iter()));
    rows
}
