//! Expressions and series as the files write them.

use watchfire::{
    labels::LabelSet,
    promql::{
        FunctionId,
        ast::{At, Expr, ExprKind, TimeShift},
        parse::{Features, SeriesValue, parse, parse_series},
    },
};

/// Reads a series and its values.
pub(crate) fn series(line: &str) -> Result<(LabelSet, Vec<SeriesValue>), String> {
    parse_series(line).map_err(|error| error.to_string())
}

/// Reads an expression with all that is experimental.
pub(crate) fn expression(query: &str) -> Result<Expr, String> {
    parse(query, Features::all()).map_err(|error| error.to_string())
}

/// The expression with all its selectors and subqueries fixed at `time`, written out; none if its value depends on the
/// time of evaluation for other reasons.
pub(crate) fn fixed_at(mut expr: Expr, time: i64) -> Option<String> {
    fix(&mut expr, time).then(|| expr.to_string())
}

/// Fixes what is below an expression; says whether the result is the same at any time.
fn fix(expr: &mut Expr, time: i64) -> bool {
    match &mut expr.kind {
        ExprKind::Number(_) | ExprKind::String(_) | ExprKind::Fragment(_) => true,
        ExprKind::Vector(selector) => fix_shift(&mut selector.shift, time),
        ExprKind::Matrix(matrix) => fix_shift(&mut matrix.selector.shift, time),
        ExprKind::Subquery(subquery) => fix_shift(&mut subquery.shift, time),
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => fix(inner, time),
        ExprKind::Binary(binary) => fix(&mut binary.lhs, time) & fix(&mut binary.rhs, time),
        ExprKind::Aggregate(aggregate) => {
            let param = aggregate
                .param
                .as_mut()
                .is_none_or(|param| fix(param, time));
            fix(&mut aggregate.expr, time) & param
        }
        ExprKind::Call(call) => {
            let mut same = !depends_on_time(call.function.id);
            for arg in &mut call.args {
                same &= fix(arg, time);
            }
            same
        }
    }
}

fn fix_shift(shift: &mut TimeShift, time: i64) -> bool {
    if !matches!(shift.at, Some(At::Time(_))) {
        shift.at = Some(At::Time(time));
    }
    true
}

/// Functions that yield something else at another time even for the same arguments.
fn depends_on_time(function: FunctionId) -> bool {
    use FunctionId as F;
    matches!(
        function,
        F::DaysInMonth
            | F::DayOfMonth
            | F::DayOfWeek
            | F::DayOfYear
            | F::End
            | F::Hour
            | F::Minute
            | F::Month
            | F::Year
            | F::PredictLinear
            | F::Range
            | F::Start
            | F::Step
            | F::Time
            | F::Timestamp
    )
}
