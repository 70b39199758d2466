//! Walks the plan: each node yields its values at all steps at once.

use std::borrow::Cow;

use super::{
    EvalError, Options, Output, Steps, Stop, output,
    plan::{Instant, Node, NodeKind, Prepared, Shift, SubqueryNode},
    room::{Room, Text, places},
    select,
    table::{Row, Table},
};
use crate::{
    labels::LabelSet,
    promql::{Annotations, Point, Samples, Series, is_stale, with_room},
};

/// What a node yields.
pub(super) enum Evaluated {
    /// A number per step.
    Scalar(Vec<f64>),
    Vector(Table),
    Text(String),
    /// Windows, of which a query may be made only for one step.
    Matrix(Vec<MatrixRow>),
}

/// A series of a window.
pub(super) struct MatrixRow {
    pub(super) series: Series,
    pub(super) drop_name: bool,
}

impl Evaluated {
    pub(super) fn scalar(self) -> Result<Vec<f64>, EvalError> {
        match self {
            Self::Scalar(values) => Ok(values),
            _ => Err(unexpected("scalar")),
        }
    }

    pub(super) fn vector(self) -> Result<Table, EvalError> {
        match self {
            Self::Vector(table) => Ok(table),
            _ => Err(unexpected("instant vector")),
        }
    }

    fn samples(&self) -> usize {
        match self {
            Self::Scalar(values) => values.len(),
            Self::Vector(table) => table.samples().max(places(table.len(), table.steps())),
            Self::Text(_) => 0,
            Self::Matrix(rows) => rows.iter().map(|row| samples(&row.series)).sum(),
        }
    }
}

fn samples(series: &Series) -> usize {
    let histograms = series.histograms.values.iter();
    series.floats.values.len() + histograms.map(|histogram| histogram.size()).sum::<usize>()
}

/// The type checks of the parser make this impossible.
fn unexpected(expected: &str) -> EvalError {
    EvalError::failed(format!("expected a value of type {expected}"))
}

/// Evaluates one expression.
pub(super) struct Evaluator<'a> {
    pub(super) options: Options,
    data: &'a [Vec<Series>],
    fragments: &'a [Vec<Series>],
    pub(super) notes: Annotations,
    /// Samples held by values that are still in use.
    held: usize,
    text: Text,
    pub(super) stop: &'a Stop,
}

pub(super) fn run(
    prepared: &Prepared,
    data: &[Vec<Series>],
    fragments: &[Vec<Series>],
) -> Result<Output, EvalError> {
    let mut evaluator = Evaluator {
        options: prepared.options,
        data,
        fragments,
        notes: Annotations::default(),
        held: 0,
        text: Text::default(),
        stop: &prepared.stop,
    };
    let value = evaluator.eval(&prepared.root, prepared.steps)?;
    let value_type = prepared.root.value_type;
    let delayed = prepared.options.delayed_name_removal;
    let value = output::value(value, value_type, prepared.steps, delayed)?;
    Ok(Output {
        value,
        annotations: evaluator.notes,
    })
}

