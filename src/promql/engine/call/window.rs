//! Functions over windows: one series at a time, its window sliding from step to step.

use super::{super::matching::NAME, span_of};
use crate::promql::{
    Annotations, FunctionId, Series, Slice, Span, Window,
    ast::Extended,
    engine::{
        EvalError, Options, Steps, Stop,
        evaluate::{Evaluated, Evaluator, MatrixRow},
        plan::{CallNode, Node, NodeKind, Range, Shift},
        select::{Fresh, Windows},
        table::{Row, Table},
    },
    functions::{
        FloatFunction, Reach, WindowContext, WindowFunction, check_counter_name, check_function,
        extend,
    },
};

/// After so many samples it is asked whether to give up.
const SAMPLES_BETWEEN_STOPS: usize = 100_000;

/// What is the same for all series of a call.
struct Frame<'a> {
    id: FunctionId,
    function: &'a WindowFunction,
    shift: Shift,
    range: i64,
    extended: Extended,
    reach: Reach,
    span: Span,
    /// The scalar arguments, each with a value per step.
    params: &'a [Vec<f64>],
    steps: Steps,
    use_start_timestamps: bool,
    stop: &'a Stop,
}

impl Evaluator<'_> {
    pub(super) fn window_call(
        &mut self,
        node: &Node,
        call: &CallNode,
        function: &WindowFunction,
        steps: Steps,
    ) -> Result<Evaluated, EvalError> {
        let mut params = Vec::new();
        let mut matrix = None;
        for (at, arg) in call.args.iter().enumerate() {
            match &arg.kind {
                NodeKind::Range(_) | NodeKind::Subquery(_) => matrix = Some((at, arg)),
                _ => params.push(self.eval(arg, steps)?.scalar()?),
            }
        }
        let Some((at, matrix)) = matrix else {
            return Err(EvalError::failed("expected a range vector"));
        };
        let mut frame = Frame {
            id: call.function.id,
            function,
            shift: Shift::default(),
            range: 0,
            extended: Extended::No,
            reach: Reach::default(),
            span: span_of(call, at),
            params: &params,
            steps,
            use_start_timestamps: self.options.use_start_timestamps,
            stop: self.stop,
        };
        let table = match &matrix.kind {
            NodeKind::Range(range) => {
                check_function(range.extended, frame.id, call.function.name)?;
                frame.reach = Reach::of(range.extended, self.options.lookback);
                frame.extended = range.extended;
                (frame.shift, frame.range) = (range.shift, range.range);
                let mut table = Table::with_capacity(steps.count(), 0);
                let all = self.series_for(range.selection, range.statistics);
                for series in all.iter() {
                    self.window_row(&frame, series, false, &mut table)?;
                }
                table
            }
            NodeKind::Subquery(subquery) => {
                frame.span = Span::default();
                (frame.shift, frame.range) = (subquery.shift, subquery.range);
                let rows = self.subquery(subquery, steps)?;
                let mut table = Table::with_capacity(steps.count(), rows.len());
                for MatrixRow { series, drop_name } in &rows {
                    let series = without_hints(series);
                    self.window_row(&frame, &series, *drop_name, &mut table)?;
                }
                table
            }
            _ => Table::new(steps.count()),
        };
        if frame.id == FunctionId::AbsentOverTime {
            return Ok(Evaluated::Vector(super::absent::turned(
                &table, matrix, steps,
            )));
        }
        let mut table = table;
        self.finish_names(&mut table, node)?;
        Ok(Evaluated::Vector(table))
    }

    fn finish_names(&mut self, table: &mut Table, _node: &Node) -> Result<(), EvalError> {
        if self.options.delayed_name_removal {
            return Ok(());
        }
        for row in table.rows.iter_mut().filter(|row| row.drop_name) {
            row.labels = super::super::matching::without_name(&row.labels);
        }
        table.merge_equal_rows()
    }

    /// The values of one series at all steps.
    fn window_row(
        &mut self,
        frame: &Frame<'_>,
        series: &Series,
        drop_name: bool,
        table: &mut Table,
    ) -> Result<(), EvalError> {
        use FunctionId::{FirstOverTime, Increase, LastOverTime, Rate};
        self.go_on()?;
        self.room().check(table.len() + 1, table.steps())?;
        let keeps_name = matches!(frame.id, FirstOverTime | LastOverTime);
        let row = table.push(Row {
            labels: series.labels.clone(),
            drop_name: drop_name || !keeps_name,
        });
        let fresh = Fresh::new(series);
        let name = series.labels.value(NAME);
        let starts = !fresh.floats.starts.is_empty() && frame.use_start_timestamps;
        let plain = fresh.histograms.times.is_empty() && frame.extended == Extended::No;
        let any = match frame.function.floats(starts).filter(|_| plain) {
            Some(function) => frame.floats(function, &fresh, name, table.floats_mut(row))?,
            None => frame.points(&fresh, name, row, table, &mut self.notes)?,
        };
        self.check_samples(&fresh)?;
        if !any {
            table.pop();
            return Ok(());
        }
        if matches!(frame.id, Rate | Increase)
            && table
                .floats(row)
                .iter()
                .any(|float| !crate::promql::is_stale(*float))
        {
            let label = series.labels.value("__type__");
            let label = self.options.type_and_unit_labels.then_some(label);
            check_counter_name(&mut self.notes, name, label, frame.span);
        }
        Ok(())
    }

    /// The samples of one series are held while it is worked on.
    fn check_samples(&mut self, fresh: &Fresh<'_>) -> Result<(), EvalError> {
        let samples = fresh.floats.values.len() + fresh.histograms.values.len();
        if samples > self.options.max_samples {
            return Err(EvalError::TooManySamples);
        }
        Ok(())
    }
}

