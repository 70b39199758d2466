//! The text of what a partition is asked: without the labels that are attached here, in the words of its dialect.

use std::convert::Infallible;

use super::{Dialect, Partition, dialect, guard, prune};
use crate::promql::{
    Function, FunctionId, Variadic,
    ast::{
        Binary, BinaryOp, Call, Duration, Expr, ExprKind, MatrixSelector, ValueType,
        VectorMatching, VectorSelector,
    },
    with_room,
};

/// What an instant selector is in `MetricsQL`, with its window said.
static DEFAULT_ROLLUP: Function = Function {
    id: FunctionId::LastOverTime,
    name: "default_rollup",
    args: &[ValueType::Matrix],
    variadic: Variadic::No,
    returns: ValueType::Vector,
    experimental: false,
};

/// Whether two partitions are [asked](asked) the same for the same: they have the same labels, whatever the values.
pub(super) fn is_asked_alike(one: &Partition, other: &Partition) -> bool {
    let names = one.labels.iter().map(|(name, _)| name);
    let same = names.eq(other.labels.iter().map(|(name, _)| name));
    // One that is asked for its labels is asked for their values.
    let plain = one.others.is_empty() && other.others.is_empty();
    one.dialect == other.dialect
        && one.mode == other.mode
        && one.rates == other.rates
        && same
        && plain
}

/// Whether a replica may have series for each selector of an expression, as those that are asked first may.
pub(super) fn may_have(partition: &Partition, expr: &Expr) -> bool {
    let mut left = vec![expr];
    while let Some(expr) = left.pop() {
        let selector = expr.selector();
        if selector.is_some_and(|selector| !prune::may_match(partition, &selector.matchers)) {
            return false;
        }
        left.extend(expr.children());
    }
    true
}

/// An expression that [may be asked](dialect::Habits::may_ask) as it is asked of a partition whose instant selectors are to
/// look back so many milliseconds.
pub(super) fn asked(partition: &Partition, lookback: i64, expr: &Expr) -> Expr {
    // Its window is as it is said, whatever that includes.
    let as_said = |child: &Expr| match (&expr.kind, &child.kind) {
        (ExprKind::Call(call), ExprKind::Matrix(matrix))
            if guard::guarded(partition, call).is_some() =>
        {
            Some(matrix.range.clone())
        }
        _ => None,
    };
    let child = |child: &Expr| {
        let mut asked = asked(partition, lookback, child);
        if let (Some(range), ExprKind::Matrix(matrix)) = (as_said(child), &mut asked.kind) {
            matrix.range = range;
        }
        Ok::<_, Infallible>(asked)
    };
    let Ok(mut expr) = with_room(|| expr.with_children(child));
    let shorten = |range: &mut Duration| {
        if let Some(window) = dialect::shortened(partition.dialect, range) {
            *range = window;
        }
    };
    let select = |matchers: &mut Vec<_>| *matchers = prune::matchers(partition, matchers);
    match &mut expr.kind {
        // Durations as numbers are younger than 3.0.
        ExprKind::Number(number) => number.duration = false,
        ExprKind::Vector(selector) => select(&mut selector.matchers),
        ExprKind::Matrix(matrix) => {
            select(&mut matrix.selector.matchers);
            shorten(&mut matrix.range);
        }
        ExprKind::Subquery(subquery) => shorten(&mut subquery.range),
        ExprKind::Binary(binary) => {
            if let Some(matching) = &mut binary.matching {
                matching.labels = labels(partition, &matching.labels, !matching.on);
                matching.include = labels(partition, &matching.include, false);
            }
        }
        ExprKind::Aggregate(aggregate) => {
            aggregate.grouping = labels(partition, &aggregate.grouping, aggregate.without);
        }
        ExprKind::String(_)
        | ExprKind::Fragment(_)
        | ExprKind::Paren(_)
        | ExprKind::Unary(..)
        | ExprKind::Call(_) => {}
    }
    if partition.dialect == Dialect::VictoriaMetrics {
        expr = with_window(expr, lookback);
    }
    expr
}

/// `MetricsQL` looks back as far as it thinks right, over a range mostly one step, unless there is a window.
fn with_window(expr: Expr, lookback: i64) -> Expr {
    match &expr.kind {
        ExprKind::Vector(selector) => {
            let window = window(&expr, selector, lookback);
            expr.of_kind(call(&DEFAULT_ROLLUP, window))
        }
        ExprKind::Call(outer) if outer.function.id == FunctionId::Timestamp => {
            let Some(ExprKind::Call(inner)) =
                outer.args.first().map(|arg| &arg.unwrap_parens().kind)
            else {
                return expr;
            };
            let Some(window) = inner
                .args
                .first()
                .filter(|_| inner.function == &DEFAULT_ROLLUP)
            else {
                return expr;
            };
            // Of a series that has ended there is a last time still.
            let op = BinaryOp::And;
            let lasts = Binary {
                op,
                lhs: expr.of_kind(call(outer.function, window.clone())),
                rhs: expr.of_kind(call(&DEFAULT_ROLLUP, window.clone())),
                matching: Some(VectorMatching::default_for(op)),
                return_bool: false,
            };
            let lasts = expr.of_kind(ExprKind::Binary(Box::new(lasts)));
            expr.of_kind(ExprKind::Paren(Box::new(lasts)))
        }
        _ => expr,
    }
}

fn window(expr: &Expr, selector: &VectorSelector, lookback: i64) -> Expr {
    expr.of_kind(ExprKind::Matrix(MatrixSelector {
        selector: selector.clone(),
        selector_span: expr.span,
        range: Duration::Fixed(lookback),
    }))
}

fn call(function: &'static Function, arg: Expr) -> ExprKind {
    ExprKind::Call(Box::new(Call {
        function,
        args: vec![arg],
    }))
}

/// Labels that are kept or compared, or with `but` those that are not: attached ones never are.
fn labels(partition: &Partition, labels: &[String], but: bool) -> Vec<String> {
    let attached = partition.attached();
    let known = labels
        .iter()
        .filter(|name| attached.get(name).is_none() && !prune::lacks(partition.dialect, name));
    let mut asked: Vec<String> = known.cloned().collect();
    if but {
        asked.extend(attached.iter().map(|(name, _)| name.to_owned()));
    }
    asked
}
