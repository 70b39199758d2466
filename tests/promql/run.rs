//! Runs the commands of a file.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::LazyLock,
};

use regex::Regex;
use watchfire::promql::{
    Sample, Value,
    ast::Expr,
    engine::{Output, Steps},
};

use crate::{
    annotate, classic, compare, language,
    notation::{self, CommandKind, Eval, Load, Times},
    storage,
    subject::Subject,
};

/// Calls whose value depends on the range of the query.
static OF_THE_RANGE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(start|end|range|step)\(\)").unwrap());

/// Milliseconds between the steps when an instant evaluation is repeated as a range.
const STEP: i64 = 60_000;

/// An evaluation, or another part of a file, that is not as it should be.
#[derive(Debug)]
pub(crate) struct Failure {
    pub line: usize,
    pub query: String,
    pub why: String,
}

#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Evaluations that were run or could not be read.
    pub evaluations: usize,
    /// Those of them that failed, and parts that could not be read or loaded.
    pub failures: Vec<Failure>,
    /// How many of the failures are evaluations.
    pub failed: usize,
}

/// Runs a file, or of its evaluations only the one at `only`.
pub(crate) fn run(text: &str, subject: &mut impl Subject, only: Option<usize>) -> Report {
    let (commands, unreadable) = notation::read(text);
    let mut report = Report::default();
    for part in unreadable {
        let counted = usize::from(part.is_eval);
        report.evaluations += counted;
        report.failed += counted;
        report.fail(part.line, "", part.why);
    }
    for command in commands {
        match command.kind {
            CommandKind::Clear => subject.clear(),
            CommandKind::Load(block) => {
                if let Err(why) = load(&block, subject) {
                    report.fail(command.line, "load", why);
                }
            }
            CommandKind::Eval(eval) => {
                if only.is_some_and(|line| line != command.line) {
                    continue;
                }
                report.evaluations += 1;
                if let Err(why) = evaluate(&eval, subject) {
                    report.failed += 1;
                    report.fail(command.line, &eval.query, why);
                }
            }
        }
    }
    report.failures.sort_by_key(|failure| failure.line);
    report
}

impl Report {
    fn fail(&mut self, line: usize, query: &str, why: String) {
        self.failures.push(Failure {
            line,
            query: query.to_owned(),
            why,
        });
    }

    pub(crate) fn passed(&self) -> usize {
        self.evaluations - self.failed
    }
}

fn load(load: &Load, subject: &mut impl Subject) -> Result<(), String> {
    let mut all: Vec<_> = load
        .series
        .iter()
        .map(|series| {
            let samples = storage::samples(0, load.step, &series.items, &series.starts);
            (series.labels.clone(), samples)
        })
        .collect();
    if load.with_nhcb {
        let native = classic::convert(&all)?;
        all.extend(native);
    }
    for (labels, samples) in all {
        subject.append(&labels, samples)?;
    }
    Ok(())
}

fn evaluate(eval: &Eval, subject: &impl Subject) -> Result<(), String> {
    let expr = language::expression(&eval.query)?;
    let (time, samples_of) = match eval.times {
        Times::Range(steps) => return range(eval, &expr, steps, subject),
        Times::Instant(time) => (time, None),
        Times::Window(steps) => (steps.end, Some(steps)),
    };
    let one = Instant {
        eval,
        subject,
        samples_of,
    };
    one.check(&eval.query, &expr, time)?;
    let Some(fixed) = language::fixed_at(expr, time) else {
        return Ok(());
    };
    let expr = language::expression(&fixed).map_err(|why| format!("printed as {fixed}: {why}"))?;
    let others = match time {
        0 => vec![-1000, 0, 1000],
        time => vec![-10 * time, 0, time / 5, time, 10 * time],
    };
    for at in others {
        one.check(&fixed, &expr, at)
            .map_err(|why| format!("as {fixed} at {at}: {why}"))?;
    }
    Ok(())
}

fn range(
    eval: &Eval,
    expr: &Expr,
    steps: notation::Steps,
    subject: &impl Subject,
) -> Result<(), String> {
    let notation::Steps { start, end, step } = steps;
    let output = match guarded(subject, expr, Steps { start, end, step })? {
        Ok(output) => output,
        Err(error) => return annotate::check_failure(&eval.expected, &error),
    };
    check_success(eval, &eval.query, &output)?;
    compare::check(&eval.expected, Some(steps), &output.value)
}

/// An instant evaluation in one of its forms.
struct Instant<'a, S> {
    eval: &'a Eval,
    subject: &'a S,
    samples_of: Option<notation::Steps>,
}

impl<S: Subject> Instant<'_, S> {
    fn check(&self, query: &str, expr: &Expr, time: i64) -> Result<(), String> {
        let steps = Steps {
            start: time,
            end: time,
            step: 0,
        };
        let output = match guarded(self.subject, expr, steps)? {
            Ok(output) => output,
            Err(error) => return annotate::check_failure(&self.eval.expected, &error),
        };
        check_success(self.eval, query, &output)?;
        compare::check(&self.eval.expected, self.samples_of, &output.value)?;
        let only_instant = self.samples_of.is_some() || self.eval.expected.string.is_some();
        if only_instant || OF_THE_RANGE.is_match(query) {
            return Ok(());
        }
        let scalar = matches!(output.value, Value::Scalar { .. });
        self.check_in_range(expr, time, scalar)
            .map_err(|why| format!("range mode: {why}"))
    }

    /// The same must come out as the middle one of three steps.
    fn check_in_range(&self, expr: &Expr, time: i64, scalar: bool) -> Result<(), String> {
        let steps = Steps {
            start: time - STEP,
            end: time + STEP,
            step: STEP,
        };
        let output = guarded(self.subject, expr, steps)??;
        let expected = &self.eval.expected;
        if expected.ordered {
            return Ok(());
        }
        let Value::Matrix(matrix) = output.value else {
            return Err(format!("no matrix, but {:?}", output.value));
        };
        compare::check_sorted(&matrix)?;
        let samples = matrix
            .iter()
            .flat_map(|series| compare::samples_at(series, time));
        let samples: Vec<Sample> = samples.collect();
        let value = if scalar {
            let value = compare::only_float(&samples)?;
            Value::Scalar { time, value }
        } else {
            Value::Vector(samples)
        };
        compare::check(expected, None, &value)
    }
}

fn check_success(eval: &Eval, query: &str, output: &Output) -> Result<(), String> {
    if !eval.expected.fail.is_empty() {
        return Err("expected an error but got none".to_owned());
    }
    annotate::check(&eval.expected, query, &output.annotations)
}

/// A panic is one failure of many.
fn guarded(
    subject: &impl Subject,
    expr: &Expr,
    steps: Steps,
) -> Result<Result<Output, String>, String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| subject.evaluate(expr, steps)));
    outcome.map_err(|payload| {
        let text = payload
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| payload.downcast_ref::<&str>().copied());
        format!("panicked: {}", text.unwrap_or("no text"))
    })
}