impl Frame<'_> {
    fn context<'a>(&self, step: i64, params: &'a [f64], name: &'a str) -> WindowContext<'a> {
        let end = self.shift.apply(step);
        WindowContext {
            start: end.saturating_sub(self.range),
            end,
            step,
            params,
            use_start_timestamps: self.use_start_timestamps,
            extended: self.extended,
            name,
            span: self.span,
        }
    }

    /// The samples that a step sees.
    fn window<'a>(&self, windows: &mut Windows<'a>, context: &WindowContext<'_>) -> Window<'a> {
        let after = context.start.saturating_sub(self.reach.before);
        windows.slide(after, context.end.saturating_add(self.reach.after))
    }

    /// Fills a row by a function of floats alone; says whether there is any value.
    fn floats(
        &self,
        function: FloatFunction,
        fresh: &Fresh<'_>,
        name: &str,
        row: &mut [f64],
    ) -> Result<bool, EvalError> {
        let mut windows = Windows::new(fresh);
        let mut params = vec![0.0; self.params.len()];
        let mut any = false;
        let mut seen = 0;
        for (index, (place, step)) in row.iter_mut().zip(self.steps.iter()).enumerate() {
            self.set_params(&mut params, index);
            let context = self.context(step, &params, name);
            let window = self.window(&mut windows, &context);
            self.go_on(&mut seen, window.floats.len())?;
            if window.floats.is_empty() {
                continue;
            }
            if let Some(value) = function(window.floats, &context) {
                *place = value;
                any = true;
            }
        }
        Ok(any)
    }

    /// Ends the evaluation if that is due; asked for when many samples were looked at.
    fn go_on(&self, seen: &mut usize, samples: usize) -> Result<(), EvalError> {
        *seen += samples;
        if *seen >= SAMPLES_BETWEEN_STOPS {
            *seen = 0;
            if self.stop.is_due() {
                return Err(EvalError::Stopped);
            }
        }
        Ok(())
    }

    fn points(
        &self,
        fresh: &Fresh<'_>,
        name: &str,
        row: usize,
        table: &mut Table,
        notes: &mut Annotations,
    ) -> Result<bool, EvalError> {
        let mut windows = Windows::new(fresh);
        let mut params = vec![0.0; self.params.len()];
        let (mut any, mut seen) = (false, 0);
        for (index, step) in self.steps.iter().enumerate() {
            self.set_params(&mut params, index);
            let context = self.context(step, &params, name);
            let window = self.window(&mut windows, &context);
            self.go_on(&mut seen, window.floats.len() + window.histograms.len())?;
            let point = self.function.call(window, &context, notes)?;
            any |= point.is_some();
            table.set(row, index, point);
        }
        Ok(any)
    }

    fn set_params(&self, params: &mut [f64], index: usize) {
        for (param, values) in params.iter_mut().zip(self.params) {
            *param = values.get(index).copied().unwrap_or(f64::NAN);
        }
    }
}

/// A series of a subquery: hints of resets between its histograms do not hold, since steps may leave some out.
fn without_hints(series: &Series) -> std::borrow::Cow<'_, Series> {
    use std::{borrow::Cow, sync::Arc};

    use crate::promql::histogram::CounterResetHint::{NotReset, Reset, Unknown};
    let hinted = |hint| matches!(hint, Reset | NotReset);
    let values = &series.histograms.values;
    if !values
        .iter()
        .any(|histogram| hinted(histogram.counter_reset_hint))
    {
        return Cow::Borrowed(series);
    }
    let mut series = series.clone();
    for histogram in &mut series.histograms.values {
        if hinted(histogram.counter_reset_hint) {
            Arc::make_mut(histogram).counter_reset_hint = Unknown;
        }
    }
    Cow::Owned(series)
}

/// The window of one series at one time, as the result of a query.
pub(in super::super) fn window_of(
    series: &Series,
    range: &Range,
    time: i64,
    options: Options,
) -> Result<Series, EvalError> {
    let fresh = Fresh::new(series);
    let end = range.shift.apply(time);
    let start = end.saturating_sub(range.range);
    let reach = Reach::of(range.extended, options.lookback);
    let mut windows = Windows::new(&fresh);
    let window = windows.slide(
        start.saturating_sub(reach.before),
        end.saturating_add(reach.after),
    );
    let mut result = Series {
        labels: series.labels.clone(),
        ..Series::default()
    };
    if range.extended == Extended::No {
        copy(window.floats, &mut result.floats);
        copy(window.histograms, &mut result.histograms);
    } else {
        result.floats = extend(window, (start, end), range.extended)?;
    }
    Ok(result)
}

fn copy<T: Clone>(slice: Slice<'_, T>, into: &mut crate::promql::Samples<T>) {
    into.times = slice.times.to_vec();
    into.values = slice.values.to_vec();
    into.starts = slice.starts.to_vec();
}
