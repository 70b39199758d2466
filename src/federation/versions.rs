//! What endpoints make of an expression otherwise than the engine, although they know all of it: Prometheus in older
//! versions, and `VictoriaMetrics`.

use super::{Dialect, scope::counted_label};
use crate::{
    labels::MatchOp,
    promql::{
        FunctionId,
        ast::{Aggregate, AggregateOp, Binary, BinaryOp, Call, Expr, ExprKind, ValueType},
    },
};

/// Whether an aggregation of what is the same is the same.
pub(super) fn aggregates_as_here(dialect: Dialect, aggregate: &Aggregate) -> bool {
    use AggregateOp::{CountValues, Quantile, Stddev, Stdvar};
    let old = dialect == Dialect::Prometheus2;
    let metrics_ql = dialect == Dialect::VictoriaMetrics;
    match aggregate.op {
        // MetricsQL drops elements that are no numbers. Prometheus before 3.5 takes the parameter of the first step for
        // those of all.
        Quantile => aggregate
            .param
            .as_ref()
            .is_none_or(|param| match metrics_ql {
                true => is_number(param),
                false => is_fixed(param),
            }),
        // Before 3.0 elements that are infinite count only if they come first.
        Stddev | Stdvar => !old,
        // The label is taken away again, and one more in 2.42; MetricsQL lets it stand.
        CountValues if old || metrics_ql => counted_label(aggregate)
            .is_none_or(|label| !aggregate.grouping.iter().any(|l| l == label)),
        _ => true,
    }
}

/// Whether an operator has elements of the same names.
pub(super) fn names_as_here(dialect: Dialect, binary: &Binary) -> bool {
    let is_vector = |expr: &Expr| expr.value_type() == ValueType::Vector;
    let of_vectors = is_vector(&binary.lhs) || is_vector(&binary.rhs);
    dialect != Dialect::Prometheus2 || binary.op != BinaryOp::Atan2 || !of_vectors
}

/// Whether a call has the same values.
pub(super) fn calls_as_here(dialect: Dialect, call: &Call) -> bool {
    match dialect {
        Dialect::Prometheus2 => !has_its_window_fixed(call),
        Dialect::EarlyPrometheus3 => {
            !of_histograms(call.function.id) || call.args.iter().all(is_of_numbers)
        }
        Dialect::Prometheus3
        | Dialect::Thanos
        | Dialect::Cortex
        | Dialect::Mimir
        | Dialect::VictoriaMetrics => true,
    }
}

/// Whether a remark beside an answer tells that native histograms were left out of it which the engine would have reconciled.
#[must_use]
pub fn drops_histograms(dialect: Dialect, remark: &str) -> bool {
    let tells = ["incompatible custom buckets", "incompatible bucket layout"];
    dialect == Dialect::EarlyPrometheus3 && tells.iter().any(|tell| remark.contains(tell))
}

/// Whether something but the window of a call changes with the steps: then Prometheus before 2.51 knows the window at the first
/// step only.
fn has_its_window_fixed(call: &Call) -> bool {
    let fixed = |arg: &Expr| match &arg.unwrap_parens().kind {
        ExprKind::Matrix(matrix) => matrix.selector.shift.at.is_some(),
        ExprKind::Subquery(subquery) => subquery.shift.at.is_some(),
        _ => false,
    };
    let changes = |arg: &Expr| arg.value_type() == ValueType::Scalar && !is_fixed(arg);
    let from_now = call.function.id == FunctionId::PredictLinear;
    call.args.iter().any(fixed) && (from_now || call.args.iter().any(changes))
}

/// Whether a scalar is the same at all steps.
fn is_fixed(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Number(_) => true,
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => is_fixed(inner),
        ExprKind::Binary(binary) => is_fixed(&binary.lhs) && is_fixed(&binary.rhs),
        _ => false,
    }
}

/// Whether a scalar is written as a number that is one.
fn is_number(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Number(number) => !number.value.is_nan(),
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => is_number(inner),
        _ => false,
    }
}

/// Whether a function makes something else of native histograms before 3.10.
fn of_histograms(function: FunctionId) -> bool {
    use FunctionId::{
        AvgOverTime, Changes, Delta, HistogramAvg, HistogramCount, HistogramQuantile,
        HistogramStddev, HistogramStdvar, HistogramSum, Idelta, Increase, Irate, LastOverTime,
        Rate, Resets, SumOverTime,
    };
    matches!(
        function,
        AvgOverTime
            | Changes
            | Delta
            | HistogramAvg
            | HistogramCount
            | HistogramQuantile
            | HistogramStddev
            | HistogramStdvar
            | HistogramSum
            | Idelta
            | Increase
            | Irate
            | LastOverTime
            | Rate
            | Resets
            | SumOverTime
    )
}

/// Whether all series are of metrics with the names of counters and of the parts of classic histograms and summaries, which are
/// taken to be no native histograms.
fn is_of_numbers(expr: &Expr) -> bool {
    let suffixes = ["_total", "_count", "_bucket", "_sum"];
    let named = |matchers: &[crate::labels::Matcher]| {
        matchers.iter().any(|one| {
            let is_name = one.op() == MatchOp::Equal && one.name() == "__name__";
            is_name && suffixes.iter().any(|suffix| one.value().ends_with(suffix))
        })
    };
    match &expr.kind {
        ExprKind::Vector(selector) => named(&selector.matchers),
        ExprKind::Matrix(matrix) => named(&matrix.selector.matchers),
        ExprKind::Fragment(_) => false,
        _ => expr.children().into_iter().all(is_of_numbers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_tell_what_was_left_out() {
        let remark = "PromQL warning: vector contains histograms with incompatible custom buckets for metric name \"h\" (1:5)";
        assert!(drops_histograms(Dialect::EarlyPrometheus3, remark));
        assert!(!drops_histograms(Dialect::Prometheus3, remark));
        let other = "PromQL info: metric might not be a counter: \"a\" (1:6)";
        assert!(!drops_histograms(Dialect::EarlyPrometheus3, other));
    }
}