impl<'a> Evaluator<'a> {
    /// The series of a selection.
    pub(super) fn series(&self, selection: usize) -> &'a [Series] {
        self.data
            .get(selection)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// The series of a selection, of which only count and sum of histograms may be asked for.
    pub(super) fn series_for(&self, selection: usize, statistics: bool) -> Cow<'a, [Series]> {
        let series = self.series(selection);
        let histograms = |series: &Series| !series.histograms.values.is_empty();
        if !statistics || !series.iter().any(histograms) {
            return Cow::Borrowed(series);
        }
        Cow::Owned(series.iter().map(select::statistics).collect())
    }

    pub(super) fn eval(&mut self, node: &Node, steps: Steps) -> Result<Evaluated, EvalError> {
        self.go_on()?;
        self.room().check(1, steps.count())?;
        let before = self.held;
        let value = with_room(|| self.eval_kind(node, steps))?;
        self.held = before;
        self.hold(value.samples())?;
        Ok(value)
    }

    /// Ends the evaluation if that is due; asked for each node and for each series of what takes long.
    pub(super) fn go_on(&self) -> Result<(), EvalError> {
        if self.stop.is_due() {
            return Err(EvalError::Stopped);
        }
        Ok(())
    }

    /// What may be held beside what is held already.
    pub(super) fn room(&self) -> Room {
        Room::new(&self.options, self.held)
    }

    /// Counts the bytes of a label before it is made.
    pub(super) fn take_text(&mut self, bytes: usize) -> Result<(), EvalError> {
        self.text.take(&self.options, bytes)
    }

    /// Counts samples against the limit.
    pub(super) fn hold(&mut self, samples: usize) -> Result<(), EvalError> {
        self.held = self.held.saturating_add(samples);
        if self.held > self.options.max_samples {
            return Err(EvalError::TooManySamples);
        }
        Ok(())
    }

    fn eval_kind(&mut self, node: &Node, steps: Steps) -> Result<Evaluated, EvalError> {
        match &node.kind {
            NodeKind::Number(number) => Ok(Evaluated::Scalar(vec![*number; steps.count()])),
            NodeKind::Text(text) => Ok(Evaluated::Text(text.clone())),
            NodeKind::Instant(instant) => self.instant(node, instant, steps).map(Evaluated::Vector),
            NodeKind::Fragment(number) => {
                let series = self.fragments.get(*number).map(Vec::as_slice);
                let series = series.unwrap_or_default();
                self.selected(series, Shift::default(), steps, 1)
                    .map(Evaluated::Vector)
            }
            NodeKind::Range(_) | NodeKind::Subquery(_) => self.matrix(node, steps),
            NodeKind::Same(inner) => self.eval(inner, steps),
            NodeKind::Negate(inner) => self.negate(inner, steps),
            NodeKind::Binary(binary) => self.binary(node, binary, steps),
            NodeKind::Aggregate(aggregate) => self.aggregate(node, aggregate, steps),
            NodeKind::Call(call) => self.call(node, call, steps),
            NodeKind::Invariant(inner) => {
                let value = self.eval(inner, steps.first_only())?;
                if let Evaluated::Vector(table) = &value {
                    self.room().check(table.len(), steps.count())?;
                }
                Ok(repeat(value, steps.count()))
            }
        }
    }

    fn instant(
        &mut self,
        node: &Node,
        instant: &Instant,
        steps: Steps,
    ) -> Result<Table, EvalError> {
        let series = self.series_for(instant.selection, instant.statistics);
        let lookback = self.options.lookback;
        if instant.smoothed {
            return self.smoothed(node, instant, steps);
        }
        self.selected(&series, instant.shift, steps, lookback)
    }

    /// The latest sample of each series at each step.
    fn selected(
        &self,
        series: &[Series],
        shift: Shift,
        steps: Steps,
        lookback: i64,
    ) -> Result<Table, EvalError> {
        let room = self.room();
        let count = steps.count();
        let mut table = Table::with_capacity(count, room.series(series.len(), count));
        for series in series {
            self.go_on()?;
            room.check(table.len() + 1, count)?;
            select::push_latest(&mut table, series, shift, steps, lookback);
        }
        Ok(table)
    }

    fn negate(&mut self, inner: &Node, steps: Steps) -> Result<Evaluated, EvalError> {
        let mut table = match self.eval(inner, steps)? {
            Evaluated::Scalar(values) => {
                return Ok(Evaluated::Scalar(
                    values.into_iter().map(|value| -value).collect(),
                ));
            }
            other => other.vector()?,
        };
        for float in table.all_floats_mut() {
            if !is_stale(*float) {
                *float = -*float;
            }
        }
        for row in 0..table.len() {
            for cell in table.histograms_mut(row).iter_mut().flatten() {
                std::sync::Arc::make_mut(cell).mul(-1.0);
            }
        }
        self.drop_names(&mut table)?;
        Ok(Evaluated::Vector(table))
    }

    /// A window as the result of a query of one step.
    fn matrix(&mut self, node: &Node, steps: Steps) -> Result<Evaluated, EvalError> {
        let mut rows = Vec::new();
        match &node.kind {
            NodeKind::Subquery(subquery) => {
                rows = self.subquery(subquery, steps)?;
            }
            NodeKind::Range(range) => {
                for series in self.series(range.selection) {
                    let window = super::call::window_of(series, range, steps.start, self.options)?;
                    if samples(&window) > 0 {
                        rows.push(MatrixRow {
                            series: window,
                            drop_name: false,
                        });
                    }
                }
            }
            _ => {}
        }
        Ok(Evaluated::Matrix(rows))
    }

    /// The values of a subquery's expression as samples.
    pub(super) fn subquery(
        &mut self,
        subquery: &SubqueryNode,
        outer: Steps,
    ) -> Result<Vec<MatrixRow>, EvalError> {
        let steps = subquery.steps(outer);
        if steps.count() == 0 {
            return Ok(Vec::new());
        }
        let table = match self.eval(&subquery.expr, steps)? {
            Evaluated::Scalar(values) => {
                let mut table = Table::with_capacity(values.len(), 1);
                let row = Row {
                    labels: LabelSet::empty(),
                    drop_name: false,
                };
                table.push_floats(row, values);
                table
            }
            other => other.vector()?,
        };
        let times: Vec<i64> = steps.iter().collect();
        let rows = (0..table.len()).filter_map(|row| {
            let head = table.rows.get(row)?;
            Some(MatrixRow {
                series: to_series(&table, row, &head.labels, &times),
                drop_name: head.drop_name,
            })
        });
        Ok(rows.collect())
    }
}

/// A row as a series with the times of its steps.
pub(super) fn to_series(table: &Table, row: usize, labels: &LabelSet, times: &[i64]) -> Series {
    let mut series = Series {
        labels: labels.clone(),
        floats: Samples::default(),
        histograms: Samples::default(),
    };
    let floats = table.floats(row);
    if !table.has_histograms() {
        let present = floats
            .iter()
            .zip(times)
            .filter(|(float, _)| !is_stale(**float));
        (series.floats.values, series.floats.times) = present.unzip();
        return series;
    }
    for (step, time) in times.iter().enumerate() {
        match table.point(row, step) {
            Some(Point::Float(float)) => {
                series.floats.times.push(*time);
                series.floats.values.push(float);
            }
            Some(Point::Histogram(histogram)) => {
                series.histograms.times.push(*time);
                series.histograms.values.push(histogram);
            }
            None => {}
        }
    }
    series
}

/// The value of one step for so many.
fn repeat(value: Evaluated, steps: usize) -> Evaluated {
    match value {
        Evaluated::Scalar(values) => {
            let value = values.first().copied().unwrap_or(f64::NAN);
            Evaluated::Scalar(vec![value; steps])
        }
        Evaluated::Vector(table) if steps != 1 => Evaluated::Vector(table.repeated(steps)),
        other => other,
    }
}
