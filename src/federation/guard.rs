//! Rates of endpoints whose windows include their start: they are asked for as they are, with questions beside them whose
//! answers tell whether that makes a difference.
//!
//! A window that includes its start has the same samples as one without, unless a sample lies on it, which the newest sample
//! up to there tells. Prometheus before 2.51 extrapolates a counter that is near zero behind a gap at the start
//! of its window by more than its mean distance of samples allows: then its increase is greater than its delta. One that
//! started again within the window has a greater increase in any case, so that it counts as different, too; and if there are
//! samples below zero, nothing follows from that. What is named as a counter is taken to have none.

use std::sync::Arc;

use super::{Dialect, Partition, Pushdown, ask};
use crate::{
    labels::MatchOp,
    promql::{
        Function, FunctionId, Series,
        ast::{
            Aggregate, AggregateOp, At, Call, Duration, Expr, ExprKind, MatrixSelector, TimeShift,
            VectorSelector,
        },
    },
};

/// How `rate`, `increase` and `delta` of an endpoint whose windows include their start may be asked; those that need more care
/// are greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rates {
    /// Not at all.
    #[default]
    Never,
    /// As they are, where no sample lies on the start of a window.
    OffStart,
    /// The same, where no counter is extrapolated towards zero otherwise than here, either: Prometheus before 2.51.
    OffStartAndZero,
}

/// A question whose answer tells whether that to another question means what it means here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// What is asked, at the same steps.
    pub query: Arc<str>,
    /// How far its instant selectors are to look back; milliseconds. It makes no difference to what the answer tells.
    pub lookback: i64,
    tells: Tells,
}

/// Which elements tell that it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tells {
    /// All.
    Any,
    /// A time that is not before the start of a window: of the one at this time in Unix milliseconds, or of that of each step,
    /// so many milliseconds before.
    Start { at: Option<i64>, before: i64 },
}

impl Guard {
    /// Whether an answer to it says that the other answer is of no use.
    #[must_use]
    pub fn fires(&self, answer: &[Series]) -> bool {
        let Tells::Start { at, before } = self.tells else {
            return !answer.is_empty();
        };
        let late = |series: &Series| {
            let samples = series.floats.times.iter().zip(&series.floats.values);
            let mut late = samples.map(|(time, value)| {
                let start = at.unwrap_or(*time).saturating_sub(before);
                millis(*value) >= start
            });
            late.any(|late| late) || !series.histograms.times.is_empty()
        };
        answer.iter().any(late)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "times beyond the range saturate"
)]
fn millis(seconds: f64) -> i64 {
    match seconds.is_nan() {
        // No time at all must not pass for an early one.
        true => i64::MAX,
        false => (seconds * 1000.0).round() as i64,
    }
}

/// The window of a call that may be asked with guards.
pub(super) fn guarded<'a>(partition: &Partition, call: &'a Call) -> Option<&'a MatrixSelector> {
    use FunctionId::{Delta, Increase, Rate};
    let is_rate = matches!(call.function.id, Rate | Increase | Delta);
    let may = partition.dialect == Dialect::Prometheus2
        && partition.pushdown == Pushdown::Aggregate
        && partition.rates != Rates::Never
        && partition.others.is_empty();
    let arg = call.args.first().filter(|_| is_rate && may)?;
    let ExprKind::Matrix(matrix) = &arg.kind else {
        return None;
    };
    before(matrix).map(|_| matrix)
}

/// How long before the time of evaluation, or before the time of its `@`, a window starts.
fn before(matrix: &MatrixSelector) -> Option<(Option<i64>, i64)> {
    let shift = &matrix.selector.shift;
    let (Duration::Fixed(range), Duration::Fixed(offset)) = (&matrix.range, &shift.offset) else {
        return None;
    };
    let before = range.checked_add(*offset)?;
    match shift.at {
        None => Some((None, before)),
        Some(At::Time(at)) => Some((Some(at), before)),
        Some(At::Start | At::End) => None,
    }
}

/// Whether an expression has calls that may be asked with guards.
pub(super) fn has_guarded(partition: &Partition, expr: &Expr) -> bool {
    if partition.rates == Rates::Never {
        return false;
    }
    let here = matches!(&expr.kind, ExprKind::Call(call) if guarded(partition, call).is_some());
    let mut below = expr.children().into_iter();
    here || below.any(|child| has_guarded(partition, child))
}

/// The questions that are to be asked beside an expression, each once.
pub(super) fn guards(partition: &Partition, expr: &Expr) -> Vec<Guard> {
    if partition.rates == Rates::Never {
        return Vec::new();
    }
    let mut guards: Vec<Guard> = Vec::new();
    let mut left = vec![expr];
    while let Some(expr) = left.pop() {
        left.extend(expr.children());
        let ExprKind::Call(call) = &expr.kind else {
            continue;
        };
        let Some(matrix) = guarded(partition, call) else {
            continue;
        };
        let start = start(partition, expr, matrix);
        let counts = call.function.id != FunctionId::Delta;
        let old = counts && partition.rates == Rates::OffStartAndZero;
        let zero = old.then(|| zero(partition, expr, call)).flatten();
        for guard in start.into_iter().chain(zero) {
            if !guards.contains(&guard) {
                guards.push(guard);
            }
        }
    }
    guards
}

