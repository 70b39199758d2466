//! Which function does what.

use super::super::{
    EvalError, Steps,
    evaluate::{Evaluated, Evaluator},
    plan::{CallNode, Instant, Node, NodeKind},
    select,
    table::{Row, Table},
};
use crate::{
    labels::LabelSet,
    promql::{FunctionId, Point, Span, Window, functions::WindowContext, is_stale},
};

impl Evaluator<'_> {
    pub(in super::super) fn call(
        &mut self,
        node: &Node,
        call: &CallNode,
        steps: Steps,
    ) -> Result<Evaluated, EvalError> {
        use FunctionId as Id;
        let id = call.function.id;
        match id {
            Id::Absent => self.absent(call, steps),
            Id::HistogramQuantile | Id::HistogramQuantiles | Id::HistogramFraction => {
                self.histogram_call(call, steps)
            }
            Id::Info => self.info(call, steps),
            Id::LabelReplace => self.label_replace(call, steps),
            Id::LabelJoin => self.label_join(call, steps),
            Id::Sort | Id::SortDesc | Id::SortByLabel | Id::SortByLabelDesc => {
                self.sort(node, call, steps)
            }
            Id::Scalar => self.scalar_of(call, steps),
            Id::Vector => self.vector_of(call, steps),
            Id::Time => {
                let seconds = |time: i64| time as f64 / 1000.0;
                Ok(Evaluated::Scalar(steps.iter().map(seconds).collect()))
            }
            Id::Pi => Ok(Evaluated::Scalar(vec![std::f64::consts::PI; steps.count()])),
            Id::MaxOf | Id::MinOf => self.either(id, call, steps),
            Id::Timestamp | Id::StartTimestamp => self.timestamp(id, call, steps),
            _ => match crate::promql::functions::resolve(id) {
                Some(function) => self.window_call(node, call, &function, steps),
                None => self.map(call, steps),
            },
        }
    }

    /// The value of an argument, which the parser has checked to be there.
    pub(super) fn arg(
        &mut self,
        call: &CallNode,
        at: usize,
        steps: Steps,
    ) -> Result<Evaluated, EvalError> {
        match call.args.get(at) {
            Some(arg) => self.eval(arg, steps),
            None => Err(EvalError::failed(format!(
                "missing argument {} of {}",
                at + 1,
                call.function.name
            ))),
        }
    }

    fn scalar_of(&mut self, call: &CallNode, steps: Steps) -> Result<Evaluated, EvalError> {
        let table = self.arg(call, 0, steps)?.vector()?;
        let mut values = vec![f64::NAN; steps.count()];
        let mut seen = vec![0_u8; steps.count()];
        for row in 0..table.len() {
            let places = values.iter_mut().zip(&mut seen);
            for (float, (value, seen)) in table.floats(row).iter().zip(places) {
                if !is_stale(*float) {
                    *seen = seen.saturating_add(1);
                    *value = if *seen == 1 { *float } else { f64::NAN };
                }
            }
        }
        Ok(Evaluated::Scalar(values))
    }

    fn vector_of(&mut self, call: &CallNode, steps: Steps) -> Result<Evaluated, EvalError> {
        let values = self.arg(call, 0, steps)?.scalar()?;
        let mut table = Table::with_capacity(steps.count(), 1);
        let row = Row {
            labels: LabelSet::empty(),
            drop_name: false,
        };
        table.push_floats(row, values);
        Ok(Evaluated::Vector(table))
    }

    fn either(
        &mut self,
        id: FunctionId,
        call: &CallNode,
        steps: Steps,
    ) -> Result<Evaluated, EvalError> {
        use crate::promql::functions::{max_of, min_of};
        let a = self.arg(call, 0, steps)?.scalar()?;
        let b = self.arg(call, 1, steps)?.scalar()?;
        let choose = if id == FunctionId::MaxOf {
            max_of
        } else {
            min_of
        };
        let values = a.into_iter().zip(b).map(|(a, b)| choose(a, b));
        Ok(Evaluated::Scalar(values.collect()))
    }

    /// When samples were taken, or when their counters started; of an expression, the time of the step.
    fn timestamp(
        &mut self,
        id: FunctionId,
        call: &CallNode,
        steps: Steps,
    ) -> Result<Evaluated, EvalError> {
        let starts = id == FunctionId::StartTimestamp;
        let lookback = self.options.lookback;
        let mut arg = call.args.first();
        // A selector with `@` is evaluated for each step all the same.
        if let Some(Node {
            kind: NodeKind::Invariant(inner),
            ..
        }) = arg
        {
            arg = Some(inner);
        }
        let mut table = match arg.map(|arg| &arg.kind) {
            Some(NodeKind::Instant(instant)) => {
                let series = self.series(instant.selection);
                self.room().check(series.len(), steps.count())?;
                let known = !starts || self.options.use_start_timestamps;
                select::instant_map(series, instant, steps, lookback, |found| {
                    let time = if starts { found.start } else { found.time };
                    known.then_some(time as f64 / 1000.0)
                })
            }
            _ if starts => Table::new(steps.count()),
            _ => {
                let mut table = self.arg(call, 0, steps)?.vector()?;
                for row in 0..table.len() {
                    for (step, time) in steps.iter().enumerate() {
                        if table.present(row, step) {
                            let seconds = time as f64 / 1000.0;
                            table.set(row, step, Some(Point::Float(seconds)));
                        }
                    }
                }
                table
            }
        };
        self.drop_names(&mut table)?;
        Ok(Evaluated::Vector(table))
    }

    /// An instant selector that interpolates between samples.
    pub(in super::super) fn smoothed(
        &mut self,
        node: &Node,
        instant: &Instant,
        steps: Steps,
    ) -> Result<Table, EvalError> {
        use crate::promql::{ast::Extended, functions::smoothed_at};
        let lookback = self.options.lookback;
        let mut table = Table::new(steps.count());
        let room = self.room();
        for series in self.series(instant.selection) {
            self.go_on()?;
            room.check(table.len() + 1, steps.count())?;
            let fresh = select::Fresh::new(series);
            let mut windows = select::Windows::new(&fresh);
            let row = table.push(Row {
                labels: series.labels.clone(),
                drop_name: false,
            });
            for (index, step) in steps.iter().enumerate() {
                let time = instant.shift.apply(step);
                let window: Window<'_> = windows.slide(time - lookback, time + lookback);
                let context = WindowContext {
                    start: time,
                    end: time,
                    step,
                    params: &[],
                    use_start_timestamps: false,
                    extended: Extended::Smoothed,
                    name: series.labels.value("__name__"),
                    span: node.span,
                };
                let point = smoothed_at(window, time, &context, &mut self.notes);
                table.set(row, index, point);
            }
        }
        table.drop_empty_rows();
        Ok(table)
    }
}

/// Where an argument stands.
pub(super) fn span_of(call: &CallNode, at: usize) -> Span {
    call.args.get(at).map(|arg| arg.span).unwrap_or_default()
}

/// The text of an argument, which is written in the query itself.
pub(super) fn text_of(call: &CallNode, at: usize) -> &str {
    match call.args.get(at).map(|arg| &arg.kind) {
        Some(NodeKind::Text(text)) => text,
        _ => "",
    }
}