/// The newest sample up to the start of a window.
fn start(partition: &Partition, expr: &Expr, matrix: &MatrixSelector) -> Option<Guard> {
    let (at, before) = before(matrix)?;
    let shift = match at {
        None => TimeShift {
            at: None,
            offset: Duration::Fixed(before),
        },
        // Prometheus 2.42 forgets the offset of a `timestamp` of a fixed time.
        Some(at) => TimeShift {
            at: Some(At::Time(at.checked_sub(before)?)),
            offset: Duration::Fixed(0),
        },
    };
    let selector = expr.of_kind(ExprKind::Vector(VectorSelector {
        shift,
        ..matrix.selector.clone()
    }));
    let newest = expr.of_kind(ExprKind::Aggregate(Box::new(Aggregate {
        op: AggregateOp::Max,
        expr: call(expr, "timestamp", selector)?,
        param: None,
        grouping: Vec::new(),
        without: false,
    })));
    Some(Guard {
        query: ask::asked(partition, LOOKBACK, &newest).to_string().into(),
        lookback: LOOKBACK,
        tells: Tells::Start { at, before },
    })
}

/// What is older tells nothing; not all versions can be told.
const LOOKBACK: i64 = 1;

/// Counters that Prometheus before 2.51 may extrapolate otherwise.
fn zero(partition: &Partition, expr: &Expr, of: &Call) -> Option<Guard> {
    let arg = of.args.first()?;
    let window = &arg.kind;
    let asked = |name: &str| {
        let call = call(expr, name, arg.clone())?;
        Some(ask::asked(partition, LOOKBACK, &call))
    };
    let (increase, delta) = (asked("increase")?, asked("delta")?);
    let negative = match window {
        ExprKind::Matrix(matrix) if is_counter(matrix) => String::new(),
        _ => format!(" or {} < 0", asked("min_over_time")?),
    };
    Some(Guard {
        query: format!("count({increase} > {delta}{negative})").into(),
        lookback: LOOKBACK,
        tells: Tells::Any,
    })
}

/// Whether a window is of a metric that is named as one that counts, and is never below zero. Sums may be.
fn is_counter(matrix: &MatrixSelector) -> bool {
    let counts = |name: &str| {
        let suffixes = ["_total", "_count", "_bucket"];
        suffixes.iter().any(|suffix| name.ends_with(suffix))
    };
    let mut matchers = matrix.selector.matchers.iter();
    matchers
        .any(|one| one.op() == MatchOp::Equal && one.name() == "__name__" && counts(one.value()))
}

fn call(expr: &Expr, name: &str, arg: Expr) -> Option<Expr> {
    let function = Function::find(name)?;
    let args = vec![arg];
    Some(expr.of_kind(ExprKind::Call(Box::new(Call { function, args }))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        federation::tests::plans::partition,
        promql::parse::{Features, parse},
    };

    fn of(rates: Rates, query: &str) -> (String, Vec<Guard>) {
        let mode = crate::federation::PartitionMode::Attach;
        let mut partition = partition("a", mode, Dialect::Prometheus2);
        partition.rates = rates;
        let expr = parse(query, Features::all()).unwrap();
        let asked = ask::asked(&partition, 299_999, &expr).to_string();
        (asked, guards(&partition, &expr))
    }

    fn queries(guards: &[Guard]) -> Vec<&str> {
        guards.iter().map(|guard| &*guard.query).collect()
    }

    #[test]
    fn rates_are_asked_for_as_they_are() {
        let query = "sum(rate(x{cluster=\"a\"}[5m] offset 1m)) + sum(max_over_time(x[5m]))";
        let (asked, guards) = of(Rates::OffStart, query);
        assert_eq!(
            asked,
            "sum(rate(x[5m] offset 1m)) + ignoring (cluster) sum(max_over_time(x[4m59s999ms]))"
        );
        assert_eq!(queries(&guards), ["max(timestamp(x offset 6m))"]);
        let (_, guards) = of(Rates::OffStart, "delta(x[5m] @ 1000 offset 10s)");
        assert_eq!(queries(&guards), ["max(timestamp(x @ 690.000))"]);
        let (_, guards) = of(Rates::OffStartAndZero, "increase(x[5m]) + delta(x[5m])");
        let zero = "count(increase(x[5m]) > delta(x[5m]) or min_over_time(x[4m59s999ms]) < 0)";
        let mut both = queries(&guards);
        both.sort_unstable();
        assert_eq!(both, [zero, "max(timestamp(x offset 5m))"]);
        let (_, guards) = of(Rates::OffStartAndZero, "rate(x_total[5m])");
        let zero = "count(increase(x_total[5m]) > delta(x_total[5m]))";
        assert!(queries(&guards).contains(&zero), "{guards:?}");
        let (asked, guards) = of(Rates::Never, "rate(x[5m])");
        assert_eq!((&*asked, guards), ("rate(x[4m59s999ms])", Vec::new()));
    }

    #[test]
    fn a_sample_on_the_start_of_a_window_is_told() {
        let answer = |samples: &[(i64, f64)]| {
            let mut series = Series::default();
            (series.floats.times, series.floats.values) = samples.iter().copied().unzip();
            [series]
        };
        let (_, guards) = of(Rates::OffStart, "rate(x[5m])");
        let guard = &guards[0];
        assert!(!guard.fires(&[]));
        assert!(!guard.fires(&answer(&[(700_000, 399.999), (1_000_007, 700.006)])));
        assert!(guard.fires(&answer(&[(700_000, 399.999), (1_000_007, 700.007)])));
        assert!(guard.fires(&answer(&[(700_000, 400.001)])));
        assert!(guard.fires(&answer(&[(700_000, f64::NAN)])));
        let (_, guards) = of(Rates::OffStart, "rate(x[5m] @ 1000)");
        assert!(guards[0].fires(&answer(&[(5, 700.0)])));
        assert!(!guards[0].fires(&answer(&[(5, 699.0)])));
        let (_, guards) = of(Rates::OffStartAndZero, "rate(x[5m])");
        let zero = guards.iter().find(|one| one.query.starts_with("count"));
        assert!(zero.unwrap().fires(&answer(&[(700_000, 1.0)])));
        assert!(!zero.unwrap().fires(&[]));
    }
}
